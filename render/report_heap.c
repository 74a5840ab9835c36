/* SPDX-License-Identifier: MIT
 *
 * Reads the tables of recorded heaps into the runs that they belong to.
 */
#include "report_heap.h"

#include "report_data.h"

#include <stdlib.h>

#define SITE_COLUMNS                                                                        \
	"run,site,module,peak,peak_count,live_count,leaked,total,count,temporary,reallocs," \
	"grown,average,lifetime"
#define FIFTHS 5 /* parts of a run that are compared to see whether live memory only grows */

uint64_t mr_heap_hash(uint64_t hash, const char *text)
{
	/* FNV-1a, from http://www.isthe.com/chongo/tech/comp/fnv/ (public domain) */
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return (hash ^ 0xff) * UINT64_C(0x100000001b3);
}

static void add_up(uint64_t *sum, uint64_t number)
{
	if (__builtin_add_overflow(*sum, number, sum))
		*sum = UINT64_MAX - 1; /* only lying sizes come so far */
}

/* The heap of the run with that number, made when it is new; NULL where there is no such run. */
static int heap_of(struct mr_report_data *data, uint64_t id, struct mr_report_heap **heap,
                   struct mr_error *err)
{
	struct mr_report_run *run = mr_report_run_find(data, id);
	*heap = NULL;
	if (!run)
		return 0;
	if (!run->heap) {
		run->heap = mr_alloc(sizeof(*run->heap));
		MR_FAIL_IF(!run->heap, err, MR_ERR_NOMEM, "no memory for a heap");
		run->heap->peak_time_ns = MR_NO_VALUE;
	}
	*heap = run->heap;
	return 0;
}

/* ---- Sites and places ------------------------------------------------------------- */

struct site_columns {
	int run, cost[MR_COST_KINDS], peak_count, live_count, reallocs, grown, site, module;
};

static struct site_columns site_columns_of(const struct memstats_table *table)
{
	struct site_columns columns = {
		.run = mr_report_rows_column(table, "run"),
		.peak_count = mr_report_rows_column(table, "peak_count"),
		.live_count = mr_report_rows_column(table, "live_count"),
		.reallocs = mr_report_rows_column(table, "reallocs"),
		.grown = mr_report_rows_column(table, "grown"),
		.site = mr_report_rows_column(table, "site"),
		.module = mr_report_rows_column(table, "module"),
	};
	for (size_t c = 0; c < MR_COST_KINDS; c++)
		columns.cost[c] = mr_report_rows_column(table, mr_flame_cost_names[c]);
	return columns;
}

/* Places by run, name and module. */
struct place_slot {
	const struct mr_report_heap *heap; /* NULL: free */
	uint32_t place;
};
struct place_index {
	struct place_slot *slots;
	size_t slot_count;
};

static int find_place(struct place_index *index, struct mr_report_heap *heap, const char *name,
                      const char *module, uint32_t *place, struct mr_error *err)
{
	const uint64_t hash = mr_heap_hash(mr_heap_hash((uintptr_t)heap, name), module);
	size_t slot = hash & (index->slot_count - 1);
	for (; index->slots[slot].heap; slot = (slot + 1) & (index->slot_count - 1)) {
		const uint32_t at = index->slots[slot].place;
		if (index->slots[slot].heap == heap && strcmp(heap->places[at].name, name) == 0 &&
		    strcmp(heap->places[at].module, module) == 0) {
			*place = at;
			return 0;
		}
	}
	MR_FAIL_IF(mr_grow(&heap->places, &heap->place_capacity, heap->place_count + 1,
	                   sizeof(*heap->places)) < 0,
	           err, MR_ERR_NOMEM, "no memory for places in the code");
	heap->places[heap->place_count] = (struct mr_heap_place){ .name = name, .module = module };
	*place = (uint32_t)heap->place_count++;
	index->slots[slot] = (struct place_slot){ heap, *place };
	return 0;
}

static int add_site(struct mr_report_data *data, struct place_index *index, size_t row,
                    const struct site_columns *columns, struct mr_error *err)
{
	const struct memstats_table *table = data->heap.sites;
	struct mr_report_heap *heap;
	MR_TRY(heap_of(data, mr_report_rows_number(table, row, columns->run), &heap, err));
	if (!heap)
		return 0;
	MR_FAIL_IF(mr_grow(&heap->sites, &heap->site_capacity, heap->site_count + 1, sizeof(*heap->sites)) <
	                   0,
	           err, MR_ERR_NOMEM, "no memory for call stacks");
	struct mr_heap_site *site = &heap->sites[heap->site_count];
	*site = (struct mr_heap_site){ .row = row };
	MR_TRY(find_place(index, heap, mr_report_rows_text(table, row, columns->site),
	                  mr_report_rows_text(table, row, columns->module), &site->place, err));
	heap->site_count++;
	site->peak_count = mr_or_zero(mr_report_rows_number(table, row, columns->peak_count));
	site->live_count = mr_or_zero(mr_report_rows_number(table, row, columns->live_count));
	site->reallocs = mr_or_zero(mr_report_rows_number(table, row, columns->reallocs));
	site->grown = mr_or_zero(mr_report_rows_number(table, row, columns->grown));
	struct mr_heap_place *place = &heap->places[site->place];
	place->site_count++;
	for (size_t c = 0; c < MR_COST_KINDS; c++) {
		site->cost[c] = mr_or_zero(mr_report_rows_number(table, row, columns->cost[c]));
		add_up(&place->cost[c], site->cost[c]);
		add_up(&heap->cost[c], site->cost[c]);
	}
	add_up(&place->peak_count, site->peak_count);
	add_up(&place->live_count, site->live_count);
	add_up(&place->reallocs, site->reallocs);
	add_up(&place->grown, site->grown);
	add_up(&heap->leaked_count, site->live_count);
	add_up(&heap->peak_count, site->peak_count);
	return 0;
}

static int read_sites(struct mr_report_data *data, struct mr_error *err)
{
	const struct site_columns columns = site_columns_of(data->heap.sites);
	const size_t count = memstats_table_row_count(data->heap.sites);
	struct place_index index = { .slot_count = 64 };
	int status = 0;
	while (index.slot_count < 2 * count)
		index.slot_count *= 2;
	index.slots = mr_alloc(index.slot_count * sizeof(*index.slots));
	MR_FAIL_IF(!index.slots, err, MR_ERR_NOMEM, "no memory for %zu call stacks", count);
	for (size_t row = 0; row < count && status == 0; row++)
		status = add_site(data, &index, row, &columns, err);
	mr_free(index.slots);
	return status;
}

/* ---- Live memory over time ----------------------------------------------------------- */

static int read_moments(struct mr_report_data *data, struct mr_error *err)
{
	const struct memstats_table *table = data->heap.heap;
	const int run = mr_report_rows_column(table, "run"),
		  number = mr_report_rows_column(table, "snapshot"),
		  time = mr_report_rows_column(table, "time"), live = mr_report_rows_column(table, "live"),
		  live_count = mr_report_rows_column(table, "live_count"),
		  live_max = mr_report_rows_column(table, "live_max"),
		  reason = mr_report_rows_column(table, "reason"),
		  description = mr_report_rows_column(table, "description");
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		struct mr_report_heap *heap;
		MR_TRY(heap_of(data, mr_report_rows_number(table, row, run), &heap, err));
		if (!heap)
			continue;
		MR_FAIL_IF(mr_grow(&heap->moments, &heap->moment_capacity, heap->moment_count + 1,
		                   sizeof(*heap->moments)) < 0,
		           err, MR_ERR_NOMEM, "no memory for the heap over time");
		struct mr_heap_moment *moment = &heap->moments[heap->moment_count++];
		*moment = (struct mr_heap_moment){
			.number = mr_report_rows_number(table, row, number),
			.time_ns = mr_or_zero(mr_report_rows_number(table, row, time)),
			.live = mr_or_zero(mr_report_rows_number(table, row, live)),
			.live_count = mr_or_zero(mr_report_rows_number(table, row, live_count)),
			.live_max = mr_report_rows_number(table, row, live_max),
			.reason = mr_report_rows_text(table, row, reason),
			.description = mr_report_rows_text(table, row, description),
		};
		heap->snapshot_count += moment->number != MR_NO_VALUE;
	}
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct mr_heap_moment *one = a, *two = b;
	if (one->time_ns != two->time_ns)
		return one->time_ns < two->time_ns ? -1 : 1;
	return one->number < two->number ? -1 : one->number > two->number;
}

/* When live memory was highest: where a sample says so, or a snapshot of a peak. */
static void find_peak(struct mr_report_heap *heap)
{
	uint64_t highest = 0;
	for (size_t i = 0; i < heap->moment_count; i++) {
		const struct mr_heap_moment *moment = &heap->moments[i];
		const uint64_t max = moment->live_max == MR_NO_VALUE ? moment->live : moment->live_max;
		if (max > highest) {
			highest = max;
			heap->peak_time_ns = moment->time_ns;
		}
	}
}

/* Whether the lowest point of each fifth of the run is above that of the fifth before. */
static bool only_grows(const struct mr_report_heap *heap)
{
	uint64_t before = 0;
	if (heap->moment_count < 2 * FIFTHS)
		return false;
	for (size_t part = 0; part < FIFTHS; part++) {
		const size_t end = heap->moment_count * (part + 1) / FIFTHS;
		uint64_t lowest = UINT64_MAX;
		for (size_t i = heap->moment_count * part / FIFTHS; i < end; i++)
			lowest = heap->moments[i].live < lowest ? heap->moments[i].live : lowest;
		if (lowest <= before)
			return false;
		before = lowest;
	}
	return true;
}

/* ---- The account ----------------------------------------------------------------------- */

static const char *const part_columns[MR_ACCOUNT_PARTS] = {
	[MR_ACCOUNT_PART_LIVE] = "live",           [MR_ACCOUNT_PART_SLACK] = "slack",
	[MR_ACCOUNT_PART_FILES] = "files",         [MR_ACCOUNT_PART_STACKS] = "stacks",
	[MR_ACCOUNT_PART_SHARED] = "shared",       [MR_ACCOUNT_PART_RECORDER] = "recorder",
	[MR_ACCOUNT_PART_ANONYMOUS] = "anonymous",
};

static int read_run_account(const struct memstats_table *table, size_t first, size_t end,
                            struct mr_heap_account *account, struct mr_error *err)
{
	account->times = mr_alloc((end - first) * sizeof(double));
	account->rss = mr_alloc((end - first) * sizeof(double));
	account->live = mr_alloc((end - first) * sizeof(double));
	bool failed = !account->times || !account->rss || !account->live;
	for (size_t p = 0; p < MR_ACCOUNT_PARTS; p++) {
		account->parts[p] = mr_alloc((end - first) * sizeof(double));
		failed = failed || !account->parts[p];
	}
	MR_FAIL_IF(failed, err, MR_ERR_NOMEM, "no memory for the account of memory");
	const int time = mr_report_rows_column(table, "time"), rss = mr_report_rows_column(table, "rss"),
		  untouched_column = mr_report_rows_column(table, "untouched");
	int columns[MR_ACCOUNT_PARTS];
	for (size_t p = 0; p < MR_ACCOUNT_PARTS; p++)
		columns[p] = mr_report_rows_column(table, part_columns[p]);
	for (size_t row = first; row < end; row++) {
		const size_t i = account->count++;
		account->times[i] = (double)mr_or_zero(mr_report_rows_number(table, row, time));
		account->rss[i] = (double)mr_or_zero(mr_report_rows_number(table, row, rss));
		for (size_t p = 0; p < MR_ACCOUNT_PARTS; p++)
			account->parts[p][i] =
				(double)mr_or_zero(mr_report_rows_number(table, row, columns[p]));
		account->live[i] = account->parts[MR_ACCOUNT_PART_LIVE][i];
		const double untouched =
			(double)mr_or_zero(mr_report_rows_number(table, row, untouched_column));
		account->parts[MR_ACCOUNT_PART_LIVE][i] -=
			untouched < account->live[i] ? untouched : account->live[i];
	}
	return 0;
}

static int read_account(struct mr_report_data *data, struct mr_error *err)
{
	const struct memstats_table *table = data->heap.account;
	const size_t count = memstats_table_row_count(table);
	const int run = mr_report_rows_column(table, "run");
	for (size_t first = 0, end; first < count; first = end) {
		const uint64_t id = mr_report_rows_number(table, first, run);
		struct mr_report_heap *heap;
		for (end = first + 1; end < count && mr_report_rows_number(table, end, run) == id;)
			end++;
		MR_TRY(heap_of(data, id, &heap, err));
		if (heap && heap->account.count == 0)
			MR_TRY(read_run_account(table, first, end, &heap->account, err));
	}
	return 0;
}

/* ---- Threads, sizes and lifetimes ----------------------------------------------------------- */

static int read_threads(struct mr_report_data *data, struct mr_error *err)
{
	const struct memstats_table *table = data->heap.threads;
	const int run = mr_report_rows_column(table, "run"), thread = mr_report_rows_column(table, "thread"),
		  tid = mr_report_rows_column(table, "tid"), count = mr_report_rows_column(table, "count"),
		  total = mr_report_rows_column(table, "total"),
		  frees = mr_report_rows_column(table, "frees"),
		  temporary = mr_report_rows_column(table, "temporary"),
		  live = mr_report_rows_column(table, "live"),
		  live_count = mr_report_rows_column(table, "live_count"),
		  waits = mr_report_rows_column(table, "waits"), wait = mr_report_rows_column(table, "wait"),
		  first = mr_report_rows_column(table, "first"), last = mr_report_rows_column(table, "last");
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		struct mr_report_heap *heap;
		MR_TRY(heap_of(data, mr_report_rows_number(table, row, run), &heap, err));
		if (!heap)
			continue;
		MR_FAIL_IF(mr_grow(&heap->threads, &heap->thread_capacity, heap->thread_count + 1,
		                   sizeof(*heap->threads)) < 0,
		           err, MR_ERR_NOMEM, "no memory for threads");
		heap->threads[heap->thread_count++] = (struct mr_heap_thread){
			.name = mr_report_rows_text(table, row, thread),
			.tid = mr_report_rows_number(table, row, tid),
			.count = mr_report_rows_number(table, row, count),
			.total = mr_report_rows_number(table, row, total),
			.frees = mr_report_rows_number(table, row, frees),
			.temporary = mr_report_rows_number(table, row, temporary),
			.live = mr_report_rows_number(table, row, live),
			.live_count = mr_report_rows_number(table, row, live_count),
			.waits = mr_report_rows_number(table, row, waits),
			.wait_ns = mr_report_rows_number(table, row, wait),
			.first_ns = mr_report_rows_number(table, row, first),
			.last_ns = mr_report_rows_number(table, row, last),
		};
	}
	return 0;
}

static int add_bucket(struct mr_heap_buckets *buckets, const struct mr_heap_bucket *bucket,
                      struct mr_error *err)
{
	/* Images of one process have rows of their own. */
	for (size_t i = 0; i < buckets->count; i++)
		if (buckets->items[i].low == bucket->low) {
			add_up(&buckets->items[i].count, bucket->count);
			add_up(&buckets->items[i].bytes, mr_or_zero(bucket->bytes));
			return 0;
		}
	MR_FAIL_IF(mr_grow(&buckets->items, &buckets->capacity, buckets->count + 1, sizeof(*buckets->items)) <
	                   0,
	           err, MR_ERR_NOMEM, "no memory for a histogram");
	size_t at = buckets->count++;
	for (; at > 0 && buckets->items[at - 1].low > bucket->low; at--)
		buckets->items[at] = buckets->items[at - 1];
	buckets->items[at] = *bucket;
	return 0;
}

static int read_buckets(struct mr_report_data *data, struct mr_error *err)
{
	const struct memstats_table *table = data->tables[MR_REPORT_HISTOGRAM];
	const int run = mr_report_rows_column(table, "run"),
		  measures = mr_report_rows_column(table, "measure"),
		  size_from = mr_report_rows_column(table, "size_from"),
		  size_to = mr_report_rows_column(table, "size_to"),
		  lifetime_from = mr_report_rows_column(table, "lifetime_from"),
		  lifetime_to = mr_report_rows_column(table, "lifetime_to"),
		  count = mr_report_rows_column(table, "count"), size = mr_report_rows_column(table, "size");
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		const char *measure = mr_report_rows_text(table, row, measures);
		const bool is_size = strcmp(measure, "allocation size") == 0;
		struct mr_report_heap *heap;
		if (!is_size && strcmp(measure, "allocation lifetime") != 0)
			continue;
		MR_TRY(heap_of(data, mr_report_rows_number(table, row, run), &heap, err));
		if (!heap)
			continue;
		const struct mr_heap_bucket bucket = {
			.low = mr_or_zero(
				mr_report_rows_number(table, row, is_size ? size_from : lifetime_from)),
			.high = mr_report_rows_number(table, row, is_size ? size_to : lifetime_to),
			.count = mr_or_zero(mr_report_rows_number(table, row, count)),
			.bytes = mr_report_rows_number(table, row, size),
		};
		MR_TRY(add_bucket(is_size ? &heap->sizes : &heap->lifetimes, &bucket, err));
	}
	return 0;
}

/* ---- All of it ---------------------------------------------------------------------------------- */

int mr_report_heap_read(struct mr_report_data *data, struct mr_error *err)
{
	const struct {
		const char *name;
		const char *columns;
		struct memstats_table **table;
	} wanted[] = {
		/* All stacks as text would be hundreds of megabytes for the few that are shown. */
		{ "sites", SITE_COLUMNS, &data->heap.sites }, { "heap", NULL, &data->heap.heap },
		{ "account", NULL, &data->heap.account },     { "threads", NULL, &data->heap.threads },
		{ "modules", NULL, &data->heap.modules },     { "health", NULL, &data->heap.health },
	};
	for (size_t i = 0; i < MR_ARRAY_LEN(wanted); i++)
		MR_TRY(mr_report_rows_open(data->log, wanted[i].name, NULL, NULL, NULL, wanted[i].columns,
		                           wanted[i].table, err));
	MR_TRY(read_sites(data, err));
	MR_TRY(read_moments(data, err));
	/* What memory was made of can be told without a recorded heap, too, but has no section then. */
	MR_TRY(read_account(data, err));
	MR_TRY(read_threads(data, err));
	MR_TRY(read_buckets(data, err));
	for (size_t i = 0; i < data->run_count; i++) {
		struct mr_report_heap *heap = data->runs[i].heap;
		if (!heap)
			continue;
		if (heap->moment_count > 1)
			qsort(heap->moments, heap->moment_count, sizeof(*heap->moments), by_time);
		find_peak(heap);
		heap->only_grows = only_grows(heap);
	}
	return mr_report_heap_tree_read(data, err);
}

void mr_report_heap_free(struct mr_report_heap *heap)
{
	if (!heap)
		return;
	mr_free(heap->sites);
	mr_free(heap->places);
	mr_free(heap->moments);
	for (size_t i = 0; i < heap->state_count; i++)
		mr_free(heap->states[i].live);
	mr_free(heap->account.times);
	mr_free(heap->account.rss);
	mr_free(heap->account.live);
	for (size_t p = 0; p < MR_ACCOUNT_PARTS; p++)
		mr_free(heap->account.parts[p]);
	mr_free(heap->threads);
	mr_free(heap->sizes.items);
	mr_free(heap->lifetimes.items);
	mr_free(heap->calls);
	mr_flame_release(&heap->outer);
	mr_flame_release(&heap->inner);
	mr_free(heap);
}

void mr_heap_tables_release(struct mr_heap_tables *tables)
{
	memstats_table_free(tables->sites);
	memstats_table_free(tables->heap);
	memstats_table_free(tables->account);
	memstats_table_free(tables->threads);
	memstats_table_free(tables->tree);
	memstats_table_free(tables->modules);
	memstats_table_free(tables->health);
	mr_free(tables->frames);
	mr_free(tables->frame_slots);
	memset(tables, 0, sizeof(*tables));
}
