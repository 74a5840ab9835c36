/* SPDX-License-Identifier: MIT
 *
 * Queries: steps are parsed here, met with a table's columns, and run in the
 * order in which they were given.  Messages name the command-line option, since
 * that is where nearly all of them are read.
 *
 * An order is not carried out when its step is met, but when a limit or the end
 * needs it: filters do not mind the order of rows, and a limit that follows
 * needs only the first few in place.
 */
#include "query.h"

#include <stdlib.h>

static const char *const option_names[] = {
	[MEMSTATS_SORT] = "sort",       [MEMSTATS_REVERSE] = "reverse",   [MEMSTATS_FILTER] = "filter",
	[MEMSTATS_MATCH] = "match",     [MEMSTATS_WHERE] = "where",       [MEMSTATS_LIMIT] = "limit",
	[MEMSTATS_COLUMNS] = "columns", [MEMSTATS_UNSORTED] = "unsorted", [MEMSTATS_FOCUS] = "focus",
	[MEMSTATS_HIDE] = "hide",       [MEMSTATS_MODULE] = "module",     [MEMSTATS_INVERT] = "invert",
};

/* ---- Steps --------------------------------------------------------------- */

static int parse_limit(struct mr_query_step *step, struct mr_error *err)
{
	const char *value = step->value;
	double fraction = 0;
	uint64_t rows = 0;

	/* Only digits and a point: no signs, exponents, spaces. */
	if (value[strspn(value, "0123456789.")] == '\0') {
		if (!strchr(value, '.')) {
			if (mr_parse_u64(value, &rows) == 0 && rows > 0) {
				step->limit.rows = rows;
				step->limit.fraction = 0;
				return 0;
			}
		} else if (mr_parse_double(value, &fraction) == 0 && fraction > 0 && fraction <= 1) {
			step->limit.rows = 0;
			step->limit.fraction = fraction;
			return 0;
		}
	}
	return mr_fail(err, MR_ERR_ARG,
	               "--limit: '%.100s' is neither a number of rows (1, 2, ...) nor a fraction of them"
	               " (with a point, above 0 and up to 1.0)",
	               value);
}

size_t mr_limit_rows(const struct mr_query_step *step, size_t count)
{
	if (step->limit.fraction > 0) {
		/* 0.29 of 100 rows is 29, though 0.29 as a double is a little less. */
		const long double exact = (long double)count * step->limit.fraction;
		const size_t rows = (size_t)(exact * (1 + 4e-16L));

		return rows == 0 && count > 0 ? 1 : rows < count ? rows : count;
	}
	return step->limit.rows < count ? (size_t)step->limit.rows : count;
}

/* Behind a bracket expression, "[^]a-z[:digit:]]"; TEXT is behind its "[". */
static const char *skip_brackets(const char *text)
{
	text += *text == '^';
	text += *text == ']';
	while (*text != '\0' && *text != ']') {
		const char kind = text[0] == '[' ? text[1] : '\0';
		const char closing[3] = { kind, ']', '\0' };
		const char *end =
			kind == ':' || kind == '.' || kind == '=' ? strstr(text + 2, closing) : NULL;

		text = end ? end + 2 : text + 1;
	}
	return text + (*text == ']');
}

/* The larger of the bounds in "{2,30}"; *TEXT is behind the "{" and then behind the "}". */
static uint64_t read_bounds(const char **text)
{
	uint64_t largest = 1;
	uint64_t bound = 0;

	for (; **text == ',' || (**text >= '0' && **text <= '9'); (*text)++) {
		bound = **text == ',' ? 0 : bound * 10 + (uint64_t)(**text - '0');
		bound = bound < MR_QUERY_EXPANSION_MAX ? bound : MR_QUERY_EXPANSION_MAX;
		largest = bound > largest ? bound : largest;
	}
	*text += **text == '}';
	return largest;
}

/* Whether the C library would make too much of PATTERN: it writes out "a{1000}"
 * a thousand times and "a+" as "aa*", and does so within what is repeated itself. */
static bool regex_expands_too_much(const char *pattern)
{
	struct {
		uint64_t sum;  /* of what came before in the group */
		uint64_t last; /* what a repetition would repeat */
	} groups[MR_QUERY_GROUPS_MAX] = { { 0, 0 } };
	size_t depth = 0;

	while (*pattern != '\0') {
		const char c = *pattern++;
		uint64_t size = 1;
		uint64_t times = 0;

		if (c == '(') {
			if (++depth == MR_QUERY_GROUPS_MAX)
				return true;
			groups[depth].sum = groups[depth].last = 0;
			continue;
		}
		if (c == ')' && depth > 0) {
			size += groups[depth].sum + groups[depth].last;
			depth--;
		} else if (c == '\\' && *pattern != '\0') {
			pattern++;
		} else if (c == '[') {
			pattern = skip_brackets(pattern);
		} else if (c == '+' || c == '*' || c == '?') {
			times = c == '?' ? 2 : 8; /* more than is written out: loops within loops cost time */
		} else if (c == '{') {
			times = read_bounds(&pattern);
		}
		if (times > 0) {
			groups[depth].last *= times;
		} else {
			groups[depth].sum += groups[depth].last;
			groups[depth].last = size;
		}
		if (groups[depth].sum + groups[depth].last > MR_QUERY_EXPANSION_MAX)
			return true;
	}
	return false; /* or groups do not end, which regcomp() refuses */
}

static bool has_regex(enum memstats_operation operation)
{
	return operation == MEMSTATS_MATCH || operation == MEMSTATS_FOCUS || operation == MEMSTATS_HIDE ||
	       operation == MEMSTATS_MODULE;
}

static int parse_regex(struct mr_query_step *step, struct mr_error *err)
{
	const char *option = option_names[step->operation];
	char reason[256];

	MR_FAIL_IF(regex_expands_too_much(step->value), err, MR_ERR_ARG,
	           "--%s: '%.100s' repeats or nests too much: at most %d steps and %d groups in each other",
	           option, step->value, MR_QUERY_EXPANSION_MAX, MR_QUERY_GROUPS_MAX - 1);
	const int code = regcomp(&step->regex, step->value, REG_EXTENDED | REG_NOSUB);

	if (code == 0)
		return 0;
	regerror(code, NULL, reason, sizeof(reason));
	return mr_fail(err, code == REG_ESPACE ? MR_ERR_NOMEM : MR_ERR_ARG,
	               "--%s: '%.100s' is not an extended regular expression: %s", option, step->value,
	               reason);
}

/* "size >= 1MiB": the column's name ends where an operator begins. */
static int parse_where(struct mr_query_step *step, struct mr_error *err)
{
	static const struct {
		const char *text;
		enum mr_comparison comparison;
	} operators[] = {
		/* longer ones first */
		{ "==", MR_EQUAL }, { "!=", MR_UNEQUAL }, { "<=", MR_LESS_EQUAL }, { ">=", MR_GREATER_EQUAL },
		{ "=", MR_EQUAL },  { "<", MR_LESS },     { ">", MR_GREATER },     { "~", MR_HOLDS },
	};
	char *value = step->value;
	const size_t lead = strspn(value, " ");

	memmove(value, value + lead, strlen(value + lead) + 1);
	const size_t operator_at = strcspn(value, "=!<>~");
	size_t column_len = operator_at;

	while (column_len > 0 && value[column_len - 1] == ' ')
		column_len--;
	for (size_t i = 0; column_len > 0 && i < MR_ARRAY_LEN(operators); i++) {
		const size_t len = strlen(operators[i].text);

		if (strncmp(value + operator_at, operators[i].text, len) != 0)
			continue;
		step->where.column_len = column_len;
		step->where.comparison = operators[i].comparison;
		step->where.operand = operator_at + len + strspn(value + operator_at + len, " ");
		return 0;
	}
	return mr_fail(err, MR_ERR_ARG,
	               "--where: '%.100s' is not COLUMN OPERATOR VALUE, with one of = == != < <= > >= ~",
	               value);
}

struct memstats_query *memstats_query_new(void)
{
	return mr_alloc(sizeof(struct memstats_query));
}

void memstats_query_free(struct memstats_query *query)
{
	if (!query)
		return;
	for (size_t i = 0; i < query->count; i++) {
		if (has_regex(query->steps[i].operation))
			regfree(&query->steps[i].regex);
		mr_free(query->steps[i].value);
	}
	mr_free(query->steps);
	mr_free(query);
}

static int parse_step(struct mr_query_step *step, struct mr_error *err)
{
	switch (step->operation) {
	case MEMSTATS_LIMIT:
		return parse_limit(step, err);
	case MEMSTATS_MATCH:
	case MEMSTATS_FOCUS:
	case MEMSTATS_HIDE:
	case MEMSTATS_MODULE:
		return parse_regex(step, err);
	case MEMSTATS_WHERE:
		return parse_where(step, err);
	case MEMSTATS_SORT:
	case MEMSTATS_COLUMNS:
		MR_FAIL_IF(step->value[0] == '\0', err, MR_ERR_ARG, "--%s: needs the name of a column",
		           option_names[step->operation]);
		return 0;
	case MEMSTATS_REVERSE:
	case MEMSTATS_FILTER:
	case MEMSTATS_UNSORTED:
	case MEMSTATS_INVERT:
		return 0;
	}
	return mr_fail(err, MR_ERR_ARG, "a query has no operation %d", (int)step->operation);
}

int memstats_query_add(struct memstats_query *query, enum memstats_operation operation, const char *value,
                       struct memstats_error *error)
{
	struct mr_error *err = mr_table_error(error);
	struct mr_query_step step = { .operation = operation };
	const size_t len = value ? strlen(value) : 0;

	MR_FAIL_IF(len > MR_QUERY_VALUE_MAX, err, MR_ERR_ARG, "--%s: a value has at most %d bytes",
	           (unsigned)operation < MR_ARRAY_LEN(option_names) ? option_names[operation] : "?",
	           MR_QUERY_VALUE_MAX);
	const int grown = mr_grow(&query->steps, &query->capacity, query->count + 1, sizeof(step));

	MR_FAIL_IF(grown < 0, err, grown, "no memory for the query");
	step.value = mr_alloc(len + 1);
	MR_FAIL_IF(!step.value, err, MR_ERR_NOMEM, "no memory for the query");
	if (len > 0)
		memcpy(step.value, value, len);
	const int code = parse_step(&step, err);

	if (code < 0) {
		mr_free(step.value);
		return code;
	}
	query->steps[query->count++] = step;
	return 0;
}

/* ---- Meeting a table ----------------------------------------------------- */

int mr_query_fail_column(const struct memstats_table_info *info, const char *option, const char *column,
                         size_t len, bool ambiguous, struct mr_error *err)
{
	struct mr_buffer names = { NULL, 0, 0, false };

	for (size_t i = 0; i < info->column_count; i++)
		if (!ambiguous || strncmp(info->columns[i].name, column, len) == 0)
			mr_buffer_printf(&names, "%s%s", names.len > 0 ? ", " : "", info->columns[i].name);
	mr_buffer_append(&names, "", 1);
	const int shown_len = len < 100 ? (int)len : 100;
	const char *list = names.failed ? "" : (const char *)names.data;
	int code = 0;

	if (ambiguous)
		code = mr_fail(err, MR_ERR_ARG, "--%s: '%.*s' could be %s", option, shown_len, column, list);
	else
		code = mr_fail(err, MR_ERR_ARG, "--%s: table %s has no column '%.*s'; it has %s", option,
		               info->name, shown_len, column, list);
	mr_buffer_release(&names);
	return code;
}

static int find_column(const struct memstats_table_info *info, const char *option, const char *name,
                       size_t len, size_t *column, struct mr_error *err)
{
	const int found = mr_table_column_find(info, name, len);

	if (found < 0)
		return mr_query_fail_column(info, option, name, len, found == -2, err);
	*column = (size_t)found;
	return 0;
}

/* Gives the names of "a, b,c" one a call; *AT is where the next one starts. */
static bool next_name(const char **at, const char **name, size_t *len)
{
	if (!*at)
		return false;
	*name = *at + strspn(*at, " ");
	*len = strcspn(*name, ",");
	*at = (*name)[*len] == ',' ? *name + *len + 1 : NULL;
	while (*len > 0 && (*name)[*len - 1] == ' ')
		(*len)--;
	return true;
}

int mr_order_parse(const struct memstats_table_info *info, const char *text, struct mr_order *order,
                   struct mr_error *err)
{
	const char *name = NULL;
	size_t len = 0;
	struct mr_order parsed = { .count = 0 };

	while (next_name(&text, &name, &len)) {
		size_t column = 0;
		bool known = false;

		MR_TRY(find_column(info, "sort", name, len, &column, err));
		for (size_t i = 0; i < parsed.count; i++)
			known = known || parsed.columns[i] == column;
		if (!known) /* twice the same says nothing new */
			parsed.columns[parsed.count++] = column;
	}
	*order = parsed;
	return 0;
}

static int resolve_shown(const struct memstats_query *query, struct memstats_table *table,
                         struct mr_error *err)
{
	const struct memstats_table_info *info = &table->type->info;
	uint64_t seen = 0;

	table->column_count = 0;
	for (size_t i = 0; query && i < query->count; i++) {
		const char *at = query->steps[i].value;
		const char *name = NULL;
		size_t len = 0;

		if (query->steps[i].operation != MEMSTATS_COLUMNS)
			continue;
		table->columns_chosen = true;
		while (next_name(&at, &name, &len)) {
			size_t column = 0;

			MR_TRY(find_column(info, "columns", name, len, &column, err));
			if ((seen & (UINT64_C(1) << column)) == 0)
				table->columns[table->column_count++] = (uint8_t)column;
			seen |= UINT64_C(1) << column;
		}
	}
	for (size_t i = 0; !table->columns_chosen && i < info->column_count; i++)
		table->columns[table->column_count++] = (uint8_t)i;
	return 0;
}

static bool takes_step(const struct mr_table_type *type, enum memstats_operation operation)
{
	return operation == MEMSTATS_INVERT ? type->takes_invert : type->open_stacks != NULL;
}

/* What looks at call stacks needs a table that has some. */
static int check_stack_step(const struct mr_table_type *type, enum memstats_operation operation,
                            struct mr_error *err)
{
	struct mr_buffer names = { NULL, 0, 0, false };
	size_t count = 0;
	const struct memstats_table_info *infos = memstats_table_list(&count);

	if (takes_step(type, operation))
		return 0;
	for (size_t i = 0; i < count; i++)
		if (takes_step(mr_table_type_find(infos[i].name), operation))
			mr_buffer_printf(&names, "%s%s", names.len > 0 ? ", " : "", infos[i].name);
	mr_buffer_append(&names, "", 1);
	const int code =
		mr_fail(err, MR_ERR_ARG, "--%s: is not for table %s; it is for %s", option_names[operation],
	                type->info.name, names.failed ? "" : (const char *)names.data);
	mr_buffer_release(&names);
	return code;
}

/* Whether the query brings an order of its own before the order matters. */
static bool query_orders(const struct memstats_query *query)
{
	for (size_t i = 0; query && i < query->count; i++) {
		if (query->steps[i].operation == MEMSTATS_SORT ||
		    query->steps[i].operation == MEMSTATS_UNSORTED)
			return true;
		if (query->steps[i].operation == MEMSTATS_LIMIT ||
		    query->steps[i].operation == MEMSTATS_REVERSE)
			return false;
	}
	return false;
}

int mr_query_resolve(const struct memstats_query *query, struct memstats_table *table, uint64_t *columns,
                     struct mr_error *err)
{
	const struct memstats_table_info *info = &table->type->info;
	struct mr_order order = { .count = 0 };
	uint64_t used = 0;

	MR_TRY(resolve_shown(query, table, err));
	if (mr_table_default_sort(table) && !query_orders(query))
		MR_TRY(mr_order_parse(info, mr_table_default_sort(table), &order, err));
	for (size_t i = 0; i < order.count; i++)
		used |= UINT64_C(1) << order.columns[i];
	for (size_t i = 0; query && i < query->count; i++) {
		const struct mr_query_step *step = &query->steps[i];
		struct mr_condition condition;

		switch (step->operation) {
		case MEMSTATS_SORT:
			MR_TRY(mr_order_parse(info, step->value, &order, err));
			for (size_t k = 0; k < order.count; k++)
				used |= UINT64_C(1) << order.columns[k];
			break;
		case MEMSTATS_WHERE:
			MR_TRY(mr_condition_parse(info, step, &condition, err));
			used |= UINT64_C(1) << condition.column;
			break;
		case MEMSTATS_FILTER:
		case MEMSTATS_MATCH:
			MR_FAIL_IF(info->columns[info->name_column].type != MEMSTATS_TEXT, err, MR_ERR_ARG,
			           "--%s: the rows of table %s have no names; --where looks at its columns",
			           option_names[step->operation], info->name);
			used |= UINT64_C(1) << info->name_column;
			break;
		case MEMSTATS_FOCUS:
		case MEMSTATS_HIDE:
		case MEMSTATS_MODULE:
		case MEMSTATS_INVERT:
			MR_TRY(check_stack_step(table->type, step->operation, err));
			break;
		case MEMSTATS_REVERSE:
		case MEMSTATS_LIMIT:
		case MEMSTATS_COLUMNS:
		case MEMSTATS_UNSORTED:
			break;
		}
	}
	*columns = used;
	return 0;
}

/* ---- Running ------------------------------------------------------------- */

struct run {
	struct memstats_table *table;
	struct mr_order order; /* what the rows are, or are to be, ordered by */
	bool ordered;          /* ORDER has been asked for */
	bool pending;          /* and not yet carried out */
};

static int settle(struct run *run, size_t wanted, struct mr_error *err)
{
	struct memstats_table *table = run->table;

	if (!run->pending)
		return 0;
	MR_TRY(mr_table_make_rows(table, err));
	MR_TRY(mr_order_apply(&run->order, table->type, table->state, table->rows, table->row_count, wanted,
	                      err));
	run->pending = false;
	run->order.ties_reversed = false; /* of how the rows stand now */
	return 0;
}

static int run_sort(struct run *run, const char *columns, struct mr_error *err)
{
	/* An earlier order decides between rows that this one holds equal. */
	MR_TRY(settle(run, run->table->row_count, err));
	MR_TRY(mr_order_parse(&run->table->type->info, columns, &run->order, err));
	run->ordered = true;
	run->pending = true;
	return 0;
}

static int run_reverse(struct run *run, struct mr_error *err)
{
	struct memstats_table *table = run->table;

	if (run->ordered) {
		/* The order itself turns round, so that nulls stay last. */
		run->order.reversed = !run->order.reversed;
		run->order.ties_reversed = !run->order.ties_reversed;
		run->pending = true;
		return 0;
	}
	MR_TRY(mr_table_make_rows(table, err));
	for (size_t i = 0; i < table->row_count / 2; i++) {
		const uint32_t row = table->rows[i];

		table->rows[i] = table->rows[table->row_count - 1 - i];
		table->rows[table->row_count - 1 - i] = row;
	}
	return 0;
}

static int run_limit(struct run *run, const struct mr_query_step *step, struct mr_error *err)
{
	struct memstats_table *table = run->table;
	const size_t wanted = mr_limit_rows(step, table->row_count);

	MR_TRY(settle(run, wanted, err));
	if (wanted < table->row_count)
		MR_TRY(mr_table_make_rows(table, err));
	table->limited_count += table->row_count - wanted;
	table->row_count = wanted;
	return 0;
}

/* Names repeat: the last answers for texts are kept by where the text lies. */
#define MEMO_SIZE 256

struct memo {
	const char *text;
	size_t len;
	bool keeps;
};

static bool name_keeps(const struct mr_query_step *step, const struct mr_cell *cell)
{
	if (step->operation == MEMSTATS_FILTER)
		return memmem(cell->text, cell->len, step->value, strlen(step->value)) != NULL;
	regmatch_t span = { .rm_so = 0, .rm_eo = (regoff_t)cell->len };

	return regexec(&step->regex, cell->text, 1, &span, REG_STARTEND) == 0;
}

static int run_names(struct run *run, const struct mr_query_step *step, struct mr_error *err)
{
	struct memstats_table *table = run->table;
	const struct mr_table_type *type = table->type;
	struct memo memos[MEMO_SIZE] = { { NULL, 0, false } };
	size_t kept = 0;

	MR_TRY(mr_table_make_rows(table, err));
	for (size_t i = 0; i < table->row_count; i++) {
		struct mr_cell cell;

		type->cell(table->state, table->rows[i], type->info.name_column, &cell);
		if (cell.is_null) /* no name holds no text, but every name holds "" */
			mr_cell_string(&cell, "");
		struct memo *memo = &memos[((uintptr_t)cell.text >> 3) % MEMO_SIZE];

		if (memo->text != cell.text || memo->len != cell.len)
			*memo = (struct memo){ cell.text, cell.len, name_keeps(step, &cell) };
		if (memo->keeps)
			table->rows[kept++] = table->rows[i];
	}
	table->filtered_count += table->row_count - kept;
	table->row_count = kept;
	return 0;
}

static int run_where(struct run *run, const struct mr_query_step *step, struct mr_error *err)
{
	struct memstats_table *table = run->table;
	struct mr_condition condition;
	size_t kept = 0;

	MR_TRY(mr_condition_parse(&table->type->info, step, &condition, err));
	MR_TRY(mr_table_make_rows(table, err));
	for (size_t i = 0; i < table->row_count; i++) {
		struct mr_cell cell;

		table->type->cell(table->state, table->rows[i], condition.column, &cell);
		if (mr_condition_holds(&condition, &cell))
			table->rows[kept++] = table->rows[i];
	}
	table->filtered_count += table->row_count - kept;
	table->row_count = kept;
	return 0;
}

static int run_step(struct run *run, const struct mr_query_step *step, struct mr_error *err)
{
	switch (step->operation) {
	case MEMSTATS_SORT:
		return run->table->type->sorts_itself ? 0 : run_sort(run, step->value, err);
	case MEMSTATS_REVERSE:
		return run->table->type->sorts_itself ? 0 : run_reverse(run, err);
	case MEMSTATS_LIMIT:
		return run_limit(run, step, err);
	case MEMSTATS_FILTER:
	case MEMSTATS_MATCH:
		return run_names(run, step, err);
	case MEMSTATS_WHERE:
		return run_where(run, step, err);
	case MEMSTATS_COLUMNS:
	case MEMSTATS_UNSORTED:
	case MEMSTATS_FOCUS:
	case MEMSTATS_HIDE:
	case MEMSTATS_MODULE:
	case MEMSTATS_INVERT:
		break;
	}
	return 0;
}

int mr_query_run(const struct memstats_query *query, struct memstats_table *table, struct mr_error *err)
{
	struct run run = { .table = table };

	if (mr_table_default_sort(table) && !table->type->sorts_itself && !query_orders(query))
		MR_TRY(run_sort(&run, mr_table_default_sort(table), err));
	for (size_t i = 0; query && i < query->count; i++)
		MR_TRY(run_step(&run, &query->steps[i], err));
	return settle(&run, table->row_count, err);
}
