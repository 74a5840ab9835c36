/* SPDX-License-Identifier: MIT
 *
 * What happens while a recording runs: signals, ended children, new processes,
 * samples and channels, from one loop that sleeps until the next of them is due.
 * Private to memrecord.
 */
#ifndef MR_MEMRECORD_WATCH_H
#define MR_MEMRECORD_WATCH_H

#include <pthread.h>
#include <signal.h>
#include <sys/types.h>

#include "heap_recorder.h"
#include "memrecord_channel.h"
#include "memrecord_ghosts.h"
#include "process_tree.h"
#include "sampler.h"

struct mr_watch {
	pid_t pid;            /* of the command, or of the process that is watched */
	bool child;           /* it is our child: wait for it and its orphans, pass signals on */
	uint64_t start_ticks; /* its */
	uint64_t begin_ns;

	struct mr_log_writer *writer;
	struct mr_sampler *sampler;
	struct mr_process_tree *tree;
	struct mr_channels *channels;  /* NULL: none */
	struct mr_heap_recorder *heap; /* NULL: heaps are not recorded */
	pthread_mutex_t log_lock;      /* of WRITER: held but while the loop sleeps */
	int signal_fd;
	int events_fd; /* -1: none to be had */
	int timer_fd;
	int epoll_fd;

	uint64_t look_due_ns;   /* for new processes */
	uint64_t events_due_ns; /* UINT64_MAX while epoll tells of events */
	struct mr_ghosts ghosts;

	uint64_t channels_cpu_ns; /* processor time that went into channels */
	uint64_t charged_cpu_ns;  /* and into the rest, as far as the sampler knows of it */

	uint64_t rss_max; /* the most that the command, or a process that it waited for, ever held */
	bool ended;
	struct mr_process_end end; /* of the command, once ended; state 0: told to stop */
	struct mr_error failure;   /* of the log; nothing is recorded after it */
};

/* The signals that memrecord takes from a signalfd; to be blocked before. */
void mr_watch_signals(sigset_t *signals);

/* Makes descriptors and the tree; pid, child, start_ticks, writer, sampler, channels
 * and heap (or NULL) are set and stay the caller's, as does the lock.  mr_watch_release() in any case. */
int mr_watch_begin(struct mr_watch *watch, struct mr_error *err) MR_MUST_CHECK;
/* Returns when the command has ended, or memrecord was told to stop. */
void mr_watch_run(struct mr_watch *watch);
void mr_watch_release(struct mr_watch *watch);

/* For the sampler's and the channels' options; CONTEXT is the watch. */
void mr_watch_process_ended(void *context, const struct mr_process *process, struct mr_process_end end);
void mr_watch_channel_found(void *context, uint32_t pid, uint64_t start_ticks);

#endif
