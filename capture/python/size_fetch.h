/* SPDX-License-Identifier: MIT
 *
 * Fetching ahead.  The items of a sequence that were not made one after the other
 * lie anywhere: the object, its attributes, what they are and what those lead to
 * are each a miss of the cache, one waiting for the other.  So while an item is
 * walked, the first step of one far ahead is under way, the second of a nearer
 * one, and so on.  Items that lie side by side are left alone: they are here.
 *
 * Only addresses that are valid are read, and nothing is changed.  Private to the
 * extension _capture.
 */
#ifndef MR_SIZE_FETCH_H
#define MR_SIZE_FETCH_H

#include <Python.h>

#include "size_seen.h"

/* Items ahead, for each step. */
#define MR_FETCH_HEADER_AHEAD 16
#define MR_FETCH_BODY_AHEAD 11
#define MR_FETCH_REFERENTS_AHEAD 7
#define MR_FETCH_BODIES_AHEAD 3

#define MR_FETCH_NEAR_BYTES 8192u

void mr_fetch_header(const struct mr_seen *seen, const PyObject *object); /* and whether it was seen */
void mr_fetch_body(const PyObject *object);                               /* what the header leads to */
void mr_fetch_referents(const struct mr_seen *seen, const PyObject *object);
void mr_fetch_bodies(const PyObject *object); /* of the referents */

/* Does item AT lie far from the one before? */
static inline bool mr_fetch_pays(PyObject *const *items, Py_ssize_t at)
{
	return items[at] &&
	       (uint64_t)(uintptr_t)items[at] - (uint64_t)(uintptr_t)items[at - 1] + MR_FETCH_NEAR_BYTES >
	               2 * MR_FETCH_NEAR_BYTES;
}

/* For item AT of COUNT that is next to be walked. */
static inline void mr_fetch_ahead(const struct mr_seen *seen, PyObject *const *items, Py_ssize_t at,
                                  Py_ssize_t count)
{
	if (at + MR_FETCH_HEADER_AHEAD < count && mr_fetch_pays(items, at + MR_FETCH_HEADER_AHEAD))
		mr_fetch_header(seen, items[at + MR_FETCH_HEADER_AHEAD]);
	if (at + MR_FETCH_BODY_AHEAD < count && mr_fetch_pays(items, at + MR_FETCH_BODY_AHEAD))
		mr_fetch_body(items[at + MR_FETCH_BODY_AHEAD]);
	if (at + MR_FETCH_REFERENTS_AHEAD < count && mr_fetch_pays(items, at + MR_FETCH_REFERENTS_AHEAD))
		mr_fetch_referents(seen, items[at + MR_FETCH_REFERENTS_AHEAD]);
	if (at + MR_FETCH_BODIES_AHEAD < count && mr_fetch_pays(items, at + MR_FETCH_BODIES_AHEAD))
		mr_fetch_bodies(items[at + MR_FETCH_BODIES_AHEAD]);
}

#endif
