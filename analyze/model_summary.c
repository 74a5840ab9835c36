/* SPDX-License-Identifier: MIT
 *
 * Blocks that sum up: snapshots and their totals, facts of the process, settings
 * and counters.  Kept with the stream's own ids and times until model_runs.c
 * puts the runs together.
 */
#include "model_private.h"

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the summaries of a log");
}

/* Optional values are stored as value + 1; what wraps around is MR_NONE. */
static uint64_t optional(uint64_t stored)
{
	return stored - 1;
}

int mr_model__read_snapshots(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_FAIL_IF(block->rows > loading->budget->snapshots_left, err, MR_ERR_LIMIT,
	           "the log claims far more snapshots than its size can hold");
	loading->budget->snapshots_left -= block->rows;
	MR_TRY(mr_rows_open(&rows, block, MR_SNAPSHOTS_FAULTS, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->snapshots, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++)
			stream->snapshots.items[stream->snapshots.count++] = (struct mr_snapshot){
				.number = rows.values[MR_SNAPSHOTS_NUMBER][i],
				.time_ns = rows.values[MR_SNAPSHOTS_TIME][i],
				.duration_ns = rows.values[MR_SNAPSHOTS_DURATION][i],
				.description = mr_raw_id(rows.values[MR_SNAPSHOTS_DESCRIPTION][i]),
				.flags = rows.values[MR_SNAPSHOTS_FLAGS][i],
				.count = rows.values[MR_SNAPSHOTS_COUNT][i],
				.size_bytes = rows.values[MR_SNAPSHOTS_SIZE][i],
				.overhead_bytes = rows.values[MR_SNAPSHOTS_OVERHEAD][i],
				.rss_bytes = optional(rows.values[MR_SNAPSHOTS_RSS][i]),
				.vsz_bytes = optional(rows.values[MR_SNAPSHOTS_VSZ][i]),
				.pss_bytes = optional(rows.values[MR_SNAPSHOTS_PSS][i]),
				.uss_bytes = optional(rows.values[MR_SNAPSHOTS_USS][i]),
				.swap_bytes = optional(rows.values[MR_SNAPSHOTS_SWAP][i]),
				.data_bytes = optional(rows.values[MR_SNAPSHOTS_DATA][i]),
				.stack_bytes = optional(rows.values[MR_SNAPSHOTS_STACK][i]),
				.code_bytes = optional(rows.values[MR_SNAPSHOTS_CODE][i]),
				.total_bytes = optional(rows.values[MR_SNAPSHOTS_TOTAL][i]),
				.shared_bytes = optional(rows.values[MR_SNAPSHOTS_SHARED][i]),
				.faults_major = optional(rows.values[MR_SNAPSHOTS_FAULTS][i]),
			};
	}
	return count;
}

int mr_model__read_class_totals(struct mr_loading *loading, const struct mr_block *block,
                                struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_CLASS_TOTALS_STAYED_SIZE, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->class_totals, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++)
			stream->class_totals.items[stream->class_totals.count++] = (struct mr_class_total){
				.snapshot = mr_raw_id(rows.values[MR_CLASS_TOTALS_SNAPSHOT][i]),
				.class_index = mr_raw_id(rows.values[MR_CLASS_TOTALS_CLASS][i]),
				.count = rows.values[MR_CLASS_TOTALS_COUNT][i],
				.size_bytes = rows.values[MR_CLASS_TOTALS_SIZE][i],
				.flat_bytes = rows.values[MR_CLASS_TOTALS_FLAT][i],
				.min_bytes = rows.values[MR_CLASS_TOTALS_MIN][i],
				.max_bytes = rows.values[MR_CLASS_TOTALS_MAX][i],
				.gone = rows.values[MR_CLASS_TOTALS_GONE][i],
				.gone_bytes = rows.values[MR_CLASS_TOTALS_GONE_SIZE][i],
				.made = rows.values[MR_CLASS_TOTALS_MADE][i],
				.made_bytes = rows.values[MR_CLASS_TOTALS_MADE_SIZE][i],
				.stayed = rows.values[MR_CLASS_TOTALS_STAYED][i],
				.stayed_bytes = rows.values[MR_CLASS_TOTALS_STAYED_SIZE][i],
			};
	}
	return count;
}

int mr_model__read_referent_totals(struct mr_loading *loading, const struct mr_block *block,
                                   struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_REFERENT_TOTALS_FLAT, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->referent_totals, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++)
			stream->referent_totals.items[stream->referent_totals.count++] =
				(struct mr_referent_total){
					.snapshot = mr_raw_id(rows.values[MR_REFERENT_TOTALS_SNAPSHOT][i]),
					.class_index = mr_raw_id(rows.values[MR_REFERENT_TOTALS_CLASS][i]),
					.path = mr_raw_id(rows.values[MR_REFERENT_TOTALS_PATH][i]),
					.count = rows.values[MR_REFERENT_TOTALS_COUNT][i],
					.size_bytes = rows.values[MR_REFERENT_TOTALS_SIZE][i],
					.flat_bytes = rows.values[MR_REFERENT_TOTALS_FLAT][i],
				};
	}
	return count;
}

int mr_model__read_process(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_PROCESS_PARENT_START_TICKS, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->processes, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++)
			stream->processes.items[stream->processes.count++] = (struct mr_process){
				.time_ns = rows.values[MR_PROCESS_TIME][i],
				.name = mr_raw_id(rows.values[MR_PROCESS_NAME][i]),
				.command = mr_raw_id(rows.values[MR_PROCESS_COMMAND][i]),
				.executable = mr_raw_id(rows.values[MR_PROCESS_EXECUTABLE][i]),
				.parent_pid = rows.values[MR_PROCESS_PARENT_PID][i],
				.parent_start_ticks = rows.values[MR_PROCESS_PARENT_START_TICKS][i],
			};
	}
	return count;
}

int mr_model__read_exit(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_EXIT_VALUE, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		stream->exit_time_ns = rows.values[MR_EXIT_TIME][count - 1];
		stream->exit_state = rows.values[MR_EXIT_STATE][count - 1];
		stream->exit_value = rows.values[MR_EXIT_VALUE][count - 1];
	}
	return count;
}

int mr_model__read_settings(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_SETTINGS_VALUE, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->settings, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++)
			stream->settings.items[stream->settings.count++] = (struct mr_setting){
				.key = mr_raw_id(rows.values[MR_SETTINGS_KEY][i]),
				.value = mr_raw_id(rows.values[MR_SETTINGS_VALUE][i]),
			};
	}
	return count;
}

int mr_model__read_counters(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_COUNTERS_VALUE, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->counters, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++)
			stream->counters.items[stream->counters.count++] = (struct mr_counter){
				.key = mr_raw_id(rows.values[MR_COUNTERS_KEY][i]),
				.value = rows.values[MR_COUNTERS_VALUE][i],
			};
	}
	return count;
}
