/* SPDX-License-Identifier: MIT
 *
 * Mappings that a program made itself (--mmap): each is a block of its site, whose
 * bytes are live for as long as they are mapped.  Unmapping may take a part, or parts of
 * several.  Private to memrecord; one thread.
 */
#ifndef MR_HEAP_MAPS_H
#define MR_HEAP_MAPS_H

#include "heap_profile.h"

/* A piece of a mapping that is there, or all of it. */
struct mr_heap_map {
	uint64_t begin;
	uint64_t end;
	uint64_t ticks;
	uint64_t sequence;
	uint32_t mapping; /* its pieces have one number */
	uint32_t site;
	uint32_t thread;
};

struct mr_heap_maps {
	struct mr_heap_map *items; /* by address; they do not overlap */
	size_t count;
	size_t capacity;
	uint32_t *pieces; /* by mapping: how many are left */
	size_t mapping_count;
	size_t mapping_capacity;
	uint64_t sequence_ended; /* of the last mapping of which nothing is left */
};

void mr_heap_maps_release(struct mr_heap_maps *maps);
void mr_heap_maps_map(struct mr_heap_maps *maps, struct mr_heap_profile *profile, uint32_t thread,
                      uint32_t site, uint64_t address, uint64_t len, uint64_t ticks);
/* Gives how many allocations ago the mapping was made of which nothing is left now (the last one, where there
 * are several); 0: none. */
uint64_t mr_heap_maps_unmap(struct mr_heap_maps *maps, struct mr_heap_profile *profile, uint32_t thread,
                            uint64_t address, uint64_t len, uint64_t ticks);

#endif
