/* SPDX-License-Identifier: MIT
 *
 * See memrecord_folder.h.
 */
#include "memrecord_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proc_memory.h"

#define FOLDER_PREFIX "memrecord."
#define ABANDONED_NS UINT64_C(60000000000)

/* ---- Memory that vanishes ------------------------------------------------------ */

static __thread volatile sig_atomic_t guarded;

static void on_bus_error(int number, siginfo_t *info, void *context)
{
	const uintptr_t page_size = 4096;
	void *const page = (void *)((uintptr_t)info->si_addr & ~(page_size - 1));

	(void)context;
	if (guarded && info->si_code == BUS_ADRERR &&
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

void mr_folder_guard_begin(void)
{
	guarded = guarded + 1;
}

void mr_folder_guard_end(void)
{
	guarded = guarded - 1;
}

/* ---- Removing -------------------------------------------------------------------- */

static void file_path(const char *folder, const char *name, char path[PATH_MAX])
{
	/* The folder's path is at most half as long, a name at most 255 bytes. */
	(void)snprintf(path, PATH_MAX, "%.*s/%.255s", PATH_MAX / 2, folder, name);
}

/* With DEPTH levels of folders in it; links are not followed. */
static void remove_folder(const char *path, unsigned depth)
{
	DIR *const folder = path[0] ? opendir(path) : NULL;
	const struct dirent *entry;

	while (folder && (entry = readdir(folder)) != NULL) {
		char file[PATH_MAX];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		file_path(path, entry->d_name, file);
		if (remove(file) < 0 && depth > 0 && (errno == ENOTEMPTY || errno == EEXIST))
			remove_folder(file, depth - 1);
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
			remove_folder(path, 1);
	}
	if (folder)
		closedir(folder);
}

/* ---- Making ------------------------------------------------------------------------ */

/* The folder is there: what makes it one for channels. */
static int equip(struct mr_folder *folder, struct mr_error *err)
{
	MR_TRY(mr_channel_writer_create(&folder->page, folder->path, err));
	folder->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	MR_FAIL_IF(folder->inotify_fd < 0 ||
	                   inotify_add_watch(folder->inotify_fd, folder->path, IN_CREATE | IN_MOVED_TO) < 0,
	           err, MR_ERR_WRITE, "cannot watch '%s': %s", folder->path, strerror(errno));
	guard_install();
	return MR_OK;
}

int mr_folder_make(struct mr_folder *folder, struct mr_error *err)
{
	const char *const places[] = { getenv("XDG_RUNTIME_DIR"), "/dev/shm", "/tmp" };

	*folder = (struct mr_folder){ .inotify_fd = -1 };
	for (size_t i = 0; i < MR_ARRAY_LEN(places); i++) {
		if (!places[i] || places[i][0] != '/' ||
		    snprintf(folder->path, sizeof(folder->path), "%s/" FOLDER_PREFIX "XXXXXX", places[i]) >=
		            PATH_MAX / 2 - 16)
			continue;
		if (mkdtemp(folder->path)) {
			MR_TRY(equip(folder, err));
			remove_abandoned(folder->path);
			return MR_OK;
		}
	}
	folder->path[0] = '\0';
	return mr_fail(err, MR_ERR_WRITE, "cannot make a folder for programs that track objects: %s",
	               strerror(errno));
}

int mr_folder_make_below(struct mr_folder *folder, const char *parent, const char *name, struct mr_error *err)
{
	*folder = (struct mr_folder){ .inotify_fd = -1 };
	file_path(parent, name, folder->path);
	if (mkdir(folder->path, 0700) < 0) {
		mr_fail(err, MR_ERR_WRITE, "cannot make '%s': %s", folder->path, strerror(errno));
		folder->path[0] = '\0';
		return MR_ERR_WRITE;
	}
	return equip(folder, err);
}

void mr_folder_release(struct mr_folder *folder)
{
	remove_folder(folder->path, 1);
	mr_channel_writer_close(folder->page);
	if (folder->path[0] && folder->inotify_fd >= 0)
		close(folder->inotify_fd);
	*folder = (struct mr_folder){ .inotify_fd = -1 };
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

static int attach(const char *path, struct mr_channel **channel, struct mr_error *err)
{
	struct stat info;

	MR_FAIL_IF(lstat(path, &info) < 0, err, MR_ERR_READ, "cannot look at '%s': %s", path,
	           strerror(errno));
	MR_FAIL_IF(!S_ISREG(info.st_mode) || info.st_uid != geteuid(), err, MR_ERR_FORMAT,
	           "'%s' is not a file of ours", path);
	return mr_channel_attach(channel, path, err);
}

static bool something_was_added(const struct mr_folder *folder)
{
	_Alignas(struct inotify_event) char events[4096];
	bool any = false;

	while (read(folder->inotify_fd, events, sizeof(events)) > 0)
		any = true;
	return any;
}

/* A file that was looked at is removed: the memory stays for as long as somebody
 * maps it, and no longer. */
void mr_folder_scan(struct mr_folder *folder, mr_folder_visit *visit, void *context,
                    struct mr_error *complaint)
{
	DIR *const opened = something_was_added(folder) ? opendir(folder->path) : NULL;
	const struct dirent *entry;

	while (opened && (entry = readdir(opened)) != NULL) {
		struct mr_folder_channel found = { 0 };
		char path[PATH_MAX];

		if (!parse_name(entry->d_name, &found.pid, &found.start_ticks))
			continue;
		file_path(folder->path, entry->d_name, path);
		mr_folder_guard_begin();
		const int code = attach(path, &found.channel, complaint);

		mr_folder_guard_end();
		(void)remove(path);
		if (code == MR_OK && !visit(context, &found))
			break;
	}
	if (opened)
		closedir(opened);
}
