/* SPDX-License-Identifier: MIT
 *
 * The clock of events, the tracker's and the heap's: the processor's counter where
 * the kernel itself keeps time by it (half the cost of clock_gettime), CLOCK_MONOTONIC
 * elsewhere.  What a tick is worth stands in the channel, for whoever reads its events.
 * Private to capture/.
 */
#ifndef MR_TRACKER_CLOCK_H
#define MR_TRACKER_CLOCK_H

#include "channel.h"

static inline uint64_t mr_clock_counter(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t ticks;
	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
#else
	return mr_clock_monotonic_ns();
#endif
}

static inline uint64_t mr_clock_ticks(bool is_counter)
{
	return MR_LIKELY(is_counter) ? mr_clock_counter() : mr_clock_monotonic_ns();
}

/* What was begun before is done before the clock is read: a processor reads its counter ahead otherwise. */
static inline void mr_clock_wait(void)
{
#if defined(__x86_64__)
	__builtin_ia32_lfence();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}

/* Whether the kernel trusts the counter to keep time, on all processors alike. */
bool mr_clock_counter_is_clock(void);
/* Chooses the clock and writes the first piece of the function from ticks to time. */
void mr_clock_begin(struct mr_channel_header *header);
/* The same with CLOCK_MONOTONIC in any case: a tick is exactly one of its nanoseconds. */
void mr_clock_begin_exact(struct mr_channel_header *header);
/* Adds a piece when it is time to: the counter and CLOCK_MONOTONIC drift apart. One caller at a time. */
void mr_clock_adjust(struct mr_channel_header *header);
/* The last tick that has the same time as TICKS: what is stamped later has a later time. */
uint64_t mr_clock_last_tick(const struct mr_channel_header *header, uint64_t ticks);

#endif
