/* SPDX-License-Identifier: MIT
 *
 * Texts of the store, each once: bytes in blocks that never move, found again by
 * a table of ids.  No Python code runs here, but for the encoding of a str.
 *
 * Labels are counted: objects whose __repr__ shows what changes would otherwise
 * leave all that they ever showed.  A label that nobody has any more becomes an
 * empty text; its id is not used again.
 */
#include "tracked_store.h"

#define TABLE_MIN 256u
#define BLOCK_BYTES (8u << 10)

struct block {
	struct block *next;
	char bytes[];
};

/* In the class_index of a text that is a label, and nothing else so far. */
#define LABEL UINT32_C(0x80000000)

struct label { /* around its bytes */
	uint64_t uses;
	char bytes[];
};

struct text_index {
	uint32_t *ids; /* by bytes; 0: free.  At most half full. */
	uint64_t mask;
	uint64_t used;    /* of `ids` */
	uint32_t retired; /* texts that were labels */
	struct block *blocks;
	size_t left; /* in the newest block, at its end */
	char *at;
	uint64_t memory_bytes; /* of the blocks */
};

/* FNV-1a, its bits mixed once more because the table takes the low ones. */
static uint64_t hash_of(const char *bytes, size_t len)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)bytes[i]) * UINT64_C(0x100000001b3);
	return hash ^ hash >> 29;
}

static uint32_t *id_at(const struct mr_store *store, uint32_t *ids, uint64_t mask, const char *bytes,
                       size_t len)
{
	for (uint64_t at = hash_of(bytes, len) & mask;; at = (at + 1) & mask) {
		if (ids[at] == 0)
			return &ids[at];
		const struct mr_text *const text = mr_store_text(store, ids[at]);
		if (text->len == len && memcmp(text->bytes, bytes, len) == 0)
			return &ids[at];
	}
}

/* Room for one more text in the table. */
static int table_make_room(const struct mr_store *store, struct text_index *index)
{
	if (index->ids != NULL && (index->used + 1) * 2 <= index->mask)
		return 0;

	const uint64_t live = store->texts.count - index->retired;
	uint64_t size = TABLE_MIN;
	while (size < (live + 1) * 3)
		size *= 2;
	uint32_t *const ids = mr_alloc(size * sizeof(*ids));
	if (ids == NULL)
		return -1;
	index->used = 0;
	for (uint32_t id = 1; id < store->texts.count; id++) {
		const struct mr_text *const text = mr_store_text(store, id);
		uint32_t *const at = id_at(store, ids, size - 1, text->bytes, text->len);

		index->used += *at == 0; /* of the empty ones, the first */
		if (*at == 0)
			*at = id;
	}
	mr_free(index->ids);
	index->ids = ids;
	index->mask = size - 1;
	return 0;
}

/* A copy of BYTES that stays where it is; NULL: no memory. */
static const char *keep(struct text_index *index, const char *bytes, size_t len)
{
	if (len == 0)
		return "";
	if (len > index->left) {
		const size_t size = len > BLOCK_BYTES / 4 ? len : BLOCK_BYTES;
		struct block *const block = mr_alloc(sizeof(*block) + size);

		if (block == NULL)
			return NULL;
		block->next = index->blocks;
		index->blocks = block;
		index->memory_bytes += sizeof(*block) + size;
		if (size == len) { /* alone in its block */
			memcpy(block->bytes, bytes, len);
			return block->bytes;
		}
		index->at = block->bytes;
		index->left = size;
	}
	char *const kept = index->at;
	memcpy(kept, bytes, len);
	index->at += len;
	index->left -= len;
	return kept;
}

static struct label *label_of(const struct mr_text *text)
{
	return (struct label *)(void *)(uintptr_t)(text->bytes - offsetof(struct label, bytes));
}

static const char *keep_label(struct text_index *index, const char *bytes, size_t len)
{
	struct label *const label = mr_alloc(sizeof(*label) + len);

	if (label == NULL)
		return NULL;
	memcpy(label->bytes, bytes, len);
	index->memory_bytes += sizeof(*label) + len;
	return label->bytes;
}

static void drop_bytes(struct text_index *index, const struct mr_text *text)
{
	index->memory_bytes -= sizeof(struct label) + text->len;
	mr_free(label_of(text));
}

/* The text, new or not; a label has one use more.  0 with a Python error. */
static uint32_t add(struct mr_store *store, const char *bytes, size_t len, bool is_label)
{
	struct text_index *index = store->text_index;

	if (len > UINT32_MAX) {
		PyErr_SetString(PyExc_OverflowError, "a text is longer than 4 GiB");
		return 0;
	}
	if (index == NULL) {
		index = store->text_index = mr_alloc(sizeof(*index));
		if (index == NULL)
			goto no_memory;
	}
	if (table_make_room(store, index) < 0)
		goto no_memory;

	uint32_t *const at = id_at(store, index->ids, index->mask, bytes, len);
	struct mr_text *text;
	if (*at == 0) {
		const uint32_t id = mr_chunks_add(&store->texts);
		if (id == 0)
			return 0;
		text = mr_chunks_at(&store->texts, id);
		text->class_index = is_label && len > 0 ? LABEL : 0;
		text->bytes =
			text->class_index == LABEL ? keep_label(index, bytes, len) : keep(index, bytes, len);
		if (text->bytes == NULL) {
			mr_chunks_cut(&store->texts, id);
			goto no_memory;
		}
		text->len = (uint32_t)len;
		*at = id;
		index->used++;
	}
	text = mr_chunks_at(&store->texts, *at);
	if (text->class_index == LABEL && is_label) {
		label_of(text)->uses++;
	} else if (text->class_index == LABEL) { /* it is not only a label any more, and stays */
		const char *const kept = keep(index, bytes, len);

		if (kept == NULL)
			goto no_memory;
		drop_bytes(index, text);
		text->bytes = kept;
		text->class_index = 0;
	}
	return *at;

no_memory:
	PyErr_NoMemory();
	return 0;
}

uint32_t mr_store_add_text(struct mr_store *store, const char *bytes, size_t len)
{
	return add(store, bytes, len, false);
}

static uint32_t add_object(struct mr_store *store, PyObject *string, bool is_label)
{
	/* Text in ASCII, as nearly all of it is, needs no second form. */
	if (PyUnicode_READY(string) == 0 && PyUnicode_IS_ASCII(string))
		return add(store, PyUnicode_DATA(string), (size_t)PyUnicode_GET_LENGTH(string), is_label);

	PyObject *const encoded = PyUnicode_AsEncodedString(string, "utf-8", "surrogatepass");
	if (encoded == NULL)
		return 0;
	const uint32_t id =
		add(store, PyBytes_AS_STRING(encoded), (size_t)PyBytes_GET_SIZE(encoded), is_label);
	Py_DECREF(encoded);
	return id;
}

uint32_t mr_store_add_string(struct mr_store *store, PyObject *string)
{
	return add_object(store, string, false);
}

uint32_t mr_store_add_label(struct mr_store *store, PyObject *string)
{
	return add_object(store, string, true);
}

void mr_store_drop_label(struct mr_store *store, uint32_t id)
{
	struct text_index *const index = store->text_index;
	struct mr_text *const text = id == 0 ? NULL : mr_chunks_at(&store->texts, id);

	if (text == NULL || text->class_index != LABEL)
		return;
	if (--label_of(text)->uses > 0)
		return;
	index->retired++;
	drop_bytes(index, text);
	*text = (struct mr_text){ .bytes = "" };
}

PyObject *mr_store_text_object(const struct mr_store *store, uint32_t id)
{
	if (id == 0)
		return PyUnicode_New(0, 0);
	const struct mr_text *const text = mr_store_text(store, id);
	return PyUnicode_DecodeUTF8(text->bytes, text->len, "surrogatepass");
}

void mr_store_texts_free(struct mr_store *store)
{
	struct text_index *const index = store->text_index;

	if (index == NULL)
		return;
	for (uint32_t id = 1; id < store->texts.count; id++) {
		const struct mr_text *const text = mr_store_text(store, id);

		if (text->class_index == LABEL)
			mr_free(label_of(text));
	}
	for (struct block *block = index->blocks, *next; block != NULL; block = next) {
		next = block->next;
		mr_free(block);
	}
	mr_free(index->ids);
	mr_free(index);
	store->text_index = NULL;
}

uint64_t mr_store_texts_memory(const struct mr_store *store)
{
	const struct text_index *const index = store->text_index;

	return index == NULL ? 0
	                     : sizeof(*index) + index->memory_bytes + (index->mask + 1) * sizeof(*index->ids);
}
