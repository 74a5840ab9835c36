/* SPDX-License-Identifier: MIT
 *
 * Queries: whatever is asked, it is either refused with a message or gives rows
 * that the table has, each at most once, and the rows that are left out are
 * counted; nothing is read beyond the words.
 *
 * The input is a list of steps: a byte for the operation, then its value up to
 * a zero byte.
 */
#include <stdlib.h>

#include "query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROWS 40
#define STEPS_MAX 8

enum { NAME, SIZE, BIRTH, DEATH, CHANGE, SHARE, ADDRESS, COLUMN_COUNT };

static const struct memstats_column columns[COLUMN_COUNT] = {
	[NAME] = { "name", MEMSTATS_TEXT, "" },
	[SIZE] = { "size", MEMSTATS_BYTES, "" },
	[BIRTH] = { "birth", MEMSTATS_TIME, "" },
	[DEATH] = { "death", MEMSTATS_TIME, "" },
	[CHANGE] = { "change", MEMSTATS_COUNT_CHANGE, "" },
	[SHARE] = { "share", MEMSTATS_PERCENT, "" },
	[ADDRESS] = { "address", MEMSTATS_ADDRESS, "" },
};

static int made_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                     struct mr_error *err)
{
	(void)log;
	(void)needed;
	(void)state;
	(void)err;
	*row_count = ROWS;
	return 0;
}

static void made_cell(const void *state, size_t row, size_t column, struct mr_cell *cell)
{
	static const char *const names[] = { "Node", "Leaf", "", "a\xff", "Employee" };

	(void)state;
	if (column == NAME)
		mr_cell_string(cell, row % 6 == 5 ? NULL : names[row % 6]);
	else if (column == CHANGE)
		mr_cell_change(cell, 20 - (int64_t)row);
	else if (column == SHARE)
		mr_cell_percent(cell, (double)row, row % 3 == 0 ? 0 : 40);
	else
		mr_cell_number_or_null(cell, row * 7919 % 31, column == DEATH && row % 2 == 0);
}

static void made_close(void *state)
{
	(void)state;
}

static const struct mr_table_type made = {
	.info = { "made", "rows to be asked for", columns, COLUMN_COUNT, NAME },
	.default_sort = "size,name",
	.open = made_open,
	.cell = made_cell,
	.close = made_close,
};

static void require(bool holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "fuzz_query: %s\n", what);
		abort();
	}
}

static void check_table(const struct memstats_table *table)
{
	bool seen[ROWS] = { false };
	const size_t count = memstats_table_row_count(table);

	require(count + memstats_table_hidden_count(table) == ROWS, "rows are lost");
	require(memstats_table_column_count(table) <= COLUMN_COUNT, "columns come from nowhere");
	for (size_t i = 0; i < count; i++) {
		const size_t row = mr_table_row(table, i);

		require(row < ROWS && !seen[row], "a row is there twice, or is none");
		seen[row] = true;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memstats_query *query = memstats_query_new();
	char *value = malloc(size + 1);
	bool refused = false;
	size_t at = 0;

	require(query && value, "no memory");
	for (int step = 0; step < STEPS_MAX && at < size && !refused; step++) {
		const enum memstats_operation operation =
			(enum memstats_operation)(data[at++] % (MEMSTATS_INVERT + 1));
		const size_t len = strnlen((const char *)data + at, size - at);
		struct memstats_error error = { 0, "" };

		memcpy(value, data + at, len);
		value[len] = '\0';
		at += len < size - at ? len + 1 : len;
		refused = memstats_query_add(query, operation, value, &error) < 0;
		require(refused == (error.message[0] != '\0'),
		        "a refusal without a word, or a word without a refusal");
	}
	if (!refused) {
		struct memstats_table *table = NULL;
		struct mr_error err = { 0, "" };
		const int code = mr_table_new(NULL, &made, query, &table, &err);

		require((code < 0) == (err.message[0] != '\0'), "a refusal without a word");
		if (code == 0)
			check_table(table);
		memstats_table_free(table);
	}
	memstats_query_free(query);
	free(value);
	return 0;
}
