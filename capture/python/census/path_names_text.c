/* SPDX-License-Identifier: MIT
 *
 * How objects and steps of a path are written (path_names.h).  Numbers and strings
 * are written by the interpreter's own code, whatever a subclass has in place of
 * it; of other objects only the type is told.
 */
#include "path_names.h"

#include "census_private.h"

#define PLAIN_TEXT_MAX 50 /* characters of a string, as Reftracker has it */
#define PLAIN_ITEMS_MAX 5
#define TUPLE_ITEMS_MAX 4
#define NUMBER_BITS_MAX 2048 /* of an int that is written: of larger ones that takes long, or is refused */

void mr_unicode_text(struct mr_buffer *out, PyObject *text, Py_ssize_t max)
{
	const Py_ssize_t len = PyUnicode_GET_LENGTH(text);

#if PY_VERSION_HEX < 0x030C0000
	if (PyUnicode_READY(text) < 0) {
		PyErr_Clear();
		return;
	}
#endif
	if (PyUnicode_IS_ASCII(text)) {
		mr_buffer_append(out, PyUnicode_DATA(text), (size_t)(len < max ? len : max));
		return;
	}

	/* Not through PyUnicode_AsUTF8(), which would keep the bytes with the string. */
	PyObject *const part = PyUnicode_Substring(text, 0, len < max ? len : max);
	PyObject *const bytes = part ? PyUnicode_AsEncodedString(part, "utf-8", "surrogatepass") : NULL;

	if (bytes)
		mr_buffer_append(out, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
	else
		PyErr_Clear();
	Py_XDECREF(bytes);
	Py_XDECREF(part);
}

static void append(struct mr_buffer *out, const char *text)
{
	mr_buffer_append(out, text, strlen(text));
}

/* Appends a new str, taken; NULL: a question mark. */
static void append_take(struct mr_buffer *out, PyObject *text)
{
	if (text && PyUnicode_Check(text)) {
		mr_unicode_text(out, text, PY_SSIZE_T_MAX);
	} else {
		PyErr_Clear();
		append(out, "?");
	}
	Py_XDECREF(text);
}

void mr_type_text(struct mr_buffer *out, const PyTypeObject *type)
{
	if (type->tp_flags & Py_TPFLAGS_HEAPTYPE) {
		PyObject *const name = ((const PyHeapTypeObject *)type)->ht_name;

		if (name && PyUnicode_Check(name)) {
			mr_unicode_text(out, name, PY_SSIZE_T_MAX);
			return;
		}
	}

	const char *const dot = type->tp_name ? strrchr(type->tp_name, '.') : NULL;

	append(out, dot ? dot + 1 : type->tp_name ? type->tp_name : "?");
}

/* "<name name>": as Reftracker shows what it knows nothing of. */
static void append_unknown(struct mr_buffer *out, PyObject *object)
{
	append(out, "<");
	mr_type_text(out, Py_TYPE(object));
	append(out, " ");
	mr_type_text(out, Py_TYPE(object));
	append(out, ">");
}

static bool append_number(struct mr_buffer *out, PyObject *object)
{
	if (PyBool_Check(object))
		append(out, object == Py_True ? "True" : "False");
	else if (PyLong_Check(object) && _PyLong_NumBits(object) > NUMBER_BITS_MAX)
		append_unknown(out, object);
	else if (PyLong_Check(object))
		append_take(out, PyLong_Type.tp_repr(object));
	else if (PyFloat_Check(object))
		append_take(out, PyFloat_Type.tp_repr(object));
	else
		return false;
	return true;
}

/* The key of a dict as str() has it, where that is the interpreter's own. */
static void append_key(struct mr_buffer *out, PyObject *key)
{
	if (append_number(out, key))
		return;
	if (PyUnicode_Check(key))
		mr_unicode_text(out, key, PY_SSIZE_T_MAX);
	else if (key == Py_None)
		append(out, "None");
	else if (PyBytes_CheckExact(key))
		append_take(out, PyBytes_Type.tp_repr(key));
	else
		append_unknown(out, key);
}

struct listing {
	struct mr_buffer *out;
	const PyObject *type;
	int shown;
};

static int list_type(PyObject *object, void *context)
{
	struct listing *const listing = context;

	if (object == listing->type || listing->shown > PLAIN_ITEMS_MAX)
		return 0;
	if (listing->shown++ == PLAIN_ITEMS_MAX) {
		append(listing->out, ",...");
		return 0;
	}
	if (listing->shown > 1)
		append(listing->out, ",");
	mr_type_text(listing->out, Py_TYPE(object));
	return 0;
}

/* "<list [int,str]>": ITEMS, or what tp_traverse finds. */
static void append_items(struct mr_buffer *out, PyObject *object, PyObject *const *items, Py_ssize_t count)
{
	struct listing listing = { .out = out, .type = (PyObject *)Py_TYPE(object) };

	append(out, "<");
	mr_type_text(out, Py_TYPE(object));
	append(out, " [");
	for (Py_ssize_t i = 0; items && i < count && i <= PLAIN_ITEMS_MAX; i++) {
		if (items[i])
			(void)list_type(items[i], &listing);
	}
	if (!items)
		(void)Py_TYPE(object)->tp_traverse(object, list_type, &listing);
	append(out, "]>");
}

static void append_dict(struct mr_buffer *out, PyObject *dict)
{
	Py_ssize_t at = 0;
	PyObject *key;
	PyObject *value;
	int shown = 0;

	append(out, "<dict {");
	while (PyDict_Next(dict, &at, &key, &value)) {
		if (shown > 0)
			append(out, ",");
		if (shown++ == PLAIN_ITEMS_MAX) {
			append(out, "...");
			break;
		}
		append_key(out, key);
	}
	append(out, "}>");
}

static void append_bytes(struct mr_buffer *out, PyObject *object, Py_ssize_t count)
{
	append(out, "<");
	mr_type_text(out, Py_TYPE(object));
	append(out, " [");
	for (Py_ssize_t i = 0; i < count && i < PLAIN_ITEMS_MAX; i++)
		append(out, i > 0 ? ",int" : "int");
	append(out, count > PLAIN_ITEMS_MAX ? ",...]>" : "]>");
}

static void append_string(struct mr_buffer *out, PyObject *text)
{
	const bool cut = PyUnicode_GET_LENGTH(text) > PLAIN_TEXT_MAX;

	if (cut)
		append(out, "\"");
	mr_unicode_text(out, text, PLAIN_TEXT_MAX);
	if (cut)
		append(out, "...\"");
}

static void append_module(struct mr_buffer *out, PyObject *module)
{
	PyObject *const name = mr_census_dict_value(PyModule_GetDict(module), "__name__");

	if (name && PyUnicode_Check(name))
		mr_unicode_text(out, name, PY_SSIZE_T_MAX);
	else
		append_unknown(out, module);
}

void mr_object_text(struct mr_buffer *out, PyObject *object)
{
	if (append_number(out, object))
		return;
	if (PyDict_Check(object))
		append_dict(out, object);
	else if (PyUnicode_Check(object))
		append_string(out, object);
	else if (PyList_Check(object))
		append_items(out, object, ((PyListObject *)object)->ob_item, PyList_GET_SIZE(object));
	else if (PyTuple_Check(object))
		append_items(out, object, ((PyTupleObject *)object)->ob_item, PyTuple_GET_SIZE(object));
	else if (PyAnySet_CheckExact(object) || mr_is_deque(object))
		append_items(out, object, NULL, 0);
	else if (PyBytes_Check(object))
		append_bytes(out, object, PyBytes_GET_SIZE(object));
	else if (PyByteArray_Check(object))
		append_bytes(out, object, PyByteArray_GET_SIZE(object));
	else if (PyModule_Check(object))
		append_module(out, object);
	else
		append_unknown(out, object);
}

/* ---- Steps --------------------------------------------------------------------------------- */

/* A key as it stands in a program's text. */
static void append_python_key(struct mr_buffer *out, PyObject *key, bool nested)
{
	if (PyUnicode_Check(key)) {
		PyObject *const text = PyUnicode_GET_LENGTH(key) > PLAIN_TEXT_MAX
		                               ? PyUnicode_Substring(key, 0, PLAIN_TEXT_MAX)
		                               : Py_NewRef(key);

		append_take(out, text ? PyUnicode_Type.tp_repr(text) : NULL);
		if (PyUnicode_GET_LENGTH(key) > PLAIN_TEXT_MAX)
			append(out, "...");
		Py_XDECREF(text);
	} else if (PyType_Check(key)) {
		mr_type_text(out, (PyTypeObject *)key);
	} else if (PyTuple_CheckExact(key) && !nested) {
		append(out, "(");
		for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(key) && i <= TUPLE_ITEMS_MAX; i++) {
			if (i > 0)
				append(out, ", ");
			if (i == TUPLE_ITEMS_MAX)
				append(out, "...");
			else
				append_python_key(out, PyTuple_GET_ITEM(key, i), true);
		}
		append(out, PyTuple_GET_SIZE(key) == 1 ? ",)" : ")");
	} else if (!append_number(out, key)) {
		if (key == Py_None || PyBytes_CheckExact(key)) {
			append_key(out, key);
		} else {
			append(out, "<");
			mr_type_text(out, Py_TYPE(key));
			append(out, ">");
		}
	}
}

static void append_step_key(struct mr_buffer *out, PyObject *key, enum mr_step_style style)
{
	if (style == MR_STEP_PLAIN)
		mr_object_text(out, key);
	else
		append_python_key(out, key, false);
}

void mr_step_text(struct mr_buffer *out, const struct mr_step *step, enum mr_step_style style)
{
	switch (step->kind) {
	case MR_STEP_ATTRIBUTE:
		append(out, ".");
		if (step->is_word)
			append(out, step->word);
		else
			mr_unicode_text(out, step->object, PY_SSIZE_T_MAX);
		break;
	case MR_STEP_INDEX:
		mr_buffer_printf(out, "[%llu]", (unsigned long long)step->index);
		break;
	case MR_STEP_KEY:
		append(out, "[");
		append_step_key(out, step->object, style);
		append(out, "]");
		break;
	case MR_STEP_IS_KEY:
		append(out, style == MR_STEP_PLAIN ? "[key:" : "<key ");
		append_step_key(out, step->object, style);
		append(out, style == MR_STEP_PLAIN ? "]" : ">");
		break;
	case MR_STEP_MEMBER:
		append(out, "{...}");
		break;
	case MR_STEP_DICT:
		append(out, ".__dict__");
		break;
	case MR_STEP_NOTHING:
		break;
	case MR_STEP_UNKNOWN:
		append(out, style == MR_STEP_PLAIN ? " ? " : ".?");
		break;
	}
}
