/* SPDX-License-Identifier: MIT
 *
 * Reads the tree of calls, names its functions once for all runs, gives the
 * largest modules their colours, and cuts the trees to what a page may show.
 */
#include "report_heap.h"

#include "report_data.h"

#include <stdlib.h>

#define DEPTH_MAX 4096  /* of the tree that is read; what claims to be deeper hangs there */
#define NODES_MAX 4000  /* of a tree that a page may show */
#define NODES_OTHER 800 /* of those of processes that hold less than a part of what the largest holds */
#define LARGE_PART 5

struct tree_columns {
	int run, depth, function, module, file, self[MR_COST_KINDS];
};

static struct tree_columns tree_columns_of(const struct memstats_table *table)
{
	struct tree_columns columns = {
		.run = mr_report_rows_column(table, "run"),
		.depth = mr_report_rows_column(table, "depth"),
		.function = mr_report_rows_column(table, "function"),
		.module = mr_report_rows_column(table, "module"),
		.file = mr_report_rows_column(table, "file"),
	};
	for (size_t c = 0; c < MR_COST_KINDS; c++) {
		char name[32];
		snprintf(name, sizeof(name), "self_%s", mr_flame_cost_names[c]);
		columns.self[c] = mr_report_rows_column(table, name);
	}
	return columns;
}

static uint64_t frame_hash(const struct mr_heap_frame *frame)
{
	return mr_heap_hash(mr_heap_hash(mr_heap_hash(0, frame->function), frame->module), frame->file);
}

static int grow_slots(struct mr_heap_tables *tables, struct mr_error *err)
{
	const size_t count = tables->frame_slot_count > 0 ? tables->frame_slot_count * 2 : 1024;
	uint32_t *slots = mr_alloc(count * sizeof(*slots));
	MR_FAIL_IF(!slots, err, MR_ERR_NOMEM, "no memory for functions");
	for (size_t i = 0; i < tables->frame_count; i++) {
		size_t slot = frame_hash(&tables->frames[i]) & (count - 1);
		while (slots[slot])
			slot = (slot + 1) & (count - 1);
		slots[slot] = (uint32_t)i + 1;
	}
	mr_free(tables->frame_slots);
	tables->frame_slots = slots;
	tables->frame_slot_count = count;
	return 0;
}

static int find_frame(struct mr_heap_tables *tables, const struct mr_heap_frame *frame, uint32_t *index,
                      struct mr_error *err)
{
	if (2 * (tables->frame_count + 1) > tables->frame_slot_count)
		MR_TRY(grow_slots(tables, err));
	size_t slot = frame_hash(frame) & (tables->frame_slot_count - 1);
	for (; tables->frame_slots[slot]; slot = (slot + 1) & (tables->frame_slot_count - 1)) {
		const struct mr_heap_frame *known = &tables->frames[tables->frame_slots[slot] - 1];
		if (strcmp(known->function, frame->function) == 0 &&
		    strcmp(known->module, frame->module) == 0 && strcmp(known->file, frame->file) == 0) {
			*index = tables->frame_slots[slot] - 1;
			return 0;
		}
	}
	MR_FAIL_IF(mr_grow(&tables->frames, &tables->frame_capacity, tables->frame_count + 1,
	                   sizeof(*tables->frames)) < 0,
	           err, MR_ERR_NOMEM, "no memory for functions");
	tables->frames[tables->frame_count] = *frame;
	*index = (uint32_t)tables->frame_count++;
	tables->frame_slots[slot] = (uint32_t)tables->frame_count;
	return 0;
}

/* Frames by where their texts lie, which the table has once for many rows. */
struct recent {
	struct mr_heap_frame frame;
	uint32_t index;
};

#define RECENT_MAX 4096 /* a power of two */

static int find_recent(struct mr_heap_tables *tables, struct recent *recent,
                       const struct mr_heap_frame *frame, uint32_t *index, struct mr_error *err)
{
	const uint64_t mixed = ((uintptr_t)frame->function * UINT64_C(0x9e3779b97f4a7c15)) ^
	                       ((uintptr_t)frame->file * UINT64_C(0xd6e8feb86659fd93));
	struct recent *at = &recent[(mixed >> 32) & (RECENT_MAX - 1)];
	if (!at->frame.function || at->frame.function != frame->function ||
	    at->frame.module != frame->module || at->frame.file != frame->file) {
		MR_TRY(find_frame(tables, frame, &at->index, err));
		at->frame = *frame;
	}
	*index = at->index;
	return 0;
}

/* Rows are in order of depth-first search, so a row's parent is the last one that was less deep. */
static int read_calls(struct mr_report_data *data, uint32_t *parents, struct recent *recent,
                      struct mr_error *err)
{
	const struct memstats_table *table = data->heap.tree;
	const struct tree_columns columns = tree_columns_of(table);
	const struct mr_report_run *run = NULL;
	uint64_t lowest = 0; /* the depth of outermost frames */
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		const uint64_t id = mr_report_rows_number(table, row, columns.run);
		uint64_t depth = mr_report_rows_number(table, row, columns.depth);
		if (!run || run->id != id) {
			run = mr_report_run_find(data, id);
			lowest = depth;
		}
		if (!run || !run->heap)
			continue;
		depth = depth < lowest ? 0 : depth - lowest;
		depth = depth < DEPTH_MAX ? depth : DEPTH_MAX - 1;
		struct mr_report_heap *heap = run->heap;
		MR_FAIL_IF(mr_grow(&heap->calls, &heap->call_capacity, heap->call_count + 1,
		                   sizeof(*heap->calls)) < 0,
		           err, MR_ERR_NOMEM, "no memory for the tree of calls");
		struct mr_flame_source *call = &heap->calls[heap->call_count];
		const struct mr_heap_frame frame = { mr_report_rows_text(table, row, columns.function),
			                             mr_report_rows_text(table, row, columns.module),
			                             mr_report_rows_text(table, row, columns.file),
			                             MR_PAINT_OTHER };
		MR_TRY(find_recent(&data->heap, recent, &frame, &call->frame, err));
		call->parent = depth == 0 || heap->call_count == 0 ? MR_FLAME_NONE : parents[depth - 1];
		for (size_t c = 0; c < MR_COST_KINDS; c++) {
			const uint64_t self = mr_report_rows_number(table, row, columns.self[c]);
			call->self[c] = self == MR_NO_VALUE ? 0 : self;
		}
		parents[depth] = (uint32_t)heap->call_count++;
	}
	return 0;
}

/* ---- Colours ---------------------------------------------------------------------- */

struct module {
	const char *name;
	size_t met; /* how many were met before it */
	double weight;
};

static int by_weight(const void *a, const void *b)
{
	const struct module *one = a, *two = b;
	if (one->weight != two->weight)
		return one->weight > two->weight ? -1 : 1;
	return strcmp(one->name, two->name);
}

/* Fills MODULES and, for each frame, which of them it is in; gives how many there are. */
static size_t list_modules(const struct mr_heap_tables *tables, struct module *modules, size_t *module_of)
{
	size_t count = 0, m = 0;
	for (size_t i = 0; i < tables->frame_count; i++) {
		const char *name = tables->frames[i].module;
		/* Mostly it is that of the frame before. */
		if (m >= count || strcmp(modules[m].name, name) != 0)
			for (m = 0; m < count && strcmp(modules[m].name, name) != 0;)
				m++;
		if (m == count) {
			modules[m] = (struct module){ name, m, 0 };
			count++;
		}
		module_of[i] = m;
	}
	return count;
}

static void weigh_modules(const struct mr_report_data *data, struct module *modules, const size_t *module_of)
{
	for (size_t i = 0; i < data->run_count; i++) {
		const struct mr_report_heap *heap = data->runs[i].heap;
		for (size_t n = 1; heap && n < heap->outer.count; n++)
			if (heap->outer.nodes[n].frame < data->heap.frame_count)
				modules[module_of[heap->outer.nodes[n].frame]].weight +=
					(double)heap->outer.nodes[n].cost[MR_COST_PEAK];
	}
}

/* The modules in which most is allocated have a colour each, the same in all runs. */
static int set_colors(struct mr_report_data *data, struct mr_error *err)
{
	struct mr_heap_tables *tables = &data->heap;
	struct module *modules = mr_alloc((tables->frame_count + 1) * sizeof(*modules));
	size_t *module_of = mr_alloc((tables->frame_count + 1) * sizeof(*module_of));
	enum mr_paint *paints = mr_alloc((tables->frame_count + 1) * sizeof(*paints));
	const bool failed = !modules || !module_of || !paints;
	if (!failed) {
		const size_t count = list_modules(tables, modules, module_of);
		weigh_modules(data, modules, module_of);
		if (count > 1)
			qsort(modules, count, sizeof(*modules), by_weight);
		for (size_t m = 0; m < count; m++)
			paints[modules[m].met] = m < MR_PAINT_SERIES_COUNT
			                                 ? (enum mr_paint)(MR_PAINT_SERIES_1 + m)
			                                 : MR_PAINT_OTHER;
		for (size_t i = 0; i < tables->frame_count; i++)
			tables->frames[i].paint = paints[module_of[i]];
	}
	mr_free(modules);
	mr_free(module_of);
	mr_free(paints);
	return failed ? mr_fail(err, MR_ERR_NOMEM, "no memory for modules") : 0;
}

int mr_report_heap_tree_read(struct mr_report_data *data, struct mr_error *err)
{
	uint32_t *parents = mr_alloc(DEPTH_MAX * sizeof(*parents));
	struct recent *recent = mr_alloc(RECENT_MAX * sizeof(*recent));
	int status = parents && recent ? 0 : mr_fail(err, MR_ERR_NOMEM, "no memory for the tree of calls");
	if (parents)
		memset(parents, 0xff, DEPTH_MAX * sizeof(*parents));
	if (status == 0)
		status = mr_report_rows_open(
			data->log, "tree", NULL, NULL, NULL,
			"run,depth,function,module,file,self_peak,self_leaked,self_total,self_count,"
			"self_temporary",
			&data->heap.tree, err);
	if (status == 0)
		status = read_calls(data, parents, recent, err);
	mr_free(parents);
	mr_free(recent);
	uint64_t largest = 0;
	for (size_t i = 0; i < data->run_count; i++)
		if (data->runs[i].heap && data->runs[i].heap->cost[MR_COST_PEAK] > largest)
			largest = data->runs[i].heap->cost[MR_COST_PEAK];
	for (size_t i = 0; i < data->run_count && status == 0; i++) {
		struct mr_report_heap *heap = data->runs[i].heap;
		if (!heap)
			continue;
		const size_t nodes_max =
			heap->cost[MR_COST_PEAK] >= largest / LARGE_PART ? NODES_MAX : NODES_OTHER;
		status = mr_flame_build(heap->calls, heap->call_count, (uint32_t)data->heap.frame_count,
		                        nodes_max, &heap->outer, &heap->inner, err);
		mr_free(heap->calls);
		heap->calls = NULL;
	}
	return status < 0 ? status : set_colors(data, err);
}
