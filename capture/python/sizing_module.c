/* SPDX-License-Identifier: MIT
 *
 * See sizing_module.h.
 */
#include "sizing_module.h"

#include "asized.h"
#include "asizer.h"
#include "size_functions.h"

#define MAPPED_PART_DEFAULT 0.01
#define KEYWORDS_FUNCTION(function) (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS
#define ONE_OPTIONS "derive=False, frames=False, infer=False, save=False"

static PyMethodDef size_functions[] = {
	{ "basicsize", KEYWORDS_FUNCTION(mr_size_basicsize),
	  PyDoc_STR("basicsize($module, /, obj, *, " ONE_OPTIONS ")\n--\n\n"
	            "The basic size of an object's type, in bytes.") },
	{ "itemsize", KEYWORDS_FUNCTION(mr_size_itemsize),
	  PyDoc_STR("itemsize($module, /, obj, *, " ONE_OPTIONS ")\n--\n\n"
	            "The size of an object's items, in bytes.") },
	{ "flatsize", KEYWORDS_FUNCTION(mr_size_flatsize),
	  PyDoc_STR("flatsize($module, /, obj, align=0, " ONE_OPTIONS ")\n--\n\n"
	            "The size of an object without its referents, in bytes.") },
	{ "leng", KEYWORDS_FUNCTION(mr_size_leng),
	  PyDoc_STR("leng($module, /, obj, *, " ONE_OPTIONS ")\n--\n\n"
	            "The number of items that an object has room for, or None.") },
	{ "refs", KEYWORDS_FUNCTION(mr_size_refs),
	  PyDoc_STR("refs($module, /, obj, *, " ONE_OPTIONS ")\n--\n\n"
	            "An iterator of an object's referents, or None.") },
	{ "named_refs", KEYWORDS_FUNCTION(mr_size_named_refs),
	  PyDoc_STR("named_refs($module, /, obj, *, " ONE_OPTIONS ")\n--\n\n"
	            "The referents that have names, a list of (name, object).") },
	{ "adict", mr_size_adict, METH_VARARGS,
	  PyDoc_STR("adict($module, /, *classes)\n--\n\n"
	            "Walks instances of these classes as dicts.  True when all of them are like dicts.") },
	{ "amapped", KEYWORDS_FUNCTION(mr_size_amapped),
	  PyDoc_STR("amapped($module, /, percentage=None)\n--\n\n"
	            "The percentage of a mapped file that numpy.memmap objects are taken to have in\n"
	            "memory, as it was before this call sets another.") },
	{ "_show", mr_size_show, METH_VARARGS, PyDoc_STR("repr(obj), clipped.") },
	{ "_dict_types", mr_size_dict_types, METH_NOARGS,
	  PyDoc_STR("The classes that are walked as dicts.") },
	{ NULL, NULL, 0, NULL },
};

int mr_sizing_add_to_module(PyObject *module)
{
	struct mr_sizing_state *const state = mr_sizing_state_of(module);

	state->mapped_part = MAPPED_PART_DEFAULT;
	state->adicts = Py_BuildValue("{s(ss)s(ss)}", "UserDict", "IterableUserDict", "UserDict", "weakref",
	                              "WeakKeyDictionary", "WeakValueDictionary");
	if (!state->adicts || mr_asized_add_to_module(module) < 0 || mr_asizer_add_to_module(module) < 0)
		return -1;
	return PyModule_AddFunctions(module, size_functions);
}

int mr_sizing_traverse(struct mr_sizing_state *state, visitproc visit, void *arg)
{
	Py_VISIT(state->asized_type);
	Py_VISIT(state->asizer_type);
	Py_VISIT(state->adicts);
	Py_VISIT(state->memory);
	return mr_sizing_statics_traverse(state->statics, visit, arg);
}

int mr_sizing_clear(struct mr_sizing_state *state)
{
	Py_CLEAR(state->asized_type);
	Py_CLEAR(state->asizer_type);
	Py_CLEAR(state->adicts);
	Py_CLEAR(state->memory);
	return 0;
}

void mr_sizing_free(struct mr_sizing_state *state)
{
	struct mr_sizing_statics *const statics = state->statics;

	(void)mr_sizing_clear(state);
	state->statics = NULL;
	mr_sizing_statics_clear(statics);
	if (statics)
		mr_free(statics->rules);
	mr_free(statics);
}
