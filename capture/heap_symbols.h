/* SPDX-License-Identifier: MIT
 *
 * Names the places in the code that the streams of a recording speak of, and
 * writes the names into its log: STRINGS and SYMBOLS rows.  Places of all streams
 * come together, module by module, so that a place that a thousand forked processes
 * have in common is looked up once.  Most are known before a program ends, and are
 * looked up while it runs, by a thread of their own: then little is left to be done
 * at the end, when somebody waits for it.  Private to memrecord; for one thread at a time.
 *
 *     mr_heap_symbols_new(&symbols, err);
 *     now and then, for the codes that came since:
 *             mr_heap_symbols_module(symbols, path, build_id, pid, &module, err);
 *             mr_heap_symbols_foresee(symbols, module, offset, err);
 *     and mr_heap_symbols_look_ahead(symbols);
 *     for each stream:
 *             mr_heap_symbols_stream(symbols, stream, &string_id_next, err);
 *             for each code that matters:
 *                     mr_heap_symbols_module(symbols, path, build_id, pid, &module, err);
 *                     mr_heap_symbols_place(symbols, code_id, module, offset, err);
 *     mr_heap_symbols_write(symbols, log, &report, err);
 *     mr_heap_symbols_free(symbols);
 *
 * Once, at the end of all, is best.  It may also be done whenever a process has
 * ended: what was looked up is kept, places that are written are forgotten.  Nothing
 * is looked up ahead any more from the first write on.
 */
#ifndef MR_HEAP_SYMBOLS_H
#define MR_HEAP_SYMBOLS_H

#include "log_writer.h"

struct mr_heap_symbols;

/* What came of it, since mr_heap_symbols_new(): of places that differ, in all streams. */
struct mr_heap_symbols_report {
	uint64_t places;
	uint64_t places_named;      /* have a function */
	uint64_t places_positioned; /* have a file and a line as well */
	uint64_t modules;
	uint64_t modules_missing; /* gone, or another build by now */
	uint64_t modules_lined;   /* have debugging information */
};

int mr_heap_symbols_new(struct mr_heap_symbols **symbols, struct mr_error *err) MR_MUST_CHECK;
void mr_heap_symbols_free(struct mr_heap_symbols *symbols); /* NULL is fine */

/* What is added from now on is of STREAM of the log, in which no string has the id *STRING_ID_NEXT or
 * a higher one: new strings get those, and it is moved on (borrowed until the write).  A stream is begun
 * once between two writes. */
int mr_heap_symbols_stream(struct mr_heap_symbols *symbols, uint32_t stream, uint64_t *string_id_next,
                           struct mr_error *err) MR_MUST_CHECK;

/* Gives *MODULE, the number for a module, the same each time: PATH as the log has it ("~" is the home
 * folder), BUILD_ID in lower-case hexadecimal ("" when it has none).  Both are copied.  With the PID of
 * a process that still has it (0: none), a file that only that process sees under PATH is kept open. */
int mr_heap_symbols_module(struct mr_heap_symbols *symbols, const char *path, const char *build_id,
                           uint32_t pid, uint32_t *module, struct mr_error *err) MR_MUST_CHECK;

/* CODE of the stream at hand is at OFFSET of MODULE, in the module's own addresses. */
int mr_heap_symbols_place(struct mr_heap_symbols *symbols, uint64_t code, uint32_t module, uint64_t offset,
                          struct mr_error *err) MR_MUST_CHECK;

/* A place may be at OFFSET of MODULE that will be named later. */
int mr_heap_symbols_foresee(struct mr_heap_symbols *symbols, uint32_t module, uint64_t offset,
                            struct mr_error *err) MR_MUST_CHECK;
/* Has what was foreseen looked up meanwhile; the thread for it inherits the caller's mask of signals.
 * Without one it is all looked up at the end. */
void mr_heap_symbols_look_ahead(struct mr_heap_symbols *symbols);

/* Looks up what is new and writes the rows of all places that were added since the last time.  REPORT may
 * be NULL.  A place of which nothing is known gets no row.  MR_ERR_NOMEM, or what the log says. */
int mr_heap_symbols_write(struct mr_heap_symbols *symbols, struct mr_log_writer *log,
                          struct mr_heap_symbols_report *report, struct mr_error *err) MR_MUST_CHECK;

#endif
