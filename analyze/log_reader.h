/* SPDX-License-Identifier: MIT
 *
 * Opens a log, finds its segments and frames, and gives their content, checked.
 * What a block means is the model's affair.  From the back, by seek tables and
 * indexes, where the log ended well; else by walking through all of it, finding
 * the next whole frame behind what is damaged.  Distrusts every byte, allocates
 * for what is there and not for what is claimed, and counts what is lost.
 *
 *   log_reader_source.c  bytes of a file, of standard input, of memory
 *   log_reader.c         segments by their indexes
 *   log_reader_scan.c    segments without
 *   log_reader_frames.c  frames decompressed by threads, given in order
 *   log_reader_columns.c values of a block's columns, a chunk at a time
 */
#ifndef MR_LOG_READER_H
#define MR_LOG_READER_H

#include "base.h"
#include "log_format.h"

/* ---- Notes: what was found wrong, a sentence each ------------------------- */

#define MR_NOTES_MAX 100 /* more are counted only */

struct mr_notes {
	size_t count;
	char **items;
	size_t capacity;
	size_t left_out;
};

void mr_notes_release(struct mr_notes *notes);
/* 0 or MR_ERR_NOMEM. */
int mr_notes_add(struct mr_notes *notes, struct mr_error *err, const char *format, ...) MR_PRINTF(3, 4)
	MR_MUST_CHECK;

/* ---- Sources -------------------------------------------------------------- */

struct mr_source {
	char *path;            /* as shown */
	int fd;                /* -1: memory */
	const uint8_t *memory; /* borrowed */
	uint8_t *owned;        /* what `memory` is when it is the source's own */
	uint64_t size_bytes;   /* when it was opened: what is appended later is not seen */
};

/* Opens the file at PATH; "-" (and what is no regular file) is copied to an
 * unlinked temporary file first, which then is standard input, so that it can be
 * opened again.  MR_ERR_READ, MR_ERR_NOMEM. */
int mr_source_open(struct mr_source *source, const char *path, struct mr_error *err) MR_MUST_CHECK;
int mr_source_open_memory(struct mr_source *source, const void *data, size_t size_bytes, const char *name,
                          struct mr_error *err) MR_MUST_CHECK;
/* The bytes of LOG (taken) take the place of the file's. */
void mr_source_become(struct mr_source *source, struct mr_buffer *log);
void mr_source_release(struct mr_source *source);
/* Bytes read, less than LEN only at the end.  From any thread. */
int64_t mr_source_read(const struct mr_source *source, void *data, size_t len, uint64_t offset,
                       struct mr_error *err) MR_MUST_CHECK;

/* ---- Logs ----------------------------------------------------------------- */

enum mr_segment_end {
	MR_SEGMENT_WHOLE,     /* an end frame, an index and a seek table that fit */
	MR_SEGMENT_UNINDEXED, /* ended, but the index is missing or damaged */
	MR_SEGMENT_CUT,       /* no end: killed, still running, or truncated */
};

/* Compressed bytes of a frame: what cannot be compressed grows by less than that. */
#define MR_FRAME_SIZE_MAX (MR_LOG_FRAME_CONTENT_MAX + (64u << 10))

struct mr_frame {
	uint64_t offset;     /* in the file */
	uint32_t size_bytes; /* compressed */
	uint32_t content_bytes;
	uint64_t kinds;  /* bit K: holds a block of kind K */
	uint64_t stream; /* 0: of several */
	uint64_t time_first;
	uint64_t time_last;
	uint64_t snapshot_first; /* 0 .. UINT64_MAX where it may speak of any */
	uint64_t snapshot_last;
	uint64_t sequence; /* found without an index: its number in the segment */
	uint32_t segment;
	bool damaged; /* known to be; its content is lost */
	bool counted; /* for mr_model's figures */
};

struct mr_log_segment {
	struct mr_log_header header;
	bool has_header;
	bool sealed; /* a seek table closed it: no frame follows */
	uint64_t offset;
	uint64_t size_bytes;
	size_t frame_count; /* without the end frame where there is an index */
	struct mr_frame *frames;
	size_t frame_capacity;
	uint64_t frames_missing;
	uint64_t bytes_lost;
	uint64_t end_reason; /* enum mr_end_reason, 0: none */
	uint64_t end_time;
	enum mr_segment_end end;
};

struct mr_log {
	struct mr_source source;
	size_t segment_count;
	struct mr_log_segment *segments; /* in the order of their bytes */
	size_t segment_capacity;
	struct mr_notes notes;
	uint64_t content_left; /* bytes of content that frames may still claim */
};

/* Takes SOURCE (also on failure).  MR_ERR_FORMAT: empty or not a log;
 * MR_ERR_VERSION; the message begins with the path. */
int mr_log_open_take(struct mr_log *log, struct mr_source *source, struct mr_error *err) MR_MUST_CHECK;
void mr_log_release(struct mr_log *log);
/* Records that FRAME cannot be used: a note, and its bytes as lost; once a frame. */
int mr_log_damaged(struct mr_log *log, struct mr_frame *frame, const char *reason, struct mr_error *err)
	MR_MUST_CHECK;

/* ---- Frames --------------------------------------------------------------- */

/* Gives the content of frames in order while threads decompress the next ones. */
struct mr_frame_pipe;

struct mr_frame_content {
	struct mr_frame *frame;
	const uint8_t *data; /* NULL: damaged; borrowed until the next call */
	size_t len;
	const char *reason; /* why it is damaged */
};

/* FRAMES is borrowed until the pipe is closed. */
int mr_frame_pipe_open(struct mr_frame_pipe **pipe, const struct mr_log *log, struct mr_frame *const *frames,
                       size_t count, struct mr_error *err) MR_MUST_CHECK;
void mr_frame_pipe_close(struct mr_frame_pipe *pipe); /* NULL is fine */
/* 1: the next frame; 0: no more; or an error (memory, reading). */
int mr_frame_pipe_next(struct mr_frame_pipe *pipe, struct mr_frame_content *content, struct mr_error *err)
	MR_MUST_CHECK;

/* What mr_frame_decompress() works with; NULL: no memory. */
void *mr_decompressor_new(void);
void mr_decompressor_free(void *zstd);
/* Decompresses one frame that lies in memory; 0, or MR_ERR_FORMAT with the reason. */
int mr_frame_decompress(void *zstd, const uint8_t *data, size_t len, uint8_t *content, size_t content_len,
                        struct mr_error *err) MR_MUST_CHECK;
/* The bytes of content that the frame at DATA claims, when it is one that a log
 * may hold: a zstd frame with checksum and a content size within the limit. 0
 * or MR_ERR_FORMAT / MR_ERR_LIMIT. */
int mr_frame_claim(const uint8_t *data, size_t len, uint32_t *content_bytes, struct mr_error *err)
	MR_MUST_CHECK;

enum mr_frame_effort { MR_FRAME_SMALL, MR_FRAME_FASTEST };

/* Appends CONTENT as one frame to OUT.  MR_ERR_NOMEM. */
int mr_frame_compress(struct mr_buffer *out, const uint8_t *content, size_t len, enum mr_frame_effort effort,
                      struct mr_error *err) MR_MUST_CHECK;

/* Bytes of the whole frame that begins at DATA; 0 when [DATA, DATA + LEN) does not hold it. */
size_t mr_frame_measure(const uint8_t *data, size_t len);

/* ---- Columns -------------------------------------------------------------- */

#define MR_CHUNK 256 /* rows that are handled at a time */

/* Reads a column from front to back.  Absent columns read as zeros. */
struct mr_cursor {
	const uint8_t *in;
	const uint8_t *end;
	uint64_t value; /* the last one, for deltas; the run's, for runs */
	uint64_t step;
	uint32_t run_left;
	uint32_t rows_left;
	uint8_t encoding;
	uint8_t id;
};

/* MR_ERR_FORMAT: an encoding that is not known. */
int mr_cursor_open(struct mr_cursor *cursor, const struct mr_block *block, unsigned id, struct mr_error *err)
	MR_MUST_CHECK;
/* The next COUNT values (at most those that are left), MR_ERR_FORMAT when the bytes do not
 * hold them, or hold more than the block's rows. */
int mr_cursor_read(struct mr_cursor *cursor, uint64_t *out, uint32_t count, struct mr_error *err)
	MR_MUST_CHECK;

/* How many of the next values are *FIRST, *FIRST + *STEP and so on: 0 where they are not stored as such
 * a line, or none is left; or MR_ERR_FORMAT.  mr_cursor_pass() goes over as many of them, or fewer. */
int mr_cursor_line(struct mr_cursor *cursor, uint64_t *first, uint64_t *step, struct mr_error *err)
	MR_MUST_CHECK;
int mr_cursor_pass(struct mr_cursor *cursor, uint32_t count, struct mr_error *err) MR_MUST_CHECK;

/* Passes over COUNT values, without a look at them where that is possible. */
int mr_cursor_skip(struct mr_cursor *cursor, uint32_t count, struct mr_error *err) MR_MUST_CHECK;

#define MR_ROWS_COLUMNS_MAX 19

/* The rows of a block with the columns 1 .. COLUMNS, MR_CHUNK rows at a time. */
struct mr_rows {
	unsigned columns;
	uint32_t left;
	struct mr_cursor cursors[MR_ROWS_COLUMNS_MAX + 1];
	uint64_t values[MR_ROWS_COLUMNS_MAX + 1][MR_CHUNK]; /* by column id; 0 is not used */
};

int mr_rows_open(struct mr_rows *rows, const struct mr_block *block, unsigned columns, struct mr_error *err)
	MR_MUST_CHECK;
/* How many rows `values` holds now, 0 at the end; or MR_ERR_FORMAT. */
int mr_rows_next(struct mr_rows *rows, struct mr_error *err) MR_MUST_CHECK;
/* The same, but reads the columns up to FIRST_COLUMNS only; then mr_rows_rest() reads the others of the
 * chunk, or passes over them. */
int mr_rows_start(struct mr_rows *rows, unsigned first_columns, struct mr_error *err) MR_MUST_CHECK;
int mr_rows_rest(struct mr_rows *rows, unsigned first_columns, int count, bool wanted, struct mr_error *err)
	MR_MUST_CHECK;

#endif
