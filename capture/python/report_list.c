/* SPDX-License-Identifier: MIT
 *
 * The type ObjectList: objects of a log in some order, as numbers of rows.
 */
#include "report_list.h"

#include "list_sum.h"

/* ---- Making ------------------------------------------------------------------------ */

static struct mr_report_list *list_alloc(struct mr_report_log *log, PyObject *make, size_t count)
{
	struct mr_report_state *const state = mr_report_state_of_type(Py_TYPE(log));
	struct mr_report_list *const list =
		state ? (struct mr_report_list *)state->list_type->tp_alloc(state->list_type, 0) : NULL;

	if (!list)
		return NULL;
	list->log = (struct mr_report_log *)Py_NewRef(log);
	list->make = Py_XNewRef(make);
	list->rows = mr_realloc(NULL, (count + 1) * sizeof(*list->rows));
	if (!list->rows) {
		Py_DECREF(list);
		PyErr_NoMemory();
		return NULL;
	}
	list->count = count;
	return list;
}

PyObject *mr_report_list_new(struct mr_report_log *log, const uint32_t *rows, size_t count, PyObject *make)
{
	struct mr_report_list *const list = list_alloc(log, make, count);

	if (list && count > 0)
		memcpy(list->rows, rows, count * sizeof(*rows));
	return (PyObject *)list;
}

static int list_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(((struct mr_report_list *)self)->make);
	return 0;
}

static int list_clear(PyObject *self)
{
	Py_CLEAR(((struct mr_report_list *)self)->make);
	return 0;
}

static void list_dealloc(PyObject *self)
{
	struct mr_report_list *const list = (struct mr_report_list *)self;
	PyTypeObject *const type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	(void)list_clear(self);
	mr_report_list_leave_near(list);
	Py_XDECREF(list->log);
	mr_free(list->rows);
	mr_free(list->pending);
	mr_free(list->head);
	type->tp_free(self);
	Py_DECREF(type);
}

/* ---- Rows in order ------------------------------------------------------------------------- */

static const uint32_t *ordered_rows(const struct mr_report_list *list)
{
	return list->pending ? list->head : list->rows;
}

Py_ssize_t mr_report_list_rows(struct mr_report_list *list, Py_ssize_t from, Py_ssize_t step,
                               Py_ssize_t count, uint32_t *rows)
{
	struct memstats_error error = { 0, "" };
	const Py_ssize_t last = from + step * (count - 1);
	const size_t wanted = (size_t)(from > last ? from : last) + 1;
	Py_ssize_t copied = 0;
	int code = 0;

	if (count == 0)
		return 0;
	mr_report_lock(list->log);
	if (list->pending && wanted > list->head_count) {
		Py_BEGIN_ALLOW_THREADS
		code = mr_report_list_settle(list, wanted, &error);
		Py_END_ALLOW_THREADS
	}
	for (Py_ssize_t i = from; code == 0 && copied < count && (size_t)i < list->count; i += step)
		rows[copied++] = ordered_rows(list)[i];
	mr_report_unlock(list->log);
	return code == 0 ? copied : mr_report_raise(&error);
}

/* ---- Items ---------------------------------------------------------------------------------- */

/* The number in the log of the object of ROW. */
static PyObject *number_of(const struct mr_report_list *list, uint32_t row)
{
	const int collecting = mr_report_enter(list->log);
	PyObject *const number =
		PyLong_FromUnsignedLongLong(memstats_table_number(list->log->lives, row, MR_LIFE_OBJECT));

	mr_report_leave(list->log, collecting);
	return number;
}

PyObject *mr_report_list_make(const struct mr_report_list *list, uint32_t row)
{
	PyObject *const number = number_of(list, row);
	PyObject *const made = number ? PyObject_CallOneArg(list->make, number) : NULL;

	Py_XDECREF(number);
	return made;
}

static Py_ssize_t list_length(PyObject *self)
{
	return (Py_ssize_t)((struct mr_report_list *)self)->count;
}

static PyObject *list_item(PyObject *self, Py_ssize_t i)
{
	struct mr_report_list *const list = (struct mr_report_list *)self;
	uint32_t row = 0;

	if (i < 0 || (size_t)i >= list->count) {
		PyErr_SetString(PyExc_IndexError, "list index out of range");
		return NULL;
	}
	if (!list->make)
		return mr_report_list_object(list, (size_t)i);
	return mr_report_list_rows(list, i, 1, 1, &row) == 1 ? mr_report_list_make(list, row) : NULL;
}

PyDoc_STRVAR(number_doc, "number(index)\n--\n\nWhat the log calls the object at that place: a number.");

static PyObject *list_number(PyObject *self, PyObject *index)
{
	struct mr_report_list *const list = (struct mr_report_list *)self;
	const Py_ssize_t i = PyNumber_AsSsize_t(index, PyExc_IndexError);
	uint32_t row = 0;

	if (i == -1 && PyErr_Occurred())
		return NULL;
	if (i < 0 || (size_t)i >= list->count) {
		PyErr_SetString(PyExc_IndexError, "list index out of range");
		return NULL;
	}
	return mr_report_list_rows(list, i, 1, 1, &row) == 1 ? number_of(list, row) : NULL;
}

static PyObject *list_slice(struct mr_report_list *list, PyObject *slice)
{
	Py_ssize_t start, stop, step;

	if (PySlice_Unpack(slice, &start, &stop, &step) < 0)
		return NULL;
	const Py_ssize_t count = PySlice_AdjustIndices((Py_ssize_t)list->count, &start, &stop, step);
	struct mr_report_list *made = list_alloc(list->log, list->make, (size_t)count);

	if (made && mr_report_list_rows(list, start, step, count, made->rows) < 0)
		Py_CLEAR(made);
	return (PyObject *)made;
}

static PyObject *list_subscript(PyObject *self, PyObject *key)
{
	struct mr_report_list *const list = (struct mr_report_list *)self;

	if (PySlice_Check(key))
		return list_slice(list, key);
	if (!PyIndex_Check(key)) {
		PyErr_Format(PyExc_TypeError, "list indices must be integers or slices, not %.200s",
		             Py_TYPE(key)->tp_name);
		return NULL;
	}
	Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);

	if (i == -1 && PyErr_Occurred())
		return NULL;
	return list_item(self, i < 0 ? i + (Py_ssize_t)list->count : i);
}

/* Where the object is in the list, -1: nowhere, -2: an error. */
static Py_ssize_t find(struct mr_report_list *list, PyObject *object)
{
	const int64_t row = list->make ? -1 : mr_report_object_row(list->log, object);
	Py_ssize_t found = -1;

	if (list->make) { /* whoever makes the objects knows when two are the same */
		for (size_t i = 0; i < list->count; i++) {
			PyObject *const item = list_item((PyObject *)list, (Py_ssize_t)i);
			const int same = item ? PyObject_RichCompareBool(item, object, Py_EQ) : -1;

			Py_XDECREF(item);
			if (same != 0)
				return same < 0 ? -2 : (Py_ssize_t)i;
		}
		return -1;
	}
	if (row < 0)
		return -1;
	uint32_t *const rows = mr_realloc(NULL, (list->count + 1) * sizeof(*rows));

	if (!rows) {
		PyErr_NoMemory();
		return -2;
	}
	const Py_ssize_t count = mr_report_list_rows(list, 0, 1, (Py_ssize_t)list->count, rows);

	for (Py_ssize_t i = 0; found == -1 && i < count; i++)
		if (rows[i] == (uint32_t)row)
			found = i;
	mr_free(rows);
	return count < 0 ? -2 : found;
}

static int list_contains(PyObject *self, PyObject *object)
{
	const Py_ssize_t found = find((struct mr_report_list *)self, object);

	return found == -2 ? -1 : found >= 0;
}

static PyObject *list_index(PyObject *self, PyObject *object)
{
	const Py_ssize_t found = find((struct mr_report_list *)self, object);

	if (found >= 0)
		return PyLong_FromSsize_t(found);
	if (found == -1)
		PyErr_SetString(PyExc_ValueError, "the object is not in the list");
	return NULL;
}

static PyObject *list_count(PyObject *self, PyObject *object)
{
	const Py_ssize_t found = find((struct mr_report_list *)self, object);

	return found == -2 ? NULL : PyLong_FromLong(found >= 0);
}

/* As lists compare: item by item with a list, or with another of these. */
static PyObject *list_compare(PyObject *self, PyObject *other, int operation)
{
	const bool comparable = PyList_Check(other) || Py_TYPE(other) == Py_TYPE(self);

	if (!comparable || (operation != Py_EQ && operation != Py_NE))
		Py_RETURN_NOTIMPLEMENTED;
	int equal = PySequence_Size(other) == list_length(self);

	for (Py_ssize_t i = 0; equal == 1 && self != other && i < list_length(self); i++) {
		PyObject *const mine = list_item(self, i);
		PyObject *const theirs = mine ? PySequence_GetItem(other, i) : NULL;

		equal = theirs ? PyObject_RichCompareBool(mine, theirs, Py_EQ) : -1;
		Py_XDECREF(mine);
		Py_XDECREF(theirs);
	}
	return equal < 0 ? NULL : PyBool_FromLong(equal == (operation == Py_EQ));
}

static PyObject *list_repr(PyObject *self)
{
	return PyUnicode_FromFormat("<%zd tracked objects>", list_length(self));
}

/* ---- Orders --------------------------------------------------------------------------------- */

PyDoc_STRVAR(sort_doc,
             "sort(columns)\n--\n\n"
             "Sorts in place by columns of the table objects (\"class,tsize\"): sizes largest first,\n"
             "what is not known last; what is equal stays as it stands.");

static PyObject *list_sort(PyObject *self, PyObject *columns)
{
	struct mr_report_list *const list = (struct mr_report_list *)self;
	const char *const text = PyUnicode_AsUTF8(columns);

	if (!text)
		return NULL;
	if (list->count == 0)
		Py_RETURN_NONE;
	mr_report_lock(list->log);
	/* The order before decides between objects that the new one holds equal. */
	char *const pending = mr_report_list_columns(text, list->pending);

	if (pending) {
		mr_report_list_forget_order(list);
		list->pending = pending;
		mr_report_list_leave_near(list);
	}
	mr_report_unlock(list->log);
	if (!pending)
		return PyErr_NoMemory();
	Py_RETURN_NONE;
}

static PyObject *list_reverse(PyObject *self, PyObject *unused MR_UNUSED)
{
	struct mr_report_list *const list = (struct mr_report_list *)self;
	struct memstats_error error = { 0, "" };
	int code = 0;

	mr_report_lock(list->log);
	Py_BEGIN_ALLOW_THREADS
	code = mr_report_list_settle(list, list->count, &error);
	for (size_t i = 0; code == 0 && i < list->count / 2; i++) {
		const uint32_t row = list->rows[i];

		list->rows[i] = list->rows[list->count - 1 - i];
		list->rows[list->count - 1 - i] = row;
	}
	Py_END_ALLOW_THREADS
	mr_report_list_leave_near(list);
	mr_report_unlock(list->log);
	if (code < 0) {
		(void)mr_report_raise(&error);
		return NULL;
	}
	Py_RETURN_NONE;
}

/* A new list of the objects whose class's name holds some text, in this order. */
static PyObject *list_of_class(PyObject *self, PyObject *part)
{
	struct mr_report_list *const list = (struct mr_report_list *)self;
	const char *const text = PyUnicode_AsUTF8(part);
	struct mr_report_list *const made = text ? list_alloc(list->log, list->make, list->count) : NULL;

	if (!made)
		return NULL;
	size_t kept = 0;

	mr_report_lock(list->log);
	for (size_t i = 0; i < made->count; i++)
		if (strstr(memstats_table_text(list->log->lives, list->rows[i], MR_LIFE_CLASS), text))
			made->rows[kept++] = list->rows[i];
	made->count = kept;
	const bool is_pending = list->pending && kept > 0; /* what is left out is not to be sorted */

	if (is_pending)
		made->pending = mr_report_list_columns(list->pending, NULL);
	mr_report_unlock(list->log);
	if (is_pending && !made->pending) {
		Py_DECREF(made);
		return PyErr_NoMemory();
	}
	return (PyObject *)made;
}

/* ---- Types --------------------------------------------------------------------------------------- */

static PyMethodDef list_methods[] = {
	{ "sort", list_sort, METH_O, sort_doc },
	{ "reverse", list_reverse, METH_NOARGS, "reverse()\n--\n\nTurns the order round, in place." },
	{ "of_class", list_of_class, METH_O,
	  "of_class(text)\n--\n\nA new list of those whose class's name holds some text." },
	{ "index", list_index, METH_O, "index(object)\n--\n\nWhere the object is; ValueError: nowhere." },
	{ "number", list_number, METH_O, number_doc },
	{ "count", list_count, METH_O, "count(object)\n--\n\nHow often the object is in the list." },
	{ NULL, NULL, 0, NULL },
};

static PyType_Slot list_slots[] = {
	{ Py_tp_doc, (char *)"Tracked objects in some order, made when they are looked at." },
	{ Py_tp_dealloc, list_dealloc },
	{ Py_tp_traverse, list_traverse },
	{ Py_tp_clear, list_clear },
	{ Py_tp_repr, list_repr },
	{ Py_tp_hash, PyObject_HashNotImplemented },
	{ Py_tp_richcompare, list_compare },
	{ Py_tp_iter, mr_report_list_iterate },
	{ Py_tp_methods, list_methods },
	{ Py_sq_length, list_length },
	{ Py_sq_item, list_item },
	{ Py_sq_contains, list_contains },
	{ Py_nb_add, mr_list_sum },
	{ Py_mp_length, list_length },
	{ Py_mp_subscript, list_subscript },
	{ 0, NULL },
};

static PyType_Spec list_spec = {
	.name = "memcapture._report.ObjectList",
	.basicsize = sizeof(struct mr_report_list),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
	         Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_SEQUENCE,
	.slots = list_slots,
};

int mr_report_list_add(PyObject *module)
{
	struct mr_report_state *const state = mr_report_state_of(module);

	state->list_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &list_spec, NULL);
	return state->list_type ? PyModule_AddType(module, state->list_type) : -1;
}
