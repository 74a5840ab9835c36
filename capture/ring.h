/* SPDX-License-Identifier: MIT
 *
 * Appending to a ring of channel.h: the program's half.  One thread appends to
 * a ring at a time, without a lock and, when there is room, without a system
 * call.  Private to libmemcapture.
 */
#ifndef MR_RING_H
#define MR_RING_H

#include "channel.h"
#include "futex.h"

#define MR_RING_EVENT_MAX 32 /* bytes of the largest record of the tracker's operations */

#define MR_RING_AHEAD 512 /* bytes: some records' time */

/* What a thread needs to append; kept beside its other hot data. */
struct mr_ring_writer {
	struct mr_ring *ring;
	uint8_t *data;
	uint64_t mask; /* size - 1 */
	struct mr_channel *channel;
	uint32_t index; /* of the ring in the channel */
	uint64_t
		tail_stuck; /* nobody has emptied the ring beyond this for long: it is not waited for again */
};

void mr_ring_writer_init(struct mr_ring_writer *writer, struct mr_channel *channel, struct mr_ring *ring,
                         uint32_t index);

/* Waits for LEN bytes in one piece at the head.  False: the writer has stopped,
 * and the record is counted as lost. */
bool mr_ring_make_room(struct mr_ring_writer *writer, size_t len);

/* Makes sure that a record of LEN bytes will fit.  To be called before the clock
 * is read: it may wait. */
static inline bool mr_ring_reserve(struct mr_ring_writer *writer, size_t len)
{
	const struct mr_ring *const ring = writer->ring;
	const uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	if (MR_LIKELY(head + len - ring->tail_seen <= writer->mask + 1 &&
	              (head & writer->mask) <= writer->mask + 1 - len))
		return true;
	return mr_ring_make_room(writer, len);
}

static inline bool mr_ring_reserve_event(struct mr_ring_writer *writer)
{
	return mr_ring_reserve(writer, MR_RING_EVENT_MAX);
}

/* Where the next record goes; room must have been made. */
static inline void *mr_ring_at_head(const struct mr_ring_writer *writer)
{
	const uint64_t head = atomic_load_explicit(&writer->ring->head, memory_order_relaxed);

	return writer->data + (head & writer->mask);
}

void mr_ring_half_full(struct mr_ring_writer *writer);

/* Shows the writer the LEN bytes at the head, and wakes it when another half of the ring is full. */
static inline void mr_ring_commit(struct mr_ring_writer *writer, size_t len)
{
	const uint64_t head = atomic_load_explicit(&writer->ring->head, memory_order_relaxed);

	atomic_store_explicit(&writer->ring->head, head + len, memory_order_release);
	/* The writer had these lines last. */
	mr_prefetch_to_write(writer->data + ((head + MR_RING_AHEAD) & writer->mask));
	if (MR_UNLIKELY(((head ^ (head + len)) & ~(writer->mask >> 1)) != 0))
		mr_ring_half_full(writer);
}

/* Appends a block of the log format; at most MR_CHANNEL_BLOCK_MAX bytes.  SPAN:
 * first and last time, first and last snapshot.  False as in mr_ring_make_room(). */
bool mr_ring_append_block(struct mr_ring_writer *writer, const void *block, size_t len,
                          const uint64_t span[4]);

#endif
