/* SPDX-License-Identifier: MIT
 *
 * The allocator's family as the program calls it.  An allocation is appended
 * after the real call, a free before it, a realloc around it; what fails is
 * not.  Each hook has a frame of its own, from which its caller's stack is
 * followed.
 */
#include "preload.h"

#include <errno.h>
#include <stdlib.h>

MR_HOOK(void *, malloc, (size_t size))
{
	void *const block = mr_real.malloc(size);

	if (MR_LIKELY(block != NULL))
		mr_append(MR_HEAP_RECORD_ALLOC, block, size, 0, MR_FRAME);
	return block;
}

MR_HOOK(void, free, (void *block))
{
	if (MR_UNLIKELY(block == NULL || mr_boot_owns(block)))
		return;
	mr_append(MR_HEAP_RECORD_FREE, block, 0, 0, MR_FRAME);
	mr_real.free(block);
}

/* An old name of free(), which newer C libraries keep for old programs alone: it is not looked up. */
MR_HOOK(void, cfree, (void *block))
{
	if (block == NULL || mr_boot_owns(block))
		return;
	mr_append(MR_HEAP_RECORD_FREE, block, 0, 0, MR_FRAME);
	mr_real.free(block);
}

MR_HOOK(void *, calloc, (size_t count, size_t size))
{
	void *const block = mr_real.calloc(count, size);

	if (MR_LIKELY(block != NULL))
		mr_append(MR_HEAP_RECORD_ALLOC, block, count * size, 0, MR_FRAME);
	return block;
}

/* A block of the arena becomes one of the allocator's. */
static MR_COLD void *realloc_boot(void *block, size_t size, const uintptr_t *frame)
{
	void *const moved = mr_real.malloc(size);
	const size_t before = mr_boot_size(block);

	if (moved == NULL)
		return NULL;
	memcpy(moved, block, before < size ? before : size);
	mr_append(MR_HEAP_RECORD_ALLOC, moved, size, 0, frame);
	return moved;
}

MR_HOOK(void *, realloc, (void *block, size_t size))
{
	if (MR_UNLIKELY(mr_boot_owns(block)))
		return realloc_boot(block, size, MR_FRAME);
	if (block == NULL) {
		void *const made = mr_real.realloc(NULL, size);

		if (MR_LIKELY(made != NULL))
			mr_append(MR_HEAP_RECORD_ALLOC, made, size, 0, MR_FRAME);
		return made;
	}
	mr_append(MR_HEAP_RECORD_REALLOC_BEGIN, block, 0, 0, MR_FRAME);
	void *const moved = mr_real.realloc(block, size);
	mr_append(MR_HEAP_RECORD_REALLOC_END, moved, size, 0, MR_FRAME);
	return moved;
}

MR_HOOK(void *, reallocarray, (void *block, size_t count, size_t size))
{
	size_t all;

	/* Not the C library's own: that one calls realloc by name, which is ours again. */
	if (MR_UNLIKELY(__builtin_mul_overflow(count, size, &all))) {
		errno = ENOMEM;
		return NULL;
	}
	if (MR_UNLIKELY(mr_boot_owns(block)))
		return realloc_boot(block, all, MR_FRAME);
	if (block == NULL) {
		void *const made = mr_real.realloc(NULL, all);

		if (MR_LIKELY(made != NULL))
			mr_append(MR_HEAP_RECORD_ALLOC, made, all, 0, MR_FRAME);
		return made;
	}
	mr_append(MR_HEAP_RECORD_REALLOC_BEGIN, block, 0, 0, MR_FRAME);
	void *const moved = mr_real.realloc(block, all);
	mr_append(MR_HEAP_RECORD_REALLOC_END, moved, all, 0, MR_FRAME);
	return moved;
}

/* ---- Aligned ----------------------------------------------------------------- */

MR_HOOK(int, posix_memalign, (void **block, size_t alignment, size_t size))
{
	const int failure = mr_real.posix_memalign(block, alignment, size);

	if (failure == 0 && *block != NULL)
		mr_append(MR_HEAP_RECORD_ALLOC, *block, size, 0, MR_FRAME);
	return failure;
}

MR_HOOK(void *, aligned_alloc, (size_t alignment, size_t size))
{
	void *const block = mr_real.aligned_alloc(alignment, size);

	if (block != NULL)
		mr_append(MR_HEAP_RECORD_ALLOC, block, size, 0, MR_FRAME);
	return block;
}

MR_HOOK(void *, memalign, (size_t alignment, size_t size))
{
	void *const block = mr_real.memalign(alignment, size);

	if (block != NULL)
		mr_append(MR_HEAP_RECORD_ALLOC, block, size, 0, MR_FRAME);
	return block;
}

MR_HOOK(void *, valloc, (size_t size))
{
	void *const block = mr_real.valloc(size);

	if (block != NULL)
		mr_append(MR_HEAP_RECORD_ALLOC, block, size, 0, MR_FRAME);
	return block;
}

MR_HOOK(void *, pvalloc, (size_t size))
{
	void *const block = mr_real.pvalloc(size);

	if (block != NULL)
		mr_append(MR_HEAP_RECORD_ALLOC, block, size, 0, MR_FRAME);
	return block;
}

MR_HOOK(size_t, malloc_usable_size, (void *block))
{
	return mr_boot_owns(block) ? mr_boot_size(block) : mr_real.malloc_usable_size(block);
}
