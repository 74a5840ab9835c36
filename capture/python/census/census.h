/* SPDX-License-Identifier: MIT
 *
 * A census: every object that the interpreter knows, at a moment.  What the
 * collector tracks is had from the collector, what it does not track from the
 * objects that refer to it, by tp_traverse, each object once.
 *
 * While a census walks, no Python code runs and no Python object is made, so that
 * objects stay as they are and where they are, and looking leaves no trace: no
 * reference that lasts, no weak reference, no dict that an instance did not have.
 * What belongs to this package itself is never visited.
 *
 * Needs the GIL.  Private to the extension _capture.
 */
#ifndef MR_CENSUS_H
#define MR_CENSUS_H

#include <Python.h>

#include "base.h"

enum mr_census_flag {
	/* Also what is reached only by way of objects that the collector does not track (a string in a
	 * tuple of strings), as Reftracker sees it; otherwise one step from those that it tracks, as
	 * pympler's muppy does. */
	MR_CENSUS_DEEP = 1,
	MR_CENSUS_FRAMES = 2, /* frames, too */
	MR_CENSUS_INTS = 4,   /* objects of the type int itself, too */
	MR_CENSUS_OWN = 8,    /* what this package's objects hold, too, but not they themselves */
	/* With DEEP: also what code objects hold, which the collector cannot see: constants and names.  It
	 * tracks tuples of them for a while, so that without this they would seem to go away. */
	MR_CENSUS_CODE = 16,
};

/* 0: go on; -1, with or without a Python error: stop. */
typedef int (*mr_census_visit)(PyObject *object, void *context);

/* Calls VISIT with every object, borrowed, in the collector's order, each before those that are only
 * known through it.  VISIT must neither run Python code nor make Python objects (memory of its own is
 * fine).  -1: VISIT stopped it, or no memory, with a Python error unless VISIT set none. */
int mr_census(PyObject *module, unsigned flags, mr_census_visit visit, void *context);

/* Between these two, which nest, is kept what is known of types and of what is own, so that asking
 * below is quick: for walks that ask about many objects.  mr_census() has them around its visits.
 * No Python code may run between them, and no object be freed; so that an object which is made (of an error
 * that is dropped) does not make the collector run, it is off.  -1 with a Python error: it has not begun. */
int mr_census_begin(PyObject *module);
void mr_census_end(PyObject *module);

/* gc.collect(); -1 with a Python error.  Runs Python code. */
int mr_census_collect(PyObject *module);

/* The flat size of OBJECT as sys.getsizeof() has it, without running Python code: where its type's
 * __sizeof__ is written in Python, by the one in C that it stands before, at last object's. */
uint64_t mr_census_bytes(PyObject *module, PyObject *object);

#endif
