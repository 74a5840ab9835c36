/* SPDX-License-Identifier: MIT
 *
 * Walks a template's tree and writes the page as it goes: nothing is copied,
 * repeated elements are written repeatedly.
 */
#include "html_bind.h"

#include "chart.h"
#include "html_svg.h"
#include "html_template.h"
#include "html_write.h"
#include "scope.h"

#include <libxml/tree.h>

#define INCLUDE_DEPTH_MAX 16
#define SPACES " \n\t\r"
#define TEXT_MAX (64u << 10) /* bytes that a pattern may grow to */

struct bind {
	struct mr_templates *templates;
	const struct mr_table_source *source;
	struct mr_buffer *out;
	struct mr_buffer scratch; /* the text of one pattern */
	const char *policy;       /* for the page's head */
	unsigned depth;           /* of includes */
	unsigned chart_count;
	struct mr_error *err;
};

static int bind_children(struct bind *bind, const xmlNode *parent, const struct mr_scope *scope);

/* ---- Reading the template -------------------------------------------------- */

static int fail_at(struct bind *bind, const xmlNode *node, const char *format, ...) MR_PRINTF(3, 4);

static int fail_at(struct bind *bind, const xmlNode *node, const char *format, ...)
{
	char message[768];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	return mr_fail(bind->err, MR_ERR_FORMAT, "%s:%ld: %s", (const char *)node->doc->URL,
	               xmlGetLineNo(node), message);
}

/* The value of a plain attribute, "" for an empty one, NULL when it is not there. Borrowed. */
static const char *attribute_of(const xmlNode *node, const char *name)
{
	for (const xmlAttr *attribute = node->properties; attribute; attribute = attribute->next)
		if (strcmp((const char *)attribute->name, name) == 0)
			return attribute->children && attribute->children->content
			               ? (const char *)attribute->children->content
			               : "";
	return NULL;
}

static bool is_named(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

static int find_value(struct bind *bind, const xmlNode *node, const struct mr_scope *scope, const char *name,
                      size_t len, struct mr_value *value)
{
	if (mr_scope_find(scope, name, len, value))
		return 0;
	return fail_at(bind, node, "nothing is named '%.*s' here", len > 80 ? 80 : (int)len, name);
}

/* ---- Values ---------------------------------------------------------------- */

static const char *text_of(const struct mr_value *value)
{
	switch (value->kind) {
	case MR_VALUE_TEXT:
		return value->text;
	case MR_VALUE_FLAG:
		return value->flag ? "yes" : "no";
	default:
		return "";
	}
}

/* Expands "text {name} text" into the scratch buffer. */
static int expand(struct bind *bind, const xmlNode *node, const struct mr_scope *scope, const char *pattern)
{
	mr_buffer_clear(&bind->scratch);
	for (const char *c = pattern; *c;) {
		const char *brace = strchr(c, '{');
		const char *end = brace ? strchr(brace, '}') : NULL;
		if (brace && !end)
			return fail_at(bind, node, "'{' without '}' in \"%.80s\"", pattern);
		mr_buffer_append(&bind->scratch, c, brace ? (size_t)(brace - c) : strlen(c));
		if (!brace)
			break;
		struct mr_value value;
		MR_TRY(find_value(bind, node, scope, brace + 1, (size_t)(end - brace - 1), &value));
		mr_buffer_append(&bind->scratch, text_of(&value), strlen(text_of(&value)));
		c = end + 1;
		if (bind->scratch.len > TEXT_MAX)
			return fail_at(bind, node, "a text grows past %u bytes", TEXT_MAX);
	}
	mr_buffer_put_u8(&bind->scratch, 0);
	return mr_buffer_status(&bind->scratch, bind->err);
}

/* The text that NAME_OR_PATTERN stands for; *TEXT is NULL for none and false. Good until the next call. */
static int text_value(struct bind *bind, const xmlNode *node, const struct mr_scope *scope,
                      const char *name_or_pattern, const char **text)
{
	struct mr_value value;
	if (strchr(name_or_pattern, '{')) {
		MR_TRY(expand(bind, node, scope, name_or_pattern));
		*text = (const char *)bind->scratch.data;
		return 0;
	}
	MR_TRY(find_value(bind, node, scope, name_or_pattern, strlen(name_or_pattern), &value));
	if (value.kind == MR_VALUE_FLAG)
		*text = value.flag ? "" : NULL;
	else
		*text = value.kind == MR_VALUE_TEXT ? value.text : NULL;
	return 0;
}

/* ---- Attributes ------------------------------------------------------------ */

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static bool is_address(const char *name)
{
	static const char *const names[] = { "href",     "src",     "srcset",     "action", "formaction",
		                             "data",     "poster",  "background", "cite",   "ping",
		                             "manifest", "archive", "codebase" };
	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

/* What an attribute of that name, whoever gave the value, must not do. */
static int check_attribute(struct bind *bind, const xmlNode *node, const char *name, const char *value,
                           bool literal)
{
	if (strncasecmp(name, "on", 2) == 0 || strcasecmp(name, "style") == 0 ||
	    strcasecmp(name, "srcdoc") == 0)
		return fail_at(bind, node,
		               "attribute '%.40s' is not allowed: scripts and styles have files of their own",
		               name);
	if (!is_address(name) || value[0] == '#')
		return 0;
	if (literal && starts_with(value, "data:image/"))
		return 0;
	if (literal && is_named(node, "a") &&
	    (starts_with(value, "https://") || starts_with(value, "http://")))
		return 0;
	return fail_at(bind, node, "'%.40s' has to stay within the page: it starts with '#', not \"%.40s\"",
	               name, value);
}

static bool is_directive(const char *name)
{
	static const char *const names[] = { "data-each",  "data-with",   "data-table",  "data-sort",
		                             "data-where", "data-filter", "data-limit",  "data-if",
		                             "data-text",  "data-chart",  "data-include" };
	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return starts_with(name, "data-attr-");
}

static int write_bound(struct bind *bind, const xmlNode *node, const struct mr_scope *scope)
{
	for (const xmlAttr *attribute = node->properties; attribute; attribute = attribute->next) {
		const char *name = (const char *)attribute->name;
		const char *value = NULL;
		if (!starts_with(name, "data-attr-"))
			continue;
		MR_TRY(text_value(bind, node, scope, attribute_of(node, name), &value));
		name += strlen("data-attr-");
		if (!value)
			continue;
		MR_TRY(check_attribute(bind, node, name, value, false));
		mr_html_attribute(bind->out, name, value);
	}
	return 0;
}

static int write_attributes(struct bind *bind, const xmlNode *node, const struct mr_scope *scope)
{
	char bound[128];
	for (const xmlAttr *attribute = node->properties; attribute; attribute = attribute->next) {
		const char *name = (const char *)attribute->name;
		snprintf(bound, sizeof(bound), "data-attr-%s", name);
		if (is_directive(name) || attribute_of(node, bound))
			continue;
		if (attribute->ns)
			continue; /* xml:lang and the like mean nothing in HTML */
		const char *value = attribute_of(node, name);
		MR_TRY(check_attribute(bind, node, name, value, true));
		mr_html_attribute(bind->out, name, value);
	}
	return write_bound(bind, node, scope);
}

/* ---- Text ------------------------------------------------------------------ */

/* Whether white space between the children of this element shows nowhere. */
static bool has_only_elements(const xmlNode *node)
{
	static const char *const names[] = { "html",    "head",    "body",   "main",     "header", "footer",
		                             "section", "article", "nav",    "div",      "table",  "thead",
		                             "tbody",   "tfoot",   "tr",     "colgroup", "ul",     "ol",
		                             "dl",      "details", "figure", "svg" };
	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++)
		if (is_named(node, names[i]))
			return true;
	return false;
}

/* A template's own text, its indentation and line ends as one space each. */
static int write_text(struct bind *bind, const xmlNode *node)
{
	const char *text = node->content ? (const char *)node->content : "";
	if (is_named(node->parent, "pre")) {
		mr_html_text(bind->out, text);
		return 0;
	}
	if (text[strspn(text, SPACES)] == '\0' && has_only_elements(node->parent))
		return 0;
	mr_buffer_clear(&bind->scratch);
	for (const char *c = text; *c;) {
		const size_t spaces = strspn(c, SPACES);
		const size_t word = strcspn(c + spaces, SPACES);
		if (spaces > 0)
			mr_buffer_put_u8(&bind->scratch, ' ');
		mr_buffer_append(&bind->scratch, c + spaces, word);
		c += spaces + word;
	}
	mr_buffer_put_u8(&bind->scratch, 0);
	MR_TRY(mr_buffer_status(&bind->scratch, bind->err));
	mr_html_text(bind->out, (const char *)bind->scratch.data);
	return 0;
}

/* ---- Style, script and policy ------------------------------------------------ */

static bool is_stylesheet(const xmlNode *node)
{
	const char *rel = is_named(node, "link") ? attribute_of(node, "rel") : NULL;
	return rel && strcmp(rel, "stylesheet") == 0;
}

/* The file that the element stands for, NULL when it stands for none. */
static const char *asset_of(const xmlNode *node)
{
	return is_stylesheet(node)        ? attribute_of(node, "href")
	       : is_named(node, "script") ? attribute_of(node, "src")
	                                  : NULL;
}

static int write_asset(struct bind *bind, const xmlNode *node)
{
	const char *const element = is_stylesheet(node) ? "style" : "script";
	const char *text;
	size_t len;
	MR_TRY(mr_templates_asset(bind->templates, asset_of(node), &text, &len, bind->err));
	mr_html_begin(bind->out, element);
	mr_html_open(bind->out);
	if (mr_html_raw(bind->out, text, len, bind->err) < 0) {
		if (bind->err)
			mr_error_prepend(bind->err, "%s", asset_of(node));
		return MR_ERR_ARG;
	}
	mr_html_end(bind->out, element);
	return 0;
}

/* Appends " 'sha256-...'" for each style (or script) below PARENT. */
static int list_hashes(struct bind *bind, const xmlNode *parent, bool styles, struct mr_buffer *policy)
{
	for (const xmlNode *node = parent->children; node; node = node->next) {
		if (node->type != XML_ELEMENT_NODE)
			continue;
		MR_TRY(list_hashes(bind, node, styles, policy));
		if (!asset_of(node) || is_stylesheet(node) != styles)
			continue;
		const char *text;
		size_t len;
		char hash[48];
		const int status =
			mr_templates_asset(bind->templates, asset_of(node), &text, &len, bind->err);
		if (status < 0) {
			if (bind->err)
				mr_error_prepend(bind->err, "%s:%ld", (const char *)node->doc->URL,
				                 xmlGetLineNo(node));
			return status;
		}
		mr_html_hash(hash, text, len);
		mr_buffer_printf(policy, " 'sha256-%s'", hash);
	}
	return 0;
}

static int make_policy(struct bind *bind, const xmlNode *root, struct mr_buffer *policy)
{
	mr_buffer_printf(policy,
	                 "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; style-src");
	size_t before = policy->len;
	MR_TRY(list_hashes(bind, root, true, policy));
	if (policy->len == before)
		mr_buffer_printf(policy, " 'none'");
	mr_buffer_printf(policy, "; script-src");
	before = policy->len;
	MR_TRY(list_hashes(bind, root, false, policy));
	if (policy->len == before)
		mr_buffer_printf(policy, " 'none'");
	mr_buffer_put_u8(policy, 0);
	return mr_buffer_status(policy, bind->err);
}

/* First in the head, before anything that it governs. */
static void write_policy(struct bind *bind)
{
	mr_html_begin(bind->out, "meta");
	mr_html_attribute(bind->out, "charset", "utf-8");
	mr_html_open(bind->out);
	mr_html_begin(bind->out, "meta");
	mr_html_attribute(bind->out, "http-equiv", "Content-Security-Policy");
	mr_html_attribute(bind->out, "content", bind->policy);
	mr_html_open(bind->out);
}

/* ---- Elements ---------------------------------------------------------------- */

static int bind_chart(struct bind *bind, const xmlNode *node, const struct mr_scope *scope, const char *name)
{
	struct mr_value value;
	MR_TRY(find_value(bind, node, scope, name, strlen(name), &value));
	if (value.kind == MR_VALUE_NONE)
		return 0;
	if (value.kind != MR_VALUE_CHART)
		return fail_at(bind, node, "'%.80s' is not a chart", name);
	char id[32];
	snprintf(id, sizeof(id), "chart%u", ++bind->chart_count);
	struct mr_canvas *canvas = mr_chart_canvas(value.chart, MR_CANVAS_SVG);
	MR_FAIL_IF(!canvas, bind->err, MR_ERR_NOMEM, "no memory for a drawing");
	const int status = mr_html_svg(canvas, id, bind->out, bind->err);
	mr_canvas_free(canvas);
	return status;
}

static int bind_include(struct bind *bind, const xmlNode *node, const struct mr_scope *scope,
                        const char *name)
{
	if (bind->depth >= INCLUDE_DEPTH_MAX)
		return fail_at(bind, node, "'%.80s' is included %u levels deep", name, bind->depth);
	xmlDoc *document = NULL;
	const int status = mr_templates_document(bind->templates, name, &document, bind->err);
	if (status < 0) {
		if (bind->err && !strstr(bind->err->message, name))
			mr_error_prepend(bind->err, "%s:%ld", (const char *)node->doc->URL,
			                 xmlGetLineNo(node));
		return status;
	}
	const xmlNode *body = xmlDocGetRootElement(document);
	if (is_named(body, "html")) {
		body = body->children;
		while (body && !is_named(body, "body"))
			body = body->next;
	}
	if (!body)
		return fail_at(bind, node, "template '%.80s' has no body", name);
	bind->depth++;
	MR_TRY(bind_children(bind, body, scope));
	bind->depth--;
	return 0;
}

static int bind_content(struct bind *bind, const xmlNode *node, const struct mr_scope *scope)
{
	const char *text = attribute_of(node, "data-text");
	const char *chart = attribute_of(node, "data-chart");
	const char *include = attribute_of(node, "data-include");
	if (text) {
		const char *value = NULL;
		MR_TRY(text_value(bind, node, scope, text, &value));
		mr_html_text(bind->out, value ? value : "");
		return 0;
	}
	if (chart)
		return bind_chart(bind, node, scope, chart);
	if (include)
		return bind_include(bind, node, scope, include);
	return bind_children(bind, node, scope);
}

/* What has no place in a page that stands alone. */
static int check_element(struct bind *bind, const xmlNode *node)
{
	static const char *const refused[] = { "iframe", "frame",  "object", "embed",    "applet",  "base",
		                               "style",  "script", "form",   "noscript", "template" };
	for (size_t i = 0; i < MR_ARRAY_LEN(refused); i++)
		if (strcasecmp((const char *)node->name, refused[i]) == 0)
			return fail_at(bind, node, "element '%s' is not allowed here", refused[i]);
	const char *equivalent = is_named(node, "meta") ? attribute_of(node, "http-equiv") : NULL;
	if (equivalent)
		return fail_at(bind, node,
		               "meta http-equiv is not allowed: the page has a policy of its own");
	return 0;
}

static int bind_element(struct bind *bind, const xmlNode *node, const struct mr_scope *scope)
{
	const char *name = (const char *)node->name;
	if (asset_of(node)) {
		if (bind->depth > 0)
			return fail_at(bind, node,
			               "styles and scripts belong into the head of the outermost template");
		return write_asset(bind, node);
	}
	if (is_named(node, "meta") && attribute_of(node, "charset"))
		return 0;
	MR_TRY(check_element(bind, node));
	mr_html_begin(bind->out, name);
	MR_TRY(write_attributes(bind, node, scope));
	mr_html_open(bind->out);
	if (is_named(node, "head"))
		write_policy(bind);
	if (mr_html_is_void(name))
		return 0;
	MR_TRY(bind_content(bind, node, scope));
	mr_html_end(bind->out, name);
	return 0;
}

/* An attribute of a table request, expanded; NULL when it is not there. */
static int request_part(struct bind *bind, const xmlNode *node, const struct mr_scope *scope,
                        const char *attribute, struct mr_scope *into, const char **part)
{
	const char *pattern = attribute_of(node, attribute);
	if (!pattern)
		return 0;
	MR_TRY(expand(bind, node, scope, pattern));
	*part = mr_page_copy(mr_scope_page(into), (const char *)bind->scratch.data, 0);
	return 0;
}

static int enter_table(struct bind *bind, const xmlNode *node, const struct mr_scope **scope)
{
	struct mr_table_request request = { 0 };
	struct mr_scope *inner = mr_scope_within(*scope);
	MR_FAIL_IF(!inner, bind->err, MR_ERR_NOMEM, "no memory for the report");
	if (!bind->source)
		return fail_at(bind, node, "there are no tables here");
	MR_TRY(request_part(bind, node, *scope, "data-table", inner, &request.name));
	MR_TRY(request_part(bind, node, *scope, "data-sort", inner, &request.sort));
	MR_TRY(request_part(bind, node, *scope, "data-where", inner, &request.where));
	MR_TRY(request_part(bind, node, *scope, "data-filter", inner, &request.filter));
	MR_TRY(request_part(bind, node, *scope, "data-limit", inner, &request.limit));
	const int status = bind->source->fill(bind->source->context, &request, inner, bind->err);
	if (status < 0) {
		if (bind->err)
			mr_error_prepend(bind->err, "%s:%ld", (const char *)node->doc->URL,
			                 xmlGetLineNo(node));
		return status;
	}
	*scope = inner;
	return 0;
}

/* The element for one scope: its data-with, data-table and data-if, then itself. */
static int bind_one(struct bind *bind, const xmlNode *node, const struct mr_scope *scope)
{
	const char *with = attribute_of(node, "data-with");
	const char *condition = attribute_of(node, "data-if");
	struct mr_value value;
	if (with) {
		MR_TRY(find_value(bind, node, scope, with, strlen(with), &value));
		if (value.kind == MR_VALUE_NONE)
			return 0;
		if (value.kind != MR_VALUE_SCOPE)
			return fail_at(bind, node, "'%.80s' is not a scope", with);
		scope = value.scope;
	}
	if (attribute_of(node, "data-table"))
		MR_TRY(enter_table(bind, node, &scope));
	if (condition) {
		const bool negated = condition[0] == '!';
		condition += negated;
		MR_TRY(find_value(bind, node, scope, condition, strlen(condition), &value));
		if (mr_value_is_true(&value) == negated)
			return 0;
	}
	return bind_element(bind, node, scope);
}

static int bind_each(struct bind *bind, const xmlNode *node, const struct mr_scope *scope, const char *name)
{
	struct mr_value value;
	MR_TRY(find_value(bind, node, scope, name, strlen(name), &value));
	if (value.kind == MR_VALUE_NONE)
		return 0;
	if (value.kind != MR_VALUE_LIST)
		return fail_at(bind, node, "'%.80s' is not a list", name);
	for (const struct mr_scope *item = value.scope; item; item = mr_scope_next(item))
		MR_TRY(bind_one(bind, node, item));
	return 0;
}

static int bind_node(struct bind *bind, const xmlNode *node, const struct mr_scope *scope)
{
	switch (node->type) {
	case XML_ELEMENT_NODE: {
		const char *each = attribute_of(node, "data-each");
		return each ? bind_each(bind, node, scope, each) : bind_one(bind, node, scope);
	}
	case XML_TEXT_NODE:
		return write_text(bind, node);
	case XML_COMMENT_NODE:
	case XML_PI_NODE:
		return 0;
	default:
		return fail_at(bind, node, "entities are not allowed: write the character itself");
	}
}

static int bind_children(struct bind *bind, const xmlNode *parent, const struct mr_scope *scope)
{
	for (const xmlNode *node = parent->children; node; node = node->next)
		MR_TRY(bind_node(bind, node, scope));
	return 0;
}

int mr_html_bind(struct mr_templates *templates, const char *name, const struct mr_scope *scope,
                 const struct mr_table_source *source, struct mr_buffer *out, struct mr_error *err)
{
	struct bind bind = { .templates = templates, .source = source, .out = out, .err = err };
	struct mr_buffer policy = { 0 };
	xmlDoc *document = NULL;
	MR_TRY(mr_templates_document(templates, name, &document, err));
	const xmlNode *root = xmlDocGetRootElement(document);
	int status = make_policy(&bind, root, &policy);
	if (status == 0) {
		bind.policy = (const char *)policy.data;
		mr_html_doctype(out);
		status = bind_node(&bind, root, scope);
	}
	if (status == 0)
		mr_buffer_put_u8(out, '\n');
	mr_buffer_release(&policy);
	mr_buffer_release(&bind.scratch);
	return status < 0 ? status : mr_buffer_status(out, err);
}
