/* SPDX-License-Identifier: MIT
 *
 * The extension memcapture._report: logs and what is known of their objects, for
 * Stats, ConsoleStats and HtmlStats.  The rest of the package is its only user.
 */
#include "report_private.h"

struct mr_report_state *mr_report_state_of(PyObject *module)
{
	return PyModule_GetState(module);
}

struct mr_report_state *mr_report_state_of_type(PyTypeObject *type)
{
	return PyType_GetModuleState(type);
}

/* The attribute NAME of the module MODULE_NAME of this package. */
static PyObject *import_from(const char *module_name, const char *name)
{
	PyObject *const module = PyImport_ImportModule(module_name);

	if (!module)
		return NULL;
	PyObject *const found = PyObject_GetAttrString(module, name);

	Py_DECREF(module);
	return found;
}

static int report_exec(PyObject *module)
{
	struct mr_report_state *const state = mr_report_state_of(module);

	state->asized_type = import_from("memcapture._capture", "Asized");
	if (!state->asized_type)
		return -1;
	state->get_source = import_from("memcapture._source", "source_lines");
	if (!state->get_source || mr_report_log_add(module) < 0 || mr_report_list_add(module) < 0 ||
	    mr_report_walk_add(module) < 0 || mr_report_object_add(module) < 0)
		return -1;
	return 0;
}

static int report_traverse(PyObject *module, visitproc visit, void *arg)
{
	struct mr_report_state *const state = mr_report_state_of(module);

	Py_VISIT(state->log_type);
	Py_VISIT(state->list_type);
	Py_VISIT(state->iterator_type);
	Py_VISIT(state->object_type);
	Py_VISIT(state->asized_type);
	Py_VISIT(state->get_source);
	return 0;
}

static int report_clear(PyObject *module)
{
	struct mr_report_state *const state = mr_report_state_of(module);

	Py_CLEAR(state->log_type);
	Py_CLEAR(state->list_type);
	Py_CLEAR(state->iterator_type);
	Py_CLEAR(state->object_type);
	Py_CLEAR(state->asized_type);
	Py_CLEAR(state->get_source);
	return 0;
}

static void report_free(void *module)
{
	(void)report_clear(module);
}

static PyModuleDef_Slot report_slots[] = {
	{ Py_mod_exec, report_exec },
	{ 0, NULL },
};

static PyMethodDef report_methods[] = {
	{ "draw_graph", (PyCFunction)(void (*)(void))mr_report_draw_graph, METH_VARARGS | METH_KEYWORDS,
	  "Writes a drawing of objects and what refers to what." },
	{ NULL, NULL, 0, NULL },
};

struct PyModuleDef mr_report_module = {
	PyModuleDef_HEAD_INIT,
	.m_name = "memcapture._report",
	.m_doc = "Logs, and what is known of the objects in them; of use to the package itself.",
	.m_size = sizeof(struct mr_report_state),
	.m_methods = report_methods,
	.m_slots = report_slots,
	.m_traverse = report_traverse,
	.m_clear = report_clear,
	.m_free = report_free,
};

PyMODINIT_FUNC PyInit__report(void);
PyMODINIT_FUNC PyInit__report(void)
{
	return PyModuleDef_Init(&mr_report_module);
}

/* ---- What all files use ------------------------------------------------------------ */

int mr_report_raise(const struct memstats_error *error)
{
	PyObject *type = PyExc_ValueError;

	if (error->code == MEMSTATS_ERR_NOMEM)
		type = PyExc_MemoryError;
	else if (error->code == MEMSTATS_ERR_READ || error->code == MEMSTATS_ERR_WRITE)
		type = PyExc_OSError;
	PyObject *const message = mr_report_text(error->message);

	if (message) {
		PyErr_SetObject(type, message);
		Py_DECREF(message);
	}
	return -1;
}

_Static_assert(sizeof(struct memstats_error) == sizeof(struct memreport_error) &&
                       (int)MEMREPORT_ERR_NOMEM == (int)MEMSTATS_ERR_NOMEM &&
                       (int)MEMREPORT_ERR_READ == (int)MEMSTATS_ERR_READ &&
                       (int)MEMREPORT_ERR_WRITE == (int)MEMSTATS_ERR_WRITE,
               "one error under two names");

int mr_report_raise_rendering(const struct memreport_error *error)
{
	struct memstats_error same;

	memcpy(&same, error, sizeof(same));
	return mr_report_raise(&same);
}

PyObject *mr_report_text(const char *text)
{
	const Py_ssize_t len = (Py_ssize_t)strlen(text);
	PyObject *const made = PyUnicode_DecodeUTF8(text, len, "surrogatepass");

	if (made || !PyErr_ExceptionMatches(PyExc_UnicodeDecodeError))
		return made;
	PyErr_Clear();
	return PyUnicode_DecodeUTF8(text, len, "replace");
}

PyObject *mr_report_seconds(uint64_t time_ns)
{
	return PyFloat_FromDouble(mr_report_seconds_of(time_ns));
}
