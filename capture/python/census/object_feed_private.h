/* SPDX-License-Identifier: MIT
 *
 * What an object feed consists of, and how its rows become blocks.  Private to
 * object_feed*.c.
 */
#ifndef MR_OBJECT_FEED_PRIVATE_H
#define MR_OBJECT_FEED_PRIVATE_H

#include "feed_account.h"
#include "feed_capture.h"
#include "object_feed.h"

/* Rows in a block, where a row has so many columns that MR_FEED_ROWS of them may not fit a ring's block. */
#define MR_OBJECT_FEED_ROWS 1500u

struct mr_object_feed {
	struct memcapture *capture;
	struct mr_store *store;          /* of names, places and stacks; no object is in it */
	struct mr_feed_account *account; /* of `store`; its sink is where all blocks go */
	uint32_t graphs;                 /* that were told */
	uint64_t graphs_left_out;
	char path[PATH_MAX]; /* "": memrecord's, or not known */
};

/* False: there is nothing to do, FEED is NULL or this is a forked child. */
static inline bool mr_object_feed_alive(const struct mr_object_feed *feed)
{
	return feed != NULL && mr_tracker_alive(feed->capture);
}

/* How many of COUNT rows the next block takes. */
static inline uint32_t mr_object_feed_up_to(size_t count, uint32_t rows_max)
{
	return count < rows_max ? (uint32_t)count : rows_max;
}

/* The block under way gets the column ID, whose values are EXPRESSION of ROWS[i]. */
#define MR_OBJECT_FEED_COLUMN(feed, block, id, count, expression)      \
	do {                                                           \
		uint64_t *const values_ = (feed)->account->columns[0]; \
		for (size_t i = 0; i < (count); i++)                   \
			values_[i] = (expression);                     \
		mr_block_column((block), (id), values_);               \
	} while (0)

/* The id of TEXT (NULL: none), which is kept: to be used for what comes again. */
uint32_t mr_object_feed_text(struct mr_object_feed *feed, const char *text);
/* The same for text that is not expected again. */
uint32_t mr_object_feed_passing(struct mr_object_feed *feed, const char *text);
/* What the whole of a stream could not hold; before it is closed. */
void mr_object_feed_counters(struct mr_object_feed *feed);

#endif
