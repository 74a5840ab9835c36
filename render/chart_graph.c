/* SPDX-License-Identifier: MIT
 *
 * A graph of objects: a box each with what it is called and what it is, a line
 * with an arrow for each reference.  Where paths begin, what it is all about and
 * what leads to itself have outlines of their own, which a legend explains.
 */
#include "chart.h"
#include "graph_layout.h"

#include <math.h>

#define LABEL_SIZE 12.0
#define BELOW_SIZE 11.0
#define NAME_SIZE 11.0  /* of lines */
#define FACE_SPARE 1.25 /* a system's own face may be wider than the table says; boxes are tight */
#define BOX_MIN 56.0
#define BOX_MAX 224.0
#define BOX_PAD 10.0
#define BOX_ONE 26.0 /* the height of a box with one line, and with two */
#define BOX_TWO 40.0
#define EDGE 3.0 /* around all of it, for thick outlines */
#define NAME_MAX 120.0
#define ARROW_LENGTH 7.0
#define ARROW_HALF 3.5
#define GAP_DOWN 46.0
#define GAP_ACROSS 44.0
#define NARROW 350.0
#define WIDE 1040.0
#define LEGEND_ROW 26.0
#define SHADES 4
#define NAMES_MAX 700 /* lines, with more of which no label has room */

/* ---- Size -------------------------------------------------------------------------- */

static double text_width(const char *text, double size, bool bold)
{
	return mr_canvas_text_width(text, strlen(text), size, bold) * FACE_SPARE;
}

static struct mr_layout_box measure(const struct mr_graph_box *box)
{
	const double label = text_width(box->label, LABEL_SIZE, box->marks & MR_GRAPH_SUBJECT),
		     below = text_width(box->below, BELOW_SIZE, false);
	const double width = fmax(label, below) + 2 * BOX_PAD;
	return (struct mr_layout_box){ fmin(fmax(width, BOX_MIN), BOX_MAX), box->below[0] ? BOX_TWO : BOX_ONE,
		                       box->marks & MR_GRAPH_ROOT };
}

static double longest_name(const struct mr_graph *graph)
{
	double longest = 0;
	for (size_t i = 0; i < graph->line_count; i++)
		longest = fmax(longest, text_width(graph->lines[i].label, NAME_SIZE, false));
	return fmin(longest, NAME_MAX);
}

/* How well a page has room for it: on a phone, on a desktop, not at all. */
static int fit(const struct mr_layout *layout)
{
	return layout->width <= NARROW ? 0 : layout->width <= WIDE ? 1 : 2;
}

static bool is_better(const struct mr_layout *one, const struct mr_layout *two)
{
	if (fit(one) != fit(two))
		return fit(one) < fit(two);
	return fit(one) == 2 ? one->width < two->width : one->height < two->height;
}

int mr_graph_lay_out(const struct mr_graph *graph, struct mr_layout *layout, struct mr_error *err)
{
	struct mr_layout_box *boxes = mr_alloc((graph->box_count + 1) * sizeof(*boxes));
	struct mr_layout_edge *edges = mr_alloc((graph->line_count + 1) * sizeof(*edges));
	struct mr_layout down = { 0 }, across = { 0 };
	int status = boxes && edges ? 0
	                            : mr_fail(err, MR_ERR_NOMEM, "no memory for a graph of %zu boxes",
	                                      graph->box_count);
	for (size_t i = 0; i < graph->box_count && status == 0; i++)
		boxes[i] = measure(&graph->boxes[i]);
	for (size_t i = 0; i < graph->line_count && status == 0; i++)
		edges[i] = (struct mr_layout_edge){ graph->lines[i].from, graph->lines[i].to };
	struct mr_layout_graph shape = {
		graph->box_count, graph->line_count, boxes, edges, false, GAP_DOWN, WIDE
	};
	if (status == 0)
		status = mr_layout_make(&shape, &down, err);
	if (status == 0 && fit(&down) > 0) {
		shape.across = true;
		shape.rank_gap = fmax(GAP_ACROSS, longest_name(graph) + 4 * ARROW_LENGTH);
		status = mr_layout_make(&shape, &across, err);
		if (status == 0 && is_better(&across, &down)) {
			const struct mr_layout other = down;
			down = across;
			across = other;
		}
	}
	mr_layout_release(&across);
	if (status == 0)
		*layout = down;
	else
		mr_layout_release(&down);
	mr_free(boxes);
	mr_free(edges);
	return status;
}

static unsigned all_marks(const struct mr_graph *graph)
{
	unsigned marks = 0;
	for (size_t i = 0; i < graph->box_count; i++)
		marks |= graph->boxes[i].marks;
	return marks;
}

double mr_graph_width(const struct mr_graph *graph)
{
	return ceil(fmax(graph->layout->width + 2 * EDGE, all_marks(graph) ? 330 : 0));
}

static double scale_of(const struct mr_chart *chart)
{
	const double width = mr_graph_width(&chart->of.graph);
	return width > chart->width ? chart->width / width : 1;
}

double mr_graph_height(const struct mr_chart *chart)
{
	const struct mr_graph *graph = &chart->of.graph;
	return ceil((graph->layout->height + 2 * EDGE + (all_marks(graph) ? LEGEND_ROW : 0)) *
	            scale_of(chart));
}

/* ---- Lines --------------------------------------------------------------------------- */

struct rectangle {
	double x, y, width, height;
};

struct drawing {
	const struct mr_graph *graph;
	const struct mr_layout *layout;
	struct mr_canvas *canvas;
	size_t label_count;
	struct rectangle labels[NAMES_MAX]; /* where there are some already */
	struct rectangle arrows[NAMES_MAX]; /* of each line; none of more */
};

static struct rectangle rectangle_of(const struct drawing *drawing, size_t box)
{
	const struct mr_layout_box size = measure(&drawing->graph->boxes[box]);
	return (struct rectangle){ drawing->layout->corners[box].x, drawing->layout->corners[box].y,
		                   size.width, size.height };
}

/* A curve that leaves and enters at right angles to the ranks. */
static void curve(const struct drawing *drawing, struct mr_layout_point from, struct mr_layout_point to)
{
	if (drawing->layout->across)
		mr_canvas_curve_to(drawing->canvas, (from.x + to.x) / 2, from.y, (from.x + to.x) / 2, to.y,
		                   to.x, to.y);
	else
		mr_canvas_curve_to(drawing->canvas, from.x, (from.y + to.y) / 2, to.x, (from.y + to.y) / 2,
		                   to.x, to.y);
}

/* TO, or the point before it at which the arrow begins. */
static struct mr_layout_point before_arrow(const struct drawing *drawing, struct mr_layout_point from,
                                           struct mr_layout_point to, bool bends)
{
	if (drawing->layout->across != bends)
		to.x += from.x < to.x ? -ARROW_LENGTH : ARROW_LENGTH;
	else
		to.y += from.y < to.y ? -ARROW_LENGTH : ARROW_LENGTH;
	return to;
}

static void draw_loop(const struct drawing *drawing, const struct rectangle *box)
{
	const double out = MR_LAYOUT_LOOP;
	if (drawing->layout->across) {
		const double middle = box->x + box->width / 2, bottom = box->y + box->height;
		mr_canvas_move_to(drawing->canvas, middle + 8, bottom);
		mr_canvas_curve_to(drawing->canvas, middle + 12, bottom + out, middle - 8, bottom + out,
		                   middle - 8, bottom + ARROW_LENGTH);
		return;
	}
	const double middle = box->y + box->height / 2, right = box->x + box->width;
	mr_canvas_move_to(drawing->canvas, right, middle - 7);
	mr_canvas_curve_to(drawing->canvas, right + out, middle - 11, right + out, middle + 7,
	                   right + ARROW_LENGTH, middle + 7);
}

static void draw_line(const struct drawing *drawing, size_t line)
{
	const struct mr_layout_path *path = &drawing->layout->paths[line];
	const struct mr_layout_point *points = drawing->layout->points + path->first;
	if (path->kind == MR_LAYOUT_LOOPS) {
		const struct rectangle box = rectangle_of(drawing, drawing->graph->lines[line].from);
		draw_loop(drawing, &box);
		return;
	}
	const bool bends = path->kind == MR_LAYOUT_BENDS;
	mr_canvas_move_to(drawing->canvas, points[0].x, points[0].y);
	for (size_t i = 1; i < path->count; i++) {
		const bool last = i + 1 == path->count;
		const struct mr_layout_point to =
			last ? before_arrow(drawing, points[i - 1], points[i], bends) : points[i];
		if (bends || i % 2 == 0)
			mr_canvas_line_to(drawing->canvas, to.x, to.y);
		else
			curve(drawing, points[i - 1], to);
	}
}

static void triangle(struct drawing *drawing, size_t line, double x, double y, double dx, double dy)
{
	struct mr_canvas *canvas = drawing->canvas;
	if (line < NAMES_MAX)
		drawing->arrows[line] =
			(struct rectangle){ fmin(x, x - dx * ARROW_LENGTH) - fabs(dy) * ARROW_HALF,
			                    fmin(y, y - dy * ARROW_LENGTH) - fabs(dx) * ARROW_HALF,
			                    fabs(dx) * ARROW_LENGTH + fabs(dy) * 2 * ARROW_HALF,
			                    fabs(dy) * ARROW_LENGTH + fabs(dx) * 2 * ARROW_HALF };
	mr_canvas_move_to(canvas, x, y);
	mr_canvas_line_to(canvas, x - dx * ARROW_LENGTH - dy * ARROW_HALF,
	                  y - dy * ARROW_LENGTH - dx * ARROW_HALF);
	mr_canvas_line_to(canvas, x - dx * ARROW_LENGTH + dy * ARROW_HALF,
	                  y - dy * ARROW_LENGTH + dx * ARROW_HALF);
	mr_canvas_close(canvas);
}

static void draw_arrow(struct drawing *drawing, size_t line)
{
	const struct mr_layout_path *path = &drawing->layout->paths[line];
	const bool across = drawing->layout->across;
	if (path->kind == MR_LAYOUT_LOOPS) {
		const struct rectangle box = rectangle_of(drawing, drawing->graph->lines[line].from);
		if (across)
			triangle(drawing, line, box.x + box.width / 2 - 8, box.y + box.height, 0, -1);
		else
			triangle(drawing, line, box.x + box.width, box.y + box.height / 2 + 7, -1, 0);
		return;
	}
	const struct mr_layout_point *end = &drawing->layout->points[path->first + path->count - 1];
	const struct mr_layout_point *base = end - 1;
	if (across != (path->kind == MR_LAYOUT_BENDS))
		triangle(drawing, line, end->x, end->y, base->x < end->x ? 1 : -1, 0);
	else
		triangle(drawing, line, end->x, end->y, 0, base->y < end->y ? 1 : -1);
}

/* 0..2 */
static unsigned thickness(uint64_t count)
{
	return count >= 100 ? 2 : count >= 10 ? 1 : 0;
}

static void draw_lines(struct drawing *drawing)
{
	const struct mr_graph *graph = drawing->graph;
	if (graph->line_count == 0)
		return;
	for (unsigned thick = 0; thick <= 2; thick++) {
		bool any = false;
		for (size_t i = 0; i < graph->line_count; i++)
			if (thickness(graph->lines[i].count) == thick) {
				draw_line(drawing, i);
				any = true;
			}
		if (any)
			mr_canvas_stroke(drawing->canvas, MR_PAINT_MUTED, 1 + 0.7 * thick, 0);
	}
	for (size_t i = 0; i < graph->line_count; i++)
		draw_arrow(drawing, i);
	mr_canvas_fill(drawing->canvas, MR_PAINT_MUTED, 1);
}

/* ---- Boxes ----------------------------------------------------------------------------- */

static void outline(struct mr_canvas *canvas, const struct rectangle *box, unsigned marks,
                    enum mr_paint paint)
{
	mr_canvas_rectangle(canvas, box->x, box->y, box->width, box->height);
	mr_canvas_stroke(canvas, marks & MR_GRAPH_SUBJECT ? MR_PAINT_ALERT : paint,
	                 marks & MR_GRAPH_SUBJECT ? 2.4 : 1.2, marks & MR_GRAPH_CYCLE ? 5 : 0);
	if (marks & MR_GRAPH_ROOT) {
		mr_canvas_rectangle(canvas, box->x + 3, box->y + 3, box->width - 6, box->height - 6);
		mr_canvas_stroke(canvas, paint, 1, 0);
	}
}

static unsigned shade_of(const struct mr_graph_box *box)
{
	const double shade = box->shade * SHADES;
	return shade >= SHADES ? SHADES - 1 : shade > 0 ? (unsigned)shade : 0;
}

/* One path a colour and shade. */
static void tint(const struct drawing *drawing, enum mr_paint paint, unsigned shade)
{
	bool any = false;
	for (size_t i = 0; i < drawing->graph->box_count; i++) {
		const struct rectangle box = rectangle_of(drawing, i);
		if (drawing->graph->boxes[i].paint != paint || shade_of(&drawing->graph->boxes[i]) != shade)
			continue;
		mr_canvas_rectangle(drawing->canvas, box.x, box.y, box.width, box.height);
		any = true;
	}
	if (any)
		mr_canvas_fill(drawing->canvas, paint, 0.10 + 0.11 * shade);
}

static void draw_words(const struct drawing *drawing, size_t i)
{
	const struct mr_graph_box *of = &drawing->graph->boxes[i];
	const struct rectangle box = rectangle_of(drawing, i);
	const bool bold = of->marks & MR_GRAPH_SUBJECT;
	const double room = (box.width - 2 * BOX_PAD) / FACE_SPARE + 0.5, middle = box.x + box.width / 2;
	const struct mr_text_style above = { LABEL_SIZE, bold, MR_ANCHOR_MIDDLE, MR_PAINT_INK };
	const struct mr_text_style below = { BELOW_SIZE, false, MR_ANCHOR_MIDDLE, MR_PAINT_MUTED };
	char text[256];
	mr_canvas_text_fit(text, sizeof(text), of->label, room, LABEL_SIZE, bold);
	mr_canvas_text(drawing->canvas, middle, box.y + (of->below[0] ? 17 : 17.5), above, text);
	if (of->below[0]) {
		mr_canvas_text_fit(text, sizeof(text), of->below, room, BELOW_SIZE, false);
		mr_canvas_text(drawing->canvas, middle, box.y + 32, below, text);
	}
	if (of->text)
		mr_canvas_hint(drawing->canvas, box.x, box.y, box.width, box.height, of->text);
}

static void draw_boxes(const struct drawing *drawing)
{
	const struct mr_graph *graph = drawing->graph;
	for (size_t i = 0; i < graph->box_count; i++) {
		const struct rectangle box = rectangle_of(drawing, i);
		mr_canvas_rectangle(drawing->canvas, box.x, box.y, box.width, box.height);
	}
	mr_canvas_fill(drawing->canvas, MR_PAINT_SURFACE, 1);
	for (int paint = MR_PAINT_NONE + 1; paint < MR_PAINT_COUNT; paint++)
		for (unsigned shade = 0; shade < SHADES; shade++)
			tint(drawing, (enum mr_paint)paint, shade);
	for (size_t i = 0; i < graph->box_count; i++) {
		const struct rectangle box = rectangle_of(drawing, i);
		outline(drawing->canvas, &box, graph->boxes[i].marks, graph->boxes[i].paint);
	}
	for (size_t i = 0; i < graph->box_count; i++)
		draw_words(drawing, i);
}

/* ---- What lines are called --------------------------------------------------------------- */

static bool touches(const struct rectangle *one, const struct rectangle *two)
{
	return one->x < two->x + two->width && two->x < one->x + one->width &&
	       one->y < two->y + two->height && two->y < one->y + one->height;
}

static bool is_free(const struct drawing *drawing, const struct rectangle *spot)
{
	if (spot->x < 0 || spot->x + spot->width > drawing->layout->width)
		return false;
	for (size_t i = 0; i < drawing->graph->box_count; i++) {
		const struct rectangle box = rectangle_of(drawing, i);
		if (touches(spot, &box))
			return false;
	}
	for (size_t i = 0; i < drawing->label_count; i++)
		if (touches(spot, &drawing->labels[i]))
			return false;
	for (size_t i = 0; i < drawing->graph->line_count; i++)
		if (touches(spot, &drawing->arrows[i]))
			return false;
	return true;
}

/* The point at PART (0..1) of the curve between two points. */
static struct mr_layout_point on_curve(const struct drawing *drawing, struct mr_layout_point from,
                                       struct mr_layout_point to, double part)
{
	const double rest = 1 - part;
	/* With control points half way in one coordinate and at the ends in the other. */
	const double even = rest * rest * rest + 3 * rest * rest * part, odd = 1 - even;
	const double middle = 3 * rest * rest * part + 3 * rest * part * part;
	const double first = rest * rest * rest, last = part * part * part;
	if (drawing->layout->across)
		return (struct mr_layout_point){ from.x * first + (from.x + to.x) / 2 * middle + to.x * last,
			                         from.y * even + to.y * odd };
	return (struct mr_layout_point){ from.x * even + to.x * odd,
		                         from.y * first + (from.y + to.y) / 2 * middle + to.y * last };
}

static void name_line(struct drawing *drawing, size_t line)
{
	static const double down[] = { 0.66, 0.5, 0.8, 0.34, 0.2 }, across[] = { 0.8, 0.9, 0.66, 0.5, 0.34 };
	const double *parts = drawing->layout->across ? across : down;
	const struct mr_layout_path *path = &drawing->layout->paths[line];
	const struct mr_text_style style = { NAME_SIZE, false, MR_ANCHOR_MIDDLE, MR_PAINT_MUTED };
	char text[128];
	if (path->kind != MR_LAYOUT_CURVES || !drawing->graph->lines[line].label[0])
		return;
	mr_canvas_text_fit(text, sizeof(text), drawing->graph->lines[line].label, NAME_MAX / FACE_SPARE,
	                   NAME_SIZE, false);
	const double width = text_width(text, NAME_SIZE, false) + 4;
	/* In the last gap, then in the first. */
	for (size_t end = 0; end < (path->count > 2 ? 2 : 1); end++)
		for (size_t i = 0; i < MR_ARRAY_LEN(down); i++) {
			const struct mr_layout_point *points =
				drawing->layout->points + path->first + (end == 0 ? path->count - 2 : 0);
			const struct mr_layout_point at = on_curve(drawing, points[0], points[1], parts[i]);
			const struct rectangle spot = { at.x - width / 2, at.y - 7, width, 14 };
			if (!is_free(drawing, &spot))
				continue;
			drawing->labels[drawing->label_count++] = spot;
			mr_canvas_rectangle(drawing->canvas, spot.x, spot.y, spot.width, spot.height);
			mr_canvas_fill(drawing->canvas, MR_PAINT_SURFACE, 1);
			mr_canvas_text(drawing->canvas, at.x, at.y + 4, style, text);
			return;
		}
}

/* ---- Legend --------------------------------------------------------------------------------- */

static void draw_legend(const struct drawing *drawing, unsigned marks)
{
	static const struct {
		unsigned mark;
		const char *text;
	} items[] = { { MR_GRAPH_ROOT, "where it begins" },
		      { MR_GRAPH_SUBJECT, "what it is about" },
		      { MR_GRAPH_CYCLE, "leads to itself" } };
	const struct mr_text_style style = { NAME_SIZE, false, MR_ANCHOR_START, MR_PAINT_MUTED };
	const double top = drawing->layout->height + LEGEND_ROW - 16;
	double left = 0;
	for (size_t i = 0; i < MR_ARRAY_LEN(items); i++) {
		const struct rectangle sample = { left + 1, top, 18, 12 };
		if (!(marks & items[i].mark))
			continue;
		outline(drawing->canvas, &sample, items[i].mark, MR_PAINT_MUTED);
		mr_canvas_text(drawing->canvas, left + 24, top + 10, style, items[i].text);
		left += 24 + text_width(items[i].text, NAME_SIZE, false) + 12;
	}
}

void mr_graph_draw(const struct mr_chart *chart, struct mr_canvas *canvas)
{
	const struct mr_graph *graph = &chart->of.graph;
	struct drawing drawing = { .graph = graph, .layout = graph->layout, .canvas = canvas };
	const double scale = scale_of(chart);
	mr_canvas_push(canvas, 0, 0, scale);
	mr_canvas_push(canvas, EDGE, EDGE, 1);
	draw_lines(&drawing);
	draw_boxes(&drawing);
	for (size_t i = 0; i < graph->line_count && graph->line_count <= NAMES_MAX; i++)
		name_line(&drawing, i);
	draw_legend(&drawing, all_marks(graph));
	mr_canvas_pop(canvas);
	mr_canvas_pop(canvas);
}
