/* SPDX-License-Identifier: MIT
 *
 * Aligned columns for people.  Names are cut so that a line stays readable, and
 * columns that say nothing of any row are left out unless they were asked for;
 * every other format has all of it.
 */
#include "output.h"

#define TEXT_MAX 48 /* characters of a text */
#define LEFT_OUT 0  /* as the width of a column */

static size_t measure(struct mr_writing *writing, size_t column)
{
	const struct memstats_table *table = writing->table;
	const struct memstats_column *info = memstats_table_column(table, column);
	size_t width = strlen(info->name);
	bool says_something = table->columns_chosen || table->row_count == 0;

	for (size_t row = 0; row < table->row_count; row++) {
		struct mr_cell cell;

		mr_table_cell(table, row, column, &cell);
		mr_writing_show(writing, info->type, &cell, TEXT_MAX);
		const size_t len = mr_output_characters(writing->scratch.data, writing->scratch.len);

		width = len > width ? len : width;
		says_something = says_something || !cell.is_null;
	}
	return says_something ? width : LEFT_OUT;
}

/* Texts on the left, all else on the right; no spaces at the end of a line. */
static void put_field(struct mr_writing *writing, size_t column, const void *text, size_t len)
{
	const bool right = memstats_table_column(writing->table, column)->type != MEMSTATS_TEXT;
	const bool first = column == writing->column_first;
	const bool last = column == writing->column_last;

	if (!first)
		mr_buffer_append(&writing->buffer, "  ", 2);
	mr_output_field(&writing->buffer, text, len, last && !right ? 0 : writing->widths[column], right);
	if (last)
		mr_buffer_put_u8(&writing->buffer, '\n');
}

static int text_begin(struct mr_writing *writing, struct mr_error *err)
{
	const struct memstats_table *table = writing->table;

	(void)err;
	writing->column_first = table->column_count;
	for (size_t column = 0; column < table->column_count; column++) {
		writing->widths[column] = measure(writing, column);
		if (writing->widths[column] == LEFT_OUT)
			continue;
		if (writing->column_first == table->column_count)
			writing->column_first = column;
		writing->column_last = column;
	}
	for (size_t column = 0; column < table->column_count; column++) {
		const char *name = memstats_table_column(table, column)->name;

		if (writing->widths[column] != LEFT_OUT)
			put_field(writing, column, name, strlen(name));
	}
	return 0;
}

static int text_row(struct mr_writing *writing, size_t row, struct mr_error *err)
{
	const struct memstats_table *table = writing->table;

	(void)err;
	for (size_t column = 0; column < table->column_count; column++) {
		struct mr_cell cell;

		if (writing->widths[column] == LEFT_OUT)
			continue;
		mr_table_cell(table, row, column, &cell);
		mr_writing_show(writing, memstats_table_column(table, column)->type, &cell, TEXT_MAX);
		put_field(writing, column, writing->scratch.data, writing->scratch.len);
	}
	return 0;
}

static int text_end(struct mr_writing *writing, struct mr_error *err)
{
	(void)err;
	if (writing->table->row_count == 0)
		mr_buffer_printf(&writing->buffer, "(no rows)\n");
	mr_output_more(writing);
	return 0;
}

const struct mr_output_format mr_output_text = { text_begin, text_row, text_end };
