/* SPDX-License-Identifier: MIT
 *
 * The names of referents, as the sizer holds them: a tree of paths whose nodes
 * know the entry that the current object has at them, so that an object's
 * fields find their entries without looking at a name.  Names are compared
 * once per (layout, path) for fields, and per visit for walks.
 */
#include "sizer_state.h"

#include <stddef.h>

#define CHUNK_BYTES ((size_t)8 << 10)

struct mr_path_chunk {
	struct mr_path_chunk *next;
	size_t used;
	size_t capacity;
	_Alignas(16) uint8_t bytes[];
};

#define NODE_OF(pointer) \
	((struct mr_path_node *)(void *)((char *)(pointer)-offsetof(struct mr_path_node, item)))
#define BINDING_OF(pointer) \
	((struct mr_path_binding *)(void *)((char *)(pointer)-offsetof(struct mr_path_binding, item)))

static void *no_memory(struct mr_sizer *sizer)
{
	sizer->status = MR_ERR_NOMEM;
	return NULL;
}

/* Zeroed; lives as long as the sizer. */
static void *allocate(struct mr_sizer *sizer, size_t size_bytes)
{
	struct mr_path_chunk *chunk = sizer->chunks;
	const size_t size = (size_bytes + 15) & ~(size_t)15;

	if (!chunk || chunk->capacity - chunk->used < size) {
		const size_t capacity = size > CHUNK_BYTES ? size : CHUNK_BYTES;

		chunk = mr_alloc(sizeof(*chunk) + capacity);
		if (!chunk)
			return no_memory(sizer);
		chunk->capacity = capacity;
		chunk->next = sizer->chunks;
		sizer->chunks = chunk;
		sizer->paths_bytes += sizeof(*chunk) + capacity;
	}

	void *memory = chunk->bytes + chunk->used;

	chunk->used += size;
	return memory;
}

static uint64_t hash_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9E3779B97F4A7C15);
	return hash ^ (hash >> 32);
}

static uint64_t hash_name(const struct mr_path_node *parent, const char *name, size_t len)
{
	uint64_t hash = hash_mix(parent->id, len);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (uint8_t)name[i]) * UINT64_C(0x100000001B3);
	return hash_mix(hash, 0);
}

/* ---- Hash tables ------------------------------------------------------------ */

static struct mr_path_item *table_first(const struct mr_path_table *table, uint64_t hash)
{
	return table->bucket_count ? table->buckets[hash & (table->bucket_count - 1)] : NULL;
}

/* Doubles the buckets when they are as many as the items. */
static int table_make_room(struct mr_sizer *sizer, struct mr_path_table *table)
{
	if (table->item_count < table->bucket_count)
		return 0;

	const size_t count = table->bucket_count ? 2 * table->bucket_count : 16;
	struct mr_path_item **buckets = mr_alloc(count * sizeof(*buckets));

	if (!buckets)
		return MR_ERR_NOMEM;
	for (size_t i = 0; i < table->bucket_count; i++) {
		struct mr_path_item *item = table->buckets[i];

		while (item) {
			struct mr_path_item *next = item->next;

			item->next = buckets[item->hash & (count - 1)];
			buckets[item->hash & (count - 1)] = item;
			item = next;
		}
	}
	mr_free(table->buckets);
	sizer->paths_bytes += (count - table->bucket_count) * sizeof(*buckets);
	table->buckets = buckets;
	table->bucket_count = count;
	return 0;
}

static void table_add(struct mr_path_table *table, struct mr_path_item *item, uint64_t hash)
{
	struct mr_path_item **bucket = &table->buckets[hash & (table->bucket_count - 1)];

	item->hash = hash;
	item->next = *bucket;
	*bucket = item;
	table->item_count++;
}

/* ---- Paths ------------------------------------------------------------------- */

static struct mr_path_node *find_path(const struct mr_sizer *sizer, const struct mr_path_node *parent,
                                      const char *name, size_t len, uint64_t hash)
{
	for (struct mr_path_item *item = table_first(&sizer->names, hash); item; item = item->next) {
		struct mr_path_node *node = NODE_OF(item);

		if (item->hash == hash && node->parent == parent && strncmp(node->name, name, len) == 0 &&
		    node->name[len] == '\0')
			return node;
	}
	return NULL;
}

static struct mr_path_node *add_path(struct mr_sizer *sizer, struct mr_path_node *parent, const char *name,
                                     size_t len, uint64_t hash)
{
	if (table_make_room(sizer, &sizer->names) < 0)
		return no_memory(sizer);

	struct mr_path_node *node = allocate(sizer, sizeof(*node) + len + 1);

	if (!node)
		return NULL;
	memcpy(node->name, name, len);
	node->id = sizer->source.intern(sizer->source.context, parent->id, node->name);
	if (!node->id)
		return no_memory(sizer);
	node->level = parent->level + 1;
	node->parent = parent;
	parent->name_count++;
	table_add(&sizer->names, &node->item, hash);
	return node;
}

struct mr_path_node *mr_sizer_named_path(struct mr_sizer *sizer, struct mr_path_node *parent,
                                         const char *name)
{
	if (!name)
		name = "?";

	const size_t len = strnlen(name, MR_SIZER_NAME_BYTES_MAX);
	const uint64_t hash = hash_name(parent, name, len);
	struct mr_path_node *node = find_path(sizer, parent, name, len, hash);

	if (node)
		return node;
	if (parent->name_count >= MR_SIZER_NAMES_MAX && strcmp(name, MR_SIZER_NAME_OTHERS) != 0)
		return mr_sizer_named_path(sizer, parent, MR_SIZER_NAME_OTHERS);
	return add_path(sizer, parent, name, len, hash);
}

struct mr_path_node *mr_sizer_elements_path(struct mr_sizer *sizer, struct mr_path_node *parent)
{
	if (!parent->elements)
		parent->elements = mr_sizer_named_path(sizer, parent, MR_SIZER_NAME_ELEMENTS);
	return parent->elements;
}

struct mr_path_binding *mr_sizer_binding(struct mr_sizer *sizer, struct mr_path_node *node,
                                         const struct memcapture_layout *layout)
{
	if (MR_LIKELY(node->binding && node->binding->layout == layout))
		return node->binding;

	const uint64_t hash = hash_mix(hash_mix(0, (uintptr_t)layout), (uintptr_t)node);
	struct mr_path_item *item = table_first(&sizer->bindings, hash);

	for (; item; item = item->next) {
		struct mr_path_binding *binding = BINDING_OF(item);

		if (binding->layout == layout && binding->node == node) {
			node->binding = binding;
			return binding;
		}
	}
	if (table_make_room(sizer, &sizer->bindings) < 0)
		return no_memory(sizer);

	struct mr_path_binding *binding =
		allocate(sizer, sizeof(*binding) + layout->field_count * sizeof(binding->fields[0]));

	if (!binding)
		return NULL;
	binding->layout = layout;
	binding->node = node;
	table_add(&sizer->bindings, &binding->item, hash);
	node->binding = binding;
	return binding;
}

struct mr_path_node *mr_sizer_field_path(struct mr_sizer *sizer, struct mr_path_binding *binding,
                                         size_t index)
{
	if (MR_UNLIKELY(!binding->fields[index]))
		binding->fields[index] =
			mr_sizer_named_path(sizer, binding->node, binding->layout->fields[index].name);
	return binding->fields[index];
}

int mr_sizer_paths_init(struct mr_sizer *sizer)
{
	sizer->root = allocate(sizer, sizeof(*sizer->root) + 1);
	return sizer->root ? 0 : MR_ERR_NOMEM;
}

void mr_sizer_paths_release(struct mr_sizer *sizer)
{
	struct mr_path_chunk *chunk = sizer->chunks;

	while (chunk) {
		struct mr_path_chunk *next = chunk->next;

		mr_free(chunk);
		chunk = next;
	}
	mr_free(sizer->names.buckets);
	mr_free(sizer->bindings.buckets);
	sizer->chunks = NULL;
	sizer->names = (struct mr_path_table){ 0 };
	sizer->bindings = (struct mr_path_table){ 0 };
}

/* ---- The current object's entries ---------------------------------------------- */

/* Whether the entry met last lies at or below PARENT, so that a new one below PARENT can follow it. */
static bool follows_last(const struct mr_sizer *sizer, const struct mr_path_node *parent)
{
	if (parent->level == 0)
		return true;

	const struct mr_path_node *last = sizer->nodes[sizer->referent_count - 1];

	while (last->level > parent->level)
		last = last->parent;
	return last == parent;
}

static int grow_entries(struct mr_sizer *sizer)
{
	size_t capacity = sizer->referent_capacity;

	MR_TRY(mr_grow(&sizer->nodes, &capacity, sizer->referent_count + 1, sizeof(*sizer->nodes)));
	capacity = sizer->referent_capacity;
	MR_TRY(mr_grow(&sizer->referents, &capacity, sizer->referent_count + 1, sizeof(*sizer->referents)));
	sizer->referent_capacity = capacity;
	return 0;
}

struct mr_referent *mr_sizer_add_entry(struct mr_sizer *sizer, struct mr_path_node *node)
{
	/* Parents first: the recursion is as deep as there are levels. */
	if (node->parent->level > 0 && !mr_sizer_entry(sizer, node->parent))
		return NULL;
	if (sizer->referent_count == sizer->referent_capacity && grow_entries(sizer) < 0)
		return no_memory(sizer);
	if (!follows_last(sizer, node->parent))
		sizer->unordered = true;

	struct mr_referent *entry = &sizer->referents[sizer->referent_count];

	*entry = (struct mr_referent){ .path = node->id, .level = node->level };
	sizer->nodes[sizer->referent_count] = node;
	node->serial = sizer->serial;
	node->index = (uint32_t)sizer->referent_count++;
	return entry;
}
