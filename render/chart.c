/* SPDX-License-Identifier: MIT
 *
 * What all charts share: the way to the one that draws a kind, and the legend.
 */
#include "chart.h"

#define LEGEND_SIZE 12
#define LEGEND_ROW 20
#define LEGEND_SWATCH 10
#define LEGEND_GAP 18

static const struct {
	double (*height)(const struct mr_chart *chart);
	void (*draw)(const struct mr_chart *chart, struct mr_canvas *canvas);
} kinds[] = {
	[MR_CHART_TIMELINE] = { mr_timeline_height, mr_timeline_draw },
	[MR_CHART_DONUT] = { mr_donut_height, mr_donut_draw },
	[MR_CHART_CURVE] = { mr_curve_height, mr_curve_draw },
	[MR_CHART_HISTOGRAM] = { mr_histogram_height, mr_histogram_draw },
	[MR_CHART_LIVES] = { mr_lives_height, mr_lives_draw },
	[MR_CHART_STACKED] = { mr_stacked_height, mr_stacked_draw },
	[MR_CHART_FLAME] = { mr_flame_graph_height, mr_flame_graph_draw },
	[MR_CHART_GRAPH] = { mr_graph_height, mr_graph_draw },
};

double mr_chart_height(const struct mr_chart *chart)
{
	return chart->height > 0 ? chart->height : kinds[chart->kind].height(chart);
}

void mr_chart_draw(const struct mr_chart *chart, struct mr_canvas *canvas)
{
	kinds[chart->kind].draw(chart, canvas);
}

struct mr_canvas *mr_chart_canvas(const struct mr_chart *chart, enum mr_canvas_target target)
{
	struct mr_canvas *canvas = mr_canvas_new(target, chart->width, mr_chart_height(chart));
	if (!canvas)
		return NULL;
	mr_canvas_describe(canvas, chart->title, chart->description);
	mr_chart_draw(chart, canvas);
	return canvas;
}

double mr_legend_draw(struct mr_canvas *canvas, double x, double y, double width,
                      const struct mr_legend_item *items, size_t count)
{
	const struct mr_text_style style = { LEGEND_SIZE, false, MR_ANCHOR_START, MR_PAINT_INK };
	double left = 0, top = 0;
	for (size_t i = 0; i < count; i++) {
		char name[160];
		mr_canvas_text_fit(name, sizeof(name), items[i].name, width * 0.6, LEGEND_SIZE, false);
		const double wide = LEGEND_SWATCH + 6 +
		                    mr_canvas_text_width(name, strlen(name), LEGEND_SIZE, false) * 1.12;
		if (left > 0 && left + wide > width) {
			left = 0;
			top += LEGEND_ROW;
		}
		if (canvas) {
			const double middle = y + top + LEGEND_ROW / 2.0;
			const double thick = items[i].line ? 3 : LEGEND_SWATCH;
			mr_canvas_rectangle(canvas, x + left, middle - thick / 2, LEGEND_SWATCH, thick);
			mr_canvas_fill(canvas, items[i].paint, 1);
			mr_canvas_text(canvas, x + left + LEGEND_SWATCH + 6, middle + LEGEND_SIZE * 0.35,
			               style, name);
		}
		left += wide + LEGEND_GAP;
	}
	return count > 0 ? top + LEGEND_ROW : 0;
}
