/* SPDX-License-Identifier: MIT
 *
 * The live blocks of a process: the map held against a plain array through random
 * changes, and its memory against what is promised, for blocks of all sizes.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "heap_blocks.h"

#define SLACK_BYTES (MR_HEAP_ROOMY_BYTES + 65536) /* that a map may take beside what its blocks do */

static uint64_t state;

static uint64_t random_below(uint64_t bound)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (state >> 24) % bound;
}

/* What the block that begins at ADDRESS is made to say. */
static struct mr_heap_block block_of(uint64_t address, uint64_t salt)
{
	return (struct mr_heap_block){ .size = address ^ salt << 40,
		                       .ticks = address * 3 + salt,
		                       .site = (uint32_t)(address >> 3) + (uint32_t)salt,
		                       .thread = (uint16_t)(address >> 5) };
}

static bool put(struct mr_heap_blocks *blocks, uint64_t address, uint64_t salt)
{
	const struct mr_heap_block block = block_of(address, salt);

	return mr_heap_blocks_put(blocks, address, &block, address + salt) == MR_HEAP_PUT;
}

static bool is_block(const struct mr_heap_blocks *blocks, const struct mr_heap_block *block,
                     uint64_t sequence, uint64_t address, uint64_t salt)
{
	const struct mr_heap_block wanted = block_of(address, salt);

	return block->size == wanted.size && block->ticks == wanted.ticks && block->site == wanted.site &&
	       block->thread == wanted.thread && sequence == (blocks->keep_sequences ? address + salt : 0);
}

static bool take(struct mr_heap_blocks *blocks, uint64_t address, uint64_t salt)
{
	struct mr_heap_block block;
	uint64_t sequence;

	return mr_heap_blocks_take(blocks, address, &block, &sequence) &&
	       is_block(blocks, &block, sequence, address, salt);
}

Test(heap_blocks, nothing__is_not_found)
{
	struct mr_heap_blocks blocks;
	struct mr_heap_block block;
	uint64_t sequence;

	mr_heap_blocks_init(&blocks, false);
	cr_expect(eq(ptr, (void *)mr_heap_blocks_find(&blocks, 4096, &sequence), NULL));
	cr_expect(not(mr_heap_blocks_take(&blocks, 4096, &block, &sequence)));
	cr_expect(eq(u64, mr_heap_blocks_memory(&blocks), 0));
	mr_heap_blocks_release(&blocks);
}

Test(heap_blocks, a_second_block_of_an_address__changes_nothing)
{
	struct mr_heap_blocks blocks;
	const struct mr_heap_block other = block_of(16, 9);

	mr_heap_blocks_init(&blocks, true);
	cr_assert(put(&blocks, 16, 1));
	cr_expect(eq(int, mr_heap_blocks_put(&blocks, 16, &other, 0), MR_HEAP_PUT_IS_THERE));
	cr_expect(eq(u64, blocks.count, 1));
	cr_expect(take(&blocks, 16, 1));
	cr_expect(not(take(&blocks, 16, 1)));
	mr_heap_blocks_release(&blocks);
}

/* PLACES addresses from FIRST on, STEP apart: random changes, so that the map is by turns
 * nearly full of them and nearly empty. */
static void check_random(uint64_t first, uint64_t step, uint64_t places, bool keep_sequences)
{
	uint64_t *const salts = calloc(places, sizeof(*salts)); /* 0: no block */
	struct mr_heap_blocks blocks;
	uint64_t count = 0;

	cr_assert(salts != NULL);
	mr_heap_blocks_init(&blocks, keep_sequences);
	for (uint64_t i = 1; i <= 30 * places; i++) {
		const uint64_t place = random_below(places);
		const uint64_t address = first + place * step;
		const bool filling = i / (4 * places) % 2 == 0;
		uint64_t sequence = 0;

		/* They only ask for memory. */
		mr_heap_blocks_expect(&blocks, first + random_below(places) * step);
		mr_heap_blocks_expect_block(&blocks, first + random_below(places) * step);
		const struct mr_heap_block *const found = mr_heap_blocks_find(&blocks, address, &sequence);

		cr_assert(eq(int, found != NULL, salts[place] != 0));
		if (found)
			cr_assert(is_block(&blocks, found, sequence, address, salts[place]));
		if (salts[place] && (!filling || random_below(8) == 0)) {
			cr_assert(take(&blocks, address, salts[place]));
			salts[place] = 0;
			count--;
		} else if (!salts[place] && (filling || random_below(8) == 0)) {
			cr_assert(put(&blocks, address, i));
			salts[place] = i;
			count++;
		}
		cr_assert(eq(u64, blocks.count, count));
	}
	for (uint64_t place = 0; place < places; place++)
		cr_assert(eq(int, take(&blocks, first + place * step, salts[place]), salts[place] != 0));
	mr_heap_blocks_release(&blocks);
	free(salts);
}

Test(heap_blocks, random_changes__are_those_of_a_plain_array)
{
	static const uint64_t steps[] = { 1, 8, 16, 24, 48, 80, 272, 1040, 4096, 20480, UINT64_C(1) << 30 };

	state = 1;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		check_random(UINT64_C(0x7f0000000010), steps[i], 6000, false);
		check_random(0, steps[i], 3000, true);
	}
	/* The last bytes of the address space. */
	check_random((UINT64_C(1) << 48) - 5000, 1, 5000, true);
}

Test(heap_blocks, addresses_from_anywhere__are_found)
{
	enum { COUNT = 20000 };
	static uint64_t addresses[COUNT];
	struct mr_heap_blocks blocks;

	state = 2;
	mr_heap_blocks_init(&blocks, false);
	for (unsigned i = 0; i < COUNT; i++) {
		addresses[i] = random_below(UINT64_C(1) << 40) << 8 | i % 256;
		if (!put(&blocks, addresses[i], 1))
			addresses[i] = UINT64_MAX; /* the same one twice */
	}
	for (unsigned i = 0; i < COUNT; i++)
		cr_assert(addresses[i] == UINT64_MAX || take(&blocks, addresses[i], 1));
	cr_expect(eq(u64, blocks.count, 0));
	mr_heap_blocks_release(&blocks);
}

static void check_memory(const struct mr_heap_blocks *blocks, uint64_t size)
{
	cr_assert(mr_heap_blocks_memory(blocks) < blocks->count_max * 64 + SLACK_BYTES,
	          "%llu bytes for %llu blocks of %llu", (unsigned long long)mr_heap_blocks_memory(blocks),
	          (unsigned long long)blocks->count_max, (unsigned long long)size);
}

/* One block after the other, as an allocator makes them in fresh memory. */
static void check_growth(uint64_t size, uint64_t count, bool keep_sequences)
{
	struct mr_heap_blocks blocks;

	mr_heap_blocks_init(&blocks, keep_sequences);
	for (uint64_t i = 0; i < count; i++) {
		cr_assert(put(&blocks, UINT64_C(0x550000000010) + i * size, 1));
		check_memory(&blocks, size);
	}
	for (uint64_t i = 0; i < count; i++)
		cr_assert(take(&blocks, UINT64_C(0x550000000010) + i * size, 1));
	cr_expect(eq(u64, blocks.slabs.used_bytes, 0), "arrays without blocks are given back");
	mr_heap_blocks_release(&blocks);
}

Test(heap_blocks, memory__is_less_than_64_bytes_a_block_while_it_grows)
{
	for (uint64_t size = 16; size <= 65536; size += size < 256 ? 16 : size / 3 / 16 * 16) {
		check_growth(size, 100000, false);
		check_growth(size, 50000, true);
	}
	check_growth(8, 100000, false);
}

/* All regions grow at the same time, block by block: whatever is the worst moment, all are in it. */
Test(heap_blocks, memory__is_less_than_64_bytes_a_block_when_all_regions_grow_together)
{
	enum { REGIONS = 6000, EACH = 128 };
	struct mr_heap_blocks blocks;

	mr_heap_blocks_init(&blocks, false);
	for (uint64_t i = 0; i < EACH; i++) {
		for (uint64_t region = 0; region < REGIONS; region++) {
			cr_assert(put(&blocks, (region << 12) + (i * 37 % EACH) * 32, 1));
			check_memory(&blocks, 32);
		}
	}
	mr_heap_blocks_release(&blocks);
}

Test(heap_blocks, memory__of_blocks_that_are_gone_serves_others_elsewhere)
{
	struct mr_heap_blocks blocks;

	mr_heap_blocks_init(&blocks, false);
	for (uint64_t round = 0; round < 20; round++) {
		const uint64_t size = 32 + round * 48;

		for (uint64_t i = 0; i < 60000; i++)
			cr_assert(put(&blocks, (round + 1) << 32 | i * size, 1));
		check_memory(&blocks, size);
		for (uint64_t i = 0; i < 60000; i++)
			cr_assert(take(&blocks, (round + 1) << 32 | i * size, 1));
	}
	mr_heap_blocks_release(&blocks);
}

/* One in thirty stays, in every region, while new ones come elsewhere. */
Test(heap_blocks, memory__of_regions_that_lost_most_blocks_is_given_back)
{
	struct mr_heap_blocks blocks;

	mr_heap_blocks_init(&blocks, false);
	for (uint64_t round = 0; round < 30; round++) {
		for (uint64_t i = 0; i < 60000; i++)
			cr_assert(put(&blocks, (round + 1) << 32 | i * 48, 1));
		check_memory(&blocks, 48);
		for (uint64_t i = 0; i < 60000; i++)
			if (i % 30 != 0)
				cr_assert(take(&blocks, (round + 1) << 32 | i * 48, 1));
	}
	mr_heap_blocks_release(&blocks);
}

static bool count_page(void *context, uint64_t address)
{
	uint64_t *const sum = context;

	*sum += address;
	return true;
}

Test(heap_blocks, pages__are_those_in_which_blocks_begin)
{
	struct mr_heap_blocks blocks;
	uint64_t sum = 0;

	mr_heap_blocks_init(&blocks, false);
	cr_assert(put(&blocks, 0x10010, 1));
	cr_assert(put(&blocks, 0x10ff0, 1));
	cr_assert(put(&blocks, 0x600000, 1));
	cr_expect(mr_heap_blocks_pages(&blocks, count_page, &sum));
	cr_expect(eq(u64, sum, 0x10000 + 0x600000));
	mr_heap_blocks_release(&blocks);
}
