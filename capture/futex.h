/* SPDX-License-Identifier: MIT
 *
 * Waiting without libc's mutexes: the tracker's locks must be usable in memory
 * that another process maps, be empty again in a forked child, and cost a few
 * nanoseconds when nobody else wants them.  Linux only.  Private to capture/.
 */
#ifndef MR_FUTEX_H
#define MR_FUTEX_H

#include <stdatomic.h>

#include "base.h"

/* Sleeps while *WORD is EXPECTED, at most TIMEOUT_NS (0: without end).  May come
 * back for no reason: callers check again.  errno is kept. */
void mr_futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns);
void mr_futex_wake(_Atomic uint32_t *word); /* all that wait on it */

static inline void mr_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#endif
}

/* Brings the cache line at MEMORY here, to be written to, without waiting for it.
 * (The builtin asks for a line to read unless a newer processor is targeted;
 * an old one takes the instruction for none.) */
static inline void mr_prefetch_to_write(const void *memory)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)memory));
#else
	__builtin_prefetch(memory, 1);
#endif
}

/* A lock: 0 free, 1 held, 2 held and waited for.  All zeros is a free lock. */
struct mr_lock {
	_Atomic uint32_t word;
};

void mr_lock_wait(struct mr_lock *lock);

static inline void mr_lock_acquire(struct mr_lock *lock)
{
	uint32_t expected = 0;

	if (MR_UNLIKELY(!atomic_compare_exchange_strong_explicit(&lock->word, &expected, 1,
	                                                         memory_order_acquire, memory_order_relaxed)))
		mr_lock_wait(lock);
}

static inline void mr_lock_release(struct mr_lock *lock)
{
	if (MR_UNLIKELY(atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2))
		mr_futex_wake(&lock->word);
}

/* A lock for what takes some nanoseconds: letting go is a plain store, which is
 * why a sleeper may be missed; it looks again by itself. All zeros is free. */
struct mr_spin {
	_Atomic uint32_t word;
	_Atomic uint32_t sleepers;
};

void mr_spin_wait(struct mr_spin *spin);

static inline void mr_spin_acquire(struct mr_spin *spin)
{
	uint32_t expected = 0;

	if (MR_UNLIKELY(!atomic_compare_exchange_strong_explicit(&spin->word, &expected, 1,
	                                                         memory_order_acquire, memory_order_relaxed)))
		mr_spin_wait(spin);
}

static inline void mr_spin_release(struct mr_spin *spin)
{
	atomic_store_explicit(&spin->word, 0, memory_order_release);
	if (MR_UNLIKELY(atomic_load_explicit(&spin->sleepers, memory_order_relaxed) != 0))
		mr_futex_wake(&spin->word);
}

/* Whether the lock could be had within TIMEOUT_NS: for the end of a process,
 * where a holder may never come back. */
bool mr_lock_acquire_timed(struct mr_lock *lock, uint64_t timeout_ns);

#endif
