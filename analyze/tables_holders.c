/* SPDX-License-Identifier: MIT
 *
 * Table holders: who holds the persistent objects of a census, a row a way, which
 * is a shortest path from a root that objects of a class share.  Of the last
 * snapshot that says so, unless FILE@SNAPSHOT names one.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "output.h"
#include "table_rows.h"

#define NAME_WIDTH 60
#define PATH_WIDTH 70
#define PATH_BESIDE 50 /* characters of a path up to which there is room for more behind it */
#define EXAMPLE_WIDTH 62

enum { RUN, SNAPSHOT, CLASS, COUNT, SIZE, PATH, EXAMPLE, ROOT, LENGTH, SINCE, OBJECT, COLUMN_COUNT };

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[SNAPSHOT] = { "snapshot", MEMSTATS_ID,
	               "the snapshot's number: the last one that tells of holders unless one is named" },
	[CLASS] = { "class", MEMSTATS_TEXT, "type of the objects that are held" },
	[COUNT] = { "count", MEMSTATS_COUNT, "how many of them are held in this way first" },
	[SIZE] = { "size", MEMSTATS_BYTES, "of these, without what they refer to" },
	[PATH] = { "path", MEMSTATS_TEXT,
	           "how a program would name them, from where they are held; * stands for what differs" },
	[EXAMPLE] = { "example", MEMSTATS_TEXT, "the name of one of them" },
	[ROOT] = { "root", MEMSTATS_TEXT,
	           "what the path begins at: module, local variable, interpreter, C code, or only each "
	           "other" },
	[LENGTH] = { "length", MEMSTATS_COUNT, "references from there to the object" },
	[SINCE] = { "since", MEMSTATS_TIME, "when a census first saw the one in `example`" },
	[OBJECT] = { "object", MEMSTATS_ID, "its number in the log, as in table objects" },
};

struct row {
	uint32_t run;
	uint32_t way;         /* index in the run's holders */
	uint64_t since_ns;    /* MR_NONE: not known */
	uint64_t class_bytes; /* of all ways of its class */
};

struct holders {
	const struct memstats_log *log;
	struct row *rows;
	size_t count;
};

static const char *root_name(uint32_t root)
{
	static const char *const names[] = {
		[MR_HOLDER_MODULE] = "module",           [MR_HOLDER_FRAME] = "local variable",
		[MR_HOLDER_INTERPRETER] = "interpreter", [MR_HOLDER_OUTSIDE] = "C code",
		[MR_HOLDER_CYCLE] = "only each other",
	};

	return root < MR_ARRAY_LEN(names) ? names[root] : NULL;
}

/* ---- Which snapshot ---------------------------------------------------------- */

/* By number, or else by description; MR_INDEX_NONE: RUN has none. */
static uint32_t find_snapshot(const struct mr_model *model, const struct mr_run *run, const char *text)
{
	uint64_t number = 0;
	const bool is_number = mr_parse_u64(text, &number) == 0;

	for (uint32_t i = 0; is_number && i < run->snapshot_count; i++)
		if (run->snapshots[i].number == number)
			return i;
	for (uint32_t i = 0; i < run->snapshot_count; i++)
		if (mr_run_is_census(run, i) && run->snapshots[i].description != 0 &&
		    strcmp(mr_model_string(model, run->snapshots[i].description), text) == 0)
			return i;
	return MR_INDEX_NONE;
}

/* The snapshot of RUN that is asked for, or else its last one with holders; MR_INDEX_NONE: none. */
static uint32_t choose_snapshot(const struct memstats_log *log, const struct mr_run *run)
{
	for (size_t i = 0; i < log->operand_count; i++) {
		if (log->operands[i].file != run->file || !log->operands[i].snapshot)
			continue;
		return find_snapshot(log->model, run, log->operands[i].snapshot);
	}
	for (size_t i = run->snapshot_count; i > 0; i--)
		if (run->snapshots[i - 1].holder_count > 0)
			return (uint32_t)(i - 1);
	return MR_INDEX_NONE;
}

/* Every snapshot that is named is one of a run of its file. */
static int check_operands(const struct memstats_log *log, struct mr_error *err)
{
	for (size_t i = 0; i < log->operand_count; i++) {
		bool found = log->operands[i].snapshot == NULL;

		for (size_t r = 0; !found && r < log->model->run_count; r++)
			found = log->model->runs[r].file == log->operands[i].file &&
			        find_snapshot(log->model, &log->model->runs[r], log->operands[i].snapshot) !=
			                MR_INDEX_NONE;
		MR_FAIL_IF(!found, err, MR_ERR_ARG,
		           "%.200s has no snapshot '%.100s'; 'memstats snapshots %.200s' lists them",
		           log->words[i], log->operands[i].snapshot, log->words[i]);
	}
	return 0;
}

/* ---- The table ----------------------------------------------------------------- */

/* Births are read only where somebody asks for them. */
static int find_births(struct holders *holders, struct mr_error *err)
{
	struct mr_model *model = holders->log->model;

	MR_TRY(mr_model_load(model, MR_LOAD_OBJECTS, err));
	for (size_t i = 0; i < holders->count; i++) {
		struct row *row = &holders->rows[i];
		const struct mr_run *run = &model->runs[row->run];
		const struct mr_holder_way *way = &run->holders[row->way];
		const uint32_t object = way->object != MR_NONE
		                                ? mr_model_object_row(model, run, way->snapshot, way->object)
		                                : MR_INDEX_NONE;

		row->since_ns = object != MR_INDEX_NONE ? run->objects.birth_ns[object] : MR_NONE;
	}
	return 0;
}

static int compare_rows(const void *a, const void *b)
{
	const struct row *first = a;
	const struct row *second = b;

	if (first->class_bytes != second->class_bytes)
		return first->class_bytes > second->class_bytes ? -1 : 1;
	return first->way < second->way ? -1 : first->way > second->way;
}

/* The rows of a snapshot, whose ways are ordered by class and size: the class that holds most first. */
static void add_rows(struct holders *holders, uint32_t run_index, uint32_t snapshot)
{
	const struct mr_run *run = &holders->log->model->runs[run_index];
	const struct mr_snapshot *at = &run->snapshots[snapshot];
	struct row *rows = holders->rows + holders->count;

	for (size_t i = 0, end; i < at->holder_count; i = end) {
		const struct mr_holder_way *ways = &run->holders[at->holder_first];
		uint64_t size_bytes = 0;

		for (end = i; end < at->holder_count && ways[end].class_index == ways[i].class_index; end++)
			size_bytes += ways[end].size_bytes;
		for (size_t k = i; k < end; k++)
			rows[k] = (struct row){ run_index, (uint32_t)(at->holder_first + k), MR_NONE,
				                size_bytes };
	}
	if (at->holder_count > 0)
		qsort(rows, at->holder_count, sizeof(*rows), compare_rows);
	holders->count += at->holder_count;
}

static int holders_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                        struct mr_error *err)
{
	struct holders *holders = mr_alloc(sizeof(*holders));
	size_t total = 1;

	MR_FAIL_IF(!holders, err, MR_ERR_NOMEM, "no memory for table holders");
	*state = holders;
	holders->log = log;
	MR_TRY(check_operands(log, err));
	for (size_t i = 0; i < log->model->run_count; i++)
		total += log->model->runs[i].holder_count;
	holders->rows = mr_alloc(total * sizeof(*holders->rows));
	MR_FAIL_IF(!holders->rows, err, MR_ERR_NOMEM, "no memory for table holders");
	for (uint32_t i = 0; i < log->model->run_count; i++) {
		const uint32_t chosen = choose_snapshot(log, &log->model->runs[i]);

		if (chosen != MR_INDEX_NONE)
			add_rows(holders, i, chosen);
	}
	*row_count = holders->count;
	return needed & mr_column_bit(SINCE) ? find_births(holders, err) : 0;
}

static int holders_finish(void *state, const uint32_t *rows, size_t row_count, uint64_t shown,
                          struct mr_error *err)
{
	(void)rows;
	return row_count > 0 && (shown & mr_column_bit(SINCE)) ? find_births(state, err) : 0;
}

static void holders_close(void *state)
{
	struct holders *holders = state;

	if (holders)
		mr_free(holders->rows);
	mr_free(holders);
}

static void holders_cell(const void *state, size_t index, size_t column, struct mr_cell *cell)
{
	const struct holders *holders = state;
	const struct mr_model *model = holders->log->model;
	const struct row *row = &holders->rows[index];
	const struct mr_run *run = &model->runs[row->run];
	const struct mr_holder_way *way = &run->holders[row->way];

	switch (column) {
	case RUN:
		mr_cell_number(cell, (uint64_t)row->run + 1);
		break;
	case SNAPSHOT:
		mr_cell_number(cell, run->snapshots[way->snapshot].number);
		break;
	case CLASS:
		mr_cell_string(cell, mr_run_class_name(model, run, way->class_index));
		break;
	case COUNT:
		mr_cell_number(cell, way->count);
		break;
	case SIZE:
		mr_cell_number(cell, way->size_bytes);
		break;
	case PATH:
		mr_cell_model_string(cell, model, way->path);
		break;
	case EXAMPLE:
		mr_cell_model_string(cell, model, way->example);
		break;
	case ROOT:
		mr_cell_string(cell, root_name(way->root));
		break;
	case LENGTH:
		mr_cell_number(cell, way->length);
		break;
	case SINCE:
		mr_cell_optional(cell, row->since_ns);
		break;
	case OBJECT:
		mr_cell_optional(cell, way->object);
		break;
	}
}

/* ---- Text ------------------------------------------------------------------------ */

static const struct mr_holder_way *way_of(const struct holders *holders, const struct row *row)
{
	return &holders->log->model->runs[row->run].holders[row->way];
}

static void put_amount(struct mr_writing *writing, uint64_t count, uint64_t size_bytes)
{
	mr_buffer_printf(&writing->buffer, "%10" PRIu64 "  ", count);
	mr_output_bytes(writing, size_bytes, 12);
	mr_buffer_append(&writing->buffer, "  ", 2);
}

static void put_title(struct mr_writing *writing, const struct holders *holders, const struct row *row)
{
	const struct mr_model *model = holders->log->model;
	const struct mr_run *run = &model->runs[row->run];
	const struct mr_snapshot *snapshot = &run->snapshots[way_of(holders, row)->snapshot];
	const char *description = mr_model_string(model, snapshot->description);

	if (model->run_count > 1)
		mr_output_run(writing, model, row->run);
	const size_t start = writing->buffer.len;

	mr_buffer_printf(&writing->buffer, "---- HOLDERS at %" PRIu64 " ", snapshot->number);
	if (description[0] != '\0') {
		mr_output_name(&writing->buffer, description, 30, false);
		mr_buffer_put_u8(&writing->buffer, ' ');
	}
	mr_buffer_put_u8(&writing->buffer, '(');
	mr_output_clock(&writing->buffer, snapshot->time_ns);
	mr_buffer_put_u8(&writing->buffer, ')');
	mr_output_rule(&writing->buffer, start, MR_OUTPUT_WIDTH);
	mr_buffer_printf(&writing->buffer, "%10s  %12s  class, and what holds it\n", "count", "size");
}

/* "app.views.sessions[*]", and what is not clear from it: on lines of their own where the path is long. */
static void put_way(struct mr_writing *writing, const struct holders *holders, const struct row *row)
{
	const struct mr_model *model = holders->log->model;
	const struct mr_holder_way *way = way_of(holders, row);
	const char *root = root_name(way->root);
	const char *path = mr_model_string(model, way->path);
	const char *example = mr_model_string(model, way->example);

	put_amount(writing, way->count, way->size_bytes);
	mr_buffer_clear(&writing->scratch);
	mr_output_name(&writing->scratch, path[0] != '\0' ? path : "?", PATH_WIDTH, true);
	/* That a path begins in a module or a function can be seen. */
	if (root && way->root != MR_HOLDER_MODULE && way->root != MR_HOLDER_FRAME)
		mr_buffer_printf(&writing->scratch, "  (%s)", root);
	mr_buffer_append(&writing->buffer, "  ", 2);
	mr_buffer_append(&writing->buffer, writing->scratch.data, writing->scratch.len);
	if (row->since_ns != MR_NONE) {
		if (mr_output_characters(writing->scratch.data, writing->scratch.len) <= PATH_BESIDE)
			mr_buffer_append(&writing->buffer, "  ", 2);
		else
			mr_buffer_printf(&writing->buffer, "\n%30s", "");
		mr_buffer_append(&writing->buffer, "since ", 6);
		mr_output_clock(&writing->buffer, row->since_ns);
	}
	mr_buffer_put_u8(&writing->buffer, '\n');
	if (example[0] != '\0' && strcmp(example, path) != 0) {
		mr_buffer_printf(&writing->buffer, "%30sas in ", "");
		mr_output_name(&writing->buffer, example, EXAMPLE_WIDTH, true);
		mr_buffer_put_u8(&writing->buffer, '\n');
	}
}

/* The line of the class of the rows from FIRST on that follow one another; how many these are. */
static size_t put_class(struct mr_writing *writing, const struct holders *holders, size_t first)
{
	const struct memstats_table *table = writing->table;
	const struct row *head = &holders->rows[mr_table_row(table, first)];
	const struct mr_run *run = &holders->log->model->runs[head->run];
	uint64_t count = 0, size_bytes = 0;
	size_t end = first;

	for (; end < table->row_count; end++) {
		const struct row *row = &holders->rows[mr_table_row(table, end)];

		if (row->run != head->run ||
		    way_of(holders, row)->class_index != way_of(holders, head)->class_index)
			break;
		count += way_of(holders, row)->count;
		size_bytes += way_of(holders, row)->size_bytes;
	}
	put_amount(writing, count, size_bytes);
	mr_output_name(&writing->buffer,
	               mr_run_class_name(holders->log->model, run, way_of(holders, head)->class_index),
	               NAME_WIDTH, false);
	mr_buffer_put_u8(&writing->buffer, '\n');
	return end - first;
}

/* Rows that follow one another and are of one class stand under it. */
static int holders_write_text(struct mr_writing *writing, struct mr_error *err)
{
	const struct memstats_table *table = writing->table;
	struct holders *holders = table->state;
	uint32_t run = MR_INDEX_NONE;

	if (table->row_count == 0)
		mr_buffer_printf(&writing->buffer, "(nothing that is known to hold persistent objects)\n");
	else
		MR_TRY(find_births(holders, err));
	for (size_t i = 0, left = 0; i < table->row_count; i++, left--) {
		const struct row *row = &holders->rows[mr_table_row(table, i)];

		if (row->run != run)
			put_title(writing, holders, row);
		run = row->run;
		if (left == 0)
			left = put_class(writing, holders, i);
		put_way(writing, holders, row);
		MR_TRY(mr_writing_flush(writing, false, err));
	}
	mr_output_more(writing);
	return 0;
}

const struct mr_table_type mr_table_holders = {
	.info = { "holders",
	          "who holds what stayed since the baseline: paths from roots to persistent objects", columns,
	          COLUMN_COUNT, CLASS },
	.open = holders_open,
	.cell = holders_cell,
	.close = holders_close,
	.finish = holders_finish,
	.takes_snapshots = true,
	.write_text = holders_write_text,
};
