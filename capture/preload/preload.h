/* SPDX-License-Identifier: MIT
 *
 * The interposer libmemrecord.so: what its files share.  It stands in front of
 * the C library's allocator in a program that memrecord runs, and appends an
 * event for each call to the ring of the calling thread (heap_events.h).
 *
 *     hooks*.c         what the program calls, and how an event is appended
 *     thread_*.c       the state of a thread, and the channel of the process
 *     stack*, unwind*, module*   call stacks
 *
 * The hot path takes no lock, makes no system call, uses no heap and keeps
 * errno.  A thread's state is found through one pointer in thread-local memory
 * and lies in memory that the kernel wipes in a forked child, raw clone
 * included: so a gate that is closed means both "not ready yet" and "this is a
 * child, which has no channel".  A vfork child runs on its parent's state, and
 * writes the parent's events.
 *
 * The rule of reentrancy.  From the moment that a thread sets its gate to the frame of
 * the hook that appends, to the moment that it opens it again, the ring is that hook's.
 * A signal handler that allocates in between finds the gate so: it puts its events with
 * their stamps into the thread's side buffer and touches nothing else, and the hook that
 * it interrupted flushes them: before its own event when it has not read the clock yet,
 * after it otherwise, so that stamps in a ring never fall.  How many there are is in the
 * ring, for the writer to see.  A handler that leaves by siglongjmp() abandons the hook
 * that it interrupted.  The next hook sees that nobody can be in the frame that the gate
 * names, because it is no caller's or its return address is not there any more, and
 * takes over; should it be misled, it does so after MR_NESTED_BELIEVED events.  The real
 * allocator is never called while the gate is held.
 */
#ifndef MR_PRELOAD_H
#define MR_PRELOAD_H

#include <pthread.h>
#include <sys/types.h>

#include "heap_events.h"
#include "ring.h"
#include "stack.h"
#include "tracker_clock.h"

#define MR_EXPORT __attribute__((visibility("default")))
/* What the program calls by NAME in place of the real function; in C it has another name, so that
 * nothing is taken for what the headers and the compiler know of that one. */
#define MR_HOOK(result, name, parameters)                          \
	MR_EXPORT result mr_hook_##name parameters __asm__(#name); \
	MR_EXPORT result mr_hook_##name parameters
#define MR_HOT static inline __attribute__((always_inline))
#define MR_COLD __attribute__((cold, noinline))

/* ---- The real functions ---------------------------------------------------- */

/* Name, result, parameters, arguments. */
#define MR_REAL_FUNCTIONS(X)                                                                             \
	X(malloc, void *, (size_t size), (size))                                                         \
	X(free, void, (void *block), (block))                                                            \
	X(calloc, void *, (size_t count, size_t size), (count, size))                                    \
	X(realloc, void *, (void *block, size_t size), (block, size))                                    \
	X(posix_memalign, int, (void **block, size_t alignment, size_t size), (block, alignment, size))  \
	X(aligned_alloc, void *, (size_t alignment, size_t size), (alignment, size))                     \
	X(memalign, void *, (size_t alignment, size_t size), (alignment, size))                          \
	X(valloc, void *, (size_t size), (size))                                                         \
	X(pvalloc, void *, (size_t size), (size))                                                        \
	X(malloc_usable_size, size_t, (void *block), (block))                                            \
	X(mmap, void *, (void *address, size_t length, int protection, int flags, int fd, off_t offset), \
	  (address, length, protection, flags, fd, offset))                                              \
	X(munmap, int, (void *address, size_t length), (address, length))                                \
	X(mremap, void *, (void *address, size_t old_length, size_t length, int flags, void *wanted),    \
	  (address, old_length, length, flags, wanted))                                                  \
	X(dlclose, int, (void *handle), (handle))                                                        \
	X(pthread_setname_np, int, (pthread_t thread, const char *name), (thread, name))                 \
	X(prctl, int, (int option, long a, long b, long c, long d), (option, a, b, c, d))                \
	X(syscall, long, (long number, long a, long b, long c, long d, long e, long f),                  \
	  (number, a, b, c, d, e, f))

/* Each leads to a function that looks all of them up, until that is done. */
struct mr_real {
#define MR_REAL_MEMBER(name, result, parameters, arguments) result(*name) parameters;
	MR_REAL_FUNCTIONS(MR_REAL_MEMBER)
#undef MR_REAL_MEMBER
};
extern struct mr_real mr_real;

/* The program forbids itself system calls: none is made any more; see hooks_sandbox.c. */
extern volatile bool mr_sandboxed;

/* What the dynamic linker asks for while it looks functions up comes from here, and is never given back. */
#define MR_BOOT_ARENA_SIZE 65536u
extern uint8_t mr_boot_arena[MR_BOOT_ARENA_SIZE];

MR_HOT bool mr_boot_owns(const void *block)
{
	return MR_UNLIKELY((uintptr_t)block - (uintptr_t)mr_boot_arena < MR_BOOT_ARENA_SIZE);
}

/* Bytes of a block of the arena. */
size_t mr_boot_size(const void *block);

/* ---- Threads ------------------------------------------------------------------ */

/* A thread's gate: one of these, or the frame of the hook that is appending. */
enum mr_gate {
	MR_GATE_CLOSED = 0, /* nothing is known of this thread, or it was wiped */
	MR_GATE_OPEN = 1,
	MR_GATE_STALLED = 2, /* there was no room, and nobody made any */
	MR_GATE_FRAMES = 16, /* from here on: a frame */
};

#define MR_FIRST_RING_BYTES (256u << 10) /* of a process; many have no other, and are short */
#define MR_THREAD_RING_BYTES (512u << 10)
#define MR_NESTED_MAX 32        /* events of signal handlers within one append that are kept */
#define MR_NESTED_BELIEVED 4096 /* after so many there is no such handler */
#define MR_RECORD_WORDS_MAX 4

struct mr_nested {
	uint64_t words[MR_RECORD_WORDS_MAX]; /* a record; its first word 0: left half done */
	uint32_t len;                        /* bytes */
};

/* What is kept free in one piece when an event is appended: the event, and all that may be in the
 * side buffer, so that nothing waits for room once the clock has been read. */
#define MR_APPEND_RESERVE (sizeof(uint64_t[MR_RECORD_WORDS_MAX]) * (1 + MR_NESTED_MAX))

struct mr_thread {
	_Alignas(64) volatile uintptr_t gate;
	volatile uintptr_t gate_return; /* the return address in the frame that it is */
	struct mr_ring_writer ring;
	struct mr_stack_memo *memo;
	bool clock_is_counter;
	volatile bool ordered;  /* there are other threads: see mr_thread_clock() */
	_Atomic uint32_t owner; /* tid; 0: free for the next thread */
	struct mr_nested nested[MR_NESTED_MAX];
};

extern __thread struct mr_thread *mr_thread_current;

/* The clock, once all that was begun before is done; see heap_events.h.  One thread alone needs no such
 * thing. */
MR_HOT uint64_t mr_thread_clock(const struct mr_thread *thread)
{
	if (thread->ordered)
		mr_clock_wait();
	return mr_clock_ticks(thread->clock_is_counter);
}

MR_HOT void mr_gate_take(struct mr_thread *thread, const uintptr_t *frame)
{
	thread->gate_return = frame[1];
	thread->gate = (uintptr_t)frame;
	atomic_signal_fence(memory_order_seq_cst);
}

MR_HOT void mr_gate_leave(struct mr_thread *thread, enum mr_gate gate)
{
	atomic_signal_fence(memory_order_seq_cst);
	thread->gate = gate;
	atomic_signal_fence(memory_order_seq_cst);
}

/* The calling thread's state with its gate open, made now if need be; NULL: it is not recorded. */
struct mr_thread *mr_thread_enter(void);
/* Its memory of the last stack is emptied: who wrote it was abandoned half-way. */
void mr_thread_forget_stack(struct mr_thread *thread);

/* Memory for the states; before the first is made.  False: there is none. */
bool mr_thread_prepare(void);
/* Appends a record of TYPE with LEN bytes of TEXT; the gate is the caller's.  False: there was no room. */
bool mr_thread_append_text(struct mr_thread *thread, enum mr_heap_record_type type, uint32_t flags,
                           const char *text, size_t len);

/* Calls FUNCTION with ARGUMENT on a new stack of STACK_BYTES, a multiple of a page.  False: there is no
 * memory for it. */
bool mr_call_on_stack(size_t stack_bytes, void (*function)(void *), void *argument);

/* ---- Appending ------------------------------------------------------------------ */

/* The event of the hook at FRAME.  LENGTH is for MAP and UNMAP alone. */
struct mr_event {
	enum mr_heap_record_type type;
	const void *block;
	size_t size;
	uint64_t length;
};

/* A thread whose gate is not open: see "The rule of reentrancy". */
void mr_append_slow(const struct mr_event *event, const uintptr_t *frame);
/* Events of signal handlers that wait in the side buffer, those for which there was no room included. */
MR_HOT uint32_t mr_nested_count(const struct mr_thread *thread)
{
	return atomic_load_explicit(&thread->ring.ring->nested, memory_order_relaxed);
}
/* Appends them.  False: now there is no room for one more record. */
bool mr_append_nested(struct mr_thread *thread);
/* Opens the gate if it was left by siglongjmp().  Whether it is open: the hook at FRAME may append. */
bool mr_gate_open(struct mr_thread *thread, const uintptr_t *frame);
/* After the gate was opened: more was left while it was being opened. */
void mr_append_rest(struct mr_thread *thread, const uintptr_t *frame);
/* Nobody made room for EVENT: it is counted, and the gate says so. */
void mr_append_stall(struct mr_thread *thread, const struct mr_event *event);

MR_HOT bool mr_event_has_stack(enum mr_heap_record_type type)
{
	return type == MR_HEAP_RECORD_ALLOC || type == MR_HEAP_RECORD_REALLOC_END ||
	       type == MR_HEAP_RECORD_MAP;
}

/* Writes EVENT as a record to AT; its length in bytes. */
MR_HOT uint32_t mr_event_write(uint64_t *at, const struct mr_event *event, uint64_t ticks, uint32_t stack)
{
	const uint64_t address = (uint64_t)(uintptr_t)event->block & MR_HEAP_ADDRESS_MASK;

	at[0] = ticks << 4 | (uint64_t)event->type;
	if (!mr_event_has_stack(event->type)) {
		at[1] = address;
		if (event->type != MR_HEAP_RECORD_UNMAP)
			return sizeof(struct mr_heap_free);
		at[2] = event->length;
		return sizeof(struct mr_heap_free) + sizeof(uint64_t);
	}
	at[1] = address | (uint64_t)event->size << 48;
	at[2] = (uint64_t)event->size >> 16 & UINT32_MAX;
	at[2] |= (uint64_t)stack << 32;
	if (event->type != MR_HEAP_RECORD_MAP)
		return sizeof(struct mr_heap_alloc);
	at[3] = event->length;
	return sizeof(struct mr_heap_alloc) + sizeof(uint64_t);
}

/* The clock of an event of TYPE. */
MR_HOT uint64_t mr_event_clock(const struct mr_thread *thread, enum mr_heap_record_type type)
{
	if (type == MR_HEAP_RECORD_ALLOC || type == MR_HEAP_RECORD_FREE)
		return mr_clock_ticks(thread->clock_is_counter);
	return mr_thread_clock(thread);
}

/* Appends EVENT; the gate is open, and will be again. */
MR_HOT void mr_append_open(struct mr_thread *thread, const struct mr_event *event, const uintptr_t *frame)
{
	uint32_t stack = 0;
	uint64_t ticks;

	mr_gate_take(thread, frame);
	if (mr_event_has_stack(event->type))
		stack = mr_stack_number(thread->memo, &thread->ring, frame);
	if (MR_UNLIKELY(!mr_ring_reserve(&thread->ring, MR_APPEND_RESERVE))) {
		mr_append_stall(thread, event);
		return;
	}
	for (;;) {
		ticks = mr_event_clock(thread, event->type);
		atomic_signal_fence(memory_order_seq_cst);
		if (MR_LIKELY(mr_nested_count(thread) == 0))
			break;
		if (!mr_append_nested(thread)) {
			mr_append_stall(thread, event);
			return;
		}
	}
	mr_ring_commit(&thread->ring, mr_event_write(mr_ring_at_head(&thread->ring), event, ticks, stack));
	mr_gate_leave(thread, MR_GATE_OPEN);
	if (MR_UNLIKELY(mr_nested_count(thread) != 0))
		mr_append_rest(thread, frame);
}

MR_HOT void mr_append(enum mr_heap_record_type type, const void *block, size_t size, uint64_t length,
                      const uintptr_t *frame)
{
	struct mr_thread *const thread = mr_thread_current;
	const struct mr_event event = { .type = type, .block = block, .size = size, .length = length };

	if (MR_LIKELY(thread != NULL && thread->gate == MR_GATE_OPEN))
		mr_append_open(thread, &event, frame);
	else
		mr_append_slow(&event, frame);
}

#define MR_FRAME ((const uintptr_t *)__builtin_frame_address(0))

/* ---- The process ------------------------------------------------------------------ */

enum mr_process_state {
	MR_PROCESS_NEW = 0,
	MR_PROCESS_BEGINNING = 1,
	MR_PROCESS_RECORDED = 2,
	MR_PROCESS_UNRECORDED = 3, /* not under memrecord, or it could not be */
};

/* In pages that a fork wipes. */
struct mr_process {
	_Atomic uint32_t state; /* enum mr_process_state; a futex */
	struct mr_channel *channel;
	uint32_t serial;            /* from 1: of the processes that came of each other by fork */
	struct mr_lock thread_lock; /* of the threads' states: who has which */
	uint32_t thread_count;      /* states with a ring */
};

/* The calling process, with its channel open; opens it if that is still to be done.  NULL: it is not
 * recorded, or not yet.  Signals are blocked. */
struct mr_process *mr_process_enter(void);
/* MAP and UNMAP are wanted. */
extern bool mr_process_records_mappings;
/* It is known that it is not recorded. */
bool mr_process_is_unrecorded(void);
/* Adds to a figure in the channel's header, or keeps it until there is one: COUNTER_EARLY is the figure
 * for that, which may be the same. */
void mr_process_count(enum mr_heap_counter counter, enum mr_heap_counter counter_early);

#endif
