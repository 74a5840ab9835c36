/* SPDX-License-Identifier: MIT
 *
 * The heap of a command that reads a log, builds large tables and ends: a
 * quarter of its time went into the kernel's handing out of pages one by one,
 * and taking them back from tables that were dropped on the way.
 */
#include "base.h"

#include <limits.h>
#include <malloc.h>
#include <stdlib.h>

/* Address space, not memory: what is not used is not there. */
#define HEAP_BYTES (256u << 20)

void mr_heap_prepare(void)
{
#ifdef M_TRIM_THRESHOLD
	/* Large blocks from the heap, too, and none of it given back.  Where malloc is someone
	 * else's, a sanitizer's for one, it stays as it is. */
	if (mallopt(M_MMAP_THRESHOLD, INT_MAX) != 1 || mallopt(M_TRIM_THRESHOLD, INT_MAX) != 1)
		return;
	char *heap = malloc(HEAP_BYTES);
	if (!heap)
		return;
	mr_memory_wish_huge_pages(heap, HEAP_BYTES);
	free(heap);
#endif
}
