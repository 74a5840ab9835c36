/* SPDX-License-Identifier: MIT
 *
 * Memory from the C library, for the commands and the reading libraries.
 * libmemcapture links memory_mapped.c in place of this file, so that its
 * working memory does not show in the heap of the program that it observes.
 */
#include "base.h"

#include <stdlib.h>

/* A size of 0 gives a pointer that can be told from failure. */
static size_t at_least_one(size_t size_bytes)
{
	return size_bytes > 0 ? size_bytes : 1;
}

void *mr_alloc(size_t size_bytes)
{
	return calloc(1, at_least_one(size_bytes));
}

void *mr_realloc(void *memory, size_t size_bytes)
{
	return realloc(memory, at_least_one(size_bytes));
}

void mr_free(void *memory)
{
	free(memory);
}
