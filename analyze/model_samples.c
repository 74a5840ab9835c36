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

/* The address of the column of samples with that id of the log's. */
static uint64_t **column(struct mr_samples *samples, unsigned id)
{
	uint64_t **const columns[SAMPLE_COLUMNS + 1] = {
		[MR_SAMPLES_TIME] = &samples->time_ns,
		[MR_SAMPLES_RSS] = &samples->rss_bytes,
		[MR_SAMPLES_VSZ] = &samples->vsz_bytes,
		[MR_SAMPLES_PSS] = &samples->pss_bytes,
		[MR_SAMPLES_USS] = &samples->uss_bytes,
		[MR_SAMPLES_SWAP] = &samples->swap_bytes,
		[MR_SAMPLES_FAULTS_MINOR] = &samples->faults_minor,
		[MR_SAMPLES_FAULTS_MAJOR] = &samples->faults_major,
		[MR_SAMPLES_CPU_USER] = &samples->cpu_user_ns,
		[MR_SAMPLES_CPU_SYSTEM] = &samples->cpu_system_ns,
		[MR_SAMPLES_THREADS] = &samples->threads,
	};
	return columns[id];
}

static void extend_run(struct mr_run *run, uint64_t time_ns)
{
	if (time_ns > run->end_ns)
		run->end_ns = time_ns;
}

int mr_model__read_samples(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_run *const run = &loading->model->runs[stream->run];
	struct mr_samples *const samples = &run->samples;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, SAMPLE_COLUMNS, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		const size_t at = samples->count;
		size_t grown = samples->capacity;

		for (unsigned id = 1; id <= SAMPLE_COLUMNS; id++) {
			grown = samples->capacity;
			if (mr_grow(column(samples, id), &grown, at + (size_t)count, sizeof(uint64_t)) < 0)
				return no_memory(err);
		}
		samples->capacity = grown;
		for (unsigned id = 1; id <= SAMPLE_COLUMNS; id++) {
			/* pss, uss and swap are stored as value + 1: what wraps around is MR_NONE. */
			const uint64_t less = id >= MR_SAMPLES_PSS && id <= MR_SAMPLES_SWAP ? 1 : 0;
			uint64_t *const out = *column(samples, id) + at;

			for (int i = 0; i < count; i++)
				out[i] = rows.values[id][i] - less;
		}
		for (int i = 0; i < count; i++) {
			samples->time_ns[at + (size_t)i] =
				mr_run_time(stream, samples->time_ns[at + (size_t)i]);
			extend_run(run, samples->time_ns[at + (size_t)i]);
		}
		samples->count += (size_t)count;
	}
	return count;
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
	struct mr_stream_state *const stream = loading->stream;
	struct mr_run *const run = &loading->model->runs[stream->run];
	struct mr_heap_samples *const samples = &run->heap_samples;
	uint64_t **const columns[] = {
		[MR_HEAP_SAMPLES_TIME] = &samples->time_ns,
		[MR_HEAP_SAMPLES_LIVE] = &samples->live_bytes,
		[MR_HEAP_SAMPLES_LIVE_COUNT] = &samples->live_count,
		[MR_HEAP_SAMPLES_LIVE_MAX] = &samples->live_max_bytes,
		[MR_HEAP_SAMPLES_TOTAL] = &samples->total_bytes,
		[MR_HEAP_SAMPLES_COUNT] = &samples->total_count,
	};
	struct mr_rows rows;
	int count;

	MR_TRY(mr_model__spend_rows(loading, block->rows, err));
	MR_TRY(mr_rows_open(&rows, block, MR_HEAP_SAMPLES_COUNT, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		const size_t at = samples->count;
		size_t grown = samples->capacity;

		for (unsigned id = 1; id < MR_ARRAY_LEN(columns); id++) {
			grown = samples->capacity;
			if (mr_grow(columns[id], &grown, at + (size_t)count, sizeof(uint64_t)) < 0)
				return no_memory(err);
			memcpy(*columns[id] + at, rows.values[id], (size_t)count * sizeof(uint64_t));
		}
		samples->capacity = grown;
		for (int i = 0; i < count; i++) {
			samples->time_ns[at + (size_t)i] =
				mr_run_time(stream, samples->time_ns[at + (size_t)i]);
			extend_run(run, samples->time_ns[at + (size_t)i]);
		}
		samples->count += (size_t)count;
	}
	return count;
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
	uint64_t *columns[SAMPLE_COLUMNS];

	for (unsigned id = 1; id <= SAMPLE_COLUMNS; id++)
		columns[id - 1] = *column(samples, id);
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
