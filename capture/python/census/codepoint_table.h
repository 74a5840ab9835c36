/* SPDX-License-Identifier: MIT
 *
 * What a profiler of memory has measured, by the place in the code: a file, a
 * function and a line.  Kept outside Python's heap, so that measuring does not add
 * to what is measured.  Needs the GIL.  Private to the extension _capture.
 */
#ifndef MR_CODEPOINT_TABLE_H
#define MR_CODEPOINT_TABLE_H

#include <Python.h>

#include "base.h"

struct mr_codepoint {
	PyObject *file; /* str, owned */
	PyObject *function;
	uint64_t hash;
	uint64_t count; /* measurements */
	uint64_t bytes_min;
	uint64_t bytes_max;
	int line;
};

/* Zeros are an empty table. */
struct mr_codepoint_table {
	struct mr_codepoint *rows; /* in the order in which they were first met */
	size_t count;
	size_t capacity;
	size_t *slots; /* row + 1 */
	size_t slot_count;
};

/* Counts a measurement.  -1 with a Python error: no memory. */
int mr_codepoint_add(struct mr_codepoint_table *table, PyObject *file, PyObject *function, int line,
                     uint64_t bytes);
/* {(file, function, line): [count, least, most, 0]}, or NULL with a Python error. */
PyObject *mr_codepoint_dict(const struct mr_codepoint_table *table);
void mr_codepoint_release(struct mr_codepoint_table *table);

#endif
