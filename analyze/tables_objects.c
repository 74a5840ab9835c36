/* SPDX-License-Identifier: MIT
 *
 * Table objects: every tracked object.  Sizes and what needs a pass over them
 * are fetched when a query looks at such a column, or for the rows that remain.
 * The text layout, that of ClassTracker's print_stats, is in objects_text.c.
 */
#include "tables_objects.h"

enum {
	RUN,
	OBJECT,
	CLASS,
	NAME,
	REPR,
	STATE,
	BIRTH,
	DEATH,
	LIFETIME,
	SIZE,
	TSIZE,
	LAST,
	FLAT,
	ADDRESS,
	LEVEL,
	FUNCTION,
	FILE_,
	LINE,
	FINAL,
	KIND,
	COLUMN_COUNT
};

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[OBJECT] = { "object", MEMSTATS_ID, "its number in the log" },
	[CLASS] = { "class", MEMSTATS_TEXT, "name of its class" },
	[NAME] = { "name", MEMSTATS_TEXT, "the name under which it was announced: its own, or the class's" },
	[REPR] = { "repr", MEMSTATS_TEXT, "how it showed itself at its last snapshot" },
	[STATE] = { "state", MEMSTATS_TEXT, "alive, freed or detached" },
	[BIRTH] = { "birth", MEMSTATS_TIME, "when it was announced" },
	[DEATH] = { "death", MEMSTATS_TIME, "when it was freed or detached" },
	[LIFETIME] = { "lifetime", MEMSTATS_DURATION, "from birth to death, or to the end of the log" },
	[SIZE] = { "size", MEMSTATS_BYTES, "the largest measured, with what it refers to; or its class's" },
	[TSIZE] = { "tsize", MEMSTATS_BYTES,
	            "size at the snapshot at which all objects together were largest" },
	[LAST] = { "last", MEMSTATS_BYTES, "size when it was last measured" },
	[FLAT] = { "flat", MEMSTATS_BYTES, "of that, without what it refers to" },
	[ADDRESS] = { "address", MEMSTATS_ADDRESS, "where it lay" },
	[LEVEL] = { "level", MEMSTATS_COUNT, "levels of referents that were sized one by one" },
	[FUNCTION] = { "function", MEMSTATS_TEXT,
	               "where it was announced: the innermost frame of its trace" },
	[FILE_] = { "file", MEMSTATS_TEXT, "the source file of that" },
	[LINE] = { "line", MEMSTATS_ID, "the line in it" },
	[FINAL] = { "final", MEMSTATS_BYTES,
	            "size at the last snapshot at which any were there; 0 when it was not in it" },
	[KIND] = { "kind", MEMSTATS_TEXT, "class, of tracked objects; type, of those that a census found" },
};

static const uint64_t size_columns =
	UINT64_C(1) << REPR | UINT64_C(1) << SIZE | UINT64_C(1) << LAST | UINT64_C(1) << FLAT;

static size_t count_rows(const struct mr_run *run)
{
	return run->objects.count;
}

/* ---- Sizes at one snapshot of a run -------------------------------------- */

struct kept {
	uint64_t *sizes; /* by row of the run */
};

/* What another tool sized when it was gone has that size, too. */
static int keep_sizes(void *context, const struct mr_snapshot_view *view, struct mr_error *err)
{
	const struct kept *kept = context;
	const struct mr_objects *objects = &view->run->objects;
	const bool all = view->run->imported != MR_IMPORTED_NOTHING;

	(void)err;
	for (size_t row = view->row_first; row < view->row_end; row++)
		if (all || mr_object_is_alive(objects, row, view->time_ns))
			kept->sizes[row] = view->size_bytes[row];
	return 0;
}

/* The first one, of tracked objects or of censuses, at which all objects together were largest;
 * MR_INDEX_NONE: there is none. */
static uint32_t largest_snapshot(const struct mr_run *run, bool of_census)
{
	uint32_t found = MR_INDEX_NONE;

	for (uint32_t k = 0; k < run->snapshot_count; k++)
		if (mr_run_is_census(run, k) == of_census &&
		    (found == MR_INDEX_NONE ||
		     run->snapshots[k].size_bytes > run->snapshots[found].size_bytes))
			found = k;
	return found;
}

/* The last one that has any objects; MR_INDEX_NONE: there is none. */
static uint32_t final_snapshot(const struct mr_run *run, bool of_census)
{
	for (size_t k = run->snapshot_count; k > 0; k--)
		if (run->snapshots[k - 1].size_bytes > 0 &&
		    mr_run_is_census(run, (uint32_t)(k - 1)) == of_census)
			return (uint32_t)(k - 1);
	return MR_INDEX_NONE;
}

/* Fills *SIZES, once: the sizes of all objects at the snapshot that CHOOSE gives of each run. */
static int load_kept(struct mr_objects_table *table, uint64_t **sizes,
                     uint32_t (*choose)(const struct mr_run *run, bool of_census), struct mr_error *err)
{
	struct mr_model *model = table->log->model;
	const size_t count = mr_run_rows_count(&table->rows);

	if (*sizes)
		return 0;
	*sizes = mr_alloc((count + 1) * sizeof(**sizes));
	MR_FAIL_IF(!*sizes, err, MR_ERR_NOMEM, "no memory for the sizes of %zu objects", count);
	for (size_t i = 0; i < 2 * model->run_count; i++) {
		const struct mr_run *run = &model->runs[i / 2];
		struct kept kept = { *sizes + table->rows.first[i / 2] };
		const uint32_t snapshot = choose(run, i % 2 == 1);

		if (snapshot < run->snapshot_count && run->objects.count > 0)
			MR_TRY(mr_model_replay(model, i / 2, snapshot, snapshot, keep_sizes, &kept, err));
	}
	return 0;
}

static int load_columns(struct mr_objects_table *table, uint64_t wanted, struct mr_error *err)
{
	if (wanted & size_columns)
		MR_TRY(mr_model_load(table->log->model, MR_LOAD_SIZES, err));
	if (wanted & mr_column_bit(TSIZE))
		MR_TRY(load_kept(table, &table->largest_sizes, largest_snapshot, err));
	if (wanted & mr_column_bit(FINAL))
		MR_TRY(load_kept(table, &table->final_sizes, final_snapshot, err));
	return 0;
}

/* ---- The table ----------------------------------------------------------- */

static int objects_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                        struct mr_error *err)
{
	struct mr_objects_table *table = mr_alloc(sizeof(*table));

	MR_FAIL_IF(!table, err, MR_ERR_NOMEM, "no memory for table objects");
	*state = table;
	table->log = log;
	/* Asked for at once, so that it is read at once. */
	MR_TRY(mr_model_load(log->model,
	                     needed & size_columns ? MR_LOAD_OBJECTS | MR_LOAD_SIZES : MR_LOAD_OBJECTS, err));
	MR_TRY(mr_run_rows_init(&table->rows, log->model, count_rows, err));
	*row_count = mr_run_rows_count(&table->rows);
	return load_columns(table, needed, err);
}

static int objects_finish(void *state, const uint32_t *rows, size_t row_count, uint64_t shown,
                          struct mr_error *err)
{
	(void)rows;
	return row_count > 0 ? load_columns(state, shown, err) : 0;
}

static void objects_close(void *state)
{
	struct mr_objects_table *table = state;

	if (table) {
		mr_free(table->largest_sizes);
		mr_free(table->final_sizes);
		mr_run_rows_release(&table->rows);
	}
	mr_free(table);
}

static void cell_of_position(const struct mr_objects_table *table, const struct mr_run *run, size_t row,
                             size_t column, struct mr_cell *cell)
{
	struct mr_position position;
	const uint32_t stack = run->objects.stack[row];

	if (stack == 0 || mr_run_trace(table->log->model, run, stack, &position, 1) == 0) {
		mr_cell_string(cell, NULL);
		return;
	}
	if (column == LINE)
		mr_cell_number_or_null(cell, position.line, position.line == 0);
	else {
		const char *text = column == FUNCTION ? position.function : position.file;

		mr_cell_string(cell, text[0] != '\0' ? text : NULL);
	}
}

static void cell_of_life(const struct mr_run *run, size_t row, size_t column, struct mr_cell *cell)
{
	const uint64_t birth = run->objects.birth_ns[row];
	const uint64_t death = run->objects.death_ns[row];
	const uint64_t end = death != MR_NONE ? death : run->end_ns;

	if (column == BIRTH)
		mr_cell_number(cell, birth);
	else if (column == DEATH)
		mr_cell_optional(cell, death);
	else if (column == LIFETIME)
		mr_cell_number(cell, end > birth ? end - birth : 0);
	else
		mr_cell_string(cell, death == MR_NONE                                      ? "alive"
		                     : run->objects.death_reason[row] == MR_DEATH_DETACHED ? "detached"
		                                                                           : "freed");
}

static void cell_of_text(const struct mr_model *model, const struct mr_run *run, size_t row, size_t column,
                         struct mr_cell *cell)
{
	const struct mr_objects *objects = &run->objects;

	if (column == REPR) {
		const bool known = objects->label && objects->label[row] != 0;

		mr_cell_string(cell, known ? mr_model_label(model, run, row) : NULL);
		if (cell->is_null && run->imported != MR_IMPORTED_NOTHING)
			mr_cell_string(cell, ""); /* which sorts before all others there */
	} else if (column == NAME && objects->name[row] != 0) {
		mr_cell_model_string(cell, model, objects->name[row]);
	} else {
		mr_cell_string(cell, mr_run_class_name(model, run, objects->class_index[row]));
	}
}

/* Columns that are not loaded are null: nobody asked for them. */
static void cell_of_size(const uint64_t *sizes, size_t row, struct mr_cell *cell)
{
	mr_cell_number_or_null(cell, sizes ? sizes[row] : 0, sizes == NULL);
}

static void objects_cell(const void *state, size_t row, size_t column, struct mr_cell *cell)
{
	const struct mr_objects_table *table = state;
	size_t index = 0;
	const size_t run_index = mr_run_rows_find(&table->rows, row, &index);
	const struct mr_run *run = &table->log->model->runs[run_index];
	const struct mr_objects *objects = &run->objects;

	switch (column) {
	case RUN:
		mr_cell_number(cell, run_index + 1);
		break;
	case OBJECT:
		mr_cell_number(cell, objects->id[index]);
		break;
	case CLASS:
	case NAME:
	case REPR:
		cell_of_text(table->log->model, run, index, column, cell);
		break;
	case STATE:
	case BIRTH:
	case DEATH:
	case LIFETIME:
		cell_of_life(run, index, column, cell);
		break;
	case SIZE:
		cell_of_size(objects->size_max_bytes, index, cell);
		break;
	case TSIZE:
		cell_of_size(table->largest_sizes, row, cell);
		break;
	case FINAL:
		cell_of_size(table->final_sizes, row, cell);
		break;
	case LAST:
		cell_of_size(objects->size_bytes, index, cell);
		break;
	case FLAT:
		cell_of_size(objects->flat_bytes, index, cell);
		break;
	case ADDRESS:
		mr_cell_number(cell, objects->address[index]);
		break;
	case LEVEL:
		mr_cell_number(cell, objects->level[index]);
		break;
	case KIND:
		mr_cell_string(cell, mr_run_object_is_of_census(run, index) ? "type" : "class");
		break;
	default:
		cell_of_position(table, run, index, column, cell);
	}
}

const struct mr_table_type mr_table_objects = {
	.info = { "objects", "every tracked object: birth, death, sizes, where it was made", columns,
	          COLUMN_COUNT, CLASS },
	.default_sort = "run,class,tsize,birth",
	.imported_sort = "run,class,final,birth,death,name,repr,size",
	.open = objects_open,
	.cell = objects_cell,
	.close = objects_close,
	.finish = objects_finish,
	.write_text = mr_objects_write_text,
};
