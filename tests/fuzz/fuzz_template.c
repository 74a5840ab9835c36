/* SPDX-License-Identifier: MIT
 *
 * The template binder: whatever a template holds, it is either refused with a
 * message or makes a page; and no value of the log comes out as markup.
 */
#include <stdlib.h>

#include "chart.h"
#include "html_bind.h"
#include "scope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOSTILE "<x-hostile>"

static void require(bool holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "fuzz_template: %s\n", what);
		abort();
	}
}

static int fill(void *context, const struct mr_table_request *request, struct mr_scope *into,
                struct mr_error *err)
{
	(void)context;
	if (request->name[0] == '\0')
		return mr_fail(err, MR_ERR_ARG, "there is no table ''");
	mr_scope_text(into, "table", request->name);
	mr_scope_text(mr_scope_add(into, "rows"), "name", HOSTILE);
	return 0;
}

/* Names that the corpus uses. */
static void fill_scope(struct mr_scope *root, const struct mr_chart *chart)
{
	mr_scope_text(root, "name", HOSTILE "\"'&\x01\xff");
	mr_scope_count(root, "count", 12);
	mr_scope_flag(root, "yes", true);
	mr_scope_none(root, "none");
	mr_scope_chart(root, "chart", chart);
	mr_scope_text(mr_scope_child(root, "rest"), "label", HOSTILE);
	for (int i = 0; i < 3; i++)
		mr_scope_text(mr_scope_add(root, "list"), "name", HOSTILE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mr_share shares[] = { { HOSTILE, 3, MR_PAINT_SERIES_1 },
		                                  { "b", 1, MR_PAINT_OTHER } };
	const struct mr_chart chart = { .kind = MR_CHART_DONUT,
		                        .width = 60,
		                        .title = HOSTILE,
		                        .description = HOSTILE,
		                        .of.donut = { 2, shares, HOSTILE, HOSTILE } };
	const struct mr_table_source source = { NULL, fill };
	struct mr_templates *templates = NULL;
	struct mr_page *page = mr_page_new();
	struct mr_buffer out = { 0 };
	struct mr_error err = { 0 };

	require(page && mr_templates_new(NULL, &templates, &err) == 0, "no memory");
	fill_scope(mr_page_root(page), &chart);
	require(mr_templates_add(templates, "fuzz", (const char *)data, size, &err) == 0, "no memory");
	const int code = mr_html_bind(templates, "fuzz", mr_page_root(page), &source, &out, &err);

	require((code < 0) == (err.message[0] != '\0'),
	        "a refusal without a word, or a word without a refusal");
	if (code == 0 && out.len > 0 && !memmem(data, size, "hostile", 7))
		require(!memmem(out.data, out.len, HOSTILE, strlen(HOSTILE)), "a value came out as markup");
	mr_buffer_release(&out);
	mr_templates_free(templates);
	mr_page_free(page);
	return 0;
}
