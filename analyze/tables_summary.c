/* SPDX-License-Identifier: MIT
 *
 * Table summary: each snapshot with each class, and its text layout, that of
 * ClassTracker's print_summary.  It is made from the totals that a log holds
 * beside its snapshots, so it costs the same however many objects there were.
 *
 * ClassTracker gives percentages of the virtual memory of the process, which
 * says little, and of nothing where that is unknown.  Here the whole is the
 * resident memory of the process, or the size of all tracked objects where that
 * is larger or the other is not known.  What pympler wrote is shown as pympler
 * shows it: percent of virtual memory, and in a snapshot's line the size of all
 * objects that the runtime knows, 0 when it was not asked for.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "table_rows.h"
#include "tables_heap.h"

#define DESCRIPTION_WIDTH 35
#define CLASS_WIDTH 33
#define TYPES_MAX 15 /* of a census, in text */

enum { RUN, SNAPSHOT, TIME, DESCRIPTION, TOTAL, CLASS, ACTIVE, SIZE, AVERAGE, PCT, COLUMN_COUNT };

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[SNAPSHOT] = { "snapshot", MEMSTATS_ID, "the snapshot's number" },
	[TIME] = { "time", MEMSTATS_TIME, "when it was taken" },
	[DESCRIPTION] = { "description", MEMSTATS_TEXT, "what the program called it" },
	[TOTAL] = { "total", MEMSTATS_BYTES,
	            "resident memory of the process, or all that is tracked where that is more; "
	            "of pympler's dumps, virtual memory" },
	[CLASS] = { "class", MEMSTATS_TEXT, "name of the class; none where nothing was tracked" },
	[ACTIVE] = { "active", MEMSTATS_COUNT, "instances alive" },
	[SIZE] = { "size", MEMSTATS_BYTES, "of all of them, with what they refer to" },
	[AVERAGE] = { "average", MEMSTATS_BYTES, "size of an instance, on average" },
	[PCT] = { "pct", MEMSTATS_PERCENT, "size, of total" },
};

struct row {
	uint32_t run;
	uint32_t snapshot;    /* index in the run */
	uint32_t class_index; /* 0: nothing was tracked */
	uint64_t count;
	uint64_t size_bytes;
};

struct summary {
	const struct mr_model *model;
	struct row *rows;
	size_t count;
};

/* What percentages are of. */
static uint64_t whole_of(const struct mr_run *run, const struct mr_snapshot *snapshot)
{
	if (run->imported == MR_IMPORTED_NOTHING)
		return mr_snapshot_total(snapshot);
	if (snapshot->vsz_bytes != MR_NONE)
		return snapshot->vsz_bytes;
	return snapshot->total_bytes != MR_NONE ? snapshot->total_bytes : snapshot->size_bytes;
}

/* ---- Rows ---------------------------------------------------------------- */

struct naming {
	const struct mr_model *model;
	const struct mr_run *run;
};

static int compare_classes(const void *a, const void *b, void *context)
{
	const struct naming *naming = context;
	const uint32_t first = *(const uint32_t *)a;
	const uint32_t second = *(const uint32_t *)b;
	const int order = strcmp(mr_run_class_name(naming->model, naming->run, first),
	                         mr_run_class_name(naming->model, naming->run, second));

	return order != 0 ? order : (first > second) - (first < second);
}

static int compare_rows(const void *a, const void *b, void *context)
{
	return compare_classes(&((const struct row *)a)->class_index, &((const struct row *)b)->class_index,
	                       context);
}

/* The tracker's classes of RUN, in ORDER; how many there are. */
static uint32_t tracked_classes(const struct mr_run *run, uint32_t *order)
{
	uint32_t count = 0;

	for (uint32_t i = 1; i < run->class_count; i++)
		if (run->streams[run->classes[i].stream].source != MR_SOURCE_CENSUS)
			order[count++] = i;
	return count;
}

/* What a census counted, by name. */
static void fill_census(struct summary *summary, uint32_t run_index, uint32_t snapshot_index)
{
	const struct mr_run *run = &summary->model->runs[run_index];
	const struct mr_snapshot *snapshot = &run->snapshots[snapshot_index];
	struct naming naming = { summary->model, run };
	struct row *rows = summary->rows + summary->count;
	size_t count = 0;

	for (size_t i = 0; i < snapshot->class_total_count; i++) {
		const struct mr_class_total *total = &run->class_totals[snapshot->class_total_first + i];

		if (total->class_index != 0 && total->count > 0)
			rows[count++] = (struct row){ run_index, snapshot_index, total->class_index,
				                      total->count, total->size_bytes };
	}
	qsort_r(rows, count, sizeof(*rows), compare_rows, &naming);
	if (count == 0)
		rows[count++] = (struct row){ run_index, snapshot_index, 0, 0, 0 };
	summary->count += count;
}

/* Every class of the run in every snapshot, by name, whether it had instances
 * then or not. PLACES has room for a number a class. */
static void fill_run(struct summary *summary, uint32_t run_index, uint32_t *order, size_t *places)
{
	const struct mr_run *run = &summary->model->runs[run_index];
	struct naming naming = { summary->model, run };
	const uint32_t classes = tracked_classes(run, order);

	qsort_r(order, classes, sizeof(*order), compare_classes, &naming);
	for (uint32_t i = 0; i < classes; i++)
		places[order[i]] = i;
	for (uint32_t s = 0; s < run->snapshot_count; s++) {
		const struct mr_snapshot *snapshot = &run->snapshots[s];
		struct row *rows = summary->rows + summary->count;

		if (mr_run_is_census(run, s)) {
			fill_census(summary, run_index, s);
			continue;
		}
		rows[0] = (struct row){ run_index, s, 0, 0, 0 };
		for (uint32_t i = 0; i < classes; i++)
			rows[i] = (struct row){ run_index, s, order[i], 0, 0 };
		for (size_t i = 0; i < snapshot->class_total_count; i++) {
			const struct mr_class_total *total =
				&run->class_totals[snapshot->class_total_first + i];

			if (total->class_index == 0)
				continue;
			rows[places[total->class_index]].count = total->count;
			rows[places[total->class_index]].size_bytes = total->size_bytes;
		}
		summary->count += classes > 0 ? classes : 1;
	}
}

/* How many rows a snapshot takes at most. */
static size_t rows_of(const struct mr_run *run, uint32_t snapshot)
{
	const size_t classes = mr_run_is_census(run, snapshot) ? run->snapshots[snapshot].class_total_count
	                       : run->class_count > 0          ? run->class_count - 1
	                                                       : 0;

	return classes > 0 ? classes : 1;
}

static int summary_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                        struct mr_error *err)
{
	const struct mr_model *model = log->model;
	struct summary *summary = mr_alloc(sizeof(*summary));
	size_t count = 0;
	uint32_t class_max = 0;

	(void)needed;
	MR_FAIL_IF(!summary, err, MR_ERR_NOMEM, "no memory for table summary");
	*state = summary;
	summary->model = model;
	for (size_t i = 0; i < model->run_count; i++) {
		const struct mr_run *run = &model->runs[i];

		for (uint32_t k = 0; k < run->snapshot_count; k++)
			count += rows_of(run, k);
		class_max = run->class_count > class_max ? run->class_count : class_max;
		MR_FAIL_IF(count > MR_TABLE_ROWS_HELD_MAX, err, MR_ERR_LIMIT,
		           "table summary has more than %u rows", MR_TABLE_ROWS_HELD_MAX);
	}
	summary->rows = mr_alloc((count + 1) * sizeof(*summary->rows));
	uint32_t *order = mr_alloc((class_max + 1) * sizeof(*order));
	size_t *places = mr_alloc((class_max + 1) * sizeof(*places));
	const bool failed = !summary->rows || !order || !places;

	for (uint32_t i = 0; !failed && i < model->run_count; i++)
		fill_run(summary, i, order, places);
	mr_free(order);
	mr_free(places);
	MR_FAIL_IF(failed, err, MR_ERR_NOMEM, "no memory for table summary");
	*row_count = summary->count;
	return 0;
}

static void summary_close(void *state)
{
	struct summary *summary = state;

	if (summary)
		mr_free(summary->rows);
	mr_free(summary);
}

static void summary_cell(const void *state, size_t index, size_t column, struct mr_cell *cell)
{
	const struct summary *summary = state;
	const struct row *row = &summary->rows[index];
	const struct mr_run *run = &summary->model->runs[row->run];
	const struct mr_snapshot *snapshot = &run->snapshots[row->snapshot];
	const bool nothing = row->class_index == 0;

	switch (column) {
	case RUN:
		mr_cell_number(cell, (uint64_t)row->run + 1);
		break;
	case SNAPSHOT:
		mr_cell_number(cell, snapshot->number);
		break;
	case TIME:
		mr_cell_number(cell, snapshot->time_ns);
		break;
	case DESCRIPTION:
		mr_cell_model_string(cell, summary->model, snapshot->description);
		break;
	case TOTAL:
		mr_cell_number(cell, whole_of(run, snapshot));
		break;
	case CLASS:
		mr_cell_string(cell,
		               nothing ? NULL : mr_run_class_name(summary->model, run, row->class_index));
		break;
	case ACTIVE:
		mr_cell_number_or_null(cell, row->count, nothing);
		break;
	case SIZE:
		mr_cell_number_or_null(cell, row->size_bytes, nothing);
		break;
	case AVERAGE:
		mr_cell_number_or_null(cell, row->count > 0 ? row->size_bytes / row->count : 0,
		                       row->count == 0);
		break;
	case PCT:
		mr_cell_percent(cell, (double)row->size_bytes, (double)whole_of(run, snapshot));
		cell->is_null = cell->is_null || nothing;
		break;
	}
}

/* ---- Text ---------------------------------------------------------------- */

static void put_bytes(struct mr_writing *writing, uint64_t size_bytes, size_t width)
{
	char text[32];

	if (writing->flags & MEMSTATS_EXACT_BYTES)
		snprintf(text, sizeof(text), "%" PRIu64, size_bytes);
	else
		mr_text_bytes(text, size_bytes);
	mr_buffer_printf(&writing->buffer, " %*s", (int)width, text);
}

/* As ClassTracker, which divides first and rounds then, in floating point. */
static void put_average(struct mr_writing *writing, uint64_t size_bytes, uint64_t count)
{
	static const char *const units[] = { "B", "KB", "MB", "GB", "TB", "PB", "EB" };
	double average = count == 0 ? 0 : (double)size_bytes / (double)count;
	unsigned degree = 0;
	char digits[64], text[32];

	if (average <= 1024 || (writing->flags & MEMSTATS_EXACT_BYTES)) {
		put_bytes(writing, count == 0 ? 0 : size_bytes / count, 12);
		return;
	}
	for (; average > 1024 && degree + 1 < MR_ARRAY_LEN(units); degree++)
		average /= 1024;
	/* Whatever a locale has for a point: the last two digits are behind it. */
	snprintf(digits, sizeof(digits), "%.2f", average);
	const size_t len = strlen(digits);

	snprintf(text, sizeof(text), "%4.*s.%s %s", (int)strspn(digits, "0123456789"), digits,
	         digits + len - 2, units[degree]);
	mr_buffer_printf(&writing->buffer, " %12s", text);
}

static void put_name(struct mr_writing *writing, const struct mr_run *run, const char *text, size_t width)
{
	mr_buffer_clear(&writing->scratch);
	mr_output_name_of(&writing->scratch, run->language == MR_LANGUAGE_PYTHON, text, width, false);
	mr_output_field(&writing->buffer, writing->scratch.data, writing->scratch.len, width, false);
}

static void put_snapshot(struct mr_writing *writing, const struct mr_model *model, const struct mr_run *run,
                         const struct mr_snapshot *snapshot)
{
	const uint64_t known = snapshot->total_bytes != MR_NONE ? snapshot->total_bytes : 0;

	put_name(writing, run, mr_model_string(model, snapshot->description), DESCRIPTION_WIDTH);
	mr_buffer_printf(&writing->buffer, " %11s", "active");
	put_bytes(writing, run->imported != MR_IMPORTED_NOTHING ? known : whole_of(run, snapshot), 12);
	mr_buffer_printf(&writing->buffer, " %12s %5s\n", "average", "pct");
}

static void put_line(struct mr_writing *writing, const struct summary *summary, const struct row *row,
                     const char *name)
{
	const struct mr_run *run = &summary->model->runs[row->run];
	const uint64_t total = whole_of(run, &run->snapshots[row->snapshot]);
	const uint64_t percent =
		total == 0 ? 0 : (uint64_t)((unsigned __int128)row->size_bytes * 100 / total);

	mr_buffer_append(&writing->buffer, "  ", 2);
	put_name(writing, run, name, CLASS_WIDTH);
	mr_buffer_printf(&writing->buffer, " %11" PRIu64, row->count);
	put_bytes(writing, row->size_bytes, 12);
	put_average(writing, row->size_bytes, row->count);
	mr_buffer_printf(&writing->buffer, " %4" PRIu64 "%%\n", percent);
}

static void put_class(struct mr_writing *writing, const struct summary *summary, const struct row *row)
{
	put_line(writing, summary, row,
	         mr_run_class_name(summary->model, &summary->model->runs[row->run], row->class_index));
}

/* Rows keep their order within a snapshot; snapshots stand in the order in
 * which their first rows do.  ORDER gets the shown rows so. */
static int group_rows(const struct memstats_table *table, uint32_t *order, struct mr_error *err)
{
	const struct summary *summary = table->state;
	size_t snapshot_count = 0;
	size_t *first = mr_alloc((summary->model->run_count + 1) * sizeof(*first));

	MR_FAIL_IF(!first, err, MR_ERR_NOMEM, "no memory for the summary");
	for (size_t i = 0; i < summary->model->run_count; i++) {
		first[i] = snapshot_count;
		snapshot_count += summary->model->runs[i].snapshot_count;
	}
	/* The rows of a snapshot are chained: heads by snapshot, links by row. */
	const size_t count = table->row_count;
	uint32_t *heads = mr_alloc((snapshot_count + 1) * sizeof(*heads));
	uint32_t *tails = mr_alloc((snapshot_count + 1) * sizeof(*tails));
	uint32_t *links = mr_alloc((count + 1) * sizeof(*links));
	const bool failed = !heads || !tails || !links;

	for (uint32_t i = 0; !failed && i < count; i++) {
		const struct row *row = &summary->rows[mr_table_row(table, i)];
		const size_t snapshot = first[row->run] + row->snapshot;

		if (heads[snapshot] == 0)
			heads[snapshot] = i + 1;
		else
			links[tails[snapshot] - 1] = i + 1;
		tails[snapshot] = i + 1;
	}
	size_t at = 0;

	for (uint32_t i = 0; !failed && i < count; i++) {
		const struct row *row = &summary->rows[mr_table_row(table, i)];

		if (heads[first[row->run] + row->snapshot] != i + 1)
			continue;
		for (uint32_t next = i + 1; next != 0; next = links[next - 1])
			order[at++] = next - 1;
	}
	mr_free(first);
	mr_free(heads);
	mr_free(tails);
	mr_free(links);
	MR_FAIL_IF(failed, err, MR_ERR_NOMEM, "no memory for the summary");
	return 0;
}

static int compare_sizes(const void *a, const void *b)
{
	const struct row *first = *(const struct row *const *)a;
	const struct row *second = *(const struct row *const *)b;

	if (first->size_bytes != second->size_bytes)
		return first->size_bytes > second->size_bytes ? -1 : 1;
	return first < second ? -1 : first > second;
}

/* The largest of COUNT types of one snapshot, and the others in one line.  ROWS are put in order. */
static void put_types(struct mr_writing *writing, const struct summary *summary, const struct row **rows,
                      size_t count)
{
	struct row others = { .run = rows[0]->run, .snapshot = rows[0]->snapshot };
	const size_t shown = count > TYPES_MAX + 1 ? TYPES_MAX : count;
	char name[40];

	qsort(rows, count, sizeof(*rows), compare_sizes);
	for (size_t i = 0; i < shown; i++)
		put_class(writing, summary, rows[i]);
	for (size_t i = shown; i < count; i++) {
		others.count += rows[i]->count;
		others.size_bytes += rows[i]->size_bytes;
	}
	if (shown == count)
		return;
	snprintf(name, sizeof(name), "(%zu other types)", count - shown);
	put_line(writing, summary, &others, name);
}

/* All types of a census; how many rows they are.  Those of a table that a query has made its own are shown
 * as it wants them. */
static size_t put_census(struct mr_writing *writing, const uint32_t *order, size_t first,
                         const struct row **scratch)
{
	const struct memstats_table *table = writing->table;
	const struct summary *summary = table->state;
	const struct row *head = &summary->rows[mr_table_row(table, order[first])];
	size_t count = 0;

	while (first + count < table->row_count) {
		const struct row *row = &summary->rows[mr_table_row(table, order[first + count])];

		if (row->run != head->run || row->snapshot != head->snapshot)
			break;
		scratch[count++] = row;
	}
	put_types(writing, summary, scratch, count);
	return count;
}

static int put_rows(struct mr_writing *writing, const uint32_t *order, const struct row **scratch,
                    struct mr_error *err)
{
	const struct memstats_table *table = writing->table;
	const struct summary *summary = table->state;
	const struct row *last = NULL;

	for (size_t i = 0; i < table->row_count;) {
		const struct row *row = &summary->rows[mr_table_row(table, order[i])];
		const struct mr_run *run = &summary->model->runs[row->run];

		if (summary->model->run_count > 1 && (!last || last->run != row->run))
			mr_output_run(writing, summary->model, row->run);
		if (!last || last->run != row->run || last->snapshot != row->snapshot)
			put_snapshot(writing, summary->model, run, &run->snapshots[row->snapshot]);
		last = row;
		if (row->class_index != 0 && !table->rows && mr_run_is_census(run, row->snapshot)) {
			i += put_census(writing, order, i, scratch);
		} else {
			if (row->class_index != 0)
				put_class(writing, summary, row);
			i++;
		}
		MR_TRY(mr_writing_flush(writing, false, err));
	}
	return 0;
}

/* Tracked objects; nothing where there are none and the heap was recorded. */
static int put_objects(struct mr_writing *writing, struct mr_error *err)
{
	const struct memstats_table *table = writing->table;
	uint32_t *order = mr_alloc((table->row_count + 1) * sizeof(*order));
	const struct row **scratch = mr_alloc((table->row_count + 1) * sizeof(const struct row *));
	const size_t start = writing->buffer.len;
	int code = 0;

	if (!order || !scratch) {
		mr_free(order);
		mr_free(scratch);
		return mr_fail(err, MR_ERR_NOMEM, "no memory for the summary");
	}
	mr_buffer_printf(&writing->buffer, "---- SUMMARY");
	mr_output_rule(&writing->buffer, start, MR_OUTPUT_WIDTH);
	if (table->row_count == 0 && !mr_log_is_imported(table->log))
		mr_buffer_printf(&writing->buffer, "(no snapshots)\n");
	code = group_rows(table, order, err);
	if (code == 0)
		code = put_rows(writing, order, scratch, err);
	mr_free(order);
	mr_free(scratch);
	mr_output_rule(&writing->buffer, writing->buffer.len, MR_OUTPUT_WIDTH);
	if (!mr_log_is_imported(table->log))
		mr_output_more(writing);
	return code;
}

static int summary_write_text(struct mr_writing *writing, struct mr_error *err)
{
	const struct summary *summary = writing->table->state;
	bool has_heap = false;

	for (size_t i = 0; i < summary->model->run_count; i++)
		has_heap = has_heap || summary->model->runs[i].heap_image_count > 0;
	/* Who filters classes asks about them alone. */
	if (has_heap && writing->table->filtered_count == 0)
		MR_TRY(mr_summary_put_heap(writing, err));
	return has_heap && summary->count == 0 ? 0 : put_objects(writing, err);
}

const struct mr_table_type mr_table_summary = {
	.info = { "summary", "each class at each snapshot, as ClassTracker prints it", columns, COLUMN_COUNT,
	          CLASS },
	.open = summary_open,
	.cell = summary_cell,
	.close = summary_close,
	.write_text = summary_write_text,
};
