/* SPDX-License-Identifier: MIT
 *
 * Table health: how far a log can be trusted, and what recording it cost.  Reads
 * the whole log, so that all that is wrong with it is found.
 */
#include "table_rows.h"
#include "tables_heap.h"

enum { FILE_, SEGMENT, RUN, ITEM, VALUE, TEXT, COLUMN_COUNT };

static const struct memstats_column columns[COLUMN_COUNT] = {
	[FILE_] = { "file", MEMSTATS_TEXT, "the log" },
	[SEGMENT] = { "segment", MEMSTATS_ID, "the part of the file, where logs were joined: from 1" },
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[ITEM] = { "item", MEMSTATS_TEXT, "what is said" },
	[VALUE] = { "value", MEMSTATS_COUNT, "as a number" },
	[TEXT] = { "text", MEMSTATS_TEXT, "as text" },
};

struct row {
	const char *file;
	size_t segment; /* 0: of no segment */
	size_t run;     /* 0: of no run */
	const char *item;
	uint64_t value; /* MR_NONE: none */
	const char *text;
};

struct health {
	struct row *rows;
	size_t count;
	size_t capacity;
	char (*versions)[32]; /* by segment */
};

static int add(struct health *health, struct row row, struct mr_error *err)
{
	const int code = mr_grow(&health->rows, &health->capacity, health->count + 1, sizeof(row));

	MR_FAIL_IF(code < 0, err, code, "no memory for table health");
	health->rows[health->count++] = row;
	return 0;
}

static const char *end_text(const struct mr_segment *segment)
{
	if (segment->end == MR_SEGMENT_CUT)
		return "cut: no end was written (killed, disk full, still running, or truncated)";
	if (segment->end == MR_SEGMENT_UNINDEXED)
		return "ended, but its index is damaged";
	switch (segment->end_reason) {
	case MR_END_CLOSED:
		return "whole: closed by the program";
	case MR_END_EXIT:
		return "whole: ended by the program's exit";
	case MR_END_REPAIRED:
		return "whole: repaired";
	case MR_END_SIZE:
		return "whole: ended at its size limit";
	case MR_END_FAILED:
		return "ended after a write failed";
	}
	return "whole";
}

/* NUMBER: the segment's within its file. */
static int add_segment(struct health *health, const struct mr_model *model, size_t index, size_t number,
                       struct mr_error *err)
{
	const struct mr_segment *segment = &model->segments[index];
	const char *file = model->files[segment->file].path;
	const struct {
		const char *item;
		uint64_t value;
	} numbers[] = {
		{ "bytes", segment->size_bytes },
		{ "frames", segment->frames },
		{ "frames damaged", segment->frames_damaged },
		{ "frames missing", segment->frames_missing },
		{ "bytes lost", segment->bytes_lost },
		{ "blocks of unknown kinds", segment->blocks_unknown },
		{ "ids without a definition", segment->ids_unknown },
		{ "rows that contradict others", segment->rows_dropped },
	};

	snprintf(health->versions[index], sizeof(health->versions[index]), "%u.%u",
	         (unsigned)segment->version >> 16, (unsigned)segment->version & 0xffff);
	MR_TRY(add(health, (struct row){ file, number, 0, "end", MR_NONE, end_text(segment) }, err));
	MR_TRY(add(health, (struct row){ file, number, 0, "version", MR_NONE, health->versions[index] },
	           err));
	for (size_t i = 0; i < MR_ARRAY_LEN(numbers); i++)
		MR_TRY(add(health, (struct row){ file, number, 0, numbers[i].item, numbers[i].value, NULL },
		           err));
	return 0;
}

/* A counter; those of a heap recording for all images of the process together. */
static int add_counter(struct health *health, const struct mr_model *model, const struct mr_run *run,
                       size_t counter, size_t index, struct mr_error *err)
{
	const char *text = mr_model_string(model, run->counters[counter].key);
	const char *words = mr_heap_counter_words(text);
	uint64_t value = run->counters[counter].value;

	for (size_t i = 0; words && i < run->counter_count; i++) {
		if (i == counter || strcmp(mr_model_string(model, run->counters[i].key), text) != 0)
			continue;
		if (i < counter)
			return 0; /* the first one had them all */
		value = mr_sum(value, run->counters[i].value);
	}
	return add(health, (struct row){ model->files[run->file].path, 0, index + 1, text, value, words },
	           err);
}

/* What is known of call stacks. */
static int add_heap(struct health *health, const struct mr_model *model, const struct mr_run *run,
                    const char *file, size_t index, struct mr_error *err)
{
	uint32_t modules;
	const uint32_t nameless = mr_heap_nameless_modules(model, run, &modules);
	const struct {
		const char *item;
		uint64_t value;
	} numbers[] = {
		{ "heap snapshots", run->heap_snapshot_count },
		{ "modules in call stacks", modules },
		{ "modules without symbols", nameless },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(numbers); i++)
		MR_TRY(add(health,
		           (struct row){ file, 0, index + 1, numbers[i].item, numbers[i].value, NULL }, err));
	return 0;
}

/* Whether a stream before the one at INDEX was written by the same: each image of a heap has one. */
static bool is_said(const struct mr_model *model, const struct mr_run *run, size_t index)
{
	const char *creator = mr_model_string(model, run->streams[index].creator);

	for (size_t i = 0; i < index; i++)
		if (strcmp(mr_model_string(model, run->streams[i].creator), creator) == 0)
			return true;
	return false;
}

static int add_run(struct health *health, const struct mr_model *model, size_t index, struct mr_error *err)
{
	const struct mr_run *run = &model->runs[index];
	const char *file = model->files[run->file].path;

	for (size_t i = 0; i < run->stream_count; i++)
		if (run->streams[i].creator != 0 && !is_said(model, run, i))
			MR_TRY(add(health,
			           (struct row){ file, 0, index + 1, "written by", MR_NONE,
			                         mr_model_string(model, run->streams[i].creator) },
			           err));
	for (size_t i = 0; i < run->setting_count; i++)
		MR_TRY(add(health,
		           (struct row){ file, 0, index + 1, mr_model_string(model, run->settings[i].key),
		                         MR_NONE, mr_model_string(model, run->settings[i].value) },
		           err));
	for (size_t i = 0; i < run->counter_count; i++)
		MR_TRY(add_counter(health, model, run, i, index, err));
	return run->heap_image_count > 0 ? add_heap(health, model, run, file, index, err) : 0;
}

/* Snapshots whose sites are missing become warnings when the sites are read. */
static int check_sites(struct mr_model *model, struct mr_error *err)
{
	for (size_t i = 0; i < model->run_count; i++) {
		struct mr_heap_sites sites = { 0 };

		if (model->runs[i].heap_image_count == 0)
			continue;
		MR_TRY(mr_model_heap_sites(model, i, MR_INDEX_NONE, &sites, err));
		mr_heap_sites_release(&sites);
	}
	return 0;
}

static int health_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                       struct mr_error *err)
{
	struct health *health = mr_alloc(sizeof(*health));
	struct mr_model *model = log->model;

	(void)needed;
	MR_FAIL_IF(!health, err, MR_ERR_NOMEM, "no memory for table health");
	*state = health;
	MR_TRY(mr_model_load(model, MR_LOAD_ALL, err));
	MR_TRY(mr_model_check_heap(model, err));
	MR_TRY(check_sites(model, err));
	health->versions = mr_alloc((model->segment_count + 1) * sizeof(*health->versions));
	MR_FAIL_IF(!health->versions, err, MR_ERR_NOMEM, "no memory for table health");
	for (size_t i = 0, number = 0; i < model->segment_count; i++) {
		number = i > 0 && model->segments[i - 1].file == model->segments[i].file ? number + 1 : 1;
		MR_TRY(add_segment(health, model, i, number, err));
	}
	for (size_t i = 0; i < model->run_count; i++)
		MR_TRY(add_run(health, model, i, err));
	for (size_t i = 0; i < model->warning_count; i++)
		MR_TRY(add(health, (struct row){ NULL, 0, 0, "warning", MR_NONE, model->warnings[i] }, err));
	*row_count = health->count;
	return 0;
}

static void health_close(void *state)
{
	struct health *health = state;

	if (health) {
		mr_free(health->rows);
		mr_free(health->versions);
	}
	mr_free(health);
}

static void health_cell(const void *state, size_t index, size_t column, struct mr_cell *cell)
{
	const struct row *row = &((const struct health *)state)->rows[index];

	switch (column) {
	case FILE_:
		mr_cell_string(cell, row->file);
		break;
	case SEGMENT:
		mr_cell_number_or_null(cell, row->segment, row->segment == 0);
		break;
	case RUN:
		mr_cell_number_or_null(cell, row->run, row->run == 0);
		break;
	case ITEM:
		mr_cell_string(cell, row->item);
		break;
	case VALUE:
		mr_cell_optional(cell, row->value);
		break;
	case TEXT:
		mr_cell_string(cell, row->text);
		break;
	}
}

const struct mr_table_type mr_table_health = {
	.info = { "health", "how far the log can be trusted, how it was made, and what that cost", columns,
	          COLUMN_COUNT, ITEM },
	.open = health_open,
	.cell = health_cell,
	.close = health_close,
};
