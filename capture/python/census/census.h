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
};

/* 0: go on; -1, with or without a Python error: stop. */
typedef int (*mr_census_visit)(PyObject *object, void *context);

/* Calls VISIT with every object, borrowed, in the collector's order, each before those that are only
 * known through it.  VISIT must neither run Python code nor make Python objects (memory of its own is
 * fine).  -1: VISIT stopped it, or no memory, with a Python error unless VISIT set none. */
int mr_census(PyObject *module, unsigned flags, mr_census_visit visit, void *context);

/* gc.collect(); -1 with a Python error.  Runs Python code. */
int mr_census_collect(PyObject *module);

/* Is OBJECT this package's own: an object of one of its types, or what these hold? */
bool mr_census_is_own(PyObject *module, PyObject *object);

/* The flat size of OBJECT as sys.getsizeof() has it, without running Python code: where its type's
 * __sizeof__ is written in Python, the plain size by the type's basic and item sizes. */
uint64_t mr_census_bytes(PyObject *module, PyObject *object);

#endif
