/* SPDX-License-Identifier: MIT
 *
 * A loaded module as it lies in memory: where the dynamic linker says that it
 * is, and what its program headers say.  Private to capture/preload/.
 */
#ifndef MR_PRELOAD_MODULE_IMAGE_H
#define MR_PRELOAD_MODULE_IMAGE_H

#include <link.h>

#include "unwind_rule.h"

struct mr_image {
	uintptr_t begin; /* of its mapping */
	uintptr_t end;
	uintptr_t base;   /* what is added to the addresses in the file */
	const char *name; /* the linker's; "" for the program */
	const ElfW(Phdr) * headers;
	size_t header_count;
	const uint8_t *unwind_header; /* .eh_frame_hdr; NULL: none */
};

/* The module that holds ADDRESS.  BY_LIST: by dl_iterate_phdr(), which takes the linker's lock. */
bool mr_image_find(uintptr_t address, bool by_list, struct mr_image *image);
void mr_image_tables(const struct mr_image *image, struct mr_unwind_tables *tables);
/* Bytes of its build id, which *BUILD_ID points at; 0: it has none. */
size_t mr_image_build_id(const struct mr_image *image, const uint8_t **build_id);

#endif
