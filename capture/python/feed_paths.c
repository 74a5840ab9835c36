/* SPDX-License-Identifier: MIT
 *
 * Paths of referents, and the sums that belong to them; see feed_paths.h.
 */
#include "feed_paths.h"

#define TABLE_MIN 64u

struct mr_feed_pair {
	uint64_t pair; /* 0: free */
	uint32_t value;
};

/* ---- Pairs of numbers ---------------------------------------------------------------- */

static size_t mix(uint64_t hash)
{
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(hash ^ hash >> 32);
}

static struct mr_feed_pair *pair_at(const struct mr_feed_table *table, uint64_t pair)
{
	size_t at = mix(pair) & (table->capacity - 1);

	while (table->pairs[at].pair != 0 && table->pairs[at].pair != pair)
		at = (at + 1) & (table->capacity - 1);
	return &table->pairs[at];
}

/* The value of A and B (not 0), 0 when it is new; NULL: no memory. */
static uint32_t *table_find(struct mr_feed_table *table, uint32_t a, uint32_t b)
{
	const uint64_t pair = (uint64_t)a << 32 | b;

	if ((table->count + 1) * 2 > table->capacity) {
		struct mr_feed_table grown = *table;

		grown.capacity = table->capacity == 0 ? TABLE_MIN : table->capacity * 2;
		grown.pairs = mr_alloc(grown.capacity * sizeof(*grown.pairs));
		if (grown.pairs == NULL)
			return NULL;
		for (size_t i = 0; i < table->capacity; i++) {
			if (table->pairs[i].pair != 0)
				*pair_at(&grown, table->pairs[i].pair) = table->pairs[i];
		}
		mr_free(table->pairs);
		*table = grown;
	}

	struct mr_feed_pair *const found = pair_at(table, pair);
	if (found->pair == 0) {
		found->pair = pair;
		table->count++;
	}
	return &found->value;
}

/* Grows *ITEMS to hold index WANTED, with zeros in what is new. */
static int grow_zeroed(void *items, size_t *capacity, size_t wanted, size_t item_size)
{
	const size_t before = *capacity;
	void **const memory = items;

	if (wanted < before)
		return 0;
	if (mr_grow(items, capacity, wanted + 1, item_size) < 0)
		return -1;
	memset((char *)*memory + before * item_size, 0, (*capacity - before) * item_size);
	return 0;
}

/* ---- Keys: names up to their first colon ------------------------------------------------ */

static uint64_t hash_bytes(const char *bytes, size_t len)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static uint32_t *key_at(const struct mr_feed_paths *paths, const uint32_t *index, size_t capacity,
                        const char *bytes, size_t len)
{
	size_t at = mix(hash_bytes(bytes, len)) & (capacity - 1);

	for (;; at = (at + 1) & (capacity - 1)) {
		const struct mr_feed_key *const key = &paths->keys[index[at]];

		if (index[at] == 0 || (key->len == len && memcmp(key->bytes, bytes, len) == 0))
			return (uint32_t *)&index[at];
	}
}

static int key_make_room(struct mr_feed_paths *paths)
{
	if (mr_grow(&paths->keys, &paths->key_capacity, paths->key_count + 2, sizeof(*paths->keys)) < 0)
		return -1;
	if ((paths->key_count + 1) * 2 <= paths->key_index_capacity)
		return 0;

	const size_t capacity = paths->key_index_capacity == 0 ? TABLE_MIN : paths->key_index_capacity * 2;
	uint32_t *const index = mr_alloc(capacity * sizeof(*index));
	if (index == NULL)
		return -1;
	for (uint32_t i = 1; i <= paths->key_count; i++)
		*key_at(paths, index, capacity, paths->keys[i].bytes, paths->keys[i].len) = i;
	mr_free(paths->key_index);
	paths->key_index = index;
	paths->key_index_capacity = capacity;
	return 0;
}

/* The id of the string that the name TEXT is merged under; 0: no memory. */
static uint32_t key_string(struct mr_feed_paths *paths, struct mr_feed_sink *sink,
                           const struct mr_store *store, const uint32_t *strings, uint32_t text)
{
	if (grow_zeroed(&paths->text_keys, &paths->text_capacity, text, sizeof(*paths->text_keys)) < 0)
		return 0;
	if (paths->text_keys[text] != 0)
		return paths->keys[paths->text_keys[text]].string;
	if (key_make_room(paths) < 0)
		return 0;

	const struct mr_text *const name = mr_store_text(store, text);
	const char *const colon = memchr(name->bytes, ':', name->len);
	const size_t len = colon != NULL ? (size_t)(colon - name->bytes) : name->len;
	uint32_t *const at = key_at(paths, paths->key_index, paths->key_index_capacity, name->bytes, len);
	if (*at == 0) {
		*at = (uint32_t)++paths->key_count;
		paths->keys[*at] = (struct mr_feed_key){
			.bytes = name->bytes,
			.len = (uint32_t)len,
			.string = colon != NULL ? mr_feed_sink_text(sink, name->bytes, len) : strings[text],
		};
	}
	paths->text_keys[text] = *at;
	return paths->keys[*at].string;
}

/* ---- Paths ---------------------------------------------------------------------------------- */

void mr_feed_paths_flush(struct mr_feed_paths *paths, struct mr_feed_sink *sink)
{
	if (paths->pending == 0)
		return;

	struct mr_block_writer *const block = mr_feed_sink_begin(sink, MR_KIND_PATHS, paths->pending);
	mr_block_column(block, MR_PATHS_ID, paths->columns[0]);
	mr_block_column(block, MR_PATHS_PARENT, paths->columns[1]);
	mr_block_column(block, MR_PATHS_NAME, paths->columns[2]);
	mr_feed_sink_end(sink, NULL);
	paths->pending = 0;
}

/* The path of the name STRING under PARENT; 0: no memory. */
static uint32_t path_find(struct mr_feed_paths *paths, struct mr_feed_sink *sink, uint32_t parent,
                          uint32_t string)
{
	uint32_t *const found = table_find(&paths->paths, parent, string);

	if (found == NULL || *found != 0)
		return found != NULL ? *found : 0;
	*found = ++paths->path_last;
	if (paths->pending == MR_ARRAY_LEN(paths->columns[0]))
		mr_feed_paths_flush(paths, sink);
	paths->columns[0][paths->pending] = *found;
	paths->columns[1][paths->pending] = parent;
	paths->columns[2][paths->pending++] = string;
	return *found;
}

/* The sum of the referents of CLASS_INDEX under the merged PATH; 0: no memory. */
static uint32_t sum_find(struct mr_feed_paths *paths, uint32_t class_index, uint32_t path)
{
	uint32_t *const found = table_find(&paths->merged, class_index, path);

	if (found == NULL || *found != 0)
		return found != NULL ? *found : 0;
	if (grow_zeroed(&paths->sums, &paths->sum_capacity, paths->sum_count + 1, sizeof(*paths->sums)) < 0)
		return 0;
	*found = (uint32_t)++paths->sum_count;
	paths->sums[*found] = (struct mr_feed_sum){ .class_index = class_index, .path = path };
	return *found;
}

int mr_feed_paths_tree(struct mr_feed_paths *paths, struct mr_feed_sink *sink, const struct mr_store *store,
                       const uint32_t *strings, const struct mr_tracked_tree *tree, uint32_t class_index)
{
	/* By level: where the nodes of the next one belong. */
	uint32_t parents[MR_LOG_PATH_DEPTH_MAX + 1] = { 0 };
	uint32_t merged[MR_LOG_PATH_DEPTH_MAX + 1] = { 0 };

	if (tree->node_count == 0)
		return 0;
	if (grow_zeroed(&paths->nodes, &paths->node_capacity, tree->node_first + tree->node_count,
	                sizeof(*paths->nodes)) < 0)
		return -1;
	/* A tree is looked at whole. */
	if (paths->nodes[tree->node_first].path != 0)
		return 0;
	for (uint32_t i = 0; i < tree->node_count; i++) {
		const struct mr_tracked_node *const node = mr_store_node(store, tree->node_first + i);
		struct mr_feed_node *const known = &paths->nodes[tree->node_first + i];
		const uint32_t level = node->level;

		if (level == 0 || level > MR_LOG_PATH_DEPTH_MAX)
			continue;
		known->path = path_find(paths, sink, parents[level - 1], strings[node->name]);
		const uint32_t key = key_string(paths, sink, store, strings, node->name);
		const uint32_t path = key != 0 ? path_find(paths, sink, merged[level - 1], key) : 0;
		known->sum = path != 0 ? sum_find(paths, class_index, path) : 0;
		if (known->path == 0 || known->sum == 0)
			return -1;
		parents[level] = known->path;
		merged[level] = path;
	}
	return 0;
}

/* ---- Its life ----------------------------------------------------------------------------------- */

void mr_feed_paths_forget_store(struct mr_feed_paths *paths)
{
	mr_free(paths->nodes);
	mr_free(paths->text_keys);
	mr_free(paths->keys);
	mr_free(paths->key_index);
	mr_free(paths->merged.pairs);
	mr_free(paths->sums);
	paths->nodes = NULL;
	paths->node_capacity = 0;
	paths->text_keys = NULL;
	paths->text_capacity = 0;
	paths->keys = NULL;
	paths->key_count = 0;
	paths->key_capacity = 0;
	paths->key_index = NULL;
	paths->key_index_capacity = 0;
	paths->merged = (struct mr_feed_table){ 0 };
	paths->sums = NULL;
	paths->sum_count = 0;
	paths->sum_capacity = 0;
}

void mr_feed_paths_release(struct mr_feed_paths *paths)
{
	mr_feed_paths_forget_store(paths);
	mr_free(paths->paths.pairs);
	paths->paths = (struct mr_feed_table){ 0 };
}
