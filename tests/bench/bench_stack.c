/* SPDX-License-Identifier: MIT
 *
 * How long the number of a call stack of 25 frames takes: as the interposer
 * asks for it, out of programs that do the same again, that go to and fro
 * between places, and that were never seen before.  Prints "NAME NS" lines.
 */
#include <stdio.h>
#include <stdlib.h>

#include "heap_events.h"
#include "log_format.h"
#include "stack.h"

#define NOINLINE __attribute__((noinline))
#define KEEP __asm__ volatile("" ::: "memory")
#define ROUNDS 300 /* short ones, of which the best one counts: whoever else uses the processor is left out */
#define FRAMES 25
#define INNER 3

static struct mr_channel *channel;
static struct mr_ring_writer ring;
static struct mr_stack_memo *memo;
static bool forget;
static uint32_t sum;

static NOINLINE void ask(void)
{
	if (forget)
		memset(memo, 0, sizeof(uint32_t));
	sum += mr_stack_number(memo, &ring, (const uintptr_t *)__builtin_frame_address(0));
	/* Nobody else reads the ring. */
	atomic_store_explicit(&ring.ring->tail, atomic_load(&ring.ring->head), memory_order_relaxed);
}

/* Three frames of which each may be one of two. */
#define INNER_FUNCTIONS(name, next)                  \
	static NOINLINE void name##_one(unsigned of) \
	{                                            \
		next(of >> 1);                       \
		KEEP;                                \
	}                                            \
	static NOINLINE void name##_two(unsigned of) \
	{                                            \
		char block[64];                      \
		__asm__ volatile("" ::"r"(block));   \
		next(of >> 1);                       \
		KEEP;                                \
	}                                            \
	static void name(unsigned of)                \
	{                                            \
		if ((of & 1) != 0)                   \
			name##_two(of);              \
		else                                 \
			name##_one(of);              \
	}

#define ASK(of) ((void)(of), ask())
INNER_FUNCTIONS(third, ASK)
INNER_FUNCTIONS(second, third)
INNER_FUNCTIONS(first, second)

enum mode { SAME, ALTERNATING, RANDOM };

static NOINLINE void inner(unsigned count, enum mode mode)
{
	uint32_t random = 1;

	for (unsigned i = 0; i < count; i++) {
		random = random * 1664525 + 1013904223;
		first(mode == SAME ? 0 : mode == ALTERNATING ? (i & 1) * 7 : random >> 28);
	}
}

static NOINLINE void outer(unsigned levels, unsigned count, enum mode mode)
{
	if (levels > 0)
		outer(levels - 1, count, mode);
	else
		inner(count, mode);
	KEEP;
}

static void measure(const char *name, unsigned count, enum mode mode, bool with_forgetting)
{
	double best_ns = 0;

	forget = with_forgetting;
	for (int i = 0; i < ROUNDS; i++) {
		const uint64_t begin_ns = mr_clock_monotonic_ns();

		/* With main(), what calls it, inner() and the three. */
		outer(FRAMES - INNER - 6, count, mode);
		const double ns = (double)(mr_clock_monotonic_ns() - begin_ns) / count;
		best_ns = i == 0 || ns < best_ns ? ns : best_ns;
	}
	printf("%s %.1f\n", name, best_ns);
}

int main(void)
{
	struct mr_error err = { 0 };
	uint32_t index;

	if (mr_channel_create(&channel, NULL, MR_SOURCE_HEAP, &err) < 0) {
		fprintf(stderr, "bench_stack: %s\n", err.message);
		return 1;
	}
	struct mr_ring *const memory = mr_channel_add_ring(channel, MR_RING_HEAP, 1 << 20, &index);
	memo = calloc(1, mr_stack_memo_size());
	if (memory == NULL || memo == NULL || !mr_stack_begin(channel, MR_HEAP_DEPTH_DEFAULT)) {
		fprintf(stderr, "bench_stack: no memory\n");
		return 1;
	}
	mr_ring_writer_init(&ring, channel, memory, index);
	measure("stack_same", 3000, SAME, false);
	measure("stack_alternating", 3000, ALTERNATING, false);
	measure("stack_random_of_8", 3000, RANDOM, false);
	measure("stack_walked_whole", 1000, SAME, true);
	free(memo);
	return sum == 0;
}
