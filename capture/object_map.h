/* SPDX-License-Identifier: MIT
 *
 * From an object's address to its row.  Open addressing in shards, each with a
 * lock of its own that is held for a few nanoseconds; a shard grows alone.  A
 * slot is 16 bytes and says all that forgetting an object needs, because a
 * cache miss on the row would cost more than all the rest: address, class, row,
 * and the lower half of the object's id.  Private to libmemcapture.
 *
 * Slots of a run are in the order of their homes ("robin hood"), so a search
 * ends where the address would be, also when a shard is seven eighths full.
 */
#ifndef MR_OBJECT_MAP_H
#define MR_OBJECT_MAP_H

#include "object_rows.h"

#define MR_MAP_SHARDS 256u
#define MR_MAP_ADDRESS_BITS \
	48 /* what user space has on x86-64 and aarch64; tags above are no part of an address */
#define MR_MAP_ADDRESS_MASK ((UINT64_C(1) << MR_MAP_ADDRESS_BITS) - 1)

struct mr_map_slot {
	uint64_t key;   /* class << 48 | address; 0: empty */
	uint64_t value; /* row << 32 | lower half of the id */
};

struct mr_map_shard {
	_Alignas(64) struct mr_spin lock;
	uint32_t mask; /* capacity - 1 */
	uint32_t count;
	struct mr_map_slot *slots; /* NULL until first used */
};

struct mr_map_chunk;

/* Memory of the shards, once they are large: in huge pages, which several share. */
struct mr_map_arena {
	struct mr_lock lock;
	struct mr_map_chunk *chunks;
	size_t count;
	size_t capacity;
};

struct mr_map {
	struct mr_map_shard shards[MR_MAP_SHARDS];
	struct mr_map_arena arena;
};

/* Bits 56..63 choose the shard, bits 24..55 the slot. */
static inline uint64_t mr_map_hash(uint64_t address)
{
	const uint64_t product = (address & MR_MAP_ADDRESS_MASK) * UINT64_C(0x9e3779b97f4a7c15);

	return product ^ product >> 32;
}

static inline struct mr_map_shard *mr_map_shard(struct mr_map *map, uint64_t hash)
{
	return &map->shards[hash >> 56];
}

static inline uint32_t mr_map_home(const struct mr_map_shard *shard, uint64_t hash)
{
	return (uint32_t)(hash >> 24) & shard->mask;
}

void mr_map_release(struct mr_map *map);
/* Room for one more; the shard's lock must be held.  False: no memory, and full. */
bool mr_map_shard_grow(struct mr_map *map, struct mr_map_shard *shard);
/* Opens a gap at AT by moving the slots behind it. */
void mr_map_shift(struct mr_map_shard *shard, uint32_t at);
uint64_t mr_map_memory(struct mr_map *map);

/* How far the slot at AT is from its home. */
static inline uint32_t mr_map_distance(const struct mr_map_shard *shard, uint32_t at)
{
	return (at - mr_map_home(shard, mr_map_hash(shard->slots[at].key))) & shard->mask;
}

/* Looks for ADDRESS: true, and its place; or false, and the place where it
 * belongs.  The shard's lock must be held, as for all that follows; it must have
 * slots. */
static inline bool mr_map_find(const struct mr_map_shard *shard, uint64_t hash, uint64_t address,
                               uint32_t *place)
{
	uint32_t at = mr_map_home(shard, hash);

	for (uint32_t distance = 0;; distance++, at = (at + 1) & shard->mask) {
		const uint64_t key = shard->slots[at].key;

		if (((key ^ address) & MR_MAP_ADDRESS_MASK) == 0 && key != 0) {
			*place = at;
			return true;
		}
		if (key == 0 || (distance > 0 && mr_map_distance(shard, at) < distance)) {
			*place = at;
			return false;
		}
	}
}

static inline uint32_t mr_map_row(const struct mr_map_shard *shard, uint32_t at)
{
	return (uint32_t)(shard->slots[at].value >> 32);
}

static inline uint32_t mr_map_class(const struct mr_map_shard *shard, uint32_t at)
{
	return (uint32_t)(shard->slots[at].key >> MR_MAP_ADDRESS_BITS);
}

static inline uint32_t mr_map_id_low(const struct mr_map_shard *shard, uint32_t at)
{
	return (uint32_t)shard->slots[at].value;
}

static inline void mr_map_set_class(struct mr_map_shard *shard, uint32_t at, uint32_t class_id)
{
	shard->slots[at].key = (shard->slots[at].key & MR_MAP_ADDRESS_MASK) | (uint64_t)class_id
	                                                                              << MR_MAP_ADDRESS_BITS;
}

/* Whether a row can be inserted without growing beyond seven eighths. */
static inline bool mr_map_has_room(const struct mr_map_shard *shard)
{
	return shard->slots != NULL && (uint64_t)(shard->count + 1) * 8 <= ((uint64_t)shard->mask + 1) * 7;
}

/* Inserts where mr_map_find() said; there must be room, and no growth in between. */
static inline void mr_map_insert(struct mr_map_shard *shard, uint32_t at, uint64_t address, uint32_t class_id,
                                 uint32_t row, uint64_t id)
{
	if (MR_UNLIKELY(shard->slots[at].key != 0))
		mr_map_shift(shard, at);
	shard->slots[at] = (struct mr_map_slot){
		.key = (uint64_t)class_id << MR_MAP_ADDRESS_BITS | (address & MR_MAP_ADDRESS_MASK),
		.value = (uint64_t)row << 32 | (uint32_t)id,
	};
	shard->count++;
}

/* Empties the slot at AT and closes the gap. */
static inline void mr_map_remove(struct mr_map_shard *shard, uint32_t at)
{
	uint32_t hole = at;
	uint32_t next = (at + 1) & shard->mask;

	while (shard->slots[next].key != 0 && mr_map_distance(shard, next) > 0) {
		shard->slots[hole] = shard->slots[next];
		hole = next;
		next = (next + 1) & shard->mask;
	}
	shard->slots[hole].key = 0;
	shard->count--;
}

#endif
