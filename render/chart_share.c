/* SPDX-License-Identifier: MIT
 *
 * Parts of a whole: horizontal bars with their names and values, and a ring.
 */
#include "chart.h"

#include <math.h>

#define ROW 34
#define BAR 8
#define NAME_SIZE 12
#define DONUT_PADDING 6

double mr_bars_height(const struct mr_chart *chart)
{
	return (double)(chart->of.bars.count > 0 ? chart->of.bars.count : 1) * ROW;
}

void mr_bars_draw(const struct mr_chart *chart, struct mr_canvas *canvas)
{
	const struct mr_bars *bars = &chart->of.bars;
	const struct mr_text_style name_style = { NAME_SIZE, false, MR_ANCHOR_START, MR_PAINT_INK };
	const struct mr_text_style value_style = { NAME_SIZE, false, MR_ANCHOR_END, MR_PAINT_MUTED };
	double largest = 0;
	for (size_t i = 0; i < bars->count; i++)
		largest = bars->bars[i].value > largest ? bars->bars[i].value : largest;
	for (size_t i = 0; i < bars->count; i++) {
		const struct mr_bar *bar = &bars->bars[i];
		const double top = (double)i * ROW;
		const double length = largest > 0 && bar->value > 0 ? chart->width * bar->value / largest : 0;
		char value[96], name[256];
		snprintf(value, sizeof(value), "%s%s%s", bar->text, bar->share[0] ? "  " : "", bar->share);
		const double value_width = mr_canvas_text_width(value, strlen(value), NAME_SIZE, false) * 1.15;
		mr_canvas_text_fit(name, sizeof(name), bar->name, (chart->width - value_width - 12) / 1.1, NAME_SIZE, false);
		mr_canvas_text(canvas, 0, top + 13, name_style, name);
		mr_canvas_text(canvas, chart->width, top + 13, value_style, value);
		mr_canvas_rectangle(canvas, 0, top + 19, chart->width, BAR);
		mr_canvas_fill(canvas, MR_PAINT_GRID, 0.6);
		mr_canvas_rectangle(canvas, 0, top + 19, length > 0 && length < 1 ? 1 : length, BAR);
		mr_canvas_fill(canvas, bar->paint, 1);
	}
}

double mr_donut_height(const struct mr_chart *chart)
{
	return chart->width;
}

void mr_donut_draw(const struct mr_chart *chart, struct mr_canvas *canvas)
{
	const struct mr_donut *donut = &chart->of.donut;
	const double center = chart->width / 2, outer = center - DONUT_PADDING, inner = outer * 0.66;
	const struct mr_text_style large = { 17, true, MR_ANCHOR_MIDDLE, MR_PAINT_INK };
	const struct mr_text_style small = { 11, false, MR_ANCHOR_MIDDLE, MR_PAINT_MUTED };
	double sum = 0, from = 0;
	for (size_t i = 0; i < donut->count; i++)
		sum += donut->bars[i].value > 0 ? donut->bars[i].value : 0;
	if (sum <= 0) {
		mr_canvas_ring(canvas, center, center, inner, outer, 0, 1);
		mr_canvas_fill(canvas, MR_PAINT_GRID, 1);
	}
	for (size_t i = 0; i < donut->count && sum > 0; i++) {
		const struct mr_bar *bar = &donut->bars[i];
		const double part = bar->value > 0 ? bar->value / sum : 0;
		mr_canvas_ring(canvas, center, center, inner, outer, from, from + part);
		mr_canvas_fill(canvas, bar->paint, 1);
		from += part;
	}
	from = 0;
	for (size_t i = 0; i < donut->count && sum > 0 && donut->count > 1; i++) {
		/* A gap between neighbours, whatever their colours. */
		const double angle = (from - 0.25) * 2 * M_PI;
		mr_canvas_move_to(canvas, center + inner * cos(angle), center + inner * sin(angle));
		mr_canvas_line_to(canvas, center + outer * cos(angle), center + outer * sin(angle));
		from += donut->bars[i].value > 0 ? donut->bars[i].value / sum : 0;
	}
	if (donut->count > 1 && sum > 0)
		mr_canvas_stroke(canvas, MR_PAINT_SURFACE, 1.5, 0);
	mr_canvas_text(canvas, center, center + 2, large, donut->middle);
	mr_canvas_text(canvas, center, center + 19, small, donut->middle_below);
}
