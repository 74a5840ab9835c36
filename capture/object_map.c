/* SPDX-License-Identifier: MIT
 *
 * The slow half of object_map.h: growing a shard, and letting go of all.
 */
#include "object_map.h"

#define CAPACITY_MIN 8u

void mr_map_release(struct mr_map *map)
{
	for (uint32_t i = 0; i < MR_MAP_SHARDS; i++)
		mr_free(map->shards[i].slots);
}

bool mr_map_shard_grow(struct mr_map_shard *shard)
{
	const uint64_t capacity = shard->slots == NULL ? CAPACITY_MIN : ((uint64_t)shard->mask + 1) * 2;
	uint64_t *const slots = capacity <= UINT32_MAX ? mr_alloc((size_t)capacity * sizeof(*slots)) : NULL;

	/* Without memory the table may fill up, but for one slot at which a search ends. */
	if (slots == NULL)
		return shard->slots != NULL && shard->count < shard->mask;

	uint64_t *const slots_before = shard->slots;
	const uint64_t capacity_before = slots_before != NULL ? (uint64_t)shard->mask + 1 : 0;

	shard->slots = slots;
	shard->mask = (uint32_t)(capacity - 1);
	shard->count = 0;
	for (uint64_t i = 0; i < capacity_before; i++) {
		const uint64_t slot = slots_before[i];

		if (slot != 0)
			mr_map_insert(shard, slot >> 32 << 24, (uint32_t)slot - 1);
	}
	mr_free(slots_before);
	return true;
}

uint64_t mr_map_memory(struct mr_map *map)
{
	uint64_t size_bytes = sizeof(*map);

	for (uint32_t i = 0; i < MR_MAP_SHARDS; i++) {
		mr_lock_acquire(&map->shards[i].lock);
		if (map->shards[i].slots != NULL)
			size_bytes += ((uint64_t)map->shards[i].mask + 1) * sizeof(uint64_t);
		mr_lock_release(&map->shards[i].lock);
	}
	return size_bytes;
}
