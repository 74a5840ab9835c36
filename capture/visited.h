/* SPDX-License-Identifier: MIT
 *
 * The set of addresses that a snapshot has counted, or must not count.  Made for
 * addresses that lie near each other, as a heap's do: an entry of 16 bytes is a
 * window of memory and a bit for each address in it, so that neighbours share
 * an entry, and the entries of neighbouring windows share a cache line.
 *
 *   8-aligned addresses:  windows of 512 bytes, a bit for every 8th
 *   all others:           windows of 64 bytes, a bit for each
 *
 * It grows by splitting one segment of 16 KiB at a time (extendible hashing), so
 * that growth never holds the old and the new table at once.  Addresses are only
 * compared, never read.  Not thread-safe.
 */
#ifndef MR_VISITED_H
#define MR_VISITED_H

#include "base.h"

struct mr_visited_entry {
	uint64_t window; /* address / window size, and the tags below */
	uint64_t bits;   /* 0: the entry is free */
};

#define MR_VISITED_GROUP 4 /* entries in a cache line */

struct mr_visited_segment;
struct mr_visited_slab;

/* Zeros are an empty set; the members belong to visited.c. */
struct mr_visited {
	struct mr_visited_entry *last;         /* the entry that was used last, or NULL */
	struct mr_visited_segment **directory; /* 1 << depth of them, by the hash's top bits */
	unsigned depth;
	struct mr_visited_segment *unused; /* segments, all zeros */
	struct mr_visited_slab *slabs;     /* what the segments are cut from */
	size_t segment_count;
	size_t memory_bytes;
};

/* Tags in a window's number; addresses shifted right by 6 leave the top 6 bits free. */
#define MR_VISITED_BYTES (UINT64_C(1) << 63)  /* a window of 64 bytes */
#define MR_VISITED_SECOND (UINT64_C(1) << 62) /* a member of the second set */

/* Frees the memory; the set is empty then. */
void mr_visited_release(struct mr_visited *visited);
/* Empties the set; its memory is kept when it is little. */
void mr_visited_clear(struct mr_visited *visited);
uint64_t mr_visited_memory(const struct mr_visited *visited);

/* The general way of mr_visited_add(). */
int mr_visited_add_bit(struct mr_visited *visited, uint64_t window, uint64_t bit) MR_MUST_CHECK;
bool mr_visited_has_bit(const struct mr_visited *visited, uint64_t window, uint64_t bit);

/* The window of ADDRESS; *BIT is its bit there. */
static inline uint64_t mr_visited_window(const void *address, uint64_t *bit)
{
	const uint64_t number = (uint64_t)(uintptr_t)address;

	if (MR_UNLIKELY(number & 7)) {
		*bit = UINT64_C(1) << (number & 63);
		return (number >> 6) | MR_VISITED_BYTES;
	}
	*bit = UINT64_C(1) << ((number >> 3) & 63);
	return number >> 9;
}

/* Adds ADDRESS: 1 when it was not there, 0 when it was, MR_ERR_NOMEM with the
 * set as it was. */
MR_MUST_CHECK static inline int mr_visited_add(struct mr_visited *visited, const void *address)
{
	uint64_t bit;
	const uint64_t window = mr_visited_window(address, &bit);
	struct mr_visited_entry *last = visited->last;

	if (last && last->window == window) {
		const int added = (last->bits & bit) == 0;

		last->bits |= bit;
		return added;
	}
	return mr_visited_add_bit(visited, window, bit);
}

/* The same for a second set of addresses that shares the memory of the first. */
MR_MUST_CHECK static inline int mr_visited_add_second(struct mr_visited *visited, const void *address)
{
	uint64_t bit;
	const uint64_t window = mr_visited_window(address, &bit);

	return mr_visited_add_bit(visited, window | MR_VISITED_SECOND, bit);
}

/* Brings here what adding ADDRESS, or one beside it, will look at. */
void mr_visited_prefetch(const struct mr_visited *visited, const void *address);

static inline bool mr_visited_has(const struct mr_visited *visited, const void *address)
{
	uint64_t bit;
	const uint64_t window = mr_visited_window(address, &bit);

	return mr_visited_has_bit(visited, window, bit);
}

#endif
