/* SPDX-License-Identifier: MIT
 *
 * The object tracker: what is known of every object since a baseline, and what a
 * census changes in it.  An object is a record of 32 bytes in a table that is
 * sorted by address; its place is had by counting bits (lives.h), so that finding
 * it needs no table of hashes.  Types are known by their names, since a type may be
 * gone before the next census.
 *
 * No object is referred to.  Needs the GIL.  Private to the extension _capture.
 */
#ifndef MR_OBJECT_TRACKER_H
#define MR_OBJECT_TRACKER_H

#include <Python.h>

#include "base.h"
#include "holders.h"
#include "lives.h"
#include "object_feed.h"

/* ---- Types: object_tracker_types.c ------------------------------------------------------- */

struct mr_type_totals { /* of objects, and their flat bytes */
	uint64_t alive, alive_bytes;
	uint64_t created, created_bytes;       /* since the census before */
	uint64_t deleted, deleted_bytes;       /* since the census before; as large as they were in it */
	uint64_t persistent, persistent_bytes; /* made after the baseline, and in the census before */
	uint64_t start;                        /* alive at the baseline */
	/* Of these, those that have no birth in the log. */
	uint64_t untold_created, untold_created_bytes;
	uint64_t untold_deleted, untold_deleted_bytes;
	uint64_t untold_persistent, untold_persistent_bytes;
};

struct mr_type_name {
	char *text; /* "module.Name", without the module for builtins; UTF-8, owned */
	uint32_t len;
	uint32_t hash;
	bool in_log;
	struct mr_type_totals totals;
};

struct mr_type_names { /* zeros are none */
	struct mr_type_name *names;
	size_t count;
	size_t names_capacity;
	uint32_t *by_text; /* number of a name and 1, by its hash; 0: free */
	size_t by_text_capacity;
	struct mr_buffer scratch;
};

/* The number of TYPE's name; UINT32_MAX: no memory.  It only reads. */
uint32_t mr_type_names_of(struct mr_type_names *names, PyTypeObject *type);
PyObject *mr_type_name_str(const struct mr_type_name *name); /* a new str; NULL with a Python error */
void mr_type_names_release(struct mr_type_names *names);

/* ---- Records: object_tracker_table.c ----------------------------------------------------- */

struct mr_known {
	uint64_t address;
	uint64_t bytes : 57; /* flat */
	uint64_t header : 6; /* bytes of its block before it: mr_lives_header() */
	uint64_t seen : 1;   /* in the census that is being taken */
	uint32_t type;       /* its name's number */
	uint32_t since;      /* the census in which it was found first; 0: the baseline */
	uint32_t id;         /* in the log; 0: it has no birth there */
	uint32_t print;      /* mr_object_print() */
};

struct mr_gone { /* an object that the last census did not find any more */
	uint64_t address;
	uint32_t type;
	uint32_t id;
};

struct mr_object_table {
	struct mr_lives lives;
	struct mr_known *records; /* by address */
	size_t count;
	struct mr_known *fresh; /* what a census has found and the table had not */
	size_t fresh_count;
	size_t fresh_capacity;
	struct mr_gone *gone; /* of the last census */
	size_t gone_count;
	size_t gone_capacity;
	struct mr_fed_size *resized; /* objects of the log, in the census that is being taken */
	size_t resized_count;
	size_t resized_capacity;
	struct mr_type_names types;
	uint32_t census; /* the number of the last one; 0: the baseline */
	uint64_t alive, alive_bytes;
	uint64_t created, deleted, persistent; /* objects, by the last census */
	bool exact;                            /* no death was missed since the baseline */
};

/* Takes a census.  -1 with a Python error, and then the table is as it was before, or empty. */
int mr_object_table_take(struct mr_object_table *table, PyObject *module);
/* Makes the last census the baseline. */
void mr_object_table_rebase(struct mr_object_table *table);
void mr_object_table_release(struct mr_object_table *table);

/* The record of OBJECT, which a census has just found; NULL: it is not the object that was known there,
 * or none was. */
struct mr_known *mr_object_table_find(const struct mr_object_table *table, PyObject *object);
/* Where the record of the object in BLOCK is, whatever became of it; SIZE_MAX: there is none. */
size_t mr_object_table_place(const struct mr_object_table *table, uint64_t block);
/* What tells a float from the next one in its place (lives.h): by its value; 0 for all others. */
uint32_t mr_object_print(PyObject *object);
uint64_t mr_object_table_memory(const struct mr_object_table *table);

/* ---- The Python object: object_tracker.c --------------------------------------------------- */

struct mr_object_tracker {
	PyObject_HEAD PyObject *module; /* owned */
	struct mr_object_table table;
	struct mr_object_feed *feed; /* NULL: no log */
	uint32_t last_id;            /* in the log */
	uint32_t snapshot;           /* in the log: of the last one */
	unsigned busy;               /* calls in which Python code may run, and the table must not change */
};

static inline uint64_t mr_known_block(const struct mr_known *known)
{
	return known->address - known->header;
}

static inline struct mr_object_tracker *mr_as_object_tracker(PyObject *self)
{
	return (struct mr_object_tracker *)self;
}

enum mr_tracked_kind { MR_TRACKED_NEW, MR_TRACKED_PERSISTENT, MR_TRACKED_START, MR_TRACKED_ALL };

static inline bool mr_known_is(const struct mr_known *known, enum mr_tracked_kind kind, uint32_t census)
{
	switch (kind) {
	case MR_TRACKED_NEW:
		return known->since > 0;
	case MR_TRACKED_PERSISTENT:
		return known->since > 0 && known->since < census;
	case MR_TRACKED_START:
		return known->since == 0;
	default:
		return true;
	}
}

/* object_tracker_find.c: methods of the tracker and functions of the module, see there. */
PyObject *mr_object_tracker_select(PyObject *self, PyObject *args);
PyObject *mr_object_tracker_lookup(PyObject *self, PyObject *id);
int mr_object_find_add_to_module(PyObject *module);

/* object_tracker_holders.c: who holds what is persistent, with SEEN only of what is marked so, at most
 * MR_HELD_MAX objects.  Right after a census; the groups are numbers of types, and *HELD, to be freed, is
 * what was asked about.  -1 with a Python error. */
#define MR_HELD_MAX 100000u
#define MR_WAYS_MAX 8u
int mr_object_tracker_find_holders(struct mr_object_tracker *tracker, bool seen, struct mr_holders *holders,
                                   struct mr_held **held);
PyObject *mr_object_tracker_holders(PyObject *self, PyObject *unused); /* _holders() */

/* object_tracker_log.c: what the census that was just taken found, into the log, if there is one;
 * DURATION_NS is how long it took.  -1 with a Python error.  May run Python code, at its end. */
int mr_object_tracker_tell(struct mr_object_tracker *tracker, bool baseline, uint64_t duration_ns,
                           const char *description);

#endif
