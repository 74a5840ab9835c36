/* SPDX-License-Identifier: MIT
 *
 * The values of a column, a chunk of rows at a time, so that a block of a
 * million rows takes no memory of its own and its columns meet in the
 * processor's cache.  mr_block_decode() gives the same values all at once.
 */
#include "log_reader.h"

#include <endian.h>

int mr_cursor_open(struct mr_cursor *cursor, const struct mr_block *block, unsigned id, struct mr_error *err)
{
	const struct mr_column *const column = &block->columns[id];

	*cursor = (struct mr_cursor){ .rows_left = block->rows, .id = (uint8_t)id };
	if (column->data == NULL) { /* one run of zeros */
		cursor->encoding = MR_ENCODING_RUNS;
		cursor->run_left = block->rows;
		return 0;
	}
	MR_FAIL_IF(column->encoding > MR_ENCODING_DELTA_RUNS, err, MR_ERR_FORMAT,
	           "column %u of a block of kind %u has the unknown encoding %u", id, block->kind,
	           column->encoding);
	cursor->in = column->data;
	cursor->end = column->data + column->len;
	cursor->encoding = column->encoding;
	return 0;
}

/* Most varints take one or two bytes.  NULL when there is no whole one. */
static inline const uint8_t *take(const uint8_t *in, const uint8_t *end, uint64_t *value)
{
	if (MR_LIKELY(end - in >= 2)) {
		if (in[0] < 0x80) {
			*value = in[0];
			return in + 1;
		}
		if (in[1] < 0x80) {
			*value = (uint64_t)(in[0] & 0x7f) | (uint64_t)in[1] << 7;
			return in + 2;
		}
	}

	const size_t len = mr_get_uvarint(in, end, value);
	return len != 0 ? in + len : NULL;
}

static const uint8_t *take_all(const uint8_t *in, const uint8_t *end, uint64_t *out, uint32_t count)
{
	uint32_t i = 0;

	/* Neighbours mostly have one length: four varints of two bytes, or eight of one, at once. */
	while (end - in >= 8 && count - i >= 8) {
		uint64_t word;

		memcpy(&word, in, sizeof(word));
		word = le64toh(word);
		const uint64_t more = word & UINT64_C(0x8080808080808080);
		if (MR_LIKELY(more == UINT64_C(0x0080008000800080))) {
			const uint64_t values = (word & UINT64_C(0x007f007f007f007f)) |
			                        (word >> 1 & UINT64_C(0x3f803f803f803f80));

			for (unsigned k = 0; k < 4; k++)
				out[i + k] = values >> 16 * k & 0xffff;
			in += 8;
			i += 4;
		} else if (more == 0) {
			for (unsigned k = 0; k < 8; k++)
				out[i + k] = word >> 8 * k & 0x7f;
			in += 8;
			i += 8;
		} else {
			for (const uint32_t stop = i + 4; i < stop; i++) {
				in = take(in, end, &out[i]);
				if (in == NULL)
					return NULL;
			}
		}
	}
	for (; i < count && in != NULL; i++)
		in = take(in, end, &out[i]);
	return in;
}

static const uint8_t *read_plain(struct mr_cursor *cursor, uint64_t *out, uint32_t count)
{
	return take_all(cursor->in, cursor->end, out, count);
}

static const uint8_t *read_delta(struct mr_cursor *cursor, uint64_t *out, uint32_t count)
{
	const uint8_t *const in = take_all(cursor->in, cursor->end, out, count);
	uint64_t value = cursor->value;

	if (in == NULL)
		return NULL;
	for (uint32_t i = 0; i < count; i++) {
		value += (uint64_t)mr_unzigzag(out[i]);
		out[i] = value;
	}
	cursor->value = value;
	return in;
}

/* Begins the next run of CURSOR, of which at most MOST values are left; false when there is no whole one. */
static bool begin_run(struct mr_cursor *cursor, const uint8_t **in, uint32_t most)
{
	uint64_t value, times;

	*in = take(*in, cursor->end, &value);
	if (*in != NULL)
		*in = take(*in, cursor->end, &times);
	if (*in == NULL || times == 0 || times > most)
		return false;
	cursor->run_left = (uint32_t)times;
	if (cursor->encoding == MR_ENCODING_DELTA_RUNS)
		cursor->step = (uint64_t)mr_unzigzag(value);
	else
		cursor->value = value; /* and a step of 0 */
	return true;
}

static const uint8_t *read_runs(struct mr_cursor *cursor, uint64_t *out, uint32_t count)
{
	const uint8_t *in = cursor->in;

	for (uint32_t i = 0; i < count;) {
		if (cursor->run_left == 0 && !begin_run(cursor, &in, cursor->rows_left - i))
			return NULL;

		const uint32_t stop = cursor->run_left < count - i ? i + cursor->run_left : count;
		uint64_t value = cursor->value;
		const uint64_t step = cursor->step;
		cursor->run_left -= stop - i;
		for (; i < stop; i++) {
			value += step; /* 0 in a run of values */
			out[i] = value;
		}
		cursor->value = value;
	}
	return in;
}

int mr_cursor_read(struct mr_cursor *cursor, uint64_t *out, uint32_t count, struct mr_error *err)
{
	const uint8_t *in = NULL;

	if (count <= cursor->rows_left) {
		switch (cursor->encoding) {
		case MR_ENCODING_PLAIN:
			in = read_plain(cursor, out, count);
			break;
		case MR_ENCODING_DELTA:
			in = read_delta(cursor, out, count);
			break;
		case MR_ENCODING_RUNS:
		case MR_ENCODING_DELTA_RUNS:
			in = read_runs(cursor, out, count);
			break;
		}
		/* An absent column has no bytes: both pointers are NULL, and that is right. */
		if (cursor->end == NULL) {
			cursor->rows_left -= count;
			return 0;
		}
	}
	cursor->rows_left -= count <= cursor->rows_left ? count : cursor->rows_left;
	MR_FAIL_IF(in == NULL || (cursor->rows_left == 0 && in != cursor->end), err, MR_ERR_FORMAT,
	           "column %u does not hold as many values as its block has rows", cursor->id);
	cursor->in = in;
	return 0;
}

int mr_cursor_line(struct mr_cursor *cursor, uint64_t *first, uint64_t *step, struct mr_error *err)
{
	if (cursor->encoding != MR_ENCODING_RUNS && cursor->encoding != MR_ENCODING_DELTA_RUNS)
		return 0;
	const uint8_t *in = cursor->in;
	MR_FAIL_IF(cursor->rows_left > 0 && cursor->run_left == 0 &&
	                   !begin_run(cursor, &in, cursor->rows_left),
	           err, MR_ERR_FORMAT, "column %u does not hold as many values as its block has rows",
	           cursor->id);
	cursor->in = in;
	*first = cursor->value + cursor->step;
	*step = cursor->step;
	return (int)(cursor->run_left < cursor->rows_left ? cursor->run_left : cursor->rows_left);
}

int mr_cursor_pass(struct mr_cursor *cursor, uint32_t count, struct mr_error *err)
{
	MR_FAIL_IF(count > cursor->run_left || count > cursor->rows_left ||
	                   (count == cursor->rows_left && cursor->in != cursor->end),
	           err, MR_ERR_FORMAT, "column %u does not hold as many values as its block has rows",
	           cursor->id);
	cursor->value += cursor->step * count;
	cursor->run_left -= count;
	cursor->rows_left -= count;
	return 0;
}

/* Bytes of [IN, END) that COUNT varints take, or NULL behind the last one that is there. */
static const uint8_t *skip_uvarints(const uint8_t *in, const uint8_t *end, uint32_t count)
{
	/* Eight bytes at a time: a varint ends where the top bit is not set. */
	while (count >= 8 && end - in >= 8) {
		uint64_t word;

		memcpy(&word, in, sizeof(word));
		count -= (uint32_t)__builtin_popcountll(~word & UINT64_C(0x8080808080808080));
		in += 8;
	}
	while (count > 0) {
		if (in == end)
			return NULL;
		count -= (*in++ & 0x80) == 0;
	}
	return in;
}

int mr_cursor_skip(struct mr_cursor *cursor, uint32_t count, struct mr_error *err)
{
	uint64_t values[MR_CHUNK];

	if (cursor->encoding != MR_ENCODING_PLAIN) { /* a difference must be added, a run is quick */
		while (count > 0) {
			const uint32_t some = count < MR_CHUNK ? count : MR_CHUNK;

			MR_TRY(mr_cursor_read(cursor, values, some, err));
			count -= some;
		}
		return 0;
	}
	const uint8_t *const in =
		count <= cursor->rows_left ? skip_uvarints(cursor->in, cursor->end, count) : NULL;
	MR_FAIL_IF(in == NULL || (cursor->rows_left == count && in != cursor->end), err, MR_ERR_FORMAT,
	           "column %u does not hold as many values as its block has rows", cursor->id);
	cursor->rows_left -= count;
	cursor->in = in;
	return 0;
}

int mr_rows_open(struct mr_rows *rows, const struct mr_block *block, unsigned columns, struct mr_error *err)
{
	rows->columns = columns;
	rows->left = block->rows;
	for (unsigned id = 1; id <= columns; id++)
		MR_TRY(mr_cursor_open(&rows->cursors[id], block, id, err));
	return 0;
}

int mr_rows_start(struct mr_rows *rows, unsigned first_columns, struct mr_error *err)
{
	const uint32_t count = rows->left < MR_CHUNK ? rows->left : MR_CHUNK;

	for (unsigned id = 1; id <= first_columns && count > 0; id++)
		MR_TRY(mr_cursor_read(&rows->cursors[id], rows->values[id], count, err));
	rows->left -= count;
	return (int)count;
}

int mr_rows_rest(struct mr_rows *rows, unsigned first_columns, int count, bool wanted, struct mr_error *err)
{
	for (unsigned id = first_columns + 1; id <= rows->columns; id++) {
		if (wanted)
			MR_TRY(mr_cursor_read(&rows->cursors[id], rows->values[id], (uint32_t)count, err));
		else
			MR_TRY(mr_cursor_skip(&rows->cursors[id], (uint32_t)count, err));
	}
	return 0;
}

int mr_rows_next(struct mr_rows *rows, struct mr_error *err)
{
	return mr_rows_start(rows, rows->columns, err);
}
