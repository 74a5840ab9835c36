/* SPDX-License-Identifier: MIT
 *
 * Writes HTML5, element by element, into a buffer.  libxml2 2.9 knows HTML 4
 * and XHTML only, and either breaks void elements, scripts or svg in a page.
 *
 * Nothing that goes in as text or as an attribute's value can come out as
 * markup: it is escaped, and what must not be shown (controls, broken UTF-8)
 * is made visible.  Errors stick to the buffer.
 */
#ifndef MR_HTML_WRITE_H
#define MR_HTML_WRITE_H

#include "base.h"

void mr_html_doctype(struct mr_buffer *out);
/* "<NAME"; attributes may follow, until mr_html_open() ends the tag. */
void mr_html_begin(struct mr_buffer *out, const char *name);
void mr_html_attribute(struct mr_buffer *out, const char *name, const char *value);
void mr_html_open(struct mr_buffer *out);
/* "/>" in place of mr_html_open(): an svg element without content. */
void mr_html_open_empty(struct mr_buffer *out);
/* Nothing for a void element. */
void mr_html_end(struct mr_buffer *out, const char *name);
void mr_html_text(struct mr_buffer *out, const char *text);
/* The content of a style or script element as it is.  MR_ERR_ARG when it holds
 * "</" or "<!--", with which it could end early. */
int mr_html_raw(struct mr_buffer *out, const char *text, size_t len, struct mr_error *err) MR_MUST_CHECK;
bool mr_html_is_void(const char *name); /* br, img, ... */

/* The base64 SHA-256 of DATA, as a content security policy names a style or script. */
void mr_html_hash(char out[48], const void *data, size_t len);

#endif
