/* SPDX-License-Identifier: MIT
 *
 * What the report knows of a recorded heap, a run: the call stacks and places
 * that allocated, live memory over time, the account of what the process held,
 * threads, and the tree of calls.  Read once from tables; names are borrowed
 * from them.
 */
#ifndef MR_REPORT_HEAP_H
#define MR_REPORT_HEAP_H

#include "canvas.h"
#include "flame.h"
#include "memstats.h"

struct mr_report_data;

/* A call stack that allocated: a row of the sites table. */
struct mr_heap_site {
	size_t row;
	uint32_t place;
	uint64_t cost[MR_COST_KINDS];
	uint64_t peak_count;
	uint64_t live_count; /* at the end */
	uint64_t reallocs;
	uint64_t grown; /* bytes by which these made blocks larger */
};

/* All stacks that end in one place of the code. */
struct mr_heap_place {
	const char *name;
	const char *module;
	uint64_t cost[MR_COST_KINDS];
	uint64_t peak_count;
	uint64_t live_count;
	uint64_t reallocs;
	uint64_t grown;
	size_t site_count;
	/* From one snapshot that was looked at to the next: how often it held more, and less. */
	size_t snapshots;
	uint32_t growths, shrinks;
	uint64_t live_first, live_last; /* at the first and the last of them */
};

struct mr_heap_moment {
	uint64_t number; /* MR_NO_VALUE: a sample, no snapshot */
	uint64_t time_ns;
	uint64_t live;
	uint64_t live_count;
	uint64_t live_max; /* since the one before; MR_NO_VALUE when unknown */
	const char *reason;
	const char *description;
};

/* What each site held at a snapshot. */
struct mr_heap_state {
	uint64_t time_ns;
	uint64_t *live; /* by site */
};

#define MR_HEAP_STATES_MAX 16

/* What the resident memory is made of, from the bottom of the chart to its top. */
enum mr_account_part {
	MR_ACCOUNT_PART_LIVE, /* what of the live blocks is resident */
	MR_ACCOUNT_PART_SLACK,
	MR_ACCOUNT_PART_ANONYMOUS,
	MR_ACCOUNT_PART_STACKS,
	MR_ACCOUNT_PART_FILES,
	MR_ACCOUNT_PART_SHARED,
	MR_ACCOUNT_PART_RECORDER,
	MR_ACCOUNT_PARTS,
};

struct mr_heap_account {
	size_t count;
	double *times;
	double *rss;
	double *live; /* all of it, touched or not */
	double *parts[MR_ACCOUNT_PARTS];
};

struct mr_heap_thread {
	const char *name;
	uint64_t tid; /* this and what follows may be MR_NO_VALUE */
	uint64_t count, total, frees, temporary, live, live_count, waits, wait_ns, first_ns, last_ns;
};

/* A bucket of sizes or of lifetimes. */
struct mr_heap_bucket {
	uint64_t low, high; /* B, or ns */
	uint64_t count;
	uint64_t bytes; /* MR_NO_VALUE when unknown */
};

struct mr_heap_buckets {
	size_t count, capacity;
	struct mr_heap_bucket *items; /* by size */
};

struct mr_report_heap {
	uint64_t cost[MR_COST_KINDS]; /* of all sites */
	uint64_t leaked_count, peak_count;
	uint64_t peak_time_ns;      /* MR_NO_VALUE when unknown */
	bool only_grows;            /* live memory, from each fifth of the run to the next */
	struct mr_heap_site *sites; /* as the table has them */
	size_t site_count, site_capacity;
	struct mr_heap_place *places;
	size_t place_count, place_capacity;
	struct mr_heap_moment *moments; /* samples and snapshots by time */
	size_t moment_count, moment_capacity;
	size_t snapshot_count;                           /* of them */
	struct mr_heap_state states[MR_HEAP_STATES_MAX]; /* at all snapshots, or an even choice of them */
	size_t state_count;
	struct mr_heap_account account;
	struct mr_heap_thread *threads;
	size_t thread_count, thread_capacity;
	struct mr_heap_buckets sizes, lifetimes;
	struct mr_flame_source *calls; /* while reading */
	size_t call_count, call_capacity;
	struct mr_flame outer, inner; /* the tree of calls from its outer and from its inner end */
};

/* A function that is on a call stack. */
struct mr_heap_frame {
	const char *function, *module, *file;
	enum mr_paint paint; /* of its module */
};

/* The tables, and what the runs share. */
struct mr_heap_tables {
	struct memstats_table *sites, *heap, *account, *threads, *tree, *modules, *health;
	struct mr_heap_frame *frames;
	size_t frame_count, frame_capacity;
	uint32_t *frame_slots; /* by function, module and file: frame + 1 */
	size_t frame_slot_count;
};

/* Reads the heaps of all runs that have one: run->heap of the others stays NULL. */
int mr_report_heap_read(struct mr_report_data *data, struct mr_error *err) MR_MUST_CHECK;
/* Reads what sites held at snapshots, and which places grew, once runs are ranked (report_heap_states.c). */
int mr_report_heap_states_read(struct mr_report_data *data, struct mr_error *err) MR_MUST_CHECK;
/* Reads the tree of calls into them (report_heap_tree.c). */
int mr_report_heap_tree_read(struct mr_report_data *data, struct mr_error *err) MR_MUST_CHECK;
void mr_report_heap_free(struct mr_report_heap *heap); /* NULL is fine */
void mr_heap_tables_release(struct mr_heap_tables *tables);

/* Hashes TEXT onto HASH. */
uint64_t mr_heap_hash(uint64_t hash, const char *text);

#endif
