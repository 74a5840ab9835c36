/* SPDX-License-Identifier: MIT
 *
 * What a tick is worth.  The first estimate takes a millisecond and is good to
 * some parts in 100,000; later pieces, at ever longer intervals, bend the line
 * back to CLOCK_MONOTONIC.  A piece begins in the future, so that a time that
 * was computed never changes.
 */
#include "tracker_clock.h"

#include <fcntl.h>
#include <unistd.h>

#define MEASURE_NS UINT64_C(1000000)
#define FIRST_INTERVAL_NS UINT64_C(1000000000)
#define LAST_INTERVAL_NS UINT64_C(3600000000000)
/* Between choosing where a piece begins and its being seen by all. */
#define AHEAD_NS UINT64_C(10000000)
/* A counter and the kernel's clock do not differ by more than this part: the
 * kernel corrects its clock by at most 500 in a million. */
#define DRIFT_PART 1000

struct pair {
	uint64_t ticks;
	uint64_t ns;
};

/* A moment by both clocks: of several tries, the one that took the least time. */
static struct pair read_pair(void)
{
	struct pair best = { 0, 0 };
	uint64_t best_width = UINT64_MAX;

	for (int i = 0; i < 8; i++) {
		const uint64_t before = mr_clock_counter();
		const uint64_t ns = mr_clock_monotonic_ns();
		const uint64_t width = mr_clock_counter() - before;

		if (width < best_width) {
			best_width = width;
			best = (struct pair){ .ticks = before + width / 2, .ns = ns };
		}
	}
	return best;
}

bool mr_clock_counter_is_clock(void)
{
#if defined(__aarch64__)
	return true; /* the architecture's own clock */
#elif defined(__x86_64__)
	char name[16] = "";
	const int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource",
	                    O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	const ssize_t len = read(fd, name, sizeof(name) - 1);
	(void)close(fd);
	return len >= 4 && memcmp(name, "tsc\n", 4) == 0;
#else
	return false;
#endif
}

/* ns a tick, times 2^32. */
static uint64_t multiplier(uint64_t ticks, uint64_t ns)
{
	return ticks > 0 ? (uint64_t)(((unsigned __int128)ns << 32) / ticks) : UINT64_C(1) << 32;
}

static void add_segment(struct mr_channel_header *header, uint64_t ticks, uint64_t ns, uint64_t factor)
{
	const uint32_t count = atomic_load_explicit(&header->clock_count, memory_order_relaxed);

	header->clock[count % MR_CHANNEL_CLOCK_SEGMENTS_MAX] =
		(struct mr_clock_segment){ .ticks = ticks, .ns = ns, .multiplier = factor };
	atomic_store_explicit(&header->clock_count, count + 1, memory_order_release);
}

void mr_clock_begin_exact(struct mr_channel_header *header)
{
	header->clock_is_tsc = 0;
	add_segment(header, header->zero_monotonic_ns, 0, UINT64_C(1) << 32);
}

void mr_clock_begin(struct mr_channel_header *header)
{
	header->clock_is_tsc = mr_clock_counter_is_clock();
	if (header->clock_is_tsc == 0) {
		mr_clock_begin_exact(header);
		return;
	}

	const struct pair begin = read_pair();
	while (mr_clock_monotonic_ns() - begin.ns < MEASURE_NS)
		;
	const struct pair end = read_pair();
	const uint64_t factor = multiplier(end.ticks - begin.ticks, end.ns - begin.ns);
	const uint64_t since_zero =
		(uint64_t)(((unsigned __int128)(begin.ns - header->zero_monotonic_ns) << 32) / factor);
	add_segment(header, begin.ticks - since_zero, 0, factor);
}

void mr_clock_adjust(struct mr_channel_header *header)
{
	if (header->clock_is_tsc == 0)
		return;

	const uint32_t count = atomic_load_explicit(&header->clock_count, memory_order_relaxed);
	const struct mr_clock_segment *const last =
		&header->clock[(count - 1) % MR_CHANNEL_CLOCK_SEGMENTS_MAX];
	const struct mr_clock_segment *const first = &header->clock[0];
	const uint64_t now_ns = mr_clock_monotonic_ns() - header->zero_monotonic_ns;
	uint64_t interval_ns = FIRST_INTERVAL_NS << (count - 1 < 12 ? count - 1 : 12);

	if (interval_ns > LAST_INTERVAL_NS)
		interval_ns = LAST_INTERVAL_NS;
	if (now_ns < last->ns + interval_ns)
		return;

	/* The rate so far, from the zero; where the pieces have led us; and the rate that
	 * meets the clock again after the coming interval. */
	const struct pair now = read_pair();
	const uint64_t rate = multiplier(
		now.ticks - (count <= MR_CHANNEL_CLOCK_SEGMENTS_MAX ? first->ticks : last->ticks),
		now.ns - header->zero_monotonic_ns - (count <= MR_CHANNEL_CLOCK_SEGMENTS_MAX ? 0 : last->ns));
	const uint64_t ahead_ticks = (uint64_t)(((unsigned __int128)AHEAD_NS << 32) / rate);
	const uint64_t begin_ticks = now.ticks + ahead_ticks;
	const uint64_t begin_ns = mr_channel_time_ns(header, begin_ticks);
	const int64_t behind_ns = (int64_t)(now.ns - header->zero_monotonic_ns + AHEAD_NS - begin_ns);
	const int64_t next_ns =
		(int64_t)(interval_ns * 2 < LAST_INTERVAL_NS ? interval_ns * 2 : LAST_INTERVAL_NS);
	int64_t correction = (int64_t)((__int128)(int64_t)rate * behind_ns / next_ns);
	const int64_t limit = (int64_t)(rate / DRIFT_PART);

	if (correction > limit)
		correction = limit;
	if (correction < -limit)
		correction = -limit;
	add_segment(header, begin_ticks, begin_ns, (uint64_t)((int64_t)rate + correction));
}

uint64_t mr_clock_last_tick(const struct mr_channel_header *header, uint64_t ticks)
{
	const uint64_t time_ns = mr_channel_time_ns(header, ticks);

	while (mr_channel_time_ns(header, ticks + 1) == time_ns)
		ticks++;
	return ticks;
}
