/* SPDX-License-Identifier: MIT
 *
 * The slow half of object_map.h: growing a shard, making a gap, and letting go
 * of all.
 */
#include "object_map.h"

#define CAPACITY_MIN 8u

void mr_map_release(struct mr_map *map)
{
	for (uint32_t i = 0; i < MR_MAP_SHARDS; i++)
		mr_free(map->shards[i].slots);
}

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

bool mr_map_shard_grow(struct mr_map_shard *shard)
{
	const uint64_t capacity = shard->slots == NULL ? CAPACITY_MIN : ((uint64_t)shard->mask + 1) * 2;
	struct mr_map_slot *const slots =
		capacity <= UINT32_MAX ? mr_alloc((size_t)capacity * sizeof(*slots)) : NULL;

	/* Without memory the table may fill up, but for one slot at which a search ends. */
	if (slots == NULL)
		return shard->slots != NULL && shard->count < shard->mask;

	struct mr_map_slot *const slots_before = shard->slots;
	const uint64_t capacity_before = slots_before != NULL ? (uint64_t)shard->mask + 1 : 0;

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
	mr_free(slots_before);
	return true;
}

uint64_t mr_map_memory(struct mr_map *map)
{
	uint64_t size_bytes = sizeof(*map);

	for (uint32_t i = 0; i < MR_MAP_SHARDS; i++) {
		mr_spin_acquire(&map->shards[i].lock);
		if (map->shards[i].slots != NULL)
			size_bytes += ((uint64_t)map->shards[i].mask + 1) * sizeof(struct mr_map_slot);
		mr_spin_release(&map->shards[i].lock);
	}
	return size_bytes;
}
