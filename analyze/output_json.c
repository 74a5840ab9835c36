/* SPDX-License-Identifier: MIT
 *
 * JSON, as a document and as a row object a line.  This is the stable interface
 * for scripts: sizes in bytes and counts as integers, times in seconds since the
 * run's start, addresses as "0x..." text, null for what is not there.  Jansson
 * writes texts and reals; the rest is digits, written exactly.
 */
#include "output.h"

#include <inttypes.h>
#include <jansson.h>

#include "table_log.h"

static int append_json(const char *data, size_t size, void *context)
{
	mr_buffer_append(context, data, size);
	return 0;
}

static int put_value(struct mr_writing *writing, json_t *value, size_t flags, struct mr_error *err)
{
	const bool failed = !value || json_dump_callback(value, append_json, &writing->buffer,
	                                                 JSON_ENCODE_ANY | flags) != 0;

	json_decref(value);
	MR_FAIL_IF(failed, err, MR_ERR_NOMEM, "no memory to write JSON");
	return 0;
}

/* Whether TEXT may stand in JSON as it is: plain ASCII, which needs no second look. */
static bool is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] > 0x7e || text[i] == '"' ||
		    text[i] == '\\')
			return false;
	return true;
}

static int put_text(struct mr_writing *writing, const char *text, size_t len, struct mr_error *err)
{
	if (is_plain(text, len)) {
		mr_buffer_put_u8(&writing->buffer, '"');
		mr_buffer_append(&writing->buffer, text, len);
		mr_buffer_put_u8(&writing->buffer, '"');
		return 0;
	}
	/* What is beyond ASCII is escaped: some of it can steer a terminal. */
	json_t *value = json_stringn(text, len);

	if (!value) { /* not UTF-8 (or no memory, which the second attempt finds too) */
		mr_buffer_clear(&writing->scratch);
		mr_text_show(&writing->scratch, text, len, 0);
		MR_TRY(mr_buffer_status(&writing->scratch, err));
		value = json_stringn((const char *)writing->scratch.data, writing->scratch.len);
	}
	return put_value(writing, value, JSON_ENSURE_ASCII, err);
}

static int put_cell(struct mr_writing *writing, enum memstats_type type, const struct mr_cell *cell,
                    struct mr_error *err)
{
	struct mr_buffer *out = &writing->buffer;

	if (cell->is_null) {
		mr_buffer_append(out, "null", 4);
		return 0;
	}
	switch (type) {
	case MEMSTATS_TEXT:
		return put_text(writing, cell->text, cell->len, err);
	case MEMSTATS_PERCENT:
		return put_value(writing, json_real(cell->real), JSON_REAL_PRECISION(6), err);
	case MEMSTATS_TIME:
	case MEMSTATS_DURATION:
		mr_output_seconds(out, cell->number);
		break;
	case MEMSTATS_ADDRESS:
		mr_buffer_printf(out, "\"0x%" PRIx64 "\"", cell->number);
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
	return 0;
}

static int put_row(struct mr_writing *writing, size_t row, struct mr_error *err)
{
	const struct memstats_table *table = writing->table;

	mr_buffer_put_u8(&writing->buffer, '{');
	for (size_t column = 0; column < table->column_count; column++) {
		const struct memstats_column *info = memstats_table_column(table, column);
		struct mr_cell cell;

		mr_buffer_append(&writing->buffer, column > 0 ? ", \"" : "\"", column > 0 ? 3 : 1);
		mr_buffer_append(&writing->buffer, info->name, strlen(info->name));
		mr_buffer_append(&writing->buffer, "\": ", 3);
		mr_table_cell(table, row, column, &cell);
		MR_TRY(put_cell(writing, info->type, &cell, err));
	}
	mr_buffer_put_u8(&writing->buffer, '}');
	return 0;
}

/* ---- A document ---------------------------------------------------------- */

/* A string for one log, a list for several. */
static int put_log(struct mr_writing *writing, struct mr_error *err)
{
	const struct memstats_log *log = writing->table->log;
	const size_t count = mr_log_path_count(log);

	if (count != 1)
		mr_buffer_put_u8(&writing->buffer, '[');
	for (size_t i = 0; i < count; i++) {
		const char *path = mr_log_path(log, i);

		if (i > 0)
			mr_buffer_append(&writing->buffer, ", ", 2);
		MR_TRY(put_text(writing, path, strlen(path), err));
	}
	if (count != 1)
		mr_buffer_put_u8(&writing->buffer, ']');
	return 0;
}

static int json_begin(struct mr_writing *writing, struct mr_error *err)
{
	const struct memstats_table *table = writing->table;
	struct mr_buffer *out = &writing->buffer;

	mr_buffer_printf(out, "{\"table\": \"%s\", \"log\": ", table->type->info.name);
	MR_TRY(put_log(writing, err));
	mr_buffer_printf(out, ", \"columns\": [");
	for (size_t column = 0; column < table->column_count; column++) {
		const struct memstats_column *info = memstats_table_column(table, column);

		mr_buffer_printf(out, "%s\n  {\"name\": \"%s\", \"type\": \"%s\", \"unit\": \"%s\"}",
		                 column > 0 ? "," : "", info->name, mr_type_name(info->type),
		                 memstats_type_unit(info->type));
	}
	mr_buffer_printf(out, "\n], \"rows\": [");
	return 0;
}

static int json_row(struct mr_writing *writing, size_t row, struct mr_error *err)
{
	mr_buffer_printf(&writing->buffer, "%s\n  ", row > 0 ? "," : "");
	return put_row(writing, row, err);
}

static int json_end(struct mr_writing *writing, struct mr_error *err)
{
	(void)err;
	mr_buffer_printf(&writing->buffer, "%s]}\n", writing->table->row_count > 0 ? "\n" : "");
	return 0;
}

const struct mr_output_format mr_output_json = { json_begin, json_row, json_end };

/* ---- A row a line -------------------------------------------------------- */

static int ndjson_row(struct mr_writing *writing, size_t row, struct mr_error *err)
{
	MR_TRY(put_row(writing, row, err));
	mr_buffer_put_u8(&writing->buffer, '\n');
	return 0;
}

static int ndjson_nothing(struct mr_writing *writing, struct mr_error *err)
{
	(void)writing;
	(void)err;
	return 0;
}

const struct mr_output_format mr_output_ndjson = { ndjson_nothing, ndjson_row, ndjson_nothing };
