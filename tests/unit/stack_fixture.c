/* SPDX-License-Identifier: MIT */
#include "stack_fixture.h"

#include <criterion/criterion.h>
#define UNW_LOCAL_ONLY
#include <dlfcn.h>
#include <libunwind.h>
#include <pthread.h>
#include <stdlib.h>
#include <unwind.h>

#include "log_format.h"

#define RING_BYTES (1u << 20)
#define NODES_MAX (1u << 21)
#define MODULES_MAX 256
#define THREADS_MAX 64
#define FRAME ((const uintptr_t *)__builtin_frame_address(0))

static void gcc_functions_find(void);

struct thread {
	struct mr_ring_writer ring;
	struct mr_stack_memo *memo;
	struct mr_stack_memo *memo_afresh;
	uint64_t read_to;
	bool used;
};

struct node {
	uintptr_t return_address;
	uint32_t parent;
	uint32_t module;
};

static struct mr_channel *channel;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct thread threads[THREADS_MAX];
static struct node *nodes;
static char *module_paths[MODULES_MAX];
static __thread struct thread *thread;

void stack_fixture_begin(unsigned depth)
{
	struct mr_error err = { 0 };

	cr_assert_eq(mr_channel_create(&channel, NULL, MR_SOURCE_HEAP, &err), 0, "%s", err.message);
	/* Nothing is known in a forked child. */
	memset(threads, 0, sizeof(threads));
	memset(module_paths, 0, sizeof(module_paths));
	nodes = calloc(NODES_MAX, sizeof(*nodes));
	cr_assert_not_null(nodes);
	cr_assert(mr_stack_begin(channel, depth));
	gcc_functions_find();
	stack_fixture_thread_begin();
}

void stack_fixture_thread_begin(void)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < THREADS_MAX && thread == NULL; i++)
		if (!threads[i].used)
			thread = &threads[i];
	cr_assert_not_null(thread);
	thread->used = true;
	if (thread->ring.ring == NULL) {
		uint32_t index;
		struct mr_ring *const ring = mr_channel_add_ring(channel, MR_RING_HEAP, RING_BYTES, &index);

		cr_assert_not_null(ring);
		mr_ring_writer_init(&thread->ring, channel, ring, index);
	}
	pthread_mutex_unlock(&lock);
	thread->memo = calloc(1, mr_stack_memo_size());
	thread->memo_afresh = calloc(1, mr_stack_memo_size());
	cr_assert(thread->memo != NULL && thread->memo_afresh != NULL);
}

void stack_fixture_thread_end(void)
{
	free(thread->memo);
	free(thread->memo_afresh);
	pthread_mutex_lock(&lock);
	thread->used = false;
	pthread_mutex_unlock(&lock);
	thread = NULL;
}

/* ---- What was told ------------------------------------------------------------------- */

static void record_take(const uint8_t *at, uint32_t head)
{
	struct mr_heap_stack stack;
	struct mr_heap_module module;

	if (MR_HEAP_TYPE(head) == MR_HEAP_RECORD_STACK) {
		memcpy(&stack, at, sizeof(stack));
		cr_assert(stack.id > 0 && stack.id < NODES_MAX && nodes[stack.id].return_address == 0,
		          "node %u is told twice", stack.id);
		nodes[stack.id] = (struct node){ stack.return_address, stack.parent, stack.module };
	} else if (MR_HEAP_TYPE(head) == MR_HEAP_RECORD_MODULE) {
		memcpy(&module, at, sizeof(module));
		cr_assert(module.id > 0 && module.id < MODULES_MAX && module_paths[module.id] == NULL,
		          "module %u is told twice", module.id);
		module_paths[module.id] = strndup((const char *)at + sizeof(module), module.path_len);
	} else {
		cr_assert_eq(MR_HEAP_TYPE(head), MR_HEAP_RECORD_PAD);
	}
}

/* With the lock held. */
static void rings_read(void)
{
	for (size_t i = 0; i < THREADS_MAX && threads[i].ring.ring != NULL; i++) {
		const struct mr_ring_writer *const writer = &threads[i].ring;
		const uint64_t end = atomic_load_explicit(&writer->ring->head, memory_order_acquire);

		while (threads[i].read_to < end) {
			const uint8_t *const at = writer->data + (threads[i].read_to & writer->mask);
			uint32_t head;

			memcpy(&head, at, sizeof(head));
			record_take(at, head);
			threads[i].read_to += head >> 4;
		}
		atomic_store_explicit(&writer->ring->tail, end, memory_order_release);
	}
}

size_t stack_path(uint32_t id, uintptr_t *addresses, uint32_t *modules)
{
	size_t count = 0;

	pthread_mutex_lock(&lock);
	rings_read();
	for (; id != 0 && count < STACK_FRAMES_MAX; count++) {
		cr_assert(id < NODES_MAX && nodes[id].return_address != 0, "node %u was not told", id);
		addresses[count] = nodes[id].return_address;
		if (modules != NULL)
			modules[count] = nodes[id].module;
		id = nodes[id].parent;
	}
	pthread_mutex_unlock(&lock);
	return count;
}

const char *stack_module_path(uint32_t id)
{
	pthread_mutex_lock(&lock);
	rings_read();
	pthread_mutex_unlock(&lock);
	return id < MODULES_MAX ? module_paths[id] : NULL;
}

uint64_t stack_counter(enum mr_heap_counter counter)
{
	return atomic_load(&channel->header->counters[counter]);
}

/* ---- Stacks ---------------------------------------------------------------------------- */

__attribute__((noinline)) uint32_t stack_here(void)
{
	volatile uint32_t id = mr_stack_number(thread->memo, &thread->ring, FRAME);

	return id;
}

__attribute__((noinline)) uint32_t stack_here_afresh(void)
{
	/* The epoch, which no memo that was filled has. */
	memset(thread->memo_afresh, 0, sizeof(uint32_t));
	volatile uint32_t id = mr_stack_number(thread->memo_afresh, &thread->ring, FRAME);

	return id;
}

__attribute__((noinline)) uint32_t stack_here_without_memo(void)
{
	volatile uint32_t id = mr_stack_number(NULL, &thread->ring, FRAME);

	return id;
}

static void check_equal(const char *what, const char *whose, const uintptr_t *ours, size_t our_count,
                        const uintptr_t *theirs, size_t their_count)
{
	bool equal = our_count == their_count;

	/* The innermost frame is that of stack_check(), at another call. */
	for (size_t i = 1; i < our_count && i < their_count; i++)
		equal = equal && ours[i] == theirs[i];
	for (size_t i = 0; !equal && (i < our_count || i < their_count); i++)
		fprintf(stderr, "%3zu %16lx %16lx\n", i, i < our_count ? (unsigned long)ours[i] : 0,
		        i < their_count ? (unsigned long)theirs[i] : 0);
	cr_assert(equal, "%s: not what %s says", what, whose);
}

/* What libunwind says; INTERRUPTED tells which frames a signal interrupted. */
static size_t path_by_libunwind(unw_context_t *context, uintptr_t *addresses, bool *interrupted)
{
	unw_cursor_t cursor;
	size_t count = 0;

	cr_assert_eq(unw_init_local(&cursor, context), 0);
	do {
		unw_word_t ip = 0;

		unw_get_reg(&cursor, UNW_REG_IP, &ip);
		if (ip == 0)
			break;
		interrupted[count] = unw_is_signal_frame(&cursor) > 0;
		addresses[count] = (uintptr_t)ip + (interrupted[count] ? 1 : 0);
		count++;
	} while (count < STACK_FRAMES_MAX && unw_step(&cursor) > 0);
	return count;
}

struct path {
	uintptr_t addresses[STACK_FRAMES_MAX];
	size_t count;
};

typedef _Unwind_Reason_Code backtrace_function(_Unwind_Trace_Fn function, void *argument);
typedef _Unwind_Ptr address_function(struct _Unwind_Context *context, int *interrupted);

/* The compiler's own: libunwind has functions of the same names. */
static backtrace_function *gcc_backtrace;
static address_function *gcc_address;

static void gcc_functions_find(void)
{
	void *const library = dlopen("libgcc_s.so.1", RTLD_NOW);

	cr_assert_not_null(library);
	gcc_backtrace = (backtrace_function *)(uintptr_t)dlsym(library, "_Unwind_Backtrace");
	gcc_address = (address_function *)(uintptr_t)dlsym(library, "_Unwind_GetIPInfo");
	cr_assert(gcc_backtrace != NULL && gcc_address != NULL);
}

static _Unwind_Reason_Code path_add(struct _Unwind_Context *context, void *argument)
{
	struct path *const path = argument;
	int interrupted = 0;
	const uintptr_t address = (uintptr_t)gcc_address(context, &interrupted);

	if (path->count == STACK_FRAMES_MAX || address == 0)
		return _URC_END_OF_STACK;
	path->addresses[path->count++] = address + (interrupted ? 1 : 0);
	return _URC_NO_REASON;
}

__attribute__((noinline)) size_t stack_check(const char *what)
{
	uintptr_t ours[STACK_FRAMES_MAX];
	uintptr_t theirs[STACK_FRAMES_MAX];
	bool interrupted[STACK_FRAMES_MAX] = { false };
	unw_context_t context;

	const size_t count = stack_path(stack_here(), ours, NULL);
	unw_getcontext(&context);
	size_t their_count = path_by_libunwind(&context, theirs, interrupted);
	check_equal(what, "libunwind", ours, count, theirs, their_count);

	struct path path = { .count = 0 };
	(void)gcc_backtrace(path_add, &path);
	check_equal(what, "_Unwind_Backtrace()", ours, count, path.addresses, path.count);

	their_count = stack_path(stack_here_afresh(), theirs, NULL);
	check_equal(what, "an empty memo", ours, count, theirs, their_count);
	their_count = stack_path(stack_here_without_memo(), theirs, NULL);
	check_equal(what, "no memo", ours, their_count < count ? their_count : count, theirs, their_count);
	/* Remembered by now. */
	for (int i = 0; i < 3; i++) {
		their_count = stack_path(stack_here(), theirs, NULL);
		check_equal(what, "a memo", ours, count, theirs, their_count);
	}
	return count;
}
