/* SPDX-License-Identifier: MIT
 *
 * See import_pympler.h.
 */
#include "import_pympler.h"

#include <math.h>
#include <stdlib.h>

/* Work that a byte of a dump is worth, and any dump. */
#define WORK_PER_BYTE 8
#define WORK_ALLOWANCE (UINT64_C(1) << 20)

static const struct mr_import_span no_span;

int mr_dump_status(const struct mr_dump *dump, struct mr_error *err)
{
	MR_FAIL_IF(dump->exhausted, err, MR_ERR_LIMIT,
	           "%s: shares its parts so often that it says far more than a dump of its size can",
	           dump->pickle.path);
	MR_FAIL_IF(dump->failed, err, MR_ERR_NOMEM, "%s: out of memory", dump->pickle.path);
	return 0;
}

uint64_t mr_dump_time(double seconds)
{
	const double nanoseconds = seconds * 1e9;

	if (!(nanoseconds > 0))
		return 0;
	return nanoseconds < 0x1p62 ? (uint64_t)llround(nanoseconds) : UINT64_C(1) << 62;
}

static int not_a_dump(const struct mr_dump *dump, const char *what, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_FORMAT,
	               "%s: is a pickle, but not a dump of pympler's Stats.dump_stats: %s", dump->pickle.path,
	               what);
}

/* ---- Snapshots -------------------------------------------------------------------- */

static int compare_times(const void *left, const void *right, void *context)
{
	const struct mr_dump_snapshot *const snapshots = context;
	const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	if (snapshots[a].timestamp != snapshots[b].timestamp)
		return snapshots[a].timestamp < snapshots[b].timestamp ? -1 : 1;
	return a < b ? -1 : 1;
}

static int read_snapshots(struct mr_dump *dump, mr_value list, struct mr_error *err)
{
	const size_t count = mr_items_count(&dump->pickle, list);
	mr_value key = 0, object = 0;
	struct mr_items items;

	if (mr_value_tag(list) != MR_TAG_LIST)
		return not_a_dump(dump, "its second part is not the list of snapshots", err);
	MR_FAIL_IF(count >= UINT32_MAX, err, MR_ERR_LIMIT, "%s: has too many snapshots", dump->pickle.path);
	dump->snapshots = mr_alloc((count + 1) * sizeof(*dump->snapshots));
	dump->by_time = mr_alloc((count + 1) * sizeof(*dump->by_time));
	dump->states = mr_alloc((count + 1) * sizeof(*dump->states));
	dump->totals = mr_alloc((count + 1) * sizeof(*dump->totals));
	dump->failed |= dump->snapshots == NULL || dump->by_time == NULL || dump->states == NULL ||
	                dump->totals == NULL;
	MR_TRY(mr_dump_status(dump, err));

	mr_items_begin(&items, &dump->pickle, list);
	while (mr_items_next(&items, &key, &object)) {
		struct mr_dump_snapshot *const snapshot = &dump->snapshots[dump->snapshot_count];

		if (!mr_value_is_a(&dump->pickle, object, MR_PICKLE_SNAPSHOT) ||
		    !mr_value_double(&dump->pickle, mr_value_field(&dump->pickle, object, MR_FIELD_TIMESTAMP),
		                     &snapshot->timestamp))
			return not_a_dump(dump, "its list of snapshots holds something else", err);
		snapshot->object = object;
		snapshot->time_ns = mr_dump_time(snapshot->timestamp);
		if (snapshot->time_ns > dump->time_last_ns)
			dump->time_last_ns = snapshot->time_ns;
		dump->by_time[dump->snapshot_count] = (uint32_t)dump->snapshot_count;
		dump->snapshot_count++;
	}
	qsort_r(dump->by_time, dump->snapshot_count, sizeof(*dump->by_time), compare_times, dump->snapshots);
	return 0;
}

/* An optional number as the log has it; 0 in the dump is "not asked for", or "unknown here". */
static uint64_t optional(const struct mr_dump *dump, mr_value object, enum mr_pickle_field field)
{
	const uint64_t number =
		mr_value_unsigned(&dump->pickle, mr_value_field(&dump->pickle, object, field));

	return number != 0 ? number + 1 : 0;
}

static void fill_snapshot(struct mr_dump *dump, struct mr_import_rows *rows, uint32_t row, size_t index)
{
	static const struct {
		unsigned column;
		enum mr_pickle_field field;
	} process[] = {
		{ MR_SNAPSHOTS_RSS, MR_FIELD_RSS },
		{ MR_SNAPSHOTS_VSZ, MR_FIELD_VSZ },
		{ MR_SNAPSHOTS_DATA, MR_FIELD_DATA_SEGMENT },
		{ MR_SNAPSHOTS_STACK, MR_FIELD_STACK_SEGMENT },
		{ MR_SNAPSHOTS_CODE, MR_FIELD_CODE_SEGMENT },
		{ MR_SNAPSHOTS_SHARED, MR_FIELD_SHARED_SEGMENT },
	};
	const struct mr_pickle *const pickle = &dump->pickle;
	const struct mr_dump_snapshot *const snapshot = &dump->snapshots[index];
	const mr_value object = snapshot->object;
	const mr_value system = mr_value_field(pickle, object, MR_FIELD_SYSTEM_TOTAL);
	const bool available =
		mr_value_unsigned(pickle, mr_value_field(pickle, system, MR_FIELD_AVAILABLE)) != 0;

	for (unsigned id = 1; id <= MR_SNAPSHOTS_FAULTS; id++)
		rows->values[id - 1][row] = 0;
	rows->values[MR_SNAPSHOTS_NUMBER - 1][row] = index + 1;
	rows->values[MR_SNAPSHOTS_TIME - 1][row] = snapshot->time_ns;
	rows->values[MR_SNAPSHOTS_DESCRIPTION - 1][row] =
		mr_dump_text(dump, mr_value_field(pickle, object, MR_FIELD_DESC));
	rows->values[MR_SNAPSHOTS_FLAGS - 1][row] = MR_SNAPSHOT_KEY;
	rows->values[MR_SNAPSHOTS_COUNT - 1][row] = snapshot->alive;
	rows->values[MR_SNAPSHOTS_SIZE - 1][row] =
		mr_value_unsigned(pickle, mr_value_field(pickle, object, MR_FIELD_TRACKED_TOTAL));
	rows->values[MR_SNAPSHOTS_OVERHEAD - 1][row] =
		mr_value_unsigned(pickle, mr_value_field(pickle, object, MR_FIELD_OVERHEAD));
	rows->values[MR_SNAPSHOTS_TOTAL - 1][row] = optional(dump, object, MR_FIELD_ASIZEOF_TOTAL);
	for (size_t i = 0; available && i < MR_ARRAY_LEN(process); i++)
		rows->values[process[i].column - 1][row] = optional(dump, system, process[i].field);
	if (available)
		rows->values[MR_SNAPSHOTS_FAULTS - 1][row] =
			1 + mr_value_unsigned(pickle, mr_value_field(pickle, system, MR_FIELD_PAGEFAULTS));
}

static int write_snapshots(struct mr_dump *dump, struct mr_error *err)
{
	struct mr_import_rows rows;

	MR_TRY(mr_import_rows_init(&rows, MR_KIND_SNAPSHOTS, MR_SNAPSHOTS_FAULTS, err));
	for (size_t i = 0; i < dump->snapshot_count; i++) {
		const uint32_t row = mr_import_rows_add(&rows, &dump->log);

		fill_snapshot(dump, &rows, row, i);
		rows.span.time_last = dump->time_last_ns;
		rows.span.snapshot_first = 1;
		rows.span.snapshot_last = dump->snapshot_count;
	}
	mr_import_rows_flush(&rows, &dump->log);
	mr_import_rows_release(&rows);
	return 0;
}

/* ---- The run ------------------------------------------------------------------------ */

static uint64_t pid_of(const struct mr_dump *dump)
{
	if (dump->snapshot_count == 0)
		return 0;
	return mr_value_unsigned(&dump->pickle,
	                         mr_value_field(&dump->pickle,
	                                        mr_value_field(&dump->pickle, dump->snapshots[0].object,
	                                                       MR_FIELD_SYSTEM_TOTAL),
	                                        MR_FIELD_PID));
}

/* A dump does not name its program: the file's own name stands for it. */
static void write_run(struct mr_dump *dump)
{
	const char *const slash = strrchr(dump->pickle.path, '/');
	struct mr_block_writer *block = mr_import_log_block(&dump->log, MR_KIND_STREAM, 1);

	mr_block_scalar(block, MR_STREAM_PID, pid_of(dump));
	mr_block_scalar(block, MR_STREAM_SOURCE, MR_SOURCE_TRACKER);
	mr_block_scalar(block, MR_STREAM_CREATOR, mr_dump_string(dump, "pympler"));
	mr_block_scalar(block, MR_STREAM_VERSION, MR_LOG_VERSION_MAJOR << 16 | MR_LOG_VERSION_MINOR);
	mr_block_scalar(block, MR_STREAM_LANGUAGE, MR_LANGUAGE_PYTHON);
	mr_block_scalar(block, MR_STREAM_IMPORTED, MR_IMPORTED_PYMPLER);
	mr_import_log_block_end(&dump->log, &no_span);

	block = mr_import_log_block(&dump->log, MR_KIND_PROCESS, 1);
	mr_block_scalar(
		block, MR_PROCESS_NAME,
		mr_dump_string(dump, slash != NULL && slash[1] != '\0' ? slash + 1 : dump->pickle.path));
	mr_import_log_block_end(&dump->log, &no_span);

	block = mr_import_log_block(&dump->log, MR_KIND_SETTINGS, 1);
	mr_block_scalar(block, MR_SETTINGS_KEY, mr_dump_string(dump, "imported.from"));
	mr_block_scalar(block, MR_SETTINGS_VALUE, mr_dump_string(dump, "a dump of pympler's ClassTracker"));
	mr_import_log_block_end(&dump->log, &no_span);
}

/* ---- The whole ------------------------------------------------------------------------ */

static int read_pickles(struct mr_dump *dump, struct mr_error *err)
{
	mr_value snapshots = 0;

	MR_TRY(mr_pickle_load(&dump->pickle, &dump->index, err));
	if (mr_value_tag(dump->index) != MR_TAG_DICT)
		return not_a_dump(dump, "its first part is not the index of classes", err);
	if (dump->pickle.at == dump->pickle.len)
		return not_a_dump(dump, "there is no second part, the list of snapshots", err);
	MR_TRY(mr_pickle_load(&dump->pickle, &snapshots, err));
	mr_pickle_end_reading(&dump->pickle);
	return read_snapshots(dump, snapshots, err);
}

static int write_all(struct mr_dump *dump, struct mr_error *err)
{
	mr_import_log_begin(&dump->log, pid_of(dump));
	write_run(dump);
	MR_TRY(mr_dump_write_objects(dump, err));
	MR_TRY(mr_dump_write_sizes(dump, err));
	MR_TRY(mr_dump_write_labels(dump, err));
	MR_TRY(write_snapshots(dump, err));
	MR_TRY(mr_dump_write_names(dump, err));
	MR_TRY(mr_dump_status(dump, err));
	return mr_import_log_end(&dump->log, dump->time_last_ns, err);
}

static int write_notes(struct mr_dump *dump, struct mr_error *err)
{
	const char *const path = dump->pickle.path;
	const size_t left = dump->pickle.len - dump->pickle.at;

	if (left > 0)
		MR_TRY(mr_notes_add(dump->notes, err, "%s: %zu bytes follow the dump; they are not read",
		                    path, left));
	if (dump->strays > 0)
		MR_TRY(mr_notes_add(dump->notes, err,
		                    "%s: sizes at moments that are no snapshot in it are left out: %llu",
		                    path, (unsigned long long)dump->strays));
	if (dump->too_deep > 0)
		MR_TRY(mr_notes_add(dump->notes, err,
		                    "%s: referents that are more than %d levels deep are left out: %llu",
		                    path, MR_LOG_PATH_DEPTH_MAX, (unsigned long long)dump->too_deep));
	return 0;
}

static void release(struct mr_dump *dump)
{
	for (size_t i = 0; dump->states != NULL && i < dump->snapshot_count; i++)
		mr_free(dump->states[i].items);
	mr_free(dump->snapshots);
	mr_free(dump->by_time);
	mr_free(dump->states);
	mr_free(dump->totals);
	mr_free(dump->class_end);
	mr_free(dump->labels);
	mr_free(dump->merged);
	mr_texts_release(&dump->texts);
	mr_pairs_release(&dump->paths);
	mr_pairs_release(&dump->code_files);
	mr_pairs_release(&dump->code_lines);
	mr_pairs_release(&dump->codes);
	mr_pairs_release(&dump->stacks);
	mr_import_log_release(&dump->log);
	mr_pickle_release(&dump->pickle);
	mr_free(dump);
}

int mr_import_pympler(const char *path, const uint8_t *data, size_t len, struct mr_buffer *out,
                      struct mr_notes *notes, struct mr_error *err)
{
	struct mr_dump *const dump = mr_alloc(sizeof(*dump));

	MR_FAIL_IF(dump == NULL, err, MR_ERR_NOMEM, "%s: out of memory", path);
	mr_pickle_init(&dump->pickle, path, data, len);
	dump->notes = notes;
	dump->work_left = (uint64_t)len * WORK_PER_BYTE + WORK_ALLOWANCE;
	int code = read_pickles(dump, err);
	if (code == 0)
		code = write_all(dump, err);
	if (code == 0)
		code = write_notes(dump, err);
	if (code == 0) {
		*out = dump->log.out;
		dump->log.out = (struct mr_buffer){ 0 };
	}
	release(dump);
	return code;
}
