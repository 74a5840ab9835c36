/* SPDX-License-Identifier: MIT
 *
 * What each call of libmemcapture leaves in the log, held against the log's own
 * blocks.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "log_content.h"
#include "memcapture.h"

struct node {
	char *name;
	struct node *next;
	char *data;
	uint32_t data_len;
};

static const struct memcapture_layout node_layout;
static const struct memcapture_field node_fields[] = {
	MEMCAPTURE_STRING(struct node, name),
	MEMCAPTURE_OBJECT(struct node, next, &node_layout),
	MEMCAPTURE_COUNTED_BLOCK(struct node, data, 1, data_len),
};
static const struct memcapture_layout node_layout = MEMCAPTURE_LAYOUT(struct node, node_fields);
static const struct memcapture_layout flat_layout = MEMCAPTURE_FLAT(struct node);
static const struct memcapture_class_options flat_options = { .name = "Flat", .layout = &flat_layout };
static const struct memcapture_class_options node_options = { .name = "Node",
	                                                      .layout = &node_layout,
	                                                      .resolution_level = 1 };

static char path[64];
static struct memcapture *capture;

static void begin(void)
{
	struct memcapture_error error;

	unsetenv("MEMCAPTURE_LOG");
	unsetenv("MEMCAPTURE_CHANNEL");
	snprintf(path, sizeof(path), "/tmp/test_tracker.%d.dat", (int)getpid());
	cr_assert_eq(memcapture_open(&capture, path, &error), 0, "%s", error.message);
	cr_assert_not_null(capture);
}

TestSuite(tracker, .init = begin);

/* Closes the capture; what it wrote. */
static void finish(struct log_content *content)
{
	struct memcapture_error error;

	cr_assert_eq(memcapture_status(capture, &error), 0, "%s", error.message);
	cr_assert_eq(memcapture_close(capture, &error), 0, "%s", error.message);
	log_content_load(content, path);
	unlink(path);
}

static void assert_text(const struct log_content *content, uint64_t id, const char *expected)
{
	char *const text = log_content_string(content, id);

	cr_assert_str_eq(text, expected);
	free(text);
}

/* The one row of KIND whose columns A and B are as given. */
static size_t row_where(const struct log_rows *rows, unsigned a, uint64_t value_a, unsigned b,
                        uint64_t value_b)
{
	size_t found = SIZE_MAX;

	for (size_t row = 0; row < rows->count; row++) {
		if (rows->columns[a][row] == value_a && rows->columns[b][row] == value_b) {
			cr_assert_eq(found, SIZE_MAX, "two rows");
			found = row;
		}
	}
	return found;
}

/* ---- Tracking ------------------------------------------------------------------- */

Test(tracker, an_object__is_born_and_dies)
{
	struct log_content content;
	struct node node = { 0 };
	struct memcapture_class *const klass = memcapture_track_class(capture, &flat_options);

	cr_assert_eq(memcapture_track(klass, &node), 0);
	cr_assert_eq(memcapture_count(capture, klass), 1);
	memcapture_forget(capture, &node);
	memcapture_forget(capture, &node);
	cr_assert_eq(memcapture_count(capture, NULL), 0);
	finish(&content);

	struct log_rows births = log_rows_of(&content, MR_KIND_BIRTHS);
	struct log_rows deaths = log_rows_of(&content, MR_KIND_DEATHS);
	struct log_rows classes = log_rows_of(&content, MR_KIND_CLASSES);
	cr_assert_eq(births.count, 1);
	cr_assert_eq(deaths.count, 1);
	cr_assert_eq(births.columns[MR_BIRTHS_OBJECT][0], deaths.columns[MR_DEATHS_OBJECT][0]);
	cr_assert_eq(births.columns[MR_BIRTHS_ADDRESS][0], (uint64_t)(uintptr_t)&node);
	cr_assert_eq(births.columns[MR_BIRTHS_STACK][0], 0);
	cr_assert_eq(births.columns[MR_BIRTHS_LEVEL][0], 0 + 1);
	cr_assert_leq(births.columns[MR_BIRTHS_TIME][0], deaths.columns[MR_DEATHS_TIME][0]);
	cr_assert_lt(deaths.columns[MR_DEATHS_TIME][0], UINT64_C(60000000000));
	cr_assert_eq(deaths.columns[MR_DEATHS_REASON][0], MR_DEATH_FREED);
	cr_assert_eq(classes.columns[MR_CLASSES_SIZE][0], sizeof(struct node));
	cr_assert_eq(classes.columns[MR_CLASSES_FLAGS][0], 0);
	assert_text(&content, classes.columns[MR_CLASSES_NAME][0], "Flat");
	log_rows_release(&births);
	log_rows_release(&deaths);
	log_rows_release(&classes);
	log_content_release(&content);
}

Test(tracker, the_most_specialised_class__wins_in_either_order)
{
	struct log_content content;
	struct node nodes[3] = { { 0 } };
	struct memcapture_class *const base = memcapture_track_class(capture, &flat_options);
	struct memcapture_class_options options = { .name = "Derived",
		                                    .layout = &flat_layout,
		                                    .parent = base };
	struct memcapture_class *const middle = memcapture_track_class(capture, &options);
	options =
		(struct memcapture_class_options){ .name = "Leaf", .layout = &flat_layout, .parent = middle };
	struct memcapture_class *const leaf = memcapture_track_class(capture, &options);
	options = (struct memcapture_class_options){ .name = "Other", .layout = &flat_layout };
	struct memcapture_class *const other = memcapture_track_class(capture, &options);

	memcapture_track(base, &nodes[0]);
	memcapture_track(leaf, &nodes[0]);
	memcapture_track(leaf, &nodes[1]);
	memcapture_track(base, &nodes[1]);
	memcapture_track(base, &nodes[2]);
	memcapture_track(other, &nodes[2]);
	cr_assert_eq(memcapture_count(capture, leaf), 2);
	cr_assert_eq(memcapture_count(capture, base), 1);
	cr_assert_eq(memcapture_count(capture, other), 0);
	finish(&content);

	struct log_rows births = log_rows_of(&content, MR_KIND_BIRTHS);
	struct log_rows changes = log_rows_of(&content, MR_KIND_CHANGES);
	struct log_rows classes = log_rows_of(&content, MR_KIND_CLASSES);
	cr_assert_eq(births.count, 3);
	cr_assert_eq(changes.count, 1);
	cr_assert_eq(changes.columns[MR_CHANGES_OBJECT][0], births.columns[MR_BIRTHS_OBJECT][0]);
	cr_assert_eq(changes.columns[MR_CHANGES_CLASS][0], 3 + 1);
	cr_assert_eq(classes.columns[MR_CLASSES_PARENT][2], 2);
	log_rows_release(&births);
	log_rows_release(&changes);
	log_rows_release(&classes);
	log_content_release(&content);
}

Test(tracker, a_class_that_would_be_its_own_ancestor__keeps_its_parent)
{
	struct memcapture_class *const base = memcapture_track_class(capture, &flat_options);
	struct memcapture_class_options options = { .name = "Derived",
		                                    .layout = &flat_layout,
		                                    .parent = base };
	struct memcapture_class *const derived = memcapture_track_class(capture, &options);
	struct node node = { 0 };

	options = flat_options;
	options.parent = derived;
	cr_assert_eq(memcapture_track_class(capture, &options), base);
	memcapture_track(derived, &node);
	memcapture_track(base, &node);
	cr_assert_eq(memcapture_count(capture, derived), 1);
	cr_assert_eq(memcapture_close(capture, NULL), 0);
	unlink(path);
}

Test(tracker, a_class_tracked_again__is_the_same_with_other_options)
{
	struct log_content content;
	struct node nodes[2] = { { 0 } };
	struct memcapture_class_options options = flat_options;
	struct memcapture_class *const klass = memcapture_track_class(capture, &options);

	memcapture_track(klass, &nodes[0]);
	options.resolution_level = 2;
	options.keep = 1;
	cr_assert_eq(memcapture_track_class(capture, &options), klass);
	memcapture_track(klass, &nodes[1]);
	finish(&content);

	struct log_rows births = log_rows_of(&content, MR_KIND_BIRTHS);
	struct log_rows classes = log_rows_of(&content, MR_KIND_CLASSES);
	cr_assert_eq(births.columns[MR_BIRTHS_LEVEL][0], 0 + 1);
	cr_assert_eq(births.columns[MR_BIRTHS_LEVEL][1], 2 + 1);
	cr_assert_eq(classes.count, 2);
	cr_assert_eq(classes.columns[MR_CLASSES_ID][0], classes.columns[MR_CLASSES_ID][1]);
	cr_assert_eq(classes.columns[MR_CLASSES_FLAGS][1], MR_CLASS_KEEP);
	log_rows_release(&births);
	log_rows_release(&classes);
	log_content_release(&content);
}

Test(tracker, a_single_object__has_a_class_of_its_name_and_a_level_of_its_own)
{
	struct log_content content;
	struct node nodes[2] = { { 0 } };
	struct memcapture_class_options options = { .name = "Factory", .layout = &node_layout };

	cr_assert_eq(memcapture_track_object(capture, &nodes[0], &options), 0);
	options.resolution_level = 3;
	cr_assert_eq(memcapture_track_object(capture, &nodes[1], &options), 0);
	finish(&content);

	struct log_rows births = log_rows_of(&content, MR_KIND_BIRTHS);
	cr_assert_eq(births.count, 2);
	cr_assert_eq(births.columns[MR_BIRTHS_CLASS][0], births.columns[MR_BIRTHS_CLASS][1]);
	cr_assert_eq(births.columns[MR_BIRTHS_LEVEL][0], 0 + 1);
	cr_assert_eq(births.columns[MR_BIRTHS_LEVEL][1], 3 + 1);
	log_rows_release(&births);
	log_content_release(&content);
}

Test(tracker, a_morphed_object__keeps_its_identity)
{
	struct log_content content;
	struct node node = { 0 };
	struct node stranger = { 0 };
	struct memcapture_class *const from = memcapture_track_class(capture, &flat_options);
	struct memcapture_class *const to = memcapture_track_class(capture, &node_options);

	memcapture_track(from, &node);
	cr_assert_eq(memcapture_morph(to, &node), 0);
	cr_assert_eq(memcapture_morph(to, &stranger), MEMCAPTURE_ERR_ARG);
	cr_assert_eq(memcapture_count(capture, to), 1);
	cr_assert_eq(memcapture_count(capture, from), 0);
	memcapture_forget(capture, &node);
	cr_assert_eq(memcapture_count(capture, to), 0);
	finish(&content);

	struct log_rows births = log_rows_of(&content, MR_KIND_BIRTHS);
	struct log_rows deaths = log_rows_of(&content, MR_KIND_DEATHS);
	struct log_rows changes = log_rows_of(&content, MR_KIND_CHANGES);
	cr_assert_eq(changes.count, 1);
	cr_assert_eq(changes.columns[MR_CHANGES_CLASS][0], 2 + 1);
	cr_assert_eq(changes.columns[MR_CHANGES_LEVEL][0], 1 + 1);
	cr_assert_eq(births.columns[MR_BIRTHS_OBJECT][0], deaths.columns[MR_DEATHS_OBJECT][0]);
	log_rows_release(&births);
	log_rows_release(&deaths);
	log_rows_release(&changes);
	log_content_release(&content);
}

Test(tracker, a_changed_level__counts_from_the_next_snapshot_on)
{
	struct log_content content;
	char name[] = "name";
	struct node node = { .name = name };
	struct node stranger = { 0 };
	struct memcapture_class_options options = node_options;
	options.resolution_level = 0;

	memcapture_track(memcapture_track_class(capture, &options), &node);
	memcapture_snapshot(capture, NULL);
	cr_assert_eq(memcapture_track_change(capture, &node, 1), 0);
	cr_assert_eq(memcapture_track_change(capture, &stranger, 1), MEMCAPTURE_ERR_ARG);
	memcapture_snapshot(capture, NULL);
	finish(&content);

	struct log_rows changes = log_rows_of(&content, MR_KIND_CHANGES);
	struct log_rows referents = log_rows_of(&content, MR_KIND_REFERENTS);
	struct log_rows paths = log_rows_of(&content, MR_KIND_PATHS);
	cr_assert_eq(changes.count, 1);
	cr_assert_eq(changes.columns[MR_CHANGES_CLASS][0], 0);
	cr_assert_eq(changes.columns[MR_CHANGES_LEVEL][0], 1 + 1);
	cr_assert_eq(referents.count, 1);
	cr_assert_eq(referents.columns[MR_REFERENTS_SNAPSHOT][0], 2);
	cr_assert_eq(referents.columns[MR_REFERENTS_SIZE][0], sizeof(name));
	assert_text(&content, paths.columns[MR_PATHS_NAME][0], "name");
	log_rows_release(&changes);
	log_rows_release(&referents);
	log_rows_release(&paths);
	log_content_release(&content);
}

Test(tracker, a_moved_object__is_found_at_its_new_address)
{
	struct log_content content;
	struct node nodes[3] = { { 0 } };
	struct memcapture_class *const klass = memcapture_track_class(capture, &flat_options);

	memcapture_track(klass, &nodes[0]);
	memcapture_track(klass, &nodes[2]);
	cr_assert_eq(memcapture_move(capture, &nodes[0], &nodes[1]), 0);
	cr_assert_eq(memcapture_move(capture, &nodes[0], &nodes[1]), MEMCAPTURE_ERR_ARG);
	cr_assert_eq(memcapture_count(capture, klass), 2);
	memcapture_forget(capture, &nodes[0]);
	cr_assert_eq(memcapture_count(capture, klass), 2);
	/* Whatever was tracked where it moves to is gone. */
	cr_assert_eq(memcapture_move(capture, &nodes[1], &nodes[2]), 0);
	cr_assert_eq(memcapture_count(capture, klass), 1);
	memcapture_forget(capture, &nodes[2]);
	cr_assert_eq(memcapture_count(capture, klass), 0);
	finish(&content);

	struct log_rows births = log_rows_of(&content, MR_KIND_BIRTHS);
	struct log_rows deaths = log_rows_of(&content, MR_KIND_DEATHS);
	cr_assert_eq(deaths.count, 2);
	cr_assert_eq(deaths.columns[MR_DEATHS_OBJECT][0], births.columns[MR_BIRTHS_OBJECT][1]);
	cr_assert_eq(deaths.columns[MR_DEATHS_OBJECT][1], births.columns[MR_BIRTHS_OBJECT][0]);
	log_rows_release(&births);
	log_rows_release(&deaths);
	log_content_release(&content);
}

Test(tracker, an_object_held_by_its_own_thread__can_be_forgotten_moved_and_sized)
{
	struct node nodes[2] = { { 0 } };
	struct memcapture_class *const klass = memcapture_track_class(capture, &node_options);

	memcapture_track(klass, &nodes[0]);
	memcapture_hold(capture, &nodes[0]);
	memcapture_hold(capture, &nodes[0]);
	cr_assert_eq(memcapture_snapshot(capture, NULL), 0);
	cr_assert_eq(memcapture_morph(klass, &nodes[0]), 0);
	cr_assert_eq(memcapture_move(capture, &nodes[0], &nodes[1]), 0);
	memcapture_release(capture, &nodes[0]);
	memcapture_release(capture, &nodes[1]);
	memcapture_hold(capture, &nodes[1]);
	memcapture_forget(capture, &nodes[1]);
	memcapture_release(capture, &nodes[1]);
	cr_assert_eq(memcapture_count(capture, NULL), 0);
	cr_assert_eq(memcapture_close(capture, NULL), 0);
	unlink(path);
}

/* ---- Detaching --------------------------------------------------------------------- */

Test(tracker, a_detached_class__keeps_what_it_has_and_takes_no_more)
{
	struct node nodes[3] = { { 0 } };
	struct memcapture_class *const klass = memcapture_track_class(capture, &flat_options);

	memcapture_track(klass, &nodes[0]);
	memcapture_detach_class(klass);
	cr_assert_eq(memcapture_track(klass, &nodes[1]), 0);
	cr_assert_eq(memcapture_count(capture, klass), 1);
	cr_assert_eq(memcapture_track_object(capture, &nodes[1], &flat_options), 0);
	cr_assert_eq(memcapture_count(capture, klass), 2, "a single object is tracked all the same");
	cr_assert_eq(memcapture_track_class(capture, &flat_options), klass);
	memcapture_track(klass, &nodes[2]);
	cr_assert_eq(memcapture_count(capture, klass), 3);
	memcapture_detach_all_classes(capture);
	memcapture_forget(capture, &nodes[0]);
	memcapture_track(klass, &nodes[0]);
	cr_assert_eq(memcapture_count(capture, klass), 2);
	cr_assert_eq(memcapture_close(capture, NULL), 0);
	unlink(path);
}

Test(tracker, detach_all__lets_go_of_every_object)
{
	enum { COUNT = 10000 };
	static struct node nodes[COUNT];
	struct log_content content;
	struct memcapture_class *const klass = memcapture_track_class(capture, &flat_options);

	for (size_t i = 0; i < COUNT; i++)
		memcapture_track(klass, &nodes[i]);
	memcapture_detach_all(capture);
	cr_assert_eq(memcapture_count(capture, NULL), 0);
	memcapture_snapshot(capture, "nothing");
	finish(&content);

	struct log_rows deaths = log_rows_of(&content, MR_KIND_DEATHS);
	struct log_rows snapshots = log_rows_of(&content, MR_KIND_SNAPSHOTS);
	cr_assert_eq(deaths.count, COUNT);
	for (size_t i = 0; i < COUNT; i++)
		cr_assert_eq(deaths.columns[MR_DEATHS_REASON][i], MR_DEATH_DETACHED);
	cr_assert_eq(snapshots.columns[MR_SNAPSHOTS_COUNT][0], 0);
	log_rows_release(&deaths);
	log_rows_release(&snapshots);
	log_content_release(&content);
}

Test(tracker, clear__starts_the_log_afresh)
{
	struct log_content content;
	struct node nodes[2] = { { 0 } };
	char name[] = "name";
	struct memcapture_class *const before = memcapture_track_class(capture, &node_options);

	nodes[0].name = name;
	nodes[1].name = name;
	memcapture_track(before, &nodes[0]);
	memcapture_snapshot(capture, "before");
	memcapture_mark(capture, "before");
	cr_assert_eq(memcapture_clear(capture, NULL), 0);
	cr_assert_eq(memcapture_count(capture, NULL), 0);
	cr_assert_eq(memcapture_track(before, &nodes[1]), 0);
	cr_assert_eq(memcapture_count(capture, NULL), 0, "its classes are detached");
	cr_assert_eq(memcapture_track_class(capture, &node_options), before);
	memcapture_track(before, &nodes[1]);
	memcapture_snapshot(capture, "after");
	finish(&content);

	struct log_rows births = log_rows_of(&content, MR_KIND_BIRTHS);
	struct log_rows snapshots = log_rows_of(&content, MR_KIND_SNAPSHOTS);
	struct log_rows marks = log_rows_of(&content, MR_KIND_MARKS);
	struct log_rows classes = log_rows_of(&content, MR_KIND_CLASSES);
	struct log_rows streams = log_rows_of(&content, MR_KIND_STREAM);
	struct log_rows referents = log_rows_of(&content, MR_KIND_REFERENTS);
	struct log_rows paths = log_rows_of(&content, MR_KIND_PATHS);
	cr_assert_eq(births.count, 1);
	cr_assert_eq(births.columns[MR_BIRTHS_ADDRESS][0], (uint64_t)(uintptr_t)&nodes[1]);
	cr_assert_eq(snapshots.count, 1);
	cr_assert_eq(snapshots.columns[MR_SNAPSHOTS_NUMBER][0], 1);
	assert_text(&content, snapshots.columns[MR_SNAPSHOTS_DESCRIPTION][0], "after");
	cr_assert_eq(marks.count, 0);
	assert_text(&content, classes.columns[MR_CLASSES_NAME][0], "Node");
	cr_assert_eq(streams.count, 1);
	cr_assert_eq(referents.count, 1);
	const size_t row = log_rows_find(&paths, MR_PATHS_ID, referents.columns[MR_REFERENTS_PATH][0]);
	cr_assert_neq(row, SIZE_MAX);
	assert_text(&content, paths.columns[MR_PATHS_NAME][row], "name");
	log_rows_release(&births);
	log_rows_release(&snapshots);
	log_rows_release(&marks);
	log_rows_release(&classes);
	log_rows_release(&streams);
	log_rows_release(&referents);
	log_rows_release(&paths);
	log_content_release(&content);
}

/* ---- Snapshots --------------------------------------------------------------------------- */

Test(tracker, a_snapshot__has_time_description_and_memory_with_nothing_tracked)
{
	struct log_content content;

	cr_assert_eq(memcapture_snapshot(capture, "first"), 0);
	cr_assert_eq(memcapture_snapshot(capture, NULL), 0);
	finish(&content);

	struct log_rows snapshots = log_rows_of(&content, MR_KIND_SNAPSHOTS);
	cr_assert_eq(snapshots.count, 2);
	cr_assert_eq(snapshots.columns[MR_SNAPSHOTS_NUMBER][0], 1);
	cr_assert_eq(snapshots.columns[MR_SNAPSHOTS_NUMBER][1], 2);
	cr_assert_lt(snapshots.columns[MR_SNAPSHOTS_TIME][0], snapshots.columns[MR_SNAPSHOTS_TIME][1]);
	assert_text(&content, snapshots.columns[MR_SNAPSHOTS_DESCRIPTION][0], "first");
	cr_assert_eq(snapshots.columns[MR_SNAPSHOTS_DESCRIPTION][1], 0);
	for (unsigned id = MR_SNAPSHOTS_OVERHEAD; id <= MR_SNAPSHOTS_CODE; id++) {
		if (id != MR_SNAPSHOTS_SWAP)
			cr_assert_gt(snapshots.columns[id][0], 4096, "column %u", id);
	}
	cr_assert_leq(snapshots.columns[MR_SNAPSHOTS_RSS][0], snapshots.columns[MR_SNAPSHOTS_VSZ][0]);
	cr_assert_leq(snapshots.columns[MR_SNAPSHOTS_USS][0], snapshots.columns[MR_SNAPSHOTS_PSS][0]);
	log_rows_release(&snapshots);
	log_content_release(&content);
}

Test(tracker, sizes__are_written_when_they_change_and_in_key_snapshots)
{
	struct log_content content;
	char data[1000] = "";
	struct node constant = { 0 };
	struct node growing = { .data = data };
	struct node large = { .data = data, .data_len = 10 };
	struct memcapture_class *const klass = memcapture_track_class(capture, &node_options);

	large.data = data + 500;
	memcapture_track(klass, &constant);
	memcapture_track(klass, &growing);
	memcapture_track(klass, &large);
	for (unsigned i = 1; i <= 18; i++) {
		if (i <= 3)
			growing.data_len = i * 100;
		cr_assert_eq(memcapture_snapshot(capture, NULL), 0);
	}
	finish(&content);

	struct log_rows sizes = log_rows_of(&content, MR_KIND_SIZES);
	struct log_rows totals = log_rows_of(&content, MR_KIND_CLASS_TOTALS);
	struct log_rows snapshots = log_rows_of(&content, MR_KIND_SNAPSHOTS);
	/* 1: both that are not of the class's size; 2 and 3: one; 17: both again. */
	cr_assert_eq(sizes.count, 6);
	cr_assert_neq(row_where(&sizes, MR_SIZES_SNAPSHOT, 2, MR_SIZES_SIZE, sizeof(struct node) + 200),
	              SIZE_MAX);
	cr_assert_neq(row_where(&sizes, MR_SIZES_SNAPSHOT, 3, MR_SIZES_SIZE, sizeof(struct node) + 300),
	              SIZE_MAX);
	cr_assert_neq(row_where(&sizes, MR_SIZES_SNAPSHOT, 17, MR_SIZES_SIZE, sizeof(struct node) + 300),
	              SIZE_MAX);
	cr_assert_neq(row_where(&sizes, MR_SIZES_SNAPSHOT, 17, MR_SIZES_SIZE, sizeof(struct node) + 10),
	              SIZE_MAX);
	for (size_t i = 0; i < 18; i++) {
		const uint64_t key = snapshots.columns[MR_SNAPSHOTS_FLAGS][i] & MR_SNAPSHOT_KEY;

		cr_assert_eq(key != 0, i == 0 || i == 16);
		cr_assert_eq(totals.columns[MR_CLASS_TOTALS_COUNT][i], 3);
		cr_assert_eq(totals.columns[MR_CLASS_TOTALS_FLAT][i], 3 * sizeof(struct node));
		cr_assert_eq(totals.columns[MR_CLASS_TOTALS_MIN][i], sizeof(struct node));
		cr_assert_eq(totals.columns[MR_CLASS_TOTALS_SIZE][i],
		             snapshots.columns[MR_SNAPSHOTS_SIZE][i]);
	}
	cr_assert_eq(totals.columns[MR_CLASS_TOTALS_MAX][17], sizeof(struct node) + 300);
	log_rows_release(&sizes);
	log_rows_release(&totals);
	log_rows_release(&snapshots);
	log_content_release(&content);
}

Test(tracker, shared_data__counts_for_the_first_announced_and_tracked_objects_for_themselves)
{
	struct log_content content;
	char shared[200] = "";
	struct node first = { .data = shared, .data_len = sizeof(shared) };
	struct node second = { .data = shared, .data_len = sizeof(shared), .next = &first };
	struct memcapture_class *const klass = memcapture_track_class(capture, &node_options);

	/* Announced in the other order than they lie in memory, and in rows that are used again. */
	memcapture_track(klass, &second);
	memcapture_track(klass, &first);
	memcapture_forget(capture, &second);
	memcapture_track(klass, &second);
	memcapture_snapshot(capture, NULL);
	finish(&content);

	struct log_rows births = log_rows_of(&content, MR_KIND_BIRTHS);
	struct log_rows sizes = log_rows_of(&content, MR_KIND_SIZES);
	cr_assert_eq(sizes.count, 1, "the second has the size of its class");
	cr_assert_eq(sizes.columns[MR_SIZES_OBJECT][0], births.columns[MR_BIRTHS_OBJECT][1]);
	cr_assert_eq(sizes.columns[MR_SIZES_SIZE][0], sizeof(struct node) + sizeof(shared));
	log_rows_release(&births);
	log_rows_release(&sizes);
	log_content_release(&content);
}

Test(tracker, many_objects_in_any_order__are_sized_in_order_of_birth)
{
	enum { COUNT = 5000 };
	static struct node nodes[COUNT];
	static char shared[100];
	struct log_content content;
	struct memcapture_class *const klass = memcapture_track_class(capture, &node_options);

	for (size_t i = 0; i < COUNT; i++) {
		nodes[i].data = shared;
		nodes[i].data_len = sizeof(shared);
		memcapture_track(klass, &nodes[i]);
	}
	/* The eldest go and come again, so that the order of rows is not that of births. */
	for (size_t i = 0; i < COUNT - 1; i++) {
		memcapture_forget(capture, &nodes[i]);
		memcapture_track(klass, &nodes[i]);
	}
	memcapture_snapshot(capture, NULL);
	finish(&content);

	struct log_rows births = log_rows_of(&content, MR_KIND_BIRTHS);
	struct log_rows sizes = log_rows_of(&content, MR_KIND_SIZES);
	cr_assert_eq(sizes.count, 1);
	cr_assert_eq(sizes.columns[MR_SIZES_OBJECT][0], births.columns[MR_BIRTHS_OBJECT][COUNT - 1]);
	log_rows_release(&births);
	log_rows_release(&sizes);
	log_content_release(&content);
}

Test(tracker, a_kept_object__leaves_its_last_state)
{
	struct log_content content;
	char name[] = "last";
	struct node other = { 0 };
	struct node node = { .name = name, .next = &other };
	struct memcapture_class_options options = node_options;

	options.keep = 1;
	struct memcapture_class *const klass = memcapture_track_class(capture, &options);
	memcapture_track(klass, &node);
	memcapture_track(klass, &other);
	memcapture_forget(capture, &node);
	finish(&content);

	struct log_rows births = log_rows_of(&content, MR_KIND_BIRTHS);
	struct log_rows deaths = log_rows_of(&content, MR_KIND_DEATHS);
	struct log_rows sizes = log_rows_of(&content, MR_KIND_SIZES);
	struct log_rows referents = log_rows_of(&content, MR_KIND_REFERENTS);
	cr_assert_eq(sizes.count, 1);
	cr_assert_eq(deaths.count, 1);
	cr_assert_eq(sizes.columns[MR_SIZES_SNAPSHOT][0], 0);
	cr_assert_eq(sizes.columns[MR_SIZES_OBJECT][0], births.columns[MR_BIRTHS_OBJECT][0]);
	cr_assert_eq(sizes.columns[MR_SIZES_SIZE][0], sizeof(struct node) + sizeof(name));
	cr_assert_eq(referents.count, 1, "the other is tracked itself");
	cr_assert_eq(referents.columns[MR_REFERENTS_SIZE][0], sizeof(name));
	log_rows_release(&births);
	log_rows_release(&deaths);
	log_rows_release(&sizes);
	log_rows_release(&referents);
	log_content_release(&content);
}

static void node_describe(const void *object, char *text, size_t text_size)
{
	const struct node *const node = object;

	/* Longer than there is room for, without an end. */
	for (size_t i = 0; i < text_size; i++)
		text[i] = node->name[0];
}

Test(tracker, labels__are_written_when_they_change_and_cut)
{
	struct log_content content;
	char name[] = "a";
	struct node node = { .name = name };
	struct memcapture_class_options options = flat_options;

	options.describe = node_describe;
	memcapture_track(memcapture_track_class(capture, &options), &node);
	memcapture_snapshot(capture, NULL);
	memcapture_snapshot(capture, NULL);
	name[0] = 'b';
	memcapture_snapshot(capture, NULL);
	finish(&content);

	struct log_rows labels = log_rows_of(&content, MR_KIND_LABELS);
	struct log_rows sizes = log_rows_of(&content, MR_KIND_SIZES);
	cr_assert_eq(labels.count, 2);
	cr_assert_eq(labels.columns[MR_LABELS_SNAPSHOT][0], 1);
	cr_assert_eq(labels.columns[MR_LABELS_SNAPSHOT][1], 3);
	char *const text = log_content_string(&content, labels.columns[MR_LABELS_TEXT][1]);
	cr_assert_eq(strlen(text), 127);
	cr_assert_eq(text[126], 'b');
	free(text);
	cr_assert_eq(sizes.count, 0, "a label is no size");
	log_rows_release(&labels);
	log_rows_release(&sizes);
	log_content_release(&content);
}

Test(tracker, periodic_snapshots__go_on_until_they_are_stopped)
{
	struct log_content content;

	cr_assert_eq(memcapture_start_periodic_snapshots(capture, 0), MEMCAPTURE_ERR_ARG);
	cr_assert_eq(memcapture_start_periodic_snapshots(capture, -1), MEMCAPTURE_ERR_ARG);
	cr_assert_eq(memcapture_start_periodic_snapshots(capture, 0.0 / 0.0), MEMCAPTURE_ERR_ARG);
	cr_assert_eq(memcapture_start_periodic_snapshots(capture, 1e300), MEMCAPTURE_ERR_ARG);
	cr_assert_eq(memcapture_start_periodic_snapshots(capture, 3600), 0);
	cr_assert_eq(memcapture_start_periodic_snapshots(capture, 0.005), 0, "another interval");
	usleep(200000);
	memcapture_stop_periodic_snapshots(capture);
	memcapture_stop_periodic_snapshots(capture);
	finish(&content);

	struct log_rows snapshots = log_rows_of(&content, MR_KIND_SNAPSHOTS);
	cr_assert_gt(snapshots.count, 1);
	for (size_t i = 0; i < snapshots.count; i++)
		cr_assert(snapshots.columns[MR_SNAPSHOTS_FLAGS][i] & MR_SNAPSHOT_PERIODIC);
	log_rows_release(&snapshots);
	log_content_release(&content);
}

/* ---- Traces and marks ---------------------------------------------------------------------------- */

static __attribute__((noinline)) void track_inside(struct memcapture_class *klass, struct node *node)
{
	memcapture_track(klass, node);
	__asm__ volatile("" ::: "memory"); /* a call, and not a jump */
}

static __attribute__((noinline)) void track_deeper(struct memcapture_class *klass, struct node *node)
{
	track_inside(klass, node);
	__asm__ volatile("" ::: "memory");
}

/* How many frames the stack has; CODE: that of the innermost and of the next. */
static size_t stack_depth(const struct log_rows *stacks, uint64_t id, uint64_t code[2])
{
	size_t depth = 0;

	for (; id != 0; depth++) {
		const size_t row = log_rows_find(stacks, MR_STACKS_ID, id);

		cr_assert_neq(row, SIZE_MAX);
		if (depth < 2)
			code[depth] = stacks->columns[MR_STACKS_CODE][row];
		cr_assert_lt(stacks->columns[MR_STACKS_PARENT][row], id);
		id = stacks->columns[MR_STACKS_PARENT][row];
	}
	return depth;
}

Test(tracker, a_trace__begins_where_the_object_was_announced)
{
	enum { COUNT = 20 };
	struct log_content content;
	struct node nodes[COUNT] = { { 0 } };
	struct memcapture_class_options options = flat_options;
	uint64_t code[2];
	uint64_t code_deeper[2];

	options.trace = 1;
	struct memcapture_class *const klass = memcapture_track_class(capture, &options);
	for (size_t i = 0; i < COUNT; i++) {
		if (i % 2 == 0)
			track_inside(klass, &nodes[i]);
		else
			track_deeper(klass, &nodes[i]);
	}
	finish(&content);

	struct log_rows births = log_rows_of(&content, MR_KIND_BIRTHS);
	struct log_rows stacks = log_rows_of(&content, MR_KIND_STACKS);
	struct log_rows codes = log_rows_of(&content, MR_KIND_CODE);
	struct log_rows modules = log_rows_of(&content, MR_KIND_MODULES);
	const uint64_t *const stack = births.columns[MR_BIRTHS_STACK];
	for (size_t i = 2; i < COUNT; i++)
		cr_assert_eq(stack[i], stack[i % 2]);
	cr_assert_neq(stack[0], stack[1]);

	const size_t depth = stack_depth(&stacks, stack[0], code);
	cr_assert_gt(depth, 2);
	cr_assert_eq(stack_depth(&stacks, stack[1], code_deeper), depth < 32 ? depth + 1 : 32);
	cr_assert_eq(code[0], code_deeper[0]);
	cr_assert_neq(code[1], code_deeper[1]);
	const size_t row = log_rows_find(&codes, MR_CODE_ID, code[0]);
	assert_text(&content, codes.columns[MR_CODE_FUNCTION][row], "track_inside");
	assert_text(&content, codes.columns[MR_CODE_FILE][row], __FILE__);
	cr_assert_gt(codes.columns[MR_CODE_LINE][row], 0);
	const size_t outer = log_rows_find(&codes, MR_CODE_ID, code[1]);
	const size_t module = log_rows_find(&modules, MR_MODULES_ID, codes.columns[MR_CODE_MODULE][outer]);
	cr_assert_eq(codes.columns[MR_CODE_FUNCTION][outer], 0);
	cr_assert_neq(module, SIZE_MAX);
	char *const name = log_content_string(&content, modules.columns[MR_MODULES_PATH][module]);
	cr_assert_not_null(strstr(name, "test_tracker"));
	free(name);
	log_rows_release(&births);
	log_rows_release(&stacks);
	log_rows_release(&codes);
	log_rows_release(&modules);
	log_content_release(&content);
}

Test(tracker, marks__have_a_time_a_text_and_a_thread)
{
	struct log_content content;

	cr_assert_eq(memcapture_mark(capture, "loaded"), 0);
	cr_assert_eq(memcapture_mark(capture, "saved"), 0);
	finish(&content);

	struct log_rows marks = log_rows_of(&content, MR_KIND_MARKS);
	struct log_rows threads = log_rows_of(&content, MR_KIND_THREADS);
	cr_assert_eq(marks.count, 2);
	assert_text(&content, marks.columns[MR_MARKS_TEXT][0], "loaded");
	assert_text(&content, marks.columns[MR_MARKS_TEXT][1], "saved");
	cr_assert_leq(marks.columns[MR_MARKS_TIME][0], marks.columns[MR_MARKS_TIME][1]);
	cr_assert_eq(threads.count, 1);
	cr_assert_eq(threads.columns[MR_THREADS_ID][0], marks.columns[MR_MARKS_THREAD][0]);
	cr_assert_eq(threads.columns[MR_THREADS_TID][0], (uint64_t)gettid());
	log_rows_release(&marks);
	log_rows_release(&threads);
	log_content_release(&content);
}
