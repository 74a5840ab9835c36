/* SPDX-License-Identifier: MIT
 *
 * How sure: what is wrong with the log, and what recording it cost.
 */
#include "section.h"

#include <inttypes.h>

#define WARNINGS_MAX 50
#define ROWS_MAX 300

static void add_row(struct mr_scope *scope, const struct memstats_table *table, size_t row)
{
	struct mr_scope *item = mr_scope_add(scope, "health");
	const uint64_t value = mr_report_rows_number(table, row, mr_report_rows_column(table, "value"));
	const uint64_t run = mr_report_rows_number(table, row, mr_report_rows_column(table, "run"));
	mr_scope_text(item, "file", mr_report_rows_text(table, row, mr_report_rows_column(table, "file")));
	mr_scope_text(item, "item", mr_report_rows_text(table, row, mr_report_rows_column(table, "item")));
	mr_scope_text(item, "text", mr_report_rows_text(table, row, mr_report_rows_column(table, "text")));
	mr_section_count(item, "value", value);
	mr_section_count(item, "run", run);
}

/* Whether ROW counts something that was lost or does not fit. */
static bool tells_of_damage(const struct memstats_table *table, size_t row)
{
	static const char *const items[] = { "frames damaged", "frames missing", "bytes lost",
		                             "ids without a definition", "rows that contradict others" };
	const char *const item = mr_report_rows_text(table, row, mr_report_rows_column(table, "item"));
	for (size_t i = 0; i < MR_ARRAY_LEN(items); i++)
		if (item && strcmp(item, items[i]) == 0)
			return mr_report_rows_number(table, row, mr_report_rows_column(table, "value")) > 0;
	return false;
}

int mr_section_health(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err)
{
	struct memstats_table *table = NULL;
	size_t count = 0;
	bool damaged = false;
	mr_scope_list(scope, "health");
	mr_scope_list(scope, "warnings");
	mr_scope_none(scope, "health_rest");
	mr_scope_none(scope, "warnings_rest");
	MR_TRY(mr_report_rows_open(view->data->log, "health", NULL, NULL, NULL, NULL, &table, err));
	const size_t limit = 5 * view->limit < ROWS_MAX ? 5 * view->limit : ROWS_MAX;
	for (size_t row = 0; row < memstats_table_row_count(table) && row < limit; row++)
		add_row(scope, table, row);
	for (size_t row = 0; row < memstats_table_row_count(table); row++)
		damaged = damaged || tells_of_damage(table, row);
	mr_scope_format(scope, "trouble", "%s",
	                damaged ? "The log is damaged. What is whole in it is shown"
	                        : "The log is not complete. What it holds is shown");
	if (memstats_table_row_count(table) > limit)
		mr_scope_format(
			scope, "health_rest", "%s more",
			mr_section_plural(scope, memstats_table_row_count(table) - limit, "row", "rows"));
	memstats_table_free(table);
	for (const char *warning; (warning = memstats_log_warning(view->data->log, count)); count++)
		if (count < WARNINGS_MAX)
			mr_scope_format(mr_scope_add(scope, "warnings"), "text", "%s",
			                mr_section_name(scope, warning, 400));
	if (count > WARNINGS_MAX)
		mr_scope_format(scope, "warnings_rest", "%zu more", count - WARNINGS_MAX);
	return 0;
}
