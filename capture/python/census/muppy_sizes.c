/* SPDX-License-Identifier: MIT
 *
 * See muppy_sizes.h; and what memcapture.muppy does by size and type: the sum of
 * sizes, sorting, filtering.
 */
#include "muppy_sizes.h"

#include "referents.h"
#include "type_rules.h"

#define AHEAD 16 /* objects that are fetched before they are looked at */

/* ---- Sizes ---------------------------------------------------------------------- */

/* 1: *BYTES; 0: it failed; -1 with a Python error. */
static int ask(PyObject *module, PyObject *object, uint64_t *bytes)
{
	const struct mr_sizing_statics *const statics = mr_sizing_statics_get(mr_sizing_state_of(module));
	PyObject *const size = statics ? PyObject_CallOneArg(statics->getsizeof, object) : NULL;
	const unsigned long long value = size ? PyLong_AsUnsignedLongLong(size) : (unsigned long long)-1;

	Py_XDECREF(size);
	if (!statics || (value == (unsigned long long)-1 && PyErr_Occurred()))
		return statics ? mr_drop_error() : -1;
	*bytes = value;
	return 1;
}

int mr_getsizeof(struct mr_census_types *types, PyObject *module, PyObject *object, uint64_t *bytes)
{
	struct mr_census_type *known = mr_census_type_of(types, module, Py_TYPE(object));

	if (MR_UNLIKELY(!known)) {
		PyErr_NoMemory();
		return -1;
	}
	mr_census_type_plan(known);
	if (MR_UNLIKELY(known->in_python)) {
		const int found = ask(module, object, bytes);

		if (found != 0)
			return found < 0 ? -1 : 0;
		known = mr_census_type_of(types, module, Py_TYPE(object));
		if (!known) {
			PyErr_NoMemory();
			return -1;
		}
		mr_census_type_plan(known);
	}
	*bytes = mr_census_plain_bytes(known, object);
	return 0;
}

/* ---- One after the other ------------------------------------------------------------ */

int mr_each_init(struct mr_each *each, PyObject *objects)
{
	*each = (struct mr_each){ 0 };
	if (PyList_CheckExact(objects) || PyTuple_CheckExact(objects))
		each->items = objects;
	else
		each->iterator = PyObject_GetIter(objects);
	return each->items || each->iterator ? 0 : -1;
}

PyObject *mr_each_next(struct mr_each *each)
{
	if (!each->items)
		return PyIter_Next(each->iterator);

	PyObject **const items = PySequence_Fast_ITEMS(each->items);
	const Py_ssize_t count = Py_SIZE(each->items);

	if (each->at >= count)
		return NULL;
	if (each->at + AHEAD < count)
		__builtin_prefetch(items[each->at + AHEAD]);
	return Py_NewRef(items[each->at++]);
}

void mr_each_release(struct mr_each *each)
{
	Py_CLEAR(each->iterator);
}

/* ---- The sum of sizes --------------------------------------------------------------- */

static PyObject *muppy_size(PyObject *module, PyObject *objects)
{
	struct mr_census_types types = { .keeps = true };
	struct mr_each each;
	PyObject *object;
	uint64_t sum = 0;
	int status = mr_each_init(&each, objects);

	while (status == 0 && (object = mr_each_next(&each))) {
		uint64_t bytes = 0;

		status = mr_getsizeof(&types, module, object, &bytes);
		sum += bytes;
		Py_DECREF(object);
	}
	mr_each_release(&each);
	mr_census_types_release(&types);
	return status < 0 || PyErr_Occurred() ? NULL : PyLong_FromUnsignedLongLong(sum);
}

/* ---- Sorting ------------------------------------------------------------------------ */

struct sized {
	PyObject *object; /* of the list that is sorted */
	uint64_t bytes;
	size_t at;
};

static int by_size(const void *left, const void *right)
{
	const struct sized *const a = left;
	const struct sized *const b = right;

	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

static PyObject *muppy_sort(PyObject *module, PyObject *objects)
{
	struct mr_census_types types = { .keeps = true };
	PyObject *const list = PySequence_List(objects);
	const size_t count = list ? (size_t)PyList_GET_SIZE(list) : 0;
	struct sized *const order = mr_alloc((count + 1) * sizeof(*order));
	int status = list ? 0 : -1;

	if (list) /* so that sizes that are made by Python code do not find it, and it stays as it is */
		PyObject_GC_UnTrack(list);
	if (list && !order) {
		PyErr_NoMemory();
		status = -1;
	}
	for (size_t i = 0; status == 0 && i < count; i++) {
		order[i].object = PyList_GET_ITEM(list, (Py_ssize_t)i);
		order[i].at = i;
		status = mr_getsizeof(&types, module, order[i].object, &order[i].bytes);
	}
	if (status == 0) {
		qsort(order, count, sizeof(*order), by_size);
		for (size_t i = 0; i < count; i++)
			PyList_SET_ITEM(list, (Py_ssize_t)i, order[i].object);
		PyObject_GC_Track(list);
	}
	mr_free(order);
	mr_census_types_release(&types);
	if (status < 0)
		Py_XDECREF(list);
	return status < 0 ? NULL : list;
}

/* ---- Filtering ---------------------------------------------------------------------- */

/* isinstance(), but by the type alone where WANTED is a plain class: what an object says its __class__ is
 * may take Python code to find out.  Where asking fails, it is none. */
static int is_of_class(PyObject *object, PyObject *wanted)
{
	if (PyType_CheckExact(wanted))
		return PyType_IsSubtype(Py_TYPE(object), (PyTypeObject *)wanted);

	const int found = PyObject_IsInstance(object, wanted);

	return found < 0 ? mr_drop_error() : found;
}

static int is_instance(PyObject *object, PyObject *wanted)
{
	int found = 0;

	if (!PyTuple_CheckExact(wanted))
		return is_of_class(object, wanted);
	for (Py_ssize_t i = 0; found == 0 && i < PyTuple_GET_SIZE(wanted); i++)
		found = is_of_class(object, PyTuple_GET_ITEM(wanted, i));
	return found;
}

/* Is a class, or a tuple of such, what isinstance() takes?  -1 with a Python error. */
static int check_type(PyObject *wanted)
{
	return wanted == Py_None ? 0 : PyObject_IsInstance(Py_None, wanted);
}

static PyObject *muppy_filter(PyObject *module, PyObject *args)
{
	struct mr_census_types types = { .keeps = true };
	struct mr_each each = { 0 };
	PyObject *objects;
	PyObject *wanted;
	PyObject *object;
	long long more_than;
	long long less_than;
	int status;

	if (!PyArg_ParseTuple(args, "OOLL", &objects, &wanted, &more_than, &less_than) ||
	    check_type(wanted) < 0)
		return NULL;

	PyObject *const result = PyList_New(0);

	status = result ? mr_each_init(&each, objects) : -1;
	while (status == 0 && (object = mr_each_next(&each))) {
		uint64_t bytes = 0;
		int passes = wanted == Py_None ? 1 : is_instance(object, wanted);

		if (passes > 0 && (more_than > -1 || less_than > -1)) {
			status = mr_getsizeof(&types, module, object, &bytes);
			passes = (more_than <= -1 || bytes > (uint64_t)more_than) &&
			         (less_than <= -1 || bytes < (uint64_t)less_than);
		}
		if (status == 0)
			status = passes > 0 ? PyList_Append(result, object) : passes;
		Py_DECREF(object);
	}
	mr_each_release(&each);
	mr_census_types_release(&types);
	if (status == 0 && !PyErr_Occurred())
		return result;
	Py_XDECREF(result);
	return NULL;
}

/* ---- The module ------------------------------------------------------------------- */

static PyMethodDef functions[] = {
	{ "muppy_size", muppy_size, METH_O, "The sum of the flat sizes of objects." },
	{ "muppy_sort", muppy_sort, METH_O, "A list of the objects, smallest first." },
	{ "muppy_filter", muppy_filter, METH_VARARGS,
	  "Of objects those of a class or of any (None), larger and smaller than these (-1: of any size)." },
	{ NULL, NULL, 0, NULL },
};

int mr_muppy_sizes_add_to_module(PyObject *module)
{
	return PyModule_AddFunctions(module, functions);
}
