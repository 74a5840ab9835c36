/* SPDX-License-Identifier: MIT
 *
 * Snapshots at an interval, from a thread of our own.
 */
#include "tracker.h"

#include <pthread.h>

#define INTERVAL_MIN_NS UINT64_C(1000000)
#define INTERVAL_MAX_S 1e9
/* The program's own functions run here: walks, measures and descriptions. */
#define STACK_BYTES (1u << 20)

struct mr_periodic {
	struct memcapture *capture;
	pthread_t thread;
	_Atomic uint64_t interval_ns;
	_Atomic uint32_t turn; /* futex: counts up when the interval changes or the end comes */
	_Atomic uint32_t stop;
};

/* Sleeps until one interval after BEGIN_NS; the interval may change meanwhile.  False: the end. */
static bool sleep_interval(struct mr_periodic *periodic, uint64_t begin_ns)
{
	for (;;) {
		const uint32_t turn = atomic_load(&periodic->turn);
		const uint64_t due_ns = begin_ns + atomic_load(&periodic->interval_ns);
		const uint64_t now_ns = mr_clock_monotonic_ns();

		if (atomic_load(&periodic->stop) != 0)
			return false;
		if (now_ns >= due_ns)
			return true;
		mr_futex_wait(&periodic->turn, turn, due_ns - now_ns);
	}
}

static void *run(void *context)
{
	struct mr_periodic *const periodic = context;
	uint64_t begin_ns = mr_clock_monotonic_ns();

	while (sleep_interval(periodic, begin_ns)) {
		begin_ns = mr_clock_monotonic_ns();
		/* A failure is remembered for memcapture_status(). */
		(void)(mr_snapshot_take(periodic->capture, NULL, MR_SNAPSHOT_PERIODIC) < 0);
	}
	return NULL;
}

static void turn(struct mr_periodic *periodic)
{
	atomic_fetch_add(&periodic->turn, 1);
	mr_futex_wake(&periodic->turn);
}

static int start(struct memcapture *capture, uint64_t interval_ns)
{
	struct mr_periodic *const periodic = mr_alloc(sizeof(*periodic));
	unsigned long handle;

	if (periodic == NULL)
		return MR_ERR_NOMEM;
	periodic->capture = capture;
	atomic_store(&periodic->interval_ns, interval_ns);
	if (mr_thread_start(run, periodic, "memcapture-snap", STACK_BYTES, &handle) < 0) {
		mr_free(periodic);
		return MR_ERR_NOMEM;
	}
	periodic->thread = (pthread_t)handle;
	capture->periodic = periodic;
	return 0;
}

int memcapture_start_periodic_snapshots(struct memcapture *capture, double interval_seconds)
{
	if (capture == NULL || !mr_tracker_alive(capture))
		return 0;
	/* Not-a-number fails this as well. */
	if (!(interval_seconds > 0 && interval_seconds <= INTERVAL_MAX_S))
		return MEMCAPTURE_ERR_ARG;

	const uint64_t asked_ns = (uint64_t)(interval_seconds * 1e9);
	const uint64_t interval_ns = asked_ns > INTERVAL_MIN_NS ? asked_ns : INTERVAL_MIN_NS;
	int code = 0;

	mr_lock_acquire(&capture->periodic_lock);
	if (capture->periodic != NULL) {
		atomic_store(&capture->periodic->interval_ns, interval_ns);
		turn(capture->periodic);
	} else {
		code = start(capture, interval_ns);
	}
	mr_lock_release(&capture->periodic_lock);
	return code;
}

void mr_periodic_stop(struct memcapture *capture)
{
	mr_lock_acquire(&capture->periodic_lock);
	struct mr_periodic *const periodic = capture->periodic;
	capture->periodic = NULL;
	mr_lock_release(&capture->periodic_lock);
	if (periodic == NULL)
		return;

	atomic_store(&periodic->stop, 1);
	turn(periodic);
	(void)pthread_join(periodic->thread, NULL);
	mr_free(periodic);
}

void memcapture_stop_periodic_snapshots(struct memcapture *capture)
{
	if (capture != NULL && mr_tracker_alive(capture))
		mr_periodic_stop(capture);
}
