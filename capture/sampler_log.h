/* SPDX-License-Identifier: MIT
 *
 * The sampler's side of the log: blocks of one process's stream.  Private to
 * the sampler; times that come in are CLOCK_MONOTONIC, times in the log count
 * from the stream's zero.
 */
#ifndef MR_SAMPLER_LOG_H
#define MR_SAMPLER_LOG_H

#include "log_writer.h"
#include "proc_identity.h"
#include "sampler_process.h"

struct mr_sampler_log {
	struct mr_log_writer *writer; /* borrowed */
	uint64_t boot_id[2];
	int64_t realtime_offset_ns; /* CLOCK_REALTIME less CLOCK_MONOTONIC */
	bool arguments;             /* of command lines; else only the first word */
	const char *home;           /* shown as "~"; borrowed, may be NULL */
	uint64_t *values;           /* room for a column */
	size_t value_capacity;
};

void mr_sampler_log_release(struct mr_sampler_log *log);

/* Gives PROCESS a stream whose zero is TIME_NS. */
int mr_sampler_log_stream(struct mr_sampler_log *log, struct mr_process *process, uint64_t time_ns,
                          struct mr_error *err) MR_MUST_CHECK;
/* What a PROCESS row says; "" where nothing is known. */
struct mr_process_names {
	const char *name;
	char command_line[MR_PROC_TEXT_MAX];
	char executable[MR_PROC_TEXT_MAX];
};

/* The names of the image that PROCESS runs now, from /proc. */
void mr_sampler_log_read_names(const struct mr_sampler_log *log, const struct mr_process *process,
                               struct mr_process_names *names);
int mr_sampler_log_image(struct mr_sampler_log *log, struct mr_process *process,
                         const struct mr_process_names *names, uint64_t time_ns, struct mr_error *err)
	MR_MUST_CHECK;
/* Writes and forgets the samples that wait. */
int mr_sampler_log_samples(struct mr_sampler_log *log, struct mr_process *process, struct mr_error *err)
	MR_MUST_CHECK;
/* A SNAPSHOTS row: MEMORY and what it took to read. */
int mr_sampler_log_snapshot(struct mr_sampler_log *log, struct mr_process *process, uint64_t time_ns,
                            uint64_t duration_ns, const struct mr_proc_memory *memory, struct mr_error *err)
	MR_MUST_CHECK;
int mr_sampler_log_end(struct mr_sampler_log *log, struct mr_process *process, uint64_t time_ns,
                       struct mr_process_end end, struct mr_error *err) MR_MUST_CHECK;
int mr_sampler_log_setting(struct mr_sampler_log *log, struct mr_process *process, const char *key,
                           const char *value, struct mr_error *err) MR_MUST_CHECK;
int mr_sampler_log_counter(struct mr_sampler_log *log, struct mr_process *process, const char *key,
                           uint64_t value, struct mr_error *err) MR_MUST_CHECK;

#endif
