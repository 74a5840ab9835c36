/* SPDX-License-Identifier: MIT
 *
 * Objects that stayed: which types, how many, how large, since when, where they
 * were made and who holds them, in plain sentences with their evidence; then what
 * came, went and stayed by type.
 */
#include "section_persistent.h"
#include "report_leaks.h"
#include "section_objects.h"

#include <inttypes.h>

#define NAME_COLUMNS 80
#define PARTS_NAMED 3
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

/* " made between the baseline and census #3,", or "". */
static const char *since_words(struct mr_scope *scope, const struct mr_report_census *census,
                               uint64_t first_ns, uint64_t last_ns)
{
	char text[256];
	if (first_ns == MR_NO_VALUE || census->snapshot_count < 2)
		return "";
	const size_t first = mr_report_census_at(census, first_ns),
		     last = mr_report_census_at(census, last_ns);
	snprintf(text, sizeof(text), " made between %s and %s,",
	         mr_section_census_name(scope, &census->snapshots[first > 0 ? first - 1 : 0]),
	         mr_section_census_name(scope, &census->snapshots[last > 0 ? last : 1]));
	return mr_section_name(scope, text, 0);
}

/* ---- Who holds them ------------------------------------------------------------------------ */

static bool is_way_named(const struct mr_census_type *type)
{
	return type->leak_ways > 0 && !mr_census_is_joined(&type->ways[0]);
}

static const char *counted_name(struct mr_scope *scope, const struct mr_census_type *type)
{
	char number[32], text[160];
	mr_count_text(number, mr_census_left(type));
	snprintf(text, sizeof(text), "%s %s", number, mr_section_name(scope, type->name, 64));
	return mr_section_name(scope, text, 0);
}

/* "lead", "path" and "tail" of a sentence on the way that holds most of TYPE. */
static void set_holding(const struct mr_view *view, struct mr_scope *item, const struct mr_census_type *type)
{
	const struct mr_report_census *census = view->run->census;
	mr_scope_none(item, "lead");
	mr_scope_none(item, "path");
	mr_scope_text(item, "tail", type->leak_ways > 0 ? "Many ways lead to them." : "");
	if (type->belongs_to != SIZE_MAX) {
		mr_scope_text(item, "lead", mr_census_left(type) == 1 ? "It belongs to" : "They belong to");
		mr_scope_text(item, "path", census->types[type->belongs_to].name);
		mr_scope_text(item, "tail", "above.");
		return;
	}
	if (!is_way_named(type))
		return;
	const struct mr_census_way *way = &type->ways[0];
	mr_scope_text(item, "path", way->path);
	const bool all = way->count == 0 || way->count >= mr_census_left(type);
	char number[32];
	mr_count_text(number, way->count);
	if (strcmp(way->root, "only each other") == 0) {
		mr_scope_text(item, "lead",
		              "Nothing but themselves holds them, and the collector has not been there:");
		mr_scope_text(item, "tail", "leads back.");
		return;
	}
	if (strcmp(way->root, "local variable") == 0)
		mr_scope_text(item, "lead", "The local variable");
	else if (strcmp(way->root, "module") != 0 && way->root[0])
		mr_scope_format(item, "lead",
		                "%s:", strcmp(way->root, "C code") == 0 ? "C code" : "The interpreter");
	mr_scope_format(item, "tail",
	                all ? mr_census_left(type) == 1 ? "holds it." : "holds them." : "holds %s of them.",
	                number);
}

/* What else is to be said of a type: what it holds, what belongs to it, and that it grew. */
static void set_more(struct mr_scope *item, const struct mr_report_census *census, size_t index)
{
	const struct mr_census_type *type = &census->types[index];
	struct mr_buffer text = { 0 };
	size_t parts = 0;
	char size[32];
	if (type->holds != SIZE_MAX)
		mr_buffer_printf(&text, " %s the %s above.",
		                 mr_census_left(type) == 1 ? "By way of it stay" : "By way of them stay",
		                 counted_name(item, &census->types[type->holds]));
	for (size_t i = 0; i < census->told; i++) {
		if (census->types[i].belongs_to != index || parts++ >= PARTS_NAMED)
			continue;
		mr_text_bytes_short(size, mr_census_left_bytes(&census->types[i]));
		mr_buffer_printf(&text, "%s %s, %s", parts == 1 ? " With them:" : ",",
		                 counted_name(item, &census->types[i]), size);
	}
	if (parts > PARTS_NAMED)
		mr_buffer_printf(&text, ", %s more",
		                 mr_section_plural(item, parts - PARTS_NAMED, "type", "types"));
	mr_buffer_printf(&text, "%s", parts > 0 ? "." : "");
	if (type->grown >= MR_LEAK_GROWN && type->rank == MR_LEAK_LEADS)
		mr_buffer_printf(&text, " More of them stayed at each of %" PRIu64 " censuses in a row.",
		                 type->grown);
	mr_buffer_put_u8(&text, 0);
	mr_scope_format(item, "more", "%s", text.failed ? "" : (const char *)text.data);
	mr_buffer_release(&text);
}

static void add_ways(const struct mr_view *view, struct mr_scope *item, const struct mr_census_type *type)
{
	const struct memstats_table *table = view->data->census[MR_CENSUS_HOLDERS];
	const int example_column = mr_report_rows_column(table, "example"),
		  length_column = mr_report_rows_column(table, "length");
	const size_t most = view->limit < WAYS_MAX ? view->limit : WAYS_MAX;
	const size_t shown = type->leak_ways < most ? type->leak_ways : most;
	mr_scope_list(item, "ways");
	mr_scope_none(item, "ways_rest");
	for (size_t i = 0; i < shown; i++) {
		const struct mr_census_way *way = &type->ways[i];
		const char *example = mr_report_rows_text(table, way->row, example_column);
		struct mr_scope *row = mr_scope_add(item, "ways");
		mr_scope_text(row, "path", way->path);
		mr_scope_text(row, "root", way->root);
		mr_section_count(row, "count", way->count);
		mr_section_bytes(row, "size", way->size_bytes);
		mr_section_count(row, "length", mr_report_rows_number(table, way->row, length_column));
		mr_scope_text(row, "example", strcmp(example, way->path) == 0 ? "" : example);
	}
	if (type->leak_ways > shown)
		mr_scope_format(item, "ways_rest", "%s more",
		                mr_section_plural(item, type->leak_ways - shown, "way", "ways"));
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

static void add_type(const struct mr_view *view, struct mr_scope *scope, size_t index)
{
	const struct mr_report_census *census = view->run->census;
	const struct mr_census_type *type = &census->types[index];
	const bool leads = type->rank == MR_LEAK_LEADS;
	struct mr_scope *item = mr_scope_add(scope, "persistent");
	char size[32];
	mr_text_bytes_short(size, mr_census_left_bytes(type));
	mr_scope_text(item, "title",
	              type->rank == MR_LEAK_PART              ? "With it"
	              : leads && type->grown >= MR_LEAK_GROWN ? "Grew"
	              : leads || type->holds == SIZE_MAX      ? "Stayed"
	                                                      : "Holds");
	mr_scope_text(item, "tone", leads ? "bad" : "note");
	mr_scope_text(item, "name", type->name);
	mr_section_paint(item, "color", mr_report_paint(view->data, type->name));
	mr_scope_format(item, "text", "%s, %s,%s %s still there.",
	                mr_section_plural(item, mr_census_left(type), "object", "objects"), size,
	                since_words(item, census, type->first_ns, type->last_ns),
	                mr_census_left(type) == 1 ? "is" : "are");
	set_holding(view, item, type);
	set_more(item, census, index);
	const char *lead = mr_scope_text_of(item, "lead"), *path = mr_scope_text_of(item, "path"),
		   *tail = mr_scope_text_of(item, "tail");
	mr_scope_format(item, "sentence", "%s: %s%s%s%s%s%s%s%s",
	                mr_section_name(item, type->name, NAME_COLUMNS), mr_scope_text_of(item, "text"),
	                lead[0] ? " " : "", lead, path[0] ? " " : "", path, tail[0] ? " " : "", tail,
	                mr_scope_text_of(item, "more"));
	add_ways(view, item, type);
	add_sites(view, item, type);
	add_curve(view, item, type);
	mr_scope_flag(item, "open", index == 0);
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
	char text[640], created[32], deleted[32];
	mr_text_bytes_short(created, census->created_bytes);
	mr_text_bytes_short(deleted, census->deleted_bytes);
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
	if (census->told <= shown)
		return;
	for (size_t i = shown; i < census->told; i++) {
		count += mr_census_left(&census->types[i]);
		size_bytes += mr_census_left_bytes(&census->types[i]);
	}
	mr_text_bytes_short(size, size_bytes);
	mr_scope_format(scope, "persistent_rest", "%s more stayed, with %s, %s.",
	                mr_section_plural(scope, census->told - shown, "type", "types"),
	                mr_section_plural(scope, count, "object", "objects"), size);
}

/* ---- What was defined ------------------------------------------------------------------------ */

struct definitions {
	uint64_t count, size_bytes, classes, functions, modules, first_ns, last_ns;
};

static struct definitions definitions_of(const struct mr_report_census *census)
{
	struct definitions sum = { .first_ns = MR_NO_VALUE };
	for (size_t i = 0; i < census->type_count; i++) {
		const struct mr_census_type *type = &census->types[i];
		sum.count += type->defined;
		sum.size_bytes += type->defined_bytes;
		if (mr_census_is_class(type->name))
			sum.classes += type->defined;
		else if (strcmp(type->name, "function") == 0)
			sum.functions += type->defined;
		else if (strcmp(type->name, "module") == 0)
			sum.modules += type->defined;
		if (type->defined == 0 || type->first_ns == MR_NO_VALUE)
			continue;
		sum.last_ns = sum.first_ns == MR_NO_VALUE || type->last_ns > sum.last_ns ? type->last_ns
		                                                                         : sum.last_ns;
		sum.first_ns = type->first_ns < sum.first_ns ? type->first_ns : sum.first_ns;
	}
	return sum;
}

/* "2 classes, 3 functions"; NULL for none. */
static const char *defined_words(struct mr_scope *scope, const struct definitions *sum)
{
	const struct {
		uint64_t count;
		const char *one, *many;
	} kinds[] = { { sum->modules, "module", "modules" },
		      { sum->classes, "class", "classes" },
		      { sum->functions, "function", "functions" } };
	char text[160] = "";
	for (size_t i = 0; i < MR_ARRAY_LEN(kinds); i++)
		if (kinds[i].count > 0) {
			const size_t len = strlen(text);
			snprintf(text + len, sizeof(text) - len, "%s%s", len > 0 ? ", " : "",
			         mr_section_plural(scope, kinds[i].count, kinds[i].one, kinds[i].many));
		}
	return text[0] ? mr_section_name(scope, text, 0) : NULL;
}

static void set_definitions(const struct mr_view *view, struct mr_scope *scope)
{
	const struct definitions sum = definitions_of(view->run->census);
	const char *words = defined_words(scope, &sum);
	char size[32];
	mr_scope_none(scope, "definitions");
	if (sum.count == 0)
		return;
	mr_text_bytes_short(size, sum.size_bytes);
	mr_scope_format(scope, "definitions", "Definitions: %s%s: %s, %s,%s are no leak.", words ? words : "",
	                words ? " and what belongs to them" : "parts of classes and functions",
	                mr_section_plural(scope, sum.count, "object", "objects"), size,
	                since_words(scope, view->run->census, sum.first_ns, sum.last_ns));
}

int mr_section_persistent(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err)
{
	const struct mr_report_census *census = view->run->census;
	static const char *const lists[] = { "persistent", "moves", "censuses", "holder_graphs", "graphs" };
	static const char *const absent[] = { "persistent_lede", "persistent_rest", "persistent_none",
		                              "moves_rest",      "censuses_rest",   "graphs_rest",
		                              "definitions" };
	for (size_t i = 0; i < MR_ARRAY_LEN(lists); i++)
		mr_scope_list(scope, lists[i]);
	for (size_t i = 0; i < MR_ARRAY_LEN(absent); i++)
		mr_scope_none(scope, absent[i]);
	mr_scope_flag(scope, "has_census", census != NULL);
	mr_scope_flag(scope, "has_graphs", !census && mr_section_has_graphs(view));
	if (!census)
		return mr_section_graphs(view, scope, err);
	const size_t shown = census->told < view->limit ? census->told : view->limit;
	set_lede(view, scope);
	if (nothing_words(census))
		mr_scope_text(scope, "persistent_none", nothing_words(census));
	for (size_t i = 0; i < shown; i++)
		add_type(view, scope, i);
	set_rest(view, scope, shown);
	set_definitions(view, scope);
	mr_section_moves(view, scope);
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
	const uint64_t defined = definitions_of(census).count;
	char number[32], part[64] = "";
	mr_count_text(number, defined);
	if (defined > 0)
		snprintf(part, sizeof(part), ", %s by definitions", number);
	snprintf(note, sizeof(note), "%s of %s%s", size,
	         mr_section_plural(scope, census->type_count, "type", "types"), part);
	mr_scope_text(figure, "label", "Objects that stayed");
	mr_scope_text(figure, "note", census->type_count > 0 ? note : "since the baseline");
	mr_scope_count(figure, "value", census->count);
}

/* "50 Node, held by __main__.kept[*]" */
static void add_words(struct mr_buffer *text, struct mr_scope *scope, const struct mr_census_type *type,
                      const char *before)
{
	char held[48] = "", number[32];
	if (type->leak_ways > 0 && type->ways[0].count > 0 && type->ways[0].count < mr_census_left(type)) {
		mr_count_text(number, type->ways[0].count);
		snprintf(held, sizeof(held), "%s of ", number);
	}
	mr_buffer_printf(text, "%s%s%s", before, is_way_named(type) ? held : "", counted_name(scope, type));
	if (!is_way_named(type))
		return;
	if (strcmp(type->ways[0].root, "only each other") == 0)
		mr_buffer_printf(text, ", held by each other only");
	else
		mr_buffer_printf(text, ", held by %s", mr_section_name(scope, type->ways[0].path, 60));
}

void mr_section_census_verdicts(const struct mr_view *view, struct mr_scope *scope)
{
	const struct mr_report_census *census = view->run->census;
	struct mr_scope *verdict = mr_scope_add(scope, "verdicts");
	struct mr_buffer text = { 0 };
	const char *nothing = nothing_words(census);
	if (nothing) {
		mr_scope_text(verdict, "tone",
		              taken(census) < CURVE_MIN || !census->compared ? "note" : "good");
		mr_scope_text(verdict, "text", nothing);
		return;
	}
	if (census->told == 0) {
		mr_scope_text(verdict, "tone", "good");
		mr_scope_text(verdict, "text",
		              "Nothing stayed but what definitions of classes and functions made.");
		return;
	}
	const bool leads = census->types[0].rank == MR_LEAK_LEADS;
	size_t named = 0, leading = 0;
	while (leading < census->told && census->types[leading].rank == census->types[0].rank)
		leading++;
	mr_scope_text(verdict, "tone", leads ? "bad" : "note");
	mr_buffer_printf(&text, leads ? "Objects that stayed: " : "Only a few objects stayed: ");
	for (; named < leading && named < VERDICT_TYPES; named++)
		add_words(&text, scope, &census->types[named], named > 0 ? "; " : "");
	mr_buffer_printf(&text, leading > named ? "; and %s more." : ".",
	                 mr_section_plural(scope, leading - named, "type", "types"));
	mr_buffer_put_u8(&text, 0);
	mr_scope_format(verdict, "text", "%s", text.failed ? "Objects stayed." : (const char *)text.data);
	mr_buffer_release(&text);
}
