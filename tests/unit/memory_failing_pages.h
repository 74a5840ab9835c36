/* SPDX-License-Identifier: MIT
 *
 * See memory_failing_pages.c.
 */
#ifndef MEMORY_FAILING_PAGES_H
#define MEMORY_FAILING_PAGES_H

#include <stddef.h>

/* From now on COUNT allocations succeed and all later ones fail; SIZE_MAX: all succeed. */
void memory_pages_fail_after(size_t count);
/* Allocations that have failed since. */
size_t memory_pages_failures(void);
/* Blocks and mappings that were not given back. */
size_t memory_pages_blocks(void);

#endif
