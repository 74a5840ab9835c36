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
	uint8_t known[MR_MAP_GRANULES / 8 + 8];
};

/* What is known in any set; readers take no lock. */
extern struct mr_lives_map mr_lives_any;

/* In lives.c: what begins at ADDRESS is dead. */
void mr_lives_died(uint64_t address);
/* A block was handed out: what begins in its first bytes is dead. */
void mr_lives_handed_out(uint64_t address, size_t size_bytes);

int mr_lives_hook(void);    /* -1 with a Python error; again is fine */
void mr_lives_unhook(void); /* as far as others who came after us allow; what is left passes calls on */
/* Does the allocator call us?  Where not, it does now, and false is returned. */
bool mr_lives_hooked(void);

/* The deallocators that are stood in for: lives_dealloc.c. */
void mr_lives_hook_types(void);
void mr_lives_unhook_types(void);

#endif
