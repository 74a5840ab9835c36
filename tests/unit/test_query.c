/* SPDX-License-Identifier: MIT
 *
 * Queries on a table of made-up rows: what each step does, what it refuses, and
 * random queries against a plain way of doing the same.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <stdlib.h>

#include "query.h"

/* ---- A table of made-up rows --------------------------------------------- */

enum { NAME, SIZE, COUNT, TIME, CHANGE, SHARE, SIZE_MAX_, COLUMN_COUNT };

static const struct memstats_column columns[COLUMN_COUNT] = {
	[NAME] = { "name", MEMSTATS_TEXT, "text" },
	[SIZE] = { "size", MEMSTATS_BYTES, "bytes" },
	[COUNT] = { "count", MEMSTATS_COUNT, "count" },
	[TIME] = { "time", MEMSTATS_TIME, "time" },
	[CHANGE] = { "change", MEMSTATS_BYTES_CHANGE, "change" },
	[SHARE] = { "share", MEMSTATS_PERCENT, "percent" },
	[SIZE_MAX_] = { "size_max", MEMSTATS_BYTES, "bytes" },
};

static struct mr_cell *rows; /* COLUMN_COUNT a row */
static size_t row_total;

static int made_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                     struct mr_error *err)
{
	(void)log;
	(void)needed;
	(void)err;
	*state = rows;
	*row_count = row_total;
	return 0;
}

static void made_cell(const void *state, size_t row, size_t column, struct mr_cell *cell)
{
	*cell = ((const struct mr_cell *)state)[row * COLUMN_COUNT + column];
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

static void make_rows(size_t count, unsigned seed)
{
	static const char *const names[] = { "Node",
		                             "Leaf",
		                             "node",
		                             "Employee",
		                             "Node",
		                             "",
		                             "No\xff"
		                             "de" };

	srand(seed);
	row_total = count;
	rows = calloc(count * COLUMN_COUNT + 1, sizeof(*rows));
	cr_assert(ne(ptr, rows, NULL));
	for (size_t i = 0; i < count; i++) {
		struct mr_cell *row = rows + i * COLUMN_COUNT;

		mr_cell_string(&row[NAME],
		               rand() % 10 == 0 ? NULL : names[(size_t)rand() % MR_ARRAY_LEN(names)]);
		mr_cell_number(&row[SIZE],
		               (uint64_t)(rand() % 50) * (rand() % 7 == 0 ? UINT64_C(1) << 40 : 1));
		mr_cell_number(&row[COUNT], (uint64_t)(rand() % 3));
		mr_cell_number_or_null(&row[TIME], rand() % 8 == 0 ? UINT64_MAX : (uint64_t)rand() % 20,
		                       rand() % 4 == 0);
		mr_cell_change(&row[CHANGE], rand() % 21 - 10);
		mr_cell_percent(&row[SHARE], rand() % 9 - 4, rand() % 5);
		mr_cell_number(&row[SIZE_MAX_], i);
	}
}

static void forget_rows(void)
{
	free(rows);
	rows = NULL;
}

struct step {
	enum memstats_operation operation;
	const char *value;
};

static struct memstats_table *run(const struct step *steps, size_t count)
{
	struct memstats_query *query = memstats_query_new();
	struct memstats_table *table = NULL;
	struct memstats_error error = { 0, "" };

	for (size_t i = 0; i < count; i++)
		cr_assert(eq(int, memstats_query_add(query, steps[i].operation, steps[i].value, &error), 0),
		          "%s", error.message);
	cr_assert(eq(int, mr_table_new(NULL, &made, query, &table, (struct mr_error *)(void *)&error), 0),
	          "%s", error.message);
	memstats_query_free(query);
	return table;
}

/* The message of a query of one step that is refused, when it is added or when it meets the table. */
static void expect_refused(enum memstats_operation operation, const char *value, const char *message)
{
	struct memstats_query *query = memstats_query_new();
	struct memstats_table *table = NULL;
	struct memstats_error error = { 0, "" };
	int code = memstats_query_add(query, operation, value, &error);

	if (code == 0)
		code = mr_table_new(NULL, &made, query, &table, (struct mr_error *)(void *)&error);
	cr_expect(eq(int, code, MEMSTATS_ERR_ARG), "%s", value);
	cr_expect(ne(ptr, strstr(error.message, message), NULL), "%s: %s", value, error.message);
	memstats_table_free(table);
	memstats_query_free(query);
}

/* ---- A plain way of doing the same --------------------------------------- */

struct plain {
	size_t *rows;
	size_t count;
	size_t order[COLUMN_COUNT];
	size_t order_count;
	bool reversed;
};

static int compare_values(size_t column, const struct mr_cell *a, const struct mr_cell *b)
{
	switch (column) {
	case NAME:
		return strcmp(a->text, b->text);
	case CHANGE:
		return (a->change < b->change) - (a->change > b->change);
	case SHARE:
		return (a->real < b->real) - (a->real > b->real);
	case TIME:
		return (a->number > b->number) - (a->number < b->number);
	default:
		return (a->number < b->number) - (a->number > b->number);
	}
}

static int compare_rows(const struct plain *plain, size_t a, size_t b)
{
	for (size_t i = 0; i < plain->order_count; i++) {
		const size_t column = plain->order[i];
		const struct mr_cell *first = &rows[a * COLUMN_COUNT + column];
		const struct mr_cell *second = &rows[b * COLUMN_COUNT + column];

		if (first->is_null != second->is_null)
			return first->is_null ? 1 : -1;
		const int order = first->is_null ? 0 : compare_values(column, first, second);

		if (order != 0)
			return plain->reversed ? -order : order;
	}
	return 0;
}

static void plain_sort(struct plain *plain)
{
	for (size_t i = 1; i < plain->count; i++) {
		const size_t row = plain->rows[i];
		size_t at = i;

		for (; at > 0 && compare_rows(plain, plain->rows[at - 1], row) > 0; at--)
			plain->rows[at] = plain->rows[at - 1];
		plain->rows[at] = row;
	}
}

static void plain_turn(struct plain *plain)
{
	for (size_t i = 0; i < plain->count / 2; i++) {
		const size_t row = plain->rows[i];

		plain->rows[i] = plain->rows[plain->count - 1 - i];
		plain->rows[plain->count - 1 - i] = row;
	}
}

static bool plain_keeps(const struct step *step, size_t row)
{
	const struct mr_cell *cells = rows + row * COLUMN_COUNT;

	if (step->operation == MEMSTATS_FILTER)
		return strstr(cells[NAME].text, step->value) != NULL;
	if (step->operation == MEMSTATS_MATCH) /* "^N.*e$" */
		return cells[NAME].len > 1 && cells[NAME].text[0] == 'N' &&
		       cells[NAME].text[cells[NAME].len - 1] == 'e';
	if (strncmp(step->value, "time", 4) == 0)
		return !cells[TIME].is_null && cells[TIME].number != 5;
	return cells[SIZE].number >= 10;
}

static void plain_step(struct plain *plain, const struct step *step)
{
	size_t kept = 0;

	switch (step->operation) {
	case MEMSTATS_SORT:
		plain->order_count = 0;
		plain->reversed = false;
		for (size_t i = 0; i < COLUMN_COUNT; i++) {
			const char *at = strstr(step->value, columns[i].name);

			/* The test's sort lists name columns in the table's order. */
			if (at && (at[strlen(columns[i].name)] == '\0' || at[strlen(columns[i].name)] == ','))
				plain->order[plain->order_count++] = i;
		}
		plain_sort(plain);
		return;
	case MEMSTATS_REVERSE:
		plain->reversed = !plain->reversed;
		plain_turn(plain);
		plain_sort(plain); /* nulls go back to the end */
		return;
	case MEMSTATS_LIMIT:
		if (strchr(step->value, '.')) {
			const size_t wanted = plain->count / 4;

			plain->count = wanted > 0 || plain->count == 0 ? wanted : 1;
		} else if (plain->count > (size_t)atol(step->value)) {
			plain->count = (size_t)atol(step->value);
		}
		return;
	default:
		for (size_t i = 0; i < plain->count; i++)
			if (plain_keeps(step, plain->rows[i]))
				plain->rows[kept++] = plain->rows[i];
		plain->count = kept;
	}
}

static void expect_as_plain(const struct step *steps, size_t count)
{
	struct memstats_table *table = run(steps, count);
	struct plain plain = { .rows = calloc(row_total + 1, sizeof(size_t)), .count = row_total };

	for (size_t i = 0; i < row_total; i++)
		plain.rows[i] = i;
	for (size_t i = 0; i < count; i++)
		plain_step(&plain, &steps[i]);
	cr_assert(eq(sz, memstats_table_row_count(table), plain.count));
	for (size_t i = 0; i < plain.count; i++)
		cr_assert(eq(sz, mr_table_row(table, i), plain.rows[i]),
		          "row %zu of a query of %zu steps, the first '%s'", i, count, steps[0].value);
	cr_expect(eq(sz, memstats_table_hidden_count(table), row_total - plain.count));
	free(plain.rows);
	memstats_table_free(table);
}

/* ---- Tests --------------------------------------------------------------- */

TestSuite(query, .fini = forget_rows);

Test(query, random_queries__do_as_the_plain_way)
{
	static const struct step choices[] = {
		{ MEMSTATS_SORT, "size" },         { MEMSTATS_SORT, "name,size,time" },
		{ MEMSTATS_SORT, "time" },         { MEMSTATS_SORT, "share" },
		{ MEMSTATS_SORT, "count,change" }, { MEMSTATS_SORT, "name" },
		{ MEMSTATS_SORT, "time,share" },   { MEMSTATS_REVERSE, "" },
		{ MEMSTATS_REVERSE, "" },          { MEMSTATS_FILTER, "o" },
		{ MEMSTATS_MATCH, "^N.*e$" },      { MEMSTATS_WHERE, "size>=10" },
		{ MEMSTATS_WHERE, "time != 5ns" }, { MEMSTATS_LIMIT, "7" },
		{ MEMSTATS_LIMIT, "60" },          { MEMSTATS_LIMIT, "0.25" },
		{ MEMSTATS_LIMIT, "200" },
	};

	for (unsigned round = 0; round < 400; round++) {
		struct step steps[6];
		const size_t count = 1 + round % MR_ARRAY_LEN(steps);

		make_rows(round % 5 == 0 ? round % 4 : 300, round);
		for (size_t i = 0; i < count; i++)
			steps[i] = choices[(size_t)rand() % MR_ARRAY_LEN(choices)];
		expect_as_plain(steps, count);
		forget_rows();
	}
}

Test(query, sort_with_limit__gives_the_first_of_the_sorted_rows)
{
	static const struct step all[] = { { MEMSTATS_SORT, "size,name,time" } };
	static const struct step few[] = { { MEMSTATS_SORT, "size,name,time" }, { MEMSTATS_LIMIT, "25" } };

	make_rows(5000, 1);
	struct memstats_table *sorted = run(all, 1);
	struct memstats_table *selected = run(few, 2);

	cr_assert(eq(sz, memstats_table_row_count(selected), 25));
	cr_expect(eq(sz, memstats_table_hidden_count(selected), 4975));
	for (size_t i = 0; i < 25; i++)
		cr_expect(eq(sz, mr_table_row(selected, i), mr_table_row(sorted, i)));
	memstats_table_free(sorted);
	memstats_table_free(selected);
}

Test(query, columns__shows_those_in_the_order_given_once_each)
{
	static const struct step steps[] = { { MEMSTATS_COLUMNS, "size, name" },
		                             { MEMSTATS_COLUMNS, "cou,name" } };

	make_rows(3, 1);
	struct memstats_table *table = run(steps, 2);

	cr_assert(eq(sz, memstats_table_column_count(table), 3));
	cr_expect(eq(str, (char *)memstats_table_column(table, 0)->name, "size"));
	cr_expect(eq(str, (char *)memstats_table_column(table, 1)->name, "name"));
	cr_expect(eq(str, (char *)memstats_table_column(table, 2)->name, "count"));
	cr_expect(eq(int, memstats_table_find_column(table, "count"), 2));
	cr_expect(eq(int, memstats_table_find_column(table, "time"), -1));
	memstats_table_free(table);
}

struct refusal {
	enum memstats_operation operation;
	char value[40];
	char message[80];
};

ParameterizedTestParameters(query, bad_values__are_refused_by_name)
{
	static struct refusal refusals[] = {
		{ MEMSTATS_LIMIT, "nan",
		  "--limit: 'nan' is neither a number of rows (1, 2, ...) nor a fraction" },
		{ MEMSTATS_LIMIT, "inf", "--limit" },
		{ MEMSTATS_LIMIT, "-1", "--limit" },
		{ MEMSTATS_LIMIT, "0", "--limit" },
		{ MEMSTATS_LIMIT, "0.0", "--limit" },
		{ MEMSTATS_LIMIT, "1.5", "--limit" },
		{ MEMSTATS_LIMIT, "-0.5", "--limit" },
		{ MEMSTATS_LIMIT, "1e3", "--limit" },
		{ MEMSTATS_LIMIT, ".", "--limit" },
		{ MEMSTATS_LIMIT, "", "--limit" },
		{ MEMSTATS_LIMIT, "5 ", "--limit" },
		{ MEMSTATS_LIMIT, "99999999999999999999", "--limit" },
		{ MEMSTATS_SORT, "", "--sort: needs the name of a column" },
		{ MEMSTATS_SORT, "nothing",
		  "--sort: table made has no column 'nothing'; it has name, size, count, time" },
		{ MEMSTATS_SORT, "size,", "--sort: table made has no column ''" },
		{ MEMSTATS_SORT, "c", "--sort: 'c' could be count, change" },
		{ MEMSTATS_COLUMNS, "name;size", "--columns: table made has no column 'name;size'" },
		{ MEMSTATS_MATCH, "(", "--match: '(' is not an extended regular expression: " },
		{ MEMSTATS_MATCH, "((a{200}){200}){200}", "--match" },
		{ MEMSTATS_MATCH, "a{1,99999}", "--match" },
		{ MEMSTATS_MATCH, "a+++++++++++++++++++", "--match" },
		{ MEMSTATS_MATCH, "(((a+)+)+b{99})+c{9,999}d{9999}e{9999}", "--match" },
		{ MEMSTATS_MATCH, "[z-a]", "--match" },
		{ MEMSTATS_WHERE, "size", "--where: 'size' is not COLUMN OPERATOR VALUE" },
		{ MEMSTATS_WHERE, ">=5", "--where" },
		{ MEMSTATS_WHERE, "size!5", "--where" },
		{ MEMSTATS_WHERE, "", "--where" },
		{ MEMSTATS_WHERE, "size>=much",
		  "--where: 'much' is not a value of column size, which takes a size" },
		{ MEMSTATS_WHERE, "size>=-5", "--where" },
		{ MEMSTATS_WHERE, "count=1.5",
		  "--where: '1.5' is not a value of column count, which takes a whole" },
		{ MEMSTATS_WHERE, "share<nan", "--where" },
		{ MEMSTATS_WHERE, "share<", "--where" },
		{ MEMSTATS_WHERE, "time<soon", "--where" },
		{ MEMSTATS_WHERE, "size~5", "--where: '~' is for text" },
		{ MEMSTATS_WHERE, "weight=5", "--where: table made has no column 'weight'" },
	};

	return cr_make_param_array(struct refusal, refusals, MR_ARRAY_LEN(refusals));
}

ParameterizedTest(struct refusal *refusal, query, bad_values__are_refused_by_name)
{
	make_rows(1, 1);
	expect_refused(refusal->operation, refusal->value, refusal->message);
}

Test(query, limit__of_a_fraction_is_of_the_rows_that_are_left)
{
	static const struct {
		const char *value;
		size_t count;
		size_t left;
	} cases[] = {
		{ "1.0", 7, 7 }, { "0.29", 100, 29 },   { "0.1", 3, 1 }, { ".5", 9, 4 },
		{ "1.", 4, 4 },  { "0.000001", 10, 1 }, { "0.5", 0, 0 }, { "18446744073709551615", 5, 5 },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		const struct step step = { MEMSTATS_LIMIT, cases[i].value };

		make_rows(cases[i].count, 1);
		struct memstats_table *table = run(&step, 1);

		cr_expect(eq(sz, memstats_table_row_count(table), cases[i].left), "%s of %zu", cases[i].value,
		          cases[i].count);
		memstats_table_free(table);
		forget_rows();
	}
}

Test(query, where__reads_values_as_the_type_of_the_column_has_them)
{
	static const struct {
		const char *condition;
		size_t column;
		struct mr_cell cell;
		bool holds;
	} cases[] = {
		{ "size>=1MiB", SIZE, { .number = 1 << 20 }, true },
		{ "size > 1MiB", SIZE, { .number = 1 << 20 }, false },
		{ " siz == 1K", SIZE, { .number = 1024 }, false }, /* siz is short for size and size_max */
		{ "time<2.5s", TIME, { .number = 2499999999 }, true },
		{ "time=3ms", TIME, { .number = 3000000 }, true },
		{ "time!=3ms", TIME, { .is_null = true }, false },
		{ "change<-5", CHANGE, { .change = -6 }, true },
		{ "change=+1K", CHANGE, { .change = 1024 }, true },
		{ "share>=12.5%", SHARE, { .real = 12.5 }, true },
		{ "name=a b", NAME, { .text = "a b", .len = 3 }, true },
		{ "name==", NAME, { .text = "", .len = 0 }, true },
		{ "name!=x", NAME, { .text = "y", .len = 1 }, true },
		{ "name~od", NAME, { .text = "Node", .len = 4 }, true },
		{ "name<b", NAME, { .text = "ab", .len = 2 }, true },
		{ "name=a=b", NAME, { .text = "a=b", .len = 3 }, true },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct memstats_query *query = memstats_query_new();
		struct mr_condition condition;
		struct mr_error err = { 0, "" };

		cr_assert(eq(int, memstats_query_add(query, MEMSTATS_WHERE, cases[i].condition, NULL), 0));
		const int code = mr_condition_parse(&made.info, &query->steps[0], &condition, &err);

		if (i == 2) {
			cr_expect(eq(int, code, MR_ERR_ARG));
		} else {
			cr_assert(eq(int, code, 0), "%s", err.message);
			cr_expect(eq(sz, condition.column, cases[i].column));
			cr_expect(eq(int, mr_condition_holds(&condition, &cases[i].cell), cases[i].holds),
			          "%s", cases[i].condition);
		}
		memstats_query_free(query);
	}
}

Test(query, match__takes_every_usual_expression)
{
	static const char *const patterns[] = { "^N",
		                                "a+b+c+d+e+f+g+h+i+j+k+l+m+n+o+p+",
		                                "[]a-c]{3}",
		                                "[^]{99999}]",
		                                "(a|b)*",
		                                "\\(\\[\\{",
		                                "[[:alpha:]]+",
		                                "x{2,100}y{1000}",
		                                "" };

	for (size_t i = 0; i < MR_ARRAY_LEN(patterns); i++) {
		struct memstats_query *query = memstats_query_new();
		struct memstats_error error = { 0, "" };

		cr_expect(eq(int, memstats_query_add(query, MEMSTATS_MATCH, patterns[i], &error), 0), "%s",
		          error.message);
		memstats_query_free(query);
	}
}

Test(query, value__of_more_than_its_limit_is_refused)
{
	struct memstats_query *query = memstats_query_new();
	char *value = calloc(MR_QUERY_VALUE_MAX + 2, 1);

	memset(value, 'a', MR_QUERY_VALUE_MAX + 1);
	cr_expect(eq(int, memstats_query_add(query, MEMSTATS_FILTER, value, NULL), MEMSTATS_ERR_ARG));
	value[MR_QUERY_VALUE_MAX] = '\0';
	cr_expect(eq(int, memstats_query_add(query, MEMSTATS_FILTER, value, NULL), 0));
	free(value);
	memstats_query_free(query);
}
