/* SPDX-License-Identifier: MIT
 *
 * Table diff: what differs between two snapshots, by class of tracked objects, by
 * type of all objects that a census counted, and by call stack of a recorded heap.
 *
 * Within a run, in Reftracker's words: created objects are those that the second
 * snapshot has and the first has not; deleted ones the other way round; and
 * persistent ones, which a leak leaves, were created after the baseline (the
 * run's first snapshot), were there already at the snapshot before the second
 * one, and are still there.  Of two logs, which share no objects, classes of the
 * same name are compared.
 *
 * Where a run has tracked objects and censuses of all objects, each is compared with
 * its own kind: an object may be in both.
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
	KIND,
	PEAK_BEFORE,
	PEAK_AFTER,
	PEAK_CHANGE,
	TOTAL_BEFORE,
	TOTAL_AFTER,
	TOTAL_CHANGE,
	CALLS_BEFORE,
	CALLS_AFTER,
	CALLS_CHANGE,
	MODULE,
	STACK,
	COLUMN_COUNT
};

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1; none when two logs are compared" },
	[FROM] = { "from", MEMSTATS_ID,
	           "the first snapshot's number: the run's first, of a census the baseline, unless "
	           "one is named" },
	[TO] = { "to", MEMSTATS_ID, "the second snapshot's number: the run's last unless one is named" },
	[CLASS] = { "class", MEMSTATS_TEXT, "name of the class; of a site the function that allocates" },
	[VERDICT] = { "verdict", MEMSTATS_TEXT, "new, grown, same, shrunk or gone" },
	[COUNT_BEFORE] = { "count_before", MEMSTATS_COUNT,
	                   "instances alive, or blocks live, at the first snapshot" },
	[COUNT_AFTER] = { "count_after", MEMSTATS_COUNT, "the same at the second" },
	[COUNT_CHANGE] = { "count_change", MEMSTATS_COUNT_CHANGE, "how many more at the second" },
	[SIZE_BEFORE] = { "size_before", MEMSTATS_BYTES, "size of these at the first snapshot" },
	[SIZE_AFTER] = { "size_after", MEMSTATS_BYTES, "the same at the second" },
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
	[KIND] = { "kind", MEMSTATS_TEXT,
	           "class, of tracked objects; type, of all objects that a census counted; or site, of "
	           "the heap; what follows is of sites only" },
	[PEAK_BEFORE] = { "peak_before", MEMSTATS_BYTES,
	                  "what the call stack held when the process held most, up to the first snapshot" },
	[PEAK_AFTER] = { "peak_after", MEMSTATS_BYTES, "the same up to the second" },
	[PEAK_CHANGE] = { "peak_change", MEMSTATS_BYTES_CHANGE, "bytes more at the second" },
	[TOTAL_BEFORE] = { "total_before", MEMSTATS_BYTES, "all bytes that it asked for up to the first" },
	[TOTAL_AFTER] = { "total_after", MEMSTATS_BYTES, "the same up to the second" },
	[TOTAL_CHANGE] = { "total_change", MEMSTATS_BYTES_CHANGE, "bytes more at the second" },
	[CALLS_BEFORE] = { "calls_before", MEMSTATS_COUNT, "its allocations up to the first" },
	[CALLS_AFTER] = { "calls_after", MEMSTATS_COUNT, "the same up to the second" },
	[CALLS_CHANGE] = { "calls_change", MEMSTATS_COUNT_CHANGE, "how many more" },
	[MODULE] = { "module", MEMSTATS_TEXT, "file name of the program or library that the site is in" },
	[STACK] = { "stack", MEMSTATS_TEXT, "the functions of the call stack, innermost first" },
};

static enum mr_verdict verdict_of_change(uint64_t before, uint64_t after)
{
	return after > before ? MR_VERDICT_GROWN : after < before ? MR_VERDICT_SHRUNK : MR_VERDICT_SAME;
}

/* Of two logs, whether a call stack allocates at all is what makes it new or gone; and as programs
 * free most of what they have before they end, what it held at the peak counts as well. */
static enum mr_verdict verdict_of_site(const struct mr_diff_site *site)
{
	const struct mr_stack_cost *before = &site->before;
	const struct mr_stack_cost *after = &site->after;

	if (before->count == 0 && after->count > 0)
		return MR_VERDICT_NEW;
	if (before->count > 0 && after->count == 0)
		return MR_VERDICT_GONE;
	if (before->live_bytes != after->live_bytes)
		return verdict_of_change(before->live_bytes, after->live_bytes);
	if (before->peak_bytes != after->peak_bytes)
		return verdict_of_change(before->peak_bytes, after->peak_bytes);
	if (before->total_bytes != after->total_bytes)
		return verdict_of_change(before->total_bytes, after->total_bytes);
	return verdict_of_change(before->count, after->count);
}

enum mr_verdict mr_diff_verdict(const struct mr_diff *diff, const struct mr_diff_row *row)
{
	const struct mr_amount *before = &row->before;
	const struct mr_amount *after = &row->after;

	if (row->site && diff->pairs[row->pair].run == MR_INDEX_NONE)
		return verdict_of_site(row->site);
	if (before->count == 0 && after->count > 0)
		return MR_VERDICT_NEW;
	if (before->count > 0 && after->count == 0)
		return MR_VERDICT_GONE;
	if (after->size_bytes != before->size_bytes)
		return verdict_of_change(before->size_bytes, after->size_bytes);
	return verdict_of_change(before->count, after->count);
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

static bool is_of_kind(const struct mr_run *run, uint32_t snapshot, enum mr_diff_kind kind)
{
	return mr_run_is_census(run, snapshot) == (kind == MR_DIFF_TYPES);
}

uint32_t mr_diff_find_snapshot(const struct mr_model *model, const struct mr_run *run, enum mr_diff_kind kind,
                               const char *text)
{
	uint64_t number = 0;
	const bool is_number = text && mr_parse_u64(text, &number) == 0;

	for (uint32_t i = 0; is_number && i < run->snapshot_count; i++)
		if (run->snapshots[i].number == number && is_of_kind(run, i, kind))
			return i;
	for (uint32_t i = 0; text && i < run->snapshot_count; i++)
		if (run->snapshots[i].description != 0 && is_of_kind(run, i, kind) &&
		    strcmp(mr_model_string(model, run->snapshots[i].description), text) == 0)
			return i;
	for (size_t i = text ? 0 : run->snapshot_count; i > 0; i--)
		if (is_of_kind(run, (uint32_t)i - 1, kind))
			return (uint32_t)i - 1;
	return MR_INDEX_NONE;
}

/* The first snapshot of the stream that LAST is of: only those speak of the same objects.  Of a census the
 * baseline before LAST, where its program began anew. */
static uint32_t first_snapshot(const struct mr_run *run, uint32_t last)
{
	uint32_t first = last;

	for (uint32_t i = last; i > 0; i--) {
		if (run->snapshots[i - 1].stream != run->snapshots[last].stream)
			continue;
		first = i - 1;
		if (mr_run_is_baseline(run, first))
			break;
	}
	return first;
}

static int fail_snapshot(const struct memstats_log *log, size_t operand, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_ARG,
	               "%.200s has no snapshot '%.100s'; 'memstats snapshots %.200s' lists them",
	               log->words[operand], log->operands[operand].snapshot, log->words[operand]);
}

/* The same of the heap: of one image. */
static uint32_t first_heap_snapshot(const struct mr_run *run, uint32_t last)
{
	return run->heap_images[run->heap_snapshots[last].image].snapshot_first;
}

static uint32_t find_snapshot(const struct mr_model *model, const struct mr_run *run, enum mr_diff_kind kind,
                              const char *text)
{
	if (kind != MR_DIFF_SITES)
		return mr_diff_find_snapshot(model, run, kind, text);
	if (text)
		return mr_stacks_find_snapshot(model, run, text);
	return run->heap_snapshot_count > 0 ? run->heap_snapshot_count - 1 : MR_INDEX_NONE;
}

/* Fills in what PAIR compares; false: there is nothing of that kind. */
static bool choose_in_run(const struct mr_model *model, const struct mr_run *run,
                          const char *const named[static 2], struct mr_diff_pair *pair)
{
	if (find_snapshot(model, run, pair->kind, NULL) == MR_INDEX_NONE)
		return false;
	pair->to = find_snapshot(model, run, pair->kind, named[1]);
	if (named[0])
		pair->from = find_snapshot(model, run, pair->kind, named[0]);
	else if (pair->to == MR_INDEX_NONE)
		pair->from = 0;
	else
		pair->from = pair->kind == MR_DIFF_SITES ? first_heap_snapshot(run, pair->to)
		                                         : first_snapshot(run, pair->to);
	return true;
}

/* One log: its first and last snapshots, or those that were named. */
static int choose_in_runs(struct mr_diff *diff, struct mr_error *err)
{
	const struct memstats_log *log = diff->log;
	const struct mr_model *model = log->model;
	const char *named[2] = { log->operand_count > 0 ? log->operands[0].snapshot : NULL,
		                 log->operand_count > 1 ? log->operands[1].snapshot : NULL };
	bool found[2] = { named[0] == NULL, named[1] == NULL };
	bool has_census = false;

	for (uint32_t i = 0; i < MR_DIFF_KIND_COUNT * model->run_count; i++) {
		const struct mr_run *run = &model->runs[i / MR_DIFF_KIND_COUNT];
		struct mr_diff_pair pair = { .kind = (enum mr_diff_kind)(i % MR_DIFF_KIND_COUNT),
			                     .run = i / MR_DIFF_KIND_COUNT };

		has_census = has_census || mr_run_has_census(run);

		if (!choose_in_run(model, run, named, &pair))
			continue;
		found[0] = found[0] || pair.from != MR_INDEX_NONE;
		found[1] = found[1] || pair.to != MR_INDEX_NONE;
		if (pair.from != MR_INDEX_NONE && pair.to != MR_INDEX_NONE)
			diff->pairs[diff->pair_count++] = pair;
	}
	if (!found[0])
		return fail_snapshot(log, 0, err);
	if (!found[1])
		return fail_snapshot(log, 1, err);
	MR_FAIL_IF(has_census && named[0] && named[1] && diff->pair_count == 0, err, MR_ERR_ARG,
	           "snapshots '%.100s' and '%.100s' of %.200s cannot be compared: one is of tracked "
	           "objects, one "
	           "of all objects",
	           named[0], named[1], log->words[0]);
	return 0;
}

/* Whether any run of operand K's file has the snapshot that it names. */
static bool operand_is_found(const struct memstats_log *log, size_t k)
{
	const struct mr_log_operand *operand = &log->operands[k];

	for (uint32_t i = 0; operand->snapshot && i < log->model->run_count; i++) {
		const struct mr_run *run = &log->model->runs[i];

		for (unsigned kind = 0; run->file == operand->file && kind < MR_DIFF_KIND_COUNT; kind++)
			if (find_snapshot(log->model, run, (enum mr_diff_kind)kind, operand->snapshot) !=
			    MR_INDEX_NONE)
				return true;
	}
	return operand->snapshot == NULL;
}

static int choose_in_files(struct mr_diff *diff, struct mr_error *err)
{
	const struct memstats_log *log = diff->log;
	bool has[MR_DIFF_KIND_COUNT] = { false };

	for (size_t k = 0; k < log->operand_count; k++)
		if (!operand_is_found(log, k))
			return fail_snapshot(log, k, err);
	for (uint32_t i = 0; i < log->model->run_count; i++) {
		const struct mr_run *run = &log->model->runs[i];

		for (unsigned kind = 0; kind < MR_DIFF_KIND_COUNT; kind++)
			if (find_snapshot(log->model, run, (enum mr_diff_kind)kind, NULL) != MR_INDEX_NONE)
				has[kind] = true;
		has[MR_DIFF_SITES] = has[MR_DIFF_SITES] || run->heap_image_count > 0;
	}
	has[MR_DIFF_CLASSES] = has[MR_DIFF_CLASSES] || (!has[MR_DIFF_TYPES] && !has[MR_DIFF_SITES]);
	for (unsigned kind = 0; kind < MR_DIFF_KIND_COUNT; kind++)
		if (has[kind])
			diff->pairs[diff->pair_count++] =
				(struct mr_diff_pair){ .kind = (enum mr_diff_kind)kind,
				                       .run = MR_INDEX_NONE };
	return 0;
}

/* ---- The table ----------------------------------------------------------- */

static int fill(struct mr_diff *diff, struct mr_error *err)
{
	for (uint32_t i = 0; i < diff->pair_count; i++) {
		if (diff->pairs[i].kind == MR_DIFF_SITES)
			MR_TRY(mr_diff_fill_sites(diff, i, err));
		else if (diff->pairs[i].run == MR_INDEX_NONE)
			MR_TRY(mr_diff_fill_files(diff, i, err));
		else
			MR_TRY(mr_diff_fill_run(diff, i, err));
	}
	return 0;
}

static int diff_open(struct memstats_log *log, const struct memstats_query *query, uint64_t needed,
                     void **state, size_t *row_count, struct mr_error *err)
{
	struct mr_diff *diff = mr_alloc(sizeof(*diff));

	(void)needed;
	MR_FAIL_IF(!diff, err, MR_ERR_NOMEM, "no memory for table diff");
	*state = diff;
	diff->log = log;
	diff->query = query;
	MR_FAIL_IF(log->operand_count > 2, err, MR_ERR_ARG,
	           "diff compares two snapshots or two logs, not %zu: memstats diff A B", log->operand_count);
	diff->pairs = mr_alloc((MR_DIFF_KIND_COUNT * log->model->run_count + MR_DIFF_KIND_COUNT) *
	                       sizeof(*diff->pairs));
	diff->stacks = mr_alloc((log->model->run_count + 1) * sizeof(struct mr_stacks *));
	MR_FAIL_IF(!diff->pairs || !diff->stacks, err, MR_ERR_NOMEM, "no memory for table diff");
	if (log->model->file_count > 1)
		MR_TRY(choose_in_files(diff, err));
	else
		MR_TRY(choose_in_runs(diff, err));
	MR_TRY(fill(diff, err));
	*row_count = diff->count;
	return 0;
}

static void diff_close(void *state)
{
	struct mr_diff *diff = state;

	if (!diff)
		return;
	for (size_t i = 0; i < diff->pair_count; i++)
		mr_diff_release_sites(&diff->pairs[i]);
	for (size_t i = 0; diff->stacks && i < diff->log->model->run_count; i++)
		mr_stacks_free(diff->stacks[i]);
	mr_free(diff->stacks);
	mr_free(diff->pairs);
	mr_free(diff->rows);
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
	                       column >= CREATED && (!of_run || row->site));
}

static void cell_of_site(const struct mr_diff_pair *pair, struct mr_diff_site *site, size_t column,
                         struct mr_cell *cell)
{
	const struct mr_stack_cost *before = &site->before;
	const struct mr_stack_cost *after = &site->after;
	const char *module = site->stacks->functions[site->function].module;

	switch (column) {
	case PEAK_BEFORE:
		mr_cell_number(cell, before->peak_bytes);
		break;
	case PEAK_AFTER:
		mr_cell_number(cell, after->peak_bytes);
		break;
	case PEAK_CHANGE:
		mr_cell_change(cell, (int64_t)(after->peak_bytes - before->peak_bytes));
		break;
	case TOTAL_BEFORE:
		mr_cell_number(cell, before->total_bytes);
		break;
	case TOTAL_AFTER:
		mr_cell_number(cell, after->total_bytes);
		break;
	case TOTAL_CHANGE:
		mr_cell_change(cell, (int64_t)(after->total_bytes - before->total_bytes));
		break;
	case CALLS_BEFORE:
		mr_cell_number(cell, before->count);
		break;
	case CALLS_AFTER:
		mr_cell_number(cell, after->count);
		break;
	case CALLS_CHANGE:
		mr_cell_change(cell, (int64_t)(after->count - before->count));
		break;
	case MODULE:
		mr_cell_string(cell, module[0] != '\0' ? module : NULL);
		break;
	default:
		mr_cell_string(cell, mr_diff_stack_text(pair, site));
	}
}

static uint64_t number_of(const struct mr_run *run, enum mr_diff_kind kind, uint32_t snapshot)
{
	return kind == MR_DIFF_SITES ? run->heap_snapshots[snapshot].number : run->snapshots[snapshot].number;
}

static void diff_cell(const void *state, size_t index, size_t column, struct mr_cell *cell)
{
	const struct mr_diff *diff = state;
	const struct mr_diff_row *row = &diff->rows[index];
	const struct mr_diff_pair *pair = &diff->pairs[row->pair];
	const bool of_run = pair->run != MR_INDEX_NONE;
	const struct mr_run *run = of_run ? &diff->log->model->runs[pair->run] : NULL;
	static const char *const kinds[] = {
		[MR_DIFF_CLASSES] = "class", [MR_DIFF_TYPES] = "type", [MR_DIFF_SITES] = "site"
	};

	if (column > KIND && !row->site) {
		*cell = (struct mr_cell){ .is_null = true, .text = "" };
		return;
	}
	switch (column) {
	case RUN:
		mr_cell_number_or_null(cell, (uint64_t)pair->run + 1, !of_run);
		break;
	case FROM:
		mr_cell_number_or_null(cell, run ? number_of(run, pair->kind, pair->from) : 0, !run);
		break;
	case TO:
		mr_cell_number_or_null(cell, run ? number_of(run, pair->kind, pair->to) : 0, !run);
		break;
	case CLASS:
		mr_cell_string(cell, row->class_name);
		break;
	case VERDICT:
		mr_cell_string(cell, mr_verdict_name(mr_diff_verdict(diff, row)));
		break;
	case COUNT_CHANGE:
		mr_cell_change(cell, (int64_t)(row->after.count - row->before.count));
		break;
	case SIZE_CHANGE:
		mr_cell_change(cell, (int64_t)(row->after.size_bytes - row->before.size_bytes));
		break;
	case KIND:
		mr_cell_string(cell, kinds[pair->kind]);
		break;
	default:
		if (column > KIND)
			cell_of_site(pair, row->site, column, cell);
		else
			cell_of_amount(row, column, of_run, cell);
	}
}

const struct mr_table_type mr_table_diff = {
	.info = { "diff",
	          "what was created, deleted and persists, by class, type and site; or two logs compared",
	          columns, COLUMN_COUNT, CLASS },
	.default_sort = "size_change,count_change,peak_change,total_change,class",
	.takes_snapshots = true,
	.open_stacks = diff_open,
	.cell = diff_cell,
	.close = diff_close,
	.write_text = mr_diff_write_text,
};
