/* SPDX-License-Identifier: MIT
 *
 * Who a process is: the machine's boot, the process's start, its command line
 * and its executable, from /proc.  Shared by the sampler and libmemcapture, so
 * that both name a process alike and their streams merge into one run.  As in
 * proc_memory.h: no heap, no stdio, no state; a pid of 0 is the caller's own.
 *
 * Nothing here reads the environment of the other process.  The user's home
 * folder shows as "~", wherever it stands at the start of a path.
 */
#ifndef MR_PROC_IDENTITY_H
#define MR_PROC_IDENTITY_H

#include "base.h"

/* boot id, pid and start ticks: what a log calls a run. */
struct mr_proc_identity {
	uint64_t boot_id[2]; /* high, low: the 128 bits of /proc/sys/kernel/random/boot_id */
	uint32_t pid;
	uint64_t start_ticks;
};

/* MR_ERR_READ: no such process, or no /proc. */
int mr_proc_identity_read(uint32_t pid, struct mr_proc_identity *identity) MR_MUST_CHECK;
/* "7ce429a1-aa1f-4360-a4e2-c5fc05618c37" as two numbers.  0 or MR_ERR_FORMAT. */
int mr_proc_boot_id_parse(const char *text, size_t len, uint64_t boot_id[2]) MR_MUST_CHECK;
int mr_proc_boot_id_read(uint64_t boot_id[2]) MR_MUST_CHECK;

#define MR_PROC_TEXT_MAX 4096 /* a good size for OUT below */

/* The following fill OUT (of SIZE bytes, at least 8) with text that ends in a
 * zero byte and give its length; 0 when there is nothing to say (a process that
 * has ended, a kernel thread, no permission).  What does not fit is cut, and
 * ends in "...".  HOME is the folder to show as "~", or NULL. */

/* The words of the command line, quoted as a shell would want them; without
 * ARGUMENTS, only the first. */
size_t mr_proc_command_line(uint32_t pid, bool arguments, const char *home, char *out, size_t size);
size_t mr_proc_executable(uint32_t pid, const char *home, char *out, size_t size);

/* The same for words at hand: LEN bytes in which every word ends in a zero byte. */
size_t mr_proc_command_quote(const char *words, size_t len, bool arguments, const char *home, char *out,
                             size_t size);
/* The same for what /proc/PID/cmdline holds, which may end in padding. */
size_t mr_proc_command_show(const char *words, size_t len, bool arguments, const char *home, char *out,
                            size_t size);
/* One path or text, with the home folder as "~" and no quotes. */
size_t mr_proc_path_show(const char *path, size_t len, const char *home, char *out, size_t size);

#endif
