/* SPDX-License-Identifier: MIT
 *
 * Tracker: the part of ClassTracker that is in C.  It has a store of rows, the
 * objects that it keeps alive, and a watch on each tracked class.
 *
 * Making an object may run a garbage collection, and that any Python code, which
 * may track, drop or detach: whatever was looked up before is looked up again, or
 * held.
 */
#include "class_tracker.h"

#include <structmember.h>

#include "log_feed.h"

static inline struct mr_tracker *as_tracker(PyObject *self)
{
	return (struct mr_tracker *)self;
}

int mr_level_converter(PyObject *argument, void *level)
{
	int overflow;
	PyObject *const number = PyNumber_Index(argument);
	const long value = number == NULL ? -1 : PyLong_AsLongAndOverflow(number, &overflow);

	if (number == NULL)
		return 0;
	Py_DECREF(number);
	if (overflow != 0)
		*(uint8_t *)level = overflow > 0 ? UINT8_MAX : 0;
	else
		*(uint8_t *)level = value < 0 ? 0 : value > UINT8_MAX ? UINT8_MAX : (uint8_t)value;
	return 1;
}

/* ---- Objects ----------------------------------------------------------------------- */

static bool is_tracked(const struct mr_store *store, PyObject *object)
{
	const uint32_t row = mr_store_find(store, (uint64_t)(uintptr_t)object);
	PyObject *const ref = row == 0 ? NULL : mr_store_row(store, row)->ref;

	return ref != NULL && mr_ref_alive(ref);
}

/* The class index of what is tracked as HOW says; 0 with a Python error. */
static uint32_t class_of(const struct mr_tracker *tracker, PyObject *object, const struct mr_tracking *how)
{
	struct mr_watch *const watch = how->watch;
	uint32_t index;

	if (MR_LIKELY(watch != NULL && watch->generation == tracker->generation))
		return watch->class_index;
	if (how->name != NULL && PyUnicode_GET_LENGTH(how->name) > 0) {
		index = mr_store_add_class(tracker->store, how->name);
		if (watch != NULL && index != 0) {
			watch->class_index = index;
			watch->generation = tracker->generation;
		}
		return index;
	}

	PyObject *const name = PyObject_GetAttrString((PyObject *)Py_TYPE(object), "__name__");
	if (name == NULL)
		return 0;
	if (PyUnicode_Check(name)) {
		index = mr_store_add_class(tracker->store, name);
	} else {
		PyErr_SetString(PyExc_TypeError, "the name of the object's class is not a str");
		index = 0;
	}
	Py_DECREF(name);
	return index;
}

/* What a snapshot knows of an object before there is any: the size of its type alone. */
static uint32_t basic_size(const struct mr_tracker *tracker, PyObject *object, struct mr_watch *watch)
{
	const bool known = watch != NULL && Py_TYPE(object) == watch->cls;

	if (known && watch->basic_bytes != 0)
		return watch->basic_bytes;
	uint64_t bytes = mr_object_basic_size(tracker->module, object);
	if (bytes == 0)
		PyErr_Clear(); /* the original takes 0 for what it does not know */
	if (bytes > UINT32_MAX)
		bytes = UINT32_MAX;
	if (known)
		watch->basic_bytes = (uint32_t)bytes;
	return (uint32_t)bytes;
}

/* Makes the row; STORE is the tracker's and stays so.  -1 with a Python error. */
static int add_row(struct mr_tracker *tracker, struct mr_store *store, PyObject *ref, PyObject *object,
                   const struct mr_tracked_row *facts, bool keep)
{
	/* A list that grows makes no object: nothing runs from here on. */
	if (keep && PyList_Append(tracker->kept, object) < 0)
		return -1;
	const uint32_t id = mr_store_add_row(store, ref, (uint64_t)(uintptr_t)object, facts->class_index);
	if (id == 0) {
		const Py_ssize_t count = PyList_GET_SIZE(tracker->kept);

		if (keep && count > 0) {
			PyObject *type, *value, *traceback;

			PyErr_Fetch(&type, &value, &traceback);
			if (PyList_SetSlice(tracker->kept, count - 1, count, NULL) < 0)
				PyErr_Clear();
			PyErr_Restore(type, value, traceback);
		}
		return -1;
	}

	struct mr_tracked_row *const row = mr_store_row(store, id);
	row->basic_bytes = facts->basic_bytes;
	row->stack = facts->stack;
	row->level = facts->level;
	row->flags = keep ? MR_TRACKED_KEEP : 0;
	mr_ref_attach(ref, store, id);
	if (store->feed != NULL)
		mr_feed_birth(store->feed, id);
	return 0;
}

int mr_tracker_track(struct mr_tracker *tracker, PyObject *object, const struct mr_tracking *how)
{
	int status = -1;

	if (is_tracked(tracker->store, object))
		return 0;
	PyObject *const ref = mr_ref_new(tracker->module, object);
	if (ref == NULL)
		return -1;

	/* A collection can detach from all: the second time there is none. */
	int collecting = -1;
	for (bool again = true; again; collecting = collecting < 0 ? PyGC_Disable() : collecting) {
		struct mr_store *const store = tracker->store;
		struct mr_tracked_row facts = { .level = how->level };

		mr_store_hold(store);
		facts.basic_bytes = basic_size(tracker, object, how->watch);
		facts.class_index = class_of(tracker, object, how);
		if (how->trace)
			facts.stack = mr_store_trace(store);
		again = store != tracker->store; /* detached from all meanwhile */
		if (again || facts.class_index == 0) {
			again = again && PyErr_Occurred() == NULL;
		} else if (is_tracked(store, object)) {
			status = 0; /* by a finalizer, just now */
		} else if (add_row(tracker, store, ref, object, &facts, how->keep) == 0) {
			mr_store_release(store);
			if (MR_UNLIKELY(collecting > 0))
				(void)PyGC_Enable();
			return 0;
		}
		mr_store_release(store);
	}
	if (collecting > 0)
		(void)PyGC_Enable();
	Py_DECREF(ref);
	return status;
}

static PyObject *track_object(PyObject *self, PyObject *args, PyObject *keywords)
{
	static const char *const names[] = { "instance", "name", "resolution_level", "keep", "trace", NULL };
	PyObject *instance, *name = Py_None;
	uint8_t level = 0;
	int keep = 0, trace = 0;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|OO&pp:track_object", (char **)names, &instance,
	                                 &name, mr_level_converter, &level, &keep, &trace))
		return NULL;
	if (name != Py_None && !PyUnicode_Check(name)) {
		PyErr_Format(PyExc_TypeError, "name must be a str or None, not %.100s",
		             Py_TYPE(name)->tp_name);
		return NULL;
	}
	if (mr_tracker_track(as_tracker(self), instance,
	                     &(struct mr_tracking){ .name = name == Py_None ? NULL : name,
	                                            .level = level,
	                                            .keep = keep != 0,
	                                            .trace = trace != 0 }) < 0)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *track_change(PyObject *self, PyObject *args, PyObject *keywords)
{
	static const char *const names[] = { "instance", "resolution_level", NULL };
	PyObject *instance;
	uint8_t level = 0;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|O&:track_change", (char **)names, &instance,
	                                 mr_level_converter, &level))
		return NULL;

	struct mr_store *const store = as_tracker(self)->store;
	const uint32_t row = mr_store_find(store, (uint64_t)(uintptr_t)instance);
	if (row == 0 || !is_tracked(store, instance)) {
		PyObject *const key = PyLong_FromVoidPtr(instance);

		if (key != NULL)
			PyErr_SetObject(PyExc_KeyError, key);
		Py_XDECREF(key);
		return NULL;
	}
	mr_store_row(store, row)->level = level;
	if (store->feed != NULL)
		mr_feed_level(store->feed, row);
	Py_RETURN_NONE;
}

/* ---- All of it ----------------------------------------------------------------------------- */

/* A fresh store in place of the tracker's; views of the old one keep what they show. */
static int replace_store(struct mr_tracker *tracker, bool with_snapshots)
{
	PyObject *const kept = PyList_New(0);
	/* From here on no object is made that the collector knows: the store stays the tracker's. */
	struct mr_store *const before = tracker->store;
	struct mr_store *const fresh = mr_store_new(tracker->module, before->zero_ns);

	if (fresh == NULL || kept == NULL || mr_history_keep(tracker, before) < 0 ||
	    (with_snapshots && mr_store_inherit_snapshots(fresh, before) < 0)) {
		mr_store_release(fresh);
		Py_XDECREF(kept);
		return -1;
	}
	fresh->revision = before->revision + 1;
	fresh->last_ns = before->last_ns;
	tracker->store = fresh;
	tracker->generation++;
	for (uint32_t i = 1; i < before->rows.count; i++) {
		struct mr_tracked_row *const row = mr_store_row(before, i);

		if (row->ref != NULL)
			row->flags |= MR_TRACKED_DETACHED;
	}
	fresh->feed = before->feed;
	before->feed = NULL;
	if (fresh->feed != NULL) {
		if (with_snapshots)
			mr_feed_move(fresh->feed, fresh);
		else
			mr_feed_restart(fresh->feed, fresh);
	}
	mr_store_release(before);
	Py_SETREF(tracker->kept, kept); /* may run anything, so it comes last */
	return 0;
}

static PyObject *detach_all_classes(PyObject *self, PyObject *Py_UNUSED(ignored))
{
	if (mr_tracker_detach_classes(as_tracker(self)) < 0)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *detach_all(PyObject *self, PyObject *Py_UNUSED(ignored))
{
	if (mr_tracker_detach_classes(as_tracker(self)) < 0 || replace_store(as_tracker(self), true) < 0)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *forget_all(PyObject *self, PyObject *Py_UNUSED(ignored))
{
	if (mr_tracker_detach_classes(as_tracker(self)) < 0 || replace_store(as_tracker(self), false) < 0)
		return NULL;
	Py_RETURN_NONE;
}

/* ---- Logs ------------------------------------------------------------------------------------ */

static PyObject *open_log(PyObject *self, PyObject *argument)
{
	PyObject *path = NULL;

	if (argument != Py_None && !PyUnicode_FSConverter(argument, &path))
		return NULL;
	struct mr_store *const store = as_tracker(self)->store;
	mr_store_hold(store); /* a warning is Python code */
	const int status = store->feed != NULL ? 0
	                                       : mr_feed_open(&store->feed, store,
	                                                      path == NULL ? NULL : PyBytes_AS_STRING(path));
	const bool is_open = store->feed != NULL;
	mr_store_release(store);
	Py_XDECREF(path);
	if (status < 0)
		return NULL;
	return PyBool_FromLong(is_open);
}

static PyObject *close_log(PyObject *self, PyObject *Py_UNUSED(ignored))
{
	struct mr_store *const store = as_tracker(self)->store;
	struct mr_feed *const feed = store->feed;

	store->feed = NULL;
	if (feed != NULL && mr_feed_close(feed) < 0)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *mark(PyObject *self, PyObject *args, PyObject *keywords)
{
	static const char *const names[] = { "text", NULL };
	struct mr_feed *const feed = as_tracker(self)->store->feed;
	PyObject *text;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "U:mark", (char **)names, &text))
		return NULL;
	if (feed != NULL) {
		PyObject *const bytes = PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");

		if (bytes == NULL)
			return NULL;
		mr_feed_mark(feed, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
		Py_DECREF(bytes);
	}
	Py_RETURN_NONE;
}

static PyObject *dump(PyObject *self, PyObject *argument)
{
	PyObject *path = NULL;

	if (!PyUnicode_FSConverter(argument, &path))
		return NULL;
	struct mr_store *const store = as_tracker(self)->store;
	mr_store_hold(store);
	const int status = mr_feed_dump(store, PyBytes_AS_STRING(path));
	mr_store_release(store);
	Py_DECREF(path);
	if (status < 0)
		return NULL;
	Py_RETURN_NONE;
}

/* ---- Looks ----------------------------------------------------------------------------------- */

static PyObject *object_of_row(PyObject *self, PyObject *number)
{
	return mr_tracked_object_by_number(as_tracker(self)->store, number);
}

static PyObject *get_index(PyObject *self, void *Py_UNUSED(closure))
{
	return mr_index_new(as_tracker(self));
}

static PyObject *get_objects(PyObject *self, void *Py_UNUSED(closure))
{
	return mr_objects_new(as_tracker(self));
}

static PyObject *get_history(PyObject *self, void *Py_UNUSED(closure))
{
	return mr_history_new(as_tracker(self));
}

static PyObject *get_revision(PyObject *self, void *Py_UNUSED(closure))
{
	return PyLong_FromUnsignedLongLong(as_tracker(self)->store->revision);
}

static PyObject *take_snapshot(PyObject *self, PyObject *args)
{
	return mr_tracker_take_snapshot(as_tracker(self), args);
}

/* The thread that was taking one is not there any more: this is a forked child. */
static PyObject *give_up_snapshot(PyObject *self, PyObject *Py_UNUSED(ignored))
{
	mr_snapshot_give_up(as_tracker(self)->store);
	Py_RETURN_NONE;
}

/* ---- The types --------------------------------------------------------------------------------- */

static PyObject *tracker_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(keywords))
{
	PyObject *const module = mr_sizing_module_of(type);

	if (module == NULL || mr_capture_state(module)->on_death == NULL) {
		PyErr_SetString(PyExc_SystemError, "a tracker's type has lost its module");
		return NULL;
	}
	PyObject *const self = type->tp_alloc(type, 0);
	if (self == NULL)
		return NULL;
	struct mr_tracker *const tracker = as_tracker(self);
	Py_INCREF(module);
	tracker->module = module;
	tracker->generation = 1;
	tracker->watches = PyDict_New();
	tracker->kept = PyList_New(0);
	tracker->history_past = PyDict_New();
	tracker->store = mr_store_new(module, mr_capture_state(module)->zero_ns);
	if (tracker->watches == NULL || tracker->kept == NULL || tracker->history_past == NULL ||
	    tracker->store == NULL) {
		Py_DECREF(self);
		return NULL;
	}
	return self;
}

static int tracker_traverse(PyObject *self, visitproc visit, void *arg)
{
	struct mr_tracker *const tracker = as_tracker(self);

	/* Not the Refs: they lead to nothing of the program's, and tell of deaths as long as the
	 * store is there, also of objects that go together with the tracker. */
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(tracker->module);
	Py_VISIT(tracker->watches);
	Py_VISIT(tracker->kept);
	Py_VISIT(tracker->history_past);
	return 0;
}

static int tracker_clear(PyObject *self)
{
	struct mr_tracker *const tracker = as_tracker(self);

	/* The watches' observers are in classes that are garbage too, or that still work: a watch
	 * that is cleared is one that is detached. */
	if (tracker->watches != NULL)
		PyDict_Clear(tracker->watches);
	if (tracker->kept != NULL &&
	    PyList_SetSlice(tracker->kept, 0, PyList_GET_SIZE(tracker->kept), NULL) < 0)
		PyErr_Clear();
	return 0;
}

static void tracker_dealloc(PyObject *self)
{
	struct mr_tracker *const tracker = as_tracker(self);
	PyTypeObject *const type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	if (tracker->store != NULL) {
		struct mr_feed *const feed = tracker->store->feed;
		PyObject *error, *value, *traceback;

		tracker->store->feed = NULL;
		PyErr_Fetch(&error, &value, &traceback); /* it may die while an error is on its way */
		if (feed != NULL && mr_feed_close(feed) < 0)
			PyErr_WriteUnraisable(NULL);
		PyErr_Restore(error, value, traceback);
		mr_store_release(tracker->store);
	}
	Py_XDECREF(tracker->watches);
	Py_XDECREF(tracker->kept);
	Py_XDECREF(tracker->history_past);
	Py_XDECREF(tracker->module);
	type->tp_free(self);
	Py_DECREF(type);
}

#define KEYWORDS(function) (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

static PyMethodDef tracker_methods[] = {
	{ "track_object", KEYWORDS(track_object),
	  PyDoc_STR(
		  "track_object($self, /, instance, name=None, resolution_level=0, keep=False, trace=False)\n"
		  "--\n\n"
		  "Tracks an object: when it was born, how large it is in each snapshot, when it dies.\n\n"
		  "name is what it is listed under (default: the name of its class); resolution_level says\n"
		  "how many levels of what it refers to are sized one by one; keep holds a reference, so\n"
		  "that it stays alive; trace notes where in the program the call is.  An object that is\n"
		  "tracked already stays as it is.  TypeError: it cannot be weakly referenced.") },
	{ "track_change", KEYWORDS(track_change),
	  PyDoc_STR("track_change($self, /, instance, resolution_level=0)\n--\n\n"
	            "Changes the resolution level of a tracked object, from the next snapshot on.\n"
	            "KeyError: it is not tracked.") },
	{ "track_class", KEYWORDS(mr_tracker_track_class),
	  PyDoc_STR(
		  "track_class($self, /, cls, name=None, resolution_level=0, keep=False, trace=False)\n--\n\n"
		  "Tracks all instances of a class that are constructed from now on, those of its\n"
		  "subclasses too.  Where several tracked classes are in one line of inheritance, the most\n"
		  "specialised one decides.  The default name is 'module.class'.  For a class that is\n"
		  "tracked already, the options are changed.") },
	{ "detach_class", KEYWORDS(mr_tracker_detach_class),
	  PyDoc_STR("detach_class($self, /, cls)\n--\n\n"
	            "Ends the tracking of new instances of a class; those that are tracked stay so.\n"
	            "KeyError: it is not tracked.") },
	{ "detach_all_classes", detach_all_classes, METH_NOARGS,
	  PyDoc_STR(
		  "detach_all_classes($self, /)\n--\n\nEnds the tracking of new instances of all classes.") },
	{ "detach_all", detach_all, METH_NOARGS,
	  PyDoc_STR("detach_all($self, /)\n--\n\n"
	            "Ends the tracking of all classes and objects, and forgets the objects.  The snapshots\n"
	            "and the history stay.") },
	{ "mark", KEYWORDS(mark),
	  PyDoc_STR("mark($self, /, text)\n--\n\nPuts a message into the log, where one is being written.") },
	{ "_forget_all", forget_all, METH_NOARGS, NULL },
	{ "_give_up_snapshot", give_up_snapshot, METH_NOARGS, NULL },
	{ "_take_snapshot", take_snapshot, METH_VARARGS, NULL },
	{ "_open_log", open_log, METH_O, NULL },
	{ "_close_log", close_log, METH_NOARGS, NULL },
	{ "_dump", dump, METH_O, NULL },
	{ "_object", object_of_row, METH_O, NULL },
	{ NULL, NULL, 0, NULL },
};

static PyGetSetDef tracker_getset[] = {
	{ "index", get_index, NULL,
	  PyDoc_STR("By name: all objects that were tracked under it, dead ones too, in order of birth."),
	  NULL },
	{ "objects", get_objects, NULL,
	  PyDoc_STR("By id: the object that was last tracked there, until the id is used again."), NULL },
	{ "history", get_history, NULL,
	  PyDoc_STR("By name: (time, number of objects) at each birth and death."), NULL },
	{ "_revision", get_revision, NULL, NULL, NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyMemberDef tracker_members[] = {
	{ "_keepalive", T_OBJECT, offsetof(struct mr_tracker, kept), READONLY, NULL },
	{ NULL, 0, 0, 0, NULL },
};

static PyType_Slot tracker_slots[] = {
	{ Py_tp_doc, (void *)"The part of ClassTracker that is in C." },
	{ Py_tp_new, (void *)tracker_new },
	{ Py_tp_traverse, (void *)tracker_traverse },
	{ Py_tp_clear, (void *)tracker_clear },
	{ Py_tp_dealloc, (void *)tracker_dealloc },
	{ Py_tp_methods, tracker_methods },
	{ Py_tp_getset, tracker_getset },
	{ Py_tp_members, tracker_members },
	{ 0, NULL },
};

static PyType_Spec tracker_spec = {
	.name = "memcapture._capture.Tracker",
	.basicsize = sizeof(struct mr_tracker),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
	.slots = tracker_slots,
};

int mr_tracker_add_to_module(PyObject *module)
{
	struct mr_capture_state *const state = mr_capture_state(module);

	state->tracker_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &tracker_spec, NULL);
	if (state->tracker_type == NULL)
		return -1;
	return PyModule_AddType(module, state->tracker_type);
}
