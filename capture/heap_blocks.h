/* SPDX-License-Identifier: MIT
 *
 * The live blocks of a process: from an address to what is known of the block.
 * Nodes of 32 bytes in one array, found through chains of a table that grows by
 * one chain at a time (linear hashing), so there is never a second copy of it:
 * about 40 bytes a block at any moment, 48 with sequence numbers.  The arrays
 * are mappings that the kernel moves rather than copies.
 *
 * A look at an address misses the cache twice; whoever has many to look at can
 * ask for both lines ahead.  Private to memrecord; one thread.
 */
#ifndef MR_HEAP_BLOCKS_H
#define MR_HEAP_BLOCKS_H

#include "base.h"

#define MR_HEAP_BLOCK_ADDRESS_BITS 48
#define MR_HEAP_BLOCK_THREAD_MAX 0xffffu

struct mr_heap_block {
	uint64_t place; /* address in bits 0..47, thread in 48..63 */
	uint64_t ticks; /* of its allocation */
	uint64_t size;  /* bytes */
	uint32_t site;
	uint32_t next; /* index + 1 in the chain, or of the next free one; 0: none */
};

static inline uint64_t mr_heap_block_address(const struct mr_heap_block *block)
{
	return block->place & ((UINT64_C(1) << MR_HEAP_BLOCK_ADDRESS_BITS) - 1);
}

static inline uint32_t mr_heap_block_thread(const struct mr_heap_block *block)
{
	return (uint32_t)(block->place >> MR_HEAP_BLOCK_ADDRESS_BITS);
}

struct mr_heap_blocks {
	struct mr_heap_block *items;
	uint64_t *sequences; /* beside the items; NULL: not kept */
	uint32_t *heads;     /* index + 1 of the first of each chain */
	size_t items_bytes;  /* of the three mappings */
	size_t sequences_bytes;
	size_t heads_bytes;
	uint32_t used;       /* items ever taken */
	uint32_t free_first; /* index + 1 */
	uint32_t count;
	uint32_t chains;
	uint32_t mask; /* twice the power of two that is not more than `chains`, less 1 */
	bool keep_sequences;
};

void mr_heap_blocks_init(struct mr_heap_blocks *blocks, bool keep_sequences); /* no memory yet */
void mr_heap_blocks_release(struct mr_heap_blocks *blocks);
uint64_t mr_heap_blocks_memory(const struct mr_heap_blocks *blocks); /* bytes in use */

static inline uint32_t mr_heap_blocks_hash(uint64_t address)
{
	/* Blocks of a page have chains beside each other: programs go through their memory in its order. */
	return (uint32_t)(((address >> 12) * UINT64_C(0x9e3779b97f4a7c15)) >> 32) +
	       (uint32_t)(address >> 4 & 255);
}

static inline uint32_t mr_heap_blocks_chain(const struct mr_heap_blocks *blocks, uint32_t hash)
{
	const uint32_t chain = hash & blocks->mask;

	return chain < blocks->chains ? chain : chain & (blocks->mask >> 1);
}

/* The first step ahead of a look, and, when that has arrived, the second. */
static inline void mr_heap_blocks_expect(const struct mr_heap_blocks *blocks, uint32_t hash)
{
	if (MR_LIKELY(blocks->heads != NULL))
		__builtin_prefetch(&blocks->heads[mr_heap_blocks_chain(blocks, hash)]);
}

static inline void mr_heap_blocks_expect_node(const struct mr_heap_blocks *blocks, uint32_t hash)
{
	const uint32_t first = blocks->heads ? blocks->heads[mr_heap_blocks_chain(blocks, hash)] : 0;

	if (first)
		__builtin_prefetch(&blocks->items[first - 1], 1);
}

/* And the third, for the block at ADDRESS: it may be the second of its chain. */
static inline void mr_heap_blocks_expect_next(const struct mr_heap_blocks *blocks, uint64_t address,
                                              uint32_t hash)
{
	const uint32_t first = blocks->heads ? blocks->heads[mr_heap_blocks_chain(blocks, hash)] : 0;

	if (!first)
		return;
	const struct mr_heap_block *const block = &blocks->items[first - 1];

	if (block->next && mr_heap_block_address(block) != address)
		__builtin_prefetch(&blocks->items[block->next - 1], 1);
}

/* So few blocks that they are in the cache, and nothing need be asked for. */
static inline bool mr_heap_blocks_are_few(const struct mr_heap_blocks *blocks)
{
	return blocks->used < 4096;
}

/* The link that leads to the block at ADDRESS: index + 1 is there, or 0 when there is no such block. */
static inline uint32_t *mr_heap_blocks_link(const struct mr_heap_blocks *blocks, uint64_t address,
                                            uint32_t hash)
{
	uint32_t *link = &blocks->heads[mr_heap_blocks_chain(blocks, hash)];

	while (*link && mr_heap_block_address(&blocks->items[*link - 1]) != address)
		link = &blocks->items[*link - 1].next;
	return link;
}

/* NULL: not there.  Valid until the next insertion. */
static inline struct mr_heap_block *mr_heap_blocks_find(const struct mr_heap_blocks *blocks, uint64_t address,
                                                        uint32_t hash)
{
	const uint32_t at = blocks->heads ? *mr_heap_blocks_link(blocks, address, hash) : 0;

	return at ? &blocks->items[at - 1] : NULL;
}

/* Takes the block out that LINK leads to, and gives what it was: valid until the next insertion. */
static inline struct mr_heap_block *mr_heap_blocks_unlink(struct mr_heap_blocks *blocks, uint32_t *link)
{
	const uint32_t at = *link;
	struct mr_heap_block *const block = &blocks->items[at - 1];

	*link = block->next;
	block->next = blocks->free_first;
	blocks->free_first = at;
	blocks->count--;
	return block;
}

/* As the next function, where there is no item to be used again or no chain to be had. */
bool mr_heap_blocks_insert_growing(struct mr_heap_blocks *blocks, const struct mr_heap_block *block,
                                   uint32_t hash, uint64_t sequence) MR_MUST_CHECK;

/* Adds a block, all of it but the links; its address must not be there.  False: no memory. */
static inline bool mr_heap_blocks_insert(struct mr_heap_blocks *blocks, const struct mr_heap_block *block,
                                         uint32_t hash, uint64_t sequence)
{
	const uint32_t at = blocks->free_first;

	if (MR_UNLIKELY(at == 0 || 2 * (uint64_t)blocks->count >= blocks->chains || blocks->sequences))
		return mr_heap_blocks_insert_growing(blocks, block, hash, sequence);
	struct mr_heap_block *const item = &blocks->items[at - 1];
	uint32_t *const head = &blocks->heads[mr_heap_blocks_chain(blocks, hash)];

	blocks->free_first = item->next;
	*item = *block;
	item->next = *head;
	*head = at;
	blocks->count++;
	return true;
}

static inline uint64_t mr_heap_blocks_sequence(const struct mr_heap_blocks *blocks,
                                               const struct mr_heap_block *block)
{
	return blocks->sequences ? blocks->sequences[block - blocks->items] : 0;
}

#endif
