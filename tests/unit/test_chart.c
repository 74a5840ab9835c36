/* SPDX-License-Identifier: MIT
 *
 * Every kind of chart on ordinary and on strange data: it is drawn, within its
 * size, on every surface, and always with the same bytes.
 */
#include "chart.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#define POINTS 3000

static const double some_times[] = { 0, 1e9, 2e9, 3e9 };
static const double some_sizes[] = { 1e6, 5e6, 2e6, 3e6 };
static const double small_sizes[] = { 1e3, 2e3, 3e3, 2e3 };
static const double no_sizes[] = { 0, 0, 0, 0 };
static const char *const some_names[] = { "start", "a <b>name</b> that is very long indeed, longer than any",
	                                  "", "end" };

static struct mr_chart timeline(size_t moments, const double *areas, const double *lines)
{
	static struct mr_points area_points[2], line_points[1];
	struct mr_chart chart = { .kind = MR_CHART_TIMELINE, .width = 700, .title = "t", .description = "d" };

	area_points[0] = (struct mr_points){ "One", MR_PAINT_SERIES_1, moments, some_times, areas, false };
	area_points[1] = (struct mr_points){ "Two", MR_PAINT_SERIES_2, moments, some_times, areas, false };
	line_points[0] = (struct mr_points){ "rss", MR_PAINT_INK, 4, some_times, lines, false };
	chart.of.timeline = (struct mr_timeline){ .time_end_ns = 3e9,
		                                  .line_count = lines ? 1 : 0,
		                                  .lines = line_points,
		                                  .moment_count = moments,
		                                  .moment_times = some_times,
		                                  .moment_names = some_names,
		                                  .area_count = areas ? 2 : 0,
		                                  .areas = area_points,
		                                  .mark_count = 1,
		                                  .mark_times = some_times + 1,
		                                  .mark_names = some_names };
	return chart;
}

/* The SVG canvas after drawing; finished. */
static struct mr_canvas *drawn(const struct mr_chart *chart)
{
	struct mr_canvas *canvas = mr_chart_canvas(chart, MR_CANVAS_SVG);
	struct mr_buffer out = { 0 };

	cr_assert_not_null(canvas);
	cr_assert_eq(mr_canvas_finish(canvas, &out, NULL), 0);
	mr_buffer_put_u8(&out, 0);
	cr_expect_null(strstr((const char *)out.data, "nan"));
	cr_expect_null(strstr((const char *)out.data, "inf"));
	mr_buffer_release(&out);
	return canvas;
}

static bool has_label(const struct mr_canvas *canvas, const char *text)
{
	size_t count;
	const struct mr_canvas_label *labels = mr_canvas_labels(canvas, &count);

	for (size_t i = 0; i < count; i++)
		if (strstr(labels[i].text, text))
			return true;
	return false;
}

static void expect_inside(const struct mr_chart *chart)
{
	struct mr_canvas *canvas = drawn(chart);
	size_t count;
	const struct mr_canvas_label *labels = mr_canvas_labels(canvas, &count);

	for (size_t i = 0; i < count; i++) {
		cr_expect(labels[i].x >= -1 && labels[i].x <= chart->width + 1, "'%s' at x %g",
		          labels[i].text, labels[i].x);
		cr_expect(labels[i].y >= 0 && labels[i].y <= mr_chart_height(chart) + 1, "'%s' at y %g",
		          labels[i].text, labels[i].y);
	}
	const struct mr_canvas_area *areas = mr_canvas_areas(canvas, &count);
	for (size_t i = 0; i < count; i++)
		cr_expect(areas[i].x >= -1 && areas[i].x + areas[i].width <= chart->width + 1 &&
		          areas[i].width > 0);
	mr_canvas_free(canvas);
}

Test(chart, timeline__shows_peak_legend_and_snapshots)
{
	const struct mr_chart chart = timeline(4, some_sizes, some_sizes);
	struct mr_canvas *canvas = drawn(&chart);

	cr_expect(has_label(canvas, "peak 4.77 MiB"));
	cr_expect(has_label(canvas, "One"));
	cr_expect(has_label(canvas, "rss"));
	cr_expect(has_label(canvas, "start"));
	cr_expect(has_label(canvas, "MiB"));
	mr_canvas_free(canvas);
	expect_inside(&chart);
}

Test(chart, timeline__gives_small_classes_a_panel_of_their_own)
{
	const struct mr_chart together = timeline(4, some_sizes, some_sizes),
			      apart = timeline(4, small_sizes, some_sizes);
	struct mr_canvas *canvas = drawn(&apart);

	cr_expect(has_label(canvas, "enlarged"));
	mr_canvas_free(canvas);
	cr_expect_gt(mr_chart_height(&apart), 0);
	canvas = drawn(&together);
	mr_canvas_free(canvas);
	expect_inside(&apart);
}

Test(chart, timeline__takes_nothing_and_little)
{
	static const struct {
		size_t moments;
		const double *areas, *lines;
	} cases[] = { { 0, NULL, NULL },
		      { 1, some_sizes, NULL },
		      { 4, no_sizes, no_sizes },
		      { 2, NULL, some_sizes },
		      { 1, small_sizes, some_sizes } };

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_chart chart = timeline(cases[i].moments, cases[i].areas, cases[i].lines);

		expect_inside(&chart);
		chart.width = 350;
		expect_inside(&chart);
		chart.of.timeline.time_end_ns = 0;
		mr_canvas_free(drawn(&chart));
	}
}

Test(chart, curve__takes_many_points_and_none)
{
	static double times[POINTS], values[POINTS];
	struct mr_points line = { "values", MR_PAINT_ACCENT, POINTS, times, values, false };
	struct mr_chart chart = { .kind = MR_CHART_CURVE, .width = 500, .title = "t", .description = "d" };

	for (size_t i = 0; i < POINTS; i++) {
		times[i] = (double)i * 1e6;
		values[i] = (double)(i % 97);
	}
	chart.of.curve = (struct mr_curve){ POINTS * 1e6, MR_UNIT_COUNT, true, 1, &line };
	expect_inside(&chart);
	for (line.count = 0; line.count < 3; line.count++)
		expect_inside(&chart);
	chart.of.curve.line_count = 0;
	expect_inside(&chart);
}

Test(chart, donut__takes_zeros_and_one)
{
	static const struct mr_share shares[] = { { "One", 3, MR_PAINT_SERIES_1 },
		                                  { "Two", 1, MR_PAINT_SERIES_2 },
		                                  { "None", 0, MR_PAINT_OTHER } };

	for (size_t count = 0; count <= MR_ARRAY_LEN(shares); count++) {
		struct mr_chart chart = {
			.kind = MR_CHART_DONUT, .width = 300, .title = "t", .description = "d"
		};

		chart.of.donut = (struct mr_donut){ count, shares, "4 B", "in 2 objects" };
		expect_inside(&chart);
		chart.of.donut.shares = shares + 2;
		chart.of.donut.count = count > 0 ? 1 : 0;
		expect_inside(&chart);
	}
}

Test(chart, histogram__shows_edges_and_takes_none)
{
	static const struct mr_bin bins[] = { { 64, 128, 10 }, { 128, 256, 0 }, { 256, 512, 1 } };
	struct mr_chart chart = {
		.kind = MR_CHART_HISTOGRAM, .width = 500, .title = "t", .description = "d"
	};

	chart.of.histogram =
		(struct mr_histogram){ MR_UNIT_BYTES, MR_PAINT_SERIES_1, 3, bins, MR_UNIT_COUNT };
	struct mr_canvas *canvas = drawn(&chart);
	cr_expect(has_label(canvas, "64 B"));
	mr_canvas_free(canvas);
	expect_inside(&chart);
	chart.of.histogram.count = 0;
	expect_inside(&chart);
}

Test(chart, lives__show_birth_and_death)
{
	static const struct mr_life lives[] = { { "an object whose name is too long for its place", 0, 1e9,
		                                  false, MR_PAINT_SERIES_1, "freed" },
		                                { "other", 1e9, 1e9, true, MR_PAINT_OTHER, "alive" } };
	struct mr_chart chart = { .kind = MR_CHART_LIVES, .width = 500, .title = "t", .description = "d" };

	for (size_t count = 0; count <= MR_ARRAY_LEN(lives); count++) {
		chart.of.lives = (struct mr_lives){ 2e9, count, lives };
		expect_inside(&chart);
	}
}

Test(chart, stacked__takes_any_number_of_areas_lines_and_moments)
{
	static const struct mr_points areas[] = {
		{ "live heap", MR_PAINT_SERIES_1, 4, some_times, some_sizes, false },
		{ "slack", MR_PAINT_SERIES_2, 4, some_times, small_sizes, false },
	};
	static const struct mr_points line = { "rss", MR_PAINT_INK, 4, some_times, some_sizes, false };
	static const double widths[] = { 350, 1040 };

	for (size_t i = 0; i < 16; i++) {
		struct mr_chart chart = {
			.kind = MR_CHART_STACKED, .width = widths[i & 1], .title = "t", .description = "d"
		};

		chart.of.stacked = (struct mr_stacked){ .time_end_ns = i & 8 ? 3e9 : 0,
			                                .line_count = i & 2 ? 1 : 0,
			                                .lines = &line,
			                                .area_count = i & 4 ? 2 : 0,
			                                .areas = areas,
			                                .moment_count = i & 8 ? 4 : 0,
			                                .moment_times = some_times,
			                                .moment_names = some_names,
			                                .peak_time = 1e9,
			                                .peak_value = i & 8 ? 5e6 : 0,
			                                .peak_text = "peak 4.77 MiB" };
		expect_inside(&chart);
	}
}

Test(chart, flame__labels_what_is_wide_enough)
{
	static const struct mr_flame_box boxes[] = {
		{ 0, 1, 0, false, MR_PAINT_OTHER, "all", "all\n100 %" },
		{ 0, 0.7, 1, false, MR_PAINT_SERIES_1, "main", "main\n70 %" },
		{ 0.7, 0.999, 1, false, MR_PAINT_SERIES_2, "a name that is much longer than its box is wide",
		  NULL },
		{ 0.999, 1, 1, true, MR_PAINT_SERIES_2, "narrow", "3 smaller" },
	};
	struct mr_chart chart = { .kind = MR_CHART_FLAME, .width = 400, .title = "t", .description = "d" };

	chart.of.flame = (struct mr_flame_graph){ MR_ARRAY_LEN(boxes), boxes };
	struct mr_canvas *canvas = drawn(&chart);
	cr_expect(has_label(canvas, "main"));
	cr_expect(has_label(canvas, "a name"));
	cr_expect_not(has_label(canvas, "narrow"));
	mr_canvas_free(canvas);
	expect_inside(&chart);
	chart.of.flame.count = 0;
	expect_inside(&chart);
}

Test(chart, charts__have_the_same_bytes_each_time_on_paper)
{
	const struct mr_chart chart = timeline(4, some_sizes, some_sizes);
	struct mr_buffer one = { 0 }, two = { 0 };

	for (int i = 0; i < 2; i++) {
		struct mr_canvas *canvas = mr_chart_canvas(&chart, MR_CANVAS_PNG);

		cr_assert_eq(mr_canvas_finish(canvas, i ? &two : &one, NULL), 0);
		mr_canvas_free(canvas);
	}
	cr_expect(one.len > 0 && one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
	mr_buffer_release(&one);
	mr_buffer_release(&two);
}

Test(chart, legend__wraps_into_rows)
{
	static const struct mr_legend_item items[] = { { "first", MR_PAINT_INK, true },
		                                       { "second", MR_PAINT_INK, false },
		                                       { "third", MR_PAINT_INK, false } };

	cr_expect_eq(mr_legend_draw(NULL, 0, 0, 1000, items, 0), 0);
	cr_expect_lt(mr_legend_draw(NULL, 0, 0, 1000, items, 3), mr_legend_draw(NULL, 0, 0, 80, items, 3));
}
