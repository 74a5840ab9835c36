/* SPDX-License-Identifier: MIT
 *
 * What logs of censuses have beyond those of trackers: sizes that objects are born
 * with, totals of what is not told one by one, who holds what, and graphs; also
 * from files that say what cannot be.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "log_builder.h"
#include "memstats.h"
#include "model.h"

static struct log_builder builder;

static void release(void)
{
	log_builder_release(&builder);
	builder = (struct log_builder){ 0 };
}

TestSuite(model_census, .fini = release);

enum { TYPE_DICT = 1, TYPE_LEAF = 2 };

/* Types dict and Leaf; strings 1 to 4; the frame of definitions is ended. */
static void begin_log(void)
{
	static const char *const texts[] = { "dict", "Leaf", "__main__.leaks[*]", "__main__.leaks[0]",
		                             "(others)" };

	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_CENSUS, 0);
	log_builder_strings(&builder, 1, MR_ARRAY_LEN(texts), texts);
	LOG_ROWS(&builder, MR_KIND_CLASSES, 6, TYPE_DICT, 1, 0, 999, 0, 0, TYPE_LEAF, 2, 0, 0, 0, 0);
	log_builder_frame_end(&builder, 0, 0);
}

/* Snapshots 1 at 1000 (the baseline), 2 at 2000 and 3 at 3000, which claims to be a key snapshot;
 * Leaf 5 born at 2, dict 6 born at 2 with 64 bytes and 232 at 3, Leaf 7 born and gone at 3. */
static void put_objects(void)
{
	log_builder_frame(&builder, 1);
	LOG_ROWS(&builder, MR_KIND_BIRTHS, 8, 5, 2000, TYPE_LEAF, 0, 0x10, 0, 0, 49, 6, 2000, TYPE_DICT, 0,
	         0x20, 0, 0, 65, 7, 2500, TYPE_LEAF, 0, 0x30, 0, 0, 49);
	LOG_ROWS(&builder, MR_KIND_DEATHS, 3, 7, 3000, 0);
	log_builder_frame_end(&builder, 0, 0);
	log_builder_frame(&builder, 1);
	LOG_ROWS(&builder, MR_KIND_SIZES, 4, 3, 6, 232, 232);
	log_builder_frame_end(&builder, 3, 3);
}

static void put_snapshots(uint64_t untold_count, uint64_t untold_bytes)
{
	log_builder_frame(&builder, 1);
	LOG_ROWS(&builder, MR_KIND_SNAPSHOTS, 7, 1, 1000, 0, 0, MR_SNAPSHOT_BASELINE, 10, 640, 2, 2000, 0, 0,
	         0, 12, 752, 3, 3000, 0, 0, MR_SNAPSHOT_KEY, 12, 920);
	LOG_ROWS(&builder, MR_KIND_CLASS_TOTALS, 13, 1, TYPE_DICT, 10, 640, 640, 0, 0, 0, 0, 0, 0, 0, 0, 2,
	         TYPE_DICT, 11, 704, 704, 0, 0, 2, 128, untold_count, untold_bytes, 0, 0, 2, TYPE_LEAF, 1, 48,
	         48, 0, 0, 0, 0, 0, 0, 0, 0, 3, TYPE_DICT, 11, 872, 872, 0, 0, 1, 64, untold_count,
	         untold_bytes, untold_count, untold_bytes, 3, TYPE_LEAF, 1, 48, 48, 0, 0, 0, 0, 0, 0, 0, 0);
	log_builder_frame_end(&builder, 1, 3);
}

static void end_log(void)
{
	log_builder_end(&builder, 4000, MR_END_CLOSED);
}

static struct mr_model *open_model(unsigned parts)
{
	struct mr_error err = { 0 };
	struct mr_model *model = NULL;

	cr_assert(eq(int,
	             mr_model_open_memory(builder.bytes.data, builder.bytes.len, "made.dat", &model, &err),
	             0),
	          "%s", err.message);
	cr_assert(eq(int, mr_model_load(model, parts, &err), 0), "%s", err.message);
	return model;
}

/* ---- Objects and totals ------------------------------------------------------------- */

Test(model_census, objects__have_the_size_that_they_were_born_with)
{
	begin_log();
	put_objects();
	put_snapshots(0, 0);
	end_log();

	struct mr_model *model = open_model(MR_LOAD_ALL);
	const struct mr_run *run = &model->runs[0];
	const struct mr_objects *objects = &run->objects;
	struct mr_states *details = NULL;
	const uint32_t rows[] = { 1 };

	cr_assert(eq(sz, objects->count, 3));
	cr_expect(mr_run_has_census(run));
	cr_expect(mr_run_is_census(run, 0));
	cr_expect(eq(u64, run->snapshots[0].flags, MR_SNAPSHOT_BASELINE));
	cr_expect(eq(u64, objects->size_bytes[0], 48), "whatever its class says, and a key snapshot");
	cr_expect(eq(u64, objects->size_bytes[1], 232));
	cr_expect(eq(u64, objects->size_max_bytes[1], 232));
	cr_expect(eq(u64, objects->size_bytes[2], 48));
	cr_expect(eq(u64, objects->death_ns[2], 3000));
	cr_assert(eq(int, mr_model_details(model, 0, rows, 1, &details, NULL), 0));
	cr_assert(eq(sz, details[0].count, 3));
	cr_expect(eq(int, (int)details[0].states[0].moment, MR_AT_BIRTH));
	cr_expect(eq(u64, details[0].states[1].size_bytes, 64));
	cr_expect(eq(u64, details[0].states[2].size_bytes, 232));
	mr_details_free(details);
	mr_model_close(model);
}

Test(model_census, totals__count_what_is_not_told)
{
	begin_log();
	put_snapshots(3, 96);
	end_log();

	struct mr_model *model = open_model(0);
	const struct mr_run *run = &model->runs[0];
	const struct mr_class_total *last = &run->class_totals[run->snapshots[2].class_total_first];

	cr_assert(eq(sz, run->class_total_count, 5));
	cr_expect(eq(u64, last->gone, 1));
	cr_expect(eq(u64, last->gone_bytes, 64));
	cr_expect(eq(u64, last->made, 3));
	cr_expect(eq(u64, last->made_bytes, 96));
	cr_expect(eq(u64, last->stayed, 3));
	cr_expect(eq(u64, last->stayed_bytes, 96));
	mr_model_close(model);
}

/* ---- Who holds objects --------------------------------------------------------------- */

Test(model_census, holders__are_ordered_and_resolved)
{
	begin_log();
	put_objects();
	put_snapshots(0, 0);
	log_builder_frame(&builder, 1);
	LOG_ROWS(&builder, MR_KIND_HOLDERS, 9, 3, TYPE_LEAF, 6, MR_HOLDER_MODULE, 2, 1, 48, 3, 4, 3,
	         TYPE_DICT, 0, MR_HOLDER_CYCLE, 1, 1, 8, 4, 0, 3, TYPE_DICT, 7, 77, UINT64_MAX, UINT64_MAX,
	         UINT64_MAX, 99, 98, 2, TYPE_DICT, 0, 0, 0, 1, 1, 3, 0, 9, TYPE_DICT, 0, 0, 0, 1, 1, 3, 0);
	log_builder_frame_end(&builder, 2, 9);
	end_log();

	struct mr_model *model = open_model(MR_LOAD_OBJECTS);
	const struct mr_run *run = &model->runs[0];

	cr_assert(eq(sz, run->holder_count, 4), "one names a snapshot that is not there");
	cr_expect(eq(u64, model->segments[0].rows_dropped, 1));
	cr_assert(eq(sz, run->snapshots[2].holder_count, 3));
	const struct mr_holder_way *ways = &run->holders[run->snapshots[2].holder_first];

	cr_expect(eq(u32, ways[0].class_index, TYPE_DICT));
	cr_expect(eq(u64, ways[0].size_bytes, UINT64_MAX), "the largest of a class comes first");
	cr_expect(eq(str, (char *)mr_model_string(model, ways[0].path), "?"));
	cr_expect(eq(u32, mr_model_object_row(model, run, 2, ways[0].object), 1));
	cr_expect(eq(u64, ways[1].object, MR_NONE));
	cr_expect(eq(u32, ways[2].class_index, TYPE_LEAF));
	cr_expect(eq(str, (char *)mr_model_string(model, ways[2].path), "__main__.leaks[*]"));
	cr_expect(eq(str, (char *)mr_model_string(model, ways[2].example), "__main__.leaks[0]"));
	cr_expect(eq(u64, ways[2].object, 5));
	cr_expect(eq(u32, mr_model_object_row(model, run, 2, 5), 0));
	cr_expect(eq(u32, mr_model_object_row(model, run, 2, 12345), MR_INDEX_NONE));
	mr_model_close(model);
}

/* ---- Graphs ----------------------------------------------------------------------------- */

Test(model_census, graphs__keep_what_fits_together)
{
	begin_log();
	put_snapshots(0, 0);
	log_builder_frame(&builder, 1);
	/* 7 comes twice, 0 is no id, 9 speaks of a snapshot that there is not. */
	LOG_ROWS(&builder, MR_KIND_GRAPHS, 8, 7, 3100, MR_GRAPH_GARBAGE, 1, 3, UINT64_MAX, UINT64_MAX,
	         UINT64_MAX, 7, 3200, 0, 2, 0, 1, 1, 1, 0, 3000, 0, 2, 0, 1, 1, 1, 9, 3050, 55, 88, 77, 0, 0,
	         0);
	/* Node 4 of graph 7 leads to itself; it comes twice; 0 is no id; and there is no graph 8. */
	LOG_ROWS(&builder, MR_KIND_GRAPH_NODES, 7, 7, 4, 1, 2, 56, 1, 1, 7, 2, 5, 0, UINT64_MAX, UINT64_MAX,
	         UINT64_MAX, 7, 4, 1, 1, 1, 1, 0, 7, 0, 1, 1, 1, 1, 0, 8, 1, 1, 1, 1, 1, 0, 9, 1, 66, 66, 1,
	         1, 0, 7, UINT64_MAX, 1, 1, 1, 1, 0);
	/* Nothing leads out of a graph, nor to what is not there. */
	LOG_ROWS(&builder, MR_KIND_GRAPH_EDGES, 5, 7, 4, 4, 1, 1, 7, 2, 4, 0, UINT64_MAX, 7, 2, 1, 0, 1, 7,
	         99, 2, 0, 1, 8, 4, 4, 0, 1, 9, 1, 1, 44, 1, 7, 0, 2, 0, 1);
	log_builder_frame_end(&builder, 3, 3);
	end_log();

	struct mr_model *model = open_model(0);
	const struct mr_run *run = &model->runs[0];

	cr_assert(eq(u32, run->graph_count, 2));
	cr_expect(eq(u64, run->graphs[0].time_ns, 3050), "by time");
	cr_expect(eq(u32, run->graphs[0].snapshot, MR_INDEX_NONE));
	cr_expect(eq(u32, run->graphs[1].snapshot, 2));
	cr_expect(eq(u64, run->graphs[1].object_count, UINT64_MAX));
	cr_assert(eq(u32, run->graphs[1].node_count, 2));
	const struct mr_graph_node *nodes = &run->graph_nodes[run->graphs[1].node_first];

	cr_expect(eq(u32, nodes[0].id, 2));
	cr_expect(eq(u32, nodes[1].id, 4));
	cr_expect(eq(u64, nodes[1].size_bytes, 56), "of two with one id, the larger");
	cr_assert(eq(u32, run->graphs[0].node_count, 1));
	cr_assert(eq(u32, run->graphs[1].edge_count, 2));
	for (uint32_t i = 0; i < run->graph_edge_count; i++) {
		cr_expect(
			eq(u32, run->graph_nodes[run->graph_edges[i].from].graph, run->graph_edges[i].graph));
		cr_expect(eq(u32, run->graph_nodes[run->graph_edges[i].to].graph, run->graph_edges[i].graph));
	}
	cr_expect(eq(u64, model->segments[0].rows_dropped, 2 + 4 + 4));
	mr_model_close(model);
}

Test(model_census, graphs__are_never_larger_than_a_writer_makes_them)
{
	static uint64_t graphs[MR_LOG_GRAPHS_MAX + 6][1];
	static uint64_t nodes[MR_LOG_GRAPH_NODES_MAX + 100][2];
	static uint64_t edges[MR_LOG_GRAPH_EDGES_MAX + 100][3];

	for (size_t i = 0; i < MR_ARRAY_LEN(graphs); i++)
		graphs[i][0] = i + 1;
	for (size_t i = 0; i < MR_ARRAY_LEN(nodes); i++) {
		nodes[i][0] = 1;
		nodes[i][1] = i + 1;
	}
	for (size_t i = 0; i < MR_ARRAY_LEN(edges); i++) {
		edges[i][0] = 1;
		edges[i][1] = i % 500 + 1;
		edges[i][2] = i / 500 + 1;
	}
	begin_log();
	log_builder_frame(&builder, 1);
	log_builder_rows(&builder, MR_KIND_GRAPHS, 1, MR_ARRAY_LEN(graphs), graphs[0]);
	log_builder_rows(&builder, MR_KIND_GRAPH_NODES, 2, MR_ARRAY_LEN(nodes), nodes[0]);
	log_builder_rows(&builder, MR_KIND_GRAPH_EDGES, 3, MR_ARRAY_LEN(edges), edges[0]);
	log_builder_frame_end(&builder, 0, 0);
	end_log();

	struct mr_model *model = open_model(0);

	cr_expect(eq(u32, model->runs[0].graph_count, MR_LOG_GRAPHS_MAX));
	cr_expect(eq(u32, model->runs[0].graphs[0].node_count, MR_LOG_GRAPH_NODES_MAX));
	cr_expect(eq(u32, model->runs[0].graphs[0].edge_count, MR_LOG_GRAPH_EDGES_MAX));
	cr_expect(eq(u64, model->segments[0].rows_dropped, 6 + 100 + 100));
	mr_model_close(model);
}

/* ---- What tables make of it ------------------------------------------------------------ */

/* The cell of COLUMN in the row of table diff that is of TYPE. */
static uint64_t diff_of(struct memstats_log *log, const char *type, const char *column)
{
	struct memstats_query *query = memstats_query_new();
	struct memstats_table *table = NULL;

	cr_assert(eq(int, memstats_query_add(query, MEMSTATS_FILTER, type, NULL), 0));
	cr_assert(eq(int, memstats_table_new(log, "diff", query, &table, NULL), 0));
	cr_assert(eq(sz, memstats_table_row_count(table), 1));
	const uint64_t number =
		memstats_table_number(table, 0, (size_t)memstats_table_find_column(table, column));

	memstats_table_free(table);
	memstats_query_free(query);
	return number;
}

static struct memstats_log *open_log(void)
{
	struct memstats_log *log = NULL;

	end_log();
	cr_assert(eq(int,
	             memstats_log_open_memory(builder.bytes.data, builder.bytes.len, "made.dat", &log, NULL),
	             0));
	return log;
}

Test(model_census, diff__adds_what_is_not_told)
{
	begin_log();
	put_objects();
	put_snapshots(4, 400);

	struct memstats_log *log = open_log();

	cr_expect(eq(u64, diff_of(log, "dict", "count_before"), 10));
	cr_expect(eq(u64, diff_of(log, "dict", "size_after"), 872));
	cr_expect(eq(u64, diff_of(log, "dict", "created"), 1 + 4 + 4));
	cr_expect(eq(u64, diff_of(log, "dict", "created_size"), 232 + 400 + 400));
	cr_expect(eq(u64, diff_of(log, "dict", "deleted"), 2 + 1));
	cr_expect(eq(u64, diff_of(log, "dict", "persistent"), 1 + 4));
	cr_expect(eq(u64, diff_of(log, "dict", "persistent_size"), 232 + 400));
	cr_expect(eq(u64, diff_of(log, "Leaf", "created"), 1));
	memstats_log_close(log);
}

Test(model_census, diff__survives_counts_beyond_all_measure)
{
	begin_log();
	put_snapshots(UINT64_MAX, UINT64_MAX);

	struct memstats_log *log = open_log();

	cr_expect(eq(u64, diff_of(log, "dict", "created"), UINT64_MAX));
	cr_expect(eq(u64, diff_of(log, "dict", "created_size"), UINT64_MAX));
	memstats_log_close(log);
}

Test(model_census, diff__of_a_log_that_lost_its_totals__has_what_is_told)
{
	begin_log();
	put_objects();
	log_builder_frame(&builder, 1);
	LOG_ROWS(&builder, MR_KIND_SNAPSHOTS, 7, 1, 1000, 0, 0, MR_SNAPSHOT_BASELINE, 10, 640, 2, 2000, 0, 0,
	         0, 12, 752);
	log_builder_frame_end(&builder, 1, 2);

	struct memstats_log *log = open_log();

	cr_expect(eq(u64, diff_of(log, "dict", "count_after"), 1));
	cr_expect(eq(u64, diff_of(log, "Leaf", "created_size"), 48));
	memstats_log_close(log);
}
