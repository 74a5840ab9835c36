/* SPDX-License-Identifier: MIT
 *
 * memrecord's side of heap_events.h: a thread that finds the channels of programs
 * that run with the interposer, empties them, and writes what their heaps come to.
 * The rest of memrecord, which is one thread, starts it, tells it who has ended, and
 * stops it.  Private to memrecord.
 */
#ifndef MR_HEAP_RECORDER_H
#define MR_HEAP_RECORDER_H

#include <pthread.h>

#include "log_writer.h"

struct mr_heap_recorder;

struct mr_heap_recorder_options {
	const char *home; /* the folder that shows as "~"; borrowed; NULL: none */
	uint64_t max_size_bytes;
	bool arguments; /* of command lines; else only the first word */
	bool events;    /* every single event goes into the log */
	bool all_sites; /* each of very many call stacks, too */
	bool symbols;   /* places in the code get names at the end */
};

/* Makes the subfolder of the channels' folder PARENT. */
int mr_heap_recorder_new(struct mr_heap_recorder **recorder, const char *parent,
                         const struct mr_heap_recorder_options *options, struct mr_error *err) MR_MUST_CHECK;
/* The subfolder goes; a recorder that runs is stopped first.  NULL is fine. */
void mr_heap_recorder_free(struct mr_heap_recorder *recorder);

/* The subfolder's path. */
const char *mr_heap_recorder_folder(const struct mr_heap_recorder *recorder);

/* Starts the thread.  WRITER is borrowed and used with LOCK held. */
int mr_heap_recorder_start(struct mr_heap_recorder *recorder, struct mr_log_writer *writer,
                           pthread_mutex_t *lock, struct mr_error *err) MR_MUST_CHECK;

/* Polls readable when mr_heap_recorder_found() has something. */
int mr_heap_recorder_fd(const struct mr_heap_recorder *recorder);
/* A process that has opened a channel: true, and which; false: no more. */
bool mr_heap_recorder_found(struct mr_heap_recorder *recorder, uint32_t *pid, uint64_t *start_ticks);

/* A process that has ended. */
struct mr_heap_ended {
	uint32_t pid;
	uint64_t start_ticks;
	const char *name;    /* it is counted by as one that was not recorded; NULL: it is not counted */
	const char *program; /* the file's name of what it ran last; empty: not known */
	uint64_t program_ns; /* it was seen to run that after this time (CLOCK_MONOTONIC) */
};

/* Takes what it left.  Does not wait.  It is counted as one that was not recorded when it had no channel, or
 * when it called exec(2) and what it ran from then on opened none. */
void mr_heap_recorder_ended(struct mr_heap_recorder *recorder, const struct mr_heap_ended *ended);
/* Takes a snapshot of every process that is recorded.  Does not wait. */
void mr_heap_recorder_snapshot(struct mr_heap_recorder *recorder);

/* Stops the thread: takes the last of everything, and names places.  The log's lock must not be held.
 * What went wrong with the log is left to whoever uses it next; the first complaint about a
 * program's channel lands in COMPLAINT. */
void mr_heap_recorder_finish(struct mr_heap_recorder *recorder, struct mr_error *complaint);

/* What came of it; after the end. */
struct mr_heap_recorder_totals {
	uint64_t images;
	uint64_t events;
	uint64_t unrecorded; /* processes that opened no channel, or none after an exec */
	uint64_t lost; /* allocations of those that did, for which there was no room, or nobody to wait for */
	uint64_t cpu_ns;       /* of the thread */
	uint64_t memory_max;   /* bytes of all images, most at a time that was looked at */
	uint64_t peak_bytes;   /* of the root process, its largest image */
	uint64_t leaked_bytes; /* this and the next: of its last image */
	uint64_t leaked_count;
	uint64_t largest_peak_bytes; /* of any image */
	char largest_name[64];
	char unrecorded_names[256]; /* the first of them, with commas */
	uint64_t places;            /* in the code */
	uint64_t places_named;
	uint64_t modules_missing;
	bool full; /* snapshots and samples stopped, for the log was as large as it may be */
};

/* PID is the root's. */
void mr_heap_recorder_totals(const struct mr_heap_recorder *recorder, struct mr_heap_recorder_totals *totals);
void mr_heap_recorder_set_root(struct mr_heap_recorder *recorder, uint32_t pid);

#endif
