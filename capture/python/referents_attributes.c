/* SPDX-License-Identifier: MIT
 *
 * Attributes and names (referents.h) that are had without disturbing the object.
 * What runs, because names are defined by it, is str() and repr().
 */
#include "referents.h"

#define ENTRY_CLIP 80 /* of a dict's values, whatever the sizer's own clip is */

int mr_drop_error(void)
{
	if (!PyErr_Occurred())
		return 0;
	if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt))
		return -1;
	PyErr_Clear();
	return 0;
}

/* ---- Attributes ------------------------------------------------------------------ */

static bool is_getter(PyObject *descriptor)
{
	return Py_IS_TYPE(descriptor, &PyGetSetDescr_Type) || Py_IS_TYPE(descriptor, &PyMemberDescr_Type);
}

static PyObject *ask_descriptor(PyObject *descriptor, PyObject *object)
{
	PyObject *const value =
		Py_TYPE(descriptor)->tp_descr_get(descriptor, object, (PyObject *)Py_TYPE(object));

	if (!value)
		PyErr_Clear(); /* written in C: an attribute that is not set */
	return value;
}

PyObject *mr_attribute_get(PyObject *object, PyObject *name)
{
	PyTypeObject *const type = Py_TYPE(object);
	PyObject *found = _PyType_Lookup(type, name);

	if (found && is_getter(found))
		return ask_descriptor(found, object);
	if (PyMethod_Check(object) && !found) /* a method shows what its function has */
		return mr_attribute_get(PyMethod_GET_FUNCTION(object), name);
	if (!PyType_Check(object)) {
		PyObject *const value = mr_instance_dict_get(object, mr_instance_dict_kind(type), name);

		if (value)
			return value;
		if (type != Py_TYPE(object)) /* looking at its dict ran Python code */
			return NULL;
	}
	found = _PyType_Lookup(type, name);
	if (!found)
		return NULL;
	if (Py_IS_TYPE(found, &PyMethodDescr_Type))
		return ask_descriptor(found, object);
	return Py_TYPE(found)->tp_descr_get ? NULL : Py_NewRef(found);
}

PyObject *mr_attribute_get_string(PyObject *object, const char *name)
{
	PyObject *const text = PyUnicode_InternFromString(name);
	PyObject *const value = text ? mr_attribute_get(object, text) : NULL;

	if (!text)
		PyErr_Clear();
	Py_XDECREF(text);
	return value;
}

static int keep_first(PyObject *object, void *arg)
{
	PyObject **const first = arg;

	if (!*first)
		*first = object;
	return 0;
}

PyObject *mr_mappingproxy_dict(PyObject *proxy)
{
	PyObject *mapping = NULL;

	if (!Py_IS_TYPE(proxy, &PyDictProxy_Type))
		return NULL;
	(void)PyDictProxy_Type.tp_traverse(proxy, keep_first, &mapping);
	return mapping && PyDict_Check(mapping) && !PyODict_Check(mapping) ? mapping : NULL;
}

/* ---- Names ------------------------------------------------------------------------ */

static PyObject *not_available(void)
{
	return mr_drop_error() < 0 ? NULL : PyUnicode_FromString("N/A");
}

PyObject *mr_str_of(PyObject *object)
{
	PyObject *const text = PyObject_Str(object);

	return text ? text : not_available();
}

/* TEXT is taken. */
static PyObject *without_newlines_take(PyObject *text)
{
	const Py_ssize_t at = PyUnicode_FindChar(text, '\n', 0, PyUnicode_GET_LENGTH(text), 1);

	if (at < 0)
		return text;

	PyObject *const newline = PyUnicode_FromString("\n");
	PyObject *const escaped = PyUnicode_FromString("\\n");
	PyObject *const replaced = newline && escaped ? PyUnicode_Replace(text, newline, escaped, -1) : NULL;

	Py_XDECREF(newline);
	Py_XDECREF(escaped);
	Py_DECREF(text);
	return replaced;
}

PyObject *mr_repr_clipped(PyObject *object, Py_ssize_t clip)
{
	PyObject *text = PyObject_Repr(object);

	text = text ? without_newlines_take(text) : not_available();
	if (!text || clip <= 0 || PyUnicode_GET_LENGTH(text) <= clip || clip / 2 - 2 <= 0)
		return text;

	const Py_ssize_t half = clip / 2 - 2;
	const Py_ssize_t len = PyUnicode_GET_LENGTH(text);
	PyObject *const head = PyUnicode_Substring(text, 0, half);
	PyObject *const tail = PyUnicode_Substring(text, len - half, len);
	PyObject *const clipped = head && tail ? PyUnicode_FromFormat("%U....%U", head, tail) : NULL;

	Py_XDECREF(head);
	Py_XDECREF(tail);
	Py_DECREF(text);
	return clipped;
}

PyObject *mr_name_of(const struct mr_sizing_statics *statics, PyObject *object, Py_ssize_t clip)
{
	PyObject *const name = PyType_Check(object)
	                               ? PyUnicode_FromString(mr_class_name((PyTypeObject *)object))
	                               : mr_attribute_get(object, statics->name_name);

	if (name && PyUnicode_Check(name) && PyUnicode_GET_LENGTH(name) > 0)
		return name;
	Py_XDECREF(name);
	return mr_repr_clipped(object, clip);
}

int mr_entry_names(PyObject *key, PyObject *value, PyObject **key_name, PyObject **value_name)
{
	PyObject *const key_text = mr_str_of(key);
	PyObject *const value_text = key_text ? mr_repr_clipped(value, ENTRY_CLIP) : NULL;

	*key_name = value_text ? PyUnicode_FromFormat("[K] %U", key_text) : NULL;
	*value_name = *key_name ? PyUnicode_FromFormat("[V] %U: %U", key_text, value_text) : NULL;
	Py_XDECREF(key_text);
	Py_XDECREF(value_text);
	if (*value_name)
		return 0;
	Py_CLEAR(*key_name);
	return -1;
}
