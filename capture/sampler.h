/* SPDX-License-Identifier: MIT
 *
 * The process sampler: the memory of a set of processes over time, from /proc
 * into a log, a stream each.  Who belongs to the set is decided elsewhere
 * (process_tree.h, memrecord's run); the sampler looks, paces itself, and says
 * in the log what it saw and how each process ended.
 *
 * What it costs: rss and vsz are read every time; faults, cpu and threads too,
 * unless a process has so many threads that it would take more than 0.2% of the
 * time; pss, uss and swap make the kernel walk the process's page tables, so
 * they get at most 0.3%, of each process's time and of all.  And all that is done
 * for the sampler's sake gets 0.6% of a core, or what its caller allows, who also
 * charges it: when there is more to look at, it looks less often.
 *
 * One thread.  Errors come from the log or from memory; after the first one the
 * sampler is of no more use, and the processes do not notice.
 */
#ifndef MR_SAMPLER_H
#define MR_SAMPLER_H

#include "log_writer.h"
#include "sampler_process.h"

struct mr_sampler;

struct mr_sampler_options {
	uint64_t interval_ns; /* 0: by age, see mr_sampler_interval_ns() */
	uint32_t share_ppm;   /* of a core, for all that is charged; 0: 6000 */
	bool arguments;       /* of command lines; else only the first word */
	const char *home;     /* the folder that shows as "~"; borrowed; NULL: none */
	const char *command;  /* of the root, where /proc tells it no more; borrowed, may be NULL */
	/* Called for each process that has ended, after its last words; NULL: nobody wants to know. */
	void (*ended)(void *context, const struct mr_process *process, struct mr_process_end end);
	void *context;
};

/* WRITER is borrowed. */
int mr_sampler_new(struct mr_sampler **sampler, struct mr_log_writer *writer,
                   const struct mr_sampler_options *options, struct mr_error *err) MR_MUST_CHECK;
void mr_sampler_free(struct mr_sampler *sampler); /* NULL is fine */

/* Adds process PID, which STAT was read of, and takes its first sample.  The
 * first process that is added is the root, whose stream also holds what is to be
 * said of the whole capture.  A process that is known is left as it is, but when
 * its pid is used again. */
int mr_sampler_add(struct mr_sampler *sampler, uint32_t pid, const struct mr_proc_stat *stat,
                   struct mr_error *err) MR_MUST_CHECK;
bool mr_sampler_knows(const struct mr_sampler *sampler, uint32_t pid);
size_t mr_sampler_alive_count(const struct mr_sampler *sampler);
/* Process PID (if it is known) may have called exec(2): look at its names again. */
void mr_sampler_renamed(struct mr_sampler *sampler, uint32_t pid);
/* What the kernel's events say of how process PID ended; believed when it has ended
 * and nothing better is known. */
void mr_sampler_hint_end(struct mr_sampler *sampler, uint32_t pid, struct mr_process_end end);
/* Process PID has ended so. Unknown ones are ignored. */
int mr_sampler_ended(struct mr_sampler *sampler, uint32_t pid, struct mr_process_end end,
                     struct mr_error *err) MR_MUST_CHECK;
/* A process that began at BEGIN_NS (CLOCK_MONOTONIC) and has ended before it could
 * be looked at: a stream that says so. */
int mr_sampler_missed(struct mr_sampler *sampler, uint32_t pid, const struct mr_proc_stat *stat,
                      uint64_t begin_ns, struct mr_process_end end, struct mr_error *err) MR_MUST_CHECK;
/* Whether PID was in the set at TIME_NS, not long ago, for news that comes late. */
bool mr_sampler_knew(const struct mr_sampler *sampler, uint32_t pid, uint64_t time_ns);
/* Whether its end has been told of already: a zombie changes hands when its parent ends. */
bool mr_sampler_has_ended(const struct mr_sampler *sampler, uint32_t pid, uint64_t start_ticks);
/* The name (comm) of process PID; "" when it is not known.  Borrowed until it ends. */
const char *mr_sampler_name(const struct mr_sampler *sampler, uint32_t pid);

/* Whether PROCESS, which has ended, ran the image of another that lives: a fork without an exec, as far as
 * can be told. */
bool mr_sampler_shares_image(const struct mr_sampler *sampler, const struct mr_process *process);

/* Whether more has been spent than there was. */
bool mr_sampler_is_behind(const struct mr_sampler *sampler);
/* Writes a setting of the capture into the root's stream; KEY and VALUE are copied. */
int mr_sampler_setting(struct mr_sampler *sampler, const char *key, const char *value, struct mr_error *err)
	MR_MUST_CHECK;

/* The same for a figure. */
int mr_sampler_counter(struct mr_sampler *sampler, const char *key, uint64_t value, struct mr_error *err)
	MR_MUST_CHECK;

/* Samples what is due and writes once a second what has gathered. */
int mr_sampler_tick(struct mr_sampler *sampler, struct mr_error *err) MR_MUST_CHECK;
/* CLOCK_MONOTONIC at which mr_sampler_tick() is next needed, and may be afforded. */
uint64_t mr_sampler_due_ns(const struct mr_sampler *sampler);
/* Reads everything of every process and writes a snapshot row for each. */
int mr_sampler_snapshot(struct mr_sampler *sampler, struct mr_error *err) MR_MUST_CHECK;

/* A descriptor that polls readable when a process may have ended that nobody
 * has told of; then call mr_sampler_look_for_ends(). */
int mr_sampler_ends_fd(const struct mr_sampler *sampler);
int mr_sampler_look_for_ends(struct mr_sampler *sampler, struct mr_error *err) MR_MUST_CHECK;

/* Says of every process that is left that it runs on, and writes the counters.  Only
 * mr_sampler_totals() and _free() may follow. */
int mr_sampler_finish(struct mr_sampler *sampler, struct mr_error *err) MR_MUST_CHECK;

struct mr_sampler_totals {
	uint64_t rss_peak_root; /* bytes; as sampled */
	uint64_t rss_peak_tree; /* of the sum over all processes at one time */
	uint64_t process_count;
	uint64_t sample_count;
	uint64_t cost_ns; /* processor time of sampling */
};

void mr_sampler_totals(const struct mr_sampler *sampler, struct mr_sampler_totals *totals);

/* Charges COST_NS of processor time that was spent for the sampler's sake, here or
 * elsewhere: when there are samples again follows from it. */
void mr_sampler_charge(struct mr_sampler *sampler, uint64_t cost_ns);
uint64_t mr_sampler_thread_cpu_ns(void); /* of the calling thread */

#endif
