/* SPDX-License-Identifier: MIT
 *
 * Table functions: what each function allocates, by itself and with all that it
 * calls.  A function that is in a call stack several times counts once.
 */
#include "output.h"
#include "stacks_runs.h"
#include "table_rows.h"

#include <inttypes.h>

enum {
	RUN,
	FUNCTION,
	FILE_NAME,
	MODULE,
	PEAK,
	SELF_PEAK,
	LIVE,
	SELF_LIVE,
	LEAKED,
	SELF_LEAKED,
	TOTAL,
	SELF_TOTAL,
	COUNT,
	SELF_COUNT,
	TEMPORARY,
	SELF_TEMPORARY,
	SITES,
	COLUMN_COUNT
};

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[FUNCTION] = { "function", MEMSTATS_TEXT,
	               "name of the function, or module+0xOFFSET of a place in it" },
	[FILE_NAME] = { "file", MEMSTATS_TEXT, "path of its source" },
	[MODULE] = { "module", MEMSTATS_TEXT, "file name of the program or library that it is in" },
	[PEAK] = { "peak", MEMSTATS_BYTES, "what it and all that it called held when the process held most" },
	[SELF_PEAK] = { "self_peak", MEMSTATS_BYTES, "of that, what it allocated itself" },
	[LIVE] = { "live", MEMSTATS_BYTES, "the same at the end, or at the snapshot that is named" },
	[SELF_LIVE] = { "self_live", MEMSTATS_BYTES, "of that, what it allocated itself" },
	[LEAKED] = { "leaked", MEMSTATS_BYTES, "what was not freed to the end" },
	[SELF_LEAKED] = { "self_leaked", MEMSTATS_BYTES, "of that, what it allocated itself" },
	[TOTAL] = { "total", MEMSTATS_BYTES, "all bytes that it and all that it called ever asked for" },
	[SELF_TOTAL] = { "self_total", MEMSTATS_BYTES, "of these, what it asked for itself" },
	[COUNT] = { "count", MEMSTATS_COUNT, "allocations of it and all that it called" },
	[SELF_COUNT] = { "self_count", MEMSTATS_COUNT, "of these, its own" },
	[TEMPORARY] = { "temporary", MEMSTATS_COUNT, "allocations that were freed before the thread's next" },
	[SELF_TEMPORARY] = { "self_temporary", MEMSTATS_COUNT, "of these, its own" },
	[SITES] = { "sites", MEMSTATS_COUNT, "call stacks that it is in" },
};

struct row {
	uint32_t run; /* index in the table's runs */
	uint32_t function;
};

struct run_costs { /* by function */
	struct mr_stack_cost *self;
	struct mr_stack_cost *all;
};

struct functions_table {
	struct mr_stacks_runs runs;
	struct run_costs *costs; /* by run */
	struct row *rows;
	size_t count;
	size_t capacity;
};

static int add_run(struct functions_table *table, uint32_t index, struct mr_error *err)
{
	const struct mr_stacks_run *run = &table->runs.runs[index];
	struct run_costs *costs = &table->costs[index];
	struct mr_stack_tree tree = { NULL };
	int code = mr_stack_tree_init(&tree, run->stacks, &run->sites, false, err);

	if (code == 0)
		code = mr_stack_tree_functions(&tree, &costs->self, &costs->all, err);
	mr_stack_tree_release(&tree);
	MR_TRY(code);
	if (mr_grow(&table->rows, &table->capacity, table->count + run->stacks->function_count,
	            sizeof(*table->rows)) < 0)
		return mr_fail(err, MR_ERR_NOMEM, "no memory for table functions");
	for (size_t i = 0; i < run->stacks->function_count; i++)
		if (costs->all[i].sites > 0)
			table->rows[table->count++] = (struct row){ index, (uint32_t)i };
	return 0;
}

static int functions_open(struct memstats_log *log, const struct memstats_query *query, uint64_t needed,
                          void **state, size_t *row_count, struct mr_error *err)
{
	struct functions_table *table = mr_alloc(sizeof(*table));

	(void)needed;
	MR_FAIL_IF(!table, err, MR_ERR_NOMEM, "no memory for table functions");
	*state = table;
	MR_TRY(mr_stacks_runs_init(&table->runs, log, query, err));
	table->costs = mr_alloc((table->runs.count + 1) * sizeof(*table->costs));
	MR_FAIL_IF(!table->costs, err, MR_ERR_NOMEM, "no memory for table functions");
	for (uint32_t i = 0; i < table->runs.count; i++)
		MR_TRY(add_run(table, i, err));
	*row_count = table->count;
	return 0;
}

static void functions_close(void *state)
{
	struct functions_table *table = state;

	if (!table)
		return;
	for (size_t i = 0; table->costs && i < table->runs.count; i++) {
		mr_free(table->costs[i].self);
		mr_free(table->costs[i].all);
	}
	mr_free(table->costs);
	mr_stacks_runs_release(&table->runs);
	mr_free(table->rows);
	mr_free(table);
}

static uint64_t cost_of(const struct mr_stack_cost *self, const struct mr_stack_cost *all, size_t column)
{
	switch (column) {
	case PEAK:
		return all->peak_bytes;
	case SELF_PEAK:
		return self->peak_bytes;
	case LIVE:
	case LEAKED:
		return all->live_bytes;
	case SELF_LIVE:
	case SELF_LEAKED:
		return self->live_bytes;
	case TOTAL:
		return all->total_bytes;
	case SELF_TOTAL:
		return self->total_bytes;
	case COUNT:
		return all->count;
	case SELF_COUNT:
		return self->count;
	case TEMPORARY:
		return all->temporary;
	case SELF_TEMPORARY:
		return self->temporary;
	default:
		return all->sites;
	}
}

static void functions_cell(const void *state, size_t index, size_t column, struct mr_cell *cell)
{
	const struct functions_table *table = state;
	const struct row *row = &table->rows[index];
	const struct mr_stacks_run *run = &table->runs.runs[row->run];
	const struct mr_function *function = &run->stacks->functions[row->function];

	switch (column) {
	case RUN:
		mr_cell_number(cell, (uint64_t)run->run + 1);
		break;
	case FUNCTION:
		mr_cell_string(cell, function->name);
		break;
	case FILE_NAME:
		mr_cell_string(cell, function->file[0] != '\0' ? function->file : NULL);
		break;
	case MODULE:
		mr_cell_string(cell, function->module[0] != '\0' ? function->module : NULL);
		break;
	default:
		mr_cell_number_or_null(cell,
		                       cost_of(&table->costs[row->run].self[row->function],
		                               &table->costs[row->run].all[row->function], column),
		                       (column == LEAKED || column == SELF_LEAKED) &&
		                               run->snapshot != MR_INDEX_NONE);
	}
}

/* ---- Text ------------------------------------------------------------------ */

#define NAME_MAX_WIDTH 50

static void put_row(struct mr_writing *writing, const struct functions_table *table, const struct row *row)
{
	const struct mr_stacks_run *run = &table->runs.runs[row->run];
	const struct mr_function *function = &run->stacks->functions[row->function];
	const struct mr_stack_cost *self = &table->costs[row->run].self[row->function];
	const struct mr_stack_cost *all = &table->costs[row->run].all[row->function];
	struct mr_buffer name = { NULL, 0, 0, false };

	mr_output_bytes(writing, self->peak_bytes, 11);
	mr_output_bytes(writing, all->peak_bytes, 11);
	mr_output_bytes(writing, self->live_bytes, 11);
	mr_output_bytes(writing, all->live_bytes, 11);
	mr_buffer_printf(&writing->buffer, "%10" PRIu64 "%10" PRIu64 "  ", self->count, all->count);
	mr_name_shorten(&name, function->name);
	if (function->is_named && function->module[0] != '\0')
		mr_buffer_printf(&name, " in %s", function->module);
	mr_buffer_put_u8(&name, '\0');
	writing->buffer.failed = writing->buffer.failed || name.failed;
	if (!name.failed)
		mr_output_name(&writing->buffer, (const char *)name.data, NAME_MAX_WIDTH, false);
	mr_buffer_put_u8(&writing->buffer, '\n');
	mr_buffer_release(&name);
}

static int functions_write_text(struct mr_writing *writing, struct mr_error *err)
{
	const struct memstats_table *shown = writing->table;
	const struct functions_table *table = shown->state;
	bool at_end = true;

	for (size_t i = 0; i < table->runs.count; i++)
		at_end = at_end && table->runs.runs[i].snapshot == MR_INDEX_NONE;
	if (shown->row_count > 0)
		mr_buffer_printf(&writing->buffer,
		                 "%11s%11s%11s%11s%10s%10s  function\n%11s%11s%11s%11s%10s%10s\n", "peak",
		                 "peak", at_end ? "leaked" : "live", at_end ? "leaked" : "live", "calls",
		                 "calls", "self", "and below", "self", "and below", "self", "and below");
	else
		mr_buffer_printf(&writing->buffer, "(no functions)\n");
	for (size_t i = 0; i < shown->row_count; i++) {
		put_row(writing, table, &table->rows[mr_table_row(shown, i)]);
		MR_TRY(mr_writing_flush(writing, false, err));
	}
	mr_output_more(writing);
	return 0;
}

const struct mr_table_type mr_table_functions = {
	.info = { "functions", "what each function allocates, by itself and with all that it calls", columns,
	          COLUMN_COUNT, FUNCTION },
	.default_sort = "self_peak,peak,function",
	.takes_snapshots = true,
	.open_stacks = functions_open,
	.cell = functions_cell,
	.close = functions_close,
	.write_text = functions_write_text,
};
