/* SPDX-License-Identifier: MIT
 *
 * TrackedObject: a view of one row, with what ClassTracker's users look at.  Made
 * when asked for; two views of one object are equal.  A view keeps the store, so
 * it shows what it showed after the tracker has let go of everything.
 */
#include "class_tracker.h"

#include "log_feed.h"

struct view {
	PyObject_HEAD struct mr_store *store;
	uint32_t row;
};

static inline const struct view *as_view(PyObject *self)
{
	return (const struct view *)self;
}

static inline struct mr_tracked_row *row_of(PyObject *self)
{
	return mr_store_row(as_view(self)->store, as_view(self)->row);
}

static inline struct mr_capture_state *state_of(PyObject *self)
{
	return mr_capture_state(as_view(self)->store->module);
}

PyObject *mr_tracked_object_new(struct mr_store *store, uint32_t row)
{
	PyTypeObject *const type = mr_capture_state(store->module)->object_type;
	struct view *const self = PyObject_New(struct view, type);

	if (self == NULL)
		return NULL;
	mr_store_hold(store);
	self->store = store;
	self->row = row;
	return (PyObject *)self;
}

static void view_dealloc(PyObject *self)
{
	PyTypeObject *const type = Py_TYPE(self);

	mr_store_release(as_view(self)->store);
	PyObject_Free(self);
	Py_DECREF(type);
}

static Py_hash_t view_hash(PyObject *self)
{
	const uint64_t hash = ((uint64_t)(uintptr_t)as_view(self)->store >> 4) +
	                      as_view(self)->row * UINT64_C(0x9e3779b97f4a7c15);
	const Py_hash_t value = (Py_hash_t)(hash ^ hash >> 32);

	return value == -1 ? -2 : value;
}

static PyObject *view_richcompare(PyObject *left, PyObject *right, int operation)
{
	if (Py_TYPE(left) != Py_TYPE(right) || (operation != Py_EQ && operation != Py_NE))
		Py_RETURN_NOTIMPLEMENTED;
	const bool same =
		as_view(left)->store == as_view(right)->store && as_view(left)->row == as_view(right)->row;
	return PyBool_FromLong(same == (operation == Py_EQ));
}

/* ---- Plain attributes -------------------------------------------------------------- */

static PyObject *get_ref(PyObject *self, void *Py_UNUSED(closure))
{
	PyObject *ref = row_of(self)->ref;

	if (ref == NULL)
		ref = state_of(self)->dead_ref;
	Py_INCREF(ref);
	return ref;
}

static PyObject *get_id(PyObject *self, void *Py_UNUSED(closure))
{
	return PyLong_FromUnsignedLongLong(row_of(self)->address);
}

static PyObject *get_repr(PyObject *self, void *Py_UNUSED(closure))
{
	const struct mr_tracked_row *const row = row_of(self);
	PyObject *const text = mr_store_text_object(as_view(self)->store, row->label);

	if (text == NULL || !(row->flags & MR_TRACKED_LABEL_DEFAULT))
		return text;
	PyObject *const whole =
		PyUnicode_FromFormat("%U object at %p>", text, (void *)(uintptr_t)row->address);
	Py_DECREF(text);
	return whole;
}

static PyObject *get_name(PyObject *self, void *Py_UNUSED(closure))
{
	const struct mr_store *const store = as_view(self)->store;

	return mr_store_text_object(store, mr_store_class(store, row_of(self)->class_index)->name);
}

static PyObject *get_birth(PyObject *self, void *Py_UNUSED(closure))
{
	return PyFloat_FromDouble(mr_store_seconds(row_of(self)->birth_ns));
}

static PyObject *get_death(PyObject *self, void *Py_UNUSED(closure))
{
	const uint64_t death_ns = row_of(self)->death_ns;

	if (death_ns == 0)
		Py_RETURN_NONE;
	return PyFloat_FromDouble(mr_store_seconds(death_ns));
}

static PyObject *get_level(PyObject *self, void *Py_UNUSED(closure))
{
	return PyLong_FromLong(row_of(self)->level);
}

/* ---- Traces ---------------------------------------------------------------------------- */

/* A frame as inspect.stack() tells it, without the frame itself. */
static PyObject *trace_entry(const struct mr_store *store, uint32_t code_id, PyObject *getline)
{
	const struct mr_tracked_code *const code = mr_store_code(store, code_id);
	PyObject *const file = mr_store_text_object(store, code->file);
	PyObject *const function = mr_store_text_object(store, code->function);
	PyObject *line = NULL;
	PyObject *entry = NULL;

	if (file != NULL && function != NULL)
		line = PyObject_CallFunction(getline, "OI", file, (unsigned)code->line);
	if (line != NULL && PyUnicode_Check(line) && PyUnicode_GET_LENGTH(line) > 0)
		entry = Py_BuildValue("(OIO[O]i)", file, (unsigned)code->line, function, line, 0);
	else if (line != NULL)
		entry = Py_BuildValue("(OIOOO)", file, (unsigned)code->line, function, Py_None, Py_None);
	Py_XDECREF(file);
	Py_XDECREF(function);
	Py_XDECREF(line);
	return entry;
}

static PyObject *get_trace(PyObject *self, void *Py_UNUSED(closure))
{
	const struct mr_store *const store = as_view(self)->store;
	uint32_t stack = row_of(self)->stack;

	if (stack == 0)
		Py_RETURN_NONE;

	PyObject *const linecache = PyImport_ImportModule("linecache");
	PyObject *const getline = linecache == NULL ? NULL : PyObject_GetAttrString(linecache, "getline");
	PyObject *trace = getline == NULL ? NULL : PyList_New(0);
	for (; trace != NULL && stack != 0; stack = mr_store_stack(store, stack)->parent) {
		PyObject *const entry = trace_entry(store, mr_store_stack(store, stack)->code, getline);

		if (entry == NULL || PyList_Append(trace, entry) < 0)
			Py_CLEAR(trace);
		Py_XDECREF(entry);
	}
	if (trace != NULL && PyList_Reverse(trace) < 0)
		Py_CLEAR(trace);
	Py_XDECREF(getline);
	Py_XDECREF(linecache);
	return trace;
}

/* ---- Sizes ------------------------------------------------------------------------------- */

/* REFS and NAME are taken over, also on failure, and may be NULL. */
static PyObject *asized_new(PyObject *self, uint64_t size_bytes, uint64_t flat_bytes, PyObject *refs,
                            PyObject *name)
{
	PyObject *asized = NULL;

	if (refs == NULL && !PyErr_Occurred())
		refs = PyTuple_New(0);
	if (name == NULL && !PyErr_Occurred()) {
		Py_INCREF(Py_None);
		name = Py_None;
	}
	if (refs != NULL && name != NULL)
		asized = PyObject_CallFunction((PyObject *)state_of(self)->sizing.asized_type, "KKOO",
		                               (unsigned long long)size_bytes, (unsigned long long)flat_bytes,
		                               refs, name);
	Py_XDECREF(refs);
	Py_XDECREF(name);
	return asized;
}

/* The referents of LEVEL that begin at *NODE, as a tuple.  As deep as levels go: 255. */
static PyObject *referents(PyObject *self, uint32_t *node, uint32_t end, uint32_t level)
{
	const struct mr_store *const store = as_view(self)->store;
	PyObject *const list = PyList_New(0);
	PyObject *tuple = NULL;

	while (list != NULL && *node < end && mr_store_node(store, *node)->level == level) {
		const struct mr_tracked_node *const at = mr_store_node(store, (*node)++);
		PyObject *const below = referents(self, node, end, level + 1);
		PyObject *const name = below == NULL ? NULL : mr_store_text_object(store, at->name);

		if (name == NULL) {
			Py_XDECREF(below);
			goto out;
		}
		PyObject *const asized = asized_new(self, at->size_bytes, at->flat_bytes, below, name);
		const int status = asized == NULL ? -1 : PyList_Append(list, asized);
		Py_XDECREF(asized);
		if (status < 0)
			goto out;
	}
	if (list != NULL)
		tuple = PyList_AsTuple(list);
out:
	Py_XDECREF(list);
	return tuple;
}

static PyObject *asized_of_state(PyObject *self, const struct mr_tracked_state *state)
{
	PyObject *const name = get_repr(self, NULL);
	PyObject *refs = NULL;

	if (name != NULL && state->tree != 0) {
		const struct mr_tracked_tree *const tree = mr_store_tree(as_view(self)->store, state->tree);
		uint32_t node = tree->node_first;

		refs = referents(self, &node, tree->node_first + tree->node_count, 1);
	}
	return asized_new(self, state->size_bytes, state->flat_bytes, refs, name);
}

static int append_pair(PyObject *list, uint64_t time_ns, PyObject *asized)
{
	PyObject *const pair =
		asized == NULL ? NULL : Py_BuildValue("(dO)", mr_store_seconds(time_ns), asized);
	const int status = pair == NULL ? -1 : PyList_Append(list, pair);

	Py_XDECREF(pair);
	return status;
}

static PyObject *get_snapshots(PyObject *self, void *Py_UNUSED(closure))
{
	const struct mr_store *const store = as_view(self)->store;
	const struct mr_tracked_row *const row = row_of(self);
	const struct mr_tracked_state *known = NULL;
	PyObject *const list = PyList_New(0);
	PyObject *asized =
		list == NULL ? NULL : asized_new(self, row->basic_bytes, row->basic_bytes, NULL, NULL);

	if (asized == NULL || append_pair(list, row->birth_ns, asized) < 0)
		goto failed;
	for (uint32_t i = 1; i < store->snapshots.count; i++) {
		const struct mr_tracked_state *const state = mr_store_state_at(store, as_view(self)->row, i);

		if (state == NULL)
			continue;
		if (state != known) {
			known = state;
			Py_DECREF(asized);
			asized = asized_of_state(self, state);
			if (asized == NULL)
				goto failed;
		}
		if (append_pair(list, mr_store_snapshot(store, i)->time_ns, asized) < 0)
			goto failed;
	}
	Py_DECREF(asized);
	return list;
failed:
	Py_XDECREF(asized);
	Py_XDECREF(list);
	return NULL;
}

static PyObject *get_max_size(PyObject *self, PyObject *Py_UNUSED(ignored))
{
	const struct mr_store *const store = as_view(self)->store;
	const struct mr_tracked_row *const row = row_of(self);
	uint64_t most = row->basic_bytes;

	for (uint32_t id = row->state; id != 0; id = mr_store_state(store, id)->previous) {
		const uint64_t size = mr_store_state(store, id)->size_bytes;

		most = size > most ? size : most;
	}
	return PyLong_FromUnsignedLongLong(most);
}

static PyObject *get_size(PyObject *self, void *Py_UNUSED(closure))
{
	return get_max_size(self, NULL);
}

static PyObject *size_at(PyObject *self, uint32_t snapshot)
{
	const struct mr_tracked_state *const state =
		snapshot == 0 ? NULL : mr_store_state_at(as_view(self)->store, as_view(self)->row, snapshot);

	return PyLong_FromUnsignedLongLong(state == NULL ? 0 : state->size_bytes);
}

/* The snapshot that found most. */
static PyObject *get_tsize(PyObject *self, void *Py_UNUSED(closure))
{
	const struct mr_store *const store = as_view(self)->store;
	uint32_t largest = 0;
	uint64_t most = 0;

	for (uint32_t i = 1; i < store->snapshots.count; i++) {
		if (mr_store_snapshot(store, i)->tracked_bytes > most) {
			most = mr_store_snapshot(store, i)->tracked_bytes;
			largest = i;
		}
	}
	return size_at(self, largest);
}

static PyObject *get_size_at_time(PyObject *self, PyObject *args, PyObject *keywords)
{
	static const char *const names[] = { "timestamp", NULL };
	PyObject *timestamp;
	const struct mr_store *const store = as_view(self)->store;
	const struct mr_tracked_row *const row = row_of(self);
	uint32_t low = 1, high = store->snapshots.count > 1 ? store->snapshots.count : 1;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "O:get_size_at_time", (char **)names, &timestamp))
		return NULL;
	if (timestamp == Py_None)
		return PyLong_FromLong(0);
	const double time = PyFloat_AsDouble(timestamp);
	if (time == -1.0 && PyErr_Occurred())
		return NULL;
	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;

		if (mr_store_seconds(mr_store_snapshot(store, middle)->time_ns) < time)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < store->snapshots.count && mr_store_seconds(mr_store_snapshot(store, low)->time_ns) == time)
		return size_at(self, low);
	return PyLong_FromUnsignedLong(mr_store_seconds(row->birth_ns) == time ? row->basic_bytes : 0);
}

static PyObject *set_resolution_level(PyObject *self, PyObject *args, PyObject *keywords)
{
	static const char *const names[] = { "resolution_level", NULL };
	struct mr_store *const store = as_view(self)->store;
	uint8_t level;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "O&:set_resolution_level", (char **)names,
	                                 mr_level_converter, &level))
		return NULL;
	row_of(self)->level = level;
	if (store->feed != NULL)
		mr_feed_level(store->feed, as_view(self)->row);
	Py_RETURN_NONE;
}

PyObject *mr_tracked_object_by_number(struct mr_store *store, PyObject *number)
{
	const unsigned long row = PyLong_AsUnsignedLong(number);

	if (row == (unsigned long)-1 && PyErr_Occurred())
		return NULL;
	if (row == 0 || row >= store->rows.count) {
		PyErr_SetObject(PyExc_IndexError, number);
		return NULL;
	}
	return mr_tracked_object_new(store, (uint32_t)row);
}

/* The view of another row of the same store, whatever store the tracker has by now. */
static PyObject *sibling(PyObject *self, PyObject *number)
{
	return mr_tracked_object_by_number(as_view(self)->store, number);
}

/* ---- Pickling: as a record of its own that needs no store ------------------------------------ */

static PyObject *getstate(PyObject *self, PyObject *Py_UNUSED(ignored))
{
	static const char *const names[] = { "id",    "repr",  "name",      "birth",
		                             "death", "trace", "snapshots", "_resolution_level" };
	PyObject *state = PyDict_New();

	for (size_t i = 0; state != NULL && i < MR_ARRAY_LEN(names); i++) {
		PyObject *const value = PyObject_GetAttrString(self, names[i]);

		if (value == NULL || PyDict_SetItemString(state, names[i], value) < 0)
			Py_CLEAR(state);
		Py_XDECREF(value);
	}
	return state;
}

static PyObject *reduce(PyObject *self, PyObject *Py_UNUSED(ignored))
{
	PyObject *const module = PyImport_ImportModule("memcapture.classtracker");
	PyObject *const record =
		module == NULL ? NULL : PyObject_GetAttrString(module, "TrackedObjectRecord");
	PyObject *const state = record == NULL ? NULL : getstate(self, NULL);
	PyObject *const result = state == NULL ? NULL : Py_BuildValue("(O()O)", record, state);

	Py_XDECREF(module);
	Py_XDECREF(record);
	Py_XDECREF(state);
	return result;
}

static PyObject *view_repr(PyObject *self)
{
	PyObject *const name = get_name(self, NULL);
	const struct mr_tracked_row *const row = row_of(self);

	if (name == NULL)
		return NULL;
	PyObject *const text =
		PyUnicode_FromFormat("<TrackedObject %U at %p, %s>", name, (void *)(uintptr_t)row->address,
	                             row->death_ns != 0 ? "dead" : "alive");
	Py_DECREF(name);
	return text;
}

/* ---- The type ---------------------------------------------------------------------------------- */

#define KEYWORDS(function) (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

static PyMethodDef view_methods[] = {
	{ "_sibling", sibling, METH_O, NULL },
	{ "get_max_size", get_max_size, METH_NOARGS,
	  PyDoc_STR("get_max_size($self, /)\n--\n\nThe largest size that was ever found.") },
	{ "get_size_at_time", KEYWORDS(get_size_at_time),
	  PyDoc_STR("get_size_at_time($self, /, timestamp)\n--\n\n"
	            "The size in the snapshot of that time; 0 when it was not alive then.") },
	{ "set_resolution_level", KEYWORDS(set_resolution_level),
	  PyDoc_STR("set_resolution_level($self, /, resolution_level)\n--\n\n"
	            "How many levels of referents are sized one by one, from the next snapshot on.") },
	{ "__getstate__", getstate, METH_NOARGS, NULL },
	{ "__reduce__", reduce, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef view_getset[] = {
	{ "ref", get_ref, NULL, PyDoc_STR("The weak reference; ref() is None once the object is gone."),
	  NULL },
	{ "id", get_id, NULL, PyDoc_STR("id() of the object."), NULL },
	{ "repr", get_repr, NULL, PyDoc_STR("How the object showed itself at its last snapshot, or ''."),
	  NULL },
	{ "name", get_name, NULL, PyDoc_STR("The name that it is tracked under."), NULL },
	{ "classname", get_name, NULL, PyDoc_STR("The same."), NULL },
	{ "birth", get_birth, NULL, PyDoc_STR("When it was first tracked, in seconds."), NULL },
	{ "death", get_death, NULL, PyDoc_STR("When it died, in seconds, or None."), NULL },
	{ "trace", get_trace, NULL,
	  PyDoc_STR("Where it was made: (file, line, function, [source line], 0) from the outermost\n"
	            "caller inwards; None when that was not asked for."),
	  NULL },
	{ "snapshots", get_snapshots, NULL,
	  PyDoc_STR("(time, Asized) at birth and in each snapshot that it was alive in."), NULL },
	{ "size", get_size, NULL, PyDoc_STR("get_max_size()"), NULL },
	{ "tsize", get_tsize, NULL, PyDoc_STR("The size in the snapshot that found most in all."), NULL },
	{ "_resolution_level", get_level, NULL, NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot view_slots[] = {
	{ Py_tp_doc, (void *)"What is known of an object that is or was tracked." },
	{ Py_tp_dealloc, (void *)view_dealloc },
	{ Py_tp_hash, (void *)view_hash },
	{ Py_tp_richcompare, (void *)view_richcompare },
	{ Py_tp_repr, (void *)view_repr },
	{ Py_tp_methods, view_methods },
	{ Py_tp_getset, view_getset },
	{ 0, NULL },
};

static PyType_Spec view_spec = {
	.name = "memcapture._capture.TrackedObject",
	.basicsize = sizeof(struct view),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = view_slots,
};

/* What `ref` is when the object is gone: a reference whose object is gone. */
static PyObject *dead_reference(void)
{
	PyObject *const object = PySet_New(NULL);
	PyObject *const ref = object == NULL ? NULL : PyWeakref_NewRef(object, NULL);

	Py_XDECREF(object);
	return ref;
}

int mr_tracked_object_add_to_module(PyObject *module)
{
	struct mr_capture_state *const state = mr_capture_state(module);

	state->object_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &view_spec, NULL);
	state->dead_ref = dead_reference();
	if (state->object_type == NULL || state->dead_ref == NULL)
		return -1;
	return PyModule_AddType(module, state->object_type);
}
