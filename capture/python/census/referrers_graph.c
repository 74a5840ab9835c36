/* SPDX-License-Identifier: MIT
 *
 * referrer_graph() (memcapture.refbrowser): what refers to an object, as nodes and
 * edges, the nearest ones first, as many as a log takes of one graph.
 */
#include "census.h"
#include "log_format.h"
#include "referrers_browse.h"

#define NODES_MAX MR_LOG_GRAPH_NODES_MAX
#define EDGES_MAX MR_LOG_GRAPH_EDGES_MAX
#define LABEL_MAX 120 /* bytes */

struct drawn_node {
	PyObject *object;
	uint64_t bytes;
	unsigned flags;
	size_t type_end; /* of its texts, of which the type is the first */
	size_t label_end;
};

struct drawn_edge {
	uint32_t from;
	uint32_t to;
	size_t label_end;
};

struct drawn { /* without Python objects until all of it is found */
	PyObject *module;
	const struct mr_browse *browse;
	const struct mr_levels *levels;
	struct drawn_node nodes[NODES_MAX];
	size_t node_count;
	struct drawn_edge edges[EDGES_MAX];
	size_t edge_count;
	struct mr_index index;  /* of the nodes */
	struct mr_buffer texts; /* of the nodes, then of the edges */
	bool cut;               /* there is more */
};

/* ---- Finding ------------------------------------------------------------------------------------- */

static void draw_node(struct drawn *drawn, PyObject *object, unsigned flags)
{
	const struct mr_known *const known = mr_levels_get(drawn->levels, object);

	if (mr_index_at(&drawn->index, object) || (known && known->hidden))
		return;
	if (drawn->node_count == NODES_MAX) {
		drawn->cut = true;
		return;
	}
	(void)mr_index_add(&drawn->index, object, (uint32_t)drawn->node_count);

	struct drawn_node *const node = &drawn->nodes[drawn->node_count++];

	mr_type_text(&drawn->texts, Py_TYPE(object));
	node->type_end = drawn->texts.len;
	mr_object_text(&drawn->texts, object);
	node->label_end = drawn->texts.len;
	node->object = object;
	node->bytes = mr_census_bytes(drawn->module, object);
	node->flags = flags | (PyModule_Check(object) ? MR_GRAPH_NODE_ROOT : 0u);
}

static const struct mr_referrers *referrers_of(const struct drawn *drawn, size_t node, size_t *begin,
                                               size_t *end)
{
	const struct mr_known *const known = mr_levels_get(drawn->levels, drawn->nodes[node].object);

	*begin = 0;
	*end = 0;
	return known ? mr_levels_of(drawn->levels, known, begin, end) : NULL;
}

static void draw_nodes(struct drawn *drawn)
{
	size_t at;
	size_t end;

	draw_node(drawn, drawn->browse->root, MR_GRAPH_NODE_SUBJECT);
	for (size_t i = 0; i < drawn->node_count; i++) {
		const struct mr_referrers *const level = referrers_of(drawn, i, &at, &end);

		for (; level && at < end; at++)
			draw_node(drawn, level->parents[at], 0);
	}
}

static void draw_edge(struct drawn *drawn, uint32_t from, uint32_t to, const struct mr_step *step)
{
	if (drawn->edge_count == EDGES_MAX) {
		drawn->cut = true;
		return;
	}
	if (step->kind != MR_STEP_UNKNOWN)
		mr_step_text(&drawn->texts, step, MR_STEP_PYTHON);
	drawn->edges[drawn->edge_count++] =
		(struct drawn_edge){ .from = from, .to = to, .label_end = drawn->texts.len };
	if (from == to)
		drawn->nodes[from].flags |= MR_GRAPH_NODE_CYCLE;
}

static void draw_edges(struct drawn *drawn)
{
	size_t at;
	size_t end;

	for (size_t i = 0; i < drawn->node_count; i++) {
		const struct mr_referrers *const level = referrers_of(drawn, i, &at, &end);

		for (; level && at < end; at++) {
			const uint32_t *const from = mr_index_at(&drawn->index, level->parents[at]);

			if (from)
				draw_edge(drawn, *from, (uint32_t)i, &level->steps[at]);
		}
	}
}

/* ---- As Python objects ---------------------------------------------------------------------------- */

/* The text from *BEGIN to END, which is where the next one begins. */
static PyObject *next_text(const struct drawn *drawn, size_t *begin, size_t end)
{
	const char *const text = (const char *)drawn->texts.data + *begin;
	const size_t len = end - *begin;

	*begin = end;
	/* Cut where a character begins. */
	size_t shown = len < LABEL_MAX ? len : LABEL_MAX;

	while (shown < len && shown > 0 && ((uint8_t)text[shown] & 0xc0) == 0x80)
		shown--;
	return len == 0 ? PyUnicode_FromString("")
	                : PyUnicode_DecodeUTF8(text, (Py_ssize_t)shown, "surrogatepass");
}

static PyObject *node_row(const struct drawn *drawn, size_t i, size_t *begin)
{
	const struct drawn_node *const node = &drawn->nodes[i];
	PyObject *const type = next_text(drawn, begin, node->type_end);
	PyObject *const label = next_text(drawn, begin, node->label_end);

	if (type && label)
		return Py_BuildValue("(kNNKiI)", (unsigned long)i + 1, type, label,
		                     (unsigned long long)node->bytes, 1, node->flags);
	Py_XDECREF(type);
	Py_XDECREF(label);
	return NULL;
}

static PyObject *edge_row(const struct drawn *drawn, size_t i, size_t *begin)
{
	const struct drawn_edge *const edge = &drawn->edges[i];
	PyObject *const label = next_text(drawn, begin, edge->label_end);

	return label ? Py_BuildValue("(kkNi)", (unsigned long)edge->from + 1, (unsigned long)edge->to + 1,
	                             label, 1)
	             : NULL;
}

static PyObject *rows(const struct drawn *drawn, size_t count, size_t *begin,
                      PyObject *(*row)(const struct drawn *, size_t, size_t *))
{
	PyObject *const list = PyList_New((Py_ssize_t)count);

	for (size_t i = 0; list && i < count; i++) {
		PyObject *const made = row(drawn, i, begin);

		if (!made) {
			Py_DECREF(list);
			return NULL;
		}
		PyList_SET_ITEM(list, (Py_ssize_t)i, made);
	}
	return list;
}

static PyObject *result_of(const struct drawn *drawn)
{
	size_t begin = 0;
	PyObject *const nodes = rows(drawn, drawn->node_count, &begin, node_row);
	PyObject *const edges = nodes ? rows(drawn, drawn->edge_count, &begin, edge_row) : NULL;

	if (edges)
		return Py_BuildValue("(NNO)", nodes, edges, drawn->cut ? Py_False : Py_True);
	Py_XDECREF(nodes);
	return NULL;
}

PyObject *mr_browse_graph(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
	if (count != 4 || !PyList_Check(args[3])) {
		PyErr_SetString(PyExc_TypeError, "a browser's ignore must be a list");
		return NULL;
	}

	const struct mr_browse browse = { .browser = args[0],
		                          .root = args[1],
		                          .depth = PyNumber_AsSsize_t(args[2], NULL),
		                          .ignore = args[3] };
	struct drawn *const drawn = PyErr_Occurred() ? NULL : mr_alloc(sizeof(*drawn));
	struct mr_levels levels = { 0 };
	PyObject *result = NULL;
	int found;

	if (!drawn || mr_index_reserve(&drawn->index, NODES_MAX) < 0) {
		if (!PyErr_Occurred())
			PyErr_NoMemory();
		goto out;
	}
	drawn->module = module;
	drawn->browse = &browse;
	drawn->levels = &levels;
	if (mr_census_begin(module) < 0) /* what is found is borrowed until its texts have been made */
		goto out;
	found = mr_browse_find(module, &browse, true, &levels);
	if (found == 0) {
		draw_nodes(drawn);
		draw_edges(drawn);
	}
	mr_census_end(module);
	if (drawn->texts.failed)
		PyErr_NoMemory();
	else if (found == 0)
		result = result_of(drawn);
out:
	mr_levels_release(&levels);
	if (drawn) {
		mr_index_release(&drawn->index);
		mr_buffer_release(&drawn->texts);
	}
	mr_free(drawn);
	return result;
}
