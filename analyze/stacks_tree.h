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

struct mr_stack_node {
	uint32_t parent;           /* index in nodes, less than its own; 0: none, it is at the top */
	uint32_t function;         /* index in the stacks' functions */
	uint32_t frame;            /* index in the stacks' frames: the first one that was seen */
	uint32_t line;             /* 0: unknown, or frames of several lines */
	struct mr_stack_cost self; /* of stacks that end here */
	struct mr_stack_cost all;  /* with all nodes below */
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
	struct mr_stack_slot *slots; /* nodes by parent and function */
	size_t slot_count;
};

void mr_stack_cost_add(struct mr_stack_cost *sum, const struct mr_stack_cost *cost);

/* Makes the tree of the SITES that the query of STACKS keeps: outermost functions at its top, or the
 * sites with INVERTED.  Freed with mr_stack_tree_release(), also after a failure (MR_ERR_NOMEM). */
int mr_stack_tree_init(struct mr_stack_tree *tree, struct mr_stacks *stacks,
                       const struct mr_heap_sites *sites, bool inverted, struct mr_error *err) MR_MUST_CHECK;
void mr_stack_tree_release(struct mr_stack_tree *tree);

/* What each function (by its index in the stacks' functions) of a tree that is not inverted costs,
 * by itself and with all that it calls: a function that is in a stack twice counts once.  mr_free()
 * frees *SELF and *ALL. */
int mr_stack_tree_functions(const struct mr_stack_tree *tree, struct mr_stack_cost **self,
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
