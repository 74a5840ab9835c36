/* SPDX-License-Identifier: MIT
 *
 * See lives_map.h.  All memory is mapped, apart from what the program allocates.
 */
#include "lives_map.h"

#include "memory_mapped.h"

#define SLAB_LEAVES 32u
#define TOP_BYTES (MR_MAP_TOP_COUNT * sizeof(void **))
#define MIDDLE_BYTES (MR_MAP_MIDDLE_COUNT * sizeof(void *))

struct slab { /* before its leaves */
	struct slab *next;
	uint64_t padding;
};

void mr_lives_map_init(struct mr_lives_map *map, size_t leaf_bytes)
{
	*map = (struct mr_lives_map){ .leaf_bytes = (leaf_bytes + 15) & ~(size_t)15,
		                      .first_top = MR_MAP_TOP_COUNT };
}

static size_t slab_bytes(const struct mr_lives_map *map)
{
	return sizeof(struct slab) + SLAB_LEAVES * map->leaf_bytes;
}

void mr_lives_map_release(struct mr_lives_map *map)
{
	for (uint32_t i = map->first_top; map->top && i <= map->last_top; i++)
		mr_pages_unmap(map->top[i], MIDDLE_BYTES);
	mr_pages_unmap(map->top, TOP_BYTES);
	for (struct slab *slab = map->slabs; slab;) {
		struct slab *const next = slab->next;

		mr_pages_unmap(slab, slab_bytes(map));
		slab = next;
	}
	mr_lives_map_init(map, map->leaf_bytes);
}

static void *take_leaf(struct mr_lives_map *map)
{
	if (map->slab_left == 0) {
		struct slab *const slab = mr_pages_map(slab_bytes(map));

		if (!slab)
			return NULL;
		slab->next = map->slabs;
		map->slabs = slab;
		map->slab_left = SLAB_LEAVES;
		map->memory_bytes += slab_bytes(map);
	}
	map->slab_left--;
	return (char *)map->slabs + sizeof(struct slab) + map->slab_left * map->leaf_bytes;
}

int mr_lives_map_prepare(struct mr_lives_map *map)
{
	if (!map->top)
		map->top = mr_pages_map(TOP_BYTES);
	return map->top ? 0 : MR_ERR_NOMEM;
}

static void **add_middle(struct mr_lives_map *map, uint32_t at)
{
	if (mr_lives_map_prepare(map) < 0)
		return NULL;
	if (!map->top[at]) {
		void **const middle = mr_pages_map(MIDDLE_BYTES);

		if (!middle)
			return NULL;
		__atomic_store_n(&map->top[at], middle, __ATOMIC_RELEASE);
		map->first_top = at < map->first_top ? at : map->first_top;
		map->last_top = at > map->last_top ? at : map->last_top;
		map->memory_bytes += 4096; /* of the table's pages few are touched */
	}
	return map->top[at];
}

void *mr_lives_map_add(struct mr_lives_map *map, uint64_t address)
{
	if (address >> MR_MAP_ADDRESS_BITS)
		return NULL;

	void **const middle = add_middle(map, (uint32_t)(address >> MR_MAP_TOP_SHIFT));
	const size_t at = (size_t)(address >> MR_MAP_LEAF_SHIFT) & (MR_MAP_MIDDLE_COUNT - 1);

	if (!middle)
		return NULL;
	if (!middle[at]) {
		void *const leaf = take_leaf(map);

		if (!leaf)
			return NULL;
		__atomic_store_n(&middle[at], leaf, __ATOMIC_RELEASE);
	}
	return middle[at];
}

void *mr_lives_map_next(const struct mr_lives_map *map, uint64_t *region)
{
	uint64_t at = *region;

	if (!map->top)
		return NULL;
	if (at < (uint64_t)map->first_top * MR_MAP_MIDDLE_COUNT)
		at = (uint64_t)map->first_top * MR_MAP_MIDDLE_COUNT;
	while (at / MR_MAP_MIDDLE_COUNT <= map->last_top) {
		void **const middle = map->top[at / MR_MAP_MIDDLE_COUNT];

		for (; middle && at % MR_MAP_MIDDLE_COUNT < MR_MAP_MIDDLE_COUNT; at++) {
			if (middle[at % MR_MAP_MIDDLE_COUNT]) {
				*region = at;
				return middle[at % MR_MAP_MIDDLE_COUNT];
			}
			if (at % MR_MAP_MIDDLE_COUNT == MR_MAP_MIDDLE_COUNT - 1)
				break;
		}
		at = (at / MR_MAP_MIDDLE_COUNT + 1) * MR_MAP_MIDDLE_COUNT;
	}
	return NULL;
}

void mr_lives_map_clear(struct mr_lives_map *map)
{
	for (uint64_t region = 0;; region++) {
		void *const leaf = mr_lives_map_next(map, &region);

		if (!leaf)
			break;
		memset(leaf, 0, map->leaf_bytes);
	}
}
