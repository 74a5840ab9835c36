/* SPDX-License-Identifier: MIT
 *
 * The recorded runs of a log with their stacks and sites.
 */
#include "stacks_runs.h"

/* ---- Shared stacks --------------------------------------------------------- */

bool mr_stacks_has_options(const struct memstats_query *query)
{
	for (size_t i = 0; query && i < query->count; i++)
		if (query->steps[i].operation == MEMSTATS_FOCUS ||
		    query->steps[i].operation == MEMSTATS_HIDE ||
		    query->steps[i].operation == MEMSTATS_MODULE)
			return true;
	return false;
}

/* All are worked out in one order, so that what a function takes from where it was seen first does not
 * depend on who looks. */
static int resolve_all(const struct memstats_log *log, size_t run, struct mr_stacks *stacks,
                       struct mr_error *err)
{
	struct mr_heap_sites sites = { 0 };
	int code = mr_model_heap_sites(log->model, run, MR_INDEX_NONE, &sites, err);

	for (size_t i = 0; code == 0 && i < sites.count; i++)
		code = mr_stacks_resolve(stacks, sites.sites[i].stack, err);
	mr_heap_sites_release(&sites);
	return code;
}

int mr_log_stacks(struct memstats_log *log, size_t run, const struct memstats_query *query,
                  enum mr_stacks_need need, struct mr_stacks **stacks, struct mr_error *err)
{
	const struct mr_model *model = log->model;
	struct mr_stacks *made = NULL;

	if (mr_stacks_has_options(query) || (need == MR_STACKS_FEW && (!log->stacks || !log->stacks[run])))
		return mr_stacks_new(model, &model->runs[run], query, stacks, err);
	if (!log->stacks)
		log->stacks = mr_alloc((model->run_count + 1) * sizeof(struct mr_stacks *));
	MR_FAIL_IF(!log->stacks, err, MR_ERR_NOMEM, "no memory for the call stacks");
	if (!log->stacks[run]) {
		MR_TRY(mr_stacks_new(model, &model->runs[run], NULL, &made, err));
		const int code = resolve_all(log, run, made, err);

		if (code < 0) {
			mr_stacks_free(made);
			return code;
		}
		made->is_shared = true;
		log->stacks[run] = made;
	}
	*stacks = log->stacks[run];
	return 0;
}

void mr_log_stacks_release(struct memstats_log *log)
{
	for (size_t i = 0; log->stacks && i < log->model->run_count; i++) {
		if (log->stacks[i])
			log->stacks[i]->is_shared = false;
		mr_stacks_free(log->stacks[i]);
	}
	mr_free(log->stacks);
	log->stacks = NULL;
}

/* ---- Runs ------------------------------------------------------------------ */

static int add_run(struct mr_stacks_runs *runs, struct memstats_log *log, size_t index,
                   const struct memstats_query *query, struct mr_error *err)
{
	const struct mr_run *run = &log->model->runs[index];
	bool named = false;
	const uint32_t snapshot = mr_stacks_snapshot(log, index, &named);
	struct mr_stacks_run *added = &runs->runs[runs->count];

	if (run->heap_image_count == 0 || (named && snapshot == MR_INDEX_NONE))
		return 0;
	added->run = (uint32_t)index;
	added->snapshot = snapshot;
	runs->count++;
	MR_TRY(mr_model_heap_sites(log->model, index, snapshot, &added->sites, err));
	return mr_log_stacks(log, index, query, snapshot == MR_INDEX_NONE ? MR_STACKS_ALL : MR_STACKS_FEW,
	                     &added->stacks, err);
}

int mr_stacks_runs_init(struct mr_stacks_runs *runs, struct memstats_log *log,
                        const struct memstats_query *query, struct mr_error *err)
{
	const size_t run_count = log->model->run_count;

	*runs = (struct mr_stacks_runs){ NULL, 0 };
	MR_TRY(mr_stacks_check_snapshots(log, err));
	runs->runs = mr_alloc((run_count + 1) * sizeof(*runs->runs));
	MR_FAIL_IF(!runs->runs, err, MR_ERR_NOMEM, "no memory for the call stacks");
	for (size_t i = 0; i < run_count; i++)
		MR_TRY(add_run(runs, log, i, query, err));
	return 0;
}

void mr_stacks_runs_release(struct mr_stacks_runs *runs)
{
	for (size_t i = 0; i < runs->count; i++) {
		mr_stacks_free(runs->runs[i].stacks);
		mr_heap_sites_release(&runs->runs[i].sites);
	}
	mr_free(runs->runs);
	*runs = (struct mr_stacks_runs){ NULL, 0 };
}
