/* SPDX-License-Identifier: MIT
 *
 * What came and went: from the run's first snapshot to its last (the diff
 * table), and from each snapshot to the next.
 */
#include "section.h"

#include <inttypes.h>

#define PAIRS_MAX 40

/* ---- First to last -------------------------------------------------------------------- */

static void set_amount(struct mr_scope *item, const struct memstats_table *table, size_t row,
                       const char *name, const char *size_name)
{
	mr_section_count(item, name, mr_report_rows_number(table, row, mr_report_rows_column(table, name)));
	mr_section_bytes(item, size_name,
	                 mr_report_rows_number(table, row, mr_report_rows_column(table, size_name)));
}

static void set_change(struct mr_scope *item, const struct memstats_table *table, size_t row,
                       const char *name, bool bytes)
{
	const int column = mr_report_rows_column(table, name);
	if (column < 0 || memstats_table_is_null(table, row, (size_t)column))
		mr_scope_none(item, name);
	else if (bytes)
		mr_scope_bytes_change(item, name, memstats_table_change(table, row, (size_t)column));
	else
		mr_scope_count_change(item, name, memstats_table_change(table, row, (size_t)column));
}

static void set_diff_row(const struct mr_view *view, struct mr_scope *item,
                         const struct memstats_table *table, size_t row)
{
	const char *name = mr_report_rows_text(table, row, mr_report_rows_column(table, "class"));
	mr_scope_text(item, "class", name);
	mr_section_paint(item, "color", mr_report_paint(view->data, name));
	mr_scope_text(item, "verdict",
	              mr_report_rows_text(table, row, mr_report_rows_column(table, "verdict")));
	set_amount(item, table, row, "count_before", "size_before");
	set_amount(item, table, row, "count_after", "size_after");
	set_amount(item, table, row, "created", "created_size");
	set_amount(item, table, row, "deleted", "deleted_size");
	set_amount(item, table, row, "persistent", "persistent_size");
	set_change(item, table, row, "count_change", false);
	set_change(item, table, row, "size_change", true);
}

/* Rows of the diff table: of a run, or with RUN MR_NO_VALUE of two files. */
void mr_section_diff(const struct mr_view *view, struct mr_scope *scope, uint64_t run)
{
	const struct memstats_table *table = view->data->tables[MR_REPORT_DIFF];
	size_t count = 0;
	mr_scope_list(scope, "diff");
	mr_scope_none(scope, "diff_rest");
	if (!table)
		return;
	const int run_column = mr_report_rows_column(table, "run"),
		  kind = mr_report_rows_column(table, "kind");
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		const char *of = mr_report_rows_text(table, row, kind);
		/* The types of a run are in its section of objects that stayed. */
		if (mr_report_rows_number(table, row, run_column) != run || strcmp(of, "site") == 0 ||
		    (run != MR_NO_VALUE && strcmp(of, "type") == 0))
			continue;
		if (count++ < view->limit)
			set_diff_row(view, mr_scope_add(scope, "diff"), table, row);
	}
	if (count > view->limit)
		mr_scope_format(scope, "diff_rest", "%s more",
		                mr_section_plural(scope, count - view->limit, "class", "classes"));
}

/* ---- Snapshot to snapshot ---------------------------------------------------------------- */

static bool has_changed(const struct mr_report_class *class, size_t at, bool of_census)
{
	if (of_census)
		return class->counts[at] != class->counts[at - 1] || class->sizes[at] != class->sizes[at - 1];
	return class->created[at] > 0 || class->deleted[at] > 0 || class->sizes[at] != class->sizes[at - 1];
}

static void set_pair_row(struct mr_scope *item, const struct mr_report_class *class, size_t at,
                         bool of_census)
{
	mr_scope_text(item, "class", class->name);
	mr_section_paint(item, "color", class->paint);
	/* A census does not tell of each object what became of it in between. */
	mr_section_count(item, "created", of_census ? MR_NO_VALUE : class->created[at]);
	mr_section_count(item, "deleted", of_census ? MR_NO_VALUE : class->deleted[at]);
	mr_section_count(item, "persistent", of_census ? MR_NO_VALUE : class->persistent[at]);
	mr_scope_count_change(item, "count_change", (int64_t)(class->counts[at] - class->counts[at - 1]));
	mr_scope_bytes_change(item, "size_change", (int64_t)(class->sizes[at] - class->sizes[at - 1]));
}

static void set_pair(const struct mr_view *view, struct mr_scope *item, size_t at)
{
	const struct mr_report_run *run = view->run;
	const struct mr_report_snapshot *from = &run->snapshots[at - 1], *to = &run->snapshots[at];
	size_t changed = 0;
	mr_scope_format(item, "id", "run-%" PRIu64 "-change-%" PRIu64, run->id, to->number);
	mr_scope_text(item, "from", mr_section_snapshot_name(item, from));
	mr_scope_text(item, "to", mr_section_snapshot_name(item, to));
	mr_scope_duration(item, "after", to->time_ns > from->time_ns ? to->time_ns - from->time_ns : 0);
	mr_scope_bytes_change(item, "size_change", (int64_t)(to->size_bytes - from->size_bytes));
	mr_scope_count_change(item, "objects_change", (int64_t)(to->objects - from->objects));
	const bool one = to->objects - from->objects == 1 || from->objects - to->objects == 1;
	mr_scope_text(item, "objects_word", one ? "object" : "objects");
	mr_scope_list(item, "rows");
	mr_scope_none(item, "rest");
	for (size_t i = 0; i < run->followed; i++)
		if (has_changed(&run->classes[i], at, run->of_census) && changed++ < view->limit)
			set_pair_row(mr_scope_add(item, "rows"), &run->classes[i], at, run->of_census);
	if (changed > view->limit)
		mr_scope_format(item, "rest", "%s more changed",
		                mr_section_plural(item, changed - view->limit, "class", "classes"));
}

int mr_section_changes(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err MR_UNUSED)
{
	const struct mr_report_run *run = view->run;
	size_t pairs[PAIRS_MAX], best = 0;
	const size_t limit = 2 * view->limit < PAIRS_MAX ? 2 * view->limit : PAIRS_MAX;
	const size_t pair_count = run->snapshot_count > 1 ? run->snapshot_count - 1 : 0;
	uint64_t most = 0;
	mr_section_diff(view, scope, run->id);
	for (size_t i = 0; i < pair_count; i++) {
		const uint64_t before = run->snapshots[i].size_bytes,
			       after = run->snapshots[i + 1].size_bytes;
		const uint64_t change = before > after ? before - after : after - before;
		best = change > most ? i : best;
		most = change > most ? change : most;
	}
	const size_t count = mr_section_choose(pair_count, limit, best, pairs);
	mr_scope_list(scope, "changes");
	mr_scope_none(scope, "changes_rest");
	mr_scope_none(scope, "diff_from");
	mr_scope_none(scope, "diff_to");
	if (run->snapshot_count > 0) {
		mr_scope_text(scope, "diff_from", mr_section_snapshot_name(scope, &run->snapshots[0]));
		mr_scope_text(scope, "diff_to",
		              mr_section_snapshot_name(scope, &run->snapshots[run->snapshot_count - 1]));
	}
	for (size_t i = 0; i < count; i++) {
		struct mr_scope *item = mr_scope_add(scope, "changes");
		set_pair(view, item, pairs[i] + 1);
		mr_scope_flag(item, "open", pairs[i] == best && most > 0);
	}
	if (pair_count > count)
		mr_scope_format(scope, "changes_rest",
		                "%zu of %zu steps are shown: the first, the last, the largest and "
		                "some in between.",
		                count, pair_count);
	return 0;
}
