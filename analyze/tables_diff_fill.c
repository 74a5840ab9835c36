/* SPDX-License-Identifier: MIT
 *
 * The figures of a diff: counted object by object within a run, and from the
 * totals of classes between two logs.
 */
#include <stdlib.h>

#include "tables_diff.h"

static void add_amount(struct mr_amount *amount, uint64_t size_bytes)
{
	amount->count++;
	amount->size_bytes += size_bytes;
}

static bool row_is_empty(const struct mr_diff_row *row)
{
	return row->before.count == 0 && row->after.count == 0 && row->created.count == 0 &&
	       row->deleted.count == 0 && row->persistent.count == 0;
}

int mr_diff_append_row(struct mr_diff *diff, const struct mr_diff_row *row, struct mr_error *err)
{
	const int code = mr_grow(&diff->rows, &diff->capacity, diff->count + 1, sizeof(*diff->rows));

	MR_FAIL_IF(code < 0, err, code, "no memory for table diff");
	diff->rows[diff->count++] = *row;
	return 0;
}

/* ---- Two snapshots of a run ---------------------------------------------- */

/* The rows of objects that a snapshot speaks of, and when. */
struct moment {
	uint64_t time_ns;
	size_t row_first;
	size_t row_end;
};

struct counting {
	struct mr_diff_row *classes; /* by class */
	struct moment from;
	struct moment to;
	struct moment previous; /* the snapshot before the second one */
	uint64_t baseline_ns;
	bool has_previous;
	bool at_second;
};

static struct moment moment_of(const struct mr_run *run, uint32_t snapshot)
{
	const struct mr_stream *stream = &run->streams[run->snapshots[snapshot].stream];

	return (struct moment){ run->snapshots[snapshot].time_ns, stream->object_first,
		                (size_t)stream->object_first + stream->object_count };
}

static bool is_in(const struct moment *moment, const struct mr_objects *objects, size_t row)
{
	return row >= moment->row_first && row < moment->row_end &&
	       mr_object_is_alive(objects, row, moment->time_ns);
}

static int count_objects(void *context, const struct mr_snapshot_view *view, struct mr_error *err)
{
	struct counting *counting = context;
	const struct mr_objects *objects = &view->run->objects;

	(void)err;
	for (size_t row = view->row_first; row < view->row_end; row++) {
		struct mr_diff_row *of_class = &counting->classes[view->class_index[row]];
		const uint64_t size_bytes = view->size_bytes[row];

		if (!mr_object_is_alive(objects, row, view->time_ns))
			continue;
		if (!counting->at_second) {
			add_amount(&of_class->before, size_bytes);
			if (!is_in(&counting->to, objects, row))
				add_amount(&of_class->deleted, size_bytes);
			continue;
		}
		add_amount(&of_class->after, size_bytes);
		if (!is_in(&counting->from, objects, row))
			add_amount(&of_class->created, size_bytes);
		if (counting->has_previous && objects->birth_ns[row] > counting->baseline_ns &&
		    is_in(&counting->previous, objects, row))
			add_amount(&of_class->persistent, size_bytes);
	}
	return 0;
}

/* The snapshot before the second one, and the baseline, of the same stream. */
static void find_previous(struct counting *counting, const struct mr_run *run, uint32_t to)
{
	bool has_baseline = false;

	for (uint32_t i = 0; i < to; i++) {
		if (run->snapshots[i].stream != run->snapshots[to].stream)
			continue;
		if (!has_baseline || mr_run_is_baseline(run, i))
			counting->baseline_ns = run->snapshots[i].time_ns;
		has_baseline = true;
		counting->previous = moment_of(run, i);
		counting->has_previous = true;
	}
}

/* ---- What a census counted without telling of it one by one ----------------- */

static uint64_t plus(uint64_t left, uint64_t right)
{
	uint64_t sum;

	return __builtin_add_overflow(left, right, &sum) ? UINT64_MAX : sum;
}

static void add_untold(struct mr_amount *amount, uint64_t count, uint64_t size_bytes)
{
	amount->count = plus(amount->count, count);
	amount->size_bytes = plus(amount->size_bytes, size_bytes);
}

/* What there was of each class at SNAPSHOT, its untold objects included.  A log that was cut may have a
 * snapshot without its totals: then the told objects are what there is. */
static void take_totals(struct mr_diff_row *classes, const struct mr_run *run, uint32_t snapshot, bool after)
{
	const struct mr_snapshot *const at = &run->snapshots[snapshot];

	for (uint32_t i = 0; at->class_total_count > 0 && i < run->class_count; i++)
		*(after ? &classes[i].after : &classes[i].before) = (struct mr_amount){ 0, 0 };
	for (size_t i = 0; i < at->class_total_count; i++) {
		const struct mr_class_total *const total = &run->class_totals[at->class_total_first + i];
		struct mr_diff_row *const row = &classes[total->class_index];

		add_untold(after ? &row->after : &row->before, total->count, total->size_bytes);
	}
}

/* Untold objects come and go from snapshot to snapshot: over several of them, one that came and went is
 * created and deleted both.  Backwards, what was made is what has to go. */
static void count_untold(struct mr_diff_row *classes, const struct mr_run *run, uint32_t from, uint32_t to)
{
	const uint32_t first = from < to ? from : to, last = from < to ? to : from;

	for (uint32_t k = first + 1; k <= last; k++) {
		const struct mr_snapshot *const at = &run->snapshots[k];

		for (size_t i = 0; at->stream == run->snapshots[to].stream && i < at->class_total_count;
		     i++) {
			const struct mr_class_total *const total =
				&run->class_totals[at->class_total_first + i];
			struct mr_diff_row *const row = &classes[total->class_index];

			add_untold(from < to ? &row->created : &row->deleted, total->made, total->made_bytes);
			add_untold(from < to ? &row->deleted : &row->created, total->gone, total->gone_bytes);
		}
	}
	for (size_t i = 0; i < run->snapshots[to].class_total_count; i++) {
		const struct mr_class_total *const total =
			&run->class_totals[run->snapshots[to].class_total_first + i];

		add_untold(&classes[total->class_index].persistent, total->stayed, total->stayed_bytes);
	}
	take_totals(classes, run, from, false);
	take_totals(classes, run, to, true);
}

int mr_diff_fill_run(struct mr_diff *diff, uint32_t pair_index, struct mr_error *err)
{
	struct mr_model *model = diff->log->model;
	const struct mr_diff_pair *pair = &diff->pairs[pair_index];
	const struct mr_run *run = &model->runs[pair->run];
	int code = mr_model_load(model, MR_LOAD_OBJECTS, err);

	MR_TRY(code);
	struct counting counting = { .from = moment_of(run, pair->from), .to = moment_of(run, pair->to) };

	find_previous(&counting, run, pair->to);
	counting.classes = mr_alloc(((size_t)run->class_count + 1) * sizeof(*counting.classes));
	MR_FAIL_IF(!counting.classes, err, MR_ERR_NOMEM, "no memory for table diff");
	code = mr_model_replay(model, pair->run, pair->from, pair->from, count_objects, &counting, err);
	counting.at_second = true;
	if (code == 0)
		code = mr_model_replay(model, pair->run, pair->to, pair->to, count_objects, &counting, err);
	if (code == 0 && pair->kind == MR_DIFF_TYPES)
		count_untold(counting.classes, run, pair->from, pair->to);
	for (uint32_t i = 0; code == 0 && i < run->class_count; i++) {
		counting.classes[i].class_name = mr_run_class_name(model, run, i);
		counting.classes[i].pair = pair_index;
		if (!row_is_empty(&counting.classes[i]))
			code = mr_diff_append_row(diff, &counting.classes[i], err);
	}
	mr_free(counting.classes);
	return code;
}

/* ---- Two logs ------------------------------------------------------------ */

struct entry {
	const char *class_name;
	struct mr_amount amount;
	bool is_after;
};

struct entries {
	struct entry *items;
	size_t count;
	size_t capacity;
};

/* What a file's runs had at their last snapshot of that KIND, or at the one that is named. */
static int collect(struct entries *entries, const struct memstats_log *log, enum mr_diff_kind kind,
                   size_t operand, struct mr_error *err)
{
	const struct mr_model *model = log->model;

	for (size_t i = 0; i < model->run_count; i++) {
		const struct mr_run *run = &model->runs[i];

		if (run->file != log->operands[operand].file)
			continue;
		const uint32_t index =
			mr_diff_find_snapshot(model, run, kind, log->operands[operand].snapshot);

		if (index == MR_INDEX_NONE)
			continue;
		const struct mr_snapshot *snapshot = &run->snapshots[index];
		const int code =
			mr_grow(&entries->items, &entries->capacity,
		                entries->count + snapshot->class_total_count, sizeof(*entries->items));

		MR_FAIL_IF(code < 0, err, code, "no memory for table diff");
		for (size_t k = 0; k < snapshot->class_total_count; k++) {
			const struct mr_class_total *total =
				&run->class_totals[snapshot->class_total_first + k];

			entries->items[entries->count++] = (struct entry){
				mr_run_class_name(model, run, total->class_index),
				{ total->count, total->size_bytes },
				operand == 1,
			};
		}
	}
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->class_name, ((const struct entry *)b)->class_name);
}

static int merge(struct mr_diff *diff, uint32_t pair, const struct entries *entries, struct mr_error *err)
{
	struct mr_diff_row row = { .pair = pair };

	for (size_t i = 0; i < entries->count; i++) {
		const struct entry *entry = &entries->items[i];
		struct mr_amount *amount = entry->is_after ? &row.after : &row.before;

		row.class_name = entry->class_name;
		amount->count += entry->amount.count;
		amount->size_bytes += entry->amount.size_bytes;
		if (i + 1 < entries->count &&
		    strcmp(entries->items[i + 1].class_name, entry->class_name) == 0)
			continue;
		if (!row_is_empty(&row))
			MR_TRY(mr_diff_append_row(diff, &row, err));
		row = (struct mr_diff_row){ .pair = pair };
	}
	return 0;
}

int mr_diff_fill_files(struct mr_diff *diff, uint32_t pair, struct mr_error *err)
{
	const struct memstats_log *log = diff->log;
	struct entries entries = { NULL, 0, 0 };
	int code = 0;

	for (size_t i = 0; code == 0 && i < log->operand_count; i++)
		code = collect(&entries, log, diff->pairs[pair].kind, i, err);
	if (entries.count > 1)
		qsort(entries.items, entries.count, sizeof(*entries.items), compare_entries);
	if (code == 0)
		code = merge(diff, pair, &entries, err);
	mr_free(entries.items);
	return code;
}
