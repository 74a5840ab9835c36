/* SPDX-License-Identifier: MIT
 *
 * Who holds an object: shortest paths to it from the roots (the modules, the local
 * variables of running functions, the interpreter itself), named as a programmer
 * would write them.  One walk over the whole heap, breadth first, serves any
 * number of objects.  No Python code runs, and nothing of it shows.
 *
 * Needs the GIL.  Private to the extension _capture.
 */
#ifndef MR_HOLDERS_H
#define MR_HOLDERS_H

#include <Python.h>

#include "base.h"
#include "log_format.h" /* enum mr_holder_root */

/* Objects of one class that are held in one way. */
struct mr_holder {
	uint32_t group; /* as given: the class of the objects */
	enum mr_holder_root root;
	uint32_t length;    /* references from the root to the object */
	uint64_t count;     /* objects */
	uint64_t bytes;     /* flat */
	uint64_t example;   /* index of the oldest, and the first, of these objects among those given */
	char *path;         /* "__main__.leaks[*].parent": what differs between the objects is a star */
	char *example_path; /* "__main__.leaks[0].parent" */
};

struct mr_holders {
	struct mr_holder *rows; /* of each group the ways that hold most first; groups as first given */
	size_t count;
};

struct mr_held {          /* an object whose holders are asked for */
	PyObject *object; /* borrowed */
	uint32_t group;
	uint32_t since; /* of objects that are held in the same way, the lowest is the example */
	uint64_t bytes;
};

/* At most WAYS_MAX rows a group; what more there is, is joined in a row whose path is "(other ways)".
 * -1 with a Python error. */
int mr_holders_find(PyObject *module, const struct mr_held *held, size_t count, size_t ways_max,
                    struct mr_holders *out);
void mr_holders_release(struct mr_holders *holders);

#endif
