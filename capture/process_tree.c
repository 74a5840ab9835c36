/* SPDX-License-Identifier: MIT
 *
 * See process_tree.h.
 */
#include "process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "sampler_pace.h"

#define LOOK_PIDS_MAX 256    /* pids looked at one by one in a look */
#define BEHIND_PIDS_MAX 4096 /* further behind than this, a scan is cheaper */
#define SCAN_SHARE 1000      /* a scan may take this fraction of the time until the next one */
#define SCAN_SHARE_ALONE 500
#define SCAN_SPACING_NS UINT64_C(5000000000)
#define SCAN_SPACING_ALONE_NS UINT64_C(10000000)

/* A process that was seen but whose parent is not known (yet). */
struct stranger {
	uint32_t pid;
	struct mr_proc_stat stat;
};

struct mr_process_tree {
	struct mr_process_listener listener;
	uint64_t start_ticks;
	int loadavg_fd;    /* -1: of no use here */
	uint32_t last_pid; /* up to which pids have been looked at */
	bool relaxed;
	bool behind; /* a scan is needed */
	uint64_t scan_due_ns;
	struct mr_budget budget; /* for looking at single pids */
	struct stranger *strangers;
	size_t stranger_count;
	size_t stranger_capacity;
};

int mr_process_tree_last_pid(const char *text, size_t len, uint32_t *pid)
{
	const char *const end = text + len;
	const char *at = memrchr(text, ' ', len);
	uint64_t value;

	if (!at)
		return MR_ERR_FORMAT;
	at++;
	if (!mr_proc_get_decimal(&at, end, &value) || value == 0 || value > INT32_MAX)
		return MR_ERR_FORMAT;
	*pid = (uint32_t)value;
	return MR_OK;
}

static bool read_last_pid(struct mr_process_tree *tree, uint32_t *pid)
{
	char text[128];
	ssize_t len;

	if (tree->loadavg_fd < 0)
		return false;
	len = pread(tree->loadavg_fd, text, sizeof(text), 0);
	return len > 0 && mr_process_tree_last_pid(text, (size_t)len, pid) == MR_OK;
}

int mr_process_tree_new(struct mr_process_tree **tree, const struct mr_process_listener *listener,
                        uint64_t start_ticks, struct mr_error *err)
{
	struct mr_process_tree *const made = mr_alloc(sizeof(*made));
	const uint32_t own_pid = (uint32_t)getpid();

	MR_FAIL_IF(!made, err, MR_ERR_NOMEM, "out of memory for the process tree");
	made->listener = *listener;
	made->start_ticks = start_ticks;
	made->behind = true;
	made->budget = (struct mr_budget){ .start_ns = mr_clock_monotonic_ns(),
		                           .advance_ns = 5000000,
		                           .share_ppm = 2000 };
	made->loadavg_fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	/* This process got a pid from the same count; a made-up file rarely knows that. */
	if (!read_last_pid(made, &made->last_pid) || (made->last_pid < own_pid && made->last_pid < 300)) {
		if (made->loadavg_fd >= 0)
			close(made->loadavg_fd);
		made->loadavg_fd = -1;
	}
	*tree = made;
	return MR_OK;
}

void mr_process_tree_free(struct mr_process_tree *tree)
{
	if (!tree)
		return;
	if (tree->loadavg_fd >= 0)
		close(tree->loadavg_fd);
	mr_free(tree->strangers);
	mr_free(tree);
}

void mr_process_tree_relax(struct mr_process_tree *tree, bool relaxed)
{
	tree->behind = tree->behind || (tree->relaxed && !relaxed);
	tree->relaxed = relaxed;
}

bool mr_process_tree_is_relaxed(const struct mr_process_tree *tree)
{
	return tree->relaxed;
}

bool mr_process_is_thread(uint32_t pid)
{
	char text[1024];
	uint64_t group;
	const int64_t len = mr_proc_read_file(pid, "status", text, sizeof(text));
	const char *const line = len > 0 ? memmem(text, (size_t)len, "\nTgid:\t", 7) : NULL;
	const char *at = line ? line + 7 : NULL;

	return !at || !mr_proc_get_decimal(&at, text + len, &group) || group != pid;
}

static bool belongs(const struct mr_process_tree *tree, const struct mr_proc_stat *stat)
{
	return tree->listener.knows(tree->listener.context, stat->parent_pid);
}

/* Looks at one pid: 0, or what `found` gave. */
static int look_at(struct mr_process_tree *tree, uint32_t pid, bool maybe_thread, struct mr_error *err)
{
	struct mr_proc_stat stat;

	if (tree->listener.knows(tree->listener.context, pid) || mr_proc_stat_read(pid, &stat) < 0 ||
	    stat.start_ticks < tree->start_ticks || stat.state == 'Z' || stat.state == 'X')
		return MR_OK;
	if (belongs(tree, &stat))
		return maybe_thread && mr_process_is_thread(pid)
		               ? MR_OK
		               : tree->listener.found(tree->listener.context, pid, &stat, err);
	if (mr_grow(&tree->strangers, &tree->stranger_capacity, tree->stranger_count + 1,
	            sizeof(*tree->strangers)) < 0)
		return mr_fail(err, MR_ERR_NOMEM, "out of memory for processes");
	tree->strangers[tree->stranger_count++] = (struct stranger){ pid, stat };
	return MR_OK;
}

/* A child may be seen before its parent: asks again until nobody new belongs. */
static int settle_strangers(struct mr_process_tree *tree, bool maybe_threads, struct mr_error *err)
{
	bool changed = true;

	while (changed) {
		size_t kept = 0;

		changed = false;
		for (size_t i = 0; i < tree->stranger_count; i++) {
			const struct stranger stranger = tree->strangers[i];

			if (!belongs(tree, &stranger.stat)) {
				tree->strangers[kept++] = stranger;
				continue;
			}
			if (maybe_threads && mr_process_is_thread(stranger.pid))
				continue;
			MR_TRY(tree->listener.found(tree->listener.context, stranger.pid, &stranger.stat,
			                            err));
			changed = true;
		}
		tree->stranger_count = kept;
	}
	tree->stranger_count = 0;
	return MR_OK;
}

static int scan(struct mr_process_tree *tree, struct mr_error *err)
{
	DIR *const folder = opendir("/proc");
	const struct dirent *entry;
	uint32_t last_pid;
	int code = MR_OK;

	MR_FAIL_IF(!folder, err, MR_ERR_READ, "cannot read /proc");
	if (read_last_pid(tree, &last_pid))
		tree->last_pid = last_pid;
	while (code == MR_OK && (entry = readdir(folder)) != NULL) {
		const char *at = entry->d_name;
		const char *const end = at + strlen(at);
		uint64_t pid;

		if (mr_proc_get_decimal(&at, end, &pid) && at == end && pid <= INT32_MAX)
			code = look_at(tree, (uint32_t)pid, false, err);
	}
	closedir(folder);
	return code == MR_OK ? settle_strangers(tree, false, err) : code;
}

static int scan_if_due(struct mr_process_tree *tree, uint64_t now, struct mr_error *err)
{
	const bool alone = (tree->behind || tree->loadavg_fd < 0) && !tree->relaxed;
	const uint64_t spacing = alone ? SCAN_SPACING_ALONE_NS : SCAN_SPACING_NS;
	const uint64_t share = alone ? SCAN_SHARE_ALONE : SCAN_SHARE;

	if (now < tree->scan_due_ns)
		return MR_OK;
	MR_TRY(scan(tree, err));
	tree->behind = false;

	const uint64_t cost = mr_clock_monotonic_ns() - now;

	tree->scan_due_ns = now + (cost * share > spacing ? cost * share : spacing);
	return MR_OK;
}

int mr_process_tree_look(struct mr_process_tree *tree, struct mr_error *err)
{
	const uint64_t now = mr_clock_monotonic_ns();
	uint32_t last_pid;

	if (tree->relaxed || mr_budget_ready_ns(&tree->budget) > now || !read_last_pid(tree, &last_pid))
		return scan_if_due(tree, now, err);
	/* The count starts again at a small pid some day, and may outrun us. */
	if (last_pid < tree->last_pid || last_pid - tree->last_pid > BEHIND_PIDS_MAX) {
		tree->behind = true;
		return scan_if_due(tree, now, err);
	}
	for (unsigned i = 0; i < LOOK_PIDS_MAX && tree->last_pid < last_pid; i++)
		MR_TRY(look_at(tree, ++tree->last_pid, true, err));
	MR_TRY(settle_strangers(tree, true, err));
	mr_budget_spend(&tree->budget, mr_clock_monotonic_ns() - now);
	return scan_if_due(tree, now, err);
}
