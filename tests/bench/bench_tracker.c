/* SPDX-License-Identifier: MIT
 *
 * What tracking costs the program: each mode measures one thing in a process
 * of its own and prints lines "NAME VALUE", which tests/bench/run repeats and
 * puts side by side with what is asked for.
 *
 * usage: bench_tracker MODE LOG
 */
#include "memcapture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OBJECTS 1000000u
#define PAIRS 2000000u
#define REFERENTS 4u
#define REFERENT_BYTES 32u

struct item {
	uint64_t payload[5];
	uint64_t size_bytes; /* what item_measure() says */
	void *parts[REFERENTS];
};

static const struct memcapture_field item_fields[] = {
	MEMCAPTURE_BLOCK(struct item, parts[0], REFERENT_BYTES),
	MEMCAPTURE_BLOCK(struct item, parts[1], REFERENT_BYTES),
	MEMCAPTURE_BLOCK(struct item, parts[2], REFERENT_BYTES),
	MEMCAPTURE_BLOCK(struct item, parts[3], REFERENT_BYTES),
};
static const struct memcapture_layout flat_layout = { "item", sizeof(struct item), NULL, 0, NULL, NULL };
static const struct memcapture_layout deep_layout = { "item",      sizeof(struct item),
	                                              item_fields, REFERENTS,
	                                              NULL,        NULL };

static size_t item_measure(const void *object)
{
	return (size_t)((const struct item *)object)->size_bytes;
}

static const struct memcapture_layout measured_layout = { "item", 0, NULL, 0, item_measure, NULL };

static void fail(const char *what)
{
	fprintf(stderr, "bench_tracker: %s\n", what);
	exit(1);
}

static double clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Processor time of all threads but this one: the writer's. */
static double other_threads_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID) - clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* "VmRSS:" or "VmHWM:" of this process, in bytes. */
static double status_bytes(const char *key)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];
	double bytes = 0;

	while (status && fgets(line, sizeof(line), status))
		if (strncmp(line, key, strlen(key)) == 0)
			bytes = strtod(line + strlen(key), NULL) * 1024;
	if (status)
		fclose(status);
	return bytes;
}

/* The high-water mark starts again at what is resident now (proc(5)). */
static void reset_peak(void)
{
	FILE *control = fopen("/proc/self/clear_refs", "w");

	if (control) {
		fputs("5", control);
		fclose(control);
	}
}

static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static struct memcapture *open_log(const char *path)
{
	struct memcapture *capture = NULL;
	struct memcapture_error error;

	if (memcapture_open(&capture, path, &error) < 0)
		fail(error.message);
	return capture;
}

static void close_log(struct memcapture *capture)
{
	struct memcapture_error error;

	if (memcapture_status(capture, &error) < 0)
		fail(error.message);
	if (memcapture_close(capture, &error) < 0)
		fail(error.message);
}

static struct memcapture_class *make_class(struct memcapture *capture, const struct memcapture_layout *layout,
                                           unsigned level)
{
	const struct memcapture_class_options options = { .name = "Item",
		                                          .layout = layout,
		                                          .resolution_level = level };
	struct memcapture_class *klass = memcapture_track_class(capture, &options);

	if (!klass)
		fail("no class");
	return klass;
}

static struct item **make_items(size_t count, int with_parts)
{
	struct item **items = calloc(count, sizeof(struct item *));

	if (!items)
		fail("no memory");
	for (size_t i = 0; i < count; i++) {
		items[i] = calloc(1, sizeof(struct item));
		if (!items[i])
			fail("no memory");
		items[i]->size_bytes = 64 + random_next() % 4096;
		for (size_t part = 0; with_parts && part < REFERENTS; part++)
			items[i]->parts[part] = calloc(1, REFERENT_BYTES);
	}
	return items;
}

static void track_all(struct memcapture_class *klass, struct item **items)
{
	for (size_t i = 0; i < OBJECTS; i++)
		if (memcapture_track(klass, items[i]) < 0)
			fail("cannot track");
}

static void print_result(const char *name, double value)
{
	printf("%s %.6g\n", name, value);
}

/* ---- Modes ----------------------------------------------------------------- */

/* Wall time; adds the processor time of this thread to *CPU_NS. */
static double timed_snapshot(struct memcapture *capture, double *cpu_ns)
{
	const double started = clock_ns(CLOCK_MONOTONIC);
	const double started_cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	if (memcapture_snapshot(capture, NULL) < 0)
		fail("no snapshot");
	*cpu_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - started_cpu;
	return clock_ns(CLOCK_MONOTONIC) - started;
}

static int compare_doubles(const void *a, const void *b)
{
	const double x = *(const double *)a;
	const double y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Snapshots of a million objects, in their order of allocation: time, memory. */
static void snapshots(const char *log, const struct memcapture_layout *layout, unsigned level, int with_parts)
{
	double times[5];
	double cpu_ns = 0;
	double cpu_ignored = 0;
	struct item **items = make_items(OBJECTS, with_parts);
	struct memcapture *capture = open_log(log);
	struct memcapture_class *klass = make_class(capture, layout, level);
	const double rss_before = status_bytes("VmRSS:");

	track_all(klass, items);
	usleep(1200000); /* the writer takes what is on its way to it */
	const double rss_tracked = status_bytes("VmRSS:");

	reset_peak();
	const double writer_before = other_threads_ns();

	for (size_t i = 0; i < 5; i++)
		times[i] = timed_snapshot(capture, &cpu_ns);
	const double rss_peak = status_bytes("VmHWM:");

	usleep(1200000);
	const double rss_few = status_bytes("VmRSS:");

	print_result("writer", (other_threads_ns() - writer_before) / 5 / OBJECTS);
	for (size_t i = 0; i < 10; i++)
		(void)timed_snapshot(capture, &cpu_ignored);
	usleep(1200000);
	const double rss_many = status_bytes("VmRSS:");

	qsort(times, 5, sizeof(times[0]), compare_doubles);
	print_result("snapshot", times[2] / OBJECTS);
	print_result("cpu", cpu_ns / 5 / OBJECTS);
	print_result("object_bytes", (rss_tracked - rss_before) / OBJECTS);
	print_result("snapshot_bytes", (rss_peak - rss_tracked) / OBJECTS);
	print_result("growth_bytes", (rss_many - rss_few) / 10);
	close_log(capture);
}

/* What else is tracked while objects come and go. */
enum pair_mode {
	PAIR_ALONE, /* nothing; a thousand objects come and go, one at a time */
	PAIR_LIVE,  /* a million; others, at addresses far apart, come and go */
	PAIR_CHURN, /* a million; one of them, at random, goes and comes again */
};

#define FRESH_OBJECTS (1u << 18)

struct pair_work {
	struct memcapture *capture;
	struct memcapture_class *klass;
	/* Which items, one after the other: a list of its own, so that finding the
	 * next one costs no cache miss that would count as the tracker's. */
	struct item *const *order;
	size_t order_mask;
	enum pair_mode mode;
	double elapsed_ns;
	double cpu_ns;
};

static void *do_pairs(void *context)
{
	struct pair_work *work = context;
	const double started = clock_ns(CLOCK_MONOTONIC);
	const double started_cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);

	for (size_t i = 0; i < PAIRS; i++) {
		struct item *item = work->order[i & work->order_mask];

		if (work->mode == PAIR_CHURN) {
			memcapture_forget(work->capture, item);
			(void)memcapture_track(work->klass, item);
		} else {
			(void)memcapture_track(work->klass, item);
			memcapture_forget(work->capture, item);
		}
	}
	work->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - started_cpu;
	work->elapsed_ns = clock_ns(CLOCK_MONOTONIC) - started;
	return NULL;
}

/* Which item is the I-th of a thread: odd ones for one thread, even ones for the other. */
static uint32_t pair_item(enum pair_mode mode, size_t i, size_t thread)
{
	const size_t index = mode == PAIR_ALONE  ? i
	                     : mode == PAIR_LIVE ? OBJECTS / 2 + random_next() % (FRESH_OBJECTS / 2)
	                                         : random_next() % (OBJECTS / 2);

	return (uint32_t)(2 * index + thread);
}

/* Pairs by THREADS threads, each on items of its own. */
static void pairs(const char *log, size_t threads, enum pair_mode mode)
{
	const size_t order_len = mode == PAIR_ALONE ? 1024 : FRESH_OBJECTS;
	struct item **items = make_items(OBJECTS + FRESH_OBJECTS, 0);
	struct item **order = calloc(2 * order_len, sizeof(struct item *));
	struct memcapture *capture = open_log(log);
	struct memcapture_class *klass = make_class(capture, &flat_layout, 0);
	struct pair_work work[2] = { { .mode = mode }, { .mode = mode } };
	pthread_t ids[2];
	double slowest = 0;
	double slowest_cpu = 0;

	if (!order)
		fail("no memory");
	for (size_t i = 0; i < 2 * order_len; i++)
		order[i] = items[pair_item(mode, i % order_len, i / order_len)];
	if (mode != PAIR_ALONE)
		track_all(klass, items);
	usleep(300000);
	const double writer_before = other_threads_ns();

	for (size_t i = 0; i < threads; i++) {
		work[i].capture = capture;
		work[i].klass = klass;
		work[i].order = order + i * order_len;
		work[i].order_mask = order_len - 1;
		if (threads > 1 && pthread_create(&ids[i], NULL, do_pairs, &work[i]) != 0)
			fail("no thread");
	}
	if (threads == 1)
		do_pairs(&work[0]);
	for (size_t i = 0; i < threads; i++) {
		if (threads > 1)
			pthread_join(ids[i], NULL);
		if (work[i].elapsed_ns > slowest)
			slowest = work[i].elapsed_ns;
		if (work[i].cpu_ns > slowest_cpu)
			slowest_cpu = work[i].cpu_ns;
	}
	close_log(capture);
	print_result("pair", slowest / PAIRS);
	print_result("cpu", slowest_cpu / PAIRS);
	if (threads == 1)
		print_result("writer", (other_threads_ns() - writer_before) / PAIRS);
}

/* Bytes of the log when the writer has caught up: it completes a frame each second. */
static double settled_size(const char *log)
{
	struct stat status;

	usleep(1500000);
	return stat(log, &status) == 0 ? (double)status.st_size : 0;
}

/* A log of a million objects and COUNT snapshots; with CHANGED, every size
 * differs each time. */
static void write_log(const char *log, unsigned count, int changed)
{
	struct item **items = make_items(OBJECTS, 0);
	struct memcapture *capture = open_log(log);
	struct memcapture_class *klass = make_class(capture, &measured_layout, 0);
	double cpu_ignored = 0;
	double size_before = 0;

	track_all(klass, items);
	for (unsigned i = 0; i < count; i++) {
		(void)timed_snapshot(capture, &cpu_ignored);
		if (i == 0)
			size_before = settled_size(log);
		for (size_t item = 0; changed && item < OBJECTS; item++)
			items[item]->size_bytes += 1 + random_next() % 1000;
	}
	print_result("bytes", (settled_size(log) - size_before) / (count - 1) / OBJECTS);
	close_log(capture);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: bench_tracker MODE LOG\n");
		return 2;
	}
	const char *mode = argv[1];
	const char *log = argv[2];

	if (strcmp(mode, "flat") == 0)
		snapshots(log, &flat_layout, 0, 0);
	else if (strcmp(mode, "deep") == 0)
		snapshots(log, &deep_layout, 1, 1);
	else if (strcmp(mode, "pair") == 0)
		pairs(log, 1, PAIR_ALONE);
	else if (strcmp(mode, "pair-2") == 0)
		pairs(log, 2, PAIR_ALONE);
	else if (strcmp(mode, "pair-live") == 0)
		pairs(log, 1, PAIR_LIVE);
	else if (strcmp(mode, "pair-live-2") == 0)
		pairs(log, 2, PAIR_LIVE);
	else if (strcmp(mode, "pair-churn") == 0)
		pairs(log, 1, PAIR_CHURN);
	else if (strcmp(mode, "pair-churn-2") == 0)
		pairs(log, 2, PAIR_CHURN);
	else if (strcmp(mode, "log-same") == 0)
		write_log(log, 11, 0);
	else if (strcmp(mode, "log-changed") == 0)
		write_log(log, 11, 1);
	else if (strcmp(mode, "log-10") == 0)
		write_log(log, 10, 0);
	else
		fail("no such mode");
	return 0;
}
