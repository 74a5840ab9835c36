/* SPDX-License-Identifier: MIT
 *
 * The referrers of an object, their referrers, and so on: one walk over the heap for
 * each level, whatever the number of objects in it.  Everything is borrowed, and
 * good until Python code runs.  Needs the GIL.  Private to the extension _capture.
 */
#ifndef MR_REFERRERS_LEVELS_H
#define MR_REFERRERS_LEVELS_H

#include "referrers.h"

struct mr_known { /* an object that was met */
	PyObject *object;
	uint32_t level; /* in `levels`; MR_INDEX_NONE: its referrers are not known */
	uint32_t at;    /* among those of the level */
	bool marked;    /* the caller's own use; and not gone on from */
	bool hidden;    /* counts nowhere, and is not gone on from */
};

/* Zeros are an empty one. */
struct mr_levels {
	struct mr_index index; /* of `known` */
	struct mr_known *known;
	size_t known_count;
	size_t known_capacity;
	struct mr_referrers *levels;
	size_t level_count;
	size_t level_capacity;
	size_t edge_count;
	bool cut; /* there were more references than the limit */
};

struct mr_levels_asked {
	size_t walks;        /* at most */
	size_t edges_max;    /* references that are remembered */
	uint64_t visits_max; /* of objects in all walks, after which there is no other walk; 0: any number */
	bool past_modules;   /* goes on from modules, too */
	bool named;          /* references have names */
};

/* The number of OBJECT among the known, to which it is added; MR_INDEX_NONE: no memory, without an error. */
uint32_t mr_levels_know(struct mr_levels *levels, PyObject *object);
/* Finds the levels, beginning with the known object 0.  -1 with a Python error. */
int mr_levels_find(struct mr_levels *levels, const struct mr_heap *heap, const struct mr_levels_asked *asked);
void mr_levels_release(struct mr_levels *levels);

/* What is known of OBJECT, or NULL. */
static inline struct mr_known *mr_levels_get(const struct mr_levels *levels, const PyObject *object)
{
	const uint32_t *const number = mr_index_at(&levels->index, object);

	return number ? &levels->known[*number] : NULL;
}

/* Where the referrers of KNOWN are, from *BEGIN to *END; NULL: they are not known. */
static inline const struct mr_referrers *mr_levels_of(const struct mr_levels *levels,
                                                      const struct mr_known *known, size_t *begin,
                                                      size_t *end)
{
	if (known->level >= levels->level_count)
		return NULL;

	const struct mr_referrers *const level = &levels->levels[known->level];

	*begin = level->begin[known->at];
	*end = level->begin[known->at + 1];
	return level;
}

#endif
