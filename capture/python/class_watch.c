/* SPDX-License-Identifier: MIT
 *
 * Watches: how the instances of a class are tracked by a tracker.  A class's
 * observer holds the watches of all trackers that track it; a tracker has its own
 * by the class's address, because a metaclass may forbid that classes are hashed
 * or compared.
 */
#include "class_tracker.h"

#include "log_feed.h"

static inline struct mr_tracker *as_tracker(PyObject *self)
{
	return (struct mr_tracker *)self;
}

static struct mr_watch *watch_new(struct mr_tracker *tracker, PyTypeObject *cls)
{
	PyTypeObject *const type = mr_capture_state(tracker->module)->watch_type;
	struct mr_watch *const watch = PyObject_GC_New(struct mr_watch, type);

	if (watch == NULL)
		return NULL;
	/* All behind the object's header. */
	memset((char *)watch + sizeof(PyObject), 0, sizeof(*watch) - sizeof(PyObject));
	Py_INCREF(tracker);
	watch->tracker = tracker;
	Py_INCREF(cls);
	watch->cls = cls;
	PyObject_GC_Track((PyObject *)watch);
	return watch;
}

/* "module.name", as the class says. */
static PyObject *class_name(PyObject *cls)
{
	PyObject *const module = PyObject_GetAttrString(cls, "__module__");
	PyObject *const name = module == NULL ? NULL : PyObject_GetAttrString(cls, "__name__");
	PyObject *whole = NULL;

	if (name != NULL)
		whole = PyUnicode_FromFormat("%S.%S", module, name);
	Py_XDECREF(module);
	Py_XDECREF(name);
	return whole;
}

static int feed_class(const struct mr_tracker *tracker, const struct mr_watch *watch)
{
	struct mr_store *const store = tracker->store;

	if (store->feed == NULL || PyUnicode_GET_LENGTH(watch->name) == 0)
		return 0;
	const uint32_t index = mr_store_add_class(store, watch->name);
	if (index == 0)
		return -1;
	mr_feed_class(store->feed, index, watch->level, watch->keep, watch->trace);
	return 0;
}

/* The class's watch (borrowed), made where there is none.  NULL with a Python error. */
static struct mr_watch *watch_of(struct mr_tracker *tracker, PyObject *cls, PyObject *key, bool *fresh)
{
	PyObject *const found = PyDict_GetItemWithError(tracker->watches, key);

	*fresh = found == NULL;
	if (found != NULL || PyErr_Occurred())
		return (struct mr_watch *)found;
	struct mr_watch *const watch = watch_new(tracker, (PyTypeObject *)cls);
	if (watch == NULL)
		return NULL;
	/* Not in place of one that a finalizer has made meanwhile. */
	PyObject *const kept = PyDict_SetDefault(tracker->watches, key, (PyObject *)watch);
	*fresh = kept == (PyObject *)watch;
	Py_DECREF(watch);
	return (struct mr_watch *)kept;
}

/* Does the tracker's class have another track_object() than the tracker's own? */
static int tracks_by_method(const struct mr_tracker *tracker, bool *by_method)
{
	PyObject *const base = (PyObject *)mr_capture_state(tracker->module)->tracker_type;
	PyObject *const own = PyObject_GetAttrString(base, "track_object");
	PyObject *const its =
		own ? PyObject_GetAttrString((PyObject *)Py_TYPE(tracker), "track_object") : NULL;

	*by_method = its != own;
	Py_XDECREF(own);
	Py_XDECREF(its);
	return its ? 0 : -1;
}

static int watch_class(struct mr_tracker *tracker, PyObject *cls, PyObject *name,
                       const struct mr_tracking *how)
{
	PyObject *const key = PyLong_FromVoidPtr(cls);
	bool fresh, by_method;
	int status = -1;

	if (key == NULL || tracks_by_method(tracker, &by_method) < 0)
		goto out;
	struct mr_watch *const watch = watch_of(tracker, cls, key, &fresh);
	if (watch == NULL)
		goto out;
	Py_INCREF(watch);
	watch->by_method = by_method;
	Py_INCREF(name);
	Py_XSETREF(watch->name, name);
	watch->generation = 0;
	watch->level = how->level;
	watch->keep = how->keep;
	watch->trace = how->trace;
	/* A class that is watched already, and got another __init__ since, is observed again. */
	status = mr_observer_install(tracker->module, (PyTypeObject *)cls, (PyObject *)watch);
	if (status == 0)
		status = feed_class(tracker, watch);
	else if (fresh) {
		PyObject *type, *value, *traceback;

		PyErr_Fetch(&type, &value, &traceback);
		if (PyDict_DelItem(tracker->watches, key) < 0)
			PyErr_Clear();
		Py_CLEAR(watch->tracker);
		PyErr_Restore(type, value, traceback);
	}
	Py_DECREF(watch);
out:
	Py_XDECREF(key);
	return status;
}

PyObject *mr_tracker_track_class(PyObject *self, PyObject *args, PyObject *keywords)
{
	static const char *const names[] = { "cls", "name", "resolution_level", "keep", "trace", NULL };
	PyObject *cls, *name = Py_None;
	uint8_t level = 0;
	int keep = 0, trace = 0;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|OO&pp:track_class", (char **)names, &cls, &name,
	                                 mr_level_converter, &level, &keep, &trace))
		return NULL;
	if (!PyType_Check(cls)) {
		PyErr_Format(PyExc_TypeError, "track_class() takes a class, not an object of class %.100s",
		             Py_TYPE(cls)->tp_name);
		return NULL;
	}
	if (name != Py_None && !PyUnicode_Check(name)) {
		PyErr_Format(PyExc_TypeError, "name must be a str or None, not %.100s",
		             Py_TYPE(name)->tp_name);
		return NULL;
	}
	if (name == Py_None)
		name = class_name(cls);
	else
		Py_INCREF(name);
	if (name == NULL)
		return NULL;
	const int status =
		watch_class(as_tracker(self), cls, name,
	                    &(struct mr_tracking){ .level = level, .keep = keep != 0, .trace = trace != 0 });
	Py_DECREF(name);
	if (status < 0)
		return NULL;
	Py_RETURN_NONE;
}

/* Ends a watch that is not in the dict any more.  -1 with a Python error: the class could not be
 * given back its __init__; it is not watched any more all the same. */
static int watch_end(PyObject *module, struct mr_watch *watch)
{
	Py_CLEAR(watch->tracker);
	return mr_observer_remove(module, watch->cls, (PyObject *)watch);
}

PyObject *mr_tracker_detach_class(PyObject *self, PyObject *args, PyObject *keywords)
{
	static const char *const names[] = { "cls", NULL };
	struct mr_tracker *const tracker = as_tracker(self);
	PyObject *cls, *watch;
	int status = -1;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "O:detach_class", (char **)names, &cls))
		return NULL;
	PyObject *const key = PyLong_FromVoidPtr(cls);
	if (key == NULL)
		return NULL;
	watch = PyDict_GetItemWithError(tracker->watches, key);
	if (watch == NULL) {
		if (!PyErr_Occurred())
			PyErr_SetObject(PyExc_KeyError, cls);
	} else {
		Py_INCREF(watch);
		if (PyDict_DelItem(tracker->watches, key) == 0)
			status = watch_end(tracker->module, (struct mr_watch *)watch);
		Py_DECREF(watch);
	}
	Py_DECREF(key);
	if (status < 0)
		return NULL;
	Py_RETURN_NONE;
}

int mr_tracker_detach_classes(struct mr_tracker *tracker)
{
	PyObject *const fresh = PyDict_New();
	PyObject *type = NULL, *value = NULL, *traceback = NULL;
	PyObject *key, *watch;
	Py_ssize_t at = 0;

	if (fresh == NULL)
		return -1;
	PyObject *const watches = tracker->watches;
	tracker->watches = fresh;
	while (PyDict_Next(watches, &at, &key, &watch)) {
		if (watch_end(tracker->module, (struct mr_watch *)watch) == 0)
			continue;
		if (type == NULL)
			PyErr_Fetch(&type, &value, &traceback);
		else
			PyErr_Clear();
	}
	Py_DECREF(watches);
	if (type == NULL)
		return 0;
	PyErr_Restore(type, value, traceback);
	return -1;
}

/* ---- The type --------------------------------------------------------------------------- */

static int watch_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(((struct mr_watch *)self)->tracker);
	Py_VISIT(((struct mr_watch *)self)->cls);
	return 0;
}

static int watch_clear(PyObject *self)
{
	Py_CLEAR(((struct mr_watch *)self)->tracker);
	return 0;
}

static void watch_dealloc(PyObject *self)
{
	PyTypeObject *const type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	Py_XDECREF(((struct mr_watch *)self)->tracker);
	Py_XDECREF(((struct mr_watch *)self)->cls);
	Py_XDECREF(((struct mr_watch *)self)->name);
	PyObject_GC_Del(self);
	Py_DECREF(type);
}

static PyType_Slot watch_slots[] = {
	{ Py_tp_traverse, (void *)watch_traverse },
	{ Py_tp_clear, (void *)watch_clear },
	{ Py_tp_dealloc, (void *)watch_dealloc },
	{ 0, NULL },
};

static PyType_Spec watch_spec = {
	.name = "memcapture._capture.Watch",
	.basicsize = sizeof(struct mr_watch),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
	         Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = watch_slots,
};

int mr_watch_add_to_module(PyObject *module)
{
	struct mr_capture_state *const state = mr_capture_state(module);

	state->watch_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &watch_spec, NULL);
	return state->watch_type == NULL ? -1 : 0;
}
