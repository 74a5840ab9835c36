/* SPDX-License-Identifier: MIT
 *
 * The canvas over cairo; no other file calls it.  In SVG every paint is drawn
 * in a colour that stands for it (see mr_canvas_paint_of), which html_svg.c
 * turns into a CSS variable; texts and hints are only remembered.  PNG is drawn
 * at twice the size, so that it is sharp on dense screens.
 */
#include "canvas.h"

#include <cairo-pdf.h>
#include <cairo-ps.h>
#include <cairo-svg.h>
#include <cairo.h>
#include <math.h>

#define PNG_SCALE 2.0
#define MARKER_GREEN 77 /* with the paint's number in red: no other colour is in use */
#define MARKER_BLUE 133
#define TEXT_DRAWN_MAX 1024 /* bytes of one text: more than a page is wide */
#define LABELS_MAX 20000    /* a drawing that asks for more has gone wrong */

struct mr_canvas {
	enum mr_canvas_target target;
	double width, height;
	cairo_surface_t *surface;
	cairo_t *cairo;
	struct mr_buffer bytes;
	char *title, *description;
	struct mr_canvas_label *labels;
	size_t label_count, label_capacity;
	struct mr_canvas_area *areas;
	size_t area_count, area_capacity;
	bool failed; /* no memory for what cairo does not hold */
};

const struct mr_color mr_palette[MR_PAINT_COUNT] = {
	[MR_PAINT_NONE] = { "none", 0xffffff, 0x000000 },
	[MR_PAINT_INK] = { "ink", 0x1c1f24, 0xe8e6e1 },
	[MR_PAINT_MUTED] = { "muted", 0x5c626d, 0xa3a7ae },
	[MR_PAINT_GRID] = { "grid", 0xe3e1dc, 0x33373e },
	[MR_PAINT_SURFACE] = { "surface", 0xffffff, 0x17191d },
	[MR_PAINT_ACCENT] = { "accent", 0x2c5f8a, 0x86b9e6 },
	[MR_PAINT_ALERT] = { "alert", 0xb3362c, 0xf0897e },
	[MR_PAINT_SERIES_1] = { "s1", 0x3a72b0, 0x6aa5e0 },
	[MR_PAINT_SERIES_2] = { "s2", 0xe09a2f, 0xe5ab4e },
	[MR_PAINT_SERIES_3] = { "s3", 0x2f9484, 0x4db8a6 },
	[MR_PAINT_SERIES_4] = { "s4", 0xc9586f, 0xe08295 },
	[MR_PAINT_SERIES_5] = { "s5", 0x57479c, 0x9a8be0 },
	[MR_PAINT_SERIES_6] = { "s6", 0x9aa03a, 0xbcc25a },
	[MR_PAINT_SERIES_7] = { "s7", 0x74b8de, 0xa6d8f2 },
	[MR_PAINT_SERIES_8] = { "s8", 0x8a3d5f, 0xb9658b },
	[MR_PAINT_OTHER] = { "other", 0xa9adb5, 0x6b717b },
};

enum mr_paint mr_canvas_paint_of(int red, int green, int blue)
{
	if (green != MARKER_GREEN || blue != MARKER_BLUE || red <= MR_PAINT_NONE || red >= MR_PAINT_COUNT)
		return MR_PAINT_NONE;
	return (enum mr_paint)red;
}

static cairo_status_t append_bytes(void *closure, const unsigned char *data, unsigned int len)
{
	struct mr_buffer *bytes = closure;
	mr_buffer_append(bytes, data, len);
	return bytes->failed ? CAIRO_STATUS_WRITE_ERROR : CAIRO_STATUS_SUCCESS;
}

struct mr_canvas *mr_canvas_new(enum mr_canvas_target target, double width, double height)
{
	struct mr_canvas *canvas = mr_alloc(sizeof(*canvas));
	if (!canvas)
		return NULL;
	canvas->target = target;
	canvas->width = width;
	canvas->height = height;
	switch (target) {
	case MR_CANVAS_SVG:
		canvas->surface =
			cairo_svg_surface_create_for_stream(append_bytes, &canvas->bytes, width, height);
		break;
	case MR_CANVAS_PDF:
		canvas->surface =
			cairo_pdf_surface_create_for_stream(append_bytes, &canvas->bytes, width, height);
		break;
	case MR_CANVAS_PS:
	case MR_CANVAS_EPS:
		canvas->surface =
			cairo_ps_surface_create_for_stream(append_bytes, &canvas->bytes, width, height);
		cairo_ps_surface_set_eps(canvas->surface, target == MR_CANVAS_EPS);
		break;
	case MR_CANVAS_PNG:
		canvas->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)ceil(width * PNG_SCALE),
		                                             (int)ceil(height * PNG_SCALE));
		break;
	}
	canvas->cairo = cairo_create(canvas->surface);
	if (target == MR_CANVAS_PNG) {
		cairo_set_source_rgb(canvas->cairo, 1, 1, 1);
		cairo_paint(canvas->cairo);
		cairo_scale(canvas->cairo, PNG_SCALE, PNG_SCALE);
	}
	/* Hinting would depend on the surface and move glyphs off the built-in widths. */
	cairo_font_options_t *options = cairo_font_options_create();
	cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
	cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
	cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
	cairo_set_font_options(canvas->cairo, options);
	cairo_font_options_destroy(options);
	return canvas;
}

void mr_canvas_free(struct mr_canvas *canvas)
{
	if (!canvas)
		return;
	cairo_destroy(canvas->cairo);
	cairo_surface_destroy(canvas->surface);
	mr_buffer_release(&canvas->bytes);
	for (size_t i = 0; i < canvas->label_count; i++)
		mr_free((char *)canvas->labels[i].text);
	for (size_t i = 0; i < canvas->area_count; i++)
		mr_free((char *)canvas->areas[i].text);
	mr_free(canvas->labels);
	mr_free(canvas->areas);
	mr_free(canvas->title);
	mr_free(canvas->description);
	mr_free(canvas);
}

/* The line in which cairo says when it was: the same drawing gives the same bytes. */
static void drop_date(struct mr_buffer *bytes)
{
	static const char key[] = "%%CreationDate:";
	uint8_t *const line = bytes->len ? memmem(bytes->data, bytes->len, key, sizeof(key) - 1) : NULL;
	const size_t left = line ? bytes->len - (size_t)(line - bytes->data) : 0;
	const uint8_t *const end = line ? memchr(line, '\n', left) : NULL;
	if (!end)
		return;
	const size_t len = (size_t)(end + 1 - line);
	memmove(line, end + 1, left - len);
	bytes->len -= len;
}

int mr_canvas_finish(struct mr_canvas *canvas, struct mr_buffer *out, struct mr_error *err)
{
	cairo_status_t status = cairo_status(canvas->cairo);
	if (status == CAIRO_STATUS_SUCCESS && canvas->target == MR_CANVAS_PNG)
		status = cairo_surface_write_to_png_stream(canvas->surface, append_bytes, &canvas->bytes);
	cairo_surface_finish(canvas->surface);
	if (status == CAIRO_STATUS_SUCCESS)
		status = cairo_surface_status(canvas->surface);
	const bool memory = canvas->failed || canvas->bytes.failed || status == CAIRO_STATUS_NO_MEMORY;
	MR_FAIL_IF(memory, err, MR_ERR_NOMEM, "no memory for a drawing");
	MR_FAIL_IF(status != CAIRO_STATUS_SUCCESS, err, MR_ERR_LIMIT, "cannot draw a chart: %s",
	           cairo_status_to_string(status));
	if (canvas->target == MR_CANVAS_PS || canvas->target == MR_CANVAS_EPS)
		drop_date(&canvas->bytes);
	mr_buffer_append(out, canvas->bytes.data, canvas->bytes.len);
	return mr_buffer_status(out, err);
}

static char *copy_text(struct mr_canvas *canvas, const char *text)
{
	const size_t size = strlen(text) + 1;
	char *copy = mr_alloc(size);
	if (copy)
		memcpy(copy, text, size);
	else
		canvas->failed = true;
	return copy;
}

void mr_canvas_next_page(struct mr_canvas *canvas)
{
	cairo_show_page(canvas->cairo);
}

void mr_canvas_document(struct mr_canvas *canvas, const char *title, const char *created)
{
	if (canvas->target != MR_CANVAS_PDF)
		return;
	cairo_pdf_surface_set_metadata(canvas->surface, CAIRO_PDF_METADATA_TITLE, title);
	cairo_pdf_surface_set_metadata(canvas->surface, CAIRO_PDF_METADATA_CREATOR,
	                               "memreport " MR_VERSION_STRING);
	cairo_pdf_surface_set_metadata(canvas->surface, CAIRO_PDF_METADATA_CREATE_DATE, created);
}

void mr_canvas_describe(struct mr_canvas *canvas, const char *title, const char *description)
{
	mr_free(canvas->title);
	mr_free(canvas->description);
	canvas->title = copy_text(canvas, title);
	canvas->description = copy_text(canvas, description);
}

/* ---- Paths --------------------------------------------------------------- */

void mr_canvas_push(struct mr_canvas *canvas, double x, double y, double scale)
{
	cairo_save(canvas->cairo);
	cairo_translate(canvas->cairo, x, y);
	cairo_scale(canvas->cairo, scale, scale);
}

void mr_canvas_push_clip(struct mr_canvas *canvas, double x, double y, double width, double height)
{
	cairo_save(canvas->cairo);
	cairo_rectangle(canvas->cairo, x, y, width, height);
	cairo_clip(canvas->cairo);
}

void mr_canvas_pop(struct mr_canvas *canvas)
{
	cairo_restore(canvas->cairo);
}

void mr_canvas_move_to(struct mr_canvas *canvas, double x, double y)
{
	cairo_move_to(canvas->cairo, x, y);
}

void mr_canvas_line_to(struct mr_canvas *canvas, double x, double y)
{
	cairo_line_to(canvas->cairo, x, y);
}

void mr_canvas_curve_to(struct mr_canvas *canvas, double x1, double y1, double x2, double y2, double x,
                        double y)
{
	cairo_curve_to(canvas->cairo, x1, y1, x2, y2, x, y);
}

void mr_canvas_ring(struct mr_canvas *canvas, double x, double y, double inner, double outer, double from,
                    double to)
{
	const double start = (from - 0.25) * 2 * M_PI, end = (to - 0.25) * 2 * M_PI;
	cairo_new_sub_path(canvas->cairo);
	cairo_arc(canvas->cairo, x, y, outer, start, end);
	cairo_arc_negative(canvas->cairo, x, y, inner, end, start);
	cairo_close_path(canvas->cairo);
}

void mr_canvas_rectangle(struct mr_canvas *canvas, double x, double y, double width, double height)
{
	cairo_rectangle(canvas->cairo, x, y, width, height);
}

void mr_canvas_circle(struct mr_canvas *canvas, double x, double y, double radius)
{
	cairo_new_sub_path(canvas->cairo);
	cairo_arc(canvas->cairo, x, y, radius, 0, 2 * M_PI);
	cairo_close_path(canvas->cairo);
}

void mr_canvas_close(struct mr_canvas *canvas)
{
	cairo_close_path(canvas->cairo);
}

static void set_paint(struct mr_canvas *canvas, enum mr_paint paint, double opacity)
{
	if (canvas->target == MR_CANVAS_SVG) {
		cairo_set_source_rgba(canvas->cairo, paint / 255.0, MARKER_GREEN / 255.0, MARKER_BLUE / 255.0,
		                      opacity);
		return;
	}
	const uint32_t rgb = mr_palette[paint].light;
	if (canvas->target == MR_CANVAS_PS || canvas->target == MR_CANVAS_EPS) {
		/* PostScript has no transparency: cairo would make a picture of what is drawn.  On white. */
		cairo_set_source_rgb(canvas->cairo, 1 - opacity * (1 - (rgb >> 16) / 255.0),
		                     1 - opacity * (1 - (rgb >> 8 & 255) / 255.0),
		                     1 - opacity * (1 - (rgb & 255) / 255.0));
		return;
	}
	cairo_set_source_rgba(canvas->cairo, (rgb >> 16) / 255.0, (rgb >> 8 & 255) / 255.0,
	                      (rgb & 255) / 255.0, opacity);
}

void mr_canvas_fill(struct mr_canvas *canvas, enum mr_paint paint, double opacity)
{
	set_paint(canvas, paint, opacity);
	cairo_fill(canvas->cairo);
}

void mr_canvas_stroke(struct mr_canvas *canvas, enum mr_paint paint, double width, double dash)
{
	set_paint(canvas, paint, 1);
	cairo_set_line_width(canvas->cairo, width);
	cairo_set_line_join(canvas->cairo, CAIRO_LINE_JOIN_ROUND);
	cairo_set_dash(canvas->cairo, &dash, dash > 0 ? 1 : 0, 0);
	cairo_stroke(canvas->cairo);
}

/* ---- Text ---------------------------------------------------------------- */

static void keep_label(struct mr_canvas *canvas, double x, double y, struct mr_text_style style,
                       const char *text)
{
	cairo_user_to_device(canvas->cairo, &x, &y);
	if (canvas->label_count >= LABELS_MAX ||
	    mr_grow(&canvas->labels, &canvas->label_capacity, canvas->label_count + 1,
	            sizeof(*canvas->labels)) < 0) {
		canvas->failed = true;
		return;
	}
	char *copy = copy_text(canvas, text);
	if (copy)
		canvas->labels[canvas->label_count++] = (struct mr_canvas_label){ x, y, style, copy };
}

/* Shows the bytes of one run of characters: those that the built-in face has,
 * or those that it lacks, which the system's sans face has to show. */
static void show_run(struct mr_canvas *canvas, const char *text, size_t len, bool built_in, bool bold)
{
	char run[512];
	while (len > 0) {
		size_t used = 0;
		while (used < len) {
			uint32_t code_point;
			const size_t step = mr_utf8_next(text + used, len - used, &code_point);
			if (used + step >= sizeof(run))
				break;
			if (code_point < ' ' || code_point == UINT32_MAX)
				run[used] = '?'; /* cairo refuses the whole text otherwise */
			else
				memcpy(run + used, text + used, step);
			used += step;
		}
		run[used] = '\0';
		cairo_select_font_face(canvas->cairo, built_in ? "@cairo:medium" : "sans-serif",
		                       CAIRO_FONT_SLANT_NORMAL,
		                       /* The system's bold face is far heavier than the built-in one. */
		                       bold && built_in ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
		cairo_show_text(canvas->cairo, run);
		text += used;
		len -= used;
	}
}

/* TEXT with the minus of mathematics as a hyphen, which the built-in face has. */
static void plain_signs(char out[TEXT_DRAWN_MAX], const char *text)
{
	size_t len = 0;
	while (*text && len + 4 < TEXT_DRAWN_MAX) {
		const bool minus = strncmp(text, "\xe2\x88\x92", 3) == 0;
		const size_t step = mr_utf8_next(text, strlen(text), NULL);
		memcpy(out + len, minus ? "-" : text, minus ? 1 : step);
		len += minus ? 1 : step;
		text += step;
	}
	out[len] = '\0';
}

static void show_text(struct mr_canvas *canvas, double x, double y, struct mr_text_style style,
                      const char *given)
{
	char text[TEXT_DRAWN_MAX];
	plain_signs(text, given);
	const size_t len = strlen(text);
	const double width = mr_canvas_text_width(text, len, style.size, style.bold);
	cairo_path_t *path = cairo_copy_path(canvas->cairo);
	x -= style.anchor == MR_ANCHOR_END ? width : style.anchor == MR_ANCHOR_MIDDLE ? width / 2 : 0;
	set_paint(canvas, style.paint, 1);
	cairo_set_font_size(canvas->cairo, style.size);
	for (size_t start = 0, end; start < len; start = end) {
		const bool built_in = (unsigned char)text[start] < 0x80;
		for (end = start; end < len && ((unsigned char)text[end] < 0x80) == built_in;)
			end += mr_utf8_next(text + end, len - end, NULL);
		cairo_move_to(canvas->cairo, x, y);
		show_run(canvas, text + start, end - start, built_in, style.bold);
		x += mr_canvas_text_width(text + start, end - start, style.size, style.bold);
	}
	/* Text moves the current point; whoever is drawing a path goes on with it. */
	cairo_new_path(canvas->cairo);
	cairo_append_path(canvas->cairo, path);
	cairo_path_destroy(path);
}

void mr_canvas_text(struct mr_canvas *canvas, double x, double y, struct mr_text_style style,
                    const char *text)
{
	if (canvas->target == MR_CANVAS_SVG)
		keep_label(canvas, x, y, style, text);
	else
		show_text(canvas, x, y, style, text);
}

void mr_canvas_hint(struct mr_canvas *canvas, double x, double y, double width, double height,
                    const char *text)
{
	if (canvas->target != MR_CANVAS_SVG)
		return;
	cairo_user_to_device(canvas->cairo, &x, &y);
	if (canvas->area_count >= LABELS_MAX || mr_grow(&canvas->areas, &canvas->area_capacity,
	                                                canvas->area_count + 1, sizeof(*canvas->areas)) < 0) {
		canvas->failed = true;
		return;
	}
	char *copy = copy_text(canvas, text);
	if (copy)
		canvas->areas[canvas->area_count++] = (struct mr_canvas_area){ x, y, width, height, copy };
}

const struct mr_canvas_label *mr_canvas_labels(const struct mr_canvas *canvas, size_t *count)
{
	*count = canvas->label_count;
	return canvas->labels;
}

const struct mr_canvas_area *mr_canvas_areas(const struct mr_canvas *canvas, size_t *count)
{
	*count = canvas->area_count;
	return canvas->areas;
}

const char *mr_canvas_title(const struct mr_canvas *canvas)
{
	return canvas->title ? canvas->title : "";
}

const char *mr_canvas_description(const struct mr_canvas *canvas)
{
	return canvas->description ? canvas->description : "";
}

double mr_canvas_width(const struct mr_canvas *canvas)
{
	return canvas->width;
}

double mr_canvas_height(const struct mr_canvas *canvas)
{
	return canvas->height;
}
