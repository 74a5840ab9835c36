/* SPDX-License-Identifier: MIT
 *
 * See log_repair_rewrite.h.
 */
#include "log_repair_rewrite.h"

#include <errno.h>

#define CHUNK (256u << 10)

static int write_bytes(struct mr_rewrite *rewrite, const void *data, size_t len, struct mr_error *err)
{
	MR_FAIL_IF(fwrite(data, 1, len, rewrite->output.stream) != len, err, MR_ERR_WRITE,
	           "cannot write '%s': %s", rewrite->output.path, strerror(errno));
	rewrite->offset += len;
	return 0;
}

int mr_rewrite_open(struct mr_rewrite *rewrite, struct mr_log *from, const char *out_path,
                    struct mr_error *err)
{
	*rewrite = (struct mr_rewrite){ .from = from };
	MR_TRY(mr_output_open(&rewrite->output, out_path, err));
	rewrite->chunk = mr_realloc(NULL, CHUNK);
	MR_FAIL_IF(rewrite->chunk == NULL, err, MR_ERR_NOMEM, "out of memory to write '%s'", out_path);
	return 0;
}

int mr_rewrite_copy(struct mr_rewrite *rewrite, uint64_t offset, uint64_t size_bytes, struct mr_error *err)
{
	while (size_bytes > 0) {
		const size_t wanted = size_bytes < CHUNK ? (size_t)size_bytes : CHUNK;
		const int64_t got =
			mr_source_read(&rewrite->from->source, rewrite->chunk, wanted, offset, err);

		if (got < 0)
			return (int)got;
		MR_FAIL_IF((size_t)got != wanted, err, MR_ERR_READ, "%s: was cut while it was read",
		           rewrite->from->source.path);
		MR_TRY(write_bytes(rewrite, rewrite->chunk, wanted, err));
		offset += wanted;
		size_bytes -= wanted;
	}
	return 0;
}

int mr_rewrite_begin(struct mr_rewrite *rewrite, const struct mr_log_segment *segment, struct mr_error *err)
{
	uint8_t header[MR_LOG_HEADER_SIZE];

	rewrite->offset = 0;
	rewrite->entry_count = 0;
	/* A newer minor version may have a longer header; seek tables count on ours. */
	struct mr_log_header known = segment->header;
	known.version_major = MR_LOG_VERSION_MAJOR;
	if (!segment->has_header)
		known.version_minor = MR_LOG_VERSION_MINOR;
	mr_log_header_encode(&known, header);
	return write_bytes(rewrite, header, sizeof(header), err);
}

static int add_entry(struct mr_rewrite *rewrite, const struct mr_index_entry *entry, struct mr_error *err)
{
	/* One more, for the end frame, that the seek table has. */
	MR_FAIL_IF(mr_grow(&rewrite->entries, &rewrite->entry_capacity, rewrite->entry_count + 2,
	                   sizeof(*rewrite->entries)) < 0,
	           err, MR_ERR_NOMEM, "out of memory for the index of '%s'", rewrite->output.path);
	rewrite->entries[rewrite->entry_count++] = *entry;
	return 0;
}

int mr_rewrite_frame(struct mr_rewrite *rewrite, const struct mr_frame *frame, struct mr_error *err)
{
	const struct mr_index_entry entry = {
		.offset = rewrite->offset,
		.size = frame->size_bytes,
		.content = frame->content_bytes,
		.kinds = frame->kinds,
		.stream = frame->stream,
		.time_first = frame->time_first,
		.time_last = frame->time_last,
		.snapshot_first = frame->snapshot_first,
		.snapshot_last = frame->snapshot_last,
	};

	MR_TRY(add_entry(rewrite, &entry, err));
	return mr_rewrite_copy(rewrite, frame->offset, frame->size_bytes, err);
}

/* Whether the content of a frame can be read block by block. */
static int check_blocks(const struct mr_frame_content *content, struct mr_error *err)
{
	struct mr_block block;
	size_t offset = 0;

	while (offset < content->len) {
		const bool first = offset == 0;

		MR_TRY(mr_block_parse(content->data, content->len, &offset, &block, err));
		MR_FAIL_IF(first && block.kind != MR_KIND_FRAME, err, MR_ERR_FORMAT,
		           "the frame is not a log's");
	}
	return 0;
}

/* Marks the frames of SEGMENT that cannot be used. */
static int check_frames(struct mr_log *log, struct mr_log_segment *segment, struct mr_error *err)
{
	struct mr_frame_pipe *pipe = NULL;
	struct mr_frame_content content;
	int code;

	if (segment->frame_count == 0)
		return 0;
	struct mr_frame **const frames = mr_alloc(segment->frame_count * sizeof(struct mr_frame *));
	MR_FAIL_IF(frames == NULL, err, MR_ERR_NOMEM, "%s: out of memory", log->source.path);
	for (size_t i = 0; i < segment->frame_count; i++)
		frames[i] = &segment->frames[i];

	code = mr_frame_pipe_open(&pipe, log, frames, segment->frame_count, err);
	while (code >= 0 && (code = mr_frame_pipe_next(pipe, &content, err)) > 0) {
		struct mr_error why = { 0 };

		code = content.data == NULL ? mr_fail(&why, MR_ERR_FORMAT, "%s", content.reason)
		                            : check_blocks(&content, &why);
		if (code < 0)
			code = mr_log_damaged(log, content.frame, why.message, err);
	}
	mr_frame_pipe_close(pipe);
	mr_free(frames);
	return code;
}

bool mr_rewrite_is_whole(const struct mr_log_segment *segment)
{
	for (size_t i = 0; i < segment->frame_count; i++)
		if (segment->frames[i].damaged)
			return false;
	return segment->end == MR_SEGMENT_WHOLE && segment->bytes_lost == 0 && segment->frames_missing == 0;
}

int mr_rewrite_check(struct mr_log *log, struct mr_error *err)
{
	for (size_t i = 0; i < log->segment_count; i++)
		MR_TRY(check_frames(log, &log->segments[i], err));
	return 0;
}

/* The end frame that walking through a segment found is written anew. */
static bool is_end_frame(const struct mr_frame *frame)
{
	return (frame->kinds >> MR_KIND_END & 1) != 0;
}

int mr_rewrite_usable(struct mr_rewrite *rewrite, const struct mr_log_segment *segment,
                      struct mr_usable *done, struct mr_error *err)
{
	*done = (struct mr_usable){ .time_last = segment->end_time };
	for (size_t i = 0; i < segment->frame_count; i++) {
		const struct mr_frame *const frame = &segment->frames[i];

		if (frame->damaged) {
			done->frames_left_out++;
			continue;
		}
		if (is_end_frame(frame))
			continue;
		if (segment->end_reason == 0 && frame->time_last > done->time_last)
			done->time_last = frame->time_last;
		MR_TRY(mr_rewrite_frame(rewrite, frame, err));
		done->frames++;
	}
	return 0;
}

static void put_frame_block(struct mr_buffer *content, uint64_t stream, uint64_t sequence)
{
	struct mr_block_writer block;

	mr_block_begin(&block, content, MR_KIND_FRAME, 1);
	mr_block_scalar(&block, MR_FRAME_STREAM, stream);
	mr_block_scalar(&block, MR_FRAME_SEQUENCE, sequence);
	mr_block_end(&block);
}

/* Compresses CONTENT, writes it and notes it as the next entry. */
static int write_frame(struct mr_rewrite *rewrite, const struct mr_buffer *content, uint64_t stream,
                       uint64_t kinds, struct mr_error *err)
{
	struct mr_buffer compressed = { 0 };
	int code = mr_buffer_status(content, err);

	if (code == 0)
		code = mr_frame_compress(&compressed, content->data, content->len, MR_FRAME_SMALL, err);
	if (code == 0) {
		const struct mr_index_entry entry = {
			.offset = rewrite->offset,
			.size = compressed.len,
			.content = content->len,
			.kinds = kinds | UINT64_C(1) << MR_KIND_FRAME,
			.stream = stream,
		};

		code = add_entry(rewrite, &entry, err);
	}
	if (code == 0)
		code = write_bytes(rewrite, compressed.data, compressed.len, err);
	mr_buffer_release(&compressed);
	return code;
}

int mr_rewrite_blocks(struct mr_rewrite *rewrite, uint64_t stream, const uint8_t *blocks, size_t len,
                      uint64_t kinds, struct mr_error *err)
{
	struct mr_buffer content = { 0 };

	put_frame_block(&content, stream, rewrite->entry_count);
	mr_buffer_append(&content, blocks, len);
	const int code = write_frame(rewrite, &content, stream, kinds, err);
	mr_buffer_release(&content);
	return code;
}

int mr_rewrite_end(struct mr_rewrite *rewrite, uint64_t time_ns, enum mr_end_reason reason,
                   struct mr_error *err)
{
	struct mr_buffer content = { 0 };
	struct mr_buffer table = { 0 };
	struct mr_block_writer block;

	put_frame_block(&content, 0, rewrite->entry_count);
	mr_block_begin(&block, &content, MR_KIND_END, 1);
	mr_block_scalar(&block, MR_END_TIME, time_ns);
	mr_block_scalar(&block, MR_END_REASON, reason);
	mr_block_end(&block);
	if (rewrite->entry_count > 0 && rewrite->entry_count <= MR_LOG_INDEX_ROWS_MAX)
		mr_index_encode(&content, rewrite->entries, rewrite->entry_count);

	int code = write_frame(rewrite, &content, 0,
	                       UINT64_C(1) << MR_KIND_END | UINT64_C(1) << MR_KIND_INDEX, err);
	if (code == 0) {
		mr_seek_table_encode(&table, rewrite->entries, rewrite->entry_count);
		code = mr_buffer_status(&table, err);
	}
	if (code == 0)
		code = write_bytes(rewrite, table.data, table.len, err);
	mr_buffer_release(&content);
	mr_buffer_release(&table);
	return code;
}

int mr_rewrite_commit(struct mr_rewrite *rewrite, struct mr_error *err)
{
	return mr_output_commit(&rewrite->output, err);
}

void mr_rewrite_release(struct mr_rewrite *rewrite)
{
	mr_output_discard(&rewrite->output);
	mr_free(rewrite->entries);
	mr_free(rewrite->chunk);
	*rewrite = (struct mr_rewrite){ 0 };
}
