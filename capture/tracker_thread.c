/* SPDX-License-Identifier: MIT
 *
 * A thread's part of a capture: found through thread-local memory, made at its
 * first operation, handed over when it ends.  The parts stay in the capture's
 * list until it is closed, because a snapshot goes through them without a lock;
 * a new thread takes over one whose owner has ended, ring and all.
 */
#include "tracker.h"

#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RING_BYTES (256u << 10)

__thread struct mr_thread_cache mr_thread_cache;

/* What a thread has of every capture that it took part in. */
struct membership {
	struct membership *next;
	uint64_t serial;
	struct mr_thread *thread;
};

static pthread_key_t key;
static _Atomic uint32_t key_state; /* 0 none yet, 1 made, 2 cannot be made */
static struct mr_lock key_lock;

/* ---- Leaving ------------------------------------------------------------------- */

static void leave(struct memcapture *capture, void *context)
{
	struct mr_thread *const thread = context;

	/* What it held, nobody else would let go. */
	mr_thread_unhold(thread);
	mr_lock_acquire(&capture->thread_lock);
	mr_tracker_enter(capture, thread);
	mr_spin_acquire(&thread->rows_lock);
	mr_rows_spill(&capture->rows, &thread->rows, 0);
	mr_spin_release(&thread->rows_lock);
	mr_tracker_leave(thread);
	mr_trace_memo_free(thread->traces);
	thread->traces = NULL;
	thread->owned = false;
	mr_lock_release(&capture->thread_lock);
}

/* The destructor of the key: runs in a thread that ends.  What it does to the
 * capture's objects afterwards (in destructors that run later) makes it a member anew. */
static void thread_end(void *value)
{
	struct membership *membership = value;

	mr_thread_cache = (struct mr_thread_cache){ 0 };
	while (membership != NULL) {
		struct membership *const next = membership->next;

		mr_tracker_with(membership->serial, leave, membership->thread);
		mr_free(membership);
		membership = next;
	}
}

static bool key_make(void)
{
	if (MR_LIKELY(atomic_load_explicit(&key_state, memory_order_acquire) == 1))
		return true;
	mr_lock_acquire(&key_lock);
	if (atomic_load_explicit(&key_state, memory_order_relaxed) == 0)
		atomic_store_explicit(&key_state, pthread_key_create(&key, thread_end) == 0 ? 1 : 2,
		                      memory_order_release);
	mr_lock_release(&key_lock);
	return atomic_load_explicit(&key_state, memory_order_acquire) == 1;
}

void mr_thread_library_end(void)
{
	if (atomic_exchange(&key_state, 2) == 1)
		(void)pthread_key_delete(key);
}

/* ---- Joining ----------------------------------------------------------------------- */

/* A part whose thread has ended, or NULL. */
static struct mr_thread *adopt(struct memcapture *capture)
{
	struct mr_thread *thread;

	mr_lock_acquire(&capture->thread_lock);
	for (thread = atomic_load_explicit(&capture->threads, memory_order_relaxed); thread != NULL;
	     thread = thread->next) {
		if (!thread->owned) {
			thread->owned = true;
			thread->defined = false;
			thread->held_row = 0;
			thread->tid = (uint32_t)syscall(SYS_gettid);
			thread->number =
				atomic_fetch_add_explicit(&capture->thread_count, 1, memory_order_relaxed) +
				1;
			break;
		}
	}
	mr_lock_release(&capture->thread_lock);
	return thread;
}

static struct mr_thread *make(struct memcapture *capture)
{
	/* Aligned by hand: parts of two threads must not share a cache line. */
	uint8_t *const memory = mr_alloc(sizeof(struct mr_thread) + 64);
	uint32_t index;

	if (memory == NULL)
		return NULL;
	struct mr_thread *const thread = (struct mr_thread *)(((uintptr_t)memory + 63) & ~(uintptr_t)63);
	struct mr_ring *const ring =
		mr_channel_add_ring(capture->channel, MR_RING_EVENTS, RING_BYTES, &index);
	if (ring == NULL) {
		mr_free(memory);
		return NULL;
	}
	thread->allocation = memory;
	thread->capture = capture;
	thread->owned = true;
	thread->tid = (uint32_t)syscall(SYS_gettid);
	mr_ring_writer_init(&thread->ring, capture->channel, ring, index);

	mr_lock_acquire(&capture->thread_lock);
	thread->number = atomic_fetch_add_explicit(&capture->thread_count, 1, memory_order_relaxed) + 1;
	thread->next = atomic_load_explicit(&capture->threads, memory_order_relaxed);
	atomic_store_explicit(&capture->threads, thread, memory_order_release);
	mr_lock_release(&capture->thread_lock);
	return thread;
}

static void note_open(struct memcapture *capture, void *context)
{
	(void)capture;
	*(bool *)context = true;
}

/* Lets go of memberships of captures that have been closed; what is left of the list. */
static struct membership *prune(struct membership *first)
{
	struct membership **at = &first;

	while (*at != NULL) {
		struct membership *const membership = *at;
		bool is_open = false;

		mr_tracker_with(membership->serial, note_open, &is_open);
		if (is_open) {
			at = &membership->next;
		} else {
			*at = membership->next;
			mr_free(membership);
		}
	}
	return first;
}

void mr_thread_forget_closed(void)
{
	if (atomic_load_explicit(&key_state, memory_order_acquire) == 1 && pthread_getspecific(key) != NULL)
		(void)pthread_setspecific(key, prune(pthread_getspecific(key)));
	mr_thread_cache = (struct mr_thread_cache){ 0 };
}

struct mr_thread *mr_thread_find(struct memcapture *capture)
{
	if (!key_make())
		return NULL;

	struct membership *first = pthread_getspecific(key);
	for (struct membership *membership = first; membership != NULL; membership = membership->next) {
		if (membership->serial == capture->serial) {
			mr_thread_cache = (struct mr_thread_cache){ capture->serial, membership->thread };
			return membership->thread;
		}
	}

	struct membership *const membership = mr_alloc(sizeof(*membership));
	struct mr_thread *thread = membership != NULL ? adopt(capture) : NULL;
	if (membership != NULL && thread == NULL)
		thread = make(capture);
	if (thread == NULL) {
		mr_free(membership);
		const struct mr_error err = {
			.code = MR_ERR_LIMIT,
			.message = "no memory for the events of another thread, or too many threads"
		};
		mr_tracker_fail(capture, &err);
		return NULL;
	}
	first = prune(first);
	*membership = (struct membership){ .next = first, .serial = capture->serial, .thread = thread };
	if (pthread_setspecific(key, membership) != 0) {
		/* It cannot be told when this thread ends: its part is not used again. */
		mr_free(membership);
	}
	mr_thread_cache = (struct mr_thread_cache){ capture->serial, thread };
	return thread;
}

void mr_thread_free_all(struct memcapture *capture)
{
	struct mr_thread *thread = atomic_load_explicit(&capture->threads, memory_order_relaxed);

	while (thread != NULL) {
		struct mr_thread *const next = thread->next;

		mr_trace_memo_free(thread->traces);
		mr_free((void *)thread->counts);
		mr_free(thread->deferred);
		mr_free(thread->allocation);
		thread = next;
	}
	atomic_store_explicit(&capture->threads, NULL, memory_order_relaxed);
}

/* ---- Counting objects ---------------------------------------------------------------- */

bool mr_thread_grow_counts(struct mr_thread *thread, uint32_t class_id)
{
	uint32_t capacity = thread->counts_capacity < 16 ? 16 : thread->counts_capacity;

	while (capacity <= class_id)
		capacity *= 2;
	_Atomic int64_t *const grown = mr_alloc(capacity * sizeof(*grown));
	if (grown == NULL)
		return false;

	/* Whoever adds the counts up holds the lock as well. */
	mr_lock_acquire(&thread->capture->thread_lock);
	for (uint32_t i = 0; i < thread->counts_capacity; i++)
		atomic_store_explicit(&grown[i],
		                      atomic_load_explicit(&thread->counts[i], memory_order_relaxed),
		                      memory_order_relaxed);
	mr_free((void *)thread->counts);
	thread->counts = grown;
	thread->counts_capacity = capacity;
	mr_lock_release(&thread->capture->thread_lock);
	return true;
}

uint64_t mr_thread_count_objects(struct memcapture *capture, uint32_t class_id)
{
	int64_t sum = 0;

	mr_lock_acquire(&capture->thread_lock);
	for (const struct mr_thread *thread = atomic_load_explicit(&capture->threads, memory_order_relaxed);
	     thread != NULL; thread = thread->next) {
		const uint32_t first = class_id != 0 ? class_id : 1;
		const uint32_t last = class_id != 0 ? class_id : UINT32_MAX;

		for (uint32_t i = first; i < thread->counts_capacity && i <= last; i++)
			sum += atomic_load_explicit(&thread->counts[i], memory_order_relaxed);
	}
	mr_lock_release(&capture->thread_lock);
	return sum > 0 ? (uint64_t)sum : 0;
}

/* ---- Rows that died during a snapshot --------------------------------------------------- */

void mr_thread_recycle(struct mr_thread *thread)
{
	struct mr_rows *const rows = &thread->capture->rows;

	for (size_t i = 0; i < thread->deferred_count; i++)
		mr_rows_give(rows, &thread->rows, thread->deferred[i], mr_rows_at(rows, thread->deferred[i]));
	thread->deferred_count = 0;
}

/* ---- Threads of our own ---------------------------------------------------------------- */

int mr_thread_start(void *(*function)(void *), void *context, const char *name, size_t stack_bytes,
                    unsigned long *handle)
{
	sigset_t all;
	sigset_t before;
	pthread_attr_t attributes;
	pthread_t thread;

	/* The program's signals are for the program's threads. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	int code = pthread_attr_init(&attributes);
	if (code == 0) {
		if (pthread_attr_setstacksize(&attributes, stack_bytes) == 0)
			code = pthread_create(&thread, &attributes, function, context);
		else
			code = -1;
		/* A program with much thread-local memory needs larger stacks than we ask for. */
		if (code != 0)
			code = pthread_create(&thread, NULL, function, context);
		(void)pthread_attr_destroy(&attributes);
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (code != 0)
		return MR_ERR_NOMEM;
	(void)pthread_setname_np(thread, name);
	*handle = (unsigned long)thread;
	return 0;
}
