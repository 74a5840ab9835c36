/* SPDX-License-Identifier: MIT
 *
 * What the report knows of a log, read once from tables: runs, snapshots,
 * classes, the curves that charts draw, and the rows of the objects that it may
 * show.  Names are borrowed from the tables, which stay open as long as the data.
 *
 * Everything is read through memstats.h.  Memory follows what a page can show,
 * not the number of objects; a table's rows are looked at in place.
 */
#ifndef MR_REPORT_DATA_H
#define MR_REPORT_DATA_H

#include "base.h"
#include "canvas.h"
#include "memstats.h"
#include "report_census.h"
#include "report_heap.h"

#define MR_NO_VALUE UINT64_MAX /* an optional number that is not there */

static inline uint64_t mr_or_zero(uint64_t number)
{
	return number == MR_NO_VALUE ? 0 : number;
}

#define MR_NO_RUN SIZE_MAX

#define MR_REPORT_CLASSES_MAX 64 /* classes of a run that are followed through time */
#define MR_REPORT_OBJECTS_MAX 64 /* largest objects kept of each of them */
#define MR_REPORT_INSTANCES 240  /* points of a curve of instances */

struct mr_report_snapshot {
	uint64_t number;
	uint64_t time_ns;
	uint64_t duration_ns;
	uint64_t objects;
	uint64_t size_bytes;
	uint64_t overhead_bytes; /* this and the following: MR_NO_VALUE when unknown */
	uint64_t rss_bytes;
	uint64_t vsz_bytes;
	uint64_t pss_bytes;
	uint64_t uss_bytes;
	uint64_t swap_bytes;
	const char *description;
	const char *kind;
	size_t row_first; /* its rows in the classes table */
	size_t row_count;
};

struct mr_report_object {
	uint64_t size_bytes;
	size_t row; /* in the objects table */
};

/* A class in a run. */
struct mr_report_class {
	const char *name;
	uint32_t met;        /* how many were met before it */
	enum mr_paint paint; /* the same in all runs */
	uint64_t size_max;   /* at the snapshot at which it was largest */
	uint64_t count_max;
	uint64_t size_first, size_last, count_first, count_last; /* at the run's first and last snapshot */
	uint64_t growths, shrinks; /* how often it had more, or fewer, bytes than at the snapshot before */
	uint64_t seen_last;        /* index + 1 of the last snapshot that it was in */
	uint64_t size_seen;        /* its size there */
	double *sizes;             /* by snapshot; NULL unless it is among the followed ones */
	double *counts;
	uint64_t total;    /* objects that there ever were */
	uint64_t alive;    /* of them, at the end of the log */
	double *instances; /* at MR_REPORT_INSTANCES moments; NULL as above */
	/* Between each snapshot and the one before it, by snapshot: what the later
	 * has and the earlier has not, the other way round, and what came after the
	 * run's first snapshot and is in both. NULL as above. */
	uint32_t *created, *deleted, *persistent;
	struct mr_report_object *largest; /* by size, largest first */
	size_t largest_count;
	size_t best;                             /* index of the snapshot at which it was largest */
	size_t referent_first, referent_count;   /* its rows there in the referents table */
	size_t histogram_first, histogram_count; /* its rows in the histogram table */
};

struct mr_report_mark {
	uint64_t time_ns;
	const char *text;
};

struct mr_report_samples {
	size_t count;
	double *times;
	double *rss, *vsz;
	double *pss_times, *pss, *uss; /* where they were read; fewer */
	size_t pss_count;
	uint64_t faults_minor, faults_major, cpu_user_ns, cpu_system_ns,
		threads_max; /* at the end; MR_NO_VALUE */
};

#define MR_REPORT_SCRIPT_MAX 128 /* bytes of a script's name */

struct mr_report_run {
	uint64_t id;
	size_t row;                              /* in the runs table */
	uint64_t pid, parent, duration_ns, code; /* PARENT, CODE: MR_NO_VALUE */
	const char *name, *command, *start, *exit, *end, *file;
	char script[MR_REPORT_SCRIPT_MAX]; /* that an interpreter runs; "" otherwise */
	uint64_t rss_max;                  /* MR_NO_VALUE when unknown */
	/* In the tree of processes; MR_NO_RUN for none. A parent comes before its children. */
	size_t parent_index, first_child, next_sibling;
	size_t rank;        /* 0 for the one that matters most: where not all are shown, the first are */
	uint64_t offset_ns; /* its start, from that of the earliest run */
	bool has_part;      /* there is more to say of it than a row of a table has */
	struct mr_report_snapshot *snapshots;
	size_t snapshot_count, snapshot_capacity;
	struct mr_report_class *classes; /* by size_max, largest first; the first FOLLOWED have curves */
	size_t class_count, class_capacity, followed;
	uint32_t *class_index; /* hash table of indexes + 1 into classes; until they are sorted */
	size_t class_index_size;
	uint32_t *class_places; /* of a class, once they are sorted, by its `met` */
	struct mr_report_mark *marks;
	size_t mark_count, mark_capacity;
	struct mr_report_samples samples;
	uint64_t objects_total;          /* that there ever were */
	uint64_t objects_alive;          /* at the end of the log */
	struct mr_report_heap *heap;     /* NULL where the heap was not recorded */
	struct mr_report_census *census; /* NULL where there is none */
	bool of_census; /* nothing was tracked: its snapshots are the censuses, its classes all types */
};

enum mr_report_table {
	MR_REPORT_RUNS,
	MR_REPORT_SNAPSHOTS,
	MR_REPORT_CLASSES,
	MR_REPORT_SAMPLES,
	MR_REPORT_MARKS,
	MR_REPORT_OBJECTS,
	MR_REPORT_REFERENTS,
	MR_REPORT_HISTOGRAM,
	MR_REPORT_DIFF,
	MR_REPORT_TABLE_COUNT,
};

struct mr_report_data {
	struct memstats_log *log;
	struct memstats_table
		*tables[MR_REPORT_TABLE_COUNT]; /* whole, in natural order; DIFF may be NULL: there is none */
	struct mr_heap_tables heap;
	struct memstats_table *census[MR_CENSUS_TABLE_COUNT]; /* of the whole log */
	struct mr_report_run *runs;
	size_t run_count;
	/* Names of the classes that have a colour of their own, by size. */
	const char *colored[MR_PAINT_SERIES_COUNT];
	size_t colored_count;
	/* Traces, sizes and referents of the objects in these rows, which rise. */
	struct memstats_object *details;
	size_t *detail_rows;
	size_t detail_count;
};

/* Reads LOG (borrowed).  Call mr_report_data_release() also after a failure. */
int mr_report_data_init(struct mr_report_data *data, struct memstats_log *log, struct mr_error *err)
	MR_MUST_CHECK;
void mr_report_data_release(struct mr_report_data *data);

/* Reads the details of the OBJECT_MAX largest objects of each of the CLASS_MAX
 * largest classes of the RUN_MAX runs that matter most, in one pass over the log. */
int mr_report_details_read(struct mr_report_data *data, size_t run_max, size_t class_max, size_t object_max,
                           struct mr_error *err) MR_MUST_CHECK;
/* The details of the object in that row of the objects table; NULL when they were not read. */
const struct memstats_object *mr_report_detail(const struct mr_report_data *data, size_t row);

enum mr_paint mr_report_paint(const struct mr_report_data *data, const char *class_name);
/* The run with that number; NULL when there is none. */
struct mr_report_run *mr_report_run_find(const struct mr_report_data *data, uint64_t id);
/* The name of the script, or the module, that COMMAND has an interpreter called NAME run; "" for none
 * (report_script.c). */
void mr_report_script(const char *name, const char *command, char script[MR_REPORT_SCRIPT_MAX]);
/* What a run is called: its script's name, its command's, or its command line. */
const char *mr_report_run_name(const struct mr_report_run *run);

/* ---- Reading tables (report_rows.c) ---------------------------------------- */

/* A table of the log.  SORT, WHERE, LIMIT and COLUMNS may be NULL. */
int mr_report_rows_open(struct memstats_log *log, const char *name, const char *sort, const char *where,
                        const char *limit, const char *columns, struct memstats_table **table,
                        struct mr_error *err) MR_MUST_CHECK;
/* A column by name, whose cells read as null when the table has none of that name. */
int mr_report_rows_column(const struct memstats_table *table, const char *name);
uint64_t mr_report_rows_number(const struct memstats_table *table, size_t row,
                               int column); /* MR_NO_VALUE for null */
const char *mr_report_rows_text(const struct memstats_table *table, size_t row, int column); /* "" for null */

#endif
