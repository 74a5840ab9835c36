/* SPDX-License-Identifier: MIT
 *
 * Memory for many small arrays of a few sizes (shapes): slabs of 32 KiB, each cut
 * into arrays of one shape.  A slab whose arrays have all been given back serves
 * any shape again, so that what one shape needed at one time another may have
 * later.  Slabs come from mappings, in huge pages once there are many.
 * Private to memrecord; one thread.
 */
#ifndef MR_HEAP_SLABS_H
#define MR_HEAP_SLABS_H

#include "base.h"

#define MR_HEAP_SHAPES 27
#define MR_HEAP_SLAB_ARRAY_MAX 4608u /* bytes; longer arrays are malloc's */

struct mr_heap_slab;
struct mr_heap_chunk;

struct mr_heap_slabs {
	struct mr_heap_slab *partial[MR_HEAP_SHAPES]; /* with room, by shape */
	struct mr_heap_slab *empty;
	struct mr_heap_chunk *chunks;
	uint8_t *fresh; /* slabs of the last chunk that were never used */
	uint8_t *fresh_end;
	uint64_t mapped_bytes;
	uint64_t used_bytes; /* of arrays, the free ones between them as well */
};

void mr_heap_slabs_release(struct mr_heap_slabs *slabs); /* zeroes are fine; not what is malloc's */

/* An array of SIZE_BYTES (a multiple of 8, the same for all of SHAPE), not cleared; NULL: no memory. */
void *mr_heap_slabs_take(struct mr_heap_slabs *slabs, unsigned shape, size_t size_bytes);
void mr_heap_slabs_give(struct mr_heap_slabs *slabs, unsigned shape, void *array, size_t size_bytes);

#endif
