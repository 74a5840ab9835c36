/* SPDX-License-Identifier: MIT
 *
 * Turns what cairo draws as SVG into what a page wants inline: no document
 * around it, ids of its own, colours as CSS variables, paths as short as they
 * can be at a tenth of a pixel, and the texts, hints, title and description
 * that the canvas kept.
 */
#include "html_svg.h"

#include "html_write.h"

#include <libxml/parser.h>
#include <math.h>

#define FONT_SIZE 11 /* of texts that name no other */

struct svg {
	struct mr_buffer *out;
	const char *id;
};

/* ---- Paths ---------------------------------------------------------------- */

/* A path's bytes, relative and in tenths of a pixel: half of cairo's. */
struct path {
	struct mr_buffer *out;
	int64_t x, y;
	char last; /* command in force */
};

static const char *skip_space(const char *text)
{
	while (*text == ' ' || *text == ',' || *text == '\n')
		text++;
	return text;
}

/* Reads one plain decimal number, whatever the locale; NULL when there is none. */
static const char *read_number(const char *text, double *value)
{
	text = skip_space(text);
	const bool negative = *text == '-';
	text += negative;
	const char *start = text;
	double sum = 0, place = 1;
	for (; *text >= '0' && *text <= '9'; text++)
		sum = sum * 10 + (*text - '0');
	if (*text == '.')
		for (text++; *text >= '0' && *text <= '9'; text++)
			sum += (*text - '0') * (place /= 10);
	*value = negative ? -sum : sum;
	return text > start && fabs(sum) < 1e9 ? text : NULL;
}

static void put_tenths(struct path *path, int64_t tenths, bool separate)
{
	char text[40];
	mr_decimal_text(text, (double)tenths / 10, 1);
	if (separate && text[0] != '-')
		mr_buffer_put_u8(path->out, ' ');
	const char *shown = text[0] == '0' && text[1] == '.' ? text + 1 : text;
	if (text[0] == '-' && text[1] == '0' && text[2] == '.') {
		mr_buffer_put_u8(path->out, '-');
		shown = text + 2;
	}
	mr_buffer_append(path->out, shown, strlen(shown));
}

/* Appends COMMAND with the COUNT points at POINTS, relative to the last point. */
static void put_points(struct path *path, char command, const double *points, size_t count)
{
	const int64_t x0 = path->x, y0 = path->y;
	const bool repeated = path->last == command || (path->last == 'm' && command == 'l');
	if (!repeated)
		mr_buffer_put_u8(path->out, (uint8_t)command);
	for (size_t i = 0; i < count; i++) {
		path->x = llround(points[2 * i] * 10);
		path->y = llround(points[2 * i + 1] * 10);
		put_tenths(path, path->x - x0, i > 0 || repeated);
		put_tenths(path, path->y - y0, true);
	}
	path->last = command;
}

/* false for a path with a command that cairo does not write today. */
static bool put_path(struct mr_buffer *out, const char *d)
{
	struct path path = { .out = out };
	double start[2] = { 0, 0 };
	for (d = skip_space(d); *d; d = skip_space(d)) {
		const char command = *d++;
		const size_t count = command == 'M' || command == 'L' ? 1 : command == 'C' ? 3 : 0;
		double points[6] = { 0 };
		if (command == 'Z') {
			mr_buffer_put_u8(out, 'z');
			path.x = llround(start[0] * 10);
			path.y = llround(start[1] * 10);
			path.last = 'z';
			continue;
		}
		for (size_t i = 0; i < 2 * count && d; i++)
			d = read_number(d, &points[i]);
		if (count == 0 || !d)
			return false;
		if (command == 'M') {
			memcpy(start, points, sizeof(start));
			if (*skip_space(d) == '\0')
				return true; /* where the next path would begin */
		}
		put_points(&path, command == 'M' ? 'm' : command == 'L' ? 'l' : 'c', points, count);
	}
	return true;
}

static void write_path(struct svg *svg, const char *d)
{
	struct mr_buffer text = { 0 };
	const bool known = put_path(&text, d);
	mr_buffer_put_u8(&text, 0);
	if (text.failed)
		svg->out->failed = true;
	else
		mr_html_attribute(svg->out, "d", known ? (const char *)text.data : d);
	mr_buffer_release(&text);
}

/* ---- Colours, references, styles ------------------------------------------ */

/* "rgb(a%, b%, c%)" or "rgb(a, b, c)" as the paint that it stands for. */
static enum mr_paint paint_of(const char *text)
{
	int channels[3];
	if (strncmp(text, "rgb(", 4) != 0)
		return MR_PAINT_NONE;
	text += 4;
	for (size_t i = 0; i < 3; i++) {
		double value;
		text = read_number(text, &value);
		if (!text)
			return MR_PAINT_NONE;
		channels[i] = (int)lround(*text == '%' ? value * 2.55 : value);
		text += *text == '%';
	}
	return mr_canvas_paint_of(channels[0], channels[1], channels[2]);
}

/* Whether a property says what holds without it, here and in all of our drawings. */
static bool is_default(const char *name, const char *value)
{
	static const char *const defaults[][2] = {
		{ "fill-rule", "nonzero" },    { "clip-rule", "nonzero" },   { "fill-opacity", "1" },
		{ "stroke-opacity", "1" },     { "stroke-linecap", "butt" }, { "stroke-linejoin", "round" },
		{ "stroke-miterlimit", "10" }, { "stroke", "none" },         { "stroke-width", "1" },
	};
	for (size_t i = 0; i < MR_ARRAY_LEN(defaults); i++)
		if (strcmp(name, defaults[i][0]) == 0 && strcmp(value, defaults[i][1]) == 0)
			return true;
	return false;
}

static void write_property(struct svg *svg, const char *name, const char *value)
{
	const enum mr_paint paint = paint_of(value);
	char text[256];
	if (is_default(name, value))
		return;
	if (strcmp(name, "id") == 0) {
		snprintf(text, sizeof(text), "%s-%s", svg->id, value);
	} else if (strncmp(value, "url(#", 5) == 0) {
		snprintf(text, sizeof(text), "url(#%s-%s", svg->id, value + 5);
	} else if (value[0] == '#') {
		snprintf(text, sizeof(text), "#%s-%s", svg->id, value + 1);
	} else if (paint != MR_PAINT_NONE) {
		snprintf(text, sizeof(text), "var(--%s)", mr_palette[paint].name);
	} else {
		mr_html_attribute(svg->out, name, value);
		return;
	}
	mr_html_attribute(svg->out, name, text);
}

/* "name:value;name:value" as attributes, which a policy against style attributes lets pass. */
static void write_style(struct svg *svg, char *style)
{
	char *rest = style;
	for (char *item = strsep(&rest, ";"); item; item = strsep(&rest, ";")) {
		char *value = strchr(item, ':');
		if (!value)
			continue;
		*value++ = '\0';
		write_property(svg, skip_space(item), skip_space(value));
	}
}

static void write_attributes(struct svg *svg, const xmlNode *node)
{
	for (const xmlAttr *attribute = node->properties; attribute; attribute = attribute->next) {
		const char *name = (const char *)attribute->name;
		xmlChar *value = xmlNodeGetContent((const xmlNode *)attribute);
		if (!value) {
			svg->out->failed = true;
			return;
		}
		if (strcmp(name, "style") == 0)
			write_style(svg, (char *)value);
		else if (strcmp(name, "d") == 0)
			write_path(svg, (const char *)value);
		else
			write_property(svg, name, (const char *)value);
		xmlFree(value);
	}
}

/* ---- Elements ------------------------------------------------------------- */

static void write_children(struct svg *svg, const xmlNode *parent);

static void write_element(struct svg *svg, const xmlNode *node)
{
	const char *name = (const char *)node->name;
	const xmlAttr *first = node->properties;
	const bool only_id = first && !first->next && strcmp((const char *)first->name, "id") == 0;
	if (strcmp(name, "g") == 0 && (!first || only_id)) {
		write_children(svg, node); /* a group that does nothing */
		return;
	}
	mr_html_begin(svg->out, name);
	write_attributes(svg, node);
	if (!node->children) {
		mr_html_open_empty(svg->out);
		return;
	}
	mr_html_open(svg->out);
	write_children(svg, node);
	mr_html_end(svg->out, name);
}

static void write_children(struct svg *svg, const xmlNode *parent)
{
	for (const xmlNode *node = parent->children; node; node = node->next)
		if (node->type == XML_ELEMENT_NODE)
			write_element(svg, node);
}

static void write_number(struct svg *svg, const char *name, double value)
{
	char text[40];
	mr_decimal_text(text, value, 1);
	mr_html_attribute(svg->out, name, text);
}

static void write_label(struct svg *svg, const struct mr_canvas_label *label)
{
	char paint[32];
	mr_html_begin(svg->out, "text");
	write_number(svg, "x", label->x);
	write_number(svg, "y", label->y);
	if (label->style.anchor != MR_ANCHOR_START)
		mr_html_attribute(svg->out, "text-anchor",
		                  label->style.anchor == MR_ANCHOR_END ? "end" : "middle");
	if (label->style.size != FONT_SIZE)
		write_number(svg, "font-size", label->style.size);
	if (label->style.bold)
		mr_html_attribute(svg->out, "font-weight", "600");
	if (label->style.paint != MR_PAINT_MUTED) {
		snprintf(paint, sizeof(paint), "var(--%s)", mr_palette[label->style.paint].name);
		mr_html_attribute(svg->out, "fill", paint);
	}
	mr_html_open(svg->out);
	mr_html_text(svg->out, label->text);
	mr_html_end(svg->out, "text");
}

static void write_labels(struct svg *svg, const struct mr_canvas *canvas)
{
	size_t count;
	const struct mr_canvas_label *labels = mr_canvas_labels(canvas, &count);
	if (count == 0)
		return;
	mr_html_begin(svg->out, "g");
	write_number(svg, "font-size", FONT_SIZE);
	mr_html_attribute(svg->out, "fill", "var(--muted)");
	mr_html_open(svg->out);
	for (size_t i = 0; i < count; i++)
		write_label(svg, &labels[i]);
	mr_html_end(svg->out, "g");
}

static void write_areas(struct svg *svg, const struct mr_canvas *canvas)
{
	size_t count;
	const struct mr_canvas_area *areas = mr_canvas_areas(canvas, &count);
	if (count == 0)
		return;
	mr_html_begin(svg->out, "g");
	mr_html_attribute(svg->out, "class", "hints");
	mr_html_attribute(svg->out, "fill", "none");
	mr_html_attribute(svg->out, "pointer-events", "all");
	mr_html_open(svg->out);
	for (size_t i = 0; i < count; i++) {
		mr_html_begin(svg->out, "rect");
		write_number(svg, "x", areas[i].x);
		write_number(svg, "y", areas[i].y);
		write_number(svg, "width", areas[i].width);
		write_number(svg, "height", areas[i].height);
		mr_html_open(svg->out);
		mr_html_begin(svg->out, "title");
		mr_html_open(svg->out);
		mr_html_text(svg->out, areas[i].text);
		mr_html_end(svg->out, "title");
		mr_html_end(svg->out, "rect");
	}
	mr_html_end(svg->out, "g");
}

/* An element that says in words what the drawing is; its id is ID-SUFFIX. */
static void write_words(struct svg *svg, const char *name, const char *suffix, const char *text)
{
	char id[64];
	snprintf(id, sizeof(id), "%s-%s", svg->id, suffix);
	mr_html_begin(svg->out, name);
	mr_html_attribute(svg->out, "id", id);
	mr_html_open(svg->out);
	mr_html_text(svg->out, text);
	mr_html_end(svg->out, name);
}

static void write_root(struct svg *svg, const struct mr_canvas *canvas, const xmlNode *root)
{
	char width[40], height[40], box[96], words[96];
	mr_decimal_text(width, mr_canvas_width(canvas), 1);
	mr_decimal_text(height, mr_canvas_height(canvas), 1);
	snprintf(box, sizeof(box), "0 0 %s %s", width, height);
	snprintf(words, sizeof(words), "%s-t %s-d", svg->id, svg->id);
	mr_html_begin(svg->out, "svg");
	mr_html_attribute(svg->out, "viewBox", box);
	mr_html_attribute(svg->out, "width", width);
	mr_html_attribute(svg->out, "height", height);
	mr_html_attribute(svg->out, "stroke-linejoin", "round");
	mr_html_attribute(svg->out, "role", "img");
	mr_html_attribute(svg->out, "aria-labelledby", words);
	mr_html_open(svg->out);
	write_words(svg, "title", "t", mr_canvas_title(canvas));
	write_words(svg, "desc", "d", mr_canvas_description(canvas));
	write_children(svg, root);
	write_labels(svg, canvas);
	write_areas(svg, canvas);
	mr_html_end(svg->out, "svg");
}

int mr_html_svg(struct mr_canvas *canvas, const char *id, struct mr_buffer *out, struct mr_error *err)
{
	struct mr_buffer drawing = { 0 };
	struct svg svg = { .out = out, .id = id };
	xmlDoc *document = NULL;
	int status = mr_canvas_finish(canvas, &drawing, err);
	if (status < 0)
		goto out;
	document = xmlReadMemory((const char *)drawing.data, (int)drawing.len, "chart.svg", NULL,
	                         XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if (!document || !xmlDocGetRootElement(document)) {
		status = mr_fail(err, MR_ERR_FORMAT, "cairo drew a chart that is no SVG document");
		goto out;
	}
	write_root(&svg, canvas, xmlDocGetRootElement(document));
	status = mr_buffer_status(out, err);
out:
	xmlFreeDoc(document);
	mr_buffer_release(&drawing);
	return status;
}
