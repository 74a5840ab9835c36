/* SPDX-License-Identifier: MIT
 *
 * Snapshots of the heap in the log, see heap_image.h: rows of the sites that have
 * changed, and of what they name.
 *
 * When one is taken.  At the end, on request and at marks always.  Else they have a
 * budget, so that the log stays small however long the program runs: after a peak
 * a tenth above the last that was written, once that has passed; and at
 * intervals that grow with the age.
 */
#include "heap_image.h"

#define ROWS_MAX 4096 /* in a block */
#define INTERVAL_FIRST_NS UINT64_C(2000000000)
#define INTERVAL_PART 8 /* the spacing is this part of the age */
#define PEAK_HELD_NS UINT64_C(500000000)
#define BUDGET_FIRST_BYTES (96u << 10) /* of blocks, before compression, for those that nobody asked for */
#define BUDGET_BYTES_PER_SECOND 512u

/* ---- What is named -------------------------------------------------------------------------- */

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

static void put_codes(struct mr_heap_image *image, size_t count)
{
	struct mr_heap_stacks *const stacks = &image->stacks;
	const struct mr_heap_pair *const codes = stacks->codes.items + stacks->codes_written;
	struct mr_heap_log *const log = image->common->log;
	uint64_t columns[3][ROWS_MAX];
	struct mr_block_writer block;

	for (size_t i = 0; i < count; i++) {
		struct mr_heap_module_known *const module =
			codes[i].first ? &stacks->modules[codes[i].first] : NULL;

		if (module && !module->written)
			put_module(image, codes[i].first, module);
		columns[0][i] = stacks->codes_written + i + 1;
		columns[1][i] = codes[i].first;
		columns[2][i] = codes[i].second - 1 - (module ? module->base : 0);
	}
	mr_heap_log_begin(log, MR_KIND_CODE, (uint32_t)count, &block);
	mr_block_column(&block, MR_CODE_ID, columns[0]);
	mr_block_column(&block, MR_CODE_MODULE, columns[1]);
	mr_block_column(&block, MR_CODE_OFFSET, columns[2]);
	mr_heap_log_end(log, &block, image->stream, NULL);
	stacks->codes_written += count;
}

static void put_stacks(struct mr_heap_image *image, size_t count)
{
	struct mr_heap_stacks *const stacks = &image->stacks;
	const struct mr_heap_pair *const rows = stacks->stacks.items + stacks->stacks_written;
	struct mr_heap_log *const log = image->common->log;
	uint64_t columns[3][ROWS_MAX];
	struct mr_block_writer block;

	for (size_t i = 0; i < count; i++) {
		columns[0][i] = stacks->stacks_written + i + 1;
		columns[1][i] = rows[i].first;
		columns[2][i] = rows[i].second;
	}
	mr_heap_log_begin(log, MR_KIND_STACKS, (uint32_t)count, &block);
	mr_block_column(&block, MR_STACKS_ID, columns[0]);
	mr_block_column(&block, MR_STACKS_PARENT, columns[1]);
	mr_block_column(&block, MR_STACKS_CODE, columns[2]);
	mr_heap_log_end(log, &block, image->stream, NULL);
	stacks->stacks_written += count;
}

static size_t rows_of(size_t count)
{
	return count < ROWS_MAX ? count : ROWS_MAX;
}

void mr_heap_snapshot_define(struct mr_heap_image *image)
{
	struct mr_heap_stacks *const stacks = &image->stacks;

	while (stacks->codes_written < stacks->codes.count)
		put_codes(image, rows_of(stacks->codes.count - stacks->codes_written));
	while (stacks->stacks_written < stacks->stacks.count)
		put_stacks(image, rows_of(stacks->stacks.count - stacks->stacks_written));
}

void mr_heap_snapshot_threads(struct mr_heap_image *image)
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

/* ---- Sites ------------------------------------------------------------------------------------ */

/* Puts SITE, whose stack is row ROW, with the others of that stack. */
static bool join(struct mr_heap_image *image, uint32_t site, uint32_t row)
{
	const size_t before = image->row_site_count;

	if (row >= before) {
		if (mr_grow(&image->row_sites, &image->row_site_capacity, (size_t)row + 1,
		            sizeof(*image->row_sites)) < 0)
			return false;
		memset(image->row_sites + before, 0, (row + 1 - before) * sizeof(*image->row_sites));
		image->row_site_count = (size_t)row + 1;
	}
	struct mr_heap_site *const joining = &image->profile.sites[site];

	joining->log_stack = row;
	joining->twin = image->row_sites[row];
	if (joining->twin) { /* what the log has of the stack is the first one's to know */
		joining->written_peak = image->profile.sites[joining->twin - 1].written_peak;
		joining->written_peak_count = image->profile.sites[joining->twin - 1].written_peak_count;
	}
	image->row_sites[row] = site + 1;
	return true;
}

/* Finds the rows of sites that have none yet.  Those before `sites_resolved` have one, as a
 * rule all: a node that nobody has defined holds up the rest until the next time. */
static void resolve(struct mr_heap_image *image)
{
	struct mr_heap_profile *const profile = &image->profile;
	bool all = true;

	for (size_t i = image->sites_resolved; i < profile->site_count; i++) {
		uint32_t row = profile->sites[i].log_stack;

		if (row == 0 && profile->sites[i].stack != 0) {
			if (mr_heap_stacks_row(&image->stacks, profile->sites[i].stack, &row) < 0 ||
			    (row && !join(image, (uint32_t)i, row)))
				profile->failed = true;
			all = all && row != 0;
		}
		if (all)
			image->sites_resolved = i + 1;
	}
}

struct site_rows {
	struct mr_heap_image *image;
	uint64_t snapshot;
	struct mr_log_span span;
	uint32_t count;
	uint64_t columns[MR_HEAP_SITES_LIFETIME + 1][ROWS_MAX];
};

static void put_rows(struct site_rows *rows)
{
	struct mr_heap_log *const log = rows->image->common->log;
	struct mr_block_writer block;

	if (rows->count == 0)
		return;
	mr_heap_log_begin(log, MR_KIND_HEAP_SITES, rows->count, &block);
	for (unsigned column = MR_HEAP_SITES_SNAPSHOT; column <= MR_HEAP_SITES_LIFETIME; column++)
		mr_block_column(&block, column, rows->columns[column]);
	mr_heap_log_end(log, &block, rows->image->stream, &rows->span);
	rows->count = 0;
}

static void put_row(struct site_rows *rows, uint32_t stack, const struct mr_heap_figures *figures,
                    uint64_t peak_bytes, uint64_t peak_count)
{
	const uint64_t values[] = { 0,
		                    rows->snapshot,
		                    stack,
		                    figures->live_bytes,
		                    figures->live_count,
		                    peak_bytes,
		                    peak_count,
		                    figures->total_bytes,
		                    figures->count,
		                    figures->temporary,
		                    figures->reallocs,
		                    figures->grown_bytes,
		                    figures->lifetime_ns };

	for (unsigned column = MR_HEAP_SITES_SNAPSHOT; column <= MR_HEAP_SITES_LIFETIME; column++)
		rows->columns[column][rows->count] = values[column];
	if (++rows->count == ROWS_MAX)
		put_rows(rows);
}

static void add(struct mr_heap_figures *sum, const struct mr_heap_figures *figures)
{
	sum->live_bytes += figures->live_bytes;
	sum->live_count += figures->live_count;
	sum->total_bytes += figures->total_bytes;
	sum->count += figures->count;
	sum->temporary += figures->temporary;
	sum->reallocs += figures->reallocs;
	sum->grown_bytes += figures->grown_bytes;
	sum->lifetime_ns += figures->lifetime_ns;
}

/* One row for all sites whose stack is row STACK, if the log does not have it so; or with ALL. */
static void put_stack(struct site_rows *rows, uint32_t stack, bool all)
{
	struct mr_heap_profile *const profile = &rows->image->profile;
	struct mr_heap_site *const first = &profile->sites[rows->image->row_sites[stack] - 1];
	struct mr_heap_figures sum = { 0 };
	uint64_t peak_bytes = 0;
	uint64_t peak_count = 0;
	bool changed = all;

	for (uint32_t at = rows->image->row_sites[stack]; at; at = profile->sites[at - 1].twin) {
		struct mr_heap_site *const site = &profile->sites[at - 1];
		uint64_t bytes;
		uint64_t count;

		mr_heap_profile_peak_of(profile, site, &bytes, &count);
		peak_bytes += bytes;
		peak_count += count;
		add(&sum, &site->figures);
		changed = changed || site->written_count != site->figures.count ||
		          site->written_live_count != site->figures.live_count ||
		          site->written_live_bytes != site->figures.live_bytes;
		site->written_count = site->figures.count;
		site->written_live_count = site->figures.live_count;
		site->written_live_bytes = site->figures.live_bytes;
	}
	if (!changed && peak_bytes == first->written_peak && peak_count == first->written_peak_count)
		return;
	first->written_peak = peak_bytes;
	first->written_peak_count = peak_count;
	put_row(rows, stack, &sum, peak_bytes, peak_count);
}

/* Row 0: sites whose stack is not known, or not yet. */
static void put_unknown(struct site_rows *rows)
{
	const struct mr_heap_profile *const profile = &rows->image->profile;
	struct mr_heap_figures sum = { 0 };
	uint64_t peak_bytes = 0;
	uint64_t peak_count = 0;

	for (size_t i = 0; i < profile->site_count; i++) {
		const struct mr_heap_site *const site = &profile->sites[i];
		uint64_t bytes;
		uint64_t count;

		if (site->log_stack)
			continue;
		mr_heap_profile_peak_of(profile, site, &bytes, &count);
		peak_bytes += bytes;
		peak_count += count;
		add(&sum, &site->figures);
	}
	if (sum.count == 0 && !rows->image->unknown_written)
		return;
	rows->image->unknown_written = true;
	put_row(rows, 0, &sum, peak_bytes, peak_count);
}

static void put_sites(struct mr_heap_image *image, const struct mr_log_span *span, bool key)
{
	struct site_rows *const rows = mr_alloc(sizeof(*rows));

	if (!rows) {
		image->profile.failed = true;
		return;
	}
	rows->image = image;
	rows->snapshot = span->snapshot_first;
	rows->span = *span;
	put_unknown(rows);
	for (uint32_t row = 1; row < image->row_site_count; row++)
		if (image->row_sites[row])
			put_stack(rows, row, key);
	put_rows(rows);
	mr_free(rows);
}

/* ---- Snapshots --------------------------------------------------------------------------------- */

static void put_snapshot(struct mr_heap_image *image, enum mr_heap_reason reason, uint64_t description,
                         const struct mr_log_span *span, bool key)
{
	const struct mr_heap_profile *const profile = &image->profile;
	struct mr_heap_log *const log = image->common->log;
	struct mr_block_writer block;
	struct mr_heap_sums sums;

	mr_heap_profile_sums(profile, &sums);
	mr_heap_log_begin(log, MR_KIND_HEAP_SNAPSHOTS, 1, &block);
	mr_block_scalar(&block, MR_HEAP_SNAPSHOTS_NUMBER, span->snapshot_first);
	mr_block_scalar(&block, MR_HEAP_SNAPSHOTS_TIME, span->time_first);
	mr_block_scalar(&block, MR_HEAP_SNAPSHOTS_REASON, (uint64_t)reason);
	mr_block_scalar(&block, MR_HEAP_SNAPSHOTS_DESCRIPTION, description);
	mr_block_scalar(&block, MR_HEAP_SNAPSHOTS_FLAGS, key ? MR_SNAPSHOT_KEY : 0);
	mr_block_scalar(&block, MR_HEAP_SNAPSHOTS_LIVE, profile->live_bytes);
	mr_block_scalar(&block, MR_HEAP_SNAPSHOTS_LIVE_COUNT, profile->live_count);
	mr_block_scalar(&block, MR_HEAP_SNAPSHOTS_PEAK, profile->peak_bytes);
	mr_block_scalar(&block, MR_HEAP_SNAPSHOTS_PEAK_COUNT, profile->peak_count);
	mr_block_scalar(&block, MR_HEAP_SNAPSHOTS_PEAK_TIME, mr_heap_image_time(image, profile->peak_ticks));
	mr_block_scalar(&block, MR_HEAP_SNAPSHOTS_TOTAL, sums.total_bytes);
	mr_block_scalar(&block, MR_HEAP_SNAPSHOTS_COUNT, sums.count);
	mr_block_scalar(&block, MR_HEAP_SNAPSHOTS_FREES, sums.frees);
	mr_block_scalar(&block, MR_HEAP_SNAPSHOTS_TEMPORARY, sums.temporary);
	mr_block_scalar(&block, MR_HEAP_SNAPSHOTS_GROWN, sums.grown_bytes);
	mr_heap_log_end(log, &block, image->stream, span);
}

void mr_heap_snapshot_take(struct mr_heap_image *image, enum mr_heap_reason reason, const char *description,
                           uint64_t time_ns)
{
	struct mr_heap_log *const log = image->common->log;

	if (log->full && reason != MR_HEAP_END)
		return;
	const uint64_t number = ++image->snapshot_count;
	const bool key = number % MR_LOG_KEY_SNAPSHOT_INTERVAL == 1 || reason == MR_HEAP_END;
	const struct mr_log_span span = {
		.time_first = time_ns,
		.time_last = time_ns,
		.snapshot_first = number,
		.snapshot_last = number,
	};
	const uint64_t text =
		mr_heap_log_string(log, image->stream, &image->string_next, description, strlen(description));

	resolve(image);
	mr_heap_snapshot_define(image);
	put_sites(image, &span, key);
	put_snapshot(image, reason, text, &span, key);
	image->peak_written = image->profile.peak_bytes;
	image->changed = false;
}

static uint64_t interval_ns(uint64_t age_ns)
{
	return age_ns / INTERVAL_PART > INTERVAL_FIRST_NS ? age_ns / INTERVAL_PART : INTERVAL_FIRST_NS;
}

void mr_heap_snapshot_consider(struct mr_heap_image *image, uint64_t time_ns)
{
	const struct mr_heap_profile *const profile = &image->profile;
	const uint64_t budget = BUDGET_FIRST_BYTES + time_ns / 1000000000u * BUDGET_BYTES_PER_SECOND;
	const uint64_t peak_ns = mr_heap_image_time(image, profile->peak_ticks);
	const bool matters = profile->peak_bytes > image->peak_written + image->peak_written / 10;
	const bool passed = profile->live_bytes < profile->peak_bytes - profile->peak_bytes / 20 ||
	                    time_ns > peak_ns + PEAK_HELD_NS;
	const bool interval = time_ns >= image->interval_due_ns;

	if (image->interval_due_ns == 0) {
		image->interval_due_ns = time_ns + INTERVAL_FIRST_NS;
		return;
	}
	if (!interval && !(matters && passed && image->snapshot_count > 0))
		return;
	if (image->snapshot_bytes > budget)
		return;
	const uint64_t before = image->common->log->bytes_total;

	mr_heap_snapshot_take(image, interval ? MR_HEAP_INTERVAL : MR_HEAP_PEAK, "", time_ns);
	image->snapshot_bytes += image->common->log->bytes_total - before;
	image->interval_due_ns = time_ns + interval_ns(time_ns);
}
