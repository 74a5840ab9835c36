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

#include "memrecord_ending.h"
#include "memrecord_preload.h"
#include "proc_identity.h"

#define SUMMARY_LEVEL 12 /* of compression: 30 ms for the 60,000 call stacks of a compiler */
/* Of a core, for the sampler: what processes take that come and go is little beside the recording of their
 * heaps, and must not keep it from looking at those that stay. */
#define SHARE_WITH_HEAP_PPM 30000

static int complain(const struct mr_recording *run, const struct mr_error *err, int status)
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

static int open_log(struct mr_recording *run, const char *name, struct mr_error *err)
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
static void remove_log(const struct mr_recording *run)
{
	struct stat info;

	if (run->path && lstat(run->path, &info) == 0 && S_ISREG(info.st_mode))
		(void)unlink(run->path);
}

static int open_sampler(struct mr_recording *run, struct mr_error *err)
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

static int write_settings(struct mr_recording *run, struct mr_error *err)
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

static void release(struct mr_recording *run)
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
static int begin(struct mr_recording *run, const char *name, struct mr_error *err)
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
static void watch(struct mr_recording *run)
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
	mr_recording_finish(run);
}

static char *quoted_command(const struct mr_recording *run)
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

static int open_heap(struct mr_recording *run, struct mr_error *err)
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

static int record_command(struct mr_recording *run)
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

static int record_pid(struct mr_recording *run)
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
	struct mr_recording run = {
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
