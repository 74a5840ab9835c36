/* SPDX-License-Identifier: MIT
 *
 * Objects that change: their class, their level, their address, and what they
 * point to.  All of it is rare beside tracking and forgetting.
 */
#include "tracker_operation.h"

/* A snapshot is about to read its moment: a matter of microseconds. */
static void wait_for_stamp(const struct memcapture *capture)
{
	while (mr_snapshot_state_of(capture) == MR_SNAPSHOT_STAMPING)
		mr_cpu_relax();
}

static void append_change(struct mr_thread *thread, uint64_t id, uint64_t ticks, uint32_t class_id,
                          uint32_t level)
{
	const struct mr_record_change change = {
		.head = MR_RECORD_CHANGE | (uint32_t)(id >> 32) << 12,
		.object_low = (uint32_t)id,
		.ticks = ticks,
		.class_id = class_id,
		.level = level + 1,
	};

	memcpy(mr_ring_at_head(&thread->ring), &change, sizeof(change));
	mr_ring_commit(&thread->ring, sizeof(change));
}

enum change_result { CHANGE_DONE, CHANGE_WAIT_FOR_STAMP, CHANGE_WAIT_FOR_HOLD };

/* Makes ROW one of KLASS.  A snapshot that is under way goes on to see the class
 * that the row had at its moment: the upper half of `classes`, announced by the
 * snapshot's mark in `control` before the lower half changes. */
static enum change_result change_class(struct mr_operation *operation, struct mr_row *row, uint32_t index,
                                       const struct memcapture_class *klass)
{
	struct memcapture *const capture = operation->capture;
	const uint32_t state = mr_snapshot_state_of(capture);
	const uint32_t level = atomic_load_explicit(&klass->level, memory_order_relaxed);
	const uint32_t level_bits = UINT32_C(0xff) << MR_ROW_LEVEL_SHIFT;
	const uint32_t mark_bits = UINT32_C(0xff) << MR_ROW_SNAPSHOT_SHIFT;

	if (state == MR_SNAPSHOT_STAMPING)
		return CHANGE_WAIT_FOR_STAMP;

	uint32_t control = atomic_load_explicit(&row->control, memory_order_relaxed);
	uint32_t classes = atomic_load_explicit(&row->classes, memory_order_relaxed);
	const uint32_t class_before = classes & 0xffff;
	uint32_t mark = control & mark_bits;
	if (mr_row_held_by_other(operation->thread, index, control))
		return CHANGE_WAIT_FOR_HOLD;
	if (state == MR_SNAPSHOT_ACTIVE &&
	    operation->ticks > atomic_load_explicit(&capture->snapshot_ticks, memory_order_relaxed)) {
		const uint32_t mark_now = atomic_load_explicit(&capture->snapshot_mark, memory_order_relaxed)
		                          << MR_ROW_SNAPSHOT_SHIFT;

		if (mark != mark_now) {
			classes = class_before << 16 | class_before;
			atomic_store_explicit(&row->classes, classes, memory_order_release);
			mark = mark_now;
		}
	}
	while (!atomic_compare_exchange_weak(&row->control, &control,
	                                     (control & ~(level_bits | mark_bits)) | mark | MR_ROW_FORCED |
	                                             level << MR_ROW_LEVEL_SHIFT)) {
		if (mr_row_held_by_other(operation->thread, index, control))
			return CHANGE_WAIT_FOR_HOLD;
	}
	atomic_store_explicit(&row->classes, (classes & 0xffff0000) | klass->id, memory_order_release);
	mr_map_set_class(operation->shard, operation->at, klass->id);

	mr_thread_count(operation->thread, class_before, -1);
	mr_thread_count(operation->thread, klass->id, 1);
	append_change(operation->thread, row->id, operation->ticks, klass->id, level);
	return CHANGE_DONE;
}

bool mr_change_class_and_end(struct mr_operation *operation, const struct memcapture_class *klass)
{
	const uint32_t index = mr_operation_row(operation);
	struct mr_row *const row = mr_rows_at(&operation->capture->rows, index);
	const enum change_result result = change_class(operation, row, index, klass);

	mr_operation_end(operation);
	if (result == CHANGE_WAIT_FOR_STAMP)
		wait_for_stamp(operation->capture);
	else if (result == CHANGE_WAIT_FOR_HOLD)
		mr_row_wait(row);
	return result == CHANGE_DONE;
}

/* ---- Changing --------------------------------------------------------------------------- */

int memcapture_morph(struct memcapture_class *klass, const void *object)
{
	if (klass == NULL || object == NULL || !mr_tracker_alive(klass->capture))
		return 0;

	struct memcapture *const capture = klass->capture;
	struct mr_thread *const thread = mr_thread_of(capture);
	struct mr_operation operation;

	if (thread == NULL)
		return MEMCAPTURE_ERR_NOMEM;
	for (;;) {
		if (!mr_ring_reserve_event(&thread->ring))
			return MEMCAPTURE_ERR_WRITE;
		mr_operation_begin(&operation, capture, thread, object);
		if (!operation.found) {
			mr_operation_end(&operation);
			return MEMCAPTURE_ERR_ARG;
		}
		if (mr_change_class_and_end(&operation, klass))
			return 0;
	}
}

int memcapture_track_change(struct memcapture *capture, const void *object, unsigned resolution_level)
{
	if (capture == NULL || object == NULL || !mr_tracker_alive(capture))
		return 0;

	struct mr_thread *const thread = mr_thread_of(capture);
	const uint32_t level =
		resolution_level < MR_TRACKER_LEVEL_MAX ? resolution_level : MR_TRACKER_LEVEL_MAX;
	const uint32_t level_bits = UINT32_C(0xff) << MR_ROW_LEVEL_SHIFT;
	struct mr_operation operation;

	if (thread == NULL)
		return MEMCAPTURE_ERR_NOMEM;
	if (!mr_ring_reserve_event(&thread->ring))
		return MEMCAPTURE_ERR_WRITE;
	mr_operation_begin(&operation, capture, thread, object);
	if (operation.found) {
		struct mr_row *const row = mr_rows_at(&capture->rows, mr_operation_row(&operation));
		uint32_t control = atomic_load_explicit(&row->control, memory_order_relaxed);

		while (!atomic_compare_exchange_weak(&row->control, &control,
		                                     (control & ~level_bits) | level << MR_ROW_LEVEL_SHIFT))
			;
		append_change(thread, row->id, operation.ticks, 0, level);
	}
	mr_operation_end(&operation);
	return operation.found ? 0 : MEMCAPTURE_ERR_ARG;
}

/* Takes the object out of the map; its row stays live, and is held so that no
 * snapshot reads at either address.  The row's index, or MR_ROW_NONE. */
static uint32_t take_out(struct memcapture *capture, struct mr_thread *thread, const void *object)
{
	struct mr_operation operation;

	for (;;) {
		mr_operation_begin(&operation, capture, thread, object);
		if (!operation.found) {
			mr_operation_end(&operation);
			return MR_ROW_NONE;
		}

		const uint32_t index = mr_operation_row(&operation);
		struct mr_row *const row = mr_rows_at(&capture->rows, index);
		if (thread->held_row == index + 1 || mr_row_try_hold(row)) {
			mr_map_remove(operation.shard, operation.at);
			mr_operation_end(&operation);
			return index;
		}
		mr_operation_end(&operation);
		mr_row_wait(row);
	}
}

/* Puts row INDEX, which is held, under another address.  False: no memory. */
static bool put_in(struct memcapture *capture, struct mr_thread *thread, const void *object, uint32_t index)
{
	struct mr_row *const row = mr_rows_at(&capture->rows, index);
	const uint32_t class_id = atomic_load_explicit(&row->classes, memory_order_relaxed) & 0xffff;
	struct mr_operation operation;

	/* Whatever was tracked at the new address must be gone: the memory is another's now. */
	mr_object_forget(capture, thread, object, MR_DEATH_FREED);
	mr_operation_begin(&operation, capture, thread, object);
	const bool room = !operation.found && mr_operation_make_room(&operation);
	if (room) {
		atomic_store_explicit(&row->address, operation.address, memory_order_relaxed);
		mr_map_insert(operation.shard, operation.at, operation.address, class_id, index, row->id);
	}
	mr_operation_end(&operation);
	return room;
}

int memcapture_move(struct memcapture *capture, const void *from, const void *to)
{
	if (capture == NULL || from == NULL || to == NULL || from == to || !mr_tracker_alive(capture))
		return 0;

	struct mr_thread *const thread = mr_thread_of(capture);
	int code = 0;

	if (thread == NULL)
		return MEMCAPTURE_ERR_NOMEM;
	/* Forgetting looks at rows while one is held: see memcapture_hold(). */
	atomic_fetch_add(&capture->look_at_rows, 1);
	const uint32_t index = take_out(capture, thread, from);
	if (index == MR_ROW_NONE) {
		code = MEMCAPTURE_ERR_ARG;
	} else {
		/* Without room under the new address it goes back to where it was: there it had some. */
		if (!put_in(capture, thread, to, index)) {
			code = MEMCAPTURE_ERR_NOMEM;
			(void)(put_in(capture, thread, from, index) == false);
		}
		if (thread->held_row != index + 1)
			mr_row_unhold(mr_rows_at(&capture->rows, index));
	}
	atomic_fetch_sub(&capture->look_at_rows, 1);
	return code;
}

/* ---- Holding --------------------------------------------------------------------------------- */

/* Whether THREAD, which holds some object, holds this one. */
static bool holds(const struct mr_thread *thread, const void *object)
{
	const struct mr_row *const row = mr_rows_at(&thread->capture->rows, thread->held_row - 1);

	return atomic_load_explicit(&row->address, memory_order_relaxed) == (uint64_t)(uintptr_t)object;
}

void memcapture_hold(struct memcapture *capture, const void *object)
{
	if (capture == NULL || object == NULL || !mr_tracker_alive(capture))
		return;

	struct mr_thread *const thread = mr_thread_of(capture);
	struct mr_operation operation;

	if (thread == NULL)
		return;
	/* Two threads that waited for each other's objects would do so for ever. */
	if (thread->held_row != 0 && !holds(thread, object))
		mr_thread_unhold(thread);
	/* Before the row is held: whoever finds the object from now on looks at its row. */
	atomic_fetch_add(&capture->look_at_rows, 1);
	for (;;) {
		mr_operation_begin(&operation, capture, thread, object);
		if (!operation.found || thread->held_row == mr_operation_row(&operation) + 1) {
			mr_operation_end(&operation);
			atomic_fetch_sub(&capture->look_at_rows, 1);
			return;
		}

		const uint32_t index = mr_operation_row(&operation);
		struct mr_row *const row = mr_rows_at(&capture->rows, index);
		const bool held = mr_row_try_hold(row);
		mr_operation_end(&operation);
		if (held) {
			thread->held_row = index + 1;
			return;
		}
		mr_row_wait(row);
	}
}

void memcapture_release(struct memcapture *capture, const void *object)
{
	if (capture == NULL || object == NULL || !mr_tracker_alive(capture))
		return;

	struct mr_thread *const thread = mr_thread_of(capture);
	if (thread == NULL || thread->held_row == 0)
		return;
	if (holds(thread, object))
		mr_thread_unhold(thread);
}
