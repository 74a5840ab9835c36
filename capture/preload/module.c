/* SPDX-License-Identifier: MIT
 *
 * The list of modules that were met.  It is asked for only where a place in
 * the code is new, so it is searched from its end.  Two threads that meet a
 * module at once may tell it twice, under two numbers.
 */
#include "module.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "heap_events.h"
#include "memory_mapped.h"
#include "module_image.h"

bool mr_module_by_list;

struct known {
	struct mr_module module;
	uint64_t identity;       /* a hash of path and build id */
	_Atomic uint32_t turn;   /* of `turn` below when it was last compared */
	_Atomic uint32_t filled; /* 1: may be read; 2: it has gone */
};

/* In pages that a fork wipes. */
struct list {
	_Atomic uint32_t count; /* numbers handed out */
	_Atomic uint32_t turn;
	struct known known[MR_MODULES_MAX];
};

static struct list *list;

bool mr_modules_begin(void)
{
	if (list == NULL)
		list = mr_pages_map_wiped_on_fork(sizeof(*list));
	return list != NULL;
}

uint64_t mr_modules_bytes(void)
{
	const uint32_t count = atomic_load_explicit(&list->count, memory_order_relaxed);

	return (uint64_t)(count < MR_MODULES_MAX ? count : MR_MODULES_MAX) * sizeof(list->known[0]);
}

void mr_modules_changed(void)
{
	atomic_fetch_add(&list->turn, 1);
}

static int unloaded_of(struct dl_phdr_info *info, size_t size, void *context)
{
	uint64_t *const unloaded = context;

	(void)size;
	*unloaded = info->dlpi_subs;
	return 1;
}

uint64_t mr_modules_unloaded(void)
{
	uint64_t unloaded = 0;

	(void)dl_iterate_phdr(unloaded_of, &unloaded);
	return unloaded;
}

bool mr_memory_readable(uintptr_t address)
{
	const int errno_before = errno;

	/* The kernel copies the set before it finds that there is no such thing to do with it. */
	const bool readable =
		syscall(SYS_rt_sigprocmask, ~0, address & ~(uintptr_t)7, NULL, sizeof(uint64_t)) == 0 ||
		errno != EFAULT;
	errno = errno_before;
	return readable;
}

/* ---- Telling the writer ------------------------------------------------------------- */

static const char *path_of(const struct mr_image *image)
{
	return image->begin == getauxval(AT_SYSINFO_EHDR) ? "[vdso]" : image->name;
}

/* Copies at most ROOM bytes of TEXT; how many there were. */
static size_t text_put(char *out, size_t room, const char *text)
{
	const size_t len = strnlen(text, room);

	memcpy(out, text, len);
	return len;
}

/* IMAGE's path from the root, at most MR_HEAP_TEXT_MAX bytes. */
static size_t path_put(char *out, const struct mr_image *image)
{
	const char *const path = path_of(image);
	size_t len = 0;

	if (path[0] == '\0') { /* the program, which may be gone when somebody else asks for its name */
		const int errno_before = errno;
		const long link_len =
			syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", out, (size_t)MR_HEAP_TEXT_MAX);

		errno = errno_before;
		return link_len > 0 ? (size_t)link_len : 0;
	}
	if (path[0] != '/' && strchr(path, '/') != NULL) {
		const int errno_before = errno;
		const long folder_len = syscall(SYS_getcwd, out, (size_t)MR_HEAP_TEXT_MAX - 1);

		errno = errno_before;
		if (folder_len > 1 && out[0] == '/') {
			len = (size_t)folder_len - 1;
			if (len > 1)
				out[len++] = '/';
		}
	}
	return len + text_put(out + len, MR_HEAP_TEXT_MAX - len, path);
}

static bool module_tell(const struct mr_module *module, const struct mr_image *image,
                        struct mr_ring_writer *ring)
{
	const uint8_t *build_id = NULL;
	size_t build_id_len = mr_image_build_id(image, &build_id);

	if (build_id_len > MR_HEAP_BUILD_ID_MAX)
		build_id_len = 0;
	/* The most that it can take, so that the path is written where it stays. */
	const size_t len_max =
		sizeof(struct mr_heap_module) + MR_HEAP_TEXT_MAX + MR_HEAP_BUILD_ID_MAX + sizeof(uint64_t);
	if (ring == NULL || !mr_ring_reserve(ring, len_max))
		return false;

	uint8_t *const at = mr_ring_at_head(ring);
	char *const text = (char *)at + sizeof(struct mr_heap_module);
	const size_t path_len = path_put(text, image);
	if (build_id_len > 0)
		memcpy(text + path_len, build_id, build_id_len);
	const size_t end = sizeof(struct mr_heap_module) + path_len + build_id_len;
	const size_t len = (end + 7) & ~(size_t)7;
	memset(at + end, 0, len - end);
	const struct mr_heap_module record = {
		.head = MR_HEAP_RECORD_MODULE | (uint32_t)len << 4,
		.id = module->id,
		.base = image->base,
		.begin = image->begin,
		.end = image->end,
		.path_len = (uint32_t)path_len,
		.build_id_len = (uint32_t)build_id_len,
	};
	memcpy(at, &record, sizeof(record));
	mr_ring_commit(ring, len);
	return true;
}

/* ---- The list -------------------------------------------------------------------------- */

static uint64_t identity_of(const struct mr_image *image)
{
	const uint8_t *build_id = NULL;
	const size_t build_id_len = mr_image_build_id(image, &build_id);
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ image->base;

	for (const char *c = image->name; *c != '\0'; c++)
		hash = (hash ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
	for (size_t i = 0; i < build_id_len; i++)
		hash = (hash ^ build_id[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* Whether KNOWN is still what lies at IMAGE. */
static bool known_is(struct known *known, const struct mr_image *image)
{
	const uint32_t turn = atomic_load(&list->turn);

	if (known->module.begin != image->begin || known->module.end != image->end)
		return false;
	if (atomic_load_explicit(&known->turn, memory_order_relaxed) == turn)
		return true;
	if (known->identity != identity_of(image))
		return false;
	atomic_store_explicit(&known->turn, turn, memory_order_relaxed);
	return true;
}

static enum mr_module_found module_add(const struct mr_image *image, struct mr_ring_writer *ring,
                                       struct mr_module *module)
{
	const uint32_t turn = atomic_load(&list->turn);

	*module = (struct mr_module){ .begin = image->begin, .end = image->end };
	mr_image_tables(image, &module->tables);
	if (atomic_load_explicit(&list->count, memory_order_relaxed) >= MR_MODULES_MAX)
		return MR_MODULE_KNOWN;
	if (ring == NULL)
		return MR_MODULE_UNTOLD;
	module->id = atomic_fetch_add_explicit(&list->count, 1, memory_order_relaxed) + 1;
	if (module->id > MR_MODULES_MAX) {
		module->id = 0;
		return MR_MODULE_KNOWN;
	}
	if (!module_tell(module, image, ring)) {
		module->id = 0;
		return MR_MODULE_UNTOLD;
	}
	struct known *const known = &list->known[module->id - 1];
	known->module = *module;
	known->identity = identity_of(image);
	atomic_store_explicit(&known->turn, turn, memory_order_relaxed);
	atomic_store_explicit(&known->filled, 1, memory_order_release);
	return MR_MODULE_NEW;
}

enum mr_module_found mr_module_find(uintptr_t address, struct mr_ring_writer *ring, struct mr_module *module)
{
	struct mr_image image;

	if (!mr_image_find(address, mr_module_by_list, &image))
		return MR_MODULE_NONE;

	uint32_t count = atomic_load_explicit(&list->count, memory_order_relaxed);
	count = count < MR_MODULES_MAX ? count : MR_MODULES_MAX;
	for (uint32_t i = count; i-- > 0;) {
		struct known *const known = &list->known[i];

		if (atomic_load_explicit(&known->filled, memory_order_acquire) != 1 ||
		    known->module.begin >= image.end || image.begin >= known->module.end)
			continue;
		if (known_is(known, &image)) {
			*module = known->module;
			return MR_MODULE_KNOWN;
		}
		/* It lies where another one lay. */
		atomic_store_explicit(&known->filled, 2, memory_order_relaxed);
	}
	return module_add(&image, ring, module);
}
