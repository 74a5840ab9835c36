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
#define ADDRESSES 40u
#define EARLY_TICKS 1500u /* of CLOCK_MONOTONIC: less than MR_HEAP_EARLY_NS */

static struct mr_heap_log heap_log;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mr_heap_string_id *string_ids;
static struct mr_heap_common common;
static struct mr_heap_image *image;
static struct mr_channel *channel; /* the image's */
static struct mr_ring_writer rings[RINGS_MAX];
static char path[] = "/tmp/memreport-image-XXXXXX";

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

static void begin(unsigned ring_count)
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
	mr_clock_begin_exact(channel->header);
	for (unsigned i = 0; i < ring_count; i++) {
		uint32_t index;
		struct mr_ring *const ring = mr_channel_add_ring(channel, MR_RING_HEAP, RING_BYTES, &index);

		cr_assert(ne(ptr, ring, NULL));
		mr_ring_writer_init(&rings[i], channel, ring, index);
	}
	common = (struct mr_heap_common){
		.log = &heap_log,
		.clock = channel->header,
		.string_ids = &string_ids,
	};
	cr_assert(zero(int, mr_heap_image_new(&image, &common, channel, (uint32_t)getpid(), 1, &err)), "%s",
	          err.message);
	(void)mr_heap_image_run(image, false); /* finds the rings */
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
	const struct mr_heap_alloc record = { ticks << 4 | type, address | size << 48, 0, 0 };
	const size_t len =
		type == MR_HEAP_RECORD_ALLOC ? sizeof(struct mr_heap_alloc) : sizeof(struct mr_heap_free);

	cr_assert(mr_ring_reserve(&rings[ring], len));
	memcpy(mr_ring_at_head(&rings[ring]), &record, len);
	if (type != MR_HEAP_RECORD_ALLOC)
		memcpy((char *)mr_ring_at_head(&rings[ring]) + 8, &address, sizeof(address));
	mr_ring_commit(&rings[ring], len);
}

static struct mr_heap_sums sums(void)
{
	struct mr_heap_sums all;

	mr_heap_profile_sums(&image->profile, &all);
	return all;
}

Test(heap_image, an_allocation_told_before_the_free_of_its_address__waits_for_it)
{
	begin(2);
	const uint64_t now = mr_clock_monotonic_ns();

	append(0, MR_HEAP_RECORD_ALLOC, now, 0x5000, 100);
	append(1, MR_HEAP_RECORD_ALLOC, now + 10, 0x5000, 70);
	append(0, MR_HEAP_RECORD_FREE, now + 12, 0x5000, 0);
	(void)mr_heap_image_run(image, true);
	cr_expect(eq(u64, image->profile.live_bytes, 70));
	cr_expect(eq(u64, image->profile.live_count, 1));
	cr_expect(eq(u64, image->profile.peak_bytes, 100));
	cr_expect(eq(u64, sums().count, 2));
	cr_expect(eq(u64, sums().frees, 1));
	cr_expect(zero(u64, sums().unknown_frees));
	cr_expect(eq(u64, image->profile.threads[2].live_bytes, 70), "the second thread's");
	end();
}

Test(heap_image, a_free_told_before_its_allocation__waits_for_it)
{
	begin(2);
	const uint64_t now = mr_clock_monotonic_ns();

	append(1, MR_HEAP_RECORD_FREE, now, 0x5000, 0);
	append(0, MR_HEAP_RECORD_ALLOC, now + 5, 0x5000, 100);
	(void)mr_heap_image_run(image, true);
	cr_expect(zero(u64, image->profile.live_bytes));
	cr_expect(eq(u64, sums().frees, 1));
	cr_expect(zero(u64, sums().unknown_frees));
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
	(void)mr_heap_image_run(image, true);
	cr_expect(eq(u64, image->profile.live_bytes, 10));
	cr_expect(eq(u64, sums().count, 3));
	cr_expect(eq(u64, sums().unknown_frees, 1));
	cr_expect(zero(u32, image->early.count));
	end();
}

Test(heap_image, more_of_them_than_may_wait__are_all_counted)
{
	begin(2);
	const uint64_t now = mr_clock_monotonic_ns();

	for (unsigned i = 0; i < 3 * MR_HEAP_EARLY_MAX; i++)
		append(1, MR_HEAP_RECORD_FREE, now + i, address_of(i), 0);
	(void)mr_heap_image_run(image, true);
	cr_expect(eq(u64, sums().unknown_frees, 3 * MR_HEAP_EARLY_MAX));
	end();
}

Test(heap_image, those_that_wait_when_all_is_quiet__are_not_kept_for_ever)
{
	begin(2);
	append(1, MR_HEAP_RECORD_FREE, mr_clock_monotonic_ns(), 0x5000, 0);
	(void)mr_heap_image_run(image, false);
	while (image->early.count > 0 || sums().unknown_frees == 0)
		(void)mr_heap_image_run(image, false);
	cr_expect(eq(u64, sums().unknown_frees, 1));
	end();
}

/* ---- Threads that do what threads do -------------------------------------------------------- */

enum place { FREE, LIVE, TAKEN };

/* A thread: what it has read the clock for, and not shown yet. */
struct actor {
	bool rests;
	enum mr_heap_record_type type;
	uint64_t ticks;
	unsigned address;
	uint64_t size;
};

struct world {
	unsigned ring_count;
	struct actor actors[RINGS_MAX];
	enum place places[ADDRESSES];
	uint64_t sizes[ADDRESSES];
	uint64_t shown[ADDRESSES][2]; /* when the last record of the place was shown, and the one before */
	uint64_t total_bytes;
	uint64_t count;
	uint64_t frees;
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

/* A clock that is read early, but not so early that two other threads had the place since. */
static uint64_t early_clock(const struct world *world, unsigned at)
{
	const uint64_t ticks = mr_clock_monotonic_ns() - (below(3) ? below(EARLY_TICKS) : 0);

	return ticks > world->shown[at][1] ? ticks : world->shown[at][1] + 1;
}

static void begin_to(struct world *world, struct actor *actor)
{
	const bool frees = below(2) != 0;
	const unsigned at = some_place(world, frees ? LIVE : FREE);

	if (at == ADDRESSES)
		return;
	*actor = (struct actor){
		.rests = true,
		.type = frees ? MR_HEAP_RECORD_FREE : MR_HEAP_RECORD_ALLOC,
		.ticks = early_clock(world, at),
		.address = at,
		.size = 1 + below(1000),
	};
	world->places[at] = TAKEN;
}

static void finish(struct world *world, unsigned index)
{
	struct actor *const actor = &world->actors[index];
	const bool frees = actor->type == MR_HEAP_RECORD_FREE;

	append(index, actor->type, actor->ticks, address_of(actor->address), actor->size);
	actor->rests = false;
	world->shown[actor->address][1] = world->shown[actor->address][0];
	world->shown[actor->address][0] = mr_clock_monotonic_ns();
	world->places[actor->address] = frees ? FREE : LIVE;
	if (frees) {
		world->frees++;
	} else {
		world->sizes[actor->address] = actor->size;
		world->total_bytes += actor->size;
		world->count++;
	}
}

static void compare(const struct world *world)
{
	const struct mr_heap_sums all = sums();
	uint64_t live_bytes = 0;
	uint64_t live_count = 0;

	for (unsigned i = 0; i < ADDRESSES; i++) {
		uint64_t sequence;
		const struct mr_heap_block *const block =
			mr_heap_blocks_find(&image->profile.blocks, address_of(i), &sequence);

		cr_assert(eq(int, block != NULL, world->places[i] == LIVE), "address %u", i);
		if (block)
			cr_assert(eq(u64, block->size, world->sizes[i]), "address %u", i);
		live_bytes += world->places[i] == LIVE ? world->sizes[i] : 0;
		live_count += world->places[i] == LIVE;
	}
	cr_expect(eq(u64, image->profile.live_bytes, live_bytes));
	cr_expect(eq(u64, image->profile.live_count, live_count));
	cr_expect(eq(u64, all.total_bytes, world->total_bytes));
	cr_expect(eq(u64, all.count, world->count));
	cr_expect(eq(u64, all.frees, world->frees));
	cr_expect(zero(u64, all.unknown_frees));
	cr_expect(ge(u64, image->profile.peak_bytes, live_bytes));
}

static void live_through(unsigned ring_count, unsigned steps)
{
	struct world world = { .ring_count = ring_count };

	begin(ring_count);
	for (unsigned step = 0; step < steps; step++) {
		const unsigned index = below(ring_count);
		struct actor *const actor = &world.actors[index];

		if (!actor->rests)
			begin_to(&world, actor);
		else if (below(index == 0 ? 200 : 2) == 0) /* the first one is slow */
			finish(&world, index);
		if (below(step % 1000 < 500 ? 4 : 400) == 0)
			(void)mr_heap_image_run(image, false);
	}
	for (unsigned i = 0; i < ring_count; i++)
		if (world.actors[i].rests)
			finish(&world, i);
	(void)mr_heap_image_run(image, true);
	compare(&world);
	end();
}

Test(heap_image, threads_that_rest_or_read_the_clock_early__mix_up_no_blocks)
{
	for (unsigned turn = 0; turn < 20; turn++)
		live_through(2 + turn % (RINGS_MAX - 1), 20000);
}
