/* SPDX-License-Identifier: MIT
 *
 * See object_tracker.h: a census in the log.  Objects that are made after the
 * baseline get births there, a million of them at most; the others are told as
 * totals of their class.  Where they were made is known when tracemalloc is
 * tracing.
 */
#include "object_tracker.h"

#include "census.h"

#define IDS_MAX (1u << 20)

static uint32_t class_of(uint32_t type)
{
	return type + 1;
}

/* ---- Where objects were made ------------------------------------------------------------------- */

/* Is tracemalloc tracing?  -1 with a Python error. */
static int is_tracing(PyObject *tracemalloc)
{
	PyObject *const answer = PyObject_CallMethod(tracemalloc, "is_tracing", NULL);
	const int result = answer ? PyObject_IsTrue(answer) : -1;

	Py_XDECREF(answer);
	return result;
}

/* tracemalloc's own function for it does not look at the right address in 3.11, of instances with a dict. */
#if PY_VERSION_HEX < 0x030D0000
static PyObject *trace_of(PyObject *Py_UNUSED(tracemalloc), PyObject *object)
{
	return _PyTraceMalloc_GetTraceback(0, (uintptr_t)mr_lives_block(object));
}
#else
static PyObject *trace_of(PyObject *tracemalloc, PyObject *object)
{
	PyObject *const name = PyUnicode_InternFromString("_get_object_traceback");
	PyObject *const trace = name ? PyObject_CallMethodOneArg(tracemalloc, name, object) : NULL;

	Py_XDECREF(name);
	return trace;
}
#endif

/* The stack of OBJECT's creation, 0: not known; -1 with a Python error. */
static int64_t stack_of(struct mr_object_feed *feed, PyObject *tracemalloc, PyObject *object)
{
	PyObject *const trace = trace_of(tracemalloc, object);
	PyObject *list = NULL;
	int64_t stack = 0;

	if (trace && trace != Py_None) {
		list = PySequence_List(trace); /* the innermost call is its first */
		if (list && PyList_Reverse(list) == 0)
			stack = mr_object_feed_stack(feed, list);
	}
	Py_XDECREF(list);
	Py_XDECREF(trace);
	return PyErr_Occurred() ? -1 : stack;
}

/* ---- Births -------------------------------------------------------------------------------------- */

struct births {
	struct mr_fed_birth *rows;
	PyObject **objects; /* referred to while traces are asked for */
	size_t count;
	size_t capacity;
	size_t objects_capacity;
};

/* Gives the objects that are new ids, as far as there are any. */
static int collect_births(struct mr_object_tracker *tracker, struct births *births)
{
	struct mr_object_table *const table = &tracker->table;

	for (size_t i = 0; tracker->snapshot > 0 && i < table->count; i++) {
		struct mr_known *const known = &table->records[i];
		struct mr_type_totals *const totals = &table->types.names[known->type].totals;

		if (known->since != table->census)
			continue;
		if (tracker->last_id == IDS_MAX) {
			totals->untold_created++;
			totals->untold_created_bytes += known->bytes;
			continue;
		}
		if (mr_grow(&births->rows, &births->capacity, births->count + 1, sizeof(*births->rows)) < 0 ||
		    mr_grow(&births->objects, &births->objects_capacity, births->count + 1,
		            sizeof(PyObject *)) < 0) {
			PyErr_NoMemory();
			return -1;
		}
		known->id = ++tracker->last_id;
		births->objects[births->count] = (PyObject *)(uintptr_t)known->address;
		births->rows[births->count++] = (struct mr_fed_birth){ .object = known->id,
			                                               .address = known->address,
			                                               .bytes = known->bytes,
			                                               .class_id = class_of(known->type) };
	}
	return 0;
}

/* Runs Python code. */
static int find_stacks(struct mr_object_tracker *tracker, struct births *births)
{
	int status = -1;

	for (size_t i = 0; i < births->count; i++)
		Py_INCREF(births->objects[i]);
	PyObject *const tracemalloc = PyImport_ImportModule("_tracemalloc");

	if (tracemalloc)
		status = is_tracing(tracemalloc);
	for (size_t i = 0; status > 0 && i < births->count; i++) {
		const int64_t stack = stack_of(tracker->feed, tracemalloc, births->objects[i]);

		if (stack < 0)
			status = -1;
		else
			births->rows[i].stack = (uint32_t)stack;
	}
	Py_XDECREF(tracemalloc);
	for (size_t i = 0; i < births->count; i++)
		Py_DECREF(births->objects[i]);
	return status < 0 ? -1 : 0;
}

static void release_births(struct births *births)
{
	mr_free(births->rows);
	mr_free(births->objects);
}

/* ---- Deaths, totals --------------------------------------------------------------------------------- */

static int tell_deaths(struct mr_object_tracker *tracker, uint64_t time_ns)
{
	const struct mr_object_table *const table = &tracker->table;
	uint64_t *const ids = mr_alloc((table->gone_count + 1) * sizeof(*ids));
	size_t count = 0;

	if (!ids) {
		PyErr_NoMemory();
		return -1;
	}
	for (size_t i = 0; i < table->gone_count; i++) {
		if (table->gone[i].id)
			ids[count++] = table->gone[i].id;
	}
	mr_object_feed_deaths(tracker->feed, time_ns, ids, count);
	mr_free(ids);
	return 0;
}

static void tell_classes(struct mr_object_tracker *tracker)
{
	struct mr_type_names *const types = &tracker->table.types;

	for (size_t i = 0; i < types->count; i++) {
		struct mr_type_name *const name = &types->names[i];

		if (name->in_log)
			continue;
		mr_object_feed_class(tracker->feed, class_of((uint32_t)i), name->text, name->len);
		name->in_log = true;
	}
}

static int tell_totals(struct mr_object_tracker *tracker)
{
	const struct mr_type_names *const types = &tracker->table.types;
	struct mr_fed_class_total *const rows = mr_alloc((types->count + 1) * sizeof(*rows));
	size_t count = 0;

	if (!rows) {
		PyErr_NoMemory();
		return -1;
	}
	for (size_t i = 0; i < types->count; i++) {
		const struct mr_type_totals *const totals = &types->names[i].totals;

		if (!totals->alive && !totals->deleted)
			continue;
		rows[count] = (struct mr_fed_class_total){ .class_id = class_of((uint32_t)i),
			                                   .count = totals->alive,
			                                   .bytes = totals->alive_bytes };
		if (tracker->snapshot > 1) {
			rows[count].gone = totals->untold_deleted;
			rows[count].gone_bytes = totals->untold_deleted_bytes;
			rows[count].made = totals->untold_created;
			rows[count].made_bytes = totals->untold_created_bytes;
			rows[count].stayed = totals->untold_persistent;
			rows[count].stayed_bytes = totals->untold_persistent_bytes;
		}
		count++;
	}
	mr_object_feed_class_totals(tracker->feed, tracker->snapshot, rows, count);
	mr_free(rows);
	return 0;
}

/* Who holds what, as the log has it; HOLDERS keeps the texts.  Looks at the objects that were asked about, so
 * before anything runs that could free one.  -1 with a Python error. */
static int find_holders(struct mr_object_tracker *tracker, struct mr_holders *holders,
                        struct mr_fed_holder **rows)
{
	const struct mr_object_table *const table = &tracker->table;
	struct mr_held *held = NULL;
	const int status = mr_object_tracker_find_holders(tracker, false, holders, &held);

	*rows = mr_alloc((holders->count + 1) * sizeof(**rows));
	for (size_t i = 0; *rows && i < holders->count; i++) {
		const struct mr_holder *const holder = &holders->rows[i];
		const size_t place =
			mr_object_table_place(table, mr_lives_block(held[holder->example].object));

		(*rows)[i] =
			(struct mr_fed_holder){ .class_id = class_of(holder->group),
			                        .object = place == SIZE_MAX ? 0 : table->records[place].id,
			                        .root = holder->root,
			                        .length = holder->length,
			                        .count = holder->count,
			                        .bytes = holder->bytes,
			                        .path = holder->path,
			                        .example_path = holder->example_path };
	}
	mr_free(held);
	if (status == 0 && !*rows) {
		PyErr_NoMemory();
		return -1;
	}
	return status;
}

int mr_object_tracker_tell(struct mr_object_tracker *tracker, bool baseline, uint64_t duration_ns,
                           const char *description)
{
	struct mr_object_table *const table = &tracker->table;
	const uint64_t now_ns = mr_object_feed_now(tracker->feed);
	struct births births = { 0 };
	struct mr_holders holders = { 0 };
	struct mr_fed_holder *holder_rows = NULL;

	if (!tracker->feed)
		return 0;

	int status = find_holders(tracker, &holders, &holder_rows);

	if (status == 0)
		status = collect_births(tracker, &births);
	const struct mr_fed_snapshot snapshot = { .number = ++tracker->snapshot,
		                                  .baseline = baseline,
		                                  .time_ns = now_ns,
		                                  .duration_ns = duration_ns,
		                                  .count = table->alive,
		                                  .bytes = table->alive_bytes,
		                                  .overhead_bytes = mr_object_table_memory(table),
		                                  .description = description };

	tell_classes(tracker);
	if (status == 0)
		status = find_stacks(tracker, &births);
	mr_object_feed_births(tracker->feed, now_ns, births.rows, births.count);
	if (tell_deaths(tracker, now_ns) < 0)
		status = -1;
	mr_object_feed_sizes(tracker->feed, tracker->snapshot, table->resized, table->resized_count);
	mr_object_feed_snapshot(tracker->feed, &snapshot);
	if (tell_totals(tracker) < 0)
		status = -1;
	if (holder_rows)
		mr_object_feed_holders(tracker->feed, tracker->snapshot, holder_rows, holders.count);
	mr_free(holder_rows);
	mr_holders_release(&holders);
	release_births(&births);
	return status;
}
