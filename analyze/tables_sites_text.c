/* SPDX-License-Identifier: MIT
 *
 * The text layout of sites: a line of figures that ends with the site, and its
 * stack below, from the site outwards; what lies between it and the allocator
 * is named in a line of its own.
 */
#include "tables_sites.h"

#include <inttypes.h>

#define RULE_WIDTH 100
#define FRAMES_MAX 16 /* callers that are shown of a stack */
#define NAME_MAX 160  /* characters of a frame */
#define INDENT "            "

static void put_snapshot(struct mr_writing *writing, const struct mr_model *model,
                         const struct mr_heap_snapshot *snapshot)
{
	const char *description = mr_model_string(model, snapshot->description);

	mr_buffer_printf(&writing->buffer, " at snapshot %" PRIu64, snapshot->number);
	if (description[0] != '\0') {
		mr_buffer_printf(&writing->buffer, " \"");
		mr_output_name(&writing->buffer, description, 40, false);
		mr_buffer_put_u8(&writing->buffer, '"');
	}
	mr_buffer_printf(&writing->buffer, ", ");
	mr_output_clock(&writing->buffer, snapshot->time_ns);
}

static void put_run(struct mr_writing *writing, const struct mr_sites_table *table,
                    const struct mr_sites_run *of)
{
	const size_t start = writing->buffer.len;

	mr_buffer_printf(&writing->buffer, "---- SITES");
	if (of->snapshot != MR_INDEX_NONE)
		put_snapshot(writing, table->model,
		             &table->model->runs[of->run].heap_snapshots[of->snapshot]);
	mr_output_rule(&writing->buffer, start, RULE_WIDTH);
	mr_heap_put_figures(writing, &of->figures);
	mr_sites_put_title(writing, of);
}

void mr_sites_put_title(struct mr_writing *writing, const struct mr_sites_run *of)
{
	mr_buffer_printf(&writing->buffer, "\n%10s %6s %8s  %10s %8s  %10s %9s %9s  site\n", "peak", "pct",
	                 "blocks", of->figures.has_ended ? "leaked" : "live", "blocks", "total", "calls",
	                 "temporary");
}

static void put_size(struct mr_writing *writing, uint64_t size_bytes, size_t width)
{
	mr_buffer_clear(&writing->scratch);
	mr_heap_put_bytes(writing, &writing->scratch, size_bytes);
	mr_output_field(&writing->buffer, writing->scratch.data, writing->scratch.len, width, true);
}

static void put_name(struct mr_writing *writing, const char *text)
{
	struct mr_buffer name = { NULL, 0, 0, false };

	mr_name_shorten(&name, text);
	mr_buffer_put_u8(&name, '\0');
	writing->buffer.failed = writing->buffer.failed || name.failed;
	if (!name.failed)
		mr_output_name(&writing->buffer, (const char *)name.data, NAME_MAX, false);
	mr_buffer_release(&name);
}

/* ---- Stacks -------------------------------------------------------------- */

/* Walks over the frames of a stack that are not hidden, innermost first. */
struct walk {
	struct mr_stacks *stacks;
	uint32_t stack;
	uint32_t next; /* the rest of the frames of its code */
	uint32_t left;
};

/* The index of the next frame; 0: no more. */
static uint32_t next_frame(struct walk *walk)
{
	struct mr_stacks *stacks = walk->stacks;

	for (;;) {
		while (walk->left > 0) {
			const uint32_t frame = walk->next++;

			walk->left--;
			if (!stacks->functions[stacks->frames[frame].function].is_hidden)
				return frame;
		}
		if (walk->stack == 0)
			return 0;
		const struct mr_stack *node = &stacks->run->stacks[walk->stack];

		walk->stack = node->parent;
		if (mr_stacks_code(stacks, node->code, &walk->next, &walk->left, NULL) < 0)
			return 0;
	}
}

static const char *text_of(const struct mr_stacks *stacks, uint32_t frame)
{
	const char *text = stacks->frames[frame].text;

	return text ? text : stacks->functions[stacks->frames[frame].function].name;
}

/* What is between the site and the memory, innermost first: the first, and the last, which the site
 * called.  Moves on to the site. */
static void put_wrappers(struct mr_writing *writing, struct mr_stacks *stacks, struct walk *walk,
                         uint32_t site)
{
	uint32_t frame = next_frame(walk), last = 0;
	size_t count = 0;

	if (frame == 0 || frame == site)
		return;
	mr_buffer_printf(&writing->buffer, INDENT "through ");
	put_name(writing, text_of(stacks, frame));
	while ((frame = next_frame(walk)) != 0 && frame != site) {
		last = frame;
		count++;
	}
	if (count > 1)
		mr_buffer_printf(&writing->buffer, " < (%zu more)", count - 1);
	if (last != 0) {
		mr_buffer_append(&writing->buffer, " < ", 3);
		put_name(writing, text_of(stacks, last));
	}
	mr_buffer_put_u8(&writing->buffer, '\n');
}

static void put_stack(struct mr_writing *writing, struct mr_stacks *stacks, uint32_t stack)
{
	const uint32_t site = mr_stacks_site(stacks, stack);
	struct walk walk = { .stacks = stacks, .stack = stack };
	uint32_t frame;

	put_wrappers(writing, stacks, &walk, site);
	size_t count = 0;
	for (; (frame = next_frame(&walk)) != 0; count++) {
		if (count >= FRAMES_MAX)
			continue;
		mr_buffer_printf(&writing->buffer, INDENT "< ");
		put_name(writing, text_of(stacks, frame));
		mr_buffer_put_u8(&writing->buffer, '\n');
	}
	if (count > FRAMES_MAX)
		mr_buffer_printf(&writing->buffer, INDENT "< %zu more frame%s\n", count - FRAMES_MAX,
		                 count == FRAMES_MAX + 1 ? "" : "s");
}

void mr_sites_put_line(struct mr_writing *writing, struct mr_stacks *stacks, uint32_t stack, size_t callers)
{
	const uint32_t site = mr_stacks_site(stacks, stack);
	struct walk walk = { .stacks = stacks, .stack = stack };
	uint32_t frame = next_frame(&walk), through = 0;

	put_name(writing, mr_stacks_site_text(stacks, stack));
	(void)mr_stacks_trace_text(stacks, stack); /* makes the texts of frames, where there is memory */
	for (; frame != 0 && frame != site; frame = next_frame(&walk))
		through = frame;
	/* What a line of the site calls for memory tells it from others of that line. */
	if (through != 0 && stacks->functions[stacks->frames[through].function].kind == MR_FRAME_RUNTIME) {
		mr_buffer_printf(&writing->buffer, " through ");
		put_name(writing, stacks->functions[stacks->frames[through].function].name);
	}
	for (size_t i = 0; i < callers && (frame = next_frame(&walk)) != 0; i++) {
		/* Who calls main() is of no interest here. */
		if (strncmp(stacks->functions[stacks->frames[frame].function].name, "__libc_start_", 13) == 0)
			break;
		mr_buffer_append(&writing->buffer, " < ", 3);
		put_name(writing, text_of(stacks, frame));
	}
}

void mr_sites_put(struct mr_writing *writing, const struct mr_sites_run *of, const struct mr_heap_site *site)
{
	struct mr_buffer *out = &writing->buffer;
	const char *module = mr_stacks_site_module(of->stacks, site->stack);
	const char *text = mr_stacks_site_text(of->stacks, site->stack);
	const uint64_t peak = of->figures.peak_bytes;

	put_size(writing, site->peak_bytes, 10);
	mr_buffer_printf(out, " %5.1f%% %8" PRIu64 "  ",
	                 peak > 0 ? (double)site->peak_bytes * 100.0 / (double)peak : 0.0, site->peak_count);
	put_size(writing, site->live_bytes, 10);
	mr_buffer_printf(out, " %8" PRIu64 "  ", site->live_count);
	put_size(writing, site->total_bytes, 10);
	mr_buffer_printf(out, " %9" PRIu64 " %9" PRIu64 "  ", site->count, site->temporary);
	put_name(writing, text);
	if (module[0] != '\0' && strncmp(text, module, strlen(module)) != 0) { /* "libc.so.6+0x50" has it */
		mr_buffer_printf(out, " in ");
		put_name(writing, module);
	}
	mr_buffer_put_u8(out, '\n');
	put_stack(writing, of->stacks, site->stack);
}

/* ---- Rows ---------------------------------------------------------------- */

/* The shown rows of a run are chained: heads by run, links by row, both + 1; in their order. */
struct chains {
	uint32_t *heads;
	uint32_t *tails;
	uint32_t *links;
};

static int chain_rows(struct chains *chains, const struct memstats_table *shown, struct mr_error *err)
{
	const struct mr_sites_table *table = shown->state;

	chains->heads = mr_alloc((table->run_count + 1) * sizeof(*chains->heads));
	chains->tails = mr_alloc((table->run_count + 1) * sizeof(*chains->tails));
	chains->links = mr_alloc((shown->row_count + 1) * sizeof(*chains->links));
	MR_FAIL_IF(!chains->heads || !chains->tails || !chains->links, err, MR_ERR_NOMEM,
	           "no memory to write table sites");
	for (uint32_t i = 0; i < shown->row_count; i++) {
		const uint32_t of = table->rows[mr_table_row(shown, i)].of;

		if (chains->heads[of] == 0)
			chains->heads[of] = i + 1;
		else
			chains->links[chains->tails[of] - 1] = i + 1;
		chains->tails[of] = i + 1;
	}
	return 0;
}

/* Runs in the order of their first rows. */
static int put_rows(struct mr_writing *writing, const struct chains *chains, struct mr_error *err)
{
	const struct memstats_table *shown = writing->table;
	const struct mr_sites_table *table = shown->state;

	for (uint32_t i = 0; i < shown->row_count; i++) {
		const struct mr_sites_run *of = &table->runs[table->rows[mr_table_row(shown, i)].of];

		if (chains->heads[of - table->runs] != i + 1)
			continue;
		if (table->model->run_count > 1)
			mr_output_run(writing, table->model, of->run);
		put_run(writing, table, of);
		for (uint32_t next = i + 1; next != 0; next = chains->links[next - 1]) {
			mr_sites_put(writing, of, mr_site_of(table, mr_table_row(shown, next - 1)));
			MR_TRY(mr_writing_flush(writing, false, err));
		}
	}
	return 0;
}

int mr_sites_write_text(struct mr_writing *writing, struct mr_error *err)
{
	struct chains chains = { NULL, NULL, NULL };

	int code = mr_table_finish(writing->table, err);
	if (code == 0)
		code = chain_rows(&chains, writing->table, err);
	if (code == 0)
		code = put_rows(writing, &chains, err);
	mr_free(chains.heads);
	mr_free(chains.tails);
	mr_free(chains.links);
	if (writing->table->row_count == 0)
		mr_buffer_printf(&writing->buffer, "(no sites)\n");
	mr_output_more(writing);
	return code;
}
