/* SPDX-License-Identifier: MIT
 *
 * See graph.h: what an object looks like, in a few characters.  The repr() of a list
 * that leads through a million others has all of them in it, so this writes lists,
 * tuples, sets and dicts as repr() does, and stops where the text is full.  What is
 * in them at all depths takes a character each: that bounds the recursion.
 */
#include "graph.h"

#include "object_sizer.h"
#include "referents.h"
#include "type_rules.h"

#define CHARACTERS_MAX 128
#define WHOLE_MAX 4096 /* strings of up to this length are shown by their own repr() */

struct showing {
	Py_UCS4 text[CHARACTERS_MAX];
	size_t length;
	size_t limit;
	bool full;                      /* there was more */
	PyObject *path[CHARACTERS_MAX]; /* containers that it is inside of */
	size_t depth;
};

static int show_object(struct showing *showing, PyObject *object);

static void put(struct showing *showing, Py_UCS4 character)
{
	if (showing->length < showing->limit)
		showing->text[showing->length++] = character;
	else
		showing->full = true;
}

static void put_ascii(struct showing *showing, const char *text)
{
	for (; *text; text++)
		put(showing, (Py_UCS4)(unsigned char)*text);
}

static bool is_long(PyObject *object, Py_ssize_t limit)
{
	return (PyUnicode_CheckExact(object) && PyUnicode_GET_LENGTH(object) > limit) ||
	       (PyBytes_CheckExact(object) && PyBytes_GET_SIZE(object) > limit) ||
	       (PyByteArray_CheckExact(object) && PyByteArray_GET_SIZE(object) > limit);
}

/* By its own repr(). */
static int show_leaf(struct showing *showing, PyObject *object)
{
	PyObject *const part = is_long(object, CHARACTERS_MAX)
	                               ? PySequence_GetSlice(object, 0, CHARACTERS_MAX)
	                               : Py_NewRef(object);
	PyObject *const text = part ? PyObject_Repr(part) : NULL;

	Py_XDECREF(part);
	if (!text) {
		put_ascii(showing, "N/A");
		return mr_drop_error();
	}
	for (Py_ssize_t i = 0; i < PyUnicode_GET_LENGTH(text) && !showing->full; i++)
		put(showing, PyUnicode_READ_CHAR(text, i));
	Py_DECREF(text);
	return 0;
}

/* ---- Containers -------------------------------------------------------------------- */

static int show_list(struct showing *showing, PyObject *list)
{
	int status = 0;

	put(showing, '[');
	for (Py_ssize_t i = 0; status == 0 && !showing->full && i < PyList_GET_SIZE(list); i++) {
		PyObject *const item = Py_XNewRef(PyList_GET_ITEM(list, i));

		if (i)
			put_ascii(showing, ", ");
		status = show_object(showing, item);
		Py_XDECREF(item);
	}
	put(showing, ']');
	return status;
}

static int show_tuple(struct showing *showing, PyObject *tuple)
{
	int status = 0;

	put(showing, '(');
	for (Py_ssize_t i = 0; status == 0 && !showing->full && i < PyTuple_GET_SIZE(tuple); i++) {
		if (i)
			put_ascii(showing, ", ");
		status = show_object(showing, PyTuple_GET_ITEM(tuple, i));
	}
	put_ascii(showing, PyTuple_GET_SIZE(tuple) == 1 ? ",)" : ")");
	return status;
}

static int show_dict(struct showing *showing, PyObject *dict)
{
	Py_ssize_t at = 0;
	PyObject *key;
	PyObject *value;
	bool first = true;
	int status = 0;

	put(showing, '{');
	while (status == 0 && !showing->full && PyDict_Next(dict, &at, &key, &value)) {
		Py_INCREF(key);
		Py_INCREF(value);
		if (!first)
			put_ascii(showing, ", ");
		first = false;
		status = show_object(showing, key);
		put_ascii(showing, ": ");
		if (status == 0 && !showing->full)
			status = show_object(showing, value);
		Py_DECREF(key);
		Py_DECREF(value);
	}
	put(showing, '}');
	return status;
}

static int show_set(struct showing *showing, PyObject *set)
{
	const bool frozen = PyFrozenSet_CheckExact(set);
	PyObject *const iterator = PyObject_GetIter(set);
	PyObject *item;
	bool first = true;
	int status = 0;

	if (frozen || !PySet_GET_SIZE(set))
		put_ascii(showing, frozen ? "frozenset(" : "set(");
	while (status == 0 && iterator && !showing->full && (item = PyIter_Next(iterator))) {
		put_ascii(showing, first ? "{" : ", ");
		first = false;
		status = show_object(showing, item);
		Py_DECREF(item);
	}
	Py_XDECREF(iterator);
	if (status == 0 && PyErr_Occurred()) /* it changed meanwhile */
		status = mr_drop_error();
	put_ascii(showing, first ? ")" : frozen ? "})" : "}");
	return status;
}

struct container_kind {
	PyTypeObject *type;
	int (*show)(struct showing *showing, PyObject *object);
	const char *again; /* what stands for it inside itself */
	char end;
};

static const struct container_kind *container_kind_of(PyObject *object)
{
	static const struct container_kind kinds[] = {
		{ &PyList_Type, show_list, "[...]", ']' },
		{ &PyTuple_Type, show_tuple, "(...)", ')' },
		{ &PyDict_Type, show_dict, "{...}", '}' },
		{ &PySet_Type, show_set, "set(...)", '}' },
		{ &PyFrozenSet_Type, show_set, "frozenset(...)", ')' },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(kinds); i++) {
		if (Py_IS_TYPE(object, kinds[i].type))
			return &kinds[i];
	}
	return NULL;
}

static int show_object(struct showing *showing, PyObject *object)
{
	const struct container_kind *const kind = object ? container_kind_of(object) : NULL;
	int status;

	if (!object) { /* in a tuple or a list that is being made */
		put_ascii(showing, "<NULL>");
		return 0;
	}
	if (!kind)
		return show_leaf(showing, object);
	for (size_t i = 0; i < showing->depth; i++) {
		if (showing->path[i] == object) {
			put_ascii(showing, kind->again);
			return 0;
		}
	}
	if (showing->depth == CHARACTERS_MAX) { /* then the text is full */
		showing->full = true;
		return 0;
	}
	showing->path[showing->depth++] = object;
	status = kind->show(showing, object);
	showing->depth--;
	return status;
}

PyObject *mr_graph_show(PyObject *object, Py_ssize_t clip)
{
	const struct container_kind *const kind = container_kind_of(object);
	struct showing showing = { .limit = clip < CHARACTERS_MAX ? (size_t)clip : CHARACTERS_MAX };

	if (!kind && !is_long(object, WHOLE_MAX))
		return mr_object_show(object, (Py_ssize_t)showing.limit);
	if (show_object(&showing, object) < 0)
		return NULL;
	if (showing.full) {
		showing.length = showing.limit - 3;
		showing.full = false;
		put_ascii(&showing, "..");
		put(&showing, (Py_UCS4)(kind ? kind->end : PyByteArray_CheckExact(object) ? ')' : '\''));
	}
	return PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, showing.text, (Py_ssize_t)showing.length);
}

PyObject *mr_graph_type_name(PyObject *object)
{
	PyTypeObject *const type = Py_TYPE(object);

	if (PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) && ((PyHeapTypeObject *)type)->ht_name)
		return Py_NewRef(((PyHeapTypeObject *)type)->ht_name);

	const char *const name = mr_class_name(type);

	return PyUnicode_DecodeUTF8(name, (Py_ssize_t)strlen(name), "replace");
}
