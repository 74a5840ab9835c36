/* SPDX-License-Identifier: MIT
 *
 * The text layout of objects, that of ClassTracker's print_stats: a line with
 * name, address and how the object showed itself; the trace of its making; a
 * line for each snapshot with its size, followed by the referents that make up
 * more than a thousandth of it; and a line for its end.  Python's objects have a
 * line for their birth, too, and traces outermost first; what another tool wrote
 * looks line for line as that tool shows it.
 */
#include "tables_objects.h"

#include <inttypes.h>

#define NAME_WIDTH 32
#define REPR_WIDTH 35
#define REFERENT_WIDTH 50
#define REFERENT_SHARE_MIN 0.1 /* percent */

/* Objects whose details are fetched at once: more and more of them, so that a
 * long table takes few passes over the log and a short one little memory. */
#define BATCH_FIRST 4096
#define BATCH_GROWTH 4
#define BATCH_MAX 262144

static void put_bytes(struct mr_writing *writing, uint64_t size_bytes)
{
	char text[32];

	if (writing->flags & MEMSTATS_EXACT_BYTES)
		snprintf(text, sizeof(text), "%" PRIu64, size_bytes);
	else
		mr_text_bytes(text, size_bytes);
	mr_buffer_append(&writing->buffer, text, strlen(text));
}

static void put_name(struct mr_writing *writing, const struct mr_run *run, const char *text, size_t width,
                     bool from_left)
{
	mr_buffer_clear(&writing->scratch);
	mr_output_name_of(&writing->scratch, run->language == MR_LANGUAGE_PYTHON, text, width, from_left);
	mr_output_field(&writing->buffer, writing->scratch.data, writing->scratch.len, width, false);
}

/* pympler cuts off hours and minutes before it rounds: there is a second 60 there. */
static void imported_clock(char out[32], uint64_t time_ns)
{
	const uint64_t minutes = time_ns / UINT64_C(60000000000);
	const uint64_t hundredths = (time_ns % UINT64_C(60000000000) + 5000000) / 10000000;

	snprintf(out, 32, "%02" PRIu64 ":%02u:%02u.%02u", minutes / 60, (unsigned)(minutes % 60),
	         (unsigned)(hundredths / 100), (unsigned)(hundredths % 100));
}

static void put_time(struct mr_writing *writing, const struct mr_run *run, uint64_t time_ns)
{
	char text[32];

	if (run->imported != MR_IMPORTED_NOTHING)
		imported_clock(text, time_ns);
	else
		mr_text_clock(text, time_ns);
	mr_buffer_printf(&writing->buffer, "  %-30s ", text);
}

static void put_head(struct mr_writing *writing, const struct mr_model *model, const struct mr_run *run,
                     size_t row)
{
	const struct mr_objects *objects = &run->objects;
	const bool freed =
		objects->death_ns[row] != MR_NONE && objects->death_reason[row] != MR_DEATH_DETACHED;
	const char *name = objects->name[row] != 0 ? mr_model_string(model, objects->name[row])
	                                           : mr_run_class_name(model, run, objects->class_index[row]);

	put_name(writing, run, name, NAME_WIDTH, true);
	if (freed)
		mr_buffer_printf(&writing->buffer, " ( free )   ");
	else
		mr_buffer_printf(&writing->buffer, " 0x%08" PRIx64 " ", objects->address[row]);
	put_name(writing, run, mr_model_label(model, run, row), REPR_WIDTH, false);
	mr_buffer_put_u8(&writing->buffer, '\n');
}

/* A line of source text for each line in TEXT.  Its tabs do no harm and stay. */
static void put_source(struct mr_buffer *out, const char *text)
{
	while (*text != '\0') {
		const size_t len = strcspn(text, "\n");

		mr_buffer_append(out, "    ", 4);
		for (size_t at = 0; at < len;) {
			const size_t word = strcspn(text + at, "\t\n");

			mr_text_show(out, text + at, word, 0);
			at += word;
			if (at < len)
				mr_buffer_put_u8(out, '\t');
			at++;
		}
		mr_buffer_put_u8(out, '\n');
		text += len + (text[len] == '\n');
	}
}

/* "  file.c:  12 in function"; without a source position, where in which module. */
static void put_position(struct mr_buffer *out, bool python, const struct memstats_position *position)
{
	put_source(out, position->source);
	mr_buffer_append(out, "  ", 2);
	if (position->file[0] != '\0') {
		mr_output_name(out, position->file, 0, false);
		mr_buffer_printf(out, ":%4" PRIu32, position->line);
	} else {
		mr_output_name(out, position->module[0] != '\0' ? position->module : "?", 0, false);
		mr_buffer_printf(out, "+0x%" PRIx64, position->offset);
	}
	/* Where the interpreter says where objects were made it does not name functions. */
	if (!python || position->function[0] != '\0') {
		mr_buffer_append(out, " in ", 4);
		mr_output_name(out, position->function[0] != '\0' ? position->function : "?", 0, false);
	}
	mr_buffer_put_u8(out, '\n');
}

static void put_trace(struct mr_writing *writing, const struct memstats_object *object)
{
	const bool outermost_first = object->language == MEMSTATS_PYTHON;

	for (size_t i = 0; i < object->trace_count; i++)
		put_position(&writing->buffer, outermost_first,
		             &object->trace[outermost_first ? object->trace_count - 1 - i : i]);
}

static void put_referent(struct mr_writing *writing, bool python, const struct memstats_referent *referent,
                         double percent)
{
	struct mr_buffer *scratch = &writing->scratch;
	const size_t start = writing->buffer.len;
	const size_t indent = 4 + 2 * (size_t)(referent->level > 0 ? referent->level - 1 : 0);

	mr_buffer_clear(scratch);
	mr_buffer_printf(scratch, "%*s", (int)indent, "");
	mr_output_name_of(scratch, python, referent->name, 0, false);
	if (referent->count != 1)
		mr_buffer_printf(scratch, " (%" PRIu64 ")", referent->count);
	mr_buffer_put_u8(scratch, '\0');
	if (scratch->failed)
		return;
	mr_output_name(&writing->buffer, (const char *)scratch->data, REFERENT_WIDTH, false);
	for (size_t at = mr_output_characters(writing->buffer.data + start, writing->buffer.len - start);
	     at < REFERENT_WIDTH; at++)
		mr_buffer_put_u8(&writing->buffer, ' ');
	mr_buffer_put_u8(&writing->buffer, ' ');
	const size_t size_at = writing->buffer.len;

	put_bytes(writing, referent->size_bytes);
	mr_buffer_printf(
		&writing->buffer, "%*s %3d%% [%" PRIu32 "]\n",
		(int)(14 - (writing->buffer.len - size_at < 14 ? writing->buffer.len - size_at : 14)), "",
		(int)percent, referent->level);
}

/* What is under a referent that is left out is left out too. */
static void put_referents(struct mr_writing *writing, bool python, const struct memstats_state *state)
{
	uint32_t hidden_level = UINT32_MAX;

	for (size_t i = 0; i < state->referent_count; i++) {
		const struct memstats_referent *referent = &state->referents[i];

		if (referent->level > hidden_level)
			continue;
		const double percent = state->size_bytes == 0 ? 0
		                                              : (double)referent->size_bytes * 100.0 /
		                                                        (double)state->size_bytes;

		hidden_level = percent > REFERENT_SHARE_MIN ? UINT32_MAX : referent->level;
		if (hidden_level == UINT32_MAX)
			put_referent(writing, python, referent, percent);
	}
}

static void put_object(struct mr_writing *writing, const struct mr_objects_table *table, size_t row,
                       const struct memstats_object *object)
{
	const struct mr_model *model = table->log->model;
	size_t index = 0;
	const struct mr_run *run = &model->runs[mr_run_rows_find(&table->rows, row, &index)];

	/* From census to census objects are mostly as they were. */
	const bool only_changes = mr_run_object_is_of_census(run, index);

	put_head(writing, model, run, index);
	put_trace(writing, object);
	for (size_t i = 0; i < object->state_count; i++) {
		if (only_changes && i > 0 && object->states[i].size_bytes == object->states[i - 1].size_bytes)
			continue;
		put_time(writing, run, object->states[i].time_ns);
		put_bytes(writing, object->states[i].size_bytes);
		mr_buffer_put_u8(&writing->buffer, '\n');
		put_referents(writing, object->language == MEMSTATS_PYTHON, &object->states[i]);
	}
	if (run->objects.death_ns[index] != MR_NONE) {
		put_time(writing, run, run->objects.death_ns[index]);
		mr_buffer_printf(&writing->buffer, "%s\n",
		                 run->objects.death_reason[index] == MR_DEATH_DETACHED ? "detach"
		                                                                       : "finalize");
	}
}

/* A run's own line, where there are several runs. */
static void put_run(struct mr_writing *writing, const struct mr_objects_table *table, size_t row,
                    size_t *run_shown)
{
	const struct mr_model *model = table->log->model;
	size_t index = 0;
	const size_t run = mr_run_rows_find(&table->rows, row, &index);

	if (model->run_count < 2 || run == *run_shown)
		return;
	mr_output_run(writing, model, run);
	*run_shown = run;
}

static int write_batch(struct mr_writing *writing, size_t first, size_t count, size_t *run_shown,
                       struct mr_error *err)
{
	struct memstats_table *table = writing->table;
	const struct mr_objects_table *objects = table->state;
	struct memstats_object *details = NULL;
	size_t *rows = mr_alloc(count * sizeof(*rows));
	int code = 0;

	MR_FAIL_IF(!rows, err, MR_ERR_NOMEM, "no memory for %zu rows", count);
	for (size_t i = 0; i < count; i++)
		rows[i] = first + i;
	code = memstats_objects_new(table, rows, count, &details, (struct memstats_error *)(void *)err);
	for (size_t i = 0; code == 0 && i < count; i++) {
		const size_t row = mr_table_row(table, first + i);

		put_run(writing, objects, row, run_shown);
		put_object(writing, objects, row, &details[i]);
		code = mr_writing_flush(writing, false, err);
	}
	memstats_objects_free(details);
	mr_free(rows);
	return code;
}

int mr_objects_write_text(struct mr_writing *writing, struct mr_error *err)
{
	struct memstats_table *table = writing->table;
	const struct mr_objects_table *objects = table->state;
	size_t run_shown = SIZE_MAX;
	size_t batch = BATCH_FIRST;

	if (table->row_count > 0)
		MR_TRY(mr_model_load(objects->log->model, MR_LOAD_SIZES,
		                     err)); /* for how objects show themselves */
	else if (!mr_log_is_imported(objects->log))
		mr_buffer_printf(&writing->buffer, "(no objects)\n");
	for (size_t first = 0; first < table->row_count;) {
		const size_t left = table->row_count - first;
		const size_t count = left < batch ? left : batch;

		MR_TRY(write_batch(writing, first, count, &run_shown, err));
		first += count;
		batch = batch * BATCH_GROWTH < BATCH_MAX ? batch * BATCH_GROWTH : BATCH_MAX;
	}
	if (!mr_log_is_imported(objects->log))
		mr_output_more(writing);
	return 0;
}
