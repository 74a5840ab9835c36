/* SPDX-License-Identifier: MIT
 *
 * Names of places in libraries that are built here, with their debugging
 * information in them, beside them, by build id, or nowhere; and names as
 * programmers write them.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbolizer.h"

#define BUILD_ID "0123456789abcdef"

static char folder[] = "/tmp/test_symbolizer.XXXXXX";
static char library[64]; /* what is built */

/* An address in `place`, and one in what is inlined into `inlining`. */
static const char source_c[] = "int place(int n)\n"
			       "{\n"
			       "\treturn n + 1;\n"
			       "}\n"
			       "int rusty(void) __asm__(\"_RNvC7mycrate3foo\");\n"
			       "int rusty(void)\n"
			       "{\n"
			       "\treturn 2;\n"
			       "}\n";

static const char source_cpp[] = "#include <stdint.h>\n"
				 "namespace shop {\n"
				 "template <typename T> struct Shelf {\n"
				 "\ttemplate <typename U>\n"
				 "\t__attribute__((always_inline)) static inline T put(U count)\n"
				 "\t{\n"
				 "\t\tuintptr_t here;\n"
				 "\t\tasm volatile(HERE : \"=r\"(here) : \"r\"(count)); return T(here);\n"
				 "\t}\n"
				 "};\n"
				 "namespace { struct Hidden {\n"
				 "\t__attribute__((always_inline)) static inline uintptr_t pass(int count)\n"
				 "\t{\n"
				 "\t\treturn Shelf<uintptr_t>::put<int>(count) + 0;\n"
				 "\t}\n"
				 "}; }\n"
				 "__attribute__((noinline)) uintptr_t fill(int count)\n"
				 "{\n"
				 "\treturn Hidden::pass(count) + 0;\n"
				 "}\n"
				 "}\n"
				 "extern \"C\" uintptr_t filled() { return shop::fill(3); }\n";

#ifdef __x86_64__
#define HERE "-DHERE='\"lea -1(%%rip), %0\"'"
#else
#define HERE "-DHERE='\"adr %0, .\"'"
#endif

/* Runs a command in the folder. */
static void run(const char *format, ...) MR_PRINTF(1, 2);
static void run(const char *format, ...)
{
	char command[1024];
	va_list arguments;

	const int len = snprintf(command, sizeof(command), "cd %s && ", folder);
	va_start(arguments, format);
	vsnprintf(command + len, sizeof(command) - (size_t)len, format, arguments);
	va_end(arguments);
	cr_assert(eq(int, system(command), 0), "%s", command);
}

static void write_text(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *const file = fopen(path, "w");
	cr_assert(ne(ptr, file, NULL));
	cr_assert(ge(int, fputs(text, file), 0));
	cr_assert(eq(int, fclose(file), 0));
}

static void setup(void)
{
	cr_assert(ne(ptr, mkdtemp(folder), NULL));
	snprintf(library, sizeof(library), "%s/lib.so", folder);
	write_text("lib.c", source_c);
	write_text("lib.cpp", source_cpp);
}

static void teardown(void)
{
	run("rm -rf %s", folder);
}

TestSuite(symbolizer, .init = setup, .fini = teardown);

static const char *compiler(const char *variable, const char *otherwise)
{
	const char *const set = getenv(variable);

	return set != NULL && set[0] != '\0' ? set : otherwise;
}

static void build(const char *flags)
{
	run("%s -shared -fPIC -nostdlib %s -o lib.so lib.c", compiler("CC", "cc"), flags);
}

/* Where the function NAME is in the library, in its own addresses, or with CALL what it gives. */
static uint64_t offset_of(const char *name, bool call)
{
	void *const handle = dlopen(library, RTLD_NOW);
	Dl_info info;

	cr_assert(ne(ptr, handle, NULL), "%s", dlerror());
	void *const symbol = dlsym(handle, name);
	cr_assert(ne(ptr, symbol, NULL), "%s", name);
	cr_assert(ne(int, dladdr(symbol, &info), 0));
	uintptr_t address = (uintptr_t)symbol;
	if (call) {
		uintptr_t (*function)(void);

		memcpy(&function, &symbol, sizeof(function));
		address = function();
	}
	address -= (uintptr_t)info.dli_fbase;
	dlclose(handle);
	return address;
}

struct frames {
	size_t count;
	char function[4][256];
	char file[4][256];
	uint32_t line[4];
};

static int visit(void *context, uint32_t depth, const struct mr_named *named, struct mr_error *err)
{
	struct frames *const frames = context;

	(void)err;
	cr_assert(eq(u32, depth, (uint32_t)frames->count));
	cr_assert(lt(sz, frames->count, 4));
	snprintf(frames->function[depth], sizeof(frames->function[depth]), "%s", named->function);
	snprintf(frames->file[depth], sizeof(frames->file[depth]), "%s", named->file);
	frames->line[depth] = named->line;
	frames->count++;
	return 0;
}

static struct frames name(const char *build_id, uint64_t offset)
{
	struct mr_symbolizer *symbolizer = NULL;
	struct frames frames = { 0 };
	struct mr_error err = { 0 };

	cr_assert(eq(int, mr_symbolizer_open(&symbolizer, library, build_id, -1, &err), 0), "%s",
	          err.message);
	const int count = mr_symbolizer_name(symbolizer, offset, visit, &frames, &err);
	cr_assert(eq(int, count, (int)frames.count), "%s", err.message);
	mr_symbolizer_close(symbolizer);
	return frames;
}

static void expect_line(const struct frames *frames)
{
	cr_assert(eq(sz, frames->count, 1));
	cr_expect(eq(str, (char *)frames->function[0], "place"));
	cr_expect(ne(ptr, strstr(frames->file[0], "/lib.c"), NULL), "%s", frames->file[0]);
	cr_expect(gt(u32, frames->line[0], 0));
	cr_expect(le(u32, frames->line[0], 3));
}

static void expect_name_alone(const struct frames *frames)
{
	cr_assert(eq(sz, frames->count, 1));
	cr_expect(eq(str, (char *)frames->function[0], "place"));
	cr_expect(eq(str, (char *)frames->file[0], ""));
	cr_expect(eq(u32, frames->line[0], 0));
}

Test(symbolizer, without_debugging_information__functions_are_named)
{
	build("-O1 -g0");
	const uint64_t place = offset_of("place", false);
	const struct frames frames = name("", place);
	expect_name_alone(&frames);
	const struct frames rusty = name("", offset_of("_RNvC7mycrate3foo", false));
	cr_assert(eq(sz, rusty.count, 1));
	cr_expect(eq(str, (char *)rusty.function[0], "mycrate::foo"));
	cr_expect(eq(sz, name("", place + 0x100000).count, 0), "outside of all functions");
	cr_expect(eq(sz, name("", UINT64_MAX - 1).count, 0));
}

Test(symbolizer, templates_and_what_is_inlined__are_named)
{
	static const char *const kinds[] = { "-g", "-g -gdwarf-4", "-g -gsplit-dwarf" };

	for (size_t i = 0; i < MR_ARRAY_LEN(kinds); i++) {
		run("rm -f lib.so && %s -O1 %s -shared -fPIC -nostdlib %s -o lib.so lib.cpp",
		    compiler("CXX", "c++"), kinds[i], HERE);
		const struct frames frames = name("", offset_of("filled", true));

		cr_assert(eq(sz, frames.count, 3), "%s", kinds[i]);
		cr_expect(ne(ptr, strstr(frames.function[0], "shop::Shelf<unsigned long>::put<int>(int)"),
		             NULL),
		          "%s", frames.function[0]);
		cr_expect(eq(u32, frames.line[0], 8));
		/* gcc gives it no name for the linker, clang does. */
		cr_expect(ne(ptr, strstr(frames.function[1], "shop::(anonymous namespace)::Hidden::pass"),
		             NULL),
		          "%s", frames.function[1]);
		cr_expect(eq(u32, frames.line[1], 14));
		cr_expect(eq(str, (char *)frames.function[2], "shop::fill(int)"));
		cr_expect(eq(u32, frames.line[2], 19));
	}
}

Test(symbolizer, units_without_a_table_of_addresses__are_found)
{
	/* As clang and Rust leave it out. */
	build("-O1 -g");
	run("objcopy --remove-section=.debug_aranges lib.so");
	const struct frames frames = name("", offset_of("place", false));
	expect_line(&frames);
}

Test(symbolizer, separate_file__is_found_by_build_id)
{
	char path[128];

	build("-O1 -g -Wl,--build-id=0x" BUILD_ID);
	const uint64_t place = offset_of("place", false);
	run("mkdir -p debug/.build-id/01 && "
	    "objcopy --only-keep-debug lib.so debug/.build-id/01/23456789abcdef.debug && "
	    "objcopy --strip-all lib.so");
	struct frames frames = name(BUILD_ID, place);
	expect_name_alone(&frames);

	snprintf(path, sizeof(path), "/nonexistent:%s/debug", folder);
	setenv(MR_SYMBOLIZER_DEBUG_ENVIRONMENT, path, 1);
	frames = name(BUILD_ID, place);
	expect_line(&frames);
	/* The library itself may be gone. */
	cr_assert(eq(int, unlink(library), 0));
	frames = name(BUILD_ID, place);
	expect_line(&frames);
}

Test(symbolizer, separate_file__is_found_by_its_link)
{
	build("-O1 -g -Wl,--build-id=none");
	const uint64_t place = offset_of("place", false);
	run("objcopy --only-keep-debug lib.so lib.debug && "
	    "objcopy --strip-all --add-gnu-debuglink=lib.debug lib.so");
	struct frames frames = name("", place);
	expect_line(&frames);
	run("mkdir .debug && mv lib.debug .debug/");
	frames = name("", place);
	expect_line(&frames);
	/* What has another checksum is another build's. */
	run("printf x >> .debug/lib.debug");
	frames = name("", place);
	expect_name_alone(&frames);
}

Test(symbolizer, another_build__is_refused)
{
	struct mr_symbolizer *symbolizer = NULL;
	struct mr_error err = { 0 };

	build("-O1 -g -Wl,--build-id=0x" BUILD_ID);
	cr_expect(
		eq(int, mr_symbolizer_open(&symbolizer, library, "0123456789abcdee", -1, &err), MR_ERR_READ));
	cr_expect(ne(ptr, strstr(err.message, "another build"), NULL), "%s", err.message);
}

Test(symbolizer, open_file__is_taken_for_the_path)
{
	struct mr_symbolizer *symbolizer = NULL;
	struct frames frames = { 0 };

	build("-O1 -g -Wl,--build-id=0x" BUILD_ID);
	const uint64_t place = offset_of("place", false);
	const int fd = open(library, O_RDONLY | O_CLOEXEC);
	cr_assert(ge(int, fd, 0));
	cr_assert(eq(int, unlink(library), 0));
	cr_assert(eq(int, mr_symbolizer_open(&symbolizer, library, BUILD_ID, fd, NULL), 0));
	close(fd);
	cr_expect(eq(int, mr_symbolizer_name(symbolizer, place, visit, &frames, NULL), 1));
	expect_line(&frames);
	mr_symbolizer_close(symbolizer);
}

Test(symbolizer, files_that_are_written_to__are_told)
{
	struct mr_symbolizer *symbolizer = NULL;

	build("-O1 -g -Wl,--build-id=0x" BUILD_ID);
	run("mkdir -p debug/.build-id/01 && "
	    "objcopy --only-keep-debug lib.so debug/.build-id/01/23456789abcdef.debug && "
	    "objcopy --strip-all lib.so");
	char path[128];
	snprintf(path, sizeof(path), "%s/debug", folder);
	setenv(MR_SYMBOLIZER_DEBUG_ENVIRONMENT, path, 1);
	static const struct {
		const char *what;
		bool good;
	} cases[] = {
		{ "true", true },
		{ "cp lib.so other.so && mv other.so lib.so", true }, /* what was opened is as it was */
		{ "printf x >> lib.so", false },
		{ "printf x >> debug/.build-id/01/23456789abcdef.debug", false },
		{ "rm -r debug lib.so", true },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		cr_assert(eq(int, mr_symbolizer_open(&symbolizer, library, BUILD_ID, -1, NULL), 0));
		cr_expect(mr_symbolizer_is_good(symbolizer));
		run("%s", cases[i].what);
		cr_expect(eq(int, mr_symbolizer_is_good(symbolizer), cases[i].good), "%s", cases[i].what);
		mr_symbolizer_close(symbolizer);
	}
}

Test(symbolizer, much_that_is_compressed__is_refused)
{
	struct mr_symbolizer *symbolizer = NULL;
	char path[128];

	build("-O1 -g -gz=zlib -Wl,--build-id=0x" BUILD_ID);
	cr_expect(eq(int, mr_symbolizer_open_within(&symbolizer, library, BUILD_ID, -1, 64, NULL),
	             MR_ERR_LIMIT));
	cr_assert(eq(int, mr_symbolizer_open_within(&symbolizer, library, BUILD_ID, -1, 1 << 20, NULL), 0));
	cr_expect(mr_symbolizer_has_lines(symbolizer));
	mr_symbolizer_close(symbolizer);

	run("mkdir -p debug/.build-id/01 && "
	    "objcopy --only-keep-debug lib.so debug/.build-id/01/23456789abcdef.debug && "
	    "objcopy --strip-all lib.so");
	snprintf(path, sizeof(path), "%s/debug", folder);
	setenv(MR_SYMBOLIZER_DEBUG_ENVIRONMENT, path, 1);
	cr_expect(eq(int, mr_symbolizer_open_within(&symbolizer, library, BUILD_ID, -1, 64, NULL),
	             MR_ERR_LIMIT));
	cr_assert(eq(int, mr_symbolizer_open(&symbolizer, library, BUILD_ID, -1, NULL), 0));
	cr_expect(mr_symbolizer_has_lines(symbolizer));
	mr_symbolizer_close(symbolizer);
}

Test(symbolizer, demangle__shows_what_programmers_write)
{
	static const struct {
		const char *mangled;
		const char *shown;
	} cases[] = {
		{ "_ZNSt6vectorIiSaIiEE9push_backERKi",
		  "std::vector<int, std::allocator<int> >::push_back(int const&)" },
		{ "_ZN5Shelf4swapERNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEES6_i",
		  "Shelf::swap(std::string&, std::string&, int)" },
		{ "_RNvC7mycrate3foo", "mycrate::foo" },
		{ "_ZN4core3fmt5Write9write_str17h0123456789abcdefE", "core::fmt::Write::write_str" },
		{ "main", "main" },
		{ "_Z", "_Z" },
		{ "_Zinvalid_", "_Zinvalid_" },
		{ "", "" },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_buffer out = { 0 };

		mr_demangle(&out, cases[i].mangled);
		mr_buffer_put_u8(&out, 0);
		cr_expect(eq(str, (char *)out.data, (char *)cases[i].shown));
		mr_buffer_release(&out);
	}
}
