/* SPDX-License-Identifier: MIT
 *
 * Puts a finished SVG canvas into a page.  Private to html_*.c.
 */
#ifndef MR_HTML_SVG_H
#define MR_HTML_SVG_H

#include "canvas.h"

/* Appends CANVAS's drawing as an svg element.  ID makes its ids and references
 * unique in the page. */
int mr_html_svg(struct mr_canvas *canvas, const char *id, struct mr_buffer *out, struct mr_error *err)
	MR_MUST_CHECK;

#endif
