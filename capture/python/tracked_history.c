/* SPDX-License-Identifier: MIT
 *
 * How many objects of a name there were, over time.  Made of the rows' births and
 * deaths when it is asked for.  When a tracker detaches from all its objects, what
 * happened to them until then is kept, packed, and the counts go on from there.
 */
#include "class_tracker.h"

#include <stdlib.h>

/* One birth or death in a class's history. */
struct event {
	uint64_t time_ns;
	int64_t alive; /* from then on */
};

static int event_order(const void *left, const void *right)
{
	const uint64_t a = ((const struct event *)left)->time_ns;
	const uint64_t b = ((const struct event *)right)->time_ns;

	return a < b ? -1 : a > b;
}

/* Every event of a class, by time: an array of the caller's (mr_free).  -1 with a Python error. */
static int events_of(struct mr_store *store, uint32_t class_index, struct event **events, size_t *count)
{
	const struct mr_tracked_class *const cls = mr_store_class(store, class_index);
	int64_t alive = 0;
	size_t used = 0;

	*events = NULL;
	*count = 0;
	if (mr_store_index(store) < 0)
		return -1;
	if (cls->born == 0)
		return 0;
	struct event *const made = mr_alloc(2 * (size_t)cls->born * sizeof(*made));
	if (made == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	for (uint32_t i = 0; i < cls->row_count; i++) {
		const struct mr_tracked_row *const row = mr_store_row(store, cls->rows[i]);

		made[used++] = (struct event){ row->birth_ns, 1 };
		if (row->death_ns != 0)
			made[used++] = (struct event){ row->death_ns, -1 };
	}
	qsort(made, used, sizeof(*made), event_order);
	for (size_t i = 0; i < used; i++) {
		alive += made[i].alive;
		made[i].alive = alive;
	}
	*events = made;
	*count = used;
	return 0;
}

static int append_events(PyObject *list, const struct event *events, size_t count, int64_t base)
{
	for (size_t i = 0; i < count; i++) {
		const long long alive = events[i].alive + base;
		PyObject *const pair = Py_BuildValue("(dL)", mr_store_seconds(events[i].time_ns), alive);
		const int status = pair == NULL ? -1 : PyList_Append(list, pair);

		Py_XDECREF(pair);
		if (status < 0)
			return -1;
	}
	return 0;
}

/* Appends a class's events to what is known of its name.  -1 with a Python error. */
static int keep_class_history(struct mr_tracker *tracker, struct mr_store *store, uint32_t index)
{
	struct event *events = NULL;
	size_t count = 0;
	int status = -1;
	PyObject *const name = mr_store_text_object(store, mr_store_class(store, index)->name);

	if (name == NULL || events_of(store, index, &events, &count) < 0)
		goto out;
	PyObject *const past = PyDict_GetItemWithError(tracker->history_past, name);
	const size_t before = past == NULL ? 0 : (size_t)PyBytes_GET_SIZE(past);
	if (past == NULL && PyErr_Occurred())
		goto out;
	PyObject *const whole =
		PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(before + count * sizeof(*events)));
	if (whole == NULL)
		goto out;
	struct event base = { 0 };
	if (before > 0) {
		memcpy(PyBytes_AS_STRING(whole), PyBytes_AS_STRING(past), before);
		memcpy(&base, PyBytes_AS_STRING(past) + before - sizeof(base), sizeof(base));
	}
	for (size_t i = 0; i < count; i++)
		events[i].alive += base.alive;
	if (count > 0)
		memcpy(PyBytes_AS_STRING(whole) + before, events, count * sizeof(*events));
	status = PyDict_SetItem(tracker->history_past, name, whole);
	Py_DECREF(whole);
out:
	mr_free(events);
	Py_XDECREF(name);
	return status;
}

int mr_history_keep(struct mr_tracker *tracker, struct mr_store *store)
{
	for (uint32_t i = 1; i < store->classes.count; i++) {
		if (mr_store_class(store, i)->born > 0 && keep_class_history(tracker, store, i) < 0)
			return -1;
	}
	return 0;
}

PyObject *mr_history_list(struct mr_tracker *tracker, PyObject *name, uint32_t class_index)
{
	PyObject *const past = name == NULL ? NULL : PyDict_GetItemWithError(tracker->history_past, name);
	struct event *events = NULL;
	size_t count = 0;
	PyObject *list = NULL;
	int64_t base = 0;

	if (past == NULL && PyErr_Occurred())
		return NULL;
	if (class_index != 0 && events_of(tracker->store, class_index, &events, &count) < 0)
		return NULL;
	Py_XINCREF(past); /* a list may be made after a collection, which can do anything */
	list = PyList_New(0);
	if (list != NULL && past != NULL) {
		const size_t past_count = (size_t)PyBytes_GET_SIZE(past) / sizeof(*events);
		struct event *const copy = mr_alloc((past_count + 1) * sizeof(*copy));

		if (copy == NULL) {
			PyErr_NoMemory();
			Py_CLEAR(list);
		} else {
			memcpy(copy, PyBytes_AS_STRING(past), past_count * sizeof(*copy));
			base = past_count > 0 ? copy[past_count - 1].alive : 0;
			if (append_events(list, copy, past_count, 0) < 0)
				Py_CLEAR(list);
		}
		mr_free(copy);
	}
	if (list != NULL && append_events(list, events, count, base) < 0)
		Py_CLEAR(list);
	Py_XDECREF(past);
	mr_free(events);
	return list;
}
