/* SPDX-License-Identifier: MIT
 *
 * Holding a row: while a snapshot reads an object, or the program changes it.
 * The bit lies in the row's own word, so that holding one object concerns nobody
 * who works on another.
 */
#include "tracker.h"

/* A holder that forgets to wake us costs this much, no more: the row may have
 * been freed and used again in between. */
#define WAIT_SLICE_NS UINT64_C(10000000)

void mr_row_wait(struct mr_row *row)
{
	uint32_t control = atomic_load_explicit(&row->control, memory_order_relaxed);

	while ((control & MR_ROW_HOLD) != 0) {
		if ((control & MR_ROW_WAITERS) != 0 ||
		    atomic_compare_exchange_weak_explicit(&row->control, &control, control | MR_ROW_WAITERS,
		                                          memory_order_relaxed, memory_order_relaxed)) {
			mr_futex_wait(&row->control, control | MR_ROW_WAITERS, WAIT_SLICE_NS);
			return;
		}
	}
}

bool mr_row_try_hold(struct mr_row *row)
{
	uint32_t control = atomic_load_explicit(&row->control, memory_order_relaxed);

	while ((control & (MR_ROW_STATE | MR_ROW_HOLD)) == MR_ROW_LIVE) {
		if (atomic_compare_exchange_weak_explicit(&row->control, &control, control | MR_ROW_HOLD,
		                                          memory_order_acquire, memory_order_relaxed))
			return true;
	}
	return false;
}

enum mr_hold mr_row_hold_until(struct mr_row *row, uint64_t end_ns)
{
	while (!mr_row_try_hold(row)) {
		if ((atomic_load_explicit(&row->control, memory_order_acquire) & MR_ROW_STATE) != MR_ROW_LIVE)
			return MR_HOLD_GONE;
		if (mr_clock_monotonic_ns() >= end_ns)
			return MR_HOLD_REFUSED;
		mr_row_wait(row);
	}
	return MR_HOLD_HELD;
}

void mr_thread_unhold(struct mr_thread *thread)
{
	struct memcapture *const capture = thread->capture;
	const uint32_t held = thread->held_row;

	if (held == 0)
		return;
	thread->held_row = 0;
	mr_row_unhold(mr_rows_at(&capture->rows, held - 1));
	atomic_fetch_sub(&capture->look_at_rows, 1);
}

bool mr_row_hold(struct mr_row *row)
{
	while (!mr_row_try_hold(row)) {
		if ((atomic_load_explicit(&row->control, memory_order_acquire) & MR_ROW_STATE) != MR_ROW_LIVE)
			return false;
		mr_row_wait(row);
	}
	return true;
}

void mr_row_unhold(struct mr_row *row)
{
	const uint32_t before = atomic_fetch_and_explicit(
		&row->control, ~(uint32_t)(MR_ROW_HOLD | MR_ROW_WAITERS), memory_order_release);

	if ((before & MR_ROW_WAITERS) != 0)
		mr_futex_wake(&row->control);
}
