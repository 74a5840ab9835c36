/* SPDX-License-Identifier: MIT
 *
 * What a heap recording names, in the log, see heap_image.h: modules, places in
 * the code, call stacks and threads, before something speaks of them.  Stacks come
 * depth first, and each says how deep it is rather than who its caller is: most are
 * one deeper than the row before.
 */
#include "heap_image.h"

#define CODES_MAX 65536u   /* in a block */
#define STACKS_MAX 262144u /* likewise */

static size_t rows_of(size_t count)
{
	return count < CODES_MAX ? count : CODES_MAX;
}

static void put_module(struct mr_heap_image *image, uint64_t id, struct mr_heap_module_known *module)
{
	struct mr_heap_log *const log = image->common->log;
	struct mr_block_writer block;
	const uint64_t path = mr_heap_log_string(log, image->stream, &image->string_next, module->path,
	                                         strlen(module->path));
	const uint64_t build_id = mr_heap_log_string(log, image->stream, &image->string_next,
	                                             module->build_id, strlen(module->build_id));

	mr_heap_log_begin(log, MR_KIND_MODULES, 1, &block);
	mr_block_scalar(&block, MR_MODULES_ID, id);
	mr_block_scalar(&block, MR_MODULES_PATH, path);
	mr_block_scalar(&block, MR_MODULES_BUILD_ID, build_id);
	mr_block_scalar(&block, MR_MODULES_BASE, module->base);
	mr_heap_log_end(log, &block, image->stream, NULL);
	module->written = true;
}

static uint64_t put_name(struct mr_heap_image *image, uint64_t name)
{
	const char *const text = mr_heap_named_text((enum mr_heap_named)name);

	return mr_heap_log_string(image->common->log, image->stream, &image->string_next, text, strlen(text));
}

/* The codes from the FIRST that has a number, from 0, up to COUNT of them. */
static void put_codes(struct mr_heap_image *image, size_t first, size_t count)
{
	const struct mr_heap_stacks *const stacks = &image->stacks;
	struct mr_heap_log *const log = image->common->log;
	uint64_t *const values = mr_alloc(MR_CODE_FUNCTION * count * sizeof(*values));

	if (!values) {
		image->profile.failed = true;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		const struct mr_heap_pair *const code =
			&stacks->codes.items[stacks->code_numbers.pairs[first + i] - 1];
		const uint64_t id = code->first == MR_HEAP_NAMED ? 0 : code->first;
		struct mr_heap_module_known *const module = id ? &stacks->modules[id] : NULL;

		if (module && !module->written)
			put_module(image, id, module);
		values[(MR_CODE_ID - 1) * count + i] = first + i + 1;
		values[(MR_CODE_MODULE - 1) * count + i] = id;
		if (code->first == MR_HEAP_NAMED)
			values[(MR_CODE_FUNCTION - 1) * count + i] = put_name(image, code->second);
		else
			values[(MR_CODE_OFFSET - 1) * count + i] =
				code->second - 1 - (module ? module->base : 0);
	}
	const struct mr_heap_log_rows rows = { .kind = MR_KIND_CODE,
		                               .stream = image->stream,
		                               .values = values,
		                               .stride = count,
		                               .columns = MR_CODE_FUNCTION };

	mr_heap_log_blocks(log, &rows, 0, count);
	mr_free(values);
}

/* The stacks from the FIRST that has a number, from 0, up to COUNT of them: one block; false: that would
 * be too large. */
static bool put_stacks(struct mr_heap_image *image, size_t first, size_t count)
{
	const struct mr_heap_stacks *const stacks = &image->stacks;
	uint64_t *const values = mr_alloc(MR_STACKS_DEPTH * count * sizeof(*values));
	const struct mr_heap_log_rows rows = { .kind = MR_KIND_STACKS,
		                               .stream = image->stream,
		                               .values = values,
		                               .stride = count,
		                               .columns = MR_STACKS_DEPTH,
		                               .plain = 1u << MR_STACKS_CODE };

	if (!values) {
		image->profile.failed = true;
		return true;
	}
	uint64_t *const parents = values + (MR_STACKS_PARENT - 1) * count;
	uint64_t *const depths = values + (MR_STACKS_DEPTH - 1) * count;

	for (size_t i = 0; i < count; i++) {
		const struct mr_heap_pair *const row =
			&stacks->stacks.items[stacks->stack_numbers.pairs[first + i] - 1];
		const uint32_t parent = mr_heap_stacks_number_of(stacks, (uint32_t)row->first);

		values[(MR_STACKS_ID - 1) * count + i] = first + i + 1;
		values[(MR_STACKS_CODE - 1) * count + i] = stacks->code_numbers.of[row->second - 1];
		if (parent > first)
			depths[i] = depths[parent - first - 1] + 1;
		else
			parents[i] = parent;
	}
	const bool fits = mr_heap_log_block(image->common->log, &rows, 0, count);

	mr_free(values);
	return fits;
}

/* All stacks from the FIRST that has a number: in blocks as large as can be, for they repeat themselves. */
static void put_all_stacks(struct mr_heap_image *image, size_t first)
{
	const size_t end = image->stacks.stack_numbers.count;
	size_t most = STACKS_MAX;

	while (first < end) {
		const size_t count = end - first < most ? end - first : most;

		if (put_stacks(image, first, count))
			first += count;
		else
			most = count / 2;
	}
}

void mr_heap_definitions_stacks(struct mr_heap_image *image)
{
	struct mr_heap_stacks *const stacks = &image->stacks;
	const size_t codes = stacks->code_numbers.count;
	const size_t rows = stacks->stack_numbers.count;

	if (mr_heap_stacks_number(stacks) < 0) {
		image->profile.failed = true;
		return;
	}
	for (size_t at = codes; at < stacks->code_numbers.count; at += CODES_MAX)
		put_codes(image, at, rows_of(stacks->code_numbers.count - at));
	put_all_stacks(image, rows);
}

void mr_heap_definitions_threads(struct mr_heap_image *image)
{
	struct mr_heap_log *const log = image->common->log;
	struct mr_block_writer block;

	for (size_t i = 1; i < image->thread_name_count; i++) {
		struct mr_heap_thread_name *const thread = &image->thread_names[i];

		if (thread->written)
			continue;
		thread->written = true;
		const uint64_t name = mr_heap_log_string(log, image->stream, &image->string_next,
		                                         thread->name, strlen(thread->name));

		mr_heap_log_begin(log, MR_KIND_THREADS, 1, &block);
		mr_block_scalar(&block, MR_THREADS_ID, i);
		mr_block_scalar(&block, MR_THREADS_TID, thread->tid);
		mr_block_scalar(&block, MR_THREADS_NAME, name);
		mr_heap_log_end(log, &block, image->stream, NULL);
	}
}
