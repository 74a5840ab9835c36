/* SPDX-License-Identifier: MIT
 *
 * The kernel's own account of fork, exec and exit, from its process events
 * connector (netlink): for root only, and where the kernel has it.  It names
 * processes that live too short a time to be found in /proc, and tells how those
 * ended that others reap.  It speaks of every process of the machine; threads
 * are left out by a filter in the kernel.
 *
 * One thread.
 */
#ifndef MR_PROCESS_EVENTS_H
#define MR_PROCESS_EVENTS_H

#include "base.h"

enum mr_process_event_kind {
	MR_PROCESS_EVENT_FORK,
	MR_PROCESS_EVENT_EXEC,
	MR_PROCESS_EVENT_EXIT,
};

struct mr_process_event {
	enum mr_process_event_kind kind;
	uint32_t pid;
	uint32_t parent_pid; /* FORK */
	int wait_status;     /* EXIT: as wait(2) gives it */
	uint64_t time_ns;    /* CLOCK_MONOTONIC */
};

typedef int mr_process_event_handler(void *context, const struct mr_process_event *event,
                                     struct mr_error *err);

/* A descriptor that polls readable when there are events, or -1 when there are none to be had here. */
int mr_process_events_open(void);
/* Calls HANDLER for each event that waits, at most MAX.  *LOST: some were dropped
 * because nobody read them in time.  Errors are those of HANDLER. */
int mr_process_events_read(int fd, unsigned max, mr_process_event_handler *handler, void *context, bool *lost,
                           struct mr_error *err) MR_MUST_CHECK;

/* One datagram of the connector: true and EVENT when it is one of the three. */
bool mr_process_events_parse(const void *datagram, size_t len, struct mr_process_event *event);

#endif
