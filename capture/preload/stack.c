/* SPDX-License-Identifier: MIT
 *
 * The number of a call stack: the frames are walked by rules, innermost first,
 * and their nodes are looked up from the outermost.
 */
#include "stack.h"

#include "memory_mapped.h"
#include "module.h"
#include "stack_memo.h"
#include "stack_tree.h"

#define RULES_BITS 12
#define NODES_BITS 13
#define NODES_TELL 1024 /* after so many new ones it is told how much memory there is */
/* Without a memo the frames lie in the stack of whoever asks, which may be a small one. */
#define FRAMES_WITHOUT_MEMO 32

/* A stack that differs from the one that is remembered in more frames than these takes its place. */
#define BRANCH_FRAMES_MAX 4

/* What is known in common, in pages that a fork wipes. */
struct shared {
	_Atomic uint32_t epoch; /* of what is known of addresses; 0: nothing yet */
	struct mr_hash_state rules;
	struct mr_hash_state nodes;
	_Atomic uint32_t node_next;
	_Atomic uint64_t unloaded;
	_Atomic uint64_t bytes_told;
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

/* Tells how much memory is in use, when that has changed. */
static void bytes_tell(void)
{
	const uint64_t bytes = mr_hash_bytes(&mr_unwind_cache) + mr_hash_bytes(&mr_stack_tree) +
	                       mr_modules_bytes() + sizeof(*shared);
	const uint64_t told = atomic_exchange_explicit(&shared->bytes_told, bytes, memory_order_relaxed);

	count(MR_HEAP_RECORDER_BYTES, bytes - told);
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
	atomic_store_explicit(&shared->epoch, 1, memory_order_relaxed);
	bytes_tell();
	return true;
}

void mr_stack_modules_changed(void)
{
	if (shared == NULL || atomic_load_explicit(&shared->epoch, memory_order_relaxed) == 0)
		return;
	const uint64_t unloaded = mr_modules_unloaded();
	if (atomic_exchange(&shared->unloaded, unloaded) == unloaded)
		return;
	mr_modules_changed();
	mr_hash_clear(&mr_unwind_cache);
	atomic_fetch_add(&shared->epoch, 1);
}

/* Makes the rule for the place that WALK is at.  False: it is no place in the code. */
static __attribute__((noinline, cold)) bool place_learn(struct mr_walk *walk, struct mr_unwind_at *at)
{
	const uint32_t guessed = walk->learning.guessed;

	walk->learning.moved = false;
	*at = mr_unwind_cache_learn(walk->state.address, &walk->learning);
	if (walk->state.frame_pointer == 0) /* the outermost frame: nothing is guessed from here */
		walk->learning.guessed = guessed;
	if (walk->learning.moved)
		atomic_fetch_add(&shared->epoch, 1);
	return at->place != 0;
}

/* A step that is not a usual one. */
static __attribute__((noinline)) enum mr_walk_end step_unusual(struct mr_walk *walk,
                                                               struct mr_stack_frame *frames,
                                                               struct mr_memo_search *search)
{
	const enum mr_walk_end end = mr_walk_step_checked(walk, frames);

	if (walk->switched) {
		walk->switched = false;
		search->at = search->max;
	}
	return end;
}

/* Walks until the stack ends, or MEMO (which may be NULL) knows the rest: from *JOINED on. */
static inline __attribute__((always_inline)) enum mr_walk_end walk_frames(
	struct mr_walk *walk, struct mr_stack_frame *frames, uint32_t frames_max,
	const struct mr_stack_memo *memo, struct mr_memo_search search, uint32_t *joined)
{
	/* Kept in registers between unusual steps. */
	struct mr_walk_state state = walk->state;
	uintptr_t high = walk->high;
	uint32_t frame_count = walk->count;
	bool usual = true;

	for (;; frame_count++) {
		struct mr_stack_frame *const frame = &frames[frame_count];
		struct mr_unwind_at at;
		enum mr_walk_end end = MR_WALK_GOES_ON;

		walk->count = frame_count;
		if (search.at > 0 &&
		    mr_memo_join(memo, &state, !usual && walk->frame_lost, &search, joined)) {
			const uint32_t whole = frame_count + *joined + 1;

			if (whole == frames_max || (whole < frames_max && memo->end != MR_WALK_CUT))
				return MR_WALK_JOINED;
			search.at = 0;
			search.max = 0;
		}
		if (frame_count == frames_max)
			return MR_WALK_CUT;
		if (MR_UNLIKELY(!mr_unwind_cache_find(state.address, &at))) {
			walk->state = state;
			if (state.address == 0 && walk->guessed)
				return MR_WALK_OUTERMOST;
			if (!place_learn(walk, &at))
				return MR_WALK_BROKEN;
		}
		frame->place = at.place;
		frame->rule = at.rule;
		if (MR_LIKELY(usual && mr_walk_step(&state, high, frame, at.rule)))
			continue;

		walk->state = state;
		walk->learning.interrupted = false;
		end = step_unusual(walk, frames, &search);
		if (end != MR_WALK_GOES_ON)
			return end;
		state = walk->state;
		high = walk->high;
		usual = !walk->guessed && !walk->frame_lost && !walk->learning.interrupted;
	}
}

static uint32_t node_of(struct mr_ring_writer *ring, uint64_t place, uint32_t parent)
{
	uint32_t node = mr_stack_tree_find(place, parent);

	if (MR_UNLIKELY(node == 0)) {
		node = mr_stack_tree_add(ring, place, parent);
		if (node % NODES_TELL == 0)
			bytes_tell();
	}
	return node;
}

/* What is to be counted after a walk that ended so.  False: its places are not all known to the writer. */
static bool walk_ended(const struct mr_walk *walk, enum mr_walk_end end)
{
	if (MR_UNLIKELY(end == MR_WALK_CUT))
		count(MR_HEAP_STACKS_CUT, 1);
	if (MR_UNLIKELY(end == MR_WALK_BROKEN))
		count(MR_HEAP_STACKS_BROKEN, 1);
	if (MR_UNLIKELY(walk->learning.guessed))
		count(MR_HEAP_FRAMES_GUESSED, walk->learning.guessed);
	return !walk->learning.untold;
}

static struct mr_walk walk_begin(struct mr_ring_writer *ring, const uintptr_t *frame)
{
	return (struct mr_walk){
		.state = {
			.address = frame[1],
			.stack_pointer = (uintptr_t)(frame + 2),
			.frame_pointer = frame[0],
		},
		.high = mr_walk_high((uintptr_t)frame),
		.learning = { .ring = ring },
	};
}

static __attribute__((noinline, cold)) uint32_t number_without_memo(struct mr_ring_writer *ring,
                                                                    const uintptr_t *frame)
{
	const uint32_t frames_max = depth_max < FRAMES_WITHOUT_MEMO ? depth_max : FRAMES_WITHOUT_MEMO;
	const struct mr_memo_search nowhere = { .at = 0 };
	struct mr_stack_frame frames[FRAMES_WITHOUT_MEMO];
	struct mr_walk walk = walk_begin(ring, frame);
	uint32_t joined = 0;
	uint32_t node = 0;

	if (!walk_ended(&walk, walk_frames(&walk, frames, frames_max, NULL, nowhere, &joined)))
		return 0;
	for (uint32_t i = walk.count; i-- > 0;) {
		node = node_of(ring, frames[i].place, node);
		if (node == 0)
			return 0;
	}
	return node;
}

/* Makes the whole stack of MEMO the one whose inner COUNT frames are in `fresh`, and lead to its first KEPT
 * states; BEGIN has the registers that they began with. */
static uint32_t memo_replace(struct mr_stack_memo *memo, struct mr_ring_writer *ring,
                             const struct mr_walk_state *begin, uint32_t frame_count, uint32_t kept)
{
	uint32_t node = kept > 0 ? memo->nodes[kept - 1] : 0;

	mr_memo_cut(memo, kept);
	for (uint32_t i = frame_count; i-- > 0;) {
		const struct mr_stack_frame *const inner = i > 0 ? &memo->fresh[i - 1] : NULL;

		node = node_of(ring, memo->fresh[i].place, node);
		if (MR_UNLIKELY(node == 0))
			return 0;
		mr_memo_push(memo, &memo->fresh[i], inner != NULL ? inner->cfa : begin->stack_pointer,
		             inner != NULL ? inner->frame_pointer : begin->frame_pointer, node);
	}
	return node;
}

/* COUNT frames in `fresh` lead to state JOINED. */
static uint32_t memo_branch(struct mr_stack_memo *memo, struct mr_ring_writer *ring,
                            const struct mr_walk_state *begin, uint32_t twig_place, uint32_t frame_count,
                            uint32_t joined)
{
	const uint32_t lost = memo->count - (joined + 1);
	uint32_t node = memo->nodes[joined];

	for (uint32_t i = frame_count; i-- > 0;) {
		node = node_of(ring, memo->fresh[i].place, node);
		if (MR_UNLIKELY(node == 0))
			return 0;
	}
	if (!mr_memo_twig_make(memo, twig_place, begin, frame_count, joined, node) || frame_count >= lost ||
	    frame_count > BRANCH_FRAMES_MAX)
		(void)memo_replace(memo, ring, begin, frame_count, joined + 1);
	return node;
}

uint32_t mr_stack_number(struct mr_stack_memo *memo, struct mr_ring_writer *ring, const uintptr_t *frame)
{
	if (MR_UNLIKELY(memo == NULL))
		return number_without_memo(ring, frame);

	const uint32_t epoch = atomic_load_explicit(&shared->epoch, memory_order_relaxed);
	if (MR_UNLIKELY(memo->epoch != epoch)) {
		mr_memo_cut(memo, 0);
		memo->epoch = epoch;
	}
	const struct mr_walk begin = walk_begin(ring, frame);
	struct mr_memo_search search = mr_memo_search_begin(memo);
	uint32_t joined = mr_memo_by_twig(memo, &begin.state, &search);
	if (MR_LIKELY(joined != 0)) {
		(void)walk_ended(&begin, memo->end);
		return joined;
	}
	struct mr_walk walk = begin;
	const enum mr_walk_end end = walk_frames(&walk, memo->fresh, depth_max, memo, search, &joined);
	if (MR_LIKELY(end == MR_WALK_JOINED)) {
		if (MR_UNLIKELY(!walk_ended(&walk, memo->end)))
			return 0;
		return memo_branch(memo, ring, &begin.state, search.twig_place, walk.count, joined);
	}
	memo->end = end;
	if (MR_UNLIKELY(!walk_ended(&walk, end))) {
		mr_memo_cut(memo, 0);
		return 0;
	}
	return memo_replace(memo, ring, &begin.state, walk.count, 0);
}
