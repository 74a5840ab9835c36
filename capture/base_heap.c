/* SPDX-License-Identifier: MIT
 *
 * The heap of a command that reads a log, builds large tables and ends: a
 * quarter of its time went into the kernel's handing out of pages one by one,
 * and taking them back from tables that were dropped on the way.
 */
#include "base.h"

#include <limits.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

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
	const uintptr_t page = 4096;
	const uintptr_t first = ((uintptr_t)heap + page - 1) & ~(page - 1);
	const uintptr_t end = ((uintptr_t)heap + HEAP_BYTES) & ~(page - 1);
	/* Only a wish: kernels without huge pages refuse it, and nothing is lost. */
	(void)madvise((void *)first, end - first, MADV_HUGEPAGE);
	free(heap);
#endif
}
