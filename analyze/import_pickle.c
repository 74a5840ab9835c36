/* SPDX-License-Identifier: MIT
 *
 * The opcodes: those of which a dump has millions in one loop whose state lies in
 * registers, the others in import_pickle_rare.c.  The file lies in memory with
 * some bytes of zeros behind it, so that a short opcode may be read without asking
 * how much is left: what reached behind the end is found before it is used.
 */
#include "import_pickle_private.h"

void mr_pickle_init(struct mr_pickle *pickle, const char *path, const void *data, size_t len)
{
	*pickle = (struct mr_pickle){ .path = path, .data = data, .len = len, .shape_count = 1 };
	pickle->word_limit = len + WORDS_ALLOWANCE; /* 8 bytes a byte */
}

void mr_pickle_end_reading(struct mr_pickle *pickle)
{
	mr_free(pickle->stack);
	mr_free(pickle->marks);
	mr_free(pickle->memo);
	pickle->stack = pickle->memo = NULL;
	pickle->marks = NULL;
	pickle->stack_capacity = pickle->mark_capacity = pickle->memo_capacity = 0;
	pickle->stack_count = pickle->mark_count = pickle->memo_count = 0;
}

void mr_pickle_release(struct mr_pickle *pickle)
{
	mr_pickle_end_reading(pickle);
	mr_free(pickle->words);
	*pickle = (struct mr_pickle){ 0 };
}

int mr_pickle_fail(const struct mr_pickle *pickle, const char *what, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_FORMAT, "%s: is a pickle that cannot be read: at byte %zu %s",
	               pickle->path, pickle->at, what);
}

static int no_memory(const struct mr_pickle *pickle, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "%s: out of memory", pickle->path);
}

int mr_pickle_cut(const struct mr_pickle *pickle, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_FORMAT,
	               "%s: is a pickle that ends at byte %zu, before its end: it was not written completely",
	               pickle->path, pickle->len);
}

/* The arena grows by half, so that a large file takes little more than it needs. */
int mr_pickle__grow_words(struct mr_pickle *pickle, size_t more, struct mr_error *err)
{
	const size_t wanted = pickle->word_count + more;
	size_t capacity = pickle->word_capacity + pickle->word_capacity / 2;

	MR_FAIL_IF(wanted > pickle->word_limit, err, MR_ERR_LIMIT,
	           "%s: is a pickle that asks for far more memory than a dump of its size needs",
	           pickle->path);
	if (capacity < pickle->len / 8 * 3) /* most dumps need less; what is not used is never touched */
		capacity = pickle->len / 8 * 3;
	if (capacity < wanted + WORDS_ALLOWANCE / 16)
		capacity = wanted + WORDS_ALLOWANCE / 16;
	if (capacity > pickle->word_limit)
		capacity = pickle->word_limit;
	uint64_t *const words = mr_realloc(pickle->words, capacity * sizeof(*words));
	if (words == NULL)
		return no_memory(pickle, err);
	if (pickle->word_count == 0)
		words[pickle->word_count++] = 0; /* the empty tuple */
	pickle->words = words;
	pickle->word_capacity = capacity;
	return 0;
}

int mr_pickle__grow_memo(struct mr_pickle *pickle, size_t index, struct mr_error *err)
{
	const size_t had = pickle->memo_capacity;

	/* Each entry was named by an opcode of its own. */
	if (index > pickle->at)
		return mr_pickle_fail(pickle, "a place in the memo is out of all bounds", err);
	if (mr_grow(&pickle->memo, &pickle->memo_capacity, index + 1, sizeof(*pickle->memo)) < 0)
		return no_memory(pickle, err);
	for (size_t i = had; i < pickle->memo_capacity; i++)
		pickle->memo[i] = VALUE_UNSET;
	return 0;
}

/* ---- The loop ----------------------------------------------------------------- */

/* What the loop keeps in registers. */
struct hot {
	const uint8_t *in;
	mr_value *top;  /* where the next value goes */
	mr_value *base; /* no value below belongs to what is behind the last mark */
	mr_value *limit;
	mr_value *memo;
	size_t memo_count;
	size_t memo_capacity;
};

static inline void leave(struct mr_pickle *pickle, const struct hot *hot)
{
	pickle->at = (size_t)(hot->in - pickle->data);
	pickle->stack_count = (size_t)(hot->top - pickle->stack);
	pickle->memo_count = hot->memo_count;
}

static inline void enter(const struct mr_pickle *pickle, struct hot *hot)
{
	hot->in = pickle->data + pickle->at;
	hot->top = pickle->stack + pickle->stack_count;
	hot->base = pickle->stack + (pickle->mark_count > 0 ? pickle->marks[pickle->mark_count - 1] : 0);
	hot->limit = pickle->stack + pickle->stack_capacity;
	hot->memo = pickle->memo;
	hot->memo_count = pickle->memo_count;
	hot->memo_capacity = pickle->memo_capacity;
}

/* Each of these does one opcode, or gives false: then it is done slowly, or refused. */

static inline bool hot_get(struct hot *hot, size_t index, size_t len)
{
	if (MR_UNLIKELY(index >= hot->memo_count || hot->memo[index] == VALUE_UNSET))
		return false;
	*hot->top++ = hot->memo[index];
	hot->in += len;
	return true;
}

static inline bool hot_put(struct hot *hot, size_t index, size_t len)
{
	if (MR_UNLIKELY(index >= hot->memo_capacity || hot->top == hot->base))
		return false;
	hot->memo[index] = hot->top[-1];
	hot->memo_count = index >= hot->memo_count ? index + 1 : hot->memo_count;
	hot->in += len;
	return true;
}

static inline bool hot_push(struct hot *hot, mr_value value, size_t len)
{
	*hot->top++ = value;
	hot->in += len;
	return true;
}

/* A tuple of two.  The state of an object with slots is the pair of None and a dict: the dict is all
 * of it. */
static inline bool hot_pair(struct mr_pickle *pickle, struct hot *hot)
{
	if (MR_UNLIKELY(hot->top - hot->base < 2 || pickle->word_capacity - pickle->word_count < 2))
		return false;
	hot->in++;
	hot->top--;
	if (hot->top[-1] == VALUE_NONE && mr_value_tag(hot->top[0]) == MR_TAG_DICT) {
		hot->top[-1] = hot->top[0];
		return true;
	}
	pickle->words[pickle->word_count] = hot->top[-1];
	pickle->words[pickle->word_count + 1] = hot->top[0];
	hot->top[-1] = mr_value_make(MR_TAG_PAIR, pickle->word_count);
	pickle->word_count += 2;
	return true;
}

static inline bool hot_mark(struct mr_pickle *pickle, struct hot *hot)
{
	if (MR_UNLIKELY(pickle->mark_count == pickle->mark_capacity))
		return false;
	pickle->marks[pickle->mark_count++] = (size_t)(hot->top - pickle->stack);
	hot->base = hot->top;
	hot->in++;
	return true;
}

static inline bool hot_container(struct mr_pickle *pickle, struct hot *hot, enum mr_tag tag)
{
	uint64_t *const header = &pickle->words[pickle->word_count];

	if (MR_UNLIKELY(pickle->word_capacity - pickle->word_count < HEADER_WORDS))
		return false;
	header[HEADER_COUNT] = header[HEADER_FIRST] = header[HEADER_LAST] = 0;
	hot_push(hot, mr_value_make(tag, pickle->word_count), 1);
	pickle->word_count += HEADER_WORDS;
	return true;
}

static inline bool hot_newobj(struct mr_pickle *pickle, struct hot *hot)
{
	if (MR_UNLIKELY(hot->top - hot->base < 2 || hot->top[-1] != VALUE_EMPTY_TUPLE ||
	                !mr_pickle__makes_objects(hot->top[-2]) ||
	                pickle->word_capacity - pickle->word_count < OBJECT_WORDS))
		return false;
	pickle->words[pickle->word_count + OBJECT_CLASS] = mr_value_payload(hot->top[-2]);
	pickle->words[pickle->word_count + OBJECT_STATE] = VALUE_NONE;
	hot->top -= 2;
	hot_push(hot, mr_value_make(MR_TAG_OBJECT, pickle->word_count), 1);
	pickle->word_count += OBJECT_WORDS;
	return true;
}

static inline bool hot_build(struct mr_pickle *pickle, struct hot *hot)
{
	if (MR_UNLIKELY(hot->top - hot->base < 2 || !mr_pickle__are_attributes(pickle, hot->top[-1]) ||
	                mr_value_tag(hot->top[-2]) != MR_TAG_OBJECT))
		return false;
	hot->top--;
	pickle->words[mr_value_payload(hot->top[-1]) + OBJECT_STATE] = hot->top[0];
	hot->in++;
	return true;
}

static inline bool hot_opcode(struct mr_pickle *pickle, struct hot *hot)
{
	const uint8_t *const in = hot->in;
	const uint64_t at = (uint64_t)(in - pickle->data);

	switch (in[0]) {
	case OP_BINGET:
		return hot_get(hot, in[1], 2);
	case OP_LONG_BINGET:
		return hot_get(hot, mr_pickle__u32(in + 1), 5);
	case OP_MEMOIZE:
		return hot_put(hot, hot->memo_count, 1);
	case OP_BINPUT:
		return hot_put(hot, in[1], 2);
	case OP_LONG_BINPUT:
		return hot_put(hot, mr_pickle__u32(in + 1), 5);
	case OP_NONE:
		return hot_push(hot, VALUE_NONE, 1);
	case OP_EMPTY_TUPLE:
		return hot_push(hot, VALUE_EMPTY_TUPLE, 1);
	case OP_BININT1:
		return hot_push(hot, mr_value_make(MR_TAG_INT, in[1]), 2);
	case OP_BININT2:
		return hot_push(hot, mr_value_make(MR_TAG_INT, mr_pickle__u16(in + 1)), 3);
	case OP_BININT:
		return hot_push(hot,
		                mr_value_make(MR_TAG_INT, (uint64_t)(int64_t)(int32_t)mr_pickle__u32(in + 1)),
		                5);
	case OP_BINFLOAT:
		return hot_push(hot, mr_value_make(MR_TAG_FLOAT, at + 1), 9);
	case OP_SHORT_BINUNICODE:
	case OP_SHORT_BINSTRING:
		return hot_push(hot, mr_pickle__text(at + 2, in[1]), 2 + (size_t)in[1]);
	case OP_TUPLE2:
		return hot_pair(pickle, hot);
	case OP_MARK:
		return hot_mark(pickle, hot);
	case OP_EMPTY_DICT:
		return hot_container(pickle, hot, MR_TAG_DICT);
	case OP_NEWOBJ:
		return hot_newobj(pickle, hot);
	case OP_BUILD:
		return hot_build(pickle, hot);
	default:
		return false;
	}
}

static int run(struct mr_pickle *pickle, struct mr_error *err)
{
	const uint8_t *const end = pickle->data + pickle->len;
	struct hot hot;
	int code = 0;

	enter(pickle, &hot);
	while (code == 0) {
		if (MR_LIKELY(hot.in < end && hot.top < hot.limit) && MR_LIKELY(hot_opcode(pickle, &hot)))
			continue;
		if (hot.in >= end)
			return mr_pickle_cut(pickle, err);
		leave(pickle, &hot);
		if (hot.top < hot.limit)
			code = mr_pickle__rare(pickle, err);
		else if (mr_grow(&pickle->stack, &pickle->stack_capacity, pickle->stack_count + 1,
		                 sizeof(*pickle->stack)) < 0)
			code = no_memory(pickle, err);
		enter(pickle, &hot);
	}
	return code;
}

int mr_pickle_load(struct mr_pickle *pickle, mr_value *value, struct mr_error *err)
{
	pickle->stack_count = 0;
	pickle->mark_count = 0;
	pickle->memo_count = 0;
	for (size_t i = 0; i < pickle->memo_capacity; i++)
		pickle->memo[i] = VALUE_UNSET;
	if (pickle->len - pickle->at < 2 || pickle->data[pickle->at] != OP_PROTO)
		return pickle->len - pickle->at < 2 ? mr_pickle_cut(pickle, err)
		                                    : mr_pickle_fail(pickle, "no pickle begins", err);
	if (mr_grow(&pickle->stack, &pickle->stack_capacity, 256, sizeof(*pickle->stack)) < 0)
		return no_memory(pickle, err);
	if (pickle->word_count == 0)
		MR_TRY(mr_pickle__grow_words(pickle, 1, err));
	const int code = run(pickle, err);
	if (code < 0)
		return code;
	*value = pickle->stack[0];
	return 0;
}
