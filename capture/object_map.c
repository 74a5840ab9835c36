/* SPDX-License-Identifier: MIT
 *
 * The slow half of object_map.h: growing a shard, making a gap, and letting go
 * of all.
 */
#include "object_map.h"

#include "memory_mapped.h"

#define CAPACITY_MIN 8u
#define ARENA_TABLE_MIN (16u << 10) /* bytes; smaller tables are ordinary memory */
#define CHUNK_TABLES_MAX (MR_PAGE_HUGE / ARENA_TABLE_MIN)

/* A huge page with tables of one size. */
struct mr_map_chunk {
	uint8_t *memory;
	size_t table_bytes;
	uint64_t taken[CHUNK_TABLES_MAX / 64]; /* bit i: table i is in use */
};

/* ---- Memory of tables ------------------------------------------------------------ */

static uint32_t chunk_find_free(const struct mr_map_chunk *chunk)
{
	const uint32_t tables = (uint32_t)(MR_PAGE_HUGE / chunk->table_bytes);
	uint32_t i = 0;

	while (i < tables && (chunk->taken[i / 64] >> i % 64 & 1) != 0)
		i++;
	return i < tables ? i : UINT32_MAX;
}

static void *arena_take(struct mr_map_arena *arena, size_t size_bytes)
{
	void *table = NULL;

	mr_lock_acquire(&arena->lock);
	for (size_t i = 0; i < arena->count && table == NULL; i++) {
		struct mr_map_chunk *const chunk = &arena->chunks[i];
		const uint32_t place = chunk->table_bytes == size_bytes ? chunk_find_free(chunk) : UINT32_MAX;

		if (place != UINT32_MAX) {
			chunk->taken[place / 64] |= UINT64_C(1) << place % 64;
			table = chunk->memory + place * size_bytes;
			memset(table, 0, size_bytes);
		}
	}
	if (table == NULL &&
	    mr_grow(&arena->chunks, &arena->capacity, arena->count + 1, sizeof(*arena->chunks)) == 0) {
		table = mr_pages_map_huge(MR_PAGE_HUGE);
		if (table != NULL)
			arena->chunks[arena->count++] = (struct mr_map_chunk){ .memory = table,
				                                               .table_bytes = size_bytes,
				                                               .taken = { 1 } };
	}
	mr_lock_release(&arena->lock);
	return table;
}

static void arena_give(struct mr_map_arena *arena, void *table)
{
	mr_lock_acquire(&arena->lock);
	for (size_t i = 0; i < arena->count; i++) {
		struct mr_map_chunk *const chunk = &arena->chunks[i];
		const size_t offset = (size_t)((uint8_t *)table - chunk->memory);
		uint64_t any = 0;

		if ((uint8_t *)table < chunk->memory || offset >= MR_PAGE_HUGE)
			continue;
		const size_t place = offset / chunk->table_bytes;
		chunk->taken[place / 64] &= ~(UINT64_C(1) << place % 64);
		for (size_t word = 0; word < MR_ARRAY_LEN(chunk->taken); word++)
			any |= chunk->taken[word];
		if (any == 0) {
			mr_pages_unmap(chunk->memory, MR_PAGE_HUGE);
			*chunk = arena->chunks[--arena->count];
		}
		break;
	}
	mr_lock_release(&arena->lock);
}

/* Zeroed memory for CAPACITY slots: small, a part of a huge page, or several of them. */
static struct mr_map_slot *table_new(struct mr_map *map, uint64_t capacity)
{
	const uint64_t size_bytes = capacity * sizeof(struct mr_map_slot);

	if (size_bytes < ARENA_TABLE_MIN)
		return mr_alloc((size_t)size_bytes);
	if (size_bytes < MR_PAGE_HUGE)
		return arena_take(&map->arena, (size_t)size_bytes);
	return mr_pages_map_huge((size_t)size_bytes);
}

static void table_free(struct mr_map *map, struct mr_map_slot *table, uint64_t capacity)
{
	const uint64_t size_bytes = capacity * sizeof(struct mr_map_slot);

	if (size_bytes < ARENA_TABLE_MIN)
		mr_free(table);
	else if (size_bytes < MR_PAGE_HUGE)
		arena_give(&map->arena, table);
	else
		mr_pages_unmap(table, (size_t)size_bytes);
}

static uint64_t capacity_of(const struct mr_map_shard *shard)
{
	return shard->slots != NULL ? (uint64_t)shard->mask + 1 : 0;
}

void mr_map_release(struct mr_map *map)
{
	for (uint32_t i = 0; i < MR_MAP_SHARDS; i++)
		table_free(map, map->shards[i].slots, capacity_of(&map->shards[i]));
	mr_free(map->arena.chunks);
}

/* ---- Shards ------------------------------------------------------------------------ */

void mr_map_shift(struct mr_map_shard *shard, uint32_t at)
{
	uint32_t empty = at;

	while (shard->slots[empty].key != 0)
		empty = (empty + 1) & shard->mask;
	while (empty != at) {
		const uint32_t before = (empty - 1) & shard->mask;

		shard->slots[empty] = shard->slots[before];
		empty = before;
	}
}

bool mr_map_shard_grow(struct mr_map *map, struct mr_map_shard *shard)
{
	const uint64_t capacity_before = capacity_of(shard);
	const uint64_t capacity = capacity_before == 0 ? CAPACITY_MIN : capacity_before * 2;
	struct mr_map_slot *const slots = capacity <= UINT32_MAX ? table_new(map, capacity) : NULL;

	/* Without memory the table may fill up, but for one slot at which a search ends. */
	if (slots == NULL)
		return shard->slots != NULL && shard->count < shard->mask;

	struct mr_map_slot *const slots_before = shard->slots;
	shard->slots = slots;
	shard->mask = (uint32_t)(capacity - 1);
	for (uint64_t i = 0; i < capacity_before; i++) {
		const struct mr_map_slot slot = slots_before[i];
		uint32_t at;

		if (slot.key == 0)
			continue;
		(void)(mr_map_find(shard, mr_map_hash(slot.key), slot.key, &at) == false);
		if (shard->slots[at].key != 0)
			mr_map_shift(shard, at);
		shard->slots[at] = slot;
	}
	table_free(map, slots_before, capacity_before);
	return true;
}

uint64_t mr_map_memory(struct mr_map *map)
{
	uint64_t size_bytes = sizeof(*map);

	for (uint32_t i = 0; i < MR_MAP_SHARDS; i++) {
		mr_spin_acquire(&map->shards[i].lock);
		size_bytes += capacity_of(&map->shards[i]) * sizeof(struct mr_map_slot);
		mr_spin_release(&map->shards[i].lock);
	}
	return size_bytes;
}
