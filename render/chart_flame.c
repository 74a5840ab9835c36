/* SPDX-License-Identifier: MIT
 *
 * A flame graph that hangs: a box a function, as wide as what it costs, below
 * the one that called it.
 */
#include "chart.h"

#define ROW 18.0
#define LABEL_SIZE 11
#define LABEL_ROOM 24.0 /* pixels of a box below which it has no label */
#define GAP 1.0

double mr_flame_graph_height(const struct mr_chart *chart)
{
	const struct mr_flame_graph *flame = &chart->of.flame;
	uint32_t rows = 0;
	for (size_t i = 0; i < flame->count; i++)
		rows = flame->boxes[i].row + 1 > rows ? flame->boxes[i].row + 1 : rows;
	return rows * ROW + 2;
}

/* A tint of the colour, so that ink can be read on it in light and dark. */
static double opacity_of(const struct mr_flame_box *box)
{
	return box->quiet ? 0.16 : 0.42;
}

static void draw_boxes(const struct mr_chart *chart, struct mr_canvas *canvas, enum mr_paint paint,
                       bool quiet)
{
	const struct mr_flame_graph *flame = &chart->of.flame;
	double opacity = 0;
	for (size_t i = 0; i < flame->count; i++) {
		const struct mr_flame_box *box = &flame->boxes[i];
		if (box->paint != paint || box->quiet != quiet)
			continue;
		const double left = box->from * chart->width, wide = (box->to - box->from) * chart->width;
		mr_canvas_rectangle(canvas, left, box->row * ROW, wide > 2 * GAP ? wide - GAP : wide,
		                    ROW - GAP);
		opacity = opacity_of(box);
	}
	if (opacity > 0)
		mr_canvas_fill(canvas, paint, opacity);
}

void mr_flame_graph_draw(const struct mr_chart *chart, struct mr_canvas *canvas)
{
	const struct mr_flame_graph *flame = &chart->of.flame;
	const struct mr_text_style style = { LABEL_SIZE, false, MR_ANCHOR_START, MR_PAINT_INK };
	/* One path a colour. */
	for (int paint = MR_PAINT_NONE + 1; paint < MR_PAINT_COUNT; paint++) {
		draw_boxes(chart, canvas, (enum mr_paint)paint, false);
		draw_boxes(chart, canvas, (enum mr_paint)paint, true);
	}
	for (size_t i = 0; i < flame->count; i++) {
		const struct mr_flame_box *box = &flame->boxes[i];
		const double left = box->from * chart->width, wide = (box->to - box->from) * chart->width;
		char label[160];
		if (wide >= LABEL_ROOM) {
			/* A system's own face may be wider than the table says. */
			mr_canvas_text_fit(label, sizeof(label), box->label, (wide - 8) / 1.12, LABEL_SIZE,
			                   false);
			mr_canvas_text(canvas, left + 4, box->row * ROW + 12.5, style, label);
		}
		if (box->text)
			mr_canvas_hint(canvas, left, box->row * ROW, wide, ROW, box->text);
	}
}
