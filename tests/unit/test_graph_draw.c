/* SPDX-License-Identifier: MIT
 *
 * Graphs as files: words as text, outlines that need no colour, joined edges, what
 * cannot be drawn, and the same bytes each time.
 */
#include "memreport.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct memreport_graph_node nodes[] = {
	{ 10, "module", "__main__", 88, 1, MEMREPORT_NODE_ROOT },
	{ 20, "list", "leaks", 920, 1, 0 },
	{ 30, "Node", "", 5760, 120, MEMREPORT_NODE_SUBJECT | MEMREPORT_NODE_CYCLE },
};
static const struct memreport_graph_edge edges[] = {
	{ 10, 20, ".leaks", 1 }, { 20, 30, "[*]", 120 }, { 10, 30, ".last", 1 },
	{ 10, 30, ".first", 1 }, { 30, 30, ".next", 3 },
};
static struct memreport_graph graph = { "Who holds Node", 3, 5, nodes, edges };

/* What is drawn, as a text to be freed; NULL when that fails with CODE. */
static char *drawn(const struct memreport_graph *what, enum memreport_format format, size_t *size, int code)
{
	char *bytes = NULL;
	struct memreport_error error = { 0, "" };
	FILE *out = open_memstream(&bytes, size);

	cr_assert_not_null(out);
	cr_assert_eq(memreport_draw_graph(what, format, out, &error), code, "%s", error.message);
	cr_expect_eq(error.code, code);
	fclose(out);
	if (code < 0)
		free(bytes);
	return code < 0 ? NULL : bytes;
}

Test(graph_draw, svg__has_its_words_as_text)
{
	static const char *const wanted[] = { ">__main__<",
		                              ">module, 88 B<",
		                              ">120 objects, 5.62 KiB<",
		                              ">where it begins<",
		                              ">[*]<",
		                              "Who holds Node</title>",
		                              "leaks refers to Node by [*].",
		                              "var(--ink)",
		                              "prefers-color-scheme:dark" };
	size_t size;
	char *text = drawn(&graph, MEMREPORT_SVG, &size, 0);

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		cr_expect_not_null(strstr(text, wanted[i]), "%s", wanted[i]);
	cr_expect_not_null(strstr(text, "stroke-dasharray"), "a cycle is not only a colour");
	free(text);
}

Test(graph_draw, edges_with_the_same_ends__are_one_line)
{
	size_t size;
	char *text = drawn(&graph, MEMREPORT_SVG, &size, 0);

	cr_expect_not_null(strstr(text, "3 boxes, 4 references."));
	cr_expect_not_null(strstr(text, "by .last, .first."));
	free(text);
}

Test(graph_draw, every_form__has_the_same_bytes_each_time)
{
	static const struct {
		enum memreport_format format;
		const char *start;
	} forms[] = { { MEMREPORT_SVG, "<svg " },
		      { MEMREPORT_PNG, "\x89PNG" },
		      { MEMREPORT_PDF, "%PDF" },
		      { MEMREPORT_PS, "%!PS-Adobe-3.0\n" },
		      { MEMREPORT_EPS, "%!PS-Adobe-3.0 EPSF-3.0\n" } };

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		size_t size = 0, again_size = 0;
		char *bytes = drawn(&graph, forms[i].format, &size, 0);
		char *again = drawn(&graph, forms[i].format, &again_size, 0);

		cr_expect(size > 500 && memcmp(bytes, forms[i].start, 4) == 0);
		if (forms[i].format != MEMREPORT_PDF) /* which says when it was made */
			cr_expect(size == again_size && memcmp(bytes, again, size) == 0);
		free(bytes);
		free(again);
	}
}

Test(graph_draw, postscript__is_lines_and_not_a_picture)
{
	size_t size;
	char *text = drawn(&graph, MEMREPORT_EPS, &size, 0);

	cr_expect_null(strstr(text, "/ImageType"), "colours that let others through are mixed before");
	cr_expect_null(strstr(text, "CreationDate"));
	free(text);
}

Test(graph_draw, hostile_names__stay_text)
{
	const struct memreport_graph_node hostile[] = { { 1, "<script>", "</svg>\x01\xff", 1, 1, 0 },
		                                        { 2, NULL, NULL, 0, 0, ~0u } };
	const struct memreport_graph_edge edge = { 1, 2, "\"><b>", UINT64_MAX };
	const struct memreport_graph evil = { "</title><b>", 2, 1, hostile, &edge };
	size_t size;
	char *text = drawn(&evil, MEMREPORT_SVG, &size, 0);

	cr_expect_null(strstr(text, "<b>"));
	cr_expect_null(strstr(text, "<script>"));
	cr_expect_not_null(strstr(text, "&lt;script&gt;"));
	free(text);
}

Test(graph_draw, what_cannot_be_drawn__is_refused)
{
	const struct memreport_graph_edge lost = { 10, 99, "", 1 };
	struct memreport_graph wrong = graph;
	size_t size;

	drawn(&graph, MEMREPORT_HTML, &size, MEMREPORT_ERR_ARG);
	wrong.edges = &lost;
	wrong.edge_count = 1;
	drawn(&wrong, MEMREPORT_SVG, &size, MEMREPORT_ERR_ARG);
	nodes[1].id = 10;
	drawn(&graph, MEMREPORT_SVG, &size, MEMREPORT_ERR_ARG);
	wrong.node_count = 0;
	drawn(&wrong, MEMREPORT_SVG, &size, MEMREPORT_ERR_FORMAT);
	wrong.node_count = MEMREPORT_GRAPH_NODES_MAX + 1;
	drawn(&wrong, MEMREPORT_SVG, &size, MEMREPORT_ERR_LIMIT);
}

Test(graph_draw, many_boxes_side_by_side__still_make_a_png)
{
	enum { COUNT = 2000 };
	static struct memreport_graph_node many[COUNT];
	static struct memreport_graph_edge fan[COUNT];
	size_t size;

	for (size_t i = 0; i < COUNT; i++) {
		many[i] = (struct memreport_graph_node){ i, "tuple", "", i, 1, 0 };
		fan[i] = (struct memreport_graph_edge){ 0, i, "", 1 };
	}
	const struct memreport_graph large = { "Large", COUNT, COUNT, many, fan };

	free(drawn(&large, MEMREPORT_PNG, &size, 0));
	free(drawn(&large, MEMREPORT_PDF, &size, 0));
}

#define RING 512

/* A ring, every tenth of which is of the type OTHER; LEAF: one of them holds something beside. */
static char *drawn_ring(const char *other, bool leaf, size_t *size)
{
	static struct memreport_graph_node links[RING + 1];
	static struct memreport_graph_edge next[RING + 1];
	for (size_t i = 0; i < RING; i++) {
		links[i] = (struct memreport_graph_node){ i, i % 10 == 0 ? other : "Link", "", 64, 1, 0 };
		next[i] = (struct memreport_graph_edge){ i, (i + 1) % RING, "next", 1 };
	}
	links[RING] = (struct memreport_graph_node){ RING, "list", "data", 64, 1, 0 };
	next[RING] = (struct memreport_graph_edge){ 200, RING, "data", 1 };
	const struct memreport_graph ring = { "A ring", RING + leaf, RING + leaf, links, next };
	return drawn(&ring, MEMREPORT_SVG, size, 0);
}

static size_t count_of(const char *text, const char *word)
{
	size_t count = 0;
	for (const char *at = text; (at = strstr(at, word)); at++)
		count++;
	return count;
}

Test(graph_draw, long_rings__are_folded)
{
	size_t size;
	char *text = drawn_ring("Link", false, &size);
	cr_expect(strstr(text, "506 more Link") != NULL);
	cr_expect_eq(count_of(text, ">next<"), 7, "as many lines as boxes: it is a ring still");
	free(text);
}

Test(graph_draw, objects_and_their_dictionaries__are_folded_together)
{
	size_t size;
	char *text = drawn_ring("dict", false, &size);
	cr_expect(strstr(text, "506 more Link and dict") != NULL);
	free(text);
}

Test(graph_draw, what_holds_something_beside__is_not_folded)
{
	size_t size;
	char *text = drawn_ring("Link", true, &size);
	cr_expect(strstr(text, "505 more Link") != NULL, "between the one that holds the list and itself");
	cr_expect(strstr(text, ">data<") != NULL);
	free(text);
}
