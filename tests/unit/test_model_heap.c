/* SPDX-License-Identifier: MIT
 *
 * Heap recordings as runs, and the sites at any of their snapshots, whatever is
 * missing of them.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdlib.h>

#include "log_builder.h"
#include "model.h"

static struct log_builder builder;
static struct mr_model *model;
static struct mr_heap_sites sites;

static void release(void)
{
	mr_heap_sites_release(&sites);
	mr_model_close(model);
	model = NULL;
	log_builder_release(&builder);
	builder = (struct log_builder){ 0 };
}

TestSuite(model_heap, .fini = release);

static void open_log(void)
{
	struct mr_error err = { 0 };

	cr_assert(
		eq(int, mr_model_open_memory(builder.bytes.data, builder.bytes.len, "made", &model, &err), 0),
		"%s", err.message);
}

static void load_sites(size_t run, uint32_t snapshot)
{
	struct mr_error err = { 0 };

	mr_heap_sites_release(&sites);
	cr_assert(eq(int, mr_model_heap_sites(model, run, snapshot, &sites, &err), 0), "%s", err.message);
}

/* Live, peak, total, allocations. */
static void expect_site(size_t at, uint32_t stack, uint64_t live, uint64_t peak, uint64_t total,
                        uint64_t count)
{
	cr_assert(lt(sz, at, sites.count));
	cr_expect(eq(u32, sites.sites[at].stack, stack));
	cr_expect(eq(u64, sites.sites[at].live_bytes, live));
	cr_expect(eq(u64, sites.sites[at].peak_bytes, peak));
	cr_expect(eq(u64, sites.sites[at].total_bytes, total));
	cr_expect(eq(u64, sites.sites[at].count, count));
}

Test(model_heap, sites__are_those_of_each_snapshot)
{
	log_builder_heap_sample(&builder);
	open_log();
	const struct mr_run *run = &model->runs[0];
	cr_assert(eq(u32, run->heap_image_count, 1));
	cr_assert(eq(u32, run->heap_snapshot_count, 4));
	cr_expect(eq(str, (char *)mr_model_string(model, run->heap_snapshots[2].description), "half way"));
	cr_expect(eq(u64, run->heap_snapshots[3].number, 4));

	load_sites(0, 0);
	cr_assert(eq(sz, sites.count, 2));
	expect_site(0, 2, 100, 100, 100, 1);
	expect_site(1, 3, 50, 50, 50, 1);
	load_sites(0, 1);
	cr_assert(eq(sz, sites.count, 2));
	expect_site(0, 2, 300, 300, 300, 3);
	expect_site(1, 3, 50, 50, 50, 1);
	load_sites(0, 2);
	cr_assert(eq(sz, sites.count, 3));
	expect_site(2, 4, 8, 0, 8, 1);
	load_sites(0, MR_INDEX_NONE);
	cr_assert(eq(sz, sites.count, 3));
	expect_site(0, 2, 0, 300, 300, 3);
	expect_site(1, 3, 200, 50, 250, 2);
	expect_site(2, 4, 8, 0, 16, 2);
	cr_expect(eq(u64, sites.sites[2].temporary, 1));
	cr_expect(eq(u64, sites.sites[1].grown_bytes, 150));
	cr_expect(eq(u64, sites.sites[1].reallocs, 1));
	cr_expect(eq(u64, sites.sites[0].lifetime_ns, 4500));
	cr_expect(eq(sz, model->warning_count, 0));
}

Test(model_heap, summary__is_there_when_the_log_is_open)
{
	log_builder_heap_sample(&builder);
	open_log();
	const struct mr_run *run = &model->runs[0];
	cr_assert(eq(u32, run->heap_thread_count, 2));
	cr_expect(eq(u64, run->heap_threads[0].count, 5));
	cr_expect(eq(u64, run->threads[run->heap_threads[1].thread].tid, 43));
	cr_expect(eq(u64, run->heap_threads[1].wait_ns, 7000));
	cr_assert(eq(u32, run->account_count, 2));
	cr_expect(eq(u64, run->accounts[1].rss_bytes, 12000));
	cr_expect(eq(u64, run->accounts[1].heap_mapped_bytes, 8192));
	cr_expect(eq(u64, run->end_ns, 4000));
	cr_assert(eq(int, mr_model_load(model, MR_LOAD_SAMPLES, NULL), 0));
	cr_assert(eq(sz, run->heap_samples.count, 3));
	cr_expect(eq(u64, run->heap_samples.live_max_bytes[2], 350));
	cr_expect(eq(u64, run->heap_samples.total_count[2], 7));
}

Test(model_heap, histograms__are_read_on_demand)
{
	struct mr_heap_bucket *buckets = NULL;
	size_t count = 0;

	log_builder_heap_sample(&builder);
	open_log();
	cr_assert(eq(int, mr_model_heap_histogram(model, 0, &buckets, &count, NULL), 0));
	cr_assert(eq(sz, count, 7));
	cr_expect(eq(u64, buckets[2].count, 3));
	cr_expect(eq(u8, buckets[2].bucket, 7));
	cr_expect(eq(u8, buckets[5].measure, MR_HEAP_MEASURE_LIFETIME));
	cr_expect(eq(u32, buckets[6].stack, 4));
	mr_free(buckets);
	cr_assert(eq(int, mr_model_heap_histogram(model, MR_INDEX_NONE, &buckets, &count, NULL), 0));
	cr_expect(eq(sz, count, 7));
	mr_free(buckets);
}

Test(model_heap, images_of_a_process__are_one_run)
{
	log_builder_begin(&builder);
	log_builder_heap(&builder, 1, 42, 5000);
	log_builder_heap(&builder, 2, 42, 15000);
	log_builder_end(&builder, 20000, MR_END_EXIT);
	open_log();
	cr_assert(eq(sz, model->run_count, 1));
	const struct mr_run *run = &model->runs[0];
	cr_assert(eq(u32, run->heap_image_count, 2));
	cr_expect(eq(u64, run->heap_images[1].begin_ns, 10000));
	cr_assert(eq(u32, run->heap_snapshot_count, 8));
	cr_expect(eq(u64, run->heap_snapshots[4].number, 5));
	cr_expect(eq(u64, run->heap_snapshots[4].time_ns, 11000));

	load_sites(0, MR_INDEX_NONE);
	cr_assert(eq(sz, sites.count, 6));
	expect_site(0, 2, 0, 300, 300, 3);
	expect_site(1, 3, 0, 50, 250, 2); /* exec took what was live; this image has the peak */
	expect_site(4, 7, 200, 0, 250, 2);
	load_sites(0, 4);
	cr_assert(eq(sz, sites.count, 2));
	expect_site(0, 6, 100, 100, 100, 1);
}

Test(model_heap, processes__have_their_own_sites)
{
	log_builder_begin(&builder);
	for (uint64_t pid = 1; pid <= 20; pid++)
		log_builder_heap(&builder, pid, pid, 1000 * pid);
	log_builder_end(&builder, 20000, MR_END_EXIT);
	open_log();
	cr_assert(eq(sz, model->run_count, 20));
	for (size_t run = 0; run < 20; run++) {
		load_sites(run, MR_INDEX_NONE);
		cr_assert(eq(sz, sites.count, 3));
		expect_site(1, 3, 200, 50, 250, 2);
	}
}

/* A log whose snapshots 3 and 4 have no sites: as --max-size leaves one. */
Test(model_heap, end__is_the_last_snapshot_with_sites)
{
	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_HEAP, 5000);
	LOG_ROWS(&builder, MR_KIND_STACKS, 3, 1, 0, 0, 2, 1, 0);
	LOG_ROWS(&builder, MR_KIND_HEAP_SITES, 12, 1, 1, 100, 1, 100, 1, 100, 1, 0, 0, 0, 0);
	LOG_ROWS(&builder, MR_KIND_HEAP_SITES, 12, 2, 1, 300, 3, 300, 3, 300, 3, 0, 0, 0, 0);
	LOG_ROWS(&builder, MR_KIND_HEAP_SNAPSHOTS, 15, 1, 1000, MR_HEAP_INTERVAL, 0, MR_SNAPSHOT_KEY, 100, 1,
	         100, 1, 1000, 100, 1, 0, 0, 0, 2, 2000, MR_HEAP_PEAK, 0, 0, 300, 3, 300, 3, 1900, 300, 3, 0,
	         0, 0, 3, 3000, MR_HEAP_MARK, 0, MR_SNAPSHOT_KEY, 208, 2, 350, 4, 1900, 558, 6, 4, 0, 150, 4,
	         4000, MR_HEAP_END, 0, MR_SNAPSHOT_KEY, 208, 2, 350, 4, 1900, 566, 7, 5, 1, 150);
	log_builder_frame_end(&builder, 1, 4);
	log_builder_end(&builder, 4100, MR_END_SIZE);
	open_log();
	load_sites(0, MR_INDEX_NONE);
	cr_assert(eq(sz, sites.count, 1));
	expect_site(0, 1, 300, 300, 300, 3);
	cr_assert(eq(sz, model->warning_count, 1));
	cr_expect(ne(ptr, strstr(model->warnings[0], "last 2 heap snapshots are missing"), NULL));
	load_sites(0, 2);
	cr_expect(eq(sz, sites.count, 0));
	cr_expect(eq(sz, model->warning_count, 2));
}

Test(model_heap, cut_anywhere__opens_and_has_consistent_sites)
{
	log_builder_heap_sample(&builder);
	for (size_t len = MR_LOG_HEADER_SIZE; len < builder.bytes.len; len++) {
		struct mr_error err = { 0 };

		if (mr_model_open_memory(builder.bytes.data, len, "cut", &model, &err) < 0) {
			model = NULL;
			continue;
		}
		for (size_t run = 0; run < model->run_count; run++) {
			load_sites(run, MR_INDEX_NONE);
			for (uint32_t i = 0; i < model->runs[run].heap_snapshot_count; i++) {
				load_sites(run, i);
				uint64_t live = 0;
				for (size_t j = 0; j < sites.count; j++)
					live += sites.sites[j].live_bytes;
				cr_assert(eq(u64, live, model->runs[run].heap_snapshots[i].live_bytes));
			}
		}
		mr_model_close(model);
		model = NULL;
	}
}

Test(model_heap, hostile_rows__stay_within_bounds)
{
	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_HEAP, 5000);
	LOG_ROWS(&builder, MR_KIND_STACKS, 3, 1, 2, 0, 2, 1, 0);
	/* Stacks without definition, rows twice, a snapshot that is not there, sums beyond 64 bits. */
	LOG_ROWS(&builder, MR_KIND_HEAP_SITES, 12, 1, 77, UINT64_MAX, UINT64_MAX, UINT64_MAX, 1, 1, 1, 0, 0,
	         0, UINT64_MAX, 1, 78, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1,
	         9, 1, 1, 1, 1, 2, 0, 0, 0, 0, UINT64_MAX, 1, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9);
	LOG_ROWS(&builder, MR_KIND_HEAP_SNAPSHOTS, 15, 1, 1000, 99, 555, MR_SNAPSHOT_KEY, 100, 1, 100, 1,
	         UINT64_MAX, 100, 1, 0, 0, 0, 1, 1000, 99, 555, 0, 100, 1, 100, 1, 0, 100, 1, 0, 0, 0, 0, 0,
	         1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	LOG_ROWS(&builder, MR_KIND_HEAP_THREADS, 11, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 5, 2, 2, 2, 2, 2, 2, 2,
	         2, 2, 2);
	LOG_ROWS(&builder, MR_KIND_HEAP_HISTOGRAM, 5, 9, 0, 1, 1, 1, 0, 0, 65, 1, 1, 0, 77, 3, 1, 1, 1, 0, 64,
	         1, 1);
	log_builder_frame_end(&builder, 0, UINT64_MAX);
	log_builder_end(&builder, 4100, MR_END_EXIT);
	open_log();
	const struct mr_run *run = &model->runs[0];
	cr_assert(eq(u32, run->heap_snapshot_count, 1));
	cr_assert(eq(u32, run->heap_thread_count, 1));
	cr_expect(eq(u64, run->heap_threads[0].count, 2));
	cr_expect(ge(u64, model->segments[0].rows_dropped, 2));
	load_sites(0, MR_INDEX_NONE);
	cr_assert(eq(sz, sites.count, 2));
	expect_site(0, 0, UINT64_MAX, UINT64_MAX, 6, 6);
	expect_site(1, 1, 9, 1, 1, 2);

	struct mr_heap_bucket *buckets = NULL;
	size_t count = 0;
	cr_assert(eq(int, mr_model_heap_histogram(model, 0, &buckets, &count, NULL), 0));
	cr_expect(eq(sz, count, 1));
	mr_free(buckets);
}

Test(model_heap, tracker_and_recording_of_a_process__are_one_run)
{
	log_builder_sample(&builder);
	log_builder_begin(&builder);
	log_builder_heap(&builder, 2, 42, 5000);
	log_builder_end(&builder, 4100, MR_END_EXIT);
	open_log();
	cr_assert(eq(sz, model->run_count, 1));
	cr_expect(eq(sz, model->runs[0].snapshot_count, 4));
	cr_expect(eq(u32, model->runs[0].heap_snapshot_count, 4));
	load_sites(0, MR_INDEX_NONE);
	cr_expect(eq(sz, sites.count, 3));
}

/* ---- Single allocations ------------------------------------------------------ */

static struct mr_allocations *images;
static size_t image_count;

static void read_allocations(unsigned columns, const struct mr_allocations_choice *choice)
{
	struct mr_error err = { 0 };

	cr_assert(eq(int, mr_model_allocations(model, columns, choice, &images, &image_count, &err), 0), "%s",
	          err.message);
}

Test(model_heap, allocations__have_their_ends)
{
	log_builder_heap_sample(&builder);
	open_log();
	read_allocations(MR_ALLOCATION_DEATH | MR_ALLOCATION_SIZE | MR_ALLOCATION_STACK, NULL);
	cr_assert(eq(sz, image_count, 1));
	cr_assert(eq(sz, images[0].count, 7));
	cr_expect(eq(u64, images[0].birth_ns[0], 900));
	cr_expect(eq(u64, images[0].death_ns[0], 2100)); /* by realloc */
	cr_expect(eq(u64, images[0].death_ns[1], 2200));
	cr_expect(eq(u64, images[0].death_ns[4], MR_NONE));
	cr_expect(eq(u64, images[0].size_bytes[4], 200));
	cr_expect(eq(u64, images[0].death_ns[6], 3900));
	cr_expect(eq(u32, images[0].stack[6], 4));
	cr_expect(eq(ptr, images[0].address, NULL));
	mr_allocations_free(images, image_count);

	const uint32_t ordinals[] = { 1, 6 };
	const struct mr_allocations_choice choice = { ordinals, 2 };
	read_allocations(MR_ALLOCATION_DEATH | MR_ALLOCATION_ADDRESS, &choice);
	cr_assert(eq(sz, images[0].count, 2));
	cr_expect(eq(u64, images[0].death_ns[0], 2200));
	cr_expect(eq(u64, images[0].address[1], 0x7000));
	mr_allocations_free(images, image_count);
}

/* Three frames of events; the one in the middle is damaged, so what lies before it has no end. */
Test(model_heap, ends__do_not_reach_over_a_loss)
{
	size_t ends[4];

	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_HEAP, 0);
	log_builder_frame_end(&builder, 0, 0);
	for (size_t i = 0; i < 3; i++) {
		ends[i] = builder.bytes.len;
		log_builder_frame(&builder, 1);
		LOG_ROWS(&builder, MR_KIND_HEAP_EVENTS, 7, 10 * i, 0, 0, 0, 8, 0x1000, 0, 10 * i + 1, 0, 0, 0,
		         9, 0x2000, 0, 10 * i + 2, 1, 0, 0, 0, 0, 1, 10 * i + 3, 1, 0, 0, 0, 0, 4);
		log_builder_frame_end(&builder, 0, 0);
	}
	ends[3] = builder.bytes.len;
	log_builder_end(&builder, 100, MR_END_EXIT);
	open_log();
	read_allocations(MR_ALLOCATION_DEATH, NULL);
	cr_assert(eq(sz, images[0].count, 6));
	cr_expect(eq(u64, images[0].death_ns[0], 13)); /* in the second frame */
	mr_allocations_free(images, image_count);
	mr_model_close(model);

	builder.bytes.data[(ends[1] + ends[2]) / 2] ^= 0x55;
	open_log();
	read_allocations(MR_ALLOCATION_DEATH, NULL);
	cr_assert(eq(sz, images[0].count, 4));
	cr_expect(eq(u64, images[0].death_ns[0], MR_NONE));
	cr_expect(eq(u64, images[0].death_ns[1], 2));
	cr_expect(eq(u64, images[0].death_ns[2], MR_NONE));
	cr_expect(eq(u64, images[0].death_ns[3], 22));
	mr_allocations_free(images, image_count);
}

Test(model_heap, what_does_not_fit__is_counted_once)
{
	log_builder_heap_sample(&builder);
	open_log();
	for (int i = 0; i < 2; i++) {
		cr_assert(eq(int, mr_model_check_heap(model, NULL), 0));
		cr_expect(eq(u64, model->segments[0].ids_unknown, 0));
		cr_expect(eq(u64, model->segments[0].rows_dropped, 0));
	}
	mr_model_close(model);
	log_builder_release(&builder);
	builder = (struct log_builder){ 0 };

	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_HEAP, 5000);
	LOG_ROWS(&builder, MR_KIND_STACKS, 3, 1, 0, 0);
	LOG_ROWS(&builder, MR_KIND_HEAP_SITES, 3, 2, 1, 5, 2, 1, 5, 2, 77, 5, 1, 1, 5, 3, 1, 5);
	LOG_ROWS(&builder, MR_KIND_HEAP_SNAPSHOTS, 1, 2);
	log_builder_frame_end(&builder, 2, 2);
	log_builder_end(&builder, 4100, MR_END_EXIT);
	open_log();
	const uint64_t unknown = model->segments[0].ids_unknown; /* the creator's name */
	for (int i = 0; i < 2; i++) {
		cr_assert(eq(int, mr_model_check_heap(model, NULL), 0));
		cr_expect(eq(u64, model->segments[0].ids_unknown, unknown + 1));
		cr_expect(eq(u64, model->segments[0].rows_dropped, 2)); /* twice; of a lost snapshot */
	}
}
