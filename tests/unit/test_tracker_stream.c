/* SPDX-License-Identifier: MIT
 *
 * What libmemcapture's log says of its process and of its own end, and the ways
 * in which there is no log, or no room for it.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "log_content.h"
#include "memcapture.h"

struct thing {
	char bytes[32];
};

static const struct memcapture_layout thing_layout = MEMCAPTURE_FLAT(struct thing);
static const struct memcapture_class_options thing_options = { .name = "Thing", .layout = &thing_layout };

static char path[64];
static struct memcapture *capture;

static void begin(void)
{
	struct memcapture_error error;

	unsetenv("MEMCAPTURE_LOG");
	unsetenv("MEMCAPTURE_CHANNEL");
	snprintf(path, sizeof(path), "/tmp/test_tracker_stream.%d.dat", (int)getpid());
	cr_assert_eq(memcapture_open(&capture, path, &error), 0, "%s", error.message);
	cr_assert_not_null(capture);
}

TestSuite(tracker_stream, .init = begin);

/* Closes the capture; what it wrote. */
static void finish(struct log_content *content)
{
	struct memcapture_error error;

	cr_assert_eq(memcapture_close(capture, &error), 0, "%s", error.message);
	log_content_load(content, path);
	unlink(path);
}

Test(tracker_stream, the_log__says_which_process_it_is_of_and_how_it_ended)
{
	struct log_content content;

	finish(&content);
	struct log_rows streams = log_rows_of(&content, MR_KIND_STREAM);
	struct log_rows process = log_rows_of(&content, MR_KIND_PROCESS);
	struct log_rows ends = log_rows_of(&content, MR_KIND_END);
	struct log_rows counters = log_rows_of(&content, MR_KIND_COUNTERS);
	struct log_rows samples = log_rows_of(&content, MR_KIND_SAMPLES);
	cr_assert_eq(streams.count, 1);
	cr_assert_eq(streams.columns[MR_STREAM_PID][0], (uint64_t)getpid());
	cr_assert_eq(streams.columns[MR_STREAM_SOURCE][0], MR_SOURCE_TRACKER);
	cr_assert_gt(streams.columns[MR_STREAM_START_TICKS][0], 0);
	cr_assert_eq(process.count, 1);
	cr_assert_eq(process.columns[MR_PROCESS_PARENT_PID][0], (uint64_t)getppid());
	char *const executable = log_content_string(&content, process.columns[MR_PROCESS_EXECUTABLE][0]);
	cr_assert_not_null(strstr(executable, "test_tracker_stream"));
	free(executable);
	cr_assert_eq(ends.columns[MR_END_REASON][0], MR_END_CLOSED);
	cr_assert_gt(counters.count, 5);
	cr_assert_gt(samples.count, 0);
	log_rows_release(&streams);
	log_rows_release(&process);
	log_rows_release(&ends);
	log_rows_release(&counters);
	log_rows_release(&samples);
	log_content_release(&content);
}

Test(tracker_stream, names_of_any_length__are_taken_and_cut)
{
	enum { LONG = 1 << 20 };
	struct log_content content;
	char *const name = malloc(LONG);
	struct thing thing = { 0 };

	cr_assert_not_null(name);
	memset(name, 'n', LONG);
	name[LONG - 1] = '\0';
	const struct memcapture_class_options options = { .name = name, .layout = &thing_layout };
	memcapture_track(memcapture_track_class(capture, &options), &thing);
	cr_assert_eq(memcapture_snapshot(capture, name), 0);
	cr_assert_eq(memcapture_mark(capture, name), 0);
	finish(&content);
	struct log_rows marks = log_rows_of(&content, MR_KIND_MARKS);
	char *const text = log_content_string(&content, marks.columns[MR_MARKS_TEXT][0]);
	cr_assert_eq(strlen(text), 64u << 10);
	free(text);
	free(name);
	log_rows_release(&marks);
	log_content_release(&content);
}

Test(tracker_stream, a_null_capture__is_taken_by_every_call)
{
	struct thing thing = { 0 };

	cr_assert_eq(memcapture_close(capture, NULL), 0);
	unlink(path);
	setenv("MEMCAPTURE_LOG", "off", 1);
	cr_assert_eq(memcapture_open(&capture, path, NULL), 0);
	cr_assert_null(capture);
	struct memcapture_class *const klass = memcapture_track_class(capture, &thing_options);
	cr_assert_null(klass);
	cr_assert_eq(memcapture_track(klass, &thing), 0);
	cr_assert_eq(memcapture_track_object(capture, &thing, &thing_options), 0);
	cr_assert_eq(memcapture_morph(klass, &thing), 0);
	cr_assert_eq(memcapture_move(capture, &thing, &thing + 1), 0);
	cr_assert_eq(memcapture_track_change(capture, &thing, 1), 0);
	memcapture_forget(capture, &thing);
	memcapture_hold(capture, &thing);
	memcapture_release(capture, &thing);
	memcapture_detach_class(klass);
	memcapture_detach_all_classes(capture);
	memcapture_detach_all(capture);
	cr_assert_eq(memcapture_clear(capture, NULL), 0);
	cr_assert_eq(memcapture_snapshot(capture, "none"), 0);
	cr_assert_eq(memcapture_mark(capture, "none"), 0);
	cr_assert_eq(memcapture_start_periodic_snapshots(capture, 1), 0);
	memcapture_stop_periodic_snapshots(capture);
	cr_assert_eq(memcapture_count(capture, klass), 0);
	cr_assert_eq(memcapture_status(capture, NULL), 0);
	cr_assert_eq(memcapture_close(capture, NULL), 0);
}

Test(tracker_stream, the_environment__names_another_file)
{
	struct memcapture_error error;
	char pattern[64];
	char expected[64];

	cr_assert_eq(memcapture_close(capture, NULL), 0);
	unlink(path);
	snprintf(pattern, sizeof(pattern), "/tmp/test_tracker_stream_%%p_env.dat");
	snprintf(expected, sizeof(expected), "/tmp/test_tracker_stream_%d_env.dat", (int)getpid());
	setenv("MEMCAPTURE_LOG", pattern, 1);
	cr_assert_eq(memcapture_open(&capture, path, &error), 0, "%s", error.message);
	cr_assert_eq(memcapture_close(capture, NULL), 0);
	cr_assert_eq(unlink(expected), 0);
	cr_assert_lt(unlink(path), 0);
}

Test(tracker_stream, a_log_that_cannot_be_created__is_an_error_with_a_sentence)
{
	struct memcapture *other;
	struct memcapture_error error;

	cr_assert_eq(memcapture_open(&other, "/nowhere/at/all.dat", &error), MEMCAPTURE_ERR_WRITE);
	cr_assert_null(other);
	cr_assert_not_null(strstr(error.message, "/nowhere/at/all.dat"));
	cr_assert_eq(memcapture_open(NULL, path, NULL), MEMCAPTURE_ERR_ARG);
	cr_assert_eq(memcapture_close(capture, NULL), 0);
	unlink(path);
}

Test(tracker_stream, a_full_disk__is_told_and_hurts_nobody)
{
	enum { COUNT = 50000 };
	static struct thing things[COUNT];
	struct memcapture *full = NULL;
	struct memcapture_error error;

	cr_assert_eq(memcapture_close(capture, NULL), 0);
	unlink(path);
	/* Writing the header fails already, or the first frame does. */
	if (memcapture_open(&full, "/dev/full", &error) == 0) {
		struct memcapture_class *const klass = memcapture_track_class(full, &thing_options);

		for (size_t i = 0; i < COUNT; i++)
			memcapture_track(klass, &things[i]);
		cr_assert_eq(memcapture_snapshot(full, NULL), 0);
		cr_assert_eq(memcapture_close(full, &error), MEMCAPTURE_ERR_WRITE);
	}
	cr_assert_eq(error.code, MEMCAPTURE_ERR_WRITE);
	cr_assert_not_null(strstr(error.message, "/dev/full"));
}
