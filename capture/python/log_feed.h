/* SPDX-License-Identifier: MIT
 *
 * Python's account in the log: the whole store at once (dump_stats), or as it
 * happens (a log that was asked for, MEMCAPTURE_LOG, or a memrecord that listens),
 * by way of libmemcapture's rings and writer thread, so that a program that is
 * killed loses its last second at most, and nothing under memrecord.
 *
 * Both write the same rows: object N of the log is row N of the store.  Under the
 * GIL, except where a function says that it gives it up.  Private to _capture.
 */
#ifndef MR_LOG_FEED_H
#define MR_LOG_FEED_H

#include "tracked_store.h"

/* Writes the store as a whole, ended log at PATH (another process's memrecord and
 * MEMCAPTURE_LOG do not matter to it).  -1 with a Python error (OSError, MemoryError). */
int mr_feed_dump(const struct mr_store *store, const char *path);

/* Begins to write what happens to STORE from now on, and what happened before.
 *
 * Where to: see mr_feed_capture_open().  When nobody asks for a log *FEED is NULL, without an
 * error.  -1 with a Python error (OSError, MemoryError). */
int mr_feed_open(struct mr_feed **feed, struct mr_store *store, const char *path);
/* Ends the log.  NULL is fine.  -1 with a Python error: what could not be written. */
int mr_feed_close(struct mr_feed *feed);

/* In a forked child all of the following do nothing.  FEED may be NULL.
 * These never fail towards the program: the first failure is kept for mr_feed_close(). */
void mr_feed_class(struct mr_feed *feed, uint32_t class_index, unsigned level, bool keep, bool trace);
void mr_feed_birth(struct mr_feed *feed, uint32_t row);
void mr_feed_death(struct mr_feed *feed, uint32_t row); /* or detached: by the row's flags */
void mr_feed_level(struct mr_feed *feed, uint32_t row);
void mr_feed_snapshot(struct mr_feed *feed, uint32_t snapshot); /* it is complete in the store */
void mr_feed_mark(struct mr_feed *feed, const char *text, size_t len);
/* clear(): the log starts afresh; STORE is the one that it tells of from now on. */
void mr_feed_restart(struct mr_feed *feed, struct mr_store *store);
/* detach_all(): what the log tells of stays, the objects that were observed are told as
 * detached, and STORE is the one that it tells of from now on. */
void mr_feed_move(struct mr_feed *feed, struct mr_store *store);

#endif
