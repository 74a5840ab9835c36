/* SPDX-License-Identifier: MIT
 *
 * The order of vertices in their ranks: depth first to begin with, which draws
 * trees without a crossing; then sweeps down and up that put each vertex at the
 * median of its neighbours, and exchanges of neighbours where a graph is small
 * enough.  The order with the fewest crossings is kept.
 */
#include "graph_layers.h"

#include <stdlib.h>

#define SWEEPS_MAX 24
#define SWEEPS_LARGE 8   /* of what has many parts */
#define IDLE_MAX 4       /* sweeps in a row that bring nothing */
#define LARGE 4000       /* parts */
#define EXCHANGE_MAX 900 /* parts up to which neighbours are exchanged */

struct key {
	double value;
	uint32_t place, vertex;
};

struct ordering {
	struct mr_layers *layers;
	uint32_t *best;      /* the vertices of each rank in the best order so far */
	uint32_t *positions; /* of a vertex's neighbours */
	uint32_t *tree;      /* sums over a rank */
	struct key *keys;    /* of a rank that is being sorted */
	uint64_t crossings;
};

/* ---- The first order ------------------------------------------------------------ */

static int order_depth_first(struct mr_layers *layers)
{
	uint32_t *filled = mr_layers_take(&layers->memory, layers->rank_count, sizeof(*filled));
	uint32_t *stack = mr_layers_take(&layers->memory, layers->part_count + layers->count, sizeof(*stack));
	bool *seen = mr_layers_take(&layers->memory, layers->count, sizeof(*seen));
	if (!filled || !stack || !seen)
		return -1;
	for (uint32_t start = 0; start < layers->count; start++) {
		size_t height = 0;
		if (layers->up.first[start + 1] > layers->up.first[start])
			continue;
		stack[height++] = start;
		while (height > 0) {
			const uint32_t vertex = stack[--height];
			if (seen[vertex])
				continue;
			seen[vertex] = true;
			const uint32_t rank = layers->rank[vertex];
			layers->place[vertex] = filled[rank];
			layers->layers[layers->layer_first[rank] + filled[rank]++] = vertex;
			for (uint32_t i = layers->down.first[vertex + 1]; i > layers->down.first[vertex];
			     i--) {
				const uint32_t below = layers->parts[layers->down.parts[i - 1]].lower;
				if (!seen[below])
					stack[height++] = below;
			}
		}
	}
	return 0;
}

/* ---- Crossings -------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
	const uint32_t one = *(const uint32_t *)a, two = *(const uint32_t *)b;
	return (one > two) - (one < two);
}

static size_t read_positions(const struct ordering *ordering, uint32_t vertex,
                             const struct mr_layers_side *side, bool up)
{
	const struct mr_layers *layers = ordering->layers;
	size_t count = 0;
	for (uint32_t i = side->first[vertex]; i < side->first[vertex + 1]; i++) {
		const struct mr_layers_part *part = &layers->parts[side->parts[i]];
		ordering->positions[count++] = layers->place[up ? part->upper : part->lower];
	}
	if (count > 1)
		qsort(ordering->positions, count, sizeof(*ordering->positions), by_number);
	return count;
}

/* Of the parts between RANK and the next, by a tree of sums. */
static uint64_t count_between(const struct ordering *ordering, uint32_t rank)
{
	const struct mr_layers *layers = ordering->layers;
	const uint32_t below = layers->layer_first[rank + 2] - layers->layer_first[rank + 1];
	uint64_t crossings = 0, total = 0;
	memset(ordering->tree, 0, (below + 1) * sizeof(*ordering->tree));
	for (uint32_t i = layers->layer_first[rank]; i < layers->layer_first[rank + 1]; i++) {
		const size_t count = read_positions(ordering, layers->layers[i], &layers->down, false);
		for (size_t k = 0; k < count; k++) {
			uint64_t before = 0; /* those that end at this position or left of it */
			for (uint32_t at = ordering->positions[k] + 1; at > 0; at &= at - 1)
				before += ordering->tree[at];
			crossings += total - before;
		}
		for (size_t k = 0; k < count; k++)
			for (uint32_t at = ordering->positions[k] + 1; at <= below; at += at & (~at + 1))
				ordering->tree[at]++;
		total += count;
	}
	return crossings;
}

static uint64_t count_crossings(const struct ordering *ordering)
{
	uint64_t crossings = 0;
	for (uint32_t rank = 0; rank + 1 < ordering->layers->rank_count; rank++)
		crossings += count_between(ordering, rank);
	return crossings;
}

/* ---- Medians ------------------------------------------------------------------------ */

/* Between the two middle ones where there are two, nearer to the side on which neighbours lie close. */
static double median_of(const uint32_t *positions, size_t count)
{
	const size_t middle = count / 2;
	if (count % 2 == 1)
		return positions[middle];
	if (count == 2)
		return (positions[0] + positions[1]) / 2.0;
	const double left = positions[middle - 1] - positions[0],
		     right = positions[count - 1] - positions[middle];
	if (left + right == 0)
		return (positions[middle - 1] + positions[middle]) / 2.0;
	return (positions[middle - 1] * right + positions[middle] * left) / (left + right);
}

static int by_key(const void *a, const void *b)
{
	const struct key *one = a, *two = b;
	if (one->value != two->value)
		return one->value < two->value ? -1 : 1;
	return (one->place > two->place) - (one->place < two->place);
}

static void sort_layer(const struct ordering *ordering, uint32_t rank, bool by_upper)
{
	struct mr_layers *layers = ordering->layers;
	const uint32_t first = layers->layer_first[rank];
	const uint32_t count = layers->layer_first[rank + 1] - first;
	for (uint32_t i = 0; i < count; i++) {
		const uint32_t vertex = layers->layers[first + i];
		const size_t neighbours =
			read_positions(ordering, vertex, by_upper ? &layers->up : &layers->down, by_upper);
		ordering->keys[i] =
			(struct key){ neighbours > 0 ? median_of(ordering->positions, neighbours) : i, i,
			              vertex };
	}
	qsort(ordering->keys, count, sizeof(*ordering->keys), by_key);
	for (uint32_t i = 0; i < count; i++) {
		layers->layers[first + i] = ordering->keys[i].vertex;
		layers->place[ordering->keys[i].vertex] = i;
	}
}

static void sweep(const struct ordering *ordering, bool down)
{
	const uint32_t count = ordering->layers->rank_count;
	for (uint32_t i = 1; i < count; i++)
		sort_layer(ordering, down ? i : count - 1 - i, down);
}

/* ---- Exchanges ------------------------------------------------------------------------ */

/* How many crossings there are among the parts of LEFT and RIGHT on one side, less those with the two
 * exchanged. */
static int64_t gain_on(const struct mr_layers *layers, const struct mr_layers_side *side, bool up,
                       uint32_t left, uint32_t right)
{
	int64_t gain = 0;
	for (uint32_t i = side->first[left]; i < side->first[left + 1]; i++) {
		const struct mr_layers_part *one = &layers->parts[side->parts[i]];
		const uint32_t a = layers->place[up ? one->upper : one->lower];
		for (uint32_t k = side->first[right]; k < side->first[right + 1]; k++) {
			const struct mr_layers_part *two = &layers->parts[side->parts[k]];
			const uint32_t b = layers->place[up ? two->upper : two->lower];
			gain += (a > b) - (a < b);
		}
	}
	return gain;
}

static bool exchange(struct mr_layers *layers)
{
	bool any = false;
	for (uint32_t rank = 0; rank < layers->rank_count; rank++)
		for (uint32_t i = layers->layer_first[rank]; i + 1 < layers->layer_first[rank + 1]; i++) {
			const uint32_t left = layers->layers[i], right = layers->layers[i + 1];
			if (gain_on(layers, &layers->up, true, left, right) +
			            gain_on(layers, &layers->down, false, left, right) <=
			    0)
				continue;
			layers->layers[i] = right;
			layers->layers[i + 1] = left;
			layers->place[right]--;
			layers->place[left]++;
			any = true;
		}
	return any;
}

/* ---- All of it -------------------------------------------------------------------------- */

static void keep(struct ordering *ordering, uint64_t crossings)
{
	ordering->crossings = crossings;
	memcpy(ordering->best, ordering->layers->layers, ordering->layers->count * sizeof(*ordering->best));
}

static void improve(struct ordering *ordering)
{
	struct mr_layers *layers = ordering->layers;
	const unsigned sweeps = layers->part_count > LARGE ? SWEEPS_LARGE : SWEEPS_MAX;
	unsigned idle = 0;
	for (unsigned i = 0; i < sweeps && ordering->crossings > 0 && idle < IDLE_MAX; i++) {
		sweep(ordering, i % 2 == 0);
		for (unsigned k = 0; k < 4 && layers->part_count <= EXCHANGE_MAX; k++)
			if (!exchange(layers))
				break;
		const uint64_t crossings = count_crossings(ordering);
		idle = crossings < ordering->crossings ? 0 : idle + 1;
		if (crossings < ordering->crossings)
			keep(ordering, crossings);
	}
}

int mr_layers_order(struct mr_layers *layers)
{
	struct ordering ordering = { .layers = layers };
	struct mr_layers_memory *memory = &layers->memory;
	ordering.best = mr_layers_take(memory, layers->count, sizeof(*ordering.best));
	ordering.positions = mr_layers_take(memory, layers->part_count, sizeof(*ordering.positions));
	ordering.tree = mr_layers_take(memory, layers->count + 1, sizeof(*ordering.tree));
	ordering.keys = mr_layers_take(memory, layers->count, sizeof(*ordering.keys));
	if (memory->failed || order_depth_first(layers) < 0)
		return -1;
	keep(&ordering, count_crossings(&ordering));
	improve(&ordering);
	memcpy(layers->layers, ordering.best, layers->count * sizeof(*ordering.best));
	for (uint32_t rank = 0; rank < layers->rank_count; rank++)
		for (uint32_t i = layers->layer_first[rank]; i < layers->layer_first[rank + 1]; i++)
			layers->place[layers->layers[i]] = i - layers->layer_first[rank];
	return 0;
}
