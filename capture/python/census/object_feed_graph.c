/* SPDX-License-Identifier: MIT
 *
 * Graphs of objects in the log.  A reader keeps a graph whole, so what is told of
 * one is limited: of a larger graph the nodes that matter most stay, the others
 * are told as one node, and what it refers to and is referred to by as an edge each,
 * so that counts and bytes of the nodes still sum up to the whole.  See object_feed.h.
 */
#include "object_feed_private.h"

#include <stdlib.h>

_Static_assert(MR_LOG_GRAPH_EDGES_MAX <= MR_FEED_ROWS && MR_LOG_GRAPH_NODES_MAX <= MR_FEED_ROWS,
               "a graph's rows are a block each");

#define OTHERS_TYPE "(others)"

struct choice { /* a node of the graph as it was given */
	uint32_t id;
	uint32_t index;
	uint32_t to; /* index in `nodes` of what is told */
};

struct telling {
	const struct mr_fed_graph *graph;
	struct choice *choices; /* of each node given, in the end by id */
	struct mr_fed_node nodes[MR_LOG_GRAPH_NODES_MAX];
	uint32_t node_count;
	struct mr_fed_edge edges[MR_LOG_GRAPH_EDGES_MAX];
	uint32_t edge_count;
};

/* ---- What of a graph is told ------------------------------------------------------------- */

static uint64_t add(uint64_t left, uint64_t right)
{
	uint64_t sum;

	return __builtin_add_overflow(left, right, &sum) ? UINT64_MAX : sum;
}

/* What the graph is about and where paths begin comes first, then what is large. */
static int compare_weight(const void *left, const void *right, void *context)
{
	const struct mr_fed_node *const nodes = context;
	const struct mr_fed_node *const a = &nodes[((const struct choice *)left)->index];
	const struct mr_fed_node *const b = &nodes[((const struct choice *)right)->index];
	const unsigned matters = MR_GRAPH_NODE_SUBJECT | MR_GRAPH_NODE_ROOT;

	if ((a->flags & matters) != (b->flags & matters))
		return (a->flags & matters) > (b->flags & matters) ? -1 : 1;
	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	return a < b ? -1 : a > b;
}

static int compare_id(const void *left, const void *right)
{
	const uint32_t a = ((const struct choice *)left)->id;
	const uint32_t b = ((const struct choice *)right)->id;

	return a < b ? -1 : a > b;
}

static void choose_nodes(struct telling *telling)
{
	const struct mr_fed_graph *const graph = telling->graph;
	const uint32_t kept = MR_LOG_GRAPH_NODES_MAX - 1;

	for (size_t i = 0; i < graph->node_count; i++)
		telling->choices[i] =
			(struct choice){ .id = graph->nodes[i].id, .index = (uint32_t)i, .to = kept };
	qsort_r(telling->choices, graph->node_count, sizeof(*telling->choices), compare_weight,
	        (void *)(uintptr_t)graph->nodes);

	struct mr_fed_node *const others = &telling->nodes[kept];
	*others = (struct mr_fed_node){ .id = telling->choices[kept].id, .type = OTHERS_TYPE };
	for (size_t i = 0; i < graph->node_count; i++) {
		const struct mr_fed_node *const node = &graph->nodes[telling->choices[i].index];

		if (i < kept) {
			telling->nodes[i] = *node;
			telling->choices[i].to = (uint32_t)i;
		} else {
			others->bytes = add(others->bytes, node->bytes);
			others->count = add(others->count, node->count);
			others->flags |= node->flags & MR_GRAPH_NODE_CYCLE;
		}
	}
	telling->node_count = MR_LOG_GRAPH_NODES_MAX;
	qsort(telling->choices, graph->node_count, sizeof(*telling->choices), compare_id);
}

/* The index in what is told of the node of ID; MR_LOG_GRAPH_NODES_MAX: there is none. */
static uint32_t told_as(const struct telling *telling, uint32_t id)
{
	const struct choice key = { .id = id };
	const struct choice *const found = bsearch(&key, telling->choices, telling->graph->node_count,
	                                           sizeof(*telling->choices), compare_id);

	return found != NULL ? found->to : MR_LOG_GRAPH_NODES_MAX;
}

static void tell_edge(struct telling *telling, const struct mr_fed_edge *edge)
{
	if (telling->edge_count < MR_LOG_GRAPH_EDGES_MAX && edge->count > 0)
		telling->edges[telling->edge_count++] = *edge;
}

static void choose_edges(struct telling *telling)
{
	const struct mr_fed_graph *const graph = telling->graph;
	const uint32_t others = MR_LOG_GRAPH_NODES_MAX - 1;
	uint64_t in[MR_LOG_GRAPH_NODES_MAX] = { 0 };
	uint64_t out[MR_LOG_GRAPH_NODES_MAX] = { 0 };

	for (size_t i = 0; i < graph->edge_count; i++) {
		const struct mr_fed_edge *const edge = &graph->edges[i];
		const uint32_t from = told_as(telling, edge->from);
		const uint32_t to = told_as(telling, edge->to);

		if (from > others || to > others)
			continue;
		if (to == others)
			in[from] = add(in[from], edge->count);
		else if (from == others)
			out[to] = add(out[to], edge->count);
	}
	for (uint32_t i = 0; i <= others; i++) {
		const uint32_t id = telling->nodes[i].id, other = telling->nodes[others].id;

		tell_edge(telling, &(struct mr_fed_edge){ .from = id, .to = other, .count = in[i] });
		tell_edge(telling, &(struct mr_fed_edge){ .from = other, .to = id, .count = out[i] });
	}
	for (size_t i = 0; i < graph->edge_count; i++) {
		if (told_as(telling, graph->edges[i].from) < others &&
		    told_as(telling, graph->edges[i].to) < others)
			tell_edge(telling, &graph->edges[i]);
	}
}

/* False: no memory. */
static bool choose(struct telling *telling, const struct mr_fed_graph *graph)
{
	telling->graph = graph;
	if (graph->node_count <= MR_LOG_GRAPH_NODES_MAX) {
		memcpy(telling->nodes, graph->nodes, graph->node_count * sizeof(*graph->nodes));
		telling->node_count = (uint32_t)graph->node_count;
		for (size_t i = 0; i < graph->edge_count; i++)
			tell_edge(telling, &graph->edges[i]);
		return true;
	}
	telling->choices = mr_alloc(graph->node_count * sizeof(*telling->choices));
	if (telling->choices == NULL)
		return false;
	choose_nodes(telling);
	choose_edges(telling);
	mr_free(telling->choices);
	return true;
}

/* ---- Blocks ----------------------------------------------------------------------------------- */

static void put_graph(struct mr_object_feed *feed, const struct mr_fed_graph *graph, uint32_t id)
{
	const uint64_t now_ns = mr_feed_capture_now(feed->capture);
	const struct mr_log_span span = { now_ns, now_ns, graph->snapshot, graph->snapshot };
	const uint32_t title = mr_object_feed_passing(feed, graph->title);
	uint64_t references = 0;

	for (size_t i = 0; i < graph->edge_count; i++)
		references = add(references, graph->edges[i].count);
	struct mr_block_writer *const block = mr_feed_sink_begin(&feed->account->sink, MR_KIND_GRAPHS, 1);
	mr_block_scalar(block, MR_GRAPHS_ID, id);
	mr_block_scalar(block, MR_GRAPHS_TIME, now_ns);
	mr_block_scalar(block, MR_GRAPHS_KIND, graph->kind);
	mr_block_scalar(block, MR_GRAPHS_TITLE, title);
	mr_block_scalar(block, MR_GRAPHS_SNAPSHOT, graph->snapshot);
	mr_block_scalar(block, MR_GRAPHS_OBJECTS, graph->object_count);
	mr_block_scalar(block, MR_GRAPHS_SIZE, graph->bytes);
	mr_block_scalar(block, MR_GRAPHS_REFERENCES, references);
	mr_feed_sink_end(&feed->account->sink, &span);
}

static void put_nodes(struct mr_object_feed *feed, const struct telling *telling, uint32_t id)
{
	const struct mr_fed_node *const nodes = telling->nodes;
	const uint32_t count = telling->node_count;
	uint64_t *const types = feed->account->columns[1];
	uint64_t *const labels = feed->account->columns[2];

	if (count == 0)
		return;
	for (uint32_t i = 0; i < count; i++) {
		types[i] = mr_object_feed_text(feed, nodes[i].type);
		labels[i] = mr_object_feed_passing(feed, nodes[i].label);
	}
	struct mr_block_writer *const block =
		mr_feed_sink_begin(&feed->account->sink, MR_KIND_GRAPH_NODES, count);
	MR_OBJECT_FEED_COLUMN(feed, block, MR_GRAPH_NODES_GRAPH, count, id);
	MR_OBJECT_FEED_COLUMN(feed, block, MR_GRAPH_NODES_ID, count, nodes[i].id);
	mr_block_column(block, MR_GRAPH_NODES_TYPE, types);
	mr_block_column(block, MR_GRAPH_NODES_LABEL, labels);
	MR_OBJECT_FEED_COLUMN(feed, block, MR_GRAPH_NODES_SIZE, count, nodes[i].bytes);
	MR_OBJECT_FEED_COLUMN(feed, block, MR_GRAPH_NODES_COUNT, count, nodes[i].count);
	MR_OBJECT_FEED_COLUMN(feed, block, MR_GRAPH_NODES_FLAGS, count, nodes[i].flags);
	mr_feed_sink_end(&feed->account->sink, NULL);
}

static void put_edges(struct mr_object_feed *feed, const struct telling *telling, uint32_t id)
{
	const struct mr_fed_edge *const edges = telling->edges;
	const uint32_t count = telling->edge_count;
	uint64_t *const labels = feed->account->columns[1];

	if (count == 0)
		return;
	for (uint32_t i = 0; i < count; i++)
		labels[i] = mr_object_feed_text(feed, edges[i].label);
	struct mr_block_writer *const block =
		mr_feed_sink_begin(&feed->account->sink, MR_KIND_GRAPH_EDGES, count);
	MR_OBJECT_FEED_COLUMN(feed, block, MR_GRAPH_EDGES_GRAPH, count, id);
	MR_OBJECT_FEED_COLUMN(feed, block, MR_GRAPH_EDGES_FROM, count, edges[i].from);
	MR_OBJECT_FEED_COLUMN(feed, block, MR_GRAPH_EDGES_TO, count, edges[i].to);
	mr_block_column(block, MR_GRAPH_EDGES_LABEL, labels);
	MR_OBJECT_FEED_COLUMN(feed, block, MR_GRAPH_EDGES_COUNT, count, edges[i].count);
	mr_feed_sink_end(&feed->account->sink, NULL);
}

void mr_object_feed_graph(struct mr_object_feed *feed, const struct mr_fed_graph *graph)
{
	if (!mr_object_feed_alive(feed))
		return;
	if (feed->graphs >= MR_LOG_GRAPHS_MAX) {
		feed->graphs_left_out++;
		return;
	}
	struct telling *const telling = mr_alloc(sizeof(*telling));
	if (telling == NULL || !choose(telling, graph)) {
		mr_fail(&feed->account->sink.failure, MR_ERR_NOMEM, "out of memory for a graph");
	} else {
		feed->graphs++;
		put_graph(feed, graph, feed->graphs);
		put_nodes(feed, telling, feed->graphs);
		put_edges(feed, telling, feed->graphs);
	}
	mr_free(telling);
}
