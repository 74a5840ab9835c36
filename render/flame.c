/* SPDX-License-Identifier: MIT
 *
 * Folds call stacks into the tree of a flame graph: first all of them, circles
 * folded, with hashing; then, from the other end if it is wanted, only as far as
 * nodes are large enough; last the choice of the nodes that there is room for.
 */
#include "flame.h"

#include <stdlib.h>

#define CIRCLE_MAX 6      /* functions that call each other in a circle, to be folded */
#define DEPTH_MAX 256     /* of the tree; what is deeper counts where it is cut */
#define SHARE_MIN 0.00025 /* of a cost, below which a node is never looked at from the other end */

const char *const mr_flame_cost_names[MR_COST_KINDS] = { "peak", "leaked", "total", "count", "temporary" };

/* The whole tree, before anything is left out. */
struct trie {
	struct mr_flame_node *nodes;
	size_t count, capacity;
	uint32_t *slots; /* node + 1, by parent and frame; 0 for none */
	size_t slot_count;
};

static size_t slot_of(const struct trie *trie, uint32_t parent, uint32_t frame)
{
	/* The upper bits of a product depend on all bits of its factors. */
	const uint64_t mixed =
		((parent * UINT64_C(0x9e3779b97f4a7c15)) ^ frame) * UINT64_C(0xd6e8feb86659fd93);
	return (size_t)(mixed >> 32) & (trie->slot_count - 1);
}

static int add_node(struct trie *trie, uint32_t parent, uint32_t frame, struct mr_error *err)
{
	MR_FAIL_IF(trie->count >= MR_FLAME_REST ||
	                   mr_grow(&trie->nodes, &trie->capacity, trie->count + 1, sizeof(*trie->nodes)) < 0,
	           err, MR_ERR_NOMEM, "no memory for a tree of %zu calls", trie->count);
	struct mr_flame_node *node = &trie->nodes[trie->count++];
	memset(node, 0, sizeof(*node));
	node->parent = parent;
	node->frame = frame;
	node->depth = parent == MR_FLAME_NONE ? 0 : trie->nodes[parent].depth + 1;
	return 0;
}

static int start_trie(struct trie *trie, size_t size, struct mr_error *err)
{
	trie->slot_count = 64;
	while (trie->slot_count < 2 * size)
		trie->slot_count *= 2;
	trie->slots = mr_alloc(trie->slot_count * sizeof(*trie->slots));
	MR_FAIL_IF(!trie->slots || mr_grow(&trie->nodes, &trie->capacity, size + 1, sizeof(*trie->nodes)) < 0,
	           err, MR_ERR_NOMEM, "no memory for a tree of %zu calls", size);
	return add_node(trie, MR_FLAME_NONE, MR_FLAME_ALL, err);
}

/* The child of PARENT for FRAME, made when it is new. */
static int child_of(struct trie *trie, uint32_t parent, uint32_t frame, uint32_t *child, struct mr_error *err)
{
	size_t slot = slot_of(trie, parent, frame);
	for (; trie->slots[slot]; slot = (slot + 1) & (trie->slot_count - 1)) {
		const struct mr_flame_node *node = &trie->nodes[trie->slots[slot] - 1];
		if (node->parent == parent && node->frame == frame) {
			*child = trie->slots[slot] - 1;
			return 0;
		}
	}
	MR_TRY(add_node(trie, parent, frame, err));
	*child = (uint32_t)(trie->count - 1);
	trie->slots[slot] = (uint32_t)trie->count;
	return 0;
}

/* Where FRAME called from NODE leads when it closes a circle: the LEN frames that end in it repeat
 * the LEN before them.  MR_FLAME_NONE when there is no circle. */
static uint32_t circle_end(const struct trie *trie, uint32_t node, uint32_t frame)
{
	uint32_t frames[2 * CIRCLE_MAX], nodes[2 * CIRCLE_MAX];
	size_t known = 1;
	frames[0] = frame;
	for (uint32_t at = node; known < MR_ARRAY_LEN(frames) && at != 0; at = trie->nodes[at].parent) {
		frames[known] = trie->nodes[at].frame;
		nodes[known++] = at;
	}
	for (size_t len = 1; 2 * len <= known; len++)
		if (memcmp(frames, frames + len, len * sizeof(*frames)) == 0)
			return nodes[len];
	return MR_FLAME_NONE;
}

/* All stacks from their outer end, costs of the nodes alone. */
static int build_all(struct trie *trie, const struct mr_flame_source *sources, size_t count,
                     struct mr_error *err)
{
	uint32_t *places = mr_alloc((count + 1) * sizeof(*places));
	MR_FAIL_IF(!places, err, MR_ERR_NOMEM, "no memory for a tree of %zu calls", count);
	int status = start_trie(trie, count, err);
	for (size_t i = 0; i < count && status == 0; i++) {
		const uint32_t parent = sources[i].parent < i ? places[sources[i].parent] : 0;
		places[i] = circle_end(trie, parent, sources[i].frame);
		if (places[i] == MR_FLAME_NONE && trie->nodes[parent].depth >= DEPTH_MAX)
			places[i] = parent;
		if (places[i] == MR_FLAME_NONE)
			status = child_of(trie, parent, sources[i].frame, &places[i], err);
		for (size_t c = 0; c < MR_COST_KINDS && status == 0; c++)
			trie->nodes[places[i]].cost[c] += sources[i].self[c];
	}
	mr_free(places);
	return status;
}

/* Adds what nodes cost to those above them. */
static void sum_up(struct trie *trie)
{
	for (size_t i = trie->count; i-- > 1;)
		for (size_t c = 0; c < MR_COST_KINDS; c++)
			trie->nodes[trie->nodes[i].parent].cost[c] += trie->nodes[i].cost[c];
}

/* The largest part of any whole that NODE is: no child has more than its parent. */
static double weight_of(const struct mr_flame_node *node, const struct mr_flame_node *root)
{
	double weight = 0;
	for (size_t c = 0; c < MR_COST_KINDS; c++)
		if (root->cost[c] > 0 && (double)node->cost[c] / (double)root->cost[c] > weight)
			weight = (double)node->cost[c] / (double)root->cost[c];
	return weight;
}

/* ---- From the inner end --------------------------------------------------------------- */

/* Stacks that end in the same functions, and how far each has been followed. */
struct follower {
	uint32_t leaf; /* nodes of the tree from the outer end */
	uint32_t at;   /* the one whose function comes next; 0: no more */
};

struct inverting {
	const struct trie *from;
	struct trie *to;
	struct follower *followers, *sorted;
	uint32_t *child_of_frame; /* by frame: the child being made, or MR_FLAME_NONE */
};

struct span {
	uint32_t node;
	size_t first, end; /* its followers */
};

/* Makes the children of SPAN's node, and puts the followers of each one behind the other. */
static int split(struct inverting *inverting, struct span span, size_t *starts, struct mr_error *err)
{
	struct trie *to = inverting->to;
	const size_t before = to->count;
	int status = 0;
	for (size_t i = span.first; i < span.end && status == 0; i++) {
		const struct follower *follower = &inverting->followers[i];
		const struct mr_flame_node *leaf = &inverting->from->nodes[follower->leaf];
		if (follower->at == 0)
			continue;
		uint32_t *child = &inverting->child_of_frame[inverting->from->nodes[follower->at].frame];
		if (*child == MR_FLAME_NONE) {
			status = add_node(to, span.node, inverting->from->nodes[follower->at].frame, err);
			*child = (uint32_t)(to->count - 1);
		}
		for (size_t c = 0; c < MR_COST_KINDS && status == 0; c++)
			to->nodes[*child].cost[c] += leaf->cost[c];
		to->nodes[*child].folded++; /* how many followers it has, until it is split itself */
	}
	size_t start = span.first;
	for (size_t i = before; i < to->count; i++) {
		starts[i - before] = start;
		start += to->nodes[i].folded;
		to->nodes[i].folded = 0;
	}
	for (size_t i = span.first; i < span.end && status == 0; i++) {
		const struct follower *follower = &inverting->followers[i];
		if (follower->at == 0)
			continue;
		const struct mr_flame_node *at = &inverting->from->nodes[follower->at];
		inverting->sorted[starts[inverting->child_of_frame[at->frame] - before]++] =
			(struct follower){ follower->leaf, at->parent };
	}
	if (start > span.first)
		memcpy(inverting->followers + span.first, inverting->sorted + span.first,
		       (start - span.first) * sizeof(*inverting->followers));
	for (size_t i = before; i < to->count; i++)
		inverting->child_of_frame[to->nodes[i].frame] = MR_FLAME_NONE;
	return status;
}

static int split_all(struct inverting *inverting, size_t follower_count, struct mr_error *err)
{
	struct span *spans = NULL;
	size_t *starts = mr_alloc((follower_count + 1) * sizeof(*starts));
	size_t count = 0, capacity = 0;
	int status = starts ? 0 : mr_fail(err, MR_ERR_NOMEM, "no memory for a tree of calls");
	if (status == 0 && mr_grow(&spans, &capacity, 1, sizeof(*spans)) < 0)
		status = mr_fail(err, MR_ERR_NOMEM, "no memory for a tree of calls");
	if (status == 0)
		spans[count++] = (struct span){ 0, 0, follower_count };
	while (count > 0 && status == 0) {
		const struct span span = spans[--count];
		const size_t before = inverting->to->count;
		status = split(inverting, span, starts, err);
		for (size_t i = before; i < inverting->to->count && status == 0; i++) {
			/* STARTS has been moved to each one's end. */
			const size_t first = i == before ? span.first : starts[i - before - 1];
			if (weight_of(&inverting->to->nodes[i], &inverting->to->nodes[0]) < SHARE_MIN)
				continue;
			if (mr_grow(&spans, &capacity, count + 1, sizeof(*spans)) < 0)
				status = mr_fail(err, MR_ERR_NOMEM, "no memory for a tree of calls");
			else
				spans[count++] = (struct span){ (uint32_t)i, first, starts[i - before] };
		}
	}
	mr_free(spans);
	mr_free(starts);
	return status;
}

/* FROM as build_all() leaves it. */
static int invert(const struct trie *from, struct trie *to, uint32_t frame_count, struct mr_error *err)
{
	struct inverting inverting = { .from = from, .to = to };
	inverting.followers = mr_alloc((from->count + 1) * sizeof(*inverting.followers));
	inverting.sorted = mr_alloc((from->count + 1) * sizeof(*inverting.sorted));
	inverting.child_of_frame = mr_alloc(((size_t)frame_count + 1) * sizeof(*inverting.child_of_frame));
	int status = inverting.followers && inverting.sorted && inverting.child_of_frame
	                     ? add_node(to, MR_FLAME_NONE, MR_FLAME_ALL, err)
	                     : mr_fail(err, MR_ERR_NOMEM, "no memory for a tree of %zu calls", from->count);
	size_t count = 0;
	for (size_t i = 0; i < frame_count && status == 0; i++)
		inverting.child_of_frame[i] = MR_FLAME_NONE;
	for (size_t i = 0; i < from->count && status == 0; i++) {
		bool any = false;
		for (size_t c = 0; c < MR_COST_KINDS; c++) {
			to->nodes[0].cost[c] += from->nodes[i].cost[c];
			any = any || from->nodes[i].cost[c] > 0;
		}
		if (any)
			inverting.followers[count++] = (struct follower){ (uint32_t)i, (uint32_t)i };
	}
	if (status == 0)
		status = split_all(&inverting, count, err);
	mr_free(inverting.followers);
	mr_free(inverting.sorted);
	mr_free(inverting.child_of_frame);
	return status;
}

/* ---- The choice ------------------------------------------------------------------------- */

struct choice {
	double weight;
	uint32_t node;
};

static int by_weight(const void *a, const void *b)
{
	const struct choice *one = a, *two = b;
	if (one->weight != two->weight)
		return one->weight > two->weight ? -1 : 1;
	return one->node < two->node ? -1 : one->node > two->node;
}

/* The largest of those that were offered, MOST of them; room for several times as many, so that they are
 * put in order now and then only. */
struct largest {
	struct choice *choices;
	size_t most, count, capacity;
	double least; /* what is not above it is not among them */
};

static void drop_others(struct largest *largest)
{
	qsort(largest->choices, largest->count, sizeof(*largest->choices), by_weight);
	if (largest->count < largest->most)
		return;
	largest->count = largest->most;
	largest->least = largest->choices[largest->most - 1].weight;
}

/* Marks the NODES_MAX largest in KEPT.  A parent is as large as its child, and comes first. */
static int choose(const struct mr_flame *all, size_t nodes_max, bool *kept, struct mr_error *err)
{
	kept[0] = true;
	if (nodes_max < 2)
		return 0;
	struct largest largest = { .most = nodes_max - 1 };
	largest.capacity = all->count < 4 * nodes_max ? all->count : 4 * nodes_max;
	largest.choices = mr_alloc(largest.capacity * sizeof(*largest.choices));
	MR_FAIL_IF(!largest.choices, err, MR_ERR_NOMEM, "no memory for a tree of %zu calls", all->count);
	for (size_t i = 1; i < all->count; i++) {
		const double weight = weight_of(&all->nodes[i], &all->nodes[0]);
		if (weight <= largest.least || all->nodes[i].frame == MR_FLAME_REST)
			continue;
		if (largest.count == largest.capacity)
			drop_others(&largest);
		if (weight > largest.least) /* of equal ones the first has come already */
			largest.choices[largest.count++] = (struct choice){ weight, (uint32_t)i };
	}
	drop_others(&largest);
	for (size_t i = 0; i < largest.count; i++)
		kept[largest.choices[i].node] = true;
	mr_free(largest.choices);
	return 0;
}

/* Where the nodes that are kept lie, and the remainders of those that lost children; 0: nowhere yet. */
struct gathering {
	uint32_t *places, *rests;
	size_t capacity;
};

static int gather_node(struct gathering *gathering, const struct mr_flame *all, size_t i, const bool *kept,
                       struct mr_flame *flame, struct mr_error *err)
{
	const struct mr_flame_node *node = &all->nodes[i];
	if (!kept[i] && (i == 0 || !kept[node->parent]))
		return 0;
	uint32_t *place = kept[i] ? &gathering->places[i] : &gathering->rests[node->parent];
	if (*place == 0) {
		MR_FAIL_IF(mr_grow(&flame->nodes, &gathering->capacity, flame->count + 1,
		                   sizeof(*flame->nodes)) < 0,
		           err, MR_ERR_NOMEM, "no memory for a tree of calls");
		*place = (uint32_t)flame->count;
		flame->nodes[flame->count++] = (struct mr_flame_node){
			.parent = i == 0 ? MR_FLAME_NONE : gathering->places[node->parent],
			.frame = kept[i] ? node->frame : MR_FLAME_REST,
			.depth = node->depth,
		};
	}
	if (!kept[i])
		flame->nodes[*place].folded += node->frame == MR_FLAME_REST ? node->folded : 1;
	for (size_t c = 0; c < MR_COST_KINDS; c++)
		/* A place is the number of one of them. */
		flame->nodes[*place].cost[c] += node->cost[c]; // NOLINT(clang-analyzer-core.NullDereference)
	return 0;
}

int mr_flame_prune(const struct mr_flame *from, size_t nodes_max, struct mr_flame *flame,
                   struct mr_error *err)
{
	struct gathering gathering = { mr_alloc(from->count * sizeof(uint32_t)),
		                       mr_alloc(from->count * sizeof(uint32_t)), 0 };
	struct mr_flame made = { 0 };
	bool *kept = mr_alloc(from->count * sizeof(*kept));
	int status = gathering.places && gathering.rests && kept
	                     ? choose(from, nodes_max, kept, err)
	                     : mr_fail(err, MR_ERR_NOMEM, "no memory for a tree of %zu calls", from->count);
	for (size_t i = 0; i < from->count && status == 0; i++)
		status = gather_node(&gathering, from, i, kept, &made, err);
	if (status == 0)
		*flame = made;
	else
		mr_flame_release(&made);
	mr_free(gathering.places);
	mr_free(gathering.rests);
	mr_free(kept);
	return status;
}

/* The tree from the inner end, of WHOLE as build_all() leaves it. */
static int build_inner(const struct trie *whole, uint32_t frame_count, size_t nodes_max,
                       struct mr_flame *flame, struct mr_error *err)
{
	struct trie other = { 0 };
	int status = invert(whole, &other, frame_count, err);
	const struct mr_flame all = { other.count, other.nodes };
	if (status == 0)
		status = mr_flame_prune(&all, nodes_max, flame, err);
	mr_free(other.nodes);
	return status;
}

int mr_flame_build(const struct mr_flame_source *sources, size_t source_count, uint32_t frame_count,
                   size_t nodes_max, struct mr_flame *outer, struct mr_flame *inner, struct mr_error *err)
{
	struct trie whole = { 0 };
	struct mr_flame made_inner = { 0 };
	int status = build_all(&whole, sources, source_count, err);
	mr_free(whole.slots);
	if (status == 0)
		status = build_inner(&whole, frame_count, nodes_max, &made_inner, err);
	if (status == 0) {
		sum_up(&whole);
		const struct mr_flame all = { whole.count, whole.nodes };
		status = mr_flame_prune(&all, nodes_max, outer, err);
	}
	if (status == 0)
		*inner = made_inner;
	else
		mr_flame_release(&made_inner);
	mr_free(whole.nodes);
	return status;
}

void mr_flame_release(struct mr_flame *flame)
{
	mr_free(flame->nodes);
	memset(flame, 0, sizeof(*flame));
}
