/* SPDX-License-Identifier: MIT
 *
 * Referents that are collected before they are walked (referents.h): those of the
 * kinds of objects that are few, or that have theirs in attributes.
 */
#include "referents.h"

/* What is looked for in attributes. */
static const char *const class_names[] = { "__class__", "__doc__",     "__mro__",  "__name__",
	                                   "__slots__", "__weakref__", "__dict__", NULL };
static const char *const doc_names[] = { "__doc__", NULL };
static const char *const exception_names[] = { "args", "filename", "lineno", "msg", "text", NULL };
static const char *const function_names[] = { "__doc__", "__name__", "__code__", "__closure__", NULL };
static const char *const method_names[] = { "__doc__", "__name__", "__code__", NULL };
static const char *const generator_names[] = { "f_locals", "f_code", NULL };
static const char *const numpy_names[] = { "base", NULL };

int mr_referents_init(struct mr_referents *referents, bool named)
{
	referents->refs = PyList_New(0);
	referents->names = named ? PyList_New(0) : NULL;
	if (referents->refs && (!named || referents->names))
		return 0;
	mr_referents_release(referents);
	return -1;
}

void mr_referents_release(struct mr_referents *referents)
{
	Py_CLEAR(referents->refs);
	Py_CLEAR(referents->names);
}

/* Adds OBJECT, which may be NULL: nothing then; NAME may be NULL. */
static int add(struct mr_referents *referents, PyObject *object, PyObject *name)
{
	if (!object)
		return 0;
	if (PyList_Append(referents->refs, object) < 0)
		return -1;
	return referents->names ? PyList_Append(referents->names, name ? name : Py_None) : 0;
}

/* Adds OBJECT, a new reference or NULL, under NAME. */
static int add_take(struct mr_referents *referents, PyObject *object, const char *name)
{
	PyObject *const text = object && referents->names ? PyUnicode_InternFromString(name) : NULL;
	int status = -1;

	if (!object)
		return 0;
	if (text || !referents->names)
		status = add(referents, object, text);
	Py_XDECREF(text);
	Py_DECREF(object);
	return status;
}

static int add_attributes(struct mr_referents *referents, PyObject *object, const char *const *names)
{
	for (; *names; names++) {
		if (add_take(referents, mr_attribute_get_string(object, *names), *names) < 0)
			return -1;
	}
	return 0;
}

/* ---- Attributes by prefix ---------------------------------------------------------- */

static int add_names(PyObject *names, PyObject *dict, const char *prefix)
{
	PyObject *const keys = dict && PyDict_Check(dict) ? PyDict_Keys(dict) : NULL;

	for (Py_ssize_t i = 0; keys && i < PyList_GET_SIZE(keys); i++) {
		PyObject *const key = PyList_GET_ITEM(keys, i);
		const char *const text = PyUnicode_CheckExact(key) ? PyUnicode_AsUTF8(key) : NULL;

		if (text && strncmp(text, prefix, strlen(prefix)) == 0 && PySet_Add(names, key) < 0)
			break;
	}
	Py_XDECREF(keys);
	return mr_drop_error();
}

/* The names of OBJECT's attributes that begin with PREFIX, sorted; a new list, NULL with an error. */
static PyObject *names_with(PyObject *object, const char *prefix)
{
	PyObject *const names = PySet_New(NULL);
	PyObject *const mro = Py_XNewRef(Py_TYPE(object)->tp_mro);
	int status = names ? 0 : -1;

	for (Py_ssize_t i = 0; status == 0 && mro && i < PyTuple_GET_SIZE(mro); i++) {
		PyTypeObject *const type = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
#if PY_VERSION_HEX >= 0x030C0000
		PyObject *const dict = PyType_GetDict(type);
#else
		PyObject *const dict = Py_XNewRef(type->tp_dict);
#endif

		status = add_names(names, dict, prefix);
		Py_XDECREF(dict);
	}

	const enum mr_dict_kind kind = mr_instance_dict_kind(Py_TYPE(object));

	if (status == 0 && kind != MR_DICT_NONE) {
		PyObject *const dict = mr_instance_dict_copy(object, kind);

		status = add_names(names, dict, prefix);
		Py_XDECREF(dict);
	}

	PyObject *const list = status == 0 ? PySequence_List(names) : NULL;

	Py_XDECREF(mro);
	Py_XDECREF(names);
	if (list && PyList_Sort(list) < 0) {
		Py_DECREF(list);
		return NULL;
	}
	return list;
}

static int add_prefixed(struct mr_referents *referents, PyObject *object, const char *prefix)
{
	PyObject *const names = names_with(object, prefix);
	int status = names ? 0 : -1;

	for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(names); i++) {
		PyObject *const name = PyList_GET_ITEM(names, i);
		PyObject *const value = mr_attribute_get(object, name);

		status = add(referents, value, name);
		Py_XDECREF(value);
	}
	Py_XDECREF(names);
	return status;
}

/* ---- Kinds ------------------------------------------------------------------------------ */

static PyObject *class_dict(PyTypeObject *type)
{
#if PY_VERSION_HEX >= 0x030C0000
	PyObject *const dict = PyType_GetDict(type);
#else
	PyObject *const dict = Py_XNewRef(type->tp_dict);
#endif
	PyObject *const proxy = dict ? PyDictProxy_New(dict) : NULL;

	Py_XDECREF(dict);
	return proxy;
}

/* The class's own; None where it has none. */
static PyObject *class_doc(PyTypeObject *type, PyObject *name)
{
	PyObject *const getter = _PyType_Lookup(&PyType_Type, name);
	PyObject *doc = NULL;

	/* Every other metaclass has a __doc__ itself, which hides the getter of type. */
	if (!Py_IS_TYPE(type, &PyType_Type))
		return Py_XNewRef(_PyType_Lookup(type, name));
	if (type->tp_flags & Py_TPFLAGS_HEAPTYPE) {
		doc = Py_XNewRef(PyDict_GetItemWithError(type->tp_dict, name));
		return doc || PyErr_Occurred() ? doc : Py_NewRef(Py_None);
	}
	/* The getter of type cuts off the signature. */
	if (getter && Py_IS_TYPE(getter, &PyGetSetDescr_Type))
		doc = Py_TYPE(getter)->tp_descr_get(getter, (PyObject *)type, (PyObject *)&PyType_Type);
	return doc;
}

/* An attribute of a class as an object; what its metaclass says of it is C's own or not heard. */
static PyObject *class_attribute(PyTypeObject *type, const char *name)
{
	PyObject *value = NULL;

	if (strcmp(name, "__class__") == 0)
		return Py_NewRef((PyObject *)Py_TYPE(type));
	if (strcmp(name, "__dict__") == 0)
		return class_dict(type);
	if (strcmp(name, "__mro__") == 0)
		return Py_XNewRef(type->tp_mro);
	if (strcmp(name, "__name__") == 0)
		return (type->tp_flags & Py_TPFLAGS_HEAPTYPE) ? Py_NewRef(((PyHeapTypeObject *)type)->ht_name)
		                                              : PyUnicode_FromString(mr_class_name(type));

	PyObject *const text = PyUnicode_InternFromString(name);

	if (text)
		value = strcmp(name, "__doc__") == 0 ? class_doc(type, text)
		                                     : Py_XNewRef(_PyType_Lookup(type, text));
	Py_XDECREF(text);
	return value;
}

/* FIRST: where in class_names to begin. */
static int add_class(struct mr_referents *referents, PyObject *object, size_t first)
{
	for (const char *const *name = class_names + first; *name; name++) {
		PyObject *const value = class_attribute((PyTypeObject *)object, *name);

		if (!value && mr_drop_error() < 0)
			return -1;
		if (add_take(referents, value, *name) < 0)
			return -1;
	}
	return 0;
}

static int add_entry(struct mr_referents *referents, PyObject *key, PyObject *value)
{
	PyObject *key_name = NULL;
	PyObject *value_name = NULL;
	int status = referents->names ? mr_entry_names(key, value, &key_name, &value_name) : 0;

	if (status == 0)
		status = add(referents, key, key_name);
	if (status == 0)
		status = add(referents, value, value_name);
	Py_XDECREF(key_name);
	Py_XDECREF(value_name);
	return status;
}

static int add_dict(struct mr_referents *referents, PyObject *dict)
{
	PyObject *const items = PyDict_Items(dict);
	int status = items ? 0 : -1;

	for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(items); i++) {
		PyObject *const entry = PyList_GET_ITEM(items, i);

		status = add_entry(referents, PyTuple_GET_ITEM(entry, 0), PyTuple_GET_ITEM(entry, 1));
	}
	Py_XDECREF(items);
	return status;
}

/* What items() of something that is like a dict gives. */
static int add_items(struct mr_referents *referents, PyObject *object, uint64_t *missed)
{
	PyObject *const name = PyUnicode_InternFromString("items");
	PyObject *const method = name ? _PyType_Lookup(Py_TYPE(object), name) : NULL;
	PyObject *const items = method ? PyObject_CallMethodNoArgs(object, name) : NULL;
	PyObject *const iterator = items ? PyObject_GetIter(items) : NULL;
	PyObject *entry;
	int status = 0;

	Py_XDECREF(name);
	Py_XDECREF(items);
	while (status == 0 && iterator && (entry = PyIter_Next(iterator))) {
		if (PyTuple_Check(entry) && PyTuple_GET_SIZE(entry) == 2)
			status = add_entry(referents, PyTuple_GET_ITEM(entry, 0), PyTuple_GET_ITEM(entry, 1));
		Py_DECREF(entry);
	}
	Py_XDECREF(iterator);
	if (status == 0 && PyErr_Occurred()) {
		(*missed)++;
		status = mr_drop_error();
	}
	return status;
}

static int append_referent(PyObject *object, void *arg)
{
	return PyList_Append(arg, object);
}

/* What the collector finds in an iterator, as the original has it. */
static int add_traversed(struct mr_referents *referents, PyObject *object)
{
	static const char own_name[] = "iteref";
	PyObject *const found = PyList_New(0);
	int status = found ? 0 : -1;

	if (found && Py_TYPE(object)->tp_traverse)
		status = Py_TYPE(object)->tp_traverse(object, append_referent, found);
	for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(found); i++)
		status = add_take(referents, Py_NewRef(PyList_GET_ITEM(found, i)), own_name);
	Py_XDECREF(found);
	return status;
}

static int add_generator(struct mr_referents *referents, PyObject *object)
{
	PyObject *const frame = mr_attribute_get_string(object, "gi_frame");
	int status = 0;

	if (frame && frame != Py_None)
		status = add_attributes(referents, frame, generator_names);
	Py_XDECREF(frame);
	return status;
}

static int add_weak(struct mr_referents *referents, PyObject *object)
{
#if PY_VERSION_HEX >= 0x030D0000
	PyObject *referent = NULL;

	if (PyWeakref_GetRef(object, &referent) < 0)
		return mr_drop_error();
	if (!referent)
		referent = Py_NewRef(Py_None);
#else
	PyObject *const referent = Py_NewRef(PyWeakref_GET_OBJECT(object));
#endif
	const int status = add(referents, referent, NULL);

	Py_DECREF(referent);
	return status;
}

static int add_sequence(struct mr_referents *referents, PyObject *object)
{
	PyObject *const items = PySequence_List(object);
	int status = items ? 0 : mr_drop_error();

	for (Py_ssize_t i = 0; status == 0 && items && i < PyList_GET_SIZE(items); i++)
		status = add(referents, PyList_GET_ITEM(items, i), NULL);
	Py_XDECREF(items);
	return status;
}

static int add_mapping(struct mr_referents *referents, PyObject *object, uint64_t *missed)
{
	PyObject *const behind = mr_mappingproxy_dict(object);

	if (behind)
		return add_dict(referents, behind);
	return PyDict_Check(object) && !PyODict_Check(object) ? add_dict(referents, object)
	                                                      : add_items(referents, object, missed);
}

int mr_referents_collect(const struct mr_rule *rule, PyObject *object, struct mr_referents *referents,
                         uint64_t *missed)
{
	switch (rule->refs) {
	case MR_REFS_CELL:
		return add_take(referents, Py_XNewRef(PyCell_GET(object)), "cell_contents");
	case MR_REFS_CLASS:
		return add_class(referents, object, 0);
	case MR_REFS_TYPE:
		return add_class(referents, object, 1);
	case MR_REFS_CODE:
		return add_prefixed(referents, object, "co_");
	case MR_REFS_DICT:
		return add_mapping(referents, object, missed);
	case MR_REFS_MODULE:
		return add_dict(referents, PyModule_GetDict(object));
	case MR_REFS_ENUMERATE:
		return add_attributes(referents, object, doc_names);
	case MR_REFS_EXCEPTION:
		return add_attributes(referents, object, exception_names);
	case MR_REFS_FRAME:
	case MR_REFS_STATVFS:
		return add_prefixed(referents, object, "f_");
	case MR_REFS_STAT:
		return add_prefixed(referents, object, "st_");
	case MR_REFS_TRACEBACK:
		return add_prefixed(referents, object, "tb_");
	case MR_REFS_FUNCTION:
		return add_attributes(referents, object, function_names) < 0
		               ? -1
		               : add_prefixed(referents, object, "func_");
	case MR_REFS_METHOD:
		return add_attributes(referents, object, method_names) < 0
		               ? -1
		               : add_prefixed(referents, object, "im_");
	case MR_REFS_PROPERTY:
		return add_attributes(referents, object, doc_names) < 0
		               ? -1
		               : add_prefixed(referents, object, "f");
	case MR_REFS_GENERATOR:
		return add_generator(referents, object);
	case MR_REFS_ITERATOR:
		return add_traversed(referents, object);
	case MR_REFS_WEAK:
		return add_weak(referents, object);
	case MR_REFS_NUMPY:
		return add_attributes(referents, object, numpy_names);
	case MR_REFS_SEQUENCE:
		return add_sequence(referents, object);
	default:
		return 0;
	}
}
