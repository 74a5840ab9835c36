/* SPDX-License-Identifier: MIT
 *
 * A look at one process: what is read of it, when that is affordable, and which
 * of it becomes a row of the log.  See sampler.h for what it may cost.
 */
#include "sampler_private.h"

#include <errno.h>

#define FLAT_MAX_NS UINT64_C(60000000000) /* an idle process is mentioned at least this often */
#define NAMELESS_LOOKS_MAX 3
#define ROLLUP_SPACING_NS UINT64_C(100000000)
#define ROLLUP_NS_PER_PAGE 15 /* what smaps_rollup takes for 4 KiB of rss: a first guess */

void mr_sampler_look_budgets(struct mr_process *process, uint64_t now)
{
	process->stat_budget = (struct mr_budget){ .start_ns = now, .advance_ns = 200000, .share_ppm = 2000 };
	process->rollup_budget =
		(struct mr_budget){ .start_ns = now, .advance_ns = 1000000, .share_ppm = 3000 };
}

/* ---- Rows ----------------------------------------------------------------- */

static bool same_but_time(const struct mr_sample *a, const struct mr_sample *b)
{
	return memcmp(&a->rss, &b->rss, sizeof(*a) - offsetof(struct mr_sample, rss)) == 0;
}

static int append_row(struct mr_process *process, const struct mr_sample *row, struct mr_error *err)
{
	if (mr_grow(&process->rows, &process->row_capacity, process->row_count + 1, sizeof(*process->rows)) <
	    0)
		return mr_fail(err, MR_ERR_NOMEM, "out of memory for samples");
	process->rows[process->row_count++] = *row;
	return MR_OK;
}

/* Keeps ROW as the last sample; of several that say the same, the first and the
 * last are written, so an idle process costs nothing and its line stays true. */
static int keep_sample(struct mr_sampler *sampler, struct mr_process *process, const struct mr_sample *row,
                       struct mr_error *err)
{
	struct mr_sample plain = *row;

	sampler->rss_now += row->rss - process->last.rss;
	sampler->totals.sample_count++;
	if (row->rss > process->rss_peak)
		process->rss_peak = row->rss;
	plain.pss = plain.uss = plain.swap = MR_PROC_UNKNOWN;
	if (process->last.time_ns && row->pss == MR_PROC_UNKNOWN && same_but_time(&plain, &process->last) &&
	    row->time_ns - process->written_ns < FLAT_MAX_NS) {
		process->last = plain;
		process->last_unwritten = true;
		return MR_OK;
	}
	if (process->last_unwritten)
		MR_TRY(append_row(process, &process->last, err));
	process->last = plain;
	process->last_unwritten = false;
	process->written_ns = row->time_ns;
	return append_row(process, row, err);
}

/* ---- Reading --------------------------------------------------------------- */

/* Reads faults, cpu and threads, if their budget allows.  MR_ERR_READ: the
 * process has ended, by now or as a zombie. */
static int read_stat_into(struct mr_process *process, struct mr_sample *row, bool always)
{
	struct mr_proc_stat stat;

	if (!always && mr_budget_ready_ns(&process->stat_budget) > row->time_ns)
		return MR_OK;
	MR_TRY(mr_process_read_stat(process, &stat));
	mr_budget_spend(&process->stat_budget, mr_clock_monotonic_ns() - row->time_ns);
	if (stat.state == 'Z' || stat.state == 'X')
		return MR_ERR_READ;
	row->faults_minor = stat.faults_minor;
	row->faults_major = stat.faults_major;
	row->cpu_user_ns = stat.cpu_user_ns;
	row->cpu_system_ns = stat.cpu_system_ns;
	row->threads = stat.threads;
	process->parent_pid = stat.parent_pid;
	process->look_at_image = false;
	if (mr_process_image_changed(process, &stat)) {
		process->named = false;
		process->rollup_refused = false;
	}
	return MR_OK;
}

/* What it took last time, and a guess for what has been added since. */
static uint64_t rollup_forecast_ns(const struct mr_process *process, uint64_t rss)
{
	const uint64_t grown = rss > process->rollup_rss ? rss - process->rollup_rss : 0;

	return process->rollup_cost_ns + grown / 4096 * ROLLUP_NS_PER_PAGE;
}

static void read_rollup_into(struct mr_sampler *sampler, struct mr_process *process, struct mr_sample *row)
{
	struct mr_proc_memory memory;
	struct mr_budget planned = process->rollup_budget;

	if (process->rollup_refused || row->time_ns < process->rollup_due_ns ||
	    mr_budget_ready_ns(&sampler->rollup_budget) > row->time_ns)
		return;
	mr_budget_spend(&planned, rollup_forecast_ns(process, row->rss));
	if (mr_budget_ready_ns(&planned) > row->time_ns)
		return;

	const uint64_t begun = mr_clock_monotonic_ns();
	const int code = mr_proc_memory_read(process->pid, MR_PROC_ROLLUP, &memory);
	const uint64_t cost = mr_clock_monotonic_ns() - begun;

	mr_budget_spend(&process->rollup_budget, cost);
	mr_budget_spend(&sampler->rollup_budget, cost);
	process->rollup_due_ns = row->time_ns + ROLLUP_SPACING_NS;
	if (code < 0) {
		process->rollup_refused = errno == EACCES || errno == EPERM || errno == ENOENT;
		return;
	}
	process->rollup_cost_ns = cost;
	process->rollup_rss = row->rss;
	row->pss = memory.pss;
	row->uss = memory.uss;
	row->swap = memory.swap;
}

/* Writes a PROCESS row, unless the process is in the middle of exec(2): then its
 * command line is empty for a moment, and the next look will do; not so at the LAST chance. */
static int log_image(struct mr_sampler *sampler, struct mr_process *process, uint64_t time_ns, bool last,
                     struct mr_error *err)
{
	const uint64_t before_ns = mr_clock_monotonic_ns();
	struct mr_process_names names;

	mr_sampler_log_read_names(&sampler->log, process, &names);
	if (!names.command_line[0] && !last && process->nameless_looks++ < NAMELESS_LOOKS_MAX)
		return MR_OK;
	if (!names.command_line[0] && process == sampler->root && sampler->options.command)
		(void)snprintf(names.command_line, sizeof(names.command_line), "%s",
		               sampler->options.command);
	const char *const slash = strrchr(names.executable, '/');

	(void)snprintf(process->program, sizeof(process->program), "%.63s",
	               slash ? slash + 1 : names.executable);
	process->program_ns = before_ns;
	process->named = true;
	process->nameless_looks = 0;
	return mr_sampler_log_image(&sampler->log, process, &names, time_ns, err);
}

int mr_sampler_look(struct mr_sampler *sampler, struct mr_process *process, bool *answered,
                    struct mr_error *err)
{
	struct mr_sample row = process->last;

	row.time_ns = mr_clock_monotonic_ns();
	row.pss = row.uss = row.swap = MR_PROC_UNKNOWN;
	*answered = mr_process_read_statm(process, &row.rss, &row.vsz) == MR_OK &&
	            read_stat_into(process, &row,
	                           row.vsz == 0 || !process->named || process->look_at_image) == MR_OK;
	if (!*answered)
		return MR_OK;
	if (!process->named)
		MR_TRY(log_image(sampler, process, row.time_ns, false, err));
	if (mr_log_writer_is_full(sampler->log.writer))
		return MR_OK;
	read_rollup_into(sampler, process, &row);
	return keep_sample(sampler, process, &row, err);
}

int mr_sampler_look_closely(struct mr_sampler *sampler, struct mr_process *process, struct mr_error *err)
{
	struct mr_sample row = process->last;
	struct mr_proc_memory memory;

	mr_proc_memory_clear(&memory);
	row.time_ns = mr_clock_monotonic_ns();
	(void)mr_proc_memory_read(process->pid, MR_PROC_STATM | MR_PROC_STATUS | MR_PROC_ROLLUP, &memory);
	if (memory.rss == MR_PROC_UNKNOWN || read_stat_into(process, &row, true) < 0)
		return MR_OK; /* it has just ended, which will be told in another way */

	const uint64_t duration = mr_clock_monotonic_ns() - row.time_ns;

	row.rss = memory.rss;
	row.vsz = memory.vsz;
	row.pss = memory.pss;
	row.uss = memory.uss;
	row.swap = memory.swap;
	mr_budget_spend(&process->rollup_budget, duration);
	mr_budget_spend(&sampler->rollup_budget, duration);
	MR_TRY(keep_sample(sampler, process, &row, err));
	return mr_sampler_log_snapshot(&sampler->log, process, row.time_ns, duration, &memory, err);
}

int mr_sampler_look_back(struct mr_sampler *sampler, struct mr_process *process, struct mr_error *err)
{
	if (!process->named)
		MR_TRY(log_image(sampler, process, process->zero_ns, true, err));
	if (process->last_unwritten)
		MR_TRY(append_row(process, &process->last, err));
	process->last_unwritten = false;
	return process->row_count > 0 ? mr_sampler_log_samples(&sampler->log, process, err) : MR_OK;
}
