/* SPDX-License-Identifier: MIT
 *
 * What sampler.c (which processes there are, and when they are looked at) and
 * sampler_look.c (a look at one of them) share.  Nobody else includes it.
 */
#ifndef MR_SAMPLER_PRIVATE_H
#define MR_SAMPLER_PRIVATE_H

#include "sampler.h"
#include "sampler_log.h"

#define MR_SAMPLER_ENDED_MAX 4096

/* A process that has ended a short time ago. */
struct mr_sampler_ended {
	uint32_t pid;
	uint64_t start_ticks;
	uint64_t time_ns;
};

struct mr_sampler {
	struct mr_sampler_log log;
	struct mr_sampler_options options;
	struct mr_process **processes; /* alive, by pid */
	size_t count;
	size_t capacity;
	size_t first;            /* where the next tick begins */
	struct mr_process *root; /* also once it has ended */
	uint32_t own_pid;
	int ends_fd;

	uint64_t due_ns;
	uint64_t write_due_ns;
	struct mr_budget budget;        /* processor time of the sampler */
	struct mr_budget rollup_budget; /* time in smaps_rollup, for all processes together */
	struct mr_sampler_totals totals;
	uint64_t rss_now;
	struct mr_sampler_ended ended[MR_SAMPLER_ENDED_MAX]; /* a ring */
	size_t ended_count;
};

/* What a look may cost PROCESS, which began at NOW. */
void mr_sampler_look_budgets(struct mr_process *process, uint64_t now);
/* Takes a sample.  *ANSWERED: false when the process has ended, which is not an error. */
int mr_sampler_look(struct mr_sampler *sampler, struct mr_process *process, bool *answered,
                    struct mr_error *err) MR_MUST_CHECK;
/* Reads everything, whatever it costs, and writes a snapshot row. */
int mr_sampler_look_closely(struct mr_sampler *sampler, struct mr_process *process, struct mr_error *err)
	MR_MUST_CHECK;
/* The last words of a process that has ended: names that it was not asked for in
 * time, and the samples that wait. */
int mr_sampler_look_back(struct mr_sampler *sampler, struct mr_process *process, struct mr_error *err)
	MR_MUST_CHECK;

#endif
