/* SPDX-License-Identifier: MIT
 *
 * A component of a graph in ranks, long edges split so that each part leads from
 * one rank to the next.  Private to graph_*.c.
 */
#ifndef MR_GRAPH_LAYERS_H
#define MR_GRAPH_LAYERS_H

#include "graph_layout.h"

#define MR_LAYERS_NONE UINT32_MAX

/* Memory that goes at once. */
struct mr_layers_memory {
	void *pieces[48];
	size_t count;
	bool failed;
};

/* Zeroed; NULL when there is none. */
void *mr_layers_take(struct mr_layers_memory *memory, size_t count, size_t size_bytes);
void mr_layers_give_back(struct mr_layers_memory *memory);

struct mr_layers_part { /* of an edge, from a rank to the next */
	uint32_t upper, lower;
};

struct mr_layers_side {  /* of a vertex, the parts on one side of it */
	uint32_t *first; /* by vertex, and one more */
	uint32_t *parts; /* numbers of parts */
};

struct mr_layers {
	struct mr_layers_memory memory;
	uint32_t count, box_count; /* vertices: the boxes, then the bends of long edges */
	uint32_t rank_count;
	uint32_t *rank; /* of each vertex */
	double *extent; /* of each vertex along its rank */
	uint32_t part_count;
	struct mr_layers_part *parts;
	struct mr_layers_side up, down;
	uint32_t *layer_first; /* by rank, and one more */
	uint32_t *layers;      /* vertices of each rank, in order */
	uint32_t *place;       /* of a vertex in its rank */
	double *along;         /* the coordinate of a vertex's middle along its rank */
};

struct mr_layers_link { /* an edge that is no loop */
	uint32_t edge;
	uint32_t upper, lower; /* boxes of the component, cycles broken */
	uint32_t first;        /* its parts; MR_LAYERS_NONE: it goes round */
	bool turned;           /* it leads from LOWER to UPPER */
};

struct mr_layers_component {
	const struct mr_layout_graph *graph;
	const uint32_t *boxes; /* numbers in the graph */
	uint32_t box_count;
	struct mr_layers_link *links;
	uint32_t link_count;
	uint32_t *out_first, *out; /* links that leave a box */
	struct mr_layers layers;
	double *rank_middle, *rank_depth; /* across the ranks */
	double left, right, depth;        /* along the ranks; across them */
};

static inline double mr_layers_along(const struct mr_layout_graph *graph, const struct mr_layout_box *box)
{
	return graph->across ? box->height : box->width;
}

static inline double mr_layers_depth(const struct mr_layout_graph *graph, const struct mr_layout_box *box)
{
	return graph->across ? box->width : box->height;
}

/* Puts the numbers 0 to COUNT - 1 into ITEMS by their GROUPS: FIRST (zeroed, with one more) says where each
 * begins.  The group of a number is at KEYS, STRIDE bytes behind that of the number before. */
void mr_layers_group(const uint32_t *keys, size_t stride, uint32_t count, uint32_t groups, uint32_t *first,
                     uint32_t *items);
/* Fills COMPONENT's layers: ranks, order, coordinates.  LOOPS: by number in the graph, which boxes have
 * one.  -1: no memory. */
int mr_layers_make(struct mr_layers_component *component, const bool *loops) MR_MUST_CHECK;
/* Puts the vertices of each rank in an order with few crossings (graph_order.c); -1: no memory. */
int mr_layers_order(struct mr_layers *layers) MR_MUST_CHECK;
/* Gives every vertex its coordinate, GAP and more between boxes (graph_place.c); -1: no memory. */
int mr_layers_place(struct mr_layers *layers, double gap) MR_MUST_CHECK;

#endif
