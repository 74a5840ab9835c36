/* SPDX-License-Identifier: MIT
 *
 * Single drawings: a chart of the report as a file of its own, with its title, its
 * background and, where the page has a table beside it, a legend.
 */
#include "report.h"

#include "html_svg.h"
#include "section.h"

#include <errno.h>
#include <inttypes.h>

#define MARGIN 16
#define TITLE_ROW 28
#define TITLE_SIZE 15
#define LEGEND_GAP 12
#define CURVE_POINTS 400
#define NAME_COLUMNS 60

/* A page that is not shown holds what the chart borrows. */
struct drawing {
	const struct memreport *report;
	struct mr_page *page;
	struct mr_view view;
	const struct mr_chart *chart;
	struct mr_legend_item legend[MR_PAINT_SERIES_COUNT + 1];
	size_t legend_count;
};

/* The chart that NAME stands for in the page's own scope; NULL: none. */
static const struct mr_chart *chart_of(const struct drawing *drawing, const char *name)
{
	struct mr_value value;

	if (!mr_scope_find(mr_page_root(drawing->page), name, strlen(name), &value) ||
	    value.kind != MR_VALUE_CHART)
		return NULL;
	return value.chart;
}

/* ---- The timeline ------------------------------------------------------------------------- */

static int find_timeline(struct drawing *drawing, struct mr_error *err)
{
	const struct mr_report_data *data = &drawing->report->data;
	const struct mr_report_run *found = NULL;

	for (size_t i = 0; i < data->run_count; i++) {
		const struct mr_report_run *run = &data->runs[i];

		/* Samples alone do where no run has snapshots. */
		if (run->snapshot_count > 0 ? !found || found->snapshot_count == 0
		                            : (run->samples.count > 0 || run->heap) && !found)
			found = run;
	}
	MR_FAIL_IF(!found, err, MR_ERR_FORMAT, "the log holds nothing to draw: no snapshot and no sample");
	drawing->view.run = found;
	MR_TRY(mr_section_memory(&drawing->view, mr_page_root(drawing->page), err));
	MR_TRY(mr_section_timeline(&drawing->view, mr_page_root(drawing->page), err));
	static const char *const names[] = { "timeline_wide", "account_wide", "live_wide" };

	for (size_t i = 0; i < MR_ARRAY_LEN(names) && !drawing->chart; i++)
		drawing->chart = chart_of(drawing, names[i]);
	return 0;
}

/* ---- A snapshot ----------------------------------------------------------------------------- */

static const struct mr_report_snapshot *find_snapshot(struct drawing *drawing, size_t row)
{
	const struct mr_report_data *data = &drawing->report->data;

	for (uint64_t id = 1; id <= data->run_count; id++) {
		const struct mr_report_run *run = mr_report_run_find(data, id);

		if (run && row < run->snapshot_count) {
			drawing->view.run = run;
			return &run->snapshots[row];
		}
		row -= run ? run->snapshot_count : 0;
	}
	return NULL;
}

static int find_shares(struct drawing *drawing, size_t row, struct mr_error *err)
{
	const struct mr_report_snapshot *snapshot = find_snapshot(drawing, row);

	MR_FAIL_IF(!snapshot, err, MR_ERR_ARG, "the log has no snapshot in row %zu", row);
	MR_TRY(mr_section_breakdown(&drawing->view, mr_page_root(drawing->page), snapshot, err));
	const struct mr_chart *donut = chart_of(drawing, "donut");
	struct mr_chart *chart = mr_page_alloc(drawing->page, sizeof(*chart));
	char title[256];

	if (!donut || !chart)
		return 0; /* no memory shows in the page's status */
	*chart = *donut;
	snprintf(title, sizeof(title), "Classes at %s",
	         mr_section_snapshot_name(mr_page_root(drawing->page), snapshot));
	chart->title = mr_section_name(mr_page_root(drawing->page), title, NAME_COLUMNS);
	drawing->chart = chart;
	for (size_t i = 0; i < chart->of.donut.count; i++) {
		const struct mr_share *share = &chart->of.donut.shares[i];

		drawing->legend[drawing->legend_count++] =
			(struct mr_legend_item){ share->name, share->paint, false };
	}
	return 0;
}

/* ---- The instances of a class ------------------------------------------------------------------ */

struct instances {
	double times[CURVE_POINTS];
	double counts[CURVE_POINTS];
	struct mr_points points;
};

/* The first point at or after TIME. */
static size_t point_at(const struct instances *instances, double end_ns, uint64_t time_ns)
{
	size_t at = end_ns > 0 ? (size_t)((double)time_ns / end_ns * (CURVE_POINTS - 1)) : 0;

	while (at < CURVE_POINTS && instances->times[at] < (double)time_ns)
		at++;
	return at;
}

/* Counts the instances of NAME in the run at each point; gives how many there ever were. */
static uint64_t count_instances(const struct drawing *drawing, struct instances *instances, const char *name,
                                double end_ns)
{
	const struct memstats_table *table = drawing->report->data.tables[MR_REPORT_OBJECTS];
	const int runs = mr_report_rows_column(table, "run"), classes = mr_report_rows_column(table, "class"),
		  births = mr_report_rows_column(table, "birth"),
		  deaths = mr_report_rows_column(table, "death");
	uint64_t total = 0;

	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		if (mr_report_rows_number(table, row, runs) != drawing->view.run->id ||
		    strcmp(mr_report_rows_text(table, row, classes), name) != 0)
			continue;
		const size_t birth = point_at(instances, end_ns, mr_report_rows_number(table, row, births));
		const uint64_t death_ns = mr_report_rows_number(table, row, deaths);
		const size_t death =
			death_ns == MR_NO_VALUE ? CURVE_POINTS : point_at(instances, end_ns, death_ns);

		total++;
		if (birth < CURVE_POINTS)
			instances->counts[birth]++;
		if (death < CURVE_POINTS)
			instances->counts[death]--;
	}
	for (size_t i = 1; i < CURVE_POINTS; i++)
		instances->counts[i] += instances->counts[i - 1];
	return total;
}

static int find_instances(struct drawing *drawing, const char *name, struct mr_error *err)
{
	const struct mr_report_data *data = &drawing->report->data;
	struct mr_scope *scope = mr_page_root(drawing->page);
	struct mr_chart *chart = mr_section_chart(scope, MR_CHART_CURVE, MR_CHART_HALF);
	struct instances *instances = mr_page_alloc(drawing->page, sizeof(*instances));
	uint64_t total = 0;
	double end_ns = 0;

	MR_FAIL_IF(!chart || !instances, err, MR_ERR_NOMEM, "no memory for a drawing");
	for (size_t i = 0; i < data->run_count && total == 0 && data->tables[MR_REPORT_OBJECTS]; i++) {
		drawing->view.run = &data->runs[i];
		end_ns = (double)data->runs[i].duration_ns;
		for (size_t k = 0; k < CURVE_POINTS; k++)
			instances->times[k] = end_ns * (double)k / (CURVE_POINTS - 1);
		total = count_instances(drawing, instances, name, end_ns);
	}
	MR_FAIL_IF(total == 0, err, MR_ERR_ARG, "the log has no object of a class '%.200s'", name);
	const enum mr_paint paint = mr_report_paint(data, name);

	instances->points = (struct mr_points){ "instances",       paint, CURVE_POINTS, instances->times,
		                                instances->counts, false };
	chart->of.curve = (struct mr_curve){ end_ns, MR_UNIT_COUNT, true, 1, &instances->points };
	char title[256];

	snprintf(title, sizeof(title), "Instances of %.200s", name);
	chart->title = mr_section_name(scope, title, NAME_COLUMNS);
	chart->description = mr_section_plural(scope, total, "instance in all", "instances in all");
	drawing->chart = chart;
	return 0;
}

/* ---- The file ------------------------------------------------------------------------------------- */

static struct mr_canvas *paint(const struct mr_chart *chart, const struct mr_legend_item *legend,
                               size_t legend_count, enum mr_canvas_target target)
{
	const struct mr_text_style style = { TITLE_SIZE, true, MR_ANCHOR_START, MR_PAINT_INK };
	const double chart_height = mr_chart_height(chart);
	const double legend_height = mr_legend_draw(NULL, 0, 0, chart->width, legend, legend_count);
	const double height =
		2 * MARGIN + TITLE_ROW + chart_height + (legend_count > 0 ? LEGEND_GAP + legend_height : 0);
	struct mr_canvas *canvas = mr_canvas_new(target, chart->width + 2 * MARGIN, height);
	char title[256];

	if (!canvas)
		return NULL;
	mr_canvas_describe(canvas, chart->title, chart->description);
	mr_canvas_rectangle(canvas, 0, 0, chart->width + 2 * MARGIN, height);
	mr_canvas_fill(canvas, MR_PAINT_SURFACE, 1);
	mr_canvas_text_fit(title, sizeof(title), chart->title, chart->width, TITLE_SIZE, true);
	mr_canvas_text(canvas, MARGIN, MARGIN + TITLE_SIZE, style, title);
	mr_canvas_push(canvas, MARGIN, MARGIN + TITLE_ROW, 1);
	mr_chart_draw(chart, canvas);
	mr_legend_draw(canvas, 0, chart_height + LEGEND_GAP, chart->width, legend, legend_count);
	mr_canvas_pop(canvas);
	return canvas;
}

static void put_colors(struct mr_buffer *out, bool dark)
{
	mr_buffer_printf(out, "svg{");
	for (size_t i = 0; i < MR_PAINT_COUNT; i++)
		if (mr_palette[i].name)
			mr_buffer_printf(out, "--%s:#%06" PRIx32 ";", mr_palette[i].name,
			                 dark ? mr_palette[i].dark : mr_palette[i].light);
}

/* A page's svg element stands alone once it has its namespace, and the colours that the page gives. */
static int finish_svg(struct mr_canvas *canvas, struct mr_buffer *out, struct mr_error *err)
{
	static const char start[] = "<svg";
	struct mr_buffer element = { 0 };
	int status = mr_html_svg(canvas, "drawing", &element, err);

	if (status == 0) {
		const char *text = (const char *)element.data + strlen(start);
		const size_t tag =
			(size_t)((const char *)memchr(text, '>', element.len - strlen(start)) - text) + 1;

		mr_buffer_printf(out, "%s xmlns=\"http://www.w3.org/2000/svg\"", start);
		mr_buffer_append(out, text, tag);
		mr_buffer_printf(out, "<style>");
		put_colors(out, false);
		mr_buffer_printf(out, "font-family:sans-serif}@media(prefers-color-scheme:dark){");
		put_colors(out, true);
		mr_buffer_printf(out, "}}</style>");
		mr_buffer_append(out, text + tag, element.len - strlen(start) - tag);
		status = mr_buffer_status(out, err);
	}
	mr_buffer_release(&element);
	return status;
}

int mr_drawing_finish(const struct mr_chart *chart, const struct mr_legend_item *legend, size_t legend_count,
                      enum memreport_format format, struct mr_buffer *out, struct mr_error *err)
{
	const enum mr_canvas_target target = format == MEMREPORT_PNG   ? MR_CANVAS_PNG
	                                     : format == MEMREPORT_PDF ? MR_CANVAS_PDF
	                                     : format == MEMREPORT_PS  ? MR_CANVAS_PS
	                                     : format == MEMREPORT_EPS ? MR_CANVAS_EPS
	                                                               : MR_CANVAS_SVG;
	struct mr_canvas *canvas = paint(chart, legend, legend_count, target);
	int status = canvas ? 0 : mr_fail(err, MR_ERR_NOMEM, "no memory for a drawing");

	if (status == 0)
		status = format == MEMREPORT_SVG ? finish_svg(canvas, out, err)
		                                 : mr_canvas_finish(canvas, out, err);
	mr_canvas_free(canvas);
	return status;
}

static int draw(const struct memreport *report, const struct memreport_drawing *what,
                enum memreport_format format, struct mr_buffer *out, struct mr_error *err)
{
	struct drawing drawing = {
		.report = report,
		.page = mr_page_new(),
		.view = { .data = &report->data, .limit = report->limit, .run_limit = report->run_limit }
	};
	int status = drawing.page ? 0 : mr_fail(err, MR_ERR_NOMEM, "no memory for a drawing");

	if (status == 0)
		status = what->chart == MEMREPORT_CHART_SNAPSHOT
		                 ? find_shares(&drawing, what->snapshot_row, err)
		         : what->chart == MEMREPORT_CHART_CLASS
		                 ? find_instances(&drawing, what->class_name, err)
		                 : find_timeline(&drawing, err);
	if (status == 0)
		status = mr_page_status(drawing.page, err);
	if (status == 0 && !drawing.chart)
		status = mr_fail(err, MR_ERR_FORMAT, "the log holds nothing to draw");
	if (status == 0)
		status = mr_drawing_finish(drawing.chart, drawing.legend, drawing.legend_count, format, out,
		                           err);
	mr_page_free(drawing.page);
	return status;
}

int mr_drawing_write(const struct mr_buffer *bytes, FILE *out, struct mr_error *err)
{
	MR_FAIL_IF(fwrite(bytes->data, 1, bytes->len, out) != bytes->len || fflush(out) != 0, err,
	           MR_ERR_WRITE, "cannot write the drawing: %s", strerror(errno));
	return 0;
}

int memreport_draw(struct memreport *report, const struct memreport_drawing *drawing,
                   enum memreport_format format, FILE *out, struct memreport_error *error)
{
	struct mr_error *err = (struct mr_error *)(void *)error;
	struct mr_buffer bytes = { 0 };

	MR_FAIL_IF(format == MEMREPORT_HTML, err, MR_ERR_ARG, "a drawing is PNG, PDF or SVG");
	int status = draw(report, drawing, format, &bytes, err);

	if (status == 0)
		status = mr_drawing_write(&bytes, out, err);
	mr_buffer_release(&bytes);
	return status;
}
