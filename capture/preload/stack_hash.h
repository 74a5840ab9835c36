/* SPDX-License-Identifier: MIT
 *
 * A hash of places, for all threads and without locks: an entry is a place (an
 * address in bits 0..47, its module in 48..63) and a word that goes with it.
 * Entries are only added.  Which one is meant is for the caller to compare.  A
 * thread that inserts never waits for another: at worst what it inserts is
 * lost, or is there twice, and both cost no more than being found out anew.
 *
 * Most lookups are cache misses, so entries that are needed together are to lie
 * together: an entry goes into a line of four that its owner chooses ("near"), and where
 * that is full to a place by its hash ("far").
 *
 * The memory is private and reads as zeros in a forked child, where the hash is
 * thus empty again.  Private to capture/preload/.
 */
#ifndef MR_PRELOAD_STACK_HASH_H
#define MR_PRELOAD_STACK_HASH_H

#include <stdatomic.h>

#include "base.h"

#define MR_PLACE_ADDRESS ((UINT64_C(1) << 48) - 1)
#define MR_PLACE_MODULE_SHIFT 48
#define MR_HASH_LINE 4
#define MR_HASH_PROBES_MAX 24 /* far ones */

/* Where an entry goes. */
struct mr_hash_at {
	uint64_t near; /* its low bits choose the line */
	uint64_t far;  /* a hash of all of it, of which the high bits are taken */
};

struct mr_hash_entry {
	_Atomic uint64_t place; /* 0: free; 1: being written */
	_Atomic uint64_t value; /* never 0 in an entry that is whole */
};

/* What changes, and is wiped in a child. */
struct mr_hash_state {
	_Atomic uint32_t used;
	_Atomic uint32_t growing;
};

struct mr_hash {
	_Atomic uintptr_t table; /* address of the entries, and the logarithm of their number */
	struct mr_hash_state *state;
	struct mr_hash_at (*at_of)(uint64_t place, uint64_t value); /* of an entry, when the table grows */
};

#define MR_HASH_TABLE_BITS UINT64_C(63) /* of `table` */

/* A table for HASH, of 1 << BITS entries, unless it has one already.  False: no memory. */
bool mr_hash_begin(struct mr_hash *hash, unsigned bits);
/* Adds an entry. */
void mr_hash_insert(struct mr_hash *hash, uint64_t place, uint64_t value);
/* Forgets everything. */
void mr_hash_clear(struct mr_hash *hash);
/* Bytes of its memory. */
uint64_t mr_hash_bytes(const struct mr_hash *hash);

/* Multiplying spreads the low bits to the high ones, of which the index is made. */
#define MR_HASH_FACTOR UINT64_C(0x9e3779b97f4a7c15)

static inline const struct mr_hash_entry *mr_hash_entries(uintptr_t table)
{
	return (const struct mr_hash_entry *)(table &
	                                      ~MR_HASH_TABLE_BITS); // NOLINT(performance-no-int-to-ptr)
}

static inline uint64_t mr_hash_mask(uintptr_t table)
{
	return (UINT64_C(1) << (table & MR_HASH_TABLE_BITS)) - 1;
}

/* The line of entry AT. */
static inline uint64_t mr_hash_line(uintptr_t table, struct mr_hash_at at)
{
	return at.near * MR_HASH_LINE & mr_hash_mask(table);
}

/* The I-th far place to look at. */
static inline uint64_t mr_hash_far(uintptr_t table, struct mr_hash_at at, uint64_t i)
{
	return ((at.far >> (64 - (table & MR_HASH_TABLE_BITS))) + i) & mr_hash_mask(table);
}

#endif
