/* SPDX-License-Identifier: MIT
 *
 * The set of visited addresses, held against a plain map of bytes.  Addresses
 * are numbers here; the set never reads what they point to.
 */
#include "memory_failing.h"
#include "visited.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#define BASE UINT64_C(0x7f1234560000)

static const void *at(uint64_t offset)
{
	return (const void *)(uintptr_t)(BASE + offset);
}

static uint64_t random_next(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

Test(visited, address__is_new_once)
{
	struct mr_visited visited = { 0 };

	cr_assert_not(mr_visited_has(&visited, at(64)));
	cr_assert(eq(int, mr_visited_add(&visited, at(64)), 1));
	cr_assert(eq(int, mr_visited_add(&visited, at(64)), 0));
	cr_assert(mr_visited_has(&visited, at(64)));
	cr_assert(eq(int, mr_visited_add(&visited, NULL), 1));
	cr_assert(eq(int, mr_visited_add(&visited, NULL), 0));
	mr_visited_release(&visited);
	cr_assert(eq(sz, memory_blocks(), 0));
}

Test(visited, neighbours_at_every_byte__are_different)
{
	struct mr_visited visited = { 0 };

	for (uint64_t i = 0; i < 4096; i++)
		cr_assert(eq(int, mr_visited_add(&visited, at(i)), 1), "byte %d", (int)i);
	for (uint64_t i = 0; i < 4096; i++)
		cr_assert(eq(int, mr_visited_add(&visited, at(i)), 0), "byte %d", (int)i);
	cr_assert_not(mr_visited_has(&visited, at(4096)));
	mr_visited_release(&visited);
}

Test(visited, second_set__is_apart_from_the_first)
{
	struct mr_visited visited = { 0 };

	cr_assert(eq(int, mr_visited_add_second(&visited, at(8)), 1));
	cr_assert_not(mr_visited_has(&visited, at(8)));
	cr_assert(eq(int, mr_visited_add(&visited, at(8)), 1));
	cr_assert(eq(int, mr_visited_add_second(&visited, at(8)), 0));
	cr_assert(eq(int, mr_visited_add_second(&visited, at(9)), 1));
	mr_visited_release(&visited);
}

Test(visited, random_addresses__agree_with_a_map)
{
	enum { RANGE = 1 << 24, ADDED = 1 << 20 };
	struct mr_visited visited = { 0 };
	uint8_t *map = calloc(1, RANGE);
	uint64_t state = 1;

	cr_assert_not_null(map);
	for (int i = 0; i < ADDED; i++) {
		/* Mostly multiples of 8, as allocators give them, and some of any kind. */
		uint64_t offset = random_next(&state) % RANGE;

		if (i % 4)
			offset &= ~UINT64_C(7);
		cr_assert(eq(int, mr_visited_add(&visited, at(offset)), !map[offset]));
		map[offset] = 1;
	}
	for (uint64_t i = 0; i < RANGE; i++)
		if (mr_visited_has(&visited, at(i)) != map[i])
			cr_fail("offset %d", (int)i);
	mr_visited_release(&visited);
	free(map);
}

Test(visited, sparse_addresses__are_kept_apart)
{
	struct mr_visited visited = { 0 };

	for (uint64_t stride = 4096; stride <= UINT64_C(1) << 40; stride *= 16) {
		for (uint64_t i = 0; i < 3000; i++)
			cr_assert(eq(int, mr_visited_add(&visited, at(i * stride + 8)), 1));
		for (uint64_t i = 0; i < 3000; i++)
			cr_assert(mr_visited_has(&visited, at(i * stride + 8)));
		mr_visited_clear(&visited);
	}
	mr_visited_release(&visited);
}

Test(visited, neighbouring_blocks__share_memory)
{
	enum { BLOCKS = 1000000 };
	struct mr_visited visited = { 0 };

	for (uint64_t i = 0; i < BLOCKS; i++)
		cr_assert(eq(int, mr_visited_add(&visited, at(i * 48)), 1));
	cr_assert(le(u64, mr_visited_memory(&visited), 5 * BLOCKS));
	cr_assert(eq(u64, mr_visited_memory(&visited), memory_bytes()));
	mr_visited_release(&visited);
}

Test(visited, growth__adds_little_at_a_time)
{
	struct mr_visited visited = { 0 };
	size_t before = 0;

	for (uint64_t i = 0; i < 1000000; i++) {
		memory_peak_reset();
		cr_assert(eq(int, mr_visited_add(&visited, at(i * 512)), 1));
		/* A slab of segments, or the directory twice: never the table twice. */
		cr_assert(le(sz, memory_peak() - before, ((size_t)512 << 10)));
		before = memory_bytes();
	}
	mr_visited_release(&visited);
}

Test(visited, clear__empties_and_keeps_little)
{
	struct mr_visited visited = { 0 };

	for (int round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < 2000; i++)
			cr_assert(eq(int, mr_visited_add(&visited, at(i * 512)), 1));

		const uint64_t held = mr_visited_memory(&visited);

		mr_visited_clear(&visited);
		cr_assert_not(mr_visited_has(&visited, at(512)));
		cr_assert(le(u64, mr_visited_memory(&visited), held));
		cr_assert(gt(u64, mr_visited_memory(&visited), 0));
	}
	for (uint64_t i = 0; i < 100000; i++)
		cr_assert(eq(int, mr_visited_add(&visited, at(i * 512)), 1));
	mr_visited_clear(&visited);
	cr_assert(eq(u64, mr_visited_memory(&visited), 0));
	cr_assert(eq(int, mr_visited_add(&visited, at(512)), 1));
	mr_visited_release(&visited);
	cr_assert(eq(sz, memory_blocks(), 0));
}

Test(visited, no_memory__leaves_the_set_as_it_was)
{
	enum { COUNT = 20000 };

	for (size_t allowed = 0; allowed < 40; allowed++) {
		struct mr_visited visited = { 0 };
		uint64_t added = 0;

		memory_fail_after(allowed);
		while (added < COUNT) {
			const int status = mr_visited_add(&visited, at(added * 512));

			if (status < 0) {
				cr_assert(eq(int, status, MR_ERR_NOMEM));
				break;
			}
			added++;
		}
		cr_assert_not(mr_visited_has(&visited, at(added * 512)));
		memory_fail_never();
		for (uint64_t i = 0; i < COUNT; i++)
			cr_assert(eq(int, mr_visited_add(&visited, at(i * 512)), i >= added));
		mr_visited_release(&visited);
		cr_assert(eq(sz, memory_blocks(), 0));
	}
}
