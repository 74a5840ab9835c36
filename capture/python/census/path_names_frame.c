/* SPDX-License-Identifier: MIT
 *
 * See path_names_frame.h.  What each version does:
 *
 * 3.10  every frame is an object
 * 3.11  a frame is a record on the thread's own stack, in a generator, or in a frame
 *       object that has outlived its call; fields in two groups, of which the order
 *       changed with 3.12
 * 3.13  what is executed need not be a code object
 */
#include "path_names_frame.h"

#include "census_private.h"

#if PY_VERSION_HEX < 0x030B0000

const void *mr_frame_innermost(PyThreadState *thread)
{
	return thread->frame;
}

void mr_frame_look(const void *place, struct mr_frame *frame)
{
	const struct _frame *const own = place;
	const PyCodeObject *const code = own->f_code;

	*frame = (struct mr_frame){
		.back = own->f_back,
		.object = (PyObject *)(uintptr_t)place,
		.caller = (PyObject *)own->f_back,
		.code = (PyObject *)own->f_code,
		.globals = own->f_globals,
		.locals = own->f_locals,
		.values = own->f_localsplus,
		.count = code->co_nlocals + PyTuple_GET_SIZE(code->co_cellvars) +
		         PyTuple_GET_SIZE(code->co_freevars),
	};
}

bool mr_frame_of(PyObject *object, struct mr_frame *frame)
{
	if (!PyFrame_Check(object)) {
		if (!PyGen_Check(object) && !PyCoro_CheckExact(object) && !PyAsyncGen_CheckExact(object))
			return false;
		object = (PyObject *)((PyGenObject *)object)->gi_frame;
	}
	if (object)
		mr_frame_look(object, frame);
	return object != NULL;
}

PyObject *mr_frame_name(const struct mr_frame *frame, Py_ssize_t at)
{
	const PyCodeObject *const code = (const PyCodeObject *)frame->code;
	PyObject *const lists[] = { code->co_varnames, code->co_cellvars, code->co_freevars };
	const Py_ssize_t counts[] = { code->co_nlocals, PyTuple_GET_SIZE(code->co_cellvars),
		                      PyTuple_GET_SIZE(code->co_freevars) };

	for (size_t i = 0; i < MR_ARRAY_LEN(lists); i++) {
		if (at < counts[i])
			return at < PyTuple_GET_SIZE(lists[i]) ? PyTuple_GET_ITEM(lists[i], at) : NULL;
		at -= counts[i];
	}
	return NULL;
}

bool mr_frame_is_cell(const struct mr_frame *frame, Py_ssize_t at)
{
	return at >= ((const PyCodeObject *)frame->code)->co_nlocals;
}

#else

#define OWNED_BY_INTERPRETER 3 /* and more: no frame of a program */
#define STATE_COMPLETED 1      /* those below: the generator has its frame */
#define KIND_CELL 0x40
#define KIND_FREE 0x80

#if PY_VERSION_HEX < 0x030C0000
struct record {
	PyObject *function;
	PyObject *globals;
	PyObject *builtins;
	PyObject *locals;
	PyObject *code;
	PyObject *object;
	struct record *previous;
	void *instruction;
	int stack_top;
	bool is_entry;
	char owner;
	PyObject *values[];
};
#else
struct record {
	PyObject *code;
	struct record *previous;
	PyObject *function; /* from here on only where the interpreter does not own it */
	PyObject *globals;
	PyObject *builtins;
	PyObject *locals;
	PyObject *object;
	void *instruction;
	int stack_top;
	uint16_t return_offset;
	char owner;
	PyObject *values[];
};
#endif

struct frame_object { /* the beginning of PyFrameObject */
	PyObject_HEAD PyFrameObject *back;
	struct record *record;
};

const void *mr_frame_innermost(PyThreadState *thread)
{
#if PY_VERSION_HEX < 0x030D0000
	return thread->cframe ? thread->cframe->current_frame : NULL;
#else
	return thread->current_frame;
#endif
}

void mr_frame_look(const void *place, struct mr_frame *frame)
{
	const struct record *const record = place;

	*frame = (struct mr_frame){ .back = record->previous };
	if (record->owner >= OWNED_BY_INTERPRETER || !record->code || !PyCode_Check(record->code))
		return;
	frame->object = record->object;
	frame->code = record->code;
	frame->function = record->function;
	frame->globals = record->globals;
	frame->locals = record->locals;
	frame->values = record->values;
	frame->count = ((PyCodeObject *)record->code)->co_nlocalsplus;
	/* -1 while it runs itself, or C code that it called. */
	if (record->stack_top > frame->count)
		frame->stack_count = record->stack_top - frame->count;
}

bool mr_frame_of(PyObject *object, struct mr_frame *frame)
{
	const void *place = NULL;

	if (PyFrame_Check(object)) {
		place = ((const struct frame_object *)(const void *)object)->record;
	} else if (PyGen_Check(object) || PyCoro_CheckExact(object) || PyAsyncGen_CheckExact(object)) {
		const PyGenObject *const generator = (const PyGenObject *)object;

		if (generator->gi_frame_state < STATE_COMPLETED)
			place = generator->gi_iframe;
	}
	if (!place)
		return false;
	mr_frame_look(place, frame);
	if (PyFrame_Check(object))
		frame->caller = (PyObject *)((const struct frame_object *)(const void *)object)->back;
	return frame->code != NULL;
}

PyObject *mr_frame_name(const struct mr_frame *frame, Py_ssize_t at)
{
	PyObject *const names = ((PyCodeObject *)frame->code)->co_localsplusnames;

	return at < PyTuple_GET_SIZE(names) ? PyTuple_GET_ITEM(names, at) : NULL;
}

bool mr_frame_is_cell(const struct mr_frame *frame, Py_ssize_t at)
{
	PyObject *const kinds = ((PyCodeObject *)frame->code)->co_localspluskinds;

	return at < PyBytes_GET_SIZE(kinds) &&
	       (PyBytes_AS_STRING(kinds)[at] & (char)(KIND_CELL | KIND_FREE)) != 0;
}

#endif

bool mr_frame_is_own(const struct mr_frame *frame)
{
	Py_ssize_t at = 0;
	PyObject *key;
	PyObject *value;

	/* By going through its first entries: a lookup might compare keys by Python code. */
	if (!frame->globals || !PyDict_Check(frame->globals))
		return false;
	for (int looked = 0; looked < 8 && PyDict_Next(frame->globals, &at, &key, &value); looked++) {
		if (mr_is_name_in(key, "__package__"))
			return mr_is_name_in(value, "memcapture");
	}
	return false;
}
