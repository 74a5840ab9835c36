/* SPDX-License-Identifier: MIT
 *
 * Call stacks as a tree that a page has room for: frames that call each other
 * in circles are folded, the nodes that matter least become a remainder below
 * the one that they belong to, so that sums close.  Either end may be the root.
 *
 * It knows nothing of tables or pages; report_heap.c feeds it, section_flame.c
 * shows it.
 */
#ifndef MR_FLAME_H
#define MR_FLAME_H

#include "base.h"

/* What a stack may cost.  The names that pages and scripts know are in mr_flame_cost_names. */
enum mr_flame_cost {
	MR_COST_PEAK, /* bytes held when all stacks together held most */
	MR_COST_LEAKED,
	MR_COST_TOTAL,
	MR_COST_COUNT,
	MR_COST_TEMPORARY, /* allocations that were freed before the thread's next one */
	MR_COST_KINDS,
};

extern const char *const mr_flame_cost_names[MR_COST_KINDS];

#define MR_FLAME_ALL UINT32_MAX        /* the frame of the root: everything */
#define MR_FLAME_REST (UINT32_MAX - 1) /* what has no room below its parent */
#define MR_FLAME_NONE UINT32_MAX       /* no node */

/* A tree of stacks as it is read: a parent comes before its children. */
struct mr_flame_source {
	uint32_t parent; /* index, or MR_FLAME_NONE */
	uint32_t frame;  /* which function: any number below FRAME_COUNT */
	uint64_t self[MR_COST_KINDS];
};

struct mr_flame_node {
	uint32_t parent; /* MR_FLAME_NONE: the root, which is node 0 */
	uint32_t frame;
	uint32_t depth;
	uint32_t folded;              /* of a remainder: nodes directly below its parent that it stands for */
	uint64_t cost[MR_COST_KINDS]; /* with all that is below it */
};

struct mr_flame {
	size_t count; /* parents before children; the children of a node as they came */
	struct mr_flame_node *nodes;
};

/* Builds the trees of SOURCES with the root at the outer end of the stacks and at the inner end, each of at
 * most NODES_MAX (at least 2) nodes and as many remainders.  Freed with mr_flame_release(). */
int mr_flame_build(const struct mr_flame_source *sources, size_t source_count, uint32_t frame_count,
                   size_t nodes_max, struct mr_flame *outer, struct mr_flame *inner, struct mr_error *err)
	MR_MUST_CHECK;
/* The tree of at most NODES_MAX of the nodes of FROM. */
int mr_flame_prune(const struct mr_flame *from, size_t nodes_max, struct mr_flame *flame,
                   struct mr_error *err) MR_MUST_CHECK;
void mr_flame_release(struct mr_flame *flame);

#endif
