/* SPDX-License-Identifier: MIT
 *
 * See graph.h: a graph is made from objects, sized, and released.
 */
#include "graph.h"

#include "object_sizer.h"

static int no_memory(void)
{
	PyErr_NoMemory();
	return -1;
}

/* ---- Objects by address -------------------------------------------------------- */

static size_t slot_of(const struct mr_graph *graph, uint64_t address)
{
	return (size_t)((address >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (graph->table_slots - 1);
}

static int reserve_table(struct mr_graph *graph, size_t count)
{
	size_t slots = 16;

	while (slots / 2 < count)
		slots *= 2;
	graph->table = mr_alloc(slots * sizeof(*graph->table));
	if (!graph->table)
		return no_memory();
	graph->table_slots = slots;
	return 0;
}

/* The slot of the object at ADDRESS, or the free one where it belongs. */
static uint32_t *find_slot(const struct mr_graph *graph, uint64_t address)
{
	for (size_t slot = slot_of(graph, address);; slot = (slot + 1) & (graph->table_slots - 1)) {
		uint32_t *const entry = &graph->table[slot];

		if (!*entry || (uint64_t)(uintptr_t)graph->nodes[*entry - 1] == address)
			return entry;
	}
}

uint32_t mr_graph_find(const struct mr_graph *graph, uint64_t address)
{
	const uint32_t entry = *find_slot(graph, address);

	return entry ? entry - 1 : MR_GRAPH_NONE;
}

int mr_graph_make_table(struct mr_graph *graph)
{
	if (graph->table)
		return 0;
	if (reserve_table(graph, graph->count) < 0)
		return -1;
	for (size_t i = 0; i < graph->count; i++)
		*find_slot(graph, (uint64_t)(uintptr_t)graph->nodes[i]) = (uint32_t)i + 1;
	return 0;
}

/* ---- Nodes ----------------------------------------------------------------------- */

static int take_nodes(struct mr_graph *graph, PyObject *objects)
{
	const size_t given = (size_t)PySequence_Fast_GET_SIZE(objects);
	PyObject **const items = PySequence_Fast_ITEMS(objects);
	uint32_t *rows;

	if (given > MR_GRAPH_NODES_LIMIT) {
		PyErr_SetString(PyExc_OverflowError, "too many objects for a graph");
		return -1;
	}
	rows = mr_alloc((given + 1) * sizeof(*rows));
	graph->nodes = mr_alloc((given + 1) * sizeof(*graph->nodes));
	if (!rows || !graph->nodes) {
		mr_free(rows);
		return no_memory();
	}
	if (reserve_table(graph, given) < 0) {
		mr_free(rows);
		return -1;
	}
	for (size_t i = 0; i < given; i++) {
		uint32_t *const entry = find_slot(graph, (uint64_t)(uintptr_t)items[i]);

		if (!*entry) {
			graph->nodes[graph->count++] = Py_NewRef(items[i]);
			*entry = (uint32_t)graph->count;
		}
		rows[i] = *entry - 1;
	}
	graph->row_count = given;
	if (graph->count == given)
		mr_free(rows);
	else
		graph->rows = rows;
	return 0;
}

/* ---- Edges ------------------------------------------------------------------------- */

struct edge_visit {
	struct mr_graph *graph;
	size_t capacity;
	uint32_t *last; /* of each node: the last one that was seen to refer to it, + 1 */
	uint32_t from;
};

static int visit_referent(PyObject *object, void *arg)
{
	struct edge_visit *const edges = arg;
	struct mr_graph *const graph = edges->graph;
	const uint32_t to = mr_graph_find(graph, (uint64_t)(uintptr_t)object);

	if (to == MR_GRAPH_NONE || edges->last[to] == edges->from + 1)
		return 0;
	if (mr_grow(&graph->targets, &edges->capacity, graph->edge_count + 1, sizeof(*graph->targets)) < 0)
		return -1;
	edges->last[to] = edges->from + 1;
	graph->targets[graph->edge_count++] = to;
	return 0;
}

static int find_edges(struct mr_graph *graph)
{
	struct edge_visit edges = { .graph = graph,
		                    .last = mr_alloc((graph->count + 1) * sizeof(*edges.last)) };

	graph->first_edge = mr_alloc((graph->count + 1) * sizeof(*graph->first_edge));
	int status = edges.last && graph->first_edge ? 0 : -1;

	for (size_t i = 0; status == 0 && i < graph->count; i++) {
		PyObject *const object = graph->nodes[i];
		const traverseproc traverse = PyObject_IS_GC(object) ? Py_TYPE(object)->tp_traverse : NULL;

		edges.from = (uint32_t)i;
		if (traverse)
			status = traverse(object, visit_referent, &edges);
		graph->first_edge[i + 1] = graph->edge_count;
	}
	mr_free(edges.last);
	return status ? no_memory() : 0;
}

uint32_t mr_graph_source(const struct mr_graph *graph, size_t at)
{
	size_t low = 0;
	size_t high = graph->count; /* the node is in [low, high) */

	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;

		if (graph->first_edge[middle] <= at)
			low = middle;
		else
			high = middle;
	}
	return (uint32_t)low;
}

int mr_graph_build(struct mr_graph *graph, PyObject *objects)
{
	if (take_nodes(graph, objects) == 0 && find_edges(graph) == 0)
		return 0;

	PyObject *type, *value, *traceback;

	PyErr_Fetch(&type, &value, &traceback);
	mr_graph_release(graph);
	PyErr_Restore(type, value, traceback);
	return -1;
}

/* ---- Sizes --------------------------------------------------------------------------- */

/* As asizesof() of all of them: references to each other do not count. */
int mr_graph_size(struct mr_graph *graph, PyObject *module)
{
	struct mr_object_sizer_options options;
	uint64_t *const bytes = mr_alloc((graph->count + 1) * sizeof(*bytes));
	struct mr_object_sizer *sizer;
	uint64_t flat_bytes;
	int status = 0;

	if (!bytes)
		return no_memory();
	mr_object_sizer_defaults(&options);
	sizer = mr_object_sizer_new(module, &options);
	for (size_t i = 0; sizer && status == 0 && i < graph->count; i++)
		status = mr_object_sizer_exclude(sizer, graph->nodes[i]);
	for (size_t i = 0; sizer && status == 0 && i < graph->count; i++) {
		if (i + 8 < graph->count)
			mr_object_sizer_prefetch(sizer, graph->nodes[i + 8]);
		status = mr_object_sizer_size(sizer, graph->nodes[i], &bytes[i], &flat_bytes);
	}
	if (!sizer || status < 0) {
		mr_object_sizer_free(sizer);
		mr_free(bytes);
		return -1;
	}
	graph->total_bytes = mr_object_sizer_total(sizer);
	mr_object_sizer_free(sizer);
	graph->bytes = bytes;
	return 0;
}

/* ---- The end --------------------------------------------------------------------------- */

void mr_graph_release(struct mr_graph *graph)
{
	struct mr_graph gone = *graph;

	*graph = (struct mr_graph){ 0 }; /* what objects do as they go away finds it empty */
	for (size_t i = 0; gone.labels && i < gone.edge_count; i++)
		Py_XDECREF(gone.labels[i]);
	for (size_t i = 0; i < gone.count; i++)
		Py_DECREF(gone.nodes[i]);
	mr_free(gone.nodes);
	mr_free(gone.rows);
	mr_free(gone.first_edge);
	mr_free(gone.targets);
	mr_free(gone.bytes);
	mr_free(gone.groups);
	mr_free(gone.members);
	mr_free(gone.group_first);
	mr_free(gone.place);
	mr_free(gone.labels);
	mr_free(gone.table);
}

int mr_graph_traverse(const struct mr_graph *graph, visitproc visit, void *arg)
{
	for (size_t i = 0; i < graph->count; i++)
		Py_VISIT(graph->nodes[i]);
	for (size_t i = 0; graph->labels && i < graph->edge_count; i++)
		Py_VISIT(graph->labels[i]);
	return 0;
}
