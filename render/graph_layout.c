/* SPDX-License-Identifier: MIT
 *
 * The layout of a graph: its components one by one (cycles broken by a walk depth
 * first, ranks by longest paths and then as near to the followers as they can be,
 * long edges split), put side by side and below each other.
 *
 * Work follows the number of boxes and edges: of the parts that long edges are
 * split into there is a limit, beyond which the longest go round the outside.
 */
#include "graph_layout.h"

#include "graph_layers.h"

#include <math.h>
#include <stdlib.h>

#define BENDS_MIN 1000  /* of long edges, however few boxes there are */
#define BENDS_PER_BOX 8 /* and edge */
#define BEND_EXTENT 6.0
#define PART_GAP 28.0  /* between components */
#define AROUND_GAP 7.0 /* between edges that go round */
#define AROUND_LANES 12
#define PORT_GAP 16.0  /* between the ends of edges at a box, where it has the room */
#define PORT_SHARE 0.7 /* of a box's side that ends are spread over */

/* ---- Memory ------------------------------------------------------------------------ */

void *mr_layers_take(struct mr_layers_memory *memory, size_t count, size_t size_bytes)
{
	size_t size = 0;
	void *piece = NULL;
	if (!memory->failed && memory->count < MR_ARRAY_LEN(memory->pieces) &&
	    !__builtin_mul_overflow(count + 1, size_bytes, &size))
		piece = mr_alloc(size);
	if (piece)
		memory->pieces[memory->count++] = piece;
	else
		memory->failed = true;
	return piece;
}

void mr_layers_give_back(struct mr_layers_memory *memory)
{
	while (memory->count > 0)
		mr_free(memory->pieces[--memory->count]);
	memory->failed = false;
}

int mr_layers_side_fill(struct mr_layers *layers, struct mr_layers_side *side,
                        uint32_t (*key)(const struct mr_layers *, uint32_t))
{
	side->first = mr_layers_take(&layers->memory, layers->count + 1, sizeof(*side->first));
	side->parts = mr_layers_take(&layers->memory, layers->part_count, sizeof(*side->parts));
	if (layers->memory.failed)
		return -1;
	for (uint32_t i = 0; i < layers->part_count; i++)
		side->first[key(layers, i) + 1]++;
	for (uint32_t i = 0; i < layers->count; i++)
		side->first[i + 1] += side->first[i];
	for (uint32_t i = 0; i < layers->part_count; i++)
		side->parts[side->first[key(layers, i)]++] = i;
	for (uint32_t i = layers->count; i > 0; i--)
		side->first[i] = side->first[i - 1];
	side->first[0] = 0;
	return 0;
}

/* ---- A component --------------------------------------------------------------------- */

struct link { /* an edge that is no loop */
	uint32_t edge;
	uint32_t upper, lower; /* boxes of the component, cycles broken */
	uint32_t first;        /* its parts; MR_LAYERS_NONE: it goes round */
	bool turned;           /* it leads from LOWER to UPPER */
};

struct component {
	const struct mr_layout_graph *graph;
	const uint32_t *boxes; /* numbers in the graph */
	uint32_t box_count;
	struct link *links;
	uint32_t link_count;
	uint32_t *out_first, *out; /* links that leave a box */
	struct mr_layers layers;
	double *rank_middle, *rank_depth; /* across the ranks */
	double left, right, depth;        /* along the ranks; across them */
};

static double along_of(const struct mr_layout_graph *graph, const struct mr_layout_box *box)
{
	return graph->across ? box->height : box->width;
}

static double depth_of(const struct mr_layout_graph *graph, const struct mr_layout_box *box)
{
	return graph->across ? box->width : box->height;
}

static int fill_out(struct component *component)
{
	struct mr_layers_memory *memory = &component->layers.memory;
	component->out_first = mr_layers_take(memory, component->box_count + 1, sizeof(uint32_t));
	component->out = mr_layers_take(memory, component->link_count, sizeof(uint32_t));
	if (memory->failed)
		return -1;
	for (uint32_t i = 0; i < component->link_count; i++)
		component->out_first[component->links[i].upper + 1]++;
	for (uint32_t i = 0; i < component->box_count; i++)
		component->out_first[i + 1] += component->out_first[i];
	for (uint32_t i = 0; i < component->link_count; i++)
		component->out[component->out_first[component->links[i].upper]++] = i;
	for (uint32_t i = component->box_count; i > 0; i--)
		component->out_first[i] = component->out_first[i - 1];
	component->out_first[0] = 0;
	return 0;
}

/* Walks depth first from START and turns the links that lead back into the walk. */
static void turn_from(struct component *component, uint32_t start, uint8_t *states, uint32_t *stack,
                      uint32_t *next)
{
	enum { NEW, OPEN, DONE };
	size_t height = 0;
	if (states[start] != NEW)
		return;
	stack[height++] = start;
	states[start] = OPEN;
	while (height > 0) {
		const uint32_t at = stack[height - 1];
		if (next[at] == component->out_first[at + 1]) {
			states[at] = DONE;
			height--;
			continue;
		}
		struct link *link = &component->links[component->out[next[at]++]];
		if (states[link->lower] == OPEN) {
			link->turned = true;
		} else if (states[link->lower] == NEW) {
			states[link->lower] = OPEN;
			stack[height++] = link->lower;
		}
	}
}

static int break_cycles(struct component *component)
{
	struct mr_layers_memory *memory = &component->layers.memory;
	const uint32_t count = component->box_count;
	uint8_t *states = mr_layers_take(memory, count, sizeof(*states));
	uint32_t *stack = mr_layers_take(memory, count, sizeof(*stack));
	uint32_t *next = mr_layers_take(memory, count, sizeof(*next));
	uint32_t *entries = mr_layers_take(memory, count, sizeof(*entries));
	if (memory->failed)
		return -1;
	memcpy(next, component->out_first, count * sizeof(*next));
	for (uint32_t i = 0; i < component->link_count; i++)
		entries[component->links[i].lower]++;
	/* Roots first, then what nothing leads to, then the rest. */
	for (uint32_t i = 0; i < count; i++)
		if (component->graph->boxes[component->boxes[i]].first)
			turn_from(component, i, states, stack, next);
	for (uint32_t i = 0; i < count; i++)
		if (entries[i] == 0)
			turn_from(component, i, states, stack, next);
	for (uint32_t i = 0; i < count; i++)
		turn_from(component, i, states, stack, next);
	for (uint32_t i = 0; i < component->link_count; i++) {
		struct link *link = &component->links[i];
		if (link->turned) {
			const uint32_t upper = link->upper;
			link->upper = link->lower;
			link->lower = upper;
		}
	}
	return fill_out(component); /* anew */
}

/* The boxes so that each comes before those it leads to. */
static uint32_t *order_boxes(struct component *component)
{
	struct mr_layers_memory *memory = &component->layers.memory;
	uint32_t *order = mr_layers_take(memory, component->box_count, sizeof(*order));
	uint32_t *entries = mr_layers_take(memory, component->box_count, sizeof(*entries));
	uint32_t done = 0, found = 0;
	if (memory->failed)
		return NULL;
	for (uint32_t i = 0; i < component->link_count; i++)
		entries[component->links[i].lower]++;
	for (uint32_t i = 0; i < component->box_count; i++)
		if (entries[i] == 0)
			order[found++] = i;
	for (; done < found; done++)
		for (uint32_t i = component->out_first[order[done]];
		     i < component->out_first[order[done] + 1]; i++)
			if (--entries[component->links[component->out[i]].lower] == 0)
				order[found++] = component->links[component->out[i]].lower;
	return order;
}

static int rank_boxes(struct component *component, uint32_t *ranks)
{
	const uint32_t *order = order_boxes(component);
	uint32_t *entries = mr_layers_take(&component->layers.memory, component->box_count, sizeof(*entries));
	if (!order || !entries)
		return -1;
	for (uint32_t i = 0; i < component->box_count; i++)
		for (uint32_t k = component->out_first[order[i]]; k < component->out_first[order[i] + 1];
		     k++) {
			const uint32_t lower = component->links[component->out[k]].lower;
			entries[lower]++;
			if (ranks[lower] < ranks[order[i]] + 1)
				ranks[lower] = ranks[order[i]] + 1;
		}
	/* Down to its followers where that makes more edges shorter than longer. */
	for (uint32_t i = component->box_count; i-- > 0;) {
		const uint32_t box = order[i];
		const uint32_t exits = component->out_first[box + 1] - component->out_first[box];
		uint32_t nearest = UINT32_MAX;
		for (uint32_t k = component->out_first[box]; k < component->out_first[box + 1]; k++) {
			const uint32_t lower = component->links[component->out[k]].lower;
			nearest = ranks[lower] < nearest ? ranks[lower] : nearest;
		}
		if (exits > entries[box] && nearest != UINT32_MAX)
			ranks[box] = nearest - 1;
	}
	uint32_t least = UINT32_MAX;
	for (uint32_t i = 0; i < component->box_count; i++)
		least = ranks[i] < least ? ranks[i] : least;
	for (uint32_t i = 0; i < component->box_count; i++)
		ranks[i] -= least;
	return 0;
}

/* ---- Long edges ------------------------------------------------------------------------- */

/* The length of edges up to which all together have no more bends than there may be. */
static int longest_split(struct component *component, const uint32_t *ranks, uint32_t *longest)
{
	uint64_t *bends = mr_layers_take(&component->layers.memory, component->box_count + 1, sizeof(*bends));
	if (!bends)
		return -1;
	const uint64_t most =
		BENDS_MIN + (uint64_t)BENDS_PER_BOX * (component->box_count + component->link_count);
	uint64_t sum = 0;
	for (uint32_t i = 0; i < component->link_count; i++) {
		const uint32_t length = ranks[component->links[i].lower] - ranks[component->links[i].upper];
		bends[length] += length - 1;
	}
	*longest = 1;
	for (uint32_t length = 1; length < component->box_count; length++) {
		sum += bends[length];
		if (sum > most)
			break;
		*longest = length;
	}
	return 0;
}

/* Vertices, parts and ranks of LAYERS from the boxes' RANKS. */
static int split_edges(struct component *component, const uint32_t *ranks)
{
	struct mr_layers *layers = &component->layers;
	uint32_t longest = 1;
	if (longest_split(component, ranks, &longest) < 0)
		return -1;
	layers->count = layers->box_count = component->box_count;
	for (uint32_t i = 0; i < component->link_count; i++) {
		struct link *link = &component->links[i];
		const uint32_t length = ranks[link->lower] - ranks[link->upper];
		link->first = length > longest ? MR_LAYERS_NONE : layers->part_count;
		layers->part_count += length > longest ? 0 : length;
		layers->count += length > longest ? 0 : length - 1;
	}
	layers->rank = mr_layers_take(&layers->memory, layers->count, sizeof(*layers->rank));
	layers->extent = mr_layers_take(&layers->memory, layers->count, sizeof(*layers->extent));
	layers->along = mr_layers_take(&layers->memory, layers->count, sizeof(*layers->along));
	layers->place = mr_layers_take(&layers->memory, layers->count, sizeof(*layers->place));
	layers->layers = mr_layers_take(&layers->memory, layers->count, sizeof(*layers->layers));
	layers->parts = mr_layers_take(&layers->memory, layers->part_count, sizeof(*layers->parts));
	if (layers->memory.failed)
		return -1;
	memcpy(layers->rank, ranks, layers->box_count * sizeof(*ranks));
	uint32_t bend = layers->box_count, part = 0;
	for (uint32_t i = 0; i < component->link_count; i++) {
		const struct link *link = &component->links[i];
		uint32_t upper = link->upper;
		if (link->first == MR_LAYERS_NONE)
			continue;
		for (uint32_t rank = ranks[upper] + 1; rank < ranks[link->lower]; rank++) {
			layers->rank[bend] = rank;
			layers->extent[bend] = BEND_EXTENT;
			layers->parts[part++] = (struct mr_layers_part){ upper, bend };
			upper = bend++;
		}
		layers->parts[part++] = (struct mr_layers_part){ upper, link->lower };
	}
	return 0;
}

static int make_layers(struct component *component, const bool *loops)
{
	struct mr_layers *layers = &component->layers;
	uint32_t *ranks = mr_layers_take(&layers->memory, component->box_count, sizeof(*ranks));
	if (!ranks || fill_out(component) < 0 || break_cycles(component) < 0 ||
	    rank_boxes(component, ranks) < 0 || split_edges(component, ranks) < 0)
		return -1;
	for (uint32_t i = 0; i < component->box_count; i++)
		layers->extent[i] =
			along_of(component->graph, &component->graph->boxes[component->boxes[i]]) +
			(loops[component->boxes[i]] ? MR_LAYOUT_LOOP : 0);
	for (uint32_t i = 0; i < layers->count; i++)
		if (layers->rank[i] + 1 > layers->rank_count)
			layers->rank_count = layers->rank[i] + 1;
	layers->layer_first =
		mr_layers_take(&layers->memory, layers->rank_count + 1, sizeof(*layers->layer_first));
	if (!layers->layer_first)
		return -1;
	for (uint32_t i = 0; i < layers->count; i++)
		layers->layer_first[layers->rank[i] + 1]++;
	for (uint32_t i = 0; i < layers->rank_count; i++)
		layers->layer_first[i + 1] += layers->layer_first[i];
	if (mr_layers_side_fill(layers, &layers->up, mr_layers_below) < 0 ||
	    mr_layers_side_fill(layers, &layers->down, mr_layers_above) < 0 || mr_layers_order(layers) < 0)
		return -1;
	return mr_layers_place(layers, component->graph->across ? 14 : 24);
}

/* ---- From ranks to coordinates ------------------------------------------------------------ */

static int measure(struct component *component)
{
	struct mr_layers *layers = &component->layers;
	component->rank_middle = mr_layers_take(&layers->memory, layers->rank_count, sizeof(double));
	component->rank_depth = mr_layers_take(&layers->memory, layers->rank_count, sizeof(double));
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
		*depth = fmax(*depth,
		              depth_of(component->graph, &component->graph->boxes[component->boxes[i]]));
	}
	for (uint32_t rank = 0; rank < layers->rank_count; rank++) {
		component->depth += rank > 0 ? component->graph->rank_gap : 0;
		component->rank_middle[rank] = component->depth + component->rank_depth[rank] / 2;
		component->depth += component->rank_depth[rank];
	}
	return 0;
}

/* The middle of a box, without what its loop takes. */
static double box_middle(const struct component *component, uint32_t box)
{
	const struct mr_layout_box *of = &component->graph->boxes[component->boxes[box]];
	return component->layers.along[box] -
	       (component->layers.extent[box] - along_of(component->graph, of)) / 2;
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
static int spread_ends(struct component *component, const struct mr_layers_side *side, bool up, double *ends)
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
		const double room = PORT_SHARE * along_of(component->graph,
		                                          &component->graph->boxes[component->boxes[vertex]]);
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
static void add_curves(struct output *output, const struct component *component, const struct link *link,
                       const double *starts, const double *ends)
{
	const struct mr_layers *layers = &component->layers;
	const struct mr_layout_graph *graph = component->graph;
	const bool across = graph->across;
	for (uint32_t part = link->first;; part++) {
		const struct mr_layers_part *at = &layers->parts[part];
		const double upper_half =
			at->upper < layers->box_count
				? depth_of(graph, &graph->boxes[component->boxes[at->upper]]) / 2
				: component->rank_depth[layers->rank[at->upper]] / 2;
		const double lower_half =
			at->lower < layers->box_count
				? depth_of(graph, &graph->boxes[component->boxes[at->lower]]) / 2
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
static void add_bends(struct output *output, struct component *component, const struct link *link,
                      size_t lane)
{
	const struct mr_layers *layers = &component->layers;
	const struct mr_layout_graph *graph = component->graph;
	const uint32_t ends[] = { link->upper, link->lower };
	const double beside = component->right + AROUND_GAP * (double)(1 + lane % AROUND_LANES);
	for (size_t i = 0; i < 2; i++) {
		const uint32_t box = ends[i];
		const double half = along_of(graph, &graph->boxes[component->boxes[box]]) / 2;
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

static int put_out(struct component *component, struct output *output)
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
		const double along = box_middle(component, i) - along_of(component->graph, box) / 2,
			     depth = component->rank_middle[layers->rank[i]] -
		                     depth_of(component->graph, box) / 2;
		layout->corners[component->boxes[i]] = component->graph->across
		                                               ? (struct mr_layout_point){ depth, along }
		                                               : (struct mr_layout_point){ along, depth };
		layout->ranks[component->boxes[i]] = layers->rank[i];
	}
	for (uint32_t i = 0; i < component->link_count; i++) {
		const struct link *link = &component->links[i];
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

static void sort_into(const uint32_t *part_of, size_t count, uint32_t part_count, uint32_t *first,
                      uint32_t *items)
{
	for (size_t i = 0; i < count; i++)
		first[part_of[i] + 1]++;
	for (uint32_t i = 0; i < part_count; i++)
		first[i + 1] += first[i];
	for (size_t i = 0; i < count; i++)
		items[first[part_of[i]]++] = (uint32_t)i;
	for (uint32_t i = part_count; i > 0; i--)
		first[i] = first[i - 1];
	first[0] = 0;
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
	sort_into(layout->parts, graph->box_count, parts->count, parts->box_first, parts->boxes);
	sort_into(edge_parts, graph->edge_count, parts->count, parts->edge_first, parts->edges);
	for (uint32_t part = 0; part < parts->count; part++)
		for (uint32_t i = parts->box_first[part]; i < parts->box_first[part + 1]; i++)
			parts->local[parts->boxes[i]] = i - parts->box_first[part];
	return 0;
}

static int lay_out_part(const struct mr_layout_graph *graph, const struct parts *parts, uint32_t part,
                        struct output *output, struct component *component)
{
	*component = (struct component){ .graph = graph,
		                         .boxes = parts->boxes + parts->box_first[part],
		                         .box_count = parts->box_first[part + 1] - parts->box_first[part] };
	component->links = mr_layers_take(&component->layers.memory,
	                                  parts->edge_first[part + 1] - parts->edge_first[part],
	                                  sizeof(*component->links));
	if (!component->links)
		return -1;
	for (uint32_t i = parts->edge_first[part]; i < parts->edge_first[part + 1]; i++) {
		const struct mr_layout_edge *edge = &graph->edges[parts->edges[i]];
		if (edge->from != edge->to)
			component->links[component->link_count++] =
				(struct link){ .edge = parts->edges[i],
				               .upper = parts->local[edge->from],
				               .lower = parts->local[edge->to] };
	}
	if (make_layers(component, parts->loops) < 0)
		return -1;
	return put_out(component, output);
}

struct shelf {
	double left, top, height;
};

/* Moves a component, whose points are those from FIRST_POINT on, to its place on the shelf. */
static void put_on_shelf(struct mr_layout *layout, const struct component *component, size_t first_point,
                         double wanted_width, struct shelf *shelf)
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
		struct component component;
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
