/* SPDX-License-Identifier: MIT
 *
 * ObjectGraph: a graph of objects as refgraph.py has it, and GraphNode, what is told
 * of one of its objects.  A graph never changes once it is made; what is told of it
 * later is made from it when it is asked for.
 */
#include "graph.h"

#include <structmember.h>

#include "census_module.h"
#include "log_format.h"
#include "referents.h"
#include "sizing_module.h"

struct mr_graph_object {
	PyObject_HEAD PyObject *module;
	struct mr_graph graph;
	PyObject *weakrefs;
};

struct mr_graph_node {
	PyObject_HEAD PyObject *id;
	PyObject *type;
	PyObject *text;
	unsigned long long bytes;
	unsigned int group;
	char cycle;
};

static inline struct mr_graph_object *as_graph(PyObject *self)
{
	return (struct mr_graph_object *)self;
}

/* An empty one of the same type as SELF, or NULL with a Python error. */
static struct mr_graph_object *new_like(PyObject *self)
{
	struct mr_graph_object *const made =
		(struct mr_graph_object *)Py_TYPE(self)->tp_alloc(Py_TYPE(self), 0);

	if (made)
		made->module = Py_NewRef(as_graph(self)->module);
	return made;
}

/* ---- Making ---------------------------------------------------------------------- */

/* The part of GRAPH that leads to cycles, sized, into PART. */
static int take_cycles(struct mr_graph *graph, PyObject *module, struct mr_graph *part)
{
	uint8_t *const keep = mr_alloc(graph->count + 1);
	int status;

	if (!keep) {
		PyErr_NoMemory();
		return -1;
	}
	status = mr_graph_mark_cycles(graph, keep);
	if (status == 0)
		status = mr_graph_take_kept(graph, keep, part);
	mr_free(keep);
	return status < 0 ? -1 : mr_graph_size(part, module);
}

static PyObject *graph_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
	static const char *const names[] = { "objects", "reduce", NULL };
	PyObject *objects;
	int reduce = 0;
	struct mr_graph_object *self;
	int status;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|p:ObjectGraph", (char **)names, &objects, &reduce))
		return NULL;
	objects = PySequence_Fast(objects, "a graph's objects are iterable");
	self = objects ? (struct mr_graph_object *)type->tp_alloc(type, 0) : NULL;
	if (!self) {
		Py_XDECREF(objects);
		return NULL;
	}
	/* Sizes are made by Python code, in part, that is not to find a graph which is not whole yet. */
	PyObject_GC_UnTrack(self);
	self->module = Py_XNewRef(mr_sizing_module_of(type));
	if (!self->module)
		PyErr_SetString(PyExc_SystemError, "the type has lost its module");
	status = self->module ? mr_graph_build(&self->graph, objects) : -1;
	Py_DECREF(objects);
	if (status == 0 && reduce) {
		struct mr_graph part = { 0 };

		status = take_cycles(&self->graph, self->module, &part);
		mr_graph_release(&self->graph);
		self->graph = part;
	} else if (status == 0) {
		status = mr_graph_size(&self->graph, self->module);
	}
	if (status == 0) {
		PyObject_GC_Track(self);
		return (PyObject *)self;
	}
	Py_DECREF(self);
	return NULL;
}

static PyObject *graph_reduced(PyObject *self, PyObject *unused MR_UNUSED)
{
	struct mr_graph_object *const made = new_like(self);

	if (!made)
		return NULL;
	PyObject_GC_UnTrack(made); /* as in graph_new() */
	if (take_cycles(&as_graph(self)->graph, made->module, &made->graph) < 0) {
		Py_DECREF(made);
		return NULL;
	}
	if (made->graph.count) {
		PyObject_GC_Track(made);
		return (PyObject *)made;
	}
	Py_DECREF(made);
	Py_RETURN_NONE;
}

static PyObject *graph_group(PyObject *self, PyObject *arg)
{
	struct mr_graph *const graph = &as_graph(self)->graph;
	const unsigned long group = PyLong_AsUnsignedLong(arg);
	struct mr_graph_object *made;

	if (group == (unsigned long)-1 && PyErr_Occurred())
		return NULL;
	if (mr_graph_find_groups(graph) < 0)
		return NULL;
	if (group >= graph->group_count) {
		PyErr_SetString(PyExc_IndexError, "a graph has no such group");
		return NULL;
	}
	made = new_like(self);
	if (made && mr_graph_take_group(graph, (uint32_t)group, &made->graph) < 0)
		Py_CLEAR(made);
	return (PyObject *)made;
}

/* ---- Telling --------------------------------------------------------------------- */

static uint32_t node_of_row(const struct mr_graph *graph, size_t row)
{
	return graph->rows ? graph->rows[row] : (uint32_t)row;
}

static PyObject *graph_objects(PyObject *self, PyObject *unused MR_UNUSED)
{
	const struct mr_graph *const graph = &as_graph(self)->graph;
	PyObject *const list = PyList_New((Py_ssize_t)graph->row_count);

	for (size_t i = 0; list && i < graph->row_count; i++)
		PyList_SET_ITEM(list, (Py_ssize_t)i, Py_NewRef(graph->nodes[node_of_row(graph, i)]));
	return list;
}

static PyObject *make_node(const struct mr_graph *graph, PyTypeObject *type, uint32_t node, bool cycle)
{
	struct mr_graph_node *made = (struct mr_graph_node *)type->tp_alloc(type, 0);

	if (!made)
		return NULL;
	made->id = PyLong_FromVoidPtr(graph->nodes[node]);
	made->type = made->id ? mr_graph_type_name(graph->nodes[node]) : NULL;
	made->text = made->type ? mr_graph_show(graph->nodes[node], 128) : NULL;
	made->bytes = graph->bytes[node];
	made->group = graph->group_base + graph->groups[node];
	made->cycle = cycle;
	if (!made->text)
		Py_CLEAR(made);
	return (PyObject *)made;
}

static PyObject *graph_metadata(PyObject *self, PyObject *cycle)
{
	struct mr_graph *const graph = &as_graph(self)->graph;
	PyTypeObject *const type =
		(PyTypeObject *)mr_census_state_of(as_graph(self)->module)->graph_node_type;
	const int is_cycle = PyObject_IsTrue(cycle);
	PyObject *list;

	if (is_cycle < 0 || mr_graph_find_groups(graph) < 0)
		return NULL;
	list = PyList_New(0);
	for (size_t i = 0; list && i < graph->row_count; i++) {
		PyObject *const node = make_node(graph, type, node_of_row(graph, i), is_cycle);

		if (!node || PyList_Append(list, node) < 0 || (i % 65536 == 0 && PyErr_CheckSignals() < 0))
			Py_CLEAR(list);
		Py_XDECREF(node);
	}
	return list;
}

static PyObject *graph_edge(PyObject *self, PyObject *arg)
{
	struct mr_graph *const graph = &as_graph(self)->graph;
	const Py_ssize_t at = PyLong_AsSsize_t(arg);

	if (at == -1 && PyErr_Occurred())
		return NULL;
	if (at < 0 || (size_t)at >= graph->edge_count) {
		PyErr_SetString(PyExc_IndexError, "a graph has no such edge");
		return NULL;
	}
	if (mr_graph_make_labels(graph, as_graph(self)->module) < 0 || mr_graph_find_groups(graph) < 0)
		return NULL;

	const uint32_t from = mr_graph_source(graph, (size_t)at);

	return Py_BuildValue("NNOk", PyLong_FromVoidPtr(graph->nodes[from]),
	                     PyLong_FromVoidPtr(graph->nodes[graph->targets[at]]), graph->labels[at],
	                     (unsigned long)graph->group_base + graph->groups[from]);
}

/* The number of the edge between two objects by their ids, -1: there is none. */
static PyObject *graph_find(PyObject *self, PyObject *args)
{
	struct mr_graph *const graph = &as_graph(self)->graph;
	unsigned long long source;
	unsigned long long target;

	if (!PyArg_ParseTuple(args, "KK:find", &source, &target) || mr_graph_make_table(graph) < 0)
		return NULL;

	const uint32_t from = source ? mr_graph_find(graph, source) : MR_GRAPH_NONE;

	for (size_t i = from == MR_GRAPH_NONE ? 0 : graph->first_edge[from];
	     from != MR_GRAPH_NONE && i < graph->first_edge[from + 1]; i++) {
		if ((uint64_t)(uintptr_t)graph->nodes[graph->targets[i]] == target)
			return PyLong_FromSize_t(i);
	}
	return PyLong_FromLong(-1);
}

static PyObject *graph_write(PyObject *self, PyObject *write)
{
	if (mr_graph_write(&as_graph(self)->graph, as_graph(self)->module, write) < 0)
		return NULL;
	Py_RETURN_NONE;
}

/* ---- Drawing ------------------------------------------------------------------------- */

struct drawing {
	const struct mr_graph *graph;
	uint32_t *nodes; /* those that are drawn */
	size_t count;
	uint32_t *numbers; /* of all: 1.. in the drawing, 0: not in it */
	uint8_t *loops;
	PyObject *node_rows;
	PyObject *edge_rows;
};

/* What to write beside the name of the type: of object's own repr() the address. */
static PyObject *show_in_drawing(PyObject *object)
{
	return Py_TYPE(object)->tp_repr == PyBaseObject_Type.tp_repr ? PyUnicode_FromFormat("%p", object)
	                                                             : mr_graph_show(object, 128);
}

static int draw_node(const struct drawing *drawing, size_t at)
{
	const uint32_t node = drawing->nodes[at];
	PyObject *const object = drawing->graph->nodes[node];
	PyObject *const text = show_in_drawing(object);
	PyObject *const type = text ? mr_graph_type_name(object) : NULL;
	PyObject *const row = type ? Py_BuildValue("nNNKii", (Py_ssize_t)at + 1, type, text,
	                                           (unsigned long long)drawing->graph->bytes[node], 1,
	                                           drawing->loops[node] ? (int)MR_GRAPH_NODE_CYCLE : 0)
	                           : NULL;
	int status;

	if (!type)
		Py_XDECREF(text);
	status = row ? PyList_Append(drawing->node_rows, row) : -1;
	Py_XDECREF(row);
	return status;
}

static int draw_edges(const struct drawing *drawing, size_t at, size_t edges_max)
{
	const struct mr_graph *const graph = drawing->graph;
	const uint32_t node = drawing->nodes[at];
	int status = 0;

	for (size_t i = graph->first_edge[node]; status == 0 && i < graph->first_edge[node + 1] &&
	                                         (size_t)PyList_GET_SIZE(drawing->edge_rows) < edges_max;
	     i++) {
		const uint32_t to = drawing->numbers[graph->targets[i]];
		PyObject *text;
		PyObject *row;

		if (!to)
			continue;
		text = PyUnicode_Check(graph->labels[i]) ? Py_NewRef(graph->labels[i])
		                                         : mr_graph_show(graph->labels[i], 128);
		row = text ? Py_BuildValue("nkNi", (Py_ssize_t)at + 1, (unsigned long)to, text, 1) : NULL;
		status = row ? PyList_Append(drawing->edge_rows, row) : -1;
		Py_XDECREF(row);
	}
	return status;
}

static int draw(struct drawing *drawing, struct mr_graph *graph, size_t nodes_max, size_t edges_max)
{
	int status = mr_graph_mark_loops(graph, drawing->loops);

	if (status == 0 && graph->count > nodes_max)
		status = mr_graph_choose(graph, nodes_max, drawing->nodes, &drawing->count);
	else
		for (; status == 0 && drawing->count < graph->count; drawing->count++)
			drawing->nodes[drawing->count] = (uint32_t)drawing->count;
	for (size_t i = 0; status == 0 && i < drawing->count; i++) {
		drawing->numbers[drawing->nodes[i]] = (uint32_t)i + 1;
		status = draw_node(drawing, i);
	}
	for (size_t i = 0; status == 0 && i < drawing->count; i++)
		status = draw_edges(drawing, i, edges_max);
	return status;
}

static PyObject *graph_drawing(PyObject *self, PyObject *args)
{
	struct mr_graph *const graph = &as_graph(self)->graph;
	struct drawing drawing = { .graph = graph };
	PyObject *result = NULL;
	Py_ssize_t nodes_max;
	Py_ssize_t edges_max;

	if (!PyArg_ParseTuple(args, "nn:drawing", &nodes_max, &edges_max))
		return NULL;
	if (nodes_max < 1 || edges_max < 0) {
		PyErr_SetString(PyExc_ValueError, "a drawing has at least a node");
		return NULL;
	}
	if (mr_graph_make_labels(graph, as_graph(self)->module) < 0)
		return NULL;
	drawing.nodes = mr_alloc((graph->count + 1) * sizeof(*drawing.nodes));
	drawing.numbers = mr_alloc((graph->count + 1) * sizeof(*drawing.numbers));
	drawing.loops = mr_alloc(graph->count + 1);
	drawing.node_rows = PyList_New(0);
	drawing.edge_rows = PyList_New(0);
	if (!drawing.nodes || !drawing.numbers || !drawing.loops)
		PyErr_NoMemory();
	else if (drawing.node_rows && drawing.edge_rows &&
	         draw(&drawing, graph, (size_t)nodes_max, (size_t)edges_max) == 0)
		result = PyTuple_Pack(2, drawing.node_rows, drawing.edge_rows);
	Py_XDECREF(drawing.node_rows);
	Py_XDECREF(drawing.edge_rows);
	mr_free(drawing.nodes);
	mr_free(drawing.numbers);
	mr_free(drawing.loops);
	return result;
}

/* ---- The types ---------------------------------------------------------------------------- */

enum { COUNT_ROWS, COUNT_NODES, COUNT_EDGES, COUNT_BYTES, COUNT_GROUPS };

static PyObject *get_count(PyObject *self, void *closure)
{
	struct mr_graph *const graph = &as_graph(self)->graph;

	switch ((int)(uintptr_t)closure) {
	case COUNT_ROWS:
		return PyLong_FromSize_t(graph->row_count);
	case COUNT_NODES:
		return PyLong_FromSize_t(graph->count);
	case COUNT_EDGES:
		return PyLong_FromSize_t(graph->edge_count);
	case COUNT_BYTES:
		return PyLong_FromUnsignedLongLong(graph->total_bytes);
	default:
		return mr_graph_find_groups(graph) < 0 ? NULL : PyLong_FromUnsignedLong(graph->group_count);
	}
}

static int graph_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(as_graph(self)->module);
	return mr_graph_traverse(&as_graph(self)->graph, visit, arg);
}

static int graph_clear(PyObject *self)
{
	mr_graph_release(&as_graph(self)->graph);
	return 0;
}

static void graph_dealloc(PyObject *self)
{
	PyTypeObject *const type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	if (as_graph(self)->weakrefs)
		PyObject_ClearWeakRefs(self);
	mr_graph_release(&as_graph(self)->graph);
	Py_CLEAR(as_graph(self)->module);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyMethodDef graph_methods[] = {
	{ "reduced", graph_reduced, METH_NOARGS,
	  PyDoc_STR("reduced($self, /)\n--\n\nThe part that leads to cycles, or None.") },
	{ "group", graph_group, METH_O,
	  PyDoc_STR("group($self, number, /)\n--\n\nThe connected part of that number.") },
	{ "objects", graph_objects, METH_NOARGS,
	  PyDoc_STR("objects($self, /)\n--\n\nThe objects, as a new list.") },
	{ "metadata", graph_metadata, METH_O,
	  PyDoc_STR("metadata($self, cycle, /)\n--\n\nA GraphNode for each object, as a new list.") },
	{ "edge", graph_edge, METH_O,
	  PyDoc_STR("edge($self, number, /)\n--\n\nAn edge: (source, target, label, group).") },
	{ "find", graph_find, METH_VARARGS,
	  PyDoc_STR("find($self, source, target, /)\n--\n\nThe number of the edge between two ids, or -1.") },
	{ "write", graph_write, METH_O,
	  PyDoc_STR("write($self, write, /)\n--\n\nThe graph for Graphviz, by calls of write(bytes).") },
	{ "drawing", graph_drawing, METH_VARARGS,
	  PyDoc_STR("drawing($self, nodes, edges, /)\n--\n\n"
	            "Up to so many nodes (id, type, label, size, count, flags) and edges (from, to, label,\n"
	            "count), as two lists.") },
	{ NULL, NULL, 0, NULL },
};

#define COUNT(name, which, doc)                                                           \
	{                                                                                 \
		(name), get_count, NULL, PyDoc_STR(doc), (void *)(uintptr_t)COUNT_##which \
	}

static PyGetSetDef graph_getset[] = {
	COUNT("count", ROWS, "objects, as often as they were given"),
	COUNT("node_count", NODES, "objects, each once"),
	COUNT("edge_count", EDGES, "pairs of objects of which one refers to the other"),
	COUNT("total_size", BYTES, "bytes of all, with what they lead to"),
	COUNT("group_count", GROUPS, "connected parts"),
	{ NULL, NULL, NULL, NULL, NULL },
};

static PyMemberDef graph_members[] = {
	{ "__weaklistoffset__", T_PYSSIZET, offsetof(struct mr_graph_object, weakrefs), READONLY, NULL },
	{ NULL, 0, 0, 0, NULL },
};

static PyType_Slot graph_slots[] = {
	{ Py_tp_doc, (void *)PyDoc_STR("ObjectGraph(objects, reduce=False)\n--\n\n"
	                               "Objects and which of them refer to which.") },
	{ Py_tp_new, graph_new },
	{ Py_tp_dealloc, graph_dealloc },
	{ Py_tp_traverse, graph_traverse },
	{ Py_tp_clear, graph_clear },
	{ Py_tp_methods, graph_methods },
	{ Py_tp_getset, graph_getset },
	{ Py_tp_members, graph_members },
	{ 0, NULL },
};

static PyType_Spec graph_spec = {
	.name = "memcapture._capture.ObjectGraph",
	.basicsize = sizeof(struct mr_graph_object),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
	.slots = graph_slots,
};

static void node_dealloc(PyObject *self)
{
	struct mr_graph_node *const node = (struct mr_graph_node *)self;
	PyTypeObject *const type = Py_TYPE(self);

	Py_CLEAR(node->id);
	Py_CLEAR(node->type);
	Py_CLEAR(node->text);
	type->tp_free(self);
	Py_DECREF(type);
}

static PyObject *node_repr(PyObject *self)
{
	const struct mr_graph_node *const node = (struct mr_graph_node *)self;

	return PyUnicode_FromFormat("<%U %U: %llu bytes>", node->type, node->text, node->bytes);
}

static PyMemberDef node_members[] = {
	{ "size", T_ULONGLONG, offsetof(struct mr_graph_node, bytes), READONLY,
	  "bytes, with what it alone leads to" },
	{ "id", T_OBJECT, offsetof(struct mr_graph_node, id), READONLY, "id() of the object" },
	{ "type", T_OBJECT, offsetof(struct mr_graph_node, type), READONLY, "name of its type" },
	{ "str", T_OBJECT, offsetof(struct mr_graph_node, text), READONLY, "its repr(), clipped" },
	{ "group", T_UINT, offsetof(struct mr_graph_node, group), READONLY, "which connected part it is in" },
	{ "cycle", T_BOOL, offsetof(struct mr_graph_node, cycle), READONLY,
	  "whether the graph was reduced to cycles" },
	{ NULL, 0, 0, 0, NULL },
};

static PyType_Slot node_slots[] = {
	{ Py_tp_doc, (void *)PyDoc_STR("What is told of an object in a graph.") },
	{ Py_tp_dealloc, node_dealloc },
	{ Py_tp_repr, node_repr },
	{ Py_tp_members, node_members },
	{ 0, NULL },
};

static PyType_Spec node_spec = {
	.name = "memcapture._capture.GraphNode",
	.basicsize = sizeof(struct mr_graph_node),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = node_slots,
};

int mr_graph_add_to_module(PyObject *module)
{
	struct mr_census_state *const state = mr_census_state_of(module);

	state->graph_type = PyType_FromModuleAndSpec(module, &graph_spec, NULL);
	if (!state->graph_type || PyModule_AddObjectRef(module, "ObjectGraph", state->graph_type) < 0)
		return -1;
	state->graph_node_type = PyType_FromModuleAndSpec(module, &node_spec, NULL);
	return state->graph_node_type ? 0 : -1;
}
