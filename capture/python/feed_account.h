/* SPDX-License-Identifier: MIT
 *
 * A store's account as blocks of the log: what has been told of it, and how the
 * store's numbers are numbers of the log.  A dump tells all of it at once; a log that
 * is written as the program runs tells of each thing when it happens.  Both go through
 * the functions here, so both hold the same rows.  Private to feed_*.c and log_feed*.c;
 * under the GIL, and no Python code runs in here.
 */
#ifndef MR_FEED_ACCOUNT_H
#define MR_FEED_ACCOUNT_H

#include "feed_paths.h"
#include "feed_sink.h"
#include "tracked_store.h"

#define MR_FEED_CREATOR "memcapture (Python) " MR_VERSION_STRING
#define MR_FEED_COLUMNS 9

struct mr_feed_class { /* what the log says of a class */
	uint64_t size;
	uint32_t level;
	uint32_t flags; /* enum mr_class_flag */
	bool learned;   /* from its first object */
	bool chosen;    /* level and flags are those that it was tracked with */
};

struct mr_feed_account {
	struct mr_feed_sink sink;
	struct mr_store *store; /* borrowed */

	/* What is added to the store's numbers: a log may go on with another store. */
	uint64_t object_base;
	uint32_t class_base;
	uint32_t code_base;
	uint32_t stack_base;
	uint64_t snapshot_base;

	/* The first of the store's that has not been told. */
	uint32_t text_next;
	uint32_t class_next;
	uint32_t code_next;
	uint32_t stack_next;

	uint32_t *strings; /* by text: its id in the log */
	size_t string_capacity;
	struct mr_feed_class *classes; /* by class */
	size_t class_capacity;
	uint32_t *labels; /* by row: the label that was told, times 2, plus 1 for its default form */
	size_t label_capacity;
	struct mr_feed_paths paths;

	/* For a dump of several snapshots: each row's state at the snapshot that is told, and what
	 * comes after a state; NULL: the row's last one. */
	uint32_t *state_now;
	uint32_t *state_first; /* by row */
	uint32_t *state_after; /* by state */
	bool labels_at_end;    /* labels are told at an object's last snapshot */

	uint32_t rows; /* in `columns`, of the block that is gathered */
	uint64_t columns[MR_FEED_COLUMNS][MR_FEED_ROWS];
	uint32_t label_rows;
	uint64_t label_columns[3][MR_FEED_ROWS];
	uint32_t referent_rows;
	uint64_t referent_columns[4][MR_FEED_ROWS];
};

/* STORE is borrowed; the sink is the caller's to set up.  NULL: no memory. */
struct mr_feed_account *mr_feed_account_new(struct mr_store *store);
void mr_feed_account_free(struct mr_feed_account *account);
/* Goes on with STORE.  FRESH: the log knows nothing any more. */
void mr_feed_account_move(struct mr_feed_account *account, struct mr_store *store, bool fresh);

/* Failures of all of these are kept in the sink. */

/* Tells what names and places the store has got since the last time. */
void mr_feed_account_definitions(struct mr_feed_account *account);
/* A class was tracked with these options. */
void mr_feed_account_class(struct mr_feed_account *account, uint32_t class_index, uint32_t level,
                           uint32_t flags);
/* Tells what a class's first object is like, which the others mostly are like too. */
void mr_feed_account_learn(struct mr_feed_account *account, const struct mr_tracked_row *row);
void mr_feed_account_births(struct mr_feed_account *account); /* of all rows */
void mr_feed_account_deaths(struct mr_feed_account *account);
/* Everything that the store's snapshot INDEX found: sizes, referents, labels and sums. */
void mr_feed_account_snapshot(struct mr_feed_account *account, uint32_t index);
/* All snapshots of the store, one after the other. */
void mr_feed_account_snapshots(struct mr_feed_account *account);
/* Lets go of what telling several snapshots needs. */
void mr_feed_account_forget_states(struct mr_feed_account *account);

/* CLOCK_REALTIME at ZERO_NS of CLOCK_MONOTONIC.  All trackers of a process have the same zero, so the
 * nanoseconds below a microsecond tell their streams, and those of several dumps, from copies of one. */
uint64_t mr_feed_zero_realtime_ns(uint64_t zero_ns);

/* ERR as a Python error: MemoryError, or an OSError; PATH (or NULL) is the log that is to blame. */
void mr_feed_raise(const struct mr_error *err, const char *path);

/* To be called for a row that is told of, after mr_feed_account_definitions(). */
static inline void mr_feed_account_meet(struct mr_feed_account *account, const struct mr_tracked_row *row)
{
	if (MR_UNLIKELY(row->class_index < account->class_next &&
	                !account->classes[row->class_index].learned))
		mr_feed_account_learn(account, row);
}

static inline uint64_t mr_feed_account_object(const struct mr_feed_account *account, uint32_t row)
{
	return account->object_base + row;
}

static inline uint32_t mr_feed_account_string(const struct mr_feed_account *account, uint32_t text)
{
	return text != 0 && text < account->text_next ? account->strings[text] : 0;
}

#endif
