/* SPDX-License-Identifier: MIT
 *
 * Threads that track, forget, move and change objects while others take
 * snapshots, under ThreadSanitizer.  What is counted at the end is known
 * beforehand, however the threads came to run.
 */
#include "memcapture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WORKERS 4
#define ROUNDS 300
#define KEPT 50 /* objects that each worker leaves tracked */

struct item {
	char *name;
	struct item *next;
};

static const struct memcapture_field item_fields[] = { MEMCAPTURE_STRING(struct item, name) };
static const struct memcapture_layout item_layout = {
	"item", sizeof(struct item), item_fields, 1, NULL, NULL
};

static struct memcapture *capture;
static struct memcapture_class *items;
static struct memcapture_class *specials;
static int failures;

static void require(int holds, const char *name)
{
	printf("%s %s\n", holds ? "ok" : "not ok", name);
	failures += !holds;
}

static struct item *item_new(void)
{
	struct item *item = calloc(1, sizeof(*item));

	if (!item)
		abort();
	item->name = calloc(1, 16);
	if (!item->name)
		abort();
	snprintf(item->name, 16, "worker's");
	return item;
}

static void item_free(struct item *item)
{
	memcapture_forget(capture, item);
	free(item->name);
	free(item);
}

/* Pointers of a tracked object change under a hold. */
static void rename_item(struct item *item)
{
	char *name = calloc(1, 32);

	if (!name)
		abort();
	snprintf(name, 32, "another name");
	memcapture_hold(capture, item);
	char *old = item->name;

	item->name = name;
	memcapture_release(capture, item);
	free(old);
}

static void *work(void *context)
{
	struct item **kept = context;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct item *item = item_new();

		(void)memcapture_track(items, item);
		rename_item(item);
		if (round % 3 == 0)
			(void)memcapture_morph(specials, item);
		if (round % 5 == 0)
			(void)memcapture_track_change(capture, item, 1);
		item_free(item);
	}
	for (unsigned i = 0; i < KEPT; i++) {
		kept[i] = item_new();
		(void)memcapture_track(items, kept[i]);
	}
	return NULL;
}

static void *take_snapshots(void *context)
{
	(void)context;
	for (unsigned i = 0; i < 20; i++) {
		(void)memcapture_snapshot(capture, "while others work");
		(void)memcapture_mark(capture, "a mark");
		(void)memcapture_count(capture, NULL);
	}
	return NULL;
}

int main(void)
{
	static struct item *kept[WORKERS][KEPT];
	const struct memcapture_class_options item_options = { .name = "Item",
		                                               .layout = &item_layout,
		                                               .keep = 1 };
	pthread_t workers[WORKERS];
	pthread_t snapshooter;
	struct memcapture_error error = { 0, "" };

	if (memcapture_open(&capture, "stress.dat", &error) < 0) {
		printf("not ok open: %s\n", error.message);
		return 1;
	}
	items = memcapture_track_class(capture, &item_options);
	const struct memcapture_class_options special_options = {
		.name = "Special", .layout = &item_layout, .parent = items, .trace = 1
	};

	specials = memcapture_track_class(capture, &special_options);
	(void)memcapture_start_periodic_snapshots(capture, 0.01);
	for (unsigned i = 0; i < WORKERS; i++)
		if (pthread_create(&workers[i], NULL, work, kept[i]) != 0)
			return 1;
	if (pthread_create(&snapshooter, NULL, take_snapshots, NULL) != 0)
		return 1;
	for (unsigned i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	pthread_join(snapshooter, NULL);
	memcapture_stop_periodic_snapshots(capture);
	require(memcapture_count(capture, NULL) == WORKERS * KEPT, "what_was_not_forgotten_is_counted");
	require(memcapture_count(capture, specials) == 0, "morphed_objects_are_gone");
	for (unsigned i = 0; i < WORKERS; i++)
		for (unsigned k = 0; k < KEPT; k++)
			item_free(kept[i][k]);
	require(memcapture_count(capture, NULL) == 0, "nothing_is_left");
	require(memcapture_status(capture, &error) == 0, "no_failure_was_met");
	require(memcapture_close(capture, &error) == 0, "the_log_was_ended");
	return failures > 0;
}
