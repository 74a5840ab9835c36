/* SPDX-License-Identifier: MIT
 *
 * Frames as they lie in memory: running ones, which since Python 3.11 are no objects
 * until someone asks for them, those of suspended generators, and frame objects.
 * Asking would make them, so this looks without asking.
 *
 * The only file that knows how the interpreter lays out frames.  Pointers that are
 * handed out are borrowed, and good until Python code runs.  Needs the GIL.  Private
 * to the extension _capture.
 */
#ifndef MR_PATH_NAMES_FRAME_H
#define MR_PATH_NAMES_FRAME_H

#include <Python.h>

#include <frameobject.h> /* PyFrame_Check() in 3.10 */

#include "base.h"

struct mr_frame {
	const void *back;        /* for mr_frame_look(): the caller's, or NULL */
	PyObject *object;        /* the frame object, or NULL */
	PyObject *caller;        /* the frame object that it keeps as its caller's, or NULL */
	PyObject *code;          /* NULL: the frame is the interpreter's own, and has nothing else */
	PyObject *function;      /* or NULL */
	PyObject *globals;       /* or NULL */
	PyObject *locals;        /* a mapping of a module's or a class's body, or NULL */
	PyObject *const *values; /* of local variables, cells and free variables; some may be NULL */
	Py_ssize_t count;
	Py_ssize_t stack_count; /* behind them: of an expression that waits for a call, as far as is known */
};

/* The innermost frame of THREAD, NULL when it runs no Python code; for mr_frame_look(). */
const void *mr_frame_innermost(PyThreadState *thread);
void mr_frame_look(const void *place, struct mr_frame *frame);

/* The frame of a frame object, or of a generator, coroutine or asynchronous generator.  False: it has
 * none, or none any more. */
bool mr_frame_of(PyObject *object, struct mr_frame *frame);

/* The name (a str, borrowed) of FRAME's value AT < count; NULL: it has none. */
PyObject *mr_frame_name(const struct mr_frame *frame, Py_ssize_t at);
/* Does FRAME keep the variable of that place in a cell? */
bool mr_frame_is_cell(const struct mr_frame *frame, Py_ssize_t at);

/* Is this a frame of a function of this package? */
bool mr_frame_is_own(const struct mr_frame *frame);

#endif
