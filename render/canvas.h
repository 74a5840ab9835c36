/* SPDX-License-Identifier: MIT
 *
 * One way of drawing onto three surfaces: SVG to be inlined in a page, PNG and
 * PDF.  canvas.c is the only file that calls cairo.  Charts (chart.h) draw on a
 * canvas and know nothing of the surface.
 *
 * Units are CSS pixels (points in PDF), y grows downwards.  Colours are named by
 * what they are for, so that a page can give them values for light and dark.
 * Text goes through mr_canvas_text(): PNG and PDF show it in the face that is
 * built into cairo, SVG keeps it as text for the page to add (html_svg.c), with
 * its searchability, and without a font being looked for.
 *
 * Errors stick: calls after a failure do nothing, mr_canvas_finish() reports.
 */
#ifndef MR_CANVAS_H
#define MR_CANVAS_H

#include "base.h"

enum mr_paint {
	MR_PAINT_NONE,
	MR_PAINT_INK,   /* text */
	MR_PAINT_MUTED, /* labels of axes */
	MR_PAINT_GRID,
	MR_PAINT_SURFACE, /* what the page is made of: gaps between areas */
	MR_PAINT_ACCENT,  /* marked snapshots, single series */
	MR_PAINT_ALERT,   /* the peak */
	MR_PAINT_SERIES_1,
	MR_PAINT_SERIES_2,
	MR_PAINT_SERIES_3,
	MR_PAINT_SERIES_4,
	MR_PAINT_SERIES_5,
	MR_PAINT_SERIES_6,
	MR_PAINT_SERIES_7,
	MR_PAINT_SERIES_8,
	MR_PAINT_OTHER, /* what no colour is left for */
	MR_PAINT_COUNT,
};

#define MR_PAINT_SERIES_COUNT 8

struct mr_color {
	const char *name; /* of the CSS variable, without the dashes: "s1" */
	uint32_t light;   /* 0xrrggbb; also what PNG and PDF show */
	uint32_t dark;
};

extern const struct mr_color mr_palette[MR_PAINT_COUNT];

enum mr_canvas_target { MR_CANVAS_SVG, MR_CANVAS_PNG, MR_CANVAS_PDF, MR_CANVAS_PS, MR_CANVAS_EPS };
enum mr_anchor { MR_ANCHOR_START, MR_ANCHOR_MIDDLE, MR_ANCHOR_END };

struct mr_text_style {
	double size;
	bool bold;
	enum mr_anchor anchor;
	enum mr_paint paint;
};

struct mr_canvas;

/* NULL when there is no memory. */
struct mr_canvas *mr_canvas_new(enum mr_canvas_target target, double width, double height);
void mr_canvas_free(struct mr_canvas *canvas); /* NULL is fine */
/* Ends the drawing and appends its bytes to OUT (an SVG document without its text; a PNG; a PDF;
 * PostScript). */
int mr_canvas_finish(struct mr_canvas *canvas, struct mr_buffer *out, struct mr_error *err) MR_MUST_CHECK;

/* PDF: shows the page and starts the next. */
void mr_canvas_next_page(struct mr_canvas *canvas);
/* PDF: the title that viewers show, and the moment of creation as "2026-01-31T10:00:00Z". */
void mr_canvas_document(struct mr_canvas *canvas, const char *title, const char *created);
/* What a drawing is and says, for those who cannot see it.  Copied. */
void mr_canvas_describe(struct mr_canvas *canvas, const char *title, const char *description);

/* Moves the origin, and scales what is drawn, until the matching mr_canvas_pop(). */
void mr_canvas_push(struct mr_canvas *canvas, double x, double y, double scale);
void mr_canvas_pop(struct mr_canvas *canvas);
/* Confines drawing until the matching mr_canvas_pop(). Text is not confined in SVG. */
void mr_canvas_push_clip(struct mr_canvas *canvas, double x, double y, double width, double height);

void mr_canvas_move_to(struct mr_canvas *canvas, double x, double y);
void mr_canvas_line_to(struct mr_canvas *canvas, double x, double y);
/* To (X, Y), leaving towards (X1, Y1) and coming from (X2, Y2). */
void mr_canvas_curve_to(struct mr_canvas *canvas, double x1, double y1, double x2, double y2, double x,
                        double y);
/* A slice of a ring, angles in turns clockwise from the top. */
void mr_canvas_ring(struct mr_canvas *canvas, double x, double y, double inner, double outer, double from,
                    double to);
void mr_canvas_rectangle(struct mr_canvas *canvas, double x, double y, double width, double height);
void mr_canvas_circle(struct mr_canvas *canvas, double x, double y, double radius);
void mr_canvas_close(struct mr_canvas *canvas);
/* Paint the path so far, and forget it. */
void mr_canvas_fill(struct mr_canvas *canvas, enum mr_paint paint, double opacity);
/* DASH: length of dashes and gaps, 0 for a whole line. */
void mr_canvas_stroke(struct mr_canvas *canvas, enum mr_paint paint, double width, double dash);

/* (X, Y) is on the baseline. The path so far stays. */
void mr_canvas_text(struct mr_canvas *canvas, double x, double y, struct mr_text_style style,
                    const char *text);
/* SVG: TEXT shows where the pointer is over this rectangle; nothing elsewhere. */
void mr_canvas_hint(struct mr_canvas *canvas, double x, double y, double width, double height,
                    const char *text);

/* ---- Text (canvas_text.c) ------------------------------------------------ */

/* Width by the built-in table; a system's own sans face differs by some percent. */
double mr_canvas_text_width(const char *text, size_t len, double size, bool bold);
/* Copies as much of TEXT as fits in WIDTH into OUT, with an ellipsis when cut. */
void mr_canvas_text_fit(char *out, size_t out_size, const char *text, double width, double size, bool bold);
/* VALUE with DECIMALS (0..6) digits after the point and no zeros at the end, whatever the locale. */
void mr_decimal_text(char out[40], double value, unsigned decimals);
/* Bytes of the UTF-8 character at TEXT (1 for a broken one); *CODE_POINT may be NULL. */
size_t mr_utf8_next(const char *text, size_t len, uint32_t *code_point);

/* ---- What SVG leaves to the page (used by html_svg.c) --------------------- */

struct mr_canvas_label {
	double x, y;
	struct mr_text_style style;
	const char *text;
};

struct mr_canvas_area {
	double x, y, width, height;
	const char *text;
};

const struct mr_canvas_label *mr_canvas_labels(const struct mr_canvas *canvas, size_t *count);
const struct mr_canvas_area *mr_canvas_areas(const struct mr_canvas *canvas, size_t *count);
const char *mr_canvas_title(const struct mr_canvas *canvas);       /* "" when none */
const char *mr_canvas_description(const struct mr_canvas *canvas); /* "" when none */
double mr_canvas_width(const struct mr_canvas *canvas);
double mr_canvas_height(const struct mr_canvas *canvas);
/* The paint that a colour in the SVG stands for, by its channels 0..255; MR_PAINT_NONE for another colour. */
enum mr_paint mr_canvas_paint_of(int red, int green, int blue);

#endif
