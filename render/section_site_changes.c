/* SPDX-License-Identifier: MIT
 *
 * What two recorded heaps differ in, by places in the code: from the diff table.
 */
#include "section.h"

#include <stdlib.h>

struct change {
	size_t row;
	double size; /* the larger of the changes of the peak and of the end, whatever its sign */
};

static int by_size(const void *a, const void *b)
{
	const struct change *one = a, *two = b;
	if (one->size != two->size)
		return one->size > two->size ? -1 : 1;
	return one->row < two->row ? -1 : one->row > two->row;
}

static double change_at(const struct memstats_table *table, size_t row, const char *name)
{
	const int column = mr_report_rows_column(table, name);
	if (column < 0 || memstats_table_is_null(table, row, (size_t)column))
		return 0;
	return (double)memstats_table_change(table, row, (size_t)column);
}

static void set_change(struct mr_scope *item, const struct memstats_table *table, size_t row,
                       const char *name)
{
	mr_scope_bytes_change(item, name, (int64_t)change_at(table, row, name));
}

static void add_row(struct mr_scope *scope, const struct memstats_table *table, size_t row)
{
	static const char *const sizes[] = { "peak_before", "peak_after", "size_before", "size_after" };
	struct mr_scope *item = mr_scope_add(scope, "site_diff");
	mr_scope_text(item, "site", mr_report_rows_text(table, row, mr_report_rows_column(table, "class")));
	mr_scope_text(item, "module",
	              mr_report_rows_text(table, row, mr_report_rows_column(table, "module")));
	mr_scope_text(item, "verdict",
	              mr_report_rows_text(table, row, mr_report_rows_column(table, "verdict")));
	for (size_t i = 0; i < MR_ARRAY_LEN(sizes); i++)
		mr_section_bytes(item, sizes[i],
		                 mr_report_rows_number(table, row, mr_report_rows_column(table, sizes[i])));
	set_change(item, table, row, "peak_change");
	set_change(item, table, row, "size_change");
}

void mr_section_site_diff(const struct mr_view *view, struct mr_scope *scope, uint64_t run)
{
	const struct memstats_table *table = view->data->tables[MR_REPORT_DIFF];
	const size_t row_count = table ? memstats_table_row_count(table) : 0;
	struct change *changes = mr_page_alloc(mr_scope_page(scope), (row_count + 1) * sizeof(*changes));
	size_t count = 0;
	mr_scope_list(scope, "site_diff");
	mr_scope_none(scope, "site_diff_rest");
	if (row_count == 0 || !changes)
		return;
	const int runs = mr_report_rows_column(table, "run"), kind = mr_report_rows_column(table, "kind");
	for (size_t row = 0; row < row_count; row++) {
		if (mr_report_rows_number(table, row, runs) != run ||
		    strcmp(mr_report_rows_text(table, row, kind), "site") != 0)
			continue;
		const double peak = change_at(table, row, "peak_change"),
			     size = change_at(table, row, "size_change");
		const double one = peak < 0 ? -peak : peak, two = size < 0 ? -size : size;
		if (one > 0 || two > 0)
			changes[count++] = (struct change){ row, one > two ? one : two };
	}
	qsort(changes, count, sizeof(*changes), by_size);
	for (size_t i = 0; i < count && i < view->limit; i++)
		add_row(scope, table, changes[i].row);
	if (count > view->limit)
		mr_scope_format(scope, "site_diff_rest", "%s more changed less",
		                mr_section_plural(scope, count - view->limit, "place", "places"));
}
