/* SPDX-License-Identifier: MIT
 *
 * The real functions: the next ones after ours, so that a program with an
 * allocator of its own keeps it.  The first call of any of them looks all of
 * them up.  What the dynamic linker allocates meanwhile comes from a small arena.
 */
#include "preload.h"

#include <dlfcn.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BOOT_HEADER 16u /* bytes before a block: its size */

uint8_t mr_boot_arena[MR_BOOT_ARENA_SIZE] __attribute__((aligned(16)));

static _Atomic size_t boot_used;

/* A block of the arena at a multiple of ALIGNMENT; zeroed, because no byte is used twice. */
static void *boot_allocate(size_t size, size_t alignment)
{
	size_t used = atomic_load(&boot_used);
	size_t begin;

	do {
		if (size > MR_BOOT_ARENA_SIZE || alignment > MR_BOOT_ARENA_SIZE / 2)
			return NULL;
		const uintptr_t base = (uintptr_t)mr_boot_arena;
		const size_t rounding = alignment > BOOT_HEADER ? alignment : BOOT_HEADER;

		begin = ((base + used + BOOT_HEADER + rounding - 1) & ~(uintptr_t)(rounding - 1)) - base;
		if (begin + size > MR_BOOT_ARENA_SIZE)
			return NULL;
	} while (!atomic_compare_exchange_weak(&boot_used, &used, begin + size));

	memcpy(mr_boot_arena + begin - sizeof(size), &size, sizeof(size));
	return mr_boot_arena + begin;
}

size_t mr_boot_size(const void *block)
{
	size_t size;

	memcpy(&size, (const uint8_t *)block - sizeof(size), sizeof(size));
	return size;
}

/* ---- The family, from the arena ----------------------------------------------- */

static void *boot_malloc(size_t size)
{
	void *const block = boot_allocate(size, BOOT_HEADER);

	if (block == NULL)
		errno = ENOMEM;
	return block;
}

static void boot_free(void *block)
{
	(void)block; /* what is the arena's stays there */
}

static void *boot_calloc(size_t count, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(count, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	return boot_malloc(all);
}

static void *boot_realloc(void *block, size_t size)
{
	void *const moved = boot_malloc(size);

	if (moved != NULL && block != NULL && mr_boot_owns(block)) {
		const size_t before = mr_boot_size(block);

		memcpy(moved, block, before < size ? before : size);
	}
	return moved;
}

static void *boot_memalign(size_t alignment, size_t size)
{
	void *const block = boot_allocate(size, alignment);

	if (block == NULL)
		errno = ENOMEM;
	return block;
}

static void *boot_aligned_alloc(size_t alignment, size_t size)
{
	return boot_memalign(alignment, size);
}

static int boot_posix_memalign(void **block, size_t alignment, size_t size)
{
	void *const made = boot_allocate(size, alignment);

	if (made == NULL)
		return ENOMEM;
	*block = made;
	return 0;
}

static void *boot_valloc(size_t size)
{
	return boot_memalign(4096, size);
}

static void *boot_pvalloc(size_t size)
{
	return boot_memalign(4096, (size + 4095) & ~(size_t)4095);
}

static size_t boot_malloc_usable_size(void *block)
{
	return block != NULL && mr_boot_owns(block) ? mr_boot_size(block) : 0;
}

/* ---- The others, by the kernel or not at all ------------------------------------- */

static void *boot_mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

static int boot_munmap(void *address, size_t length)
{
	return (int)syscall(SYS_munmap, address, length);
}

static void *boot_mremap(void *address, size_t old_length, size_t length, int flags, void *wanted)
{
	return (void *)syscall(SYS_mremap, address, old_length, length, flags, wanted);
}

static int boot_dlclose(void *handle)
{
	(void)handle;
	return -1;
}

static int boot_pthread_setname_np(pthread_t thread, const char *name)
{
	(void)thread;
	(void)name;
	return ENOSYS;
}

static long boot_syscall(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	register long fourth __asm__("r10") = d;
	register long fifth __asm__("r8") = e;
	register long sixth __asm__("r9") = f;
	long result = number;

	__asm__ volatile("syscall"
	                 : "+a"(result)
	                 : "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
	                 : "rcx", "r11", "memory");
	if (result >= 0 || result < -4095)
		return result;
	errno = (int)-result;
#else
	(void)number, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	errno = ENOSYS;
#endif
	return -1;
}

static int boot_prctl(int option, long a, long b, long c, long d)
{
	return (int)boot_syscall(SYS_prctl, option, a, b, c, d, 0);
}

/* ---- Looking up ------------------------------------------------------------------- */

/* This thread is the one that looks up.  Volatile: the compiler is told that dlsym() does not call back. */
static __thread volatile bool resolver;

static MR_COLD bool resolve(void)
{
	struct mr_real next;

	if (resolver)
		return false;
	resolver = true;
#define LOOK_UP(name, result, parameters, arguments)            \
	*(void **)(void *)&next.name = dlsym(RTLD_NEXT, #name); \
	if (next.name == NULL)                                  \
		next.name = boot_##name;
	MR_REAL_FUNCTIONS(LOOK_UP)
#undef LOOK_UP

	mr_real = next;
	resolver = false;
	return true;
}

/* What mr_real leads to at first. */
#define FIRST_RESULT(name, result, parameters, arguments)                         \
	static result first_##name parameters                                     \
	{                                                                         \
		const int errno_before = errno;                                   \
		const bool resolved = resolve();                                  \
                                                                                  \
		errno = errno_before;                                             \
		return resolved ? mr_real.name arguments : boot_##name arguments; \
	}
#define FIRST(name, result, parameters, arguments) FIRST_RESULT(name, result, parameters, arguments)
MR_REAL_FUNCTIONS(FIRST)

#define FIRST_NAME(name, result, parameters, arguments) .name = first_##name,
struct mr_real mr_real = { MR_REAL_FUNCTIONS(FIRST_NAME) };
