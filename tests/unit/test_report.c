/* SPDX-License-Identifier: MIT
 *
 * The report from C: each form of it, its options, and its errors.
 */
#include "memreport.h"

#include "base.h"
#include "log_builder.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/memreport-log-XXXXXX";
static struct memstats_log *stats;

static void setup(void)
{
	const int fd = mkstemp(path);
	struct log_builder builder = { 0 };
	const char *const paths[] = { path };

	cr_assert_geq(fd, 0);
	log_builder_sample(&builder);
	cr_assert_eq(mr_write_full(fd, builder.bytes.data, builder.bytes.len, path, NULL), 0);
	close(fd);
	log_builder_release(&builder);
	cr_assert_eq(memstats_log_open(paths, 1, &stats, NULL), 0);
}

static void teardown(void)
{
	memstats_log_close(stats);
	unlink(path);
}

TestSuite(report, .init = setup, .fini = teardown);

static char *written(struct memreport *report, enum memreport_format format, size_t *len)
{
	char *text = NULL;
	FILE *stream = open_memstream(&text, len);
	struct memreport_error error = { 0 };

	cr_assert_not_null(stream);
	cr_assert_eq(memreport_write(report, format, stream, &error), 0, "%s", error.message);
	fclose(stream);
	return text;
}

Test(report, write__gives_each_form)
{
	static const struct {
		enum memreport_format format;
		const char *start;
	} forms[] = { { MEMREPORT_HTML, "<!DOCTYPE html>" },
		      { MEMREPORT_PDF, "%PDF" },
		      { MEMREPORT_PNG, "\x89PNG" } };
	struct memreport *report = NULL;

	cr_assert_eq(memreport_new(stats, NULL, &report, NULL), 0);
	for (size_t i = 0; i < MR_ARRAY_LEN(forms); i++) {
		size_t len = 0;
		char *text = written(report, forms[i].format, &len);

		cr_expect_gt(len, 1000);
		cr_expect_eq(memcmp(text, forms[i].start, strlen(forms[i].start)), 0);
		free(text);
	}
	cr_expect_null(memreport_left_out(report));
	memreport_free(report);
}

Test(report, write__gives_the_same_page_twice)
{
	struct memreport *report = NULL;
	size_t one_len = 0, two_len = 0;

	cr_assert_eq(memreport_new(stats, NULL, &report, NULL), 0);
	char *one = written(report, MEMREPORT_HTML, &one_len),
	     *two = written(report, MEMREPORT_HTML, &two_len);
	cr_expect(one_len == two_len && memcmp(one, two, one_len) == 0);
	free(one);
	free(two);
	memreport_free(report);
}

Test(report, new__refuses_wrong_options)
{
	static const struct memreport_options wrong[] = {
		{ .limit = 1001 },
		{ .max_size_bytes = 5000 },
		{ .max_size_bytes = UINT64_MAX },
		{ .templates = "/no/such/place" },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(wrong); i++) {
		struct memreport *report = NULL;
		struct memreport_error error = { 0 };

		cr_expect_lt(memreport_new(stats, &wrong[i], &report, &error), 0, "options %zu", i);
		cr_expect_null(report);
		cr_expect(error.message[0] != '\0' && error.code < 0);
	}
}

Test(report, write__reports_a_full_disk)
{
	struct memreport *report = NULL;
	struct memreport_error error = { 0 };
	FILE *full = fopen("/dev/full", "w");

	cr_assert_not_null(full);
	cr_assert_eq(memreport_new(stats, NULL, &report, NULL), 0);
	cr_expect_eq(memreport_write(report, MEMREPORT_HTML, full, &error), MEMREPORT_ERR_WRITE);
	cr_expect_not_null(strstr(error.message, "cannot write"));
	fclose(full);
	memreport_free(report);
}
