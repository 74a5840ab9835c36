/* SPDX-License-Identifier: MIT
 *
 * The flame graph: a drawing of what holds the peak that can be read as it is,
 * and the tree from both its ends with all costs, for the script that switches
 * between them.
 *
 * The data is JSON, columns of numbers with a node a position, parents first:
 *   functions: [name, index in modules, file]; modules: [name, colour]
 *   costs: [name, title, "B" or ""]; trees: outer and inner, each
 *     {"parent": [...], "frame": [...], "folded": [...], "cost": [[...] a cost]}
 * "parent" counts back from the node itself (0: none); a frame of -1 is everything,
 * -2 the remainder of its parent, which stands for "folded" nodes.
 */
#include "section_heap.h"
#include "suspects.h"

#include <inttypes.h>
#include <stdlib.h>

#define NODES_MIN 20
#define NODES_A_ROW 60 /* nodes of a tree for each row that a table may have */
#define NODES_MAX 3000
#define BOXES_WIDE 320
#define BOXES_NARROW 140
#define BOX_MIN 0.0008 /* of the width, below which a box is not drawn */
#define ROWS_MAX 48    /* of the drawing */
#define NAME_COLUMNS 120

static const struct {
	const char *title;
	bool is_bytes;
} costs[MR_COST_KINDS] = {
	[MR_COST_PEAK] = { "held at the peak", true },
	[MR_COST_LEAKED] = { "leaked", true },
	[MR_COST_TOTAL] = { "allocated bytes", true },
	[MR_COST_COUNT] = { "allocations", false },
	[MR_COST_TEMPORARY] = { "temporary allocations", false },
};

/* ---- The drawing ------------------------------------------------------------------ */

struct drawing {
	const struct mr_view *view;
	struct mr_scope *scope;
	const struct mr_flame *flame;
	enum mr_flame_cost cost;
	double *from; /* by node: where its box begins; and where the next child of it would */
	double *next;
	struct mr_flame_box *boxes;
	size_t count;
	size_t cut; /* nodes that are too deep */
};

static const struct mr_heap_frame *frame_of(const struct drawing *drawing, const struct mr_flame_node *node)
{
	static const struct mr_heap_frame all = { "all", "", "", MR_PAINT_OTHER },
					  unknown = { "?", "", "", MR_PAINT_OTHER };
	if (node->frame == MR_FLAME_ALL)
		return &all;
	return node->frame < drawing->view->data->heap.frame_count
	               ? &drawing->view->data->heap.frames[node->frame]
	               : &unknown;
}

static const char *label_of(const struct drawing *drawing, const struct mr_flame_node *node)
{
	if (node->frame == MR_FLAME_ALL)
		return "all";
	if (node->frame == MR_FLAME_REST)
		return mr_section_plural(drawing->scope, node->folded, "smaller", "smaller");
	const char *name = frame_of(drawing, node)->function;
	return mr_section_name(drawing->scope, name[0] ? name : "?", NAME_COLUMNS);
}

static const char *hint_of(const struct drawing *drawing, const struct mr_flame_node *node, const char *label)
{
	const struct mr_heap_frame *frame = frame_of(drawing, node);
	struct mr_buffer text = { 0 };
	char value[40], percent[32];
	mr_text_bytes_short(value, node->cost[drawing->cost]);
	mr_percent_words(percent, (double)node->cost[drawing->cost],
	                 (double)drawing->flame->nodes[0].cost[drawing->cost]);
	mr_buffer_printf(&text, "%s", node->frame == MR_FLAME_ALL ? "all of the program" : label);
	if (node->frame < MR_FLAME_REST && frame->module[0])
		mr_buffer_printf(&text, "\n%s", mr_section_name(drawing->scope, frame->module, 80));
	mr_buffer_printf(&text, "\n%s, %s", value, percent);
	mr_buffer_put_u8(&text, 0);
	const char *made = text.failed ? "" : mr_section_lines(drawing->scope, (const char *)text.data);
	mr_buffer_release(&text);
	return made;
}

static void add_box(struct drawing *drawing, size_t n, double wide)
{
	const struct mr_flame_node *node = &drawing->flame->nodes[n];
	const char *label = label_of(drawing, node);
	drawing->boxes[drawing->count++] = (struct mr_flame_box){
		.from = drawing->from[n],
		.to = drawing->from[n] + wide,
		.row = node->depth,
		.quiet = node->frame >= MR_FLAME_REST,
		.paint = node->frame >= MR_FLAME_REST ? MR_PAINT_OTHER : frame_of(drawing, node)->paint,
		.label = label,
		.text = hint_of(drawing, node, label),
	};
}

struct order {
	const struct mr_flame *flame;
	enum mr_flame_cost cost;
};

/* By parent, then the remainder last, then by cost. */
static int by_place(const void *a, const void *b, void *context)
{
	const struct order *order = context;
	const uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
	const struct mr_flame_node *one = &order->flame->nodes[i], *two = &order->flame->nodes[k];
	if (one->depth != two->depth)
		return one->depth < two->depth ? -1 : 1;
	if (one->parent != two->parent)
		return one->parent < two->parent ? -1 : 1;
	if ((one->frame == MR_FLAME_REST) != (two->frame == MR_FLAME_REST))
		return one->frame == MR_FLAME_REST ? 1 : -1;
	if (one->cost[order->cost] != two->cost[order->cost])
		return one->cost[order->cost] > two->cost[order->cost] ? -1 : 1;
	return i < k ? -1 : i > k;
}

/* Places each node beside its siblings within its parent. */
static void lay_out(struct drawing *drawing, uint32_t *sorted)
{
	struct order order = { drawing->flame, drawing->cost };
	const double whole = (double)drawing->flame->nodes[0].cost[drawing->cost];
	for (size_t i = 0; i < drawing->flame->count; i++)
		sorted[i] = (uint32_t)i;
	qsort_r(sorted, drawing->flame->count, sizeof(*sorted), by_place, &order);
	for (size_t i = 0; i < drawing->flame->count; i++) {
		const uint32_t n = sorted[i];
		const struct mr_flame_node *node = &drawing->flame->nodes[n];
		const double wide = (double)node->cost[drawing->cost] / whole;
		drawing->from[n] = n == 0 ? 0 : drawing->next[node->parent];
		if (n > 0)
			drawing->next[node->parent] += wide;
		drawing->next[n] = drawing->from[n];
		if (node->depth >= ROWS_MAX)
			drawing->cut++;
		else if (wide >= BOX_MIN)
			add_box(drawing, n, wide);
	}
}

static struct mr_chart *flame_chart(const struct mr_view *view, struct mr_scope *scope,
                                    enum mr_flame_cost cost, double width, size_t boxes_max,
                                    struct mr_error *err)
{
	struct mr_chart *chart = mr_section_chart(scope, MR_CHART_FLAME, width);
	struct mr_flame flame = { 0 };
	char text[256], size[40];
	if (!chart || mr_flame_prune(&view->run->heap->outer, boxes_max, &flame, err) < 0)
		return NULL;
	struct drawing drawing = { .view = view, .scope = scope, .flame = &flame, .cost = cost };
	uint32_t *sorted = mr_page_alloc(mr_scope_page(scope), flame.count * sizeof(*sorted));
	drawing.from = mr_section_numbers(scope, flame.count);
	drawing.next = mr_section_numbers(scope, flame.count);
	drawing.boxes = mr_page_alloc(mr_scope_page(scope), flame.count * sizeof(*drawing.boxes));
	if (sorted && drawing.from && drawing.next && drawing.boxes)
		lay_out(&drawing, sorted);
	mr_flame_release(&flame);
	if (costs[cost].is_bytes)
		mr_text_bytes_short(size, view->run->heap->outer.nodes[0].cost[cost]);
	else
		mr_count_text(size, view->run->heap->outer.nodes[0].cost[cost]);
	snprintf(text, sizeof(text),
	         "A box a function, as wide as what was %s in it and in all that it called, %s in all; "
	         "what it called lies below it.",
	         costs[cost].title, size);
	chart->title = "Flame graph";
	chart->description = mr_section_name(scope, text, 0);
	chart->of.flame = (struct mr_flame_graph){ drawing.count, drawing.boxes };
	return chart;
}

/* ---- The data ------------------------------------------------------------------------- */

/* TEXT as a JSON string, safe to show and cut. */
static void put_string(struct mr_buffer *out, struct mr_scope *scope, const char *text)
{
	mr_buffer_put_u8(out, '"');
	for (const char *c = mr_section_name(scope, text, NAME_COLUMNS); *c; c++) {
		if (*c == '"' || *c == '\\')
			mr_buffer_put_u8(out, '\\');
		if (*c == '\n' || *c == '\t')
			mr_buffer_put_u8(out, ' ');
		else
			mr_buffer_put_u8(out, (uint8_t)*c);
	}
	mr_buffer_put_u8(out, '"');
}

/* The functions of both trees, numbered in the order in which they are met. */
struct functions {
	uint32_t *number_of; /* by frame: number + 1 */
	uint32_t *frames;
	size_t count;
};

static void list_functions(struct functions *functions, const struct mr_flame *flame)
{
	for (size_t i = 0; i < flame->count; i++) {
		const uint32_t frame = flame->nodes[i].frame;
		if (frame >= MR_FLAME_REST || functions->number_of[frame] > 0)
			continue;
		functions->frames[functions->count++] = frame;
		functions->number_of[frame] = (uint32_t)functions->count;
	}
}

static void put_functions(struct mr_buffer *out, const struct mr_view *view, struct mr_scope *scope,
                          const struct functions *functions)
{
	const struct mr_heap_frame *frames = view->data->heap.frames;
	struct mr_buffer modules = { 0 };
	const char *known[256];
	size_t known_count = 0;
	mr_buffer_printf(out, "\"functions\":[");
	for (size_t i = 0; i < functions->count; i++) {
		const struct mr_heap_frame *frame = &frames[functions->frames[i]];
		size_t m = 0;
		while (m < known_count && strcmp(known[m], frame->module) != 0)
			m++;
		if (m == known_count && known_count < MR_ARRAY_LEN(known)) {
			known[known_count++] = frame->module;
			mr_buffer_printf(&modules, "%s[", m > 0 ? "," : "");
			put_string(&modules, scope, frame->module);
			mr_buffer_printf(&modules, ",\"%s\"]", mr_palette[frame->paint].name);
		}
		mr_buffer_printf(out, "%s[", i > 0 ? "," : "");
		put_string(out, scope, frame->function);
		mr_buffer_printf(out, ",%zu,", m < known_count ? m : 0);
		put_string(out, scope, frame->file);
		mr_buffer_put_u8(out, ']');
	}
	mr_buffer_printf(out, "],\"modules\":[");
	if (modules.failed)
		out->failed = true;
	else
		mr_buffer_append(out, modules.data, modules.len);
	mr_buffer_put_u8(out, ']');
	mr_buffer_release(&modules);
}

static void put_tree(struct mr_buffer *out, const char *name, const struct mr_flame *flame,
                     const struct functions *functions)
{
	mr_buffer_printf(out, ",\"%s\":{\"parent\":[", name);
	for (size_t i = 0; i < flame->count; i++)
		mr_buffer_printf(out, "%s%zu", i > 0 ? "," : "", i > 0 ? i - flame->nodes[i].parent : 0);
	mr_buffer_printf(out, "],\"frame\":[");
	for (size_t i = 0; i < flame->count; i++) {
		const uint32_t frame = flame->nodes[i].frame;
		mr_buffer_printf(out, "%s%d", i > 0 ? "," : "",
		                 frame == MR_FLAME_ALL    ? -1
		                 : frame == MR_FLAME_REST ? -2
		                                          : (int)functions->number_of[frame] - 1);
	}
	mr_buffer_printf(out, "],\"folded\":[");
	for (size_t i = 0; i < flame->count; i++)
		mr_buffer_printf(out, "%s%" PRIu32, i > 0 ? "," : "", flame->nodes[i].folded);
	mr_buffer_printf(out, "],\"cost\":[");
	for (size_t c = 0; c < MR_COST_KINDS; c++) {
		mr_buffer_printf(out, "%s[", c > 0 ? "," : "");
		for (size_t i = 0; i < flame->count; i++)
			mr_buffer_printf(out, "%s%" PRIu64, i > 0 ? "," : "", flame->nodes[i].cost[c]);
		mr_buffer_put_u8(out, ']');
	}
	mr_buffer_printf(out, "]}");
}

static int put_data(const struct mr_view *view, struct mr_scope *scope, const struct mr_flame *outer,
                    const struct mr_flame *inner, struct mr_error *err)
{
	const size_t frames = view->data->heap.frame_count;
	struct functions functions = { mr_alloc((frames + 1) * sizeof(uint32_t)),
		                       mr_alloc((frames + 1) * sizeof(uint32_t)), 0 };
	struct mr_buffer out = { 0 };
	int status = functions.number_of && functions.frames
	                     ? 0
	                     : mr_fail(err, MR_ERR_NOMEM, "no memory for %zu functions", frames);
	if (status == 0) {
		list_functions(&functions, outer);
		list_functions(&functions, inner);
		mr_buffer_printf(&out, "{\"costs\":[");
		for (size_t c = 0; c < MR_COST_KINDS; c++)
			mr_buffer_printf(&out, "%s[\"%s\",\"%s\",\"%s\"]", c > 0 ? "," : "",
			                 mr_flame_cost_names[c], costs[c].title,
			                 costs[c].is_bytes ? "B" : "");
		mr_buffer_printf(&out, "],");
		put_functions(&out, view, scope, &functions);
		put_tree(&out, "outer", outer, &functions);
		put_tree(&out, "inner", inner, &functions);
		mr_buffer_printf(&out, "}");
		mr_buffer_put_u8(&out, 0);
		status = mr_buffer_status(&out, err);
	}
	if (status == 0)
		mr_scope_long(scope, "flame_data", (const char *)out.data);
	mr_buffer_release(&out);
	mr_free(functions.number_of);
	mr_free(functions.frames);
	return status;
}

/* ---- The section ------------------------------------------------------------------------- */

static size_t nodes_of(const struct mr_view *view)
{
	const size_t nodes = NODES_A_ROW * view->limit;
	return nodes < NODES_MIN ? NODES_MIN : nodes < NODES_MAX ? nodes : NODES_MAX;
}

static void add_legend(const struct mr_view *view, struct mr_scope *scope)
{
	const struct mr_heap_tables *tables = &view->data->heap;
	const struct mr_flame *outer = &view->run->heap->outer;
	mr_scope_list(scope, "flame_modules");
	for (int paint = MR_PAINT_SERIES_1; paint <= MR_PAINT_SERIES_8; paint++) {
		for (size_t i = 1; i < outer->count; i++) {
			const uint32_t frame = outer->nodes[i].frame;
			if (frame >= tables->frame_count || (int)tables->frames[frame].paint != paint)
				continue;
			struct mr_scope *item = mr_scope_add(scope, "flame_modules");
			mr_scope_text(item, "name",
			              tables->frames[frame].module[0] ? tables->frames[frame].module
			                                              : "unknown module");
			mr_section_paint(item, "color", (enum mr_paint)paint);
			break;
		}
	}
}

int mr_section_flame(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err)
{
	const struct mr_report_heap *heap = view->run->heap;
	struct mr_flame outer = { 0 }, inner = { 0 };
	mr_scope_none(scope, "flame_wide");
	mr_scope_none(scope, "flame_narrow");
	mr_scope_none(scope, "flame_data");
	mr_scope_list(scope, "flame_modules");
	if (!heap || view->minor || heap->outer.count < 2 || heap->outer.nodes[0].cost[MR_COST_COUNT] == 0)
		return 0;
	const enum mr_flame_cost cost = heap->cost[MR_COST_PEAK] > 0 ? MR_COST_PEAK : MR_COST_COUNT;
	const size_t nodes = nodes_of(view);
	const size_t boxes = nodes / 2 > NODES_MIN ? nodes / 2 : NODES_MIN; /* drawn twice, and long */
	mr_scope_chart(
		scope, "flame_wide",
		flame_chart(view, scope, cost, MR_CHART_WIDE, boxes < BOXES_WIDE ? boxes : BOXES_WIDE, err));
	mr_scope_chart(scope, "flame_narrow",
	               flame_chart(view, scope, cost, MR_CHART_NARROW,
	                           boxes < BOXES_NARROW ? boxes : BOXES_NARROW, err));
	add_legend(view, scope);
	int status = mr_flame_prune(&heap->outer, nodes, &outer, err);
	if (status == 0)
		status = mr_flame_prune(&heap->inner, nodes, &inner, err);
	if (status == 0)
		status = put_data(view, scope, &outer, &inner, err);
	mr_flame_release(&outer);
	mr_flame_release(&inner);
	return status;
}
