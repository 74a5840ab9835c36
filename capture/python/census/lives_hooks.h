/* SPDX-License-Identifier: MIT
 *
 * How lives.c learns what the interpreter does with objects' memory: it stands in
 * for the allocator of objects, and for the deallocators of types with free lists.
 * Private to lives*.c.
 */
#ifndef MR_LIVES_HOOKS_H
#define MR_LIVES_HOOKS_H

#include <Python.h>

#include "lives_map.h"

struct mr_any_leaf { /* of all sets */
	uint8_t known[MR_MAP_GRANULES / 8];
};

/* What is known in any set; readers take no lock. */
extern struct mr_lives_map mr_lives_any;

/* For a hook, so after mr_lives_map_prepare().  An address that there cannot be may be taken for another
 * one: lives.c looks again. */
static inline bool mr_lives_any_knows(uint64_t block)
{
	void **const middle = mr_lives_any.top[(block >> MR_MAP_TOP_SHIFT) & (MR_MAP_TOP_COUNT - 1)];
	const struct mr_any_leaf *leaf;
	const unsigned granule = mr_lives_granule(block);

	if (MR_UNLIKELY(!middle))
		return false;
	leaf = middle[(block >> MR_MAP_LEAF_SHIFT) & (MR_MAP_MIDDLE_COUNT - 1)];
	return leaf && ((leaf->known[granule / 8] >> (granule % 8)) & 1);
}

/* In lives.c: the object of BLOCK, which is known in some set, is dead. */
void mr_lives_died(uint64_t block);
/* In lives.c: BLOCK is known, but in no set; for trying the hook. -1: no memory. */
int mr_lives_pretend(uint64_t block);

int mr_lives_hook(void);    /* -1 with a Python error; again is fine */
void mr_lives_unhook(void); /* as far as others who came after us allow; what is left passes calls on */
/* Does the allocator call us?  Where not, it does now, and false is returned; where there is no memory to
 * find that out, true. */
bool mr_lives_hooked(void);

/* The deallocators that are stood in for: lives_dealloc.c. */
void mr_lives_hook_types(void);
void mr_lives_unhook_types(void);

#endif
