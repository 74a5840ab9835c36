/* SPDX-License-Identifier: MIT
 *
 * See heap_blocks.h.
 */
#include "heap_blocks.h"

#include <sys/mman.h>

#define REGION_BYTES (UINT64_C(1) << MR_HEAP_REGION_SHIFT)
#define GROUP 4u /* places in the table that neighbours share */
#define GROUPS_FIRST 4u
#define ROOMY_SHAPE 6 /* of the first array of a region while there are few blocks */
#define DENSE_SHAPE 7
#define DENSE 32            /* blocks in a region, for the next one to have an array of DENSE_SHAPE at once */
#define MAPPED_BYTES 65536u /* tables from this size on are mappings: what is given back is gone */

/* Places for blocks in an array, by shape.  An array grows by two shapes, or by one where
 * sequence numbers make it larger. */
const uint16_t mr_heap_blocks_capacities[MR_HEAP_SHAPES] = { 0,    1,    2,    3,    4,    6,   8,
	                                                     12,   16,   24,   32,   48,   64,  96,
	                                                     128,  192,  256,  384,  512,  768, 1024,
	                                                     1536, 2048, 3072, 4096, 6144, 8192 };

void mr_heap_blocks_init(struct mr_heap_blocks *blocks, bool keep_sequences)
{
	*blocks = (struct mr_heap_blocks){ .keep_sequences = keep_sequences };
}

uint64_t mr_heap_blocks_memory(const struct mr_heap_blocks *blocks)
{
	return blocks->table_bytes + blocks->slabs.used_bytes;
}

/* ---- Arrays ------------------------------------------------------------------------ */

static inline size_t array_bytes(const struct mr_heap_blocks *blocks, unsigned shape)
{
	return mr_heap_blocks_capacities[shape] *
	       (sizeof(struct mr_heap_block) + (blocks->keep_sequences ? sizeof(uint64_t) : 0));
}

static inline unsigned next_slot(unsigned slot, unsigned capacity)
{
	return slot + 1 == capacity ? 0 : slot + 1;
}

/* How far the block in SLOT is from its home. */
static inline unsigned way_of(const struct mr_heap_block *array, unsigned slot, unsigned capacity)
{
	const unsigned home = mr_heap_blocks_home(array[slot].at, capacity);

	return slot >= home ? slot - home : slot + capacity - home;
}

/* Where a block that begins at AT is, or, with false, would have to be. */
static inline bool look_for(const struct mr_heap_block *array, unsigned capacity, unsigned at, unsigned *slot)
{
	unsigned i = mr_heap_blocks_home(at, capacity);

	for (unsigned way = 0;; way++) {
		if (array[i].at == at) {
			*slot = i;
			return true;
		}
		if (array[i].at == 0 || way_of(array, i, capacity) < way) {
			*slot = i;
			return false;
		}
		i = next_slot(i, capacity);
	}
}

static inline uint64_t *sequences_of(struct mr_heap_block *array, unsigned capacity)
{
	return (uint64_t *)(array + capacity);
}

/* Moves what is in SLOT, and all after it up to the next gap, one place on. */
static void make_gap(const struct mr_heap_blocks *blocks, struct mr_heap_block *array, unsigned capacity,
                     unsigned slot)
{
	uint64_t *const sequences = sequences_of(array, capacity);
	unsigned gap = slot;

	while (array[gap].at != 0)
		gap = next_slot(gap, capacity);
	while (gap != slot) {
		const unsigned before = gap == 0 ? capacity - 1 : gap - 1;

		array[gap] = array[before];
		if (blocks->keep_sequences)
			sequences[gap] = sequences[before];
		gap = before;
	}
}

/* Closes the gap in SLOT with those after it that are not at home. */
static inline void close_gap(const struct mr_heap_blocks *blocks, struct mr_heap_block *array,
                             unsigned capacity, unsigned slot)
{
	uint64_t *const sequences = sequences_of(array, capacity);
	unsigned next = next_slot(slot, capacity);

	while (array[next].at != 0 && next != mr_heap_blocks_home(array[next].at, capacity)) {
		array[slot] = array[next];
		if (blocks->keep_sequences)
			sequences[slot] = sequences[next];
		slot = next;
		next = next_slot(next, capacity);
	}
	array[slot].at = 0;
}

/* Puts a block into an array that has a gap, where it is to be. */
static inline void put_in(const struct mr_heap_blocks *blocks, struct mr_heap_block *array, unsigned capacity,
                          unsigned slot, const struct mr_heap_block *block, uint64_t sequence)
{
	if (MR_UNLIKELY(array[slot].at != 0))
		make_gap(blocks, array, capacity, slot);
	array[slot] = *block;
	if (blocks->keep_sequences)
		sequences_of(array, capacity)[slot] = sequence;
}

/* Gives REGION an array of SHAPE, with room for what it holds. */
static bool reshape(struct mr_heap_blocks *blocks, struct mr_heap_region *region, unsigned shape)
{
	const unsigned before = mr_heap_blocks_capacities[region->shape];
	const unsigned capacity = mr_heap_blocks_capacities[shape];
	struct mr_heap_block *const old = region->blocks;
	struct mr_heap_block *const array =
		mr_heap_slabs_take(&blocks->slabs, shape, array_bytes(blocks, shape));

	if (!array)
		return false;
	for (unsigned i = 0; i < capacity; i++)
		array[i].at = 0;
	for (unsigned i = 0; i < before; i++) {
		unsigned slot;

		if (old[i].at != 0 && !look_for(array, capacity, old[i].at, &slot))
			put_in(blocks, array, capacity, slot, &old[i],
			       blocks->keep_sequences ? sequences_of(old, before)[i] : 0);
	}
	if (before > 0)
		mr_heap_slabs_give(&blocks->slabs, region->shape, old, array_bytes(blocks, region->shape));
	region->blocks = array;
	region->shape = shape;
	return true;
}

/* A region that has lost many blocks gets a smaller array, while there is much room in arrays
 * altogether: blocks that die in the order in which they came never lead to this. */
static void consider_less(struct mr_heap_blocks *blocks, struct mr_heap_region *region)
{
	const unsigned step = blocks->keep_sequences ? 1 : 2;
	const unsigned capacity = mr_heap_blocks_capacities[region->shape];

	if (capacity >= 6 && !mr_heap_blocks_are_few(blocks) && region->count * 4 <= capacity &&
	    mr_heap_blocks_memory(blocks) > blocks->count * 48)
		(void)reshape(blocks, region, region->shape - step); /* no memory: it stays large */
}

/* ---- The table of regions ------------------------------------------------------------ */

/* The same for four neighbours. */
static inline uint32_t hash_of(uint64_t number)
{
	return (uint32_t)(((number / GROUP) * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

static struct mr_heap_region *table_new(size_t bytes)
{
	void *table;

	if (bytes < MAPPED_BYTES)
		return mr_alloc(bytes);
	table = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return table == MAP_FAILED ? NULL : table;
}

static void table_free(struct mr_heap_region *table, size_t bytes)
{
	if (table && bytes >= MAPPED_BYTES)
		(void)munmap(table, bytes);
	else
		mr_free(table);
}

static size_t table_bytes(const struct mr_heap_shard *shard)
{
	return shard->groups * (size_t)GROUP * sizeof(*shard->regions);
}

static inline struct mr_heap_region *first_place(const struct mr_heap_shard *shard, uint64_t number,
                                                 uint32_t hash)
{
	return &shard->regions[(size_t)((uint64_t)hash * shard->groups >> 32) * GROUP + number % GROUP];
}

/* The place of region NUMBER, or the one that it would have. */
static inline struct mr_heap_region *place_of(const struct mr_heap_shard *shard, uint64_t number,
                                              uint32_t hash)
{
	const struct mr_heap_region *const end = shard->regions + shard->groups * (size_t)GROUP;
	struct mr_heap_region *place = first_place(shard, number, hash);

	while (place->number != number && place->number != 0)
		place = place + 1 == end ? shard->regions : place + 1;
	return place;
}

/* Makes the table right for the regions of SHARD that have blocks, and some more. */
static bool resize_table(struct mr_heap_blocks *blocks, struct mr_heap_shard *shard)
{
	struct mr_heap_shard made = { .groups = GROUPS_FIRST };
	const size_t places = shard->groups * (size_t)GROUP;
	size_t alive = 0;

	for (size_t i = 0; i < places; i++)
		alive += shard->regions[i].shape != 0;
	if (alive * 100 / 216 >= UINT32_MAX / 2)
		return false;
	if (alive * 100 / 216 > GROUPS_FIRST)
		made.groups = (uint32_t)(alive * 100 / 216); /* a bit more than half full */
	made.regions = table_new(table_bytes(&made));
	if (!made.regions)
		return false;
	for (size_t i = 0; i < places; i++) {
		const struct mr_heap_region *const region = &shard->regions[i];

		if (region->shape == 0)
			continue;
		*place_of(&made, region->number, hash_of(region->number)) = *region;
		made.used++;
	}
	blocks->table_bytes += table_bytes(&made) - table_bytes(shard);
	table_free(shard->regions, table_bytes(shard));
	*shard = made;
	memset(blocks->recent, 0, sizeof(blocks->recent));
	return true;
}

static inline struct mr_heap_shard *shard_of(struct mr_heap_blocks *blocks, uint32_t hash)
{
	return &blocks->shards[hash % MR_HEAP_SHARDS];
}

/* The region of ADDRESS; NULL: never met. */
static inline struct mr_heap_region *find_region(struct mr_heap_blocks *blocks, uint64_t address)
{
	const uint64_t number = mr_heap_blocks_number(address);

	struct mr_heap_region **const recent = &blocks->recent[number % MR_HEAP_RECENT];

	if (MR_LIKELY(*recent && (*recent)->number == number))
		return *recent;
	const uint32_t hash = hash_of(number);
	const struct mr_heap_shard *const shard = shard_of(blocks, hash);

	if (!shard->regions)
		return NULL;
	struct mr_heap_region *const region = place_of(shard, number, hash);

	if (region->number != number)
		return NULL;
	if (!blocks->keep_sequences)
		*recent = region;
	return region;
}

/* As before, but it is there afterwards; NULL: no memory. */
static struct mr_heap_region *make_region(struct mr_heap_blocks *blocks, uint64_t address)
{
	const uint64_t number = mr_heap_blocks_number(address);
	const uint32_t hash = hash_of(number);
	struct mr_heap_shard *const shard = shard_of(blocks, hash);
	const uint64_t places = shard->groups * (uint64_t)GROUP;

	if ((uint64_t)shard->used * 16 >= places * 13 && !resize_table(blocks, shard))
		return NULL;
	struct mr_heap_region *const region = place_of(shard, number, hash);

	*region = (struct mr_heap_region){ .number = number };
	shard->used++;
	return region;
}

/* The region before REGION is densely filled, and so will this one be: it need not grow step by
 * step.  Should it not be, then the two of them have not much room together. */
static unsigned shape_after_dense(struct mr_heap_blocks *blocks, const struct mr_heap_region *region)
{
	const uint64_t number = region->number - 1;
	const uint32_t hash = hash_of(number);
	const struct mr_heap_region *const before = place_of(shard_of(blocks, hash), number, hash);
	const unsigned capacity = mr_heap_blocks_capacities[before->shape];

	if (before->number != number || before->count < DENSE || before->count * 3 < capacity * 2)
		return 0;
	if (region->shape == 0)
		return DENSE_SHAPE;
	return region->shape == DENSE_SHAPE && before->shape > DENSE_SHAPE ? before->shape : 0;
}

/* The shape of the next array of REGION, which is full. */
static unsigned next_shape(struct mr_heap_blocks *blocks, const struct mr_heap_region *region)
{
	unsigned shape = 0;

	if (blocks->keep_sequences)
		return region->shape + 1;
	if (mr_heap_blocks_are_few(blocks))
		return region->shape == 0 ? ROOMY_SHAPE : region->shape + 2;
	shape = shape_after_dense(blocks, region);
	/* A region's every byte may begin a block, and the largest shape but two has room for that. */
	return shape ? shape : region->shape + (region->shape == 0 ? 1u : 2u);
}

/* ---- Blocks ---------------------------------------------------------------------------- */

void mr_heap_blocks_release(struct mr_heap_blocks *blocks)
{
	for (unsigned i = 0; i < MR_HEAP_SHARDS; i++) {
		struct mr_heap_shard *const shard = &blocks->shards[i];

		for (size_t j = 0; j < shard->groups * (size_t)GROUP; j++)
			if (array_bytes(blocks, shard->regions[j].shape) > MR_HEAP_SLAB_ARRAY_MAX)
				mr_free(shard->regions[j].blocks);
		table_free(shard->regions, table_bytes(shard));
	}
	mr_heap_slabs_release(&blocks->slabs);
	mr_heap_blocks_init(blocks, blocks->keep_sequences);
}

const struct mr_heap_block *mr_heap_blocks_find(struct mr_heap_blocks *blocks, uint64_t address,
                                                uint64_t *sequence)
{
	const struct mr_heap_region *const region = find_region(blocks, address);
	unsigned slot;

	if (!region || region->shape == 0 ||
	    !look_for(region->blocks, mr_heap_blocks_capacities[region->shape], mr_heap_blocks_at(address),
	              &slot))
		return NULL;
	*sequence = blocks->keep_sequences
	                    ? sequences_of(region->blocks, mr_heap_blocks_capacities[region->shape])[slot]
	                    : 0;
	return &region->blocks[slot];
}

enum mr_heap_put mr_heap_blocks_put_any(struct mr_heap_blocks *blocks, uint64_t address,
                                        const struct mr_heap_block *block, uint64_t sequence)
{
	struct mr_heap_region *region = find_region(blocks, address);
	struct mr_heap_block added = *block;
	unsigned slot = 0;

	added.at = (uint16_t)mr_heap_blocks_at(address);
	if (MR_UNLIKELY(!region)) {
		region = make_region(blocks, address);
		if (!region)
			return MR_HEAP_PUT_NO_MEMORY;
	}
	if (region->shape != 0 &&
	    look_for(region->blocks, mr_heap_blocks_capacities[region->shape], added.at, &slot))
		return MR_HEAP_PUT_IS_THERE;
	if (MR_UNLIKELY(region->count >=
	                mr_heap_blocks_limit(blocks, mr_heap_blocks_capacities[region->shape]))) {
		if (!reshape(blocks, region, next_shape(blocks, region)))
			return MR_HEAP_PUT_NO_MEMORY;
		(void)look_for(region->blocks, mr_heap_blocks_capacities[region->shape], added.at, &slot);
	}
	put_in(blocks, region->blocks, mr_heap_blocks_capacities[region->shape], slot, &added, sequence);
	region->count++;
	if (++blocks->count > blocks->count_max)
		blocks->count_max = blocks->count;
	return MR_HEAP_PUT;
}

bool mr_heap_blocks_take_any(struct mr_heap_blocks *blocks, uint64_t address, struct mr_heap_block *block,
                             uint64_t *sequence)
{
	struct mr_heap_region *const region = find_region(blocks, address);
	unsigned slot;

	if (MR_UNLIKELY(!region || region->shape == 0))
		return false;
	const unsigned capacity = mr_heap_blocks_capacities[region->shape];

	if (MR_UNLIKELY(!look_for(region->blocks, capacity, mr_heap_blocks_at(address), &slot)))
		return false;
	*block = region->blocks[slot];
	*sequence = blocks->keep_sequences ? sequences_of(region->blocks, capacity)[slot] : 0;
	close_gap(blocks, region->blocks, capacity, slot);
	region->count--;
	blocks->count--;
	if (region->count == 0) {
		mr_heap_slabs_give(&blocks->slabs, region->shape, region->blocks,
		                   array_bytes(blocks, region->shape));
		region->shape = 0;
		region->blocks = NULL;
	} else if (MR_UNLIKELY(region->count * 4 <= capacity)) {
		consider_less(blocks, region);
	}
	return true;
}

/* The first place where the region of ADDRESS may be; NULL: there is no table. */
static inline const struct mr_heap_region *home_place(const struct mr_heap_blocks *blocks, uint64_t number)
{
	const uint32_t hash = hash_of(number);
	const struct mr_heap_shard *const shard = &blocks->shards[hash % MR_HEAP_SHARDS];

	return shard->regions ? first_place(shard, number, hash) : NULL;
}

void mr_heap_blocks_expect(const struct mr_heap_blocks *blocks, uint64_t address)
{
	const struct mr_heap_region *const place = home_place(blocks, mr_heap_blocks_number(address));

	if (place)
		__builtin_prefetch(place, 1);
}

void mr_heap_blocks_expect_block(const struct mr_heap_blocks *blocks, uint64_t address)
{
	const uint64_t number = mr_heap_blocks_number(address);
	const struct mr_heap_region *const place = home_place(blocks, number);

	if (place && place->number == number && place->shape != 0)
		__builtin_prefetch(
			&place->blocks[mr_heap_blocks_home(mr_heap_blocks_at(address),
		                                           mr_heap_blocks_capacities[place->shape])],
			1);
}

bool mr_heap_blocks_pages(const struct mr_heap_blocks *blocks, bool (*page)(void *context, uint64_t address),
                          void *context)
{
	for (unsigned i = 0; i < MR_HEAP_SHARDS; i++) {
		const struct mr_heap_shard *const shard = &blocks->shards[i];

		for (size_t j = 0; j < shard->groups * (size_t)GROUP; j++)
			if (shard->regions[j].number != 0 &&
			    !page(context, (uint64_t)(shard->regions[j].number - 1) << MR_HEAP_REGION_SHIFT))
				return false;
	}
	return true;
}
