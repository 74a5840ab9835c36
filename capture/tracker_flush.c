/* SPDX-License-Identifier: MIT
 *
 * The thread that writes the log when no memrecord does: wakes once a second,
 * or when a ring is half full, and makes blocks of what the rings hold.  Once a
 * second it also reads the process's memory and completes the frames, so that a
 * program that is killed loses its last second at most.
 *
 * It must not append to a ring: nobody else would empty that.  What it has to
 * say goes into the log writer directly.
 */
#include "tracker.h"

#include <pthread.h>
#include <time.h>

#include "proc_memory.h"

#define PERIOD_NS UINT64_C(1000000000)
#define COUNTERS_PERIOD_NS UINT64_C(10000000000)
/* pss, uss and swap walk the page tables under a lock of the program's: that may
 * take one part in so many of its time. */
#define ROLLUP_PART 333
#define STACK_BYTES (256u << 10)

struct mr_flusher {
	struct memcapture *capture;
	pthread_t thread;
	bool started;
	uint32_t stream;
	_Atomic uint32_t stop;
	_Atomic uint64_t cpu_ns;
	_Atomic uint64_t log_bytes; /* that the log writer holds */
	uint64_t rollup_due_ns;
	uint64_t counters_due_ns;
	struct mr_buffer buffer;
};

static void note_failure(struct memcapture *capture, int code, const struct mr_error *err)
{
	if (code < 0)
		mr_tracker_fail(capture, err);
}

/* ---- What the thread itself has to say ---------------------------------------------- */

static void sample(struct mr_flusher *flusher)
{
	struct memcapture *const capture = flusher->capture;
	struct mr_proc_memory memory;
	struct mr_proc_stat stat;
	struct mr_block_writer block;
	struct mr_error err = { 0 };
	const uint64_t begin_ns = mr_clock_monotonic_ns();
	const uint64_t time_ns = mr_channel_time_ns(capture->channel->header, mr_tracker_ticks(capture));
	const bool rollup = begin_ns >= flusher->rollup_due_ns;

	mr_proc_memory_clear(&memory);
	if (mr_proc_stat_read(0, &stat) < 0 || mr_proc_memory_read(0, MR_PROC_STATM, &memory) < 0)
		return; /* no /proc: there is nothing to tell */
	if (rollup) {
		/* A kernel without smaps_rollup leaves these unknown. */
		(void)(mr_proc_memory_read(0, MR_PROC_ROLLUP, &memory) < 0);
		const uint64_t end_ns = mr_clock_monotonic_ns();
		flusher->rollup_due_ns = end_ns + (end_ns - begin_ns) * ROLLUP_PART;
	}

	mr_log_writer_begin(capture->log, flusher->stream, MR_KIND_SAMPLES, 1, &block);
	mr_block_scalar(&block, MR_SAMPLES_TIME, time_ns);
	mr_block_scalar(&block, MR_SAMPLES_RSS, memory.rss);
	mr_block_scalar(&block, MR_SAMPLES_VSZ, memory.vsz);
	mr_block_scalar(&block, MR_SAMPLES_PSS, mr_proc_optional(memory.pss));
	mr_block_scalar(&block, MR_SAMPLES_USS, mr_proc_optional(memory.uss));
	mr_block_scalar(&block, MR_SAMPLES_SWAP, mr_proc_optional(memory.swap));
	mr_block_scalar(&block, MR_SAMPLES_FAULTS_MINOR, stat.faults_minor);
	mr_block_scalar(&block, MR_SAMPLES_FAULTS_MAJOR, stat.faults_major);
	mr_block_scalar(&block, MR_SAMPLES_CPU_USER, stat.cpu_user_ns);
	mr_block_scalar(&block, MR_SAMPLES_CPU_SYSTEM, stat.cpu_system_ns);
	mr_block_scalar(&block, MR_SAMPLES_THREADS, stat.threads);
	const struct mr_log_span span = { .time_first = time_ns, .time_last = time_ns };
	note_failure(capture, mr_log_writer_end(capture->log, &block, &span, &err), &err);
}

static void put_counters(struct mr_flusher *flusher)
{
	struct memcapture *const capture = flusher->capture;
	struct mr_error err = { 0 };

	mr_buffer_clear(&flusher->buffer);
	mr_facts_counters(capture, &flusher->buffer);
	if (!flusher->buffer.failed)
		note_failure(capture,
		             mr_log_writer_append(capture->log, flusher->stream, flusher->buffer.data,
		                                  flusher->buffer.len, NULL, &err),
		             &err);
}

/* ---- The loop ---------------------------------------------------------------------------- */

static void drain(struct memcapture *capture)
{
	struct mr_error err = { 0 };

	note_failure(capture, mr_drain_run(capture->drain, &err), &err);
}

/* Completes frames with all that there is up to now; under drain_lock. */
static void complete(struct mr_flusher *flusher)
{
	struct memcapture *const capture = flusher->capture;
	const uint64_t now_ns = mr_clock_monotonic_ns();
	struct mr_error err = { 0 };

	sample(flusher);
	if (now_ns >= flusher->counters_due_ns) {
		put_counters(flusher);
		flusher->counters_due_ns = now_ns + COUNTERS_PERIOD_NS;
	}
	note_failure(capture, mr_log_writer_flush(capture->log, &err), &err);
	mr_clock_adjust(capture->channel->header);
}

static uint64_t thread_cpu_ns(void)
{
	struct timespec time = { 0, 0 };

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void *run(void *context)
{
	struct mr_flusher *const flusher = context;
	struct memcapture *const capture = flusher->capture;
	uint64_t due_ns = mr_clock_monotonic_ns() + PERIOD_NS;

	while (atomic_load_explicit(&flusher->stop, memory_order_acquire) == 0) {
		uint64_t now_ns = mr_clock_monotonic_ns();

		if (now_ns < due_ns)
			mr_channel_wait(capture->channel->writer, due_ns - now_ns);
		mr_channel_heartbeat(capture->channel->writer);
		now_ns = mr_clock_monotonic_ns();

		mr_lock_acquire(&capture->drain_lock);
		drain(capture);
		if (now_ns >= due_ns) {
			complete(flusher);
			due_ns = now_ns + PERIOD_NS;
		}
		atomic_store_explicit(&flusher->log_bytes, mr_log_writer_memory(capture->log),
		                      memory_order_relaxed);
		mr_lock_release(&capture->drain_lock);
		atomic_store_explicit(&flusher->cpu_ns, thread_cpu_ns(), memory_order_relaxed);
	}
	return NULL;
}

/* ---- For the rest of the tracker -------------------------------------------------------- */

int mr_flusher_start(struct memcapture *capture, struct mr_error *err)
{
	struct mr_flusher *const flusher = mr_alloc(sizeof(*flusher));
	unsigned long handle;

	MR_FAIL_IF(flusher == NULL, err, MR_ERR_NOMEM, "out of memory for a capture");
	flusher->capture = capture;
	flusher->stream = mr_log_writer_add_stream(capture->log);
	flusher->counters_due_ns = mr_clock_monotonic_ns() + COUNTERS_PERIOD_NS;
	capture->flusher = flusher;
	MR_TRY(mr_drain_new(&capture->drain, capture->channel, capture->log, flusher->stream, err));
	MR_FAIL_IF(mr_thread_start(run, flusher, "memcapture", STACK_BYTES, &handle) < 0, err, MR_ERR_NOMEM,
	           "cannot start the thread that writes the log");
	flusher->thread = (pthread_t)handle;
	flusher->started = true;
	return 0;
}

void mr_flusher_stop(struct memcapture *capture)
{
	struct mr_flusher *const flusher = capture->flusher;

	if (flusher == NULL || !flusher->started)
		return;
	atomic_store_explicit(&flusher->stop, 1, memory_order_release);
	mr_channel_wake(capture->channel);
	(void)pthread_join(flusher->thread, NULL);
	flusher->started = false;

	/* From here on this thread is the writer. */
	drain(capture);
	sample(flusher);
	put_counters(flusher);
}

int mr_flusher_restart(struct memcapture *capture, struct mr_error *err)
{
	struct mr_flusher *const flusher = capture->flusher;

	mr_drain_discard(capture->drain);
	MR_TRY(mr_log_writer_restart(capture->log, err));
	flusher->stream = mr_log_writer_add_stream(capture->log);
	mr_drain_set_stream(capture->drain, flusher->stream);
	return 0;
}

void mr_flusher_free(struct memcapture *capture)
{
	if (capture->flusher == NULL)
		return;
	mr_drain_free(capture->drain);
	mr_buffer_release(&capture->flusher->buffer);
	mr_free(capture->flusher);
	capture->drain = NULL;
	capture->flusher = NULL;
}

uint64_t mr_flusher_cpu_ns(const struct mr_flusher *flusher)
{
	return atomic_load_explicit(&flusher->cpu_ns, memory_order_relaxed);
}

uint64_t mr_flusher_memory(const struct memcapture *capture)
{
	if (capture->flusher == NULL)
		return 0;
	return sizeof(*capture->flusher) + STACK_BYTES + mr_drain_memory(capture->drain) +
	       atomic_load_explicit(&capture->flusher->log_bytes, memory_order_relaxed);
}
