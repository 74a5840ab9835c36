/* SPDX-License-Identifier: MIT
 *
 * The recorded runs of a log with their stacks and sites.
 */
#include "stacks_runs.h"

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
	return mr_stacks_new(log->model, &log->model->runs[index], query, &added->stacks, err);
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
