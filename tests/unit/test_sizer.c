/* SPDX-License-Identifier: MIT
 *
 * The sizer on structures whose sizes can be said by hand: one kind of field at
 * a time, shared data, cycles, tracked objects, and what grows very long or
 * deep.  test_sizer_graph.c compares random graphs with a slow sizer of its own.
 */
#include "memory_failing.h"
#include "sizer_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

static struct sizer_fixture fixture;

static void setup(void)
{
	sizer_fixture_init(&fixture);
}

static void teardown(void)
{
	memory_fail_never();
	sizer_fixture_release(&fixture);
	cr_assert(eq(sz, memory_blocks(), 0));
}

TestSuite(sizer, .init = setup, .fini = teardown);

#define LAYOUT(type, table)                                                                \
	{                                                                                  \
#type, sizeof(type), table, sizeof(table) / sizeof((table)[0]), NULL, NULL \
	}

static void mark(const void *object)
{
	cr_assert(eq(int, mr_sizer_mark(fixture.sizer, object), 0));
}

/* Marks and sizes OBJECT; gives the referents as "path count size flat" in lines, "" when there are none. */
static char *sized_text(const void *object, const struct memcapture_layout *layout, unsigned level)
{
	struct mr_sized sized;

	mark(object);
	cr_assert(eq(int, mr_sizer_size(fixture.sizer, object, layout, level, &sized), 0));
	return sizer_fixture_text(&fixture, &sized);
}

static char *first_line(char *text)
{
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* ---- Kinds of fields ------------------------------------------------------------ */

struct point {
	int x, y;
};

static const struct memcapture_layout point_layout = { "point", sizeof(struct point), NULL, 0, NULL, NULL };

struct label {
	char *text;
	struct point *at;
};

static const struct memcapture_field label_fields[] = {
	MEMCAPTURE_STRING(struct label, text),
	MEMCAPTURE_OBJECT(struct label, at, &point_layout),
};
static const struct memcapture_layout label_layout = LAYOUT(struct label, label_fields);

Test(sizer, string_and_object__count_with_their_names)
{
	struct point point = { 1, 2 };
	struct label label = { "four", &point };

	cr_assert(eq(str, sized_text(&label, &label_layout, 1), "= 29 16\ntext 1 5 5\nat 1 8 8\n"));
	mr_sizer_clear(fixture.sizer);
	cr_assert(eq(str, sized_text(&label, &label_layout, 0), "= 29 16\n"));
}

Test(sizer, null_pointers__are_no_referents)
{
	struct label label = { NULL, NULL };

	cr_assert(eq(str, sized_text(&label, &label_layout, 3), "= 16 16\n"));
}

struct blocks {
	void *fixed;
	double *counted;
	uint8_t *bytes;
	short *shorts;
	uint64_t bytes_count;
	int counted_count;
	uint16_t shorts_count;
};

static const struct memcapture_field blocks_fields[] = {
	MEMCAPTURE_BLOCK(struct blocks, fixed, 100),
	MEMCAPTURE_COUNTED_BLOCK(struct blocks, counted, sizeof(double), counted_count),
	MEMCAPTURE_COUNTED_BLOCK(struct blocks, bytes, 1, bytes_count),
	MEMCAPTURE_COUNTED_BLOCK(struct blocks, shorts, sizeof(short), shorts_count),
};
static const struct memcapture_layout blocks_layout = LAYOUT(struct blocks, blocks_fields);

Test(sizer, blocks__have_their_count_from_any_width)
{
	static char memory[4][128];
	struct blocks blocks = {
		memory[0], (double *)memory[1], (uint8_t *)memory[2], (short *)memory[3], 77, 3, 5
	};

	cr_assert(eq(str, sized_text(&blocks, &blocks_layout, 1),
	             "= 259 48\nfixed 1 100 100\ncounted 1 24 24\nbytes 1 77 77\nshorts 1 10 10\n"));
}

Test(sizer, counts_that_cannot_be__count_nothing)
{
	static char memory[4][128];
	struct blocks blocks = {
		NULL, (double *)memory[1], (uint8_t *)memory[2], (short *)memory[3], 0, -1, 0
	};

	cr_assert(eq(str, sized_text(&blocks, &blocks_layout, 1), "= 48 48\n"));
	blocks.bytes_count = UINT64_C(1) << 60;
	cr_assert(eq(str, sized_text(&blocks, &blocks_layout, 1), "= 48 48\n"));
}

struct table {
	struct label *labels;
	struct point *points;
	struct label **pointers;
	char **words;
	unsigned label_count;
	uint8_t pointer_count;
};

static const struct memcapture_field table_fields[] = {
	MEMCAPTURE_COUNTED_ARRAY(struct table, labels, label_count, &label_layout),
	MEMCAPTURE_ARRAY(struct table, points, 3, &point_layout),
	MEMCAPTURE_COUNTED_POINTERS(struct table, pointers, pointer_count, &label_layout),
	MEMCAPTURE_POINTERS(struct table, words, 3, NULL),
};
static const struct memcapture_layout table_layout = LAYOUT(struct table, table_fields);

Test(sizer, elements__are_merged_below_their_field)
{
	struct point points[3] = { { 0, 0 } };
	struct point at = { 0, 0 };
	struct label labels[3] = { { "a", NULL }, { NULL, NULL }, { "bcd", &at } };
	struct label one = { "efghi", &points[1] };
	struct label *pointers[3] = { &one, NULL, &labels[1] };
	char *words[3] = { "x", NULL, "yz" };
	struct table table = { labels, points, pointers, words, 3, 3 };

	cr_assert(eq(str, sized_text(&table, &table_layout, 1),
	             "= 201 40\nlabels 1 62 48\npoints 1 24 24\npointers 1 46 24\nwords 1 29 24\n"));
	mr_sizer_clear(fixture.sizer);
	cr_assert(eq(str, sized_text(&table, &table_layout, 2),
	             "= 201 40\n"
	             "labels 1 62 48\nlabels/[] 2 14 0\n"
	             "points 1 24 24\n"
	             "pointers 1 46 24\npointers/[] 1 22 16\n"
	             "words 1 29 24\nwords/[] 2 5 5\n"));
	mr_sizer_clear(fixture.sizer);
	cr_assert(eq(str, sized_text(&table, &table_layout, 3),
	             "= 201 40\n"
	             "labels 1 62 48\nlabels/[] 2 14 0\nlabels/[]/text 2 6 6\nlabels/[]/at 1 8 8\n"
	             "points 1 24 24\n"
	             "pointers 1 46 24\npointers/[] 1 22 16\npointers/[]/text 1 6 6\n"
	             "words 1 29 24\nwords/[] 2 5 5\n"));
}

Test(sizer, empty_arrays__are_no_referents)
{
	struct label label = { "text", NULL };
	struct label *pointers[1] = { &label };
	struct table table = { &label, NULL, pointers, NULL, 0, 0 };

	cr_assert(eq(str, sized_text(&table, &table_layout, 2), "= 40 40\n"));
}

struct node {
	struct node *next;
	char *name;
};

static const struct memcapture_field node_fields[] = { MEMCAPTURE_STRING(struct node, name) };
static const struct memcapture_layout node_layout = LAYOUT(struct node, node_fields);

struct chain {
	int length;
	struct node *first;
};

static const struct memcapture_field chain_fields[] = {
	MEMCAPTURE_LIST(struct chain, first, struct node, next, &node_layout),
};
static const struct memcapture_layout chain_layout = LAYOUT(struct chain, chain_fields);

Test(sizer, list__holds_all_its_nodes)
{
	struct node nodes[3] = { { &nodes[1], "a" }, { &nodes[2], NULL }, { NULL, "bc" } };
	struct chain chain = { 3, &nodes[0] };

	cr_assert(eq(str, sized_text(&chain, &chain_layout, 1), "= 69 16\nfirst 1 53 0\n"));
	mr_sizer_clear(fixture.sizer);
	cr_assert(eq(str, sized_text(&chain, &chain_layout, 3),
	             "= 69 16\nfirst 1 53 0\nfirst/[] 3 53 48\nfirst/[]/name 2 5 5\n"));
}

Test(sizer, ring__is_followed_once)
{
	struct node nodes[3] = { { &nodes[1], NULL }, { &nodes[2], NULL }, { &nodes[0], NULL } };
	struct chain chains[2] = { { 3, &nodes[0] }, { 3, &nodes[1] } };

	for (unsigned level = 0; level < 3; level++) {
		cr_assert(eq(str, first_line(sized_text(&chains[0], &chain_layout, level)), "= 64 16"));
		cr_assert(eq(str, sized_text(&chains[1], &chain_layout, level), "= 16 16\n"));
		cr_assert(eq(str, sized_text(&chains[1], &chain_layout, level), "= 16 16\n"));
		mr_sizer_clear(fixture.sizer);
	}
}

Test(sizer, list__goes_on_behind_tracked_nodes)
{
	struct node nodes[4] = { { &nodes[1], "a" }, { &nodes[2], "b" }, { &nodes[3], "c" }, { NULL, "d" } };
	struct chain chain = { 4, &nodes[0] };

	mark(&nodes[0]);
	mark(&nodes[2]);
	cr_assert(eq(str, sized_text(&chain, &chain_layout, 3),
	             "= 52 16\nfirst 1 36 0\nfirst/[] 2 36 32\nfirst/[]/name 2 4 4\n"));
}

struct address {
	char *street;
	char *town;
};

static const struct memcapture_field address_fields[] = {
	MEMCAPTURE_STRING(struct address, street),
	MEMCAPTURE_STRING(struct address, town),
};
static const struct memcapture_layout address_layout = LAYOUT(struct address, address_fields);

struct person {
	char *name;
	struct address home, work;
	char buffer[16];
};

static const struct memcapture_field person_fields[] = {
	MEMCAPTURE_STRING(struct person, name),
	MEMCAPTURE_EMBEDDED(struct person, home, &address_layout),
	MEMCAPTURE_EMBEDDED(struct person, work, &address_layout),
};
static const struct memcapture_layout person_layout = LAYOUT(struct person, person_fields);

Test(sizer, embedded__counts_what_it_leads_to)
{
	struct person person = { "Ann", { "Street", "Town" }, { NULL, NULL }, "" };

	cr_assert(eq(str, sized_text(&person, &person_layout, 1), "= 72 56\nname 1 4 4\nhome 1 12 0\n"));
	mr_sizer_clear(fixture.sizer);
	cr_assert(eq(str, sized_text(&person, &person_layout, 2),
	             "= 72 56\nname 1 4 4\nhome 1 12 0\nhome/street 1 7 7\nhome/town 1 5 5\n"));
	mr_sizer_clear(fixture.sizer);
	cr_assert(eq(str, sized_text(&person, &person_layout, 0), "= 72 56\n"));
}

Test(sizer, text_within_the_object__is_part_of_it)
{
	struct person person = { person.buffer, { &person.buffer[4], NULL }, { NULL, "W" }, "short" };

	cr_assert(eq(str, sized_text(&person, &person_layout, 1), "= 58 56\nwork 1 2 0\n"));
}

struct vector {
	struct label *items;
	struct label **order;
	struct label inline_items[2];
	struct label *inline_order[2];
};

static const struct memcapture_field vector_fields[] = {
	MEMCAPTURE_ARRAY(struct vector, items, 2, &label_layout),
	MEMCAPTURE_POINTERS(struct vector, order, 2, &label_layout),
};
static const struct memcapture_layout vector_layout = LAYOUT(struct vector, vector_fields);

Test(sizer, array_within_the_object__leads_on)
{
	struct label other = { "other", NULL };
	struct vector vector = { vector.inline_items,
		                 vector.inline_order,
		                 { { "a", NULL }, { "bc", NULL } },
		                 { &other, &vector.inline_items[0] } };

	cr_assert(eq(u64, sizeof(vector), 64));
	cr_assert(eq(str, sized_text(&vector, &vector_layout, 0), "= 91 64\n"));
	mr_sizer_clear(fixture.sizer);
	cr_assert(eq(str, sized_text(&vector, &vector_layout, 1), "= 91 64\nitems 1 5 0\norder 0 22 0\n"));
	mr_sizer_clear(fixture.sizer);
	cr_assert(eq(str, sized_text(&vector, &vector_layout, 2),
	             "= 91 64\nitems 1 5 0\nitems/[] 2 5 0\norder 0 22 0\norder/[] 1 22 16\n"));
}

/* ---- Walks and measures ------------------------------------------------------------ */

struct record {
	unsigned length;
	char *extra;
	char tail[];
};

static size_t record_measure(const void *object)
{
	const struct record *record = object;

	return sizeof(*record) + record->length;
}

static void record_walk(const void *object, struct memcapture_visitor *visitor)
{
	const struct record *record = object;
	static struct point points[3];
	static struct label label = { "walked", NULL };
	char name[8] = "points"; /* is gone when the walk returns */

	memcapture_visit(visitor, name, &points[0], sizeof(points[0]));
	memcapture_visit(visitor, name, &points[1], sizeof(points[1]));
	memcapture_visit(visitor, name, NULL, 100);
	memcapture_visit(visitor, name, &points[2], 0);
	memcapture_visit_string(visitor, "extra", "merges");
	memcapture_visit_string(visitor, "extra", NULL);
	memcapture_visit_object(visitor, "label", &label, &label_layout);
	memcapture_visit_object(visitor, "label", NULL, &label_layout);
	memcapture_visit_object(visitor, "self", record, &label_layout);
	memset(name, 'x', sizeof(name) - 1);
}

static const struct memcapture_field record_fields[] = { MEMCAPTURE_STRING(struct record, extra) };
static const struct memcapture_layout record_layout = { "record",       0,          record_fields, 1,
	                                                record_measure, record_walk };

Test(sizer, walk__adds_to_the_fields)
{
	struct {
		struct record record;
		char space[100];
	} memory = { { 50, "ab" }, "" };

	cr_assert(eq(str, sized_text(&memory.record, &record_layout, 1),
	             "= 115 66\nextra 2 10 10\npoints 2 16 16\nlabel 1 23 16\n"));
	mr_sizer_clear(fixture.sizer);
	cr_assert(eq(str, sized_text(&memory.record, &record_layout, 2),
	             "= 115 66\nextra 2 10 10\npoints 2 16 16\nlabel 1 23 16\nlabel/text 1 7 7\n"));
	mr_sizer_clear(fixture.sizer);
	cr_assert(eq(str, sized_text(&memory.record, &record_layout, 0), "= 115 66\n"));
}

static void many_names_walk(const void *object, struct memcapture_visitor *visitor)
{
	const char *bytes = object;
	char name[400];

	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "name %d", i);
		memcapture_visit(visitor, name, bytes + 16 + i, 1);
	}
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memcapture_visit(visitor, name, bytes + 8000, 1);
	memcapture_visit(visitor, NULL, bytes + 8001, 1);
}

static const struct memcapture_layout many_names_layout = { "many", 8, NULL, 0, NULL, many_names_walk };

Test(sizer, names_without_end__share_one)
{
	static char bytes[9000];
	struct mr_sized sized;

	mark(bytes);
	cr_assert(eq(int, mr_sizer_size(fixture.sizer, bytes, &many_names_layout, 1, &sized), 0));
	cr_assert(eq(u64, sized.size_bytes, 8 + 3000 + 2));
	cr_assert(eq(sz, sized.referent_count, 1025));
	cr_assert(eq(str, fixture.paths[sized.referents[1024].path], "..."));
	cr_assert(eq(u64, sized.referents[1024].count, 3002 - 1024));
}

Test(sizer, flat_layouts__are_told_from_others)
{
	static const struct memcapture_field inner[] = { MEMCAPTURE_EMBEDDED(struct chain, length,
		                                                             &point_layout) };
	static const struct memcapture_layout embedding = LAYOUT(struct chain, inner);

	cr_assert(mr_layout_is_flat(&point_layout));
	cr_assert(mr_layout_is_flat(&embedding));
	cr_assert_not(mr_layout_is_flat(&label_layout));
	cr_assert_not(mr_layout_is_flat(&person_layout));
	cr_assert_not(mr_layout_is_flat(&record_layout));
}

/* ---- Shared data, tracked objects, cycles ------------------------------------------- */

Test(sizer, shared_data__counts_for_the_first)
{
	struct point shared = { 0, 0 };
	struct label labels[2] = { { "first", &shared }, { "second", &shared } };

	mark(&labels[1]);
	cr_assert(eq(str, sized_text(&labels[0], &label_layout, 1), "= 30 16\ntext 1 6 6\nat 1 8 8\n"));
	cr_assert(eq(str, sized_text(&labels[1], &label_layout, 1), "= 23 16\ntext 1 7 7\n"));
	/* The next snapshot starts anew, in the other order. */
	mr_sizer_clear(fixture.sizer);
	mark(&labels[0]);
	cr_assert(eq(str, sized_text(&labels[1], &label_layout, 1), "= 31 16\ntext 1 7 7\nat 1 8 8\n"));
	cr_assert(eq(str, sized_text(&labels[0], &label_layout, 0), "= 22 16\n"));
}

Test(sizer, tracked_objects__are_not_part_of_others)
{
	struct point point = { 0, 0 };
	struct label labels[3] = { { "one", &point }, { "two", NULL }, { "three", NULL } };
	struct table table = { labels, NULL, NULL, NULL, 3, 0 };

	mark(&point);
	mark(&labels[1]);
	cr_assert(eq(str, sized_text(&table, &table_layout, 3),
	             "= 82 40\nlabels 1 42 32\nlabels/[] 2 10 0\nlabels/[]/text 2 10 10\n"));
}

static bool is_second_label(void *context, const void *address)
{
	return address == context;
}

Test(sizer, tracked_objects__can_be_asked_for)
{
	struct point point = { 0, 0 };
	struct label labels[3] = { { "one", &point }, { "two", NULL }, { "three", NULL } };
	struct table table = { labels, NULL, NULL, NULL, 3, 0 };

	mr_sizer_ask(fixture.sizer, is_second_label, &labels[1]);
	cr_assert(
		eq(str, sized_text(&table, &table_layout, 2), "= 90 40\nlabels 1 50 32\nlabels/[] 2 18 0\n"));
	mr_sizer_clear(fixture.sizer);
	mr_sizer_ask(fixture.sizer, NULL, NULL);
	cr_assert(eq(str, sized_text(&table, &table_layout, 0), "= 110 40\n"));
}

struct tree {
	struct tree *left, *right, *up;
};

static const struct memcapture_layout tree_layout;
static const struct memcapture_field tree_fields[] = {
	MEMCAPTURE_OBJECT(struct tree, left, &tree_layout),
	MEMCAPTURE_OBJECT(struct tree, right, &tree_layout),
	MEMCAPTURE_OBJECT(struct tree, up, &tree_layout),
};
static const struct memcapture_layout tree_layout = LAYOUT(struct tree, tree_fields);

Test(sizer, cycles__end)
{
	struct tree trees[3] = {
		{ &trees[0], &trees[1], &trees[2] },
		{ &trees[1], &trees[0], &trees[0] },
		{ &trees[1], &trees[2], NULL },
	};

	for (unsigned level = 0; level < 70; level++) {
		cr_assert(eq(str, first_line(sized_text(&trees[0], &tree_layout, level)), "= 72 24"));
		mr_sizer_clear(fixture.sizer);
	}
}

Test(sizer, array__is_shared_by_the_element)
{
	struct label labels[3] = { { "one", NULL }, { "two", NULL }, { "three", NULL } };
	struct label *pointers[1] = { &labels[2] };
	struct table index = { NULL, NULL, pointers, NULL, 0, 1 };
	struct table all = { labels, NULL, NULL, NULL, 3, 0 };

	cr_assert(eq(str, sized_text(&index, &table_layout, 1), "= 70 40\npointers 1 30 8\n"));
	cr_assert(eq(str, sized_text(&all, &table_layout, 1), "= 80 40\nlabels 1 40 32\n"));
}

Test(sizer, prefetching__changes_nothing)
{
	struct label label = { "four", NULL };

	mr_sizer_prefetch(fixture.sizer, &label);
	mr_sizer_prefetch(fixture.sizer, NULL);
	cr_assert(eq(str, sized_text(&label, &label_layout, 1), "= 21 16\ntext 1 5 5\n"));
	mr_sizer_prefetch(fixture.sizer, (const void *)(uintptr_t)12345);
	cr_assert(eq(str, sized_text(&label, &label_layout, 1), "= 16 16\n"));
}

/* ---- Long and deep --------------------------------------------------------------------- */

enum { MANY = 1000000 };

Test(sizer, long_list__needs_no_stack)
{
	struct node *nodes = calloc(MANY, sizeof(*nodes));
	struct chain chain = { MANY, nodes };
	struct mr_sized sized;

	cr_assert_not_null(nodes);
	for (size_t i = 0; i + 1 < MANY; i++)
		nodes[i].next = &nodes[i + 1];
	for (unsigned level = 0; level < 4; level++) {
		mark(&chain);
		cr_assert(eq(int, mr_sizer_size(fixture.sizer, &chain, &chain_layout, level, &sized), 0));
		cr_assert(eq(u64, sized.size_bytes, sizeof(chain) + MANY * sizeof(*nodes)));
		cr_assert(eq(sz, sized.referent_count, level < 2 ? level : 2));
		cr_assert(le(u64, mr_sizer_memory(fixture.sizer), MANY * 4));
		mr_sizer_clear(fixture.sizer);
	}
	free(nodes);
}

/* A tree of MANY objects in which each is the child of the one before, on the side that SIDES says. */
static void size_deep_tree(int sides, uint64_t memory_max)
{
	struct tree *trees = calloc(2 * MANY, sizeof(*trees));
	struct mr_sized sized;

	cr_assert_not_null(trees);
	for (size_t i = 0; i + 1 < MANY; i++) {
		struct tree **other = sides & 1 ? &trees[i].left : &trees[i].right;

		*(sides & 1 ? &trees[i].right : &trees[i].left) = &trees[i + 1];
		trees[i + 1].up = &trees[i];
		if (sides & 2)
			*other = &trees[MANY + i];
	}
	for (unsigned level = 0; level < 80; level += 16) {
		mark(&trees[0]);
		cr_assert(eq(int, mr_sizer_size(fixture.sizer, &trees[0], &tree_layout, level, &sized), 0));
		cr_assert(eq(u64, sized.size_bytes, (MANY + (sides & 2 ? MANY - 1 : 0)) * sizeof(*trees)));
		cr_assert(le(u64, memory_peak(), memory_max));
		mr_sizer_clear(fixture.sizer);
	}
	free(trees);
}

Test(sizer, deep_nesting__needs_no_stack)
{
	size_deep_tree(0, (uint64_t)8 << 20);
	size_deep_tree(1, (uint64_t)8 << 20);
}

Test(sizer, deep_nesting_with_branches__needs_little)
{
	size_deep_tree(2, (uint64_t)64 << 20);
	size_deep_tree(3, (uint64_t)64 << 20);
}

Test(sizer, many_objects__cost_less_than_16_bytes_a_referent)
{
	enum { OBJECTS = 100000 };
	struct {
		struct label label;
		struct point point;
		char text[24];
	} *memory = calloc(OBJECTS, sizeof(*memory));
	struct mr_sized sized;

	cr_assert_not_null(memory);
	for (size_t i = 0; i < OBJECTS; i++) {
		memory[i].label = (struct label){ memory[i].text, &memory[i].point };
		mark(&memory[i]);
	}
	for (size_t i = 0; i < OBJECTS; i++) {
		cr_assert(eq(int, mr_sizer_size(fixture.sizer, &memory[i], &label_layout, 1, &sized), 0));
		cr_assert(eq(u64, sized.size_bytes, 16 + 8 + 1));
	}
	cr_assert(le(u64, memory_peak(), 16 * 2 * OBJECTS));
	cr_assert(eq(u64, mr_sizer_memory(fixture.sizer), memory_bytes()));
	free(memory);
}

Test(sizer, shared_array_and_list__are_gone_through_twice_at_most)
{
	/* With a visit of every element by every object this would take hours. */
	enum { OBJECTS = 100000, ELEMENTS = 100000 };
	struct label *labels = calloc(ELEMENTS, sizeof(*labels));
	struct table *tables = calloc(OBJECTS, sizeof(*tables));
	struct node *nodes = calloc(ELEMENTS, sizeof(*nodes));
	struct chain *chains = calloc(OBJECTS, sizeof(*chains));
	struct mr_sized sized;

	cr_assert_not_null(labels);
	cr_assert_not_null(tables);
	cr_assert_not_null(nodes);
	cr_assert_not_null(chains);
	for (size_t i = 0; i + 1 < ELEMENTS; i++)
		nodes[i].next = &nodes[i + 1];
	for (size_t i = 0; i < OBJECTS; i++) {
		tables[i].labels = labels;
		tables[i].label_count = ELEMENTS;
		chains[i].first = nodes;
		mark(&tables[i]);
		mark(&chains[i]);
	}
	for (size_t i = 0; i < OBJECTS; i++) {
		cr_assert(eq(int, mr_sizer_size(fixture.sizer, &tables[i], &table_layout, i & 1, &sized), 0));
		cr_assert(eq(u64, sized.size_bytes, i ? 40 : 40 + ELEMENTS * 16));
		cr_assert(eq(int, mr_sizer_size(fixture.sizer, &chains[i], &chain_layout, i & 1, &sized), 0));
		cr_assert(eq(u64, sized.size_bytes, i ? 16 : 16 + ELEMENTS * 16));
	}
	free(labels);
	free(tables);
	free(nodes);
	free(chains);
}

/* ---- No memory ------------------------------------------------------------------------------ */

Test(sizer, no_memory__is_reported_and_survived)
{
	struct label labels[2] = { { "ab", NULL }, { "cd", NULL } };
	struct label *pointers[2] = { &labels[0], &labels[1] };
	struct table table = { NULL, NULL, pointers, NULL, 0, 2 };

	for (unsigned level = 0; level < 4; level++) {
		for (size_t allowed = 0;; allowed++) {
			struct mr_sized sized = { .size_bytes = 12345 };
			static struct sizer_fixture local;
			int status;

			sizer_fixture_init(&local);
			memory_fail_after(allowed);
			status = mr_sizer_mark(local.sizer, &table);
			if (status == 0)
				status = mr_sizer_size(local.sizer, &table, &table_layout, level, &sized);

			const size_t calls = memory_calls();

			memory_fail_never();
			if (status < 0) {
				cr_assert(eq(int, status, MR_ERR_NOMEM));
				cr_assert(eq(u64, sized.size_bytes, 12345));
				mr_sizer_clear(local.sizer);
				cr_assert(eq(int, mr_sizer_mark(local.sizer, &table), 0));
				status = mr_sizer_size(local.sizer, &table, &table_layout, level, &sized);
			}
			cr_assert(eq(int, status, 0));
			cr_assert(eq(u64, sized.size_bytes, 40 + 16 + 2 * (16 + 3)));
			sizer_fixture_text(&local, &sized);
			sizer_fixture_release(&local);
			if (calls <= allowed)
				break;
		}
	}
}

Test(sizer, no_memory_for_a_sizer__gives_none)
{
	const struct mr_path_source source = { NULL, NULL };

	for (size_t allowed = 0; allowed < 2; allowed++) {
		struct mr_sizer *sizer = NULL;
		struct mr_error error = { 0 };

		memory_fail_after(allowed);
		cr_assert(eq(int, mr_sizer_new(&sizer, &source, &error), MR_ERR_NOMEM));
		cr_assert_null(sizer);
		cr_assert(eq(int, error.code, MR_ERR_NOMEM));
		memory_fail_never();
	}
	mr_sizer_free(NULL);
}
