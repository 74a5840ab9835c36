/* SPDX-License-Identifier: MIT
 *
 * Names as programmers write them, by libiberty, which knows C++ and both kinds
 * of Rust and limits how deep names may nest.
 */
#include "symbolizer.h"

#include <libiberty/demangle.h>
#include <stdlib.h>

#define DEMANGLED_MAX 4096 /* templates can make names of megabytes */

/* Puts what programmers write for what libstdc++ and libc++ make of it, in place. */
static void shorten(char *name)
{
	static const char *const strings[] = {
		"std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >",
		"std::__1::basic_string<char, std::__1::char_traits<char>, std::__1::allocator<char> >",
	};
	static const char shorter[] = "std::string";

	for (size_t i = 0; i < MR_ARRAY_LEN(strings); i++) {
		const size_t len = strlen(strings[i]);
		char *to = name;

		/* A single pass over what may be long: each part is moved once. */
		for (const char *from = name, *found; from != NULL; from = found) {
			found = strstr(from, strings[i]);
			const size_t part = found != NULL ? (size_t)(found - from) : strlen(from) + 1;

			memmove(to, from, part);
			to += part;
			if (found != NULL) {
				memcpy(to, shorter, sizeof(shorter) - 1);
				to += sizeof(shorter) - 1;
				found += len;
			}
		}
	}
}

void mr_demangle(struct mr_buffer *out, const char *name)
{
	char *demangled = NULL;

	/* Only what looks mangled: "_Z", "_R". */
	if (name[0] == '_' && (name[1] == 'Z' || name[1] == 'R') && strlen(name) < MR_ERROR_MESSAGE_MAX * 16)
		demangled = cplus_demangle(name, DMGL_PARAMS | DMGL_ANSI | DMGL_AUTO);

	if (demangled != NULL)
		shorten(demangled);
	const char *const shown = demangled != NULL ? demangled : name;
	mr_buffer_append(out, shown, strnlen(shown, DEMANGLED_MAX));
	free(demangled);
}
