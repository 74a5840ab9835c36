/* SPDX-License-Identifier: MIT
 *
 * Ticks on any range, their labels, and the choice of points.
 */
#include "chart.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

static void expect_ticks(double low, double high, size_t wanted, enum mr_unit unit, double step, double first,
                         size_t count)
{
	const struct mr_ticks ticks = mr_ticks_choose(low, high, wanted, unit);

	cr_expect_float_eq(ticks.step, step, fabs(step) * 1e-9, "%g..%g: step %g", low, high, ticks.step);
	cr_expect_float_eq(ticks.first, first, fabs(step) * 1e-9, "%g..%g: first %g", low, high, ticks.first);
	cr_expect_eq(ticks.count, count, "%g..%g: %zu ticks", low, high, ticks.count);
}

Test(chart_axis, ticks__are_round)
{
	expect_ticks(0, 10, 6, MR_UNIT_COUNT, 2, 0, 6);
	expect_ticks(0, 97, 6, MR_UNIT_COUNT, 20, 0, 5);
	expect_ticks(0, 3, 8, MR_UNIT_COUNT, 1, 0, 4);
	expect_ticks(0, 100.0 * 1024 * 1024, 6, MR_UNIT_BYTES, 20.0 * 1024 * 1024, 0, 6);
	expect_ticks(0, 500, 6, MR_UNIT_BYTES, 100, 0, 6);
	expect_ticks(0, 1000, 6, MR_UNIT_BYTES, 256, 0, 4);
	expect_ticks(0, 2.4 * 1024 * 1024, 6, MR_UNIT_BYTES, 512 << 10, 0, 5);
	expect_ticks(0, 2e9, 5, MR_UNIT_TIME, 5e8, 0, 5);
	expect_ticks(0, 3600e9, 7, MR_UNIT_TIME, 600e9, 0, 7);
	expect_ticks(0, 90061e9, 5, MR_UNIT_TIME, 21600e9, 0, 5);
	expect_ticks(17, 23, 4, MR_UNIT_COUNT, 2, 18, 3);
	expect_ticks(-10, 10, 5, MR_UNIT_COUNT, 5, -10, 5);
}

Test(chart_axis, ticks__of_no_range_are_one)
{
	expect_ticks(0, 0, 5, MR_UNIT_BYTES, 1, 0, 1);
	expect_ticks(42, 42, 5, MR_UNIT_COUNT, 1, 42, 1);
	expect_ticks(10, 5, 5, MR_UNIT_COUNT, 1, 10, 1);
	expect_ticks(NAN, 5, 5, MR_UNIT_COUNT, 1, 0, 1);
	expect_ticks(0, INFINITY, 5, MR_UNIT_COUNT, 1, 0, 1);
	expect_ticks(-DBL_MAX, DBL_MAX, 5, MR_UNIT_COUNT, 1, -DBL_MAX, 1);
	expect_ticks(1e300, nextafter(1e300, INFINITY), 5, MR_UNIT_COUNT, 1, 1e300, 1);
}

Test(chart_axis, ticks__stay_within_the_range_and_the_number)
{
	static const enum mr_unit units[] = { MR_UNIT_COUNT, MR_UNIT_BYTES, MR_UNIT_TIME };

	for (size_t u = 0; u < MR_ARRAY_LEN(units); u++)
		for (double high = 1e-3; high < 1e21; high *= 1.37)
			for (size_t wanted = 0; wanted < 20; wanted += 3) {
				const struct mr_ticks ticks = mr_ticks_choose(0, high, wanted, units[u]);
				const size_t most = wanted < 2              ? 2
				                    : wanted > MR_TICKS_MAX ? MR_TICKS_MAX
				                                            : wanted;

				cr_assert(ticks.count >= 1 && ticks.count <= most, "%g, %zu wanted", high,
				          wanted);
				cr_assert_gt(ticks.step, 0);
				cr_assert_leq((double)(ticks.count - 1) * ticks.step, high * (1 + 1e-6));
			}
}

Test(chart_axis, ceiling__is_at_or_above_and_never_nothing)
{
	static const double values[] = { 0, 1, 7, 99, 1e3, 1.5e6, 6e9, 1e18 };

	for (size_t i = 0; i < MR_ARRAY_LEN(values); i++)
		cr_expect_geq(mr_ticks_ceiling(values[i], 5, MR_UNIT_BYTES), values[i] * (1 - 1e-9));
	cr_expect_gt(mr_ticks_ceiling(0, 5, MR_UNIT_COUNT), 0);
	cr_expect_gt(mr_ticks_ceiling(-5, 5, MR_UNIT_COUNT), 0);
	cr_expect_gt(mr_ticks_ceiling(NAN, 5, MR_UNIT_COUNT), 0);
	cr_expect_gt(mr_ticks_ceiling(INFINITY, 5, MR_UNIT_COUNT), 0);
}

Test(chart_axis, tick_text__has_the_unit_and_no_more_digits_than_needed)
{
	static const struct {
		double value, step;
		enum mr_unit unit;
		const char *text;
	} cases[] = {
		{ 0, 5, MR_UNIT_BYTES, "0" },
		{ 200, 100, MR_UNIT_BYTES, "200 B" },
		{ 20 << 20, 10 << 20, MR_UNIT_BYTES, "20 MiB" },
		{ 1024 << 10, 512 << 10, MR_UNIT_BYTES, "1 MiB" },
		{ 512 << 10, 512 << 10, MR_UNIT_BYTES, "512 KiB" },
		{ 1536 << 10, 512 << 10, MR_UNIT_BYTES, "1.5 MiB" },
		{ 1152 << 10, 128 << 10, MR_UNIT_BYTES, "1.125 MiB" },
		{ 1.5e9, 5e8, MR_UNIT_TIME, "1.5 s" },
		{ 20e6, 10e6, MR_UNIT_TIME, "20 ms" },
		{ 600e9, 300e9, MR_UNIT_TIME, "10 min" },
		{ 7200e9, 3600e9, MR_UNIT_TIME, "2 h" },
		{ 1500, 500, MR_UNIT_COUNT, "1500" },
		{ 20000, 10000, MR_UNIT_COUNT, "20k" },
		{ 2.5e6, 5e5, MR_UNIT_COUNT, "2500k" },
		{ INFINITY, 1, MR_UNIT_COUNT, "?" },
		{ 5, 0, MR_UNIT_COUNT, "?" },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		char out[40];

		mr_tick_text(out, cases[i].value, cases[i].step, cases[i].unit);
		cr_expect_str_eq(out, cases[i].text, "%s is not %s", out, cases[i].text);
	}
}

Test(chart_axis, points__keep_ends_and_extremes)
{
	static double values[10000];
	size_t indexes[64];
	bool low = false, high = false;

	for (size_t i = 0; i < MR_ARRAY_LEN(values); i++)
		values[i] = sin((double)i / 100);
	values[4321] = 50;
	values[8765] = -50;
	const size_t count = mr_points_choose(values, MR_ARRAY_LEN(values), 64, indexes);
	cr_assert_leq(count, 64);
	cr_expect_eq(indexes[0], 0);
	cr_expect_eq(indexes[count - 1], MR_ARRAY_LEN(values) - 1);
	for (size_t i = 0; i < count; i++) {
		cr_expect(i == 0 || indexes[i] > indexes[i - 1]);
		high = high || indexes[i] == 4321;
		low = low || indexes[i] == 8765;
	}
	cr_expect(low && high);
}

Test(chart_axis, points__few_are_all_kept)
{
	const double values[] = { 3, 1, 2 };
	size_t indexes[8];

	cr_expect_eq(mr_points_choose(values, 3, 8, indexes), 3);
	cr_expect_eq(indexes[2], 2);
	cr_expect_eq(mr_points_choose(values, 0, 8, indexes), 0);
}
