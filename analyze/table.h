/* SPDX-License-Identifier: MIT
 *
 * The table engine.  A table is a static description of its columns and four
 * functions that know the model: open() finds the rows, cell() reads one cell,
 * close() forgets the rows, and finish() (optional) fetches what only the rows
 * that are left need.  Nothing is copied into the engine: a million objects are
 * sorted by reading one column of them, and only the ten rows that a limit
 * leaves are ever read whole.
 *
 * A new table is one file that defines a struct mr_table_type, and one line in
 * MR_TABLES below.
 */
#ifndef MR_TABLE_H
#define MR_TABLE_H

#include "base.h"
#include "memstats.h"

/* Every table, in the order in which `memstats tables` lists them. */
#define MR_TABLES(X)   \
	X(summary)     \
	X(runs)        \
	X(snapshots)   \
	X(classes)     \
	X(objects)     \
	X(sizes)       \
	X(referents)   \
	X(diff)        \
	X(holders)     \
	X(graph_nodes) \
	X(graph_edges) \
	X(samples)     \
	X(marks)       \
	X(sites)       \
	X(heap)        \
	X(tree)        \
	X(functions)   \
	X(modules)     \
	X(threads)     \
	X(account)     \
	X(allocations) \
	X(histogram)   \
	X(health)

#define MR_TABLE_COLUMNS_MAX 64            /* so that a set of columns fits in 64 bits */
#define MR_TABLE_ROWS_MAX (UINT32_MAX - 1) /* rows are numbered in 32 bits */
#define MR_TABLE_ROWS_HELD_MAX (1u << 26)  /* rows of a table that has to hold them in memory */

_Static_assert(sizeof(struct memstats_error) == sizeof(struct mr_error), "one error under two names");

/* The public error as the private functions take it. */
static inline struct mr_error *mr_table_error(struct memstats_error *error)
{
	return (struct mr_error *)(void *)error;
}

/* One value.  Which member holds it follows from the column's type. */
struct mr_cell {
	bool is_null;
	size_t len; /* of the text */
	union {
		const char *text; /* ends in a zero byte; lives as long as the table */
		uint64_t number;  /* COUNT, BYTES, TIME, DURATION, ADDRESS, ID */
		int64_t change;   /* COUNT_CHANGE, BYTES_CHANGE */
		double real;      /* PERCENT; finite */
	};
};

static inline void mr_cell_text(struct mr_cell *cell, const char *text, size_t len)
{
	cell->is_null = text == NULL;
	cell->text = text ? text : "";
	cell->len = text ? len : 0;
}

static inline void mr_cell_string(struct mr_cell *cell, const char *text)
{
	mr_cell_text(cell, text, text ? strlen(text) : 0);
}

static inline void mr_cell_number(struct mr_cell *cell, uint64_t number)
{
	cell->is_null = false;
	cell->number = number;
}

/* For "none" as a value. */
static inline void mr_cell_number_or_null(struct mr_cell *cell, uint64_t number, bool is_null)
{
	cell->is_null = is_null;
	cell->number = number;
}

static inline void mr_cell_change(struct mr_cell *cell, int64_t change)
{
	cell->is_null = false;
	cell->change = change;
}

/* PART of WHOLE in percent; null where the whole is nothing. */
static inline void mr_cell_percent(struct mr_cell *cell, double part, double whole)
{
	cell->is_null = !(whole > 0);
	cell->real = whole > 0 ? part * 100.0 / whole : 0;
}

struct mr_writing;

struct mr_table_type {
	struct memstats_table_info info;
	/* Columns by which rows are sorted when a query does not sort, or NULL. */
	const char *default_sort;
	/* The same where all that is read is another tool's: in that tool's order; NULL: no other. */
	const char *imported_sort;
	/* Finds the rows.  COLUMNS has a bit for each column that cells will be
	 * read of; the rest need not be fetched.  *STATE is the table's own. */
	int (*open)(struct memstats_log *log, uint64_t columns, void **state, size_t *row_count,
	            struct mr_error *err);
	void (*cell)(const void *state, size_t row, size_t column, struct mr_cell *cell);
	void (*close)(void *state); /* NULL is fine */
	/* Called once, after filters, order and limits, with the rows that are
	 * left (NULL: all of them, in order) and the columns that are shown. */
	int (*finish)(void *state, const uint32_t *rows, size_t row_count, uint64_t columns,
	              struct mr_error *err);
	bool takes_snapshots; /* FILE@SNAPSHOT means something to it */
	/* Of call stacks, in place of open(): QUERY (NULL: none) has --focus, --hide and --module. */
	int (*open_stacks)(struct memstats_log *log, const struct memstats_query *query, uint64_t columns,
	                   void **state, size_t *row_count, struct mr_error *err);
	bool takes_invert; /* and --invert */
	/* Its rows are a tree, which has one order only: open_stacks() looks at what the query sorts by,
	 * and the engine leaves the rows as they are. */
	bool sorts_itself;
	/* A text layout of the table's own, for when no columns are chosen; or NULL. */
	int (*write_text)(struct mr_writing *writing, struct mr_error *err);
};

#define MR_TABLE_DECLARE(name) extern const struct mr_table_type mr_table_##name;
MR_TABLES(MR_TABLE_DECLARE)
#undef MR_TABLE_DECLARE

struct memstats_table {
	const struct mr_table_type *type;
	struct memstats_log *log; /* borrowed */
	void *state;
	uint32_t *rows; /* rows of the type, in the order of this table; NULL: all of them */
	size_t row_count;
	size_t filtered_count;                 /* rows that filters left out */
	size_t limited_count;                  /* rows that limits left out */
	uint8_t columns[MR_TABLE_COLUMNS_MAX]; /* the type's columns that are shown */
	size_t column_count;
	bool columns_chosen; /* by the query */
	bool finished;       /* the type's finish() has run */
};

/* The order of TABLE's rows when a query does not sort, or NULL. */
const char *mr_table_default_sort(const struct memstats_table *table);
/* memstats_table_new() for a type that need not be in the registry, and without
 * finishing it: cells may be read after mr_table_finish(). */
int mr_table_new(struct memstats_log *log, const struct mr_table_type *type,
                 const struct memstats_query *query, struct memstats_table **table, struct mr_error *err)
	MR_MUST_CHECK;
int mr_table_finish(struct memstats_table *table, struct mr_error *err) MR_MUST_CHECK;
/* Rows by number, once some of them are to go or to move. */
int mr_table_make_rows(struct memstats_table *table, struct mr_error *err) MR_MUST_CHECK;
const struct mr_table_type *mr_table_type_find(const char *name); /* NULL: there is none */
/* The names of all tables, "a, b, c", for messages. */
const char *mr_table_names(void);

/* The row of the type that is shown as ROW. */
static inline size_t mr_table_row(const struct memstats_table *table, size_t row)
{
	return table->rows ? table->rows[row] : row;
}

/* A cell by the shown row and the shown column. */
void mr_table_cell(const struct memstats_table *table, size_t row, size_t column, struct mr_cell *cell);

/* The type as machine output names it: "bytes", "count-change". */
const char *mr_type_name(enum memstats_type type);

/* The column of INFO that NAME (LEN bytes) means: its exact name, or a unique
 * prefix.  -1 when there is none, -2 when several begin so. */
int mr_table_column_find(const struct memstats_table_info *info, const char *name, size_t len);

#endif
