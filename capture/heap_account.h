/* SPDX-License-Identifier: MIT
 *
 * The account of a process's memory: each mapping of /proc/PID/smaps belongs to
 * the heap, thread stacks, mapped files, the recorder, shared memory or what is
 * left, and together they are what is resident.  Makes the log's ACCOUNT rows.
 * Private to memrecord; no state, safe from any thread on data of its own.
 *
 * To read it the kernel walks all page tables of the process under a lock that the
 * process waits for (a millisecond for half a GiB, as a rule), so it is done at most
 * 0.3% of the time: mr_heap_account_pace says when.
 */
#ifndef MR_HEAP_ACCOUNT_H
#define MR_HEAP_ACCOUNT_H

#include "log_writer.h"

/* A row; bytes. HEAP + FILES + STACKS + RECORDER + SHARED + ANONYMOUS is RSS. */
struct mr_heap_account {
	uint64_t time_ns; /* the caller's; since the stream's zero */
	uint64_t rss;
	uint64_t heap; /* resident pages of mappings that hold blocks */
	uint64_t live; /* the caller's: requested bytes that are live */
	uint64_t files;
	uint64_t stacks;
	uint64_t recorder;
	uint64_t shared;
	uint64_t anonymous;
	uint64_t swap;
	uint64_t heap_mapped; /* address space of HEAP's mappings */
};

/* What the caller knows of the addresses of the process; everything may be 0. */
struct mr_heap_account_known {
	/* Whether a block of the heap lies in [BEGIN, END), or did lately.  A mapping may be as large as
	 * address space goes: this must not look at each of its pages. */
	bool (*holds_block)(void *context, uint64_t begin, uint64_t end);
	void *context;
	const uint64_t *stack_addresses; /* one in the stack of each thread, ascending */
	size_t stack_count;
	const char *channel_folder; /* mappings of files below it are the recorder's */
	uint64_t recorder_bytes;    /* private memory of the recorder */
};

/* Reads the account of process PID (0: this one) into ACCOUNT; time and live stay as they are.
 * MR_ERR_READ: it is gone, has no memory any more, or may not be looked at. */
int mr_heap_account_read(uint32_t pid, const struct mr_heap_account_known *known,
                         struct mr_heap_account *account, struct mr_error *err) MR_MUST_CHECK;

/* The same of a text that is read piece by piece: begin, feed any number of times, end. */
struct mr_heap_account_parser {
	const struct mr_heap_account_known *known; /* borrowed */
	struct mr_heap_account account;
	uint64_t begin, end; /* of the mapping at hand */
	uint64_t file_end;   /* of the mapping before, when it was a file's that can be written to; or 0 */
	uint64_t *share;     /* what the mapping at hand counts to; NULL before the first */
	bool is_heap;        /* likewise */
	size_t line_len;
	char line[4224]; /* a path of 4096 bytes fits */
};
void mr_heap_account_begin(struct mr_heap_account_parser *parser, const struct mr_heap_account_known *known);
void mr_heap_account_feed(struct mr_heap_account_parser *parser, const char *text, size_t len);
void mr_heap_account_end(struct mr_heap_account_parser *parser, struct mr_heap_account *account);

/* Writes COUNT rows (by time) as blocks of STREAM. */
int mr_heap_account_write(struct mr_log_writer *log, uint32_t stream, const struct mr_heap_account *rows,
                          size_t count, struct mr_error *err) MR_MUST_CHECK;

/* When the next look is due: zeroed at the start.  NOW is CLOCK_MONOTONIC.  Looks get a fixed share of the
 * time; but a process that is young gets some more, each after twice the time, so that of a program that
 * runs for moments there is something to tell. */
struct mr_heap_account_pace {
	uint64_t due_ns;
	uint64_t first_ns; /* of the first look */
};
static inline bool mr_heap_account_is_due(const struct mr_heap_account_pace *pace, uint64_t now_ns)
{
	return now_ns >= pace->due_ns;
}
/* A look took from BEGIN to END. */
void mr_heap_account_looked(struct mr_heap_account_pace *pace, uint64_t begin_ns, uint64_t end_ns);

#endif
