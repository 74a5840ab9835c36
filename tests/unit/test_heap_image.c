/* SPDX-License-Identifier: MIT
 *
 * Events of several threads, as an image takes them: whatever a thread does
 * between reading the clock and showing its record, and however early it reads
 * the clock, no block is mixed up with another one of the same address.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdio.h>
#include <unistd.h>

#include "heap_image.h"
#include "ring.h"
#include "tracker_clock.h"

#define RING_BYTES (256u << 10)
#define RINGS_MAX 5u
#define PLAYED_RINGS_MAX 800u
#define PLAYED_RING_BYTES 4096u
#define ADDRESSES 40u
#define HANDLER_EVENTS_MAX 3u
#define PLAYED_STEPS 150000u
#define EARLY_TICKS 1500u /* of CLOCK_MONOTONIC: less than MR_HEAP_EARLY_NS */

static struct mr_heap_log heap_log;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mr_heap_string_id *string_ids;
static struct mr_heap_common common;
static struct mr_heap_image *image;
static struct mr_channel *channel; /* the image's */
static struct mr_ring_writer rings[PLAYED_RINGS_MAX];
static char path[] = "/tmp/memreport-image-XXXXXX";

static bool keep_events;

static uint64_t state = 1;

static uint32_t below(uint32_t bound)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state >> 33) % bound);
}

static uint64_t address_of(unsigned number)
{
	return UINT64_C(0x20000) + number * UINT64_C(48);
}

static void add_ring(unsigned number, uint32_t size_bytes)
{
	uint32_t index;
	struct mr_ring *const ring = mr_channel_add_ring(channel, MR_RING_HEAP, size_bytes, &index);

	cr_assert(ne(ptr, ring, NULL));
	mr_ring_writer_init(&rings[number], channel, ring, index);
}

static void begin_with(void (*begin_clock)(struct mr_channel_header *header), unsigned ring_count,
                       uint32_t ring_bytes)
{
	const struct mr_log_header header = { 0 };
	struct mr_error err = { 0 };

	(void)snprintf(path, sizeof(path), "/tmp/memreport-image-XXXXXX");
	const int fd = mkstemp(path);
	cr_assert(ge(int, fd, 0));
	close(fd);
	heap_log = (struct mr_heap_log){ .lock = &log_lock };
	cr_assert(zero(int, mr_log_writer_open(&heap_log.writer, path, &header, NULL, &err)), "%s",
	          err.message);
	cr_assert(zero(int, mr_channel_create(&channel, NULL, MR_SOURCE_HEAP, &err)), "%s", err.message);
	begin_clock(channel->header);
	for (unsigned i = 0; i < ring_count; i++)
		add_ring(i, ring_bytes);
	common = (struct mr_heap_common){
		.log = &heap_log,
		.clock = channel->header,
		.string_ids = &string_ids,
		.events = keep_events,
	};
	cr_assert(zero(int, mr_heap_image_new(&image, &common, channel, (uint32_t)getpid(), 1, &err)), "%s",
	          err.message);
	(void)mr_heap_image_run(image, false); /* finds the rings */
}

static void begin(unsigned ring_count)
{
	begin_with(mr_clock_begin_exact, ring_count, RING_BYTES);
}

static void end(void)
{
	mr_heap_image_free(image);
	mr_log_writer_abandon(heap_log.writer);
	mr_heap_log_release(&heap_log);
	(void)unlink(path);
}

static void append(unsigned ring, enum mr_heap_record_type type, uint64_t ticks, uint64_t address,
                   uint64_t size)
{
	const bool has_size = type == MR_HEAP_RECORD_ALLOC || type == MR_HEAP_RECORD_REALLOC_END;
	const struct mr_heap_alloc record = { ticks << 4 | type, has_size ? address | size << 48 : address, 0,
		                              0 };
	const size_t len = has_size ? sizeof(struct mr_heap_alloc) : sizeof(struct mr_heap_free);

	cr_assert(mr_ring_reserve(&rings[ring], len));
	memcpy(mr_ring_at_head(&rings[ring]), &record, len);
	mr_ring_commit(&rings[ring], len);
}

static struct mr_heap_sums sums(void)
{
	struct mr_heap_sums all;

	mr_heap_profile_sums(&image->profile, &all);
	return all;
}

/* All is taken, nothing waits any more: what is live then, and the sums. */
static void ends_with(uint64_t live_bytes, uint64_t count, uint64_t frees, uint64_t unknown_frees)
{
	(void)mr_heap_image_run(image, true);
	cr_expect(eq(u64, image->profile.live_bytes, live_bytes));
	cr_expect(eq(u64, sums().count, count));
	cr_expect(eq(u64, sums().frees, frees));
	cr_expect(eq(u64, sums().unknown_frees, unknown_frees));
	cr_expect(zero(u32, image->early.count));
}

Test(heap_image, an_allocation_told_before_the_free_of_its_address__waits_for_it)
{
	begin(2);
	const uint64_t now = mr_clock_monotonic_ns();

	append(0, MR_HEAP_RECORD_ALLOC, now, 0x5000, 100);
	append(1, MR_HEAP_RECORD_ALLOC, now + 10, 0x5000, 70);
	append(0, MR_HEAP_RECORD_FREE, now + 12, 0x5000, 0);
	ends_with(70, 2, 1, 0);
	cr_expect(eq(u64, image->profile.live_count, 1));
	cr_expect(eq(u64, image->profile.peak_bytes, 100));
	cr_expect(eq(u64, image->profile.threads[2].live_bytes, 70), "the second thread's");
	end();
}

Test(heap_image, a_free_told_before_its_allocation__waits_for_it)
{
	begin(2);
	const uint64_t now = mr_clock_monotonic_ns();

	append(1, MR_HEAP_RECORD_FREE, now, 0x5000, 0);
	append(0, MR_HEAP_RECORD_ALLOC, now + 5, 0x5000, 100);
	ends_with(0, 1, 1, 0);
	end();
}

Test(heap_image, two_frees_told_in_the_wrong_order__leave_nothing_of_the_block_in_between)
{
	begin(2);
	const uint64_t now = mr_clock_monotonic_ns();

	append(0, MR_HEAP_RECORD_ALLOC, now, 0x5000, 100);
	append(1, MR_HEAP_RECORD_FREE, now + 5, 0x5000, 0); /* of the next one */
	append(0, MR_HEAP_RECORD_FREE, now + 6, 0x5000, 0);
	append(0, MR_HEAP_RECORD_ALLOC, now + 7, 0x5000, 70);
	ends_with(0, 2, 2, 0);
	cr_expect(zero(u64, image->profile.unseen_frees));
	end();
}

Test(heap_image, a_free_told_before_the_realloc_in_place_of_its_block__is_of_the_new_one)
{
	begin(2);
	const uint64_t now = mr_clock_monotonic_ns();

	append(0, MR_HEAP_RECORD_ALLOC, now, 0x5000, 100);
	append(1, MR_HEAP_RECORD_FREE, now + 5, 0x5000, 0);
	append(0, MR_HEAP_RECORD_REALLOC_BEGIN, now + 6, 0x5000, 0);
	append(0, MR_HEAP_RECORD_REALLOC_END, now + 7, 0x5000, 130);
	ends_with(0, 2, 2, 0);
	cr_expect(zero(u64, image->profile.live_count));
	cr_expect(eq(u64, sums().total_bytes, 230));
	cr_expect(eq(u64, sums().reallocs, 1));
	cr_expect(eq(u64, image->profile.threads[1].frees + image->profile.threads[2].frees, 2));
	end();
}

Test(heap_image, a_realloc_of_a_block_that_was_freed_long_ago__is_of_one_that_nothing_is_known_of)
{
	begin(2);
	const uint64_t now = mr_clock_monotonic_ns();

	while (mr_clock_monotonic_ns() < now + 3 * MR_HEAP_EARLY_NS)
		continue;
	append(0, MR_HEAP_RECORD_ALLOC, now, 0x5000, 100);
	append(1, MR_HEAP_RECORD_FREE, now + 5, 0x5000, 0);
	append(0, MR_HEAP_RECORD_REALLOC_BEGIN, now + 2 * MR_HEAP_EARLY_NS, 0x5000, 0);
	append(0, MR_HEAP_RECORD_REALLOC_END, now + 2 * MR_HEAP_EARLY_NS + 1, 0x5000, 130);
	ends_with(130, 2, 1, 1);
	end();
}

Test(heap_image, what_nothing_makes_sense_of__is_taken_as_it_is)
{
	begin(2);
	const uint64_t now = mr_clock_monotonic_ns();

	while (mr_clock_monotonic_ns() < now + 3 * MR_HEAP_EARLY_NS)
		continue;
	append(1, MR_HEAP_RECORD_FREE, now, 0x7000, 0);
	append(0, MR_HEAP_RECORD_ALLOC, now + 1, 0x5000, 100);
	append(1, MR_HEAP_RECORD_ALLOC, now + 2, 0x5000, 70);
	/* Too late to be the free that they wait for, or the allocation. */
	append(0, MR_HEAP_RECORD_ALLOC, now + 2 * MR_HEAP_EARLY_NS, 0x7000, 10);
	append(0, MR_HEAP_RECORD_FREE, now + 2 * MR_HEAP_EARLY_NS + 1, 0x5000, 0);
	ends_with(10, 3, 2, 1);
	end();
}

Test(heap_image, what_nothing_makes_sense_of_where_there_is_one_ring__waits_for_nothing)
{
	begin(1);
	append(0, MR_HEAP_RECORD_FREE, mr_clock_monotonic_ns(), 0x7000, 0);
	(void)mr_heap_image_run(image, false);
	cr_expect(eq(u64, sums().unknown_frees, 1));
	end();
}

Test(heap_image, more_of_them_than_may_wait__are_all_counted)
{
	begin(2);
	const uint64_t now = mr_clock_monotonic_ns();

	for (unsigned i = 0; i < 3 * MR_HEAP_EARLY_MAX; i++)
		append(1, MR_HEAP_RECORD_FREE, now + i, address_of(i), 0);
	ends_with(0, 0, 0, 3 * MR_HEAP_EARLY_MAX);
	end();
}

Test(heap_image, those_that_wait_when_all_is_quiet__are_not_kept_for_ever)
{
	begin(2);
	append(1, MR_HEAP_RECORD_FREE, mr_clock_monotonic_ns(), 0x5000, 0);
	(void)mr_heap_image_run(image, false);
	const uint64_t begin_ns = mr_clock_monotonic_ns();
	while (sums().unknown_frees == 0 && mr_clock_monotonic_ns() < begin_ns + UINT64_C(10000000000))
		(void)mr_heap_image_run(image, false);
	cr_expect(eq(u64, sums().unknown_frees, 1));
	end();
}

/* As in a child after fork(2), which frees what its parent had and gets the addresses again. */
Test(heap_image, a_free_that_nothing_makes_sense_of__does_not_take_what_its_thread_gets_there_next)
{
	begin(2);
	const uint64_t now = mr_clock_monotonic_ns();

	append(0, MR_HEAP_RECORD_FREE, now, 0x5000, 0);
	append(0, MR_HEAP_RECORD_ALLOC, now + 1, 0x5000, 100);
	append(0, MR_HEAP_RECORD_FREE, now + 2, 0x6000, 0);
	append(0, MR_HEAP_RECORD_ALLOC, now + 3, 0x6000, 10);
	append(0, MR_HEAP_RECORD_FREE, now + 4, 0x6000, 0);
	ends_with(100, 2, 1, 2);
	end();
}

Test(heap_image, an_allocation_whose_address_was_freed_unseen__keeps_its_own_free)
{
	begin(2);
	const uint64_t now = mr_clock_monotonic_ns();

	append(0, MR_HEAP_RECORD_ALLOC, now, 0x5000, 100);
	append(1, MR_HEAP_RECORD_ALLOC, now + 1, 0x5000, 70);
	append(1, MR_HEAP_RECORD_FREE, now + 2, 0x5000, 0);
	ends_with(0, 2, 2, 0);
	end();
}

Test(heap_image, a_realloc_of_what_waits__is_not_one_of_what_was_there_before)
{
	begin(2);
	const uint64_t now = mr_clock_monotonic_ns();

	append(0, MR_HEAP_RECORD_ALLOC, now, 0x5000, 100);
	append(1, MR_HEAP_RECORD_ALLOC, now + 1, 0x5000, 70);
	append(1, MR_HEAP_RECORD_REALLOC_BEGIN, now + 2, 0x5000, 0);
	append(1, MR_HEAP_RECORD_REALLOC_END, now + 3, 0x6000, 75);
	ends_with(75, 3, 2, 0);
	cr_expect(eq(u64, sums().grown_bytes, 5));
	end();
}

Test(heap_image, a_free_told_before_the_realloc_that_failed__waits_for_it)
{
	begin(2);
	const uint64_t now = mr_clock_monotonic_ns();

	append(0, MR_HEAP_RECORD_ALLOC, now, 0x5000, 100);
	append(0, MR_HEAP_RECORD_REALLOC_BEGIN, now + 2, 0x5000, 0);
	append(1, MR_HEAP_RECORD_FREE, now + 3, 0x5000, 0);
	append(0, MR_HEAP_RECORD_REALLOC_END, now + 4, 0, 9999);
	ends_with(0, 1, 1, 0);
	end();
}

/* ---- The world as it is -------------------------------------------------------------------- */

enum place { FREE, LIVE, TAKEN };

struct world {
	unsigned ring_count;
	enum place places[ADDRESSES];
	uint64_t sizes[ADDRESSES];
	uint64_t shown[ADDRESSES][2]; /* when the last record of the place was shown, and the one before */
	uint64_t total_bytes;
	uint64_t count;
	uint64_t frees;
	uint64_t reallocs;
	uint64_t live_bytes;
	uint64_t peak_bytes;
};

/* The place last given back is the next to be given out, as allocators like to do it. */
static unsigned some_place(const struct world *world, enum place wanted)
{
	const unsigned first = below(3) ? 0 : below(ADDRESSES);

	for (unsigned i = 0; i < ADDRESSES; i++)
		if (world->places[(first + i) % ADDRESSES] == wanted)
			return (first + i) % ADDRESSES;
	return ADDRESSES;
}

static void show(struct world *world, unsigned at)
{
	world->shown[at][1] = world->shown[at][0];
	world->shown[at][0] = mr_clock_monotonic_ns();
}

static void comes(struct world *world, unsigned at, uint64_t size)
{
	world->places[at] = LIVE;
	world->sizes[at] = size;
	world->total_bytes += size;
	world->count++;
	world->live_bytes += size;
	if (world->live_bytes > world->peak_bytes)
		world->peak_bytes = world->live_bytes;
}

static void goes(struct world *world, unsigned at, enum place then)
{
	world->places[at] = then;
	world->live_bytes -= world->sizes[at];
}

static void compare(const struct world *world)
{
	const struct mr_heap_sums all = sums();
	uint64_t live_count = 0;

	for (unsigned i = 0; i < ADDRESSES; i++) {
		uint64_t sequence;
		const struct mr_heap_block *const block =
			mr_heap_blocks_find(&image->profile.blocks, address_of(i), &sequence);

		cr_assert(eq(int, block != NULL, world->places[i] == LIVE), "address %u", i);
		if (block)
			cr_assert(eq(u64, block->size, world->sizes[i]), "address %u", i);
		live_count += world->places[i] == LIVE;
	}
	cr_expect(eq(u64, image->profile.live_bytes, world->live_bytes));
	cr_expect(eq(u64, image->profile.live_count, live_count));
	cr_expect(eq(u64, all.total_bytes, world->total_bytes));
	cr_expect(eq(u64, all.count, world->count));
	cr_expect(eq(u64, all.frees, world->frees));
	cr_expect(eq(u64, all.reallocs, world->reallocs));
	cr_expect(zero(u64, all.unknown_frees));
	cr_expect(zero(u32, image->early.count));
	cr_expect(ge(u64, image->profile.peak_bytes, world->live_bytes));
}

/* The rows that are to be written, where they are kept, are in the order of time. */
static void rows_are_in_order(void)
{
	static uint32_t count_before;
	static uint64_t time_before;
	const struct mr_heap_event_rows *const rows = image->events;

	if (!rows || rows->count == 0) {
		count_before = 0;
		time_before = 0;
		return;
	}
	const uint64_t *const times = rows->columns[MR_HEAP_EVENTS_TIME];

	for (uint32_t i = 1; i < rows->count; i++)
		cr_assert(ge(u64, times[i], times[i - 1]));
	if (rows->count < count_before)
		cr_assert(ge(u64, times[0], time_before));
	count_before = rows->count;
	time_before = times[rows->count - 1];
}

/* ---- Threads that rest ---------------------------------------------------------------------- */

struct deed {
	enum mr_heap_record_type type;
	uint64_t ticks;
	unsigned at; /* ADDRESSES: a realloc that failed */
	uint64_t size;
};

/* A thread: what it has read the clock for, and not shown yet. */
struct actor {
	bool rests;
	struct deed deed;
	struct deed handler[HANDLER_EVENTS_MAX]; /* what signal handlers did meanwhile */
	unsigned handler_count;
	uint64_t handler_ns;
	bool moves; /* in the middle of a realloc */
	unsigned from;
	unsigned to; /* ADDRESSES: nowhere, it will fail */
};

static struct actor actors[RINGS_MAX];

/* A clock that is read early, but not so early that two other threads had the place since. */
static uint64_t early_clock(const struct world *world, unsigned at)
{
	const uint64_t ticks = mr_clock_monotonic_ns() - (below(3) ? below(EARLY_TICKS) : 0);

	return ticks > world->shown[at][1] ? ticks : world->shown[at][1] + 1;
}

static bool begin_realloc(struct world *world, struct actor *actor)
{
	if (actor->moves) {
		actor->deed = (struct deed){ MR_HEAP_RECORD_REALLOC_END, mr_clock_monotonic_ns(), actor->to,
			                     actor->to < ADDRESSES ? 1 + below(1000) : 60000 };
		actor->rests = true;
		return true;
	}
	actor->from = below(4) == 0 ? some_place(world, LIVE) : ADDRESSES;
	if (actor->from == ADDRESSES)
		return false;
	actor->deed = (struct deed){ MR_HEAP_RECORD_REALLOC_BEGIN, mr_clock_monotonic_ns(), actor->from, 0 };
	actor->rests = true;
	world->places[actor->from] = TAKEN;
	return true;
}

static void begin_to(struct world *world, struct actor *actor)
{
	const bool frees = below(2) != 0;
	const unsigned at = some_place(world, frees ? LIVE : FREE);

	if (begin_realloc(world, actor) || at == ADDRESSES)
		return;
	actor->deed = (struct deed){ frees ? MR_HEAP_RECORD_FREE : MR_HEAP_RECORD_ALLOC,
		                     early_clock(world, at), at, 1 + below(1000) };
	actor->rests = true;
	world->places[at] = TAKEN;
}

/* A signal handler interrupts the one who rests; the program goes on with its blocks at once. */
static void interrupt(struct world *world, unsigned index)
{
	struct actor *const actor = &actors[index];
	const bool frees = below(2) != 0;
	const unsigned at = some_place(world, frees ? LIVE : FREE);

	if (at == ADDRESSES || actor->handler_count == HANDLER_EVENTS_MAX)
		return;
	atomic_fetch_add(&rings[index].ring->nested, 1);
	const uint64_t ticks = mr_clock_monotonic_ns();
	if (actor->handler_count == 0)
		actor->handler_ns = ticks;
	actor->handler[actor->handler_count++] =
		(struct deed){ frees ? MR_HEAP_RECORD_FREE : MR_HEAP_RECORD_ALLOC, ticks, at,
		               1 + below(1000) };
	if (frees) {
		goes(world, at, FREE);
		world->frees++;
	} else {
		comes(world, at, actor->handler[actor->handler_count - 1].size);
	}
	show(world, at);
}

static void show_handlers(unsigned index)
{
	struct actor *const actor = &actors[index];

	for (unsigned i = 0; i < actor->handler_count; i++)
		append(index, actor->handler[i].type, actor->handler[i].ticks,
		       address_of(actor->handler[i].at), actor->handler[i].size);
	actor->handler_count = 0;
	atomic_store(&rings[index].ring->nested, 0);
}

static void begin_move(struct world *world, struct actor *actor)
{
	goes(world, actor->from, TAKEN);
	actor->moves = true;
	actor->to = below(3) ? some_place(world, FREE) : actor->from;
	if (actor->to == ADDRESSES)
		return;
	world->places[actor->from] = FREE;
	world->places[actor->to] = TAKEN;
}

static void end_move(struct world *world, struct actor *actor)
{
	actor->moves = false;
	if (actor->to == ADDRESSES) {
		world->places[actor->from] = LIVE;
		world->live_bytes += world->sizes[actor->from];
		show(world, actor->from);
		return;
	}
	comes(world, actor->to, actor->deed.size);
	world->frees++;
	world->reallocs++;
	show(world, actor->to);
}

static void finish(struct world *world, unsigned index)
{
	struct actor *const actor = &actors[index];
	const struct deed *const deed = &actor->deed;

	append(index, deed->type, deed->ticks, deed->at < ADDRESSES ? address_of(deed->at) : 0, deed->size);
	actor->rests = false;
	show_handlers(index);
	if (deed->type == MR_HEAP_RECORD_REALLOC_END) {
		end_move(world, actor);
		return;
	}
	show(world, deed->at);
	if (deed->type == MR_HEAP_RECORD_REALLOC_BEGIN) {
		begin_move(world, actor);
	} else if (deed->type == MR_HEAP_RECORD_FREE) {
		goes(world, deed->at, FREE);
		world->frees++;
	} else {
		comes(world, deed->at, deed->size);
	}
}

/* Another thread takes the ring over. */
static void adopt(unsigned index)
{
	const struct mr_heap_text record = { .head = MR_HEAP_RECORD_THREAD | sizeof(record) << 4,
		                             .ticks = mr_clock_monotonic_ns(),
		                             .tid = 1000 + below(3000) };

	cr_assert(mr_ring_reserve(&rings[index], sizeof(record)));
	memcpy(mr_ring_at_head(&rings[index]), &record, sizeof(record));
	mr_ring_commit(&rings[index], sizeof(record));
}

static void step(struct world *world, unsigned index)
{
	struct actor *const actor = &actors[index];

	if (!actor->rests && !actor->moves && below(400) == 0)
		adopt(index);
	else if (!actor->rests)
		begin_to(world, actor);
	else if (below(20) == 0)
		interrupt(world, index);
	else if (below(index == 0 ? 200 : 2) == 0) /* the first one is slow */
		finish(world, index);
}

static void run(struct world *world)
{
	/* This process itself may have been kept waiting for longer than handlers are believed in. */
	for (unsigned i = 0; i < world->ring_count; i++)
		if (actors[i].handler_count > 0 && mr_clock_monotonic_ns() - actors[i].handler_ns > 50000000)
			finish(world, i);
	(void)mr_heap_image_run(image, false);
	rows_are_in_order();
}

static void live_through(unsigned ring_count, unsigned steps)
{
	struct world world = { .ring_count = ring_count < 3 ? ring_count : 2 };

	memset(actors, 0, sizeof(actors));
	begin(world.ring_count);
	for (unsigned i = 0; i < steps; i++) {
		step(&world, below(world.ring_count));
		if (below(i % 1000 < 500 ? 4 : 400) == 0)
			run(&world);
		if (world.ring_count < ring_count && below(3000) == 0)
			add_ring(world.ring_count++, RING_BYTES);
	}
	for (unsigned i = 0; i < world.ring_count; i++)
		while (actors[i].rests || actors[i].moves) {
			if (actors[i].rests)
				finish(&world, i);
			else
				begin_to(&world, &actors[i]);
		}
	(void)mr_heap_image_run(image, true);
	rows_are_in_order();
	compare(&world);
	end();
}

Test(heap_image, threads_that_rest_or_read_the_clock_early__mix_up_no_blocks)
{
	for (unsigned turn = 0; turn < 20; turn++) {
		keep_events = turn % 3 == 2;
		live_through(2 + turn % (RINGS_MAX - 1), 20000);
	}
}

Test(heap_image, a_realloc_that_a_thread_never_came_back_from__ends_when_its_ring_is_taken_over)
{
	begin(2);
	const uint64_t now = mr_clock_monotonic_ns();

	append(0, MR_HEAP_RECORD_ALLOC, now, 0x5000, 100);
	append(0, MR_HEAP_RECORD_REALLOC_BEGIN, now + 1, 0x5000, 0);
	(void)mr_heap_image_run(image, false);
	cr_expect(zero(u64, sums().frees));
	adopt(0);
	(void)mr_heap_image_run(image, true);
	cr_expect(zero(u64, image->profile.live_bytes));
	cr_expect(eq(u64, sums().frees, 1));
	end();
}

Test(heap_image, rows_of_what_waited__are_in_the_order_of_time)
{
	keep_events = true;
	begin(2);
	image->written_due_ns = UINT64_MAX; /* they stay where they can be looked at */
	const uint64_t now = mr_clock_monotonic_ns();

	append(1, MR_HEAP_RECORD_FREE, now, 0x7000, 0);
	append(0, MR_HEAP_RECORD_ALLOC, now + 5, 0x5000, 100);
	(void)mr_heap_image_run(image, true);
	cr_assert(ne(ptr, image->events, NULL));
	cr_expect(eq(u32, image->events->count, 2));
	rows_are_in_order();
	end();
}

/* ---- A writer that runs meanwhile ------------------------------------------------------------ */

static atomic_bool played_out;

static void *write_meanwhile(void *context)
{
	(void)context;
	while (!atomic_load(&played_out)) {
		mr_channel_heartbeat(channel->writer);
		(void)mr_heap_image_run(image, false);
	}
	return NULL;
}

/* As mr_thread_clock() does it; what was done before is visible to all, as it is when one thread hands over
 * to another. */
static uint64_t clock_in_order(void)
{
	atomic_thread_fence(memory_order_seq_cst);
	mr_clock_wait();
	return mr_clock_ticks(channel->header->clock_is_tsc != 0);
}

static void play(unsigned ring, enum mr_heap_record_type type, unsigned at, uint64_t size)
{
	cr_assert(mr_ring_reserve(&rings[ring], sizeof(struct mr_heap_alloc)));
	append(ring, type, clock_in_order(), address_of(at), size);
}

static void play_free(struct world *world, unsigned ring, unsigned at)
{
	play(ring, MR_HEAP_RECORD_FREE, at, 0);
	goes(world, at, FREE);
	world->frees++;
}

static void play_alloc(struct world *world, unsigned ring, unsigned at)
{
	const uint64_t size = 1 + below(1000);

	play(ring, MR_HEAP_RECORD_ALLOC, at, size);
	comes(world, at, size);
}

static void play_realloc(struct world *world, unsigned ring, unsigned at)
{
	const uint64_t size = 1 + below(1000);
	const unsigned to = some_place(world, FREE);

	play(ring, MR_HEAP_RECORD_REALLOC_BEGIN, at, 0);
	goes(world, at, FREE);
	play(ring, MR_HEAP_RECORD_REALLOC_END, to < ADDRESSES ? to : at, size);
	comes(world, to < ADDRESSES ? to : at, size);
	world->frees++;
	world->reallocs++;
}

/* An allocation by a signal handler, whose block another thread frees before the handler's thread has
 * put it into its ring. */
static void play_handler(struct world *world, unsigned ring, unsigned other, unsigned at)
{
	const uint64_t size = 1 + below(1000);

	cr_assert(mr_ring_reserve(&rings[ring], sizeof(struct mr_heap_alloc)));
	cr_assert(mr_ring_reserve(&rings[other], 2 * sizeof(struct mr_heap_alloc)));
	atomic_fetch_add(&rings[ring].ring->nested, 1);
	const uint64_t ticks = clock_in_order();
	comes(world, at, size);
	play_realloc(world, other, at);
	append(ring, MR_HEAP_RECORD_ALLOC, ticks, address_of(at), size);
	atomic_store(&rings[ring].ring->nested, 0);
}

static void play_one(struct world *world)
{
	const unsigned ring = below(world->ring_count);
	const unsigned other = below(world->ring_count);
	const unsigned free_at = some_place(world, FREE);
	const unsigned live_at = some_place(world, LIVE);
	const uint32_t what = below(8);

	if (what < 3 && free_at < ADDRESSES)
		play_alloc(world, ring, free_at);
	else if (what < 6 && live_at < ADDRESSES)
		play_free(world, ring, live_at);
	else if (what == 6 && live_at < ADDRESSES)
		play_realloc(world, ring, live_at);
	else if (what == 7 && free_at < ADDRESSES && ring != other)
		play_handler(world, ring, other, free_at);
}

/* Threads begin, some at once, and hand over their first block. */
static void play_new_rings(struct world *world, unsigned most)
{
	for (unsigned i = 0; i < 8; i++) {
		const unsigned at = some_place(world, FREE);

		if (world->ring_count == most || at == ADDRESSES)
			return;
		add_ring(world->ring_count++, PLAYED_RING_BYTES);
		play_alloc(world, world->ring_count - 1, at);
		play_realloc(world, 0, at);
	}
}

/* Each step follows from the one before, by whichever ring: the writer has to find this very order. */
Test(heap_image, one_thing_after_another_in_many_rings__is_taken_in_that_order)
{
	static const unsigned most[] = { 2, 2, 5, PLAYED_RINGS_MAX, PLAYED_RINGS_MAX };

	for (unsigned turn = 0; turn < MR_ARRAY_LEN(most); turn++) {
		struct world world = { .ring_count = 2 };
		pthread_t writer;

		begin_with(mr_clock_begin, 2, PLAYED_RING_BYTES);
		mr_channel_heartbeat(channel->writer);
		atomic_store(&played_out, false);
		cr_assert(zero(int, pthread_create(&writer, NULL, write_meanwhile, NULL)));
		for (unsigned i = 0; i < PLAYED_STEPS; i++) {
			play_one(&world);
			if (below(100) == 0)
				play_new_rings(&world, most[turn]);
		}
		atomic_store(&played_out, true);
		(void)pthread_join(writer, NULL);
		(void)mr_heap_image_run(image, true);
		compare(&world);
		cr_expect(eq(u64, image->profile.peak_bytes, world.peak_bytes));
		end();
	}
}
