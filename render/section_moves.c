/* SPDX-License-Identifier: MIT
 *
 * What came, went and stayed by type, and the censuses of a run whose snapshots
 * are of tracked objects: the tables of the section of objects that stayed.
 */
#include "section_persistent.h"

/* ---- What came, went and stayed ------------------------------------------------------------------------ */

static void set_amount(struct mr_scope *item, const struct memstats_table *table, size_t row,
                       const char *name, const char *size_name)
{
	mr_section_count(item, name, mr_report_rows_number(table, row, mr_report_rows_column(table, name)));
	mr_section_bytes(item, size_name,
	                 mr_report_rows_number(table, row, mr_report_rows_column(table, size_name)));
}

static bool has_moved(const struct memstats_table *table, size_t row)
{
	static const char *const names[] = { "created", "deleted", "persistent" };
	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++) {
		const uint64_t count =
			mr_report_rows_number(table, row, mr_report_rows_column(table, names[i]));
		if (count != MR_NO_VALUE && count > 0)
			return true;
	}
	return false;
}

static void add_moves(const struct mr_view *view, struct mr_scope *scope)
{
	const struct memstats_table *table = view->data->tables[MR_REPORT_DIFF];
	const size_t most = 2 * view->limit;
	size_t count = 0;
	mr_scope_list(scope, "moves");
	mr_scope_none(scope, "moves_rest");
	if (!table)
		return;
	const int run = mr_report_rows_column(table, "run"), kind = mr_report_rows_column(table, "kind"),
		  class = mr_report_rows_column(table, "class");
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		if (mr_report_rows_number(table, row, run) != view->run->id ||
		    strcmp(mr_report_rows_text(table, row, kind), "type") != 0 || !has_moved(table, row) ||
		    count++ >= most)
			continue;
		struct mr_scope *item = mr_scope_add(scope, "moves");
		const char *name = mr_report_rows_text(table, row, class);
		mr_scope_text(item, "class", name);
		mr_section_paint(item, "color", mr_report_paint(view->data, name));
		set_amount(item, table, row, "created", "created_size");
		set_amount(item, table, row, "deleted", "deleted_size");
		set_amount(item, table, row, "persistent", "persistent_size");
	}
	if (count > most)
		mr_scope_format(scope, "moves_rest", "%s more",
		                mr_section_plural(scope, count - most, "type", "types"));
}

/* The censuses of a run whose snapshots are of tracked objects. */
static void add_censuses(const struct mr_view *view, struct mr_scope *scope)
{
	const struct mr_report_census *census = view->run->census;
	size_t indexes[64];
	const size_t most = view->limit < MR_ARRAY_LEN(indexes) ? view->limit : MR_ARRAY_LEN(indexes);
	const size_t count = mr_section_choose(census->snapshot_count, most, 0, indexes);
	mr_scope_list(scope, "censuses");
	mr_scope_none(scope, "censuses_rest");
	for (size_t i = 0; i < count && !view->run->of_census; i++) {
		const struct mr_report_snapshot *snapshot = &census->snapshots[indexes[i]];
		struct mr_scope *item = mr_scope_add(scope, "censuses");
		mr_scope_text(item, "name",
		              snapshot->description[0] ? snapshot->description
		                                       : mr_section_census_name(item, snapshot));
		mr_scope_duration(item, "time", snapshot->time_ns);
		mr_scope_count(item, "objects", snapshot->objects);
		mr_scope_bytes(item, "size", snapshot->size_bytes);
	}
	if (!view->run->of_census && census->snapshot_count > count)
		mr_scope_format(scope, "censuses_rest", "%zu more in between",
		                census->snapshot_count - count);
}

void mr_section_moves(const struct mr_view *view, struct mr_scope *scope)
{
	add_moves(view, scope);
	add_censuses(view, scope);
}
