/* SPDX-License-Identifier: MIT
 *
 * The capture of libmemcapture's that an account of Python's has to itself: where
 * its log goes, how it ends, and what concerns the log as a whole.  The capture's
 * clock is CLOCK_MONOTONIC and its zero is the caller's, so that a time of the
 * program's is the same in the log.  Under the GIL.  Private to _capture.
 */
#ifndef MR_FEED_CAPTURE_H
#define MR_FEED_CAPTURE_H

#include <Python.h>

#include <limits.h>

#include "tracker.h"

/* Opens a capture for a stream of SOURCE whose zero is ZERO_NS (CLOCK_MONOTONIC).
 *
 * Where to: into memrecord's log, when the program runs under one, where each account is
 * a stream of the same run; otherwise to what MEMCAPTURE_LOG names, the first account of
 * the process that is written under that name and later ones with a number before its
 * ending ("profile.2.dat"); otherwise to PATH.  "%p" in a name is the pid.  With PATH NULL
 * and nobody else who asks for a log, or with MEMCAPTURE_LOG=off, *CAPTURE is NULL, without an
 * error.  -1 with a Python error (OSError, MemoryError); a log that only MEMCAPTURE_LOG asked
 * for and that cannot be written is a RuntimeWarning.
 *
 * NAME is filled with the log's path, or "": memrecord's, or not known. */
int mr_feed_capture_open(struct memcapture **capture, enum mr_stream_source source, uint64_t zero_ns,
                         const char *path, char name[PATH_MAX]);
/* Ends the log; CAPTURE is gone in any case.  -1 with a Python error: FAILURE, when it is one, or
 * what could not be written to NAME. */
int mr_feed_capture_close(struct memcapture *capture, const struct mr_error *failure, const char *name);
/* A word in the log at this moment.  What fails is kept in FAILURE. */
void mr_feed_capture_mark(struct memcapture *capture, const char *text, size_t len, struct mr_error *failure);

static inline uint64_t mr_feed_capture_ticks(const struct memcapture *capture, uint64_t time_ns)
{
	return capture->channel->header->zero_monotonic_ns + time_ns;
}

/* Now, in nanoseconds since the stream's zero. */
static inline uint64_t mr_feed_capture_now(const struct memcapture *capture)
{
	return mr_clock_monotonic_ns() - capture->channel->header->zero_monotonic_ns;
}

#endif
