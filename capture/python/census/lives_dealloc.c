/* SPDX-License-Identifier: MIT
 *
 * See lives_hooks.h: the types whose dead objects the interpreter keeps in free
 * lists.  Only objects of exactly these types get there; those of subclasses are
 * freed.
 *
 * The deallocators of containers guard against deep recursion by the interpreter's
 * "trashcan", which works only in the deallocator that the type has: so the one
 * that stands in does the same, and the original, seeing that it is not the type's,
 * leaves it out.  It wants objects that the collector does not track any more, as
 * the originals do; those do not mind to find that done.
 *
 * A type of an extension that is made meanwhile may have inherited one of these for
 * ever, so they work at any time.
 */
#include "lives_hooks.h"

static inline bool is_known(const PyObject *object)
{
	const uint64_t address = (uint64_t)(uintptr_t)object;
	const struct mr_any_leaf *const leaf = mr_lives_map_find(&mr_lives_any, address);
	const unsigned granule = mr_lives_granule(address);

	return leaf && ((leaf->known[granule / 8] >> (granule % 8)) & 1);
}

static inline void dies(PyObject *object)
{
	if (MR_UNLIKELY(is_known(object)))
		mr_lives_died((uint64_t)(uintptr_t)object);
}

enum stand_in { TUPLE, LIST, DICT, FLOAT, SLICE, CONTEXT, MEMORY_ERROR, STAND_INS };

static destructor originals[STAND_INS];

#define CONTAINER(name, which, type)                                                    \
	static void name(PyObject *object)                                              \
	{                                                                               \
		if (!Py_IS_TYPE(object, type) || Py_TYPE(object)->tp_dealloc != name) { \
			originals[which](object);                                       \
			return;                                                         \
		}                                                                       \
		PyObject_GC_UnTrack(object);                                            \
		Py_TRASHCAN_BEGIN(object, name);                                        \
		dies(object);                                                           \
		originals[which](object);                                               \
		Py_TRASHCAN_END;                                                        \
	}

#define PLAIN(name, which)                 \
	static void name(PyObject *object) \
	{                                  \
		dies(object);              \
		originals[which](object);  \
	}

CONTAINER(tuple_dies, TUPLE, &PyTuple_Type)
CONTAINER(list_dies, LIST, &PyList_Type)
CONTAINER(dict_dies, DICT, &PyDict_Type)
PLAIN(float_dies, FLOAT)
PLAIN(slice_dies, SLICE)
PLAIN(context_dies, CONTEXT)
PLAIN(memory_error_dies, MEMORY_ERROR)

static const destructor stand_ins[STAND_INS] = { tuple_dies, list_dies,    dict_dies,        float_dies,
	                                         slice_dies, context_dies, memory_error_dies };

static PyTypeObject *type_of(enum stand_in which)
{
	PyTypeObject *const types[STAND_INS] = { &PyTuple_Type,
		                                 &PyList_Type,
		                                 &PyDict_Type,
		                                 &PyFloat_Type,
		                                 &PySlice_Type,
		                                 &PyContext_Type,
		                                 (PyTypeObject *)PyExc_MemoryError };

	return types[which];
}

void mr_lives_hook_types(void)
{
	for (unsigned i = 0; i < STAND_INS; i++) {
		PyTypeObject *const type = type_of((enum stand_in)i);

		if (type->tp_dealloc == stand_ins[i])
			continue;
		originals[i] = type->tp_dealloc;
		type->tp_dealloc = stand_ins[i];
	}
}

void mr_lives_unhook_types(void)
{
	for (unsigned i = 0; i < STAND_INS; i++) {
		PyTypeObject *const type = type_of((enum stand_in)i);

		if (type->tp_dealloc == stand_ins[i])
			type->tp_dealloc = originals[i];
	}
}
