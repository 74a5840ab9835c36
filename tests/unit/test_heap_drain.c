/* SPDX-License-Identifier: MIT
 *
 * Emptying the rings of a channel of the heap: order over all of them, what has
 * to wait, and rings that hold nonsense.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "heap_drain.h"
#include "log_format.h"
#include "ring.h"

#define RING_BYTES 16384u
#define RINGS 3

static struct mr_channel *channel;
static struct mr_ring_writer rings[RINGS];
static struct mr_heap_drain *drain;
static struct mr_error complaint;

static uint64_t taken[20000];
static size_t taken_count;
static size_t stacks;
static size_t modules;
static char texts[64];
static uint64_t state = 1;

static uint32_t below(uint32_t bound)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state >> 33) % bound);
}

static void take_events(void *context, const struct mr_heap_taken *events, size_t count)
{
	(void)context;
	for (size_t i = 0; i < count; i++) {
		if (taken_count < MR_ARRAY_LEN(taken))
			taken[taken_count++] = events[i].ticks;
		if (events[i].type != MR_HEAP_RECORD_MARK && events[i].type != MR_HEAP_RECORD_THREAD)
			continue;
		(void)snprintf(texts, sizeof(texts), "%s", events[i].text->text);
		mr_free(events[i].text);
	}
}

static bool take_stack(void *context, const struct mr_heap_stack *record)
{
	(void)context;
	stacks++;
	return record->id != 666;
}

static bool take_module(void *context, const struct mr_heap_module *record, const char *path,
                        const uint8_t *build_id)
{
	(void)context;
	(void)build_id;
	modules++;
	cr_assert(eq(sz, strlen(path), record->path_len));
	return true;
}

static void begin(unsigned count)
{
	const struct mr_heap_taker taker = { NULL, take_events, take_stack, take_module };
	struct mr_error err = { 0 };

	cr_assert(zero(int, mr_channel_create(&channel, NULL, MR_SOURCE_HEAP, &err)), "%s", err.message);
	for (unsigned i = 0; i < count; i++) {
		uint32_t index;
		struct mr_ring *const ring = mr_channel_add_ring(channel, MR_RING_HEAP, RING_BYTES, &index);

		cr_assert(ne(ptr, ring, NULL));
		mr_ring_writer_init(&rings[i], channel, ring, index);
	}
	cr_assert(zero(int, mr_heap_drain_new(&drain, channel, &taker, &err)));
}

static void end(void)
{
	mr_heap_drain_free(drain);
	mr_channel_close(channel);
}

static void append(unsigned ring, uint64_t ticks)
{
	const struct mr_heap_free record = { ticks << 4 | MR_HEAP_RECORD_FREE, 0x1000 };

	cr_assert(mr_ring_reserve(&rings[ring], sizeof(record)));
	memcpy(mr_ring_at_head(&rings[ring]), &record, sizeof(record));
	mr_ring_commit(&rings[ring], sizeof(record));
}

static void append_raw(unsigned ring, const void *record, size_t len)
{
	cr_assert(mr_ring_reserve(&rings[ring], len));
	memcpy(mr_ring_at_head(&rings[ring]), record, len);
	mr_ring_commit(&rings[ring], len);
}

static bool in_order(void)
{
	for (size_t i = 1; i < taken_count; i++)
		if (taken[i] < taken[i - 1])
			return false;
	return true;
}

Test(heap_drain, events_of_several_rings__come_in_the_order_of_time)
{
	size_t appended = 0;

	begin(RINGS);
	for (uint64_t ticks = 1; ticks <= 15000; ticks += 1 + below(3)) {
		append(below(RINGS), ticks);
		appended++;
		if (below(700) == 0)
			(void)mr_heap_drain_run(drain, false, &complaint);
	}
	(void)mr_heap_drain_run(drain, true, &complaint);
	cr_expect(eq(sz, taken_count, appended));
	cr_expect(in_order());
	cr_expect(zero(int, complaint.code));
	end();
}

Test(heap_drain, events_of_a_handler_that_wait__hold_back_what_may_be_later)
{
	begin(2);
	append(0, 10);
	append(1, 20);
	append(0, 30);
	atomic_store(&rings[0].ring->nested, 1);
	append(1, 40);
	(void)mr_heap_drain_run(drain, false, &complaint);
	/* They may be as old as 30. */
	cr_expect(eq(sz, taken_count, 3));
	append(0, 35);
	atomic_store(&rings[0].ring->nested, 0);
	(void)mr_heap_drain_run(drain, false, &complaint);
	cr_expect(eq(sz, taken_count, 5));
	cr_expect(in_order());
	end();
}

Test(heap_drain, events_of_a_handler_that_never_come__hold_nothing_back_at_the_end)
{
	begin(2);
	append(0, 10);
	atomic_store(&rings[0].ring->nested, 1);
	append(1, 40);
	(void)mr_heap_drain_run(drain, true, &complaint);
	cr_expect(eq(sz, taken_count, 2));
	end();
}

Test(heap_drain, a_record_shown_after_a_later_one_was_taken__comes_after_it)
{
	begin(2);
	append(0, 10);
	(void)mr_heap_drain_run(drain, false, &complaint);
	append(0, mr_clock_monotonic_ns());
	(void)mr_heap_drain_run(drain, false, &complaint);
	cr_expect(eq(sz, taken_count, 2));
	/* Its thread rested after it had read the clock. */
	append(1, 20);
	(void)mr_heap_drain_run(drain, false, &complaint);
	cr_expect(eq(sz, taken_count, 3));
	cr_expect(in_order());
	cr_expect(le(u64, taken[2], mr_heap_drain_taken_to(drain)));
	end();
}

Test(heap_drain, events_of_a_handler_that_are_long_in_coming__are_waited_for_no_longer)
{
	begin(2);
	append(0, 10);
	atomic_store(&rings[0].ring->nested, 1);
	append(1, 40);
	(void)mr_heap_drain_run(drain, false, &complaint);
	cr_expect(eq(sz, taken_count, 1));
	const uint64_t begin_ns = mr_clock_monotonic_ns();
	while (taken_count < 2 && mr_clock_monotonic_ns() < begin_ns + UINT64_C(10000000000))
		(void)mr_heap_drain_run(drain, false, &complaint);
	cr_expect(eq(sz, taken_count, 2));
	/* Here they are after all. */
	append(0, 20);
	atomic_store(&rings[0].ring->nested, 0);
	(void)mr_heap_drain_run(drain, false, &complaint);
	cr_expect(eq(sz, taken_count, 3));
	cr_expect(in_order());
	end();
}

Test(heap_drain, what_a_first_ring_has__is_taken_when_it_is_found)
{
	begin(1);
	append(0, 10);
	append(0, 20);
	(void)mr_heap_drain_run(drain, false, &complaint);
	cr_expect(eq(sz, taken_count, 2));
	append(0, 30);
	(void)mr_heap_drain_run(drain, false, &complaint);
	cr_expect(eq(sz, taken_count, 3));
	cr_expect(in_order());
	end();
}

Test(heap_drain, a_second_ring__begins_where_the_first_one_was)
{
	uint32_t index;

	begin(1);
	const uint64_t now = mr_clock_monotonic_ns();

	append(0, now);
	while (taken_count == 0)
		(void)mr_heap_drain_run(drain, false, &complaint);
	struct mr_ring *const ring = mr_channel_add_ring(channel, MR_RING_HEAP, RING_BYTES, &index);

	cr_assert(ne(ptr, ring, NULL));
	mr_ring_writer_init(&rings[1], channel, ring, index);
	append(1, now - 50);
	append(0, now + 1);
	(void)mr_heap_drain_run(drain, false, &complaint);
	cr_expect(eq(sz, taken_count, 3));
	cr_expect(in_order());
	cr_expect(eq(u64, taken[1], now));
	end();
}

Test(heap_drain, a_thread_that_waits_for_room__is_woken_when_there_is_some_and_else_left_alone)
{
	begin(2);
	struct mr_ring *const ring = rings[1].ring;

	append(0, 10);
	atomic_store(&rings[0].ring->nested, 1);
	for (uint64_t at = 0; at < RING_BYTES; at += sizeof(struct mr_heap_free))
		append(1, 40);
	atomic_store(&ring->waiting, 1);
	(void)mr_heap_drain_run(drain, false, &complaint);
	cr_expect(eq(u32, atomic_load(&ring->room), 1), "for what fits into the window");
	/* The other ring holds up the rest. */
	for (unsigned i = 0; i < 10; i++)
		(void)mr_heap_drain_run(drain, false, &complaint);
	cr_expect(eq(u32, atomic_load(&ring->room), 1));
	atomic_store(&rings[0].ring->nested, 0);
	(void)mr_heap_drain_run(drain, false, &complaint);
	cr_expect(ge(u32, atomic_load(&ring->room), 2));
	cr_expect(eq(u64, atomic_load(&ring->tail), RING_BYTES));
	end();
}

Test(heap_drain, stamps_that_fall_or_lie_ahead__are_moved)
{
	begin(1);
	append(0, 100);
	append(0, 50);
	append(0, UINT64_MAX >> 5);
	(void)mr_heap_drain_run(drain, true, &complaint);
	cr_expect(eq(sz, taken_count, 3));
	cr_expect(eq(u64, taken[1], 100));
	cr_expect(le(u64, taken[2], mr_clock_monotonic_ns()));
	end();
}

Test(heap_drain, texts_stacks_and_modules__are_handed_on)
{
	struct {
		struct mr_heap_text text;
		char bytes[16];
	} mark = { .text = { .head = MR_HEAP_RECORD_MARK | sizeof(mark) << 4, .ticks = 5, .text_len = 5 },
		   .bytes = "hello, world" };
	struct {
		struct mr_heap_module module;
		char bytes[8];
	} module = { .module = { .head = MR_HEAP_RECORD_MODULE | sizeof(module) << 4,
		                 .id = 1,
		                 .path_len = 4,
		                 .build_id_len = 2 },
		     .bytes = "/a/b\1\2" };
	const struct mr_heap_stack stack = { .head = MR_HEAP_RECORD_STACK | sizeof(stack) << 4, .id = 1 };

	begin(1);
	append_raw(0, &mark, sizeof(mark));
	append_raw(0, &stack, sizeof(stack));
	append_raw(0, &module, sizeof(module));
	(void)mr_heap_drain_run(drain, true, &complaint);
	cr_expect(eq(str, texts, "hello"));
	cr_expect(eq(sz, stacks, 1));
	cr_expect(eq(sz, modules, 1));
	cr_expect(zero(int, complaint.code), "%s", complaint.message);
	end();
}

Test(heap_drain, a_ring_of_nonsense__is_given_up_and_goes_on_being_emptied)
{
	const struct mr_heap_stack nonsense = { .head = MR_HEAP_RECORD_STACK | sizeof(nonsense) << 4,
		                                .id = 666 };

	begin(2);
	append_raw(0, &nonsense, sizeof(nonsense));
	append(1, 20);
	(void)mr_heap_drain_run(drain, false, &complaint);
	cr_expect(eq(int, complaint.code, MR_ERR_FORMAT));
	for (uint64_t i = 0; i < 3; i++) {
		for (uint64_t at = 0; at < RING_BYTES / 2; at += sizeof(struct mr_heap_free))
			append(0, 30);
		(void)mr_heap_drain_run(drain, false, &complaint);
	}
	cr_expect(eq(sz, taken_count, 1), "the other ring's");
	end();
}

Test(heap_drain, random_bytes__harm_nobody)
{
	for (unsigned turn = 0; turn < 300; turn++) {
		begin(RINGS);
		for (unsigned i = 0; i < RINGS; i++) {
			for (uint32_t at = 0; at < RING_BYTES; at += 8) {
				const uint32_t type = below(13);
				const uint32_t word = type | (below(4) ? 8 * below(16) : below(1u << 28))
				                                     << 4;

				memcpy(rings[i].data + at, &word, sizeof(word));
				memcpy(rings[i].data + at + 4, &(uint32_t){ below(3) ? 0 : below(9999) }, 4);
			}
			atomic_store(&rings[i].ring->head, below(2)   ? RING_BYTES
			                                   : below(9) ? 8 * below(4096)
			                                              : state);
			atomic_store(&rings[i].ring->nested, below(2));
		}
		for (unsigned run = 0; run < 3; run++)
			(void)mr_heap_drain_run(drain, run == 2, &complaint);
		end();
	}
}
