/* SPDX-License-Identifier: MIT
 *
 * Traces as inspect.stack() tells them: where an object was made, outermost first.
 */
#include "report_private.h"

/* (file, line, function, source), source None where the log has none. */
static PyObject *make_position(const struct memstats_position *position)
{
	PyObject *const file = mr_report_text(position->file[0] ? position->file : position->module);
	PyObject *const function = mr_report_text(position->function);
	PyObject *source = Py_NewRef(Py_None);
	PyObject *made = NULL;

	if (position->source[0] != '\0') {
		PyObject *const text = mr_report_text(position->source);

		Py_SETREF(source, text ? PyUnicode_Splitlines(text, 1) : NULL);
		Py_XDECREF(text);
	}
	if (file && function && source)
		made = Py_BuildValue("(OIOOi)", file, (unsigned)position->line, function, source, 0);
	Py_XDECREF(file);
	Py_XDECREF(function);
	Py_XDECREF(source);
	return made;
}

/* The position with its source: of the log, or of the file where it is there; None where neither has it. */
static PyObject *add_source(PyObject *get_source, PyObject *position)
{
	PyObject *const file = PyTuple_GET_ITEM(position, 0);
	PyObject *const line = PyTuple_GET_ITEM(position, 1);

	if (PyTuple_GET_ITEM(position, 3) != Py_None)
		return Py_NewRef(position);
	PyObject *const source = PyObject_CallFunctionObjArgs(get_source, file, line, NULL);

	if (!source)
		return NULL;
	PyObject *const made = PyTuple_Pack(5, file, line, PyTuple_GET_ITEM(position, 2), source,
	                                    source == Py_None ? Py_None : PyTuple_GET_ITEM(position, 4));

	Py_DECREF(source);
	return made;
}

PyObject *mr_report_trace(const struct memstats_object *details)
{
	PyObject *list = details->trace_count > 0 ? PyList_New(0) : Py_NewRef(Py_None);

	for (size_t i = details->trace_count; list && i-- > 0;) {
		PyObject *const position = make_position(&details->trace[i]);

		if (!position || PyList_Append(list, position) < 0)
			Py_CLEAR(list);
		Py_XDECREF(position);
	}
	return list;
}

PyObject *mr_report_trace_sources(PyObject *get_source, PyObject *trace)
{
	for (Py_ssize_t i = 0; trace && trace != Py_None && i < PyList_GET_SIZE(trace); i++) {
		PyObject *const position = add_source(get_source, PyList_GET_ITEM(trace, i));

		if (!position || PyList_SetItem(trace, i, position) < 0)
			Py_CLEAR(trace);
	}
	return trace;
}
