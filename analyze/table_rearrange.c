/* SPDX-License-Identifier: MIT
 *
 * Tables whose rows a program orders itself: an interpreter's list of objects
 * is sorted again and again, each time from the order in which it stands.
 */
#include "query.h"

#include <assert.h>

size_t memstats_table_source(const struct memstats_table *table, size_t row)
{
	assert(row < table->row_count && "the row exists");
	return mr_table_row(table, row);
}

/* How many source rows there are: what was left out is still there. */
static size_t source_count(const struct memstats_table *table)
{
	return table->row_count + table->filtered_count + table->limited_count;
}

int memstats_table_arrange(struct memstats_table *table, const uint32_t *rows, size_t count,
                           struct memstats_error *error)
{
	struct mr_error *err = mr_table_error(error);
	const size_t sources = source_count(table);

	MR_FAIL_IF(count > sources, err, MR_ERR_ARG, "table %s has no %zu rows", table->type->info.name,
	           count);
	for (size_t i = 0; i < count; i++)
		MR_FAIL_IF(rows[i] >= sources, err, MR_ERR_ARG, "table %s has no source row %u",
		           table->type->info.name, rows[i]);
	uint32_t *const copy = mr_realloc(NULL, (count + 1) * sizeof(*copy));

	MR_FAIL_IF(!copy, err, MR_ERR_NOMEM, "no memory for %zu rows", count);
	if (count > 0)
		memcpy(copy, rows, count * sizeof(*copy));
	mr_free(table->rows);
	table->rows = copy;
	table->row_count = count;
	table->filtered_count = sources - count;
	table->limited_count = 0;
	return 0;
}

static int check_shown(const struct memstats_table *table, const struct mr_order *order, struct mr_error *err)
{
	for (size_t i = 0; i < order->count; i++) {
		const char *name = table->type->info.columns[order->columns[i]].name;

		MR_FAIL_IF(memstats_table_find_column(table, name) < 0, err, MR_ERR_ARG,
		           "column %s of table %s is not shown", name, table->type->info.name);
	}
	return 0;
}

int memstats_table_sort(struct memstats_table *table, const char *columns, size_t limit,
                        struct memstats_error *error)
{
	struct mr_error *err = mr_table_error(error);
	struct mr_order order = { .count = 0 };
	const size_t wanted = limit < table->row_count ? limit : table->row_count;

	MR_TRY(mr_order_parse(&table->type->info, columns, &order, err));
	MR_TRY(check_shown(table, &order, err));
	MR_TRY(mr_table_make_rows(table, err));
	MR_TRY(mr_order_apply(&order, table->type, table->state, table->rows, table->row_count, wanted, err));
	table->limited_count += table->row_count - wanted;
	table->row_count = wanted;
	return 0;
}
