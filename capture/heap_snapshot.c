/* SPDX-License-Identifier: MIT
 *
 * Snapshots of the heap in the log, see heap_image.h: rows of the sites that have
 * changed, and of what they name.
 *
 * When one is taken.  At the end, on request and at marks always.  Else they have a
 * budget, so that the log stays small however long the program runs: after a peak
 * a tenth above the last that was written, once that has passed; and at
 * intervals that grow with the age.
 *
 * What is in it.  At the end, and now and then, all sites.  Else those that hold
 * something, or did when they were last written, or did at the peak: what only
 * comes and goes is most of what there is, and is told in full later.
 */
#include "heap_image.h"

#define ROWS_MAX 65536u /* in a block */
#define LIFETIME_BITS 7
#define INTERVAL_FIRST_NS UINT64_C(2000000000)
#define INTERVAL_PART 8 /* the spacing is this part of the age */
#define PEAK_HELD_NS UINT64_C(500000000)
#define BUDGET_ROWS 4096u /* of those that nobody asked for, or this part of what the end will take */
#define BUDGET_PART 4
#define BUDGET_SITES 16384u /* beyond these, about a third is told one by one at the end */
#define BUDGET_ROWS_PER_SECOND 32u

/* ---- Sites ------------------------------------------------------------------------------------ */

bool mr_heap_snapshot_join(struct mr_heap_image *image, uint32_t site, uint32_t row)
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
			    (row && !mr_heap_snapshot_join(image, (uint32_t)i, row)))
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
	bool all;        /* also those that hold nothing */
	uint8_t *chosen; /* by row of the stacks: it is to be written */
	size_t chosen_count;
	struct mr_heap_written idle; /* what the others have done since they were written */
	size_t count;
	size_t capacity;
	uint64_t *values; /* CAPACITY for each column */
};

static void put_rows(struct site_rows *rows)
{
	const struct mr_heap_log_rows block = {
		.kind = MR_KIND_HEAP_SITES,
		.stream = rows->image->stream,
		.span = &rows->span,
		.values = rows->values,
		.stride = rows->capacity,
		.columns = MR_HEAP_SITES_SIZE,
		.plain = 1u << MR_HEAP_SITES_PEAK_COUNT | 1u << MR_HEAP_SITES_COUNT |
		         1u << MR_HEAP_SITES_TEMPORARY | 1u << MR_HEAP_SITES_LIFETIME |
		         1u << MR_HEAP_SITES_SIZE,
	};

	mr_heap_log_blocks(rows->image->common->log, &block, 0, rows->count);
	rows->count = 0;
}

/* The first LIFETIME_BITS bits of a number: lifetimes are noise beyond them. */
static uint64_t rounded(uint64_t value)
{
	const unsigned bits = value ? 64u - (unsigned)__builtin_clzll(value) : 0;

	if (bits <= LIFETIME_BITS)
		return value;
	const unsigned shift = bits - LIFETIME_BITS;
	const uint64_t half = UINT64_C(1) << (shift - 1);

	return (value > UINT64_MAX - half ? value >> shift : (value + half) >> shift) << shift;
}

/* What has the average size of a block is said by the counts: blocks of a site are mostly of one size. */
static void put_row(struct site_rows *rows, uint32_t stack, const struct mr_heap_written *sum)
{
	const struct mr_heap_figures *const figures = &sum->figures;
	const uint64_t size = figures->count ? figures->total_bytes / figures->count : 0;
	const uint64_t values[] = { rows->snapshot,
		                    stack,
		                    figures->live_bytes - size * figures->live_count,
		                    figures->live_count,
		                    sum->peak_bytes - size * sum->peak_count,
		                    sum->peak_count,
		                    figures->total_bytes - size * figures->count,
		                    figures->count,
		                    figures->temporary,
		                    figures->reallocs,
		                    figures->grown_bytes,
		                    rounded(figures->lifetime_ns),
		                    size };

	_Static_assert(MR_ARRAY_LEN(values) == MR_HEAP_SITES_SIZE, "a value for each column");
	for (unsigned column = 0; column < MR_HEAP_SITES_SIZE; column++)
		rows->values[column * rows->capacity + rows->count] = values[column];
	if (++rows->count == rows->capacity)
		put_rows(rows);
}

static void add(struct mr_heap_written *sum, const struct mr_heap_written *more)
{
	sum->figures.live_bytes += more->figures.live_bytes;
	sum->figures.live_count += more->figures.live_count;
	sum->figures.total_bytes += more->figures.total_bytes;
	sum->figures.count += more->figures.count;
	sum->figures.temporary += more->figures.temporary;
	sum->figures.reallocs += more->figures.reallocs;
	sum->figures.grown_bytes += more->figures.grown_bytes;
	sum->figures.lifetime_ns += more->figures.lifetime_ns;
	sum->peak_bytes += more->peak_bytes;
	sum->peak_count += more->peak_count;
}

static struct mr_heap_written as_it_is(const struct mr_heap_profile *profile, size_t site)
{
	struct mr_heap_written now = { .figures = profile->sites[site].figures };

	mr_heap_profile_peak_of(profile, &profile->sites[site], &now.peak_bytes, &now.peak_count);
	return now;
}

/* What all sites of stack ROW come to: as they are, or else as the log has them. */
static struct mr_heap_written sum_up(const struct mr_heap_image *image, uint32_t row, bool now)
{
	struct mr_heap_written sum = { 0 };

	for (uint32_t at = image->row_sites[row]; at; at = image->profile.sites[at - 1].twin) {
		const struct mr_heap_written one =
			now ? as_it_is(&image->profile, at - 1) : image->written[at - 1];

		add(&sum, &one);
	}
	return sum;
}

/* Whether a stack has to have a row: it holds something, or did when it was last written, or at the
 * peak, and that has changed. */
static bool is_due(const struct mr_heap_written *now, const struct mr_heap_written *before)
{
	const bool held = now->figures.live_count > 0 || before->figures.live_count > 0;
	const bool changed = now->figures.count != before->figures.count ||
	                     now->figures.live_count != before->figures.live_count ||
	                     now->figures.live_bytes != before->figures.live_bytes;

	return (held && changed) || now->peak_bytes != before->peak_bytes ||
	       now->peak_count != before->peak_count;
}

/* Chooses what is to be written, and sums up what the others have done that the log does not have. */
static void choose(struct site_rows *rows)
{
	struct mr_heap_image *const image = rows->image;

	for (uint32_t row = 1; row < image->row_site_count; row++) {
		if (!image->row_sites[row])
			continue;
		const struct mr_heap_written now = sum_up(image, row, true);
		const struct mr_heap_written before =
			rows->all ? (struct mr_heap_written){ 0 } : sum_up(image, row, false);

		if (rows->all || is_due(&now, &before)) {
			if (mr_heap_stacks_want(&image->stacks, row) < 0)
				image->profile.failed = true;
			rows->chosen[row] = true;
			rows->chosen_count++;
			continue;
		}
		add(&rows->idle, &now);
		rows->idle.figures.total_bytes -= before.figures.total_bytes;
		rows->idle.figures.count -= before.figures.count;
		rows->idle.figures.temporary -= before.figures.temporary;
		rows->idle.figures.reallocs -= before.figures.reallocs;
		rows->idle.figures.grown_bytes -= before.figures.grown_bytes;
		rows->idle.figures.lifetime_ns -= before.figures.lifetime_ns;
		rows->idle.figures.live_bytes = rows->idle.figures.live_count = 0;
		rows->idle.peak_bytes = rows->idle.peak_count = 0;
	}
}

/* One row for all sites whose stack is row ROW, with the number STACK. */
static void put_stack(struct site_rows *rows, uint32_t row, uint32_t stack)
{
	struct mr_heap_image *const image = rows->image;
	const struct mr_heap_written sum = sum_up(image, row, true);

	for (uint32_t at = image->row_sites[row]; at && image->written;
	     at = image->profile.sites[at - 1].twin)
		image->written[at - 1] = as_it_is(&image->profile, at - 1);
	put_row(rows, stack, &sum);
}

/* Row 0: sites whose stack is not known, or not yet. */
static void put_unknown(struct site_rows *rows)
{
	struct mr_heap_image *const image = rows->image;
	struct mr_heap_written sum = { 0 };

	for (size_t i = 0; i < image->profile.site_count; i++) {
		if (image->profile.sites[i].log_stack)
			continue;
		const struct mr_heap_written one = as_it_is(&image->profile, i);

		add(&sum, &one);
	}
	if (sum.figures.count == 0 && !image->unknown_written)
		return;
	image->unknown_written = true;
	put_row(rows, 0, &sum);
}

/* Asks for a row for what the sites that have none have done. */
static void want_idle(struct site_rows *rows)
{
	struct mr_heap_image *const image = rows->image;

	if (rows->all)
		image->idle_row = 0;
	else if (rows->idle.figures.count > 0 &&
	         (mr_heap_stacks_named_row(&image->stacks, 0, MR_HEAP_NAMED_IDLE, &image->idle_row) < 0 ||
	          mr_heap_stacks_want(&image->stacks, image->idle_row) < 0))
		image->profile.failed = true;
}

/* Room for what the log has of each site. */
static bool grow_written(struct mr_heap_image *image)
{
	const size_t before = image->written_count;
	const size_t count = image->profile.site_count;

	if (mr_grow(&image->written, &image->written_capacity, count, sizeof(*image->written)) < 0)
		return false;
	if (count > before)
		memset(image->written + before, 0, (count - before) * sizeof(*image->written));
	image->written_count = count;
	return true;
}

/* The rows that were chosen, in the order of the numbers of their stacks. */
static void put_chosen(struct site_rows *rows)
{
	const struct mr_heap_numbers *const numbers = &rows->image->stacks.stack_numbers;

	put_unknown(rows);
	for (size_t i = 0; i < numbers->count; i++) {
		const uint32_t row = numbers->pairs[i];

		if (row == rows->image->idle_row)
			put_row(rows, (uint32_t)i + 1, &rows->idle);
		else if (row < rows->image->row_site_count && rows->chosen[row])
			put_stack(rows, row, (uint32_t)i + 1);
	}
	put_rows(rows);
}

/* Writes the sites at a snapshot: with ALL each of them, and LAST for good.  Gives how many rows. */
static size_t put_sites(struct mr_heap_image *image, const struct mr_log_span *span, bool all, bool last)
{
	struct site_rows rows = { .image = image,
		                  .snapshot = span->snapshot_first,
		                  .span = *span,
		                  .all = all,
		                  .chosen = mr_alloc(image->row_site_count + 1) };

	if (last) {
		mr_free(image->written);
		image->written = NULL;
		image->written_count = image->written_capacity = 0;
	} else if (!grow_written(image)) {
		image->profile.failed = true;
		goto out;
	}
	if (rows.chosen)
		choose(&rows);
	want_idle(&rows);
	mr_heap_definitions_stacks(image);
	/* And those of no stack, and of idle sites. */
	rows.capacity = rows.chosen_count + 2 < ROWS_MAX ? rows.chosen_count + 2 : ROWS_MAX;
	rows.values = mr_alloc(MR_HEAP_SITES_SIZE * rows.capacity * sizeof(*rows.values));
	if (rows.chosen && rows.values)
		put_chosen(&rows);
	else
		image->profile.failed = true;
out:
	mr_free(rows.chosen);
	mr_free(rows.values);
	return rows.chosen_count;
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
	const bool all = number % MR_LOG_KEY_SNAPSHOT_INTERVAL == 0 || reason == MR_HEAP_END;
	const bool key = number == 1 || all;
	const struct mr_log_span span = {
		.time_first = time_ns,
		.time_last = time_ns,
		.snapshot_first = number,
		.snapshot_last = number,
	};
	const uint64_t text =
		mr_heap_log_string(log, image->stream, &image->string_next, description, strlen(description));

	resolve(image);
	if (reason == MR_HEAP_END && !image->common->all_sites && !image->common->events)
		mr_heap_fold(image);
	const size_t rows = put_sites(image, &span, all, reason == MR_HEAP_END);

	image->snapshot_rows += reason == MR_HEAP_INTERVAL || reason == MR_HEAP_PEAK ? rows : 0;
	put_snapshot(image, reason, text, &span, key);
	image->peak_written = image->profile.peak_bytes;
	image->changed = false;
}

static uint64_t interval_ns(uint64_t age_ns)
{
	return age_ns / INTERVAL_PART > INTERVAL_FIRST_NS ? age_ns / INTERVAL_PART : INTERVAL_FIRST_NS;
}

/* How many rows a snapshot would take now. */
static size_t count_due(struct mr_heap_image *image)
{
	size_t count = 0;

	resolve(image);
	if (!grow_written(image)) {
		image->profile.failed = true;
		return 0;
	}
	for (uint32_t row = 1; row < image->row_site_count; row++) {
		if (!image->row_sites[row])
			continue;
		const struct mr_heap_written now = sum_up(image, row, true);
		const struct mr_heap_written before = sum_up(image, row, false);

		count += is_due(&now, &before);
	}
	return count;
}

/* Whether there is room in the budget for a snapshot that nobody asked for.  Looking at all sites takes
 * its time, so that what did not fit is not looked at again before there is room for as much. */
static bool fits(struct mr_heap_image *image, uint64_t time_ns)
{
	const size_t sites = image->profile.site_count;
	const size_t expected = sites < BUDGET_SITES ? sites : BUDGET_SITES + (sites - BUDGET_SITES) / 3;
	const uint64_t part = expected / BUDGET_PART;
	const uint64_t budget =
		(part > BUDGET_ROWS ? part : BUDGET_ROWS) + time_ns / 1000000000u * BUDGET_ROWS_PER_SECOND;

	if (image->snapshot_rows + image->rows_refused > budget)
		return false;
	const size_t due = image->snapshot_rows + sites > budget ? count_due(image) : 0;

	image->rows_refused = image->snapshot_rows + due > budget ? due : 0;
	return image->rows_refused == 0;
}

void mr_heap_snapshot_consider(struct mr_heap_image *image, uint64_t time_ns)
{
	const struct mr_heap_profile *const profile = &image->profile;
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
	if (!fits(image, time_ns))
		return;
	mr_heap_snapshot_take(image, interval ? MR_HEAP_INTERVAL : MR_HEAP_PEAK, "", time_ns);
	image->interval_due_ns = time_ns + interval_ns(time_ns);
}
