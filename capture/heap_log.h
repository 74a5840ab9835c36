/* SPDX-License-Identifier: MIT
 *
 * Blocks on their way from the heap's thread into the log.  The log belongs to
 * memrecord's main loop, which may be in the middle of something that takes long;
 * so blocks are encoded into a box of the heap's own, and move on when the log is
 * free, or have to wait for it when there are too many of them.  What every block
 * of the heap has in common is here, too.  Private to memrecord; one thread.
 */
#ifndef MR_HEAP_LOG_H
#define MR_HEAP_LOG_H

#include <pthread.h>

#include "log_writer.h"

struct mr_heap_log {
	struct mr_log_writer *writer; /* borrowed; used with LOCK held */
	pthread_mutex_t *lock;        /* borrowed */
	struct mr_buffer bytes;       /* encoded blocks, one behind the other */
	struct mr_heap_log_entry *entries;
	size_t entry_count;
	size_t entry_capacity;
	uint64_t bytes_total;    /* ever encoded */
	uint64_t max_size_bytes; /* of the log; 0: no limit */
	bool full;               /* only what explains the rest may be written */
	struct mr_error failure; /* the first; nothing is written after it */
};

struct mr_heap_log_entry {
	uint32_t stream;
	size_t len;
	struct mr_log_span span;
};

void mr_heap_log_release(struct mr_heap_log *log);

/* A new stream's number. */
uint32_t mr_heap_log_stream(struct mr_heap_log *log);
/* Begins a block; fill BLOCK, then end it. */
void mr_heap_log_begin(struct mr_heap_log *log, enum mr_kind kind, uint32_t rows,
                       struct mr_block_writer *block);
/* SPAN may be NULL: no times, no snapshots. */
void mr_heap_log_end(struct mr_heap_log *log, struct mr_block_writer *block, uint32_t stream,
                     const struct mr_log_span *span);
/* Rows with the columns 1 to COLUMNS, whose values stand one column behind the other, STRIDE apart. */
struct mr_heap_log_rows {
	enum mr_kind kind;
	uint32_t stream;
	const struct mr_log_span *span; /* NULL: no times, no snapshots */
	const uint64_t *values;
	size_t stride;
	unsigned columns;
	/* A bit for each column whose values stand as they are: what repeats in it are sequences of
	 * them, which differences would hide. */
	uint32_t plain;
};
/* Writes COUNT of the rows, at least one, from the FIRST on, as one block; false: that would be too large. */
bool mr_heap_log_block(struct mr_heap_log *log, const struct mr_heap_log_rows *rows, size_t first,
                       size_t count) MR_MUST_CHECK;
/* As one block or as several. */
void mr_heap_log_blocks(struct mr_heap_log *log, const struct mr_heap_log_rows *rows, size_t first,
                        size_t count);
/* Hands on what is in the box if the log is free; with WAIT in any case. */
void mr_heap_log_pass_on(struct mr_heap_log *log, bool wait);

/* Defines a string and gives its id; 0 for "".  *NEXT is the stream's next one. */
uint64_t mr_heap_log_string(struct mr_heap_log *log, uint32_t stream, uint64_t *next, const char *text,
                            size_t len);

#endif
