/* SPDX-License-Identifier: MIT
 *
 * Comparing a cell with a value: what --where asks.  The value is read as the
 * column's type has it, so that "size>=1MiB" and "birth<2.5s" mean what they
 * say.  A null never matches, whatever it is compared with.
 */
#include "query.h"

#include <stdlib.h>

static const char *type_expects(enum memstats_type type)
{
	switch (type) {
	case MEMSTATS_TEXT:
		return "text";
	case MEMSTATS_COUNT:
	case MEMSTATS_ID:
		return "a whole number";
	case MEMSTATS_BYTES:
		return "a size, such as 1024, 64K or 1.5MiB";
	case MEMSTATS_TIME:
	case MEMSTATS_DURATION:
		return "a time, such as 2.5s, 10ms or 3min";
	case MEMSTATS_ADDRESS:
		return "an address, such as 0x7f00";
	case MEMSTATS_PERCENT:
		return "a percentage, such as 12.5";
	case MEMSTATS_COUNT_CHANGE:
		return "a change, such as 10 or -10";
	case MEMSTATS_BYTES_CHANGE:
		return "a change, such as 64K or -64K";
	}
	return "";
}

/* Decimal, or hexadecimal after 0x. */
static int parse_address(const char *text, uint64_t *address)
{
	if (text[0] != '0' || (text[1] != 'x' && text[1] != 'X'))
		return mr_parse_u64(text, address);
	const char *digits = text + 2;
	const size_t len = strspn(digits, "0123456789abcdefABCDEF");

	if (len == 0 || len > 16 || digits[len] != '\0')
		return MR_ERR_ARG;
	*address = strtoull(digits, NULL, 16);
	return 0;
}

static int parse_change(const char *text, bool bytes, int64_t *change)
{
	const bool negative = text[0] == '-';
	uint64_t size = 0;

	text += text[0] == '-' || text[0] == '+';
	MR_TRY(bytes ? mr_parse_bytes(text, &size) : mr_parse_u64(text, &size));
	if (size > INT64_MAX)
		return MR_ERR_ARG;
	*change = negative ? -(int64_t)size : (int64_t)size;
	return 0;
}

static int parse_percent(const char *text, double *percent)
{
	char number[64];
	const size_t len = strlen(text);

	if (len == 0 || len >= sizeof(number))
		return MR_ERR_ARG;
	memcpy(number, text, len + 1);
	if (number[len - 1] == '%')
		number[len - 1] = '\0';
	return mr_parse_double(number, percent);
}

static int parse_operand(enum memstats_type type, const char *text, struct mr_cell *cell)
{
	*cell = (struct mr_cell){ .is_null = false };
	switch (type) {
	case MEMSTATS_TEXT:
		mr_cell_string(cell, text);
		return 0;
	case MEMSTATS_COUNT:
	case MEMSTATS_ID:
		return mr_parse_u64(text, &cell->number);
	case MEMSTATS_BYTES:
		return mr_parse_bytes(text, &cell->number);
	case MEMSTATS_TIME:
	case MEMSTATS_DURATION:
		return mr_parse_duration(text, &cell->number);
	case MEMSTATS_ADDRESS:
		return parse_address(text, &cell->number);
	case MEMSTATS_PERCENT:
		return parse_percent(text, &cell->real);
	case MEMSTATS_COUNT_CHANGE:
		return parse_change(text, false, &cell->change);
	case MEMSTATS_BYTES_CHANGE:
		return parse_change(text, true, &cell->change);
	}
	return MR_ERR_ARG;
}

int mr_condition_parse(const struct memstats_table_info *info, const struct mr_query_step *step,
                       struct mr_condition *condition, struct mr_error *err)
{
	const int column = mr_table_column_find(info, step->value, step->where.column_len);
	const char *operand = step->value + step->where.operand;

	if (column < 0)
		return mr_query_fail_column(info, "where", step->value, step->where.column_len, column == -2,
		                            err);
	condition->column = (size_t)column;
	condition->type = info->columns[column].type;
	condition->comparison = step->where.comparison;
	MR_FAIL_IF(condition->comparison == MR_HOLDS && condition->type != MEMSTATS_TEXT, err, MR_ERR_ARG,
	           "--where: '~' is for text; column %s takes = != < <= > >=", info->columns[column].name);
	MR_FAIL_IF(parse_operand(condition->type, operand, &condition->operand) < 0, err, MR_ERR_ARG,
	           "--where: '%.100s' is not a value of column %s, which takes %s", operand,
	           info->columns[column].name, type_expects(condition->type));
	return 0;
}

static int compare_texts(const struct mr_cell *a, const struct mr_cell *b)
{
	const int order = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);

	return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

/* Below, at or above 0 as A is smaller than, equal to or larger than B. */
static int compare_cells(enum memstats_type type, const struct mr_cell *a, const struct mr_cell *b)
{
	switch (type) {
	case MEMSTATS_TEXT:
		return compare_texts(a, b);
	case MEMSTATS_PERCENT:
		return (a->real > b->real) - (a->real < b->real);
	case MEMSTATS_COUNT_CHANGE:
	case MEMSTATS_BYTES_CHANGE:
		return (a->change > b->change) - (a->change < b->change);
	case MEMSTATS_COUNT:
	case MEMSTATS_BYTES:
	case MEMSTATS_TIME:
	case MEMSTATS_DURATION:
	case MEMSTATS_ADDRESS:
	case MEMSTATS_ID:
		break;
	}
	return (a->number > b->number) - (a->number < b->number);
}

bool mr_condition_holds(const struct mr_condition *condition, const struct mr_cell *cell)
{
	const struct mr_cell *operand = &condition->operand;

	if (cell->is_null)
		return false;
	if (condition->comparison == MR_HOLDS)
		return memmem(cell->text, cell->len, operand->text, operand->len) != NULL;
	const int order = compare_cells(condition->type, cell, operand);

	switch (condition->comparison) {
	case MR_EQUAL:
		return order == 0;
	case MR_UNEQUAL:
		return order != 0;
	case MR_LESS:
		return order < 0;
	case MR_LESS_EQUAL:
		return order <= 0;
	case MR_GREATER:
		return order > 0;
	case MR_GREATER_EQUAL:
		return order >= 0;
	case MR_HOLDS:
		break;
	}
	return false;
}
