/* SPDX-License-Identifier: MIT
 *
 * Ghosts: processes that the kernel told of, and of which nothing has been read
 * yet: they ended too soon, or there were more of them than could be afforded.
 * Private to memrecord.
 */
#ifndef MR_MEMRECORD_GHOSTS_H
#define MR_MEMRECORD_GHOSTS_H

#include "proc_memory.h"

#define MR_GHOSTS_MAX 4096 /* kept at a time: a reader of events looks through all of them */

struct mr_ghost {
	uint32_t pid;
	uint32_t parent_pid;
	uint64_t time_ns;            /* of its fork, CLOCK_MONOTONIC */
	uint64_t start_ticks;        /* 0: to be computed from that */
	char name[MR_PROC_COMM_MAX]; /* its parent's, until it calls exec(2) */
};

struct mr_ghosts {
	struct mr_ghost *items;
	size_t count;
	size_t capacity;
};

void mr_ghosts_release(struct mr_ghosts *ghosts);
/* Adds one; of more than MR_GHOSTS_MAX nobody hears.  0 or MR_ERR_NOMEM. */
int mr_ghosts_add(struct mr_ghosts *ghosts, const struct mr_ghost *ghost, struct mr_error *err) MR_MUST_CHECK;
/* NULL: none.  Borrowed until the set changes. */
struct mr_ghost *mr_ghosts_find(const struct mr_ghosts *ghosts, uint32_t pid);
/* Takes one out; the last one moves to its place.  NULL is fine. */
void mr_ghosts_forget(struct mr_ghosts *ghosts, struct mr_ghost *ghost);

/* What /proc would have said, had the process lived to be asked. */
struct mr_proc_stat mr_ghost_stat(const struct mr_ghost *ghost);
/* CLOCK_MONOTONIC, in ns, at a start in clock ticks. */
uint64_t mr_ghost_start_ns(uint64_t start_ticks);

#endif
