/* SPDX-License-Identifier: MIT
 *
 * The hottest call stacks: by what they held at the peak, leaked, allocated, how
 * often, and how often for nothing.
 */
#include "section_heap.h"

#include "suspects.h"

#define FRAMES_MAX 40
#define FRAMES_MIN 6
#define CURVES_LIMIT 5 /* rows of tables below which sites have no curves */
#define FRAME_COLUMNS 400
#define CALLERS_MAX 3
#define CALLER_COLUMNS 60
#define ROWS_SHARE 0.6 /* of a table's rows: there are five of these */

static const struct {
	const char *title;
	const char *nothing;
	bool is_bytes;
} tabs[MR_COST_KINDS] = {
	[MR_COST_PEAK] = { "At the peak", "Nothing was held at the peak.", true },
	[MR_COST_LEAKED] = { "Leaked", "Nothing was leaked.", true },
	[MR_COST_TOTAL] = { "Allocated bytes", "Nothing was allocated.", true },
	[MR_COST_COUNT] = { "Allocations", "Nothing was allocated.", false },
	[MR_COST_TEMPORARY] = { "Temporary", "Nothing was freed before the same thread's next allocation.",
	                        false },
};

/* ---- Stacks ----------------------------------------------------------------------- */

void mr_section_frame(struct mr_scope *scope, const char *text, size_t len)
{
	char part[FRAME_COLUMNS * 4 + 1];
	len = len < sizeof(part) - 1 ? len : sizeof(part) - 1;
	memcpy(part, text, len);
	part[len] = '\0';
	char *open = NULL;
	for (char *at = strstr(part, " ("); at; at = strstr(at + 1, " ("))
		open = at;
	/* What is in brackets at the end is a file only with its line. */
	const bool has_file = open && len > 0 && part[len - 1] == ')' && strrchr(open, ':') &&
	                      strspn(strrchr(open, ':') + 1, "0123456789") + 2 == strlen(strrchr(open, ':'));
	mr_scope_none(scope, "position");
	if (has_file) {
		part[len - 1] = '\0';
		mr_scope_format(scope, "position", "%s", mr_section_name(scope, open + 2, FRAME_COLUMNS));
		*open = '\0';
	}
	mr_scope_format(scope, "function", "%s", mr_section_name(scope, part, FRAME_COLUMNS));
}

const char *mr_section_stack_text(struct mr_scope *scope, const struct memstats_table *sites, size_t row)
{
	const char *text = "";
	if (memstats_sites_stack(sites, row, &text, NULL) < 0)
		mr_page_fail(mr_scope_page(scope));
	return text;
}

void mr_section_stack(struct mr_scope *scope, const char *text, size_t frames_max)
{
	size_t shown = 0, hidden = 0;
	mr_scope_list(scope, "stack");
	mr_scope_none(scope, "stack_rest");
	while (*text) {
		const char *end = strstr(text, " < ");
		const size_t len = end ? (size_t)(end - text) : strlen(text);
		if (shown < frames_max) {
			mr_section_frame(mr_scope_add(scope, "stack"), text, len);
			shown++;
		} else {
			hidden++;
		}
		text += len + (end ? strlen(" < ") : 0);
	}
	if (hidden > 0)
		mr_scope_format(scope, "stack_rest", "%s more",
		                mr_section_plural(scope, hidden, "frame", "frames"));
}

/* What starts a program or thread, below which callers tell nothing of a site. */
static bool is_start(const char *name, size_t len)
{
	static const char *const starts[] = { "__libc_start", "_start", "start_thread", "__clone", "clone3" };
	for (size_t i = 0; i < MR_ARRAY_LEN(starts); i++)
		if (len >= strlen(starts[i]) && strncmp(name, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

/* Bytes of FRAME, LEN long, before " (file:line)". */
static size_t name_length(const char *frame, size_t len)
{
	if (len == 0 || frame[len - 1] != ')')
		return len;
	for (size_t at = len - 1; at > 1; at--)
		if (frame[at] == '(')
			return frame[at - 1] == ' ' ? at - 1 : len;
	return len;
}

/* "via": the first functions that called the one that is PLACE, each once. */
static void set_callers(struct mr_scope *item, const char *stack, const char *place)
{
	const size_t place_len = name_length(place, strlen(place));
	const char *last = "", *end = stack;
	size_t last_len = 0, named = 0;
	struct mr_buffer text = { 0 };
	bool found = false;
	for (; end && *stack && named < CALLERS_MAX; stack = end ? end + strlen(" < ") : stack) {
		end = strstr(stack, " < ");
		const size_t len = name_length(stack, end ? (size_t)(end - stack) : strlen(stack));
		const bool repeats = len == last_len && strncmp(stack, last, len) == 0;
		const bool is_place = !found && len == place_len && strncmp(stack, place, len) == 0;
		if (found && is_start(stack, len))
			break;
		if (found && !repeats)
			mr_buffer_printf(&text, "%s%.*s", named++ > 0 ? " ‹ " : "‹ ",
			                 (int)(len < CALLER_COLUMNS ? len : CALLER_COLUMNS), stack);
		found = found || is_place;
		last = stack;
		last_len = len;
	}
	mr_buffer_put_u8(&text, 0);
	mr_scope_none(item, "via");
	if (named > 0 && !text.failed)
		mr_scope_format(item, "via", "%s",
		                mr_section_name(item, (const char *)text.data, CALLERS_MAX * CALLER_COLUMNS));
	mr_buffer_release(&text);
}

/* ---- Sites ------------------------------------------------------------------------ */

void mr_section_site_curve(struct mr_scope *scope, const struct mr_report_run *run,
                           const struct mr_heap_site *site)
{
	const struct mr_report_heap *heap = run->heap;
	const size_t index = (size_t)(site - heap->sites);
	struct mr_chart *chart = mr_section_chart(scope, MR_CHART_CURVE, MR_CHART_HALF);
	struct mr_points *line = mr_page_alloc(mr_scope_page(scope), sizeof(*line));
	double *x = mr_section_numbers(scope, heap->state_count),
	       *y = mr_section_numbers(scope, heap->state_count);
	if (heap->state_count < 3 || !chart || !line || !x || !y)
		return;
	for (size_t i = 0; i < heap->state_count; i++) {
		x[i] = (double)heap->states[i].time_ns;
		y[i] = (double)heap->states[i].live[index];
	}
	*line = (struct mr_points){ "held", MR_PAINT_SERIES_1, heap->state_count, x, y, false };
	chart->title = "Held over time";
	chart->description = "Live bytes at heap snapshots.";
	chart->of.curve = (struct mr_curve){ (double)run->duration_ns, MR_UNIT_BYTES, true, 1, line };
	mr_scope_chart(scope, "curve", chart);
}

static void set_cost(struct mr_scope *item, const char *name, enum mr_flame_cost cost, uint64_t value)
{
	if (tabs[cost].is_bytes)
		mr_scope_bytes(item, name, value);
	else
		mr_scope_count(item, name, value);
}

static void add_site(const struct mr_view *view, struct mr_scope *tab, enum mr_flame_cost cost,
                     const struct mr_heap_site *site)
{
	const struct memstats_table *table = view->data->heap.sites;
	const struct mr_report_heap *heap = view->run->heap;
	const struct mr_heap_place *place = &heap->places[site->place];
	struct mr_scope *item = mr_scope_add(tab, "sites");
	mr_section_frame(item, place->name[0] ? place->name : "unknown place",
	                 strlen(place->name[0] ? place->name : "unknown place"));
	/* A place without a name is the module and an offset already. */
	mr_scope_text(item, "module",
	              strncmp(place->name, place->module, strlen(place->module)) == 0 ? "" : place->module);
	set_cost(item, "value", cost, site->cost[cost]);
	mr_section_share(item, "share", (double)site->cost[cost], (double)heap->cost[cost]);
	mr_scope_bytes(item, "peak", site->cost[MR_COST_PEAK]);
	mr_scope_count(item, "peak_count", site->peak_count);
	mr_scope_bytes(item, "leaked", site->cost[MR_COST_LEAKED]);
	mr_scope_count(item, "leaked_count", site->live_count);
	mr_scope_bytes(item, "total", site->cost[MR_COST_TOTAL]);
	mr_scope_count(item, "count", site->cost[MR_COST_COUNT]);
	mr_scope_count(item, "temporary", site->cost[MR_COST_TEMPORARY]);
	mr_scope_count(item, "reallocs", site->reallocs);
	mr_scope_bytes(item, "grown", site->grown);
	mr_section_bytes(item, "average",
	                 mr_report_rows_number(table, site->row, mr_report_rows_column(table, "average")));
	const uint64_t lifetime =
		mr_report_rows_number(table, site->row, mr_report_rows_column(table, "lifetime"));
	mr_scope_none(item, "lifetime");
	if (lifetime != MR_NO_VALUE)
		mr_scope_duration(item, "lifetime", lifetime);
	const char *stack = mr_section_stack_text(item, table, site->row);
	set_callers(item, stack, place->name);
	/* A page that has to be small has no room for deep stacks either. */
	const size_t frames = FRAMES_MIN + view->limit * 2;
	mr_section_stack(item, stack, frames < FRAMES_MAX ? frames : FRAMES_MAX);
	mr_scope_none(item, "curve");
	if ((cost == MR_COST_PEAK || cost == MR_COST_LEAKED) && view->limit >= CURVES_LIMIT)
		mr_section_site_curve(item, view->run, site);
}

/* The COUNT sites that cost most, largest first, in LARGEST, which has room for LIMIT; gives how many. */
static size_t find_largest(const struct mr_report_heap *heap, enum mr_flame_cost cost, size_t limit,
                           const struct mr_heap_site **largest)
{
	size_t count = 0;
	for (size_t i = 0; i < heap->site_count; i++) {
		const struct mr_heap_site *site = &heap->sites[i];
		size_t at = count;
		if (site->cost[cost] == 0)
			continue;
		while (at > 0 && largest[at - 1]->cost[cost] < site->cost[cost])
			at--;
		if (at >= limit)
			continue;
		count += count < limit;
		memmove(largest + at + 1, largest + at, (count - at - 1) * sizeof(*largest));
		largest[at] = site;
	}
	return count;
}

static void add_rest(struct mr_scope *tab, enum mr_flame_cost cost, const struct mr_report_heap *heap,
                     const struct mr_heap_site *const *shown, size_t count)
{
	uint64_t rest = heap->cost[cost], all = 0;
	char value[40], percent[32];
	for (size_t i = 0; i < heap->site_count; i++)
		all += heap->sites[i].cost[cost] > 0;
	for (size_t i = 0; i < count; i++)
		rest -= shown[i]->cost[cost];
	if (all <= count)
		return;
	if (tabs[cost].is_bytes)
		mr_text_bytes_short(value, rest);
	else
		mr_count_text(value, rest);
	mr_percent_words(percent, (double)rest, (double)heap->cost[cost]);
	mr_scope_format(tab, "rest", "%s more: %s, %s",
	                mr_section_plural(tab, all - count, "call stack", "call stacks"), value, percent);
}

static void add_tab(const struct mr_view *view, struct mr_scope *scope, enum mr_flame_cost cost,
                    const struct mr_heap_site **largest, size_t limit)
{
	const struct mr_report_heap *heap = view->run->heap;
	struct mr_scope *tab = mr_scope_add(scope, "site_tabs");
	mr_scope_text(tab, "cost", mr_flame_cost_names[cost]);
	mr_scope_text(tab, "title", tabs[cost].title);
	mr_scope_flag(tab, "checked", cost == MR_COST_PEAK);
	mr_scope_list(tab, "sites");
	mr_scope_none(tab, "rest");
	mr_scope_none(tab, "nothing");
	set_cost(tab, "sum", cost, heap->cost[cost]);
	const size_t count = find_largest(heap, cost, limit, largest);
	for (size_t i = 0; i < count; i++)
		add_site(view, tab, cost, largest[i]);
	if (count == 0)
		mr_scope_text(tab, "nothing", tabs[cost].nothing);
	add_rest(tab, cost, heap, largest, count);
}

int mr_section_sites(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err MR_UNUSED)
{
	const size_t wanted = (size_t)((double)view->limit * ROWS_SHARE);
	const size_t limit = wanted > 0 ? wanted : 1;
	const struct mr_heap_site **largest =
		mr_page_alloc(mr_scope_page(scope), (limit + 1) * sizeof(const struct mr_heap_site *));
	mr_scope_list(scope, "site_tabs");
	if (!view->run->heap || view->run->heap->site_count == 0 || !largest)
		return 0;
	for (int c = 0; c < MR_COST_KINDS; c++)
		add_tab(view, scope, (enum mr_flame_cost)c, largest, limit);
	return 0;
}
