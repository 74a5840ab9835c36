/* SPDX-License-Identifier: MIT
 *
 * See memrecord_watch.h.
 */
#include "memrecord_watch.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process_events.h"

#define LOOK_MIN_NS UINT64_C(10000000) /* for new processes; grows as a process's sampling interval does */
#define LOOK_MAX_NS UINT64_C(50000000)
#define EVENTS_PAUSE_NS \
	UINT64_C(5000000)              /* so that a machine full of short processes does not keep us busy */
#define EVENTS_MAX 512                 /* taken at a time */
#define EVENTS_REST_MAX 100000         /* at the end */
#define GHOST_AGE_NS UINT64_C(5000000) /* younger ones are left alone */
#define GHOST_AGE_MAX_NS UINT64_C(1000000000) /* whose end has not been told by now, it will not be */
#define GHOSTS_SETTLED_BEHIND 16

static const int passed_on[] = { SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGUSR2 };

void mr_watch_signals(sigset_t *signals)
{
	(void)sigemptyset(signals);
	(void)sigaddset(signals, SIGCHLD);
	(void)sigaddset(signals, SIGUSR1);
	for (size_t i = 0; i < MR_ARRAY_LEN(passed_on); i++)
		(void)sigaddset(signals, passed_on[i]);
}

/* The first failure ends the recording, and nothing else. */
static void check(struct mr_watch *watch, int code, const struct mr_error *err)
{
	if (code < 0 && watch->failure.code == MR_OK)
		watch->failure = *err;
}

static bool recording(const struct mr_watch *watch)
{
	return watch->failure.code == MR_OK;
}

/* ---- Who belongs ------------------------------------------------------------------ */

static bool knows(void *context, uint32_t pid)
{
	const struct mr_watch *const watch = context;

	return (watch->child && pid == (uint32_t)getpid()) || mr_sampler_knows(watch->sampler, pid) ||
	       mr_ghosts_find(&watch->ghosts, pid);
}

/* PID belongs to the tree; STAT was read of it. */
static int found(void *context, uint32_t pid, const struct mr_proc_stat *stat, struct mr_error *err)
{
	struct mr_watch *const watch = context;

	mr_ghosts_forget(&watch->ghosts, mr_ghosts_find(&watch->ghosts, pid));
	return mr_sampler_add(watch->sampler, pid, stat, err);
}

static bool is_alive(uint32_t pid, struct mr_proc_stat *stat)
{
	return mr_proc_stat_read(pid, stat) == MR_OK && stat->state != 'Z' && stat->state != 'X';
}

void mr_watch_channel_found(void *context, uint32_t pid, uint64_t start_ticks)
{
	struct mr_watch *const watch = context;
	struct mr_ghost *const ghost = mr_ghosts_find(&watch->ghosts, pid);
	struct mr_error err = { 0 };
	struct mr_proc_stat stat;

	/* One that names no process of ours (a pid of another namespace) is kept to the end.  A process that
	 * is known has opened another channel, perhaps because it called exec(2). */
	if (recording(watch) && is_alive(pid, &stat) && stat.start_ticks == start_ticks) {
		mr_sampler_renamed(watch->sampler, pid);
		check(watch, found(watch, pid, &stat, &err), &err);
	} else if (ghost) {
		ghost->start_ticks = start_ticks;
	}
}

void mr_watch_process_ended(void *context, const struct mr_process *process, struct mr_process_end end)
{
	struct mr_watch *const watch = context;

	if (process->pid == (uint32_t)watch->pid && !watch->child) {
		watch->ended = true;
		watch->end = end;
	}
	if (watch->channels)
		mr_channels_ended(watch->channels, process->pid, process->start_ticks, watch->writer);
	if (watch->heap) {
		const struct mr_heap_ended ended = {
			.pid = process->pid,
			.start_ticks = process->start_ticks,
			/* A forked child that has allocated nothing has nothing to be recorded. */
			.name = mr_sampler_shares_image(watch->sampler, process) ? NULL : process->comm,
			.program = process->program,
			.program_ns = process->program_ns,
		};

		mr_heap_recorder_ended(watch->heap, &ended);
	}
}

/* ---- The kernel's events ----------------------------------------------------------- */

static int on_fork(struct mr_watch *watch, const struct mr_process_event *event, struct mr_error *err)
{
	struct mr_proc_stat stat;

	if (!knows(watch, event->parent_pid) &&
	    !mr_sampler_knew(watch->sampler, event->parent_pid, event->time_ns))
		return MR_OK;
	/* Where there are more forks than can be afforded, those that live for a while will do. */
	if (!mr_sampler_is_behind(watch->sampler) && is_alive(event->pid, &stat))
		return found(watch, event->pid, &stat, err);
	/* It may have been reaped, and told of, before this news of its beginning came. */
	if (mr_sampler_knew(watch->sampler, event->pid, event->time_ns))
		return MR_OK;
	const struct mr_ghost *const parent = mr_ghosts_find(&watch->ghosts, event->parent_pid);
	struct mr_ghost ghost = { .pid = event->pid,
		                  .parent_pid = event->parent_pid,
		                  .time_ns = event->time_ns };

	(void)snprintf(ghost.name, sizeof(ghost.name), "%s",
	               parent ? parent->name : mr_sampler_name(watch->sampler, event->parent_pid));
	return mr_ghosts_add(&watch->ghosts, &ghost, err);
}

/* Adds the ghosts that live after all, and lets go of those whose end was not told. */
static int settle_ghosts(struct mr_watch *watch, uint64_t now, struct mr_error *err)
{
	const struct mr_process_end unknown = { MR_EXIT_UNKNOWN, 0 };
	unsigned budget = mr_sampler_is_behind(watch->sampler) ? GHOSTS_SETTLED_BEHIND : MR_GHOSTS_MAX;

	for (size_t i = watch->ghosts.count; i > 0 && budget > 0; i--) {
		const struct mr_ghost ghost = watch->ghosts.items[i - 1];
		struct mr_proc_stat stat;

		if (now < ghost.time_ns + GHOST_AGE_NS)
			continue;
		budget--;
		const bool alive = is_alive(ghost.pid, &stat);

		if (!alive && now < ghost.time_ns + GHOST_AGE_MAX_NS)
			continue;
		mr_ghosts_forget(&watch->ghosts, &watch->ghosts.items[i - 1]);
		if (alive) {
			MR_TRY(mr_sampler_add(watch->sampler, ghost.pid, &stat, err));
			continue;
		}
		stat = mr_ghost_stat(&ghost);
		MR_TRY(mr_sampler_missed(watch->sampler, ghost.pid, &stat, ghost.time_ns, unknown, err));
	}
	return MR_OK;
}

static int on_exit_event(struct mr_watch *watch, const struct mr_process_event *event, struct mr_error *err)
{
	const struct mr_process_end end = mr_process_end_from_status(event->wait_status);
	struct mr_ghost *const ghost = mr_ghosts_find(&watch->ghosts, event->pid);

	mr_sampler_hint_end(watch->sampler, event->pid, end);
	if (!ghost)
		return MR_OK;
	const struct mr_proc_stat stat = mr_ghost_stat(ghost);
	const uint64_t begin_ns = ghost->time_ns;

	mr_ghosts_forget(&watch->ghosts, ghost);
	return mr_sampler_missed(watch->sampler, event->pid, &stat, begin_ns, end, err);
}

static void on_exec(struct mr_watch *watch, uint32_t pid)
{
	struct mr_ghost *const ghost = mr_ghosts_find(&watch->ghosts, pid);

	if (ghost)
		ghost->name[0] = '\0';
	mr_sampler_renamed(watch->sampler, pid);
}

static int on_event(void *context, const struct mr_process_event *event, struct mr_error *err)
{
	struct mr_watch *const watch = context;

	switch (event->kind) {
	case MR_PROCESS_EVENT_FORK:
		return on_fork(watch, event, err);
	case MR_PROCESS_EVENT_EXEC:
		on_exec(watch, event->pid);
		return MR_OK;
	case MR_PROCESS_EVENT_EXIT:
		return on_exit_event(watch, event, err);
	}
	return MR_OK;
}

/* Events are waited for again at once, so that processes are seen alive; after a
 * pause when that costs too much. */
static void take_events(struct mr_watch *watch, unsigned max)
{
	struct mr_error err = { 0 };
	bool lost = false;

	check(watch, mr_process_events_read(watch->events_fd, max, on_event, watch, &lost, &err), &err);
	if (lost)
		mr_process_tree_relax(watch->tree, false);
	watch->events_due_ns =
		mr_clock_monotonic_ns() + (mr_sampler_is_behind(watch->sampler) ? EVENTS_PAUSE_NS : 0);
}

static void wait_for_events_again(struct mr_watch *watch)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.fd = watch->events_fd };

	(void)epoll_ctl(watch->epoll_fd, EPOLL_CTL_MOD, watch->events_fd, &event);
	watch->events_due_ns = UINT64_MAX;
}

/* ---- Children and signals ----------------------------------------------------------- */

/* A child of ours that has ended and that nobody had seen: an orphan, as a rule. */
static void add_unseen(struct mr_watch *watch, uint32_t pid, struct mr_process_end end)
{
	struct mr_error err = { 0 };
	struct mr_proc_stat stat;

	if (mr_proc_stat_read(pid, &stat) < 0 || stat.start_ticks < watch->start_ticks ||
	    mr_sampler_has_ended(watch->sampler, pid, stat.start_ticks))
		return;
	mr_ghosts_forget(&watch->ghosts, mr_ghosts_find(&watch->ghosts, pid));
	uint64_t begin_ns = mr_ghost_start_ns(stat.start_ticks);

	if (begin_ns < watch->begin_ns)
		begin_ns = watch->begin_ns;
	check(watch, mr_sampler_missed(watch->sampler, pid, &stat, begin_ns, end, &err), &err);
}

static struct mr_process_end end_of(const siginfo_t *info)
{
	if (info->si_code == CLD_EXITED)
		return (struct mr_process_end){ MR_EXIT_EXITED, (uint64_t)info->si_status };
	return (struct mr_process_end){ MR_EXIT_SIGNALLED, (uint64_t)info->si_status };
}

static void reap(struct mr_watch *watch)
{
	for (;;) {
		struct mr_error err = { 0 };
		siginfo_t info = { 0 };

		/* Looked at before it is let go: until then its pid stays its own. */
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
			return;
		const struct mr_process_end end = end_of(&info);

		if (recording(watch) && mr_sampler_knows(watch->sampler, (uint32_t)info.si_pid))
			check(watch, mr_sampler_ended(watch->sampler, (uint32_t)info.si_pid, end, &err),
			      &err);
		else if (recording(watch))
			add_unseen(watch, (uint32_t)info.si_pid, end);
		const bool is_command = info.si_pid == watch->pid;
		struct rusage usage = { 0 };

		if (is_command) {
			watch->ended = true;
			watch->end = end;
		}
		while (wait4(info.si_pid, NULL, 0, &usage) < 0 && errno == EINTR)
			;
		if (is_command)
			watch->rss_max = (uint64_t)usage.ru_maxrss * 1024;
	}
}

static void take_signal(struct mr_watch *watch, const struct signalfd_siginfo *info)
{
	struct mr_error err = { 0 };

	switch (info->ssi_signo) {
	case SIGCHLD:
		reap(watch);
		return;
	case SIGUSR1:
		if (watch->heap)
			mr_heap_recorder_snapshot(watch->heap);
		if (recording(watch))
			check(watch, mr_sampler_snapshot(watch->sampler, &err), &err);
		return;
	default:
		break;
	}
	if (!watch->child) {
		if (info->ssi_signo != SIGUSR2)
			watch->ended = true;
		return;
	}
	/* What the terminal sends, the command has got as well: it is in the same process group. */
	if (info->ssi_code != SI_KERNEL && !watch->ended)
		(void)kill(watch->pid, (int)info->ssi_signo);
}

static void take_signals(struct mr_watch *watch)
{
	struct signalfd_siginfo infos[8];
	ssize_t got;

	while ((got = read(watch->signal_fd, infos, sizeof(infos))) > 0)
		for (size_t i = 0; i < (size_t)got / sizeof(infos[0]); i++)
			take_signal(watch, &infos[i]);
}

/* ---- The loop ------------------------------------------------------------------------- */

static bool add_to_epoll(const struct mr_watch *watch, int fd, uint32_t flags)
{
	struct epoll_event event = { .events = EPOLLIN | flags, .data.fd = fd };

	return fd >= 0 && epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

int mr_watch_begin(struct mr_watch *watch, struct mr_error *err)
{
	const struct mr_process_listener listener = { watch, knows, found };
	sigset_t signals;

	watch->begin_ns = mr_clock_monotonic_ns();
	watch->events_due_ns = UINT64_MAX;
	mr_watch_signals(&signals);
	watch->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	watch->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	watch->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	watch->events_fd = mr_process_events_open();
	MR_FAIL_IF(!add_to_epoll(watch, watch->signal_fd, 0) || !add_to_epoll(watch, watch->timer_fd, 0) ||
	                   !add_to_epoll(watch, mr_sampler_ends_fd(watch->sampler), 0) ||
	                   (watch->channels && !add_to_epoll(watch, mr_channels_fd(watch->channels), 0)) ||
	                   (watch->heap && !add_to_epoll(watch, mr_heap_recorder_fd(watch->heap), 0)) ||
	                   (watch->events_fd >= 0 && !add_to_epoll(watch, watch->events_fd, EPOLLONESHOT)),
	           err, MR_ERR_READ, "cannot watch a process: %s", strerror(errno));
	MR_TRY(mr_process_tree_new(&watch->tree, &listener, watch->start_ticks, err));
	mr_process_tree_relax(watch->tree, watch->events_fd >= 0);
	return MR_OK;
}

void mr_watch_release(struct mr_watch *watch)
{
	const int fds[] = { watch->epoll_fd, watch->signal_fd, watch->timer_fd, watch->events_fd };

	mr_process_tree_free(watch->tree);
	mr_ghosts_release(&watch->ghosts);
	for (size_t i = 0; i < MR_ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void look_for_processes(struct mr_watch *watch, uint64_t now)
{
	uint64_t interval = mr_sampler_interval_ns(now - watch->begin_ns);
	struct mr_error err = { 0 };

	check(watch, mr_process_tree_look(watch->tree, &err), &err);
	if (recording(watch))
		check(watch, settle_ghosts(watch, now, &err), &err);
	if (interval > LOOK_MAX_NS || mr_process_tree_is_relaxed(watch->tree))
		interval = LOOK_MAX_NS;
	watch->look_due_ns = now + interval;
}

/* Sets the timer to the first thing that is due. */
static void set_timer(const struct mr_watch *watch)
{
	struct itimerspec time = { 0 };
	uint64_t due = UINT64_MAX;

	if (watch->channels)
		due = mr_channels_due_ns(watch->channels);
	if (recording(watch)) {
		const uint64_t dues[] = { mr_sampler_due_ns(watch->sampler), watch->look_due_ns,
			                  watch->events_due_ns };

		for (size_t i = 0; i < MR_ARRAY_LEN(dues); i++)
			due = dues[i] < due ? dues[i] : due;
	}
	if (due != UINT64_MAX) {
		time.it_value.tv_sec = (time_t)(due / 1000000000u);
		/* Zero would switch it off; times that have passed ring at once. */
		time.it_value.tv_nsec = (long)(due % 1000000000u) + (due < 1000000000u);
	}
	(void)timerfd_settime(watch->timer_fd, TFD_TIMER_ABSTIME, &time, NULL);
}

/* Programs that track objects make work as they please; everything else is
 * charged to the sampler, whose share of the processor is fixed. */
static void run_channels(struct mr_watch *watch)
{
	const uint64_t cpu_begun = mr_sampler_thread_cpu_ns();

	mr_channels_run(watch->channels, watch->writer);
	watch->channels_cpu_ns += mr_sampler_thread_cpu_ns() - cpu_begun;
}

static void charge(struct mr_watch *watch)
{
	const uint64_t cpu_now = mr_sampler_thread_cpu_ns() - watch->channels_cpu_ns;

	mr_sampler_charge(watch->sampler, cpu_now - watch->charged_cpu_ns);
	watch->charged_cpu_ns = cpu_now;
}

static void do_what_is_due(struct mr_watch *watch)
{
	const uint64_t now = mr_clock_monotonic_ns();
	struct mr_error err = { 0 };

	if (recording(watch) && now >= watch->events_due_ns)
		wait_for_events_again(watch);
	const bool sample = recording(watch) && now >= mr_sampler_due_ns(watch->sampler);

	/* What falls near a sample is done with it, so that we wake up once for both. */
	if (recording(watch) && now + (sample ? LOOK_MIN_NS / 2 : 0) >= watch->look_due_ns)
		look_for_processes(watch, now);
	if (sample && recording(watch))
		check(watch, mr_sampler_tick(watch->sampler, &err), &err);
	if (watch->channels && now + (sample ? LOOK_MIN_NS / 2 : 0) >= mr_channels_due_ns(watch->channels))
		run_channels(watch);
}

static void take_heap_channels(struct mr_watch *watch)
{
	uint64_t start_ticks;
	uint32_t pid;

	while (mr_heap_recorder_found(watch->heap, &pid, &start_ticks))
		mr_watch_channel_found(watch, pid, start_ticks);
}

static void handle(struct mr_watch *watch, int fd)
{
	struct mr_error err = { 0 };

	if (fd == watch->signal_fd)
		take_signals(watch);
	else if (fd == watch->events_fd && recording(watch))
		take_events(watch, EVENTS_MAX);
	else if (fd == mr_sampler_ends_fd(watch->sampler) && recording(watch))
		check(watch, mr_sampler_look_for_ends(watch->sampler, &err), &err);
	else if (fd == mr_sampler_ends_fd(watch->sampler)) /* nobody looks any more: it would ring for ever */
		(void)epoll_ctl(watch->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	else if (watch->channels && fd == mr_channels_fd(watch->channels))
		run_channels(watch);
	else if (watch->heap && fd == mr_heap_recorder_fd(watch->heap))
		take_heap_channels(watch);
}

/* A last look at everything, for what came at the very end. */
static void take_the_rest(struct mr_watch *watch)
{
	struct mr_error err = { 0 };

	if (watch->events_fd >= 0 && recording(watch))
		take_events(watch, EVENTS_REST_MAX);
	if (watch->child)
		reap(watch);
	if (recording(watch))
		check(watch, mr_process_tree_look(watch->tree, &err), &err);
	if (recording(watch))
		check(watch, mr_sampler_look_for_ends(watch->sampler, &err), &err);
	if (watch->channels)
		run_channels(watch);
	if (watch->heap)
		take_heap_channels(watch);
}

void mr_watch_run(struct mr_watch *watch)
{
	watch->charged_cpu_ns = mr_sampler_thread_cpu_ns();
	(void)pthread_mutex_lock(&watch->log_lock);
	while (!watch->ended) {
		struct epoll_event events[8];

		do_what_is_due(watch);
		charge(watch);
		set_timer(watch);
		(void)pthread_mutex_unlock(&watch->log_lock);
		const int count = epoll_wait(watch->epoll_fd, events, (int)MR_ARRAY_LEN(events), -1);

		(void)pthread_mutex_lock(&watch->log_lock);
		for (int i = 0; i < count; i++)
			handle(watch, events[i].data.fd);
	}
	take_the_rest(watch);
	(void)pthread_mutex_unlock(&watch->log_lock);
}
