/* SPDX-License-Identifier: MIT
 *
 * See symbolizer_texts.h.
 */
#include "symbolizer_texts.h"

#define CHAINS_FIRST_SIZE 1024u

int mr_symbolizer_chains_grow(struct mr_symbolizer_chains *chains, size_t count)
{
	if (count < chains->size)
		return 0;

	const size_t size = chains->size == 0 ? CHAINS_FIRST_SIZE : chains->size * 4;
	uint32_t *const first = count < MR_SYMBOLIZER_CHAIN_END - 1 ? mr_alloc(size * sizeof(*first)) : NULL;
	if (first == NULL)
		return MR_ERR_NOMEM;
	memset(first, 0xff, size * sizeof(*first));
	mr_free(chains->first);
	*chains = (struct mr_symbolizer_chains){ first, size };
	return 1;
}

void mr_symbolizer_chains_put(struct mr_symbolizer_chains *chains, uint64_t hash, uint32_t index,
                              uint32_t *next)
{
	uint32_t *const first = &chains->first[hash & (chains->size - 1)];

	*next = *first;
	*first = index;
}

void mr_symbolizer_chains_release(struct mr_symbolizer_chains *chains)
{
	mr_free(chains->first);
	*chains = (struct mr_symbolizer_chains){ 0 };
}

static uint64_t hash_text(const char *text, size_t len)
{
	uint64_t hash = len;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)text[i]) * UINT64_C(0x100000001b3);
	return mr_symbolizer_chains_mix(hash);
}

static int add(struct mr_symbolizer_texts *texts, const char *text, size_t len, uint64_t hash,
               uint32_t *number)
{
	if (mr_grow(&texts->entries, &texts->capacity, texts->count + 1, sizeof(*texts->entries)) < 0)
		return MR_ERR_NOMEM;
	struct mr_symbolizer_text *const added = &texts->entries[texts->count];
	*added = (struct mr_symbolizer_text){ .start = texts->characters.len, .len = (uint32_t)len };
	mr_buffer_append(&texts->characters, text, len);
	mr_buffer_put_u8(&texts->characters, 0);
	if (texts->characters.failed)
		return MR_ERR_NOMEM;
	*number = (uint32_t)texts->count++;
	mr_symbolizer_chains_put(&texts->chains, hash, *number, &added->next);
	return 0;
}

int mr_symbolizer_texts_number(struct mr_symbolizer_texts *texts, const char *text, uint32_t *number)
{
	const size_t len = strnlen(text, MR_SYMBOLIZER_TEXT_MAX);
	const uint64_t hash = hash_text(text, len);

	if (texts->count == 0 && len > 0) {
		uint32_t empty;

		MR_TRY(mr_symbolizer_texts_number(texts, "", &empty));
	}
	const int grown = mr_symbolizer_chains_grow(&texts->chains, texts->count);
	if (grown < 0)
		return grown;
	for (size_t i = 0; grown == 1 && i < texts->count; i++)
		mr_symbolizer_chains_put(
			&texts->chains,
			hash_text(mr_symbolizer_texts_get(texts, (uint32_t)i), texts->entries[i].len),
			(uint32_t)i, &texts->entries[i].next);
	for (uint32_t i = mr_symbolizer_chains_first(&texts->chains, hash); i != MR_SYMBOLIZER_CHAIN_END;
	     i = texts->entries[i].next) {
		if (texts->entries[i].len == len &&
		    memcmp(mr_symbolizer_texts_get(texts, i), text, len) == 0) {
			*number = i;
			return 0;
		}
	}
	return add(texts, text, len, hash, number);
}

void mr_symbolizer_texts_release(struct mr_symbolizer_texts *texts)
{
	mr_free(texts->entries);
	mr_symbolizer_chains_release(&texts->chains);
	mr_buffer_release(&texts->characters);
	*texts = (struct mr_symbolizer_texts){ 0 };
}
