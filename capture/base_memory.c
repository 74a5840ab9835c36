/* SPDX-License-Identifier: MIT
 *
 * Memory from the C library, for the commands and the reading libraries.
 * libmemcapture links memory_mapped.c in place of this file, so that its
 * working memory does not show in the heap of the program that it observes.
 */
#include "base.h"

#include <stdlib.h>
#include <sys/mman.h>

/* Blocks this large are tables of a log, filled from end to end: handing out their pages one by
 * one takes the kernel as long as reading the log takes us. */
#define LARGE_BYTES (2u << 20)

void mr_memory_wish_huge_pages(void *block, size_t size_bytes)
{
	const uintptr_t page = 4096;
	const uintptr_t first = (uintptr_t)block & ~(page - 1);
	const uintptr_t end = ((uintptr_t)block + size_bytes + page - 1) & ~(page - 1);

	(void)madvise((void *)first, end - first, MADV_HUGEPAGE);
}

/* A size of 0 gives a pointer that can be told from failure. */
static size_t at_least_one(size_t size_bytes)
{
	return size_bytes > 0 ? size_bytes : 1;
}

/* BLOCK, in huge pages from now on if it is large. */
static void *in_huge_pages(void *block, size_t size_bytes)
{
	if (block && size_bytes >= LARGE_BYTES)
		mr_memory_wish_huge_pages(block, size_bytes);
	return block;
}

void *mr_alloc(size_t size_bytes)
{
	return in_huge_pages(calloc(1, at_least_one(size_bytes)), size_bytes);
}

void *mr_realloc(void *memory, size_t size_bytes)
{
	return in_huge_pages(realloc(memory, at_least_one(size_bytes)), size_bytes);
}

void mr_free(void *memory)
{
	free(memory);
}
