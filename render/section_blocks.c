/* SPDX-License-Identifier: MIT
 *
 * What the blocks were like: their sizes and lifetimes; the threads that made
 * them; the modules that they were made in, and how well their places are named.
 */
#include "section_heap.h"

#include <inttypes.h>

#define BINS_MAX 64
#define BYTES_LIMIT 5 /* rows of tables below which there is no room for bytes beside counts */

/* ---- Sizes and lifetimes -------------------------------------------------------------- */

/* The buckets from the first to the last that holds anything, without gaps; gives how many. */
static size_t fill_bins(const struct mr_heap_buckets *buckets, bool bytes, struct mr_bin bins[BINS_MAX])
{
	size_t count = 0;
	for (size_t i = 0; i < buckets->count && count < BINS_MAX; i++) {
		const struct mr_heap_bucket *bucket = &buckets->items[i];
		const double high =
			bucket->high == MR_NO_VALUE ? (double)bucket->low * 2 : (double)bucket->high;
		while (count > 0 && count < BINS_MAX - 1 &&
		       bins[count - 1].high * 1.5 < (double)bucket->low) {
			const double low = bins[count - 1].high;
			bins[count++] = (struct mr_bin){ low, low * 2, 0 };
		}
		bins[count++] = (struct mr_bin){ (double)bucket->low, high,
			                         bytes ? (double)bucket->bytes : (double)bucket->count };
	}
	return count;
}

static void add_histogram(struct mr_scope *scope, const char *name, const char *title,
                          const struct mr_heap_buckets *buckets, enum mr_unit unit, bool bytes)
{
	struct mr_chart *chart = mr_section_chart(scope, MR_CHART_HISTOGRAM, MR_CHART_HALF);
	struct mr_bin *bins = mr_page_alloc(mr_scope_page(scope), BINS_MAX * sizeof(*bins));
	if (!chart || !bins)
		return;
	chart->title = title;
	chart->description = bytes ? "Bytes in classes that double from one to the next."
	                           : "Allocations in classes that double from one to the next.";
	chart->of.histogram = (struct mr_histogram){ unit, bytes ? MR_PAINT_SERIES_3 : MR_PAINT_SERIES_1,
		                                     fill_bins(buckets, bytes, bins), bins,
		                                     bytes ? MR_UNIT_BYTES : MR_UNIT_COUNT };
	mr_scope_chart(scope, name, chart);
}

static bool has_bytes(const struct mr_heap_buckets *buckets)
{
	for (size_t i = 0; i < buckets->count; i++)
		if (buckets->items[i].bytes == MR_NO_VALUE)
			return false;
	return buckets->count > 0;
}

static void add_histograms(struct mr_scope *scope, const struct mr_report_heap *heap, bool with_bytes)
{
	mr_scope_none(scope, "size_counts");
	mr_scope_none(scope, "size_bytes");
	mr_scope_none(scope, "lifetime_counts");
	mr_scope_none(scope, "lifetime_bytes");
	mr_scope_flag(scope, "blocks", heap && heap->sizes.count > 0);
	if (!heap)
		return;
	if (heap->sizes.count > 0)
		add_histogram(scope, "size_counts", "Allocations by size", &heap->sizes, MR_UNIT_BYTES,
		              false);
	if (with_bytes && has_bytes(&heap->sizes))
		add_histogram(scope, "size_bytes", "Bytes by size of the allocation", &heap->sizes,
		              MR_UNIT_BYTES, true);
	if (heap->lifetimes.count > 0)
		add_histogram(scope, "lifetime_counts", "Blocks by lifetime", &heap->lifetimes, MR_UNIT_TIME,
		              false);
	if (with_bytes && has_bytes(&heap->lifetimes))
		add_histogram(scope, "lifetime_bytes", "Bytes by lifetime", &heap->lifetimes, MR_UNIT_TIME,
		              true);
}

/* ---- Threads ------------------------------------------------------------------------------ */

static void set_time(struct mr_scope *item, const char *name, uint64_t time_ns)
{
	if (time_ns == MR_NO_VALUE)
		mr_scope_none(item, name);
	else
		mr_scope_duration(item, name, time_ns);
}

static void add_thread(struct mr_scope *scope, const struct mr_heap_thread *thread)
{
	struct mr_scope *item = mr_scope_add(scope, "threads");
	if (thread->name[0] || thread->tid == MR_NO_VALUE)
		mr_scope_text(item, "name", thread->name[0] ? thread->name : "unnamed");
	else
		mr_scope_format(item, "name", "%" PRIu64, thread->tid);
	mr_scope_none(item, "tid");
	if (thread->tid != MR_NO_VALUE)
		mr_scope_format(item, "tid", "%" PRIu64, thread->tid);
	mr_section_count(item, "count", thread->count);
	mr_section_bytes(item, "total", thread->total);
	mr_section_count(item, "frees", thread->frees);
	mr_section_count(item, "temporary", thread->temporary);
	mr_section_bytes(item, "live", thread->live);
	mr_section_count(item, "live_count", thread->live_count);
	mr_section_count(item, "waits", thread->waits);
	set_time(item, "wait", thread->wait_ns);
	set_time(item, "first", thread->first_ns);
	set_time(item, "last", thread->last_ns);
}

/* The threads that allocated most first; a thread that a table has no room for counts in the rest. */
static void add_threads(const struct mr_view *view, struct mr_scope *scope, const struct mr_report_heap *heap)
{
	const size_t limit = 2 * view->limit;
	mr_scope_list(scope, "threads");
	mr_scope_none(scope, "threads_rest");
	if (!heap)
		return;
	for (size_t i = 0; i < heap->thread_count && i < limit; i++)
		add_thread(scope, &heap->threads[i]);
	if (heap->thread_count > limit) {
		uint64_t count = 0, total = 0;
		char size[40], number[32];
		for (size_t i = limit; i < heap->thread_count; i++) {
			count += heap->threads[i].count == MR_NO_VALUE ? 0 : heap->threads[i].count;
			total += heap->threads[i].total == MR_NO_VALUE ? 0 : heap->threads[i].total;
		}
		mr_text_bytes_short(size, total);
		mr_count_text(number, count);
		mr_scope_format(scope, "threads_rest", "%s more: %s allocations, %s",
		                mr_section_plural(scope, heap->thread_count - limit, "thread", "threads"),
		                number, size);
	}
}

/* ---- Modules --------------------------------------------------------------------------------- */

/* Whether the frames of the flame graph that are of this module have a colour. */
static enum mr_paint paint_of(const struct mr_heap_tables *tables, const char *module)
{
	for (size_t i = 0; i < tables->frame_count; i++)
		if (strcmp(tables->frames[i].module, module) == 0)
			return tables->frames[i].paint;
	return MR_PAINT_OTHER;
}

static const char *symbols_text(const char *symbols)
{
	return strcmp(symbols, "lines") == 0   ? "functions and lines"
	       : strcmp(symbols, "names") == 0 ? "functions, no lines"
	       : strcmp(symbols, "none") == 0  ? "no symbols"
	                                       : symbols;
}

static void add_module(const struct mr_view *view, struct mr_scope *scope, size_t row)
{
	const struct memstats_table *table = view->data->heap.modules;
	struct mr_scope *item = mr_scope_add(scope, "modules");
	const char *name = mr_report_rows_text(table, row, mr_report_rows_column(table, "module"));
	mr_scope_text(item, "name", name[0] ? name : "unknown");
	mr_section_paint(item, "color", paint_of(&view->data->heap, name));
	mr_scope_text(item, "build_id",
	              mr_report_rows_text(table, row, mr_report_rows_column(table, "build_id")));
	mr_scope_text(item, "symbols",
	              symbols_text(mr_report_rows_text(table, row, mr_report_rows_column(table, "symbols"))));
	mr_section_count(item, "places",
	                 mr_report_rows_number(table, row, mr_report_rows_column(table, "places")));
	mr_section_count(item, "unnamed",
	                 mr_report_rows_number(table, row, mr_report_rows_column(table, "unnamed")));
	mr_section_bytes(item, "peak",
	                 mr_report_rows_number(table, row, mr_report_rows_column(table, "peak")));
	mr_section_bytes(item, "self_peak",
	                 mr_report_rows_number(table, row, mr_report_rows_column(table, "self_peak")));
	mr_section_bytes(item, "self_total",
	                 mr_report_rows_number(table, row, mr_report_rows_column(table, "self_total")));
	mr_section_count(item, "self_count",
	                 mr_report_rows_number(table, row, mr_report_rows_column(table, "self_count")));
}

static void add_modules(const struct mr_view *view, struct mr_scope *scope)
{
	const struct memstats_table *table = view->data->heap.modules;
	const int run = mr_report_rows_column(table, "run");
	size_t shown = 0, hidden = 0;
	mr_scope_list(scope, "modules");
	mr_scope_none(scope, "modules_rest");
	if (!view->run->heap || view->minor)
		return;
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		if (mr_report_rows_number(table, row, run) != view->run->id)
			continue;
		if (shown < view->limit) {
			add_module(view, scope, row);
			shown++;
		} else {
			hidden++;
		}
	}
	if (hidden > 0)
		mr_scope_format(scope, "modules_rest", "%s more",
		                mr_section_plural(scope, hidden, "module", "modules"));
}

int mr_section_blocks(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err MR_UNUSED)
{
	add_histograms(scope, view->minor ? NULL : view->run->heap, view->limit >= BYTES_LIMIT);
	add_threads(view, scope, view->run->heap);
	add_modules(view, scope);
	return 0;
}
