/* SPDX-License-Identifier: MIT
 *
 * From rings to blocks.  A run looks at the heads of all rings first and takes
 * no more than that: snapshots before events before definitions, so that what a
 * snapshot sums up and what an event names is never behind it in the log.
 */
#include "event_drain.h"

#include "futex.h"

#define BATCH 2048 /* rows gathered for a block; its columns fit the second-level cache */

struct births {
	uint64_t object[BATCH];
	uint64_t time[BATCH];
	uint64_t class_id[BATCH];
	uint64_t stack[BATCH];
	uint64_t address[BATCH];
	uint64_t level[BATCH];
	uint64_t size[BATCH]; /* when `sized` */
	bool sized;
};

struct deaths {
	uint64_t object[BATCH];
	uint64_t time[BATCH];
	uint64_t reason[BATCH];
};

struct changes {
	uint64_t object[BATCH];
	uint64_t time[BATCH];
	uint64_t class_id[BATCH];
	uint64_t level[BATCH];
};

struct mr_drain {
	struct mr_channel *channel;
	struct mr_log_writer *writer;
	uint32_t stream;
	bool finished;
	bool stopped; /* the log writer has failed: rings are emptied into nothing */
	struct mr_drain_counts counts;
	struct mr_error failure;
	uint32_t birth_count;
	uint32_t death_count;
	uint32_t change_count;
	struct births births;
	struct deaths deaths;
	struct changes changes;
	uint64_t heads[MR_CHANNEL_RINGS_MAX];
	bool broken[MR_CHANNEL_RINGS_MAX]; /* held nonsense once */
};

int mr_drain_new(struct mr_drain **drain, struct mr_channel *channel, struct mr_log_writer *writer,
                 uint32_t stream, struct mr_error *err)
{
	struct mr_drain *const created = mr_alloc(sizeof(*created));

	MR_FAIL_IF(created == NULL, err, MR_ERR_NOMEM, "out of memory for reading events");
	created->channel = channel;
	created->writer = writer;
	created->stream = stream;
	*drain = created;
	return 0;
}

void mr_drain_free(struct mr_drain *drain)
{
	mr_free(drain);
}

/* ---- Blocks of events --------------------------------------------------------- */

static struct mr_log_span span_of(const uint64_t *times, uint32_t count)
{
	struct mr_log_span span = { .time_first = UINT64_MAX };

	for (uint32_t i = 0; i < count; i++) {
		if (times[i] < span.time_first)
			span.time_first = times[i];
		if (times[i] > span.time_last)
			span.time_last = times[i];
	}
	return span;
}

static void end_block(struct mr_drain *drain, struct mr_block_writer *block, const uint64_t *times,
                      uint32_t count)
{
	const struct mr_log_span span = span_of(times, count);

	if (mr_log_writer_end(drain->writer, block, &span, &drain->failure) < 0)
		drain->stopped = true;
}

static void put_births(struct mr_drain *drain)
{
	const struct births *const births = &drain->births;
	const uint32_t count = drain->birth_count;
	struct mr_block_writer block;

	drain->counts.births += count;
	drain->birth_count = 0;
	if (count == 0 || drain->stopped)
		return;
	mr_log_writer_begin(drain->writer, drain->stream, MR_KIND_BIRTHS, count, &block);
	mr_block_column(&block, MR_BIRTHS_OBJECT, births->object);
	mr_block_column(&block, MR_BIRTHS_TIME, births->time);
	mr_block_column(&block, MR_BIRTHS_CLASS, births->class_id);
	mr_block_column(&block, MR_BIRTHS_STACK, births->stack);
	mr_block_column(&block, MR_BIRTHS_ADDRESS, births->address);
	mr_block_column(&block, MR_BIRTHS_LEVEL, births->level);
	if (births->sized)
		mr_block_column(&block, MR_BIRTHS_SIZE, births->size);
	end_block(drain, &block, births->time, count);
}

static void put_deaths(struct mr_drain *drain)
{
	const struct deaths *const deaths = &drain->deaths;
	const uint32_t count = drain->death_count;
	struct mr_block_writer block;

	drain->counts.deaths += count;
	drain->death_count = 0;
	if (count == 0 || drain->stopped)
		return;
	mr_log_writer_begin(drain->writer, drain->stream, MR_KIND_DEATHS, count, &block);
	mr_block_column(&block, MR_DEATHS_OBJECT, deaths->object);
	mr_block_column(&block, MR_DEATHS_TIME, deaths->time);
	mr_block_column(&block, MR_DEATHS_REASON, deaths->reason);
	end_block(drain, &block, deaths->time, count);
}

static void put_changes(struct mr_drain *drain)
{
	const struct changes *const changes = &drain->changes;
	const uint32_t count = drain->change_count;
	struct mr_block_writer block;

	drain->counts.changes += count;
	drain->change_count = 0;
	if (count == 0 || drain->stopped)
		return;
	mr_log_writer_begin(drain->writer, drain->stream, MR_KIND_CHANGES, count, &block);
	mr_block_column(&block, MR_CHANGES_OBJECT, changes->object);
	mr_block_column(&block, MR_CHANGES_TIME, changes->time);
	mr_block_column(&block, MR_CHANGES_CLASS, changes->class_id);
	mr_block_column(&block, MR_CHANGES_LEVEL, changes->level);
	end_block(drain, &block, changes->time, count);
}

/* ---- Records ---------------------------------------------------------------------- */

/* SIZE: as in the log, value + 1, or 0 for none. */
static void take_birth(struct mr_drain *drain, const uint8_t *at, uint64_t size)
{
	struct births *const births = &drain->births;
	const uint32_t row = drain->birth_count++;
	struct mr_record_birth birth;

	memcpy(&birth, at, sizeof(birth));
	births->object[row] = MR_RECORD_OBJECT(birth.head, birth.object_low);
	births->time[row] = mr_channel_time_ns(drain->channel->header, birth.ticks);
	births->class_id[row] = birth.class_id;
	births->stack[row] = birth.stack;
	births->address[row] = birth.address;
	births->level[row] = (birth.head >> 4 & 0xff) + 1;
	if (births->sized)
		births->size[row] = size;
	if (drain->birth_count == BATCH)
		put_births(drain);
}

static void take_birth_sized(struct mr_drain *drain, const uint8_t *at)
{
	struct births *const births = &drain->births;
	struct mr_record_birth_sized sized;

	memcpy(&sized, at, sizeof(sized));
	if (!births->sized) {
		/* The first of its kind: those before it have no size. */
		memset(births->size, 0, sizeof(births->size));
		births->sized = true;
	}
	take_birth(drain, at, sized.size + 1);
}

static void take_death(struct mr_drain *drain, const uint8_t *at)
{
	struct deaths *const deaths = &drain->deaths;
	const uint32_t row = drain->death_count++;
	struct mr_record_death death;

	memcpy(&death, at, sizeof(death));
	deaths->object[row] = MR_RECORD_OBJECT(death.head, death.object_low);
	deaths->time[row] = mr_channel_time_ns(drain->channel->header, death.ticks);
	deaths->reason[row] = death.head >> 4 & 0xf;
	if (drain->death_count == BATCH)
		put_deaths(drain);
}

static void take_change(struct mr_drain *drain, const uint8_t *at)
{
	struct changes *const changes = &drain->changes;
	const uint32_t row = drain->change_count++;
	struct mr_record_change change;

	memcpy(&change, at, sizeof(change));
	changes->object[row] = MR_RECORD_OBJECT(change.head, change.object_low);
	changes->time[row] = mr_channel_time_ns(drain->channel->header, change.ticks);
	/* The log's optional columns hold value + 1. */
	changes->class_id[row] = change.class_id != 0 ? change.class_id + UINT64_C(1) : 0;
	changes->level[row] = change.level;
	if (drain->change_count == BATCH)
		put_changes(drain);
}

/* False: not a block that a log may hold. */
static bool take_block(struct mr_drain *drain, const uint8_t *at, uint64_t len)
{
	struct mr_record_block record;

	if (len < sizeof(record))
		return false;
	memcpy(&record, at, sizeof(record));
	if (record.block_len > len - sizeof(record))
		return false;
	drain->counts.blocks++;
	if (drain->stopped)
		return true;

	const struct mr_log_span span = {
		.time_first = record.time_first,
		.time_last = record.time_last,
		.snapshot_first = record.snapshot_first,
		.snapshot_last = record.snapshot_last,
	};
	struct mr_error err = { 0 };
	const int code = mr_log_writer_append(drain->writer, drain->stream, at + sizeof(record),
	                                      record.block_len, &span, &err);
	if (code == MR_ERR_FORMAT || code == MR_ERR_LIMIT)
		return false;
	if (code < 0) {
		drain->stopped = true;
		mr_fail(&drain->failure, err.code, "%s", err.message);
	}
	return true;
}

/* The length of the record that begins with HEAD; 0: none that we know. */
static uint64_t record_len(uint32_t head)
{
	switch (MR_RECORD_TYPE(head)) {
	case MR_RECORD_BIRTH:
		return sizeof(struct mr_record_birth);
	case MR_RECORD_BIRTH_SIZED:
		return sizeof(struct mr_record_birth_sized);
	case MR_RECORD_DEATH:
		return sizeof(struct mr_record_death);
	case MR_RECORD_CHANGE:
		return sizeof(struct mr_record_change);
	case MR_RECORD_PAD:
	case MR_RECORD_BLOCK:
		return MR_RECORD_LEN(head);
	default:
		return 0;
	}
}

/* Takes the record at AT, of which at most AVAILABLE bytes may be read.  Its
 * length, or 0 when it is nonsense. */
static uint64_t take_record(struct mr_drain *drain, const uint8_t *at, uint64_t available)
{
	uint32_t head;

	memcpy(&head, at, sizeof(head));
	const uint64_t len = record_len(head);
	if (len == 0 || len % 8 != 0 || len > available)
		return 0;
	switch (MR_RECORD_TYPE(head)) {
	case MR_RECORD_BIRTH:
		take_birth(drain, at, 0);
		break;
	case MR_RECORD_BIRTH_SIZED:
		take_birth_sized(drain, at);
		break;
	case MR_RECORD_DEATH:
		take_death(drain, at);
		break;
	case MR_RECORD_CHANGE:
		take_change(drain, at);
		break;
	case MR_RECORD_BLOCK:
		if (!take_block(drain, at, len))
			return 0;
		break;
	default:
		break;
	}
	return len;
}

/* ---- Rings ---------------------------------------------------------------------------- */

static void make_room(struct mr_ring *ring, uint64_t tail)
{
	atomic_store(&ring->tail, tail);
	if (atomic_load(&ring->waiting) != 0) {
		atomic_fetch_add(&ring->room, 1);
		mr_futex_wake(&ring->room);
	}
}

static void give_up(struct mr_drain *drain, uint32_t index, uint64_t position)
{
	drain->broken[index] = true;
	mr_fail(&drain->failure, MR_ERR_FORMAT,
	        "the program's memory for events is damaged: ring %u holds no event at byte %llu", index,
	        (unsigned long long)position);
}

/* Takes ring INDEX up to HEAD. */
static void take_ring(struct mr_drain *drain, struct mr_ring *ring, uint32_t size, uint32_t index,
                      uint64_t head)
{
	const uint8_t *const data = (const uint8_t *)ring + MR_RING_DATA_OFFSET;
	const uint64_t begin = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint64_t shown = begin; /* the tail as the program sees it */
	uint64_t tail = begin;

	if (head - begin > size || head % 8 != 0 || begin % 8 != 0) {
		give_up(drain, index, begin);
		return;
	}
	while (tail != head) {
		const uint64_t at = tail & (size - UINT64_C(1));
		const uint64_t until_end = size - at;
		const uint64_t available = head - tail < until_end ? head - tail : until_end;
		const uint64_t len = take_record(drain, data + at, available);

		if (len == 0) {
			give_up(drain, index, tail);
			break;
		}
		tail += len;
		if (tail - shown >= size / 8) {
			make_room(ring, tail);
			shown = tail;
			if (drain->channel->program)
				mr_channel_heartbeat(drain->channel->writer);
		}
	}
	make_room(ring, tail);
	drain->counts.bytes += tail - begin;
	put_births(drain);
	put_deaths(drain);
	put_changes(drain);
}

/* Notes how far the rings of KIND are filled. */
static void look(struct mr_drain *drain, uint32_t count, enum mr_ring_kind kind)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t size;
		struct mr_ring *const ring = mr_channel_ring(drain->channel, i, &size);

		if (ring != NULL && drain->channel->header->rings[i].kind == (uint32_t)kind)
			drain->heads[i] = atomic_load_explicit(&ring->head, memory_order_acquire);
	}
}

static void take(struct mr_drain *drain, uint32_t count, enum mr_ring_kind kind)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t size;
		struct mr_ring *const ring = mr_channel_ring(drain->channel, i, &size);

		if (ring == NULL || drain->channel->header->rings[i].kind != (uint32_t)kind)
			continue;
		if (drain->broken[i])
			make_room(ring, atomic_load_explicit(&ring->head, memory_order_acquire));
		else if (drain->heads[i] != atomic_load_explicit(&ring->tail, memory_order_relaxed))
			take_ring(drain, ring, size, i, drain->heads[i]);
	}
}

int mr_drain_run(struct mr_drain *drain, struct mr_error *err)
{
	const struct mr_channel_header *const header = drain->channel->header;
	const bool closed = atomic_load_explicit(&header->state, memory_order_acquire) == MR_CHANNEL_CLOSED;
	uint32_t counts[3];
	static const enum mr_ring_kind kinds[3] = { MR_RING_DETAIL, MR_RING_EVENTS, MR_RING_DEFINITIONS };

	/* A ring that is added after its kind was looked at waits for the next run. */
	for (size_t i = 0; i < MR_ARRAY_LEN(kinds); i++) {
		counts[i] = atomic_load_explicit(&header->ring_count, memory_order_acquire);
		if (counts[i] > MR_CHANNEL_RINGS_MAX)
			counts[i] = MR_CHANNEL_RINGS_MAX;
		look(drain, counts[i], kinds[i]);
	}
	for (size_t i = MR_ARRAY_LEN(kinds); i > 0; i--)
		take(drain, counts[i - 1], kinds[i - 1]);

	if (closed)
		drain->finished = true;
	return drain->failure.code == MR_OK ? 0
	                                    : mr_fail(err, drain->failure.code, "%s", drain->failure.message);
}

bool mr_drain_finished(const struct mr_drain *drain)
{
	return drain->finished;
}

void mr_drain_discard(struct mr_drain *drain)
{
	for (uint32_t i = 0; i < MR_CHANNEL_RINGS_MAX; i++) {
		uint32_t size;
		struct mr_ring *const ring = mr_channel_ring(drain->channel, i, &size);

		if (ring != NULL)
			make_room(ring, atomic_load_explicit(&ring->head, memory_order_acquire));
	}
}

void mr_drain_set_stream(struct mr_drain *drain, uint32_t stream)
{
	drain->stream = stream;
}

void mr_drain_counts(const struct mr_drain *drain, struct mr_drain_counts *counts)
{
	struct mr_drain_counts sum = drain->counts;

	for (uint32_t i = 0; i < MR_CHANNEL_RINGS_MAX; i++) {
		const struct mr_ring *const ring =
			atomic_load_explicit(&drain->channel->rings[i], memory_order_acquire);

		if (ring == NULL)
			continue;
		sum.waits += atomic_load_explicit(&ring->waits, memory_order_relaxed);
		sum.wait_ns += atomic_load_explicit(&ring->wait_ns, memory_order_relaxed);
		sum.dropped += atomic_load_explicit(&ring->dropped, memory_order_relaxed);
	}
	*counts = sum;
}

uint64_t mr_drain_memory(const struct mr_drain *drain)
{
	return sizeof(*drain);
}
