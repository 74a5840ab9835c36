/* SPDX-License-Identifier: MIT
 *
 * What a stream says about itself: which process it is, how it was recorded,
 * and at the end what that took.  Never the environment.
 */
#include "tracker.h"

#include <stdlib.h>
#include <unistd.h>

static const uint64_t no_span[4];

static uint32_t text_id(struct memcapture *capture, const char *text)
{
	return mr_names_string(capture, text, strlen(text));
}

static void put_stream(struct memcapture *capture)
{
	const struct mr_channel_header *const header = capture->channel->header;
	struct mr_buffer buffer = { 0 };
	struct mr_block_writer block;

	mr_block_begin(&block, &buffer, MR_KIND_STREAM, 1);
	mr_block_scalar(&block, MR_STREAM_BOOT_ID_HIGH, header->boot_id[0]);
	mr_block_scalar(&block, MR_STREAM_BOOT_ID_LOW, header->boot_id[1]);
	mr_block_scalar(&block, MR_STREAM_PID, header->pid);
	mr_block_scalar(&block, MR_STREAM_START_TICKS, header->start_ticks);
	mr_block_scalar(&block, MR_STREAM_SOURCE, header->source);
	mr_block_scalar(&block, MR_STREAM_CLOCK_MONOTONIC, header->zero_monotonic_ns);
	mr_block_scalar(&block, MR_STREAM_CLOCK_REALTIME, header->zero_realtime_ns);
	mr_block_scalar(&block, MR_STREAM_CREATOR, text_id(capture, capture->creator));
	mr_block_scalar(&block, MR_STREAM_VERSION, MR_LOG_VERSION_MAJOR << 16 | MR_LOG_VERSION_MINOR);
	mr_block_scalar(&block, MR_STREAM_LANGUAGE, capture->language);
	mr_block_end(&block);
	mr_tracker_define(capture, &buffer);
	mr_buffer_release(&buffer);
}

void mr_facts_read_process(struct mr_facts_process *facts)
{
	const char *const home = secure_getenv("HOME");
	struct mr_proc_stat stat = { 0 };
	struct mr_proc_stat parent = { 0 };

	/* What /proc does not tell stays empty: a run without a name is still a run. */
	if (mr_proc_stat_read(0, &stat) < 0)
		stat.parent_pid = (uint32_t)getppid();
	if (mr_proc_stat_read(stat.parent_pid, &parent) < 0)
		parent.start_ticks = 0;
	memcpy(facts->name, stat.comm, sizeof(facts->name));
	facts->parent_pid = stat.parent_pid;
	facts->parent_start_ticks = parent.start_ticks;
	facts->command_len = mr_proc_command_line(0, true, home, facts->command, sizeof(facts->command));
	facts->executable_len = mr_proc_executable(0, home, facts->executable, sizeof(facts->executable));
}

static void put_process(struct memcapture *capture)
{
	struct mr_facts_process facts;
	struct mr_buffer buffer = { 0 };
	struct mr_block_writer block;

	mr_facts_read_process(&facts);
	mr_block_begin(&block, &buffer, MR_KIND_PROCESS, 1);
	mr_block_scalar(&block, MR_PROCESS_TIME, 0);
	mr_block_scalar(&block, MR_PROCESS_NAME, text_id(capture, facts.name));
	mr_block_scalar(&block, MR_PROCESS_COMMAND,
	                facts.command_len > 0 ? mr_names_string(capture, facts.command, facts.command_len)
	                                      : 0);
	mr_block_scalar(&block, MR_PROCESS_EXECUTABLE,
	                facts.executable_len > 0
	                        ? mr_names_string(capture, facts.executable, facts.executable_len)
	                        : 0);
	mr_block_scalar(&block, MR_PROCESS_PARENT_PID, facts.parent_pid);
	mr_block_scalar(&block, MR_PROCESS_PARENT_START_TICKS, facts.parent_start_ticks);
	mr_block_end(&block);
	mr_tracker_detail(capture, &buffer, no_span);
	mr_buffer_release(&buffer);
}

static void put_settings(struct memcapture *capture)
{
	const struct mr_channel *const channel = capture->channel;
	const struct {
		const char *key;
		const char *value;
	} settings[] = {
		{ "tracker.version", MR_VERSION_STRING },
		{ "tracker.clock",
		  channel->header->clock_is_tsc != 0 ? "processor's counter" : "CLOCK_MONOTONIC" },
		{ "tracker.writer", channel->shared ? "memrecord" : "a thread of the program" },
	};
	uint64_t keys[MR_ARRAY_LEN(settings)];
	uint64_t values[MR_ARRAY_LEN(settings)];
	struct mr_buffer buffer = { 0 };
	struct mr_block_writer block;

	for (size_t i = 0; i < MR_ARRAY_LEN(settings); i++) {
		keys[i] = text_id(capture, settings[i].key);
		values[i] = text_id(capture, settings[i].value);
	}
	mr_block_begin(&block, &buffer, MR_KIND_SETTINGS, (uint32_t)MR_ARRAY_LEN(settings));
	mr_block_column(&block, MR_SETTINGS_KEY, keys);
	mr_block_column(&block, MR_SETTINGS_VALUE, values);
	mr_block_end(&block);
	mr_tracker_detail(capture, &buffer, no_span);
	mr_buffer_release(&buffer);
}

/* ---- Counters ------------------------------------------------------------------------- */

enum counter {
	COUNTER_SNAPSHOTS,
	COUNTER_WAITS,
	COUNTER_WAIT_NS,
	COUNTER_DROPPED,
	COUNTER_RETRACKED,
	COUNTER_STACK_FAILURES,
	COUNTER_THREADS,
	COUNTER_OVERHEAD,
	COUNTER_WRITER_CPU_NS,
	COUNTER_WRITER_BYTES,
	COUNTER_BIRTHS,
	COUNTER_DEATHS,
	COUNTER_CHANGES,
	COUNTER_COUNT
};

static const char *const counter_keys[COUNTER_COUNT] = {
	[COUNTER_SNAPSHOTS] = "tracker.snapshots", [COUNTER_WAITS] = "tracker.waits",
	[COUNTER_WAIT_NS] = "tracker.wait_ns",     [COUNTER_DROPPED] = "tracker.dropped",
	[COUNTER_RETRACKED] = "tracker.retracked", [COUNTER_STACK_FAILURES] = "tracker.stack_failures",
	[COUNTER_THREADS] = "tracker.threads",     [COUNTER_OVERHEAD] = "tracker.memory_bytes",
	[COUNTER_WRITER_CPU_NS] = "writer.cpu_ns", [COUNTER_WRITER_BYTES] = "writer.event_bytes",
	[COUNTER_BIRTHS] = "writer.births",        [COUNTER_DEATHS] = "writer.deaths",
	[COUNTER_CHANGES] = "writer.changes",
};

_Static_assert(COUNTER_COUNT <= MR_TRACKER_COUNTERS_MAX, "the capture has room for the keys");

/* What only the process that empties the rings knows comes last, and is left out by others. */
#define COUNTERS_OF_PROGRAM COUNTER_WRITER_CPU_NS

static void sum_rings(const struct memcapture *capture, uint64_t values[COUNTER_COUNT])
{
	for (uint32_t i = 0; i < MR_CHANNEL_RINGS_MAX; i++) {
		const struct mr_ring *const ring =
			atomic_load_explicit(&capture->channel->rings[i], memory_order_acquire);

		if (ring == NULL)
			continue;
		values[COUNTER_WAITS] += atomic_load_explicit(&ring->waits, memory_order_relaxed);
		values[COUNTER_WAIT_NS] += atomic_load_explicit(&ring->wait_ns, memory_order_relaxed);
		values[COUNTER_DROPPED] += atomic_load_explicit(&ring->dropped, memory_order_relaxed);
	}
}

void mr_facts_counters(struct memcapture *capture, struct mr_buffer *out)
{
	uint64_t keys[COUNTER_COUNT];
	uint64_t values[COUNTER_COUNT] = { 0 };
	uint32_t count = COUNTERS_OF_PROGRAM;
	struct mr_block_writer block;

	values[COUNTER_SNAPSHOTS] = mr_snapshot_number(capture);
	sum_rings(capture, values);
	for (const struct mr_thread *thread = atomic_load_explicit(&capture->threads, memory_order_acquire);
	     thread != NULL; thread = thread->next)
		values[COUNTER_RETRACKED] += atomic_load_explicit(&thread->retracked, memory_order_relaxed);
	values[COUNTER_STACK_FAILURES] = mr_trace_failures(capture);
	values[COUNTER_THREADS] = atomic_load_explicit(&capture->thread_count, memory_order_relaxed);
	values[COUNTER_OVERHEAD] = atomic_load_explicit(&capture->overhead_bytes, memory_order_relaxed);
	if (capture->drain != NULL) {
		struct mr_drain_counts counts;

		mr_drain_counts(capture->drain, &counts);
		values[COUNTER_WRITER_CPU_NS] = mr_flusher_cpu_ns(capture->flusher);
		values[COUNTER_WRITER_BYTES] = counts.bytes;
		values[COUNTER_BIRTHS] = counts.births;
		values[COUNTER_DEATHS] = counts.deaths;
		values[COUNTER_CHANGES] = counts.changes;
		count = COUNTER_COUNT;
	}
	for (uint32_t i = 0; i < count; i++)
		keys[i] = capture->counter_keys[i];
	mr_block_begin(&block, out, MR_KIND_COUNTERS, count);
	mr_block_column(&block, MR_COUNTERS_KEY, keys);
	mr_block_column(&block, MR_COUNTERS_VALUE, values);
	mr_block_end(&block);
}

void mr_facts_begin(struct memcapture *capture)
{
	put_stream(capture);
	put_process(capture);
	put_settings(capture);
	/* Now, because the flush thread cannot define anything. */
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		capture->counter_keys[i] = text_id(capture, counter_keys[i]);
}

uint64_t mr_facts_overhead(struct memcapture *capture)
{
	uint64_t size_bytes =
		sizeof(*capture) + mr_rows_memory(&capture->rows) + mr_map_memory(&capture->map) +
		mr_names_memory(capture) + mr_trace_memory(capture) +
		mr_snapshot_memory(capture->snapshotter) + mr_flusher_memory(capture) +
		atomic_load_explicit(&capture->channel->header->size_bytes, memory_order_relaxed);

	for (const struct mr_thread *thread = atomic_load_explicit(&capture->threads, memory_order_acquire);
	     thread != NULL; thread = thread->next)
		size_bytes += sizeof(*thread);
	atomic_store_explicit(&capture->overhead_bytes, size_bytes, memory_order_relaxed);
	return size_bytes;
}
