/* SPDX-License-Identifier: MIT
 *
 * Blocks on their way into a log writer, or into a capture's rings; see feed_sink.h.
 */
#include "feed_sink.h"

void mr_feed_sink_release(struct mr_feed_sink *sink)
{
	mr_buffer_release(&sink->buffer);
}

struct mr_block_writer *mr_feed_sink_begin(struct mr_feed_sink *sink, enum mr_kind kind, uint32_t rows)
{
	sink->kind = kind;
	if (sink->writer != NULL) {
		mr_log_writer_begin(sink->writer, sink->stream, kind, rows, &sink->block);
	} else {
		mr_buffer_clear(&sink->buffer);
		mr_block_begin(&sink->block, &sink->buffer, kind, rows);
	}
	return &sink->block;
}

void mr_feed_sink_end(struct mr_feed_sink *sink, const struct mr_log_span *span)
{
	static const struct mr_log_span nothing;
	const struct mr_log_span *const said = span != NULL ? span : &nothing;
	struct mr_error err = { 0 };

	if (sink->writer != NULL) {
		if (mr_log_writer_end(sink->writer, &sink->block, said, &err) < 0)
			mr_fail(&sink->failure, err.code, "%s", err.message);
		return;
	}
	mr_block_end(&sink->block);
	if (mr_kind_group(sink->kind) == MR_GROUP_DEFINITIONS) {
		if (sink->buffer.failed)
			mr_fail(&sink->failure, MR_ERR_NOMEM, "out of memory for the log's blocks");
		mr_tracker_define(sink->capture, &sink->buffer);
	} else {
		const uint64_t bounds[4] = { said->time_first, said->time_last, said->snapshot_first,
			                     said->snapshot_last };

		mr_tracker_detail(sink->capture, &sink->buffer, bounds);
	}
}

uint32_t mr_feed_sink_string_ids(struct mr_feed_sink *sink, uint32_t count)
{
	if (sink->writer == NULL)
		return mr_names_take(sink->capture, count);

	const uint32_t first = sink->string_next + 1;
	sink->string_next += count;
	return first;
}

size_t mr_feed_text_cut(const char *text, size_t len)
{
	if (len <= MR_FEED_TEXT_BYTES)
		return len;
	len = MR_FEED_TEXT_BYTES;
	while (len > MR_FEED_TEXT_BYTES - 4 && ((uint8_t)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

uint32_t mr_feed_sink_text(struct mr_feed_sink *sink, const char *text, size_t len)
{
	const uint32_t id = mr_feed_sink_string_ids(sink, 1);

	len = mr_feed_text_cut(text, len);
	struct mr_block_writer *const block = mr_feed_sink_begin(sink, MR_KIND_STRINGS, 1);
	mr_block_scalar(block, MR_STRINGS_ID, id);
	mr_block_scalar(block, MR_STRINGS_LENGTH, len);
	mr_block_bytes(block, MR_STRINGS_BYTES, text, len);
	mr_feed_sink_end(sink, NULL);
	return id;
}
