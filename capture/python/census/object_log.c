/* SPDX-License-Identifier: MIT
 *
 * ObjectLog: a census's stream for Python code that has graphs to tell, and no
 * tracker of all objects to tell them by.  Methods of a closed log, of one that nobody
 * asked for, and in a forked child do nothing.
 */
#include "object_feed.h"

#include "census_module.h"

struct mr_object_log {
	PyObject_HEAD struct mr_object_feed *feed; /* NULL: there is none */
};

static inline struct mr_object_log *as_log(PyObject *self)
{
	return (struct mr_object_log *)self;
}

/* ---- A graph from Python's objects ---------------------------------------------------------- */

struct given {
	PyObject *texts; /* list of bytes objects that the graph's texts lie in */
	struct mr_fed_graph graph;
	struct mr_fed_node *nodes;
	struct mr_fed_edge *edges;
};

/* TEXT as UTF-8, kept by GIVEN; NULL with a Python error. */
static const char *text_of(struct given *given, PyObject *text)
{
	if (!PyUnicode_Check(text)) {
		PyErr_Format(PyExc_TypeError, "a graph's texts are str, not %.100s", Py_TYPE(text)->tp_name);
		return NULL;
	}
	PyObject *const bytes = PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
	const int status = bytes != NULL ? PyList_Append(given->texts, bytes) : -1;

	Py_XDECREF(bytes);
	return status == 0 ? PyBytes_AS_STRING(bytes) : NULL;
}

/* A number from 0 up to MAX. -1 with a Python error. */
static int number_of(PyObject *number, uint64_t max, uint64_t *value)
{
	if (!PyLong_Check(number)) {
		PyErr_Format(PyExc_TypeError, "a graph's numbers are int, not %.100s",
		             Py_TYPE(number)->tp_name);
		return -1;
	}
	const unsigned long long read = PyLong_AsUnsignedLongLong(number);
	if (read == (unsigned long long)-1 && PyErr_Occurred())
		return -1;
	if (read > max) {
		PyErr_Format(PyExc_OverflowError, "%llu is too large for a graph", read);
		return -1;
	}
	*value = read;
	return 0;
}

/* The item I of LIST, if it is a tuple of COUNT; NULL with a Python error. */
static PyObject *row_of(PyObject *list, Py_ssize_t i, Py_ssize_t count, const char *what)
{
	PyObject *const row = PyList_GET_ITEM(list, i);

	if (PyTuple_Check(row) && PyTuple_GET_SIZE(row) == count)
		return row;
	PyErr_Format(PyExc_TypeError, "%s of a graph is a tuple of %zd", what, count);
	return NULL;
}

static int take_node(struct given *given, PyObject *row, struct mr_fed_node *node)
{
	uint64_t id, flags;

	if (number_of(PyTuple_GET_ITEM(row, 0), UINT32_MAX, &id) < 0 ||
	    (node->type = text_of(given, PyTuple_GET_ITEM(row, 1))) == NULL ||
	    (node->label = text_of(given, PyTuple_GET_ITEM(row, 2))) == NULL ||
	    number_of(PyTuple_GET_ITEM(row, 3), UINT64_MAX, &node->bytes) < 0 ||
	    number_of(PyTuple_GET_ITEM(row, 4), UINT64_MAX, &node->count) < 0 ||
	    number_of(PyTuple_GET_ITEM(row, 5), UINT32_MAX, &flags) < 0)
		return -1;
	node->id = (uint32_t)id;
	node->flags = (unsigned)flags;
	return 0;
}

static int take_edge(struct given *given, PyObject *row, struct mr_fed_edge *edge)
{
	uint64_t from, to;

	if (number_of(PyTuple_GET_ITEM(row, 0), UINT32_MAX, &from) < 0 ||
	    number_of(PyTuple_GET_ITEM(row, 1), UINT32_MAX, &to) < 0 ||
	    (edge->label = text_of(given, PyTuple_GET_ITEM(row, 2))) == NULL ||
	    number_of(PyTuple_GET_ITEM(row, 3), UINT64_MAX, &edge->count) < 0)
		return -1;
	edge->from = (uint32_t)from;
	edge->to = (uint32_t)to;
	return 0;
}

/* NODES and EDGES are lists that nobody else has.  -1 with a Python error. */
static int take_rows(struct given *given, PyObject *nodes, PyObject *edges)
{
	const size_t node_count = (size_t)PyList_GET_SIZE(nodes), edge_count = (size_t)PyList_GET_SIZE(edges);

	given->nodes = mr_alloc(node_count * sizeof(*given->nodes) + 1);
	given->edges = mr_alloc(edge_count * sizeof(*given->edges) + 1);
	if (given->nodes == NULL || given->edges == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	for (size_t i = 0; i < node_count; i++) {
		PyObject *const row = row_of(nodes, (Py_ssize_t)i, 6, "a node");

		if (row == NULL || take_node(given, row, &given->nodes[i]) < 0)
			return -1;
	}
	for (size_t i = 0; i < edge_count; i++) {
		PyObject *const row = row_of(edges, (Py_ssize_t)i, 4, "an edge");

		if (row == NULL || take_edge(given, row, &given->edges[i]) < 0)
			return -1;
	}
	given->graph.nodes = given->nodes;
	given->graph.node_count = node_count;
	given->graph.edges = given->edges;
	given->graph.edge_count = edge_count;
	return 0;
}

static int take_kind(struct given *given, PyObject *kind)
{
	static const char *const kinds[] = {
		[MR_GRAPH_REFERENCES] = "references",
		[MR_GRAPH_GARBAGE] = "garbage",
		[MR_GRAPH_REFERRERS] = "referrers",
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(kinds); i++) {
		if (PyUnicode_CompareWithASCIIString(kind, kinds[i]) == 0) {
			given->graph.kind = (enum mr_graph_kind)i;
			return 0;
		}
	}
	PyErr_Format(PyExc_ValueError, "a graph's kind is 'references', 'garbage' or 'referrers', not %R",
	             kind);
	return -1;
}

static PyObject *graph(PyObject *self, PyObject *args, PyObject *keywords)
{
	static const char *const names[] = { "kind",    "title", "nodes",    "edges",
		                             "objects", "bytes", "snapshot", NULL };
	PyObject *kind, *title, *nodes, *edges, *objects, *bytes;
	struct given given = { 0 };

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "UUOOOO|I:graph", (char **)names, &kind, &title,
	                                 &nodes, &edges, &objects, &bytes, &given.graph.snapshot))
		return NULL;
	nodes = PySequence_List(nodes);
	edges = nodes != NULL ? PySequence_List(edges) : NULL;
	given.texts = edges != NULL ? PyList_New(0) : NULL;
	const bool taken = given.texts != NULL && take_kind(&given, kind) == 0 &&
	                   (given.graph.title = text_of(&given, title)) != NULL &&
	                   number_of(objects, UINT64_MAX, &given.graph.object_count) == 0 &&
	                   number_of(bytes, UINT64_MAX, &given.graph.bytes) == 0 &&
	                   take_rows(&given, nodes, edges) == 0;
	/* Looked at only now: what made the lists may have closed the log. */
	if (taken)
		mr_object_feed_graph(as_log(self)->feed, &given.graph);
	mr_free(given.nodes);
	mr_free(given.edges);
	Py_XDECREF(given.texts);
	Py_XDECREF(edges);
	Py_XDECREF(nodes);
	return taken ? Py_NewRef(Py_None) : NULL;
}

/* ---- The rest ---------------------------------------------------------------------------------- */

static PyObject *mark(PyObject *self, PyObject *text)
{
	if (!PyUnicode_Check(text)) {
		PyErr_Format(PyExc_TypeError, "a mark is a str, not %.100s", Py_TYPE(text)->tp_name);
		return NULL;
	}
	PyObject *const bytes = PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
	if (bytes == NULL)
		return NULL;
	mr_object_feed_mark(as_log(self)->feed, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
	Py_DECREF(bytes);
	Py_RETURN_NONE;
}

static PyObject *close_log(PyObject *self, PyObject *Py_UNUSED(ignored))
{
	struct mr_object_feed *const feed = as_log(self)->feed;

	as_log(self)->feed = NULL;
	if (mr_object_feed_close(feed) < 0)
		return NULL;
	Py_RETURN_NONE;
}

static PyObject *get_active(PyObject *self, void *Py_UNUSED(closure))
{
	return PyBool_FromLong(as_log(self)->feed != NULL);
}

static PyObject *log_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
	static const char *const names[] = { "path", NULL };
	PyObject *argument = Py_None, *path = NULL;

	if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O:ObjectLog", (char **)names, &argument))
		return NULL;
	if (argument != Py_None && !PyUnicode_FSConverter(argument, &path))
		return NULL;
	PyObject *const self = type->tp_alloc(type, 0);
	const int status = self != NULL ? mr_object_feed_open(&as_log(self)->feed, PyType_GetModule(type),
	                                                      path != NULL ? PyBytes_AS_STRING(path) : NULL)
	                                : -1;

	Py_XDECREF(path);
	if (status < 0) {
		Py_XDECREF(self);
		return NULL;
	}
	return self;
}

static void log_dealloc(PyObject *self)
{
	PyTypeObject *const type = Py_TYPE(self);
	PyObject *error_type, *value, *traceback;

	PyErr_Fetch(&error_type, &value, &traceback);
	if (mr_object_feed_close(as_log(self)->feed) < 0)
		PyErr_WriteUnraisable(NULL);
	PyErr_Restore(error_type, value, traceback);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyMethodDef log_methods[] = {
	{ "graph", (PyCFunction)(void (*)(void))graph, METH_VARARGS | METH_KEYWORDS,
	  "graph(kind, title, nodes, edges, objects, bytes, snapshot=0)\n--\n\n"
	  "Writes a graph of objects, of KIND 'references', 'garbage' or 'referrers'.\n\n"
	  "NODES are tuples (id, type, label, bytes, count, flags), EDGES tuples (from, to, label, count);\n"
	  "OBJECTS and BYTES are those of the whole graph, of which the nodes may be a part." },
	{ "mark", mark, METH_O, "mark(text)\n--\n\nPuts a word into the log at this moment." },
	{ "close", close_log, METH_NOARGS, "close()\n--\n\nEnds the log." },
	{ 0 },
};

static PyGetSetDef log_attributes[] = {
	{ "active", get_active, NULL, "Whether there is a log to write to.", NULL },
	{ 0 },
};

static PyType_Slot log_slots[] = {
	{ Py_tp_doc, (void *)"ObjectLog(path=None)\n--\n\n"
	                     "A log of graphs of objects: memrecord's, what MEMCAPTURE_LOG names, or PATH." },
	{ Py_tp_new, (void *)log_new },
	{ Py_tp_dealloc, (void *)log_dealloc },
	{ Py_tp_methods, log_methods },
	{ Py_tp_getset, log_attributes },
	{ 0, NULL },
};

static PyType_Spec log_spec = {
	.name = "memcapture._capture.ObjectLog",
	.basicsize = sizeof(struct mr_object_log),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
	.slots = log_slots,
};

int mr_object_log_add_to_module(PyObject *module)
{
	struct mr_census_state *const state = mr_census_state_of(module);

	state->object_log_type = PyType_FromModuleAndSpec(module, &log_spec, NULL);
	if (state->object_log_type == NULL)
		return -1;
	return PyModule_AddType(module, (PyTypeObject *)state->object_log_type);
}
