/* SPDX-License-Identifier: MIT
 *
 * When: process memory and tracked classes over the run, in one chart, drawn
 * for a screen and again for a phone.
 */
#include "section.h"

#include <stdlib.h>

#define NAME_COLUMNS 40
#define MARKS_SHOWN 200
#define DETAIL_LIMIT 10 /* rows of tables below which charts lose points, too */

struct parts {
	struct mr_scope *scope;
	const struct mr_report_run *run;
	struct mr_timeline timeline;
	struct mr_points lines[3];
	struct mr_points areas[MR_PAINT_SERIES_COUNT + 1];
};

/* Resident (or virtual) memory from samples and snapshots together, by time. */
static void add_line(struct parts *parts, const char *name, enum mr_paint paint, bool virtual_memory)
{
	const struct mr_report_run *run = parts->run;
	const struct mr_report_samples *samples = &run->samples;
	double *x = mr_section_numbers(parts->scope, samples->count + run->snapshot_count);
	double *y = mr_section_numbers(parts->scope, samples->count + run->snapshot_count);
	size_t count = 0, s = 0;
	if (!x || !y)
		return;
	for (size_t i = 0; i <= samples->count; i++) {
		for (; s < run->snapshot_count &&
		       (i == samples->count || (double)run->snapshots[s].time_ns <= samples->times[i]);
		     s++) {
			const uint64_t size =
				virtual_memory ? run->snapshots[s].vsz_bytes : run->snapshots[s].rss_bytes;
			if (size == MR_NO_VALUE)
				continue;
			x[count] = (double)run->snapshots[s].time_ns;
			y[count++] = (double)size;
		}
		/* A reading of 0 is that of a process that has ended. */
		if (i == samples->count || (virtual_memory ? samples->vsz : samples->rss)[i] <= 0)
			continue;
		x[count] = samples->times[i];
		y[count++] = (virtual_memory ? samples->vsz : samples->rss)[i];
	}
	if (count > 0)
		parts->lines[parts->timeline.line_count++] =
			(struct mr_points){ name, paint, count, x, y, virtual_memory };
}

/* The coloured classes, smallest on top, and all others as one area above them. */
static void add_areas(struct parts *parts)
{
	const struct mr_report_run *run = parts->run;
	const double *times = parts->timeline.moment_times;
	double *others = mr_section_numbers(parts->scope, run->snapshot_count);
	size_t count = 0, colored = 0;
	double others_max = 0;
	char name[64];
	if (!others || !times)
		return;
	for (size_t s = 0; s < run->snapshot_count; s++)
		others[s] = (double)run->snapshots[s].size_bytes;
	for (size_t i = 0; i < run->followed; i++) {
		const struct mr_report_class *class = &run->classes[i];
		if (class->paint == MR_PAINT_OTHER || class->size_max == 0)
			continue;
		colored++;
		parts->areas[count++] =
			(struct mr_points){ mr_section_name(parts->scope, class->name, NAME_COLUMNS),
			                    class->paint,
			                    run->snapshot_count,
			                    times,
			                    class->sizes,
			                    false };
		for (size_t s = 0; s < run->snapshot_count; s++)
			others[s] -= class->sizes[s];
	}
	for (size_t s = 0; s < run->snapshot_count; s++) {
		others[s] = others[s] > 0 ? others[s] : 0;
		others_max = others[s] > others_max ? others[s] : others_max;
	}
	if (run->class_count > colored && others_max > 0) {
		snprintf(name, sizeof(name), "other (%s)",
		         mr_section_plural(parts->scope, run->class_count - colored, "class", "classes"));
		parts->areas[count++] = (struct mr_points){ mr_section_name(parts->scope, name, 0),
			                                    MR_PAINT_OTHER,
			                                    run->snapshot_count,
			                                    times,
			                                    others,
			                                    false };
	}
	parts->timeline.areas = parts->areas;
	parts->timeline.area_count = count;
}

static void add_moments(struct parts *parts)
{
	const struct mr_report_run *run = parts->run;
	double *times = mr_section_numbers(parts->scope, run->snapshot_count);
	const char **names =
		mr_page_alloc(mr_scope_page(parts->scope), (run->snapshot_count + 1) * sizeof(*names));
	if (!times || !names)
		return;
	for (size_t i = 0; i < run->snapshot_count; i++) {
		times[i] = (double)run->snapshots[i].time_ns;
		names[i] = mr_section_snapshot_name(parts->scope, &run->snapshots[i]);
	}
	parts->timeline.moment_times = times;
	parts->timeline.moment_names = names;
	parts->timeline.moment_count = run->snapshot_count;
}

static void add_marks(struct parts *parts)
{
	const struct mr_report_run *run = parts->run;
	size_t indexes[MARKS_SHOWN];
	const size_t count = mr_section_choose(run->mark_count, MARKS_SHOWN, 0, indexes);
	double *times = mr_section_numbers(parts->scope, count);
	const char **texts = mr_page_alloc(mr_scope_page(parts->scope), (count + 1) * sizeof(*texts));
	if (!times || !texts)
		return;
	for (size_t i = 0; i < count; i++) {
		times[i] = (double)run->marks[indexes[i]].time_ns;
		texts[i] = mr_section_name(parts->scope, run->marks[indexes[i]].text, NAME_COLUMNS);
	}
	parts->timeline.mark_times = times;
	parts->timeline.mark_names = texts;
	parts->timeline.mark_count = count;
}

static void describe(struct parts *parts, struct mr_chart *chart)
{
	char text[512], clock[32], size[32];
	double high = 0, at = 0;
	const struct mr_points *line = parts->timeline.line_count > 0 ? &parts->lines[0] : NULL;
	for (size_t i = 0; line && i < line->count; i++)
		if (line->y[i] > high) {
			high = line->y[i];
			at = line->x[i];
		}
	mr_text_duration(clock, (uint64_t)at);
	mr_text_bytes_short(size, (uint64_t)high);
	snprintf(text, sizeof(text), "%s of %zu classes%s%s%s%s.",
	         mr_section_plural(parts->scope, parts->run->snapshot_count, "snapshot", "snapshots"),
	         parts->run->class_count, line ? "; resident memory peaks at " : "", line ? size : "",
	         line ? " after " : "", line ? clock : "");
	chart->title = "Memory over time";
	chart->description = mr_section_name(parts->scope, text, 0);
}

static struct mr_chart *make_chart(struct parts *parts, double width)
{
	struct mr_chart *chart = mr_section_chart(parts->scope, MR_CHART_TIMELINE, width);
	if (!chart)
		return NULL;
	chart->of.timeline = parts->timeline;
	describe(parts, chart);
	return chart;
}

int mr_section_timeline(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err MR_UNUSED)
{
	struct parts *parts = mr_page_alloc(mr_scope_page(scope), sizeof(*parts));
	const struct mr_report_run *run = view->run;
	mr_scope_none(scope, "timeline_wide");
	mr_scope_none(scope, "timeline_narrow");
	/* What was recorded of a heap is shown with the memory of its process. */
	const bool shown = run->heap && run->snapshot_count == 0 &&
	                   (run->heap->account.count > 1 || run->heap->moment_count > 1);
	if (!parts || shown || (run->snapshot_count == 0 && run->samples.count == 0))
		return 0; /* no memory shows in the page's status */
	parts->scope = scope;
	parts->run = run;
	parts->timeline.time_end_ns = (double)run->duration_ns;
	/* A page that has to be small has no room for fine drawings either. */
	parts->timeline.detail = view->limit < DETAIL_LIMIT ? (double)view->limit / DETAIL_LIMIT : 1;
	add_moments(parts);
	add_areas(parts);
	add_line(parts, "resident (rss)", MR_PAINT_INK, false);
	parts->timeline.lines = parts->lines;
	add_marks(parts);
	mr_scope_chart(scope, "timeline_wide", make_chart(parts, MR_CHART_WIDE));
	mr_scope_chart(scope, "timeline_narrow", make_chart(parts, MR_CHART_NARROW));
	return 0;
}
