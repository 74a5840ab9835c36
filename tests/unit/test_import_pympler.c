/* SPDX-License-Identifier: MIT
 *
 * pympler's dumps, byte by byte: cut anywhere they are refused, changed anywhere
 * they are refused or read, and nothing else happens.  What a whole one says is
 * in tests/integration/pympler_dumps.py.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#include "model.h"

struct dump {
	uint8_t bytes[1 << 15];
	size_t len;
};

static struct dump read_dump(const char *name)
{
	struct dump dump = { .len = 0 };
	char path[256];

	snprintf(path, sizeof(path), "tests/fixtures/pympler/%s", name);
	FILE *const file = fopen(path, "rb");
	cr_assert(ne(ptr, file, NULL), "%s", path);
	dump.len = fread(dump.bytes, 1, sizeof(dump.bytes), file);
	fclose(file);
	cr_assert(dump.len > 0 && dump.len < sizeof(dump.bytes));
	return dump;
}

/* Opens and loads all; the error's code. */
static int open_whole(const uint8_t *bytes, size_t len, struct mr_model **model, struct mr_error *err)
{
	struct mr_states *states = NULL;
	const uint32_t first = 0;

	*err = (struct mr_error){ 0 };
	*model = NULL;
	int code = mr_model_open_memory(bytes, len, "made.dat", model, err);
	if (code == 0)
		code = mr_model_load(*model, MR_LOAD_ALL, err);
	if (code == 0 && (*model)->run_count > 0 && (*model)->runs[0].objects.count > 0)
		code = mr_model_details(*model, 0, &first, 1, &states, err);
	mr_details_free(states);
	return code;
}

Test(import_pympler, whole__is_a_run_of_python)
{
	const struct dump dump = read_dump("tiny-1.1-py3.13.dat");
	struct mr_model *model;
	struct mr_error err;

	cr_assert(eq(int, open_whole(dump.bytes, dump.len, &model, &err), 0), "%s", err.message);
	cr_assert(eq(sz, model->run_count, 1));
	const struct mr_run *const run = &model->runs[0];
	cr_expect_eq(run->language, MR_LANGUAGE_PYTHON);
	cr_expect_eq(run->imported, MR_IMPORTED_PYMPLER);
	cr_expect(eq(sz, run->snapshot_count, 1));
	cr_expect(eq(str, (char *)mr_model_string(model, run->snapshots[0].description), "only"));
	cr_assert_eq(run->objects.count, 2);
	cr_expect_eq(model->segments[0].end, MR_SEGMENT_WHOLE);
	cr_expect_eq(model->segments[0].frames_missing, 0);
	cr_expect_eq(model->warning_count, 0);
	mr_model_close(model);
}

Test(import_pympler, objects__have_births_deaths_labels_and_traces)
{
	const struct dump dump = read_dump("tiny-1.1-py3.13.dat");
	struct mr_position positions[64];
	struct mr_model *model;
	struct mr_error err;

	cr_assert(eq(int, open_whole(dump.bytes, dump.len, &model, &err), 0), "%s", err.message);
	const struct mr_run *const run = &model->runs[0];
	const struct mr_objects *const objects = &run->objects;
	size_t single = 0;
	while (strcmp(mr_run_class_name(model, run, objects->class_index[single]), "single") != 0)
		single++;
	cr_expect_eq(objects->birth_bytes[single], 48);
	cr_expect(objects->size_max_bytes[single] >= objects->size_bytes[single]);
	cr_expect(strstr(mr_model_label(model, run, single), "Single object at 0x") != NULL);
	cr_expect(objects->death_ns[single] > objects->birth_ns[single]);
	const size_t count = mr_run_trace(model, run, objects->stack[single], positions, 64);
	cr_assert(count >= 2);
	cr_expect(eq(str, (char *)positions[0].file, "shop.py"));
	cr_expect(ne(str, (char *)positions[0].source, ""));
	mr_model_close(model);
}

Test(import_pympler, cut__anywhere_is_refused)
{
	const struct dump dump = read_dump("tiny-1.1-py3.13.dat");

	for (size_t len = 0; len < dump.len; len++) {
		struct mr_model *model;
		struct mr_error err;
		const int code = open_whole(dump.bytes, len, &model, &err);

		cr_expect(lt(int, code, 0), "cut to %zu bytes it is read", len);
		cr_expect(ne(ptr, strstr(err.message, "made.dat"), NULL), "%s", err.message);
		mr_model_close(model);
	}
}

Test(import_pympler, changed__anywhere_is_refused_or_read)
{
	static const uint8_t changes[] = { 0x01, 0x80, 0xff, 0x2e };

	for (size_t c = 0; c < MR_ARRAY_LEN(changes); c++) {
		struct dump dump = read_dump("tiny-1.1-py3.13.dat");

		for (size_t at = 0; at < dump.len; at++) {
			struct mr_model *model;
			struct mr_error err;

			dump.bytes[at] ^= changes[c];
			const int code = open_whole(dump.bytes, dump.len, &model, &err);
			cr_expect(code == 0 || err.message[0] != '\0', "byte %zu", at);
			mr_model_close(model);
			dump.bytes[at] ^= changes[c];
		}
	}
}
