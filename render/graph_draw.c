/* SPDX-License-Identifier: MIT
 *
 * Makes a chart of a graph: boxes and lines with their words, laid out; and the
 * drawing of a graph as a file of its own, which needs no log.
 */
#include "chart.h"
#include "graph_layout.h"
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#define TYPE_COLUMNS 80
#define LABELS_JOINED 3 /* of edges with the same ends */
#define DESCRIBED_MAX 60
#define PNG_SIDE_MAX 14000.0 /* of what cairo draws; it is twice as large */
#define PNG_AREA_MAX 8e6
#define PDF_SIDE_MAX 14000.0 /* that viewers take */

_Static_assert((int)MEMREPORT_NODE_CYCLE == (int)MR_GRAPH_CYCLE &&
                       (int)MEMREPORT_NODE_ROOT == (int)MR_GRAPH_ROOT &&
                       (int)MEMREPORT_NODE_SUBJECT == (int)MR_GRAPH_SUBJECT,
               "marks are flags");

/* ---- Boxes ----------------------------------------------------------------------------- */

static const char *text_or_none(const char *text)
{
	return text ? text : "";
}

static const char *join(struct mr_page *page, const char *format, ...) MR_PRINTF(2, 3);
static const char *join(struct mr_page *page, const char *format, ...)
{
	char text[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	const size_t len = strlen(text);
	char *copy = mr_page_alloc(page, len + 1);
	if (!copy)
		return "";
	memcpy(copy, text, len);
	return copy;
}

/* "120 x dict, 14.2 KiB" */
static const char *words_below(struct mr_page *page, const struct memreport_graph_node *node,
                               const char *type)
{
	char count[40] = "", size[48] = "", number[32];
	if (node->count > 1) {
		mr_count_text(number, node->count);
		snprintf(count, sizeof(count), type[0] ? "%s x " : "%s objects", number);
	}
	if (node->size_bytes > 0) {
		char bytes[32];
		mr_text_bytes_short(bytes, node->size_bytes);
		snprintf(size, sizeof(size), "%s%s", count[0] || type[0] ? ", " : "", bytes);
	}
	return join(page, "%s%s%s", count, type, size);
}

static const char *hint_of(struct mr_page *page, const struct memreport_graph_node *node, const char *label,
                           const char *type)
{
	char count[32], size[32];
	mr_count_text(count, node->count);
	mr_text_bytes_short(size, node->size_bytes);
	return join(page, "%s%s%s%s%s%s%s%s%s%s%s", label, label[0] && type[0] ? "\n" : "", type,
	            node->count > 0 || node->size_bytes > 0 ? "\n" : "", node->count > 0 ? count : "",
	            node->count == 0   ? ""
	            : node->count == 1 ? " object"
	                               : " objects",
	            node->count > 0 && node->size_bytes > 0 ? ", " : "", node->size_bytes > 0 ? size : "",
	            node->flags & MEMREPORT_NODE_ROOT ? "\nwhere it begins" : "",
	            node->flags & MEMREPORT_NODE_SUBJECT ? "\nwhat it is about" : "",
	            node->flags & MEMREPORT_NODE_CYCLE ? "\nleads to itself" : "");
}

static void set_box(struct mr_page *page, struct mr_graph_box *box, const struct memreport_graph_node *node,
                    double largest)
{
	const char *label = mr_page_copy(page, text_or_none(node->label), MR_SCOPE_TEXT_COLUMNS);
	const char *type = mr_page_copy(page, text_or_none(node->type), TYPE_COLUMNS);
	const bool alone = !label[0] || strcmp(label, type) == 0;
	box->label = alone ? type : label;
	box->below = words_below(page, node, alone ? "" : type);
	box->text = hint_of(page, node, alone ? "" : label, type);
	box->shade = largest > 0 ? log1p((double)node->size_bytes) / log1p(largest) : 0;
	box->marks = node->flags & (MR_GRAPH_CYCLE | MR_GRAPH_ROOT | MR_GRAPH_SUBJECT);
}

/* ---- Lines ------------------------------------------------------------------------------ */

static int by_ends(const void *a, const void *b)
{
	const struct mr_graph_line *one = *(const struct mr_graph_line *const *)a,
				   *two = *(const struct mr_graph_line *const *)b;
	if (one->from != two->from)
		return one->from < two->from ? -1 : 1;
	if (one->to != two->to)
		return one->to < two->to ? -1 : 1;
	return (one > two) - (one < two);
}

/* Gives the lines of the edges, those with the same ends made one, in the order in which their first ones
 * came; and their number. */
static size_t join_lines(struct mr_page *page, struct mr_graph_line *lines, struct mr_graph_line **order,
                         size_t count)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++)
		order[i] = &lines[i];
	qsort(order, count, sizeof(struct mr_graph_line *), by_ends);
	for (size_t i = 0, end; i < count; i = end) {
		struct mr_graph_line *first = order[i];
		size_t named = first->label[0] != '\0';
		for (end = i + 1;
		     end < count && order[end]->from == first->from && order[end]->to == first->to; end++) {
			first->count += order[end]->count;
			if (order[end]->label[0] && ++named <= LABELS_JOINED)
				first->label = join(page, "%s%s%s", first->label, named > 1 ? ", " : "",
				                    order[end]->label);
			order[end]->label = NULL; /* it is no more */
		}
		if (named > LABELS_JOINED)
			first->label = join(page, "%s, ...", first->label);
	}
	for (size_t i = 0; i < count; i++)
		if (lines[i].label)
			lines[kept++] = lines[i];
	return kept;
}

static int find_node(const struct mr_graph_place *places, size_t count, uint64_t id, uint32_t *index,
                     struct mr_error *err)
{
	*index = mr_graph_find(places, count, id);
	MR_FAIL_IF(*index == UINT32_MAX, err, MR_ERR_ARG,
	           "an edge of the graph names a node %" PRIu64 ", which is not there", id);
	return 0;
}

static int make_lines(struct mr_page *page, const struct memreport_graph *graph, struct mr_graph_line *lines,
                      size_t *line_count, struct mr_error *err)
{
	const struct mr_graph_place *places = mr_graph_places(page, graph);
	struct mr_graph_line **order =
		mr_page_alloc(page, (graph->edge_count + 1) * sizeof(struct mr_graph_line *));
	MR_FAIL_IF(!places || !order, err, MR_ERR_NOMEM, "no memory for a graph");
	for (size_t i = 1; i < graph->node_count; i++)
		MR_FAIL_IF(places[i].id == places[i - 1].id, err, MR_ERR_ARG,
		           "two nodes of the graph have the id %" PRIu64, places[i].id);
	for (size_t i = 0; i < graph->edge_count; i++) {
		const struct memreport_graph_edge *edge = &graph->edges[i];
		MR_TRY(find_node(places, graph->node_count, edge->from, &lines[i].from, err));
		MR_TRY(find_node(places, graph->node_count, edge->to, &lines[i].to, err));
		lines[i].label = mr_page_copy(page, text_or_none(edge->label), TYPE_COLUMNS);
		lines[i].count = edge->count;
	}
	*line_count = join_lines(page, lines, order, graph->edge_count);
	return 0;
}

/* ---- The chart ---------------------------------------------------------------------------- */

/* For those who cannot see it: what refers to what. */
static const char *describe(struct mr_page *page, const struct mr_graph *graph)
{
	struct mr_buffer text = { 0 };
	mr_buffer_printf(&text, "%zu %s, %zu %s.", graph->box_count, graph->box_count == 1 ? "box" : "boxes",
	                 graph->line_count, graph->line_count == 1 ? "reference" : "references");
	for (size_t i = 0; i < graph->line_count && i < DESCRIBED_MAX; i++)
		mr_buffer_printf(&text, " %s refers to %s%s%s.", graph->boxes[graph->lines[i].from].label,
		                 graph->boxes[graph->lines[i].to].label,
		                 graph->lines[i].label[0] ? " by " : "", graph->lines[i].label);
	if (graph->line_count > DESCRIBED_MAX)
		mr_buffer_printf(&text, " And %zu more.", graph->line_count - DESCRIBED_MAX);
	mr_buffer_put_u8(&text, 0);
	const char *copy = text.failed ? "" : mr_page_copy(page, (const char *)text.data, 1 << 16);
	if (text.failed)
		mr_page_fail(page);
	mr_buffer_release(&text);
	return copy;
}

static const void *keep(struct mr_page *page, const void *items, size_t count, size_t size)
{
	void *copy = mr_page_alloc(page, (count + 1) * size);
	if (copy && count > 0)
		memcpy(copy, items, count * size);
	return copy;
}

/* Moves LAYOUT into the page's memory. */
static struct mr_layout *keep_layout(struct mr_page *page, const struct mr_graph *graph,
                                     struct mr_layout *layout)
{
	struct mr_layout *kept = mr_page_alloc(page, sizeof(*kept));
	if (kept) {
		*kept = *layout;
		kept->ranks = (uint32_t *)keep(page, layout->ranks, graph->box_count, sizeof(*kept->ranks));
		kept->parts = (uint32_t *)keep(page, layout->parts, graph->box_count, sizeof(*kept->parts));
		kept->corners = (struct mr_layout_point *)keep(page, layout->corners, graph->box_count,
		                                               sizeof(*kept->corners));
		kept->paths = (struct mr_layout_path *)keep(page, layout->paths, graph->line_count,
		                                            sizeof(*kept->paths));
		kept->points = (struct mr_layout_point *)keep(page, layout->points, layout->point_count,
		                                              sizeof(*kept->points));
	}
	mr_layout_release(layout);
	return kept;
}

static int check_size(const struct memreport_graph *graph, struct mr_error *err)
{
	MR_FAIL_IF(graph->node_count == 0, err, MR_ERR_FORMAT,
	           "the graph has no node: there is nothing to draw");
	MR_FAIL_IF(graph->node_count > MEMREPORT_GRAPH_NODES_MAX ||
	                   graph->edge_count > MEMREPORT_GRAPH_EDGES_MAX,
	           err, MR_ERR_LIMIT,
	           "a graph of %zu nodes and %zu edges is too large to draw: at most %d and %d",
	           graph->node_count, graph->edge_count, MEMREPORT_GRAPH_NODES_MAX,
	           MEMREPORT_GRAPH_EDGES_MAX);
	return 0;
}

int mr_graph_chart(struct mr_page *page, const struct memreport_graph *whole, mr_graph_paint *paint,
                   const void *context, struct mr_chart **chart, struct mr_error *err)
{
	struct mr_layout layout = { 0 };
	struct memreport_graph folded;
	const struct memreport_graph *graph = &folded;
	double largest = 0;
	MR_TRY(check_size(whole, err));
	MR_TRY(mr_graph_fold(page, whole, &folded, err));
	struct mr_chart *made = mr_page_alloc(page, sizeof(*made));
	struct mr_graph_box *boxes = mr_page_alloc(page, graph->node_count * sizeof(*boxes));
	struct mr_graph_line *lines = mr_page_alloc(page, (graph->edge_count + 1) * sizeof(*lines));
	MR_FAIL_IF(!made || !boxes || !lines, err, MR_ERR_NOMEM, "no memory for a graph");
	for (size_t i = 0; i < graph->node_count; i++)
		largest = fmax(largest, (double)graph->nodes[i].size_bytes);
	for (size_t i = 0; i < graph->node_count; i++) {
		set_box(page, &boxes[i], &graph->nodes[i], largest);
		boxes[i].paint = paint(context, text_or_none(graph->nodes[i].type));
	}
	made->kind = MR_CHART_GRAPH;
	made->title = mr_page_copy(page, text_or_none(graph->title), MR_SCOPE_TEXT_COLUMNS);
	struct mr_graph *of = &made->of.graph;
	*of = (struct mr_graph){ .box_count = graph->node_count, .boxes = boxes, .lines = lines };
	MR_TRY(make_lines(page, graph, lines, &of->line_count, err));
	MR_TRY(mr_graph_lay_out(of, &layout, err));
	of->layout = keep_layout(page, of, &layout);
	made->description = describe(page, of);
	MR_TRY(mr_page_status(page, err));
	made->width = mr_graph_width(of);
	*chart = made;
	return 0;
}

/* ---- A file ---------------------------------------------------------------------------------- */

struct colored { /* types that have a colour */
	const char *types[MR_PAINT_SERIES_COUNT];
	size_t count;
};

static enum mr_paint paint_of(const void *context, const char *type)
{
	const struct colored *colored = context;
	for (size_t i = 0; i < colored->count; i++)
		if (strcmp(colored->types[i], type) == 0)
			return (enum mr_paint)(MR_PAINT_SERIES_1 + i);
	return MR_PAINT_OTHER;
}

struct weight { /* of a type */
	const char *type;
	size_t met;
	double sum;
};

static int by_type(const void *a, const void *b)
{
	const struct weight *one = a, *two = b;
	const int order = strcmp(one->type, two->type);
	return order != 0 ? order : (one->met > two->met) - (one->met < two->met);
}

static int by_sum(const void *a, const void *b)
{
	const struct weight *one = a, *two = b;
	if (one->sum != two->sum)
		return one->sum > two->sum ? -1 : 1;
	return (one->met > two->met) - (one->met < two->met);
}

/* The largest types get a colour each. */
static int choose_colors(struct mr_page *page, const struct memreport_graph *graph, struct colored *colored,
                         struct mr_error *err)
{
	size_t count = 0;
	struct weight *weights = mr_page_alloc(page, (graph->node_count + 1) * sizeof(*weights));
	MR_FAIL_IF(!weights, err, MR_ERR_NOMEM, "no memory for a graph");
	for (size_t i = 0; i < graph->node_count; i++)
		weights[i] = (struct weight){ text_or_none(graph->nodes[i].type), i,
			                      (double)graph->nodes[i].size_bytes + 1 };
	qsort(weights, graph->node_count, sizeof(*weights), by_type);
	for (size_t i = 0; i < graph->node_count; i++) {
		if (count > 0 && strcmp(weights[count - 1].type, weights[i].type) == 0)
			weights[count - 1].sum += weights[i].sum;
		else
			weights[count++] = weights[i];
	}
	qsort(weights, count, sizeof(*weights), by_sum);
	for (size_t i = 0; i < count && i < MR_PAINT_SERIES_COUNT; i++)
		colored->types[colored->count++] = weights[i].type;
	return 0;
}

/* Makes it smaller where the form has no room for it. */
static void fit_format(struct mr_chart *chart, enum memreport_format format)
{
	const double width = chart->width, height = mr_chart_height(chart);
	const double side = fmax(width, height);
	double scale = 1;
	if (format == MEMREPORT_PNG)
		scale = fmin(PNG_SIDE_MAX / side, sqrt(PNG_AREA_MAX / (width * height)));
	else if (format == MEMREPORT_PDF)
		scale = PDF_SIDE_MAX / side;
	if (scale < 1)
		chart->width = width * scale;
}

static int draw(const struct memreport_graph *graph, enum memreport_format format, struct mr_page *page,
                struct mr_buffer *bytes, struct mr_error *err)
{
	struct colored colored = { .count = 0 };
	struct mr_chart *chart = NULL;
	MR_TRY(check_size(graph, err));
	MR_TRY(choose_colors(page, graph, &colored, err));
	MR_TRY(mr_graph_chart(page, graph, paint_of, &colored, &chart, err));
	fit_format(chart, format);
	return mr_drawing_finish(chart, NULL, 0, format, bytes, err);
}

int memreport_draw_graph(const struct memreport_graph *graph, enum memreport_format format, FILE *out,
                         struct memreport_error *error)
{
	struct mr_error *err = (struct mr_error *)(void *)error;
	struct mr_buffer bytes = { 0 };
	MR_FAIL_IF(format == MEMREPORT_HTML, err, MR_ERR_ARG, "a drawing is PNG, PDF, SVG or PostScript");
	struct mr_page *page = mr_page_new();
	MR_FAIL_IF(!page, err, MR_ERR_NOMEM, "no memory for a drawing");
	int status = draw(graph, format, page, &bytes, err);
	if (status == 0)
		status = mr_drawing_write(&bytes, out, err);
	mr_buffer_release(&bytes);
	mr_page_free(page);
	return status;
}
