/* SPDX-License-Identifier: MIT
 *
 * Objects: tracked, forgotten, changed.  This is what a program calls millions
 * of times; what is rare has been put into functions of its own.  tracker.h
 * says how these operations and a snapshot agree on what happened before it.
 */
#include "tracker.h"

#define COLD __attribute__((noinline, cold))

/* One operation on one object: where its slot is, or would be. */
struct operation {
	struct memcapture *capture;
	struct mr_thread *thread;
	struct mr_map_shard *shard; /* locked from operation_begin() to operation_end() */
	uint64_t address;
	uint64_t hash;
	uint64_t ticks;
	bool found;  /* tracked */
	uint32_t at; /* place in the shard */
};

static inline void operation_begin(struct operation *operation, struct memcapture *capture,
                                   struct mr_thread *thread, const void *object)
{
	operation->capture = capture;
	operation->thread = thread;
	operation->address = (uint64_t)(uintptr_t)object;
	operation->hash = mr_map_hash(operation->address);
	operation->shard = mr_map_shard(&capture->map, operation->hash);
	operation->at = 0;
	mr_tracker_enter(capture, thread);
	operation->ticks = mr_tracker_ticks(capture);
	mr_spin_acquire(&operation->shard->lock);
	operation->found = MR_LIKELY(operation->shard->slots != NULL) &&
	                   mr_map_find(operation->shard, operation->hash, operation->address, &operation->at);
}

static inline void operation_end(const struct operation *operation)
{
	mr_spin_release(&operation->shard->lock);
	mr_tracker_leave(operation->thread);
}

/* Room for the object that was not found, and its place.  False: no memory. */
static inline bool operation_make_room(struct operation *operation)
{
	if (MR_LIKELY(mr_map_has_room(operation->shard)))
		return true;
	if (!mr_map_shard_grow(&operation->capture->map, operation->shard))
		return false;
	(void)(mr_map_find(operation->shard, operation->hash, operation->address, &operation->at) == false);
	return true;
}

static inline uint32_t operation_row(const struct operation *operation)
{
	return mr_map_row(operation->shard, operation->at);
}

static inline uint32_t snapshot_state(const struct memcapture *capture)
{
	return atomic_load_explicit(&capture->snapshot_state, memory_order_acquire);
}

/* A snapshot is about to read its moment: a matter of microseconds. */
static COLD void wait_for_stamp(const struct memcapture *capture)
{
	while (snapshot_state(capture) == MR_SNAPSHOT_STAMPING)
		mr_cpu_relax();
}

/* A free row.  Nobody else touches the thread's rows, but for a snapshot that is
 * about to fix its moment. */
static inline uint32_t take_row(struct memcapture *capture, struct mr_thread *thread)
{
	if (MR_LIKELY(snapshot_state(capture) == MR_SNAPSHOT_IDLE)) {
		if (MR_UNLIKELY(thread->deferred_count != 0))
			mr_thread_recycle(thread);
		return mr_rows_take(&capture->rows, &thread->rows);
	}
	mr_spin_acquire(&thread->rows_lock);
	const uint32_t index = mr_rows_take(&capture->rows, &thread->rows);
	mr_spin_release(&thread->rows_lock);
	return index;
}

static bool held_by_other(const struct mr_thread *thread, uint32_t index, uint32_t control)
{
	return (control & MR_ROW_HOLD) != 0 && thread->held_row != index + 1;
}

/* Records are written a word at a time: put together on the stack and copied,
 * they would wait there until the row's memory has arrived. */
static inline void append_birth(const struct operation *operation, uint64_t id, uint32_t class_id, uint32_t level,
                                uint32_t stack)
{
	struct mr_ring_writer *const ring = &operation->thread->ring;
	uint64_t *const record = mr_ring_at_head(ring);

	record[0] = (MR_RECORD_BIRTH | level << 4 | (uint32_t)(id >> 32) << 12) | (uint64_t)(uint32_t)id << 32;
	record[1] = operation->ticks;
	record[2] = operation->address;
	record[3] = class_id | (uint64_t)stack << 32;
	_Static_assert(sizeof(struct mr_record_birth) == 32 && offsetof(struct mr_record_birth, class_id) == 24,
	               "the words are the struct");
	mr_ring_commit(ring, sizeof(struct mr_record_birth));
}

static inline void append_death(struct mr_thread *thread, uint64_t id, uint64_t ticks, uint32_t reason)
{
	uint64_t *const record = mr_ring_at_head(&thread->ring);

	record[0] = (MR_RECORD_DEATH | reason << 4 | (uint32_t)(id >> 32) << 12) | (uint64_t)(uint32_t)id << 32;
	record[1] = ticks;
	_Static_assert(sizeof(struct mr_record_death) == 16, "the words are the struct");
	mr_ring_commit(&thread->ring, sizeof(struct mr_record_death));
}

static void append_change(struct mr_thread *thread, uint64_t id, uint64_t ticks, uint32_t class_id, uint32_t level)
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

static COLD int no_memory(const struct operation *operation)
{
	const struct mr_error err = { .code = MR_ERR_NOMEM, .message = "out of memory for tracked objects" };

	operation_end(operation);
	mr_tracker_fail(operation->capture, &err);
	return MEMCAPTURE_ERR_NOMEM;
}

#define LEVEL_OF_CLASS UINT32_MAX /* an object without a resolution level of its own */

/* Makes the object that OPERATION found nowhere an instance of KLASS. */
static inline int add(struct operation *operation, const struct memcapture_class *klass, uint32_t stack,
                      uint32_t own_level)
{
	struct memcapture *const capture = operation->capture;
	struct mr_thread *const thread = operation->thread;
	const uint32_t level = own_level != LEVEL_OF_CLASS ? own_level :
	                                                     atomic_load_explicit(&klass->level, memory_order_relaxed);

	if (MR_UNLIKELY(!operation_make_room(operation)))
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

enum change_result { CHANGE_DONE, CHANGE_WAIT_FOR_STAMP, CHANGE_WAIT_FOR_HOLD };

/* Makes ROW one of KLASS.  A snapshot that is under way goes on to see the class
 * that the row had at its moment: the upper half of `classes`, announced by the
 * snapshot's mark in `control` before the lower half changes. */
static enum change_result change_class(struct operation *operation, struct mr_row *row, uint32_t index,
                                       const struct memcapture_class *klass)
{
	struct memcapture *const capture = operation->capture;
	const uint32_t state = snapshot_state(capture);
	const uint32_t level = atomic_load_explicit(&klass->level, memory_order_relaxed);
	const uint32_t level_bits = UINT32_C(0xff) << MR_ROW_LEVEL_SHIFT;
	const uint32_t mark_bits = UINT32_C(0xff) << MR_ROW_SNAPSHOT_SHIFT;

	if (state == MR_SNAPSHOT_STAMPING)
		return CHANGE_WAIT_FOR_STAMP;

	uint32_t control = atomic_load_explicit(&row->control, memory_order_relaxed);
	uint32_t classes = atomic_load_explicit(&row->classes, memory_order_relaxed);
	const uint32_t class_before = classes & 0xffff;
	uint32_t mark = control & mark_bits;
	if (held_by_other(operation->thread, index, control))
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
		if (held_by_other(operation->thread, index, control))
			return CHANGE_WAIT_FOR_HOLD;
	}
	atomic_store_explicit(&row->classes, (classes & 0xffff0000) | klass->id, memory_order_release);
	mr_map_set_class(operation->shard, operation->at, klass->id);

	mr_thread_count(operation->thread, class_before, -1);
	mr_thread_count(operation->thread, klass->id, 1);
	append_change(operation->thread, row->id, operation->ticks, klass->id, level);
	return CHANGE_DONE;
}

/* The object that OPERATION found becomes one of KLASS, which it was not; ends
 * the operation.  True when that is done; false when it must be tried again. */
static COLD bool change_class_and_end(struct operation *operation, const struct memcapture_class *klass)
{
	const uint32_t index = operation_row(operation);
	struct mr_row *const row = mr_rows_at(&operation->capture->rows, index);
	const enum change_result result = change_class(operation, row, index, klass);

	operation_end(operation);
	if (result == CHANGE_WAIT_FOR_STAMP)
		wait_for_stamp(operation->capture);
	else if (result == CHANGE_WAIT_FOR_HOLD)
		mr_row_wait(row);
	return result == CHANGE_DONE;
}

/* The object is tracked already: the most specialised class wins. */
static COLD bool track_again(struct operation *operation, const struct memcapture_class *klass)
{
	struct mr_thread *const thread = operation->thread;
	const uint32_t class_id = mr_map_class(operation->shard, operation->at);

	if (class_id != klass->id && mr_class_derives(klass, class_id))
		return change_class_and_end(operation, klass);
	/* Its own class once more: most likely the one before was freed without a word. */
	if (class_id == klass->id)
		atomic_fetch_add_explicit(&thread->retracked, 1, memory_order_relaxed);
	operation_end(operation);
	return true;
}

/* The stack that a birth is recorded with, when its class wants one. */
static COLD uint32_t trace(struct memcapture *capture, struct mr_thread *thread,
                           const struct memcapture_position *position, const void *return_address,
                           const void *frame)
{
	return mr_trace_stack(capture, thread, position, return_address, frame);
}

static inline int track(struct memcapture_class *klass, const void *object, uint32_t own_level,
                        const struct memcapture_position *position, const void *return_address, const void *frame)
{
	struct memcapture *const capture = klass->capture;
	const uint32_t state = atomic_load_explicit(&klass->state, memory_order_relaxed);
	struct operation operation;

	if (!mr_tracker_alive(capture) || (state & MR_CLASS_STATE_DETACHED) != 0)
		return 0;
	struct mr_thread *const thread = mr_thread_of(capture);
	if (MR_UNLIKELY(thread == NULL))
		return MEMCAPTURE_ERR_NOMEM;
	const uint32_t stack = MR_UNLIKELY((state & MR_CLASS_STATE_TRACE) != 0) ?
	                               trace(capture, thread, position, return_address, frame) : 0;

	for (;;) {
		/* May wait for the writer, so it comes before anybody waits for us. */
		if (!mr_ring_reserve_event(&thread->ring))
			return MEMCAPTURE_ERR_WRITE;
		operation_begin(&operation, capture, thread, object);
		if (MR_LIKELY(!operation.found))
			return add(&operation, klass, stack, own_level);
		if (track_again(&operation, klass))
			return 0;
	}
}

int memcapture_track_at(struct memcapture_class *klass, const void *object, struct memcapture_position position)
{
	if (klass == NULL || object == NULL)
		return 0;
	return track(klass, object, LEVEL_OF_CLASS, &position, __builtin_return_address(0),
	             __builtin_frame_address(0));
}

int memcapture_track_object_at(struct memcapture *capture, const void *object,
                               const struct memcapture_class_options *options, struct memcapture_position position)
{
	if (capture == NULL || object == NULL)
		return 0;
	if (options == NULL)
		return MEMCAPTURE_ERR_ARG;
	if (!mr_tracker_alive(capture))
		return 0;

	struct memcapture_class *const klass = mr_class_for_object(capture, options);
	if (klass == NULL)
		return MEMCAPTURE_ERR_NOMEM;
	const unsigned level = options->resolution_level;
	return track(klass, object, level < MR_TRACKER_LEVEL_MAX ? level : MR_TRACKER_LEVEL_MAX, &position,
	             __builtin_return_address(0), __builtin_frame_address(0));
}

/* ---- Forgetting ---------------------------------------------------------------------- */

/* Remembers a row that died during a snapshot.  Without memory for that the row
 * is lost until the capture is closed. */
static COLD void defer(struct mr_thread *thread, uint32_t index)
{
	if (mr_grow(&thread->deferred, &thread->deferred_capacity, thread->deferred_count + 1,
	            sizeof(*thread->deferred)) == 0)
		thread->deferred[thread->deferred_count++] = index;
}

/* A snapshot is under way and may still want the row.  False: it holds the object. */
static bool die_during_snapshot(struct operation *operation, struct mr_row *row, uint32_t index)
{
	uint32_t control = atomic_load_explicit(&row->control, memory_order_relaxed);
	const uint32_t kept = ~(uint32_t)(MR_ROW_STATE | MR_ROW_HOLD);

	do {
		if (held_by_other(operation->thread, index, control))
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

/* The object's row is free from here on, or as soon as a snapshot allows.  False: somebody holds the object. */
static bool die(struct operation *operation, struct mr_row *row, uint32_t index)
{
	struct mr_thread *const thread = operation->thread;

	if (snapshot_state(operation->capture) != MR_SNAPSHOT_IDLE)
		return die_during_snapshot(operation, row, index);
	/* No snapshot can begin while we are busy, and the program holds objects
	 * under the shard's lock, so plain stores will do. */
	if (held_by_other(thread, index, atomic_load_explicit(&row->control, memory_order_relaxed)))
		return false;
	mr_map_remove(operation->shard, operation->at);
	mr_spin_release(&operation->shard->lock);
	mr_rows_give(&operation->capture->rows, &thread->rows, index, row);
	return true;
}

/* Sizes the object of a class that wants its last state kept; ends the operation. */
static COLD void keep(struct operation *operation, struct mr_row *row, uint32_t index)
{
	struct mr_thread *const thread = operation->thread;
	const bool mine = thread->held_row == index + 1;
	const uint64_t id = row->id;

	operation_end(operation);
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
	return (state & MR_CLASS_STATE_KEEP) == 0 && snapshot_state(capture) == MR_SNAPSHOT_IDLE &&
	       atomic_load_explicit(&capture->look_at_rows, memory_order_relaxed) == 0;
}

enum forget_result { FORGOTTEN, FORGET_AGAIN };

/* The rest of forget(), for when the row must be looked at. */
static COLD enum forget_result forget_row(struct operation *operation, uint32_t class_id, uint32_t state,
                                          uint32_t reason, bool recorded, bool *kept)
{
	struct mr_thread *const thread = operation->thread;
	const uint32_t index = operation_row(operation);
	struct mr_row *const row = mr_rows_at(&operation->capture->rows, index);
	const uint64_t id = row->id;

	if ((state & MR_CLASS_STATE_KEEP) != 0 && !*kept) {
		*kept = true;
		keep(operation, row, index);
		return FORGET_AGAIN;
	}
	if (!die(operation, row, index)) {
		operation_end(operation);
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

static inline void forget(struct memcapture *capture, struct mr_thread *thread, const void *object, uint32_t reason)
{
	struct operation operation;
	bool kept = reason != MR_DEATH_FREED;

	for (;;) {
		const bool recorded = mr_ring_reserve_event(&thread->ring);

		operation_begin(&operation, capture, thread, object);
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

		const uint32_t index = operation_row(&operation);
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
	operation_end(&operation);
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
			forget(capture, thread,
			       (const void *)(uintptr_t)atomic_load_explicit(&row->address, memory_order_relaxed),
			       MR_DEATH_DETACHED);
	}
}

/* ---- Changing --------------------------------------------------------------------------- */

int memcapture_morph(struct memcapture_class *klass, const void *object)
{
	if (klass == NULL || object == NULL || !mr_tracker_alive(klass->capture))
		return 0;

	struct memcapture *const capture = klass->capture;
	struct mr_thread *const thread = mr_thread_of(capture);
	struct operation operation;

	if (thread == NULL)
		return MEMCAPTURE_ERR_NOMEM;
	for (;;) {
		if (!mr_ring_reserve_event(&thread->ring))
			return MEMCAPTURE_ERR_WRITE;
		operation_begin(&operation, capture, thread, object);
		if (!operation.found) {
			operation_end(&operation);
			return MEMCAPTURE_ERR_ARG;
		}
		if (change_class_and_end(&operation, klass))
			return 0;
	}
}

int memcapture_track_change(struct memcapture *capture, const void *object, unsigned resolution_level)
{
	if (capture == NULL || object == NULL || !mr_tracker_alive(capture))
		return 0;

	struct mr_thread *const thread = mr_thread_of(capture);
	const uint32_t level = resolution_level < MR_TRACKER_LEVEL_MAX ? resolution_level : MR_TRACKER_LEVEL_MAX;
	const uint32_t level_bits = UINT32_C(0xff) << MR_ROW_LEVEL_SHIFT;
	struct operation operation;

	if (thread == NULL)
		return MEMCAPTURE_ERR_NOMEM;
	if (!mr_ring_reserve_event(&thread->ring))
		return MEMCAPTURE_ERR_WRITE;
	operation_begin(&operation, capture, thread, object);
	if (operation.found) {
		struct mr_row *const row = mr_rows_at(&capture->rows, operation_row(&operation));
		uint32_t control = atomic_load_explicit(&row->control, memory_order_relaxed);

		while (!atomic_compare_exchange_weak(&row->control, &control,
		                                     (control & ~level_bits) | level << MR_ROW_LEVEL_SHIFT))
			;
		append_change(thread, row->id, operation.ticks, 0, level);
	}
	operation_end(&operation);
	return operation.found ? 0 : MEMCAPTURE_ERR_ARG;
}

/* Takes the object out of the map; its row stays live, and is held so that no
 * snapshot reads at either address.  The row's index, or MR_ROW_NONE. */
static uint32_t take_out(struct memcapture *capture, struct mr_thread *thread, const void *object)
{
	struct operation operation;

	for (;;) {
		operation_begin(&operation, capture, thread, object);
		if (!operation.found) {
			operation_end(&operation);
			return MR_ROW_NONE;
		}

		const uint32_t index = operation_row(&operation);
		struct mr_row *const row = mr_rows_at(&capture->rows, index);
		if (thread->held_row == index + 1 || mr_row_try_hold(row)) {
			mr_map_remove(operation.shard, operation.at);
			operation_end(&operation);
			return index;
		}
		operation_end(&operation);
		mr_row_wait(row);
	}
}

/* Puts row INDEX, which is held, under another address.  False: no memory. */
static bool put_in(struct memcapture *capture, struct mr_thread *thread, const void *object, uint32_t index)
{
	struct mr_row *const row = mr_rows_at(&capture->rows, index);
	const uint32_t class_id = atomic_load_explicit(&row->classes, memory_order_relaxed) & 0xffff;
	struct operation operation;

	/* Whatever was tracked at the new address must be gone: the memory is another's now. */
	forget(capture, thread, object, MR_DEATH_FREED);
	operation_begin(&operation, capture, thread, object);
	const bool room = !operation.found && operation_make_room(&operation);
	if (room) {
		atomic_store_explicit(&row->address, operation.address, memory_order_relaxed);
		mr_map_insert(operation.shard, operation.at, operation.address, class_id, index, row->id);
	}
	operation_end(&operation);
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
		/* Without room under the new address, it goes back to where it was: there is room, it came from there. */
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

void memcapture_hold(struct memcapture *capture, const void *object)
{
	if (capture == NULL || object == NULL || !mr_tracker_alive(capture))
		return;

	struct mr_thread *const thread = mr_thread_of(capture);
	struct operation operation;

	if (thread == NULL)
		return;
	/* Before the row is held: whoever finds the object from now on looks at its row. */
	atomic_fetch_add(&capture->look_at_rows, 1);
	for (;;) {
		operation_begin(&operation, capture, thread, object);
		if (!operation.found || thread->held_row == operation_row(&operation) + 1) {
			operation_end(&operation);
			atomic_fetch_sub(&capture->look_at_rows, 1);
			return;
		}

		const uint32_t index = operation_row(&operation);
		struct mr_row *const row = mr_rows_at(&capture->rows, index);
		const bool held = mr_row_try_hold(row);
		operation_end(&operation);
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
	struct mr_row *const row = mr_rows_at(&capture->rows, thread->held_row - 1);
	if (atomic_load_explicit(&row->address, memory_order_relaxed) != (uint64_t)(uintptr_t)object)
		return;
	thread->held_row = 0;
	mr_row_unhold(row);
	atomic_fetch_sub(&capture->look_at_rows, 1);
}
