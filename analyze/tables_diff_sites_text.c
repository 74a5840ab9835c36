/* SPDX-License-Identifier: MIT
 *
 * The text layout of sites that are compared: what is new, grown, shrunk and
 * gone, figures on one line and the call stack below them.
 */
#include <inttypes.h>

#include "tables_diff.h"

#define STACK_WIDTH 72

static void put_moment(struct mr_writing *writing, const struct mr_model *model,
                       const struct mr_heap_snapshot *snapshot)
{
	const char *description = mr_model_string(model, snapshot->description);

	mr_buffer_printf(&writing->buffer, "%" PRIu64 " ", snapshot->number);
	if (description[0] != '\0') {
		mr_output_name(&writing->buffer, description, 16, false);
		mr_buffer_put_u8(&writing->buffer, ' ');
	}
	mr_buffer_put_u8(&writing->buffer, '(');
	mr_output_clock(&writing->buffer, snapshot->time_ns);
	mr_buffer_put_u8(&writing->buffer, ')');
}

static void put_title(struct mr_writing *writing, const struct mr_diff *diff, const struct mr_diff_pair *pair)
{
	struct mr_buffer *out = &writing->buffer;
	const struct mr_model *model = diff->log->model;

	if (pair->run != MR_INDEX_NONE && model->run_count > 1)
		mr_output_run(writing, model, pair->run);
	const size_t start = out->len;

	mr_buffer_printf(out, "---- DIFF of sites, ");
	if (pair->run != MR_INDEX_NONE) {
		const struct mr_run *run = &model->runs[pair->run];

		put_moment(writing, model, &run->heap_snapshots[pair->from]);
		mr_buffer_printf(out, " to ");
		put_moment(writing, model, &run->heap_snapshots[pair->to]);
	} else {
		mr_output_name(out, diff->log->words[0], 25, true);
		mr_buffer_printf(out, " to ");
		mr_output_name(out, diff->log->words[1], 25, true);
	}
	mr_output_rule(out, start, MR_OUTPUT_WIDTH);
}

static void put_number(struct mr_writing *writing, uint64_t number)
{
	mr_buffer_printf(&writing->buffer, "  %10" PRIu64, number);
}

/* The site with its place, and then the names of its callers as far as there is room. */
static void put_stack(struct mr_writing *writing, const struct mr_diff_pair *pair,
                      const struct mr_diff_row *row)
{
	struct mr_buffer stack = { NULL, 0, 0, false };
	struct mr_buffer name = { NULL, 0, 0, false };

	mr_name_shorten(&stack, row->class_name);
	for (uint32_t key = pair->keys[row->site->key].parent; key != 0 && stack.len < 4 * STACK_WIDTH;
	     key = pair->keys[key].parent) {
		mr_buffer_append(&stack, " < ", 3);
		mr_buffer_clear(&name);
		mr_buffer_append(&name, pair->keys[key].name, pair->keys[key].name_len);
		mr_buffer_put_u8(&name, '\0');
		if (!name.failed)
			mr_name_shorten(&stack, (const char *)name.data);
	}
	mr_buffer_put_u8(&stack, '\0');
	mr_buffer_printf(&writing->buffer, "        ");
	if (stack.failed || name.failed)
		writing->buffer.failed = true;
	else
		mr_output_name(&writing->buffer, (const char *)stack.data, STACK_WIDTH, false);
	mr_buffer_put_u8(&writing->buffer, '\n');
	mr_buffer_release(&stack);
	mr_buffer_release(&name);
}

/* The rows of a verdict; gives how many there are. */
static size_t put_verdict(struct mr_writing *writing, uint32_t pair, enum mr_verdict verdict)
{
	const struct mr_diff *diff = writing->table->state;
	const struct mr_diff_row *row = NULL;
	size_t count = 0;
	size_t at = 0;

	while ((row = mr_diff_next_row(writing->table, pair, &at)) != NULL) {
		if (mr_diff_verdict(diff, row) != verdict)
			continue;
		if (count++ == 0)
			mr_buffer_printf(&writing->buffer, "%-6s%12s%12s%12s%12s%12s%12s\n",
			                 mr_verdict_name(verdict), "live", "change", "peak", "change",
			                 "calls", "change");
		const struct mr_stack_cost *before = &row->site->before;
		const struct mr_stack_cost *after = &row->site->after;

		mr_buffer_printf(&writing->buffer, "%4s", "");
		mr_diff_put_bytes(writing, after->live_bytes, ' ');
		mr_diff_put_change(writing, before->live_bytes, after->live_bytes, true);
		mr_diff_put_bytes(writing, after->peak_bytes, ' ');
		mr_diff_put_change(writing, before->peak_bytes, after->peak_bytes, true);
		put_number(writing, after->count);
		mr_diff_put_change(writing, before->count, after->count, false);
		mr_buffer_put_u8(&writing->buffer, '\n');
		put_stack(writing, &diff->pairs[pair], row);
	}
	return count;
}

void mr_diff_put_sites(struct mr_writing *writing, uint32_t pair)
{
	static const enum mr_verdict order[] = { MR_VERDICT_NEW, MR_VERDICT_GROWN, MR_VERDICT_SHRUNK,
		                                 MR_VERDICT_GONE };
	const struct mr_diff *diff = writing->table->state;
	const struct mr_diff_row *row = NULL;
	size_t count = 0;
	size_t same = 0;
	size_t at = 0;

	put_title(writing, diff, &diff->pairs[pair]);
	for (size_t i = 0; i < MR_ARRAY_LEN(order); i++)
		count += put_verdict(writing, pair, order[i]);
	while ((row = mr_diff_next_row(writing->table, pair, &at)) != NULL)
		same += mr_diff_verdict(diff, row) == MR_VERDICT_SAME;
	if (same > 0)
		mr_buffer_printf(&writing->buffer, "(%zu %s the same)\n", same,
		                 same == 1 ? "site is" : "sites are");
	else if (count == 0)
		mr_buffer_printf(&writing->buffer, "(no sites)\n");
}
