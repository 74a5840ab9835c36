/* SPDX-License-Identifier: MIT
 *
 * The unusual ways out of a frame.  Once a frame was left by a guess, for want
 * of tables, what the registers hold may be anything: from there on a word is
 * read only where it surely lies in a stack, or where the kernel says that there
 * is memory.
 */
#include "stack_walk.h"

#include "module.h"

#define PAGE_BITS 12
/* The main thread's stack reaches at least so far down: mappings keep off its limit, whatever that is. */
#define MAIN_STACK_SURE (UINT64_C(1) << 20)

extern void *__libc_stack_end __attribute__((weak));

static uintptr_t main_stack_end(void)
{
	return &__libc_stack_end != NULL ? (uintptr_t)__libc_stack_end : 0;
}

uintptr_t mr_walk_high(uintptr_t stack_pointer)
{
	/* The C library keeps a thread's own block above its stack. */
	const uintptr_t thread = (uintptr_t)__builtin_thread_pointer();

	if (stack_pointer < thread)
		return thread;
	return stack_pointer < main_stack_end() ? main_stack_end() : UINTPTR_MAX;
}

/* The stack surely reaches from here to its end. */
static bool is_sure(const struct mr_walk *walk)
{
	return walk->high == main_stack_end() && walk->high - walk->state.stack_pointer <= MAIN_STACK_SURE;
}

/* The word at ADDRESS; false: it is not to be read. */
static bool walk_read(struct mr_walk *walk, uintptr_t address, uintptr_t *word)
{
	if (walk->guessed) {
		if (address % sizeof(*word) != 0 || address < walk->state.stack_pointer ||
		    address > walk->high - sizeof(*word))
			return false;
		if (!is_sure(walk) && address >> PAGE_BITS != walk->known_page) {
			if (!mr_memory_readable(address))
				return false;
			walk->known_page = address >> PAGE_BITS;
		}
	}
	*word = mr_walk_word(address);
	return true;
}

/* The value that REGISTER has in FRAMES[walk->count]: saved by a frame further in. */
static bool register_find(struct mr_walk *walk, const struct mr_stack_frame *frames, unsigned reg,
                          uintptr_t *value)
{
	for (uint32_t i = walk->count; i-- > 0;) {
		const uintptr_t address = frames[i].place & MR_PLACE_ADDRESS;
		struct mr_module module;
		int64_t offset;

		if (MR_UNWIND_BASE(frames[i].rule) == MR_UNWIND_INTERRUPTED ||
		    mr_module_find(address - 1, walk->learning.ring, &module) == MR_MODULE_NONE)
			return false;
		if (mr_unwind_saved(&module.tables, address, reg, &offset))
			return walk_read(walk, frames[i].cfa + (uintptr_t)offset, value);
	}
	return false;
}

static bool cfa_find(struct mr_walk *walk, struct mr_stack_frame *frames, uintptr_t *cfa)
{
	struct mr_stack_frame *const frame = &frames[walk->count];
	const uint64_t rule = frame->rule;
	const enum mr_unwind_base base = MR_UNWIND_BASE(rule);
	const unsigned reg = (unsigned)(rule >> 8 & 0xff);

	if ((base == MR_UNWIND_FRAME_POINTER || base == MR_UNWIND_FRAME_WORD) && walk->frame_lost)
		return false;
	switch (base) {
	case MR_UNWIND_STACK_POINTER:
		*cfa = walk->state.stack_pointer + (uintptr_t)mr_unwind_cfa_offset(rule);
		return true;
	case MR_UNWIND_FRAME_POINTER:
		*cfa = walk->state.frame_pointer + (uintptr_t)mr_unwind_cfa_offset(rule);
		return true;
	case MR_UNWIND_STACK_WORD:
		frame->word_at = walk->state.stack_pointer + (uintptr_t)mr_unwind_word_offset(rule);
		break;
	case MR_UNWIND_FRAME_WORD:
		frame->word_at = walk->state.frame_pointer + (uintptr_t)mr_unwind_word_offset(rule);
		break;
	default: /* MR_UNWIND_UNKNOWN */
		frame->remembered = reg == 0;
		if (reg == 0 || !register_find(walk, frames, reg, cfa))
			return false;
		*cfa += (uintptr_t)mr_unwind_cfa_offset(rule);
		return true;
	}
	if (!walk_read(walk, frame->word_at, &frame->word))
		return false;
	*cfa = frame->word + (uintptr_t)mr_unwind_value_offset(rule);
	return true;
}

/* FRAME is known, but not who called it. */
static enum mr_walk_end step_last(struct mr_walk *walk, struct mr_stack_frame *frame, enum mr_walk_end end)
{
	frame->cfa = walk->state.stack_pointer;
	frame->frame_pointer = walk->state.frame_pointer;
	frame->last = true;
	frame->remembered = frame->remembered && frame->word_at == 0;
	walk->count++;
	return end;
}

static enum mr_walk_end step_interrupted(struct mr_walk *walk, struct mr_stack_frame *frame)
{
	uintptr_t registers[3];

	mr_unwind_interrupted((const uintptr_t *)walk->state.stack_pointer,
	                      registers); // NOLINT(performance-no-int-to-ptr)
	walk->state.address = registers[0];
	walk->state.stack_pointer = registers[1];
	walk->state.frame_pointer = registers[2];
	walk->high = mr_walk_high(walk->state.stack_pointer);
	walk->frame_lost = false;
	walk->switched = true;
	walk->learning.interrupted = true;
	frame->remembered = false;
	frame->cfa = walk->state.stack_pointer;
	frame->frame_pointer = walk->state.frame_pointer;
	walk->count++;
	return MR_WALK_GOES_ON;
}

enum mr_walk_end mr_walk_step_checked(struct mr_walk *walk, struct mr_stack_frame *frames)
{
	struct mr_stack_frame *const frame = &frames[walk->count];
	const uint64_t rule = frame->rule;
	const enum mr_unwind_base base = MR_UNWIND_BASE(rule);
	uintptr_t cfa = 0;

	frame->word_at = 0;
	frame->frame_pointer_at = 0;
	frame->last = false;
	walk->guessed = walk->guessed || (rule & MR_UNWIND_GUESS) != 0;
	frame->remembered = !walk->guessed || is_sure(walk);
	if (base == MR_UNWIND_OUTERMOST || ((rule & MR_UNWIND_GUESS) != 0 && walk->state.frame_pointer == 0))
		return step_last(walk, frame, MR_WALK_OUTERMOST);
	if (base == MR_UNWIND_INTERRUPTED)
		return walk->guessed ? step_last(walk, frame, MR_WALK_BROKEN) : step_interrupted(walk, frame);
	if (!cfa_find(walk, frames, &cfa) || cfa <= walk->state.stack_pointer || cfa > walk->high ||
	    !walk_read(walk, cfa - sizeof(uintptr_t), &frame->return_address))
		return step_last(walk, frame, MR_WALK_BROKEN);

	const uintptr_t offset = (uintptr_t)mr_unwind_frame_offset(rule);
	if (MR_UNWIND_FRAME(rule) == MR_UNWIND_FRAME_AT_CFA)
		frame->frame_pointer_at = cfa + offset;
	if (MR_UNWIND_FRAME(rule) == MR_UNWIND_FRAME_AT_FRAME_POINTER)
		frame->frame_pointer_at = walk->state.frame_pointer + offset;
	if (MR_UNWIND_FRAME(rule) == MR_UNWIND_FRAME_LOST)
		walk->frame_lost = true;
	else if (frame->frame_pointer_at != 0)
		walk->frame_lost = !walk_read(walk, frame->frame_pointer_at, &walk->state.frame_pointer);
	walk->state.address = frame->return_address;
	walk->state.stack_pointer = cfa;
	frame->cfa = cfa;
	frame->frame_pointer = walk->state.frame_pointer;
	walk->count++;
	return MR_WALK_GOES_ON;
}
