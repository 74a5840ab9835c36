/* SPDX-License-Identifier: MIT
 *
 * How many objects are of which size, or lived how long: a column a bin, the
 * bins' edges named below.
 */
#include "chart.h"

#include <math.h>

#define HEIGHT 120
#define TOP 8
#define AXIS_ROW 24
#define LABEL_SIZE 11

double mr_histogram_height(const struct mr_chart *chart MR_UNUSED)
{
	return TOP + HEIGHT + AXIS_ROW;
}

static void edge_text(char out[40], double value, enum mr_unit unit)
{
	char text[32];
	if (unit == MR_UNIT_BYTES)
		mr_text_bytes_short(text, (uint64_t)value);
	else if (unit == MR_UNIT_TIME)
		mr_text_duration(text, (uint64_t)value);
	else
		snprintf(text, sizeof(text), "%.0f", value);
	snprintf(out, 40, "%s", text);
}

static void draw_columns(const struct mr_plot *plot, struct mr_canvas *canvas,
                         const struct mr_histogram *histogram)
{
	const double step = plot->width / (double)histogram->count;
	const double gap = step > 6 ? 2 : step > 3 ? 1 : 0;
	for (size_t i = 0; i < histogram->count; i++) {
		const double x = plot->left + (double)i * step, y = mr_plot_y(plot, histogram->bins[i].count);
		const double height = plot->top + plot->height - y;
		/* One among thousands is still there to see. */
		const double shown = histogram->bins[i].count > 0 && height < 1.5 ? 1.5 : height;
		mr_canvas_rectangle(canvas, x + gap / 2, plot->top + plot->height - shown, step - gap, shown);
	}
	mr_canvas_fill(canvas, histogram->paint, 1);
}

static void draw_edges(const struct mr_plot *plot, struct mr_canvas *canvas,
                       const struct mr_histogram *histogram)
{
	const struct mr_text_style style = { LABEL_SIZE, false, MR_ANCHOR_MIDDLE, MR_PAINT_MUTED };
	const double step = plot->width / (double)histogram->count, bottom = plot->top + plot->height;
	double free_from = 0;
	mr_canvas_move_to(canvas, plot->left, bottom + 0.5);
	mr_canvas_line_to(canvas, plot->left + plot->width, bottom + 0.5);
	for (size_t i = 0; i <= histogram->count; i++) {
		char text[40];
		edge_text(text, i < histogram->count ? histogram->bins[i].low : histogram->bins[i - 1].high,
		          histogram->unit);
		const double width = mr_canvas_text_width(text, strlen(text), LABEL_SIZE, false) * 1.15;
		const double x = plot->left + (double)i * step;
		const double from = x - width / 2;
		if (from < free_from || x + width / 2 > plot->left + plot->width + 12)
			continue;
		mr_canvas_move_to(canvas, round(x) + 0.5, bottom);
		mr_canvas_line_to(canvas, round(x) + 0.5, bottom + 4);
		mr_canvas_text(canvas, x, bottom + 4 + LABEL_SIZE + 3, style, text);
		free_from = x + width / 2 + 14;
	}
	mr_canvas_stroke(canvas, MR_PAINT_MUTED, 1, 0);
}

static void draw_hints(const struct mr_plot *plot, struct mr_canvas *canvas,
                       const struct mr_histogram *histogram)
{
	const double step = plot->width / (double)histogram->count;
	for (size_t i = 0; i < histogram->count; i++) {
		char low[40], high[40], count[40], text[160];
		edge_text(low, histogram->bins[i].low, histogram->unit);
		edge_text(high, histogram->bins[i].high, histogram->unit);
		edge_text(count, histogram->bins[i].count, histogram->count_unit);
		snprintf(text, sizeof(text), "%s to %s\n%s", low, high, count);
		mr_canvas_hint(canvas, plot->left + (double)i * step, plot->top, step, plot->height, text);
	}
}

void mr_histogram_draw(const struct mr_chart *chart, struct mr_canvas *canvas)
{
	const struct mr_histogram *histogram = &chart->of.histogram;
	double largest = 0;
	for (size_t i = 0; i < histogram->count; i++)
		largest = histogram->bins[i].count > largest ? histogram->bins[i].count : largest;
	struct mr_plot plot = { .top = TOP, .height = HEIGHT, .x_high = 1 };
	mr_plot_scale(&plot, largest, histogram->count_unit);
	plot.left = mr_plot_margin(plot.y_high, histogram->count_unit);
	plot.width = chart->width - plot.left - 16;
	mr_plot_y_axis(&plot, canvas, histogram->count_unit);
	if (histogram->count == 0)
		return;
	draw_columns(&plot, canvas, histogram);
	draw_edges(&plot, canvas, histogram);
	draw_hints(&plot, canvas, histogram);
}
