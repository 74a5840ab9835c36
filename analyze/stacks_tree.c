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
	uint32_t full; /* node of all its frames; 0: not yet known, or no frames */
	uint32_t site; /* node of its site */
	bool is_known;
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

static int grow_slots(struct mr_stack_tree *tree, struct mr_error *err)
{
	const size_t old_count = tree->slot_count;
	const size_t count = old_count > 0 ? old_count * 2 : 4096;
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
	if (tree->count * 2 >= tree->slot_count)
		MR_TRY(grow_slots(tree, err));
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

/* ---- Stacks ---------------------------------------------------------------- */

/* STACK's place from its caller's. */
static int place_one(struct mr_stack_tree *tree, uint32_t stack, struct place *places, struct mr_error *err)
{
	struct mr_stacks *stacks = tree->stacks;
	const uint32_t parent = stacks->run->stacks[stack].parent;
	const uint32_t site = mr_stacks_site(stacks, stack);
	struct place place = places[parent];
	uint32_t first = 0;
	uint32_t count = 0;

	place.is_known = true;
	MR_TRY(mr_stacks_code(stacks, stacks->run->stacks[stack].code, &first, &count, err));
	for (uint32_t i = first + count; i > first; i--) {
		if (stacks->functions[stacks->frames[i - 1].function].is_hidden)
			continue;
		MR_TRY(descend_frame(tree, &place.full, i - 1, err));
		if (i - 1 == site)
			place.site = place.full;
	}
	places[stack] = place;
	return 0;
}

static int place_stack(struct mr_stack_tree *tree, uint32_t stack, struct place *places,
                       struct mr_stack_path *path, struct mr_error *err)
{
	path->count = 0;
	for (uint32_t at = stack; !places[at].is_known; at = tree->stacks->run->stacks[at].parent)
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
	mr_stack_cost_add(&tree->nodes[node].self, &cost);
	return 0;
}

static int add_sites(struct mr_stack_tree *tree, const struct mr_heap_sites *sites, struct mr_error *err)
{
	struct place *places = mr_alloc(((size_t)tree->stacks->run->stack_count + 1) * sizeof(*places));
	struct mr_stack_path path = { NULL, 0, 0 };
	int code = places ? 0 : fail_memory(err);

	if (places)
		places[0].is_known = true;
	for (size_t i = 0; code == 0 && i < sites->count; i++)
		code = add_site(tree, &sites->sites[i], places, &path, err);
	mr_free(path.stacks);
	mr_free(places);
	return code;
}

/* ---- The tree -------------------------------------------------------------- */

static void sum_up(struct mr_stack_tree *tree)
{
	for (size_t i = tree->count; i > 0; i--) {
		struct mr_stack_node *node = &tree->nodes[i - 1];

		mr_stack_cost_add(&node->all, &node->self);
		if (i > 1)
			mr_stack_cost_add(&tree->nodes[node->parent].all, &node->all);
	}
}

static int begin(struct mr_stack_tree *tree, struct mr_stacks *stacks, struct mr_error *err)
{
	*tree = (struct mr_stack_tree){ .stacks = stacks };
	if (mr_grow(&tree->nodes, &tree->capacity, 1, sizeof(*tree->nodes)) < 0)
		return fail_memory(err);
	tree->nodes[0] = (struct mr_stack_node){ .parent = 0 };
	tree->count = 1;
	return 0;
}

/* The tree FROM the other end: each node's own cost goes down the way from its function to the top, or
 * as far as there is room. */
static int turn(struct mr_stack_tree *tree, const struct mr_stack_tree *from, struct mr_error *err)
{
	for (size_t i = 1; i < from->count; i++) {
		uint32_t node = 0;
		size_t depth = 0;

		if (from->nodes[i].self.sites == 0)
			continue;
		for (uint32_t at = (uint32_t)i; at != 0 && depth < DEPTH_MAX;
		     at = from->nodes[at].parent, depth++) {
			if (depth > 0 && tree->count >= MR_STACK_TREE_INVERTED_MAX)
				break;
			MR_TRY(descend(tree, &node, from->nodes[at].function, from->nodes[at].frame,
			               from->nodes[at].line, err));
		}
		mr_stack_cost_add(&tree->nodes[node].self, &from->nodes[i].self);
	}
	return 0;
}

int mr_stack_tree_init(struct mr_stack_tree *tree, struct mr_stacks *stacks,
                       const struct mr_heap_sites *sites, bool inverted, struct mr_error *err)
{
	struct mr_stack_tree upright = { NULL };
	int code = 0;

	MR_TRY(begin(tree, stacks, err));
	if (inverted) {
		code = begin(&upright, stacks, err);
		if (code == 0)
			code = add_sites(&upright, sites, err);
		if (code == 0)
			code = turn(tree, &upright, err);
		mr_stack_tree_release(&upright);
	} else {
		code = add_sites(tree, sites, err);
	}
	sum_up(tree);
	return code;
}

void mr_stack_tree_release(struct mr_stack_tree *tree)
{
	mr_free(tree->nodes);
	mr_free(tree->slots);
	*tree = (struct mr_stack_tree){ NULL };
}

/* ---- Functions ------------------------------------------------------------- */

/* Goes through the nodes depth first; OPEN counts how often each function is on the way to a node. */
static void add_functions(const struct mr_stack_tree *tree, const uint32_t *first, const uint32_t *next,
                          uint32_t *open, struct mr_stack_cost *self, struct mr_stack_cost *all)
{
	uint32_t at = first[0];

	while (at != 0) {
		const struct mr_stack_node *node = &tree->nodes[at];

		mr_stack_cost_add(&self[node->function], &node->self);
		if (open[node->function]++ == 0)
			mr_stack_cost_add(&all[node->function], &node->all);
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

int mr_stack_tree_functions(const struct mr_stack_tree *tree, struct mr_stack_cost **self,
                            struct mr_stack_cost **all, struct mr_error *err)
{
	const size_t function_count = tree->stacks->function_count;
	uint32_t *first = mr_alloc(tree->count * sizeof(*first));
	uint32_t *next = mr_alloc(tree->count * sizeof(*next));
	uint32_t *open = mr_alloc(function_count * sizeof(*open));
	const bool has_links = first && next && open;

	*self = mr_alloc(function_count * sizeof(**self));
	*all = mr_alloc(function_count * sizeof(**all));
	const bool is_made = has_links && *self && *all;

	for (size_t i = tree->count; is_made && i > 1; i--)
		mr_stack_tree_link(tree, (uint32_t)(i - 1), first, next);
	if (is_made)
		add_functions(tree, first, next, open, *self, *all);
	mr_free(first);
	mr_free(next);
	mr_free(open);
	if (is_made)
		return 0;
	mr_free(*self);
	mr_free(*all);
	*self = *all = NULL;
	return fail_memory(err);
}
