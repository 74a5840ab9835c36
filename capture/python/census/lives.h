/* SPDX-License-Identifier: MIT
 *
 * Which of the objects that were marked still live, exactly and without a reference
 * to any: an address that has been given to another object is not known any more.
 *
 * While there is a set of marked objects, the interpreter's allocator for objects
 * says which blocks are freed: what was known to lie in one is dead.  The types
 * whose dead objects the interpreter keeps for use again without freeing them (free
 * lists: tuple, list, dict, float, ...) tell when one of their objects dies.
 *
 * What is dead and was neither freed nor kept so is still known: a census does not
 * find it.  So "known" is an answer about an object that is there, not a promise
 * that one is.
 *
 * Not seen is the death of an object whose type, in an extension, has a free list of
 * its own or memory from elsewhere, and gives it to another object of the type; and
 * of a float that is used up by arithmetic on floats, which the interpreter frees in
 * a way of its own (the object tracker compares values).  Needs the GIL.  Private to
 * the extension _capture.
 */
#ifndef MR_LIVES_H
#define MR_LIVES_H

#include <Python.h>

#include "instance_dict.h"
#include "lives_map.h"

struct mr_lives_leaf {
	uint64_t known[MR_MAP_WORDS];  /* a bit for each 16 bytes: a block that begins there is known */
	uint64_t placed[MR_MAP_WORDS]; /* for the owner: what has a place in its table... */
	uint16_t before[MR_MAP_WORDS]; /* ...how many have in the leaf, before each word... */
	uint64_t base;                 /* ...and in all leaves before this one */
};

struct mr_lives {
	struct mr_lives_map map; /* of struct mr_lives_leaf */
	struct mr_lives *next;
	uint64_t gaps; /* as of the last mr_lives_check() */
	bool is_open;
};

/* Makes LIVES, which is zeros, an empty set, and begins to notice.  -1 with a Python error. */
int mr_lives_open(struct mr_lives *lives);
void mr_lives_close(struct mr_lives *lives); /* zeros are fine */

/* How far behind the begin of its block OBJECT begins: the collector's header, and before that the
 * pointers to a dict and to weak references that instances of classes have; 0, 16 or 32. */
static inline unsigned mr_lives_header(PyObject *object)
{
	const PyTypeObject *const type = Py_TYPE(object);
	unsigned bytes = mr_instance_prefix_bytes(type);

	if ((type->tp_flags & Py_TPFLAGS_HAVE_GC) && (!type->tp_is_gc || type->tp_is_gc(object)))
		bytes += 2 * (unsigned)sizeof(uintptr_t);
	return bytes;
}

static inline uint64_t mr_lives_block(PyObject *object)
{
	return (uint64_t)(uintptr_t)object - mr_lives_header(object);
}

/* BLOCK is that of an object.  MR_ERR_NOMEM, or 0. */
int mr_lives_mark(struct mr_lives *lives, uint64_t block) MR_MUST_CHECK;
void mr_lives_unmark(struct mr_lives *lives, uint64_t block);

/* Has everything been noticed since LIVES was opened, or last checked?  Not when somebody has put the
 * allocator back that was there before ours (tracemalloc.stop() does): that is mended here. */
bool mr_lives_check(struct mr_lives *lives);

static inline struct mr_lives_leaf *mr_lives_leaf_of(const struct mr_lives *lives, uint64_t address)
{
	return mr_lives_map_find(&lives->map, address);
}

static inline bool mr_lives_knows(const struct mr_lives *lives, uint64_t block)
{
	const struct mr_lives_leaf *const leaf = mr_lives_leaf_of(lives, block);
	const unsigned granule = mr_lives_granule(block);

	return leaf && ((leaf->known[granule / 64] >> (granule % 64)) & 1);
}

static inline bool mr_lives_is_placed(const struct mr_lives *lives, uint64_t block)
{
	const struct mr_lives_leaf *const leaf = mr_lives_leaf_of(lives, block);
	const unsigned granule = mr_lives_granule(block);

	return leaf && ((leaf->placed[granule / 64] >> (granule % 64)) & 1);
}

/* BLOCK is known. */
static inline void mr_lives_set_placed(struct mr_lives *lives, uint64_t block)
{
	const unsigned granule = mr_lives_granule(block);

	mr_lives_leaf_of(lives, block)->placed[granule / 64] |= UINT64_C(1) << (granule % 64);
}

/* How many have a place before BLOCK, which has one: by `before` and `base`. */
static inline size_t mr_lives_place(const struct mr_lives *lives, uint64_t block)
{
	const struct mr_lives_leaf *const leaf = mr_lives_leaf_of(lives, block);
	const unsigned granule = mr_lives_granule(block);
	const uint64_t below = leaf->placed[granule / 64] & ((UINT64_C(1) << (granule % 64)) - 1);

	return leaf->base + leaf->before[granule / 64] + (size_t)__builtin_popcountll(below);
}

#endif
