/* SPDX-License-Identifier: MIT
 *
 * All the paths by which an object is referred to, backward to a given depth, as
 * Reftracker's describeObj() finds them: one walk over the heap for each level,
 * whatever the number of the paths.  Needs the GIL.  Private to the extension
 * _capture.
 */
#ifndef MR_REFERRERS_PATHS_H
#define MR_REFERRERS_PATHS_H

#include "referrers_levels.h"

struct mr_paths_asked {
	PyObject *object;      /* borrowed, as all of these */
	int depth;             /* objects in a path, at most; at least one referrer is looked for */
	PyObject *const *path; /* objects that OBJECT was reached through, it first; NULL: none */
	size_t path_count;
	PyObject *const *hidden; /* addresses of objects that do not count; only compared */
	size_t hidden_count;
	size_t limit; /* of lines */
};

struct mr_paths {
	struct mr_buffer text; /* lines without their ends, one after the other */
	size_t *ends;          /* of each line */
	size_t count;
	size_t capacity;
	uint64_t left_out; /* lines beyond the limit */
	bool more;         /* than that */
};

/* -1 with a Python error. */
int mr_paths_find(PyObject *module, const struct mr_paths_asked *asked, struct mr_paths *paths);
void mr_paths_release(struct mr_paths *paths);

/* Appends the natural name of a chain of objects, each of which refers to the next.  -1: no memory, with
 * a Python error. */
int mr_paths_chain(struct mr_buffer *out, PyObject *const *chain, size_t count);

#endif
