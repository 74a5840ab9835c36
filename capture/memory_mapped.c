/* SPDX-License-Identifier: MIT
 *
 * Memory for libmemcapture, from mmap alone: the heap of the program that is
 * observed stays as it would be without us.  Small blocks come from chunks, by
 * size class, and go back to a list of their class; large ones are mappings of
 * their own, grown with mremap.  Thread-safe.
 *
 * All state lies in a page that the kernel wipes in a forked child: whatever
 * another thread was doing at that moment, the child begins with an unlocked
 * and empty allocator.  The blocks that it inherited stay valid.
 */
#include "memory_mapped.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "futex.h"

#define HEADER_SIZE 16u
#define CHUNK_SIZE (64u << 10)
#define SMALL_MAX (8u << 10) /* bytes of a block with its header; larger ones are mapped alone */
#define CLASS_COUNT 18       /* 32, 48, 64, 96 ... 8192 */
#define PAGE_SIZE_MIN 4096u

/* Before each block.  A mapping's size is at least PAGE_SIZE_MIN and larger
 * than SMALL_MAX, so it is never taken for the size of a class. */
struct header {
	uint64_t size_bytes; /* of the block with this header */
	uint64_t size_class; /* of a small one */
};

_Static_assert(sizeof(struct header) == HEADER_SIZE, "blocks are aligned to 16 bytes");

struct state {
	struct mr_lock lock;
	void *free[CLASS_COUNT]; /* lists, linked through the blocks */
	uint8_t *chunk;          /* rest of the newest chunk */
	size_t chunk_left;
};

static _Atomic(struct state *) state_page;
/* Where the page cannot be had: an allocator without the promise to children, which
 * pthread_atfork() keeps as far as it can. */
static struct state state_fallback;

static size_t page_round(size_t size_bytes)
{
	return (size_bytes + PAGE_SIZE_MIN - 1) & ~(size_t)(PAGE_SIZE_MIN - 1);
}

void *mr_pages_map_wiped_on_fork(size_t size_bytes)
{
	const size_t len = page_round(size_bytes);
	void *const page = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	if (madvise(page, len, MADV_WIPEONFORK) != 0) {
		(void)munmap(page, len);
		return NULL;
	}
	return page;
}

static void fallback_wipe(void)
{
	memset(&state_fallback, 0, sizeof(state_fallback));
}

static struct state *state_get(void)
{
	struct state *state = atomic_load_explicit(&state_page, memory_order_acquire);

	if (MR_LIKELY(state != NULL))
		return state;

	struct state *fresh = mr_pages_map_wiped_on_fork(sizeof(*fresh));
	const bool wiped = fresh != NULL;
	if (!wiped)
		fresh = &state_fallback;
	if (atomic_compare_exchange_strong(&state_page, &state, fresh)) {
		if (!wiped)
			(void)pthread_atfork(NULL, NULL, fallback_wipe);
		return fresh;
	}
	if (wiped)
		(void)munmap(fresh, page_round(sizeof(*fresh)));
	return state;
}

void *mr_pages_map(size_t size_bytes)
{
	const size_t len = page_round(size_bytes);

	if (len < size_bytes)
		return NULL;
	void *const pages = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		return NULL;
	return pages;
}

void *mr_pages_map_huge(size_t size_bytes)
{
	size_t with_slack;

	if (__builtin_add_overflow(size_bytes, (size_t)MR_PAGE_HUGE, &with_slack))
		return NULL;
	uint8_t *const pages =
		mmap(NULL, with_slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		return NULL;

	const size_t before = (MR_PAGE_HUGE - (uintptr_t)pages % MR_PAGE_HUGE) % MR_PAGE_HUGE;
	uint8_t *const aligned = pages + before;
	if (before > 0)
		(void)munmap(pages, before);
	(void)munmap(aligned + size_bytes, MR_PAGE_HUGE - before);
	/* A kernel without them refuses: then these are small pages. */
	(void)madvise(aligned, size_bytes, MADV_HUGEPAGE);
	return aligned;
}

void mr_pages_unmap(void *pages, size_t size_bytes)
{
	if (pages != NULL)
		(void)munmap(pages, page_round(size_bytes));
}

/* ---- Size classes: 2^n and 3 * 2^(n-1), from 32 --------------------------- */

static size_t class_size(size_t size_class)
{
	return size_class % 2 == 0 ? (size_t)32 << (size_class / 2) : (size_t)48 << (size_class / 2);
}

static size_t class_of(size_t size_bytes)
{
	size_t size_class = 0;

	while (class_size(size_class) < size_bytes)
		size_class++;
	return size_class;
}

/* A block of CLASS, zeroed behind its header; NULL when there is no memory. */
static struct header *small_take(struct state *state, size_t size_class)
{
	const size_t size_bytes = class_size(size_class);
	struct header *block = NULL;
	bool used = false;

	mr_lock_acquire(&state->lock);
	if (state->free[size_class] != NULL) {
		block = state->free[size_class];
		memcpy(&state->free[size_class], block + 1, sizeof(void *));
		used = true;
	} else {
		if (state->chunk_left < size_bytes) {
			/* What is left of the old chunk is at most a block: given up. */
			uint8_t *const chunk = mr_pages_map(CHUNK_SIZE);

			if (chunk != NULL) {
				state->chunk = chunk;
				state->chunk_left = CHUNK_SIZE;
			}
		}
		if (state->chunk_left >= size_bytes) {
			block = (struct header *)state->chunk;
			state->chunk += size_bytes;
			state->chunk_left -= size_bytes;
		}
	}
	mr_lock_release(&state->lock);

	if (block == NULL)
		return NULL;
	if (used)
		memset(block + 1, 0, size_bytes - HEADER_SIZE);
	block->size_bytes = size_bytes;
	block->size_class = size_class;
	return block;
}

void *mr_alloc(size_t size_bytes)
{
	size_t with_header;
	struct header *block;

	if (__builtin_add_overflow(size_bytes, HEADER_SIZE, &with_header))
		return NULL;
	if (with_header <= SMALL_MAX) {
		block = small_take(state_get(), class_of(with_header));
	} else {
		block = mr_pages_map(with_header);
		if (block != NULL)
			block->size_bytes = page_round(with_header);
	}
	return block != NULL ? block + 1 : NULL;
}

void mr_free(void *memory)
{
	if (memory == NULL)
		return;

	struct header *const block = (struct header *)memory - 1;
	if (block->size_bytes > SMALL_MAX) {
		mr_pages_unmap(block, block->size_bytes);
		return;
	}

	struct state *const state = state_get();
	mr_lock_acquire(&state->lock);
	memcpy(block + 1, &state->free[block->size_class], sizeof(void *));
	state->free[block->size_class] = block;
	mr_lock_release(&state->lock);
}

/* A mapping of its own, to SIZE_BYTES with its header, by moving pages and not bytes. */
static struct header *mapping_resize(struct header *block, size_t size_bytes)
{
	const size_t len = page_round(size_bytes);

	if (len < size_bytes)
		return NULL;
	struct header *const moved = mremap(block, block->size_bytes, len, MREMAP_MAYMOVE);
	if (moved == MAP_FAILED)
		return NULL;
	moved->size_bytes = len;
	return moved;
}

void *mr_realloc(void *memory, size_t size_bytes)
{
	if (memory == NULL)
		return mr_alloc(size_bytes);

	struct header *const block = (struct header *)memory - 1;
	size_t with_header;
	if (__builtin_add_overflow(size_bytes, HEADER_SIZE, &with_header))
		return NULL;
	if (block->size_bytes > SMALL_MAX && with_header > SMALL_MAX) {
		struct header *const moved = mapping_resize(block, with_header);
		return moved != NULL ? moved + 1 : NULL;
	}
	if (with_header <= block->size_bytes && block->size_bytes <= SMALL_MAX)
		return memory;

	void *const moved = mr_alloc(size_bytes);
	if (moved == NULL)
		return NULL;
	const size_t kept =
		block->size_bytes - HEADER_SIZE < size_bytes ? block->size_bytes - HEADER_SIZE : size_bytes;
	memcpy(moved, memory, kept);
	mr_free(memory);
	return moved;
}
