/* SPDX-License-Identifier: MIT
 *
 * One operation on one object: what tracking, forgetting and changing have in
 * common.  tracker.h says how these operations and a snapshot agree on what
 * happened before it.  Private to tracker_object.c and tracker_change.c.
 */
#ifndef MR_TRACKER_OPERATION_H
#define MR_TRACKER_OPERATION_H

#include "tracker.h"

#define MR_COLD __attribute__((noinline, cold))

/* One operation on one object: where its slot is, or would be. */
struct mr_operation {
	struct memcapture *capture;
	struct mr_thread *thread;
	struct mr_map_shard *shard; /* locked from mr_operation_begin() to mr_operation_end() */
	uint64_t address;
	uint64_t hash;
	uint64_t ticks;
	bool found;  /* tracked */
	uint32_t at; /* place in the shard */
};

static inline void mr_operation_begin(struct mr_operation *operation, struct memcapture *capture,
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

static inline void mr_operation_end(const struct mr_operation *operation)
{
	mr_spin_release(&operation->shard->lock);
	mr_tracker_leave(operation->thread);
}

/* Room for the object that was not found, and its place.  False: no memory. */
static inline bool mr_operation_make_room(struct mr_operation *operation)
{
	if (MR_LIKELY(mr_map_has_room(operation->shard)))
		return true;
	if (!mr_map_shard_grow(&operation->capture->map, operation->shard))
		return false;
	(void)(mr_map_find(operation->shard, operation->hash, operation->address, &operation->at) == false);
	return true;
}

static inline uint32_t mr_operation_row(const struct mr_operation *operation)
{
	return mr_map_row(operation->shard, operation->at);
}

static inline uint32_t mr_snapshot_state_of(const struct memcapture *capture)
{
	return atomic_load_explicit(&capture->snapshot_state, memory_order_acquire);
}

/* Somebody else reads or changes the object. */
static inline bool mr_row_held_by_other(const struct mr_thread *thread, uint32_t index, uint32_t control)
{
	return (control & MR_ROW_HOLD) != 0 && thread->held_row != index + 1;
}

/* ---- tracker_change.c ---- */

/* The object that OPERATION found becomes one of KLASS, which it was not; ends
 * the operation.  True when that is done; false when it must be tried again. */
bool mr_change_class_and_end(struct mr_operation *operation, const struct memcapture_class *klass);

/* ---- tracker_object.c ---- */

void mr_object_forget(struct memcapture *capture, struct mr_thread *thread, const void *object,
                      uint32_t reason);

#endif
