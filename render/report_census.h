/* SPDX-License-Identifier: MIT
 *
 * What the report knows of a run's censuses: the types of which objects stayed,
 * where those were made, and who holds them; and the graphs of the log.  Part of
 * report_data.h.
 *
 * Where nothing was tracked beside, the censuses are the run's snapshots as well.
 */
#ifndef MR_REPORT_CENSUS_H
#define MR_REPORT_CENSUS_H

#include "base.h"
#include "memstats.h"

#define MR_CENSUS_SITES_MAX 8 /* places of a type that are told apart */

struct mr_report_data;
struct mr_report_snapshot;

struct mr_census_site {
	const char *function, *file; /* "" where unknown */
	uint64_t line;
	uint64_t count, size_bytes;
	size_t row; /* in the objects table: one that was made there */
};

struct mr_census_way { /* that holds objects of a type */
	const char *path, *root;
	uint64_t count, size_bytes;
	size_t row;   /* in the holders table */
	bool defined; /* they are what a definition or an import made */
};

/* What is told first comes first. */
enum mr_leak_rank {
	MR_LEAK_LEADS,   /* many stayed, or more at each of several censuses */
	MR_LEAK_FEW,     /* some did */
	MR_LEAK_PART,    /* they belong to objects of another type that stayed */
	MR_LEAK_DEFINED, /* all of them are what definitions and imports made */
};

struct mr_census_type {
	const char *name;
	uint64_t count, size_bytes; /* that stayed */
	/* When the first and the last of them were made, or seen first; MR_NO_VALUE: not known. */
	uint64_t first_ns, last_ns;
	struct mr_census_site sites[MR_CENSUS_SITES_MAX]; /* those that made most first */
	size_t site_count;
	uint64_t placed;            /* objects whose place is known */
	struct mr_census_way *ways; /* those of no definitions first, and those that hold most first */
	size_t way_count, way_capacity;
	double *counts; /* how many there were of the type, by census */
	uint64_t *born; /* of those that stayed, by the census that saw them first */
	/* What follows is found by report_leaks.c. */
	size_t leak_ways;                /* the first so many ways are of no definitions */
	uint64_t defined, defined_bytes; /* of those that stayed: of definitions */
	enum mr_leak_rank rank;
	uint64_t grown;       /* censuses in a row at which more of them stayed */
	uint64_t group_bytes; /* of these, and of what belongs to them */
	uint64_t score;
	size_t belongs_to; /* index of the type whose objects these are a part of; SIZE_MAX: none */
	size_t holds;      /* index of the type that leads, of which these hold many; SIZE_MAX: none */
	size_t place;      /* while they are sorted: where it was */
};

struct mr_census_name {
	const char *name;
	size_t index; /* of the type */
};

struct mr_report_census {
	struct mr_report_snapshot *snapshots; /* by time */
	size_t snapshot_count;
	size_t baseline;              /* index of the last one: later censuses are compared with it */
	struct mr_census_type *types; /* that stayed, as report_leaks.c orders them */
	size_t type_count, type_capacity;
	size_t told;           /* the first so many types have more than definitions */
	bool defines, imports; /* classes, functions or modules stayed; modules did */
	struct mr_census_name *by_name;
	uint64_t count, size_bytes;                              /* of all that stayed */
	uint64_t created, created_bytes, deleted, deleted_bytes; /* since the baseline */
	bool compared;                                           /* the log says what came and went */
};

enum mr_census_table { MR_CENSUS_HOLDERS, MR_CENSUS_NODES, MR_CENSUS_EDGES, MR_CENSUS_TABLE_COUNT };

/* Takes the censuses of each run out of its snapshots, unless it has no others.  After rows were found. */
int mr_report_census_split(struct mr_report_data *data, struct mr_error *err) MR_MUST_CHECK;
/* Whether WAY stands for several, of which nothing is known. */
static inline bool mr_census_is_joined(const struct mr_census_way *way)
{
	return way->path[0] == '(' || !way->path[0];
}

/* How many objects of TYPE stayed that are of no definitions, and their bytes. */
static inline uint64_t mr_census_left(const struct mr_census_type *type)
{
	return type->count - type->defined;
}

static inline uint64_t mr_census_left_bytes(const struct mr_census_type *type)
{
	return type->size_bytes - type->defined_bytes;
}

/* Whether objects of the type of that name are classes. */
bool mr_census_is_class(const char *type);
/* Reads what stayed, when classes and objects are read. */
int mr_report_census_read(struct mr_report_data *data, struct mr_error *err) MR_MUST_CHECK;
/* The index of the first census at or after TIME; of the last one when there is none. */
size_t mr_report_census_at(const struct mr_report_census *census, uint64_t time_ns);
void mr_report_census_free(struct mr_report_census *census); /* NULL is fine */

#endif
