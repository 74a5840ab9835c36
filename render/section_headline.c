/* SPDX-License-Identifier: MIT
 *
 * What happened: who ran, when, the figures that matter, and what they mean.
 */
#include "section_heap.h"
#include "section_persistent.h"

#include <inttypes.h>

#define NAMED_CLASSES 3 /* that a sentence lists */
#define NAME_COLUMNS 48
#define STILL_HELD 0.8 /* of the peak, at the end, that is worth a word */

/* ---- How it ended ----------------------------------------------------------------- */

static void exit_text(struct mr_scope *scope, const struct mr_report_run *run)
{
	const char *signal = run->code <= 64 ? sigabbrev_np((int)run->code) : NULL;
	const bool exited = strcmp(run->exit, "exited") == 0, signalled = strcmp(run->exit, "signalled") == 0;
	if (exited && run->code == 0)
		mr_scope_text(scope, "exit", "exited with status 0");
	else if (exited && run->code != MR_NO_VALUE)
		mr_scope_format(scope, "exit", "exited with status %" PRIu64, run->code);
	else if (signalled && run->code != MR_NO_VALUE)
		mr_scope_format(scope, "exit", "killed by signal %" PRIu64 "%s%s%s", run->code,
		                signal ? " (SIG" : "", signal ? signal : "", signal ? ")" : "");
	else if (strcmp(run->exit, "running") == 0)
		mr_scope_text(scope, "exit", "still running when recording ended");
	else
		mr_scope_text(scope, "exit", "");
	mr_scope_flag(scope, "exit_bad", signalled || (exited && run->code != 0));
}

/* What the end of the recording means for the reader, or "". */
static const char *end_text(const struct mr_report_run *run)
{
	static const char *const meanings[][2] = {
		{ "cut", "The log breaks off: the program was stopped before it could end it. "
		         "The last moments are missing." },
		{ "size", "The log reached its size limit: detail after that was left out." },
		{ "failed",
		  "The log could not be written to its end: what came after the failure is missing." },
		{ "repaired", "The log was repaired: what was damaged is missing." },
	};
	for (size_t i = 0; i < MR_ARRAY_LEN(meanings); i++)
		if (strcmp(run->end, meanings[i][0]) == 0)
			return meanings[i][1];
	return "";
}

/* ---- Figures ------------------------------------------------------------------------ */

static struct mr_scope *add_figure(struct mr_scope *scope, const char *label, const char *note)
{
	struct mr_scope *figure = mr_scope_add(scope, "figures");
	mr_scope_text(figure, "label", label);
	mr_scope_text(figure, "note", note);
	return figure;
}

/* The largest resident memory and when it was seen; false when it never was. */
static bool peak_memory(const struct mr_report_run *run, uint64_t *size, uint64_t *time)
{
	bool found = false;
	*size = *time = 0;
	for (size_t i = 0; i < run->samples.count; i++)
		if (run->samples.rss[i] > (double)*size) {
			*size = (uint64_t)run->samples.rss[i];
			*time = (uint64_t)run->samples.times[i];
			found = true;
		}
	for (size_t i = 0; i < run->snapshot_count; i++)
		if (run->snapshots[i].rss_bytes != MR_NO_VALUE && run->snapshots[i].rss_bytes > *size) {
			*size = run->snapshots[i].rss_bytes;
			*time = run->snapshots[i].time_ns;
			found = true;
		}
	return found;
}

static const struct mr_report_snapshot *largest_snapshot(const struct mr_report_run *run)
{
	const struct mr_report_snapshot *largest = NULL;
	for (size_t i = 0; i < run->snapshot_count; i++)
		if (!largest || run->snapshots[i].size_bytes > largest->size_bytes)
			largest = &run->snapshots[i];
	return largest;
}

static void add_figures(struct mr_scope *scope, const struct mr_report_run *run)
{
	char note[160], clock[32];
	uint64_t peak, peak_time;
	mr_scope_list(scope, "figures");
	if (run->heap)
		mr_section_heap_figures(scope, run);
	if (run->census)
		mr_section_census_figures(scope, run);
	if (peak_memory(run, &peak, &peak_time)) {
		mr_text_duration(clock, peak_time);
		snprintf(note, sizeof(note), "resident, at %s", clock);
		mr_scope_bytes(add_figure(scope, "Peak memory", note), "value", peak);
	}
	const struct mr_report_snapshot *largest = largest_snapshot(run);
	if (largest) {
		const struct mr_report_snapshot *last = &run->snapshots[run->snapshot_count - 1];
		snprintf(note, sizeof(note), "in %s",
		         mr_section_plural(scope, largest->objects, "object", "objects"));
		mr_scope_bytes(
			add_figure(scope, run->of_census ? "All objects at most" : "Tracked at most", note),
			"value", largest->size_bytes);
		snprintf(note, sizeof(note), "in %s",
		         mr_section_plural(scope, last->objects, "object", "objects"));
		mr_scope_bytes(add_figure(scope,
		                          run->of_census ? "At the last census" : "At the last snapshot",
		                          note),
		               "value", last->size_bytes);
	}
	if (run->objects_total > 0 && !run->of_census) {
		snprintf(note, sizeof(note), "of %s",
		         mr_section_plural(scope, run->class_count, "class", "classes"));
		mr_scope_count(add_figure(scope, "Objects tracked", note), "value", run->objects_total);
	}
	const size_t snapshots = run->snapshot_count + (run->heap ? run->heap->snapshot_count : 0);
	snprintf(note, sizeof(note), "%s", mr_section_plural(scope, snapshots, "snapshot", "snapshots"));
	if (run->samples.count > 0)
		snprintf(note + strlen(note), sizeof(note) - strlen(note), ", %s",
		         mr_section_plural(scope, run->samples.count, "sample", "samples"));
	mr_scope_duration(add_figure(scope, "Recorded for", note), "value", run->duration_ns);
}

/* ---- Verdicts ------------------------------------------------------------------------ */

/* TONE: "good", "bad" or "note". */
static void add_verdict(struct mr_scope *scope, const char *tone, const char *text)
{
	struct mr_scope *verdict = mr_scope_add(scope, "verdicts");
	mr_scope_text(verdict, "tone", tone);
	mr_scope_format(verdict, "text", "%s", text);
}

static bool only_grows(const struct mr_report_class *class)
{
	return class->growths >= 2 && class->shrinks == 0;
}

static void judge_growth(struct mr_scope *scope, const struct mr_report_run *run)
{
	struct mr_buffer text = { 0 };
	size_t count = 0;
	for (size_t i = 0; i < run->class_count; i++)
		count += only_grows(&run->classes[i]);
	if (count == 0)
		return;
	mr_buffer_printf(&text, "%s: ",
	                 count == 1 ? "One class only grows"
	                            : mr_section_plural(scope, count, "class", "classes only grow"));
	size_t named = 0;
	for (size_t i = 0; i < run->class_count && named < NAMED_CLASSES; i++) {
		const struct mr_report_class *class = &run->classes[i];
		if (!only_grows(class))
			continue;
		char first[32], last[32];
		mr_text_bytes_short(first, class->size_first);
		mr_text_bytes_short(last, class->size_seen);
		mr_buffer_printf(&text, "%s%s, from %s to %s", named > 0 ? "; " : "",
		                 mr_section_name(scope, class->name, NAME_COLUMNS), first, last);
		named++;
	}
	mr_buffer_printf(&text, count > named ? "; and %zu more." : ".", count - named);
	mr_buffer_put_u8(&text, 0);
	if (!text.failed)
		add_verdict(scope, "bad", (const char *)text.data);
	mr_buffer_release(&text);
}

/* PART of WHOLE (above 0) in percent, as a sentence has it. */
static void percent_words(char out[64], double part, double whole, unsigned decimals)
{
	const double percent = part * 100 / whole;
	const double least = decimals > 0 ? 0.1 : 1;
	mr_decimal_text(out, percent > 0 && percent < least / 2 ? least : percent, decimals);
	if (percent > 0 && percent < least / 2) {
		memmove(out + strlen("less than "), out, strlen(out) + 1);
		memcpy(out, "less than ", strlen("less than "));
	}
	snprintf(out + strlen(out), 64 - strlen(out), " %%");
}

static void judge_largest(struct mr_scope *scope, const struct mr_report_run *run)
{
	const struct mr_report_snapshot *largest = largest_snapshot(run);
	char text[512], percent[64];
	if (!largest || largest->size_bytes == 0 || run->class_count == 0)
		return;
	const size_t at = (size_t)(largest - run->snapshots);
	const struct mr_report_class *most = NULL;
	for (size_t i = 0; i < run->followed; i++)
		if (!most || run->classes[i].sizes[at] > most->sizes[at])
			most = &run->classes[i];
	if (most && most->sizes[at] > 0) {
		percent_words(percent, most->sizes[at], (double)largest->size_bytes, 0);
		snprintf(text, sizeof(text), "%s holds the most: %s of %s at snapshot %s.",
		         mr_section_name(scope, most->name, NAME_COLUMNS), percent,
		         run->of_census ? "all objects" : "all that is tracked",
		         mr_section_snapshot_name(scope, largest));
		add_verdict(scope, "note", text);
	}
	if (largest->rss_bytes != MR_NO_VALUE && largest->rss_bytes > 0) {
		percent_words(percent, (double)largest->size_bytes, (double)largest->rss_bytes, 1);
		snprintf(text, sizeof(text), "%s up %s of the process's resident memory there.",
		         run->of_census ? "All objects make" : "What is tracked makes", percent);
		if (largest->size_bytes > largest->rss_bytes)
			snprintf(text, sizeof(text), "%s larger than the process's resident memory there.",
			         run->of_census ? "All objects are" : "What is tracked is");
		add_verdict(scope, "note", text);
	}
}

static void judge_end(struct mr_scope *scope, const struct mr_report_run *run)
{
	const struct mr_report_snapshot *largest = largest_snapshot(run);
	char text[512], alive[32], total[32], percent[64];
	if (run->objects_total > 0) {
		mr_count_text(alive, run->objects_alive);
		mr_count_text(total, run->objects_total);
		if (run->objects_alive == 0)
			snprintf(text, sizeof(text), "All %s tracked objects are gone at the end of the log.",
			         total);
		else
			snprintf(text, sizeof(text),
			         "%s of %s tracked objects are still there at the end of the log.", alive,
			         total);
		add_verdict(scope, run->objects_alive == 0 ? "good" : "note", text);
	}
	if (!largest || run->snapshot_count < 3 || largest->size_bytes == 0)
		return;
	const double held =
		(double)run->snapshots[run->snapshot_count - 1].size_bytes / (double)largest->size_bytes;
	percent_words(percent, held, 1, 0);
	snprintf(text, sizeof(text), "At the last snapshot, %s of the tracked peak is still held.", percent);
	add_verdict(scope, held > STILL_HELD ? "note" : "good", text);
}

static void add_verdicts(const struct mr_view *view, struct mr_scope *scope)
{
	const struct mr_report_run *run = view->run;
	mr_scope_list(scope, "verdicts");
	if (run->heap)
		mr_section_heap_verdicts(view, scope);
	if (run->census)
		mr_section_census_verdicts(view, scope);
	/* Of all types of a program many grow while it works: there what stayed says more. */
	if (!run->of_census)
		judge_growth(scope, run);
	judge_largest(scope, run);
	if (!run->of_census)
		judge_end(scope, run);
	if (run->snapshot_count == 0 && run->samples.count == 0 && !run->heap)
		add_verdict(scope, "bad",
		            "The log holds no snapshot and no sample of this run: there is nothing to draw.");
	else if (run->snapshot_count == 0 && run->objects_total > 0)
		add_verdict(scope, "bad",
		            "Objects were tracked, but no snapshot was taken: their sizes are not known.");
	if (end_text(run)[0])
		add_verdict(scope, "bad", end_text(run));
}

int mr_section_headline(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err MR_UNUSED)
{
	const struct mr_report_run *run = view->run;
	mr_scope_text(scope, "name", mr_report_run_name(run));
	mr_scope_flag(scope, "of_census", run->of_census);
	mr_scope_text(scope, "command", run->command);
	mr_section_date(scope, "start_text", run->start);
	mr_scope_text(scope, "file", run->file);
	mr_scope_duration(scope, "duration", run->duration_ns);
	if (run->pid == MR_NO_VALUE)
		mr_scope_none(scope, "pid");
	else
		mr_scope_format(scope, "pid", "%" PRIu64, run->pid);
	exit_text(scope, run);
	add_figures(scope, run);
	add_verdicts(view, scope);
	return 0;
}
