/* SPDX-License-Identifier: MIT
 *
 * Call stacks: which functions stand between a program and its memory, sites and
 * traces as text, and the query's options for them.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "log_builder.h"
#include "stacks.h"
#include "table_log.h"

/* ---- Kinds --------------------------------------------------------------------- */

struct kind_case {
	const char *name;
	enum mr_frame_kind kind;
};

Test(stacks, kinds__are_of_the_function_whatever_it_returns_and_takes)
{
	static const struct kind_case cases[] = {
		{ "main", MR_FRAME_OWN },
		{ "", MR_FRAME_OWN },
		{ "malloc", MR_FRAME_ALLOCATOR },
		{ "malloc_of_mine", MR_FRAME_OWN },
		{ "operator new(unsigned long)", MR_FRAME_ALLOCATOR },
		{ "operator new[](unsigned long, std::align_val_t)", MR_FRAME_ALLOCATOR },
		{ "operator new", MR_FRAME_ALLOCATOR },
		{ "Pool::operator new(unsigned long)", MR_FRAME_ALLOCATOR },
		{ "operator newest(int)", MR_FRAME_OWN },
		{ "_Znwm", MR_FRAME_ALLOCATOR },
		{ "_ZnamSt11align_val_t", MR_FRAME_ALLOCATOR },
		{ "__rust_alloc", MR_FRAME_ALLOCATOR },
		{ "strdup", MR_FRAME_RUNTIME },
		{ "__GI___strdup", MR_FRAME_RUNTIME },
		{ "__GI_", MR_FRAME_OWN },
		{ "g_malloc0_n", MR_FRAME_RUNTIME },
		{ "xmalloc.constprop.0", MR_FRAME_RUNTIME },
		{ "std::allocator<int>::allocate(unsigned long)", MR_FRAME_RUNTIME },
		{ "__gnu_cxx::new_allocator<Node>::allocate(unsigned long, void const*)", MR_FRAME_RUNTIME },
		{ "void std::vector<int, std::allocator<int> >::_M_realloc_insert<int>(int&&)",
		  MR_FRAME_RUNTIME },
		{ "std::vector<int> make<int>(int)", MR_FRAME_OWN },
		{ "std::vector<int> shop::make<int>(std::allocator<int>&)", MR_FRAME_OWN },
		{ "shop::Order::operator std::string() const", MR_FRAME_OWN },
		{ "shop::operator<<(std::ostream&, shop::Order const&)", MR_FRAME_OWN },
		{ "std::ostream& std::operator<< <char>(std::ostream&, char const*)", MR_FRAME_RUNTIME },
		{ "(anonymous namespace)::grow(std::string)", MR_FRAME_OWN },
		{ "std::function<void ()>::operator()() const", MR_FRAME_RUNTIME },
		{ "alloc::raw_vec::finish_grow", MR_FRAME_RUNTIME },
		{ "<alloc::vec::Vec<T> as core::iter::Extend<T>>::extend", MR_FRAME_RUNTIME },
		{ "<T as alloc::vec::spec_from_elem::SpecFromElem>::from_elem", MR_FRAME_RUNTIME },
		{ "<&mut alloc::string::String as core::fmt::Write>::write_str", MR_FRAME_RUNTIME },
		{ "<str>::repeat", MR_FRAME_RUNTIME },
		{ "<u8 as <[_]>::to_vec_in::ConvertVec>::to_vec::<A>", MR_FRAME_RUNTIME },
		{ "core::option::Option<T>::map_or_else", MR_FRAME_RUNTIME },
		{ "<shop::Order as core::clone::Clone>::clone", MR_FRAME_OWN },
		{ "<u8 as shop::Price>::of", MR_FRAME_OWN },
		{ "core::Engine::load(int)", MR_FRAME_OWN },
		{ "operator", MR_FRAME_OWN },
		{ "a::operator(", MR_FRAME_OWN },
		{ "a::<<<(((", MR_FRAME_OWN },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++)
		cr_expect(eq(int, (int)mr_frame_kind_of(cases[i].name), (int)cases[i].kind), "%s",
		          cases[i].name);
}

Test(stacks, shortening__leaves_templates_and_parameters_out)
{
	static const char *const cases[][2] = {
		{ "main", "main" },
		{ "std::vector<int, std::allocator<int> >::at(unsigned long)", "std::vector<>::at()" },
		{ "(anonymous namespace)::grow(int) const", "(anonymous namespace)::grow() const" },
		{ "shop::operator<<(std::ostream&, int)", "shop::operator<<()" },
		{ "main::{lambda(int)#1}::operator()(int) const", "main::{lambda()#1}::operator()() const" },
		{ "std::map<int, int>::at(int const&) (stl_map.h:511)", "std::map<>::at() (stl_map.h:511)" },
		{ "std::ostream& std::operator<< <char>(std::ostream&)", "std::operator<<<>()" },
		{ "std::string std::operator+<char, A<char> >(char const*, std::string const&) "
		  "(basic_string.h:3533)",
		  "std::operator+<>() (basic_string.h:3533)" },
		{ "void (anonymous namespace)::f<int>(int)", "(anonymous namespace)::f<>()" },
		{ "Cache<int>::fill<int> (t.cpp:12)", "Cache<>::fill<> (t.cpp:12)" },
		{ "shop::Money::operator std::vector<int>() const",
		  "shop::Money::operator std::vector<>() const" },
		{ "Money& f(int)", "Money& f()" },
		{ "<alloc::vec::Vec<T> as core::ops::Drop>::drop",
		  "<alloc::vec::Vec<> as core::ops::Drop>::drop" },
		{ "f<(", "f<>" },
		{ "", "" },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_buffer text = { NULL, 0, 0, false };

		mr_name_shorten(&text, cases[i][0]);
		mr_buffer_put_u8(&text, '\0');
		cr_expect(eq(str, (char *)text.data, (char *)cases[i][1]));
		mr_buffer_release(&text);
	}
}

/* ---- Options ------------------------------------------------------------------- */

static struct log_builder builder;
static struct memstats_log *logged;
static struct memstats_error error;

static void open_sample(void)
{
	struct mr_model *model = NULL;

	log_builder_heap_sample(&builder);
	cr_assert(eq(int,
	             mr_model_open_memory(builder.bytes.data, builder.bytes.len, "made.dat", &model, NULL),
	             0));
	cr_assert(eq(int, mr_log_from_model_take(model, &logged, NULL), 0));
}

static void release(void)
{
	memstats_log_close(logged);
	logged = NULL;
	log_builder_release(&builder);
	builder = (struct log_builder){ 0 };
	error = (struct memstats_error){ 0, "" };
}

TestSuite(stacks, .fini = release);

static struct memstats_query *query_of(enum memstats_operation operation, const char *value)
{
	struct memstats_query *query = memstats_query_new();

	cr_assert(eq(int, memstats_query_add(query, operation, value, &error), 0), "%s", error.message);
	return query;
}

static void resolve_all(struct mr_stacks *stacks)
{
	for (uint32_t stack = 0; stack < stacks->run->stack_count; stack++)
		cr_assert(eq(int, mr_stacks_resolve(stacks, stack, NULL), 0));
}

/* The stack whose trace is TEXT. */
static uint32_t stack_of(struct mr_stacks *stacks, const char *text)
{
	for (uint32_t stack = 0; stack < stacks->run->stack_count; stack++)
		if (strcmp(mr_stacks_trace_text(stacks, stack), text) == 0)
			return stack;
	cr_assert(false, "there is no stack %s", text);
	return 0;
}

Test(stacks, sites__are_texts_with_places)
{
	struct mr_stacks *stacks = NULL;

	open_sample();
	cr_assert(eq(int, mr_stacks_new(logged->model, &logged->model->runs[0], NULL, &stacks, NULL), 0));
	resolve_all(stacks);
	const uint32_t grow =
		stack_of(stacks, "push_back (vector.h:7) < grow (tree.c:20) < main (tree.c:40)");

	cr_expect(eq(str, (char *)mr_stacks_site_text(stacks, grow), "push_back (vector.h:7)"));
	cr_expect(eq(str, (char *)mr_stacks_site_module(stacks, grow), "tree"));
	const uint32_t libc = stack_of(stacks, "libc.so.6+0x50 < main (tree.c:40)");

	cr_expect(eq(str, (char *)mr_stacks_site_text(stacks, libc), "libc.so.6+0x50"));
	cr_expect(eq(str, (char *)mr_stacks_site_text(stacks, 0), "(unknown)"));
	cr_expect(mr_stacks_is_kept(stacks, 0));
	mr_stacks_free(stacks);
}

Test(stacks, hidden_functions__are_not_in_traces_and_no_sites)
{
	struct memstats_query *query = query_of(MEMSTATS_HIDE, "^push|^main$");
	struct mr_stacks *stacks = NULL;

	open_sample();
	cr_assert(eq(int, mr_stacks_new(logged->model, &logged->model->runs[0], query, &stacks, NULL), 0));
	resolve_all(stacks);
	const uint32_t grow = stack_of(stacks, "grow (tree.c:20)");

	cr_expect(eq(str, (char *)mr_stacks_site_text(stacks, grow), "grow (tree.c:20)"));
	stack_of(stacks, "(hidden)"); /* main alone */
	mr_stacks_free(stacks);
	memstats_query_free(query);
}

static void expect_refusal(const char *table_name, enum memstats_operation operation, const char *message)
{
	struct memstats_query *query = query_of(operation, "x");
	struct memstats_table *table = NULL;

	error = (struct memstats_error){ 0, "" };
	cr_expect(eq(int, memstats_table_new(logged, table_name, query, &table, &error), MEMSTATS_ERR_ARG));
	cr_expect(ne(ptr, strstr(error.message, message), NULL), "%s", error.message);
	memstats_query_free(query);
}

Test(stacks, tables_without_stacks__refuse_their_options)
{
	open_sample();
	expect_refusal("objects", MEMSTATS_FOCUS, "--focus: is not for table objects; it is for ");
	expect_refusal("runs", MEMSTATS_HIDE, "tree, functions");
	expect_refusal("samples", MEMSTATS_MODULE, "--module");
	expect_refusal("functions", MEMSTATS_INVERT, "--invert: is not for table functions; it is for tree");
}

Test(stacks, expressions__are_checked_when_they_are_given)
{
	static const enum memstats_operation operations[] = { MEMSTATS_FOCUS, MEMSTATS_HIDE,
		                                              MEMSTATS_MODULE };
	struct memstats_query *query = memstats_query_new();

	for (size_t i = 0; i < MR_ARRAY_LEN(operations); i++) {
		error = (struct memstats_error){ 0, "" };
		cr_expect(eq(int, memstats_query_add(query, operations[i], "(", &error), MEMSTATS_ERR_ARG));
		cr_expect(ne(ptr, strstr(error.message, "is not an extended regular expression"), NULL), "%s",
		          error.message);
	}
	memstats_query_free(query);
}

Test(stacks, focus__is_asked_for_at_most_so_often)
{
	struct memstats_query *query = memstats_query_new();
	struct memstats_table *table = NULL;

	open_sample();
	for (size_t i = 0; i < MR_STACK_FOCUS_MAX; i++)
		cr_assert(eq(int, memstats_query_add(query, MEMSTATS_FOCUS, "main", NULL), 0));
	cr_assert(eq(int, memstats_table_new(logged, "functions", query, &table, &error), 0));
	cr_expect(gt(sz, memstats_table_row_count(table), 0));
	memstats_table_free(table);
	cr_assert(eq(int, memstats_query_add(query, MEMSTATS_FOCUS, "main", NULL), 0));
	cr_expect(eq(int, memstats_table_new(logged, "functions", query, &table, &error), MEMSTATS_ERR_ARG));
	memstats_query_free(query);
}

/* ---- The tree's rows ------------------------------------------------------------ */

static void expect_functions(enum memstats_operation operation, const char *value, const char *names)
{
	struct memstats_query *query = query_of(operation, value);
	struct memstats_table *table = NULL;
	char found[256] = "";

	cr_assert(eq(int, memstats_table_new(logged, "tree", query, &table, &error), 0), "%s", error.message);
	const size_t function = (size_t)memstats_table_find_column(table, "function");
	const size_t depth = (size_t)memstats_table_find_column(table, "depth");

	for (size_t row = 0; row < memstats_table_row_count(table); row++)
		snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%u %s", row > 0 ? ", " : "",
		         (unsigned)memstats_table_number(table, row, depth),
		         memstats_table_text(table, row, function));
	cr_expect(eq(str, found, (char *)names));
	memstats_table_free(table);
	memstats_query_free(query);
}

Test(stacks, tree__is_depth_first_with_siblings_by_what_is_sorted_by)
{
	open_sample();
	expect_functions(MEMSTATS_SORT, "peak", "0 main, 1 make_node, 1 grow, 2 push_back, 1 libc.so.6+0x50");
	expect_functions(MEMSTATS_SORT, "leaked",
	                 "0 main, 1 grow, 2 push_back, 1 libc.so.6+0x50, 1 make_node");
	expect_functions(MEMSTATS_SORT, "function",
	                 "0 main, 1 grow, 2 push_back, 1 libc.so.6+0x50, 1 make_node");
	expect_functions(MEMSTATS_REVERSE, NULL,
	                 "0 main, 1 libc.so.6+0x50, 1 grow, 2 push_back, 1 make_node");
	expect_functions(MEMSTATS_INVERT, NULL,
	                 "0 make_node, 1 main, 0 push_back, 1 grow, 2 main, 0 libc.so.6+0x50, 1 main");
	expect_functions(MEMSTATS_FOCUS, "grow", "0 main, 1 grow, 2 push_back");
	expect_functions(MEMSTATS_MODULE, "^libc", "0 main, 1 libc.so.6+0x50");
	expect_functions(MEMSTATS_LIMIT, "2", "0 main, 1 make_node");
	expect_functions(MEMSTATS_WHERE, "self_peak>0", "1 make_node, 2 push_back");
}
