/* SPDX-License-Identifier: MIT
 *
 * When objects (or processes) came and went: a bar each from birth to death.
 * One that is alive at the end runs to the edge; one that died ends in a stop.
 */
#include "chart.h"

#include <math.h>

#define ROW 20
#define BAR 8
#define NAME_SIZE 11
#define TOP 4
#define AXIS_ROW 24
#define NAME_SHARE 0.32
#define NAME_MAX 200

double mr_lives_height(const struct mr_chart *chart)
{
	return TOP + (double)chart->of.lives.count * ROW + AXIS_ROW;
}

static void draw_life(const struct mr_plot *plot, struct mr_canvas *canvas, const struct mr_life *life,
                      double top)
{
	const struct mr_text_style style = { NAME_SIZE, false, MR_ANCHOR_END, MR_PAINT_INK };
	const double from = mr_plot_x(plot, life->birth_ns), to = mr_plot_x(plot, life->death_ns);
	const double middle = top + ROW / 2.0;
	char name[160];
	mr_canvas_text_fit(name, sizeof(name), life->name, (plot->left - 10) / 1.28, NAME_SIZE, false);
	mr_canvas_text(canvas, plot->left - 8, middle + NAME_SIZE * 0.35, style, name);
	mr_canvas_rectangle(canvas, from, middle - BAR / 2.0, to - from < 1.5 ? 1.5 : to - from, BAR);
	mr_canvas_fill(canvas, life->paint, life->alive ? 1 : 0.55);
	if (!life->alive) {
		mr_canvas_rectangle(canvas, to - 1, middle - BAR / 2.0 - 2, 2, BAR + 4);
		mr_canvas_fill(canvas, life->paint, 1);
	}
	mr_canvas_hint(canvas, 0, top, plot->left + plot->width, ROW, life->text);
}

void mr_lives_draw(const struct mr_chart *chart, struct mr_canvas *canvas)
{
	const struct mr_lives *lives = &chart->of.lives;
	const double left = floor(fmin(chart->width * NAME_SHARE, NAME_MAX));
	const struct mr_plot plot = { .left = left,
		                      .top = TOP,
		                      .width = chart->width - left - 12,
		                      .height = (double)lives->count * ROW,
		                      .x_high = lives->time_end_ns > 0 ? lives->time_end_ns : 1,
		                      .y_high = 1 };
	for (size_t i = 0; i < lives->count; i++)
		draw_life(&plot, canvas, &lives->lives[i], TOP + (double)i * ROW);
	mr_plot_time_axis(&plot, canvas, true);
}
