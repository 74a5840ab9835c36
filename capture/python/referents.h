/* SPDX-License-Identifier: MIT
 *
 * Attributes that are had without running Python code, and the referents of the
 * kinds of objects that have theirs in attributes.  Needs the GIL.  Private to the
 * extension _capture.
 */
#ifndef MR_REFERENTS_H
#define MR_REFERENTS_H

#include <Python.h>

#include "type_rules.h"

/* Referents that were collected, and as many names: a str, or None where the referent's own name
 * counts.  Both lists are owned. */
struct mr_referents {
	PyObject *refs;  /* a list */
	PyObject *names; /* a list; NULL: not asked for */
};

/* The referents of OBJECT by RULE into REFERENTS, whose names are a list when they are wanted.
 * What Python code raises on the way is dropped and counted in *MISSED.  -1 with a Python error:
 * no memory, or Ctrl-C. */
int mr_referents_collect(const struct mr_rule *rule, PyObject *object, struct mr_referents *referents,
                         uint64_t *missed);
int mr_referents_init(struct mr_referents *referents, bool named);
void mr_referents_release(struct mr_referents *referents);

/* Attribute NAME of OBJECT: from its type when that is C's own (a slot, a getter), from its dict,
 * or a plain value of its class.  Not through __getattr__, properties or other descriptors.  A
 * new reference; NULL, without an error, when there is none. */
PyObject *mr_attribute_get(PyObject *object, PyObject *name);
PyObject *mr_attribute_get_string(PyObject *object, const char *name);

/* The dict behind a mappingproxy, borrowed from it; NULL when it is none. */
PyObject *mr_mappingproxy_dict(PyObject *proxy);

/* How a referent that has no name by its place is called: its __name__ or its clipped repr(). */
PyObject *mr_name_of(const struct mr_sizing_statics *statics, PyObject *object, Py_ssize_t clip);
/* repr() clipped in the middle, as the original's; "N/A" when it fails.  NULL: no memory, Ctrl-C. */
PyObject *mr_repr_clipped(PyObject *object, Py_ssize_t clip);
/* str(), "N/A" when it fails. */
PyObject *mr_str_of(PyObject *object);
/* The names of a dict's entry: "[K] key", "[V] key: value".  -1 with a Python error. */
int mr_entry_names(PyObject *key, PyObject *value, PyObject **key_name, PyObject **value_name);

/* After a failed call of Python code: drops the error and gives 0, or -1 when it is Ctrl-C. */
int mr_drop_error(void);

bool mr_type_is_dictlike(PyTypeObject *type);

#endif
