/* SPDX-License-Identifier: MIT
 *
 * The rule by which objects of a type are sized: what is counted of it, how its
 * flat size is had, which referents it has and how they are walked.  A rule is
 * made when a sizer meets the first object of a type, by the same decisions, in
 * the same order, as pympler's asizeof makes its type definitions, and lives as
 * long as the sizer.  Needs the GIL.  Private to the extension _capture.
 */
#ifndef MR_TYPE_RULES_H
#define MR_TYPE_RULES_H

#include <Python.h>

#include "base.h"
#include "instance_dict.h"
#include "sizing_module.h"

enum mr_rule_kind { /* the names are shown: mr_rule_kind_name() */
	            MR_KIND_STATIC,
	            MR_KIND_DYNAMIC,
	            MR_KIND_DERIVED,
	            MR_KIND_IGNORED,
	            MR_KIND_INFERRED,
	            MR_KIND_COUNT
};

enum mr_refs { /* what an object's referents are */
	       MR_REFS_NONE,
	       MR_REFS_CELL,
	       MR_REFS_CLASS,
	       MR_REFS_CODE,
	       MR_REFS_DICT,
	       MR_REFS_ENUMERATE,
	       MR_REFS_EXCEPTION,
	       MR_REFS_FRAME,
	       MR_REFS_FUNCTION,
	       MR_REFS_GENERATOR,
	       MR_REFS_METHOD,
	       MR_REFS_INSTANCE,
	       MR_REFS_ITERATOR,
	       MR_REFS_MODULE,
	       MR_REFS_NAMEDTUPLE,
	       MR_REFS_PROPERTY,
	       MR_REFS_SEQUENCE,
	       MR_REFS_STAT,
	       MR_REFS_STATVFS,
	       MR_REFS_TRACEBACK,
	       MR_REFS_TYPE,
	       MR_REFS_WEAK,
	       MR_REFS_NUMPY,
	       MR_REFS_COUNT
};

enum mr_leng { /* what an object's length is */
	       MR_LENG_NONE,
	       MR_LENG_LEN,
	       MR_LENG_BYTEARRAY,
	       MR_LENG_CODE,
	       MR_LENG_DICT,
	       MR_LENG_FRAME,
	       MR_LENG_INT,
	       MR_LENG_ITERATOR,
	       MR_LENG_LIST,
	       MR_LENG_MODULE,
	       MR_LENG_SET,
	       MR_LENG_SLICE,
	       MR_LENG_STRUCT,
	       MR_LENG_STR,
	       MR_LENG_ARRAY,
	       MR_LENG_NUMPY,
	       MR_LENG_MEMMAP,
	       MR_LENG_COUNT
};

enum mr_flat {                   /* how the flat size is had */
	       MR_FLAT_CONSTANT, /* flat_bytes, of every object of the type */
	       MR_FLAT_VARIABLE, /* the basic size and the items that the object says it has */
	       MR_FLAT_LIST,
	       MR_FLAT_DICT,
	       MR_FLAT_STR,
	       MR_FLAT_INT,
	       MR_FLAT_METHOD, /* size_method, a function in C, and extra_bytes */
	       MR_FLAT_ASKED,  /* sys.getsizeof(), which may run Python code */
	       MR_FLAT_ARRAY   /* base and items, of array.array and of numpy's */
};

enum mr_walk_kind { /* how the referents are walked */
	            MR_WALK_NONE,
	            MR_WALK_LIST,
	            MR_WALK_TUPLE,
	            MR_WALK_SET,
	            MR_WALK_DICT,
	            MR_WALK_INSTANCE, /* dict, class, slots, and the items of a named tuple */
	            MR_WALK_COLLECT   /* mr_referents_collect() */
};

struct mr_slot {
	PyObject *name;    /* owned */
	Py_ssize_t offset; /* of the pointer in the object */
	PyObject *shadow;  /* owned: what hides the slot for every instance, or NULL */
};

struct mr_profile; /* asizer_account.h */

struct mr_rule {
	PyObject *key;    /* owned: the type; or the class, for the class as an object */
	PyTypeObject *of; /* borrowed: the type that deriving compares with, NULL: none */
	bool is_class;    /* for the class as an object */
	bool both;        /* data and code; else code only */
	bool item_itself; /* the item's size varies by instance: its attribute itemsize */
	bool is_module;
	bool is_frame;
	bool by_first;       /* the first object of the type decides: type_memory.h */
	uint8_t kind;        /* enum mr_rule_kind */
	uint8_t refs;        /* enum mr_refs */
	uint8_t leng;        /* enum mr_leng */
	uint8_t flat;        /* enum mr_flat */
	uint8_t walk;        /* enum mr_walk_kind */
	uint8_t dict_kind;   /* enum mr_dict_kind */
	bool has_class;      /* an instance's class is one of its referents */
	bool sized;          /* with the sizer's options: not left out, not code only */
	bool class_known;    /* its class is in the state MORE, and not hidden */
	uint64_t base_bytes; /* as basicsize() */
	uint64_t item_bytes;
	uint64_t flat_bytes;
	uint64_t extra_bytes; /* headers before the object that __sizeof__ leaves out */
	PyCFunction size_method;
	struct mr_slot *slots;
	size_t slot_count;
	const void *keys_known;      /* a table of names that are all in the state MORE... */
	Py_ssize_t keys_known_count; /* ...when it had that many */
	int64_t excluded;            /* objects left out by exclude_types(); -1: sized */
	struct mr_profile *profile;
};

struct mr_rules_options { /* what rules depend on */
	bool derive;
	bool infer;
};

struct mr_rules {               /* a sizer's; zeros are none */
	struct mr_rule **table; /* by key; the places of classes are hashed apart */
	size_t capacity;
	struct mr_rule **list; /* in the order of making, owned */
	size_t count;
	size_t list_capacity;
};

/* The rule for OBJECT, which is made when there is none.  BY_CLASS: an object that is a class of
 * exactly the metaclass type has a rule of its own.  NULL with a Python error. */
struct mr_rule *mr_rules_for(struct mr_rules *rules, struct mr_sizing_state *state, PyObject *object,
                             const struct mr_rules_options *options, bool by_class);
/* The rule that is there for KEY, or NULL. */
struct mr_rule *mr_rules_find(const struct mr_rules *rules, const void *key, bool is_class);
int mr_rules_traverse(const struct mr_rules *rules, visitproc visit, void *arg);
void mr_rules_release(struct mr_rules *rules); /* zeros are left */

/* Decides all of RULE but what is the sizer's; RULES may be NULL.  -1 with a Python error. */
int mr_rule_decide(struct mr_rule *rule, struct mr_sizing_state *state, PyObject *object,
                   const struct mr_rules *rules, const struct mr_rules_options *options);
/* Where the first object of TYPE decides RULE, the decision is kept for later ones. */
int mr_rule_keep_first(const struct mr_rule *rule, struct mr_sizing_state *state, PyTypeObject *type);
void mr_rule_release(struct mr_rule *rule);
/* The slots of TYPE, where the original looks for them, into RULE. */
int mr_rule_find_slots(struct mr_rule *rule, PyTypeObject *type);
/* How flat sizes are had, and the walk, from what was decided. */
int mr_rule_plan(struct mr_rule *rule, struct mr_sizing_state *state, PyObject *object);

const char *mr_rule_kind_name(unsigned kind);
const char *mr_refs_name(unsigned refs); /* "_seq_refs", NULL: none */
const char *mr_leng_name(unsigned leng); /* "_len_list", NULL: none */

/* ---- The table of types that are known from the start: type_rules_static.c ------- */

struct mr_sizing_statics {
	struct mr_rule *rules; /* keys are owned */
	size_t count;
	PyObject *getsizeof;     /* sys.getsizeof */
	PyObject *sizeof_object; /* object.__sizeof__ as the type object has it */
	PyObject *name_sizeof;
	PyObject *name_module;
	PyObject *name_name;
	uint64_t dict_base_bytes;
	uint64_t int_zero_bytes; /* of int 0, and of others that have one digit */
	uint64_t int_one_bytes;
	int64_t int_one_max;
};

/* Made when it is first asked for.  NULL with a Python error. */
struct mr_sizing_statics *mr_sizing_statics_get(struct mr_sizing_state *state);
int mr_sizing_statics_traverse(struct mr_sizing_statics *statics, visitproc visit, void *arg);
void mr_sizing_statics_clear(struct mr_sizing_statics *statics);
const struct mr_rule *mr_sizing_static(const struct mr_sizing_statics *statics, const PyTypeObject *type,
                                       bool is_class);

/* Is what a type says its __module__ is (a str or NULL, borrowed) one whose types are left out? */
bool mr_module_is_ignored(PyObject *module_name);
/* The __module__ of a class, a new str or NULL without an error. */
PyObject *mr_class_module(PyTypeObject *type);
/* Its __name__: the part of the type's name after the last dot. */
const char *mr_class_name(const PyTypeObject *type);

/* Is TYPE array.array or a subclass? */
bool mr_type_is_array(PyTypeObject *type);

/* As the original's: the type's basic size, the collector's header included. */
uint64_t mr_basic_bytes(const PyTypeObject *type, uint64_t at_least);

/* What the original takes these to be, where it cannot ask; basicsize() and itemsize() show them. */
#define MR_SIZEOF_GC_HEADER 32u
#define MR_SIZEOF_DICT_ENTRY 24u
#define MR_SIZEOF_SET_ENTRY 16u
#define MR_SIZEOF_MODULE 24u
#define MR_SIZEOF_CODE 120u
#define MR_SIZEOF_FRAME 384u

#endif
