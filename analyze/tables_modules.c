/* SPDX-License-Identifier: MIT
 *
 * Table modules: the programs and libraries that call stacks go through, what is
 * known of their symbols, and what was allocated in and below them.  A module
 * that several images of a process loaded is one row.
 */
#include "stacks_runs.h"
#include "table_rows.h"
#include "tables_heap.h"

enum {
	RUN,
	MODULE,
	BUILD_ID,
	SYMBOLS,
	PLACES,
	UNNAMED,
	PEAK,
	SELF_PEAK,
	LIVE,
	SELF_LIVE,
	TOTAL,
	SELF_TOTAL,
	COUNT,
	SELF_COUNT,
	PATH,
	COLUMN_COUNT
};

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[MODULE] = { "module", MEMSTATS_TEXT, "file name of the program or library; none: in none" },
	[BUILD_ID] = { "build_id", MEMSTATS_TEXT, "which build of it" },
	[SYMBOLS] = { "symbols", MEMSTATS_TEXT, "what is known of its places: lines, names, none" },
	[PLACES] = { "places", MEMSTATS_COUNT, "places in it that stacks go through" },
	[UNNAMED] = { "unnamed", MEMSTATS_COUNT, "of them without a function's name" },
	[PEAK] = { "peak", MEMSTATS_BYTES, "live at the peak, allocated in it or below it" },
	[SELF_PEAK] = { "self_peak", MEMSTATS_BYTES, "allocated in it itself: its is the site" },
	[LIVE] = { "live", MEMSTATS_BYTES, "live at the end, or at the snapshot that FILE@N names" },
	[SELF_LIVE] = { "self_live", MEMSTATS_BYTES, "likewise, allocated in it itself" },
	[TOTAL] = { "total", MEMSTATS_BYTES, "of all allocations in it or below it" },
	[SELF_TOTAL] = { "self_total", MEMSTATS_BYTES, "of all allocations in it itself" },
	[COUNT] = { "count", MEMSTATS_COUNT, "allocations in it or below it" },
	[SELF_COUNT] = { "self_count", MEMSTATS_COUNT, "allocations in it itself" },
	[PATH] = { "path", MEMSTATS_TEXT, "the whole path" },
};

struct cost {
	uint64_t peak_bytes;
	uint64_t live_bytes;
	uint64_t total_bytes;
	uint64_t count;
};

struct row {
	uint32_t run;
	uint32_t module; /* the first of the run's modules that it is; 0: none */
	uint64_t places;
	uint64_t unnamed;
	bool has_lines;
	bool has_heap;
	struct cost all;
	struct cost self;
};

struct modules {
	struct mr_model *model;
	struct row *rows;
	size_t count;
	size_t capacity;
};

static int fail_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "no memory for table modules");
}

static void add_cost(struct cost *cost, const struct mr_heap_site *site)
{
	cost->peak_bytes = mr_sum(cost->peak_bytes, site->peak_bytes);
	cost->live_bytes = mr_sum(cost->live_bytes, site->live_bytes);
	cost->total_bytes = mr_sum(cost->total_bytes, site->total_bytes);
	cost->count = mr_sum(cost->count, site->count);
}

/* ---- Modules of a run ------------------------------------------------------ */

static bool is_same(const struct mr_model *model, const struct mr_module *a, const struct mr_module *b)
{
	return strcmp(mr_model_string(model, a->path), mr_model_string(model, b->path)) == 0 &&
	       strcmp(mr_model_string(model, a->build_id), mr_model_string(model, b->build_id)) == 0;
}

/* PLACES gets the row of each module of the run, counted from FIRST; those of one file share it. */
static int add_modules(struct modules *modules, uint32_t run_index, uint32_t *places, struct mr_error *err)
{
	const struct mr_run *run = &modules->model->runs[run_index];
	const size_t first = modules->count;

	for (uint32_t i = 0; i < run->module_count; i++) {
		size_t row = first;

		/* A process has few modules; of one that claims many, only so many are looked through. */
		while (i > 0 && row < modules->count && row < first + 1024 &&
		       (modules->rows[row].module == 0 ||
		        !is_same(modules->model, &run->modules[modules->rows[row].module], &run->modules[i])))
			row++;
		if (i == 0 || row == modules->count || row == first + 1024) {
			if (mr_grow(&modules->rows, &modules->capacity, modules->count + 1,
			            sizeof(*modules->rows)) < 0)
				return fail_memory(err);
			row = modules->count++;
			modules->rows[row] = (struct row){ .run = run_index,
				                           .module = i,
				                           .has_heap = run->heap_image_count > 0 };
		}
		places[i] = (uint32_t)(row - first);
	}
	return 0;
}

static void count_places(const struct mr_run *run, struct row *rows, const uint32_t *places)
{
	for (uint32_t i = 1; i < run->code_count; i++) {
		const struct mr_code *code = &run->codes[i];
		struct row *row = &rows[places[code->module]];
		bool named = code->function != 0;

		row->places++;
		row->has_lines = row->has_lines || code->file != 0;
		for (uint32_t k = 0; k < code->symbol_count; k++) {
			const struct mr_symbol *symbol = &run->symbols[code->symbol_first + k];

			named = named || symbol->function != 0;
			row->has_lines = row->has_lines || symbol->file != 0;
		}
		row->unnamed += !named;
	}
}

/* Rows of modules that a stack goes through: one of them, and the rest, which is another set. */
struct module_set {
	uint32_t row;
	uint32_t rest; /* 0: none */
};

/* What each stack goes through follows from its caller's stack, and mostly is the same. */
struct module_sets {
	uint32_t *of_stacks; /* set + 1; 0: not yet known */
	struct module_set *sets;
	size_t count;
	size_t capacity;
	struct mr_stack_path path;
};

static int add_to_set(struct module_sets *sets, uint32_t *set, uint32_t row, struct mr_error *err)
{
	for (uint32_t at = *set; at != 0; at = sets->sets[at].rest)
		if (sets->sets[at].row == row)
			return 0;
	if (sets->count >= UINT32_MAX - 1 ||
	    mr_grow(&sets->sets, &sets->capacity, sets->count + 1, sizeof(*sets->sets)) < 0)
		return fail_memory(err);
	sets->sets[sets->count] = (struct module_set){ row, *set };
	*set = (uint32_t)sets->count++;
	return 0;
}

/* Finds the set of STACK, callers first. */
static int find_set(struct module_sets *sets, struct mr_stacks *stacks, uint32_t stack,
                    const uint32_t *places, struct mr_error *err)
{
	const struct mr_stack *all = stacks->run->stacks;

	sets->path.count = 0;
	for (uint32_t at = stack; sets->of_stacks[at] == 0; at = all[at].parent)
		MR_TRY(mr_stack_path_add(&sets->path, at, err));
	while (sets->path.count > 0) {
		const uint32_t at = sets->path.stacks[--sets->path.count];
		uint32_t set = sets->of_stacks[all[at].parent] - 1;
		uint32_t first = 0, count = 0;

		MR_TRY(mr_stacks_code(stacks, all[at].code, &first, &count, err));
		for (uint32_t i = first; i < first + count; i++)
			if (!stacks->functions[stacks->frames[i].function].is_hidden)
				MR_TRY(add_to_set(sets, &set, places[stacks->frames[i].module], err));
		sets->of_stacks[at] = set + 1;
	}
	return 0;
}

/* Counts a site for each module that its stack goes through, once. */
static int count_site(struct module_sets *sets, struct mr_stacks *stacks, const struct mr_heap_site *site,
                      struct row *rows, const uint32_t *places, struct mr_error *err)
{
	const uint32_t own = places[stacks->frames[mr_stacks_site(stacks, site->stack)].module];

	MR_TRY(find_set(sets, stacks, site->stack, places, err));
	add_cost(&rows[own].self, site);
	add_cost(&rows[own].all, site);
	for (uint32_t at = sets->of_stacks[site->stack] - 1; at != 0; at = sets->sets[at].rest)
		if (sets->sets[at].row != own)
			add_cost(&rows[sets->sets[at].row].all, site);
	return 0;
}

static int make_sets(struct module_sets *sets, const struct mr_run *run, struct mr_error *err)
{
	sets->of_stacks = mr_alloc(((size_t)run->stack_count + 1) * sizeof(*sets->of_stacks));
	if (!sets->of_stacks || mr_grow(&sets->sets, &sets->capacity, 1, sizeof(*sets->sets)) < 0)
		return fail_memory(err);
	sets->of_stacks[0] = 1; /* outside of all stacks: nothing */
	sets->count = 1;
	return 0;
}

static int count_sites(struct modules *modules, struct memstats_log *log, uint32_t run_index,
                       uint32_t snapshot, const struct memstats_query *query, struct row *rows,
                       const uint32_t *places, struct mr_error *err)
{
	struct mr_heap_sites sites = { 0 };
	struct module_sets sets = { NULL };
	struct mr_stacks *stacks = NULL;

	int code = mr_log_stacks(log, run_index, query,
	                         snapshot == MR_INDEX_NONE ? MR_STACKS_ALL : MR_STACKS_FEW, &stacks, err);
	if (code == 0)
		code = mr_model_heap_sites(modules->model, run_index, snapshot, &sites, err);
	if (code == 0)
		code = make_sets(&sets, &modules->model->runs[run_index], err);
	for (size_t i = 0; code == 0 && i < sites.count; i++) {
		code = mr_stacks_resolve(stacks, sites.sites[i].stack, err);
		if (code == 0 && mr_stacks_is_kept(stacks, sites.sites[i].stack))
			code = count_site(&sets, stacks, &sites.sites[i], rows, places, err);
	}
	mr_free(sets.of_stacks);
	mr_free(sets.sets);
	mr_free(sets.path.stacks);
	mr_heap_sites_release(&sites);
	mr_stacks_free(stacks);
	return code;
}

/* Modules that nothing goes through have no row. */
static void drop_unused(struct modules *modules, size_t first)
{
	size_t kept = first;

	for (size_t i = first; i < modules->count; i++)
		if (modules->rows[i].places > 0 || modules->rows[i].all.count > 0)
			modules->rows[kept++] = modules->rows[i];
	modules->count = kept;
}

static int add_run(struct modules *modules, struct memstats_log *log, uint32_t run_index,
                   const struct memstats_query *query, struct mr_error *err)
{
	const struct mr_run *run = &modules->model->runs[run_index];
	const size_t first = modules->count;
	bool named = false;
	const uint32_t snapshot = mr_stacks_snapshot(log, run_index, &named);

	if (named && snapshot == MR_INDEX_NONE)
		return 0;
	uint32_t *places = mr_alloc(((size_t)run->module_count + 1) * sizeof(*places));
	if (!places)
		return fail_memory(err);
	int code = add_modules(modules, run_index, places, err);
	if (code == 0) {
		count_places(run, modules->rows + first, places);
		if (run->heap_image_count > 0)
			code = count_sites(modules, log, run_index, snapshot, query, modules->rows + first,
			                   places, err);
	}
	drop_unused(modules, first);
	mr_free(places);
	return code;
}

/* ---- The table ------------------------------------------------------------- */

static int modules_open(struct memstats_log *log, const struct memstats_query *query, uint64_t needed,
                        void **state, size_t *row_count, struct mr_error *err)
{
	struct modules *modules = mr_alloc(sizeof(*modules));

	(void)needed;
	if (!modules)
		return fail_memory(err);
	*state = modules;
	modules->model = log->model;
	MR_TRY(mr_stacks_check_snapshots(log, err));
	for (uint32_t i = 0; i < log->model->run_count; i++)
		MR_TRY(add_run(modules, log, i, query, err));
	*row_count = modules->count;
	return 0;
}

static void modules_close(void *state)
{
	struct modules *modules = state;

	if (modules)
		mr_free(modules->rows);
	mr_free(modules);
}

static void cell_of_text(const struct modules *modules, const struct row *row, size_t column,
                         struct mr_cell *cell)
{
	const struct mr_module *module = &modules->model->runs[row->run].modules[row->module];
	const char *path = mr_model_string(modules->model, module->path);
	const char *slash = strrchr(path, '/');
	const char *build_id = mr_model_string(modules->model, module->build_id);

	switch (column) {
	case MODULE:
		mr_cell_string(cell, row->module == 0 ? NULL : slash ? slash + 1 : path);
		break;
	case BUILD_ID:
		mr_cell_string(cell, build_id[0] != '\0' ? build_id : NULL);
		break;
	case SYMBOLS:
		mr_cell_string(cell, row->has_lines               ? "lines"
		                     : row->unnamed < row->places ? "names"
		                                                  : "none");
		break;
	default:
		mr_cell_string(cell, row->module == 0 ? NULL : path);
	}
}

static void modules_cell(const void *state, size_t index, size_t column, struct mr_cell *cell)
{
	const struct modules *modules = state;
	const struct row *row = &modules->rows[index];
	const uint64_t numbers[COLUMN_COUNT] = {
		[RUN] = (uint64_t)row->run + 1,
		[PLACES] = row->places,
		[UNNAMED] = row->unnamed,
		[PEAK] = row->all.peak_bytes,
		[SELF_PEAK] = row->self.peak_bytes,
		[LIVE] = row->all.live_bytes,
		[SELF_LIVE] = row->self.live_bytes,
		[TOTAL] = row->all.total_bytes,
		[SELF_TOTAL] = row->self.total_bytes,
		[COUNT] = row->all.count,
		[SELF_COUNT] = row->self.count,
	};

	if (columns[column].type == MEMSTATS_TEXT)
		cell_of_text(modules, row, column, cell);
	else
		mr_cell_number_or_null(cell, numbers[column],
		                       column >= PEAK && column <= SELF_COUNT && !row->has_heap);
}

const struct mr_table_type mr_table_modules = {
	.info = { "modules", "programs and libraries: their symbols, and what was allocated in them", columns,
	          COLUMN_COUNT, MODULE },
	.default_sort = "self_peak,peak,places",
	.open_stacks = modules_open,
	.takes_snapshots = true,
	.cell = modules_cell,
	.close = modules_close,
};
