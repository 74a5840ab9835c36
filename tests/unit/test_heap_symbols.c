/* SPDX-License-Identifier: MIT
 *
 * Names of places in a recording's log.  This very program is the module; what is
 * written is read back through the model.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <link.h>
#include <stdlib.h>
#include <unistd.h>

#include "heap_symbols.h"
#include "model.h"

static char path[] = "/tmp/test_heap_symbols.XXXXXX";
static char program[4096];
static uintptr_t base; /* where it is loaded */
static struct mr_log_writer *writer;

__attribute__((noinline)) static int first_place(int n)
{
	return n + getpid();
}

__attribute__((noinline)) static int second_place(int n)
{
	return n - getpid();
}

static int look_at_program(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	(void)context;
	base = info->dlpi_addr;
	return 1; /* the program itself comes first */
}

static void setup(void)
{
	static const struct mr_log_header header = { .version_major = MR_LOG_VERSION_MAJOR,
		                                     .version_minor = MR_LOG_VERSION_MINOR };
	const ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
	const int fd = mkstemp(path);

	cr_assert(gt(i64, len, 0));
	program[len] = '\0';
	cr_assert(ge(int, fd, 0));
	close(fd);
	dl_iterate_phdr(look_at_program, NULL);
	cr_assert(eq(int, mr_log_writer_open(&writer, path, &header, NULL, NULL), 0));
	cr_assert(eq(int, first_place(1) + second_place(1), 2));
}

static void teardown(void)
{
	unlink(path);
}

TestSuite(heap_symbols, .init = setup, .fini = teardown);

static void end_block(struct mr_block_writer *block)
{
	cr_assert(eq(int, mr_log_writer_end(writer, block, NULL, NULL), 0));
}

#define COLUMN(block, id, ...) mr_block_column((block), (id), (const uint64_t[]){ __VA_ARGS__ })

/* A stream of process PID with two places and a stack of each. */
static uint32_t write_stream(uint64_t pid, const char *module, uint64_t first, uint64_t second)
{
	const uint32_t stream = mr_log_writer_add_stream(writer);
	struct mr_block_writer block;

	mr_log_writer_begin(writer, stream, MR_KIND_STREAM, 1, &block);
	mr_block_scalar(&block, MR_STREAM_PID, pid);
	mr_block_scalar(&block, MR_STREAM_SOURCE, MR_SOURCE_HEAP);
	end_block(&block);
	mr_log_writer_begin(writer, stream, MR_KIND_STRINGS, 1, &block);
	mr_block_scalar(&block, MR_STRINGS_ID, 1);
	mr_block_scalar(&block, MR_STRINGS_LENGTH, strlen(module));
	mr_block_bytes(&block, MR_STRINGS_BYTES, module, strlen(module));
	end_block(&block);
	mr_log_writer_begin(writer, stream, MR_KIND_MODULES, 1, &block);
	mr_block_scalar(&block, MR_MODULES_ID, 1);
	mr_block_scalar(&block, MR_MODULES_PATH, 1);
	end_block(&block);
	mr_log_writer_begin(writer, stream, MR_KIND_CODE, 2, &block);
	COLUMN(&block, MR_CODE_ID, 1, 2);
	COLUMN(&block, MR_CODE_MODULE, 1, 1);
	COLUMN(&block, MR_CODE_OFFSET, first, second);
	end_block(&block);
	mr_log_writer_begin(writer, stream, MR_KIND_STACKS, 2, &block);
	COLUMN(&block, MR_STACKS_ID, 1, 2);
	COLUMN(&block, MR_STACKS_CODE, 1, 2);
	end_block(&block);
	return stream;
}

static uint64_t offset_of(int (*function)(int))
{
	return (uintptr_t)function - base;
}

static struct mr_model *read_back(void)
{
	const char *const paths[] = { path };
	struct mr_model *model = NULL;
	struct mr_error err = { 0 };

	cr_assert(eq(int, mr_log_writer_close(writer, 1, MR_END_CLOSED, NULL), 0));
	cr_assert(eq(int, mr_model_open(paths, 1, &model, &err), 0), "%s", err.message);
	cr_expect(eq(sz, model->warning_count, 0));
	return model;
}

static void expect_function(const struct mr_model *model, size_t run, uint32_t stack, const char *function)
{
	struct mr_position positions[4];

	cr_assert(lt(sz, run, model->run_count));
	cr_assert(eq(sz, mr_run_trace(model, &model->runs[run], stack, positions, 4), 1));
	cr_expect(eq(str, (char *)positions[0].function, (char *)function));
	if (function[0] != '\0')
		cr_expect(ne(ptr, strstr(positions[0].file, "test_heap_symbols.c"), NULL), "%s",
		          positions[0].file);
}

Test(heap_symbols, streams__share_what_was_looked_up)
{
	const uint64_t first = offset_of(first_place);
	const uint64_t second = offset_of(second_place);
	struct mr_heap_symbols *symbols = NULL;
	struct mr_heap_symbols_report report;
	uint64_t next[2] = { 2, 7 };
	uint32_t module;

	cr_assert(eq(int, mr_heap_symbols_new(&symbols, NULL), 0));
	for (uint32_t i = 0; i < 2; i++) {
		const uint32_t stream = write_stream(42 + i, program, first, second);

		cr_assert(eq(int, mr_heap_symbols_stream(symbols, stream, &next[i], NULL), 0));
		cr_assert(eq(int, mr_heap_symbols_module(symbols, program, "", 0, &module, NULL), 0));
		cr_assert(eq(u32, module, 0));
		/* In whatever order. */
		cr_assert(eq(int, mr_heap_symbols_place(symbols, 2, module, second, NULL), 0));
		cr_assert(eq(int, mr_heap_symbols_place(symbols, 1, module, first, NULL), 0));
	}
	cr_assert(eq(int, mr_heap_symbols_write(symbols, writer, &report, NULL), 0));
	cr_expect(eq(u64, report.places, 2));
	cr_expect(eq(u64, report.places_named, 2));
	cr_expect(eq(u64, report.places_positioned, 2));
	cr_expect(eq(u64, report.modules, 1));
	cr_expect(eq(u64, report.modules_lined, 1));
	cr_expect(eq(u64, report.modules_missing, 0));
	cr_expect(eq(u64, next[0], 5), "two functions and a file");
	cr_expect(eq(u64, next[1], 10));
	mr_heap_symbols_free(symbols);

	struct mr_model *const model = read_back();
	for (size_t run = 0; run < 2; run++) {
		expect_function(model, run, 1, "first_place");
		expect_function(model, run, 2, "second_place");
	}
	mr_model_close(model);
}

Test(heap_symbols, further_writes__add_what_is_new)
{
	const uint64_t first = offset_of(first_place);
	const uint64_t second = offset_of(second_place);
	struct mr_heap_symbols *symbols = NULL;
	struct mr_heap_symbols_report report;
	uint64_t next = 2;
	uint32_t module;

	const uint32_t stream = write_stream(42, program, first, second);
	cr_assert(eq(int, mr_heap_symbols_new(&symbols, NULL), 0));
	cr_assert(eq(int, mr_heap_symbols_write(symbols, writer, &report, NULL), 0), "nothing at all");
	cr_expect(eq(u64, report.places, 0));
	for (uint64_t code = 1; code <= 2; code++) {
		cr_assert(eq(int, mr_heap_symbols_stream(symbols, stream, &next, NULL), 0));
		cr_assert(eq(int,
		             mr_heap_symbols_module(symbols, program, "", (uint32_t)getpid(), &module, NULL),
		             0));
		cr_assert(eq(int,
		             mr_heap_symbols_place(symbols, code, module, code == 1 ? first : second, NULL),
		             0));
		cr_assert(eq(int, mr_heap_symbols_write(symbols, writer, &report, NULL), 0));
		cr_expect(eq(u64, report.places, code));
	}
	mr_heap_symbols_free(symbols);

	struct mr_model *const model = read_back();
	expect_function(model, 0, 1, "first_place");
	expect_function(model, 0, 2, "second_place");
	mr_model_close(model);
}

Test(heap_symbols, what_is_foreseen__is_looked_up_meanwhile)
{
	enum { ROUNDS = 200 };
	const uint64_t first = offset_of(first_place);
	const uint64_t second = offset_of(second_place);
	struct mr_heap_symbols *symbols = NULL;
	struct mr_heap_symbols_report report;
	uint64_t next = 2;
	uint32_t module, missing;

	const uint32_t stream = write_stream(42, program, first, second);
	cr_assert(eq(int, mr_heap_symbols_new(&symbols, NULL), 0));
	mr_heap_symbols_look_ahead(symbols); /* nothing yet */
	for (uint64_t i = 0; i < ROUNDS; i++) {
		cr_assert(eq(int, mr_heap_symbols_module(symbols, program, "", 0, &module, NULL), 0));
		cr_assert(eq(int,
		             mr_heap_symbols_module(symbols, "/nonexistent/lib.so", "", 0, &missing, NULL),
		             0));
		cr_assert(eq(int, mr_heap_symbols_foresee(symbols, module, first + i, NULL), 0));
		cr_assert(eq(int, mr_heap_symbols_foresee(symbols, missing, i, NULL), 0));
		mr_heap_symbols_look_ahead(symbols);
	}
	cr_assert(eq(int, mr_heap_symbols_stream(symbols, stream, &next, NULL), 0));
	cr_assert(eq(int, mr_heap_symbols_place(symbols, 1, module, first, NULL), 0));
	cr_assert(eq(int, mr_heap_symbols_place(symbols, 2, module, second, NULL), 0));
	cr_assert(eq(int, mr_heap_symbols_write(symbols, writer, &report, NULL), 0));
	cr_expect(eq(u64, report.places, 2), "no more than is in the log");
	cr_expect(eq(u64, report.places_positioned, 2));
	cr_expect(eq(u64, report.modules, 1));
	cr_expect(eq(u64, report.modules_missing, 0));
	cr_expect(eq(u64, next, 5));
	mr_heap_symbols_free(symbols);

	struct mr_model *const model = read_back();
	expect_function(model, 0, 1, "first_place");
	expect_function(model, 0, 2, "second_place");
	mr_model_close(model);
}

Test(heap_symbols, what_is_foreseen__may_be_given_up)
{
	struct mr_heap_symbols *symbols = NULL;
	uint32_t module;

	cr_assert(eq(int, mr_heap_symbols_new(&symbols, NULL), 0));
	cr_assert(eq(int, mr_heap_symbols_module(symbols, program, "", 0, &module, NULL), 0));
	cr_expect(eq(int, mr_heap_symbols_foresee(symbols, module + 1, 1, NULL), MR_ERR_ARG));
	cr_assert(eq(int, mr_heap_symbols_foresee(symbols, module, offset_of(first_place), NULL), 0));
	mr_heap_symbols_look_ahead(symbols);
	mr_heap_symbols_free(symbols);
}

Test(heap_symbols, modules_that_are_not_there__give_no_names)
{
	struct mr_heap_symbols *symbols = NULL;
	struct mr_heap_symbols_report report;
	uint64_t next = 2;
	uint32_t module;

	const uint32_t stream = write_stream(42, "/nonexistent/lib.so", 16, 32);
	cr_assert(eq(int, mr_heap_symbols_new(&symbols, NULL), 0));
	cr_assert(eq(int, mr_heap_symbols_stream(symbols, stream, &next, NULL), 0));
	cr_assert(
		eq(int, mr_heap_symbols_module(symbols, "/nonexistent/lib.so", "abcd", 0, &module, NULL), 0));
	cr_assert(eq(int, mr_heap_symbols_place(symbols, 1, module, 16, NULL), 0));
	cr_expect(eq(int, mr_heap_symbols_place(symbols, 1, module + 1, 16, NULL), MR_ERR_ARG));
	cr_assert(eq(int, mr_heap_symbols_write(symbols, writer, &report, NULL), 0));
	cr_expect(eq(u64, report.modules_missing, 1));
	cr_expect(eq(u64, report.places_named, 0));
	cr_expect(eq(u64, next, 2));
	mr_heap_symbols_free(symbols);

	struct mr_model *const model = read_back();
	expect_function(model, 0, 1, "");
	mr_model_close(model);
}

Test(heap_symbols, many_places__fit_into_blocks)
{
	enum { PLACES = 20000 };
	struct mr_heap_symbols *symbols = NULL;
	struct mr_heap_symbols_report report;
	uint64_t next = 2;
	uint32_t module;

	const uint64_t first = offset_of(first_place);
	const uint32_t stream = write_stream(42, program, first, first);
	cr_assert(eq(int, mr_heap_symbols_new(&symbols, NULL), 0));
	cr_assert(eq(int, mr_heap_symbols_stream(symbols, stream, &next, NULL), 0));
	cr_assert(eq(int, mr_heap_symbols_module(symbols, program, "", 0, &module, NULL), 0));
	for (uint64_t i = 0; i < PLACES; i++) /* most are somewhere else */
		cr_assert(eq(int, mr_heap_symbols_place(symbols, i + 1, module, first + i, NULL), 0));
	cr_assert(eq(int, mr_heap_symbols_write(symbols, writer, &report, NULL), 0));
	cr_expect(eq(u64, report.places, PLACES));
	mr_heap_symbols_free(symbols);

	struct mr_model *const model = read_back();
	expect_function(model, 0, 1, "first_place");
	mr_model_close(model);
}
