/* SPDX-License-Identifier: MIT
 *
 * Where blocks of Python's account go: into a log of their own at once (a dump), or
 * into an open capture's rings, from where libmemcapture's thread or memrecord takes
 * them.  Private to feed_*.c and log_feed*.c; under the GIL.
 */
#ifndef MR_FEED_SINK_H
#define MR_FEED_SINK_H

#include "log_writer.h"
#include "tracker.h"

/* Rows in a block at most: then the widest rows that there are fit a ring's block. */
#define MR_FEED_ROWS 4096u
#define MR_FEED_TEXT_BYTES (64u << 10) /* of a text; what is longer is cut */

struct mr_feed_sink {
	struct mr_log_writer *writer; /* NULL: CAPTURE's rings */
	uint32_t stream;
	uint32_t string_next; /* of a dump */
	struct memcapture *capture;
	struct mr_buffer buffer;
	struct mr_block_writer block;
	enum mr_kind kind;
	struct mr_error failure; /* the first */
};

void mr_feed_sink_release(struct mr_feed_sink *sink);

/* One block at a time: begin, columns (mr_block_column()), end.  A failure is kept. */
struct mr_block_writer *mr_feed_sink_begin(struct mr_feed_sink *sink, enum mr_kind kind, uint32_t rows);
void mr_feed_sink_end(struct mr_feed_sink *sink, const struct mr_log_span *span); /* NULL: of no time */

/* COUNT ids for strings that nobody else gives; the first of them. */
uint32_t mr_feed_sink_string_ids(struct mr_feed_sink *sink, uint32_t count);
/* Defines one text; its id. */
uint32_t mr_feed_sink_text(struct mr_feed_sink *sink, const char *text, size_t len);

/* How many of the first LEN bytes of TEXT are kept: never a part of a character. */
size_t mr_feed_text_cut(const char *text, size_t len);

#endif
