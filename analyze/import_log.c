/* SPDX-License-Identifier: MIT
 *
 * See import_log.h.
 */
#include "import_log.h"

#include "log_reader.h"

/* A frame is made of a group's blocks when they are that many bytes. */
#define FRAME_CONTENT (1u << 20)

_Static_assert(FRAME_CONTENT + MR_IMPORT_ROWS * MR_IMPORT_COLUMNS * (MR_UVARINT_MAX + 1) <=
                       MR_LOG_FRAME_CONTENT_MAX,
               "a frame holds one block more");

static void fail(struct mr_import_log *log, int code)
{
	if (log->code == 0)
		log->code = code;
}

/* Makes a frame of what a group has gathered. */
static void put_frame(struct mr_import_log *log, struct mr_import_frame *frame, uint64_t stream)
{
	struct mr_index_entry *const entry = &frame->entry;
	struct mr_block_writer block;

	if (frame->content.len == 0)
		return;
	/* Frames count in the order in which they are made, so their first block is made now. */
	mr_buffer_clear(&log->whole);
	mr_block_begin(&block, &log->whole, MR_KIND_FRAME, 1);
	mr_block_scalar(&block, MR_FRAME_STREAM, stream);
	mr_block_scalar(&block, MR_FRAME_SEQUENCE, log->entry_count);
	mr_block_end(&block);
	mr_buffer_append(&log->whole, frame->content.data, frame->content.len);

	entry->offset = log->out.len;
	entry->content = log->whole.len;
	entry->stream = stream;
	entry->kinds |= UINT64_C(1) << MR_KIND_FRAME;
	if (frame->content.failed || log->whole.failed ||
	    mr_grow(&log->entries, &log->entry_capacity, log->entry_count + 2, sizeof(*log->entries)) < 0 ||
	    mr_frame_compress(&log->out, log->whole.data, log->whole.len, MR_FRAME_FASTEST, NULL) < 0) {
		fail(log, MR_ERR_NOMEM);
	} else {
		entry->size = log->out.len - entry->offset;
		log->entries[log->entry_count++] = *entry;
	}
	*entry = (struct mr_index_entry){ 0 };
	mr_buffer_clear(&frame->content);
}

void mr_import_log_begin(struct mr_import_log *log, uint64_t pid)
{
	const struct mr_log_header header = {
		.version_major = MR_LOG_VERSION_MAJOR,
		.version_minor = MR_LOG_VERSION_MINOR,
		.pid = pid <= UINT32_MAX ? (uint32_t)pid : 0,
	};
	uint8_t bytes[MR_LOG_HEADER_SIZE];

	*log = (struct mr_import_log){ 0 };
	mr_log_header_encode(&header, bytes);
	mr_buffer_append(&log->out, bytes, sizeof(bytes));
}

void mr_import_log_release(struct mr_import_log *log)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(log->frames); i++)
		mr_buffer_release(&log->frames[i].content);
	mr_buffer_release(&log->whole);
	mr_buffer_release(&log->out);
	mr_free(log->entries);
	log->entries = NULL;
}

struct mr_block_writer *mr_import_log_block(struct mr_import_log *log, enum mr_kind kind, uint32_t rows)
{
	struct mr_import_frame *const frame = &log->frames[mr_kind_group(kind)];

	log->group = mr_kind_group(kind);
	frame->entry.kinds |= UINT64_C(1) << kind;
	mr_block_begin(&log->block, &frame->content, kind, rows);
	return &log->block;
}

void mr_import_log_block_end(struct mr_import_log *log, const struct mr_import_span *span)
{
	struct mr_import_frame *const frame = &log->frames[log->group];
	struct mr_index_entry *const entry = &frame->entry;

	mr_block_end(&log->block);
	if (span->time_last > entry->time_last)
		entry->time_last = span->time_last;
	if (span->snapshot_first != 0 &&
	    (entry->snapshot_first == 0 || span->snapshot_first < entry->snapshot_first))
		entry->snapshot_first = span->snapshot_first;
	if (span->snapshot_last > entry->snapshot_last)
		entry->snapshot_last = span->snapshot_last;
	if (frame->content.len >= FRAME_CONTENT || frame->content.failed)
		put_frame(log, frame, MR_IMPORT_STREAM);
}

static void put_end(struct mr_import_log *log, uint64_t time_ns)
{
	struct mr_import_frame end = { 0 };
	struct mr_block_writer block;

	mr_block_begin(&block, &end.content, MR_KIND_END, 1);
	mr_block_scalar(&block, MR_END_TIME, time_ns);
	mr_block_scalar(&block, MR_END_REASON, MR_END_CLOSED);
	mr_block_end(&block);
	if (log->entry_count > 0 && log->entry_count <= MR_LOG_INDEX_ROWS_MAX)
		mr_index_encode(&end.content, log->entries, log->entry_count);
	end.entry.kinds |= UINT64_C(1) << MR_KIND_END | UINT64_C(1) << MR_KIND_INDEX;
	put_frame(log, &end, 0);
	mr_buffer_release(&end.content);
	if (log->code == 0)
		mr_seek_table_encode(&log->out, log->entries, log->entry_count);
}

int mr_import_log_end(struct mr_import_log *log, uint64_t time_ns, struct mr_error *err)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(log->frames); i++)
		put_frame(log, &log->frames[i], MR_IMPORT_STREAM);
	put_end(log, time_ns);
	MR_FAIL_IF(log->code < 0 || log->out.failed, err, MR_ERR_NOMEM, "out of memory to import a dump");
	return 0;
}

/* ---- Rows ------------------------------------------------------------------------ */

int mr_import_rows_init(struct mr_import_rows *rows, enum mr_kind kind, unsigned columns,
                        struct mr_error *err)
{
	*rows = (struct mr_import_rows){ .kind = kind, .columns = columns };
	rows->values = mr_realloc(NULL, columns * sizeof(*rows->values));
	MR_FAIL_IF(rows->values == NULL, err, MR_ERR_NOMEM, "out of memory to import a dump");
	return 0;
}

void mr_import_rows_release(struct mr_import_rows *rows)
{
	mr_free(rows->values);
	rows->values = NULL;
}

void mr_import_rows_flush(struct mr_import_rows *rows, struct mr_import_log *log)
{
	if (rows->count == 0)
		return;

	struct mr_block_writer *const block = mr_import_log_block(log, rows->kind, rows->count);
	for (unsigned id = 1; id <= rows->columns; id++)
		mr_block_column(block, id, rows->values[id - 1]);
	mr_import_log_block_end(log, &rows->span);
	rows->count = 0;
	rows->span = (struct mr_import_span){ 0 };
}
