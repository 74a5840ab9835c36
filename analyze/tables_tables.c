/* SPDX-License-Identifier: MIT
 *
 * The table of tables: what `memstats tables` prints.  It needs no log, so it is
 * not in the registry with the others.
 */
#include "tables_tables.h"
#include "output.h"

enum { TABLE, COLUMN, TYPE, UNIT, HELP, COLUMN_COUNT };

static const struct memstats_column columns[COLUMN_COUNT] = {
	[TABLE] = { "table", MEMSTATS_TEXT, "name of the table" },
	[COLUMN] = { "column", MEMSTATS_TEXT, "name of a column of it" },
	[TYPE] = { "type", MEMSTATS_TEXT, "what its values are" },
	[UNIT] = { "unit", MEMSTATS_TEXT, "unit in machine output" },
	[HELP] = { "help", MEMSTATS_TEXT, "what it says" },
};

struct row {
	const struct memstats_table_info *table;
	size_t column;
};

static int tables_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                       struct mr_error *err)
{
	size_t table_count = 0;
	const struct memstats_table_info *tables = memstats_table_list(&table_count);
	size_t count = 0;

	(void)log;
	(void)needed;
	for (size_t i = 0; i < table_count; i++)
		count += tables[i].column_count;
	struct row *rows = mr_alloc(count * sizeof(*rows));

	MR_FAIL_IF(!rows, err, MR_ERR_NOMEM, "no memory for the list of tables");
	*state = rows;
	*row_count = count;
	for (size_t i = 0, at = 0; i < table_count; i++)
		for (size_t column = 0; column < tables[i].column_count; column++)
			rows[at++] = (struct row){ &tables[i], column };
	return 0;
}

static void tables_cell(const void *state, size_t index, size_t column, struct mr_cell *cell)
{
	const struct row *row = (const struct row *)state + index;
	const struct memstats_column *described = &row->table->columns[row->column];
	const char *const texts[COLUMN_COUNT] = {
		[TABLE] = row->table->name,
		[COLUMN] = described->name,
		[TYPE] = mr_type_name(described->type),
		[UNIT] = memstats_type_unit(described->type),
		[HELP] = described->help,
	};

	mr_cell_string(cell, texts[column]);
}

/* Each table with what it is, and under it its columns. */
static int tables_write_text(struct mr_writing *writing, struct mr_error *err)
{
	const struct memstats_table *table = writing->table;
	const struct row *rows = table->state;
	const struct memstats_table_info *last = NULL;

	(void)err;
	for (size_t i = 0; i < table->row_count; i++) {
		const struct row *row = &rows[mr_table_row(table, i)];
		const struct memstats_column *column = &row->table->columns[row->column];

		if (row->table != last)
			mr_buffer_printf(&writing->buffer, "%s%s: %s\n", last ? "\n" : "", row->table->name,
			                 row->table->summary);
		mr_buffer_printf(&writing->buffer, "  %-15s  %-12s  %s\n", column->name,
		                 mr_type_name(column->type), column->help);
		last = row->table;
	}
	mr_output_more(writing);
	return 0;
}

const struct mr_table_type mr_table_tables = {
	.info = { "tables", "the tables and their columns", columns, COLUMN_COUNT, TABLE },
	.open = tables_open,
	.cell = tables_cell,
	.close = mr_free,
	.write_text = tables_write_text,
};
