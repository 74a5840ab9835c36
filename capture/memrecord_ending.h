/* SPDX-License-Identifier: MIT
 *
 * A recording, as memrecord_run.c begins it and memrecord_ending.c ends it.  Private
 * to memrecord.
 */
#ifndef MR_MEMRECORD_ENDING_H
#define MR_MEMRECORD_ENDING_H

#include "memrecord_launch.h"
#include "memrecord_run.h"
#include "memrecord_watch.h"

struct mr_recording {
	const struct mr_run_options *options;
	struct mr_inherited inherited;
	struct mr_launch launch;
	struct mr_watch watch;
	char *path;
	char *command_line; /* as the log shows it; NULL with -p */
	const char *home;
	uint64_t begin_ns;
	uint64_t rss_begin; /* the most that memrecord had held when it made the command's process */
	struct mr_heap_recorder_totals heap;
	struct mr_error heap_complaint;
};

/* When there is nothing more to watch: ends the log and says what came of it.  What went wrong on the way is
 * said also when quiet. */
void mr_recording_finish(struct mr_recording *run);

#endif
