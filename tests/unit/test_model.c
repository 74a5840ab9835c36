/* SPDX-License-Identifier: MIT
 *
 * What the model makes of a log that was built by hand (log_builder.c says what
 * is in it), of several files, segments and streams, and of what contradicts
 * itself.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "log_builder.h"
#include "model.h"

static struct log_builder builder;

static void make_sample(void)
{
	log_builder_sample(&builder);
}

static void release(void)
{
	log_builder_release(&builder);
	builder = (struct log_builder){ 0 };
}

TestSuite(model, .fini = release);

static struct mr_model *open_bytes(const struct mr_buffer *bytes, unsigned parts)
{
	struct mr_error err = { 0 };
	struct mr_model *model = NULL;

	cr_assert(eq(int, mr_model_open_memory(bytes->data, bytes->len, "made.dat", &model, &err), 0), "%s",
	          err.message);
	cr_assert(eq(int, mr_model_load(model, parts, &err), 0), "%s", err.message);
	return model;
}

static struct mr_model *open_built(unsigned parts)
{
	return open_bytes(&builder.bytes, parts);
}

/* ---- One log ----------------------------------------------------------------------- */

Test(model, whole_log__has_no_warning, .init = make_sample)
{
	struct mr_model *model = open_built(MR_LOAD_ALL);

	cr_expect(eq(sz, model->warning_count, 0), "%s", model->warning_count > 0 ? model->warnings[0] : "");
	cr_expect(eq(sz, model->segment_count, 1));
	cr_expect(eq(int, (int)model->segments[0].end, MR_SEGMENT_WHOLE));
	cr_expect(eq(u64, model->segments[0].ids_unknown, 0));
	cr_expect(eq(u64, model->segments[0].rows_dropped, 0));
	cr_expect(eq(u64, model->segments[0].end_reason, MR_END_CLOSED));
	mr_model_close(model);
}

Test(model, run__knows_its_process, .init = make_sample)
{
	struct mr_model *model = open_built(0);
	const struct mr_run *run = &model->runs[0];

	cr_assert(eq(sz, model->run_count, 1));
	cr_expect(eq(u64, run->pid, 42));
	cr_expect(eq(str, (char *)mr_run_name(model, run), "tree"));
	cr_expect(eq(u64, run->exit_state, MR_EXIT_EXITED));
	cr_expect(eq(u64, run->exit_value, 3));
	cr_expect(eq(u64, run->exit_time_ns, 4500));
	cr_expect(eq(u64, run->end_ns, 4500));
	cr_expect(eq(u64, run->end_reason, MR_END_CLOSED));
	cr_expect(eq(u32, run->parent, MR_INDEX_NONE));
	cr_expect(eq(u64, run->processes[0].parent_pid, 41));
	cr_expect(eq(str, (char *)mr_model_string(model, run->settings[0].key), "depth"));
	cr_assert(eq(sz, run->counter_count, 1), "a later row replaces an earlier one");
	cr_expect(eq(u64, run->counters[0].value, 4));
	mr_model_close(model);
}

Test(model, classes__are_resolved, .init = make_sample)
{
	struct mr_model *model = open_built(0);
	const struct mr_run *run = &model->runs[0];

	cr_assert(eq(u32, run->class_count, 3));
	cr_expect(eq(str, (char *)mr_run_class_name(model, run, 1), "Node"));
	cr_expect(eq(str, (char *)mr_run_class_name(model, run, 2), "Leaf"));
	cr_expect(eq(str, (char *)mr_run_class_name(model, run, 0), "?"));
	cr_expect(eq(str, (char *)mr_run_class_name(model, run, 99), "?"));
	cr_expect(eq(u32, run->classes[2].parent, 1));
	cr_expect(eq(u64, run->classes[1].size_bytes, 48));
	cr_expect(eq(u32, run->paths[2].level, 2));
	mr_model_close(model);
}

Test(model, trace__expands_inlined_frames, .init = make_sample)
{
	struct mr_model *model = open_built(0);
	const struct mr_run *run = &model->runs[0];
	struct mr_position positions[8];

	cr_assert(eq(sz, mr_run_trace(model, run, 2, positions, MR_ARRAY_LEN(positions)), 3));
	cr_expect(eq(str, (char *)positions[0].function, "make_node"));
	cr_expect(eq(str, (char *)positions[0].file, "node.c"));
	cr_expect(eq(u32, positions[0].line, 12));
	cr_expect(not(positions[0].inlined));
	cr_expect(eq(str, (char *)positions[1].function, "main"));
	cr_expect(positions[1].inlined);
	cr_expect(eq(str, (char *)positions[2].function, "tree"));
	cr_expect(eq(u32, positions[2].line, 40));
	cr_expect(eq(str, (char *)positions[2].module, "/usr/bin/tree"));
	cr_expect(eq(u64, positions[2].offset, 0x1234));
	cr_expect(eq(sz, mr_run_trace(model, run, 2, positions, 1), 3), "tells how many there are");
	cr_expect(eq(sz, mr_run_trace(model, run, 0, positions, 8), 0));
	cr_expect(eq(sz, mr_run_trace(model, run, 77, positions, 8), 0));
	mr_model_close(model);
}

Test(model, snapshots__have_their_totals, .init = make_sample)
{
	struct mr_model *model = open_built(0);
	const struct mr_run *run = &model->runs[0];

	cr_assert(eq(sz, run->snapshot_count, 4));
	cr_expect(eq(str, (char *)mr_model_string(model, run->snapshots[0].description), "start"));
	cr_expect(eq(u64, run->snapshots[0].rss_bytes, 4096));
	cr_expect(eq(u64, run->snapshots[0].pss_bytes, MR_NONE));
	cr_expect(eq(sz, run->snapshots[1].class_total_count, 2));
	cr_expect(eq(u64, run->class_totals[run->snapshots[1].class_total_first].size_bytes, 150));
	cr_assert(eq(sz, run->snapshots[0].referent_total_count, 2));
	cr_expect(eq(u32, run->referent_totals[run->snapshots[0].referent_total_first].path, 1),
	          "a parent stands before its children");
	cr_expect(eq(sz, run->snapshots[2].referent_total_count, 0));
	mr_model_close(model);
}

Test(model, samples__are_columns, .init = make_sample)
{
	struct mr_model *model = open_built(MR_LOAD_SAMPLES);
	const struct mr_run *run = &model->runs[0];

	cr_assert(eq(sz, run->samples.count, 2));
	cr_expect(eq(u64, run->samples.rss_bytes[1], 4100));
	cr_expect(eq(u64, run->samples.pss_bytes[0], MR_NONE));
	cr_expect(eq(u64, run->samples.pss_bytes[1], 3000));
	cr_expect(eq(u64, run->samples.swap_bytes[0], 0));
	cr_expect(eq(u64, run->samples.cpu_system_ns[1], 8));
	cr_assert(eq(sz, run->mark_count, 1));
	cr_expect(eq(str, (char *)mr_model_string(model, run->marks[0].text), "half way"));
	cr_expect(eq(u64, run->threads[run->marks[0].thread].tid, 4242));
	mr_model_close(model);
}

/* ---- Objects ------------------------------------------------------------------------- */

Test(model, objects__have_births_deaths_and_changes, .init = make_sample)
{
	struct mr_model *model = open_built(MR_LOAD_OBJECTS);
	const struct mr_objects *objects = &model->runs[0].objects;

	cr_assert(eq(sz, objects->count, 4));
	cr_expect(eq(u64, objects->id[0], 10));
	cr_expect(eq(u64, objects->birth_ns[1], 200));
	cr_expect(eq(u64, objects->death_ns[1], 3500));
	cr_expect(eq(u64, objects->death_ns[0], MR_NONE));
	cr_expect(eq(u32, objects->stack[0], 2));
	cr_expect(eq(str, (char *)mr_model_string(model, objects->name[0]), "root"));
	cr_expect(eq(u32, objects->class_index[2], 1), "the class it became");
	cr_expect(eq(u8, objects->level[2], 2), "the level that was set");
	cr_expect(eq(u8, objects->level[0], 1), "its class's level");
	cr_expect(eq(u8, objects->level[3], 0), "a level of its own");
	cr_expect(eq(ptr, objects->size_bytes, NULL), "sizes are not loaded before they are asked for");
	cr_expect(eq(sz, model->runs[0].change_count, 1));
	mr_model_close(model);
}

Test(model, sizes__are_the_last_and_the_largest, .init = make_sample)
{
	struct mr_model *model = open_built(MR_LOAD_SIZES);
	const struct mr_objects *objects = &model->runs[0].objects;

	cr_expect(eq(u64, objects->size_bytes[0], 48), "a key snapshot sets it back");
	cr_expect(eq(u64, objects->size_max_bytes[0], 150));
	cr_expect(eq(u64, objects->size_bytes[1], 20), "its size when it was freed");
	cr_expect(eq(u64, objects->size_max_bytes[1], 20));
	cr_expect(eq(u64, objects->size_bytes[2], 70));
	cr_expect(eq(u64, objects->flat_bytes[2], 48));
	cr_expect(eq(u64, objects->size_bytes[3], 48), "in no snapshot: its class's");
	cr_expect(eq(str, (char *)mr_model_label(model, model->runs, 0), "<Node>"));
	mr_model_close(model);
}

struct seen {
	size_t count;
	uint32_t snapshots[8];
	uint64_t sizes[8][4]; /* by row; UINT64_MAX: not in the snapshot */
	uint32_t classes[8];  /* of object 12 */
	size_t end_after;
};

static int see(void *context, const struct mr_snapshot_view *view, struct mr_error *err)
{
	struct seen *seen = context;

	(void)err;
	for (size_t row = view->row_first; row < view->row_end; row++)
		seen->sizes[seen->count][row] = mr_object_is_alive(&view->run->objects, row, view->time_ns)
		                                        ? view->size_bytes[row]
		                                        : UINT64_MAX;
	seen->classes[seen->count] = view->class_index[2];
	seen->snapshots[seen->count++] = view->snapshot;
	return seen->count == seen->end_after;
}

Test(model, replay__shows_each_snapshot, .init = make_sample)
{
	static const uint64_t expected[4][4] = {
		{ 100, 16, UINT64_MAX, UINT64_MAX },
		{ 150, 16, 16, UINT64_MAX },
		{ 48, 16, 48, UINT64_MAX },
		{ 48, UINT64_MAX, 70, UINT64_MAX },
	};
	struct mr_model *model = open_built(0);
	struct seen seen = { 0 };

	cr_assert(eq(int, mr_model_replay(model, 0, 0, 3, see, &seen, NULL), 0));
	cr_assert(eq(sz, seen.count, 4));
	for (size_t i = 0; i < 4; i++)
		for (size_t row = 0; row < 4; row++)
			cr_expect(eq(u64, seen.sizes[i][row], expected[i][row]), "snapshot %zu row %zu", i,
			          row);
	cr_expect(eq(u32, seen.classes[1], 2));
	cr_expect(eq(u32, seen.classes[2], 1));
	mr_model_close(model);
}

Test(model, replay_of_one_snapshot__begins_at_its_key, .init = make_sample)
{
	struct mr_model *model = open_built(0);
	struct seen seen = { 0 };

	cr_assert(eq(int, mr_model_replay(model, 0, 1, 1, see, &seen, NULL), 0));
	cr_assert(eq(sz, seen.count, 1));
	cr_expect(eq(u32, seen.snapshots[0], 1));
	cr_expect(eq(u64, seen.sizes[0][0], 150));

	seen = (struct seen){ 0 };
	cr_assert(eq(int, mr_model_replay(model, 0, 3, 3, see, &seen, NULL), 0));
	cr_expect(eq(u64, seen.sizes[0][2], 70));

	seen = (struct seen){ .end_after = 2 };
	cr_assert(eq(int, mr_model_replay(model, 0, 0, 3, see, &seen, NULL), 0));
	cr_expect(eq(sz, seen.count, 2), "a visitor can end it");
	cr_expect(eq(int, mr_model_replay(model, 7, 0, 3, see, &seen, NULL), MR_ERR_ARG));
	mr_model_close(model);
}

Test(model, details__are_states_with_referents, .init = make_sample)
{
	struct mr_model *model = open_built(0);
	struct mr_states *details = NULL;
	const uint32_t rows[] = { 1, 0, 3 };

	cr_assert(eq(int, mr_model_details(model, 0, rows, 3, &details, NULL), 0));
	cr_assert(eq(sz, details[0].count, 4));
	cr_expect(eq(u32, details[0].states[3].snapshot, MR_INDEX_NONE));
	cr_expect(eq(u64, details[0].states[3].time_ns, 3500));
	cr_expect(eq(u64, details[0].states[3].size_bytes, 20));
	cr_assert(eq(sz, details[1].count, 4));
	cr_assert(eq(sz, details[1].states[0].referent_count, 2));
	cr_expect(eq(u32, details[1].states[0].referents[0].path, 1));
	cr_expect(eq(u64, details[1].states[0].referents[1].count, 3));
	cr_assert(eq(sz, details[1].states[1].referent_count, 1), "later ones replace all that it had");
	cr_expect(eq(u64, details[1].states[1].referents[0].size_bytes, 102));
	cr_expect(eq(str, (char *)mr_model_string(model, details[1].states[1].label), "<Node>"));
	cr_expect(eq(sz, details[1].states[2].referent_count, 0), "a key snapshot sets them back");
	cr_expect(eq(sz, details[2].count, 0));
	mr_details_free(details);

	const uint32_t none[] = { 4 };
	cr_expect(eq(int, mr_model_details(model, 0, none, 1, &details, NULL), MR_ERR_ARG));
	mr_model_close(model);
}

/* ---- Streams, segments, files ----------------------------------------------------------- */

Test(model, streams_of_one_process__are_one_run)
{
	static const char *const texts[] = { "memrecord 1.0.0", "tree" };

	log_builder_sample(&builder);
	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_SAMPLER, 3000); /* 2000 before the tracker */
	log_builder_strings(&builder, 1, 2, texts);
	LOG_ROWS(&builder, MR_KIND_EXIT, 3, 9000, MR_EXIT_SIGNALLED, 9);
	log_builder_frame_end(&builder, 0, 0);
	log_builder_frame(&builder, 1);
	LOG_ROWS(&builder, MR_KIND_SAMPLES, 11, 2055, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0);
	log_builder_frame_end(&builder, 0, 0);
	log_builder_end(&builder, 9000, MR_END_CLOSED);

	struct mr_model *model = open_built(MR_LOAD_ALL);
	const struct mr_run *run = &model->runs[0];

	cr_assert(eq(sz, model->run_count, 1));
	cr_expect(eq(u32, run->stream_count, 2));
	cr_expect(eq(u64, run->start_monotonic_ns, 3000));
	cr_expect(eq(u64, run->snapshots[0].time_ns, 3000), "shifted by the 2000 between the zeros");
	cr_expect(eq(u64, run->objects.birth_ns[0], 2100));
	cr_expect(eq(u64, run->exit_state, MR_EXIT_SIGNALLED), "who reaped it knows best");
	cr_assert(eq(sz, run->samples.count, 3));
	cr_expect(eq(u64, run->samples.time_ns[0], 2050));
	cr_expect(eq(u64, run->samples.time_ns[1], 2055));
	cr_expect(eq(u64, run->samples.time_ns[2], 2060));
	mr_model_close(model);
}

Test(model, cat_of_a_log_with_itself__counts_once, .init = make_sample)
{
	const size_t len = builder.bytes.len;
	uint8_t *reserved = mr_buffer_reserve(&builder.bytes, len);

	cr_assert(ne(ptr, reserved, NULL));
	memcpy(reserved, builder.bytes.data, len);
	builder.bytes.len += len;

	struct mr_model *model = open_built(MR_LOAD_ALL);
	cr_assert(eq(sz, model->run_count, 1));
	cr_expect(eq(sz, model->runs[0].objects.count, 4));
	cr_expect(eq(sz, model->runs[0].snapshot_count, 4));
	cr_assert(eq(sz, model->warning_count, 1));
	cr_expect(ne(ptr, strstr(model->warnings[0], "repeats"), NULL));
	mr_model_close(model);
}

Test(model, children__know_their_parents)
{
	for (uint64_t pid = 42; pid < 45; pid++) {
		log_builder_begin(&builder);
		log_builder_frame(&builder, 1);
		log_builder_stream(&builder, pid, MR_SOURCE_SAMPLER,
		                   (50 - pid) * 1000); /* the last one started first */
		LOG_ROWS(&builder, MR_KIND_PROCESS, 6, 0, 0, 0, 0, pid + 1, 7);
		log_builder_frame_end(&builder, 0, 0);
		log_builder_end(&builder, 0, MR_END_CLOSED);
	}
	struct mr_model *model = open_built(0);

	cr_assert(eq(sz, model->run_count, 3));
	cr_expect(eq(u64, model->runs[0].pid, 44));
	cr_expect(eq(u32, model->runs[0].parent, MR_INDEX_NONE));
	cr_expect(eq(u32, model->runs[1].parent, 0));
	cr_expect(eq(u32, model->runs[2].parent, 1));
	mr_model_close(model);
}

Test(model, two_trackers_of_a_process__number_snapshots_by_time)
{
	for (uint64_t i = 0; i < 2; i++) {
		log_builder_begin(&builder);
		log_builder_frame(&builder, 1);
		log_builder_stream(&builder, 42, MR_SOURCE_TRACKER, 1000 + i * 500);
		LOG_ROWS(&builder, MR_KIND_CLASSES, 6, 1, 0, 0, 8 + i, 0, 0);
		log_builder_frame_end(&builder, 0, 0);
		log_builder_frame(&builder, 1);
		LOG_ROWS(&builder, MR_KIND_BIRTHS, 7, 1, 10, 1, 0, 0, 0, 0, 2, 10, 1, 0, 0, 0, 0);
		LOG_ROWS(&builder, MR_KIND_DEATHS, 3, 2, 90, 0);
		log_builder_frame_end(&builder, 0, 0);
		log_builder_frame(&builder, 1);
		LOG_ROWS(&builder, MR_KIND_SIZES, 4, 1, 2, 50 + i, 50);
		log_builder_frame_end(&builder, 1, 1);
		log_builder_frame(&builder, 1);
		LOG_ROWS(&builder, MR_KIND_SNAPSHOTS, 16, 1, 20, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
		log_builder_frame_end(&builder, 1, 1);
		log_builder_end(&builder, 100, MR_END_CLOSED);
	}
	struct mr_model *model = open_built(MR_LOAD_ALL);
	const struct mr_run *run = &model->runs[0];

	cr_assert(eq(sz, model->run_count, 1));
	cr_assert(eq(sz, run->snapshot_count, 2));
	cr_expect(eq(u64, run->snapshots[1].number, 2));
	cr_expect(eq(u64, run->snapshots[1].time_ns, 520));
	cr_assert(eq(sz, run->objects.count, 4));
	cr_expect(eq(u32, run->streams[1].object_first, 2));
	cr_expect(eq(u64, run->objects.size_bytes[0], 8));
	cr_expect(eq(u64, run->objects.size_bytes[1], 50));
	cr_expect(eq(u64, run->objects.size_bytes[2], 9));
	cr_expect(eq(u64, run->objects.size_bytes[3], 51));
	cr_expect(eq(u64, run->objects.death_ns[3], 590));
	mr_model_close(model);
}

Test(model, log_with_nothing_in_it__is_a_log)
{
	log_builder_begin(&builder);
	struct mr_model *model = open_built(MR_LOAD_ALL);

	cr_expect(eq(sz, model->run_count, 0));
	cr_expect(eq(sz, model->segment_count, 1));
	mr_model_close(model);

	log_builder_end(&builder, 0, MR_END_CLOSED);
	model = open_built(MR_LOAD_ALL);
	cr_expect(eq(sz, model->run_count, 0));
	cr_expect(eq(sz, model->warning_count, 0));
	mr_model_close(model);
}

Test(model, several_files__are_one_model)
{
	static const char *const paths[] = { "a.dat", "b.dat" };
	struct mr_error err = { 0 };
	struct mr_model *model = NULL;

	cr_expect(eq(int, mr_model_open(paths, 0, &model, &err), MR_ERR_ARG));
	err = (struct mr_error){ 0 };
	cr_expect(eq(int, mr_model_open(paths, 2, &model, &err), MR_ERR_READ));
	cr_expect(eq(str, err.message, "a.dat: cannot be read: No such file or directory"));
}

/* ---- Contradictions ---------------------------------------------------------------------- */

Test(model, lost_definitions__show_as_question_marks)
{
	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_TRACKER, 0);
	LOG_ROWS(&builder, MR_KIND_CLASSES, 6, 1, 99, 98, 8, 0, 0);
	log_builder_frame_end(&builder, 0, 0);
	log_builder_frame(&builder, 1);
	LOG_ROWS(&builder, MR_KIND_BIRTHS, 7, 1, 10, 1, 5, 0, 97, 0, 2, 10, 9, 0, 0, 0, 0);
	log_builder_frame_end(&builder, 0, 0);
	log_builder_end(&builder, 100, MR_END_CLOSED);
	struct mr_model *model = open_built(MR_LOAD_ALL);
	const struct mr_run *run = &model->runs[0];

	cr_expect(eq(str, (char *)mr_run_class_name(model, run, 1), "?"));
	cr_expect(eq(u32, run->classes[1].parent, 0));
	cr_expect(eq(u32, run->objects.class_index[1], 0));
	cr_expect(eq(u32, run->objects.stack[0], 0));
	cr_expect(eq(str, (char *)mr_model_string(model, run->objects.name[0]), "?"));
	cr_expect(gt(u64, model->segments[0].ids_unknown, 4));
	mr_model_close(model);
}

Test(model, cycles_of_parents__are_cut)
{
	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_TRACKER, 0);
	LOG_ROWS(&builder, MR_KIND_CLASSES, 6, 1, 0, 1, 8, 0, 0, 2, 0, 3, 8, 0, 0, 3, 0, 4, 8, 0, 0, 4, 0, 2,
	         8, 0, 0);
	LOG_ROWS(&builder, MR_KIND_CODE, 6, 1, 0, 0, 0, 0, 1);
	LOG_ROWS(&builder, MR_KIND_STACKS, 3, 1, 2, 1, 2, 1, 1, 3, 2, 1);
	LOG_ROWS(&builder, MR_KIND_PATHS, 3, 1, 3, 0, 2, 1, 0, 3, 2, 0, 4, 1, 0);
	log_builder_frame_end(&builder, 0, 0);
	log_builder_end(&builder, 0, MR_END_CLOSED);
	struct mr_model *model = open_built(MR_LOAD_ALL);
	const struct mr_run *run = &model->runs[0];
	struct mr_position positions[8];

	for (uint32_t i = 1; i < run->class_count; i++) {
		size_t steps = 0;

		for (uint32_t at = i; at != 0; at = run->classes[at].parent)
			cr_assert(lt(sz, steps++, 10));
	}
	for (uint32_t i = 1; i < run->path_count; i++) {
		uint32_t level = 0;

		for (uint32_t at = i; at != 0; at = run->paths[at].parent)
			cr_assert(lt(u32, level++, 10));
		cr_expect(eq(u32, run->paths[i].level, level));
	}
	cr_expect(le(sz, mr_run_trace(model, run, 3, positions, 8), 3));
	cr_expect(gt(u64, model->segments[0].rows_dropped, 0));
	mr_model_close(model);
}

Test(model, rows_that_contradict__are_dropped)
{
	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_TRACKER, 0);
	LOG_ROWS(&builder, MR_KIND_CLASSES, 6, 1, 0, 0, 8, 0, 0);
	log_builder_frame_end(&builder, 0, 0);
	log_builder_frame(&builder, 1);
	LOG_ROWS(&builder, MR_KIND_DEATHS, 3, 1, 50, 0, 77, 50,
	         0); /* before its birth in the log; of nobody */
	LOG_ROWS(&builder, MR_KIND_BIRTHS, 7, 1, 10, 1, 0, 0, 0, 0, 1, 20, 1, 0, 0, 0, 0); /* born twice */
	LOG_ROWS(&builder, MR_KIND_DEATHS, 3, 1, 60, 0);                                   /* died twice */
	log_builder_frame_end(&builder, 0, 0);
	log_builder_frame(&builder, 1);
	/* After its death; of nobody; too late. */
	LOG_ROWS(&builder, MR_KIND_SIZES, 4, 2, 1, 99, 99, 2, 66, 1, 1, 1, 1, 98, 98);
	log_builder_frame_end(&builder, 1, 2);
	log_builder_frame(&builder, 1);
	LOG_ROWS(&builder, MR_KIND_SNAPSHOTS, 16, 1, 20, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 70, 0,
	         0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	LOG_ROWS(&builder, MR_KIND_CLASS_TOTALS, 7, 9, 1, 1, 1, 1, 1, 1); /* of a snapshot that is lost */
	log_builder_frame_end(&builder, 1, 2);
	log_builder_end(&builder, 0, MR_END_CLOSED);
	struct mr_model *model = open_built(MR_LOAD_ALL);
	const struct mr_run *run = &model->runs[0];

	cr_assert(eq(sz, run->objects.count, 1));
	cr_expect(eq(u64, run->objects.birth_ns[0], 10));
	cr_expect(eq(u64, run->objects.death_ns[0], 50));
	cr_expect(eq(u64, run->objects.size_bytes[0], 8));
	cr_expect(eq(sz, run->class_total_count, 0));
	cr_expect(eq(u64, model->segments[0].rows_dropped, 5));
	cr_expect(eq(u64, model->segments[0].ids_unknown, 3),
	          "the dead, the sized, and the stream's creator");
	mr_model_close(model);
}

Test(model, object_ids_in_any_order__are_found)
{
	uint64_t births[200 * 7] = { 0 };
	uint64_t sizes[200 * 4];

	for (uint64_t i = 0; i < 200; i++) {
		const uint64_t id = (i * UINT64_C(0x9E3779B97F4A7C15)) | 1;

		births[i * 7] = id;
		births[i * 7 + 2] = 1;
		sizes[i * 4] = 1;
		sizes[i * 4 + 1] = (199 - i) * UINT64_C(0x9E3779B97F4A7C15) | 1;
		sizes[i * 4 + 2] = 1000 + (199 - i);
		sizes[i * 4 + 3] = 1;
	}
	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_TRACKER, 0);
	LOG_ROWS(&builder, MR_KIND_CLASSES, 6, 1, 0, 0, 8, 0, 0);
	log_builder_frame_end(&builder, 0, 0);
	log_builder_frame(&builder, 1);
	log_builder_rows(&builder, MR_KIND_BIRTHS, 7, 200, births);
	log_builder_frame_end(&builder, 0, 0);
	log_builder_frame(&builder, 1);
	log_builder_rows(&builder, MR_KIND_SIZES, 4, 200, sizes);
	log_builder_frame_end(&builder, 1, 1);
	log_builder_frame(&builder, 1);
	LOG_ROWS(&builder, MR_KIND_SNAPSHOTS, 16, 1, 20, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	log_builder_frame_end(&builder, 1, 1);
	log_builder_end(&builder, 0, MR_END_CLOSED);
	struct mr_model *model = open_built(MR_LOAD_SIZES);

	for (size_t row = 0; row < 200; row++)
		cr_expect(eq(u64, model->runs[0].objects.size_bytes[row], 1000 + row));
	mr_model_close(model);
}
