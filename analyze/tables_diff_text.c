/* SPDX-License-Identifier: MIT
 *
 * The text layout of a diff.  Within a run, as Reftracker prints one: what was
 * created, what was deleted, what persists, and what that comes to.  Of two
 * logs: what is new, grown, shrunk and gone.
 */
#include <inttypes.h>

#include "tables_diff.h"

void mr_diff_put_bytes(struct mr_writing *writing, uint64_t size_bytes, char sign)
{
	char number[32];
	char text[40];

	if (writing->flags & MEMSTATS_EXACT_BYTES)
		snprintf(number, sizeof(number), "%" PRIu64, size_bytes);
	else
		mr_text_bytes_short(number, size_bytes);
	snprintf(text, sizeof(text), "%s%s", sign == '+' ? "+" : sign == '-' ? "-" : "", number);
	mr_buffer_printf(&writing->buffer, "  %12s", text);
}

void mr_diff_put_change(struct mr_writing *writing, uint64_t before, uint64_t after, bool bytes)
{
	const uint64_t size = after > before ? after - before : before - after;
	const char sign = after == before ? ' ' : after > before ? '+' : '-';
	char text[32];

	if (bytes) {
		mr_diff_put_bytes(writing, size, sign);
		return;
	}
	snprintf(text, sizeof(text), "%s%" PRIu64, sign == ' ' ? "" : sign == '+' ? "+" : "-", size);
	mr_buffer_printf(&writing->buffer, "  %12s", text);
}

static void put_class(struct mr_writing *writing, const struct mr_diff_row *row)
{
	mr_buffer_append(&writing->buffer, "  ", 2);
	mr_output_name(&writing->buffer, row->class_name, 48, false);
	mr_buffer_put_u8(&writing->buffer, '\n');
}

/* The next row of PAIR from *AT on, or NULL. */
const struct mr_diff_row *mr_diff_next_row(const struct memstats_table *table, uint32_t pair, size_t *at)
{
	const struct mr_diff *diff = table->state;

	while (*at < table->row_count) {
		const struct mr_diff_row *row = &diff->rows[mr_table_row(table, (*at)++)];

		if (row->pair == pair)
			return row;
	}
	return NULL;
}

/* ---- Within a run -------------------------------------------------------- */

enum section { CREATED, DELETED, PERSISTENT };

static const struct mr_amount *amount_of(const struct mr_diff_row *row, enum section section)
{
	return section == CREATED ? &row->created : section == DELETED ? &row->deleted : &row->persistent;
}

static void put_section(struct mr_writing *writing, uint32_t pair, enum section section)
{
	static const char *const titles[] = { "created", "deleted", "persistent" };
	struct mr_amount sum = { 0, 0 };
	size_t at = 0;
	size_t classes = 0;
	const struct mr_diff_row *row = NULL;

	mr_buffer_printf(&writing->buffer, "%-12s  %12s  %12s  class\n", titles[section], "count", "size");
	while ((row = mr_diff_next_row(writing->table, pair, &at)) != NULL) {
		const struct mr_amount *amount = amount_of(row, section);

		if (amount->count == 0)
			continue;
		mr_buffer_printf(&writing->buffer, "%12s  %12" PRIu64, "", amount->count);
		mr_diff_put_bytes(writing, amount->size_bytes, ' ');
		put_class(writing, row);
		sum.count += amount->count;
		sum.size_bytes += amount->size_bytes;
		classes++;
	}
	if (classes == 0)
		mr_buffer_printf(&writing->buffer, "%12s  %12s\n", "", "none");
	if (classes > 1) {
		mr_buffer_printf(&writing->buffer, "%12s  %12" PRIu64, "", sum.count);
		mr_diff_put_bytes(writing, sum.size_bytes, ' ');
		mr_buffer_printf(&writing->buffer, "  (all)\n");
	}
}

static void put_changes(struct mr_writing *writing, uint32_t pair)
{
	const struct mr_diff *diff = writing->table->state;
	const struct mr_diff_row *row = NULL;
	size_t at = 0;
	size_t classes = 0;

	mr_buffer_printf(&writing->buffer, "%-12s  %12s  %12s  class\n", "change", "count", "size");
	while ((row = mr_diff_next_row(writing->table, pair, &at)) != NULL) {
		if (mr_diff_verdict(diff, row) == MR_VERDICT_SAME)
			continue;
		mr_buffer_printf(&writing->buffer, "%12s", mr_verdict_name(mr_diff_verdict(diff, row)));
		mr_diff_put_change(writing, row->before.count, row->after.count, false);
		mr_diff_put_change(writing, row->before.size_bytes, row->after.size_bytes, true);
		put_class(writing, row);
		classes++;
	}
	if (classes == 0)
		mr_buffer_printf(&writing->buffer, "%12s  %12s\n", "", "none");
}

static void put_snapshot(struct mr_writing *writing, const struct mr_model *model,
                         const struct mr_snapshot *snapshot)
{
	const char *description = mr_model_string(model, snapshot->description);

	mr_buffer_printf(&writing->buffer, "%" PRIu64 " ", snapshot->number);
	if (description[0] != '\0') {
		mr_output_name(&writing->buffer, description, 20, false);
		mr_buffer_put_u8(&writing->buffer, ' ');
	}
	mr_buffer_put_u8(&writing->buffer, '(');
	mr_output_clock(&writing->buffer, snapshot->time_ns);
	mr_buffer_put_u8(&writing->buffer, ')');
}

static void put_title(struct mr_writing *writing, enum mr_diff_kind kind)
{
	mr_buffer_printf(&writing->buffer, "---- DIFF %s", kind == MR_DIFF_TYPES ? "of all objects, " : "");
}

static void put_run(struct mr_writing *writing, uint32_t index)
{
	const struct mr_diff *diff = writing->table->state;
	const struct mr_diff_pair *pair = &diff->pairs[index];
	const struct mr_model *model = diff->log->model;
	const struct mr_run *run = &model->runs[pair->run];

	if (model->run_count > 1)
		mr_output_run(writing, model, pair->run);
	const size_t start = writing->buffer.len;

	put_title(writing, pair->kind);
	put_snapshot(writing, model, &run->snapshots[pair->from]);
	mr_buffer_printf(&writing->buffer, " to ");
	put_snapshot(writing, model, &run->snapshots[pair->to]);
	mr_output_rule(&writing->buffer, start, MR_OUTPUT_WIDTH);
	put_section(writing, index, CREATED);
	put_section(writing, index, DELETED);
	put_section(writing, index, PERSISTENT);
	put_changes(writing, index);
}

/* ---- Two logs ------------------------------------------------------------ */

static void put_verdict(struct mr_writing *writing, uint32_t pair, enum mr_verdict verdict)
{
	const struct mr_diff *diff = writing->table->state;
	const struct mr_diff_row *row = NULL;
	bool titled = false;
	size_t at = 0;

	while ((row = mr_diff_next_row(writing->table, pair, &at)) != NULL) {
		if (mr_diff_verdict(diff, row) != verdict)
			continue;
		if (!titled)
			mr_buffer_printf(&writing->buffer, "%-6s  %10s  %10s  %12s  %12s  %12s  class\n",
			                 mr_verdict_name(verdict), "count", "was", "size", "was", "change");
		titled = true;
		mr_buffer_printf(&writing->buffer, "%6s  %10" PRIu64 "  %10" PRIu64, "", row->after.count,
		                 row->before.count);
		mr_diff_put_bytes(writing, row->after.size_bytes, ' ');
		mr_diff_put_bytes(writing, row->before.size_bytes, ' ');
		mr_diff_put_change(writing, row->before.size_bytes, row->after.size_bytes, true);
		put_class(writing, row);
	}
}

static void put_files(struct mr_writing *writing, uint32_t pair)
{
	static const enum mr_verdict order[] = { MR_VERDICT_NEW, MR_VERDICT_GROWN, MR_VERDICT_SHRUNK,
		                                 MR_VERDICT_GONE, MR_VERDICT_SAME };
	const struct mr_diff *diff = writing->table->state;
	const size_t start = writing->buffer.len;

	put_title(writing, diff->pairs[pair].kind);
	mr_output_name(&writing->buffer, diff->log->words[0], 30, true);
	mr_buffer_printf(&writing->buffer, " to ");
	mr_output_name(&writing->buffer, diff->log->words[1], 30, true);
	mr_output_rule(&writing->buffer, start, MR_OUTPUT_WIDTH);
	for (size_t i = 0; i < MR_ARRAY_LEN(order); i++)
		put_verdict(writing, pair, order[i]);
	if (writing->table->row_count == 0)
		mr_buffer_printf(&writing->buffer, "(no classes)\n");
}

int mr_diff_write_text(struct mr_writing *writing, struct mr_error *err)
{
	const struct mr_diff *diff = writing->table->state;

	if (diff->pair_count == 0)
		mr_buffer_printf(&writing->buffer, "(no snapshots)\n");
	for (uint32_t i = 0; i < diff->pair_count; i++) {
		if (diff->pairs[i].kind == MR_DIFF_SITES)
			mr_diff_put_sites(writing, i);
		else if (diff->pairs[i].run == MR_INDEX_NONE)
			put_files(writing, i);
		else
			put_run(writing, i);
		MR_TRY(mr_writing_flush(writing, false, err));
	}
	mr_output_more(writing);
	return 0;
}
