/* SPDX-License-Identifier: MIT
 *
 * What makes up the whole over time: areas stacked under a line, with moments
 * and the peak marked.
 */
#include "chart.h"

#include <math.h>

#define NARROW 500
#define HEIGHT 260
#define HEIGHT_LOW 150
#define HEIGHT_NARROW 190
#define MOMENTS_ROW 18
#define AXIS_ROW 24
#define LEGEND_SPACE 10
#define ITEMS_MAX 16
#define POINTS_MAX 240
#define HINTS_WIDE 100
#define HINTS_NARROW 40
#define MOMENTS_LINED 60 /* snapshots beyond which none has a line through the plot */
#define LABEL_SIZE 11

static size_t legend_items(const struct mr_stacked *stacked, struct mr_legend_item items[ITEMS_MAX])
{
	size_t count = 0;
	for (size_t i = 0; i < stacked->line_count && count < ITEMS_MAX; i++)
		items[count++] =
			(struct mr_legend_item){ stacked->lines[i].name, stacked->lines[i].paint, true };
	for (size_t i = stacked->area_count; i-- > 0 && count < ITEMS_MAX;)
		items[count++] =
			(struct mr_legend_item){ stacked->areas[i].name, stacked->areas[i].paint, false };
	return count;
}

static double stack_at(const struct mr_stacked *stacked, size_t point)
{
	double sum = 0;
	for (size_t i = 0; i < stacked->area_count; i++)
		sum += stacked->areas[i].y[point];
	return sum;
}

static size_t point_count(const struct mr_stacked *stacked)
{
	return stacked->area_count > 0 ? stacked->areas[0].count : 0;
}

static double largest_of(const struct mr_stacked *stacked)
{
	double largest = stacked->peak_value;
	for (size_t i = 0; i < point_count(stacked); i++)
		largest = fmax(largest, stack_at(stacked, i));
	for (size_t i = 0; i < stacked->line_count; i++)
		for (size_t k = 0; k < stacked->lines[i].count; k++)
			largest = fmax(largest, stacked->lines[i].y[k]);
	return largest;
}

static double lay_out(const struct mr_chart *chart, struct mr_plot *plot)
{
	const struct mr_stacked *stacked = &chart->of.stacked;
	struct mr_legend_item items[ITEMS_MAX];
	const double legend =
		mr_legend_draw(NULL, 0, 0, chart->width, items, legend_items(stacked, items)) + LEGEND_SPACE;
	*plot = (struct mr_plot){ .top = legend + (stacked->moment_count > 0 ? MOMENTS_ROW : 0),
		                  .height = stacked->low            ? HEIGHT_LOW
		                            : chart->width < NARROW ? HEIGHT_NARROW
		                                                    : HEIGHT,
		                  .x_high = stacked->time_end_ns > 0 ? stacked->time_end_ns : 1 };
	mr_plot_scale(plot, largest_of(stacked) * 1.04, MR_UNIT_BYTES);
	plot->left = mr_plot_margin(plot->y_high, MR_UNIT_BYTES);
	plot->width = chart->width - plot->left - 8;
	return plot->top + plot->height + AXIS_ROW;
}

double mr_stacked_height(const struct mr_chart *chart)
{
	struct mr_plot plot;
	return lay_out(chart, &plot);
}

/* ---- Drawing ------------------------------------------------------------------ */

/* How many of COUNT points or strips are drawn. */
static size_t in_detail(const struct mr_stacked *stacked, size_t count)
{
	const size_t wanted = stacked->detail > 0 ? (size_t)((double)count * stacked->detail) : count;
	return wanted < 8 ? 8 : wanted;
}

/* Which points are drawn: those at which the whole looks as it is. */
static size_t choose_points(const struct mr_stacked *stacked, size_t indexes[POINTS_MAX])
{
	const size_t count = point_count(stacked);
	size_t chosen = 0;
	double *sums = mr_alloc((count + 1) * sizeof(*sums));
	if (!sums)
		return 0;
	for (size_t i = 0; i < count; i++)
		sums[i] = stack_at(stacked, i);
	chosen = mr_points_choose(sums, count, in_detail(stacked, POINTS_MAX), indexes);
	mr_free(sums);
	return chosen;
}

/* From the whole stack down to its lowest part, each over the one before, so that no seam shows. */
static void draw_areas(const struct mr_stacked *stacked, const struct mr_plot *plot, struct mr_canvas *canvas)
{
	size_t indexes[POINTS_MAX];
	double totals[POINTS_MAX];
	const size_t count = choose_points(stacked, indexes);
	if (count < 2)
		return;
	for (size_t i = 0; i < count; i++)
		totals[i] = stack_at(stacked, indexes[i]);
	for (size_t a = stacked->area_count; a-- > 0;) {
		const struct mr_points *area = &stacked->areas[a];
		mr_canvas_move_to(canvas, mr_plot_x(plot, area->x[indexes[0]]), mr_plot_y(plot, 0));
		for (size_t i = 0; i < count; i++) {
			mr_canvas_line_to(canvas, mr_plot_x(plot, area->x[indexes[i]]),
			                  mr_plot_y(plot, totals[i]));
			totals[i] -= area->y[indexes[i]];
		}
		mr_canvas_line_to(canvas, mr_plot_x(plot, area->x[indexes[count - 1]]), mr_plot_y(plot, 0));
		mr_canvas_close(canvas);
		mr_canvas_fill(canvas, area->paint, 1);
	}
}

static void draw_moments(const struct mr_stacked *stacked, const struct mr_plot *plot,
                         struct mr_canvas *canvas)
{
	const struct mr_text_style style = { LABEL_SIZE, false, MR_ANCHOR_START, MR_PAINT_ACCENT };
	const bool many = stacked->moment_count > MOMENTS_LINED;
	const size_t step = stacked->moment_count / 200 + 1;
	double free_from = 0;
	for (size_t i = 0; i < stacked->moment_count; i += step) {
		const double x = round(mr_plot_x(plot, stacked->moment_times[i])) + 0.5;
		mr_canvas_move_to(canvas, x, plot->top - 4);
		mr_canvas_line_to(canvas, x, many ? plot->top + 2 : plot->top + plot->height);
	}
	if (stacked->moment_count > 0)
		mr_canvas_stroke(canvas, MR_PAINT_ACCENT, 1, many ? 0 : 2);
	for (size_t i = 0; i < stacked->moment_count; i++) {
		char name[64];
		mr_canvas_text_fit(name, sizeof(name), stacked->moment_names[i], 120, LABEL_SIZE, false);
		const double x = mr_plot_x(plot, stacked->moment_times[i]), right = plot->left + plot->width;
		const double wide = mr_canvas_text_width(name, strlen(name), LABEL_SIZE, false) * 1.15;
		const double left = x + wide > right ? right - wide : x - 2;
		if (left < free_from)
			continue;
		mr_canvas_text(canvas, left, plot->top - 7, style, name);
		free_from = left + wide + (many ? 48 : 10);
	}
}

static void draw_marks(const struct mr_stacked *stacked, const struct mr_plot *plot, struct mr_canvas *canvas)
{
	const double bottom = plot->top + plot->height;
	for (size_t i = 0; i < stacked->mark_count; i++) {
		const double x = mr_plot_x(plot, stacked->mark_times[i]);
		mr_canvas_move_to(canvas, x - 4, bottom);
		mr_canvas_line_to(canvas, x + 4, bottom);
		mr_canvas_line_to(canvas, x, bottom - 7);
		mr_canvas_close(canvas);
	}
	if (stacked->mark_count > 0)
		mr_canvas_fill(canvas, MR_PAINT_INK, 1);
}

static void put_hint(const struct mr_stacked *stacked, struct mr_buffer *text, double from, double to)
{
	char clock[32], size[32];
	mr_buffer_clear(text);
	mr_text_duration(clock, (uint64_t)to);
	mr_buffer_printf(text, "%s", clock);
	for (size_t i = 0; i < stacked->line_count + stacked->area_count; i++) {
		const struct mr_points *points =
			i < stacked->line_count
				? &stacked->lines[i]
				: &stacked->areas[stacked->area_count - 1 - (i - stacked->line_count)];
		const size_t at = mr_plot_last_before(points->x, points->count, to);
		if (at == SIZE_MAX)
			continue;
		mr_text_bytes_short(size, (uint64_t)points->y[at]);
		mr_buffer_printf(text, "\n%s %s", points->name, size);
	}
	const size_t moment = mr_plot_last_before(stacked->moment_times, stacked->moment_count, to);
	if (moment != SIZE_MAX && stacked->moment_times[moment] > from)
		mr_buffer_printf(text, "\nsnapshot %s", stacked->moment_names[moment]);
	const size_t mark = mr_plot_last_before(stacked->mark_times, stacked->mark_count, to);
	if (mark != SIZE_MAX && stacked->mark_times[mark] > from)
		mr_buffer_printf(text, "\nmark %s", stacked->mark_names[mark]);
	mr_buffer_put_u8(text, 0);
}

static void draw_hints(const struct mr_chart *chart, const struct mr_plot *plot, struct mr_canvas *canvas)
{
	const size_t count = in_detail(&chart->of.stacked, chart->width < NARROW ? HINTS_NARROW : HINTS_WIDE);
	const double step = plot->width / (double)count, span = plot->x_high / (double)count;
	struct mr_buffer text = { 0 };
	for (size_t i = 0; i < count; i++) {
		put_hint(&chart->of.stacked, &text, i == 0 ? -1 : (double)i * span, (double)(i + 1) * span);
		if (!text.failed)
			mr_canvas_hint(canvas, plot->left + (double)i * step, plot->top, step, plot->height,
			               (const char *)text.data);
	}
	mr_buffer_release(&text);
}

void mr_stacked_draw(const struct mr_chart *chart, struct mr_canvas *canvas)
{
	const struct mr_stacked *stacked = &chart->of.stacked;
	struct mr_legend_item items[ITEMS_MAX];
	struct mr_plot plot;
	lay_out(chart, &plot);
	mr_legend_draw(canvas, 0, 0, chart->width, items, legend_items(stacked, items));
	mr_plot_y_axis(&plot, canvas, MR_UNIT_BYTES);
	draw_areas(stacked, &plot, canvas);
	for (size_t i = stacked->line_count; i-- > 0;)
		mr_plot_line(&plot, canvas, &stacked->lines[i], i == 0 ? 2 : 1.5, stacked->detail);
	mr_plot_time_axis(&plot, canvas, true);
	draw_moments(stacked, &plot, canvas);
	draw_marks(stacked, &plot, canvas);
	if (stacked->peak_value > 0)
		mr_plot_peak(&plot, canvas, stacked->peak_time, stacked->peak_value, stacked->peak_text, 0.7);
	draw_hints(chart, &plot, canvas);
}
