/* SPDX-License-Identifier: MIT
 *
 * Graphs on the page: each a drawing and the same as a list that can be read
 * aloud.  Also reads those of the log, of which a page shows the largest nodes.
 */
#include "section_persistent.h"

#include "report.h"

#include <inttypes.h>
#include <stdlib.h>

#define GRAPHS_MAX 6
#define NODES_PER_ROW 3 /* nodes of a graph that a page draws for each row that its tables have */
#define EDGES_PER_ROW 2

static enum mr_paint paint_of(const void *context, const char *type)
{
	return mr_report_paint(context, type);
}

/* What a node is called in a list. */
static const char *name_of(const struct memreport_graph_node *node)
{
	return node->label && node->label[0] ? node->label : node->type ? node->type : "";
}

static const struct memreport_graph_node *node_of(const struct memreport_graph *graph, uint64_t id)
{
	for (size_t i = 0; i < graph->node_count; i++)
		if (graph->nodes[i].id == id)
			return &graph->nodes[i];
	return NULL;
}

static void add_edges(const struct mr_view *view, struct mr_scope *item, const struct memreport_graph *graph)
{
	const size_t most = EDGES_PER_ROW * view->limit;
	const size_t shown = graph->edge_count < most ? graph->edge_count : most;
	mr_scope_list(item, "edges");
	mr_scope_none(item, "edges_rest");
	for (size_t i = 0; i < shown; i++) {
		const struct memreport_graph_edge *edge = &graph->edges[i];
		const struct memreport_graph_node *from = node_of(graph, edge->from),
						  *to = node_of(graph, edge->to);
		struct mr_scope *row = mr_scope_add(item, "edges");
		mr_scope_text(row, "from", from ? name_of(from) : "?");
		mr_scope_text(row, "to", to ? name_of(to) : "?");
		mr_scope_text(row, "label", edge->label ? edge->label : "");
		mr_scope_none(row, "count");
		if (edge->count > 1)
			mr_scope_count(row, "count", edge->count);
	}
	if (graph->edge_count > shown)
		mr_scope_format(
			item, "edges_rest", "%s more",
			mr_section_plural(item, graph->edge_count - shown, "reference", "references"));
}

int mr_section_graph(const struct mr_view *view, struct mr_scope *item, const struct memreport_graph *graph,
                     struct mr_error *err)
{
	struct mr_chart *chart = NULL;
	mr_scope_text(item, "title", graph->title);
	MR_TRY(mr_graph_chart(mr_scope_page(item), graph, paint_of, view->data, &chart, err));
	mr_scope_chart(item, "graph", chart);
	mr_scope_text(item, "edge_count",
	              mr_section_plural(item, graph->edge_count, "reference", "references"));
	add_edges(view, item, graph);
	return 0;
}

/* ---- Of the log ------------------------------------------------------------------------------------- */

struct reading {
	const struct memstats_table *nodes, *edges;
	int run, graph, kind, title, node, type, label, size, count, flags, objects, total, references;
	int edge_run, edge_graph, from, to, edge_label, edge_count;
};

static struct reading start_reading(const struct mr_report_data *data)
{
	const struct memstats_table *nodes = data->census[MR_CENSUS_NODES],
				    *edges = data->census[MR_CENSUS_EDGES];
	return (struct reading){ .nodes = nodes,
		                 .edges = edges,
		                 .run = mr_report_rows_column(nodes, "run"),
		                 .graph = mr_report_rows_column(nodes, "graph"),
		                 .kind = mr_report_rows_column(nodes, "kind"),
		                 .title = mr_report_rows_column(nodes, "title"),
		                 .node = mr_report_rows_column(nodes, "node"),
		                 .type = mr_report_rows_column(nodes, "type"),
		                 .label = mr_report_rows_column(nodes, "label"),
		                 .size = mr_report_rows_column(nodes, "size"),
		                 .count = mr_report_rows_column(nodes, "count"),
		                 .flags = mr_report_rows_column(nodes, "flags"),
		                 .objects = mr_report_rows_column(nodes, "objects"),
		                 .total = mr_report_rows_column(nodes, "total"),
		                 .references = mr_report_rows_column(nodes, "references"),
		                 .edge_run = mr_report_rows_column(edges, "run"),
		                 .edge_graph = mr_report_rows_column(edges, "graph"),
		                 .from = mr_report_rows_column(edges, "from"),
		                 .to = mr_report_rows_column(edges, "to"),
		                 .edge_label = mr_report_rows_column(edges, "label"),
		                 .edge_count = mr_report_rows_column(edges, "count") };
}

static unsigned flags_of(const char *text)
{
	return (strstr(text, "cycle") ? MEMREPORT_NODE_CYCLE : 0) |
	       (strstr(text, "root") ? MEMREPORT_NODE_ROOT : 0) |
	       (strstr(text, "subject") ? MEMREPORT_NODE_SUBJECT : 0);
}

static bool is_of(const struct reading *reading, size_t row, uint64_t run, uint64_t graph)
{
	return mr_report_rows_number(reading->nodes, row, reading->run) == run &&
	       mr_report_rows_number(reading->nodes, row, reading->graph) == graph;
}

/* The first MOST nodes as the table has them, those with flags that say more than "cycle" before others. */
static size_t read_nodes(const struct reading *reading, uint64_t run, uint64_t graph, size_t most,
                         struct memreport_graph_node *nodes, size_t *total)
{
	size_t count = 0;
	*total = 0;
	for (int pass = 0; pass < 2; pass++)
		for (size_t row = 0; row < memstats_table_row_count(reading->nodes); row++) {
			if (!is_of(reading, row, run, graph))
				continue;
			const unsigned flags =
				flags_of(mr_report_rows_text(reading->nodes, row, reading->flags));
			const bool first = flags & (MEMREPORT_NODE_ROOT | MEMREPORT_NODE_SUBJECT);
			*total += pass == 0;
			if (first != (pass == 0) || count == most)
				continue;
			nodes[count++] = (struct memreport_graph_node){
				.id = mr_report_rows_number(reading->nodes, row, reading->node),
				.type = mr_report_rows_text(reading->nodes, row, reading->type),
				.label = mr_report_rows_text(reading->nodes, row, reading->label),
				.size_bytes =
					mr_or_zero(mr_report_rows_number(reading->nodes, row, reading->size)),
				.count = mr_or_zero(
					mr_report_rows_number(reading->nodes, row, reading->count)),
				.flags = flags
			};
		}
	return count;
}

static int by_number(const void *a, const void *b)
{
	const uint64_t one = *(const uint64_t *)a, two = *(const uint64_t *)b;
	return (one > two) - (one < two);
}

/* Those whose ends are among the nodes; IDS has room for as many. */
static size_t read_edges(const struct reading *reading, uint64_t run, uint64_t number,
                         const struct memreport_graph_node *nodes, size_t node_count, uint64_t *ids,
                         size_t most, struct memreport_graph_edge *edges)
{
	size_t count = 0;
	for (size_t i = 0; i < node_count; i++)
		ids[i] = nodes[i].id;
	if (node_count > 1)
		qsort(ids, node_count, sizeof(*ids), by_number);
	for (size_t row = 0; row < memstats_table_row_count(reading->edges) && count < most; row++) {
		const struct memreport_graph_edge edge = {
			.from = mr_report_rows_number(reading->edges, row, reading->from),
			.to = mr_report_rows_number(reading->edges, row, reading->to),
			.label = mr_report_rows_text(reading->edges, row, reading->edge_label),
			.count = mr_or_zero(mr_report_rows_number(reading->edges, row, reading->edge_count))
		};
		if (mr_report_rows_number(reading->edges, row, reading->edge_run) == run &&
		    mr_report_rows_number(reading->edges, row, reading->edge_graph) == number &&
		    bsearch(&edge.from, ids, node_count, sizeof(*ids), by_number) &&
		    bsearch(&edge.to, ids, node_count, sizeof(*ids), by_number))
			edges[count++] = edge;
	}
	return count;
}

static const char *default_title(const char *kind)
{
	return strcmp(kind, "garbage") == 0     ? "Garbage that the collector found"
	       : strcmp(kind, "referrers") == 0 ? "What leads to it"
	                                        : "What refers to what";
}

static void set_summary(const struct reading *reading, struct mr_scope *item, size_t row, size_t shown,
                        size_t total)
{
	const uint64_t objects = mr_report_rows_number(reading->nodes, row, reading->objects),
		       bytes = mr_report_rows_number(reading->nodes, row, reading->total),
		       references = mr_report_rows_number(reading->nodes, row, reading->references);
	char size[32], part[96] = "";
	mr_text_bytes_short(size, mr_or_zero(bytes));
	if (shown < total)
		snprintf(part, sizeof(part), "; %zu of its %zu nodes are drawn", shown, total);
	mr_scope_format(
		item, "summary", "%s: %s, %s%s%s%s", mr_report_rows_text(reading->nodes, row, reading->kind),
		mr_section_plural(item, mr_or_zero(objects), "object", "objects"), size,
		references == MR_NO_VALUE ? "" : ", ",
		references == MR_NO_VALUE ? ""
					  : mr_section_plural(item, references, "reference", "references"),
		part);
}

/* The graph that ROW of the nodes belongs to. */
static int add_graph(const struct mr_view *view, struct mr_scope *scope, const struct reading *reading,
                     size_t row, struct mr_error *err)
{
	struct mr_page *page = mr_scope_page(scope);
	const uint64_t number = mr_report_rows_number(reading->nodes, row, reading->graph);
	const size_t nodes_most = memstats_table_row_count(reading->nodes) < MEMREPORT_GRAPH_NODES_MAX
	                                  ? memstats_table_row_count(reading->nodes)
	                                  : MEMREPORT_GRAPH_NODES_MAX;
	const size_t edges_most = memstats_table_row_count(reading->edges) < MEMREPORT_GRAPH_EDGES_MAX
	                                  ? memstats_table_row_count(reading->edges)
	                                  : MEMREPORT_GRAPH_EDGES_MAX;
	struct memreport_graph_node *nodes = mr_page_alloc(page, (nodes_most + 1) * sizeof(*nodes));
	struct memreport_graph_edge *edges = mr_page_alloc(page, (edges_most + 1) * sizeof(*edges));
	const size_t most = NODES_PER_ROW * view->limit;
	struct memreport_graph folded;
	uint64_t *ids = mr_page_alloc(page, (nodes_most + 1) * sizeof(*ids));
	size_t total = 0;
	MR_FAIL_IF(!nodes || !edges || !ids, err, MR_ERR_NOMEM, "no memory for a graph");
	const char *title = mr_report_rows_text(reading->nodes, row, reading->title);
	struct memreport_graph graph = { .title = title[0] ? title
		                                           : default_title(mr_report_rows_text(
								     reading->nodes, row, reading->kind)),
		                         .nodes = nodes,
		                         .edges = edges };
	graph.node_count = read_nodes(reading, view->run->id, number, nodes_most, nodes, &total);
	graph.edge_count =
		read_edges(reading, view->run->id, number, nodes, graph.node_count, ids, edges_most, edges);
	MR_TRY(mr_graph_fold(page, &graph, &folded, err));
	if (folded.node_count > most) {
		/* Too much for a page all the same. */
		graph.node_count = most;
		graph.edge_count =
			read_edges(reading, view->run->id, number, nodes, most, ids, edges_most, edges);
	}
	struct mr_scope *item = mr_scope_add(scope, "graphs");
	set_summary(reading, item, row, graph.node_count, total);
	return mr_section_graph(view, item, &graph, err);
}

bool mr_section_has_graphs(const struct mr_view *view)
{
	const struct memstats_table *nodes = view->data->census[MR_CENSUS_NODES];
	const int run = mr_report_rows_column(nodes, "run");
	for (size_t row = 0; row < memstats_table_row_count(nodes); row++)
		if (mr_report_rows_number(nodes, row, run) == view->run->id)
			return true;
	return false;
}

int mr_section_graphs(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err)
{
	const struct reading reading = start_reading(view->data);
	const size_t most = view->limit < GRAPHS_MAX ? view->limit : GRAPHS_MAX;
	uint64_t last = 0;
	size_t count = 0;
	for (size_t row = 0; row < memstats_table_row_count(reading.nodes); row++) {
		const uint64_t graph = mr_report_rows_number(reading.nodes, row, reading.graph);
		if (mr_report_rows_number(reading.nodes, row, reading.run) != view->run->id || graph <= last)
			continue;
		last = graph;
		if (count++ < most)
			MR_TRY(add_graph(view, scope, &reading, row, err));
	}
	if (count > most)
		mr_scope_format(scope, "graphs_rest", "%s more in the log: see memstats graph_nodes.",
		                mr_section_plural(scope, count - most, "graph is", "graphs are"));
	return 0;
}
