/* SPDX-License-Identifier: MIT
 *
 * The log format as functions: blocks of columns out and in, the header, the
 * index and the seek table.  FORMAT.md describes the same bytes.  Nothing here
 * knows files or zstd; what comes in is distrusted to the last length.
 */
#include "log_format.h"

/* The index keeps kinds as bits of a 64-bit word. */
#define KIND_ASSERT(name, value, group) _Static_assert((value) > 0 && (value) < 64, "kind " #name);
MR_KINDS(KIND_ASSERT)
#undef KIND_ASSERT

static const struct {
	const char *name;
	enum mr_group group;
} kinds[64] = {
#define KIND_ROW(kind, value, kind_group) [value] = { #kind, MR_GROUP_##kind_group },
	MR_KINDS(KIND_ROW)
#undef KIND_ROW
};

enum mr_group mr_kind_group(unsigned kind)
{
	return mr_kind_name(kind) != NULL ? kinds[kind].group : MR_GROUP_COUNT;
}

const char *mr_kind_name(unsigned kind)
{
	return kind < MR_ARRAY_LEN(kinds) ? kinds[kind].name : NULL;
}

/* ---- Writing ------------------------------------------------------------- */

static size_t uvarint_len(uint64_t value)
{
	/* Seven bits a byte: bits / 7 rounded up, as a multiplication that is exact for 1..64. */
	const unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);

	return (bits * 37 + 219) >> 8;
}

/* Bytes that rows would take in each encoding. */
struct column_costs {
	uint64_t plain;
	uint64_t delta;
	uint64_t runs;
	uint64_t delta_runs;
};

/* Adds what VALUES[FIRST..END) cost. */
static void column_measure(struct column_costs *costs, const uint64_t *values, uint32_t first, uint32_t end)
{
	uint64_t previous = first > 0 ? values[first - 1] : 0;
	uint64_t step_previous = 0;
	uint64_t run = 0;      /* rows in the run of equal values under way */
	uint64_t step_run = 0; /* rows in the run of equal steps under way */

	for (uint32_t row = first; row < end; row++) {
		const uint64_t value = values[row];
		const uint64_t step = mr_zigzag((int64_t)(value - previous));
		const size_t value_len = uvarint_len(value);
		const size_t step_len = uvarint_len(step);

		costs->plain += value_len;
		costs->delta += step_len;
		if (row == first || value != previous) {
			costs->runs += value_len + (run != 0 ? uvarint_len(run) : 0);
			run = 0;
		}
		if (row == first || step != step_previous) {
			costs->delta_runs += step_len + (step_run != 0 ? uvarint_len(step_run) : 0);
			step_run = 0;
		}
		run++;
		step_run++;
		previous = value;
		step_previous = step;
	}
	costs->runs += uvarint_len(run);
	costs->delta_runs += uvarint_len(step_run);
}

/* Rows in a row that stand for the rest of a long column. */
#define SAMPLE_ROWS 256u

/* The encoding that is likely to be the smallest: certainly for short columns;
 * long ones are judged by three stretches, because measuring every row would
 * cost the writer as much as encoding it. */
static enum mr_encoding column_choose(const uint64_t *values, uint32_t rows)
{
	struct column_costs costs = { 0 };

	if (rows <= 4 * SAMPLE_ROWS) {
		column_measure(&costs, values, 0, rows);
	} else {
		column_measure(&costs, values, 0, SAMPLE_ROWS);
		column_measure(&costs, values, rows / 2, rows / 2 + SAMPLE_ROWS);
		column_measure(&costs, values, rows - SAMPLE_ROWS, rows);
	}

	enum mr_encoding encoding = MR_ENCODING_PLAIN;
	uint64_t len = costs.plain;
	if (costs.delta < len) {
		encoding = MR_ENCODING_DELTA;
		len = costs.delta;
	}
	if (costs.runs < len) {
		encoding = MR_ENCODING_RUNS;
		len = costs.runs;
	}
	if (costs.delta_runs < len)
		encoding = MR_ENCODING_DELTA_RUNS;
	return encoding;
}

static bool is_zero(const uint64_t *values, uint32_t rows)
{
	uint64_t any = 0;

	for (uint32_t row = 0; row < rows; row++)
		any |= values[row];
	return any == 0;
}

/* Short numbers first: most are of one or two bytes. */
static inline uint8_t *put_uvarint(uint8_t *out, uint64_t value)
{
	if (MR_LIKELY(value < 0x80)) {
		out[0] = (uint8_t)value;
		return out + 1;
	}
	if (MR_LIKELY(value < 0x4000)) {
		out[0] = (uint8_t)(value | 0x80);
		out[1] = (uint8_t)(value >> 7);
		return out + 2;
	}
	return out + mr_put_uvarint(out, value);
}

static uint8_t *encode_plain(uint8_t *out, const uint64_t *values, uint32_t rows)
{
	for (uint32_t row = 0; row < rows; row++)
		out = put_uvarint(out, values[row]);
	return out;
}

static uint8_t *encode_delta(uint8_t *out, const uint64_t *values, uint32_t rows)
{
	uint64_t previous = 0;

	for (uint32_t row = 0; row < rows; row++) {
		out = put_uvarint(out, mr_zigzag((int64_t)(values[row] - previous)));
		previous = values[row];
	}
	return out;
}

static uint8_t *encode_runs(uint8_t *out, const uint64_t *values, uint32_t rows)
{
	for (uint32_t row = 0; row < rows;) {
		uint32_t end = row + 1;

		while (end < rows && values[end] == values[row])
			end++;
		out = put_uvarint(out, values[row]);
		out = put_uvarint(out, end - row);
		row = end;
	}
	return out;
}

static uint8_t *encode_delta_runs(uint8_t *out, const uint64_t *values, uint32_t rows)
{
	uint64_t previous = 0;

	for (uint32_t row = 0; row < rows;) {
		const uint64_t step = values[row] - previous;
		uint32_t end = row + 1;

		while (end < rows && values[end] - values[end - 1] == step)
			end++;
		out = put_uvarint(out, mr_zigzag((int64_t)step));
		out = put_uvarint(out, end - row);
		previous = values[end - 1];
		row = end;
	}
	return out;
}

void mr_block_begin(struct mr_block_writer *block, struct mr_buffer *out, enum mr_kind kind, uint32_t rows)
{
	uint8_t *const header = mr_buffer_reserve(out, MR_BLOCK_HEADER_SIZE);

	*block = (struct mr_block_writer){ .out = out, .start = out->len, .rows = rows };
	if (header == NULL)
		return;
	memset(header, 0, MR_BLOCK_HEADER_SIZE);
	header[0] = (uint8_t)kind;
	mr_put_u32le(header + 4, rows);
	out->len += MR_BLOCK_HEADER_SIZE;
}

/* Room for a column's header and at most LEN_MAX bytes behind it; gives where
 * these go, or NULL. */
static uint8_t *column_begin(struct mr_block_writer *block, uint64_t len_max)
{
	if (len_max > UINT32_MAX) {
		block->out->failed = true;
		return NULL;
	}

	uint8_t *const header = mr_buffer_reserve(block->out, MR_COLUMN_HEADER_SIZE + (size_t)len_max);
	return header != NULL ? header + MR_COLUMN_HEADER_SIZE : NULL;
}

/* Writes the header in front of the LEN bytes that were put there. */
static void column_end(struct mr_block_writer *block, unsigned id, enum mr_encoding encoding, size_t len)
{
	uint8_t *const header = block->out->data + block->out->len;

	header[0] = (uint8_t)id;
	header[1] = (uint8_t)encoding;
	mr_put_u32le(header + 2, (uint32_t)len);
	block->out->len += MR_COLUMN_HEADER_SIZE + len;
	block->columns++;
}

/* What a row takes at most: a varint, and in the encodings of runs a length of
 * one byte; longer lengths are those of more rows. */
#define ROW_SIZE_MAX (MR_UVARINT_MAX + 1)

void mr_block_column_as(struct mr_block_writer *block, unsigned id, enum mr_encoding encoding,
                        const uint64_t *values)
{
	static uint8_t *(*const encoders[])(uint8_t *, const uint64_t *, uint32_t) = {
		[MR_ENCODING_PLAIN] = encode_plain,
		[MR_ENCODING_DELTA] = encode_delta,
		[MR_ENCODING_RUNS] = encode_runs,
		[MR_ENCODING_DELTA_RUNS] = encode_delta_runs,
	};

	if (is_zero(values, block->rows))
		return;

	uint8_t *const out = column_begin(block, (uint64_t)block->rows * ROW_SIZE_MAX);
	if (out != NULL)
		column_end(block, id, encoding, (size_t)(encoders[encoding](out, values, block->rows) - out));
}

void mr_block_column(struct mr_block_writer *block, unsigned id, const uint64_t *values)
{
	mr_block_column_as(block, id, column_choose(values, block->rows), values);
}

void mr_block_scalar(struct mr_block_writer *block, unsigned id, uint64_t value)
{
	if (value == 0)
		return;

	uint8_t *const out = column_begin(block, MR_UVARINT_MAX);
	if (out != NULL)
		column_end(block, id, MR_ENCODING_PLAIN, mr_put_uvarint(out, value));
}

void mr_block_bytes(struct mr_block_writer *block, unsigned id, const void *data, size_t len)
{
	uint8_t *const out = column_begin(block, len);

	if (out == NULL)
		return;
	if (len != 0)
		memcpy(out, data, len);
	column_end(block, id, MR_ENCODING_BYTES, len);
}

void mr_block_end(struct mr_block_writer *block)
{
	struct mr_buffer *const out = block->out;

	if (out->failed)
		return;

	const size_t len = out->len - block->start - MR_BLOCK_HEADER_SIZE;
	if (len > UINT32_MAX) {
		out->failed = true;
		return;
	}
	out->data[block->start + 1] = block->columns;
	mr_put_u32le(out->data + block->start + 8, (uint32_t)len);
}

/* ---- Reading ------------------------------------------------------------- */

int mr_block_parse(const uint8_t *content, size_t len, size_t *offset, struct mr_block *block,
                   struct mr_error *err)
{
	const size_t start = *offset;

	MR_FAIL_IF(start > len || len - start < MR_BLOCK_HEADER_SIZE, err, MR_ERR_FORMAT,
	           "a block's header does not lie within its frame");

	const uint8_t *const header = content + start;
	const unsigned column_count = header[1];
	const uint32_t block_len = mr_get_u32le(header + 8);
	size_t at = start + MR_BLOCK_HEADER_SIZE;

	MR_FAIL_IF(mr_get_u16le(header + 2) != 0, err, MR_ERR_FORMAT,
	           "a block's reserved bytes are not zero");
	MR_FAIL_IF(block_len > len - at, err, MR_ERR_FORMAT,
	           "a block of %u bytes does not lie within its frame", block_len);

	const size_t end = at + block_len;
	struct mr_block parsed = { .kind = header[0], .rows = mr_get_u32le(header + 4) };
	MR_FAIL_IF(parsed.rows > MR_LOG_ROWS_MAX, err, MR_ERR_LIMIT, "a block claims %u rows, %u are allowed",
	           parsed.rows, MR_LOG_ROWS_MAX);

	for (unsigned i = 0; i < column_count; i++) {
		MR_FAIL_IF(end - at < MR_COLUMN_HEADER_SIZE, err, MR_ERR_FORMAT,
		           "a column's header does not lie within its block");

		const unsigned id = content[at];
		const uint8_t encoding = content[at + 1];
		const uint32_t column_len = mr_get_u32le(content + at + 2);

		at += MR_COLUMN_HEADER_SIZE;
		MR_FAIL_IF(column_len > end - at, err, MR_ERR_FORMAT,
		           "a column of %u bytes does not lie within its block", column_len);
		if (id <= MR_BLOCK_COLUMNS_MAX)
			parsed.columns[id] = (struct mr_column){ content + at, column_len, encoding };
		at += column_len;
	}
	MR_FAIL_IF(at != end, err, MR_ERR_FORMAT, "a block has %zu bytes behind its columns", end - at);

	*block = parsed;
	*offset = end;
	return 0;
}

/* Reads one varint, short ones first: most are of one or two bytes.  NULL when there is none. */
static inline const uint8_t *take_uvarint(const uint8_t *in, const uint8_t *end, uint64_t *value)
{
	if (MR_LIKELY(in < end && in[0] < 0x80)) {
		*value = in[0];
		return in + 1;
	}
	if (MR_LIKELY(end - in >= 2 && in[1] < 0x80)) {
		*value = (uint64_t)(in[0] & 0x7f) | (uint64_t)in[1] << 7;
		return in + 2;
	}

	const size_t len = mr_get_uvarint(in, end, value);
	return len != 0 ? in + len : NULL;
}

/* The decoders fill OUT[0..rows) and give the byte behind the last one that
 * they used, or NULL when the bytes do not hold that. */

static const uint8_t *decode_plain(const uint8_t *in, const uint8_t *end, uint64_t *out, uint32_t rows)
{
	for (uint32_t row = 0; row < rows && in != NULL; row++)
		in = take_uvarint(in, end, &out[row]);
	return in;
}

static const uint8_t *decode_delta(const uint8_t *in, const uint8_t *end, uint64_t *out, uint32_t rows)
{
	uint64_t value = 0;

	for (uint32_t row = 0; row < rows; row++) {
		uint64_t step;

		in = take_uvarint(in, end, &step);
		if (in == NULL)
			return NULL;
		value += (uint64_t)mr_unzigzag(step);
		out[row] = value;
	}
	return in;
}

static const uint8_t *decode_runs(const uint8_t *in, const uint8_t *end, uint64_t *out, uint32_t rows)
{
	for (uint32_t row = 0; row < rows;) {
		uint64_t value, times;

		in = take_uvarint(in, end, &value);
		if (in != NULL)
			in = take_uvarint(in, end, &times);
		if (in == NULL || times == 0 || times > rows - row)
			return NULL;
		for (const uint32_t stop = row + (uint32_t)times; row < stop; row++)
			out[row] = value;
	}
	return in;
}

static const uint8_t *decode_delta_runs(const uint8_t *in, const uint8_t *end, uint64_t *out, uint32_t rows)
{
	uint64_t value = 0;

	for (uint32_t row = 0; row < rows;) {
		uint64_t step, times;

		in = take_uvarint(in, end, &step);
		if (in != NULL)
			in = take_uvarint(in, end, &times);
		if (in == NULL || times == 0 || times > rows - row)
			return NULL;
		for (const uint32_t stop = row + (uint32_t)times; row < stop; row++) {
			value += (uint64_t)mr_unzigzag(step);
			out[row] = value;
		}
	}
	return in;
}

static const struct mr_column *column_of(const struct mr_block *block, unsigned id)
{
	return &block->columns[id <= MR_BLOCK_COLUMNS_MAX ? id : 0];
}

int mr_block_decode(const struct mr_block *block, unsigned id, uint64_t *out, struct mr_error *err)
{
	static const uint8_t *(*const decoders[])(const uint8_t *, const uint8_t *, uint64_t *, uint32_t) = {
		[MR_ENCODING_PLAIN] = decode_plain,
		[MR_ENCODING_DELTA] = decode_delta,
		[MR_ENCODING_RUNS] = decode_runs,
		[MR_ENCODING_DELTA_RUNS] = decode_delta_runs,
	};
	const struct mr_column *const column = column_of(block, id);

	if (column->data == NULL) {
		memset(out, 0, (size_t)block->rows * sizeof(*out));
		return 0;
	}
	MR_FAIL_IF(column->encoding >= MR_ARRAY_LEN(decoders), err, MR_ERR_FORMAT,
	           "column %u of a block of kind %u has the unknown encoding %u", id, block->kind,
	           column->encoding);

	const uint8_t *const end = column->data + column->len;
	const uint8_t *const used = decoders[column->encoding](column->data, end, out, block->rows);
	MR_FAIL_IF(used != end, err, MR_ERR_FORMAT, "column %u of a block of kind %u does not hold %u rows",
	           id, block->kind, block->rows);
	return 0;
}

int mr_block_value(const struct mr_block *block, unsigned id, uint64_t *out, struct mr_error *err)
{
	MR_FAIL_IF(block->rows != 1, err, MR_ERR_FORMAT, "a block of kind %u has %u rows instead of one",
	           block->kind, block->rows);
	return mr_block_decode(block, id, out, err);
}

/* ---- Segments ------------------------------------------------------------ */

void mr_log_header_encode(const struct mr_log_header *header, uint8_t out[MR_LOG_HEADER_SIZE])
{
	memset(out, 0, MR_LOG_HEADER_SIZE);
	mr_put_u32le(out, MR_LOG_SKIPPABLE_MAGIC);
	mr_put_u32le(out + 4, MR_LOG_HEADER_SIZE - 8);
	memcpy(out + 8, MR_LOG_MAGIC, MR_LOG_MAGIC_LEN);
	mr_put_u16le(out + 16, header->version_major);
	mr_put_u16le(out + 18, header->version_minor);
	mr_put_u32le(out + 20, header->features);
	mr_put_u64le(out + 24, header->boot_id[0]);
	mr_put_u64le(out + 32, header->boot_id[1]);
	mr_put_u64le(out + 40, header->start_ticks);
	mr_put_u32le(out + 48, header->pid);
	/* Seconds are enough here; the streams carry the exact clock. */
	mr_put_u32le(out + 52, (uint32_t)(header->clock_realtime_ns / 1000000000u));
}

int mr_log_header_decode(const uint8_t *in, size_t len, struct mr_log_header *header, struct mr_error *err)
{
	MR_FAIL_IF(len < 16 || mr_get_u32le(in) != MR_LOG_SKIPPABLE_MAGIC ||
	                   memcmp(in + 8, MR_LOG_MAGIC, MR_LOG_MAGIC_LEN) != 0,
	           err, MR_ERR_FORMAT, "not a log: it does not begin with a log's header");
	MR_FAIL_IF(len < MR_LOG_HEADER_SIZE || mr_get_u32le(in + 4) < MR_LOG_HEADER_SIZE - 8, err,
	           MR_ERR_FORMAT, "the log is cut off within its header");

	const struct mr_log_header decoded = {
		.version_major = mr_get_u16le(in + 16),
		.version_minor = mr_get_u16le(in + 18),
		.features = mr_get_u32le(in + 20),
		.boot_id = { mr_get_u64le(in + 24), mr_get_u64le(in + 32) },
		.start_ticks = mr_get_u64le(in + 40),
		.pid = mr_get_u32le(in + 48),
		.clock_realtime_ns = (uint64_t)mr_get_u32le(in + 52) * 1000000000u,
	};
	MR_FAIL_IF(decoded.version_major != MR_LOG_VERSION_MAJOR, err, MR_ERR_VERSION,
	           "the log is of format version %u.%u, this program reads up to %u.%u: use a newer one",
	           decoded.version_major, decoded.version_minor, MR_LOG_VERSION_MAJOR, MR_LOG_VERSION_MINOR);
	MR_FAIL_IF(
		decoded.features != 0, err, MR_ERR_VERSION,
		"the log (format version %u.%u) uses features 0x%x that this program (%u.%u) does not know: "
		"use a newer one",
		decoded.version_major, decoded.version_minor, decoded.features, MR_LOG_VERSION_MAJOR,
		MR_LOG_VERSION_MINOR);
	*header = decoded;
	return 0;
}

/* Rows that an INDEX block takes at most: keeps blocks small and the column on the stack. */
#define INDEX_ROWS 512

void mr_index_encode(struct mr_buffer *out, const struct mr_index_entry *entries, size_t count)
{
	static const struct {
		unsigned id;
		size_t offset;
	} columns[] = {
		{ MR_INDEX_OFFSET, offsetof(struct mr_index_entry, offset) },
		{ MR_INDEX_SIZE, offsetof(struct mr_index_entry, size) },
		{ MR_INDEX_CONTENT, offsetof(struct mr_index_entry, content) },
		{ MR_INDEX_KINDS, offsetof(struct mr_index_entry, kinds) },
		{ MR_INDEX_STREAM, offsetof(struct mr_index_entry, stream) },
		{ MR_INDEX_TIME_FIRST, offsetof(struct mr_index_entry, time_first) },
		{ MR_INDEX_TIME_LAST, offsetof(struct mr_index_entry, time_last) },
		{ MR_INDEX_SNAPSHOT_FIRST, offsetof(struct mr_index_entry, snapshot_first) },
		{ MR_INDEX_SNAPSHOT_LAST, offsetof(struct mr_index_entry, snapshot_last) },
	};

	for (size_t first = 0; first < count; first += INDEX_ROWS) {
		const uint32_t rows = (uint32_t)(count - first < INDEX_ROWS ? count - first : INDEX_ROWS);
		struct mr_block_writer block;
		uint64_t values[INDEX_ROWS];

		mr_block_begin(&block, out, MR_KIND_INDEX, rows);
		for (size_t i = 0; i < MR_ARRAY_LEN(columns); i++) {
			for (uint32_t row = 0; row < rows; row++)
				memcpy(&values[row], (const char *)&entries[first + row] + columns[i].offset,
				       sizeof(values[row]));
			mr_block_column(&block, columns[i].id, values);
		}
		mr_block_end(&block);
	}
}

void mr_seek_table_encode(struct mr_buffer *out, const struct mr_index_entry *entries, size_t count)
{
	/* The table speaks of every frame of the segment: the header is one too. */
	const uint64_t frames = (uint64_t)count + 1;
	const uint64_t len = frames * 8 + 9;

	if (len > UINT32_MAX) {
		out->failed = true;
		return;
	}
	mr_buffer_put_u32le(out, MR_LOG_SEEK_TABLE_MAGIC);
	mr_buffer_put_u32le(out, (uint32_t)len);
	mr_buffer_put_u32le(out, MR_LOG_HEADER_SIZE);
	mr_buffer_put_u32le(out, 0);
	for (size_t i = 0; i < count; i++) {
		mr_buffer_put_u32le(out, (uint32_t)entries[i].size);
		mr_buffer_put_u32le(out, (uint32_t)entries[i].content);
	}
	mr_buffer_put_u32le(out, (uint32_t)frames);
	mr_buffer_put_u8(out, 0); /* descriptor: no checksums, the frames have their own */
	mr_buffer_put_u32le(out, MR_LOG_SEEK_TABLE_FOOTER_MAGIC);
}
