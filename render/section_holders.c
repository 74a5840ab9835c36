/* SPDX-License-Identifier: MIT
 *
 * Who holds what stayed, as one graph: the ways' paths put together where they
 * begin alike, a box where they part and for each type that is held.  What lies
 * between is the name of a line.
 */
#include "section_persistent.h"

#define WAYS_PER_TYPE 3
#define TYPES_MAX 12  /* that a picture has room for */
#define STEPS_MAX 600 /* of all paths together */
#define TEXT_COLUMNS 120
#define NONE SIZE_MAX

struct step { /* a part of a path: "app", ".sessions", "[*]" */
	const char *text;
	size_t len;
	size_t parent;
	size_t children, first_child;
	const char *type; /* held here; NULL: none */
	size_t types;     /* that are */
	uint64_t count, size_bytes;
	const char *root; /* what the first step begins at */
	unsigned flags;
	size_t box;        /* number of the box that it is, or lies behind */
	const char *label; /* from that box up to here */
};

struct steps {
	struct mr_scope *scope;
	struct step *items;
	size_t count;
};

/* ---- Paths ------------------------------------------------------------------------------- */

static char closing(char open)
{
	return open == '[' ? ']' : open == '(' ? ')' : open == '<' ? '>' : '\0';
}

/* The length of what is in brackets at TEXT, quotes and brackets within included; all of it when they are
 * never closed. */
static size_t bracketed(const char *text)
{
	const char open = text[0], close = closing(open);
	size_t depth = 0;
	char quote = '\0';
	for (size_t i = 0; text[i]; i++) {
		if (quote) {
			if (text[i] == '\\' && text[i + 1])
				i++;
			else if (text[i] == quote)
				quote = '\0';
		} else if (open == '[' && (text[i] == '\'' || text[i] == '"')) {
			quote = text[i];
		} else if (text[i] == open) {
			depth++;
		} else if (text[i] == close && --depth == 0) {
			return i + 1;
		}
	}
	return strlen(text);
}

static size_t step_length(const char *path)
{
	if (closing(path[0]))
		return bracketed(path);
	const size_t dot = path[0] == '.';
	return dot + strcspn(path + dot, ".[");
}

static size_t find_step(const struct steps *steps, size_t parent, const char *text, size_t len)
{
	for (size_t i = parent == NONE ? 0 : parent + 1; i < steps->count; i++)
		if (steps->items[i].parent == parent && steps->items[i].len == len &&
		    memcmp(steps->items[i].text, text, len) == 0)
			return i;
	return NONE;
}

/* The step at the end of PATH; NONE when there are too many. */
static size_t add_path(struct steps *steps, const char *path, const char *root)
{
	size_t at = NONE;
	for (size_t len; *path; path += len) {
		len = step_length(path);
		len = len > 0 ? len : strlen(path);
		const size_t known = find_step(steps, at, path, len);
		if (known != NONE) {
			at = known;
			continue;
		}
		if (steps->count == STEPS_MAX)
			return NONE;
		steps->items[steps->count] = (struct step){
			.text = path, .len = len, .parent = at, .root = at == NONE ? root : "", .box = NONE
		};
		if (at != NONE && steps->items[at].children++ == 0)
			steps->items[at].first_child = steps->count;
		at = steps->count++;
	}
	return at;
}

static void add_type(struct steps *steps, const struct mr_census_type *type, enum mr_leak_rank subject)
{
	for (size_t i = 0; i < type->leak_ways && i < WAYS_PER_TYPE; i++) {
		const struct mr_census_way *way = &type->ways[i];
		if (mr_census_is_joined(way))
			continue; /* of those nothing is known */
		const size_t end = add_path(steps, way->path, way->root);
		if (end == NONE)
			continue;
		struct step *step = &steps->items[end];
		step->type = step->types++ == 0
		                     ? mr_section_name(steps->scope, type->name, TEXT_COLUMNS)
		                     : mr_section_name(steps->scope, "several types", TEXT_COLUMNS);
		step->count += way->count;
		step->size_bytes += way->size_bytes;
		if (type->rank == subject && i == 0)
			step->flags |= MEMREPORT_NODE_SUBJECT;
		if (strcmp(way->root, "only each other") == 0)
			step->flags |= MEMREPORT_NODE_CYCLE;
	}
}

/* ---- Boxes ---------------------------------------------------------------------------------- */

static bool is_box(const struct steps *steps, const struct step *step, bool behind_box)
{
	/* What nothing leads to, and leads nowhere, says nothing unless it is all about that. */
	if (step->parent == NONE && step->children == 0 && !(step->flags & MEMREPORT_NODE_SUBJECT))
		return false;
	if (step->types > 0 || step->children > 1)
		return true;
	/* Where it begins there is a box before the first type. */
	return !behind_box && step->children == 1 && steps->items[step->first_child].types > 0;
}

/* BEFORE and the step's own text. */
static const char *lengthen(const struct steps *steps, const char *before, const struct step *step)
{
	char text[512];
	const int len = step->len < 200 ? (int)step->len : 200;
	snprintf(text, sizeof(text), "%.300s%.*s", before, len, step->text);
	return mr_section_name(steps->scope, text, TEXT_COLUMNS);
}

static void add_box(struct memreport_graph *graph, struct memreport_graph_node *nodes,
                    struct memreport_graph_edge *edges, struct step *step, size_t before)
{
	const bool typed = step->types > 0;
	const char *label = step->label;
	nodes[graph->node_count] = (struct memreport_graph_node){
		.id = graph->node_count,
		.type = typed            ? step->type
		        : before == NONE ? step->root
		                         : "",
		.label = typed                         ? ""
		         : label[0] == '.' && label[1] ? label + 1
		                                       : label,
		.size_bytes = step->size_bytes,
		.count = step->count,
		.flags = step->flags | (before == NONE && !typed ? MEMREPORT_NODE_ROOT : 0)
	};
	if (before != NONE)
		edges[graph->edge_count++] =
			(struct memreport_graph_edge){ before, graph->node_count, typed ? label : "",
			                               step->count > 0 ? step->count : 1 };
	step->box = graph->node_count++;
}

/* Parents come before their children. */
static void make_boxes(const struct steps *steps, struct memreport_graph *graph,
                       struct memreport_graph_node *nodes, struct memreport_graph_edge *edges)
{
	for (size_t i = 0; i < steps->count; i++) {
		struct step *step = &steps->items[i];
		const struct step *parent = step->parent == NONE ? NULL : &steps->items[step->parent];
		const size_t before = parent ? parent->box : NONE;
		step->root = parent && !step->root[0] ? parent->root : step->root;
		step->label = lengthen(steps, parent ? parent->label : "", step);
		step->box = before;
		if (is_box(steps, step, before != NONE)) {
			add_box(graph, nodes, edges, step, before);
			step->label = "";
		}
	}
}

int mr_section_holder_graph(const struct mr_view *view, struct mr_scope *scope, size_t type_count,
                            struct mr_error *err)
{
	struct mr_page *page = mr_scope_page(scope);
	struct steps steps = { .scope = scope,
		               .items = mr_page_alloc(page, STEPS_MAX * sizeof(*steps.items)) };
	struct memreport_graph_node *nodes = mr_page_alloc(page, STEPS_MAX * sizeof(*nodes));
	struct memreport_graph_edge *edges = mr_page_alloc(page, STEPS_MAX * sizeof(*edges));
	MR_FAIL_IF(!steps.items || !nodes || !edges, err, MR_ERR_NOMEM, "no memory for a graph");
	for (size_t i = 0; i < type_count && i < TYPES_MAX; i++)
		add_type(&steps, &view->run->census->types[i], view->run->census->types[0].rank);
	struct memreport_graph graph = { .title = "Who holds what stayed", .nodes = nodes, .edges = edges };
	make_boxes(&steps, &graph, nodes, edges);
	if (graph.node_count < 2)
		return 0; /* a box alone says nothing that the sentences do not */
	return mr_section_graph(view, mr_scope_add(scope, "holder_graphs"), &graph, err);
}
