/* SPDX-License-Identifier: MIT
 *
 * The rules that were made so far, of the whole process.  A place is an address
 * and its module's number (stack_hash.h).  Private to capture/preload/.
 */
#ifndef MR_PRELOAD_UNWIND_CACHE_H
#define MR_PRELOAD_UNWIND_CACHE_H

#include "ring.h"
#include "stack_hash.h"
#include "unwind_rule.h"

extern struct mr_hash mr_unwind_cache;

struct mr_unwind_at {
	uint64_t place; /* 0: the address is no place in the code */
	uint64_t rule;
};

/* The calls of a function lie together, as do their rules. */
#define MR_UNWIND_CACHE_NEAR_SHIFT 8

static inline struct mr_hash_at mr_unwind_cache_at(uint64_t address)
{
	return (struct mr_hash_at){
		.near = (address >> MR_UNWIND_CACHE_NEAR_SHIFT) * MR_HASH_FACTOR >> 32,
		.far = address * MR_HASH_FACTOR,
	};
}

/* False: nothing is known of ADDRESS. */
static inline bool mr_unwind_cache_find(uintptr_t address, struct mr_unwind_at *at)
{
	const uintptr_t table = atomic_load_explicit(&mr_unwind_cache.table, memory_order_acquire);
	const struct mr_hash_entry *const entries = mr_hash_entries(table);
	const struct mr_hash_at where = mr_unwind_cache_at(address);

	for (uint64_t i = 0; i < MR_HASH_LINE + MR_HASH_PROBES_MAX; i++) {
		const struct mr_hash_entry *const entry = &entries[mr_hash_slot(table, where, i)];
		const uint64_t place = atomic_load_explicit(&entry->place, memory_order_acquire);

		if (MR_LIKELY(((place ^ address) << (64 - MR_PLACE_MODULE_SHIFT)) == 0)) {
			at->rule = atomic_load_explicit(&entry->value, memory_order_acquire);
			at->place = atomic_load_explicit(&entry->place, memory_order_relaxed);
			return MR_LIKELY(at->place == place) && at->rule != 0;
		}
		if (place == 0)
			return false;
	}
	return false;
}

struct mr_unwind_learning {
	struct mr_ring_writer *ring; /* takes what is new of modules; may be NULL */
	bool interrupted;            /* by a signal: no call leads to the address */
	bool untold;                 /* out: the ring cannot take it; nothing was learned */
	uint32_t guessed;            /* out: how many rules without tables were made */
	bool moved;                  /* out: what was known of addresses was forgotten */
};

/* Makes the rule for ADDRESS, and keeps it. */
struct mr_unwind_at mr_unwind_cache_learn(uintptr_t address, struct mr_unwind_learning *learning);

bool mr_unwind_cache_begin(struct mr_hash_state *state, unsigned bits);

#endif
