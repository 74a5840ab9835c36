/* SPDX-License-Identifier: MIT
 *
 * What the files of the extension _report share.  It reads logs through memstats.h,
 * draws through memreport.h, and shows what it finds as Python objects that are
 * made when they are looked at: a list of a million objects is an order of row
 * numbers, a TrackedObject a row number and its log.
 *
 * A log is for one thread at a time, and its work is done without the GIL: whoever
 * uses one holds its lock.  No Python code may run meanwhile, because it may come
 * back for the same log; so who makes objects of what is in a log keeps the garbage
 * collector out, too (mr_report_enter()).
 */
#ifndef MR_REPORT_PRIVATE_H
#define MR_REPORT_PRIVATE_H

#include <Python.h>

#include "base.h"
#include "memreport.h"
#include "memstats.h"

struct mr_report_state {
	PyTypeObject *log_type;
	PyTypeObject *list_type;
	PyTypeObject *iterator_type;
	PyTypeObject *object_type;
	PyObject *asized_type; /* of _capture */
	PyObject *get_source;  /* source_line of memcapture._source */
};

struct mr_report_state *mr_report_state_of(PyObject *module);
/* The state of the module whose type SELF's is. */
struct mr_report_state *mr_report_state_of_type(PyTypeObject *type);
extern struct PyModuleDef mr_report_module;

/* ---- Logs (report_log.c) ----------------------------------------------------- */

struct mr_report_class {
	const char *text; /* the log's */
	PyObject *name;   /* owned; made when it is asked for */
	size_t first;     /* its objects, in `order` */
	size_t count;
};

/* Columns of the table of objects that a log keeps, in this order. */
enum mr_report_life {
	MR_LIFE_OBJECT,
	MR_LIFE_CLASS,
	MR_LIFE_NAME,
	MR_LIFE_BIRTH,
	MR_LIFE_DEATH,
	MR_LIFE_STATE,
	MR_LIFE_ADDRESS,
	MR_LIFE_LEVEL
};
/* Columns that have a table each, because each takes work that is not done before it is asked for. */
enum mr_report_size { MR_SIZE_REPR, MR_SIZE_SIZE, MR_SIZE_TSIZE, MR_SIZE_COUNT };

struct mr_report_log {
	PyObject_HEAD struct memstats_log *log;
	PyObject *bytes; /* where the log lies, or NULL */
	PyThread_type_lock lock;
	struct memstats_table *lives;                /* all objects, as the log has them */
	struct memstats_table *sizes[MR_SIZE_COUNT]; /* the same; NULL until they are needed */
	/* Rows of objects, those of a class together, classes in the order of their first objects. */
	uint32_t *order;
	struct mr_report_class *classes;
	size_t class_count;
};

/* The lock alone: for work without the GIL. */
void mr_report_lock(struct mr_report_log *log);
void mr_report_unlock(struct mr_report_log *log);
/* The lock, and no collections until mr_report_leave(), which takes what this gives. */
int mr_report_enter(struct mr_report_log *log);
void mr_report_leave(struct mr_report_log *log, int collecting);

/* Raise what a library says; give -1. */
int mr_report_raise(const struct memstats_error *error);
int mr_report_raise_rendering(const struct memreport_error *error);

/* Text of a log as a str; it may be no UTF-8. */
PyObject *mr_report_text(const char *text);
/* Nanoseconds as the seconds that Python shows. */
PyObject *mr_report_seconds(uint64_t time_ns);
static inline double mr_report_seconds_of(uint64_t time_ns)
{
	return (double)time_ns / 1e9;
}

/* Makes the table of that column of LOG, which is locked and has the GIL given up. */
int mr_report_sizes(struct mr_report_log *log, enum mr_report_size column, struct memstats_error *error)
	MR_MUST_CHECK;
/* A table of LOG with these columns, rows as the log has them; likewise. */
int mr_report_table(struct mr_report_log *log, const char *name, const char *columns, const char *where,
                    struct memstats_table **table, struct memstats_error *error) MR_MUST_CHECK;

int mr_report_log_add(PyObject *module);

/* ---- Lists of objects (report_list.c) ------------------------------------------ */

/* A list of the COUNT objects at ROWS of LOG; MAKE (may be NULL) gives the object of a number
 * in the log in place of a view. */
PyObject *mr_report_list_new(struct mr_report_log *log, const uint32_t *rows, size_t count, PyObject *make);
int mr_report_list_add(PyObject *module);
int mr_report_walk_add(PyObject *module);

/* ---- Objects (report_object.c) --------------------------------------------------- */

/* Objects whose details are fetched together. */
struct mr_report_batch {
	size_t references;
	struct mr_report_log *log;       /* owned */
	struct memstats_object *details; /* NULL until one is asked for */
	size_t count;
	size_t *rows;
};

struct mr_report_batch *mr_report_batch_new(struct mr_report_log *log, const uint32_t *rows, size_t count);
void mr_report_batch_release(struct mr_report_batch *batch); /* NULL is fine */
/* The object at PLACE of BATCH, a view. */
PyObject *mr_report_object_new(struct mr_report_batch *batch, size_t place);
/* Its row when OBJECT is a view of an object of LOG, or -1. */
int64_t mr_report_object_row(const struct mr_report_log *log, PyObject *object);
/* A tuple of Asized (TYPE) of the COUNT referents, depth first: ITEMS[i] is the one at place i. */
PyObject *mr_report_referents(PyObject *type, const struct memstats_referent *const *items, size_t count);
PyObject *mr_report_sized(PyObject *type, uint64_t size_bytes, uint64_t flat_bytes, PyObject *referents,
                          PyObject *name);
/* A list of the places of DETAILS, outermost first, sources None where the log has none; None: no trace. */
PyObject *mr_report_trace(const struct memstats_object *details);
/* Adds the sources that there are files for; TRACE is the reference that this gives back, or NULL. */
PyObject *mr_report_trace_sources(PyObject *get_source, PyObject *trace);
int mr_report_object_add(PyObject *module);

/* ---- Sums of classes (report_totals.c) ------------------------------------------- */

PyObject *mr_report_totals(PyObject *self, PyObject *unused);

/* ---- Pages and drawings (report_write.c) ------------------------------------------- */

PyObject *mr_report_write_page(PyObject *self, PyObject *args, PyObject *keywords);
PyObject *mr_report_write_chart(PyObject *self, PyObject *args, PyObject *keywords);
PyObject *mr_report_copy(PyObject *self, PyObject *path);
/* PATH as it is opened, bytes, owned: "-" is a file of that name here. */
PyObject *mr_report_path(PyObject *path);
/* What a drawing at PATH is, by its ending; -1 with an error. */
int mr_report_drawing_format(PyObject *path, enum memreport_format *format);

/* ---- Graphs (report_graph.c) -------------------------------------------------------- */

PyObject *mr_report_draw_graph(PyObject *module, PyObject *args, PyObject *keywords);

#endif
