/* SPDX-License-Identifier: MIT
 *
 * The states of the program's threads: a table in memory that a fork wipes, a
 * ring for each that was ever in use.  A thread takes a state at its first
 * event; one that ends gives it back from the destructor of a key, in the last
 * round of destructors.  What it still does after that makes it take one again,
 * which nobody gives back: so a thread that finds none free looks for owners that are
 * no more.
 */
#include "preload.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memory_mapped.h"

#define OWNERS_LOOKED_AT 16 /* before another ring is made */
#define STATES_SHARE 64     /* of the process's address space, where that is limited */
#define NAME_LEN_MAX 16     /* of the kernel's name of a thread, with the zero byte */

__thread struct mr_thread *mr_thread_current;

/* 1 once this thread's memory is as it should be: before that even the main thread's reads as zeros. */
static __thread volatile bool memory_is_ready = true;
static __thread volatile bool entering;
static __thread uint32_t refused;   /* serial of the process that had no ring for this thread */
static __thread unsigned destroyed; /* rounds of destructors so far */

/* All of them; the memory stays where it is in a child.  It can be touched up to where states are in use. */
static uint8_t *states;
static size_t state_size; /* whole pages */
static uint32_t state_max;
static pthread_key_t key;
static bool key_made;

static struct mr_thread *state_at(uint32_t index)
{
	return (struct mr_thread *)(states + index * state_size);
}

void mr_thread_forget_stack(struct mr_thread *thread)
{
	memset(thread->memo, 0, mr_stack_memo_size());
}

/* ---- Leaving ---------------------------------------------------------------------- */

static void thread_end(void *value)
{
	struct mr_thread *const thread = mr_thread_current;

	if (++destroyed < PTHREAD_DESTRUCTOR_ITERATIONS && pthread_setspecific(key, value) == 0)
		return;
	mr_thread_current = NULL;
	atomic_signal_fence(memory_order_seq_cst);
	if (thread != NULL && thread->gate == MR_GATE_OPEN)
		atomic_store_explicit(&thread->owner, 0, memory_order_release);
}

/* Address space that is short is the program's. */
static uint32_t states_wanted(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	    limit.rlim_cur / STATES_SHARE / state_size < MR_CHANNEL_RINGS_MAX)
		return (uint32_t)(limit.rlim_cur / STATES_SHARE / state_size) + 1;
	return MR_CHANNEL_RINGS_MAX;
}

/* What is in no use cannot be touched, so that nobody counts it or fills it with memory: not mlockall(),
 * nor a limit on data. */
static uint8_t *states_map(size_t len)
{
	void *const memory = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	if (madvise(memory, len, MADV_WIPEONFORK) != 0) {
		(void)munmap(memory, len);
		return NULL;
	}
	(void)madvise(memory, len, MADV_DONTDUMP);
	return memory;
}

bool mr_thread_prepare(void)
{
	if (states == NULL) {
		state_size = (sizeof(struct mr_thread) + mr_stack_memo_size() + 4095) & ~(size_t)4095;
		state_max = states_wanted();
		states = states_map(state_size * state_max);
	}
	if (!key_made)
		key_made = pthread_key_create(&key, thread_end) == 0;
	return states != NULL;
}

/* ---- Joining ------------------------------------------------------------------------ */

static bool owner_is_gone(uint32_t owner)
{
	return owner == 0 || (syscall(SYS_tgkill, getpid(), owner, 0) != 0 && errno == ESRCH);
}

/* A state that has a ring and no thread; looks for that many owners that ended without a word. */
static struct mr_thread *find_free(const struct mr_process *process, uint32_t look)
{
	for (uint32_t i = 0; i < process->thread_count; i++)
		if (atomic_load_explicit(&state_at(i)->owner, memory_order_acquire) == 0)
			return state_at(i);
	for (uint32_t i = 0; i < process->thread_count && i < look; i++)
		if (owner_is_gone(atomic_load_explicit(&state_at(i)->owner, memory_order_relaxed)))
			return state_at(i);
	return NULL;
}

static struct mr_thread *adopt(const struct mr_process *process, uint32_t look)
{
	struct mr_thread *const thread = find_free(process, look);

	if (thread != NULL) {
		thread->gate = MR_GATE_CLOSED;
		memset(thread->nested, 0, sizeof(thread->nested));
		atomic_store_explicit(&thread->ring.ring->nested, 0, memory_order_release);
		mr_thread_forget_stack(thread);
	}
	return thread;
}

/* A state with a new ring. */
static struct mr_thread *make(struct mr_process *process)
{
	struct mr_thread *const thread = state_at(process->thread_count);
	const uint32_t ring_bytes = process->thread_count == 0 ? MR_FIRST_RING_BYTES : MR_THREAD_RING_BYTES;
	uint32_t index;

	if (process->thread_count >= state_max || mprotect(thread, state_size, PROT_READ | PROT_WRITE) != 0)
		return NULL;
	struct mr_ring *const ring = mr_channel_add_ring(process->channel, MR_RING_HEAP, ring_bytes, &index);
	if (ring == NULL)
		return NULL;
	process->thread_count++;
	for (uint32_t i = 0; i < process->thread_count && process->thread_count > 1; i++)
		state_at(i)->ordered = true;
	thread->memo = (struct mr_stack_memo *)(void *)(thread + 1);
	thread->clock_is_counter = process->channel->header->clock_is_tsc != 0;
	mr_ring_writer_init(&thread->ring, process->channel, ring, index);
	return thread;
}

static struct mr_thread *take(struct mr_process *process)
{
	struct mr_thread *thread;

	mr_lock_acquire(&process->thread_lock);
	thread = adopt(process, OWNERS_LOOKED_AT);
	if (thread == NULL)
		thread = make(process);
	if (thread == NULL)
		thread = adopt(process, MR_CHANNEL_RINGS_MAX);
	if (thread != NULL) {
		atomic_store_explicit(&thread->owner, (uint32_t)syscall(SYS_gettid), memory_order_relaxed);
	}
	mr_lock_release(&process->thread_lock);
	return thread;
}

bool mr_thread_append_text(struct mr_thread *thread, enum mr_heap_record_type type, uint32_t flags,
                           const char *text, size_t len)
{
	const size_t kept = len < MR_HEAP_TEXT_MAX ? len : MR_HEAP_TEXT_MAX;
	const size_t record_len = (sizeof(struct mr_heap_text) + kept + 7) & ~(size_t)7;
	struct mr_heap_text record = {
		.head = (uint32_t)type | (uint32_t)record_len << 4,
		.flags = flags,
		.stack_address = (uint64_t)(uintptr_t)__builtin_frame_address(0),
		.tid = atomic_load_explicit(&thread->owner, memory_order_relaxed),
		.text_len = (uint32_t)kept,
	};

	for (;;) {
		if (!mr_ring_reserve(&thread->ring, record_len))
			return false;
		record.ticks = mr_thread_clock(thread);
		atomic_signal_fence(memory_order_seq_cst);
		if (mr_nested_count(thread) == 0)
			break;
		(void)mr_append_nested(thread); /* without room, the next turn ends it */
	}
	uint8_t *const at = mr_ring_at_head(&thread->ring);
	memcpy(at, &record, sizeof(record));
	memcpy(at + sizeof(record), text, kept);
	memset(at + sizeof(record) + kept, 0, record_len - sizeof(record) - kept);
	mr_ring_commit(&thread->ring, record_len);
	return true;
}

/* The rest of mr_thread_enter(), signals blocked. */
static struct mr_thread *enter(void)
{
	struct mr_process *const process = mr_process_enter();
	char name[NAME_LEN_MAX] = "";

	if (process == NULL || refused == process->serial)
		return NULL;
	struct mr_thread *const thread = take(process);
	if (thread == NULL) {
		refused = process->serial;
		mr_process_count(MR_HEAP_THREADS_UNRECORDED, MR_HEAP_THREADS_UNRECORDED);
		return NULL;
	}

	(void)prctl(PR_GET_NAME, name, 0, 0, 0);
	(void)mr_thread_append_text(thread, MR_HEAP_RECORD_THREAD, 0, name, strnlen(name, sizeof(name)));
	mr_thread_current = thread;
	if (key_made)
		(void)pthread_setspecific(key, thread);
	atomic_signal_fence(memory_order_seq_cst);
	thread->gate = MR_GATE_OPEN;
	return thread;
}

struct mr_thread *mr_thread_enter(void)
{
	sigset_t all;
	sigset_t before;
	int cancel_before;

	if (!memory_is_ready || entering || mr_sandboxed || mr_process_is_unrecorded())
		return NULL;
	entering = true;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	/* An allocation is no place where a thread may be cancelled; opening a file would be one. */
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_before);
	struct mr_thread *const thread = enter();
	(void)pthread_setcancelstate(cancel_before, NULL);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	entering = false;
	return thread;
}
