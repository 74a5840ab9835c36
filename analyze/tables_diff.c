/* SPDX-License-Identifier: MIT
 *
 * Table diff: what differs between two snapshots, by class.
 *
 * Within a run, in Reftracker's words: created objects are those that the second
 * snapshot has and the first has not; deleted ones the other way round; and
 * persistent ones, which a leak leaves, were created after the baseline (the
 * run's first snapshot), were there already at the snapshot before the second
 * one, and are still there.  Of two logs, which share no objects, classes of the
 * same name are compared.
 */
#include "tables_diff.h"

enum {
	RUN,
	FROM,
	TO,
	CLASS,
	VERDICT,
	COUNT_BEFORE,
	COUNT_AFTER,
	COUNT_CHANGE,
	SIZE_BEFORE,
	SIZE_AFTER,
	SIZE_CHANGE,
	CREATED,
	CREATED_SIZE,
	DELETED,
	DELETED_SIZE,
	PERSISTENT,
	PERSISTENT_SIZE,
	COLUMN_COUNT
};

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1; none when two logs are compared" },
	[FROM] = { "from", MEMSTATS_ID, "the first snapshot's number: the run's first unless one is named" },
	[TO] = { "to", MEMSTATS_ID, "the second snapshot's number: the run's last unless one is named" },
	[CLASS] = { "class", MEMSTATS_TEXT, "name of the class" },
	[VERDICT] = { "verdict", MEMSTATS_TEXT, "new, grown, same, shrunk or gone" },
	[COUNT_BEFORE] = { "count_before", MEMSTATS_COUNT, "instances alive at the first snapshot" },
	[COUNT_AFTER] = { "count_after", MEMSTATS_COUNT, "instances alive at the second" },
	[COUNT_CHANGE] = { "count_change", MEMSTATS_COUNT_CHANGE, "instances more at the second" },
	[SIZE_BEFORE] = { "size_before", MEMSTATS_BYTES, "size of the instances at the first snapshot" },
	[SIZE_AFTER] = { "size_after", MEMSTATS_BYTES, "size of the instances at the second" },
	[SIZE_CHANGE] = { "size_change", MEMSTATS_BYTES_CHANGE, "bytes more at the second" },
	[CREATED] = { "created", MEMSTATS_COUNT,
	              "instances that the second snapshot has and the first has not" },
	[CREATED_SIZE] = { "created_size", MEMSTATS_BYTES, "their size at the second" },
	[DELETED] = { "deleted", MEMSTATS_COUNT,
	              "instances that the first snapshot has and the second has not" },
	[DELETED_SIZE] = { "deleted_size", MEMSTATS_BYTES, "their size at the first" },
	[PERSISTENT] = { "persistent", MEMSTATS_COUNT,
	                 "instances born after the run's first snapshot, there before and at the second" },
	[PERSISTENT_SIZE] = { "persistent_size", MEMSTATS_BYTES, "their size at the second snapshot" },
};

enum mr_verdict mr_diff_verdict(const struct mr_diff_row *row)
{
	const struct mr_amount *before = &row->before;
	const struct mr_amount *after = &row->after;

	if (before->count == 0 && after->count > 0)
		return MR_VERDICT_NEW;
	if (before->count > 0 && after->count == 0)
		return MR_VERDICT_GONE;
	if (after->size_bytes != before->size_bytes)
		return after->size_bytes > before->size_bytes ? MR_VERDICT_GROWN : MR_VERDICT_SHRUNK;
	if (after->count != before->count)
		return after->count > before->count ? MR_VERDICT_GROWN : MR_VERDICT_SHRUNK;
	return MR_VERDICT_SAME;
}

const char *mr_verdict_name(enum mr_verdict verdict)
{
	static const char *const names[] = {
		[MR_VERDICT_NEW] = "new",       [MR_VERDICT_GROWN] = "grown", [MR_VERDICT_SAME] = "same",
		[MR_VERDICT_SHRUNK] = "shrunk", [MR_VERDICT_GONE] = "gone",
	};

	return names[verdict];
}

/* ---- Choosing what to compare -------------------------------------------- */

uint32_t mr_diff_find_snapshot(const struct mr_model *model, const struct mr_run *run, const char *text)
{
	uint64_t number = 0;
	const bool is_number = mr_parse_u64(text, &number) == 0;

	for (uint32_t i = 0; is_number && i < run->snapshot_count; i++)
		if (run->snapshots[i].number == number)
			return i;
	for (uint32_t i = 0; i < run->snapshot_count; i++)
		if (run->snapshots[i].description != 0 &&
		    strcmp(mr_model_string(model, run->snapshots[i].description), text) == 0)
			return i;
	return MR_INDEX_NONE;
}

/* The first snapshot of the stream that has the run's last one: only those
 * speak of the same objects. */
static uint32_t first_snapshot(const struct mr_run *run, uint32_t last)
{
	uint32_t first = 0;

	while (first < last && run->snapshots[first].stream != run->snapshots[last].stream)
		first++;
	return first;
}

static int fail_snapshot(const struct memstats_log *log, size_t operand, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_ARG,
	               "%.200s has no snapshot '%.100s'; 'memstats snapshots %.200s' lists them",
	               log->words[operand], log->operands[operand].snapshot, log->words[operand]);
}

/* One log: its first and last snapshots, or those that were named. */
static int choose_in_runs(struct mr_diff *diff, struct mr_error *err)
{
	const struct memstats_log *log = diff->log;
	const struct mr_model *model = log->model;
	const char *named[2] = { log->operand_count > 0 ? log->operands[0].snapshot : NULL,
		                 log->operand_count > 1 ? log->operands[1].snapshot : NULL };
	bool found[2] = { named[0] == NULL, named[1] == NULL };

	for (uint32_t i = 0; i < model->run_count; i++) {
		const struct mr_run *run = &model->runs[i];
		struct mr_diff_pair pair = { i, 0, 0 };

		if (run->snapshot_count == 0)
			continue;
		pair.to = named[1] ? mr_diff_find_snapshot(model, run, named[1])
		                   : (uint32_t)run->snapshot_count - 1;
		pair.from = named[0]                   ? mr_diff_find_snapshot(model, run, named[0])
		            : pair.to == MR_INDEX_NONE ? 0
		                                       : first_snapshot(run, pair.to);
		found[0] = found[0] || pair.from != MR_INDEX_NONE;
		found[1] = found[1] || pair.to != MR_INDEX_NONE;
		if (pair.from != MR_INDEX_NONE && pair.to != MR_INDEX_NONE)
			diff->pairs[diff->pair_count++] = pair;
	}
	if (!found[0])
		return fail_snapshot(log, 0, err);
	return found[1] ? 0 : fail_snapshot(log, 1, err);
}

static int choose_in_files(struct mr_diff *diff, struct mr_error *err)
{
	const struct memstats_log *log = diff->log;

	for (size_t k = 0; k < log->operand_count; k++) {
		bool found = log->operands[k].snapshot == NULL;

		for (uint32_t i = 0; !found && i < log->model->run_count; i++)
			found = log->model->runs[i].file == log->operands[k].file &&
			        mr_diff_find_snapshot(log->model, &log->model->runs[i],
			                              log->operands[k].snapshot) != MR_INDEX_NONE;
		if (!found)
			return fail_snapshot(log, k, err);
	}
	diff->pairs[diff->pair_count++] = (struct mr_diff_pair){ MR_INDEX_NONE, 0, 0 };
	return 0;
}

/* ---- The table ----------------------------------------------------------- */

static int diff_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                     struct mr_error *err)
{
	struct mr_diff *diff = mr_alloc(sizeof(*diff));

	(void)needed;
	MR_FAIL_IF(!diff, err, MR_ERR_NOMEM, "no memory for table diff");
	*state = diff;
	diff->log = log;
	MR_FAIL_IF(log->operand_count > 2, err, MR_ERR_ARG,
	           "diff compares two snapshots or two logs, not %zu: memstats diff A B", log->operand_count);
	diff->pairs = mr_alloc((log->model->run_count + 1) * sizeof(*diff->pairs));
	MR_FAIL_IF(!diff->pairs, err, MR_ERR_NOMEM, "no memory for table diff");
	if (log->model->file_count > 1) {
		MR_TRY(choose_in_files(diff, err));
		MR_TRY(mr_diff_fill_files(diff, err));
	} else {
		MR_TRY(choose_in_runs(diff, err));
		for (uint32_t i = 0; i < diff->pair_count; i++)
			MR_TRY(mr_diff_fill_run(diff, i, err));
	}
	*row_count = diff->count;
	return 0;
}

static void diff_close(void *state)
{
	struct mr_diff *diff = state;

	if (diff) {
		mr_free(diff->pairs);
		mr_free(diff->rows);
	}
	mr_free(diff);
}

static void cell_of_amount(const struct mr_diff_row *row, size_t column, bool of_run, struct mr_cell *cell)
{
	const struct mr_amount *const amounts[] = {
		[COUNT_BEFORE] = &row->before,   [SIZE_BEFORE] = &row->before,
		[COUNT_AFTER] = &row->after,     [SIZE_AFTER] = &row->after,
		[CREATED] = &row->created,       [CREATED_SIZE] = &row->created,
		[DELETED] = &row->deleted,       [DELETED_SIZE] = &row->deleted,
		[PERSISTENT] = &row->persistent, [PERSISTENT_SIZE] = &row->persistent,
	};
	const bool is_size = columns[column].type == MEMSTATS_BYTES;

	mr_cell_number_or_null(cell, is_size ? amounts[column]->size_bytes : amounts[column]->count,
	                       column >= CREATED && !of_run);
}

static void diff_cell(const void *state, size_t index, size_t column, struct mr_cell *cell)
{
	const struct mr_diff *diff = state;
	const struct mr_diff_row *row = &diff->rows[index];
	const struct mr_diff_pair *pair = &diff->pairs[row->pair];
	const bool of_run = pair->run != MR_INDEX_NONE;
	const struct mr_snapshot *snapshots = of_run ? diff->log->model->runs[pair->run].snapshots : NULL;

	switch (column) {
	case RUN:
		mr_cell_number_or_null(cell, (uint64_t)pair->run + 1, !of_run);
		break;
	case FROM:
		mr_cell_number_or_null(cell, of_run ? snapshots[pair->from].number : 0, !of_run);
		break;
	case TO:
		mr_cell_number_or_null(cell, of_run ? snapshots[pair->to].number : 0, !of_run);
		break;
	case CLASS:
		mr_cell_string(cell, row->class_name);
		break;
	case VERDICT:
		mr_cell_string(cell, mr_verdict_name(mr_diff_verdict(row)));
		break;
	case COUNT_CHANGE:
		mr_cell_change(cell, (int64_t)(row->after.count - row->before.count));
		break;
	case SIZE_CHANGE:
		mr_cell_change(cell, (int64_t)(row->after.size_bytes - row->before.size_bytes));
		break;
	default:
		cell_of_amount(row, column, of_run, cell);
	}
}

const struct mr_table_type mr_table_diff = {
	.info = { "diff", "created, deleted and persistent objects of each class; or two logs compared",
	          columns, COLUMN_COUNT, CLASS },
	.default_sort = "size_change,count_change,class",
	.takes_snapshots = true,
	.open = diff_open,
	.cell = diff_cell,
	.close = diff_close,
	.write_text = mr_diff_write_text,
};
