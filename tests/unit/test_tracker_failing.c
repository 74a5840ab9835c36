/* SPDX-License-Identifier: MIT
 *
 * libmemcapture without memory: whichever allocation is the first to fail, the
 * program goes on, is told, and nothing is left behind.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "log_content.h"
#include "memcapture.h"
#include "memory_failing_pages.h"

TestSuite(tracker_failing);

#define NODES 600

struct node {
	char *name;
	struct node *next;
};

static const struct memcapture_layout node_layout;
static const struct memcapture_field node_fields[] = {
	MEMCAPTURE_STRING(struct node, name),
	MEMCAPTURE_OBJECT(struct node, next, &node_layout),
};
static const struct memcapture_layout node_layout = MEMCAPTURE_LAYOUT(struct node, node_fields);
static const struct memcapture_layout flat_layout = MEMCAPTURE_FLAT(struct node);
static struct node nodes[NODES];
static char path[64];

static void node_describe(const void *object, char *text, size_t text_size)
{
	snprintf(text, text_size, "node %p", object);
}

static void track_all(struct memcapture_class *flat, struct memcapture_class *walked)
{
	for (size_t i = 0; i < NODES; i++)
		(void)memcapture_track(i % 2 ? flat : walked, &nodes[i]);
}

/* A bit of everything; codes do not matter, as long as nothing breaks. */
static int run_through(void)
{
	struct memcapture *capture = NULL;
	struct memcapture_class_options options = { .name = "Flat", .layout = &flat_layout };
	struct memcapture_error error = { 0 };
	char name[] = "name";

	if (memcapture_open(&capture, path, &error) < 0) {
		cr_assert_null(capture);
		cr_assert_neq(error.message[0], '\0');
		return error.code;
	}
	for (size_t i = 0; i < NODES; i++)
		nodes[i].name = name;
	struct memcapture_class *const flat = memcapture_track_class(capture, &options);
	options = (struct memcapture_class_options){ .name = "Walked",
		                                     .layout = &node_layout,
		                                     .resolution_level = 2,
		                                     .keep = 1,
		                                     .trace = 1,
		                                     .describe = node_describe };
	struct memcapture_class *const walked = memcapture_track_class(capture, &options);
	track_all(flat, walked);
	(void)memcapture_snapshot(capture, "first");
	for (size_t i = 0; i < NODES; i += 3)
		memcapture_forget(capture, &nodes[i]);
	track_all(flat, walked);
	(void)memcapture_morph(flat, &nodes[0]);
	(void)memcapture_track_change(capture, &nodes[0], 3);
	memcapture_forget(capture, &nodes[9]);
	(void)memcapture_move(capture, &nodes[8], &nodes[9]);
	(void)memcapture_snapshot(capture, "second");
	(void)memcapture_mark(capture, "mark");
	(void)memcapture_clear(capture, NULL);
	(void)memcapture_track_class(capture, &options);
	track_all(flat, walked);
	(void)memcapture_start_periodic_snapshots(capture, 100);
	const int status = memcapture_status(capture, NULL);
	const int code = memcapture_close(capture, NULL);
	return status < 0 ? status : code;
}

Test(tracker_failing, whichever_allocation_fails_first__the_program_goes_on, .timeout = 240)
{
	struct log_content content;
	size_t count = 0;
	size_t told = 0;

	unsetenv("MEMCAPTURE_LOG");
	unsetenv("MEMCAPTURE_CHANNEL");
	snprintf(path, sizeof(path), "/tmp/test_tracker_failing.%d.dat", (int)getpid());
	memory_pages_fail_after(SIZE_MAX);
	cr_assert_eq(run_through(), 0);
	cr_assert_eq(memory_pages_blocks(), 0, "left behind: %zu", memory_pages_blocks());

	/* The number of allocations depends on when the flush thread runs, so the end is found by trying. */
	for (size_t quiet = 0; quiet < 3; count += 1 + count / 40) {
		memory_pages_fail_after(count);
		const int code = run_through();
		const size_t failures = memory_pages_failures();

		memory_pages_fail_after(SIZE_MAX);
		cr_assert_eq(memory_pages_blocks(), 0, "%zu left behind after %zu", memory_pages_blocks(),
		             count);
		quiet = failures == 0 ? quiet + 1 : 0;
		told += code < 0;
		if (failures == 0)
			cr_assert_eq(code, 0);
	}
	cr_assert_gt(told, 20);
	log_content_load(&content, path);
	cr_assert_gt(content.len, 0);
	log_content_release(&content);
	unlink(path);
}
