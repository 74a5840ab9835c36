/* SPDX-License-Identifier: MIT
 *
 * Reads what stayed from the tables diff, holders, objects and classes: one pass
 * over each, whatever the number of objects.
 */
#include "report_classes.h"
#include "report_data.h"
#include "report_leaks.h"

#include <stdlib.h>

#define TYPES_MET 256 /* whose names' addresses are remembered */

/* ---- Censuses among snapshots -------------------------------------------------------- */

static bool is_census(const struct mr_report_snapshot *snapshot)
{
	return strcmp(snapshot->kind, "baseline") == 0 || strcmp(snapshot->kind, "census") == 0;
}

static int split_run(struct mr_report_run *run, struct mr_error *err)
{
	size_t count = 0, kept = 0;
	for (size_t i = 0; i < run->snapshot_count; i++)
		count += is_census(&run->snapshots[i]);
	if (count == 0)
		return 0;
	run->census = mr_alloc(sizeof(*run->census));
	MR_FAIL_IF(!run->census, err, MR_ERR_NOMEM, "no memory for %zu censuses", count);
	struct mr_report_snapshot *snapshots = mr_alloc(count * sizeof(*snapshots));
	MR_FAIL_IF(!snapshots, err, MR_ERR_NOMEM, "no memory for %zu censuses", count);
	run->census->snapshots = snapshots;
	run->of_census = count == run->snapshot_count;
	for (size_t i = 0; i < run->snapshot_count; i++) {
		if (strcmp(run->snapshots[i].kind, "baseline") == 0)
			run->census->baseline = run->census->snapshot_count;
		if (is_census(&run->snapshots[i]))
			snapshots[run->census->snapshot_count++] = run->snapshots[i];
		else
			run->snapshots[kept++] = run->snapshots[i];
	}
	if (!run->of_census)
		run->snapshot_count = kept;
	return 0;
}

int mr_report_census_split(struct mr_report_data *data, struct mr_error *err)
{
	for (size_t i = 0; i < data->run_count; i++)
		MR_TRY(split_run(&data->runs[i], err));
	return 0;
}

/* ---- Types --------------------------------------------------------------------------------- */

static int add_type(struct mr_report_census *census, const char *name, uint64_t count, uint64_t size_bytes,
                    struct mr_error *err)
{
	MR_FAIL_IF(mr_grow(&census->types, &census->type_capacity, census->type_count + 1,
	                   sizeof(*census->types)) < 0,
	           err, MR_ERR_NOMEM, "no memory for types");
	census->types[census->type_count++] = (struct mr_census_type){ .name = name,
		                                                       .count = count,
		                                                       .size_bytes = size_bytes,
		                                                       .first_ns = MR_NO_VALUE,
		                                                       .last_ns = MR_NO_VALUE,
		                                                       .belongs_to = SIZE_MAX };
	census->count += count;
	census->size_bytes += size_bytes;
	return 0;
}

/* What came, went and stayed, as the diff from the baseline to the last census has it. */
static int read_diff(struct mr_report_data *data, struct mr_error *err)
{
	const struct memstats_table *table = data->tables[MR_REPORT_DIFF];
	/* Of several logs a diff compares the logs with each other. */
	bool several = false;
	for (size_t i = 1; i < data->run_count; i++)
		several = several || strcmp(data->runs[i].file, data->runs[0].file) != 0;
	for (size_t i = 0; i < data->run_count; i++)
		if (data->runs[i].census)
			data->runs[i].census->compared = !several;
	if (!table)
		return 0;
	const int runs = mr_report_rows_column(table, "run"), kind = mr_report_rows_column(table, "kind"),
		  class = mr_report_rows_column(table, "class"),
		  created = mr_report_rows_column(table, "created"),
		  created_size = mr_report_rows_column(table, "created_size"),
		  deleted = mr_report_rows_column(table, "deleted"),
		  deleted_size = mr_report_rows_column(table, "deleted_size"),
		  persistent = mr_report_rows_column(table, "persistent"),
		  persistent_size = mr_report_rows_column(table, "persistent_size");
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		struct mr_report_run *run = mr_report_run_find(data, mr_report_rows_number(table, row, runs));
		if (!run || !run->census || strcmp(mr_report_rows_text(table, row, kind), "type") != 0)
			continue;
		struct mr_report_census *census = run->census;
		census->created += mr_or_zero(mr_report_rows_number(table, row, created));
		census->created_bytes += mr_or_zero(mr_report_rows_number(table, row, created_size));
		census->deleted += mr_or_zero(mr_report_rows_number(table, row, deleted));
		census->deleted_bytes += mr_or_zero(mr_report_rows_number(table, row, deleted_size));
		const uint64_t count = mr_or_zero(mr_report_rows_number(table, row, persistent));
		if (count > 0)
			MR_TRY(add_type(census, mr_report_rows_text(table, row, class), count,
			                mr_or_zero(mr_report_rows_number(table, row, persistent_size)), err));
	}
	return 0;
}

/* Where logs are compared with each other no diff says what stayed in a run: then its holders do. */
static int read_held(struct mr_report_data *data, struct mr_error *err)
{
	const struct memstats_table *table = data->census[MR_CENSUS_HOLDERS];
	const int runs = mr_report_rows_column(table, "run"), class = mr_report_rows_column(table, "class"),
		  counts = mr_report_rows_column(table, "count"),
		  sizes = mr_report_rows_column(table, "size");
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		struct mr_report_run *run = mr_report_run_find(data, mr_report_rows_number(table, row, runs));
		if (!run || !run->census || run->census->compared)
			continue;
		struct mr_report_census *census = run->census;
		const char *name = mr_report_rows_text(table, row, class);
		const uint64_t count = mr_or_zero(mr_report_rows_number(table, row, counts)),
			       size = mr_or_zero(mr_report_rows_number(table, row, sizes));
		size_t known = 0;
		while (known < census->type_count && strcmp(census->types[known].name, name) != 0)
			known++;
		if (known == census->type_count)
			MR_TRY(add_type(census, name, 0, 0, err));
		census->types[known].count += count;
		census->types[known].size_bytes += size;
		census->count += count;
		census->size_bytes += size;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct mr_census_name *)a)->name, ((const struct mr_census_name *)b)->name);
}

/* Their names in order. */
static int name_types(struct mr_report_census *census, struct mr_error *err)
{
	if (!census->by_name)
		census->by_name = mr_alloc((census->type_count + 1) * sizeof(*census->by_name));
	MR_FAIL_IF(!census->by_name, err, MR_ERR_NOMEM, "no memory for %zu types", census->type_count);
	for (size_t i = 0; i < census->type_count; i++)
		census->by_name[i] = (struct mr_census_name){ census->types[i].name, i };
	if (census->type_count > 1)
		qsort(census->by_name, census->type_count, sizeof(*census->by_name), by_name);
	return 0;
}

static struct mr_census_type *find_type(const struct mr_report_census *census, const char *name)
{
	const struct mr_census_name key = { name, 0 };
	const struct mr_census_name *found =
		census->type_count > 0
			? bsearch(&key, census->by_name, census->type_count, sizeof(key), by_name)
			: NULL;
	return found ? &census->types[found->index] : NULL;
}

/* ---- Ways -------------------------------------------------------------------------------------- */

/* Rows of the table have those of a class together, the way that holds most first. */
static int read_ways(struct mr_report_data *data, struct mr_error *err)
{
	const struct memstats_table *table = data->census[MR_CENSUS_HOLDERS];
	const int runs = mr_report_rows_column(table, "run"), class = mr_report_rows_column(table, "class"),
		  path = mr_report_rows_column(table, "path"), root = mr_report_rows_column(table, "root"),
		  count = mr_report_rows_column(table, "count"), size = mr_report_rows_column(table, "size");
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		const struct mr_report_run *run =
			mr_report_run_find(data, mr_report_rows_number(table, row, runs));
		struct mr_census_type *type =
			run && run->census ? find_type(run->census, mr_report_rows_text(table, row, class))
					   : NULL;
		if (!type)
			continue;
		MR_FAIL_IF(mr_grow(&type->ways, &type->way_capacity, type->way_count + 1,
		                   sizeof(*type->ways)) < 0,
		           err, MR_ERR_NOMEM, "no memory for holders");
		type->ways[type->way_count++] =
			(struct mr_census_way){ .path = mr_report_rows_text(table, row, path),
			                        .root = mr_report_rows_text(table, row, root),
			                        .count = mr_or_zero(mr_report_rows_number(table, row, count)),
			                        .size_bytes =
			                                mr_or_zero(mr_report_rows_number(table, row, size)),
			                        .row = row };
	}
	return 0;
}

/* ---- Objects -------------------------------------------------------------------------------------- */

struct object_columns {
	const struct memstats_table *table;
	int run, class, kind, birth, death, last, function, file, line;
};

static void add_site(const struct object_columns *columns, size_t row, struct mr_census_type *type)
{
	const char *function = mr_report_rows_text(columns->table, row, columns->function),
		   *file = mr_report_rows_text(columns->table, row, columns->file);
	const uint64_t line = mr_report_rows_number(columns->table, row, columns->line);
	size_t at = 0;
	if (!function[0] && !file[0])
		return;
	type->placed++;
	while (at < type->site_count &&
	       (type->sites[at].line != line || strcmp(type->sites[at].file, file) != 0 ||
	        strcmp(type->sites[at].function, function) != 0))
		at++;
	if (at == MR_CENSUS_SITES_MAX)
		return;
	if (at == type->site_count)
		type->sites[type->site_count++] = (struct mr_census_site){
			.function = function, .file = file, .line = line, .row = row
		};
	type->sites[at].count++;
	type->sites[at].size_bytes += mr_or_zero(mr_report_rows_number(columns->table, row, columns->last));
}

size_t mr_report_census_at(const struct mr_report_census *census, uint64_t time_ns)
{
	return mr_report_snapshot_at(census->snapshots, census->snapshot_count - 1, time_ns);
}

/* Whether the object stayed: made after the baseline, there at the census before the last and at
 * the last. */
static bool has_stayed(const struct mr_report_census *census, uint64_t birth, uint64_t death)
{
	const size_t count = census->snapshot_count;
	return count > census->baseline + 2 && birth != MR_NO_VALUE &&
	       birth > census->snapshots[census->baseline].time_ns &&
	       birth <= census->snapshots[count - 2].time_ns &&
	       (death == MR_NO_VALUE || death > census->snapshots[count - 1].time_ns);
}

static void read_object(const struct object_columns *columns, size_t row,
                        const struct mr_report_census *census, struct mr_census_type *type)
{
	const uint64_t birth = mr_report_rows_number(columns->table, row, columns->birth);
	if (!has_stayed(census, birth, mr_report_rows_number(columns->table, row, columns->death)))
		return;
	if (type->first_ns == MR_NO_VALUE || birth < type->first_ns)
		type->first_ns = birth;
	if (type->last_ns == MR_NO_VALUE || birth > type->last_ns)
		type->last_ns = birth;
	if (type->born)
		type->born[mr_report_census_at(census, birth)]++;
	add_site(columns, row, type);
}

static void read_objects(struct mr_report_data *data)
{
	struct memstats_table *table = data->tables[MR_REPORT_OBJECTS];
	const struct object_columns columns = { table,
		                                mr_report_rows_column(table, "run"),
		                                mr_report_rows_column(table, "class"),
		                                mr_report_rows_column(table, "kind"),
		                                mr_report_rows_column(table, "birth"),
		                                mr_report_rows_column(table, "death"),
		                                mr_report_rows_column(table, "last"),
		                                mr_report_rows_column(table, "function"),
		                                mr_report_rows_column(table, "file"),
		                                mr_report_rows_column(table, "line") };
	/* The names of types are the same few texts, at the same addresses, over and over. */
	struct {
		const char *name;
		struct mr_census_type *type;
	} met[TYPES_MET] = { { NULL, NULL } };
	struct mr_report_run *run = NULL;
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		const uint64_t id = mr_report_rows_number(table, row, columns.run);
		if (!run || run->id != id) {
			run = mr_report_run_find(data, id);
			memset(met, 0, sizeof(met));
		}
		if (!run || !run->census || run->census->type_count == 0 ||
		    strcmp(mr_report_rows_text(table, row, columns.kind), "type") != 0)
			continue;
		const char *name = mr_report_rows_text(table, row, columns.class);
		const size_t place = ((uintptr_t)name >> 3) % TYPES_MET;
		if (met[place].name != name) {
			met[place].name = name;
			met[place].type = find_type(run->census, name);
		}
		if (met[place].type)
			read_object(&columns, row, run->census, met[place].type);
	}
}

static int by_count(const void *a, const void *b)
{
	const struct mr_census_site *one = a, *two = b;
	if (one->count != two->count)
		return one->count < two->count ? 1 : -1;
	return one->row < two->row ? -1 : 1;
}

/* ---- Counts over time -------------------------------------------------------------------------------- */

static void read_counts(const struct mr_report_data *data, struct mr_report_census *census)
{
	const struct memstats_table *table = data->tables[MR_REPORT_CLASSES];
	const int class = mr_report_rows_column(table, "class"),
		  count = mr_report_rows_column(table, "count");
	for (size_t s = 0; s < census->snapshot_count; s++) {
		const struct mr_report_snapshot *snapshot = &census->snapshots[s];
		for (size_t row = snapshot->row_first; row < snapshot->row_first + snapshot->row_count;
		     row++) {
			struct mr_census_type *type =
				find_type(census, mr_report_rows_text(table, row, class));
			if (type)
				type->counts[s] =
					(double)mr_or_zero(mr_report_rows_number(table, row, count));
		}
	}
}

/* ---- All of it --------------------------------------------------------------------------------- */

/* Names of the types, and room for what is counted by census. */
static int prepare_run(struct mr_report_census *census, struct mr_error *err)
{
	for (size_t i = 0; i < census->type_count; i++) {
		struct mr_census_type *type = &census->types[i];
		type->counts = mr_alloc((census->snapshot_count + 1) * sizeof(*type->counts));
		type->born = mr_alloc((census->snapshot_count + 1) * sizeof(*type->born));
		MR_FAIL_IF(!type->counts || !type->born, err, MR_ERR_NOMEM, "no memory for %zu censuses",
		           census->snapshot_count);
	}
	return name_types(census, err);
}

static int read_run(const struct mr_report_data *data, struct mr_report_census *census, struct mr_error *err)
{
	for (size_t i = 0; i < census->type_count; i++)
		if (census->types[i].site_count > 1)
			qsort(census->types[i].sites, census->types[i].site_count,
			      sizeof(*census->types[i].sites), by_count);
	read_counts(data, census);
	MR_TRY(mr_report_leaks_rank(census, err));
	return name_types(census, err);
}

int mr_report_census_read(struct mr_report_data *data, struct mr_error *err)
{
	static const char *const names[MR_CENSUS_TABLE_COUNT] = { "holders", "graph_nodes", "graph_edges" };
	bool any = false;
	for (size_t i = 0; i < data->run_count; i++)
		any = any || data->runs[i].census;
	/* Graphs may be drawn without a census. */
	for (size_t i = 0; i < MR_CENSUS_TABLE_COUNT; i++)
		MR_TRY(mr_report_rows_open(data->log, names[i], NULL, NULL, NULL, NULL, &data->census[i],
		                           err));
	if (!any)
		return 0;
	MR_TRY(read_diff(data, err));
	MR_TRY(read_held(data, err));
	for (size_t i = 0; i < data->run_count; i++)
		if (data->runs[i].census)
			MR_TRY(prepare_run(data->runs[i].census, err));
	MR_TRY(read_ways(data, err));
	read_objects(data);
	for (size_t i = 0; i < data->run_count; i++)
		if (data->runs[i].census)
			MR_TRY(read_run(data, data->runs[i].census, err));
	return 0;
}

void mr_report_census_free(struct mr_report_census *census)
{
	if (!census)
		return;
	for (size_t i = 0; i < census->type_count; i++) {
		mr_free(census->types[i].ways);
		mr_free(census->types[i].counts);
		mr_free(census->types[i].born);
	}
	mr_free(census->types);
	mr_free(census->by_name);
	mr_free(census->snapshots);
	mr_free(census);
}
