/* SPDX-License-Identifier: MIT
 *
 * See object_tracker.h: the table of all objects that are alive, and how a census
 * brings it up to date.  What is found and known is noted in its record; what is
 * found and not known is collected beside; what was not found is gone.  Then the
 * table is made anew: each object gets the place that counting the bits before
 * its own says, so nothing has to be sorted.
 */
#include "object_tracker.h"

#include "census_private.h"
#include "memory_mapped.h"

#define BYTES_MAX (UINT64_MAX >> 7) /* as many bits as a record has */

struct taking {
	struct mr_object_table *table;
	struct mr_census_types *types; /* of the census; the place of one that is met is its name's number */
	PyObject *module;
	bool exact;
};

uint32_t mr_object_print(PyObject *object)
{
	if (!PyFloat_CheckExact(object))
		return 0;

	uint64_t bits;

	memcpy(&bits, &((PyFloatObject *)object)->ob_fval, sizeof(bits));
	bits *= UINT64_C(0x9E3779B97F4A7C15);
	return (uint32_t)(bits >> 32);
}

size_t mr_object_table_place(const struct mr_object_table *table, uint64_t block)
{
	if (!mr_lives_is_placed(&table->lives, block))
		return SIZE_MAX;

	const size_t place = mr_lives_place(&table->lives, block);

	return place < table->count ? place : SIZE_MAX;
}

struct mr_known *mr_object_table_find(const struct mr_object_table *table, PyObject *object)
{
	const uint64_t block = mr_lives_block(object);

	if (!mr_lives_knows(&table->lives, block))
		return NULL;

	const size_t place = mr_object_table_place(table, block);
	struct mr_known *const known = place == SIZE_MAX ? NULL : &table->records[place];

	if (!known || known->address != (uint64_t)(uintptr_t)object ||
	    known->print != mr_object_print(object))
		return NULL;
	return known;
}

/* ---- A census ---------------------------------------------------------------------------- */

static int note_size(struct taking *taking, struct mr_known *known, uint64_t bytes)
{
	struct mr_object_table *const table = taking->table;

	if (known->bytes == (bytes & BYTES_MAX))
		return 0;
	known->bytes = bytes & BYTES_MAX;
	if (known->id == 0)
		return 0;
	if (mr_grow(&table->resized, &table->resized_capacity, table->resized_count + 1,
	            sizeof(*table->resized)) < 0)
		return -1;
	table->resized[table->resized_count++] = (struct mr_fed_size){ .object = known->id, .bytes = bytes };
	return 0;
}

/* What the census knows of the type of OBJECT, with its name's number; NULL: no memory. */
static struct mr_census_type *type_of(struct taking *taking, PyObject *object)
{
	struct mr_census_type *const type = mr_census_type_of(taking->types, taking->module, Py_TYPE(object));

	if (MR_UNLIKELY(type && !type->is_met)) {
		type->place = mr_type_names_of(&taking->table->types, type->type);
		type->is_met = type->place != UINT32_MAX;
	}
	return type && type->is_met ? type : NULL;
}

/* -1: no memory. */
static int visit(PyObject *object, void *context)
{
	struct taking *const taking = context;
	struct mr_object_table *const table = taking->table;
	struct mr_census_type *const found = type_of(taking, object);

	if (MR_UNLIKELY(!found))
		return -1;
	const uint32_t type = found->place;
	const uint64_t bytes = mr_census_plain_bytes(found, object);
	struct mr_known *const known = mr_object_table_find(table, object);

	/* An object can be made one of another class; when deaths may have been missed, believe it less. */
	if (known && (taking->exact || known->type == type)) {
		known->seen = 1;
		known->type = type;
		if (note_size(taking, known, bytes) == 0)
			return 0;
	} else if (mr_grow(&table->fresh, &table->fresh_capacity, table->fresh_count + 1,
	                   sizeof(*table->fresh)) == 0) {
		table->fresh[table->fresh_count++] =
			(struct mr_known){ .address = (uint64_t)(uintptr_t)object,
			                   .bytes = bytes & BYTES_MAX,
			                   .header = mr_lives_header(object) & 63,
			                   .seen = 1,
			                   .type = type,
			                   .print = mr_object_print(object) };
		return 0;
	}
	return -1;
}

/* ---- What came of it ---------------------------------------------------------------------- */

static void clear_totals(struct mr_object_table *table)
{
	for (size_t i = 0; i < table->types.count; i++) {
		struct mr_type_totals *const totals = &table->types.names[i].totals;

		*totals = (struct mr_type_totals){ .start = totals->start };
	}
	table->alive = table->alive_bytes = 0;
	table->created = table->deleted = table->persistent = 0;
}

static int count_gone(struct mr_object_table *table, const struct mr_known *known)
{
	struct mr_type_totals *const totals = &table->types.names[known->type].totals;

	if (mr_grow(&table->gone, &table->gone_capacity, table->gone_count + 1, sizeof(*table->gone)) < 0)
		return -1;
	table->gone[table->gone_count++] =
		(struct mr_gone){ .address = known->address, .type = known->type, .id = known->id };
	totals->deleted++;
	totals->deleted_bytes += known->bytes;
	if (known->id == 0) {
		totals->untold_deleted++;
		totals->untold_deleted_bytes += known->bytes;
	}
	table->deleted++;
	return 0;
}

static void count_alive(struct mr_object_table *table, const struct mr_known *known)
{
	struct mr_type_totals *const totals = &table->types.names[known->type].totals;

	totals->alive++;
	totals->alive_bytes += known->bytes;
	table->alive++;
	table->alive_bytes += known->bytes;
	if (known->since == 0)
		return;
	totals->persistent++;
	totals->persistent_bytes += known->bytes;
	table->persistent++;
	if (known->id == 0) {
		totals->untold_persistent++;
		totals->untold_persistent_bytes += known->bytes;
	}
}

static void count_fresh(struct mr_object_table *table, struct mr_known *known)
{
	struct mr_type_totals *const totals = &table->types.names[known->type].totals;

	known->since = table->census;
	totals->alive++;
	totals->alive_bytes += known->bytes;
	table->alive++;
	table->alive_bytes += known->bytes;
	totals->created++;
	totals->created_bytes += known->bytes;
	table->created++;
}

/* ---- Places -------------------------------------------------------------------------------- */

/* Counts how many are placed before each word.  All that is known is placed. */
static void count_places(struct mr_object_table *table)
{
	size_t count = 0;

	for (uint64_t region = 0;; region++) {
		struct mr_lives_leaf *const leaf = mr_lives_map_next(&table->lives.map, &region);
		unsigned before = 0;

		if (!leaf)
			return;
		leaf->base = count;
		for (unsigned i = 0; i < MR_MAP_WORDS; i++) {
			leaf->before[i] = (uint16_t)before;
			before += (unsigned)__builtin_popcountll(leaf->placed[i]);
		}
		count += before;
	}
}

static void clear_places(struct mr_object_table *table)
{
	for (uint64_t region = 0;; region++) {
		struct mr_lives_leaf *const leaf = mr_lives_map_next(&table->lives.map, &region);

		if (!leaf)
			return;
		memset(leaf->placed, 0, sizeof(leaf->placed));
	}
}

static void put_record(struct mr_object_table *table, struct mr_known *records, const struct mr_known *known)
{
	struct mr_known *const place = &records[mr_lives_place(&table->lives, mr_known_block(known))];

	*place = *known;
	place->seen = 0;
}

static size_t table_bytes(size_t count)
{
	return count * sizeof(struct mr_known);
}

static void drop_fresh(struct mr_object_table *table)
{
	mr_free(table->fresh);
	table->fresh = NULL;
	table->fresh_count = table->fresh_capacity = 0;
}

static void drop_all(struct mr_object_table *table)
{
	mr_pages_unmap(table->records, table_bytes(table->count));
	table->records = NULL;
	table->count = 0;
	drop_fresh(table);
	mr_lives_map_clear(&table->lives.map);
}

/* Makes the table of what is alive; what is new becomes known. */
static int place_all(struct mr_object_table *table)
{
	size_t count = table->fresh_count;

	for (size_t i = 0; i < table->count; i++) {
		if (table->records[i].seen)
			count++;
		else
			mr_lives_unmark(&table->lives, mr_known_block(&table->records[i]));
	}
	struct mr_known *const records = count ? mr_pages_map(table_bytes(count)) : NULL;

	if (count && !records)
		return -1;
	for (size_t i = 0; i < table->fresh_count; i++) {
		if (mr_lives_mark(&table->lives, mr_known_block(&table->fresh[i])) < 0) {
			mr_pages_unmap(records, table_bytes(count));
			return -1;
		}
	}
	clear_places(table);
	for (size_t i = 0; i < table->count; i++) {
		if (table->records[i].seen)
			mr_lives_set_placed(&table->lives, mr_known_block(&table->records[i]));
	}
	for (size_t i = 0; i < table->fresh_count; i++)
		mr_lives_set_placed(&table->lives, mr_known_block(&table->fresh[i]));
	count_places(table);
	for (size_t i = 0; i < table->count; i++) {
		if (table->records[i].seen)
			put_record(table, records, &table->records[i]);
	}
	for (size_t i = 0; i < table->fresh_count; i++)
		put_record(table, records, &table->fresh[i]);
	mr_pages_unmap(table->records, table_bytes(table->count));
	table->records = records;
	table->count = count;
	return 0;
}

/* From what was seen: counts, and a new table when anything has changed. */
static int settle(struct mr_object_table *table)
{
	clear_totals(table);
	table->gone_count = 0;
	table->census++;
	for (size_t i = 0; i < table->count; i++) {
		if (table->records[i].seen)
			count_alive(table, &table->records[i]);
		else if (count_gone(table, &table->records[i]) < 0)
			return -1;
	}
	for (size_t i = 0; i < table->fresh_count; i++)
		count_fresh(table, &table->fresh[i]);
	if (table->fresh_count || table->gone_count)
		return place_all(table);
	for (size_t i = 0; i < table->count; i++)
		table->records[i].seen = 0;
	return 0;
}

int mr_object_table_take(struct mr_object_table *table, PyObject *module)
{
	struct taking taking = { .table = table, .types = &mr_census_session()->types, .module = module };

	if (!table->lives.is_open && mr_lives_open(&table->lives) < 0)
		return -1;
	taking.exact = mr_lives_check(&table->lives);
	table->exact = table->exact && taking.exact;
	table->resized_count = 0;

	int status = mr_census(module, MR_CENSUS_DEEP | MR_CENSUS_CODE, visit, &taking);

	for (size_t i = 0; status < 0 && i < table->count; i++)
		table->records[i].seen = 0;
	if (status == 0 && settle(table) < 0) {
		drop_all(table); /* half of it is changed */
		status = -1;
	}
	drop_fresh(table);
	if (status < 0 && !PyErr_Occurred())
		PyErr_NoMemory();
	return status;
}

void mr_object_table_rebase(struct mr_object_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		table->records[i].since = 0;
	for (size_t i = 0; i < table->types.count; i++) {
		struct mr_type_totals *const totals = &table->types.names[i].totals;

		*totals = (struct mr_type_totals){ .alive = totals->alive,
			                           .alive_bytes = totals->alive_bytes,
			                           .start = totals->alive };
	}
	table->census = 0;
	table->created = table->deleted = table->persistent = 0;
	table->gone_count = 0;
	table->exact = true;
}

void mr_object_table_release(struct mr_object_table *table)
{
	mr_lives_close(&table->lives);
	mr_pages_unmap(table->records, table_bytes(table->count));
	mr_free(table->fresh);
	mr_free(table->gone);
	mr_free(table->resized);
	mr_type_names_release(&table->types);
	*table = (struct mr_object_table){ 0 };
}

uint64_t mr_object_table_memory(const struct mr_object_table *table)
{
	return table_bytes(table->count) + table->gone_capacity * sizeof(*table->gone) +
	       table->resized_capacity * sizeof(*table->resized) + table->lives.map.memory_bytes;
}
