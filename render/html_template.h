/* SPDX-License-Identifier: MIT
 *
 * Templates: the project's own, built in, or files of a directory that take
 * their place.  A template is a well-formed XHTML document; it is parsed once
 * and kept.  Private to html_*.c, the only files that know libxml2.
 */
#ifndef MR_HTML_TEMPLATE_H
#define MR_HTML_TEMPLATE_H

#include "html_bind.h"

#include <libxml/tree.h>

#define MR_TEMPLATE_SIZE_MAX (1u << 20)

/* A style or script, without carriage returns (which browsers drop before they hash).
 * Borrowed from the templates. */
int mr_templates_asset(struct mr_templates *templates, const char *name, const char **text, size_t *len,
                       struct mr_error *err) MR_MUST_CHECK;
/* The parsed document; its URL is what messages call it.  Borrowed. */
int mr_templates_document(struct mr_templates *templates, const char *name, xmlDoc **document,
                          struct mr_error *err) MR_MUST_CHECK;

/* ---- The built-in files (html_builtin.c) ---------------------------------- */

struct mr_builtin {
	const char *name;
	const char *data;
	const char *end;
};

const struct mr_builtin *mr_builtin_find(const char *name); /* NULL when there is none */
const struct mr_builtin *mr_builtin_list(size_t *count);

#endif
