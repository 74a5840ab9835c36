/* SPDX-License-Identifier: MIT
 *
 * The opcodes that are rare, long, or refused, and what the quick ones could not
 * do: a bigger memo or arena.  Here it is decided which names a pickle may use.
 */
#include "import_pickle_private.h"

static const struct {
	const char *module;
	const char *name;
	enum mr_pickle_class class;
} allowed[] = {
	{ "pympler.classtracker", "TrackedObject", MR_PICKLE_TRACKED_OBJECT },
	{ "pympler.asizeof", "Asized", MR_PICKLE_ASIZED },
	{ "pympler.classtracker", "Snapshot", MR_PICKLE_SNAPSHOT },
	{ "pympler.process", "_ProcessMemoryInfoProc", MR_PICKLE_PROCESS },
	{ "pympler.process", "_ProcessMemoryInfoPS", MR_PICKLE_PROCESS },
	{ "pympler.process", "_ProcessMemoryInfoResource", MR_PICKLE_PROCESS },
	{ "pympler.process", "_ProcessMemoryInfoWin32", MR_PICKLE_PROCESS },
	{ "pympler.process", "_ProcessMemoryInfo", MR_PICKLE_PROCESS },
	{ "pympler.process", "ProcessMemoryInfo", MR_PICKLE_PROCESS },
	{ "collections", "defaultdict", MR_PICKLE_DEFAULTDICT },
	{ "builtins", "list", MR_PICKLE_LIST },
	{ "__builtin__", "list", MR_PICKLE_LIST },
};

/* ---- Reading and the stack ------------------------------------------------------ */

/* Moves behind LEN more bytes of the file and gives where they are, or NULL. */
static const uint8_t *take_bytes(struct mr_pickle *pickle, uint64_t len)
{
	const uint8_t *const bytes = pickle->data + pickle->at;

	if (len > pickle->len - pickle->at)
		return NULL;
	pickle->at += (size_t)len;
	return bytes;
}

/* How many values lie above the last mark. */
static size_t height(const struct mr_pickle *pickle)
{
	return pickle->stack_count - (pickle->mark_count > 0 ? pickle->marks[pickle->mark_count - 1] : 0);
}

static int missing(const struct mr_pickle *pickle, struct mr_error *err)
{
	return mr_pickle_fail(pickle, "an opcode lacks its operands", err);
}

static int push(struct mr_pickle *pickle, mr_value value, struct mr_error *err)
{
	/* The loop has made room for one. */
	if (pickle->stack_count == pickle->stack_capacity)
		return missing(pickle, err);
	pickle->stack[pickle->stack_count++] = value;
	return 0;
}

/* Takes the last mark away; *ITEMS and *COUNT are what lay above it. */
static int pop_mark(struct mr_pickle *pickle, mr_value **items, size_t *count, struct mr_error *err)
{
	if (pickle->mark_count == 0)
		return missing(pickle, err);
	*count = height(pickle);
	*items = pickle->stack + pickle->stack_count - *count;
	pickle->stack_count -= *count;
	pickle->mark_count--;
	return 0;
}

/* ---- Names ---------------------------------------------------------------------- */

static bool equals(const uint8_t *bytes, size_t len, const char *text)
{
	return strlen(text) == len && memcmp(bytes, text, len) == 0;
}

static int push_name(struct mr_pickle *pickle, const uint8_t *module, size_t module_len, const uint8_t *name,
                     size_t name_len, struct mr_error *err)
{
	const int module_shown = module_len < 100 ? (int)module_len : 100;
	const int name_shown = name_len < 100 ? (int)name_len : 100;

	for (size_t i = 0; i < MR_ARRAY_LEN(allowed); i++)
		if (equals(name, name_len, allowed[i].name) && equals(module, module_len, allowed[i].module))
			return push(pickle, mr_value_make(MR_TAG_CLASS, allowed[i].class), err);
	return mr_fail(err, MR_ERR_FORMAT,
	               "%s: is a pickle that names '%.*s.%.*s' at byte %zu: it is no dump of pympler's "
	               "Stats.dump_stats, and to load it would run code; it is refused",
	               pickle->path, module_shown, (const char *)module, name_shown, (const char *)name,
	               pickle->at);
}

/* "module\nname\n" */
static int do_global(struct mr_pickle *pickle, struct mr_error *err)
{
	const uint8_t *const module = pickle->data + pickle->at;
	const uint8_t *const module_end = memchr(module, '\n', pickle->len - pickle->at);
	const uint8_t *const end = pickle->data + pickle->len;
	const uint8_t *const name_end =
		module_end != NULL ? memchr(module_end + 1, '\n', (size_t)(end - module_end - 1)) : NULL;

	if (name_end == NULL)
		return mr_pickle_cut(pickle, err);
	pickle->at = (size_t)(name_end + 1 - pickle->data);
	return push_name(pickle, module, (size_t)(module_end - module), module_end + 1,
	                 (size_t)(name_end - module_end - 1), err);
}

static int do_stack_global(struct mr_pickle *pickle, struct mr_error *err)
{
	if (height(pickle) < 2)
		return missing(pickle, err);
	pickle->stack_count -= 2;
	const mr_value *const operands = pickle->stack + pickle->stack_count;
	if (mr_value_tag(operands[0]) != MR_TAG_TEXT || mr_value_tag(operands[1]) != MR_TAG_TEXT)
		return mr_pickle_fail(pickle, "a name is not made of text", err);

	size_t module_len = 0, name_len = 0;
	const uint8_t *const module = mr_value_text(pickle, operands[0], &module_len);
	const uint8_t *const name = mr_value_text(pickle, operands[1], &name_len);
	return push_name(pickle, module, module_len, name, name_len, err);
}

/* ---- Numbers and texts ------------------------------------------------------------ */

/* LEN bytes in two's complement, lowest first. */
static int push_long(struct mr_pickle *pickle, uint64_t len, struct mr_error *err)
{
	const uint8_t *const bytes = take_bytes(pickle, len);
	const bool negative = bytes != NULL && len > 0 && (bytes[len - 1] & 0x80) != 0;
	uint64_t number = negative ? UINT64_MAX : 0;
	bool fits = true;

	if (bytes == NULL)
		return mr_pickle_cut(pickle, err);
	for (uint64_t i = len; i > 0; i--) {
		fits = fits && (i <= 8 || bytes[i - 1] == (negative ? 0xff : 0));
		number = number << 8 | bytes[i - 1];
	}
	if (!fits || (int64_t)number >> 59 != (negative ? -1 : 0))
		number = negative ? (uint64_t)INT64_MIN >> 4 : (uint64_t)INT64_MAX >> 4;
	return push(pickle, mr_value_make(MR_TAG_INT, number), err);
}

/* Decimal digits up to a newline: Python 2's numbers beyond 32 bits, and its truth values. */
static int do_int(struct mr_pickle *pickle, struct mr_error *err)
{
	const uint8_t *const text = pickle->data + pickle->at;
	const uint8_t *const end = memchr(text, '\n', pickle->len - pickle->at);
	const uint8_t *digit = text;
	uint64_t number = 0;

	if (end == NULL)
		return mr_pickle_cut(pickle, err);
	const size_t len = (size_t)(end - text);
	pickle->at += len + 1;
	if (len == 2 && text[0] == '0' && (text[1] == '0' || text[1] == '1'))
		return push(pickle, mr_value_make(MR_TAG_BOOL, text[1] == '1'), err);
	const bool negative = len > 0 && text[0] == '-';
	for (digit += negative; digit < end && *digit >= '0' && *digit <= '9'; digit++)
		number = number < (uint64_t)INT64_MAX / 160 ? number * 10 + (uint64_t)(*digit - '0')
		                                            : (uint64_t)INT64_MAX >> 4;
	if (digit != end || len == 0)
		return mr_pickle_fail(pickle, "a number is not made of digits", err);
	return push(pickle, mr_value_make(MR_TAG_INT, negative ? ~number + 1 : number), err);
}

static int push_text(struct mr_pickle *pickle, uint64_t len, struct mr_error *err)
{
	const size_t at = pickle->at;

	if (take_bytes(pickle, len) == NULL)
		return mr_pickle_cut(pickle, err);
	return push(pickle, mr_pickle__text(at, len), err);
}

/* An opcode with a length of LEN_BYTES before its bytes. */
static int do_counted(struct mr_pickle *pickle, unsigned opcode, unsigned len_bytes, struct mr_error *err)
{
	const uint8_t *const bytes = take_bytes(pickle, len_bytes);
	uint64_t len = 0;

	if (bytes == NULL)
		return mr_pickle_cut(pickle, err);
	for (unsigned i = 0; i < len_bytes; i++)
		len |= (uint64_t)bytes[i] << (8 * i);
	if (opcode == OP_LONG1 || opcode == OP_LONG4)
		return push_long(pickle, len, err);
	if (opcode == OP_FRAME)
		return len <= pickle->len - pickle->at ? 0 : mr_pickle_cut(pickle, err);
	return push_text(pickle, len, err);
}

/* ---- Containers ----------------------------------------------------------------- */

static int new_container(struct mr_pickle *pickle, enum mr_tag tag, struct mr_error *err)
{
	size_t place = 0;

	MR_TRY(mr_pickle__take(pickle, HEADER_WORDS, &place, err));
	memset(&pickle->words[place], 0, HEADER_WORDS * sizeof(uint64_t));
	return push(pickle, mr_value_make(tag, place), err);
}

static int new_tuple(struct mr_pickle *pickle, const mr_value *items, size_t count, struct mr_error *err)
{
	size_t place = 0;

	if (count == 0)
		return push(pickle, VALUE_EMPTY_TUPLE, err);
	MR_TRY(mr_pickle__take(pickle, count + 1, &place, err));
	pickle->words[place] = count;
	memcpy(&pickle->words[place + 1], items, count * sizeof(*items));
	return push(pickle, mr_value_make(MR_TAG_TUPLE, place), err);
}

/* A tuple of the COUNT values on top. */
static int do_tuple(struct mr_pickle *pickle, size_t count, struct mr_error *err)
{
	if (height(pickle) < count)
		return missing(pickle, err);
	pickle->stack_count -= count;
	return new_tuple(pickle, pickle->stack + pickle->stack_count, count, err);
}

/* Hangs a chunk with room for COUNT words behind the container at PLACE. */
static int add_chunk(struct mr_pickle *pickle, size_t place, size_t count, size_t *chunk,
                     struct mr_error *err)
{
	MR_FAIL_IF(count > UINT32_MAX, err, MR_ERR_LIMIT, "%s: is a pickle with too many items at once",
	           pickle->path);
	MR_TRY(mr_pickle__take(pickle, CHUNK_WORDS + count, chunk, err));
	uint64_t *const header = &pickle->words[place];

	if (header[HEADER_LAST] != 0)
		pickle->words[header[HEADER_LAST] + CHUNK_NEXT] = *chunk;
	else
		header[HEADER_FIRST] = *chunk;
	header[HEADER_LAST] = *chunk;
	pickle->words[*chunk + CHUNK_COUNT] = count;
	pickle->words[*chunk + CHUNK_NEXT] = 0;
	return 0;
}

static int append(struct mr_pickle *pickle, const mr_value *items, size_t count, struct mr_error *err)
{
	size_t chunk = 0;

	if (height(pickle) < 1 || mr_value_tag(pickle->stack[pickle->stack_count - 1]) != MR_TAG_LIST)
		return mr_pickle_fail(pickle, "something is appended to what is no list", err);
	if (count == 0)
		return 0;
	const size_t place = (size_t)mr_value_payload(pickle->stack[pickle->stack_count - 1]);
	MR_TRY(add_chunk(pickle, place, count, &chunk, err));
	pickle->words[place + HEADER_COUNT] += count;
	memcpy(&pickle->words[chunk + CHUNK_WORDS], items, count * sizeof(*items));
	return 0;
}

static void learn_places(const struct mr_pickle *pickle, struct mr_shape *shape)
{
	static const char *const names[] = {
#define FIELD_NAME(name, text) text,
		MR_PICKLE_FIELDS(FIELD_NAME)
#undef FIELD_NAME
	};

	memset(shape->places, -1, sizeof(shape->places));
	for (uint32_t i = 0; i < shape->count; i++) {
		size_t len = 0;
		const uint8_t *const key = mr_value_text(pickle, shape->keys[i], &len);

		for (size_t field = 0; field < MR_ARRAY_LEN(names); field++)
			if (equals(key, len, names[field]))
				shape->places[field] = (int8_t)i;
	}
}

/* The shape of a dict with those COUNT pairs, 0: it gets none. */
static uint32_t shape_of(struct mr_pickle *pickle, const mr_value *pairs, size_t count)
{
	struct mr_shape *const made = &pickle->shapes[pickle->shape_count];

	if (count == 0 || count > MR_SHAPE_KEYS_MAX)
		return 0;
	for (uint32_t i = 1; i < pickle->shape_count; i++) {
		const struct mr_shape *const shape = &pickle->shapes[i];
		size_t same = 0;

		while (shape->count == count && same < count && shape->keys[same] == pairs[2 * same])
			same++;
		if (same == count)
			return i;
	}
	if (pickle->shape_count == MR_SHAPES_MAX)
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (mr_value_tag(pairs[2 * i]) != MR_TAG_TEXT)
			return 0;
		made->keys[i] = pairs[2 * i];
	}
	made->count = (uint32_t)count;
	learn_places(pickle, made);
	return pickle->shape_count++;
}

static int set_items(struct mr_pickle *pickle, const mr_value *pairs, size_t words, struct mr_error *err)
{
	const size_t count = words / 2;
	size_t chunk = 0;

	if (height(pickle) < 1 || mr_value_tag(pickle->stack[pickle->stack_count - 1]) != MR_TAG_DICT ||
	    words % 2 != 0)
		return mr_pickle_fail(pickle, "something is set in what is no dict", err);
	if (count == 0)
		return 0;
	const size_t place = (size_t)mr_value_payload(pickle->stack[pickle->stack_count - 1]);
	const uint32_t shape = pickle->words[place + HEADER_COUNT] == 0 ? shape_of(pickle, pairs, count) : 0;

	MR_TRY(add_chunk(pickle, place, shape != 0 ? count : words, &chunk, err));
	pickle->words[place + HEADER_COUNT] += count;
	pickle->words[chunk + CHUNK_COUNT] = count | (uint64_t)shape << 32;
	for (size_t i = 0; shape != 0 && i < count; i++)
		pickle->words[chunk + CHUNK_WORDS + i] = pairs[2 * i + 1];
	if (shape == 0)
		memcpy(&pickle->words[chunk + CHUNK_WORDS], pairs, words * sizeof(*pairs));
	return 0;
}

/* ---- Objects -------------------------------------------------------------------- */

static int would_run(const struct mr_pickle *pickle, struct mr_error *err)
{
	return mr_fail(
		err, MR_ERR_FORMAT,
		"%s: is a pickle that makes an object at byte %zu in a way in which no dump of pympler's "
		"does: to load it would run code; it is refused",
		pickle->path, pickle->at);
}

/* defaultdict(list): a dict. */
static int do_reduce(struct mr_pickle *pickle, struct mr_error *err)
{
	if (height(pickle) < 2)
		return missing(pickle, err);
	pickle->stack_count -= 2;
	const mr_value *const operands = pickle->stack + pickle->stack_count;
	const size_t arguments = (size_t)mr_value_payload(operands[1]);

	if (operands[0] != mr_value_make(MR_TAG_CLASS, MR_PICKLE_DEFAULTDICT) ||
	    mr_value_tag(operands[1]) != MR_TAG_TUPLE || pickle->words[arguments] != 1 ||
	    pickle->words[arguments + 1] != mr_value_make(MR_TAG_CLASS, MR_PICKLE_LIST))
		return would_run(pickle, err);
	return new_container(pickle, MR_TAG_DICT, err);
}

static int do_newobj(struct mr_pickle *pickle, struct mr_error *err)
{
	size_t place = 0;

	if (height(pickle) < 2)
		return missing(pickle, err);
	pickle->stack_count -= 2;
	const mr_value class = pickle->stack[pickle->stack_count];
	if (!mr_pickle__makes_objects(class) || pickle->stack[pickle->stack_count + 1] != VALUE_EMPTY_TUPLE)
		return would_run(pickle, err);
	MR_TRY(mr_pickle__take(pickle, OBJECT_WORDS, &place, err));
	pickle->words[place + OBJECT_CLASS] = mr_value_payload(class);
	pickle->words[place + OBJECT_STATE] = VALUE_NONE;
	return push(pickle, mr_value_make(MR_TAG_OBJECT, place), err);
}

static int do_build(struct mr_pickle *pickle, struct mr_error *err)
{
	if (height(pickle) < 2)
		return missing(pickle, err);
	const mr_value state = pickle->stack[--pickle->stack_count];
	const mr_value object = pickle->stack[pickle->stack_count - 1];

	if (mr_value_tag(object) != MR_TAG_OBJECT || mr_value_tag(state) != MR_TAG_DICT)
		return would_run(pickle, err);
	if (!mr_pickle__are_attributes(pickle, state))
		return mr_pickle_fail(pickle, "an object has more attributes than any of a dump", err);
	pickle->words[mr_value_payload(object) + OBJECT_STATE] = state;
	return 0;
}

/* ---- All of them ------------------------------------------------------------------ */

/* A quick opcode that could not be done: makes room for it, so that it can be tried again. */
static int make_room(struct mr_pickle *pickle, unsigned opcode, struct mr_error *err)
{
	const uint8_t *const in = pickle->data + pickle->at;
	const size_t index = opcode == OP_MEMOIZE  ? pickle->memo_count
	                     : opcode == OP_BINPUT ? in[1]
	                                           : (size_t)mr_get_u32le(in + 1);

	if (opcode == OP_BINGET || opcode == OP_LONG_BINGET)
		return mr_pickle_fail(pickle, "a place in the memo is used that holds nothing", err);
	if (height(pickle) < (opcode == OP_TUPLE2 ? 2 : 1))
		return missing(pickle, err);
	if (opcode == OP_TUPLE2)
		return mr_pickle__grow_words(pickle, 2, err);
	return mr_pickle__grow_memo(pickle, index, err);
}

static int do_marked(struct mr_pickle *pickle, unsigned opcode, struct mr_error *err)
{
	mr_value *items = NULL;
	size_t count = 0;

	MR_TRY(pop_mark(pickle, &items, &count, err));
	if (opcode == OP_TUPLE)
		return new_tuple(pickle, items, count, err);
	if (opcode == OP_APPENDS)
		return append(pickle, items, count, err);
	if (opcode == OP_SETITEMS)
		return set_items(pickle, items, count, err);
	return 0; /* OP_POP_MARK */
}

static int do_mark(struct mr_pickle *pickle, struct mr_error *err)
{
	MR_FAIL_IF(mr_grow(&pickle->marks, &pickle->mark_capacity, pickle->mark_count + 1,
	                   sizeof(*pickle->marks)) < 0,
	           err, MR_ERR_NOMEM, "%s: out of memory", pickle->path);
	pickle->marks[pickle->mark_count++] = pickle->stack_count;
	return 0;
}

/* Takes COUNT values off for an opcode that changes the one below them. */
static int do_one(struct mr_pickle *pickle, unsigned opcode, struct mr_error *err)
{
	const size_t count = opcode == OP_SETITEM ? 2 : 1;

	if (height(pickle) < (opcode == OP_POP ? 1 : count + 1))
		return missing(pickle, err);
	pickle->stack_count -= count;
	const mr_value *const items = pickle->stack + pickle->stack_count;
	if (opcode == OP_APPEND)
		return append(pickle, items, count, err);
	return opcode == OP_SETITEM ? set_items(pickle, items, count, err) : 0;
}

static int do_proto(struct mr_pickle *pickle, struct mr_error *err)
{
	const uint8_t *const version = take_bytes(pickle, 1);

	if (version == NULL)
		return mr_pickle_cut(pickle, err);
	MR_FAIL_IF(version[0] < 2 || version[0] > 5, err, MR_ERR_VERSION,
	           "%s: is a pickle of protocol %u; dumps are of protocols 2 to 5", pickle->path, version[0]);
	return 0;
}

static int do_stop(const struct mr_pickle *pickle, struct mr_error *err)
{
	if (pickle->mark_count > 0 || pickle->stack_count != 1)
		return mr_pickle_fail(pickle, "it ends with more or less than one value", err);
	return 1;
}

static int do_unknown(struct mr_pickle *pickle, unsigned opcode, struct mr_error *err)
{
	switch (opcode) {
	case OP_PERSID:
	case OP_BINPERSID:
	case OP_INST:
	case OP_OBJ:
	case OP_EXT1:
	case OP_EXT2:
	case OP_EXT4:
	case OP_NEWOBJ_EX:
		return would_run(pickle, err);
	default:
		return mr_fail(
			err, MR_ERR_FORMAT,
			"%s: is a pickle with the opcode 0x%02x at byte %zu, which no dump of pympler's has",
			pickle->path, opcode, pickle->at - 1);
	}
}

static int do_object(struct mr_pickle *pickle, unsigned opcode, struct mr_error *err)
{
	switch (opcode) {
	case OP_REDUCE:
		return do_reduce(pickle, err);
	case OP_NEWOBJ:
		return do_newobj(pickle, err);
	case OP_BUILD:
		return do_build(pickle, err);
	case OP_GLOBAL:
		return do_global(pickle, err);
	case OP_STACK_GLOBAL:
		return do_stack_global(pickle, err);
	case OP_PROTO:
		return do_proto(pickle, err);
	case OP_STOP:
		return do_stop(pickle, err);
	default:
		return do_unknown(pickle, opcode, err);
	}
}

int mr_pickle__rare(struct mr_pickle *pickle, struct mr_error *err)
{
	const unsigned opcode = pickle->data[pickle->at];

	pickle->at++;
	switch (opcode) {
	case OP_MARK:
		return do_mark(pickle, err);
	case OP_EMPTY_LIST:
		return new_container(pickle, MR_TAG_LIST, err);
	case OP_EMPTY_DICT:
		return new_container(pickle, MR_TAG_DICT, err);
	case OP_TUPLE:
	case OP_APPENDS:
	case OP_SETITEMS:
	case OP_POP_MARK:
		return do_marked(pickle, opcode, err);
	case OP_APPEND:
	case OP_SETITEM:
	case OP_POP:
		return do_one(pickle, opcode, err);
	case OP_TUPLE1:
	case OP_TUPLE3:
		return do_tuple(pickle, opcode == OP_TUPLE1 ? 1 : 3, err);
	case OP_NEWTRUE:
	case OP_NEWFALSE:
		return push(pickle, mr_value_make(MR_TAG_BOOL, opcode == OP_NEWTRUE), err);
	case OP_INT:
		return do_int(pickle, err);
	case OP_LONG1:
	case OP_SHORT_BINBYTES:
		return do_counted(pickle, opcode, 1, err);
	case OP_LONG4:
	case OP_BINSTRING:
	case OP_BINUNICODE:
	case OP_BINBYTES:
		return do_counted(pickle, opcode, 4, err);
	case OP_FRAME:
	case OP_BINUNICODE8:
	case OP_BINBYTES8:
	case OP_BYTEARRAY8:
		return do_counted(pickle, opcode, 8, err);
	case OP_BINGET:
	case OP_LONG_BINGET:
	case OP_MEMOIZE:
	case OP_BINPUT:
	case OP_LONG_BINPUT:
	case OP_TUPLE2:
		pickle->at--;
		return make_room(pickle, opcode, err);
	default:
		return do_object(pickle, opcode, err);
	}
}
