/* SPDX-License-Identifier: MIT
 *
 * Table marks: what programs said, and when.
 */
#include "table_rows.h"

enum { RUN, TIME, TEXT, THREAD, THREAD_NAME, COLUMN_COUNT };

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[TIME] = { "time", MEMSTATS_TIME, "when it was said" },
	[TEXT] = { "text", MEMSTATS_TEXT, "the message" },
	[THREAD] = { "thread", MEMSTATS_ID, "id of the thread that said it" },
	[THREAD_NAME] = { "thread_name", MEMSTATS_TEXT, "name of that thread" },
};

static size_t count_rows(const struct mr_run *run)
{
	return run->mark_count;
}

static int marks_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                      struct mr_error *err)
{
	(void)needed;
	MR_TRY(mr_model_load(log->model, MR_LOAD_SAMPLES, err));
	return mr_run_rows_open(log->model, count_rows, state, row_count, err);
}

static void marks_cell(const void *state, size_t row, size_t column, struct mr_cell *cell)
{
	const struct mr_run_rows *rows = state;
	size_t index = 0;
	const size_t run_index = mr_run_rows_find(rows, row, &index);
	const struct mr_run *run = &rows->model->runs[run_index];
	const struct mr_mark *mark = &run->marks[index];

	switch (column) {
	case RUN:
		mr_cell_number(cell, run_index + 1);
		break;
	case TIME:
		mr_cell_number(cell, mark->time_ns);
		break;
	case TEXT:
		mr_cell_model_string(cell, rows->model, mark->text);
		break;
	case THREAD:
		mr_cell_number_or_null(cell, mark->thread != 0 ? run->threads[mark->thread].tid : 0,
		                       mark->thread == 0);
		break;
	case THREAD_NAME:
		mr_cell_model_string(cell, rows->model,
		                     mark->thread == 0 ? 0 : run->threads[mark->thread].name);
		break;
	}
}

const struct mr_table_type mr_table_marks = {
	.info = { "marks", "messages from the programs", columns, COLUMN_COUNT, TEXT },
	.open = marks_open,
	.cell = marks_cell,
	.close = mr_run_rows_close,
};
