/* SPDX-License-Identifier: MIT
 *
 * See memrecord_run.h.
 */
#include "memrecord_run.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memrecord_launch.h"
#include "memrecord_preload.h"
#include "memrecord_watch.h"
#include "proc_identity.h"

/* Of a core, for the sampler: what processes take that come and go is little beside the recording of their
 * heaps, and must not keep it from looking at those that stay. */
#define SUMMARY_LEVEL 12 /* of compression: 30 ms for the 60,000 call stacks of a compiler */
#define SHARE_WITH_HEAP_PPM 30000

#define OTHER_MEMORY_MIN (UINT64_C(32) << 20) /* bytes of resident memory, from which on it is said */
#define OTHER_MEMORY_PART 50                  /* that the heap is less than this part of it */

struct run {
	const struct mr_run_options *options;
	struct mr_inherited inherited;
	struct mr_launch launch;
	struct mr_watch watch;
	char *path;
	char *command_line; /* as the log shows it; NULL with -p */
	const char *home;
	uint64_t begin_ns;
	uint64_t rss_begin; /* the most that memrecord had held when it made the command's process */
	struct mr_heap_recorder_totals heap;
	struct mr_error heap_complaint;
};

static int complain(const struct run *run, const struct mr_error *err, int status)
{
	mr_command_complain(run->options->command, err);
	return status;
}

/* ---- The log ------------------------------------------------------------------- */

char *mr_run_log_path(const char *pattern, const char *name, uint32_t pid)
{
	const char *const base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
	struct mr_buffer path = { 0 };

	if (!pattern)
		mr_buffer_printf(&path, "%s.%u.dat", base, pid);
	for (const char *at = pattern; at && *at; at++) {
		const bool percent = at[0] == '%' && (at[1] == 'p' || at[1] == '%');

		if (percent && *++at == 'p')
			mr_buffer_printf(&path, "%u", pid);
		else
			mr_buffer_append(&path, at, 1);
	}
	mr_buffer_put_u8(&path, 0);
	if (path.failed)
		mr_buffer_release(&path);
	return (char *)path.data;
}

static int open_log(struct run *run, const char *name, struct mr_error *err)
{
	const struct mr_log_writer_options options = { .max_size_bytes = run->options->max_size_bytes,
		                                       .summary_level = SUMMARY_LEVEL };
	struct mr_proc_identity identity;
	struct mr_log_header header = {
		.version_major = MR_LOG_VERSION_MAJOR,
		.version_minor = MR_LOG_VERSION_MINOR,
		.clock_realtime_ns = mr_clock_realtime_ns(),
	};

	MR_FAIL_IF(mr_proc_identity_read((uint32_t)run->watch.pid, &identity) < 0, err, MR_ERR_READ,
	           "cannot read of process %d in /proc: %s", (int)run->watch.pid, strerror(errno));
	header.boot_id[0] = identity.boot_id[0];
	header.boot_id[1] = identity.boot_id[1];
	header.start_ticks = identity.start_ticks;
	header.pid = identity.pid;
	run->watch.start_ticks = identity.start_ticks;
	run->path = mr_run_log_path(run->options->output, name, identity.pid);
	MR_FAIL_IF(!run->path, err, MR_ERR_NOMEM, "out of memory");
	return mr_log_writer_open(&run->watch.writer, run->path, &header, &options, err);
}

/* A log in which nothing was recorded is of no use; a device stays where it is. */
static void remove_log(const struct run *run)
{
	struct stat info;

	if (run->path && lstat(run->path, &info) == 0 && S_ISREG(info.st_mode))
		(void)unlink(run->path);
}

static int open_sampler(struct run *run, struct mr_error *err)
{
	const struct mr_sampler_options options = {
		.interval_ns = run->options->interval_ns,
		.share_ppm = run->options->heap ? SHARE_WITH_HEAP_PPM : 0,
		.arguments = run->options->arguments,
		.home = run->home,
		.command = run->command_line,
		.ended = mr_watch_process_ended,
		.context = &run->watch,
	};

	return mr_sampler_new(&run->watch.sampler, run->watch.writer, &options, err);
}

static int write_settings(struct run *run, struct mr_error *err)
{
	struct mr_sampler *const sampler = run->watch.sampler;
	char text[64] = "10 ms, later a thousandth of the age, at most 1 s";

	if (run->options->interval_ns)
		(void)snprintf(text, sizeof(text), "%.9g s", (double)run->options->interval_ns / 1e9);
	MR_TRY(mr_sampler_setting(sampler, "sampler.interval", text, err));
	MR_TRY(mr_sampler_setting(sampler, "sampler.arguments",
	                          run->options->arguments ? "recorded" : "left out", err));
	if (run->options->max_size_bytes) {
		(void)snprintf(text, sizeof(text), "%llu bytes",
		               (unsigned long long)run->options->max_size_bytes);
		MR_TRY(mr_sampler_setting(sampler, "memrecord.max_size", text, err));
	}
	return MR_OK;
}

/* ---- The end ---------------------------------------------------------------------- */

static void describe_end(char *text, size_t size, const struct mr_watch *watch)
{
	const unsigned long long value = watch->end.value;

	switch ((int)watch->end.state) {
	case MR_EXIT_EXITED:
		(void)snprintf(text, size, "exited with %llu", value);
		return;
	case MR_EXIT_SIGNALLED:
		(void)snprintf(text, size, "killed by signal %llu (%s)", value, strsignal((int)value));
		return;
	case MR_EXIT_UNKNOWN:
		(void)snprintf(text, size, "ended");
		return;
	default:
		(void)snprintf(text, size, "still running");
	}
}

/* The kernel's own figure, where it is known, is exact; but it begins with what memrecord held when
 * it made the process. */
static uint64_t rss_peak(const struct run *run, const struct mr_sampler_totals *totals)
{
	const uint64_t exact = run->watch.rss_max;

	return exact > run->rss_begin && exact > totals->rss_peak_root ? exact : totals->rss_peak_root;
}

static void describe_peak(char *text, size_t size, const struct run *run,
                          const struct mr_sampler_totals *totals)
{
	const uint64_t rss_root = rss_peak(run, totals);
	char root[32];
	char tree[32];

	mr_text_bytes_short(root, rss_root);
	mr_text_bytes_short(tree, rss_root > totals->rss_peak_tree ? rss_root : totals->rss_peak_tree);
	if (rss_root == 0)
		(void)snprintf(text, size, "ended before a sample was taken");
	else if (totals->process_count > 1)
		(void)snprintf(text, size, "peak rss %s (%llu processes together %s)", root,
		               (unsigned long long)totals->process_count, tree);
	else
		(void)snprintf(text, size, "peak rss %s", root);
}

/* ", peak heap 1.2 MiB, leaked 3 B in 1 block", or "" */
static void describe_heap(char *text, size_t size, const struct run *run)
{
	const struct mr_heap_recorder_totals *const heap = &run->heap;
	char peak[32];
	char leaked[32];

	text[0] = '\0';
	if (!run->watch.heap)
		return;
	if (heap->images == 0) {
		(void)snprintf(text, size, ", no heap was recorded");
		return;
	}
	mr_text_bytes_short(peak, heap->peak_bytes);
	mr_text_bytes_short(leaked, heap->leaked_bytes);
	(void)snprintf(text, size, ", peak heap %s, leaked %s in %llu block%s", peak, leaked,
	               (unsigned long long)heap->leaked_count, heap->leaked_count == 1 ? "" : "s");
	if (heap->largest_peak_bytes > heap->peak_bytes) {
		const size_t len = strlen(text);

		mr_text_bytes_short(peak, heap->largest_peak_bytes);
		(void)snprintf(text + len, size - len, " (largest: %s, peak heap %s)",
		               heap->largest_name[0] ? heap->largest_name : "another process", peak);
	}
}

static void closing_line(const struct run *run)
{
	char heap[256];
	struct mr_sampler_totals totals;
	struct mr_buffer path = { 0 };
	struct stat info = { 0 };
	char size[32];
	char duration[32];
	char peak[128];
	char end[96];

	mr_sampler_totals(run->watch.sampler, &totals);
	(void)stat(run->path, &info);
	mr_text_bytes_short(size, (uint64_t)info.st_size);
	mr_text_duration(duration, mr_clock_monotonic_ns() - run->begin_ns);
	describe_end(end, sizeof(end), &run->watch);
	describe_peak(peak, sizeof(peak), run, &totals);
	describe_heap(heap, sizeof(heap), run);
	mr_text_show(&path, run->path, strlen(run->path), 0);
	mr_buffer_put_u8(&path, 0);
	mr_command_warn(run->options->command, "%s: %s, %s%s, %s, %s", path.failed ? "" : (char *)path.data,
	                size, duration, heap, peak, end);
	mr_buffer_release(&path);
}

static int write_channel_counters(struct run *run, struct mr_error *err)
{
	struct mr_sampler *const sampler = run->watch.sampler;
	struct mr_channels_totals totals = { 0 };

	if (run->watch.channels)
		mr_channels_totals(run->watch.channels, &totals);
	if (totals.count == 0)
		return MR_OK;
	MR_TRY(mr_sampler_counter(sampler, "channels.count", totals.count, err));
	MR_TRY(mr_sampler_counter(sampler, "channels.waits", totals.waits, err));
	MR_TRY(mr_sampler_counter(sampler, "channels.wait_ns", totals.wait_ns, err));
	return mr_sampler_counter(sampler, "channels.dropped", totals.dropped, err);
}

/* What the heap's recorder cost, and what it did not see. */
static int write_heap_counters(struct run *run, struct mr_error *err)
{
	struct mr_sampler *const sampler = run->watch.sampler;
	const struct mr_heap_recorder_totals *const heap = &run->heap;

	if (!run->watch.heap)
		return MR_OK;
	MR_TRY(mr_sampler_counter(sampler, "heap.images", heap->images, err));
	MR_TRY(mr_sampler_counter(sampler, "heap.unrecorded", heap->unrecorded, err));
	if (heap->unrecorded)
		MR_TRY(mr_sampler_setting(sampler, "heap.unrecorded", heap->unrecorded_names, err));
	MR_TRY(mr_sampler_counter(sampler, "heap.writer_cpu_ns", heap->cpu_ns, err));
	MR_TRY(mr_sampler_counter(sampler, "heap.writer_memory", heap->memory_max, err));
	MR_TRY(mr_sampler_counter(sampler, "heap.places", heap->places, err));
	MR_TRY(mr_sampler_counter(sampler, "heap.places_named", heap->places_named, err));
	return mr_sampler_counter(sampler, "heap.modules_missing", heap->modules_missing, err);
}

static void finish_heap(struct run *run)
{
	if (!run->watch.heap)
		return;
	mr_heap_recorder_finish(run->watch.heap, &run->heap_complaint);
	mr_heap_recorder_totals(run->watch.heap, &run->heap);
}

/* Says what is missing from what is otherwise whole. */
static void warn_of_unrecorded(const struct run *run)
{
	const struct mr_heap_recorder_totals *const heap = &run->heap;

	if (heap->unrecorded)
		mr_command_warn(
			run->options->command,
			"the heap of %llu process%s was not recorded, of programs that are linked "
			"statically, run with other rights, had no room for it, or ended within moments%s%s",
			(unsigned long long)heap->unrecorded, heap->unrecorded == 1 ? "" : "es",
			heap->unrecorded_names[0] ? ": " : "", heap->unrecorded_names);
	if (heap->lost)
		mr_command_warn(
			run->options->command,
			"%llu allocation%s not recorded: there was no room in shared memory, or memrecord "
			"had been stopped; memstats health %s says whose",
			(unsigned long long)heap->lost, heap->lost == 1 ? " was" : "s were", run->path);
}

/* Where the memory is plainly elsewhere than in the recorded heap, the figures of that are easily misread. */
static void warn_of_other_memory(const struct run *run)
{
	struct mr_sampler_totals totals;

	if (!run->watch.heap || run->heap.images == 0)
		return;
	mr_sampler_totals(run->watch.sampler, &totals);
	const uint64_t rss = rss_peak(run, &totals);

	if (rss >= OTHER_MEMORY_MIN && run->heap.peak_bytes < rss / OTHER_MEMORY_PART)
		mr_command_warn(
			run->options->command,
			"hardly any of the memory came from the C library's allocator: the program has "
			"one of its own, or maps memory and files (--mmap records mappings); "
			"memstats account %s says what it was made of",
			run->path);
}

/* Ends the log; what went wrong on the way is said here, also when quiet. */
static void finish(struct run *run)
{
	finish_heap(run);
	struct mr_watch *const watch = &run->watch;
	const bool full = mr_log_writer_is_full(watch->writer) || run->heap.full;
	const char *const complaint = watch->channels ? mr_channels_complaint(watch->channels) : NULL;

	if (watch->failure.code == MR_OK && write_channel_counters(run, &watch->failure) == MR_OK &&
	    write_heap_counters(run, &watch->failure) == MR_OK)
		(void)(mr_sampler_finish(watch->sampler, &watch->failure) < 0);
	const int closed = mr_log_writer_close(watch->writer, mr_clock_monotonic_ns() - run->begin_ns,
	                                       full ? MR_END_SIZE : MR_END_CLOSED,
	                                       watch->failure.code ? NULL : &watch->failure);

	watch->writer = NULL;
	if (watch->failure.code != MR_OK || closed < 0) {
		mr_error_prepend(&watch->failure, "the log is incomplete");
		mr_command_complain(run->options->command, &watch->failure);
	} else if (!run->options->quiet) {
		closing_line(run);
		warn_of_other_memory(run);
	}
	if (full)
		mr_command_warn(run->options->command,
		                "%s reached --max-size: later samples and snapshots are not in it",
		                run->path);
	if (complaint && watch->failure.code == MR_OK)
		mr_command_warn(run->options->command, "not all tracked objects are in the log: %s",
		                complaint);
	if (watch->failure.code == MR_OK)
		warn_of_unrecorded(run);
	if (run->heap_complaint.code && watch->failure.code == MR_OK)
		mr_command_warn(run->options->command, "not all allocations are in the log: %s",
		                run->heap_complaint.message);
}

static void release(struct run *run)
{
	mr_heap_recorder_free(run->watch.heap);
	mr_watch_release(&run->watch);
	mr_sampler_free(run->watch.sampler);
	mr_channels_free(run->watch.channels);
	mr_log_writer_abandon(run->watch.writer);
	mr_free(run->path);
	mr_free(run->command_line);
}

/* ---- The beginning ------------------------------------------------------------------ */

/* Everything between having a process and watching it. */
static int begin(struct run *run, const char *name, struct mr_error *err)
{
	MR_TRY(open_log(run, name, err));
	MR_TRY(open_sampler(run, err));
	if (run->watch.heap) {
		mr_heap_recorder_set_root(run->watch.heap, (uint32_t)run->watch.pid);
		MR_TRY(mr_heap_recorder_start(run->watch.heap, run->watch.writer, &run->watch.log_lock, err));
	}
	return mr_watch_begin(&run->watch, err);
}

/* The first process; for a command it runs already, so nothing may stop it now. */
static void watch(struct run *run)
{
	struct mr_watch *const watched = &run->watch;
	struct mr_proc_stat stat;

	run->begin_ns = mr_clock_monotonic_ns();
	if (mr_proc_stat_read((uint32_t)watched->pid, &stat) < 0)
		stat = (struct mr_proc_stat){ .state = 'X', .start_ticks = watched->start_ticks };
	/* The heap's thread may have found the program already. */
	(void)pthread_mutex_lock(&watched->log_lock);
	if (mr_sampler_add(watched->sampler, (uint32_t)watched->pid, &stat, &watched->failure) == MR_OK)
		(void)(write_settings(run, &watched->failure) < 0);
	(void)pthread_mutex_unlock(&watched->log_lock);
	mr_watch_run(watched);
	finish(run);
}

static char *quoted_command(const struct run *run)
{
	struct mr_buffer words = { 0 };
	char *const text = mr_alloc(MR_PROC_TEXT_MAX);

	for (char **word = run->options->argv; *word; word++)
		mr_buffer_append(&words, *word, strlen(*word) + 1);
	if (text && !words.failed)
		(void)mr_proc_command_quote((const char *)words.data, words.len, run->options->arguments,
		                            run->home, text, MR_PROC_TEXT_MAX);
	mr_buffer_release(&words);
	return text;
}

static int exit_status(const struct mr_watch *watched)
{
	return watched->end.state == MR_EXIT_SIGNALLED ? 128 + (int)watched->end.value
	                                               : (int)watched->end.value;
}

static uint64_t own_rss_max(void)
{
	struct rusage usage = { 0 };

	(void)getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_maxrss * 1024;
}

static int open_heap(struct run *run, struct mr_error *err)
{
	const struct mr_preload_options preload = { .depth = run->options->depth,
		                                    .mmap = run->options->mmap };
	const struct mr_heap_recorder_options options = {
		.home = run->home,
		.max_size_bytes = run->options->max_size_bytes,
		.arguments = run->options->arguments,
		.events = run->options->events,
		.all_sites = run->options->all_sites,
		.symbols = run->options->symbols,
	};
	const char *const folder = mr_channels_folder(run->watch.channels);

	MR_TRY(mr_preload_environment(&preload, folder, err));
	return mr_heap_recorder_new(&run->watch.heap, folder, &options, err);
}

static int record_command(struct run *run)
{
	char **const argv = run->options->argv;
	struct mr_error err = { 0 };
	char path[PATH_MAX];
	int status = mr_launch_check(argv[0], path, &err);

	if (status)
		return complain(run, &err, status);
	if (run->options->heap && mr_preload_judge(path, &err) < 0)
		return complain(run, &err, MR_EXIT_OWN_FAILURE);
	/* Orphans of the command become our children, so that we learn how they end. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (mr_channels_new(&run->watch.channels, mr_watch_channel_found, &run->watch, &err) < 0) {
		if (run->options->heap)
			return complain(run, &err, MR_EXIT_OWN_FAILURE);
		mr_error_prepend(&err, "programs that track objects write logs of their own");
		mr_command_complain(run->options->command, &err);
		err = (struct mr_error){ 0 };
	}
	if (run->options->heap && open_heap(run, &err) < 0)
		return complain(run, &err, MR_EXIT_OWN_FAILURE);
	run->command_line = quoted_command(run);
	if (mr_launch_begin(&run->launch, argv,
	                    run->watch.channels ? mr_channels_folder(run->watch.channels) : NULL,
	                    &run->inherited, &err) < 0)
		return complain(run, &err, MR_EXIT_OWN_FAILURE);
	run->watch.pid = run->launch.pid;
	run->watch.child = true;
	run->rss_begin = own_rss_max();
	if (begin(run, argv[0], &err) < 0) {
		mr_launch_cancel(&run->launch);
		if (run->watch.writer)
			remove_log(run);
		return complain(run, &err, MR_EXIT_OWN_FAILURE);
	}
	status = mr_launch_go(&run->launch, argv[0], &err);
	if (status) {
		remove_log(run);
		return complain(run, &err, status);
	}
	watch(run);
	return exit_status(&run->watch);
}

static int record_pid(struct run *run)
{
	const uint32_t pid = run->options->pid;
	struct mr_error err = { 0 };
	struct mr_proc_stat stat;

	if (mr_proc_stat_read(pid, &stat) < 0)
		(void)mr_fail(&err, MR_ERR_READ, "there is no process %u", pid);
	else if (stat.state == 'Z' || stat.state == 'X')
		(void)mr_fail(&err, MR_ERR_READ, "process %u has ended already", pid);
	else if (mr_process_is_thread(pid))
		(void)mr_fail(&err, MR_ERR_READ, "%u is a thread of a process, not a process", pid);
	if (err.code)
		return complain(run, &err, MR_EXIT_OWN_FAILURE);
	for (char *at = stat.comm; *at; at++) /* a name such as "kworker/0:1" is to be part of a file's */
		*at = *at == '/' ? '_' : *at;
	run->watch.pid = (pid_t)pid;
	if (begin(run, stat.comm, &err) < 0) {
		if (run->watch.writer)
			remove_log(run);
		return complain(run, &err, MR_EXIT_OWN_FAILURE);
	}
	watch(run);
	return 0;
}

static const char *home_folder(void)
{
	const char *const home = getenv("HOME");
	const struct passwd *user;

	if (home && home[0] == '/')
		return home;
	user = getpwuid(geteuid());
	return user ? user->pw_dir : NULL;
}

/* Where memrecord was started without standard streams, its own files must not
 * take their places: what is printed would land in the log.  The command gets none either. */
static void fill_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int mr_run_recording(const struct mr_run_options *options)
{
	struct run run = {
		.options = options,
		.watch = { .epoll_fd = -1,
		           .signal_fd = -1,
		           .timer_fd = -1,
		           .events_fd = -1,
		           .log_lock = PTHREAD_MUTEX_INITIALIZER },
		.home = home_folder(),
	};
	sigset_t signals;

	fill_standard_streams();
	mr_watch_signals(&signals);
	mr_launch_prepare(&run.inherited, &signals);
	const int status = options->pid ? record_pid(&run) : record_command(&run);

	release(&run);
	return status;
}
