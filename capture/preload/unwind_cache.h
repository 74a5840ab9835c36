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

static inline bool mr_unwind_cache_same(uint64_t place, uintptr_t address)
{
	return (place ^ address) << (64 - MR_PLACE_MODULE_SHIFT) == 0;
}

/* The rule in ENTRY; false: none, or it has just been forgotten. */
static inline bool mr_unwind_cache_take(const struct mr_hash_entry *entry, uint64_t place,
                                        struct mr_unwind_at *at)
{
	at->rule = atomic_load_explicit(&entry->value, memory_order_acquire);
	at->place = place;
	return MR_LIKELY(atomic_load_explicit(&entry->place, memory_order_relaxed) == place) && at->rule != 0;
}

/* Where the line is full. */
bool mr_unwind_cache_find_far(uintptr_t address, struct mr_unwind_at *at);

/* False: nothing is known of ADDRESS. */
static inline bool mr_unwind_cache_find(uintptr_t address, struct mr_unwind_at *at)
{
	const uintptr_t table = atomic_load_explicit(&mr_unwind_cache.table, memory_order_acquire);
	const struct mr_hash_entry *const line =
		mr_hash_entries(table) + mr_hash_line(table, mr_unwind_cache_at(address));

	for (uint64_t i = 0; i < MR_HASH_LINE; i++) {
		const uint64_t place = atomic_load_explicit(&line[i].place, memory_order_acquire);

		if (MR_LIKELY(mr_unwind_cache_same(place, address)))
			return mr_unwind_cache_take(&line[i], place, at);
		if (place == 0)
			return false;
	}
	return mr_unwind_cache_find_far(address, at);
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
