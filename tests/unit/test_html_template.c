/* SPDX-License-Identifier: MIT
 *
 * Templates: found in a directory or built in, parsed, and nothing but files.
 */
#include "html_template.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/memreport-templates-XXXXXX";

static void setup(void)
{
	cr_assert_not_null(mkdtemp(directory));
}

static void teardown(void)
{
	static const char *const names[] = { "style.css", "bad.html" };
	char path[128];

	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	rmdir(directory);
}

TestSuite(html_template, .init = setup, .fini = teardown);

static void write_file(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	FILE *file = fopen(path, "w");
	cr_assert_not_null(file);
	fputs(text, file);
	fclose(file);
}

Test(html_template, builtin__all_parse)
{
	struct mr_templates *templates = NULL;
	size_t count;
	const struct mr_builtin *files = mr_builtin_list(&count);

	cr_assert_eq(mr_templates_new(NULL, &templates, NULL), 0);
	cr_assert_gt(count, 3);
	for (size_t i = 0; i < count; i++) {
		struct mr_error err = { 0 };
		xmlDoc *document = NULL;

		if (strstr(files[i].name, ".html"))
			cr_expect_eq(mr_templates_document(templates, files[i].name, &document, &err), 0,
			             "%s", err.message);
	}
	mr_templates_free(templates);
}

Test(html_template, directory__comes_first_and_loses_carriage_returns)
{
	struct mr_templates *templates = NULL;
	const char *text;
	size_t len;
	xmlDoc *document = NULL;

	write_file("style.css", "p{}\r\nq{}\r\n");
	cr_assert_eq(mr_templates_new(directory, &templates, NULL), 0);
	cr_assert_eq(mr_templates_asset(templates, "style.css", &text, &len, NULL), 0);
	cr_expect_eq(len, 8);
	cr_expect_eq(memcmp(text, "p{}\nq{}\n", 8), 0);
	cr_expect_eq(mr_templates_document(templates, "report.html", &document, NULL), 0, "the built-in one");
	mr_templates_free(templates);
}

Test(html_template, mistakes__are_named)
{
	struct mr_templates *templates = NULL;
	struct mr_error err = { 0 };
	xmlDoc *document = NULL;
	const char *text;
	size_t len;

	cr_expect_eq(mr_templates_new("/no/such/place", &templates, &err), MR_ERR_READ);
	cr_expect_not_null(strstr(err.message, "/no/such/place"));
	write_file("bad.html", "<html>\n<p></html>\n");
	cr_assert_eq(mr_templates_new(directory, &templates, NULL), 0);
	err = (struct mr_error){ 0 };
	cr_expect_lt(mr_templates_document(templates, "bad.html", &document, &err), 0);
	cr_expect_not_null(strstr(err.message, "bad.html:2:"), "%s", err.message);
	cr_expect_lt(mr_templates_asset(templates, "../style.css", &text, &len, NULL), 0);
	cr_expect_lt(mr_templates_asset(templates, "", &text, &len, NULL), 0);
	cr_expect_lt(mr_templates_asset(templates, ".", &text, &len, NULL), 0);
	mr_templates_free(templates);
}
