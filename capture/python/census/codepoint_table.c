/* SPDX-License-Identifier: MIT
 *
 * See codepoint_table.h.
 */
#include "codepoint_table.h"

#define SLOTS_FIRST 64u

static uint64_t hash_of(PyObject *file, PyObject *function, int line)
{
	const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t hash = (uint64_t)PyUnicode_Type.tp_hash(file) * factor;

	hash = (hash ^ (uint64_t)PyUnicode_Type.tp_hash(function)) * factor;
	hash = (hash ^ (uint64_t)(unsigned)line) * factor;
	return hash ^ hash >> 32;
}

static bool is_same(PyObject *one, PyObject *two)
{
	return one == two || PyUnicode_Compare(one, two) == 0;
}

/* The slot of that place, or the free one where it belongs. */
static size_t *find_slot(const struct mr_codepoint_table *table, PyObject *file, PyObject *function, int line,
                         uint64_t hash)
{
	for (size_t at = (size_t)hash & (table->slot_count - 1);; at = (at + 1) & (table->slot_count - 1)) {
		size_t *const slot = &table->slots[at];
		const struct mr_codepoint *const row = *slot ? &table->rows[*slot - 1] : NULL;

		if (!row || (row->hash == hash && row->line == line && is_same(row->function, function) &&
		             is_same(row->file, file)))
			return slot;
	}
}

static int make_slots(struct mr_codepoint_table *table)
{
	const size_t slot_count = table->slot_count ? table->slot_count * 2 : SLOTS_FIRST;
	size_t *const slots = mr_alloc(slot_count * sizeof(*slots));

	if (!slots)
		return -1;
	mr_free(table->slots);
	table->slots = slots;
	table->slot_count = slot_count;
	for (size_t i = 0; i < table->count; i++) {
		const struct mr_codepoint *const row = &table->rows[i];

		*find_slot(table, row->file, row->function, row->line, row->hash) = i + 1;
	}
	return 0;
}

int mr_codepoint_add(struct mr_codepoint_table *table, PyObject *file, PyObject *function, int line,
                     uint64_t bytes)
{
	const uint64_t hash = hash_of(file, function, line);
	struct mr_codepoint *row;
	size_t *slot;

	if ((table->count * 2 >= table->slot_count && make_slots(table) < 0) ||
	    mr_grow(&table->rows, &table->capacity, table->count + 1, sizeof(*table->rows)) < 0) {
		PyErr_NoMemory();
		return -1;
	}
	slot = find_slot(table, file, function, line, hash);
	if (!*slot) {
		table->rows[table->count] = (struct mr_codepoint){
			.file = Py_NewRef(file),
			.function = Py_NewRef(function),
			.hash = hash,
			.bytes_min = bytes,
			.bytes_max = bytes,
			.line = line,
		};
		*slot = ++table->count;
	}
	row = &table->rows[*slot - 1];
	row->count++;
	if (bytes < row->bytes_min)
		row->bytes_min = bytes;
	if (bytes > row->bytes_max)
		row->bytes_max = bytes;
	return 0;
}

PyObject *mr_codepoint_dict(const struct mr_codepoint_table *table)
{
	PyObject *dict = PyDict_New();

	/* Making objects may collect garbage, and that run Python code, which may measure: rows only come. */
	for (size_t i = 0; dict && i < table->count; i++) {
		const struct mr_codepoint row = table->rows[i];
		PyObject *const key = Py_BuildValue("OOi", row.file, row.function, row.line);
		PyObject *const value = key ? Py_BuildValue("[KKKi]", (unsigned long long)row.count,
		                                            (unsigned long long)row.bytes_min,
		                                            (unsigned long long)row.bytes_max, 0)
		                            : NULL;

		if (!value || PyDict_SetItem(dict, key, value) < 0)
			Py_CLEAR(dict);
		Py_XDECREF(key);
		Py_XDECREF(value);
	}
	return dict;
}

void mr_codepoint_release(struct mr_codepoint_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		Py_CLEAR(table->rows[i].file);
		Py_CLEAR(table->rows[i].function);
	}
	mr_free(table->rows);
	mr_free(table->slots);
	*table = (struct mr_codepoint_table){ 0 };
}
