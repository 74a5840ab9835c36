/* SPDX-License-Identifier: MIT
 *
 * What Python's logs have beyond those of C programs: sizes at birth, labels that
 * end in an address, source text, referents that are not merged; and imported
 * streams, where objects have sizes only where rows say so.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "log_builder.h"
#include "memstats.h"
#include "model.h"

static struct log_builder builder;

static void release(void)
{
	log_builder_release(&builder);
}

TestSuite(model_python, .fini = release);

/* Class Node (0 bytes); snapshots 1 (key) at 1000 and 2 at 2000:
 *   1  born 100 with 48 bytes, sized 100 and 150, labelled by address
 *   2  born 1500 with 56 bytes, dead at 1600: in no snapshot
 *   3  born 200 without a size, dead at 1800, sized 70, and 16 when it was dead */
static void build(uint64_t imported)
{
	static const char *const texts[] = { "Node", "<Node", "__dict__",    "[V] a: 1",
		                             "f",    "a.py",  "x = 1\ny = 2" };

	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	LOG_ROWS(&builder, MR_KIND_STREAM, 11, 0, 0, 42, 0, MR_SOURCE_TRACKER, 0, 0, 0, 1 << 16 | 1,
	         MR_LANGUAGE_PYTHON, imported);
	log_builder_strings(&builder, 1, MR_ARRAY_LEN(texts), texts);
	LOG_ROWS(&builder, MR_KIND_CLASSES, 6, 1, 1, 0, 0, 0, 0);
	LOG_ROWS(&builder, MR_KIND_CODE, 7, 1, 0, 0, 5, 6, 3, 7);
	LOG_ROWS(&builder, MR_KIND_STACKS, 3, 1, 0, 1);
	LOG_ROWS(&builder, MR_KIND_PATHS, 3, 1, 0, 3, 2, 1, 4);
	log_builder_frame_end(&builder, 0, 0);
	log_builder_frame(&builder, 1);
	LOG_ROWS(&builder, MR_KIND_BIRTHS, 8, 1, 100, 1, 1, 0x7f12ab, 0, 0, 49, 2, 1500, 1, 0, 0x10, 0, 0, 57,
	         3, 200, 1, 0, 0x20, 0, 0, 0);
	LOG_ROWS(&builder, MR_KIND_DEATHS, 3, 2, 1600, 0, 3, 1800, 0);
	log_builder_frame_end(&builder, 0, 0);
	log_builder_frame(&builder, 1);
	LOG_ROWS(&builder, MR_KIND_SIZES, 4, 1, 1, 100, 48, 1, 3, 70, 70);
	LOG_ROWS(&builder, MR_KIND_REFERENTS, 6, 1, 1, 1, 1, 52, 40, 1, 1, 2, 1, 6, 6, 1, 1, 2, 1, 6, 7);
	LOG_ROWS(&builder, MR_KIND_SIZES, 4, 2, 1, 150, 48, 2, 3, 16, 16);
	LOG_ROWS(&builder, MR_KIND_LABELS, 4, 2, 1, 2, MR_LABEL_ADDRESS, 2, 3, 1, MR_LABEL_TEXT);
	log_builder_frame_end(&builder, 1, 2);
	log_builder_frame(&builder, 1);
	LOG_ROWS(&builder, MR_KIND_SNAPSHOTS, 19, 1, 1000, 0, 0, MR_SNAPSHOT_KEY, 2, 170, 0, 0, 0, 0, 0, 0, 0,
	         0, 0, 501, 11, 6, 2, 2000, 0, 0, 0, 1, 150, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	log_builder_frame_end(&builder, 1, 2);
	log_builder_end(&builder, 2100, MR_END_CLOSED);
}

static struct mr_model *open_model(void)
{
	struct mr_model *model = NULL;
	struct mr_error err = { 0 };

	cr_assert(eq(int,
	             mr_model_open_memory(builder.bytes.data, builder.bytes.len, "made.dat", &model, &err),
	             0),
	          "%s", err.message);
	cr_assert(eq(int, mr_model_load(model, MR_LOAD_ALL, &err), 0), "%s", err.message);
	cr_assert_eq(model->run_count, 1);
	return model;
}

Test(model_python, births__have_sizes_and_those_never_seen_keep_them)
{
	build(MR_IMPORTED_NOTHING);
	struct mr_model *const model = open_model();
	const struct mr_objects *const objects = &model->runs[0].objects;

	cr_expect_eq(model->runs[0].language, MR_LANGUAGE_PYTHON);
	cr_expect_eq(objects->birth_bytes[0], 48);
	cr_expect_eq(objects->birth_bytes[2], MR_NONE);
	cr_expect_eq(objects->size_bytes[1], 56, "in no snapshot");
	cr_expect_eq(objects->size_max_bytes[0], 150);
	cr_expect_eq(objects->size_max_bytes[1], 56);
	cr_expect_eq(objects->size_bytes[2], 70, "a row of a dead object is dropped");
	cr_expect_eq(model->segments[0].rows_dropped, 2);
	mr_model_close(model);
}

Test(model_python, labels__are_put_together_with_the_address)
{
	build(MR_IMPORTED_NOTHING);
	struct mr_model *const model = open_model();

	for (int time = 1; time <= 2; time++) {
		cr_expect(
			eq(str, (char *)mr_model_label(model, model->runs, 0), "<Node object at 0x7f12ab>"));
		cr_expect(eq(str, (char *)mr_model_label(model, model->runs, 1), ""));
	}
	mr_model_close(model);
}

Test(model_python, details__begin_with_birth_and_keep_equal_referents_apart)
{
	const uint32_t row = 0;
	struct mr_states *states = NULL;
	struct mr_position position;

	build(MR_IMPORTED_NOTHING);
	struct mr_model *const model = open_model();
	cr_assert_eq(mr_model_details(model, 0, &row, 1, &states, NULL), 0);
	cr_assert_eq(states[0].count, 3);
	cr_expect_eq(states[0].states[0].moment, MR_AT_BIRTH);
	cr_expect_eq(states[0].states[0].size_bytes, 48);
	cr_expect_eq(states[0].states[0].time_ns, 100);
	cr_expect_eq(states[0].states[0].referent_count, 0);
	cr_expect_eq(states[0].states[1].moment, MR_AT_SNAPSHOT);
	cr_assert_eq(states[0].states[1].referent_count, 3);
	cr_expect_eq(states[0].states[1].referents[2].flat_bytes, 7);
	cr_expect_eq(states[0].states[2].referent_count, 0);
	mr_details_free(states);

	cr_assert_eq(mr_run_trace(model, &model->runs[0], model->runs[0].objects.stack[0], &position, 1), 1);
	cr_expect(eq(str, (char *)position.source, "x = 1\ny = 2"));
	mr_model_close(model);
}

Test(model_python, snapshots__have_total_shared_and_faults)
{
	build(MR_IMPORTED_NOTHING);
	struct mr_model *const model = open_model();
	const struct mr_snapshot *const snapshots = model->runs[0].snapshots;

	cr_expect_eq(snapshots[0].total_bytes, 500);
	cr_expect_eq(snapshots[0].shared_bytes, 10);
	cr_expect_eq(snapshots[0].faults_major, 5);
	cr_expect_eq(snapshots[1].total_bytes, MR_NONE);
	mr_model_close(model);
}

Test(model_python, imported__sizes_are_where_rows_say_so_dead_or_alive)
{
	const uint32_t rows[] = { 0, 1, 2 };
	struct mr_states *states = NULL;

	build(MR_IMPORTED_PYMPLER);
	struct mr_model *const model = open_model();
	const struct mr_objects *const objects = &model->runs[0].objects;
	cr_expect_eq(model->segments[0].rows_dropped, 0);
	cr_expect_eq(objects->size_bytes[2], 16);
	cr_expect_eq(objects->size_max_bytes[2], 70);
	cr_expect_eq(objects->size_bytes[1], 56);
	cr_assert_eq(mr_model_details(model, 0, rows, 3, &states, NULL), 0);
	cr_expect_eq(states[0].count, 3);
	cr_expect_eq(states[1].count, 1);
	cr_assert_eq(states[2].count, 2);
	cr_expect_eq(states[2].states[1].time_ns, 2000);
	mr_details_free(states);
	mr_model_close(model);
}

Test(model_python, public__objects_tell_language_label_moment_and_source)
{
	struct memstats_log *log = NULL;
	struct memstats_table *table = NULL;
	struct memstats_object *objects = NULL;
	const size_t row = 0;

	build(MR_IMPORTED_NOTHING);
	struct memstats_query *const query = memstats_query_new();
	cr_assert_eq(memstats_query_add(query, MEMSTATS_SORT, "object", NULL), 0);
	cr_assert_eq(memstats_log_open_memory(builder.bytes.data, builder.bytes.len, "made.dat", &log, NULL),
	             0);
	cr_assert_eq(memstats_table_new(log, "objects", query, &table, NULL), 0);
	cr_assert_eq(memstats_objects_new(table, &row, 1, &objects, NULL), 0);
	cr_expect_eq(objects[0].language, MEMSTATS_PYTHON);
	cr_expect(eq(str, (char *)objects[0].label, "<Node object at 0x7f12ab>"));
	cr_expect(eq(str, (char *)objects[0].trace[0].source, "x = 1\ny = 2"));
	cr_expect_eq(objects[0].states[0].moment, MEMSTATS_AT_BIRTH);
	cr_expect_eq(objects[0].states[0].snapshot, 0);
	cr_assert_eq(objects[0].states[1].referent_count, 3);
	cr_expect_eq(objects[0].states[1].referents[1].flat_bytes, 7, "of equal ones the last comes first");
	memstats_objects_free(objects);
	memstats_table_free(table);
	memstats_query_free(query);
	memstats_log_close(log);
}
