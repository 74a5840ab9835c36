/* SPDX-License-Identifier: MIT
 *
 * Checks a log wholly.  The model reads all that it knows how to use and says
 * what does not fit; a second pass looks at every column of every block, also
 * of kinds that only single queries touch.
 */
#include "log_repair.h"
#include "model_private.h"

/* Rows that the second pass decodes: a multiple of what a log of that size can mean. */
#define ROWS_ALLOWANCE (UINT64_C(1) << 26)
#define ROWS_PER_BYTE 64

struct verify {
	struct mr_verify_report *report;
	struct mr_notes notes;
	struct mr_notes losses;
	uint64_t rows_left;
};

void mr_verify_report_release(struct mr_verify_report *report)
{
	for (size_t i = 0; i < report->problem_count; i++)
		mr_free(report->problems[i]);
	mr_free(report->problems);
	for (size_t i = 0; i < report->loss_count; i++)
		mr_free(report->losses[i]);
	mr_free(report->losses);
	*report = (struct mr_verify_report){ 0 };
}

/* Looks at all columns of one block. */
static int check_block(void *context, struct mr_loading *loading, const struct mr_block *block,
                       struct mr_error *err)
{
	struct verify *const verify = context;
	uint64_t values[MR_CHUNK];

	(void)loading;
	verify->report->blocks++;
	verify->report->rows += block->rows;
	for (unsigned id = 1; id <= MR_BLOCK_COLUMNS_MAX; id++) {
		struct mr_cursor cursor;

		if (block->columns[id].data == NULL || block->columns[id].encoding == MR_ENCODING_BYTES)
			continue;
		MR_FAIL_IF(block->rows > verify->rows_left, err, MR_ERR_LIMIT,
		           "the log claims far more rows than its size can hold");
		verify->rows_left -= block->rows;
		MR_TRY(mr_cursor_open(&cursor, block, id, err));
		while (cursor.rows_left > 0)
			MR_TRY(mr_cursor_read(&cursor, values,
			                      cursor.rows_left < MR_CHUNK ? cursor.rows_left : MR_CHUNK,
			                      err));
	}
	return 0;
}

/* Whether the paths and objects that referents name are known. */
static int check_referents(struct mr_loading *loading, const struct mr_block *block, struct mr_error *err)
{
	struct mr_stream_state *const stream = loading->stream;
	struct mr_rows rows;
	int count;

	MR_TRY(mr_rows_open(&rows, block, MR_REFERENTS_FLAT, err));
	while ((count = mr_rows_next(&rows, err)) > 0)
		for (int i = 0; i < count; i++)
			if (mr_id_map_get(&stream->ids[MR_DEFINED_PATH], rows.values[MR_REFERENTS_PATH][i]) ==
			            0 ||
			    mr_stream_object(stream, rows.values[MR_REFERENTS_OBJECT][i]) == 0)
				loading->model->segments[stream->segment].ids_unknown++;
	return count;
}

static int check_any(void *context, struct mr_loading *loading, const struct mr_block *block,
                     struct mr_error *err)
{
	MR_TRY(check_block(context, loading, block, err));
	return block->kind == MR_KIND_REFERENTS ? check_referents(loading, block, err) : 0;
}

static const char lost[] = ", which was lost before the log was repaired";

/* What the figures of a segment say beyond its warnings. */
static int check_segment(struct verify *verify, const struct mr_model *model,
                         const struct mr_segment *segment, struct mr_error *err)
{
	const char *const path = model->files[segment->file].path;
	const unsigned long long at = segment->offset;
	/* What a repair had to leave out is no news, and nothing that another one could change. */
	const bool repaired = segment->end == MR_SEGMENT_WHOLE && segment->end_reason == MR_END_REPAIRED;
	struct mr_notes *const notes = repaired ? &verify->losses : &verify->notes;

	verify->report->frames += segment->frames;
	verify->report->frames_damaged += segment->frames_damaged;
	verify->report->frames_missing += segment->frames_missing;
	verify->report->bytes_lost += segment->bytes_lost;
	if (segment->ids_unknown > 0)
		MR_TRY(mr_notes_add(notes, err, "%s: %llu ids have no definition%s (segment at byte %llu)",
		                    path, (unsigned long long)segment->ids_unknown, repaired ? lost : "",
		                    at));
	if (segment->rows_dropped > 0)
		MR_TRY(mr_notes_add(notes, err, "%s: %llu rows contradict others%s (segment at byte %llu)",
		                    path, (unsigned long long)segment->rows_dropped, repaired ? lost : "",
		                    at));
	if (segment->end == MR_SEGMENT_UNINDEXED || segment->frames_damaged > 0 ||
	    segment->frames_missing > 0 || segment->ids_unknown > 0 || segment->rows_dropped > 0 ||
	    (segment->end == MR_SEGMENT_WHOLE && segment->bytes_lost > 0))
		verify->report->only_cut = false;
	return 0;
}

static int check_model(struct verify *verify, struct mr_model *model, struct mr_error *err)
{
	const struct mr_frame_walk walk = { .kinds = ~(UINT64_C(1) << MR_KIND_FRAME),
		                            .block = check_any,
		                            .context = verify };

	MR_TRY(mr_model_load(model, MR_LOAD_ALL, err));
	MR_TRY(mr_model_check_heap(model, err));
	for (size_t log = 0; log < model->state->log_count; log++) {
		const struct mr_log *const checked = &model->state->logs[log];

		MR_TRY(mr_model__walk(model, log, &walk, err));
		for (size_t i = 0; i < checked->segment_count; i++)
			for (size_t j = 0; j < checked->segments[i].frame_count; j++)
				verify->report->content_bytes += checked->segments[i].frames[j].content_bytes;
	}
	MR_TRY(mr_model__take_notes(model, err));
	for (size_t i = 0; i < model->warning_count; i++)
		MR_TRY(mr_notes_add(&verify->notes, err, "%s", model->warnings[i]));
	verify->report->only_cut = true;
	for (size_t i = 0; i < model->segment_count; i++)
		MR_TRY(check_segment(verify, model, &model->segments[i], err));
	verify->report->runs = model->run_count;
	verify->report->segments = model->segment_count;
	return 0;
}

int mr_log_verify(const char *path, struct mr_verify_report *report, struct mr_error *err)
{
	struct mr_model *model = NULL;
	struct mr_verify_report found = { 0 };
	struct verify verify = { .report = &found };

	MR_TRY(mr_model_open(&path, 1, &model, err));
	found.size_bytes = model->files[0].size_bytes;
	verify.rows_left = ROWS_ALLOWANCE;
	if (found.size_bytes < UINT64_MAX / ROWS_PER_BYTE - ROWS_ALLOWANCE)
		verify.rows_left += found.size_bytes * ROWS_PER_BYTE;
	const int code = check_model(&verify, model, err);
	mr_model_close(model);
	if (code < 0) {
		mr_notes_release(&verify.notes);
		mr_notes_release(&verify.losses);
		return code;
	}
	found.problem_count = verify.notes.count;
	found.problems = verify.notes.items;
	found.only_cut = found.only_cut && found.problem_count > 0;
	found.loss_count = verify.losses.count;
	found.losses = verify.losses.items;
	*report = found;
	return 0;
}
