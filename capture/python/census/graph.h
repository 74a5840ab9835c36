/* SPDX-License-Identifier: MIT
 *
 * Objects and which of them refer to which: what refgraph and garbagegraph show.
 * Nodes and edges are numbers in arrays, so that a million objects in one cycle
 * take a few dozen bytes each; names of edges and texts of objects, which may run
 * Python code, are made when they are asked for.  Nothing recurses along edges.
 *
 * A graph holds a reference to each of its objects.  Edges are as the collector
 * found them when the graph was made.  Needs the GIL.  Private to the extension
 * _capture.
 */
#ifndef MR_GRAPH_H
#define MR_GRAPH_H

#include <Python.h>

#include "base.h"

#define MR_GRAPH_NODES_LIMIT (UINT32_MAX - 1) /* nodes are numbered by 32 bits */
#define MR_GRAPH_NONE UINT32_MAX

/* Zeros are an empty graph. */
struct mr_graph {
	PyObject **nodes; /* owned, each once, in the order given */
	size_t count;
	uint32_t *rows; /* nodes as they were given, again and again included; NULL: each once */
	size_t row_count;
	size_t *first_edge; /* of each node, and the end of the last */
	uint32_t *targets;  /* of the edges */
	size_t edge_count;
	uint64_t *bytes; /* of each node with what it alone leads to; NULL: not sized */
	uint64_t total_bytes;
	uint32_t *groups; /* which of the connected parts each node is in; NULL: not known yet */
	uint32_t group_count;
	uint32_t group_base; /* number of the first group: a part is called as it is in the whole */
	uint32_t *members;   /* the nodes by group, and where each group's begin; NULL: not sorted yet */
	size_t *group_first;
	uint32_t *place;    /* of nodes in the part that is being taken out */
	PyObject **labels;  /* of each edge, owned; NULL: not made yet */
	uint32_t *table;    /* node + 1 by the address of its object; NULL: not made yet */
	size_t table_slots; /* a power of 2 */
};

/* OBJECTS: a list or a tuple.  GRAPH is zeros before, and after a failure: -1 with a Python error.  No
 * Python code runs. */
int mr_graph_build(struct mr_graph *graph, PyObject *objects);
/* Runs Python code where an object's __sizeof__ is written in Python.  -1 with a Python error. */
int mr_graph_size(struct mr_graph *graph, PyObject *module);
void mr_graph_release(struct mr_graph *graph); /* may run Python code, of objects that go away */
int mr_graph_traverse(const struct mr_graph *graph, visitproc visit, void *arg);

/* The node of the object at ADDRESS, which is not read; MR_GRAPH_NONE: it is not in the graph. */
uint32_t mr_graph_find(const struct mr_graph *graph, uint64_t address);
/* mr_graph_find() needs this.  -1 with a Python error. */
int mr_graph_make_table(struct mr_graph *graph);
/* The node that edge AT comes from. */
uint32_t mr_graph_source(const struct mr_graph *graph, size_t at);

/* ---- graph_parts.c ---- */

/* Those nodes that lead to a cycle: what is left when nodes that refer to none are taken away, again and
 * again.  KEEP: a byte a node.  -1 with a Python error. */
int mr_graph_mark_cycles(const struct mr_graph *graph, uint8_t *keep);
/* Those that lead to themselves. */
int mr_graph_mark_loops(const struct mr_graph *graph, uint8_t *loops);
/* Fills in the groups: 0.. in the order of their first nodes. */
int mr_graph_find_groups(struct mr_graph *graph);
/* PART, zeros: the nodes of GRAPH for which KEEP is not 0, with the edges between them; not sized. */
int mr_graph_take_kept(struct mr_graph *graph, const uint8_t *keep, struct mr_graph *part);
/* PART, zeros: a group with its sizes, each object once. */
int mr_graph_take_group(struct mr_graph *graph, uint32_t group, struct mr_graph *part);
/* Up to LIMIT nodes of the largest group, connected, those next to the one with the most edges first. */
int mr_graph_choose(struct mr_graph *graph, size_t limit, uint32_t *nodes, size_t *count);

/* ---- graph_labels.c ---- */

/* Makes the labels of all edges: the key of a dict, the name of an attribute, "" for none.  An edge that
 * is not there any more has "".  Runs Python code, rarely.  -1 with a Python error. */
int mr_graph_make_labels(struct mr_graph *graph, PyObject *module);

/* ---- graph_text.c ---- */

/* repr() of OBJECT of at most CLIP (> 4) characters: what is longer ends in "..".  Containers are only
 * looked into as far as is shown.  "N/A" when it fails.  A new str; NULL: no memory, or Ctrl-C. */
PyObject *mr_graph_show(PyObject *object, Py_ssize_t clip);
/* The name of the type of OBJECT, whatever its __class__ says: a new str, or NULL with a Python error. */
PyObject *mr_graph_type_name(PyObject *object);

/* ---- graph_write.c ---- */

/* The graph as Graphviz has it, by calls of WRITE, a Python callable that takes bytes. */
int mr_graph_write(struct mr_graph *graph, PyObject *module, PyObject *write);

#endif
