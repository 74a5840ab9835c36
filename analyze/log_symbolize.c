/* SPDX-License-Identifier: MIT
 *
 * Names the places of a log and writes it anew: all frames as they are, and
 * behind those of each segment new ones with STRINGS and SYMBOLS.
 */
#include "log_symbolize.h"

#include <search.h>
#include <stdlib.h>

#include "log_repair_rewrite.h"
#include "model_private.h"
#include "symbolizer.h"

#define ROWS_PER_BLOCK 4096u /* symbols; then a frame is written */
#define NAME_MAX_LEN 4096u
/* Between the ids of strings that are known and new ones, where ids may have
 * been lost: rows that speak of those must not find another string. */
#define LOST_IDS_MAX (UINT64_C(1) << 24)

/* A place that has no name yet. */
struct place {
	const struct mr_code *code;
	const struct mr_module *module;
	struct mr_stream_state *stream;
};

struct name { /* a string that a stream was given */
	uint64_t id;
	char text[];
};

/* The new rows of one stream that are not written yet. */
struct symbolize {
	struct mr_model *model;
	struct mr_rewrite rewrite;
	struct mr_symbolize_report *report;
	struct mr_notes notes;
	struct place *places; /* by stream, then module */
	size_t place_count;
	const struct place *place; /* at hand */
	bool named;
	bool positioned;
	void *names; /* of the stream, a tree of struct name */
	struct mr_buffer strings;
	MR_LIST(uint64_t) string_ids;
	MR_LIST(uint64_t) string_lens;
	MR_LIST(uint64_t) rows[MR_SYMBOLS_LINE + 1]; /* by column */
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

/* ---- Rows ---------------------------------------------------------------------- */

#define PUSH(list, value) \
	(MR_LIST_RESERVE(list, 1) < 0 ? MR_ERR_NOMEM : ((list)->items[(list)->count++] = (value), 0))

static int compare_names(const void *left, const void *right)
{
	const struct name *const a = left;
	const struct name *const b = right;

	return strcmp(a->text, b->text);
}

/* The id of TEXT in the stream at hand, new when it is. */
static int string_id(struct symbolize *symbolize, const char *text, uint64_t *id, struct mr_error *err)
{
	const size_t len = strnlen(text, NAME_MAX_LEN);
	struct name *const name = mr_alloc(sizeof(*name) + len + 1);

	*id = 0;
	if (name == NULL)
		return no_memory(err);
	memcpy(name->text, text, len);
	if (len == 0) {
		mr_free(name);
		return 0;
	}

	struct name *const *const found = tsearch(name, &symbolize->names, compare_names);
	if (found == NULL || *found != name) {
		*id = found != NULL ? (*found)->id : 0;
		mr_free(name);
		return found != NULL ? 0 : no_memory(err);
	}
	name->id = ++symbolize->place->stream->string_id_max;
	mr_buffer_append(&symbolize->strings, text, len);
	if (symbolize->strings.failed || PUSH(&symbolize->string_ids, name->id) < 0 ||
	    PUSH(&symbolize->string_lens, len) < 0)
		return no_memory(err);
	*id = name->id;
	return 0;
}

static int add_symbol(void *context, uint32_t depth, const struct mr_named *named, struct mr_error *err)
{
	struct symbolize *const symbolize = context;
	uint64_t function, file;

	MR_TRY(string_id(symbolize, named->function, &function, err));
	MR_TRY(string_id(symbolize, named->file, &file, err));
	const uint64_t values[] = {
		[MR_SYMBOLS_CODE] = symbolize->place->code->id,
		[MR_SYMBOLS_DEPTH] = depth,
		[MR_SYMBOLS_FUNCTION] = function,
		[MR_SYMBOLS_FILE] = file,
		[MR_SYMBOLS_LINE] = named->line,
	};
	for (unsigned id = MR_SYMBOLS_CODE; id <= MR_SYMBOLS_LINE; id++)
		if (PUSH(&symbolize->rows[id], values[id]) < 0)
			return no_memory(err);
	symbolize->named |= function != 0;
	symbolize->positioned |= file != 0 && named->line != 0;
	return 0;
}

/* Writes the rows that have come together as a frame. */
static int flush_rows(struct symbolize *symbolize, struct mr_error *err)
{
	const size_t rows = symbolize->rows[MR_SYMBOLS_CODE].count;
	struct mr_buffer blocks = { 0 };
	struct mr_block_writer block;

	if (rows == 0)
		return 0;
	if (symbolize->string_ids.count > 0) {
		mr_block_begin(&block, &blocks, MR_KIND_STRINGS, (uint32_t)symbolize->string_ids.count);
		mr_block_column(&block, MR_STRINGS_ID, symbolize->string_ids.items);
		mr_block_column(&block, MR_STRINGS_LENGTH, symbolize->string_lens.items);
		mr_block_bytes(&block, MR_STRINGS_BYTES, symbolize->strings.data, symbolize->strings.len);
		mr_block_end(&block);
	}
	mr_block_begin(&block, &blocks, MR_KIND_SYMBOLS, (uint32_t)rows);
	for (unsigned id = MR_SYMBOLS_CODE; id <= MR_SYMBOLS_LINE; id++)
		mr_block_column(&block, id, symbolize->rows[id].items);
	mr_block_end(&block);

	int code = mr_buffer_status(&blocks, err);
	if (code == 0)
		code = mr_rewrite_blocks(
			&symbolize->rewrite, symbolize->place->stream->id, blocks.data, blocks.len,
			UINT64_C(1) << MR_KIND_STRINGS | UINT64_C(1) << MR_KIND_SYMBOLS, err);
	mr_buffer_release(&blocks);
	mr_buffer_clear(&symbolize->strings);
	symbolize->string_ids.count = symbolize->string_lens.count = 0;
	for (unsigned id = MR_SYMBOLS_CODE; id <= MR_SYMBOLS_LINE; id++)
		symbolize->rows[id].count = 0;
	return code;
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
	if (a->module != b->module)
		return a->module < b->module ? -1 : 1;
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
					(struct place){ code, &run->modules[code->module], stream };
		}
	}
	qsort(symbolize->places, symbolize->place_count, sizeof(*symbolize->places), compare_places);
	symbolize->report->codes = symbolize->place_count;
	return 0;
}

/* Names the places [FIRST, END), which are of one module. */
static int name_module(struct symbolize *symbolize, size_t first, size_t end, struct mr_error *err)
{
	const struct mr_module *const module = symbolize->places[first].module;
	const char *const path = mr_model_string(symbolize->model, module->path);
	struct mr_symbolizer *symbolizer = NULL;
	struct mr_error why = { 0 };
	int code;

	symbolize->report->modules++;
	code = mr_symbolizer_open(&symbolizer, path, mr_model_string(symbolize->model, module->build_id), -1,
	                          &why);
	if (code == MR_ERR_READ)
		return mr_notes_add(&symbolize->notes, err, "%s", why.message);
	if (code < 0)
		return mr_fail(err, code, "%s", why.message);
	if (!mr_symbolizer_has_lines(symbolizer))
		code = mr_notes_add(
			&symbolize->notes, err,
			"%s: has no debugging information here: functions are named, lines are not", path);
	for (size_t i = first; i < end && code >= 0; i++) {
		const size_t rows_before = symbolize->rows[MR_SYMBOLS_CODE].count;

		symbolize->place = &symbolize->places[i];
		symbolize->named = symbolize->positioned = false;
		code = mr_symbolizer_name(symbolizer, symbolize->place->code->offset, add_symbol, symbolize,
		                          err);
		/* A name is no news where there was one. */
		if (!symbolize->positioned && symbolize->place->code->symbol_count > 0)
			for (unsigned id = MR_SYMBOLS_CODE; id <= MR_SYMBOLS_LINE; id++)
				symbolize->rows[id].count = rows_before;
		symbolize->report->codes_named += symbolize->named;
		symbolize->report->codes_positioned += symbolize->positioned;
		if (code >= 0 && symbolize->rows[MR_SYMBOLS_CODE].count >= ROWS_PER_BLOCK)
			code = flush_rows(symbolize, err);
	}
	mr_symbolizer_close(symbolizer);
	return code < 0 ? code : 0;
}

static void forget_names(struct symbolize *symbolize)
{
	if (symbolize->names != NULL)
		tdestroy(symbolize->names, mr_free);
	symbolize->names = NULL;
}

/* Names and writes the places of one segment, which begin at *NEXT. */
static int name_segment(struct symbolize *symbolize, uint32_t segment, bool has_losses, size_t *next,
                        struct mr_error *err)
{
	const struct place *const places = symbolize->places;

	while (*next < symbolize->place_count && places[*next].stream->segment == segment) {
		struct mr_stream_state *const stream = places[*next].stream;
		int code = 0;

		if (has_losses && stream->string_id_max < UINT32_MAX / 2)
			stream->string_id_max += LOST_IDS_MAX;
		while (code == 0 && *next < symbolize->place_count && places[*next].stream == stream) {
			size_t end = *next + 1;

			while (end < symbolize->place_count && places[end].stream == stream &&
			       places[end].module == places[*next].module)
				end++;
			code = name_module(symbolize, *next, end, err);
			*next = end;
		}
		if (code == 0)
			code = flush_rows(symbolize, err);
		forget_names(symbolize);
		if (code < 0)
			return code;
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
	forget_names(symbolize);
	mr_buffer_release(&symbolize->strings);
	mr_free(symbolize->string_ids.items);
	mr_free(symbolize->string_lens.items);
	for (unsigned id = 0; id <= MR_SYMBOLS_LINE; id++)
		mr_free(symbolize->rows[id].items);
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
