/* SPDX-License-Identifier: MIT
 *
 * How large and how old blocks became, of all call stacks and of each: read on
 * demand, of one run or of all of them in one pass.
 */
#include "model_private.h"

/* Rows that one pass keeps, beyond what writers put into a log of that size. */
#define ROWS_ALLOWANCE (UINT64_C(1) << 20)
#define ROWS_PER_BYTE 8u

uint64_t mr_model__rows_worth(const struct mr_log *log)
{
	uint64_t rows;

	if (__builtin_mul_overflow(log->source.size_bytes, ROWS_PER_BYTE, &rows) ||
	    __builtin_add_overflow(rows, ROWS_ALLOWANCE, &rows))
		return UINT64_MAX;
	return rows;
}

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the histograms in a log");
}

struct histograms {
	size_t log;
	struct mr_model *model;
	size_t run;
	struct mr_heap_bucket *buckets;
	size_t count;
	size_t capacity;
	uint64_t rows_left;
};

static bool is_asked(const struct histograms *histograms, const struct mr_stream_state *stream)
{
	return !stream->repeated && stream->heap_image != MR_INDEX_NONE &&
	       (histograms->run == MR_INDEX_NONE || stream->run == histograms->run);
}

static bool has_histograms(void *context, const struct mr_frame *frame)
{
	const struct histograms *const histograms = context;
	const struct mr_model_state *const state = histograms->model->state;
	const uint32_t segment = state->segment_first[histograms->log] + frame->segment;
	const uint32_t known =
		frame->stream != 0 ? mr_id_map_get(&state->stream_ids[segment], frame->stream) : 0;

	return frame->stream == 0 || (known != 0 && is_asked(histograms, state->streams.items[known - 1]));
}

static int read_histogram(void *context, struct mr_loading *loading, const struct mr_block *block,
                          struct mr_error *err)
{
	struct histograms *const histograms = context;
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	if (!is_asked(histograms, stream))
		return 0;
	MR_FAIL_IF(block->rows > histograms->rows_left, err, MR_ERR_LIMIT,
	           "the log claims far more histograms than a log of its size can hold");
	histograms->rows_left -= block->rows;
	MR_TRY(mr_rows_open(&rows, block, MR_HEAP_HISTOGRAM_TOTAL, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		if (mr_grow(&histograms->buckets, &histograms->capacity, histograms->count + (size_t)count,
		            sizeof(*histograms->buckets)) < 0)
			return no_memory(err);
		for (int i = 0; i < count; i++) {
			const uint32_t known = mr_id_map_get(&stream->ids[MR_DEFINED_STACK],
			                                     rows.values[MR_HEAP_HISTOGRAM_STACK][i]);
			const uint64_t measure = rows.values[MR_HEAP_HISTOGRAM_MEASURE][i];
			const uint64_t bucket = rows.values[MR_HEAP_HISTOGRAM_BUCKET][i];

			if (measure > MR_HEAP_MEASURE_LIFETIME || bucket > 64 ||
			    (known == 0 && rows.values[MR_HEAP_HISTOGRAM_STACK][i] != 0))
				continue;
			histograms->buckets[histograms->count++] = (struct mr_heap_bucket){
				.stack = known != 0 ? stream->base[MR_DEFINED_STACK] + known - 1 : 0,
				.run = stream->run,
				.image = stream->heap_image,
				.measure = (uint8_t)measure,
				.bucket = (uint8_t)bucket,
				.count = rows.values[MR_HEAP_HISTOGRAM_COUNT][i],
				.total_bytes = rows.values[MR_HEAP_HISTOGRAM_TOTAL][i],
			};
		}
	}
	return count;
}

int mr_model_heap_histogram(struct mr_model *model, size_t run, struct mr_heap_bucket **buckets,
                            size_t *count, struct mr_error *err)
{
	struct histograms histograms = { .model = model, .run = run };
	const struct mr_frame_walk walk = { .kinds = UINT64_C(1) << MR_KIND_HEAP_HISTOGRAM,
		                            .wanted = has_histograms,
		                            .block = read_histogram,
		                            .context = &histograms };
	int code = 0;

	for (size_t log = 0; log < model->state->log_count && code == 0; log++) {
		histograms.log = log;
		histograms.rows_left = mr_model__rows_worth(&model->state->logs[log]);
		code = mr_model__walk(model, log, &walk, err);
	}
	if (code == 0)
		code = mr_model__take_notes(model, err);
	if (code < 0) {
		mr_free(histograms.buckets);
		return code;
	}
	*buckets = histograms.buckets;
	*count = histograms.count;
	return 0;
}
