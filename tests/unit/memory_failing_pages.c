/* SPDX-License-Identifier: MIT
 *
 * Memory for tests of libmemcapture that can be made to fail: stands in for
 * memory_mapped.c, counts what is not given back, and may be called from any
 * thread.
 */
#include "memory_failing_pages.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "memory_mapped.h"

#define HEADER_BYTES 16

static _Atomic size_t allowed = SIZE_MAX;
static _Atomic size_t blocks;
static _Atomic size_t failures;

void memory_pages_fail_after(size_t count)
{
	allowed = count;
	failures = 0;
}

size_t memory_pages_failures(void)
{
	return failures;
}

size_t memory_pages_blocks(void)
{
	return blocks;
}

static bool may(void)
{
	size_t left = allowed;

	while (left > 0) {
		if (left == SIZE_MAX || atomic_compare_exchange_weak(&allowed, &left, left - 1))
			return true;
	}
	failures++;
	return false;
}

void *mr_alloc(size_t size_bytes)
{
	uint8_t *const block = may() ? calloc(1, HEADER_BYTES + size_bytes) : NULL;

	if (block == NULL)
		return NULL;
	memcpy(block, &size_bytes, sizeof(size_bytes));
	blocks++;
	return block + HEADER_BYTES;
}

void *mr_realloc(void *memory, size_t size_bytes)
{
	size_t size_before;

	if (memory == NULL)
		return mr_alloc(size_bytes);
	memcpy(&size_before, (uint8_t *)memory - HEADER_BYTES, sizeof(size_before));
	void *const moved = mr_alloc(size_bytes);
	if (moved == NULL)
		return NULL;
	memcpy(moved, memory, size_before < size_bytes ? size_before : size_bytes);
	mr_free(memory);
	return moved;
}

void mr_free(void *memory)
{
	if (memory == NULL)
		return;
	blocks--;
	free((uint8_t *)memory - HEADER_BYTES);
}

static void *map(size_t size_bytes, size_t alignment)
{
	void *pages = NULL;

	if (!may() || posix_memalign(&pages, alignment, size_bytes) != 0)
		return NULL;
	memset(pages, 0, size_bytes);
	blocks++;
	return pages;
}

void *mr_pages_map(size_t size_bytes)
{
	return map(size_bytes, 4096);
}

void *mr_pages_map_huge(size_t size_bytes)
{
	return map(size_bytes, MR_PAGE_HUGE);
}

void mr_pages_unmap(void *pages, size_t size_bytes)
{
	(void)size_bytes;
	if (pages == NULL)
		return;
	blocks--;
	free(pages);
}

/* Kept until the process ends, and never refused: it is taken once. */
void *mr_pages_map_wiped_on_fork(size_t size_bytes)
{
	return mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
