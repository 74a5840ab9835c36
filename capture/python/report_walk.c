/* SPDX-License-Identifier: MIT
 *
 * Walking along a list of objects: in batches that grow, so that the details of many
 * objects are fetched at once when they are asked for, and those of a few at once, too.
 */
#include "report_list.h"

#define BATCH_FIRST 16u  /* objects whose details are fetched together while a list is walked ... */
#define BATCH_GROWTH 8u  /* ... so many times more with each batch ... */
#define BATCH_MAX 65536u /* ... up to this */

struct list_iterator {
	PyObject_HEAD struct mr_report_list *list; /* owned; NULL at the end */
	uint32_t *rows;                            /* those of the batch */
	struct mr_report_batch *batch;
	size_t batch_size;
	size_t at;   /* in the batch */
	size_t done; /* rows of the list before the batch */
};

PyObject *mr_report_list_iterate(PyObject *self)
{
	struct mr_report_state *const state = mr_report_state_of_type(Py_TYPE(self));
	struct list_iterator *const iterator =
		state ? (struct list_iterator *)state->iterator_type->tp_alloc(state->iterator_type, 0)
		      : NULL;

	if (iterator)
		iterator->list = (struct mr_report_list *)Py_NewRef(self);
	return (PyObject *)iterator;
}

static int iterator_traverse(PyObject *self, visitproc visit, void *arg)
{
	Py_VISIT(Py_TYPE(self));
	Py_VISIT(((struct list_iterator *)self)->list);
	return 0;
}

static int iterator_clear(PyObject *self)
{
	Py_CLEAR(((struct list_iterator *)self)->list);
	return 0;
}

static void iterator_dealloc(PyObject *self)
{
	struct list_iterator *const iterator = (struct list_iterator *)self;
	PyTypeObject *const type = Py_TYPE(self);

	PyObject_GC_UnTrack(self);
	(void)iterator_clear(self);
	mr_report_batch_release(iterator->batch);
	mr_free(iterator->rows);
	type->tp_free(self);
	Py_DECREF(type);
}

/* The next rows of LIST, the iterator's.  0: there are none, -1: an error. */
static int next_batch(struct list_iterator *iterator, struct mr_report_list *list)
{
	size_t size = iterator->batch_size == 0 ? BATCH_FIRST : iterator->batch_size * BATCH_GROWTH;
	const size_t done = iterator->done + iterator->batch_size;

	if (done >= list->count)
		return 0;
	if (size > BATCH_MAX)
		size = BATCH_MAX;
	if (size > list->count - done)
		size = list->count - done;
	uint32_t *const rows = mr_realloc(NULL, size * sizeof(*rows));
	struct mr_report_batch *batch = NULL;

	if (!rows) {
		PyErr_NoMemory();
		return -1;
	}
	/* Other threads may run here, and come for the same batch: then theirs is there already. */
	if (mr_report_list_rows(list, (Py_ssize_t)done, 1, (Py_ssize_t)size, rows) < 0 ||
	    (!list->make && !(batch = mr_report_batch_new(list->log, rows, size)))) {
		mr_free(rows);
		return -1;
	}
	if (iterator->done + iterator->batch_size != done) {
		mr_report_batch_release(batch);
		mr_free(rows);
		return 1;
	}
	mr_free(iterator->rows);
	mr_report_batch_release(iterator->batch);
	iterator->rows = rows;
	iterator->batch = batch;
	iterator->batch_size = size;
	iterator->done = done;
	iterator->at = 0;
	return 1;
}

static PyObject *iterator_next(PyObject *self)
{
	struct list_iterator *const iterator = (struct list_iterator *)self;
	struct mr_report_list *const list = (struct mr_report_list *)Py_XNewRef(iterator->list);
	PyObject *item = NULL;
	int more = 1;

	if (!list)
		return NULL;
	while (more > 0 && iterator->at == iterator->batch_size)
		more = next_batch(iterator, list);
	if (more <= 0) {
		(void)iterator_clear(self);
	} else {
		const size_t place = iterator->at++;

		item = list->make ? mr_report_list_make(list, iterator->rows[place])
		                  : mr_report_object_new(iterator->batch, place);
	}
	Py_DECREF(list);
	return item;
}

/* ---- By place ----------------------------------------------------------------------- */

void mr_report_list_leave_near(struct mr_report_list *list)
{
	struct mr_report_batch *const near = list->near;

	list->near = NULL;
	list->order++;
	mr_report_batch_release(near);
}

/* The batch that the object at PLACE is the first of (a reference): larger from time to time where
 * one place is asked for after the other. */
static struct mr_report_batch *batch_at(struct mr_report_list *list, size_t place)
{
	const bool goes_on = list->near && place == list->near_first + list->near->count;
	const uint64_t order = list->order;
	size_t size = goes_on ? list->near->count * BATCH_GROWTH : BATCH_FIRST;

	if (size > BATCH_MAX)
		size = BATCH_MAX;
	if (size > list->count - place)
		size = list->count - place;
	uint32_t *const rows = mr_realloc(NULL, size * sizeof(*rows));
	struct mr_report_batch *batch = NULL;

	if (!rows) {
		PyErr_NoMemory();
		return NULL;
	}
	if (mr_report_list_rows(list, (Py_ssize_t)place, 1, (Py_ssize_t)size, rows) >= 0)
		batch = mr_report_batch_new(list->log, rows, size);
	mr_free(rows);
	if (batch && order == list->order) { /* another thread may have changed it */
		mr_report_batch_release(list->near);
		batch->references++;
		list->near = batch;
		list->near_first = place;
	}
	return batch;
}

PyObject *mr_report_list_object(struct mr_report_list *list, size_t place)
{
	if (list->near && place - list->near_first < list->near->count)
		return mr_report_object_new(list->near, place - list->near_first);
	struct mr_report_batch *const batch = batch_at(list, place);
	PyObject *const object = batch ? mr_report_object_new(batch, 0) : NULL;

	mr_report_batch_release(batch);
	return object;
}

/* ---- Types -------------------------------------------------------------------------- */

static PyType_Slot iterator_slots[] = {
	{ Py_tp_dealloc, iterator_dealloc }, { Py_tp_traverse, iterator_traverse },
	{ Py_tp_clear, iterator_clear },     { Py_tp_iter, PyObject_SelfIter },
	{ Py_tp_iternext, iterator_next },   { 0, NULL },
};

static PyType_Spec iterator_spec = {
	.name = "memcapture._report.ObjectListIterator",
	.basicsize = sizeof(struct list_iterator),
	.flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
	         Py_TPFLAGS_DISALLOW_INSTANTIATION,
	.slots = iterator_slots,
};

int mr_report_walk_add(PyObject *module)
{
	struct mr_report_state *const state = mr_report_state_of(module);

	state->iterator_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &iterator_spec, NULL);
	return state->iterator_type ? 0 : -1;
}
