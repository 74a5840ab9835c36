/* SPDX-License-Identifier: MIT
 *
 * Repairing and verifying: what can be read of a damaged log becomes a whole
 * one, and nothing that is wrong goes unsaid.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "log_builder.h"
#include "log_repair.h"
#include "model.h"

static struct log_builder builder;
static char folder[] = "/tmp/test_log_repair.XXXXXX";
static char path_in[64], path_out[64];

static void setup(void)
{
	log_builder_sample(&builder);
	cr_assert(ne(ptr, mkdtemp(folder), NULL));
	snprintf(path_in, sizeof(path_in), "%s/in.dat", folder);
	snprintf(path_out, sizeof(path_out), "%s/out.dat", folder);
}

static void teardown(void)
{
	log_builder_release(&builder);
	unlink(path_in);
	unlink(path_out);
	cr_expect(eq(int, rmdir(folder), 0), "nothing else was left behind");
}

TestSuite(log_repair, .init = setup, .fini = teardown);

static void write_file(const uint8_t *data, size_t len)
{
	FILE *file = fopen(path_in, "w");

	cr_assert(ne(ptr, file, NULL));
	cr_assert(eq(sz, fwrite(data, 1, len, file), len));
	cr_assert(eq(int, fclose(file), 0));
}

static struct mr_buffer read_file(const char *path)
{
	struct mr_buffer bytes = { 0 };
	FILE *file = fopen(path, "r");
	uint8_t chunk[4096];
	size_t got;

	cr_assert(ne(ptr, file, NULL));
	while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0)
		mr_buffer_append(&bytes, chunk, got);
	fclose(file);
	return bytes;
}

/* Whether zstd takes the file as it is. */
static bool zstd_accepts(const char *path)
{
	struct mr_buffer bytes = read_file(path);
	uint8_t *content = malloc(1 << 20);
	const size_t got = ZSTD_decompress(content, 1 << 20, bytes.data, bytes.len);

	free(content);
	mr_buffer_release(&bytes);
	return !ZSTD_isError(got);
}

static size_t problems(const char *path)
{
	struct mr_verify_report report = { 0 };
	struct mr_error err = { 0 };

	cr_assert(eq(int, mr_log_verify(path, &report, &err), 0), "%s", err.message);
	const size_t count = report.problem_count;
	mr_verify_report_release(&report);
	return count;
}

static void repair(struct mr_repair_report *report)
{
	struct mr_error err = { 0 };

	*report = (struct mr_repair_report){ 0 };
	cr_assert(eq(int, mr_log_repair(path_in, path_out, report, &err), 0), "%s", err.message);
	cr_expect(zstd_accepts(path_out));
}

Test(log_repair, whole_log__stays_as_it_is)
{
	struct mr_repair_report report;
	struct mr_verify_report verified = { 0 };

	write_file(builder.bytes.data, builder.bytes.len);
	repair(&report);
	cr_expect(report.was_whole);
	cr_expect(eq(u64, report.frames, builder.entry_count - 1));

	struct mr_buffer out = read_file(path_out);
	cr_assert(eq(sz, out.len, builder.bytes.len));
	cr_expect(eq(int, memcmp(out.data, builder.bytes.data, out.len), 0));
	mr_buffer_release(&out);

	cr_assert(eq(int, mr_log_verify(path_out, &verified, NULL), 0));
	cr_expect(eq(sz, verified.problem_count, 0), "%s",
	          verified.problem_count > 0 ? verified.problems[0] : "");
	cr_expect(eq(u64, verified.runs, 1));
	cr_expect(eq(u64, verified.frames, builder.entry_count - 1));
	cr_expect(gt(u64, verified.rows, 40));
	mr_verify_report_release(&verified);
}

Test(log_repair, cut_log__becomes_whole_up_to_there)
{
	for (size_t frames = 1; frames < builder.entry_count; frames++) {
		struct mr_repair_report report;
		struct mr_model *model = NULL;
		const char *const paths[] = { path_out };
		const size_t len = builder.entries[frames - 1].offset + builder.entries[frames - 1].size;

		write_file(builder.bytes.data, len + (frames % 2 == 0 ? 9 : 0));
		cr_expect(gt(sz, problems(path_in), 0));
		repair(&report);
		cr_expect(not(report.was_whole));
		cr_expect(eq(u64, report.frames, frames));
		cr_expect(eq(u64, report.bytes_left_out, frames % 2 == 0 ? 9 : 0));
		cr_assert(eq(int, mr_model_open(paths, 1, &model, NULL), 0));
		cr_assert(eq(int, mr_model_load(model, MR_LOAD_ALL, NULL), 0));
		cr_expect(eq(int, (int)model->segments[0].end, MR_SEGMENT_WHOLE));
		cr_expect(eq(u64, model->segments[0].end_reason, MR_END_REPAIRED));
		cr_expect(eq(sz, model->warning_count, 0));
		cr_expect(eq(sz, model->runs[0].objects.count, frames > 1 ? 4 : 0));
		mr_model_close(model);
	}
}

Test(log_repair, damaged_frame__is_left_out)
{
	struct mr_repair_report report;

	builder.bytes.data[builder.entries[3].offset + builder.entries[3].size / 2] ^= 1;
	write_file(builder.bytes.data, builder.bytes.len);
	cr_expect(gt(sz, problems(path_in), 0));
	repair(&report);
	cr_expect(eq(u64, report.frames_left_out, 1));
	cr_expect(eq(u64, report.frames, builder.entry_count - 2));

	/* A second time there is nothing left to do. */
	cr_assert(eq(int, rename(path_out, path_in), 0));
	repair(&report);
	cr_expect(report.was_whole);
}

Test(log_repair, joined_logs__are_repaired_segment_by_segment)
{
	struct mr_buffer joined = { 0 };
	struct mr_repair_report report;

	mr_buffer_append(&joined, builder.bytes.data, builder.entries[2].offset + 7);
	mr_buffer_append(&joined, builder.bytes.data, builder.bytes.len);
	write_file(joined.data, joined.len);
	mr_buffer_release(&joined);
	repair(&report);
	cr_expect(eq(u64, report.segments, 2));
	cr_expect(eq(u64, report.bytes_left_out, 7));
	cr_expect(eq(u64, report.frames, 2 + builder.entry_count - 1));
}

Test(log_repair, output__appears_whole_or_not_at_all)
{
	struct mr_repair_report report = { 0 };
	struct mr_error err = { 0 };

	write_file((const uint8_t *)"hello", 5);
	cr_expect(eq(int, mr_log_repair(path_in, path_out, &report, &err), MR_ERR_FORMAT));
	cr_expect(ne(int, access(path_out, F_OK), 0));

	write_file(builder.bytes.data, builder.bytes.len);
	err = (struct mr_error){ 0 };
	cr_expect(eq(int, mr_log_repair(path_in, "/nonexistent/x", &report, &err), MR_ERR_WRITE));
	err = (struct mr_error){ 0 };
	cr_expect(eq(int, mr_log_repair(path_in, path_in, &report, &err), MR_ERR_ARG));
	err = (struct mr_error){ 0 };
	cr_expect(eq(int, mr_log_repair(path_in, "/dev/full", &report, &err), MR_ERR_WRITE), "%s",
	          err.message);
}

Test(log_repair, verify__finds_ids_without_definition)
{
	struct mr_verify_report report = { 0 };

	log_builder_frame(&builder, 1);
	mr_buffer_clear(&builder.content);
	log_builder_release(&builder);
	builder = (struct log_builder){ 0 };
	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_TRACKER, 0);
	log_builder_strings(&builder, 1, 1, (const char *const[]){ "x" });
	log_builder_frame_end(&builder, 0, 0);
	log_builder_frame(&builder, 1);
	LOG_ROWS(&builder, MR_KIND_REFERENTS, 6, 1, 5, 6, 1, 1, 1);
	log_builder_frame_end(&builder, 1, 1);
	log_builder_end(&builder, 0, MR_END_CLOSED);
	write_file(builder.bytes.data, builder.bytes.len);
	cr_assert(eq(int, mr_log_verify(path_in, &report, NULL), 0));
	cr_assert(eq(sz, report.problem_count, 1));
	cr_expect(ne(ptr, strstr(report.problems[0], "1 ids have no definition"), NULL), "%s",
	          report.problems[0]);
	cr_expect(not(report.only_cut));
	mr_verify_report_release(&report);
}

Test(log_repair, verify__takes_a_repaired_log_for_whole_whatever_it_lacks)
{
	struct mr_verify_report report = { 0 };

	log_builder_release(&builder);
	builder = (struct log_builder){ 0 };
	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_TRACKER, 0);
	log_builder_strings(&builder, 1, 1, (const char *const[]){ "x" });
	LOG_ROWS(&builder, MR_KIND_REFERENTS, 6, 1, 5, 6, 1, 1, 1);
	log_builder_frame_end(&builder, 1, 1);
	log_builder_end(&builder, 0, MR_END_REPAIRED);
	write_file(builder.bytes.data, builder.bytes.len);
	cr_assert(eq(int, mr_log_verify(path_in, &report, NULL), 0));
	cr_expect(eq(sz, report.problem_count, 0));
	cr_expect(not(report.only_cut));
	cr_assert(eq(sz, report.loss_count, 1));
	cr_expect(ne(ptr, strstr(report.losses[0], "lost before the log was repaired"), NULL), "%s",
	          report.losses[0]);
	mr_verify_report_release(&report);
}

Test(log_repair, verify__tells_a_cut_log_from_a_damaged_one)
{
	struct mr_verify_report report = { 0 };

	write_file(builder.bytes.data, builder.entries[builder.entry_count - 1].offset);
	cr_assert(eq(int, mr_log_verify(path_in, &report, NULL), 0));
	cr_expect(eq(sz, report.problem_count, 1));
	cr_expect(report.only_cut);
	mr_verify_report_release(&report);

	report = (struct mr_verify_report){ 0 };
	builder.bytes.data[builder.entries[1].offset + builder.entries[1].size / 2] ^= 1;
	write_file(builder.bytes.data, builder.entries[builder.entry_count - 1].offset);
	cr_assert(eq(int, mr_log_verify(path_in, &report, NULL), 0));
	cr_expect(not(report.only_cut));
	mr_verify_report_release(&report);
}

Test(log_repair, verify__looks_at_every_column)
{
	struct mr_verify_report report = { 0 };
	struct mr_block_writer block;

	log_builder_release(&builder);
	builder = (struct log_builder){ 0 };
	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_TRACKER, 0);
	mr_block_begin(&block, &builder.content, (enum mr_kind)60, 3);
	mr_block_scalar(&block, 1, 5); /* one value for three rows, of a kind that is not known */
	mr_block_end(&block);
	log_builder_seal(&builder, UINT64_C(1) << 60 | UINT64_C(6));
	log_builder_end(&builder, 0, MR_END_CLOSED);
	write_file(builder.bytes.data, builder.bytes.len);
	cr_assert(eq(int, mr_log_verify(path_in, &report, NULL), 0));
	cr_expect(eq(sz, report.problem_count, 1 + 1), "the column, and the creator's name");
	mr_verify_report_release(&report);
}
