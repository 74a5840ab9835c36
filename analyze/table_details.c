/* SPDX-License-Identifier: MIT
 *
 * The details of single objects: traces, and sizes and referents at each
 * snapshot.  They are fetched for many objects at once, since each pass over the
 * log costs as much for one as for a thousand, and laid out in one block of
 * memory: first the objects, then their positions, states and referents.
 */
#include "tables_objects.h"

#include <assert.h>
#include <stdlib.h>

#define TRACE_MAX (4 * MR_LOG_STACK_DEPTH_MAX)

/* The objects of one run among those that are asked for. */
struct batch {
	size_t run;
	size_t count;
	uint32_t *rows; /* of the run */
	size_t *places; /* where each stands in the answer */
	struct mr_states *states;
};

struct details {
	const struct mr_objects_table *table;
	struct batch *batches; /* one a run */
	size_t batch_count;
	struct mr_position *trace; /* TRACE_MAX of them */
	/* How much the block holds, and then how much of it is used. */
	size_t position_count;
	size_t state_count;
	size_t referent_count;
	struct memstats_object *objects;
	struct memstats_position *positions;
	struct memstats_state *states;
	struct memstats_referent *referents;
};

static int split_by_run(struct details *details, const struct memstats_table *table, const size_t *rows,
                        size_t row_count, struct mr_error *err)
{
	details->batch_count = details->table->log->model->run_count;
	details->batches = mr_alloc((details->batch_count + 1) * sizeof(*details->batches));
	MR_FAIL_IF(!details->batches, err, MR_ERR_NOMEM, "no memory for the details of %zu objects",
	           row_count);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < row_count; i++) {
			size_t index = 0;
			const size_t row = mr_table_row(table, rows[i]);
			struct batch *batch =
				&details->batches[mr_run_rows_find(&details->table->rows, row, &index)];

			if (pass == 1) {
				batch->rows[batch->count] = (uint32_t)index;
				batch->places[batch->count] = i;
			}
			batch->count++;
		}
		for (size_t i = 0; pass == 0 && i < details->batch_count; i++) {
			struct batch *batch = &details->batches[i];

			batch->run = i;
			batch->rows = mr_alloc((batch->count + 1) * sizeof(*batch->rows));
			batch->places = mr_alloc((batch->count + 1) * sizeof(*batch->places));
			MR_FAIL_IF(!batch->rows || !batch->places, err, MR_ERR_NOMEM,
			           "no memory for the details of %zu objects", row_count);
			batch->count = 0;
		}
	}
	return 0;
}

static size_t trace_of(const struct details *details, const struct batch *batch, size_t i)
{
	const struct mr_model *model = details->table->log->model;
	const struct mr_run *run = &model->runs[batch->run];
	const uint32_t stack = run->objects.stack[batch->rows[i]];
	const size_t count = stack == 0 ? 0 : mr_run_trace(model, run, stack, details->trace, TRACE_MAX);

	return count < TRACE_MAX ? count : TRACE_MAX;
}

static int measure(struct details *details, struct mr_error *err)
{
	struct mr_model *model = details->table->log->model;

	MR_TRY(mr_model_load(model, MR_LOAD_SIZES, err)); /* for how objects show themselves */
	for (size_t b = 0; b < details->batch_count; b++) {
		struct batch *batch = &details->batches[b];

		if (batch->count == 0)
			continue;
		MR_TRY(mr_model_details(model, batch->run, batch->rows, batch->count, &batch->states, err));
		for (size_t i = 0; i < batch->count; i++) {
			details->position_count += trace_of(details, batch, i);
			details->state_count += batch->states[i].count;
			for (size_t k = 0; k < batch->states[i].count; k++)
				details->referent_count += batch->states[i].states[k].referent_count;
		}
	}
	return 0;
}

static int lay_out(struct details *details, size_t row_count, struct mr_error *err)
{
	const size_t objects_size = (row_count + 1) * sizeof(struct memstats_object);
	const size_t positions_size = details->position_count * sizeof(struct memstats_position);
	const size_t states_size = details->state_count * sizeof(struct memstats_state);
	const size_t referents_size = details->referent_count * sizeof(struct memstats_referent);
	uint8_t *block = mr_alloc(objects_size + positions_size + states_size + referents_size);

	MR_FAIL_IF(!block, err, MR_ERR_NOMEM, "no memory for the details of %zu objects", row_count);
	details->objects = (struct memstats_object *)(void *)block;
	details->positions = (struct memstats_position *)(void *)(block + objects_size);
	details->states = (struct memstats_state *)(void *)(block + objects_size + positions_size);
	details->referents =
		(struct memstats_referent *)(void *)(block + objects_size + positions_size + states_size);
	return 0;
}

/* ---- Referents: siblings largest first ----------------------------------- */

struct sorting {
	const struct mr_state_referent *referents;
	const size_t *ends; /* behind the last descendant of each */
	bool last_first;    /* where sizes are equal: as ClassTracker shows them */
};

static int compare_siblings(const void *a, const void *b, void *context)
{
	const struct sorting *sorting = context;
	const size_t first = *(const size_t *)a;
	const size_t second = *(const size_t *)b;
	const uint64_t first_size = sorting->referents[first].size_bytes;
	const uint64_t second_size = sorting->referents[second].size_bytes;

	if (first_size != second_size)
		return first_size > second_size ? -1 : 1;
	return (first < second) != sorting->last_first ? -1 : 1;
}

struct walk {
	struct details *details;
	const struct mr_run *run;
	const struct mr_state *state;
	struct sorting sorting;
	size_t *order; /* siblings of all levels that are being walked, one stretch behind the other */
	size_t order_count;
};

/* Appends the siblings in [FIRST, END) and, after each, what is under it.
 * Levels rise from call to call, so the depth is bounded. */
static void append_siblings(struct walk *walk, size_t first, size_t end)
{
	const struct mr_model *model = walk->details->table->log->model;
	size_t *const siblings = walk->order + walk->order_count;
	size_t count = 0;

	for (size_t at = first; at < end; at = walk->sorting.ends[at])
		siblings[count++] = at;
	walk->order_count += count;
	if (count > 1)
		qsort_r(siblings, count, sizeof(*siblings), compare_siblings, &walk->sorting);
	for (size_t i = 0; i < count; i++) {
		const struct mr_state_referent *from = &walk->state->referents[siblings[i]];
		const struct mr_path *path = &walk->run->paths[from->path];

		walk->details->referents[walk->details->referent_count++] = (struct memstats_referent){
			.name = mr_model_string(model, path->name),
			.level = path->level,
			.count = from->count,
			.size_bytes = from->size_bytes,
			.flat_bytes = from->flat_bytes,
			.place = siblings[i],
		};
		append_siblings(walk, siblings[i] + 1, walk->sorting.ends[siblings[i]]);
	}
	walk->order_count -= count;
}

static uint32_t level_of(const struct walk *walk, size_t i)
{
	return walk->run->paths[walk->state->referents[i].path].level;
}

/* A referent ends where one follows that is not deeper. OPEN holds those that have not ended. */
static void find_ends(const struct walk *walk, size_t *ends, size_t *open)
{
	size_t open_count = 0;

	for (size_t i = 0; i < walk->state->referent_count; i++) {
		while (open_count > 0 && level_of(walk, open[open_count - 1]) >= level_of(walk, i))
			ends[open[--open_count]] = i;
		open[open_count++] = i;
	}
	while (open_count > 0)
		ends[open[--open_count]] = walk->state->referent_count;
}

static int append_referents(struct details *details, const struct mr_run *run, const struct mr_state *state,
                            struct mr_error *err)
{
	const size_t count = state->referent_count;

	if (count == 0)
		return 0;
	size_t *memory = mr_alloc(2 * count * sizeof(*memory));
	MR_FAIL_IF(!memory, err, MR_ERR_NOMEM, "no memory for %zu referents", count);
	struct walk walk = { .details = details,
		             .run = run,
		             .state = state,
		             .sorting = { state->referents, memory, run->language == MR_LANGUAGE_PYTHON },
		             .order = memory + count };

	find_ends(&walk, memory, memory + count);
	append_siblings(&walk, 0, count);
	mr_free(memory);
	return 0;
}

/* ---- Filling ------------------------------------------------------------- */

static void fill_trace(struct details *details, const struct batch *batch, size_t i,
                       struct memstats_object *object)
{
	object->trace_count = trace_of(details, batch, i);
	object->trace = details->positions + details->position_count;
	for (size_t k = 0; k < object->trace_count; k++) {
		const struct mr_position *from = &details->trace[k];

		details->positions[details->position_count++] = (struct memstats_position){
			.function = from->function,
			.file = from->file,
			.line = from->line,
			.module = from->module,
			.offset = from->offset,
			.source = from->source,
		};
	}
}

static int fill_object(struct details *details, const struct batch *batch, size_t i, struct mr_error *err)
{
	const struct mr_run *run = &details->table->log->model->runs[batch->run];
	struct memstats_object *object = &details->objects[batch->places[i]];

	fill_trace(details, batch, i, object);
	object->language = run->language == MR_LANGUAGE_PYTHON ? MEMSTATS_PYTHON : MEMSTATS_NATIVE;
	object->label = mr_model_label(details->table->log->model, run, batch->rows[i]);
	object->state_count = batch->states[i].count;
	object->states = details->states + details->state_count;
	for (size_t k = 0; k < object->state_count; k++) {
		const struct mr_state *from = &batch->states[i].states[k];

		details->states[details->state_count++] = (struct memstats_state){
			.moment = from->moment == MR_AT_BIRTH   ? MEMSTATS_AT_BIRTH
			          : from->moment == MR_AT_DEATH ? MEMSTATS_AT_DEATH
			                                        : MEMSTATS_AT_SNAPSHOT,
			.snapshot =
				from->snapshot == MR_INDEX_NONE ? 0 : run->snapshots[from->snapshot].number,
			.time_ns = from->time_ns,
			.size_bytes = from->size_bytes,
			.flat_bytes = from->flat_bytes,
			.referent_count = from->referent_count,
			.referents = details->referents + details->referent_count,
		};
		MR_TRY(append_referents(details, run, from, err));
	}
	return 0;
}

static int fill(struct details *details, struct mr_error *err)
{
	assert(details->objects && "it is laid out");
	details->position_count = 0;
	details->state_count = 0;
	details->referent_count = 0;
	for (size_t b = 0; b < details->batch_count; b++)
		for (size_t i = 0; i < details->batches[b].count; i++)
			MR_TRY(fill_object(details, &details->batches[b], i, err));
	return 0;
}

/* Each exists, and none is there twice: the model gives each object once. */
static int check_rows(const struct memstats_table *objects, const size_t *rows, size_t row_count,
                      struct mr_error *err)
{
	uint8_t *seen = mr_alloc(objects->row_count / 8 + 1);
	int code = 0;

	MR_FAIL_IF(!seen, err, MR_ERR_NOMEM, "no memory for the details of %zu objects", row_count);
	for (size_t i = 0; code == 0 && i < row_count; i++) {
		const size_t row = rows[i];

		if (row >= objects->row_count)
			code = mr_fail(err, MR_ERR_ARG, "table objects has no row %zu", row);
		else if (seen[row / 8] & 1u << row % 8)
			code = mr_fail(err, MR_ERR_ARG, "row %zu of table objects is asked for twice", row);
		else
			seen[row / 8] |= (uint8_t)(1u << row % 8);
	}
	mr_free(seen);
	return code;
}

int memstats_objects_new(struct memstats_table *objects, const size_t *rows, size_t row_count,
                         struct memstats_object **details, struct memstats_error *error)
{
	struct mr_error *err = mr_table_error(error);
	struct details fetched = { .table = objects->state };
	int code = 0;

	MR_FAIL_IF(objects->type != &mr_table_objects, err, MR_ERR_ARG, "table %s has no details of objects",
	           objects->type->info.name);
	MR_TRY(check_rows(objects, rows, row_count, err));
	fetched.trace = mr_alloc(TRACE_MAX * sizeof(*fetched.trace));
	if (!fetched.trace)
		code = mr_fail(err, MR_ERR_NOMEM, "no memory for traces");
	if (code == 0)
		code = split_by_run(&fetched, objects, rows, row_count, err);
	if (code == 0)
		code = measure(&fetched, err);
	if (code == 0)
		code = lay_out(&fetched, row_count, err);
	if (code == 0)
		code = fill(&fetched, err);
	for (size_t i = 0; fetched.batches && i < fetched.batch_count; i++) {
		mr_free(fetched.batches[i].rows);
		mr_free(fetched.batches[i].places);
		mr_details_free(fetched.batches[i].states);
	}
	mr_free(fetched.batches);
	mr_free(fetched.trace);
	if (code < 0)
		memstats_objects_free(fetched.objects);
	else
		*details = fetched.objects;
	return code;
}

void memstats_objects_free(struct memstats_object *details)
{
	mr_free(details);
}
