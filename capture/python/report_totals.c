/* SPDX-License-Identifier: MIT
 *
 * Sums of classes at each snapshot, with what their instances refer to, all of them
 * together: what snapshots are annotated with.
 */
#include "report_private.h"

#define COLUMNS "time,class,count,size,flat"

enum { TIME, CLASS, COUNT, SIZE, FLAT };

struct merged {
	struct memstats_referent *referents;
	const struct memstats_referent **items;
	size_t count;
};

static int merged_read(struct merged *merged, const struct memstats_table *table, size_t row,
                       struct memstats_error *error)
{
	const int code = memstats_referents_new(table, row, &merged->referents, &merged->count, error);

	if (code < 0)
		return code;
	merged->items = mr_alloc((merged->count + 1) * sizeof(struct memstats_referent *));
	if (!merged->items) {
		*error = (struct memstats_error){ MEMSTATS_ERR_NOMEM, "no memory for referents" };
		return MEMSTATS_ERR_NOMEM;
	}
	for (size_t i = 0; i < merged->count; i++)
		merged->items[i] = &merged->referents[i];
	return 0;
}

static void merged_release(struct merged *merged)
{
	memstats_referents_free(merged->referents);
	mr_free(merged->items);
}

/* (active, Asized of all of them) */
static PyObject *make_total(PyObject *type, const struct memstats_table *table, size_t row)
{
	struct memstats_error error = { 0, "" };
	struct merged merged = { NULL, NULL, 0 };
	PyObject *total = NULL;

	if (merged_read(&merged, table, row, &error) < 0) {
		(void)mr_report_raise(&error);
	} else {
		PyObject *const referents = mr_report_referents(type, merged.items, merged.count);
		PyObject *const sized =
			referents
				? mr_report_sized(type, memstats_table_number(table, row, SIZE),
		                                  memstats_table_number(table, row, FLAT), referents, Py_None)
				: NULL;

		if (sized)
			total = Py_BuildValue(
				"(KO)", (unsigned long long)memstats_table_number(table, row, COUNT), sized);
		Py_XDECREF(referents);
		Py_XDECREF(sized);
	}
	merged_release(&merged);
	return total;
}

/* Appends VALUE to the list under (TIME, NAME). */
static int append_to(PyObject *totals, PyObject *time, PyObject *name, PyObject *value)
{
	PyObject *const key = PyTuple_Pack(2, time, name);
	PyObject *const fresh = key ? PyList_New(0) : NULL;
	PyObject *const list = fresh ? PyDict_SetDefault(totals, key, fresh) : NULL;
	const int added = list ? PyList_Append(list, value) : -1;

	Py_XDECREF(key);
	Py_XDECREF(fresh);
	return added;
}

static int add_total(PyObject *totals, PyObject *type, const struct memstats_table *table, size_t row)
{
	PyObject *const time = PyLong_FromUnsignedLongLong(memstats_table_number(table, row, TIME));
	PyObject *const name = time ? mr_report_text(memstats_table_text(table, row, CLASS)) : NULL;
	PyObject *const total = name ? make_total(type, table, row) : NULL;
	const int added = total ? append_to(totals, time, name, total) : -1;

	Py_XDECREF(time);
	Py_XDECREF(name);
	Py_XDECREF(total);
	return added;
}

PyObject *mr_report_totals(PyObject *self, PyObject *unused MR_UNUSED)
{
	struct mr_report_log *const log = (struct mr_report_log *)self;
	struct mr_report_state *const state = mr_report_state_of_type(Py_TYPE(self));
	struct memstats_error error = { 0, "" };
	struct memstats_table *table = NULL;
	int code = 0;

	if (!state)
		return NULL;
	mr_report_lock(log);
	Py_BEGIN_ALLOW_THREADS
	code = mr_report_table(log, "classes", COLUMNS, NULL, &table, &error);
	Py_END_ALLOW_THREADS
	if (code < 0) {
		mr_report_unlock(log);
		(void)mr_report_raise(&error);
		return NULL;
	}
	const int collecting = PyGC_Disable();
	PyObject *totals = PyDict_New();

	for (size_t row = 0; totals && row < memstats_table_row_count(table); row++)
		if (add_total(totals, state->asized_type, table, row) < 0)
			Py_CLEAR(totals);
	memstats_table_free(table);
	mr_report_leave(log, collecting);
	return totals;
}
