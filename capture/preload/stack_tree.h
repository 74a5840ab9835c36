/* SPDX-License-Identifier: MIT
 *
 * The tree of stacks: a node is a place in the code and its caller's node.
 * Private to capture/preload/.
 */
#ifndef MR_PRELOAD_STACK_TREE_H
#define MR_PRELOAD_STACK_TREE_H

#include "ring.h"
#include "stack_hash.h"

extern struct mr_hash mr_stack_tree;

/* The nodes of a stack that was met at once have numbers that follow each other, and lie together. */
static inline struct mr_hash_at mr_stack_tree_at(uint64_t place, uint32_t parent)
{
	return (struct mr_hash_at){
		.near = parent / (MR_HASH_LINE / 2),
		.far = (place ^ (uint64_t)parent * UINT64_C(0xd6e8feb86659fd93)) * MR_HASH_FACTOR,
	};
}

/* Where the line is full. */
uint32_t mr_stack_tree_find_far(uint64_t place, uint32_t parent);

/* 0: there is no such node yet. */
static inline uint32_t mr_stack_tree_find(uint64_t place, uint32_t parent)
{
	const uintptr_t table = atomic_load_explicit(&mr_stack_tree.table, memory_order_acquire);
	const struct mr_hash_entry *const line =
		mr_hash_entries(table) + mr_hash_line(table, mr_stack_tree_at(place, parent));

	for (uint64_t i = 0; i < MR_HASH_LINE; i++) {
		const uint64_t there = atomic_load_explicit(&line[i].place, memory_order_acquire);
		const uint64_t value = atomic_load_explicit(&line[i].value, memory_order_relaxed);

		if (there == place && value >> 32 == parent)
			return (uint32_t)value;
		if (there == 0)
			return 0;
	}
	return mr_stack_tree_find_far(place, parent);
}

/* Makes the node, and tells it to RING.  0: it cannot take it. */
uint32_t mr_stack_tree_add(struct mr_ring_writer *ring, uint64_t place, uint32_t parent);

/* NEXT counts the nodes' numbers. */
bool mr_stack_tree_begin(struct mr_hash_state *state, _Atomic uint32_t *next, unsigned bits);

#endif
