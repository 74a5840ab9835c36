/* SPDX-License-Identifier: MIT
 *
 * Single drawings: each chart in each form, and what is not there to be drawn.
 */
#include "memreport.h"

#include "base.h"
#include "log_builder.h"

#include <criterion/criterion.h>
#include <libxml/parser.h>
#include <stdlib.h>

static struct log_builder builder;
static struct memstats_log *logged;
static struct memreport *report;

static void open_log(void (*build)(struct log_builder *))
{
	build(&builder);
	cr_assert_eq(
		memstats_log_open_memory(builder.bytes.data, builder.bytes.len, "made.dat", &logged, NULL),
		0);
	cr_assert_eq(memreport_new(logged, NULL, &report, NULL), 0);
}

static void build_nothing(struct log_builder *log)
{
	log_builder_begin(log);
	log_builder_frame(log, 1);
	log_builder_stream(log, 42, MR_SOURCE_TRACKER, 0);
	log_builder_frame_end(log, 0, 0);
	log_builder_end(log, 0, MR_END_CLOSED);
}

static void teardown(void)
{
	memreport_free(report);
	memstats_log_close(logged);
	log_builder_release(&builder);
	xmlCleanupParser();
}

TestSuite(report_drawing, .fini = teardown);

/* The bytes of a drawing, to be freed; NULL with *CODE and the error. */
static char *drawn(const struct memreport_drawing *drawing, enum memreport_format format, size_t *len,
                   int *code, struct memreport_error *error)
{
	char *text = NULL;
	FILE *stream = open_memstream(&text, len);

	cr_assert_not_null(stream);
	*code = memreport_draw(report, drawing, format, stream, error);
	fclose(stream);
	if (*code == 0)
		return text;
	cr_expect_eq(*len, 0, "nothing is written of what fails");
	free(text);
	return NULL;
}

/* The name of a class that has objects. */
static const char *some_class(struct memstats_table **table)
{
	cr_assert_eq(memstats_table_new(logged, "objects", NULL, table, NULL), 0);
	return memstats_table_text(*table, 0, (size_t)memstats_table_find_column(*table, "class"));
}

Test(report_drawing, draw__gives_each_chart_in_each_form)
{
	static const struct {
		enum memreport_format format;
		const char *start;
	} forms[] = { { MEMREPORT_PNG, "\x89PNG" },
		      { MEMREPORT_PDF, "%PDF" },
		      { MEMREPORT_SVG, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=" } };
	struct memstats_table *table = NULL;
	open_log(log_builder_sample);
	const struct memreport_drawing drawings[] = { { MEMREPORT_CHART_TIMELINE, 0, NULL },
		                                      { MEMREPORT_CHART_SNAPSHOT, 1, NULL },
		                                      { MEMREPORT_CHART_CLASS, 0, some_class(&table) } };

	for (size_t i = 0; i < MR_ARRAY_LEN(drawings); i++)
		for (size_t k = 0; k < MR_ARRAY_LEN(forms); k++) {
			struct memreport_error error = { 0, "" };
			size_t len = 0;
			int code = 0;
			char *text = drawn(&drawings[i], forms[k].format, &len, &code, &error);

			cr_assert_eq(code, 0, "%s", error.message);
			cr_expect_gt(len, 500);
			cr_expect_eq(memcmp(text, forms[k].start, strlen(forms[k].start)), 0);
			free(text);
		}
	memstats_table_free(table);
}

Test(report_drawing, draw__gives_an_svg_that_stands_alone)
{
	const struct memreport_drawing drawing = { MEMREPORT_CHART_SNAPSHOT, 0, NULL };
	size_t len = 0;
	int code = 0;

	open_log(log_builder_sample);
	char *text = drawn(&drawing, MEMREPORT_SVG, &len, &code, NULL);
	cr_assert_eq(code, 0);
	xmlDoc *document = xmlReadMemory(text, (int)len, "drawing.svg", NULL, XML_PARSE_NONET);

	cr_assert_not_null(document);
	cr_expect_not_null(strstr(text, "--ink:#"), "colours that it names are in it");
	cr_expect_not_null(strstr(text, "Classes at "));
	xmlFreeDoc(document);
	free(text);
}

Test(report_drawing, draw__gives_the_same_bytes_twice)
{
	const struct memreport_drawing drawing = { MEMREPORT_CHART_TIMELINE, 0, NULL };
	size_t one_len = 0, two_len = 0;
	int code = 0;

	open_log(log_builder_sample);
	char *one = drawn(&drawing, MEMREPORT_SVG, &one_len, &code, NULL);
	char *two = drawn(&drawing, MEMREPORT_SVG, &two_len, &code, NULL);

	cr_expect(one && two && one_len == two_len && memcmp(one, two, one_len) == 0);
	free(one);
	free(two);
}

Test(report_drawing, draw__refuses_what_is_not_there)
{
	static const struct {
		struct memreport_drawing drawing;
		enum memreport_format format;
		const char *message;
	} wrong[] = {
		{ { MEMREPORT_CHART_SNAPSHOT, 1000, NULL }, MEMREPORT_PNG, "no snapshot in row 1000" },
		{ { MEMREPORT_CHART_CLASS, 0, "Nobody" }, MEMREPORT_PNG, "no object of a class 'Nobody'" },
		{ { MEMREPORT_CHART_TIMELINE, 0, NULL }, MEMREPORT_HTML, "a drawing is PNG, PDF or SVG" },
	};

	open_log(log_builder_sample);
	for (size_t i = 0; i < MR_ARRAY_LEN(wrong); i++) {
		struct memreport_error error = { 0, "" };
		size_t len = 0;
		int code = 0;

		drawn(&wrong[i].drawing, wrong[i].format, &len, &code, &error);
		cr_expect_eq(code, MEMREPORT_ERR_ARG);
		cr_expect_not_null(strstr(error.message, wrong[i].message), "%s", error.message);
	}
}

Test(report_drawing, draw__says_that_there_is_nothing_to_draw)
{
	const struct memreport_drawing drawing = { MEMREPORT_CHART_TIMELINE, 0, NULL };
	struct memreport_error error = { 0, "" };
	size_t len = 0;
	int code = 0;

	open_log(build_nothing);
	drawn(&drawing, MEMREPORT_PNG, &len, &code, &error);
	cr_expect_eq(code, MEMREPORT_ERR_FORMAT);
	cr_expect_not_null(strstr(error.message, "nothing to draw"), "%s", error.message);
}
