/* SPDX-License-Identifier: MIT
 *
 * The tree of a flame graph: circles folded, either end up, sums that close.
 */
#include "flame.h"

#include <criterion/criterion.h>

enum { MAIN, PARSE, NODE, LOOP, FRAMES };

#define COST(bytes)                               \
	{                                         \
		bytes, bytes / 2, bytes * 3, 1, 0 \
	}

/* main > parse > node (100); main > loop (40); main > loop > node (10) */
static const struct mr_flame_source plain[] = {
	{ MR_FLAME_NONE, MAIN, COST(0) },
	{ 0, PARSE, COST(0) },
	{ 1, NODE, COST(100) },
	{ 0, LOOP, COST(40) },
	{ 3, NODE, COST(10) },
};

/* One of the two trees. */
static int build(struct mr_flame *flame, const struct mr_flame_source *sources, size_t count, uint32_t frames,
                 bool inverted, size_t nodes_max, struct mr_error *err)
{
	struct mr_flame outer = { 0 }, inner = { 0 };
	const int status = mr_flame_build(sources, count, frames, nodes_max, &outer, &inner, err);
	mr_flame_release(inverted ? &outer : &inner);
	*flame = inverted ? inner : outer;
	return status;
}

static const struct mr_flame_node *find(const struct mr_flame *flame, uint32_t parent, uint32_t frame)
{
	for (size_t i = 0; i < flame->count; i++)
		if (flame->nodes[i].parent == parent && flame->nodes[i].frame == frame)
			return &flame->nodes[i];
	return NULL;
}

static uint32_t at(const struct mr_flame *flame, const struct mr_flame_node *node)
{
	cr_assert_not_null(node);
	return (uint32_t)(node - flame->nodes);
}

/* No node has less than its children together. */
static void expect_sums(const struct mr_flame *flame)
{
	for (size_t i = 0; i < flame->count; i++)
		for (size_t c = 0; c < MR_COST_KINDS; c++) {
			uint64_t sum = 0;
			for (size_t k = i + 1; k < flame->count; k++)
				sum += flame->nodes[k].parent == i ? flame->nodes[k].cost[c] : 0;
			cr_expect_leq(sum, flame->nodes[i].cost[c], "node %zu, cost %zu", i, c);
		}
}

Test(flame, build__sums_up_from_the_outer_end)
{
	struct mr_flame flame = { 0 };
	cr_assert_eq(build(&flame, plain, MR_ARRAY_LEN(plain), FRAMES, false, 100, NULL), 0);
	cr_expect_eq(flame.count, 6);
	cr_expect_eq(flame.nodes[0].frame, MR_FLAME_ALL);
	cr_expect_eq(flame.nodes[0].cost[MR_COST_PEAK], 150);
	const uint32_t root = at(&flame, find(&flame, 0, MAIN));
	cr_expect_eq(find(&flame, root, LOOP)->cost[MR_COST_PEAK], 50);
	cr_expect_eq(find(&flame, root, PARSE)->cost[MR_COST_LEAKED], 50);
	cr_expect_eq(find(&flame, at(&flame, find(&flame, root, PARSE)), NODE)->depth, 3);
	expect_sums(&flame);
	mr_flame_release(&flame);
}

Test(flame, build__sums_up_from_the_inner_end)
{
	struct mr_flame flame = { 0 };
	cr_assert_eq(build(&flame, plain, MR_ARRAY_LEN(plain), FRAMES, true, 100, NULL), 0);
	cr_expect_eq(flame.nodes[0].cost[MR_COST_PEAK], 150);
	const uint32_t node = at(&flame, find(&flame, 0, NODE));
	cr_expect_eq(flame.nodes[node].cost[MR_COST_PEAK], 110);
	cr_expect_eq(find(&flame, 0, LOOP)->cost[MR_COST_PEAK], 40, "without what it calls");
	cr_expect_eq(find(&flame, node, PARSE)->cost[MR_COST_PEAK], 100);
	cr_expect_eq(find(&flame, node, LOOP)->cost[MR_COST_PEAK], 10);
	cr_expect_eq(find(&flame, at(&flame, find(&flame, node, LOOP)), MAIN)->cost[MR_COST_PEAK], 10);
	expect_sums(&flame);
	mr_flame_release(&flame);
}

Test(flame, build__folds_functions_that_call_each_other_in_a_circle)
{
	/* main > parse > node > parse > node > node, and from there loop */
	static const struct mr_flame_source turns[] = {
		{ MR_FLAME_NONE, MAIN, COST(0) },
		{ 0, PARSE, COST(0) },
		{ 1, NODE, COST(1) },
		{ 2, PARSE, COST(2) },
		{ 3, NODE, COST(4) },
		{ 4, NODE, COST(8) },
		{ 5, LOOP, COST(16) },
	};
	struct mr_flame flame = { 0 };
	cr_assert_eq(build(&flame, turns, MR_ARRAY_LEN(turns), FRAMES, false, 100, NULL), 0);
	const uint32_t parse = at(&flame, find(&flame, at(&flame, find(&flame, 0, MAIN)), PARSE));
	const uint32_t node = at(&flame, find(&flame, parse, NODE));
	cr_expect_eq(flame.nodes[0].cost[MR_COST_PEAK], 31);
	cr_expect_eq(flame.nodes[node].cost[MR_COST_PEAK], 31);
	cr_expect_eq(find(&flame, node, LOOP)->cost[MR_COST_PEAK], 16);
	cr_expect_eq(find(&flame, node, PARSE)->cost[MR_COST_PEAK], 2, "half a circle is no circle");
	expect_sums(&flame);
	mr_flame_release(&flame);
}

Test(flame, build__names_what_has_no_room)
{
	static struct mr_flame_source many[1001] = { { MR_FLAME_NONE, 0, COST(0) } };
	for (uint32_t i = 1; i < MR_ARRAY_LEN(many); i++)
		many[i] = (struct mr_flame_source){ 0, i, COST(i) };
	for (int inverted = 0; inverted < 2; inverted++) {
		struct mr_flame flame = { 0 };
		cr_assert_eq(build(&flame, many, MR_ARRAY_LEN(many), 1001, inverted, 100, NULL), 0);
		cr_expect_leq(flame.count, 200);
		const uint32_t parent = inverted ? 0 : at(&flame, find(&flame, 0, 0));
		const struct mr_flame_node *rest = find(&flame, parent, MR_FLAME_REST);
		cr_assert_not_null(rest);
		cr_expect_gt(rest->folded, 800);
		uint64_t sum = 0;
		for (size_t i = 0; i < flame.count; i++)
			sum += flame.nodes[i].parent == parent ? flame.nodes[i].cost[MR_COST_PEAK] : 0;
		cr_expect_eq(sum, 1000 * 1001 / 2);
		mr_flame_release(&flame);
	}
}

Test(flame, build__takes_nothing_for_nothing)
{
	struct mr_flame flame = { 0 };
	for (int inverted = 0; inverted < 2; inverted++) {
		cr_assert_eq(build(&flame, NULL, 0, 0, inverted, 100, NULL), 0);
		cr_expect_eq(flame.count, 1);
		cr_expect_eq(flame.nodes[0].cost[MR_COST_PEAK], 0);
		mr_flame_release(&flame);
	}
}
