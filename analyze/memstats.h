/* SPDX-License-Identifier: MIT
 *
 * libmemstats: reads logs and answers questions about them in tables.
 *
 *     struct memstats_log *log;
 *     memstats_log_open(&path, 1, &log, &error);
 *     struct memstats_query *query = memstats_query_new();
 *     memstats_query_add(query, MEMSTATS_SORT, "size", &error);
 *     memstats_query_add(query, MEMSTATS_LIMIT, "10", &error);
 *     memstats_table_new(log, "objects", query, &table, &error);
 *     memstats_table_write(table, MEMSTATS_FORMAT_JSON, 0, stdout, &error);
 *
 * Every analysis is a table: named, typed columns and rows.  Every table takes
 * the same query and every output format.  Sizes are bytes, times and durations
 * are nanoseconds; times count from the run's start.
 *
 * A log is read lazily: a table reads the parts that it needs.  A log, and the
 * tables made from it, belong to one thread at a time.  Functions that can fail
 * give 0 or a negative enum memstats_err and fill the error (which may be NULL).
 */
#ifndef MEMSTATS_H
#define MEMSTATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

enum memstats_err {
	MEMSTATS_OK = 0,
	MEMSTATS_ERR_ARG = -1,
	MEMSTATS_ERR_READ = -2,
	MEMSTATS_ERR_FORMAT = -3,
	MEMSTATS_ERR_VERSION = -4,
	MEMSTATS_ERR_LIMIT = -5,
	MEMSTATS_ERR_NOMEM = -6,
	MEMSTATS_ERR_WRITE = -7
};

struct memstats_error {
	int code;
	char message[1024];
};

/* ---- Logs ---------------------------------------------------------------- */

struct memstats_log;

/* Opens one or more logs as one; "-" is standard input; "FILE@N" and
 * "FILE@description" name a snapshot, for `diff`, `holders` and tables of call stacks, where FILE
 * itself does not exist.
 * A damaged log opens with what is whole in it; see memstats_log_warning(). */
int memstats_log_open(const char *const *paths, size_t path_count, struct memstats_log **log,
                      struct memstats_error *error);
/* The same of a log that lies in memory, borrowed until memstats_log_close(); NAME stands for its path. */
int memstats_log_open_memory(const void *data, size_t size_bytes, const char *name, struct memstats_log **log,
                             struct memstats_error *error);
void memstats_log_close(struct memstats_log *log); /* NULL is fine */
/* Writes the log to OUT, which is flushed but not closed: its bytes as they are, or, of another
 * tool's file, those that it was turned into. */
int memstats_log_copy(const struct memstats_log *log, FILE *out, struct memstats_error *error);

/* What was wrong with the files: a sentence each, or NULL past the last.
 * Grows as tables read more of the log. Borrowed from the log. */
const char *memstats_log_warning(const struct memstats_log *log, size_t i);

/* ---- Tables -------------------------------------------------------------- */

enum memstats_type {
	MEMSTATS_TEXT,
	MEMSTATS_COUNT,    /* a number of things */
	MEMSTATS_BYTES,    /* a size */
	MEMSTATS_TIME,     /* ns since the run's start */
	MEMSTATS_DURATION, /* ns */
	MEMSTATS_ADDRESS,
	MEMSTATS_ID,           /* a number that names a thing: object, snapshot, pid */
	MEMSTATS_PERCENT,      /* a real */
	MEMSTATS_COUNT_CHANGE, /* signed */
	MEMSTATS_BYTES_CHANGE  /* signed */
};

struct memstats_column {
	const char *name;
	enum memstats_type type;
	const char *help;
};

struct memstats_table_info {
	const char *name;
	const char *summary;
	const struct memstats_column *columns;
	size_t column_count;
	size_t name_column; /* the one that --filter and --match look at; refused where it is no text */
};

/* The tables that this library has, in the order in which they are shown. */
const struct memstats_table_info *memstats_table_list(size_t *count);

/* Names the unit of a type as machine output carries it: "bytes", "seconds", "" ... */
const char *memstats_type_unit(enum memstats_type type);

/* What is done to the rows, in the order of adding. */
enum memstats_operation {
	MEMSTATS_SORT,     /* "size,birth" */
	MEMSTATS_REVERSE,  /* value ignored */
	MEMSTATS_FILTER,   /* text that the name holds */
	MEMSTATS_MATCH,    /* POSIX extended regular expression */
	MEMSTATS_WHERE,    /* "size>=1MiB" */
	MEMSTATS_LIMIT,    /* "10" rows, or "0.5" of them */
	MEMSTATS_COLUMNS,  /* "class,size" */
	MEMSTATS_UNSORTED, /* rows as the log has them, not in the table's own order; value ignored */
	/* Of tables of call stacks only; a POSIX extended regular expression each: */
	MEMSTATS_FOCUS,  /* stacks with a function that matches */
	MEMSTATS_HIDE,   /* functions that match vanish, and what they cost goes to their callers */
	MEMSTATS_MODULE, /* stacks whose site lies in a module (by its file name) that matches */
	MEMSTATS_INVERT  /* tree: innermost functions first; value ignored */
};

struct memstats_query;

struct memstats_query *memstats_query_new(void); /* NULL: no memory */
void memstats_query_free(struct memstats_query *query);
int memstats_query_add(struct memstats_query *query, enum memstats_operation operation, const char *value,
                       struct memstats_error *error);

struct memstats_table;

/* Makes table NAME of LOG and runs QUERY (NULL: all rows in their natural order) on it. */
int memstats_table_new(struct memstats_log *log, const char *name, const struct memstats_query *query,
                       struct memstats_table **table, struct memstats_error *error);
void memstats_table_free(struct memstats_table *table);

const char *memstats_table_name(const struct memstats_table *table);
size_t memstats_table_row_count(const struct memstats_table *table);
/* Rows that filters and limits left out. */
size_t memstats_table_hidden_count(const struct memstats_table *table);
size_t memstats_table_column_count(const struct memstats_table *table);
const struct memstats_column *memstats_table_column(const struct memstats_table *table, size_t column);
/* The column of that name, or -1. */
int memstats_table_find_column(const struct memstats_table *table, const char *name);

/* Cells.  ROW and COLUMN must exist and the column must be of a fitting type. */
bool memstats_table_is_null(const struct memstats_table *table, size_t row, size_t column);
const char *memstats_table_text(const struct memstats_table *table, size_t row,
                                size_t column); /* borrowed, never NULL, "" for null; raw UTF-8 or not */
uint64_t memstats_table_number(const struct memstats_table *table, size_t row, size_t column);
/* The same, NONE where the cell is null. */
uint64_t memstats_table_number_or(const struct memstats_table *table, size_t row, size_t column,
                                  uint64_t none);
int64_t memstats_table_change(const struct memstats_table *table, size_t row, size_t column);
double memstats_table_real(const struct memstats_table *table, size_t row, size_t column);

/* ---- Rows in an order that a program keeps ----
 *
 * A table's source rows are numbered as the log has them; the numbers hold for every table of the
 * same name of the same open log. */

/* The source row that is shown as ROW. */
size_t memstats_table_source(const struct memstats_table *table, size_t row);
/* Shows the COUNT source rows ROWS, in that order, in place of what was shown. */
int memstats_table_arrange(struct memstats_table *table, const uint32_t *rows, size_t count,
                           struct memstats_error *error);
/* Sorts the rows that are shown by COLUMNS ("size,birth"; all of them shown) as a query does, those
 * that these hold equal as they stand, and keeps the first LIMIT of them. */
int memstats_table_sort(struct memstats_table *table, const char *columns, size_t limit,
                        struct memstats_error *error);

enum memstats_format {
	MEMSTATS_FORMAT_TEXT,
	MEMSTATS_FORMAT_JSON,
	MEMSTATS_FORMAT_NDJSON,
	MEMSTATS_FORMAT_CSV,
	MEMSTATS_FORMAT_MARKDOWN
};

enum memstats_write_flag { MEMSTATS_EXACT_BYTES = 1 };

/* Writes the table.  Text uses the table's own layout where it has one (summary, objects). */
int memstats_table_write(struct memstats_table *table, enum memstats_format format, unsigned flags, FILE *out,
                         struct memstats_error *error);

/* ---- Single objects ------------------------------------------------------
 *
 * What an `objects` row holds beyond its columns. */

struct memstats_position {    /* a frame of a trace, innermost first (Python shows them outermost first) */
	const char *function; /* "" when unknown */
	const char *file;     /* "" when unknown */
	uint32_t line;        /* 0 when unknown */
	const char *module;   /* "" when unknown */
	uint64_t offset;
	const char *source; /* the text of the line, or lines with '\n' between them; "" when unknown */
};

struct memstats_referent {
	const char *name; /* last part of its path */
	uint32_t level;   /* 1: direct */
	uint64_t count;
	uint64_t size_bytes;
	uint64_t flat_bytes;
	size_t place; /* in the log: depth first, in the order in which they were found */
};

enum memstats_moment {
	MEMSTATS_AT_SNAPSHOT,
	MEMSTATS_AT_BIRTH, /* before any snapshot: what it took alone when it was announced (Python) */
	MEMSTATS_AT_DEATH  /* when it was freed (kept objects) */
};

/* An object at a moment; referents in depth-first order, largest first (Python: where several have one
 * size, the last one first). */
struct memstats_state {
	enum memstats_moment moment;
	uint64_t snapshot; /* 0: at no snapshot */
	uint64_t time_ns;
	uint64_t size_bytes;
	uint64_t flat_bytes;
	size_t referent_count;
	const struct memstats_referent *referents;
};

enum memstats_language { MEMSTATS_NATIVE, MEMSTATS_PYTHON };

struct memstats_object {
	enum memstats_language language; /* of its run */
	const char *label;               /* how it showed itself last, "" when unknown */
	size_t trace_count;
	const struct memstats_position *trace;
	size_t state_count;
	const struct memstats_state *states; /* by time */
};

/* The details of the objects in ROWS (each at most once) of an `objects` table,
 * in one pass over the log: *DETAILS has an entry a row; texts in it live as long as
 * the log. Freed as one with memstats_objects_free(). */
int memstats_objects_new(struct memstats_table *objects, const size_t *rows, size_t row_count,
                         struct memstats_object **details, struct memstats_error *error);
void memstats_objects_free(struct memstats_object *details);

/* What the instances of the class in ROW of a `classes` table refer to, all of them together, at its
 * snapshot: *COUNT of them, depth first; texts live as long as the log.  Freed with
 * memstats_referents_free(). */
int memstats_referents_new(const struct memstats_table *classes, size_t row,
                           struct memstats_referent **referents, size_t *count, struct memstats_error *error);
void memstats_referents_free(struct memstats_referent *referents); /* NULL is fine */

/* ---- More of sites ------------------------------------------------------- */

/* The call stack of the site in ROW of a `sites` table as its column `stack` has it, where that column
 * would be too much to have for all rows and is not shown: *STACK lives as long as SITES. */
int memstats_sites_stack(const struct memstats_table *sites, size_t row, const char **stack,
                         struct memstats_error *error);

/* What the call stacks of a `sites` table held at heap snapshot SNAPSHOT of RUN, as the table `heap`
 * numbers both: LIVE_BYTES has an entry for each row that is shown, and those of other runs stay as they
 * are.  MEMSTATS_ERR_ARG when there is no such snapshot. */
int memstats_sites_live(const struct memstats_table *sites, uint64_t run, uint64_t snapshot,
                        uint64_t *live_bytes, struct memstats_error *error);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
