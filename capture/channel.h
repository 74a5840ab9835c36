/* SPDX-License-Identifier: MIT
 *
 * The way from a program that tracks objects to whoever writes its log: rings
 * of events in memory, one for each thread.  Without memrecord the memory is
 * the program's own and a thread of libmemcapture empties the rings.  Under
 * memrecord it is a file that both map, and memrecord empties them: then a
 * program that is killed loses nothing.  Private to capture/.
 *
 * The contract under memrecord:
 *
 *   1. memrecord makes a folder, creates the writer's page in it with
 *      mr_channel_writer_create(), and names the folder in the environment
 *      variable MEMCAPTURE_CHANNEL.  It calls mr_channel_heartbeat() at least
 *      every 100 ms from then on.
 *   2. A program that opens a capture maps the writer's page.  Is there none, or
 *      has the heart stopped, it writes a log of its own.  Otherwise it makes
 *      its channel as a file PID.STARTTICKS in the folder (a second one, or one
 *      after exec: PID.STARTTICKS.2 and so on).  The file appears whole, by
 *      link(2); names that begin with a dot are not ready.
 *   3. memrecord finds the file (scan of the folder, at the latest when the
 *      process has ended), attaches with mr_channel_attach(), may unlink it, and
 *      empties it with an mr_drain (event_drain.h) until mr_drain_finished(), or
 *      until the process is gone and a last mr_drain_run() has been done.
 *   4. memrecord sleeps with mr_channel_wait(): a program wakes it when a ring
 *      is half full or a capture is closed.  It should look at least every 50 ms.
 *   5. All memory is reserved before it is used (no SIGBUS when the file system
 *      is full); a program that gets none writes a log of its own.
 *   6. A thread that finds its ring full waits in slices of 10 ms, as long as the
 *      heart beats; when it has stopped for a second, or nothing has been taken of
 *      the ring for ten, the thread goes on, and the event is lost and counted.
 *
 * The structs below lie in memory that two programs share: fixed widths, no
 * pointers, offsets from the start of the file.  Other processes' values are
 * distrusted: mr_channel_attach() and the drain check every length.
 */
#ifndef MR_CHANNEL_H
#define MR_CHANNEL_H

#include <stdatomic.h>

#include "base.h"

#define MR_CHANNEL_ENVIRONMENT "MEMCAPTURE_CHANNEL"
#define MR_CHANNEL_WRITER_NAME "writer" /* the writer's page in the folder */

#define MR_CHANNEL_MAGIC UINT64_C(0x6c656e6e61686372) /* "rchannel" */
#define MR_CHANNEL_VERSION 5
#define MR_CHANNEL_RINGS_MAX 1024
#define MR_CHANNEL_COUNTERS_MAX 16
#define MR_CHANNEL_CLOCK_SEGMENTS_MAX 64
#define MR_CHANNEL_BLOCK_MAX (256u << 10) /* bytes that a block in a ring may take */
#define MR_CHANNEL_HEARTBEAT_LIMIT_NS UINT64_C(1000000000)

/* ---- Records in a ring ----------------------------------------------------
 *
 * 8-byte aligned, never split at the ring's end.  The first 32-bit word holds
 * the type in bits 0..3.  Times are ticks; see the clock below. */

enum mr_record_type {
	MR_RECORD_PAD = 1,         /* bits 4..31: bytes to skip, all of this record */
	MR_RECORD_BIRTH = 2,       /* struct mr_record_birth */
	MR_RECORD_DEATH = 3,       /* struct mr_record_death */
	MR_RECORD_CHANGE = 4,      /* struct mr_record_change */
	MR_RECORD_BLOCK = 5,       /* struct mr_record_block; bits 4..31: bytes of all of this record */
	MR_RECORD_BIRTH_SIZED = 6, /* struct mr_record_birth_sized */
};

struct mr_record_birth { /* head: level in bits 4..11, object id's bits 32..51 in 12..31 */
	uint32_t head;
	uint32_t object_low;
	uint64_t ticks;
	uint64_t address;
	uint32_t class_id;
	uint32_t stack;
};

struct mr_record_birth_sized {
	struct mr_record_birth birth;
	uint64_t size; /* bytes of the object alone */
};

struct mr_record_death { /* head: reason in bits 4..7, object id's bits 32..51 in 12..31 */
	uint32_t head;
	uint32_t object_low;
	uint64_t ticks;
};

struct mr_record_change { /* head: as in a death, without the reason */
	uint32_t head;
	uint32_t object_low;
	uint64_t ticks;
	uint32_t class_id; /* 0: stays */
	uint32_t level;    /* level + 1; 0: stays */
};

struct mr_record_block { /* an encoded block of the log format follows, padded with zeros to 8 bytes */
	uint32_t head;
	uint32_t block_len;
	uint64_t time_first; /* what the log's index says of it: ns since the stream's zero */
	uint64_t time_last;
	uint64_t snapshot_first;
	uint64_t snapshot_last;
};

#define MR_RECORD_TYPE(head) ((head)&0xfu)
#define MR_RECORD_LEN(head) ((head) >> 4)
#define MR_RECORD_OBJECT(head, low) ((uint64_t)((head) >> 12) << 32 | (low))
#define MR_OBJECT_ID_MAX ((UINT64_C(1) << 52) - 1)

/* ---- What is shared -------------------------------------------------------- */

enum mr_ring_kind {
	MR_RING_DEFINITIONS = 1, /* blocks that give ids their meaning */
	MR_RING_DETAIL = 2,      /* blocks of snapshots, samples, marks and facts */
	MR_RING_EVENTS = 3,      /* one a thread */
	MR_RING_HEAP = 4,        /* one a thread, in a channel of MR_SOURCE_HEAP: heap_events.h */
};

enum mr_ring_state {
	MR_RING_UNUSED = 0,
	MR_RING_USED = 1,
};

/* At the start of a ring's memory; its data follows after MR_RING_DATA_OFFSET bytes.
 * Positions count bytes from 0 and never wrap. */
struct mr_ring {
	_Alignas(64) _Atomic uint64_t head; /* where the next record goes; the program's */
	uint64_t tail_seen;                 /* the program's last look at tail */
	_Atomic uint32_t nested;            /* the heap's: events yet to come into it, see heap_events.h */
	_Atomic uint64_t waits;             /* times that a thread found the ring full */
	_Atomic uint64_t wait_ns;
	_Atomic uint64_t dropped;              /* records lost because the writer had stopped */
	_Alignas(64) _Atomic uint64_t tail;    /* up to where it is emptied; the writer's */
	_Atomic uint32_t room;                 /* futex: counts up when room was made while `waiting` */
	_Alignas(64) _Atomic uint32_t waiting; /* a thread waits for room */
};

#define MR_RING_DATA_OFFSET 4096

struct mr_channel_ring {
	uint64_t offset;        /* of the struct mr_ring in the file */
	uint32_t size_bytes;    /* of its data: a power of two */
	uint32_t kind;          /* enum mr_ring_kind */
	_Atomic uint32_t state; /* enum mr_ring_state; written last */
	uint32_t tid;           /* of the thread that it was added for */
	uint64_t reserved;
};

/* From `ticks` on, time = ns + ((now - ticks) * multiplier >> 32).  The pieces
 * join: the function is the same for everyone, and never falls. */
struct mr_clock_segment {
	uint64_t ticks;
	uint64_t ns; /* since the stream's zero */
	uint64_t multiplier;
};

#define MR_CHANNEL_NAME_MAX 16
#define MR_CHANNEL_PATH_MAX 1024
#define MR_CHANNEL_COMMAND_MAX 4096

/* As what a process began, by its own account: it may have ended, or called exec(2) again, before
 * anybody looks.  What is not known is 0. */
struct mr_channel_process {
	uint32_t parent_pid;
	uint32_t command_len;
	uint64_t parent_start_ticks;
	char name[MR_CHANNEL_NAME_MAX];       /* as the kernel has it */
	char executable[MR_CHANNEL_PATH_MAX]; /* its path */
	char command[MR_CHANNEL_COMMAND_MAX]; /* words, each ends in a zero byte */
};

enum mr_channel_state {
	MR_CHANNEL_OPEN = 1,
	MR_CHANNEL_CLOSED = 2, /* nothing is appended any more */
};

struct mr_channel_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_size; /* sizeof(struct mr_channel_header) */
	uint32_t pid;
	_Atomic uint32_t state; /* enum mr_channel_state */
	uint32_t end_reason;    /* enum mr_end_reason, once closed */
	uint32_t clock_is_tsc;
	uint32_t source; /* enum mr_stream_source */
	uint64_t boot_id[2];
	uint64_t start_ticks;       /* of the process */
	uint64_t zero_monotonic_ns; /* the stream's zero */
	uint64_t zero_realtime_ns;
	_Atomic uint64_t size_bytes;                        /* of the file */
	_Atomic uint64_t end_time_ns;                       /* since zero, once closed */
	_Atomic uint64_t counters[MR_CHANNEL_COUNTERS_MAX]; /* enum mr_heap_counter */
	struct mr_channel_process process;                  /* with MR_SOURCE_HEAP only */
	_Atomic uint32_t ring_count;                        /* entries of `rings` in use */
	_Atomic uint32_t
		clock_count; /* segments ever added; the last MR_CHANNEL_CLOCK_SEGMENTS_MAX are kept */
	struct mr_clock_segment clock[MR_CHANNEL_CLOCK_SEGMENTS_MAX];
	struct mr_channel_ring rings[MR_CHANNEL_RINGS_MAX];
};

/* The writer's page: shared by all programs that it records. */
struct mr_channel_writer {
	uint64_t magic;
	uint32_t version;
	uint32_t pid;
	_Atomic uint64_t heartbeat_ns; /* CLOCK_MONOTONIC of its last sign of life */
	_Atomic uint32_t wake;         /* futex: set to 1 by programs */
	_Atomic uint32_t sleeping;     /* the writer waits on it: a program must make the system call */
};

/* ---- Handles ---------------------------------------------------------------- */

/* One process's view of a channel.  Not shared. */
struct mr_channel {
	struct mr_channel_header *header;
	struct mr_channel_writer *writer;
	int fd;           /* -1: private memory, or `reserve` */
	bool program;     /* this side appends */
	bool shared;      /* with another process */
	uint32_t serial;  /* in the name of the file until it is whole */
	uint8_t *reserve; /* all of the file, mapped; or NULL */
	uint64_t reserve_bytes;
	_Atomic(struct mr_ring *) rings[MR_CHANNEL_RINGS_MAX]; /* as mapped here; NULL until first used */
	uint32_t ring_sizes[MR_CHANNEL_RINGS_MAX]; /* of their data, as it was when they were mapped */
};

/* The program's side, for events of SOURCE (enum mr_stream_source).  With FOLDER (the
 * variable's value) NULL the memory is private.  Fills in identity and zero of the header.
 * MR_ERR_WRITE: the folder has no living writer, or no room. */
int mr_channel_create(struct mr_channel **channel, const char *folder, uint32_t source, struct mr_error *err)
	MR_MUST_CHECK;
/* The same for a program that may close every descriptor, or put another file in its place: all of
 * the file is mapped at once, address space for rings of RING_BYTES each, and the descriptor is
 * closed.  The memory of a ring is still reserved when it is added.  A forked child does not inherit
 * the mapping.  PREPARE may fill in more of the header before anybody sees it. */
int mr_channel_create_whole(struct mr_channel **channel, const char *folder, uint32_t source,
                            uint32_t ring_bytes, void (*prepare)(struct mr_channel_header *header),
                            struct mr_error *err) MR_MUST_CHECK;
/* In a forked child, of what its parent had made so: lets go of what was inherited. */
void mr_channel_forget_inherited(struct mr_channel *channel);
/* Adds a ring of KIND and SIZE_BYTES (a power of two).  It stays until the end: a
 * thread that ends leaves its ring to the next.  NULL: no memory, or too many. */
struct mr_ring *mr_channel_add_ring(struct mr_channel *channel, enum mr_ring_kind kind, uint32_t size_bytes,
                                    uint32_t *index);
/* Tells the writer that there is something to do. */
void mr_channel_wake(struct mr_channel *channel);

/* The writer's side. */

/* Creates the writer's page in FOLDER and maps it. */
int mr_channel_writer_create(struct mr_channel_writer **writer, const char *folder, struct mr_error *err)
	MR_MUST_CHECK;
void mr_channel_writer_close(struct mr_channel_writer *writer);
void mr_channel_heartbeat(struct mr_channel_writer *writer);
/* Its heart has beaten within MR_CHANNEL_HEARTBEAT_LIMIT_NS. */
bool mr_channel_writer_is_alive(const struct mr_channel_writer *writer);
/* Sleeps until a program wakes the writer, at most TIMEOUT_NS. */
void mr_channel_wait(struct mr_channel_writer *writer, uint64_t timeout_ns);
/* Maps the channel that a program made at PATH.  MR_ERR_FORMAT or
 * MR_ERR_VERSION when it is not one, or of another version. */
int mr_channel_attach(struct mr_channel **channel, const char *path, struct mr_error *err) MR_MUST_CHECK;
/* Ring INDEX as mapped here, with its data's size, or NULL: not there (yet), or not to be trusted. */
struct mr_ring *mr_channel_ring(struct mr_channel *channel, uint32_t index, uint32_t *size_bytes);

/* Unmaps; for either side.  NULL is fine. */
void mr_channel_close(struct mr_channel *channel);

/* ---- Clock -------------------------------------------------------------------- */

/* TICKS as ns since the stream's zero. */
uint64_t mr_channel_time_ns(const struct mr_channel_header *header, uint64_t ticks);

#endif
