/* SPDX-License-Identifier: MIT
 *
 * Appending an event where it is not a matter of some nanoseconds: a thread's
 * first event, one of a signal handler in the middle of another, a ring that
 * nobody empties.  "The rule of reentrancy" in preload.h says what this keeps.
 */
#include "preload.h"

#include <errno.h>
#include <signal.h>

#include "module.h"

/* Counts an event of TYPE, which is not in the log. */
static void count_lost(enum mr_heap_record_type type)
{
	if (mr_event_has_stack(type))
		mr_process_count(MR_HEAP_UNRECORDED_ALLOCS, MR_HEAP_EARLY_ALLOCS);
	else
		mr_process_count(MR_HEAP_UNRECORDED_FREES, MR_HEAP_EARLY_FREES);
}

/* ---- Signal handlers ------------------------------------------------------------ */

/* Whether the hook that has the gate can still be running, seen from the hook at FRAME of the same thread. */
static bool interrupted(const struct mr_thread *thread, uintptr_t frame)
{
	const uintptr_t gate = thread->gate;
	stack_t alternate;

	if (mr_nested_count(thread) >= MR_NESTED_BELIEVED)
		return false;
	if (!mr_sandboxed && sigaltstack(NULL, &alternate) == 0 && (alternate.ss_flags & SS_DISABLE) == 0) {
		const uintptr_t base = (uintptr_t)alternate.ss_sp;
		const bool gate_on_it = gate - base < alternate.ss_size;
		const bool frame_on_it = (alternate.ss_flags & SS_ONSTACK) != 0;

		if (gate_on_it != frame_on_it)
			return frame_on_it;
	}
	/* A stack that was jumped out of may have been given back since. */
	return frame < gate && mr_memory_readable(gate + sizeof(uintptr_t)) &&
	       ((const uintptr_t *)gate)[1] == thread->gate_return; // NOLINT(performance-no-int-to-ptr)
}

/* Leaves EVENT to the hook that was interrupted. */
static void leave_nested(struct mr_thread *thread, const struct mr_event *event)
{
	/* Visible before the clock is read; and one's own, should another handler interrupt this one. */
	const uint32_t index = atomic_fetch_add(&thread->ring.ring->nested, 1);

	if (index >= MR_NESTED_MAX) {
		mr_process_count(MR_HEAP_NESTED_LOST, MR_HEAP_NESTED_LOST);
		count_lost(event->type);
		return;
	}

	struct mr_nested *const nested = &thread->nested[index];
	uint64_t words[MR_RECORD_WORDS_MAX] = { 0 };
	nested->len = mr_event_write(words, event, mr_thread_clock(thread), 0);
	memcpy(nested->words + 1, words + 1, sizeof(words) - sizeof(words[0]));
	atomic_signal_fence(memory_order_seq_cst);
	nested->words[0] = words[0];
	mr_process_count(MR_HEAP_NESTED_EVENTS, MR_HEAP_NESTED_EVENTS);
}

/* The first of the entries before END by its stamp that was not appended yet, or NULL. */
static struct mr_nested *nested_next(struct mr_thread *thread, uint32_t end)
{
	struct mr_nested *next = NULL;

	for (uint32_t i = 0; i < end; i++) {
		struct mr_nested *const nested = &thread->nested[i];

		if (nested->words[0] != 0 &&
		    (next == NULL || MR_HEAP_TICKS(nested->words[0]) < MR_HEAP_TICKS(next->words[0])))
			next = nested;
	}
	return next;
}

/* Appends those of the first COUNT entries that were not yet. */
static void append_entries(struct mr_thread *thread, uint32_t count)
{
	const bool room = mr_ring_reserve(&thread->ring, MR_APPEND_RESERVE);
	uint8_t *const at = mr_ring_at_head(&thread->ring);
	struct mr_nested *nested;
	size_t len = 0;

	while ((nested = nested_next(thread, count < MR_NESTED_MAX ? count : MR_NESTED_MAX)) != NULL) {
		if (room && len + nested->len <= MR_APPEND_RESERVE) {
			memcpy(at + len, nested->words, nested->len);
			len += nested->len;
		} else {
			mr_process_count(MR_HEAP_NESTED_LOST, MR_HEAP_NESTED_LOST);
			count_lost((enum mr_heap_record_type)MR_HEAP_TYPE(nested->words[0]));
		}
		nested->words[0] = 0;
	}
	if (len > 0)
		mr_ring_commit(&thread->ring, len);
}

bool mr_append_nested(struct mr_thread *thread)
{
	uint32_t count = mr_nested_count(thread);

	/* One instruction: a handler comes before it, and then there is more, or after it. */
	do
		append_entries(thread, count);
	while (!atomic_compare_exchange_strong(&thread->ring.ring->nested, &count, 0));
	return mr_ring_reserve(&thread->ring, sizeof(uint64_t[MR_RECORD_WORDS_MAX]));
}

void mr_append_rest(struct mr_thread *thread, const uintptr_t *frame)
{
	while (mr_nested_count(thread) != 0 && thread->gate == MR_GATE_OPEN) {
		mr_gate_take(thread, frame);
		(void)mr_append_nested(thread);
		mr_gate_leave(thread, MR_GATE_OPEN);
	}
}

/* Takes the gate from a hook that a handler left by siglongjmp(). */
static void take_over(struct mr_thread *thread)
{
	mr_thread_forget_stack(thread);
	mr_gate_leave(thread, MR_GATE_OPEN);
}

bool mr_gate_open(struct mr_thread *thread, const uintptr_t *frame)
{
	if (thread->gate >= MR_GATE_FRAMES && !interrupted(thread, (uintptr_t)frame))
		take_over(thread);
	return thread->gate == MR_GATE_OPEN;
}

/* ---- No room ------------------------------------------------------------------------ */

void mr_append_stall(struct mr_thread *thread, const struct mr_event *event)
{
	count_lost(event->type);
	mr_gate_leave(thread, MR_GATE_STALLED);
}

/* Whether the writer has come back; the gate is open then. */
static bool unstall(struct mr_thread *thread, const uintptr_t *frame)
{
	if (!mr_channel_writer_is_alive(thread->ring.channel->writer))
		return false;
	mr_gate_take(thread, frame);
	const bool room = mr_ring_reserve(&thread->ring, MR_APPEND_RESERVE);
	mr_gate_leave(thread, room ? MR_GATE_OPEN : MR_GATE_STALLED);
	return room;
}

/* ---- The way in ----------------------------------------------------------------------- */

void mr_append_slow(const struct mr_event *event, const uintptr_t *frame)
{
	const int errno_before = errno;
	struct mr_thread *thread = mr_thread_current;

	if (thread == NULL || thread->gate == MR_GATE_CLOSED)
		thread = mr_thread_enter();
	const bool open = thread != NULL && mr_gate_open(thread, frame);

	if (thread != NULL && thread->gate >= MR_GATE_FRAMES)
		leave_nested(thread, event);
	else if (open || (thread != NULL && unstall(thread, frame)))
		mr_append_open(thread, event, frame);
	else
		count_lost(event->type);
	errno = errno_before;
}
