/* SPDX-License-Identifier: MIT
 *
 * draw_graph(nodes, edges, filename, format=None, title=None): a graph of objects as
 * a file.  nodes are (id, type, label, size, count, flags), edges (from, to, label,
 * count), flags those of enum memreport_node_flag.  The file appears whole or not at
 * all; layout and drawing are done without the GIL.
 */
#include "report_private.h"

/* What is drawn, and the objects that its texts lie in. */
struct graphing {
	struct memreport_graph graph;
	struct memreport_graph_node *nodes;
	struct memreport_graph_edge *edges;
	PyObject *kept; /* list of bytes */
	enum memreport_format format;
	struct memreport_error error;
};

/* TEXT (a str, or None) in UTF-8, kept; NULL with an error. */
static const char *text_of(struct graphing *graphing, PyObject *text)
{
	if (text == Py_None)
		return "";
	if (!PyUnicode_Check(text)) {
		PyErr_Format(PyExc_TypeError, "a text of a graph is a str, not %.100s",
		             Py_TYPE(text)->tp_name);
		return NULL;
	}
	PyObject *const bytes = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");

	if (!bytes)
		return NULL;
	const int code = PyList_Append(graphing->kept, bytes);

	Py_DECREF(bytes); /* the list has it */
	return code < 0 ? NULL : PyBytes_AS_STRING(bytes);
}

static int number_of(PyObject *number, uint64_t *value)
{
	*value = PyLong_AsUnsignedLongLong(number);
	return *value == UINT64_MAX && PyErr_Occurred() ? -1 : 0;
}

static int read_node(struct graphing *graphing, PyObject *row, struct memreport_graph_node *node)
{
	PyObject *id = NULL, *type = NULL, *label = NULL, *size = NULL, *count = NULL;

	if (!PyTuple_Check(row)) {
		PyErr_SetString(PyExc_TypeError, "a node is a tuple (id, type, label, size, count, flags)");
		return -1;
	}
	if (!PyArg_ParseTuple(row, "OOOOOI;a node is (id, type, label, size, count, flags)", &id, &type,
	                      &label, &size, &count, &node->flags) ||
	    number_of(id, &node->id) < 0 || number_of(size, &node->size_bytes) < 0 ||
	    number_of(count, &node->count) < 0)
		return -1;
	node->type = text_of(graphing, type);
	node->label = node->type ? text_of(graphing, label) : NULL;
	return node->label ? 0 : -1;
}

static int read_edge(struct graphing *graphing, PyObject *row, struct memreport_graph_edge *edge)
{
	PyObject *from = NULL, *to = NULL, *label = NULL, *count = NULL;

	if (!PyTuple_Check(row)) {
		PyErr_SetString(PyExc_TypeError, "an edge is a tuple (from, to, label, count)");
		return -1;
	}
	if (!PyArg_ParseTuple(row, "OOOO;an edge is (from, to, label, count)", &from, &to, &label, &count) ||
	    number_of(from, &edge->from) < 0 || number_of(to, &edge->to) < 0 ||
	    number_of(count, &edge->count) < 0)
		return -1;
	edge->label = text_of(graphing, label);
	return edge->label ? 0 : -1;
}

/* Room for as many as ROWS has, zeroed; NULL with an error. */
static void *room_for(PyObject *rows, size_t size, size_t *count)
{
	*count = (size_t)PyTuple_GET_SIZE(rows);
	void *const room = PyMem_Calloc(*count + 1, size);

	return room ? room : PyErr_NoMemory();
}

/* NODES and EDGES are tuples, so that numbers' __index__ cannot change them meanwhile. */
static int read_graph(struct graphing *graphing, PyObject *nodes, PyObject *edges)
{
	graphing->kept = PyList_New(0);
	graphing->nodes = room_for(nodes, sizeof(*graphing->nodes), &graphing->graph.node_count);
	graphing->edges = room_for(edges, sizeof(*graphing->edges), &graphing->graph.edge_count);
	if (!graphing->kept || !graphing->nodes || !graphing->edges)
		return -1;
	for (size_t i = 0; i < graphing->graph.node_count; i++)
		if (read_node(graphing, PyTuple_GET_ITEM(nodes, (Py_ssize_t)i), &graphing->nodes[i]) < 0)
			return -1;
	for (size_t i = 0; i < graphing->graph.edge_count; i++)
		if (read_edge(graphing, PyTuple_GET_ITEM(edges, (Py_ssize_t)i), &graphing->edges[i]) < 0)
			return -1;
	graphing->graph.nodes = graphing->nodes;
	graphing->graph.edges = graphing->edges;
	return 0;
}

static int write_graph(struct graphing *graphing, const char *path)
{
	struct mr_error *const err = (struct mr_error *)(void *)&graphing->error;
	struct mr_output output = { 0 };
	int code = 0;

	Py_BEGIN_ALLOW_THREADS
	code = mr_output_open(&output, path, err);
	if (code == 0)
		code = memreport_draw_graph(&graphing->graph, graphing->format, output.stream,
		                            &graphing->error);
	if (code == 0)
		code = mr_output_commit(&output, err);
	mr_output_discard(&output);
	Py_END_ALLOW_THREADS
	return code < 0 ? mr_report_raise_rendering(&graphing->error) : 0;
}

static int choose_format(struct graphing *graphing, PyObject *filename, const char *name)
{
	static const struct {
		const char *name;
		enum memreport_format format;
	} formats[] = { { "svg", MEMREPORT_SVG },
		        { "png", MEMREPORT_PNG },
		        { "pdf", MEMREPORT_PDF },
		        { "ps", MEMREPORT_PS },
		        { "eps", MEMREPORT_EPS } };

	if (!name)
		return mr_report_drawing_format(filename, &graphing->format);
	for (size_t i = 0; i < MR_ARRAY_LEN(formats); i++)
		if (strcasecmp(name, formats[i].name) == 0) {
			graphing->format = formats[i].format;
			return 0;
		}
	PyErr_Format(PyExc_ValueError, "a graph is drawn as 'svg', 'png', 'pdf', 'ps' or 'eps', not '%.100s'",
	             name);
	return -1;
}

static int draw_rows(struct graphing *graphing, PyObject *nodes, PyObject *edges, PyObject *filename)
{
	PyObject *const path = mr_report_path(filename);
	PyObject *const node_rows = path ? PySequence_Tuple(nodes) : NULL;
	PyObject *const edge_rows = node_rows ? PySequence_Tuple(edges) : NULL;
	int code = edge_rows ? read_graph(graphing, node_rows, edge_rows) : -1;

	if (code == 0)
		code = write_graph(graphing, PyBytes_AS_STRING(path));
	Py_XDECREF(edge_rows);
	Py_XDECREF(node_rows);
	Py_XDECREF(path);
	return code;
}

PyObject *mr_report_draw_graph(PyObject *module, PyObject *args, PyObject *keywords)
{
	static char *names[] = { (char *)"nodes",  (char *)"edges", (char *)"filename",
		                 (char *)"format", (char *)"title", NULL };
	struct graphing graphing = { .graph = { .title = NULL } };
	PyObject *nodes = NULL, *edges = NULL, *filename = NULL;
	const char *format = NULL;

	(void)module;
	if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOO|zz:draw_graph", names, &nodes, &edges,
	                                 &filename, &format, &graphing.graph.title) ||
	    choose_format(&graphing, filename, format) < 0)
		return NULL;
	const int code = draw_rows(&graphing, nodes, edges, filename);

	PyMem_Free(graphing.nodes);
	PyMem_Free(graphing.edges);
	Py_XDECREF(graphing.kept);
	if (code < 0)
		return NULL;
	Py_RETURN_NONE;
}
