/* SPDX-License-Identifier: MIT
 *
 * Layouts of graphs of every kind: boxes keep clear of each other, edges lead to
 * higher ranks, lines begin and end at their boxes, and the same graph gives the
 * same layout.
 */
#include "graph_layout.h"

#include <criterion/criterion.h>
#include <math.h>

#define BOXES_MAX 512
#define EDGES_MAX 2048

static struct mr_layout_box boxes[BOXES_MAX];
static struct mr_layout_edge edges[EDGES_MAX];
static size_t box_count, edge_count;
static uint32_t seed;

static uint32_t any_below(uint32_t limit)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 8) % limit;
}

static void begin(size_t count)
{
	seed = 7;
	box_count = count;
	edge_count = 0;
	for (size_t i = 0; i < count; i++)
		boxes[i] = (struct mr_layout_box){ 60 + any_below(120), i % 5 ? 40 : 26, false };
}

static void edge(size_t from, size_t to)
{
	edges[edge_count++] = (struct mr_layout_edge){ (uint32_t)from, (uint32_t)to };
}

static struct mr_layout make(bool across)
{
	const struct mr_layout_graph graph = { box_count, edge_count, boxes, edges, across, 46, 1000 };
	struct mr_layout layout = { 0 };
	struct mr_error err = { 0 };

	cr_assert_eq(mr_layout_make(&graph, &layout, &err), 0, "%s", err.message);
	return layout;
}

static bool apart(const struct mr_layout *layout, size_t one, size_t two)
{
	const struct mr_layout_point a = layout->corners[one], b = layout->corners[two];

	return a.x + boxes[one].width <= b.x + 1e-6 || b.x + boxes[two].width <= a.x + 1e-6 ||
	       a.y + boxes[one].height <= b.y + 1e-6 || b.y + boxes[two].height <= a.y + 1e-6;
}

static bool at_box(const struct mr_layout *layout, size_t box, struct mr_layout_point point)
{
	const struct mr_layout_point corner = layout->corners[box];

	return point.x >= corner.x - 1e-6 && point.x <= corner.x + boxes[box].width + 1e-6 &&
	       point.y >= corner.y - 1e-6 && point.y <= corner.y + boxes[box].height + 1e-6;
}

/* Nothing overlaps, all is inside, every line joins its boxes. */
static void expect_sound(const struct mr_layout *layout)
{
	for (size_t i = 0; i < box_count; i++) {
		const struct mr_layout_point corner = layout->corners[i];

		cr_assert(corner.x >= -1e-6 && corner.y >= -1e-6 &&
		                  corner.x + boxes[i].width <= layout->width + 1e-6 &&
		                  corner.y + boxes[i].height <= layout->height + 1e-6,
		          "box %zu at %g, %g is outside of %g x %g", i, corner.x, corner.y, layout->width,
		          layout->height);
		for (size_t k = 0; k < i; k++)
			cr_assert(apart(layout, i, k), "boxes %zu and %zu overlap", k, i);
	}
	for (size_t i = 0; i < edge_count; i++) {
		const struct mr_layout_path *path = &layout->paths[i];

		if (edges[i].from == edges[i].to) {
			cr_assert_eq(path->kind, MR_LAYOUT_LOOPS);
			continue;
		}
		cr_assert(path->count >= 2 && path->first + path->count <= layout->point_count);
		cr_assert(at_box(layout, edges[i].from, layout->points[path->first]), "edge %zu", i);
		cr_assert(at_box(layout, edges[i].to, layout->points[path->first + path->count - 1]),
		          "edge %zu", i);
	}
	for (size_t i = 0; i < layout->point_count; i++)
		cr_assert(isfinite(layout->points[i].x) && isfinite(layout->points[i].y));
}

/* Edges that lead to the same rank or a lower one: what cycles need. */
static size_t turned(const struct mr_layout *layout)
{
	size_t count = 0;

	for (size_t i = 0; i < edge_count; i++)
		count += edges[i].from != edges[i].to &&
		         layout->ranks[edges[i].to] <= layout->ranks[edges[i].from];
	return count;
}

static void expect_both_ways(size_t turned_wanted)
{
	for (int across = 0; across < 2; across++) {
		struct mr_layout layout = make(across);

		expect_sound(&layout);
		cr_expect_eq(turned(&layout), turned_wanted);
		mr_layout_release(&layout);
	}
}

Test(graph_layout, nothing__has_no_size)
{
	begin(0);
	struct mr_layout layout = make(false);

	cr_expect(layout.width == 0 && layout.height == 0);
	mr_layout_release(&layout);
}

Test(graph_layout, one_box__is_the_whole)
{
	begin(1);
	edge(0, 0);
	struct mr_layout layout = make(false);

	expect_sound(&layout);
	cr_expect(layout.width >= boxes[0].width + MR_LAYOUT_LOOP);
	cr_expect_eq(layout.height, boxes[0].height);
	mr_layout_release(&layout);
}

Test(graph_layout, chain__is_straight)
{
	begin(20);
	for (size_t i = 1; i < box_count; i++)
		edge(i - 1, i);
	struct mr_layout layout = make(false);

	expect_sound(&layout);
	cr_expect_eq(layout.rank_count, 20);
	for (size_t i = 0; i < edge_count; i++) {
		const struct mr_layout_point *points = layout.points + layout.paths[i].first;

		cr_expect(fabs(points[0].x - points[1].x) < 1e-6, "edge %zu is not straight", i);
	}
	mr_layout_release(&layout);
}

Test(graph_layout, tree__leads_down)
{
	begin(121);
	for (size_t i = 1; i < box_count; i++)
		edge((i - 1) / 3, i);
	expect_both_ways(0);
}

/* Crossings of the straight lines between neighbouring ranks. */
static size_t crossings(const struct mr_layout *layout)
{
	size_t count = 0;

	for (size_t i = 0; i < edge_count; i++)
		for (size_t k = 0; k < i; k++) {
			const double from =
				layout->corners[edges[i].from].x - layout->corners[edges[k].from].x;
			const double to = layout->corners[edges[i].to].x - layout->corners[edges[k].to].x;

			count +=
				layout->ranks[edges[i].from] == layout->ranks[edges[k].from] && from * to < 0;
		}
	return count;
}

Test(graph_layout, tree__has_no_crossing)
{
	begin(40);
	/* In an order that does not give it away. */
	for (size_t i = 39; i > 0; i--)
		edge(i * 7 % 40 == 0 ? 0 : (i * 7 % 40 - 1) / 3, i * 7 % 40);
	struct mr_layout layout = make(false);

	expect_sound(&layout);
	cr_expect_eq(crossings(&layout), 0);
	mr_layout_release(&layout);
}

Test(graph_layout, long_edge__is_straight_between_its_ends)
{
	begin(6);
	for (size_t i = 1; i < 6; i++)
		edge(i - 1, i);
	edge(0, 5);
	struct mr_layout layout = make(false);
	const struct mr_layout_path *path = &layout.paths[5];

	expect_sound(&layout);
	cr_assert_eq(path->count, 10);
	for (size_t i = 2; i + 2 < path->count; i++)
		cr_expect(fabs(layout.points[path->first + i].x - layout.points[path->first + 1].x) < 1e-6,
		          "bend %zu is aside by %g", i,
		          layout.points[path->first + i].x - layout.points[path->first + 1].x);
	mr_layout_release(&layout);
}

Test(graph_layout, cycle__turns_one_edge)
{
	begin(5);
	for (size_t i = 0; i < 5; i++)
		edge(i, (i + 1) % 5);
	expect_both_ways(1);
}

Test(graph_layout, roots__come_first_in_cycles)
{
	begin(3);
	edge(0, 1);
	edge(1, 2);
	edge(2, 0);
	boxes[2].first = true;
	struct mr_layout layout = make(false);

	cr_expect_eq(layout.ranks[2], 0);
	cr_expect_eq(layout.ranks[0], 1);
	cr_expect_eq(layout.ranks[1], 2);
	mr_layout_release(&layout);
}

Test(graph_layout, two_edges_between_two_boxes__do_not_lie_on_each_other)
{
	begin(2);
	edge(0, 1);
	edge(1, 0);
	struct mr_layout layout = make(false);

	expect_sound(&layout);
	cr_expect(fabs(layout.points[layout.paths[0].first].x - layout.points[layout.paths[1].first + 1].x) >
	          5);
	mr_layout_release(&layout);
}

Test(graph_layout, components__lie_apart)
{
	begin(90);
	for (size_t i = 0; i < 90; i++)
		edge(i, i / 3 * 3 + (i + 1) % 3);
	struct mr_layout layout = make(false);

	expect_sound(&layout);
	cr_expect_eq(layout.parts[89], 29);
	cr_expect(layout.width <= 1000);
	mr_layout_release(&layout);
}

Test(graph_layout, fan_out__of_all_boxes)
{
	begin(BOXES_MAX);
	for (size_t i = 1; i < box_count; i++)
		edge(0, i);
	expect_both_ways(0);
}

static void random_graph(size_t count)
{
	begin(BOXES_MAX);
	for (size_t i = 0; i < count; i++) {
		const uint32_t from = any_below(BOXES_MAX); /* in this order whatever the compiler */

		edge(from, any_below(BOXES_MAX));
	}
}

Test(graph_layout, many_edges__at_random)
{
	random_graph(EDGES_MAX);
	for (int across = 0; across < 2; across++) {
		struct mr_layout layout = make(across);

		expect_sound(&layout);
		cr_expect(turned(&layout) < edge_count / 2);
		mr_layout_release(&layout);
	}
}

Test(graph_layout, long_edges__beyond_a_number_go_round)
{
	size_t round = 0;

	begin(BOXES_MAX);
	for (size_t i = 1; i < box_count; i++)
		edge(i - 1, i);
	while (edge_count < EDGES_MAX) {
		const size_t from = any_below(BOXES_MAX / 2);

		edge(from, from + 1 + any_below(BOXES_MAX / 2 - 1));
	}
	struct mr_layout layout = make(false);

	expect_sound(&layout);
	cr_expect_eq(turned(&layout), 0);
	for (size_t i = 0; i < edge_count; i++)
		round += layout.paths[i].kind == MR_LAYOUT_BENDS;
	cr_expect(round > 0 && round < edge_count * 3 / 4, "%zu edges", round);
	mr_layout_release(&layout);
}

Test(graph_layout, same_graph__same_layout)
{
	random_graph(700);
	struct mr_layout one = make(false), two = make(false);

	cr_assert_eq(one.point_count, two.point_count);
	cr_expect(memcmp(one.corners, two.corners, box_count * sizeof(*one.corners)) == 0);
	cr_expect(memcmp(one.points, two.points, one.point_count * sizeof(*one.points)) == 0);
	mr_layout_release(&one);
	mr_layout_release(&two);
}

Test(graph_layout, edge_without_a_box__is_refused)
{
	begin(2);
	edge(0, 2);
	const struct mr_layout_graph graph = { box_count, edge_count, boxes, edges, false, 46, 1000 };
	struct mr_layout layout = { 0 };
	struct mr_error err = { 0 };

	cr_expect_eq(mr_layout_make(&graph, &layout, &err), MR_ERR_ARG);
	cr_expect_str_eq(err.message, "edge 0 of a graph names no box");
}
