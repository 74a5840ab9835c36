/* SPDX-License-Identifier: MIT
 *
 * The HTML5 writer: see the WHATWG's HTML standard, "Serializing HTML
 * fragments", for which characters need escaping where, and "Void elements".
 */
#include "html_write.h"

static void append(struct mr_buffer *out, const char *text)
{
	mr_buffer_append(out, text, strlen(text));
}

void mr_html_doctype(struct mr_buffer *out)
{
	append(out, "<!DOCTYPE html>\n");
}

void mr_html_begin(struct mr_buffer *out, const char *name)
{
	mr_buffer_put_u8(out, '<');
	append(out, name);
}

static const char *escape_of(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

/* TEXT, escaped.  Line ends and tabs are part of a template's text and stay. */
static void append_escaped(struct mr_buffer *out, const char *text)
{
	for (const char *c = text; *c;) {
		const char *start = c;
		while (*c && !escape_of(*c) && *c != '\n' && *c != '\t')
			c++;
		if (c > start)
			mr_text_show(out, start, (size_t)(c - start), 0);
		if (!*c)
			return;
		if (escape_of(*c))
			append(out, escape_of(*c));
		else
			mr_buffer_put_u8(out, (uint8_t)*c);
		c++;
	}
}

void mr_html_attribute(struct mr_buffer *out, const char *name, const char *value)
{
	mr_buffer_put_u8(out, ' ');
	append(out, name);
	append(out, "=\"");
	append_escaped(out, value);
	mr_buffer_put_u8(out, '"');
}

void mr_html_open(struct mr_buffer *out)
{
	mr_buffer_put_u8(out, '>');
}

void mr_html_open_empty(struct mr_buffer *out)
{
	append(out, "/>");
}

bool mr_html_is_void(const char *name)
{
	static const char *const names[] = { "area",  "base", "br",   "col",    "embed", "hr", "img",
		                             "input", "link", "meta", "source", "track", "wbr" };
	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

void mr_html_end(struct mr_buffer *out, const char *name)
{
	if (mr_html_is_void(name))
		return;
	append(out, "</");
	append(out, name);
	mr_buffer_put_u8(out, '>');
}

void mr_html_text(struct mr_buffer *out, const char *text)
{
	append_escaped(out, text);
}

int mr_html_raw(struct mr_buffer *out, const char *text, size_t len, struct mr_error *err)
{
	MR_FAIL_IF(memmem(text, len, "</", 2), err, MR_ERR_ARG,
	           "a style or script holds '</', which would end it");
	MR_FAIL_IF(memmem(text, len, "<!--", 4), err, MR_ERR_ARG,
	           "a style or script holds '<!--', which hides its end");
	mr_buffer_append(out, text, len);
	return 0;
}
