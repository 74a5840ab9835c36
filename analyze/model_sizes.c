/* SPDX-License-Identifier: MIT
 *
 * Sizes of all objects: the last and largest of each (MR_LOAD_SIZES), and of all
 * of them at one snapshot after the other (mr_model_replay).
 */
#include "model_replay.h"

/* The columns that a replay keeps. */
struct sizes {
	uint64_t *size;
	uint64_t *flat;  /* NULL: all are as `size`; made when one is not */
	uint64_t *max;   /* NULL: not wanted */
	uint32_t *label; /* likewise */
	uint8_t *final;  /* by row: its size when it was freed is known; made when there is one */
	bool born;       /* the columns hold something */
	bool key;        /* the snapshot under way is a key snapshot, which has set all back */
	/* of mr_model_replay() */
	mr_snapshot_visit *visit;
	void *visit_context;
	uint32_t visit_first; /* indexes of the run's snapshots */
	uint32_t visit_last;
	bool ended;
};

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the sizes of objects");
}

static void raise_max(struct sizes *sizes, size_t row)
{
	if (sizes->max[row] < sizes->size[row])
		sizes->max[row] = sizes->size[row];
}

/* Makes the column of flat sizes, for the rows up to the stream's last. */
static int make_flat(const struct mr_replay *replay, struct sizes *sizes, struct mr_error *err)
{
	const size_t size = replay->run->objects.count * sizeof(*sizes->flat);

	if (sizes->flat != NULL)
		return 0;
	sizes->flat = mr_realloc(NULL, size);
	if (sizes->flat == NULL)
		return no_memory(err);
	memcpy(sizes->flat, sizes->size, replay->row_end * sizeof(*sizes->flat));
	return 0;
}

/* Prepares for COUNT sizes with those flat ones. */
static int meet_flats(const struct mr_replay *replay, struct sizes *sizes, const uint64_t *values,
                      const uint64_t *flats, size_t count, struct mr_error *err)
{
	if (sizes->flat != NULL || values == flats || memcmp(values, flats, count * sizeof(*values)) == 0)
		return 0;
	return make_flat(replay, sizes, err);
}

static inline void set(struct sizes *sizes, size_t row, uint64_t size, uint64_t flat)
{
	sizes->size[row] = size;
	if (sizes->flat != NULL)
		sizes->flat[row] = flat;
}

/* Whether the size that ROW has now was its size in a snapshot before this one. */
static bool was_seen(const struct mr_replay *replay, size_t row)
{
	return replay->imported || (replay->time_before_ns != MR_NONE &&
	                            replay->run->objects.birth_ns[row] <= replay->time_before_ns);
}

/* Sets all rows of the stream to the size of their class at birth, once. */
static void set_births(const struct mr_replay *replay, struct sizes *sizes)
{
	if (sizes->born)
		return;
	sizes->born = true;
	for (size_t row = replay->row_first; row < replay->row_end; row++) {
		const uint64_t size = replay->imported ? mr_birth_size(&replay->run->objects, row, 0)
		                                       : mr_replay_class_size(replay, row);

		set(sizes, row, size, size);
	}
}

static int begin(struct mr_replay *replay, bool key, struct mr_error *err)
{
	struct sizes *const sizes = replay->context;
	const struct mr_objects *const objects = &replay->run->objects;
	const bool imported = replay->imported;

	set_births(replay, sizes);
	sizes->key = key && !imported;
	if (key || sizes->visit != NULL)
		MR_TRY(mr_replay_spend(replay, replay->row_end - replay->row_first, err));
	/* Where nothing is said of an object it has no size then, for who asks for this snapshot. */
	for (size_t row = replay->row_first; imported && sizes->visit != NULL && row < replay->row_end; row++)
		set(sizes, row, 0, 0);
	if (!key || imported || replay->time_before_ns == MR_NONE)
		return 0;
	for (size_t row = replay->row_first; row < replay->row_end; row++) {
		if (!mr_object_is_alive(objects, row, replay->time_ns) ||
		    (sizes->final != NULL && sizes->final[row] != 0))
			continue;
		if (sizes->max != NULL && objects->birth_ns[row] <= replay->time_before_ns)
			raise_max(sizes, row);

		const uint64_t size = mr_replay_class_size(replay, row);
		set(sizes, row, size, size);
	}
	return 0;
}

/* Sizes at their death: the last of all, also where rows of snapshots come behind them. */
static int set_final(struct mr_replay *replay, const uint32_t *rows, const uint64_t *values,
                     const uint64_t *flats, size_t count, struct mr_error *err)
{
	struct sizes *const sizes = replay->context;
	const struct mr_objects *const objects = &replay->run->objects;

	if (sizes->max == NULL)
		return 0;
	if (sizes->final == NULL) {
		sizes->final = mr_alloc(objects->count);
		if (sizes->final == NULL)
			return no_memory(err);
	}
	set_births(replay, sizes);
	MR_TRY(meet_flats(replay, sizes, values, flats, count, err));
	for (size_t i = 0; i < count; i++) {
		const uint32_t row = rows[i];

		if (replay->snapshot != MR_INDEX_NONE && objects->birth_ns[row] <= replay->time_ns)
			raise_max(sizes, row);
		set(sizes, row, values[i], flats[i]);
		sizes->final[row] = 1;
	}
	return 0;
}

static int set_sizes(struct mr_replay *replay, bool freed, const uint32_t *rows, const uint64_t *values,
                     const uint64_t *flats, size_t count, struct mr_error *err)
{
	struct sizes *const sizes = replay->context;

	if (freed)
		return set_final(replay, rows, values, flats, count, err);
	MR_TRY(meet_flats(replay, sizes, values, flats, count, err));
	for (size_t i = 0; i < count; i++) {
		const uint32_t row = rows[i];

		if (sizes->final != NULL && sizes->final[row] != 0) {
			if (sizes->max != NULL && sizes->max[row] < values[i])
				sizes->max[row] = values[i];
			continue;
		}
		/* A key snapshot has seen to what was before. */
		if (sizes->max != NULL && !sizes->key && was_seen(replay, row))
			raise_max(sizes, row);
		set(sizes, row, values[i], flats[i]);
	}
	return 0;
}

/* As set_sizes(): nearly all sizes of nearly all logs go this way. */
static int set_stretch(struct mr_replay *replay, size_t row, const uint64_t *values, const uint64_t *flats,
                       size_t count, bool seen, struct mr_error *err)
{
	struct sizes *const sizes = replay->context;

	if (sizes->final != NULL && memchr(sizes->final + row, 1, count) != NULL) {
		uint32_t rows[MR_CHUNK];

		for (size_t i = 0; i < count; i++)
			rows[i] = (uint32_t)(row + i);
		return set_sizes(replay, false, rows, values, flats, count, err);
	}
	MR_TRY(meet_flats(replay, sizes, values, flats, count, err));
	if (sizes->max != NULL && !sizes->key)
		for (size_t i = row; i < row + count; i++)
			if (seen || was_seen(replay, i))
				raise_max(sizes, i);
	memcpy(sizes->size + row, values, count * sizeof(*values));
	if (sizes->flat != NULL)
		memcpy(sizes->flat + row, flats, count * sizeof(*flats));
	return 0;
}

static int set_label(struct mr_replay *replay, bool freed, uint32_t row, uint32_t text, uint64_t form,
                     struct mr_error *err)
{
	struct sizes *const sizes = replay->context;

	(void)freed;
	(void)err;
	sizes->label[row] = form == MR_LABEL_ADDRESS ? text | MR_LABEL_WITH_ADDRESS : text;
	return 0;
}

/* ---- The last and the largest ------------------------------------------------------ */

static int make_columns(struct mr_objects *objects, struct mr_error *err)
{
	const size_t count = objects->count > 0 ? objects->count : 1;

	objects->size_bytes = mr_realloc(NULL, count * sizeof(*objects->size_bytes));
	objects->flat_bytes = objects->size_bytes;
	objects->size_max_bytes = mr_alloc(count * sizeof(*objects->size_max_bytes));
	objects->label = mr_alloc(count * sizeof(*objects->label));
	if (objects->size_bytes == NULL || objects->size_max_bytes == NULL || objects->label == NULL)
		return no_memory(err);
	return 0;
}

/* Whether the object in ROW was in none of the snapshots of STREAM. */
static bool never_in_snapshot(const struct mr_run *run, const struct mr_stream_state *stream, size_t row)
{
	size_t low = 0, high = stream->numbered.count;

	while (low < high) { /* the first snapshot that is not before its birth */
		const size_t middle = low + (high - low) / 2;

		if (run->snapshots[stream->numbered.items[middle].index].time_ns < run->objects.birth_ns[row])
			low = middle + 1;
		else
			high = middle;
	}
	return low == stream->numbered.count ||
	       run->snapshots[stream->numbered.items[low].index].time_ns >= run->objects.death_ns[row];
}

/* Objects that were sized when they were announced: some never again. */
static void meet_birth_sizes(const struct mr_run *run, const struct mr_stream_state *stream,
                             struct sizes *sizes, size_t row_first, size_t row_end)
{
	const uint64_t *const born = run->objects.birth_bytes;

	for (size_t row = row_first; born != NULL && row < row_end; row++) {
		if (born[row] == MR_NONE)
			continue;
		if (stream->imported == MR_IMPORTED_NOTHING &&
		    (sizes->final == NULL || sizes->final[row] == 0) && never_in_snapshot(run, stream, row))
			set(sizes, row, born[row], born[row]);
		if (sizes->max[row] < born[row])
			sizes->max[row] = born[row];
	}
}

static int load_stream(struct mr_model *model, struct mr_stream_state *stream, struct mr_error *err)
{
	static const struct mr_replay_hooks hooks = {
		.begin = begin, .sizes = set_sizes, .stretch = set_stretch, .label = set_label
	};
	struct mr_run *const run = &model->runs[stream->run];
	struct mr_objects *const objects = &run->objects;
	struct sizes sizes = {
		.size = objects->size_bytes,
		.flat = objects->flat_bytes != objects->size_bytes ? objects->flat_bytes : NULL,
		.max = objects->size_max_bytes,
		.label = objects->label,
	};
	struct mr_replay replay = {
		.model = model,
		.run = run,
		.stream = stream,
		.hooks = &hooks,
		.context = &sizes,
		.last = stream->numbered.count - 1,
	};
	const size_t row_first = run->streams[stream->index].object_first;
	const size_t row_end = row_first + run->streams[stream->index].object_count;

	if (row_first == row_end)
		return 0;
	const int code = mr_replay_run(&replay, err);
	if (sizes.flat != NULL)
		objects->flat_bytes = sizes.flat;
	for (size_t row = row_first; row < row_end && stream->numbered.count == 0; row++) {
		const uint64_t size =
			mr_birth_size(objects, row, run->classes[objects->class_index[row]].size_bytes);

		set(&sizes, row, size, size);
	}
	meet_birth_sizes(run, stream, &sizes, row_first, row_end);
	for (size_t row = row_first; row < row_end && code == 0; row++)
		raise_max(&sizes, row);
	stream->sizes_are_last = stream->numbered.count > 0 && run->change_count == 0 && !replay.imported &&
	                         sizes.final == NULL && code == 0 && !replay.done;
	mr_free(sizes.final);
	return code;
}

int mr_model__load_sizes(struct mr_model *model, struct mr_error *err)
{
	const struct mr_model_state *const state = model->state;

	for (size_t i = 0; i < model->run_count; i++)
		MR_TRY(make_columns(&model->runs[i].objects, err));
	for (size_t i = 0; i < state->streams.count; i++)
		if (!state->streams.items[i]->repeated)
			MR_TRY(load_stream(model, state->streams.items[i], err));
	for (size_t i = 0; i < model->run_count; i++)
		MR_TRY(mr_model__make_labels(model, &model->runs[i].objects, err));
	return 0;
}

/* ---- One snapshot after the other --------------------------------------------------- */

static int show_view(struct sizes *sizes, const struct mr_snapshot_view *view, struct mr_error *err)
{
	const int code = sizes->visit(sizes->visit_context, view, err);

	sizes->ended = code > 0;
	return code;
}

static int show(struct mr_replay *replay, struct mr_error *err)
{
	struct sizes *const sizes = replay->context;
	const struct mr_snapshot_view view = {
		.run = replay->run,
		.snapshot = replay->snapshot,
		.time_ns = replay->time_ns,
		.row_first = replay->row_first,
		.row_end = replay->row_end,
		.size_bytes = sizes->size,
		.flat_bytes = sizes->flat != NULL ? sizes->flat : sizes->size,
		.class_index = replay->class_index,
	};

	if (replay->snapshot < sizes->visit_first || replay->snapshot > sizes->visit_last)
		return 0;
	return show_view(sizes, &view, err);
}

/* Shows the last snapshot of STREAM, of which all is loaded. */
static int show_last(struct mr_model *model, struct mr_stream_state *stream, struct sizes *sizes,
                     struct mr_error *err)
{
	const struct mr_run *const run = &model->runs[stream->run];
	const uint32_t snapshot = stream->numbered.items[stream->numbered.count - 1].index;
	const size_t row_first = run->streams[stream->index].object_first;
	const struct mr_snapshot_view view = {
		.run = run,
		.snapshot = snapshot,
		.time_ns = run->snapshots[snapshot].time_ns,
		.row_first = row_first,
		.row_end = row_first + run->streams[stream->index].object_count,
		.size_bytes = run->objects.size_bytes,
		.flat_bytes = run->objects.flat_bytes,
		.class_index = run->objects.class_index,
	};
	const int code = show_view(sizes, &view, err);

	return code < 0 ? code : 0;
}

/* Shows the snapshots of one stream that are asked for. */
static int replay_stream(struct mr_model *model, struct mr_stream_state *stream, struct sizes *sizes,
                         struct mr_error *err)
{
	static const struct mr_replay_hooks hooks = {
		.begin = begin, .sizes = set_sizes, .stretch = set_stretch, .end = show
	};
	size_t first = SIZE_MAX, last = 0;

	for (size_t i = 0; i < stream->numbered.count; i++) {
		const uint32_t index = stream->numbered.items[i].index;

		if (index >= sizes->visit_first && index <= sizes->visit_last) {
			first = first == SIZE_MAX ? i : first;
			last = i;
		}
	}
	if (first == SIZE_MAX)
		return 0;
	if (stream->sizes_are_last && first + 1 == stream->numbered.count)
		return show_last(model, stream, sizes, err);

	struct mr_replay replay = {
		.model = model,
		.run = &model->runs[stream->run],
		.stream = stream,
		.hooks = &hooks,
		.context = sizes,
		.first = first,
		.last = last,
	};
	sizes->born = false;
	return mr_replay_run(&replay, err);
}

int mr_model_replay(struct mr_model *model, size_t run_index, uint32_t first, uint32_t last,
                    mr_snapshot_visit *visit, void *context, struct mr_error *err)
{
	const struct mr_model_state *const state = model->state;
	struct sizes sizes = {
		.visit = visit, .visit_context = context, .visit_first = first, .visit_last = last
	};
	int code = 0;

	MR_FAIL_IF(run_index >= model->run_count, err, MR_ERR_ARG, "there is no run %zu", run_index + 1);
	MR_TRY(mr_model_load(model, MR_LOAD_OBJECTS, err));
	const size_t count = model->runs[run_index].objects.count + 1;
	sizes.size = mr_alloc(count * sizeof(*sizes.size));
	if (sizes.size == NULL)
		code = no_memory(err);
	for (size_t i = 0; i < state->streams.count && code == 0 && !sizes.ended; i++)
		if (!state->streams.items[i]->repeated && state->streams.items[i]->run == run_index)
			code = replay_stream(model, state->streams.items[i], &sizes, err);
	mr_free(sizes.size);
	mr_free(sizes.flat);
	mr_free(sizes.final);
	return code < 0 ? code : mr_model__take_notes(model, err);
}
