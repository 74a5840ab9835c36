/* SPDX-License-Identifier: MIT
 *
 * Table samples: the memory of each process over time.
 */
#include "table_rows.h"

enum {
	RUN,
	TIME,
	PROCESS,
	RSS,
	VSZ,
	PSS,
	USS,
	SWAP,
	FAULTS_MINOR,
	FAULTS_MAJOR,
	CPU_USER,
	CPU_SYSTEM,
	CPU,
	THREADS,
	COLUMN_COUNT
};

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[TIME] = { "time", MEMSTATS_TIME, "when it was read" },
	[PROCESS] = { "process", MEMSTATS_TEXT, "name of the process" },
	[RSS] = { "rss", MEMSTATS_BYTES, "resident memory" },
	[VSZ] = { "vsz", MEMSTATS_BYTES, "virtual memory" },
	[PSS] = { "pss", MEMSTATS_BYTES, "resident memory, with its share of what is shared" },
	[USS] = { "uss", MEMSTATS_BYTES, "resident memory that is shared with nobody" },
	[SWAP] = { "swap", MEMSTATS_BYTES, "swapped out memory" },
	[FAULTS_MINOR] = { "faults_minor", MEMSTATS_COUNT,
	                   "page faults without reading, since the process's start" },
	[FAULTS_MAJOR] = { "faults_major", MEMSTATS_COUNT,
	                   "page faults that read from disk, since the process's start" },
	[CPU_USER] = { "cpu_user", MEMSTATS_DURATION, "processor time in the program, since its start" },
	[CPU_SYSTEM] = { "cpu_system", MEMSTATS_DURATION, "processor time in the kernel, since its start" },
	[CPU] = { "cpu", MEMSTATS_PERCENT, "of one processor, since the sample before" },
	[THREADS] = { "threads", MEMSTATS_COUNT, "threads" },
};

static size_t count_rows(const struct mr_run *run)
{
	return run->samples.count;
}

static int samples_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                        struct mr_error *err)
{
	(void)needed;
	MR_TRY(mr_model_load(log->model, MR_LOAD_SAMPLES, err));
	return mr_run_rows_open(log->model, count_rows, state, row_count, err);
}

/* Null for the first sample, and where the clock or a counter stood still or went back. */
static void cell_of_cpu(const struct mr_samples *samples, size_t index, struct mr_cell *cell)
{
	mr_cell_percent(cell, 0, 0);
	if (index == 0)
		return;
	const uint64_t *user = samples->cpu_user_ns + index;
	const uint64_t *system = samples->cpu_system_ns + index;
	const uint64_t *time = samples->time_ns + index;

	if (user[0] == MR_NONE || user[-1] == MR_NONE || system[0] == MR_NONE || system[-1] == MR_NONE ||
	    user[0] < user[-1] || system[0] < system[-1] || time[0] <= time[-1])
		return;
	mr_cell_percent(cell, (double)(user[0] - user[-1]) + (double)(system[0] - system[-1]),
	                (double)(time[0] - time[-1]));
}

static void samples_cell(const void *state, size_t row, size_t column, struct mr_cell *cell)
{
	const struct mr_run_rows *rows = state;
	size_t index = 0;
	const size_t run = mr_run_rows_find(rows, row, &index);
	const struct mr_samples *samples = &rows->model->runs[run].samples;
	const uint64_t *const values[COLUMN_COUNT] = {
		[TIME] = samples->time_ns,
		[RSS] = samples->rss_bytes,
		[VSZ] = samples->vsz_bytes,
		[PSS] = samples->pss_bytes,
		[USS] = samples->uss_bytes,
		[SWAP] = samples->swap_bytes,
		[FAULTS_MINOR] = samples->faults_minor,
		[FAULTS_MAJOR] = samples->faults_major,
		[CPU_USER] = samples->cpu_user_ns,
		[CPU_SYSTEM] = samples->cpu_system_ns,
		[THREADS] = samples->threads,
	};

	if (column == RUN)
		mr_cell_number(cell, run + 1);
	else if (column == PROCESS)
		mr_cell_string(cell, mr_run_name(rows->model, &rows->model->runs[run]));
	else if (column == CPU)
		cell_of_cpu(samples, index, cell);
	else
		mr_cell_optional(cell, values[column] ? values[column][index] : MR_NONE);
}

const struct mr_table_type mr_table_samples = {
	.info = { "samples", "memory of each process over time", columns, COLUMN_COUNT, PROCESS },
	.open = samples_open,
	.cell = samples_cell,
	.close = mr_run_rows_close,
};
