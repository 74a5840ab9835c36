/* SPDX-License-Identifier: MIT
 *
 * Table runs: the processes that a log speaks of.
 */
#include "table_rows.h"
#include "tables_heap.h"

#include <time.h>

enum {
	RUN,
	PID,
	NAME,
	COMMAND,
	PARENT,
	START,
	DURATION,
	EXIT,
	CODE,
	END,
	SNAPSHOTS,
	CLASSES,
	OBJECTS_MAX,
	SIZE_MAX_,
	RSS_MAX,
	SAMPLES,
	FILE_,
	HEAP_PEAK,
	LEAKED,
	ALLOCATIONS,
	COLUMN_COUNT
};

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "counted from 1, by start" },
	[PID] = { "pid", MEMSTATS_ID, "process id" },
	[NAME] = { "name", MEMSTATS_TEXT, "what the process was called" },
	[COMMAND] = { "command", MEMSTATS_TEXT, "its command line, if that was recorded" },
	[PARENT] = { "parent", MEMSTATS_ID, "the run that started it" },
	[START] = { "start", MEMSTATS_TEXT, "when recording began, in UTC" },
	[DURATION] = { "duration", MEMSTATS_DURATION, "from then to the last thing that is known" },
	[EXIT] = { "exit", MEMSTATS_TEXT, "how the process ended: exited, signalled, running, unknown" },
	[CODE] = { "code", MEMSTATS_ID, "its exit status, or the signal that ended it" },
	[END] = { "end", MEMSTATS_TEXT, "how recording ended: closed, exit, repaired, size, failed, cut" },
	[SNAPSHOTS] = { "snapshots", MEMSTATS_COUNT, "snapshots of tracked objects" },
	[CLASSES] = { "classes", MEMSTATS_COUNT, "tracked classes" },
	[OBJECTS_MAX] = { "objects_max", MEMSTATS_COUNT,
	                  "tracked objects at the snapshot that has most of them" },
	[SIZE_MAX_] = { "size_max", MEMSTATS_BYTES, "size of all tracked objects at the largest snapshot" },
	[RSS_MAX] = { "rss_max", MEMSTATS_BYTES, "largest resident memory that was seen" },
	[SAMPLES] = { "samples", MEMSTATS_COUNT, "readings of process memory" },
	[FILE_] = { "file", MEMSTATS_TEXT, "the log that it is in" },
	[HEAP_PEAK] = { "heap_peak", MEMSTATS_BYTES, "most live heap memory, where that was recorded" },
	[LEAKED] = { "leaked", MEMSTATS_BYTES, "live heap memory at the end" },
	[ALLOCATIONS] = { "allocations", MEMSTATS_COUNT, "allocations from the heap" },
};

struct runs {
	struct mr_model *model;
	char (*starts)[32]; /* as text, by run */
};

static void text_of_start(char out[32], uint64_t realtime_ns)
{
	const time_t seconds = (time_t)(realtime_ns / 1000000000);
	struct tm parts;

	if (realtime_ns == 0 || !gmtime_r(&seconds, &parts) ||
	    strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &parts) == 0) {
		out[0] = '\0';
		return;
	}
	snprintf(out + strlen(out), 32 - strlen(out), ".%03uZ", (unsigned)(realtime_ns / 1000000 % 1000));
}

static int runs_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                     struct mr_error *err)
{
	struct runs *runs = mr_alloc(sizeof(*runs));

	MR_FAIL_IF(!runs, err, MR_ERR_NOMEM, "no memory for table runs");
	*state = runs;
	runs->model = log->model;
	runs->starts = mr_alloc((log->model->run_count + 1) * sizeof(*runs->starts));
	MR_FAIL_IF(!runs->starts, err, MR_ERR_NOMEM, "no memory for table runs");
	for (size_t i = 0; i < log->model->run_count; i++)
		text_of_start(runs->starts[i], log->model->runs[i].start_realtime_ns);
	if (needed & (mr_column_bit(RSS_MAX) | mr_column_bit(SAMPLES)))
		MR_TRY(mr_model_load(log->model, MR_LOAD_SAMPLES, err));
	*row_count = log->model->run_count;
	return 0;
}

static void runs_close(void *state)
{
	struct runs *runs = state;

	if (runs)
		mr_free(runs->starts);
	mr_free(runs);
}

static int runs_finish(void *state, const uint32_t *rows, size_t row_count, uint64_t shown,
                       struct mr_error *err)
{
	const struct runs *runs = state;

	(void)rows;
	if (row_count > 0 && (shown & (mr_column_bit(RSS_MAX) | mr_column_bit(SAMPLES))) != 0)
		return mr_model_load(runs->model, MR_LOAD_SAMPLES, err);
	return 0;
}

static const char *exit_name(uint64_t exit_state)
{
	switch (exit_state) {
	case MR_EXIT_EXITED:
		return "exited";
	case MR_EXIT_SIGNALLED:
		return "signalled";
	case MR_EXIT_RUNNING:
		return "running";
	}
	return exit_state == 0 ? NULL : "unknown";
}

static const char *end_name(uint64_t end_reason)
{
	switch (end_reason) {
	case 0:
		return "cut";
	case MR_END_CLOSED:
		return "closed";
	case MR_END_EXIT:
		return "exit";
	case MR_END_REPAIRED:
		return "repaired";
	case MR_END_SIZE:
		return "size";
	case MR_END_FAILED:
		return "failed";
	}
	return "unknown";
}

static void cell_of_memory(const struct mr_run *run, size_t column, struct mr_cell *cell)
{
	uint64_t most = 0;
	bool known = false;

	for (size_t i = 0; i < run->snapshot_count; i++) {
		const struct mr_snapshot *snapshot = &run->snapshots[i];
		const uint64_t value = column == OBJECTS_MAX ? snapshot->count
		                       : column == SIZE_MAX_ ? snapshot->size_bytes
		                                             : snapshot->rss_bytes;

		known = known || value != MR_NONE;
		most = value != MR_NONE && value > most ? value : most;
	}
	for (size_t i = 0; column == RSS_MAX && i < run->samples.count; i++) {
		const uint64_t value = run->samples.rss_bytes[i];

		known = known || value != MR_NONE;
		most = value != MR_NONE && value > most ? value : most;
	}
	mr_cell_number_or_null(cell, most, !known);
}

static void cell_of_heap(const struct mr_run *run, size_t column, struct mr_cell *cell)
{
	struct mr_heap_figures figures;
	const bool known = mr_heap_figures(run, MR_INDEX_NONE, &figures);

	mr_cell_number_or_null(cell,
	                       column == HEAP_PEAK ? figures.peak_bytes
	                       : column == LEAKED  ? figures.live_bytes
	                                           : figures.count,
	                       !known);
}

/* Of a process that was looked at when it had ended the kernel tells none any more. */
static uint32_t last_command(const struct mr_model *model, const struct mr_run *run)
{
	for (size_t i = run->process_count; i > 0; i--)
		if (mr_model_string(model, run->processes[i - 1].command)[0] != '\0')
			return run->processes[i - 1].command;
	return 0;
}

static void runs_cell(const void *state, size_t row, size_t column, struct mr_cell *cell)
{
	const struct runs *runs = state;
	const struct mr_run *run = &runs->model->runs[row];
	const bool ended = run->exit_state == MR_EXIT_EXITED || run->exit_state == MR_EXIT_SIGNALLED;

	switch (column) {
	case RUN:
		mr_cell_number(cell, row + 1);
		break;
	case PID:
		mr_cell_number(cell, run->pid);
		break;
	case NAME:
		mr_cell_string(cell, mr_run_name(runs->model, run));
		break;
	case COMMAND:
		mr_cell_model_string(cell, runs->model, last_command(runs->model, run));
		break;
	case PARENT:
		mr_cell_number_or_null(cell, (uint64_t)run->parent + 1, run->parent == MR_INDEX_NONE);
		break;
	case START:
		mr_cell_string(cell, runs->starts[row][0] != '\0' ? runs->starts[row] : NULL);
		break;
	case DURATION:
		mr_cell_number(cell, run->end_ns);
		break;
	case EXIT:
		mr_cell_string(cell, exit_name(run->exit_state));
		break;
	case CODE:
		mr_cell_number_or_null(cell, run->exit_value, !ended);
		break;
	case END:
		mr_cell_string(cell, end_name(run->end_reason));
		break;
	case SNAPSHOTS:
		mr_cell_number(cell, run->snapshot_count);
		break;
	case CLASSES:
		mr_cell_number(cell, run->class_count > 0 ? run->class_count - 1 : 0);
		break;
	case SAMPLES:
		mr_cell_number(cell, run->samples.count);
		break;
	case FILE_:
		mr_cell_string(cell, runs->model->files[run->file].path);
		break;
	case HEAP_PEAK:
	case LEAKED:
	case ALLOCATIONS:
		cell_of_heap(run, column, cell);
		break;
	default:
		cell_of_memory(run, column, cell);
	}
}

const struct mr_table_type mr_table_runs = {
	.info = { "runs", "the processes that were recorded", columns, COLUMN_COUNT, NAME },
	.open = runs_open,
	.cell = runs_cell,
	.close = runs_close,
	.finish = runs_finish,
};
