/* SPDX-License-Identifier: MIT
 *
 * See heap_maps.h.
 */
#include "heap_maps.h"

void mr_heap_maps_release(struct mr_heap_maps *maps)
{
	mr_free(maps->items);
	mr_free(maps->pieces);
	*maps = (struct mr_heap_maps){ 0 };
}

/* The first piece that ends behind ADDRESS. */
static size_t find(const struct mr_heap_maps *maps, uint64_t address)
{
	size_t low = 0;
	size_t high = maps->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (maps->items[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool insert(struct mr_heap_maps *maps, size_t at, const struct mr_heap_map *piece)
{
	if (mr_grow(&maps->items, &maps->capacity, maps->count + 1, sizeof(*maps->items)) < 0)
		return false;
	memmove(maps->items + at + 1, maps->items + at, (maps->count - at) * sizeof(*maps->items));
	maps->items[at] = *piece;
	maps->count++;
	maps->pieces[piece->mapping]++;
	return true;
}

static void drop(struct mr_heap_maps *maps, size_t at)
{
	maps->pieces[maps->items[at].mapping]--;
	maps->count--;
	memmove(maps->items + at, maps->items + at + 1, (maps->count - at) * sizeof(*maps->items));
}

/* [BEGIN, END) of the piece at AT is unmapped; gives where the search goes on. */
static size_t cut(struct mr_heap_maps *maps, struct mr_heap_profile *profile, size_t at, uint64_t begin,
                  uint64_t end, uint64_t ticks)
{
	const struct mr_heap_map piece = maps->items[at];
	const uint64_t cut_begin = begin > piece.begin ? begin : piece.begin;
	const uint64_t cut_end = end < piece.end ? end : piece.end;
	const struct mr_heap_block part = {
		.ticks = piece.ticks,
		.size = cut_end - cut_begin,
		.site = piece.site,
		.thread = (uint16_t)piece.thread,
	};

	if (cut_begin == piece.begin && cut_end == piece.end) {
		drop(maps, at);
	} else if (cut_begin == piece.begin) {
		maps->items[at++].begin = cut_end;
	} else if (cut_end == piece.end) {
		maps->items[at++].end = cut_begin;
	} else {
		struct mr_heap_map rest = piece;

		rest.begin = cut_end;
		maps->items[at++].end = cut_begin;
		if (!insert(maps, at, &rest))
			profile->failed = true;
	}
	const bool all = maps->pieces[piece.mapping] == 0;

	mr_heap_profile_unmap(profile, &part, all, ticks);
	if (all)
		maps->sequence_ended = piece.sequence;
	return at;
}

/* Gives whether anything was there. */
static bool unmap(struct mr_heap_maps *maps, struct mr_heap_profile *profile, uint64_t begin, uint64_t end,
                  uint64_t ticks)
{
	size_t at = find(maps, begin);
	bool any = false;

	while (at < maps->count && maps->items[at].begin < end) {
		at = cut(maps, profile, at, begin, end, ticks);
		any = true;
	}
	return any;
}

void mr_heap_maps_map(struct mr_heap_maps *maps, struct mr_heap_profile *profile, uint32_t thread,
                      uint32_t site, uint64_t address, uint64_t len, uint64_t ticks)
{
	const struct mr_heap_map piece = {
		.begin = address,
		.end = address + len,
		.ticks = ticks,
		.sequence = profile->sequence + 1,
		.mapping = (uint32_t)maps->mapping_count,
		.site = site,
		.thread = thread,
	};

	if (len == 0 || piece.end <= piece.begin || maps->mapping_count == UINT32_MAX)
		return;
	(void)unmap(maps, profile, piece.begin, piece.end, ticks); /* MAP_FIXED */
	if (mr_grow(&maps->pieces, &maps->mapping_capacity, maps->mapping_count + 1, sizeof(*maps->pieces)) <
	    0) {
		profile->failed = true;
		return;
	}
	maps->pieces[maps->mapping_count++] = 0;
	if (!insert(maps, find(maps, address), &piece)) {
		profile->failed = true;
		return;
	}
	mr_heap_profile_map(profile, thread, site, len, ticks);
}

uint64_t mr_heap_maps_unmap(struct mr_heap_maps *maps, struct mr_heap_profile *profile, uint32_t thread,
                            uint64_t address, uint64_t len, uint64_t ticks)
{
	maps->sequence_ended = 0;
	profile->threads[thread].frees++;
	if (address + len > address && !unmap(maps, profile, address, address + len, ticks))
		profile->threads[thread].unknown_frees++;
	return maps->sequence_ended ? profile->sequence - maps->sequence_ended + 1 : 0;
}
