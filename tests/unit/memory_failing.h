/* SPDX-License-Identifier: MIT
 *
 * Memory for unit tests that want to see what happens when there is none left:
 * linked in place of base_memory.c (UNIT_MEMORY_test_FILE in tests/rules.mk).
 * One thread only.
 */
#ifndef MEMORY_FAILING_H
#define MEMORY_FAILING_H

#include <stddef.h>

/* From now on COUNT calls of mr_alloc and mr_realloc succeed and all later ones fail. */
void memory_fail_after(size_t count);
void memory_fail_never(void);
/* Calls since the last of the two above. */
size_t memory_calls(void);
/* Blocks that were allocated and not freed. */
size_t memory_blocks(void);
/* Bytes asked for and not freed; the largest that this has been since memory_peak_reset(). */
size_t memory_bytes(void);
size_t memory_peak(void);
void memory_peak_reset(void);

#endif
