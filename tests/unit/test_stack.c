/* SPDX-License-Identifier: MIT
 *
 * The call stacks of the interposer, against libunwind's and _Unwind_Backtrace()'s, in
 * the kinds of frames that compilers, libraries and signals make.
 */
#include <alloca.h>
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "module.h"
#include "stack_fixture.h"
#include "unwind_rule.h"

TestSuite(stack);

#define NOINLINE __attribute__((noinline))
#define KEEP __asm__ volatile("" ::: "memory") /* after a call: it is not a jump */
#define USE(memory) __asm__ volatile("" ::"r"(memory) : "memory")

static volatile size_t frames_seen;
static const char *what_now;

static NOINLINE void leaf(void)
{
	frames_seen = stack_check(what_now);
	KEEP;
}

static void begin(const char *what)
{
	what_now = what;
	stack_fixture_begin(512);
}

Test(stack, plain_calls__as_others_say)
{
	begin("plain calls");
	leaf();
	cr_assert_gt(frames_seen, 3);
	cr_assert_eq(stack_counter(MR_HEAP_STACKS_BROKEN), 0);
	cr_assert_eq(stack_counter(MR_HEAP_STACKS_CUT), 0);
}

/* ---- Frames ------------------------------------------------------------------------------ */

static NOINLINE void with_alloca(size_t size)
{
	char *const memory = alloca(size);

	USE(memory);
	leaf();
	USE(memory);
}

static NOINLINE void realigned(int levels)
{
	_Alignas(128) char block[300];

	USE(block);
	if (levels > 0)
		realigned(levels - 1);
	else
		with_alloca(1000);
	USE(block);
}

static NOINLINE void realigned_with_alloca(size_t size)
{
	_Alignas(64) char block[100];
	char *const memory = alloca(size);

	USE(block);
	USE(memory);
	leaf();
	USE(block);
}

static NOINLINE __attribute__((optimize("no-omit-frame-pointer"))) void with_frame_pointer(int levels)
{
	if (levels > 0)
		with_frame_pointer(levels - 1);
	else
		leaf();
	KEEP;
}

static NOINLINE __attribute__((optimize("omit-frame-pointer"))) void without_frame_pointer(int levels)
{
	char block[5000];

	USE(block);
	if (levels > 0)
		without_frame_pointer(levels - 1);
	else
		with_frame_pointer(3);
	USE(block);
}

static NOINLINE __attribute__((optimize("no-omit-frame-pointer"))) void by_frame_pointers(int levels)
{
	uintptr_t ours[STACK_FRAMES_MAX];
	uintptr_t theirs[STACK_FRAMES_MAX];

	if (levels > 0) {
		by_frame_pointers(levels - 1);
		KEEP;
		return;
	}
	const size_t count = stack_path(stack_here(), ours, NULL);
	const size_t their_count = mr_unwind_by_frame_pointers(__builtin_frame_address(0), (uintptr_t)environ,
	                                                       theirs, STACK_FRAMES_MAX);
	cr_assert_gt(count, 10);
	cr_assert_gt(their_count, 9);
	/* Those of this function; further out frame pointers are for others to keep. */
	cr_assert_arr_eq(ours + 1, theirs, 9 * sizeof(ours[0]));
}

Test(stack, functions_with_frame_pointers__the_same_without_tables)
{
	begin("frame pointers");
	by_frame_pointers(10);
}

typedef void caller(void (*function)(void));
caller stack_busy_register;
caller stack_other_register;

/* A frame pointer that is in use for something else; and a frame that only another register leads out of, as
 * the dynamic linker's is that binds a function at its first call. */
__asm__(".text\n"
        "stack_busy_register:\n"
        ".cfi_startproc\n"
        "push %rbp\n"
        ".cfi_def_cfa_offset 16\n"
        ".cfi_offset rbp, -16\n"
        "mov $0x1234, %ebp\n"
        "call *%rdi\n"
        "pop %rbp\n"
        ".cfi_def_cfa_offset 8\n"
        "ret\n"
        ".cfi_endproc\n"
        "stack_other_register:\n"
        ".cfi_startproc\n"
        "push %rbx\n"
        ".cfi_def_cfa_offset 16\n"
        ".cfi_offset rbx, -16\n"
        "mov %rsp, %rbx\n"
        ".cfi_def_cfa_register rbx\n"
        "and $-64, %rsp\n"
        "call *%rdi\n"
        "mov %rbx, %rsp\n"
        ".cfi_def_cfa_register rsp\n"
        "pop %rbx\n"
        ".cfi_def_cfa_offset 8\n"
        "ret\n"
        ".cfi_endproc\n");

static NOINLINE void many_kinds(void)
{
	without_frame_pointer(3);
	realigned(2);
	stack_busy_register(leaf);
}

Test(stack, frames_of_every_kind__as_others_say)
{
	begin("frames");
	for (size_t size = 16; size < 100000; size *= 7)
		with_alloca(size);
	realigned(5);
	for (size_t size = 16; size < 100000; size *= 7)
		realigned_with_alloca(size);
	with_frame_pointer(10);
	without_frame_pointer(10);
	stack_busy_register(leaf);
	stack_busy_register(many_kinds);
	stack_other_register(leaf);
	stack_other_register(many_kinds);
	stack_other_register(leaf);
	cr_assert_eq(stack_counter(MR_HEAP_STACKS_BROKEN), 0);
	cr_assert_eq(stack_counter(MR_HEAP_FRAMES_GUESSED), 0);
}

uint32_t stack_moved(uint32_t (*function)(void), size_t size);

/* FUNCTION, called out of a frame of SIZE bytes, which are left as they were. */
__asm__(".text\n"
        "stack_moved:\n"
        ".cfi_startproc\n"
        "push %rbp\n"
        ".cfi_def_cfa_offset 16\n"
        ".cfi_offset rbp, -16\n"
        "mov %rsp, %rbp\n"
        ".cfi_def_cfa_register rbp\n"
        "sub %rsi, %rsp\n"
        "call *%rdi\n"
        "leave\n"
        ".cfi_def_cfa rsp, 8\n"
        "ret\n"
        ".cfi_endproc\n");

static NOINLINE uint32_t moved_less(void)
{
	const uint32_t id = stack_moved(stack_here, 64);

	KEEP;
	return id;
}

static NOINLINE uint32_t moved_more(void)
{
	const uint32_t id = stack_moved(stack_here, 128);

	KEEP;
	return id;
}

/* The innermost state differs by its frame pointer alone, and where the words were that led on the last
 * time they still are. */
Test(stack, frames_that_differ_by_their_frame_pointer_alone__are_told_apart)
{
	uintptr_t addresses[2][STACK_FRAMES_MAX];
	uint32_t ids[8] = { 0 };

	begin("moved frames");
	for (int i = 0; i < 12; i++) {
		/* One call for both, so that the frames further out are the same. */
		for (size_t j = 0; j < MR_ARRAY_LEN(ids); j++)
			ids[j] = stack_moved(j % 2 == 0 ? moved_less : moved_more, j % 2 == 0 ? 128 : 64);
		for (size_t j = 2; j < MR_ARRAY_LEN(ids); j++)
			cr_assert_eq(ids[j], ids[j - 2]);
		cr_assert_eq(stack_path(ids[0], addresses[0], NULL), stack_path(ids[1], addresses[1], NULL));
		cr_assert_eq(addresses[0][0], addresses[1][0]);
		cr_assert_eq(addresses[0][1] - (uintptr_t)moved_less,
		             addresses[1][1] - (uintptr_t)moved_more);
		if (i % 4 == 0)
			with_frame_pointer(2);
	}
}

/* ---- The C library's frames ------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	static int calls;

	if (calls++ % 100 == 0)
		leaf();
	return *(const int *)a - *(const int *)b;
}

static void at_exit_of_thread(void *argument)
{
	(void)argument;
	leaf();
}

static void *thread_run(void *argument)
{
	stack_fixture_thread_begin();
	pthread_cleanup_push(at_exit_of_thread, NULL);
	with_frame_pointer(2);
	if (argument != NULL)
		pthread_exit(NULL);
	pthread_cleanup_pop(1);
	stack_fixture_thread_end();
	return NULL;
}

Test(stack, through_the_c_library__as_others_say)
{
	int numbers[500];

	begin("libc");
	for (int i = 0; i < 500; i++)
		numbers[i] = i * 7919 % 1000;
	qsort(numbers, 500, sizeof(numbers[0]), compare);
	(void)bsearch(&numbers[30], numbers, 500, sizeof(numbers[0]), compare);
	cr_assert_gt(frames_seen, 4);
	for (int i = 0; i < 4; i++) {
		pthread_t thread;

		cr_assert_eq(pthread_create(&thread, NULL, thread_run, i % 2 == 0 ? NULL : &numbers), 0);
		pthread_join(thread, NULL);
	}
	cr_assert_eq(stack_counter(MR_HEAP_STACKS_BROKEN), 0);
}

/* ---- Signals ----------------------------------------------------------------------------------- */

static void handler(int number)
{
	(void)number;
	with_frame_pointer(1);
	leaf();
}

/* A function without a frame of its own, interrupted. */
static NOINLINE int trapped(int value)
{
	__asm__ volatile("int3" ::: "memory");
	return value + 1;
}

static void handle(int number, int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	cr_assert_eq(sigaction(number, &action, NULL), 0);
}

Test(stack, in_signal_handlers__as_others_say)
{
	static char memory[1 << 17];
	const stack_t alternate = { .ss_sp = memory, .ss_size = sizeof(memory) };

	begin("signals");
	handle(SIGUSR1, 0);
	handle(SIGTRAP, 0);
	for (int i = 0; i < 3; i++) {
		leaf();
		raise(SIGUSR1);
		cr_assert_eq(trapped(i), i + 1);
	}
	cr_assert_eq(sigaltstack(&alternate, NULL), 0);
	handle(SIGUSR1, SA_ONSTACK);
	handle(SIGTRAP, SA_ONSTACK);
	for (int i = 0; i < 3; i++) {
		leaf();
		raise(SIGUSR1);
		cr_assert_eq(trapped(i), i + 1);
	}
	cr_assert_eq(stack_counter(MR_HEAP_STACKS_BROKEN), 0);
}

/* ---- Other stacks ------------------------------------------------------------------------------- */

static ucontext_t context_main;
static ucontext_t contexts[2];

static void coroutine(void)
{
	for (int i = 0; i < 3; i++) {
		with_frame_pointer(i);
		swapcontext(&contexts[0], &context_main);
	}
}

Test(stack, on_other_stacks__as_others_say)
{
#ifdef __SANITIZE_ADDRESS__
	cr_skip_test("AddressSanitizer does not know of makecontext()");
#endif
	begin("contexts");
	for (int round = 0; round < 3; round++) {
		const size_t size = (size_t)1 << (18 - round);
		void *const memory =
			mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		cr_assert_eq(getcontext(&contexts[0]), 0);
		contexts[0].uc_stack.ss_sp = memory;
		contexts[0].uc_stack.ss_size = size;
		contexts[0].uc_link = &context_main;
		makecontext(&contexts[0], coroutine, 0);
		for (int i = 0; i < 4; i++) {
			swapcontext(&context_main, &contexts[0]);
			leaf();
		}
		munmap(memory, size);
	}
	cr_assert_eq(stack_counter(MR_HEAP_STACKS_BROKEN), 0);
}

/* ---- Depth ---------------------------------------------------------------------------------------- */

static NOINLINE void recurse(int levels, uint32_t *id)
{
	if (levels > 0)
		recurse(levels - 1, id);
	else
		*id = stack_here();
	KEEP;
}

Test(stack, very_deep_recursion__is_cut_and_counted)
{
	uintptr_t addresses[STACK_FRAMES_MAX];
	uint32_t id = 0;

	stack_fixture_begin(100);
	recurse(50000, &id);
	cr_assert_neq(id, 0);
	cr_assert_eq(stack_path(id, addresses, NULL), 100);
	cr_assert_eq(addresses[1], addresses[99]);
	cr_assert_eq(stack_counter(MR_HEAP_STACKS_CUT), 1);
	/* The inner frames are the same, so the stack is. */
	uint32_t deeper = 0;
	recurse(50001, &deeper);
	cr_assert_eq(id, deeper);
	recurse(49999, &deeper);
	cr_assert_eq(id, deeper);
	cr_assert_eq(stack_counter(MR_HEAP_STACKS_CUT), 3);
	recurse(3, &deeper);
	cr_assert_neq(id, deeper);
	cr_assert_eq(stack_counter(MR_HEAP_STACKS_CUT), 3);
	for (int levels = 80; levels < 110; levels++) {
		recurse(levels, &deeper);
		cr_assert(stack_path(deeper, addresses, NULL) <= 100);
	}
}

/* ---- Code without tables --------------------------------------------------------------------------- */

typedef void call_function(void (*function)(void), uintptr_t value);

/* Memory with code that the unwinder knows nothing of. */
static call_function *code_make(const uint8_t *code, size_t len)
{
	uint8_t *const memory =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(memory, MAP_FAILED);
	memcpy(memory, code, len);
	return (call_function *)(uintptr_t)memory;
}

static uint32_t id_seen;

static NOINLINE void leaf_id(void)
{
	id_seen = stack_here();
	KEEP;
}

Test(stack, code_without_tables__is_left_by_its_frame_pointer)
{
	/* push %rbp; mov %rsp, %rbp; call *%rdi; pop %rbp; ret */
	static const uint8_t code[] = { 0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3 };
	uintptr_t addresses[STACK_FRAMES_MAX];
	uint32_t modules[STACK_FRAMES_MAX];
	uint32_t plain;

	begin("code");
	leaf_id();
	plain = id_seen;
	const size_t plain_count = stack_path(plain, addresses, NULL);
	call_function *const call = code_make(code, sizeof(code));
	for (int i = 0; i < 3; i++) {
		call(leaf_id, 0);
		const size_t count = stack_path(id_seen, addresses, modules);

		cr_assert_eq(count, plain_count + 1);
		cr_assert_eq(addresses[1], (uintptr_t)call + 6);
		cr_assert_eq(modules[1], 0);
		cr_assert_neq(modules[2], 0);
	}
	cr_assert_eq(stack_counter(MR_HEAP_FRAMES_GUESSED), 1);
	cr_assert_eq(stack_counter(MR_HEAP_STACKS_BROKEN), 0);
}

Test(stack, code_with_any_frame_pointer__does_no_harm)
{
	/* push %rbp; mov %rsi, %rbp; call *%rdi; pop %rbp; ret */
	static const uint8_t code[] = { 0x55, 0x48, 0x89, 0xf5, 0xff, 0xd7, 0x5d, 0xc3 };
	char local[64];
	uint64_t random = 1;

	begin("frame pointers");
	call_function *const call = code_make(code, sizeof(code));
	uint8_t *const pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_eq(mprotect(pages + 4096, 4096, PROT_NONE), 0);
	const uintptr_t values[] = { 1,
		                     8,
		                     4096,
		                     (uintptr_t)local,
		                     (uintptr_t)local + 1,
		                     (uintptr_t)pages,
		                     (uintptr_t)pages + 4088,
		                     (uintptr_t)pages + 4096,
		                     (uintptr_t)&values,
		                     UINTPTR_MAX,
		                     UINTPTR_MAX - 7,
		                     UINTPTR_MAX - 15,
		                     (uintptr_t)1 << 47,
		                     ((uintptr_t)1 << 47) - 8,
		                     (uintptr_t)leaf_id,
		                     (uintptr_t)environ };

	for (size_t i = 0; i < MR_ARRAY_LEN(values); i++) {
		call(leaf_id, values[i]);
		cr_assert_neq(id_seen, 0);
	}
	for (int i = 0; i < 20000; i++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		/* Near the stack, where words look like frames. */
		call(leaf_id, ((uintptr_t)local & ~(uintptr_t)7) + (random >> 40) % 8192);
		call(leaf_id, (uintptr_t)(random >> 16));
	}
	cr_assert_gt(stack_counter(MR_HEAP_STACKS_BROKEN), 1000);
	leaf();
}

/* ---- Modules ------------------------------------------------------------------------------------------ */

typedef void module_call(void (*function)(void));

static void copy_file(const char *from, const char *to)
{
	char command[600];

	snprintf(command, sizeof(command), "cp %s %s", from, to);
	cr_assert_eq(system(command), 0);
}

static void module_path_make(char path[64], int number)
{
	snprintf(path, 64, "/tmp/test_stack.%d.%d.so", (int)getpid(), number);
}

static void check_modules(void)
{
	const char *const build = getenv("MR_BUILD");
	char source[512];
	char path[64];
	uintptr_t addresses[STACK_FRAMES_MAX];
	uint32_t modules[STACK_FRAMES_MAX];
	uint32_t module_before = 0;
	uintptr_t address_before = 0;
	int again = 0;

	snprintf(source, sizeof(source), "%s/unit/libstack_module.so", build != NULL ? build : "build");
	for (int i = 0; i < 6; i++) {
		module_path_make(path, i);
		copy_file(source, path);
		void *const handle = dlopen(path, RTLD_NOW);
		cr_assert_not_null(handle, "%s", dlerror());
		module_call *const call = (module_call *)(uintptr_t)dlsym(handle, "stack_module_call");
		cr_assert_not_null(call);
		call(leaf);
		for (int turn = 0; turn < 2; turn++) {
			call(leaf_id);
			cr_assert_gt(stack_path(id_seen, addresses, modules), 3);
			cr_assert_neq(modules[1], module_before);
			cr_assert_str_eq(stack_module_path(modules[1]), path);
		}
		again += addresses[1] == address_before;
		address_before = addresses[1];
		module_before = modules[1];
		dlclose(handle);
		mr_stack_modules_changed();
		unlink(path);
	}
	/* The point of it: another module where one was. */
	cr_assert_gt(again, 0);
}

Test(stack, module_where_another_was__is_told_as_another)
{
	begin("modules");
	check_modules();
}

Test(stack, module_found_by_the_list__is_the_same)
{
	mr_module_by_list = true;
	begin("modules by list");
	leaf();
	check_modules();
}

Test(stack, forked_child__begins_with_nothing_known)
{
	uintptr_t addresses[STACK_FRAMES_MAX];

	begin("child");
	leaf();
	const pid_t pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		/* A child of the interposer has new memos, as these are. */
		stack_fixture_thread_end();
		stack_fixture_begin(512);
		/* Numbers begin again, a node a frame. */
		const uint32_t id = stack_here();
		_exit(id != 0 && id == stack_path(id, addresses, NULL) ? 0 : 1);
	}
	int status = -1;
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	leaf();
}
