/* SPDX-License-Identifier: MIT
 *
 * The live blocks of a process: what is put in is found, and takes less memory
 * than is promised however many there are.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "heap_blocks.h"

#define MANY 300000u

static uint64_t address_of(uint32_t i)
{
	return UINT64_C(0x7f0000000010) + (uint64_t)i * 48;
}

static bool put(struct mr_heap_blocks *blocks, uint32_t i)
{
	const struct mr_heap_block block = { .place = address_of(i) | UINT64_C(7) << 48,
		                             .size = i,
		                             .site = i % 13 };

	return mr_heap_blocks_insert(blocks, &block, mr_heap_blocks_hash(address_of(i)), i + 1);
}

static struct mr_heap_block *find(const struct mr_heap_blocks *blocks, uint32_t i)
{
	return mr_heap_blocks_find(blocks, address_of(i), mr_heap_blocks_hash(address_of(i)));
}

static void take(struct mr_heap_blocks *blocks, uint32_t i)
{
	mr_heap_blocks_unlink(blocks,
	                      mr_heap_blocks_link(blocks, address_of(i), mr_heap_blocks_hash(address_of(i))));
}

Test(heap_blocks, nothing__is_not_found)
{
	struct mr_heap_blocks blocks;

	mr_heap_blocks_init(&blocks, false);
	cr_expect(eq(ptr, find(&blocks, 1), NULL));
	mr_heap_blocks_release(&blocks);
}

Test(heap_blocks, many__are_found_with_all_that_is_known_of_them)
{
	struct mr_heap_blocks blocks;

	mr_heap_blocks_init(&blocks, true);
	for (uint32_t i = 0; i < MANY; i++)
		cr_assert(put(&blocks, i));
	for (uint32_t i = 0; i < MANY; i += 3)
		take(&blocks, i);
	cr_expect(eq(u32, blocks.count, MANY - (MANY + 2) / 3));
	for (uint32_t i = 0; i < MANY; i++) {
		const struct mr_heap_block *const block = find(&blocks, i);

		cr_assert(eq(int, block != NULL, i % 3 != 0), "block %u", i);
		if (!block)
			continue;
		cr_assert(eq(u64, block->size, i));
		cr_assert(eq(u32, block->site, i % 13));
		cr_assert(eq(u32, mr_heap_block_thread(block), 7));
		cr_assert(eq(u64, mr_heap_blocks_sequence(&blocks, block), i + 1));
	}
	mr_heap_blocks_release(&blocks);
}

Test(heap_blocks, memory__is_less_than_64_bytes_a_block_while_it_grows)
{
	struct mr_heap_blocks blocks;

	mr_heap_blocks_init(&blocks, true);
	for (uint32_t i = 0; i < MANY; i++) {
		cr_assert(put(&blocks, i));
		cr_assert(mr_heap_blocks_memory(&blocks) <= (uint64_t)blocks.count * 49 + 4096);
	}
	mr_heap_blocks_release(&blocks);
}

Test(heap_blocks, places__are_used_again)
{
	struct mr_heap_blocks blocks;

	mr_heap_blocks_init(&blocks, false);
	for (uint32_t i = 0; i < MANY; i++) {
		cr_assert(put(&blocks, i));
		if (i >= 10)
			take(&blocks, i - 10);
	}
	cr_expect(eq(u32, blocks.used, 11));
	mr_heap_blocks_release(&blocks);
}
