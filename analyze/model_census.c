/* SPDX-License-Identifier: MIT
 *
 * Who holds objects, and graphs of objects: read as the log has them, then joined
 * with ids resolved.  Rows that name what is not there are dropped and counted, and
 * so is what goes beyond the number of graphs, nodes and edges that a writer keeps
 * to: whoever draws a graph need not fear its size.
 */
#include "model_private.h"

#include <stdlib.h>

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the graphs of a log");
}

/* ---- Reading -------------------------------------------------------------------- */

int mr_model__read_holders(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_HOLDERS_EXAMPLE, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->holders, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++)
			stream->holders.items[stream->holders.count++] = (struct mr_holder_way){
				.snapshot = mr_raw_id(rows.values[MR_HOLDERS_SNAPSHOT][i]),
				.class_index = mr_raw_id(rows.values[MR_HOLDERS_CLASS][i]),
				/* 0 is "none" and wraps around to MR_NONE. */
				.object = rows.values[MR_HOLDERS_OBJECT][i] - 1,
				.root = mr_raw_id(rows.values[MR_HOLDERS_ROOT][i]),
				.length = rows.values[MR_HOLDERS_LENGTH][i],
				.count = rows.values[MR_HOLDERS_COUNT][i],
				.size_bytes = rows.values[MR_HOLDERS_SIZE][i],
				.path = mr_raw_id(rows.values[MR_HOLDERS_PATH][i]),
				.example = mr_raw_id(rows.values[MR_HOLDERS_EXAMPLE][i]),
			};
	}
	return count;
}

int mr_model__read_graphs(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_GRAPHS_REFERENCES, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->graphs, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++)
			stream->graphs.items[stream->graphs.count++] = (struct mr_raw_graph){
				.id = mr_raw_id(rows.values[MR_GRAPHS_ID][i]),
				.snapshot = mr_raw_id(rows.values[MR_GRAPHS_SNAPSHOT][i]),
				.graph = {
					.kind = mr_raw_id(rows.values[MR_GRAPHS_KIND][i]),
					.title = mr_raw_id(rows.values[MR_GRAPHS_TITLE][i]),
					.time_ns = rows.values[MR_GRAPHS_TIME][i],
					.object_count = rows.values[MR_GRAPHS_OBJECTS][i],
					.size_bytes = rows.values[MR_GRAPHS_SIZE][i],
					.reference_count = rows.values[MR_GRAPHS_REFERENCES][i],
				},
			};
	}
	return count;
}

int mr_model__read_graph_nodes(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_GRAPH_NODES_FLAGS, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->graph_nodes, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++)
			stream->graph_nodes.items[stream->graph_nodes.count++] = (struct mr_raw_node){
				.graph_id = mr_raw_id(rows.values[MR_GRAPH_NODES_GRAPH][i]),
				.node = {
					.id = mr_raw_id(rows.values[MR_GRAPH_NODES_ID][i]),
					.type = mr_raw_id(rows.values[MR_GRAPH_NODES_TYPE][i]),
					.label = mr_raw_id(rows.values[MR_GRAPH_NODES_LABEL][i]),
					.size_bytes = rows.values[MR_GRAPH_NODES_SIZE][i],
					.count = rows.values[MR_GRAPH_NODES_COUNT][i],
					.flags = rows.values[MR_GRAPH_NODES_FLAGS][i],
				},
			};
	}
	return count;
}

int mr_model__read_graph_edges(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_GRAPH_EDGES_COUNT, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (MR_LIST_RESERVE(&stream->graph_edges, (size_t)count) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++)
			stream->graph_edges.items[stream->graph_edges.count++] = (struct mr_raw_edge){
				.graph_id = mr_raw_id(rows.values[MR_GRAPH_EDGES_GRAPH][i]),
				.from_id = mr_raw_id(rows.values[MR_GRAPH_EDGES_FROM][i]),
				.to_id = mr_raw_id(rows.values[MR_GRAPH_EDGES_TO][i]),
				.edge = {
					.label = mr_raw_id(rows.values[MR_GRAPH_EDGES_LABEL][i]),
					.count = rows.values[MR_GRAPH_EDGES_COUNT][i],
				},
			};
	}
	return count;
}

/* ---- Who holds objects ------------------------------------------------------------ */

static int compare_holders(const void *left, const void *right, void *context)
{
	const struct mr_model *const model = context;
	const struct mr_holder_way *const a = left;
	const struct mr_holder_way *const b = right;

	MR_COMPARE(a->snapshot, b->snapshot);
	MR_COMPARE(a->class_index, b->class_index);
	MR_COMPARE(b->size_bytes, a->size_bytes);
	MR_COMPARE(b->count, a->count);
	MR_COMPARE(a->length, b->length);
	const int order = strcmp(mr_model_string(model, a->path), mr_model_string(model, b->path));
	return order != 0 ? order : (a->object > b->object) - (a->object < b->object);
}

static int merge_holders(struct mr_model *model, struct mr_run *run, struct mr_stream_state *const *streams,
                         size_t count, struct mr_error *err)
{
	size_t total = 1;

	for (size_t i = 0; i < count; i++)
		total += streams[i]->holders.count;
	run->holders = mr_alloc(total * sizeof(*run->holders));
	if (run->holders == NULL)
		return no_memory(err);
	for (size_t i = 0; i < count; i++) {
		struct mr_stream_state *const stream = streams[i];

		for (size_t j = 0; j < stream->holders.count; j++) {
			struct mr_holder_way way = stream->holders.items[j];

			way.snapshot = mr_stream_snapshot(stream, way.snapshot);
			if (way.snapshot == MR_INDEX_NONE) {
				model->segments[stream->segment].rows_dropped++;
				continue;
			}
			way.class_index = mr_model__resolve(model, stream, MR_DEFINED_CLASS, way.class_index);
			way.path = mr_model__resolve(model, stream, MR_DEFINED_STRING, way.path);
			way.example = mr_model__resolve(model, stream, MR_DEFINED_STRING, way.example);
			run->holders[run->holder_count++] = way;
		}
	}
	qsort_r(run->holders, run->holder_count, sizeof(*run->holders), compare_holders, model);
	for (size_t i = run->holder_count; i > 0; i--) {
		struct mr_snapshot *const snapshot = &run->snapshots[run->holders[i - 1].snapshot];

		snapshot->holder_first = i - 1;
		snapshot->holder_count++;
	}
	return 0;
}

/* ---- Graphs ------------------------------------------------------------------------ */

/* A graph while its stream and id still matter; by these, and by time. */
struct place {
	uint32_t stream; /* index in the run's */
	uint32_t id;
	uint32_t index; /* in the run's graphs, in the end */
	struct mr_graph graph;
};

struct places {
	struct place *items; /* in the end by stream and id */
	size_t count;
};

static int compare_times(const void *left, const void *right)
{
	const struct place *const a = left;
	const struct place *const b = right;

	MR_COMPARE(a->graph.time_ns, b->graph.time_ns);
	MR_COMPARE(a->stream, b->stream);
	MR_COMPARE(a->id, b->id);
	return 0;
}

static int compare_ids(const void *left, const void *right)
{
	const struct place *const a = left;
	const struct place *const b = right;

	MR_COMPARE(a->stream, b->stream);
	MR_COMPARE(a->id, b->id);
	return 0;
}

/* The index of the graph in the run, or MR_INDEX_NONE. */
static uint32_t find_graph(const struct places *places, uint32_t stream, uint32_t id)
{
	const struct place key = { .stream = stream, .id = id };
	const struct place *const found = places->count > 0 ? bsearch(&key, places->items, places->count,
	                                                              sizeof(*places->items), compare_ids)
	                                                    : NULL;

	return found != NULL ? found->index : MR_INDEX_NONE;
}

/* Takes the graphs of STREAM, the first of each id, as many as there may be. */
static void take_graphs(struct mr_model *model, struct mr_stream_state *stream, struct places *places)
{
	const size_t first = places->count;

	for (size_t i = 0; i < stream->graphs.count; i++) {
		const struct mr_raw_graph *const raw = &stream->graphs.items[i];
		struct place place = { .stream = stream->index, .id = raw->id, .graph = raw->graph };
		bool known =
			raw->id == 0 || raw->id == MR_ID_LOST || places->count - first >= MR_LOG_GRAPHS_MAX;

		for (size_t j = first; !known && j < places->count; j++)
			known = places->items[j].id == raw->id;
		if (known) {
			model->segments[stream->segment].rows_dropped++;
			continue;
		}
		place.graph.stream = stream->index;
		place.graph.time_ns = mr_run_time(stream, place.graph.time_ns);
		place.graph.title = mr_model__resolve(model, stream, MR_DEFINED_STRING, place.graph.title);
		place.graph.snapshot =
			raw->snapshot != 0 ? mr_stream_snapshot(stream, raw->snapshot) : MR_INDEX_NONE;
		places->items[places->count++] = place;
	}
}

static int merge_heads(struct mr_model *model, struct mr_run *run, struct mr_stream_state *const *streams,
                       size_t count, struct places *places, struct mr_error *err)
{
	size_t total = 1;

	for (size_t i = 0; i < count; i++)
		total += streams[i]->graphs.count < MR_LOG_GRAPHS_MAX ? streams[i]->graphs.count
		                                                      : MR_LOG_GRAPHS_MAX;
	MR_FAIL_IF(total >= MR_INDEX_NONE / MR_LOG_GRAPH_EDGES_MAX, err, MR_ERR_LIMIT,
	           "the logs have too many graphs");
	places->items = mr_alloc(total * sizeof(*places->items));
	run->graphs = mr_alloc(total * sizeof(*run->graphs));
	if (places->items == NULL || run->graphs == NULL)
		return no_memory(err);
	for (size_t i = 0; i < count; i++)
		take_graphs(model, streams[i], places);
	qsort(places->items, places->count, sizeof(*places->items), compare_times);
	for (size_t i = 0; i < places->count; i++) {
		places->items[i].index = run->graph_count;
		run->graphs[run->graph_count++] = places->items[i].graph;
	}
	qsort(places->items, places->count, sizeof(*places->items), compare_ids);
	return 0;
}

static int compare_nodes(const void *left, const void *right)
{
	const struct mr_graph_node *const a = left;
	const struct mr_graph_node *const b = right;

	MR_COMPARE(a->graph, b->graph);
	MR_COMPARE(a->id, b->id);
	MR_COMPARE(b->size_bytes, a->size_bytes);
	MR_COMPARE(a->type, b->type);
	MR_COMPARE(a->label, b->label);
	return 0;
}

/* Keeps the first node of each id, and of each graph as many as there may be. */
static void settle_nodes(struct mr_model *model, struct mr_run *run)
{
	const uint32_t total = run->graph_node_count;

	run->graph_node_count = 0;
	for (uint32_t i = 0; i < total; i++) {
		const struct mr_graph_node *const node = &run->graph_nodes[i];
		struct mr_graph *const graph = &run->graphs[node->graph];
		const bool known =
			graph->node_count > 0 && run->graph_nodes[run->graph_node_count - 1].id == node->id;

		if (known || graph->node_count >= MR_LOG_GRAPH_NODES_MAX) {
			model->segments[run->streams[graph->stream].segment].rows_dropped++;
			continue;
		}
		if (graph->node_count++ == 0)
			graph->node_first = run->graph_node_count;
		run->graph_nodes[run->graph_node_count++] = *node;
	}
}

static int merge_nodes(struct mr_model *model, struct mr_run *run, struct mr_stream_state *const *streams,
                       size_t count, const struct places *places, struct mr_error *err)
{
	size_t total = 1;

	for (size_t i = 0; i < count; i++)
		total += streams[i]->graph_nodes.count;
	MR_FAIL_IF(total >= MR_INDEX_NONE, err, MR_ERR_LIMIT, "the logs have too many nodes of graphs");
	run->graph_nodes = mr_alloc(total * sizeof(*run->graph_nodes));
	if (run->graph_nodes == NULL)
		return no_memory(err);
	for (size_t i = 0; i < count; i++) {
		struct mr_stream_state *const stream = streams[i];

		for (size_t j = 0; j < stream->graph_nodes.count; j++) {
			const struct mr_raw_node *const raw = &stream->graph_nodes.items[j];
			struct mr_graph_node node = raw->node;

			node.graph = find_graph(places, stream->index, raw->graph_id);
			if (node.graph == MR_INDEX_NONE || node.id == 0 || node.id == MR_ID_LOST) {
				model->segments[stream->segment].rows_dropped++;
				continue;
			}
			node.type = mr_model__resolve(model, stream, MR_DEFINED_STRING, node.type);
			node.label = mr_model__resolve(model, stream, MR_DEFINED_STRING, node.label);
			run->graph_nodes[run->graph_node_count++] = node;
		}
	}
	qsort(run->graph_nodes, run->graph_node_count, sizeof(*run->graph_nodes), compare_nodes);
	settle_nodes(model, run);
	return 0;
}

/* The index of the node of GRAPH with that ID, or MR_INDEX_NONE. */
static uint32_t find_node(const struct mr_run *run, uint32_t graph, uint32_t id)
{
	uint32_t low = run->graphs[graph].node_first;
	uint32_t high = low + run->graphs[graph].node_count;
	const uint32_t end = high;

	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;

		if (run->graph_nodes[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < end && run->graph_nodes[low].id == id ? low : MR_INDEX_NONE;
}

static int compare_edges(const void *left, const void *right)
{
	const struct mr_graph_edge *const a = left;
	const struct mr_graph_edge *const b = right;

	MR_COMPARE(a->graph, b->graph);
	MR_COMPARE(a->from, b->from);
	MR_COMPARE(a->to, b->to);
	MR_COMPARE(a->label, b->label);
	MR_COMPARE(a->count, b->count);
	return 0;
}

/* Of each graph as many edges as there may be. */
static void settle_edges(struct mr_model *model, struct mr_run *run)
{
	const uint32_t total = run->graph_edge_count;

	run->graph_edge_count = 0;
	for (uint32_t i = 0; i < total; i++) {
		struct mr_graph *const graph = &run->graphs[run->graph_edges[i].graph];

		if (graph->edge_count >= MR_LOG_GRAPH_EDGES_MAX) {
			model->segments[run->streams[graph->stream].segment].rows_dropped++;
			continue;
		}
		if (graph->edge_count++ == 0)
			graph->edge_first = run->graph_edge_count;
		run->graph_edges[run->graph_edge_count++] = run->graph_edges[i];
	}
}

static int merge_edges(struct mr_model *model, struct mr_run *run, struct mr_stream_state *const *streams,
                       size_t count, const struct places *places, struct mr_error *err)
{
	size_t total = 1;

	for (size_t i = 0; i < count; i++)
		total += streams[i]->graph_edges.count;
	MR_FAIL_IF(total >= MR_INDEX_NONE, err, MR_ERR_LIMIT, "the logs have too many edges of graphs");
	run->graph_edges = mr_alloc(total * sizeof(*run->graph_edges));
	if (run->graph_edges == NULL)
		return no_memory(err);
	for (size_t i = 0; i < count; i++) {
		struct mr_stream_state *const stream = streams[i];

		for (size_t j = 0; j < stream->graph_edges.count; j++) {
			const struct mr_raw_edge *const raw = &stream->graph_edges.items[j];
			struct mr_graph_edge edge = raw->edge;

			edge.graph = find_graph(places, stream->index, raw->graph_id);
			if (edge.graph != MR_INDEX_NONE) {
				edge.from = find_node(run, edge.graph, raw->from_id);
				edge.to = find_node(run, edge.graph, raw->to_id);
			}
			if (edge.graph == MR_INDEX_NONE || edge.from == MR_INDEX_NONE ||
			    edge.to == MR_INDEX_NONE) {
				model->segments[stream->segment].rows_dropped++;
				continue;
			}
			edge.label = mr_model__resolve(model, stream, MR_DEFINED_STRING, edge.label);
			run->graph_edges[run->graph_edge_count++] = edge;
		}
	}
	qsort(run->graph_edges, run->graph_edge_count, sizeof(*run->graph_edges), compare_edges);
	settle_edges(model, run);
	return 0;
}

int mr_model__merge_census(struct mr_model *model, struct mr_run *run, struct mr_stream_state *const *streams,
                           size_t count, struct mr_error *err)
{
	struct places places = { 0 };

	MR_TRY(merge_holders(model, run, streams, count, err));
	int code = merge_heads(model, run, streams, count, &places, err);
	if (code == 0)
		code = merge_nodes(model, run, streams, count, &places, err);
	if (code == 0)
		code = merge_edges(model, run, streams, count, &places, err);
	mr_free(places.items);
	return code;
}

/* ---- Looking ------------------------------------------------------------------------ */

uint32_t mr_model_object_row(const struct mr_model *model, const struct mr_run *run, uint32_t snapshot,
                             uint64_t object)
{
	const struct mr_model_state *const state = model->state;
	const uint32_t wanted = run->snapshots[snapshot].stream;

	for (size_t i = 0; i < state->streams.count; i++) {
		struct mr_stream_state *const stream = state->streams.items[i];

		if (!stream->repeated && stream->index == wanted && &model->runs[stream->run] == run)
			return mr_stream_row(run, stream, object);
	}
	return MR_INDEX_NONE;
}
