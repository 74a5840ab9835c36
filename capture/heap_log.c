/* SPDX-License-Identifier: MIT
 *
 * See heap_log.h.
 */
#include "heap_log.h"

#define BOX_MAX (4u << 20) /* bytes that wait for the log before we wait for it as well */

void mr_heap_log_release(struct mr_heap_log *log)
{
	mr_buffer_release(&log->bytes);
	mr_free(log->entries);
	log->entries = NULL;
	log->entry_count = 0;
	log->entry_capacity = 0;
}

uint32_t mr_heap_log_stream(struct mr_heap_log *log)
{
	pthread_mutex_lock(log->lock);
	const uint32_t stream = mr_log_writer_add_stream(log->writer);

	pthread_mutex_unlock(log->lock);
	return stream;
}

void mr_heap_log_begin(struct mr_heap_log *log, enum mr_kind kind, uint32_t rows,
                       struct mr_block_writer *block)
{
	mr_block_begin(block, &log->bytes, kind, rows);
}

void mr_heap_log_end(struct mr_heap_log *log, struct mr_block_writer *block, uint32_t stream,
                     const struct mr_log_span *span)
{
	const struct mr_log_span nowhere = { 0 };

	mr_block_end(block);
	if (log->failure.code != MR_OK) {
		mr_buffer_clear(&log->bytes);
		log->entry_count = 0;
		return;
	}
	if (log->bytes.failed ||
	    mr_grow(&log->entries, &log->entry_capacity, log->entry_count + 1, sizeof(*log->entries)) < 0) {
		(void)mr_fail(&log->failure, MR_ERR_NOMEM, "out of memory for what is to be written");
		return;
	}
	const size_t len = log->bytes.len - block->start;

	log->entries[log->entry_count++] = (struct mr_heap_log_entry){ stream, len, span ? *span : nowhere };
	log->bytes_total += len;
	if (log->bytes.len > BOX_MAX)
		mr_heap_log_pass_on(log, true);
}

bool mr_heap_log_block(struct mr_heap_log *log, const struct mr_heap_log_rows *rows, size_t first,
                       size_t count)
{
	struct mr_block_writer block;

	mr_heap_log_begin(log, rows->kind, (uint32_t)count, &block);
	for (unsigned column = 1; column <= rows->columns; column++) {
		const uint64_t *const values = rows->values + (column - 1) * rows->stride + first;

		if (rows->plain & 1u << column)
			mr_block_column_as(&block, column, MR_ENCODING_PLAIN, values);
		else
			mr_block_column(&block, column, values);
	}
	if (!log->bytes.failed && count > 1 && log->bytes.len - block.start > MR_LOG_BLOCK_CONTENT_MAX) {
		log->bytes.len = block.start;
		return false;
	}
	mr_heap_log_end(log, &block, rows->stream, rows->span);
	return true;
}

void mr_heap_log_blocks(struct mr_heap_log *log, const struct mr_heap_log_rows *rows, size_t first,
                        size_t count)
{
	if (count == 0 || mr_heap_log_block(log, rows, first, count))
		return;
	mr_heap_log_blocks(log, rows, first, count / 2);
	mr_heap_log_blocks(log, rows, first + count / 2, count - count / 2);
}

void mr_heap_log_pass_on(struct mr_heap_log *log, bool wait)
{
	size_t at = 0;

	if (log->entry_count == 0)
		return;
	if (wait)
		pthread_mutex_lock(log->lock);
	else if (pthread_mutex_trylock(log->lock) != 0)
		return;
	for (size_t i = 0; i < log->entry_count && log->failure.code == MR_OK; i++) {
		const struct mr_heap_log_entry *const entry = &log->entries[i];

		if (mr_log_writer_append(log->writer, entry->stream, log->bytes.data + at, entry->len,
		                         &entry->span, &log->failure) < 0)
			break;
		at += entry->len;
	}
	/* What the END snapshots and the names of all places take has to fit behind it. */
	if (log->max_size_bytes && mr_log_writer_size(log->writer) > log->max_size_bytes / 2)
		log->full = true;
	pthread_mutex_unlock(log->lock);
	log->entry_count = 0;
	mr_buffer_clear(&log->bytes);
}

uint64_t mr_heap_log_string(struct mr_heap_log *log, uint32_t stream, uint64_t *next, const char *text,
                            size_t len)
{
	struct mr_block_writer block;

	if (len == 0)
		return 0;
	mr_heap_log_begin(log, MR_KIND_STRINGS, 1, &block);
	mr_block_scalar(&block, MR_STRINGS_ID, *next);
	mr_block_scalar(&block, MR_STRINGS_LENGTH, len);
	mr_block_bytes(&block, MR_STRINGS_BYTES, text, len);
	mr_heap_log_end(log, &block, stream, NULL);
	return (*next)++;
}
