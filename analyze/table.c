/* SPDX-License-Identifier: MIT
 *
 * Tables: making one from its type and a query, and the public view of its cells.
 * Knows no table by name; see table_registry.c.
 */
#include "table.h"

#include <assert.h>

#include "query.h"
#include "table_log.h"

const char *mr_type_name(enum memstats_type type)
{
	switch (type) {
	case MEMSTATS_TEXT:
		return "text";
	case MEMSTATS_COUNT:
		return "count";
	case MEMSTATS_BYTES:
		return "bytes";
	case MEMSTATS_TIME:
		return "time";
	case MEMSTATS_DURATION:
		return "duration";
	case MEMSTATS_ADDRESS:
		return "address";
	case MEMSTATS_ID:
		return "id";
	case MEMSTATS_PERCENT:
		return "percent";
	case MEMSTATS_COUNT_CHANGE:
		return "count-change";
	case MEMSTATS_BYTES_CHANGE:
		return "bytes-change";
	}
	return "";
}

const char *memstats_type_unit(enum memstats_type type)
{
	switch (type) {
	case MEMSTATS_BYTES:
	case MEMSTATS_BYTES_CHANGE:
		return "bytes";
	case MEMSTATS_TIME:
	case MEMSTATS_DURATION:
		return "seconds";
	case MEMSTATS_PERCENT:
		return "percent";
	case MEMSTATS_TEXT:
	case MEMSTATS_COUNT:
	case MEMSTATS_COUNT_CHANGE:
	case MEMSTATS_ADDRESS:
	case MEMSTATS_ID:
		break;
	}
	return "";
}

int mr_table_column_find(const struct memstats_table_info *info, const char *name, size_t len)
{
	int found = -1;

	for (size_t i = 0; len > 0 && i < info->column_count; i++) {
		if (strncmp(info->columns[i].name, name, len) != 0)
			continue;
		if (info->columns[i].name[len] == '\0')
			return (int)i;
		found = found == -1 ? (int)i : -2;
	}
	return found;
}

/* ---- Making -------------------------------------------------------------- */

static int check_operands(const struct memstats_log *log, const struct mr_table_type *type,
                          struct mr_error *err)
{
	for (size_t i = 0; log && !type->takes_snapshots && i < log->operand_count; i++)
		MR_FAIL_IF(log->operands[i].snapshot, err, MR_ERR_ARG,
		           "'%.100s@%.100s': a snapshot of a log is for diff, holders and tables of call "
		           "stacks; --where 'snapshot=N' chooses one",
		           log->words[i], log->operands[i].snapshot);
	return 0;
}

int mr_table_new(struct memstats_log *log, const struct mr_table_type *type,
                 const struct memstats_query *query, struct memstats_table **table, struct mr_error *err)
{
	struct memstats_table *made = mr_alloc(sizeof(*made));
	uint64_t columns = 0;
	int code = 0;

	MR_FAIL_IF(!made, err, MR_ERR_NOMEM, "no memory for table %s", type->info.name);
	made->type = type;
	made->log = log;
	code = check_operands(log, type, err);
	if (code == 0)
		code = mr_query_resolve(query, made, &columns, err);
	if (code == 0)
		code = type->open_stacks
		               ? type->open_stacks(log, query, columns, &made->state, &made->row_count, err)
		               : type->open(log, columns, &made->state, &made->row_count, err);
	if (code == 0 && made->row_count > MR_TABLE_ROWS_MAX)
		code = mr_fail(err, MR_ERR_LIMIT, "table %s has %zu rows, more than %zu", type->info.name,
		               made->row_count, (size_t)MR_TABLE_ROWS_MAX);
	if (code == 0)
		code = mr_query_run(query, made, err);
	if (code < 0) {
		memstats_table_free(made);
		return code;
	}
	*table = made;
	return 0;
}

int mr_table_make_rows(struct memstats_table *table, struct mr_error *err)
{
	if (table->rows || table->row_count == 0)
		return 0;
	table->rows = mr_alloc(table->row_count * sizeof(*table->rows));
	MR_FAIL_IF(!table->rows, err, MR_ERR_NOMEM, "no memory for %zu rows", table->row_count);
	for (size_t i = 0; i < table->row_count; i++)
		table->rows[i] = (uint32_t)i;
	return 0;
}

int mr_table_finish(struct memstats_table *table, struct mr_error *err)
{
	uint64_t columns = 0;

	if (table->finished || !table->type->finish)
		return 0;
	for (size_t i = 0; i < table->column_count; i++)
		columns |= UINT64_C(1) << table->columns[i];
	MR_TRY(table->type->finish(table->state, table->rows, table->row_count, columns, err));
	table->finished = true;
	return 0;
}

void memstats_table_free(struct memstats_table *table)
{
	if (!table)
		return;
	table->type->close(table->state);
	mr_free(table->rows);
	mr_free(table);
}

const char *mr_table_default_sort(const struct memstats_table *table)
{
	return table->type->imported_sort && mr_log_is_imported(table->log) ? table->type->imported_sort
	                                                                    : table->type->default_sort;
}

/* ---- Looking at it ------------------------------------------------------- */

const char *memstats_table_name(const struct memstats_table *table)
{
	return table->type->info.name;
}

size_t memstats_table_row_count(const struct memstats_table *table)
{
	return table->row_count;
}

size_t memstats_table_hidden_count(const struct memstats_table *table)
{
	return table->filtered_count + table->limited_count;
}

size_t memstats_table_column_count(const struct memstats_table *table)
{
	return table->column_count;
}

const struct memstats_column *memstats_table_column(const struct memstats_table *table, size_t column)
{
	assert(column < table->column_count && "the column exists");
	return &table->type->info.columns[table->columns[column]];
}

int memstats_table_find_column(const struct memstats_table *table, const char *name)
{
	for (size_t i = 0; i < table->column_count; i++)
		if (strcmp(memstats_table_column(table, i)->name, name) == 0)
			return (int)i;
	return -1;
}

void mr_table_cell(const struct memstats_table *table, size_t row, size_t column, struct mr_cell *cell)
{
	assert(row < table->row_count && column < table->column_count && "the cell exists");
	table->type->cell(table->state, mr_table_row(table, row), table->columns[column], cell);
}

bool memstats_table_is_null(const struct memstats_table *table, size_t row, size_t column)
{
	struct mr_cell cell;

	mr_table_cell(table, row, column, &cell);
	return cell.is_null;
}

const char *memstats_table_text(const struct memstats_table *table, size_t row, size_t column)
{
	struct mr_cell cell;

	assert(memstats_table_column(table, column)->type == MEMSTATS_TEXT && "the column holds text");
	mr_table_cell(table, row, column, &cell);
	return cell.is_null ? "" : cell.text;
}

uint64_t memstats_table_number(const struct memstats_table *table, size_t row, size_t column)
{
	return memstats_table_number_or(table, row, column, 0);
}

uint64_t memstats_table_number_or(const struct memstats_table *table, size_t row, size_t column,
                                  uint64_t none)
{
	struct mr_cell cell;

	mr_table_cell(table, row, column, &cell);
	return cell.is_null ? none : cell.number;
}

int64_t memstats_table_change(const struct memstats_table *table, size_t row, size_t column)
{
	struct mr_cell cell;

	mr_table_cell(table, row, column, &cell);
	return cell.is_null ? 0 : cell.change;
}

double memstats_table_real(const struct memstats_table *table, size_t row, size_t column)
{
	struct mr_cell cell;

	mr_table_cell(table, row, column, &cell);
	return cell.is_null ? 0 : cell.real;
}
