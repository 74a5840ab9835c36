/* SPDX-License-Identifier: MIT
 *
 * From an object's address to its row.  Open addressing in shards, each with a
 * lock of its own that is held for a few nanoseconds; a shard grows alone.  A
 * slot is 8 bytes: the row's index + 1, and 32 bits of the address's hash, so
 * that neither probing nor growing touches rows that do not match.  Private to
 * libmemcapture.
 */
#ifndef MR_OBJECT_MAP_H
#define MR_OBJECT_MAP_H

#include "object_rows.h"

#define MR_MAP_SHARDS 256u

struct mr_map_shard {
	_Alignas(64) struct mr_lock lock;
	uint32_t mask; /* capacity - 1 */
	uint32_t count;
	uint64_t *slots; /* NULL until first used */
};

struct mr_map {
	struct mr_map_shard shards[MR_MAP_SHARDS];
};

/* Bits 56..63 choose the shard, bits 24..55 are kept in the slot and choose the place. */
static inline uint64_t mr_map_hash(uint64_t address)
{
	const uint64_t product = address * UINT64_C(0x9e3779b97f4a7c15);

	return product ^ product >> 32;
}

static inline struct mr_map_shard *mr_map_shard(struct mr_map *map, uint64_t hash)
{
	return &map->shards[hash >> 56];
}

static inline uint32_t mr_map_tag(uint64_t hash)
{
	return (uint32_t)(hash >> 24);
}

void mr_map_release(struct mr_map *map);
/* Room for one more; the shard's lock must be held.  False: no memory, and full. */
bool mr_map_shard_grow(struct mr_map_shard *shard);
uint64_t mr_map_memory(struct mr_map *map);

/* The place of ADDRESS, or UINT32_MAX. The shard's lock must be held, as for all that follows. */
static inline uint32_t mr_map_find(const struct mr_map_shard *shard, const struct mr_rows *rows, uint64_t hash,
                                   uint64_t address)
{
	const uint32_t tag = mr_map_tag(hash);

	if (MR_UNLIKELY(shard->slots == NULL))
		return UINT32_MAX;
	for (uint32_t at = tag & shard->mask;; at = (at + 1) & shard->mask) {
		const uint64_t slot = shard->slots[at];

		if (slot == 0)
			return UINT32_MAX;
		if (slot >> 32 == tag &&
		    atomic_load_explicit(&mr_rows_at(rows, (uint32_t)slot - 1)->address, memory_order_relaxed) == address)
			return at;
	}
}

static inline uint32_t mr_map_row(const struct mr_map_shard *shard, uint32_t at)
{
	return (uint32_t)shard->slots[at] - 1;
}

/* Puts row INDEX under HASH; there must be room. */
static inline void mr_map_insert(struct mr_map_shard *shard, uint64_t hash, uint32_t index)
{
	const uint32_t tag = mr_map_tag(hash);
	uint32_t at = tag & shard->mask;

	while (shard->slots[at] != 0)
		at = (at + 1) & shard->mask;
	shard->slots[at] = (uint64_t)tag << 32 | (index + 1);
	shard->count++;
}

/* Whether a row can be inserted without growing beyond four fifths. */
static inline bool mr_map_has_room(const struct mr_map_shard *shard)
{
	return shard->slots != NULL && (uint64_t)(shard->count + 1) * 5 <= ((uint64_t)shard->mask + 1) * 4;
}

/* Empties the slot at AT and closes the gap. */
static inline void mr_map_remove(struct mr_map_shard *shard, uint32_t at)
{
	uint32_t hole = at;
	uint32_t next = (at + 1) & shard->mask;

	for (; shard->slots[next] != 0; next = (next + 1) & shard->mask) {
		const uint32_t home = (uint32_t)(shard->slots[next] >> 32) & shard->mask;

		/* It may move to the hole if that is not before its home. */
		if (((next - home) & shard->mask) >= ((next - hole) & shard->mask)) {
			shard->slots[hole] = shard->slots[next];
			hole = next;
		}
	}
	shard->slots[hole] = 0;
	shard->count--;
}

#endif
