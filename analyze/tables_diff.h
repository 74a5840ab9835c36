/* SPDX-License-Identifier: MIT
 *
 * What the diff table and its text layout share.
 */
#ifndef MR_TABLES_DIFF_H
#define MR_TABLES_DIFF_H

#include "output.h"
#include "table_rows.h"

struct mr_amount {
	uint64_t count;
	uint64_t size_bytes;
};

enum mr_verdict { MR_VERDICT_NEW, MR_VERDICT_GROWN, MR_VERDICT_SAME, MR_VERDICT_SHRUNK, MR_VERDICT_GONE };

struct mr_diff_row {
	const char *class_name; /* of the model */
	uint32_t pair;          /* index in the table's pairs */
	struct mr_amount before;
	struct mr_amount after;
	struct mr_amount created; /* this and the next two: within one run only */
	struct mr_amount deleted;
	struct mr_amount persistent;
};

/* What is compared: two snapshots of a run, or the runs of two files. */
struct mr_diff_pair {
	uint32_t run;  /* MR_INDEX_NONE: two files */
	uint32_t from; /* indexes of snapshots in the run */
	uint32_t to;
};

struct mr_diff {
	struct memstats_log *log;
	struct mr_diff_pair *pairs;
	size_t pair_count;
	struct mr_diff_row *rows;
	size_t count;
	size_t capacity;
};

enum mr_verdict mr_diff_verdict(const struct mr_diff_row *row);
const char *mr_verdict_name(enum mr_verdict verdict);

/* Rows of two snapshots of one log, and of the last or named snapshots of two. */
int mr_diff_fill_run(struct mr_diff *diff, uint32_t pair, struct mr_error *err) MR_MUST_CHECK;
int mr_diff_fill_files(struct mr_diff *diff, struct mr_error *err) MR_MUST_CHECK;

/* The snapshot of RUN that TEXT names, by number or description; MR_INDEX_NONE: it has none. */
uint32_t mr_diff_find_snapshot(const struct mr_model *model, const struct mr_run *run, const char *text);

int mr_diff_write_text(struct mr_writing *writing, struct mr_error *err) MR_MUST_CHECK;

#endif
