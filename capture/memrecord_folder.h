/* SPDX-License-Identifier: MIT
 *
 * Folders in which programs leave channels (channel.h), as memrecord sees them:
 * made, watched, scanned for new files, and removed.  What lies there was made by
 * other programs and is distrusted.  Shared by the channels of programs that
 * track objects and those of the heap's interposer.  Private to memrecord.
 */
#ifndef MR_MEMRECORD_FOLDER_H
#define MR_MEMRECORD_FOLDER_H

#include <limits.h>

#include "channel.h"

struct mr_folder {
	char path[PATH_MAX]; /* "": there is none */
	struct mr_channel_writer *page;
	int inotify_fd; /* polls readable when something was added; -1: none */
};

/* Makes a folder with a writer's page in a place of the system's for such things,
 * and clears away what memrecords that were killed left there. */
int mr_folder_make(struct mr_folder *folder, struct mr_error *err) MR_MUST_CHECK;
/* The same, as the subfolder NAME of the folder at PARENT. */
int mr_folder_make_below(struct mr_folder *folder, const char *parent, const char *name, struct mr_error *err)
	MR_MUST_CHECK;
/* Removes it with all that it holds.  Zeroes are fine. */
void mr_folder_release(struct mr_folder *folder);

/* A file that may be a channel was attached; the file itself is removed. */
struct mr_folder_channel {
	struct mr_channel *channel; /* the visitor's to close */
	uint32_t pid;               /* this and the next: of the file's name */
	uint64_t start_ticks;
};

/* False: no more for now; what was not visited stays. */
typedef bool mr_folder_visit(void *context, const struct mr_folder_channel *found);

/* Attaches what lies in the folder if something was added since the last call.  The first
 * complaint about a file that is no channel lands in COMPLAINT. */
void mr_folder_scan(struct mr_folder *folder, mr_folder_visit *visit, void *context,
                    struct mr_error *complaint);

/* ---- Memory that vanishes ------------------------------------------------------
 *
 * A program can cut its file while we have it mapped.  Then a read of ours gets
 * SIGBUS; between these two a page of zeros takes the place of the one that is
 * gone, so that whoever reads goes on and finds nonsense.  For the calling thread; pairs nest. */
void mr_folder_guard_begin(void);
void mr_folder_guard_end(void);

#endif
