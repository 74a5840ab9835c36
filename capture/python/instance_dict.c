/* SPDX-License-Identifier: MIT
 *
 * See instance_dict.h.  What each version does:
 *
 * 3.10  a pointer to a dict, NULL until the first attribute is set
 * 3.11  before the object, 3 words down a pointer to the dict and 4 words down one
 *       to the values; at most one of them is set
 * 3.12  3 words down one pointer to either; the lowest bit says that it is values
 * 3.13  3 words down a pointer to the dict; the values, if the type has such, come
 *       after the object's header
 *
 * Names are in the type's table of shared keys.  In front of the values (3.13:
 * after them) is the order in which they were set, a byte each.  The layouts are
 * declared here, so that the interpreter's private headers are not needed.
 */
#include "instance_dict.h"

#include <stddef.h>

#define KNOWN_VERSION (PY_VERSION_HEX >= 0x030A0000 && PY_VERSION_HEX < 0x030E0000)
#ifdef Py_GIL_DISABLED
#define KNOWN_LAYOUT 0
#else
#define KNOWN_LAYOUT KNOWN_VERSION
#endif

#define GC_HEADER_BYTES (2 * sizeof(void *))

#if KNOWN_LAYOUT

#if PY_VERSION_HEX < 0x030B0000
struct keys_table { /* the beginning of PyDictKeysObject */
	Py_ssize_t references;
	Py_ssize_t size;
};
#else
struct keys_table {
	Py_ssize_t references;
	uint8_t log2_size;
	uint8_t log2_index_bytes;
	uint8_t kind;
	uint32_t version;
	Py_ssize_t usable;
	Py_ssize_t used;
	char indices[]; /* 1 << log2_index_bytes, then the entries: name and value */
};
#endif

static const struct keys_table *keys_of(const PyTypeObject *type)
{
	if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE))
		return NULL;
	return (const struct keys_table *)(const void *)((const PyHeapTypeObject *)type)->ht_cached_keys;
}

/* The dict that the interpreter would make for an instance without attributes of its own, or
 * with VALUES. */
static uint64_t would_be_bytes(const struct keys_table *keys, bool shared)
{
	uint64_t bytes = GC_HEADER_BYTES + sizeof(PyDictObject);

	if (shared && keys) {
#if PY_VERSION_HEX < 0x030B0000
		bytes += (uint64_t)(keys->size << 1) / 3 * sizeof(PyObject *);
#else
		bytes += (uint64_t)(keys->usable + keys->used) * sizeof(PyObject *);
#endif
	}
	return bytes;
}

static enum mr_dict_found look_pointer(PyObject *object, struct mr_instance_dict *found)
{
	PyObject **const place = _PyObject_GetDictPtr(object);

	if (!place)
		return MR_DICT_ABSENT;
	if (*place) {
		found->dict = *place;
		return MR_DICT_REAL;
	}
	found->would_be_bytes = would_be_bytes(keys_of(Py_TYPE(object)), true);
	return MR_DICT_MISSING;
}

#if PY_VERSION_HEX >= 0x030B0000

#define DICT_WORD (-3) /* of the object */

#if PY_VERSION_HEX < 0x030C0000
#define VALUES_WORD (-4)
#endif

#if PY_VERSION_HEX < 0x030D0000
/* The values, or NULL. */
static PyObject *const *values_of(const PyObject *object)
{
	const uintptr_t *const words = (const uintptr_t *)object;

#if PY_VERSION_HEX < 0x030C0000
	return (PyObject *const *)words[VALUES_WORD];
#else
	return words[DICT_WORD] & 1 ? (PyObject *const *)(words[DICT_WORD] + 1) : NULL;
#endif
}

static void show_values(PyObject *const *values, struct mr_instance_dict *found)
{
	const uint8_t *const before = (const uint8_t *)values;

	found->values = values;
	found->count = before[-2];
	found->order = before - 3;
	found->order_step = -1;
}
#else
struct inline_values {
	uint8_t capacity;
	uint8_t count;
	uint8_t embedded;
	uint8_t valid;
	PyObject *values[];
};

static const struct inline_values *values_of(const PyObject *object)
{
	const struct inline_values *const values = (const struct inline_values *)(object + 1);

	if (!(Py_TYPE(object)->tp_flags & Py_TPFLAGS_INLINE_VALUES) || ((void *const *)object)[DICT_WORD])
		return NULL;
	return values->valid ? values : NULL;
}

static void show_values(const struct inline_values *values, struct mr_instance_dict *found)
{
	found->values = values->values;
	found->count = values->count;
	found->order = (const uint8_t *)&values->values[values->capacity];
	found->order_step = 1;
}
#endif

static enum mr_dict_found look_managed(PyObject *object, struct mr_instance_dict *found)
{
	const struct keys_table *const keys = keys_of(Py_TYPE(object));
	const void *const values = values_of(object);

	if (values && keys) {
		show_values(values, found);
		found->keys = keys;
		found->names =
			(const PyObject *const *)(keys->indices + ((size_t)1 << keys->log2_index_bytes));
		found->name_step = 2;
		found->names_used = keys->used;
		found->would_be_bytes = would_be_bytes(keys, true);
		return MR_DICT_VALUES;
	}

	PyObject *const dict = ((PyObject **)object)[DICT_WORD];

	if (dict) {
		found->dict = dict;
		return MR_DICT_REAL;
	}
	found->would_be_bytes = would_be_bytes(keys, PY_VERSION_HEX >= 0x030C0000);
	return MR_DICT_MISSING;
}

#endif /* 3.11 */

enum mr_dict_kind mr_instance_dict_kind(const PyTypeObject *type)
{
#if PY_VERSION_HEX >= 0x030B0000
	if (type->tp_flags & Py_TPFLAGS_MANAGED_DICT)
		return MR_DICT_MANAGED;
#endif
	return type->tp_dictoffset ? MR_DICT_POINTER : MR_DICT_NONE;
}

enum mr_dict_found mr_instance_dict_look(PyObject *object, enum mr_dict_kind kind,
                                         struct mr_instance_dict *found)
{
#if PY_VERSION_HEX >= 0x030B0000
	if (MR_LIKELY(kind == MR_DICT_MANAGED))
		return look_managed(object, found);
#endif
	return kind == MR_DICT_POINTER ? look_pointer(object, found) : MR_DICT_ABSENT;
}

#else /* a version that is not known */

enum mr_dict_kind mr_instance_dict_kind(const PyTypeObject *type)
{
	if (type->tp_flags & Py_TPFLAGS_MANAGED_DICT)
		return MR_DICT_MADE;
	return type->tp_dictoffset ? MR_DICT_MADE : MR_DICT_NONE;
}

enum mr_dict_found mr_instance_dict_look(PyObject *object, enum mr_dict_kind kind,
                                         struct mr_instance_dict *found)
{
	if (kind != MR_DICT_MADE)
		return MR_DICT_ABSENT;

	PyObject *const dict = PyObject_GenericGetDict(object, NULL);

	if (!dict) {
		PyErr_Clear();
		return MR_DICT_ABSENT;
	}
	found->dict = dict;
	Py_DECREF(dict); /* the instance has it */
	return MR_DICT_REAL;
}

#endif

PyObject *mr_instance_dict_copy(PyObject *object, enum mr_dict_kind kind)
{
	struct mr_instance_dict found;
	PyObject *const copy = PyDict_New(); /* first: a collection may run Python code */

	if (!copy)
		return NULL;
	switch (mr_instance_dict_look(object, kind, &found)) {
	case MR_DICT_REAL:
		Py_DECREF(copy);
		return Py_NewRef(found.dict);
	case MR_DICT_VALUES:
		break;
	case MR_DICT_MISSING:
	case MR_DICT_ABSENT:
		return copy;
	}

	/* Names are exact strings, whose hashing and comparing runs no Python code. */
	for (Py_ssize_t i = 0; i < found.count; i++) {
		PyObject *name;
		PyObject *value;

		if (mr_instance_dict_at(&found, i, &name, &value) && PyDict_SetItem(copy, name, value) < 0) {
			Py_DECREF(copy);
			return NULL;
		}
	}
	return copy;
}

PyObject *mr_instance_dict_get(PyObject *object, enum mr_dict_kind kind, PyObject *name)
{
	struct mr_instance_dict found;
	enum mr_dict_found what = MR_DICT_ABSENT;

	if (kind != MR_DICT_NONE)
		what = mr_instance_dict_look(object, kind, &found);
	if (what == MR_DICT_REAL && PyDict_Check(found.dict)) {
		/* Its other names may compare by Python code, which may take the dict away. */
		PyObject *const dict = Py_NewRef(found.dict);
		PyObject *const value = Py_XNewRef(PyDict_GetItemWithError(dict, name));

		if (!value)
			PyErr_Clear();
		Py_DECREF(dict);
		return value;
	}
	if (what != MR_DICT_VALUES)
		return NULL;
	for (Py_ssize_t i = 0; i < found.count; i++) {
		PyObject *key;
		PyObject *value;

		if (mr_instance_dict_at(&found, i, &key, &value) &&
		    (key == name || (PyUnicode_CheckExact(key) && PyUnicode_Compare(key, name) == 0)))
			return Py_NewRef(value);
	}
	return NULL;
}

#if KNOWN_VERSION && PY_VERSION_HEX >= 0x030D0000
PyAPI_FUNC(Py_ssize_t) _PyDict_SizeOf(PyDictObject *dict); /* exported, but no longer declared */
#endif

uint64_t mr_dict_bytes(PyObject *dict)
{
#if KNOWN_VERSION
	return (uint64_t)_PyDict_SizeOf((PyDictObject *)dict);
#else
	PyObject *const size = PyObject_CallMethod(dict, "__sizeof__", NULL);
	const size_t bytes = size ? PyLong_AsSize_t(size) : (size_t)-1;

	Py_XDECREF(size);
	if (bytes == (size_t)-1 && PyErr_Occurred()) {
		PyErr_Clear();
		return sizeof(PyDictObject);
	}
	return bytes;
#endif
}

#if KNOWN_LAYOUT && PY_VERSION_HEX >= 0x030B0000
const void *mr_instance_dict_place(const PyObject *object)
{
	const char *values;

	if (!(Py_TYPE(object)->tp_flags & Py_TPFLAGS_MANAGED_DICT))
		return NULL;
	values = (const char *)values_of(object);
	return values ? values - sizeof(void *) : ((void *const *)object)[DICT_WORD];
}

size_t mr_instance_dict_glance(const PyObject *object, PyObject **attributes, size_t max)
{
	struct mr_instance_dict found;
	const void *values;
	size_t count = 0;

	if (!(Py_TYPE(object)->tp_flags & Py_TPFLAGS_MANAGED_DICT) || !(values = values_of(object)))
		return 0;
	show_values(values, &found);
	for (; (Py_ssize_t)count < found.count && count < max; count++)
		attributes[count] = found.values[found.order[(Py_ssize_t)count * found.order_step]];
	return count;
}
#else
const void *mr_instance_dict_place(const PyObject *object)
{
	PyTypeObject *const type = Py_TYPE(object);

	/* A dict's pointer that is at a place in front is read; others take too long to find. */
	return type->tp_dictoffset > 0 ? *(void *const *)((const char *)object + type->tp_dictoffset) : NULL;
}

size_t mr_instance_dict_glance(const PyObject *object MR_UNUSED, PyObject **attributes MR_UNUSED,
                               size_t max MR_UNUSED)
{
	return 0;
}
#endif
