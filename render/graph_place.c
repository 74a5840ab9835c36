/* SPDX-License-Identifier: MIT
 *
 * Coordinates along the ranks.  Each rank in turn comes as near as it can to where
 * its neighbours want it, parts of long edges most of all: the least squares under
 * the condition that vertices keep their order and their distance, which pooling
 * those that push each other finds in one pass.
 */
#include "graph_layers.h"

#include <math.h>

#define ROUNDS 6         /* down by the ranks above, up by those below */
#define ROUNDS_BOTH 4    /* then by both */
#define WEIGHT_INNER 8.0 /* of a part between two bends of an edge */
#define WEIGHT_OUTER 2.0 /* between a box and a bend */
#define WEIGHT_NOTHING 0.01

struct pool {               /* vertices that touch */
	double weight, sum; /* of weights, and of what they want, weighted */
	uint32_t count;
};

struct placing {
	struct mr_layers *layers;
	struct pool *pools;
	double *offsets; /* of a vertex in its rank, were all of them to touch */
	double gap;
};

static bool is_box(const struct mr_layers *layers, uint32_t vertex)
{
	return vertex < layers->box_count;
}

static double distance(const struct placing *placing, uint32_t left, uint32_t right)
{
	const struct mr_layers *layers = placing->layers;
	const int boxes = is_box(layers, left) + is_box(layers, right);
	const double gap = boxes == 2 ? placing->gap : boxes == 1 ? placing->gap * 0.6 : placing->gap * 0.4;
	return (layers->extent[left] + layers->extent[right]) / 2 + gap;
}

/* Adds what the neighbours on one side of VERTEX want of it. */
static void ask(const struct mr_layers *layers, const struct mr_layers_side *side, bool up, uint32_t vertex,
                double *weight, double *sum)
{
	for (uint32_t i = side->first[vertex]; i < side->first[vertex + 1]; i++) {
		const struct mr_layers_part *part = &layers->parts[side->parts[i]];
		const uint32_t other = up ? part->upper : part->lower;
		const int boxes = is_box(layers, vertex) + is_box(layers, other);
		const double part_weight = boxes == 2 ? 1 : boxes == 1 ? WEIGHT_OUTER : WEIGHT_INNER;
		*weight += part_weight;
		*sum += part_weight * layers->along[other];
	}
}

static void place_layer(const struct placing *placing, uint32_t rank, bool by_upper, bool by_lower)
{
	struct mr_layers *layers = placing->layers;
	const uint32_t *order = layers->layers + layers->layer_first[rank];
	const uint32_t count = layers->layer_first[rank + 1] - layers->layer_first[rank];
	size_t pools = 0;
	double offset = 0;
	for (uint32_t i = 0; i < count; i++) {
		double weight = 0, sum = 0;
		if (by_upper)
			ask(layers, &layers->up, true, order[i], &weight, &sum);
		if (by_lower)
			ask(layers, &layers->down, false, order[i], &weight, &sum);
		if (weight == 0) {
			weight = WEIGHT_NOTHING;
			sum = weight * layers->along[order[i]];
		}
		offset += i > 0 ? distance(placing, order[i - 1], order[i]) : 0;
		placing->offsets[i] = offset;
		placing->pools[pools++] = (struct pool){ weight, sum - weight * offset, 1 };
		while (pools > 1 &&
		       placing->pools[pools - 2].sum / placing->pools[pools - 2].weight >=
		               placing->pools[pools - 1].sum / placing->pools[pools - 1].weight) {
			struct pool *into = &placing->pools[pools - 2];
			into->weight += into[1].weight;
			into->sum += into[1].sum;
			into->count += into[1].count;
			pools--;
		}
	}
	for (uint32_t i = 0, pool = 0, in_pool = 0; i < count; i++) {
		const struct pool *at = &placing->pools[pool];
		layers->along[order[i]] = at->sum / at->weight + placing->offsets[i];
		if (++in_pool == at->count) {
			in_pool = 0;
			pool++;
		}
	}
}

/* All ranks packed, their middles in one line. */
static void place_packed(const struct placing *placing)
{
	struct mr_layers *layers = placing->layers;
	for (uint32_t rank = 0; rank < layers->rank_count; rank++) {
		double at = 0;
		for (uint32_t i = layers->layer_first[rank]; i < layers->layer_first[rank + 1]; i++) {
			if (i > layers->layer_first[rank])
				at += distance(placing, layers->layers[i - 1], layers->layers[i]);
			layers->along[layers->layers[i]] = at;
		}
		for (uint32_t i = layers->layer_first[rank]; i < layers->layer_first[rank + 1]; i++)
			layers->along[layers->layers[i]] -= at / 2;
	}
}

/* Where VERTEX may be without coming too near to those beside it. */
static void room_of(const struct placing *placing, uint32_t vertex, double *low, double *high)
{
	const struct mr_layers *layers = placing->layers;
	const uint32_t at = layers->layer_first[layers->rank[vertex]] + layers->place[vertex];
	*low = -INFINITY;
	*high = INFINITY;
	if (layers->place[vertex] > 0)
		*low = layers->along[layers->layers[at - 1]] +
		       distance(placing, layers->layers[at - 1], vertex);
	if (at + 1 < layers->layer_first[layers->rank[vertex] + 1])
		*high = layers->along[layers->layers[at + 1]] -
		        distance(placing, vertex, layers->layers[at + 1]);
}

static bool leads_on(const struct mr_layers *layers, uint32_t bend)
{
	return layers->parts[layers->down.parts[layers->down.first[bend]]].lower == bend + 1;
}

/* Puts the bends of each long edge in as few straight lines as there is room for. */
static void straighten(const struct placing *placing)
{
	struct mr_layers *layers = placing->layers;
	for (uint32_t first = layers->box_count, end; first < layers->count; first = end) {
		double low = -INFINITY, high = INFINITY, sum = 0;
		for (end = first; end == first || leads_on(layers, end - 1); end++) {
			double bend_low, bend_high;
			room_of(placing, end, &bend_low, &bend_high);
			if (end > first && (fmax(low, bend_low) > fmin(high, bend_high)))
				break;
			low = fmax(low, bend_low);
			high = fmin(high, bend_high);
			sum += layers->along[end];
		}
		const double mean = sum / (end - first);
		for (uint32_t bend = first; bend < end; bend++)
			if (low <= high)
				layers->along[bend] = fmin(fmax(mean, low), high);
	}
}

int mr_layers_place(struct mr_layers *layers, double gap)
{
	struct placing placing = { .layers = layers, .gap = gap };
	placing.pools = mr_layers_take(&layers->memory, layers->count, sizeof(*placing.pools));
	placing.offsets = mr_layers_take(&layers->memory, layers->count, sizeof(*placing.offsets));
	if (layers->memory.failed)
		return -1;
	place_packed(&placing);
	for (unsigned round = 0; round < ROUNDS + ROUNDS_BOTH; round++) {
		const bool both = round >= ROUNDS, down = round % 2 == 0;
		for (uint32_t i = 0; i < layers->rank_count; i++)
			place_layer(&placing, down ? i : layers->rank_count - 1 - i, both || down,
			            both || !down);
	}
	straighten(&placing);
	return 0;
}
