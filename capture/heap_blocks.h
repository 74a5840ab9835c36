/* SPDX-License-Identifier: MIT
 *
 * The live blocks of a process: from an address to what is known of the block.
 * Blocks that a program gets together mostly lie together and die together, and
 * the map keeps it so: the address space is cut into regions of 4 KiB, and the
 * blocks that begin in one lie side by side in an array of the region's own, in
 * the order of their addresses as far as there are gaps.  A table of 16 bytes a
 * region, four neighbours to a line of the cache, says where that is.  So an
 * event mostly meets lines that its neighbours in time have met, whatever the
 * number of blocks.
 *
 * Less than 64 bytes for each of the most blocks that were there at a time, at
 * any moment, growth included, however large the blocks are; and half a MiB beside
 * that: as long as there are few blocks, their arrays are half empty, which finds
 * each at the first look.
 *
 * An array is a hash table whose hash keeps the order: the home of a block is the
 * part of the array that its address is of the region; blocks are sorted by home,
 * each at its home or the next free place after it (robin hood, linear probing).
 * Private to memrecord; one thread.
 */
#ifndef MR_HEAP_BLOCKS_H
#define MR_HEAP_BLOCKS_H

#include "heap_slabs.h"

#define MR_HEAP_BLOCK_THREAD_MAX 0xffffu
#define MR_HEAP_REGION_SHIFT 12
#define MR_HEAP_ROOMY_BYTES (UINT64_C(512) << 10)
#define MR_HEAP_SHARDS 16   /* of the table of regions: one grows at a time */
#define MR_HEAP_RECENT 256u /* regions that are found without the table */

struct mr_heap_block {
	uint64_t size;  /* bytes */
	uint64_t ticks; /* of its allocation */
	uint32_t site;
	uint16_t thread;
	uint16_t at; /* the map's own: where it begins in the region, + 1; 0: no block */
};

struct mr_heap_region {
	uint64_t shape : 8; /* its array's: mr_heap_blocks_capacities[]; 0: no array, all blocks are gone */
	uint64_t count : 16;
	uint64_t number : 40;         /* address >> MR_HEAP_REGION_SHIFT, + 1; 0: nobody's */
	struct mr_heap_block *blocks; /* then, where they are kept, as many sequence numbers */
};

struct mr_heap_shard {
	struct mr_heap_region *regions;
	uint32_t groups; /* of four places */
	uint32_t used;   /* places */
};

struct mr_heap_blocks {
	uint64_t count;
	uint64_t count_max;
	bool keep_sequences;
	uint64_t table_bytes;
	struct mr_heap_shard shards[MR_HEAP_SHARDS];
	struct mr_heap_slabs slabs;
	struct mr_heap_region *recent[MR_HEAP_RECENT]; /* by number: the one that was met last */
};

void mr_heap_blocks_init(struct mr_heap_blocks *blocks, bool keep_sequences); /* no memory yet */
void mr_heap_blocks_release(struct mr_heap_blocks *blocks);
uint64_t mr_heap_blocks_memory(const struct mr_heap_blocks *blocks); /* bytes in use */

/* What is known of the block at ADDRESS (of 48 bits); NULL: there is none.  Valid until the next change. */
const struct mr_heap_block *mr_heap_blocks_find(struct mr_heap_blocks *blocks, uint64_t address,
                                                uint64_t *sequence);

enum mr_heap_put {
	MR_HEAP_PUT,
	MR_HEAP_PUT_IS_THERE, /* a block of this address: nothing was changed */
	MR_HEAP_PUT_NO_MEMORY,
};

/* Adds BLOCK at ADDRESS. */
static inline enum mr_heap_put mr_heap_blocks_put(struct mr_heap_blocks *blocks, uint64_t address,
                                                  const struct mr_heap_block *block, uint64_t sequence)
	MR_MUST_CHECK;
/* Takes the block at ADDRESS out, into *BLOCK and *SEQUENCE (0 where they are not kept).  False: there
 * is none. */
static inline bool mr_heap_blocks_take(struct mr_heap_blocks *blocks, uint64_t address,
                                       struct mr_heap_block *block, uint64_t *sequence) MR_MUST_CHECK;

/* The first step ahead of a look at ADDRESS, and, when that has arrived, the second: for where
 * there are so many blocks that the cache does not hold them. */
void mr_heap_blocks_expect(const struct mr_heap_blocks *blocks, uint64_t address);
void mr_heap_blocks_expect_block(const struct mr_heap_blocks *blocks, uint64_t address);

/* Calls PAGE with each page of 4 KiB in which blocks begin, or began lately, in no order, until one
 * call gives false; gives what the last one gave. */
bool mr_heap_blocks_pages(const struct mr_heap_blocks *blocks, bool (*page)(void *context, uint64_t address),
                          void *context);

/* ---- The usual case, in line ------------------------------------------------------------
 *
 * The region was met lately, the block is at home, and nothing has to move or to
 * be made.  Where sequences are kept, nothing is usual: no region is `recent`. */

extern const uint16_t mr_heap_blocks_capacities[MR_HEAP_SHAPES];

enum mr_heap_put mr_heap_blocks_put_any(struct mr_heap_blocks *blocks, uint64_t address,
                                        const struct mr_heap_block *block, uint64_t sequence);
bool mr_heap_blocks_take_any(struct mr_heap_blocks *blocks, uint64_t address, struct mr_heap_block *block,
                             uint64_t *sequence);

static inline bool mr_heap_blocks_are_few(const struct mr_heap_blocks *blocks)
{
	return blocks->slabs.used_bytes < MR_HEAP_ROOMY_BYTES;
}

/* Blocks that an array may hold before it has to grow: long ones keep some gaps. */
static inline unsigned mr_heap_blocks_limit(const struct mr_heap_blocks *blocks, unsigned capacity)
{
	if (mr_heap_blocks_are_few(blocks))
		return capacity / 2;
	return capacity < 8 ? capacity : capacity - (capacity + 15) / 16;
}

/* Where a block that begins at AT would best be. */
static inline unsigned mr_heap_blocks_home(unsigned at, unsigned capacity)
{
	return (at - 1) * capacity >> MR_HEAP_REGION_SHIFT;
}

static inline unsigned mr_heap_blocks_at(uint64_t address)
{
	return (unsigned)(address & ((1u << MR_HEAP_REGION_SHIFT) - 1)) + 1;
}

static inline uint64_t mr_heap_blocks_number(uint64_t address)
{
	return (address >> MR_HEAP_REGION_SHIFT) + 1;
}

static inline enum mr_heap_put mr_heap_blocks_put(struct mr_heap_blocks *blocks, uint64_t address,
                                                  const struct mr_heap_block *block, uint64_t sequence)
{
	const uint64_t number = mr_heap_blocks_number(address);
	struct mr_heap_region *const region = blocks->recent[number % MR_HEAP_RECENT];

	if (MR_LIKELY(region && region->number == number)) {
		const unsigned capacity = mr_heap_blocks_capacities[region->shape];
		const unsigned at = mr_heap_blocks_at(address);

		if (MR_LIKELY(region->count < mr_heap_blocks_limit(blocks, capacity))) {
			struct mr_heap_block *const place =
				&region->blocks[mr_heap_blocks_home(at, capacity)];

			if (MR_LIKELY(place->at == 0)) {
				/* One by one: not by way of the memory where BLOCK is. */
				place->size = block->size;
				place->ticks = block->ticks;
				place->site = block->site;
				place->thread = block->thread;
				place->at = (uint16_t)at;
				region->count++;
				if (++blocks->count > blocks->count_max)
					blocks->count_max = blocks->count;
				return MR_HEAP_PUT;
			}
		}
	}
	return mr_heap_blocks_put_any(blocks, address, block, sequence);
}

static inline bool mr_heap_blocks_take(struct mr_heap_blocks *blocks, uint64_t address,
                                       struct mr_heap_block *block, uint64_t *sequence)
{
	const uint64_t number = mr_heap_blocks_number(address);
	struct mr_heap_region *const region = blocks->recent[number % MR_HEAP_RECENT];

	/* One that is left with few blocks may have to shrink. */
	if (MR_LIKELY(region && region->number == number && region->count > 1 &&
	              (mr_heap_blocks_are_few(blocks) ||
	               region->count * 4u > mr_heap_blocks_capacities[region->shape] + 4u))) {
		const unsigned capacity = mr_heap_blocks_capacities[region->shape];
		const unsigned at = mr_heap_blocks_at(address);
		const unsigned home = mr_heap_blocks_home(at, capacity);
		const unsigned next = home + 1 == capacity ? 0 : home + 1;
		struct mr_heap_block *const place = &region->blocks[home];
		const unsigned next_at = region->blocks[next].at;

		/* Not &&: which of them it is cannot be foretold. */
		if (MR_LIKELY((place->at == at) &
		              ((next_at == 0) | (mr_heap_blocks_home(next_at, capacity) == next)))) {
			block->size = place->size; /* likewise */
			block->ticks = place->ticks;
			block->site = place->site;
			block->thread = place->thread;
			*sequence = 0;
			place->at = 0;
			region->count--;
			blocks->count--;
			return true;
		}
	}
	return mr_heap_blocks_take_any(blocks, address, block, sequence);
}

#endif
