/* SPDX-License-Identifier: MIT
 *
 * Reads what the report shows of classes: their sizes over the snapshots, how
 * many instances there were when, and which objects are the largest.  Two
 * passes over the classes table and one over the objects, whatever their
 * number; only the largest classes keep curves.
 */
#include "report_classes.h"

#include <assert.h>
#include <stdlib.h>

#define CLASSES_MET 64
#define STAYED_COLORS 4 /* of all colours, at most */

/* ---- Classes by name ---------------------------------------------------------- */

static uint64_t hash_of(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
	return hash ^ hash >> 32;
}

static int index_grow(struct mr_report_run *run, struct mr_error *err)
{
	const size_t size = run->class_index_size ? run->class_index_size * 2 : 64;
	uint32_t *index = mr_alloc(size * sizeof(*index));
	if (!index)
		return mr_fail(err, MR_ERR_NOMEM, "no memory for %zu classes", run->class_count);
	assert((run->classes || run->class_count == 0) && "classes that are counted are there");
	for (size_t i = 0; i < run->class_count; i++) {
		size_t slot = hash_of(run->classes[i].name) & (size - 1);
		while (index[slot])
			slot = (slot + 1) & (size - 1);
		index[slot] = (uint32_t)i + 1;
	}
	mr_free(run->class_index);
	run->class_index = index;
	run->class_index_size = size;
	return 0;
}

/* Where NAME stands, or would stand, in the hash table. */
static size_t slot_of(const struct mr_report_run *run, const char *name)
{
	size_t slot = hash_of(name) & (run->class_index_size - 1);
	while (run->class_index[slot] && strcmp(run->classes[run->class_index[slot] - 1].name, name) != 0)
		slot = (slot + 1) & (run->class_index_size - 1);
	return slot;
}

static struct mr_report_class *class_find(struct mr_report_run *run, const char *name)
{
	if (run->class_index_size == 0)
		return NULL;
	const uint32_t index = run->class_index[slot_of(run, name)];
	return index ? &run->classes[index - 1] : NULL;
}

static int class_get(struct mr_report_run *run, const char *name, struct mr_report_class **found,
                     struct mr_error *err)
{
	*found = class_find(run, name);
	if (*found)
		return 0;
	if (2 * (run->class_count + 1) > run->class_index_size)
		MR_TRY(index_grow(run, err));
	MR_FAIL_IF(mr_grow(&run->classes, &run->class_capacity, run->class_count + 1, sizeof(*run->classes)) <
	                   0,
	           err, MR_ERR_NOMEM, "no memory for %zu classes", run->class_count);
	struct mr_report_class *made = &run->classes[run->class_count++];
	*made = (struct mr_report_class){ .name = name, .met = (uint32_t)(run->class_count - 1) };
	run->class_index[slot_of(run, name)] = (uint32_t)run->class_count;
	*found = made;
	return 0;
}

/* ---- The classes table --------------------------------------------------------- */

struct class_columns {
	const struct memstats_table *table;
	int run, snapshot, name, count, size;
};

/* A class that a snapshot leaves out has no instance there. */
static void add_size(struct mr_report_class *class, size_t snapshot, uint64_t size)
{
	const uint64_t before = class->seen_last == snapshot ? class->size_seen : 0;
	if (class->seen_last > 0 && class->seen_last<snapshot &&class->size_seen> 0)
		class->shrinks++; /* it was gone in between */
	if (class->seen_last > 0 && size > before)
		class->growths++;
	if (class->seen_last > 0 && size < before)
		class->shrinks++;
	class->seen_last = snapshot + 1;
	class->size_seen = size;
}

/* One row of the run's snapshot INDEX. */
static int read_class_row(const struct class_columns *columns, size_t row, struct mr_report_run *run,
                          size_t index, struct mr_error *err)
{
	struct mr_report_class *class = NULL;
	MR_TRY(class_get(run, mr_report_rows_text(columns->table, row, columns->name), &class, err));
	const uint64_t size = mr_or_zero(mr_report_rows_number(columns->table, row, columns->size));
	const uint64_t count = mr_or_zero(mr_report_rows_number(columns->table, row, columns->count));
	class->size_max = size > class->size_max ? size : class->size_max;
	class->count_max = count > class->count_max ? count : class->count_max;
	if (index == 0) {
		class->size_first = size;
		class->count_first = count;
	}
	if (index + 1 == run->snapshot_count) {
		class->size_last = size;
		class->count_last = count;
	}
	add_size(class, index, size);
	return 0;
}

/* The rows of each snapshot, which lie together in the table's natural order. */
static void find_rows(struct mr_report_data *data, const struct class_columns *columns)
{
	const size_t count = memstats_table_row_count(columns->table);
	size_t row = 0;
	for (size_t r = 0; r < data->run_count; r++) {
		struct mr_report_run *run = &data->runs[r];
		for (size_t s = 0; s < run->snapshot_count; s++) {
			struct mr_report_snapshot *snapshot = &run->snapshots[s];
			snapshot->row_first = row;
			while (row < count &&
			       mr_report_rows_number(columns->table, row, columns->run) == run->id &&
			       mr_report_rows_number(columns->table, row, columns->snapshot) ==
			               snapshot->number)
				row++;
			snapshot->row_count = row - snapshot->row_first;
		}
	}
}

static int by_size(const void *a, const void *b)
{
	const struct mr_report_class *one = a, *two = b;
	if (one->size_max != two->size_max)
		return one->size_max < two->size_max ? 1 : -1;
	if (one->total != two->total)
		return one->total < two->total ? 1 : -1;
	return strcmp(one->name, two->name);
}

static int allocate_curves(struct mr_report_class *class, size_t snapshots, struct mr_error *err)
{
	class->sizes = mr_alloc((snapshots + 1) * sizeof(double));
	class->counts = mr_alloc((snapshots + 1) * sizeof(double));
	class->instances = mr_alloc((MR_REPORT_INSTANCES + 1) * sizeof(double));
	class->created = mr_alloc((snapshots + 1) * sizeof(uint32_t));
	class->deleted = mr_alloc((snapshots + 1) * sizeof(uint32_t));
	class->persistent = mr_alloc((snapshots + 1) * sizeof(uint32_t));
	class->largest = mr_alloc(MR_REPORT_OBJECTS_MAX * sizeof(*class->largest));
	MR_FAIL_IF(!class->sizes || !class->counts || !class->instances || !class->created ||
	                   !class->deleted || !class->persistent || !class->largest,
	           err, MR_ERR_NOMEM, "no memory for %zu snapshots", snapshots);
	return 0;
}

static int follow(struct mr_report_run *run, const struct class_columns *columns, struct mr_error *err)
{
	for (size_t i = 0; i < run->followed; i++)
		MR_TRY(allocate_curves(&run->classes[i], run->snapshot_count, err));
	for (size_t s = 0; s < run->snapshot_count; s++) {
		const struct mr_report_snapshot *snapshot = &run->snapshots[s];
		for (size_t row = snapshot->row_first; row < snapshot->row_first + snapshot->row_count;
		     row++) {
			struct mr_report_class *class =
				class_find(run, mr_report_rows_text(columns->table, row, columns->name));
			if (!class || !class->sizes)
				continue;
			class->sizes[s] =
				(double)mr_or_zero(mr_report_rows_number(columns->table, row, columns->size));
			if (class->sizes[s] > class->sizes[class->best])
				class->best = s;
			class->counts[s] = (double)mr_or_zero(
				mr_report_rows_number(columns->table, row, columns->count));
		}
	}
	return 0;
}

static int read_run_classes(struct mr_report_run *run, const struct class_columns *columns,
                            struct mr_error *err)
{
	for (size_t s = 0; s < run->snapshot_count; s++) {
		const struct mr_report_snapshot *snapshot = &run->snapshots[s];
		for (size_t i = 0; i < snapshot->row_count; i++)
			MR_TRY(read_class_row(columns, snapshot->row_first + i, run, s, err));
	}
	return 0;
}

static int sort_classes(struct mr_report_run *run, const struct class_columns *columns, struct mr_error *err)
{
	run->class_places = mr_alloc(run->class_count * sizeof(*run->class_places));
	MR_FAIL_IF(!run->class_places, err, MR_ERR_NOMEM, "no memory for %zu classes", run->class_count);
	for (size_t i = 0; i < run->class_count; i++)
		/* One that the last snapshot leaves out is gone. */
		if (run->classes[i].seen_last < run->snapshot_count && run->classes[i].size_seen > 0)
			run->classes[i].shrinks++;
	if (run->class_count > 1)
		qsort(run->classes, run->class_count, sizeof(*run->classes), by_size);
	run->followed = run->class_count < MR_REPORT_CLASSES_MAX ? run->class_count : MR_REPORT_CLASSES_MAX;
	if (run->class_count > 0) {
		memset(run->class_index, 0, run->class_index_size * sizeof(*run->class_index));
		for (size_t i = 0; i < run->class_count; i++) {
			run->class_index[slot_of(run, run->classes[i].name)] = (uint32_t)i + 1;
			run->class_places[run->classes[i].met] = (uint32_t)i;
		}
	}
	return follow(run, columns, err);
}

/* ---- Objects -------------------------------------------------------------------- */

struct object_columns {
	const struct memstats_table *table;
	int run, class, size, birth, death, kind;
};

#define NOT_TRACKED UINT32_MAX /* an object that a census found in a run whose classes are tracked ones */

static bool is_left_out(const struct object_columns *columns, size_t row, const struct mr_report_run *run)
{
	return run->census && !run->of_census &&
	       strcmp(mr_report_rows_text(columns->table, row, columns->kind), "type") == 0;
}

/* Keeps the MR_REPORT_OBJECTS_MAX largest, by insertion: nearly all rows end at the first comparison. */
static void keep_largest(struct mr_report_class *class, uint64_t size, size_t row)
{
	size_t at = class->largest_count;
	if (at == MR_REPORT_OBJECTS_MAX) {
		if (size <= class->largest[at - 1].size_bytes)
			return;
		at--;
	} else {
		class->largest_count++;
	}
	for (; at > 0 && class->largest[at - 1].size_bytes < size; at--)
		class->largest[at] = class->largest[at - 1];
	class->largest[at] = (struct mr_report_object){ size, row };
}

static size_t moment_of(uint64_t time_ns, uint64_t duration_ns)
{
	if (duration_ns == 0)
		return 0;
	const double part = (double)time_ns / (double)duration_ns * (MR_REPORT_INSTANCES - 1);
	return part >= MR_REPORT_INSTANCES ? MR_REPORT_INSTANCES
	                                   : (size_t)part + (part > (double)(size_t)part);
}

size_t mr_report_snapshot_at(const struct mr_report_snapshot *snapshots, size_t count, uint64_t time_ns)
{
	size_t low = 0, high = count;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (snapshots[middle].time_ns < time_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* An object is in the snapshots from the first at or after its birth to the last before its death. */
static void count_changes(const struct mr_report_run *run, struct mr_report_class *class, uint64_t birth,
                          uint64_t death)
{
	const size_t first = mr_report_snapshot_at(run->snapshots, run->snapshot_count, birth);
	const size_t end = death == MR_NO_VALUE
	                           ? run->snapshot_count
	                           : mr_report_snapshot_at(run->snapshots, run->snapshot_count, death);
	if (first >= end)
		return; /* no snapshot saw it */
	class->created[first]++;
	if (end < run->snapshot_count)
		class->deleted[end]++;
	if (first > 0 && first + 1 < end) {
		/* As changes from one snapshot to the next, summed up at the end. */
		class->persistent[first + 1]++;
		class->persistent[end]--; /* modulo 2^32, like the sums */
	}
}

static void read_object(const struct object_columns *columns, size_t row, struct mr_report_run *run,
                        struct mr_report_class *class)
{
	const uint64_t birth = mr_or_zero(mr_report_rows_number(columns->table, row, columns->birth));
	const uint64_t death = mr_report_rows_number(columns->table, row, columns->death);
	run->objects_alive += death == MR_NO_VALUE;
	class->alive += death == MR_NO_VALUE;
	if (!class->instances)
		return;
	/* Changes at moments, summed up when all are known. */
	class->instances[moment_of(birth, run->duration_ns)]++;
	if (death != MR_NO_VALUE)
		class->instances[moment_of(death, run->duration_ns)]--;
	count_changes(run, class, birth, death);
	keep_largest(class, mr_or_zero(mr_report_rows_number(columns->table, row, columns->size)), row);
}

/* Counts the objects of each class, also of those that no snapshot saw.  MET gets each row's class, by
 * the number that it had when it was met. */
static int count_objects(struct mr_report_data *data, const struct object_columns *columns, uint32_t *met,
                         struct mr_error *err)
{
	/* The names of a run's classes are the same few texts, at the same addresses, over and over. */
	struct {
		const char *name;
		uint32_t index;
	} seen[CLASSES_MET] = { { NULL, 0 } };
	struct mr_report_run *run = NULL;
	const size_t count = memstats_table_row_count(columns->table);
	for (size_t row = 0; row < count; row++) {
		const uint64_t id = mr_report_rows_number(columns->table, row, columns->run);
		const char *name = mr_report_rows_text(columns->table, row, columns->class);
		if (!run || run->id != id) {
			run = mr_report_run_find(data, id);
			memset(seen, 0, sizeof(seen));
		}
		if (run && is_left_out(columns, row, run))
			met[row] = NOT_TRACKED;
		if (!run || met[row] == NOT_TRACKED)
			continue;
		const size_t place = ((uintptr_t)name >> 3) % CLASSES_MET;
		if (seen[place].name != name) {
			struct mr_report_class *found = NULL;
			MR_TRY(class_get(run, name, &found, err));
			seen[place].name = name;
			seen[place].index = found->met;
		}
		met[row] = seen[place].index;
		run->objects_total++;
		run->classes[met[row]].total++; /* not sorted yet */
	}
	return 0;
}

static void read_objects(struct mr_report_data *data, const struct object_columns *columns,
                         const uint32_t *met)
{
	struct mr_report_run *run = NULL;
	const size_t count = memstats_table_row_count(columns->table);
	for (size_t row = 0; row < count; row++) {
		const uint64_t id = mr_report_rows_number(columns->table, row, columns->run);
		if (!run || run->id != id)
			run = mr_report_run_find(data, id);
		if (run && met[row] != NOT_TRACKED)
			read_object(columns, row, run, &run->classes[run->class_places[met[row]]]);
	}
}

static int read_by_class(struct mr_report_data *data, const struct class_columns *columns,
                         const struct object_columns *object_columns, uint32_t *met, struct mr_error *err)
{
	MR_TRY(count_objects(data, object_columns, met, err));
	for (size_t r = 0; r < data->run_count; r++)
		MR_TRY(sort_classes(&data->runs[r], columns, err));
	read_objects(data, object_columns, met);
	return 0;
}

static void sum_changes(struct mr_report_run *run)
{
	for (size_t i = 0; i < run->followed; i++) {
		struct mr_report_class *class = &run->classes[i];
		for (size_t k = 1; k < MR_REPORT_INSTANCES; k++)
			class->instances[k] += class->instances[k - 1];
		for (size_t k = 1; k < run->snapshot_count; k++)
			class->persistent[k] += class->persistent[k - 1];
	}
}

/* ---- Referents and histograms ------------------------------------------------------- */

/* Rows of one run and class lie together in the tables' natural order. */
static void find_referents(struct mr_report_data *data)
{
	const struct memstats_table *table = data->tables[MR_REPORT_REFERENTS];
	const int run_column = mr_report_rows_column(table, "run"),
		  snapshot = mr_report_rows_column(table, "snapshot"),
		  name = mr_report_rows_column(table, "class");
	const size_t count = memstats_table_row_count(table);
	struct mr_report_run *run = NULL;
	for (size_t row = 0; row < count; row++) {
		const uint64_t id = mr_report_rows_number(table, row, run_column);
		run = run && run->id == id ? run : mr_report_run_find(data, id);
		struct mr_report_class *class =
			run ? class_find(run, mr_report_rows_text(table, row, name)) : NULL;
		if (!class || !class->sizes ||
		    mr_report_rows_number(table, row, snapshot) != run->snapshots[class->best].number)
			continue;
		if (class->referent_count == 0)
			class->referent_first = row;
		class->referent_count = row - class->referent_first + 1;
	}
}

static void find_histograms(struct mr_report_data *data)
{
	const struct memstats_table *table = data->tables[MR_REPORT_HISTOGRAM];
	const int run_column = mr_report_rows_column(table, "run"),
		  name = mr_report_rows_column(table, "class");
	struct mr_report_run *run = NULL;
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		const uint64_t id = mr_report_rows_number(table, row, run_column);
		run = run && run->id == id ? run : mr_report_run_find(data, id);
		struct mr_report_class *class =
			run ? class_find(run, mr_report_rows_text(table, row, name)) : NULL;
		if (!class)
			continue;
		if (class->histogram_count == 0)
			class->histogram_first = row;
		class->histogram_count = row - class->histogram_first + 1;
	}
}

/* ---- Details of objects ---------------------------------------------------------------- */

static int by_row(const void *a, const void *b)
{
	const size_t one = *(const size_t *)a, two = *(const size_t *)b;
	return one < two ? -1 : one > two;
}

static int add_detail(struct mr_report_data *data, size_t *capacity, size_t row, struct mr_error *err)
{
	MR_FAIL_IF(mr_grow(&data->detail_rows, capacity, data->detail_count + 1, sizeof(size_t)) < 0, err,
	           MR_ERR_NOMEM, "no memory for objects");
	data->detail_rows[data->detail_count++] = row;
	return 0;
}

int mr_report_details_read(struct mr_report_data *data, size_t run_max, size_t class_max, size_t object_max,
                           struct mr_error *err)
{
	size_t capacity = 0, kept = 0;
	for (size_t r = 0; r < data->run_count; r++) {
		if (data->runs[r].rank >= run_max)
			continue;
		for (size_t i = 0; i < data->runs[r].followed && i < class_max; i++) {
			const struct mr_report_class *class = &data->runs[r].classes[i];
			for (size_t k = 0; k < class->largest_count && k < object_max; k++)
				MR_TRY(add_detail(data, &capacity, class->largest[k].row, err));
		}
		const struct mr_report_census *census = data->runs[r].census;
		for (size_t i = 0; census && i < census->type_count && i < class_max; i++)
			for (size_t k = 0; k < census->types[i].site_count; k++)
				MR_TRY(add_detail(data, &capacity, census->types[i].sites[k].row, err));
	}
	if (data->detail_count == 0)
		return 0;
	qsort(data->detail_rows, data->detail_count, sizeof(size_t), by_row);
	for (size_t i = 0; i < data->detail_count; i++)
		if (i == 0 || data->detail_rows[i] != data->detail_rows[i - 1])
			data->detail_rows[kept++] = data->detail_rows[i];
	data->detail_count = kept;
	return memstats_objects_new(data->tables[MR_REPORT_OBJECTS], data->detail_rows, data->detail_count,
	                            &data->details, (struct memstats_error *)(void *)err);
}

const struct memstats_object *mr_report_detail(const struct mr_report_data *data, size_t row)
{
	const size_t *found =
		data->detail_count > 0 && data->details
			? bsearch(&row, data->detail_rows, data->detail_count, sizeof(size_t), by_row)
			: NULL;
	return found ? &data->details[found - data->detail_rows] : NULL;
}

/* ---- Colours --------------------------------------------------------------------- */

/* The largest classes of all runs get a colour each, wherever they are shown; where objects stayed, some of
 * their types before others. */
void mr_report_colors_choose(struct mr_report_data *data)
{
	for (size_t r = 0; r < data->run_count; r++) {
		const struct mr_report_census *census = data->runs[r].census;
		for (size_t i = 0; census && i < census->type_count && data->colored_count < STAYED_COLORS;
		     i++)
			if (mr_report_paint(data, census->types[i].name) == MR_PAINT_OTHER)
				data->colored[data->colored_count++] = census->types[i].name;
	}
	while (data->colored_count < MR_PAINT_SERIES_COUNT) {
		const struct mr_report_class *best = NULL;
		for (size_t r = 0; r < data->run_count; r++)
			for (size_t i = 0; i < data->runs[r].followed; i++) {
				const struct mr_report_class *class = &data->runs[r].classes[i];
				if ((!best || by_size(class, best) < 0) &&
				    mr_report_paint(data, class->name) == MR_PAINT_OTHER)
					best = class;
			}
		if (!best)
			break;
		data->colored[data->colored_count++] = best->name;
	}
	for (size_t r = 0; r < data->run_count; r++)
		for (size_t i = 0; i < data->runs[r].class_count; i++)
			data->runs[r].classes[i].paint = mr_report_paint(data, data->runs[r].classes[i].name);
}

int mr_report_classes_read(struct mr_report_data *data, struct mr_error *err)
{
	const struct memstats_table *table = data->tables[MR_REPORT_CLASSES];
	const struct memstats_table *objects = data->tables[MR_REPORT_OBJECTS];
	const struct class_columns columns = { table,
		                               mr_report_rows_column(table, "run"),
		                               mr_report_rows_column(table, "snapshot"),
		                               mr_report_rows_column(table, "class"),
		                               mr_report_rows_column(table, "count"),
		                               mr_report_rows_column(table, "size") };
	const struct object_columns object_columns = { objects,
		                                       mr_report_rows_column(objects, "run"),
		                                       mr_report_rows_column(objects, "class"),
		                                       mr_report_rows_column(objects, "size"),
		                                       mr_report_rows_column(objects, "birth"),
		                                       mr_report_rows_column(objects, "death"),
		                                       mr_report_rows_column(objects, "kind") };
	find_rows(data, &columns);
	MR_TRY(mr_report_census_split(data, err));
	for (size_t r = 0; r < data->run_count; r++)
		MR_TRY(read_run_classes(&data->runs[r], &columns, err));
	uint32_t *met = mr_alloc(memstats_table_row_count(objects) * sizeof(*met));
	MR_FAIL_IF(!met, err, MR_ERR_NOMEM, "no memory for %zu objects", memstats_table_row_count(objects));
	const int status = read_by_class(data, &columns, &object_columns, met, err);
	mr_free(met);
	if (status < 0)
		return status;
	for (size_t r = 0; r < data->run_count; r++)
		sum_changes(&data->runs[r]);
	find_referents(data);
	find_histograms(data);
	return 0;
}
