/* SPDX-License-Identifier: MIT
 *
 * When: what the process held over time, part by part, and the curve of its
 * live blocks with the peak and the snapshots.
 */
#include "section_heap.h"

#define MOMENTS_MAX 400 /* snapshots that are marked */
#define MARKS_MAX 200
#define BOTH_LIMIT 5    /* rows of tables below which an account stands for the curve, too */
#define DETAIL_LIMIT 10 /* rows of tables below which charts lose points, too */

static const struct {
	const char *name;
	enum mr_paint paint;
} parts[MR_ACCOUNT_PARTS] = {
	[MR_ACCOUNT_PART_LIVE] = { "live heap", MR_PAINT_SERIES_1 },
	[MR_ACCOUNT_PART_SLACK] = { "slack of the allocator", MR_PAINT_SERIES_7 },
	[MR_ACCOUNT_PART_ANONYMOUS] = { "other anonymous memory", MR_PAINT_SERIES_4 },
	[MR_ACCOUNT_PART_STACKS] = { "stacks of threads", MR_PAINT_SERIES_6 },
	[MR_ACCOUNT_PART_FILES] = { "mapped files", MR_PAINT_SERIES_3 },
	[MR_ACCOUNT_PART_SHARED] = { "shared memory", MR_PAINT_SERIES_5 },
	[MR_ACCOUNT_PART_RECORDER] = { "the recorder's own", MR_PAINT_OTHER },
};

/* The snapshots as moments of a chart. */
static void add_moments(struct mr_scope *scope, const struct mr_report_heap *heap, struct mr_stacked *stacked)
{
	size_t indexes[MOMENTS_MAX], seen = 0, next = 0;
	const size_t count = mr_section_choose(heap->snapshot_count, MOMENTS_MAX, 0, indexes);
	double *times = mr_section_numbers(scope, count);
	const char **names = mr_page_alloc(mr_scope_page(scope), (count + 1) * sizeof(*names));
	if (!times || !names)
		return;
	for (size_t i = 0; i < heap->moment_count && next < count; i++) {
		const struct mr_heap_moment *moment = &heap->moments[i];
		char text[64];
		if (moment->number == MR_NO_VALUE || seen++ != indexes[next])
			continue;
		snprintf(text, sizeof(text), "#%llu", (unsigned long long)moment->number);
		times[next] = (double)moment->time_ns;
		names[next++] = moment->description[0] ? mr_section_name(scope, moment->description, 40)
		                                       : mr_section_name(scope, text, 0);
	}
	stacked->moment_times = times;
	stacked->moment_names = names;
	stacked->moment_count = next;
}

static void add_marks(struct mr_scope *scope, const struct mr_report_run *run, struct mr_stacked *stacked)
{
	size_t indexes[MARKS_MAX];
	const size_t count = mr_section_choose(run->mark_count, MARKS_MAX, 0, indexes);
	double *times = mr_section_numbers(scope, count);
	const char **names = mr_page_alloc(mr_scope_page(scope), (count + 1) * sizeof(*names));
	if (!times || !names)
		return;
	for (size_t i = 0; i < count; i++) {
		times[i] = (double)run->marks[indexes[i]].time_ns;
		names[i] = mr_section_name(scope, run->marks[indexes[i]].text, 40);
	}
	stacked->mark_times = times;
	stacked->mark_names = names;
	stacked->mark_count = count;
}

/* The parts that there are, as areas on the bottom of the chart and up. */
static void add_parts(struct mr_scope *scope, const struct mr_heap_account *account,
                      struct mr_stacked *stacked)
{
	struct mr_points *areas = mr_page_alloc(mr_scope_page(scope), MR_ACCOUNT_PARTS * sizeof(*areas));
	if (!areas)
		return;
	for (size_t p = 0; p < MR_ACCOUNT_PARTS; p++) {
		double most = 0;
		for (size_t i = 0; i < account->count; i++)
			most = account->parts[p][i] > most ? account->parts[p][i] : most;
		if (most > 0)
			areas[stacked->area_count++] =
				(struct mr_points){ parts[p].name,  parts[p].paint,    account->count,
				                    account->times, account->parts[p], false };
	}
	stacked->areas = areas;
}

/* Resident memory as the account has it. */
static void add_account_line(struct mr_scope *scope, const struct mr_heap_account *account,
                             struct mr_stacked *stacked)
{
	struct mr_points *line = mr_page_alloc(mr_scope_page(scope), sizeof(*line));
	if (!line)
		return;
	*line = (struct mr_points){ "resident (rss)", MR_PAINT_INK, account->count,
		                    account->times,   account->rss, false };
	stacked->lines = line;
	stacked->line_count = 1;
}

/* The same as it was sampled, where there is no account. */
static void add_sampled_line(struct mr_scope *scope, const struct mr_report_run *run,
                             struct mr_stacked *stacked)
{
	const struct mr_report_samples *samples = &run->samples;
	struct mr_points *line = mr_page_alloc(mr_scope_page(scope), sizeof(*line));
	size_t count = samples->count;
	if (!line)
		return;
	while (count > 0 && samples->rss[count - 1] <= 0) /* of a process that has ended */
		count--;
	*line = (struct mr_points){
		"resident (rss)", MR_PAINT_INK, count, samples->times, samples->rss, false
	};
	stacked->lines = line;
	stacked->line_count = count > 0;
}

static void describe_account(struct mr_scope *scope, const struct mr_heap_account *account,
                             struct mr_chart *chart)
{
	char text[256], rss[40], live[40];
	size_t most = 0;
	for (size_t i = 0; i < account->count; i++)
		most = account->rss[i] > account->rss[most] ? i : most;
	mr_text_bytes_short(rss, (uint64_t)account->rss[most]);
	mr_text_bytes_short(live, (uint64_t)account->parts[MR_ACCOUNT_PART_LIVE][most]);
	snprintf(text, sizeof(text), "Resident memory peaks at %s, of which %s are live blocks.", rss, live);
	chart->title = "What the process held";
	chart->description = mr_section_name(scope, text, 0);
}

static struct mr_chart *account_chart(struct mr_scope *scope, const struct mr_report_run *run, double width)
{
	struct mr_chart *chart = mr_section_chart(scope, MR_CHART_STACKED, width);
	if (!chart)
		return NULL;
	struct mr_stacked *stacked = &chart->of.stacked;
	stacked->time_end_ns = (double)run->duration_ns;
	add_parts(scope, &run->heap->account, stacked);
	add_account_line(scope, &run->heap->account, stacked);
	add_moments(scope, run->heap, stacked);
	add_marks(scope, run, stacked);
	describe_account(scope, &run->heap->account, chart);
	return chart;
}

/* Live blocks as the one area, up to the highest value between two samples. */
static struct mr_chart *live_chart(struct mr_scope *scope, const struct mr_report_run *run, double width,
                                   bool low)
{
	const struct mr_report_heap *heap = run->heap;
	struct mr_chart *chart = mr_section_chart(scope, MR_CHART_STACKED, width);
	struct mr_points *area = mr_page_alloc(mr_scope_page(scope), sizeof(*area));
	double *times = mr_section_numbers(scope, heap->moment_count + 1);
	double *live = mr_section_numbers(scope, heap->moment_count + 1);
	char size[40], text[160], clock[40] = "?";
	if (!chart || !area || !times || !live)
		return NULL;
	for (size_t i = 0; i < heap->moment_count; i++) {
		const struct mr_heap_moment *moment = &heap->moments[i];
		times[i] = (double)moment->time_ns;
		live[i] = (double)(moment->live_max != MR_NO_VALUE && moment->live_max > moment->live
		                           ? moment->live_max
		                           : moment->live);
	}
	*area = (struct mr_points){ "live heap", MR_PAINT_SERIES_1, heap->moment_count, times, live, false };
	mr_text_bytes_short(size, heap->cost[MR_COST_PEAK]);
	snprintf(text, sizeof(text), "peak %s", size);
	chart->of.stacked = (struct mr_stacked){
		.time_end_ns = (double)run->duration_ns,
		.area_count = 1,
		.areas = area,
		.low = low,
		.peak_text = mr_section_name(scope, text, 0),
	};
	if (heap->peak_time_ns != MR_NO_VALUE) {
		chart->of.stacked.peak_time = (double)heap->peak_time_ns;
		chart->of.stacked.peak_value = (double)heap->cost[MR_COST_PEAK];
		mr_text_duration(clock, heap->peak_time_ns);
	}
	add_moments(scope, heap, &chart->of.stacked);
	add_marks(scope, run, &chart->of.stacked);
	if (!low)
		add_sampled_line(scope, run, &chart->of.stacked);
	snprintf(text, sizeof(text), "Requested bytes that were not freed; the peak is %s, at %s.", size,
	         clock);
	chart->title = "Live heap";
	chart->description = mr_section_name(scope, text, 0);
	return chart;
}

/* A chart under NAME, with fewer points where a page has to be small. */
static void put_chart(const struct mr_view *view, struct mr_scope *scope, const char *name,
                      struct mr_chart *chart)
{
	if (chart && view->limit < DETAIL_LIMIT)
		chart->of.stacked.detail = (double)view->limit / DETAIL_LIMIT;
	mr_scope_chart(scope, name, chart);
}

int mr_section_memory(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err MR_UNUSED)
{
	const struct mr_report_run *run = view->run;
	const bool has_account = run->heap && run->heap->account.count > 1;
	const bool has_curve =
		run->heap && run->heap->moment_count > 1 && (!has_account || view->limit >= BOTH_LIMIT);
	mr_scope_none(scope, "account_wide");
	mr_scope_none(scope, "account_narrow");
	mr_scope_none(scope, "live_wide");
	mr_scope_none(scope, "live_narrow");
	mr_scope_flag(scope, "memory", has_account || has_curve);
	if (has_account) {
		put_chart(view, scope, "account_wide", account_chart(scope, run, MR_CHART_WIDE));
		put_chart(view, scope, "account_narrow", account_chart(scope, run, MR_CHART_NARROW));
	}
	if (has_curve) {
		put_chart(view, scope, "live_wide", live_chart(scope, run, MR_CHART_WIDE, has_account));
		put_chart(view, scope, "live_narrow", live_chart(scope, run, MR_CHART_NARROW, has_account));
	}
	return 0;
}
