/* SPDX-License-Identifier: MIT
 *
 * Table snapshots: when all tracked objects were sized, and the process with them.
 */
#include "table_rows.h"

enum {
	RUN,
	SNAPSHOT,
	TIME,
	DESCRIPTION,
	KIND,
	DURATION,
	OBJECTS,
	SIZE,
	OVERHEAD,
	RSS,
	VSZ,
	PSS,
	USS,
	SWAP,
	DATA,
	STACK,
	CODE,
	SHARED,
	FAULTS,
	TOTAL,
	COLUMN_COUNT
};

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[SNAPSHOT] = { "snapshot", MEMSTATS_ID, "its number, as FILE@N names it" },
	[TIME] = { "time", MEMSTATS_TIME, "when it was taken" },
	[DESCRIPTION] = { "description", MEMSTATS_TEXT, "what the program called it" },
	[KIND] = { "kind", MEMSTATS_TEXT,
	           "taken by the program (\"call\"), at an interval (\"periodic\") or on request; of a "
	           "census of all objects \"baseline\" or \"census\"" },
	[DURATION] = { "duration", MEMSTATS_DURATION, "how long taking it took" },
	[OBJECTS] = { "objects", MEMSTATS_COUNT,
	              "tracked objects that were alive; of a census all that the runtime knows" },
	[SIZE] = { "size", MEMSTATS_BYTES, "of all of them, with what they refer to" },
	[OVERHEAD] = { "overhead", MEMSTATS_BYTES, "memory that the tracker itself held" },
	[RSS] = { "rss", MEMSTATS_BYTES, "resident memory of the process" },
	[VSZ] = { "vsz", MEMSTATS_BYTES, "virtual memory of the process" },
	[PSS] = { "pss", MEMSTATS_BYTES, "resident memory, with its share of what is shared" },
	[USS] = { "uss", MEMSTATS_BYTES, "resident memory that is shared with nobody" },
	[SWAP] = { "swap", MEMSTATS_BYTES, "swapped out memory" },
	[DATA] = { "data", MEMSTATS_BYTES, "data segment" },
	[STACK] = { "stack", MEMSTATS_BYTES, "main thread's stack" },
	[CODE] = { "code", MEMSTATS_BYTES, "code of the program and its libraries" },
	[SHARED] = { "shared", MEMSTATS_BYTES, "shared segment" },
	[FAULTS] = { "faults", MEMSTATS_COUNT, "major page faults since the process's start" },
	[TOTAL] = { "total", MEMSTATS_BYTES, "of all objects that the program's runtime knows (Python)" },
};

static size_t count_rows(const struct mr_run *run)
{
	return run->snapshot_count;
}

static int snapshots_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                          struct mr_error *err)
{
	(void)needed;
	return mr_run_rows_open(log->model, count_rows, state, row_count, err);
}

static const char *kind_name(const struct mr_run *run, uint32_t snapshot)
{
	const uint64_t flags = run->snapshots[snapshot].flags;

	if (mr_run_is_census(run, snapshot))
		return mr_run_is_baseline(run, snapshot) ? "baseline" : "census";
	if (flags & MR_SNAPSHOT_PERIODIC)
		return "periodic";
	return flags & MR_SNAPSHOT_REQUESTED ? "request" : "call";
}

static void snapshots_cell(const void *state, size_t row, size_t column, struct mr_cell *cell)
{
	const struct mr_run_rows *rows = state;
	size_t index = 0;
	const size_t run = mr_run_rows_find(rows, row, &index);
	const struct mr_snapshot *snapshot = &rows->model->runs[run].snapshots[index];

	switch (column) {
	case RUN:
		mr_cell_number(cell, run + 1);
		break;
	case SNAPSHOT:
		mr_cell_number(cell, snapshot->number);
		break;
	case TIME:
		mr_cell_number(cell, snapshot->time_ns);
		break;
	case DESCRIPTION:
		mr_cell_model_string(cell, rows->model, snapshot->description);
		break;
	case KIND:
		mr_cell_string(cell, kind_name(&rows->model->runs[run], (uint32_t)index));
		break;
	case DURATION:
		/* pympler does not note it. */
		mr_cell_optional(cell, rows->model->runs[run].imported == MR_IMPORTED_NOTHING
		                               ? snapshot->duration_ns
		                               : MR_NONE);
		break;
	case OBJECTS:
		mr_cell_number(cell, snapshot->count);
		break;
	case SIZE:
		mr_cell_number(cell, snapshot->size_bytes);
		break;
	case OVERHEAD:
		mr_cell_number(cell, snapshot->overhead_bytes);
		break;
	default: {
		const uint64_t process[] = {
			snapshot->rss_bytes,    snapshot->vsz_bytes,   snapshot->pss_bytes,
			snapshot->uss_bytes,    snapshot->swap_bytes,  snapshot->data_bytes,
			snapshot->stack_bytes,  snapshot->code_bytes,  snapshot->shared_bytes,
			snapshot->faults_major, snapshot->total_bytes,
		};

		mr_cell_optional(cell, process[column - RSS]);
	}
	}
}

const struct mr_table_type mr_table_snapshots = {
	.info = { "snapshots", "when all tracked objects were sized, and the memory of the process then",
	          columns, COLUMN_COUNT, DESCRIPTION },
	.open = snapshots_open,
	.cell = snapshots_cell,
	.close = mr_run_rows_close,
};
