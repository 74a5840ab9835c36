/* SPDX-License-Identifier: MIT
 *
 * One recording: starts a command (or finds a process), watches it and its
 * descendants until it ends, and leaves the log.  Private to memrecord.
 *
 * What goes wrong with the log once the command runs never reaches the command:
 * the recording ends, the command goes on, and a message follows at its end.
 */
#ifndef MR_MEMRECORD_RUN_H
#define MR_MEMRECORD_RUN_H

#include "base.h"

struct mr_run_options {
	const struct mr_command *command; /* who complains */
	const char *output;               /* NULL: COMMAND.PID.dat; "%p" in it is the pid */
	uint64_t interval_ns;             /* 0: by age */
	uint64_t max_size_bytes;          /* 0: no limit */
	uint32_t pid;                     /* record this process; 0: run ARGV */
	bool arguments;
	bool quiet;
	bool heap;      /* record allocations; what follows is for that */
	bool events;    /* each of them */
	bool all_sites; /* each of very many call stacks */
	bool mmap;      /* mappings, too */
	bool symbols;   /* name places in the code */
	unsigned depth;
	char **argv; /* ends with NULL */
};

/* Gives memrecord's exit status; complaints have been made. */
int mr_run_recording(const struct mr_run_options *options);

/* PATTERN with "%p" as PID and "%%" as "%", or without one NAME.PID.dat.  The
 * caller frees it with mr_free(). NULL: no memory. */
char *mr_run_log_path(const char *pattern, const char *name, uint32_t pid);

#endif
