/* SPDX-License-Identifier: MIT
 *
 * Table referents: what the instances of a class refer to, merged by path, at
 * each snapshot.
 */
#include "table_rows.h"

#define PATH_TEXT_MAX 1024 /* bytes of a path as text: names come from anywhere */

enum { RUN, SNAPSHOT, TIME, CLASS, PATH, LEVEL, COUNT, SIZE, FLAT, SHARE, COLUMN_COUNT };

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[SNAPSHOT] = { "snapshot", MEMSTATS_ID, "the snapshot's number" },
	[TIME] = { "time", MEMSTATS_TIME, "when it was taken" },
	[CLASS] = { "class", MEMSTATS_TEXT, "name of the class that refers to it" },
	[PATH] = { "path", MEMSTATS_TEXT, "how to come there from an instance" },
	[LEVEL] = { "level", MEMSTATS_COUNT, "steps to it: 1 is what an instance itself refers to" },
	[COUNT] = { "count", MEMSTATS_COUNT, "things under this path, of all instances" },
	[SIZE] = { "size", MEMSTATS_BYTES, "of all of them, with what they refer to" },
	[FLAT] = { "flat", MEMSTATS_BYTES, "of all of them, without what they refer to" },
	[SHARE] = { "share", MEMSTATS_PERCENT, "size, of the size of all instances of the class" },
};

struct referents {
	struct mr_run_rows rows;
	struct mr_buffer text; /* all paths as text, each with a final zero */
	size_t **paths;        /* by run and path: where its text begins */
	uint64_t *class_sizes; /* by row */
};

static size_t count_rows(const struct mr_run *run)
{
	return run->referent_total_count;
}

/* "employees[].name": outermost first, so parents are collected before. */
static void append_path(struct mr_buffer *text, const struct mr_model *model, const struct mr_run *run,
                        uint32_t path)
{
	const char *names[MR_LOG_PATH_DEPTH_MAX];
	const size_t start = text->len;
	size_t count = 0;

	for (; path != 0 && count < MR_ARRAY_LEN(names); path = run->paths[path].parent)
		names[count++] = mr_model_string(model, run->paths[path].name);
	while (count-- > 0) {
		const size_t len = strlen(names[count]);

		if (text->len > start && names[count][0] != '[')
			mr_buffer_put_u8(text, '.');
		if (text->len - start + len > PATH_TEXT_MAX) {
			mr_buffer_append(text, "...", 3);
			break;
		}
		mr_buffer_append(text, names[count], len);
	}
	mr_buffer_put_u8(text, '\0');
}

static int make_paths(struct referents *referents, const struct mr_model *model, struct mr_error *err)
{
	referents->paths = mr_alloc((model->run_count + 1) * sizeof(*referents->paths));
	MR_FAIL_IF(!referents->paths, err, MR_ERR_NOMEM, "no memory for table referents");
	for (size_t i = 0; i < model->run_count; i++) {
		const struct mr_run *run = &model->runs[i];

		referents->paths[i] = mr_alloc((run->path_count + 1) * sizeof(*referents->paths[i]));
		MR_FAIL_IF(!referents->paths[i], err, MR_ERR_NOMEM, "no memory for table referents");
		for (uint32_t path = 0; path < run->path_count; path++) {
			referents->paths[i][path] = referents->text.len;
			append_path(&referents->text, model, run, path);
		}
	}
	return mr_buffer_status(&referents->text, err);
}

/* The size of each class, snapshot by snapshot, for the rows of that snapshot. */
static int find_class_sizes(struct referents *referents, size_t run_index, struct mr_error *err)
{
	const struct mr_run *run = &referents->rows.model->runs[run_index];
	uint64_t *of_class = mr_alloc(((size_t)run->class_count + 1) * sizeof(*of_class));
	uint64_t *of_row = referents->class_sizes + referents->rows.first[run_index];

	MR_FAIL_IF(!of_class, err, MR_ERR_NOMEM, "no memory for table referents");
	for (size_t i = 0; i < run->snapshot_count; i++) {
		const struct mr_snapshot *snapshot = &run->snapshots[i];
		const struct mr_class_total *totals = run->class_totals + snapshot->class_total_first;
		const size_t first = snapshot->referent_total_first;

		for (size_t k = 0; k < snapshot->class_total_count; k++)
			of_class[totals[k].class_index] = totals[k].size_bytes;
		for (size_t k = 0; k < snapshot->referent_total_count; k++)
			of_row[first + k] = of_class[run->referent_totals[first + k].class_index];
		for (size_t k = 0; k < snapshot->class_total_count; k++)
			of_class[totals[k].class_index] = 0;
	}
	mr_free(of_class);
	return 0;
}

static int referents_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                          struct mr_error *err)
{
	struct referents *referents = mr_alloc(sizeof(*referents));

	(void)needed;
	MR_FAIL_IF(!referents, err, MR_ERR_NOMEM, "no memory for table referents");
	*state = referents;
	MR_TRY(mr_run_rows_init(&referents->rows, log->model, count_rows, err));
	*row_count = mr_run_rows_count(&referents->rows);
	referents->class_sizes = mr_alloc((*row_count + 1) * sizeof(*referents->class_sizes));
	MR_FAIL_IF(!referents->class_sizes, err, MR_ERR_NOMEM, "no memory for table referents");
	for (size_t i = 0; i < log->model->run_count; i++)
		MR_TRY(find_class_sizes(referents, i, err));
	return make_paths(referents, log->model, err);
}

static void referents_close(void *state)
{
	struct referents *referents = state;

	if (!referents)
		return;
	for (size_t i = 0; referents->paths && i < referents->rows.model->run_count; i++)
		mr_free(referents->paths[i]);
	mr_free(referents->paths);
	mr_free(referents->class_sizes);
	mr_buffer_release(&referents->text);
	mr_run_rows_release(&referents->rows);
	mr_free(referents);
}

static void referents_cell(const void *state, size_t row, size_t column, struct mr_cell *cell)
{
	const struct referents *referents = state;
	const struct mr_model *model = referents->rows.model;
	size_t index = 0;
	const size_t run_index = mr_run_rows_find(&referents->rows, row, &index);
	const struct mr_run *run = &model->runs[run_index];
	const struct mr_referent_total *total = &run->referent_totals[index];

	switch (column) {
	case RUN:
		mr_cell_number(cell, run_index + 1);
		break;
	case SNAPSHOT:
		mr_cell_number(cell, run->snapshots[total->snapshot].number);
		break;
	case TIME:
		mr_cell_number(cell, run->snapshots[total->snapshot].time_ns);
		break;
	case CLASS:
		mr_cell_string(cell, mr_run_class_name(model, run, total->class_index));
		break;
	case PATH:
		mr_cell_string(cell,
		               (const char *)referents->text.data + referents->paths[run_index][total->path]);
		break;
	case LEVEL:
		mr_cell_number(cell, run->paths[total->path].level);
		break;
	case COUNT:
		mr_cell_number(cell, total->count);
		break;
	case SIZE:
		mr_cell_number(cell, total->size_bytes);
		break;
	case FLAT:
		mr_cell_number(cell, total->flat_bytes);
		break;
	case SHARE:
		mr_cell_percent(cell, (double)total->size_bytes, (double)referents->class_sizes[row]);
		break;
	}
}

const struct mr_table_type mr_table_referents = {
	.info = { "referents", "what the instances of each class refer to, merged by path", columns,
	          COLUMN_COUNT, CLASS },
	.open = referents_open,
	.cell = referents_cell,
	.close = referents_close,
};
