/* SPDX-License-Identifier: MIT
 *
 * See sampler.h.  Processes lie in an array of pointers, ordered by pid: new
 * pids are mostly the largest, lookups are few, and a tick goes over all anyway.
 */
#include "sampler_private.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define WRITE_INTERVAL_NS UINT64_C(1000000000) /* a frame at least once a second */
#define SHARE_PPM 6000                         /* of a core */
#define SHARE_ADVANCE_NS 4000000               /* of processor time, with that share */
#define SLACK_NS UINT64_C(500000)              /* what is due this soon is done at once */
#define SLICE_NS UINT64_C(8000000)             /* of processor time in a tick: a second's worth */
#define SLICE_CHECK 16                         /* processes between two looks at that clock */
#define DEBT_MAX_NS (2 * SLICE_NS)             /* so no more than two seconds pass without a sample */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec time = { 0 };

	(void)clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t mr_sampler_thread_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

void mr_sampler_charge(struct mr_sampler *sampler, uint64_t cost_ns)
{
	mr_budget_spend(&sampler->budget, cost_ns);
	mr_budget_forgive(&sampler->budget, mr_clock_monotonic_ns(), DEBT_MAX_NS);
	sampler->totals.cost_ns += cost_ns;
}

int mr_sampler_new(struct mr_sampler **sampler, struct mr_log_writer *writer,
                   const struct mr_sampler_options *options, struct mr_error *err)
{
	struct mr_sampler *const made = mr_alloc(sizeof(*made));
	const uint64_t now = mr_clock_monotonic_ns();
	const uint32_t share_ppm = options->share_ppm ? options->share_ppm : SHARE_PPM;

	MR_FAIL_IF(!made, err, MR_ERR_NOMEM, "out of memory for the sampler");
	made->log.writer = writer;
	made->log.arguments = options->arguments;
	made->log.home = options->home;
	made->log.realtime_offset_ns = (int64_t)(mr_clock_realtime_ns() - now);
	made->options = *options;
	made->own_pid = (uint32_t)getpid();
	made->due_ns = now;
	made->write_due_ns = now + WRITE_INTERVAL_NS;
	made->budget = (struct mr_budget){
		.start_ns = now,
		.advance_ns = (uint64_t)SHARE_ADVANCE_NS * share_ppm / SHARE_PPM,
		.share_ppm = share_ppm,
	};
	made->rollup_budget = (struct mr_budget){ .start_ns = now, .advance_ns = 5000000, .share_ppm = 3000 };
	made->ends_fd = epoll_create1(EPOLL_CLOEXEC);
	if (made->ends_fd < 0 || mr_proc_boot_id_read(made->log.boot_id) < 0) {
		mr_sampler_free(made);
		return mr_fail(err, MR_ERR_READ, "cannot watch processes: %s", strerror(errno));
	}
	*sampler = made;
	return MR_OK;
}

void mr_sampler_free(struct mr_sampler *sampler)
{
	if (!sampler)
		return;
	for (size_t i = 0; i < sampler->count; i++)
		if (sampler->processes[i] != sampler->root)
			mr_process_free(sampler->processes[i]);
	mr_process_free(sampler->root);
	mr_free(sampler->processes);
	mr_sampler_log_release(&sampler->log);
	if (sampler->ends_fd >= 0)
		close(sampler->ends_fd);
	mr_free(sampler);
}

/* ---- The set of processes --------------------------------------------------- */

/* The index of the first process whose pid is PID or larger. */
static size_t find(const struct mr_sampler *sampler, uint32_t pid)
{
	size_t low = 0;
	size_t high = sampler->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (sampler->processes[middle]->pid < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct mr_process *process_of(const struct mr_sampler *sampler, uint32_t pid)
{
	const size_t at = find(sampler, pid);

	return at < sampler->count && sampler->processes[at]->pid == pid ? sampler->processes[at] : NULL;
}

bool mr_sampler_knows(const struct mr_sampler *sampler, uint32_t pid)
{
	return process_of(sampler, pid) != NULL;
}

size_t mr_sampler_alive_count(const struct mr_sampler *sampler)
{
	return sampler->count;
}

void mr_sampler_renamed(struct mr_sampler *sampler, uint32_t pid)
{
	struct mr_process *const process = process_of(sampler, pid);

	if (!process)
		return;
	process->look_at_image = true;
	process->due_ns = 0;
	sampler->due_ns = 0;
}

static void watch_end(const struct mr_sampler *sampler, const struct mr_process *process)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.u32 = process->pid };

	/* When it cannot be watched, the next look at its memory finds that it has ended. */
	if (process->pidfd >= 0)
		(void)epoll_ctl(sampler->ends_fd, EPOLL_CTL_ADD, process->pidfd, &event);
}

static int end_process(struct mr_sampler *sampler, struct mr_process *process, struct mr_process_end end,
                       struct mr_error *err);

void mr_sampler_hint_end(struct mr_sampler *sampler, uint32_t pid, struct mr_process_end end)
{
	struct mr_process *const process = process_of(sampler, pid);

	if (process)
		process->end_hint = end;
}

static struct mr_process_end find_end(struct mr_process *process)
{
	const struct mr_process_end found = mr_process_end_find(process);

	return found.state == MR_EXIT_UNKNOWN && process->end_hint.state ? process->end_hint : found;
}

/* The process did not answer.  A child of ours is left to wait(2), which will tell. */
static int end_unless_own(struct mr_sampler *sampler, struct mr_process *process, struct mr_error *err)
{
	struct mr_proc_stat stat;

	if (mr_process_read_stat(process, &stat) == MR_OK && stat.parent_pid == sampler->own_pid) {
		process->due_ns = UINT64_MAX;
		return MR_OK;
	}
	return end_process(sampler, process, find_end(process), err);
}

bool mr_sampler_has_ended(const struct mr_sampler *sampler, uint32_t pid, uint64_t start_ticks)
{
	const size_t count =
		sampler->ended_count < MR_SAMPLER_ENDED_MAX ? sampler->ended_count : MR_SAMPLER_ENDED_MAX;

	for (size_t i = 0; i < count; i++)
		if (sampler->ended[i].pid == pid && sampler->ended[i].start_ticks == start_ticks)
			return true;
	return false;
}

bool mr_sampler_knew(const struct mr_sampler *sampler, uint32_t pid, uint64_t time_ns)
{
	const size_t oldest =
		sampler->ended_count < MR_SAMPLER_ENDED_MAX ? 0 : sampler->ended_count - MR_SAMPLER_ENDED_MAX;

	if (process_of(sampler, pid))
		return true;
	for (size_t i = sampler->ended_count; i > oldest; i--) {
		const struct mr_sampler_ended *const ended = &sampler->ended[(i - 1) % MR_SAMPLER_ENDED_MAX];

		if (ended->time_ns < time_ns)
			return false;
		if (ended->pid == pid)
			return true;
	}
	return false;
}

static uint64_t interval_of(const struct mr_sampler *sampler, const struct mr_process *process, uint64_t now)
{
	return sampler->options.interval_ns ? sampler->options.interval_ns
	                                    : mr_sampler_interval_ns(now - process->zero_ns);
}

/* PROCESS may be gone afterwards. */
static int sample(struct mr_sampler *sampler, struct mr_process *process, struct mr_error *err)
{
	const uint64_t now = mr_clock_monotonic_ns();
	bool answered;

	process->due_ns += interval_of(sampler, process, now);
	if (process->due_ns <= now)
		process->due_ns = now + interval_of(sampler, process, now);
	MR_TRY(mr_sampler_look(sampler, process, &answered, err));
	return answered ? MR_OK : end_unless_own(sampler, process, err);
}

/* ---- Beginnings and ends ------------------------------------------------------ */

static struct mr_process *insert(struct mr_sampler *sampler, uint32_t pid, const struct mr_proc_stat *stat)
{
	const size_t at = find(sampler, pid);

	if (mr_grow(&sampler->processes, &sampler->capacity, sampler->count + 1, sizeof(void *)) < 0)
		return NULL;
	struct mr_process *const process = mr_process_new(pid, stat);

	if (!process)
		return NULL;
	memmove(sampler->processes + at + 1, sampler->processes + at, (sampler->count - at) * sizeof(void *));
	sampler->processes[at] = process;
	sampler->count++;
	if (!sampler->root)
		sampler->root = process;
	sampler->totals.process_count++;
	return process;
}

static int begin(struct mr_sampler *sampler, uint32_t pid, const struct mr_proc_stat *stat, uint64_t now,
                 struct mr_process **process, struct mr_error *err)
{
	const struct mr_process *const parent = process_of(sampler, stat->parent_pid);
	struct mr_process *const made = insert(sampler, pid, stat);

	MR_FAIL_IF(!made, err, MR_ERR_NOMEM, "out of memory for process %u", pid);
	made->parent_start_ticks = parent ? parent->start_ticks : 0;
	made->due_ns = now;
	mr_sampler_look_budgets(made, now);
	*process = made;
	return mr_sampler_log_stream(&sampler->log, made, now, err);
}

int mr_sampler_add(struct mr_sampler *sampler, uint32_t pid, const struct mr_proc_stat *stat,
                   struct mr_error *err)
{
	struct mr_process *process = process_of(sampler, pid);

	if (process && process->start_ticks == stat->start_ticks)
		return MR_OK;
	if (process) /* its pid is used again, so it ended and nobody told */
		MR_TRY(end_process(sampler, process, find_end(process), err));
	MR_TRY(begin(sampler, pid, stat, mr_clock_monotonic_ns(), &process, err));
	watch_end(sampler, process);
	MR_TRY(sample(sampler, process, err));
	if (sampler->rss_now > sampler->totals.rss_peak_tree)
		sampler->totals.rss_peak_tree = sampler->rss_now;
	if (sampler->due_ns > mr_clock_monotonic_ns() + MR_SAMPLER_INTERVAL_MIN_NS)
		sampler->due_ns = 0;
	return MR_OK;
}

int mr_sampler_missed(struct mr_sampler *sampler, uint32_t pid, const struct mr_proc_stat *stat,
                      uint64_t begin_ns, struct mr_process_end end, struct mr_error *err)
{
	struct mr_process *process;

	if (process_of(sampler, pid))
		return mr_sampler_ended(sampler, pid, end, err);
	MR_TRY(begin(sampler, pid, stat, begin_ns, &process, err));
	return end_process(sampler, process, end, err);
}

const char *mr_sampler_name(const struct mr_sampler *sampler, uint32_t pid)
{
	const struct mr_process *const process = process_of(sampler, pid);

	return process ? process->comm : "";
}

bool mr_sampler_shares_image(const struct mr_sampler *sampler, const struct mr_process *process)
{
	const struct mr_process *const parent = process_of(sampler, process->parent_pid);

	/* Never seen alive: then its name is its parent's unless it called exec(2). */
	if (process->image_stack == 0)
		return parent && strcmp(parent->comm, process->comm) == 0;
	for (size_t i = 0; i < sampler->count; i++) {
		const struct mr_process *const other = sampler->processes[i];

		/* Without permission these are 0 or 1; else each exec gives others. */
		if (other != process && process->image_stack > 1 &&
		    other->image_stack == process->image_stack && other->image_code == process->image_code)
			return true;
	}
	return false;
}

/* PROCESS is gone afterwards, unless it is the root. */
static int end_process(struct mr_sampler *sampler, struct mr_process *process, struct mr_process_end end,
                       struct mr_error *err)
{
	const uint64_t now = mr_clock_monotonic_ns();
	const size_t at = find(sampler, process->pid);
	int code = mr_sampler_look_back(sampler, process, err);

	if (code == MR_OK)
		code = mr_sampler_log_end(&sampler->log, process, now, end, err);

	sampler->ended[sampler->ended_count++ % MR_SAMPLER_ENDED_MAX] =
		(struct mr_sampler_ended){ process->pid, process->start_ticks, now };
	sampler->rss_now -= process->last.rss;
	sampler->count--;
	memmove(sampler->processes + at, sampler->processes + at + 1, (sampler->count - at) * sizeof(void *));
	if (end.state != MR_EXIT_RUNNING && sampler->options.ended)
		sampler->options.ended(sampler->options.context, process, end);
	if (process == sampler->root)
		mr_process_close(process);
	else
		mr_process_free(process);
	return code;
}

int mr_sampler_ended(struct mr_sampler *sampler, uint32_t pid, struct mr_process_end end,
                     struct mr_error *err)
{
	struct mr_process *const process = process_of(sampler, pid);

	return process ? end_process(sampler, process, end, err) : MR_OK;
}

int mr_sampler_ends_fd(const struct mr_sampler *sampler)
{
	return sampler->ends_fd;
}

int mr_sampler_look_for_ends(struct mr_sampler *sampler, struct mr_error *err)
{
	struct epoll_event events[64];
	int count;

	do {
		count = epoll_wait(sampler->ends_fd, events, (int)MR_ARRAY_LEN(events), 0);
		for (int i = 0; i < count; i++) {
			struct mr_process *const process = process_of(sampler, events[i].data.u32);

			if (process)
				MR_TRY(end_unless_own(sampler, process, err));
		}
	} while (count == (int)MR_ARRAY_LEN(events));
	return MR_OK;
}

/* ---- Ticks --------------------------------------------------------------------- */

static int write_all(struct mr_sampler *sampler, struct mr_error *err)
{
	for (size_t i = 0; i < sampler->count; i++)
		if (sampler->processes[i]->row_count > 0)
			MR_TRY(mr_sampler_log_samples(&sampler->log, sampler->processes[i], err));
	return mr_log_writer_flush(sampler->log.writer, err);
}

/* Samples what is due by LIMIT_NS, for a slice of time.  A process that has ended
 * leaves the array, and the one behind it waits for the next tick; which begins
 * where this one stopped, so that a tight budget serves all in turn. */
static int sample_due(struct mr_sampler *sampler, uint64_t limit_ns, struct mr_error *err)
{
	const uint64_t cpu_begun = mr_sampler_thread_cpu_ns();
	size_t sampled = 0;
	size_t i;

	for (i = 0; i < sampler->count; i++) {
		struct mr_process *const process = sampler->processes[(sampler->first + i) % sampler->count];

		if (process->due_ns > limit_ns)
			continue;
		if (++sampled % SLICE_CHECK == 0 && mr_sampler_thread_cpu_ns() - cpu_begun > SLICE_NS)
			break;
		MR_TRY(sample(sampler, process, err));
	}
	sampler->first = sampler->count ? (sampler->first + i) % sampler->count : 0;
	return MR_OK;
}

static uint64_t next_due(const struct mr_sampler *sampler)
{
	uint64_t due = UINT64_MAX;

	for (size_t i = 0; i < sampler->count; i++)
		if (sampler->processes[i]->due_ns < due)
			due = sampler->processes[i]->due_ns;
	return due;
}

int mr_sampler_tick(struct mr_sampler *sampler, struct mr_error *err)
{
	const uint64_t now = mr_clock_monotonic_ns();

	if (mr_budget_ready_ns(&sampler->budget) <= now)
		MR_TRY(sample_due(sampler, now + SLACK_NS, err));
	if (sampler->rss_now > sampler->totals.rss_peak_tree)
		sampler->totals.rss_peak_tree = sampler->rss_now;
	if (now >= sampler->write_due_ns) {
		sampler->write_due_ns = now + WRITE_INTERVAL_NS;
		MR_TRY(write_all(sampler, err));
	}
	sampler->due_ns = next_due(sampler);
	return MR_OK;
}

int mr_sampler_setting(struct mr_sampler *sampler, const char *key, const char *value, struct mr_error *err)
{
	return sampler->root ? mr_sampler_log_setting(&sampler->log, sampler->root, key, value, err) : MR_OK;
}

int mr_sampler_counter(struct mr_sampler *sampler, const char *key, uint64_t value, struct mr_error *err)
{
	return sampler->root ? mr_sampler_log_counter(&sampler->log, sampler->root, key, value, err) : MR_OK;
}

bool mr_sampler_is_behind(const struct mr_sampler *sampler)
{
	return mr_budget_ready_ns(&sampler->budget) > mr_clock_monotonic_ns();
}

uint64_t mr_sampler_due_ns(const struct mr_sampler *sampler)
{
	const uint64_t ready = mr_budget_ready_ns(&sampler->budget);
	const uint64_t sample_due_ns = sampler->due_ns > ready ? sampler->due_ns : ready;

	/* What was sampled is written once a second, whatever it costs. */
	return sample_due_ns < sampler->write_due_ns ? sample_due_ns : sampler->write_due_ns;
}

int mr_sampler_snapshot(struct mr_sampler *sampler, struct mr_error *err)
{
	for (size_t i = 0; i < sampler->count; i++)
		MR_TRY(mr_sampler_look_closely(sampler, sampler->processes[i], err));
	return write_all(sampler, err);
}

/* ---- The end --------------------------------------------------------------------- */

void mr_sampler_totals(const struct mr_sampler *sampler, struct mr_sampler_totals *totals)
{
	*totals = sampler->totals;
	totals->rss_peak_root = sampler->root ? sampler->root->rss_peak : 0;
}

int mr_sampler_finish(struct mr_sampler *sampler, struct mr_error *err)
{
	const struct mr_process_end running = { MR_EXIT_RUNNING, 0 };

	while (sampler->count > 0)
		MR_TRY(end_process(sampler, sampler->processes[sampler->count - 1], running, err));
	MR_TRY(mr_sampler_counter(sampler, "sampler.processes", sampler->totals.process_count, err));
	MR_TRY(mr_sampler_counter(sampler, "sampler.samples", sampler->totals.sample_count, err));
	MR_TRY(mr_sampler_counter(sampler, "sampler.cpu_ns", sampler->totals.cost_ns, err));
	return mr_sampler_counter(sampler, "memrecord.cpu_ns", clock_ns(CLOCK_PROCESS_CPUTIME_ID), err);
}
