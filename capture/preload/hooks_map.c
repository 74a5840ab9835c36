/* SPDX-License-Identifier: MIT
 *
 * Mappings, when they are asked for, and what else the recorder has to see:
 * modules that are unloaded, names that threads get.
 *
 * A mapping is gone before munmap() or mremap() is called, because another thread may have its
 * place before the call is back; one that is still there then begins anew.
 *
 * The linker leads the recorder's own calls of these functions past the hooks
 * (--wrap), to the kernel.
 */
#include "preload.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- The recorder's own ------------------------------------------------------------ */

void *__wrap_mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset);
void *__wrap_mremap(void *address, size_t old_length, size_t length, int flags, ...);
int __wrap_munmap(void *address, size_t length);

void *__wrap_mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	/* The system call gives what mmap() gives, MAP_FAILED included. */
	return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

void *__wrap_mremap(void *address, size_t old_length, size_t length, int flags, ...)
{
	return (void *)syscall(SYS_mremap, address, old_length, length, flags, NULL);
}

int __wrap_munmap(void *address, size_t length)
{
	return (int)syscall(SYS_munmap, address, length);
}

/* ---- Mappings ------------------------------------------------------------------------ */

MR_HOT bool is_wanted(void)
{
	return MR_UNLIKELY(mr_process_records_mappings);
}

MR_HOOK(void *, mmap, (void *address, size_t length, int protection, int flags, int fd, off_t offset))
{
	void *const mapping = mr_real.mmap(address, length, protection, flags, fd, offset);

	if (is_wanted() && mapping != MAP_FAILED)
		mr_append(MR_HEAP_RECORD_MAP, mapping, length, length, MR_FRAME);
	return mapping;
}

MR_HOOK(void *, mmap64, (void *address, size_t length, int protection, int flags, int fd, off_t offset))
{
	void *const mapping = mr_real.mmap(address, length, protection, flags, fd, offset);

	if (is_wanted() && mapping != MAP_FAILED)
		mr_append(MR_HEAP_RECORD_MAP, mapping, length, length, MR_FRAME);
	return mapping;
}

MR_HOOK(int, munmap, (void *address, size_t length))
{
	if (!is_wanted())
		return mr_real.munmap(address, length);
	mr_append(MR_HEAP_RECORD_UNMAP, address, 0, length, MR_FRAME);
	const int result = mr_real.munmap(address, length);
	if (result != 0)
		mr_append(MR_HEAP_RECORD_MAP, address, length, length, MR_FRAME);
	return result;
}

MR_HOOK(void *, mremap, (void *address, size_t old_length, size_t length, int flags, ...))
{
	va_list arguments;

	va_start(arguments, flags);
	void *const wanted = (flags & MREMAP_FIXED) != 0 ? va_arg(arguments, void *) : NULL;
	va_end(arguments);
	if (!is_wanted())
		return mr_real.mremap(address, old_length, length, flags, wanted);

	/* A length of 0 makes a second mapping of the same pages. */
	if (old_length != 0)
		mr_append(MR_HEAP_RECORD_UNMAP, address, 0, old_length, MR_FRAME);
	void *const moved = mr_real.mremap(address, old_length, length, flags, wanted);
	if (moved != MAP_FAILED)
		mr_append(MR_HEAP_RECORD_MAP, moved, length, length, MR_FRAME);
	else if (old_length != 0)
		mr_append(MR_HEAP_RECORD_MAP, address, old_length, old_length, MR_FRAME);
	return moved;
}

/* ---- Modules --------------------------------------------------------------------------- */

MR_HOOK(int, dlclose, (void *handle))
{
	const int result = mr_real.dlclose(handle);

	mr_stack_modules_changed();
	return result;
}
