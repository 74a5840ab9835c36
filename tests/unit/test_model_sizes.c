/* SPDX-License-Identifier: MIT
 *
 * Sizes of many objects over many snapshots, in the shapes that logs have (ids
 * that count up or do not, objects that die or do not, flat sizes that are the
 * sizes or are not), against what the format says of each object by itself.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <stdlib.h>

#include "log_builder.h"
#include "model.h"

#define OBJECTS 1500
#define SNAPSHOTS 20
#define KEY_EVERY 7
#define CLASS_SIZE 8

enum shape { GAPS = 1, BACKWARDS = 2, DEATHS = 4, KEPT = 8, FLATS = 16, LATE = 32, SHAPES = 64 };

struct object {
	uint64_t id;
	uint64_t birth;
	uint64_t death; /* MR_NONE: lives on */
	uint64_t sizes[SNAPSHOTS];
	uint64_t flats[SNAPSHOTS];
	bool sized[SNAPSHOTS]; /* a row says so */
	uint64_t final;        /* when it was freed; 0: not told */
};

static struct object objects[OBJECTS];
static struct log_builder builder;

static void release(void)
{
	log_builder_release(&builder);
	builder = (struct log_builder){ 0 };
}

TestSuite(model_sizes, .fini = release);

static uint64_t time_of(unsigned snapshot)
{
	return 100 + 100 * (uint64_t)snapshot;
}

static bool is_in(const struct object *object, unsigned snapshot)
{
	return object->birth <= time_of(snapshot) && time_of(snapshot) < object->death;
}

static void make_objects(unsigned shape)
{
	uint64_t id = 5;

	for (size_t i = 0; i < OBJECTS; i++) {
		struct object *const object = &objects[i];

		*object = (struct object){ .death = MR_NONE };
		id += (shape & GAPS) != 0 && rand() % 50 == 0 ? 1 + (unsigned)rand() % 5 : 1;
		object->id = (shape & BACKWARDS) != 0 && i > OBJECTS / 2 ? 1000000 - id : id;
		object->birth = (shape & LATE) != 0 ? i * SNAPSHOTS * 100 / OBJECTS : i % 90;
		if ((shape & DEATHS) != 0 && rand() % 30 == 0)
			object->death = object->birth + 50 + (unsigned)rand() % (SNAPSHOTS * 100);
		if (object->death != MR_NONE && (shape & KEPT) != 0)
			object->final = 1 + (unsigned)rand() % 3000;
		for (unsigned s = 0; s < SNAPSHOTS; s++) {
			object->sized[s] = is_in(object, s) && (s % 3 == 0 || rand() % 4 == 0);
			object->sizes[s] = 10 + (unsigned)rand() % (i % 100 == 0 ? 1000000 : 200);
			object->flats[s] = object->sizes[s];
			if ((shape & FLATS) != 0 && s > 2 && rand() % 9 == 0)
				object->flats[s] /= 2;
		}
	}
}

static void write_sizes(unsigned snapshot)
{
	static uint64_t rows[2 * OBJECTS * 4];
	uint32_t count = 0;

	for (size_t i = 0; i < OBJECTS; i++) {
		const struct object *const object = &objects[i];

		if (object->sized[snapshot]) {
			const uint64_t row[] = { snapshot + 1, object->id, object->sizes[snapshot],
				                 object->flats[snapshot] };
			memcpy(rows + 4 * (size_t)count++, row, sizeof(row));
		}
		if (object->final != 0 && object->death / 100 == snapshot) { /* at any snapshot about then */
			const uint64_t row[] = { 0, object->id, object->final, object->final };
			memcpy(rows + 4 * (size_t)count++, row, sizeof(row));
		}
	}
	if (count == 0)
		return;
	log_builder_frame(&builder, 1);
	log_builder_rows(&builder, MR_KIND_SIZES, 4, count, rows);
	log_builder_frame_end(&builder, snapshot + 1, snapshot + 1);
}

static void write_log(void)
{
	static uint64_t births[OBJECTS * 7], deaths[OBJECTS * 3];
	uint64_t snapshots[SNAPSHOTS * 16] = { 0 };
	uint32_t dead = 0;

	for (size_t i = 0; i < OBJECTS; i++) {
		births[i * 7] = objects[i].id;
		births[i * 7 + 1] = objects[i].birth;
		births[i * 7 + 2] = 1;
		if (objects[i].death != MR_NONE) {
			deaths[3 * (size_t)dead] = objects[i].id;
			deaths[3 * (size_t)dead++ + 1] = objects[i].death;
		}
	}
	for (unsigned s = 0; s < SNAPSHOTS; s++) {
		snapshots[s * 16] = s + 1;
		snapshots[s * 16 + 1] = time_of(s);
		snapshots[s * 16 + 4] = s % KEY_EVERY == 0 ? MR_SNAPSHOT_KEY : 0;
	}
	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_TRACKER, 0);
	LOG_ROWS(&builder, MR_KIND_CLASSES, 6, 1, 0, 0, CLASS_SIZE, 0, 0);
	log_builder_rows(&builder, MR_KIND_SNAPSHOTS, 16, SNAPSHOTS, snapshots);
	log_builder_frame_end(&builder, 1, SNAPSHOTS);
	log_builder_frame(&builder, 1);
	log_builder_rows(&builder, MR_KIND_BIRTHS, 7, OBJECTS, births);
	if (dead > 0)
		log_builder_rows(&builder, MR_KIND_DEATHS, 3, dead, deaths);
	log_builder_frame_end(&builder, 0, 0);
	for (unsigned s = 0; s < SNAPSHOTS; s++)
		write_sizes(s);
	log_builder_end(&builder, time_of(SNAPSHOTS), MR_END_CLOSED);
}

/* ---- What the format says ------------------------------------------------------------ */

struct expected {
	uint64_t size;
	uint64_t flat;
	uint64_t max;
};

/* OBJECT at SNAPSHOT; FLAT and the largest so far, too. */
static struct expected size_at(const struct object *object, unsigned snapshot)
{
	struct expected now = { CLASS_SIZE, CLASS_SIZE, 0 };

	for (unsigned s = 0; s <= snapshot; s++) {
		if (!is_in(object, s))
			continue;
		if (s % KEY_EVERY == 0)
			now.size = now.flat = CLASS_SIZE;
		if (object->sized[s]) {
			now.size = object->sizes[s];
			now.flat = object->flats[s];
		}
		now.max = now.max < now.size ? now.size : now.max;
	}
	return now;
}

static int check_snapshot(void *context, const struct mr_snapshot_view *view, struct mr_error *err)
{
	(void)err;
	++*(unsigned *)context;
	for (size_t row = view->row_first; row < view->row_end; row++) {
		const struct expected expected = size_at(&objects[row], view->snapshot);

		if (!is_in(&objects[row], view->snapshot))
			continue;
		cr_assert(eq(u64, view->size_bytes[row], expected.size), "snapshot %u row %zu",
		          view->snapshot, row);
		cr_assert(eq(u64, view->flat_bytes[row], expected.flat), "snapshot %u row %zu",
		          view->snapshot, row);
	}
	return 0;
}

static void check_replay(struct mr_model *model, uint32_t first, uint32_t last)
{
	unsigned shown = 0;

	cr_assert(eq(int, mr_model_replay(model, 0, first, last, check_snapshot, &shown, NULL), 0));
	cr_assert(eq(u32, shown, last - first + 1));
}

static void check_columns(const struct mr_objects *columns)
{
	for (size_t row = 0; row < OBJECTS; row++) {
		struct expected expected = size_at(&objects[row], SNAPSHOTS - 1);

		if (objects[row].final != 0 && objects[row].death / 100 < SNAPSHOTS)
			expected.size = expected.flat = objects[row].final;
		expected.max = expected.max < expected.size ? expected.size : expected.max;
		cr_assert(eq(u64, columns->size_bytes[row], expected.size), "row %zu", row);
		cr_assert(eq(u64, columns->flat_bytes[row], expected.flat), "row %zu", row);
		cr_assert(eq(u64, columns->size_max_bytes[row], expected.max), "row %zu", row);
	}
}

/* The states of a few objects, most of whose neighbours are of no interest. */
static void check_details(struct mr_model *model)
{
	const uint32_t rows[] = { 0, 3, 700, 701, OBJECTS - 1 };
	struct mr_states *states = NULL;

	cr_assert(eq(int, mr_model_details(model, 0, rows, MR_ARRAY_LEN(rows), &states, NULL), 0));
	for (size_t i = 0; i < MR_ARRAY_LEN(rows); i++) {
		const struct object *const object = &objects[rows[i]];
		size_t at = 0;

		for (unsigned s = 0; s < SNAPSHOTS; s++)
			if (is_in(object, s)) {
				cr_assert(lt(sz, at, states[i].count));
				cr_assert(eq(u64, states[i].states[at].size_bytes, size_at(object, s).size),
				          "row %u snapshot %u", rows[i], s);
				at++;
			}
	}
	mr_details_free(states);
}

Test(model_sizes, of_every_shape__are_what_the_rows_say)
{
	srand(7);
	for (unsigned shape = 0; shape < SHAPES; shape++) {
		struct mr_model *model = NULL;

		make_objects(shape);
		write_log();
		cr_assert(eq(
			int,
			mr_model_open_memory(builder.bytes.data, builder.bytes.len, "made.dat", &model, NULL),
			0));
		check_replay(model, 0, SNAPSHOTS - 1);
		check_replay(model, 10, 10);
		check_details(model);
		cr_assert(eq(int, mr_model_load(model, MR_LOAD_SIZES, NULL), 0));
		check_columns(&model->runs[0].objects);
		check_replay(model, SNAPSHOTS - 1, SNAPSHOTS - 1);
		check_replay(model, 3, 4);
		cr_expect(eq(sz, model->warning_count, 0), "shape %u", shape);
		cr_expect(eq(u64, model->segments[0].rows_dropped, 0), "shape %u", shape);
		cr_expect(eq(u64, model->segments[0].ids_unknown, 1), "the stream's creator");
		mr_model_close(model);
		release();
	}
}
