/* SPDX-License-Identifier: MIT
 *
 * Names places in the code that are known as module and offset: function, file,
 * line and inlined frames, from the debugging information on this machine (a
 * module's own, a separate file by build id or .gnu_debuglink).  For memrecord while
 * it records, and for `memstats symbolize`.  Nothing else in the
 * project uses elfutils or libiberty.  Never asks the network.  It is fastest
 * when places of one module come in the order of their addresses.
 */
#ifndef MR_SYMBOLIZER_H
#define MR_SYMBOLIZER_H

#include "base.h"

/* Folders with separate debugging information, ':' between them; each is as /usr/lib/debug, which is the
 * default. */
#define MR_SYMBOLIZER_DEBUG_ENVIRONMENT "MEMREPORT_DEBUG_PATH"

/* One module of which places are named. */
struct mr_symbolizer;

/* Opens the module at PATH ("~" is the home folder), whose build id was
 * BUILD_ID ("" when not known).  Its file is FD (borrowed until this returns), or
 * with -1 the one at PATH; where that is gone or of another build, what is
 * installed for that build id is taken.  MR_ERR_READ: there is nothing
 * to be had, with the reason; MR_ERR_NOMEM. */
int mr_symbolizer_open(struct mr_symbolizer **symbolizer, const char *path, const char *build_id, int fd,
                       struct mr_error *err) MR_MUST_CHECK;
/* The same, unless more than INFLATED_MAX bytes of its sections are compressed: they are in memory, inflated,
 * for as long as it is open.  MR_ERR_LIMIT then. */
int mr_symbolizer_open_within(struct mr_symbolizer **symbolizer, const char *path, const char *build_id,
                              int fd, uint64_t inflated_max, struct mr_error *err) MR_MUST_CHECK;
void mr_symbolizer_close(struct mr_symbolizer *symbolizer); /* NULL is fine */
/* False: its files were written to since it was opened, and what was read of them is worth nothing.  Files
 * that are gone, or others in their places, do not matter. */
bool mr_symbolizer_is_good(const struct mr_symbolizer *symbolizer);
/* Whether there is debugging information, not names of functions alone. */
bool mr_symbolizer_has_lines(const struct mr_symbolizer *symbolizer);

struct mr_named {             /* a frame; strings are borrowed for the call, "" when unknown */
	const char *function; /* demangled */
	const char *file;     /* the home folder as ~ */
	uint32_t line;
};

/* Called for each frame at a place, innermost first, with its DEPTH 0.. . */
typedef int mr_symbolizer_visit(void *context, uint32_t depth, const struct mr_named *named,
                                struct mr_error *err);

/* Names OFFSET, an address in the module's own terms.  Gives the number of
 * frames, 0 when nothing is known, or the error that VISIT gave. */
int mr_symbolizer_name(struct mr_symbolizer *symbolizer, uint64_t offset, mr_symbolizer_visit *visit,
                       void *context, struct mr_error *err) MR_MUST_CHECK;

/* Appends NAME as a programmer writes it (C++ and Rust), or as it is. */
void mr_demangle(struct mr_buffer *out, const char *name);

#endif
