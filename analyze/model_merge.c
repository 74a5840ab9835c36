/* SPDX-License-Identifier: MIT
 *
 * From the lists of streams to the lists of a run: joined, ids resolved to
 * indexes, times shifted, and made safe to follow: parents never go in circles,
 * whatever a file says.
 */
#include "model_private.h"

#include <stdlib.h>

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the runs of a log");
}

uint32_t mr_model__resolve(struct mr_model *model, struct mr_stream_state *stream, enum mr_defined what,
                           uint64_t id)
{
	if (id == 0)
		return 0;

	const uint32_t known = mr_id_map_get(&stream->ids[what], id);
	if (known == 0) {
		model->segments[stream->segment].ids_unknown++;
		return what == MR_DEFINED_STRING ? MR_STRING_LOST : 0;
	}
	return what == MR_DEFINED_STRING ? known : stream->base[what] + known - 1;
}

uint32_t mr_stream_snapshot(const struct mr_stream_state *stream, uint64_t number)
{
	size_t low = 0, high = stream->numbered.count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (stream->numbered.items[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < stream->numbered.count && stream->numbered.items[low].number == number
	               ? stream->numbered.items[low].index
	               : MR_INDEX_NONE;
}

/* What a stream says, or nothing but "none" where ids count from 1. */
struct source {
	struct mr_model *model;
	struct mr_run *run;
	struct mr_stream_state *const *streams;
	size_t count;
};

/* ---- Parents -------------------------------------------------------------------- */

/* Cuts what goes in circles among COUNT items of SIZE bytes that begin with their parent's index
 * at OFFSET, and writes how deep each lies into DEPTHS (a root at 1). */
static int settle_parents(void *items, uint32_t count, size_t size, size_t offset, uint32_t *depths)
{
	uint8_t *const first = (uint8_t *)items + offset;
	int cut = 0;

	/* Depth 0: not looked at; UINT32_MAX: on the way that is being followed. */
	for (uint32_t i = 1; i < count; i++) {
		uint32_t at = i, from = 0;

		while (at != 0 && depths[at] == 0) {
			uint32_t *const parent = (uint32_t *)(void *)(first + (size_t)at * size);

			depths[at] = UINT32_MAX;
			/* Turn the way round while it is followed, to find back without a stack. */
			const uint32_t next = *parent;
			*parent = from;
			from = at;
			at = next;
		}
		uint32_t depth = 0;
		if (at != 0 && depths[at] == UINT32_MAX) {
			at = 0; /* met itself: the last one on the way loses its parent */
			cut++;
		} else if (at != 0) {
			depth = depths[at];
		}
		uint32_t towards = at;
		while (from != 0) {
			uint32_t *const parent = (uint32_t *)(void *)(first + (size_t)from * size);
			const uint32_t back = *parent;

			*parent = towards;
			depths[from] = depth < UINT32_MAX - 2 ? ++depth : depth;
			towards = from;
			from = back;
		}
	}
	return cut;
}

/* ---- Definitions ------------------------------------------------------------------ */

static void merge_classes(const struct source *from)
{
	for (size_t i = 0; i < from->count; i++) {
		struct mr_stream_state *const stream = from->streams[i];

		for (size_t j = 0; j < stream->classes.count; j++) {
			struct mr_class class = stream->classes.items[j];

			class.name = mr_model__resolve(from->model, stream, MR_DEFINED_STRING, class.name);
			class.parent = mr_model__resolve(from->model, stream, MR_DEFINED_CLASS, class.parent);
			class.stream = (uint32_t)i;
			from->run->classes[from->run->class_count++] = class;
		}
	}
}

static void merge_code(const struct source *from)
{
	struct mr_run *const run = from->run;

	for (size_t i = 0; i < from->count; i++) {
		struct mr_stream_state *const stream = from->streams[i];

		for (size_t j = 0; j < stream->modules.count; j++) {
			struct mr_module module = stream->modules.items[j];

			module.path = mr_model__resolve(from->model, stream, MR_DEFINED_STRING, module.path);
			module.build_id =
				mr_model__resolve(from->model, stream, MR_DEFINED_STRING, module.build_id);
			run->modules[run->module_count++] = module;
		}
		for (size_t j = 0; j < stream->codes.count; j++) {
			struct mr_code code = stream->codes.items[j];

			code.module = mr_model__resolve(from->model, stream, MR_DEFINED_MODULE, code.module);
			code.function =
				mr_model__resolve(from->model, stream, MR_DEFINED_STRING, code.function);
			code.file = mr_model__resolve(from->model, stream, MR_DEFINED_STRING, code.file);
			code.source = mr_model__resolve(from->model, stream, MR_DEFINED_STRING, code.source);
			run->codes[run->code_count++] = code;
		}
		for (size_t j = 0; j < stream->stacks.count; j++) {
			struct mr_stack stack = stream->stacks.items[j];

			stack.parent = mr_model__resolve(from->model, stream, MR_DEFINED_STACK, stack.parent);
			stack.code = mr_model__resolve(from->model, stream, MR_DEFINED_CODE, stack.code);
			run->stacks[run->stack_count++] = stack;
		}
	}
}

static void merge_names(const struct source *from)
{
	struct mr_run *const run = from->run;

	for (size_t i = 0; i < from->count; i++) {
		struct mr_stream_state *const stream = from->streams[i];

		for (size_t j = 0; j < stream->paths.count; j++) {
			struct mr_path path = stream->paths.items[j];

			path.parent = mr_model__resolve(from->model, stream, MR_DEFINED_PATH, path.parent);
			path.name = mr_model__resolve(from->model, stream, MR_DEFINED_STRING, path.name);
			run->paths[run->path_count++] = path;
		}
		for (size_t j = 0; j < stream->threads.count; j++) {
			struct mr_thread thread = stream->threads.items[j];

			thread.name = mr_model__resolve(from->model, stream, MR_DEFINED_STRING, thread.name);
			run->threads[run->thread_count++] = thread;
		}
	}
}

static int compare_symbols(const void *left, const void *right)
{
	const struct mr_raw_symbol *const a = left;
	const struct mr_raw_symbol *const b = right;

	MR_COMPARE(a->code, b->code);
	MR_COMPARE(a->depth, b->depth);
	/* A place that was named twice has the better name: the one with a position. */
	MR_COMPARE(a->symbol.file == 0, b->symbol.file == 0);
	MR_COMPARE(a->symbol.function, b->symbol.function);
	MR_COMPARE(a->symbol.file, b->symbol.file);
	MR_COMPARE(a->symbol.line, b->symbol.line);
	return 0;
}

/* Sorts the symbols of all streams by code and depth and gives each code its own. */
static int merge_symbols(const struct source *from, size_t total, struct mr_error *err)
{
	struct mr_run *const run = from->run;
	struct mr_raw_symbol *const all = mr_alloc((total + 1) * sizeof(*all));
	size_t count = 0;

	run->symbols = mr_alloc((total + 1) * sizeof(*run->symbols));
	if (all == NULL || run->symbols == NULL) {
		mr_free(all);
		return no_memory(err);
	}
	for (size_t i = 0; i < from->count; i++) {
		struct mr_stream_state *const stream = from->streams[i];

		for (size_t j = 0; j < stream->symbols.count; j++) {
			struct mr_raw_symbol symbol = stream->symbols.items[j];

			symbol.code = mr_model__resolve(from->model, stream, MR_DEFINED_CODE, symbol.code);
			symbol.symbol.function = mr_model__resolve(from->model, stream, MR_DEFINED_STRING,
			                                           symbol.symbol.function);
			symbol.symbol.file =
				mr_model__resolve(from->model, stream, MR_DEFINED_STRING, symbol.symbol.file);
			if (symbol.code != 0)
				all[count++] = symbol;
		}
	}
	qsort(all, count, sizeof(*all), compare_symbols);
	for (size_t i = 0; i < count; i++) {
		struct mr_code *const code = &run->codes[all[i].code];

		if (i > 0 && all[i].code == all[i - 1].code && all[i].depth == all[i - 1].depth)
			continue; /* named twice */
		if (code->symbol_count == 0)
			code->symbol_first = run->symbol_count;
		code->symbol_count++;
		run->symbols[run->symbol_count++] = all[i].symbol;
	}
	mr_free(all);
	return 0;
}

/* Makes the lists of definitions, each with "none" at 0, and fills them. */
static int merge_definitions(const struct source *from, struct mr_error *err)
{
	struct mr_run *const run = from->run;
	size_t counts[MR_DEFINED_COUNT];
	size_t symbols = 0;

	for (size_t what = 0; what < MR_DEFINED_COUNT; what++)
		counts[what] = 1;
	for (size_t i = 0; i < from->count; i++) {
		struct mr_stream_state *const stream = from->streams[i];
		const size_t own[MR_DEFINED_COUNT] = {
			[MR_DEFINED_CLASS] = stream->classes.count,
			[MR_DEFINED_MODULE] = stream->modules.count,
			[MR_DEFINED_CODE] = stream->codes.count,
			[MR_DEFINED_STACK] = stream->stacks.count,
			[MR_DEFINED_PATH] = stream->paths.count,
			[MR_DEFINED_THREAD] = stream->threads.count,
		};

		for (size_t what = 0; what < MR_DEFINED_COUNT; what++) {
			MR_FAIL_IF(counts[what] + own[what] >= UINT32_MAX, err, MR_ERR_LIMIT,
			           "the logs have too many definitions");
			stream->base[what] = (uint32_t)counts[what];
			counts[what] += own[what];
		}
		symbols += stream->symbols.count;
	}
	run->classes = mr_alloc(counts[MR_DEFINED_CLASS] * sizeof(*run->classes));
	run->modules = mr_alloc(counts[MR_DEFINED_MODULE] * sizeof(*run->modules));
	run->codes = mr_alloc(counts[MR_DEFINED_CODE] * sizeof(*run->codes));
	run->stacks = mr_alloc(counts[MR_DEFINED_STACK] * sizeof(*run->stacks));
	run->paths = mr_alloc(counts[MR_DEFINED_PATH] * sizeof(*run->paths));
	run->threads = mr_alloc(counts[MR_DEFINED_THREAD] * sizeof(*run->threads));
	if (run->classes == NULL || run->modules == NULL || run->codes == NULL || run->stacks == NULL ||
	    run->paths == NULL || run->threads == NULL)
		return no_memory(err);
	run->class_count = run->module_count = run->code_count = run->stack_count = run->path_count =
		run->thread_count = 1;
	merge_classes(from);
	merge_code(from);
	merge_names(from);
	return merge_symbols(from, symbols, err);
}

static int settle(const struct source *from, struct mr_error *err)
{
	struct mr_run *const run = from->run;
	uint32_t most = run->class_count > run->stack_count ? run->class_count : run->stack_count;

	most = run->path_count > most ? run->path_count : most;
	uint32_t *const depths = mr_alloc((size_t)most * sizeof(*depths));
	if (depths == NULL)
		return no_memory(err);

	int cut = settle_parents(run->classes, run->class_count, sizeof(*run->classes),
	                         offsetof(struct mr_class, parent), depths);
	memset(depths, 0, (size_t)most * sizeof(*depths));
	cut += settle_parents(run->stacks, run->stack_count, sizeof(*run->stacks),
	                      offsetof(struct mr_stack, parent), depths);
	memset(depths, 0, (size_t)most * sizeof(*depths));
	cut += settle_parents(run->paths, run->path_count, sizeof(*run->paths),
	                      offsetof(struct mr_path, parent), depths);
	for (uint32_t i = 1; i < run->path_count; i++) {
		run->paths[i].level = depths[i];
		if (depths[i] > MR_LOG_PATH_DEPTH_MAX) { /* no writer makes such a path */
			run->paths[i].parent = 0;
			run->paths[i].level = MR_LOG_PATH_DEPTH_MAX;
			cut++;
		}
	}
	mr_free(depths);
	from->model->segments[from->streams[0]->segment].rows_dropped += (uint64_t)cut;
	return 0;
}

/* ---- Snapshots ---------------------------------------------------------------------- */

static int compare_snapshots(const void *left, const void *right)
{
	const struct mr_snapshot *const a = left;
	const struct mr_snapshot *const b = right;

	MR_COMPARE(a->time_ns, b->time_ns);
	MR_COMPARE(a->stream, b->stream);
	MR_COMPARE(a->number, b->number);
	return 0;
}

static int compare_numbered(const void *left, const void *right)
{
	const struct mr_numbered *const a = left;
	const struct mr_numbered *const b = right;

	MR_COMPARE(a->number, b->number);
	MR_COMPARE(a->index, b->index);
	return 0;
}

/* Lets each stream find its snapshots by number. */
static int number_snapshots(const struct source *from, struct mr_error *err)
{
	struct mr_run *const run = from->run;
	size_t streams = 0;

	for (size_t i = 0; i < from->count; i++) {
		struct mr_stream_state *const stream = from->streams[i];

		if (stream->snapshots.count == 0)
			continue;
		streams++;
		if (MR_LIST_RESERVE(&stream->numbered, stream->snapshots.count) < 0)
			return no_memory(err);
	}
	for (size_t i = 0; i < run->snapshot_count; i++) {
		struct mr_stream_state *const stream = from->streams[run->snapshots[i].stream];

		stream->numbered.items[stream->numbered.count++] =
			(struct mr_numbered){ run->snapshots[i].number, (uint32_t)i };
	}
	for (size_t i = 0; i < from->count; i++)
		if (from->streams[i]->numbered.count > 0)
			qsort(from->streams[i]->numbered.items, from->streams[i]->numbered.count,
			      sizeof(struct mr_numbered), compare_numbered);
	/* The numbers of several streams would collide. */
	for (size_t i = 0; streams > 1 && i < run->snapshot_count; i++)
		run->snapshots[i].number = i + 1;
	return 0;
}

static int merge_snapshots(const struct source *from, struct mr_error *err)
{
	struct mr_run *const run = from->run;
	size_t total = 0;

	for (size_t i = 0; i < from->count; i++)
		total += from->streams[i]->snapshots.count;
	MR_FAIL_IF(total >= MR_INDEX_NONE, err, MR_ERR_LIMIT, "the logs have too many snapshots");
	run->snapshots = mr_alloc((total + 1) * sizeof(*run->snapshots));
	if (run->snapshots == NULL)
		return no_memory(err);
	for (size_t i = 0; i < from->count; i++) {
		struct mr_stream_state *const stream = from->streams[i];

		for (size_t j = 0; j < stream->snapshots.count; j++) {
			struct mr_snapshot snapshot = stream->snapshots.items[j];

			if (snapshot.number == 0) { /* means "when it was freed" elsewhere */
				from->model->segments[stream->segment].rows_dropped++;
				continue;
			}
			snapshot.time_ns = mr_run_time(stream, snapshot.time_ns);
			snapshot.stream = (uint32_t)i;
			snapshot.description = mr_model__resolve(from->model, stream, MR_DEFINED_STRING,
			                                         snapshot.description);
			run->snapshots[run->snapshot_count++] = snapshot;
		}
	}
	qsort(run->snapshots, run->snapshot_count, sizeof(*run->snapshots), compare_snapshots);
	return number_snapshots(from, err);
}

/* ---- Facts ---------------------------------------------------------------------------- */

static int compare_processes(const void *left, const void *right)
{
	const struct mr_process *const a = left;
	const struct mr_process *const b = right;

	MR_COMPARE(a->time_ns, b->time_ns);
	MR_COMPARE(a->name, b->name);
	MR_COMPARE(a->command, b->command);
	MR_COMPARE(a->executable, b->executable);
	return 0;
}

static void merge_counters(const struct source *from, struct mr_stream_state *stream)
{
	struct mr_run *const run = from->run;
	const size_t first = run->counter_count;

	for (size_t j = 0; j < stream->counters.count; j++) {
		struct mr_counter counter = stream->counters.items[j];
		size_t at = first;

		counter.key = mr_model__resolve(from->model, stream, MR_DEFINED_STRING, counter.key);
		/* A later row replaces.  Only so many keys are looked through that it cannot take long. */
		while (at < run->counter_count && at < first + 256 && run->counters[at].key != counter.key)
			at++;
		if (at == run->counter_count || run->counters[at].key != counter.key)
			at = run->counter_count++;
		run->counters[at] = counter;
	}
}

static int merge_facts(const struct source *from, struct mr_error *err)
{
	struct mr_run *const run = from->run;
	size_t processes = 1, settings = 1, counters = 1;

	for (size_t i = 0; i < from->count; i++) {
		processes += from->streams[i]->processes.count;
		settings += from->streams[i]->settings.count;
		counters += from->streams[i]->counters.count;
	}
	run->processes = mr_alloc(processes * sizeof(*run->processes));
	run->settings = mr_alloc(settings * sizeof(*run->settings));
	run->counters = mr_alloc(counters * sizeof(*run->counters));
	if (run->processes == NULL || run->settings == NULL || run->counters == NULL)
		return no_memory(err);
	for (size_t i = 0; i < from->count; i++) {
		struct mr_stream_state *const stream = from->streams[i];

		for (size_t j = 0; j < stream->processes.count; j++) {
			struct mr_process process = stream->processes.items[j];

			process.time_ns = mr_run_time(stream, process.time_ns);
			process.name =
				mr_model__resolve(from->model, stream, MR_DEFINED_STRING, process.name);
			process.command =
				mr_model__resolve(from->model, stream, MR_DEFINED_STRING, process.command);
			process.executable =
				mr_model__resolve(from->model, stream, MR_DEFINED_STRING, process.executable);
			run->processes[run->process_count++] = process;
		}
		for (size_t j = 0; j < stream->settings.count; j++) {
			struct mr_setting setting = stream->settings.items[j];

			setting.key = mr_model__resolve(from->model, stream, MR_DEFINED_STRING, setting.key);
			setting.value =
				mr_model__resolve(from->model, stream, MR_DEFINED_STRING, setting.value);
			run->settings[run->setting_count++] = setting;
		}
		merge_counters(from, stream);
	}
	qsort(run->processes, run->process_count, sizeof(*run->processes), compare_processes);
	return 0;
}

int mr_model__merge(struct mr_model *model, struct mr_run *run, struct mr_stream_state *const *streams,
                    size_t count, struct mr_error *err)
{
	const struct source from = { .model = model, .run = run, .streams = streams, .count = count };

	MR_TRY(merge_definitions(&from, err));
	MR_TRY(settle(&from, err));
	MR_TRY(merge_snapshots(&from, err));
	MR_TRY(mr_model__merge_totals(model, run, streams, count, err));
	MR_TRY(mr_model__merge_census(model, run, streams, count, err));
	MR_TRY(mr_model__merge_heap(model, run, streams, count, err));
	return merge_facts(&from, err);
}
