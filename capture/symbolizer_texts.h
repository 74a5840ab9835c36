/* SPDX-License-Identifier: MIT
 *
 * Two small tables for the names of places: entries by hash, and texts that are kept
 * once each and known by their number.  For one thread at a time.
 */
#ifndef MR_SYMBOLIZER_TEXTS_H
#define MR_SYMBOLIZER_TEXTS_H

#include "base.h"

/* ---- Chains of what has the same hash ------------------------------------------------
 *
 * Entries lie in an array of the caller's and are known by their index there; each has a `next`. */

#define MR_SYMBOLIZER_CHAIN_END UINT32_MAX

struct mr_symbolizer_chains {
	uint32_t *first;
	size_t size; /* a power of two */
};

/* A value spread over all bits. */
static inline uint64_t mr_symbolizer_chains_mix(uint64_t value)
{
	value *= UINT64_C(0x9e3779b97f4a7c15);
	return value ^ value >> 29;
}

/* Makes room for one more than COUNT entries.  1: the table is empty again, put all entries into it;
 * MR_ERR_NOMEM. */
int mr_symbolizer_chains_grow(struct mr_symbolizer_chains *chains, size_t count) MR_MUST_CHECK;
/* Puts entry INDEX in front of its chain. */
void mr_symbolizer_chains_put(struct mr_symbolizer_chains *chains, uint64_t hash, uint32_t index,
                              uint32_t *next);
/* The first entry of the chain, or MR_SYMBOLIZER_CHAIN_END.  The table has been grown. */
static inline uint32_t mr_symbolizer_chains_first(const struct mr_symbolizer_chains *chains, uint64_t hash)
{
	return chains->first[hash & (chains->size - 1)];
}
void mr_symbolizer_chains_release(struct mr_symbolizer_chains *chains);

/* ---- Texts --------------------------------------------------------------------------- */

#define MR_SYMBOLIZER_TEXT_MAX 4096u /* bytes of a text; more is cut */

struct mr_symbolizer_text {
	size_t start; /* in `characters`; there it ends in 0 */
	uint32_t len;
	uint32_t next;
};

struct mr_symbolizer_texts {
	struct mr_symbolizer_text *entries; /* number 0 is "", once there is any */
	size_t count;
	size_t capacity;
	struct mr_symbolizer_chains chains;
	struct mr_buffer characters;
};

/* The number of TEXT, from 0: the same each time; "" is 0.  MR_ERR_NOMEM. */
int mr_symbolizer_texts_number(struct mr_symbolizer_texts *texts, const char *text, uint32_t *number)
	MR_MUST_CHECK;
/* Good until the next text comes. */
static inline const char *mr_symbolizer_texts_get(const struct mr_symbolizer_texts *texts, uint32_t number)
{
	return (const char *)texts->characters.data + texts->entries[number].start;
}
static inline uint32_t mr_symbolizer_texts_len(const struct mr_symbolizer_texts *texts, uint32_t number)
{
	return texts->entries[number].len;
}
void mr_symbolizer_texts_release(struct mr_symbolizer_texts *texts);

#endif
