/* SPDX-License-Identifier: MIT
 *
 * A table from objects to numbers, by address.  Objects are only compared, never
 * read.  Private to the extension _capture.
 */
#ifndef MR_REFERRERS_INDEX_H
#define MR_REFERRERS_INDEX_H

#include <Python.h>

#include "base.h"

#define MR_INDEX_NONE UINT32_MAX

struct mr_index_place {
	const PyObject *object; /* NULL: free */
	uint32_t value;
};

/* Zeros are an empty table. */
struct mr_index {
	struct mr_index_place *places;
	size_t mask; /* capacity - 1 */
	size_t count;
};

/* Room for COUNT objects in all.  -1: no memory, without a Python error. */
int mr_index_reserve(struct mr_index *index, size_t count);
void mr_index_release(struct mr_index *index);

static inline size_t mr_index_hash(const PyObject *object)
{
	return (size_t)(((uint64_t)(uintptr_t)object >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 24);
}

/* The value of OBJECT, or MR_INDEX_NONE.  The table must have been reserved. */
static inline uint32_t mr_index_get(const struct mr_index *index, const PyObject *object)
{
	size_t at = mr_index_hash(object) & index->mask;

	while (index->places[at].object && index->places[at].object != object)
		at = (at + 1) & index->mask;
	return index->places[at].object ? index->places[at].value : MR_INDEX_NONE;
}

/* Adds OBJECT, for which there is room; gives the value that it has, VALUE when it is new. */
static inline uint32_t mr_index_add(struct mr_index *index, const PyObject *object, uint32_t value)
{
	size_t at = mr_index_hash(object) & index->mask;

	while (index->places[at].object && index->places[at].object != object)
		at = (at + 1) & index->mask;
	if (!index->places[at].object) {
		index->places[at] = (struct mr_index_place){ .object = object, .value = value };
		index->count++;
	}
	return index->places[at].value;
}

/* Where the value of OBJECT is, or NULL; the table may be empty. */
static inline uint32_t *mr_index_at(const struct mr_index *index, const PyObject *object)
{
	size_t at = mr_index_hash(object) & index->mask;

	if (!index->places)
		return NULL;
	while (index->places[at].object && index->places[at].object != object)
		at = (at + 1) & index->mask;
	return index->places[at].object ? &index->places[at].value : NULL;
}

#endif
