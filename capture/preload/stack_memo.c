/* SPDX-License-Identifier: MIT
 *
 * Remembering the states of a walk.
 */
#include "stack_memo.h"

void mr_memo_cut(struct mr_stack_memo *memo, uint32_t kept)
{
	memo->count = kept;
	memo->word_count = kept > 0 ? memo->word_ends[kept - 1] : 0;
	if (memo->join_max >= kept)
		memo->join_max = UINT32_MAX;
}

static void word_push(struct mr_stack_memo *memo, uintptr_t address, uintptr_t value)
{
	memo->word_addresses[memo->word_count] = address;
	memo->word_values[memo->word_count] = value;
	memo->word_count++;
}

bool mr_memo_is_live(uint64_t rule, bool outward)
{
	const enum mr_unwind_base base = MR_UNWIND_BASE(rule);

	if (base == MR_UNWIND_FRAME_POINTER || base == MR_UNWIND_FRAME_WORD)
		return true;
	return outward && (MR_UNWIND_FRAME(rule) == MR_UNWIND_FRAME_SAME ||
	                   MR_UNWIND_FRAME(rule) == MR_UNWIND_FRAME_AT_FRAME_POINTER);
}

void mr_memo_push(struct mr_stack_memo *memo, const struct mr_stack_frame *frame, uintptr_t stack_pointer,
                  uintptr_t frame_pointer, uint32_t node)
{
	const uint32_t state = memo->count;
	const bool outward = state > 0 && memo->live[state - 1];

	if (!frame->remembered || memo->word_count + 3 > MR_MEMO_WORDS_MAX) {
		if (memo->join_max == UINT32_MAX)
			memo->join_max = state;
	} else if (!frame->last) {
		/* In the order in which they are not compared: what leads to a word comes after it. */
		word_push(memo, frame->cfa - sizeof(uintptr_t), frame->return_address);
		if (outward && frame->frame_pointer_at != 0)
			word_push(memo, frame->frame_pointer_at, frame->frame_pointer);
		if (frame->word_at != 0)
			word_push(memo, frame->word_at, frame->word);
	}
	memo->stack_pointers[state] = stack_pointer;
	memo->places[state] = frame->place;
	memo->frame_pointers[state] = frame_pointer;
	memo->live[state] = mr_memo_is_live(frame->rule, outward);
	memo->nodes[state] = node;
	memo->word_ends[state] = memo->word_count;
	memo->count = state + 1;
}

bool mr_memo_twig_make(struct mr_stack_memo *memo, uint32_t place, const struct mr_walk_state *state,
                       uint32_t count, uint32_t joined, uint32_t node)
{
	struct mr_twig *const twig = &memo->twigs[place];
	bool live = memo->live[joined];
	uint32_t word_count = 0;

	if (count > MR_TWIG_WORDS_MAX)
		return false;
	/* From the outermost frame, to know where the frame pointer is live; so the words come in the
	 * wrong order. */
	struct mr_twig_word *const end = twig->words + MR_TWIG_WORDS_MAX;
	twig->node = 0;
	for (uint32_t i = count; i-- > 0;) {
		const struct mr_stack_frame *const frame = &memo->fresh[i];

		if (!frame->remembered || word_count + 3 > MR_TWIG_WORDS_MAX)
			return false;
		end[-(int)++word_count] =
			(struct mr_twig_word){ frame->cfa - sizeof(uintptr_t), frame->return_address };
		if (live && frame->frame_pointer_at != 0)
			end[-(int)++word_count] =
				(struct mr_twig_word){ frame->frame_pointer_at, frame->frame_pointer };
		if (frame->word_at != 0)
			end[-(int)++word_count] = (struct mr_twig_word){ frame->word_at, frame->word };
		live = mr_memo_is_live(frame->rule, live);
	}
	memmove(twig->words, end - word_count, word_count * sizeof(twig->words[0]));
	twig->stack_pointer = state->stack_pointer;
	twig->address = state->address;
	twig->frame_pointer = state->frame_pointer;
	twig->live = live;
	twig->word_count = (uint16_t)word_count;
	twig->joined = joined;
	twig->joined_node = memo->nodes[joined];
	twig->joined_stack_pointer = memo->stack_pointers[joined];
	twig->joined_frame_pointer = memo->frame_pointers[joined];
	twig->epoch = memo->epoch;
	twig->node = node;
	return true;
}
