/* SPDX-License-Identifier: MIT
 *
 * Objects that stayed: which types, how many, how large, since when, where they
 * were made and who holds them, in plain sentences with their evidence; then what
 * came, went and stayed by type.
 */
#include "section_persistent.h"
#include "section_objects.h"

#include <inttypes.h>

#define NAME_COLUMNS 80
#define PATH_COLUMNS 160
#define WAYS_MAX 12
#define CURVES_LIMIT 5 /* rows of tables below which types have no curve */
#define VERDICT_TYPES 3
#define VARIES 0.05 /* of its largest count, from which on a curve is more than a line */
#define CURVE_MIN 3 /* censuses that a curve says something of */

const char *mr_section_census_name(struct mr_scope *scope, const struct mr_report_snapshot *snapshot)
{
	char text[48];
	if (snapshot->description[0]) {
		char quoted[300];
		snprintf(quoted, sizeof(quoted), "\"%.280s\"",
		         mr_section_name(scope, snapshot->description, 60));
		return mr_section_name(scope, quoted, 0);
	}
	if (strcmp(snapshot->kind, "baseline") == 0)
		return "the baseline";
	snprintf(text, sizeof(text), "census #%" PRIu64, snapshot->number);
	return mr_section_name(scope, text, 0);
}

/* Censuses since the last baseline, itself included. */
static size_t taken(const struct mr_report_census *census)
{
	return census->snapshot_count - census->baseline;
}

/* The first census at or after TIME. */
static size_t census_at(const struct mr_report_census *census, uint64_t time_ns)
{
	size_t at = 0;
	while (at + 1 < census->snapshot_count && census->snapshots[at].time_ns < time_ns)
		at++;
	return at;
}

/* " made between the baseline and census #3,", or "". */
static const char *since_words(struct mr_scope *scope, const struct mr_report_census *census,
                               const struct mr_census_type *type)
{
	char text[256];
	if (type->first_ns == MR_NO_VALUE || census->snapshot_count < 2)
		return "";
	const size_t first = census_at(census, type->first_ns), last = census_at(census, type->last_ns);
	snprintf(text, sizeof(text), " made between %s and %s,",
	         mr_section_census_name(scope, &census->snapshots[first > 0 ? first - 1 : 0]),
	         mr_section_census_name(scope, &census->snapshots[last > 0 ? last : 1]));
	return mr_section_name(scope, text, 0);
}

/* ---- Who holds them ------------------------------------------------------------------------ */

struct way {
	const char *path, *example, *root;
	uint64_t count, size_bytes, length;
};

static struct way read_way(const struct mr_view *view, size_t row)
{
	const struct memstats_table *table = view->data->census[MR_CENSUS_HOLDERS];
	return (struct way){ mr_report_rows_text(table, row, mr_report_rows_column(table, "path")),
		             mr_report_rows_text(table, row, mr_report_rows_column(table, "example")),
		             mr_report_rows_text(table, row, mr_report_rows_column(table, "root")),
		             mr_report_rows_number(table, row, mr_report_rows_column(table, "count")),
		             mr_report_rows_number(table, row, mr_report_rows_column(table, "size")),
		             mr_report_rows_number(table, row, mr_report_rows_column(table, "length")) };
}

static bool is_joined(const struct way *way)
{
	return way->path[0] == '(' || !way->path[0];
}

/* "lead", "path" and "tail" of a sentence on the way that holds most of TYPE. */
static void set_holding(const struct mr_view *view, struct mr_scope *item, const struct mr_census_type *type)
{
	const struct mr_report_census *census = view->run->census;
	mr_scope_none(item, "lead");
	mr_scope_none(item, "path");
	mr_scope_text(item, "tail", type->way_count > 0 ? "Many ways lead to them." : "");
	if (type->belongs_to != SIZE_MAX) {
		mr_scope_text(item, "lead", type->count == 1 ? "It belongs to" : "They belong to");
		mr_scope_text(item, "path", census->types[type->belongs_to].name);
		mr_scope_text(item, "tail", "above.");
		return;
	}
	const struct way way =
		type->way_count > 0 ? read_way(view, type->ways[0]) : (struct way){ .path = "" };
	if (is_joined(&way))
		return;
	mr_scope_text(item, "path", way.path);
	const bool all = way.count == MR_NO_VALUE || way.count >= type->count;
	char number[32];
	mr_count_text(number, all ? type->count : way.count);
	if (strcmp(way.root, "only each other") == 0) {
		mr_scope_text(item, "lead",
		              "Nothing but themselves holds them, and the collector has not been there:");
		mr_scope_text(item, "tail", "leads back.");
		return;
	}
	if (strcmp(way.root, "local variable") == 0)
		mr_scope_text(item, "lead", "The local variable");
	else if (strcmp(way.root, "module") != 0 && way.root[0])
		mr_scope_format(item, "lead",
		                "%s:", strcmp(way.root, "C code") == 0 ? "C code" : "The interpreter");
	mr_scope_format(item, "tail",
	                all ? type->count == 1 ? "holds it." : "holds them." : "holds %s of them.", number);
}

static void add_ways(const struct mr_view *view, struct mr_scope *item, const struct mr_census_type *type)
{
	const size_t most = view->limit < WAYS_MAX ? view->limit : WAYS_MAX;
	const size_t shown = type->way_count < most ? type->way_count : most;
	mr_scope_list(item, "ways");
	mr_scope_none(item, "ways_rest");
	for (size_t i = 0; i < shown; i++) {
		const struct way way = read_way(view, type->ways[i]);
		struct mr_scope *row = mr_scope_add(item, "ways");
		mr_scope_text(row, "path", way.path);
		mr_scope_text(row, "root", way.root);
		mr_section_count(row, "count", way.count);
		mr_section_bytes(row, "size", way.size_bytes);
		mr_section_count(row, "length", way.length);
		mr_scope_text(row, "example", strcmp(way.example, way.path) == 0 ? "" : way.example);
	}
	if (type->way_count > shown)
		mr_scope_format(item, "ways_rest", "%s more",
		                mr_section_plural(item, type->way_count - shown, "way", "ways"));
}

/* ---- Where they were made -------------------------------------------------------------------- */

static void add_sites(const struct mr_view *view, struct mr_scope *item, const struct mr_census_type *type)
{
	const size_t shown = type->site_count < view->limit ? type->site_count : view->limit;
	uint64_t told = 0;
	mr_scope_list(item, "sites");
	mr_scope_none(item, "sites_rest");
	for (size_t i = 0; i < shown; i++) {
		const struct mr_census_site *site = &type->sites[i];
		struct mr_scope *row = mr_scope_add(item, "sites");
		mr_scope_text(row, "function", site->function);
		mr_section_place(row, "place", site->file, site->line);
		mr_scope_text(row, "count", mr_section_plural(row, site->count, "object", "objects"));
		mr_scope_bytes(row, "size", site->size_bytes);
		mr_section_trace(row, mr_report_detail(view->data, site->row));
		told += site->count;
	}
	if (shown > 0 && type->count > told)
		mr_scope_format(item, "sites_rest", "%s more were made elsewhere, or it is not known where.",
		                mr_section_plural(item, type->count - told, "object", "objects"));
}

/* ---- How many there were when ------------------------------------------------------------------- */

static bool varies(const struct mr_report_census *census, const struct mr_census_type *type)
{
	double least = type->counts[0], most = type->counts[0];
	for (size_t i = 1; i < census->snapshot_count; i++) {
		least = type->counts[i] < least ? type->counts[i] : least;
		most = type->counts[i] > most ? type->counts[i] : most;
	}
	return most - least > VARIES * most;
}

static void add_curve(const struct mr_view *view, struct mr_scope *item, const struct mr_census_type *type)
{
	const struct mr_report_census *census = view->run->census;
	const size_t count = census->snapshot_count;
	mr_scope_none(item, "curve");
	if (view->limit < CURVES_LIMIT || count < CURVE_MIN || !varies(census, type))
		return;
	struct mr_chart *chart = mr_section_chart(item, MR_CHART_CURVE, MR_CHART_HALF);
	struct mr_points *points = mr_page_alloc(mr_scope_page(item), sizeof(*points));
	double *times = mr_section_numbers(item, count), *counts = mr_section_numbers(item, count);
	if (!chart || !points || !times || !counts)
		return;
	for (size_t i = 0; i < count; i++) {
		times[i] = (double)census->snapshots[i].time_ns;
		counts[i] = type->counts[i];
	}
	*points =
		(struct mr_points){ "objects", mr_report_paint(view->data, type->name), count, times, counts,
		                    false };
	chart->title = "Objects of the type, by census";
	chart->description = mr_section_plural(item, count, "census", "censuses");
	chart->of.curve = (struct mr_curve){ (double)view->run->duration_ns, MR_UNIT_COUNT, true, 1, points };
	mr_scope_chart(item, "curve", chart);
}

/* ---- One type ---------------------------------------------------------------------------------------- */

static const char *text_in(const struct mr_scope *scope, const char *name)
{
	struct mr_value value;
	return scope && mr_scope_find(scope, name, strlen(name), &value) && value.kind == MR_VALUE_TEXT
	               ? value.text
	               : "";
}

static void add_type(const struct mr_view *view, struct mr_scope *scope, size_t index)
{
	const struct mr_report_census *census = view->run->census;
	const struct mr_census_type *type = &census->types[index];
	const bool leads = type->belongs_to == SIZE_MAX;
	struct mr_scope *item = mr_scope_add(scope, "persistent");
	char size[32];
	mr_text_bytes_short(size, type->size_bytes);
	mr_scope_text(item, "title", leads ? "Stayed" : "With it");
	mr_scope_text(item, "tone", leads ? "bad" : "note");
	mr_scope_text(item, "name", type->name);
	mr_section_paint(item, "color", mr_report_paint(view->data, type->name));
	mr_scope_format(item, "text", "%s, %s,%s %s still there.",
	                mr_section_plural(item, type->count, "object", "objects"), size,
	                since_words(item, census, type), type->count == 1 ? "is" : "are");
	set_holding(view, item, type);
	const char *lead = text_in(item, "lead"), *path = text_in(item, "path"),
		   *tail = text_in(item, "tail");
	mr_scope_format(item, "sentence", "%s: %s%s%s%s%s%s%s",
	                mr_section_name(item, type->name, NAME_COLUMNS), text_in(item, "text"),
	                lead[0] ? " " : "", lead, path[0] ? " " : "", path, tail[0] ? " " : "", tail);
	add_ways(view, item, type);
	add_sites(view, item, type);
	add_curve(view, item, type);
	mr_scope_flag(item, "open", index == 0);
}

/* ---- What came, went and stayed ------------------------------------------------------------------------ */

static void set_amount(struct mr_scope *item, const struct memstats_table *table, size_t row,
                       const char *name, const char *size_name)
{
	mr_section_count(item, name, mr_report_rows_number(table, row, mr_report_rows_column(table, name)));
	mr_section_bytes(item, size_name,
	                 mr_report_rows_number(table, row, mr_report_rows_column(table, size_name)));
}

static bool has_moved(const struct memstats_table *table, size_t row)
{
	static const char *const names[] = { "created", "deleted", "persistent" };
	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++) {
		const uint64_t count =
			mr_report_rows_number(table, row, mr_report_rows_column(table, names[i]));
		if (count != MR_NO_VALUE && count > 0)
			return true;
	}
	return false;
}

static void add_moves(const struct mr_view *view, struct mr_scope *scope)
{
	const struct memstats_table *table = view->data->tables[MR_REPORT_DIFF];
	const size_t most = 2 * view->limit;
	size_t count = 0;
	mr_scope_list(scope, "moves");
	mr_scope_none(scope, "moves_rest");
	if (!table)
		return;
	const int run = mr_report_rows_column(table, "run"), kind = mr_report_rows_column(table, "kind"),
		  class = mr_report_rows_column(table, "class");
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		if (mr_report_rows_number(table, row, run) != view->run->id ||
		    strcmp(mr_report_rows_text(table, row, kind), "type") != 0 || !has_moved(table, row) ||
		    count++ >= most)
			continue;
		struct mr_scope *item = mr_scope_add(scope, "moves");
		const char *name = mr_report_rows_text(table, row, class);
		mr_scope_text(item, "class", name);
		mr_section_paint(item, "color", mr_report_paint(view->data, name));
		set_amount(item, table, row, "created", "created_size");
		set_amount(item, table, row, "deleted", "deleted_size");
		set_amount(item, table, row, "persistent", "persistent_size");
	}
	if (count > most)
		mr_scope_format(scope, "moves_rest", "%s more",
		                mr_section_plural(scope, count - most, "type", "types"));
}

/* The censuses of a run whose snapshots are of tracked objects. */
static void add_censuses(const struct mr_view *view, struct mr_scope *scope)
{
	const struct mr_report_census *census = view->run->census;
	size_t indexes[64];
	const size_t most = view->limit < MR_ARRAY_LEN(indexes) ? view->limit : MR_ARRAY_LEN(indexes);
	const size_t count = mr_section_choose(census->snapshot_count, most, 0, indexes);
	mr_scope_list(scope, "censuses");
	mr_scope_none(scope, "censuses_rest");
	for (size_t i = 0; i < count && !view->run->of_census; i++) {
		const struct mr_report_snapshot *snapshot = &census->snapshots[indexes[i]];
		struct mr_scope *item = mr_scope_add(scope, "censuses");
		mr_scope_text(item, "name",
		              snapshot->description[0] ? snapshot->description
		                                       : mr_section_census_name(item, snapshot));
		mr_scope_duration(item, "time", snapshot->time_ns);
		mr_scope_count(item, "objects", snapshot->objects);
		mr_scope_bytes(item, "size", snapshot->size_bytes);
	}
	if (!view->run->of_census && census->snapshot_count > count)
		mr_scope_format(scope, "censuses_rest", "%zu more in between",
		                census->snapshot_count - count);
}

/* ---- All of it ------------------------------------------------------------------------------- */

/* What there is to say where nothing stayed; NULL where something did. */
static const char *nothing_words(const struct mr_report_census *census)
{
	if (census->type_count > 0)
		return NULL;
	if (taken(census) == 1)
		return "There is one census only: nothing to compare it with.";
	if (taken(census) == 2)
		return "There are two censuses only: what stays shows from the third on.";
	if (!census->compared)
		return "What stayed is not known where logs are compared and none says who holds it: a "
		       "page of this log alone has it.";
	return "No object stayed: what was made after the baseline is gone again, or was made since the "
	       "census before the last one.";
}

static void set_lede(const struct mr_view *view, struct mr_scope *scope)
{
	const struct mr_report_census *census = view->run->census;
	const struct mr_report_snapshot *first = &census->snapshots[census->baseline],
					*last = &census->snapshots[census->snapshot_count - 1];
	mr_scope_none(scope, "persistent_lede");
	if (taken(census) < 2)
		return;
	char text[640], created[48] = "", deleted[48] = "", size[32];
	mr_text_bytes_short(size, census->created_bytes);
	snprintf(created, sizeof(created), "%s", size);
	mr_text_bytes_short(size, census->deleted_bytes);
	snprintf(deleted, sizeof(deleted), "%s", size);
	snprintf(text, sizeof(text),
	         "From %s to %s, of all objects that the interpreter knows. What stayed came after the "
	         "baseline, was there at the census before the last, and still is.",
	         mr_section_census_name(scope, first), mr_section_census_name(scope, last));
	if (census->compared) {
		const size_t len = strlen(text);
		snprintf(text + len, sizeof(text) - len, " Since the baseline %s (%s) came and %s (%s) went.",
		         mr_section_plural(scope, census->created, "object", "objects"), created,
		         mr_section_plural(scope, census->deleted, "object", "objects"), deleted);
	}
	mr_scope_format(scope, "persistent_lede", "%s", text);
}

static void set_rest(const struct mr_view *view, struct mr_scope *scope, size_t shown)
{
	const struct mr_report_census *census = view->run->census;
	uint64_t count = 0, size_bytes = 0;
	char size[32];
	mr_scope_none(scope, "persistent_rest");
	if (census->type_count <= shown)
		return;
	for (size_t i = shown; i < census->type_count; i++) {
		count += census->types[i].count;
		size_bytes += census->types[i].size_bytes;
	}
	mr_text_bytes_short(size, size_bytes);
	mr_scope_format(scope, "persistent_rest", "%s more stayed, with %s, %s.",
	                mr_section_plural(scope, census->type_count - shown, "type", "types"),
	                mr_section_plural(scope, count, "object", "objects"), size);
}

int mr_section_persistent(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err)
{
	const struct mr_report_census *census = view->run->census;
	static const char *const lists[] = { "persistent", "moves", "censuses", "holder_graphs", "graphs" };
	static const char *const absent[] = { "persistent_lede", "persistent_rest", "persistent_none",
		                              "moves_rest",      "censuses_rest",   "graphs_rest" };
	for (size_t i = 0; i < MR_ARRAY_LEN(lists); i++)
		mr_scope_list(scope, lists[i]);
	for (size_t i = 0; i < MR_ARRAY_LEN(absent); i++)
		mr_scope_none(scope, absent[i]);
	mr_scope_flag(scope, "has_census", census != NULL);
	if (!census)
		return 0;
	const size_t shown = census->type_count < view->limit ? census->type_count : view->limit;
	set_lede(view, scope);
	if (nothing_words(census))
		mr_scope_text(scope, "persistent_none", nothing_words(census));
	for (size_t i = 0; i < shown; i++)
		add_type(view, scope, i);
	set_rest(view, scope, shown);
	add_moves(view, scope);
	add_censuses(view, scope);
	MR_TRY(mr_section_holder_graph(view, scope, shown, err));
	return mr_section_graphs(view, scope, err);
}

/* ---- In the headline ------------------------------------------------------------------------- */

void mr_section_census_figures(struct mr_scope *scope, const struct mr_report_run *run)
{
	const struct mr_report_census *census = run->census;
	char size[32], note[96];
	if (taken(census) < CURVE_MIN)
		return;
	struct mr_scope *figure = mr_scope_add(scope, "figures");
	mr_text_bytes_short(size, census->size_bytes);
	snprintf(note, sizeof(note), "%s of %s", size,
	         mr_section_plural(scope, census->type_count, "type", "types"));
	mr_scope_text(figure, "label", "Objects that stayed");
	mr_scope_text(figure, "note", census->type_count > 0 ? note : "since the baseline");
	mr_scope_count(figure, "value", census->count);
}

void mr_section_census_verdicts(const struct mr_view *view, struct mr_scope *scope)
{
	const struct mr_report_census *census = view->run->census;
	struct mr_scope *verdict = mr_scope_add(scope, "verdicts");
	struct mr_buffer text = { 0 };
	char size[32];
	const char *nothing = nothing_words(census);
	mr_scope_text(verdict, "tone",
	              !nothing                                         ? "bad"
	              : taken(census) < CURVE_MIN || !census->compared ? "note"
	                                                               : "good");
	if (nothing) {
		mr_scope_text(verdict, "text", nothing);
		return;
	}
	mr_text_bytes_short(size, census->size_bytes);
	mr_buffer_printf(&text, "Objects that stayed: %s, %s. ",
	                 mr_section_plural(scope, census->count, "object", "objects"), size);
	size_t named = 0;
	for (; named < census->type_count && named < VERDICT_TYPES; named++) {
		const struct mr_census_type *type = &census->types[named];
		const struct way way = type->way_count > 0 ? read_way(view, type->ways[0])
		                                           : (struct way){ .path = "", .root = "" };
		char number[32];
		mr_count_text(number, type->count);
		if (named > 0 && type->belongs_to != SIZE_MAX)
			break;
		mr_buffer_printf(&text, "%s%s %s", named > 0 ? "; " : "", number,
		                 mr_section_name(scope, type->name, 48));
		if (!is_joined(&way) && strcmp(way.root, "only each other") != 0)
			mr_buffer_printf(&text, ", held by %s", mr_section_name(scope, way.path, 60));
		else if (!is_joined(&way))
			mr_buffer_printf(&text, ", held by each other only");
	}
	mr_buffer_printf(&text, census->type_count > named ? "; and of %s more." : ".",
	                 mr_section_plural(scope, census->type_count - named, "type", "types"));
	mr_buffer_put_u8(&text, 0);
	mr_scope_format(verdict, "text", "%s", text.failed ? "Objects stayed." : (const char *)text.data);
	mr_buffer_release(&text);
}
