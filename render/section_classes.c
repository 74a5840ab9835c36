/* SPDX-License-Identifier: MIT
 *
 * What: the classes, largest first, and for each how many instances there were
 * when, how large they are, what they refer to, and (section_objects.c) which
 * of them are the largest.
 */
#include "section_objects.h"

#include <inttypes.h>

#define DETAILED_MAX 32
#define BINS_MAX 40

/* ---- Charts ------------------------------------------------------------------------ */

static void add_instances(const struct mr_view *view, struct mr_scope *item,
                          const struct mr_report_class *class)
{
	struct mr_chart *chart = mr_section_chart(item, MR_CHART_CURVE, MR_CHART_HALF);
	struct mr_points *points = mr_page_alloc(mr_scope_page(item), sizeof(*points));
	double *times = mr_section_numbers(item, MR_REPORT_INSTANCES);
	mr_scope_none(item, "instances");
	if (!chart || !points || !times || class->total == 0)
		return;
	for (size_t i = 0; i < MR_REPORT_INSTANCES; i++)
		times[i] = (double)view->run->duration_ns * (double)i / (MR_REPORT_INSTANCES - 1);
	*points = (struct mr_points){ "instances", class->paint,     MR_REPORT_INSTANCES,
		                      times,       class->instances, false };
	if (view->run->of_census) { /* of what was there before only the number is known */
		points->count = view->run->snapshot_count;
		points->y = class->counts;
		points->x = times = mr_section_numbers(item, points->count);
		for (size_t i = 0; times && i < points->count; i++)
			times[i] = (double)view->run->snapshots[i].time_ns;
		if (!times)
			return;
	}
	chart->title = "Instances over time";
	chart->description = mr_section_plural(item, class->total, "instance in all", "instances in all");
	chart->of.curve = (struct mr_curve){ (double)view->run->duration_ns, MR_UNIT_COUNT, true, 1, points };
	mr_scope_chart(item, "instances", chart);
}

/* The bins of one measure, with the empty ones between them. */
static size_t read_bins(const struct mr_view *view, const struct mr_report_class *class, const char *measure,
                        struct mr_bin bins[BINS_MAX])
{
	const struct memstats_table *table = view->data->tables[MR_REPORT_HISTOGRAM];
	const bool lifetime = strcmp(measure, "lifetime") == 0;
	const int from = mr_report_rows_column(table, lifetime ? "lifetime_from" : "size_from"),
		  to = mr_report_rows_column(table, lifetime ? "lifetime_to" : "size_to"),
		  counts = mr_report_rows_column(table, "count"),
		  measures = mr_report_rows_column(table, "measure");
	size_t count = 0;
	for (size_t row = class->histogram_first; row < class->histogram_first + class->histogram_count;
	     row++) {
		if (strcmp(mr_report_rows_text(table, row, measures), measure) != 0)
			continue;
		const double low = (double)mr_report_rows_number(table, row, from),
			     high = (double)mr_report_rows_number(table, row, to) + 1;
		while (count > 0 && count < BINS_MAX && bins[count - 1].high < low) {
			const double start = bins[count - 1].high;
			bins[count++] = (struct mr_bin){ start, start * 2, 0 };
		}
		if (count == BINS_MAX)
			break;
		bins[count++] =
			(struct mr_bin){ low, high, (double)mr_report_rows_number(table, row, counts) };
	}
	return count;
}

static void add_histogram(const struct mr_view *view, struct mr_scope *item,
                          const struct mr_report_class *class, const char *measure, const char *name,
                          const char *title)
{
	struct mr_chart *chart = mr_section_chart(item, MR_CHART_HISTOGRAM, MR_CHART_HALF);
	struct mr_bin *bins = mr_page_alloc(mr_scope_page(item), BINS_MAX * sizeof(*bins));
	mr_scope_none(item, name);
	if (!chart || !bins)
		return;
	const size_t count = read_bins(view, class, measure, bins);
	if (count < 2) /* one column says nothing that min and max do not */
		return;
	chart->title = title;
	chart->description = "Each column is twice as wide as the one before.";
	chart->of.histogram =
		(struct mr_histogram){ strcmp(measure, "size") == 0 ? MR_UNIT_BYTES : MR_UNIT_TIME,
		                       class->paint, count, bins, MR_UNIT_COUNT };
	mr_scope_chart(item, name, chart);
}

/* ---- One class ------------------------------------------------------------------------- */

/* Its row in the classes table at the snapshot at which it was largest; SIZE_MAX when no snapshot has it. */
static size_t best_row(const struct mr_view *view, const struct mr_report_class *class)
{
	const struct memstats_table *table = view->data->tables[MR_REPORT_CLASSES];
	const int name = mr_report_rows_column(table, "class");
	if (!class->sizes || view->run->snapshot_count == 0)
		return SIZE_MAX;
	const struct mr_report_snapshot *snapshot = &view->run->snapshots[class->best];
	for (size_t row = snapshot->row_first; row < snapshot->row_first + snapshot->row_count; row++)
		if (strcmp(mr_report_rows_text(table, row, name), class->name) == 0)
			return row;
	return SIZE_MAX;
}

static void set_sizes(const struct mr_view *view, struct mr_scope *item, const struct mr_report_class *class)
{
	static const char *const names[] = { "average", "min", "max" };
	const struct memstats_table *table = view->data->tables[MR_REPORT_CLASSES];
	const size_t row = best_row(view, class);
	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++)
		mr_section_bytes(
			item, names[i],
			row == SIZE_MAX
				? MR_NO_VALUE
				: mr_report_rows_number(table, row, mr_report_rows_column(table, names[i])));
	mr_scope_none(item, "best_name");
	mr_scope_none(item, "share");
	if (row == SIZE_MAX)
		return;
	const struct mr_report_snapshot *best = &view->run->snapshots[class->best];
	mr_scope_text(item, "best_name", mr_section_snapshot_name(item, best));
	mr_section_share(item, "share", class->sizes[class->best], (double)best->size_bytes);
}

/* What the table of classes and the class's own part both show. */
static void set_class(const struct mr_view *view, struct mr_scope *item, size_t index)
{
	const struct mr_report_class *class = &view->run->classes[index];
	mr_scope_format(item, "id", "run-%" PRIu64 "-class-%zu", view->run->id, index + 1);
	mr_scope_text(item, "class", class->name);
	mr_section_paint(item, "color", class->paint);
	mr_scope_count(item, "total", class->total);
	mr_scope_count(item, "alive", class->alive);
	mr_scope_count(item, "count_max", class->count_max);
	mr_scope_count(item, "count_last", class->count_last);
	mr_scope_bytes(item, "size_max", class->size_max);
	mr_scope_bytes(item, "size_last", class->size_last);
	mr_scope_bytes_change(item, "size_change", (int64_t)(class->size_last - class->size_first));
	mr_scope_flag(item, "grows", class->growths >= 2 && class->shrinks == 0);
	set_sizes(view, item, class);
}

static int set_detail(const struct mr_view *view, struct mr_scope *item, const struct mr_report_class *class,
                      struct mr_error *err)
{
	add_instances(view, item, class);
	add_histogram(view, item, class, "size", "sizes", "Sizes of its instances");
	add_histogram(view, item, class, "lifetime", "lifetimes", "Lifetimes of those that are gone");
	MR_TRY(mr_section_class_referents(view, item, class, err));
	return mr_section_objects(view, item, class, err);
}

static void set_rest(const struct mr_view *view, struct mr_scope *scope, size_t shown)
{
	const struct mr_report_run *run = view->run;
	uint64_t total = 0, alive = 0, size = 0;
	mr_scope_none(scope, "classes_rest");
	if (run->class_count <= shown)
		return;
	for (size_t i = shown; i < run->class_count; i++) {
		total += run->classes[i].total;
		alive += run->classes[i].alive;
		size += run->classes[i].size_last;
	}
	struct mr_scope *rest = mr_scope_child(scope, "classes_rest");
	mr_scope_format(rest, "label", "%s more",
	                mr_section_plural(scope, run->class_count - shown, "class", "classes"));
	mr_scope_count(rest, "total", total);
	mr_scope_count(rest, "alive", alive);
	mr_scope_bytes(rest, "size_last", size);
}

int mr_section_classes(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err)
{
	const struct mr_report_run *run = view->run;
	const size_t shown = run->class_count < 2 * view->limit ? run->class_count : 2 * view->limit;
	const size_t detail_limit = view->limit < DETAILED_MAX ? view->limit : DETAILED_MAX;
	size_t detailed = 0;
	/* Of a class without instances there is nothing more to say. */
	while (detailed < run->followed && detailed < detail_limit && run->classes[detailed].total > 0)
		detailed++;
	mr_scope_list(scope, "classes");
	mr_scope_list(scope, "class_details");
	mr_scope_count(scope, "class_count", run->class_count);
	for (size_t i = 0; i < shown; i++) {
		struct mr_scope *item = mr_scope_add(scope, "classes");
		set_class(view, item, i);
		mr_scope_none(item, "link");
		if (i < detailed)
			mr_scope_format(item, "link", "#run-%" PRIu64 "-class-%zu", run->id, i + 1);
	}
	set_rest(view, scope, shown);
	for (size_t i = 0; i < detailed; i++) {
		struct mr_scope *item = mr_scope_add(scope, "class_details");
		set_class(view, item, i);
		mr_scope_flag(item, "open", i == 0);
		MR_TRY(set_detail(view, item, &run->classes[i], err));
	}
	mr_scope_none(scope, "class_details_rest");
	if (run->class_count > detailed && detailed == detail_limit)
		mr_scope_format(scope, "class_details_rest",
		                "Looked at closer: the %zu largest of %zu classes.", detailed,
		                run->class_count);
	return 0;
}
