/* SPDX-License-Identifier: MIT
 *
 * What stays of the first object of a type that was sized, for those types whose rule
 * depends on it: arrays (what one takes up beside its items), and classes that are
 * like dicts (whether they are walked as such).  The original decides these things
 * once for a process, so that a later adict() changes nothing; sizes are equal only
 * if it is done likewise.
 *
 * Types are held weakly.  All functions need the GIL.  Private to the extension _capture.
 */
#ifndef MR_TYPE_MEMORY_H
#define MR_TYPE_MEMORY_H

#include <Python.h>

#include "base.h"

struct mr_type_memory {
	uint64_t base_bytes;
	uint64_t item_bytes;
	bool as_dict;
};

/* MEMORY: a dict that is made when something is kept, borrowed; NULL: nothing is known yet.
 * 1: KNOWN is filled; 0: nothing was kept of TYPE; -1: a Python error. */
int mr_type_memory_get(PyObject *memory, PyTypeObject *type, struct mr_type_memory *known);

/* Keeps KNOWN of TYPE, unless something was kept before.  -1: a Python error. */
int mr_type_memory_keep(PyObject **memory, PyTypeObject *type, const struct mr_type_memory *known);

#endif
