/* SPDX-License-Identifier: MIT
 *
 * Table sites: what each call stack allocated, held at the peak, and holds at
 * the end, or at the heap snapshot that FILE@N names.  Names are looked up for
 * the rows that are left only, unless the query looks at them.
 */
#include "tables_sites.h"

#include "stacks_runs.h"
#include "table_rows.h"

enum {
	RUN,
	SITE,
	MODULE,
	PEAK,
	PEAK_COUNT,
	LIVE,
	LIVE_COUNT,
	LEAKED,
	TOTAL,
	COUNT,
	TEMPORARY,
	REALLOCS,
	GROWN,
	AVERAGE,
	LIFETIME,
	STACK,
	COLUMN_COUNT
};

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[SITE] = { "site", MEMSTATS_TEXT,
	           "the innermost frame that is no allocation function or wrapper of a runtime library" },
	[MODULE] = { "module", MEMSTATS_TEXT, "the program or library that it is in" },
	[PEAK] = { "peak", MEMSTATS_BYTES, "live when the heap of the whole process was largest" },
	[PEAK_COUNT] = { "peak_count", MEMSTATS_COUNT, "blocks that were live then" },
	[LIVE] = { "live", MEMSTATS_BYTES, "live at the snapshot that FILE@N names, or at the end" },
	[LIVE_COUNT] = { "live_count", MEMSTATS_COUNT, "blocks that were live then" },
	[LEAKED] = { "leaked", MEMSTATS_BYTES, "live at the end; none at another snapshot" },
	[TOTAL] = { "total", MEMSTATS_BYTES, "of all allocations" },
	[COUNT] = { "count", MEMSTATS_COUNT, "allocations" },
	[TEMPORARY] = { "temporary", MEMSTATS_COUNT, "of them freed before the same thread's next one" },
	[REALLOCS] = { "reallocs", MEMSTATS_COUNT, "of them by realloc of a block that there was" },
	[GROWN] = { "grown", MEMSTATS_BYTES, "by which reallocs made blocks larger" },
	[AVERAGE] = { "average", MEMSTATS_BYTES, "size of an allocation" },
	[LIFETIME] = { "lifetime", MEMSTATS_DURATION, "how long those that are gone lived, on average" },
	[STACK] = { "stack", MEMSTATS_TEXT, "all frames, innermost first" },
};

#define NAME_COLUMNS (mr_column_bit(SITE) | mr_column_bit(MODULE) | mr_column_bit(STACK))

/* ---- Rows ---------------------------------------------------------------- */

static int fail_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "no memory for table sites");
}

int mr_sites_need_stacks(const struct mr_sites_table *table, struct mr_sites_run *run, size_t stack_count,
                         struct mr_error *err)
{
	const bool all = run->snapshot == MR_INDEX_NONE && stack_count > run->sites.count / 2;

	return run->stacks ? 0
	                   : mr_log_stacks(table->log, run->run, NULL, all ? MR_STACKS_ALL : MR_STACKS_FEW,
	                                   &run->stacks, err);
}

/* Finds out what COLUMNS show of a stack. */
static int name_stack(struct mr_stacks *stacks, uint32_t stack, uint64_t shown, struct mr_error *err)
{
	MR_TRY(mr_stacks_resolve(stacks, stack, err));
	if ((shown & mr_column_bit(STACK)) != 0 && !mr_stacks_trace_text(stacks, stack))
		return fail_memory(err);
	return 0;
}

/* The rows of the run that was added last. */
static int add_rows(struct mr_sites_table *table, uint64_t needed, struct mr_error *err)
{
	const uint32_t of = (uint32_t)table->run_count - 1;
	struct mr_sites_run *run = &table->runs[of];

	run->first = table->count;
	if ((needed & NAME_COLUMNS) != 0)
		MR_TRY(mr_sites_need_stacks(table, run, run->sites.count, err));
	for (uint32_t i = 0; i < run->sites.count; i++) {
		const uint32_t stack = run->sites.sites[i].stack;

		if (run->stacks)
			MR_TRY(name_stack(run->stacks, stack, needed, err));
		if (!run->stacks || mr_stacks_is_kept(run->stacks, stack))
			table->rows[table->count++] = (struct mr_site_row){ of, i };
	}
	return 0;
}

static int add_run(struct mr_sites_table *table, const struct memstats_query *query, uint32_t run_index,
                   uint32_t snapshot, uint64_t needed, struct mr_error *err)
{
	const struct mr_run *run = &table->model->runs[run_index];
	struct mr_sites_run *added = &table->runs[table->run_count++];

	*added = (struct mr_sites_run){ .run = run_index, .snapshot = snapshot };
	/* The query is there now only. */
	if (mr_stacks_has_options(query))
		MR_TRY(mr_stacks_new(table->model, run, query, &added->stacks, err));
	MR_TRY(mr_model_heap_sites(table->model, run_index, snapshot, &added->sites, err));
	mr_heap_figures(run, snapshot, &added->figures);
	MR_FAIL_IF(table->count + added->sites.count > MR_TABLE_ROWS_HELD_MAX, err, MR_ERR_LIMIT,
	           "table sites has more than %u rows", MR_TABLE_ROWS_HELD_MAX);
	if (mr_grow(&table->rows, &table->capacity, table->count + added->sites.count + 1,
	            sizeof(*table->rows)) < 0)
		return fail_memory(err);
	return add_rows(table, needed, err);
}

static int sites_open(struct memstats_log *log, const struct memstats_query *query, uint64_t needed,
                      void **state, size_t *row_count, struct mr_error *err)
{
	struct mr_sites_table *table = mr_alloc(sizeof(*table));

	if (!table)
		return fail_memory(err);
	*state = table;
	table->log = log;
	table->model = log->model;
	MR_TRY(mr_stacks_check_snapshots(log, err));
	table->runs = mr_alloc((log->model->run_count + 1) * sizeof(*table->runs));
	if (!table->runs)
		return fail_memory(err);
	for (uint32_t i = 0; i < log->model->run_count; i++) {
		bool named = false;
		const uint32_t snapshot = mr_stacks_snapshot(log, i, &named);

		if (log->model->runs[i].heap_image_count > 0 && (!named || snapshot != MR_INDEX_NONE))
			MR_TRY(add_run(table, query, i, snapshot, needed, err));
	}
	*row_count = table->count;
	return 0;
}

static void sites_close(void *state)
{
	struct mr_sites_table *table = state;

	for (size_t i = 0; table && i < table->run_count; i++) {
		mr_heap_sites_release(&table->runs[i].sites);
		mr_stacks_free(table->runs[i].stacks);
	}
	if (table) {
		mr_free(table->runs);
		mr_free(table->rows);
	}
	mr_free(table);
}

/* Makes the stacks of the runs that ROWS are of. */
static int need_stacks_of(struct mr_sites_table *table, const uint32_t *rows, size_t row_count,
                          struct mr_error *err)
{
	size_t *counts = mr_alloc((table->run_count + 1) * sizeof(*counts));
	int code = counts ? 0 : fail_memory(err);

	for (size_t i = 0; counts && i < row_count; i++)
		counts[table->rows[rows ? rows[i] : i].of]++;
	for (size_t i = 0; code == 0 && i < table->run_count; i++)
		if (counts[i] > 0)
			code = mr_sites_need_stacks(table, &table->runs[i], counts[i], err);
	mr_free(counts);
	return code;
}

static int sites_finish(void *state, const uint32_t *rows, size_t row_count, uint64_t shown,
                        struct mr_error *err)
{
	struct mr_sites_table *table = state;

	if ((shown & NAME_COLUMNS) == 0)
		return 0;
	MR_TRY(need_stacks_of(table, rows, row_count, err));
	for (size_t i = 0; i < row_count; i++) {
		const size_t row = rows ? rows[i] : i;

		MR_TRY(name_stack(table->runs[table->rows[row].of].stacks, mr_site_of(table, row)->stack,
		                  shown, err));
	}
	return 0;
}

static void cell_of_name(struct mr_stacks *stacks, uint32_t stack, size_t column, struct mr_cell *cell)
{
	/* None has been named where none was to be shown. */
	const char *text = !stacks            ? NULL
	                   : column == SITE   ? mr_stacks_site_text(stacks, stack)
	                   : column == MODULE ? mr_stacks_site_module(stacks, stack)
	                                      : mr_stacks_trace_text(stacks, stack);

	mr_cell_string(cell, text && text[0] != '\0' ? text : NULL);
}

static void sites_cell(const void *state, size_t row, size_t column, struct mr_cell *cell)
{
	const struct mr_sites_table *table = state;
	const struct mr_sites_run *of = &table->runs[table->rows[row].of];
	const struct mr_heap_site *site = mr_site_of(table, row);
	const uint64_t gone = site->count > site->live_count ? site->count - site->live_count : 0;

	switch (column) {
	case RUN:
		mr_cell_number(cell, (uint64_t)of->run + 1);
		break;
	case SITE:
	case MODULE:
	case STACK:
		cell_of_name(of->stacks, site->stack, column, cell);
		break;
	case PEAK:
		mr_cell_number(cell, site->peak_bytes);
		break;
	case PEAK_COUNT:
		mr_cell_number(cell, site->peak_count);
		break;
	case LIVE:
		mr_cell_number(cell, site->live_bytes);
		break;
	case LIVE_COUNT:
		mr_cell_number(cell, site->live_count);
		break;
	case LEAKED:
		mr_cell_number_or_null(cell, site->live_bytes, !of->figures.has_ended);
		break;
	case TOTAL:
		mr_cell_number(cell, site->total_bytes);
		break;
	case COUNT:
		mr_cell_number(cell, site->count);
		break;
	case TEMPORARY:
		mr_cell_number(cell, site->temporary);
		break;
	case REALLOCS:
		mr_cell_number(cell, site->reallocs);
		break;
	case GROWN:
		mr_cell_number(cell, site->grown_bytes);
		break;
	case AVERAGE:
		mr_cell_number_or_null(cell, site->count > 0 ? site->total_bytes / site->count : 0,
		                       site->count == 0);
		break;
	case LIFETIME:
		mr_cell_number_or_null(cell, gone > 0 ? site->lifetime_ns / gone : 0, gone == 0);
		break;
	}
}

const struct mr_table_type mr_table_sites = {
	.info = { "sites", "what each call stack allocated, held at the peak, and leaked", columns,
	          COLUMN_COUNT, SITE },
	.default_sort = "peak,total",
	.open_stacks = sites_open,
	.takes_snapshots = true,
	.cell = sites_cell,
	.close = sites_close,
	.finish = sites_finish,
	.write_text = mr_sites_write_text,
};
