/* SPDX-License-Identifier: MIT
 *
 * What the diff table and its text layout share.
 */
#ifndef MR_TABLES_DIFF_H
#define MR_TABLES_DIFF_H

#include "output.h"
#include "stacks_tree.h"
#include "table_rows.h"

struct mr_amount {
	uint64_t count;
	uint64_t size_bytes;
};

enum mr_verdict { MR_VERDICT_NEW, MR_VERDICT_GROWN, MR_VERDICT_SAME, MR_VERDICT_SHRUNK, MR_VERDICT_GONE };

/* What a call stack did, compared. */
struct mr_diff_site {
	struct mr_stack_cost before;
	struct mr_stack_cost after;
	struct mr_stacks *stacks; /* that speak of it last */
	uint32_t function;        /* of these; of its site */
	uint32_t frame;           /* likewise */
	uint32_t line;            /* 0: unknown, or several */
	uint32_t key;             /* index in the pair's keys */
	const char *stack_text;   /* NULL: not yet made */
};

/* Call stacks by the names of their functions, which two builds of a program share. */
struct mr_diff_key {
	uint32_t parent; /* the caller's; 0: none */
	uint32_t site;   /* 1 + index of the pair's sites, 0: none */
	const char *name;
	size_t name_len;
	uint64_t hash;
};

struct mr_diff_row {
	const char *class_name;    /* of the model; of a site its text */
	struct mr_diff_site *site; /* NULL: it is of a class */
	uint32_t pair;             /* index in the table's pairs */
	struct mr_amount before;
	struct mr_amount after;
	struct mr_amount created; /* this and the next two: within one run only */
	struct mr_amount deleted;
	struct mr_amount persistent;
};

enum mr_diff_kind {
	MR_DIFF_CLASSES, /* of a tracker's objects */
	MR_DIFF_TYPES,   /* of a census: all objects that the runtime knows */
	MR_DIFF_SITES,   /* of the heap; snapshots are heap snapshots */
	MR_DIFF_KIND_COUNT
};

/* What is compared: two snapshots of a run, or the runs of two files. */
struct mr_diff_pair {
	enum mr_diff_kind kind;
	uint32_t run;  /* MR_INDEX_NONE: two files */
	uint32_t from; /* indexes of snapshots in the run */
	uint32_t to;
	struct mr_diff_site *sites;
	size_t site_count;
	size_t site_capacity;
	struct mr_diff_key *keys;
	size_t key_count;
	size_t key_capacity;
	uint32_t *key_slots;
	size_t key_slot_count;
};

struct mr_diff {
	struct memstats_log *log;
	const struct memstats_query *query; /* its --focus, --hide and --module */
	struct mr_stacks **stacks;          /* of each run; NULL: not of this one */
	struct mr_diff_pair *pairs;
	size_t pair_count;
	struct mr_diff_row *rows;
	size_t count;
	size_t capacity;
};

enum mr_verdict mr_diff_verdict(const struct mr_diff *diff, const struct mr_diff_row *row);
const char *mr_verdict_name(enum mr_verdict verdict);

/* Rows of two snapshots of one log, and of the last or named snapshots of two. */
int mr_diff_fill_run(struct mr_diff *diff, uint32_t pair, struct mr_error *err) MR_MUST_CHECK;
int mr_diff_fill_files(struct mr_diff *diff, uint32_t pair, struct mr_error *err) MR_MUST_CHECK;

/* Rows of a pair that is of the heap. */
int mr_diff_fill_sites(struct mr_diff *diff, uint32_t pair, struct mr_error *err) MR_MUST_CHECK;
void mr_diff_release_sites(struct mr_diff_pair *pair);
/* The functions of a site's stack, innermost first, joined by " < "; NULL: no memory. */
const char *mr_diff_stack_text(const struct mr_diff_pair *pair, struct mr_diff_site *site);
int mr_diff_append_row(struct mr_diff *diff, const struct mr_diff_row *row, struct mr_error *err)
	MR_MUST_CHECK;

/* The snapshot of that KIND (but sites) of RUN that TEXT names, by number or description, or with NULL its
 * last one; MR_INDEX_NONE: it has none. */
uint32_t mr_diff_find_snapshot(const struct mr_model *model, const struct mr_run *run, enum mr_diff_kind kind,
                               const char *text);

int mr_diff_write_text(struct mr_writing *writing, struct mr_error *err) MR_MUST_CHECK;
/* The part of it that is of sites. */
void mr_diff_put_sites(struct mr_writing *writing, uint32_t pair);
/* The next row of PAIR from *AT on, or NULL. */
const struct mr_diff_row *mr_diff_next_row(const struct memstats_table *table, uint32_t pair, size_t *at);
void mr_diff_put_bytes(struct mr_writing *writing, uint64_t size_bytes, char sign);
void mr_diff_put_change(struct mr_writing *writing, uint64_t before, uint64_t after, bool bytes);

#endif
