/* SPDX-License-Identifier: MIT
 *
 * Objects of a dump, class by class and in the order of the index, which is the
 * order in which equal ones are shown: object N of the log is the N-th in there.
 */
#include "import_pympler.h"

struct objects {
	struct mr_dump *dump;
	struct mr_import_rows births;
	struct mr_import_rows deaths;
	struct mr_import_rows totals;
	uint32_t class_id;
	uint32_t class_name; /* string */
};

/* The object at hand. */
struct object {
	struct mr_fields fields;
	uint32_t id;
	uint64_t address;
	double birth;
	double death; /* when `dead` */
	bool dead;
	uint64_t birth_size; /* optional */
};

static int not_tracked(const struct mr_dump *dump, const char *what, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_FORMAT,
	               "%s: is a pickle, but not a dump of pympler's Stats.dump_stats: %s", dump->pickle.path,
	               what);
}

/* ---- Sizes over time ----------------------------------------------------------------- */

/* The snapshot with that very time, where the one at NEXT is the likely one; or the count. */
static size_t snapshot_at(const struct mr_dump *dump, double time, size_t next)
{
	size_t low = 0, high = dump->snapshot_count;

	if (next < dump->snapshot_count && dump->snapshots[next].timestamp == time)
		return next;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (dump->snapshots[dump->by_time[middle]].timestamp < time)
			low = middle + 1;
		else
			high = middle;
	}
	return low < dump->snapshot_count && dump->snapshots[dump->by_time[low]].timestamp == time
	               ? dump->by_time[low]
	               : dump->snapshot_count;
}

static void add_total(struct mr_dump *dump, const struct object *object, size_t snapshot,
                      const struct mr_dump_state *state)
{
	struct mr_dump_total *const total = &dump->totals[snapshot];
	const double time = dump->snapshots[snapshot].timestamp;

	mr_dump_sum(&total->size, state->size);
	mr_dump_sum(&total->flat, state->flat);
	if (!(object->birth < time && (!object->dead || object->death > time)))
		return;
	total->min = state->size < total->min ? state->size : total->min;
	total->max = state->size > total->max ? state->size : total->max;
}

/* Keeps one size, in the list of its snapshot. */
static int add_state(struct mr_dump *dump, const struct object *object, size_t snapshot,
                     const struct mr_fields *asized, struct mr_error *err)
{
	struct mr_dump_states *const states = &dump->states[snapshot];
	const struct mr_dump_state state = {
		.object = object->id,
		.size = mr_value_unsigned(&dump->pickle, mr_fields_get(asized, MR_FIELD_SIZE)),
		.flat = mr_value_unsigned(&dump->pickle, mr_fields_get(asized, MR_FIELD_FLAT)),
		.asized = asized->object,
		.referents = mr_fields_get(asized, MR_FIELD_REFS),
	};

	if (mr_grow(&states->items, &states->capacity, states->count + 1, sizeof(*states->items)) < 0)
		dump->failed = true;
	MR_TRY(mr_dump_status(dump, err));
	states->items[states->count++] = state;
	add_total(dump, object, snapshot, &state);
	return 0;
}

/* (time, Asized) for its birth, then for each snapshot. */
static int read_states(struct mr_dump *dump, struct object *object, struct mr_error *err)
{
	struct mr_items items;
	mr_value key = 0, entry = 0;
	size_t next = 0;
	bool first = true;

	mr_items_begin(&items, &dump->pickle, mr_fields_get(&object->fields, MR_FIELD_SNAPSHOTS));
	for (; mr_items_next(&items, &key, &entry); first = false) {
		mr_value pair[2] = { 0, 0 };
		struct mr_fields asized;
		struct mr_items parts;
		double time = 0;

		mr_items_begin(&parts, &dump->pickle, entry);
		for (size_t i = 0; i < MR_ARRAY_LEN(pair) && mr_items_next(&parts, &key, &pair[i]); i++)
			;
		if (!mr_value_double(&dump->pickle, pair[0], &time) ||
		    !mr_value_is_a(&dump->pickle, pair[1], MR_PICKLE_ASIZED))
			return not_tracked(dump, "a tracked object has sizes that are something else", err);
		mr_dump_spend(dump, MR_DUMP_ROW_WORK);
		mr_fields_open(&asized, &dump->pickle, pair[1]);
		if (first && time == object->birth) {
			object->birth_size =
				1 + mr_value_unsigned(&dump->pickle, mr_fields_get(&asized, MR_FIELD_SIZE));
			continue;
		}
		next = snapshot_at(dump, time, next);
		if (next == dump->snapshot_count) {
			dump->strays++;
			next = 0;
			continue;
		}
		MR_TRY(add_state(dump, object, next, &asized, err));
		next++;
	}
	return 0;
}

/* ---- Life ---------------------------------------------------------------------------- */

/* How many snapshots are before TIME, or at it too. */
static size_t snapshots_before(const struct mr_dump *dump, double time, bool at_too)
{
	size_t low = 0, high = dump->snapshot_count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const double other = dump->snapshots[dump->by_time[middle]].timestamp;

		if (other < time || (at_too && other == time))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* pympler counts those that were born before a snapshot and did not die before it, or with it. */
static void count_alive(struct mr_dump *dump, const struct object *object)
{
	const size_t first = snapshots_before(dump, object->birth, true);
	const size_t end = object->dead ? snapshots_before(dump, object->death, false) : dump->snapshot_count;

	if (first >= end)
		return;
	dump->totals[first].born++;
	dump->totals[end].born--; /* there is one total more than snapshots */
}

static void note_time(struct mr_dump *dump, struct mr_import_rows *rows, uint64_t time_ns)
{
	if (time_ns > rows->span.time_last)
		rows->span.time_last = time_ns;
	if (time_ns > dump->time_last_ns)
		dump->time_last_ns = time_ns;
}

static void write_birth(struct objects *objects, const struct object *object)
{
	struct mr_dump *const dump = objects->dump;
	const mr_value level = mr_fields_get(&object->fields, MR_FIELD_LEVEL);
	const uint32_t name = mr_dump_text(dump, mr_fields_get(&object->fields, MR_FIELD_NAME));
	const uint32_t row = mr_import_rows_add(&objects->births, &dump->log);
	const uint64_t time_ns = mr_dump_time(object->birth);
	uint64_t(*const values)[MR_IMPORT_ROWS] = objects->births.values;

	values[MR_BIRTHS_OBJECT - 1][row] = object->id;
	values[MR_BIRTHS_TIME - 1][row] = time_ns;
	values[MR_BIRTHS_CLASS - 1][row] = objects->class_id;
	values[MR_BIRTHS_STACK - 1][row] =
		mr_dump_stack(dump, mr_fields_get(&object->fields, MR_FIELD_TRACE));
	values[MR_BIRTHS_ADDRESS - 1][row] = object->address;
	values[MR_BIRTHS_NAME - 1][row] = name != objects->class_name ? name : 0;
	values[MR_BIRTHS_LEVEL - 1][row] =
		mr_value_tag(level) == MR_TAG_INT ? 1 + mr_value_unsigned(&dump->pickle, level) : 0;
	values[MR_BIRTHS_SIZE - 1][row] = object->birth_size;
	note_time(dump, &objects->births, time_ns);
}

static void write_death(struct objects *objects, const struct object *object)
{
	const uint64_t time_ns = mr_dump_time(object->death);
	const uint32_t row = mr_import_rows_add(&objects->deaths, &objects->dump->log);

	objects->deaths.values[MR_DEATHS_OBJECT - 1][row] = object->id;
	objects->deaths.values[MR_DEATHS_TIME - 1][row] = time_ns;
	objects->deaths.values[MR_DEATHS_REASON - 1][row] = MR_DEATH_FREED;
	note_time(objects->dump, &objects->deaths, time_ns);
}

/* " object at 0x7f12...>": what most labels end in.  Its length. */
static size_t address_suffix(uint64_t address, char out[40])
{
	static const char digits[] = "0123456789abcdef", head[] = " object at 0x";
	size_t len = sizeof(head) - 1;
	unsigned nibbles = 1;

	memcpy(out, head, len);
	while (nibbles < 16 && address >> (4 * nibbles) != 0)
		nibbles++;
	while (nibbles > 0)
		out[len++] = digits[address >> (4 * --nibbles) & 15];
	out[len++] = '>';
	return len;
}

static void keep_label(struct mr_dump *dump, const struct object *object)
{
	char suffix[40];
	size_t len = 0;
	const uint8_t *const text =
		mr_value_text(&dump->pickle, mr_fields_get(&object->fields, MR_FIELD_REPR), &len);
	const size_t suffix_len = address_suffix(object->address, suffix);
	const bool has_address = len > suffix_len && memcmp(text + len - suffix_len, suffix, suffix_len) == 0;

	mr_dump_spend(dump, MR_DUMP_ROW_WORK + len / 16);
	if (mr_grow(&dump->labels, &dump->label_capacity, object->id, sizeof(*dump->labels)) < 0) {
		dump->failed = true;
		return;
	}
	const uint32_t id =
		mr_texts_id(&dump->texts, text, has_address ? len - suffix_len : len, &dump->failed);
	dump->labels[object->id - 1] = has_address ? id | MR_DUMP_LABEL_ADDRESS : id;
}

static int write_object(struct objects *objects, mr_value value, struct mr_error *err)
{
	struct mr_dump *const dump = objects->dump;
	struct object object = { .id = dump->object_count + 1 };

	MR_FAIL_IF(dump->object_count >= UINT32_MAX - 1, err, MR_ERR_LIMIT, "%s: has too many objects",
	           dump->pickle.path);
	dump->object_count++;
	mr_fields_open(&object.fields, &dump->pickle, value);
	if (!mr_value_is_a(&dump->pickle, value, MR_PICKLE_TRACKED_OBJECT) ||
	    !mr_value_double(&dump->pickle, mr_fields_get(&object.fields, MR_FIELD_BIRTH), &object.birth))
		return not_tracked(dump, "its index holds something that is no tracked object", err);
	object.dead =
		mr_value_double(&dump->pickle, mr_fields_get(&object.fields, MR_FIELD_DEATH), &object.death);
	object.address = mr_value_unsigned(&dump->pickle, mr_fields_get(&object.fields, MR_FIELD_ID));
	count_alive(dump, &object);
	MR_TRY(read_states(dump, &object, err));
	write_birth(objects, &object);
	if (object.dead)
		write_death(objects, &object);
	keep_label(dump, &object);
	return mr_dump_status(dump, err);
}

/* ---- Classes ------------------------------------------------------------------------- */

static void write_totals(struct objects *objects)
{
	struct mr_dump *const dump = objects->dump;
	int64_t alive = 0;

	for (size_t rank = 0; rank < dump->snapshot_count; rank++) {
		/* Births are counted by the order of times, sizes by the order of the dump. */
		const size_t index = dump->by_time[rank];
		const struct mr_dump_total *const total = &dump->totals[index];

		alive += dump->totals[rank].born;
		dump->snapshots[index].alive += (uint64_t)alive;
		if (alive == 0 && total->size == 0 && total->flat == 0)
			continue;
		mr_dump_spend(dump, MR_DUMP_ROW_WORK);
		if (dump->exhausted)
			return;
		const uint32_t row = mr_import_rows_add(&objects->totals, &dump->log);
		uint64_t(*const values)[MR_IMPORT_ROWS] = objects->totals.values;
		values[MR_CLASS_TOTALS_SNAPSHOT - 1][row] = index + 1;
		values[MR_CLASS_TOTALS_CLASS - 1][row] = objects->class_id;
		values[MR_CLASS_TOTALS_COUNT - 1][row] = (uint64_t)alive;
		values[MR_CLASS_TOTALS_SIZE - 1][row] = total->size;
		values[MR_CLASS_TOTALS_FLAT - 1][row] = total->flat;
		values[MR_CLASS_TOTALS_MIN - 1][row] = total->min != UINT64_MAX ? total->min : 0;
		values[MR_CLASS_TOTALS_MAX - 1][row] = total->max;
		objects->totals.span.snapshot_first = 1;
		objects->totals.span.snapshot_last = dump->snapshot_count;
	}
}

static int write_class(struct objects *objects, mr_value name, mr_value list, struct mr_error *err)
{
	struct mr_dump *const dump = objects->dump;
	struct mr_items items;
	mr_value key = 0, object = 0;

	if (mr_value_tag(name) != MR_TAG_TEXT || mr_value_tag(list) != MR_TAG_LIST)
		return not_tracked(dump, "its index does not lead from names to lists", err);
	if (mr_grow(&dump->class_end, &dump->class_capacity, dump->class_count + 1,
	            sizeof(*dump->class_end)) < 0)
		dump->failed = true;
	MR_TRY(mr_dump_status(dump, err));
	objects->class_id = (uint32_t)++dump->class_count;
	objects->class_name = mr_dump_text(dump, name);
	mr_dump_spend(dump, 1 + dump->snapshot_count / 16);
	for (size_t i = 0; i <= dump->snapshot_count; i++)
		dump->totals[i] = (struct mr_dump_total){ .min = UINT64_MAX };

	mr_items_begin(&items, &dump->pickle, list);
	while (mr_items_next(&items, &key, &object))
		MR_TRY(write_object(objects, object, err));
	dump->class_end[dump->class_count - 1] = dump->object_count + 1;
	write_totals(objects);
	return mr_dump_status(dump, err);
}

static int write_classes(struct objects *objects, struct mr_error *err)
{
	struct mr_dump *const dump = objects->dump;
	struct mr_import_rows classes;
	struct mr_items items;
	mr_value name = 0, list = 0;
	int code = 0;

	MR_TRY(mr_import_rows_init(&classes, MR_KIND_CLASSES, MR_CLASSES_FLAGS, err));
	mr_items_begin(&items, &dump->pickle, dump->index);
	while (code == 0 && mr_items_next(&items, &name, &list)) {
		code = write_class(objects, name, list, err);
		const uint32_t row = mr_import_rows_add(&classes, &dump->log);

		classes.values[MR_CLASSES_ID - 1][row] = objects->class_id;
		classes.values[MR_CLASSES_NAME - 1][row] = objects->class_name;
		classes.values[MR_CLASSES_PARENT - 1][row] = 0;
		classes.values[MR_CLASSES_SIZE - 1][row] = 0;
		classes.values[MR_CLASSES_LEVEL - 1][row] = 0;
		classes.values[MR_CLASSES_FLAGS - 1][row] = MR_CLASS_WALKED;
	}
	mr_import_rows_flush(&classes, &dump->log);
	mr_import_rows_release(&classes);
	return code;
}

int mr_dump_write_objects(struct mr_dump *dump, struct mr_error *err)
{
	struct objects objects = { .dump = dump };
	const struct {
		struct mr_import_rows *rows;
		enum mr_kind kind;
		unsigned columns;
	} parts[] = {
		{ &objects.births, MR_KIND_BIRTHS, MR_BIRTHS_SIZE },
		{ &objects.deaths, MR_KIND_DEATHS, MR_DEATHS_REASON },
		{ &objects.totals, MR_KIND_CLASS_TOTALS, MR_CLASS_TOTALS_MAX },
	};
	int code = 0;

	for (size_t i = 0; i < MR_ARRAY_LEN(parts) && code == 0; i++)
		code = mr_import_rows_init(parts[i].rows, parts[i].kind, parts[i].columns, err);
	if (code == 0)
		code = write_classes(&objects, err);
	for (size_t i = 0; i < MR_ARRAY_LEN(parts); i++) {
		if (code == 0)
			mr_import_rows_flush(parts[i].rows, &dump->log);
		mr_import_rows_release(parts[i].rows);
	}
	return code;
}
