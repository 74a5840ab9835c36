/* SPDX-License-Identifier: MIT
 *
 * What a reference browser (memcapture.refbrowser) asks for, and the levels of
 * referrers that its tree and its graph are made of.  Needs the GIL.  Private to
 * referrers_tree.c and referrers_graph.c.
 */
#ifndef MR_REFERRERS_BROWSE_H
#define MR_REFERRERS_BROWSE_H

#include "referrers_levels.h"

struct mr_browse {         /* all of it borrowed */
	PyObject *browser; /* it and what it is made of do not count */
	PyObject *root;
	Py_ssize_t depth;
	PyObject *ignore; /* a list */
};

/* Finds the levels of the root's referrers, at most DEPTH.  LEVELS is to be released in any case.  -1
 * with a Python error. */
int mr_browse_find(PyObject *module, const struct mr_browse *browse, bool named, struct mr_levels *levels);

/* referrer_graph() */
PyObject *mr_browse_graph(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
