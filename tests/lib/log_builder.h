/* SPDX-License-Identifier: MIT
 *
 * Makes logs in memory for tests, block by block, from log_format.h and zstd
 * alone: what a writer would never do can be done too.  Fails by abort().
 */
#ifndef LOG_BUILDER_H
#define LOG_BUILDER_H

#include "log_format.h"

struct log_builder {
	struct mr_buffer bytes;   /* the log so far */
	struct mr_buffer content; /* of the frame under way */
	size_t segment;           /* where the segment under way begins */
	uint64_t stream;
	uint64_t sequence;
	struct mr_index_entry entry;
	struct mr_index_entry entries[256];
	size_t entry_count;
};

void log_builder_release(struct log_builder *builder);

/* Begins a segment with a header; version 1.0, pid 42, started at tick 7. */
void log_builder_begin(struct log_builder *builder);
void log_builder_begin_with(struct log_builder *builder, const struct mr_log_header *header);
/* Begins a frame of STREAM; later calls with another stream change it within the frame. */
void log_builder_frame(struct log_builder *builder, uint64_t stream);
/* Ends the frame; SPAN of snapshots for the index. */
void log_builder_frame_end(struct log_builder *builder, uint64_t snapshot_first, uint64_t snapshot_last);
/* The same with what is in `content` left as it is, and no claim in the index but KINDS. */
void log_builder_seal(struct log_builder *builder, uint64_t kinds);
/* End frame, index and seek table. */
void log_builder_end(struct log_builder *builder, uint64_t time_ns, enum mr_end_reason reason);

/* A block of ROWS rows; VALUES hold COLUMNS values a row, for the column ids 1 .. COLUMNS. */
void log_builder_rows(struct log_builder *builder, enum mr_kind kind, unsigned columns, uint32_t rows,
                      const uint64_t *values);
#define LOG_ROWS(builder, kind, columns, ...)                                                         \
	log_builder_rows(                                                                             \
		(builder), (kind), (columns),                                                         \
		(uint32_t)(sizeof((const uint64_t[]){ __VA_ARGS__ }) / sizeof(uint64_t) / (columns)), \
		(const uint64_t[]){ __VA_ARGS__ })
/* Strings with the ids FIRST, FIRST + 1, ... */
void log_builder_strings(struct log_builder *builder, uint64_t first, size_t count, const char *const *texts);
/* A STREAM block of process PID, ticks 7, with zero at CLOCK_MONOTONIC ns. */
void log_builder_stream(struct log_builder *builder, uint64_t pid, enum mr_stream_source source,
                        uint64_t clock_monotonic_ns);

/* One tracker's log with something of everything; see log_builder.c for what. */
void log_builder_sample(struct log_builder *builder);

/* The frames of a heap recording of process PID, as stream STREAM with its zero at CLOCK_MONOTONIC
 * ns; see log_builder_heap.c for what is in it. */
void log_builder_heap(struct log_builder *builder, uint64_t stream, uint64_t pid,
                      uint64_t clock_monotonic_ns);
/* A log of one such recording. */
void log_builder_heap_sample(struct log_builder *builder);

#endif
