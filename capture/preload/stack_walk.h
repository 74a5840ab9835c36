/* SPDX-License-Identifier: MIT
 *
 * From a frame to its caller's, by a rule: the usual kinds here, to be inlined;
 * the others, and whatever follows a guess, in stack_walk.c with every read
 * checked.  Private to capture/preload/.
 */
#ifndef MR_PRELOAD_STACK_WALK_H
#define MR_PRELOAD_STACK_WALK_H

#include "heap_events.h"
#include "unwind_cache.h"

/* A word of a stack, whoever's it is. */
static inline __attribute__((no_sanitize("address"))) uintptr_t mr_walk_word(uintptr_t address)
{
	return *(const uintptr_t *)address; // NOLINT(performance-no-int-to-ptr)
}

/* A frame that was left: its place, and how to know it again. */
struct mr_stack_frame {
	uint64_t place;
	uint64_t rule;
	uintptr_t cfa;              /* the stack pointer in its caller; the return address lies below it */
	uintptr_t frame_pointer;    /* the caller's */
	uintptr_t frame_pointer_at; /* the word that it was read from; 0: it stayed as it was */
	uintptr_t word_at;          /* a word that led to the CFA; 0: none */
	uintptr_t word;             /* what it held */
	uintptr_t return_address;
	bool remembered; /* the words that are named here are all that led on, and may be read again */
	bool last;       /* there is no way on */
};

enum mr_walk_end {
	MR_WALK_GOES_ON,
	MR_WALK_OUTERMOST,
	MR_WALK_BROKEN,
	MR_WALK_CUT,
	MR_WALK_JOINED,
};

/* What a walk goes by. */
struct mr_walk_state {
	uintptr_t address; /* of the place that is to be left */
	uintptr_t stack_pointer;
	uintptr_t frame_pointer;
};

struct mr_walk {
	struct mr_walk_state state;
	uintptr_t high;       /* no frame of this stack lies beyond */
	uintptr_t known_page; /* its bytes were found to be readable */
	bool frame_lost;      /* the frame pointer is not known */
	bool guessed;         /* some frame was left by a guess: nothing is believed any more */
	bool switched;        /* the last step led over a signal's frame */
	uint32_t count;       /* frames in `frames` */
	struct mr_unwind_learning learning;
};

/* The end of the stack that STACK_POINTER lies in, or something beyond it. */
uintptr_t mr_walk_high(uintptr_t stack_pointer);

/* The way out of FRAME, whose place and rule are filled in, when it is not a usual one. */
enum mr_walk_end mr_walk_step_checked(struct mr_walk *walk, struct mr_stack_frame *frames);

#define MR_WALK_UNUSUAL(rule)                                                          \
	(((uint64_t)1 << ((rule)&7) &                                                  \
	  ((1u << MR_UNWIND_STACK_POINTER) | (1u << MR_UNWIND_FRAME_POINTER))) == 0 || \
	 ((rule) & (MR_UNWIND_GUESS | (uint64_t)2 << 3)) != 0)

/* One step from STATE out of FRAME, whose place and rule are filled in.  False: not a usual one; nothing
 * was done. */
static inline __attribute__((always_inline)) bool mr_walk_step(struct mr_walk_state *state, uintptr_t high,
                                                               struct mr_stack_frame *frame, uint64_t rule)
{
	const uintptr_t base =
		MR_UNWIND_BASE(rule) == MR_UNWIND_STACK_POINTER ? state->stack_pointer : state->frame_pointer;
	const uintptr_t cfa = base + (uintptr_t)mr_unwind_cfa_offset(rule);

	if (MR_UNLIKELY(MR_WALK_UNUSUAL(rule) || cfa <= state->stack_pointer || cfa > high))
		return false;
	uintptr_t frame_pointer_at = 0;
	if (MR_UNWIND_FRAME(rule) != MR_UNWIND_FRAME_SAME) {
		frame_pointer_at = cfa + (uintptr_t)mr_unwind_frame_offset(rule);
		state->frame_pointer = mr_walk_word(frame_pointer_at);
	}
	state->address = mr_walk_word(cfa - sizeof(uintptr_t));
	state->stack_pointer = cfa;
	frame->word_at = 0;
	frame->frame_pointer_at = frame_pointer_at;
	frame->cfa = cfa;
	frame->frame_pointer = state->frame_pointer;
	frame->return_address = state->address;
	frame->remembered = true;
	frame->last = false;
	return true;
}

#endif
