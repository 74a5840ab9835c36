/* SPDX-License-Identifier: MIT
 *
 * What the files of the section of objects that stayed share.  Private to
 * section_*.c.
 */
#ifndef MR_SECTION_PERSISTENT_H
#define MR_SECTION_PERSISTENT_H

#include "memreport.h"
#include "section.h"

/* Adds what happened to all objects to "figures" and "verdicts" (section_headline.c makes them). */
void mr_section_census_figures(struct mr_scope *scope, const struct mr_report_run *run);
void mr_section_census_verdicts(const struct mr_view *view, struct mr_scope *scope);
/* "the baseline", "census #3", or its description in quotes, as a sentence has it. */
const char *mr_section_census_name(struct mr_scope *scope, const struct mr_report_snapshot *snapshot);

/* Fills "moves" and "censuses", of a run that has a census (section_moves.c). */
void mr_section_moves(const struct mr_view *view, struct mr_scope *scope);
/* Fills "title", "graph" (a chart), "edge_count", "edges", "edges_rest" of ITEM (section_graphs.c). */
int mr_section_graph(const struct mr_view *view, struct mr_scope *item, const struct memreport_graph *graph,
                     struct mr_error *err) MR_MUST_CHECK;
/* Fills "graphs" and "graphs_rest" with those of the log, of the run. */
int mr_section_graphs(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err) MR_MUST_CHECK;
/* Whether the log has graphs of the run. */
bool mr_section_has_graphs(const struct mr_view *view);
/* Fills "holder_graphs" with who holds the first TYPE_COUNT types, in one graph, or nothing
 * (section_holders.c). */
int mr_section_holder_graph(const struct mr_view *view, struct mr_scope *scope, size_t type_count,
                            struct mr_error *err) MR_MUST_CHECK;

#endif
