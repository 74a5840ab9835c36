/* SPDX-License-Identifier: MIT
 *
 * What memory_mapped.c offers beyond mr_alloc() and its kin: pages straight
 * from the kernel.  Private to libmemcapture.
 */
#ifndef MR_MEMORY_MAPPED_H
#define MR_MEMORY_MAPPED_H

#include "base.h"

/* SIZE_BYTES of zeroed pages; NULL when there are none. */
void *mr_pages_map(size_t size_bytes);
void mr_pages_unmap(void *pages, size_t size_bytes); /* NULL is fine */
#define MR_PAGE_HUGE (2u << 20)
/* The same in pages of MR_PAGE_HUGE where the kernel has them, aligned to that;
 * SIZE_BYTES is a multiple of it.  For memory that is used at random: looking up
 * where a page is costs as much as a cache miss. */
void *mr_pages_map_huge(size_t size_bytes);
/* A page that reads as zeros in a forked child (raw clone included); NULL: no memory, or an old kernel. */
void *mr_pages_map_wiped_on_fork(size_t size_bytes);

#endif
