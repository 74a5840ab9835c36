/* SPDX-License-Identifier: MIT
 *
 * Strings and paths of referents: numbered when first met, and defined in the
 * log once.  Text that comes by without end (descriptions, messages, labels)
 * gets numbers too, but is not kept: only a small cache of what came last.
 */
#include "tracker.h"

#define PASSING_CACHE 256u
#define CAPACITY_MIN 64u

struct name {
	uint64_t hash; /* of parent and text; 0: empty place */
	char *text;
	uint32_t len;
	uint32_t parent;
	uint32_t id;
};

/* Open addressing, at most three quarters full. */
struct table {
	struct name *names;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
	uint64_t text_bytes;
};

struct passing {
	uint64_t hash;
	uint32_t len;
	uint32_t id;
};

struct mr_names {
	struct table strings;
	struct table paths;
	uint32_t string_next;
	uint32_t path_next;
	struct mr_buffer block;
	struct passing passing[PASSING_CACHE];
};

int mr_names_new(struct memcapture *capture, struct mr_error *err)
{
	struct mr_names *const names = mr_alloc(sizeof(*names));

	MR_FAIL_IF(names == NULL, err, MR_ERR_NOMEM, "out of memory for names");
	names->string_next = 1;
	names->path_next = 1;
	capture->names = names;
	return 0;
}

static void table_release(struct table *table)
{
	for (size_t i = 0; i < table->capacity; i++)
		mr_free(table->names[i].text);
	mr_free(table->names);
}

void mr_names_free(struct mr_names *names)
{
	if (names == NULL)
		return;
	table_release(&names->strings);
	table_release(&names->paths);
	mr_buffer_release(&names->block);
	mr_free(names);
}

/* FNV-1a, with a last mix because places are chosen by the low bits. */
static uint64_t hash_text(uint32_t parent, const char *text, size_t len)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ parent;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)text[i]) * UINT64_C(0x100000001b3);
	hash ^= hash >> 32;
	return hash != 0 ? hash : 1;
}

/* The place of the name, or the empty one where it belongs. */
static struct name *table_find(const struct table *table, uint64_t hash, uint32_t parent, const char *text,
                               size_t len)
{
	size_t at = hash & (table->capacity - 1);

	for (;; at = (at + 1) & (table->capacity - 1)) {
		struct name *const name = &table->names[at];

		if (name->hash == 0 || (name->hash == hash && name->parent == parent && name->len == len &&
		                        memcmp(name->text, text, len) == 0))
			return name;
	}
}

static bool table_make_room(struct table *table)
{
	if ((table->count + 1) * 4 <= table->capacity * 3)
		return true;

	struct table grown = *table;
	grown.capacity = table->capacity == 0 ? CAPACITY_MIN : table->capacity * 2;
	grown.names = mr_alloc(grown.capacity * sizeof(*grown.names));
	if (grown.names == NULL)
		return false;
	for (size_t i = 0; i < table->capacity; i++) {
		const struct name *const name = &table->names[i];

		if (name->hash != 0)
			*table_find(&grown, name->hash, name->parent, name->text, name->len) = *name;
	}
	mr_free(table->names);
	*table = grown;
	return true;
}

/* The name's entry, made with the number *NEXT when it is new (*IS_NEW); NULL: no memory. */
static struct name *table_intern(struct table *table, uint32_t *next, uint32_t parent, const char *text,
                                 size_t len, bool *is_new)
{
	const uint64_t hash = hash_text(parent, text, len);

	if (!table_make_room(table))
		return NULL;
	struct name *const name = table_find(table, hash, parent, text, len);
	*is_new = name->hash == 0;
	if (!*is_new)
		return name;

	char *const copy = mr_alloc(len + 1);
	if (copy == NULL || *next == UINT32_MAX) {
		mr_free(copy);
		return NULL;
	}
	memcpy(copy, text, len);
	*name = (struct name){
		.hash = hash, .text = copy, .len = (uint32_t)len, .parent = parent, .id = (*next)++
	};
	table->count++;
	table->text_bytes += len + 1;
	return name;
}

/* ---- Defining: all under definition_lock ------------------------------------------- */

static void append(struct memcapture *capture, const struct mr_buffer *buffer)
{
	static const uint64_t no_span[4];

	/* A block that is lost because the writer has stopped is counted by the ring. */
	if (!buffer->failed)
		(void)(mr_ring_append_block(&capture->definitions, buffer->data, buffer->len, no_span) ==
		       false);
}

void mr_tracker_define(struct memcapture *capture, const struct mr_buffer *buffer)
{
	mr_lock_acquire(&capture->definition_lock);
	append(capture, buffer);
	mr_lock_release(&capture->definition_lock);
}

static void define_string(struct memcapture *capture, uint32_t id, const char *text, size_t len)
{
	struct mr_buffer *const buffer = &capture->names->block;
	struct mr_block_writer block;

	mr_buffer_clear(buffer);
	mr_block_begin(&block, buffer, MR_KIND_STRINGS, 1);
	mr_block_scalar(&block, MR_STRINGS_ID, id);
	mr_block_scalar(&block, MR_STRINGS_LENGTH, len);
	mr_block_bytes(&block, MR_STRINGS_BYTES, text, len);
	mr_block_end(&block);
	append(capture, buffer);
}

static void define_path(struct memcapture *capture, uint32_t id, uint32_t parent, uint32_t name)
{
	struct mr_buffer *const buffer = &capture->names->block;
	struct mr_block_writer block;

	mr_buffer_clear(buffer);
	mr_block_begin(&block, buffer, MR_KIND_PATHS, 1);
	mr_block_scalar(&block, MR_PATHS_ID, id);
	mr_block_scalar(&block, MR_PATHS_PARENT, parent);
	mr_block_scalar(&block, MR_PATHS_NAME, name);
	mr_block_end(&block);
	append(capture, buffer);
}

static size_t cut(size_t len)
{
	return len < MR_TRACKER_TEXT_MAX ? len : MR_TRACKER_TEXT_MAX;
}

static uint32_t string_intern(struct memcapture *capture, const char *text, size_t len)
{
	struct mr_names *const names = capture->names;
	bool is_new = false;
	const struct name *const name =
		table_intern(&names->strings, &names->string_next, 0, text, cut(len), &is_new);

	if (name != NULL && is_new)
		define_string(capture, name->id, name->text, name->len);
	return name != NULL ? name->id : 0;
}

/* ---- For the rest of the tracker ------------------------------------------------------ */

uint32_t mr_names_string(struct memcapture *capture, const char *text, size_t len)
{
	if (text == NULL)
		return 0;
	mr_lock_acquire(&capture->definition_lock);
	const uint32_t id = string_intern(capture, text, len);
	mr_lock_release(&capture->definition_lock);
	return id;
}

uint32_t mr_names_passing(struct memcapture *capture, const char *text, size_t len)
{
	struct mr_names *const names = capture->names;

	if (text == NULL || len == 0)
		return 0;
	len = cut(len);

	const uint64_t hash = hash_text(0, text, len);
	mr_lock_acquire(&capture->definition_lock);
	struct passing *const cached = &names->passing[hash % PASSING_CACHE];
	if (cached->hash != hash || cached->len != len) {
		*cached = (struct passing){ .hash = hash, .len = (uint32_t)len, .id = names->string_next };
		if (names->string_next != UINT32_MAX)
			names->string_next++;
		define_string(capture, cached->id, text, len);
	}
	const uint32_t id = cached->id;
	mr_lock_release(&capture->definition_lock);
	return id;
}

uint32_t mr_names_take(struct memcapture *capture, uint32_t count)
{
	struct mr_names *const names = capture->names;

	mr_lock_acquire(&capture->definition_lock);
	const uint32_t first = names->string_next;
	/* Past 2^32 strings, new ones share the last id. */
	names->string_next = count < UINT32_MAX - first ? first + count : UINT32_MAX;
	mr_lock_release(&capture->definition_lock);
	return first;
}

uint32_t mr_names_path(void *context, uint32_t parent, const char *text)
{
	struct memcapture *const capture = context;
	struct mr_names *const names = capture->names;
	const size_t len = cut(strlen(text));
	bool is_new = false;

	mr_lock_acquire(&capture->definition_lock);
	const struct name *const name =
		table_intern(&names->paths, &names->path_next, parent, text, len, &is_new);
	if (name != NULL && is_new)
		define_path(capture, name->id, parent, string_intern(capture, text, len));
	mr_lock_release(&capture->definition_lock);
	return name != NULL ? name->id : 0;
}

void mr_names_define_all(struct memcapture *capture)
{
	struct mr_names *const names = capture->names;

	mr_lock_acquire(&capture->definition_lock);
	memset(names->passing, 0, sizeof(names->passing));
	for (size_t i = 0; i < names->strings.capacity; i++) {
		const struct name *const name = &names->strings.names[i];

		if (name->hash != 0)
			define_string(capture, name->id, name->text, name->len);
	}
	for (size_t i = 0; i < names->paths.capacity; i++) {
		const struct name *const name = &names->paths.names[i];

		if (name->hash != 0)
			define_path(capture, name->id, name->parent,
			            string_intern(capture, name->text, name->len));
	}
	mr_lock_release(&capture->definition_lock);
}

uint64_t mr_names_memory(struct memcapture *capture)
{
	const struct mr_names *const names = capture->names;

	mr_lock_acquire(&capture->definition_lock);
	const uint64_t size_bytes =
		sizeof(*names) + (names->strings.capacity + names->paths.capacity) * sizeof(struct name) +
		names->strings.text_bytes + names->paths.text_bytes + names->block.capacity;
	mr_lock_release(&capture->definition_lock);
	return size_bytes;
}
