/* SPDX-License-Identifier: MIT
 *
 * The stack at which an object was announced.  Unwinding by tables takes some
 * hundred nanoseconds a frame, so each thread remembers the stacks that it has
 * seen: where each return address lies, and what it was.  If the call comes
 * from the same frame at the same place and all of those words are unchanged,
 * the stack is the same.  Of a stack that is new, only the frames are unwound
 * that differ from the one before.
 *
 * A frame whose size varies could in principle leave a stale return address at
 * the remembered place; so the frame pointers that functions saved beside their
 * return addresses are compared as well.
 */
#include "tracker_trace.h"

#include <unwind.h>

#define MEMO_ENTRIES 64u
#define FRAME_POINTER_REGISTER 6 /* rbp, in x86-64's DWARF numbers */

/* A word of the stack and what it held. */
struct word {
	const uint64_t *at; /* NULL: nothing to compare */
	uint64_t value;
};

struct frame {
	uint64_t return_address;
	struct word return_word;
	struct word frame_pointer;
	uint32_t stack; /* number of the stack that begins here */
};

struct entry {
	const void *frame; /* of the tracking function; NULL: unused */
	uint64_t return_address;
	uint64_t frame_pointer; /* the caller's */
	const char *file;
	unsigned line;
	unsigned depth; /* 0: cannot be remembered */
	uint32_t stack;
	struct frame frames[MR_TRACE_DEPTH];
};

struct mr_trace_memo {
	struct entry entries[MEMO_ENTRIES];
	struct entry *last; /* the stack that was found last, or NULL */
};

void mr_trace_memo_free(struct mr_trace_memo *memo)
{
	mr_free(memo);
}

static bool word_holds(const struct word *word)
{
	return word->at == NULL || *word->at == word->value;
}

/* Whether ENTRY's stack from frame FIRST on is still there. */
static bool still_there(const struct entry *entry, unsigned first)
{
	for (unsigned i = first; i < entry->depth; i++) {
		if (!word_holds(&entry->frames[i].return_word) ||
		    !word_holds(&entry->frames[i].frame_pointer))
			return false;
	}
	return true;
}

/* ---- Unwinding ------------------------------------------------------------------- */

struct walk {
	struct entry *entry;
	const struct entry *before; /* whose outer frames may be the same; NULL: none */
	unsigned before_at;
	uint64_t skip_until;    /* the return address at which the tracker's own frames end; 0: past them */
	uint32_t outer;         /* number of the stack that goes on where the walk ended, 0: none */
	uint64_t frame_pointer; /* of the frame before */
	bool certain;           /* every return address was found where it should be */
};

/* The frames of BEFORE from the one that returns through WORD, if they are still there. */
static bool join(struct walk *walk, const struct word *word)
{
	const struct entry *const before = walk->before;

	if (before == NULL)
		return false;
	while (walk->before_at < before->depth && before->frames[walk->before_at].return_word.at < word->at)
		walk->before_at++;
	const unsigned at = walk->before_at;
	if (at >= before->depth || before->frames[at].return_word.at != word->at ||
	    before->frames[at].return_word.value != word->value ||
	    walk->entry->depth + before->depth - at > MR_TRACE_DEPTH || !still_there(before, at))
		return false;
	/* The innermost frame carries a position, which is not the caller's. */
	if (at == 0)
		return false;
	walk->outer = before->frames[at].stack;
	for (unsigned i = at; i < before->depth; i++)
		walk->entry->frames[walk->entry->depth++] = before->frames[i];
	return true;
}

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *argument)
{
	struct walk *const walk = argument;
	struct entry *const entry = walk->entry;
	const uint64_t address = (uint64_t)_Unwind_GetIP(context);

	if (walk->skip_until != 0 && address != walk->skip_until)
		return _URC_NO_REASON;
	walk->skip_until = 0;
	if (address == 0 || entry->depth == MR_TRACE_DEPTH)
		return _URC_END_OF_STACK;

	struct frame frame = { .return_address = address };
#if defined(__x86_64__)
	/* The frame's stack pointer at the call, which is where the called function's frame ends. */
	const uint64_t *const top = (const uint64_t *)_Unwind_GetCFA(context);
	const uint64_t frame_pointer = (uint64_t)_Unwind_GetGR(context, FRAME_POINTER_REGISTER);

	frame.return_word = (struct word){ .at = top - 1, .value = address };
	if (*frame.return_word.at != address)
		walk->certain = false;
	/* A function that changed it has saved it, as a rule there. */
	if (frame_pointer != walk->frame_pointer && top[-2] == frame_pointer)
		frame.frame_pointer = (struct word){ .at = top - 2, .value = frame_pointer };
	walk->frame_pointer = frame_pointer;
	if (walk->certain && join(walk, &frame.return_word))
		return _URC_END_OF_STACK;
#else
	walk->certain = false;
#endif
	entry->frames[entry->depth++] = frame;
	return _URC_NO_REASON;
}

/* Finds the stack of ENTRY's call and gives it its number. */
static uint32_t unwind(struct memcapture *capture, struct mr_trace_memo *memo, struct entry *entry,
                       const struct memcapture_position *position)
{
	/* The old stack of this entry is being overwritten: then there is none to join. */
	struct walk walk = { .entry = entry,
		             .before = memo->last != entry ? memo->last : NULL,
		             .skip_until = entry->return_address,
		             .frame_pointer = entry->frame_pointer,
		             .certain = true };

	entry->depth = 0;
	memo->last = NULL;
	(void)_Unwind_Backtrace(visit, &walk);
	if (entry->depth == 0) {
		mr_trace_count_failure(capture);
		return mr_trace_intern(capture, 0, entry->return_address, position);
	}

	/* From the outermost frame that has no number yet to the innermost. */
	uint32_t stack = walk.outer;
	unsigned unnumbered = entry->depth;
	while (unnumbered > 0 && entry->frames[unnumbered - 1].stack != 0)
		unnumbered--;
	for (unsigned i = unnumbered; i > 0; i--) {
		struct frame *const frame = &entry->frames[i - 1];

		stack = mr_trace_intern(capture, stack, frame->return_address, i == 1 ? position : NULL);
		frame->stack = stack;
	}
	if (walk.certain && stack != 0)
		memo->last = entry;
	else
		entry->depth = 0;
	return stack;
}

uint32_t mr_trace_stack(struct memcapture *capture, struct mr_thread *thread,
                        const struct memcapture_position *position, const void *return_address,
                        const void *frame)
{
	if (thread->traces == NULL)
		thread->traces = mr_alloc(sizeof(*thread->traces));

	struct mr_trace_memo *const memo = thread->traces;
	const uint64_t address = (uint64_t)(uintptr_t)return_address;
	if (memo == NULL) {
		mr_trace_count_failure(capture);
		return mr_trace_intern(capture, 0, address, position);
	}

	/* A function begins its frame by saving its caller's frame pointer. */
	const uint64_t frame_pointer = *(const uint64_t *)frame;
	const uint64_t hash = (address ^ (uint64_t)(uintptr_t)frame << 7) * UINT64_C(0x9e3779b97f4a7c15);
	struct entry *const entry = &memo->entries[hash >> 58];
	_Static_assert(MEMO_ENTRIES == 64, "six bits choose the entry");
	if (entry->frame == frame && entry->return_address == address &&
	    entry->frame_pointer == frame_pointer && entry->file == position->file &&
	    entry->line == position->line && entry->depth > 0 && still_there(entry, 0)) {
		memo->last = entry;
		return entry->stack;
	}
	entry->frame = frame;
	entry->return_address = address;
	entry->frame_pointer = frame_pointer;
	entry->file = position->file;
	entry->line = position->line;
	entry->stack = unwind(capture, memo, entry, position);
	return entry->stack;
}
