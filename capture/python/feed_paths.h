/* SPDX-License-Identifier: MIT
 *
 * Names of referents as paths of the log.  Each referent of an object has a path of
 * the names that lead to it; summed up over a class, names count only up to their
 * first colon ("[V] 'a': 1" and "[V] 'a': 2" are one).  Private to feed_*.c.
 */
#ifndef MR_FEED_PATHS_H
#define MR_FEED_PATHS_H

#include "feed_sink.h"
#include "tracked_store.h"

/* The referents of a class under one merged path, at the snapshot that is summed up. */
struct mr_feed_sum {
	uint32_t class_index;
	uint32_t path;
	uint64_t count;
	uint64_t size;
	uint64_t flat;
};

struct mr_feed_node {  /* what the log knows of a node of the store; zeros: not yet looked at */
	uint32_t path; /* 0 for one that is too deep to be told */
	uint32_t sum;  /* in `sums`, 1.. */
};

struct mr_feed_pair; /* a place in a table */

struct mr_feed_table { /* pairs of numbers to a number; open addressing, at most half full */
	struct mr_feed_pair *pairs;
	size_t capacity;
	size_t count;
};

struct mr_feed_key {       /* what is left of names up to the colon */
	const char *bytes; /* the store's */
	uint32_t len;
	uint32_t string;
};

struct mr_feed_paths {
	struct mr_feed_table paths;  /* parent and string to path */
	struct mr_feed_table merged; /* class and path to sum */
	uint32_t path_last;
	struct mr_feed_node *nodes; /* by node of the store */
	size_t node_capacity;
	uint32_t *text_keys; /* by text: its key, 0 not yet looked for */
	size_t text_capacity;
	struct mr_feed_key *keys; /* 1.. */
	size_t key_count;
	size_t key_capacity;
	uint32_t *key_index; /* by hash */
	size_t key_index_capacity;
	struct mr_feed_sum *sums; /* 1.. */
	size_t sum_count;
	size_t sum_capacity;
	uint32_t pending; /* paths that wait to be defined, in the columns */
	uint64_t columns[3][256];
};

void mr_feed_paths_release(struct mr_feed_paths *paths);
/* Another store: its numbers mean other things.  What was defined stays defined. */
void mr_feed_paths_forget_store(struct mr_feed_paths *paths);

/* Finds out the paths of the nodes of TREE, an object's of CLASS_INDEX, whose names have the ids
 * STRINGS in the log; new ones are defined.  Its nodes are in `nodes` from then on.  -1: no memory. */
int mr_feed_paths_tree(struct mr_feed_paths *paths, struct mr_feed_sink *sink, const struct mr_store *store,
                       const uint32_t *strings, const struct mr_tracked_tree *tree, uint32_t class_index)
	MR_MUST_CHECK;
/* Defines what is still pending. */
void mr_feed_paths_flush(struct mr_feed_paths *paths, struct mr_feed_sink *sink);

#endif
