/* SPDX-License-Identifier: MIT
 *
 * Traces: the stack of the running Python code as an id of the store.  What a
 * place in a code object means is found out once: file, function and line are
 * kept under (code object, instruction).  And mostly the callers are where they
 * were at the trace before, so the stack that was found then is used up to there.
 *
 * Code objects are not kept alive.  An entry has a weak reference, and counts only
 * while that leads to the code object that has the entry's address now: another
 * one that was made in the same place is never taken for the old.
 *
 * Python code can run wherever an object is made here (a garbage collection), and
 * may take a trace itself: nothing is held across such a place but the stack of C.
 */
#include "tracked_store.h"

#include <frameobject.h>

#include "log_format.h"

#define TABLE_MIN 64u
/* Of a stack that is deeper than the log takes, callers are left out in steps of so many, so
 * that the stacks of a deep recursion share those that are not. */
#define LEAVE_OUT_STEP (MR_LOG_STACK_DEPTH_MAX / 2)

/* Where a frame stands. */
struct place {
	PyObject *code;  /* borrowed from the frame, which runs until the trace is taken */
	int instruction; /* bytes from the start of the code, as PyCode_Addr2Line() wants it */
};

/* A place in a code object; in a table by address and instruction. */
struct position {
	PyObject *reference; /* weak, owned; NULL: the entry is free */
	const PyObject *address;
	int instruction;
	uint32_t code; /* in the store's `codes` */
};

/* A frame of the trace before, outermost first. */
struct step {
	PyObject *reference; /* the entry's */
	const PyObject *address;
	int instruction;
	uint32_t stack; /* that ends here */
};

/* Both tables have a power of two entries, or none, and are at most half full. */
struct trace_index {
	struct position *positions;
	size_t position_capacity;
	size_t position_count;
	uint32_t *codes; /* ids by file, function and line; 0: free */
	size_t code_capacity;
	size_t code_count;
	uint64_t turn; /* counts traces */
	size_t step_count;
	struct step steps[MR_LOG_STACK_DEPTH_MAX];
};

/* ---- Frames ------------------------------------------------------------------------ */

static struct place frame_place(PyFrameObject *frame)
{
	PyCodeObject *const code = PyFrame_GetCode(frame);
#if PY_VERSION_HEX >= 0x030B0000
	const int instruction = PyFrame_GetLasti(frame);
#else
	const int instruction = frame->f_lasti * (int)sizeof(_Py_CODEUNIT);
#endif

	Py_DECREF(code); /* the frame has it as well */
	return (struct place){ .code = (PyObject *)code, .instruction = instruction };
}

/* Fills PLACES with those of the running frames, the innermost last; gives how many there are. */
static size_t places_of_frames(struct place places[MR_LOG_STACK_DEPTH_MAX])
{
	PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
	size_t depth = 0;
	size_t count;

	for (; frame != NULL; depth++) {
		PyFrameObject *const back = PyFrame_GetBack(frame);

		if (depth < MR_LOG_STACK_DEPTH_MAX)
			places[depth] = frame_place(frame);
		Py_DECREF(frame);
		frame = back;
	}
	count = depth;
	if (depth > MR_LOG_STACK_DEPTH_MAX)
		count -= (depth - MR_LOG_STACK_DEPTH_MAX + LEAVE_OUT_STEP - 1) / LEAVE_OUT_STEP *
		         LEAVE_OUT_STEP;
	for (size_t i = 0; i < count / 2; i++) {
		const struct place moved = places[i];

		places[i] = places[count - 1 - i];
		places[count - 1 - i] = moved;
	}
	return count;
}

/* ---- Weak references -------------------------------------------------------------- */

/* Whether REFERENCE still leads to the object at ADDRESS, which is alive. */
static inline bool leads_to(PyObject *reference, const PyObject *address)
{
#if PY_VERSION_HEX >= 0x030D0000
	PyObject *object;

	if (PyWeakref_GetRef(reference, &object) <= 0)
		return false;
	Py_DECREF(object); /* somebody else has one too: ADDRESS is a running frame's */
	return object == address;
#else
	return PyWeakref_GET_OBJECT(reference) == address;
#endif
}

/* Whether REFERENCE leads to nothing any more. */
static bool is_dead(PyObject *reference)
{
#if PY_VERSION_HEX >= 0x030D0000
	PyObject *object;
	const int found = PyWeakref_GetRef(reference, &object);

	if (found > 0)
		Py_DECREF(object);
	return found == 0;
#else
	return PyWeakref_GET_OBJECT(reference) == Py_None;
#endif
}

/* ---- Positions --------------------------------------------------------------------- */

static size_t mix(uint64_t hash)
{
	hash *= UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(hash ^ hash >> 32);
}

/* The position's entry, or the free one where it belongs. */
static struct position *position_at(const struct trace_index *index, const PyObject *address, int instruction)
{
	const size_t mask = index->position_capacity - 1;
	size_t at = mix((uint64_t)(uintptr_t)address >> 4 ^ (uint64_t)(unsigned)instruction << 40) & mask;

	for (;; at = (at + 1) & mask) {
		struct position *const position = &index->positions[at];

		if (position->reference == NULL ||
		    (position->address == address && position->instruction == instruction))
			return position;
	}
}

/* Room for one more; positions in code that is gone are dropped on the way.  False: no memory. */
static bool position_make_room(struct trace_index *index)
{
	if ((index->position_count + 1) * 2 <= index->position_capacity)
		return true;

	size_t alive = 0;
	for (size_t i = 0; i < index->position_capacity; i++) {
		const struct position *const position = &index->positions[i];

		if (position->reference != NULL && !is_dead(position->reference))
			alive++;
	}

	struct trace_index grown = { .position_capacity = TABLE_MIN };
	while (grown.position_capacity < (alive + 1) * 4)
		grown.position_capacity *= 2;
	grown.positions = mr_alloc(grown.position_capacity * sizeof(*grown.positions));
	if (grown.positions == NULL)
		return false;

	struct position *const before = index->positions;
	const size_t capacity_before = index->position_capacity;
	for (size_t i = 0; i < capacity_before; i++) {
		const struct position *const position = &before[i];

		if (position->reference != NULL && !is_dead(position->reference)) {
			*position_at(&grown, position->address, position->instruction) = *position;
			before[i].reference = NULL;
		}
	}
	index->positions = grown.positions;
	index->position_capacity = grown.position_capacity;
	index->position_count = alive;
	index->step_count = 0; /* the steps have lent references from the entries */
	for (size_t i = 0; i < capacity_before; i++)
		Py_XDECREF(before[i].reference);
	mr_free(before);
	return true;
}

/* ---- Codes: file, function and line ------------------------------------------------- */

static uint32_t *code_at(const struct mr_store *store, const uint32_t *codes, size_t capacity,
                         const struct mr_tracked_code *wanted)
{
	size_t at = mix((uint64_t)wanted->file << 40 ^ (uint64_t)wanted->function << 20 ^ wanted->line) &
	            (capacity - 1);

	for (;; at = (at + 1) & (capacity - 1)) {
		const uint32_t id = codes[at];

		if (id == 0)
			break;
		const struct mr_tracked_code *const code = mr_store_code(store, id);
		if (code->file == wanted->file && code->function == wanted->function &&
		    code->line == wanted->line)
			break;
	}
	return (uint32_t *)&codes[at];
}

static bool code_make_room(const struct mr_store *store, struct trace_index *index)
{
	if ((index->code_count + 1) * 2 <= index->code_capacity)
		return true;

	const size_t capacity = index->code_capacity == 0 ? TABLE_MIN : index->code_capacity * 2;
	uint32_t *const grown = mr_alloc(capacity * sizeof(*grown));
	if (grown == NULL)
		return false;
	for (size_t i = 0; i < index->code_capacity; i++) {
		const uint32_t id = index->codes[i];

		if (id != 0)
			*code_at(store, grown, capacity, mr_store_code(store, id)) = id;
	}
	mr_free(index->codes);
	index->codes = grown;
	index->code_capacity = capacity;
	return true;
}

/* The id of WANTED, which may be new; 0: no memory. */
static uint32_t code_find(struct mr_store *store, struct trace_index *index,
                          const struct mr_tracked_code *wanted)
{
	if (!code_make_room(store, index))
		return 0;

	uint32_t *const at = code_at(store, index->codes, index->code_capacity, wanted);
	if (*at == 0) {
		*at = mr_store_add_code(store, wanted->file, wanted->function, wanted->line);
		if (*at != 0)
			index->code_count++;
	}
	return *at;
}

/* The text of an attribute of CODE; 0: no memory, with a Python error. */
static uint32_t code_text(struct mr_store *store, PyObject *code, const char *attribute)
{
	PyObject *const text = PyObject_GetAttrString(code, attribute);
	uint32_t id = 0;

	if (text != NULL && PyUnicode_Check(text))
		id = mr_store_add_string(store, text);
	Py_XDECREF(text);
	return id;
}

/* ---- Traces --------------------------------------------------------------------------- */

/* What a position means, found out and remembered.  NULL: no memory. */
static const struct position *position_learn(struct mr_store *store, struct trace_index *index,
                                             const struct place *where)
{
	const int line = PyCode_Addr2Line((PyCodeObject *)where->code, where->instruction);
	const struct mr_tracked_code wanted = {
		.file = code_text(store, where->code, "co_filename"),
		.function = code_text(store, where->code, "co_name"),
		.line = line > 0 ? (uint32_t)line : 0,
	};
	PyObject *const reference =
		wanted.file == 0 || wanted.function == 0 ? NULL : PyWeakref_NewRef(where->code, NULL);

	if (reference == NULL)
		return NULL;
	/* From here on no object is made, so the tables stay as they are found. */
	const uint32_t code = code_find(store, index, &wanted);
	if (code == 0 || !position_make_room(index)) {
		Py_DECREF(reference);
		return NULL;
	}

	struct position *const position = position_at(index, where->code, where->instruction);
	PyObject *const before = position->reference;
	if (before == NULL)
		index->position_count++;
	else
		index->step_count = 0;
	*position = (struct position){ .reference = reference,
		                       .address = where->code,
		                       .instruction = where->instruction,
		                       .code = code };
	Py_XDECREF(before); /* a weak reference without a callback: nothing runs */
	return position;
}

static const struct position *position_find(struct mr_store *store, struct trace_index *index,
                                            const struct place *where)
{
	if (index->position_capacity != 0) {
		const struct position *const position = position_at(index, where->code, where->instruction);

		if (position->reference != NULL && leads_to(position->reference, where->code))
			return position;
	}
	return position_learn(store, index, where);
}

/* How many of the outermost frames are where they were at the trace before. */
static size_t steps_shared(const struct trace_index *index, const struct place *places, size_t count)
{
	const size_t most = count < index->step_count ? count : index->step_count;
	size_t i = 0;

	while (i < most && index->steps[i].address == places[i].code &&
	       index->steps[i].instruction == places[i].instruction &&
	       leads_to(index->steps[i].reference, places[i].code))
		i++;
	return i;
}

static uint32_t trace(struct mr_store *store, struct trace_index *index)
{
	struct place places[MR_LOG_STACK_DEPTH_MAX];
	const uint64_t turn = ++index->turn;
	const size_t count = places_of_frames(places);
	size_t done = steps_shared(index, places, count);
	uint32_t stack = done > 0 ? index->steps[done - 1].stack : 0;

	for (; done < count; done++) {
		const struct position *const position = position_find(store, index, &places[done]);
		if (position == NULL)
			return 0;
		stack = mr_store_add_stack(store, stack, position->code);
		if (stack == 0)
			return 0;
		/* Not when there was a trace within this one, nor when the table grew. */
		if (index->turn == turn && index->step_count >= done) {
			index->steps[done] = (struct step){
				.reference = position->reference,
				.address = position->address,
				.instruction = position->instruction,
				.stack = stack,
			};
			index->step_count = done + 1;
		}
	}
	if (index->turn == turn && index->step_count > count)
		index->step_count = count;
	return stack;
}

uint32_t mr_store_trace(struct mr_store *store)
{
	PyObject *type, *value, *traceback;

	if (store->trace_index == NULL) {
		store->trace_index = mr_alloc(sizeof(struct trace_index));
		if (store->trace_index == NULL)
			return 0;
	}
	if (MR_LIKELY(PyErr_Occurred() == NULL)) {
		const uint32_t stack = trace(store, store->trace_index);

		if (MR_UNLIKELY(stack == 0))
			PyErr_Clear();
		return stack;
	}
	/* An object that is made while an error is on its way. */
	PyErr_Fetch(&type, &value, &traceback);
	const uint32_t stack = trace(store, store->trace_index);
	PyErr_Restore(type, value, traceback);
	return stack;
}

void mr_store_trace_free(struct mr_store *store)
{
	struct trace_index *const index = store->trace_index;

	if (index == NULL)
		return;
	store->trace_index = NULL;
	for (size_t i = 0; i < index->position_capacity; i++)
		Py_XDECREF(index->positions[i].reference);
	mr_free(index->positions);
	mr_free(index->codes);
	mr_free(index);
}
