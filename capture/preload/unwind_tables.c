/* SPDX-License-Identifier: MIT
 *
 * Reading .eh_frame_hdr and .eh_frame (Linux Standard Base 5, chapter 10.6;
 * DWARF 5, section 6.4) up to the row of one instruction, for three registers.
 * The tables are whatever some program's compiler, or someone else, made of
 * them: every read is checked against the segment that they lie in, and what
 * is not understood is no row.
 */
#include "unwind_rule.h"

#define STATES_MAX 6 /* of DW_CFA_remember_state, one within another */

enum {
	PE_ABSOLUTE = 0x00,
	PE_ULEB128 = 0x01,
	PE_U2 = 0x02,
	PE_U4 = 0x03,
	PE_U8 = 0x04,
	PE_SLEB128 = 0x09,
	PE_S2 = 0x0a,
	PE_S4 = 0x0b,
	PE_S8 = 0x0c,
	PE_FORMAT = 0x0f,
	PE_RELATIVE_TO_PLACE = 0x10,
	PE_RELATIVE_TO_TABLE = 0x30,
	PE_RELATION = 0x70,
	PE_OMITTED = 0xff,
	PE_TABLE_USUAL = PE_RELATIVE_TO_TABLE | PE_S4,
};

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool bad;
};

/* ---- Numbers -------------------------------------------------------------------- */

static uint64_t read_fixed(struct cursor *in, size_t len)
{
	uint64_t value = 0;

	if (in->bad || (size_t)(in->end - in->at) < len) {
		in->bad = true;
		return 0;
	}
	memcpy(&value, in->at, len);
	in->at += len;
	return value;
}

static uint64_t read_uleb(struct cursor *in)
{
	uint64_t value = 0;

	for (unsigned shift = 0;; shift += 7) {
		const uint64_t byte = read_fixed(in, 1);

		if (in->bad)
			return 0;
		if (shift < 64)
			value |= (byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
			return value;
	}
}

static int64_t read_sleb(struct cursor *in)
{
	uint64_t value = 0;
	unsigned shift = 0;
	uint64_t byte = 0;

	do {
		byte = read_fixed(in, 1);
		if (in->bad)
			return 0;
		if (shift < 64)
			value |= (byte & 0x7f) << shift;
		shift += 7;
	} while ((byte & 0x80) != 0);
	if (shift < 64 && (byte & 0x40) != 0)
		value |= ~UINT64_C(0) << shift;
	return (int64_t)value;
}

static void skip(struct cursor *in, uint64_t len)
{
	if (in->bad || (uint64_t)(in->end - in->at) < len)
		in->bad = true;
	else
		in->at += len;
}

/* A number of ENCODING (DW_EH_PE_*); TABLE is what "relative to the table" means. */
static uint64_t read_encoded(struct cursor *in, unsigned encoding, const uint8_t *table)
{
	const uint64_t place = (uintptr_t)in->at;
	uint64_t value = 0;

	switch (encoding & PE_FORMAT) {
	case PE_ABSOLUTE:
	case PE_U8:
	case PE_S8:
		value = read_fixed(in, 8);
		break;
	case PE_ULEB128:
		value = read_uleb(in);
		break;
	case PE_SLEB128:
		value = (uint64_t)read_sleb(in);
		break;
	case PE_U2:
		value = read_fixed(in, 2);
		break;
	case PE_S2:
		value = (uint64_t)(int16_t)read_fixed(in, 2);
		break;
	case PE_U4:
		value = read_fixed(in, 4);
		break;
	case PE_S4:
		value = (uint64_t)(int32_t)read_fixed(in, 4);
		break;
	default:
		in->bad = true;
		break;
	}
	switch (encoding & PE_RELATION) {
	case 0:
		return value;
	case PE_RELATIVE_TO_PLACE:
		return place + value;
	case PE_RELATIVE_TO_TABLE:
		return (uintptr_t)table + value;
	default:
		in->bad = true;
		return 0;
	}
}

/* ---- A function's description ------------------------------------------------------- */

struct description {
	uint64_t code_align;
	int64_t data_align;
	struct cursor common;   /* instructions for all functions */
	struct cursor function; /* and for this one */
	uintptr_t begin;        /* of the function */
	uintptr_t len;
	unsigned encoding; /* of addresses */
	bool augmented;    /* the function's part has a length of augmentation */
	bool signal_frame;
};

/* The bytes of the entry at AT behind its length; `bad` when it does not lie within TABLES. */
static struct cursor entry_at(const struct mr_unwind_tables *tables, const uint8_t *at)
{
	struct cursor in = { at, tables->frames_end, at < tables->frames_begin || at >= tables->frames_end };
	uint64_t len = read_fixed(&in, 4);

	if (len == UINT32_MAX)
		len = read_fixed(&in, 8);
	if (in.bad || len == 0 || (uint64_t)(in.end - in.at) < len)
		in.bad = true;
	else
		in.end = in.at + len;
	return in;
}

/* What an entry's augmentation says. */
static void augmentation_read(struct cursor *in, const char *letters, struct description *about)
{
	const uint64_t len = read_uleb(in);
	struct cursor data = *in;

	skip(in, len);
	if (in->bad)
		return;
	data.end = in->at;
	for (; *letters != '\0' && !data.bad; letters++) {
		switch (*letters) {
		case 'R':
			about->encoding = (unsigned)read_fixed(&data, 1);
			break;
		case 'P': {
			const unsigned encoding = (unsigned)read_fixed(&data, 1);
			(void)read_encoded(&data, encoding, NULL);
			break;
		}
		case 'L':
			(void)read_fixed(&data, 1);
			break;
		case 'S':
			about->signal_frame = true;
			break;
		default: /* letters that say nothing of the frame, as 'B' */
			break;
		}
	}
	in->bad = data.bad;
}

/* The common part (CIE) at AT. */
static bool common_read(const struct mr_unwind_tables *tables, const uint8_t *at, struct description *about)
{
	struct cursor in = entry_at(tables, at);
	const bool is_common = read_fixed(&in, 4) == 0;
	const unsigned version = (unsigned)read_fixed(&in, 1);

	if (in.bad || !is_common || (version != 1 && version != 3 && version != 4))
		return false;
	const char *const letters = (const char *)in.at;
	const uint8_t *const nul = memchr(in.at, 0, (size_t)(in.end - in.at));
	if (nul == NULL)
		return false;
	in.at = nul + 1;
	if (version == 4 && read_fixed(&in, 2) != 8) /* bytes of an address, and of a segment's number */
		return false;
	about->code_align = read_uleb(&in);
	about->data_align = read_sleb(&in);
	(void)(version == 1 ? read_fixed(&in, 1) : read_uleb(&in)); /* the return address's column */
	about->encoding = PE_ABSOLUTE;
	about->signal_frame = false;
	about->augmented = letters[0] == 'z';
	if (about->augmented)
		augmentation_read(&in, letters + 1, about);
	else if (letters[0] != '\0')
		return false;
	about->common = in;
	return !in.bad;
}

/* The function's part (FDE) at AT, and the common part that it names. */
static bool function_read(const struct mr_unwind_tables *tables, const uint8_t *at, struct description *about)
{
	struct cursor in = entry_at(tables, at);
	const uint8_t *const place = in.at;
	const uint64_t back = read_fixed(&in, 4);

	if (in.bad || back == 0 || back > (uint64_t)(place - tables->frames_begin) ||
	    !common_read(tables, place - back, about))
		return false;
	about->begin = (uintptr_t)read_encoded(&in, about->encoding, NULL);
	about->len = (uintptr_t)read_encoded(&in, about->encoding & PE_FORMAT, NULL);
	if (about->augmented) {
		const uint64_t len = read_uleb(&in);
		skip(&in, len);
	}
	about->function = in;
	return !in.bad;
}

/* ---- Finding it ------------------------------------------------------------------------ */

const uint8_t *mr_unwind_tables_frames(const struct mr_unwind_tables *tables)
{
	struct cursor in = { tables->header, tables->header_end, tables->header == NULL };
	const unsigned version = (unsigned)read_fixed(&in, 1);
	const unsigned encoding = (unsigned)read_fixed(&in, 1);

	(void)read_fixed(&in, 2);
	if (in.bad || version != 1 || encoding == PE_OMITTED)
		return NULL;
	const uint64_t frames = read_encoded(&in, encoding, tables->header);
	return in.bad ? NULL : (const uint8_t *)(uintptr_t)frames; // NOLINT(performance-no-int-to-ptr)
}

/* Every entry from the start, for a module without a sorted table. */
static bool function_search(const struct mr_unwind_tables *tables, uintptr_t pc, struct description *about)
{
	const uint8_t *at = tables->frames;

	for (;;) {
		const struct cursor entry = entry_at(tables, at);
		if (entry.bad)
			return false;
		if (function_read(tables, at, about) && pc - about->begin < about->len)
			return true;
		at = entry.end;
	}
}

static bool function_find(const struct mr_unwind_tables *tables, uintptr_t pc, struct description *about)
{
	struct cursor in = { tables->header, tables->header_end, tables->header == NULL };

	(void)read_fixed(&in, 1);
	const unsigned frames_encoding = (unsigned)read_fixed(&in, 1);
	const unsigned count_encoding = (unsigned)read_fixed(&in, 1);
	const unsigned table_encoding = (unsigned)read_fixed(&in, 1);
	(void)read_encoded(&in, frames_encoding, tables->header);
	if (in.bad)
		return false;
	if (count_encoding == PE_OMITTED || table_encoding != PE_TABLE_USUAL)
		return function_search(tables, pc, about);

	const uint64_t count = read_encoded(&in, count_encoding, tables->header);
	if (in.bad || count == 0 || count > (uint64_t)(in.end - in.at) / 8)
		return false;
	const uint8_t *const table = in.at;
	const uintptr_t base = (uintptr_t)tables->header;
	size_t low = 0; /* the last entry that begins at or before PC is in [low, high) */
	size_t high = (size_t)count;
	int32_t pair[2];

	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;

		memcpy(pair, table + middle * 8, sizeof(pair));
		if (base + (uintptr_t)(intptr_t)pair[0] <= pc)
			low = middle;
		else
			high = middle;
	}
	memcpy(pair, table + low * 8, sizeof(pair));
	/* An address that lies outside of the tables is found out when it is read. */
	const uintptr_t at = base + (uintptr_t)(intptr_t)pair[1];
	return function_read(tables, (const uint8_t *)at, about) && // NOLINT(performance-no-int-to-ptr)
	       pc - about->begin < about->len;
}

/* ---- Running it -------------------------------------------------------------------------- */

enum {
	CFA_ADVANCE = 0x40, /* the upper two bits; the lower six are an operand */
	CFA_OFFSET = 0x80,
	CFA_RESTORE = 0xc0,
	CFA_NOP = 0x00,
	CFA_SET_LOCATION = 0x01,
	CFA_ADVANCE_1 = 0x02,
	CFA_ADVANCE_2 = 0x03,
	CFA_ADVANCE_4 = 0x04,
	CFA_OFFSET_EXTENDED = 0x05,
	CFA_RESTORE_EXTENDED = 0x06,
	CFA_UNDEFINED = 0x07,
	CFA_SAME_VALUE = 0x08,
	CFA_REGISTER = 0x09,
	CFA_REMEMBER_STATE = 0x0a,
	CFA_RESTORE_STATE = 0x0b,
	CFA_DEF_CFA = 0x0c,
	CFA_DEF_CFA_REGISTER = 0x0d,
	CFA_DEF_CFA_OFFSET = 0x0e,
	CFA_DEF_CFA_EXPRESSION = 0x0f,
	CFA_EXPRESSION = 0x10,
	CFA_OFFSET_EXTENDED_SF = 0x11,
	CFA_DEF_CFA_SF = 0x12,
	CFA_DEF_CFA_OFFSET_SF = 0x13,
	CFA_VAL_OFFSET = 0x14,
	CFA_VAL_OFFSET_SF = 0x15,
	CFA_VAL_EXPRESSION = 0x16,
	CFA_GNU_ARGS_SIZE = 0x2e,
	CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
};

/* A program of instructions, being run up to `pc`. */
struct program {
	const struct description *about;
	struct mr_unwind_row *row;
	const struct mr_unwind_row
		*initial; /* what DW_CFA_restore goes back to; NULL within the common part */
	uint64_t location;
	uintptr_t pc;
};

/* Products wrap: tables that overflow are wrong, and what comes of them is checked when it is used. */
static int64_t factored(const struct program *program, uint64_t value)
{
	return (int64_t)(value * (uint64_t)program->about->data_align);
}

static struct mr_unwind_value *slot_of(struct mr_unwind_row *row, uint64_t reg)
{
	for (size_t i = 0; i < MR_UNWIND_SLOTS; i++)
		if (row->registers[i] == reg)
			return &row->slots[i];
	return NULL;
}

static void register_set(struct program *program, uint64_t reg, enum mr_unwind_where where, int64_t offset)
{
	struct mr_unwind_value *const slot = slot_of(program->row, reg);

	if (slot != NULL)
		*slot = (struct mr_unwind_value){ .where = where, .offset = offset };
}

static void register_restore(struct program *program, uint64_t reg)
{
	for (size_t i = 0; i < MR_UNWIND_SLOTS; i++)
		if (program->row->registers[i] == reg)
			program->row->slots[i] = program->initial != NULL ? program->initial->slots[i]
			                                                  : (struct mr_unwind_value){ 0 };
}

/* An instruction about one register, with an operand or an expression. */
static void run_register(struct program *program, struct cursor *in, unsigned op)
{
	const uint64_t reg = read_uleb(in);

	switch (op) {
	case CFA_OFFSET_EXTENDED:
		register_set(program, reg, MR_UNWIND_AT_OFFSET, factored(program, read_uleb(in)));
		break;
	case CFA_OFFSET_EXTENDED_SF:
		register_set(program, reg, MR_UNWIND_AT_OFFSET, factored(program, (uint64_t)read_sleb(in)));
		break;
	case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		register_set(program, reg, MR_UNWIND_AT_OFFSET, factored(program, 0 - read_uleb(in)));
		break;
	case CFA_RESTORE_EXTENDED:
		register_restore(program, reg);
		break;
	case CFA_UNDEFINED:
		register_set(program, reg, MR_UNWIND_UNDEFINED, 0);
		break;
	case CFA_SAME_VALUE:
		register_set(program, reg, MR_UNWIND_UNCHANGED, 0);
		break;
	case CFA_REGISTER:
	case CFA_VAL_OFFSET:
	case CFA_VAL_OFFSET_SF:
		(void)read_uleb(in);
		register_set(program, reg, MR_UNWIND_OTHERWISE, 0);
		break;
	default: { /* CFA_EXPRESSION, CFA_VAL_EXPRESSION */
		const uint64_t len = read_uleb(in);
		const uint8_t *const expression = in->at;
		struct mr_unwind_value *const slot = slot_of(program->row, reg);

		skip(in, len);
		if (slot != NULL && !in->bad)
			*slot = (struct mr_unwind_value){
				.where = op == CFA_EXPRESSION ? MR_UNWIND_EXPRESSION : MR_UNWIND_OTHERWISE,
				.expression = expression,
				.expression_len = (uint32_t)len,
			};
		break;
	}
	}
}

static void run_cfa(struct program *program, struct cursor *in, unsigned op)
{
	struct mr_unwind_row *const row = program->row;

	switch (op) {
	case CFA_DEF_CFA:
		row->cfa_register = (uint32_t)read_uleb(in);
		row->cfa_offset = (int64_t)read_uleb(in);
		row->cfa_expression = NULL;
		break;
	case CFA_DEF_CFA_SF:
		row->cfa_register = (uint32_t)read_uleb(in);
		row->cfa_offset = factored(program, (uint64_t)read_sleb(in));
		row->cfa_expression = NULL;
		break;
	case CFA_DEF_CFA_REGISTER:
		row->cfa_register = (uint32_t)read_uleb(in);
		row->cfa_expression = NULL;
		break;
	case CFA_DEF_CFA_OFFSET:
		row->cfa_offset = (int64_t)read_uleb(in);
		break;
	case CFA_DEF_CFA_OFFSET_SF:
		row->cfa_offset = factored(program, (uint64_t)read_sleb(in));
		break;
	default: /* CFA_DEF_CFA_EXPRESSION */
		row->cfa_expression_len = (uint32_t)read_uleb(in);
		row->cfa_expression = in->at;
		skip(in, row->cfa_expression_len);
		break;
	}
}

/* Goes on to the next location.  False: that lies behind the instruction that is asked for. */
static bool run_advance(struct program *program, struct cursor *in, unsigned op)
{
	uint64_t delta = op & 0x3f;

	if (op == CFA_SET_LOCATION) {
		program->location = read_encoded(in, program->about->encoding, NULL);
	} else {
		if (op < CFA_ADVANCE)
			delta = read_fixed(in, op == CFA_ADVANCE_1 ? 1 : op == CFA_ADVANCE_2 ? 2 : 4);
		program->location += delta * program->about->code_align;
	}
	return !in->bad && program->location <= program->pc;
}

static bool run(struct program *program, struct cursor in)
{
	struct mr_unwind_row states[STATES_MAX];
	size_t state_count = 0;

	while (!in.bad && in.at < in.end) {
		const unsigned op = (unsigned)read_fixed(&in, 1);

		if ((op & 0xc0) == CFA_OFFSET) {
			register_set(program, op & 0x3f, MR_UNWIND_AT_OFFSET,
			             factored(program, read_uleb(&in)));
		} else if ((op & 0xc0) == CFA_RESTORE) {
			register_restore(program, op & 0x3f);
		} else if ((op & 0xc0) == CFA_ADVANCE || (op >= CFA_SET_LOCATION && op <= CFA_ADVANCE_4)) {
			if (!run_advance(program, &in, op))
				return !in.bad;
		} else if ((op >= CFA_OFFSET_EXTENDED && op <= CFA_REGISTER) || op == CFA_EXPRESSION ||
		           op == CFA_OFFSET_EXTENDED_SF ||
		           (op >= CFA_VAL_OFFSET && op <= CFA_VAL_EXPRESSION) ||
		           op == CFA_GNU_NEGATIVE_OFFSET_EXTENDED) {
			run_register(program, &in, op);
		} else if ((op >= CFA_DEF_CFA && op <= CFA_DEF_CFA_EXPRESSION) || op == CFA_DEF_CFA_SF ||
		           op == CFA_DEF_CFA_OFFSET_SF) {
			run_cfa(program, &in, op);
		} else if (op == CFA_REMEMBER_STATE) {
			if (state_count == STATES_MAX)
				return false;
			states[state_count++] = *program->row;
		} else if (op == CFA_RESTORE_STATE) {
			if (state_count == 0)
				return false;
			*program->row = states[--state_count];
		} else if (op == CFA_GNU_ARGS_SIZE) {
			(void)read_uleb(&in);
		} else if (op != CFA_NOP) {
			return false;
		}
	}
	return !in.bad;
}

bool mr_unwind_row_find(const struct mr_unwind_tables *tables, uintptr_t pc, struct mr_unwind_row *row)
{
	struct description about;

	if (!function_find(tables, pc, &about))
		return false;

	row->signal_frame = about.signal_frame;
	row->cfa_register = UINT32_MAX;
	row->cfa_offset = 0;
	row->cfa_expression = NULL;
	row->cfa_expression_len = 0;
	memset(row->slots, 0, sizeof(row->slots));
	struct program program = { .about = &about, .row = row, .location = about.begin, .pc = pc };
	if (!run(&program, about.common))
		return false;

	const struct mr_unwind_row initial = *row;
	program.initial = &initial;
	program.location = about.begin;
	return run(&program, about.function);
}
