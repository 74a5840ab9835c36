/* SPDX-License-Identifier: MIT
 *
 * Table heap: the curve of live memory and the snapshots on it that FILE@N may
 * name, by time.  A snapshot has a number, the readings between have none.
 */
#include "tables_heap.h"

#include <inttypes.h>

#include "table_rows.h"

enum {
	RUN,
	TIME,
	SNAPSHOT,
	REASON,
	DESCRIPTION,
	LIVE,
	LIVE_COUNT,
	LIVE_MAX,
	PEAK,
	TOTAL,
	COUNT,
	TEMPORARY,
	COLUMN_COUNT
};

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[TIME] = { "time", MEMSTATS_TIME, "when" },
	[SNAPSHOT] = { "snapshot", MEMSTATS_ID, "its number, as FILE@N names it; none of a mere reading" },
	[REASON] = { "reason", MEMSTATS_TEXT,
	             "why it was taken: interval, peak, mark (by the program), request, end" },
	[DESCRIPTION] = { "description", MEMSTATS_TEXT, "what the program called it" },
	[LIVE] = { "live", MEMSTATS_BYTES, "allocated and not freed" },
	[LIVE_COUNT] = { "live_count", MEMSTATS_COUNT, "blocks that were allocated and not freed" },
	[LIVE_MAX] = { "live_max", MEMSTATS_BYTES, "the highest since the reading before" },
	[PEAK] = { "peak", MEMSTATS_BYTES, "the highest so far" },
	[TOTAL] = { "total", MEMSTATS_BYTES, "allocated so far" },
	[COUNT] = { "count", MEMSTATS_COUNT, "allocations so far" },
	[TEMPORARY] = { "temporary", MEMSTATS_COUNT, "of them freed before the same thread's next one" },
};

/* ---- Figures ------------------------------------------------------------- */

static void add_figures(struct mr_heap_figures *sum, const struct mr_heap_snapshot *snapshot)
{
	if (snapshot->peak_bytes > sum->peak_bytes || sum->count == 0) {
		sum->peak_bytes = snapshot->peak_bytes;
		sum->peak_count = snapshot->peak_count;
		sum->peak_ns = snapshot->peak_ns;
	}
	sum->time_ns = snapshot->time_ns;
	sum->live_bytes = snapshot->live_bytes;
	sum->live_count = snapshot->live_count;
	sum->total_bytes = mr_sum(sum->total_bytes, snapshot->total_bytes);
	sum->count = mr_sum(sum->count, snapshot->count);
	sum->frees = mr_sum(sum->frees, snapshot->frees);
	sum->temporary = mr_sum(sum->temporary, snapshot->temporary);
	sum->grown_bytes = mr_sum(sum->grown_bytes, snapshot->grown_bytes);
}

bool mr_heap_figures(const struct mr_run *run, uint32_t snapshot, struct mr_heap_figures *figures)
{
	*figures = (struct mr_heap_figures){ .has_ended = snapshot == MR_INDEX_NONE ||
		                                          snapshot + 1 == run->heap_snapshot_count };
	if (run->heap_snapshot_count == 0)
		return false;
	if (snapshot != MR_INDEX_NONE) {
		add_figures(figures, &run->heap_snapshots[snapshot]);
		return true;
	}
	for (uint32_t i = 0; i < run->heap_image_count; i++) {
		const struct mr_heap_image *image = &run->heap_images[i];

		if (image->snapshot_count == 0)
			continue;
		add_figures(figures, &run->heap_snapshots[image->snapshot_first + image->snapshot_count - 1]);
	}
	return true;
}

const char *mr_heap_reason_name(uint32_t reason)
{
	switch (reason) {
	case MR_HEAP_INTERVAL:
		return "interval";
	case MR_HEAP_PEAK:
		return "peak";
	case MR_HEAP_MARK:
		return "mark";
	case MR_HEAP_REQUEST:
		return "request";
	case MR_HEAP_END:
		return "end";
	}
	return "unknown";
}

void mr_heap_put_bytes(struct mr_writing *writing, struct mr_buffer *buffer, uint64_t size_bytes)
{
	char text[32];

	if (writing->flags & MEMSTATS_EXACT_BYTES) {
		mr_output_number(buffer, size_bytes);
		return;
	}
	mr_text_bytes_short(text, size_bytes);
	mr_buffer_append(buffer, text, strlen(text));
}

void mr_heap_put_blocks(struct mr_writing *writing, uint64_t size_bytes, uint64_t count)
{
	mr_heap_put_bytes(writing, &writing->buffer, size_bytes);
	mr_buffer_printf(&writing->buffer, " in %" PRIu64 " %s", count, count == 1 ? "block" : "blocks");
}

void mr_heap_put_figures(struct mr_writing *writing, const struct mr_heap_figures *figures)
{
	struct mr_buffer *out = &writing->buffer;

	mr_buffer_printf(out, "peak       ");
	mr_heap_put_blocks(writing, figures->peak_bytes, figures->peak_count);
	mr_buffer_printf(out, ", at ");
	mr_output_clock(out, figures->peak_ns);
	mr_buffer_printf(out, figures->has_ended ? "\nleaked     " : "\nlive       ");
	mr_heap_put_blocks(writing, figures->live_bytes, figures->live_count);
	mr_buffer_printf(out, "\nallocated  ");
	mr_heap_put_bytes(writing, out, figures->total_bytes);
	mr_buffer_printf(out, " in %" PRIu64 " %s", figures->count,
	                 figures->count == 1 ? "allocation" : "allocations");
	if (figures->temporary > 0)
		mr_buffer_printf(out, ", %" PRIu64 " of them temporary (%.1f%%)", figures->temporary,
		                 figures->count > 0
		                         ? (double)figures->temporary * 100.0 / (double)figures->count
		                         : 0.0);
	mr_buffer_put_u8(out, '\n');
}

/* ---- The table ------------------------------------------------------------ */

struct row {
	uint32_t run;
	uint32_t index; /* in the run's heap_snapshots or heap_samples */
	bool is_snapshot;
};

struct heap {
	const struct mr_model *model;
	struct row *rows;
	size_t count;
};

/* Snapshots and samples of a run, both by time, as one list; a sample before a snapshot of its time. */
static void fill_run(struct heap *heap, uint32_t run_index)
{
	const struct mr_run *run = &heap->model->runs[run_index];
	uint32_t snapshot = 0;

	for (size_t sample = 0; sample < run->heap_samples.count || snapshot < run->heap_snapshot_count;) {
		const bool is_snapshot =
			sample == run->heap_samples.count ||
			(snapshot < run->heap_snapshot_count &&
		         run->heap_snapshots[snapshot].time_ns < run->heap_samples.time_ns[sample]);

		heap->rows[heap->count++] =
			(struct row){ run_index, is_snapshot ? snapshot : (uint32_t)sample, is_snapshot };
		if (is_snapshot)
			snapshot++;
		else
			sample++;
	}
}

static int heap_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                     struct mr_error *err)
{
	struct heap *heap = mr_alloc(sizeof(*heap));
	size_t count = 0;

	(void)needed;
	MR_FAIL_IF(!heap, err, MR_ERR_NOMEM, "no memory for table heap");
	*state = heap;
	heap->model = log->model;
	MR_TRY(mr_model_load(log->model, MR_LOAD_SAMPLES, err));
	for (size_t i = 0; i < log->model->run_count; i++)
		count += log->model->runs[i].heap_snapshot_count + log->model->runs[i].heap_samples.count;
	MR_FAIL_IF(count > MR_TABLE_ROWS_HELD_MAX, err, MR_ERR_LIMIT, "table heap has more than %u rows",
	           MR_TABLE_ROWS_HELD_MAX);
	heap->rows = mr_alloc((count + 1) * sizeof(*heap->rows));
	MR_FAIL_IF(!heap->rows, err, MR_ERR_NOMEM, "no memory for table heap");
	for (uint32_t i = 0; i < log->model->run_count; i++)
		fill_run(heap, i);
	*row_count = heap->count;
	return 0;
}

static void heap_close(void *state)
{
	struct heap *heap = state;

	if (heap)
		mr_free(heap->rows);
	mr_free(heap);
}

static void cell_of_snapshot(const struct mr_model *model, const struct mr_heap_snapshot *snapshot,
                             size_t column, struct mr_cell *cell)
{
	const uint64_t numbers[COLUMN_COUNT] = {
		[TIME] = snapshot->time_ns,
		[SNAPSHOT] = snapshot->number,
		[LIVE] = snapshot->live_bytes,
		[LIVE_COUNT] = snapshot->live_count,
		[LIVE_MAX] = MR_NONE,
		[PEAK] = snapshot->peak_bytes,
		[TOTAL] = snapshot->total_bytes,
		[COUNT] = snapshot->count,
		[TEMPORARY] = snapshot->temporary,
	};

	if (column == REASON)
		mr_cell_string(cell, mr_heap_reason_name(snapshot->reason));
	else if (column == DESCRIPTION)
		mr_cell_model_string(cell, model, snapshot->description);
	else
		mr_cell_optional(cell, numbers[column]);
}

static void cell_of_sample(const struct mr_heap_samples *samples, size_t index, size_t column,
                           struct mr_cell *cell)
{
	const uint64_t numbers[COLUMN_COUNT] = {
		[TIME] = samples->time_ns[index],
		[SNAPSHOT] = MR_NONE,
		[LIVE] = samples->live_bytes[index],
		[LIVE_COUNT] = samples->live_count[index],
		[LIVE_MAX] = samples->live_max_bytes[index],
		[PEAK] = MR_NONE,
		[TOTAL] = samples->total_bytes[index],
		[COUNT] = samples->total_count[index],
		[TEMPORARY] = MR_NONE,
	};

	if (column == REASON || column == DESCRIPTION)
		mr_cell_string(cell, NULL);
	else
		mr_cell_optional(cell, numbers[column]);
}

static void heap_cell(const void *state, size_t index, size_t column, struct mr_cell *cell)
{
	const struct heap *heap = state;
	const struct row *row = &heap->rows[index];
	const struct mr_run *run = &heap->model->runs[row->run];

	if (column == RUN)
		mr_cell_number(cell, (uint64_t)row->run + 1);
	else if (row->is_snapshot)
		cell_of_snapshot(heap->model, &run->heap_snapshots[row->index], column, cell);
	else
		cell_of_sample(&run->heap_samples, row->index, column, cell);
}

const struct mr_table_type mr_table_heap = {
	.info = { "heap", "live heap memory over time, and the snapshots of it that FILE@N names", columns,
	          COLUMN_COUNT, DESCRIPTION },
	.open = heap_open,
	.cell = heap_cell,
	.close = heap_close,
};
