/* SPDX-License-Identifier: MIT
 *
 * Trees of call stacks against a slow computation of the same thing: random
 * tries of stacks with inlined, recursive, wrapping and unnamed frames, under
 * random options.  What is expected is worked out stack by stack from
 * mr_run_trace(), with texts for ways through the tree.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#include "log_builder.h"
#include "stacks_tree.h"

#define FUNCTIONS 12
#define CODES 30
#define STACKS 60
#define WAY_MAX 4096
#define FRAMES_MAX 512

static const char *const function_names[FUNCTIONS] = { "main",
	                                               "alpha",
	                                               "beta",
	                                               "gamma",
	                                               "ns::delta(int)",
	                                               "epsilon",
	                                               "malloc",
	                                               "operator new(unsigned long)",
	                                               "std::vector<int>::push_back(int)",
	                                               "xstrdup",
	                                               "zeta",
	                                               "eta" };

static uint64_t seed;

static uint64_t pick(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

/* ---- A log ------------------------------------------------------------------- */

static void put_places(struct log_builder *builder)
{
	uint64_t rows[CODES * 3][5];
	size_t count = 0;

	for (uint64_t i = 1; i <= CODES; i++)
		LOG_ROWS(builder, MR_KIND_CODE, 3, i, 1 + pick(2), 0x100 * i);
	for (uint64_t i = 1; i <= CODES; i++) {
		const uint64_t inlined = pick(8) == 0 ? 0 : 1 + pick(3); /* 0: it has no name */

		for (uint64_t depth = 0; depth < inlined; depth++, count++) {
			rows[count][0] = i;
			rows[count][1] = depth;
			rows[count][2] = 1 + pick(FUNCTIONS);
			rows[count][3] = FUNCTIONS + 1;
			rows[count][4] = 1 + pick(5);
		}
	}
	log_builder_rows(builder, MR_KIND_SYMBOLS, 5, (uint32_t)count, &rows[0][0]);
}

static struct mr_model *random_model(struct log_builder *builder)
{
	const char *texts[FUNCTIONS + 3];
	struct mr_model *model = NULL;

	memcpy(texts, function_names, sizeof(function_names));
	texts[FUNCTIONS] = "source.c";
	texts[FUNCTIONS + 1] = "/bin/program";
	texts[FUNCTIONS + 2] = "/lib/libother.so";
	log_builder_begin(builder);
	log_builder_frame(builder, 1);
	log_builder_stream(builder, 42, MR_SOURCE_HEAP, 5000);
	log_builder_strings(builder, 1, MR_ARRAY_LEN(texts), texts);
	LOG_ROWS(builder, MR_KIND_MODULES, 4, 1, FUNCTIONS + 2, 0, 0x400000, 2, FUNCTIONS + 3, 0, 0x500000);
	put_places(builder);
	for (uint64_t i = 1; i <= STACKS; i++)
		LOG_ROWS(builder, MR_KIND_STACKS, 3, i, pick(i), 1 + pick(CODES));
	log_builder_frame_end(builder, 0, 0);
	log_builder_end(builder, 4100, MR_END_EXIT);
	cr_assert(eq(int,
	             mr_model_open_memory(builder->bytes.data, builder->bytes.len, "made.dat", &model, NULL),
	             0));
	cr_assert(eq(sz, model->run_count, 1));
	return model;
}

static struct mr_heap_site random_site(uint32_t stack)
{
	return (struct mr_heap_site){ .stack = stack,
		                      .live_bytes = pick(1000),
		                      .live_count = pick(10),
		                      .peak_bytes = pick(100000),
		                      .total_bytes = pick(1000000),
		                      .count = 1 + pick(100),
		                      .temporary = pick(50) };
}

/* ---- The slow way ------------------------------------------------------------ */

/* A stack as names, outermost first, up to its site. */
struct way {
	char names[FRAMES_MAX][64];
	char module[64]; /* of the site */
	size_t count;
	bool focused;
};

struct options {
	const char *focus; /* parts of names; NULL: not asked for */
	const char *hide;
	const char *module;
};

static void name_of(char out[64], const struct mr_position *position)
{
	const char *slash = strrchr(position->module, '/');

	if (position->function[0] != '\0')
		snprintf(out, 64, "%s", position->function);
	else
		snprintf(out, 64, "%s+0x%llx", slash ? slash + 1 : position->module,
		         (unsigned long long)position->offset);
}

static void make_way(struct way *way, const struct mr_model *model, uint32_t stack,
                     const struct options *options)
{
	static struct mr_position positions[FRAMES_MAX];
	const size_t count = mr_run_trace(model, &model->runs[0], stack, positions, FRAMES_MAX);
	size_t site = 0;
	unsigned best = MR_FRAME_ALLOCATOR + 1;
	char name[64] = "(unknown)";

	way->count = 0;
	way->focused = options->focus == NULL || (stack == 0 && strstr(name, options->focus) != NULL);
	for (size_t i = 0; i < count; i++) {
		name_of(name, &positions[i]);
		way->focused = way->focused || strstr(name, options->focus) != NULL;
		if (options->hide && strstr(name, options->hide))
			continue;
		if (mr_frame_kind_of(positions[i].function) >= best)
			continue;
		best = mr_frame_kind_of(positions[i].function);
		site = i;
	}
	for (size_t i = count; i > site && best <= MR_FRAME_ALLOCATOR; i--) {
		name_of(name, &positions[i - 1]);
		if (options->hide && strstr(name, options->hide))
			continue;
		snprintf(way->module, sizeof(way->module), "%s", strrchr(positions[i - 1].module, '/') + 1);
		if (way->count == 0 || strcmp(way->names[way->count - 1], name) != 0)
			snprintf(way->names[way->count++], 64, "%s", name);
	}
	if (way->count == 0) {
		snprintf(way->names[0], 64, "%s", stack == 0 ? "(unknown)" : "(hidden)");
		way->module[0] = '\0';
		way->count = 1;
	}
}

struct expected {
	char way[WAY_MAX];
	struct mr_stack_cost self;
	struct mr_stack_cost all;
};

struct expectations {
	struct expected *items;
	size_t count;
};

static struct expected *expect(struct expectations *all, const char *way)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->items[i].way, way) == 0)
			return &all->items[i];
	all->items = realloc(all->items, (all->count + 1) * sizeof(*all->items));
	cr_assert(ne(ptr, all->items, NULL));
	memset(&all->items[all->count], 0, sizeof(*all->items));
	snprintf(all->items[all->count].way, WAY_MAX, "%s", way);
	return &all->items[all->count++];
}

static void add_way(struct expectations *nodes, struct expectations *functions, const struct way *way,
                    const struct mr_stack_cost *cost, bool inverted)
{
	char text[WAY_MAX] = "";
	struct expected *node = NULL;

	for (size_t i = 0; i < way->count; i++) {
		const size_t at = inverted ? way->count - 1 - i : i;
		bool seen = false;

		snprintf(text + strlen(text), WAY_MAX - strlen(text), "/%s", way->names[at]);
		node = expect(nodes, text);
		mr_stack_cost_add(&node->all, cost);
		for (size_t k = 0; k < i; k++)
			seen = seen ||
			       strcmp(way->names[inverted ? way->count - 1 - k : k], way->names[at]) == 0;
		if (!seen)
			mr_stack_cost_add(&expect(functions, way->names[at])->all, cost);
	}
	mr_stack_cost_add(&node->self, cost);
	mr_stack_cost_add(&expect(functions, way->names[way->count - 1])->self, cost);
}

/* ---- Both -------------------------------------------------------------------- */

static bool same_cost(const struct mr_stack_cost *a, const struct mr_stack_cost *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static void node_way(const struct mr_stack_tree *tree, uint32_t node, char out[WAY_MAX])
{
	out[0] = '\0';
	if (tree->nodes[node].parent != 0)
		node_way(tree, tree->nodes[node].parent, out);
	snprintf(out + strlen(out), WAY_MAX - strlen(out), "/%s",
	         tree->stacks->functions[tree->nodes[node].function].name);
}

static struct mr_stack_cost all_of(const struct mr_stack_tree *tree, uint32_t node)
{
	return (struct mr_stack_cost){
		tree->all[MR_STACK_PEAK][node],       tree->all[MR_STACK_LIVE][node],
		tree->all[MR_STACK_LIVE_COUNT][node], tree->all[MR_STACK_TOTAL][node],
		tree->all[MR_STACK_COUNT][node],      tree->all[MR_STACK_TEMPORARY][node],
		tree->all[MR_STACK_SITES][node]
	};
}

static void check_tree(const struct mr_stack_tree *tree, struct expectations *expected)
{
	char way[WAY_MAX];
	size_t found = 0;

	for (uint32_t i = 1; i < tree->count; i++) {
		const struct mr_stack_cost all = all_of(tree, i);

		if (all.sites == 0)
			continue;
		cr_assert(lt(u32, tree->nodes[i].parent, i));
		node_way(tree, i, way);
		const size_t before = expected->count;
		const struct expected *of = expect(expected, way);

		cr_assert(eq(sz, expected->count, before), "seed %llu: %s is too much",
		          (unsigned long long)seed, way);
		cr_assert(same_cost(mr_stack_tree_self(tree, i), &of->self), "%s", way);
		cr_assert(same_cost(&all, &of->all), "%s", way);
		found++;
	}
	cr_assert(eq(sz, found, expected->count));
}

static void check_functions(struct mr_stack_tree *tree, struct expectations *expected)
{
	struct mr_stack_cost *self = NULL;
	struct mr_stack_cost *all = NULL;
	size_t found = 0;

	cr_assert(eq(int, mr_stack_tree_functions(tree, &self, &all, NULL), 0));
	for (size_t i = 0; i < tree->stacks->function_count; i++) {
		if (all[i].sites == 0)
			continue;
		const struct expected *of = expect(expected, tree->stacks->functions[i].name);

		cr_assert(same_cost(&self[i], &of->self), "%s", of->way);
		cr_assert(same_cost(&all[i], &of->all), "%s", of->way);
		found++;
	}
	cr_assert(eq(sz, found, expected->count));
	mr_free(self);
	mr_free(all);
}

static void compare(const struct options *options, bool inverted)
{
	static struct way way;
	struct log_builder builder = { 0 };
	struct mr_model *model = random_model(&builder);
	struct memstats_query *query = memstats_query_new();
	struct mr_heap_site sites[STACKS + 1];
	struct mr_heap_sites list = { .sites = sites };
	struct expectations nodes = { NULL, 0 };
	struct expectations functions = { NULL, 0 };
	struct mr_stacks *stacks = NULL;
	struct mr_stack_tree tree;

	if (options->focus)
		cr_assert(eq(int, memstats_query_add(query, MEMSTATS_FOCUS, options->focus, NULL), 0));
	if (options->hide)
		cr_assert(eq(int, memstats_query_add(query, MEMSTATS_HIDE, options->hide, NULL), 0));
	if (options->module)
		cr_assert(eq(int, memstats_query_add(query, MEMSTATS_MODULE, options->module, NULL), 0));
	for (uint32_t stack = 0; stack <= STACKS; stack++) {
		if (pick(3) == 0)
			continue;
		const struct mr_heap_site site = random_site(stack);
		const struct mr_stack_cost cost = { site.peak_bytes,
			                            site.live_bytes,
			                            site.live_count,
			                            site.total_bytes,
			                            site.count,
			                            site.temporary,
			                            1 };

		sites[list.count++] = site;
		make_way(&way, model, stack, options);
		if (way.focused && (!options->module || strstr(way.module, options->module)))
			add_way(&nodes, &functions, &way, &cost, inverted);
	}
	cr_assert(eq(int, mr_stacks_new(model, &model->runs[0], query, &stacks, NULL), 0));
	cr_assert(eq(int, mr_stack_tree_init(&tree, stacks, &list, inverted, NULL), 0));
	cr_assert(eq(int, mr_stack_tree_sum(&tree, (1u << MR_STACK_FIGURES) - 1, NULL), 0));
	check_tree(&tree, &nodes);
	if (!inverted)
		check_functions(&tree, &functions);
	free(nodes.items);
	free(functions.items);
	mr_stack_tree_release(&tree);
	mr_stacks_free(stacks);
	memstats_query_free(query);
	mr_model_close(model);
	log_builder_release(&builder);
}

static void compare_many(const struct options *options)
{
	for (uint64_t round = 1; round <= 40; round++) {
		seed = round * UINT64_C(0x9e3779b97f4a7c15);
		compare(options, false);
		compare(options, true);
	}
}

Test(stacks_tree, random_stacks__are_merged_as_one_by_one)
{
	compare_many(&(struct options){ NULL, NULL, NULL });
}

Test(stacks_tree, focus__keeps_stacks_through_the_function)
{
	compare_many(&(struct options){ "alpha", NULL, NULL });
	compare_many(&(struct options){ "malloc", NULL, NULL });
}

Test(stacks_tree, hide__gives_the_cost_to_the_caller)
{
	compare_many(&(struct options){ NULL, "eta", NULL });
	compare_many(&(struct options){ NULL, "a", NULL });
}

Test(stacks_tree, module__is_that_of_the_site)
{
	compare_many(&(struct options){ NULL, NULL, "libother" });
}

Test(stacks_tree, options__hold_together)
{
	compare_many(&(struct options){ "beta", "gamma", "program" });
	compare_many(&(struct options){ "gamma", "gamma", NULL }); /* a hidden function still is one */
}
