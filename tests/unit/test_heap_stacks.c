/* SPDX-License-Identifier: MIT
 *
 * Call stacks as the interposer names them, and as the log does.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "heap_stacks.h"

static int define(struct mr_heap_stacks *stacks, uint32_t id, uint64_t address, uint32_t parent)
{
	const struct mr_heap_stack record = { .id = id, .return_address = address, .parent = parent };

	return mr_heap_stacks_define(stacks, &record);
}

static uint32_t row_of(struct mr_heap_stacks *stacks, uint32_t id)
{
	uint32_t row;

	cr_assert(zero(int, mr_heap_stacks_row(stacks, id, &row)));
	return row;
}

Test(heap_stacks, nodes_of_the_same_place__have_one_row)
{
	struct mr_heap_stacks stacks = { 0 };

	cr_expect(zero(int, define(&stacks, 1, 0x100, 0)));
	cr_expect(zero(int, define(&stacks, 2, 0x100, 0)));
	cr_expect(zero(int, define(&stacks, 3, 0x200, 1)));
	cr_expect(zero(int, define(&stacks, 4, 0x200, 2)));
	cr_expect(zero(int, define(&stacks, 5, 0x300, 2)));
	cr_expect(eq(u32, row_of(&stacks, 3), row_of(&stacks, 4)));
	cr_expect(ne(u32, row_of(&stacks, 3), row_of(&stacks, 5)));
	cr_expect(eq(sz, stacks.stacks.count, 3));
	cr_expect(eq(sz, stacks.codes.count, 3));
	mr_heap_stacks_release(&stacks);
}

Test(heap_stacks, a_node_whose_caller_comes_later__has_a_row_then)
{
	struct mr_heap_stacks stacks = { 0 };

	cr_expect(zero(int, define(&stacks, 2, 0x200, 1)));
	cr_expect(eq(u32, row_of(&stacks, 2), 0));
	cr_expect(eq(u32, row_of(&stacks, 7), 0));
	cr_expect(zero(int, define(&stacks, 1, 0x100, 0)));
	cr_expect(eq(u32, row_of(&stacks, 2), 2));
	mr_heap_stacks_release(&stacks);
}

Test(heap_stacks, nonsense__is_refused_or_cut)
{
	struct mr_heap_stacks stacks = { 0 };

	cr_expect(eq(int, define(&stacks, 0, 0x100, 0), MR_ERR_FORMAT));
	cr_expect(eq(int, define(&stacks, UINT32_MAX, 0x100, 0), MR_ERR_FORMAT));
	cr_expect(eq(int, define(&stacks, 3, 0, 0), MR_ERR_FORMAT));
	cr_expect(eq(int, define(&stacks, 3, 0x100, 3), MR_ERR_FORMAT));
	/* Callers in a circle. */
	cr_expect(zero(int, define(&stacks, 1, 0x100, 2)));
	cr_expect(zero(int, define(&stacks, 2, 0x200, 1)));
	cr_expect(gt(u32, row_of(&stacks, 1), 0));
	cr_expect(le(sz, stacks.stacks.count, MR_HEAP_DEPTH_MAX));
	mr_heap_stacks_release(&stacks);
}

Test(heap_stacks, a_module__is_known_by_its_first_description)
{
	struct mr_heap_stacks stacks = { 0 };
	const struct mr_heap_module module = { .id = 2, .base = 0x1000 };
	const uint8_t build_id[] = { 0xab, 0x01 };

	cr_expect(zero(int, mr_heap_stacks_module(&stacks, &module, "/lib/a.so", 9, build_id, 2)));
	cr_expect(zero(int, mr_heap_stacks_module(&stacks, &module, "/lib/b.so", 9, build_id, 0)));
	cr_expect(eq(str, stacks.modules[2].path, "/lib/a.so"));
	cr_expect(eq(str, stacks.modules[2].build_id, "ab01"));
	cr_expect(eq(ptr, stacks.modules[1].path, NULL));
	mr_heap_stacks_release(&stacks);
}

Test(heap_stacks, numbers__go_depth_first_over_what_is_wanted)
{
	struct mr_heap_stacks stacks = { 0 };

	/* 1 calls 2 and 3, 2 calls 4; 5 is nobody's. Their places lie the other way round. */
	cr_expect(zero(int, define(&stacks, 1, 0x500, 0)));
	cr_expect(zero(int, define(&stacks, 2, 0x400, 1)));
	cr_expect(zero(int, define(&stacks, 3, 0x300, 1)));
	cr_expect(zero(int, define(&stacks, 4, 0x200, 2)));
	cr_expect(zero(int, define(&stacks, 5, 0x100, 0)));
	const uint32_t three = row_of(&stacks, 3), four = row_of(&stacks, 4), five = row_of(&stacks, 5);

	cr_expect(zero(int, mr_heap_stacks_want(&stacks, three)));
	cr_expect(zero(int, mr_heap_stacks_want(&stacks, four)));
	cr_expect(zero(int, mr_heap_stacks_number(&stacks)));
	cr_expect(eq(u32, mr_heap_stacks_number_of(&stacks, row_of(&stacks, 1)), 1));
	cr_expect(eq(sz, stacks.stack_numbers.count, 4));
	cr_expect(eq(sz, stacks.code_numbers.count, 4));
	/* The one that has a row first comes first, with all that it calls. */
	cr_expect(eq(u32, mr_heap_stacks_number_of(&stacks, three), 2));
	cr_expect(eq(u32, mr_heap_stacks_number_of(&stacks, row_of(&stacks, 2)), 3));
	cr_expect(eq(u32, mr_heap_stacks_number_of(&stacks, four), 4));
	cr_expect(eq(u32, mr_heap_stacks_number_of(&stacks, five), 0));
	for (size_t i = 0; i < 4; i++)
		cr_expect(eq(u64, stacks.codes.items[stacks.code_numbers.pairs[i] - 1].second,
		             0x200 + 0x100 * i));
	cr_expect(zero(int, mr_heap_stacks_want(&stacks, five)));
	cr_expect(zero(int, mr_heap_stacks_number(&stacks)));
	cr_expect(eq(u32, mr_heap_stacks_number_of(&stacks, five), 5));
	cr_expect(eq(u32, mr_heap_stacks_number_of(&stacks, three), 2));
	mr_heap_stacks_release(&stacks);
}
