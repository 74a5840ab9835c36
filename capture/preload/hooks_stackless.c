/* SPDX-License-Identifier: MIT
 *
 * Stands in for stack.h where call stacks cannot be followed: no stack is known.
 */
#include "preload.h"

__attribute__((weak)) size_t mr_stack_memo_size(void)
{
	return 0;
}

__attribute__((weak)) bool mr_stack_begin(struct mr_channel *channel, unsigned depth)
{
	(void)channel;
	(void)depth;
	return true;
}

__attribute__((weak)) uint32_t mr_stack_number(struct mr_stack_memo *memo, struct mr_ring_writer *ring,
                                               const uintptr_t *frame)
{
	(void)memo;
	(void)ring;
	(void)frame;
	return 0;
}

__attribute__((weak)) void mr_stack_modules_changed(void)
{
}
