/* SPDX-License-Identifier: MIT
 *
 * What is done to the rows of a table: parsed steps, and running them.  Values
 * are checked as far as they can be when a step is added; columns are looked
 * up when the query meets a table.
 */
#ifndef MR_QUERY_H
#define MR_QUERY_H

#include <regex.h>

#include "table.h"

#define MR_QUERY_VALUE_MAX 4096      /* bytes in the value of a step */
#define MR_QUERY_EXPANSION_MAX 20000 /* steps that a regular expression may expand to */
#define MR_QUERY_GROUPS_MAX 64       /* levels of groups in it, the outermost included */

enum mr_comparison { MR_EQUAL, MR_UNEQUAL, MR_LESS, MR_LESS_EQUAL, MR_GREATER, MR_GREATER_EQUAL, MR_HOLDS };

struct mr_query_step {
	enum memstats_operation operation;
	char *value;
	union {
		struct {
			uint64_t rows;   /* when fraction is 0 */
			double fraction; /* 0 < fraction <= 1 */
		} limit;
		regex_t regex;
		struct { /* offsets into value */
			size_t column_len;
			enum mr_comparison comparison;
			size_t operand;
		} where;
	};
};

struct memstats_query {
	struct mr_query_step *steps;
	size_t count;
	size_t capacity;
};

/* A WHERE step, looked up: the column and the operand as its type has it. */
struct mr_condition {
	size_t column;
	enum memstats_type type;
	enum mr_comparison comparison;
	struct mr_cell operand;
};

int mr_condition_parse(const struct memstats_table_info *info, const struct mr_query_step *step,
                       struct mr_condition *condition, struct mr_error *err) MR_MUST_CHECK;
bool mr_condition_holds(const struct mr_condition *condition, const struct mr_cell *cell);

/* An order of rows: by these columns in turn, then by where the rows stand. */
struct mr_order {
	size_t columns[MR_TABLE_COLUMNS_MAX];
	size_t count;
	bool reversed;      /* of each column; nulls stay last */
	bool ties_reversed; /* of rows that the columns hold equal */
};

/* Parses "size,birth" for the table. */
int mr_order_parse(const struct memstats_table_info *info, const char *text, struct mr_order *order,
                   struct mr_error *err) MR_MUST_CHECK;
/* Brings the COUNT ROWS (of the type, reading cells by STATE) into ORDER, of
 * which only the first WANTED need to be right. */
int mr_order_apply(const struct mr_order *order, const struct mr_table_type *type, const void *state,
                   uint32_t *rows, size_t count, size_t wanted, struct mr_error *err) MR_MUST_CHECK;
/* Whether a type's values are shown largest first. */
bool mr_type_descends(enum memstats_type type);

/* The rows that a limit leaves of COUNT. */
size_t mr_limit_rows(const struct mr_query_step *step, size_t count);

/* Says that COLUMN (LEN bytes) of OPTION is not one of the table's. */
int mr_query_fail_column(const struct memstats_table_info *info, const char *option, const char *column,
                         size_t len, bool ambiguous, struct mr_error *err);

/* Looks all columns up: which ones the steps look at, and which ones TABLE shows. */
int mr_query_resolve(const struct memstats_query *query, struct memstats_table *table, uint64_t *columns,
                     struct mr_error *err) MR_MUST_CHECK;
/* Runs the steps on the rows of TABLE, which is open. */
int mr_query_run(const struct memstats_query *query, struct memstats_table *table, struct mr_error *err)
	MR_MUST_CHECK;

#endif
