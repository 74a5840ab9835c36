/* SPDX-License-Identifier: MIT
 *
 * Scales: which round numbers an axis shows and how they are written, which
 * points of a long series are drawn, and the axes themselves.  The choices are
 * pure functions of the range, so that they can be tested on any of them.
 */
#include "chart.h"

#include <float.h>
#include <math.h>

#define SECOND 1e9
#define KIBI 1024.0
#define LABEL_SIZE 11
#define LABEL_GAP 8
#define LINE_POINTS 480 /* of one line */

/* ---- Ticks ------------------------------------------------------------------ */

/* The smallest of 1, 2, 5 times a power of ten that is at least LEAST (above 0). */
static double decimal_step(double least)
{
	const double power = pow(10, floor(log10(least)));
	static const double factors[] = { 1, 2, 5, 10 };
	for (size_t i = 0; i < MR_ARRAY_LEN(factors); i++)
		if (factors[i] * power >= least * (1 - 1e-9))
			return factors[i] * power;
	return 10 * power;
}

/* Steps in bytes are round in the unit that they are shown in: long ones are
 * halves and quarters of the next unit, which an axis with such steps reaches. */
static double bytes_step(double least)
{
	double unit = 1;
	while (least / unit > 512 && unit < 1e18)
		unit *= KIBI;
	const double step = decimal_step(least / unit);
	if (step <= 100)
		return unit == 1 && step < 1 ? 1 : step * unit;
	double halved = KIBI;
	while (halved / 2 >= least / unit * (1 - 1e-9))
		halved /= 2;
	return halved * unit;
}

static double time_step(double least)
{
	static const double steps[] = { 60,   120,   300,   600,   900,   1800,   3600,
		                        7200, 10800, 21600, 43200, 86400, 172800, 604800 };
	if (least <= 30 * SECOND)
		return decimal_step(least) <= 30 * SECOND ? decimal_step(least) : 60 * SECOND;
	for (size_t i = 0; i < MR_ARRAY_LEN(steps); i++)
		if (steps[i] * SECOND >= least)
			return steps[i] * SECOND;
	return decimal_step(least / (86400 * SECOND)) * 86400 * SECOND;
}

static double step_for(double least, enum mr_unit unit)
{
	switch (unit) {
	case MR_UNIT_BYTES:
		return bytes_step(least);
	case MR_UNIT_TIME:
		return time_step(least);
	case MR_UNIT_COUNT:
		break;
	}
	return least <= 1 ? 1 : decimal_step(least);
}

struct mr_ticks mr_ticks_choose(double low, double high, size_t wanted, enum mr_unit unit)
{
	const struct mr_ticks single = { 1, isfinite(low) ? low : 0, 1 };
	wanted = wanted < 2 ? 2 : wanted > MR_TICKS_MAX ? MR_TICKS_MAX : wanted;
	if (!isfinite(low) || !isfinite(high) || !isfinite(high - low) || high <= low)
		return single;
	double step = step_for((high - low) / (double)wanted, unit);
	for (int tries = 0; tries < 6 && isfinite(step); tries++) {
		const double first = ceil(low / step - 1e-9) * step;
		const double span = floor((high - first) / step + 1e-9) + 1;
		/* A step below what doubles can tell apart at this size gives no ticks. */
		if (!(fabs(first) / step < 1e12) || span < 1)
			return single;
		if (span <= (double)wanted)
			return (struct mr_ticks){ step, first == 0 ? 0 : first, (size_t)span };
		step = step_for(step * 1.5, unit);
	}
	return single;
}

double mr_ticks_ceiling(double high, size_t wanted, enum mr_unit unit)
{
	if (!(high > 0) || !isfinite(high))
		return 1;
	wanted = wanted < 2 ? 2 : wanted;
	double step = step_for(high / (double)wanted, unit);
	for (int tries = 0; tries < 6 && ceil(high / step - 1e-9) + 1 > (double)wanted; tries++)
		step = step_for(step * 1.5, unit);
	const double ceiling = ceil(high / step - 1e-9) * step;
	return isfinite(ceiling) ? ceiling : high;
}

/* Digits after the point that tell multiples of STEP apart, in units of UNIT. */
static unsigned decimals_of(double step, double unit)
{
	unsigned decimals = 0;
	for (double scaled = step / unit; decimals < 6 && fabs(scaled - round(scaled)) > 1e-6; scaled *= 10)
		decimals++;
	return decimals;
}

static void bytes_text(char out[40], double value, double step)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	size_t i = 0;
	double unit = 1;
	for (; i + 1 < MR_ARRAY_LEN(names) && fabs(value) >= unit * KIBI && step >= unit; i++)
		unit *= KIBI;
	mr_decimal_text(out, value / unit, decimals_of(step, unit) > 3 ? 3 : decimals_of(step, unit));
	snprintf(out + strlen(out), 40 - strlen(out), " %s", names[i]);
}

static void time_text(char out[40], double value, double step)
{
	static const struct {
		const char *name;
		double unit;
	} units[] = { { "ns", 1 },
		      { "us", 1e3 },
		      { "ms", 1e6 },
		      { "s", SECOND },
		      { "min", 60 * SECOND },
		      { "h", 3600 * SECOND },
		      { "d", 86400 * SECOND } };
	size_t i = 0;
	while (i + 1 < MR_ARRAY_LEN(units) &&
	       (i < 3 ? step * 100 >= units[i + 1].unit && fabs(value) >= units[i + 1].unit
	              : step >= units[i + 1].unit))
		i++;
	const unsigned decimals = decimals_of(step, units[i].unit);
	mr_decimal_text(out, value / units[i].unit, decimals);
	snprintf(out + strlen(out), 40 - strlen(out), " %s", units[i].name);
}

static void count_text(char out[40], double value)
{
	static const char names[] = " kMGT";
	size_t i = 0;
	for (; i + 1 < sizeof(names) - 1 && fabs(value) >= 10000; i++)
		value /= 1000;
	mr_decimal_text(out, value, i > 0 ? 1 : 0);
	if (i > 0)
		snprintf(out + strlen(out), 40 - strlen(out), "%c", names[i]);
}

void mr_tick_text(char out[40], double value, double step, enum mr_unit unit)
{
	if (value == 0) {
		memcpy(out, "0", 2);
		return;
	}
	if (!isfinite(value) || fabs(value) > 1e24 || !(step > 0))
		memcpy(out, "?", 2);
	else if (unit == MR_UNIT_BYTES)
		bytes_text(out, value, step);
	else if (unit == MR_UNIT_TIME)
		time_text(out, value, step);
	else
		count_text(out, value);
}

/* ---- Points ------------------------------------------------------------------ */

static size_t add_index(size_t *indexes, size_t count, size_t index)
{
	if (count > 0 && indexes[count - 1] >= index)
		return count;
	indexes[count] = index;
	return count + 1;
}

size_t mr_points_choose(const double *values, size_t count, size_t max, size_t *indexes)
{
	size_t chosen = 0;
	if (count <= max) {
		for (size_t i = 0; i < count; i++)
			indexes[i] = i;
		return count;
	}
	const size_t groups = max / 4;
	for (size_t group = 0; group < groups; group++) {
		const size_t first = (size_t)((double)count * (double)group / (double)groups);
		const size_t end = group + 1 == groups
		                           ? count
		                           : (size_t)((double)count * (double)(group + 1) / (double)groups);
		size_t low = first, high = first;
		for (size_t i = first; i < end; i++) {
			low = values[i] < values[low] ? i : low;
			high = values[i] > values[high] ? i : high;
		}
		chosen = add_index(indexes, chosen, first);
		chosen = add_index(indexes, chosen, low < high ? low : high);
		chosen = add_index(indexes, chosen, low < high ? high : low);
		chosen = add_index(indexes, chosen, end - 1);
	}
	return chosen;
}

/* ---- Plots ------------------------------------------------------------------- */

double mr_plot_x(const struct mr_plot *plot, double value)
{
	const double span = plot->x_high - plot->x_low;
	double part = span > 0 ? (value - plot->x_low) / span : 0;
	part = part > 0 ? part < 1 ? part : 1 : 0;
	return plot->left + part * plot->width;
}

double mr_plot_y(const struct mr_plot *plot, double value)
{
	double part = plot->y_high > 0 ? value / plot->y_high : 0;
	part = part > 0 ? part < 1 ? part : 1 : 0;
	return plot->top + (1 - part) * plot->height;
}

static size_t y_ticks_wanted(const struct mr_plot *plot)
{
	const double wanted = plot->height / 42;
	return wanted < 4 ? 4 : wanted > 8 ? 8 : (size_t)wanted;
}

void mr_plot_scale(struct mr_plot *plot, double largest, enum mr_unit unit)
{
	const double ceiling = mr_ticks_ceiling(largest, y_ticks_wanted(plot), unit);
	/* A round end, unless it would leave much of the plot empty. */
	plot->y_high = largest > 0 && ceiling > largest * 1.12 ? largest * 1.06 : ceiling;
}

void mr_plot_y_axis(const struct mr_plot *plot, struct mr_canvas *canvas, enum mr_unit unit)
{
	const struct mr_text_style style = { LABEL_SIZE, false, MR_ANCHOR_END, MR_PAINT_MUTED };
	const struct mr_ticks ticks = mr_ticks_choose(0, plot->y_high, y_ticks_wanted(plot), unit);
	for (size_t i = 0; i < ticks.count; i++) {
		char text[40];
		const double value = ticks.first + (double)i * ticks.step;
		const double y = round(mr_plot_y(plot, value)) + 0.5;
		mr_tick_text(text, value, ticks.step, unit);
		mr_canvas_move_to(canvas, plot->left, y);
		mr_canvas_line_to(canvas, plot->left + plot->width, y);
		mr_canvas_text(canvas, plot->left - LABEL_GAP, y + LABEL_SIZE * 0.35, style, text);
	}
	mr_canvas_stroke(canvas, MR_PAINT_GRID, 1, 0);
}

void mr_plot_time_axis(const struct mr_plot *plot, struct mr_canvas *canvas, bool labelled)
{
	const struct mr_text_style style = { LABEL_SIZE, false, MR_ANCHOR_MIDDLE, MR_PAINT_MUTED };
	const double wanted = plot->width / 54;
	const struct mr_ticks ticks = mr_ticks_choose(plot->x_low, plot->x_high,
	                                              wanted < 4    ? 4
	                                              : wanted > 12 ? 12
	                                                            : (size_t)wanted,
	                                              MR_UNIT_TIME);
	const double bottom = plot->top + plot->height;
	mr_canvas_move_to(canvas, plot->left, bottom + 0.5);
	mr_canvas_line_to(canvas, plot->left + plot->width, bottom + 0.5);
	for (size_t i = 0; i < ticks.count; i++) {
		char text[40];
		const double value = ticks.first + (double)i * ticks.step;
		const double x = round(mr_plot_x(plot, value)) + 0.5;
		mr_canvas_move_to(canvas, x, bottom);
		mr_canvas_line_to(canvas, x, bottom + 4);
		if (!labelled)
			continue;
		mr_tick_text(text, value, ticks.step, MR_UNIT_TIME);
		mr_canvas_text(canvas, x, bottom + 4 + LABEL_SIZE + 3, style, text);
	}
	mr_canvas_stroke(canvas, MR_PAINT_MUTED, 1, 0);
}

void mr_plot_line(const struct mr_plot *plot, struct mr_canvas *canvas, const struct mr_points *points,
                  double width, double detail)
{
	size_t indexes[LINE_POINTS];
	const size_t room = plot->width < 500 ? LINE_POINTS / 2 : LINE_POINTS;
	const size_t wanted = detail > 0 ? (size_t)((double)room * detail) : room;
	const size_t count = mr_points_choose(points->y, points->count, wanted < 8 ? 8 : wanted, indexes);
	for (size_t i = 0; i < count; i++) {
		const double x = mr_plot_x(plot, points->x[indexes[i]]),
			     y = mr_plot_y(plot, points->y[indexes[i]]);
		if (i == 0)
			mr_canvas_move_to(canvas, x, y);
		else
			mr_canvas_line_to(canvas, x, y);
	}
	if (count == 1)
		mr_canvas_circle(canvas, mr_plot_x(plot, points->x[0]), mr_plot_y(plot, points->y[0]), 1.5);
	mr_canvas_stroke(canvas, points->paint, width, points->dashed ? 4 : 0);
}

double mr_plot_margin(double high, enum mr_unit unit)
{
	/* As wide as the widest label can be; a page's face may be wider than the table. */
	char text[40];
	double widest = 0;
	const struct mr_ticks ticks = mr_ticks_choose(0, high, 8, unit);
	for (size_t i = 0; i < ticks.count; i++) {
		mr_tick_text(text, ticks.first + (double)i * ticks.step, ticks.step, unit);
		const double width = mr_canvas_text_width(text, strlen(text), LABEL_SIZE, false);
		widest = width > widest ? width : widest;
	}
	return ceil(widest * 1.15) + LABEL_GAP + 2;
}

size_t mr_plot_last_before(const double *times, size_t count, double time)
{
	size_t low = 0, high = count;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (times[middle] <= time)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 ? low - 1 : SIZE_MAX;
}

void mr_plot_peak(const struct mr_plot *plot, struct mr_canvas *canvas, double time, double value,
                  const char *text, double turn)
{
	const double x = mr_plot_x(plot, time), y = mr_plot_y(plot, value);
	const bool on_left = x > plot->left + plot->width * turn;
	const struct mr_text_style style = { LABEL_SIZE, true, on_left ? MR_ANCHOR_END : MR_ANCHOR_START,
		                             MR_PAINT_ALERT };
	mr_canvas_circle(canvas, x, y, 4);
	mr_canvas_fill(canvas, MR_PAINT_SURFACE, 1);
	mr_canvas_circle(canvas, x, y, 3);
	mr_canvas_fill(canvas, MR_PAINT_ALERT, 1);
	mr_canvas_text(canvas, x + (on_left ? -8 : 8), y < plot->top + 12 ? y + 14 : y - 7, style, text);
}
