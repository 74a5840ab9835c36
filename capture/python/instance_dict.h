/* SPDX-License-Identifier: MIT
 *
 * The attributes of an instance as they lie in memory.  Since Python 3.11 an
 * instance has no dict until someone asks for it, and asking costs the program
 * more than the dict itself: so this looks without asking, and says what the
 * dict would take up.
 *
 * The only file that knows how the interpreter lays out instances and dicts;
 * versions that it does not know get their dict made, by the public way.  Needs
 * the GIL.  Private to the extension _capture.
 */
#ifndef MR_INSTANCE_DICT_H
#define MR_INSTANCE_DICT_H

#include <Python.h>

#include "base.h"

enum mr_dict_kind { /* how instances of a type have their dict */
	            MR_DICT_NONE,
	            MR_DICT_POINTER, /* at an offset */
	            MR_DICT_MANAGED, /* by the interpreter, before the object */
	            MR_DICT_MADE     /* not known: by the public way */
};

enum mr_dict_found {
	MR_DICT_REAL,    /* `dict` */
	MR_DICT_VALUES,  /* not made: `values` and their names in `keys` */
	MR_DICT_MISSING, /* not made, and empty */
	MR_DICT_ABSENT   /* the instance cannot have one */
};

struct mr_instance_dict {
	PyObject *dict;               /* borrowed; MR_DICT_MADE: owned by the instance */
	PyObject *const *values;      /* by place; some may be NULL */
	const uint8_t *order;         /* of the places, in the order of insertion... */
	int order_step;               /* ...forward (1) or backward (-1) */
	const void *keys;             /* identity of the table of names */
	const PyObject *const *names; /* by place, every name_step-th pointer */
	size_t name_step;
	Py_ssize_t names_used;   /* names in the table */
	Py_ssize_t count;        /* attributes */
	uint64_t would_be_bytes; /* of a dict that is not made, the collector's header included */
};

enum mr_dict_kind mr_instance_dict_kind(const PyTypeObject *type);

/* Bytes of the pointers to a dict and to weak references that lie before an instance of TYPE, and before the
 * collector's header. */
static inline unsigned mr_instance_prefix_bytes(const PyTypeObject *type)
{
#if PY_VERSION_HEX >= 0x030C0000
	const unsigned long with = Py_TPFLAGS_MANAGED_DICT | Py_TPFLAGS_MANAGED_WEAKREF;
#elif PY_VERSION_HEX >= 0x030B0000
	const unsigned long with = Py_TPFLAGS_MANAGED_DICT;
#else
	const unsigned long with = 0;
#endif
	return type->tp_flags & with ? 2 * (unsigned)sizeof(PyObject *) : 0;
}

/* Looks at OBJECT, whose type is of KIND (not MR_DICT_NONE).  Nothing of what it fills in may be
 * used after Python code has run. */
enum mr_dict_found mr_instance_dict_look(PyObject *object, enum mr_dict_kind kind,
                                         struct mr_instance_dict *found);

/* Attribute AT (< count) of a MR_DICT_VALUES: false when there is none in that place. */
static inline bool mr_instance_dict_at(const struct mr_instance_dict *found, Py_ssize_t at, PyObject **name,
                                       PyObject **value)
{
	const size_t place = found->order[at * found->order_step];

	*name = (PyObject *)(uintptr_t)found->names[place * found->name_step];
	*value = found->values[place];
	return *name && *value;
}

/* A new dict with the attributes of OBJECT that is not the instance's own; or its own one when
 * it has one, a new reference; NULL with a Python error. */
PyObject *mr_instance_dict_copy(PyObject *object, enum mr_dict_kind kind);

/* Attribute NAME (an exact str) of OBJECT's dict, a new reference; NULL without an error when it has none. */
PyObject *mr_instance_dict_get(PyObject *object, enum mr_dict_kind kind, PyObject *name);

/* sys.getsizeof() of an exact dict, without the collector's header. */
uint64_t mr_dict_bytes(PyObject *dict);

/* Where the attributes of OBJECT begin, or its dict when it has one; NULL: not known.  For
 * fetching ahead: an address, which is not read here. */
const void *mr_instance_dict_place(const PyObject *object);
/* Up to MAX of the attributes of OBJECT that has no dict, borrowed: how many there are. */
size_t mr_instance_dict_glance(const PyObject *object, PyObject **attributes, size_t max);

#endif
