/* SPDX-License-Identifier: MIT
 *
 * Reads what the report shows of runs, snapshots, samples and marks, and puts
 * the parts together; report_classes.c reads what is known of classes.
 */
#include "report_data.h"

#include "report_classes.h"

#include <stdlib.h>
#include <time.h>

/* ---- Runs -------------------------------------------------------------------- */

static int read_runs(struct mr_report_data *data, struct mr_error *err)
{
	const struct memstats_table *runs = data->tables[MR_REPORT_RUNS];
	const size_t count = memstats_table_row_count(runs);
	data->runs = mr_alloc((count + 1) * sizeof(*data->runs));
	MR_FAIL_IF(!data->runs, err, MR_ERR_NOMEM, "no memory for %zu runs", count);
	data->run_count = count;
	for (size_t row = 0; row < count; row++) {
		struct mr_report_run *run = &data->runs[row];
		run->row = row;
		run->id = mr_report_rows_number(runs, row, mr_report_rows_column(runs, "run"));
		run->pid = mr_report_rows_number(runs, row, mr_report_rows_column(runs, "pid"));
		run->parent = mr_report_rows_number(runs, row, mr_report_rows_column(runs, "parent"));
		run->duration_ns = mr_report_rows_number(runs, row, mr_report_rows_column(runs, "duration"));
		run->code = mr_report_rows_number(runs, row, mr_report_rows_column(runs, "code"));
		run->name = mr_report_rows_text(runs, row, mr_report_rows_column(runs, "name"));
		run->command = mr_report_rows_text(runs, row, mr_report_rows_column(runs, "command"));
		mr_report_script(run->name, run->command, run->script);
		run->start = mr_report_rows_text(runs, row, mr_report_rows_column(runs, "start"));
		run->exit = mr_report_rows_text(runs, row, mr_report_rows_column(runs, "exit"));
		run->end = mr_report_rows_text(runs, row, mr_report_rows_column(runs, "end"));
		run->file = mr_report_rows_text(runs, row, mr_report_rows_column(runs, "file"));
		run->rss_max = mr_report_rows_number(runs, row, mr_report_rows_column(runs, "rss_max"));
		if (run->duration_ns == MR_NO_VALUE)
			run->duration_ns = 0;
	}
	return 0;
}

struct mr_report_run *mr_report_run_find(const struct mr_report_data *data, uint64_t id)
{
	/* Runs are numbered in the order of the table. */
	if (id > 0 && id <= data->run_count && data->runs[id - 1].id == id)
		return &data->runs[id - 1];
	for (size_t i = 0; i < data->run_count; i++)
		if (data->runs[i].id == id)
			return &data->runs[i];
	return NULL;
}

/* ---- Snapshots ------------------------------------------------------------------ */

static void read_snapshot(const struct memstats_table *table, size_t row, struct mr_report_snapshot *snapshot)
{
	snapshot->number = mr_report_rows_number(table, row, mr_report_rows_column(table, "snapshot"));
	snapshot->time_ns = mr_report_rows_number(table, row, mr_report_rows_column(table, "time"));
	snapshot->duration_ns = mr_report_rows_number(table, row, mr_report_rows_column(table, "duration"));
	snapshot->objects = mr_report_rows_number(table, row, mr_report_rows_column(table, "objects"));
	snapshot->size_bytes = mr_report_rows_number(table, row, mr_report_rows_column(table, "size"));
	snapshot->overhead_bytes =
		mr_report_rows_number(table, row, mr_report_rows_column(table, "overhead"));
	snapshot->rss_bytes = mr_report_rows_number(table, row, mr_report_rows_column(table, "rss"));
	snapshot->vsz_bytes = mr_report_rows_number(table, row, mr_report_rows_column(table, "vsz"));
	snapshot->pss_bytes = mr_report_rows_number(table, row, mr_report_rows_column(table, "pss"));
	snapshot->uss_bytes = mr_report_rows_number(table, row, mr_report_rows_column(table, "uss"));
	snapshot->swap_bytes = mr_report_rows_number(table, row, mr_report_rows_column(table, "swap"));
	snapshot->description = mr_report_rows_text(table, row, mr_report_rows_column(table, "description"));
	snapshot->kind = mr_report_rows_text(table, row, mr_report_rows_column(table, "kind"));
}

static int read_snapshots(struct mr_report_data *data, struct mr_error *err)
{
	const struct memstats_table *table = data->tables[MR_REPORT_SNAPSHOTS];
	const int run_column = mr_report_rows_column(table, "run");
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		struct mr_report_run *run =
			mr_report_run_find(data, mr_report_rows_number(table, row, run_column));
		if (!run)
			continue;
		MR_FAIL_IF(mr_grow(&run->snapshots, &run->snapshot_capacity, run->snapshot_count + 1,
		                   sizeof(*run->snapshots)) < 0,
		           err, MR_ERR_NOMEM, "no memory for snapshots");
		struct mr_report_snapshot *snapshot = &run->snapshots[run->snapshot_count++];
		memset(snapshot, 0, sizeof(*snapshot));
		read_snapshot(table, row, snapshot);
	}
	return 0;
}

/* ---- Samples and marks ------------------------------------------------------------ */

static double number_or_zero(uint64_t number)
{
	return number == MR_NO_VALUE ? 0 : (double)number;
}

static int allocate_samples(struct mr_report_samples *samples, size_t count, struct mr_error *err)
{
	double **const columns[] = { &samples->times,     &samples->rss, &samples->vsz,
		                     &samples->pss_times, &samples->pss, &samples->uss };
	for (size_t i = 0; i < MR_ARRAY_LEN(columns); i++) {
		*columns[i] = mr_alloc((count + 1) * sizeof(double));
		MR_FAIL_IF(!*columns[i], err, MR_ERR_NOMEM, "no memory for %zu samples", count);
	}
	return 0;
}

/* Totals since the process's start, as the last sample has them. */
static void read_totals(const struct memstats_table *table, size_t row, struct mr_report_samples *samples)
{
	samples->faults_minor =
		mr_report_rows_number(table, row, mr_report_rows_column(table, "faults_minor"));
	samples->faults_major =
		mr_report_rows_number(table, row, mr_report_rows_column(table, "faults_major"));
	samples->cpu_user_ns = mr_report_rows_number(table, row, mr_report_rows_column(table, "cpu_user"));
	samples->cpu_system_ns =
		mr_report_rows_number(table, row, mr_report_rows_column(table, "cpu_system"));
}

static int read_run_samples(const struct memstats_table *table, size_t first, size_t end,
                            struct mr_report_samples *samples, struct mr_error *err)
{
	const int time = mr_report_rows_column(table, "time"), rss = mr_report_rows_column(table, "rss"),
		  vsz = mr_report_rows_column(table, "vsz"), pss = mr_report_rows_column(table, "pss"),
		  uss = mr_report_rows_column(table, "uss"),
		  threads = mr_report_rows_column(table, "threads");
	MR_TRY(allocate_samples(samples, end - first, err));
	for (size_t row = first; row < end; row++) {
		const size_t i = samples->count++;
		samples->times[i] = number_or_zero(mr_report_rows_number(table, row, time));
		samples->rss[i] = number_or_zero(mr_report_rows_number(table, row, rss));
		samples->vsz[i] = number_or_zero(mr_report_rows_number(table, row, vsz));
		const uint64_t thread_count = mr_report_rows_number(table, row, threads);
		if (thread_count != MR_NO_VALUE && thread_count > samples->threads_max)
			samples->threads_max = thread_count;
		if (mr_report_rows_number(table, row, pss) == MR_NO_VALUE)
			continue;
		samples->pss_times[samples->pss_count] = samples->times[i];
		samples->pss[samples->pss_count] = number_or_zero(mr_report_rows_number(table, row, pss));
		samples->uss[samples->pss_count++] = number_or_zero(mr_report_rows_number(table, row, uss));
	}
	if (end > first)
		read_totals(table, end - 1, samples);
	return 0;
}

static int read_samples(struct mr_report_data *data, struct mr_error *err)
{
	const struct memstats_table *table = data->tables[MR_REPORT_SAMPLES];
	const size_t count = memstats_table_row_count(table);
	const int run_column = mr_report_rows_column(table, "run");
	for (size_t first = 0, end; first < count; first = end) {
		const uint64_t id = mr_report_rows_number(table, first, run_column);
		for (end = first + 1; end < count && mr_report_rows_number(table, end, run_column) == id;)
			end++;
		struct mr_report_run *run = mr_report_run_find(data, id);
		if (run && !run->samples.times)
			MR_TRY(read_run_samples(table, first, end, &run->samples, err));
	}
	return 0;
}

static int read_marks(struct mr_report_data *data, struct mr_error *err)
{
	const struct memstats_table *table = data->tables[MR_REPORT_MARKS];
	const int run_column = mr_report_rows_column(table, "run"),
		  time = mr_report_rows_column(table, "time"), text = mr_report_rows_column(table, "text");
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		struct mr_report_run *run =
			mr_report_run_find(data, mr_report_rows_number(table, row, run_column));
		if (!run)
			continue;
		MR_FAIL_IF(mr_grow(&run->marks, &run->mark_capacity, run->mark_count + 1,
		                   sizeof(*run->marks)) < 0,
		           err, MR_ERR_NOMEM, "no memory for marks");
		run->marks[run->mark_count++] =
			(struct mr_report_mark){ mr_report_rows_number(table, row, time),
			                         mr_report_rows_text(table, row, text) };
	}
	return 0;
}

/* ---- What matters ------------------------------------------------------------------- */

/* "2026-01-31T10:00:00.123Z" in milliseconds since 1970; 0 for what is no time. */
static uint64_t milliseconds_of(const char *text)
{
	struct tm parts = { 0 };
	unsigned milliseconds = 0;
	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3u", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
	           &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &milliseconds) < 6)
		return 0;
	parts.tm_year -= 1900;
	parts.tm_mon -= 1;
	const time_t seconds = timegm(&parts);
	return seconds < 0 ? 0 : (uint64_t)seconds * 1000 + milliseconds;
}

static void set_offsets(struct mr_report_data *data)
{
	uint64_t first = UINT64_MAX;
	for (size_t i = 0; i < data->run_count; i++) {
		const uint64_t start = milliseconds_of(data->runs[i].start);
		first = start > 0 && start < first ? start : first;
	}
	for (size_t i = 0; i < data->run_count; i++) {
		const uint64_t start = milliseconds_of(data->runs[i].start);
		data->runs[i].offset_ns = start > first ? (start - first) * 1000000 : 0;
	}
}

static uint64_t peak_of(const struct mr_report_run *run)
{
	return run->heap ? run->heap->cost[MR_COST_PEAK] : 0;
}

/* Runs with tracked objects, then by their heaps, then by memory, then by time. */
static int by_weight(const void *a, const void *b)
{
	const struct mr_report_run *one = *(struct mr_report_run *const *)a,
				   *two = *(struct mr_report_run *const *)b;
	if ((one->objects_total > 0) != (two->objects_total > 0))
		return one->objects_total > 0 ? -1 : 1;
	if (peak_of(one) != peak_of(two))
		return peak_of(one) > peak_of(two) ? -1 : 1;
	if (mr_or_zero(one->rss_max) != mr_or_zero(two->rss_max))
		return mr_or_zero(one->rss_max) > mr_or_zero(two->rss_max) ? -1 : 1;
	if (one->duration_ns != two->duration_ns)
		return one->duration_ns > two->duration_ns ? -1 : 1;
	return one->id < two->id ? -1 : 1;
}

/* A run that claims to come before the one that started it has no parent here, so that there is no cycle. */
static void link_tree(struct mr_report_data *data)
{
	for (size_t i = 0; i < data->run_count; i++) {
		struct mr_report_run *run = &data->runs[i];
		const struct mr_report_run *parent =
			run->parent == MR_NO_VALUE ? NULL : mr_report_run_find(data, run->parent);
		run->parent_index = parent && parent < run ? (size_t)(parent - data->runs) : MR_NO_RUN;
		run->first_child = run->next_sibling = MR_NO_RUN;
	}
	for (size_t i = data->run_count; i-- > 0;) {
		struct mr_report_run *run = &data->runs[i];
		if (run->parent_index == MR_NO_RUN)
			continue;
		run->next_sibling = data->runs[run->parent_index].first_child;
		data->runs[run->parent_index].first_child = i;
	}
}

/* The first run is the command itself, whatever it weighs. */
static int rank_runs(struct mr_report_data *data, struct mr_error *err)
{
	struct mr_report_run **order = mr_alloc((data->run_count + 1) * sizeof(struct mr_report_run *));
	MR_FAIL_IF(!order, err, MR_ERR_NOMEM, "no memory for %zu runs", data->run_count);
	for (size_t i = 0; i < data->run_count; i++)
		order[i] = &data->runs[i];
	if (data->run_count > 2)
		qsort(order + 1, data->run_count - 1, sizeof(struct mr_report_run *), by_weight);
	for (size_t i = 0; i < data->run_count; i++) {
		struct mr_report_run *run = order[i];
		run->rank = i;
		run->has_part = i == 0 || run->snapshot_count > 0 || run->census || run->objects_total > 0 ||
		                run->samples.count > 1 || run->mark_count > 0 || run->heap;
	}
	mr_free(order);
	set_offsets(data);
	link_tree(data);
	return 0;
}

/* ---- All of it ---------------------------------------------------------------------- */

/* Tables whose rows are all looked at, and the columns of them that are.  Objects
 * have an order of their own, which costs more than all that is done here. */
static const struct {
	const char *name;
	const char *columns;
	const char *sort;
} wanted[MR_REPORT_TABLE_COUNT] = {
	[MR_REPORT_RUNS] = { "runs", NULL, NULL },
	[MR_REPORT_SNAPSHOTS] = { "snapshots", NULL, NULL },
	[MR_REPORT_CLASSES] = { "classes", NULL, NULL },
	[MR_REPORT_SAMPLES] = { "samples", NULL, NULL },
	[MR_REPORT_MARKS] = { "marks", NULL, NULL },
	[MR_REPORT_OBJECTS] = { "objects",
	                        "run,class,name,repr,state,birth,death,lifetime,size,last,flat,address,"
	                        "function,file,line,object,kind",
	                        "run" },
	[MR_REPORT_REFERENTS] = { "referents", NULL, NULL },
	[MR_REPORT_HISTOGRAM] = { "histogram", NULL, NULL },
	/* The stack of each site costs more than all that is shown. */
	[MR_REPORT_DIFF] = { "diff",
	                     "run,from,to,class,verdict,count_before,count_after,count_change,size_before,"
	                     "size_after,size_change,created,created_size,deleted,deleted_size,persistent,"
	                     "persistent_size,kind,"
	                     "peak_before,peak_after,peak_change,module",
	                     NULL },
};

enum mr_paint mr_report_paint(const struct mr_report_data *data, const char *class_name)
{
	for (size_t i = 0; i < data->colored_count; i++)
		if (strcmp(data->colored[i], class_name) == 0)
			return (enum mr_paint)(MR_PAINT_SERIES_1 + i);
	return MR_PAINT_OTHER;
}

const char *mr_report_run_name(const struct mr_report_run *run)
{
	/* "?" is what a log gives for a name that it has lost. */
	const bool has_name = run->name[0] && strcmp(run->name, "?") != 0;
	if (run->script[0])
		return run->script;
	return has_name ? run->name : run->command[0] ? run->command : "unnamed program";
}

/* Whether the diff table has anything that the report shows: it takes time where many call stacks are. */
static bool has_differences(const struct mr_report_data *data)
{
	const struct memstats_table *runs = data->tables[MR_REPORT_RUNS];
	const int file = mr_report_rows_column(runs, "file");
	for (size_t row = 1; row < memstats_table_row_count(runs); row++)
		if (strcmp(mr_report_rows_text(runs, row, file), mr_report_rows_text(runs, 0, file)) != 0)
			return true;
	return memstats_table_row_count(data->tables[MR_REPORT_CLASSES]) > 0;
}

int mr_report_data_init(struct mr_report_data *data, struct memstats_log *log, struct mr_error *err)
{
	memset(data, 0, sizeof(*data));
	data->log = log;
	for (size_t i = 0; i < MR_REPORT_TABLE_COUNT; i++)
		if (i != MR_REPORT_DIFF || has_differences(data))
			MR_TRY(mr_report_rows_open(log, wanted[i].name, wanted[i].sort, NULL, NULL,
			                           wanted[i].columns, &data->tables[i], err));
	MR_TRY(read_runs(data, err));
	MR_TRY(read_snapshots(data, err));
	MR_TRY(read_samples(data, err));
	MR_TRY(read_marks(data, err));
	MR_TRY(mr_report_classes_read(data, err));
	MR_TRY(mr_report_census_read(data, err));
	mr_report_colors_choose(data);
	MR_TRY(mr_report_heap_read(data, err));
	MR_TRY(rank_runs(data, err));
	return mr_report_heap_states_read(data, err);
}

static void release_run(struct mr_report_run *run)
{
	for (size_t i = 0; i < run->class_count; i++) {
		mr_free(run->classes[i].sizes);
		mr_free(run->classes[i].counts);
		mr_free(run->classes[i].instances);
		mr_free(run->classes[i].created);
		mr_free(run->classes[i].deleted);
		mr_free(run->classes[i].persistent);
		mr_free(run->classes[i].largest);
	}
	mr_free(run->classes);
	mr_free(run->class_index);
	mr_free(run->class_places);
	mr_free(run->snapshots);
	mr_free(run->marks);
	mr_free(run->samples.times);
	mr_free(run->samples.rss);
	mr_free(run->samples.vsz);
	mr_free(run->samples.pss_times);
	mr_free(run->samples.pss);
	mr_free(run->samples.uss);
	mr_report_heap_free(run->heap);
	mr_report_census_free(run->census);
}

void mr_report_data_release(struct mr_report_data *data)
{
	for (size_t i = 0; i < data->run_count; i++)
		release_run(&data->runs[i]);
	mr_free(data->runs);
	for (size_t i = 0; i < MR_REPORT_TABLE_COUNT; i++)
		memstats_table_free(data->tables[i]);
	mr_heap_tables_release(&data->heap);
	for (size_t i = 0; i < MR_CENSUS_TABLE_COUNT; i++)
		memstats_table_free(data->census[i]);
	memstats_objects_free(data->details);
	mr_free(data->detail_rows);
	memset(data, 0, sizeof(*data));
}
