/* SPDX-License-Identifier: MIT
 *
 * Finding a module and reading its program headers.  _dl_find_object() (glibc
 * 2.35) takes no lock and says where the mapping begins; there the file's own
 * header lies, usually.  Elsewhere dl_iterate_phdr() knows.  No offset in the
 * module is believed that leads out of its segments.
 */
#include "module_image.h"

#include <dlfcn.h>

#include "module.h"

#if defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 35)
#define HAVE_FIND_OBJECT 1
extern int _dl_find_object(void *address, struct dl_find_object *result) __attribute__((weak));
#endif
#endif

#define HEADERS_MAX 128
#define HEADER_PAGE 4096u

struct search {
	uintptr_t address;
	struct mr_image *image;
};

static int by_list(struct dl_phdr_info *info, size_t size, void *context)
{
	const struct search *const search = context;
	uintptr_t begin = UINTPTR_MAX;
	uintptr_t end = 0;
	uintptr_t unwind_header = 0;

	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *const header = &info->dlpi_phdr[i];
		const uintptr_t first = info->dlpi_addr + header->p_vaddr;

		if (header->p_type == PT_GNU_EH_FRAME)
			unwind_header = first;
		if (header->p_type != PT_LOAD)
			continue;
		begin = first < begin ? first : begin;
		end = first + header->p_memsz > end ? first + header->p_memsz : end;
	}
	if (search->address < begin || search->address >= end)
		return 0;
	*search->image = (struct mr_image){
		.begin = begin & ~(uintptr_t)(HEADER_PAGE - 1),
		.end = end,
		.base = info->dlpi_addr,
		.name = info->dlpi_name != NULL ? info->dlpi_name : "",
		.headers = info->dlpi_phdr,
		.header_count = info->dlpi_phnum < HEADERS_MAX ? info->dlpi_phnum : HEADERS_MAX,
		.unwind_header = (const uint8_t *)unwind_header, // NOLINT(performance-no-int-to-ptr)
	};
	return 1;
}

#ifdef HAVE_FIND_OBJECT
/* The program headers at the beginning of the mapping; false: they are not there. */
static bool headers_at_begin(struct mr_image *image)
{
	const ElfW(Ehdr) *const file = (const ElfW(Ehdr) *)image->begin; // NOLINT(performance-no-int-to-ptr)

	if (image->end - image->begin < HEADER_PAGE || !mr_memory_readable(image->begin) ||
	    memcmp(file->e_ident, ELFMAG, SELFMAG) != 0 || file->e_phentsize != sizeof(ElfW(Phdr)) ||
	    file->e_phoff > HEADER_PAGE || file->e_phoff % 8 != 0 ||
	    file->e_phnum > (HEADER_PAGE - file->e_phoff) / sizeof(ElfW(Phdr)))
		return false;
	image->headers =
		(const ElfW(Phdr) *)(image->begin + file->e_phoff); // NOLINT(performance-no-int-to-ptr)
	image->header_count = file->e_phnum < HEADERS_MAX ? file->e_phnum : HEADERS_MAX;
	return true;
}

static bool by_object(uintptr_t address, struct mr_image *image)
{
	struct dl_find_object found;

	if (_dl_find_object((void *)address, &found) != 0) // NOLINT(performance-no-int-to-ptr)
		return false;
	const char *const name = found.dlfo_link_map->l_name;
	*image = (struct mr_image){
		.begin = (uintptr_t)found.dlfo_map_start,
		.end = (uintptr_t)found.dlfo_map_end,
		.base = found.dlfo_link_map->l_addr,
		.name = name != NULL ? name : "",
		.unwind_header = found.dlfo_eh_frame,
	};
	return true;
}
#endif

bool mr_image_find(uintptr_t address, bool use_list, struct mr_image *image)
{
	struct search search = { .address = address, .image = image };

#ifdef HAVE_FIND_OBJECT
	if (!use_list && _dl_find_object != NULL) {
		if (!by_object(address, image))
			return false;
		if (headers_at_begin(image))
			return true;
	}
#else
	(void)use_list;
#endif
	return dl_iterate_phdr(by_list, &search) != 0;
}

/* The readable segment that ADDRESS lies in: its bytes from there on; 0: none. */
static size_t segment_rest(const struct mr_image *image, uintptr_t address, uintptr_t *begin)
{
	for (size_t i = 0; i < image->header_count; i++) {
		const ElfW(Phdr) *const header = &image->headers[i];
		const uintptr_t first = image->base + header->p_vaddr;

		if (header->p_type != PT_LOAD || (header->p_flags & PF_R) == 0 || address < first ||
		    address - first >= header->p_memsz || first < image->begin || first >= image->end ||
		    header->p_memsz > image->end - first)
			continue;
		*begin = first;
		return header->p_memsz - (address - first);
	}
	return 0;
}

void mr_image_tables(const struct mr_image *image, struct mr_unwind_tables *tables)
{
	uintptr_t begin = 0;
	size_t rest = segment_rest(image, (uintptr_t)image->unwind_header, &begin);

	*tables = (struct mr_unwind_tables){ 0 };
	if (image->unwind_header == NULL || rest == 0)
		return;
	tables->header = image->unwind_header;
	tables->header_end = image->unwind_header + rest;
	tables->frames = mr_unwind_tables_frames(tables);
	rest = segment_rest(image, (uintptr_t)tables->frames, &begin);
	if (tables->frames == NULL || rest == 0) {
		*tables = (struct mr_unwind_tables){ 0 };
		return;
	}
	tables->frames_begin = (const uint8_t *)begin; // NOLINT(performance-no-int-to-ptr)
	tables->frames_end = tables->frames + rest;
}

/* The build id among the notes in [AT, AT + LEN). */
static size_t build_id_in(const uint8_t *at, size_t len, const uint8_t **build_id)
{
	ElfW(Nhdr) note;

	while (len >= sizeof(note)) {
		memcpy(&note, at, sizeof(note));
		const uint64_t name_len = ((uint64_t)note.n_namesz + 3) & ~UINT64_C(3);
		const uint64_t whole =
			sizeof(note) + name_len + (((uint64_t)note.n_descsz + 3) & ~UINT64_C(3));

		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    sizeof(note) + name_len + note.n_descsz <= len &&
		    memcmp(at + sizeof(note), "GNU", 4) == 0) {
			*build_id = at + sizeof(note) + name_len;
			return note.n_descsz;
		}
		if (whole > len)
			return 0;
		at += whole;
		len -= whole;
	}
	return 0;
}

size_t mr_image_build_id(const struct mr_image *image, const uint8_t **build_id)
{
	for (size_t i = 0; i < image->header_count; i++) {
		const ElfW(Phdr) *const header = &image->headers[i];
		const uintptr_t notes = image->base + header->p_vaddr;
		uintptr_t begin = 0;

		if (header->p_type != PT_NOTE || segment_rest(image, notes, &begin) < header->p_memsz)
			continue;
		const size_t len = build_id_in((const uint8_t *)notes, // NOLINT(performance-no-int-to-ptr)
		                               header->p_memsz, build_id);
		if (len > 0)
			return len;
	}
	return 0;
}
