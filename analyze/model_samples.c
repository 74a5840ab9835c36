/* SPDX-License-Identifier: MIT
 *
 * Samples of process memory, and marks: straight into the columns of their run.
 */
#include "model_private.h"

#include <stdlib.h>

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the samples of a log");
}

enum { SAMPLE_COLUMNS = MR_SAMPLES_THREADS };

/* The columns of samples by the log's ids. */
static void columns_of(struct mr_samples *samples, uint64_t **columns[SAMPLE_COLUMNS + 1])
{
	columns[0] = NULL; /* no id */
	columns[MR_SAMPLES_TIME] = &samples->time_ns;
	columns[MR_SAMPLES_RSS] = &samples->rss_bytes;
	columns[MR_SAMPLES_VSZ] = &samples->vsz_bytes;
	columns[MR_SAMPLES_PSS] = &samples->pss_bytes;
	columns[MR_SAMPLES_USS] = &samples->uss_bytes;
	columns[MR_SAMPLES_SWAP] = &samples->swap_bytes;
	columns[MR_SAMPLES_FAULTS_MINOR] = &samples->faults_minor;
	columns[MR_SAMPLES_FAULTS_MAJOR] = &samples->faults_major;
	columns[MR_SAMPLES_CPU_USER] = &samples->cpu_user_ns;
	columns[MR_SAMPLES_CPU_SYSTEM] = &samples->cpu_system_ns;
	columns[MR_SAMPLES_THREADS] = &samples->threads;
}

static void extend_run(struct mr_run *run, uint64_t time_ns)
{
	if (time_ns > run->end_ns)
		run->end_ns = time_ns;
}

/* Adds the rows of BLOCK to COLUMNS, which have the log's ids 1 .. COLUMN_COUNT, the first of which is the
 * time, and *COUNT rows of *CAPACITY. */
static int add_rows(struct mr_loading *loading, const struct mr_block *block, uint64_t **const *columns,
                    unsigned column_count, size_t *count, size_t *capacity, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_run *const run = &loading->model->runs[stream->run];
	struct mr_rows rows;
	int more;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, column_count, err));
	while ((more = mr_rows_next(&rows, err)) > 0) {
		const size_t at = *count;
		size_t grown = *capacity;

		for (unsigned id = 1; id <= column_count; id++) {
			grown = *capacity;
			if (mr_grow(columns[id], &grown, at + (size_t)more, sizeof(uint64_t)) < 0)
				return no_memory(err);
			memcpy(*columns[id] + at, rows.values[id], (size_t)more * sizeof(uint64_t));
		}
		*capacity = grown;
		*count += (size_t)more;
		for (size_t i = at; i < *count; i++) {
			(*columns[1])[i] = mr_run_time(stream, (*columns[1])[i]);
			extend_run(run, (*columns[1])[i]);
		}
	}
	return more;
}

int mr_model__read_samples(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_samples *const samples = &loading->model->runs[loading->stream->run].samples;
	uint64_t **columns[SAMPLE_COLUMNS + 1];
	const size_t at = samples->count;

	columns_of(samples, columns);
	const int code =
		add_rows(loading, block, columns, SAMPLE_COLUMNS, &samples->count, &samples->capacity, err);

	/* These are stored as value + 1: what wraps around is MR_NONE. */
	for (unsigned id = MR_SAMPLES_PSS; id <= MR_SAMPLES_SWAP; id++)
		for (size_t i = at; i < samples->count; i++)
			(*columns[id])[i]--;
	return code;
}

int mr_model__read_marks(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_run *const run = &loading->model->runs[stream->run];
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_MARKS_THREAD, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (mr_grow(&run->marks, &run->mark_capacity, run->mark_count + (size_t)count,
		            sizeof(*run->marks)) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++) {
			struct mr_mark *const mark = &run->marks[run->mark_count++];

			*mark = (struct mr_mark){
				.time_ns = mr_run_time(stream, rows.values[MR_MARKS_TIME][i]),
				.text = mr_model__resolve(loading->model, stream, MR_DEFINED_STRING,
				                          rows.values[MR_MARKS_TEXT][i]),
				.thread = mr_model__resolve(loading->model, stream, MR_DEFINED_THREAD,
				                            rows.values[MR_MARKS_THREAD][i]),
			};
			extend_run(run, mark->time_ns);
		}
	}
	return count;
}

int mr_model__read_heap_samples(struct mr_loading *loading, const struct mr_block *block,
                                struct mr_error *err)
{
	struct mr_heap_samples *const samples = &loading->model->runs[loading->stream->run].heap_samples;
	uint64_t **const columns[] = {
		[MR_HEAP_SAMPLES_TIME] = &samples->time_ns,
		[MR_HEAP_SAMPLES_LIVE] = &samples->live_bytes,
		[MR_HEAP_SAMPLES_LIVE_COUNT] = &samples->live_count,
		[MR_HEAP_SAMPLES_LIVE_MAX] = &samples->live_max_bytes,
		[MR_HEAP_SAMPLES_TOTAL] = &samples->total_bytes,
		[MR_HEAP_SAMPLES_COUNT] = &samples->total_count,
	};

	return add_rows(loading, block, columns, MR_HEAP_SAMPLES_COUNT, &samples->count, &samples->capacity,
	                err);
}

/* ---- By time ----------------------------------------------------------------------- */

struct order {
	uint64_t time_ns;
	size_t from;
};

static int compare_order(const void *left, const void *right)
{
	const struct order *const a = left;
	const struct order *const b = right;

	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	return a->from < b->from ? -1 : a->from > b->from;
}

static bool is_ordered(const uint64_t *times, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (times[i] < times[i - 1])
			return false;
	return true;
}

int mr_model__sort_columns(uint64_t *const *columns, size_t column_count, size_t count, struct mr_error *err)
{
	if (count == 0 || is_ordered(columns[0], count))
		return 0;

	struct order *const order = mr_alloc(count * sizeof(*order));
	uint64_t *const moved = mr_alloc(count * sizeof(*moved));
	if (order == NULL || moved == NULL) {
		mr_free(order);
		mr_free(moved);
		return no_memory(err);
	}
	for (size_t i = 0; i < count; i++)
		order[i] = (struct order){ columns[0][i], i };
	qsort(order, count, sizeof(*order), compare_order);
	for (size_t id = 0; id < column_count; id++) {
		for (size_t i = 0; i < count; i++)
			moved[i] = columns[id][order[i].from];
		memcpy(columns[id], moved, count * sizeof(*moved));
	}
	mr_free(order);
	mr_free(moved);
	return 0;
}

static int sort_samples(struct mr_samples *samples, struct mr_error *err)
{
	uint64_t **by_id[SAMPLE_COLUMNS + 1];
	uint64_t *columns[SAMPLE_COLUMNS];

	columns_of(samples, by_id);
	for (unsigned id = 1; id <= SAMPLE_COLUMNS; id++)
		columns[id - 1] = *by_id[id];
	return mr_model__sort_columns(columns, SAMPLE_COLUMNS, samples->count, err);
}

static int sort_heap_samples(const struct mr_heap_samples *samples, struct mr_error *err)
{
	uint64_t *const columns[] = { samples->time_ns,        samples->live_bytes,  samples->live_count,
		                      samples->live_max_bytes, samples->total_bytes, samples->total_count };

	return mr_model__sort_columns(columns, MR_ARRAY_LEN(columns), samples->count, err);
}

static int compare_marks(const void *left, const void *right)
{
	const struct mr_mark *const a = left;
	const struct mr_mark *const b = right;

	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns ? -1 : 1;
	return a->text < b->text ? -1 : a->text > b->text;
}

int mr_model__finish_samples(struct mr_model *model, struct mr_error *err)
{
	for (size_t i = 0; i < model->run_count; i++) {
		struct mr_run *const run = &model->runs[i];

		MR_TRY(sort_samples(&run->samples, err));
		MR_TRY(sort_heap_samples(&run->heap_samples, err));
		if (run->mark_count > 1)
			qsort(run->marks, run->mark_count, sizeof(*run->marks), compare_marks);
	}
	return 0;
}
