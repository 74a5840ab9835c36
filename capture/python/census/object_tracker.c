/* SPDX-License-Identifier: MIT
 *
 * See object_tracker.h: the tracker as Python's ObjectTracker, which
 * memcapture.reftracker makes ObjTracker of.
 */
#include "object_tracker.h"

#include "census.h"
#include "census_module.h"
#include "module_capture.h"

#define COLLECTIONS_FIRST 3

/* ---- Censuses -------------------------------------------------------------------------- */

static int refuse_if_busy(const struct mr_object_tracker *self)
{
	if (!self->busy)
		return 0;
	PyErr_SetString(PyExc_RuntimeError, "the tracker is writing down what its last census found");
	return -1;
}

/* _take(baseline, description): collects garbage, takes a census, and tells the log. */
static PyObject *tracker_take(PyObject *object, PyObject *args)
{
	struct mr_object_tracker *const self = mr_as_object_tracker(object);
	const char *description;
	int is_baseline;

	if (!PyArg_ParseTuple(args, "pz:_take", &is_baseline, &description))
		return NULL;
	/* What a baseline has, the next census shall have: a collection lets go of tuples that it need not
	 * track, of tuples of tuples one level at a time, and some are found only while they are tracked. */
	for (int i = is_baseline ? COLLECTIONS_FIRST : 1; i > 0; i--) {
		if (refuse_if_busy(self) < 0 || mr_census_collect(self->module) < 0)
			return NULL;
	}
	if (refuse_if_busy(self) < 0)
		return NULL;

	const uint64_t begin_ns = mr_clock_monotonic_ns();

	if (mr_object_table_take(&self->table, self->module) < 0)
		return NULL;
	const uint64_t duration_ns = mr_clock_monotonic_ns() - begin_ns;

	self->busy++;
	const int status = mr_object_tracker_tell(self, is_baseline != 0, duration_ns, description);

	self->busy--;
	if (is_baseline)
		mr_object_table_rebase(&self->table);
	if (status < 0)
		return NULL;
	Py_RETURN_NONE;
}

/* ---- What they found ---------------------------------------------------------------------- */

static PyObject *totals_row(const struct mr_object_table *table, uint32_t type)
{
	const struct mr_type_totals *const totals = &table->types.names[type].totals;

	return Py_BuildValue("NKKKKKKKKK", mr_type_name_str(&table->types.names[type]),
	                     (unsigned long long)totals->created, (unsigned long long)totals->created_bytes,
	                     (unsigned long long)totals->deleted, (unsigned long long)totals->deleted_bytes,
	                     (unsigned long long)totals->persistent,
	                     (unsigned long long)totals->persistent_bytes, (unsigned long long)totals->alive,
	                     (unsigned long long)totals->alive_bytes, (unsigned long long)totals->start);
}

/* _totals(): of each type that has, or had, objects: (name, created, bytes, deleted, bytes, persistent,
 * bytes, alive, bytes, alive at the baseline). */
static PyObject *tracker_totals(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	const struct mr_object_table *const table = &mr_as_object_tracker(object)->table;
	PyObject *const list = PyList_New(0);

	for (uint32_t i = 0; list && i < table->types.count; i++) {
		const struct mr_type_totals *const totals = &table->types.names[i].totals;

		if (!totals->alive && !totals->deleted && !totals->start)
			continue;
		PyObject *const row = totals_row(table, i);

		if (!row || PyList_Append(list, row) < 0) {
			Py_XDECREF(row);
			Py_DECREF(list);
			return NULL;
		}
		Py_DECREF(row);
	}
	return list;
}

/* _summary(): (number of the census, alive, their bytes, created, deleted, persistent, exact). */
static PyObject *tracker_summary(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	const struct mr_object_table *const table = &mr_as_object_tracker(object)->table;

	return Py_BuildValue("IKKKKKN", (unsigned)table->census, (unsigned long long)table->alive,
	                     (unsigned long long)table->alive_bytes, (unsigned long long)table->created,
	                     (unsigned long long)table->deleted, (unsigned long long)table->persistent,
	                     PyBool_FromLong(table->exact));
}

/* ---- Ids -------------------------------------------------------------------------------- */

struct id_dict {
	const struct mr_object_table *table;
	PyObject *dict;
	PyObject **names; /* of types, where they were needed; owned */
};

/* Adds ADDRESS: None, or the name of TYPE when names are wanted. */
static int add_id(struct id_dict *ids, uint64_t address, uint32_t type)
{
	PyObject *const key = PyLong_FromUnsignedLongLong(address);
	PyObject *value = Py_None;
	int status = -1;

	if (ids->names) {
		if (!ids->names[type])
			ids->names[type] = mr_type_name_str(&ids->table->types.names[type]);
		value = ids->names[type];
	}
	if (key && value)
		status = PyDict_SetItem(ids->dict, key, value);
	Py_XDECREF(key);
	return status;
}

static int add_ids(struct id_dict *ids, const struct mr_object_table *table, const char *which)
{
	const bool is_created = strcmp(which, "created") == 0;
	enum mr_tracked_kind kind = MR_TRACKED_ALL;

	if (strcmp(which, "deleted") == 0) {
		for (size_t i = 0; i < table->gone_count; i++) {
			if (add_id(ids, table->gone[i].address, table->gone[i].type) < 0)
				return -1;
		}
		return 0;
	}
	if (is_created || strcmp(which, "new") == 0)
		kind = MR_TRACKED_NEW;
	else if (strcmp(which, "persistent") == 0)
		kind = MR_TRACKED_PERSISTENT;
	else if (strcmp(which, "start") == 0)
		kind = MR_TRACKED_START;
	for (size_t i = 0; i < table->count; i++) {
		const struct mr_known *const known = &table->records[i];

		if (!mr_known_is(known, kind, table->census) || (is_created && known->since != table->census))
			continue;
		if (add_id(ids, known->address, known->type) < 0)
			return -1;
	}
	return 0;
}

/* _ids(which, names): a dict of the ids of the objects that are "created", "deleted", "new",
 * "persistent", "start", or all; the values are None, or the names of their types. */
static PyObject *tracker_ids(PyObject *object, PyObject *args)
{
	struct mr_object_tracker *const self = mr_as_object_tracker(object);
	const struct mr_object_table *const table = &self->table;
	struct id_dict ids = { .table = table };
	const char *which;
	int named;

	if (!PyArg_ParseTuple(args, "sp:_ids", &which, &named))
		return NULL;
	self->busy++; /* a collection that sets in may run Python code */
	const size_t type_count = table->types.count;

	ids.dict = PyDict_New();
	ids.names = named ? mr_alloc((type_count + 1) * sizeof(PyObject *)) : NULL;
	if (named && !ids.names)
		PyErr_NoMemory();
	if (ids.dict && !PyErr_Occurred() && add_ids(&ids, table, which) < 0)
		Py_CLEAR(ids.dict);
	self->busy--;
	for (size_t i = 0; ids.names && i < type_count; i++)
		Py_XDECREF(ids.names[i]);
	mr_free(ids.names);
	if (PyErr_Occurred())
		Py_CLEAR(ids.dict);
	return ids.dict;
}

/* ---- The log, the end ------------------------------------------------------------------------- */

static int end_log(struct mr_object_tracker *self)
{
	struct mr_object_feed *const feed = self->feed;

	self->feed = NULL;
	return mr_object_feed_close(feed);
}

/* _open_log(path): PATH is bytes or None. */
static PyObject *tracker_open_log(PyObject *object, PyObject *path)
{
	struct mr_object_tracker *const self = mr_as_object_tracker(object);
	PyObject *tracemalloc;

	if (path != Py_None && !PyBytes_Check(path)) {
		PyErr_SetString(PyExc_TypeError, "a path is bytes here");
		return NULL;
	}
	if (refuse_if_busy(self) < 0 || end_log(self) < 0 ||
	    mr_object_feed_open(&self->feed, self->module, path == Py_None ? NULL : PyBytes_AS_STRING(path)) <
	            0)
		return NULL;
	if (!self->feed)
		Py_RETURN_NONE;
	/* Imported now, what will be asked later is no news to the first census. */
	tracemalloc = PyImport_ImportModule("_tracemalloc");
	if (!tracemalloc)
		return NULL;
	Py_DECREF(tracemalloc);
	Py_RETURN_NONE;
}

static PyObject *tracker_close_log(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	if (refuse_if_busy(mr_as_object_tracker(object)) < 0 || end_log(mr_as_object_tracker(object)) < 0)
		return NULL;
	Py_RETURN_NONE;
}

/* _forget(): of all objects; nothing is noticed any more until the next census. */
static PyObject *tracker_forget(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	struct mr_object_tracker *const self = mr_as_object_tracker(object);

	if (refuse_if_busy(self) < 0)
		return NULL;
	mr_object_table_release(&self->table);
	Py_RETURN_NONE;
}

static PyObject *tracker_sizeof(PyObject *object, PyObject *Py_UNUSED(ignored))
{
	const struct mr_object_tracker *const self = mr_as_object_tracker(object);

	return PyLong_FromUnsignedLongLong((unsigned long long)Py_TYPE(object)->tp_basicsize +
	                                   mr_object_table_memory(&self->table));
}

/* ---- The type --------------------------------------------------------------------------------- */

static PyObject *tracker_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(keywords))
{
	PyObject *const module = mr_sizing_module_of(type);
	struct mr_object_tracker *self;

	if (!module) {
		PyErr_SetString(PyExc_RuntimeError, "the type has lost its module");
		return NULL;
	}
	self = (struct mr_object_tracker *)type->tp_alloc(type, 0);
	if (self)
		self->module = Py_NewRef(module);
	return (PyObject *)self;
}

static int tracker_traverse(PyObject *object, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(object));
	Py_VISIT(mr_as_object_tracker(object)->module);
	return 0;
}

static void tracker_dealloc(PyObject *object)
{
	struct mr_object_tracker *const self = mr_as_object_tracker(object);
	PyTypeObject *const type = Py_TYPE(object);
	PyObject *error_type, *error, *trace;

	PyObject_GC_UnTrack(object);
	PyErr_Fetch(&error_type, &error, &trace);
	if (end_log(self) < 0)
		PyErr_WriteUnraisable(NULL);
	PyErr_Restore(error_type, error, trace);
	mr_object_table_release(&self->table);
	Py_XDECREF(self->module);
	type->tp_free(object);
	Py_DECREF(type);
}

static PyMethodDef tracker_methods[] = {
	{ "_take", tracker_take, METH_VARARGS, NULL },
	{ "_totals", tracker_totals, METH_NOARGS, NULL },
	{ "_summary", tracker_summary, METH_NOARGS, NULL },
	{ "_ids", tracker_ids, METH_VARARGS, NULL },
	{ "_select", mr_object_tracker_select, METH_VARARGS, NULL },
	{ "_lookup", mr_object_tracker_lookup, METH_O, NULL },
	{ "_holders", mr_object_tracker_holders, METH_NOARGS, NULL },
	{ "_open_log", tracker_open_log, METH_O, NULL },
	{ "_close_log", tracker_close_log, METH_NOARGS, NULL },
	{ "_forget", tracker_forget, METH_NOARGS, NULL },
	{ "__sizeof__", tracker_sizeof, METH_NOARGS, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot tracker_slots[] = {
	{ Py_tp_doc, (void *)"What there is in a program, census by census: see memcapture.reftracker." },
	{ Py_tp_new, (void *)tracker_new },
	{ Py_tp_traverse, (void *)tracker_traverse },
	{ Py_tp_dealloc, (void *)tracker_dealloc },
	{ Py_tp_methods, tracker_methods },
	{ 0, NULL },
};

static PyType_Spec tracker_spec = {
	.name = "memcapture._capture.ObjectTracker",
	.basicsize = sizeof(struct mr_object_tracker),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = tracker_slots,
};

int mr_object_tracker_add_to_module(PyObject *module)
{
	struct mr_census_state *const state = mr_census_state_of(module);

	state->object_tracker_type = PyType_FromModuleAndSpec(module, &tracker_spec, NULL);
	if (!state->object_tracker_type)
		return -1;
	if (PyModule_AddType(module, (PyTypeObject *)state->object_tracker_type) < 0)
		return -1;
	return mr_object_find_add_to_module(module);
}
