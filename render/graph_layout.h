/* SPDX-License-Identifier: MIT
 *
 * Where the boxes of a graph go: in ranks, so that references lead one way as far
 * as there are no cycles, with few crossings and straight long edges.  Knows
 * nothing of canvases; chart_graph.c draws what it finds.
 *
 * graph_ranks.c breaks cycles and ranks; graph_order.c orders the boxes of a rank;
 * graph_place.c gives them coordinates; graph_layout.c puts components together.
 * Same graph, same layout.
 */
#ifndef MR_GRAPH_LAYOUT_H
#define MR_GRAPH_LAYOUT_H

#include "base.h"

#define MR_LAYOUT_LOOP 18.0 /* what an edge from a box to itself takes beside the box */

struct mr_layout_box {
	double width, height;
	bool first; /* it is among those that lead to others where there is a choice */
};

struct mr_layout_edge {
	uint32_t from, to; /* numbers of boxes; the same: a loop */
};

struct mr_layout_graph {
	size_t box_count, edge_count;
	const struct mr_layout_box *boxes;
	const struct mr_layout_edge *edges;
	bool across;         /* ranks side by side, from left to right; otherwise from top to bottom */
	double rank_gap;     /* between ranks */
	double wanted_width; /* components are put side by side up to this width */
};

struct mr_layout_point {
	double x, y;
};

enum mr_layout_path_kind {
	MR_LAYOUT_LOOPS,  /* no points: at the right of its box, or below it where ranks are side by side */
	MR_LAYOUT_CURVES, /* between points 1 and 2 a curve that leaves and enters at right angles to the
	                   * ranks, between 2 and 3 a straight line, and so on */
	MR_LAYOUT_BENDS,  /* straight lines with corners */
};

struct mr_layout_path {
	enum mr_layout_path_kind kind;
	size_t first, count; /* its points, from the edge's beginning to its end */
};

struct mr_layout {
	double width, height;
	bool across;
	size_t rank_count;               /* of the component that has most */
	uint32_t *ranks;                 /* of each box */
	uint32_t *parts;                 /* the component that it is in */
	struct mr_layout_point *corners; /* of each box: left and top */
	struct mr_layout_path *paths;    /* of each edge */
	struct mr_layout_point *points;
	size_t point_count;
};

/* Boxes do not overlap; all but loops and the edges that had to be turned to break cycles lead to a higher
 * rank.  Freed with mr_layout_release().  MR_ERR_ARG: an edge names no box. */
int mr_layout_make(const struct mr_layout_graph *graph, struct mr_layout *layout, struct mr_error *err)
	MR_MUST_CHECK;
void mr_layout_release(struct mr_layout *layout);

#endif
