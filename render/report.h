/* SPDX-License-Identifier: MIT
 *
 * The report behind memreport.h, shared by what writes its forms.
 */
#ifndef MR_REPORT_H
#define MR_REPORT_H

#include "memreport.h"
#include "report_data.h"
#include "scope.h"

#define MR_REPORT_LIMIT_MAX 1000
#define MR_REPORT_SIZE_MIN 100000 /* what style, script, charts and one row of everything take */

struct mr_templates;

struct memreport {
	struct mr_report_data data;
	struct mr_templates *templates;
	char *title; /* NULL: the program's name */
	size_t limit;
	size_t max_size_bytes;
	size_t run_limit; /* runs that have a part of the page, at most */
	char left_out[256];
};

/* Fills a new page with all sections; tables have LIMIT rows. */
int mr_report_fill(struct memreport *report, size_t limit, struct mr_page **page, struct mr_error *err)
	MR_MUST_CHECK;
/* Append the report in that form. */
int mr_report_html(struct memreport *report, struct mr_buffer *out, struct mr_error *err) MR_MUST_CHECK;
int mr_report_pdf(struct memreport *report, struct mr_buffer *out, struct mr_error *err) MR_MUST_CHECK;
int mr_report_png(struct memreport *report, struct mr_buffer *out, struct mr_error *err) MR_MUST_CHECK;

/* ---- Drawings (report_drawing.c, graph_draw.c) ------------------------------------------ */

struct mr_chart;
struct mr_legend_item;

/* Appends CHART as a file of its own, with its title and a legend (may be empty). */
int mr_drawing_finish(const struct mr_chart *chart, const struct mr_legend_item *legend, size_t legend_count,
                      enum memreport_format format, struct mr_buffer *out, struct mr_error *err)
	MR_MUST_CHECK;
int mr_drawing_write(const struct mr_buffer *bytes, FILE *out, struct mr_error *err) MR_MUST_CHECK;

struct mr_graph_place { /* of an id among the nodes */
	uint64_t id;
	uint32_t index;
};

/* The nodes of GRAPH by id, in the page's memory (graph_fold.c); NULL: there is none. */
struct mr_graph_place *mr_graph_places(struct mr_page *page, const struct memreport_graph *graph);
/* The index of the node with that ID among COUNT of them; UINT32_MAX: there is none. */
uint32_t mr_graph_find(const struct mr_graph_place *places, size_t count, uint64_t id);

/* GRAPH, or where it has long chains or rings a copy, in the page's memory, in which one node each stands
 * for what is between their ends (graph_fold.c).  Fails only with MR_ERR_NOMEM. */
int mr_graph_fold(struct mr_page *page, const struct memreport_graph *graph, struct memreport_graph *folded,
                  struct mr_error *err) MR_MUST_CHECK;

/* The paint of a type. */
typedef enum mr_paint mr_graph_paint(const void *context, const char *type);
/* The chart of the graph WHOLE, folded, in the page's memory, laid out, as wide as it is.  The same errors as
 * memreport_draw_graph(). */
int mr_graph_chart(struct mr_page *page, const struct memreport_graph *whole, mr_graph_paint *paint,
                   const void *context, struct mr_chart **chart, struct mr_error *err) MR_MUST_CHECK;

#endif
