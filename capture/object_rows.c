/* SPDX-License-Identifier: MIT
 *
 * Where rows come from when a thread has none at hand: a batch that another
 * thread gave back, or a run of fresh ones at the end.
 */
#include "object_rows.h"

#include "memory_mapped.h"

#define SLAB_BYTES (MR_ROW_SLAB * sizeof(struct mr_row))
/* The first slabs are mapped one by one; those that follow come together, in huge pages. */
#define SLABS_SINGLE 16u
#define SLABS_TOGETHER 32u

_Static_assert(SLABS_TOGETHER *SLAB_BYTES % MR_PAGE_HUGE == 0, "huge pages are filled");

/* Whether SLAB begins a mapping, and of how many slabs; 0: it does not. */
static uint32_t slabs_mapped_at(uint32_t slab)
{
	if (slab < SLABS_SINGLE)
		return 1;
	return (slab - SLABS_SINGLE) % SLABS_TOGETHER == 0 ? SLABS_TOGETHER : 0;
}

static struct mr_row *slab_get(const struct mr_rows *rows, uint32_t slab)
{
	const struct mr_row **const table = (const struct mr_row **)rows->tables[slab / MR_ROW_FANOUT];

	return table != NULL ? (struct mr_row *)table[slab % MR_ROW_FANOUT] : NULL;
}

static bool slab_set(struct mr_rows *rows, uint32_t slab, struct mr_row *memory)
{
	struct mr_row ***const table = &rows->tables[slab / MR_ROW_FANOUT];

	if (*table == NULL)
		*table = mr_alloc(MR_ROW_FANOUT * sizeof(**table));
	if (*table == NULL)
		return false;
	(*table)[slab % MR_ROW_FANOUT] = memory;
	return true;
}

void mr_rows_release(struct mr_rows *rows)
{
	for (uint32_t slab = 0; slab_get(rows, slab) != NULL; slab++) {
		const uint32_t together = slabs_mapped_at(slab);

		if (together > 0)
			mr_pages_unmap(slab_get(rows, slab), together * SLAB_BYTES);
	}
	for (uint32_t i = 0; i < MR_ROW_FANOUT; i++)
		mr_free(rows->tables[i]);
}

/* Makes sure that the slab of row INDEX is there. */
static bool slab_make(struct mr_rows *rows, uint32_t index)
{
	const uint32_t slab = index / MR_ROW_SLAB;
	const uint32_t together = slabs_mapped_at(slab);

	if (slab_get(rows, slab) != NULL)
		return true;
	struct mr_row *const memory =
		together > 1 ? mr_pages_map_huge(together * SLAB_BYTES) : mr_pages_map(SLAB_BYTES);
	if (memory == NULL)
		return false;
	/* Backwards: the first slab, by which the mapping is found, is noted when all others are. */
	for (uint32_t i = together; i > 0; i--) {
		if (!slab_set(rows, slab + i - 1, memory + (size_t)(i - 1) * MR_ROW_SLAB)) {
			while (i < together)
				(void)slab_set(rows, slab + i++, NULL);
			mr_pages_unmap(memory, together * SLAB_BYTES);
			return false;
		}
	}
	return true;
}

uint32_t mr_rows_refill(struct mr_rows *rows, struct mr_row_cache *cache)
{
	uint32_t index = MR_ROW_NONE;

	mr_lock_acquire(&rows->lock);
	if (rows->batches != 0) {
		/* A batch's first row links batches through `birth`, and has their count in `size`. */
		const struct mr_row *const row = mr_rows_at(rows, rows->batches - 1);

		index = rows->batches - 1;
		cache->first = (uint32_t)atomic_load_explicit(&row->address, memory_order_relaxed);
		cache->count = (uint32_t)row->size - 1;
		rows->batches = (uint32_t)row->birth;
	} else {
		const uint32_t used = atomic_load_explicit(&rows->used, memory_order_relaxed);

		if (used <= UINT32_MAX - 2 * MR_ROW_RUN && slab_make(rows, used)) {
			index = used;
			cache->run_next = used + 1;
			cache->run_end = used + MR_ROW_RUN;
			atomic_store_explicit(&rows->used, used + MR_ROW_RUN, memory_order_release);
		}
	}
	mr_lock_release(&rows->lock);
	return index;
}

/* Puts the COUNT rows that are linked from FIRST (index + 1) among the batches. */
static void batch_put(struct mr_rows *rows, uint32_t first, uint32_t count)
{
	struct mr_row *const row = mr_rows_at(rows, first - 1);

	mr_lock_acquire(&rows->lock);
	row->size = count;
	row->birth = rows->batches;
	rows->batches = first;
	mr_lock_release(&rows->lock);
}

void mr_rows_settle(struct mr_rows *rows, struct mr_row_cache *cache, uint32_t keep)
{
	const uint32_t settled = cache->late_count > keep ? cache->late_count - keep : 0;

	for (uint32_t i = 0; i < settled; i++)
		mr_rows_give(rows, cache, cache->late[i], mr_rows_at(rows, cache->late[i]));
	cache->late_count -= settled;
	memmove(cache->late, cache->late + settled, cache->late_count * sizeof(cache->late[0]));
}

void mr_rows_spill(struct mr_rows *rows, struct mr_row_cache *cache, uint32_t keep)
{
	/* A thread that ends hands over everything. */
	if (keep == 0)
		mr_rows_settle(rows, cache, 0);
	while (keep == 0 && cache->run_next != cache->run_end) {
		struct mr_row *const row = mr_rows_at(rows, cache->run_next);

		atomic_store_explicit(&row->address, cache->first, memory_order_relaxed);
		cache->first = ++cache->run_next;
		cache->count++;
	}
	if (cache->count <= keep)
		return;

	if (keep == 0) {
		batch_put(rows, cache->first, cache->count);
		*cache = (struct mr_row_cache){ 0 };
		return;
	}

	/* The rows given back last stay: they are still in the caches. */
	struct mr_row *edge = mr_rows_at(rows, cache->first - 1);
	for (uint32_t i = 1; i < keep; i++)
		edge = mr_rows_at(rows,
		                  (uint32_t)atomic_load_explicit(&edge->address, memory_order_relaxed) - 1);
	const uint32_t rest = (uint32_t)atomic_load_explicit(&edge->address, memory_order_relaxed);
	atomic_store_explicit(&edge->address, 0, memory_order_relaxed);
	batch_put(rows, rest, cache->count - keep);
	cache->count = keep;
}

uint64_t mr_rows_memory(const struct mr_rows *rows)
{
	const uint64_t used = atomic_load_explicit(&rows->used, memory_order_relaxed);

	return (used + MR_ROW_SLAB - 1) / MR_ROW_SLAB * SLAB_BYTES;
}
