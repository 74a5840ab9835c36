/* SPDX-License-Identifier: MIT
 *
 * The end of an image, see heap_image.h: the snapshot that says what leaked,
 * histograms, threads and the recorder's own figures.
 */
#include "heap_image.h"

#include "proc_memory.h"

#define ROWS_MAX 4096

/* ---- Histograms ------------------------------------------------------------------------------- */

struct bucket_rows {
	struct mr_heap_image *image;
	uint32_t count;
	uint64_t columns[MR_HEAP_HISTOGRAM_TOTAL + 1][ROWS_MAX];
};

static void put_buckets(struct bucket_rows *rows)
{
	struct mr_heap_log *const log = rows->image->common->log;
	struct mr_block_writer block;

	if (rows->count == 0)
		return;
	mr_heap_log_begin(log, MR_KIND_HEAP_HISTOGRAM, rows->count, &block);
	for (unsigned column = MR_HEAP_HISTOGRAM_MEASURE; column <= MR_HEAP_HISTOGRAM_TOTAL; column++)
		mr_block_column(&block, column, rows->columns[column]);
	mr_heap_log_end(log, &block, rows->image->stream, NULL);
	rows->count = 0;
}

static void put_bucket(struct bucket_rows *rows, enum mr_heap_measure measure, uint32_t stack,
                       unsigned bucket, const struct mr_heap_bucket *values)
{
	const uint32_t row = rows->count++;

	rows->columns[MR_HEAP_HISTOGRAM_MEASURE][row] = (uint64_t)measure;
	rows->columns[MR_HEAP_HISTOGRAM_STACK][row] = stack;
	rows->columns[MR_HEAP_HISTOGRAM_BUCKET][row] = bucket;
	rows->columns[MR_HEAP_HISTOGRAM_COUNT][row] = values->count;
	rows->columns[MR_HEAP_HISTOGRAM_TOTAL][row] = values->total_bytes;
	if (rows->count == ROWS_MAX)
		put_buckets(rows);
}

static void add_buckets(struct mr_heap_bucket sums[64], const struct mr_heap_site *site,
                        enum mr_heap_measure measure)
{
	const struct mr_heap_histogram *const histogram =
		measure == MR_HEAP_MEASURE_SIZE ? &site->sizes : &site->lifetimes;

	for (uint64_t left = histogram->used; left; left &= left - 1) {
		const unsigned bit = (unsigned)__builtin_ctzll(left);
		const struct mr_heap_bucket *const bucket = mr_heap_histogram_at(histogram, bit);

		sums[bit].count += bucket->count;
		sums[bit].total_bytes += bucket->total_bytes;
	}
}

static void put_added(struct bucket_rows *rows, enum mr_heap_measure measure, uint32_t stack,
                      const struct mr_heap_bucket sums[64])
{
	for (unsigned bucket = 0; bucket < 64; bucket++)
		if (sums[bucket].count > 0)
			put_bucket(rows, measure, stack, bucket, &sums[bucket]);
}

/* The buckets of all sites whose stack is row ROW, added up. */
static void put_site_histogram(struct bucket_rows *rows, enum mr_heap_measure measure, uint32_t row)
{
	const struct mr_heap_profile *const profile = &rows->image->profile;
	struct mr_heap_bucket sums[64] = { 0 };

	for (uint32_t at = rows->image->row_sites[row]; at; at = profile->sites[at - 1].twin)
		add_buckets(sums, &profile->sites[at - 1], measure);
	put_added(rows, measure, mr_heap_stacks_number_of(&rows->image->stacks, row), sums);
}

/* And of all sites. */
static void put_sum(struct bucket_rows *rows, enum mr_heap_measure measure)
{
	const struct mr_heap_profile *const profile = &rows->image->profile;
	struct mr_heap_bucket sums[64] = { 0 };

	for (size_t i = 0; i < profile->site_count; i++)
		add_buckets(sums, &profile->sites[i], measure);
	put_added(rows, measure, 0, sums);
}

/* Whether SITE is large enough a part of something for a histogram of its own. */
static bool is_notable(const struct mr_heap_image *image, const struct mr_heap_sums *all,
                       const struct mr_heap_site *site)
{
	const uint64_t part = 200;
	uint64_t peak_bytes;
	uint64_t peak_count;

	mr_heap_profile_peak_of(&image->profile, site, &peak_bytes, &peak_count);
	return site->figures.total_bytes >= all->total_bytes / part + 1 ||
	       site->figures.count >= all->count / part + 1 ||
	       site->figures.live_bytes >= image->profile.live_bytes / part + 1 ||
	       peak_bytes >= image->profile.peak_bytes / part + 1;
}

static void put_histograms(struct mr_heap_image *image)
{
	const struct mr_heap_profile *const profile = &image->profile;
	struct bucket_rows *const rows = mr_alloc(sizeof(*rows));
	struct mr_heap_sums sums;

	if (!rows)
		return;
	rows->image = image;
	mr_heap_profile_sums(profile, &sums);
	put_sum(rows, MR_HEAP_MEASURE_SIZE);
	put_sum(rows, MR_HEAP_MEASURE_LIFETIME);
	for (size_t i = 0; i < image->stacks.stack_numbers.count; i++) {
		const uint32_t row = image->stacks.stack_numbers.pairs[i];

		if (row >= image->row_site_count || !image->row_sites[row] ||
		    !is_notable(image, &sums, &profile->sites[image->row_sites[row] - 1]))
			continue;
		put_site_histogram(rows, MR_HEAP_MEASURE_SIZE, row);
		put_site_histogram(rows, MR_HEAP_MEASURE_LIFETIME, row);
	}
	put_buckets(rows);
	mr_free(rows);
}

/* ---- Threads ------------------------------------------------------------------------------------ */

/* The threads that were never named have the name that the kernel has for them, if they live. */
static void name_threads(struct mr_heap_image *image)
{
	for (size_t i = 1; i < image->thread_name_count; i++) {
		struct mr_heap_thread_name *const thread = &image->thread_names[i];
		char file[64];

		if (thread->name[0])
			continue;
		(void)snprintf(file, sizeof(file), "task/%u/comm", thread->tid);
		const int64_t len =
			mr_proc_read_file(image->pid, file, thread->name, sizeof(thread->name) - 1);

		thread->name[len > 0 ? len : 0] = '\0';
		thread->name[strcspn(thread->name, "\n")] = '\0';
		thread->written = thread->written && !thread->name[0];
	}
}

static void put_threads(struct mr_heap_image *image)
{
	struct mr_heap_log *const log = image->common->log;

	for (size_t i = 0; i < image->profile.thread_count; i++) {
		const struct mr_heap_thread_figures *const thread = &image->profile.threads[i];
		uint64_t waits = 0;
		uint64_t wait_ns = 0;
		struct mr_block_writer block;

		if (thread->count == 0 && thread->frees == 0)
			continue;
		/* A ring that had several threads: the last one waited for all. */
		for (uint32_t ring = 0; ring < image->ring_thread_capacity; ring++)
			if (image->ring_threads[ring] == i + 1)
				mr_heap_drain_waits(image->drain, ring, &waits, &wait_ns);
		mr_heap_log_begin(log, MR_KIND_HEAP_THREADS, 1, &block);
		mr_block_scalar(&block, MR_HEAP_THREADS_THREAD, i);
		mr_block_scalar(&block, MR_HEAP_THREADS_COUNT, thread->count);
		mr_block_scalar(&block, MR_HEAP_THREADS_TOTAL, thread->total_bytes);
		mr_block_scalar(&block, MR_HEAP_THREADS_FREES, thread->frees);
		mr_block_scalar(&block, MR_HEAP_THREADS_TEMPORARY, thread->temporary);
		mr_block_scalar(&block, MR_HEAP_THREADS_LIVE, thread->live_bytes);
		mr_block_scalar(&block, MR_HEAP_THREADS_LIVE_COUNT, thread->live_count);
		mr_block_scalar(&block, MR_HEAP_THREADS_WAITS, waits);
		mr_block_scalar(&block, MR_HEAP_THREADS_WAIT_NS, wait_ns);
		mr_block_scalar(&block, MR_HEAP_THREADS_TIME_FIRST,
		                mr_heap_image_time(image, thread->ticks_first));
		mr_block_scalar(&block, MR_HEAP_THREADS_TIME_LAST,
		                mr_heap_image_time(image, thread->ticks_last));
		mr_heap_log_end(log, &block, image->stream, NULL);
	}
}

/* ---- The recorder's figures ------------------------------------------------------------------------ */

static void put_counter(struct mr_heap_image *image, const char *key, uint64_t value)
{
	struct mr_heap_log *const log = image->common->log;
	struct mr_block_writer block;

	if (value == 0)
		return;
	const uint64_t string = mr_heap_log_string(log, image->stream, &image->string_next, key, strlen(key));

	mr_heap_log_begin(log, MR_KIND_COUNTERS, 1, &block);
	mr_block_scalar(&block, MR_COUNTERS_KEY, string);
	mr_block_scalar(&block, MR_COUNTERS_VALUE, value);
	mr_heap_log_end(log, &block, image->stream, NULL);
}

static void put_counters(struct mr_heap_image *image)
{
	static const char *const keys[MR_HEAP_COUNTER_COUNT] = {
		[MR_HEAP_EARLY_ALLOCS] = "heap.early_allocs",
		[MR_HEAP_EARLY_FREES] = "heap.early_frees",
		[MR_HEAP_UNRECORDED_ALLOCS] = "heap.unrecorded_allocs",
		[MR_HEAP_UNRECORDED_FREES] = "heap.unrecorded_frees",
		[MR_HEAP_NESTED_EVENTS] = "heap.nested_events",
		[MR_HEAP_NESTED_LOST] = "heap.nested_lost",
		[MR_HEAP_STACKS_CUT] = "heap.stacks_cut",
		[MR_HEAP_STACKS_BROKEN] = "heap.stacks_broken",
		[MR_HEAP_FRAMES_GUESSED] = "heap.frames_guessed",
		[MR_HEAP_THREADS_UNRECORDED] = "heap.threads_unrecorded",
		[MR_HEAP_RECORDER_BYTES] = "heap.recorder_bytes",
	};
	struct mr_heap_drain_counts counts;
	struct mr_heap_sums sums;

	mr_heap_profile_sums(&image->profile, &sums);
	for (unsigned i = 0; i < MR_HEAP_COUNTER_COUNT; i++)
		put_counter(image, keys[i],
		            atomic_load_explicit(&image->channel->header->counters[i], memory_order_relaxed));
	mr_heap_drain_counts(image->drain, &counts);
	put_counter(image, "heap.events", counts.events);
	put_counter(image, "heap.waits", counts.waits);
	put_counter(image, "heap.wait_ns", counts.wait_ns);
	put_counter(image, "heap.dropped", counts.dropped);
	put_counter(image, "heap.rings_broken", counts.rings_broken);
	put_counter(image, "heap.unknown_frees", sums.unknown_frees);
	put_counter(image, "heap.unseen_frees", image->profile.unseen_frees);
	put_counter(image, "heap.sites_folded", image->sites_folded);
	put_counter(image, "heap.stack_nodes", image->stacks.defined);
	put_counter(image, "heap.blocks_max", image->profile.blocks.count_max);
	put_counter(image, "heap.writer_bytes", mr_heap_image_memory(image));
	put_counter(image, "heap.out_of_memory", image->profile.failed);
}

void mr_heap_image_end(struct mr_heap_image *image)
{
	if (image->ended)
		return;
	image->ended = true;
	mr_heap_image_begin(image);
	const uint64_t time_ns = mr_heap_image_now(image);

	for (size_t i = 0; i < image->profile.thread_count; i++)
		mr_heap_profile_settle(&image->profile, (uint32_t)i, image->ticks_last);
	mr_heap_image_write_events(image);
	mr_heap_image_write_samples(image);
	mr_heap_image_write_accounts(image);
	mr_heap_snapshot_take(image, MR_HEAP_END, "", time_ns);
	name_threads(image);
	mr_heap_definitions_threads(image);
	put_threads(image);
	put_histograms(image);
	put_counters(image);
	if (image->common->symbols)
		(void)(mr_heap_naming_want(image, &image->complaint) < 0); /* said once, at the end */

	mr_heap_drain_free(image->drain);
	mr_channel_close(image->channel);
	mr_heap_profile_release(&image->profile);
	mr_heap_maps_release(&image->maps);
	mr_heap_stacks_release(&image->stacks);
	image->drain = NULL;
	image->channel = NULL;
}
