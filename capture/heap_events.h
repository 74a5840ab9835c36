/* SPDX-License-Identifier: MIT
 *
 * What the interposer (capture/preload/) tells memrecord: records of 8-byte
 * aligned words in rings of kind MR_RING_HEAP, one ring a thread, in a channel
 * whose header says MR_SOURCE_HEAP (channel.h).  Private to capture/.
 *
 * Order.  An allocation is appended after the allocator gave the block and before
 * the program has it; a free before the allocator gets it.  So whatever other threads
 * do with the same address lies on the right side of both.  A realloc is two
 * records: REALLOC_BEGIN before the call, by which the old block is gone, and
 * REALLOC_END after it, by which there is a new one, at the same address or not,
 * or the old one is back because the call failed.
 *
 * A ring's records are in the order of their ticks, and the writer merges rings by
 * them.  It reads the clock (BOUND), then each ring's head, and takes what it sees
 * up to BOUND.  What it did not see became visible after BOUND, whatever its ticks
 * say: a thread may rest for long between reading the clock and storing the head.  All that
 * time it is inside the allocator as far as the program is concerned, so that any
 * moment of it is as true as any other; the writer takes BOUND for such a record.
 * Thus a thread needs to announce nothing, and nobody waits for one that rests.
 *
 * Events of signal handlers that interrupt an append are the exception: they wait in
 * memory of the thread's own, while the program may go on with their blocks.  Their
 * number is in `nested` before their clock is read, and is 0 again once they are in the ring;
 * as long as there are any, the writer takes nothing of any ring that is later than what this
 * ring had before.
 *
 * Ticks are read without waiting for what the processor has begun, which would cost
 * as much as all else together.  It may read them while some hundred instructions before are
 * still under way, and so a little early: before the free that made a block's address free,
 * or, in a free, before the allocation by the thread that handed the block over.  Such a pair
 * of one address is put right by whoever takes the events (heap_early.h).  Where that would be
 * difficult, or costs little, a thread that is not alone does wait: realloc, mappings, marks, and
 * what signal handlers leave.
 */
#ifndef MR_HEAP_EVENTS_H
#define MR_HEAP_EVENTS_H

#include "channel.h"

#define MR_HEAP_RECORD_LEN_MAX 8192 /* bytes of the longest record */
#define MR_HEAP_TEXT_MAX 4096       /* bytes of a path, mark or name; more is cut */
#define MR_HEAP_BUILD_ID_MAX 64     /* bytes */

/* The first 32-bit word holds the type in bits 0..3.  ALLOC to REALLOC_END: the
 * first 64-bit word is ticks << 4 | type.  Others: bits 4..31 are the bytes of all of the record. */
enum mr_heap_record_type {
	MR_HEAP_RECORD_PAD = MR_RECORD_PAD,
	MR_HEAP_RECORD_ALLOC = 2,         /* struct mr_heap_alloc */
	MR_HEAP_RECORD_FREE = 3,          /* struct mr_heap_free */
	MR_HEAP_RECORD_REALLOC_BEGIN = 4, /* struct mr_heap_free: the old block */
	MR_HEAP_RECORD_REALLOC_END = 5,   /* struct mr_heap_alloc; address 0: size 0 freed the block,
	                                   * any other size means that it failed and the block lives on */
	MR_HEAP_RECORD_STACK = 6,         /* struct mr_heap_stack */
	MR_HEAP_RECORD_MODULE = 7,        /* struct mr_heap_module, then path and build id */
	MR_HEAP_RECORD_MARK = 8,          /* struct mr_heap_text, then the text */
	MR_HEAP_RECORD_THREAD = 9,        /* struct mr_heap_text, then the name: who appends from now on */
	MR_HEAP_RECORD_MAP = 10,          /* struct mr_heap_alloc, then a word: the length; with --mmap */
	MR_HEAP_RECORD_UNMAP = 11,        /* struct mr_heap_free, then a word: the length */
};

#define MR_HEAP_TYPE(word) ((unsigned)((word)&0xfu))
#define MR_HEAP_TICKS(word) ((word) >> 4)
#define MR_HEAP_ADDRESS_MASK ((UINT64_C(1) << 48) - 1)

struct mr_heap_alloc {
	uint64_t stamp;
	uint64_t address;   /* bits 0..47; in 48..63 bits 0..15 of the size */
	uint32_t size_high; /* bits 16..47 of the size */
	uint32_t stack;     /* 0: not known */
};

struct mr_heap_free {
	uint64_t stamp;
	uint64_t address;
};

static inline uint64_t mr_heap_alloc_size(const struct mr_heap_alloc *alloc)
{
	return alloc->address >> 48 | (uint64_t)alloc->size_high << 16;
}

/* A node of the tree of stacks: a return address and the caller's node.  Ids count
 * from 1; the same place may have two (two threads met it at once), and a ring may
 * name one that another ring defines a little later. */
struct mr_heap_stack {
	uint32_t head;
	uint32_t id;
	uint64_t return_address;
	uint32_t parent; /* 0: outermost */
	uint32_t module; /* 0: in no module */
};

/* A module that was met; an id is never used for another one. */
struct mr_heap_module {
	uint32_t head;
	uint32_t id; /* from 1 */
	uint64_t base;
	uint64_t begin; /* of its mapping */
	uint64_t end;
	uint32_t path_len; /* bytes that follow: the path (empty: the program), then the build id, raw */
	uint32_t build_id_len;
};

enum mr_heap_text_flag {
	MR_HEAP_TEXT_SNAPSHOT = 1, /* MARK: take a heap snapshot, which has the text as description */
	MR_HEAP_TEXT_SILENT = 2,   /* MARK: no mark of its own; the tracker's stream has it */
};

struct mr_heap_text {
	uint32_t head;
	uint32_t flags; /* enum mr_heap_text_flag */
	uint64_t ticks;
	uint64_t stack_address; /* THREAD: an address in the thread's stack */
	uint32_t tid;
	uint32_t text_len;
};

/* Figures in the channel's header; all of them counts but where it says bytes. */
enum mr_heap_counter {
	MR_HEAP_EARLY_ALLOCS,      /* before the recorder was ready; not in the log */
	MR_HEAP_EARLY_FREES,       /* likewise */
	MR_HEAP_UNRECORDED_ALLOCS, /* by threads that got no ring, or after the writer had stopped */
	MR_HEAP_UNRECORDED_FREES,
	MR_HEAP_NESTED_EVENTS,      /* made by signal handlers in the middle of an append; recorded */
	MR_HEAP_NESTED_LOST,        /* likewise, but there was no room */
	MR_HEAP_STACKS_CUT,         /* events whose stack has more frames than are kept */
	MR_HEAP_STACKS_BROKEN,      /* events whose stack could not be followed to its end */
	MR_HEAP_FRAMES_GUESSED,     /* places in the code left by frame pointer, for want of tables */
	MR_HEAP_THREADS_UNRECORDED, /* there were no rings left */
	MR_HEAP_RECORDER_BYTES,     /* bytes of memory of the recorder's in the program, rings apart */
	MR_HEAP_COUNTER_COUNT,
};
_Static_assert(MR_HEAP_COUNTER_COUNT <= MR_CHANNEL_COUNTERS_MAX, "the header has room for them");

/* What memrecord tells the interposer, in the environment: "depth=128,mmap=1". */
#define MR_HEAP_OPTIONS_ENVIRONMENT "MEMRECORD_OPTIONS"
#define MR_HEAP_DEPTH_DEFAULT 128
#define MR_HEAP_DEPTH_MAX 512

/* How the interposer's file is called. */
#define MR_HEAP_RECORDER_LIBRARY "libmemrecord.so"

#endif
