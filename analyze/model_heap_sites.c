/* SPDX-License-Identifier: MIT
 *
 * What call stacks held at a heap snapshot.  A snapshot's state is the last key
 * snapshot's and all that followed, so only frames from there on are read; and
 * those of all images' ends in one pass, since a log of a thousand processes has
 * all of them in a few frames.
 *
 * A log that was cut, or filled up, may speak of snapshots whose sites it does
 * not have.  What a stream held at its end is then what it held at the last
 * snapshot that is complete, and a warning says so.
 */
#include "model_private.h"

#include <inttypes.h>
#include <stdlib.h>

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the sites in a log");
}

static void add_up(uint64_t *sum, uint64_t more)
{
	if (__builtin_add_overflow(*sum, more, sum))
		*sum = UINT64_MAX; /* only lying figures come so far */
}

/* ---- Snapshots of a stream ------------------------------------------------------------ */

/* The index of the last snapshot of STREAM with at most that NUMBER; its count when there is none. */
static size_t find_snapshot(const struct mr_stream_state *stream, uint64_t number)
{
	size_t low = 0, high = stream->heap_snapshots.count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (stream->heap_snapshots.items[middle].number <= number)
			low = middle + 1;
		else
			high = middle;
	}
	return low == 0 ? stream->heap_snapshots.count : low - 1;
}

static bool is_key(const struct mr_stream_state *stream, size_t at)
{
	return (stream->heap_snapshots.items[at].flags & MR_SNAPSHOT_KEY) != 0;
}

/* Whether sites have rows at the snapshot: not when nothing was done since the one before. */
static bool has_rows(const struct mr_stream_state *stream, size_t at)
{
	const struct mr_heap_snapshot *const snapshot = &stream->heap_snapshots.items[at];

	if (at == 0 || is_key(stream, at))
		return snapshot->count > 0;
	return snapshot->count != snapshot[-1].count || snapshot->frees != snapshot[-1].frees;
}

/* Asks for what the state at snapshot AT is made of. */
static void want(struct mr_stream_state *stream, size_t at)
{
	size_t key = at;

	while (key > 0 && !is_key(stream, key))
		key--;
	stream->heap_wanted = true;
	stream->heap_first = stream->heap_snapshots.items[key].number;
	stream->heap_last = stream->heap_snapshots.items[at].number;
	stream->heap_rows.count = 0;
}

/* ---- Gathering rows -------------------------------------------------------------------- */

struct gathering {
	struct mr_model *model;
	size_t log;
	bool keys_only; /* look for key snapshots that have rows, and take none */
	uint64_t first; /* numbers of snapshots that any stream wants */
	uint64_t last;
	uint64_t rows_left;
};

static bool is_wanted_frame(void *context, const struct mr_frame *frame)
{
	const struct gathering *const gathering = context;
	const struct mr_model_state *const state = gathering->model->state;
	uint64_t first = gathering->first, last = gathering->last;

	if (frame->stream != 0) {
		const uint32_t segment = state->segment_first[gathering->log] + frame->segment;
		const uint32_t known = mr_id_map_get(&state->stream_ids[segment], frame->stream);

		if (known == 0 || !state->streams.items[known - 1]->heap_wanted)
			return false;
		first = state->streams.items[known - 1]->heap_first;
		last = state->streams.items[known - 1]->heap_last;
	}
	return gathering->keys_only || (frame->snapshot_first <= last && frame->snapshot_last >= first);
}

/* Remembers the last key snapshot that has rows here. */
static int look_for_keys(struct mr_stream_state *stream, const struct mr_block *block, struct mr_error *err)
{
	uint64_t last = 0;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_rows_open(&rows, block, MR_HEAP_SITES_SNAPSHOT, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		for (int i = 0; i < count; i++) {
			const uint64_t number = rows.values[MR_HEAP_SITES_SNAPSHOT][i];

			if (number == last || number <= stream->heap_key_seen || number > stream->heap_last)
				continue;
			last = number;
			const size_t at = find_snapshot(stream, number);
			if (at < stream->heap_snapshots.count && is_key(stream, at) &&
			    stream->heap_snapshots.items[at].number == number)
				stream->heap_key_seen = number;
		}
	}
	return count;
}

static int gather_block(void *context, struct mr_loading *loading, const struct mr_block *block,
                        struct mr_error *err)
{
	struct gathering *const gathering = context;
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	if (!stream->heap_wanted)
		return 0;
	MR_FAIL_IF(block->rows > gathering->rows_left, err, MR_ERR_LIMIT,
	           "the log claims far more sites than a log of its size can hold");
	gathering->rows_left -= block->rows;
	if (gathering->keys_only)
		return look_for_keys(stream, block, err);
	MR_TRY(mr_rows_open(&rows, block, MR_HEAP_SITES_SIZE, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->heap_rows, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++) {
			const uint64_t number = rows.values[MR_HEAP_SITES_SNAPSHOT][i];

			if (number < stream->heap_first || number > stream->heap_last)
				continue;
			const uint64_t size = rows.values[MR_HEAP_SITES_SIZE][i];

			stream->heap_rows.items[stream->heap_rows.count++] = (struct mr_heap_row){
				.snapshot = number,
				.stack = rows.values[MR_HEAP_SITES_STACK][i],
				.site = {
					.live_bytes = rows.values[MR_HEAP_SITES_LIVE][i] +
					              size * rows.values[MR_HEAP_SITES_LIVE_COUNT][i],
					.live_count = rows.values[MR_HEAP_SITES_LIVE_COUNT][i],
					.peak_bytes = rows.values[MR_HEAP_SITES_PEAK][i] +
					              size * rows.values[MR_HEAP_SITES_PEAK_COUNT][i],
					.peak_count = rows.values[MR_HEAP_SITES_PEAK_COUNT][i],
					.total_bytes = rows.values[MR_HEAP_SITES_TOTAL][i] +
					              size * rows.values[MR_HEAP_SITES_COUNT][i],
					.count = rows.values[MR_HEAP_SITES_COUNT][i],
					.temporary = rows.values[MR_HEAP_SITES_TEMPORARY][i],
					.reallocs = rows.values[MR_HEAP_SITES_REALLOCS][i],
					.grown_bytes = rows.values[MR_HEAP_SITES_GROWN][i],
					.lifetime_ns = rows.values[MR_HEAP_SITES_LIFETIME][i],
				},
			};
		}
	}
	return count;
}

/* Reads what the streams want. */
static int gather(struct mr_model *model, bool keys_only, struct mr_error *err)
{
	struct gathering gathering = { .model = model, .keys_only = keys_only, .first = UINT64_MAX };

	for (size_t i = 0; i < model->state->streams.count; i++) {
		const struct mr_stream_state *const stream = model->state->streams.items[i];

		if (stream->heap_wanted && stream->heap_first < gathering.first)
			gathering.first = stream->heap_first;
		if (stream->heap_wanted && stream->heap_last > gathering.last)
			gathering.last = stream->heap_last;
	}
	for (size_t log = 0; log < model->state->log_count; log++) {
		const struct mr_frame_walk walk = { .kinds = UINT64_C(1) << MR_KIND_HEAP_SITES,
			                            .wanted = is_wanted_frame,
			                            .block = gather_block,
			                            .context = &gathering };

		gathering.log = log;
		gathering.rows_left = mr_model__rows_worth(&model->state->logs[log]);
		MR_TRY(mr_model__walk(model, log, &walk, err));
	}
	return mr_model__take_notes(model, err);
}

/* ---- From rows to sites ---------------------------------------------------------------- */

static int compare_rows(const void *left, const void *right)
{
	const struct mr_heap_row *const a = left;
	const struct mr_heap_row *const b = right;

	MR_COMPARE(a->stack, b->stack);
	MR_COMPARE(a->snapshot, b->snapshot);
	MR_COMPARE(a->site.count, b->site.count);
	MR_COMPARE(a->site.live_bytes, b->site.live_bytes);
	return 0;
}

static int compare_sites(const void *left, const void *right)
{
	const struct mr_heap_site *const a = left;
	const struct mr_heap_site *const b = right;

	MR_COMPARE(a->stack, b->stack);
	return 0;
}

/* Most of what is sorted here is in order already. */
static void sort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	const uint8_t *const bytes = items;

	for (size_t i = 1; i < count; i++) {
		if (compare(bytes + (i - 1) * size, bytes + i * size) > 0) {
			qsort(items, count, size, compare);
			return;
		}
	}
}

static void add_site(struct mr_heap_site *to, const struct mr_heap_site *from)
{
	add_up(&to->live_bytes, from->live_bytes);
	add_up(&to->live_count, from->live_count);
	add_up(&to->peak_bytes, from->peak_bytes);
	add_up(&to->peak_count, from->peak_count);
	add_up(&to->total_bytes, from->total_bytes);
	add_up(&to->count, from->count);
	add_up(&to->temporary, from->temporary);
	add_up(&to->reallocs, from->reallocs);
	add_up(&to->grown_bytes, from->grown_bytes);
	add_up(&to->lifetime_ns, from->lifetime_ns);
}

/* Orders sites by stack and adds up those of one: of stacks whose definitions are lost. */
static size_t merge_sites(struct mr_heap_site *sites, size_t count)
{
	size_t kept = 0;

	sort(sites, count, sizeof(*sites), compare_sites);
	for (size_t i = 0; i < count; i++) {
		if (kept > 0 && sites[kept - 1].stack == sites[i].stack)
			add_site(&sites[kept - 1], &sites[i]);
		else
			sites[kept++] = sites[i];
	}
	return kept;
}

/* The index of the last snapshot up to heap_last for which no rows are missing; the count of
 * snapshots when even those of the first one, a key, are. */
static int last_complete(struct mr_stream_state *stream, size_t *last, struct mr_error *err)
{
	const size_t first = find_snapshot(stream, stream->heap_first);
	const size_t end = find_snapshot(stream, stream->heap_last) + 1;
	bool *const seen = mr_alloc(end - first);
	uint64_t number = 0;
	size_t at = first;

	if (seen == NULL)
		return no_memory(err);
	for (size_t i = 0; i < stream->heap_rows.count; i++) {
		const uint64_t next = stream->heap_rows.items[i].snapshot;

		if (next != number)
			at = find_snapshot(stream, next);
		number = next;
		seen[at - first] = seen[at - first] || stream->heap_snapshots.items[at].number == next;
	}
	for (at = first; at < end && (seen[at - first] || !has_rows(stream, at)); at++)
		;
	*last = at > first ? at - 1 : stream->heap_snapshots.count;
	mr_free(seen);
	return 0;
}

/* Makes SITES (room for all rows) of the rows up to the snapshot NUMBER. Gives how many. */
static size_t make_sites(struct mr_stream_state *stream, uint64_t number, struct mr_heap_site *sites)
{
	struct mr_heap_row *const rows = stream->heap_rows.items;
	const struct mr_heap_row *last = NULL;
	size_t count = 0;

	sort(rows, stream->heap_rows.count, sizeof(*rows), compare_rows);
	for (size_t i = 0; i < stream->heap_rows.count; i++) {
		const uint32_t known = mr_id_map_get(&stream->ids[MR_DEFINED_STACK], rows[i].stack);

		if (rows[i].snapshot > number)
			continue;
		if (last != NULL && last->stack == rows[i].stack)
			count--; /* this row is the later one */
		last = &rows[i];
		sites[count] = rows[i].site;
		sites[count++].stack = known != 0 ? stream->base[MR_DEFINED_STACK] + known - 1 : 0;
	}
	return merge_sites(sites, count);
}

/* ---- At the end of each image ---------------------------------------------------------- */

/* Turns what was gathered for STREAM into its sites at its end. */
static int take_end(struct mr_model *model, struct mr_stream_state *stream, bool *lost, struct mr_error *err)
{
	const size_t count = stream->heap_snapshots.count;
	size_t last;

	MR_TRY(last_complete(stream, &last, err));
	*lost = last == count;
	if (*lost)
		return 0;
	if (last + 1 < count) {
		struct mr_log *const log = &model->state->logs[stream->log];
		char at[32];

		mr_text_duration(at, stream->heap_snapshots.items[last].time_ns);
		MR_TRY(mr_notes_add(&log->notes, err,
		                    "%s: the sites of process %" PRIu64
		                    " at its last %zu heap snapshots are missing: its end is that of t=%s",
		                    log->source.path, stream->pid, count - 1 - last, at));
	}
	if (MR_LIST_RESERVE(&stream->heap_end, stream->heap_rows.count + 1) < 0)
		return no_memory(err);
	stream->heap_end.count =
		make_sites(stream, stream->heap_snapshots.items[last].number, stream->heap_end.items);
	return 0;
}

/* One pass for all streams that are wanted; LOST says whether one is still wanted, since the rows of
 * its key snapshot are missing. */
static int take_ends(struct mr_model *model, bool *lost, struct mr_error *err)
{
	struct mr_model_state *const state = model->state;

	*lost = false;
	MR_TRY(gather(model, false, err));
	for (size_t i = 0; i < state->streams.count; i++) {
		struct mr_stream_state *const stream = state->streams.items[i];
		bool stream_lost = false;

		if (!stream->heap_wanted)
			continue;
		MR_TRY(take_end(model, stream, &stream_lost, err));
		stream->heap_wanted = stream_lost;
		*lost = *lost || stream_lost;
		mr_free(stream->heap_rows.items);
		stream->heap_rows.items = NULL;
		stream->heap_rows.count = stream->heap_rows.capacity = 0;
	}
	return 0;
}

static int load_ends(struct mr_model *model, struct mr_error *err)
{
	struct mr_model_state *const state = model->state;
	bool lost;

	for (size_t i = 0; i < state->streams.count; i++) {
		struct mr_stream_state *const stream = state->streams.items[i];

		stream->heap_wanted = false;
		if (!stream->repeated && stream->heap_snapshots.count > 0)
			want(stream, stream->heap_snapshots.count - 1);
	}
	MR_TRY(take_ends(model, &lost, err));
	if (lost) { /* go back to the last key snapshots that have rows */
		MR_TRY(gather(model, true, err));
		for (size_t i = 0; i < state->streams.count; i++) {
			struct mr_stream_state *const stream = state->streams.items[i];

			if (!stream->heap_wanted)
				continue;
			stream->heap_wanted = false;
			if (stream->heap_key_seen == 0)
				continue;
			/* Up to the next key snapshot, whose rows are missing. */
			size_t at = find_snapshot(stream, stream->heap_key_seen) + 1;
			while (at < stream->heap_snapshots.count && !is_key(stream, at))
				at++;
			want(stream, at - 1);
		}
		MR_TRY(take_ends(model, &lost, err));
	}
	for (size_t i = 0; i < state->streams.count; i++)
		state->streams.items[i]->heap_wanted = false;
	state->heap_ends = true;
	return mr_model__take_notes(model, err);
}

/* ---- Of a run --------------------------------------------------------------------------- */

static struct mr_stream_state *stream_of(const struct mr_model *model, const struct mr_heap_image *image)
{
	return model->state->streams.items[image->state];
}

/* What the image with the highest peak reached, over all of its snapshots. */
static uint64_t peak_of(const struct mr_stream_state *stream)
{
	const size_t count = stream->heap_snapshots.count;

	return count == 0 ? 0 : stream->heap_snapshots.items[count - 1].peak_bytes;
}

static int sites_at_end(struct mr_model *model, size_t run_index, struct mr_heap_sites *sites,
                        struct mr_error *err)
{
	const struct mr_run *const run = &model->runs[run_index];
	uint32_t highest = 0;
	uint64_t peak = 0;
	size_t total = 0, count = 0;

	if (!model->state->heap_ends)
		MR_TRY(load_ends(model, err));
	for (uint32_t i = 0; i < run->heap_image_count; i++) {
		const struct mr_stream_state *const stream = stream_of(model, &run->heap_images[i]);

		total += stream->heap_end.count;
		if (peak_of(stream) > peak) {
			peak = peak_of(stream);
			highest = i;
		}
	}
	if (run->heap_image_count == 1) { /* as nearly all are: they can be looked at where they are */
		const struct mr_stream_state *const stream = stream_of(model, &run->heap_images[0]);

		*sites = (struct mr_heap_sites){ .count = total, .sites = stream->heap_end.items };
		return 0;
	}
	struct mr_heap_site *const all = mr_alloc((total + 1) * sizeof(*all));
	if (all == NULL)
		return no_memory(err);
	for (uint32_t i = 0; i < run->heap_image_count; i++) {
		const struct mr_stream_state *const stream = stream_of(model, &run->heap_images[i]);

		for (size_t j = 0; j < stream->heap_end.count; j++) {
			struct mr_heap_site site = stream->heap_end.items[j];

			if (i + 1 < run->heap_image_count) /* exec took it */
				site.live_bytes = site.live_count = 0;
			if (i != highest)
				site.peak_bytes = site.peak_count = 0;
			all[count++] = site;
		}
	}
	*sites = (struct mr_heap_sites){ .count = merge_sites(all, count), .sites = all, .own = all };
	return 0;
}

static int sites_at(struct mr_model *model, size_t run_index, uint32_t snapshot, struct mr_heap_sites *sites,
                    struct mr_error *err)
{
	const struct mr_run *const run = &model->runs[run_index];
	const struct mr_heap_image *const image = &run->heap_images[run->heap_snapshots[snapshot].image];
	struct mr_stream_state *const stream = stream_of(model, image);
	const size_t at = snapshot - image->snapshot_first;
	size_t complete;

	want(stream, at);
	MR_TRY(gather(model, false, err));
	stream->heap_wanted = false;
	MR_TRY(last_complete(stream, &complete, err));
	if (complete != at) {
		struct mr_log *const log = &model->state->logs[stream->log];

		MR_TRY(mr_notes_add(&log->notes, err,
		                    "%s: sites of process %" PRIu64 " at heap snapshot %" PRIu64
		                    " are missing",
		                    log->source.path, stream->pid, run->heap_snapshots[snapshot].number));
		MR_TRY(mr_model__take_notes(model, err));
	}
	struct mr_heap_site *const all = mr_alloc((stream->heap_rows.count + 1) * sizeof(*all));
	if (all == NULL)
		return no_memory(err);
	const size_t count = make_sites(stream, stream->heap_last, all);
	stream->heap_rows.count = 0;
	*sites = (struct mr_heap_sites){ .count = count, .sites = all, .own = all };
	return 0;
}

int mr_model_heap_sites(struct mr_model *model, size_t run, uint32_t snapshot, struct mr_heap_sites *sites,
                        struct mr_error *err)
{
	if (snapshot == MR_INDEX_NONE)
		return sites_at_end(model, run, sites, err);
	MR_FAIL_IF(snapshot >= model->runs[run].heap_snapshot_count, err, MR_ERR_ARG,
	           "there is no heap snapshot with the index %" PRIu32, snapshot);
	return sites_at(model, run, snapshot, sites, err);
}

void mr_heap_sites_release(struct mr_heap_sites *sites)
{
	mr_free(sites->own);
	*sites = (struct mr_heap_sites){ 0 };
}
