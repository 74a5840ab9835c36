/* SPDX-License-Identifier: MIT
 *
 * The rows of tracked objects: one of 48 bytes a live object, at an address
 * that stays, in slabs that a snapshot walks in the order of memory.  A row is
 * named by its index.  Threads take rows in runs and give them back in batches,
 * so that tracking takes no lock.  Private to libmemcapture.
 */
#ifndef MR_OBJECT_ROWS_H
#define MR_OBJECT_ROWS_H

#include "futex.h"

/* What a row is, and who may touch it.
 *
 *   FREE   nobody's but its thread's list
 *   LIVE   an object: `birth`, `id` are fixed; `size` and `hash` are the snapshot's
 *   DYING  for a few nanoseconds, on the way to
 *   DEAD   it died while a snapshot was being taken: kept until that is over, with
 *          the moment of death in `address`
 *
 * HOLD keeps the object's memory as it is: a snapshot reads it, or the program
 * changes it.  Whoever wants it meanwhile sets WAITERS and sleeps. */
enum mr_row_control {
	MR_ROW_STATE = 3,
	MR_ROW_FREE = 0,
	MR_ROW_LIVE = 1,
	MR_ROW_DYING = 2,
	MR_ROW_DEAD = 3,
	MR_ROW_HOLD = 4,
	MR_ROW_WAITERS = 8,
	MR_ROW_FORCED = 16,     /* its class changed: the next snapshot writes its size in any case */
	MR_ROW_LEVEL_SHIFT = 8, /* 8 bits */
	MR_ROW_SNAPSHOT_SHIFT =
		16, /* 8 bits: the snapshot (number mod 255, + 1) for which class_before counts */
};

struct mr_row {
	_Atomic uint32_t control; /* enum mr_row_control */
	_Atomic uint32_t classes; /* class id; in the upper half the one before, see MR_ROW_SNAPSHOT_SHIFT */
	uint64_t id;
	_Atomic uint64_t address;
	uint64_t birth; /* ticks */
	uint64_t size;  /* bytes, at the last snapshot */
	uint64_t hash;  /* of its referents and label then */
};

_Static_assert(sizeof(struct mr_row) == 48, "a row is what an object costs");

#define MR_ROW_NONE UINT32_MAX
#define MR_ROW_SLAB_BITS 12
#define MR_ROW_SLAB (1u << MR_ROW_SLAB_BITS) /* rows */
#define MR_ROW_FANOUT 1024u                  /* slabs a second-level table, tables in the first */
#define MR_ROW_RUN 256u                      /* rows that a thread takes at once */

struct mr_rows {
	struct mr_row **tables[MR_ROW_FANOUT];
	_Atomic uint32_t used; /* rows handed out so far, used or not */
	struct mr_lock lock;   /* over handing out runs and batches */
	uint32_t batches;      /* list of batches of free rows: index + 1 of the first */
};

static inline struct mr_row *mr_rows_at(const struct mr_rows *rows, uint32_t index)
{
	return rows->tables[index / (MR_ROW_SLAB * MR_ROW_FANOUT)][index / MR_ROW_SLAB % MR_ROW_FANOUT] +
	       index % MR_ROW_SLAB;
}

#define MR_ROW_LATE 16u

/* The free rows at a thread's hand.  `late` are rows of objects that were
 * forgotten last: nothing has been written to them yet, because that would mean
 * to wait for memory, so they still say LIVE.  A snapshot puts that right
 * before its moment. */
struct mr_row_cache {
	uint32_t late[MR_ROW_LATE];
	uint32_t late_count;
	uint32_t first; /* list of free rows, linked through `address`: index + 1 */
	uint32_t count;
	uint32_t run_next; /* fresh rows */
	uint32_t run_end;
};

void mr_rows_release(struct mr_rows *rows);
uint32_t mr_rows_refill(struct mr_rows *rows, struct mr_row_cache *cache);
void mr_rows_spill(struct mr_rows *rows, struct mr_row_cache *cache, uint32_t keep);
/* Makes all but KEEP of the late rows free ones. */
void mr_rows_settle(struct mr_rows *rows, struct mr_row_cache *cache, uint32_t keep);
uint64_t mr_rows_memory(const struct mr_rows *rows);

/* A free row, or MR_ROW_NONE when there is no memory. */
static inline uint32_t mr_rows_take(struct mr_rows *rows, struct mr_row_cache *cache)
{
	if (MR_LIKELY(cache->late_count != 0))
		return cache->late[--cache->late_count];
	if (MR_LIKELY(cache->first != 0)) {
		const uint32_t index = cache->first - 1;

		cache->first = (uint32_t)atomic_load_explicit(&mr_rows_at(rows, index)->address,
		                                              memory_order_relaxed);
		cache->count--;
		return index;
	}
	if (MR_LIKELY(cache->run_next != cache->run_end))
		return cache->run_next++;
	return mr_rows_refill(rows, cache);
}

/* Gives a row back; only while no snapshot is under way. */
static inline void mr_rows_give(struct mr_rows *rows, struct mr_row_cache *cache, uint32_t index,
                                struct mr_row *row)
{
	atomic_store_explicit(&row->address, cache->first, memory_order_relaxed);
	atomic_store_explicit(&row->control, MR_ROW_FREE, memory_order_release);
	cache->first = index + 1;
	cache->count++;
	if (MR_UNLIKELY(cache->count >= 2 * MR_ROW_RUN))
		mr_rows_spill(rows, cache, MR_ROW_RUN);
}

/* The same without touching the row; only while no snapshot is under way. */
static inline void mr_rows_give_late(struct mr_rows *rows, struct mr_row_cache *cache, uint32_t index)
{
	const struct mr_row *const row = mr_rows_at(rows, index);

	/* By the time it is used again, it will have arrived. */
	mr_prefetch_to_write(row);
	mr_prefetch_to_write((const uint8_t *)(row + 1) - 1);
	if (MR_UNLIKELY(cache->late_count == MR_ROW_LATE))
		mr_rows_settle(rows, cache, MR_ROW_LATE / 2);
	cache->late[cache->late_count++] = index;
}

#endif
