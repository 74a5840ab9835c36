/* SPDX-License-Identifier: MIT
 *
 * The modules (program and libraries) whose code was met in a stack.  Each has
 * a number that no other one ever gets, and was told to the writer before any
 * place in it.  Private to capture/preload/.
 */
#ifndef MR_PRELOAD_MODULE_H
#define MR_PRELOAD_MODULE_H

#include "ring.h"
#include "unwind_rule.h"

#define MR_MODULES_MAX 16384 /* those beyond have no number: 0 */

struct mr_module {
	uint32_t id;
	uintptr_t begin; /* of its mapping */
	uintptr_t end;
	struct mr_unwind_tables tables;
};

enum mr_module_found {
	MR_MODULE_NONE,   /* the address lies in no module */
	MR_MODULE_KNOWN,  /* MODULE is filled in */
	MR_MODULE_NEW,    /* likewise, and it was told to the writer just now */
	MR_MODULE_UNTOLD, /* likewise, but RING cannot take it */
};

/* Memory for what is known; again in a forked child, where that is nothing.  False: there is none. */
bool mr_modules_begin(void);
/* The module whose mapping holds ADDRESS.  RING takes the record of one that is new; NULL: then it is
 * untold. */
enum mr_module_found mr_module_find(uintptr_t address, struct mr_ring_writer *ring, struct mr_module *module);
/* What is known of modules is to be compared again before it is used. */
void mr_modules_changed(void);
/* How many modules the dynamic linker has unloaded so far. */
uint64_t mr_modules_unloaded(void);
uint64_t mr_modules_bytes(void);

/* The byte at ADDRESS can be read; a system call. */
bool mr_memory_readable(uintptr_t address);

/* For tests: as with a C library that has no _dl_find_object(). */
extern bool mr_module_by_list;

#endif
