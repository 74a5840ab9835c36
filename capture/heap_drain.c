/* SPDX-License-Identifier: MIT
 *
 * See heap_drain.h.  Records are copied out of a ring into a window of some dozens
 * of events, which makes room in the ring at once and gives the processor time to
 * fetch what their addresses lead to; the windows of all rings are merged.
 */
#include "heap_drain.h"

#include "futex.h"
#include "tracker_clock.h"

#define WINDOW 128                   /* events */
#define AHEAD 2560                   /* bytes of a ring: about what a window takes */
#define MANY 16                      /* events that it does not pay to copy */
#define STUCK_NS UINT64_C(200000000) /* after which nobody believes that events of handlers will come */

struct ring {
	struct mr_ring *ring; /* NULL: not looked at */
	const uint8_t *data;
	uint64_t size;
	uint64_t tail;
	uint64_t tail_told;       /* the last that a thread was woken for */
	uint64_t head;            /* as this run saw it */
	uint64_t ticks_last;      /* nothing that comes is earlier */
	uint64_t nested_since_ns; /* with the head at NESTED_HEAD; 0: there are none */
	uint64_t nested_head;
	uint32_t tid;
	bool nested; /* events of signal handlers, with times before the bound, may still come */
	bool broken;
	uint16_t first; /* of the window's events, the next */
	uint16_t count; /* of them, from 0 */
	struct mr_heap_taken *window;
};

struct mr_heap_drain {
	struct mr_channel *channel;
	struct mr_heap_taker taker;
	struct mr_error *complaint;
	uint64_t bytes;
	uint64_t events;
	uint64_t bound; /* what is later is not taken yet */
	uint64_t floor; /* the last run's bound: all that is earlier was taken */
	uint64_t now_ticks;
	uint32_t ring_count; /* entries of `rings` that may be in use */
	uint32_t heap_count;
	uint32_t batch_count;
	uint16_t heap[MR_CHANNEL_RINGS_MAX]; /* rings with events in their windows, the first on top */
	struct mr_heap_taken batch[MR_HEAP_BATCH];
	size_t ring_capacity;
	struct ring *rings; /* by index in the channel */
};

static bool has_text(const struct mr_heap_taken *event)
{
	return event->type == MR_HEAP_RECORD_MARK || event->type == MR_HEAP_RECORD_THREAD;
}

int mr_heap_drain_new(struct mr_heap_drain **drain, struct mr_channel *channel,
                      const struct mr_heap_taker *taker, struct mr_error *err)
{
	struct mr_heap_drain *const created = mr_alloc(sizeof(*created));

	MR_FAIL_IF(!created, err, MR_ERR_NOMEM, "out of memory for reading events");
	created->channel = channel;
	created->taker = *taker;
	*drain = created;
	return MR_OK;
}

void mr_heap_drain_free(struct mr_heap_drain *drain)
{
	if (!drain)
		return;
	for (uint32_t i = 0; i < drain->ring_count; i++) {
		struct ring *const ring = &drain->rings[i];

		for (; ring->first < ring->count; ring->first++)
			if (has_text(&ring->window[ring->first]))
				mr_free(ring->window[ring->first].text);
		mr_free(ring->window);
	}
	mr_free(drain->rings);
	mr_free(drain);
}

uint64_t mr_heap_drain_ticks_now(const struct mr_heap_drain *drain)
{
	return mr_clock_ticks(drain->channel->header->clock_is_tsc != 0);
}

/* ---- Records -------------------------------------------------------------------------- */

/* Bytes of a record of TYPE that has a stamp; 0: it is none. */
static inline uint32_t stamped_len(unsigned type)
{
	static const uint8_t lens[16] = {
		[MR_HEAP_RECORD_ALLOC] = sizeof(struct mr_heap_alloc),
		[MR_HEAP_RECORD_FREE] = sizeof(struct mr_heap_free),
		[MR_HEAP_RECORD_REALLOC_BEGIN] = sizeof(struct mr_heap_free),
		[MR_HEAP_RECORD_REALLOC_END] = sizeof(struct mr_heap_alloc),
		[MR_HEAP_RECORD_MAP] = sizeof(struct mr_heap_alloc) + 8,
		[MR_HEAP_RECORD_UNMAP] = sizeof(struct mr_heap_free) + 8,
	};

	return lens[type];
}

static inline uint64_t stamp_of(const struct mr_heap_drain *drain, struct ring *ring, uint64_t ticks)
{
	if (MR_UNLIKELY(ticks > drain->now_ticks))
		ticks = drain->now_ticks;
	if (MR_UNLIKELY(ticks < ring->ticks_last))
		ticks = ring->ticks_last;
	ring->ticks_last = ticks;
	return ticks;
}

/* The record at AT, which is there as a whole and begins with WORD. */
static inline void take_stamped(const struct mr_heap_drain *drain, struct ring *ring,
                                struct mr_heap_taken *event, const uint8_t *at, uint64_t word)
{
	const unsigned type = MR_HEAP_TYPE(word);
	uint64_t second;
	uint64_t third;

	memcpy(&second, at + 8, 8);
	event->ticks = stamp_of(drain, ring, MR_HEAP_TICKS(word));
	event->address = second & MR_HEAP_ADDRESS_MASK;
	event->type = (uint8_t)type;
	event->size = 0;
	event->stack = 0;
	if (type == MR_HEAP_RECORD_FREE || type == MR_HEAP_RECORD_REALLOC_BEGIN)
		return;
	memcpy(&third, at + 16, 8);
	if (MR_UNLIKELY(type == MR_HEAP_RECORD_UNMAP)) {
		event->size = third;
		return;
	}
	event->size = second >> 48 | (third & UINT32_MAX) << 16;
	event->stack = (uint32_t)(third >> 32);
	if (MR_UNLIKELY(type == MR_HEAP_RECORD_MAP))
		memcpy(&event->size, at + sizeof(struct mr_heap_alloc), 8);
}

static bool take_text(struct mr_heap_drain *drain, struct ring *ring, const uint8_t *at, uint32_t len,
                      unsigned type)
{
	struct mr_heap_taken *const event = &ring->window[ring->count];
	struct mr_heap_text record;

	if (len < sizeof(record))
		return false;
	memcpy(&record, at, sizeof(record));
	if (record.text_len > MR_HEAP_TEXT_MAX || record.text_len > len - sizeof(record))
		return false;
	struct mr_heap_text_taken *const text = mr_alloc(sizeof(*text) + record.text_len + 1);

	if (!text)
		return false;
	text->flags = record.flags;
	text->tid = record.tid;
	text->stack_address = record.stack_address;
	text->len = record.text_len;
	memcpy(text->text, at + sizeof(record), record.text_len);
	*event = (struct mr_heap_taken){ .ticks = stamp_of(drain, ring, record.ticks),
		                         .ring = event->ring,
		                         .type = (uint8_t)type,
		                         .text = text };
	ring->count++;
	drain->events++;
	return true;
}

static bool take_module(struct mr_heap_drain *drain, const uint8_t *at, uint32_t len)
{
	struct mr_heap_module record;
	uint8_t build_id[MR_HEAP_BUILD_ID_MAX];
	char path[MR_HEAP_TEXT_MAX + 1];

	if (len < sizeof(record))
		return false;
	memcpy(&record, at, sizeof(record));
	if (record.path_len > MR_HEAP_TEXT_MAX || record.build_id_len > MR_HEAP_BUILD_ID_MAX ||
	    record.path_len + record.build_id_len > len - sizeof(record))
		return false;
	memcpy(path, at + sizeof(record), record.path_len);
	path[record.path_len] = '\0';
	memcpy(build_id, at + sizeof(record) + record.path_len, record.build_id_len);
	record.path_len = (uint32_t)strlen(path);
	return drain->taker.module(drain->taker.context, &record, path, build_id);
}

/* A record that is no allocation or free, of LEN bytes; false: nonsense. */
static bool take_other(struct mr_heap_drain *drain, struct ring *ring, const uint8_t *at, uint32_t len,
                       unsigned type)
{
	struct mr_heap_stack stack;

	switch (type) {
	case MR_HEAP_RECORD_PAD:
		return true;
	case MR_HEAP_RECORD_STACK:
		if (len != sizeof(stack))
			return false;
		memcpy(&stack, at, sizeof(stack));
		return drain->taker.stack(drain->taker.context, &stack);
	case MR_HEAP_RECORD_MODULE:
		return take_module(drain, at, len);
	case MR_HEAP_RECORD_MARK:
	case MR_HEAP_RECORD_THREAD:
		return take_text(drain, ring, at, len, type);
	default:
		return false;
	}
}
/* ---- Windows ---------------------------------------------------------------------------- */

static void give_up(struct mr_heap_drain *drain, struct ring *ring, const char *what)
{
	ring->broken = true;
	ring->tail = ring->head;
	(void)mr_fail(drain->complaint, MR_ERR_FORMAT, "%s in a ring of process %u", what,
	              drain->channel->header->pid);
}

/* Makes what was copied room again, and wakes a thread that waits for it: once there is a
 * good deal of it, or with ALL. */
static void make_room(struct ring *ring, bool all)
{
	atomic_store_explicit(&ring->ring->tail, ring->tail, memory_order_seq_cst);
	if (MR_LIKELY(atomic_load(&ring->ring->waiting) == 0))
		return;
	/* It would find nothing new, and wake us for that in its turn. */
	if (ring->tail == ring->tail_told)
		return;
	/* Its thread may have gone on since we looked at the head, and filled the ring anew. */
	if (!all && atomic_load(&ring->ring->head) - ring->tail > ring->size / 4)
		return;
	ring->tail_told = ring->tail;
	atomic_fetch_add(&ring->ring->room, 1);
	mr_futex_wake(&ring->ring->room);
}

/* The records at the tail of RING that lie in one piece: where, and their bytes. */
static inline uint64_t piece_at_tail(const struct ring *ring, const uint8_t **at)
{
	const uint64_t offset = ring->tail & (ring->size - 1);
	const uint64_t rest = ring->size - offset;
	const uint64_t there = ring->head - ring->tail;

	*at = ring->data + offset;
	return there < rest ? there : rest;
}

/* Takes the record at the tail of RING, which has no stamp in its first word.  False: nonsense. */
static bool take_rare(struct mr_heap_drain *drain, struct ring *ring)
{
	const uint8_t *at;
	const uint64_t there = piece_at_tail(ring, &at);
	uint32_t head;

	memcpy(&head, at, sizeof(head));
	const unsigned type = MR_HEAP_TYPE(head);
	const uint32_t len = MR_RECORD_LEN(head);

	if (stamped_len(type) != 0 || len < sizeof(uint64_t) || len % 8 != 0 || len > there ||
	    (len > MR_HEAP_RECORD_LEN_MAX && type != MR_HEAP_RECORD_PAD)) {
		give_up(drain, ring, "a record of no length that can be");
		return false;
	}
	if (!take_other(drain, ring, at, len, type)) {
		give_up(drain, ring, "a record that makes no sense");
		return false;
	}
	ring->tail += len;
	drain->bytes += len;
	return true;
}

/* Takes records with stamps for the window of RING, up to one of another kind, or one that is not there
 * as a whole, or the end of its memory.  False: there was none. */
static bool take_run(struct mr_heap_drain *drain, struct ring *ring)
{
	const uint8_t *begin;
	const uint64_t there = piece_at_tail(ring, &begin);
	const uint8_t *const end = begin + there;
	const uint8_t *at = begin;
	struct mr_heap_taken *event = &ring->window[ring->count];

	while (at != end && event != &ring->window[WINDOW]) {
		uint64_t word;

		memcpy(&word, at, sizeof(word));
		const uint32_t len = stamped_len(MR_HEAP_TYPE(word));

		if (MR_UNLIKELY(len == 0 || len > (size_t)(end - at)))
			break;
		if (end - at > AHEAD)
			__builtin_prefetch(at + AHEAD);
		take_stamped(drain, ring, event++, at, word);
		at += len;
	}
	drain->events += (uint64_t)(event - &ring->window[ring->count]);
	drain->bytes += (uint64_t)(at - begin);
	ring->count = (uint16_t)(event - ring->window);
	ring->tail += (uint64_t)(at - begin);
	return at != begin;
}

/* Fills the window of RING, which is empty, from the ring. */
static void fill_window(struct mr_heap_drain *drain, struct ring *ring)
{
	ring->first = 0;
	ring->count = 0;
	while (ring->tail != ring->head && ring->count < WINDOW)
		if (!take_run(drain, ring) && !take_rare(drain, ring))
			break;
	make_room(ring, false);
}

/* ---- Rings --------------------------------------------------------------------------------- */

static bool look_at_new_rings(struct mr_heap_drain *drain)
{
	const uint32_t said = atomic_load_explicit(&drain->channel->header->ring_count, memory_order_acquire);
	const uint32_t count = said < MR_CHANNEL_RINGS_MAX ? said : MR_CHANNEL_RINGS_MAX;

	if (count > drain->ring_count) {
		const uint32_t before = drain->ring_count;

		if (mr_grow(&drain->rings, &drain->ring_capacity, count, sizeof(*drain->rings)) < 0)
			return false;
		memset(drain->rings + before, 0, (count - before) * sizeof(*drain->rings));
		drain->ring_count = count;
	}
	return true;
}

/* A ring that was added a moment ago is mapped now; false: not there (yet), or not to be used. */
static bool open_ring(struct mr_heap_drain *drain, struct ring *ring, uint32_t index)
{
	uint32_t size_bytes;

	if (ring->ring || ring->broken)
		return !ring->broken;
	struct mr_ring *const mapped = mr_channel_ring(drain->channel, index, &size_bytes);

	if (!mapped)
		return false;
	ring->window = mr_alloc(WINDOW * sizeof(*ring->window));
	if (!ring->window)
		return false;
	for (unsigned i = 0; i < WINDOW; i++)
		ring->window[i].ring = (uint16_t)index;
	ring->data = (const uint8_t *)mapped + MR_RING_DATA_OFFSET;
	ring->size = size_bytes;
	ring->tid = drain->channel->header->rings[index].tid;
	ring->ring = mapped;
	if (drain->channel->header->rings[index].kind != MR_RING_HEAP)
		give_up(drain, ring, "something else than the heap");
	return !ring->broken;
}

/* Reads how far RING is filled. */
static void look_at_head(struct mr_heap_drain *drain, struct ring *ring)
{
	const uint64_t head = atomic_load_explicit(&ring->ring->head, memory_order_acquire);

	if (head - ring->tail > ring->size || head % 8 != 0)
		give_up(drain, ring, "a head that is too far ahead");
	else
		ring->head = head;
}

/* Whether events of handlers wait to be appended to RING: looked at before the head, so that they are seen
 * there or here. */
static void look_at_nested(struct ring *ring)
{
	const bool nested = atomic_load_explicit(&ring->ring->nested, memory_order_acquire) != 0;
	const uint64_t now_ns = nested ? mr_clock_monotonic_ns() : 0;

	if (!nested || ring->nested_since_ns == 0 || ring->nested_head != ring->head) {
		ring->nested_since_ns = now_ns;
		ring->nested_head = ring->head;
	}
	/* A thread that left by longjmp() may never come back to its ring. */
	ring->nested = nested && now_ns - ring->nested_since_ns < STUCK_NS;
}

/* What was begun before is done before anything that follows begins: reading the clock is, too. */
static inline void wait_for_all(void)
{
	atomic_thread_fence(memory_order_seq_cst);
	mr_clock_wait();
	atomic_thread_fence(memory_order_seq_cst);
}

/* Sets how far RING is filled. */
static void look_at_ring(struct mr_heap_drain *drain, struct ring *ring, bool ended)
{
	if (ring->broken) { /* emptied all the same: its thread is not to wait for room */
		ring->tail = atomic_load_explicit(&ring->ring->head, memory_order_acquire);
		ring->head = ring->tail;
		return;
	}
	/* What was not there by the last bound came after it, whatever it says: see heap_events.h. */
	if (ring->ticks_last < drain->floor)
		ring->ticks_last = drain->floor;
	ring->nested = false; /* those of a thread that is no more never come */
	if (!ended)
		look_at_nested(ring);
	look_at_head(drain, ring);
}

/* Sets how far each ring is filled, and up to which time all that there will be is there. */
static void find_bound(struct mr_heap_drain *drain, bool ended)
{
	uint32_t used = 0;

	if (drain->ring_count == 0 && !look_at_new_rings(drain))
		return;
	/* A second ring, were there one by now, would begin after all that this one had then. */
	if (drain->ring_count == 1 && open_ring(drain, &drain->rings[0], 0))
		look_at_ring(drain, &drain->rings[0], ended);
	/* Before the number of rings: one that is not counted yet has nothing that is earlier. */
	const uint64_t now = mr_heap_drain_ticks_now(drain);

	wait_for_all();
	if (!look_at_new_rings(drain))
		return;
	for (uint32_t i = 0; i < drain->ring_count; i++)
		used += open_ring(drain, &drain->rings[i], i);
	drain->bound = ended || drain->ring_count <= 1 ? UINT64_MAX : now;
	if (ended || used != 1 || drain->ring_count != 1)
		for (uint32_t i = 0; i < drain->ring_count; i++)
			if (drain->rings[i].ring)
				look_at_ring(drain, &drain->rings[i], ended);
	/* After the heads: what is there is no later than that, and keeps the times that order it. */
	wait_for_all();
	drain->now_ticks = mr_heap_drain_ticks_now(drain);
}

/* ---- Merging --------------------------------------------------------------------------------- */

static inline uint64_t front(const struct mr_heap_drain *drain, uint16_t index)
{
	const struct ring *const ring = &drain->rings[index];

	return ring->window[ring->first].ticks;
}

static void sift_down(struct mr_heap_drain *drain, uint32_t at)
{
	const uint16_t moved = drain->heap[at];
	const uint64_t ticks = front(drain, moved);

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= drain->heap_count)
			break;
		if (child + 1 < drain->heap_count &&
		    front(drain, drain->heap[child + 1]) < front(drain, drain->heap[child]))
			child++;
		if (front(drain, drain->heap[child]) >= ticks)
			break;
		drain->heap[at] = drain->heap[child];
		at = child;
	}
	drain->heap[at] = moved;
}

static void hand_on(struct mr_heap_drain *drain)
{
	if (drain->batch_count == 0)
		return;
	drain->taker.events(drain->taker.context, drain->batch, drain->batch_count);
	drain->batch_count = 0;
}

/* RING has nothing more; what it is about to append may be as old as its last event. */
static void run_dry(struct mr_heap_drain *drain, const struct ring *ring)
{
	if (ring->nested && ring->ticks_last < drain->bound)
		drain->bound = ring->ticks_last;
}

static void gather(struct mr_heap_drain *drain)
{
	drain->heap_count = 0;
	for (uint32_t i = 0; i < drain->ring_count; i++) {
		struct ring *const ring = &drain->rings[i];

		if (!ring->ring)
			continue;
		if (ring->first == ring->count)
			fill_window(drain, ring);
		if (ring->first < ring->count)
			drain->heap[drain->heap_count++] = (uint16_t)i;
		else
			run_dry(drain, ring);
	}
	for (uint32_t i = drain->heap_count / 2; i > 0; i--)
		sift_down(drain, i - 1);
}

/* The time up to which the ring on top of the heap is the first. */
static uint64_t top_limit(const struct mr_heap_drain *drain)
{
	uint64_t limit = drain->bound;

	for (uint32_t i = 1; i <= 2 && i < drain->heap_count; i++)
		if (front(drain, drain->heap[i]) < limit)
			limit = front(drain, drain->heap[i]);
	return limit;
}

/* Hands on the events of RING up to LIMIT: few by way of the batch, many as they are. */
static void take_up_to(struct mr_heap_drain *drain, struct ring *ring, uint64_t limit)
{
	const struct mr_heap_taken *const events = &ring->window[ring->first];
	const unsigned left = (unsigned)ring->count - ring->first;
	unsigned count = 0;

	if (left > 0 && events[left - 1].ticks <= limit) {
		count = left;
	} else {
		while (events[count].ticks <= limit)
			count++;
	}
	ring->first = (uint16_t)(ring->first + count);
	if (count >= MANY || drain->batch_count + count > MR_HEAP_BATCH)
		hand_on(drain);
	if (count >= MANY) {
		drain->taker.events(drain->taker.context, events, count);
		return;
	}
	memcpy(drain->batch + drain->batch_count, events, count * sizeof(*events));
	drain->batch_count += count;
}

static void merge(struct mr_heap_drain *drain)
{
	while (drain->heap_count > 0 && front(drain, drain->heap[0]) <= drain->bound) {
		struct ring *const ring = &drain->rings[drain->heap[0]];

		take_up_to(drain, ring, top_limit(drain));
		if (ring->first == ring->count)
			fill_window(drain, ring);
		if (ring->first == ring->count) {
			run_dry(drain, ring);
			drain->heap[0] = drain->heap[--drain->heap_count];
		}
		if (drain->heap_count > 0)
			sift_down(drain, 0);
	}
	hand_on(drain);
}

static void raise_floor(struct mr_heap_drain *drain)
{
	const uint64_t taken = drain->bound != UINT64_MAX ? drain->bound
	                       : drain->ring_count > 0    ? drain->rings[0].ticks_last
	                                                  : 0;

	if (drain->floor < taken)
		drain->floor = taken;
}

uint64_t mr_heap_drain_run(struct mr_heap_drain *drain, bool ended, struct mr_error *complaint)
{
	const uint64_t bytes = drain->bytes;

	drain->complaint = complaint;
	find_bound(drain, ended);
	gather(drain);
	merge(drain);
	raise_floor(drain);
	for (uint32_t i = 0; i < drain->ring_count; i++)
		if (drain->rings[i].ring)
			make_room(&drain->rings[i], true);
	return drain->bytes - bytes;
}

uint64_t mr_heap_drain_taken_to(const struct mr_heap_drain *drain)
{
	return drain->floor;
}

/* ---- Facts -------------------------------------------------------------------------------------- */

uint32_t mr_heap_drain_tid(const struct mr_heap_drain *drain, uint32_t ring)
{
	return ring < drain->ring_count ? drain->rings[ring].tid : 0;
}

uint32_t mr_heap_drain_ring_count(const struct mr_heap_drain *drain)
{
	return drain->ring_count;
}

void mr_heap_drain_waits(const struct mr_heap_drain *drain, uint32_t index, uint64_t *waits,
                         uint64_t *wait_ns)
{
	const struct mr_ring *const ring = index < drain->ring_count ? drain->rings[index].ring : NULL;

	*waits = ring ? atomic_load_explicit(&ring->waits, memory_order_relaxed) : 0;
	*wait_ns = ring ? atomic_load_explicit(&ring->wait_ns, memory_order_relaxed) : 0;
}

void mr_heap_drain_counts(const struct mr_heap_drain *drain, struct mr_heap_drain_counts *counts)
{
	*counts = (struct mr_heap_drain_counts){ .bytes = drain->bytes, .events = drain->events };
	for (uint32_t i = 0; i < drain->ring_count; i++) {
		const struct ring *const ring = &drain->rings[i];
		uint64_t waits;
		uint64_t wait_ns;

		mr_heap_drain_waits(drain, i, &waits, &wait_ns);
		counts->waits += waits;
		counts->wait_ns += wait_ns;
		counts->dropped +=
			ring->ring ? atomic_load_explicit(&ring->ring->dropped, memory_order_relaxed) : 0;
		counts->rings_broken += ring->broken;
	}
}

uint64_t mr_heap_drain_memory(const struct mr_heap_drain *drain)
{
	return sizeof(*drain) +
	       drain->ring_capacity * (sizeof(*drain->rings) + WINDOW * sizeof(struct mr_heap_taken));
}
