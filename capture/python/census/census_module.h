/* SPDX-License-Identifier: MIT
 *
 * What the extension _capture holds for whole-heap work: censuses, the object
 * tracker, holders, graphs.  The module embeds the state and hands over its exec,
 * traverse, clear and free.
 *
 * A type or an object that is added is one line in MR_CENSUS_OBJECTS, and the file
 * that makes it one line in MR_CENSUS_PARTS.  Private to _capture.
 */
#ifndef MR_CENSUS_MODULE_H
#define MR_CENSUS_MODULE_H

#include <Python.h>

/* Owned; NULL until its part has made it. */
#define MR_CENSUS_OBJECTS(X)                               \
	X(class_hook_type)         /* ClassHook */         \
	X(object_log_type)         /* ObjectLog */         \
	X(graph_type)              /* ObjectGraph */       \
	X(graph_node_type)         /* GraphNode */         \
	X(codepoint_profiler_type) /* CodepointProfiler */ \
	X(object_tracker_type)     /* ObjectTracker */     \
	X(object_watch_type)       /* ObjectWatch */

/* Functions that add to the module: int (*)(PyObject *module), -1 with a Python error. */
#define MR_CENSUS_PARTS(X)                 \
	X(mr_class_hook_add_to_module)     \
	X(mr_object_log_add_to_module)     \
	X(mr_graph_add_to_module)          \
	X(mr_codepoint_add_to_module)      \
	X(mr_muppy_objects_add_to_module)  \
	X(mr_muppy_sizes_add_to_module)    \
	X(mr_summary_add_to_module)        \
	X(mr_describe_add_to_module)       \
	X(mr_object_tracker_add_to_module) \
	X(mr_object_watch_add_to_module)   \
	X(mr_holders_add_to_module)        \
	X(mr_browse_add_to_module)

struct mr_census_state {
#define MR_CENSUS_MEMBER(name) PyObject *name;
	MR_CENSUS_OBJECTS(MR_CENSUS_MEMBER)
#undef MR_CENSUS_MEMBER
};

#define MR_CENSUS_PART(name) int name(PyObject *module);
MR_CENSUS_PARTS(MR_CENSUS_PART)
#undef MR_CENSUS_PART

/* The state that MODULE embeds; module_capture.c defines it. */
struct mr_census_state *mr_census_state_of(PyObject *module);

int mr_census_add_to_module(PyObject *module);
int mr_census_traverse(struct mr_census_state *state, visitproc visit, void *arg);
void mr_census_clear(struct mr_census_state *state);

#endif
