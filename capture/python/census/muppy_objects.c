/* SPDX-License-Identifier: MIT
 *
 * Lists of objects for memcapture.muppy: all that there are, the referents of one,
 * and what two lists do not have in common, by identity.
 */
#include "muppy_sizes.h"

#include <sys/mman.h>

#include "size_seen.h"

#define HUGE_PAGE_BYTES ((uintptr_t)2 << 20)

/* Objects that are referred to, as a list keeps them: its memory is Python's, so that a list can
 * have it. */
struct taken {
	PyObject **items;
	size_t count;
	size_t capacity;
};

/* A list of millions is written once, from end to end: huge pages, where the kernel has them, spare it
 * most of the page faults, which take as long as the rest.  A wish, which may fail. */
static void wish_huge_pages(void *block, size_t size_bytes)
{
	const uintptr_t from = ((uintptr_t)block + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1);
	const uintptr_t to = ((uintptr_t)block + size_bytes) & ~(HUGE_PAGE_BYTES - 1);

	if (from < to)
		madvise((void *)from, to - from, MADV_HUGEPAGE);
}

static int take(struct taken *taken, PyObject *object)
{
	if (MR_UNLIKELY(taken->count == taken->capacity)) {
		/* What is not written to takes no memory, and is given back; moving what was written to
		 * breaks up its huge pages. */
		const size_t capacity = taken->capacity ? 4 * taken->capacity : 4096;
		PyObject **const items = PyMem_Realloc(taken->items, capacity * sizeof(PyObject *));

		if (!items)
			return -1;
		taken->items = items;
		taken->capacity = capacity;
		wish_huge_pages(items, capacity * sizeof(PyObject *));
	}
	taken->items[taken->count++] = Py_NewRef(object);
	return 0;
}

static void give_back(struct taken *taken)
{
	for (size_t i = 0; i < taken->count; i++)
		Py_DECREF(taken->items[i]);
	PyMem_Free(taken->items);
	*taken = (struct taken){ 0 };
}

/* FIRST and then REST, both of which are empty afterwards.  NULL with a Python error. */
static PyObject *list_of(struct taken *first, struct taken *rest)
{
	const size_t count = first->count + rest->count;
	PyObject **const items = PyMem_Realloc(first->items, (count + 1) * sizeof(PyObject *));
	PyObject *const list = items ? PyList_New(0) : NULL;

	if (items)
		first->items = items;
	if (!list) {
		give_back(first);
		give_back(rest);
		return items ? NULL : PyErr_NoMemory();
	}
	if (rest->count)
		memcpy(items + first->count, rest->items, rest->count * sizeof(PyObject *));
	PyMem_Free(rest->items);
	((PyListObject *)list)->ob_item = items;
	((PyListObject *)list)->allocated = (Py_ssize_t)count + 1;
	Py_SET_SIZE((PyVarObject *)list, (Py_ssize_t)count);
	*first = *rest = (struct taken){ 0 };
	return list;
}

/* ---- All objects ---------------------------------------------------------------------- */

struct all {
	struct mr_census_session *session;
	struct taken untracked;
	struct taken tracked;
	bool only_tracked;
	bool unsettled; /* the collector has not let go of all that it will */
	bool failed;
};

static int visit_any(PyObject *object, void *context)
{
	struct all *const all = context;

	if (PyObject_GC_IsTracked(object)) {
		all->unsettled = all->unsettled || mr_gc_lets_go_of(object);
		return take(&all->tracked, object);
	}
	return all->only_tracked ? 0 : take(&all->untracked, object);
}

/* A referent, however often it comes. */
static int visit_referent(PyObject *object, void *context)
{
	struct all *const all = context;

	if (PyObject_GC_IsTracked(object))
		return 0;

	const struct mr_census_type *const known =
		mr_census_type_of(&all->session->types, all->session->module, Py_TYPE(object));

	if (known && (known->is_own || known->is_frame || mr_own_has(&all->session->own, object)))
		return 0;
	all->failed = !known || take(&all->untracked, object) < 0;
	return all->failed;
}

/* With each reference to what the collector does not track. */
static int take_all_references(PyObject *module, struct all *all)
{
	if (mr_census_begin(module) < 0)
		return -1;
	all->session = mr_census_session();
	all->only_tracked = true;

	int status = mr_census(module, 0, visit_any, all);

	for (size_t i = 0; status == 0 && i < all->tracked.count; i++) {
		PyObject *const object = all->tracked.items[i];

		if (Py_TYPE(object)->tp_traverse)
			Py_TYPE(object)->tp_traverse(object, visit_referent, all);
		status = all->failed ? -1 : 0;
	}
	mr_census_end(module);
	return status;
}

/* All objects, in ALL.  -1: what there is of them, with or without a Python error. */
static int take_all(PyObject *module, bool once, struct all *all)
{
	if (mr_census_collect(module) < 0)
		return -1;
	return once ? mr_census(module, MR_CENSUS_INTS, visit_any, all) : take_all_references(module, all);
}

static PyObject *muppy_objects(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
	struct all all = { 0 };

	if (count != 2) {
		PyErr_SetString(PyExc_TypeError, "muppy_objects() takes 2 arguments");
		return NULL;
	}

	const int once = PyObject_IsTrue(args[0]);
	const int settled = PyObject_IsTrue(args[1]);
	int status = once < 0 || settled < 0 ? -1 : take_all(module, once, &all);

	for (unsigned round = 1; status == 0 && settled && all.unsettled && round < MR_SETTLE_ROUNDS;
	     round++) {
		give_back(&all.untracked);
		give_back(&all.tracked);
		all = (struct all){ 0 };
		status = take_all(module, once, &all);
	}
	if (status == 0)
		return list_of(&all.untracked, &all.tracked);
	give_back(&all.untracked);
	give_back(&all.tracked);
	return PyErr_Occurred() ? NULL : PyErr_NoMemory();
}

/* ---- Each once ---------------------------------------------------------------------- */

/* Marks OBJECT.  1: it was not marked; 0: it was; -1: no memory. */
static int mark(struct mr_seen *seen, PyObject *object)
{
	unsigned shift;
	uint64_t *const word = mr_seen_word(seen, (uintptr_t)object, &shift);

	if (!word)
		return -1;
	if (mr_seen_state_in(word, shift) != MR_SEEN_NOT)
		return 0;
	mr_seen_put(word, shift, MR_SEEN_ONCE);
	return 1;
}

/* The objects that are not marked yet, which are marked if MARKS, as a new list. */
static PyObject *list_unmarked(struct mr_seen *seen, PyObject *objects, bool marks)
{
	struct taken taken = { 0 };
	struct taken none = { 0 };
	struct mr_each each;
	PyObject *object;
	int status = mr_each_init(&each, objects);

	while (status >= 0 && (object = mr_each_next(&each))) {
		if (marks) {
			status = mark(seen, object);
		} else {
			unsigned shift;
			const uint64_t *const word = mr_seen_word(seen, (uintptr_t)object, &shift);

			status = !word ? -1 : mr_seen_state_in(word, shift) == MR_SEEN_NOT;
		}
		if (status > 0)
			status = take(&taken, object);
		Py_DECREF(object);
	}
	if (status < 0 && !PyErr_Occurred())
		PyErr_NoMemory();
	mr_each_release(&each);
	if (!PyErr_Occurred())
		return list_of(&taken, &none);
	give_back(&taken);
	return NULL;
}

static PyObject *muppy_unique(PyObject *module, PyObject *objects)
{
	struct mr_seen seen = { 0 };
	PyObject *const list = list_unmarked(&seen, objects, true);

	(void)module;
	mr_seen_release(&seen);
	return list;
}

/* ---- What two lists do not have in common ----------------------------------------------- */

/* Those of OBJECTS that are not in OTHERS. */
static PyObject *list_others(PyObject *objects, PyObject *others)
{
	struct mr_seen seen = { 0 };
	PyObject *const marked = list_unmarked(&seen, others, true);
	PyObject *const list = marked ? list_unmarked(&seen, objects, false) : NULL;

	Py_XDECREF(marked);
	mr_seen_release(&seen);
	return list;
}

static PyObject *muppy_diff(PyObject *module, PyObject *args)
{
	PyObject *left;
	PyObject *right;

	(void)module;
	if (!PyArg_ParseTuple(args, "O!O!", &PyList_Type, &left, &PyList_Type, &right))
		return NULL;

	PyObject *const added = list_others(right, left);
	PyObject *const removed = added ? list_others(left, right) : NULL;

	if (removed)
		return Py_BuildValue("{sNsN}", "+", added, "-", removed);
	Py_XDECREF(added);
	return NULL;
}

/* ---- Referents ---------------------------------------------------------------------- */

struct referents {
	struct mr_seen seen;
	struct taken taken;
	bool failed;
};

static int visit_new(PyObject *object, void *context)
{
	struct referents *const referents = context;
	const int is_new = mark(&referents->seen, object);

	referents->failed = is_new < 0 || (is_new > 0 && take(&referents->taken, object) < 0);
	return referents->failed;
}

static PyObject *muppy_referents(PyObject *module, PyObject *args)
{
	struct referents referents = { 0 };
	struct taken none = { 0 };
	PyObject *object;
	Py_ssize_t level;
	size_t from = 0;

	(void)module;
	if (!PyArg_ParseTuple(args, "On", &object, &level))
		return NULL;
	if (PyObject_IS_GC(object) && Py_TYPE(object)->tp_traverse)
		Py_TYPE(object)->tp_traverse(object, visit_new, &referents);
	for (Py_ssize_t i = 1; i < level && !referents.failed && from < referents.taken.count; i++) {
		const size_t to = referents.taken.count;

		for (; from < to && !referents.failed; from++) {
			PyObject *const at = referents.taken.items[from];

			if (PyObject_IS_GC(at) && Py_TYPE(at)->tp_traverse)
				Py_TYPE(at)->tp_traverse(at, visit_new, &referents);
		}
	}
	mr_seen_release(&referents.seen);
	if (!referents.failed)
		return list_of(&referents.taken, &none);
	give_back(&referents.taken);
	return PyErr_NoMemory();
}

/* ---- The module ------------------------------------------------------------------- */

static PyMethodDef functions[] = {
	/* No tuple of arguments, which would be one of the objects. */
	{ "muppy_objects", (PyCFunction)(void (*)(void))muppy_objects, METH_FASTCALL,
	  "All objects but frames and this package's own, after gc.collect(): each once, or for each "
	  "reference; and, if so wished, after as many more as it takes to let go of tuples." },
	{ "muppy_unique", muppy_unique, METH_O, "A list of the objects, each once." },
	{ "muppy_diff", muppy_diff, METH_VARARGS,
	  "Which objects are in the second list only ('+'), and which in the first ('-')." },
	{ "muppy_referents", muppy_referents, METH_VARARGS, "What an object refers to, in so many steps." },
	{ NULL, NULL, 0, NULL },
};

int mr_muppy_objects_add_to_module(PyObject *module)
{
	return PyModule_AddFunctions(module, functions);
}
