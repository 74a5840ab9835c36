/* SPDX-License-Identifier: MIT
 *
 * A line on the terminal for commands that work for long.  Part of the commands,
 * not of the libraries, which never print.
 */
#ifndef MR_PROGRESS_H
#define MR_PROGRESS_H

#include "base.h"

/* From a second on, standard error shows how far the command NAME (borrowed)
 * is, if it is a terminal.  One line that is written over, and gone after
 * mr_progress_stop().  Where it cannot be shown nothing is, which is no error. */
void mr_progress_start(const char *name);
/* To be called before anything else is printed; does nothing where nothing was started. */
void mr_progress_stop(void);

/* Frames of logs that were asked for so far in this process, and those that
 * have been handed out.  Thread-safe.  In log_reader_frames.c. */
void mr_progress_frames(uint64_t *done, uint64_t *wanted);

#endif
