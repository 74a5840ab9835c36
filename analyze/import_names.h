/* SPDX-License-Identifier: MIT
 *
 * Ids for what an import names again and again: texts by their content, and pairs
 * of ids (a referent's path is one of its parent's and a name).  Texts are
 * borrowed from the dump; what is put together for the log alone is kept here.
 * Not thread-safe.
 */
#ifndef MR_IMPORT_NAMES_H
#define MR_IMPORT_NAMES_H

#include "import_log.h"

/* Pairs of numbers below 2^32 to ids that count from 1 in the order of their coming. */
struct mr_pairs {
	uint64_t *keys; /* by id - 1: first << 32 | second */
	size_t count;
	size_t capacity;
	uint32_t *slots; /* ids, open addressing; 0: free */
	size_t slot_count;
	uint64_t seed; /* so that no file can choose what meets in the table */
};

void mr_pairs_release(struct mr_pairs *pairs);
/* The id of the pair, 0: no memory. */
uint32_t mr_pairs_id(struct mr_pairs *pairs, uint32_t first, uint32_t second);

static inline uint32_t mr_pairs_first(const struct mr_pairs *pairs, uint32_t id)
{
	return (uint32_t)(pairs->keys[id - 1] >> 32);
}

static inline uint32_t mr_pairs_second(const struct mr_pairs *pairs, uint32_t id)
{
	return (uint32_t)pairs->keys[id - 1];
}

struct mr_import_text {
	const uint8_t *bytes;
	uint32_t len;
	uint32_t hash;
};

struct mr_texts {
	struct mr_import_text *items; /* by id - 1 */
	size_t count;
	size_t capacity;
	uint32_t *slots;
	size_t slot_count;
	uint64_t seed;
	uint8_t **kept; /* texts that are nowhere else */
	size_t kept_count;
	size_t kept_capacity;
};

void mr_texts_release(struct mr_texts *texts);
/* The id of a text, 0: it is empty, or there is no memory (then `failed` of the caller's is set).
 * BYTES is borrowed until mr_texts_release(). */
uint32_t mr_texts_id(struct mr_texts *texts, const void *bytes, size_t len, bool *failed);
/* The same of bytes that will be gone. */
uint32_t mr_texts_keep(struct mr_texts *texts, const void *bytes, size_t len, bool *failed);
/* Writes all of them as STRINGS. */
void mr_texts_write(const struct mr_texts *texts, struct mr_import_log *log);

#endif
