/* SPDX-License-Identifier: MIT
 *
 * Comma-separated values (RFC 4180: CRLF, quotes doubled) for spreadsheets and
 * scripts, with exact numbers, and Markdown for people.  In both, control
 * characters and bytes that are not UTF-8 are written as \xNN, since either may
 * end up on a terminal.
 */
#include "output.h"

#include <inttypes.h>

/* ---- CSV ----------------------------------------------------------------- */

static void csv_text(struct mr_writing *writing, const char *text, size_t len)
{
	struct mr_buffer *scratch = &writing->scratch;

	mr_buffer_clear(scratch);
	mr_text_show(scratch, text, len, 0);
	const bool quoted = scratch->len > 0 && (memchr(scratch->data, ',', scratch->len) != NULL ||
	                                         memchr(scratch->data, '"', scratch->len) != NULL);

	if (!quoted) {
		mr_buffer_append(&writing->buffer, scratch->data, scratch->len);
		return;
	}
	mr_buffer_put_u8(&writing->buffer, '"');
	for (size_t i = 0; i < scratch->len; i++) {
		if (scratch->data[i] == '"')
			mr_buffer_put_u8(&writing->buffer, '"');
		mr_buffer_put_u8(&writing->buffer, scratch->data[i]);
	}
	mr_buffer_put_u8(&writing->buffer, '"');
}

static void csv_cell(struct mr_writing *writing, enum memstats_type type, const struct mr_cell *cell)
{
	struct mr_buffer *out = &writing->buffer;

	if (cell->is_null)
		return;
	switch (type) {
	case MEMSTATS_TEXT:
		csv_text(writing, cell->text, cell->len);
		break;
	case MEMSTATS_TIME:
	case MEMSTATS_DURATION:
		mr_output_seconds(out, cell->number);
		break;
	case MEMSTATS_ADDRESS:
		mr_buffer_printf(out, "0x%" PRIx64, cell->number);
		break;
	case MEMSTATS_PERCENT:
		mr_buffer_printf(out, "%.6g", cell->real);
		break;
	case MEMSTATS_COUNT_CHANGE:
	case MEMSTATS_BYTES_CHANGE:
		mr_output_change(out, cell->change);
		break;
	case MEMSTATS_COUNT:
	case MEMSTATS_BYTES:
	case MEMSTATS_ID:
		mr_output_number(out, cell->number);
		break;
	}
}

static int csv_begin(struct mr_writing *writing, struct mr_error *err)
{
	(void)err;
	for (size_t column = 0; column < writing->table->column_count; column++)
		mr_buffer_printf(&writing->buffer, "%s%s", column > 0 ? "," : "",
		                 memstats_table_column(writing->table, column)->name);
	mr_buffer_append(&writing->buffer, "\r\n", 2);
	return 0;
}

static int csv_row(struct mr_writing *writing, size_t row, struct mr_error *err)
{
	(void)err;
	for (size_t column = 0; column < writing->table->column_count; column++) {
		struct mr_cell cell;

		if (column > 0)
			mr_buffer_put_u8(&writing->buffer, ',');
		mr_table_cell(writing->table, row, column, &cell);
		csv_cell(writing, memstats_table_column(writing->table, column)->type, &cell);
	}
	mr_buffer_append(&writing->buffer, "\r\n", 2);
	return 0;
}

static int csv_end(struct mr_writing *writing, struct mr_error *err)
{
	(void)writing;
	(void)err;
	return 0;
}

const struct mr_output_format mr_output_csv = { csv_begin, csv_row, csv_end };

/* ---- Markdown ------------------------------------------------------------ */

/* Every mark that could mean something to Markdown or HTML gets a backslash. */
static void markdown_text(struct mr_buffer *out, const struct mr_buffer *text)
{
	for (size_t i = 0; i < text->len; i++) {
		if (text->data[i] != '\0' && strchr("\\`*_{}[]<>()#+!|~&$", text->data[i]))
			mr_buffer_put_u8(out, '\\');
		mr_buffer_put_u8(out, text->data[i]);
	}
}

static int markdown_begin(struct mr_writing *writing, struct mr_error *err)
{
	const struct memstats_table *table = writing->table;
	struct mr_buffer *out = &writing->buffer;

	(void)err;
	for (size_t column = 0; column < table->column_count; column++)
		mr_buffer_printf(out, "| %s ", memstats_table_column(table, column)->name);
	mr_buffer_printf(out, "|\n");
	for (size_t column = 0; column < table->column_count; column++)
		mr_buffer_printf(out, "| %s ",
		                 memstats_table_column(table, column)->type == MEMSTATS_TEXT ? "---"
		                                                                             : "---:");
	mr_buffer_printf(out, "|\n");
	return 0;
}

static int markdown_row(struct mr_writing *writing, size_t row, struct mr_error *err)
{
	const struct memstats_table *table = writing->table;
	struct mr_buffer *out = &writing->buffer;

	(void)err;
	for (size_t column = 0; column < table->column_count; column++) {
		const enum memstats_type type = memstats_table_column(table, column)->type;
		struct mr_cell cell;

		mr_table_cell(table, row, column, &cell);
		mr_writing_show(writing, type, &cell, 0);
		mr_buffer_append(out, "| ", 2);
		if (type == MEMSTATS_TEXT)
			markdown_text(out, &writing->scratch);
		else
			mr_buffer_append(out, writing->scratch.data, writing->scratch.len);
		mr_buffer_put_u8(out, ' ');
	}
	mr_buffer_append(out, "|\n", 2);
	return 0;
}

static int markdown_end(struct mr_writing *writing, struct mr_error *err)
{
	(void)err;
	if (writing->table->limited_count > 0) {
		mr_buffer_put_u8(&writing->buffer, '\n');
		mr_output_more(writing);
	}
	return 0;
}

const struct mr_output_format mr_output_markdown = { markdown_begin, markdown_row, markdown_end };
