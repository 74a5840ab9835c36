/* SPDX-License-Identifier: MIT
 *
 * The heap in the summary: what somebody wants to know first of a recorded
 * program.  How it ended, its peak, what it leaked, where both were allocated,
 * and what the recorder did not see.
 */
#include <inttypes.h>

#include "tables_sites.h"

#define RUNS_SHOWN 10 /* the first in full, a line of each of the others */
#define SITES_SHOWN 10
#define LEAKS_SHOWN 5
#define CALLERS_SHOWN 2

/* ---- A run ----------------------------------------------------------------- */

static void put_end(struct mr_writing *writing, const struct mr_run *run)
{
	struct mr_buffer *out = &writing->buffer;
	char text[32];

	switch (run->exit_state) {
	case MR_EXIT_EXITED:
		mr_buffer_printf(out, ", exited with status %" PRIu64, run->exit_value);
		break;
	case MR_EXIT_SIGNALLED:
		mr_buffer_printf(out, ", ended by signal %" PRIu64, run->exit_value);
		break;
	case MR_EXIT_RUNNING:
		mr_buffer_printf(out, ", still running");
		break;
	}
	mr_text_duration(text, run->exit_time_ns != MR_NONE ? run->exit_time_ns : run->end_ns);
	mr_buffer_printf(out, ", after %s", text);
}

static void put_facts(struct mr_writing *writing, const struct mr_model *model, const struct mr_run *run)
{
	struct mr_heap_fact facts[MR_HEAP_FACTS_MAX];
	const size_t count = mr_heap_facts(model, run, facts);
	struct mr_buffer *out = &writing->buffer;
	uint64_t waits, wait_ns;
	uint32_t modules;
	const uint32_t nameless = mr_heap_nameless_modules(model, run, &modules);
	char text[32];

	for (size_t i = 0; i < count; i++)
		mr_buffer_printf(out, "%-10s %s: %" PRIu64 "\n", i == 0 ? "left out" : "", facts[i].text,
		                 facts[i].value);
	if (nameless > 0)
		mr_buffer_printf(out,
		                 "unnamed    %" PRIu32 " of %" PRIu32 " %s without symbols; "
		                 "'memstats symbolize' may find some\n",
		                 nameless, modules, modules == 1 ? "module is" : "modules are");
	mr_heap_waits(run, &waits, &wait_ns);
	if (waits > 0) {
		mr_text_duration(text, wait_ns);
		mr_buffer_printf(out, "waited     %" PRIu64 " %s for the recorder, %s in all\n", waits,
		                 waits == 1 ? "time" : "times", text);
	}
}

/* ---- Sites ------------------------------------------------------------------ */

static int compare_peak(const struct mr_heap_site *a, const struct mr_heap_site *b)
{
	if (a->peak_bytes != b->peak_bytes)
		return a->peak_bytes > b->peak_bytes ? -1 : 1;
	if (a->total_bytes != b->total_bytes)
		return a->total_bytes > b->total_bytes ? -1 : 1;
	return a->stack < b->stack ? -1 : a->stack > b->stack;
}

static int compare_leaked(const struct mr_heap_site *a, const struct mr_heap_site *b)
{
	if (a->live_bytes != b->live_bytes)
		return a->live_bytes > b->live_bytes ? -1 : 1;
	return a->stack < b->stack ? -1 : a->stack > b->stack;
}

static void put_size(struct mr_writing *writing, uint64_t size_bytes, size_t width)
{
	mr_buffer_clear(&writing->scratch);
	mr_heap_put_bytes(writing, &writing->scratch, size_bytes);
	mr_output_field(&writing->buffer, writing->scratch.data, writing->scratch.len, width, true);
}

static void put_percent(struct mr_writing *writing, uint64_t part, uint64_t whole)
{
	mr_buffer_printf(&writing->buffer, " %5.1f%%",
	                 whole > 0 ? (double)part * 100.0 / (double)whole : 0.0);
}

/* The first sites, at most MOST, in the order of COMPARE; gives how many. */
static size_t find_first(const struct mr_heap_sites *sites,
                         int (*compare)(const struct mr_heap_site *, const struct mr_heap_site *),
                         size_t most, const struct mr_heap_site **first)
{
	size_t count = 0;

	for (size_t i = 0; i < sites->count; i++) {
		const struct mr_heap_site *const site = &sites->sites[i];
		size_t at = count;

		while (at > 0 && compare(site, first[at - 1]) < 0)
			at--;
		if (at == most)
			continue;
		count += count < most;
		memmove(first + at + 1, first + at, (count - at - 1) * sizeof(*first));
		first[at] = site;
	}
	return count;
}

/* What was held at the peak, or LEAKED, by the sites with most of it. */
static int put_sites(struct mr_writing *writing, const struct mr_heap_sites *sites, struct mr_stacks *stacks,
                     const struct mr_heap_figures *figures, bool leaked, struct mr_error *err)
{
	const struct mr_heap_site *shown[SITES_SHOWN > LEAKS_SHOWN ? SITES_SHOWN : LEAKS_SHOWN];
	const size_t count = leaked ? find_first(sites, compare_leaked, LEAKS_SHOWN, shown)
	                            : find_first(sites, compare_peak, SITES_SHOWN, shown);
	struct mr_buffer *out = &writing->buffer;

	if (count == 0 || (leaked && shown[0]->live_bytes == 0))
		return 0;
	mr_buffer_printf(out, "\n%10s %6s %9s %10s  %s\n", leaked ? "leaked" : "peak", "pct",
	                 leaked ? "blocks" : "calls", leaked ? "peak" : "leaked",
	                 leaked ? "leaked by" : "held at the peak by");
	for (size_t i = 0; i < count; i++) {
		const struct mr_heap_site *site = shown[i];
		const uint64_t first = leaked ? site->live_bytes : site->peak_bytes;

		if (first == 0)
			break;
		MR_TRY(mr_stacks_resolve(stacks, site->stack, err));
		put_size(writing, first, 10);
		put_percent(writing, first, leaked ? figures->live_bytes : figures->peak_bytes);
		mr_buffer_printf(out, " %9" PRIu64 " ", leaked ? site->live_count : site->count);
		put_size(writing, leaked ? site->peak_bytes : site->live_bytes, 10);
		mr_buffer_printf(out, "  ");
		mr_sites_put_line(writing, stacks, site->stack, CALLERS_SHOWN);
		mr_buffer_put_u8(out, '\n');
	}
	return 0;
}

static int put_run(struct mr_writing *writing, struct mr_model *model, uint32_t index, struct mr_error *err)
{
	const struct mr_run *run = &model->runs[index];
	struct mr_heap_figures figures;
	struct mr_heap_sites sites = { 0 };
	struct mr_stacks *stacks = NULL;

	if (model->run_count > 1)
		mr_buffer_printf(&writing->buffer, "==== run %" PRIu32 ": ", index + 1);
	mr_output_name(&writing->buffer, mr_run_name(model, run), 40, false);
	mr_buffer_printf(&writing->buffer, ", pid %" PRIu64, run->pid);
	put_end(writing, run);
	mr_buffer_put_u8(&writing->buffer, '\n');
	if (!mr_heap_figures(run, MR_INDEX_NONE, &figures)) {
		mr_buffer_printf(&writing->buffer, "(no snapshot of its heap)\n");
		return 0;
	}
	mr_heap_put_figures(writing, &figures);
	put_facts(writing, model, run);
	int code = mr_stacks_new(model, run, NULL, &stacks, err);
	if (code == 0)
		code = mr_model_heap_sites(model, index, MR_INDEX_NONE, &sites, err);
	if (code == 0)
		code = put_sites(writing, &sites, stacks, &figures, false, err);
	if (code == 0)
		code = put_sites(writing, &sites, stacks, &figures, true, err);
	mr_heap_sites_release(&sites);
	mr_stacks_free(stacks);
	return code;
}

/* ---- All of them -------------------------------------------------------------- */

/* The RUNS_SHOWN runs with the highest peaks, highest first; gives how many runs have a heap. */
static size_t choose_runs(const struct mr_model *model, uint32_t shown[RUNS_SHOWN], size_t *shown_count)
{
	uint64_t peaks[RUNS_SHOWN + 1];
	size_t total = 0;

	*shown_count = 0;
	for (uint32_t i = 0; i < model->run_count; i++) {
		struct mr_heap_figures figures;
		size_t at = *shown_count;

		if (model->runs[i].heap_image_count == 0)
			continue;
		total++;
		(void)mr_heap_figures(&model->runs[i], MR_INDEX_NONE, &figures);
		while (at > 0 && peaks[at - 1] < figures.peak_bytes)
			at--;
		if (at == RUNS_SHOWN)
			continue;
		for (size_t k = *shown_count < RUNS_SHOWN ? (*shown_count)++ : RUNS_SHOWN - 1; k > at; k--) {
			peaks[k] = peaks[k - 1];
			shown[k] = shown[k - 1];
		}
		peaks[at] = figures.peak_bytes;
		shown[at] = i;
	}
	return total;
}

static void put_path(struct mr_writing *writing)
{
	const struct memstats_log *log = writing->table->log;

	mr_output_name(&writing->buffer, mr_log_path_count(log) == 1 ? mr_log_path(log, 0) : "FILE...", 200,
	               true);
}

/* The processes after the first one, a line each. */
static void put_others(struct mr_writing *writing, const struct mr_model *model, const uint32_t *shown,
                       size_t count, size_t total)
{
	struct mr_buffer *out = &writing->buffer;

	mr_buffer_printf(out, "\n%10s %10s %10s %10s  other processes\n", "peak", "leaked", "calls", "pid");
	for (size_t i = 1; i < count; i++) {
		const struct mr_run *run = &model->runs[shown[i]];
		struct mr_heap_figures figures;

		(void)mr_heap_figures(run, MR_INDEX_NONE, &figures);
		put_size(writing, figures.peak_bytes, 10);
		mr_buffer_put_u8(out, ' ');
		put_size(writing, figures.live_bytes, 10);
		mr_buffer_printf(out, " %10" PRIu64 " %10" PRIu64 "  ", figures.count, run->pid);
		mr_output_name(out, mr_run_name(model, run), 40, false);
		mr_buffer_put_u8(out, '\n');
	}
	if (total > count)
		mr_buffer_printf(out, "%43s  (%zu more: memstats runs --sort heap_peak)\n", "",
		                 total - count);
}

int mr_summary_put_heap(struct mr_writing *writing, struct mr_error *err)
{
	struct mr_model *model = writing->table->log->model;
	uint32_t shown[RUNS_SHOWN];
	size_t count;
	const size_t total = choose_runs(model, shown, &count);
	const size_t start = writing->buffer.len;

	if (total == 0)
		return 0;
	mr_buffer_printf(&writing->buffer, "---- HEAP");
	mr_output_rule(&writing->buffer, start, MR_OUTPUT_WIDTH);
	MR_TRY(put_run(writing, model, shown[0], err));
	if (total > 1)
		put_others(writing, model, shown, count, total);
	mr_output_rule(&writing->buffer, writing->buffer.len, MR_OUTPUT_WIDTH);
	mr_buffer_printf(&writing->buffer, "With call stacks: memstats sites ");
	put_path(writing);
	mr_buffer_printf(&writing->buffer, "; also tables tree, functions, heap, health\n");
	return 0;
}
