/* SPDX-License-Identifier: MIT
 *
 * The slow halves of futex.h: system calls, and a short spin before them,
 * because what these locks guard takes less time than going to sleep.
 */
#include "futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPINS_BEFORE_SLEEP 100
#define SPIN_SLICE_NS UINT64_C(100000)

void mr_futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t timeout_ns)
{
	const struct timespec timeout = { .tv_sec = (time_t)(timeout_ns / 1000000000),
		                          .tv_nsec = (long)(timeout_ns % 1000000000) };
	const int errno_before = errno;

	/* Every outcome (woken, changed, interrupted, timed out) sends the caller to look again. */
	(void)syscall(SYS_futex, word, FUTEX_WAIT, expected, timeout_ns > 0 ? &timeout : NULL, NULL, 0);
	errno = errno_before;
}

void mr_futex_wake(_Atomic uint32_t *word)
{
	const int errno_before = errno;

	(void)syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
	errno = errno_before;
}

static bool try_for_a_while(_Atomic uint32_t *word)
{
	for (int spin = 0; spin < SPINS_BEFORE_SLEEP; spin++) {
		uint32_t expected = 0;

		if (atomic_load_explicit(word, memory_order_relaxed) == 0 &&
		    atomic_compare_exchange_weak_explicit(word, &expected, 1, memory_order_acquire,
		                                          memory_order_relaxed))
			return true;
		mr_cpu_relax();
	}
	return false;
}

void mr_lock_wait(struct mr_lock *lock)
{
	if (try_for_a_while(&lock->word))
		return;
	/* From here on the word says 2 whenever we hold it: somebody else may sleep as well. */
	while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) != 0)
		mr_futex_wait(&lock->word, 2, 0);
}

void mr_spin_wait(struct mr_spin *spin)
{
	if (try_for_a_while(&spin->word))
		return;
	/* The holder is not running: give it our processor. */
	atomic_fetch_add(&spin->sleepers, 1);
	while (!try_for_a_while(&spin->word))
		mr_futex_wait(&spin->word, 1, SPIN_SLICE_NS);
	atomic_fetch_sub(&spin->sleepers, 1);
}

bool mr_lock_acquire_timed(struct mr_lock *lock, uint64_t timeout_ns)
{
	const uint64_t end_ns = mr_clock_monotonic_ns() + timeout_ns;

	if (try_for_a_while(&lock->word))
		return true;
	while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) != 0) {
		const uint64_t now_ns = mr_clock_monotonic_ns();

		if (now_ns >= end_ns)
			return false;
		mr_futex_wait(&lock->word, 2, end_ns - now_ns);
	}
	return true;
}
