/* SPDX-License-Identifier: MIT
 *
 * What the extension _capture holds for each interpreter that imports it: the
 * sizer's part, and the tracker's types.  Nothing of it is shared between
 * interpreters.  Private to _capture.
 */
#ifndef MR_MODULE_CAPTURE_H
#define MR_MODULE_CAPTURE_H

#include <Python.h>

#include "census_module.h"
#include "sizing_module.h"
#include "tracked_store.h"

struct mr_capture_state {
	struct mr_sizing_state sizing;
	struct mr_census_state census;
	PyTypeObject *ref_type;
	PyTypeObject *tracker_type;
	PyTypeObject *watch_type;
	PyTypeObject *observer_type;
	PyTypeObject *signature_type;
	PyTypeObject *object_type;  /* TrackedObject */
	PyTypeObject *list_type;    /* the objects of a class */
	PyTypeObject *mapping_type; /* index, objects, history */
	PyTypeObject *iterator_type;
	PyObject *on_death;  /* what a Ref calls */
	PyObject *dead_ref;  /* a weak reference to nothing */
	PyObject *init_name; /* "__init__" */
	PyObject *signature_name;
	uint64_t zero_ns; /* CLOCK_MONOTONIC at the import: what times count from */
};

static inline struct mr_capture_state *mr_capture_state(PyObject *module)
{
	return PyModule_GetState(module);
}

/* Each makes its types.  -1 with a Python error. */
int mr_ref_add_to_module(PyObject *module);
int mr_observer_add_to_module(PyObject *module);
int mr_signature_add_to_module(PyObject *module);
int mr_watch_add_to_module(PyObject *module);
int mr_tracker_add_to_module(PyObject *module);
int mr_tracked_object_add_to_module(PyObject *module);
int mr_tracked_views_add_to_module(PyObject *module);

#endif
