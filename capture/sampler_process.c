/* SPDX-License-Identifier: MIT
 *
 * See sampler_process.h.  Where descriptors run out, files are opened for each
 * read instead: slower, and nothing else changes.
 */
#include "sampler_process.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* linux/pidfd.h of 6.15 and later: how a process that was reaped had ended. */
struct pidfd_exit_info {
	uint64_t mask;
	uint64_t cgroup_id;
	uint32_t ids[11];
	int32_t exit_status;
};
_Static_assert(sizeof(struct pidfd_exit_info) == 64, "the first version of the kernel's struct pidfd_info");
#define PIDFD_GET_EXIT_INFO _IOWR(0xFF, 11, struct pidfd_exit_info)
#define PIDFD_EXIT_INFO_MASK (1u << 3)

struct mr_process *mr_process_new(uint32_t pid, const struct mr_proc_stat *stat)
{
	struct mr_process *const process = mr_alloc(sizeof(*process));

	if (!process)
		return NULL;
	process->pid = pid;
	process->parent_pid = stat->parent_pid;
	process->start_ticks = stat->start_ticks;
	process->statm_fd = mr_proc_open(pid, "statm");
	process->stat_fd = mr_proc_open(pid, "stat");
	process->pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	(void)mr_process_image_changed(process, stat);
	return process;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void mr_process_close(struct mr_process *process)
{
	close_fd(&process->statm_fd);
	close_fd(&process->stat_fd);
	close_fd(&process->pidfd);
}

void mr_process_free(struct mr_process *process)
{
	if (!process)
		return;
	mr_process_close(process);
	mr_free(process->rows);
	mr_free(process);
}

/* How many bytes of NAME were read, through FD where there is one. */
static int64_t read_file(const struct mr_process *process, int fd, const char *name, char *out, size_t size)
{
	if (fd < 0)
		return mr_proc_read_file(process->pid, name, out, size);
	for (;;) {
		/* Such a file is made anew for each read from its start, and comes in one piece. */
		const ssize_t got = pread(fd, out, size, 0);

		if (got >= 0 || errno != EINTR)
			return got;
	}
}

int mr_process_read_stat(struct mr_process *process, struct mr_proc_stat *stat)
{
	char text[1024];
	struct mr_proc_stat result;
	const int64_t len = read_file(process, process->stat_fd, "stat", text, sizeof(text));

	if (len <= 0)
		return MR_ERR_READ;
	MR_TRY(mr_proc_stat_parse(text, (size_t)len, &result));
	if (result.start_ticks != process->start_ticks)
		return MR_ERR_READ;
	*stat = result;
	return MR_OK;
}

int mr_process_read_statm(struct mr_process *process, uint64_t *rss, uint64_t *vsz)
{
	char text[128];
	const int64_t len = read_file(process, process->statm_fd, "statm", text, sizeof(text));

	if (len <= 0)
		return MR_ERR_READ;
	return mr_proc_statm_parse(text, (size_t)len, rss, vsz);
}

bool mr_process_image_changed(struct mr_process *process, const struct mr_proc_stat *stat)
{
	/* Without an address space (a process that is ending) there is no image to tell of. */
	if (stat->image_code == 0 && stat->image_stack == 0 && process->comm[0])
		return false;

	const bool changed = process->image_code != stat->image_code ||
	                     process->image_stack != stat->image_stack ||
	                     memcmp(process->comm, stat->comm, sizeof(process->comm)) != 0;

	process->image_code = stat->image_code;
	process->image_stack = stat->image_stack;
	memcpy(process->comm, stat->comm, sizeof(process->comm));
	return changed;
}

struct mr_process_end mr_process_end_from_status(int wait_status)
{
	if (WIFEXITED(wait_status))
		return (struct mr_process_end){ MR_EXIT_EXITED, (uint64_t)WEXITSTATUS(wait_status) };
	if (WIFSIGNALED(wait_status))
		return (struct mr_process_end){ MR_EXIT_SIGNALLED, (uint64_t)WTERMSIG(wait_status) };
	return (struct mr_process_end){ MR_EXIT_UNKNOWN, 0 };
}

struct mr_process_end mr_process_end_find(struct mr_process *process)
{
	const struct mr_process_end unknown = { MR_EXIT_UNKNOWN, 0 };
	/* Without permission the kernel shows 1 for an address, and 0 for any exit status. */
	const bool permitted = process->image_code > 1;
	struct pidfd_exit_info info = { .mask = PIDFD_EXIT_INFO_MASK };
	struct mr_proc_stat stat;

	if (mr_process_read_stat(process, &stat) == MR_OK && stat.state == 'Z' &&
	    (permitted || stat.exit_status != 0))
		return mr_process_end_from_status((int)stat.exit_status);
	if (process->pidfd >= 0 && ioctl(process->pidfd, PIDFD_GET_EXIT_INFO, &info) == 0 &&
	    (info.mask & PIDFD_EXIT_INFO_MASK))
		return mr_process_end_from_status(info.exit_status);
	return unknown;
}
