/* SPDX-License-Identifier: MIT
 *
 * All runs of the log as a tree of processes, and what differs between two logs.
 */
#include "section.h"

#include <inttypes.h>

#define DEPTH_MAX 6 /* of indentation */

static void exit_text(struct mr_scope *item, const struct mr_report_run *run)
{
	if (run->code == MR_NO_VALUE)
		mr_scope_text(item, "exit", run->exit);
	else
		mr_scope_format(item, "exit", "%s %" PRIu64, run->exit, run->code);
	mr_scope_flag(item, "exit_bad",
	              strcmp(run->exit, "signalled") == 0 ||
	                      (strcmp(run->exit, "exited") == 0 && run->code != 0));
}

static void add_run(const struct mr_view *view, struct mr_scope *scope, const struct mr_report_run *run,
                    size_t depth)
{
	struct mr_scope *item = mr_scope_add(scope, "processes");
	uint64_t size = 0;
	for (size_t i = 0; i < run->snapshot_count; i++)
		size = run->snapshots[i].size_bytes > size ? run->snapshots[i].size_bytes : size;
	mr_scope_none(item, "link");
	if (mr_section_run_is_shown(view, run))
		mr_scope_format(item, "link", "#run-%" PRIu64, run->id);
	mr_scope_text(item, "name", mr_report_run_name(run));
	mr_scope_text(item, "command", run->command);
	mr_scope_format(item, "indent", "indent-%zu", depth < DEPTH_MAX ? depth : DEPTH_MAX - 1);
	mr_scope_none(item, "pid");
	if (run->pid != MR_NO_VALUE)
		mr_scope_format(item, "pid", "%" PRIu64, run->pid);
	mr_scope_duration(item, "duration", run->duration_ns);
	mr_section_bytes(item, "rss", run->rss_max);
	mr_scope_none(item, "size");
	if (run->snapshot_count > 0)
		mr_scope_bytes(item, "size", size);
	const struct mr_report_census *census = run->of_census ? run->census : NULL;
	mr_scope_count(item, "objects",
	               census ? census->snapshots[census->snapshot_count - 1].objects : run->objects_total);
	mr_scope_none(item, "heap_peak");
	mr_scope_none(item, "leaked");
	if (run->heap) {
		mr_scope_bytes(item, "heap_peak", run->heap->cost[MR_COST_PEAK]);
		mr_scope_bytes(item, "leaked", run->heap->cost[MR_COST_LEAKED]);
	}
	exit_text(item, run);
}

/* The next run in the tree, parents before their children; DEPTH moves along. */
static const struct mr_report_run *next_in_tree(const struct mr_report_data *data,
                                                const struct mr_report_run *run, size_t *depth)
{
	if (run->first_child != MR_NO_RUN) {
		(*depth)++;
		return &data->runs[run->first_child];
	}
	while (run->next_sibling == MR_NO_RUN && run->parent_index != MR_NO_RUN) {
		run = &data->runs[run->parent_index];
		(*depth)--;
	}
	if (run->next_sibling != MR_NO_RUN)
		return &data->runs[run->next_sibling];
	/* A tree is done: the next one has a root behind this one. */
	for (run++; run < data->runs + data->run_count; run++)
		if (run->parent_index == MR_NO_RUN)
			return run;
	return NULL;
}

static const char *life_text(struct mr_scope *scope, const struct mr_report_run *run)
{
	char text[160], start[32], duration[32];
	mr_text_duration(start, run->offset_ns);
	mr_text_duration(duration, run->duration_ns);
	snprintf(text, sizeof(text), "%s\nfrom %s for %s",
	         mr_section_name(scope, mr_report_run_name(run), 40), start, duration);
	return mr_section_lines(scope, text);
}

/* All runs that are listed, as a table and as bars on one axis of time. */
static void add_tree(const struct mr_view *view, struct mr_scope *scope, size_t limit)
{
	const struct mr_report_data *data = view->data;
	struct mr_chart *chart = mr_section_chart(scope, MR_CHART_LIVES, MR_CHART_WIDE);
	struct mr_life *lives = mr_page_alloc(mr_scope_page(scope), (limit + 1) * sizeof(*lives));
	size_t depth = 0, count = 0;
	double end = 0;
	if (!chart || !lives)
		return;
	for (const struct mr_report_run *run = data->runs; run; run = next_in_tree(data, run, &depth)) {
		const double birth = (double)run->offset_ns, death = birth + (double)run->duration_ns;
		if (run->rank >= limit)
			continue;
		add_run(view, scope, run, depth);
		end = death > end ? death : end;
		lives[count++] = (struct mr_life){ mr_section_name(scope, mr_report_run_name(run), 40),
			                           birth,
			                           death,
			                           true,
			                           run->objects_total > 0 || run->heap ? MR_PAINT_SERIES_1
			                                                               : MR_PAINT_OTHER,
			                           life_text(scope, run) };
	}
	chart->title = "When the processes ran";
	chart->description =
		"A bar for each of the larger processes, from its start to its end; coloured where "
		"objects were tracked or the heap was recorded.";
	chart->of.lives = (struct mr_lives){ end, count, lives };
	mr_scope_chart(scope, "processes_chart", chart);
}

int mr_section_overview(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err MR_UNUSED)
{
	const struct mr_report_data *data = view->data;
	const size_t limit = 2 * view->limit;
	mr_scope_list(scope, "processes");
	mr_scope_none(scope, "processes_rest");
	mr_scope_none(scope, "processes_chart");
	mr_scope_flag(scope, "several", data->run_count > 1);
	mr_scope_count(scope, "run_count", data->run_count);
	if (data->run_count > 1)
		add_tree(view, scope, limit);
	if (data->run_count > limit)
		mr_scope_format(scope, "processes_rest", "%s more, smaller and shorter",
		                mr_section_plural(scope, data->run_count - limit, "process", "processes"));
	mr_section_diff(view, scope, MR_NO_VALUE);
	mr_section_site_diff(view, scope, MR_NO_VALUE);
	return 0;
}
