/* SPDX-License-Identifier: MIT
 *
 * A shorter way to libmemstats's tables: a query in one call, cells by column,
 * null where a column is not there.
 */
#include "report_data.h"

_Static_assert(sizeof(struct memstats_error) == sizeof(struct mr_error), "one error under two names");

static struct memstats_error *error_of(struct mr_error *err)
{
	return (struct memstats_error *)(void *)err;
}

static int add(struct memstats_query *query, enum memstats_operation operation, const char *value,
               struct mr_error *err)
{
	return value ? memstats_query_add(query, operation, value, error_of(err)) : 0;
}

int mr_report_rows_open(struct memstats_log *log, const char *name, const char *sort, const char *where,
                        const char *limit, const char *columns, struct memstats_table **table,
                        struct mr_error *err)
{
	struct memstats_query *query = memstats_query_new();
	MR_FAIL_IF(!query, err, MR_ERR_NOMEM, "no memory for table %s", name);
	int status = add(query, MEMSTATS_WHERE, where, err);
	if (status == 0)
		status = add(query, MEMSTATS_SORT, sort, err);
	if (status == 0)
		status = add(query, MEMSTATS_LIMIT, limit, err);
	if (status == 0)
		status = add(query, MEMSTATS_COLUMNS, columns, err);
	if (status == 0)
		status = memstats_table_new(log, name, query, table, error_of(err));
	memstats_query_free(query);
	return status;
}

int mr_report_rows_column(const struct memstats_table *table, const char *name)
{
	return memstats_table_find_column(table, name);
}

uint64_t mr_report_rows_number(const struct memstats_table *table, size_t row, int column)
{
	return column < 0 ? MR_NO_VALUE : memstats_table_number_or(table, row, (size_t)column, MR_NO_VALUE);
}

const char *mr_report_rows_text(const struct memstats_table *table, size_t row, int column)
{
	return column < 0 ? "" : memstats_table_text(table, row, (size_t)column);
}
