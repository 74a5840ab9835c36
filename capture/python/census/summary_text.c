/* SPDX-License-Identifier: MIT
 *
 * See summary_text.h.
 */
#include "summary_text.h"

#include "referents.h"

/* ---- Representations ------------------------------------------------------------- */

PyObject *mr_representation_of(PyObject *representations, PyTypeObject *type, Py_ssize_t verbosity)
{
	Py_ssize_t at = 0;
	PyObject *key;
	PyObject *levels;

	/* By identity: a metaclass may forbid that its classes are hashed or compared. */
	while (PyDict_Next(representations, &at, &key, &levels)) {
		if (key != (PyObject *)type || verbosity <= 0)
			continue;
		Py_INCREF(levels);

		const Py_ssize_t count = PyObject_Size(levels);
		const Py_ssize_t level = verbosity > count ? count - 1 : verbosity - 1;
		PyObject *const found = count < 0 ? NULL : PySequence_GetItem(levels, level);

		Py_DECREF(levels);
		return found;
	}
	return NULL;
}

/* "<class 'a.B'>". */
static PyObject *text_of_type(PyTypeObject *type)
{
	PyObject *text = PyObject_Str((PyObject *)type);

	if (!text && mr_drop_error() == 0) /* of a metaclass that shows its classes another way, and fails */
		text = PyType_Type.tp_repr((PyObject *)type);
	if (!text && mr_drop_error() == 0)
		text = PyUnicode_FromFormat("<class '%s'>", type->tp_name);
	return text;
}

static PyObject *summary_type_text(PyObject *module, PyObject *object)
{
	(void)module;
	return text_of_type(Py_TYPE(object));
}

static PyObject *summary_function_text(PyObject *module, PyObject *object)
{
	(void)module;
	if (!PyFunction_Check(object))
		return text_of_type(Py_TYPE(object));
	return PyUnicode_FromFormat("function (%U)", ((PyFunctionObject *)object)->func_name);
}

/* "module(NAME)", from its dict, so that no __getattr__ of the module runs. */
static PyObject *summary_module_text(PyObject *module, PyObject *object)
{
	PyObject *const dict = PyModule_Check(object) ? PyModule_GetDict(object) : NULL;
	PyObject *name = dict ? PyDict_GetItemString(dict, "__name__") : NULL;

	(void)module;
	if (!name && dict)
		name = PyDict_GetItemString(dict, "__file__");
	if (!name)
		return PyUnicode_FromFormat("module(nameless, id: %zu)", (size_t)object);
	if (PyUnicode_Check(name))
		return PyUnicode_FromFormat("module(%U)", name);
	Py_INCREF(name);

	PyObject *const text = PyUnicode_FromFormat("module(%S)", name);

	Py_DECREF(name);
	return text;
}

bool mr_representation_is_by_type(PyObject *representation)
{
	return PyCFunction_Check(representation) &&
	       PyCFunction_GET_FUNCTION(representation) == summary_type_text;
}

/* ---- Texts ----------------------------------------------------------------------- */

static bool is_hex(Py_UCS4 c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* The end of an address that begins at FROM, " at 0x7f12ab34", or FROM when there is none. */
static size_t address_end(const Py_UCS4 *text, size_t len, size_t from)
{
	static const char mark[] = " at 0x";
	size_t at = from;

	for (size_t i = 0; mark[i]; i++) {
		if (at == len || text[at++] != (Py_UCS4)mark[i])
			return from;
	}
	if (at == len || !is_hex(text[at]))
		return from;
	while (at < len && is_hex(text[at]))
		at++;
	return at;
}

/* Takes the addresses out of TEXT: how long it is then. */
static size_t drop_addresses(Py_UCS4 *text, size_t len)
{
	size_t to = 0;

	for (size_t from = 0; from < len;) {
		const size_t end = address_end(text, len, from);

		if (end == from)
			text[to++] = text[from++];
		else
			from = end;
	}
	return to;
}

/* Is TEXT "<class '...'>", with no space within the quotes? */
static bool is_class_text(const Py_UCS4 *text, size_t len, size_t *prefix_len)
{
	static const char *const prefixes[] = { "<class '", "<type '" };

	for (size_t i = 0; i < MR_ARRAY_LEN(prefixes); i++) {
		const size_t prefix = strlen(prefixes[i]);
		bool fits = len > prefix + 2 && text[len - 2] == '\'' && text[len - 1] == '>';

		for (size_t j = 0; fits && j < len - 2; j++)
			fits = j < prefix ? text[j] == (Py_UCS4)prefixes[i][j] : !Py_UNICODE_ISSPACE(text[j]);
		*prefix_len = prefix;
		if (fits)
			return true;
	}
	return false;
}

/* A new str, from one that is taken. */
static PyObject *plain_text(PyObject *text)
{
	Py_UCS4 *const copy = PyUnicode_AsUCS4Copy(text);
	size_t len = (size_t)PyUnicode_GET_LENGTH(text);
	size_t from = 0;

	Py_DECREF(text);
	if (!copy)
		return NULL;
	len = drop_addresses(copy, len);
	if (is_class_text(copy, len, &from))
		len -= from + 2;
	else
		from = 0;

	PyObject *const result =
		PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, copy + from, (Py_ssize_t)len);

	PyMem_Free(copy);
	return result;
}

PyObject *mr_summary_type_text(PyTypeObject *type)
{
	PyObject *const text = text_of_type(type);

	return text ? plain_text(text) : NULL;
}

PyObject *mr_summary_text(PyObject *representation, PyObject *object)
{
	PyObject *const text =
		representation ? PyObject_CallOneArg(representation, object) : text_of_type(Py_TYPE(object));

	if (text && !PyUnicode_Check(text)) {
		PyErr_Format(PyExc_TypeError, "a representation gave '%.200s', not a str",
		             Py_TYPE(text)->tp_name);
		Py_DECREF(text);
		return NULL;
	}
	return text ? plain_text(text) : NULL;
}

/* ---- The module ------------------------------------------------------------------- */

static PyObject *summary_text(PyObject *module, PyObject *args)
{
	PyObject *object;
	PyObject *representations;
	Py_ssize_t verbosity;

	(void)module;
	if (!PyArg_ParseTuple(args, "OO!n", &object, &PyDict_Type, &representations, &verbosity))
		return NULL;

	PyObject *const found = mr_representation_of(representations, Py_TYPE(object), verbosity);
	PyObject *const text = found || !PyErr_Occurred() ? mr_summary_text(found, object) : NULL;

	Py_XDECREF(found);
	return text;
}

static PyMethodDef functions[] = {
	{ "summary_text", summary_text, METH_VARARGS, "How a summary calls an object, by representations." },
	{ "summary_type_text", summary_type_text, METH_O, "str() of an object's type." },
	{ "summary_function_text", summary_function_text, METH_O, "\"function (NAME)\"." },
	{ "summary_module_text", summary_module_text, METH_O, "\"module(NAME)\"." },
	{ NULL, NULL, 0, NULL },
};

int mr_summary_text_add_to_module(PyObject *module)
{
	return PyModule_AddFunctions(module, functions);
}
