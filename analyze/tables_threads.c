/* SPDX-License-Identifier: MIT
 *
 * Table threads: what each thread of a recorded process allocated and freed, and
 * how long it had to wait for the recorder.
 */
#include "table_rows.h"

enum {
	RUN,
	THREAD,
	TID,
	COUNT,
	TOTAL,
	FREES,
	TEMPORARY,
	LIVE,
	LIVE_COUNT,
	WAITS,
	WAIT,
	FIRST,
	LAST,
	COLUMN_COUNT
};

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[THREAD] = { "thread", MEMSTATS_TEXT, "the thread's name" },
	[TID] = { "tid", MEMSTATS_ID, "thread id" },
	[COUNT] = { "count", MEMSTATS_COUNT, "allocations that it made" },
	[TOTAL] = { "total", MEMSTATS_BYTES, "of all of them" },
	[FREES] = { "frees", MEMSTATS_COUNT, "blocks that it freed, whoever allocated them" },
	[TEMPORARY] = { "temporary", MEMSTATS_COUNT, "allocations freed before its next one" },
	[LIVE] = { "live", MEMSTATS_BYTES, "that it allocated and nobody has freed at the end" },
	[LIVE_COUNT] = { "live_count", MEMSTATS_COUNT, "blocks of that" },
	[WAITS] = { "waits", MEMSTATS_COUNT, "times that it waited for the recorder" },
	[WAIT] = { "wait", MEMSTATS_DURATION, "how long it waited in all" },
	[FIRST] = { "first", MEMSTATS_TIME, "its first allocation or free" },
	[LAST] = { "last", MEMSTATS_TIME, "its last one" },
};

static size_t count_rows(const struct mr_run *run)
{
	return run->heap_thread_count;
}

static int threads_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                        struct mr_error *err)
{
	(void)needed;
	return mr_run_rows_open(log->model, count_rows, state, row_count, err);
}

static void threads_cell(const void *state, size_t row, size_t column, struct mr_cell *cell)
{
	const struct mr_run_rows *rows = state;
	size_t index = 0;
	const size_t run_index = mr_run_rows_find(rows, row, &index);
	const struct mr_run *run = &rows->model->runs[run_index];
	const struct mr_heap_thread *thread = &run->heap_threads[index];
	const uint64_t numbers[COLUMN_COUNT] = {
		[COUNT] = thread->count,         [TOTAL] = thread->total_bytes,
		[FREES] = thread->frees,         [TEMPORARY] = thread->temporary,
		[LIVE] = thread->live_bytes,     [LIVE_COUNT] = thread->live_count,
		[WAITS] = thread->waits,         [WAIT] = thread->wait_ns,
		[FIRST] = thread->time_first_ns, [LAST] = thread->time_last_ns,
	};

	switch (column) {
	case RUN:
		mr_cell_number(cell, run_index + 1);
		break;
	case THREAD:
		mr_cell_model_string(cell, rows->model, run->threads[thread->thread].name);
		break;
	case TID:
		mr_cell_number_or_null(cell, run->threads[thread->thread].tid, thread->thread == 0);
		break;
	default:
		mr_cell_number(cell, numbers[column]);
	}
}

const struct mr_table_type mr_table_threads = {
	.info = { "threads", "what each thread of a recorded process allocated and freed", columns,
	          COLUMN_COUNT, THREAD },
	.open = threads_open,
	.cell = threads_cell,
	.close = mr_run_rows_close,
};
