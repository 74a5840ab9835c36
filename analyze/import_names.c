/* SPDX-License-Identifier: MIT
 *
 * See import_names.h.
 */
#include "import_names.h"

#define SLOTS_FIRST 1024
#define TEXTS_A_BLOCK 1024

static uint64_t mix(uint64_t value)
{
	value ^= value >> 32;
	value *= UINT64_C(0x9e3779b97f4a7c15);
	return value ^ value >> 29;
}

/* Eight bytes at a time; the length tells texts apart that end in zeros. */
static uint32_t hash_text(uint64_t seed, const uint8_t *bytes, size_t len)
{
	uint64_t hash = seed ^ len * UINT64_C(0xff51afd7ed558ccd), word = 0;
	size_t at = 0;

	for (; len - at >= sizeof(word); at += sizeof(word)) {
		memcpy(&word, bytes + at, sizeof(word));
		hash = mix(hash ^ word);
	}
	word = 0;
	if (len > at)
		memcpy(&word, bytes + at, len - at);
	hash = mix(hash ^ word);
	return (uint32_t)(hash ^ hash >> 32);
}

/* Another one each time: whoever makes a file does not know it. */
static uint64_t new_seed(const void *place)
{
	return mix(mr_clock_monotonic_ns() ^ (uint64_t)(uintptr_t)place << 20);
}

/* Whether one more of COUNT ids needs a larger table. */
static bool is_full(size_t count, size_t slot_count)
{
	return (count + 1) * 2 > slot_count;
}

/* ---- Pairs ----------------------------------------------------------------------- */

void mr_pairs_release(struct mr_pairs *pairs)
{
	mr_free(pairs->keys);
	mr_free(pairs->slots);
	*pairs = (struct mr_pairs){ 0 };
}

static bool grow_pairs(struct mr_pairs *pairs)
{
	const size_t slot_count = pairs->slot_count > 0 ? pairs->slot_count * 2 : SLOTS_FIRST;
	uint32_t *const slots = mr_alloc(slot_count * sizeof(*slots));

	if (slots == NULL ||
	    mr_grow(&pairs->keys, &pairs->capacity, slot_count / 2, sizeof(*pairs->keys)) < 0) {
		mr_free(slots);
		return false;
	}
	if (pairs->count == 0)
		pairs->seed = new_seed(slots);
	for (size_t i = 0; i < pairs->count; i++) {
		size_t at = (size_t)mix(pairs->keys[i] ^ pairs->seed) & (slot_count - 1);

		while (slots[at] != 0)
			at = (at + 1) & (slot_count - 1);
		slots[at] = (uint32_t)i + 1;
	}
	mr_free(pairs->slots);
	pairs->slots = slots;
	pairs->slot_count = slot_count;
	return true;
}

uint32_t mr_pairs_id(struct mr_pairs *pairs, uint32_t first, uint32_t second)
{
	const uint64_t key = (uint64_t)first << 32 | second;

	if (is_full(pairs->count, pairs->slot_count) &&
	    (pairs->count >= UINT32_MAX / 4 || !grow_pairs(pairs)))
		return 0;
	size_t at = (size_t)mix(key ^ pairs->seed) & (pairs->slot_count - 1);
	while (pairs->slots[at] != 0) {
		if (pairs->keys[pairs->slots[at] - 1] == key)
			return pairs->slots[at];
		at = (at + 1) & (pairs->slot_count - 1);
	}
	pairs->keys[pairs->count++] = key;
	pairs->slots[at] = (uint32_t)pairs->count;
	return pairs->slots[at];
}

/* ---- Texts ------------------------------------------------------------------------ */

void mr_texts_release(struct mr_texts *texts)
{
	for (size_t i = 0; i < texts->kept_count; i++)
		mr_free(texts->kept[i]);
	mr_free(texts->kept);
	mr_free(texts->items);
	mr_free(texts->slots);
	*texts = (struct mr_texts){ 0 };
}

static bool grow_texts(struct mr_texts *texts)
{
	const size_t slot_count = texts->slot_count > 0 ? texts->slot_count * 2 : SLOTS_FIRST;
	uint32_t *const slots = mr_alloc(slot_count * sizeof(*slots));

	if (slots == NULL ||
	    mr_grow(&texts->items, &texts->capacity, slot_count / 2, sizeof(*texts->items)) < 0) {
		mr_free(slots);
		return false;
	}
	if (texts->count == 0)
		texts->seed = new_seed(slots);
	for (size_t i = 0; i < texts->count; i++) {
		size_t at = texts->items[i].hash & (slot_count - 1);

		while (slots[at] != 0)
			at = (at + 1) & (slot_count - 1);
		slots[at] = (uint32_t)i + 1;
	}
	mr_free(texts->slots);
	texts->slots = slots;
	texts->slot_count = slot_count;
	return true;
}

/* *FOUND: the text was there. */
static uint32_t find_text(struct mr_texts *texts, const uint8_t *bytes, size_t len, bool *found, bool *failed)
{
	*found = false;
	if (is_full(texts->count, texts->slot_count) &&
	    (texts->count >= UINT32_MAX / 4 || !grow_texts(texts))) {
		*failed = true;
		return 0;
	}
	const uint32_t hash = hash_text(texts->seed, bytes, len);
	size_t at = hash & (texts->slot_count - 1);
	while (texts->slots[at] != 0) {
		const struct mr_import_text *const text = &texts->items[texts->slots[at] - 1];

		*found = text->hash == hash && text->len == len && memcmp(text->bytes, bytes, len) == 0;
		if (*found)
			return texts->slots[at];
		at = (at + 1) & (texts->slot_count - 1);
	}
	texts->items[texts->count++] = (struct mr_import_text){ bytes, (uint32_t)len, hash };
	texts->slots[at] = (uint32_t)texts->count;
	return texts->slots[at];
}

uint32_t mr_texts_id(struct mr_texts *texts, const void *bytes, size_t len, bool *failed)
{
	bool found = false;

	len = len < MR_LOG_STRING_MAX ? len : MR_LOG_STRING_MAX;
	return len == 0 ? 0 : find_text(texts, bytes, len, &found, failed);
}

uint32_t mr_texts_keep(struct mr_texts *texts, const void *bytes, size_t len, bool *failed)
{
	bool found = false;

	len = len < MR_LOG_STRING_MAX ? len : MR_LOG_STRING_MAX;
	if (len == 0)
		return 0;
	uint8_t *const copy = mr_realloc(NULL, len);
	if (copy == NULL ||
	    mr_grow(&texts->kept, &texts->kept_capacity, texts->kept_count + 1, sizeof(uint8_t *)) < 0) {
		mr_free(copy);
		*failed = true;
		return 0;
	}
	memcpy(copy, bytes, len);
	const uint32_t id = find_text(texts, copy, len, &found, failed);
	if (found || id == 0)
		mr_free(copy);
	else
		texts->kept[texts->kept_count++] = copy;
	return id;
}

/* As many texts from FIRST on as make a block of a sensible size. */
static size_t block_of_texts(const struct mr_texts *texts, size_t first, size_t *len)
{
	size_t end = first;

	*len = 0;
	while (end < texts->count && end - first < TEXTS_A_BLOCK &&
	       (end == first || *len + texts->items[end].len <= MR_LOG_STRING_MAX))
		*len += texts->items[end++].len;
	return end;
}

void mr_texts_write(const struct mr_texts *texts, struct mr_import_log *log)
{
	static const struct mr_import_span no_span;
	uint64_t values[2][TEXTS_A_BLOCK];

	for (size_t first = 0, end; first < texts->count; first = end) {
		struct mr_buffer joined = { 0 };
		size_t len = 0;

		end = block_of_texts(texts, first, &len);
		for (size_t i = first; i < end; i++) {
			values[0][i - first] = i + 1;
			values[1][i - first] = texts->items[i].len;
			mr_buffer_append(&joined, texts->items[i].bytes, texts->items[i].len);
		}
		struct mr_block_writer *const block =
			mr_import_log_block(log, MR_KIND_STRINGS, (uint32_t)(end - first));
		mr_block_column(block, MR_STRINGS_ID, values[0]);
		mr_block_column(block, MR_STRINGS_LENGTH, values[1]);
		mr_block_bytes(block, MR_STRINGS_BYTES, joined.data, joined.len);
		if (joined.failed)
			log->code = MR_ERR_NOMEM;
		mr_import_log_block_end(log, &no_span);
		mr_buffer_release(&joined);
	}
}
