/* SPDX-License-Identifier: MIT
 *
 * The type TrackedObject: an object of a log as a row number.  What its row says is
 * read from the log's tables; its trace and its sizes at each snapshot are fetched,
 * when one of them is asked for, for all objects that came to light with it, because
 * a pass over the log costs as much for one as for thousands.
 */
#include "report_private.h"

struct tracked_object {
	PyObject_HEAD struct mr_report_batch *batch; /* one reference of it */
	size_t place;
	int64_t level; /* as set here; -1: as in the log */
};

/* ---- Batches ------------------------------------------------------------------------ */

struct mr_report_batch *mr_report_batch_new(struct mr_report_log *log, const uint32_t *rows, size_t count)
{
	struct mr_report_batch *const batch = mr_alloc(sizeof(*batch));
	size_t *const copy = mr_realloc(NULL, (count + 1) * sizeof(*copy));

	if (!batch || !copy) {
		mr_free(batch);
		mr_free(copy);
		PyErr_NoMemory();
		return NULL;
	}
	for (size_t i = 0; i < count; i++)
		copy[i] = rows[i];
	batch->references = 1;
	batch->log = (struct mr_report_log *)Py_NewRef(log);
	batch->rows = copy;
	batch->count = count;
	return batch;
}

void mr_report_batch_release(struct mr_report_batch *batch)
{
	if (!batch || --batch->references > 0)
		return;
	memstats_objects_free(batch->details);
	mr_free(batch->rows);
	Py_DECREF(batch->log);
	mr_free(batch);
}

/* Fetches the details of BATCH, whose log is locked; -1 with an error and without the lock. */
static int fetch_details(struct mr_report_batch *batch)
{
	struct memstats_error error = { 0, "" };
	int code = 0;

	if (batch->details)
		return 0;
	Py_BEGIN_ALLOW_THREADS
	code = memstats_objects_new(batch->log->lives, batch->rows, batch->count, &batch->details, &error);
	Py_END_ALLOW_THREADS
	if (code == 0)
		return 0;
	mr_report_unlock(batch->log);
	return mr_report_raise(&error);
}

/* As mr_report_enter(), with the details there; they are in *DETAILS.  -1: an error. */
static int enter_details(const struct tracked_object *object, const struct memstats_object **details,
                         int *collecting)
{
	mr_report_lock(object->batch->log);
	if (fetch_details(object->batch) < 0)
		return -1;
	*collecting = PyGC_Disable();
	*details = &object->batch->details[object->place];
	return 0;
}

/* ---- Making --------------------------------------------------------------------------- */

PyObject *mr_report_object_new(struct mr_report_batch *batch, size_t place)
{
	struct mr_report_state *const state = mr_report_state_of_type(Py_TYPE(batch->log));
	struct tracked_object *const object =
		state ? PyObject_New(struct tracked_object, state->object_type) : NULL;

	if (!object)
		return NULL;
	batch->references++;
	object->batch = batch;
	object->place = place;
	object->level = -1;
	return (PyObject *)object;
}

static void object_dealloc(PyObject *self)
{
	PyTypeObject *const type = Py_TYPE(self);

	mr_report_batch_release(((struct tracked_object *)self)->batch);
	type->tp_free(self);
	Py_DECREF(type);
}

static size_t row_of(const struct tracked_object *object)
{
	return object->batch->rows[object->place];
}

int64_t mr_report_object_row(const struct mr_report_log *log, PyObject *object)
{
	struct mr_report_state *const state = mr_report_state_of_type(Py_TYPE(log));

	if (!state || Py_TYPE(object) != state->object_type ||
	    ((struct tracked_object *)object)->batch->log != log)
		return -1;
	return (int64_t)row_of((struct tracked_object *)object);
}

/* ---- What its row says ------------------------------------------------------------------ */

/* A cell of the table that both kinds of columns are read from. */
static PyObject *cell_text(const struct tracked_object *object, const struct memstats_table *table,
                           size_t column)
{
	return mr_report_text(memstats_table_text(table, row_of(object), column));
}

static PyObject *object_life(PyObject *self, void *closure)
{
	const struct tracked_object *const object = (struct tracked_object *)self;
	const struct memstats_table *const lives = object->batch->log->lives;
	const size_t column = (size_t)(uintptr_t)closure;
	const size_t row = row_of(object);
	const int collecting = mr_report_enter(object->batch->log);
	PyObject *value = NULL;

	/* What was let go of alive has a time at which that was, but no death. */
	const bool is_alive = column == MR_LIFE_DEATH &&
	                      (memstats_table_is_null(lives, row, MR_LIFE_DEATH) ||
	                       strcmp(memstats_table_text(lives, row, MR_LIFE_STATE), "detached") == 0);

	if (column == MR_LIFE_CLASS || column == MR_LIFE_NAME)
		value = cell_text(object, lives, column);
	else if (is_alive)
		value = Py_NewRef(Py_None);
	else if (column == MR_LIFE_BIRTH || column == MR_LIFE_DEATH)
		value = mr_report_seconds(memstats_table_number(lives, row, column));
	else
		value = PyLong_FromUnsignedLongLong(memstats_table_number(lives, row, column));
	mr_report_leave(object->batch->log, collecting);
	return value;
}

static PyObject *object_size(PyObject *self, void *closure)
{
	const struct tracked_object *const object = (struct tracked_object *)self;
	struct mr_report_log *const log = object->batch->log;
	const enum mr_report_size column = (enum mr_report_size)(uintptr_t)closure;
	struct memstats_error error = { 0, "" };
	int code = 0;
	PyObject *value = NULL;

	mr_report_lock(log);
	if (!log->sizes[column]) {
		Py_BEGIN_ALLOW_THREADS
		code = mr_report_sizes(log, column, &error);
		Py_END_ALLOW_THREADS
	}
	if (code < 0) {
		mr_report_unlock(log);
		(void)mr_report_raise(&error);
		return NULL;
	}
	const int collecting = PyGC_Disable();

	if (column == MR_SIZE_REPR)
		value = cell_text(object, log->sizes[column], 0);
	else
		value = PyLong_FromUnsignedLongLong(
			memstats_table_number(log->sizes[column], row_of(object), 0));
	mr_report_leave(log, collecting);
	return value;
}

/* ---- Its sizes ---------------------------------------------------------------------------- */

/* Referents in the order of the log, and how far they are read. */
struct referents {
	PyObject *type; /* Asized */
	const struct memstats_referent *const *items;
	size_t count;
	size_t at;
};

PyObject *mr_report_sized(PyObject *type, uint64_t size_bytes, uint64_t flat_bytes, PyObject *referents,
                          PyObject *name)
{
	return PyObject_CallFunction(type, "KKOO", (unsigned long long)size_bytes,
	                             (unsigned long long)flat_bytes, referents, name);
}

static PyObject *make_referents(struct referents *referents, uint32_t level);

static PyObject *make_referent(struct referents *referents)
{
	const struct memstats_referent *const from = referents->items[referents->at++];
	PyObject *const name = mr_report_text(from->name);
	PyObject *const below = name ? make_referents(referents, from->level + 1) : NULL;
	PyObject *const made =
		below ? mr_report_sized(referents->type, from->size_bytes, from->flat_bytes, below, name)
		      : NULL;

	Py_XDECREF(name);
	Py_XDECREF(below);
	return made;
}

/* A tuple of the referents from here on that are at LEVEL or deeper.  A log has at most so many levels
 * that this does no harm. */
static PyObject *make_referents(struct referents *referents, uint32_t level)
{
	PyObject *const list = PyList_New(0);

	while (list && referents->at < referents->count && referents->items[referents->at]->level >= level) {
		PyObject *const made = make_referent(referents);
		const int added = made ? PyList_Append(list, made) : -1;

		Py_XDECREF(made);
		if (added < 0) {
			Py_DECREF(list);
			return NULL;
		}
	}
	PyObject *const tuple = list ? PyList_AsTuple(list) : NULL;

	Py_XDECREF(list);
	return tuple;
}

PyObject *mr_report_referents(PyObject *type, const struct memstats_referent *const *items, size_t count)
{
	struct referents referents = { type, items, count, 0 };

	return make_referents(&referents, 0);
}

static PyObject *make_all_referents(PyObject *type, const struct memstats_state *state)
{
	const struct memstats_referent **items = NULL;

	if (state->referent_count == 0)
		return PyTuple_New(0);
	items = mr_alloc(state->referent_count * sizeof(struct memstats_referent *));
	if (!items)
		return PyErr_NoMemory();
	for (size_t i = 0; i < state->referent_count; i++)
		items[state->referents[i].place] = &state->referents[i];
	PyObject *const made = mr_report_referents(type, items, state->referent_count);

	mr_free(items);
	return made;
}

static PyObject *make_state(PyObject *type, const struct memstats_object *object,
                            const struct memstats_state *state)
{
	const bool named = state->moment != MEMSTATS_AT_BIRTH && object->label[0] != '\0';
	PyObject *const referents = make_all_referents(type, state);
	PyObject *const name = named ? mr_report_text(object->label) : Py_NewRef(Py_None);
	PyObject *const time = mr_report_seconds(state->time_ns);
	PyObject *const sized = referents && name ? mr_report_sized(type, state->size_bytes,
	                                                            state->flat_bytes, referents, name)
	                                          : NULL;
	PyObject *const pair = sized && time ? PyTuple_Pack(2, time, sized) : NULL;

	Py_XDECREF(referents);
	Py_XDECREF(name);
	Py_XDECREF(time);
	Py_XDECREF(sized);
	return pair;
}

static PyObject *object_snapshots(PyObject *self, void *closure MR_UNUSED)
{
	const struct tracked_object *const object = (struct tracked_object *)self;
	struct mr_report_state *const state = mr_report_state_of_type(Py_TYPE(self));
	const struct memstats_object *details = NULL;
	int collecting = 0;

	if (!state || enter_details(object, &details, &collecting) < 0)
		return NULL;
	PyObject *list = PyList_New(0);

	for (size_t i = 0; list && i < details->state_count; i++) {
		PyObject *const pair = make_state(state->asized_type, details, &details->states[i]);

		if (!pair || PyList_Append(list, pair) < 0)
			Py_CLEAR(list);
		Py_XDECREF(pair);
	}
	mr_report_leave(object->batch->log, collecting);
	return list;
}

static PyObject *object_get_max_size(PyObject *self, PyObject *unused MR_UNUSED)
{
	return object_size(self, (void *)(uintptr_t)MR_SIZE_SIZE);
}

static PyObject *object_get_size_at_time(PyObject *self, PyObject *timestamp)
{
	const struct tracked_object *const object = (struct tracked_object *)self;
	const double wanted = timestamp == Py_None ? -2.0 : PyFloat_AsDouble(timestamp);
	const struct memstats_object *details = NULL;
	uint64_t size_bytes = 0;
	int collecting = 0;

	if (wanted == -1.0 && PyErr_Occurred())
		return NULL;
	if (enter_details(object, &details, &collecting) < 0)
		return NULL;
	for (size_t i = 0; i < details->state_count; i++)
		if (mr_report_seconds_of(details->states[i].time_ns) == wanted)
			size_bytes = details->states[i].size_bytes;
	mr_report_leave(object->batch->log, collecting);
	return PyLong_FromUnsignedLongLong(size_bytes);
}

static PyObject *object_set_level(PyObject *self, PyObject *level)
{
	const long value = PyLong_AsLong(level);

	if (value == -1 && PyErr_Occurred())
		return NULL;
	((struct tracked_object *)self)->level = value < 0 ? 0 : value;
	Py_RETURN_NONE;
}

static PyObject *object_level(PyObject *self, void *closure)
{
	const struct tracked_object *const object = (struct tracked_object *)self;

	return object->level >= 0 ? PyLong_FromLongLong(object->level) : object_life(self, closure);
}

/* ---- Where it was made -------------------------------------------------------------------------- */

static PyObject *object_trace(PyObject *self, void *closure MR_UNUSED)
{
	const struct tracked_object *const object = (struct tracked_object *)self;
	struct mr_report_state *const state = mr_report_state_of_type(Py_TYPE(self));
	const struct memstats_object *details = NULL;
	int collecting = 0;

	if (!state || enter_details(object, &details, &collecting) < 0)
		return NULL;
	PyObject *const trace = mr_report_trace(details);

	mr_report_leave(object->batch->log, collecting);
	/* Files are read by Python code: without the log. */
	return trace ? mr_report_trace_sources(state->get_source, trace) : NULL;
}

/* ---- The type ------------------------------------------------------------------------------------- */

static PyObject *object_ref(PyObject *self MR_UNUSED, PyObject *unused MR_UNUSED)
{
	Py_RETURN_NONE;
}

static PyObject *object_repr(PyObject *self)
{
	const struct tracked_object *const object = (struct tracked_object *)self;
	PyObject *const name = object_life(self, (void *)(uintptr_t)MR_LIFE_NAME);
	char address[32];

	mr_report_lock(object->batch->log);
	snprintf(address, sizeof(address), "0x%llx",
	         (unsigned long long)memstats_table_number(object->batch->log->lives, row_of(object),
	                                                   MR_LIFE_ADDRESS));
	mr_report_unlock(object->batch->log);
	PyObject *const made = name ? PyUnicode_FromFormat("<TrackedObject %U at %s>", name, address) : NULL;

	Py_XDECREF(name);
	return made;
}

static Py_hash_t object_hash(PyObject *self)
{
	const struct tracked_object *const object = (struct tracked_object *)self;
	const Py_hash_t hash =
		(Py_hash_t)((uintptr_t)object->batch->log / sizeof(void *) * 31 + row_of(object));

	return hash == -1 ? -2 : hash;
}

static PyObject *object_compare(PyObject *self, PyObject *other, int operation)
{
	if ((operation != Py_EQ && operation != Py_NE) || Py_TYPE(self) != Py_TYPE(other))
		Py_RETURN_NOTIMPLEMENTED;
	const struct tracked_object *const a = (struct tracked_object *)self;
	const struct tracked_object *const b = (struct tracked_object *)other;
	const bool same = a->batch->log == b->batch->log && row_of(a) == row_of(b);

	return PyBool_FromLong(same == (operation == Py_EQ));
}

static PyMethodDef object_methods[] = {
	{ "ref", object_ref, METH_NOARGS, "ref()\n--\n\nNone: the object is not in this program." },
	{ "get_max_size", object_get_max_size, METH_NOARGS,
	  "get_max_size()\n--\n\nIts largest size, in bytes." },
	{ "get_size_at_time", object_get_size_at_time, METH_O,
	  "get_size_at_time(timestamp)\n--\n\nIts size at the snapshot of that time; 0: it is not in it." },
	{ "set_resolution_level", object_set_level, METH_O,
	  "set_resolution_level(resolution_level)\n--\n\nOf no effect: it will not be sized again." },
	{ NULL, NULL, 0, NULL },
};

#define LIFE(name, column, doc)                                           \
	{                                                                 \
		name, object_life, NULL, doc, (void *)(uintptr_t)(column) \
	}
#define SIZE(name, column, doc)                                           \
	{                                                                 \
		name, object_size, NULL, doc, (void *)(uintptr_t)(column) \
	}

static PyGetSetDef object_attributes[] = {
	LIFE("id", MR_LIFE_ADDRESS, "Its id() while it was alive."),
	LIFE("name", MR_LIFE_NAME, "The name under which it is tracked."),
	LIFE("classname", MR_LIFE_CLASS, "The name of its class."),
	LIFE("birth", MR_LIFE_BIRTH, "When it was tracked, in seconds."),
	LIFE("death", MR_LIFE_DEATH, "When it was freed, in seconds; None: it was alive to the end."),
	SIZE("repr", MR_SIZE_REPR, "How it showed itself at its last snapshot."),
	SIZE("size", MR_SIZE_SIZE, "Its largest size, in bytes."),
	SIZE("tsize", MR_SIZE_TSIZE, "Its size at the snapshot at which all objects together were largest."),
	{ "snapshots", object_snapshots, NULL, "A list of (time, Asized), the one of its birth first.",
	  NULL },
	{ "trace", object_trace, NULL,
	  "Where it was made, outermost first: a list of (file, line, function, [source], 0), or None.",
	  NULL },
	{ "_resolution_level", object_level, NULL, NULL, (void *)(uintptr_t)MR_LIFE_LEVEL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyType_Slot object_slots[] = {
	{ Py_tp_doc, (char *)"What a log tells of an object that was tracked." },
	{ Py_tp_dealloc, object_dealloc },
	{ Py_tp_repr, object_repr },
	{ Py_tp_hash, object_hash },
	{ Py_tp_richcompare, object_compare },
	{ Py_tp_methods, object_methods },
	{ Py_tp_getset, object_attributes },
	{ 0, NULL },
};

static PyType_Spec object_spec = {
	.name = "memcapture._report.TrackedObject",
	.basicsize = sizeof(struct tracked_object),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = object_slots,
};

int mr_report_object_add(PyObject *module)
{
	struct mr_report_state *const state = mr_report_state_of(module);

	state->object_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &object_spec, NULL);
	return state->object_type ? PyModule_AddType(module, state->object_type) : -1;
}
