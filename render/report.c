/* SPDX-License-Identifier: MIT
 *
 * Joins data, sections and templates into a page, and keeps the page within its
 * size: what is too large is filled again with fewer rows in each table.
 */
#include "report.h"

#include "html_bind.h"
#include "section.h"

#include <errno.h>
#include <inttypes.h>

#define LIMIT_MIN 1
#define APPENDIX_LIMIT 4 /* a page with fewer rows in a table has no room for the same again as JSON */
#define RUNS_MIN 3       /* that keep their part of the page as long as tables can have fewer rows */
#define TRIES_MAX 10
#define LOGS_NAMED 4
#define APPENDIX_SHARE 6 /* a sixth of the page */
#define DETAIL_CLASSES 32
#define DETAIL_OBJECTS 16

_Static_assert(sizeof(struct memreport_error) == sizeof(struct mr_error), "one error under two names");

static struct mr_error *error_of(struct memreport_error *error)
{
	return (struct mr_error *)(void *)error;
}

/* ---- Making ------------------------------------------------------------------------------- */

static int set_options(struct memreport *report, const struct memreport_options *options,
                       struct mr_error *err)
{
	const uint64_t limit = options && options->limit ? options->limit : MEMREPORT_DEFAULT_LIMIT;
	const uint64_t size =
		options && options->max_size_bytes ? options->max_size_bytes : MEMREPORT_DEFAULT_MAX_SIZE;
	MR_FAIL_IF(limit > MR_REPORT_LIMIT_MAX, err, MR_ERR_ARG,
	           "a limit of %" PRIu64 " rows is not within 1 and %d", limit, MR_REPORT_LIMIT_MAX);
	MR_FAIL_IF(size < MR_REPORT_SIZE_MIN || size > INT32_MAX, err, MR_ERR_ARG,
	           "a page of at most %" PRIu64 " bytes is not within %d and %d", size, MR_REPORT_SIZE_MIN,
	           INT32_MAX);
	report->limit = report->run_limit = (size_t)limit;
	report->max_size_bytes = (size_t)size;
	if (options && options->title) {
		const size_t len = strlen(options->title);
		report->title = mr_alloc(len + 1);
		MR_FAIL_IF(!report->title, err, MR_ERR_NOMEM, "no memory for the report");
		memcpy(report->title, options->title, len);
	}
	return mr_templates_new(options ? options->templates : NULL, &report->templates, err);
}

int memreport_new(struct memstats_log *log, const struct memreport_options *options,
                  struct memreport **report, struct memreport_error *error)
{
	struct mr_error *err = error_of(error);
	struct memreport *made = mr_alloc(sizeof(*made));
	MR_FAIL_IF(!made, err, MR_ERR_NOMEM, "no memory for the report");
	int status = set_options(made, options, err);
	if (status == 0)
		status = mr_report_data_init(&made->data, log, err);
	if (status == 0) {
		const size_t shown = made->limit;
		status = mr_report_details_read(&made->data, shown,
		                                shown < DETAIL_CLASSES ? shown : DETAIL_CLASSES,
		                                DETAIL_OBJECTS, err);
	}
	if (status < 0) {
		memreport_free(made);
		return status;
	}
	*report = made;
	return 0;
}

void memreport_free(struct memreport *report)
{
	if (!report)
		return;
	mr_report_data_release(&report->data);
	mr_templates_free(report->templates);
	mr_free(report->title);
	mr_free(report);
}

const char *memreport_left_out(const struct memreport *report)
{
	return report->left_out[0] ? report->left_out : NULL;
}

/* ---- Filling -------------------------------------------------------------------------------- */

#define SECTION_FILL(name) mr_section_##name,
static mr_section_fill *const run_sections[] = { MR_RUN_SECTIONS(SECTION_FILL) };
static mr_section_fill *const page_sections[] = { MR_PAGE_SECTIONS(SECTION_FILL) };
#undef SECTION_FILL

/* Fewer rows for processes whose heaps are small beside the largest, so that a page of a process with
 * many small children has room for what matters. */
static void set_limit(struct mr_view *view, const struct mr_report_run *run, size_t limit)
{
	static const struct {
		double share; /* of the largest peak, from which on */
		size_t part;  /* of the rows */
	} steps[] = { { 0.2, 1 }, { 0.02, 3 }, { 0, 8 } };
	const struct mr_report_data *data = view->data;
	uint64_t largest = 0;
	size_t step = 0;
	view->limit = limit;
	view->minor = false;
	for (size_t i = 0; i < data->run_count; i++)
		if (data->runs[i].heap && data->runs[i].heap->cost[MR_COST_PEAK] > largest)
			largest = data->runs[i].heap->cost[MR_COST_PEAK];
	if (!run->heap || run->objects_total > 0 || run->snapshot_count > 0)
		return;
	while ((double)run->heap->cost[MR_COST_PEAK] < steps[step].share * (double)largest)
		step++;
	view->minor = step + 1 == MR_ARRAY_LEN(steps);
	view->limit = limit / steps[step].part > 0 ? limit / steps[step].part : 1;
}

static int fill_run(struct mr_scope *root, struct mr_view *view, const struct mr_report_run *run,
                    struct mr_error *err)
{
	struct mr_scope *scope = mr_scope_add(root, "runs");
	view->run = run;
	mr_scope_format(scope, "run_id", "run-%" PRIu64, run->id);
	mr_scope_text(scope, "heading",
	              view->data->run_count > 1 ? mr_report_run_name(run) : "What happened");
	for (size_t i = 0; i < MR_ARRAY_LEN(run_sections); i++)
		MR_TRY(run_sections[i](view, scope, err));
	return 0;
}

/* The files that the runs are in, in the order of the runs: the first few. */
static void set_logs(struct mr_scope *root, const struct mr_report_data *data)
{
	const char *files[LOGS_NAMED];
	size_t count = 0;
	struct mr_buffer text = { 0 };
	for (size_t i = 0; i < data->run_count; i++) {
		size_t known = 0;
		while (known < count && strcmp(files[known], data->runs[i].file) != 0)
			known++;
		if (known < count)
			continue;
		if (count == LOGS_NAMED) {
			mr_buffer_printf(&text, " and more");
			break;
		}
		files[count++] = data->runs[i].file;
		mr_buffer_printf(&text, "%s%s", count > 1 ? ", " : "", data->runs[i].file);
	}
	mr_buffer_put_u8(&text, '\0');
	mr_scope_format(root, "log", "%s", text.failed ? "?" : (const char *)text.data);
	mr_buffer_release(&text);
}

static void fill_page(struct memreport *report, struct mr_scope *root)
{
	const struct mr_report_data *data = &report->data;
	const struct mr_report_run *first = data->run_count > 0 ? &data->runs[0] : NULL;
	if (!report->title && data->run_count > 1)
		mr_scope_format(root, "title", "%s and %zu more",
		                mr_page_copy(mr_scope_page(root), mr_report_run_name(first), 80),
		                data->run_count - 1);
	else
		mr_scope_text(root, "title",
		              report->title ? report->title
		              : first       ? mr_report_run_name(first)
		                            : "Empty log");
	mr_scope_text(root, "version", MR_VERSION_STRING);
	set_logs(root, data);
	mr_scope_text(root, "recorded", first ? first->start : "");
	mr_section_date(root, "recorded_text", first ? first->start : "");
	mr_scope_list(root, "runs");
	mr_scope_flag(root, "empty", data->run_count == 0);
	bool heap = false;
	for (size_t i = 0; first && i < data->run_count; i++)
		heap = heap || first[i].heap;
	mr_scope_flag(root, "heap", heap);
	mr_scope_format(root, "left_out", "%s", report->left_out);
}

int mr_report_fill(struct memreport *report, size_t limit, struct mr_page **page, struct mr_error *err)
{
	struct mr_view view = { .data = &report->data,
		                .limit = limit,
		                .run_limit = limit < report->run_limit ? limit : report->run_limit,
		                .appendix_bytes = limit < APPENDIX_LIMIT
		                                          ? 0
		                                          : report->max_size_bytes / APPENDIX_SHARE };
	struct mr_page *made = mr_page_new();
	MR_FAIL_IF(!made, err, MR_ERR_NOMEM, "no memory for the report");
	struct mr_scope *root = mr_page_root(made);
	int status = 0;
	fill_page(report, root);
	for (size_t i = 0; i < MR_ARRAY_LEN(page_sections) && status == 0; i++)
		status = page_sections[i](&view, root, err);
	/* The others are rows of the overview only. */
	for (size_t i = 0; i < report->data.run_count && status == 0; i++)
		if (mr_section_run_is_shown(&view, &report->data.runs[i])) {
			set_limit(&view, &report->data.runs[i], limit);
			status = fill_run(root, &view, &report->data.runs[i], err);
			view.limit = limit;
		}
	if (status == 0)
		status = mr_page_status(made, err);
	if (status < 0) {
		mr_page_free(made);
		return status;
	}
	*page = made;
	return 0;
}

/* ---- Tables by name, for templates -------------------------------------------------------------- */

static void set_cell(struct mr_scope *scope, const char *name, const struct memstats_table *table, size_t row,
                     size_t column)
{
	const enum memstats_type type = memstats_table_column(table, column)->type;
	if (memstats_table_is_null(table, row, column)) {
		mr_scope_none(scope, name);
		return;
	}
	switch (type) {
	case MEMSTATS_TEXT:
		mr_scope_text(scope, name, memstats_table_text(table, row, column));
		break;
	case MEMSTATS_COUNT:
		mr_scope_count(scope, name, memstats_table_number(table, row, column));
		break;
	case MEMSTATS_BYTES:
		mr_scope_bytes(scope, name, memstats_table_number(table, row, column));
		break;
	case MEMSTATS_TIME:
	case MEMSTATS_DURATION:
		mr_scope_duration(scope, name, memstats_table_number(table, row, column));
		break;
	case MEMSTATS_ADDRESS:
		mr_scope_address(scope, name, memstats_table_number(table, row, column));
		break;
	case MEMSTATS_ID:
		mr_scope_format(scope, name, "%" PRIu64, memstats_table_number(table, row, column));
		break;
	case MEMSTATS_PERCENT:
		mr_scope_percent(scope, name, memstats_table_real(table, row, column));
		break;
	case MEMSTATS_COUNT_CHANGE:
		mr_scope_count_change(scope, name, memstats_table_change(table, row, column));
		break;
	case MEMSTATS_BYTES_CHANGE:
		mr_scope_bytes_change(scope, name, memstats_table_change(table, row, column));
		break;
	}
}

static void fill_table(struct mr_scope *into, const struct memstats_table *table)
{
	const size_t columns = memstats_table_column_count(table);
	mr_scope_text(into, "table", memstats_table_name(table));
	mr_scope_count(into, "hidden", memstats_table_hidden_count(table));
	mr_scope_list(into, "columns");
	mr_scope_list(into, "rows");
	for (size_t column = 0; column < columns; column++) {
		struct mr_scope *item = mr_scope_add(into, "columns");
		mr_scope_text(item, "name", memstats_table_column(table, column)->name);
		mr_scope_text(item, "help", memstats_table_column(table, column)->help);
		mr_scope_flag(item, "number", memstats_table_column(table, column)->type != MEMSTATS_TEXT);
	}
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		struct mr_scope *item = mr_scope_add(into, "rows");
		mr_scope_list(item, "cells");
		for (size_t column = 0; column < columns; column++) {
			struct mr_scope *cell = mr_scope_add(item, "cells");
			set_cell(cell, "value", table, row, column);
			mr_scope_flag(cell, "number",
			              memstats_table_column(table, column)->type != MEMSTATS_TEXT);
			set_cell(item, memstats_table_column(table, column)->name, table, row, column);
		}
	}
}

/* What data-table asks for: see html_bind.h. */
static int serve_table(void *context, const struct mr_table_request *request, struct mr_scope *into,
                       struct mr_error *err)
{
	struct memreport *report = context;
	struct memstats_table *table = NULL;
	char limit[32];
	snprintf(limit, sizeof(limit), "%zu", report->limit);
	MR_TRY(mr_report_rows_open(report->data.log, request->name, request->sort, request->where,
	                           request->limit ? request->limit : limit, NULL, &table, err));
	fill_table(into, table);
	memstats_table_free(table);
	return 0;
}

/* ---- HTML within its size -------------------------------------------------------------------------- */

static int bind_page(struct memreport *report, size_t limit, struct mr_buffer *out, struct mr_error *err)
{
	const struct mr_table_source source = { report, serve_table };
	struct mr_page *page = NULL;
	mr_buffer_clear(out);
	MR_TRY(mr_report_fill(report, limit, &page, err));
	const int status =
		mr_html_bind(report->templates, "report.html", mr_page_root(page), &source, out, err);
	mr_page_free(page);
	return status;
}

/* Of COUNT things, so many that their page has room for what is allowed; fewer in any case.  What a thing
 * costs is known now; what is there without any is not, so aim low. */
static size_t fewer(const struct memreport *report, size_t count, size_t page_bytes, size_t least)
{
	const size_t wanted =
		(size_t)((double)count * (double)report->max_size_bytes / (double)page_bytes * 0.85);
	return wanted < least ? least : wanted < count ? wanted : count - 1;
}

static void say_what_is_left_out(struct memreport *report, size_t limit, size_t runs)
{
	char parts[96] = "", rows[96] = "";
	if (report->run_limit < runs)
		snprintf(parts, sizeof(parts), "%zu processes, not %zu, have sections of their own",
		         report->run_limit, runs);
	if (limit < report->limit)
		snprintf(rows, sizeof(rows), "%sables have at most %zu rows, not %zu", parts[0] ? "t" : "T",
		         limit, report->limit);
	snprintf(report->left_out, sizeof(report->left_out),
	         "%s%s%s, so that the page stays below %zu bytes.", parts,
	         parts[0] && rows[0] ? ", and " : "", rows, report->max_size_bytes);
}

static int html_that_fits(struct memreport *report, struct mr_buffer *out, struct mr_error *err)
{
	size_t limit = report->limit, runs = 0;
	for (size_t i = 0; i < report->data.run_count; i++)
		runs += report->data.runs[i].has_part && report->data.runs[i].rank < limit;
	report->left_out[0] = '\0';
	for (int tries = 0;; tries++) {
		MR_TRY(bind_page(report, limit, out, err));
		if (out->len <= report->max_size_bytes)
			return 0;
		MR_FAIL_IF(limit <= LIMIT_MIN || tries == TRIES_MAX, err, MR_ERR_LIMIT,
		           "the page takes %zu bytes even with %zu rows a table; allow more than %zu",
		           out->len, limit, report->max_size_bytes);
		/* A page on what matters most is of more use than a little of everything. */
		const size_t shown = runs < report->run_limit ? runs : report->run_limit;
		if (shown > RUNS_MIN)
			report->run_limit = fewer(report, shown, out->len, RUNS_MIN);
		else
			limit = fewer(report, limit, out->len, LIMIT_MIN);
		say_what_is_left_out(report, limit, runs);
	}
}

int mr_report_html(struct memreport *report, struct mr_buffer *out, struct mr_error *err)
{
	const int status = html_that_fits(report, out, err);
	report->run_limit = report->limit; /* other forms have room for all */
	return status;
}

int memreport_write(struct memreport *report, enum memreport_format format, FILE *out,
                    struct memreport_error *error)
{
	struct mr_error *err = error_of(error);
	struct mr_buffer bytes = { 0 };
	MR_FAIL_IF(format == MEMREPORT_SVG, err, MR_ERR_ARG, "a report is a page, PDF or PNG");
	int status = format == MEMREPORT_PDF   ? mr_report_pdf(report, &bytes, err)
	             : format == MEMREPORT_PNG ? mr_report_png(report, &bytes, err)
	                                       : mr_report_html(report, &bytes, err);
	if (status == 0 && (fwrite(bytes.data, 1, bytes.len, out) != bytes.len || fflush(out) != 0))
		status = mr_fail(err, MR_ERR_WRITE, "cannot write the report: %s", strerror(errno));
	mr_buffer_release(&bytes);
	return status;
}
