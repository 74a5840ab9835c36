/* SPDX-License-Identifier: MIT
 *
 * Which snapshot of the heap FILE@N and FILE@DESCRIPTION mean.
 */
#include "stacks.h"
#include "table_log.h"

static uint32_t find_snapshot(const struct mr_model *model, const struct mr_run *run, const char *text)
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
	return MR_INDEX_NONE;
}

uint32_t mr_stacks_snapshot(const struct memstats_log *log, size_t run_index, bool *named)
{
	const struct mr_run *run = &log->model->runs[run_index];

	*named = false;
	for (size_t i = 0; i < log->operand_count; i++) {
		if (log->operands[i].file != run->file || !log->operands[i].snapshot)
			continue;
		*named = true;
		return find_snapshot(log->model, run, log->operands[i].snapshot);
	}
	return MR_INDEX_NONE;
}

int mr_stacks_check_snapshots(const struct memstats_log *log, struct mr_error *err)
{
	for (size_t i = 0; i < log->operand_count; i++) {
		bool found = log->operands[i].snapshot == NULL;

		for (size_t r = 0; !found && r < log->model->run_count; r++)
			found = log->model->runs[r].file == log->operands[i].file &&
			        find_snapshot(log->model, &log->model->runs[r], log->operands[i].snapshot) !=
			                MR_INDEX_NONE;
		MR_FAIL_IF(!found, err, MR_ERR_ARG,
		           "%.200s has no snapshot '%.100s' of the heap; 'memstats heap %.200s' lists them",
		           log->words[i], log->operands[i].snapshot, log->words[i]);
	}
	return 0;
}
