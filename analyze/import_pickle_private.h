/* SPDX-License-Identifier: MIT
 *
 * What the parts of the pickle reader share: opcodes, and values of which there
 * is one only.
 */
#ifndef MR_IMPORT_PICKLE_PRIVATE_H
#define MR_IMPORT_PICKLE_PRIVATE_H

#include "import_pickle.h"

#include <endian.h>

enum mr_opcode {
	OP_MARK = '(',
	OP_EMPTY_TUPLE = ')',
	OP_STOP = '.',
	OP_POP = '0',
	OP_POP_MARK = '1',
	OP_BINBYTES = 'B',
	OP_SHORT_BINBYTES = 'C',
	OP_BINFLOAT = 'G',
	OP_INT = 'I',
	OP_BININT = 'J',
	OP_BININT1 = 'K',
	OP_BININT2 = 'M',
	OP_NONE = 'N',
	OP_PERSID = 'P',
	OP_BINPERSID = 'Q',
	OP_REDUCE = 'R',
	OP_BINSTRING = 'T',
	OP_SHORT_BINSTRING = 'U',
	OP_BINUNICODE = 'X',
	OP_EMPTY_LIST = ']',
	OP_APPEND = 'a',
	OP_BUILD = 'b',
	OP_GLOBAL = 'c',
	OP_APPENDS = 'e',
	OP_BINGET = 'h',
	OP_INST = 'i',
	OP_LONG_BINGET = 'j',
	OP_OBJ = 'o',
	OP_BINPUT = 'q',
	OP_LONG_BINPUT = 'r',
	OP_SETITEM = 's',
	OP_TUPLE = 't',
	OP_SETITEMS = 'u',
	OP_EMPTY_DICT = '}',
	OP_PROTO = 0x80,
	OP_NEWOBJ = 0x81,
	OP_EXT1 = 0x82,
	OP_EXT2 = 0x83,
	OP_EXT4 = 0x84,
	OP_TUPLE1 = 0x85,
	OP_TUPLE2 = 0x86,
	OP_TUPLE3 = 0x87,
	OP_NEWTRUE = 0x88,
	OP_NEWFALSE = 0x89,
	OP_LONG1 = 0x8a,
	OP_LONG4 = 0x8b,
	OP_SHORT_BINUNICODE = 0x8c,
	OP_BINUNICODE8 = 0x8d,
	OP_BINBYTES8 = 0x8e,
	OP_NEWOBJ_EX = 0x92,
	OP_STACK_GLOBAL = 0x93,
	OP_MEMOIZE = 0x94,
	OP_FRAME = 0x95,
	OP_BYTEARRAY8 = 0x96,
};

#define VALUE_NONE ((mr_value)MR_TAG_NONE)
#define VALUE_EMPTY_TUPLE ((mr_value)MR_TAG_TUPLE) /* word 0 of the arena: no items */
#define VALUE_UNSET ((mr_value)15)                 /* in the memo: nothing */

/* Words that a file of any size may have. */
#define WORDS_ALLOWANCE ((size_t)1 << 16)

/* More attributes than an object of a dump has; those of one that has no shape are gone through for
 * each field, and many objects can share them. */
#define ATTRIBUTES_MAX 64

/* Texts are named by place and length; longer ones end there. */
#define TEXT_LEN_BITS 20
#define TEXT_LEN_MAX (((uint64_t)1 << TEXT_LEN_BITS) - 1)

static inline mr_value mr_pickle__text(uint64_t at, uint64_t len)
{
	return mr_value_make(MR_TAG_TEXT, at << TEXT_LEN_BITS | (len < TEXT_LEN_MAX ? len : TEXT_LEN_MAX));
}

/* How containers lie in the arena:
 *   pair     item item
 *   tuple    count item...
 *   list     count first-chunk last-chunk         (chunks: 0 is none)
 *   dict     the same; count is of pairs
 *   chunk    count | shape << 32, next-chunk, item...  (without shape, of a dict: key value ...)
 *   object   class state */
enum { HEADER_COUNT, HEADER_FIRST, HEADER_LAST, HEADER_WORDS };
enum { CHUNK_COUNT, CHUNK_NEXT, CHUNK_WORDS };
enum { OBJECT_CLASS, OBJECT_STATE, OBJECT_WORDS };

static inline uint32_t mr_pickle__u32(const uint8_t *in)
{
	uint32_t value;

	memcpy(&value, in, sizeof(value));
	return le32toh(value);
}

static inline uint16_t mr_pickle__u16(const uint8_t *in)
{
	uint16_t value;

	memcpy(&value, in, sizeof(value));
	return le16toh(value);
}

/* Whether VALUE is a class of which a dump has objects. */
static inline bool mr_pickle__makes_objects(mr_value value)
{
	return mr_value_tag(value) == MR_TAG_CLASS && mr_value_payload(value) >= MR_PICKLE_TRACKED_OBJECT;
}

/* Whether a dict can be the attributes of an object. */
static inline bool mr_pickle__are_attributes(const struct mr_pickle *pickle, mr_value dict)
{
	return mr_value_tag(dict) == MR_TAG_DICT &&
	       pickle->words[mr_value_payload(dict) + HEADER_COUNT] <= ATTRIBUTES_MAX;
}

/* "path: is a pickle that cannot be read: at byte N WHAT" */
int mr_pickle_fail(const struct mr_pickle *pickle, const char *what, struct mr_error *err);
int mr_pickle_cut(const struct mr_pickle *pickle, struct mr_error *err);

int mr_pickle__grow_words(struct mr_pickle *pickle, size_t more, struct mr_error *err) MR_MUST_CHECK;
/* Makes the memo reach to INDEX. */
int mr_pickle__grow_memo(struct mr_pickle *pickle, size_t index, struct mr_error *err) MR_MUST_CHECK;
/* Does the opcode at pickle->at.  1: it was the last one, and the value is on the stack. */
int mr_pickle__rare(struct mr_pickle *pickle, struct mr_error *err) MR_MUST_CHECK;

/* COUNT words at the end of the arena; *PLACE is where they are. */
static inline int mr_pickle__take(struct mr_pickle *pickle, size_t count, size_t *place, struct mr_error *err)
{
	if (MR_UNLIKELY(pickle->word_capacity - pickle->word_count < count))
		MR_TRY(mr_pickle__grow_words(pickle, count, err));
	*place = pickle->word_count;
	pickle->word_count += count;
	return 0;
}

#endif
