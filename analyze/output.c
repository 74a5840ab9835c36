/* SPDX-License-Identifier: MIT
 *
 * What the formats share: the stream behind them, and how a value reads.
 */
#include "output.h"

#include <errno.h>
#include <inttypes.h>

#define FLUSH_AT (64u << 10)

int mr_writing_flush(struct mr_writing *writing, bool all, struct mr_error *err)
{
	struct mr_buffer *buffer = &writing->buffer;

	if (!all && buffer->len < FLUSH_AT && !buffer->failed)
		return 0;
	MR_TRY(mr_buffer_status(buffer, err));
	MR_TRY(mr_buffer_status(&writing->scratch, err));
	errno = 0;
	const bool failed =
		buffer->len > 0 && fwrite(buffer->data, 1, buffer->len, writing->out) != buffer->len;

	MR_FAIL_IF(failed || (all && fflush(writing->out) != 0), err, MR_ERR_WRITE,
	           "cannot write the output: %s", strerror(errno));
	mr_buffer_clear(buffer);
	return 0;
}

size_t mr_output_characters(const void *text, size_t len)
{
	const uint8_t *bytes = text;
	size_t characters = 0;

	for (size_t i = 0; i < len; i++)
		characters += (bytes[i] & 0xc0) != 0x80;
	return characters;
}

static void pad(struct mr_buffer *out, size_t spaces)
{
	uint8_t *at = mr_buffer_reserve(out, spaces);

	if (!at)
		return;
	memset(at, ' ', spaces);
	out->len += spaces;
}

void mr_output_field(struct mr_buffer *out, const void *text, size_t len, size_t width, bool right)
{
	const size_t characters = mr_output_characters(text, len);
	const size_t spaces = characters < width ? width - characters : 0;

	if (right && spaces > 0)
		pad(out, spaces);
	mr_buffer_append(out, text, len);
	if (!right && spaces > 0)
		pad(out, spaces);
}

void mr_output_name(struct mr_buffer *out, const char *text, size_t max, bool from_left)
{
	const size_t start = out->len;

	mr_text_show(out, text, strlen(text), from_left ? 0 : max);
	if (!from_left || out->failed)
		return;
	size_t characters = mr_output_characters(out->data + start, out->len - start);
	size_t skip = start;

	if (characters <= max)
		return;
	for (; characters > max - 3; characters--)
		do
			skip++;
		while (skip < out->len && (out->data[skip] & 0xc0) == 0x80);
	memmove(out->data + start + 3, out->data + skip, out->len - skip);
	memcpy(out->data + start, "...", 3);
	out->len -= skip - start - 3;
}

void mr_output_name_of(struct mr_buffer *out, bool python, const char *text, size_t max, bool from_left)
{
	struct mr_buffer line = { NULL, 0, 0, false };

	if (!python || !strchr(text, '\n')) {
		mr_output_name(out, text, max, from_left);
		return;
	}
	mr_buffer_append(&line, text, strlen(text) + 1);
	for (char *at = (char *)line.data; !line.failed && (at = strchr(at, '\n')) != NULL;)
		*at = '|';
	out->failed = out->failed || line.failed;
	if (!line.failed)
		mr_output_name(out, (const char *)line.data, max, from_left);
	mr_buffer_release(&line);
}

/* Writes the digits of NUMBER so that they end before END; where they begin. */
static char *digits_before(char *end, uint64_t number)
{
	do
		*--end = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	return end;
}

void mr_output_number(struct mr_buffer *out, uint64_t number)
{
	char digits[20];
	const char *first = digits_before(digits + sizeof(digits), number);

	mr_buffer_append(out, first, (size_t)(digits + sizeof(digits) - first));
}

void mr_output_change(struct mr_buffer *out, int64_t change)
{
	if (change < 0)
		mr_buffer_put_u8(out, '-');
	mr_output_number(out, change < 0 ? ~(uint64_t)change + 1 : (uint64_t)change);
}

void mr_output_clock(struct mr_buffer *out, uint64_t time_ns)
{
	const uint64_t milliseconds = time_ns / 1000000;
	const uint64_t seconds = milliseconds / 1000;

	mr_buffer_printf(out, "%02" PRIu64 ":%02u:%02u.%03u", seconds / 3600, (unsigned)(seconds / 60 % 60),
	                 (unsigned)(seconds % 60), (unsigned)(milliseconds % 1000));
}

void mr_output_seconds(struct mr_buffer *out, uint64_t time_ns)
{
	/* A one before the nine digits of the fraction keeps their zeros; the point takes its place. */
	char fraction[10];
	size_t len = sizeof(fraction);

	digits_before(fraction + sizeof(fraction), UINT64_C(1000000000) + time_ns % 1000000000);
	fraction[0] = '.';
	while (len > 2 && fraction[len - 1] == '0')
		len--;
	mr_output_number(out, time_ns / 1000000000);
	mr_buffer_append(out, fraction, len);
}

static void show_bytes(struct mr_buffer *out, uint64_t size_bytes, bool exact)
{
	char text[32];

	if (exact) {
		mr_output_number(out, size_bytes);
		return;
	}
	mr_text_bytes_short(text, size_bytes);
	mr_buffer_append(out, text, strlen(text));
}

static void show_change(struct mr_buffer *out, int64_t change, bool bytes, bool exact)
{
	const uint64_t size = change < 0 ? ~(uint64_t)change + 1 : (uint64_t)change;

	if (change != 0)
		mr_buffer_put_u8(out, change < 0 ? '-' : '+');
	show_bytes(out, size, exact || !bytes);
}

void mr_writing_show(struct mr_writing *writing, enum memstats_type type, const struct mr_cell *cell,
                     size_t text_max)
{
	struct mr_buffer *out = &writing->scratch;
	const bool exact = (writing->flags & MEMSTATS_EXACT_BYTES) != 0;
	char text[32];

	mr_buffer_clear(out);
	if (cell->is_null) {
		mr_buffer_put_u8(out, '-');
		return;
	}
	switch (type) {
	case MEMSTATS_TEXT:
		mr_text_show(out, cell->text, cell->len, text_max);
		return;
	case MEMSTATS_COUNT:
	case MEMSTATS_ID:
		mr_output_number(out, cell->number);
		return;
	case MEMSTATS_BYTES:
		show_bytes(out, cell->number, exact);
		return;
	case MEMSTATS_TIME:
		mr_output_clock(out, cell->number);
		return;
	case MEMSTATS_DURATION:
		mr_text_duration(text, cell->number);
		break;
	case MEMSTATS_ADDRESS:
		mr_buffer_printf(out, "0x%08" PRIx64, cell->number);
		return;
	case MEMSTATS_PERCENT:
		mr_buffer_printf(out, "%.1f%%", cell->real);
		return;
	case MEMSTATS_COUNT_CHANGE:
		show_change(out, cell->change, false, exact);
		return;
	case MEMSTATS_BYTES_CHANGE:
		show_change(out, cell->change, true, exact);
		return;
	}
	mr_buffer_append(out, text, strlen(text));
}

void mr_output_bytes(struct mr_writing *writing, uint64_t size_bytes, size_t width)
{
	char text[32];

	if (writing->flags & MEMSTATS_EXACT_BYTES)
		snprintf(text, sizeof(text), "%" PRIu64, size_bytes);
	else
		mr_text_bytes_short(text, size_bytes);
	mr_buffer_printf(&writing->buffer, "%*s", (int)width, text);
}

void mr_output_rule(struct mr_buffer *out, size_t start, size_t width)
{
	if (out->failed)
		return;

	size_t at = mr_output_characters(out->data + start, out->len - start);
	for (const size_t title = at; at < width; at++)
		mr_buffer_put_u8(out, at == title && title > 0 ? ' ' : '-');
	mr_buffer_put_u8(out, '\n');
}

void mr_output_run(struct mr_writing *writing, const struct mr_model *model, size_t run)
{
	mr_buffer_printf(&writing->buffer, "==== run %zu: ", run + 1);
	mr_output_name(&writing->buffer, mr_run_name(model, &model->runs[run]), 40, false);
	mr_buffer_printf(&writing->buffer, ", pid %" PRIu64 "\n", model->runs[run].pid);
}

void mr_output_more(struct mr_writing *writing)
{
	const size_t count = writing->table->limited_count;

	if (count > 0)
		mr_buffer_printf(&writing->buffer, "(%zu more %s)\n", count, count == 1 ? "row" : "rows");
}

/* ---- Writing ------------------------------------------------------------- */

static const struct mr_output_format *const formats[] = {
	[MEMSTATS_FORMAT_TEXT] = &mr_output_text,         [MEMSTATS_FORMAT_JSON] = &mr_output_json,
	[MEMSTATS_FORMAT_NDJSON] = &mr_output_ndjson,     [MEMSTATS_FORMAT_CSV] = &mr_output_csv,
	[MEMSTATS_FORMAT_MARKDOWN] = &mr_output_markdown,
};

static int write_rows(struct mr_writing *writing, const struct mr_output_format *format, struct mr_error *err)
{
	MR_TRY(mr_table_finish(writing->table, err));
	MR_TRY(format->begin(writing, err));
	for (size_t row = 0; row < writing->table->row_count; row++) {
		MR_TRY(format->row(writing, row, err));
		MR_TRY(mr_writing_flush(writing, false, err));
	}
	return format->end(writing, err);
}

int mr_writing_plain(struct mr_writing *writing, struct mr_error *err)
{
	return write_rows(writing, &mr_output_text, err);
}

int memstats_table_write(struct memstats_table *table, enum memstats_format format, unsigned flags, FILE *out,
                         struct memstats_error *error)
{
	struct mr_error *err = mr_table_error(error);
	struct mr_writing writing = { .table = table, .flags = flags, .out = out };
	int code = 0;

	MR_FAIL_IF((unsigned)format >= MR_ARRAY_LEN(formats), err, MR_ERR_ARG, "there is no format %d",
	           (int)format);
	if (format == MEMSTATS_FORMAT_TEXT && table->type->write_text && !table->columns_chosen)
		code = table->type->write_text(&writing, err);
	else
		code = write_rows(&writing, formats[format], err);
	if (code == 0)
		code = mr_writing_flush(&writing, true, err);
	mr_buffer_release(&writing.buffer);
	mr_buffer_release(&writing.scratch);
	return code;
}
