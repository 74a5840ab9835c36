/* SPDX-License-Identifier: MIT
 *
 * The extension _capture: sizes of Python objects and the tracker.  Each
 * interpreter that imports it has a module of its own with types of its own; the
 * interpreters must share one GIL, because libmemcapture's memory and feeds are
 * the process's.
 */
#include "module_capture.h"

struct mr_sizing_state *mr_sizing_state_of(PyObject *module)
{
	return &mr_capture_state(module)->sizing;
}

struct mr_census_state *mr_census_state_of(PyObject *module)
{
	return &mr_capture_state(module)->census;
}

static int module_exec(PyObject *module)
{
	struct mr_capture_state *const state = mr_capture_state(module);

	state->zero_ns = mr_clock_monotonic_ns();
	state->init_name = PyUnicode_InternFromString("__init__");
	if (state->init_name == NULL)
		return -1;
	if (mr_sizing_add_to_module(module) < 0 || mr_ref_add_to_module(module) < 0 ||
	    mr_observer_add_to_module(module) < 0 || mr_signature_add_to_module(module) < 0 ||
	    mr_watch_add_to_module(module) < 0 || mr_tracker_add_to_module(module) < 0 ||
	    mr_tracked_object_add_to_module(module) < 0 || mr_tracked_views_add_to_module(module) < 0 ||
	    mr_census_add_to_module(module) < 0)
		return -1;
	return 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
	struct mr_capture_state *const state = mr_capture_state(module);

	Py_VISIT(state->ref_type);
	Py_VISIT(state->tracker_type);
	Py_VISIT(state->watch_type);
	Py_VISIT(state->observer_type);
	Py_VISIT(state->signature_type);
	Py_VISIT(state->object_type);
	Py_VISIT(state->list_type);
	Py_VISIT(state->mapping_type);
	Py_VISIT(state->iterator_type);
	Py_VISIT(state->on_death);
	Py_VISIT(state->dead_ref);
	const int result = mr_census_traverse(&state->census, visit, arg);
	return result != 0 ? result : mr_sizing_traverse(&state->sizing, visit, arg);
}

/* What leads back to the module but for its types, which lose it when they are cleared.  The rest stays:
 * while all of this is being collected, Python code may still call what is in it. */
static int module_clear(PyObject *module)
{
	Py_CLEAR(mr_capture_state(module)->on_death);
	return 0;
}

static void module_free(void *module)
{
	struct mr_capture_state *const state = mr_capture_state(module);

	Py_CLEAR(state->ref_type);
	Py_CLEAR(state->tracker_type);
	Py_CLEAR(state->watch_type);
	Py_CLEAR(state->observer_type);
	Py_CLEAR(state->signature_type);
	Py_CLEAR(state->object_type);
	Py_CLEAR(state->list_type);
	Py_CLEAR(state->mapping_type);
	Py_CLEAR(state->iterator_type);
	Py_CLEAR(state->on_death);
	Py_CLEAR(state->dead_ref);
	Py_CLEAR(state->init_name);
	Py_CLEAR(state->signature_name);
	mr_census_clear(&state->census);
	mr_sizing_free(&state->sizing);
}

static PyModuleDef_Slot module_slots[] = {
	{ Py_mod_exec, (void *)module_exec },
#ifdef Py_mod_multiple_interpreters
	{ Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_SUPPORTED },
#endif
#ifdef Py_mod_gil
	{ Py_mod_gil, Py_MOD_GIL_USED },
#endif
	{ 0, NULL },
};

static struct PyModuleDef module_definition = {
	PyModuleDef_HEAD_INIT,
	.m_name = "_capture",
	.m_doc = "Sizes and tracks Python objects; see memcapture.classtracker and memcapture.asizeof.",
	.m_size = sizeof(struct mr_capture_state),
	.m_slots = module_slots,
	.m_traverse = module_traverse,
	.m_clear = module_clear,
	.m_free = module_free,
};

PyObject *mr_sizing_module_of(PyTypeObject *type)
{
	for (PyTypeObject *at = type; at != NULL; at = at->tp_base) {
		PyObject *const module = PyType_HasFeature(at, Py_TPFLAGS_HEAPTYPE)
		                                 ? ((PyHeapTypeObject *)at)->ht_module
		                                 : NULL;

		if (module != NULL && PyModule_Check(module) && PyModule_GetDef(module) == &module_definition)
			return module;
	}
	return NULL;
}

PyMODINIT_FUNC PyInit__capture(void);
PyMODINIT_FUNC PyInit__capture(void)
{
	return PyModuleDef_Init(&module_definition);
}
