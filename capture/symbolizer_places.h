/* SPDX-License-Identifier: MIT
 *
 * Many places in the code, of many modules, named together: each is looked up once.
 * Then the rows that a stream of a log needs for its own codes are made: STRINGS and
 * SYMBOLS.  For memrecord, and for `memstats symbolize`.  For one thread at a time,
 * but that one thread may look up while another says what is to be named.
 */
#ifndef MR_SYMBOLIZER_PLACES_H
#define MR_SYMBOLIZER_PLACES_H

#include "log_format.h"
#include "symbolizer_texts.h"

struct mr_places;

int mr_places_new(struct mr_places **places, struct mr_error *err) MR_MUST_CHECK;
void mr_places_free(struct mr_places *places); /* NULL is fine */

/* ---- What is to be named ------------------------------------------------------------ */

/* Gives *MODULE, the number for a module from 0, the same each time: PATH as the log has it ("~" is the
 * home folder), BUILD_ID in lower-case hexadecimal ("" when it has none).  Both are copied. */
int mr_places_module(struct mr_places *places, const char *path, const char *build_id, uint32_t *module,
                     struct mr_error *err) MR_MUST_CHECK;
/* The file to be taken for MODULE, whatever lies at its path.  FD is taken. */
void mr_places_module_file(struct mr_places *places, uint32_t module, int fd);
/* Gives *PLACE, the number of OFFSET (in the module's own addresses) of MODULE, from 0: the same each
 * time. */
int mr_places_add(struct mr_places *places, uint32_t module, uint64_t offset, uint32_t *place,
                  struct mr_error *err) MR_MUST_CHECK;
/* The same place may be added later: it may be looked up meanwhile. */
int mr_places_foresee(struct mr_places *places, uint32_t module, uint64_t offset, struct mr_error *err)
	MR_MUST_CHECK;

/* Looks up all places that have not been, module by module, one open at a time.  MR_ERR_NOMEM. */
int mr_places_look_up(struct mr_places *places, struct mr_error *err) MR_MUST_CHECK;

/* Asked before each place; false: that is enough. */
typedef bool mr_places_go_on(void *context);
/* Looks up those that are foreseen, too, as long as GO_ON says.  Modules stay open for what comes; one that
 * would take much memory is left to mr_places_look_up(). */
int mr_places_look_ahead(struct mr_places *places, mr_places_go_on *go_on, void *context,
                         struct mr_error *err) MR_MUST_CHECK;
/* Closes what that left open. */
void mr_places_close(struct mr_places *places);

/* ---- What is known then ---------------------------------------------------------------- */

enum mr_places_known {
	MR_PLACES_UNSEEN,  /* not looked up, or no more than foreseen */
	MR_PLACES_MISSING, /* of a module: gone, or another build; of a place: nothing is known */
	MR_PLACES_NAMED,   /* functions have names */
	MR_PLACES_LINED,   /* and files and lines */
};

size_t mr_places_module_count(const struct mr_places *places);
/* What is known of a module, and its PATH; *WHY is a sentence when it is missing, or NULL. */
enum mr_places_known mr_places_module_known(const struct mr_places *places, uint32_t module,
                                            const char **path, const char **why);
size_t mr_places_count(const struct mr_places *places);
enum mr_places_known mr_places_known(const struct mr_places *places, uint32_t place);

struct mr_places_frame {   /* of a place that has been looked up */
	uint32_t function; /* numbers of texts */
	uint32_t file;
	uint32_t line;
};

/* The COUNT frames of a place, innermost first; borrowed until more is looked up, as the texts are. */
const struct mr_places_frame *mr_places_frames(const struct mr_places *places, uint32_t place, size_t *count);
const struct mr_symbolizer_texts *mr_places_texts(const struct mr_places *places);

/* ---- Rows of a stream --------------------------------------------------------------------- */

/* Takes an encoded block (borrowed for the call) of KIND. */
typedef int mr_places_put(void *context, enum mr_kind kind, const void *block, size_t len,
                          struct mr_error *err);

struct mr_places_code { /* what a stream calls a place */
	uint64_t code;
	uint32_t place;
};

/* Makes the rows for COUNT codes of one stream, which are sorted by code, and hands them to PUT in blocks:
 * STRINGS before the SYMBOLS that use them.  Strings get ids from *STRING_ID_NEXT on, which is moved.  A
 * place of which nothing is known gets no row. */
int mr_places_write(const struct mr_places *places, const struct mr_places_code *codes, size_t count,
                    uint64_t *string_id_next, mr_places_put *put, void *context, struct mr_error *err)
	MR_MUST_CHECK;

#endif
