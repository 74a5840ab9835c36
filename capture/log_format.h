/* SPDX-License-Identifier: MIT
 *
 * The log format, version 1, as constants and as the pure functions that turn
 * values into its bytes and back.  FORMAT.md is the document; this file and
 * log_format.c are the one place where the code decides the same things.
 * Writers (log_writer.c, analyze's repair) and the reader build on it.
 *
 *   log      = segment+                       (cat joins segments)
 *   segment  = header frame* [end-frame seek-table]
 *   header   = a skippable zstd frame: magic, version, identity of the writer
 *   frame    = a zstd frame, content size and checksum set, that holds blocks of
 *              one group; its first block is MR_KIND_FRAME, which names the stream
 *              of the blocks behind it; another FRAME block changes the stream
 *   block    = u8 kind, u8 columns, u16 reserved 0, u32 rows, u32 length, column*
 *   column   = u8 id, u8 encoding, u32 length, bytes
 *
 * Every block of every kind is a set of rows in columns, so an unknown kind
 * and an unknown column are skipped, a missing column reads as zeros, and one
 * encoder and one decoder serve all of them.
 */
#ifndef MR_LOG_FORMAT_H
#define MR_LOG_FORMAT_H

#include "base.h"

#define MR_LOG_VERSION_MAJOR 1
#define MR_LOG_VERSION_MINOR 3

#define MR_LOG_MAGIC "memreplg" /* 8 bytes, the start of the header's payload */
#define MR_LOG_MAGIC_LEN 8

#define MR_LOG_SKIPPABLE_MAGIC 0x184D2A50u  /* the header's zstd magic */
#define MR_LOG_SEEK_TABLE_MAGIC 0x184D2A5Eu /* zstd's seekable format */
#define MR_LOG_SEEK_TABLE_FOOTER_MAGIC 0x8F92EAB1u
#define MR_LOG_ZSTD_MAGIC 0xFD2FB528u

/* Limits that writers keep and readers enforce. */
#define MR_LOG_FRAME_CONTENT_MAX (4u << 20) /* bytes of blocks in a frame */
#define MR_LOG_BLOCK_CONTENT_MAX (1u << 20) /* bytes of a block */
#define MR_LOG_ROWS_MAX (1u << 20)          /* rows in a block */
#define MR_LOG_STRING_MAX (1u << 20)        /* bytes in a string */
#define MR_LOG_STACK_DEPTH_MAX 512
#define MR_LOG_PATH_DEPTH_MAX 64         /* levels of referents */
#define MR_LOG_INDEX_ROWS_MAX (1u << 17) /* a segment of more frames ends without an index */
#define MR_LOG_KEY_SNAPSHOT_INTERVAL 16  /* sizes start afresh at least this often */

/* Bytes of a log that one born object must be backed by: a reader that meets
 * more than ALLOWANCE + PER_BYTE x file size objects stops there. */
#define MR_LOG_OBJECTS_ALLOWANCE (1u << 20)
#define MR_LOG_OBJECTS_PER_BYTE 8u

/* ---- Kinds of blocks ----------------------------------------------------
 *
 * Frames hold blocks of one group, so that a reader can leave out whole frames. */

enum mr_group {
	MR_GROUP_DEFINITIONS, /* strings, classes, stacks: what ids mean */
	MR_GROUP_EVENTS,      /* births, deaths, changes */
	MR_GROUP_DETAIL,      /* size and referents of single objects */
	MR_GROUP_HEAP,        /* what each call stack holds at heap snapshots; before these, so that a
	                       * snapshot that a cut log speaks of has its sites */
	MR_GROUP_SUMMARY,     /* snapshots and their totals, process facts, health */
	MR_GROUP_SAMPLES,     /* process memory over time, marks */
	MR_GROUP_END,         /* end and index */
	MR_GROUP_COUNT
};

/* kind, value, group */
#define MR_KINDS(X)                                   \
	X(FRAME, 1, DEFINITIONS) /* in every frame */ \
	X(STREAM, 2, DEFINITIONS)                     \
	X(STRINGS, 3, DEFINITIONS)                    \
	X(CLASSES, 4, DEFINITIONS)                    \
	X(MODULES, 5, DEFINITIONS)                    \
	X(CODE, 6, DEFINITIONS)                       \
	X(STACKS, 7, DEFINITIONS)                     \
	X(SYMBOLS, 8, DEFINITIONS)                    \
	X(PATHS, 9, DEFINITIONS)                      \
	X(THREADS, 10, DEFINITIONS)                   \
	X(BIRTHS, 16, EVENTS)                         \
	X(DEATHS, 17, EVENTS)                         \
	X(CHANGES, 18, EVENTS)                        \
	X(SIZES, 19, DETAIL)                          \
	X(REFERENTS, 20, DETAIL)                      \
	X(LABELS, 21, DETAIL)                         \
	X(SNAPSHOTS, 24, SUMMARY)                     \
	X(CLASS_TOTALS, 25, SUMMARY)                  \
	X(REFERENT_TOTALS, 26, SUMMARY)               \
	X(SAMPLES, 32, SAMPLES)                       \
	X(MARKS, 33, SAMPLES)                         \
	X(PROCESS, 34, SUMMARY)                       \
	X(EXIT, 35, SUMMARY)                          \
	X(SETTINGS, 36, SUMMARY)                      \
	X(COUNTERS, 37, SUMMARY)                      \
	X(HEAP_SNAPSHOTS, 40, SUMMARY)                \
	X(HEAP_SITES, 41, HEAP)                       \
	X(HEAP_SAMPLES, 42, SAMPLES)                  \
	X(HEAP_HISTOGRAM, 43, HEAP)                   \
	X(HEAP_THREADS, 44, SUMMARY)                  \
	X(HEAP_EVENTS, 45, EVENTS)                    \
	X(ACCOUNT, 46, SUMMARY)                       \
	X(HOLDERS, 47, SUMMARY)                       \
	X(END, 48, END)                               \
	X(INDEX, 49, END)                             \
	X(GRAPHS, 50, SUMMARY)                        \
	X(GRAPH_NODES, 51, SUMMARY)                   \
	X(GRAPH_EDGES, 52, SUMMARY)

enum mr_kind {
#define MR_KIND_ENUM(name, value, group) MR_KIND_##name = value,
	MR_KINDS(MR_KIND_ENUM)
#undef MR_KIND_ENUM
};

/* ---- Columns ------------------------------------------------------------
 *
 * Ids are per kind.  All values are unsigned 64-bit; times are nanoseconds
 * since the stream's zero; a column called optional holds value + 1, and 0 for
 * "none".  Strings, classes, stacks, paths and so on are named by id within
 * their stream; ids start at 1 and 0 is "none". */

enum mr_col_frame {
	MR_FRAME_STREAM =
		1, /* whose rows follow, 1.. within the segment; 0: the segment's own (end, index) */
	MR_FRAME_SEQUENCE = 2, /* counts the segment's frames from 0: a gap is a loss */
};

/* Python's stacks are shown outermost first, and its referents one by one under the names that they have. */
enum mr_language { MR_LANGUAGE_NATIVE = 0, MR_LANGUAGE_PYTHON = 1 };
/* Another tool's file: totals and percentages are shown as that tool shows them. */
enum mr_imported { MR_IMPORTED_NOTHING = 0, MR_IMPORTED_PYMPLER = 1 };
/* CENSUS: an observer of all objects of the program's runtime.  Its first snapshot is a baseline; an
 * object without a row in BIRTHS is told only in CLASS_TOTALS: those of the baseline, and those that were
 * too many. */
enum mr_stream_source {
	MR_SOURCE_TRACKER = 1,
	MR_SOURCE_SAMPLER = 2,
	MR_SOURCE_HEAP = 3,
	MR_SOURCE_CENSUS = 4
};

enum mr_col_stream {
	MR_STREAM_BOOT_ID_HIGH = 1, /* /proc/sys/kernel/random/boot_id, 128 bits */
	MR_STREAM_BOOT_ID_LOW = 2,
	MR_STREAM_PID = 3,
	MR_STREAM_START_TICKS = 4,     /* field 22 of /proc/PID/stat, clock ticks since boot */
	MR_STREAM_SOURCE = 5,          /* enum mr_stream_source */
	MR_STREAM_CLOCK_MONOTONIC = 6, /* CLOCK_MONOTONIC at the stream's zero, ns */
	MR_STREAM_CLOCK_REALTIME = 7,  /* CLOCK_REALTIME at the stream's zero, ns */
	MR_STREAM_CREATOR = 8,         /* string: "libmemcapture 1.0.0" */
	MR_STREAM_VERSION = 9,         /* major << 16 | minor */
	MR_STREAM_LANGUAGE = 10,       /* enum mr_language */
	MR_STREAM_IMPORTED = 11,       /* enum mr_imported */
};

enum mr_col_strings { MR_STRINGS_ID = 1, MR_STRINGS_LENGTH = 2, MR_STRINGS_BYTES = 3 /* raw, joined */ };

enum mr_class_flag {
	MR_CLASS_KEEP = 1,
	MR_CLASS_TRACE = 2,
	MR_CLASS_DETACHED = 4,
	MR_CLASS_WALKED = 8 /* has referents */
};

enum mr_col_classes { /* a later row for the same id replaces the earlier one */
	              MR_CLASSES_ID = 1,
	              MR_CLASSES_NAME = 2,
	              MR_CLASSES_PARENT = 3, /* class id or 0 */
	              MR_CLASSES_SIZE = 4,   /* bytes of an instance that no SIZES row speaks of */
	              MR_CLASSES_LEVEL = 5,
	              MR_CLASSES_FLAGS = 6,
};

enum mr_col_modules {
	MR_MODULES_ID = 1,
	MR_MODULES_PATH = 2,     /* string */
	MR_MODULES_BUILD_ID = 3, /* string, lower-case hex; 0 none */
	MR_MODULES_BASE = 4,     /* load address: address - base = offset in the module's own addresses */
};

enum mr_col_code { /* a place in the code, as a stack names it */
	           MR_CODE_ID = 1,
	           MR_CODE_MODULE = 2,   /* 0 when the position below is all that is known */
	           MR_CODE_OFFSET = 3,   /* of the call, not of the return address */
	           MR_CODE_FUNCTION = 4, /* string: known at capture (the tracking macro); 0 otherwise */
	           MR_CODE_FILE = 5,
	           MR_CODE_LINE = 6,
	           MR_CODE_SOURCE =
	                   7, /* string: the text of the line or lines; only what another tool kept */
};

enum mr_col_stacks {
	MR_STACKS_ID = 1,
	MR_STACKS_PARENT = 2, /* the caller's stack, where DEPTH is 0 */
	MR_STACKS_CODE = 3,
	MR_STACKS_DEPTH = 4, /* D > 0: the caller is the last row above in the block whose DEPTH is D - 1 */
};

enum mr_col_symbols { /* what CODE ids were resolved to: one row an inlined frame, innermost DEPTH 0 */
	              MR_SYMBOLS_CODE = 1,
	              MR_SYMBOLS_DEPTH = 2,
	              MR_SYMBOLS_FUNCTION = 3,
	              MR_SYMBOLS_FILE = 4,
	              MR_SYMBOLS_LINE = 5,
};

enum mr_col_paths {
	MR_PATHS_ID = 1,
	MR_PATHS_PARENT = 2 /* 0: a direct referent, level 1 */,
	MR_PATHS_NAME = 3
};

enum mr_col_threads { MR_THREADS_ID = 1, MR_THREADS_TID = 2, MR_THREADS_NAME = 3 };

enum mr_col_births {
	MR_BIRTHS_OBJECT = 1, /* object id: unique in the stream, roughly in order of announcement */
	MR_BIRTHS_TIME = 2,
	MR_BIRTHS_CLASS = 3,
	MR_BIRTHS_STACK = 4,
	MR_BIRTHS_ADDRESS = 5,
	MR_BIRTHS_NAME = 6,  /* string: the name it was announced under, 0 the class's */
	MR_BIRTHS_LEVEL = 7, /* optional: a resolution level of its own */
	MR_BIRTHS_SIZE = 8,  /* optional: bytes of the object alone when it was announced; it is then
	                      * shown at its birth as well */
};

enum mr_death_reason { MR_DEATH_FREED = 0, MR_DEATH_DETACHED = 1 };

enum mr_col_deaths { MR_DEATHS_OBJECT = 1, MR_DEATHS_TIME = 2, MR_DEATHS_REASON = 3 };

enum mr_col_changes {
	MR_CHANGES_OBJECT = 1,
	MR_CHANGES_TIME = 2,
	MR_CHANGES_CLASS = 3, /* optional: its class from now on */
	MR_CHANGES_LEVEL = 4, /* optional */
};

/* An object is in snapshot N when birth <= TIME(N) and (alive or death > TIME(N)).
 * Its size there is the last one that a SIZES row gave it up to N; a key snapshot
 * and a birth reset it to its class's SIZE without referents.  SNAPSHOT 0 is the
 * state in which a kept object was when it was freed.  In an imported stream an
 * object has a size at N only where a row says so, then also when it is not in N. */
enum mr_col_sizes {
	MR_SIZES_SNAPSHOT = 1,
	MR_SIZES_OBJECT = 2,
	MR_SIZES_SIZE = 3,
	MR_SIZES_FLAT = 4,
};

enum mr_col_referents { /* of the objects in the SIZES block before it; replaces all that the object had.
	                 * Depth first: a row belongs to the one before it that is a level higher;
	                 * Python's are not merged, so the same path may come again. */
	                MR_REFERENTS_SNAPSHOT = 1,
	                MR_REFERENTS_OBJECT = 2,
	                MR_REFERENTS_PATH = 3,
	                MR_REFERENTS_COUNT = 4, /* elements merged under this path */
	                MR_REFERENTS_SIZE = 5,  /* with what it alone keeps reachable */
	                MR_REFERENTS_FLAT = 6,
};

enum mr_col_labels {
	MR_LABELS_SNAPSHOT = 1,
	MR_LABELS_OBJECT = 2,
	MR_LABELS_TEXT = 3, /* string: how the object shows itself */
	MR_LABELS_FORM = 4, /* enum mr_label_form */
};

/* ADDRESS: the text is followed by " object at 0x", the object's address and ">". */
enum mr_label_form { MR_LABEL_TEXT = 0, MR_LABEL_ADDRESS = 1 };

enum mr_snapshot_flag {
	MR_SNAPSHOT_KEY = 1,
	MR_SNAPSHOT_PERIODIC = 2,
	MR_SNAPSHOT_REQUESTED = 4,
	MR_SNAPSHOT_BASELINE = 8 /* of a census: what later ones are compared with, the first one always */
};

enum mr_col_snapshots {
	MR_SNAPSHOTS_NUMBER = 1, /* 1.. in the stream */
	MR_SNAPSHOTS_TIME = 2,
	MR_SNAPSHOTS_DURATION = 3, /* ns that taking it took */
	MR_SNAPSHOTS_DESCRIPTION = 4,
	MR_SNAPSHOTS_FLAGS = 5,
	MR_SNAPSHOTS_COUNT = 6,    /* objects alive */
	MR_SNAPSHOTS_SIZE = 7,     /* bytes of all of them */
	MR_SNAPSHOTS_OVERHEAD = 8, /* bytes that the tracker itself holds */
	MR_SNAPSHOTS_RSS = 9,      /* this and the following: bytes, optional */
	MR_SNAPSHOTS_VSZ = 10,
	MR_SNAPSHOTS_PSS = 11,
	MR_SNAPSHOTS_USS = 12,
	MR_SNAPSHOTS_SWAP = 13,
	MR_SNAPSHOTS_DATA = 14, /* VmData, VmStk, VmExe + VmLib of /proc/PID/status */
	MR_SNAPSHOTS_STACK = 15,
	MR_SNAPSHOTS_CODE = 16,
	MR_SNAPSHOTS_TOTAL = 17,  /* optional: bytes of all objects that the program's runtime knows */
	MR_SNAPSHOTS_SHARED = 18, /* optional: bytes */
	MR_SNAPSHOTS_FAULTS = 19, /* optional: major faults since the process's start */
};

enum mr_col_class_totals {
	MR_CLASS_TOTALS_SNAPSHOT = 1,
	MR_CLASS_TOTALS_CLASS = 2,
	MR_CLASS_TOTALS_COUNT = 3,
	MR_CLASS_TOTALS_SIZE = 4,
	MR_CLASS_TOTALS_FLAT = 5,
	MR_CLASS_TOTALS_MIN = 6,
	MR_CLASS_TOTALS_MAX = 7,
	/* Of a census, of the objects without a row in BIRTHS, counts and flat bytes: */
	MR_CLASS_TOTALS_GONE = 8, /* that the snapshot before had, and this one has not */
	MR_CLASS_TOTALS_GONE_SIZE = 9,
	MR_CLASS_TOTALS_MADE = 10, /* that this one has, and the snapshot before had not */
	MR_CLASS_TOTALS_MADE_SIZE = 11,
	MR_CLASS_TOTALS_STAYED = 12, /* persistent: made after the baseline, and in the snapshot before */
	MR_CLASS_TOTALS_STAYED_SIZE = 13,
};

enum mr_col_referent_totals {
	MR_REFERENT_TOTALS_SNAPSHOT = 1,
	MR_REFERENT_TOTALS_CLASS = 2,
	MR_REFERENT_TOTALS_PATH = 3,
	MR_REFERENT_TOTALS_COUNT = 4,
	MR_REFERENT_TOTALS_SIZE = 5,
	MR_REFERENT_TOTALS_FLAT = 6,
};

enum mr_col_samples {
	MR_SAMPLES_TIME = 1,
	MR_SAMPLES_RSS = 2, /* bytes */
	MR_SAMPLES_VSZ = 3,
	MR_SAMPLES_PSS = 4, /* this and the next two: optional */
	MR_SAMPLES_USS = 5,
	MR_SAMPLES_SWAP = 6,
	MR_SAMPLES_FAULTS_MINOR = 7, /* this and the following: totals since the process's start */
	MR_SAMPLES_FAULTS_MAJOR = 8,
	MR_SAMPLES_CPU_USER = 9,    /* ns */
	MR_SAMPLES_CPU_SYSTEM = 10, /* ns */
	MR_SAMPLES_THREADS = 11,
};

enum mr_col_marks { MR_MARKS_TIME = 1, MR_MARKS_TEXT = 2, MR_MARKS_THREAD = 3 };

enum mr_col_process { /* once at the start, again after each exec */
	              MR_PROCESS_TIME = 1,
	              MR_PROCESS_NAME =
	                      2, /* strings: comm, command line (shell-quoted words), executable's path */
	              MR_PROCESS_COMMAND = 3,
	              MR_PROCESS_EXECUTABLE = 4,
	              MR_PROCESS_PARENT_PID = 5,
	              MR_PROCESS_PARENT_START_TICKS = 6,
};

enum mr_exit_state { MR_EXIT_EXITED = 1, MR_EXIT_SIGNALLED = 2, MR_EXIT_UNKNOWN = 3, MR_EXIT_RUNNING = 4 };

enum mr_col_exit { MR_EXIT_TIME = 1, MR_EXIT_STATE = 2, MR_EXIT_VALUE = 3 /* exit code or signal */ };

enum mr_col_settings { MR_SETTINGS_KEY = 1, MR_SETTINGS_VALUE = 2 }; /* strings */
enum mr_col_counters {
	MR_COUNTERS_KEY = 1,
	MR_COUNTERS_VALUE = 2
}; /* string, number; a later row replaces */

/* ---- The heap ------------------------------------------------------------
 *
 * A stream of MR_SOURCE_HEAP is one image of a process: exec begins another, in
 * the same run.  A site is a row of STACKS, the one whose CODE made the call. */

enum mr_heap_reason {
	MR_HEAP_INTERVAL = 1,
	MR_HEAP_PEAK = 2, /* soon after a new high-water mark that matters */
	MR_HEAP_MARK = 3, /* the program asked for it */
	MR_HEAP_REQUEST = 4,
	MR_HEAP_END =
		5, /* the process ended, or called exec, or the recording ended: what is live is leaked */
};

enum mr_col_heap_snapshots {
	MR_HEAP_SNAPSHOTS_NUMBER = 1, /* 1.. in the stream */
	MR_HEAP_SNAPSHOTS_TIME = 2,
	MR_HEAP_SNAPSHOTS_REASON = 3,      /* enum mr_heap_reason */
	MR_HEAP_SNAPSHOTS_DESCRIPTION = 4, /* string */
	MR_HEAP_SNAPSHOTS_FLAGS = 5,       /* MR_SNAPSHOT_KEY: all sites have a row */
	MR_HEAP_SNAPSHOTS_LIVE = 6,        /* requested bytes; this and the next: at that moment */
	MR_HEAP_SNAPSHOTS_LIVE_COUNT = 7,
	MR_HEAP_SNAPSHOTS_PEAK =
		8, /* the highest LIVE so far, the blocks there were then, and when that was */
	MR_HEAP_SNAPSHOTS_PEAK_COUNT = 9,
	MR_HEAP_SNAPSHOTS_PEAK_TIME = 10,
	MR_HEAP_SNAPSHOTS_TOTAL = 11, /* this and the following: since the image's start */
	MR_HEAP_SNAPSHOTS_COUNT = 12, /* allocations; a realloc that gave memory is one */
	MR_HEAP_SNAPSHOTS_FREES = 13,
	MR_HEAP_SNAPSHOTS_TEMPORARY = 14,
	MR_HEAP_SNAPSHOTS_GROWN = 15, /* bytes by which reallocs made blocks larger */
};

/* The last row of a site up to snapshot N holds at N; a key snapshot starts afresh: sites
 * without a row there have nothing.  PEAK is what the site held at the image's
 * high-water mark so far, not the site's own. */
enum mr_col_heap_sites {
	MR_HEAP_SITES_SNAPSHOT = 1,
	MR_HEAP_SITES_STACK = 2, /* 0: the stack is not known */
	MR_HEAP_SITES_LIVE = 3,
	MR_HEAP_SITES_LIVE_COUNT = 4,
	MR_HEAP_SITES_PEAK = 5,
	MR_HEAP_SITES_PEAK_COUNT = 6,
	MR_HEAP_SITES_TOTAL = 7,
	MR_HEAP_SITES_COUNT = 8,
	MR_HEAP_SITES_TEMPORARY = 9, /* allocations freed before the same thread's next one */
	MR_HEAP_SITES_REALLOCS = 10, /* of COUNT: by realloc of a block that there was */
	MR_HEAP_SITES_GROWN = 11,    /* bytes by which those made their blocks larger */
	MR_HEAP_SITES_LIFETIME =
		12,              /* ns, summed over the blocks that are gone (COUNT - LIVE_COUNT); rounded */
	MR_HEAP_SITES_SIZE = 13, /* LIVE, PEAK and TOTAL are less by SIZE times their count, modulo 2^64 */
};

enum mr_col_heap_samples {
	MR_HEAP_SAMPLES_TIME = 1,
	MR_HEAP_SAMPLES_LIVE = 2,
	MR_HEAP_SAMPLES_LIVE_COUNT = 3,
	MR_HEAP_SAMPLES_LIVE_MAX = 4, /* the highest since the sample before */
	MR_HEAP_SAMPLES_TOTAL = 5,    /* this and the next: since the image's start */
	MR_HEAP_SAMPLES_COUNT = 6,
};

enum mr_heap_measure { MR_HEAP_MEASURE_SIZE = 0, MR_HEAP_MEASURE_LIFETIME = 1 };

/* At the end.  BUCKET 0 holds the value 0, bucket B the values from 2^(B-1) up to 2^B - 1, of bytes or ns. */
enum mr_col_heap_histogram {
	MR_HEAP_HISTOGRAM_MEASURE = 1, /* enum mr_heap_measure */
	MR_HEAP_HISTOGRAM_STACK = 2,   /* the site; 0: all of them together */
	MR_HEAP_HISTOGRAM_BUCKET = 3,
	MR_HEAP_HISTOGRAM_COUNT = 4,
	MR_HEAP_HISTOGRAM_TOTAL = 5, /* bytes of these blocks */
};

enum mr_col_heap_threads { /* a later row for the same thread replaces the earlier one */
	                   MR_HEAP_THREADS_THREAD = 1, /* id of THREADS */
	                   MR_HEAP_THREADS_COUNT = 2,  /* allocations that it made */
	                   MR_HEAP_THREADS_TOTAL = 3,  /* their bytes */
	                   MR_HEAP_THREADS_FREES = 4,  /* that it made, of whomever's blocks */
	                   MR_HEAP_THREADS_TEMPORARY = 5,
	                   MR_HEAP_THREADS_LIVE = 6, /* bytes that it allocated and that are live */
	                   MR_HEAP_THREADS_LIVE_COUNT = 7,
	                   MR_HEAP_THREADS_WAITS =
	                           8, /* times that it waited for the recorder, and ns in all */
	                   MR_HEAP_THREADS_WAIT_NS = 9,
	                   MR_HEAP_THREADS_TIME_FIRST = 10, /* of its events */
	                   MR_HEAP_THREADS_TIME_LAST = 11,
};

enum mr_heap_event { MR_HEAP_EVENT_ALLOC = 0, MR_HEAP_EVENT_FREE = 1, MR_HEAP_EVENT_REALLOC = 2 };

enum mr_col_heap_events { /* with --events, in the order of time; allocations count from 1 in the stream */
	                  MR_HEAP_EVENTS_TIME = 1,
	                  MR_HEAP_EVENTS_KIND = 2, /* enum mr_heap_event */
	                  MR_HEAP_EVENTS_THREAD = 3,
	                  MR_HEAP_EVENTS_STACK = 4,   /* 0 with FREE */
	                  MR_HEAP_EVENTS_SIZE = 5,    /* 0 with FREE */
	                  MR_HEAP_EVENTS_ADDRESS = 6, /* 0 with FREE */
	                  MR_HEAP_EVENTS_BACK =
	                          7, /* FREE, REALLOC: how many allocations ago the block that ends was made;
	                             * 1: by the last one; 0: not known.  A realloc is an allocation, too. */
};

/* What the process holds, by what holds it: bytes of resident memory, but for LIVE and SWAP. */
enum mr_col_account {
	MR_ACCOUNT_TIME = 1,
	MR_ACCOUNT_RSS = 2,
	MR_ACCOUNT_HEAP = 3, /* pages of mappings that hold blocks of the allocator's */
	MR_ACCOUNT_LIVE =
		4, /* requested bytes that were live; more than HEAP where they were never touched */
	MR_ACCOUNT_FILES = 5,     /* pages of mapped files: code, data */
	MR_ACCOUNT_STACKS = 6,    /* of all threads */
	MR_ACCOUNT_RECORDER = 7,  /* rings and tables of the recorder */
	MR_ACCOUNT_SHARED = 8,    /* shared memory without a file */
	MR_ACCOUNT_ANONYMOUS = 9, /* the rest */
	MR_ACCOUNT_SWAP = 10,
	MR_ACCOUNT_HEAP_MAPPED = 11, /* address space of HEAP's mappings */
};

/* COUNTERS of a heap recording: the key, and what it counts in words.  First what the recorder could not
 * see or had to guess, then what it did. */
#define MR_HEAP_LOSS_KEYS(X)                                                                \
	X("heap.early_allocs", "allocations before the recorder was there")                 \
	X("heap.early_frees", "frees before the recorder was there")                        \
	X("heap.unrecorded_allocs", "allocations of threads that were not recorded")        \
	X("heap.unrecorded_frees", "frees of threads that were not recorded")               \
	X("heap.threads_unrecorded", "threads that were not recorded")                      \
	X("heap.unrecorded", "processes that were not recorded")                            \
	X("heap.dropped", "allocations and frees that were lost")                           \
	X("heap.nested_lost", "allocations and frees of signal handlers that were lost")    \
	X("heap.rings_broken", "threads whose records made no sense from some time on")     \
	X("heap.out_of_memory", "times that the recorder ran out of memory")                \
	X("heap.unknown_frees", "frees of blocks whose allocation was not seen")            \
	X("heap.unseen_frees", "blocks whose free was not seen: others got their address")  \
	X("heap.stacks_cut", "allocations whose stack is cut at the largest depth")         \
	X("heap.stacks_broken", "allocations whose stack could not be followed to its end") \
	X("heap.frames_guessed", "places left by frame pointer, for want of unwind tables") \
	X("heap.modules_missing", "modules whose files were not found to name places")      \
	X("heap.sites_folded", "call stacks that did little and are told together, as (smaller ones)")
#define MR_HEAP_EFFORT_KEYS(X)                                                                   \
	X("heap.nested_events", "allocations and frees of signal handlers amid others")          \
	X("heap.events", "allocations and frees that were recorded")                             \
	X("heap.waits", "times that threads waited for the recorder")                            \
	X("heap.wait_ns", "nanoseconds that they waited in all")                                 \
	X("heap.recorder_bytes", "bytes of the recorder's own in the process")                   \
	X("heap.writer_bytes", "bytes of memrecord's tables for the process")                    \
	X("heap.writer_memory", "bytes of memrecord's tables for all processes, at most")        \
	X("heap.writer_cpu_ns", "nanoseconds of processor time that memrecord needed for heaps") \
	X("heap.stack_nodes", "frames in the tree of call stacks")                               \
	X("heap.blocks_max", "blocks that were live at once, at most")                           \
	X("heap.images", "images of processes that were recorded")                               \
	X("heap.places", "places in the code that stacks go through")                            \
	X("heap.places_named", "of these places, those that have names")

/* ---- Who holds objects ----------------------------------------------------- */

enum mr_holder_root {
	MR_HOLDER_UNKNOWN = 0,
	MR_HOLDER_MODULE = 1,      /* a module: its variables */
	MR_HOLDER_FRAME = 2,       /* a local variable of a function that is running, or of a generator */
	MR_HOLDER_INTERPRETER = 3, /* what the interpreter itself keeps */
	MR_HOLDER_OUTSIDE = 4,     /* C code: more references than the program's objects account for */
	MR_HOLDER_CYCLE = 5,       /* only each other: garbage that was not collected */
};

/* The ways in which persistent objects of a class were held, by a shortest path from a root each. */
enum mr_col_holders {
	MR_HOLDERS_SNAPSHOT = 1,
	MR_HOLDERS_CLASS = 2,
	MR_HOLDERS_OBJECT = 3, /* optional: one of them */
	MR_HOLDERS_ROOT = 4,   /* enum mr_holder_root */
	MR_HOLDERS_LENGTH = 5, /* references from the root to the object */
	MR_HOLDERS_COUNT = 6,  /* objects held in this way, each in its first one only; their flat bytes */
	MR_HOLDERS_SIZE = 7,
	MR_HOLDERS_PATH = 8,    /* string: "__main__.leaks[*].parent" */
	MR_HOLDERS_EXAMPLE = 9, /* string: the path of that one: "__main__.leaks[0].parent" */
};

enum mr_graph_kind {
	MR_GRAPH_REFERENCES = 0, /* objects that the program chose, and what refers to what */
	MR_GRAPH_GARBAGE = 1,    /* what the collector found */
	MR_GRAPH_REFERRERS = 2,  /* an object, and what leads to it */
};

enum mr_col_graphs {
	MR_GRAPHS_ID = 1, /* 1.. in the stream */
	MR_GRAPHS_TIME = 2,
	MR_GRAPHS_KIND = 3,     /* enum mr_graph_kind */
	MR_GRAPHS_TITLE = 4,    /* string */
	MR_GRAPHS_SNAPSHOT = 5, /* 0: of none */
	MR_GRAPHS_OBJECTS = 6,  /* in all, of which the nodes may tell a part; and their bytes */
	MR_GRAPHS_SIZE = 7,
	MR_GRAPHS_REFERENCES = 8, /* in all, of which the edges may tell a part */
};

enum mr_graph_node_flag {
	MR_GRAPH_NODE_CYCLE = 1,   /* leads to itself */
	MR_GRAPH_NODE_ROOT = 2,    /* where paths begin */
	MR_GRAPH_NODE_SUBJECT = 4, /* what it is all about */
};

enum mr_col_graph_nodes {
	MR_GRAPH_NODES_GRAPH = 1,
	MR_GRAPH_NODES_ID = 2,   /* 1.. in the graph */
	MR_GRAPH_NODES_TYPE = 3, /* strings */
	MR_GRAPH_NODES_LABEL = 4,
	MR_GRAPH_NODES_SIZE = 5,
	MR_GRAPH_NODES_COUNT = 6, /* objects that it stands for */
	MR_GRAPH_NODES_FLAGS = 7, /* enum mr_graph_node_flag */
};

enum mr_col_graph_edges {
	MR_GRAPH_EDGES_GRAPH = 1,
	MR_GRAPH_EDGES_FROM = 2, /* nodes: FROM refers to TO */
	MR_GRAPH_EDGES_TO = 3,
	MR_GRAPH_EDGES_LABEL = 4, /* string: by what name; "" where there is none */
	MR_GRAPH_EDGES_COUNT = 5,
};

/* What a writer keeps to: a graph is read whole with the definitions. */
#define MR_LOG_GRAPH_NODES_MAX 512u
#define MR_LOG_GRAPH_EDGES_MAX 2048u
#define MR_LOG_GRAPHS_MAX 64u

enum mr_end_reason {
	MR_END_CLOSED = 1,   /* the program closed it */
	MR_END_EXIT = 2,     /* the program ended without closing it */
	MR_END_REPAIRED = 3, /* memstats verify --repair ended it */
	MR_END_SIZE = 4,     /* --max-size was reached */
	MR_END_FAILED = 5,   /* a write failed */
};

enum mr_col_end { MR_END_TIME = 1, MR_END_REASON = 2 };

enum mr_col_index {                       /* one row a frame of this segment, in order */
	            MR_INDEX_OFFSET = 1,  /* from the segment's first byte */
	            MR_INDEX_SIZE = 2,    /* compressed bytes */
	            MR_INDEX_CONTENT = 3, /* bytes of blocks */
	            MR_INDEX_KINDS = 4,   /* bit K set: holds a block of kind K */
	            MR_INDEX_STREAM = 5,  /* 0 when it holds rows of several */
	            MR_INDEX_TIME_FIRST = 6,
	            MR_INDEX_TIME_LAST = 7,
	            MR_INDEX_SNAPSHOT_FIRST = 8, /* 0 when it speaks of none */
	            MR_INDEX_SNAPSHOT_LAST = 9,
};

enum mr_group mr_kind_group(unsigned kind); /* MR_GROUP_COUNT for an unknown one */
const char *mr_kind_name(unsigned kind);    /* "BIRTHS", or NULL */

/* ---- Encodings of a column ---------------------------------------------- */

enum mr_encoding {
	MR_ENCODING_PLAIN = 0, /* a uvarint a row */
	MR_ENCODING_DELTA = 1, /* zigzag uvarint of the difference (mod 2^64) to the row before, first to 0 */
	MR_ENCODING_RUNS = 2,  /* pairs: uvarint value, uvarint times (>= 1) */
	MR_ENCODING_DELTA_RUNS = 3, /* pairs: zigzag uvarint difference, uvarint times */
	MR_ENCODING_BYTES = 4,      /* raw; not a number per row */
};

/* ---- Writing blocks ------------------------------------------------------ */

#define MR_BLOCK_HEADER_SIZE 12
#define MR_COLUMN_HEADER_SIZE 6

/* Appends one block to OUT: begin, its columns, end.  Memory failures show in
 * OUT->failed. */
struct mr_block_writer {
	struct mr_buffer *out;
	size_t start; /* offset of the block's header in OUT */
	uint32_t rows;
	uint8_t columns;
};

void mr_block_begin(struct mr_block_writer *block, struct mr_buffer *out, enum mr_kind kind, uint32_t rows);
/* VALUES: one a row, in the number encoding that is the smallest (for long
 * columns: likely to be).  A column of zeros only is left out. */
void mr_block_column(struct mr_block_writer *block, unsigned id, const uint64_t *values);
/* In a number encoding of the caller's choice: what is the smallest is not always what compresses best. */
void mr_block_column_as(struct mr_block_writer *block, unsigned id, enum mr_encoding encoding,
                        const uint64_t *values);
void mr_block_scalar(struct mr_block_writer *block, unsigned id, uint64_t value); /* for blocks of one row */
void mr_block_bytes(struct mr_block_writer *block, unsigned id, const void *data, size_t len);
void mr_block_end(struct mr_block_writer *block);

/* ---- Reading blocks ------------------------------------------------------ */

#define MR_BLOCK_COLUMNS_MAX 32 /* columns with an id up to this are kept, others skipped */

struct mr_column {
	const uint8_t *data; /* NULL: absent */
	uint32_t len;
	uint8_t encoding;
};

struct mr_block {
	unsigned kind;
	uint32_t rows;
	struct mr_column columns[MR_BLOCK_COLUMNS_MAX + 1]; /* by id; borrows the content */
};

/* Parses the block at CONTENT[*OFFSET] and moves *OFFSET behind it.  0, or
 * MR_ERR_FORMAT / MR_ERR_LIMIT when it does not lie whole within LEN. */
int mr_block_parse(const uint8_t *content, size_t len, size_t *offset, struct mr_block *block,
                   struct mr_error *err) MR_MUST_CHECK;
/* Fills OUT[0..rows) from column ID; zeros when it is absent.  Every byte of
 * the column must be used and every row filled. */
int mr_block_decode(const struct mr_block *block, unsigned id, uint64_t *out, struct mr_error *err)
	MR_MUST_CHECK;
/* The first row of a column: what blocks of one row hold. */
int mr_block_value(const struct mr_block *block, unsigned id, uint64_t *out, struct mr_error *err)
	MR_MUST_CHECK;

/* ---- Segments ------------------------------------------------------------ */

#define MR_LOG_HEADER_SIZE 56 /* skippable frame's 8 bytes and the payload */

struct mr_log_header {
	uint16_t version_major;
	uint16_t version_minor;
	uint32_t features; /* bits that a reader must know; none yet */
	uint64_t boot_id[2];
	uint64_t start_ticks;
	uint32_t pid;
	uint64_t clock_realtime_ns; /* when the log was begun */
};

void mr_log_header_encode(const struct mr_log_header *header, uint8_t out[MR_LOG_HEADER_SIZE]);
/* MR_ERR_FORMAT: not a log; MR_ERR_VERSION: newer major version or unknown
 * feature, both versions named. */
int mr_log_header_decode(const uint8_t *in, size_t len, struct mr_log_header *header, struct mr_error *err)
	MR_MUST_CHECK;

/* What the index says of a frame; see enum mr_col_index. */
struct mr_index_entry {
	uint64_t offset;
	uint64_t size;
	uint64_t content;
	uint64_t kinds;
	uint64_t stream;
	uint64_t time_first;
	uint64_t time_last;
	uint64_t snapshot_first;
	uint64_t snapshot_last;
};

/* Appends an INDEX block for ENTRIES; several when they are many. */
void mr_index_encode(struct mr_buffer *out, const struct mr_index_entry *entries, size_t count);
/* Appends a seek table (zstd's seekable format, no checksums) over the whole
 * segment: the header first, then the frames of ENTRIES, the end frame last. */
void mr_seek_table_encode(struct mr_buffer *out, const struct mr_index_entry *entries, size_t count);

#endif
