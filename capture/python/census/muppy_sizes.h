/* SPDX-License-Identifier: MIT
 *
 * sys.getsizeof() for many objects: most sizes are read from the object by what
 * its type is, without a call.  A __sizeof__ that is written in Python is called;
 * where it fails, or says what is no size, the size is that of the class in C
 * behind it.  Needs the GIL.  Private to the extension _capture.
 */
#ifndef MR_MUPPY_SIZES_H
#define MR_MUPPY_SIZES_H

#include "census_private.h"

/* How often at most the collector is run to let go of tuples (mr_gc_lets_go_of()). */
#define MR_SETTLE_ROUNDS 4

/* What getsizeof(OBJECT) is, with TYPES, which keeps its types.  Can run Python code if the type is
 * in_python, and then what TYPES gave before may have moved.  -1 with a Python error: Ctrl-C, or no
 * memory. */
int mr_getsizeof(struct mr_census_types *types, PyObject *module, PyObject *object, uint64_t *bytes);

/* Walks over a list, a tuple or any other iterable.  A list may change meanwhile. */
struct mr_each {
	PyObject *items;    /* borrowed: a list or a tuple; or NULL */
	PyObject *iterator; /* owned, or NULL */
	Py_ssize_t at;
};

/* -1 with a Python error. */
int mr_each_init(struct mr_each *each, PyObject *objects);
/* The next, a new reference; NULL: the end, or a Python error. */
PyObject *mr_each_next(struct mr_each *each);
void mr_each_release(struct mr_each *each);

/* Functions that each file adds to the module. */
int mr_muppy_objects_add_to_module(PyObject *module);
int mr_muppy_sizes_add_to_module(PyObject *module);

#endif
