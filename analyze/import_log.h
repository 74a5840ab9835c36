/* SPDX-License-Identifier: MIT
 *
 * A log that is put together in memory, for the normal reader: what an importer
 * writes.  One segment with one stream.  Blocks are gathered by group and become
 * frames, compressed as fast as zstd can; any order of blocks is fine but that
 * of the DETAIL group, which the reader goes through from front to back.
 *
 * Not thread-safe.  Memory failures are kept and come out of mr_import_log_end().
 */
#ifndef MR_IMPORT_LOG_H
#define MR_IMPORT_LOG_H

#include "log_format.h"

#define MR_IMPORT_STREAM 1
#define MR_IMPORT_ROWS 16384 /* rows of a block, at most */

/* The frame of a group that is being filled. */
struct mr_import_frame {
	struct mr_buffer content;
	struct mr_index_entry entry;
};

struct mr_import_log {
	struct mr_buffer out;
	struct mr_buffer whole; /* the frame that is being made */
	struct mr_import_frame frames[MR_GROUP_COUNT];
	struct mr_index_entry *entries;
	size_t entry_count;
	size_t entry_capacity;
	enum mr_group group;          /* of the block under way */
	struct mr_block_writer block; /* the block under way */
	int code;                     /* the first failure */
};

void mr_import_log_begin(struct mr_import_log *log, uint64_t pid);
void mr_import_log_release(struct mr_import_log *log);

/* What a block speaks of, for the index; zeros: of no time, of no snapshot. */
struct mr_import_span {
	uint64_t time_last;
	uint64_t snapshot_first;
	uint64_t snapshot_last;
};

/* Begins a block; fill the one that is given, then end it. */
struct mr_block_writer *mr_import_log_block(struct mr_import_log *log, enum mr_kind kind, uint32_t rows);
void mr_import_log_block_end(struct mr_import_log *log, const struct mr_import_span *span);

/* Ends the log; log->out holds it then. */
int mr_import_log_end(struct mr_import_log *log, uint64_t time_ns, struct mr_error *err) MR_MUST_CHECK;

/* Columns of a block that is gathered row by row. */
#define MR_IMPORT_COLUMNS 8
struct mr_import_rows {
	enum mr_kind kind;
	unsigned columns; /* ids 1 .. columns */
	uint32_t count;
	struct mr_import_span span;
	uint64_t (*values)[MR_IMPORT_ROWS]; /* by id - 1; owned */
};

/* 0 or MR_ERR_NOMEM. */
int mr_import_rows_init(struct mr_import_rows *rows, enum mr_kind kind, unsigned columns,
                        struct mr_error *err) MR_MUST_CHECK;
void mr_import_rows_release(struct mr_import_rows *rows);
/* Writes what is gathered, if anything. */
void mr_import_rows_flush(struct mr_import_rows *rows, struct mr_import_log *log);

/* Appends a row: the caller fills values[id - 1][the number given]. */
static inline uint32_t mr_import_rows_add(struct mr_import_rows *rows, struct mr_import_log *log)
{
	if (MR_UNLIKELY(rows->count == MR_IMPORT_ROWS))
		mr_import_rows_flush(rows, log);
	return rows->count++;
}

#endif
