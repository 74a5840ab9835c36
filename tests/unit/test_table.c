/* SPDX-License-Identifier: MIT
 *
 * The tables through memstats.h, as another program would use it: every table
 * and every column of it on the logs of log_builder.c, the details of objects,
 * what names a snapshot, and what is refused.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "log_builder.h"
#include "table_log.h"

static struct log_builder builder;
static struct memstats_log *logged;
static struct memstats_error error;

static void open_built(void)
{
	struct mr_model *model = NULL;

	cr_assert(eq(int,
	             mr_model_open_memory(builder.bytes.data, builder.bytes.len, "made.dat", &model, NULL),
	             0));
	cr_assert(eq(int, mr_log_from_model_take(model, &logged, NULL), 0));
}

static void open_sample(void)
{
	log_builder_sample(&builder);
	open_built();
}

static void open_nothing(void)
{
	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_TRACKER, 0);
	log_builder_frame_end(&builder, 0, 0);
	log_builder_end(&builder, 0, MR_END_CLOSED);
	open_built();
}

static void release(void)
{
	memstats_log_close(logged);
	logged = NULL;
	log_builder_release(&builder);
	builder = (struct log_builder){ 0 };
	error = (struct memstats_error){ 0, "" };
}

TestSuite(table, .fini = release);

static struct memstats_query *query_of(enum memstats_operation operation, const char *value)
{
	struct memstats_query *query = memstats_query_new();

	cr_assert(eq(int, memstats_query_add(query, operation, value, &error), 0), "%s", error.message);
	return query;
}

/* QUERY is freed. */
static struct memstats_table *table_of(const char *name, struct memstats_query *query)
{
	struct memstats_table *table = NULL;

	cr_assert(eq(int, memstats_table_new(logged, name, query, &table, &error), 0), "%s: %s", name,
	          error.message);
	memstats_query_free(query);
	return table;
}

static uint64_t number_at(const struct memstats_table *table, size_t row, const char *column)
{
	return memstats_table_number(table, row, (size_t)memstats_table_find_column(table, column));
}

static const char *text_at(const struct memstats_table *table, size_t row, const char *column)
{
	return memstats_table_text(table, row, (size_t)memstats_table_find_column(table, column));
}

static size_t row_of(const struct memstats_table *table, const char *column, uint64_t number)
{
	for (size_t row = 0; row < memstats_table_row_count(table); row++)
		if (number_at(table, row, column) == number)
			return row;
	cr_assert(false, "there is a row with %s %llu", column, (unsigned long long)number);
	return 0;
}

/* Reads every cell, as its type has it. */
static void read_all(const struct memstats_table *table)
{
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		for (size_t column = 0; column < memstats_table_column_count(table); column++) {
			const bool is_null = memstats_table_is_null(table, row, column);

			switch (memstats_table_column(table, column)->type) {
			case MEMSTATS_TEXT:
				cr_expect(ne(ptr, (void *)memstats_table_text(table, row, column), NULL));
				break;
			case MEMSTATS_PERCENT:
				cr_expect(eq(int, !!isfinite(memstats_table_real(table, row, column)), 1));
				break;
			case MEMSTATS_COUNT_CHANGE:
			case MEMSTATS_BYTES_CHANGE:
				if (is_null)
					cr_expect(eq(i64, memstats_table_change(table, row, column), 0));
				break;
			default:
				if (is_null)
					cr_expect(eq(u64, memstats_table_number(table, row, column), 0));
			}
		}
	}
}

static void query_every_column(const struct memstats_table_info *info)
{
	struct memstats_table *whole = table_of(info->name, NULL);
	const size_t row_count = memstats_table_row_count(whole);

	cr_expect(eq(str, (char *)memstats_table_name(whole), (char *)info->name));
	read_all(whole);
	for (size_t i = 0; i < info->column_count; i++) {
		struct memstats_query *query = query_of(MEMSTATS_SORT, info->columns[i].name);

		cr_assert(eq(int, memstats_query_add(query, MEMSTATS_REVERSE, NULL, NULL), 0));
		cr_assert(
			eq(int, memstats_query_add(query, MEMSTATS_COLUMNS, info->columns[i].name, NULL), 0));
		struct memstats_table *sorted = table_of(info->name, query);

		cr_expect(eq(sz, memstats_table_row_count(sorted), row_count), "%s by %s", info->name,
		          info->columns[i].name);
		cr_expect(eq(sz, memstats_table_column_count(sorted), 1));
		read_all(sorted);
		memstats_table_free(sorted);
	}
	memstats_table_free(whole);
}

static void write_every_format(const char *name)
{
	for (int format = MEMSTATS_FORMAT_TEXT; format <= MEMSTATS_FORMAT_MARKDOWN; format++) {
		struct memstats_table *table = table_of(name, NULL);
		char *text = NULL;
		size_t len = 0;
		FILE *stream = open_memstream(&text, &len);

		cr_expect(eq(int,
		             memstats_table_write(table, (enum memstats_format)format, 0, stream, &error), 0),
		          "%s", error.message);
		fclose(stream);
		cr_expect(eq(sz, strlen(text), len), "%s has no zero byte", name);
		free(text);
		memstats_table_free(table);
	}
}

Test(table, rows_without_names__are_not_filtered_by_name)
{
	struct memstats_query *filter = query_of(MEMSTATS_FILTER, "x");
	struct memstats_query *match = query_of(MEMSTATS_MATCH, "x");
	size_t count = 0;
	const struct memstats_table_info *tables = memstats_table_list(&count);

	open_sample();
	for (size_t i = 0; i < count; i++) {
		const bool is_named = tables[i].columns[tables[i].name_column].type == MEMSTATS_TEXT;

		for (int k = 0; k < 2; k++) {
			struct memstats_table *table = NULL;

			cr_expect(eq(int,
			             memstats_table_new(logged, tables[i].name, k == 0 ? filter : match,
			                                &table, NULL),
			             is_named ? 0 : MEMSTATS_ERR_ARG),
			          "%s", tables[i].name);
			if (is_named)
				memstats_table_free(table);
		}
	}
	memstats_query_free(filter);
	memstats_query_free(match);
}

Test(table, every_table__is_described)
{
	size_t count = 0;
	const struct memstats_table_info *tables = memstats_table_list(&count);

	for (size_t i = 0; i < count; i++) {
		const struct memstats_table_info *info = &tables[i];

		cr_expect(gt(sz, strlen(info->summary), 0));
		cr_assert(lt(sz, info->name_column, info->column_count));
		for (size_t k = 0; k < info->column_count; k++) {
			const char *name = info->columns[k].name;

			cr_assert(ne(ptr, (void *)name, NULL), "%s has a column without a name", info->name);
			cr_expect(eq(sz, strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name)), "%s.%s",
			          info->name, name);
			cr_expect(gt(sz, strlen(info->columns[k].help), 0), "%s.%s has help", info->name,
			          name);
			for (size_t other = 0; other < k; other++)
				cr_expect(ne(str, (char *)info->columns[other].name, (char *)name), "%s",
				          info->name);
		}
	}
}

Test(table, every_table__takes_every_column_and_format, .init = open_sample)
{
	size_t count = 0;
	const struct memstats_table_info *tables = memstats_table_list(&count);

	for (size_t i = 0; i < count; i++) {
		query_every_column(&tables[i]);
		write_every_format(tables[i].name);
	}
}

Test(table, every_table__of_a_log_with_nothing_in_it_is_valid, .init = open_nothing)
{
	size_t count = 0;
	const struct memstats_table_info *tables = memstats_table_list(&count);

	for (size_t i = 0; i < count; i++) {
		query_every_column(&tables[i]);
		write_every_format(tables[i].name);
	}
}

Test(table, objects__say_what_the_log_does, .init = open_sample)
{
	struct memstats_table *table = table_of("objects", NULL);
	const size_t root = row_of(table, "object", 10);
	const size_t leaf = row_of(table, "object", 11);

	cr_assert(eq(sz, memstats_table_row_count(table), 4));
	cr_expect(eq(str, (char *)text_at(table, root, "class"), "Node"));
	cr_expect(eq(str, (char *)text_at(table, root, "name"), "root"));
	cr_expect(eq(str, (char *)text_at(table, root, "repr"), "<Node>"));
	cr_expect(eq(str, (char *)text_at(table, root, "function"), "make_node"));
	cr_expect(eq(str, (char *)text_at(table, root, "file"), "node.c"));
	cr_expect(eq(u64, number_at(table, root, "line"), 12));
	cr_expect(eq(u64, number_at(table, root, "size"), 150));
	cr_expect(eq(u64, number_at(table, root, "tsize"), 150)); /* snapshot 2 is the largest */
	cr_expect(eq(u64, number_at(table, root, "last"), 48));
	cr_expect(eq(u64, number_at(table, root, "address"), 0x1000));
	cr_expect(eq(int,
	             memstats_table_is_null(table, root, (size_t)memstats_table_find_column(table, "death")),
	             true));
	cr_expect(eq(str, (char *)text_at(table, leaf, "state"), "freed"));
	cr_expect(eq(u64, number_at(table, leaf, "lifetime"), 3300));
	cr_expect(eq(u64, number_at(table, leaf, "last"), 20));
	cr_expect(eq(str, (char *)text_at(table, row_of(table, "object", 12), "class"), "Node"));
	memstats_table_free(table);
}

Test(table, sizes__know_the_class_that_an_object_had, .init = open_sample)
{
	struct memstats_table *table = table_of("sizes", query_of(MEMSTATS_WHERE, "object=12"));

	cr_assert(eq(sz, memstats_table_row_count(table), 3));
	cr_expect(eq(str, (char *)text_at(table, 0, "class"), "Leaf"));
	cr_expect(eq(str, (char *)text_at(table, 1, "class"), "Node"));
	cr_expect(eq(u64, number_at(table, 2, "size"), 70));
	cr_expect(eq(sz, memstats_table_hidden_count(table), 7));
	memstats_table_free(table);
}

Test(table, details__have_trace_and_states_with_referents, .init = open_sample)
{
	struct memstats_table *table = table_of("objects", NULL);
	const size_t rows[] = { row_of(table, "object", 11), row_of(table, "object", 10) };
	struct memstats_object *objects = NULL;

	cr_assert(eq(int, memstats_objects_new(table, rows, 2, &objects, &error), 0), "%s", error.message);
	cr_expect(eq(sz, objects[0].trace_count, 0));
	cr_assert(gt(sz, objects[1].trace_count, 1));
	cr_expect(eq(str, (char *)objects[1].trace[0].function, "make_node"));
	cr_expect(eq(u32, objects[1].trace[0].line, 12));
	cr_assert(eq(sz, objects[0].state_count, 4)); /* three snapshots, and when it was freed */
	cr_expect(eq(u64, objects[0].states[3].snapshot, 0));
	cr_expect(eq(u64, objects[0].states[3].size_bytes, 20));
	cr_assert(eq(sz, objects[1].state_count, 4));
	cr_expect(eq(u64, objects[1].states[0].size_bytes, 100));
	cr_assert(eq(sz, objects[1].states[0].referent_count, 2));
	cr_expect(eq(str, (char *)objects[1].states[0].referents[0].name, "children"));
	cr_expect(eq(str, (char *)objects[1].states[0].referents[1].name, "[]"));
	cr_expect(eq(u32, objects[1].states[0].referents[1].level, 2));
	cr_expect(eq(u64, objects[1].states[0].referents[1].count, 3));
	cr_expect(eq(sz, objects[1].states[2].referent_count, 0));
	memstats_objects_free(objects);
	memstats_table_free(table);
}

Test(table, details__of_rows_that_are_not_there_or_twice_are_refused, .init = open_sample)
{
	struct memstats_table *table = table_of("objects", NULL);
	struct memstats_table *classes = table_of("classes", NULL);
	const size_t rows[] = { 1, 1, 4 };
	struct memstats_object *objects = NULL;

	cr_expect(eq(int, memstats_objects_new(table, rows, 2, &objects, NULL), MEMSTATS_ERR_ARG));
	cr_expect(eq(int, memstats_objects_new(table, rows + 2, 1, &objects, NULL), MEMSTATS_ERR_ARG));
	cr_expect(eq(int, memstats_objects_new(classes, rows, 1, &objects, NULL), MEMSTATS_ERR_ARG));
	cr_expect(eq(ptr, objects, NULL));
	cr_assert(eq(int, memstats_objects_new(table, rows, 0, &objects, NULL), 0));
	memstats_objects_free(objects);
	memstats_table_free(classes);
	memstats_table_free(table);
}

Test(table, runs__have_the_last_command_that_was_known)
{
	static const char *const texts[] = { "", "sh", "sh -c x", "ls", "ls -l" };

	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_SAMPLER, 0);
	log_builder_strings(&builder, 1, MR_ARRAY_LEN(texts), texts);
	/* The last look came when the process had ended. */
	LOG_ROWS(&builder, MR_KIND_PROCESS, 6, 0, 2, 3, 0, 41, 6, 10, 4, 5, 0, 41, 6, 20, 4, 1, 0, 41, 6);
	log_builder_frame_end(&builder, 0, 0);
	log_builder_end(&builder, 30, MR_END_CLOSED);
	open_built();
	struct memstats_table *table = table_of("runs", NULL);

	cr_expect(eq(str, (char *)text_at(table, 0, "name"), "ls"));
	cr_expect(eq(str, (char *)text_at(table, 0, "command"), "ls -l"));
	memstats_table_free(table);
}

Test(table, details__order_siblings_by_size_and_keep_what_is_under_each)
{
	static const char *const texts[] = { "x", "Node", "small", "large", "under small", "under large" };

	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_TRACKER, 0);
	log_builder_strings(&builder, 1, MR_ARRAY_LEN(texts), texts);
	LOG_ROWS(&builder, MR_KIND_CLASSES, 6, 1, 2, 0, 48, 2, 0);
	LOG_ROWS(&builder, MR_KIND_PATHS, 3, 1, 0, 3, 2, 0, 4, 3, 1, 5, 4, 2, 6);
	LOG_ROWS(&builder, MR_KIND_BIRTHS, 7, 1, 10, 1, 0, 0x1000, 0, 0);
	LOG_ROWS(&builder, MR_KIND_SIZES, 4, 1, 1, 900, 48);
	LOG_ROWS(&builder, MR_KIND_REFERENTS, 6, 1, 1, 1, 1, 100, 10, 1, 1, 3, 1, 90, 90, 1, 1, 2, 1, 700,
	         600, 1, 1, 4, 1, 100, 100);
	LOG_ROWS(&builder, MR_KIND_SNAPSHOTS, 7, 1, 20, 1, 0, MR_SNAPSHOT_KEY, 1, 900);
	log_builder_frame_end(&builder, 1, 1);
	log_builder_end(&builder, 30, MR_END_CLOSED);
	open_built();
	struct memstats_table *table = table_of("objects", NULL);
	const size_t row = 0;
	struct memstats_object *objects = NULL;
	static const char *const expected[] = { "large", "under large", "small", "under small" };

	cr_assert(eq(int, memstats_objects_new(table, &row, 1, &objects, &error), 0), "%s", error.message);
	cr_assert(eq(sz, objects[0].states[0].referent_count, 4));
	for (size_t i = 0; i < 4; i++)
		cr_expect(eq(str, (char *)objects[0].states[0].referents[i].name, (char *)expected[i]));
	memstats_objects_free(objects);
	memstats_table_free(table);
}

/* ---- Files --------------------------------------------------------------- */

static char folder[] = "/tmp/memstats-test-XXXXXX";
static char path[64];

static void write_sample(void)
{
	log_builder_sample(&builder);
	cr_assert(ne(ptr, mkdtemp(folder), NULL));
	snprintf(path, sizeof(path), "%s/tree@home.dat", folder);
	FILE *file = fopen(path, "wb");

	cr_assert(ne(ptr, file, NULL));
	cr_assert(eq(sz, fwrite(builder.bytes.data, 1, builder.bytes.len, file), builder.bytes.len));
	fclose(file);
}

static void remove_sample(void)
{
	release();
	unlink(path);
	rmdir(folder);
}

static int open_words(const char *first, const char *second)
{
	const char *const words[] = { first, second };

	return memstats_log_open(words, second ? 2 : 1, &logged, &error);
}

Test(table, diff__takes_snapshots_by_number_and_description, .init = write_sample, .fini = remove_sample)
{
	char from[80];
	char to[80];

	snprintf(from, sizeof(from), "%s@start", path); /* there is an "@" in the path, too */
	snprintf(to, sizeof(to), "%s@4", path);
	cr_assert(eq(int, open_words(from, to), 0), "%s", error.message);
	cr_expect(eq(sz, mr_log_path_count(logged), 1));
	struct memstats_table *table = table_of("diff", NULL);
	const size_t node = 0;

	cr_assert(eq(sz, memstats_table_row_count(table), 2));
	cr_expect(eq(str, (char *)text_at(table, node, "class"), "Node"));
	cr_expect(eq(u64, number_at(table, node, "from"), 1));
	cr_expect(eq(u64, number_at(table, node, "to"), 4));
	cr_expect(eq(u64, number_at(table, node, "created"), 1));
	cr_expect(eq(u64, number_at(table, node, "persistent"),
	             1)); /* object 12: born after 1, there at 3 and 4 */
	cr_expect(eq(u64, number_at(table, node, "persistent_size"), 70));
	cr_expect(eq(u64, number_at(table, 1, "deleted"), 1)); /* object 11 */
	cr_expect(eq(str, (char *)text_at(table, 1, "verdict"), "gone"));
	memstats_table_free(table);
}

Test(table, snapshot__that_is_not_there_is_refused, .init = write_sample, .fini = remove_sample)
{
	struct memstats_table *table = NULL;
	char word[80];

	snprintf(word, sizeof(word), "%s@9", path);
	cr_assert(eq(int, open_words(word, NULL), 0));
	cr_expect(eq(int, memstats_table_new(logged, "diff", NULL, &table, &error), MEMSTATS_ERR_ARG));
	cr_expect(ne(ptr, strstr(error.message, "has no snapshot '9'"), NULL), "%s", error.message);
	error = (struct memstats_error){ 0, "" };
	cr_expect(eq(int, memstats_table_new(logged, "classes", NULL, &table, &error), MEMSTATS_ERR_ARG));
	cr_expect(ne(ptr, strstr(error.message, "a snapshot of a log is for diff"), NULL), "%s",
	          error.message);
}

Test(table, missing_file__is_named, .init = write_sample, .fini = remove_sample)
{
	cr_expect(eq(int, open_words("/nowhere/at@all", NULL), MEMSTATS_ERR_READ));
	cr_expect(ne(ptr, strstr(error.message, "/nowhere/at@all"), NULL), "%s", error.message);
}

Test(table, unknown_table__is_refused_with_those_that_there_are, .init = open_sample)
{
	struct memstats_table *table = NULL;

	cr_expect(eq(int, memstats_table_new(logged, "sites of nothing", NULL, &table, &error),
	             MEMSTATS_ERR_ARG));
	cr_expect(ne(ptr, strstr(error.message, "the tables are summary, runs"), NULL), "%s", error.message);
}
