/* SPDX-License-Identifier: MIT
 *
 * Sections of the report: each fills the names that one template shows.  A new
 * section is a file section_*.c, a line in a list below, a template, and its
 * data-include in report.html.
 *
 * A section sets all of its names whatever the log holds, so that a template
 * may name any of them; what is absent is none, or an empty list.
 */
#ifndef MR_SECTION_H
#define MR_SECTION_H

#include "chart.h"
#include "report_data.h"
#include "scope.h"

/* Of each run, in the order in which they are filled. */
#define MR_RUN_SECTIONS(X) \
	X(headline)        \
	X(memory)          \
	X(suspects)        \
	X(persistent)      \
	X(sites)           \
	X(flame)           \
	X(blocks)          \
	X(timeline)        \
	X(snapshots)       \
	X(classes)         \
	X(changes)         \
	X(process)         \
	X(marks)

/* Of the page. */
#define MR_PAGE_SECTIONS(X) \
	X(overview)         \
	X(health)           \
	X(appendix)

struct mr_view {
	const struct mr_report_data *data;
	const struct mr_report_run *run; /* NULL for sections of the page */
	size_t limit;                    /* rows of a table */
	size_t run_limit;                /* runs that have a part of the page; never more than those rows */
	bool minor;                      /* a run whose heap is small beside the largest: in short */
	size_t appendix_bytes;           /* what the appendix may take */
};

typedef int mr_section_fill(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err);

#define MR_SECTION_DECLARE(name) mr_section_fill mr_section_##name;
MR_RUN_SECTIONS(MR_SECTION_DECLARE)
MR_PAGE_SECTIONS(MR_SECTION_DECLARE)
#undef MR_SECTION_DECLARE

/* The classes at a snapshot (section_snapshots.c): "rows", "rest", "donut". */
int mr_section_breakdown(const struct mr_view *view, struct mr_scope *item,
                         const struct mr_report_snapshot *snapshot, struct mr_error *err);

/* ---- Shared by sections (section_parts.c) ----------------------------------- */

/* Whether a run has a part of the page of its own. */
bool mr_section_run_is_shown(const struct mr_view *view, const struct mr_report_run *run);
/* Widths at which charts are drawn; a page shrinks them where it is narrower. */
#define MR_CHART_WIDE 1040
#define MR_CHART_NARROW 350
#define MR_CHART_HALF 500

/* A chart of KIND in the page's memory, WIDTH wide; NULL on failure. */
struct mr_chart *mr_section_chart(struct mr_scope *scope, enum mr_chart_kind kind, double width);
/* COUNT numbers in the page's memory; NULL on failure. */
double *mr_section_numbers(struct mr_scope *scope, size_t count);
/* A safe copy of a name, short enough for a chart or a sentence. */
const char *mr_section_name(struct mr_scope *scope, const char *text, size_t columns_max);
/* A copy of TEXT as it is, line ends and all: of parts that may be shown already. */
const char *mr_section_lines(struct mr_scope *scope, const char *text);
/* What a snapshot is called: its description, or "#3". */
const char *mr_section_snapshot_name(struct mr_scope *scope, const struct mr_report_snapshot *snapshot);
/* A size that may be MR_NO_VALUE: none then. */
void mr_section_bytes(struct mr_scope *scope, const char *name, uint64_t size_bytes);
void mr_section_count(struct mr_scope *scope, const char *name, uint64_t count);
/* PART of WHOLE in percent; none where the whole is nothing. */
void mr_section_share(struct mr_scope *scope, const char *name, double part, double whole);
/* "2026-01-31T10:00:00.123Z" as "31 January 2026, 10:00:00 UTC". */
void mr_section_date(struct mr_scope *scope, const char *name, const char *text);
/* "1,234 objects", "1 object" */
const char *mr_section_plural(struct mr_scope *scope, uint64_t count, const char *one, const char *many);
/* NAME becomes the CSS class that shows the paint: "s1". */
void mr_section_paint(struct mr_scope *scope, const char *name, enum mr_paint paint);
/* Fills "diff" and "diff_rest" from the diff table: the rows of a run, or with
 * MR_NO_VALUE those between two files. */
void mr_section_diff(const struct mr_view *view, struct mr_scope *scope, uint64_t run);
/* Fills "site_diff" and "site_diff_rest" likewise with the places in the code that hold more or less
 * (section_site_changes.c). */
void mr_section_site_diff(const struct mr_view *view, struct mr_scope *scope, uint64_t run);
/* Which of COUNT things are shown when there is room for LIMIT: the first, the
 * last, BEST, and an even choice of the rest.  Fills INDEXES, rising; gives how many. */
size_t mr_section_choose(size_t count, size_t limit, size_t best, size_t *indexes);

#endif
