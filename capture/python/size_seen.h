/* SPDX-License-Identifier: MIT
 *
 * What a sizer has visited: two bits for every 16 bytes of the heap.  No two
 * Python objects begin in the same 16 bytes, since each is at least that large,
 * so the bits need no addresses beside them.  They lie in regions of 4 KiB, one
 * for each 256 KiB in which an object was seen: 1.6 % of the heap that is sized.
 *
 * Addresses are only compared, never read.  Private to the extension _capture;
 * needs the GIL.
 */
#ifndef MR_SIZE_SEEN_H
#define MR_SIZE_SEEN_H

#include "base.h"

enum mr_seen_state {
	MR_SEEN_NOT,   /* yet */
	MR_SEEN_GIVEN, /* references to it do not count; given itself, it does */
	MR_SEEN_ONCE,
	MR_SEEN_MORE /* than once; or hidden */
};

#define MR_SEEN_REGION_SHIFT 18 /* 256 KiB */
#define MR_SEEN_GRANULE_SHIFT 4
#define MR_SEEN_WORD_SHIFT 5 /* 32 granules in a word of 64 bits */
#define MR_SEEN_WORDS (1u << (MR_SEEN_REGION_SHIFT - MR_SEEN_GRANULE_SHIFT - MR_SEEN_WORD_SHIFT))
#define MR_SEEN_RECENT 64

struct mr_seen_region {
	uint64_t number; /* address >> MR_SEEN_REGION_SHIFT, never 0 */
	uint64_t *words; /* MR_SEEN_WORDS; NULL: the place is free */
	bool single;     /* the words are a block of their own */
};

/* Zeros are an empty account; the members belong to size_seen.c. */
struct mr_seen {
	struct {
		uint64_t number;
		uint64_t *words;
	} recent[MR_SEEN_RECENT];       /* by the number's low bits */
	struct mr_seen_region *regions; /* by a hash of the number */
	size_t capacity;                /* a power of 2 */
	size_t count;
	void *slabs; /* mapped pages that hold words */
	uint64_t *slab_free;
	size_t slab_left;
	uint64_t *hidden; /* addresses, few; sorted */
	size_t hidden_count;
	size_t hidden_capacity;
	uint64_t memory_bytes;

	uint64_t objects;    /* in the states ONCE and MORE, hidden ones not counted */
	uint64_t visits;     /* of them */
	uint64_t duplicates; /* in the state MORE */
};

void mr_seen_release(struct mr_seen *seen); /* all of it is zero then */

/* The words of the region of ADDRESS; NULL: no memory. */
uint64_t *mr_seen_find(struct mr_seen *seen, uint64_t address);
bool mr_seen_is_hidden(const struct mr_seen *seen, uint64_t address);
/* Makes it one that is never sized; as the original has it, only what was not seen before. */
int mr_seen_hide(struct mr_seen *seen, uint64_t address) MR_MUST_CHECK;
/* Forgets an object that is going away, so that one that takes its place counts. */
void mr_seen_forget(struct mr_seen *seen, uint64_t address);
/* Brings here what looking at ADDRESS needs. */
void mr_seen_prefetch(const struct mr_seen *seen, uint64_t address);

/* The word that holds the state of ADDRESS, at *SHIFT; NULL: no memory. */
static inline uint64_t *mr_seen_word(struct mr_seen *seen, uint64_t address, unsigned *shift)
{
	const uint64_t number = address >> MR_SEEN_REGION_SHIFT;
	const uint64_t granule = address >> MR_SEEN_GRANULE_SHIFT;
	uint64_t *words = seen->recent[number % MR_SEEN_RECENT].words;

	if (MR_UNLIKELY(seen->recent[number % MR_SEEN_RECENT].number != number)) {
		words = mr_seen_find(seen, address);
		if (!words)
			return NULL;
	}
	*shift = (unsigned)(granule & ((1u << MR_SEEN_WORD_SHIFT) - 1)) * 2;
	return &words[(granule >> MR_SEEN_WORD_SHIFT) % MR_SEEN_WORDS];
}

static inline enum mr_seen_state mr_seen_state_in(const uint64_t *word, unsigned shift)
{
	return (enum mr_seen_state)((*word >> shift) & 3);
}

static inline void mr_seen_put(uint64_t *word, unsigned shift, enum mr_seen_state state)
{
	*word = (*word & ~(UINT64_C(3) << shift)) | ((uint64_t)state << shift);
}

/* Counts a first visit. */
static inline void mr_seen_enter(struct mr_seen *seen, uint64_t *word, unsigned shift)
{
	mr_seen_put(word, shift, MR_SEEN_ONCE);
	seen->objects++;
	seen->visits++;
}

/* Counts another visit of one that is in the state ONCE or MORE. */
static inline void mr_seen_again(struct mr_seen *seen, uint64_t *word, unsigned shift, uint64_t address)
{
	if (mr_seen_state_in(word, shift) == MR_SEEN_ONCE) {
		mr_seen_put(word, shift, MR_SEEN_MORE);
		seen->duplicates++;
	} else if (MR_UNLIKELY(seen->hidden_count) && mr_seen_is_hidden(seen, address)) {
		return;
	}
	seen->visits++;
}

#endif
