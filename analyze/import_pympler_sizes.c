/* SPDX-License-Identifier: MIT
 *
 * Sizes and referents, snapshot by snapshot, and the referents of each class
 * summed up; in the end how the objects showed themselves.
 */
#include "import_pympler.h"

/* Referents of a class under one merged path. */
struct sum {
	uint32_t class_id;
	uint32_t path;
	uint64_t count;
	uint64_t size;
	uint64_t flat;
	uint64_t snapshot; /* to which the numbers belong; 0: none yet */
};

struct sizes {
	struct mr_dump *dump;
	struct mr_import_rows sizes;
	struct mr_import_rows referents;
	struct mr_import_rows totals;
	struct mr_pairs sum_ids; /* class and path to index in sums + 1 */
	struct sum *sums;
	size_t sum_capacity;
	uint32_t sum_used;
	uint32_t *touched; /* indexes of those that the snapshot at hand has */
	size_t touched_count;
	size_t touched_capacity;
	uint64_t snapshot;
	uint32_t object;
	uint32_t class_id;
};

static void span(struct mr_import_rows *rows, uint64_t snapshot)
{
	rows->span.snapshot_first = rows->span.snapshot_first == 0 ? snapshot : rows->span.snapshot_first;
	rows->span.snapshot_last = snapshot;
}

/* ---- Referents ----------------------------------------------------------------------- */

static void sum_up(struct sizes *sizes, uint32_t path, uint64_t size, uint64_t flat)
{
	struct mr_dump *const dump = sizes->dump;
	const uint32_t id = mr_pairs_id(&sizes->sum_ids, sizes->class_id, path);

	if (id == 0 || mr_grow(&sizes->sums, &sizes->sum_capacity, id, sizeof(*sizes->sums)) < 0 ||
	    mr_grow(&sizes->touched, &sizes->touched_capacity, sizes->touched_count + 1,
	            sizeof(*sizes->touched)) < 0) {
		dump->failed = true;
		return;
	}
	struct sum *const sum = &sizes->sums[id - 1];
	/* Ids count up: the next one is new, and what lies there means nothing yet. */
	if (id > sizes->sum_used)
		sum->snapshot = 0;
	sizes->sum_used = id > sizes->sum_used ? id : sizes->sum_used;
	if (sum->snapshot != sizes->snapshot) {
		*sum = (struct sum){ sizes->class_id, path, 0, 0, 0, sizes->snapshot };
		sizes->touched[sizes->touched_count++] = id - 1;
	}
	sum->count++;
	mr_dump_sum(&sum->size, size);
	mr_dump_sum(&sum->flat, flat);
}

static void write_referent(struct sizes *sizes, uint32_t path, const struct mr_fields *asized)
{
	struct mr_dump *const dump = sizes->dump;
	const uint64_t size = mr_value_unsigned(&dump->pickle, mr_fields_get(asized, MR_FIELD_SIZE));
	const uint64_t flat = mr_value_unsigned(&dump->pickle, mr_fields_get(asized, MR_FIELD_FLAT));
	const uint32_t row = mr_import_rows_add(&sizes->referents, &dump->log);

	sizes->referents.values[MR_REFERENTS_SNAPSHOT - 1][row] = sizes->snapshot;
	sizes->referents.values[MR_REFERENTS_OBJECT - 1][row] = sizes->object;
	sizes->referents.values[MR_REFERENTS_PATH - 1][row] = path;
	sizes->referents.values[MR_REFERENTS_COUNT - 1][row] = 1;
	sizes->referents.values[MR_REFERENTS_SIZE - 1][row] = size;
	sizes->referents.values[MR_REFERENTS_FLAT - 1][row] = flat;
	span(&sizes->referents, sizes->snapshot);
	sum_up(sizes, dump->merged[path - 1], size, flat);
}

/* The referents that are being gone through, one a level. */
struct level {
	struct mr_items items;
	mr_value asized; /* whose they are */
	uint32_t path;
};

/* It is a size, and not one of those that it is under. */
static int check_referent(const struct mr_dump *dump, const struct level *levels, unsigned depth,
                          mr_value referent, struct mr_error *err)
{
	const char *what = NULL;

	if (!mr_value_is_a(&dump->pickle, referent, MR_PICKLE_ASIZED))
		what = "a size has parts that are something else";
	for (unsigned i = 0; i <= depth; i++)
		if (levels[i].asized == referent)
			what = "a size is part of itself";
	MR_FAIL_IF(what != NULL, err, MR_ERR_FORMAT,
	           "%s: is a pickle, but not a dump of pympler's Stats.dump_stats: %s", dump->pickle.path,
	           what);
	return 0;
}

/* All below what STATE says, depth first, without recursion: what a file says may be as deep as it likes. */
static int write_referents(struct sizes *sizes, const struct mr_dump_state *state, struct mr_error *err)
{
	struct level levels[MR_LOG_PATH_DEPTH_MAX + 1];
	struct mr_dump *const dump = sizes->dump;
	unsigned depth = 0;

	levels[0].asized = state->asized;
	levels[0].path = 0;
	mr_items_begin(&levels[0].items, &dump->pickle, state->referents);
	for (;;) {
		mr_value key = 0, referent = 0;
		struct mr_fields fields;

		MR_TRY(mr_dump_status(dump, err));
		if (!mr_items_next(&levels[depth].items, &key, &referent)) {
			if (depth == 0)
				return 0;
			depth--;
			continue;
		}
		mr_dump_spend(dump, MR_DUMP_ROW_WORK);
		MR_TRY(check_referent(dump, levels, depth, referent, err));
		if (depth == MR_LOG_PATH_DEPTH_MAX) {
			dump->too_deep++;
			continue;
		}
		mr_fields_open(&fields, &dump->pickle, referent);
		const uint32_t path =
			mr_dump_path(dump, levels[depth].path, mr_fields_get(&fields, MR_FIELD_NAME));
		MR_TRY(mr_dump_status(dump, err));
		write_referent(sizes, path, &fields);
		depth++;
		levels[depth].asized = referent;
		levels[depth].path = path;
		mr_items_begin(&levels[depth].items, &dump->pickle, mr_fields_get(&fields, MR_FIELD_REFS));
	}
}

/* ---- Snapshots ----------------------------------------------------------------------- */

static void write_sums(struct sizes *sizes)
{
	for (size_t i = 0; i < sizes->touched_count; i++) {
		const struct sum *const sum = &sizes->sums[sizes->touched[i]];
		const uint32_t row = mr_import_rows_add(&sizes->totals, &sizes->dump->log);

		sizes->totals.values[MR_REFERENT_TOTALS_SNAPSHOT - 1][row] = sum->snapshot;
		sizes->totals.values[MR_REFERENT_TOTALS_CLASS - 1][row] = sum->class_id;
		sizes->totals.values[MR_REFERENT_TOTALS_PATH - 1][row] = sum->path;
		sizes->totals.values[MR_REFERENT_TOTALS_COUNT - 1][row] = sum->count;
		sizes->totals.values[MR_REFERENT_TOTALS_SIZE - 1][row] = sum->size;
		sizes->totals.values[MR_REFERENT_TOTALS_FLAT - 1][row] = sum->flat;
		span(&sizes->totals, sizes->snapshot);
	}
	sizes->touched_count = 0;
}

/* Referents stand behind the sizes of the objects that they belong to. */
static int write_some(struct sizes *sizes, const struct mr_dump_state *states, size_t count,
                      struct mr_error *err)
{
	struct mr_dump *const dump = sizes->dump;

	for (size_t i = 0; i < count; i++) {
		const uint32_t row = mr_import_rows_add(&sizes->sizes, &dump->log);

		sizes->sizes.values[MR_SIZES_SNAPSHOT - 1][row] = sizes->snapshot;
		sizes->sizes.values[MR_SIZES_OBJECT - 1][row] = states[i].object;
		sizes->sizes.values[MR_SIZES_SIZE - 1][row] = states[i].size;
		sizes->sizes.values[MR_SIZES_FLAT - 1][row] = states[i].flat;
	}
	span(&sizes->sizes, sizes->snapshot);
	mr_import_rows_flush(&sizes->sizes, &dump->log);
	for (size_t i = 0; i < count; i++) {
		if (mr_items_count(&dump->pickle, states[i].referents) == 0)
			continue;
		sizes->object = states[i].object;
		while (dump->class_end[sizes->class_id - 1] <= sizes->object)
			sizes->class_id++;
		MR_TRY(write_referents(sizes, &states[i], err));
	}
	mr_import_rows_flush(&sizes->referents, &dump->log);
	return 0;
}

static int write_snapshot(struct sizes *sizes, size_t index, struct mr_error *err)
{
	const struct mr_dump_states *const states = &sizes->dump->states[index];

	sizes->snapshot = index + 1;
	sizes->class_id = 1;
	for (size_t first = 0; first < states->count; first += MR_IMPORT_ROWS) {
		const size_t left = states->count - first;

		MR_TRY(write_some(sizes, states->items + first, left < MR_IMPORT_ROWS ? left : MR_IMPORT_ROWS,
		                  err));
	}
	write_sums(sizes);
	return 0;
}

int mr_dump_write_sizes(struct mr_dump *dump, struct mr_error *err)
{
	struct sizes sizes = { .dump = dump };
	int code = mr_import_rows_init(&sizes.sizes, MR_KIND_SIZES, MR_SIZES_FLAT, err);

	if (code == 0)
		code = mr_import_rows_init(&sizes.referents, MR_KIND_REFERENTS, MR_REFERENTS_FLAT, err);
	if (code == 0)
		code = mr_import_rows_init(&sizes.totals, MR_KIND_REFERENT_TOTALS, MR_REFERENT_TOTALS_FLAT,
		                           err);
	for (size_t i = 0; i < dump->snapshot_count && code == 0; i++)
		code = write_snapshot(&sizes, i, err);
	if (code == 0)
		mr_import_rows_flush(&sizes.totals, &dump->log);
	mr_import_rows_release(&sizes.sizes);
	mr_import_rows_release(&sizes.referents);
	mr_import_rows_release(&sizes.totals);
	mr_pairs_release(&sizes.sum_ids);
	mr_free(sizes.sums);
	mr_free(sizes.touched);
	return code;
}

/* ---- Labels -------------------------------------------------------------------------- */

int mr_dump_write_labels(struct mr_dump *dump, struct mr_error *err)
{
	struct mr_import_rows rows;

	MR_TRY(mr_import_rows_init(&rows, MR_KIND_LABELS, MR_LABELS_FORM, err));
	for (uint32_t i = 0; dump->snapshot_count > 0 && i < dump->object_count; i++) {
		const uint32_t label = dump->labels[i];

		if (label == 0)
			continue;
		const uint32_t row = mr_import_rows_add(&rows, &dump->log);
		rows.values[MR_LABELS_SNAPSHOT - 1][row] = dump->snapshot_count;
		rows.values[MR_LABELS_OBJECT - 1][row] = i + 1;
		rows.values[MR_LABELS_TEXT - 1][row] = label & ~MR_DUMP_LABEL_ADDRESS;
		rows.values[MR_LABELS_FORM - 1][row] =
			label & MR_DUMP_LABEL_ADDRESS ? MR_LABEL_ADDRESS : MR_LABEL_TEXT;
		span(&rows, dump->snapshot_count);
	}
	mr_import_rows_flush(&rows, &dump->log);
	mr_import_rows_release(&rows);
	return mr_dump_status(dump, err);
}
