/* SPDX-License-Identifier: MIT
 *
 * The course of one stream's snapshots.  Sizes are stored as changes: a
 * snapshot's state is the last key snapshot's and all that followed.  Rows that
 * come too late, or of objects that are not in the snapshot, are dropped and
 * counted (of an imported stream, what the other tool said of them counts).
 */
#include "model_replay.h"

/* Rows that one pass goes through, objects that are shown at a snapshot included:
 * far more than a log has for its size, little enough that a lie ends in time. */
#define WORK_ALLOWANCE (UINT64_C(1) << 24)
#define WORK_PER_BYTE 1024

int mr_replay_spend(struct mr_replay *replay, uint64_t rows, struct mr_error *err)
{
	if (rows <= replay->work_left) {
		replay->work_left -= rows;
		return 0;
	}
	replay->done = true;
	return mr_fail(err, MR_ERR_LIMIT, "the log claims far more sizes than a log of its size can hold");
}

static uint64_t number_at(const struct mr_replay *replay, size_t position)
{
	return replay->stream->numbered.items[position].number;
}

static void drop(struct mr_replay *replay)
{
	replay->model->segments[replay->stream->segment].rows_dropped++;
}

/* Applies the changes of class up to the snapshot's time. */
static void change_classes(struct mr_replay *replay)
{
	const struct mr_run *const run = replay->run;

	for (; replay->change_next < run->change_count; replay->change_next++) {
		const struct mr_change *const change = &run->changes[replay->change_next];

		if (change->time_ns > replay->time_ns)
			break;
		if (change->class_index != 0)
			replay->classes_now[change->row] = change->class_index;
	}
}

static int call_end(struct mr_replay *replay, struct mr_error *err)
{
	if (!replay->open)
		return 0;
	replay->open = false;
	return replay->hooks->end != NULL ? replay->hooks->end(replay, err) : 0;
}

static int begin(struct mr_replay *replay, size_t position, struct mr_error *err)
{
	const struct mr_snapshot *const snapshot =
		&replay->run->snapshots[replay->stream->numbered.items[position].index];

	replay->time_before_ns = replay->snapshot != MR_INDEX_NONE ? replay->time_ns : MR_NONE;
	replay->position = position;
	replay->number = 0;
	replay->snapshot = replay->stream->numbered.items[position].index;
	replay->time_ns = snapshot->time_ns;
	replay->open = true;
	if (replay->classes_now != NULL)
		change_classes(replay);
	return replay->hooks->begin != NULL
	               ? replay->hooks->begin(replay, (snapshot->flags & MR_SNAPSHOT_KEY) != 0, err)
	               : 0;
}

/* Goes on to the snapshot NUMBER: those before it have ended then. */
static int advance(struct mr_replay *replay, uint64_t number, struct mr_error *err)
{
	int code = 0;

	if (replay->snapshot != MR_INDEX_NONE && number > number_at(replay, replay->position))
		code = call_end(replay, err);
	while (code == 0) {
		const size_t next = replay->snapshot == MR_INDEX_NONE ? replay->first : replay->position + 1;

		if (next > replay->last || number_at(replay, next) > number)
			break;
		code = call_end(replay, err);
		if (code == 0)
			code = begin(replay, next, err);
	}
	if (code > 0)
		replay->done = true;
	return code;
}

/* What a row that names snapshot NUMBER is to us. */
enum row_use { ROW_USE, ROW_SKIP, ROW_DONE };

static int use_of(struct mr_replay *replay, uint64_t number, enum row_use *use, struct mr_error *err)
{
	*use = ROW_USE;
	/* As the row before, or of an object that was freed: belongs to no snapshot. */
	if (MR_LIKELY(number == replay->number || number == 0))
		return 0;
	if (number < number_at(replay, replay->first)) {
		*use = ROW_SKIP;
		return 0;
	}
	if (number > number_at(replay, replay->last)) {
		*use = ROW_DONE;
		return 0;
	}
	MR_TRY(advance(replay, number, err));
	if (replay->done) {
		*use = ROW_DONE;
	} else if (number < number_at(replay, replay->position)) {
		drop(replay); /* too late */
		*use = ROW_SKIP;
	} else {
		replay->number = number;
	}
	return 0;
}

/* The row of an object, when it is in the snapshot (or was freed), else MR_INDEX_NONE. */
static inline uint32_t row_of(struct mr_replay *replay, uint64_t object, bool freed)
{
	const struct mr_objects *const objects = &replay->run->objects;
	size_t row = replay->row_next;

	if (MR_UNLIKELY(!mr_replay_wants(replay, object)))
		return MR_INDEX_NONE;
	/* Objects are mostly told of in the order of their rows. */
	if (MR_UNLIKELY(row >= replay->row_end || objects->id[row] != object)) {
		row = mr_stream_row(replay->run, replay->stream, object);
		if (row == MR_INDEX_NONE) {
			replay->model->segments[replay->stream->segment].ids_unknown++;
			return MR_INDEX_NONE;
		}
	}
	replay->row_next = row + 1;
	if (MR_UNLIKELY(freed ? objects->death_ns[row] == MR_NONE
	                      : !replay->imported && !mr_object_is_alive(objects, row, replay->time_ns))) {
		drop(replay);
		return MR_INDEX_NONE;
	}
	return (uint32_t)row;
}

/* ---- Blocks ---------------------------------------------------------------------- */

/* Whether any of the objects matters. */
static bool wants_any(const struct mr_replay *replay, const uint64_t *objects, size_t count)
{
	if (!replay->filtered)
		return true;
	for (size_t i = 0; i < count; i++)
		if (mr_replay_wants(replay, objects[i]))
			return true;
	return false;
}

/* The same of COUNT objects from FIRST on. */
static bool wants_line(const struct mr_replay *replay, uint64_t first, size_t count)
{
	if (!replay->filtered || count >= (size_t)MR_REPLAY_FILTER_WORDS * 64)
		return true;
	while (count > 0) {
		const size_t bit = first % 64;
		const size_t some = 64 - bit < count ? 64 - bit : count;
		const uint64_t mask = some < 64 ? (UINT64_C(1) << some) - 1 : UINT64_MAX;

		if ((replay->filter[first / 64 % MR_REPLAY_FILTER_WORDS] >> bit & mask) != 0)
			return true;
		first += some;
		count -= some;
	}
	return false;
}

/* Whether any object that the column ID of BLOCK names matters: few do when some are chosen, and then
 * the other columns of most blocks need not be read. */
static int wants_block(const struct mr_replay *replay, const struct mr_block *block, unsigned id,
                       bool *wanted, struct mr_error *err)
{
	struct mr_cursor cursor;
	uint64_t objects[MR_CHUNK], first, step;

	*wanted = !replay->filtered;
	MR_TRY(mr_cursor_open(&cursor, block, id, err));
	while (!*wanted && cursor.rows_left > 0) {
		const int line = mr_cursor_line(&cursor, &first, &step, err);

		if (line < 0)
			return line;
		if (line > 0 && (step <= 1 || line == 1)) {
			*wanted = wants_line(replay, first, step == 0 ? 1 : (size_t)line);
			MR_TRY(mr_cursor_pass(&cursor, (uint32_t)line, err));
			continue;
		}
		const uint32_t count = cursor.rows_left < MR_CHUNK ? cursor.rows_left : MR_CHUNK;
		MR_TRY(mr_cursor_read(&cursor, objects, count, err));
		*wanted = wants_any(replay, objects, count);
	}
	return 0;
}

/* The columns of a SIZES block, some rows at a time. */
struct size_rows {
	struct mr_cursor cursors[MR_SIZES_FLAT + 1];
	bool same; /* flat sizes are the sizes: of objects that refer to nothing, one of the two says all */
	bool line; /* the rows now at hand name one snapshot, and objects that count up from the first */
	uint64_t snapshots[MR_CHUNK]; /* of a line, the first only, of objects too */
	uint64_t objects[MR_CHUNK];
	uint64_t sizes[MR_CHUNK];
	uint64_t flats[MR_CHUNK];
};

/* Goes on to the next rows, without their sizes; how many there are, 0 at the end, or an error. */
static int next_rows(struct size_rows *rows, struct mr_error *err)
{
	struct mr_cursor *const snapshots = &rows->cursors[MR_SIZES_SNAPSHOT];
	struct mr_cursor *const objects = &rows->cursors[MR_SIZES_OBJECT];
	uint32_t count = objects->rows_left < MR_CHUNK ? objects->rows_left : MR_CHUNK;
	uint64_t snapshot_step = 1, object_step = 0;

	if (count == 0)
		return 0;
	const int same_snapshot = mr_cursor_line(snapshots, &rows->snapshots[0], &snapshot_step, err);
	if (same_snapshot < 0)
		return same_snapshot;
	const int objects_line = mr_cursor_line(objects, &rows->objects[0], &object_step, err);
	if (objects_line < 0)
		return objects_line;

	rows->line = same_snapshot > 0 && snapshot_step == 0 && objects_line > 0 && object_step == 1;
	if (rows->line) {
		count = (uint32_t)same_snapshot < count ? (uint32_t)same_snapshot : count;
		count = (uint32_t)objects_line < count ? (uint32_t)objects_line : count;
		MR_TRY(mr_cursor_pass(snapshots, count, err));
		MR_TRY(mr_cursor_pass(objects, count, err));
	} else {
		MR_TRY(mr_cursor_read(snapshots, rows->snapshots, count, err));
		MR_TRY(mr_cursor_read(objects, rows->objects, count, err));
	}
	return (int)count;
}

/* Reads the sizes of the rows at hand, or passes over them. */
static int rest_of_rows(struct size_rows *rows, uint32_t count, bool wanted, struct mr_error *err)
{
	struct mr_cursor *const sizes = &rows->cursors[MR_SIZES_SIZE];
	struct mr_cursor *const flats = &rows->cursors[MR_SIZES_FLAT];

	if (!wanted) {
		MR_TRY(mr_cursor_skip(sizes, count, err));
		return rows->same ? 0 : mr_cursor_skip(flats, count, err);
	}
	MR_TRY(mr_cursor_read(sizes, rows->sizes, count, err));
	return rows->same ? 0 : mr_cursor_read(flats, rows->flats, count, err);
}

static bool count_up(const uint64_t *objects, size_t count)
{
	uint64_t gaps = 0;

	for (size_t i = 0; i < count; i++)
		gaps |= objects[i] - objects[0] - i;
	return gaps == 0;
}

/* The first row of COUNT objects from FIRST on when their rows lie side by side and all of them are in the
 * snapshot, else SIZE_MAX.  SEEN: whether all were in the one before, too; false when that is not clear. */
static size_t stretch_of(const struct mr_replay *replay, uint64_t first, size_t count, bool *seen)
{
	const struct mr_stream_state *const stream = replay->stream;
	const uint64_t at = first - stream->dense_first;

	if (at >= stream->dense_count || count > stream->dense_count - at)
		return SIZE_MAX;
	*seen = replay->imported || replay->time_before_ns != MR_NONE;
	if (replay->imported)
		return replay->row_first + (size_t)at;
	for (size_t i = (size_t)at / MR_LIVES_ROWS; i <= ((size_t)at + count - 1) / MR_LIVES_ROWS; i++) {
		const struct mr_lives *const lives = &stream->lives.items[i];

		if (lives->birth_last_ns > replay->time_ns || lives->death_first_ns <= replay->time_ns)
			return SIZE_MAX;
		*seen = *seen && lives->birth_last_ns <= replay->time_before_ns;
	}
	return replay->row_first + (size_t)at;
}

/* Handles rows [first, first + length) of those at hand, which all name one snapshot. */
static int use_sizes(struct mr_replay *replay, struct size_rows *rows, size_t first, size_t length,
                     bool freed, struct mr_error *err)
{
	uint64_t *const objects = rows->objects + first;
	const uint64_t *const all_sizes = rows->sizes + first;
	const uint64_t *const all_flats = (rows->same ? rows->sizes : rows->flats) + first;
	uint32_t places[MR_CHUNK];
	uint64_t sizes[MR_CHUNK], flats[MR_CHUNK];
	size_t count = 0;

	if (!freed && replay->hooks->stretch != NULL && !replay->filtered &&
	    (rows->line || count_up(objects, length))) {
		bool seen;
		const size_t row = stretch_of(replay, objects[0], length, &seen);

		if (row != SIZE_MAX) {
			replay->row_next = row + length;
			return replay->hooks->stretch(replay, row, all_sizes, all_flats, length, seen, err);
		}
	}
	for (size_t i = 1; rows->line && i < length; i++)
		objects[i] = objects[0] + i;
	for (size_t i = 0; i < length; i++) {
		places[count] = row_of(replay, objects[i], freed);
		sizes[count] = all_sizes[i];
		flats[count] = all_flats[i];
		count += places[count] != MR_INDEX_NONE;
	}
	return count > 0 ? replay->hooks->sizes(replay, freed, places, sizes, flats, count, err) : 0;
}

/* Whether two columns hold the same values: so they do when they are the same bytes. */
static bool same_columns(const struct mr_column *a, const struct mr_column *b)
{
	if (a->data == NULL || b->data == NULL)
		return a->data == b->data;
	return a->encoding == b->encoding && a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static int read_sizes(struct mr_replay *replay, const struct mr_block *block, struct mr_error *err)
{
	struct size_rows rows;
	bool wanted;
	int count;

	MR_TRY(mr_replay_spend(replay, block->rows, err));
	MR_TRY(wants_block(replay, block, MR_SIZES_OBJECT, &wanted, err));
	if (!wanted)
		return 0; /* the snapshots go on with the next row that matters */
	for (unsigned id = MR_SIZES_SNAPSHOT; id <= MR_SIZES_FLAT; id++)
		MR_TRY(mr_cursor_open(&rows.cursors[id], block, id, err));
	rows.same = same_columns(&block->columns[MR_SIZES_SIZE], &block->columns[MR_SIZES_FLAT]);
	while ((count = next_rows(&rows, err)) > 0) {
		wanted = rows.line ? wants_line(replay, rows.objects[0], (size_t)count)
		                   : wants_any(replay, rows.objects, (size_t)count);
		MR_TRY(rest_of_rows(&rows, (uint32_t)count, wanted, err));
		for (int first = 0, end; wanted && first < count; first = end) {
			const uint64_t number = rows.snapshots[first];
			enum row_use use;

			end = rows.line ? count : first + 1;
			while (end < count && rows.snapshots[end] == number)
				end++;
			MR_TRY(use_of(replay, number, &use, err));
			if (use == ROW_DONE)
				return replay->done ? 1 : 0; /* the rest of the block comes later still */
			if (use == ROW_USE)
				MR_TRY(use_sizes(replay, &rows, (size_t)first, (size_t)(end - first),
				                 number == 0, err));
		}
	}
	return count;
}

static int read_referents(struct mr_replay *replay, const struct mr_block *block, struct mr_error *err)
{
	struct mr_rows rows;
	bool block_wanted;
	int count;

	MR_TRY(mr_replay_spend(replay, block->rows, err));
	MR_TRY(wants_block(replay, block, MR_REFERENTS_OBJECT, &block_wanted, err));
	if (!block_wanted)
		return 0;
	MR_TRY(mr_rows_open(&rows, block, MR_REFERENTS_FLAT, err));
	while ((count = mr_rows_start(&rows, MR_REFERENTS_OBJECT, err)) > 0) {
		const bool wanted = wants_any(replay, rows.values[MR_REFERENTS_OBJECT], (size_t)count);

		MR_TRY(mr_rows_rest(&rows, MR_REFERENTS_OBJECT, count, wanted, err));
		for (int i = 0; wanted && i < count; i++) {
			const uint64_t number = rows.values[MR_REFERENTS_SNAPSHOT][i];
			enum row_use use;

			if (!mr_replay_wants(replay, rows.values[MR_REFERENTS_OBJECT][i]))
				continue;
			MR_TRY(use_of(replay, number, &use, err));
			if (use == ROW_DONE)
				return replay->done ? 1 : 0;
			if (use == ROW_SKIP)
				continue;
			const uint32_t row = row_of(replay, rows.values[MR_REFERENTS_OBJECT][i], number == 0);
			if (row == MR_INDEX_NONE)
				continue;
			const struct mr_state_referent referent = {
				.path = mr_model__resolve(replay->model, replay->stream, MR_DEFINED_PATH,
				                          rows.values[MR_REFERENTS_PATH][i]),
				.count = rows.values[MR_REFERENTS_COUNT][i],
				.size_bytes = rows.values[MR_REFERENTS_SIZE][i],
				.flat_bytes = rows.values[MR_REFERENTS_FLAT][i],
			};
			MR_TRY(replay->hooks->referent(replay, number == 0, row, &referent, err));
		}
	}
	return count;
}

static int read_labels(struct mr_replay *replay, const struct mr_block *block, struct mr_error *err)
{
	struct mr_rows rows;
	int count;

	MR_TRY(mr_replay_spend(replay, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_LABELS_FORM, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		for (int i = 0; i < count; i++) {
			const uint64_t number = rows.values[MR_LABELS_SNAPSHOT][i];
			enum row_use use;

			MR_TRY(use_of(replay, number, &use, err));
			if (use == ROW_DONE)
				return replay->done ? 1 : 0;
			if (use == ROW_SKIP)
				continue;
			const uint32_t row = row_of(replay, rows.values[MR_LABELS_OBJECT][i], number == 0);
			if (row != MR_INDEX_NONE)
				MR_TRY(replay->hooks->label(replay, number == 0, row,
				                            mr_model__resolve(replay->model, replay->stream,
				                                              MR_DEFINED_STRING,
				                                              rows.values[MR_LABELS_TEXT][i]),
				                            rows.values[MR_LABELS_FORM][i], err));
		}
	}
	return count;
}

static int read_block(void *context, struct mr_loading *loading, const struct mr_block *block,
                      struct mr_error *err)
{
	struct mr_replay *const replay = context;

	if (replay->done)
		return 1;
	if (loading->stream != replay->stream)
		return 0;
	switch (block->kind) {
	case MR_KIND_SIZES:
		return read_sizes(replay, block, err);
	case MR_KIND_REFERENTS:
		return read_referents(replay, block, err);
	case MR_KIND_LABELS:
		return read_labels(replay, block, err);
	default:
		return 0;
	}
}

/* Whether a frame may speak of our stream and snapshots. */
static bool is_wanted(void *context, const struct mr_frame *frame)
{
	const struct mr_replay *const replay = context;
	const struct mr_stream_state *const stream = replay->stream;
	const uint32_t segment = replay->model->state->segment_first[stream->log] + frame->segment;

	if (segment != stream->segment || (frame->stream != 0 && frame->stream != stream->id))
		return false;
	/* Rows of freed objects have no snapshot; whoever wants them wants all snapshots. */
	if (replay->first == 0 && replay->last + 1 == stream->numbered.count)
		return true;
	return frame->snapshot_last >= number_at(replay, replay->first) &&
	       frame->snapshot_first <= number_at(replay, replay->last);
}

/* ---- The whole ------------------------------------------------------------------- */

static int prepare(struct mr_replay *replay, struct mr_error *err)
{
	const struct mr_run *const run = replay->run;
	const struct mr_stream *const stream = &run->streams[replay->stream->index];

	replay->row_first = stream->object_first;
	replay->row_end = stream->object_first + (size_t)stream->object_count;
	replay->row_next = replay->row_first;
	replay->imported = stream->imported != MR_IMPORTED_NOTHING;
	replay->census = stream->source == MR_SOURCE_CENSUS;
	replay->snapshot = MR_INDEX_NONE;
	replay->class_index = run->objects.class_index;
	if (__builtin_mul_overflow(replay->model->files[replay->stream->log].size_bytes, WORK_PER_BYTE,
	                           &replay->work_left) ||
	    __builtin_add_overflow(replay->work_left, WORK_ALLOWANCE, &replay->work_left))
		replay->work_left = UINT64_MAX;
	if (run->change_count == 0)
		return 0;

	replay->classes_now = mr_realloc(NULL, run->objects.count * sizeof(*replay->classes_now));
	MR_FAIL_IF(replay->classes_now == NULL, err, MR_ERR_NOMEM,
	           "out of memory for the classes of objects");
	memcpy(replay->classes_now, run->objects.class_index,
	       run->objects.count * sizeof(*replay->classes_now));
	for (size_t i = 0; i < run->change_count; i++)
		replay->classes_now[run->changes[i].row] = run->changes[i].class_born;
	replay->class_index = replay->classes_now;
	return 0;
}

int mr_replay_run(struct mr_replay *replay, struct mr_error *err)
{
	const struct mr_replay_hooks *const hooks = replay->hooks;
	const struct mr_frame_walk walk = {
		.kinds = (hooks->sizes != NULL ? UINT64_C(1) << MR_KIND_SIZES : 0) |
		         (hooks->referent != NULL ? UINT64_C(1) << MR_KIND_REFERENTS : 0) |
		         (hooks->label != NULL ? UINT64_C(1) << MR_KIND_LABELS : 0),
		.wanted = is_wanted,
		.block = read_block,
		.context = replay,
	};

	if (replay->stream->numbered.count == 0)
		return 0;
	/* A key snapshot says all: nothing before the nearest one matters. */
	while (replay->first > 0 &&
	       (replay->run->snapshots[replay->stream->numbered.items[replay->first].index].flags &
	        MR_SNAPSHOT_KEY) == 0)
		replay->first--;

	int code = prepare(replay, err);
	if (code == 0)
		code = mr_model__walk(replay->model, replay->stream->log, &walk, err);
	if (code == 0 && !replay->done) {
		struct mr_log *const log = &replay->model->state->logs[replay->stream->log];
		struct mr_error why = { 0 };

		code = advance(replay, number_at(replay, replay->last), &why);
		if (code == 0)
			code = call_end(replay, &why);
		if (code == MR_ERR_LIMIT)
			code = mr_notes_add(&log->notes, err, "%s: is read only in part: %s",
			                    log->source.path, why.message);
		else if (code < 0)
			code = mr_fail(err, code, "%s", why.message);
	}
	mr_free(replay->classes_now);
	replay->classes_now = NULL;
	return code < 0 ? code : 0;
}
