/* SPDX-License-Identifier: MIT
 *
 * Templates bound to scopes: what each attribute does, what is refused and
 * where, and that hostile values stay text.
 */
#include "html_bind.h"

#include "chart.h"
#include "scope.h"

#include <criterion/criterion.h>

#define HOSTILE "<script>alert(1)</script>\"'&"

static struct mr_templates *templates;
static struct mr_page *page;
static struct mr_scope *root;

static void setup(void)
{
	cr_assert_eq(mr_templates_new(NULL, &templates, NULL), 0);
	page = mr_page_new();
	root = mr_page_root(page);
}

static void teardown(void)
{
	mr_templates_free(templates);
	mr_page_free(page);
}

TestSuite(html_bind, .init = setup, .fini = teardown);

static void add(const char *name, const char *text)
{
	cr_assert_eq(mr_templates_add(templates, name, text, strlen(text), NULL), 0);
}

static int bind(const char *body, struct mr_buffer *out, struct mr_error *err)
{
	char text[4096];

	snprintf(text, sizeof(text),
	         "<html xmlns=\"http://www.w3.org/1999/xhtml\">\n<body>%s</body>\n</html>\n", body);
	add("page", text);
	const int status = mr_html_bind(templates, "page", root, NULL, out, err);
	mr_buffer_put_u8(out, 0);
	return status;
}

static void expect(const char *body, const char *wanted)
{
	struct mr_buffer out = { 0 };
	struct mr_error err = { 0 };
	char whole[4096];

	cr_assert_eq(bind(body, &out, &err), 0, "%s", err.message);
	snprintf(whole, sizeof(whole), "<!DOCTYPE html>\n<html><body>%s</body></html>\n", wanted);
	cr_expect_str_eq((const char *)out.data, whole);
	mr_buffer_release(&out);
}

static void refuse(const char *body, const char *message)
{
	struct mr_buffer out = { 0 };
	struct mr_error err = { 0 };

	cr_expect_lt(bind(body, &out, &err), 0, "%s", body);
	cr_expect_not_null(strstr(err.message, message), "'%s' does not say '%s'", err.message, message);
	mr_buffer_release(&out);
}

Test(html_bind, text__is_a_name_or_a_pattern)
{
	mr_scope_text(root, "name", "Node");
	mr_scope_count(root, "count", 1234);
	mr_scope_none(root, "none");
	expect("<p data-text=\"name\">sample</p>", "<p>Node</p>");
	expect("<p data-text=\"{count} of {name}\">sample</p>", "<p>1,234 of Node</p>");
	expect("<p data-text=\"count.raw\"></p>", "<p>1234</p>");
	expect("<p data-text=\"none\">sample</p>", "<p></p>");
	expect("<p>x &lt; y &amp; z</p>", "<p>x &lt; y &amp; z</p>");
}

Test(html_bind, if__keeps_or_leaves_out)
{
	mr_scope_flag(root, "yes", true);
	mr_scope_list(root, "list");
	expect("<p data-if=\"yes\">a</p><p data-if=\"!yes\">b</p>", "<p>a</p>");
	expect("<p data-if=\"list\">a</p><p data-if=\"!list\">b</p>", "<p>b</p>");
}

Test(html_bind, each__repeats_with_the_item_as_scope)
{
	mr_scope_text(root, "title", "T");
	mr_scope_text(mr_scope_add(root, "items"), "name", "a");
	mr_scope_text(mr_scope_add(root, "items"), "name", "b");
	mr_scope_list(root, "empty");
	expect("<ul><li data-each=\"items\" data-text=\"{title}{name}\">x</li></ul>",
	       "<ul><li>Ta</li><li>Tb</li></ul>");
	expect("<ul><li data-each=\"empty\">x</li></ul>", "<ul></ul>");
	expect("<ul><li data-each=\"items\" data-if=\"!name\">x</li></ul>", "<ul></ul>");
}

Test(html_bind, with__enters_a_scope)
{
	mr_scope_text(mr_scope_child(root, "rest"), "label", "more");
	mr_scope_none(root, "nothing");
	expect("<p data-with=\"rest\" data-text=\"label\"></p>", "<p>more</p>");
	expect("<p data-with=\"nothing\" data-text=\"label\"></p>", "");
}

Test(html_bind, attributes__are_set_or_left_out)
{
	mr_scope_text(root, "id", "a-1");
	mr_scope_flag(root, "open", true);
	mr_scope_flag(root, "closed", false);
	expect("<details data-attr-open=\"open\" data-attr-id=\"id\" id=\"sample\"></details>",
	       "<details open=\"\" id=\"a-1\"></details>");
	expect("<details data-attr-open=\"closed\" open=\"\"></details>", "<details></details>");
	expect("<a data-attr-href=\"#{id}\" href=\"#x\">y</a>", "<a href=\"#a-1\">y</a>");
	expect("<p title=\"a &amp; b\"></p>", "<p title=\"a &amp; b\"></p>");
}

Test(html_bind, include__puts_in_the_body_of_another)
{
	mr_scope_text(root, "name", "N");
	add("part", "<html><head><title>t</title></head><body><b data-text=\"name\"/></body></html>");
	expect("<p data-include=\"part\">x</p>", "<p><b>N</b></p>");
}

Test(html_bind, include__of_itself_ends)
{
	add("part", "<html><body><p data-include=\"part\"/></body></html>");
	refuse("<p data-include=\"part\"/>", "levels deep");
}

Test(html_bind, values__stay_text)
{
	mr_scope_text(root, "name", HOSTILE);
	expect("<p data-attr-title=\"name\" data-text=\"name\"/>",
	       "<p title=\"&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\">"
	       "&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;</p>");
}

Test(html_bind, values__cannot_lead_out_of_the_page)
{
	mr_scope_text(root, "name", "javascript:alert(1)");
	refuse("<a data-attr-href=\"name\">x</a>", "has to stay within the page");
	refuse("<a data-attr-href=\"{name}\">x</a>", "has to stay within the page");
	refuse("<img data-attr-src=\"name\"/>", "has to stay within the page");
	refuse("<p data-attr-onclick=\"name\"/>", "is not allowed");
	refuse("<p data-attr-style=\"name\"/>", "is not allowed");
}

Test(html_bind, templates__cannot_ask_for_anything)
{
	refuse("<img src=\"http://example.org/x.png\"/>", "page:2:");
	refuse("<iframe src=\"x\"/>", "not allowed");
	refuse("<script>alert(1)</script>", "not allowed");
	refuse("<style>p{}</style>", "not allowed");
	refuse("<p onclick=\"x\"/>", "not allowed");
	refuse("<a href=\"javascript:x\">y</a>", "has to stay");
	refuse("<meta http-equiv=\"refresh\" content=\"0\"/>", "not allowed");
	expect("<a href=\"https://example.org/\">y</a>", "<a href=\"https://example.org/\">y</a>");
}

Test(html_bind, mistakes__are_named_with_file_and_line)
{
	mr_scope_text(root, "name", "x");
	mr_scope_list(root, "list");
	refuse("<p>\n\n<b data-text=\"nmae\"/></p>", "page:4: nothing is named 'nmae'");
	refuse("<p data-each=\"name\"/>", "is not a list");
	refuse("<p data-with=\"list\"/>", "is not a scope");
	refuse("<p data-chart=\"name\"/>", "is not a chart");
	refuse("<p data-text=\"{name\"/>", "without '}'");
	refuse("<p data-table=\"runs\"/>", "no tables here");
	refuse("<p data-include=\"missing\"/>", "there is no template 'missing'");
	refuse("<p data-include=\"../secret\"/>", "does not name a template");
	refuse("<p>", "page:2:");
	refuse("<p>&nbsp;</p>", "page:2:");
}

Test(html_bind, entities__of_a_templates_own_are_refused)
{
	struct mr_buffer out = { 0 };
	struct mr_error err = { 0 };

	add("page", "<!DOCTYPE html [<!ENTITY a \"aaaa\"><!ENTITY b SYSTEM \"/etc/passwd\">]>"
	            "<html><p>&a;&b;</p></html>");
	cr_expect_lt(mr_html_bind(templates, "page", root, NULL, &out, &err), 0);
	mr_buffer_release(&out);
}

Test(html_bind, head__gets_a_policy_with_the_hashes_of_its_assets)
{
	struct mr_buffer out = { 0 };

	add("a.css", "abc");
	add("a.js", "abc");
	add("page", "<html><head><meta charset=\"utf-8\"/><link rel=\"stylesheet\" href=\"a.css\"/></head>"
	            "<body><script src=\"a.js\"></script></body></html>");
	cr_assert_eq(mr_html_bind(templates, "page", root, NULL, &out, NULL), 0);
	mr_buffer_put_u8(&out, 0);
	const char *text = (const char *)out.data;
	cr_expect_not_null(
		strstr(text, "<head><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" "
	                     "content=\"default-src &#39;none&#39;;"));
	cr_expect_not_null(
		strstr(text, "style-src &#39;sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=&#39;"));
	cr_expect_not_null(strstr(text, "<style>abc</style>"));
	cr_expect_not_null(strstr(text, "<script>abc</script>"));
	mr_buffer_release(&out);
}

Test(html_bind, chart__becomes_svg_with_its_words)
{
	static const struct mr_share shares[] = { { HOSTILE, 3, MR_PAINT_SERIES_1 },
		                                  { "b", 1, MR_PAINT_OTHER } };
	struct mr_chart chart = {
		.kind = MR_CHART_DONUT, .width = 100, .title = HOSTILE, .description = "d"
	};
	struct mr_buffer out = { 0 };

	chart.of.donut = (struct mr_donut){ 2, shares, HOSTILE, "" };
	mr_scope_chart(root, "one", &chart);
	mr_scope_chart(root, "none", NULL);
	cr_assert_eq(
		bind("<i data-chart=\"one\"/><b data-chart=\"one\"/><p data-chart=\"none\"/>", &out, NULL),
		0);
	const char *text = (const char *)out.data;
	cr_expect_not_null(strstr(text, "aria-labelledby=\"chart1-t chart1-d\""));
	cr_expect_not_null(strstr(text, "<title id=\"chart2-t\">&lt;script&gt;"));
	cr_expect_not_null(strstr(text, "fill=\"var(--s1)\""));
	cr_expect_null(strstr(text, "<script"));
	cr_expect_null(strstr(text, "style="));
	cr_expect_null(strstr(text, "xmlns"));
	cr_expect_not_null(strstr(text, "<p></p>"));
	mr_buffer_release(&out);
}

Test(html_bind, whitespace__is_for_the_templates_reader)
{
	expect("\n  <ul>\n    <li>a\n       b</li>\n  </ul>\n", "<ul><li>a b</li></ul>");
	expect("<p><b>a</b> <i>b</i></p>", "<p><b>a</b> <i>b</i></p>");
	expect("<pre>a\n  b</pre>", "<pre>a\n  b</pre>");
}
