/* SPDX-License-Identifier: MIT
 *
 * What the table of sites shares with its text layout, and with the summary.
 */
#ifndef MR_TABLES_SITES_H
#define MR_TABLES_SITES_H

#include "stacks.h"
#include "table_log.h"
#include "tables_heap.h"

/* A run, at the snapshot that was asked for. */
struct mr_sites_run {
	uint32_t run;
	uint32_t snapshot; /* index in its heap_snapshots, MR_INDEX_NONE: its end */
	size_t first;      /* its rows, and that of the next */
	struct mr_heap_sites sites;
	struct mr_stacks *stacks; /* NULL: no name has been needed */
	struct mr_heap_figures figures;
};

struct mr_site_row {
	uint32_t of;   /* index in `runs` */
	uint32_t site; /* index in its sites */
};

struct mr_sites_table {
	struct memstats_log *log; /* borrowed */
	struct mr_model *model;
	struct mr_sites_run *runs;
	size_t run_count;
	struct mr_site_row *rows;
	size_t count;
	size_t capacity;
};

static inline const struct mr_heap_site *mr_site_of(const struct mr_sites_table *table, size_t row)
{
	return &table->runs[table->rows[row].of].sites.sites[table->rows[row].site];
}

/* Makes the stacks of RUN, of which STACK_COUNT are to be looked at, if they are not there. */
int mr_sites_need_stacks(const struct mr_sites_table *table, struct mr_sites_run *run, size_t stack_count,
                         struct mr_error *err) MR_MUST_CHECK;
/* Appends the line above sites, and figures and stack of one. */
void mr_sites_put_title(struct mr_writing *writing, const struct mr_sites_run *of);
void mr_sites_put(struct mr_writing *writing, const struct mr_sites_run *of, const struct mr_heap_site *site);
/* Appends the site of STACK, which is resolved, and at most CALLERS of its callers, in a line. */
void mr_sites_put_line(struct mr_writing *writing, struct mr_stacks *stacks, uint32_t stack, size_t callers);
int mr_sites_write_text(struct mr_writing *writing, struct mr_error *err);

#endif
