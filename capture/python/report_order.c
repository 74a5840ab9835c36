/* SPDX-License-Identifier: MIT
 *
 * The order of a list of objects.  Sorting is put off until it is known how many of the
 * first are wanted, because ten of a million are found much faster than a million are
 * sorted.  All of it is done with the log locked.
 */
#include "report_list.h"

#define HEAD_MIN 64u   /* rows that are found at once where fewer are asked for */
#define HEAD_SHARE 16u /* of the list: more than that is worth sorting it whole */

/* The first LIMIT rows of the pending order in *SORTED (owned). */
static int sort_rows(const struct mr_report_list *list, size_t limit, uint32_t **sorted,
                     struct memstats_error *error)
{
	struct memstats_table *table = NULL;
	int code = mr_report_table(list->log, "objects", list->pending, NULL, &table, error);

	if (code == 0)
		code = memstats_table_arrange(table, list->rows, list->count, error);
	if (code == 0)
		code = memstats_table_sort(table, list->pending, limit, error);
	if (code == 0) {
		const size_t count = memstats_table_row_count(table);
		uint32_t *const rows = mr_realloc(NULL, (count + 1) * sizeof(*rows));

		if (!rows) {
			*error = (struct memstats_error){ MEMSTATS_ERR_NOMEM, "no memory to sort objects" };
			code = MEMSTATS_ERR_NOMEM;
		}
		for (size_t i = 0; rows && i < count; i++)
			rows[i] = (uint32_t)memstats_table_source(table, i);
		*sorted = rows;
	}
	memstats_table_free(table);
	return code;
}

void mr_report_list_forget_order(struct mr_report_list *list)
{
	mr_free(list->pending);
	mr_free(list->head);
	list->pending = NULL;
	list->head = NULL;
	list->head_count = 0;
}

int mr_report_list_settle(struct mr_report_list *list, size_t wanted, struct memstats_error *error)
{
	uint32_t *sorted = NULL;

	if (!list->pending || wanted <= list->head_count)
		return 0;
	size_t limit = wanted < HEAD_MIN ? HEAD_MIN : 2 * wanted;

	if (limit > list->count / HEAD_SHARE)
		limit = list->count;
	const int code = sort_rows(list, limit, &sorted, error);

	if (code < 0)
		return code;
	if (limit < list->count) {
		mr_free(list->head);
		list->head = sorted;
		list->head_count = limit;
		return 0;
	}
	mr_free(list->rows);
	list->rows = sorted;
	mr_report_list_forget_order(list);
	return 0;
}

/* Whether the column that NAME begins with, up to a comma, is one of COLUMNS. */
static bool has_column(const char *columns, const char *name)
{
	const size_t len = strcspn(name, ",");

	for (;; columns++) {
		const size_t column_len = strcspn(columns, ",");

		if (column_len == len && memcmp(columns, name, len) == 0)
			return true;
		columns += column_len;
		if (*columns == '\0')
			return false;
	}
}

char *mr_report_list_columns(const char *columns, const char *before)
{
	size_t len = strlen(columns);
	char *const joined = mr_alloc(len + (before ? strlen(before) : 0) + 2);

	if (!joined)
		return NULL;
	memcpy(joined, columns, len);
	while (before && *before != '\0') {
		const size_t name_len = strcspn(before, ",");

		if (!has_column(columns, before)) {
			joined[len++] = ',';
			memcpy(joined + len, before, name_len);
			len += name_len;
		}
		before += name_len + (before[name_len] == ',');
	}
	return joined;
}
