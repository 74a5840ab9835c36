/* SPDX-License-Identifier: MIT
 *
 * See graph.h: by what name an object refers to another.  Each object is asked once
 * for all that it refers to; what lies in memory first, what has to be made last.
 */
#include "graph.h"

#include "instance_dict.h"
#include "referents.h"
#include "size_functions.h"

struct labelling {
	const struct mr_graph *graph;
	PyObject *module;
	PyObject **labels;
	size_t *edge; /* of each node: the edge that leads to it from the last node that has one, + 1 */
	size_t first; /* edges of the node that is asked */
	size_t end;
	size_t left; /* of them without a label */
};

/* The node that is asked refers to OBJECT, which may be NULL, as NAME. */
static void label(struct labelling *labelling, const PyObject *object, PyObject *name)
{
	const uint32_t to = mr_graph_find(labelling->graph, (uint64_t)(uintptr_t)object);

	if (!object || to == MR_GRAPH_NONE)
		return;

	const size_t at = labelling->edge[to];

	if (at <= labelling->first || at > labelling->end || labelling->labels[at - 1])
		return;
	labelling->labels[at - 1] = Py_NewRef(name);
	labelling->left--;
}

static void label_entries(struct labelling *labelling, PyObject *dict)
{
	Py_ssize_t at = 0;
	PyObject *key;
	PyObject *value;

	while (labelling->left && PyDict_Next(dict, &at, &key, &value))
		label(labelling, value, key);
}

/* By what is in an instance: its dict, or what would be in it. */
static int label_attributes(struct labelling *labelling, PyObject *object)
{
	const enum mr_dict_kind kind = mr_instance_dict_kind(Py_TYPE(object));
	struct mr_instance_dict found;
	enum mr_dict_found what;
	PyObject *name;
	PyObject *value;

	if (kind == MR_DICT_NONE)
		return 0;
	name = PyUnicode_InternFromString("__dict__");
	if (!name)
		return -1;
	what = mr_instance_dict_look(object, kind, &found);
	if (what == MR_DICT_REAL) {
		label(labelling, found.dict, name);
		label_entries(labelling, found.dict); /* an instance may still have them itself */
	}
	Py_DECREF(name);
	for (Py_ssize_t i = 0; what == MR_DICT_VALUES && i < found.count; i++) {
		if (mr_instance_dict_at(&found, i, &name, &value))
			label(labelling, value, name);
	}
	return PyErr_Occurred() ? mr_drop_error() : 0;
}

/* By the names that its kind of objects has for what it refers to. */
static int label_named(struct labelling *labelling, PyObject *object)
{
	PyObject *const args = PyTuple_Pack(1, object);
	PyObject *const pairs = args ? mr_size_named_refs(labelling->module, args, NULL) : NULL;

	Py_XDECREF(args);
	if (!pairs)
		return mr_drop_error();
	for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pairs); i++) {
		PyObject *const pair = PyList_GET_ITEM(pairs, i);

		label(labelling, PyTuple_GET_ITEM(pair, 1), PyTuple_GET_ITEM(pair, 0));
	}
	Py_DECREF(pairs);
	return 0;
}

static bool has_no_names(PyObject *object)
{
	return PyList_CheckExact(object) || PyTuple_CheckExact(object) || PyAnySet_CheckExact(object);
}

static int label_node(struct labelling *labelling, size_t node, PyObject *none)
{
	const struct mr_graph *const graph = labelling->graph;
	PyObject *const object = graph->nodes[node];
	int status = 0;

	labelling->first = graph->first_edge[node];
	labelling->end = graph->first_edge[node + 1];
	labelling->left = labelling->end - labelling->first;
	if (!labelling->left)
		return 0;
	for (size_t i = labelling->first; i < labelling->end; i++)
		labelling->edge[graph->targets[i]] = i + 1;
	if (!has_no_names(object)) {
		const bool is_filled_dict = PyDict_Check(object) && PyDict_GET_SIZE(object);

		if (is_filled_dict)
			label_entries(labelling, object);
		if (labelling->left)
			status = label_attributes(labelling, object);
		if (status == 0 && labelling->left && !is_filled_dict)
			status = label_named(labelling, object);
	}
	for (size_t i = labelling->first; status == 0 && i < labelling->end; i++) {
		if (!labelling->labels[i])
			labelling->labels[i] = Py_NewRef(none);
	}
	return status;
}

int mr_graph_make_labels(struct mr_graph *graph, PyObject *module)
{
	struct labelling labelling = { .graph = graph, .module = module };
	PyObject *none;
	int status = -1;

	if (graph->labels)
		return 0;
	if (mr_graph_make_table(graph) < 0)
		return -1;
	none = PyUnicode_InternFromString("");
	labelling.labels = mr_alloc((graph->edge_count + 1) * sizeof(PyObject *));
	labelling.edge = mr_alloc((graph->count + 1) * sizeof(*labelling.edge));
	if (!labelling.labels || !labelling.edge)
		PyErr_NoMemory();
	else if (none)
		status = 0;
	for (size_t i = 0; status == 0 && i < graph->count; i++) {
		status = label_node(&labelling, i, none);
		if (status == 0 && (i + 1) % 65536 == 0)
			status = PyErr_CheckSignals();
	}
	/* Python code that ran on the way may have made them, too. */
	if (status == 0 && !graph->labels) {
		graph->labels = labelling.labels;
		labelling.labels = NULL;
	}
	for (size_t i = 0; labelling.labels && i < graph->edge_count; i++)
		Py_XDECREF(labelling.labels[i]);
	mr_free(labelling.labels);
	mr_free(labelling.edge);
	Py_XDECREF(none);
	return status;
}
