/* SPDX-License-Identifier: MIT
 *
 * See object_tracker.h: who holds what is persistent.  Of very many objects the
 * largest of each type are asked about.
 */
#include "object_tracker.h"

#include "census.h"

static int by_type_and_bytes(const void *a, const void *b)
{
	const struct mr_held *const left = a;
	const struct mr_held *const right = b;

	if (left->group != right->group)
		return left->group < right->group ? -1 : 1;
	if (left->bytes != right->bytes)
		return left->bytes > right->bytes ? -1 : 1;
	return (uintptr_t)left->object < (uintptr_t)right->object ? -1 : 1;
}

/* Keeps MR_HELD_MAX of COUNT, as many of each type as there are of others. */
static size_t thin_out(struct mr_held *held, size_t count)
{
	size_t types = 0;
	size_t kept = 0;
	size_t of_type = 0;

	if (count <= MR_HELD_MAX)
		return count;
	for (size_t i = 0; i < count; i++)
		types += i == 0 || held[i].group != held[i - 1].group;

	const size_t each = types < MR_HELD_MAX ? MR_HELD_MAX / types : 1;
	uint32_t group = UINT32_MAX;

	for (size_t i = 0; i < count && kept < MR_HELD_MAX; i++) {
		if (held[i].group != group)
			of_type = 0;
		group = held[i].group;
		if (of_type++ < each)
			held[kept++] = held[i];
	}
	return kept;
}

/* What is persistent, with SEEN only if it is marked so; NULL with a Python error. */
static struct mr_held *gather(const struct mr_object_table *table, bool seen, size_t *count)
{
	struct mr_held *const held = mr_alloc(((size_t)table->persistent + 1) * sizeof(*held));

	*count = 0;
	if (!held) {
		PyErr_NoMemory();
		return NULL;
	}
	for (size_t i = 0; i < table->count && *count < table->persistent; i++) {
		const struct mr_known *const known = &table->records[i];

		if (mr_known_is(known, MR_TRACKED_PERSISTENT, table->census) && (!seen || known->seen))
			held[(*count)++] = (struct mr_held){ .object = (PyObject *)(uintptr_t)known->address,
				                             .group = known->type,
				                             .since = known->since,
				                             .bytes = known->bytes };
	}
	qsort(held, *count, sizeof(*held), by_type_and_bytes);
	*count = thin_out(held, *count);
	return held;
}

int mr_object_tracker_find_holders(struct mr_object_tracker *tracker, bool seen, struct mr_holders *holders,
                                   struct mr_held **held)
{
	size_t count;

	*held = gather(&tracker->table, seen, &count);
	if (!*held)
		return -1;
	return count ? mr_holders_find(tracker->module, *held, count, MR_WAYS_MAX, holders) : 0;
}

/* ---- From Python ----------------------------------------------------------------------------- */

static int mark_seen(PyObject *object, void *context)
{
	struct mr_known *const known = mr_object_table_find(context, object);

	if (known)
		known->seen = 1;
	return 0;
}

static PyObject *row_of(const struct mr_object_table *table, const struct mr_holder *holder)
{
	static const char *const roots[] = {
		[MR_HOLDER_UNKNOWN] = "unknown", [MR_HOLDER_MODULE] = "module",
		[MR_HOLDER_FRAME] = "frame",     [MR_HOLDER_INTERPRETER] = "interpreter",
		[MR_HOLDER_OUTSIDE] = "outside", [MR_HOLDER_CYCLE] = "cycle",
	};
	const char *const root = roots[(size_t)holder->root < MR_ARRAY_LEN(roots) ? holder->root : 0];

	return Py_BuildValue("NsKKKNN", mr_type_name_str(&table->types.names[holder->group]), root,
	                     (unsigned long long)holder->length, (unsigned long long)holder->count,
	                     (unsigned long long)holder->bytes,
	                     PyUnicode_DecodeUTF8(holder->path, (Py_ssize_t)strlen(holder->path), "replace"),
	                     PyUnicode_DecodeUTF8(holder->example_path,
	                                          (Py_ssize_t)strlen(holder->example_path), "replace"));
}

/* _holders(): of what was persistent in the last census and is still there: a list of (type name, root,
 * length, count, bytes, path, example). */
PyObject *mr_object_tracker_holders(PyObject *self, PyObject *Py_UNUSED(unused))
{
	struct mr_object_tracker *const tracker = mr_as_object_tracker(self);
	struct mr_object_table *const table = &tracker->table;
	struct mr_holders holders = { 0 };
	struct mr_held *held = NULL;
	PyObject *list = NULL;
	int status = mr_census(tracker->module, MR_CENSUS_DEEP | MR_CENSUS_CODE, mark_seen, table);

	if (status == 0)
		status = mr_object_tracker_find_holders(tracker, true, &holders, &held);
	for (size_t i = 0; i < table->count; i++)
		table->records[i].seen = 0;
	tracker->busy++;
	if (status == 0)
		list = PyList_New(0);
	for (size_t i = 0; list && i < holders.count; i++) {
		PyObject *const row = row_of(table, &holders.rows[i]);

		if (!row || PyList_Append(list, row) < 0)
			Py_CLEAR(list);
		Py_XDECREF(row);
	}
	tracker->busy--;
	mr_holders_release(&holders);
	mr_free(held);
	return list;
}
