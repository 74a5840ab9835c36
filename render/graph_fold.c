/* SPDX-License-Identifier: MIT
 *
 * Folds long chains and rings of a graph: where many nodes of a type or two
 * follow each other, each with nothing but the one before it and the one behind
 * it, a few at either end are drawn and one box stands for those between.
 */
#include "report.h"

#include <inttypes.h>
#include <stdlib.h>

#define FOLD_MIN 12  /* nodes in a row, from which on they are folded */
#define FOLD_ENDS 3  /* of them that stay at either end */
#define FOLD_TYPES 2 /* an object and its dictionary take turns */
#define NONE UINT32_MAX

struct link {                  /* what a node has around it */
	uint32_t next, before; /* NONE; the node itself: there are several */
	uint32_t fold;         /* the node that stands for it; NONE: it is drawn */
	bool seen;
};

static int by_id(const void *a, const void *b)
{
	const struct mr_graph_place *one = a, *two = b;
	return (one->id > two->id) - (one->id < two->id);
}

struct mr_graph_place *mr_graph_places(struct mr_page *page, const struct memreport_graph *graph)
{
	struct mr_graph_place *places = mr_page_alloc(page, (graph->node_count + 1) * sizeof(*places));
	for (uint32_t i = 0; places && i < graph->node_count; i++)
		places[i] = (struct mr_graph_place){ graph->nodes[i].id, i };
	if (places)
		qsort(places, graph->node_count, sizeof(*places), by_id);
	return places;
}

uint32_t mr_graph_find(const struct mr_graph_place *places, size_t count, uint64_t id)
{
	const struct mr_graph_place key = { id, 0 };
	const struct mr_graph_place *found = bsearch(&key, places, count, sizeof(*places), by_id);
	return found ? found->index : NONE;
}

static void note(uint32_t *neighbour, uint32_t other, uint32_t self)
{
	*neighbour = *neighbour == NONE || *neighbour == other ? other : self;
}

static const char *type_of(const struct memreport_graph *graph, uint32_t node)
{
	return graph->nodes[node].type ? graph->nodes[node].type : "";
}

/* Whether a node has one before it and one behind it, and is nothing that has to be seen. */
static bool is_inner(const struct memreport_graph *graph, const struct link *links, uint32_t node)
{
	return links[node].next != NONE && links[node].next != node && links[node].before != NONE &&
	       links[node].before != node &&
	       !(graph->nodes[node].flags & (MEMREPORT_NODE_ROOT | MEMREPORT_NODE_SUBJECT));
}

/* Puts the chain that begins at FIRST into CHAIN, and gives its length. */
static size_t follow(const struct memreport_graph *graph, struct link *links, uint32_t first, uint32_t *chain)
{
	const char *types[FOLD_TYPES];
	size_t type_count = 0, count = 0;
	for (uint32_t node = first; is_inner(graph, links, node) && !links[node].seen;
	     node = links[node].next) {
		size_t known = 0;
		while (known < type_count && strcmp(types[known], type_of(graph, node)) != 0)
			known++;
		if (known == FOLD_TYPES)
			break;
		types[known] = type_of(graph, node);
		type_count = known == type_count ? type_count + 1 : type_count;
		links[node].seen = true;
		chain[count++] = node;
	}
	return count;
}

/* The first of the chain that NODE is in; NODE where it is a ring. */
static uint32_t beginning(const struct memreport_graph *graph, const struct link *links, uint32_t node)
{
	uint32_t at = node;
	while (is_inner(graph, links, links[at].before) && !links[links[at].before].seen) {
		at = links[at].before;
		if (at == node)
			break;
	}
	return at;
}

/* Makes one node of those of the chain that are not at its ends. */
static void fold(struct mr_page *page, const struct memreport_graph *graph, struct link *links,
                 const uint32_t *chain, size_t count, struct memreport_graph_node *node)
{
	const uint32_t stands = chain[FOLD_ENDS];
	const char *type = type_of(graph, stands), *other = "";
	char text[256], number[32];
	*node = graph->nodes[stands];
	node->size_bytes = node->count = 0;
	for (size_t i = FOLD_ENDS; i < count - FOLD_ENDS; i++) {
		const struct memreport_graph_node *folded = &graph->nodes[chain[i]];
		node->size_bytes += folded->size_bytes;
		node->count += folded->count > 0 ? folded->count : 1;
		links[chain[i]].fold = stands;
		if (strcmp(type_of(graph, chain[i]), type) != 0)
			other = type_of(graph, chain[i]);
	}
	mr_count_text(number, count - (size_t)2 * FOLD_ENDS);
	snprintf(text, sizeof(text), "%s more %.100s%s%.100s", number, type, other[0] ? " and " : "", other);
	node->label = mr_page_copy(page, text, sizeof(text));
	node->type = mr_page_copy(page, type, sizeof(text));
}

static int find_links(struct mr_page *page, const struct memreport_graph *graph, struct link *links,
                      uint32_t *ends, struct mr_error *err)
{
	const struct mr_graph_place *places = mr_graph_places(page, graph);
	MR_FAIL_IF(!places, err, MR_ERR_NOMEM, "no memory for a graph");
	for (uint32_t i = 0; i < graph->node_count; i++)
		links[i] = (struct link){ .next = NONE, .before = NONE, .fold = NONE };
	for (size_t i = 0; i < graph->edge_count; i++) {
		const uint32_t from = mr_graph_find(places, graph->node_count, graph->edges[i].from),
			       to = mr_graph_find(places, graph->node_count, graph->edges[i].to);
		ends[2 * i] = from;
		ends[2 * i + 1] = to;
		if (from == NONE || to == NONE)
			continue; /* whoever draws the graph says so */
		note(&links[from].next, to, from);
		note(&links[to].before, from, to);
	}
	return 0;
}

/* Leaves out what was folded, and the lines within it. */
static void shorten(const struct memreport_graph *graph, const struct link *links, const uint32_t *ends,
                    struct memreport_graph_node *nodes, struct memreport_graph_edge *edges,
                    struct memreport_graph *folded)
{
	*folded = (struct memreport_graph){ .title = graph->title, .nodes = nodes, .edges = edges };
	for (uint32_t i = 0; i < graph->node_count; i++)
		if (links[i].fold == NONE || links[i].fold == i)
			nodes[folded->node_count++] = nodes[i];
	for (size_t i = 0; i < graph->edge_count; i++) {
		const uint32_t from = ends[2 * i], to = ends[2 * i + 1];
		struct memreport_graph_edge edge = graph->edges[i];
		if (from != NONE && links[from].fold != NONE)
			edge.from = graph->nodes[links[from].fold].id;
		if (to != NONE && links[to].fold != NONE)
			edge.to = graph->nodes[links[to].fold].id;
		if (from == NONE || to == NONE || links[from].fold == NONE ||
		    links[from].fold != links[to].fold)
			edges[folded->edge_count++] = edge;
	}
}

int mr_graph_fold(struct mr_page *page, const struct memreport_graph *graph, struct memreport_graph *folded,
                  struct mr_error *err)
{
	const size_t count = graph->node_count;
	bool any = false;
	struct link *links = mr_page_alloc(page, (count + 1) * sizeof(*links));
	uint32_t *chain = mr_page_alloc(page, (count + 1) * sizeof(*chain)),
		 *ends = mr_page_alloc(page, (2 * graph->edge_count + 1) * sizeof(*ends));
	struct memreport_graph_node *nodes = mr_page_alloc(page, (count + 1) * sizeof(*nodes));
	struct memreport_graph_edge *edges = mr_page_alloc(page, (graph->edge_count + 1) * sizeof(*edges));
	MR_FAIL_IF(!links || !chain || !ends || !nodes || !edges, err, MR_ERR_NOMEM, "no memory for a graph");
	MR_TRY(find_links(page, graph, links, ends, err));
	*folded = *graph;
	if (count > 0)
		memcpy(nodes, graph->nodes, count * sizeof(*nodes));
	for (uint32_t i = 0; i < count; i++) {
		while (is_inner(graph, links, i) && !links[i].seen) {
			const size_t length = follow(graph, links, beginning(graph, links, i), chain);
			if (length >= FOLD_MIN)
				fold(page, graph, links, chain, length, &nodes[chain[FOLD_ENDS]]);
			any = any || length >= FOLD_MIN;
		}
	}
	if (any)
		shorten(graph, links, ends, nodes, edges, folded);
	return 0;
}
