/* SPDX-License-Identifier: MIT
 *
 * Writes a log from frames that another one has: bytes are copied, only ends,
 * indexes and seek tables are new.  Repairing and naming places in the code
 * build on it.  The output appears whole or not at all.
 */
#ifndef MR_LOG_REPAIR_REWRITE_H
#define MR_LOG_REPAIR_REWRITE_H

#include "log_reader.h"

struct mr_rewrite {
	struct mr_output output;
	struct mr_log *from; /* borrowed */
	uint64_t offset;     /* bytes of the segment so far */
	struct mr_index_entry *entries;
	size_t entry_count;
	size_t entry_capacity;
	uint8_t *chunk; /* for copying */
};

/* Reads all of LOG, and marks the frames that cannot be used. */
int mr_rewrite_check(struct mr_log *log, struct mr_error *err) MR_MUST_CHECK;
/* Whether SEGMENT can stay as it is, as far as its frames have been read. */
bool mr_rewrite_is_whole(const struct mr_log_segment *segment);

/* OUT_PATH as in mr_output_open().  After an error, and in the end, mr_rewrite_release(). */
int mr_rewrite_open(struct mr_rewrite *rewrite, struct mr_log *from, const char *out_path,
                    struct mr_error *err) MR_MUST_CHECK;
/* Copies SIZE bytes from OFFSET of the old log as they are. */
int mr_rewrite_copy(struct mr_rewrite *rewrite, uint64_t offset, uint64_t size_bytes, struct mr_error *err)
	MR_MUST_CHECK;
/* Begins a segment: its header as it is in the old log, or one made from what is known. */
int mr_rewrite_begin(struct mr_rewrite *rewrite, const struct mr_log_segment *segment, struct mr_error *err)
	MR_MUST_CHECK;
/* Copies a frame. */
int mr_rewrite_frame(struct mr_rewrite *rewrite, const struct mr_frame *frame, struct mr_error *err)
	MR_MUST_CHECK;
struct mr_usable {
	uint64_t frames; /* copied */
	uint64_t frames_left_out;
	uint64_t time_last; /* when the segment ends */
};

/* Copies the frames of SEGMENT that are not marked, its end apart. */
int mr_rewrite_usable(struct mr_rewrite *rewrite, const struct mr_log_segment *segment,
                      struct mr_usable *done, struct mr_error *err) MR_MUST_CHECK;
/* Writes a new frame of STREAM with BLOCKS (LEN bytes, whole blocks of the kinds in KINDS). */
int mr_rewrite_blocks(struct mr_rewrite *rewrite, uint64_t stream, const uint8_t *blocks, size_t len,
                      uint64_t kinds, struct mr_error *err) MR_MUST_CHECK;
/* Ends the segment: end frame, index, seek table. */
int mr_rewrite_end(struct mr_rewrite *rewrite, uint64_t time_ns, enum mr_end_reason reason,
                   struct mr_error *err) MR_MUST_CHECK;
/* Lets the output appear. */
int mr_rewrite_commit(struct mr_rewrite *rewrite, struct mr_error *err) MR_MUST_CHECK;
void mr_rewrite_release(struct mr_rewrite *rewrite);

#endif
