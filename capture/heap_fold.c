/* SPDX-License-Identifier: MIT
 *
 * What keeps the log of a program with very many sites small, see heap_image.h: at
 * the end, those that did little, held nothing at the peak and hold nothing now are
 * told together.  Each goes up to the nearest frame that stacks with rows of their
 * own have, too; and further out where that does not come to much.  There a frame of
 * no place, "(smaller ones)", stands for them, and sums are as they were at every
 * frame that remains.
 *
 * Rows are those of heap_stacks.h: a caller's comes before all that it calls.
 */
#include "heap_image.h"

#include <stdlib.h>

#define SITES_MAX 16384u    /* so many are told one by one in any case */
#define PART_ALLOCATIONS 20 /* of all allocations are told together, at most */
#define PART_BYTES 50       /* and of all bytes */
#define PART_WORTH 10000    /* of all allocations: what is worth a row */
#define WEIGHT_ONE (UINT64_C(1) << 32)

#define KEPT 1   /* a site that is told by itself is here, or beneath */
#define FOLDED 2 /* the site here is told with others */

struct candidate {
	uint64_t weight; /* what telling it with others takes of what may be told so, in WEIGHT_ONEs */
	uint64_t count;
	uint64_t bytes;
	uint32_t row;
};

struct folding {
	struct mr_heap_image *image;
	size_t rows;
	uint64_t count_max;
	uint64_t bytes_max;
	uint64_t worth;
	uint8_t *flags;   /* by row */
	uint64_t *counts; /* by row: allocations that are told here */
	struct candidate *candidates;
	size_t candidate_count;
};

static uint32_t caller_of(const struct folding *folding, uint32_t row)
{
	return (uint32_t)folding->image->stacks.stacks.items[row - 1].first;
}

static uint64_t weight_of(uint64_t value, uint64_t max)
{
	const unsigned __int128 weight = (unsigned __int128)value * WEIGHT_ONE / (max + 1);

	return weight < UINT64_MAX ? (uint64_t)weight : UINT64_MAX;
}

/* Makes a candidate of the sites of stack ROW if they hold nothing and held nothing at the peak. */
static void consider(struct folding *folding, uint32_t row)
{
	const struct mr_heap_profile *const profile = &folding->image->profile;
	struct candidate candidate = { .row = row };

	for (uint32_t at = folding->image->row_sites[row]; at; at = profile->sites[at - 1].twin) {
		const struct mr_heap_site *const site = &profile->sites[at - 1];
		uint64_t bytes;
		uint64_t count;

		mr_heap_profile_peak_of(profile, site, &bytes, &count);
		if (count > 0 || bytes > 0 || site->figures.live_count > 0)
			return;
		candidate.count += site->figures.count;
		candidate.bytes += site->figures.total_bytes;
	}
	const uint64_t by_count = weight_of(candidate.count, folding->count_max);
	const uint64_t by_bytes = weight_of(candidate.bytes, folding->bytes_max);

	candidate.weight = by_count > by_bytes ? by_count : by_bytes;
	folding->candidates[folding->candidate_count++] = candidate;
}

static int compare_candidates(const void *left, const void *right)
{
	const struct candidate *const a = left;
	const struct candidate *const b = right;

	if (a->weight != b->weight)
		return a->weight < b->weight ? -1 : 1;
	return a->row < b->row ? -1 : a->row > b->row;
}

/* Marks the smallest of the candidates, as many as may be told together; and what is kept. */
static void mark(struct folding *folding)
{
	const struct mr_heap_image *const image = folding->image;
	uint64_t count = 0;
	uint64_t bytes = 0;

	for (uint32_t row = 1; row <= folding->rows; row++)
		if (row < image->row_site_count && image->row_sites[row])
			consider(folding, row);
	if (folding->candidate_count > 0)
		qsort(folding->candidates, folding->candidate_count, sizeof(*folding->candidates),
		      compare_candidates);
	for (size_t i = 0; i < folding->candidate_count; i++) {
		count += folding->candidates[i].count;
		bytes += folding->candidates[i].bytes;
		if (count > folding->count_max || bytes > folding->bytes_max) {
			folding->candidate_count = i;
			break;
		}
		folding->flags[folding->candidates[i].row] = FOLDED;
	}
	for (uint32_t row = 1; row <= folding->rows; row++)
		if (row < image->row_site_count && image->row_sites[row] && !(folding->flags[row] & FOLDED))
			for (uint32_t at = row; at && !(folding->flags[at] & KEPT);
			     at = caller_of(folding, at))
				folding->flags[at] |= KEPT;
}

/* The frame where stack ROW meets one that is kept; the outermost one if there is none. */
static uint32_t meet(const struct folding *folding, uint32_t row)
{
	while (!(folding->flags[row] & KEPT) && caller_of(folding, row))
		row = caller_of(folding, row);
	return row;
}

/* Adds up what is told at each frame, from the inside outward, and moves on what is not worth a row. */
static void gather(struct folding *folding)
{
	for (size_t i = 0; i < folding->candidate_count; i++)
		folding->counts[meet(folding, folding->candidates[i].row)] += folding->candidates[i].count;
	for (uint32_t row = (uint32_t)folding->rows; row > 0; row--) {
		const uint32_t caller = caller_of(folding, row);

		if (folding->counts[row] < folding->worth && caller) {
			folding->counts[caller] += folding->counts[row];
			folding->counts[row] = 0;
		}
	}
}

/* Puts the sites of stack ROW where they are told. */
static void move(struct folding *folding, uint32_t row)
{
	struct mr_heap_image *const image = folding->image;
	uint32_t at = meet(folding, row);
	uint32_t together;
	uint32_t next;

	while (folding->counts[at] == 0 && caller_of(folding, at))
		at = caller_of(folding, at);
	if (mr_heap_stacks_named_row(&image->stacks, at, MR_HEAP_NAMED_FOLDED, &together) < 0) {
		image->profile.failed = true;
		return;
	}
	for (uint32_t site = image->row_sites[row]; site; site = next) {
		next = image->profile.sites[site - 1].twin;
		image->row_sites[row] = next;
		if (!mr_heap_snapshot_join(image, site - 1, together))
			image->profile.failed = true;
	}
	image->sites_folded++;
}

static size_t count_sites(const struct mr_heap_image *image)
{
	size_t count = 0;

	for (size_t row = 0; row < image->row_site_count; row++)
		count += image->row_sites[row] != 0;
	return count;
}

void mr_heap_fold(struct mr_heap_image *image)
{
	const size_t sites = count_sites(image);
	struct mr_heap_sums sums;

	if (sites <= SITES_MAX)
		return;
	mr_heap_profile_sums(&image->profile, &sums);
	struct folding folding = {
		.image = image,
		.rows = image->stacks.stacks.count,
		.count_max = sums.count / PART_ALLOCATIONS,
		.bytes_max = sums.total_bytes / PART_BYTES,
		.worth = sums.count / PART_WORTH + 1,
		.flags = mr_alloc(image->stacks.stacks.count + 1),
		.counts = mr_alloc((image->stacks.stacks.count + 1) * sizeof(*folding.counts)),
		.candidates = mr_alloc(sites * sizeof(*folding.candidates)),
	};

	if (folding.flags && folding.counts && folding.candidates) {
		mark(&folding);
		gather(&folding);
		for (size_t i = 0; i < folding.candidate_count; i++)
			move(&folding, folding.candidates[i].row);
	} /* without memory all are told one by one */
	mr_free(folding.flags);
	mr_free(folding.counts);
	mr_free(folding.candidates);
}
