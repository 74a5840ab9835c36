/* SPDX-License-Identifier: MIT
 *
 * memrecord's side of channel.h: the folder in which programs that use
 * libmemcapture leave their channels, and the way of what these hold into the
 * log.  Programs that end without a word, are killed, or write nonsense are all
 * the same here: what can be read is taken, and nothing of it can crash or stop
 * memrecord.
 *
 * One thread, but for one of its own that waits for programs to call.
 */
#ifndef MR_MEMRECORD_CHANNEL_H
#define MR_MEMRECORD_CHANNEL_H

#include "log_writer.h"

struct mr_channels;

/* Called for each channel that was found, with the process that says it made it:
 * whoever is called sees to it that mr_channels_ended() follows one day. */
typedef void mr_channel_found(void *context, uint32_t pid, uint64_t start_ticks);

/* Makes the folder and the writer's page in it.  Without one (MR_ERR_WRITE)
 * programs write logs of their own. */
int mr_channels_new(struct mr_channels **channels, mr_channel_found *found, void *context,
                    struct mr_error *err) MR_MUST_CHECK;
/* Removes the folder.  NULL is fine. */
void mr_channels_free(struct mr_channels *channels);

/* The folder's path, for MR_CHANNEL_ENVIRONMENT. */
const char *mr_channels_folder(const struct mr_channels *channels);
/* A descriptor that polls readable when mr_channels_run() has something to do. */
int mr_channels_fd(const struct mr_channels *channels);

/* Says that memrecord lives, attaches new channels, and takes what all of them
 * hold into WRITER.  When the log fails, channels are emptied all the same, and
 * whoever uses WRITER next is told. */
void mr_channels_run(struct mr_channels *channels, struct mr_log_writer *writer);
/* CLOCK_MONOTONIC at which mr_channels_run() is next needed: never later than in 50 ms. */
uint64_t mr_channels_due_ns(const struct mr_channels *channels);
/* A process has ended: takes what its channels still hold and lets go of them. */
void mr_channels_ended(struct mr_channels *channels, uint32_t pid, uint64_t start_ticks,
                       struct mr_log_writer *writer);

/* What all channels so far have in common: how many, how often a program's thread
 * had to wait for room and how long, and what was lost because we were too late. */
struct mr_channels_totals {
	uint64_t count;
	uint64_t waits;
	uint64_t wait_ns;
	uint64_t dropped;
};

void mr_channels_totals(const struct mr_channels *channels, struct mr_channels_totals *totals);

/* A sentence about the first channel that could not be read, or not to its end; or NULL. */
const char *mr_channels_complaint(const struct mr_channels *channels);

#endif
