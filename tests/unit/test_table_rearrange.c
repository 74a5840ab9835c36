/* SPDX-License-Identifier: MIT
 *
 * Rows that a program orders itself, and the log as it was read: source rows,
 * arranging, sorting what stands, copying.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "log_builder.h"
#include "table.h"

static struct log_builder builder;
static struct memstats_log *logged;
static struct memstats_table *table;
static struct memstats_error error;

static void open_sample(void)
{
	struct memstats_query *query = memstats_query_new();

	log_builder_sample(&builder);
	cr_assert(eq(
		int,
		memstats_log_open_memory(builder.bytes.data, builder.bytes.len, "made.dat", &logged, &error),
		0));
	cr_assert(eq(int, memstats_query_add(query, MEMSTATS_UNSORTED, NULL, &error), 0));
	cr_assert(eq(int, memstats_query_add(query, MEMSTATS_COLUMNS, "object,class,size,birth", &error), 0));
	cr_assert(eq(int, memstats_table_new(logged, "objects", query, &table, &error), 0));
	memstats_query_free(query);
}

static void release(void)
{
	memstats_table_free(table);
	memstats_log_close(logged);
	log_builder_release(&builder);
}

TestSuite(table_rearrange, .init = open_sample, .fini = release);

Test(table_rearrange, unsorted__is_the_order_of_the_log)
{
	cr_assert(gt(sz, memstats_table_row_count(table), 2));
	for (size_t i = 0; i < memstats_table_row_count(table); i++)
		cr_expect(eq(sz, memstats_table_source(table, i), i));
}

Test(table_rearrange, arrange__shows_these_rows_in_this_order)
{
	const uint64_t second = memstats_table_number(table, 1, 0);
	const uint64_t first = memstats_table_number(table, 0, 0);
	const size_t all = memstats_table_row_count(table);
	const uint32_t rows[] = { 1, 0 };

	cr_assert(eq(int, memstats_table_arrange(table, rows, 2, &error), 0));
	cr_assert(eq(sz, memstats_table_row_count(table), 2));
	cr_expect(eq(u64, memstats_table_number(table, 0, 0), second));
	cr_expect(eq(u64, memstats_table_number(table, 1, 0), first));
	cr_expect(eq(sz, memstats_table_source(table, 0), 1));
	cr_expect(eq(sz, memstats_table_hidden_count(table), all - 2));
}

Test(table_rearrange, arrange__refuses_rows_that_are_not_there)
{
	const uint32_t rows[] = { 1000000 };

	cr_expect(eq(int, memstats_table_arrange(table, rows, 1, &error), MEMSTATS_ERR_ARG));
	cr_expect(ne(ptr, strstr(error.message, "no source row 1000000"), NULL));
	cr_expect(eq(sz, memstats_table_source(table, 1), 1), "what was shown is still shown");
}

Test(table_rearrange, sort__leaves_equal_rows_as_they_stand)
{
	const size_t count = memstats_table_row_count(table);
	uint32_t rows[64];

	cr_assert(le(sz, count, MR_ARRAY_LEN(rows)));
	for (size_t i = 0; i < count; i++)
		rows[i] = (uint32_t)(count - 1 - i);
	cr_assert(eq(int, memstats_table_arrange(table, rows, count, &error), 0));
	cr_assert(eq(int, memstats_table_sort(table, "class", count, &error), 0));
	cr_assert(eq(sz, memstats_table_row_count(table), count));
	for (size_t i = 1; i < count; i++) {
		const int order =
			strcmp(memstats_table_text(table, i - 1, 1), memstats_table_text(table, i, 1));

		cr_expect(le(int, order, 0));
		if (order == 0)
			cr_expect(
				gt(sz, memstats_table_source(table, i - 1), memstats_table_source(table, i)));
	}
}

Test(table_rearrange, sort__keeps_the_first)
{
	const size_t count = memstats_table_row_count(table);
	uint64_t largest = 0;

	for (size_t i = 0; i < count; i++)
		largest = memstats_table_number(table, i, 2) > largest ? memstats_table_number(table, i, 2)
		                                                       : largest;
	cr_assert(eq(int, memstats_table_sort(table, "size", 1, &error), 0));
	cr_assert(eq(sz, memstats_table_row_count(table), 1));
	cr_expect(eq(u64, memstats_table_number(table, 0, 2), largest));
	cr_expect(eq(sz, memstats_table_hidden_count(table), count - 1));
}

Test(table_rearrange, sort__refuses_a_column_that_is_not_shown)
{
	cr_expect(eq(int, memstats_table_sort(table, "tsize", 1, &error), MEMSTATS_ERR_ARG));
	cr_expect(ne(ptr, strstr(error.message, "tsize of table objects is not shown"), NULL));
}

Test(table_rearrange, copy__is_the_log)
{
	char *bytes = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&bytes, &len);

	cr_assert(eq(int, memstats_log_copy(logged, out, &error), 0));
	fclose(out);
	cr_assert(eq(sz, len, builder.bytes.len));
	cr_expect(eq(int, memcmp(bytes, builder.bytes.data, len), 0));
	free(bytes);
}
