/* SPDX-License-Identifier: MIT
 *
 * Names of places: this very program is the module, so its own debugging
 * information must lead to this file.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <elf.h>
#include <link.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log_builder.h"
#include "log_repair.h"
#include "log_symbolize.h"
#include "model.h"

static char folder[] = "/tmp/test_log_symbolize.XXXXXX";
static char path_in[64], path_out[64];
static char program[4096];
static char build_id[128]; /* of this program, "" when it has none */
static uintptr_t base;     /* where it is loaded */

static volatile int sink;

/* An instruction that gives an address within itself. */
#ifdef __x86_64__
#define ADDRESS_HERE "lea -1(%%rip), %0"
#else
#define ADDRESS_HERE "adr %0, ."
#endif

/* Two places to be named, one inlined into the other; the line of the inner one is noted. */
static int innermost_line;
static inline __attribute__((always_inline)) uintptr_t inlined_place(void)
{
	sink++;
	innermost_line = __LINE__ + 2;
	uintptr_t here;
	__asm__ volatile(ADDRESS_HERE : "=r"(here));
	sink++;
	return here;
}

static __attribute__((noinline)) uintptr_t named_place(void)
{
	const uintptr_t here = inlined_place();

	sink++;
	return here;
}

/* Where this program is loaded, and its build id from the notes there. */
static int look_at_program(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	(void)context;
	base = info->dlpi_addr;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		for (size_t at = 0;
		     header->p_type == PT_NOTE && at + sizeof(ElfW(Nhdr)) <= header->p_memsz;) {
			const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)(base + header->p_vaddr + at);
			const uint8_t *bytes = (const uint8_t *)(note + 1) + ((note->n_namesz + 3) & ~3u);

			if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4)
				for (size_t j = 0; j < note->n_descsz && j < 60; j++)
					snprintf(build_id + 2 * j, 3, "%02x", bytes[j]);
			at += sizeof(*note) + ((note->n_namesz + 3) & ~3u) + ((note->n_descsz + 3) & ~3u);
		}
	}
	return 1; /* the program itself comes first */
}

static void setup(void)
{
	const ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

	cr_assert(gt(i64, len, 0));
	program[len] = '\0';
	dl_iterate_phdr(look_at_program, NULL);
	cr_assert(ne(ptr, mkdtemp(folder), NULL));
	snprintf(path_in, sizeof(path_in), "%s/in.dat", folder);
	snprintf(path_out, sizeof(path_out), "%s/out.dat", folder);
}

static void teardown(void)
{
	unlink(path_in);
	unlink(path_out);
	rmdir(folder);
}

TestSuite(log_symbolize, .init = setup, .fini = teardown);

/* A log with places: at PLACE of MODULE, one that the capture named by the strings
 * KNOWN and the next, and one that cannot be found. */
static void write_log_ended(const char *module, const char *id, uint64_t place, uint64_t known,
                            enum mr_end_reason reason)
{
	const char *const texts[] = { "libmemcapture 1.0.0", module, id, "known", "known.c" };
	struct log_builder builder = { 0 };

	log_builder_begin(&builder);
	log_builder_frame(&builder, 1);
	log_builder_stream(&builder, 42, MR_SOURCE_TRACKER, 0);
	log_builder_strings(&builder, 1, MR_ARRAY_LEN(texts), texts);
	LOG_ROWS(&builder, MR_KIND_MODULES, 4, 1, 2, 3, base);
	LOG_ROWS(&builder, MR_KIND_CODE, 6, 1, 1, place, 0, 0, 0, 2, 0, 0, known, known + 1, 6, 3, 1,
	         0x7fffffffffff, 0, 0, 0);
	LOG_ROWS(&builder, MR_KIND_STACKS, 3, 1, 0, 1, 2, 1, 2, 3, 2, 3);
	log_builder_frame_end(&builder, 0, 0);
	log_builder_end(&builder, 1, reason);
	FILE *file = fopen(path_in, "w");
	cr_assert(ne(ptr, file, NULL));
	cr_assert(eq(sz, fwrite(builder.bytes.data, 1, builder.bytes.len, file), builder.bytes.len));
	cr_assert(eq(int, fclose(file), 0));
	log_builder_release(&builder);
}

static void write_log(const char *module, const char *id, uint64_t place)
{
	write_log_ended(module, id, place, 4, MR_END_CLOSED);
}

static void expect_named(const char *path)
{
	struct mr_position positions[8];
	struct mr_model *model = NULL;
	struct mr_error err = { 0 };

	cr_assert(eq(int, mr_model_open(&path, 1, &model, &err), 0), "%s", err.message);
	cr_expect(eq(sz, model->warning_count, 0));
	const size_t count = mr_run_trace(model, &model->runs[0], 1, positions, MR_ARRAY_LEN(positions));
	cr_assert(ge(sz, count, 2));
	cr_expect(eq(str, (char *)positions[0].function, "inlined_place"));
	cr_expect(eq(u32, positions[0].line, (uint32_t)innermost_line));
	cr_expect(positions[0].inlined);
	cr_expect(eq(str, (char *)positions[1].function, "named_place"));
	cr_expect(ne(ptr, strstr(positions[1].file, "test_log_symbolize.c"), NULL), "%s", positions[1].file);
	mr_model_close(model);
}

Test(log_symbolize, log__is_named_in_place)
{
	struct mr_symbolize_report report = { 0 };
	struct mr_error err = { 0 };

	write_log(program, build_id, named_place() - base);
	cr_assert(eq(int, mr_log_symbolize(path_in, NULL, &report, &err), 0), "%s", err.message);
	cr_expect(eq(u64, report.codes, 2), "what the capture named is not looked for");
	cr_expect(eq(u64, report.codes_named, 1));
	cr_expect(eq(u64, report.codes_positioned, 1));
	cr_expect(eq(sz, report.problem_count, 0));
	expect_named(path_in);
	mr_symbolize_report_release(&report);

	cr_assert(eq(int, mr_log_symbolize(path_in, NULL, &report, &err), 0), "%s", err.message);
	cr_expect(eq(u64, report.codes, 1), "what has a name is not named again");
	expect_named(path_in);
	mr_symbolize_report_release(&report);
}

Test(log_symbolize, output__is_another_file)
{
	struct mr_symbolize_report report = { 0 };

	write_log(program, "", named_place() - base);
	cr_assert(eq(int, mr_log_symbolize(path_in, path_out, &report, NULL), 0));
	expect_named(path_out);
	mr_symbolize_report_release(&report);
}

static void expect_problem(const char *module, const char *id, const char *text)
{
	struct mr_symbolize_report report = { 0 };
	struct mr_error err = { 0 };

	write_log(module, id, named_place() - base);
	cr_assert(eq(int, mr_log_symbolize(path_in, path_out, &report, &err), 0), "%s", err.message);
	cr_expect(eq(u64, report.codes_named, 0));
	cr_assert(eq(sz, report.problem_count, 1));
	cr_expect(ne(ptr, strstr(report.problems[0], text), NULL), "%s", report.problems[0]);
	mr_symbolize_report_release(&report);
}

Test(log_symbolize, modules_that_do_not_fit__are_named)
{
	expect_problem(program, "0123456789abcdef", "another build");
	expect_problem("/nonexistent/lib.so", "0123456789abcdef", "is not on this machine");
	expect_problem("/nonexistent/lib.so", "../../../../tmp/x", "is not on this machine");
	expect_problem("relative.so", "", "is not on this machine");
	expect_problem("/tmp", "", "is not on this machine");
	expect_problem(path_in, "", "is not on this machine");
}

Test(log_symbolize, damaged_log__is_left_alone_and_named_elsewhere)
{
	struct mr_symbolize_report report = { 0 };
	struct mr_verify_report verified = { 0 };
	struct mr_error err = { 0 };
	struct stat before, after;

	write_log(program, build_id, named_place() - base);
	cr_assert(eq(int, stat(path_in, &before), 0));
	cr_assert(eq(int, truncate(path_in, before.st_size - 1), 0));
	cr_assert(eq(int, stat(path_in, &before), 0));
	cr_expect(eq(int, mr_log_symbolize(path_in, NULL, &report, &err), MR_ERR_FORMAT));
	cr_expect(ne(ptr, strstr(err.message, "-o OUT"), NULL), "%s", err.message);
	cr_assert(eq(int, stat(path_in, &after), 0));
	cr_expect(eq(u64, before.st_ino, after.st_ino), "it may still be written");

	err = (struct mr_error){ 0 };
	cr_assert(eq(int, mr_log_symbolize(path_in, path_out, &report, &err), 0), "%s", err.message);
	cr_expect(gt(sz, report.problem_count, 0), "what is wrong is said");
	expect_named(path_out);
	mr_symbolize_report_release(&report);
	cr_assert(eq(int, mr_log_verify(path_out, &verified, &err), 0), "%s", err.message);
	cr_expect(eq(sz, verified.problem_count, 0));
	mr_verify_report_release(&verified);
}

Test(log_symbolize, lost_names__stay_lost)
{
	struct mr_symbolize_report report = { 0 };
	struct mr_position positions[2];
	struct mr_model *model = NULL;
	const char *const path = path_in;

	/* The strings 6 and 7 went with a frame that a repair left out. */
	write_log_ended(program, build_id, named_place() - base, 6, MR_END_REPAIRED);
	cr_assert(eq(int, mr_log_symbolize(path_in, NULL, &report, NULL), 0));
	cr_expect(eq(u64, report.codes_named, 1));
	mr_symbolize_report_release(&report);
	expect_named(path_in);
	cr_assert(eq(int, mr_model_open(&path, 1, &model, NULL), 0));
	cr_assert(ge(sz, mr_run_trace(model, &model->runs[0], 2, positions, MR_ARRAY_LEN(positions)), 1));
	cr_expect(eq(str, (char *)positions[0].function, "?"));
	mr_model_close(model);
}
