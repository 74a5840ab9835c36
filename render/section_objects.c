/* SPDX-License-Identifier: MIT
 *
 * Which: the largest objects of a class, with their lives, their sizes over the
 * snapshots, and the trace at which they were tracked.
 */
#include "section_objects.h"

#include <inttypes.h>

#define OBJECTS_MAX 16
#define TRACE_MAX 24
#define STATES_MAX 12

struct columns {
	const struct memstats_table *table;
	int object, name, repr, state, birth, death, lifetime, size, last, flat, address, function, file,
		line;
};

static struct columns columns_of(const struct mr_view *view)
{
	const struct memstats_table *table = view->data->tables[MR_REPORT_OBJECTS];
	return (struct columns){ table,
		                 mr_report_rows_column(table, "object"),
		                 mr_report_rows_column(table, "name"),
		                 mr_report_rows_column(table, "repr"),
		                 mr_report_rows_column(table, "state"),
		                 mr_report_rows_column(table, "birth"),
		                 mr_report_rows_column(table, "death"),
		                 mr_report_rows_column(table, "lifetime"),
		                 mr_report_rows_column(table, "size"),
		                 mr_report_rows_column(table, "last"),
		                 mr_report_rows_column(table, "flat"),
		                 mr_report_rows_column(table, "address"),
		                 mr_report_rows_column(table, "function"),
		                 mr_report_rows_column(table, "file"),
		                 mr_report_rows_column(table, "line") };
}

size_t mr_section_objects_shown(size_t limit)
{
	const size_t shown = (limit + 2) / 3;
	return shown < OBJECTS_MAX ? shown : OBJECTS_MAX;
}

/* The last part of a path: enough to find the file, and short. */
static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

void mr_section_place(struct mr_scope *scope, const char *name, const char *file, uint64_t line)
{
	if (!file[0])
		mr_scope_none(scope, name);
	else if (line == 0 || line == MR_NO_VALUE)
		mr_scope_text(scope, name, file_name(file));
	else
		mr_scope_format(scope, name, "%s:%" PRIu64, mr_section_name(scope, file_name(file), 80),
		                line);
}

static void set_frame(struct mr_scope *frame, const struct memstats_position *position)
{
	mr_section_place(frame, "place", position->file, position->line);
	if (position->function[0]) {
		mr_scope_text(frame, "function", position->function);
	} else if (position->file[0]) { /* the place is all that is known */
		mr_section_place(frame, "function", position->file, position->line);
		mr_scope_none(frame, "place");
	} else {
		mr_scope_format(
			frame, "function", "%s+0x%" PRIx64,
			mr_section_name(frame, position->module[0] ? file_name(position->module) : "?", 60),
			position->offset);
	}
	mr_scope_text(frame, "path", position->file[0] ? position->file : position->module);
	mr_scope_text(frame, "source", position->source);
}

void mr_section_trace(struct mr_scope *object, const struct memstats_object *detail)
{
	const size_t count = detail ? detail->trace_count : 0;
	const size_t shown = count < TRACE_MAX ? count : TRACE_MAX;
	const bool outermost_first = detail && detail->language == MEMSTATS_PYTHON;
	mr_scope_list(object, "trace");
	mr_scope_none(object, "trace_rest");
	mr_scope_text(object, "trace_order", outermost_first ? "Trace, innermost call last" : "Trace");
	for (size_t i = 0; i < shown; i++)
		set_frame(mr_scope_add(object, "trace"), &detail->trace[outermost_first ? shown - 1 - i : i]);
	if (count > shown)
		mr_scope_format(object, "trace_rest", "%s further out",
		                mr_section_plural(object, count - shown, "frame", "frames"));
}

static const struct memstats_state *largest_state(const struct memstats_object *detail)
{
	const struct memstats_state *largest = NULL;
	for (size_t i = 0; detail && i < detail->state_count; i++)
		if (!largest || detail->states[i].size_bytes > largest->size_bytes)
			largest = &detail->states[i];
	return largest;
}

static void add_states(struct mr_scope *object, const struct memstats_object *detail)
{
	size_t indexes[STATES_MAX];
	const size_t count = detail ? mr_section_choose(detail->state_count, STATES_MAX, 0, indexes) : 0;
	mr_scope_list(object, "states");
	mr_scope_none(object, "states_rest");
	for (size_t i = 0; i < count; i++) {
		const struct memstats_state *state = &detail->states[indexes[i]];
		struct mr_scope *item = mr_scope_add(object, "states");
		if (state->moment == MEMSTATS_AT_BIRTH)
			mr_scope_text(item, "snapshot", "at birth, alone");
		else if (state->moment == MEMSTATS_AT_DEATH)
			mr_scope_text(item, "snapshot", "when freed");
		else
			mr_scope_format(item, "snapshot", "#%" PRIu64, state->snapshot);
		mr_scope_duration(item, "time", state->time_ns);
		mr_scope_bytes(item, "size", state->size_bytes);
		mr_scope_bytes(item, "flat", state->flat_bytes);
	}
	if (detail && detail->state_count > count)
		mr_scope_format(object, "states_rest", "%zu more snapshots in between",
		                detail->state_count - count);
}

/* How the object shows itself, or its name, or its number. */
static void set_label(struct mr_scope *object, const struct columns *columns, size_t row,
                      const char *class_name)
{
	const char *repr = mr_report_rows_text(columns->table, row, columns->repr);
	const char *name = mr_report_rows_text(columns->table, row, columns->name);
	if (repr[0])
		mr_scope_text(object, "label", repr);
	else if (name[0] && strcmp(name, class_name) != 0)
		mr_scope_text(object, "label", name);
	else
		mr_scope_format(object, "label", "#%" PRIu64,
		                mr_report_rows_number(columns->table, row, columns->object));
}

static void set_object(const struct mr_view *view, struct mr_scope *object, const struct columns *columns,
                       size_t row, const struct mr_report_class *class)
{
	const struct memstats_table *table = columns->table;
	const struct memstats_object *detail = mr_report_detail(view->data, row);
	const uint64_t address = mr_report_rows_number(table, row, columns->address);
	const uint64_t birth = mr_report_rows_number(table, row, columns->birth),
		       lifetime = mr_report_rows_number(table, row, columns->lifetime);
	set_label(object, columns, row, class->name);
	mr_scope_text(object, "state", mr_report_rows_text(table, row, columns->state));
	mr_section_bytes(object, "size", mr_report_rows_number(table, row, columns->size));
	mr_section_bytes(object, "last", mr_report_rows_number(table, row, columns->last));
	mr_section_bytes(object, "flat", mr_report_rows_number(table, row, columns->flat));
	mr_scope_none(object, "address");
	if (address != MR_NO_VALUE && address != 0)
		mr_scope_address(object, "address", address);
	mr_scope_duration(object, "birth", birth == MR_NO_VALUE ? 0 : birth);
	mr_scope_duration(object, "lifetime", lifetime == MR_NO_VALUE ? 0 : lifetime);
	mr_scope_text(object, "function", mr_report_rows_text(table, row, columns->function));
	mr_section_place(object, "place", mr_report_rows_text(table, row, columns->file),
	                 mr_report_rows_number(table, row, columns->line));
	mr_section_trace(object, detail);
	add_states(object, detail);
	mr_section_object_referents(object, largest_state(detail));
}

static const char *life_text(struct mr_scope *scope, const struct columns *columns, size_t row, bool is_found)
{
	char size[32] = "unknown size", birth[32], lifetime[32], text[256];
	const uint64_t bytes = mr_report_rows_number(columns->table, row, columns->size);
	const uint64_t lived = mr_report_rows_number(columns->table, row, columns->lifetime);
	if (bytes != MR_NO_VALUE)
		mr_text_bytes_short(size, bytes);
	mr_text_duration(birth, mr_report_rows_number(columns->table, row, columns->birth));
	mr_text_duration(lifetime, lived == MR_NO_VALUE ? 0 : lived);
	snprintf(text, sizeof(text), "%s, %s at %s, %s after %s", size, is_found ? "found" : "tracked", birth,
	         mr_report_rows_text(columns->table, row, columns->state), lifetime);
	return mr_section_name(scope, text, 0);
}

/* What is beside a bar: of "<app.Leaf object at 0x7f01>" the address, in which such labels differ. */
static const char *short_label(struct mr_scope *scope, const char *label)
{
	char address[32];
	const char *at = label[0] == '<' ? strstr(label, " at 0x") : NULL;
	if (!at)
		return label;
	at += strlen(" at ");
	snprintf(address, sizeof(address), "%.*s", (int)strspn(at, "0123456789abcdefx"), at);
	return mr_section_name(scope, address, 0);
}

static void add_lives(const struct mr_view *view, struct mr_scope *scope, const struct columns *columns,
                      const struct mr_report_class *class, size_t count)
{
	struct mr_chart *chart = mr_section_chart(scope, MR_CHART_LIVES, MR_CHART_HALF);
	struct mr_life *lives = mr_page_alloc(mr_scope_page(scope), (count + 1) * sizeof(*lives));
	mr_scope_none(scope, "lives");
	if (!chart || !lives || count == 0)
		return;
	for (size_t i = 0; i < count; i++) {
		const size_t row = class->largest[i].row;
		const uint64_t birth = mr_report_rows_number(columns->table, row, columns->birth),
			       death = mr_report_rows_number(columns->table, row, columns->death);
		struct mr_value label = { 0 };
		struct mr_scope *scratch = mr_scope_within(scope);
		set_label(scratch, columns, row, class->name);
		if (!scratch || !mr_scope_find(scratch, "label", 5, &label))
			return;
		lives[i] = (struct mr_life){ short_label(scope, label.text),
			                     birth == MR_NO_VALUE ? 0 : (double)birth,
			                     death == MR_NO_VALUE ? (double)view->run->duration_ns
			                                          : (double)death,
			                     death == MR_NO_VALUE,
			                     class->paint,
			                     life_text(scope, columns, row, view->run->of_census) };
	}
	chart->title = "Lives of its largest objects";
	chart->description = "From the moment at which each was noticed to the one at which it was freed.";
	chart->of.lives = (struct mr_lives){ (double)view->run->duration_ns, count, lives };
	mr_scope_chart(scope, "lives", chart);
}

int mr_section_objects(const struct mr_view *view, struct mr_scope *scope,
                       const struct mr_report_class *class, struct mr_error *err MR_UNUSED)
{
	const struct columns columns = columns_of(view);
	const size_t limit = mr_section_objects_shown(view->limit);
	const size_t count = class->largest_count < limit ? class->largest_count : limit;
	mr_scope_list(scope, "objects");
	mr_scope_none(scope, "objects_rest");
	for (size_t i = 0; i < count; i++)
		set_object(view, mr_scope_add(scope, "objects"), &columns, class->largest[i].row, class);
	if (class->total > count)
		mr_scope_format(scope, "objects_rest", "%s more, none of them larger.",
		                mr_section_plural(scope, class->total - count, "object", "objects"));
	add_lives(view, scope, &columns, class, count);
	return 0;
}
