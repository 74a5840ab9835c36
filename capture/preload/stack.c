/* SPDX-License-Identifier: MIT
 *
 * The number of a call stack: the frames are walked by rules, innermost first,
 * and their nodes are looked up from the outermost.
 */
#include "stack.h"

#include "memory_mapped.h"
#include "module.h"
#include "stack_tree.h"
#include "stack_walk.h"

#define RULES_BITS 12
#define NODES_BITS 13
/* Without a memo the frames lie in the stack of whoever asks, which may be a small one. */
#define FRAMES_WITHOUT_MEMO 32

struct mr_stack_memo {
	struct mr_stack_frame fresh[MR_HEAP_DEPTH_MAX];
};

/* What is known in common, in pages that a fork wipes. */
struct shared {
	struct mr_hash_state rules;
	struct mr_hash_state nodes;
	_Atomic uint32_t node_next;
	_Atomic uint64_t unloaded;
};

static struct shared *shared;
static struct mr_channel *stack_channel;
static unsigned depth_max;

size_t mr_stack_memo_size(void)
{
	return sizeof(struct mr_stack_memo);
}

static void count(enum mr_heap_counter counter, uint64_t by)
{
	atomic_fetch_add_explicit(&stack_channel->header->counters[counter], by, memory_order_relaxed);
}

bool mr_stack_begin(struct mr_channel *channel, unsigned depth)
{
	if (shared == NULL)
		shared = mr_pages_map_wiped_on_fork(sizeof(*shared));
	if (shared == NULL || !mr_modules_begin() || !mr_unwind_cache_begin(&shared->rules, RULES_BITS) ||
	    !mr_stack_tree_begin(&shared->nodes, &shared->node_next, NODES_BITS))
		return false;
	depth_max = depth == 0 ? 1 : depth < MR_HEAP_DEPTH_MAX ? depth : MR_HEAP_DEPTH_MAX;
	stack_channel = channel;
	return true;
}

void mr_stack_modules_changed(void)
{
	if (shared == NULL)
		return;
	const uint64_t unloaded = mr_modules_unloaded();
	if (atomic_exchange(&shared->unloaded, unloaded) == unloaded)
		return;
	mr_modules_changed();
	mr_hash_clear(&mr_unwind_cache);
}

static enum mr_walk_end walk_all(struct mr_walk *walk, struct mr_stack_frame *frames, uint32_t frames_max)
{
	enum mr_walk_end end = MR_WALK_GOES_ON;

	while (end == MR_WALK_GOES_ON) {
		struct mr_unwind_at at;

		if (walk->count == frames_max)
			return MR_WALK_CUT;
		if (MR_UNLIKELY(!mr_unwind_cache_find(walk->address, &at))) {
			if (walk->address == 0 && walk->guessed)
				return MR_WALK_OUTERMOST;
			at = mr_unwind_cache_learn(walk->address, &walk->learning);
			if (at.place == 0)
				return MR_WALK_BROKEN;
		}
		walk->learning.interrupted = false;
		frames[walk->count].place = at.place;
		frames[walk->count].rule = at.rule;
		end = mr_walk_step(walk, frames);
	}
	return end;
}

uint32_t mr_stack_number(struct mr_stack_memo *memo, struct mr_ring_writer *ring, const uintptr_t *frame)
{
	struct mr_stack_frame few[FRAMES_WITHOUT_MEMO];
	struct mr_stack_frame *const frames = memo != NULL ? memo->fresh : few;
	const uint32_t frames_max =
		memo != NULL || depth_max < FRAMES_WITHOUT_MEMO ? depth_max : FRAMES_WITHOUT_MEMO;
	struct mr_walk walk = {
		.address = frame[1],
		.stack_pointer = (uintptr_t)(frame + 2),
		.frame_pointer = frame[0],
		.high = mr_walk_high((uintptr_t)frame),
		.learning = { .ring = ring },
	};
	uint32_t node = 0;

	const enum mr_walk_end end = walk_all(&walk, frames, frames_max);
	if (MR_UNLIKELY(walk.learning.guessed))
		count(MR_HEAP_FRAMES_GUESSED, 1);
	if (MR_UNLIKELY(walk.learning.untold))
		return 0;
	if (end == MR_WALK_CUT)
		count(MR_HEAP_STACKS_CUT, 1);
	if (end == MR_WALK_BROKEN)
		count(MR_HEAP_STACKS_BROKEN, 1);
	for (uint32_t i = walk.count; i-- > 0;) {
		const uint32_t parent = node;

		node = mr_stack_tree_find(frames[i].place, parent);
		if (MR_UNLIKELY(node == 0))
			node = mr_stack_tree_add(ring, frames[i].place, parent);
		if (MR_UNLIKELY(node == 0))
			return 0;
	}
	return node;
}
