/* SPDX-License-Identifier: MIT
 *
 * One or more values over time: instances of a class, memory of one process.
 */
#include "chart.h"

#include <math.h>

#define HEIGHT 120
#define TOP 8
#define AXIS_ROW 24
#define HINTS 32

double mr_curve_height(const struct mr_chart *chart)
{
	struct mr_legend_item items[8];
	const struct mr_curve *curve = &chart->of.curve;
	for (size_t i = 0; i < curve->line_count && i < MR_ARRAY_LEN(items); i++)
		items[i] = (struct mr_legend_item){ curve->lines[i].name, curve->lines[i].paint, true };
	const double legend = curve->line_count < 2
	                              ? 0
	                              : mr_legend_draw(NULL, 0, 0, chart->width, items,
	                                               curve->line_count < 8 ? curve->line_count : 8);
	return legend + TOP + HEIGHT + AXIS_ROW;
}

static double largest_value(const struct mr_curve *curve)
{
	double largest = 0;
	for (size_t i = 0; i < curve->line_count; i++)
		for (size_t k = 0; k < curve->lines[i].count; k++)
			largest = curve->lines[i].y[k] > largest ? curve->lines[i].y[k] : largest;
	return largest;
}

static void fill_below(const struct mr_plot *plot, struct mr_canvas *canvas, const struct mr_points *points)
{
	size_t indexes[400];
	const size_t count = mr_points_choose(points->y, points->count, MR_ARRAY_LEN(indexes), indexes);
	if (count < 2)
		return;
	mr_canvas_move_to(canvas, mr_plot_x(plot, points->x[0]), mr_plot_y(plot, 0));
	for (size_t i = 0; i < count; i++)
		mr_canvas_line_to(canvas, mr_plot_x(plot, points->x[indexes[i]]),
		                  mr_plot_y(plot, points->y[indexes[i]]));
	mr_canvas_line_to(canvas, mr_plot_x(plot, points->x[indexes[count - 1]]), mr_plot_y(plot, 0));
	mr_canvas_close(canvas);
	mr_canvas_fill(canvas, points->paint, 0.16);
}

static void value_text(char out[32], double value, enum mr_unit unit)
{
	if (unit == MR_UNIT_BYTES)
		mr_text_bytes_short(out, (uint64_t)value);
	else if (unit == MR_UNIT_TIME)
		mr_text_duration(out, (uint64_t)value);
	else
		snprintf(out, 32, "%.0f", value); /* no point to localise */
}

/* Around each of the points of the first line, or of some of them. */
static void draw_hints(const struct mr_plot *plot, struct mr_canvas *canvas, const struct mr_curve *curve)
{
	const struct mr_points *points = &curve->lines[0];
	size_t indexes[HINTS];
	const size_t count = mr_points_choose(points->y, points->count, HINTS, indexes);
	for (size_t i = 0; i < count; i++) {
		const double x = mr_plot_x(plot, points->x[indexes[i]]);
		const double left =
			i == 0 ? plot->left : (x + mr_plot_x(plot, points->x[indexes[i - 1]])) / 2;
		const double right = i + 1 == count ? plot->left + plot->width
		                                    : (x + mr_plot_x(plot, points->x[indexes[i + 1]])) / 2;
		char clock[32], value[32], text[160];
		mr_text_duration(clock, (uint64_t)points->x[indexes[i]]);
		value_text(value, points->y[indexes[i]], curve->unit);
		snprintf(text, sizeof(text), "%s\n%.80s %s", clock, points->name, value);
		mr_canvas_hint(canvas, left, plot->top, right - left, plot->height, text);
	}
}

void mr_curve_draw(const struct mr_chart *chart, struct mr_canvas *canvas)
{
	const struct mr_curve *curve = &chart->of.curve;
	struct mr_legend_item items[8];
	const size_t item_count = curve->line_count < 8 ? curve->line_count : 8;
	double top = TOP;
	for (size_t i = 0; i < item_count; i++)
		items[i] = (struct mr_legend_item){ curve->lines[i].name, curve->lines[i].paint, true };
	if (item_count > 1)
		top += mr_legend_draw(canvas, 0, 0, chart->width, items, item_count);
	struct mr_plot plot = { .top = top,
		                .height = HEIGHT,
		                .x_high = curve->time_end_ns > 0 ? curve->time_end_ns : 1 };
	mr_plot_scale(&plot, largest_value(curve) * 1.02, curve->unit);
	plot.left = mr_plot_margin(plot.y_high, curve->unit);
	plot.width = chart->width - plot.left - 8;
	mr_plot_y_axis(&plot, canvas, curve->unit);
	for (size_t i = curve->line_count; i-- > 0;) {
		if (curve->filled)
			fill_below(&plot, canvas, &curve->lines[i]);
		mr_plot_line(&plot, canvas, &curve->lines[i], 1.75, 0);
	}
	mr_plot_time_axis(&plot, canvas, true);
	if (curve->line_count > 0)
		draw_hints(&plot, canvas, curve);
}
