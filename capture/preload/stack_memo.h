/* SPDX-License-Identifier: MIT
 *
 * What a thread remembers of a stack: the states that its walk went through,
 * outermost first, and the words of the stack that led from one to the next.
 * Walking is a function of the state and of those words alone.  So a state that
 * is met again leads to the same stack if the words outward of it still hold
 * what they held; they are compared from the inside out, and no word is read
 * that the walk itself would not read.
 *
 * The frame pointer belongs to the state only where a rule further out uses it
 * before it is restored from a word: there it is "live".
 *
 * One stack is remembered whole.  Programs go to and fro between a few places
 * that share most of their callers; so of others a twig is kept: the words from
 * its innermost state to one of the whole stack's.  Private to capture/preload/.
 */
#ifndef MR_PRELOAD_STACK_MEMO_H
#define MR_PRELOAD_STACK_MEMO_H

#include "stack.h"
#include "stack_walk.h"

#define MR_MEMO_WORDS_MAX (MR_HEAP_DEPTH_MAX * 2 + 64)

#define MR_TWIG_BITS 6
#define MR_TWIG_WORDS_MAX 20
#define MR_TWIG_TRIES 4 /* twigs that begin alike, and are looked at for one event */

struct mr_twig {
	uintptr_t stack_pointer;
	uintptr_t address;
	uintptr_t frame_pointer;
	uintptr_t joined_stack_pointer;
	uintptr_t joined_frame_pointer;
	uint32_t joined; /* the state of the whole stack that it leads to */
	uint32_t joined_node;
	uint32_t node;  /* of the twig's innermost frame; 0: there is no twig here */
	uint32_t epoch; /* the memo's when the twig was made */
	uint16_t word_count;
	bool live;
	struct mr_twig_word {
		uintptr_t address;
		uintptr_t value;
	} words[MR_TWIG_WORDS_MAX]; /* innermost first */
};

struct mr_stack_memo {
	uint32_t epoch;    /* of what is known of addresses */
	uint32_t count;    /* states */
	uint32_t join_max; /* states from here on cannot be joined: a word that led on is not remembered */
	uint32_t word_count;
	uint32_t end; /* enum mr_walk_end: how the walk ended */

	uintptr_t stack_pointers[MR_HEAP_DEPTH_MAX];
	uint64_t places[MR_HEAP_DEPTH_MAX];
	uintptr_t frame_pointers[MR_HEAP_DEPTH_MAX];
	uint32_t nodes[MR_HEAP_DEPTH_MAX];
	uint32_t word_ends
		[MR_HEAP_DEPTH_MAX]; /* a state's words and those outward of it: all before this one */
	bool live[MR_HEAP_DEPTH_MAX];
	uintptr_t word_addresses[MR_MEMO_WORDS_MAX];
	uintptr_t word_values[MR_MEMO_WORDS_MAX];

	struct mr_twig twigs[1u << MR_TWIG_BITS];
	struct mr_stack_frame fresh[MR_HEAP_DEPTH_MAX]; /* of a walk, innermost first */
};

/* Where a walk may join what is remembered. */
struct mr_memo_search {
	uint32_t at;         /* states from here on lie further in than the walk */
	uint32_t max;        /* states from here on do not hold any more */
	uint32_t twig_place; /* where a twig for this walk belongs */
};

static inline struct mr_memo_search mr_memo_search_begin(const struct mr_stack_memo *memo)
{
	const uint32_t max = memo->count < memo->join_max ? memo->count : memo->join_max;

	return (struct mr_memo_search){ .at = max, .max = max };
}

/* The words before END, from the last one: 0 when all of them hold, or 1 + the index of one that does not. */
static inline uint32_t mr_memo_words_differ(const struct mr_stack_memo *memo, uint32_t end)
{
	/* There are some dozens: going round takes as long as looking at one. */
#pragma GCC unroll 4
	for (uint32_t i = end; i > 0; i--)
		if (MR_UNLIKELY(mr_walk_word(memo->word_addresses[i - 1]) != memo->word_values[i - 1]))
			return i;
	return 0;
}

/* Of the first AT states those are left that do not depend on the word before DIFFERS. */
static inline void mr_memo_forget_from(const struct mr_stack_memo *memo, struct mr_memo_search *search,
                                       uint32_t at, uint32_t differs)
{
	while (at > 0 && memo->word_ends[at - 1] >= differs)
		at--;
	search->at = at;
	search->max = at;
}

/* Whether a walk has come to a state that is remembered, from which all is as it was: *FOUND.  LOST: its
 * frame pointer is not known. */
static inline bool mr_memo_join(const struct mr_stack_memo *memo, const struct mr_walk_state *state,
                                bool lost, struct mr_memo_search *search, uint32_t *found)
{
	uint32_t at = search->at;

	while (at > 0 && memo->stack_pointers[at - 1] < state->stack_pointer)
		at--;
	search->at = at;
	if (at == 0 || memo->stack_pointers[at - 1] != state->stack_pointer ||
	    ((memo->places[at - 1] ^ state->address) << (64 - MR_PLACE_MODULE_SHIFT)) != 0 ||
	    (memo->live[at - 1] && (lost || memo->frame_pointers[at - 1] != state->frame_pointer)))
		return false;
	const uint32_t differs = mr_memo_words_differ(memo, memo->word_ends[at - 1]);
	if (MR_LIKELY(differs == 0)) {
		*found = at - 1;
		return true;
	}
	mr_memo_forget_from(memo, search, at, differs);
	return false;
}

static inline uint32_t mr_memo_twig_place(uint64_t key)
{
	return (uint32_t)(key * MR_HASH_FACTOR >> (64 - MR_TWIG_BITS));
}

/* Whether TWIG begins at STATE and leads to what is remembered now. */
static inline bool mr_memo_twig_holds(const struct mr_stack_memo *memo, const struct mr_twig *twig,
                                      const struct mr_walk_state *state, uint32_t max)
{
	const uint32_t joined = twig->joined;

	return twig->stack_pointer == state->stack_pointer && twig->address == state->address &&
	       twig->epoch == memo->epoch && joined < max && memo->nodes[joined] == twig->joined_node &&
	       memo->stack_pointers[joined] == twig->joined_stack_pointer &&
	       (!twig->live || twig->frame_pointer == state->frame_pointer) &&
	       (!memo->live[joined] || memo->frame_pointers[joined] == twig->joined_frame_pointer);
}

/* The node of STATE, if a twig leads from it; 0: none does.  *SEARCH is where to
 * look for the walk to join.  Of several twigs that begin alike, the word in which
 * one differs from the stack as it is says where the next may be. */
static inline uint32_t mr_memo_by_twig(struct mr_stack_memo *memo, const struct mr_walk_state *state,
                                       struct mr_memo_search *search)
{
	uint32_t place = mr_memo_twig_place(state->address + state->stack_pointer * 5);

	for (unsigned tries = 1;; tries++) {
		const struct mr_twig *const twig = &memo->twigs[place];
		uintptr_t word = 0;
		uint32_t i = 0;

		search->twig_place = place;
		if (!mr_memo_twig_holds(memo, twig, state, search->max))
			return 0;
		while (i < twig->word_count &&
		       (word = mr_walk_word(twig->words[i].address)) == twig->words[i].value)
			i++;
		if (MR_LIKELY(i == twig->word_count)) {
			const uint32_t differs = mr_memo_words_differ(memo, memo->word_ends[twig->joined]);

			if (MR_LIKELY(differs == 0))
				return twig->node;
			mr_memo_forget_from(memo, search, twig->joined + 1, differs);
			return 0;
		}
		if (tries == MR_TWIG_TRIES)
			return 0;
		place = mr_memo_twig_place(word * 5 + place + 1);
	}
}

/* Keeps the COUNT frames of `fresh` as the twig at PLACE, to state JOINED, NODE being the innermost frame's;
 * STATE is where they began.  False: they are not to be kept so. */
bool mr_memo_twig_make(struct mr_stack_memo *memo, uint32_t place, const struct mr_walk_state *state,
                       uint32_t count, uint32_t joined, uint32_t node);

/* Adds a state: in FRAME, with STACK_POINTER and FRAME_POINTER. */
void mr_memo_push(struct mr_stack_memo *memo, const struct mr_stack_frame *frame, uintptr_t stack_pointer,
                  uintptr_t frame_pointer, uint32_t node);
/* Whether the frame pointer is needed to leave a frame by RULE, when OUTWARD says that it is from there
 * on. */
bool mr_memo_is_live(uint64_t rule, bool outward);
/* Forgets all but the first KEPT states. */
void mr_memo_cut(struct mr_stack_memo *memo, uint32_t kept);

#endif
