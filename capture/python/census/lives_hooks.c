/* SPDX-License-Identifier: MIT
 *
 * See lives_hooks.h: the allocator.  free() stays the allocator's own: that memory
 * is handed out again is all that has to be noticed.
 *
 * Others may have stood in before us, and may do so after us; they keep what they
 * found and call it, or put it back.  So our functions stay valid for ever: the
 * extension is never unloaded.
 */
#include "lives_hooks.h"

static PyMemAllocatorEx below; /* what was there before us, and does the work */
static bool is_hooked;         /* some allocator may call ours */
static size_t canary_bytes = SIZE_MAX;
static bool canary_seen;

/* An object begins at a block's begin, or behind the collector's header, or behind that and the
 * pointers to a managed dict and to weak references: 0, 16 or 32 bytes. */
static inline void *noticed(void *block, size_t size_bytes)
{
	const uint64_t address = (uint64_t)(uintptr_t)block;
	const struct mr_any_leaf *const leaf = mr_lives_map_find(&mr_lives_any, address);

	if (leaf) {
		const unsigned granule = mr_lives_granule(address);
		const unsigned window =
			(leaf->known[granule / 8] | (unsigned)leaf->known[granule / 8 + 1] << 8) >>
			(granule % 8);

		if (MR_UNLIKELY((window & 7) || granule >= MR_MAP_GRANULES - 2))
			mr_lives_handed_out(address, size_bytes);
	}
	if (MR_UNLIKELY(size_bytes == canary_bytes))
		canary_seen = true;
	return block;
}

static void *hook_malloc(void *context, size_t size_bytes)
{
	return noticed(below.malloc(context, size_bytes), size_bytes);
}

static void *hook_calloc(void *context, size_t count, size_t size_bytes)
{
	/* The allocator refuses a product that is too large. */
	return noticed(below.calloc(context, count, size_bytes), count * size_bytes);
}

static void *hook_realloc(void *context, void *block, size_t size_bytes)
{
	const uint64_t before = (uint64_t)(uintptr_t)block;
	void *const after = below.realloc(context, block, size_bytes);

	return (uint64_t)(uintptr_t)after == before ? after : noticed(after, size_bytes);
}

static void install(void)
{
	PyMemAllocatorEx ours;

	PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &below);
	ours = below; /* with its context, and its free() */
	ours.malloc = hook_malloc;
	ours.calloc = hook_calloc;
	ours.realloc = hook_realloc;
	PyMem_SetAllocator(PYMEM_DOMAIN_OBJ, &ours);
	is_hooked = true;
}

bool mr_lives_hooked(void)
{
	canary_seen = false;
	canary_bytes = 40;
	PyObject_Free(PyObject_Malloc(canary_bytes));
	canary_bytes = SIZE_MAX;
	if (canary_seen)
		return true;
	install();
	return false;
}

int mr_lives_hook(void)
{
#ifdef Py_GIL_DISABLED
	PyErr_SetString(PyExc_RuntimeError, "objects cannot be followed without the global interpreter lock");
	return -1;
#else
	if (!is_hooked)
		install();
	else
		mr_lives_hooked();
	mr_lives_hook_types();
	return 0;
#endif
}

void mr_lives_unhook(void)
{
	PyMemAllocatorEx now;

	mr_lives_unhook_types();
	PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &now);
	if (now.malloc != hook_malloc)
		return; /* somebody came after us and calls us */
	PyMem_SetAllocator(PYMEM_DOMAIN_OBJ, &below);
	is_hooked = false;
}
