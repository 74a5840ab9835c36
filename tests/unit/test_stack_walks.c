/* SPDX-License-Identifier: MIT
 *
 * Random walks over call trees: each stack's path against the program's own
 * record of its calls, and the same number whether anything is remembered or not.
 */
#include <alloca.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>

#include "stack_fixture.h"

TestSuite(stack_walks, .timeout = 120);

#define NOINLINE __attribute__((noinline))
#define USE(memory) __asm__ volatile("" ::"r"(memory) : "memory")
#define LEVELS_MAX 60

struct walk {
	uint64_t random;
	uintptr_t calls[LEVELS_MAX + 1]; /* return addresses of the functions below, outermost first */
	uint32_t level;
	uint32_t left; /* stacks to ask for */
	uint32_t asked;
	bool afresh;   /* compare with an empty memo */
	jmp_buf *back; /* to leave by now and then */
	uint32_t back_level;
};

typedef void walk_function(struct walk *walk);
static walk_function *const functions[12];

static uint32_t next(struct walk *walk, uint32_t below)
{
	walk->random = walk->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(walk->random >> 33) % below;
}

static NOINLINE void ask(struct walk *walk)
{
	uintptr_t addresses[STACK_FRAMES_MAX];
	const uint32_t id = stack_here();

	cr_assert_neq(id, 0);
	const size_t count = stack_path(id, addresses, NULL);
	cr_assert_gt(count, walk->level + 1);
	/* The first is in here, the second in the function that asks. */
	for (uint32_t i = 0; i < walk->level; i++)
		if (addresses[2 + i] != walk->calls[walk->level - 1 - i])
			cr_assert_fail("frame %u of %u is another one, of stack %u", i, walk->level,
			               walk->asked);
	if (walk->afresh) {
		uintptr_t others[STACK_FRAMES_MAX];
		const size_t other_count = stack_path(stack_here_afresh(), others, NULL);

		cr_assert_eq(count, other_count);
		cr_assert_arr_eq(addresses + 1, others + 1, (count - 1) * sizeof(addresses[0]));
	}
	walk->asked++;
	walk->left--;
}

/* Some calls from here: of any function, or to ask. */
static inline __attribute__((always_inline)) void visit(struct walk *walk, uintptr_t return_address)
{
	walk->calls[walk->level++] = return_address;
	while (walk->left > 0) {
		const uint32_t choice = next(walk, 16);

		if (choice < 3)
			break;
		if (choice == 3 && walk->back != NULL && walk->level > walk->back_level + 4 &&
		    next(walk, 20) == 0)
			longjmp(*walk->back, 1);
		if (choice < 6 || walk->level == LEVELS_MAX)
			ask(walk);
		else if (choice < 8)
			ask(walk);
		else if (choice < 12)
			functions[next(walk, MR_ARRAY_LEN(functions))](walk);
		else
			functions[next(walk, 3)](walk);
	}
	walk->level--;
}

#define WALK_FUNCTION(name, attributes, frame)                       \
	static NOINLINE attributes void name(struct walk *walk)      \
	{                                                            \
		frame;                                               \
		visit(walk, (uintptr_t)__builtin_return_address(0)); \
		USE(walk);                                           \
	}

#define WITH_FRAME __attribute__((optimize("no-omit-frame-pointer")))
#define WITHOUT_FRAME __attribute__((optimize("omit-frame-pointer")))
#define BLOCK(size)       \
	char block[size]; \
	USE(block)
#define ALIGNED(size)                   \
	_Alignas(size) char block[100]; \
	USE(block)
#define DYNAMIC                                            \
	char *const memory = alloca(next(walk, 2000) + 1); \
	USE(memory)

WALK_FUNCTION(walk_a, WITHOUT_FRAME, )
WALK_FUNCTION(walk_b, WITHOUT_FRAME, BLOCK(100))
WALK_FUNCTION(walk_c, WITH_FRAME, )
WALK_FUNCTION(walk_d, WITH_FRAME, BLOCK(1000))
WALK_FUNCTION(walk_e, , DYNAMIC)
WALK_FUNCTION(walk_f, , ALIGNED(64))
WALK_FUNCTION(walk_g, , ALIGNED(32); DYNAMIC)
WALK_FUNCTION(walk_h, WITHOUT_FRAME, BLOCK(8000))
WALK_FUNCTION(walk_i, , )
WALK_FUNCTION(walk_j, , BLOCK(17))
WALK_FUNCTION(walk_k, WITH_FRAME, DYNAMIC)

/* Leaves some of what is called from here by longjmp(). */
static NOINLINE void walk_l(struct walk *walk)
{
	jmp_buf here;
	jmp_buf *volatile back = walk->back;
	const volatile uint32_t back_level = walk->back_level;
	const volatile uint32_t level = walk->level;

	if (setjmp(here) == 0) {
		walk->back = &here;
		walk->back_level = level;
		visit(walk, (uintptr_t)__builtin_return_address(0));
	}
	walk->level = level;
	walk->back = back;
	walk->back_level = back_level;
}

static walk_function *const functions[12] = { walk_a, walk_b, walk_c, walk_d, walk_e, walk_f,
	                                      walk_g, walk_h, walk_i, walk_j, walk_k, walk_l };

static void walk_run(uint64_t seed, uint32_t stacks, bool afresh)
{
	struct walk walk = { .random = seed, .left = stacks, .afresh = afresh };

	while (walk.left > 0)
		functions[next(&walk, MR_ARRAY_LEN(functions))](&walk);
	cr_assert_eq(walk.asked, stacks);
}

Test(stack_walks, a_million_stacks__are_the_calls_that_were_made)
{
	stack_fixture_begin(512);
	walk_run(1, 700000, false);
	walk_run(2, 300000, true);
	cr_assert_eq(stack_counter(MR_HEAP_STACKS_BROKEN), 0);
	cr_assert_eq(stack_counter(MR_HEAP_STACKS_CUT), 0);
}

static void *thread_run(void *argument)
{
	stack_fixture_thread_begin();
	walk_run((uint64_t)(uintptr_t)argument, 40000, true);
	stack_fixture_thread_end();
	return NULL;
}

Test(stack_walks, threads_at_once__get_their_own_stacks)
{
	pthread_t threads[8];

	stack_fixture_begin(512);
	for (size_t i = 0; i < MR_ARRAY_LEN(threads); i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, thread_run, (void *)(i + 10)), 0);
	for (size_t i = 0; i < MR_ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(stack_counter(MR_HEAP_STACKS_BROKEN), 0);
}
