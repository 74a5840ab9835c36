/* SPDX-License-Identifier: MIT
 *
 * All runs of the log as a tree of processes, and what differs between two logs.
 */
#include "section.h"

#include <inttypes.h>

#define DEPTH_MAX 6 /* of indentation */
#define LIVES_MAX 60

static const struct mr_report_run *parent_of(const struct mr_report_data *data,
                                             const struct mr_report_run *run)
{
	return run->parent == MR_NO_VALUE ? NULL : mr_report_run_find(data, run->parent);
}

static size_t depth_of(const struct mr_report_data *data, const struct mr_report_run *run)
{
	size_t depth = 0;
	for (run = parent_of(data, run); run && depth < DEPTH_MAX - 1; run = parent_of(data, run))
		depth++;
	return depth;
}

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
                    bool linked)
{
	struct mr_scope *item = mr_scope_add(scope, "processes");
	uint64_t size = 0;
	for (size_t i = 0; i < run->snapshot_count; i++)
		size = run->snapshots[i].size_bytes > size ? run->snapshots[i].size_bytes : size;
	mr_scope_none(item, "link");
	if (linked)
		mr_scope_format(item, "link", "#run-%" PRIu64, run->id);
	mr_scope_text(item, "name", mr_report_run_name(run));
	mr_scope_text(item, "command", run->command);
	mr_scope_format(item, "indent", "indent-%zu", depth_of(view->data, run));
	mr_scope_none(item, "pid");
	if (run->pid != MR_NO_VALUE)
		mr_scope_format(item, "pid", "%" PRIu64, run->pid);
	mr_scope_duration(item, "duration", run->duration_ns);
	mr_section_bytes(item, "rss", run->rss_max);
	mr_scope_none(item, "size");
	if (run->snapshot_count > 0)
		mr_scope_bytes(item, "size", size);
	mr_scope_count(item, "objects", run->objects_total);
	exit_text(item, run);
}

/* Parents before their children, children in the order of runs. */
static void add_tree(const struct mr_view *view, struct mr_scope *scope, const struct mr_report_run *parent,
                     size_t *left, size_t level)
{
	for (size_t i = 0; i<view->data->run_count && * left> 0; i++) {
		const struct mr_report_run *run = &view->data->runs[i];
		if (parent_of(view->data, run) != parent || run == parent)
			continue;
		(*left)--;
		add_run(view, scope, run, i < view->limit);
		if (level < DEPTH_MAX)
			add_tree(view, scope, run, left, level + 1);
	}
}

int mr_section_overview(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err MR_UNUSED)
{
	const struct mr_report_data *data = view->data;
	size_t left = 2 * view->limit;
	mr_scope_list(scope, "processes");
	mr_scope_none(scope, "processes_rest");
	mr_scope_flag(scope, "several", data->run_count > 1);
	mr_scope_count(scope, "run_count", data->run_count);
	if (data->run_count > 1)
		add_tree(view, scope, NULL, &left, 0);
	if (data->run_count > 2 * view->limit - left)
		mr_scope_format(scope, "processes_rest", "%s more",
		                mr_section_plural(scope, data->run_count - (2 * view->limit - left),
		                                  "process", "processes"));
	mr_section_diff(view, scope, MR_NO_VALUE);
	return 0;
}
