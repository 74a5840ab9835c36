/* SPDX-License-Identifier: MIT
 *
 * See memrecord_channel.h.  A channel is let go of when it was closed, or when
 * its process is known to have ended, never on a guess: a program whose channel
 * nobody empties waits for as long as memrecord's heart beats.
 */
#include "memrecord_channel.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel.h"
#include "event_drain.h"
#include "futex.h"
#include "proc_memory.h"

#define BEAT_NS UINT64_C(50000000)  /* the heart's, and the longest wait */
#define BUSY_NS UINT64_C(10000000)  /* the wait when the last look found something */
#define WAIT_NS UINT64_C(500000000) /* the waiter's */
#define CHANNELS_MAX 4096
#define FOLDER_PREFIX "memrecord."
#define ABANDONED_NS UINT64_C(60000000000)

struct attached {
	struct mr_channel *channel;
	struct mr_drain *drain;
	uint32_t pid; /* this and the next: of the file's name */
	uint64_t start_ticks;
	uint64_t bytes; /* that had been taken at the last look */
};

struct mr_channels {
	char folder[PATH_MAX];
	mr_channel_found *found;
	void *context;
	struct mr_channel_writer *page;
	int fd;         /* epoll over the next two */
	int inotify_fd; /* new files in the folder */
	int called_fd;  /* eventfd: the waiter was woken by a program */
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

/* ---- Memory that vanishes ------------------------------------------------------
 *
 * A program can cut its file while we have it mapped.  Then a read of ours gets
 * SIGBUS; a page of zeros in the place of the one that is gone lets it go on, and
 * the drain finds nonsense and gives the ring up. */

static volatile sig_atomic_t draining;

static void on_bus_error(int number, siginfo_t *info, void *context)
{
	const uintptr_t page_size = 4096;
	void *const page = (void *)((uintptr_t)info->si_addr & ~(page_size - 1));

	(void)context;
	if (draining && info->si_code == BUS_ADRERR &&
	    mmap(page, page_size, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	            page)
		return;
	(void)signal(number, SIG_DFL); /* it happens again, and ends us */
}

static void guard_install(void)
{
	struct sigaction action = { .sa_flags = SA_SIGINFO };

	action.sa_sigaction = on_bus_error;
	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(SIGBUS, &action, NULL);
}

/* ---- The thread that waits for programs ---------------------------------------- */

static void *wait_for_programs(void *argument)
{
	struct mr_channels *const channels = argument;
	const uint64_t one = 1;

	while (!atomic_load(&channels->waiter_stop)) {
		const uint32_t runs = atomic_load(&channels->runs);

		mr_channel_wait(channels->page, WAIT_NS);
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
	atomic_store(&channels->page->wake, 1);
	mr_futex_wake(&channels->page->wake);
	atomic_fetch_add(&channels->runs, 1);
	mr_futex_wake(&channels->runs);
	(void)pthread_join(channels->waiter, NULL);
}

/* ---- The folder ------------------------------------------------------------------ */

static int make_folder(struct mr_channels *channels, struct mr_error *err)
{
	const char *const places[] = { getenv("XDG_RUNTIME_DIR"), "/dev/shm", "/tmp" };

	for (size_t i = 0; i < MR_ARRAY_LEN(places); i++) {
		if (!places[i] || places[i][0] != '/' ||
		    snprintf(channels->folder, sizeof(channels->folder), "%s/" FOLDER_PREFIX "XXXXXX",
		             places[i]) >= PATH_MAX / 2)
			continue;
		if (mkdtemp(channels->folder))
			return MR_OK;
	}
	channels->folder[0] = '\0';
	return mr_fail(err, MR_ERR_WRITE, "cannot make a folder for programs that track objects: %s",
	               strerror(errno));
}

static void file_path(const char *folder, const char *name, char path[PATH_MAX])
{
	/* The folder's path is at most half as long, a name at most 255 bytes. */
	(void)snprintf(path, PATH_MAX, "%.*s/%.255s", PATH_MAX / 2, folder, name);
}

static void remove_folder(const char *path)
{
	DIR *const folder = path[0] ? opendir(path) : NULL;
	const struct dirent *entry;

	while (folder && (entry = readdir(folder)) != NULL) {
		char file[PATH_MAX];

		file_path(path, entry->d_name, file);
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			(void)remove(file);
	}
	if (folder) {
		closedir(folder);
		(void)rmdir(path);
	}
}

/* A folder whose memrecord was killed: its heart has not beaten for a minute. */
static bool is_abandoned(const char *folder)
{
	struct mr_channel_writer page;
	struct stat info;
	char path[PATH_MAX];

	if (lstat(folder, &info) < 0 || !S_ISDIR(info.st_mode) || info.st_uid != geteuid())
		return false;
	file_path(folder, MR_CHANNEL_WRITER_NAME, path);
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return false;
	const int64_t got = mr_proc_read(fd, (char *)&page, sizeof(page));

	close(fd);
	return got == (int64_t)sizeof(page) && page.magic == MR_CHANNEL_MAGIC &&
	       mr_clock_monotonic_ns() > page.heartbeat_ns + ABANDONED_NS;
}

/* Removes what killed ones left beside our own folder: in /dev/shm it is memory. */
static void remove_abandoned(const char *own)
{
	char place[PATH_MAX];

	(void)snprintf(place, sizeof(place), "%.*s", (int)(strrchr(own, '/') - own), own);
	DIR *const folder = opendir(place);
	const struct dirent *entry;

	while (folder && (entry = readdir(folder)) != NULL) {
		char path[PATH_MAX];

		file_path(place, entry->d_name, path);
		if (strncmp(entry->d_name, FOLDER_PREFIX, strlen(FOLDER_PREFIX)) == 0 && is_abandoned(path))
			remove_folder(path);
	}
	if (folder)
		closedir(folder);
}

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
	made->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	made->called_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	code = make_folder(made, err);
	if (code == MR_OK)
		code = mr_channel_writer_create(&made->page, made->folder, err);
	if (code == MR_OK && (!watch(made->fd, made->inotify_fd) || !watch(made->fd, made->called_fd) ||
	                      inotify_add_watch(made->inotify_fd, made->folder, IN_CREATE | IN_MOVED_TO) < 0))
		code = mr_fail(err, MR_ERR_WRITE, "cannot watch '%s': %s", made->folder, strerror(errno));
	if (code < 0) {
		mr_channels_free(made);
		return code;
	}
	guard_install();
	remove_abandoned(made->folder);
	*channels = made;
	return MR_OK;
}

static void add_counts(struct mr_channels_totals *totals, const struct mr_drain *drain)
{
	struct mr_drain_counts counts;

	draining = 1;
	mr_drain_counts(drain, &counts);
	draining = 0;
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
	const int fds[] = { channels ? channels->fd : -1, channels ? channels->inotify_fd : -1,
		            channels ? channels->called_fd : -1 };

	if (!channels)
		return;
	waiter_stop(channels);
	remove_folder(channels->folder);
	while (channels->count > 0)
		let_go(channels, channels->count - 1);
	mr_channel_writer_close(channels->page);
	for (size_t i = 0; i < MR_ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	mr_free(channels->attached);
	mr_free(channels);
}

const char *mr_channels_folder(const struct mr_channels *channels)
{
	return channels->folder;
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

/* "PID.STARTTICKS" or "PID.STARTTICKS.N" */
static bool parse_name(const char *name, uint32_t *pid, uint64_t *start_ticks)
{
	const char *at = name;
	const char *const end = name + strlen(name);
	uint64_t number;

	if (!mr_proc_get_decimal(&at, end, &number) || number > INT32_MAX || *at++ != '.')
		return false;
	*pid = (uint32_t)number;
	return mr_proc_get_decimal(&at, end, start_ticks) && (*at == '\0' || *at == '.');
}

static int attach(struct mr_channels *channels, struct mr_log_writer *writer, const char *path,
                  struct attached *attached)
{
	struct mr_error *const err = &channels->complaint;
	struct stat info;

	MR_FAIL_IF(lstat(path, &info) < 0, err, MR_ERR_READ, "cannot look at '%s': %s", path,
	           strerror(errno));
	MR_FAIL_IF(!S_ISREG(info.st_mode) || info.st_uid != geteuid(), err, MR_ERR_FORMAT,
	           "'%s' is not a file of ours", path);
	MR_TRY(mr_channel_attach(&attached->channel, path, err));
	if (mr_drain_new(&attached->drain, attached->channel, writer, mr_log_writer_add_stream(writer), err) <
	    0) {
		mr_channel_close(attached->channel);
		return MR_ERR_NOMEM;
	}
	return MR_OK;
}

/* Attaches what lies in the folder.  A file that was looked at is removed: the
 * memory stays for as long as somebody maps it, and no longer. */
static void scan_folder(struct mr_channels *channels, struct mr_log_writer *writer)
{
	DIR *const folder = opendir(channels->folder);
	const struct dirent *entry;

	while (folder && channels->count < CHANNELS_MAX && (entry = readdir(folder)) != NULL) {
		struct attached attached = { 0 };
		char path[PATH_MAX];

		if (!parse_name(entry->d_name, &attached.pid, &attached.start_ticks))
			continue;
		file_path(channels->folder, entry->d_name, path);
		if (mr_grow(&channels->attached, &channels->capacity, channels->count + 1,
		            sizeof(*channels->attached)) < 0)
			break;
		const int code = attach(channels, writer, path, &attached);

		(void)remove(path);
		if (code < 0)
			continue;
		channels->attached[channels->count++] = attached;
		channels->totals.count++;
		waiter_start(channels);
		channels->found(channels->context, attached.pid, attached.start_ticks);
	}
	if (folder)
		closedir(folder);
}

static bool take_inotify(const struct mr_channels *channels)
{
	_Alignas(struct inotify_event) char events[4096];
	bool any = false;

	while (read(channels->inotify_fd, events, sizeof(events)) > 0)
		any = true;
	return any;
}

/* ---- Looking ----------------------------------------------------------------------- */

/* Takes what there is; true when there was something. */
static bool drain(struct mr_channels *channels, struct attached *attached)
{
	struct mr_drain_counts counts;

	draining = 1;
	(void)(mr_drain_run(attached->drain, &channels->complaint) < 0); /* said once, at the end */
	mr_drain_counts(attached->drain, &counts);
	draining = 0;
	const bool busy = counts.bytes != attached->bytes;

	attached->bytes = counts.bytes;
	return busy;
}

void mr_channels_run(struct mr_channels *channels, struct mr_log_writer *writer)
{
	uint64_t calls;
	bool busy = false;

	mr_channel_heartbeat(channels->page);
	if (take_inotify(channels))
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
	if (take_inotify(channels))
		scan_folder(channels, writer);
	for (size_t i = channels->count; i > 0; i--) {
		struct attached *const attached = &channels->attached[i - 1];

		if (attached->pid != pid || attached->start_ticks != start_ticks)
			continue;
		(void)drain(channels, attached);
		let_go(channels, i - 1);
	}
}
