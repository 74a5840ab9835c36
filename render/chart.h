/* SPDX-License-Identifier: MIT
 *
 * Charts: plain descriptions of what to show, drawn onto any canvas.  A chart
 * borrows all that it points to.  Same description, same bytes.
 *
 * chart_axis.c chooses scales and ticks; one chart_*.c draws one kind of chart.
 */
#ifndef MR_CHART_H
#define MR_CHART_H

#include "canvas.h"

/* ---- Axes (chart_axis.c) -------------------------------------------------- */

enum mr_unit {
	MR_UNIT_COUNT, /* steps of 1, 2, 5 times a power of ten, whole numbers */
	MR_UNIT_BYTES, /* the same in B, KiB, MiB, ... */
	MR_UNIT_TIME,  /* nanoseconds; seconds, minutes, hours, days as people count them */
};

#define MR_TICKS_MAX 16

struct mr_ticks {
	double step;
	double first; /* the smallest multiple of the step in the range */
	size_t count; /* 1..MR_TICKS_MAX */
};

/* Round ticks in [LOW, HIGH], WANTED (2..MR_TICKS_MAX) of them at most.  Any
 * pair of numbers gives a usable answer: a range that is empty, reversed or not
 * finite gives one tick at LOW (or 0). */
struct mr_ticks mr_ticks_choose(double low, double high, size_t wanted, enum mr_unit unit);
/* The end of the axis that shows 0..HIGH: the first tick at or above HIGH; above 0. */
double mr_ticks_ceiling(double high, size_t wanted, enum mr_unit unit);
/* "20 MiB", "1.5 s", "3": VALUE as ticks that are STEP apart are labelled. */
void mr_tick_text(char out[40], double value, double step, enum mr_unit unit);

/* Chooses at most MAX of COUNT points so that the curve looks the same: of each
 * group of neighbours the first, the last, the smallest and the largest.
 * INDEXES (room for MAX, at least 8) rise; gives how many. */
size_t mr_points_choose(const double *values, size_t count, size_t max, size_t *indexes);

/* ---- Series --------------------------------------------------------------- */

struct mr_points {
	const char *name;
	enum mr_paint paint;
	size_t count;
	const double *x; /* rising */
	const double *y;
	bool dashed;
};

/* ---- Charts ---------------------------------------------------------------- */

/* Memory over time: lines (rss, vsz) with the classes stacked in it.  When the
 * classes are small beside the lines they get a panel of their own below. */
struct mr_timeline {
	double time_end_ns;
	double detail; /* of the points that there is room for, the part that is drawn; 0: all */
	size_t line_count;
	const struct mr_points *lines; /* the first is the main one, whose peak is marked */
	size_t moment_count;           /* snapshots */
	const double *moment_times;
	const char *const *moment_names;
	size_t area_count;
	const struct mr_points *areas; /* each with moment_count points, stacked from the first up */
	size_t mark_count;
	const double *mark_times;
	const char *const *mark_names;
};

struct mr_share {
	const char *name;
	double value;
	enum mr_paint paint;
};

/* A ring of shares with the whole in its middle. */
struct mr_donut {
	size_t count;
	const struct mr_share *shares;
	const char *middle;       /* "12.3 MiB" */
	const char *middle_below; /* "in 1,234 objects" */
};

/* One or more steps or lines over time. */
struct mr_curve {
	double time_end_ns;
	enum mr_unit unit;
	bool filled;
	size_t line_count;
	const struct mr_points *lines;
};

struct mr_bin {
	double low, high; /* of the measured value */
	double count;
};

struct mr_histogram {
	enum mr_unit unit; /* of the measured value */
	enum mr_paint paint;
	size_t count;
	const struct mr_bin *bins;
	enum mr_unit count_unit; /* of what is counted; 0: things */
};

struct mr_life {
	const char *name;
	double birth_ns;
	double death_ns; /* the chart's end when alive */
	bool alive;      /* at the end */
	enum mr_paint paint;
	const char *text; /* what the hint says */
};

/* Bars from birth to death. */
struct mr_lives {
	double time_end_ns;
	size_t count;
	const struct mr_life *lives;
};

/* What makes up the whole over time: areas stacked under a line, moments and
 * a high point marked.  Unlike in a timeline, areas have times of their own. */
struct mr_stacked {
	double time_end_ns;
	size_t line_count;
	const struct mr_points *lines;
	size_t area_count;
	const struct mr_points *areas; /* of as many points at the same times; stacked from the first up */
	size_t moment_count;
	const double *moment_times;
	const char *const *moment_names;
	size_t mark_count;
	const double *mark_times;
	const char *const *mark_names;
	double peak_time, peak_value; /* marked where the value is above 0 */
	const char *peak_text;
	bool low;      /* less high than usual */
	double detail; /* as in struct mr_timeline */
};

struct mr_flame_box {
	double from, to; /* parts of the width */
	uint32_t row;    /* 0: on top */
	bool quiet;      /* a remainder */
	enum mr_paint paint;
	const char *label;
	const char *text; /* what the hint says */
};

/* Boxes below the ones that they are part of. */
struct mr_flame_graph {
	size_t count;
	const struct mr_flame_box *boxes;
};

enum mr_graph_mark { /* as enum memreport_node_flag */
	             MR_GRAPH_CYCLE = 1,
	             MR_GRAPH_ROOT = 2,
	             MR_GRAPH_SUBJECT = 4,
};

struct mr_graph_box {
	const char *label, *below; /* two lines; BELOW may be "" */
	const char *text;          /* what the hint says */
	enum mr_paint paint;
	double shade;   /* 0..1, by size */
	unsigned marks; /* enum mr_graph_mark */
};

struct mr_graph_line {
	uint32_t from, to; /* boxes */
	const char *label; /* "" for none; shown where there is room */
	uint64_t count;    /* the more, the thicker */
};

struct mr_layout; /* graph_layout.h */

/* What refers to what.  Drawn smaller where it is wider than the chart, for surfaces other than SVG only:
 * there the chart has to be as wide as mr_graph_width() says. */
struct mr_graph {
	size_t box_count, line_count;
	const struct mr_graph_box *boxes;
	const struct mr_graph_line *lines; /* no two with the same ends */
	const struct mr_layout *layout;    /* by mr_graph_lay_out() */
};

enum mr_chart_kind {
	MR_CHART_TIMELINE,
	MR_CHART_DONUT,
	MR_CHART_CURVE,
	MR_CHART_HISTOGRAM,
	MR_CHART_LIVES,
	MR_CHART_STACKED,
	MR_CHART_FLAME,
	MR_CHART_GRAPH,
};

struct mr_chart {
	enum mr_chart_kind kind;
	double width, height; /* HEIGHT 0: what mr_chart_height() says */
	const char *title;
	const char *description;
	union {
		struct mr_timeline timeline;
		struct mr_donut donut;
		struct mr_curve curve;
		struct mr_histogram histogram;
		struct mr_lives lives;
		struct mr_stacked stacked;
		struct mr_flame_graph flame;
		struct mr_graph graph;
	} of;
};

double mr_chart_height(const struct mr_chart *chart);
/* Draws at the origin, within WIDTH and mr_chart_height(). */
void mr_chart_draw(const struct mr_chart *chart, struct mr_canvas *canvas);
/* A canvas of the chart's size with the chart on it, unfinished; NULL when there is no memory. */
struct mr_canvas *mr_chart_canvas(const struct mr_chart *chart, enum mr_canvas_target target);

/* Where the boxes of a graph go: from top to bottom or from left to right, whichever a page has room for.
 * Freed with mr_layout_release(). */
int mr_graph_lay_out(const struct mr_graph *graph, struct mr_layout *layout, struct mr_error *err)
	MR_MUST_CHECK;
double mr_graph_width(const struct mr_graph *graph);

/* ---- Private to chart_*.c -------------------------------------------------- */

/* The rectangle that data is drawn in, and what its edges stand for. */
struct mr_plot {
	double left, top, width, height;
	double x_low, x_high, y_high; /* y from 0 */
};

double mr_plot_x(const struct mr_plot *plot, double value);
double mr_plot_y(const struct mr_plot *plot, double value);
/* Sets Y_HIGH, the end of the axis, for values up to LARGEST. */
void mr_plot_scale(struct mr_plot *plot, double largest, enum mr_unit unit);
/* Grid, ticks and their labels; the time axis has its labels below when LABELLED. */
void mr_plot_y_axis(const struct mr_plot *plot, struct mr_canvas *canvas, enum mr_unit unit);
void mr_plot_time_axis(const struct mr_plot *plot, struct mr_canvas *canvas, bool labelled);
/* DETAIL as in struct mr_timeline. */
void mr_plot_line(const struct mr_plot *plot, struct mr_canvas *canvas, const struct mr_points *points,
                  double width, double detail);
/* Room for the labels of an axis up to HIGH. */
double mr_plot_margin(double high, enum mr_unit unit);

/* The last of COUNT rising times at or before TIME; SIZE_MAX when all are later. */
size_t mr_plot_last_before(const double *times, size_t count, double time);
/* Marks the highest VALUE with TEXT, which stands to the left where that is beyond the part TURN of the
 * width. */
void mr_plot_peak(const struct mr_plot *plot, struct mr_canvas *canvas, double time, double value,
                  const char *text, double turn);

struct mr_legend_item {
	const char *name;
	enum mr_paint paint;
	bool line;
};

/* Rows of items in WIDTH; gives the height. With CANVAS NULL it only measures. */
double mr_legend_draw(struct mr_canvas *canvas, double x, double y, double width,
                      const struct mr_legend_item *items, size_t count);

double mr_timeline_height(const struct mr_chart *chart);
void mr_timeline_draw(const struct mr_chart *chart, struct mr_canvas *canvas);
double mr_donut_height(const struct mr_chart *chart);
void mr_donut_draw(const struct mr_chart *chart, struct mr_canvas *canvas);
double mr_curve_height(const struct mr_chart *chart);
void mr_curve_draw(const struct mr_chart *chart, struct mr_canvas *canvas);
double mr_histogram_height(const struct mr_chart *chart);
void mr_histogram_draw(const struct mr_chart *chart, struct mr_canvas *canvas);
double mr_lives_height(const struct mr_chart *chart);
void mr_lives_draw(const struct mr_chart *chart, struct mr_canvas *canvas);
double mr_stacked_height(const struct mr_chart *chart);
void mr_stacked_draw(const struct mr_chart *chart, struct mr_canvas *canvas);
double mr_flame_graph_height(const struct mr_chart *chart);
void mr_flame_graph_draw(const struct mr_chart *chart, struct mr_canvas *canvas);
double mr_graph_height(const struct mr_chart *chart);
void mr_graph_draw(const struct mr_chart *chart, struct mr_canvas *canvas);

#endif
