/* SPDX-License-Identifier: MIT
 *
 * Table sizes: each object at each snapshot that it was alive at.  The one table
 * that can be much longer than what it is made from, so it holds per row only
 * what cannot be looked up.
 */
#include "table_rows.h"

enum { RUN, SNAPSHOT, TIME, OBJECT, CLASS, NAME, SIZE, FLAT, COLUMN_COUNT };

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[SNAPSHOT] = { "snapshot", MEMSTATS_ID, "the snapshot's number" },
	[TIME] = { "time", MEMSTATS_TIME, "when it was taken" },
	[OBJECT] = { "object", MEMSTATS_ID, "the object's number in the log" },
	[CLASS] = { "class", MEMSTATS_TEXT, "name of its class then" },
	[NAME] = { "name", MEMSTATS_TEXT, "the name under which it was announced" },
	[SIZE] = { "size", MEMSTATS_BYTES, "with what it refers to" },
	[FLAT] = { "flat", MEMSTATS_BYTES, "without what it refers to" },
};

struct row {
	uint32_t object; /* row in the run's objects */
	uint32_t class_index;
	uint64_t size_bytes;
	uint64_t flat_bytes;
};

/* The rows from FIRST on, up to those of the next stretch, are of one snapshot. */
struct stretch {
	size_t first;
	uint32_t run;
	uint32_t snapshot;
};

struct sizes {
	const struct mr_model *model;
	struct row *rows;
	size_t count;
	size_t capacity;
	struct stretch *stretches;
	size_t stretch_count;
	size_t stretch_capacity;
	uint32_t run; /* that is being read */
};

static int add_snapshot(void *context, const struct mr_snapshot_view *view, struct mr_error *err)
{
	struct sizes *sizes = context;
	const struct mr_objects *objects = &view->run->objects;
	size_t alive = 0;
	int code = 0;

	for (size_t i = view->row_first; i < view->row_end; i++)
		alive += mr_object_is_alive(objects, i, view->time_ns);
	MR_FAIL_IF(sizes->count + alive > MR_TABLE_ROWS_HELD_MAX, err, MR_ERR_LIMIT,
	           "table sizes has more than %u rows; table classes sums them up", MR_TABLE_ROWS_HELD_MAX);
	code = mr_grow(&sizes->rows, &sizes->capacity, sizes->count + alive, sizeof(*sizes->rows));
	if (code == 0)
		code = mr_grow(&sizes->stretches, &sizes->stretch_capacity, sizes->stretch_count + 1,
		               sizeof(*sizes->stretches));
	MR_FAIL_IF(code < 0, err, code, "no memory for table sizes");
	sizes->stretches[sizes->stretch_count++] =
		(struct stretch){ sizes->count, sizes->run, view->snapshot };
	for (size_t i = view->row_first; i < view->row_end; i++)
		if (mr_object_is_alive(objects, i, view->time_ns))
			sizes->rows[sizes->count++] =
				(struct row){ (uint32_t)i, view->class_index[i], view->size_bytes[i],
				              view->flat_bytes[i] };
	return 0;
}

static int sizes_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                      struct mr_error *err)
{
	struct sizes *sizes = mr_alloc(sizeof(*sizes));

	(void)needed;
	MR_FAIL_IF(!sizes, err, MR_ERR_NOMEM, "no memory for table sizes");
	*state = sizes;
	sizes->model = log->model;
	for (sizes->run = 0; sizes->run < log->model->run_count; sizes->run++) {
		const size_t snapshots = log->model->runs[sizes->run].snapshot_count;

		if (snapshots > 0)
			MR_TRY(mr_model_replay(log->model, sizes->run, 0, (uint32_t)(snapshots - 1),
			                       add_snapshot, sizes, err));
	}
	*row_count = sizes->count;
	return 0;
}

static void sizes_close(void *state)
{
	struct sizes *sizes = state;

	if (sizes) {
		mr_free(sizes->rows);
		mr_free(sizes->stretches);
	}
	mr_free(sizes);
}

static const struct stretch *find_stretch(const struct sizes *sizes, size_t row)
{
	size_t low = 0;
	size_t high = sizes->stretch_count;

	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;

		if (sizes->stretches[middle].first <= row)
			low = middle;
		else
			high = middle;
	}
	return &sizes->stretches[low];
}

static void sizes_cell(const void *state, size_t index, size_t column, struct mr_cell *cell)
{
	const struct sizes *sizes = state;
	const struct row *row = &sizes->rows[index];
	const struct stretch *stretch = find_stretch(sizes, index);
	const struct mr_run *run = &sizes->model->runs[stretch->run];

	switch (column) {
	case RUN:
		mr_cell_number(cell, (uint64_t)stretch->run + 1);
		break;
	case SNAPSHOT:
		mr_cell_number(cell, run->snapshots[stretch->snapshot].number);
		break;
	case TIME:
		mr_cell_number(cell, run->snapshots[stretch->snapshot].time_ns);
		break;
	case OBJECT:
		mr_cell_number(cell, run->objects.id[row->object]);
		break;
	case CLASS:
		mr_cell_string(cell, mr_run_class_name(sizes->model, run, row->class_index));
		break;
	case NAME:
		mr_cell_string(cell, run->objects.name[row->object] != 0
		                             ? mr_model_string(sizes->model, run->objects.name[row->object])
		                             : mr_run_class_name(sizes->model, run, row->class_index));
		break;
	case SIZE:
		mr_cell_number(cell, row->size_bytes);
		break;
	case FLAT:
		mr_cell_number(cell, row->flat_bytes);
		break;
	}
}

const struct mr_table_type mr_table_sizes = {
	.info = { "sizes", "each object at each snapshot", columns, COLUMN_COUNT, CLASS },
	.open = sizes_open,
	.cell = sizes_cell,
	.close = sizes_close,
};
