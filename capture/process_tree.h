/* SPDX-License-Identifier: MIT
 *
 * Finds the descendants of a process as they appear, from /proc alone.  A
 * process belongs to the tree when its parent does; memrecord is a subreaper, so
 * an orphan becomes memrecord's own child and is found as one.
 *
 * Most looks cost one small read: /proc/loadavg ends with the last pid that was
 * given out.  When it has moved, only the pids in between are looked at.  A scan
 * of all of /proc comes now and then, and where that file does not tell the
 * truth (some containers replace it), at most for 0.2% of the time.
 *
 * Processes that come and go between two looks are not found; see
 * process_events.h.  One thread.
 */
#ifndef MR_PROCESS_TREE_H
#define MR_PROCESS_TREE_H

#include "proc_memory.h"

/* Whom the tree asks and tells. */
struct mr_process_listener {
	void *context;
	/* Whether PID is in the tree (whoever watches its own children says so of itself). */
	bool (*knows)(void *context, uint32_t pid);
	/* PID is a process (not a thread, not a zombie) whose parent is in the tree. */
	int (*found)(void *context, uint32_t pid, const struct mr_proc_stat *stat, struct mr_error *err);
};

struct mr_process_tree;

/* Processes that started before START_TICKS, the root's, are none of its
 * descendants. LISTENER is copied.  The first look scans all of /proc. */
int mr_process_tree_new(struct mr_process_tree **tree, const struct mr_process_listener *listener,
                        uint64_t start_ticks, struct mr_error *err) MR_MUST_CHECK;
void mr_process_tree_free(struct mr_process_tree *tree); /* NULL is fine */

/* Whether someone else tells of new processes: then /proc is scanned only now and then. */
void mr_process_tree_relax(struct mr_process_tree *tree, bool relaxed);
bool mr_process_tree_is_relaxed(const struct mr_process_tree *tree);
/* Looks for new processes.  Errors are those of `found`. */
int mr_process_tree_look(struct mr_process_tree *tree, struct mr_error *err) MR_MUST_CHECK;

/* Whether PID names a thread beside its process's first one, or nothing at all:
 * /proc shows these like processes when asked by number. */
bool mr_process_is_thread(uint32_t pid);
/* The last pid in the text of /proc/loadavg.  0 or MR_ERR_FORMAT. */
int mr_process_tree_last_pid(const char *text, size_t len, uint32_t *pid) MR_MUST_CHECK;

#endif
