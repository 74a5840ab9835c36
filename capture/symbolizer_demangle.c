/* SPDX-License-Identifier: MIT
 *
 * Names as programmers write them, by libiberty, which knows C++ and both kinds
 * of Rust and limits how deep names may nest.
 */
#include "symbolizer.h"

#include <libiberty/demangle.h>
#include <stdlib.h>

#define DEMANGLED_MAX 4096 /* templates can make names of megabytes */

void mr_demangle(struct mr_buffer *out, const char *name)
{
	char *demangled = NULL;

	/* Only what looks mangled: "_Z", "_R". */
	if (name[0] == '_' && (name[1] == 'Z' || name[1] == 'R') && strlen(name) < MR_ERROR_MESSAGE_MAX * 16)
		demangled = cplus_demangle(name, DMGL_PARAMS | DMGL_ANSI | DMGL_AUTO);

	const char *const shown = demangled != NULL ? demangled : name;
	mr_buffer_append(out, shown, strnlen(shown, DEMANGLED_MAX));
	free(demangled);
}
