/* SPDX-License-Identifier: MIT
 *
 * The reader and the model when memory ends, at each allocation in turn: an
 * error with a message, and nothing left behind.  And how much memory they take
 * for what a file merely claims.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "log_builder.h"
#include "memory_failing.h"
#include "model.h"

static struct log_builder builder;

static void release(void)
{
	log_builder_release(&builder);
}

TestSuite(model_memory, .fini = release);

static int see(void *context, const struct mr_snapshot_view *view, struct mr_error *err)
{
	(void)view;
	(void)err;
	++*(size_t *)context;
	return 0;
}

/* All that can be done with a log; 0 when all of it went well. */
static int use_log(const uint8_t *data, size_t len, struct mr_error *err)
{
	const uint32_t rows[] = { 0, 1, 2, 3 };
	struct mr_model *model = NULL;
	struct mr_states *details = NULL;
	size_t seen = 0;

	int code = mr_model_open_memory(data, len, "made.dat", &model, err);
	if (code == 0)
		code = mr_model_load(model, MR_LOAD_ALL, err);
	if (code == 0)
		code = mr_model_replay(model, 0, 0, 3, see, &seen, err);
	if (code == 0)
		code = mr_model_details(model, 0, rows, 4, &details, err);
	mr_details_free(details);
	mr_model_close(model);
	return code;
}

/* All that can be done with a heap recording. */
static int use_heap(const uint8_t *data, size_t len, struct mr_error *err)
{
	const uint32_t ordinals[] = { 1, 4 };
	const struct mr_allocations_choice choices[] = { { ordinals, 2 }, { NULL, 0 } };
	struct mr_model *model = NULL;
	struct mr_heap_sites sites[2] = { { 0 } };
	struct mr_heap_bucket *buckets = NULL;
	struct mr_allocations *images[2] = { NULL };
	size_t count = 0, image_counts[2] = { 0 };

	int code = mr_model_open_memory(data, len, "made.dat", &model, err);
	if (code == 0)
		code = mr_model_load(model, MR_LOAD_ALL, err);
	if (code == 0)
		code = mr_model_heap_sites(model, 0, MR_INDEX_NONE, &sites[0], err);
	if (code == 0)
		code = mr_model_heap_sites(model, 0, 1, &sites[1], err);
	if (code == 0)
		code = mr_model_heap_histogram(model, 0, &buckets, &count, err);
	if (code == 0)
		code = mr_model_allocations(model, 63, NULL, &images[0], &image_counts[0], err);
	if (code == 0)
		code = mr_model_allocations(model, MR_ALLOCATION_DEATH, choices, &images[1], &image_counts[1],
		                            err);
	if (code == 0)
		code = mr_model_check_heap(model, err);
	for (size_t i = 0; i < MR_ARRAY_LEN(images); i++) {
		mr_heap_sites_release(&sites[i]);
		mr_allocations_free(images[i], image_counts[i]);
	}
	mr_free(buckets);
	mr_model_close(model);
	return code;
}

static void fail_each_of(const uint8_t *data, size_t len,
                         int (*use)(const uint8_t *data, size_t len, struct mr_error *err))
{
	const size_t blocks = memory_blocks();
	struct mr_error err = { 0 };

	memory_fail_never();
	cr_assert(eq(int, use(data, len, &err), 0), "%s", err.message);
	const size_t calls = memory_calls();
	cr_assert(gt(sz, calls, 50));
	for (size_t n = 0; n < calls; n++) {
		err = (struct mr_error){ 0 };
		memory_fail_after(n);
		const int code = use(data, len, &err);
		memory_fail_never();
		cr_assert(eq(int, code, MR_ERR_NOMEM), "allocation %zu of %zu: %d %s", n, calls, code,
		          err.message);
		cr_expect(ne(str, err.message, ""));
		cr_assert(eq(sz, memory_blocks(), blocks), "allocation %zu", n);
	}
}

static void fail_each(const uint8_t *data, size_t len)
{
	fail_each_of(data, len, use_log);
}

Test(model_memory, whole_log__fails_cleanly_at_each_allocation)
{
	log_builder_sample(&builder);
	fail_each(builder.bytes.data, builder.bytes.len);
}

Test(model_memory, heap_recording__fails_cleanly_at_each_allocation)
{
	log_builder_begin(&builder);
	log_builder_heap(&builder, 1, 42, 5000);
	log_builder_heap(&builder, 2, 42, 15000);
	log_builder_end(&builder, 20000, MR_END_EXIT);
	fail_each_of(builder.bytes.data, builder.bytes.len, use_heap);
	/* What is lost takes other ways: the last snapshots' sites, the index. */
	fail_each_of(builder.bytes.data, builder.entries[builder.entry_count - 2].offset, use_heap);
}

Test(model_memory, cut_log__fails_cleanly_at_each_allocation)
{
	log_builder_sample(&builder);
	fail_each(builder.bytes.data, builder.entries[builder.entry_count - 1].offset);
}

Test(model_memory, joined_logs__fail_cleanly_at_each_allocation)
{
	struct mr_buffer joined = { 0 };

	log_builder_sample(&builder);
	mr_buffer_append(&joined, builder.bytes.data, builder.bytes.len);
	mr_buffer_append(&joined, builder.bytes.data, builder.entries[4].offset + 3);
	mr_buffer_append(&joined, builder.bytes.data, builder.bytes.len);
	fail_each(joined.data, joined.len);
	mr_buffer_release(&joined);
}

/* The file at PATH. */
static void fail_each_of_file(const char *path)
{
	static uint8_t bytes[1 << 16];
	FILE *const file = fopen(path, "rb");

	cr_assert(ne(ptr, file, NULL));
	const size_t len = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	fail_each(bytes, len);
}

Test(model_memory, dump__fails_cleanly_at_each_allocation)
{
	fail_each_of_file("tests/fixtures/pympler/shop-0.4-py2.7.dat");
}

/* With what holds objects, and graphs. */
Test(model_memory, census__fails_cleanly_at_each_allocation)
{
	fail_each_of_file("tests/fuzz/corpus/fuzz_log_reader/census.dat");
}

Test(model_memory, claims__take_no_memory)
{
	struct mr_error err = { 0 };

	/* A seek table that claims 2^31 frames, behind a log. */
	log_builder_sample(&builder);
	mr_put_u32le(builder.bytes.data + builder.bytes.len - 9, 0x80000000u);
	memory_peak_reset();
	const size_t before = memory_bytes();
	cr_assert(eq(int, use_log(builder.bytes.data, builder.bytes.len, &err), 0), "%s", err.message);
	cr_expect(lt(sz, memory_peak() - before, 16u << 20));
}
