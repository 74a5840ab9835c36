/* SPDX-License-Identifier: MIT
 *
 * See memrecord_channel.h.  A channel is let go of when it was closed, or when
 * its process is known to have ended, never on a guess: a program whose channel
 * nobody empties waits for as long as memrecord's heart beats.
 */
#include "memrecord_channel.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "channel.h"
#include "event_drain.h"
#include "futex.h"
#include "memrecord_folder.h"

#define BEAT_NS UINT64_C(50000000)  /* the heart's, and the longest wait */
#define BUSY_NS UINT64_C(10000000)  /* the wait when the last look found something */
#define WAIT_NS UINT64_C(500000000) /* the waiter's */
#define CHANNELS_MAX 4096

struct attached {
	struct mr_channel *channel;
	struct mr_drain *drain;
	uint32_t pid; /* this and the next: of the file's name */
	uint64_t start_ticks;
	uint64_t bytes; /* that had been taken at the last look */
};

struct scan {
	struct mr_channels *channels;
	struct mr_log_writer *writer;
};

struct mr_channels {
	struct mr_folder folder;
	mr_channel_found *found;
	void *context;
	int fd;        /* epoll over the next two */
	int called_fd; /* eventfd: the waiter was woken by a program */
	struct attached *attached;
	size_t count;
	size_t capacity;
	uint64_t due_ns;
	pthread_t waiter;
	bool waiter_runs;
	_Atomic uint32_t waiter_stop;
	_Atomic uint32_t runs; /* counts looks at the channels: the waiter waits for one after each call */
	struct mr_channels_totals totals; /* of those that were let go of */
	struct mr_error complaint;
};

/* ---- The thread that waits for programs ---------------------------------------- */

static void *wait_for_programs(void *argument)
{
	struct mr_channels *const channels = argument;
	const uint64_t one = 1;

	while (!atomic_load(&channels->waiter_stop)) {
		const uint32_t runs = atomic_load(&channels->runs);

		mr_channel_wait(channels->folder.page, WAIT_NS);
		if (write(channels->called_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
			return NULL;
		if (atomic_load(&channels->waiter_stop))
			return NULL;
		mr_futex_wait(&channels->runs, runs, WAIT_NS);
	}
	return NULL;
}

/* Without the thread, channels are looked at every 10 to 50 ms all the same. */
static void waiter_start(struct mr_channels *channels)
{
	sigset_t all;
	sigset_t before;

	if (channels->waiter_runs)
		return;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	channels->waiter_runs = pthread_create(&channels->waiter, NULL, wait_for_programs, channels) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void waiter_stop(struct mr_channels *channels)
{
	if (!channels->waiter_runs)
		return;
	atomic_store(&channels->waiter_stop, 1);
	atomic_store(&channels->folder.page->wake, 1);
	mr_futex_wake(&channels->folder.page->wake);
	atomic_fetch_add(&channels->runs, 1);
	mr_futex_wake(&channels->runs);
	(void)pthread_join(channels->waiter, NULL);
}

/* ---- Beginning and end --------------------------------------------------------- */

static bool watch(int epoll_fd, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

int mr_channels_new(struct mr_channels **channels, mr_channel_found *found, void *context,
                    struct mr_error *err)
{
	struct mr_channels *const made = mr_alloc(sizeof(*made));
	int code;

	MR_FAIL_IF(!made, err, MR_ERR_NOMEM, "out of memory for channels");
	made->found = found;
	made->context = context;
	made->fd = epoll_create1(EPOLL_CLOEXEC);
	made->called_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	code = mr_folder_make(&made->folder, err);
	if (code == MR_OK && (!watch(made->fd, made->folder.inotify_fd) || !watch(made->fd, made->called_fd)))
		code = mr_fail(err, MR_ERR_WRITE, "cannot watch '%s': %s", made->folder.path,
		               strerror(errno));
	if (code < 0) {
		mr_channels_free(made);
		return code;
	}
	*channels = made;
	return MR_OK;
}

static void add_counts(struct mr_channels_totals *totals, const struct mr_drain *drain)
{
	struct mr_drain_counts counts;

	mr_folder_guard_begin();
	mr_drain_counts(drain, &counts);
	mr_folder_guard_end();
	totals->waits += counts.waits;
	totals->wait_ns += counts.wait_ns;
	totals->dropped += counts.dropped;
}

void mr_channels_totals(const struct mr_channels *channels, struct mr_channels_totals *totals)
{
	*totals = channels->totals;
	for (size_t i = 0; i < channels->count; i++)
		add_counts(totals, channels->attached[i].drain);
}

static void let_go(struct mr_channels *channels, size_t i)
{
	add_counts(&channels->totals, channels->attached[i].drain);
	mr_drain_free(channels->attached[i].drain);
	mr_channel_close(channels->attached[i].channel);
	channels->attached[i] = channels->attached[--channels->count];
}

void mr_channels_free(struct mr_channels *channels)
{
	const int fds[] = { channels ? channels->fd : -1, channels ? channels->called_fd : -1 };

	if (!channels)
		return;
	waiter_stop(channels);
	while (channels->count > 0)
		let_go(channels, channels->count - 1);
	mr_folder_release(&channels->folder);
	for (size_t i = 0; i < MR_ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	mr_free(channels->attached);
	mr_free(channels);
}

const char *mr_channels_folder(const struct mr_channels *channels)
{
	return channels->folder.path;
}

int mr_channels_fd(const struct mr_channels *channels)
{
	return channels->fd;
}

uint64_t mr_channels_due_ns(const struct mr_channels *channels)
{
	return channels->due_ns;
}

const char *mr_channels_complaint(const struct mr_channels *channels)
{
	return channels->complaint.code ? channels->complaint.message : NULL;
}

/* ---- New channels ------------------------------------------------------------------ */

/* False: there are as many as there may be, or no memory for another. */
static bool take_channel(void *context, const struct mr_folder_channel *found)
{
	struct scan *const scan = context;
	struct mr_channels *const channels = scan->channels;
	struct attached attached = { found->channel, NULL, found->pid, found->start_ticks, 0 };

	if (channels->count >= CHANNELS_MAX ||
	    mr_grow(&channels->attached, &channels->capacity, channels->count + 1,
	            sizeof(*channels->attached)) < 0 ||
	    mr_drain_new(&attached.drain, found->channel, scan->writer,
	                 mr_log_writer_add_stream(scan->writer), &channels->complaint) < 0) {
		mr_channel_close(found->channel);
		return false;
	}
	channels->attached[channels->count++] = attached;
	channels->totals.count++;
	waiter_start(channels);
	channels->found(channels->context, attached.pid, attached.start_ticks);
	return true;
}

static void scan_folder(struct mr_channels *channels, struct mr_log_writer *writer)
{
	struct scan scan = { channels, writer };

	mr_folder_scan(&channels->folder, take_channel, &scan, &channels->complaint);
}

/* ---- Looking ----------------------------------------------------------------------- */

/* Takes what there is; true when there was something. */
static bool drain(struct mr_channels *channels, struct attached *attached)
{
	struct mr_drain_counts counts;

	mr_folder_guard_begin();
	(void)(mr_drain_run(attached->drain, &channels->complaint) < 0); /* said once, at the end */
	mr_drain_counts(attached->drain, &counts);
	mr_folder_guard_end();
	const bool busy = counts.bytes != attached->bytes;

	attached->bytes = counts.bytes;
	return busy;
}

void mr_channels_run(struct mr_channels *channels, struct mr_log_writer *writer)
{
	uint64_t calls;
	bool busy = false;

	mr_channel_heartbeat(channels->folder.page);
	scan_folder(channels, writer);
	(void)(read(channels->called_fd, &calls, sizeof(calls)) < 0); /* only to empty it */
	for (size_t i = channels->count; i > 0; i--) {
		busy = drain(channels, &channels->attached[i - 1]) || busy;
		if (mr_drain_finished(channels->attached[i - 1].drain))
			let_go(channels, i - 1);
	}
	atomic_fetch_add(&channels->runs, 1);
	if (channels->waiter_runs)
		mr_futex_wake(&channels->runs);
	channels->due_ns = mr_clock_monotonic_ns() + (busy ? BUSY_NS : BEAT_NS);
}

void mr_channels_ended(struct mr_channels *channels, uint32_t pid, uint64_t start_ticks,
                       struct mr_log_writer *writer)
{
	scan_folder(channels, writer);
	for (size_t i = channels->count; i > 0; i--) {
		struct attached *const attached = &channels->attached[i - 1];

		if (attached->pid != pid || attached->start_ticks != start_ticks)
			continue;
		(void)drain(channels, attached);
		let_go(channels, i - 1);
	}
}
