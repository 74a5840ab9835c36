/* SPDX-License-Identifier: MIT
 *
 * See referrers_levels.h.
 */
#include "referrers_levels.h"

uint32_t mr_levels_know(struct mr_levels *levels, PyObject *object)
{
	if (mr_index_reserve(&levels->index, levels->known_count + 1) < 0 ||
	    mr_grow(&levels->known, &levels->known_capacity, levels->known_count + 1,
	            sizeof(*levels->known)) < 0)
		return MR_INDEX_NONE;

	const uint32_t number = mr_index_add(&levels->index, object, (uint32_t)levels->known_count);

	if (number == levels->known_count)
		levels->known[levels->known_count++] =
			(struct mr_known){ .object = object, .level = MR_INDEX_NONE };
	return number;
}

struct frontier { /* the objects of the next level */
	PyObject **objects;
	size_t count;
	size_t capacity;
};

static int add_to_frontier(struct mr_levels *levels, struct frontier *frontier, struct mr_known *known)
{
	if (mr_grow(&frontier->objects, &frontier->capacity, frontier->count + 1, sizeof(PyObject *)) < 0)
		return -1;
	known->level = (uint32_t)levels->level_count;
	known->at = (uint32_t)frontier->count;
	frontier->objects[frontier->count++] = known->object;
	return 0;
}

/* Gathers the referrers of the last level that are to be asked for theirs. */
static int gather(struct mr_levels *levels, struct frontier *frontier, bool past_modules)
{
	const struct mr_referrers *const level = &levels->levels[levels->level_count - 1];

	frontier->count = 0;
	for (size_t i = 0; i < level->count; i++) {
		const uint32_t number = mr_levels_know(levels, level->parents[i]);

		if (number == MR_INDEX_NONE)
			return -1;

		struct mr_known *const known = &levels->known[number];

		if (known->level == MR_INDEX_NONE && !known->marked && !known->hidden &&
		    (past_modules || !PyModule_Check(known->object)) &&
		    add_to_frontier(levels, frontier, known) < 0)
			return -1;
	}
	return 0;
}

int mr_levels_find(struct mr_levels *levels, const struct mr_heap *heap, const struct mr_levels_asked *asked)
{
	struct frontier frontier = { 0 };
	bool failed = add_to_frontier(levels, &frontier, &levels->known[0]) < 0;
	int status = 0;

	while (!failed && status == 0 && frontier.count > 0 && levels->level_count < asked->walks) {
		failed = mr_grow(&levels->levels, &levels->level_capacity, levels->level_count + 1,
		                 sizeof(*levels->levels)) < 0;
		if (failed)
			break;

		struct mr_referrers *const level = &levels->levels[levels->level_count];

		status = mr_referrers_find(heap, frontier.objects, frontier.count,
		                           asked->edges_max - levels->edge_count, asked->named, level);
		if (status < 0)
			break;
		levels->level_count++;
		levels->edge_count += level->count;
		levels->cut |= level->cut;
		if (levels->level_count < asked->walks)
			failed = gather(levels, &frontier, asked->past_modules) < 0;
		if (asked->visits_max && frontier.count > 0 && levels->level_count < asked->walks &&
		    levels->level_count * (uint64_t)heap->count >= asked->visits_max) {
			levels->cut = true;
			break;
		}
	}
	mr_free(frontier.objects);
	if (failed)
		PyErr_NoMemory();
	return failed ? -1 : status;
}

void mr_levels_release(struct mr_levels *levels)
{
	for (size_t i = 0; i < levels->level_count; i++)
		mr_referrers_release(&levels->levels[i]);
	mr_free(levels->levels);
	mr_free(levels->known);
	mr_index_release(&levels->index);
	*levels = (struct mr_levels){ 0 };
}
