/* SPDX-License-Identifier: MIT
 *
 * The totals of snapshots, joined and ordered, so that each snapshot's are side
 * by side: by class, and referents depth first within a class.
 */
#include "model_private.h"

#include <stdlib.h>

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the totals of a log");
}

static int compare_class_totals(const void *left, const void *right)
{
	const struct mr_class_total *const a = left;
	const struct mr_class_total *const b = right;

	MR_COMPARE(a->snapshot, b->snapshot);
	MR_COMPARE(a->class_index, b->class_index);
	MR_COMPARE(a->count, b->count);
	MR_COMPARE(a->size_bytes, b->size_bytes);
	return 0;
}

static int compare_referent_totals(const void *left, const void *right, void *context)
{
	const uint32_t *const ranks = context;
	const struct mr_referent_total *const a = left;
	const struct mr_referent_total *const b = right;

	MR_COMPARE(a->snapshot, b->snapshot);
	MR_COMPARE(a->class_index, b->class_index);
	MR_COMPARE(ranks[a->path], ranks[b->path]);
	MR_COMPARE(a->count, b->count);
	MR_COMPARE(a->size_bytes, b->size_bytes);
	return 0;
}

/* Where each path stands when all are written depth first, parents before
 * children, siblings by index.  The caller frees it; NULL: no memory. */
static uint32_t *path_ranks(const struct mr_run *run)
{
	const uint32_t count = run->path_count;
	uint32_t *const ranks = mr_alloc((size_t)count * sizeof(*ranks));
	uint32_t *const child = mr_alloc((size_t)count * sizeof(*child));
	uint32_t *const sibling = mr_alloc((size_t)count * sizeof(*sibling));

	if (ranks != NULL && child != NULL && sibling != NULL) {
		uint32_t rank = 0;

		for (uint32_t i = count - 1; i > 0; i--) {
			sibling[i] = child[run->paths[i].parent];
			child[run->paths[i].parent] = i;
		}
		for (uint32_t at = child[0]; at != 0;) {
			ranks[at] = ++rank;
			if (child[at] != 0) {
				at = child[at];
				continue;
			}
			while (at != 0 && sibling[at] == 0)
				at = run->paths[at].parent;
			at = at != 0 ? sibling[at] : 0;
		}
	}
	const bool failed = child == NULL || sibling == NULL;
	mr_free(child);
	mr_free(sibling);
	if (failed) {
		mr_free(ranks);
		return NULL;
	}
	return ranks;
}

/* Resolves the totals of one stream into the run's lists. */
static void add_totals(struct mr_model *model, struct mr_run *run, struct mr_stream_state *stream)
{
	for (size_t i = 0; i < stream->class_totals.count; i++) {
		struct mr_class_total total = stream->class_totals.items[i];

		total.snapshot = mr_stream_snapshot(stream, total.snapshot);
		if (total.snapshot == MR_INDEX_NONE) {
			model->segments[stream->segment].rows_dropped++;
			continue;
		}
		total.class_index = mr_model__resolve(model, stream, MR_DEFINED_CLASS, total.class_index);
		run->class_totals[run->class_total_count++] = total;
	}
	for (size_t i = 0; i < stream->referent_totals.count; i++) {
		struct mr_referent_total total = stream->referent_totals.items[i];

		total.snapshot = mr_stream_snapshot(stream, total.snapshot);
		if (total.snapshot == MR_INDEX_NONE) {
			model->segments[stream->segment].rows_dropped++;
			continue;
		}
		total.class_index = mr_model__resolve(model, stream, MR_DEFINED_CLASS, total.class_index);
		total.path = mr_model__resolve(model, stream, MR_DEFINED_PATH, total.path);
		run->referent_totals[run->referent_total_count++] = total;
	}
}

int mr_model__merge_totals(struct mr_model *model, struct mr_run *run, struct mr_stream_state *const *streams,
                           size_t count, struct mr_error *err)
{
	size_t classes = 1, referents = 1;

	for (size_t i = 0; i < count; i++) {
		classes += streams[i]->class_totals.count;
		referents += streams[i]->referent_totals.count;
	}
	run->class_totals = mr_alloc(classes * sizeof(*run->class_totals));
	run->referent_totals = mr_alloc(referents * sizeof(*run->referent_totals));
	if (run->class_totals == NULL || run->referent_totals == NULL)
		return no_memory(err);
	for (size_t i = 0; i < count; i++)
		add_totals(model, run, streams[i]);

	qsort(run->class_totals, run->class_total_count, sizeof(*run->class_totals), compare_class_totals);
	if (run->referent_total_count > 1) {
		uint32_t *const ranks = path_ranks(run);

		if (ranks == NULL)
			return no_memory(err);
		qsort_r(run->referent_totals, run->referent_total_count, sizeof(*run->referent_totals),
		        compare_referent_totals, ranks);
		mr_free(ranks);
	}

	for (size_t i = run->class_total_count; i > 0; i--) {
		struct mr_snapshot *const snapshot = &run->snapshots[run->class_totals[i - 1].snapshot];

		snapshot->class_total_first = i - 1;
		snapshot->class_total_count++;
	}
	for (size_t i = run->referent_total_count; i > 0; i--) {
		struct mr_snapshot *const snapshot = &run->snapshots[run->referent_totals[i - 1].snapshot];

		snapshot->referent_total_first = i - 1;
		snapshot->referent_total_count++;
	}
	return 0;
}
