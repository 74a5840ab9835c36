/* SPDX-License-Identifier: MIT
 *
 * Asizer: a sizer with its options, as Python code has it.  Needs the GIL.  Private
 * to the extension _capture.
 */
#ifndef MR_ASIZER_H
#define MR_ASIZER_H

#include <Python.h>

#include "size_walk.h"

enum mr_asizer_option { /* in the order of reset()'s parameters */
	                MR_OPTION_ABOVE,
	                MR_OPTION_ALIGN,
	                MR_OPTION_CLIP,
	                MR_OPTION_CODE,
	                MR_OPTION_CUTOFF,
	                MR_OPTION_DERIVE,
	                MR_OPTION_DETAIL,
	                MR_OPTION_FRAMES,
	                MR_OPTION_IGNORED,
	                MR_OPTION_INFER,
	                MR_OPTION_LIMIT,
	                MR_OPTION_STATS,
	                MR_OPTION_STREAM,
	                MR_OPTION_COUNT
};

struct mr_asizer {
	PyObject_HEAD PyObject *module;
	struct mr_object_sizer *sizer;
	PyObject *options[MR_OPTION_COUNT]; /* as they were given */
	int incl_code;                      /* sizes include code since some time */
	PyObject *weakrefs;
};

int mr_asizer_add_to_module(PyObject *module);

/* ---- asizer_options.c ---- */

/* ValueError or KeyError: "invalid option: set(align=3)".  OPTIONS: a dict.  NULL always. */
PyObject *mr_option_error(PyObject *type, const char *where, PyObject *options);
/* The same for one option. */
PyObject *mr_option_error_one(const char *where, const char *name, PyObject *value);
/* MASK of an alignment; -1 with a Python error that names WHERE. */
int mr_option_mask(PyObject *align, const char *where, uint64_t *mask);

PyObject *mr_asizer_reset(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *mr_asizer_set(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *mr_asizer_get_option(PyObject *self, void *closure); /* closure: enum mr_asizer_option */

/* ---- asizer_report.c: what the printing shows, as tuples ---- */

PyObject *mr_asizer_facts(PyObject *self, PyObject *unused);
PyObject *mr_asizer_ranks(PyObject *self, PyObject *unused);
PyObject *mr_asizer_profiles(PyObject *self, PyObject *unused);
PyObject *mr_asizer_typedefs(PyObject *self, PyObject *unused);

#endif
