/* SPDX-License-Identifier: MIT
 *
 * Censuses in the log: a baseline and what each later census found, as snapshots of
 * a stream of its own (MR_SOURCE_CENSUS); who holds what stayed; graphs of objects.
 * Where it goes is decided as for a tracker (log_feed.h): memrecord's log, what
 * MEMCAPTURE_LOG names, or a path.
 *
 * Ids are the caller's, and count from 1.  FEED may be NULL everywhere: then, and in a
 * forked child, nothing happens.  The first failure is kept for
 * mr_object_feed_close().  Needs the GIL.  Private to the extension _capture.
 */
#ifndef MR_OBJECT_FEED_H
#define MR_OBJECT_FEED_H

#include <Python.h>

#include "base.h"
#include "log_format.h"

struct mr_object_feed;

/* As mr_feed_open(). */
int mr_object_feed_open(struct mr_object_feed **feed, PyObject *module, const char *path);
int mr_object_feed_close(struct mr_object_feed *feed); /* -1 with a Python OSError */
/* Nanoseconds since the stream's zero, which is the package's import. */
uint64_t mr_object_feed_now(const struct mr_object_feed *feed);
/* A word in the log at this moment. */
void mr_object_feed_mark(struct mr_object_feed *feed, const char *text, size_t len);

void mr_object_feed_class(struct mr_object_feed *feed, uint32_t class_id, const char *name, size_t len);

struct mr_fed_birth {
	uint64_t object; /* id, rising */
	uint64_t address;
	uint64_t bytes; /* flat */
	uint32_t class_id;
	uint32_t stack; /* mr_object_feed_stack(), 0: not known where it was made */
};
/* TRACE: a Python list or tuple of (filename, line number), or of objects with .filename and .lineno as
 * a tracemalloc.Traceback has them, the outermost first.  May run Python code.  0: there is none. */
uint32_t mr_object_feed_stack(struct mr_object_feed *feed, PyObject *trace);
void mr_object_feed_births(struct mr_object_feed *feed, uint64_t time_ns, const struct mr_fed_birth *rows,
                           size_t count);
void mr_object_feed_deaths(struct mr_object_feed *feed, uint64_t time_ns, const uint64_t *objects,
                           size_t count);

struct mr_fed_snapshot {
	uint32_t number; /* 1.., the first one is a baseline */
	bool baseline;   /* what later ones are compared with, as well as the first one */
	uint64_t time_ns;
	uint64_t duration_ns;
	uint64_t count; /* objects alive, and their flat sizes */
	uint64_t bytes;
	uint64_t overhead_bytes;
	const char *description; /* NULL: none */
};
/* After its births, deaths and sizes, before its totals and holders. */
void mr_object_feed_snapshot(struct mr_object_feed *feed, const struct mr_fed_snapshot *snapshot);

struct mr_fed_size { /* an object whose flat size is another than before */
	uint64_t object;
	uint64_t bytes;
};
void mr_object_feed_sizes(struct mr_object_feed *feed, uint32_t snapshot, const struct mr_fed_size *rows,
                          size_t count);

struct mr_fed_class_total { /* enum mr_col_class_totals */
	uint32_t class_id;
	uint64_t count;
	uint64_t bytes;
	uint64_t gone, gone_bytes; /* these three: of objects that have no birth in the log */
	uint64_t made, made_bytes;
	uint64_t stayed, stayed_bytes;
};
void mr_object_feed_class_totals(struct mr_object_feed *feed, uint32_t snapshot,
                                 const struct mr_fed_class_total *rows, size_t count);

struct mr_fed_holder { /* enum mr_col_holders */
	uint32_t class_id;
	uint64_t object; /* id of an example, 0: none */
	enum mr_holder_root root;
	uint32_t length;
	uint64_t count;
	uint64_t bytes;
	const char *path;
	const char *example_path;
};
void mr_object_feed_holders(struct mr_object_feed *feed, uint32_t snapshot, const struct mr_fed_holder *rows,
                            size_t count);

struct mr_fed_node {
	uint32_t id; /* 1.. in the graph */
	const char *type;
	const char *label;
	uint64_t bytes;
	uint64_t count; /* objects that it stands for */
	unsigned flags; /* enum mr_graph_node_flag */
};
struct mr_fed_edge {
	uint32_t from;
	uint32_t to;
	const char *label;
	uint64_t count;
};
struct mr_fed_graph {
	enum mr_graph_kind kind;
	uint32_t snapshot; /* 0: of none */
	const char *title;
	uint64_t object_count; /* of the whole graph, of which the nodes may be a part */
	uint64_t bytes;
	const struct mr_fed_node *nodes;
	size_t node_count;
	const struct mr_fed_edge *edges;
	size_t edge_count;
};
/* Of a graph with more nodes or edges than a log takes, the subjects, the roots and the largest nodes stay,
 * and the others are told as one.  More than MR_LOG_GRAPHS_MAX graphs are counted, and left out. */
void mr_object_feed_graph(struct mr_object_feed *feed, const struct mr_fed_graph *graph);

#endif
