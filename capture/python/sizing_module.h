/* SPDX-License-Identifier: MIT
 *
 * What the extension _capture holds for asizeof: the types Asized and Asizer, the
 * functions, and the little that sizing keeps for the whole interpreter.  The
 * module embeds the state and hands over its traverse, clear and exec.
 *
 * All functions need the GIL.  Private to the extension _capture.
 */
#ifndef MR_SIZING_MODULE_H
#define MR_SIZING_MODULE_H

#include <Python.h>

struct mr_sizing_statics; /* rules of the types that every sizer knows; type_rules.h */

/* All members are owned; zeros are an empty state. */
struct mr_sizing_state {
	PyTypeObject *asized_type;
	PyTypeObject *asizer_type;
	PyObject *adicts;   /* classes that are walked as dicts: {module: (name, ...)} */
	PyObject *memory;   /* type_memory.h; NULL: nothing kept yet */
	double mapped_part; /* amapped(), 0 to 1 */
	struct mr_sizing_statics *statics;
};

/* Adds types and functions to MODULE, and fills its state.  -1 with a Python error. */
int mr_sizing_add_to_module(PyObject *module);

int mr_sizing_traverse(struct mr_sizing_state *state, visitproc visit, void *arg);
int mr_sizing_clear(struct mr_sizing_state *state);
void mr_sizing_free(struct mr_sizing_state *state); /* memory that is no object's; after clear */

/* The state that MODULE embeds; module_capture.c defines it. */
struct mr_sizing_state *mr_sizing_state_of(PyObject *module);
/* The module of TYPE, one of ours or a class that was made of ours in Python; borrowed, NULL without an
 * error: it has lost it.  module_capture.c defines it. */
PyObject *mr_sizing_module_of(PyTypeObject *type);

#endif
