/* SPDX-License-Identifier: MIT
 *
 * find_holders(): who holds the objects of a list (memcapture.reftracker).
 */
#include "holders_private.h"

#include "census.h"
#include "census_module.h"

#define WAYS_DEFAULT 8

static const char *const root_words[] = { "other", "module", "frame", "interpreter", "outside", "cycle" };

struct asked {
	PyObject *list; /* owned: the objects */
	struct mr_held *held;
	size_t count;
	PyTypeObject **types; /* of each group, owned */
	size_t type_count;
	size_t type_capacity;
	struct mr_holders_given given;
};

static void asked_release(struct asked *asked)
{
	for (size_t i = 0; i < asked->type_count; i++)
		Py_DECREF(asked->types[i]);
	mr_free(asked->types);
	mr_free(asked->held);
	mr_index_release(&asked->given.references);
	Py_XDECREF(asked->list);
}

static int add_object(struct asked *asked, struct mr_index *groups, PyObject *object)
{
	PyTypeObject *const type = Py_TYPE(object);
	uint32_t *const references = mr_index_at(&asked->given.references, object);

	if (references) {
		(*references)++;
		return 0;
	}
	(void)mr_index_add(&asked->given.references, object, 1);
	if (mr_index_reserve(groups, groups->count + 1) < 0)
		return -1;

	const uint32_t group = mr_index_add(groups, (PyObject *)type, (uint32_t)asked->type_count);

	if (group == asked->type_count) {
		if (mr_grow(&asked->types, &asked->type_capacity, asked->type_count + 1, sizeof(type)) < 0)
			return -1;
		asked->types[asked->type_count++] = (PyTypeObject *)Py_NewRef((PyObject *)type);
	}
	asked->held[asked->count++] = (struct mr_held){ .object = object, .group = group };
	return 0;
}

/* Each of OBJECTS once, in groups by type. */
static int asked_init(struct asked *asked, PyObject *objects)
{
	struct mr_index groups = { 0 };
	int status = -1;

	*asked = (struct asked){ 0 };
	asked->list = PySequence_Fast(objects, "the objects must be a list or another iterable");
	if (!asked->list)
		return -1;

	const size_t count = (size_t)PySequence_Fast_GET_SIZE(asked->list);

	asked->given.lists[0] = objects;
	asked->given.lists[1] = asked->list;
	asked->held = mr_alloc((count + 1) * sizeof(*asked->held));
	if (asked->held && mr_index_reserve(&asked->given.references, count) == 0)
		status = 0;
	for (size_t i = 0; status == 0 && i < count; i++)
		status = add_object(asked, &groups, PySequence_Fast_ITEMS(asked->list)[i]);
	if (status < 0) {
		PyErr_NoMemory();
		asked_release(asked);
	}
	mr_index_release(&groups);
	return status;
}

static PyObject *row_of(const struct asked *asked, const struct mr_holder *row)
{
	return Py_BuildValue("(OKKsssk)", asked->types[row->group], (unsigned long long)row->count,
	                     (unsigned long long)row->bytes, row->path, row->example_path,
	                     root_words[row->root], (unsigned long)row->length);
}

static PyObject *rows_of(const struct asked *asked, const struct mr_holders *holders)
{
	PyObject *const list = PyList_New((Py_ssize_t)holders->count);

	for (size_t i = 0; list && i < holders->count; i++) {
		PyObject *const row = row_of(asked, &holders->rows[i]);

		if (!row) {
			Py_DECREF(list);
			return NULL;
		}
		PyList_SET_ITEM(list, (Py_ssize_t)i, row);
	}
	return list;
}

static PyObject *find_holders(PyObject *module, PyObject *args, PyObject *keywords)
{
	static const char *names[] = { "objects", "ways", NULL };
	PyObject *objects;
	Py_ssize_t ways = WAYS_DEFAULT;
	struct asked asked;
	struct mr_holders holders;
	PyObject *rows = NULL;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|n:find_holders", (char **)names, &objects, &ways))
		return NULL;
	if (ways < 1) {
		PyErr_SetString(PyExc_ValueError, "ways must be at least 1");
		return NULL;
	}
	if (asked_init(&asked, objects) < 0)
		return NULL;
	if (mr_census_begin(module) < 0) {
		asked_release(&asked);
		return NULL;
	}
	for (size_t i = 0; i < asked.count; i++)
		asked.held[i].bytes = mr_census_bytes(module, asked.held[i].object);

	const int status =
		mr_holders_search(module, asked.held, asked.count, (size_t)ways, &asked.given, &holders);

	mr_census_end(module);
	if (status == 0) {
		rows = rows_of(&asked, &holders);
		mr_holders_release(&holders);
	}
	asked_release(&asked);
	return rows;
}

static PyMethodDef functions[] = {
	{ "find_holders", (PyCFunction)(void (*)(void))find_holders, METH_VARARGS | METH_KEYWORDS,
	  PyDoc_STR("find_holders($module, /, objects, ways=8)\n--\n\n"
	            "Who holds the objects: a list of (type, count, bytes, path, example, root, length),\n"
	            "by type in the order given, of each the ways that hold most first, at most so many.\n\n"
	            "A path is the shortest one that begins at a variable of a module, or else of a\n"
	            "running function, or else at what the interpreter or C code holds; what differs\n"
	            "between the objects is a star.  example is the path of the first of them, root is\n"
	            "'module', 'frame', 'interpreter', 'outside' (C code, or an expression that is being\n"
	            "worked out), 'cycle' (only each other) or 'other' (the rest, in one row).") },
	{ NULL, NULL, 0, NULL },
};

int mr_holders_add_to_module(PyObject *module)
{
	return PyModule_AddFunctions(module, functions);
}
