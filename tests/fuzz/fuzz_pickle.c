/* SPDX-License-Identifier: MIT
 *
 * pympler's dumps.  Property: whatever the bytes are, reading them as a dump ends,
 * leaves nothing behind, and gives an error with a message, or a log that is
 * whole: every id in it is defined, and the tables can be made of it.
 *
 * Input that does not begin as a pickle does is read as one behind such a beginning.
 */
#include <stdlib.h>

#include "table_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

static void write_table(struct memstats_log *log, const char *name, enum memstats_format format, FILE *out)
{
	struct memstats_table *table = NULL;
	struct memstats_error error = { 0 };

	must(memstats_table_new(log, name, NULL, &table, &error) == 0);
	must(memstats_table_write(table, format, 0, out, &error) == 0);
	memstats_table_free(table);
}

static void check(const uint8_t *data, size_t size)
{
	struct memstats_error error = { 0 };
	struct memstats_log *log = NULL;

	if (memstats_log_open_memory(data, size, "fuzzed", &log, &error) < 0) {
		must(error.message[0] != '\0' && error.code != 0);
		return;
	}
	FILE *const out = fopen("/dev/null", "w");
	must(out != NULL);
	write_table(log, "objects", MEMSTATS_FORMAT_TEXT, out);
	write_table(log, "summary", MEMSTATS_FORMAT_TEXT, out);
	write_table(log, "sizes", MEMSTATS_FORMAT_CSV, out);
	write_table(log, "referents", MEMSTATS_FORMAT_JSON, out);
	fclose(out);
	for (size_t i = 0; i < log->model->segment_count; i++) {
		const struct mr_segment *const segment = &log->model->segments[i];

		must(segment->end == MR_SEGMENT_WHOLE && segment->frames_missing == 0);
		must(segment->frames_damaged == 0 && segment->ids_unknown == 0);
	}
	memstats_log_close(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t beginning[] = { 0x80, 0x04 };

	if (size >= 2 && data[0] == 0x80) {
		check(data, size);
		return 0;
	}
	uint8_t *const longer = malloc(size + sizeof(beginning));
	must(longer != NULL);
	memcpy(longer, beginning, sizeof(beginning));
	if (size > 0)
		memcpy(longer + sizeof(beginning), data, size);
	check(longer, size + sizeof(beginning));
	free(longer);
	return 0;
}
