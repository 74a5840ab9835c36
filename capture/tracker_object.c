/* SPDX-License-Identifier: MIT
 *
 * Objects tracked and forgotten.  This is what a program calls millions of
 * times, so the way that is nearly always taken is inline and waits for memory
 * once; what is rare has been put into functions of its own.
 */
#include "tracker_operation.h"

/* A free row.  Nobody else touches the thread's rows, but for a snapshot that is
 * about to fix its moment. */
static inline uint32_t take_row(struct memcapture *capture, struct mr_thread *thread)
{
	if (MR_LIKELY(mr_snapshot_state_of(capture) == MR_SNAPSHOT_IDLE)) {
		if (MR_UNLIKELY(thread->deferred_count != 0))
			mr_thread_recycle(thread);
		return mr_rows_take(&capture->rows, &thread->rows);
	}
	mr_spin_acquire(&thread->rows_lock);
	const uint32_t index = mr_rows_take(&capture->rows, &thread->rows);
	mr_spin_release(&thread->rows_lock);
	return index;
}

/* Records are written a word at a time: put together on the stack and copied,
 * they would wait there until the row's memory has arrived. */
static inline void append_birth(const struct mr_operation *operation, uint64_t id, uint32_t class_id,
                                uint32_t level, uint32_t stack)
{
	struct mr_ring_writer *const ring = &operation->thread->ring;
	uint64_t *const record = mr_ring_at_head(ring);

	record[0] = (MR_RECORD_BIRTH | level << 4 | (uint32_t)(id >> 32) << 12) | (uint64_t)(uint32_t)id
	                                                                                  << 32;
	record[1] = operation->ticks;
	record[2] = operation->address;
	record[3] = class_id | (uint64_t)stack << 32;
	_Static_assert(sizeof(struct mr_record_birth) == 32 &&
	                       offsetof(struct mr_record_birth, class_id) == 24,
	               "the words are the struct");
	mr_ring_commit(ring, sizeof(struct mr_record_birth));
}

static inline void append_death(struct mr_thread *thread, uint64_t id, uint64_t ticks, uint32_t reason)
{
	uint64_t *const record = mr_ring_at_head(&thread->ring);

	record[0] = (MR_RECORD_DEATH | reason << 4 | (uint32_t)(id >> 32) << 12) | (uint64_t)(uint32_t)id
	                                                                                   << 32;
	record[1] = ticks;
	_Static_assert(sizeof(struct mr_record_death) == 16, "the words are the struct");
	mr_ring_commit(&thread->ring, sizeof(struct mr_record_death));
}

/* ---- Tracking --------------------------------------------------------------------- */

static inline uint64_t next_id(struct memcapture *capture, struct mr_thread *thread)
{
	if (MR_UNLIKELY(thread->id_next == thread->id_end)) {
		thread->id_next = atomic_fetch_add_explicit(&capture->id_next, MR_TRACKER_IDS_AT_ONCE,
		                                            memory_order_relaxed);
		thread->id_end = thread->id_next + MR_TRACKER_IDS_AT_ONCE;
		if (MR_UNLIKELY(thread->id_end > UINT32_MAX))
			atomic_fetch_or(&capture->look_at_rows, MR_LOOK_FOR_IDS);
	}
	return thread->id_next++;
}

static MR_COLD int no_memory(const struct mr_operation *operation)
{
	const struct mr_error err = { .code = MR_ERR_NOMEM, .message = "out of memory for tracked objects" };

	mr_operation_end(operation);
	mr_tracker_fail(operation->capture, &err);
	return MEMCAPTURE_ERR_NOMEM;
}

/* Makes the object that OPERATION found nowhere an instance of KLASS. */
static inline int add(struct mr_operation *operation, const struct memcapture_class *klass, uint32_t level,
                      uint32_t stack)
{
	struct memcapture *const capture = operation->capture;
	struct mr_thread *const thread = operation->thread;

	if (MR_UNLIKELY(!mr_operation_make_room(operation)))
		return no_memory(operation);
	const uint32_t index = take_row(capture, thread);
	if (MR_UNLIKELY(index == MR_ROW_NONE))
		return no_memory(operation);

	/* Nothing is read back from the row: it may still be on its way from memory. */
	struct mr_row *const row = mr_rows_at(&capture->rows, index);
	const uint64_t id = next_id(capture, thread);
	row->id = id;
	row->birth = operation->ticks;
	row->size = klass->size_logged;
	row->hash = 0;
	atomic_store_explicit(&row->address, operation->address, memory_order_relaxed);
	atomic_store_explicit(&row->classes, klass->id, memory_order_relaxed);
	atomic_store_explicit(&row->control, MR_ROW_LIVE | level << MR_ROW_LEVEL_SHIFT, memory_order_release);
	mr_map_insert(operation->shard, operation->at, operation->address, klass->id, index, id);
	mr_spin_release(&operation->shard->lock);

	mr_thread_count(thread, klass->id, 1);
	append_birth(operation, id, klass->id, level, stack);
	mr_tracker_leave(thread);
	return 0;
}

/* The object is tracked already: the most specialised class wins. */
static MR_COLD bool track_again(struct mr_operation *operation, const struct memcapture_class *klass)
{
	struct mr_thread *const thread = operation->thread;
	const uint32_t class_id = mr_map_class(operation->shard, operation->at);

	if (class_id != klass->id && mr_class_derives(klass, class_id))
		return mr_change_class_and_end(operation, klass);
	/* Its own class once more: most likely the one before was freed without a word. */
	if (class_id == klass->id)
		atomic_fetch_add_explicit(&thread->retracked, 1, memory_order_relaxed);
	mr_operation_end(operation);
	return true;
}

/* The stack that a birth is recorded with, when its class wants one. */
static MR_COLD uint32_t trace(struct memcapture *capture, struct mr_thread *thread,
                              const struct memcapture_position *position, const void *return_address,
                              const void *frame)
{
	return mr_trace_stack(capture, thread, position, return_address, frame);
}

static inline int track(struct memcapture_class *klass, const void *object, uint32_t level, bool traced,
                        const struct memcapture_position *position, const void *return_address,
                        const void *frame)
{
	struct memcapture *const capture = klass->capture;
	struct mr_thread *const thread = mr_thread_of(capture);
	struct mr_operation operation;

	if (MR_UNLIKELY(thread == NULL))
		return MEMCAPTURE_ERR_NOMEM;
	const uint32_t stack =
		MR_UNLIKELY(traced) ? trace(capture, thread, position, return_address, frame) : 0;

	for (;;) {
		/* May wait for the writer, so it comes before anybody waits for us. */
		if (!mr_ring_reserve_event(&thread->ring))
			return MEMCAPTURE_ERR_WRITE;
		mr_operation_begin(&operation, capture, thread, object);
		if (MR_LIKELY(!operation.found))
			return add(&operation, klass, level, stack);
		if (track_again(&operation, klass))
			return 0;
	}
}

int memcapture_track_at(struct memcapture_class *klass, const void *object,
                        struct memcapture_position position)
{
	if (klass == NULL || object == NULL || !mr_tracker_alive(klass->capture))
		return 0;

	const uint32_t state = atomic_load_explicit(&klass->state, memory_order_relaxed);
	if ((state & MR_CLASS_STATE_DETACHED) != 0)
		return 0;
	return track(klass, object, atomic_load_explicit(&klass->level, memory_order_relaxed),
	             (state & MR_CLASS_STATE_TRACE) != 0, &position, __builtin_return_address(0),
	             __builtin_frame_address(0));
}

int memcapture_track_object_at(struct memcapture *capture, const void *object,
                               const struct memcapture_class_options *options,
                               struct memcapture_position position)
{
	if (capture == NULL || object == NULL || !mr_tracker_alive(capture))
		return 0;
	if (options == NULL)
		return MEMCAPTURE_ERR_ARG;

	const unsigned level = options->resolution_level;
	struct memcapture_class *const klass = mr_class_for_object(capture, options);
	if (klass == NULL)
		return MEMCAPTURE_ERR_NOMEM;
	return track(klass, object, level < MR_TRACKER_LEVEL_MAX ? level : MR_TRACKER_LEVEL_MAX,
	             options->trace != 0, &position, __builtin_return_address(0), __builtin_frame_address(0));
}

/* ---- Forgetting ---------------------------------------------------------------------- */

/* Remembers a row that died during a snapshot.  Without memory for that the row
 * is lost until the capture is closed. */
static MR_COLD void defer(struct mr_thread *thread, uint32_t index)
{
	if (mr_grow(&thread->deferred, &thread->deferred_capacity, thread->deferred_count + 1,
	            sizeof(*thread->deferred)) == 0)
		thread->deferred[thread->deferred_count++] = index;
}

/* A snapshot is under way and may still want the row.  False: it holds the object. */
static bool die_during_snapshot(struct mr_operation *operation, struct mr_row *row, uint32_t index)
{
	uint32_t control = atomic_load_explicit(&row->control, memory_order_relaxed);
	const uint32_t kept = ~(uint32_t)(MR_ROW_STATE | MR_ROW_HOLD);

	do {
		if (mr_row_held_by_other(operation->thread, index, control))
			return false;
	} while (!atomic_compare_exchange_weak(&row->control, &control, (control & kept) | MR_ROW_DYING));
	atomic_store_explicit(&row->address, operation->ticks, memory_order_relaxed);
	/* A waiter of ours may set its bit meanwhile; it wakes by itself. */
	atomic_fetch_or_explicit(&row->control, MR_ROW_DEAD, memory_order_release);
	mr_map_remove(operation->shard, operation->at);
	mr_spin_release(&operation->shard->lock);
	defer(operation->thread, index);
	return true;
}

/* The object's row is free from here on, or as soon as a snapshot allows.
 * False: somebody holds the object. */
static bool die(struct mr_operation *operation, struct mr_row *row, uint32_t index)
{
	struct mr_thread *const thread = operation->thread;

	if (mr_snapshot_state_of(operation->capture) != MR_SNAPSHOT_IDLE)
		return die_during_snapshot(operation, row, index);
	/* No snapshot can begin while we are busy, and the program holds objects
	 * under the shard's lock, so plain stores will do. */
	if (mr_row_held_by_other(thread, index, atomic_load_explicit(&row->control, memory_order_relaxed)))
		return false;
	mr_map_remove(operation->shard, operation->at);
	mr_spin_release(&operation->shard->lock);
	mr_rows_give(&operation->capture->rows, &thread->rows, index, row);
	return true;
}

/* Sizes the object of a class that wants its last state kept; ends the operation. */
static MR_COLD void keep(struct mr_operation *operation, struct mr_row *row, uint32_t index)
{
	struct mr_thread *const thread = operation->thread;
	const bool mine = thread->held_row == index + 1;
	const uint64_t id = row->id;

	mr_operation_end(operation);
	if (!mine && !mr_row_hold(row))
		return;
	/* It may have become another object while we waited. */
	if (row->id == id)
		mr_snapshot_keep(operation->capture, row);
	if (!mine)
		mr_row_unhold(row);
}

/* Whether an object of a class in STATE can be forgotten by what its slot says,
 * without a look at its row: which is nearly always so. */
static inline bool slot_suffices(const struct memcapture *capture, uint32_t state)
{
	return (state & MR_CLASS_STATE_KEEP) == 0 && mr_snapshot_state_of(capture) == MR_SNAPSHOT_IDLE &&
	       atomic_load_explicit(&capture->look_at_rows, memory_order_relaxed) == 0;
}

enum forget_result { FORGOTTEN, FORGET_AGAIN };

/* The rest of forget(), for when the row must be looked at. */
static MR_COLD enum forget_result forget_row(struct mr_operation *operation, uint32_t class_id,
                                             uint32_t state, uint32_t reason, bool recorded, bool *kept)
{
	struct mr_thread *const thread = operation->thread;
	const uint32_t index = mr_operation_row(operation);
	struct mr_row *const row = mr_rows_at(&operation->capture->rows, index);
	const uint64_t id = row->id;

	if ((state & MR_CLASS_STATE_KEEP) != 0 && !*kept) {
		*kept = true;
		keep(operation, row, index);
		return FORGET_AGAIN;
	}
	if (!die(operation, row, index)) {
		mr_operation_end(operation);
		mr_row_wait(row);
		return FORGET_AGAIN;
	}
	if (thread->held_row == index + 1) {
		thread->held_row = 0;
		atomic_fetch_sub(&operation->capture->look_at_rows, 1);
	}
	mr_thread_count(thread, class_id, -1);
	if (recorded)
		append_death(thread, id, operation->ticks, reason);
	mr_tracker_leave(thread);
	return FORGOTTEN;
}

static inline void forget(struct memcapture *capture, struct mr_thread *thread, const void *object,
                          uint32_t reason)
{
	struct mr_operation operation;
	bool kept = reason != MR_DEATH_FREED;

	for (;;) {
		const bool recorded = mr_ring_reserve_event(&thread->ring);

		mr_operation_begin(&operation, capture, thread, object);
		if (!operation.found)
			break;

		const uint32_t class_id = mr_map_class(operation.shard, operation.at);
		const uint32_t state = atomic_load_explicit(&mr_tracker_class(capture, class_id)->state,
		                                            memory_order_relaxed);
		if (MR_UNLIKELY(!slot_suffices(capture, state))) {
			if (forget_row(&operation, class_id, state, reason, recorded, &kept) == FORGOTTEN)
				return;
			continue;
		}

		const uint32_t index = mr_operation_row(&operation);
		const uint32_t id = mr_map_id_low(operation.shard, operation.at);
		mr_map_remove(operation.shard, operation.at);
		mr_spin_release(&operation.shard->lock);
		mr_rows_give_late(&capture->rows, &thread->rows, index);
		mr_thread_count(thread, class_id, -1);
		if (MR_LIKELY(recorded))
			append_death(thread, id, operation.ticks, reason);
		mr_tracker_leave(thread);
		return;
	}
	mr_operation_end(&operation);
}

void mr_object_forget(struct memcapture *capture, struct mr_thread *thread, const void *object,
                      uint32_t reason)
{
	forget(capture, thread, object, reason);
}

void memcapture_forget(struct memcapture *capture, const void *object)
{
	if (capture == NULL || object == NULL || !mr_tracker_alive(capture))
		return;
	struct mr_thread *const thread = mr_thread_of(capture);
	if (thread != NULL)
		forget(capture, thread, object, MR_DEATH_FREED);
}

void mr_object_detach_all(struct memcapture *capture)
{
	struct mr_thread *const thread = mr_thread_of(capture);
	const uint32_t used = atomic_load_explicit(&capture->rows.used, memory_order_acquire);

	if (thread == NULL)
		return;
	for (uint32_t index = 0; index < used; index++) {
		const struct mr_row *const row = mr_rows_at(&capture->rows, index);

		if ((atomic_load_explicit(&row->control, memory_order_acquire) & MR_ROW_STATE) == MR_ROW_LIVE)
			mr_object_forget(capture, thread,
			                 (const void *)(uintptr_t)atomic_load_explicit(&row->address,
			                                                               memory_order_relaxed),
			                 MR_DEATH_DETACHED);
	}
}
