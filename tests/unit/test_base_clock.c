/* SPDX-License-Identifier: MIT
 *
 * The two clocks.
 */
#include "base.h"

#include <criterion/criterion.h>
#include <time.h>

Test(base_clock, monotonic__does_not_go_back)
{
	uint64_t before = mr_clock_monotonic_ns();

	for (unsigned i = 0; i < 1000; i++) {
		const uint64_t now = mr_clock_monotonic_ns();

		cr_assert_geq(now, before);
		before = now;
	}
}

Test(base_clock, realtime__is_the_calendar_in_nanoseconds)
{
	const uint64_t second = UINT64_C(1000000000);
	const uint64_t before = (uint64_t)time(NULL);
	const uint64_t now = mr_clock_realtime_ns() / second;

	/* time() may be a clock tick behind. */
	cr_assert_geq(now, before);
	cr_assert_leq(now, (uint64_t)time(NULL) + 1);
}
