/* SPDX-License-Identifier: MIT
 *
 * Every snapshot as a row, and what made up those that are looked at closer:
 * a ring and a table of classes each.
 */
#include "section.h"

#include <inttypes.h>
#include <stdlib.h>

#define BREAKDOWNS_MAX 40
#define ROWS_MAX 400
#define DONUT_WIDTH 200
#define SHARE_MIN 0.005 /* parts of a ring below this fold into "other" */

struct row { /* of the classes table */
	size_t row;
	uint64_t size;
};

static int by_size(const void *a, const void *b)
{
	const struct row *one = a, *two = b;
	if (one->size != two->size)
		return one->size < two->size ? 1 : -1;
	return one->row < two->row ? -1 : 1;
}

/* ---- One snapshot ------------------------------------------------------------------- */

static void add_class_row(const struct mr_view *view, struct mr_scope *scope, size_t row,
                          const struct mr_report_snapshot *snapshot)
{
	const struct memstats_table *table = view->data->tables[MR_REPORT_CLASSES];
	struct mr_scope *item = mr_scope_add(scope, "rows");
	const char *name = mr_report_rows_text(table, row, mr_report_rows_column(table, "class"));
	const uint64_t size = mr_report_rows_number(table, row, mr_report_rows_column(table, "size"));
	const int change = mr_report_rows_column(table, "size_change"),
		  count_change = mr_report_rows_column(table, "count_change");
	mr_scope_text(item, "class", name);
	mr_section_paint(item, "color", mr_report_paint(view->data, name));
	mr_section_count(item, "count",
	                 mr_report_rows_number(table, row, mr_report_rows_column(table, "count")));
	mr_section_bytes(item, "size", size);
	mr_section_share(item, "share", (double)size, (double)snapshot->size_bytes);
	mr_section_bytes(item, "average",
	                 mr_report_rows_number(table, row, mr_report_rows_column(table, "average")));
	mr_section_bytes(item, "min", mr_report_rows_number(table, row, mr_report_rows_column(table, "min")));
	mr_section_bytes(item, "max", mr_report_rows_number(table, row, mr_report_rows_column(table, "max")));
	mr_scope_none(item, "size_change");
	mr_scope_none(item, "count_change");
	if (change >= 0 && !memstats_table_is_null(table, row, (size_t)change))
		mr_scope_bytes_change(item, "size_change", memstats_table_change(table, row, (size_t)change));
	if (count_change >= 0 && !memstats_table_is_null(table, row, (size_t)count_change))
		mr_scope_count_change(item, "count_change",
		                      memstats_table_change(table, row, (size_t)count_change));
}

static void add_donut(const struct mr_view *view, struct mr_scope *scope, const struct row *rows,
                      size_t count, const struct mr_report_snapshot *snapshot)
{
	const struct memstats_table *table = view->data->tables[MR_REPORT_CLASSES];
	const int name_column = mr_report_rows_column(table, "class");
	struct mr_chart *chart = mr_section_chart(scope, MR_CHART_DONUT, DONUT_WIDTH);
	struct mr_share *shares =
		mr_page_alloc(mr_scope_page(scope), (MR_PAINT_SERIES_COUNT + 1) * sizeof(*shares));
	char size[32], text[128];
	double rest = (double)snapshot->size_bytes;
	size_t share_count = 0;
	mr_scope_none(scope, "donut");
	if (!chart || !shares)
		return;
	for (size_t i = 0; i < count && share_count < MR_PAINT_SERIES_COUNT; i++) {
		const char *name = mr_report_rows_text(table, rows[i].row, name_column);
		const enum mr_paint paint = mr_report_paint(view->data, name);
		if (paint == MR_PAINT_OTHER ||
		    (double)rows[i].size < (double)snapshot->size_bytes * SHARE_MIN)
			continue;
		shares[share_count++] =
			(struct mr_share){ mr_section_name(scope, name, 40), (double)rows[i].size, paint };
		rest -= (double)rows[i].size;
	}
	if (rest > 0)
		shares[share_count++] = (struct mr_share){ "other", rest, MR_PAINT_OTHER };
	mr_text_bytes_short(size, snapshot->size_bytes);
	snprintf(text, sizeof(text), "%s %s at %s", size, view->run->of_census ? "in all objects" : "tracked",
	         mr_section_snapshot_name(scope, snapshot));
	chart->title = "Classes by size";
	chart->description = mr_section_name(scope, text, 0);
	chart->of.donut =
		(struct mr_donut){ share_count, shares, mr_section_name(scope, size, 0),
		                   mr_section_plural(scope, snapshot->objects, "object", "objects") };
	mr_scope_chart(scope, "donut", chart);
}

/* The rows that are not shown, as one. */
static void add_rest(const struct mr_view *view, struct mr_scope *scope, const struct row *rows, size_t count)
{
	const struct memstats_table *table = view->data->tables[MR_REPORT_CLASSES];
	const int count_column = mr_report_rows_column(table, "count");
	uint64_t size = 0, objects = 0;
	for (size_t i = 0; i < count; i++) {
		const uint64_t number = mr_report_rows_number(table, rows[i].row, count_column);
		size += rows[i].size;
		objects += number == MR_NO_VALUE ? 0 : number;
	}
	mr_scope_none(scope, "rest");
	if (count == 0)
		return;
	struct mr_scope *rest = mr_scope_child(scope, "rest");
	mr_scope_format(rest, "label", "%s more", mr_section_plural(scope, count, "class", "classes"));
	mr_scope_count(rest, "count", objects);
	mr_scope_bytes(rest, "size", size);
}

int mr_section_breakdown(const struct mr_view *view, struct mr_scope *item,
                         const struct mr_report_snapshot *snapshot, struct mr_error *err)
{
	const struct memstats_table *table = view->data->tables[MR_REPORT_CLASSES];
	const int size_column = mr_report_rows_column(table, "size");
	struct row *rows = mr_alloc((snapshot->row_count + 1) * sizeof(*rows));
	MR_FAIL_IF(!rows, err, MR_ERR_NOMEM, "no memory for %zu classes", snapshot->row_count);
	for (size_t i = 0; i < snapshot->row_count; i++) {
		const uint64_t size = mr_report_rows_number(table, snapshot->row_first + i, size_column);
		rows[i] = (struct row){ snapshot->row_first + i, size == MR_NO_VALUE ? 0 : size };
	}
	if (snapshot->row_count > 1)
		qsort(rows, snapshot->row_count, sizeof(*rows), by_size);
	const size_t shown = snapshot->row_count < view->limit ? snapshot->row_count : view->limit;
	mr_scope_list(item, "rows");
	for (size_t i = 0; i < shown; i++)
		add_class_row(view, item, rows[i].row, snapshot);
	add_rest(view, item, rows + shown, snapshot->row_count - shown);
	add_donut(view, item, rows, snapshot->row_count, snapshot);
	mr_free(rows);
	return 0;
}

/* ---- All of them ------------------------------------------------------------------------ */

static void set_snapshot(struct mr_scope *item, const struct mr_report_run *run, size_t index)
{
	const struct mr_report_snapshot *snapshot = &run->snapshots[index];
	mr_scope_format(item, "id", "run-%" PRIu64 "-snapshot-%" PRIu64, run->id, snapshot->number);
	mr_scope_format(item, "number", "%" PRIu64, snapshot->number);
	mr_scope_text(item, "name", mr_section_snapshot_name(item, snapshot));
	mr_scope_text(item, "kind", snapshot->kind);
	mr_scope_duration(item, "time", snapshot->time_ns);
	mr_scope_none(item, "duration");
	if (snapshot->duration_ns != MR_NO_VALUE)
		mr_scope_duration(item, "duration", snapshot->duration_ns);
	mr_scope_count(item, "objects", snapshot->objects);
	mr_scope_text(item, "objects_text", mr_section_plural(item, snapshot->objects, "object", "objects"));
	mr_scope_bytes(item, "size", snapshot->size_bytes);
	mr_section_bytes(item, "overhead", snapshot->overhead_bytes);
	mr_section_bytes(item, "rss", snapshot->rss_bytes);
	mr_section_bytes(item, "vsz", snapshot->vsz_bytes);
	mr_section_bytes(item, "pss", snapshot->pss_bytes);
	mr_section_bytes(item, "uss", snapshot->uss_bytes);
	mr_section_bytes(item, "swap", snapshot->swap_bytes);
	mr_scope_none(item, "size_change");
	mr_scope_none(item, "objects_change");
	if (index > 0) {
		mr_scope_bytes_change(item, "size_change",
		                      (int64_t)(snapshot->size_bytes - run->snapshots[index - 1].size_bytes));
		mr_scope_count_change(item, "objects_change",
		                      (int64_t)(snapshot->objects - run->snapshots[index - 1].objects));
	}
}

static size_t largest_of(const struct mr_report_run *run)
{
	size_t largest = 0;
	for (size_t i = 1; i < run->snapshot_count; i++)
		if (run->snapshots[i].size_bytes > run->snapshots[largest].size_bytes)
			largest = i;
	return largest;
}

/* The number that the detail of a snapshot is linked under; a row without detail links nowhere. */
static void set_link(struct mr_scope *item, const struct mr_report_run *run, size_t index,
                     const size_t *detailed, size_t count)
{
	mr_scope_none(item, "link");
	for (size_t i = 0; i < count; i++)
		if (detailed[i] == index)
			mr_scope_format(item, "link", "#run-%" PRIu64 "-snapshot-%" PRIu64, run->id,
			                run->snapshots[index].number);
}

int mr_section_snapshots(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err)
{
	const struct mr_report_run *run = view->run;
	size_t rows[ROWS_MAX], detailed[BREAKDOWNS_MAX];
	const size_t row_limit = 2 * view->limit < ROWS_MAX ? 2 * view->limit : ROWS_MAX;
	const size_t detail_limit = row_limit < BREAKDOWNS_MAX ? row_limit : BREAKDOWNS_MAX;
	const size_t largest = largest_of(run);
	const size_t row_count = mr_section_choose(run->snapshot_count, row_limit, largest, rows);
	const size_t detail_count = mr_section_choose(run->snapshot_count, detail_limit, largest, detailed);

	mr_scope_list(scope, "snapshots");
	mr_scope_list(scope, "breakdowns");
	mr_scope_none(scope, "snapshots_rest");
	mr_scope_none(scope, "breakdowns_rest");
	mr_scope_count(scope, "snapshot_count", run->snapshot_count);
	for (size_t i = 0; i < row_count; i++) {
		struct mr_scope *item = mr_scope_add(scope, "snapshots");
		set_snapshot(item, run, rows[i]);
		set_link(item, run, rows[i], detailed, detail_count);
		mr_scope_flag(item, "largest", rows[i] == largest && run->snapshots[largest].size_bytes > 0);
	}
	for (size_t i = 0; i < detail_count; i++) {
		struct mr_scope *item = mr_scope_add(scope, "breakdowns");
		set_snapshot(item, run, detailed[i]);
		mr_scope_flag(item, "open", detailed[i] == largest);
		MR_TRY(mr_section_breakdown(view, item, &run->snapshots[detailed[i]], err));
	}
	if (run->snapshot_count > row_count)
		mr_scope_format(
			scope, "snapshots_rest", "%s more in between",
			mr_section_plural(scope, run->snapshot_count - row_count, "snapshot", "snapshots"));
	if (run->snapshot_count > detail_count)
		mr_scope_format(scope, "breakdowns_rest",
		                "%zu of %zu snapshots are broken down here: the first, the last, the largest "
		                "and some in between.",
		                detail_count, run->snapshot_count);
	return 0;
}
