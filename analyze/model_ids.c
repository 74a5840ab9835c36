/* SPDX-License-Identifier: MIT
 *
 * From a log's ids to indexes.  Ids are given in rising order, nearly: so
 * neighbours share a page, the page in use is at hand, and only a change of page
 * asks the hash table.  A log that was made to collide in it would have to know
 * the number that this process draws.
 */
#include "model_private.h"

#include <sys/random.h>

static uint64_t multiplier(void)
{
	static uint64_t drawn; /* both threads of a race draw a good one */
	uint64_t value = __atomic_load_n(&drawn, __ATOMIC_RELAXED);

	if (value == 0) {
		if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value))
			value = UINT64_C(0x9E3779B97F4A7C15);
		value |= 1;
		__atomic_store_n(&drawn, value, __ATOMIC_RELAXED);
	}
	return value;
}

/* The slot of KEY, or the free one where it would be. */
static size_t slot_of(const uint64_t *keys, size_t slot_count, uint64_t key)
{
	const unsigned bits = (unsigned)__builtin_ctzll(slot_count);
	size_t slot = (size_t)((key * multiplier()) >> (64 - bits));

	while (keys[slot] != 0 && keys[slot] != key)
		slot = (slot + 1) & (slot_count - 1);
	return slot;
}

void mr_id_map_release(struct mr_id_map *map)
{
	mr_free(map->keys);
	mr_free(map->slots);
	mr_free(map->pages);
	mr_free(map->page_keys);
	*map = (struct mr_id_map){ 0 };
}

uint32_t mr_id_map__find(struct mr_id_map *map, uint64_t id)
{
	const uint64_t key = id / MR_ID_PAGE + 1;

	if (map->slot_count == 0)
		return 0;

	/* Pages are mostly made, and asked for, one after the other. */
	if (key == map->last_key + 1 && (size_t)map->last_page + 1 < map->page_count &&
	    map->page_keys[map->last_page + 1] == key) {
		map->last_key = key;
		map->last_page++;
		return map->pages[map->last_page][id % MR_ID_PAGE];
	}
	const size_t slot = slot_of(map->keys, map->slot_count, key);
	if (map->keys[slot] == 0)
		return 0;
	map->last_key = key;
	map->last_page = map->slots[slot];
	return map->pages[map->last_page][id % MR_ID_PAGE];
}

/* Keeps at least half of the slots free. */
static int grow_slots(struct mr_id_map *map, struct mr_error *err)
{
	if (map->page_count * 2 < map->slot_count)
		return 0;

	const size_t count = map->slot_count != 0 ? map->slot_count * 2 : 16;
	uint64_t *const keys = mr_alloc(count * sizeof(*keys));
	uint32_t *const slots = mr_alloc(count * sizeof(*slots));
	if (keys == NULL || slots == NULL) {
		mr_free(keys);
		mr_free(slots);
		return mr_fail(err, MR_ERR_NOMEM, "out of memory for the ids of a log");
	}
	for (size_t i = 0; i < map->slot_count; i++) {
		if (map->keys[i] == 0)
			continue;
		const size_t slot = slot_of(keys, count, map->keys[i]);
		keys[slot] = map->keys[i];
		slots[slot] = map->slots[i];
	}
	mr_free(map->keys);
	mr_free(map->slots);
	map->keys = keys;
	map->slots = slots;
	map->slot_count = count;
	return 0;
}

int mr_id_map_put(struct mr_id_map *map, uint64_t id, uint32_t value, struct mr_error *err)
{
	const uint64_t key = id / MR_ID_PAGE + 1;

	if (key != map->last_key) {
		MR_TRY(grow_slots(map, err));
		const size_t slot = slot_of(map->keys, map->slot_count, key);

		if (map->keys[slot] == 0) {
			size_t key_capacity = map->page_capacity;

			if (map->page_count >= UINT32_MAX ||
			    mr_grow(&map->page_keys, &key_capacity, map->page_count + 1,
			            sizeof(*map->page_keys)) < 0 ||
			    mr_grow(&map->pages, &map->page_capacity, map->page_count + 1,
			            sizeof(*map->pages)) < 0)
				return mr_fail(err, MR_ERR_NOMEM, "out of memory for the ids of a log");
			map->page_keys[map->page_count] = key;
			memset(map->pages[map->page_count], 0, sizeof(*map->pages));
			map->keys[slot] = key;
			map->slots[slot] = (uint32_t)map->page_count++;
		}
		map->last_key = key;
		map->last_page = map->slots[slot];
	}
	map->pages[map->last_page][id % MR_ID_PAGE] = value;
	return 0;
}
