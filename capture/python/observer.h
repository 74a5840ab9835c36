/* SPDX-License-Identifier: MIT
 *
 * What an observer of a constructor is, for the two files that know: observer.c has
 * its type, observer_install.c puts it into classes.
 */
#ifndef MR_OBSERVER_H
#define MR_OBSERVER_H

#include "class_tracker.h"

struct mr_observer {
	PyObject_HEAD vectorcallfunc vectorcall;
	PyObject *module;    /* owned */
	PyTypeObject *cls;   /* whose __init__ it is; owned */
	PyTypeObject *owner; /* owned; the class it was looked up in, where that is another, or NULL */
	PyObject *wrapped;   /* owned; the class's own __init__ as its dict had it, NULL: it has none */
	PyObject *watches;   /* owned list */
	PyObject *weak_references;
};

static inline struct mr_observer *mr_as_observer(PyObject *self)
{
	return (struct mr_observer *)self;
}

/* A new one; OWNER and WRAPPED may be NULL.  NULL with a Python error. */
PyObject *mr_observer_new(PyObject *module, PyTypeObject *cls, PyTypeObject *owner, PyObject *wrapped,
                          PyObject *watches);

/* What the class's own dict has for NAME; NULL without an error: nothing.  Borrowed: from a
 * dict that no Python code changes before the caller has taken a reference. */
PyObject *mr_observer_own_attribute(PyTypeObject *cls, PyObject *name);

/* Whether TYPE would have object's __init__ if nobody observed it. */
bool mr_observer_plain(const PyTypeObject *observer_type, PyTypeObject *type, PyObject *name);

#endif
