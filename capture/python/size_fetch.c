/* SPDX-License-Identifier: MIT
 *
 * See size_fetch.h.
 */
#include "size_fetch.h"

#include "instance_dict.h"

#define GLANCE_MAX 8   /* referents of an object that are fetched */
#define WORDS_BEFORE 4 /* an object: the collector's, and where its attributes are */

void mr_fetch_header(const struct mr_seen *seen, const PyObject *object)
{
	__builtin_prefetch((const char *)object - WORDS_BEFORE * sizeof(void *));
	__builtin_prefetch((const char *)object + 2 * sizeof(void *));
	mr_seen_prefetch(seen, (uint64_t)(uintptr_t)object);
}

void mr_fetch_body(const PyObject *object)
{
	const unsigned long flags = Py_TYPE(object)->tp_flags;

	if (flags & Py_TPFLAGS_LIST_SUBCLASS) {
		__builtin_prefetch(((const PyListObject *)object)->ob_item);
	} else if (flags & Py_TPFLAGS_DICT_SUBCLASS) {
		__builtin_prefetch(((const PyDictObject *)object)->ma_keys);
		__builtin_prefetch(((const PyDictObject *)object)->ma_values);
	} else {
		__builtin_prefetch(mr_instance_dict_place(object));
	}
}

/* The first referents of OBJECT that can be told at a glance. */
static size_t glance(const PyObject *object, PyObject **referents)
{
	const unsigned long flags = Py_TYPE(object)->tp_flags;
	PyObject *const *items;
	Py_ssize_t count;

	if (flags & Py_TPFLAGS_LIST_SUBCLASS) {
		items = ((const PyListObject *)object)->ob_item;
	} else if (flags & Py_TPFLAGS_TUPLE_SUBCLASS) {
		items = ((const PyTupleObject *)object)->ob_item;
	} else {
		return mr_instance_dict_glance(object, referents, GLANCE_MAX);
	}
	count = Py_SIZE(object) < GLANCE_MAX ? Py_SIZE(object) : GLANCE_MAX;
	for (Py_ssize_t i = 0; i < count; i++)
		referents[i] = items[i];
	return (size_t)count;
}

void mr_fetch_referents(const struct mr_seen *seen, const PyObject *object)
{
	PyObject *referents[GLANCE_MAX] = { NULL };
	const size_t count = glance(object, referents);

	for (size_t i = 0; i < count; i++) {
		__builtin_prefetch(referents[i]);
		mr_seen_prefetch(seen, (uint64_t)(uintptr_t)referents[i]);
	}
}

void mr_fetch_bodies(const PyObject *object)
{
	PyObject *referents[GLANCE_MAX] = { NULL };
	const size_t count = glance(object, referents);

	for (size_t i = 0; i < count; i++) {
		if (referents[i])
			mr_fetch_body(referents[i]);
	}
}
