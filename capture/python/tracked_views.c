/* SPDX-License-Identifier: MIT
 *
 * The three mappings of a tracker (index, objects, history) and the list of a
 * class's objects.  All can only be looked at; what they show is made of the store
 * when it is asked for, so nothing is kept twice.
 */
#include "class_tracker.h"

#include "list_sum.h"

enum kind { KIND_INDEX, KIND_OBJECTS, KIND_HISTORY };

struct mapping {
	PyObject_HEAD struct mr_tracker *tracker; /* owned */
	enum kind kind;
};

struct list {
	PyObject_HEAD struct mr_store *store;
	uint32_t class_index; /* 0: of no class, empty */
};

struct iterator { /* over the ids of the objects */
	PyObject_HEAD struct mr_store *store;
	uint32_t row; /* the last one */
};

/* ---- Lists of objects -------------------------------------------------------------- */

static PyObject *list_new(struct mr_store *store, uint32_t class_index)
{
	PyTypeObject *const type = mr_capture_state(store->module)->list_type;
	struct list *const self = PyObject_New(struct list, type);

	if (self == NULL)
		return NULL;
	mr_store_hold(store);
	self->store = store;
	self->class_index = class_index;
	return (PyObject *)self;
}

static void list_dealloc(PyObject *object)
{
	PyTypeObject *const type = Py_TYPE(object);

	mr_store_release(((struct list *)object)->store);
	PyObject_Free(object);
	Py_DECREF(type);
}

static Py_ssize_t list_length(PyObject *object)
{
	const struct list *const self = (struct list *)object;

	return self->class_index == 0 ? 0 : mr_store_class(self->store, self->class_index)->born;
}

static PyObject *list_item(PyObject *object, Py_ssize_t at)
{
	const struct list *const self = (struct list *)object;

	if (at < 0 || at >= list_length(object)) {
		PyErr_SetString(PyExc_IndexError, "list index out of range");
		return NULL;
	}
	if (mr_store_index(self->store) < 0)
		return NULL;
	return mr_tracked_object_new(self->store, mr_store_class(self->store, self->class_index)->rows[at]);
}

static PyObject *list_subscript(PyObject *object, PyObject *key)
{
	Py_ssize_t start, stop, step;

	if (PyIndex_Check(key)) {
		const Py_ssize_t at = PyNumber_AsSsize_t(key, PyExc_IndexError);

		if (at == -1 && PyErr_Occurred())
			return NULL;
		return list_item(object, at < 0 ? at + list_length(object) : at);
	}
	if (!PySlice_Check(key)) {
		PyErr_Format(PyExc_TypeError, "list indices must be integers or slices, not %.200s",
		             Py_TYPE(key)->tp_name);
		return NULL;
	}
	if (PySlice_Unpack(key, &start, &stop, &step) < 0)
		return NULL;
	const Py_ssize_t count = PySlice_AdjustIndices(list_length(object), &start, &stop, step);
	PyObject *items = PyList_New(count);
	for (Py_ssize_t i = 0; items != NULL && i < count; i++) {
		PyObject *const item = list_item(object, start + i * step);

		if (item == NULL)
			Py_CLEAR(items);
		else
			PyList_SET_ITEM(items, i, item);
	}
	return items;
}

/* The list of the interpreter's that has the same items. */
static PyObject *list_plain(PyObject *object, const char *method, PyObject *argument)
{
	PyObject *const plain = PySequence_List(object);
	PyObject *const result = plain == NULL ? NULL : PyObject_CallMethod(plain, method, "O", argument);

	Py_XDECREF(plain);
	return result;
}

static PyObject *list_find(PyObject *object, PyObject *item)
{
	return list_plain(object, "index", item);
}

static PyObject *list_count(PyObject *object, PyObject *item)
{
	return list_plain(object, "count", item);
}

static PyObject *list_copy(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	return PySequence_List(object);
}

static PyObject *list_repr(PyObject *object)
{
	PyObject *const plain = PySequence_List(object);
	PyObject *const text = plain == NULL ? NULL : PyObject_Repr(plain);

	Py_XDECREF(plain);
	return text;
}

static PyObject *list_richcompare(PyObject *left, PyObject *right, int operation)
{
	if (Py_TYPE(right) != Py_TYPE(left) && !PyList_Check(right))
		Py_RETURN_NOTIMPLEMENTED;
	PyObject *const a = PySequence_List(left);
	PyObject *const b = a == NULL ? NULL : PySequence_List(right);
	PyObject *const result = b == NULL ? NULL : PyObject_RichCompare(a, b, operation);

	Py_XDECREF(a);
	Py_XDECREF(b);
	return result;
}

static PyMethodDef list_methods[] = {
	{ "index", list_find, METH_O, PyDoc_STR("index($self, object, /)\n--\n\nThe place of an object.") },
	{ "count", list_count, METH_O, PyDoc_STR("count($self, object, /)\n--\n\n1 or 0.") },
	{ "copy", list_copy, METH_NOARGS, PyDoc_STR("copy($self, /)\n--\n\nA list that can be changed.") },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot list_slots[] = {
	{ Py_tp_doc, (void *)"All objects that were tracked under a name, in order of birth." },
	{ Py_tp_dealloc, (void *)list_dealloc },
	{ Py_tp_repr, (void *)list_repr },
	{ Py_tp_hash, (void *)PyObject_HashNotImplemented },
	{ Py_tp_richcompare, (void *)list_richcompare },
	{ Py_sq_length, (void *)list_length },
	{ Py_sq_item, (void *)list_item },
	{ Py_nb_add, (void *)mr_list_sum },
	{ Py_mp_length, (void *)list_length },
	{ Py_mp_subscript, (void *)list_subscript },
	{ Py_tp_methods, list_methods },
	{ 0, NULL },
};

static PyType_Spec list_spec = {
	.name = "memcapture._capture.ObjectList",
	.basicsize = sizeof(struct list),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION |
	         Py_TPFLAGS_SEQUENCE,
	.slots = list_slots,
};

/* ---- Ids ------------------------------------------------------------------------------------ */

static PyObject *iterator_next(PyObject *object)
{
	struct iterator *const self = (struct iterator *)object;
	const struct mr_store *const store = self->store;

	while (self->row + 1 < store->rows.count) {
		const struct mr_tracked_row *const row = mr_store_row(store, ++self->row);

		if (mr_store_find(store, row->address) == self->row)
			return PyLong_FromUnsignedLongLong(row->address);
	}
	return NULL;
}

static void iterator_dealloc(PyObject *object)
{
	PyTypeObject *const type = Py_TYPE(object);

	mr_store_release(((struct iterator *)object)->store);
	PyObject_Free(object);
	Py_DECREF(type);
}

static PyType_Slot iterator_slots[] = {
	{ Py_tp_dealloc, (void *)iterator_dealloc },
	{ Py_tp_iter, (void *)PyObject_SelfIter },
	{ Py_tp_iternext, (void *)iterator_next },
	{ 0, NULL },
};

static PyType_Spec iterator_spec = {
	.name = "memcapture._capture.ObjectIdIterator",
	.basicsize = sizeof(struct iterator),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = iterator_slots,
};

static PyObject *iterate_ids(struct mr_store *store)
{
	PyTypeObject *const type = mr_capture_state(store->module)->iterator_type;
	struct iterator *const self = PyObject_New(struct iterator, type);

	if (self == NULL)
		return NULL;
	mr_store_hold(store);
	self->store = store;
	self->row = 0;
	return (PyObject *)self;
}

/* ---- Mappings --------------------------------------------------------------------------------- */

/* The class of a name (0: none), without making one.  UINT32_MAX with a Python error. */
static uint32_t class_of_name(struct mr_store *store, PyObject *name)
{
	if (!PyUnicode_Check(name))
		return 0;
	for (uint32_t i = 1; i < store->classes.count; i++) {
		const struct mr_tracked_class *const cls = mr_store_class(store, i);
		PyObject *const known = cls->born == 0 ? NULL : mr_store_text_object(store, cls->name);

		if (known == NULL && PyErr_Occurred())
			return UINT32_MAX;
		const bool same = known != NULL && PyUnicode_Compare(known, name) == 0;
		Py_XDECREF(known);
		if (same)
			return i;
	}
	return 0;
}

static PyObject *mapping_new(struct mr_tracker *tracker, enum kind kind)
{
	PyTypeObject *const type = mr_capture_state(tracker->module)->mapping_type;
	struct mapping *const self = PyObject_GC_New(struct mapping, type);

	if (self == NULL)
		return NULL;
	Py_INCREF(tracker);
	self->tracker = tracker;
	self->kind = kind;
	PyObject_GC_Track((PyObject *)self);
	return (PyObject *)self;
}

PyObject *mr_index_new(struct mr_tracker *tracker)
{
	return mapping_new(tracker, KIND_INDEX);
}

PyObject *mr_objects_new(struct mr_tracker *tracker)
{
	return mapping_new(tracker, KIND_OBJECTS);
}

PyObject *mr_history_new(struct mr_tracker *tracker)
{
	return mapping_new(tracker, KIND_HISTORY);
}

/* The names, in order of their first object. */
static PyObject *names_of(const struct mapping *self)
{
	PyObject *names =
		self->kind == KIND_HISTORY ? PyDict_Keys(self->tracker->history_past) : PyList_New(0);
	/* Which stays the tracker's: no object is made from here on that the collector knows. */
	const struct mr_store *const store = self->tracker->store;

	for (uint32_t i = 1; names != NULL && i < store->classes.count; i++) {
		if (mr_store_class(store, i)->born == 0)
			continue;
		PyObject *const name = mr_store_text_object(store, mr_store_class(store, i)->name);
		int known = -1;

		if (name != NULL)
			known = self->kind == KIND_HISTORY
			                ? PyDict_Contains(self->tracker->history_past, name)
			                : 0;
		if (known < 0 || (known == 0 && PyList_Append(names, name) < 0))
			Py_CLEAR(names);
		Py_XDECREF(name);
	}
	return names;
}

static Py_ssize_t mapping_length(PyObject *object)
{
	const struct mapping *const self = (struct mapping *)object;

	if (self->kind == KIND_OBJECTS)
		return (Py_ssize_t)self->tracker->store->map_used;
	PyObject *const names = names_of(self);
	const Py_ssize_t length = names == NULL ? -1 : PyList_GET_SIZE(names);
	Py_XDECREF(names);
	return length;
}

static PyObject *mapping_iter(PyObject *object)
{
	const struct mapping *const self = (struct mapping *)object;

	if (self->kind == KIND_OBJECTS)
		return iterate_ids(self->tracker->store);
	PyObject *const names = names_of(self);
	PyObject *const iterator = names == NULL ? NULL : PyObject_GetIter(names);
	Py_XDECREF(names);
	return iterator;
}

/* The row of an id that is given as a key; 0: none. */
static uint32_t row_of_key(const struct mr_store *store, PyObject *key)
{
	if (!PyLong_Check(key))
		return 0;
	const unsigned long long address = PyLong_AsUnsignedLongLong(key);
	if (address == (unsigned long long)-1 && PyErr_Occurred()) {
		PyErr_Clear(); /* no address */
		return 0;
	}
	return mr_store_find(store, address);
}

static int mapping_contains(PyObject *object, PyObject *key)
{
	const struct mapping *const self = (struct mapping *)object;

	if (self->kind == KIND_OBJECTS)
		return row_of_key(self->tracker->store, key) != 0;
	const uint32_t class_index = class_of_name(self->tracker->store, key);
	if (class_index == UINT32_MAX)
		return -1;
	if (class_index != 0 || self->kind == KIND_INDEX || !PyUnicode_Check(key))
		return class_index != 0;
	PyObject *const name = PyUnicode_FromObject(key);
	const int known = name == NULL ? -1 : PyDict_Contains(self->tracker->history_past, name);
	Py_XDECREF(name);
	return known;
}

/* The value of a key.  NULL without an error: KeyError, which only `objects` knows; the others
 * have an empty list for a name that they do not have. */
static PyObject *mapping_find(const struct mapping *self, PyObject *key)
{
	struct mr_store *const store = self->tracker->store;

	if (self->kind == KIND_OBJECTS) {
		const uint32_t row = row_of_key(store, key);

		return row == 0 ? NULL : mr_tracked_object_new(store, row);
	}
	/* A str of a class made in Python may be hashed and compared by anything. */
	PyObject *const name = PyUnicode_Check(key) ? PyUnicode_FromObject(key) : NULL;
	const uint32_t class_index = PyErr_Occurred() ? UINT32_MAX
	                             : name == NULL   ? 0
	                                              : class_of_name(store, name);
	PyObject *found = NULL;
	if (class_index != UINT32_MAX)
		found = self->kind == KIND_INDEX ? list_new(store, class_index)
		                                 : mr_history_list(self->tracker, name, class_index);
	Py_XDECREF(name);
	return found;
}

static PyObject *mapping_subscript(PyObject *object, PyObject *key)
{
	PyObject *const value = mapping_find((struct mapping *)object, key);

	if (value == NULL && !PyErr_Occurred())
		PyErr_SetObject(PyExc_KeyError, key);
	return value;
}

static PyObject *mapping_get(PyObject *object, PyObject *args)
{
	PyObject *key, *other = Py_None;

	if (!PyArg_ParseTuple(args, "O|O:get", &key, &other))
		return NULL;
	const int known = mapping_contains(object, key);
	if (known > 0)
		return mapping_subscript(object, key);
	if (known < 0)
		return NULL;
	Py_INCREF(other);
	return other;
}

/* collections.abc has views of keys, values and items for any mapping. */
static PyObject *abstract_view(PyObject *object, const char *name)
{
	PyObject *const module = PyImport_ImportModule("collections.abc");
	PyObject *const view = module == NULL ? NULL : PyObject_CallMethod(module, name, "O", object);

	Py_XDECREF(module);
	return view;
}

static PyObject *mapping_keys(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	return abstract_view(object, "KeysView");
}

static PyObject *mapping_values(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	return abstract_view(object, "ValuesView");
}

static PyObject *mapping_items(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	return abstract_view(object, "ItemsView");
}

static PyObject *mapping_copy(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	PyObject *dict = PyDict_New();

	if (dict != NULL && PyDict_Update(dict, object) < 0)
		Py_CLEAR(dict);
	return dict;
}

static PyObject *mapping_repr(PyObject *object)
{
	PyObject *const dict = mapping_copy(object, NULL);
	PyObject *const text = dict == NULL ? NULL : PyObject_Repr(dict);

	Py_XDECREF(dict);
	return text;
}

static PyObject *mapping_richcompare(PyObject *left, PyObject *right, int operation)
{
	const bool same_type = Py_TYPE(left) == Py_TYPE(right);

	if ((!same_type && !PyDict_Check(right)) || (operation != Py_EQ && operation != Py_NE))
		Py_RETURN_NOTIMPLEMENTED;
	PyObject *const a = mapping_copy(left, NULL);
	PyObject *b = right;
	if (same_type)
		b = mapping_copy(right, NULL);
	else
		Py_INCREF(right);
	PyObject *const result = a == NULL || b == NULL ? NULL : PyObject_RichCompare(a, b, operation);
	Py_XDECREF(a);
	Py_XDECREF(b);
	return result;
}

static int mapping_traverse(PyObject *object, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(object));
	Py_VISIT(((struct mapping *)object)->tracker);
	return 0;
}

static void mapping_dealloc(PyObject *object)
{
	PyTypeObject *const type = Py_TYPE(object);

	PyObject_GC_UnTrack(object);
	Py_DECREF(((struct mapping *)object)->tracker);
	PyObject_GC_Del(object);
	Py_DECREF(type);
}

static PyMethodDef mapping_methods[] = {
	{ "get", mapping_get, METH_VARARGS,
	  PyDoc_STR("get($self, key, default=None, /)\n--\n\nAs a dict's.") },
	{ "keys", mapping_keys, METH_NOARGS, PyDoc_STR("keys($self, /)\n--\n\nAs a dict's.") },
	{ "values", mapping_values, METH_NOARGS, PyDoc_STR("values($self, /)\n--\n\nAs a dict's.") },
	{ "items", mapping_items, METH_NOARGS, PyDoc_STR("items($self, /)\n--\n\nAs a dict's.") },
	{ "copy", mapping_copy, METH_NOARGS, PyDoc_STR("copy($self, /)\n--\n\nA dict that can be changed.") },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot mapping_slots[] = {
	{ Py_tp_doc, (void *)"What a tracker knows, by name or by id; can only be looked at." },
	{ Py_tp_traverse, (void *)mapping_traverse },
	{ Py_tp_dealloc, (void *)mapping_dealloc },
	{ Py_tp_iter, (void *)mapping_iter },
	{ Py_tp_repr, (void *)mapping_repr },
	{ Py_tp_hash, (void *)PyObject_HashNotImplemented },
	{ Py_tp_richcompare, (void *)mapping_richcompare },
	{ Py_mp_length, (void *)mapping_length },
	{ Py_mp_subscript, (void *)mapping_subscript },
	{ Py_sq_contains, (void *)mapping_contains },
	{ Py_tp_methods, mapping_methods },
	{ 0, NULL },
};

static PyType_Spec mapping_spec = {
	.name = "memcapture._capture.TrackedMapping",
	.basicsize = sizeof(struct mapping),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
	         Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_MAPPING,
	.slots = mapping_slots,
};

int mr_tracked_views_add_to_module(PyObject *module)
{
	struct mr_capture_state *const state = mr_capture_state(module);

	state->list_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &list_spec, NULL);
	state->iterator_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &iterator_spec, NULL);
	state->mapping_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &mapping_spec, NULL);
	if (state->list_type == NULL || state->iterator_type == NULL || state->mapping_type == NULL)
		return -1;
	if (PyModule_AddType(module, state->list_type) < 0)
		return -1;
	return PyModule_AddType(module, state->mapping_type);
}
