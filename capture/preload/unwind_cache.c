/* SPDX-License-Identifier: MIT
 *
 * Making a rule for a place that is met for the first time.
 */
#include "unwind_cache.h"

#include "module.h"

#define PAGE_SIZE_MIN 4096u

static struct mr_hash_at at_of_rule(uint64_t place, uint64_t rule)
{
	(void)rule;
	return mr_unwind_cache_at(place & MR_PLACE_ADDRESS);
}

struct mr_hash mr_unwind_cache = { .at_of = at_of_rule };

bool mr_unwind_cache_begin(struct mr_hash_state *state, unsigned bits)
{
	mr_unwind_cache.state = state;
	return mr_hash_begin(&mr_unwind_cache, bits);
}

bool mr_unwind_cache_find_far(uintptr_t address, struct mr_unwind_at *at)
{
	const uintptr_t table = atomic_load_explicit(&mr_unwind_cache.table, memory_order_acquire);
	const struct mr_hash_at where = mr_unwind_cache_at(address);

	for (uint64_t i = 0; i < MR_HASH_PROBES_MAX; i++) {
		const struct mr_hash_entry *const entry =
			mr_hash_entries(table) + mr_hash_far(table, where, i);
		const uint64_t place = atomic_load_explicit(&entry->place, memory_order_acquire);

		if (mr_unwind_cache_same(place, address))
			return mr_unwind_cache_take(entry, place, at);
		if (place == 0)
			return false;
	}
	return false;
}

/* Whether there may be a call in front of ADDRESS. */
static __attribute__((no_sanitize("address"))) bool is_called(uintptr_t address)
{
	const uintptr_t page = (address - 1) & ~(uintptr_t)(PAGE_SIZE_MIN - 1);
	uint8_t code[7] = { 0 };
	uintptr_t first = address - sizeof(code);

	if (!mr_memory_readable(address - 1))
		return false;
	if (first < page && !mr_memory_readable(first))
		first = page;
	for (uintptr_t at = first; at < address; at++)
		code[sizeof(code) - (address - at)] =
			*(const uint8_t *)at; // NOLINT(performance-no-int-to-ptr)
	return mr_unwind_is_call(code);
}

struct mr_unwind_at mr_unwind_cache_learn(uintptr_t address, struct mr_unwind_learning *learning)
{
	struct mr_unwind_at at = { .place = address, .rule = 0 };
	struct mr_module module = { 0 };

	if (address < 4096 || address > MR_PLACE_ADDRESS)
		return (struct mr_unwind_at){ .rule = MR_UNWIND_UNKNOWN };
	const enum mr_module_found found = mr_module_find(address - 1, learning->ring, &module);
	learning->untold = learning->untold || found == MR_MODULE_UNTOLD;
	if (found == MR_MODULE_NEW) {
		/* What was learned of its addresses before is of something else. */
		mr_hash_clear(&mr_unwind_cache);
		learning->moved = true;
	}
	if (found != MR_MODULE_NONE) {
		at.place |= (uint64_t)module.id << MR_PLACE_MODULE_SHIFT;
		at.rule = mr_unwind_rule(&module.tables, address);
	}
	if (at.rule == 0) {
		if (!learning->interrupted && !is_called(address))
			return (struct mr_unwind_at){ .rule = MR_UNWIND_UNKNOWN };
		at.rule = mr_unwind_guess();
		learning->guessed++;
	}
	if (found != MR_MODULE_UNTOLD)
		mr_hash_insert(&mr_unwind_cache, at.place, at.rule);
	return at;
}
