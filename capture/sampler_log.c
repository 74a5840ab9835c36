/* SPDX-License-Identifier: MIT
 *
 * See sampler_log.h.
 */
#include "sampler_log.h"

#include "log_memory.h"

#define CREATOR "memrecord " MR_VERSION_STRING
#define SNAPSHOT_DESCRIPTION "requested by a signal"

_Static_assert(sizeof(struct mr_sample) / sizeof(uint64_t) + 1 <= MR_BLOCK_COLUMNS_MAX,
               "columns fit a block");

void mr_sampler_log_release(struct mr_sampler_log *log)
{
	mr_free(log->values);
	log->values = NULL;
	log->value_capacity = 0;
}

static uint64_t stream_time(const struct mr_process *process, uint64_t time_ns)
{
	return time_ns > process->zero_ns ? time_ns - process->zero_ns : 0;
}

static struct mr_log_span span_at(const struct mr_process *process, uint64_t time_ns)
{
	const uint64_t time = stream_time(process, time_ns);

	return (struct mr_log_span){ .time_first = time, .time_last = time };
}

/* Defines TEXT as a string of the stream and gives its id, or 0 for "". */
static int put_string(struct mr_sampler_log *log, struct mr_process *process, const char *text, uint64_t *id,
                      struct mr_error *err)
{
	const struct mr_log_span nowhere = { 0 };
	const size_t len = strlen(text);
	struct mr_block_writer block;

	*id = 0;
	if (len == 0)
		return MR_OK;
	mr_log_writer_begin(log->writer, process->stream, MR_KIND_STRINGS, 1, &block);
	mr_block_scalar(&block, MR_STRINGS_ID, process->string_count + 1);
	mr_block_scalar(&block, MR_STRINGS_LENGTH, len);
	mr_block_bytes(&block, MR_STRINGS_BYTES, text, len);
	MR_TRY(mr_log_writer_end(log->writer, &block, &nowhere, err));
	*id = ++process->string_count;
	return MR_OK;
}

int mr_sampler_log_stream(struct mr_sampler_log *log, struct mr_process *process, uint64_t time_ns,
                          struct mr_error *err)
{
	const struct mr_log_span nowhere = { 0 };
	struct mr_block_writer block;
	uint64_t creator;

	process->stream = mr_log_writer_add_stream(log->writer);
	process->zero_ns = time_ns;
	MR_TRY(put_string(log, process, CREATOR, &creator, err));
	mr_log_writer_begin(log->writer, process->stream, MR_KIND_STREAM, 1, &block);
	mr_block_scalar(&block, MR_STREAM_BOOT_ID_HIGH, log->boot_id[0]);
	mr_block_scalar(&block, MR_STREAM_BOOT_ID_LOW, log->boot_id[1]);
	mr_block_scalar(&block, MR_STREAM_PID, process->pid);
	mr_block_scalar(&block, MR_STREAM_START_TICKS, process->start_ticks);
	mr_block_scalar(&block, MR_STREAM_SOURCE, MR_SOURCE_SAMPLER);
	mr_block_scalar(&block, MR_STREAM_CLOCK_MONOTONIC, time_ns);
	mr_block_scalar(&block, MR_STREAM_CLOCK_REALTIME, time_ns + (uint64_t)log->realtime_offset_ns);
	mr_block_scalar(&block, MR_STREAM_CREATOR, creator);
	mr_block_scalar(&block, MR_STREAM_VERSION, MR_LOG_VERSION_MAJOR << 16 | MR_LOG_VERSION_MINOR);
	return mr_log_writer_end(log->writer, &block, &nowhere, err);
}

void mr_sampler_log_read_names(const struct mr_sampler_log *log, const struct mr_process *process,
                               struct mr_process_names *names)
{
	names->name = process->comm;
	(void)mr_proc_command_line(process->pid, log->arguments, log->home, names->command_line,
	                           sizeof(names->command_line));
	(void)mr_proc_executable(process->pid, log->home, names->executable, sizeof(names->executable));
}

int mr_sampler_log_image(struct mr_sampler_log *log, struct mr_process *process,
                         const struct mr_process_names *names, uint64_t time_ns, struct mr_error *err)
{
	const struct mr_log_span span = span_at(process, time_ns);
	struct mr_block_writer block;
	uint64_t name;
	uint64_t command;
	uint64_t executable;

	MR_TRY(put_string(log, process, names->name, &name, err));
	MR_TRY(put_string(log, process, names->command_line, &command, err));
	MR_TRY(put_string(log, process, names->executable, &executable, err));
	mr_log_writer_begin(log->writer, process->stream, MR_KIND_PROCESS, 1, &block);
	mr_block_scalar(&block, MR_PROCESS_TIME, span.time_first);
	mr_block_scalar(&block, MR_PROCESS_NAME, name);
	mr_block_scalar(&block, MR_PROCESS_COMMAND, command);
	mr_block_scalar(&block, MR_PROCESS_EXECUTABLE, executable);
	mr_block_scalar(&block, MR_PROCESS_PARENT_PID, process->parent_pid);
	mr_block_scalar(&block, MR_PROCESS_PARENT_START_TICKS, process->parent_start_ticks);
	return mr_log_writer_end(log->writer, &block, &span, err);
}

static bool is_optional(unsigned column)
{
	return column == MR_SAMPLES_PSS || column == MR_SAMPLES_USS || column == MR_SAMPLES_SWAP;
}

static int put_samples(struct mr_sampler_log *log, const struct mr_process *process,
                       const struct mr_sample *rows, size_t count, struct mr_error *err)
{
	struct mr_log_span span = span_at(process, rows[0].time_ns);
	struct mr_block_writer block;

	span.time_last = stream_time(process, rows[count - 1].time_ns);
	mr_log_writer_begin(log->writer, process->stream, MR_KIND_SAMPLES, (uint32_t)count, &block);
	for (unsigned column = MR_SAMPLES_TIME; column <= MR_SAMPLES_THREADS; column++) {
		for (size_t i = 0; i < count; i++) {
			const uint64_t value = ((const uint64_t *)&rows[i])[column - MR_SAMPLES_TIME];

			if (column == MR_SAMPLES_TIME)
				log->values[i] = stream_time(process, value);
			else
				log->values[i] = is_optional(column) ? mr_proc_optional(value) : value;
		}
		mr_block_column(&block, column, log->values);
	}
	return mr_log_writer_end(log->writer, &block, &span, err);
}

int mr_sampler_log_samples(struct mr_sampler_log *log, struct mr_process *process, struct mr_error *err)
{
	/* A row takes at most ten bytes a column, a block at most 1 MiB. */
	const size_t count_max = 4096;
	const size_t total = process->row_count;

	process->row_count = 0;
	if (mr_grow(&log->values, &log->value_capacity, total < count_max ? total : count_max,
	            sizeof(*log->values)) < 0)
		return mr_fail(err, MR_ERR_NOMEM, "out of memory for samples");
	for (size_t at = 0; at < total; at += count_max) {
		const size_t count = total - at < count_max ? total - at : count_max;

		MR_TRY(put_samples(log, process, process->rows + at, count, err));
	}
	return MR_OK;
}

int mr_sampler_log_snapshot(struct mr_sampler_log *log, struct mr_process *process, uint64_t time_ns,
                            uint64_t duration_ns, const struct mr_proc_memory *memory, struct mr_error *err)
{
	struct mr_log_span span = span_at(process, time_ns);
	struct mr_block_writer block;
	uint64_t description;

	MR_TRY(put_string(log, process, SNAPSHOT_DESCRIPTION, &description, err));
	process->snapshot_count++;
	span.snapshot_first = process->snapshot_count;
	span.snapshot_last = process->snapshot_count;
	mr_log_writer_begin(log->writer, process->stream, MR_KIND_SNAPSHOTS, 1, &block);
	mr_block_scalar(&block, MR_SNAPSHOTS_NUMBER, process->snapshot_count);
	mr_block_scalar(&block, MR_SNAPSHOTS_TIME, span.time_first);
	mr_block_scalar(&block, MR_SNAPSHOTS_DURATION, duration_ns);
	mr_block_scalar(&block, MR_SNAPSHOTS_DESCRIPTION, description);
	mr_block_scalar(&block, MR_SNAPSHOTS_FLAGS, MR_SNAPSHOT_REQUESTED);
	mr_log_memory_put(&block, memory);
	return mr_log_writer_end(log->writer, &block, &span, err);
}

int mr_sampler_log_end(struct mr_sampler_log *log, struct mr_process *process, uint64_t time_ns,
                       struct mr_process_end end, struct mr_error *err)
{
	const struct mr_log_span span = span_at(process, time_ns);
	struct mr_block_writer block;

	mr_log_writer_begin(log->writer, process->stream, MR_KIND_EXIT, 1, &block);
	mr_block_scalar(&block, MR_EXIT_TIME, span.time_first);
	mr_block_scalar(&block, MR_EXIT_STATE, (uint64_t)end.state);
	mr_block_scalar(&block, MR_EXIT_VALUE, end.value);
	return mr_log_writer_end(log->writer, &block, &span, err);
}

int mr_sampler_log_setting(struct mr_sampler_log *log, struct mr_process *process, const char *key,
                           const char *value, struct mr_error *err)
{
	const struct mr_log_span nowhere = { 0 };
	struct mr_block_writer block;
	uint64_t key_id;
	uint64_t value_id;

	MR_TRY(put_string(log, process, key, &key_id, err));
	MR_TRY(put_string(log, process, value, &value_id, err));
	mr_log_writer_begin(log->writer, process->stream, MR_KIND_SETTINGS, 1, &block);
	mr_block_scalar(&block, MR_SETTINGS_KEY, key_id);
	mr_block_scalar(&block, MR_SETTINGS_VALUE, value_id);
	return mr_log_writer_end(log->writer, &block, &nowhere, err);
}

int mr_sampler_log_counter(struct mr_sampler_log *log, struct mr_process *process, const char *key,
                           uint64_t value, struct mr_error *err)
{
	const struct mr_log_span nowhere = { 0 };
	struct mr_block_writer block;
	uint64_t key_id;

	MR_TRY(put_string(log, process, key, &key_id, err));
	mr_log_writer_begin(log->writer, process->stream, MR_KIND_COUNTERS, 1, &block);
	mr_block_scalar(&block, MR_COUNTERS_KEY, key_id);
	mr_block_scalar(&block, MR_COUNTERS_VALUE, value);
	return mr_log_writer_end(log->writer, &block, &nowhere, err);
}
