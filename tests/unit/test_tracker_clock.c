/* SPDX-License-Identifier: MIT
 *
 * From ticks to time: it never falls, pieces join, and a rate that was measured
 * badly is bent back to the kernel's clock.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "tracker_clock.h"

TestSuite(tracker_clock);

static struct mr_channel_header *header_new(void)
{
	struct mr_channel_header *const header = calloc(1, sizeof(*header));

	cr_assert_not_null(header);
	header->zero_monotonic_ns = mr_clock_monotonic_ns();
	return header;
}

static int64_t error_ns(const struct mr_channel_header *header)
{
	const uint64_t ticks = mr_clock_ticks(header->clock_is_tsc != 0);
	const uint64_t now_ns = mr_clock_monotonic_ns() - header->zero_monotonic_ns;

	return (int64_t)mr_channel_time_ns(header, ticks) - (int64_t)now_ns;
}

Test(tracker_clock, a_fresh_clock__agrees_with_the_kernels)
{
	struct mr_channel_header *const header = header_new();

	mr_clock_begin(header);
	cr_assert_eq(atomic_load(&header->clock_count), 1);
	cr_assert_lt(llabs(error_ns(header)), 1000000);
	cr_assert_eq(mr_channel_time_ns(header, 0), 0, "before the zero");
	free(header);
}

Test(tracker_clock, an_exact_clock__has_the_kernels_nanoseconds)
{
	struct mr_channel_header *const header = header_new();
	const uint64_t zero_ns = header->zero_monotonic_ns;

	mr_clock_begin_exact(header);
	cr_assert_eq(header->clock_is_tsc, 0);
	cr_assert_eq(mr_channel_time_ns(header, zero_ns), 0);
	for (uint64_t ns = 1; ns < UINT64_C(1) << 60; ns *= 3)
		cr_assert_eq(mr_channel_time_ns(header, zero_ns + ns), ns);
	free(header);
}

Test(tracker_clock, the_last_tick__of_a_nanosecond_is_the_last)
{
	struct mr_channel_header *const header = header_new();

	mr_clock_begin(header);
	const uint64_t base = mr_clock_ticks(header->clock_is_tsc != 0);
	for (uint64_t ticks = base; ticks < base + 1000; ticks++) {
		const uint64_t last = mr_clock_last_tick(header, ticks);

		cr_assert_geq(last, ticks);
		cr_assert_eq(mr_channel_time_ns(header, last), mr_channel_time_ns(header, ticks));
		cr_assert_gt(mr_channel_time_ns(header, last + 1), mr_channel_time_ns(header, ticks));
	}
	free(header);
}

Test(tracker_clock, a_wrong_rate__is_bent_back_without_a_step)
{
	struct mr_channel_header *const header = header_new();

	mr_clock_begin(header);
	if (header->clock_is_tsc == 0)
		cr_skip_test("the kernel's clock is used itself");

	/* As if opened ten seconds ago, with a rate that is a 20000th too large. */
	const uint64_t age_ns = UINT64_C(10000000000);
	struct mr_clock_segment *const first = &header->clock[0];
	first->ticks -= (uint64_t)(((unsigned __int128)age_ns << 32) / first->multiplier);
	header->zero_monotonic_ns -= age_ns;
	first->multiplier += first->multiplier / 20000;
	const int64_t wrong_ns = error_ns(header);
	cr_assert_gt(wrong_ns, 400000);

	mr_clock_adjust(header);
	cr_assert_eq(atomic_load(&header->clock_count), 2);
	const struct mr_clock_segment *const second = &header->clock[1];
	const uint64_t edge = second->ticks;
	cr_assert_leq(mr_channel_time_ns(header, edge - 1), mr_channel_time_ns(header, edge));
	cr_assert_leq(mr_channel_time_ns(header, edge) - mr_channel_time_ns(header, edge - 1), 2);

	/* Two seconds on, which is when the next piece is due, most of the error is gone. */
	const uint64_t ahead_ns = UINT64_C(2000000000);
	const uint64_t ahead_ticks =
		edge + (uint64_t)(((unsigned __int128)ahead_ns << 32) / first->multiplier);
	const int64_t expected_ns = (int64_t)(second->ns + ahead_ns) - wrong_ns;
	cr_assert_lt(llabs((int64_t)mr_channel_time_ns(header, ahead_ticks) - expected_ns), wrong_ns / 2);
	mr_clock_adjust(header);
	cr_assert_eq(atomic_load(&header->clock_count), 2, "it is not due yet");
	free(header);
}
