/* SPDX-License-Identifier: MIT
 *
 * The call stacks of a run as one tree, either end up, with what each part of it
 * costs.  Frames are merged by function, not by address or line, and a function
 * that calls itself directly is one node.  A stack's cost lies at its site: the
 * allocation functions and wrappers inside of it are no part of the tree, so that
 * what a function costs by itself is what its own lines allocate.
 */
#ifndef MR_STACKS_TREE_H
#define MR_STACKS_TREE_H

#include "stacks.h"

/* Nodes from which on an inverted tree gets no deeper: each stack has its own way there, so that
 * it may be as many times larger as stacks are deep. */
#define MR_STACK_TREE_INVERTED_MAX (1u << 22)

struct mr_stack_cost {
	uint64_t peak_bytes;
	uint64_t live_bytes;
	uint64_t live_count;
	uint64_t total_bytes;
	uint64_t count;
	uint64_t temporary;
	uint64_t sites; /* call stacks */
};

/* The members of struct mr_stack_cost, in their order. */
enum mr_stack_figure {
	MR_STACK_PEAK,
	MR_STACK_LIVE,
	MR_STACK_LIVE_COUNT,
	MR_STACK_TOTAL,
	MR_STACK_COUNT,
	MR_STACK_TEMPORARY,
	MR_STACK_SITES,
	MR_STACK_FIGURES
};

_Static_assert(sizeof(struct mr_stack_cost) == MR_STACK_FIGURES * sizeof(uint64_t), "a figure a member");

static inline uint64_t mr_stack_figure(const struct mr_stack_cost *cost, enum mr_stack_figure figure)
{
	return ((const uint64_t *)(const void *)cost)[figure];
}

struct mr_stack_node {
	uint32_t parent;   /* index in nodes, less than its own; 0: none, it is at the top */
	uint32_t function; /* index in the stacks' functions */
	uint32_t frame;    /* index in the stacks' frames: the first one that was seen */
	uint32_t line;     /* 0: unknown, or frames of several lines */
	uint32_t self;     /* index in selves */
};

/* Of a hash table that is looked through without touching nodes. */
struct mr_stack_slot {
	uint32_t parent;
	uint32_t function;
	uint32_t node; /* 0: free */
};

struct mr_stack_tree {
	struct mr_stacks *stacks;    /* borrowed */
	struct mr_stack_node *nodes; /* node 0 stands for all; some have no sites at all */
	size_t count;
	size_t capacity;
	/* Costs of the stacks that end in a node.  Few nodes have any: 0 is what all others have. */
	struct mr_stack_cost *selves;
	size_t self_count;
	size_t self_capacity;
	/* By node, with all nodes below it: those of mr_stack_tree_sum(), NULL for others. */
	uint64_t *all[MR_STACK_FIGURES];
	struct mr_stack_slot *slots; /* nodes by parent and function, while the tree is made */
	size_t slot_count;
};

void mr_stack_cost_add(struct mr_stack_cost *sum, const struct mr_stack_cost *cost);

/* Makes the tree of the SITES that the query of STACKS keeps: outermost functions at its top, or the
 * sites with INVERTED.  Freed with mr_stack_tree_release(), also after a failure (MR_ERR_NOMEM). */
int mr_stack_tree_init(struct mr_stack_tree *tree, struct mr_stacks *stacks,
                       const struct mr_heap_sites *sites, bool inverted, struct mr_error *err) MR_MUST_CHECK;
void mr_stack_tree_release(struct mr_stack_tree *tree);

static inline const struct mr_stack_cost *mr_stack_tree_self(const struct mr_stack_tree *tree, uint32_t node)
{
	return &tree->selves[tree->nodes[node].self];
}

/* Sums FIGURES (a bit for each enum mr_stack_figure) up from the nodes' own, those that are not yet there. */
int mr_stack_tree_sum(struct mr_stack_tree *tree, unsigned figures, struct mr_error *err) MR_MUST_CHECK;

/* What each function (by its index in the stacks' functions) of a tree that is not inverted costs,
 * by itself and with all that it calls: a function that is in a stack twice counts once.  mr_free()
 * frees *SELF and *ALL. */
int mr_stack_tree_functions(struct mr_stack_tree *tree, struct mr_stack_cost **self,
                            struct mr_stack_cost **all, struct mr_error *err) MR_MUST_CHECK;

/* The children of each node as lists: FIRST[n] is its first child, NEXT[n] the sibling behind it, 0:
 * none; both begin as zeros and have an entry a node.  Puts NODE before its siblings that are there. */
static inline void mr_stack_tree_link(const struct mr_stack_tree *tree, uint32_t node, uint32_t *first,
                                      uint32_t *next)
{
	const uint32_t parent = tree->nodes[node].parent;

	next[node] = first[parent];
	first[parent] = node;
}

#endif
