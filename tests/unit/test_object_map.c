/* SPDX-License-Identifier: MIT
 *
 * The map from addresses to rows, against a plain list under random operations.
 */
#include <criterion/criterion.h>

#include "object_map.h"

TestSuite(object_map);

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t bound)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((random_state >> 33) % bound);
}

static bool find(struct mr_map *map, uint64_t address, uint32_t *row)
{
	const uint64_t hash = mr_map_hash(address);
	struct mr_map_shard *const shard = mr_map_shard(map, hash);
	uint32_t at;

	if (shard->slots == NULL || !mr_map_find(shard, hash, address, &at))
		return false;
	*row = mr_map_row(shard, at);
	return true;
}

static void insert(struct mr_map *map, uint64_t address, uint32_t class_id, uint32_t row, uint64_t id)
{
	const uint64_t hash = mr_map_hash(address);
	struct mr_map_shard *const shard = mr_map_shard(map, hash);
	uint32_t at;

	if (!mr_map_has_room(shard))
		cr_assert(mr_map_shard_grow(map, shard));
	cr_assert(!mr_map_find(shard, hash, address, &at));
	mr_map_insert(shard, at, address, class_id, row, id);
}

static void take_away(struct mr_map *map, uint64_t address)
{
	const uint64_t hash = mr_map_hash(address);
	struct mr_map_shard *const shard = mr_map_shard(map, hash);
	uint32_t at;

	cr_assert(mr_map_find(shard, hash, address, &at));
	mr_map_remove(shard, at);
}

Test(object_map, random_operations__agree_with_a_list)
{
	enum { ADDRESSES = 40000, STEPS = 400000 };
	static struct mr_map map;
	static bool present[ADDRESSES];
	static uint32_t rows[ADDRESSES];

	for (uint32_t step = 0; step < STEPS; step++) {
		const uint32_t i = random_below(step < STEPS / 2 ? ADDRESSES : ADDRESSES / 50);
		const uint64_t address = 0x7f0000000000 + i * UINT64_C(48);
		uint32_t row = 0;

		cr_assert_eq(find(&map, address, &row), present[i]);
		if (present[i]) {
			cr_assert_eq(row, rows[i]);
			take_away(&map, address);
		} else {
			rows[i] = random_below(UINT32_MAX);
			insert(&map, address, 7, rows[i], step);
		}
		present[i] = !present[i];
	}
	for (uint32_t i = 0; i < ADDRESSES; i++) {
		uint32_t row;

		cr_assert_eq(find(&map, 0x7f0000000000 + i * UINT64_C(48), &row), present[i]);
	}
	mr_map_release(&map);
}

Test(object_map, a_slot__says_all_of_its_object)
{
	static struct mr_map map;
	const uint64_t address = 0x7fff12345678;
	const uint64_t hash = mr_map_hash(address);
	struct mr_map_shard *const shard = mr_map_shard(&map, hash);
	uint32_t at;

	insert(&map, address, 65535, UINT32_MAX - 1, 0x123456789abcdef);
	cr_assert(mr_map_find(shard, hash, address, &at));
	cr_assert_eq(mr_map_row(shard, at), UINT32_MAX - 1);
	cr_assert_eq(mr_map_class(shard, at), 65535);
	cr_assert_eq(mr_map_id_low(shard, at), 0x89abcdef);
	mr_map_set_class(shard, at, 3);
	cr_assert(mr_map_find(shard, hash, address, &at));
	cr_assert_eq(mr_map_class(shard, at), 3);
	mr_map_release(&map);
}

/* Addresses of one shard, so that its table takes every size on the way. */
Test(object_map, a_shard_that_grows__keeps_what_it_has)
{
	enum { COUNT = 200000 };
	static struct mr_map map;
	static uint64_t addresses[COUNT];
	uint64_t address = 0x10;

	for (uint32_t i = 0; i < COUNT; i++) {
		do
			address += 16;
		while (mr_map_shard(&map, mr_map_hash(address)) != &map.shards[5]);
		addresses[i] = address;
		insert(&map, address, 1, i, i);
	}
	cr_assert_eq(map.shards[5].count, COUNT);
	for (uint32_t i = 0; i < COUNT; i++) {
		uint32_t row;

		cr_assert(find(&map, addresses[i], &row));
		cr_assert_eq(row, i);
	}
	cr_assert_leq(mr_map_memory(&map), sizeof(map) + (uint64_t)COUNT * 16 * 16 / 7);
	for (uint32_t i = 0; i < COUNT; i++)
		take_away(&map, addresses[i]);
	cr_assert_eq(map.shards[5].count, 0);
	mr_map_release(&map);
}

Test(object_map, rows__come_back_and_are_used_again)
{
	static struct mr_rows rows;
	struct mr_row_cache first = { 0 };
	struct mr_row_cache second = { 0 };
	enum { COUNT = 5000 };
	uint32_t taken[COUNT];
	static bool seen[COUNT + 2 * MR_ROW_RUN];

	for (uint32_t i = 0; i < COUNT; i++) {
		taken[i] = mr_rows_take(&rows, &first);
		cr_assert_lt(taken[i], MR_ARRAY_LEN(seen));
		cr_assert(!seen[taken[i]]);
		seen[taken[i]] = true;
	}
	for (uint32_t i = 0; i < COUNT; i++) {
		if (i % 3 == 0)
			mr_rows_give(&rows, &first, taken[i], mr_rows_at(&rows, taken[i]));
		else
			mr_rows_give_late(&rows, &first, taken[i]);
		seen[taken[i]] = false;
	}
	mr_rows_spill(&rows, &first, 0);
	/* What one thread gave back, another one finds. */
	for (uint32_t i = 0; i < COUNT; i++) {
		taken[i] = mr_rows_take(&rows, &second);
		cr_assert_lt(taken[i], MR_ARRAY_LEN(seen));
		cr_assert(!seen[taken[i]], "row %u is handed out twice", taken[i]);
		seen[taken[i]] = true;
	}
	cr_assert_leq(atomic_load(&rows.used), COUNT + 2 * MR_ROW_RUN);
	mr_rows_release(&rows);
}
