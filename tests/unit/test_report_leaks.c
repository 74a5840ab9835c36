/* SPDX-License-Identifier: MIT
 *
 * Which types of objects that stayed look like leaks, and in what order they are
 * told, with tables made for it.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "report_data.h"
#include "report_leaks.h"

#define CENSUSES 8
#define TYPES 8
#define WAYS 4
#define FIRST_NS 1000

struct world {
	struct mr_report_snapshot snapshots[CENSUSES];
	struct mr_census_type types[TYPES];
	struct mr_census_way ways[TYPES][WAYS];
	uint64_t born[TYPES][CENSUSES];
	struct mr_report_census census;
};

static struct world *new_world(void)
{
	static struct world world;
	world = (struct world){
		.census = { .snapshots = world.snapshots, .snapshot_count = CENSUSES, .types = world.types }
	};
	for (size_t i = 0; i < CENSUSES; i++)
		world.snapshots[i].time_ns = FIRST_NS * (i + 1);
	return &world;
}

/* COUNT objects, made at GROWN censuses in a row from FROM on. */
static struct mr_census_type *stayed(struct world *world, const char *name, uint64_t count, uint64_t bytes,
                                     size_t from, size_t grown)
{
	const size_t i = world->census.type_count++;
	struct mr_census_type *type = &world->types[i];
	*type = (struct mr_census_type){ .name = name,
		                         .count = count,
		                         .size_bytes = bytes,
		                         .first_ns = FIRST_NS * (from + 1),
		                         .last_ns = FIRST_NS * (from + grown),
		                         .ways = world->ways[i],
		                         .born = world->born[i] };
	for (size_t at = from; at < from + grown; at++)
		type->born[at] = count / grown;
	return type;
}

static void held(struct mr_census_type *type, const char *path, const char *root, uint64_t count,
                 uint64_t bytes)
{
	cr_assert(lt(sz, type->way_count, WAYS));
	type->ways[type->way_count++] = (struct mr_census_way){ path, root, count, bytes, 0, false };
}

static struct mr_census_type *simple(struct world *world, const char *name, const char *path, uint64_t count,
                                     uint64_t bytes, size_t grown)
{
	struct mr_census_type *type = stayed(world, name, count, bytes, 1, grown);
	held(type, path, "module", count, bytes);
	return type;
}

static void rank(struct world *world)
{
	struct mr_error error = { 0 };
	cr_assert(eq(int, mr_report_leaks_rank(&world->census, &error), 0));
}

/* The names of the types in order, what is all definitions left out. */
static void expect(const struct world *world, const char *const *names, size_t count)
{
	cr_assert(eq(sz, world->census.told, count));
	for (size_t i = 0; i < count; i++)
		cr_expect(eq(str, (char *)world->types[i].name, (char *)names[i]));
}

#define EXPECT(world, ...)                                            \
	do {                                                          \
		const char *const names[] = { __VA_ARGS__ };          \
		expect(world, names, sizeof(names) / sizeof(*names)); \
	} while (0)

Test(report_leaks, many_of_a_pattern__come_before_what_holds_them)
{
	struct world *world = new_world();
	simple(world, "app.Holder", "app.holder", 1, 56, 1);
	simple(world, "dict", "app.holder.kept", 1, 1 << 20, 1);
	simple(world, "list", "app.holder.kept[*].data", 50, 4400, 1);
	simple(world, "app.Node", "app.holder.kept[*]", 50, 2800, 1);
	rank(world);
	EXPECT(world, "app.Node", "app.Holder", "dict", "list");
	const struct mr_census_type *types = world->types;
	cr_expect(eq(int, types[0].rank, MR_LEAK_LEADS));
	cr_expect(eq(u64, types[0].group_bytes, 7200), "the lists are a part of the nodes");
	cr_expect(eq(sz, types[1].holds, 0), "the holder is told to hold the nodes");
	cr_expect(eq(sz, types[2].belongs_to, 1), "the dictionary is a part of the holder");
	cr_expect(eq(sz, types[3].belongs_to, 0));
}

Test(report_leaks, what_grows__counts_as_often_as_it_grew)
{
	struct world *world = new_world();
	simple(world, "app.Table", "app.tables[*]", 40, 5000, 1);
	simple(world, "app.Request", "app.requests[*]", 40, 2000, 5);
	simple(world, "app.Large", "app.large[*]", 40, 20000, 1);
	rank(world);
	EXPECT(world, "app.Large", "app.Request", "app.Table");
	cr_expect(eq(u64, world->types[1].grown, 5));
	cr_expect(eq(u64, world->types[1].score, 10000));
}

Test(report_leaks, few_that_grow__lead)
{
	struct world *world = new_world();
	simple(world, "app.Large", "app.large", 1, 1 << 20, 1);
	simple(world, "app.Thread", "app.thread.next", 4, 400, 4);
	rank(world);
	EXPECT(world, "app.Thread", "app.Large");
	cr_expect(eq(int, world->types[0].rank, MR_LEAK_LEADS));
	cr_expect(eq(int, world->types[1].rank, MR_LEAK_FEW));
}

Test(report_leaks, where_births_are_not_known__counts_say_what_grew)
{
	struct world *world = new_world();
	double counts[CENSUSES] = { 5, 6, 7, 8, 8, 8, 9, 9 };
	struct mr_census_type *type = simple(world, "app.Node", "app.node", 4, 400, 1);
	type->first_ns = type->last_ns = MR_NO_VALUE;
	type->counts = counts;
	rank(world);
	cr_expect(eq(u64, world->types[0].grown, 3));
}

Test(report_leaks, definitions__are_no_leak)
{
	struct world *world = new_world();
	simple(world, "type", "app.Holder", 1, 1688, 1);
	struct mr_census_type *code = stayed(world, "code", 3, 600, 1, 1);
	held(code, "app.Holder.work.__code__", "module", 1, 200);
	held(code, "app.Holder.work.__code__.co_consts[*]", "module", 2, 400);
	struct mr_census_type *dict = stayed(world, "dict", 2, 2536, 1, 1);
	held(dict, "app.Holder.__dict__", "module", 1, 272);
	held(dict, "app.holder.__dict__", "module", 1, 2264);
	struct mr_census_type *tuple = stayed(world, "tuple", 30, 1680, 1, 1);
	held(tuple, "<C code: tuple>", "C code", 20, 1120);
	held(tuple, "app.Holder.__mro__", "module", 1, 56);
	held(tuple, "(other ways)", "", 9, 504);
	simple(world, "app.Holder", "app.holder", 1, 56, 1);
	rank(world);
	EXPECT(world, "app.Holder", "dict");
	cr_expect(eq(u64, world->types[1].defined, 1));
	cr_expect(eq(u64, world->types[1].defined_bytes, 272));
	cr_expect(eq(str, (char *)world->types[1].ways[0].path, "app.holder.__dict__"));
	for (size_t i = 2; i < 5; i++) {
		cr_expect(eq(int, world->types[i].rank, MR_LEAK_DEFINED), "%s", world->types[i].name);
		cr_expect(eq(u64, world->types[i].defined, world->types[i].count), "%s",
		          world->types[i].name);
	}
}

Test(report_leaks, functions_made_again_and_again__are_a_leak)
{
	struct world *world = new_world();
	struct mr_census_type *function = stayed(world, "function", 182, 27000, 1, 4);
	held(function, "app.register", "module", 1, 152);
	held(function, "app.View.moved", "module", 1, 152);
	held(function, "app.listeners['click'][*]", "module", 180, 26696);
	simple(world, "cell", "app.listeners['click'][*].__closure__[0]", 180, 7200, 4);
	rank(world);
	EXPECT(world, "function", "cell");
	cr_expect(eq(u64, world->types[0].defined, 2));
	cr_expect(eq(str, (char *)world->types[0].ways[0].path, "app.listeners['click'][*]"));
	cr_expect(eq(sz, world->types[1].belongs_to, 0));
}

Test(report_leaks, what_a_class_holds__is_a_leak_all_the_same)
{
	struct world *world = new_world();
	simple(world, "type", "app.Model", 1, 1688, 1);
	simple(world, "app.Row", "app.Model.registry[*]", 30, 3000, 1);
	simple(world, "list", "app.load.__defaults__[0][*]", 30, 1000, 1);
	rank(world);
	EXPECT(world, "app.Row", "list");
}

Test(report_leaks, imports__count_less_than_what_came_after_them)
{
	struct world *world = new_world();
	simple(world, "module", "json", 1, 72, 1);
	simple(world, "str", "html.entities[*]", 2000, 1 << 20, 1);
	struct mr_census_type *node = stayed(world, "app.Node", 20, 2000, 4, 1);
	held(node, "app.kept[*]", "module", 20, 2000);
	rank(world);
	EXPECT(world, "app.Node", "str");
}

Test(report_leaks, parts__are_no_more_than_a_few_of_each)
{
	struct world *world = new_world();
	simple(world, "app.Shard", "app.shards[*]", 10, 560, 1);
	simple(world, "app.Record", "app.shards[*].records[*]", 10000, 560000, 1);
	simple(world, "app.Lock", "app.shards[*].lock", 10, 560, 1);
	rank(world);
	EXPECT(world, "app.Record", "app.Shard", "app.Lock");
	cr_expect(eq(sz, world->types[0].belongs_to, SIZE_MAX));
	cr_expect(eq(sz, world->types[1].holds, 0));
	cr_expect(eq(sz, world->types[2].belongs_to, 1));
}

Test(report_leaks, equal_ones__are_told_by_name)
{
	struct world *world = new_world();
	simple(world, "app.B", "app.b[*]", 20, 2000, 1);
	simple(world, "app.A", "app.a[*]", 20, 2000, 1);
	rank(world);
	EXPECT(world, "app.A", "app.B");
}

Test(report_leaks, odd_logs__are_ranked_without_harm)
{
	struct world *world = new_world();
	struct mr_census_type *evil = stayed(world, "", 3, UINT64_MAX, 1, 1);
	held(evil, "", "", UINT64_MAX, UINT64_MAX);
	held(evil, ".__dict__", "C code", UINT64_MAX, UINT64_MAX);
	held(evil, "..[*", "module", UINT64_MAX, 0);
	simple(world, "type", "", 5, UINT64_MAX, 7);
	rank(world);
	cr_expect(ge(sz, world->census.told, 1));
	cr_expect(le(u64, world->types[0].defined, world->types[0].count));
}
