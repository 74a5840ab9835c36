/* SPDX-License-Identifier: MIT
 *
 * Opening a log.  A segment that ended well is found from its back: the seek
 * table says where it begins and where its end frame lies, the end frame holds
 * the index of the others.  All three must agree to the byte; from the first
 * segment that does not, backwards, the file is walked through instead.
 */
#include "log_reader_private.h"

#define SEEK_TABLE_FOOTER 9
#define SEEK_TABLE_ENTRY 8

/* Content that a file of SIZE bytes may hold in all: far more than any real log
 * does, little enough that a bomb of frames ends in time. */
#define CONTENT_ALLOWANCE (256u << 20)
#define CONTENT_PER_BYTE 2048u

int mr_log__segment_add(struct mr_log *log, uint64_t offset, struct mr_log_segment **segment,
                        struct mr_error *err)
{
	if (log->segment_count == UINT32_MAX - 1 ||
	    mr_grow(&log->segments, &log->segment_capacity, log->segment_count + 1, sizeof(*log->segments)) <
	            0)
		return mr_fail(err, MR_ERR_NOMEM, "out of memory");

	struct mr_log_segment *const added = &log->segments[log->segment_count++];
	*added = (struct mr_log_segment){ .offset = offset, .end = MR_SEGMENT_CUT };
	*segment = added;
	return 0;
}

void mr_log__segment_release(struct mr_log_segment *segment)
{
	mr_free(segment->frames);
	segment->frames = NULL;
	segment->frame_count = 0;
}

int mr_log__frame_add(struct mr_log *log, struct mr_log_segment *segment, const struct mr_frame *frame,
                      struct mr_error *err)
{
	MR_FAIL_IF(frame->content_bytes > log->content_left, err, MR_ERR_LIMIT,
	           "claims far more content than a log of its size holds");
	if (mr_grow(&segment->frames, &segment->frame_capacity, segment->frame_count + 1,
	            sizeof(*segment->frames)) < 0)
		return mr_fail(err, MR_ERR_NOMEM, "out of memory");
	log->content_left -= frame->content_bytes;
	segment->frames[segment->frame_count++] = *frame;
	return 0;
}

uint64_t mr_log__header_size(const uint8_t *data)
{
	return 8 + (uint64_t)mr_get_u32le(data + 4);
}

int mr_log__frame_block(const uint8_t *content, size_t len, uint64_t *stream, uint64_t *sequence,
                        struct mr_error *err)
{
	struct mr_block block;
	size_t offset = 0;

	MR_TRY(mr_block_parse(content, len, &offset, &block, err));
	MR_FAIL_IF(block.kind != MR_KIND_FRAME, err, MR_ERR_FORMAT, "the frame is not a log's");
	MR_TRY(mr_block_value(&block, MR_FRAME_STREAM, stream, err));
	return mr_block_value(&block, MR_FRAME_SEQUENCE, sequence, err);
}

/* ---- A segment from its back ---------------------------------------------- */

/* What the seek table at the end of a segment says. */
struct seek_table {
	uint8_t *data; /* its entries */
	size_t count;
	uint64_t size_bytes;         /* of the table */
	uint64_t segment_size_bytes; /* the table included */
};

static uint64_t table_frame_size(const struct seek_table *table, size_t i)
{
	return mr_get_u32le(table->data + i * SEEK_TABLE_ENTRY);
}

/* 1: there is one that fits before END; 0: there is none; or an error. */
static int seek_table_read(const struct mr_log *log, uint64_t end, struct seek_table *table,
                           struct mr_error *err)
{
	uint8_t footer[SEEK_TABLE_FOOTER];

	if (end < MR_LOG_HEADER_SIZE + 8 + SEEK_TABLE_FOOTER)
		return 0;
	int64_t got = mr_source_read(&log->source, footer, sizeof(footer), end - sizeof(footer), err);
	if (got < 0)
		return (int)got;
	if (got != (int64_t)sizeof(footer) || mr_get_u32le(footer + 5) != MR_LOG_SEEK_TABLE_FOOTER_MAGIC ||
	    footer[4] != 0)
		return 0;

	/* At least the header and the end frame; no more than there are bytes for. */
	const uint64_t count = mr_get_u32le(footer);
	const uint64_t entries_len = count * SEEK_TABLE_ENTRY;
	const uint64_t table_len = 8 + entries_len + SEEK_TABLE_FOOTER;
	if (count < 2 || table_len > end - MR_LOG_HEADER_SIZE)
		return 0;

	uint8_t *const data = mr_realloc(NULL, (size_t)(8 + entries_len));
	MR_FAIL_IF(data == NULL, err, MR_ERR_NOMEM, "out of memory for its seek table");
	got = mr_source_read(&log->source, data, (size_t)(8 + entries_len), end - table_len, err);
	if (got != (int64_t)(8 + entries_len) || mr_get_u32le(data) != MR_LOG_SEEK_TABLE_MAGIC ||
	    mr_get_u32le(data + 4) != table_len - 8) {
		mr_free(data);
		return got < 0 ? (int)got : 0;
	}
	memmove(data, data + 8, (size_t)entries_len);

	*table = (struct seek_table){ .data = data, .count = (size_t)count, .size_bytes = table_len };
	table->segment_size_bytes = table_len;
	for (size_t i = 0; i < count; i++)
		table->segment_size_bytes += table_frame_size(table, i);
	if (table->segment_size_bytes > end) {
		mr_free(data);
		return 0;
	}
	return 1;
}

/* Turns the rows of one INDEX block into frames; MR_ERR_FORMAT where they
 * contradict the seek table or themselves. */
static int index_block(struct mr_log *log, struct mr_log_segment *segment, const struct seek_table *table,
                       const struct mr_block *block, struct mr_error *err)
{
	static const unsigned ids[] = { MR_INDEX_OFFSET,    MR_INDEX_SIZE,           MR_INDEX_CONTENT,
		                        MR_INDEX_KINDS,     MR_INDEX_STREAM,         MR_INDEX_TIME_FIRST,
		                        MR_INDEX_TIME_LAST, MR_INDEX_SNAPSHOT_FIRST, MR_INDEX_SNAPSHOT_LAST };
	enum { COLUMNS = MR_ARRAY_LEN(ids), ROWS = 64 };
	struct mr_cursor cursors[COLUMNS];
	uint64_t values[COLUMNS][ROWS];

	for (size_t c = 0; c < COLUMNS; c++)
		MR_TRY(mr_cursor_open(&cursors[c], block, ids[c], err));
	for (uint32_t done = 0; done < block->rows;) {
		const uint32_t rows = block->rows - done < ROWS ? block->rows - done : ROWS;

		for (size_t c = 0; c < COLUMNS; c++)
			MR_TRY(mr_cursor_read(&cursors[c], values[c], rows, err));
		for (uint32_t row = 0; row < rows; row++) {
			const size_t at = segment->frame_count;
			const struct mr_frame *const before = at > 0 ? &segment->frames[at - 1] : NULL;
			const uint64_t expected = before != NULL
			                                  ? before->offset + before->size_bytes
			                                  : segment->offset + table_frame_size(table, 0);

			/* In the table, the header comes before these frames, the end frame behind. */
			MR_FAIL_IF(at + 2 >= table->count || segment->offset + values[0][row] != expected ||
			                   values[1][row] != table_frame_size(table, at + 1) ||
			                   values[1][row] > MR_FRAME_SIZE_MAX || values[2][row] == 0 ||
			                   values[2][row] > MR_LOG_FRAME_CONTENT_MAX,
			           err, MR_ERR_FORMAT, "the index does not fit the frames");
			const struct mr_frame frame = {
				.offset = expected,
				.size_bytes = (uint32_t)values[1][row],
				.content_bytes = (uint32_t)values[2][row],
				.kinds = values[3][row],
				.stream = values[4][row],
				.time_first = values[5][row],
				.time_last = values[6][row],
				.snapshot_first = values[7][row],
				.snapshot_last = values[8][row],
			};
			MR_TRY(mr_log__frame_add(log, segment, &frame, err));
		}
		done += rows;
	}
	return 0;
}

/* Reads END and INDEX from the content of the end frame. */
static int end_frame_blocks(struct mr_log *log, struct mr_log_segment *segment,
                            const struct seek_table *table, const uint8_t *content, size_t len,
                            struct mr_error *err)
{
	uint64_t stream, sequence;
	size_t offset = 0;

	MR_TRY(mr_log__frame_block(content, len, &stream, &sequence, err));
	while (offset < len) {
		struct mr_block block;

		MR_TRY(mr_block_parse(content, len, &offset, &block, err));
		if (block.kind == MR_KIND_END) {
			MR_TRY(mr_block_value(&block, MR_END_TIME, &segment->end_time, err));
			MR_TRY(mr_block_value(&block, MR_END_REASON, &segment->end_reason, err));
		} else if (block.kind == MR_KIND_INDEX) {
			MR_TRY(index_block(log, segment, table, &block, err));
		}
	}
	MR_FAIL_IF(segment->end_reason == 0, err, MR_ERR_FORMAT,
	           "the end frame does not say why the log ends");
	MR_FAIL_IF(segment->frame_count + 2 != table->count || sequence != segment->frame_count, err,
	           MR_ERR_FORMAT, "the index does not name all frames");
	return 0;
}

/* Fills SEGMENT from its end frame. */
static int segment_from_index(struct mr_log *log, struct mr_log_segment *segment,
                              const struct seek_table *table, struct mr_error *err)
{
	const uint64_t end_size = table_frame_size(table, table->count - 1);
	const uint64_t end_offset = segment->offset + segment->size_bytes - table->size_bytes - end_size;
	struct mr_frame frame = { .offset = end_offset, .size_bytes = (uint32_t)end_size };
	struct mr_frame *const frames[] = { &frame };
	struct mr_frame_pipe *pipe = NULL;
	struct mr_frame_content content;
	uint8_t start[18]; /* the longest zstd frame header */

	const int64_t got = mr_source_read(&log->source, start, sizeof(start), end_offset, err);
	if (got < 0)
		return (int)got;
	MR_TRY(mr_frame_claim(start, (size_t)got, &frame.content_bytes, err));
	MR_FAIL_IF(end_size > MR_FRAME_SIZE_MAX, err, MR_ERR_LIMIT, "the end frame is too large");
	MR_TRY(mr_frame_pipe_open(&pipe, log, frames, 1, err));
	int code = mr_frame_pipe_next(pipe, &content, err);
	if (code > 0)
		code = content.data != NULL
		               ? end_frame_blocks(log, segment, table, content.data, content.len, err)
		               : mr_fail(err, MR_ERR_FORMAT, "%s", content.reason);
	mr_frame_pipe_close(pipe);
	return code;
}

/* 1: the segment that ends at *END was added and *END is where it begins; 0:
 * there is none that is whole; or an error. */
static int segment_from_back(struct mr_log *log, uint64_t *end, struct mr_error *err)
{
	struct seek_table table = { 0 };
	const uint64_t content_left = log->content_left;
	uint8_t header[MR_LOG_HEADER_SIZE];
	struct mr_log_segment *segment;
	struct mr_error why = { 0 };

	int code = seek_table_read(log, *end, &table, err);
	if (code <= 0)
		return code;

	const uint64_t begin = *end - table.segment_size_bytes;
	const int64_t got = mr_source_read(&log->source, header, sizeof(header), begin, err);
	if (got < 0) {
		mr_free(table.data);
		return (int)got;
	}

	code = mr_log__segment_add(log, begin, &segment, &why);
	if (code == 0) {
		segment->size_bytes = table.segment_size_bytes;
		code = mr_log_header_decode(header, (size_t)got, &segment->header, &why);
		if (code == 0 && mr_log__header_size(header) != table_frame_size(&table, 0))
			code = mr_fail(&why, MR_ERR_FORMAT, "the seek table does not fit the header");
		if (code == 0)
			code = segment_from_index(log, segment, &table, &why);
		if (code == 0) {
			segment->has_header = true;
			segment->sealed = true;
			segment->end = MR_SEGMENT_WHOLE;
			*end = begin;
		} else {
			mr_log__segment_release(segment);
			log->segment_count--;
			log->content_left = content_left;
		}
	}
	mr_free(table.data);
	if (code == 0)
		return 1;
	/* What does not fit is walked through instead, and reported from there. */
	return code == MR_ERR_FORMAT || code == MR_ERR_LIMIT ? 0 : mr_fail(err, code, "%s", why.message);
}

/* ---- Opening --------------------------------------------------------------- */

static void reverse(struct mr_log_segment *segments, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		const struct mr_log_segment swapped = segments[i];

		segments[i] = segments[count - 1 - i];
		segments[count - 1 - i] = swapped;
	}
}

/* Moves the segments from FIRST on before the others. */
static void rotate(struct mr_log_segment *segments, size_t count, size_t first)
{
	reverse(segments, first);
	reverse(segments + first, count - first);
	reverse(segments, count);
}

static int find_segments(struct mr_log *log, struct mr_error *err)
{
	uint64_t end = log->source.size_bytes;
	int code = 1;

	while (end > 0 && code > 0)
		code = segment_from_back(log, &end, err);
	if (code < 0)
		return code;

	const size_t indexed = log->segment_count;
	reverse(log->segments, indexed);
	if (end > 0) {
		MR_TRY(mr_log__scan(log, 0, end, err));
		if (indexed > 0)
			rotate(log->segments, log->segment_count, indexed);
	}
	for (size_t i = 0; i < log->segment_count; i++)
		for (size_t j = 0; j < log->segments[i].frame_count; j++)
			log->segments[i].frames[j].segment = (uint32_t)i;
	return 0;
}

/* Why a file without a segment is no log. */
static int not_a_log(const struct mr_log *log, struct mr_error *err)
{
	uint8_t start[MR_LOG_HEADER_SIZE];
	struct mr_log_header header;

	const int64_t got = mr_source_read(&log->source, start, sizeof(start), 0, err);
	if (got < 0)
		return (int)got;
	MR_TRY(mr_log_header_decode(start, (size_t)got, &header, err));
	return mr_fail(err, MR_ERR_FORMAT, "not a log: nothing in it can be read");
}

int mr_log_open_take(struct mr_log *log, struct mr_source *source, struct mr_error *err)
{
	int code = 0;

	*log = (struct mr_log){ .source = *source };
	*source = (struct mr_source){ .fd = -1 };
	if (__builtin_mul_overflow(log->source.size_bytes, CONTENT_PER_BYTE, &log->content_left) ||
	    __builtin_add_overflow(log->content_left, CONTENT_ALLOWANCE, &log->content_left))
		log->content_left = UINT64_MAX;

	struct mr_error why = { 0 };
	if (log->source.size_bytes == 0)
		code = mr_fail(&why, MR_ERR_FORMAT, "is empty, not a log");
	else
		code = find_segments(log, &why);
	if (code == 0 && log->segment_count == 0)
		code = not_a_log(log, &why);
	if (code < 0) {
		mr_fail(err, code, "%s: %s", log->source.path, why.message);
		mr_log_release(log);
	}
	return code;
}

void mr_log_release(struct mr_log *log)
{
	for (size_t i = 0; i < log->segment_count; i++)
		mr_log__segment_release(&log->segments[i]);
	mr_free(log->segments);
	mr_notes_release(&log->notes);
	mr_source_release(&log->source);
	*log = (struct mr_log){ .source = { .fd = -1 } };
}

int mr_log_damaged(struct mr_log *log, struct mr_frame *frame, const char *reason, struct mr_error *err)
{
	if (frame->damaged)
		return 0;
	frame->damaged = true;
	log->segments[frame->segment].bytes_lost += frame->size_bytes;
	return mr_notes_add(&log->notes, err, "%s: damaged at byte %llu: %s; %u bytes are left out",
	                    log->source.path, (unsigned long long)frame->offset, reason, frame->size_bytes);
}
