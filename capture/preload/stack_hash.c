/* SPDX-License-Identifier: MIT
 *
 * Inserting into the hash of places, and growing it.  A table that was grown
 * out of keeps its addresses, for the threads that are still looking into it, but
 * gives its memory back: then it reads as empty, which is harmless.
 */
#include "stack_hash.h"

#include <errno.h>
#include <sys/mman.h>

#include "memory_mapped.h"

#define FULL(mask) ((mask) / 8 * 5) /* entries in use, where it is time to grow */

static struct mr_hash_entry *table_map(unsigned bits)
{
	return mr_pages_map_wiped_on_fork(sizeof(struct mr_hash_entry) << bits);
}

bool mr_hash_begin(struct mr_hash *hash, unsigned bits)
{
	if (atomic_load_explicit(&hash->table, memory_order_relaxed) != 0)
		return true;
	const struct mr_hash_entry *const entries = table_map(bits);
	if (entries == NULL)
		return false;
	atomic_store_explicit(&hash->table, (uintptr_t)entries | bits, memory_order_release);
	return true;
}

/* Into TABLE; false: there was no room where it may be. */
static bool table_insert(uintptr_t table, struct mr_hash_at at, uint64_t place, uint64_t value)
{
	struct mr_hash_entry *const entries = (struct mr_hash_entry *)mr_hash_entries(table);

	for (uint64_t i = 0; i < MR_HASH_LINE + MR_HASH_PROBES_MAX; i++) {
		struct mr_hash_entry *const entry =
			&entries[i < MR_HASH_LINE ? mr_hash_line(table, at) + i
		                                  : mr_hash_far(table, at, i - MR_HASH_LINE)];
		uint64_t expected = 0;

		if (atomic_load_explicit(&entry->place, memory_order_relaxed) != 0 ||
		    !atomic_compare_exchange_strong_explicit(&entry->place, &expected, 1,
		                                             memory_order_acquire, memory_order_relaxed))
			continue;
		atomic_store_explicit(&entry->value, value, memory_order_relaxed);
		atomic_store_explicit(&entry->place, place, memory_order_release);
		return true;
	}
	return false;
}

/* One thread grows at a time; the others go on with the old table. */
static void hash_grow(struct mr_hash *hash, uintptr_t table)
{
	const unsigned bits = (unsigned)(table & MR_HASH_TABLE_BITS) + 1;
	const int errno_before = errno;
	struct mr_hash_entry *const fresh = bits < 40 ? table_map(bits) : NULL;

	errno = errno_before;
	if (fresh == NULL)
		return;
	const struct mr_hash_entry *const entries = mr_hash_entries(table);
	const uintptr_t grown = (uintptr_t)fresh | bits;
	uint32_t used = 0;

	for (uint64_t i = 0; i <= mr_hash_mask(table); i++) {
		const uint64_t place = atomic_load_explicit(&entries[i].place, memory_order_acquire);
		const uint64_t value = atomic_load_explicit(&entries[i].value, memory_order_relaxed);

		if (place > 1 && value != 0 && table_insert(grown, hash->at_of(place, value), place, value))
			used++;
	}
	atomic_store_explicit(&hash->state->used, used, memory_order_relaxed);
	atomic_store_explicit(&hash->table, grown, memory_order_release);
	(void)madvise((void *)entries, sizeof(*entries) * (mr_hash_mask(table) + 1), MADV_DONTNEED);
}

void mr_hash_insert(struct mr_hash *hash, uint64_t place, uint64_t value)
{
	const struct mr_hash_at at = hash->at_of(place, value);
	const uintptr_t table = atomic_load_explicit(&hash->table, memory_order_acquire);
	const bool inserted = table_insert(table, at, place, value);

	if (inserted && atomic_fetch_add_explicit(&hash->state->used, 1, memory_order_relaxed) <
	                        FULL(mr_hash_mask(table)))
		return;
	if (atomic_exchange_explicit(&hash->state->growing, 1, memory_order_acquire) != 0)
		return;
	if (atomic_load_explicit(&hash->table, memory_order_relaxed) == table) {
		hash_grow(hash, table);
		if (!inserted)
			(void)table_insert(atomic_load_explicit(&hash->table, memory_order_relaxed), at,
			                   place, value);
	}
	atomic_store_explicit(&hash->state->growing, 0, memory_order_release);
}

void mr_hash_clear(struct mr_hash *hash)
{
	const uintptr_t table = atomic_load_explicit(&hash->table, memory_order_acquire);
	struct mr_hash_entry *const entries = (struct mr_hash_entry *)mr_hash_entries(table);

	/* A reader looks at the place again after the value, so it never takes one entry's for another's. */
	for (uint64_t i = 0; i <= mr_hash_mask(table); i++) {
		if (atomic_load_explicit(&entries[i].place, memory_order_relaxed) == 0)
			continue;
		atomic_store_explicit(&entries[i].value, 0, memory_order_relaxed);
		atomic_store_explicit(&entries[i].place, 0, memory_order_release);
	}
	atomic_store_explicit(&hash->state->used, 0, memory_order_relaxed);
}

uint64_t mr_hash_bytes(const struct mr_hash *hash)
{
	const uintptr_t table = atomic_load_explicit(&hash->table, memory_order_relaxed);
	return sizeof(struct mr_hash_entry) * (mr_hash_mask(table) + 1);
}
