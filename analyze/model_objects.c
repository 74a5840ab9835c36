/* SPDX-License-Identifier: MIT
 *
 * Births, deaths and changes: the columns of objects.  Each stream gathers its
 * own; in the end they are put behind each other, or, where there is one stream
 * only, handed over as they are.
 */
#include "model_private.h"

#include <stdlib.h>

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the objects of a log");
}

/* Every column that births fill: address of the pointer, size of a value. */
#define COLUMNS(objects)                                                                \
	{                                                                               \
		{ &(objects)->id, sizeof(*(objects)->id) },                             \
			{ &(objects)->birth_ns, sizeof(*(objects)->birth_ns) },         \
			{ &(objects)->death_ns, sizeof(*(objects)->death_ns) },         \
			{ &(objects)->address, sizeof(*(objects)->address) },           \
			{ &(objects)->class_index, sizeof(*(objects)->class_index) },   \
			{ &(objects)->stack, sizeof(*(objects)->stack) },               \
			{ &(objects)->name, sizeof(*(objects)->name) },                 \
			{ &(objects)->death_reason, sizeof(*(objects)->death_reason) }, \
			{ &(objects)->level, sizeof(*(objects)->level) },               \
	}

struct column {
	void *items; /* address of the pointer */
	size_t size;
};

static int reserve(struct mr_objects *objects, size_t *capacity, size_t wanted, struct mr_error *err)
{
	const struct column columns[] = COLUMNS(objects);
	size_t grown = *capacity;

	if (wanted <= *capacity)
		return 0;
	for (size_t i = 0; i < MR_ARRAY_LEN(columns); i++) {
		grown = *capacity;
		if (mr_grow(columns[i].items, &grown, wanted, columns[i].size) < 0)
			return no_memory(err);
	}
	if (objects->birth_bytes != NULL) {
		grown = *capacity;
		if (mr_grow(&objects->birth_bytes, &grown, wanted, sizeof(*objects->birth_bytes)) < 0)
			return no_memory(err);
	}
	*capacity = grown;
	return 0;
}

/* Makes the column of sizes at birth, which few logs have, for CAPACITY objects. */
static int make_birth_bytes(struct mr_objects *objects, size_t capacity, struct mr_error *err)
{
	if (objects->birth_bytes != NULL)
		return 0;
	objects->birth_bytes = mr_realloc(NULL, capacity * sizeof(*objects->birth_bytes));
	if (objects->birth_bytes == NULL)
		return no_memory(err);
	for (size_t row = 0; row < objects->count; row++)
		objects->birth_bytes[row] = MR_NONE;
	return 0;
}

/* Ids repeat from row to row: what one meant is asked for once. */
struct resolved {
	uint64_t id;
	uint32_t index;
};

static inline uint32_t resolve(struct mr_loading *loading, enum mr_defined what, uint64_t id,
                               struct resolved *last)
{
	if (id != last->id)
		*last = (struct resolved){ id, mr_model__resolve(loading->model, loading->stream, what, id) };
	return last->index;
}

static uint32_t resolve_class(struct mr_loading *loading, uint64_t id, struct resolved *last)
{
	return resolve(loading, MR_DEFINED_CLASS, id, last);
}

/* Whether an object with this ID is the one that all before it lead to expect. */
static inline bool is_next(const struct mr_stream_state *stream, uint64_t id)
{
	return stream->dense_count == stream->objects.count &&
	       (stream->dense_count == 0 || id - stream->dense_first == stream->dense_count);
}

/* The next row is that of ID. */
static inline int add_id(struct mr_stream_state *stream, uint64_t id, struct mr_error *err)
{
	if (!is_next(stream, id))
		return mr_id_map_put(&stream->object_rows, id, (uint32_t)stream->objects.count + 1, err);
	if (stream->dense_count == 0)
		stream->dense_first = id;
	stream->dense_count++;
	return 0;
}

int mr_model__read_births(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_objects *const objects = &stream->objects;
	const struct mr_run *const run = &loading->model->runs[stream->run];
	struct resolved class = { 0 }, stack = { 0 }, name = { 0 };
	struct mr_rows rows;
	int count;

	MR_FAIL_IF(block->rows > loading->budget->objects_left, err, MR_ERR_LIMIT,
	           "the log claims far more objects than its size can hold");
	loading->budget->objects_left -= block->rows;
	MR_TRY(mr_rows_open(&rows, block, MR_BIRTHS_SIZE, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		MR_FAIL_IF(objects->count + (size_t)count >= UINT32_MAX, err, MR_ERR_LIMIT,
		           "the log has too many objects");
		MR_TRY(reserve(objects, &stream->object_capacity, objects->count + (size_t)count, err));
		if (block->columns[MR_BIRTHS_SIZE].data != NULL)
			MR_TRY(make_birth_bytes(objects, stream->object_capacity, err));
		for (int i = 0; i < count; i++) {
			const size_t at = objects->count;
			const uint64_t id = rows.values[MR_BIRTHS_OBJECT][i];
			const uint64_t level = rows.values[MR_BIRTHS_LEVEL][i];

			if (!is_next(stream, id) && mr_stream_object(stream, id) != 0) { /* born twice */
				loading->model->segments[stream->segment].rows_dropped++;
				continue;
			}
			objects->id[at] = id;
			objects->birth_ns[at] = mr_run_time(stream, rows.values[MR_BIRTHS_TIME][i]);
			objects->death_ns[at] = MR_NONE;
			objects->address[at] = rows.values[MR_BIRTHS_ADDRESS][i];
			objects->class_index[at] =
				resolve_class(loading, rows.values[MR_BIRTHS_CLASS][i], &class);
			objects->stack[at] =
				resolve(loading, MR_DEFINED_STACK, rows.values[MR_BIRTHS_STACK][i], &stack);
			objects->name[at] =
				resolve(loading, MR_DEFINED_STRING, rows.values[MR_BIRTHS_NAME][i], &name);
			objects->death_reason[at] = 0;
			if (objects->birth_bytes != NULL) /* 0 is "none" and wraps around to MR_NONE */
				objects->birth_bytes[at] = rows.values[MR_BIRTHS_SIZE][i] - 1;
			const uint64_t in_force =
				level != 0 ? level - 1 : run->classes[objects->class_index[at]].level;
			objects->level[at] = in_force < UINT8_MAX ? (uint8_t)in_force : UINT8_MAX;
			MR_TRY(add_id(stream, id, err));
			objects->count++;
		}
	}
	return count;
}

static void die(struct mr_model *model, struct mr_stream_state *stream, size_t row,
                const struct mr_raw_death *death)
{
	struct mr_objects *const objects = &stream->objects;

	if (objects->death_ns[row] != MR_NONE) { /* dies twice: the first time counts */
		model->segments[stream->segment].rows_dropped++;
		if (objects->death_ns[row] <= death->time_ns)
			return;
	}
	objects->death_ns[row] = death->time_ns;
	objects->death_reason[row] = death->reason;
}

int mr_model__read_deaths(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_DEATHS_REASON, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		for (int i = 0; i < count; i++) {
			const uint64_t reason = rows.values[MR_DEATHS_REASON][i];
			const struct mr_raw_death death = {
				.object = rows.values[MR_DEATHS_OBJECT][i],
				.time_ns = mr_run_time(stream, rows.values[MR_DEATHS_TIME][i]),
				.reason = reason < UINT8_MAX ? (uint8_t)reason : UINT8_MAX,
			};
			const uint32_t known = mr_stream_object(stream, death.object);

			if (known != 0) {
				die(loading->model, stream, known - 1, &death);
				continue;
			}
			/* Its birth may stand in a later frame. */
			if (MR_LIST_RESERVE(&stream->deaths, 1) < 0)
				return no_memory(err);
			stream->deaths.items[stream->deaths.count++] = death;
		}
	}
	return count;
}

int mr_model__read_changes(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct resolved class = { 0 };
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_CHANGES_LEVEL, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->changes, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++) {
			const uint64_t to = rows.values[MR_CHANGES_CLASS][i];
			const uint64_t level = rows.values[MR_CHANGES_LEVEL][i];

			stream->changes.items[stream->changes.count++] = (struct mr_raw_change){
				.object = rows.values[MR_CHANGES_OBJECT][i],
				.change = {
					.time_ns = mr_run_time(stream, rows.values[MR_CHANGES_TIME][i]),
					.class_index = to == 0 ? 0 : resolve_class(loading, to - 1, &class),
					.level = level != 0 ? mr_raw_id(level - 1) : MR_INDEX_NONE,
				},
			};
		}
	}
	return count;
}

/* ---- Into the runs --------------------------------------------------------------- */

/* Deaths that stood before their births; those of unknown objects are dropped. */
static void late_deaths(struct mr_model *model, struct mr_stream_state *stream)
{
	for (size_t i = 0; i < stream->deaths.count; i++) {
		const struct mr_raw_death *const death = &stream->deaths.items[i];
		const uint32_t known = mr_stream_object(stream, death->object);

		if (known != 0)
			die(model, stream, known - 1, death);
		else
			model->segments[stream->segment].ids_unknown++;
	}
	mr_free(stream->deaths.items);
	stream->deaths.items = NULL;
	stream->deaths.count = stream->deaths.capacity = 0;
}

/* Notes when the objects of STREAM are alive, many at a time. */
static int sum_lives(struct mr_stream_state *stream, struct mr_error *err)
{
	const struct mr_objects *const objects = &stream->objects;
	const size_t count = (objects->count + MR_LIVES_ROWS - 1) / MR_LIVES_ROWS;

	if (MR_LIST_RESERVE(&stream->lives, count) < 0)
		return no_memory(err);
	for (size_t i = 0; i < count; i++) {
		const size_t first = i * MR_LIVES_ROWS;
		const size_t end =
			objects->count - first < MR_LIVES_ROWS ? objects->count : first + MR_LIVES_ROWS;
		struct mr_lives lives = { 0, MR_NONE };

		for (size_t row = first; row < end; row++) {
			if (lives.birth_last_ns < objects->birth_ns[row])
				lives.birth_last_ns = objects->birth_ns[row];
			if (lives.death_first_ns > objects->death_ns[row])
				lives.death_first_ns = objects->death_ns[row];
		}
		stream->lives.items[i] = lives;
	}
	stream->lives.count = count;
	return 0;
}

/* Appends the objects of STREAM to those of RUN. */
static int append_objects(struct mr_run *run, struct mr_stream_state *stream, size_t *capacity,
                          struct mr_error *err)
{
	struct mr_objects *const to = &run->objects;
	struct mr_objects *const from = &stream->objects;

	run->streams[stream->index].object_first = (uint32_t)to->count;
	run->streams[stream->index].object_count = (uint32_t)from->count;
	if (from->count == 0)
		return 0;
	if (to->count == 0) {
		*to = *from;
		*capacity = stream->object_capacity;
		*from = (struct mr_objects){ 0 };
		return 0;
	}

	MR_FAIL_IF(to->count + from->count >= UINT32_MAX, err, MR_ERR_LIMIT,
	           "the logs have too many objects");
	MR_TRY(reserve(to, capacity, to->count + from->count, err));
	if (from->birth_bytes != NULL || to->birth_bytes != NULL) {
		MR_TRY(make_birth_bytes(from, from->count, err));
		MR_TRY(make_birth_bytes(to, *capacity, err));
		memcpy(to->birth_bytes + to->count, from->birth_bytes,
		       from->count * sizeof(*to->birth_bytes));
	}
	const struct column columns_to[] = COLUMNS(to);
	const struct column columns_from[] = COLUMNS(from);
	for (size_t i = 0; i < MR_ARRAY_LEN(columns_to); i++) {
		uint8_t *target;
		const uint8_t *source;

		/* The pointers are of several types: moved as bytes. */
		memcpy(&target, columns_to[i].items, sizeof(target));
		memcpy(&source, columns_from[i].items, sizeof(source));
		memcpy(target + to->count * columns_to[i].size, source, from->count * columns_from[i].size);
	}
	to->count += from->count;
	mr_objects_release(from);
	return 0;
}

/* The row in the run of an object of STREAM, or MR_INDEX_NONE. */
uint32_t mr_stream_row(const struct mr_run *run, struct mr_stream_state *stream, uint64_t object)
{
	const uint32_t known = mr_stream_object(stream, object);

	return known != 0 ? run->streams[stream->index].object_first + known - 1 : MR_INDEX_NONE;
}

static int compare_changes(const void *left, const void *right)
{
	const struct mr_change *const a = left;
	const struct mr_change *const b = right;

	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	return a->row < b->row ? -1 : a->row > b->row;
}

static int append_changes(struct mr_model *model, struct mr_run *run, struct mr_stream_state *stream,
                          size_t *capacity, struct mr_error *err)
{
	if (mr_grow(&run->changes, capacity, run->change_count + stream->changes.count,
	            sizeof(*run->changes)) < 0)
		return no_memory(err);
	for (size_t i = 0; i < stream->changes.count; i++) {
		struct mr_change change = stream->changes.items[i].change;

		change.row = mr_stream_row(run, stream, stream->changes.items[i].object);
		if (change.row != MR_INDEX_NONE)
			run->changes[run->change_count++] = change;
		else
			model->segments[stream->segment].ids_unknown++;
	}
	mr_free(stream->changes.items);
	stream->changes.items = NULL;
	stream->changes.count = stream->changes.capacity = 0;
	return 0;
}

/* The class and level of objects become those after all changes. */
static void apply_changes(struct mr_run *run)
{
	struct mr_objects *const objects = &run->objects;

	for (size_t i = 0; i < run->change_count; i++) {
		const struct mr_change *const change = &run->changes[i];

		if (change->class_index != 0)
			objects->class_index[change->row] = change->class_index;
		if (change->level != MR_INDEX_NONE)
			objects->level[change->row] =
				change->level < UINT8_MAX ? (uint8_t)change->level : UINT8_MAX;
	}
}

/* By time; what has one time stays in the log's order, as it is mostly sorted already. */
static void sort_changes(struct mr_run *run)
{
	for (size_t i = 1; i < run->change_count; i++) {
		if (compare_changes(&run->changes[i - 1], &run->changes[i]) > 0 &&
		    run->changes[i - 1].time_ns != run->changes[i].time_ns) {
			qsort(run->changes, run->change_count, sizeof(*run->changes), compare_changes);
			return;
		}
	}
}

int mr_model__finish_objects(struct mr_model *model, struct mr_error *err)
{
	struct mr_model_state *const state = model->state;
	size_t *const capacities = mr_alloc((model->run_count + 1) * 2 * sizeof(*capacities));
	int code = capacities != NULL ? 0 : no_memory(err);

	for (size_t i = 0; i < state->streams.count && code == 0; i++) {
		struct mr_stream_state *const stream = state->streams.items[i];
		struct mr_run *const run = &model->runs[stream->run];

		if (stream->repeated)
			continue;
		late_deaths(model, stream);
		code = sum_lives(stream, err);
		if (code == 0)
			code = append_objects(run, stream, &capacities[2 * stream->run], err);
		if (code == 0)
			code = append_changes(model, run, stream, &capacities[2 * stream->run + 1], err);
	}
	for (size_t i = 0; i < model->run_count && code == 0; i++) {
		struct mr_run *const run = &model->runs[i];

		sort_changes(run);
		for (size_t j = 0; j < run->change_count; j++)
			run->changes[j].class_born = run->objects.class_index[run->changes[j].row];
		apply_changes(run);
	}
	mr_free(capacities);
	return code;
}
