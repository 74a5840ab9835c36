/* SPDX-License-Identifier: MIT
 *
 * From what is known of objects back to the objects: by a census, which says what
 * is there to be referred to.  Methods of ObjectTracker, and the module's
 * functions.
 *
 * What a census has found is borrowed; it is referred to before anything is made
 * of it, because making an object may set off a collection.
 */
#include "object_tracker.h"

#include "census.h"
#include "census_module.h"

struct found {
	PyObject *object; /* owned, once the census is over */
	uint64_t bytes;
};

struct finding {
	PyObject *module;
	const struct mr_object_table *table; /* NULL: all objects */
	enum mr_tracked_kind kind;
	const uint8_t *types;   /* by number: is it wanted?  NULL: all are */
	const uint64_t *wanted; /* addresses, sorted; NULL: all */
	size_t wanted_count;
	struct found *found;
	size_t count;
	size_t capacity;
};

static int by_address(const void *a, const void *b)
{
	const uint64_t left = *(const uint64_t *)a;
	const uint64_t right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static bool is_wanted(const struct finding *finding, uint64_t address)
{
	return bsearch(&address, finding->wanted, finding->wanted_count, sizeof(address), by_address) != NULL;
}

static int meet(PyObject *object, void *context)
{
	struct finding *const finding = context;

	if (finding->table) {
		const struct mr_known *const known = mr_object_table_find(finding->table, object);

		if (!known || !mr_known_is(known, finding->kind, finding->table->census) ||
		    (finding->types && !finding->types[known->type]))
			return 0;
	}
	if (finding->wanted && !is_wanted(finding, (uint64_t)(uintptr_t)object))
		return 0;
	if (mr_grow(&finding->found, &finding->capacity, finding->count + 1, sizeof(*finding->found)) < 0)
		return -1;
	finding->found[finding->count++] =
		(struct found){ .object = object, .bytes = mr_census_bytes(finding->module, object) };
	return 0;
}

/* Fills `found`, with references.  -1 with a Python error. */
static int find(struct finding *finding)
{
	if (mr_census(finding->module, MR_CENSUS_DEEP | MR_CENSUS_CODE, meet, finding) < 0) {
		if (!PyErr_Occurred())
			PyErr_NoMemory();
		finding->count = 0;
		return -1;
	}
	for (size_t i = 0; i < finding->count; i++)
		Py_INCREF(finding->found[i].object);
	return 0;
}

static void release(struct finding *finding)
{
	for (size_t i = 0; i < finding->count; i++)
		Py_DECREF(finding->found[i].object);
	mr_free(finding->found);
}

/* ---- A tracker's ------------------------------------------------------------------------------ */

static int by_bytes(const void *a, const void *b)
{
	const struct found *const left = a;
	const struct found *const right = b;

	if (left->bytes != right->bytes)
		return left->bytes < right->bytes ? 1 : -1;
	return (uintptr_t)left->object < (uintptr_t)right->object ? -1 : 1;
}

static PyObject *pairs_of(const struct finding *finding)
{
	PyObject *const list = PyList_New((Py_ssize_t)finding->count);

	for (size_t i = 0; list && i < finding->count; i++) {
		PyObject *const pair = Py_BuildValue("KO", (unsigned long long)finding->found[i].bytes,
		                                     finding->found[i].object);

		if (!pair) {
			Py_DECREF(list);
			return NULL;
		}
		PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
	}
	return list;
}

/* Ids as sorted addresses; what is no id of an object is left out.  NULL with a Python error. */
static uint64_t *addresses_of(PyObject *ids, size_t *count)
{
	PyObject *const list = PySequence_List(ids);
	uint64_t *const addresses =
		list ? mr_alloc(((size_t)PyList_GET_SIZE(list) + 1) * sizeof(*addresses)) : NULL;

	*count = 0;
	if (list && !addresses)
		PyErr_NoMemory();
	for (Py_ssize_t i = 0; addresses && i < PyList_GET_SIZE(list); i++) {
		PyObject *const id = PyList_GET_ITEM(list, i);

		if (PyLong_CheckExact(id))
			addresses[(*count)++] = (uint64_t)PyLong_AsUnsignedLongLongMask(id);
	}
	Py_XDECREF(list);
	if (addresses)
		qsort(addresses, *count, sizeof(*addresses), by_address);
	return addresses;
}

/* Which types' names are in NAMES, a set of str: a byte for each. NULL with a Python error. */
static uint8_t *types_in(const struct mr_type_names *types, PyObject *names)
{
	const size_t count = types->count;
	uint8_t *const wanted = mr_alloc(count + 1);

	if (!wanted)
		PyErr_NoMemory();
	for (size_t i = 0; wanted && i < count; i++) {
		PyObject *const name = mr_type_name_str(&types->names[i]);
		const int is_in = name ? PySet_Contains(names, name) : -1;

		Py_XDECREF(name);
		if (is_in < 0) {
			mr_free(wanted);
			return NULL;
		}
		wanted[i] = is_in == 1;
	}
	return wanted;
}

static int kind_of(const char *which, enum mr_tracked_kind *kind)
{
	static const char *const names[] = { "new", "persistent", "start", "all" };

	for (unsigned i = 0; i < MR_ARRAY_LEN(names); i++) {
		if (strcmp(which, names[i]) == 0) {
			*kind = (enum mr_tracked_kind)i;
			return 0;
		}
	}
	PyErr_Format(PyExc_ValueError, "no kind of objects: '%s'", which);
	return -1;
}

/* _select(which, ids, names): the objects that are "new", "persistent", "start" or "all" by the last
 * census, of the ids (None: any) and of types of the names (a frozenset), and that are still there: a
 * list of (flat bytes, object), the largest first. */
PyObject *mr_object_tracker_select(PyObject *self, PyObject *args)
{
	struct mr_object_tracker *const tracker = mr_as_object_tracker(self);
	struct finding finding = { .module = tracker->module, .table = &tracker->table };
	PyObject *ids, *names;
	const char *which;
	uint64_t *wanted = NULL;
	uint8_t *types = NULL;
	PyObject *result = NULL;

	if (!PyArg_ParseTuple(args, "sOO!:_select", &which, &ids, &PyFrozenSet_Type, &names) ||
	    kind_of(which, &finding.kind) < 0)
		return NULL;
	if (ids != Py_None && !(wanted = addresses_of(ids, &finding.wanted_count)))
		return NULL;
	tracker->busy++; /* numbers of types stay what they are */
	types = types_in(&tracker->table.types, names);
	finding.wanted = wanted;
	finding.types = types;
	if (types && find(&finding) == 0) {
		if (finding.count)
			qsort(finding.found, finding.count, sizeof(*finding.found), by_bytes);
		result = pairs_of(&finding);
		release(&finding);
	}
	tracker->busy--;
	mr_free(wanted);
	mr_free(types);
	return result;
}

/* The object of ADDRESS, known to TABLE unless that is NULL; KeyError. */
static PyObject *look_up(PyObject *module, const struct mr_object_table *table, PyObject *id)
{
	const uint64_t address = PyLong_CheckExact(id) ? PyLong_AsUnsignedLongLongMask(id) : 0;
	struct finding finding = { .module = module,
		                   .table = table,
		                   .kind = MR_TRACKED_ALL,
		                   .wanted = &address,
		                   .wanted_count = 1 };
	PyObject *result = NULL;

	if (find(&finding) == 0 && finding.count > 0)
		result = Py_NewRef(finding.found[0].object);
	release(&finding);
	if (!result && !PyErr_Occurred())
		PyErr_SetObject(PyExc_KeyError, id);
	return result;
}

/* _lookup(id): the object that the last census found there; KeyError when it is not there any more. */
PyObject *mr_object_tracker_lookup(PyObject *self, PyObject *id)
{
	const struct mr_object_tracker *const tracker = mr_as_object_tracker(self);

	return look_up(tracker->module, &tracker->table, id);
}

/* ---- The module's ---------------------------------------------------------------------------------- */

static PyObject *find_object(PyObject *module, PyObject *id)
{
	return look_up(module, NULL, id);
}

static PyObject *all_objects(PyObject *module, PyObject *Py_UNUSED(ignored))
{
	struct finding finding = { .module = module };
	PyObject *dict = NULL;

	if (find(&finding) == 0)
		dict = PyDict_New();
	for (size_t i = 0; dict && i < finding.count; i++) {
		PyObject *const key = PyLong_FromVoidPtr(finding.found[i].object);

		if (!key || PyDict_SetItem(dict, key, finding.found[i].object) < 0)
			Py_CLEAR(dict);
		Py_XDECREF(key);
	}
	release(&finding);
	return dict;
}

static PyObject *flat_bytes(PyObject *module, PyObject *object)
{
	return PyLong_FromUnsignedLongLong(mr_census_bytes(module, object));
}

static PyMethodDef find_functions[] = {
	{ "find_object", find_object, METH_O, "The object of an id; KeyError when there is none." },
	{ "all_objects", all_objects, METH_NOARGS, "All objects but plain ints and frames, by their ids." },
	{ "flat_bytes", flat_bytes, METH_O,
	  "The size of an object as sys.getsizeof() has it, without running Python code." },
	{ NULL, NULL, 0, NULL },
};

int mr_object_find_add_to_module(PyObject *module)
{
	return PyModule_AddFunctions(module, find_functions);
}
