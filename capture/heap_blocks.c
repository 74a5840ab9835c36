/* SPDX-License-Identifier: MIT
 *
 * See heap_blocks.h.
 */
#include "heap_blocks.h"

#include <sys/mman.h>

#define BYTES_FIRST 65536u /* of address space: pages that are not touched are not there */
#define SPLIT_AHEAD 12u    /* chains */
#define HUGE_PAGE ((size_t)2 << 20)
#define HUGE_BYTES (4u << 20)

void mr_heap_blocks_init(struct mr_heap_blocks *blocks, bool keep_sequences)
{
	*blocks = (struct mr_heap_blocks){ .keep_sequences = keep_sequences };
}

void mr_heap_blocks_release(struct mr_heap_blocks *blocks)
{
	if (blocks->items)
		(void)munmap(blocks->items, blocks->items_bytes);
	if (blocks->sequences)
		(void)munmap(blocks->sequences, blocks->sequences_bytes);
	if (blocks->heads)
		(void)munmap(blocks->heads, blocks->heads_bytes);
	mr_heap_blocks_init(blocks, blocks->keep_sequences);
}

uint64_t mr_heap_blocks_memory(const struct mr_heap_blocks *blocks)
{
	const uint64_t item_bytes =
		sizeof(*blocks->items) + (blocks->keep_sequences ? sizeof(*blocks->sequences) : 0);

	return blocks->used * item_bytes + blocks->chains * (uint64_t)sizeof(*blocks->heads);
}

/* SIZE bytes of address space that begin where a huge page does; MAP_FAILED: none. */
static void *reserve_aligned(size_t size)
{
	uint8_t *const space =
		mmap(NULL, size + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (space == MAP_FAILED)
		return MAP_FAILED;
	const size_t before = (HUGE_PAGE - (uintptr_t)space % HUGE_PAGE) % HUGE_PAGE;

	if (before > 0)
		(void)munmap(space, before);
	(void)munmap(space + before + size, HUGE_PAGE - before);
	return space + before;
}

/* Moves the mapping at MEMORY to one of SIZE bytes; MAP_FAILED: no memory. */
static void *enlarge(void *memory, size_t bytes, size_t size)
{
	void *place;

	if (!memory)
		return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		            -1, 0);
	if (size < HUGE_BYTES)
		return mremap(memory, bytes, size, MREMAP_MAYMOVE);
	place = reserve_aligned(size);
	return place == MAP_FAILED ? MAP_FAILED
	                           : mremap(memory, bytes, size, MREMAP_MAYMOVE | MREMAP_FIXED, place);
}

/* Makes the mapping at *MEMORY hold WANTED bytes, zeros where it is new. */
static bool grow(void *memory, size_t *bytes, size_t wanted)
{
	void **const at = memory;
	size_t size = *bytes ? *bytes : BYTES_FIRST;
	void *mapped;

	if (MR_LIKELY(wanted <= *bytes))
		return true;
	while (size < wanted)
		size *= 2;
	mapped = enlarge(*at, *bytes, size);
	if (mapped == MAP_FAILED)
		return false;
	if (size >= HUGE_BYTES)
		mr_memory_wish_huge_pages(mapped, size);
	*at = mapped;
	*bytes = size;
	return true;
}

/* Chains are divided in turn, so what the next ones need is known. */
static void expect_split(const struct mr_heap_blocks *blocks, uint32_t added)
{
	const uint32_t half = blocks->mask >> 1;
	const uint32_t first = blocks->heads[(added + SPLIT_AHEAD) & half];

	__builtin_prefetch(&blocks->heads[(added + 4 * SPLIT_AHEAD) & half]);
	if (first)
		__builtin_prefetch(&blocks->items[first - 1], 1);
}

/* One chain more: some blocks of an older one belong to it. */
static bool add_chain(struct mr_heap_blocks *blocks)
{
	if (!grow(&blocks->heads, &blocks->heads_bytes,
	          ((size_t)blocks->chains + 1) * sizeof(*blocks->heads)))
		return false;
	if (blocks->chains == blocks->mask + 1 || blocks->chains == 0)
		blocks->mask = blocks->mask * 2 + 1;
	const uint32_t added = blocks->chains++;

	if (added == 0)
		return true;
	expect_split(blocks, added);
	uint32_t *kept = &blocks->heads[added & (blocks->mask >> 1)];
	uint32_t *moved = &blocks->heads[added];
	uint32_t at = *kept;

	while (at) {
		struct mr_heap_block *const block = &blocks->items[at - 1];
		const uint32_t hash = mr_heap_blocks_hash(mr_heap_block_address(block));
		uint32_t **const tail = (hash & blocks->mask) == added ? &moved : &kept;

		**tail = at;
		*tail = &block->next;
		at = block->next;
	}
	*kept = 0;
	*moved = 0;
	return true;
}

static bool take_item(struct mr_heap_blocks *blocks, uint32_t *index)
{
	if (blocks->free_first) {
		*index = blocks->free_first - 1;
		blocks->free_first = blocks->items[*index].next;
		return true;
	}
	if (blocks->used == UINT32_MAX - 1 ||
	    !grow(&blocks->items, &blocks->items_bytes,
	          ((size_t)blocks->used + 1) * sizeof(*blocks->items)) ||
	    (blocks->keep_sequences && !grow(&blocks->sequences, &blocks->sequences_bytes,
	                                     ((size_t)blocks->used + 1) * sizeof(*blocks->sequences))))
		return false;
	*index = blocks->used++;
	return true;
}

bool mr_heap_blocks_insert_growing(struct mr_heap_blocks *blocks, const struct mr_heap_block *block,
                                   uint32_t hash, uint64_t sequence)
{
	uint32_t index;

	/* Two chains a block: most are short, and their first block is all that is looked at. */
	for (unsigned i = 0; i < 2 && 2 * (uint64_t)blocks->count >= blocks->chains; i++)
		if (!add_chain(blocks))
			return false;
	if (!take_item(blocks, &index))
		return false;
	uint32_t *const head = &blocks->heads[mr_heap_blocks_chain(blocks, hash)];

	blocks->items[index] = *block;
	blocks->items[index].next = *head;
	if (blocks->sequences)
		blocks->sequences[index] = sequence;
	*head = index + 1;
	blocks->count++;
	return true;
}
