/* SPDX-License-Identifier: MIT
 *
 * Memory over time: what the process held as lines, what the tracked classes
 * held as areas stacked in it, with snapshots, marks and the peak.  Classes
 * that would be a thin strip below the lines are shown in a panel of their own,
 * on the same time axis.
 */
#include "chart.h"

#include <math.h>

#define NARROW 500 /* charts below this width are for phones */
#define MAIN_HEIGHT 270
#define NARROW_HEIGHT 200
#define DETAIL_HEIGHT 150
#define PANEL_GAP 34   /* between panels: the title of the second */
#define MOMENTS_ROW 32 /* two lines of names of snapshots above the plot */
#define AXIS_ROW 24
#define LEGEND_SPACE 10
#define SMALL_SHARE 0.25 /* of the lines' height that areas need to be shown with them */
#define HINTS_WIDE 120
#define HINTS_NARROW 48
#define STACK_MAX 32     /* areas that are drawn */
#define MOMENTS_MAX 240  /* points of an area */
#define MOMENTS_NAMED 60 /* snapshots beyond which only some are named, and none has a line */
#define MOMENTS_SMALL 60 /* where areas are small beside the lines */
#define HINT_AREAS 5     /* classes that a hint lists */

struct frame {
	const struct mr_timeline *timeline;
	struct mr_canvas *canvas;
	double width;
	struct mr_plot lines; /* the panel with the lines */
	struct mr_plot areas; /* the same one, or the panel below */
	bool split;
	double moments_y; /* baseline of the names of snapshots */
};

static double largest_of(const struct mr_points *points)
{
	double largest = 0;
	for (size_t i = 0; i < points->count; i++)
		largest = points->y[i] > largest ? points->y[i] : largest;
	return largest;
}

static size_t area_count_of(const struct mr_timeline *timeline)
{
	return timeline->area_count < STACK_MAX ? timeline->area_count : STACK_MAX;
}

static double stack_at(const struct mr_timeline *timeline, size_t moment)
{
	double sum = 0;
	for (size_t i = 0; i < area_count_of(timeline); i++)
		sum += timeline->areas[i].y[moment];
	return sum;
}

static double largest_stack(const struct mr_timeline *timeline)
{
	double largest = 0;
	for (size_t i = 0; i < timeline->moment_count; i++)
		largest = stack_at(timeline, i) > largest ? stack_at(timeline, i) : largest;
	return largest;
}

static double largest_line(const struct mr_timeline *timeline)
{
	double largest = 0;
	for (size_t i = 0; i < timeline->line_count; i++) {
		const double of_line = largest_of(&timeline->lines[i]);
		largest = of_line > largest ? of_line : largest;
	}
	return largest;
}

/* The lines' names, then the classes'. */
static size_t legend_items(const struct mr_timeline *timeline, struct mr_legend_item items[2 * STACK_MAX])
{
	size_t count = 0;
	for (size_t i = 0; i < timeline->line_count && count < STACK_MAX; i++)
		items[count++] =
			(struct mr_legend_item){ timeline->lines[i].name, timeline->lines[i].paint, true };
	for (size_t i = area_count_of(timeline); i-- > 0;)
		items[count++] =
			(struct mr_legend_item){ timeline->areas[i].name, timeline->areas[i].paint, false };
	return count;
}

/* Lays the panels out; gives the whole height. */
static double lay_out(const struct mr_chart *chart, struct frame *frame)
{
	const struct mr_timeline *timeline = &chart->of.timeline;
	struct mr_legend_item items[2 * STACK_MAX];
	const double line_high = largest_line(timeline), stack_high = largest_stack(timeline);
	frame->timeline = timeline;
	frame->width = chart->width;
	frame->split = line_high > 0 && stack_high > 0 && stack_high < line_high * SMALL_SHARE;
	const double high = frame->split || line_high > stack_high ? line_high : stack_high;
	const double top =
		mr_legend_draw(NULL, 0, 0, chart->width, items, legend_items(timeline, items)) + LEGEND_SPACE;
	const double margin_lines = mr_plot_margin(high, MR_UNIT_BYTES);
	const double margin_areas = mr_plot_margin(stack_high, MR_UNIT_BYTES);
	const double margin = margin_lines > margin_areas ? margin_lines : margin_areas;
	const double height = chart->width < NARROW ? NARROW_HEIGHT : MAIN_HEIGHT;

	frame->moments_y = top + MOMENTS_ROW - 20;
	frame->lines = (struct mr_plot){ .left = margin,
		                         .top = top + MOMENTS_ROW,
		                         .width = chart->width - margin - 8,
		                         .height = height,
		                         .x_high = timeline->time_end_ns > 0 ? timeline->time_end_ns : 1 };
	mr_plot_scale(&frame->lines, high * 1.06, MR_UNIT_BYTES);
	frame->areas = frame->lines;
	if (frame->split) {
		frame->areas.top += height + PANEL_GAP;
		frame->areas.height = DETAIL_HEIGHT;
		mr_plot_scale(&frame->areas, stack_high * 1.02, MR_UNIT_BYTES);
	}
	return frame->areas.top + frame->areas.height + AXIS_ROW;
}

double mr_timeline_height(const struct mr_chart *chart)
{
	struct frame frame = { 0 };
	return lay_out(chart, &frame);
}

/* ---- Drawing ------------------------------------------------------------------ */

/* One snapshot alone has no extent in time: it is shown as a bar. */
static void draw_single(const struct frame *frame)
{
	const double x = mr_plot_x(&frame->areas, frame->timeline->moment_times[0]);
	double base = 0;
	for (size_t i = 0; i < area_count_of(frame->timeline); i++) {
		const struct mr_points *area = &frame->timeline->areas[i];
		const double low = mr_plot_y(&frame->areas, base),
			     high = mr_plot_y(&frame->areas, base + area->y[0]);
		mr_canvas_rectangle(frame->canvas, x - 4, high, 8, low - high);
		mr_canvas_fill(frame->canvas, area->paint, 1);
		base += area->y[0];
	}
}

/* How many of COUNT points or strips are drawn. */
static size_t in_detail(const struct mr_timeline *timeline, size_t count)
{
	const size_t wanted = timeline->detail > 0 ? (size_t)((double)count * timeline->detail) : count;
	return wanted < 8 ? 8 : wanted;
}

/* Which snapshots are drawn: all that the width can show, or an even choice with the largest one. */
static size_t choose_moments(const struct mr_timeline *timeline, size_t max, size_t chosen[MOMENTS_MAX])
{
	const size_t total = timeline->moment_count, count = total < max ? total : max;
	size_t largest = 0;
	for (size_t i = 0; i < total; i++)
		largest = stack_at(timeline, i) > stack_at(timeline, largest) ? i : largest;
	for (size_t i = 0; i < count; i++)
		chosen[i] = total <= max
		                    ? i
		                    : (size_t)((double)i * (double)(total - 1) / (double)(count - 1) + 0.5);
	for (size_t i = 1; total > max && i < count; i++)
		if (chosen[i] > largest) {
			chosen[i - 1] = largest;
			break;
		}
	return count;
}

/* From the whole stack down to its lowest part, each over the one before: no
 * edge is drawn twice, and no seam shows what is behind. */
static void draw_areas(const struct frame *frame, size_t max)
{
	const struct mr_timeline *timeline = frame->timeline;
	const struct mr_plot *plot = &frame->areas;
	size_t chosen[MOMENTS_MAX];
	double totals[MOMENTS_MAX] = { 0 };

	if (timeline->moment_count == 1)
		draw_single(frame);
	if (timeline->moment_count < 2)
		return;
	const size_t count = choose_moments(timeline, in_detail(timeline, max), chosen);
	for (size_t i = 0; i < count; i++)
		totals[i] = stack_at(timeline, chosen[i]);
	for (size_t a = area_count_of(timeline); a-- > 0;) {
		const struct mr_points *area = &timeline->areas[a];
		mr_canvas_move_to(frame->canvas, mr_plot_x(plot, area->x[chosen[0]]), mr_plot_y(plot, 0));
		for (size_t i = 0; i < count; i++) {
			mr_canvas_line_to(frame->canvas, mr_plot_x(plot, area->x[chosen[i]]),
			                  mr_plot_y(plot, totals[i]));
			totals[i] -= area->y[chosen[i]];
		}
		mr_canvas_line_to(frame->canvas, mr_plot_x(plot, area->x[chosen[count - 1]]),
		                  mr_plot_y(plot, 0));
		mr_canvas_close(frame->canvas);
		mr_canvas_fill(frame->canvas, area->paint, 1);
	}
}

static void draw_moments(const struct frame *frame)
{
	const struct mr_timeline *timeline = frame->timeline;
	const struct mr_text_style style = { 11, false, MR_ANCHOR_START, MR_PAINT_ACCENT };
	const double bottom = frame->areas.top + frame->areas.height;
	const double right = frame->lines.left + frame->lines.width;
	const size_t step = timeline->moment_count / 200 + 1;
	const bool many = timeline->moment_count > MOMENTS_NAMED;
	double free_from[2] = { 0, 0 };
	for (size_t i = 0; i < timeline->moment_count; i += step) {
		const double x = round(mr_plot_x(&frame->lines, timeline->moment_times[i])) + 0.5;
		mr_canvas_move_to(frame->canvas, x, frame->lines.top - 4);
		mr_canvas_line_to(frame->canvas, x, !many ? bottom : frame->lines.top + 2);
	}
	mr_canvas_stroke(frame->canvas, MR_PAINT_ACCENT, 1, many ? 0 : 2);
	for (size_t i = 0; i < timeline->moment_count; i++) {
		char name[64];
		const double x = mr_plot_x(&frame->lines, timeline->moment_times[i]);
		mr_canvas_text_fit(name, sizeof(name), timeline->moment_names[i], 120, 11, false);
		const double width = mr_canvas_text_width(name, strlen(name), 11, false) * 1.15;
		const double left = x + width > right ? right - width : x - 2;
		/* The line next to the plot, else the one above it, else none. */
		const int row = left >= free_from[0] ? 0 : left >= free_from[1] && !many ? 1 : -1;
		if (row < 0)
			continue;
		mr_canvas_text(frame->canvas, left, frame->moments_y + (row == 0 ? 14 : 0), style, name);
		free_from[row] = left + width + (many ? 48 : 8);
	}
}

static void draw_marks(const struct frame *frame)
{
	const struct mr_timeline *timeline = frame->timeline;
	const double bottom = frame->areas.top + frame->areas.height;
	const size_t step = timeline->mark_count / 200 + 1;
	for (size_t i = 0; i < timeline->mark_count; i += step) {
		const double x = mr_plot_x(&frame->lines, timeline->mark_times[i]);
		mr_canvas_move_to(frame->canvas, x - 4, bottom);
		mr_canvas_line_to(frame->canvas, x + 4, bottom);
		mr_canvas_line_to(frame->canvas, x, bottom - 7);
		mr_canvas_close(frame->canvas);
	}
	if (timeline->mark_count > 0)
		mr_canvas_fill(frame->canvas, MR_PAINT_INK, 1);
}

/* The highest point of the main line, or of the stack when there is no line. */
static void draw_peak(const struct frame *frame)
{
	const struct mr_timeline *timeline = frame->timeline;
	double time = 0, value = 0;
	if (timeline->line_count > 0) {
		const struct mr_points *line = &timeline->lines[0];
		for (size_t i = 0; i < line->count; i++)
			if (line->y[i] > value) {
				value = line->y[i];
				time = line->x[i];
			}
	} else {
		for (size_t i = 0; i < timeline->moment_count; i++)
			if (stack_at(timeline, i) > value) {
				value = stack_at(timeline, i);
				time = timeline->moment_times[i];
			}
	}
	if (value <= 0)
		return;
	char size[32], text[64];
	mr_text_bytes_short(size, (uint64_t)value);
	snprintf(text, sizeof(text), "peak %s", size);
	mr_plot_peak(&frame->lines, frame->canvas, time, value, text, 0.75);
}

/* ---- Hints --------------------------------------------------------------------- */

static void put_size(struct mr_buffer *text, const char *name, double value)
{
	char size[32], shown[64];
	mr_text_bytes_short(size, (uint64_t)value);
	mr_canvas_text_fit(shown, sizeof(shown), name, 220, 11, false);
	mr_buffer_printf(text, "\n%s %s", shown, size);
}

static void put_hint(const struct frame *frame, struct mr_buffer *text, double from, double to)
{
	const struct mr_timeline *timeline = frame->timeline;
	char clock[32];
	mr_buffer_clear(text);
	mr_text_duration(clock, (uint64_t)to);
	mr_buffer_printf(text, "%s", clock);
	for (size_t i = 0; i < timeline->line_count; i++) {
		const struct mr_points *line = &timeline->lines[i];
		const size_t at = mr_plot_last_before(line->x, line->count, to);
		if (at != SIZE_MAX)
			put_size(text, line->name, line->y[at]);
	}
	const size_t moment = mr_plot_last_before(timeline->moment_times, timeline->moment_count, to);
	if (moment != SIZE_MAX && timeline->moment_times[moment] > from) {
		mr_buffer_printf(text, "\nsnapshot %s", timeline->moment_names[moment]);
		put_size(text, "tracked", stack_at(timeline, moment));
		for (size_t i = 0; i < area_count_of(timeline) && i < HINT_AREAS; i++)
			if (timeline->areas[i].y[moment] > 0)
				put_size(text, timeline->areas[i].name, timeline->areas[i].y[moment]);
	}
	const size_t mark = mr_plot_last_before(timeline->mark_times, timeline->mark_count, to);
	if (mark != SIZE_MAX && timeline->mark_times[mark] > from)
		mr_buffer_printf(text, "\nmark %s", timeline->mark_names[mark]);
	mr_buffer_put_u8(text, 0);
}

static void draw_hints(const struct frame *frame)
{
	const struct mr_plot *plot = &frame->lines;
	const size_t count = in_detail(frame->timeline, frame->width < NARROW ? HINTS_NARROW : HINTS_WIDE);
	const double step = plot->width / (double)count, span = plot->x_high / (double)count;
	const double height = frame->areas.top + frame->areas.height - plot->top;
	struct mr_buffer text = { 0 };
	for (size_t i = 0; i < count; i++) {
		/* A strip speaks of what came since the one before; the first also of time 0. */
		put_hint(frame, &text, i == 0 ? -1 : (double)i * span, (double)(i + 1) * span);
		if (!text.failed)
			mr_canvas_hint(frame->canvas, plot->left + (double)i * step, plot->top, step, height,
			               (const char *)text.data);
	}
	mr_buffer_release(&text);
}

void mr_timeline_draw(const struct mr_chart *chart, struct mr_canvas *canvas)
{
	struct frame frame = { .canvas = canvas };
	struct mr_legend_item items[2 * STACK_MAX];
	lay_out(chart, &frame);
	mr_legend_draw(canvas, 0, 0, chart->width, items, legend_items(&chart->of.timeline, items));
	mr_plot_y_axis(&frame.lines, canvas, MR_UNIT_BYTES);
	if (frame.split) {
		const struct mr_text_style style = { 11, true, MR_ANCHOR_START, MR_PAINT_MUTED };
		mr_plot_y_axis(&frame.areas, canvas, MR_UNIT_BYTES);
		mr_canvas_text(canvas, frame.areas.left, frame.areas.top - 8, style, "objects, enlarged");
		mr_plot_time_axis(&frame.lines, canvas, false);
	}
	draw_areas(&frame, frame.width < NARROW ? MOMENTS_MAX / 2 : MOMENTS_MAX);
	if (frame.split) {
		/* In their true proportion as well, so that the enlargement cannot mislead. */
		struct frame small = frame;
		small.areas = frame.lines;
		draw_areas(&small, MOMENTS_SMALL);
	}
	for (size_t i = chart->of.timeline.line_count; i-- > 0;)
		mr_plot_line(&frame.lines, canvas, &chart->of.timeline.lines[i], i == 0 ? 2 : 1.25,
		             chart->of.timeline.detail);
	mr_plot_time_axis(&frame.areas, canvas, true);
	draw_moments(&frame);
	draw_marks(&frame);
	draw_peak(&frame);
	draw_hints(&frame);
}
