/* SPDX-License-Identifier: MIT
 *
 * Rows that are one thing of a run each, such as snapshots or objects: which
 * run, and which of its things, a row is.
 */
#ifndef MR_TABLE_ROWS_H
#define MR_TABLE_ROWS_H

#include "table_log.h"

struct mr_run_rows {
	const struct mr_model *model;
	size_t *first; /* of each run, and the count of all rows after the last */
};

/* Gives how many rows a run has. */
typedef size_t mr_run_count(const struct mr_run *run);

int mr_run_rows_init(struct mr_run_rows *rows, const struct mr_model *model, mr_run_count *count,
                     struct mr_error *err) MR_MUST_CHECK;
void mr_run_rows_release(struct mr_run_rows *rows);

/* For tables that have no other state: a struct mr_run_rows as the table's own,
 * and its release; what open() and close() of such a table call. */
int mr_run_rows_open(const struct mr_model *model, mr_run_count *count, void **state, size_t *row_count,
                     struct mr_error *err) MR_MUST_CHECK;
void mr_run_rows_close(void *state); /* NULL is fine */

static inline size_t mr_run_rows_count(const struct mr_run_rows *rows)
{
	return rows->first[rows->model->run_count];
}

/* The index of the run that ROW is in; *INDEX is the row's place in it. */
static inline size_t mr_run_rows_find(const struct mr_run_rows *rows, size_t row, size_t *index)
{
	size_t low = 0;
	size_t high = rows->model->run_count;

	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;

		if (rows->first[middle] <= row)
			low = middle;
		else
			high = middle;
	}
	*index = row - rows->first[low];
	return low;
}

/* The bit of a column in a set of columns. */
static inline uint64_t mr_column_bit(unsigned column)
{
	return UINT64_C(1) << column;
}

/* The text of a string of the model; null for the string that is "none". */
static inline void mr_cell_model_string(struct mr_cell *cell, const struct mr_model *model, uint32_t string)
{
	mr_cell_string(cell, string == 0 ? NULL : mr_model_string(model, string));
}

/* A number that may be MR_NONE. */
static inline void mr_cell_optional(struct mr_cell *cell, uint64_t number)
{
	mr_cell_number_or_null(cell, number == MR_NONE ? 0 : number, number == MR_NONE);
}

/* How a snapshot is meant: its total is the process's resident memory, or what
 * is tracked where that is more or nothing else is known; so parts of it are
 * never more than all of it. */
static inline uint64_t mr_snapshot_total(const struct mr_snapshot *snapshot)
{
	const bool known = snapshot->rss_bytes != MR_NONE;

	return known && snapshot->rss_bytes > snapshot->size_bytes ? snapshot->rss_bytes
	                                                           : snapshot->size_bytes;
}

#endif
