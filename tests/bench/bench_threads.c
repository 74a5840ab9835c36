/* SPDX-License-Identifier: MIT
 *
 * Threads that do nothing but allocate, touch and free: the worst case of any
 * recorder of the heap.  Each keeps 256 blocks of 16 to 527 bytes, and replaces
 * one of them at a time, from one of 8 places in the code at 3 depths of calls.
 * The numbers come from a fixed generator, so that every run does the same.
 *
 * usage: bench_threads THREADS PAIRS
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOTS 256

struct worker {
	pthread_t thread;
	uint64_t state;
	long pairs;
};

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static __attribute__((noinline)) char *allocate(size_t size)
{
	char *block = malloc(size);

	if (block == NULL)
		abort();
	block[0] = 1;
	return block;
}

/* A call each, that the compiler cannot make a jump of. */
#define PLACE(name, callee)                                      \
	static __attribute__((noinline)) char *name(size_t size) \
	{                                                        \
		char *block = callee(size);                      \
		block[size / 2] = 2;                             \
		return block;                                    \
	}
PLACE(parse, allocate)
PLACE(copy, allocate)
PLACE(build, parse)
PLACE(insert, copy)
PLACE(load, build)
PLACE(store, insert)
PLACE(update, parse)
PLACE(answer, build)

static char *(*const places[])(size_t) = { parse, copy, build, insert, load, store, update, answer };

static void *work(void *argument)
{
	struct worker *worker = argument;
	char *slots[SLOTS] = { NULL };

	for (long i = 0; i < worker->pairs; i++) {
		const uint64_t number = next(&worker->state);
		char **slot = &slots[number % SLOTS];

		free(*slot);
		*slot = places[number >> 8 & 7](16 + (size_t)(number >> 16 & 511));
	}
	for (int i = 0; i < SLOTS; i++)
		free(slots[i]);
	return NULL;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	const long threads = strtol(argv[1], NULL, 10);
	const long pairs = strtol(argv[2], NULL, 10);

	if (threads < 1 || pairs < 1)
		return 2;
	struct worker *workers = calloc((size_t)threads, sizeof(*workers));
	if (workers == NULL)
		return 2;
	for (long i = 0; i < threads; i++) {
		workers[i] =
			(struct worker){ .state = UINT64_C(88172645463325252) + (uint64_t)i, .pairs = pairs };
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			abort();
	}
	for (long i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	free(workers);
	return 0;
}
