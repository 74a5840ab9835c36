/* SPDX-License-Identifier: MIT
 *
 * See lives_hooks.h: the allocator.  Blocks are handed out by the allocator itself;
 * only where they are freed, or moved, is anything to be noticed.
 *
 * Others may have stood in before us, and may do so after us; they keep what they
 * found and call it, or put it back.  So our functions stay valid for ever: the
 * extension is never unloaded.
 */
#include "lives_hooks.h"

static PyMemAllocatorEx below; /* what was there before us, and does the work */
static bool is_hooked;         /* some allocator may call ours */

static void hook_free(void *context, void *block)
{
	if (MR_UNLIKELY(mr_lives_any_knows((uint64_t)(uintptr_t)block)))
		mr_lives_died((uint64_t)(uintptr_t)block);
	below.free(context, block);
}

static void *hook_realloc(void *context, void *block, size_t size_bytes)
{
	const uint64_t before = (uint64_t)(uintptr_t)block;
	const bool is_known = mr_lives_any_knows(before);
	void *const after = below.realloc(context, block, size_bytes);

	if (MR_UNLIKELY(is_known) && after && (uint64_t)(uintptr_t)after != before)
		mr_lives_died(before);
	return after;
}

static void install(void)
{
	PyMemAllocatorEx ours;

	PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &below);
	ours = below; /* with its context, and its malloc() and calloc() */
	ours.free = hook_free;
	ours.realloc = hook_realloc;
	PyMem_SetAllocator(PYMEM_DOMAIN_OBJ, &ours);
	is_hooked = true;
}

bool mr_lives_hooked(void)
{
	void *const block = PyObject_Malloc(1);
	const uint64_t address = (uint64_t)(uintptr_t)block;

	if (!block || mr_lives_pretend(address) < 0) {
		PyObject_Free(block);
		return true;
	}
	PyObject_Free(block);
	if (!mr_lives_any_knows(address))
		return true;
	mr_lives_died(address);
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
	if (now.free != hook_free)
		return; /* somebody came after us and calls us */
	PyMem_SetAllocator(PYMEM_DOMAIN_OBJ, &below);
	is_hooked = false;
}
