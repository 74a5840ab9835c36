/* SPDX-License-Identifier: MIT
 *
 * Empties a channel's rings into a log: turns records into blocks, times into
 * nanoseconds, and passes on the blocks that the program encoded itself.  Used
 * by libmemcapture's flush thread and by memrecord; one thread at a time.
 * Private to capture/.
 *
 * The rings are another program's memory: what they hold is checked, and a ring
 * that holds nonsense is given up, once, with a message; the others go on.
 */
#ifndef MR_EVENT_DRAIN_H
#define MR_EVENT_DRAIN_H

#include "channel.h"
#include "log_writer.h"

struct mr_drain;

/* CHANNEL and WRITER are borrowed; STREAM is the number that
 * mr_log_writer_add_stream() gave.  The STREAM block comes out of the channel. */
int mr_drain_new(struct mr_drain **drain, struct mr_channel *channel, struct mr_log_writer *writer,
                 uint32_t stream, struct mr_error *err) MR_MUST_CHECK;
void mr_drain_free(struct mr_drain *drain);

/* Takes what the rings hold now into the log writer (call mr_log_writer_flush()
 * at least once a second).  The first failure is given, but the rings are
 * emptied in any case: a full disk does not stop the program. */
int mr_drain_run(struct mr_drain *drain, struct mr_error *err) MR_MUST_CHECK;
/* The program closed its capture and all of it has been taken. */
bool mr_drain_finished(const struct mr_drain *drain);

/* For a log that starts afresh: what the rings hold is thrown away; the stream is another one. */
void mr_drain_discard(struct mr_drain *drain);
void mr_drain_set_stream(struct mr_drain *drain, uint32_t stream);

struct mr_drain_counts {
	uint64_t births;
	uint64_t deaths;
	uint64_t changes;
	uint64_t blocks;
	uint64_t bytes; /* of records */
	uint64_t waits; /* of the program's threads, for room */
	uint64_t wait_ns;
	uint64_t dropped; /* records lost because the writer had stopped */
};

void mr_drain_counts(const struct mr_drain *drain, struct mr_drain_counts *counts);
uint64_t mr_drain_memory(const struct mr_drain *drain); /* bytes that it holds */

#endif
