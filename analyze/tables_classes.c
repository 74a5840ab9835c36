/* SPDX-License-Identifier: MIT
 *
 * Table classes: at each snapshot, how many instances of each class were alive
 * and how large they were, and how that differs from the snapshot before.
 */
#include "table_rows.h"

enum {
	RUN,
	SNAPSHOT,
	TIME,
	CLASS,
	COUNT,
	SIZE,
	FLAT,
	AVERAGE,
	MIN,
	MAX,
	SHARE,
	COUNT_CHANGE,
	SIZE_CHANGE,
	COLUMN_COUNT
};

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[SNAPSHOT] = { "snapshot", MEMSTATS_ID, "the snapshot's number" },
	[TIME] = { "time", MEMSTATS_TIME, "when it was taken" },
	[CLASS] = { "class", MEMSTATS_TEXT, "name of the class" },
	[COUNT] = { "count", MEMSTATS_COUNT, "instances alive" },
	[SIZE] = { "size", MEMSTATS_BYTES, "of all of them, with what they refer to" },
	[FLAT] = { "flat", MEMSTATS_BYTES, "of all of them, without what they refer to" },
	[AVERAGE] = { "average", MEMSTATS_BYTES, "size of an instance, on average" },
	[MIN] = { "min", MEMSTATS_BYTES, "size of the smallest instance; none of a census" },
	[MAX] = { "max", MEMSTATS_BYTES, "size of the largest instance; none of a census" },
	[SHARE] = { "share", MEMSTATS_PERCENT, "of the size of all tracked objects" },
	[COUNT_CHANGE] = { "count_change", MEMSTATS_COUNT_CHANGE,
	                   "instances more than at the snapshot before" },
	[SIZE_CHANGE] = { "size_change", MEMSTATS_BYTES_CHANGE, "bytes more than at the snapshot before" },
};

struct classes {
	struct mr_run_rows rows;
	/* The row of the same class at the snapshot before, by row; NULL: there is none. */
	const struct mr_class_total **before;
};

static size_t count_rows(const struct mr_run *run)
{
	return run->class_total_count;
}

/* Which snapshot of the same stream is before each of RUN's, or MR_INDEX_NONE.  PREVIOUS has an entry a
 * snapshot, and one a stream behind them. */
static void find_previous(const struct mr_run *run, uint32_t *previous)
{
	uint32_t *last = previous + run->snapshot_count;

	for (uint32_t i = 0; i < run->stream_count; i++)
		last[i] = MR_INDEX_NONE;
	for (uint32_t i = 0; i < run->snapshot_count; i++) {
		previous[i] = last[run->snapshots[i].stream];
		last[run->snapshots[i].stream] = i;
	}
}

/* Rows of a run are ordered by snapshot: the last one of each class that was met
 * is that of the snapshot before, if it is of that snapshot.  A class is one stream's,
 * and so are its snapshots. */
static int find_before(struct classes *classes, size_t run_index, struct mr_error *err)
{
	const struct mr_run *run = &classes->rows.model->runs[run_index];
	const struct mr_class_total **before = classes->before + classes->rows.first[run_index];
	const struct mr_class_total **last =
		mr_alloc(((size_t)run->class_count + 1) * sizeof(struct mr_class_total *));

	uint32_t *previous = mr_alloc((run->snapshot_count + run->stream_count + 1) * sizeof(*previous));

	if (!last || !previous) {
		mr_free(last);
		mr_free(previous);
		return mr_fail(err, MR_ERR_NOMEM, "no memory for table classes");
	}
	find_previous(run, previous);
	for (size_t i = 0; i < run->class_total_count; i++) {
		const struct mr_class_total *total = &run->class_totals[i];
		const struct mr_class_total *candidate = last[total->class_index];

		before[i] = candidate && candidate->snapshot == previous[total->snapshot] ? candidate : NULL;
		last[total->class_index] = total;
	}
	mr_free(last);
	mr_free(previous);
	return 0;
}

static int classes_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                        struct mr_error *err)
{
	struct classes *classes = mr_alloc(sizeof(*classes));

	(void)needed;
	MR_FAIL_IF(!classes, err, MR_ERR_NOMEM, "no memory for table classes");
	*state = classes;
	MR_TRY(mr_run_rows_init(&classes->rows, log->model, count_rows, err));
	*row_count = mr_run_rows_count(&classes->rows);
	classes->before = mr_alloc((*row_count + 1) * sizeof(struct mr_class_total *));
	MR_FAIL_IF(!classes->before, err, MR_ERR_NOMEM, "no memory for table classes");
	for (size_t i = 0; i < log->model->run_count; i++)
		MR_TRY(find_before(classes, i, err));
	return 0;
}

static void classes_close(void *state)
{
	struct classes *classes = state;

	if (classes) {
		mr_free(classes->before);
		mr_run_rows_release(&classes->rows);
	}
	mr_free(classes);
}

static void cell_of_total(const struct mr_class_total *total, const struct mr_class_total *before,
                          bool of_census, size_t column, struct mr_cell *cell)
{
	switch (column) {
	case COUNT:
		mr_cell_number(cell, total->count);
		break;
	case SIZE:
		mr_cell_number(cell, total->size_bytes);
		break;
	case FLAT:
		mr_cell_number(cell, total->flat_bytes);
		break;
	case AVERAGE:
		mr_cell_number_or_null(cell, total->count > 0 ? total->size_bytes / total->count : 0,
		                       total->count == 0);
		break;
	case MIN:
		mr_cell_number_or_null(cell, total->min_bytes, total->count == 0 || of_census);
		break;
	case MAX:
		mr_cell_number_or_null(cell, total->max_bytes, total->count == 0 || of_census);
		break;
	case COUNT_CHANGE:
		mr_cell_change(cell, (int64_t)(total->count - (before ? before->count : 0)));
		break;
	case SIZE_CHANGE:
		mr_cell_change(cell, (int64_t)(total->size_bytes - (before ? before->size_bytes : 0)));
		break;
	}
}

static void classes_cell(const void *state, size_t row, size_t column, struct mr_cell *cell)
{
	const struct classes *classes = state;
	const struct mr_model *model = classes->rows.model;
	size_t index = 0;
	const size_t run_index = mr_run_rows_find(&classes->rows, row, &index);
	const struct mr_run *run = &model->runs[run_index];
	const struct mr_class_total *total = &run->class_totals[index];
	const struct mr_snapshot *snapshot = &run->snapshots[total->snapshot];

	switch (column) {
	case RUN:
		mr_cell_number(cell, run_index + 1);
		break;
	case SNAPSHOT:
		mr_cell_number(cell, snapshot->number);
		break;
	case TIME:
		mr_cell_number(cell, snapshot->time_ns);
		break;
	case CLASS:
		mr_cell_string(cell, mr_run_class_name(model, run, total->class_index));
		break;
	case SHARE:
		mr_cell_percent(cell, (double)total->size_bytes, (double)snapshot->size_bytes);
		break;
	default:
		cell_of_total(total, classes->before[row], mr_run_is_census(run, total->snapshot), column,
		              cell);
	}
}

const struct mr_table_type mr_table_classes = {
	.info = { "classes", "instances of each class at each snapshot", columns, COLUMN_COUNT, CLASS },
	.open = classes_open,
	.cell = classes_cell,
	.close = classes_close,
};

/* ---- Referents of a row ----------------------------------------------------- */

int memstats_referents_new(const struct memstats_table *classes, size_t row,
                           struct memstats_referent **referents, size_t *count, struct memstats_error *error)
{
	struct mr_error *err = mr_table_error(error);

	MR_FAIL_IF(classes->type != &mr_table_classes, err, MR_ERR_ARG,
	           "table %s has no referents of classes", classes->type->info.name);
	MR_FAIL_IF(row >= classes->row_count, err, MR_ERR_ARG, "table classes has no row %zu", row);
	const struct mr_run_rows *rows = &((const struct classes *)classes->state)->rows;
	size_t index = 0;
	const size_t run_index = mr_run_rows_find(rows, mr_table_row(classes, row), &index);
	const struct mr_run *run = &rows->model->runs[run_index];
	const struct mr_class_total *total = &run->class_totals[index];
	const struct mr_snapshot *snapshot = &run->snapshots[total->snapshot];
	struct memstats_referent *made =
		mr_alloc((snapshot->referent_total_count + 1) * sizeof(struct memstats_referent));

	MR_FAIL_IF(!made, err, MR_ERR_NOMEM, "no memory for %zu referents", snapshot->referent_total_count);
	*count = 0;
	for (size_t i = 0; i < snapshot->referent_total_count; i++) {
		const struct mr_referent_total *from =
			&run->referent_totals[snapshot->referent_total_first + i];

		if (from->class_index != total->class_index)
			continue;
		made[*count] = (struct memstats_referent){
			.name = mr_model_string(rows->model, run->paths[from->path].name),
			.level = run->paths[from->path].level,
			.count = from->count,
			.size_bytes = from->size_bytes,
			.flat_bytes = from->flat_bytes,
			.place = *count,
		};
		(*count)++;
	}
	*referents = made;
	return 0;
}

void memstats_referents_free(struct memstats_referent *referents)
{
	mr_free(referents);
}
