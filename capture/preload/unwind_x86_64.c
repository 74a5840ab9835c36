/* SPDX-License-Identifier: MIT
 *
 * Rules for x86-64 (System V ABI, section 3.7: DWARF register numbers) from a
 * row of the tables.  The CFA is a register and an offset, or a word in memory
 * and an offset, as compilers have it in functions that align their stack.
 * Expressions are evaluated on such terms rather than on values, so that a rule
 * can be made of them; one that cannot be written so is a way that is not known.
 */
#include "unwind_rule.h"

#ifdef __x86_64__

#include <ucontext.h>

enum { DWARF_RBP = 6, DWARF_RSP = 7, DWARF_RIP = 16, DWARF_NO_REGISTER = 255 };

enum {
	OP_DEREF = 0x06,
	OP_CONST1U = 0x08,
	OP_CONST1S = 0x09,
	OP_CONST2U = 0x0a,
	OP_CONST2S = 0x0b,
	OP_CONST4U = 0x0c,
	OP_CONST4S = 0x0d,
	OP_AND = 0x1a,
	OP_MINUS = 0x1c,
	OP_PLUS = 0x22,
	OP_PLUS_UCONST = 0x23,
	OP_SHL = 0x24,
	OP_GE = 0x2a,
	OP_LIT0 = 0x30,
	OP_LIT31 = 0x4f,
	OP_BREG0 = 0x70,
	OP_BREG31 = 0x8f,
	OP_NOP = 0x96,
};

#define TERMS_MAX 8

/* Base plus offset, or what is in memory there plus another offset. */
struct term {
	enum {
		TERM_NUMBER,
		TERM_REGISTER,
		TERM_WORD,
	} kind;
	unsigned reg;
	int64_t offset; /* the number; from the register */
	int64_t value_offset;
};

/* ---- Expressions -------------------------------------------------------------------- */

struct evaluation {
	const uint8_t *at;
	const uint8_t *end;
	int64_t pc;
	struct term terms[TERMS_MAX];
	size_t count;
	bool bad;
};

static int64_t take_bytes(struct evaluation *run, size_t len, bool is_signed)
{
	uint64_t value = 0;

	if ((size_t)(run->end - run->at) < len) {
		run->bad = true;
		return 0;
	}
	memcpy(&value, run->at, len);
	run->at += len;
	if (is_signed && len < 8 && (value >> (len * 8 - 1) & 1) != 0)
		value |= ~UINT64_C(0) << (len * 8);
	return (int64_t)value;
}

static int64_t take_leb(struct evaluation *run, bool is_signed)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint64_t byte = 0;

	do {
		byte = (uint64_t)take_bytes(run, 1, false);
		if (shift < 64)
			value |= (byte & 0x7f) << shift;
		shift += 7;
	} while (!run->bad && (byte & 0x80) != 0);
	if (is_signed && shift < 64 && (byte & 0x40) != 0)
		value |= ~UINT64_C(0) << shift;
	return (int64_t)value;
}

static void push(struct evaluation *run, struct term term)
{
	if (run->count == TERMS_MAX)
		run->bad = true;
	else
		run->terms[run->count++] = term;
}

static void push_number(struct evaluation *run, int64_t number)
{
	push(run, (struct term){ .kind = TERM_NUMBER, .offset = number });
}

static struct term pop(struct evaluation *run)
{
	if (run->count == 0) {
		run->bad = true;
		return (struct term){ .kind = TERM_NUMBER };
	}
	return run->terms[--run->count];
}

static struct term plus(struct term term, int64_t number)
{
	int64_t *const offset = term.kind == TERM_WORD ? &term.value_offset : &term.offset;

	*offset = (int64_t)((uint64_t)*offset + (uint64_t)number);
	return term;
}

static void run_binary(struct evaluation *run, unsigned op)
{
	const struct term right = pop(run);
	const struct term left = pop(run);
	const uint64_t a = (uint64_t)left.offset;
	const uint64_t b = (uint64_t)right.offset;

	if (right.kind == TERM_NUMBER && op == OP_PLUS)
		push(run, plus(left, right.offset));
	else if (left.kind == TERM_NUMBER && op == OP_PLUS)
		push(run, plus(right, left.offset));
	else if (right.kind == TERM_NUMBER && op == OP_MINUS)
		push(run, plus(left, (int64_t)(0 - b)));
	else if (right.kind != TERM_NUMBER || left.kind != TERM_NUMBER)
		run->bad = true;
	else if (op == OP_AND)
		push_number(run, (int64_t)(a & b));
	else if (op == OP_SHL)
		push_number(run, b < 64 ? (int64_t)(a << b) : 0);
	else /* OP_GE */
		push_number(run, left.offset >= right.offset);
}

static void run_one(struct evaluation *run)
{
	const unsigned op = (unsigned)take_bytes(run, 1, false);

	if (op >= OP_LIT0 && op <= OP_LIT31) {
		push_number(run, op - OP_LIT0);
	} else if (op >= OP_BREG0 && op <= OP_BREG31) {
		const unsigned reg = op - OP_BREG0;
		const int64_t offset = take_leb(run, true);

		if (reg == DWARF_RIP)
			push_number(run, (int64_t)((uint64_t)run->pc + (uint64_t)offset));
		else
			push(run, (struct term){ .kind = TERM_REGISTER, .reg = reg, .offset = offset });
	} else if (op >= OP_CONST1U && op <= OP_CONST4S) {
		push_number(run, take_bytes(run, (size_t)1 << (op - OP_CONST1U) / 2, (op & 1) != 0));
	} else if (op == OP_DEREF) {
		struct term term = pop(run);

		run->bad = run->bad || term.kind != TERM_REGISTER;
		term.kind = TERM_WORD;
		term.value_offset = 0;
		push(run, term);
	} else if (op == OP_PLUS_UCONST) {
		const int64_t number = take_leb(run, false);

		push(run, plus(pop(run), number));
	} else if (op == OP_AND || op == OP_MINUS || op == OP_PLUS || op == OP_SHL || op == OP_GE) {
		run_binary(run, op);
	} else if (op != OP_NOP) {
		run->bad = true;
	}
}

static bool evaluate(const uint8_t *expression, uint32_t len, uintptr_t pc, struct term *result)
{
	struct evaluation run = { .at = expression, .end = expression + len, .pc = (int64_t)pc };

	while (!run.bad && run.at < run.end)
		run_one(&run);
	*result = pop(&run);
	return !run.bad;
}

/* ---- Rules ----------------------------------------------------------------------------- */

static uint64_t rule_unknown(void)
{
	return MR_UNWIND_UNKNOWN;
}

static uint64_t rule_of_frame(const struct mr_unwind_row *row, uintptr_t pc)
{
	const struct mr_unwind_value *const saved = &row->slots[MR_UNWIND_SLOT_FRAME_POINTER];
	enum mr_unwind_frame where = MR_UNWIND_FRAME_LOST;
	int64_t offset = 0;

	if (saved->where == MR_UNWIND_UNCHANGED || saved->where == MR_UNWIND_UNDEFINED) {
		where = MR_UNWIND_FRAME_SAME;
	} else if (saved->where == MR_UNWIND_AT_OFFSET) {
		where = MR_UNWIND_FRAME_AT_CFA;
		offset = saved->offset;
	} else if (saved->where == MR_UNWIND_EXPRESSION) {
		struct term term;

		if (evaluate(saved->expression, saved->expression_len, pc, &term) &&
		    term.kind == TERM_REGISTER && term.reg == DWARF_RBP) {
			where = MR_UNWIND_FRAME_AT_FRAME_POINTER;
			offset = term.offset;
		}
	}
	if (offset < -(1 << 23) || offset >= 1 << 23) {
		where = MR_UNWIND_FRAME_LOST;
		offset = 0;
	}
	return (uint64_t)where << 3 | ((uint64_t)offset & 0xffffff) << 8;
}

static uint64_t rule_of_cfa(const struct mr_unwind_row *row, uintptr_t pc)
{
	struct term term = { .kind = TERM_REGISTER, .reg = row->cfa_register, .offset = row->cfa_offset };

	if (row->cfa_expression != NULL && !evaluate(row->cfa_expression, row->cfa_expression_len, pc, &term))
		return rule_unknown();
	if (term.offset != (int32_t)term.offset || term.kind == TERM_NUMBER)
		return rule_unknown();
	const bool of_frame = term.reg == DWARF_RBP;
	if (term.kind == TERM_REGISTER && !of_frame && term.reg != DWARF_RSP)
		return term.reg < DWARF_RIP ? rule_unknown() | (uint64_t)term.reg << 8 |
		                                      (uint64_t)(uint32_t)term.offset << 32
		                            : rule_unknown();
	if (term.kind == TERM_REGISTER)
		return (of_frame ? MR_UNWIND_FRAME_POINTER : MR_UNWIND_STACK_POINTER) |
		       (uint64_t)(uint32_t)term.offset << 32;
	if ((!of_frame && term.reg != DWARF_RSP) || term.offset != (int16_t)term.offset ||
	    term.value_offset != (int16_t)term.value_offset)
		return rule_unknown();
	return (of_frame ? MR_UNWIND_FRAME_WORD : MR_UNWIND_STACK_WORD) |
	       (uint64_t)(uint16_t)term.offset << 32 | (uint64_t)(uint16_t)term.value_offset << 48;
}

/* mov $15, %rax; syscall: what a signal handler returns to. */
static bool is_signal_return(uintptr_t address)
{
	static const uint8_t code[] = { 0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05 };

	/* A byte after the other: what follows one that differs may not be there. */
	for (size_t i = 0; i < sizeof(code); i++)
		if (((const uint8_t *)address)[i] != code[i]) // NOLINT(performance-no-int-to-ptr)
			return false;
	return true;
}

static void row_prepare(struct mr_unwind_row *row, unsigned wanted)
{
	row->registers[MR_UNWIND_SLOT_FRAME_POINTER] = DWARF_RBP;
	row->registers[MR_UNWIND_SLOT_RETURN] = DWARF_RIP;
	row->registers[MR_UNWIND_SLOT_WANTED] = (uint8_t)wanted;
}

uint64_t mr_unwind_rule(const struct mr_unwind_tables *tables, uintptr_t return_address)
{
	const uintptr_t pc = return_address - 1;
	struct mr_unwind_row row;

	row_prepare(&row, DWARF_NO_REGISTER);
	bool called = true;
	if (!mr_unwind_row_find(tables, pc, &row)) {
		/* No call leads to the first instruction of a function: somebody put its address there,
		 * as makecontext() does where a stack begins. */
		called = false;
		if (!mr_unwind_row_find(tables, return_address, &row))
			return 0;
	}
	if (row.signal_frame)
		return is_signal_return(return_address) ? MR_UNWIND_INTERRUPTED : rule_unknown();
	const struct mr_unwind_value *const back = &row.slots[MR_UNWIND_SLOT_RETURN];
	if (back->where == MR_UNWIND_UNDEFINED || !called)
		return MR_UNWIND_OUTERMOST;
	if (back->where != MR_UNWIND_AT_OFFSET || back->offset != -8)
		return rule_unknown();

	const uint64_t cfa = rule_of_cfa(&row, pc);
	/* Where the register of an unknown CFA is noted, there is no place for the frame pointer's offset. */
	if (MR_UNWIND_BASE(cfa) == MR_UNWIND_UNKNOWN)
		return cfa | (row.slots[MR_UNWIND_SLOT_FRAME_POINTER].where == MR_UNWIND_UNCHANGED
		                      ? 0
		                      : (uint64_t)MR_UNWIND_FRAME_LOST << 3);
	return cfa | rule_of_frame(&row, pc);
}

bool mr_unwind_saved(const struct mr_unwind_tables *tables, uintptr_t return_address, unsigned reg,
                     int64_t *offset)
{
	struct mr_unwind_row row;

	row_prepare(&row, reg);
	if (!mr_unwind_row_find(tables, return_address - 1, &row) ||
	    row.slots[MR_UNWIND_SLOT_WANTED].where != MR_UNWIND_AT_OFFSET)
		return false;
	*offset = row.slots[MR_UNWIND_SLOT_WANTED].offset;
	return true;
}

bool mr_unwind_is_call(const uint8_t code[7])
{
	/* Calls through a register or memory, by their length: opcode 0xff with 2 in the middle of the
	 * next byte. */
	static const uint8_t lengths[] = { 2, 3, 4, 6, 7 };

	if (code[2] == 0xe8)
		return true;
	for (size_t i = 0; i < MR_ARRAY_LEN(lengths); i++)
		if (code[7 - lengths[i]] == 0xff && (code[8 - lengths[i]] >> 3 & 7) == 2)
			return true;
	return false;
}

void mr_unwind_interrupted(const uintptr_t *stack, uintptr_t registers[3])
{
	const ucontext_t *const context = (const ucontext_t *)stack;

	registers[0] = (uintptr_t)context->uc_mcontext.gregs[REG_RIP] + 1;
	registers[1] = (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
	registers[2] = (uintptr_t)context->uc_mcontext.gregs[REG_RBP];
}

#endif
