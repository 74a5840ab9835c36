/* SPDX-License-Identifier: MIT
 *
 * One process as the sampler sees it: its open files in /proc, what was read
 * last, and the samples that wait to be written.  Private to the sampler.
 *
 * A process is its pid and its start, in clock ticks: pids are used again.  The
 * open files stay bound to the process that they were opened for, so a read
 * never tells of a successor.
 */
#ifndef MR_SAMPLER_PROCESS_H
#define MR_SAMPLER_PROCESS_H

#include "log_format.h"
#include "proc_memory.h"
#include "sampler_pace.h"

struct mr_sample { /* the columns of MR_KIND_SAMPLES, in their order; time is CLOCK_MONOTONIC */
	uint64_t time_ns;
	uint64_t rss;
	uint64_t vsz;
	uint64_t pss; /* this and the next two: MR_PROC_UNKNOWN where not read */
	uint64_t uss;
	uint64_t swap;
	uint64_t faults_minor;
	uint64_t faults_major;
	uint64_t cpu_user_ns;
	uint64_t cpu_system_ns;
	uint64_t threads;
};
_Static_assert(sizeof(struct mr_sample) == MR_SAMPLES_THREADS * sizeof(uint64_t), "a member a column");

/* How a process ended, as far as someone who did not reap it can know. */
struct mr_process_end {
	enum mr_exit_state state;
	uint64_t value; /* exit code or signal */
};

#define MR_PROCESS_PROGRAM_MAX 64

struct mr_process {
	uint32_t pid;
	uint32_t parent_pid;
	uint64_t start_ticks;
	uint64_t parent_start_ticks; /* 0: not known */

	int statm_fd; /* -1: opened for each read */
	int stat_fd;
	int pidfd; /* -1: the kernel has none; readable when the process has ended */

	/* In the log. */
	uint32_t stream;
	uint64_t zero_ns; /* CLOCK_MONOTONIC at the stream's zero */
	uint64_t string_count;
	uint64_t snapshot_count;
	struct mr_process_end end_hint; /* state 0: none */
	bool named;                     /* a PROCESS row tells of the image that runs now */
	bool look_at_image;             /* it may have changed */
	unsigned nameless_looks;        /* that found no command line: exec(2) was under way */

	/* The image: what exec(2) changes. */
	char comm[MR_PROC_COMM_MAX];
	char program[MR_PROCESS_PROGRAM_MAX]; /* its file's name, cut; empty: not known */
	uint64_t program_ns; /* it was that, or became it, after this time (CLOCK_MONOTONIC) */
	uint64_t image_code;
	uint64_t image_stack;

	struct mr_sample last; /* time_ns 0: none yet */
	uint64_t written_ns;   /* time of the last row */
	bool last_unwritten;   /* the last sample said nothing new and is not among the rows */
	struct mr_sample *rows;
	size_t row_count;
	size_t row_capacity;
	uint64_t rss_peak;
	uint64_t due_ns;                /* next sample */
	struct mr_budget stat_budget;   /* for stat, which walks the process's threads */
	struct mr_budget rollup_budget; /* for smaps_rollup, which walks its page tables */
	uint64_t rollup_due_ns;
	uint64_t rollup_cost_ns; /* of the last reading, and the rss that it was for */
	uint64_t rollup_rss;
	bool rollup_refused; /* no permission: not tried again until exec */
};

/* Opens the files of process PID, which STAT was read of.  NULL: no memory. */
struct mr_process *mr_process_new(uint32_t pid, const struct mr_proc_stat *stat);
void mr_process_free(struct mr_process *process); /* NULL is fine */
/* Gives back the files, which a process that has ended no longer needs. */
void mr_process_close(struct mr_process *process);

/* MR_ERR_READ: the process has ended. */
int mr_process_read_stat(struct mr_process *process, struct mr_proc_stat *stat) MR_MUST_CHECK;
int mr_process_read_statm(struct mr_process *process, uint64_t *rss, uint64_t *vsz) MR_MUST_CHECK;

/* Takes over name and image from STAT; true when they have changed. */
bool mr_process_image_changed(struct mr_process *process, const struct mr_proc_stat *stat);

struct mr_process_end mr_process_end_from_status(int wait_status); /* as wait(2) gives it */
/* For a process that has ended and is someone else's child. */
struct mr_process_end mr_process_end_find(struct mr_process *process);

#endif
