/* SPDX-License-Identifier: MIT
 *
 * libmemreport: turns logs into pages.
 *
 *     struct memreport *report;
 *     memstats_log_open(&path, 1, &log, NULL);
 *     memreport_new(log, NULL, &report, &error);
 *     memreport_write(report, MEMREPORT_HTML, stdout, &error);
 *     memreport_free(report);
 *
 * A page is one HTML file that asks for nothing else: style, script and charts
 * are in it, and it can be read without the script.  The PDF holds the headline,
 * the charts and the first rows of each table; the PNG the timeline of the first
 * run.  The same log and options give the same bytes.
 *
 * A report belongs to one thread at a time.  Functions that can fail give 0 or a
 * negative enum memreport_err and fill the error (which may be NULL).
 */
#ifndef MEMREPORT_H
#define MEMREPORT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "memstats.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

enum memreport_err {
	MEMREPORT_OK = 0,
	MEMREPORT_ERR_ARG = -1,
	MEMREPORT_ERR_READ = -2,
	MEMREPORT_ERR_FORMAT = -3,
	MEMREPORT_ERR_VERSION = -4,
	MEMREPORT_ERR_LIMIT = -5,
	MEMREPORT_ERR_NOMEM = -6,
	MEMREPORT_ERR_WRITE = -7
};

struct memreport_error {
	int code;
	char message[1024];
};

enum memreport_format {
	MEMREPORT_HTML,
	MEMREPORT_PDF,
	MEMREPORT_PNG,
	MEMREPORT_SVG, /* this and the following: drawings only */
	MEMREPORT_PS,
	MEMREPORT_EPS
};

#define MEMREPORT_DEFAULT_LIMIT 20
#define MEMREPORT_DEFAULT_MAX_SIZE 1000000

/* Zeros are the defaults. */
struct memreport_options {
	const char *title;       /* NULL: the name of the program that ran */
	uint64_t limit;          /* rows of a table, 1..1000 */
	uint64_t max_size_bytes; /* of the page, at least 100000; rows are left out until it fits */
	const char *templates;   /* a directory whose files replace the built-in ones; NULL: none */
};

struct memreport;

/* Reads what the report shows of LOG, which has to stay open as long as the report.  OPTIONS may be NULL. */
int memreport_new(struct memstats_log *log, const struct memreport_options *options,
                  struct memreport **report, struct memreport_error *error);
void memreport_free(struct memreport *report); /* NULL is fine */

/* Writes the report to OUT, which is flushed but not closed. */
int memreport_write(struct memreport *report, enum memreport_format format, FILE *out,
                    struct memreport_error *error);

enum memreport_chart {
	MEMREPORT_CHART_TIMELINE, /* memory and classes over time, of the first run with snapshots */
	MEMREPORT_CHART_SNAPSHOT, /* the shares of classes at a snapshot */
	MEMREPORT_CHART_CLASS     /* instances of a class over time */
};

struct memreport_drawing {
	enum memreport_chart chart;
	size_t snapshot_row;    /* CHART_SNAPSHOT: in the table snapshots as the log has it, from 0 */
	const char *class_name; /* CHART_CLASS */
};

/* Writes one drawing, in any format but HTML, to OUT, which is flushed but not closed.  MEMREPORT_ERR_ARG:
 * there is no such snapshot or class; MEMREPORT_ERR_FORMAT: there is nothing to draw. */
int memreport_draw(struct memreport *report, const struct memreport_drawing *drawing,
                   enum memreport_format format, FILE *out, struct memreport_error *error);

/* ---- Graphs ------------------------------------------------------------------------
 * Of objects and what refers to what, drawn without a log. */

enum memreport_node_flag {
	MEMREPORT_NODE_CYCLE = 1,  /* leads to itself */
	MEMREPORT_NODE_ROOT = 2,   /* where paths begin */
	MEMREPORT_NODE_SUBJECT = 4 /* what it is all about */
};

struct memreport_graph_node {
	uint64_t id; /* any number that no other node has */
	const char *type;
	const char *label;   /* "" or NULL for none: the type is shown alone */
	uint64_t size_bytes; /* 0: not known */
	uint64_t count;      /* objects that it stands for */
	unsigned flags;      /* enum memreport_node_flag */
};

struct memreport_graph_edge {
	uint64_t from, to; /* ids: FROM refers to TO */
	const char *label; /* by what name; "" or NULL for none */
	uint64_t count;    /* references that it stands for */
};

struct memreport_graph {
	const char *title;
	size_t node_count, edge_count;
	const struct memreport_graph_node *nodes;
	const struct memreport_graph_edge *edges;
};

#define MEMREPORT_GRAPH_NODES_MAX 4096
#define MEMREPORT_GRAPH_EDGES_MAX 16384

/* Writes the graph, in any format but HTML, to OUT, which is flushed but not closed.  The same graph gives
 * the same bytes.  MEMREPORT_ERR_ARG: two nodes have one id, or an edge names no node; _LIMIT: there
 * are more nodes or edges than can be drawn; MEMREPORT_ERR_FORMAT: there is no node.  Any thread may draw. */
int memreport_draw_graph(const struct memreport_graph *graph, enum memreport_format format, FILE *out,
                         struct memreport_error *error);

/* What was left out of the page last written to stay within its size: a sentence, or NULL. Borrowed. */
const char *memreport_left_out(const struct memreport *report);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
