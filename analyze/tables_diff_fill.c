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
	       row->deleted.count == 0;
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
		if (!has_baseline)
			counting->baseline_ns = run->snapshots[i].time_ns;
		has_baseline = true;
		counting->previous = moment_of(run, i);
		counting->has_previous = true;
	}
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

/* What a file's runs had at their last snapshot, or at the one that is named. */
static int collect(struct entries *entries, const struct memstats_log *log, uint32_t file, const char *named,
                   bool is_after, struct mr_error *err)
{
	const struct mr_model *model = log->model;

	for (size_t i = 0; i < model->run_count; i++) {
		const struct mr_run *run = &model->runs[i];

		if (run->file != file || run->snapshot_count == 0)
			continue;
		const uint32_t index =
			named ? mr_diff_find_snapshot(model, run, named) : (uint32_t)run->snapshot_count - 1;

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
				is_after,
			};
		}
	}
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->class_name, ((const struct entry *)b)->class_name);
}

static int merge(struct mr_diff *diff, const struct entries *entries, struct mr_error *err)
{
	struct mr_diff_row row = { .class_name = NULL };

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
		row = (struct mr_diff_row){ .class_name = NULL };
	}
	return 0;
}

int mr_diff_fill_files(struct mr_diff *diff, struct mr_error *err)
{
	const struct memstats_log *log = diff->log;
	struct entries entries = { NULL, 0, 0 };
	int code = 0;

	for (size_t i = 0; code == 0 && i < log->operand_count; i++)
		code = collect(&entries, log, log->operands[i].file, log->operands[i].snapshot, i == 1, err);
	if (entries.count > 1)
		qsort(entries.items, entries.count, sizeof(*entries.items), compare_entries);
	if (code == 0)
		code = merge(diff, &entries, err);
	mr_free(entries.items);
	return code;
}
