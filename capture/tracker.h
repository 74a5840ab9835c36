/* SPDX-License-Identifier: MIT
 *
 * The tracker's own structs: a capture, its classes, its threads.  Each
 * tracker_*.c says what part of it it plays.  Private to libmemcapture.
 *
 * Locks, outermost first: `snapshot_lock` (one snapshot, clear or detach_all at
 * a time), `drain_lock` (who empties the rings), `class_lock`, `thread_lock`,
 * `definition_lock`; a shard's lock is innermost and held for nanoseconds.
 * Tracking and forgetting take the shard's lock alone.
 *
 * How a snapshot sees exactly what a reader of the log will see: every
 * operation marks its thread busy before it reads the clock, and clears that
 * when its effect can be seen.  A snapshot first announces itself (STAMPING) and
 * waits for who was busy then: from here on, rows that die are kept.  It reads
 * its own moment, and waits again: all that was stamped before that moment can
 * now be seen.  The store to `busy` needs no fence: membarrier(2) on the
 * snapshot's side stands for all of them, where the kernel has it.
 */
#ifndef MR_TRACKER_H
#define MR_TRACKER_H

#include "channel.h"
#include "event_drain.h"
#include "memcapture.h"
#include "object_map.h"
#include "proc_identity.h"
#include "proc_memory.h"
#include "ring.h"
#include "sizer.h"
#include "tracker_clock.h"

#define MR_TRACKER_ENVIRONMENT "MEMCAPTURE_LOG" /* the variable that names the log, or is "off" */
#define MR_TRACKER_LEVEL_MAX MR_LOG_PATH_DEPTH_MAX
#define MR_TRACKER_CLASSES_MAX 65535u
#define MR_TRACKER_TEXT_MAX (64u << 10) /* bytes of a name, description or message that are kept */
#define MR_TRACKER_LABEL_MAX 128
#define MR_TRACKER_IDS_AT_ONCE 256
#define MR_TRACKER_COUNTERS_MAX 16

enum mr_class_state {
	MR_CLASS_STATE_DETACHED = 1,
	MR_CLASS_STATE_TRACE = 2,
	MR_CLASS_STATE_KEEP = 4,
	MR_CLASS_STATE_WALKED = 8, /* sizing an instance reads its memory */
};

struct memcapture_class {
	struct memcapture *capture;
	_Atomic uint32_t state; /* enum mr_class_state, joined with | */
	_Atomic uint32_t level;
	uint32_t id;
	uint32_t name_string;
	uint64_t size_logged; /* what the log says of an instance without sizes; never changes */
	_Atomic(const struct memcapture_layout *) layout;
	_Atomic(struct memcapture_class *) parent;
	_Atomic(memcapture_describe *) describe;
	char *name;
};

/* What a thread has of a capture. */
struct mr_thread {
	_Alignas(64) _Atomic uint32_t busy;
	struct mr_row_cache rows;
	uint64_t id_next;
	uint64_t id_end;
	struct mr_ring_writer ring;
	_Atomic int64_t *counts; /* by class id: objects made minus objects gone, here */
	uint32_t counts_capacity;
	struct mr_spin rows_lock; /* over `rows`, while a snapshot is under way */
	uint32_t held_row;        /* index + 1 of the row that memcapture_hold() holds */
	uint32_t *deferred;       /* rows that died during a snapshot */
	size_t deferred_count;
	size_t deferred_capacity;
	_Atomic uint64_t retracked;   /* announced again with its own class */
	struct mr_trace_memo *traces; /* trace_unwind.c; NULL until first used */
	struct memcapture *capture;
	struct mr_thread *next;
	bool owned;      /* under thread_lock */
	bool defined;    /* its THREADS row is in the log */
	uint32_t number; /* 1.. */
	uint32_t tid;
	void *allocation; /* what to free */
};

#define MR_LOOK_FOR_IDS UINT32_C(0x80000000)

enum mr_snapshot_state { MR_SNAPSHOT_IDLE = 0, MR_SNAPSHOT_STAMPING = 1, MR_SNAPSHOT_ACTIVE = 2 };

struct mr_names;       /* tracker_names.c: strings and paths */
struct mr_traces;      /* trace_tables.c: modules, code and stacks */
struct mr_snapshotter; /* tracker_snapshot.c: what is kept from one snapshot to the next */
struct mr_flusher;     /* tracker_flush.c: the thread that empties the rings */
struct mr_periodic;    /* tracker_periodic.c: the thread that takes snapshots */

/* For objects that leave their last state: snapshot_keep.c. */
struct mr_keeper {
	struct mr_lock lock;
	struct mr_sizer *sizer; /* NULL until first used, like the rows */
	struct mr_snapshot_rows *rows;
};

struct memcapture {
	/* Read by every operation, and not written. */
	uint64_t serial; /* tells captures apart that had the same address */
	/* The first serial that is open in this process; in a page that a forked child
	 * sees as zeros, where it does not become smaller than ours again. */
	_Atomic uint64_t *first_serial;
	bool clock_is_tsc;
	bool needs_fence; /* no membarrier(2) */
	struct mr_channel *channel;
	const char *creator;                         /* what the stream says of who writes it; borrowed */
	uint32_t language;                           /* enum mr_language */
	_Atomic(struct memcapture_class *) *classes; /* by id; MR_TRACKER_CLASSES_MAX + 1 of address space */

	/* Written by snapshots. */
	_Alignas(64) _Atomic uint32_t snapshot_state;
	_Atomic uint64_t snapshot_ticks; /* its moment, while ACTIVE */
	_Atomic uint32_t snapshot_mark;  /* for MR_ROW_SNAPSHOT_SHIFT */
	_Atomic uint64_t snapshots_taken;

	/* Objects that are held or moved now, and MR_LOOK_FOR_IDS once ids need more
	 * than 32 bits: while it is not 0, forgetting looks at the object's row. */
	_Atomic uint32_t look_at_rows;

	_Alignas(64) _Atomic uint64_t id_next; /* object ids */

	struct mr_rows rows;
	struct mr_map map;

	struct mr_lock snapshot_lock;
	struct mr_lock drain_lock;
	struct mr_lock class_lock;
	struct mr_lock thread_lock;
	struct mr_lock definition_lock;

	_Atomic uint32_t class_count;
	uint32_t *class_index; /* by name; under class_lock */
	size_t class_index_capacity;
	_Atomic(struct mr_thread *) threads; /* only grows; rows of ended threads are used again */
	_Atomic uint32_t thread_count;

	struct mr_ring_writer definitions; /* under definition_lock */
	struct mr_ring_writer detail;      /* under detail_lock */
	struct mr_lock detail_lock;
	struct mr_names *names;
	_Atomic(struct mr_traces *) traces; /* NULL until first used */
	struct mr_snapshotter *snapshotter;
	struct mr_keeper keeper;
	struct mr_periodic *periodic; /* under periodic_lock */
	struct mr_lock periodic_lock;

	struct mr_log_writer *log; /* NULL under memrecord; under drain_lock */
	struct mr_drain *drain;
	struct mr_flusher *flusher;
	uint32_t counter_keys[MR_TRACKER_COUNTERS_MAX]; /* strings; see tracker_facts.c */
	_Atomic uint64_t overhead_bytes;                /* at the last snapshot */

	struct mr_lock failure_lock;
	_Atomic uint32_t failed;
	struct mr_error failure;

	struct memcapture *next; /* of the open captures; under the registry's lock */
};

/* ---- Hot path helpers ------------------------------------------------------------ */

static inline bool mr_tracker_alive(const struct memcapture *capture)
{
	/* 0 stands for none: it wraps around to the largest. */
	return MR_LIKELY(atomic_load_explicit(capture->first_serial, memory_order_relaxed) - 1 <
	                 capture->serial);
}

static inline uint64_t mr_tracker_ticks(const struct memcapture *capture)
{
	return mr_clock_ticks(capture->clock_is_tsc);
}

/* From here to mr_tracker_leave() a snapshot waits for this thread. */
static inline void mr_tracker_enter(const struct memcapture *capture, struct mr_thread *thread)
{
	atomic_store_explicit(&thread->busy, 1, memory_order_relaxed);
	if (MR_UNLIKELY(capture->needs_fence))
		(void)atomic_exchange(&thread->busy, 1);
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void mr_tracker_leave(struct mr_thread *thread)
{
	atomic_store_explicit(&thread->busy, 0, memory_order_release);
}

/* tracker_thread.c */

struct mr_thread_cache {
	uint64_t serial;
	struct mr_thread *thread;
};
extern __thread struct mr_thread_cache mr_thread_cache
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

struct mr_thread *mr_thread_find(struct memcapture *capture);

/* The calling thread's part of CAPTURE; NULL: no memory or too many threads. */
static inline struct mr_thread *mr_thread_of(struct memcapture *capture)
{
	if (MR_LIKELY(mr_thread_cache.serial == capture->serial))
		return mr_thread_cache.thread;
	return mr_thread_find(capture);
}

void mr_thread_free_all(struct memcapture *capture);
/* The calling thread drops what it has of captures that are closed. */
void mr_thread_forget_closed(void);
/* Makes room in THREAD->counts for CLASS_ID. */
bool mr_thread_grow_counts(struct mr_thread *thread, uint32_t class_id);
/* Sets rows free that died during a snapshot; while IDLE and busy. */
void mr_thread_recycle(struct mr_thread *thread);
uint64_t mr_thread_count_objects(struct memcapture *capture, uint32_t class_id); /* 0: all */
void mr_thread_library_end(void);

static inline void mr_thread_count(struct mr_thread *thread, uint32_t class_id, int64_t step)
{
	if (MR_UNLIKELY(class_id >= thread->counts_capacity) && !mr_thread_grow_counts(thread, class_id))
		return;
	_Atomic int64_t *const count = &thread->counts[class_id];
	atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + step,
	                      memory_order_relaxed);
}

/* ---- The registry of open captures: tracker.c --------------------------------------- */

struct mr_tracker_options {
	const char *path;         /* of the log, "%p" is the pid; NULL: there is one under memrecord alone */
	bool path_by_environment; /* what the environment says goes first, and there is a path in any case */
	const char *creator;
	uint32_t source;   /* enum mr_stream_source; 0: a tracker */
	uint32_t language; /* enum mr_language */
	/* CLOCK_MONOTONIC at the stream's zero, which may lie before the opening; 0: the opening.  If it is
	 * given, ticks are nanoseconds of CLOCK_MONOTONIC: a time in the program is the same in the log. */
	uint64_t zero_monotonic_ns;
	uint64_t zero_realtime_ns; /* then: CLOCK_REALTIME at the stream's zero */
};

/* memcapture_open(), also for an account that another part of us keeps.  *CAPTURE is NULL, without an
 * error, when nobody wants a log. */
int mr_tracker_open(struct memcapture **capture, const struct mr_tracker_options *options,
                    struct mr_error *err) MR_MUST_CHECK;

/* Remembers the first failure of CAPTURE for memcapture_status(). */
void mr_tracker_fail(struct memcapture *capture, const struct mr_error *err);
/* Calls FUNCTION for the capture of SERIAL, if it is still open, under the registry's lock. */
void mr_tracker_with(uint64_t serial, void (*function)(struct memcapture *capture, void *context),
                     void *context);

/* ---- Classes: tracker_class.c --------------------------------------------------------- */

static inline struct memcapture_class *mr_tracker_class(const struct memcapture *capture, uint32_t id)
{
	return atomic_load_explicit(&capture->classes[id], memory_order_acquire);
}

/* The class that OPTIONS names, made when it is new; with NULL for no memory. */
struct memcapture_class *mr_class_for_object(struct memcapture *capture,
                                             const struct memcapture_class_options *options);
bool mr_class_derives(const struct memcapture_class *klass, uint32_t base_id);
/* Instances of no class are tracked from now on; under class_lock. */
void mr_class_detach_all(struct memcapture *capture);
/* Writes the CLASSES row of each class again: a log that starts afresh. */
void mr_class_define_all(struct memcapture *capture);
void mr_class_free_all(struct memcapture *capture);

/* ---- Objects: tracker_object.c --------------------------------------------------------- */

/* Lets go of every object; while no snapshot is under way (snapshot_lock). */
void mr_object_detach_all(struct memcapture *capture);

/* ---- Names and definitions: tracker_names.c ------------------------------------------------ */

int mr_names_new(struct memcapture *capture, struct mr_error *err) MR_MUST_CHECK;
void mr_names_free(struct mr_names *names);
/* The id of TEXT, defined in the log when it is new; 0: no memory, or TEXT is NULL. */
uint32_t mr_names_string(struct memcapture *capture, const char *text, size_t len);
/* An id for text that is not expected again: nothing of it is kept but in a small cache. */
uint32_t mr_names_passing(struct memcapture *capture, const char *text, size_t len);
uint32_t mr_names_path(void *context, uint32_t parent, const char *text); /* CONTEXT: the capture */
/* COUNT ids for strings that the caller defines; the first of them. */
uint32_t mr_names_take(struct memcapture *capture, uint32_t count);
/* All strings and paths again: a log that starts afresh. */
void mr_names_define_all(struct memcapture *capture);
uint64_t mr_names_memory(struct memcapture *capture);

/* Appends the block in BUFFER to the definitions; takes definition_lock. */
void mr_tracker_define(struct memcapture *capture, const struct mr_buffer *buffer);
/* Appends to snapshots, samples, facts; SPAN as for mr_ring_append_block(). */
void mr_tracker_detail(struct memcapture *capture, const struct mr_buffer *buffer, const uint64_t span[4]);

/* ---- Facts about the stream: tracker_facts.c ------------------------------------------------ */

void mr_facts_begin(struct memcapture *capture); /* STREAM, PROCESS, SETTINGS */

struct mr_facts_process { /* what a PROCESS row says of this process; empty where /proc is silent */
	char name[MR_PROC_COMM_MAX];
	char command[MR_PROC_TEXT_MAX];
	char executable[MR_PROC_TEXT_MAX];
	size_t command_len;
	size_t executable_len;
	uint64_t parent_pid;
	uint64_t parent_start_ticks;
};

void mr_facts_read_process(struct mr_facts_process *facts);
void mr_facts_counters(struct memcapture *capture, struct mr_buffer *out); /* a COUNTERS block */
/* Bytes that the tracker itself holds; not for the flush thread. */
uint64_t mr_facts_overhead(struct memcapture *capture);

/* ---- Traces: trace_unwind.c, trace_tables.c ----------------------------------------------------- */

/* The id of the stack at which a tracking function was called; 0: none.
 * RETURN_ADDRESS and FRAME are those of that function. */
uint32_t mr_trace_stack(struct memcapture *capture, struct mr_thread *thread,
                        const struct memcapture_position *position, const void *return_address,
                        const void *frame);
void mr_trace_symbols(struct memcapture *capture); /* names what can be named, at the end */
void mr_trace_define_all(struct memcapture *capture);
void mr_trace_free(struct memcapture *capture);
void mr_trace_memo_free(struct mr_trace_memo *memo);
uint64_t mr_trace_memory(struct memcapture *capture);
void mr_trace_count_failure(struct memcapture *capture); /* a stack that could not be found */
uint64_t mr_trace_failures(struct memcapture *capture);

/* ---- Snapshots: tracker_snapshot.c -------------------------------------------------------------- */

int mr_snapshot_new(struct memcapture *capture, struct mr_error *err) MR_MUST_CHECK;
void mr_snapshot_free(struct mr_snapshotter *snapshotter);
int mr_snapshot_take(struct memcapture *capture, const char *description, unsigned flags);
void mr_keeper_release(struct mr_keeper *keeper);
/* Writes the state of a kept object that is about to be forgotten; its row is held. */
void mr_snapshot_keep(struct memcapture *capture, struct mr_row *row);
/* What earlier snapshots said does not count any more: a log that starts afresh. */
void mr_snapshot_restart(struct memcapture *capture);
uint64_t mr_snapshot_memory(const struct mr_snapshotter *snapshotter);
uint64_t mr_snapshot_number(const struct memcapture *capture); /* of the last one */

/* ---- Rows that are held: tracker_hold.c ------------------------------------------------------------ */

/* Holds a live ROW that nobody holds; does not wait. */
bool mr_row_try_hold(struct mr_row *row);
/* Holds a live ROW: true, or false when it is not live any more.  Waits for another holder. */
bool mr_row_hold(struct mr_row *row);
enum mr_hold { MR_HOLD_HELD, MR_HOLD_GONE, MR_HOLD_REFUSED };
/* The same, but somebody else may hold it beyond END_NS of the monotonic clock. */
enum mr_hold mr_row_hold_until(struct mr_row *row, uint64_t end_ns);
/* Lets go of the row that the program holds by THREAD, if any. */
void mr_thread_unhold(struct mr_thread *thread);
void mr_row_unhold(struct mr_row *row);
/* Sleeps until the holder of ROW may have let go. */
void mr_row_wait(struct mr_row *row);

/* ---- Background: tracker_flush.c, tracker_periodic.c ------------------------------------------------ */

int mr_flusher_start(struct memcapture *capture, struct mr_error *err) MR_MUST_CHECK;
/* Ends the thread and takes what is left; the caller closes the log. */
void mr_flusher_stop(struct memcapture *capture);
/* Starts the log file afresh, with an empty stream; under drain_lock. */
int mr_flusher_restart(struct memcapture *capture, struct mr_error *err) MR_MUST_CHECK;
void mr_flusher_free(struct memcapture *capture);
uint64_t mr_flusher_cpu_ns(const struct mr_flusher *flusher);
uint64_t mr_flusher_memory(const struct memcapture *capture);
void mr_periodic_stop(struct memcapture *capture);
/* Starts a thread with all signals blocked. */
int mr_thread_start(void *(*function)(void *), void *context, const char *name, size_t stack_bytes,
                    unsigned long *handle) MR_MUST_CHECK;

/* ---- The heap's recorder, where memrecord has put one into the program ------------ */

#define MR_THREAD_NAME_MAX 64 /* bytes of a name that memcapture_name_thread() gave, with the zero byte */

/* A mark with FLAGS (enum mr_heap_text_flag) for the recording.  False: there is none. */
bool mr_recorder_mark(const char *text, uint32_t flags);
/* What the calling thread named itself, or "". */
const char *mr_recorder_thread_name(void);

#endif
