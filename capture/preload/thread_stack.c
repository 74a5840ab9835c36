/* SPDX-License-Identifier: MIT
 *
 * Calling a function on a stack of its own.  Not by makecontext() and swapcontext(): other
 * C libraries have no such functions, and AddressSanitizer's runtime, which
 * stands in front of them, prints a warning.
 */
#include "preload.h"

#include "memory_mapped.h"

/* TOP is the end of the stack, a multiple of 16. */
static __attribute__((noinline)) void call_at(uint8_t *top, void (*function)(void *), void *argument)
{
#if defined(__x86_64__)
	/* The old stack pointer stays in a register that FUNCTION gives back as it was. */
	__asm__ volatile("movq %%rsp, %%rbx\n\t"
	                 "movq %[top], %%rsp\n\t"
	                 "cld\n\t"
	                 "call *%[function]\n\t"
	                 "movq %%rbx, %%rsp"
	                 : "+D"(argument), [function] "+a"(function)
	                 : [top] "r"(top)
	                 : "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc", "xmm0",
	                   "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
	                   "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
#else
	(void)top;
	function(argument);
#endif
}

bool mr_call_on_stack(size_t stack_bytes, void (*function)(void *), void *argument)
{
	uint8_t *const stack = mr_pages_map(stack_bytes);

	if (stack == NULL)
		return false;
	call_at(stack + stack_bytes, function, argument);
	mr_pages_unmap(stack, stack_bytes);
	return true;
}
