/* SPDX-License-Identifier: MIT
 *
 * Parts of a whole, as a ring.
 */
#include "chart.h"

#include <math.h>

#define PADDING 6

double mr_donut_height(const struct mr_chart *chart)
{
	return chart->width;
}

void mr_donut_draw(const struct mr_chart *chart, struct mr_canvas *canvas)
{
	const struct mr_donut *donut = &chart->of.donut;
	const double center = chart->width / 2, outer = center - PADDING, inner = outer * 0.66;
	const struct mr_text_style large = { 17, true, MR_ANCHOR_MIDDLE, MR_PAINT_INK };
	const struct mr_text_style small = { 11, false, MR_ANCHOR_MIDDLE, MR_PAINT_MUTED };
	double sum = 0, from = 0;
	for (size_t i = 0; i < donut->count; i++)
		sum += donut->shares[i].value > 0 ? donut->shares[i].value : 0;
	if (sum <= 0) {
		mr_canvas_ring(canvas, center, center, inner, outer, 0, 1);
		mr_canvas_fill(canvas, MR_PAINT_GRID, 1);
	}
	for (size_t i = 0; i < donut->count && sum > 0; i++) {
		const struct mr_share *share = &donut->shares[i];
		const double part = share->value > 0 ? share->value / sum : 0;
		mr_canvas_ring(canvas, center, center, inner, outer, from, from + part);
		mr_canvas_fill(canvas, share->paint, 1);
		from += part;
	}
	from = 0;
	for (size_t i = 0; i < donut->count && sum > 0 && donut->count > 1; i++) {
		/* A gap between neighbours, whatever their colours. */
		const double angle = (from - 0.25) * 2 * M_PI;
		mr_canvas_move_to(canvas, center + inner * cos(angle), center + inner * sin(angle));
		mr_canvas_line_to(canvas, center + outer * cos(angle), center + outer * sin(angle));
		from += donut->shares[i].value > 0 ? donut->shares[i].value / sum : 0;
	}
	if (donut->count > 1 && sum > 0)
		mr_canvas_stroke(canvas, MR_PAINT_SURFACE, 1.5, 0);
	mr_canvas_text(canvas, center, center + 2, large, donut->middle);
	mr_canvas_text(canvas, center, center + 19, small, donut->middle_below);
}
