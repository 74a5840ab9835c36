/* SPDX-License-Identifier: MIT
 *
 * Flat sizes: an object without its referents, as sys.getsizeof() has it, the
 * collector's header included.  For most types the size is read from the object;
 * a __sizeof__ that is written in C is called, and one that is written in Python
 * is asked through sys.getsizeof().  Needs the GIL.  Private to the extension
 * _capture.
 */
#ifndef MR_SIZE_FLAT_H
#define MR_SIZE_FLAT_H

#include <Python.h>

#include "type_rules.h"

/* Can having the flat size of an object of RULE run Python code? */
static inline bool mr_flat_runs_code(const struct mr_rule *rule)
{
	return rule->flat >= MR_FLAT_METHOD;
}

/* The flat size of OBJECT, not aligned.  A __sizeof__ that fails gives the plain size; -1, as
 * uint64_t, with a Python error: Ctrl-C. */
uint64_t mr_flat_bytes(const struct mr_rule *rule, const struct mr_sizing_state *state, PyObject *object);

/* As mr_flat_bytes() for those that run no code, and are most. */
static inline uint64_t mr_flat_native(const struct mr_rule *rule, const struct mr_sizing_statics *statics,
                                      PyObject *object)
{
	switch (rule->flat) {
	case MR_FLAT_CONSTANT:
		return rule->flat_bytes;
	case MR_FLAT_VARIABLE:
		return rule->flat_bytes + (uint64_t)Py_SIZE(object) * rule->item_bytes;
	case MR_FLAT_LIST:
		return rule->flat_bytes + (uint64_t)((PyListObject *)object)->allocated * sizeof(PyObject *);
	case MR_FLAT_DICT:
		return rule->extra_bytes + mr_dict_bytes(object);
	case MR_FLAT_STR:
		return rule->flat_bytes + (uint64_t)PyUnicode_GET_LENGTH(object);
	default: {
		int overflow;
		const long long value = PyLong_AsLongLongAndOverflow(object, &overflow);

		if (value == 0 && !overflow)
			return statics->int_zero_bytes;
		if (!overflow && value <= statics->int_one_max && value >= -statics->int_one_max)
			return statics->int_one_bytes;
		return 0; /* not so simple: mr_flat_bytes() */
	}
	}
}

/* Is OBJECT one of those that mr_flat_native() knows? */
static inline bool mr_flat_is_native(const struct mr_rule *rule, PyObject *object)
{
	if (rule->flat != MR_FLAT_STR)
		return rule->flat < MR_FLAT_METHOD;
#if PY_VERSION_HEX < 0x030C0000
	if (((PyASCIIObject *)object)->wstr)
		return false;
#endif
	return PyUnicode_IS_COMPACT_ASCII(object);
}

/* How flat sizes are had, with OBJECT as a sample.  -1 with a Python error. */
int mr_flat_plan(struct mr_rule *rule, const struct mr_sizing_statics *statics, PyObject *object);
/* Sizes of items, and base, as the original has them. */
void mr_flat_decide_numpy(struct mr_rule *rule, const struct mr_sizing_statics *statics, PyObject *object);
void mr_flat_decide_array(struct mr_rule *rule, const struct mr_sizing_statics *statics, PyObject *object);

/* The length as leng() has it.  False with or without a Python error: it has none. */
bool mr_leng_of(const struct mr_rule *rule, const struct mr_sizing_state *state, PyObject *object,
                int64_t *leng);
/* A whole number that attribute NAME of OBJECT's type gives; FALLBACK where there is none. */
int64_t mr_attribute_number(PyObject *object, const char *name, int64_t fallback);

#endif
