/* SPDX-License-Identifier: MIT
 *
 * A component in ranks: cycles broken by a walk depth first, ranks by longest paths
 * and then as near to the followers as they can be, long edges split.
 *
 * Work follows the number of boxes and edges: of the parts that long edges are
 * split into there is a limit, beyond which the longest go round the outside.
 */
#include "graph_layers.h"

#define BENDS_MIN 1000  /* of long edges, however few boxes there are */
#define BENDS_PER_BOX 8 /* and edge */
#define BEND_EXTENT 6.0

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

static uint32_t key_at(const uint32_t *keys, size_t stride, uint32_t number)
{
	uint32_t key;
	memcpy(&key, (const char *)keys + stride * number, sizeof(key));
	return key;
}

void mr_layers_group(const uint32_t *keys, size_t stride, uint32_t count, uint32_t groups, uint32_t *first,
                     uint32_t *items)
{
	for (uint32_t i = 0; i < count; i++)
		first[key_at(keys, stride, i) + 1]++;
	for (uint32_t i = 0; i < groups; i++)
		first[i + 1] += first[i];
	for (uint32_t i = 0; i < count; i++)
		items[first[key_at(keys, stride, i)]++] = i;
	for (uint32_t i = groups; i > 0; i--)
		first[i] = first[i - 1];
	first[0] = 0;
}

/* The parts by the vertex at KEYS, which is that of the first one: its upper or its lower. */
static int fill_side(struct mr_layers *layers, const uint32_t *keys, struct mr_layers_side *side)
{
	side->first = mr_layers_take(&layers->memory, layers->count + 1, sizeof(*side->first));
	side->parts = mr_layers_take(&layers->memory, layers->part_count, sizeof(*side->parts));
	if (layers->memory.failed)
		return -1;
	mr_layers_group(keys, sizeof(*layers->parts), layers->part_count, layers->count, side->first,
	                side->parts);
	return 0;
}

/* ---- Cycles and ranks ----------------------------------------------------------------- */

static int fill_out(struct mr_layers_component *component)
{
	struct mr_layers_memory *memory = &component->layers.memory;
	component->out_first = mr_layers_take(memory, component->box_count + 1, sizeof(uint32_t));
	component->out = mr_layers_take(memory, component->link_count, sizeof(uint32_t));
	if (memory->failed)
		return -1;
	mr_layers_group(&component->links->upper, sizeof(*component->links), component->link_count,
	                component->box_count, component->out_first, component->out);
	return 0;
}

/* Walks depth first from START and turns the links that lead back into the walk. */
static void turn_from(struct mr_layers_component *component, uint32_t start, uint8_t *states, uint32_t *stack,
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
		struct mr_layers_link *link = &component->links[component->out[next[at]++]];
		if (states[link->lower] == OPEN) {
			link->turned = true;
		} else if (states[link->lower] == NEW) {
			states[link->lower] = OPEN;
			stack[height++] = link->lower;
		}
	}
}

static int break_cycles(struct mr_layers_component *component)
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
		struct mr_layers_link *link = &component->links[i];
		if (link->turned) {
			const uint32_t upper = link->upper;
			link->upper = link->lower;
			link->lower = upper;
		}
	}
	return fill_out(component); /* anew */
}

/* The boxes so that each comes before those it leads to. */
static uint32_t *order_boxes(struct mr_layers_component *component)
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

static int rank_boxes(struct mr_layers_component *component, uint32_t *ranks)
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
static int longest_split(struct mr_layers_component *component, const uint32_t *ranks, uint32_t *longest)
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
static int split_edges(struct mr_layers_component *component, const uint32_t *ranks)
{
	struct mr_layers *layers = &component->layers;
	uint32_t longest = 1;
	if (longest_split(component, ranks, &longest) < 0)
		return -1;
	layers->count = layers->box_count = component->box_count;
	for (uint32_t i = 0; i < component->link_count; i++) {
		struct mr_layers_link *link = &component->links[i];
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
		const struct mr_layers_link *link = &component->links[i];
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

int mr_layers_make(struct mr_layers_component *component, const bool *loops)
{
	struct mr_layers *layers = &component->layers;
	uint32_t *ranks = mr_layers_take(&layers->memory, component->box_count, sizeof(*ranks));
	if (!ranks || fill_out(component) < 0 || break_cycles(component) < 0 ||
	    rank_boxes(component, ranks) < 0 || split_edges(component, ranks) < 0)
		return -1;
	for (uint32_t i = 0; i < component->box_count; i++)
		layers->extent[i] =
			mr_layers_along(component->graph, &component->graph->boxes[component->boxes[i]]) +
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
	if (fill_side(layers, &layers->parts->lower, &layers->up) < 0 ||
	    fill_side(layers, &layers->parts->upper, &layers->down) < 0 || mr_layers_order(layers) < 0)
		return -1;
	return mr_layers_place(layers, component->graph->across ? 14 : 24);
}
