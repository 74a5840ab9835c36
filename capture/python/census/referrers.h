/* SPDX-License-Identifier: MIT
 *
 * Who refers to each of a set of objects: one walk over all that the collector
 * tracks, whatever the number of the objects.  This package's own objects, and
 * frames that are there only because of its calls, are left out.
 *
 * No Python code runs from mr_heap_list() on until the caller lets it, and all
 * pointers are borrowed until then.  Needs the GIL.  Private to the extension
 * _capture.
 */
#ifndef MR_REFERRERS_H
#define MR_REFERRERS_H

#include <Python.h>

#include "base.h"
#include "path_names.h"
#include "referrers_index.h"

/* All that the collector tracks, in its order, without what is this package's own. */
struct mr_heap {
	PyObject **objects;
	size_t count;
	size_t capacity;
};

/* -1 with a Python error. */
int mr_heap_list(PyObject *module, struct mr_heap *heap);
void mr_heap_release(struct mr_heap *heap);

struct mr_referrers {
	size_t *begin;         /* of each object: where its referrers begin; and where the last ones end */
	PyObject **parents;    /* in the collector's order, each once */
	struct mr_step *steps; /* as many: what each calls the object; NULL: not asked for */
	size_t count;          /* of parents; begin[objects] */
	bool cut;              /* there were more than the limit */
};

/* The referrers of OBJECTS (distinct) in HEAP, at most COUNT_MAX; NAMED: and the
 * names of the references.  -1 with a Python error. */
int mr_referrers_find(const struct mr_heap *heap, PyObject *const *objects, size_t count, size_t count_max,
                      bool named, struct mr_referrers *out);
void mr_referrers_release(struct mr_referrers *referrers);

#endif
