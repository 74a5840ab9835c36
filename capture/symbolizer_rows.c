/* SPDX-License-Identifier: MIT
 *
 * The rows of a log for places that have been looked up, see symbolizer_places.h:
 * strings that a stream does not have yet, and the symbols that use them, in blocks.
 */
#include "symbolizer_places.h"

#define ROWS_PER_BLOCK 4096u
#define STRINGS_PER_BLOCK (256u << 10) /* bytes */

/* Rows of a stream that are not handed over yet. */
struct rows {
	const struct mr_symbolizer_texts *texts;
	uint64_t *string_id_next;
	uint64_t *ids; /* by text: its id in the stream, 0: none yet */
	uint64_t columns[MR_SYMBOLS_LINE + 1][ROWS_PER_BLOCK];
	size_t count;
	uint64_t string_ids[ROWS_PER_BLOCK * 2]; /* two texts a row */
	uint64_t string_lens[ROWS_PER_BLOCK * 2];
	size_t string_count;
	struct mr_buffer strings;
	struct mr_buffer block;
	mr_places_put *put;
	void *context;
};

static int put_block(struct rows *rows, enum mr_kind kind, struct mr_block_writer *block,
                     struct mr_error *err)
{
	mr_block_end(block);
	MR_TRY(mr_buffer_status(&rows->block, err));
	const int code = rows->put(rows->context, kind, rows->block.data, rows->block.len, err);
	mr_buffer_clear(&rows->block);
	return code;
}

static int put_rows(struct rows *rows, struct mr_error *err)
{
	struct mr_block_writer block;

	if (rows->count == 0)
		return 0;
	MR_TRY(mr_buffer_status(&rows->strings, err));
	if (rows->string_count > 0) {
		mr_block_begin(&block, &rows->block, MR_KIND_STRINGS, (uint32_t)rows->string_count);
		mr_block_column(&block, MR_STRINGS_ID, rows->string_ids);
		mr_block_column(&block, MR_STRINGS_LENGTH, rows->string_lens);
		mr_block_bytes(&block, MR_STRINGS_BYTES, rows->strings.data, rows->strings.len);
		MR_TRY(put_block(rows, MR_KIND_STRINGS, &block, err));
	}
	mr_block_begin(&block, &rows->block, MR_KIND_SYMBOLS, (uint32_t)rows->count);
	for (unsigned id = MR_SYMBOLS_CODE; id <= MR_SYMBOLS_LINE; id++)
		mr_block_column(&block, id, rows->columns[id]);
	MR_TRY(put_block(rows, MR_KIND_SYMBOLS, &block, err));
	rows->count = rows->string_count = 0;
	mr_buffer_clear(&rows->strings);
	return 0;
}

/* The id of a text in the stream. */
static uint64_t string_id(struct rows *rows, uint32_t text)
{
	if (text != 0 && rows->ids[text] == 0) {
		const uint32_t len = mr_symbolizer_texts_len(rows->texts, text);

		rows->ids[text] = (*rows->string_id_next)++;
		rows->string_ids[rows->string_count] = rows->ids[text];
		rows->string_lens[rows->string_count++] = len;
		mr_buffer_append(&rows->strings, mr_symbolizer_texts_get(rows->texts, text), len);
	}
	return rows->ids[text];
}

static int add_row(struct rows *rows, uint64_t code, uint32_t depth, const struct mr_places_frame *frame,
                   struct mr_error *err)
{
	const size_t row = rows->count++;

	rows->columns[MR_SYMBOLS_CODE][row] = code;
	rows->columns[MR_SYMBOLS_DEPTH][row] = depth;
	rows->columns[MR_SYMBOLS_FUNCTION][row] = string_id(rows, frame->function);
	rows->columns[MR_SYMBOLS_FILE][row] = string_id(rows, frame->file);
	rows->columns[MR_SYMBOLS_LINE][row] = frame->line;
	if (rows->count == ROWS_PER_BLOCK || rows->strings.len >= STRINGS_PER_BLOCK)
		return put_rows(rows, err);
	return 0;
}

int mr_places_write(const struct mr_places *places, const struct mr_places_code *codes, size_t count,
                    uint64_t *string_id_next, mr_places_put *put, void *context, struct mr_error *err)
{
	struct rows *const rows = mr_alloc(sizeof(*rows));
	const struct mr_symbolizer_texts *const texts = mr_places_texts(places);
	uint64_t *const ids = mr_alloc((texts->count + 1) * sizeof(*ids));
	int code = 0;

	if (rows == NULL || ids == NULL) {
		code = mr_fail(err, MR_ERR_NOMEM, "out of memory for the names of places");
	} else {
		rows->texts = texts;
		rows->string_id_next = string_id_next;
		rows->ids = ids;
		rows->put = put;
		rows->context = context;
	}
	for (size_t i = 0; i < count && code == 0; i++) {
		size_t depths;
		const struct mr_places_frame *const frames =
			mr_places_frames(places, codes[i].place, &depths);

		for (uint32_t depth = 0; depth < depths && code == 0; depth++)
			code = add_row(rows, codes[i].code, depth, &frames[depth], err);
	}
	if (code == 0)
		code = put_rows(rows, err);
	if (rows != NULL) {
		mr_buffer_release(&rows->strings);
		mr_buffer_release(&rows->block);
	}
	mr_free(rows);
	mr_free(ids);
	return code;
}
