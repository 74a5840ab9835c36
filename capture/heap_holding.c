/* SPDX-License-Identifier: MIT
 *
 * What an image's process holds, now and then (heap_account.h), see heap_image.h:
 * which of its mappings are the heap's follows from where its blocks lie.
 */
#include <stdlib.h>

#include "heap_account.h"
#include "heap_image.h"

#define PART_SHIFT 18 /* of an address: blocks are gathered by parts of 256 KiB */

/* Where blocks lie, by parts of the address space: the first and the last page in each. */
struct part {
	uint64_t first;
	uint64_t last;
};
struct parts {
	struct part *items;
	size_t count;
	size_t capacity;
	size_t joined_at; /* parts in the list before it is joined again */
};

static int by_address(const void *left, const void *right)
{
	const struct part *const a = left;
	const struct part *const b = right;

	return (a->first > b->first) - (a->first < b->first);
}

/* Joins neighbours in the list that are of the same part. */
static void join(struct parts *parts)
{
	size_t kept = 0;

	if (parts->count == 0)
		return;
	qsort(parts->items, parts->count, sizeof(*parts->items), by_address);
	for (size_t i = 1; i < parts->count; i++) {
		struct part *const before = &parts->items[kept];
		const struct part *const part = &parts->items[i];

		if (part->first >> PART_SHIFT != before->first >> PART_SHIFT)
			parts->items[++kept] = *part;
		else if (part->last > before->last)
			before->last = part->last;
	}
	parts->count = kept + 1;
}

/* Neighbours are mostly met together, so the list is short before it is sorted. */
static bool add_page(void *context, uint64_t address)
{
	struct parts *const parts = context;
	struct part *const last = parts->count ? &parts->items[parts->count - 1] : NULL;

	if (last && last->first >> PART_SHIFT == address >> PART_SHIFT) {
		last->first = address < last->first ? address : last->first;
		last->last = address > last->last ? address : last->last;
		return true;
	}
	if (parts->count >= parts->joined_at) {
		join(parts);
		parts->joined_at = 2 * parts->count > parts->joined_at ? 2 * parts->count : parts->joined_at;
	}
	if (mr_grow(&parts->items, &parts->capacity, parts->count + 1, sizeof(*parts->items)) < 0)
		return false;
	parts->items[parts->count++] = (struct part){ address, address };
	return true;
}

static bool gather(struct parts *parts, const struct mr_heap_blocks *blocks)
{
	parts->joined_at = 65536;
	if (!mr_heap_blocks_pages(blocks, add_page, parts))
		return false;
	join(parts);
	return true;
}

static bool holds_block(void *context, uint64_t begin, uint64_t end)
{
	const struct parts *const parts = context;
	size_t low = 0;
	size_t high = parts->count;

	while (low < high) { /* the first part whose last block is not before BEGIN */
		const size_t middle = low + (high - low) / 2;

		if (parts->items[middle].last < begin)
			low = middle + 1;
		else
			high = middle;
	}
	return low < parts->count && parts->items[low].first < end;
}

static int by_value(const void *left, const void *right)
{
	const uint64_t a = *(const uint64_t *)left;
	const uint64_t b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

/* The addresses in threads' stacks, ascending; NULL: none. */
static uint64_t *stacks_of(const struct mr_heap_image *image, size_t *count)
{
	uint64_t *const addresses = mr_alloc((image->thread_name_count + 1) * sizeof(*addresses));

	*count = 0;
	for (size_t i = 0; addresses && i < image->thread_name_count; i++)
		if (image->thread_names[i].stack_address)
			addresses[(*count)++] = image->thread_names[i].stack_address;
	if (addresses && *count > 0)
		qsort(addresses, *count, sizeof(*addresses), by_value);
	return addresses;
}

void mr_heap_image_account(struct mr_heap_image *image)
{
	const uint64_t begin_ns = mr_clock_monotonic_ns();
	struct parts parts = { 0 };
	size_t stack_count;
	uint64_t *const stacks = stacks_of(image, &stack_count);
	const struct mr_heap_account_known known = {
		.holds_block = holds_block,
		.context = &parts,
		.stack_addresses = stacks,
		.stack_count = stack_count,
		.channel_folder = image->common->folder,
		.recorder_bytes = atomic_load_explicit(
			&image->channel->header->counters[MR_HEAP_RECORDER_BYTES], memory_order_relaxed),
	};
	struct mr_heap_account *const row = &image->accounts[image->account_count];

	if (gather(&parts, &image->profile.blocks) &&
	    mr_heap_account_read(image->pid, &known, row, NULL) == MR_OK) {
		row->time_ns = mr_heap_image_now(image);
		row->live = image->profile.live_bytes;
		image->account_count++;
	}
	mr_free(stacks);
	mr_free(parts.items);
	mr_heap_account_looked(&image->account_pace, begin_ns, mr_clock_monotonic_ns());
	if (image->account_count == MR_HEAP_ACCOUNTS_MAX)
		mr_heap_image_write_accounts(image);
}

void mr_heap_image_write_accounts(struct mr_heap_image *image)
{
	struct mr_heap_log *const log = image->common->log;

	if (image->account_count == 0 || log->failure.code != MR_OK)
		return;
	(void)pthread_mutex_lock(log->lock);
	(void)(mr_heap_account_write(log->writer, image->stream, image->accounts, image->account_count,
	                             &log->failure) < 0);
	(void)pthread_mutex_unlock(log->lock);
	image->account_count = 0;
}
