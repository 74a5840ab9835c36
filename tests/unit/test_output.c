/* SPDX-License-Identifier: MIT
 *
 * The formats, on a small table of made-up rows that holds what is awkward:
 * nulls, names of all sorts, the largest numbers.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <stdlib.h>

#include "output.h"

enum { NAME, SIZE, TIME, CHANGE, SHARE, ADDRESS, NOTHING, COLUMN_COUNT };

static const struct memstats_column columns[COLUMN_COUNT] = {
	[NAME] = { "name", MEMSTATS_TEXT, "" },        [SIZE] = { "size", MEMSTATS_BYTES, "" },
	[TIME] = { "time", MEMSTATS_TIME, "" },        [CHANGE] = { "change", MEMSTATS_BYTES_CHANGE, "" },
	[SHARE] = { "share", MEMSTATS_PERCENT, "" },   [ADDRESS] = { "address", MEMSTATS_ADDRESS, "" },
	[NOTHING] = { "nothing", MEMSTATS_COUNT, "" },
};

static const struct row {
	const char *name;
	uint64_t size;
	uint64_t time;
	int64_t change;
	double share;
} made_rows[] = {
	{ "Node", 1536, 1250000000, 1024, 12.5 },
	{ "a, \"b\"\x1b[31m|<i>\xff\n", UINT64_MAX, 1, INT64_MIN, 0 },
	{ NULL, 0, 0, 0, 100 },
	{ "W\xc3\xa4rme \xe2\x80\xae\xc2\x9b", 7, 3600000000000, -7, 1.0 / 3 },
};

static int made_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                     struct mr_error *err)
{
	(void)log;
	(void)needed;
	(void)state;
	(void)err;
	*row_count = MR_ARRAY_LEN(made_rows);
	return 0;
}

static void made_cell(const void *state, size_t index, size_t column, struct mr_cell *cell)
{
	const struct row *row = &made_rows[index];

	(void)state;
	switch (column) {
	case NAME:
		mr_cell_string(cell, row->name);
		break;
	case SIZE:
		mr_cell_number(cell, row->size);
		break;
	case TIME:
		mr_cell_number(cell, row->time);
		break;
	case CHANGE:
		mr_cell_change(cell, row->change);
		break;
	case SHARE:
		mr_cell_percent(cell, row->share, 100);
		break;
	case ADDRESS:
		mr_cell_number(cell, UINT64_C(0x7fff00000000) + index);
		break;
	case NOTHING:
		mr_cell_number_or_null(cell, 0, true);
		break;
	}
}

static void made_close(void *state)
{
	(void)state;
}

static const struct mr_table_type made = {
	.info = { "made", "rows for tests", columns, COLUMN_COUNT, NAME },
	.open = made_open,
	.cell = made_cell,
	.close = made_close,
};

/* What is written of the table after LIMIT (NULL: none) and with COLUMNS (NULL: all). To be freed. */
static char *written(enum memstats_format format, unsigned flags, const char *limit, const char *shown,
                     size_t *len)
{
	struct memstats_query *query = memstats_query_new();
	struct memstats_table *table = NULL;
	char *text = NULL;
	FILE *stream = open_memstream(&text, len);

	cr_assert(ne(ptr, stream, NULL));
	if (limit)
		cr_assert(eq(int, memstats_query_add(query, MEMSTATS_LIMIT, limit, NULL), 0));
	if (shown)
		cr_assert(eq(int, memstats_query_add(query, MEMSTATS_COLUMNS, shown, NULL), 0));
	cr_assert(eq(int, mr_table_new(NULL, &made, query, &table, NULL), 0));
	cr_assert(eq(int, memstats_table_write(table, format, flags, stream, NULL), 0));
	memstats_table_free(table);
	memstats_query_free(query);
	fclose(stream);
	return text;
}

static void expect_written(enum memstats_format format, unsigned flags, const char *limit, const char *shown,
                           const char *expected)
{
	size_t len = 0;
	char *text = written(format, flags, limit, shown, &len);

	cr_expect(eq(str, text, (char *)expected));
	cr_expect(eq(sz, len, strlen(expected)));
	free(text);
}

Test(output, text__is_aligned_and_leaves_out_what_says_nothing)
{
	expect_written(MEMSTATS_FORMAT_TEXT, 0, "1", NULL,
	               "name      size          time     change  share         address\n"
	               "Node  1.50 KiB  00:00:01.250  +1.00 KiB  12.5%  0x7fff00000000\n"
	               "(3 more rows)\n");
}

Test(output, text__shows_names_that_steer_no_terminal)
{
	expect_written(MEMSTATS_FORMAT_TEXT, 0, NULL, "size,name",
	               "     size  name\n"
	               " 1.50 KiB  Node\n"
	               "16.00 EiB  a, \"b\"\\x1b[31m|<i>\\xff\\x0a\n"
	               "      0 B  -\n"
	               "      7 B  W\xc3\xa4rme \\xe2\\x80\\xae\\xc2\\x9b\n");
}

Test(output, text__has_exact_bytes_and_columns_that_were_asked_for)
{
	expect_written(MEMSTATS_FORMAT_TEXT, MEMSTATS_EXACT_BYTES, NULL, "size,change,nothing",
	               "                size                change  nothing\n"
	               "                1536                 +1024        -\n"
	               "18446744073709551615  -9223372036854775808        -\n"
	               "                   0                     0        -\n"
	               "                   7                    -7        -\n");
}

Test(output, csv__doubles_quotes_and_ends_lines_as_rfc_4180_has_it)
{
	expect_written(MEMSTATS_FORMAT_CSV, 0, NULL, NULL,
	               "name,size,time,change,share,address,nothing\r\n"
	               "Node,1536,1.25,1024,12.5,0x7fff00000000,\r\n"
	               "\"a, \"\"b\"\"\\x1b[31m|<i>\\xff\\x0a\",18446744073709551615,0.000000001,"
	               "-9223372036854775808,0,0x7fff00000001,\r\n"
	               ",0,0.0,0,100,0x7fff00000002,\r\n"
	               "W\xc3\xa4rme \\xe2\\x80\\xae\\xc2\\x9b,7,3600.0,-7,0.333333,0x7fff00000003,\r\n");
}

Test(output, markdown__escapes_what_means_something_to_it)
{
	expect_written(MEMSTATS_FORMAT_MARKDOWN, 0, "2", "name,size",
	               "| name | size |\n"
	               "| --- | ---: |\n"
	               "| Node | 1.50 KiB |\n"
	               "| a, \"b\"\\\\x1b\\[31m\\|\\<i\\>\\\\xff\\\\x0a | 16.00 EiB |\n"
	               "\n"
	               "(2 more rows)\n");
}

Test(output, ndjson__is_a_row_a_line_of_plain_ascii)
{
	expect_written(MEMSTATS_FORMAT_NDJSON, 0, NULL, "name,time,nothing",
	               "{\"name\": \"Node\", \"time\": 1.25, \"nothing\": null}\n"
	               "{\"name\": \"a, \\\"b\\\"\\\\x1b[31m|<i>\\\\xff\\\\x0a\", \"time\": 0.000000001, "
	               "\"nothing\": null}\n"
	               "{\"name\": null, \"time\": 0.0, \"nothing\": null}\n"
	               "{\"name\": \"W\\u00E4rme \\u202E\\u009B\", \"time\": 3600.0, \"nothing\": null}\n");
}

Test(output, json__is_a_document_that_another_parser_reads)
{
	size_t len = 0;
	char *text = written(MEMSTATS_FORMAT_JSON, 0, NULL, "name,change,address,share", &len);
	json_error_t error;
	json_t *document = json_loadb(text, len, 0, &error);

	cr_assert(ne(ptr, document, NULL), "%s: %s", error.text, text);
	cr_expect(eq(str, (char *)json_string_value(json_object_get(document, "table")), "made"));
	const json_t *column = json_array_get(json_object_get(document, "columns"), 1);

	cr_expect(eq(str, (char *)json_string_value(json_object_get(column, "name")), "change"));
	cr_expect(eq(str, (char *)json_string_value(json_object_get(column, "type")), "bytes-change"));
	cr_expect(eq(str, (char *)json_string_value(json_object_get(column, "unit")), "bytes"));
	const json_t *rows = json_object_get(document, "rows");

	cr_assert(eq(sz, json_array_size(rows), MR_ARRAY_LEN(made_rows)));
	for (size_t i = 0; i < MR_ARRAY_LEN(made_rows); i++) {
		const json_t *row = json_array_get(rows, i);

		cr_expect(eq(i64, json_integer_value(json_object_get(row, "change")), made_rows[i].change));
		cr_expect(eq(int, json_is_null(json_object_get(row, "name")), made_rows[i].name == NULL));
	}
	cr_expect(eq(str, (char *)json_string_value(json_object_get(json_array_get(rows, 0), "address")),
	             "0x7fff00000000"));
	json_decref(document);
	free(text);
}

Test(output, every_format__of_no_rows_is_whole)
{
	static const struct {
		enum memstats_format format;
		const char *expected;
	} cases[] = {
		{ MEMSTATS_FORMAT_TEXT, "name  size\n(no rows)\n" },
		{ MEMSTATS_FORMAT_CSV, "name,size\r\n" },
		{ MEMSTATS_FORMAT_NDJSON, "" },
		{ MEMSTATS_FORMAT_MARKDOWN, "| name | size |\n| --- | ---: |\n" },
		{ MEMSTATS_FORMAT_JSON, "{\"table\": \"made\", \"log\": [], \"columns\": [\n"
		                        "  {\"name\": \"name\", \"type\": \"text\", \"unit\": \"\"},\n"
		                        "  {\"name\": \"size\", \"type\": \"bytes\", \"unit\": \"bytes\"}\n"
		                        "], \"rows\": []}\n" },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct memstats_query *query = memstats_query_new();
		struct memstats_table *table = NULL;
		char *text = NULL;
		size_t len = 0;
		FILE *stream = open_memstream(&text, &len);

		cr_assert(eq(int, memstats_query_add(query, MEMSTATS_FILTER, "no such name", NULL), 0));
		cr_assert(eq(int, memstats_query_add(query, MEMSTATS_COLUMNS, "name,size", NULL), 0));
		cr_assert(eq(int, mr_table_new(NULL, &made, query, &table, NULL), 0));
		cr_expect(eq(int, memstats_table_write(table, cases[i].format, 0, stream, NULL), 0));
		fclose(stream);
		cr_expect(eq(str, text, (char *)cases[i].expected));
		free(text);
		memstats_table_free(table);
		memstats_query_free(query);
	}
}

Test(output, full_disk__is_an_error_that_says_so)
{
	struct memstats_error error = { 0, "" };
	struct memstats_table *table = NULL;
	FILE *full = fopen("/dev/full", "w");

	cr_assert(ne(ptr, full, NULL));
	cr_assert(eq(int, mr_table_new(NULL, &made, NULL, &table, NULL), 0));
	cr_expect(eq(int, memstats_table_write(table, MEMSTATS_FORMAT_TEXT, 0, full, &error),
	             MEMSTATS_ERR_WRITE));
	cr_expect(ne(ptr, strstr(error.message, "No space left"), NULL), "%s", error.message);
	fclose(full);
	memstats_table_free(table);
}

Test(output, unknown_format__is_refused)
{
	struct memstats_table *table = NULL;

	cr_assert(eq(int, mr_table_new(NULL, &made, NULL, &table, NULL), 0));
	cr_expect(eq(int, memstats_table_write(table, (enum memstats_format)9, 0, stdout, NULL),
	             MEMSTATS_ERR_ARG));
	memstats_table_free(table);
}

Test(output, name__is_cut_at_either_end)
{
	static const struct {
		const char *text;
		size_t max;
		bool from_left;
		const char *expected;
	} cases[] = {
		{ "This is a long text.", 8, false, "This ..." },
		{ "This is a long text.", 8, true, "...text." },
		{ "short", 8, true, "short" },
		{ "exactly8", 8, true, "exactly8" },
		{ "\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xc3\xa4", 4, true, "...\xc3\xa4" },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_buffer out = { NULL, 0, 0, false };

		mr_output_name(&out, cases[i].text, cases[i].max, cases[i].from_left);
		mr_buffer_put_u8(&out, '\0');
		cr_assert(eq(int, mr_buffer_status(&out, NULL), 0));
		cr_expect(eq(str, (char *)out.data, (char *)cases[i].expected));
		mr_buffer_release(&out);
	}
}

Test(output, seconds__are_exact_and_short)
{
	static const struct {
		uint64_t time_ns;
		const char *expected;
	} cases[] = {
		{ 0, "0.0" },          { 1, "0.000000001" },
		{ 1500000000, "1.5" }, { UINT64_MAX, "18446744073.709551615" },
		{ 2000000000, "2.0" }, { 100, "0.0000001" },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_buffer out = { NULL, 0, 0, false };

		mr_output_seconds(&out, cases[i].time_ns);
		mr_buffer_put_u8(&out, '\0');
		cr_expect(eq(str, (char *)out.data, (char *)cases[i].expected));
		mr_buffer_release(&out);
	}
}
