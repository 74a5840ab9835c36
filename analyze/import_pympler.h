/* SPDX-License-Identifier: MIT
 *
 * From a dump that pympler's Stats.dump_stats wrote to a log in memory.  A dump is
 * two pickles: the index (a dict: name of a class to its list of objects), and
 * the list of snapshots.
 *
 *   import_pympler.c          the whole; snapshots, the process
 *   import_pympler_objects.c  births, deaths, and which sizes belong to which snapshot
 *   import_pympler_sizes.c    sizes and referents, snapshot by snapshot; labels
 *   import_pympler_names.c    texts, paths and stacks as ids
 *
 * Whatever a dump shares among its parts is gone through again each time it is
 * met; how much of that is worth doing follows from the file's size.
 */
#ifndef MR_IMPORT_PYMPLER_H
#define MR_IMPORT_PYMPLER_H

#include "import_names.h"
#include "import_pickle.h"
#include "log_reader.h" /* struct mr_notes */

/* DATA, with MR_IMPORT_PADDING zeros behind its LEN bytes, as a log in OUT (empty; the caller releases it).
 * What is left out is said in NOTES.  MR_ERR_FORMAT, _VERSION, _LIMIT, _NOMEM. */
int mr_import_pympler(const char *path, const uint8_t *data, size_t len, struct mr_buffer *out,
                      struct mr_notes *notes, struct mr_error *err) MR_MUST_CHECK;

/* ---- Between its parts -------------------------------------------------------- */

struct mr_dump_snapshot {
	double timestamp;
	uint64_t time_ns;
	uint64_t alive; /* objects */
	mr_value object;
};

/* What is known of an object at a snapshot. */
struct mr_dump_state {
	uint32_t object; /* 1.. */
	uint64_t size;
	uint64_t flat;
	mr_value asized;
	mr_value referents; /* of it */
};

struct mr_dump_states { /* of one snapshot, by object */
	struct mr_dump_state *items;
	size_t count;
	size_t capacity;
};

/* Of the class at hand, at one snapshot. */
struct mr_dump_total {
	int64_t born; /* more alive than at the snapshot before */
	uint64_t size;
	uint64_t flat;
	uint64_t min;
	uint64_t max;
};

#define MR_DUMP_CACHE 4096
/* Work that a row of the log is: one takes many times the memory of the few bytes that can ask for it
 * again. */
#define MR_DUMP_ROW_WORK 16
#define MR_DUMP_LABEL_ADDRESS 0x80000000u

struct mr_dump {
	struct mr_pickle pickle;
	struct mr_import_log log;
	struct mr_notes *notes;
	mr_value index;
	uint64_t work_left;
	bool failed;    /* no memory */
	bool exhausted; /* no work left */

	struct mr_dump_snapshot *snapshots; /* as they stand in the dump */
	size_t snapshot_count;
	uint32_t *by_time; /* their indexes */
	struct mr_dump_states *states;
	struct mr_dump_total *totals;

	uint32_t object_count;
	uint32_t *labels; /* by object - 1: a string, the top bit set when its address follows */
	size_t label_capacity;
	uint32_t *class_end; /* by class - 1: the first object that is not one of it */
	size_t class_count;
	size_t class_capacity;
	uint64_t time_last_ns;
	uint64_t strays;   /* sizes at times of which there is no snapshot */
	uint64_t too_deep; /* referents that are left out */

	struct mr_texts texts;
	struct mr_pairs paths; /* parent and name */
	uint32_t *merged;      /* by path - 1: the path whose names end at their first colon */
	size_t merged_capacity;
	struct mr_pairs code_files; /* file and function */
	struct mr_pairs code_lines; /* that and the line */
	struct mr_pairs codes;      /* that and the source text */
	struct mr_pairs stacks;     /* the caller's stack and a code */
	struct {
		mr_value value;
		uint32_t id;
	} cache[MR_DUMP_CACHE]; /* ids of texts that were looked up before */
};

/* Counts AMOUNT of work against what a file of its size is worth; mr_dump_status() tells when it was
 * too much. */
static inline void mr_dump_spend(struct mr_dump *dump, uint64_t amount)
{
	dump->exhausted |= amount > dump->work_left;
	dump->work_left -= dump->exhausted ? dump->work_left : amount;
}
/* MR_ERR_NOMEM or MR_ERR_LIMIT when something has failed. */
int mr_dump_status(const struct mr_dump *dump, struct mr_error *err) MR_MUST_CHECK;
/* Of sizes that no process can have the sum is the largest number. */
static inline void mr_dump_sum(uint64_t *sum, uint64_t size)
{
	if (__builtin_add_overflow(*sum, size, sum))
		*sum = UINT64_MAX;
}
/* Seconds as the log has them: nanoseconds, never before zero. */
uint64_t mr_dump_time(double seconds);

/* import_pympler_names.c: 0 is "none", also where there is no memory (dump->failed). */
uint32_t mr_dump_string(struct mr_dump *dump, const char *text); /* lives as long as the dump */
uint32_t mr_dump_text(struct mr_dump *dump, mr_value text);
uint32_t mr_dump_path(struct mr_dump *dump, uint32_t parent, mr_value name);
uint32_t mr_dump_stack(struct mr_dump *dump, mr_value trace);
/* Strings, paths, code and stacks; nothing may be named after that. */
int mr_dump_write_names(struct mr_dump *dump, struct mr_error *err) MR_MUST_CHECK;

/* import_pympler_objects.c: births, deaths, totals of classes; fills dump->states. */
int mr_dump_write_objects(struct mr_dump *dump, struct mr_error *err) MR_MUST_CHECK;

/* import_pympler_sizes.c: what dump->states says; then labels, which belong to the last snapshot. */
int mr_dump_write_sizes(struct mr_dump *dump, struct mr_error *err) MR_MUST_CHECK;
int mr_dump_write_labels(struct mr_dump *dump, struct mr_error *err) MR_MUST_CHECK;

#endif
