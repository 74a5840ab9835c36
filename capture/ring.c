/* SPDX-License-Identifier: MIT
 *
 * The slow half of ring.h: the end of the ring's memory, a full ring, blocks.
 */
#include "ring.h"

#define WAIT_SLICE_NS UINT64_C(10000000)
/* The program's own writer thread may be held up by a slow disk for longer than
 * memrecord, which buffers; it is given more time before events are lost. */
#define PRIVATE_LIMIT_NS UINT64_C(10000000000)
/* A writer that lives takes something of every ring that it knows within this time. */
#define STUCK_LIMIT_NS UINT64_C(10000000000)

void mr_ring_writer_init(struct mr_ring_writer *writer, struct mr_channel *channel, struct mr_ring *ring,
                         uint32_t index)
{
	*writer = (struct mr_ring_writer){
		.ring = ring,
		.data = (uint8_t *)ring + MR_RING_DATA_OFFSET,
		.mask = channel->ring_sizes[index] - UINT64_C(1),
		.channel = channel,
		.index = index,
		.tail_stuck = UINT64_MAX,
	};
}

static bool writer_stopped(const struct mr_channel *channel)
{
	if (channel->shared)
		return !mr_channel_writer_is_alive(channel->writer);

	const uint64_t heartbeat_ns =
		atomic_load_explicit(&channel->writer->heartbeat_ns, memory_order_relaxed);
	const uint64_t now_ns = mr_clock_monotonic_ns();
	return now_ns > heartbeat_ns && now_ns - heartbeat_ns > PRIVATE_LIMIT_NS;
}

/* Waits until LEN bytes are free behind the head. */
static bool wait_for_room(struct mr_ring_writer *writer, size_t len)
{
	struct mr_ring *const ring = writer->ring;
	const uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	const uint64_t size = writer->mask + 1;

	ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
	if (head + len - ring->tail_seen <= size)
		return true;

	const uint64_t begin_ns = mr_clock_monotonic_ns();
	uint64_t moved_ns = begin_ns;
	uint64_t tail = ring->tail_seen;
	bool room = false;
	for (;;) {
		const uint32_t turn = atomic_load(&ring->room);

		atomic_store(&ring->waiting, 1);
		ring->tail_seen = atomic_load(&ring->tail);
		room = head + len - ring->tail_seen <= size;
		if (room || writer_stopped(writer->channel))
			break;
		if (ring->tail_seen != tail) {
			tail = ring->tail_seen;
			moved_ns = mr_clock_monotonic_ns();
		}
		/* It lives, but has never heard of this ring, or has given it up. */
		if (tail == writer->tail_stuck || mr_clock_monotonic_ns() - moved_ns > STUCK_LIMIT_NS) {
			writer->tail_stuck = tail;
			break;
		}
		mr_channel_wake(writer->channel);
		mr_futex_wait(&ring->room, turn, WAIT_SLICE_NS);
	}
	atomic_store(&ring->waiting, 0);

	atomic_fetch_add_explicit(&ring->waits, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&ring->wait_ns, mr_clock_monotonic_ns() - begin_ns, memory_order_relaxed);
	if (!room)
		atomic_fetch_add_explicit(&ring->dropped, 1, memory_order_relaxed);
	return room;
}

bool mr_ring_make_room(struct mr_ring_writer *writer, size_t len)
{
	struct mr_ring *const ring = writer->ring;
	const uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	const uint64_t rest = writer->mask + 1 - (head & writer->mask);

	if (rest >= len)
		return wait_for_room(writer, len);

	/* Records are not split: what is left at the end is skipped, and the record begins at the start. */
	if (!wait_for_room(writer, rest + len))
		return false;
	const uint32_t pad = MR_RECORD_PAD | (uint32_t)rest << 4;
	memcpy(mr_ring_at_head(writer), &pad, sizeof(pad));
	mr_ring_commit(writer, rest);
	return true;
}

void mr_ring_half_full(struct mr_ring_writer *writer)
{
	mr_channel_wake(writer->channel);
}

bool mr_ring_append_block(struct mr_ring_writer *writer, const void *block, size_t len,
                          const uint64_t span[4])
{
	struct mr_record_block record = {
		.block_len = (uint32_t)len,
		.time_first = span[0],
		.time_last = span[1],
		.snapshot_first = span[2],
		.snapshot_last = span[3],
	};
	const size_t record_len = (sizeof(record) + len + 7) & ~(size_t)7;

	if (len > MR_CHANNEL_BLOCK_MAX || record_len * 2 > writer->mask + 1) {
		atomic_fetch_add_explicit(&writer->ring->dropped, 1, memory_order_relaxed);
		return false;
	}
	if (!mr_ring_make_room(writer, record_len))
		return false;

	record.head = MR_RECORD_BLOCK | (uint32_t)record_len << 4;
	uint8_t *const at = mr_ring_at_head(writer);
	memcpy(at, &record, sizeof(record));
	memcpy(at + sizeof(record), block, len);
	memset(at + sizeof(record) + len, 0, record_len - sizeof(record) - len);
	mr_ring_commit(writer, record_len);
	return true;
}
