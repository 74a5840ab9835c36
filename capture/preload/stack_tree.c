/* SPDX-License-Identifier: MIT
 *
 * New nodes of the tree of stacks.  A node is in the ring before it is in the
 * hash, so whoever finds it there names something that was told.
 */
#include "stack_tree.h"

#include "heap_events.h"

static struct mr_hash_at at_of_node(uint64_t place, uint64_t value)
{
	return mr_stack_tree_at(place, (uint32_t)(value >> 32));
}

struct mr_hash mr_stack_tree = { .at_of = at_of_node };
static _Atomic uint32_t *next_id;

bool mr_stack_tree_begin(struct mr_hash_state *state, _Atomic uint32_t *next, unsigned bits)
{
	mr_stack_tree.state = state;
	next_id = next;
	return mr_hash_begin(&mr_stack_tree, bits);
}

uint32_t mr_stack_tree_find_far(uint64_t place, uint32_t parent)
{
	const uintptr_t table = atomic_load_explicit(&mr_stack_tree.table, memory_order_acquire);
	const struct mr_hash_at at = mr_stack_tree_at(place, parent);

	for (uint64_t i = 0; i < MR_HASH_PROBES_MAX; i++) {
		const struct mr_hash_entry *const entry = mr_hash_entries(table) + mr_hash_far(table, at, i);
		const uint64_t there = atomic_load_explicit(&entry->place, memory_order_acquire);
		const uint64_t value = atomic_load_explicit(&entry->value, memory_order_relaxed);

		if (there == place && value >> 32 == parent)
			return (uint32_t)value;
		if (there == 0)
			return 0;
	}
	return 0;
}

uint32_t mr_stack_tree_add(struct mr_ring_writer *ring, uint64_t place, uint32_t parent)
{
	struct mr_heap_stack record = {
		.head = MR_HEAP_RECORD_STACK | (uint32_t)sizeof(record) << 4,
		.return_address = place & MR_PLACE_ADDRESS,
		.parent = parent,
		.module = (uint32_t)(place >> MR_PLACE_MODULE_SHIFT),
	};

	if (ring == NULL || !mr_ring_reserve(ring, sizeof(record)) ||
	    atomic_load_explicit(next_id, memory_order_relaxed) == UINT32_MAX)
		return 0;
	record.id = atomic_fetch_add_explicit(next_id, 1, memory_order_relaxed) + 1;
	memcpy(mr_ring_at_head(ring), &record, sizeof(record));
	mr_ring_commit(ring, sizeof(record));
	mr_hash_insert(&mr_stack_tree, place, (uint64_t)parent << 32 | record.id);
	return record.id;
}
