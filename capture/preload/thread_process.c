/* SPDX-License-Identifier: MIT
 *
 * The process as the interposer sees it: whether memrecord is there, its
 * channel, its options.  All of it lies in a page that a fork wipes, so a child
 * begins anew: in the folder that its first ancestor was told of, whatever
 * became of the environment since.
 */
#include "preload.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log_format.h"
#include "memory_mapped.h"
#include "proc_memory.h"

#define FOLDER_LEN_MAX 4000
#define BEGIN_STACK_BYTES (128u << 10)
#define BEGIN_WAIT_NS UINT64_C(10000000)

static _Atomic(struct mr_process *) page;
static _Atomic uint32_t serial; /* of processes in this line of ancestors */
static _Atomic uint64_t early[MR_HEAP_COUNTER_COUNT];

/* Of the environment, as it was at first. */
static char folder[FOLDER_LEN_MAX + sizeof("/heap")];
static unsigned depth;
static unsigned filters; /* of system calls, to which memrecord itself is subject */
static bool environment_read;
bool mr_process_records_mappings;

/* The channel of this process or, in a child that has not opened its own, of its parent. */
static struct mr_channel *inherited;

/* ---- Environment --------------------------------------------------------------- */

/* The number after NAME= in TEXT, a list with commas; OTHERWISE: not there, or not a number up to MAX. */
static unsigned option_number(const char *text, const char *name, unsigned otherwise, unsigned max)
{
	const size_t len = strlen(name);

	while (text != NULL) {
		if (strncmp(text, name, len) == 0 && text[len] == '=') {
			unsigned value = 0;
			const char *digit = text + len + 1;

			while (*digit >= '0' && *digit <= '9' && value <= max)
				value = value * 10 + (unsigned)(*digit++ - '0');
			return (*digit == ',' || *digit == '\0') && value <= max ? value : otherwise;
		}
		text = strchr(text, ',');
		if (text != NULL)
			text++;
	}
	return otherwise;
}

static void read_environment(void)
{
	const char *const channel = getenv(MR_CHANNEL_ENVIRONMENT);
	const char *const text = getenv(MR_HEAP_OPTIONS_ENVIRONMENT);
	const size_t len = channel != NULL ? strnlen(channel, FOLDER_LEN_MAX + 1) : 0;

	environment_read = true;
	if (text == NULL || len == 0 || len > FOLDER_LEN_MAX)
		return;
	memcpy(folder, channel, len);
	memcpy(folder + len, "/heap", sizeof("/heap"));
	depth = option_number(text, "depth", MR_HEAP_DEPTH_DEFAULT, MR_HEAP_DEPTH_MAX);
	mr_process_records_mappings = option_number(text, "mmap", 0, 1) != 0;
	filters = option_number(text, "filters", UINT_MAX, INT_MAX);
}

/* ---- Beginning -------------------------------------------------------------------- */

static struct mr_process *page_get(void)
{
	struct mr_process *process = atomic_load_explicit(&page, memory_order_acquire);

	if (MR_LIKELY(process != NULL))
		return process;
	struct mr_process *const fresh = mr_pages_map_wiped_on_fork(sizeof(*fresh));
	if (fresh == NULL)
		return NULL;
	if (atomic_compare_exchange_strong(&page, &process, fresh))
		return fresh;
	mr_pages_unmap(fresh, sizeof(*fresh));
	return process;
}

/* A tick and the time that it stands for; what a tick is worth, memrecord finds out. */
static void clock_begin(struct mr_channel_header *header)
{
	header->clock_is_tsc = mr_clock_counter_is_clock();
	header->zero_monotonic_ns = mr_clock_monotonic_ns();
	header->clock[0].ticks = header->clock_is_tsc != 0 ? mr_clock_counter() : header->zero_monotonic_ns;
	header->zero_realtime_ns = mr_clock_realtime_ns();
	header->clock[0].multiplier = header->clock_is_tsc != 0 ? 0 : UINT64_C(1) << 32;
	atomic_store_explicit(&header->clock_count, 1, memory_order_release);
}

/* Who this process is; memrecord may look too late to see. */
static void identity_begin(struct mr_channel_process *process)
{
	struct mr_proc_stat parent;
	const int64_t words = mr_proc_read_file(0, "cmdline", process->command, sizeof(process->command));
	const ssize_t path = readlink("/proc/self/exe", process->executable, sizeof(process->executable));

	process->command_len = words > 0 ? (uint32_t)words : 0;
	/* One that may have been cut names nothing. */
	if (path < 0 || (size_t)path >= sizeof(process->executable))
		process->executable[0] = '\0';
	else
		process->executable[path] = '\0';
	(void)prctl(PR_GET_NAME, process->name);
	process->parent_pid = (uint32_t)getppid();
	if (process->parent_pid != 0 && mr_proc_stat_read(process->parent_pid, &parent) == MR_OK)
		process->parent_start_ticks = parent.start_ticks;
}

static void header_begin(struct mr_channel_header *header)
{
	clock_begin(header);
	identity_begin(&header->process);
}

/* ---- A fork in the middle of an append ------------------------------------------------
 *
 * A signal handler may fork; then the hook that it interrupted goes on in the child as
 * well, with a ring that is not mapped there.  It gets memory that nobody reads in
 * the ring's place, and such a child is not recorded.  (One that raw clone makes in that
 * moment is not caught: the C library does not tell.) */

static __thread struct mr_ring_writer held; /* the ring of the hook that a handler interrupted */

static void fork_prepare(void)
{
	const struct mr_thread *const thread = mr_thread_current;

	held.ring = NULL;
	if (thread != NULL && thread->gate >= MR_GATE_FRAMES)
		held = thread->ring;
}

static void fork_child(void)
{
	struct mr_thread *const thread = mr_thread_current;
	struct mr_process *const process = atomic_load_explicit(&page, memory_order_relaxed);

	if (held.ring == NULL || thread == NULL || process == NULL)
		return;
	(void)mmap(held.ring, MR_RING_DATA_OFFSET + (size_t)held.mask + 1, PROT_READ | PROT_WRITE,
	           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	thread->ring = held;
	mr_thread_current = NULL;
	atomic_store_explicit(&process->state, MR_PROCESS_UNRECORDED, memory_order_relaxed);
}

/* What pthread_atfork() is made of; C libraries that have another are no place where programs are recorded,
 * but the recorder is not to keep them from running. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *object)
	__attribute__((weak));
extern void *__dso_handle __attribute__((visibility("hidden")));
int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

int __wrap_pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	return __register_atfork != NULL ? __register_atfork(prepare, parent, child, &__dso_handle) : ENOSYS;
}

static bool begin(struct mr_process *process)
{
	static bool forks_watched;

	if (!environment_read) {
		read_environment();
		/* Whoever started this program has forbidden system calls, maybe those that follow. */
		if (folder[0] != '\0' && mr_proc_seccomp_filters() > filters)
			folder[0] = '\0';
	}
	if (inherited != NULL) {
		mr_channel_forget_inherited(inherited);
		inherited = NULL;
	}
	if (folder[0] == '\0' || !mr_thread_prepare() ||
	    mr_channel_create_whole(&process->channel, folder, MR_SOURCE_HEAP, MR_THREAD_RING_BYTES,
	                            header_begin, NULL) < 0)
		return false;
	if (!mr_stack_begin(process->channel, depth)) {
		mr_channel_close(process->channel);
		process->channel = NULL;
		return false;
	}
	inherited = process->channel;
	if (!forks_watched)
		forks_watched = pthread_atfork(fork_prepare, NULL, fork_child) == 0;
	process->serial = atomic_fetch_add(&serial, 1) + 1;
	for (unsigned i = 0; i < MR_HEAP_COUNTER_COUNT; i++)
		atomic_fetch_add(&process->channel->header->counters[i], atomic_exchange(&early[i], 0));
	return true;
}

/* Opening a channel takes more stack than a program's thread, or the stack of its signal handlers, need
 * have: it is done on a stack of its own.  One thread of a process does this at a time. */
struct beginning {
	struct mr_process *process;
	bool done;
};

static void begin_there(void *argument)
{
	struct beginning *const beginning = argument;

	beginning->done = begin(beginning->process);
}

static bool begin_on_own_stack(struct mr_process *process)
{
	struct beginning beginning = { .process = process };

	return mr_call_on_stack(BEGIN_STACK_BYTES, begin_there, &beginning) && beginning.done;
}

struct mr_process *mr_process_enter(void)
{
	struct mr_process *const process = page_get();
	uint32_t state = MR_PROCESS_NEW;

	/* The C library has not begun yet: there is no environment. */
	if (process == NULL || (environ == NULL && !environment_read))
		return NULL;
	if (atomic_compare_exchange_strong(&process->state, &state, MR_PROCESS_BEGINNING)) {
		state = begin_on_own_stack(process) ? MR_PROCESS_RECORDED : MR_PROCESS_UNRECORDED;
		atomic_store_explicit(&process->state, state, memory_order_release);
		mr_futex_wake(&process->state);
	}
	while (state == MR_PROCESS_BEGINNING) {
		mr_futex_wait(&process->state, MR_PROCESS_BEGINNING, BEGIN_WAIT_NS);
		state = atomic_load_explicit(&process->state, memory_order_acquire);
	}
	return state == MR_PROCESS_RECORDED ? process : NULL;
}

bool mr_process_is_unrecorded(void)
{
	struct mr_process *const process = atomic_load_explicit(&page, memory_order_acquire);

	return process != NULL &&
	       atomic_load_explicit(&process->state, memory_order_relaxed) == MR_PROCESS_UNRECORDED;
}

void mr_process_count(enum mr_heap_counter counter, enum mr_heap_counter counter_early)
{
	struct mr_process *const process = atomic_load_explicit(&page, memory_order_acquire);

	if (process != NULL &&
	    atomic_load_explicit(&process->state, memory_order_acquire) == MR_PROCESS_RECORDED)
		atomic_fetch_add_explicit(&process->channel->header->counters[counter], 1,
		                          memory_order_relaxed);
	else
		atomic_fetch_add_explicit(&early[counter_early], 1, memory_order_relaxed);
}

/* The main thread's first event may be long in coming; memrecord is to know of the process. */
__attribute__((constructor)) static void process_begin(void)
{
	if (mr_thread_current == NULL)
		(void)mr_thread_enter();
}
