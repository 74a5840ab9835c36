/* SPDX-License-Identifier: MIT
 *
 * The recorded heap in short: its figures and verdicts for the headline, and
 * what the recorder did not see.
 */
#include "section_heap.h"

#include "log_format.h"

#include "suspects.h"

const char *mr_section_end_words(const struct mr_report_run *run)
{
	return strcmp(run->exit, "exited") == 0 ? "at exit" : "when the recording ended";
}

/* ---- Figures ---------------------------------------------------------------------- */

static struct mr_scope *add_figure(struct mr_scope *scope, const char *label, const char *note)
{
	struct mr_scope *figure = mr_scope_add(scope, "figures");
	mr_scope_text(figure, "label", label);
	mr_scope_text(figure, "note", note);
	return figure;
}

void mr_section_heap_figures(struct mr_scope *scope, const struct mr_report_run *run)
{
	const struct mr_report_heap *heap = run->heap;
	char note[160], text[40];
	snprintf(note, sizeof(note), "in %s", mr_section_plural(scope, heap->peak_count, "block", "blocks"));
	if (heap->peak_time_ns != MR_NO_VALUE) {
		mr_text_duration(text, heap->peak_time_ns);
		snprintf(note + strlen(note), sizeof(note) - strlen(note), ", at %s", text);
	}
	mr_scope_bytes(add_figure(scope, "Peak heap", note), "value", heap->cost[MR_COST_PEAK]);
	snprintf(note, sizeof(note), "in %s, %s",
	         mr_section_plural(scope, heap->leaked_count, "block", "blocks"), mr_section_end_words(run));
	mr_scope_bytes(add_figure(scope, "Leaked", note), "value", heap->cost[MR_COST_LEAKED]);
	mr_text_bytes_short(text, heap->cost[MR_COST_TOTAL]);
	snprintf(note, sizeof(note), "%s in all", text);
	if (run->duration_ns > 0) {
		mr_count_text(text,
		              (uint64_t)((double)heap->cost[MR_COST_COUNT] * 1e9 / (double)run->duration_ns));
		snprintf(note + strlen(note), sizeof(note) - strlen(note), ", %s a second", text);
	}
	mr_scope_count(add_figure(scope, "Allocations", note), "value", heap->cost[MR_COST_COUNT]);
	mr_count_text(text, heap->cost[MR_COST_TEMPORARY]);
	snprintf(note, sizeof(note), "%s freed before the next", text);
	mr_section_share(add_figure(scope, "Temporary", note), "value", (double)heap->cost[MR_COST_TEMPORARY],
	                 (double)heap->cost[MR_COST_COUNT]);
}

/* ---- Verdicts ----------------------------------------------------------------------- */

static void add_verdict(struct mr_scope *scope, const char *tone, const char *text)
{
	struct mr_scope *verdict = mr_scope_add(scope, "verdicts");
	mr_scope_text(verdict, "tone", tone);
	mr_scope_format(verdict, "text", "%s", text);
}

static void judge_leak(struct mr_scope *scope, const struct mr_report_run *run)
{
	const struct mr_report_heap *heap = run->heap;
	char text[256], size[40], percent[32];
	if (heap->cost[MR_COST_LEAKED] == 0 && heap->leaked_count == 0) {
		add_verdict(scope, "good", "Nothing was leaked.");
		return;
	}
	mr_text_bytes_short(size, heap->cost[MR_COST_LEAKED]);
	mr_percent_words(percent, (double)heap->cost[MR_COST_LEAKED], (double)heap->cost[MR_COST_PEAK]);
	snprintf(text, sizeof(text), "%s in %s %s not freed %s: %s of the peak.", size,
	         mr_section_plural(scope, heap->leaked_count, "block", "blocks"),
	         heap->leaked_count == 1 ? "was" : "were", mr_section_end_words(run), percent);
	add_verdict(scope, "note", text);
}

static void judge_growth(struct mr_scope *scope, const struct mr_report_heap *heap)
{
	char text[256], first[40], last[40];
	if (!heap->only_grows)
		return;
	mr_text_bytes_short(first, heap->moments[0].live);
	mr_text_bytes_short(last, heap->moments[heap->moment_count - 1].live);
	snprintf(text, sizeof(text),
	         "Live memory only grows: in each fifth of the run its lowest point lies above that of the "
	         "fifth before, from %s at the start to %s at the end.",
	         first, last);
	add_verdict(scope, "bad", text);
}

/* What the resident memory was made of when it was largest, if that was looked at then, or nearly. */
static void judge_account(struct mr_scope *scope, const struct mr_report_run *run)
{
	const struct mr_heap_account *account = &run->heap->account;
	char text[256], rss[40], live[32], slack[32];
	size_t most = 0;
	for (size_t i = 0; i < account->count; i++)
		most = account->rss[i] > account->rss[most] ? i : most;
	if (account->count == 0 || account->rss[most] <= 0 ||
	    (run->rss_max != MR_NO_VALUE && account->rss[most] < 0.8 * (double)run->rss_max))
		return;
	mr_text_bytes_short(rss, (uint64_t)account->rss[most]);
	mr_percent_words(live, account->parts[MR_ACCOUNT_PART_LIVE][most], account->rss[most]);
	mr_percent_words(slack, account->parts[MR_ACCOUNT_PART_SLACK][most], account->rss[most]);
	snprintf(text, sizeof(text),
	         "Of the resident memory at its peak, %s, live blocks are %s and the allocator's slack %s.",
	         rss, live, slack);
	add_verdict(scope, "note", text);
}

/* What the recorder counted that it could not see, or had to guess. */
static void tell_losses(const struct mr_view *view, struct mr_scope *scope)
{
#define LOSS(key, words) { key, words },
	static const struct {
		const char *key;
		const char *words;
	} losses[] = { MR_HEAP_LOSS_KEYS(LOSS) };
#undef LOSS
	const struct memstats_table *table = view->data->heap.health;
	const int runs = mr_report_rows_column(table, "run"), items = mr_report_rows_column(table, "item"),
		  values = mr_report_rows_column(table, "value");
	uint64_t sums[MR_ARRAY_LEN(losses)] = { 0 };
	struct mr_buffer text = { 0 };
	/* Each image of a process has its own. */
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		if (mr_report_rows_number(table, row, runs) != view->run->id)
			continue;
		const uint64_t value = mr_report_rows_number(table, row, values);
		const char *item = mr_report_rows_text(table, row, items);
		for (size_t i = 0; i < MR_ARRAY_LEN(losses) && value != MR_NO_VALUE; i++)
			sums[i] += strcmp(item, losses[i].key) == 0 ? value : 0;
	}
	for (size_t i = 0; i < MR_ARRAY_LEN(losses); i++) {
		char number[32];
		if (sums[i] == 0)
			continue;
		mr_count_text(number, sums[i]);
		mr_buffer_printf(&text, "%s%s (%s)",
		                 text.len > 0 ? "; " : "What was not seen, or had to be guessed: ",
		                 losses[i].words, number);
	}
	const bool any = text.len > 0;
	mr_buffer_put_u8(&text, '.');
	mr_buffer_put_u8(&text, 0);
	if (any && !text.failed)
		add_verdict(scope, "note", (const char *)text.data);
	mr_buffer_release(&text);
}

static void tell_symbols(const struct mr_view *view, struct mr_scope *scope)
{
	const struct memstats_table *table = view->data->heap.modules;
	const int runs = mr_report_rows_column(table, "run"),
		  symbols = mr_report_rows_column(table, "symbols");
	size_t count = 0, nameless = 0;
	char text[160];
	for (size_t row = 0; row < memstats_table_row_count(table); row++) {
		if (mr_report_rows_number(table, row, runs) != view->run->id)
			continue;
		count++;
		nameless += strcmp(mr_report_rows_text(table, row, symbols), "none") == 0;
	}
	if (nameless == 0)
		return;
	snprintf(text, sizeof(text),
	         "%zu of %zu modules %s no symbols: places in %s show as offsets, until memstats symbolize "
	         "finds their names.",
	         nameless, count, nameless == 1 ? "has" : "have", nameless == 1 ? "it" : "them");
	add_verdict(scope, "note", text);
}

void mr_section_heap_verdicts(const struct mr_view *view, struct mr_scope *scope)
{
	judge_growth(scope, view->run->heap);
	judge_leak(scope, view->run);
	judge_account(scope, view->run);
	tell_losses(view, scope);
	tell_symbols(view, scope);
}
