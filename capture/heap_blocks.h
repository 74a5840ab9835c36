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
#define MR_HEAP_SHARDS 16 /* of the table of regions: one grows at a time */

struct mr_heap_block {
	uint64_t size;  /* bytes */
	uint64_t ticks; /* of its allocation */
	uint32_t site;
	uint16_t thread;
	uint16_t at; /* the map's own: where it begins in the region, + 1; 0: no block */
};

struct mr_heap_region {
	uint64_t number : 40; /* address >> MR_HEAP_REGION_SHIFT, + 1; 0: nobody's */
	uint64_t shape : 8;   /* its array's: mr_heap_blocks_capacity[]; 0: no array, all blocks are gone */
	uint64_t count : 16;
	struct mr_heap_block *blocks; /* then, where they are kept, as many sequence numbers */
};

struct mr_heap_shard {
	struct mr_heap_region *regions;
	uint32_t groups; /* of four places */
	uint32_t used;   /* places */
};

struct mr_heap_blocks {
	struct mr_heap_region *last; /* the one that was met last; NULL: none */
	uint64_t count;
	uint64_t count_max;
	bool keep_sequences;
	uint64_t table_bytes;
	struct mr_heap_shard shards[MR_HEAP_SHARDS];
	struct mr_heap_slabs slabs;
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
enum mr_heap_put mr_heap_blocks_put(struct mr_heap_blocks *blocks, uint64_t address,
                                    const struct mr_heap_block *block, uint64_t sequence) MR_MUST_CHECK;

/* Takes the block at ADDRESS out, into *BLOCK and *SEQUENCE (0 where they are not kept).  False: there
 * is none. */
bool mr_heap_blocks_take(struct mr_heap_blocks *blocks, uint64_t address, struct mr_heap_block *block,
                         uint64_t *sequence) MR_MUST_CHECK;

/* The first step ahead of a look at ADDRESS, and, when that has arrived, the second: for where
 * there are so many blocks that the cache does not hold them. */
void mr_heap_blocks_expect(const struct mr_heap_blocks *blocks, uint64_t address);
void mr_heap_blocks_expect_block(const struct mr_heap_blocks *blocks, uint64_t address);

/* Calls PAGE with each page of 4 KiB in which blocks begin, or began lately, in no order, until one
 * call gives false; gives what the last one gave. */
bool mr_heap_blocks_pages(const struct mr_heap_blocks *blocks, bool (*page)(void *context, uint64_t address),
                          void *context);

#endif
