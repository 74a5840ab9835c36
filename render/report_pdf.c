/* SPDX-License-Identifier: MIT
 *
 * The report on paper: the same filled page as for HTML, laid out on A4 by a
 * few lines of text, tables and the same charts.  Also the timeline as a PNG.
 */
#include "chart.h"
#include "report.h"

#include <math.h>

#define PAGE_WIDTH 595.0 /* A4 in points */
#define PAGE_HEIGHT 842.0
#define MARGIN 48.0
#define WIDTH (PAGE_WIDTH - 2 * MARGIN)
#define BOTTOM (PAGE_HEIGHT - MARGIN - 14)
#define ROW 14.0
#define TEXT_SIZE 9.0
#define CHART_SCALE 0.75
#define DONUT 150.0
#define ROWS_MAX 12 /* the first rows of each table */
#define CLASSES_MAX 12

struct paper {
	struct mr_canvas *canvas;
	const char *title;
	double y;
	unsigned page;
};

static struct mr_value value_of(const struct mr_scope *scope, const char *name)
{
	struct mr_value value;
	return mr_scope_find(scope, name, strlen(name), &value) ? value
	                                                        : (struct mr_value){ .kind = MR_VALUE_NONE };
}

/* ---- Lines and pages ------------------------------------------------------------------------ */

static void footer(struct paper *paper)
{
	const struct mr_text_style left = { 8, false, MR_ANCHOR_START, MR_PAINT_MUTED };
	const struct mr_text_style right = { 8, false, MR_ANCHOR_END, MR_PAINT_MUTED };
	char number[16], title[200];
	snprintf(number, sizeof(number), "%u", paper->page);
	mr_canvas_text_fit(title, sizeof(title), paper->title, WIDTH * 0.8, 8, false);
	mr_canvas_text(paper->canvas, MARGIN, PAGE_HEIGHT - MARGIN + 8, left, title);
	mr_canvas_text(paper->canvas, PAGE_WIDTH - MARGIN, PAGE_HEIGHT - MARGIN + 8, right, number);
}

static void begin_page(struct paper *paper)
{
	paper->page++;
	paper->y = MARGIN;
}

/* Moves to the next page unless HEIGHT fits on this one. */
static void need(struct paper *paper, double height)
{
	if (paper->y + height <= BOTTOM || paper->y <= MARGIN)
		return;
	footer(paper);
	mr_canvas_next_page(paper->canvas);
	begin_page(paper);
}

static void line(struct paper *paper, const char *text, double size, bool bold, enum mr_paint paint)
{
	char shown[512];
	const struct mr_text_style style = { size, bold, MR_ANCHOR_START, paint };
	if (!text[0])
		return;
	need(paper, size * 1.5);
	mr_canvas_text_fit(shown, sizeof(shown), text, WIDTH, size, bold);
	mr_canvas_text(paper->canvas, MARGIN, paper->y + size, style, shown);
	paper->y += size * 1.5;
}

/* TEXT on as many lines as it takes, broken at spaces. */
static void paragraph(struct paper *paper, const char *text, double size, enum mr_paint paint)
{
	const struct mr_text_style style = { size, false, MR_ANCHOR_START, paint };
	while (*text) {
		char part[512];
		size_t used = 0;
		for (size_t end = 0; text[end] && end < sizeof(part) - 8;) {
			const size_t word = end + strcspn(text + end, " ");
			if (used > 0 && mr_canvas_text_width(text, word, size, false) > WIDTH)
				break;
			used = word;
			end = text[word] ? word + 1 : word;
		}
		used = used < sizeof(part) - 1 ? used : sizeof(part) - 1;
		memcpy(part, text, used);
		part[used] = '\0';
		text += used + strspn(text + used, " ");
		char fitted[512];
		mr_canvas_text_fit(fitted, sizeof(fitted), part, WIDTH, size, false);
		need(paper, size * 1.5);
		mr_canvas_text(paper->canvas, MARGIN, paper->y + size, style, fitted);
		paper->y += size * 1.5;
	}
}

static void heading(struct paper *paper, const char *text, double size, double room)
{
	need(paper, size * 2.6 + room);
	paper->y += size * 0.9;
	line(paper, text, size, true, MR_PAINT_INK);
	paper->y += 2;
}

/* ---- Charts ------------------------------------------------------------------------------------ */

/* CHART laid out anew for paper, where its letters can be smaller. */
static struct mr_chart fit_chart(const struct mr_chart *chart, double width)
{
	struct mr_chart fitted = *chart;
	fitted.width = width / CHART_SCALE;
	return fitted;
}

static double chart_height(const struct mr_chart *chart, double width)
{
	const struct mr_chart fitted = fit_chart(chart, width);
	return mr_chart_height(&fitted) * CHART_SCALE;
}

static void draw_chart(struct paper *paper, const struct mr_chart *chart, double x, double width)
{
	const struct mr_chart fitted = fit_chart(chart, width);
	mr_canvas_push(paper->canvas, x, paper->y, CHART_SCALE);
	mr_chart_draw(&fitted, paper->canvas);
	mr_canvas_pop(paper->canvas);
}

static void chart_of(struct paper *paper, const struct mr_scope *scope, const char *name)
{
	const struct mr_value value = value_of(scope, name);
	if (value.kind != MR_VALUE_CHART)
		return;
	const double height = chart_height(value.chart, WIDTH);
	need(paper, height + 8);
	draw_chart(paper, value.chart, MARGIN, WIDTH);
	paper->y += height + 8;
}

/* As wide as it is, or smaller, so that a page has room for it. */
static void graph_of(struct paper *paper, const struct mr_scope *scope)
{
	const struct mr_value value = value_of(scope, "graph");
	if (value.kind != MR_VALUE_CHART)
		return;
	const double room = BOTTOM - MARGIN - 40;
	double width = WIDTH, height = chart_height(value.chart, width);
	if (height > room) {
		const double natural = value.chart->width * CHART_SCALE;
		width = (natural < width ? natural : width) * room / height;
		height = chart_height(value.chart, width);
	}
	heading(paper, mr_scope_text_of(scope, "title"), 10, height + 8);
	need(paper, height + 8);
	draw_chart(paper, value.chart, MARGIN, width);
	paper->y += height + 8;
}

/* Two charts side by side, each below its title. */
static void chart_pair(struct paper *paper, const struct mr_scope *scope, const char *const names[2])
{
	const double width = (WIDTH - 24) / 2;
	double tallest = 0;
	size_t placed = 0;
	for (size_t i = 0; i < 2; i++) {
		const struct mr_value value = value_of(scope, names[i]);
		if (value.kind != MR_VALUE_CHART)
			continue;
		const double height = chart_height(value.chart, width);
		if (placed == 0)
			need(paper, height + 24);
		const double x = MARGIN + (double)placed * (width + 24);
		const struct mr_text_style style = { 8, true, MR_ANCHOR_START, MR_PAINT_MUTED };
		mr_canvas_text(paper->canvas, x, paper->y + 8, style, value.chart->title);
		paper->y += 12;
		draw_chart(paper, value.chart, x, width);
		paper->y -= 12;
		tallest = height > tallest ? height : tallest;
		placed++;
	}
	paper->y += placed > 0 ? tallest + 20 : 0;
}

/* ---- Tables -------------------------------------------------------------------------------------- */

struct column {
	const char *heading;
	const char *name;
	double share; /* of the width */
	bool number;
};

static void cells(struct paper *paper, const struct column *columns, size_t count, const struct mr_scope *row)
{
	double x = MARGIN;
	for (size_t i = 0; i < count; i++) {
		char shown[256];
		const double width = columns[i].share * WIDTH - 8;
		const struct mr_text_style style = { row ? TEXT_SIZE : 8, false,
			                             columns[i].number ? MR_ANCHOR_END : MR_ANCHOR_START,
			                             row ? MR_PAINT_INK : MR_PAINT_MUTED };
		mr_canvas_text_fit(shown, sizeof(shown),
		                   row ? mr_scope_text_of(row, columns[i].name) : columns[i].heading, width,
		                   style.size, false);
		mr_canvas_text(paper->canvas, columns[i].number ? x + width : x, paper->y + 10, style, shown);
		x += columns[i].share * WIDTH;
	}
	paper->y += ROW;
	mr_canvas_move_to(paper->canvas, MARGIN, paper->y - 0.5);
	mr_canvas_line_to(paper->canvas, PAGE_WIDTH - MARGIN, paper->y - 0.5);
	mr_canvas_stroke(paper->canvas, MR_PAINT_GRID, 0.5, 0);
}

/* The first rows of LIST; REST names what says how many more there are. */
static void table(struct paper *paper, const struct mr_scope *scope, const char *list,
                  const struct column *columns, size_t count)
{
	const struct mr_value rows = value_of(scope, list);
	size_t shown = 0;
	if (rows.kind != MR_VALUE_LIST || rows.count == 0)
		return;
	need(paper, 3 * ROW);
	cells(paper, columns, count, NULL);
	for (const struct mr_scope *row = rows.scope; row && shown < ROWS_MAX;
	     row = mr_scope_next(row), shown++) {
		need(paper, ROW);
		cells(paper, columns, count, row);
	}
	if (rows.count > shown) {
		char text[96];
		snprintf(text, sizeof(text), "%zu more rows are on the page that this is the short form of.",
		         rows.count - shown);
		line(paper, text, 8, false, MR_PAINT_MUTED);
	}
	paper->y += 10;
}

#define TABLE(paper, scope, list, columns) table(paper, scope, list, columns, MR_ARRAY_LEN(columns))

/* ---- Sections -------------------------------------------------------------------------------------- */

static void headline(struct paper *paper, const struct mr_scope *run)
{
	const struct mr_value figures = value_of(run, "figures"), verdicts = value_of(run, "verdicts");
	char facts[512];
	line(paper, mr_scope_text_of(run, "command"), TEXT_SIZE, false, MR_PAINT_MUTED);
	snprintf(facts, sizeof(facts), "%s%srecorded for %s%s%s", mr_scope_text_of(run, "start_text"),
	         mr_scope_text_of(run, "start_text")[0] ? ", " : "", mr_scope_text_of(run, "duration"),
	         mr_scope_text_of(run, "exit")[0] ? ", " : "", mr_scope_text_of(run, "exit"));
	line(paper, facts, TEXT_SIZE, false, MR_PAINT_MUTED);
	paper->y += 10;
	need(paper, 60);
	size_t i = 0;
	for (const struct mr_scope *figure = figures.scope; figure && i < 5;
	     figure = mr_scope_next(figure), i++) {
		const double x = MARGIN + (double)i * WIDTH / 5;
		const struct mr_text_style small = { 8, false, MR_ANCHOR_START, MR_PAINT_MUTED };
		const struct mr_text_style large = { 15, true, MR_ANCHOR_START, MR_PAINT_INK };
		char note[128];
		mr_canvas_text_fit(note, sizeof(note), mr_scope_text_of(figure, "note"), WIDTH / 5 - 6, 8,
		                   false);
		mr_canvas_text(paper->canvas, x, paper->y + 8, small, mr_scope_text_of(figure, "label"));
		mr_canvas_text(paper->canvas, x, paper->y + 26, large, mr_scope_text_of(figure, "value"));
		mr_canvas_text(paper->canvas, x, paper->y + 39, small, note);
	}
	paper->y += 54;
	for (const struct mr_scope *verdict = verdicts.scope; verdict; verdict = mr_scope_next(verdict))
		paragraph(paper, mr_scope_text_of(verdict, "text"), 10, MR_PAINT_INK);
}

/* The first rows behind each tab of sites. */
static void sites(struct paper *paper, const struct mr_scope *run)
{
	static const struct column columns[] = {
		{ "", "value", 0.13, true },
		{ "Share", "share", 0.1, true },
		{ "  Function", "function", 0.37, false },
		{ "Position", "position", 0.22, false },
		{ "Module", "module", 0.18, false },
	};
	const struct mr_value tabs = value_of(run, "site_tabs");
	for (const struct mr_scope *tab = tabs.scope; tab; tab = mr_scope_next(tab)) {
		if (value_of(tab, "sites").count == 0)
			continue;
		heading(paper, mr_scope_text_of(tab, "title"), 10, 60);
		TABLE(paper, tab, "sites", columns);
	}
}

static void heap(struct paper *paper, const struct mr_scope *run)
{
	static const struct column threads[] = {
		{ "Thread", "name", 0.28, false },     { "Allocations", "count", 0.16, true },
		{ "Allocated", "total", 0.14, true },  { "Temporary", "temporary", 0.14, true },
		{ "Live at end", "live", 0.14, true }, { "Waited", "wait", 0.14, true },
	};
	static const char *const sizes[] = { "size_counts", "size_bytes" };
	static const char *const lifetimes[] = { "lifetime_counts", "lifetime_bytes" };
	const struct mr_value suspects = value_of(run, "suspects");
	if (!value_of(run, "has_heap").flag)
		return;
	chart_of(paper, run, "account_wide");
	chart_of(paper, run, "live_wide");
	if (suspects.count > 0)
		heading(paper, "Suspects", 13, 40);
	for (const struct mr_scope *suspect = suspects.scope; suspect; suspect = mr_scope_next(suspect))
		paragraph(paper, mr_scope_text_of(suspect, "sentence"), 10, MR_PAINT_INK);
	heading(paper, "Where it was allocated", 13, 80);
	sites(paper, run);
	if (value_of(run, "flame_wide").kind == MR_VALUE_CHART)
		heading(paper, "Flame graph: what was held at the peak", 13, 200);
	chart_of(paper, run, "flame_wide");
	if (value_of(run, "size_counts").kind == MR_VALUE_CHART)
		heading(paper, "Sizes and lifetimes", 13, 120);
	chart_pair(paper, run, sizes);
	chart_pair(paper, run, lifetimes);
	if (value_of(run, "threads").count > 0)
		heading(paper, "Threads", 13, 60);
	TABLE(paper, run, "threads", threads);
}

static void graphs_of(struct paper *paper, const struct mr_scope *run)
{
	for (const struct mr_scope *item = value_of(run, "graphs").scope; item; item = mr_scope_next(item))
		graph_of(paper, item);
}

static void persistent(struct paper *paper, const struct mr_scope *run)
{
	static const struct column moves[] = {
		{ "Type", "class", 0.34, false },          { "Created", "created", 0.11, true },
		{ "Size", "created_size", 0.11, true },    { "Deleted", "deleted", 0.11, true },
		{ "Size", "deleted_size", 0.11, true },    { "Persistent", "persistent", 0.11, true },
		{ "Size", "persistent_size", 0.11, true },
	};
	if (!value_of(run, "has_census").flag) {
		if (value_of(run, "has_graphs").flag)
			heading(paper, "Graphs of objects", 13, 40);
		graphs_of(paper, run);
		return;
	}
	heading(paper, "Objects that stayed", 13, 40);
	if (mr_scope_text_of(run, "persistent_none")[0])
		paragraph(paper, mr_scope_text_of(run, "persistent_none"), 10, MR_PAINT_INK);
	for (const struct mr_scope *type = value_of(run, "persistent").scope; type;
	     type = mr_scope_next(type))
		paragraph(paper, mr_scope_text_of(type, "sentence"), 10, MR_PAINT_INK);
	if (mr_scope_text_of(run, "persistent_rest")[0])
		paragraph(paper, mr_scope_text_of(run, "persistent_rest"), 10, MR_PAINT_INK);
	if (mr_scope_text_of(run, "definitions")[0])
		paragraph(paper, mr_scope_text_of(run, "definitions"), 10, MR_PAINT_INK);
	for (const struct mr_scope *item = value_of(run, "holder_graphs").scope; item;
	     item = mr_scope_next(item))
		graph_of(paper, item);
	if (value_of(run, "moves").count > 0)
		heading(paper, "What came, went and stayed", 10, 60);
	TABLE(paper, run, "moves", moves);
	graphs_of(paper, run);
}

static void snapshots(struct paper *paper, const struct mr_scope *run)
{
	static const struct column all[] = {
		{ "Snapshot", "name", 0.34, false },  { "Time", "time", 0.13, true },
		{ "Objects", "objects", 0.13, true }, { "Tracked", "size", 0.14, true },
		{ "Resident", "rss", 0.13, true },    { "Change", "size_change", 0.13, true },
	};
	static const struct column classes[] = {
		{ "Class", "class", 0.44, false },    { "Size", "size", 0.14, true },
		{ "Share", "share", 0.14, true },     { "Objects", "count", 0.14, true },
		{ "Average", "average", 0.14, true },
	};
	const struct mr_value breakdowns = value_of(run, "breakdowns");
	if (value_of(run, "snapshots").count == 0)
		return;
	heading(paper, "Snapshots", 13, 60);
	TABLE(paper, run, "snapshots", all);
	for (const struct mr_scope *item = breakdowns.scope; item; item = mr_scope_next(item)) {
		const struct mr_value largest = value_of(item, "open"), donut = value_of(item, "donut");
		if (!largest.flag)
			continue;
		char text[256];
		snprintf(text, sizeof(text), "The largest: %s, %s in %s objects",
		         mr_scope_text_of(item, "name"), mr_scope_text_of(item, "size"),
		         mr_scope_text_of(item, "objects"));
		heading(paper, text, 10, 180);
		if (donut.kind == MR_VALUE_CHART) {
			draw_chart(paper, donut.chart, MARGIN + (WIDTH - DONUT) / 2, DONUT);
			paper->y += chart_height(donut.chart, DONUT) + 8;
		}
		TABLE(paper, item, "rows", classes);
	}
}

static void classes(struct paper *paper, const struct mr_scope *run)
{
	static const struct column all[] = {
		{ "Class", "class", 0.28, false },       { "At most", "size_max", 0.12, true },
		{ "At last", "size_last", 0.12, true },  { "Change", "size_change", 0.12, true },
		{ "Average", "average", 0.12, true },    { "Tracked", "total", 0.12, true },
		{ "Alive at end", "alive", 0.12, true },
	};
	static const struct column objects[] = {
		{ "Object", "label", 0.30, false },  { "Size", "size", 0.14, true },
		{ "Lived", "lifetime", 0.14, true }, { "State", "state", 0.14, false },
		{ "Where", "place", 0.28, false },
	};
	static const char *const charts[] = { "instances", "sizes" };
	const struct mr_value details = value_of(run, "class_details");
	size_t shown = 0;
	if (value_of(run, "classes").count == 0)
		return;
	heading(paper, "Classes", 13, 60);
	TABLE(paper, run, "classes", all);
	for (const struct mr_scope *item = details.scope; item && shown < CLASSES_MAX;
	     item = mr_scope_next(item), shown++) {
		heading(paper, mr_scope_text_of(item, "class"), 10, 170);
		chart_pair(paper, item, charts);
		TABLE(paper, item, "objects", objects);
	}
}

static void changes(struct paper *paper, const struct mr_scope *run)
{
	static const struct column columns[] = {
		{ "Class", "class", 0.28, false },
		{ "Verdict", "verdict", 0.12, false },
		{ "Size", "size_change", 0.12, true },
		{ "Created", "created", 0.12, true },
		{ "Deleted", "deleted", 0.12, true },
		{ "Persistent", "persistent", 0.12, true },
		{ "their size", "persistent_size", 0.12, true },
	};
	if (value_of(run, "diff").count == 0)
		return;
	heading(paper, "From the first snapshot to the last", 13, 60);
	TABLE(paper, run, "diff", columns);
}

static void process(struct paper *paper, const struct mr_scope *run)
{
	static const struct column facts[] = { { "Process", "label", 0.4, false },
		                               { "", "value", 0.2, true } };
	static const struct column marks[] = { { "Time", "time", 0.2, true },
		                               { "Mark", "text", 0.8, false } };
	static const char *const charts[] = { "private_memory", "virtual_memory" };
	if (value_of(run, "facts").count > 0)
		heading(paper, "Process", 13, 60);
	chart_pair(paper, run, charts);
	TABLE(paper, run, "facts", facts);
	TABLE(paper, run, "marks", marks);
}

static void health(struct paper *paper, const struct mr_scope *root)
{
	const struct mr_value warnings = value_of(root, "warnings");
	heading(paper, "Health of the log", 13, 30);
	if (warnings.count == 0)
		line(paper, "Nothing is wrong with the log.", TEXT_SIZE, false, MR_PAINT_INK);
	for (const struct mr_scope *warning = warnings.scope; warning; warning = mr_scope_next(warning))
		paragraph(paper, mr_scope_text_of(warning, "text"), TEXT_SIZE, MR_PAINT_INK);
}

static void lay_out(struct paper *paper, const struct mr_scope *root)
{
	static const struct column processes[] = {
		{ "Process", "name", 0.34, false },    { "Pid", "pid", 0.1, true },
		{ "Resident", "rss", 0.14, true },     { "Tracked", "size", 0.14, true },
		{ "Ran for", "duration", 0.13, true }, { "Ended", "exit", 0.15, false },
	};
	const struct mr_value runs = value_of(root, "runs");
	begin_page(paper);
	line(paper, paper->title, 22, true, MR_PAINT_INK);
	if (runs.count > 1) {
		heading(paper, "Processes", 13, 60);
		TABLE(paper, root, "processes", processes);
	}
	for (const struct mr_scope *run = runs.scope; run; run = mr_scope_next(run)) {
		if (runs.count > 1)
			heading(paper, mr_scope_text_of(run, "name"), 16, 200);
		headline(paper, run);
		paper->y += 8;
		heap(paper, run);
		persistent(paper, run);
		chart_of(paper, run, "timeline_wide");
		snapshots(paper, run);
		classes(paper, run);
		changes(paper, run);
		process(paper, run);
	}
	health(paper, root);
	footer(paper);
}

int mr_report_pdf(struct memreport *report, struct mr_buffer *out, struct mr_error *err)
{
	struct mr_page *page = NULL;
	MR_TRY(mr_report_fill(report, report->limit, &page, err));
	const struct mr_scope *root = mr_page_root(page);
	struct paper paper = { .canvas = mr_canvas_new(MR_CANVAS_PDF, PAGE_WIDTH, PAGE_HEIGHT),
		               .title = mr_scope_text_of(root, "title") };
	int status = paper.canvas ? 0 : mr_fail(err, MR_ERR_NOMEM, "no memory for the report");
	if (status == 0) {
		/* To the second, as PDF has it; a log without a clock gives the same bytes, too. */
		char created[32];
		const char *recorded = mr_scope_text_of(root, "recorded");
		snprintf(created, sizeof(created), "%.19sZ",
		         strlen(recorded) >= 19 ? recorded : "1970-01-01T00:00:00");
		mr_canvas_document(paper.canvas, paper.title, created);
		lay_out(&paper, root);
		status = mr_canvas_finish(paper.canvas, out, err);
	}
	mr_canvas_free(paper.canvas);
	mr_page_free(page);
	return status;
}

int mr_report_png(struct memreport *report, struct mr_buffer *out, struct mr_error *err)
{
	struct mr_page *page = NULL;
	MR_TRY(mr_report_fill(report, report->limit, &page, err));
	const struct mr_value runs = value_of(mr_page_root(page), "runs");
	static const char *const names[] = { "timeline_wide", "account_wide", "live_wide" };
	struct mr_value chart = { .kind = MR_VALUE_NONE };
	int status;
	for (size_t i = 0; i < MR_ARRAY_LEN(names) && runs.count > 0 && chart.kind != MR_VALUE_CHART; i++)
		chart = value_of(runs.scope, names[i]);
	if (chart.kind != MR_VALUE_CHART) {
		status = mr_fail(err, MR_ERR_FORMAT,
		                 "the log holds nothing to draw: no snapshot and no sample");
	} else {
		struct mr_canvas *canvas = mr_chart_canvas(chart.chart, MR_CANVAS_PNG);
		status = canvas ? mr_canvas_finish(canvas, out, err)
		                : mr_fail(err, MR_ERR_NOMEM, "no memory for a drawing");
		mr_canvas_free(canvas);
	}
	mr_page_free(page);
	return status;
}
