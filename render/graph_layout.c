/* SPDX-License-Identifier: MIT
 *
 * The layout of a graph: its components one by one, each in ranks (graph_ranks.c),
 * put side by side and below each other; and where edges begin, bend and end.
 */
#include "graph_layout.h"

#include "graph_layers.h"

#include <math.h>
#include <stdlib.h>

#define PART_GAP 28.0  /* between components */
#define AROUND_GAP 7.0 /* between edges that go round */
#define AROUND_LANES 12
#define STEP_SHARE 0.06 /* of what an edge leads to the side, added to the gap between its ranks */
#define STEP_ROOM_MAX 90.0
#define PORT_GAP 16.0  /* between the ends of edges at a box, where it has the room */
#define PORT_SHARE 0.7 /* of a box's side that ends are spread over */

/* ---- From ranks to coordinates ------------------------------------------------------------ */

static int measure(struct mr_layers_component *component)
{
	struct mr_layers *layers = &component->layers;
	component->rank_middle = mr_layers_take(&layers->memory, layers->rank_count, sizeof(double));
	component->rank_depth = mr_layers_take(&layers->memory, layers->rank_count, sizeof(double));
	double *steps = mr_layers_take(&layers->memory, layers->rank_count, sizeof(double));
	if (layers->memory.failed)
		return -1;
	component->left = INFINITY;
	component->right = -INFINITY;
	for (uint32_t i = 0; i < layers->count; i++) {
		const double half = layers->extent[i] / 2;
		component->left = fmin(component->left, layers->along[i] - half);
		component->right = fmax(component->right, layers->along[i] + half);
	}
	for (uint32_t i = 0; i < layers->box_count; i++) {
		double *depth = &component->rank_depth[layers->rank[i]];
		*depth = fmax(*depth, mr_layers_depth(component->graph,
		                                      &component->graph->boxes[component->boxes[i]]));
	}
	for (uint32_t i = 0; i < layers->part_count; i++) {
		const struct mr_layers_part *part = &layers->parts[i];
		double *widest = &steps[layers->rank[part->upper]];
		*widest = fmax(*widest, fabs(layers->along[part->upper] - layers->along[part->lower]));
	}
	for (uint32_t rank = 0; rank < layers->rank_count; rank++) {
		/* What leads far to the side is given room to bend in. */
		if (rank > 0)
			component->depth += component->graph->rank_gap +
			                    fmin(STEP_SHARE * steps[rank - 1], STEP_ROOM_MAX);
		component->rank_middle[rank] = component->depth + component->rank_depth[rank] / 2;
		component->depth += component->rank_depth[rank];
	}
	return 0;
}

/* The middle of a box, without what its loop takes. */
static double box_middle(const struct mr_layers_component *component, uint32_t box)
{
	const struct mr_layout_box *of = &component->graph->boxes[component->boxes[box]];
	return component->layers.along[box] -
	       (component->layers.extent[box] - mr_layers_along(component->graph, of)) / 2;
}

struct end { /* of a part, at a box */
	double other;
	uint32_t part;
};

static int by_other(const void *a, const void *b)
{
	const struct end *one = a, *two = b;
	if (one->other != two->other)
		return one->other < two->other ? -1 : 1;
	return (one->part > two->part) - (one->part < two->part);
}

/* Spreads the ends of the parts on one side of each box over that side, in the order of their other ends. */
static int spread_ends(struct mr_layers_component *component, const struct mr_layers_side *side, bool up,
                       double *ends)
{
	struct mr_layers *layers = &component->layers;
	struct end *found = mr_layers_take(&layers->memory, layers->part_count, sizeof(*found));
	if (!found)
		return -1;
	for (uint32_t vertex = 0; vertex < layers->count; vertex++) {
		const uint32_t count = side->first[vertex + 1] - side->first[vertex];
		for (uint32_t i = 0; i < count; i++) {
			const uint32_t part = side->parts[side->first[vertex] + i];
			const uint32_t other = up ? layers->parts[part].upper : layers->parts[part].lower;
			found[i] = (struct end){ layers->along[other], part };
		}
		if (vertex >= layers->box_count) {
			ends[found[0].part] = layers->along[vertex];
			continue;
		}
		const double room =
			PORT_SHARE *
			mr_layers_along(component->graph, &component->graph->boxes[component->boxes[vertex]]);
		const double step = count > 1 ? fmin(PORT_GAP, room / (count - 1)) : 0;
		if (count > 1)
			qsort(found, count, sizeof(*found), by_other);
		for (uint32_t i = 0; i < count; i++)
			ends[found[i].part] = box_middle(component, vertex) + (i - (count - 1) / 2.0) * step;
	}
	return 0;
}

/* ---- Into the layout ------------------------------------------------------------------------ */

struct output {
	struct mr_layout *layout;
	size_t point_capacity;
	bool failed;
};

static void add_point(struct output *output, bool across, double along, double depth)
{
	struct mr_layout *layout = output->layout;
	if (output->failed || mr_grow(&layout->points, &output->point_capacity, layout->point_count + 1,
	                              sizeof(*layout->points)) < 0) {
		output->failed = true;
		return;
	}
	layout->points[layout->point_count++] =
		across ? (struct mr_layout_point){ depth, along } : (struct mr_layout_point){ along, depth };
}

/* The points from the upper box to the lower one. */
static void add_curves(struct output *output, const struct mr_layers_component *component,
                       const struct mr_layers_link *link, const double *starts, const double *ends)
{
	const struct mr_layers *layers = &component->layers;
	const struct mr_layout_graph *graph = component->graph;
	const bool across = graph->across;
	for (uint32_t part = link->first;; part++) {
		const struct mr_layers_part *at = &layers->parts[part];
		const double upper_half =
			at->upper < layers->box_count
				? mr_layers_depth(graph, &graph->boxes[component->boxes[at->upper]]) / 2
				: component->rank_depth[layers->rank[at->upper]] / 2;
		const double lower_half =
			at->lower < layers->box_count
				? mr_layers_depth(graph, &graph->boxes[component->boxes[at->lower]]) / 2
				: component->rank_depth[layers->rank[at->lower]] / 2;
		add_point(output, across, starts[part],
		          component->rank_middle[layers->rank[at->upper]] + upper_half);
		add_point(output, across, ends[part],
		          component->rank_middle[layers->rank[at->lower]] - lower_half);
		if (at->lower == link->lower)
			return;
	}
}

/* Beside all boxes, in one of a few lanes. */
static void add_bends(struct output *output, struct mr_layers_component *component,
                      const struct mr_layers_link *link, size_t lane)
{
	const struct mr_layers *layers = &component->layers;
	const struct mr_layout_graph *graph = component->graph;
	const uint32_t ends[] = { link->upper, link->lower };
	const double beside = component->right + AROUND_GAP * (double)(1 + lane % AROUND_LANES);
	for (size_t i = 0; i < 2; i++) {
		const uint32_t box = ends[i];
		const double half = mr_layers_along(graph, &graph->boxes[component->boxes[box]]) / 2;
		const double middle = component->rank_middle[layers->rank[box]];
		const double side = box_middle(component, box) + half;
		add_point(output, graph->across, i == 0 ? side : beside, middle);
		add_point(output, graph->across, i == 0 ? beside : side, middle);
	}
}

static void turn_points(struct mr_layout *layout, const struct mr_layout_path *path)
{
	for (size_t i = 0; i < path->count / 2; i++) {
		struct mr_layout_point *one = &layout->points[path->first + i],
				       *two = &layout->points[path->first + path->count - 1 - i];
		const struct mr_layout_point kept = *one;
		*one = *two;
		*two = kept;
	}
}

static int put_out(struct mr_layers_component *component, struct output *output)
{
	struct mr_layers *layers = &component->layers;
	struct mr_layout *layout = output->layout;
	double *starts = mr_layers_take(&layers->memory, layers->part_count, sizeof(*starts));
	double *ends = mr_layers_take(&layers->memory, layers->part_count, sizeof(*ends));
	size_t lanes = 0;
	if (measure(component) < 0 || !starts || !ends ||
	    spread_ends(component, &layers->down, false, starts) < 0 ||
	    spread_ends(component, &layers->up, true, ends) < 0)
		return -1;
	for (uint32_t i = 0; i < component->box_count; i++) {
		const struct mr_layout_box *box = &component->graph->boxes[component->boxes[i]];
		const double along = box_middle(component, i) - mr_layers_along(component->graph, box) / 2,
			     depth = component->rank_middle[layers->rank[i]] -
		                     mr_layers_depth(component->graph, box) / 2;
		layout->corners[component->boxes[i]] = component->graph->across
		                                               ? (struct mr_layout_point){ depth, along }
		                                               : (struct mr_layout_point){ along, depth };
		layout->ranks[component->boxes[i]] = layers->rank[i];
	}
	for (uint32_t i = 0; i < component->link_count; i++) {
		const struct mr_layers_link *link = &component->links[i];
		struct mr_layout_path *path = &layout->paths[link->edge];
		path->kind = link->first == MR_LAYERS_NONE ? MR_LAYOUT_BENDS : MR_LAYOUT_CURVES;
		path->first = layout->point_count;
		if (link->first == MR_LAYERS_NONE)
			add_bends(output, component, link, lanes++);
		else
			add_curves(output, component, link, starts, ends);
		path->count = layout->point_count - path->first;
		if (link->turned && !output->failed)
			turn_points(layout, path);
	}
	component->right += lanes > 0 ? AROUND_GAP * (AROUND_LANES + 1) : 0;
	if (layers->rank_count > layout->rank_count)
		layout->rank_count = layers->rank_count;
	return output->failed ? -1 : 0;
}

/* ---- All components --------------------------------------------------------------------------- */

/* What belongs to each component: numbers of boxes, of edges. */
struct parts {
	struct mr_layers_memory memory;
	uint32_t count;
	uint32_t *box_first, *boxes; /* by component, and one more */
	uint32_t *edge_first, *edges;
	uint32_t *local; /* of a box, its number in its component */
	bool *loops;     /* a box has one */
};

static uint32_t find(uint32_t *above, uint32_t box)
{
	while (above[box] != box)
		box = above[box] = above[above[box]];
	return box;
}

/* Components by their first boxes. */
static int find_parts(const struct mr_layout_graph *graph, struct mr_layout *layout, struct parts *parts)
{
	struct mr_layers_memory *memory = &parts->memory;
	uint32_t *above = mr_layers_take(memory, graph->box_count, sizeof(*above));
	uint32_t *edge_parts = mr_layers_take(memory, graph->edge_count, sizeof(*edge_parts));
	parts->box_first = mr_layers_take(memory, graph->box_count + 1, sizeof(uint32_t));
	parts->boxes = mr_layers_take(memory, graph->box_count, sizeof(uint32_t));
	parts->edge_first = mr_layers_take(memory, graph->box_count + 1, sizeof(uint32_t));
	parts->edges = mr_layers_take(memory, graph->edge_count, sizeof(uint32_t));
	parts->local = mr_layers_take(memory, graph->box_count, sizeof(uint32_t));
	parts->loops = mr_layers_take(memory, graph->box_count, sizeof(bool));
	if (memory->failed)
		return -1;
	for (uint32_t i = 0; i < graph->box_count; i++)
		above[i] = i;
	for (size_t i = 0; i < graph->edge_count; i++) {
		const uint32_t one = find(above, graph->edges[i].from), two = find(above, graph->edges[i].to);
		above[one > two ? one : two] = one > two ? two : one;
		parts->loops[graph->edges[i].from] |= graph->edges[i].from == graph->edges[i].to;
	}
	for (uint32_t i = 0; i < graph->box_count; i++) {
		const uint32_t first = find(above, i);
		layout->parts[i] = first == i ? parts->count++ : layout->parts[first];
	}
	for (size_t i = 0; i < graph->edge_count; i++)
		edge_parts[i] = layout->parts[graph->edges[i].from];
	mr_layers_group(layout->parts, sizeof(*layout->parts), (uint32_t)graph->box_count, parts->count,
	                parts->box_first, parts->boxes);
	mr_layers_group(edge_parts, sizeof(*edge_parts), (uint32_t)graph->edge_count, parts->count,
	                parts->edge_first, parts->edges);
	for (uint32_t part = 0; part < parts->count; part++)
		for (uint32_t i = parts->box_first[part]; i < parts->box_first[part + 1]; i++)
			parts->local[parts->boxes[i]] = i - parts->box_first[part];
	return 0;
}

static int lay_out_part(const struct mr_layout_graph *graph, const struct parts *parts, uint32_t part,
                        struct output *output, struct mr_layers_component *component)
{
	*component = (struct mr_layers_component){ .graph = graph,
		                                   .boxes = parts->boxes + parts->box_first[part],
		                                   .box_count = parts->box_first[part + 1] -
		                                                parts->box_first[part] };
	component->links = mr_layers_take(&component->layers.memory,
	                                  parts->edge_first[part + 1] - parts->edge_first[part],
	                                  sizeof(*component->links));
	if (!component->links)
		return -1;
	for (uint32_t i = parts->edge_first[part]; i < parts->edge_first[part + 1]; i++) {
		const struct mr_layout_edge *edge = &graph->edges[parts->edges[i]];
		if (edge->from != edge->to)
			component->links[component->link_count++] =
				(struct mr_layers_link){ .edge = parts->edges[i],
				                         .upper = parts->local[edge->from],
				                         .lower = parts->local[edge->to] };
	}
	if (mr_layers_make(component, parts->loops) < 0)
		return -1;
	return put_out(component, output);
}

struct shelf {
	double left, top, height;
};

/* Moves a component, whose points are those from FIRST_POINT on, to its place on the shelf. */
static void put_on_shelf(struct mr_layout *layout, const struct mr_layers_component *component,
                         size_t first_point, double wanted_width, struct shelf *shelf)
{
	const bool across = component->graph->across;
	const double extent = component->right - component->left;
	const double width = across ? component->depth : extent, height = across ? extent : component->depth;
	if (shelf->left > 0 && shelf->left + width > fmax(wanted_width, layout->width)) {
		shelf->top += shelf->height + PART_GAP;
		shelf->left = shelf->height = 0;
	}
	const double x = shelf->left - (across ? 0 : component->left),
		     y = shelf->top - (across ? component->left : 0);
	for (uint32_t i = 0; i < component->box_count; i++) {
		layout->corners[component->boxes[i]].x += x;
		layout->corners[component->boxes[i]].y += y;
	}
	for (size_t i = first_point; i < layout->point_count; i++) {
		layout->points[i].x += x;
		layout->points[i].y += y;
	}
	layout->width = fmax(layout->width, shelf->left + width);
	layout->height = fmax(layout->height, shelf->top + height);
	shelf->left += width + PART_GAP;
	shelf->height = fmax(shelf->height, height);
}

static int lay_out(const struct mr_layout_graph *graph, struct mr_layout *layout)
{
	struct parts parts = { .count = 0 };
	struct output output = { .layout = layout };
	struct shelf shelf = { 0, 0, 0 };
	layout->across = graph->across;
	layout->ranks = mr_alloc((graph->box_count + 1) * sizeof(*layout->ranks));
	layout->parts = mr_alloc((graph->box_count + 1) * sizeof(*layout->parts));
	layout->corners = mr_alloc((graph->box_count + 1) * sizeof(*layout->corners));
	layout->paths = mr_alloc((graph->edge_count + 1) * sizeof(*layout->paths));
	int status = layout->ranks && layout->parts && layout->corners && layout->paths ? 0 : -1;
	if (status == 0)
		status = find_parts(graph, layout, &parts);
	for (uint32_t part = 0; part < parts.count && status == 0; part++) {
		struct mr_layers_component component;
		const size_t first_point = layout->point_count;
		status = lay_out_part(graph, &parts, part, &output, &component);
		if (status == 0)
			put_on_shelf(layout, &component, first_point, graph->wanted_width, &shelf);
		mr_layers_give_back(&component.layers.memory);
	}
	mr_layers_give_back(&parts.memory);
	return status;
}

int mr_layout_make(const struct mr_layout_graph *graph, struct mr_layout *layout, struct mr_error *err)
{
	struct mr_layout made = { 0 };
	MR_FAIL_IF(graph->box_count >= UINT32_MAX / 4 || graph->edge_count >= UINT32_MAX / 4, err,
	           MR_ERR_LIMIT, "a graph of %zu boxes and %zu edges is too large to draw", graph->box_count,
	           graph->edge_count);
	for (size_t i = 0; i < graph->edge_count; i++)
		MR_FAIL_IF(graph->edges[i].from >= graph->box_count || graph->edges[i].to >= graph->box_count,
		           err, MR_ERR_ARG, "edge %zu of a graph names no box", i);
	if (lay_out(graph, &made) < 0) {
		mr_layout_release(&made);
		return mr_fail(err, MR_ERR_NOMEM, "no memory for a graph of %zu boxes", graph->box_count);
	}
	*layout = made;
	return 0;
}

void mr_layout_release(struct mr_layout *layout)
{
	mr_free(layout->ranks);
	mr_free(layout->parts);
	mr_free(layout->corners);
	mr_free(layout->paths);
	mr_free(layout->points);
	memset(layout, 0, sizeof(*layout));
}
