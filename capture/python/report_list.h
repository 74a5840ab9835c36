/* SPDX-License-Identifier: MIT
 *
 * What the list of objects, its order and the walk along it share.  Private to
 * report_list.c, report_order.c and report_walk.c.
 */
#ifndef MR_REPORT_LIST_H
#define MR_REPORT_LIST_H

#include "report_private.h"

struct mr_report_list {
	PyObject_HEAD struct mr_report_log *log; /* owned */
	PyObject *make;                          /* owned, or NULL */
	uint32_t *rows;
	size_t count;
	char *pending;  /* columns that the rows are to be sorted by; NULL: they are in order */
	uint32_t *head; /* the first rows of that order, so far */
	size_t head_count;
	/* The objects that were looked at last, one by one; NULL: none since the order is this one. */
	struct mr_report_batch *near;
	size_t near_first; /* its place in the list */
	uint64_t order;    /* how often the order was changed */
};

/* Copies the rows FROM, FROM + STEP ... of the list into ROWS (room for COUNT); gives how many there
 * are, or -1 with an error. */
Py_ssize_t mr_report_list_rows(struct mr_report_list *list, Py_ssize_t from, Py_ssize_t step,
                               Py_ssize_t count, uint32_t *rows);
/* The object of ROW of a list whose objects somebody else makes. */
PyObject *mr_report_list_make(const struct mr_report_list *list, uint32_t row);

/* report_order.c; the log is locked, and the GIL may be given up or not. */
/* Brings the first WANTED rows into order. */
int mr_report_list_settle(struct mr_report_list *list, size_t wanted, struct memstats_error *error)
	MR_MUST_CHECK;
/* The rows are in order as they stand. */
void mr_report_list_forget_order(struct mr_report_list *list);
/* COLUMNS and behind them those of BEFORE (may be NULL) that decide where they do not (owned). */
char *mr_report_list_columns(const char *columns, const char *before);

/* report_walk.c */
/* The object at PLACE of a list whose objects nobody else makes. */
PyObject *mr_report_list_object(struct mr_report_list *list, size_t place);
/* To be called when the order changes, and at the end. */
void mr_report_list_leave_near(struct mr_report_list *list);
PyObject *mr_report_list_iterate(PyObject *self);

#endif
