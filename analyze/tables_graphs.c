/* SPDX-License-Identifier: MIT
 *
 * Tables graph_nodes and graph_edges: graphs of objects that the program wrote to
 * its log, such as garbage that its collector found.  What a graph is called stands
 * with its nodes.  The text layout lists the objects of each graph, largest first, as
 * one looks for what is worth breaking up.
 */
#include <inttypes.h>

#include "output.h"
#include "table_rows.h"

#define TYPE_WIDTH 30
#define LABEL_WIDTH 40
#define TITLE_WIDTH 40

static const char *kind_name(uint32_t kind)
{
	static const char *const names[] = {
		[MR_GRAPH_REFERENCES] = "references",
		[MR_GRAPH_GARBAGE] = "garbage",
		[MR_GRAPH_REFERRERS] = "referrers",
	};

	return kind < MR_ARRAY_LEN(names) ? names[kind] : NULL;
}

/* ---- Nodes -------------------------------------------------------------------- */

enum {
	RUN,
	GRAPH,
	KIND,
	TITLE,
	NODE,
	TYPE,
	LABEL,
	SIZE,
	COUNT,
	FLAGS,
	TIME,
	SNAPSHOT,
	OBJECTS,
	TOTAL,
	REFERENCES,
	NODE_COLUMN_COUNT
};

static const struct memstats_column node_columns[NODE_COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[GRAPH] = { "graph", MEMSTATS_ID, "the graph, counted from 1 in the run" },
	[KIND] = { "kind", MEMSTATS_TEXT,
	           "references (objects that the program chose), garbage (that the collector found), "
	           "referrers "
	           "(an object and what leads to it)" },
	[TITLE] = { "title", MEMSTATS_TEXT, "what the program called the graph" },
	[NODE] = { "node", MEMSTATS_ID, "the object's number in the graph" },
	[TYPE] = { "type", MEMSTATS_TEXT, "its type" },
	[LABEL] = { "label", MEMSTATS_TEXT, "how it showed itself" },
	[SIZE] = { "size", MEMSTATS_BYTES, "of it alone" },
	[COUNT] = { "count", MEMSTATS_COUNT, "objects that the node stands for" },
	[FLAGS] = { "flags", MEMSTATS_TEXT,
	            "cycle (it leads to itself), root (paths begin here), subject (what the graph is "
	            "about)" },
	[TIME] = { "time", MEMSTATS_TIME, "when the graph was written" },
	[SNAPSHOT] = { "snapshot", MEMSTATS_ID, "the snapshot that it belongs to" },
	[OBJECTS] = { "objects", MEMSTATS_COUNT,
	              "of the whole graph, which may be more than its nodes tell" },
	[TOTAL] = { "total", MEMSTATS_BYTES, "size of all of them" },
	[REFERENCES] = { "references", MEMSTATS_COUNT, "among them" },
};

static size_t count_nodes(const struct mr_run *run)
{
	return run->graph_node_count;
}

static int nodes_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                      struct mr_error *err)
{
	(void)needed;
	return mr_run_rows_open(log->model, count_nodes, state, row_count, err);
}

/* All combinations of the flags that are known. */
static const char *flags_text(uint64_t flags)
{
	static const char *const texts[] = {
		NULL,      "cycle",         "root",         "cycle root",
		"subject", "cycle subject", "root subject", "cycle root subject",
	};

	_Static_assert(MR_GRAPH_NODE_CYCLE == 1 && MR_GRAPH_NODE_ROOT == 2 && MR_GRAPH_NODE_SUBJECT == 4,
	               "the flags are the index");
	return texts[flags % MR_ARRAY_LEN(texts)];
}

static void cell_of_graph(const struct mr_model *model, const struct mr_run *run, uint32_t index,
                          size_t column, struct mr_cell *cell)
{
	const struct mr_graph *graph = &run->graphs[index];

	switch (column) {
	case GRAPH:
		mr_cell_number(cell, (uint64_t)index + 1);
		break;
	case KIND:
		mr_cell_string(cell, kind_name(graph->kind));
		break;
	case TITLE:
		mr_cell_model_string(cell, model, graph->title);
		break;
	case TIME:
		mr_cell_number(cell, graph->time_ns);
		break;
	case SNAPSHOT:
		if (graph->snapshot == MR_INDEX_NONE)
			mr_cell_number_or_null(cell, 0, true);
		else
			mr_cell_number(cell, run->snapshots[graph->snapshot].number);
		break;
	case OBJECTS:
		mr_cell_number(cell, graph->object_count);
		break;
	case TOTAL:
		mr_cell_number(cell, graph->size_bytes);
		break;
	case REFERENCES:
		mr_cell_number(cell, graph->reference_count);
		break;
	}
}

static void nodes_cell(const void *state, size_t row, size_t column, struct mr_cell *cell)
{
	const struct mr_run_rows *rows = state;
	size_t index = 0;
	const size_t run_index = mr_run_rows_find(rows, row, &index);
	const struct mr_run *run = &rows->model->runs[run_index];
	const struct mr_graph_node *node = &run->graph_nodes[index];

	switch (column) {
	case RUN:
		mr_cell_number(cell, run_index + 1);
		break;
	case NODE:
		mr_cell_number(cell, node->id);
		break;
	case TYPE:
		mr_cell_model_string(cell, rows->model, node->type);
		break;
	case LABEL:
		mr_cell_model_string(cell, rows->model, node->label);
		break;
	case SIZE:
		mr_cell_number(cell, node->size_bytes);
		break;
	case COUNT:
		mr_cell_number(cell, node->count);
		break;
	case FLAGS:
		mr_cell_string(cell, flags_text(node->flags));
		break;
	default:
		cell_of_graph(rows->model, run, node->graph, column, cell);
	}
}

/* ---- Text ------------------------------------------------------------------------ */

static void put_head(struct mr_writing *writing, const struct mr_model *model, const struct mr_run *run,
                     uint32_t index)
{
	const struct mr_graph *graph = &run->graphs[index];
	const char *kind = kind_name(graph->kind);
	const char *title = mr_model_string(model, graph->title);
	const size_t start = writing->buffer.len;

	mr_buffer_printf(&writing->buffer, "---- GRAPH %" PRIu64 "%s%s", (uint64_t)index + 1,
	                 kind ? " of " : "", kind ? kind : "");
	if (title[0] != '\0' && (!kind || strcmp(title, kind) != 0)) {
		mr_buffer_append(&writing->buffer, ": ", 2);
		mr_output_name(&writing->buffer, title, TITLE_WIDTH, false);
	}
	mr_output_rule(&writing->buffer, start, MR_OUTPUT_WIDTH);
	mr_buffer_printf(&writing->buffer, "%" PRIu64 " %s, ", graph->object_count,
	                 graph->object_count == 1 ? "object" : "objects");
	mr_output_bytes(writing, graph->size_bytes, 0);
	mr_buffer_printf(&writing->buffer, "%s, %" PRIu64 " %s\n",
	                 writing->flags & MEMSTATS_EXACT_BYTES ? " bytes" : "", graph->reference_count,
	                 graph->reference_count == 1 ? "reference" : "references");
	mr_buffer_printf(&writing->buffer, "%6s  %12s  %-*s  %s\n", "node", "size", TYPE_WIDTH, "type",
	                 "label");
}

static void put_text(struct mr_writing *writing, const char *text, size_t max, size_t width)
{
	mr_buffer_clear(&writing->scratch);
	mr_output_name(&writing->scratch, text, max, false);
	mr_output_field(&writing->buffer, writing->scratch.data, writing->scratch.len, width, false);
}

static void put_node(struct mr_writing *writing, const struct mr_model *model,
                     const struct mr_graph_node *node)
{
	const char *flags = flags_text(node->flags);
	const char *label = mr_model_string(model, node->label);

	mr_buffer_printf(&writing->buffer, "%6" PRIu32 "  ", node->id);
	mr_output_bytes(writing, node->size_bytes, 12);
	mr_buffer_append(&writing->buffer, "  ", 2);
	put_text(writing, mr_model_string(model, node->type), TYPE_WIDTH,
	         label[0] != '\0' || flags || node->count != 1 ? TYPE_WIDTH : 0);
	if (label[0] != '\0') {
		mr_buffer_append(&writing->buffer, "  ", 2);
		put_text(writing, label, LABEL_WIDTH, 0);
	}
	if (node->count != 1)
		mr_buffer_printf(&writing->buffer, "  (%" PRIu64 " objects)", node->count);
	if (flags)
		mr_buffer_printf(&writing->buffer, "  [%s]", flags);
	mr_buffer_put_u8(&writing->buffer, '\n');
}

static int nodes_write_text(struct mr_writing *writing, struct mr_error *err)
{
	const struct memstats_table *table = writing->table;
	const struct mr_run_rows *rows = table->state;
	size_t last_run = SIZE_MAX;
	uint32_t last_graph = MR_INDEX_NONE;

	if (table->row_count == 0)
		mr_buffer_printf(&writing->buffer, "(no graphs)\n");
	for (size_t i = 0; i < table->row_count; i++) {
		size_t index = 0;
		const size_t run_index = mr_run_rows_find(rows, mr_table_row(table, i), &index);
		const struct mr_run *run = &rows->model->runs[run_index];
		const struct mr_graph_node *node = &run->graph_nodes[index];

		if (run_index != last_run && rows->model->run_count > 1)
			mr_output_run(writing, rows->model, run_index);
		if (run_index != last_run || node->graph != last_graph)
			put_head(writing, rows->model, run, node->graph);
		put_node(writing, rows->model, node);
		last_run = run_index;
		last_graph = node->graph;
		MR_TRY(mr_writing_flush(writing, false, err));
	}
	mr_output_more(writing);
	return 0;
}

const struct mr_table_type mr_table_graph_nodes = {
	.info = { "graph_nodes", "objects of the graphs in the log: garbage, references, referrers",
	          node_columns, NODE_COLUMN_COUNT, TYPE },
	.default_sort = "run,graph,size,node",
	.open = nodes_open,
	.cell = nodes_cell,
	.close = mr_run_rows_close,
	.write_text = nodes_write_text,
};

/* ---- Edges ------------------------------------------------------------------------- */

enum { EDGE_RUN, EDGE_GRAPH, EDGE_FROM, EDGE_TO, EDGE_LABEL, EDGE_COUNT, EDGE_COLUMN_COUNT };

static const struct memstats_column edge_columns[EDGE_COLUMN_COUNT] = {
	[EDGE_RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[EDGE_GRAPH] = { "graph", MEMSTATS_ID, "the graph, as in table graph_nodes" },
	[EDGE_FROM] = { "from", MEMSTATS_ID, "the node that refers" },
	[EDGE_TO] = { "to", MEMSTATS_ID, "to this one" },
	[EDGE_LABEL] = { "label", MEMSTATS_TEXT, "by what name" },
	[EDGE_COUNT] = { "count", MEMSTATS_COUNT, "references that it stands for" },
};

static size_t count_edges(const struct mr_run *run)
{
	return run->graph_edge_count;
}

static int edges_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                      struct mr_error *err)
{
	(void)needed;
	return mr_run_rows_open(log->model, count_edges, state, row_count, err);
}

static void edges_cell(const void *state, size_t row, size_t column, struct mr_cell *cell)
{
	const struct mr_run_rows *rows = state;
	size_t index = 0;
	const size_t run_index = mr_run_rows_find(rows, row, &index);
	const struct mr_run *run = &rows->model->runs[run_index];
	const struct mr_graph_edge *edge = &run->graph_edges[index];

	switch (column) {
	case EDGE_RUN:
		mr_cell_number(cell, run_index + 1);
		break;
	case EDGE_GRAPH:
		mr_cell_number(cell, (uint64_t)edge->graph + 1);
		break;
	case EDGE_FROM:
		mr_cell_number(cell, run->graph_nodes[edge->from].id);
		break;
	case EDGE_TO:
		mr_cell_number(cell, run->graph_nodes[edge->to].id);
		break;
	case EDGE_LABEL:
		mr_cell_model_string(cell, rows->model, edge->label);
		break;
	case EDGE_COUNT:
		mr_cell_number(cell, edge->count);
		break;
	}
}

const struct mr_table_type mr_table_graph_edges = {
	.info = { "graph_edges", "which objects of a graph refer to which", edge_columns, EDGE_COLUMN_COUNT,
	          EDGE_LABEL },
	.open = edges_open,
	.cell = edges_cell,
	.close = mr_run_rows_close,
};
