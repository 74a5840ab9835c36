/* SPDX-License-Identifier: MIT
 *
 * Starting the command that memrecord records, as env(1) starts one: found along
 * PATH, in memrecord's own process group and on its terminal, with the signal
 * mask and dispositions that memrecord itself was started with.
 *
 * The process exists before the command runs, so that its log can be opened
 * under its pid first, and nothing runs when that fails.
 */
#ifndef MR_MEMRECORD_LAUNCH_H
#define MR_MEMRECORD_LAUNCH_H

#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base.h"

#define MR_EXIT_OWN_FAILURE 125 /* memrecord failed before the command ran */
#define MR_EXIT_NOT_EXECUTABLE 126
#define MR_EXIT_NOT_FOUND 127

/* What memrecord changes for itself and its children must not see. */
struct mr_inherited {
	sigset_t mask;
	struct sigaction sigchld;
	struct sigaction sigpipe;
	struct sigaction sigusr1;
	struct sigaction sigxfsz;
	struct rlimit files;
	bool files_raised;
};

/* Blocks the signals in WAITED (to be read from a signalfd), ignores those that a
 * write could get, makes sure that ended children can be waited for, and raises
 * the limit of open files. */
void mr_launch_prepare(struct mr_inherited *inherited, const sigset_t *waited);

/* Where the words of a command lead: 0 and the file's PATH, or one of the exit statuses
 * above, with a message. Nothing is started. */
int mr_launch_check(const char *command, char path[PATH_MAX], struct mr_error *err) MR_MUST_CHECK;

struct mr_launch {
	pid_t pid;
	int go_fd;    /* its closing without a byte ends the process */
	int error_fd; /* the errno of a failed exec; closes when the command runs */
};

/* Makes the process, with FOLDER (NULL: none) in MR_CHANNEL_ENVIRONMENT. */
int mr_launch_begin(struct mr_launch *launch, char *const *argv, const char *folder,
                    const struct mr_inherited *inherited, struct mr_error *err) MR_MUST_CHECK;
/* Lets it run the command, and waits until that is so: 0, or the exit status for
 * what went wrong, with a message; the process is gone then. */
int mr_launch_go(struct mr_launch *launch, const char *command, struct mr_error *err) MR_MUST_CHECK;
/* Ends it instead. */
void mr_launch_cancel(struct mr_launch *launch);

#endif
