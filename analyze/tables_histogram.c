/* SPDX-License-Identifier: MIT
 *
 * Table histogram: how many objects of each class have which size, and have
 * lived for how long, in steps of powers of two; and the same of allocations,
 * where the heap was recorded.  Empty steps have no row.
 */
#include "table_rows.h"
#include "tables_heap.h"

#include <stdlib.h>

#define BUCKETS 65 /* 0, and one for each position of the highest bit */

enum { RUN, CLASS, MEASURE, SIZE_FROM, SIZE_TO, LIFETIME_FROM, LIFETIME_TO, COUNT, SIZE, COLUMN_COUNT };

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[CLASS] = { "class", MEMSTATS_TEXT, "name of the class; empty for allocations" },
	[MEASURE] = { "measure", MEMSTATS_TEXT,
	              "\"size\", as last measured, or \"lifetime\", of objects that are gone; "
	              "\"allocation size\" and \"allocation lifetime\"" },
	[SIZE_FROM] = { "size_from", MEMSTATS_BYTES, "smallest size that counts here" },
	[SIZE_TO] = { "size_to", MEMSTATS_BYTES, "smaller sizes than this count here" },
	[LIFETIME_FROM] = { "lifetime_from", MEMSTATS_DURATION, "shortest lifetime that counts here" },
	[LIFETIME_TO] = { "lifetime_to", MEMSTATS_DURATION, "shorter lifetimes than this count here" },
	[COUNT] = { "count", MEMSTATS_COUNT, "objects, or allocations" },
	[SIZE] = { "size", MEMSTATS_BYTES, "of all of them; of objects as last measured" },
};

struct row {
	uint32_t run;
	uint32_t class_index;
	bool is_lifetime;
	bool is_heap; /* allocations; of no class */
	uint8_t bucket;
	uint64_t count;
	uint64_t size_bytes;
};

struct histogram {
	const struct mr_model *model;
	struct row *rows;
	size_t count;
	size_t capacity;
};

static unsigned bucket_of(uint64_t value)
{
	return value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);
}

static uint64_t bucket_from(unsigned bucket)
{
	return bucket == 0 ? 0 : UINT64_C(1) << (bucket - 1);
}

static uint64_t bucket_to(unsigned bucket)
{
	return bucket == 64 ? UINT64_MAX : UINT64_C(1) << bucket;
}

struct bucket {
	uint64_t count;
	uint64_t size_bytes;
};

static void add_to_bucket(struct bucket *bucket, uint64_t size_bytes)
{
	bucket->count++;
	if (__builtin_add_overflow(bucket->size_bytes, size_bytes, &bucket->size_bytes))
		bucket->size_bytes = UINT64_MAX; /* only lying sizes come so far */
}

/* The rows of one class; OBJECTS are its COUNT rows of the run. */
static int add_class(struct histogram *histogram, uint32_t run_index, uint32_t class_index,
                     const uint32_t *objects, size_t count, struct mr_error *err)
{
	const struct mr_run *run = &histogram->model->runs[run_index];
	const struct mr_objects *all = &run->objects;
	/* pympler sizes also what is gone, and finds nothing. */
	const bool ends_at_nothing = run->imported != MR_IMPORTED_NOTHING;
	struct bucket buckets[2][BUCKETS] = { { { 0, 0 } } };

	for (size_t i = 0; i < count; i++) {
		const uint32_t row = objects[i];
		const bool gone = all->death_ns[row] != MR_NONE;
		const uint64_t size_bytes =
			gone && ends_at_nothing ? all->size_max_bytes[row] : all->size_bytes[row];

		add_to_bucket(&buckets[0][bucket_of(size_bytes)], size_bytes);
		if (gone && all->death_ns[row] >= all->birth_ns[row])
			add_to_bucket(&buckets[1][bucket_of(all->death_ns[row] - all->birth_ns[row])],
			              size_bytes);
	}
	for (unsigned measure = 0; measure < 2; measure++) {
		for (unsigned bucket = 0; bucket < BUCKETS; bucket++) {
			const struct bucket *from = &buckets[measure][bucket];

			if (from->count == 0)
				continue;
			const int code = mr_grow(&histogram->rows, &histogram->capacity, histogram->count + 1,
			                         sizeof(*histogram->rows));

			MR_FAIL_IF(code < 0, err, code, "no memory for table histogram");
			histogram->rows[histogram->count++] = (struct row){ .run = run_index,
				                                            .class_index = class_index,
				                                            .is_lifetime = measure == 1,
				                                            .bucket = (uint8_t)bucket,
				                                            .count = from->count,
				                                            .size_bytes = from->size_bytes };
		}
	}
	return 0;
}

/* Objects by class, so that one class's buckets at a time are in memory. */
static int add_run(struct histogram *histogram, uint32_t run_index, struct mr_error *err)
{
	const struct mr_run *run = &histogram->model->runs[run_index];
	const size_t count = run->objects.count;
	size_t *starts = mr_alloc(((size_t)run->class_count + 2) * sizeof(*starts));
	uint32_t *order = mr_alloc((count + 1) * sizeof(*order));
	int code = 0;

	if (!starts || !order) {
		code = mr_fail(err, MR_ERR_NOMEM, "no memory for table histogram");
		goto out;
	}
	for (size_t i = 0; i < count; i++)
		starts[run->objects.class_index[i] + 1]++;
	for (size_t i = 0; i < run->class_count; i++)
		starts[i + 1] += starts[i];
	for (size_t i = 0; i < count; i++)
		order[starts[run->objects.class_index[i]]++] = (uint32_t)i;
	/* Now starts[c] is where class C ends, and C - 1 where it begins. */
	for (uint32_t c = 0; code == 0 && c < run->class_count; c++) {
		const size_t first = c == 0 ? 0 : starts[c - 1];

		if (starts[c] > first)
			code = add_class(histogram, run_index, c, order + first, starts[c] - first, err);
	}
out:
	mr_free(starts);
	mr_free(order);
	return code;
}

static int compare_buckets(const void *left, const void *right)
{
	const struct mr_heap_bucket *const a = left;
	const struct mr_heap_bucket *const b = right;

	if (a->run != b->run)
		return a->run < b->run ? -1 : 1;
	if (a->measure != b->measure)
		return a->measure < b->measure ? -1 : 1;
	return (a->bucket > b->bucket) - (a->bucket < b->bucket);
}

/* The rows of allocations of a run, from the BUCKETS at *AT on, which are ordered: those of all sites
 * together, images added up. */
static int add_heap(struct histogram *histogram, uint32_t run_index, const struct mr_heap_bucket *buckets,
                    size_t count, size_t *at, struct mr_error *err)
{
	const size_t first = histogram->count;

	for (; *at < count && buckets[*at].run == run_index; (*at)++) {
		const struct mr_heap_bucket *from = &buckets[*at];
		const bool is_lifetime = from->measure == MR_HEAP_MEASURE_LIFETIME;
		struct row *last = histogram->count > first ? &histogram->rows[histogram->count - 1] : NULL;

		if (from->stack != 0 || from->count == 0)
			continue;
		if (last && last->is_lifetime == is_lifetime && last->bucket == from->bucket) {
			last->count = mr_sum(last->count, from->count);
			last->size_bytes = mr_sum(last->size_bytes, from->total_bytes);
			continue;
		}
		const int code = mr_grow(&histogram->rows, &histogram->capacity, histogram->count + 1,
		                         sizeof(*histogram->rows));

		MR_FAIL_IF(code < 0, err, code, "no memory for table histogram");
		histogram->rows[histogram->count++] = (struct row){ .run = run_index,
			                                            .is_lifetime = is_lifetime,
			                                            .is_heap = true,
			                                            .bucket = from->bucket,
			                                            .count = from->count,
			                                            .size_bytes = from->total_bytes };
	}
	return 0;
}

static int add_runs(struct histogram *histogram, struct mr_model *model, struct mr_error *err)
{
	struct mr_heap_bucket *buckets = NULL;
	size_t count = 0;
	size_t at = 0;

	MR_TRY(mr_model_heap_histogram(model, MR_INDEX_NONE, &buckets, &count, err));
	if (count > 1)
		qsort(buckets, count, sizeof(*buckets), compare_buckets);
	int code = 0;
	for (uint32_t i = 0; code == 0 && i < model->run_count; i++) {
		code = add_run(histogram, i, err);
		if (code == 0)
			code = add_heap(histogram, i, buckets, count, &at, err);
	}
	mr_free(buckets);
	return code;
}

static int histogram_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                          struct mr_error *err)
{
	struct histogram *histogram = mr_alloc(sizeof(*histogram));

	(void)needed;
	MR_FAIL_IF(!histogram, err, MR_ERR_NOMEM, "no memory for table histogram");
	*state = histogram;
	histogram->model = log->model;
	MR_TRY(mr_model_load(log->model, MR_LOAD_SIZES, err));
	MR_TRY(add_runs(histogram, log->model, err));
	*row_count = histogram->count;
	return 0;
}

static void histogram_close(void *state)
{
	struct histogram *histogram = state;

	if (histogram)
		mr_free(histogram->rows);
	mr_free(histogram);
}

static void histogram_cell(const void *state, size_t index, size_t column, struct mr_cell *cell)
{
	static const char *const measures[2][2] = { { "size", "lifetime" },
		                                    { "allocation size", "allocation lifetime" } };
	const struct histogram *histogram = state;
	const struct row *row = &histogram->rows[index];

	switch (column) {
	case RUN:
		mr_cell_number(cell, (uint64_t)row->run + 1);
		break;
	case CLASS:
		mr_cell_string(cell, row->is_heap ? ""
		                                  : mr_run_class_name(histogram->model,
		                                                      &histogram->model->runs[row->run],
		                                                      row->class_index));
		break;
	case MEASURE:
		mr_cell_string(cell, measures[row->is_heap][row->is_lifetime]);
		break;
	case SIZE_FROM:
		mr_cell_number_or_null(cell, bucket_from(row->bucket), row->is_lifetime);
		break;
	case SIZE_TO:
		mr_cell_number_or_null(cell, bucket_to(row->bucket), row->is_lifetime);
		break;
	case LIFETIME_FROM:
		mr_cell_number_or_null(cell, bucket_from(row->bucket), !row->is_lifetime);
		break;
	case LIFETIME_TO:
		mr_cell_number_or_null(cell, bucket_to(row->bucket), !row->is_lifetime);
		break;
	case COUNT:
		mr_cell_number(cell, row->count);
		break;
	case SIZE:
		mr_cell_number(cell, row->size_bytes);
		break;
	}
}

const struct mr_table_type mr_table_histogram = {
	.info = { "histogram",
	          "sizes and lifetimes of the objects of each class, and of allocations, in powers of two",
	          columns, COLUMN_COUNT, CLASS },
	.open = histogram_open,
	.cell = histogram_cell,
	.close = histogram_close,
};
