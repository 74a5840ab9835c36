/* SPDX-License-Identifier: MIT
 *
 * Writes a log: takes blocks of one or more streams, gathers them by group,
 * makes zstd frames of them, and at the end the index and the seek table.  The
 * tracker's writer thread and memrecord use it; each log writer belongs to one
 * thread at a time.  Private to capture/.
 *
 * The first failure sticks: later calls do nothing and give it again, and the
 * file is cut back to its last whole frame.
 */
#ifndef MR_LOG_WRITER_H
#define MR_LOG_WRITER_H

#include "log_format.h"

struct mr_log_writer;

struct mr_log_writer_options {
	/* 0: no limit.  Past it, events, detail and samples are dropped and the end says so. */
	uint64_t max_size_bytes;
	int compression_level; /* zstd's; 0: its default */
	/* Of definitions and of what call stacks hold, which mostly come at the end; 0: as the rest. */
	int summary_level;
};

/* Creates (or truncates) the file at PATH and writes HEADER.  OPTIONS may be NULL. */
int mr_log_writer_open(struct mr_log_writer **writer, const char *path, const struct mr_log_header *header,
                       const struct mr_log_writer_options *options, struct mr_error *err) MR_MUST_CHECK;
/* Starts the file afresh: nothing that was written or gathered remains, and no
 * stream but their numbers, which go on. */
int mr_log_writer_restart(struct mr_log_writer *writer, struct mr_error *err) MR_MUST_CHECK;

/* A new stream's number, 1.. .  The caller appends its STREAM block. */
uint32_t mr_log_writer_add_stream(struct mr_log_writer *writer);

/* What the index says of a block; zeros where it has no times or snapshots. */
struct mr_log_span {
	uint64_t time_first;
	uint64_t time_last;
	uint64_t snapshot_first;
	uint64_t snapshot_last;
};

/* Begins a block of KIND for STREAM; fill BLOCK with mr_block_column() and so
 * on, then end it.  At most one block is under way.  A block takes at most 1 MiB. */
void mr_log_writer_begin(struct mr_log_writer *writer, uint32_t stream, enum mr_kind kind, uint32_t rows,
                         struct mr_block_writer *block);
int mr_log_writer_end(struct mr_log_writer *writer, struct mr_block_writer *block,
                      const struct mr_log_span *span, struct mr_error *err) MR_MUST_CHECK;
/* Appends one whole encoded block, DATA; MR_ERR_FORMAT when it is not one. */
int mr_log_writer_append(struct mr_log_writer *writer, uint32_t stream, const void *data, size_t len,
                         const struct mr_log_span *span, struct mr_error *err) MR_MUST_CHECK;

/* Makes frames of all that is gathered and hands them to the kernel. */
int mr_log_writer_flush(struct mr_log_writer *writer, struct mr_error *err) MR_MUST_CHECK;
/* Flushes, writes end, index and seek table, and closes.  TIME is that of the
 * stream that ends last.  WRITER is gone, also on failure. NULL is fine. */
int mr_log_writer_close(struct mr_log_writer *writer, uint64_t time_ns, enum mr_end_reason reason,
                        struct mr_error *err);
/* Forgets all without another write: for a forked child.  Closes the descriptor. */
void mr_log_writer_abandon(struct mr_log_writer *writer);

uint64_t mr_log_writer_size(const struct mr_log_writer *writer);   /* bytes written so far */
uint64_t mr_log_writer_memory(const struct mr_log_writer *writer); /* bytes that it holds */
bool mr_log_writer_is_full(const struct mr_log_writer *writer);    /* max_size_bytes was reached */

#endif
