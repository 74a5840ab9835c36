/* SPDX-License-Identifier: MIT
 *
 * How to get from a place in the code to its caller: 64 bits, made once for each
 * return address from the unwind tables of the module that holds it.  What is
 * kept is only what leads to the next return address: where the CFA is, and
 * what the frame pointer was.  unwind_x86_64.c makes rules from a row of
 * the tables; unwind_frame_pointer.c is for where there are no tables, and for
 * other architectures.  Private to capture/preload/.
 *
 * A place is named by the return address; where a signal interrupted the code,
 * by the address of the instruction plus one.  So the address less one always
 * lies in the instruction that is being executed.
 *
 * Nothing here allocates or takes a lock; all may be called in a signal handler.
 */
#ifndef MR_PRELOAD_UNWIND_RULE_H
#define MR_PRELOAD_UNWIND_RULE_H

#include "base.h"

/* ---- Rules ------------------------------------------------------------------
 *
 *   bits 0..2    enum mr_unwind_base
 *   bits 3..4    enum mr_unwind_frame
 *   bit  5       MR_UNWIND_GUESS
 *   bits 8..31   offset of the saved frame pointer, signed
 *   bits 32..63  offset of the CFA from its base, signed; with a base that is
 *                loaded: in 32..47 that of the word, in 48..63 that from its value */

enum mr_unwind_base {
	MR_UNWIND_NONE, /* no rule: what is not there reads as zeros */
	MR_UNWIND_STACK_POINTER,
	MR_UNWIND_FRAME_POINTER,
	MR_UNWIND_STACK_WORD,  /* a word at an offset from the stack pointer */
	MR_UNWIND_FRAME_WORD,  /* likewise, from the frame pointer */
	MR_UNWIND_OUTERMOST,   /* nobody called this */
	MR_UNWIND_INTERRUPTED, /* a signal's frame: the kernel has saved the registers */
	MR_UNWIND_UNKNOWN,     /* bits 8..15: MR_UNWIND_OF_REGISTER, or there is no way to say */
};

enum mr_unwind_frame {
	MR_UNWIND_FRAME_SAME,
	MR_UNWIND_FRAME_AT_CFA,           /* saved at an offset from the CFA */
	MR_UNWIND_FRAME_AT_FRAME_POINTER, /* saved at an offset from the frame pointer itself */
	MR_UNWIND_FRAME_LOST,             /* not known any more */
};

#define MR_UNWIND_GUESS (UINT64_C(1) << 5) /* no tables: by frame pointer */

#define MR_UNWIND_BASE(rule) ((enum mr_unwind_base)((rule)&7))
#define MR_UNWIND_FRAME(rule) ((enum mr_unwind_frame)((rule) >> 3 & 3))

static inline int64_t mr_unwind_cfa_offset(uint64_t rule)
{
	return (int64_t)rule >> 32;
}

static inline int64_t mr_unwind_word_offset(uint64_t rule)
{
	return (int16_t)(rule >> 32);
}

static inline int64_t mr_unwind_value_offset(uint64_t rule)
{
	return (int64_t)rule >> 48;
}

static inline int64_t mr_unwind_frame_offset(uint64_t rule)
{
	return (int32_t)(uint32_t)rule >> 8;
}

/* The rule for a place in code without tables. */
uint64_t mr_unwind_guess(void);

/* ---- Tables ------------------------------------------------------------------- */

/* Memory of a module that may be read, and what is in it. */
struct mr_unwind_tables {
	const uint8_t *header;       /* .eh_frame_hdr; NULL: there is none */
	const uint8_t *header_end;   /* of the segment that it lies in */
	const uint8_t *frames;       /* .eh_frame */
	const uint8_t *frames_begin; /* the segment that it lies in */
	const uint8_t *frames_end;
};

/* Finds .eh_frame_hdr's .eh_frame; `header` and `header_end` are given.  NULL: the header is not to be
 * used. */
const uint8_t *mr_unwind_tables_frames(const struct mr_unwind_tables *tables);

enum mr_unwind_where {
	MR_UNWIND_UNCHANGED,
	MR_UNWIND_UNDEFINED,
	MR_UNWIND_AT_OFFSET,  /* saved at CFA + offset */
	MR_UNWIND_EXPRESSION, /* saved where the expression says */
	MR_UNWIND_OTHERWISE,  /* in another register, or a computed value */
};

struct mr_unwind_value {
	int64_t offset;
	const uint8_t *expression;
	uint32_t expression_len;
	enum mr_unwind_where where;
};

/* Of a row: the registers by their DWARF numbers that can be asked for. */
enum { MR_UNWIND_SLOT_FRAME_POINTER, MR_UNWIND_SLOT_RETURN, MR_UNWIND_SLOT_WANTED, MR_UNWIND_SLOTS };

struct mr_unwind_row {
	uint8_t registers[MR_UNWIND_SLOTS]; /* in: their numbers */
	bool signal_frame;
	uint32_t cfa_register;
	int64_t cfa_offset;
	const uint8_t *cfa_expression; /* NULL: register and offset */
	uint32_t cfa_expression_len;
	struct mr_unwind_value slots[MR_UNWIND_SLOTS];
};

/* The row for the instruction that holds the byte at PC.  False: there is none, or it cannot be read. */
bool mr_unwind_row_find(const struct mr_unwind_tables *tables, uintptr_t pc, struct mr_unwind_row *row);

/* ---- The machine's part --------------------------------------------------------- */

/* The rule for the place RETURN_ADDRESS.  0: the tables say nothing of it. */
uint64_t mr_unwind_rule(const struct mr_unwind_tables *tables, uintptr_t return_address);

/* Where the function at RETURN_ADDRESS has saved REGISTER (its DWARF number), as an offset from its CFA.
 * False: it has not, or elsewhere. */
bool mr_unwind_saved(const struct mr_unwind_tables *tables, uintptr_t return_address, unsigned reg,
                     int64_t *offset);

/* The code in front of RETURN_ADDRESS, whose last 7 bytes are at CODE, may be a call. */
bool mr_unwind_is_call(const uint8_t code[7]);

/* The registers that a signal at whose frame the stack pointer is STACK interrupted:
 * place, stack pointer and frame pointer. */
void mr_unwind_interrupted(const uintptr_t *stack, uintptr_t registers[3]);

/* ---- By frame pointers alone -------------------------------------------------------- */

/* Return addresses from FRAME (of __builtin_frame_address()) on, innermost first, as long as frames rise
 * and lie below HIGH.  Their number, at most MAX. */
size_t mr_unwind_by_frame_pointers(const uintptr_t *frame, uintptr_t high, uintptr_t *addresses, size_t max);

#endif
