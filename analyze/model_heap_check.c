/* SPDX-License-Identifier: MIT
 *
 * What does not fit in the blocks of a heap recording that are read on demand
 * only: counted once, when all that is wrong with a log is asked for.
 */
#include "model_private.h"

struct checking {
	struct mr_id_map *seen; /* a stream each: stack's id to index + 1 of the snapshot of its last row */
	uint64_t rows_left;
};

/* The index of the stream's snapshot with that NUMBER; its count when there is none. */
static size_t find_snapshot(const struct mr_stream_state *stream, uint64_t number)
{
	size_t low = 0, high = stream->heap_snapshots.count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (stream->heap_snapshots.items[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < stream->heap_snapshots.count && stream->heap_snapshots.items[low].number == number
	               ? low
	               : stream->heap_snapshots.count;
}

static uint64_t last_number(const struct mr_stream_state *stream)
{
	const size_t count = stream->heap_snapshots.count;

	return count > 0 ? stream->heap_snapshots.items[count - 1].number : 0;
}

/* Rows of snapshots that are not there, rows of a site that come twice, stacks without a definition. */
static int check_sites(const struct checking *checking, struct mr_loading *loading,
                       const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_segment *const segment = &loading->model->segments[stream->segment];
	struct mr_id_map *const seen = &checking->seen[stream->number];
	struct mr_rows rows;
	int count;

	MR_TRY(mr_rows_open(&rows, block, MR_HEAP_SITES_LIFETIME, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		for (int i = 0; i < count; i++) {
			const uint64_t stack = rows.values[MR_HEAP_SITES_STACK][i];
			const size_t at = find_snapshot(stream, rows.values[MR_HEAP_SITES_SNAPSHOT][i]);

			if (at == stream->heap_snapshots.count) {
				/* What was written last may be cut off: that is told elsewhere. */
				segment->rows_dropped +=
					rows.values[MR_HEAP_SITES_SNAPSHOT][i] < last_number(stream);
				continue;
			}
			if (stack == 0)
				continue;
			if (mr_id_map_get(&stream->ids[MR_DEFINED_STACK], stack) == 0) {
				segment->ids_unknown++;
				continue;
			}
			if (mr_id_map_get(seen, stack) == (uint32_t)at + 1)
				segment->rows_dropped++;
			MR_TRY(mr_id_map_put(seen, stack, (uint32_t)at + 1, err));
		}
	}
	return count;
}

static int check_histogram(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_segment *const segment = &loading->model->segments[stream->segment];
	struct mr_rows rows;
	int count;

	MR_TRY(mr_rows_open(&rows, block, MR_HEAP_HISTOGRAM_TOTAL, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		for (int i = 0; i < count; i++) {
			const uint64_t stack = rows.values[MR_HEAP_HISTOGRAM_STACK][i];

			if (stack != 0 && mr_id_map_get(&stream->ids[MR_DEFINED_STACK], stack) == 0)
				segment->ids_unknown++;
			if (rows.values[MR_HEAP_HISTOGRAM_MEASURE][i] > MR_HEAP_MEASURE_LIFETIME ||
			    rows.values[MR_HEAP_HISTOGRAM_BUCKET][i] > 64)
				segment->rows_dropped++;
		}
	}
	return count;
}

static int check_events(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_segment *const segment = &loading->model->segments[stream->segment];
	struct mr_rows rows;
	int count;

	MR_TRY(mr_rows_open(&rows, block, MR_HEAP_EVENTS_BACK, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		for (int i = 0; i < count; i++) {
			const uint64_t stack = rows.values[MR_HEAP_EVENTS_STACK][i];
			const uint64_t thread = rows.values[MR_HEAP_EVENTS_THREAD][i];

			segment->ids_unknown +=
				(stack != 0 && mr_id_map_get(&stream->ids[MR_DEFINED_STACK], stack) == 0) +
				(thread != 0 && mr_id_map_get(&stream->ids[MR_DEFINED_THREAD], thread) == 0);
			segment->rows_dropped += rows.values[MR_HEAP_EVENTS_KIND][i] > MR_HEAP_EVENT_REALLOC;
		}
	}
	return count;
}

static int check_block(void *context, struct mr_loading *loading, const struct mr_block *block,
                       struct mr_error *err)
{
	struct checking *const checking = context;

	MR_FAIL_IF(block->rows > checking->rows_left, err, MR_ERR_LIMIT,
	           "the log claims far more of a heap than a log of its size can hold");
	checking->rows_left -= block->rows;
	if (block->kind == MR_KIND_HEAP_SITES)
		return check_sites(checking, loading, block, err);
	if (block->kind == MR_KIND_HEAP_HISTOGRAM)
		return check_histogram(loading, block, err);
	return check_events(loading, block, err);
}

int mr_model_check_heap(struct mr_model *model, struct mr_error *err)
{
	struct mr_model_state *const state = model->state;
	const size_t streams = state->streams.count;
	struct checking checking = { .seen = mr_alloc((streams + 1) * sizeof(*checking.seen)) };
	const struct mr_frame_walk walk = { .kinds = UINT64_C(1) << MR_KIND_HEAP_SITES |
		                                     UINT64_C(1) << MR_KIND_HEAP_HISTOGRAM |
		                                     UINT64_C(1) << MR_KIND_HEAP_EVENTS,
		                            .block = check_block,
		                            .context = &checking };
	int code = 0;

	MR_FAIL_IF(checking.seen == NULL, err, MR_ERR_NOMEM, "out of memory to check a log");
	for (size_t log = 0; log < state->log_count && !state->heap_checked && code == 0; log++) {
		checking.rows_left = mr_model__rows_worth(&state->logs[log]);
		code = mr_model__walk(model, log, &walk, err);
	}
	for (size_t i = 0; i < streams; i++)
		mr_id_map_release(&checking.seen[i]);
	mr_free(checking.seen);
	state->heap_checked = true;
	return code == 0 ? mr_model__take_notes(model, err) : code;
}
