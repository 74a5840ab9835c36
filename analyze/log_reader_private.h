/* SPDX-License-Identifier: MIT
 *
 * What the parts of the log reader share with each other and with nobody else.
 */
#ifndef MR_LOG_READER_PRIVATE_H
#define MR_LOG_READER_PRIVATE_H

#include "log_reader.h"

/* A new segment at the end of the log's; borrowed until the next one is added. */
int mr_log__segment_add(struct mr_log *log, uint64_t offset, struct mr_log_segment **segment,
                        struct mr_error *err) MR_MUST_CHECK;
void mr_log__segment_release(struct mr_log_segment *segment);
/* Copies FRAME to the end of SEGMENT's frames.  MR_ERR_LIMIT: the log claims more
 * content than its bytes justify. */
int mr_log__frame_add(struct mr_log *log, struct mr_log_segment *segment, const struct mr_frame *frame,
                      struct mr_error *err) MR_MUST_CHECK;
/* The size of the header whose first bytes are at DATA: newer minor versions may have longer ones. */
uint64_t mr_log__header_size(const uint8_t *data);

/* Walks through [BEGIN, END) of the file, adding segments and frames, and finds
 * out what the frames hold.  MR_ERR_VERSION, _NOMEM, _READ. */
int mr_log__scan(struct mr_log *log, uint64_t begin, uint64_t end, struct mr_error *err) MR_MUST_CHECK;

/* Decompresses the frames of the segments from FIRST on once, to learn what they
 * hold and which are missing, and drops segments that are none. */
int mr_log__classify(struct mr_log *log, size_t first, struct mr_error *err) MR_MUST_CHECK;

/* Offset of the first place in DATA from which a frame, a header or a seek table may begin, or LEN. */
size_t mr_log__find_magic(const uint8_t *data, size_t len);

/* What the block FRAME says. */
int mr_log__frame_block(const uint8_t *content, size_t len, uint64_t *stream, uint64_t *sequence,
                        struct mr_error *err) MR_MUST_CHECK;

#endif
