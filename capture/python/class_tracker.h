/* SPDX-License-Identifier: MIT
 *
 * The tracker as Python's Tracker, the watches that it has on classes, and the
 * observers of constructors, which stand in a class's place for __init__ and tell
 * the watches of each new instance.  Under the GIL.  Private to _capture.
 */
#ifndef MR_CLASS_TRACKER_H
#define MR_CLASS_TRACKER_H

#include "module_capture.h"

struct mr_tracker {
	PyObject_HEAD PyObject *module; /* owned: types lose theirs when they are collected */
	struct mr_store *store;         /* one reference; detach_all() gives another */
	uint64_t generation;            /* counts stores, from 1 */
	PyObject *watches;              /* dict: address of a class -> watch */
	PyObject *kept;                 /* list of the objects that shall not die */
	PyObject *history_past;         /* dict: name -> bytes, what tracked_history.c keeps */
};

/* How the instances of one class are tracked by one tracker. */
struct mr_watch {
	PyObject_HEAD struct mr_tracker *tracker; /* owned; NULL: detached */
	PyTypeObject *cls;                        /* owned */
	PyObject *name;                           /* owned, a str; empty: each object's own class name */
	uint64_t generation; /* of the store in which the name is class_index; 0: look it up */
	uint32_t class_index;
	uint32_t basic_bytes; /* of an instance of exactly `cls`; 0: not known yet */
	uint8_t level;
	bool keep;
	bool trace;
	bool by_method; /* a subclass of the tracker has a track_object() of its own: that is called */
};

struct mr_tracking {            /* how to track an object */
	PyObject *name;         /* a str, borrowed; NULL or empty: its class's name */
	struct mr_watch *watch; /* NULL: tracked by hand */
	uint8_t level;
	bool keep;
	bool trace;
};

/* Begins to track OBJECT, unless it is tracked already.  -1 with a Python error, TypeError when it
 * cannot be weakly referenced.  May run Python code (a garbage collection). */
int mr_tracker_track(struct mr_tracker *tracker, PyObject *object, const struct mr_tracking *how);

/* class_watch.c: Tracker.track_class() and detach_class(); all classes are detached, whatever happens
 * to one of them, and the first error is the one that stays (-1). */
PyObject *mr_tracker_track_class(PyObject *self, PyObject *args, PyObject *keywords);
PyObject *mr_tracker_detach_class(PyObject *self, PyObject *args, PyObject *keywords);
int mr_tracker_detach_classes(struct mr_tracker *tracker);

/* Puts an observer into the class, or adds WATCH to the one that is there.  -1 with a Python
 * error, TypeError when the class cannot be changed. */
int mr_observer_install(PyObject *module, PyTypeObject *cls, PyObject *watch);
/* Takes WATCH away; an observer without watches gives the class back its own __init__.  One that
 * is not in its place any more (__init__ was assigned since) stays where it is, and passes calls on. */
int mr_observer_remove(PyObject *module, PyTypeObject *cls, PyObject *watch);

/* tracked_history.c: the (time, count) of a name (an exact str; NULL: no name that there is) as a list,
 * a new reference; CLASS_INDEX 0: of the past alone.  And keeps what STORE knows, before it is let go.
 * NULL, -1 with a Python error. */
PyObject *mr_history_list(struct mr_tracker *tracker, PyObject *name, uint32_t class_index);
int mr_history_keep(struct mr_tracker *tracker, struct mr_store *store);

/* tracked_object.c, tracked_views.c: new references, or NULL with a Python error. */
PyObject *mr_tracked_object_new(struct mr_store *store, uint32_t row);
/* Of the row that NUMBER, an int, names; IndexError where there is none. */
PyObject *mr_tracked_object_by_number(struct mr_store *store, PyObject *number);
PyObject *mr_index_new(struct mr_tracker *tracker);
PyObject *mr_objects_new(struct mr_tracker *tracker);
PyObject *mr_history_new(struct mr_tracker *tracker);

/* python_snapshot.c: Tracker._take_snapshot(description, total=None, periodic=False). */
PyObject *mr_tracker_take_snapshot(struct mr_tracker *tracker, PyObject *args);

/* Takes back what a snapshot that nobody will finish has added. */
void mr_snapshot_give_up(struct mr_store *store);

/* A resolution level as an argument (an "O&" converter for a uint8_t). */
int mr_level_converter(PyObject *argument, void *level);

#endif
