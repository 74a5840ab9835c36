/* SPDX-License-Identifier: MIT
 *
 * See lives_hooks.h: the types whose dead objects the interpreter keeps in free
 * lists.  Only objects of exactly these types get there; those of subclasses are
 * freed.
 *
 * The deallocators of containers guard against deep recursion by the interpreter's
 * "trashcan", which works only in the deallocator that the type has: so the one
 * that stands in does the same, from some depth on, and the original, seeing that
 * it is not the type's, leaves it out.  It wants objects that the collector does
 * not track any more, as the originals do; those do not mind to find that done.
 *
 * A type of an extension that is made meanwhile may have inherited one of these for
 * ever, so they work at any time.
 */
#include "lives_hooks.h"

#define DEPTH_FREE 30u /* calls into each other that need no trashcan */

static inline void dies(uint64_t block)
{
	if (MR_UNLIKELY(mr_lives_any_knows(block)))
		mr_lives_died(block);
}

static __thread unsigned depth __attribute__((tls_model("initial-exec")));

enum stand_in { TUPLE, LIST, DICT, FLOAT, SLICE, CONTEXT, ASEND, MEMORY_ERROR, STAND_INS };

static destructor originals[STAND_INS];

#define GC_HEADER (2 * sizeof(uintptr_t))

#define CONTAINER(name, which, type)                                   \
	static void name(PyObject *object)                             \
	{                                                              \
		if (MR_UNLIKELY(!Py_IS_TYPE(object, type))) {          \
			originals[which](object);                      \
			return;                                        \
		}                                                      \
		if (MR_LIKELY(depth < DEPTH_FREE)) {                   \
			depth++;                                       \
			dies((uint64_t)(uintptr_t)object - GC_HEADER); \
			originals[which](object);                      \
			depth--;                                       \
			return;                                        \
		}                                                      \
		PyObject_GC_UnTrack(object);                           \
		Py_TRASHCAN_BEGIN(object, name);                       \
		dies((uint64_t)(uintptr_t)object - GC_HEADER);         \
		originals[which](object);                              \
		Py_TRASHCAN_END;                                       \
	}

/* Of these, objects of subclasses come here, too, and are freed; what lies before an object of the
 * type itself is no block of theirs. */
#define PLAIN(name, which, type, header)                              \
	static void name(PyObject *object)                            \
	{                                                             \
		if (MR_LIKELY(Py_IS_TYPE(object, type)))              \
			dies((uint64_t)(uintptr_t)object - (header)); \
		originals[which](object);                             \
	}

CONTAINER(tuple_dies, TUPLE, &PyTuple_Type)
CONTAINER(list_dies, LIST, &PyList_Type)
CONTAINER(dict_dies, DICT, &PyDict_Type)
PLAIN(float_dies, FLOAT, &PyFloat_Type, 0)
PLAIN(slice_dies, SLICE, &PySlice_Type, GC_HEADER)
PLAIN(context_dies, CONTEXT, &PyContext_Type, GC_HEADER)
PLAIN(asend_dies, ASEND, &_PyAsyncGenASend_Type, GC_HEADER)
PLAIN(memory_error_dies, MEMORY_ERROR, (PyTypeObject *)PyExc_MemoryError, GC_HEADER)

static const destructor stand_ins[STAND_INS] = { tuple_dies, list_dies,    dict_dies,  float_dies,
	                                         slice_dies, context_dies, asend_dies, memory_error_dies };

static PyTypeObject *type_of(enum stand_in which)
{
	PyTypeObject *const types[STAND_INS] = { &PyTuple_Type,          &PyList_Type,
		                                 &PyDict_Type,           &PyFloat_Type,
		                                 &PySlice_Type,          &PyContext_Type,
		                                 &_PyAsyncGenASend_Type, (PyTypeObject *)PyExc_MemoryError };

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
