/* SPDX-License-Identifier: MIT
 *
 * See import.h.
 */
#include "import.h"

#include <unistd.h>

#include "import_pympler.h"

/* The largest dump that is read: an importer has all of it in memory. */
#define IMPORT_SIZE_MAX ((uint64_t)1 << 36)

/* Pickles of the protocols 0 and 1 have no mark of their own: so a dict, a list and a defaultdict begin. */
static bool is_old_pickle(const uint8_t *head, size_t len)
{
	static const char *const beginnings[] = { "(dp", "(lp", "}q", "]q", "ccollections\ndefaultdict\n" };

	for (size_t i = 0; i < MR_ARRAY_LEN(beginnings); i++)
		if (len >= strlen(beginnings[i]) && memcmp(head, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}

/* All of the file, with zeros behind it. */
static int read_all(const struct mr_source *source, uint8_t **data, size_t *len, struct mr_error *err)
{
	MR_FAIL_IF(source->size_bytes > IMPORT_SIZE_MAX, err, MR_ERR_LIMIT, "%s: is too large to be imported",
	           source->path);
	uint8_t *const bytes = mr_realloc(NULL, (size_t)source->size_bytes + MR_IMPORT_PADDING);

	MR_FAIL_IF(bytes == NULL, err, MR_ERR_NOMEM, "%s: out of memory", source->path);
	const int64_t got = mr_source_read(source, bytes, (size_t)source->size_bytes, 0, err);
	if (got < 0) {
		mr_free(bytes);
		return (int)got;
	}
	memset(bytes + got, 0, (size_t)source->size_bytes - (size_t)got + MR_IMPORT_PADDING);
	*data = bytes;
	*len = (size_t)got;
	return 0;
}

/* Lets SOURCE be the log that its file means: nothing happens to what is one already. */
static int import(struct mr_source *source, struct mr_notes *notes, struct mr_error *err)
{
	uint8_t head[32] = { 0 };
	const int64_t got = mr_source_read(source, head, sizeof(head), 0, err);
	struct mr_buffer log = { 0 };
	uint8_t *data = NULL;
	size_t len = 0;

	if (got < 0)
		return (int)got;
	MR_FAIL_IF(is_old_pickle(head, (size_t)got), err, MR_ERR_VERSION,
	           "%s: looks like a pickle of protocol 0 or 1; pympler's dumps are of protocols 2 to 5",
	           source->path);
	if (got < 2 || head[0] != 0x80 || head[1] > 0x0f)
		return 0;
	MR_TRY(read_all(source, &data, &len, err));
	const int code = mr_import_pympler(source->path, data, len, &log, notes, err);
	mr_free(data);
	if (code < 0) {
		mr_buffer_release(&log);
		return code;
	}
	mr_source_become(source, &log);
	return 0;
}

int mr_import_open_take(struct mr_log *log, struct mr_source *source, struct mr_error *err)
{
	struct mr_notes notes = { 0 };
	int code = import(source, &notes, err);

	if (code < 0)
		mr_source_release(source);
	if (code == 0)
		code = mr_log_open_take(log, source, err);
	if (code == 0 && notes.count > 0) {
		/* The log that was made here is whole: it has no notes of its own. */
		mr_notes_release(&log->notes);
		log->notes = notes;
		return 0;
	}
	mr_notes_release(&notes);
	return code;
}
