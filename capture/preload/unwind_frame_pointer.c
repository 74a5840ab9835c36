/* SPDX-License-Identifier: MIT
 *
 * Unwinding by frame pointers: code without tables, and every place on an
 * architecture that has no rules of its own.  On all that are known a frame
 * pointer points at the caller's, and the return address follows.
 */
#include "unwind_rule.h"

uint64_t mr_unwind_guess(void)
{
	const uint64_t words = 2 * sizeof(uintptr_t);

	return MR_UNWIND_FRAME_POINTER | (uint64_t)MR_UNWIND_FRAME_AT_CFA << 3 | MR_UNWIND_GUESS |
	       ((0 - words) & 0xffffff) << 8 | words << 32;
}

#ifndef __x86_64__

uint64_t mr_unwind_rule(const struct mr_unwind_tables *tables, uintptr_t return_address)
{
	(void)tables;
	(void)return_address;
	return 0;
}

bool mr_unwind_saved(const struct mr_unwind_tables *tables, uintptr_t return_address, unsigned reg,
                     int64_t *offset)
{
	(void)tables;
	(void)return_address;
	(void)reg;
	(void)offset;
	return false;
}

bool mr_unwind_is_call(const uint8_t code[7])
{
	(void)code;
	return true;
}

void mr_unwind_interrupted(const uintptr_t *stack, uintptr_t registers[3])
{
	(void)stack;
	registers[0] = 0;
	registers[1] = 0;
	registers[2] = 0;
}

#endif

size_t mr_unwind_by_frame_pointers(const uintptr_t *frame, uintptr_t high, uintptr_t *addresses, size_t max)
{
	uintptr_t below = (uintptr_t)frame;
	size_t count = 0;

	while (count < max && (uintptr_t)frame + 2 * sizeof(uintptr_t) <= high && frame[1] != 0) {
		addresses[count++] = frame[1];
		below = (uintptr_t)frame;
		frame = (const uintptr_t *)frame[0]; // NOLINT(performance-no-int-to-ptr)
		if ((uintptr_t)frame <= below || (uintptr_t)frame % sizeof(uintptr_t) != 0)
			break;
	}
	return count;
}
