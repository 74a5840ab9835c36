/* SPDX-License-Identifier: MIT
 *
 * Binds a template to a scope and writes the page.  A template is well-formed
 * XHTML that opens in a browser as it is; these attributes fill it:
 *
 *   data-each="LIST"      the element once for each item, which becomes the scope
 *   data-with="SCOPE"     that scope, and no element when there is none
 *   data-table="TABLE"    the scope of one table of the log: title, summary, columns,
 *                         rows (each with the columns' names, and cells), hidden; with
 *                         data-sort, data-where, data-filter, data-limit
 *   data-if="NAME"        no element unless it is true (not none, 0, "" or empty); "!NAME"
 *   data-text="NAME"      the text in place of the content; or a pattern "{NAME} of {OTHER}"
 *   data-attr-X="NAME"    attribute X, left out when the value is none or false; or a pattern
 *   data-chart="NAME"     the drawing in place of the content
 *   data-include="FILE"   what the body of another template holds, in place of the content
 *
 * They are looked at in this order.  Names are found in the scope and those
 * around it; an unknown one is an error with the template's file and line.
 *
 * A link to a stylesheet and a script with src are put into the page.  What
 * would make the page ask for anything, or run anything else, is refused; a
 * content security policy says the same to the browser.  Values enter as text
 * and as attribute values only, and as addresses only within the page.
 */
#ifndef MR_HTML_BIND_H
#define MR_HTML_BIND_H

#include "base.h"

struct mr_scope;
struct mr_templates; /* the built-in ones, and files that take their place (html_template.c) */

/* DIRECTORY (NULL: none) is copied; files that it lacks are the built-in ones. */
int mr_templates_new(const char *directory, struct mr_templates **templates, struct mr_error *err)
	MR_MUST_CHECK;
void mr_templates_free(struct mr_templates *templates); /* NULL is fine */
/* Adds a template, style or script held in memory.  TEXT is copied. */
int mr_templates_add(struct mr_templates *templates, const char *name, const char *text, size_t len,
                     struct mr_error *err) MR_MUST_CHECK;

struct mr_table_request { /* any but the name may be NULL */
	const char *name;
	const char *sort;
	const char *where;
	const char *filter;
	const char *limit;
};

/* Where data-table gets its rows from. */
struct mr_table_source {
	void *context;
	int (*fill)(void *context, const struct mr_table_request *request, struct mr_scope *into,
	            struct mr_error *err);
};

/* Appends the page that template NAME makes of SCOPE.  SOURCE may be NULL. */
int mr_html_bind(struct mr_templates *templates, const char *name, const struct mr_scope *scope,
                 const struct mr_table_source *source, struct mr_buffer *out, struct mr_error *err)
	MR_MUST_CHECK;

#endif
