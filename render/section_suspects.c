/* SPDX-License-Identifier: MIT
 *
 * Who: the suspects in plain sentences, each with the call stack that weighs
 * most, and what nobody is to be blamed for.
 */
#include "section_heap.h"
#include "suspects.h"

#define FRAMES_MAX 24
#define FRAMES_MIN 4 /* where a page has to be small */

/* The suspicion's own measure of a site. */
static uint64_t measure_of(enum mr_suspicion suspicion, const struct mr_heap_site *site)
{
	switch (suspicion) {
	case MR_SUSPECT_LEAK:
	case MR_SUSPECT_GROWTH:
		return site->cost[MR_COST_LEAKED];
	case MR_SUSPECT_CHURN:
		return site->cost[MR_COST_TEMPORARY];
	case MR_SUSPECT_REALLOC:
		return site->grown;
	default:
		return site->cost[MR_COST_PEAK];
	}
}

/* The stack that weighs most among those of the suspect's place. */
static void add_stack(const struct mr_view *view, struct mr_scope *item, const struct mr_suspect *suspect)
{
	const struct mr_report_heap *heap = view->run->heap;
	const struct mr_heap_site *most = NULL;
	mr_scope_list(item, "stack");
	mr_scope_none(item, "stack_rest");
	mr_scope_none(item, "stacks");
	if (suspect->suspicion == MR_SUSPECT_WAIT)
		return;
	for (size_t i = 0; i < heap->site_count; i++)
		if (heap->sites[i].place == suspect->index &&
		    (!most ||
		     measure_of(suspect->suspicion, &heap->sites[i]) > measure_of(suspect->suspicion, most)))
			most = &heap->sites[i];
	if (!most)
		return;
	const size_t frames = FRAMES_MIN + view->limit;
	mr_section_stack(item, mr_section_stack_text(item, view->data->heap.sites, most->row),
	                 frames < FRAMES_MAX ? frames : FRAMES_MAX);
	const size_t count = heap->places[suspect->index].site_count;
	if (count > 1)
		mr_scope_format(item, "stacks", "The call stack that weighs most, of %s",
		                mr_section_plural(item, count, "stack", "stacks"));
}

static void add_suspect(const struct mr_view *view, struct mr_scope *scope, const struct mr_suspect *suspect)
{
	struct mr_scope *item = mr_scope_add(scope, "suspects");
	mr_scope_text(item, "title", suspect->title);
	mr_scope_text(item, "name", suspect->name);
	mr_scope_format(item, "text", "%s", suspect->text);
	mr_scope_text(item, "tone", mr_suspect_is_grave(suspect, view->run->heap) ? "bad" : "note");
	mr_scope_format(item, "sentence", "%s %s", mr_section_name(item, suspect->name, 80), suspect->text);
	add_stack(view, item, suspect);
}

int mr_section_suspects(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err MR_UNUSED)
{
	struct mr_suspect suspects[MR_SUSPECTS_MAX];
	bool found[MR_SUSPICIONS] = { false };
	mr_scope_list(scope, "suspects");
	mr_scope_list(scope, "cleared");
	mr_scope_flag(scope, "has_heap", view->run->heap != NULL);
	if (!view->run->heap)
		return 0;
	const size_t count = mr_suspects_find(view->run->heap, view->run->duration_ns,
	                                      mr_section_end_words(view->run), view->limit, suspects);
	for (size_t i = 0; i < count; i++) {
		add_suspect(view, scope, &suspects[i]);
		found[suspects[i].suspicion] = true;
	}
	for (int r = 0; r < MR_SUSPICIONS; r++)
		if (!found[r] && mr_suspects_none((enum mr_suspicion)r, view->run->heap))
			mr_scope_text(mr_scope_add(scope, "cleared"), "text",
			              mr_suspects_none((enum mr_suspicion)r, view->run->heap));
	return 0;
}
