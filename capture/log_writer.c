/* SPDX-License-Identifier: MIT
 *
 * From blocks to a log file.  Blocks wait in one buffer a group; a buffer that
 * has grown to FRAME_CONTENT, or a flush, makes a frame of it.  A frame is
 * handed to the kernel whole, so what a killed program leaves ends with a whole
 * frame (or, if the machine dies, with one that the reader recognises as cut).
 *
 * Memory is bounded but for the index: about 20 bytes a frame until the end.
 */
#define ZSTD_STATIC_LINKING_ONLY /* for an allocator of our own */
#include "log_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define FRAME_CONTENT (512u << 10) /* bytes of blocks at which a frame is made, at most */
#define FRAME_BLOCK_MAX 64         /* more than a FRAME block takes */
#define END_RESERVE (64u << 10)    /* of max_size_bytes, kept for what explains the rest */

_Static_assert(FRAME_CONTENT + MR_LOG_BLOCK_CONTENT_MAX + 2 * FRAME_BLOCK_MAX <= MR_LOG_FRAME_CONTENT_MAX,
               "frames fit the limit");

/* Blocks of one group that wait to become a frame. */
struct pending {
	struct mr_buffer content; /* FRAME_BLOCK_MAX bytes of gap, then blocks */
	bool used;
	bool several; /* streams */
	uint32_t stream_first;
	uint32_t stream; /* of the block at the end; a change needs a FRAME block */
	uint64_t kinds;
	struct mr_log_span span;
};

struct mr_log_writer {
	int fd;
	struct stat file; /* as it was opened: see is_open() */
	char *path;
	struct mr_log_header header;
	struct mr_log_writer_options options;
	uint64_t size_bytes; /* whole frames in the file */
	uint64_t sequence;
	uint64_t frame_count;
	uint64_t frame_content; /* bytes of blocks in the last frame */
	size_t frame_at;        /* bytes of blocks at which a frame is made */
	uint32_t streams;
	bool full; /* max_size_bytes was reached */
	struct mr_error failure;
	ZSTD_CCtx *zstd;
	struct mr_buffer compressed;
	struct mr_buffer index; /* the entries so far, as varints: see index_put() */
	struct pending pending[MR_GROUP_COUNT];
	enum mr_kind block_kind; /* of the block under way */
};

static void *zstd_alloc(void *opaque, size_t size_bytes)
{
	(void)opaque;
	return mr_alloc(size_bytes);
}

static void zstd_release(void *opaque, void *memory)
{
	(void)opaque;
	mr_free(memory);
}

static int fail(struct mr_log_writer *writer, struct mr_error *err)
{
	return mr_fail(err, writer->failure.code, "%s", writer->failure.message);
}

/* A program that becomes a daemon closes every descriptor, and may open files of its own at their
 * numbers, which are not to be written to, or closed. */
static bool is_open(const struct mr_log_writer *writer, int fd)
{
	struct stat info;

	return fd >= 0 && fstat(fd, &info) == 0 && info.st_dev == writer->file.st_dev &&
	       info.st_ino == writer->file.st_ino;
}

/* Opens the file again where the program has closed it. */
static int ensure_open(struct mr_log_writer *writer)
{
	if (is_open(writer, writer->fd))
		return 0;
	/* A pipe would be waited for, and whoever read it has seen its end. */
	writer->fd = S_ISREG(writer->file.st_mode) ? open(writer->path, O_WRONLY | O_CLOEXEC) : -1;
	if (is_open(writer, writer->fd) && lseek(writer->fd, (off_t)writer->size_bytes, SEEK_SET) >= 0)
		return 0;
	if (writer->fd >= 0)
		close(writer->fd);
	writer->fd = -1;
	return mr_fail(&writer->failure, MR_ERR_WRITE, "cannot write '%s': the program has closed it",
	               writer->path);
}

static int write_bytes(struct mr_log_writer *writer, const void *data, size_t len)
{
	if (ensure_open(writer) < 0)
		return writer->failure.code;

	const int code = mr_write_full(writer->fd, data, len, writer->path, &writer->failure);

	if (code < 0) {
		/* A part of a frame helps nobody; where the file cannot be cut, the reader recognises it. */
		if (ftruncate(writer->fd, (off_t)writer->size_bytes) == 0)
			(void)lseek(writer->fd, (off_t)writer->size_bytes, SEEK_SET);
		return code;
	}
	writer->size_bytes += len;
	return 0;
}

static int write_header(struct mr_log_writer *writer)
{
	uint8_t header[MR_LOG_HEADER_SIZE];

	mr_log_header_encode(&writer->header, header);
	return write_bytes(writer, header, sizeof(header));
}

static int set_level(struct mr_log_writer *writer, int level)
{
	if (ZSTD_isError(ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_compressionLevel, level)))
		return mr_fail(&writer->failure, MR_ERR_ARG, "zstd does not take compression level %d",
		               level);
	return 0;
}

static int compressor_new(struct mr_log_writer *writer)
{
	const ZSTD_customMem memory = { zstd_alloc, zstd_release, NULL };

	writer->zstd = ZSTD_createCCtx_advanced(memory);
	if (writer->zstd == NULL)
		return mr_fail(&writer->failure, MR_ERR_NOMEM, "out of memory for compression");
	if (ZSTD_isError(ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_checksumFlag, 1)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_contentSizeFlag, 1)))
		return mr_fail(&writer->failure, MR_ERR_ARG, "zstd does not take its parameters");
	return set_level(writer, writer->options.compression_level);
}

static void release(struct mr_log_writer *writer)
{
	if (is_open(writer, writer->fd))
		close(writer->fd);
	ZSTD_freeCCtx(writer->zstd);
	mr_buffer_release(&writer->compressed);
	mr_buffer_release(&writer->index);
	for (size_t i = 0; i < MR_GROUP_COUNT; i++)
		mr_buffer_release(&writer->pending[i].content);
	mr_free(writer->path);
	mr_free(writer);
}

int mr_log_writer_open(struct mr_log_writer **writer, const char *path, const struct mr_log_header *header,
                       const struct mr_log_writer_options *options, struct mr_error *err)
{
	struct mr_log_writer *const opened = mr_alloc(sizeof(*opened));
	const size_t path_size = strlen(path) + 1;

	MR_FAIL_IF(opened == NULL, err, MR_ERR_NOMEM, "out of memory for a log");
	opened->fd = -1;
	opened->header = *header;
	if (options != NULL)
		opened->options = *options;
	/* A frame that does not fit max_size_bytes is lost whole, so it is to be a small part of it. */
	opened->frame_at = FRAME_CONTENT;
	if (opened->options.max_size_bytes != 0 && opened->options.max_size_bytes / 4 < FRAME_CONTENT)
		opened->frame_at = (size_t)(opened->options.max_size_bytes / 4);

	opened->path = mr_alloc(path_size);
	if (opened->path == NULL) {
		mr_fail(&opened->failure, MR_ERR_NOMEM, "out of memory for a log");
		goto failed;
	}
	memcpy(opened->path, path, path_size);

	opened->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (opened->fd < 0 || fstat(opened->fd, &opened->file) < 0) {
		mr_fail(&opened->failure, MR_ERR_WRITE, "cannot create '%s': %s", path, strerror(errno));
		goto failed;
	}
	if (compressor_new(opened) < 0 || write_header(opened) < 0)
		goto failed;

	*writer = opened;
	return 0;

failed:;
	const int code = fail(opened, err);
	release(opened);
	return code;
}

uint32_t mr_log_writer_add_stream(struct mr_log_writer *writer)
{
	return ++writer->streams;
}

/* ---- Index --------------------------------------------------------------- */

static void index_put(struct mr_log_writer *writer, const struct mr_index_entry *entry)
{
	/* The offset is the sum of the sizes before; a span's end is near its start. */
	mr_buffer_put_uvarint(&writer->index, entry->size);
	mr_buffer_put_uvarint(&writer->index, entry->content);
	mr_buffer_put_uvarint(&writer->index, entry->kinds);
	mr_buffer_put_uvarint(&writer->index, entry->stream);
	mr_buffer_put_uvarint(&writer->index, entry->time_first);
	mr_buffer_put_uvarint(&writer->index, entry->time_last - entry->time_first);
	mr_buffer_put_uvarint(&writer->index, entry->snapshot_first);
	mr_buffer_put_uvarint(&writer->index, entry->snapshot_last - entry->snapshot_first);
	writer->frame_count++;
}

/* All entries, with room for one more; the caller frees them.  NULL: no memory. */
static struct mr_index_entry *index_entries(const struct mr_log_writer *writer)
{
	struct mr_index_entry *const entries = mr_alloc((size_t)(writer->frame_count + 1) * sizeof(*entries));
	const uint8_t *in = writer->index.data;
	const uint8_t *const end = in + writer->index.len;
	uint64_t offset = MR_LOG_HEADER_SIZE;

	if (entries == NULL)
		return NULL;
	for (uint64_t i = 0; i < writer->frame_count; i++) {
		struct mr_index_entry *const entry = &entries[i];
		uint64_t *const fields[] = { &entry->size,           &entry->content,      &entry->kinds,
			                     &entry->stream,         &entry->time_first,   &entry->time_last,
			                     &entry->snapshot_first, &entry->snapshot_last };

		for (size_t field = 0; field < MR_ARRAY_LEN(fields); field++)
			in += mr_get_uvarint(in, end, fields[field]);
		entry->offset = offset;
		entry->time_last += entry->time_first;
		entry->snapshot_last += entry->snapshot_first;
		offset += entry->size;
	}
	return entries;
}

/* ---- Frames -------------------------------------------------------------- */

static void put_frame_block(struct mr_buffer *content, uint32_t stream, uint64_t sequence)
{
	struct mr_block_writer block;

	mr_block_begin(&block, content, MR_KIND_FRAME, 1);
	mr_block_scalar(&block, MR_FRAME_STREAM, stream);
	mr_block_scalar(&block, MR_FRAME_SEQUENCE, sequence);
	mr_block_end(&block);
}

/* Puts the frame's first block, whose sequence number is known only now, into
 * the gap that pending_for() left, right before the rest.  Gives where it starts. */
static size_t fill_gap(struct mr_log_writer *writer, struct pending *pending)
{
	uint8_t bytes[FRAME_BLOCK_MAX];
	struct mr_buffer block = { .data = bytes, .capacity = sizeof(bytes) };

	put_frame_block(&block, pending->stream_first, writer->sequence);
	memcpy(pending->content.data + FRAME_BLOCK_MAX - block.len, bytes, block.len);
	return FRAME_BLOCK_MAX - block.len;
}

/* Whether max_size_bytes applies to GROUP.  Definitions and summaries are small
 * and explain the rest; they and the end have END_RESERVE to themselves.  What call stacks
 * hold is written for as long as its writer sees fit: the last of it is what a recording is for. */
static bool is_limited(const struct mr_log_writer *writer, enum mr_group group)
{
	return writer->options.max_size_bytes != 0 && group != MR_GROUP_DEFINITIONS &&
	       group != MR_GROUP_SUMMARY && group != MR_GROUP_HEAP && group != MR_GROUP_END;
}

static int level_of(const struct mr_log_writer *writer, enum mr_group group)
{
	const bool summary = group == MR_GROUP_DEFINITIONS || group == MR_GROUP_HEAP;

	return summary && writer->options.summary_level != 0 ? writer->options.summary_level
	                                                     : writer->options.compression_level;
}

/* Compresses and writes the content of PENDING as one frame; one that would go
 * past max_size_bytes is dropped, and all of its kind from then on. */
static int write_frame(struct mr_log_writer *writer, struct pending *pending, enum mr_group group)
{
	if (pending->content.failed)
		return mr_fail(&writer->failure, MR_ERR_NOMEM, "out of memory for a frame");

	const size_t start = fill_gap(writer, pending);
	const size_t content_len = pending->content.len - start;
	const size_t bound = ZSTD_compressBound(content_len);

	mr_buffer_clear(&writer->compressed);
	uint8_t *const out = mr_buffer_reserve(&writer->compressed, bound);
	if (out == NULL)
		return mr_fail(&writer->failure, MR_ERR_NOMEM, "out of memory for a frame of %zu bytes",
		               content_len);

	MR_TRY(set_level(writer, level_of(writer, group)));
	const size_t len =
		ZSTD_compress2(writer->zstd, out, bound, pending->content.data + start, content_len);
	if (ZSTD_isError(len))
		return mr_fail(&writer->failure, MR_ERR_NOMEM, "cannot compress: %s", ZSTD_getErrorName(len));
	if (is_limited(writer, group) &&
	    writer->size_bytes + len + END_RESERVE > writer->options.max_size_bytes) {
		writer->full = true;
		return 0;
	}
	MR_TRY(write_bytes(writer, out, len));

	const struct mr_index_entry entry = {
		.size = len,
		.content = content_len,
		.kinds = pending->kinds,
		.stream = pending->several ? 0 : pending->stream,
		.time_first = pending->span.time_first,
		.time_last = pending->span.time_last,
		.snapshot_first = pending->span.snapshot_first,
		.snapshot_last = pending->span.snapshot_last,
	};
	index_put(writer, &entry);
	writer->frame_content = content_len;
	writer->sequence++;
	return 0;
}

static void pending_clear(struct pending *pending)
{
	struct mr_buffer content = pending->content;

	mr_buffer_clear(&content);
	*pending = (struct pending){ .content = content };
}

static int flush_group(struct mr_log_writer *writer, enum mr_group group)
{
	struct pending *const pending = &writer->pending[group];

	if (!pending->used)
		return 0;
	if (!(writer->full && is_limited(writer, group)))
		MR_TRY(write_frame(writer, pending, group));
	pending_clear(pending);
	return 0;
}

int mr_log_writer_flush(struct mr_log_writer *writer, struct mr_error *err)
{
	/* Definitions go first, so that what is cut off behind them has its names. */
	for (int group = 0; group < MR_GROUP_COUNT && writer->failure.code == MR_OK; group++)
		(void)flush_group(writer, (enum mr_group)group);
	return writer->failure.code == MR_OK ? 0 : fail(writer, err);
}

/* ---- Blocks -------------------------------------------------------------- */

/* The group's buffer, ready for a block of STREAM. */
static struct mr_buffer *content_for(struct mr_log_writer *writer, uint32_t stream, enum mr_kind kind)
{
	struct pending *const pending = &writer->pending[mr_kind_group(kind)];

	if (!pending->used) {
		if (mr_buffer_reserve(&pending->content, FRAME_BLOCK_MAX) != NULL)
			pending->content.len = FRAME_BLOCK_MAX;
		pending->used = true;
		pending->stream_first = stream;
		pending->kinds = UINT64_C(1) << MR_KIND_FRAME;
	} else if (pending->stream != stream) {
		pending->several = true;
		put_frame_block(&pending->content, stream, writer->sequence);
	}
	pending->stream = stream;
	return &pending->content;
}

static void span_add(struct pending *pending, const struct mr_log_span *span)
{
	struct mr_log_span *const sum = &pending->span;

	if (span->time_last != 0) {
		if (sum->time_last == 0 || span->time_first < sum->time_first)
			sum->time_first = span->time_first;
		if (span->time_last > sum->time_last)
			sum->time_last = span->time_last;
	}
	if (span->snapshot_last != 0) {
		if (sum->snapshot_last == 0 || span->snapshot_first < sum->snapshot_first)
			sum->snapshot_first = span->snapshot_first;
		if (span->snapshot_last > sum->snapshot_last)
			sum->snapshot_last = span->snapshot_last;
	}
}

/* Counts a block of KIND in; makes a frame when there is enough for one. */
static int block_added(struct mr_log_writer *writer, enum mr_kind kind, const struct mr_log_span *span,
                       struct mr_error *err)
{
	const enum mr_group group = mr_kind_group(kind);
	struct pending *const pending = &writer->pending[group];

	pending->kinds |= UINT64_C(1) << kind;
	if (span != NULL)
		span_add(pending, span);
	if (pending->content.len < writer->frame_at && !pending->content.failed)
		return 0;
	if (group != MR_GROUP_DEFINITIONS)
		(void)flush_group(writer, MR_GROUP_DEFINITIONS);
	if (writer->failure.code == MR_OK)
		(void)flush_group(writer, group);
	return writer->failure.code == MR_OK ? 0 : fail(writer, err);
}

void mr_log_writer_begin(struct mr_log_writer *writer, uint32_t stream, enum mr_kind kind, uint32_t rows,
                         struct mr_block_writer *block)
{
	writer->block_kind = kind;
	mr_block_begin(block, content_for(writer, stream, kind), kind, rows);
}

int mr_log_writer_end(struct mr_log_writer *writer, struct mr_block_writer *block,
                      const struct mr_log_span *span, struct mr_error *err)
{
	mr_block_end(block);
	if (writer->failure.code != MR_OK) {
		pending_clear(&writer->pending[mr_kind_group(writer->block_kind)]);
		return fail(writer, err);
	}
	if (block->out->len - block->start > MR_LOG_BLOCK_CONTENT_MAX) {
		mr_fail(&writer->failure, MR_ERR_LIMIT,
		        "a block of %zu bytes is larger than the %u that are allowed",
		        block->out->len - block->start, MR_LOG_BLOCK_CONTENT_MAX);
		return fail(writer, err);
	}
	return block_added(writer, writer->block_kind, span, err);
}

int mr_log_writer_append(struct mr_log_writer *writer, uint32_t stream, const void *data, size_t len,
                         const struct mr_log_span *span, struct mr_error *err)
{
	struct mr_block block;
	size_t used = 0;

	MR_TRY(mr_block_parse(data, len, &used, &block, err));
	MR_FAIL_IF(used != len || len > MR_LOG_BLOCK_CONTENT_MAX || block.kind == MR_KIND_FRAME ||
	                   mr_kind_group(block.kind) >= MR_GROUP_END,
	           err, MR_ERR_FORMAT, "%zu bytes that should be a block of rows are not", len);
	if (writer->failure.code != MR_OK)
		return fail(writer, err);

	mr_buffer_append(content_for(writer, stream, (enum mr_kind)block.kind), data, len);
	return block_added(writer, (enum mr_kind)block.kind, span, err);
}

/* ---- The file's beginning and end ---------------------------------------- */

int mr_log_writer_restart(struct mr_log_writer *writer, struct mr_error *err)
{
	if (writer->failure.code != MR_OK)
		return fail(writer, err);
	for (size_t i = 0; i < MR_GROUP_COUNT; i++)
		pending_clear(&writer->pending[i]);
	mr_buffer_clear(&writer->index);
	writer->frame_count = 0;
	writer->sequence = 0;
	writer->size_bytes = 0;
	writer->full = false;
	if (ensure_open(writer) < 0)
		return fail(writer, err);
	if (ftruncate(writer->fd, 0) < 0 || lseek(writer->fd, 0, SEEK_SET) < 0)
		mr_fail(&writer->failure, MR_ERR_WRITE, "cannot start '%s' afresh: %s", writer->path,
		        strerror(errno));
	else
		(void)write_header(writer);
	return writer->failure.code == MR_OK ? 0 : fail(writer, err);
}

/* The end frame (end and index) and the seek table. */
static int write_end(struct mr_log_writer *writer, uint64_t time_ns, enum mr_end_reason reason)
{
	struct mr_index_entry *const entries = index_entries(writer);
	struct pending *const pending = &writer->pending[MR_GROUP_END];
	struct mr_block_writer block;
	struct mr_buffer table = { 0 };

	if (entries == NULL)
		return mr_fail(&writer->failure, MR_ERR_NOMEM, "out of memory for the index");

	(void)content_for(writer, 0, MR_KIND_END); /* stream 0: the segment's own */
	pending->kinds |= UINT64_C(1) << MR_KIND_END | UINT64_C(1) << MR_KIND_INDEX;
	mr_block_begin(&block, &pending->content, MR_KIND_END, 1);
	mr_block_scalar(&block, MR_END_TIME, time_ns);
	mr_block_scalar(&block, MR_END_REASON, writer->full ? MR_END_SIZE : reason);
	mr_block_end(&block);
	if (writer->frame_count <= MR_LOG_INDEX_ROWS_MAX)
		mr_index_encode(&pending->content, entries, (size_t)writer->frame_count);

	const uint64_t end_offset = writer->size_bytes;
	int code = write_frame(writer, pending, MR_GROUP_END);
	if (code == 0) {
		/* frame_count has grown by the end frame: the table has it too. */
		struct mr_index_entry *const end = &entries[writer->frame_count - 1];

		*end = (struct mr_index_entry){ .offset = end_offset,
			                        .size = writer->size_bytes - end_offset,
			                        .content = writer->frame_content };
		mr_seek_table_encode(&table, entries, (size_t)writer->frame_count);
		code = mr_buffer_status(&table, &writer->failure);
		if (code == 0)
			code = write_bytes(writer, table.data, table.len);
	}
	mr_buffer_release(&table);
	mr_free(entries);
	return code;
}

int mr_log_writer_close(struct mr_log_writer *writer, uint64_t time_ns, enum mr_end_reason reason,
                        struct mr_error *err)
{
	if (writer == NULL)
		return 0;

	int code = mr_log_writer_flush(writer, err);
	if (code == 0) {
		const uint64_t frames_end = writer->size_bytes;

		if (write_end(writer, time_ns, reason) < 0) {
			/* Half an end is no end: the log is then one that was cut there. */
			if (!is_open(writer, writer->fd) || ftruncate(writer->fd, (off_t)frames_end) < 0)
				mr_error_prepend(&writer->failure, "cannot cut '%s' back", writer->path);
			code = fail(writer, err);
		}
	}
	if (is_open(writer, writer->fd) && close(writer->fd) < 0 && code == 0)
		code = mr_fail(err, MR_ERR_WRITE, "cannot finish '%s': %s", writer->path, strerror(errno));
	writer->fd = -1;
	release(writer);
	return code;
}

void mr_log_writer_abandon(struct mr_log_writer *writer)
{
	if (writer != NULL)
		release(writer);
}

/* ---- Facts --------------------------------------------------------------- */

uint64_t mr_log_writer_size(const struct mr_log_writer *writer)
{
	return writer->size_bytes;
}

uint64_t mr_log_writer_memory(const struct mr_log_writer *writer)
{
	uint64_t size_bytes = sizeof(*writer) + writer->compressed.capacity + writer->index.capacity +
	                      ZSTD_sizeof_CCtx(writer->zstd);

	for (size_t i = 0; i < MR_GROUP_COUNT; i++)
		size_bytes += writer->pending[i].content.capacity;
	return size_bytes;
}

bool mr_log_writer_is_full(const struct mr_log_writer *writer)
{
	return writer->full;
}
