/* SPDX-License-Identifier: MIT
 *
 * Memory from mmap: zeroed, kept when it grows, usable from many threads, and
 * none of it the heap's.  (A fork in the middle of it: integration/lifecycle.py.)
 */
#include <criterion/criterion.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

#include "memory_mapped.h"

TestSuite(memory_mapped);

static bool holds(const uint8_t *bytes, size_t len, uint8_t value)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != value)
			return false;
	return true;
}

Test(memory_mapped, every_size__is_zeroed_and_aligned_also_when_used_again)
{
	for (size_t size = 0; size < 20000; size = size * 9 / 8 + 1) {
		uint8_t *const first = mr_alloc(size);
		cr_assert_not_null(first);
		cr_assert_eq((uintptr_t)first % 16, 0);
		cr_assert(holds(first, size, 0));
		memset(first, 0xaa, size);
		mr_free(first);
		uint8_t *const second = mr_alloc(size);
		cr_assert(holds(second, size, 0), "%zu bytes", size);
		mr_free(second);
	}
	mr_free(NULL);
}

Test(memory_mapped, what_grows__keeps_its_bytes)
{
	uint8_t *memory = NULL;
	size_t size = 0;

	for (size_t grown = 1; grown < 3000000; grown = grown * 3 / 2 + 1) {
		memory = mr_realloc(memory, grown);
		cr_assert_not_null(memory);
		cr_assert(holds(memory, size, 0x5c));
		memset(memory, 0x5c, grown);
		size = grown;
	}
	memory = mr_realloc(memory, 100);
	cr_assert(holds(memory, 100, 0x5c), "smaller");
	mr_free(memory);
}

Test(memory_mapped, what_cannot_be__is_refused)
{
	void *const memory = mr_alloc(100000);

	cr_assert_null(mr_alloc(SIZE_MAX));
	cr_assert_null(mr_alloc(SIZE_MAX - 100));
	cr_assert_null(mr_realloc(memory, SIZE_MAX - 20));
	cr_assert_null(mr_pages_map(SIZE_MAX - 10));
	cr_assert_null(mr_pages_map_huge(SIZE_MAX - 10));
	mr_free(memory);
}

Test(memory_mapped, huge_pages__are_aligned_and_zeroed)
{
	uint8_t *const pages = mr_pages_map_huge(2 * MR_PAGE_HUGE);

	cr_assert_not_null(pages);
	cr_assert_eq((uintptr_t)pages % MR_PAGE_HUGE, 0);
	cr_assert(holds(pages, 2 * MR_PAGE_HUGE, 0));
	mr_pages_unmap(pages, 2 * MR_PAGE_HUGE);
}

static void *churn(void *context)
{
	uint8_t *blocks[64] = { NULL };
	uint64_t state = (uint64_t)(uintptr_t)context;

	for (int i = 0; i < 50000; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		uint8_t **const block = &blocks[state >> 58];
		const size_t size = (state >> 33) % 600 + 8;
		const uint8_t mark = (uint8_t)(uintptr_t)context;

		if (*block != NULL && !holds(*block, 8, mark))
			return (void *)"a block was another's as well";
		mr_free(*block);
		*block = mr_alloc(size);
		memset(*block, mark, size);
	}
	for (size_t i = 0; i < 64; i++)
		mr_free(blocks[i]);
	return NULL;
}

Test(memory_mapped, threads__get_blocks_of_their_own_and_none_of_the_heap)
{
	pthread_t threads[4];
	void *complaint;

	for (size_t i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)), 0);
	const size_t heap_before = mallinfo2().uordblks;
	cr_assert_null(churn((void *)9));
	for (size_t i = 0; i < 4; i++) {
		cr_assert_eq(pthread_join(threads[i], &complaint), 0);
		cr_assert_null(complaint);
	}
	cr_assert_leq(mallinfo2().uordblks, heap_before);
}
