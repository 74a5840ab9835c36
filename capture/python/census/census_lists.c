/* SPDX-License-Identifier: MIT
 *
 * The objects that the collector tracks, from its own lists: no list of them is
 * made and no reference to them, as gc.get_objects() does for each.
 *
 * An object that has just been tracked is the last of the youngest list, so the
 * next after it is that list's head.  The heads of all generations lie in a row
 * of the interpreter's state; behind them the interpreter keeps a pointer to the
 * first, by which we know that they lie as we think.  Where they do not, the
 * public way is taken.
 */
#include "census_private.h"

#define GENERATIONS 3

struct generation {
	struct mr_gc_head head;
	int threshold;
	int count;
};

struct generations {
	struct generation young_to_old[GENERATIONS];
	struct generation *first;
	struct generation frozen;
};

static bool is_in_frozen; /* the list that is being visited is one that the collector does not look at */

/* Where the collector's lists are, or NULL: they do not lie as we think. */
static struct generations *find_lists(void)
{
#if PY_VERSION_HEX >= 0x030E0000 || defined(Py_GIL_DISABLED)
	return NULL;
#else
	PyObject *const probe = PyList_New(0);

	if (!probe)
		return NULL;

	struct generations *const lists = (struct generations *)(mr_gc_head_of(probe)->next & ~MR_GC_FLAGS);

	Py_DECREF(probe);
	return lists && lists->first == lists->young_to_old ? lists : NULL;
#endif
}

static int visit_list(const struct mr_gc_head *head, mr_census_visit visit, void *context)
{
	const struct mr_gc_head *at = (const struct mr_gc_head *)(head->next & ~MR_GC_FLAGS);

	while (at != head) {
		const struct mr_gc_head *const next = (const struct mr_gc_head *)(at->next & ~MR_GC_FLAGS);

		__builtin_prefetch(next);
		if (visit((PyObject *)(uintptr_t)(at + 1), context) < 0)
			return -1;
		at = next;
	}
	return 0;
}

/* By gc.get_objects(); frozen ones are not in it. */
static int visit_by_list(mr_census_visit visit, void *context)
{
	PyObject *const gc = PyImport_ImportModule("gc");
	PyObject *const objects = gc ? PyObject_CallMethod(gc, "get_objects", NULL) : NULL;
	int status = objects && PyList_CheckExact(objects) ? 0 : -1;

	Py_XDECREF(gc);
	for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(objects); i++)
		status = visit(PyList_GET_ITEM(objects, i), context);
	Py_XDECREF(objects);
	return status;
}

int mr_gc_each(mr_census_visit visit, void *context)
{
	const int was_enabled = PyGC_Disable();
	const struct generations *const lists = find_lists();
	int status = 0;

	if (!lists)
		PyErr_Clear(); /* of the probe; the other way says the same */
	for (size_t i = 0; lists && status == 0 && i < GENERATIONS; i++)
		status = visit_list(&lists->young_to_old[i].head, visit, context);
	is_in_frozen = true;
	if (lists && status == 0)
		status = visit_list(&lists->frozen.head, visit, context);
	is_in_frozen = false;
	if (!lists)
		status = visit_by_list(visit, context);
	if (was_enabled)
		PyGC_Enable();
	return status;
}

bool mr_gc_lets_go_of(PyObject *object)
{
	if (is_in_frozen || !PyTuple_CheckExact(object) || !mr_gc_is_tracked(object))
		return false;
	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(object); i++) {
		PyObject *const item = PyTuple_GET_ITEM(object, i);

		/* As _PyTuple_MaybeUntrack() decides. */
		if (!item || (PyObject_IS_GC(item) && (!PyTuple_CheckExact(item) || mr_gc_is_tracked(item))))
			return false;
	}
	return true;
}
