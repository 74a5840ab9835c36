/* SPDX-License-Identifier: MIT
 *
 * The two clocks of a log: the monotonic one that times events, and the
 * calendar one that says when a run began.  Both are read through the vDSO,
 * without a system call, from any thread.
 */
#include "base.h"

#include <time.h>

/* clock_gettime() cannot fail for these two clocks: both exist on every Linux,
 * and the address is ours. */
static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now = { 0, 0 };

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t mr_clock_monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t mr_clock_realtime_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}
