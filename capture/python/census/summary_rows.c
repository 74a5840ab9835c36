/* SPDX-License-Identifier: MIT
 *
 * Summaries: how many objects there are by text, and their flat sizes.  What most
 * objects are called is said by their type alone, so counting them is a look at
 * the type; only for functions, modules, frames and what a program has added a
 * text is made for each object.
 *
 * A summary of all objects counts during the census, in memory that is no Python
 * object; what needs Python code waits, referred to, until the census is over.
 */
#include "muppy_sizes.h"
#include "summary_text.h"

struct row {
	PyObject *text; /* owned */
	uint64_t count;
	uint64_t bytes;
};

struct summary {
	PyObject *module;             /* borrowed */
	PyObject *representations;    /* owned: a dict */
	PyObject *indexes;            /* owned: text to index of its row */
	struct mr_census_types types; /* with what counts by type */
	uint32_t met;
	struct row *rows;
	size_t row_count;
	size_t row_capacity;
	PyObject **waiting; /* owned: objects that need Python code */
	size_t waiting_count;
	size_t waiting_capacity;
	bool unsettled; /* the collector has not let go of all that it will */
};

static int no_memory(void)
{
	PyErr_NoMemory();
	return -1;
}

static int init(struct summary *summary, PyObject *module, PyObject *representations)
{
	*summary = (struct summary){ .module = module, .types.keeps = true };
	/* A copy: a representation may change them. */
	summary->representations = PyDict_Copy(representations);
	summary->indexes = PyDict_New();
	return summary->representations && summary->indexes ? 0 : -1;
}

static void release(struct summary *summary)
{
	for (size_t i = 0; i < summary->types.capacity; i++)
		Py_CLEAR(summary->types.table[i].representation);
	mr_census_types_release(&summary->types);
	for (size_t i = 0; i < summary->row_count; i++)
		Py_DECREF(summary->rows[i].text);
	for (size_t i = 0; i < summary->waiting_count; i++)
		Py_DECREF(summary->waiting[i]);
	mr_free(summary->rows);
	mr_free(summary->waiting);
	Py_XDECREF(summary->indexes);
	Py_XDECREF(summary->representations);
	*summary = (struct summary){ .module = summary->module };
}

/* ---- Rows ------------------------------------------------------------------------ */

/* Adds to the row of TEXT, which is taken and may be NULL with a Python error. */
static int add_take(struct summary *summary, PyObject *text, uint64_t count, uint64_t bytes)
{
	PyObject *found = text ? PyDict_GetItemWithError(summary->indexes, text) : NULL;
	int status = -1;

	if (found) {
		const size_t at = PyLong_AsSize_t(found);

		summary->rows[at].count += count;
		summary->rows[at].bytes += bytes;
		Py_DECREF(text);
		return 0;
	}
	if (!text || PyErr_Occurred())
		goto out;
	if (mr_grow(&summary->rows, &summary->row_capacity, summary->row_count + 1, sizeof(struct row)) < 0) {
		no_memory();
		goto out;
	}
	found = PyLong_FromSize_t(summary->row_count);
	if (!found || PyDict_SetItem(summary->indexes, text, found) < 0)
		goto out;
	summary->rows[summary->row_count++] = (struct row){ Py_NewRef(text), count, bytes };
	status = 0;
out:
	Py_XDECREF(found);
	Py_XDECREF(text);
	return status;
}

/* ---- Types ----------------------------------------------------------------------- */

static struct mr_census_type *type_of(struct summary *summary, PyTypeObject *type)
{
	struct mr_census_type *const known = mr_census_type_of(&summary->types, summary->module, type);

	if (MR_UNLIKELY(!known))
		no_memory();
	return known;
}

/* How objects of TYPE are called.  Can run Python code. */
static struct mr_census_type *meet(struct summary *summary, PyTypeObject *type)
{
	struct mr_census_type *known = type_of(summary, type);

	if (!known || MR_LIKELY(known->is_met))
		return known;

	PyObject *found = mr_representation_of(summary->representations, type, 1);

	if (!found && PyErr_Occurred())
		return NULL;
	if (found && mr_representation_is_by_type(found))
		Py_CLEAR(found);
	known = type_of(summary, type);
	if (!known) {
		Py_XDECREF(found);
		return NULL;
	}
	known->is_met = true;
	known->place = summary->met++;
	Py_XSETREF(known->representation, found);
	return known;
}

/* ---- Objects --------------------------------------------------------------------- */

/* Counts OBJECT, by whatever code that takes. */
static int count_object(struct summary *summary, PyObject *object)
{
	struct mr_census_type *known = meet(summary, Py_TYPE(object));
	uint64_t bytes = 0;

	if (!known || mr_getsizeof(&summary->types, summary->module, object, &bytes) < 0)
		return -1;
	known = type_of(summary, Py_TYPE(object));
	if (!known)
		return -1;
	if (MR_LIKELY(!known->representation)) {
		known->objects++;
		known->bytes += bytes;
		return 0;
	}

	PyObject *const representation = Py_NewRef(known->representation);
	const int status = add_take(summary, mr_summary_text(representation, object), 1, bytes);

	Py_DECREF(representation);
	return status;
}

/* Counts OBJECT in a census, or lets it wait. */
static int visit(PyObject *object, void *context)
{
	struct summary *const summary = context;
	struct mr_census_type *const known = type_of(summary, Py_TYPE(object));

	if (MR_UNLIKELY(!known))
		return -1;
	if (MR_UNLIKELY(!known->is_met)) { /* not among the representations, then */
		known->is_met = true;
		known->place = summary->met++;
	}
	if (MR_UNLIKELY(known->type == &PyTuple_Type) && !summary->unsettled)
		summary->unsettled = mr_gc_lets_go_of(object);
	mr_census_type_plan(known);
	if (MR_LIKELY(!known->representation && !known->in_python)) {
		known->objects++;
		known->bytes += mr_census_plain_bytes(known, object);
		return 0;
	}
	if (mr_grow(&summary->waiting, &summary->waiting_capacity, summary->waiting_count + 1,
	            sizeof(PyObject *)) < 0)
		return no_memory();
	summary->waiting[summary->waiting_count++] = Py_NewRef(object);
	return 0;
}

/* ---- The result ------------------------------------------------------------------ */

static int by_place(const void *left, const void *right)
{
	const struct mr_census_type *const a = left;
	const struct mr_census_type *const b = right;

	return a->place < b->place ? -1 : a->place > b->place;
}

/* What was counted by type, into rows: types may have the same text. */
static int add_types(struct summary *summary)
{
	struct mr_census_types *const types = &summary->types;
	struct mr_census_type *const order = mr_alloc((types->count + 1) * sizeof(*order));
	size_t count = 0;
	int status = 0;

	if (!order)
		return no_memory();
	for (size_t i = 0; i < types->capacity; i++) {
		if (types->table[i].objects)
			order[count++] = types->table[i];
	}
	qsort(order, count, sizeof(*order), by_place);
	for (size_t i = 0; status == 0 && i < count; i++)
		status = add_take(summary, mr_summary_type_text(order[i].type), order[i].objects,
		                  order[i].bytes);
	mr_free(order);
	return status;
}

static PyObject *list_rows(const struct summary *summary)
{
	PyObject *const list = PyList_New((Py_ssize_t)summary->row_count);

	for (size_t i = 0; list && i < summary->row_count; i++) {
		const struct row *const row = &summary->rows[i];
		PyObject *const item = Py_BuildValue("[OKK]", row->text, (unsigned long long)row->count,
		                                     (unsigned long long)row->bytes);

		if (!item) {
			Py_DECREF(list);
			return NULL;
		}
		PyList_SET_ITEM(list, (Py_ssize_t)i, item);
	}
	return list;
}

/* ---- The module ------------------------------------------------------------------- */

static PyObject *summary_rows(PyObject *module, PyObject *args)
{
	struct summary summary;
	struct mr_each each = { 0 };
	PyObject *objects;
	PyObject *representations;
	PyObject *object;
	PyObject *list = NULL;

	if (!PyArg_ParseTuple(args, "OO!", &objects, &PyDict_Type, &representations))
		return NULL;

	int status = init(&summary, module, representations);

	if (status == 0)
		status = mr_each_init(&each, objects);
	while (status == 0 && (object = mr_each_next(&each))) {
		status = count_object(&summary, object);
		Py_DECREF(object);
	}
	if (status == 0 && !PyErr_Occurred() && add_types(&summary) == 0)
		list = list_rows(&summary);
	mr_each_release(&each);
	release(&summary);
	return list;
}

/* Before a census, in which no Python code may run: what the representations say. */
static int meet_represented(struct summary *summary)
{
	PyObject *const types = PyDict_Keys(summary->representations);
	int status = types ? 0 : -1;

	for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(types); i++) {
		PyObject *const type = PyList_GET_ITEM(types, i);

		if (PyType_Check(type) && !meet(summary, (PyTypeObject *)type))
			status = -1;
	}
	Py_XDECREF(types);
	return status;
}

/* A census, counted. */
static int count_all(struct summary *summary, PyObject *representations, bool with_own)
{
	PyObject *const module = summary->module;

	release(summary);
	if (init(summary, module, representations) < 0 || meet_represented(summary) < 0 ||
	    mr_census_collect(module) < 0)
		return -1;
	return mr_census(module, MR_CENSUS_INTS | (with_own ? MR_CENSUS_OWN : 0), visit, summary);
}

static PyObject *summary_of_all(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
	struct summary summary = { .module = module };
	PyObject *list = NULL;

	if (count != 2 || !PyDict_Check(args[0])) {
		PyErr_SetString(PyExc_TypeError, "summary_of_all() takes a dict and a truth");
		return NULL;
	}

	const int with_own = PyObject_IsTrue(args[1]);
	int status = with_own < 0 ? -1 : count_all(&summary, args[0], with_own);

	for (unsigned round = 1; status == 0 && summary.unsettled && round < MR_SETTLE_ROUNDS; round++)
		status = count_all(&summary, args[0], with_own);
	for (size_t i = 0; status == 0 && i < summary.waiting_count; i++)
		status = count_object(&summary, summary.waiting[i]);
	if (status == 0 && add_types(&summary) == 0)
		list = list_rows(&summary);
	release(&summary);
	return list;
}

static PyMethodDef functions[] = {
	{ "summary_rows", summary_rows, METH_VARARGS,
	  "[[text, how many, bytes], ...] of objects, by representations." },
	/* No tuple of arguments, which would be one of the objects. */
	{ "summary_of_all", (PyCFunction)(void (*)(void))summary_of_all, METH_FASTCALL,
	  "summary_rows() of all objects; true: also of those that this package holds." },
	{ NULL, NULL, 0, NULL },
};

int mr_summary_add_to_module(PyObject *module)
{
	return mr_summary_text_add_to_module(module) < 0 ? -1 : PyModule_AddFunctions(module, functions);
}
