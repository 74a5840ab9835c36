/* SPDX-License-Identifier: MIT
 *
 * The call stacks of a run as people think of them: frames with names, inlined
 * ones expanded, those of --hide gone, and for each stack its site, the
 * innermost frame that is no allocation function and no wrapper of a runtime
 * library (stacks_wrappers.c).  Everything is worked out once for a place in the
 * code or a node of the tree of stacks, however many stacks go through it.
 *
 * All that is given out is borrowed and lives until mr_stacks_free().  A struct
 * mr_stacks belongs to one thread, and to the model that it was made from.
 */
#ifndef MR_STACKS_H
#define MR_STACKS_H

#include "model.h"
#include "query.h"

#define MR_STACK_FOCUS_MAX 64 /* --focus in one query */

/* Of what a frame is, from most to least telling. */
enum mr_frame_kind {
	MR_FRAME_OWN,      /* of the program */
	MR_FRAME_RUNTIME,  /* of a runtime library, on the way to an allocation: std::vector, strdup */
	MR_FRAME_ALLOCATOR /* malloc, operator new */
};

/* What frames are merged by: the function, whatever its line and address.  Names that need not be
 * unique in a program (of C, in an anonymous namespace) are told apart by file, or else module. */
struct mr_function {
	const char *name;   /* never "": "libx.so+0x12ab" where none is known */
	const char *file;   /* "" when unknown: the path of where it was seen first */
	const char *module; /* "" when unknown: likewise, without its folders */
	bool is_named;      /* NAME is of the source */
	bool is_hidden;     /* --hide */
	uint8_t kind;       /* enum mr_frame_kind */
	uint64_t focus;     /* a bit for each --focus that it matches */
	uint64_t hash;
};

/* A place in a function: of a return address, or of what was inlined there. */
struct mr_stack_frame {
	uint32_t function; /* index in functions */
	uint32_t line;     /* 0: unknown */
	uint32_t module;   /* index in the run's modules, 0: unknown */
	const char *file;  /* path, "" when unknown */
	const char *text;  /* "function (file.c:12)", "function", "module+0x1234"; NULL: not yet needed */
};

struct mr_stacks {
	const struct mr_model *model;
	const struct mr_run *run;
	const struct memstats_query *query; /* NULL: no options */
	struct mr_function *functions;      /* 0: of no known stack, 1: of a stack that is hidden all */
	size_t function_count;
	size_t function_capacity;
	struct mr_stack_frame
		*frames; /* 0 and 1: of functions 0 and 1; those of a code in a row, innermost first */
	size_t frame_count;
	size_t frame_capacity;
	struct mr_stacks_memo *memo;
	bool is_shared; /* it is a log's, see stacks_runs.h */
};

/* Frames of RUN with the --focus, --hide and --module of QUERY (borrowed; NULL: none).
 * MR_ERR_NOMEM; MR_ERR_ARG: too many --focus. */
int mr_stacks_new(const struct mr_model *model, const struct mr_run *run, const struct memstats_query *query,
                  struct mr_stacks **stacks, struct mr_error *err) MR_MUST_CHECK;
void mr_stacks_free(struct mr_stacks *stacks); /* NULL is fine, and what is shared stays */

/* Works STACK (an index of the run's stacks; 0, "not known", too) out; comes before what follows,
 * and costs nothing when it is done again. */
int mr_stacks_resolve(struct mr_stacks *stacks, uint32_t stack, struct mr_error *err) MR_MUST_CHECK;
/* Whether the query keeps STACK, which is resolved. */
bool mr_stacks_is_kept(const struct mr_stacks *stacks, uint32_t stack);
/* The frame that is STACK's site, as an index in frames. */
uint32_t mr_stacks_site(const struct mr_stacks *stacks, uint32_t stack);
/* The site as tables show it, "function (file.c:12)" or "module+0x1234", and the file name of its
 * module ("" when unknown). */
const char *mr_stacks_site_text(const struct mr_stacks *stacks, uint32_t stack);
const char *mr_stacks_site_module(const struct mr_stacks *stacks, uint32_t stack);
/* All frames of STACK that are not hidden, innermost first, as site texts joined by " < ".  It is
 * made when it is asked for; NULL: no memory. */
const char *mr_stacks_trace_text(struct mr_stacks *stacks, uint32_t stack);

/* A way from a stack to its callers. */
struct mr_stack_path {
	uint32_t *stacks;
	size_t count;
	size_t capacity;
};

int mr_stack_path_add(struct mr_stack_path *path, uint32_t stack, struct mr_error *err) MR_MUST_CHECK;

/* The frames that CODE (an index of the run's codes) stands for: *FIRST and the *COUNT from there on,
 * innermost first, hidden ones included. */
int mr_stacks_code(struct mr_stacks *stacks, uint32_t code, uint32_t *first, uint32_t *count,
                   struct mr_error *err) MR_MUST_CHECK;

/* A copy of LEN bytes and a zero byte, that lives as long as STACKS; NULL: no memory. */
const char *mr_stacks_keep(struct mr_stacks *stacks, const void *text, size_t len);

/* What the function of that NAME ("" when unknown) is; see stacks_wrappers.c. */
enum mr_frame_kind mr_frame_kind_of(const char *name);
/* Behind "operator" and its signs at AT, so that the '<' of "operator<<" opens nothing. */
const char *mr_name_skip_operator(const char *at);
/* Where the qualified name begins in "void std::vector<int, A>::grow<int>(int)": behind the last
 * space that is in no brackets, before the parameters; and there it ends. */
const char *mr_name_begin(const char *name, const char **end);
/* Appends NAME, of a function, without what its templates and parameters are, and what a template gives
 * back: "std::vector<>::at()".  A place behind it, " (file.c:12)", stays. */
void mr_name_shorten(struct mr_buffer *out, const char *name);

/* The heap snapshot of RUN that TEXT names, by number or description, as an index of its
 * heap_snapshots; MR_INDEX_NONE: it has none such. */
uint32_t mr_stacks_find_snapshot(const struct mr_model *model, const struct mr_run *run, const char *text);
/* The heap snapshot of run RUN that FILE@SNAPSHOT names, as an index of its heap_snapshots;
 * MR_INDEX_NONE: none is named, and *NAMED is false, or this run has none such. */
uint32_t mr_stacks_snapshot(const struct memstats_log *log, size_t run, bool *named);
/* Fails (MR_ERR_ARG) where a snapshot is named that no run of its file has. */
int mr_stacks_check_snapshots(const struct memstats_log *log, struct mr_error *err) MR_MUST_CHECK;

#endif
