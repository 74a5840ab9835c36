/* SPDX-License-Identifier: MIT
 *
 * A map from addresses to leaves, one for each 256 KiB in which something was put:
 * two tables of pointers, of which only the pages that are used exist.  Leaves
 * stay where they are until the map is released, so that a reader needs no lock.
 *
 * Addresses are only compared, never read.  Private to lives*.c and the object
 * tracker.
 */
#ifndef MR_LIVES_MAP_H
#define MR_LIVES_MAP_H

#include "base.h"

#define MR_MAP_ADDRESS_BITS 48
#define MR_MAP_TOP_SHIFT 32
#define MR_MAP_LEAF_SHIFT 18
#define MR_MAP_GRANULE_SHIFT 4 /* no two objects begin in the same 16 bytes */
#define MR_MAP_TOP_COUNT (1u << (MR_MAP_ADDRESS_BITS - MR_MAP_TOP_SHIFT))
#define MR_MAP_MIDDLE_COUNT (1u << (MR_MAP_TOP_SHIFT - MR_MAP_LEAF_SHIFT))
#define MR_MAP_GRANULES (1u << (MR_MAP_LEAF_SHIFT - MR_MAP_GRANULE_SHIFT))
#define MR_MAP_WORDS (MR_MAP_GRANULES / 64)

struct mr_lives_map {
	void ***top; /* MR_MAP_TOP_COUNT; NULL: nothing was put in yet */
	size_t leaf_bytes;
	void *slabs; /* mapped pages that hold leaves, the newest first */
	size_t slab_left;
	uint32_t first_top; /* what is used of the top table */
	uint32_t last_top;
	uint64_t memory_bytes;
};

void mr_lives_map_init(struct mr_lives_map *map, size_t leaf_bytes);
int mr_lives_map_prepare(struct mr_lives_map *map) MR_MUST_CHECK; /* `top` is there; MR_ERR_NOMEM */
void mr_lives_map_release(struct mr_lives_map *map);
/* The leaf of ADDRESS, zeroed when it is new; NULL: no memory, or no such address. */
void *mr_lives_map_add(struct mr_lives_map *map, uint64_t address);
void mr_lives_map_clear(struct mr_lives_map *map); /* makes all leaves zeros */
/* The leaf of the first region at or behind *REGION, which is then that region's number (its addresses
 * shifted by MR_MAP_LEAF_SHIFT); NULL: none. */
void *mr_lives_map_next(const struct mr_lives_map *map, uint64_t *region);

/* NULL: nothing was put there. */
static inline void *mr_lives_map_find(const struct mr_lives_map *map, uint64_t address)
{
	if (MR_UNLIKELY(!map->top || address >> MR_MAP_ADDRESS_BITS))
		return NULL;

	void **const middle = map->top[address >> MR_MAP_TOP_SHIFT];

	return middle ? middle[(address >> MR_MAP_LEAF_SHIFT) & (MR_MAP_MIDDLE_COUNT - 1)] : NULL;
}

static inline unsigned mr_lives_granule(uint64_t address)
{
	return (unsigned)(address >> MR_MAP_GRANULE_SHIFT) & (MR_MAP_GRANULES - 1);
}

#endif
