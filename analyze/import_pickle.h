/* SPDX-License-Identifier: MIT
 *
 * A reader of Python pickles that can run nothing.  It knows the opcodes of
 * protocols 2 to 5 and builds inert values only: numbers, text that stays in the
 * file, tuples, lists, dicts, and objects of the few classes that ClassTracker's
 * dumps are made of.  Every other name is refused before anything is made of it.
 *
 * A value is one word.  Containers lie in one arena of words, behind each other,
 * and are named by their place in it; nothing is freed before all is.  Memory is
 * bounded by the file's size, depth by nothing: no function here recurses.
 * Whoever walks over values must bound that walk: a pickle can share parts, and
 * put a list into itself.  Not thread-safe; private to the importer.
 */
#ifndef MR_IMPORT_PICKLE_H
#define MR_IMPORT_PICKLE_H

#include "base.h"

/* Zeros that must lie behind the bytes of a file: no opcode that is read without asking is longer. */
#define MR_IMPORT_PADDING 16

typedef uint64_t mr_value; /* the tag in the lowest four bits */

enum mr_tag {
	MR_TAG_NONE,
	MR_TAG_BOOL,
	MR_TAG_INT,   /* 60 bits with sign; larger ones are cut to the largest */
	MR_TAG_FLOAT, /* where its eight bytes are */
	MR_TAG_TEXT,  /* where it is, and how long: str, and Python 2's str and bytes */
	MR_TAG_PAIR,  /* a tuple of two */
	MR_TAG_TUPLE,
	MR_TAG_LIST,
	MR_TAG_DICT,
	MR_TAG_OBJECT,
	MR_TAG_CLASS, /* enum mr_pickle_class */
};

/* The classes and callables that a dump may name. */
enum mr_pickle_class {
	MR_PICKLE_DEFAULTDICT,
	MR_PICKLE_LIST,
	MR_PICKLE_TRACKED_OBJECT,
	MR_PICKLE_ASIZED,
	MR_PICKLE_SNAPSHOT,
	MR_PICKLE_PROCESS,
	MR_PICKLE_CLASS_COUNT
};

/* Attributes that the importer looks at; the others of an object are of no interest. */
#define MR_PICKLE_FIELDS(X)                 \
	X(FLAT, "flat")                     \
	X(NAME, "name")                     \
	X(REFS, "refs")                     \
	X(SIZE, "size")                     \
	X(ID, "id")                         \
	X(REPR, "repr")                     \
	X(BIRTH, "birth")                   \
	X(DEATH, "death")                   \
	X(TRACE, "trace")                   \
	X(SNAPSHOTS, "snapshots")           \
	X(LEVEL, "_resolution_level")       \
	X(TRACKED_TOTAL, "tracked_total")   \
	X(ASIZEOF_TOTAL, "asizeof_total")   \
	X(OVERHEAD, "overhead")             \
	X(TIMESTAMP, "timestamp")           \
	X(SYSTEM_TOTAL, "system_total")     \
	X(DESC, "desc")                     \
	X(PID, "pid")                       \
	X(RSS, "rss")                       \
	X(VSZ, "vsz")                       \
	X(PAGEFAULTS, "pagefaults")         \
	X(DATA_SEGMENT, "data_segment")     \
	X(CODE_SEGMENT, "code_segment")     \
	X(SHARED_SEGMENT, "shared_segment") \
	X(STACK_SEGMENT, "stack_segment")   \
	X(AVAILABLE, "available")

enum mr_pickle_field {
#define MR_PICKLE_FIELD_ENUM(name, text) MR_FIELD_##name,
	MR_PICKLE_FIELDS(MR_PICKLE_FIELD_ENUM)
#undef MR_PICKLE_FIELD_ENUM
		MR_FIELD_COUNT
};

/* Dicts that were filled at once with the same keys in the same order share those: such a
 * shape is found by comparing words, and knows where each field is. */
#define MR_SHAPES_MAX 64
#define MR_SHAPE_KEYS_MAX 16

struct mr_shape {
	uint32_t count;
	mr_value keys[MR_SHAPE_KEYS_MAX];
	int8_t places[MR_FIELD_COUNT]; /* -1: has no such key */
};

struct mr_pickle {
	const char *path; /* for messages; borrowed, as `data` is */
	const uint8_t *data;
	size_t len;
	size_t at; /* behind the last pickle that was read */

	uint64_t *words; /* the arena; word 0 is not used */
	size_t word_count;
	size_t word_capacity;
	size_t word_limit;

	mr_value *stack;
	size_t stack_count;
	size_t stack_capacity;
	size_t *marks; /* heights of the stack */
	size_t mark_count;
	size_t mark_capacity;
	mr_value *memo;
	size_t memo_count; /* one more than the highest that was filled */
	size_t memo_capacity;

	struct mr_shape shapes[MR_SHAPES_MAX];
	uint32_t shape_count; /* the first is that of dicts without one */
};

/* DATA, with MR_IMPORT_PADDING zeros behind its LEN bytes, is borrowed until mr_pickle_release(),
 * PATH likewise. */
void mr_pickle_init(struct mr_pickle *pickle, const char *path, const void *data, size_t len);
void mr_pickle_release(struct mr_pickle *pickle);
/* Reads the pickle at pickle->at.  MR_ERR_FORMAT, MR_ERR_LIMIT, MR_ERR_NOMEM; a message names the
 * file, the byte, and what is refused. */
int mr_pickle_load(struct mr_pickle *pickle, mr_value *value, struct mr_error *err) MR_MUST_CHECK;
/* Lets go of what only reading needs; the values that were read stay. */
void mr_pickle_end_reading(struct mr_pickle *pickle);

/* ---- Values ---------------------------------------------------------------- */

static inline enum mr_tag mr_value_tag(mr_value value)
{
	return (enum mr_tag)(value & 15);
}

static inline uint64_t mr_value_payload(mr_value value)
{
	return value >> 4;
}

static inline mr_value mr_value_make(enum mr_tag tag, uint64_t payload)
{
	return payload << 4 | tag;
}

/* What cannot be negative: an int, or a float cut to one; 0 for what is below and for everything else. */
uint64_t mr_value_unsigned(const struct mr_pickle *pickle, mr_value value);
/* A number as a double; false when it is none, or not finite. */
bool mr_value_double(const struct mr_pickle *pickle, mr_value value, double *number);
/* The bytes of a text; "" for what is none.  They do not end in a zero byte. */
const uint8_t *mr_value_text(const struct mr_pickle *pickle, mr_value value, size_t *len);
/* The field of an object; NONE where there is none. */
mr_value mr_value_field(const struct mr_pickle *pickle, mr_value object, enum mr_pickle_field field);

/* Several fields of one object. */
struct mr_fields {
	const struct mr_pickle *pickle;
	mr_value object;
	const int8_t *places; /* NULL: each is searched for */
	const mr_value *values;
};

void mr_fields_open(struct mr_fields *fields, const struct mr_pickle *pickle, mr_value object);

static inline mr_value mr_fields_get(const struct mr_fields *fields, enum mr_pickle_field field)
{
	if (MR_UNLIKELY(fields->places == NULL))
		return mr_value_field(fields->pickle, fields->object, field);
	return fields->places[field] >= 0 ? fields->values[fields->places[field]] : (mr_value)MR_TAG_NONE;
}
/* Whether VALUE is an object of CLASS. */
bool mr_value_is_a(const struct mr_pickle *pickle, mr_value value, enum mr_pickle_class class);

/* Goes over the items of a tuple or list (keys and values in turn, of a dict). */
struct mr_items {
	const struct mr_pickle *pickle;
	const uint64_t *items; /* of the chunk at hand */
	const mr_value *keys;  /* of its shape, or NULL */
	size_t left;           /* in it: values, or pairs */
	uint64_t next;         /* the chunk behind it, 0: none */
	bool pairs;
};

void mr_items_begin(struct mr_items *items, const struct mr_pickle *pickle, mr_value container);
/* Of a dict, *KEY gets the key (it may be NULL otherwise). */
bool mr_items_next(struct mr_items *items, mr_value *key, mr_value *value);
/* How many there are; 0 of what is no container. */
size_t mr_items_count(const struct mr_pickle *pickle, mr_value container);

#endif
