/* SPDX-License-Identifier: MIT
 *
 * The line is written by a thread of its own, so that it goes on whatever the
 * command waits for.
 */
#include "progress.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define FIRST_NS UINT64_C(1000000000)
#define EACH_NS UINT64_C(250000000)
#define SECOND_NS UINT64_C(1000000000)
#define LINE_MAX_LEN 78 /* so that it does not wrap */

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t stopped;
	pthread_t thread;
	const char *name;
	bool running;
	bool stop;
	int shown; /* columns that the line takes now */
} progress = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* What cannot be written to a terminal is not missed. */
static void write_line(const char *text, int len)
{
	if (write(STDERR_FILENO, text, (size_t)len) < 0)
		progress.shown = 0;
}

static void show(uint64_t elapsed_ns)
{
	char line[LINE_MAX_LEN + 2];
	char what[64] = "reading";
	uint64_t done, wanted;

	mr_progress_frames(&done, &wanted);
	if (wanted > 0 && done < wanted)
		snprintf(what, sizeof(what), "reading, %" PRIu64 " of %" PRIu64 " frames", done, wanted);
	else if (wanted > 0)
		snprintf(what, sizeof(what), "working");

	int len = snprintf(line, sizeof(line), "\r%s: %s, %" PRIu64 " s", progress.name, what,
	                   elapsed_ns / SECOND_NS);
	if (len < 0 || len > LINE_MAX_LEN)
		return;
	/* What is left of a longer line before it. */
	const int columns = len - 1;
	while (len - 1 < progress.shown && len <= LINE_MAX_LEN)
		line[len++] = ' ';
	progress.shown = columns;
	write_line(line, len);
}

static void erase(void)
{
	char line[LINE_MAX_LEN + 3];

	if (progress.shown == 0)
		return;
	const int len = snprintf(line, sizeof(line), "\r%*s\r", progress.shown, "");
	if (len > 0 && (size_t)len < sizeof(line))
		write_line(line, len);
	progress.shown = 0;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static void *run(void *unused)
{
	const uint64_t start_ns = now_ns();
	uint64_t next_ns = start_ns + FIRST_NS;

	pthread_mutex_lock(&progress.mutex);
	while (!progress.stop) {
		const struct timespec until = { .tv_sec = (time_t)(next_ns / SECOND_NS),
			                        .tv_nsec = (long)(next_ns % SECOND_NS) };
		pthread_cond_timedwait(&progress.stopped, &progress.mutex, &until);
		const uint64_t now = now_ns();
		if (progress.stop || now < next_ns)
			continue;
		show(now - start_ns);
		next_ns = now + EACH_NS;
	}
	erase();
	pthread_mutex_unlock(&progress.mutex);
	return unused;
}

void mr_progress_start(const char *name)
{
	const char *const terminal = getenv("TERM");
	pthread_condattr_t attributes;
	sigset_t all, before;

	if (progress.running || !isatty(STDERR_FILENO) || (terminal != NULL && strcmp(terminal, "dumb") == 0))
		return;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&progress.stopped, &attributes);
	pthread_condattr_destroy(&attributes);
	progress.name = name;
	progress.stop = false;
	progress.shown = 0;
	/* The command's signals are for its main thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	progress.running = pthread_create(&progress.thread, NULL, run, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!progress.running)
		pthread_cond_destroy(&progress.stopped);
}

void mr_progress_stop(void)
{
	if (!progress.running)
		return;
	pthread_mutex_lock(&progress.mutex);
	progress.stop = true;
	pthread_cond_signal(&progress.stopped);
	pthread_mutex_unlock(&progress.mutex);
	pthread_join(progress.thread, NULL);
	pthread_cond_destroy(&progress.stopped);
	progress.running = false;
}
