/* SPDX-License-Identifier: MIT
 *
 * See heap_slabs.h.
 */
#include "heap_slabs.h"

#include <sys/mman.h>

#define SLAB_BYTES ((size_t)32 << 10)
#define CHUNK_MIN ((size_t)128 << 10) /* the first mappings: a small program needs no more */
#define CHUNK_MAX ((size_t)4 << 20)
#define HUGE_BYTES ((size_t)2 << 20)

struct mr_heap_chunk {
	struct mr_heap_chunk *next;
	void *mapping;
	size_t bytes;
};

/* At the beginning of each slab. */
struct mr_heap_slab {
	struct mr_heap_slab *next; /* in its shape's list, while it has room; or of the empty ones */
	struct mr_heap_slab *previous;
	void **free;     /* arrays given back, each beginning with the next */
	uint32_t fresh;  /* offset of what was never used */
	uint32_t arrays; /* that are in use */
	uint64_t unused; /* arrays begin at a multiple of 8 that is the same in each slab */
};

void mr_heap_slabs_release(struct mr_heap_slabs *slabs)
{
	while (slabs->chunks) {
		struct mr_heap_chunk *const first = slabs->chunks;

		slabs->chunks = first->next;
		(void)munmap(first->mapping, first->bytes);
		mr_free(first);
	}
	*slabs = (struct mr_heap_slabs){ 0 };
}

/* Maps more slabs, about as many as there are. */
static bool add_chunk(struct mr_heap_slabs *slabs)
{
	struct mr_heap_chunk *const chunk = mr_alloc(sizeof(*chunk));
	size_t size = CHUNK_MIN;

	if (!chunk)
		return false;
	while (size < CHUNK_MAX && size < slabs->mapped_bytes)
		size *= 2;
	const size_t align = size >= HUGE_BYTES ? HUGE_BYTES : SLAB_BYTES;

	chunk->bytes = size + align; /* address space: what is not touched is not there */
	chunk->mapping = mmap(NULL, chunk->bytes, PROT_READ | PROT_WRITE,
	                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (chunk->mapping == MAP_FAILED) {
		mr_free(chunk);
		return false;
	}
	slabs->fresh = (uint8_t *)(((uintptr_t)chunk->mapping + align - 1) & ~(uintptr_t)(align - 1));
	slabs->fresh_end = slabs->fresh + size;
	if (size >= HUGE_BYTES)
		mr_memory_wish_huge_pages(slabs->fresh, size);
	slabs->mapped_bytes += size;
	chunk->next = slabs->chunks;
	slabs->chunks = chunk;
	return true;
}

static void link_slab(struct mr_heap_slab **list, struct mr_heap_slab *slab)
{
	slab->previous = NULL;
	slab->next = *list;
	if (slab->next)
		slab->next->previous = slab;
	*list = slab;
}

static void unlink_slab(struct mr_heap_slab **list, struct mr_heap_slab *slab)
{
	if (slab->previous)
		slab->previous->next = slab->next;
	else
		*list = slab->next;
	if (slab->next)
		slab->next->previous = slab->previous;
}

static struct mr_heap_slab *take_slab(struct mr_heap_slabs *slabs)
{
	struct mr_heap_slab *slab = slabs->empty;

	if (slab) {
		slabs->empty = slab->next;
	} else {
		if (slabs->fresh == slabs->fresh_end && !add_chunk(slabs))
			return NULL;
		slab = (struct mr_heap_slab *)slabs->fresh;
		slabs->fresh += SLAB_BYTES;
	}
	slab->free = NULL;
	slab->fresh = sizeof(*slab);
	slab->arrays = 0;
	return slab;
}

static bool has_room(const struct mr_heap_slab *slab, size_t size_bytes)
{
	return slab->free || slab->fresh + size_bytes <= SLAB_BYTES;
}

void *mr_heap_slabs_take(struct mr_heap_slabs *slabs, unsigned shape, size_t size_bytes)
{
	struct mr_heap_slab *slab = slabs->partial[shape];
	void **array;

	if (size_bytes > MR_HEAP_SLAB_ARRAY_MAX) {
		array = mr_alloc(size_bytes);
		slabs->used_bytes += array ? size_bytes : 0;
		return array;
	}
	if (!slab) {
		slab = take_slab(slabs);
		if (!slab)
			return NULL;
		link_slab(&slabs->partial[shape], slab);
	}
	array = slab->free;
	if (array) {
		slab->free = *array;
	} else {
		array = (void **)((uint8_t *)slab + slab->fresh);
		slab->fresh += (uint32_t)size_bytes;
		slabs->used_bytes += size_bytes;
	}
	slab->arrays++;
	if (!has_room(slab, size_bytes))
		unlink_slab(&slabs->partial[shape], slab);
	return array;
}

void mr_heap_slabs_give(struct mr_heap_slabs *slabs, unsigned shape, void *array, size_t size_bytes)
{
	struct mr_heap_slab *const slab =
		(struct mr_heap_slab *)((uintptr_t)array & ~(uintptr_t)(SLAB_BYTES - 1));

	if (size_bytes > MR_HEAP_SLAB_ARRAY_MAX) {
		mr_free(array);
		slabs->used_bytes -= size_bytes;
		return;
	}
	if (!has_room(slab, size_bytes))
		link_slab(&slabs->partial[shape], slab);
	*(void **)array = slab->free;
	slab->free = array;
	if (--slab->arrays > 0)
		return;
	unlink_slab(&slabs->partial[shape], slab);
	slabs->used_bytes -= slab->fresh - sizeof(*slab);
	slab->next = slabs->empty;
	slabs->empty = slab;
}
