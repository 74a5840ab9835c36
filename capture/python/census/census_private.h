/* SPDX-License-Identifier: MIT
 *
 * What the files of the census share: what is known of a type, what is this
 * package's own, and the collector's lists.  All of it lives from
 * mr_census_begin() to mr_census_end(), in which no Python code runs, so that
 * everything may be borrowed.
 *
 * Needs the GIL.  Private to this folder.
 */
#ifndef MR_CENSUS_PRIVATE_H
#define MR_CENSUS_PRIVATE_H

#include "census.h"

/* ---- Types: census_types.c ------------------------------------------------------ */

enum mr_plain {                    /* how a flat size is had */
	        MR_PLAIN_UNKNOWN,  /* not decided yet */
	        MR_PLAIN_CONSTANT, /* base_bytes */
	        MR_PLAIN_ITEMS,    /* and the items that the object says it has */
	        MR_PLAIN_LIST,
	        MR_PLAIN_DICT,
	        MR_PLAIN_STR,
	        MR_PLAIN_INT,
	        MR_PLAIN_SET,
	        MR_PLAIN_METHOD /* a __sizeof__ in C, and the headers before the object */
};

struct mr_census_type {
	PyTypeObject *type; /* NULL: the place is free */
	bool is_own;        /* its objects are this package's */
	bool is_gc;         /* its objects have the collector's header, is_gc_each() permitting */
	bool is_frame;
	bool is_int;
	bool in_python; /* it has a __sizeof__ that is written in Python */
	uint8_t plain;  /* enum mr_plain */
	uint32_t header_bytes;
	uint64_t base_bytes; /* with the header */
	PyCFunction size_method;

	/* For who counts objects by type: zeros to begin with. */
	bool is_met;
	uint32_t place;           /* in the order of meeting */
	PyObject *representation; /* the owner's, or NULL */
	uint64_t objects;
	uint64_t bytes;
};

struct mr_census_types {
	struct mr_census_type *table; /* by address */
	size_t capacity;              /* a power of 2 */
	size_t count;
	bool keeps; /* refers to its types, for when Python code runs meanwhile */
};

/* What is known of TYPE; the place moves when another type comes.  NULL: no memory. */
struct mr_census_type *mr_census_type_add(struct mr_census_types *types, PyObject *module,
                                          PyTypeObject *type);
void mr_census_types_release(struct mr_census_types *types);
/* Whether its __sizeof__ is written in Python, and how sizes are had otherwise, if that is not known yet. */
void mr_census_type_plan(struct mr_census_type *known);
/* The flat size of OBJECT, which is of the type KNOWN. */
uint64_t mr_census_plain_bytes(struct mr_census_type *known, PyObject *object);

static inline size_t mr_census_type_place(const struct mr_census_types *types, const PyTypeObject *type)
{
	return (size_t)((((uint64_t)(uintptr_t)type >> 4) * UINT64_C(0x9E3779B97F4A7C15)) >> 32) &
	       (types->capacity - 1);
}

static inline struct mr_census_type *mr_census_type_of(struct mr_census_types *types, PyObject *module,
                                                       PyTypeObject *type)
{
	if (MR_LIKELY(types->capacity != 0)) {
		struct mr_census_type *const found = &types->table[mr_census_type_place(types, type)];

		if (MR_LIKELY(found->type == type))
			return found;
	}
	return mr_census_type_add(types, module, type);
}

/* Has OBJECT, of the type KNOWN, the collector's header? */
static inline bool mr_census_has_header(const struct mr_census_type *known, PyObject *object)
{
	return known->is_gc && (!known->type->tp_is_gc || known->type->tp_is_gc(object));
}

/* The collector's header of an object that has one. */
struct mr_gc_head {
	uintptr_t next;
	uintptr_t previous;
};
#define MR_GC_FLAGS ((uintptr_t)3) /* of these words: the collector's own */

static inline const struct mr_gc_head *mr_gc_head_of(const PyObject *object)
{
	return (const struct mr_gc_head *)(const void *)object - 1;
}

/* Does the collector know OBJECT, which has the header? */
static inline bool mr_gc_is_tracked(const PyObject *object)
{
	return mr_gc_head_of(object)->next != 0;
}

/* The dict of TYPE itself, borrowed, or NULL. */
PyObject *mr_census_type_dict(PyTypeObject *type);
/* The value of NAME in DICT (or NULL), or in the dict of TYPE itself, borrowed, or NULL: by comparing
 * texts, since to hash or to make a string is not needed, nor is anyone's __eq__ called. */
PyObject *mr_census_dict_value(PyObject *dict, const char *name);
PyObject *mr_census_type_value(PyTypeObject *type, const char *name);
/* Text that STRING, borrowed, is or begins with: TEXT, or TEXT and a dot. */
bool mr_is_name_in(PyObject *string, const char *text);

/* ---- The collector's lists: census_lists.c ------------------------------------------ */

/* Calls VISIT with each object that the collector tracks, frozen ones last.  No object is made
 * or referred to.  -1: VISIT's, or with a Python error. */
int mr_gc_each(mr_census_visit visit, void *context);

/* In a visit of mr_gc_each(): is OBJECT a tuple that the collector tracks, but will not after its next
 * look, since nothing in it is tracked?  It looks at what a tuple holds after the tuple, so nested ones
 * take it several times; and what only such tuples refer to is in a census that is not deep until then. */
bool mr_gc_lets_go_of(PyObject *object);

/* ---- This package's own: census_own.c -------------------------------------------- */

struct mr_own_count {
	PyObject *object; /* NULL: the place is free */
	Py_ssize_t refs;  /* from objects that are own */
	bool is_own;
};

struct mr_own {
	struct mr_own_count *table; /* by address */
	size_t capacity;
	size_t count;
	PyObject **list; /* those that are own, in the order of finding */
	size_t list_count;
	size_t list_capacity;
	size_t list_done; /* whose referents have been counted */
	bool failed;      /* no memory */
};

/* sys.modules, borrowed; NULL where there is none (any more). */
PyObject *mr_census_modules(void);
/* Modules of this package, by sys.modules; then OBJECT, which is of an own type. */
int mr_own_add_modules(struct mr_own *own, PyObject *module);
int mr_own_add(struct mr_own *own, PyObject *object);
/* Finds what is held by own objects only.  -1: no memory, with a Python error. */
int mr_own_finish(struct mr_own *own, struct mr_census_types *types, PyObject *module);
bool mr_own_has(const struct mr_own *own, const PyObject *object);
void mr_own_release(struct mr_own *own);

/* ---- The session: census.c ---------------------------------------------------------- */

struct mr_census_session {
	PyObject *module; /* borrowed */
	unsigned depth;   /* of begin and end */
	bool gc_was_enabled;
	struct mr_census_types types;
	struct mr_own own;
};

/* The one that is open. */
struct mr_census_session *mr_census_session(void);

#endif
