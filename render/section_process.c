/* SPDX-License-Identifier: MIT
 *
 * The process: what its samples say of memory, processor and faults.
 */
#include "section.h"

static struct mr_scope *add_fact(struct mr_scope *scope, const char *label, const char *help)
{
	struct mr_scope *fact = mr_scope_add(scope, "facts");
	mr_scope_text(fact, "label", label);
	mr_scope_text(fact, "help", help);
	return fact;
}

static double largest_of(const double *values, size_t count)
{
	double largest = 0;
	for (size_t i = 0; i < count; i++)
		largest = values[i] > largest ? values[i] : largest;
	return largest;
}

/* The largest of what snapshots say of a size; MR_NO_VALUE when none says anything. */
static uint64_t largest_overhead(const struct mr_report_run *run)
{
	uint64_t largest = MR_NO_VALUE;
	for (size_t i = 0; i < run->snapshot_count; i++) {
		const uint64_t size = run->snapshots[i].overhead_bytes;
		if (size != MR_NO_VALUE && (largest == MR_NO_VALUE || size > largest))
			largest = size;
	}
	return largest;
}

static void add_memory_facts(struct mr_scope *scope, const struct mr_report_run *run)
{
	const struct mr_report_samples *samples = &run->samples;
	if (run->rss_max != MR_NO_VALUE)
		mr_scope_bytes(add_fact(scope, "Resident, at most", "rss: what of the process was in memory"),
		               "value", run->rss_max);
	if (samples->pss_count > 0) {
		mr_scope_bytes(add_fact(scope, "Proportional, at most",
		                        "pss: resident, with its share of what is shared"),
		               "value", (uint64_t)largest_of(samples->pss, samples->pss_count));
		mr_scope_bytes(add_fact(scope, "Unshared, at most", "uss: resident and shared with nobody"),
		               "value", (uint64_t)largest_of(samples->uss, samples->pss_count));
	}
	if (samples->count > 0)
		mr_scope_bytes(add_fact(scope, "Virtual, at most", "vsz: addresses that were in use"),
		               "value", (uint64_t)largest_of(samples->vsz, samples->count));
	const uint64_t overhead = largest_overhead(run);
	if (overhead != MR_NO_VALUE)
		mr_scope_bytes(
			add_fact(scope, "Held by the tracker", "memory of the recording itself, at most"),
			"value", overhead);
}

static void add_work_facts(struct mr_scope *scope, const struct mr_report_run *run)
{
	const struct mr_report_samples *samples = &run->samples;
	if (samples->count == 0)
		return;
	if (samples->cpu_user_ns != MR_NO_VALUE)
		mr_scope_duration(add_fact(scope, "Processor, program", "time in the program's own code"),
		                  "value", samples->cpu_user_ns);
	if (samples->cpu_system_ns != MR_NO_VALUE)
		mr_scope_duration(add_fact(scope, "Processor, kernel", "time in the kernel on its behalf"),
		                  "value", samples->cpu_system_ns);
	if (samples->faults_minor != MR_NO_VALUE)
		mr_scope_count(
			add_fact(scope, "Page faults", "pages that were mapped when they were first touched"),
			"value", samples->faults_minor);
	if (samples->faults_major != MR_NO_VALUE)
		mr_scope_count(add_fact(scope, "Page faults from disk", "pages that had to be read"), "value",
		               samples->faults_major);
	if (samples->threads_max > 0)
		mr_scope_count(add_fact(scope, "Threads, at most", "at the same time"), "value",
		               samples->threads_max);
}

static void add_curve(struct mr_scope *scope, const char *name, const char *title,
                      const struct mr_points *points, size_t count, double end_ns)
{
	struct mr_chart *chart = mr_section_chart(scope, MR_CHART_CURVE, MR_CHART_HALF);
	struct mr_points *lines = mr_page_alloc(mr_scope_page(scope), count * sizeof(*lines));
	if (!chart || !lines)
		return;
	memcpy(lines, points, count * sizeof(*lines));
	chart->title = title;
	chart->description = "As sampled from outside or at snapshots.";
	chart->of.curve = (struct mr_curve){ end_ns, MR_UNIT_BYTES, count == 1, count, lines };
	mr_scope_chart(scope, name, chart);
}

int mr_section_process(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err MR_UNUSED)
{
	const struct mr_report_run *run = view->run;
	const struct mr_report_samples *samples = &run->samples;
	const double end = (double)run->duration_ns;
	mr_scope_list(scope, "facts");
	mr_scope_none(scope, "private_memory");
	mr_scope_none(scope, "virtual_memory");
	add_memory_facts(scope, run);
	add_work_facts(scope, run);
	if (samples->pss_count > 1) {
		const struct mr_points lines[] = {
			{ "proportional (pss)", MR_PAINT_SERIES_1, samples->pss_count, samples->pss_times,
			  samples->pss, false },
			{ "unshared (uss)", MR_PAINT_SERIES_3, samples->pss_count, samples->pss_times,
			  samples->uss, false },
		};
		add_curve(scope, "private_memory", "Memory of its own", lines, 2, end);
	}
	if (samples->count > 1) {
		const struct mr_points line = { "virtual (vsz)", MR_PAINT_ACCENT, samples->count,
			                        samples->times,  samples->vsz,    false };
		add_curve(scope, "virtual_memory", "Virtual memory", &line, 1, end);
	}
	mr_scope_count(scope, "sample_count", samples->count);
	return 0;
}
