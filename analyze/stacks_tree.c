/* SPDX-License-Identifier: MIT
 *
 * Merging call stacks into a tree.  A stack's node follows from its caller's
 * stack's, so each node of the log's tree of stacks is merged once, whatever the
 * depth.  Upside down nothing is shared that way; there the merged tree is what
 * is walked, which is many times smaller than the stacks.
 */
#include "stacks_tree.h"

#define DEPTH_MAX (4 * MR_LOG_STACK_DEPTH_MAX)

/* Where a stack stands in the tree. */
struct place {
	uint32_t full; /* node of all its frames (0 where it has none), + 1; 0: not yet known */
	uint32_t site; /* node of its site */
};

static uint64_t add(uint64_t a, uint64_t b)
{
	uint64_t sum = 0;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum; /* only lying logs come so far */
}

void mr_stack_cost_add(struct mr_stack_cost *sum, const struct mr_stack_cost *cost)
{
	sum->peak_bytes = add(sum->peak_bytes, cost->peak_bytes);
	sum->live_bytes = add(sum->live_bytes, cost->live_bytes);
	sum->live_count = add(sum->live_count, cost->live_count);
	sum->total_bytes = add(sum->total_bytes, cost->total_bytes);
	sum->count = add(sum->count, cost->count);
	sum->temporary = add(sum->temporary, cost->temporary);
	sum->sites = add(sum->sites, cost->sites);
}

static int fail_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "no memory for the tree of call stacks");
}

/* ---- Nodes ----------------------------------------------------------------- */

/* The slot of the node, or the free one where it belongs.  Children of a node, and of nodes that were
 * made one after the other, lie side by side, as stacks are looked at in such an order and memory is
 * slow; where there are too many for that, they are spread out. */
static struct mr_stack_slot *find_slot(const struct mr_stack_tree *tree, uint32_t parent, uint32_t function)
{
	const uint64_t hash = ((uint64_t)parent << 32 | function) * UINT64_C(0x9e3779b97f4a7c15);
	const size_t mask = tree->slot_count - 1;
	size_t slot = (2 * (size_t)parent + (size_t)(hash >> 60)) & mask;

	for (size_t i = 0;; i++) {
		struct mr_stack_slot *at = &tree->slots[slot];

		if (at->node == 0 || (at->parent == parent && at->function == function))
			return at;
		slot = (i == 16 ? (size_t)(hash >> 24) : slot + 1) & mask;
	}
}

static int make_slots(struct mr_stack_tree *tree, size_t count, struct mr_error *err)
{
	const size_t old_count = tree->slot_count;
	struct mr_stack_slot *old = tree->slots;
	struct mr_stack_slot *slots = mr_alloc(count * sizeof(*slots));

	if (!slots)
		return fail_memory(err);
	tree->slots = slots;
	tree->slot_count = count;
	for (size_t i = 0; i < old_count; i++)
		if (old[i].node != 0)
			*find_slot(tree, old[i].parent, old[i].function) = old[i];
	mr_free(old);
	return 0;
}

static void see_line(struct mr_stack_node *node, uint32_t line)
{
	if (node->line != line)
		node->line = 0;
}

/* The node of FUNCTION below *NODE, which it becomes; made if it is not there. */
static int descend(struct mr_stack_tree *tree, uint32_t *node, uint32_t function, uint32_t frame,
                   uint32_t line, struct mr_error *err)
{
	if (*node != 0 && tree->nodes[*node].function == function) {
		see_line(&tree->nodes[*node], line);
		return 0;
	}
	if (tree->count * 4 >= tree->slot_count * 3)
		MR_TRY(make_slots(tree, tree->slot_count * 2, err));
	struct mr_stack_slot *slot = find_slot(tree, *node, function);

	if (slot->node != 0) {
		*node = slot->node;
		see_line(&tree->nodes[*node], line);
		return 0;
	}
	if (tree->count >= UINT32_MAX ||
	    mr_grow(&tree->nodes, &tree->capacity, tree->count + 1, sizeof(*tree->nodes)) < 0)
		return fail_memory(err);
	*slot = (struct mr_stack_slot){ *node, function, (uint32_t)tree->count };
	tree->nodes[tree->count] =
		(struct mr_stack_node){ .parent = *node, .function = function, .frame = frame, .line = line };
	*node = (uint32_t)tree->count++;
	return 0;
}

static int descend_frame(struct mr_stack_tree *tree, uint32_t *node, uint32_t frame, struct mr_error *err)
{
	const struct mr_stack_frame *of = &tree->stacks->frames[frame];

	return descend(tree, node, of->function, frame, of->line, err);
}

static int add_self(struct mr_stack_tree *tree, uint32_t node, const struct mr_stack_cost *cost,
                    struct mr_error *err)
{
	if (tree->nodes[node].self == 0) {
		if (mr_grow(&tree->selves, &tree->self_capacity, tree->self_count + 1,
		            sizeof(*tree->selves)) < 0)
			return fail_memory(err);
		tree->selves[tree->self_count] = *cost;
		tree->nodes[node].self = (uint32_t)tree->self_count++; /* at most one a node */
		return 0;
	}
	mr_stack_cost_add(&tree->selves[tree->nodes[node].self], cost);
	return 0;
}

/* ---- Stacks ---------------------------------------------------------------- */

/* STACK's place from its caller's. */
static int place_one(struct mr_stack_tree *tree, uint32_t stack, struct place *places, struct mr_error *err)
{
	struct mr_stacks *stacks = tree->stacks;
	const uint32_t parent = stacks->run->stacks[stack].parent;
	const uint32_t site = mr_stacks_site(stacks, stack);
	struct place place = places[parent];
	uint32_t node = place.full - 1;
	uint32_t first = 0;
	uint32_t count = 0;

	MR_TRY(mr_stacks_code(stacks, stacks->run->stacks[stack].code, &first, &count, err));
	for (uint32_t i = first + count; i > first; i--) {
		if (stacks->functions[stacks->frames[i - 1].function].is_hidden)
			continue;
		MR_TRY(descend_frame(tree, &node, i - 1, err));
		if (i - 1 == site)
			place.site = node;
	}
	place.full = node + 1;
	places[stack] = place;
	return 0;
}

static int place_stack(struct mr_stack_tree *tree, uint32_t stack, struct place *places,
                       struct mr_stack_path *path, struct mr_error *err)
{
	path->count = 0;
	for (uint32_t at = stack; places[at].full == 0; at = tree->stacks->run->stacks[at].parent)
		MR_TRY(mr_stack_path_add(path, at, err));
	while (path->count > 0) /* callers first */
		MR_TRY(place_one(tree, path->stacks[--path->count], places, err));
	return 0;
}

static int add_site(struct mr_stack_tree *tree, const struct mr_heap_site *site, struct place *places,
                    struct mr_stack_path *path, struct mr_error *err)
{
	const struct mr_stack_cost cost = {
		.peak_bytes = site->peak_bytes,
		.live_bytes = site->live_bytes,
		.live_count = site->live_count,
		.total_bytes = site->total_bytes,
		.count = site->count,
		.temporary = site->temporary,
		.sites = 1,
	};

	MR_TRY(mr_stacks_resolve(tree->stacks, site->stack, err));
	if (!mr_stacks_is_kept(tree->stacks, site->stack))
		return 0;
	MR_TRY(place_stack(tree, site->stack, places, path, err));
	uint32_t node = places[site->stack].site;

	if (node == 0) /* no stack is known, or all of it is hidden */
		MR_TRY(descend_frame(tree, &node, mr_stacks_site(tree->stacks, site->stack), err));
	return add_self(tree, node, &cost, err);
}

static int add_sites(struct mr_stack_tree *tree, const struct mr_heap_sites *sites, struct mr_error *err)
{
	struct place *places = mr_alloc(((size_t)tree->stacks->run->stack_count + 1) * sizeof(*places));
	struct mr_stack_path path = { NULL, 0, 0 };
	int code = places ? 0 : fail_memory(err);

	if (places)
		places[0].full = 1;
	for (size_t i = 0; code == 0 && i < sites->count; i++)
		code = add_site(tree, &sites->sites[i], places, &path, err);
	mr_free(path.stacks);
	mr_free(places);
	return code;
}

/* ---- The tree -------------------------------------------------------------- */

int mr_stack_tree_sum(struct mr_stack_tree *tree, unsigned figures, struct mr_error *err)
{
	for (unsigned figure = 0; figure < MR_STACK_FIGURES; figure++) {
		if ((figures & 1u << figure) == 0 || tree->all[figure])
			continue;
		uint64_t *const all = mr_alloc(tree->count * sizeof(*all));
		if (!all)
			return fail_memory(err);
		for (size_t i = tree->count; i > 0; i--) {
			const struct mr_stack_node *node = &tree->nodes[i - 1];

			all[i - 1] = add(all[i - 1], mr_stack_figure(&tree->selves[node->self], figure));
			if (i > 1)
				all[node->parent] = add(all[node->parent], all[i - 1]);
		}
		tree->all[figure] = all;
	}
	return 0;
}

/* SLOTS: about as many nodes as there will be. */
static int begin(struct mr_stack_tree *tree, struct mr_stacks *stacks, size_t slots, struct mr_error *err)
{
	size_t slot_count = 64;

	*tree = (struct mr_stack_tree){ .stacks = stacks };
	if (mr_grow(&tree->nodes, &tree->capacity, 1, sizeof(*tree->nodes)) < 0 ||
	    mr_grow(&tree->selves, &tree->self_capacity, 1, sizeof(*tree->selves)) < 0)
		return fail_memory(err);
	tree->nodes[0] = (struct mr_stack_node){ .parent = 0 };
	tree->selves[0] = (struct mr_stack_cost){ .sites = 0 };
	tree->count = tree->self_count = 1;
	while (slot_count < slots)
		slot_count *= 2;
	return make_slots(tree, slot_count, err);
}

/* The tree FROM the other end: each node's own cost goes down the way from its function to the top, or
 * as far as there is room. */
static int turn(struct mr_stack_tree *tree, const struct mr_stack_tree *from, struct mr_error *err)
{
	for (size_t i = 1; i < from->count; i++) {
		uint32_t node = 0;
		size_t depth = 0;

		if (from->nodes[i].self == 0)
			continue;
		for (uint32_t at = (uint32_t)i; at != 0 && depth < DEPTH_MAX;
		     at = from->nodes[at].parent, depth++) {
			if (depth > 0 && tree->count >= MR_STACK_TREE_INVERTED_MAX)
				break;
			MR_TRY(descend(tree, &node, from->nodes[at].function, from->nodes[at].frame,
			               from->nodes[at].line, err));
		}
		MR_TRY(add_self(tree, node, mr_stack_tree_self(from, (uint32_t)i), err));
	}
	return 0;
}

int mr_stack_tree_init(struct mr_stack_tree *tree, struct mr_stacks *stacks,
                       const struct mr_heap_sites *sites, bool inverted, struct mr_error *err)
{
	const size_t stack_count = stacks->run->stack_count;
	struct mr_stack_tree upright = { NULL };
	int code = 0;

	MR_TRY(begin(tree, stacks, 2 * stack_count, err));
	if (inverted) {
		code = begin(&upright, stacks, 2 * stack_count, err);
		if (code == 0)
			code = add_sites(&upright, sites, err);
		if (code == 0)
			code = turn(tree, &upright, err);
		mr_stack_tree_release(&upright);
	} else {
		code = add_sites(tree, sites, err);
	}
	mr_free(tree->slots);
	tree->slots = NULL;
	tree->slot_count = 0;
	return code;
}

void mr_stack_tree_release(struct mr_stack_tree *tree)
{
	for (size_t i = 0; i < MR_STACK_FIGURES; i++)
		mr_free(tree->all[i]);
	mr_free(tree->nodes);
	mr_free(tree->selves);
	mr_free(tree->slots);
	*tree = (struct mr_stack_tree){ NULL };
}

/* ---- Functions ------------------------------------------------------------- */

/* Goes through the nodes depth first, and marks those that are in no other node of their function; OPEN
 * counts how often each function is on the way to a node. */
static void mark_outermost(const struct mr_stack_tree *tree, const uint32_t *first, const uint32_t *next,
                           uint32_t *open, bool *outermost)
{
	uint32_t at = first[0];

	while (at != 0) {
		outermost[at] = open[tree->nodes[at].function]++ == 0;
		if (first[at] != 0) {
			at = first[at];
			continue;
		}
		for (; at != 0; at = tree->nodes[at].parent) {
			open[tree->nodes[at].function]--;
			if (next[at] == 0)
				continue;
			at = next[at];
			break;
		}
	}
}

static int find_outermost(const struct mr_stack_tree *tree, bool *outermost, struct mr_error *err)
{
	uint32_t *first = mr_alloc(tree->count * sizeof(*first));
	uint32_t *next = mr_alloc(tree->count * sizeof(*next));
	uint32_t *open = mr_alloc(tree->stacks->function_count * sizeof(*open));
	const bool is_made = first && next && open;

	for (size_t i = tree->count; is_made && i > 1; i--)
		mr_stack_tree_link(tree, (uint32_t)(i - 1), first, next);
	if (is_made)
		mark_outermost(tree, first, next, open, outermost);
	mr_free(first);
	mr_free(next);
	mr_free(open);
	return is_made ? 0 : fail_memory(err);
}

/* Adds a figure of the nodes to those of their functions. */
static int add_figure(struct mr_stack_tree *tree, enum mr_stack_figure figure, const bool *outermost,
                      struct mr_stack_cost *self, struct mr_stack_cost *all, struct mr_error *err)
{
	const bool was_there = tree->all[figure] != NULL;

	MR_TRY(mr_stack_tree_sum(tree, 1u << figure, err));
	for (uint32_t i = 1; i < tree->count; i++) {
		const uint32_t function = tree->nodes[i].function;
		uint64_t *const of_self = &((uint64_t *)(void *)&self[function])[figure];
		uint64_t *const of_all = &((uint64_t *)(void *)&all[function])[figure];

		if (tree->nodes[i].self != 0)
			*of_self = add(*of_self, mr_stack_figure(mr_stack_tree_self(tree, i), figure));
		if (outermost[i])
			*of_all = add(*of_all, tree->all[figure][i]);
	}
	if (!was_there) {
		mr_free(tree->all[figure]);
		tree->all[figure] = NULL;
	}
	return 0;
}

int mr_stack_tree_functions(struct mr_stack_tree *tree, struct mr_stack_cost **self,
                            struct mr_stack_cost **all, struct mr_error *err)
{
	const size_t function_count = tree->stacks->function_count;
	bool *outermost = mr_alloc(tree->count * sizeof(*outermost));

	*self = mr_alloc(function_count * sizeof(**self));
	*all = mr_alloc(function_count * sizeof(**all));
	int code = outermost && *self && *all ? 0 : fail_memory(err);

	if (code == 0)
		code = find_outermost(tree, outermost, err);
	for (unsigned figure = 0; code == 0 && figure < MR_STACK_FIGURES; figure++)
		code = add_figure(tree, figure, outermost, *self, *all, err);
	mr_free(outermost);
	if (code == 0)
		return 0;
	mr_free(*self);
	mr_free(*all);
	*self = *all = NULL;
	return code;
}
