/* SPDX-License-Identifier: MIT
 *
 * Which snapshot of the heap FILE@N, FILE@DESCRIPTION, FILE@peak and FILE@end mean.
 */
#include "stacks.h"
#include "table_log.h"

/* The first of the snapshots with most live memory. */
static uint32_t find_peak(const struct mr_run *run)
{
	uint32_t peak = run->heap_snapshot_count > 0 ? 0 : MR_INDEX_NONE;

	for (uint32_t i = 1; i < run->heap_snapshot_count; i++)
		if (run->heap_snapshots[i].live_bytes > run->heap_snapshots[peak].live_bytes)
			peak = i;
	return peak;
}

/* By number, by description, and else "end" and "peak". */
uint32_t mr_stacks_find_snapshot(const struct mr_model *model, const struct mr_run *run, const char *text)
{
	uint64_t number = 0;
	const bool is_number = mr_parse_u64(text, &number) == 0;

	for (uint32_t i = 0; is_number && i < run->heap_snapshot_count; i++)
		if (run->heap_snapshots[i].number == number)
			return i;
	for (uint32_t i = 0; i < run->heap_snapshot_count; i++)
		if (run->heap_snapshots[i].description != 0 &&
		    strcmp(mr_model_string(model, run->heap_snapshots[i].description), text) == 0)
			return i;
	if (strcmp(text, "end") == 0 && run->heap_snapshot_count > 0)
		return run->heap_snapshot_count - 1;
	return strcmp(text, "peak") == 0 ? find_peak(run) : MR_INDEX_NONE;
}

uint32_t mr_stacks_snapshot(const struct memstats_log *log, size_t run_index, bool *named)
{
	const struct mr_run *run = &log->model->runs[run_index];

	*named = false;
	for (size_t i = 0; i < log->operand_count; i++) {
		if (log->operands[i].file != run->file || !log->operands[i].snapshot)
			continue;
		*named = true;
		return mr_stacks_find_snapshot(log->model, run, log->operands[i].snapshot);
	}
	return MR_INDEX_NONE;
}

/* Says which snapshots there are: of the run of FILE that has most. */
static int fail_unknown(const struct memstats_log *log, size_t operand, struct mr_error *err)
{
	const struct mr_run *most = NULL;

	for (size_t i = 0; i < log->model->run_count; i++) {
		const struct mr_run *run = &log->model->runs[i];

		if (run->file == log->operands[operand].file && run->heap_snapshot_count > 0 &&
		    (!most || run->heap_snapshot_count > most->heap_snapshot_count))
			most = run;
	}
	MR_FAIL_IF(!most, err, MR_ERR_ARG, "%.200s has no snapshot '%.100s' of the heap, nor any other",
	           log->words[operand], log->operands[operand].snapshot);
	return mr_fail(err, MR_ERR_ARG,
	               "%.200s has no snapshot '%.100s' of the heap; it has %llu to %llu, peak and end: "
	               "'memstats heap %.200s' lists them",
	               log->words[operand], log->operands[operand].snapshot,
	               (unsigned long long)most->heap_snapshots[0].number,
	               (unsigned long long)most->heap_snapshots[most->heap_snapshot_count - 1].number,
	               log->words[operand]);
}

int mr_stacks_check_snapshots(const struct memstats_log *log, struct mr_error *err)
{
	for (size_t i = 0; i < log->operand_count; i++) {
		bool found = log->operands[i].snapshot == NULL;

		for (size_t r = 0; !found && r < log->model->run_count; r++)
			found = log->model->runs[r].file == log->operands[i].file &&
			        mr_stacks_find_snapshot(log->model, &log->model->runs[r],
			                                log->operands[i].snapshot) != MR_INDEX_NONE;
		if (!found)
			return fail_unknown(log, i, err);
	}
	return 0;
}
