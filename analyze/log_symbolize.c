/* SPDX-License-Identifier: MIT
 *
 * Names the places of a log and writes it anew: all frames as they are, and
 * behind those of each segment new ones with STRINGS and SYMBOLS.
 */
#include "log_symbolize.h"

#include <stdlib.h>

#include "log_repair_rewrite.h"
#include "model_private.h"
#include "symbolizer_places.h"

/* Between the ids of strings that are known and new ones, where ids may have
 * been lost: rows that speak of those must not find another string. */
#define LOST_IDS_MAX (UINT64_C(1) << 24)

/* A place that has no name yet. */
struct place {
	const struct mr_code *code;
	const struct mr_module *module;
	struct mr_stream_state *stream;
	uint32_t number; /* as the symbolizer calls it */
};

struct symbolize {
	struct mr_model *model;
	struct mr_rewrite rewrite;
	struct mr_symbolize_report *report;
	struct mr_notes notes;
	struct place *places; /* by stream */
	size_t place_count;
	struct mr_places *known;
	struct mr_stream_state *stream; /* at hand */
	struct mr_buffer blocks;        /* of it, that are not written yet */
};

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the names of places");
}

void mr_symbolize_report_release(struct mr_symbolize_report *report)
{
	for (size_t i = 0; i < report->problem_count; i++)
		mr_free(report->problems[i]);
	mr_free(report->problems);
	*report = (struct mr_symbolize_report){ 0 };
}

/* ---- Places ---------------------------------------------------------------------- */

static int compare_places(const void *left, const void *right)
{
	const struct place *const a = left;
	const struct place *const b = right;

	if (a->stream != b->stream) {
		if (a->stream->segment != b->stream->segment)
			return a->stream->segment < b->stream->segment ? -1 : 1;
		return a->stream->id < b->stream->id ? -1 : 1;
	}
	return a->code->id < b->code->id ? -1 : a->code->id > b->code->id;
}

/* Whether CODE has no file and line, though it may have the name that its module exports. */
static bool lacks_position(const struct mr_run *run, const struct mr_code *code)
{
	if (code->module == 0 || code->function != 0)
		return false;
	return code->symbol_count == 0 || run->symbols[code->symbol_first].file == 0;
}

static int find_places(struct symbolize *symbolize, struct mr_error *err)
{
	struct mr_model *const model = symbolize->model;
	const struct mr_model_state *const state = model->state;
	size_t total = 1;

	for (size_t i = 0; i < state->streams.count; i++)
		total += state->streams.items[i]->codes.count;
	symbolize->places = mr_alloc(total * sizeof(*symbolize->places));
	if (symbolize->places == NULL)
		return no_memory(err);
	for (size_t i = 0; i < state->streams.count; i++) {
		struct mr_stream_state *const stream = state->streams.items[i];
		const struct mr_run *const run = &model->runs[stream->run];

		if (stream->repeated)
			continue;
		for (size_t j = 0; j < stream->codes.count; j++) {
			const struct mr_code *const code = &run->codes[stream->base[MR_DEFINED_CODE] + j];

			if (lacks_position(run, code))
				symbolize->places[symbolize->place_count++] =
					(struct place){ code, &run->modules[code->module], stream, 0 };
		}
	}
	qsort(symbolize->places, symbolize->place_count, sizeof(*symbolize->places), compare_places);
	symbolize->report->codes = symbolize->place_count;
	return 0;
}

/* Looks all places up, and says of which modules not all is known. */
static int look_up(struct symbolize *symbolize, struct mr_error *err)
{
	struct mr_model *const model = symbolize->model;

	for (size_t i = 0; i < symbolize->place_count; i++) {
		struct place *const place = &symbolize->places[i];
		uint32_t module = 0;

		MR_TRY(mr_places_module(symbolize->known, mr_model_string(model, place->module->path),
		                        mr_model_string(model, place->module->build_id), &module, err));
		MR_TRY(mr_places_add(symbolize->known, module, place->code->offset, &place->number, err));
	}
	MR_TRY(mr_places_look_up(symbolize->known, err));
	for (size_t i = 0; i < mr_places_module_count(symbolize->known); i++) {
		const char *path;
		const char *why;

		const enum mr_places_known known =
			mr_places_module_known(symbolize->known, (uint32_t)i, &path, &why);
		if (known == MR_PLACES_MISSING)
			MR_TRY(mr_notes_add(&symbolize->notes, err, "%s", why));
		else if (known == MR_PLACES_NAMED)
			MR_TRY(mr_notes_add(
				&symbolize->notes, err,
				"%s: has no debugging information here: functions are named, lines are not",
				path));
	}
	symbolize->report->modules = mr_places_module_count(symbolize->known);
	return 0;
}

/* A frame is begun with strings, and ended with the symbols that use them. */
static int put_block(void *context, enum mr_kind kind, const void *block, size_t len, struct mr_error *err)
{
	struct symbolize *const symbolize = context;

	mr_buffer_append(&symbolize->blocks, block, len);
	MR_TRY(mr_buffer_status(&symbolize->blocks, err));
	if (kind != MR_KIND_SYMBOLS)
		return 0;
	const int code = mr_rewrite_blocks(
		&symbolize->rewrite, symbolize->stream->id, symbolize->blocks.data, symbolize->blocks.len,
		UINT64_C(1) << MR_KIND_STRINGS | UINT64_C(1) << MR_KIND_SYMBOLS, err);
	mr_buffer_clear(&symbolize->blocks);
	return code;
}

static int compare_codes(const void *left, const void *right)
{
	const struct mr_places_code *const a = left;
	const struct mr_places_code *const b = right;

	return a->code < b->code ? -1 : a->code > b->code;
}

/* Names and writes COUNT places, which are of one stream. */
static int name_stream(struct symbolize *symbolize, const struct place *places, size_t count,
                       struct mr_error *err)
{
	struct mr_places_code *const codes = mr_alloc((count + 1) * sizeof(*codes));
	uint64_t string_id_next = places[0].stream->string_id_max + 1;
	size_t code_count = 0;

	if (codes == NULL)
		return no_memory(err);
	for (size_t i = 0; i < count; i++) {
		const enum mr_places_known known = mr_places_known(symbolize->known, places[i].number);

		symbolize->report->codes_named += known >= MR_PLACES_NAMED;
		symbolize->report->codes_positioned += known == MR_PLACES_LINED;
		/* A name is no news where there was one. */
		if (known == MR_PLACES_LINED || places[i].code->symbol_count == 0)
			codes[code_count++] = (struct mr_places_code){ places[i].code->id, places[i].number };
	}
	qsort(codes, code_count, sizeof(*codes), compare_codes);
	symbolize->stream = places[0].stream;
	const int code = mr_places_write(symbolize->known, codes, code_count, &string_id_next, put_block,
	                                 symbolize, err);
	symbolize->stream->string_id_max = string_id_next - 1;
	mr_free(codes);
	return code;
}

/* Names and writes the places of one segment, which begin at *NEXT. */
static int name_segment(struct symbolize *symbolize, uint32_t segment, bool has_losses, size_t *next,
                        struct mr_error *err)
{
	const struct place *const places = symbolize->places;

	while (*next < symbolize->place_count && places[*next].stream->segment == segment) {
		struct mr_stream_state *const stream = places[*next].stream;
		size_t end = *next + 1;

		while (end < symbolize->place_count && places[end].stream == stream)
			end++;
		if (has_losses && stream->string_id_max < UINT32_MAX / 2)
			stream->string_id_max += LOST_IDS_MAX;
		MR_TRY(name_stream(symbolize, places + *next, end - *next, err));
		*next = end;
	}
	return 0;
}

/* ---- The log ------------------------------------------------------------------------ */

static int write_log(struct symbolize *symbolize, const char *out_path, struct mr_error *err)
{
	struct mr_log *const log = &symbolize->model->state->logs[0];
	size_t next = 0;

	if (symbolize->model->warning_count > 0)
		MR_TRY(mr_rewrite_check(log, err));
	MR_TRY(mr_rewrite_open(&symbolize->rewrite, log, out_path, err));
	for (size_t i = 0; i < log->segment_count; i++) {
		const struct mr_log_segment *const segment = &log->segments[i];

		const bool whole = mr_rewrite_is_whole(segment);
		struct mr_usable done;

		if (whole &&
		    (next >= symbolize->place_count || symbolize->places[next].stream->segment != i)) {
			MR_TRY(mr_rewrite_copy(&symbolize->rewrite, segment->offset, segment->size_bytes,
			                       err));
			continue;
		}
		MR_TRY(mr_rewrite_begin(&symbolize->rewrite, segment, err));
		MR_TRY(mr_rewrite_usable(&symbolize->rewrite, segment, &done, err));
		MR_TRY(name_segment(symbolize, (uint32_t)i, !whole || segment->end_reason == MR_END_REPAIRED,
		                    &next, err));
		MR_TRY(mr_rewrite_end(&symbolize->rewrite, done.time_last,
		                      whole ? (enum mr_end_reason)segment->end_reason : MR_END_REPAIRED,
		                      err));
	}
	return mr_rewrite_commit(&symbolize->rewrite, err);
}

static void release(struct symbolize *symbolize)
{
	mr_rewrite_release(&symbolize->rewrite);
	mr_buffer_release(&symbolize->blocks);
	mr_places_free(symbolize->known);
	mr_free(symbolize->places);
	mr_model_close(symbolize->model);
}

int mr_log_symbolize(const char *path, const char *out_path, struct mr_symbolize_report *report,
                     struct mr_error *err)
{
	struct mr_symbolize_report found = { 0 };
	struct symbolize symbolize = { .report = &found };
	int code;

	MR_FAIL_IF(out_path == NULL && strcmp(path, "-") == 0, err, MR_ERR_ARG,
	           "standard input cannot be rewritten in place: name an output");
	MR_TRY(mr_model_open(&path, 1, &symbolize.model, err));
	if (symbolize.model->warning_count > 0 && out_path == NULL)
		code = mr_fail(err, MR_ERR_FORMAT,
		               "%s; what is whole of it can be written to another log, with names: -o OUT",
		               symbolize.model->warnings[0]);
	else
		code = find_places(&symbolize, err);
	if (code == 0)
		code = mr_places_new(&symbolize.known, err);
	if (code == 0)
		code = look_up(&symbolize, err);
	for (size_t i = 0; code == 0 && i < symbolize.model->warning_count; i++)
		code = mr_notes_add(&symbolize.notes, err, "%s", symbolize.model->warnings[i]);
	if (code == 0 && (symbolize.place_count > 0 || out_path != NULL))
		code = write_log(&symbolize, out_path != NULL ? out_path : path, err);
	release(&symbolize);
	if (code < 0) {
		mr_notes_release(&symbolize.notes);
		return code;
	}
	found.problem_count = symbolize.notes.count;
	found.problems = symbolize.notes.items;
	*report = found;
	return 0;
}
