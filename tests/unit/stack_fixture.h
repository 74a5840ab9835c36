/* SPDX-License-Identifier: MIT
 *
 * Call stacks for tests: a channel whose rings are read at once, and the stack
 * of whoever calls as the interposer would number it, beside what others say of it.
 */
#ifndef STACK_FIXTURE_H
#define STACK_FIXTURE_H

#include "heap_events.h"
#include "stack.h"

#define STACK_FRAMES_MAX 1024

/* Each process begins once; each thread that asks for stacks begins and ends. */
void stack_fixture_begin(unsigned depth);
void stack_fixture_thread_begin(void);
void stack_fixture_thread_end(void);

/* The caller's stack: with the thread's memo, with an empty one, and with none (its 32 inner frames). */
uint32_t stack_here(void);
uint32_t stack_here_afresh(void);
uint32_t stack_here_without_memo(void);

/* Return addresses of stack ID, innermost first, and their modules (which may be NULL).  Fails the test
 * when a node was not told. */
size_t stack_path(uint32_t id, uintptr_t *addresses, uint32_t *modules);
/* The path that was told of module ID; NULL: it was not told. */
const char *stack_module_path(uint32_t id);

/* The caller's stack equals what libunwind and _Unwind_Backtrace() make of it, whichever way it is asked
 * for; its frames. */
size_t stack_check(const char *what);

uint64_t stack_counter(enum mr_heap_counter counter);

#endif
