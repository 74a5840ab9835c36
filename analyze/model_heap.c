/* SPDX-License-Identifier: MIT
 *
 * What a heap recording sums up: snapshots, threads, the account of memory; and
 * how the images of a process make one run.  The sites themselves are read on
 * demand: model_heap_sites.c.
 */
#include "model_private.h"

#include <stdlib.h>

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the heap in a log");
}

/* ---- Reading ----------------------------------------------------------------------- */

int mr_model__read_heap_snapshots(struct mr_loading *loading, const struct mr_block *block,
                                  struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_FAIL_IF(block->rows > loading->budget->snapshots_left, err, MR_ERR_LIMIT,
	           "the log claims far more heap snapshots than its size can hold");
	loading->budget->snapshots_left -= block->rows;
	MR_TRY(mr_rows_open(&rows, block, MR_HEAP_SNAPSHOTS_GROWN, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->heap_snapshots, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++)
			stream->heap_snapshots.items[stream->heap_snapshots.count++] =
				(struct mr_heap_snapshot){
					.number = rows.values[MR_HEAP_SNAPSHOTS_NUMBER][i],
					.time_ns = rows.values[MR_HEAP_SNAPSHOTS_TIME][i],
					.reason = mr_raw_id(rows.values[MR_HEAP_SNAPSHOTS_REASON][i]),
					.description =
						mr_raw_id(rows.values[MR_HEAP_SNAPSHOTS_DESCRIPTION][i]),
					.flags = rows.values[MR_HEAP_SNAPSHOTS_FLAGS][i],
					.live_bytes = rows.values[MR_HEAP_SNAPSHOTS_LIVE][i],
					.live_count = rows.values[MR_HEAP_SNAPSHOTS_LIVE_COUNT][i],
					.peak_bytes = rows.values[MR_HEAP_SNAPSHOTS_PEAK][i],
					.peak_count = rows.values[MR_HEAP_SNAPSHOTS_PEAK_COUNT][i],
					.peak_ns = rows.values[MR_HEAP_SNAPSHOTS_PEAK_TIME][i],
					.total_bytes = rows.values[MR_HEAP_SNAPSHOTS_TOTAL][i],
					.count = rows.values[MR_HEAP_SNAPSHOTS_COUNT][i],
					.frees = rows.values[MR_HEAP_SNAPSHOTS_FREES][i],
					.temporary = rows.values[MR_HEAP_SNAPSHOTS_TEMPORARY][i],
					.grown_bytes = rows.values[MR_HEAP_SNAPSHOTS_GROWN][i],
				};
	}
	return count;
}

/* The place of THREAD's row: where an earlier one is, which it replaces, or at the end. */
static int thread_row(struct mr_stream_state *stream, uint64_t thread, size_t *row, struct mr_error *err)
{
	const uint32_t known = mr_id_map_get(&stream->heap_thread_rows, thread);

	if (known != 0) {
		*row = known - 1;
		return 0;
	}
	MR_FAIL_IF(stream->heap_threads.count >= UINT32_MAX - 2, err, MR_ERR_LIMIT,
	           "the log has too many threads");
	if (MR_LIST_RESERVE(&stream->heap_threads, 1) < 0)
		return no_memory(err);
	*row = stream->heap_threads.count++;
	return mr_id_map_put(&stream->heap_thread_rows, thread, (uint32_t)*row + 1, err);
}

int mr_model__read_heap_threads(struct mr_loading *loading, const struct mr_block *block,
                                struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_HEAP_THREADS_TIME_LAST, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		for (int i = 0; i < count; i++) {
			size_t at = 0;

			MR_TRY(thread_row(stream, rows.values[MR_HEAP_THREADS_THREAD][i], &at, err));
			stream->heap_threads.items[at] = (struct mr_heap_thread){
				.thread = mr_raw_id(rows.values[MR_HEAP_THREADS_THREAD][i]),
				.count = rows.values[MR_HEAP_THREADS_COUNT][i],
				.total_bytes = rows.values[MR_HEAP_THREADS_TOTAL][i],
				.frees = rows.values[MR_HEAP_THREADS_FREES][i],
				.temporary = rows.values[MR_HEAP_THREADS_TEMPORARY][i],
				.live_bytes = rows.values[MR_HEAP_THREADS_LIVE][i],
				.live_count = rows.values[MR_HEAP_THREADS_LIVE_COUNT][i],
				.waits = rows.values[MR_HEAP_THREADS_WAITS][i],
				.wait_ns = rows.values[MR_HEAP_THREADS_WAIT_NS][i],
				.time_first_ns = rows.values[MR_HEAP_THREADS_TIME_FIRST][i],
				.time_last_ns = rows.values[MR_HEAP_THREADS_TIME_LAST][i],
			};
		}
	}
	return count;
}

int mr_model__read_account(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_ACCOUNT_HEAP_MAPPED, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->accounts, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++)
			stream->accounts.items[stream->accounts.count++] = (struct mr_account){
				.time_ns = rows.values[MR_ACCOUNT_TIME][i],
				.rss_bytes = rows.values[MR_ACCOUNT_RSS][i],
				.heap_bytes = rows.values[MR_ACCOUNT_HEAP][i],
				.live_bytes = rows.values[MR_ACCOUNT_LIVE][i],
				.files_bytes = rows.values[MR_ACCOUNT_FILES][i],
				.stacks_bytes = rows.values[MR_ACCOUNT_STACKS][i],
				.recorder_bytes = rows.values[MR_ACCOUNT_RECORDER][i],
				.shared_bytes = rows.values[MR_ACCOUNT_SHARED][i],
				.anonymous_bytes = rows.values[MR_ACCOUNT_ANONYMOUS][i],
				.swap_bytes = rows.values[MR_ACCOUNT_SWAP][i],
				.heap_mapped_bytes = rows.values[MR_ACCOUNT_HEAP_MAPPED][i],
			};
	}
	return count;
}

/* ---- One run of several images ------------------------------------------------------- */

struct merging {
	struct mr_model *model;
	struct mr_run *run;
	struct mr_stream_state *const *streams;
	size_t count;
};

static int compare_heap_snapshots(const void *left, const void *right)
{
	const struct mr_heap_snapshot *const a = left;
	const struct mr_heap_snapshot *const b = right;

	MR_COMPARE(a->number, b->number);
	MR_COMPARE(a->time_ns, b->time_ns);
	MR_COMPARE(a->count, b->count);
	MR_COMPARE(a->live_bytes, b->live_bytes);
	return 0;
}

/* Orders a stream's snapshots by number and drops what has none, or has one again. */
static void order_snapshots(struct mr_model *model, struct mr_stream_state *stream)
{
	struct mr_heap_snapshot *const items = stream->heap_snapshots.items;
	size_t kept = 0;

	if (stream->heap_snapshots.count > 1)
		qsort(items, stream->heap_snapshots.count, sizeof(*items), compare_heap_snapshots);
	for (size_t i = 0; i < stream->heap_snapshots.count; i++) {
		if (items[i].number == 0 || (kept > 0 && items[kept - 1].number == items[i].number)) {
			model->segments[stream->segment].rows_dropped++;
			continue;
		}
		items[kept++] = items[i];
	}
	stream->heap_snapshots.count = kept;
}

static bool is_image(const struct mr_stream_state *stream)
{
	return stream->source == MR_SOURCE_HEAP || stream->heap_snapshots.count > 0;
}

static int compare_images(const void *left, const void *right)
{
	const struct mr_heap_image *const a = left;
	const struct mr_heap_image *const b = right;

	MR_COMPARE(a->begin_ns, b->begin_ns);
	MR_COMPARE(a->end_ns, b->end_ns);
	MR_COMPARE(a->stream, b->stream);
	return 0;
}

static int merge_images(const struct merging *from, struct mr_error *err)
{
	struct mr_run *const run = from->run;
	size_t snapshots = 0;

	run->heap_images = mr_alloc((from->count + 1) * sizeof(*run->heap_images));
	if (run->heap_images == NULL)
		return no_memory(err);
	for (size_t i = 0; i < from->count; i++) {
		struct mr_stream_state *const stream = from->streams[i];

		stream->heap_image = MR_INDEX_NONE;
		if (!is_image(stream))
			continue;
		order_snapshots(from->model, stream);
		snapshots += stream->heap_snapshots.count;
		MR_FAIL_IF(snapshots >= MR_INDEX_NONE, err, MR_ERR_LIMIT,
		           "the logs have too many heap snapshots");
		struct mr_heap_image image = { .stream = (uint32_t)i,
			                       .state = stream->number,
			                       .begin_ns = mr_run_time(stream, 0),
			                       .end_ns = mr_run_time(stream, stream->time_last_ns) };
		for (size_t j = 0; j < stream->heap_snapshots.count; j++) {
			const uint64_t time_ns = mr_run_time(stream, stream->heap_snapshots.items[j].time_ns);

			image.end_ns = time_ns > image.end_ns ? time_ns : image.end_ns;
		}
		run->heap_images[run->heap_image_count++] = image;
	}
	qsort(run->heap_images, run->heap_image_count, sizeof(*run->heap_images), compare_images);
	run->heap_snapshots = mr_alloc((snapshots + 1) * sizeof(*run->heap_snapshots));
	return run->heap_snapshots != NULL ? 0 : no_memory(err);
}

/* Numbers of several images would collide: then they count through. */
static void merge_snapshots(const struct merging *from)
{
	struct mr_run *const run = from->run;

	for (uint32_t i = 0; i < run->heap_image_count; i++) {
		struct mr_heap_image *const image = &run->heap_images[i];
		struct mr_stream_state *const stream = from->streams[image->stream];

		stream->heap_image = i;
		image->snapshot_first = run->heap_snapshot_count;
		image->snapshot_count = (uint32_t)stream->heap_snapshots.count;
		for (size_t j = 0; j < stream->heap_snapshots.count; j++) {
			struct mr_heap_snapshot snapshot = stream->heap_snapshots.items[j];

			snapshot.image = i;
			snapshot.time_ns = mr_run_time(stream, snapshot.time_ns);
			snapshot.peak_ns = mr_run_time(stream, snapshot.peak_ns);
			snapshot.description = mr_model__resolve(from->model, stream, MR_DEFINED_STRING,
			                                         snapshot.description);
			if (run->heap_image_count > 1)
				snapshot.number = run->heap_snapshot_count + 1;
			run->heap_snapshots[run->heap_snapshot_count++] = snapshot;
		}
	}
}

static int compare_heap_threads(const void *left, const void *right)
{
	const struct mr_heap_thread *const a = left;
	const struct mr_heap_thread *const b = right;

	MR_COMPARE(a->image, b->image);
	MR_COMPARE(a->time_first_ns, b->time_first_ns);
	MR_COMPARE(a->thread, b->thread);
	MR_COMPARE(a->count, b->count);
	return 0;
}

static int compare_accounts(const void *left, const void *right)
{
	const struct mr_account *const a = left;
	const struct mr_account *const b = right;

	MR_COMPARE(a->time_ns, b->time_ns);
	MR_COMPARE(a->rss_bytes, b->rss_bytes);
	MR_COMPARE(a->heap_bytes, b->heap_bytes);
	return 0;
}

static int merge_threads(const struct merging *from, struct mr_error *err)
{
	struct mr_run *const run = from->run;
	size_t threads = 0, accounts = 0;

	for (size_t i = 0; i < from->count; i++) {
		threads += from->streams[i]->heap_threads.count;
		accounts += from->streams[i]->accounts.count;
	}
	MR_FAIL_IF(threads >= MR_INDEX_NONE || accounts >= MR_INDEX_NONE, err, MR_ERR_LIMIT,
	           "the logs have too many threads");
	run->heap_threads = mr_alloc((threads + 1) * sizeof(*run->heap_threads));
	run->accounts = mr_alloc((accounts + 1) * sizeof(*run->accounts));
	if (run->heap_threads == NULL || run->accounts == NULL)
		return no_memory(err);
	for (size_t i = 0; i < from->count; i++) {
		struct mr_stream_state *const stream = from->streams[i];

		for (size_t j = 0; j < stream->heap_threads.count; j++) {
			struct mr_heap_thread thread = stream->heap_threads.items[j];

			if (stream->heap_image == MR_INDEX_NONE) {
				from->model->segments[stream->segment].rows_dropped++;
				continue;
			}
			thread.thread =
				mr_model__resolve(from->model, stream, MR_DEFINED_THREAD, thread.thread);
			thread.image = stream->heap_image;
			thread.time_first_ns = mr_run_time(stream, thread.time_first_ns);
			thread.time_last_ns = mr_run_time(stream, thread.time_last_ns);
			run->heap_threads[run->heap_thread_count++] = thread;
		}
		for (size_t j = 0; j < stream->accounts.count; j++) {
			struct mr_account account = stream->accounts.items[j];

			account.time_ns = mr_run_time(stream, account.time_ns);
			run->accounts[run->account_count++] = account;
		}
	}
	qsort(run->heap_threads, run->heap_thread_count, sizeof(*run->heap_threads), compare_heap_threads);
	qsort(run->accounts, run->account_count, sizeof(*run->accounts), compare_accounts);
	return 0;
}

int mr_model__merge_heap(struct mr_model *model, struct mr_run *run, struct mr_stream_state *const *streams,
                         size_t count, struct mr_error *err)
{
	const struct merging from = { model, run, streams, count };

	MR_TRY(merge_images(&from, err));
	merge_snapshots(&from);
	return merge_threads(&from, err);
}
