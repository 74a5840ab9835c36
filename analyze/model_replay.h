/* SPDX-License-Identifier: MIT
 *
 * Goes through the snapshots of one stream in order and through what its SIZES,
 * REFERENTS and LABELS blocks say at each.  Who uses it keeps what it needs:
 * the columns of all objects (model_sizes.c) or the states of a few
 * (model_details.c).  Private to the model.
 */
#ifndef MR_MODEL_REPLAY_H
#define MR_MODEL_REPLAY_H

#include "model_private.h"

struct mr_replay;

#define MR_REPLAY_FILTER_WORDS 256

/* Each gives 0 to go on, 1 to end, or an error.  NULL: not of interest. */
struct mr_replay_hooks {
	/* Snapshot replay->snapshot begins: a key snapshot resets the objects that are in it. */
	int (*begin)(struct mr_replay *replay, bool key, struct mr_error *err);
	/* COUNT objects have these sizes from here on; FREED: they had them when they were freed. */
	int (*sizes)(struct mr_replay *replay, bool freed, const uint32_t *rows, const uint64_t *sizes,
	             const uint64_t *flats, size_t count, struct mr_error *err);
	/* The same of COUNT objects, MR_CHUNK at most, whose rows lie side by side from ROW on, all of them
	 * in the snapshot; SEEN: and in the one before it.  FLATS may be SIZES.  NULL: `sizes` is called. */
	int (*stretch)(struct mr_replay *replay, size_t row, const uint64_t *sizes, const uint64_t *flats,
	               size_t count, bool seen, struct mr_error *err);
	/* A referent of the object in ROW. */
	int (*referent)(struct mr_replay *replay, bool freed, uint32_t row,
	                const struct mr_state_referent *referent, struct mr_error *err);
	int (*label)(struct mr_replay *replay, bool freed, uint32_t row, uint32_t text, uint64_t form,
	             struct mr_error *err);
	/* All that the log says of the snapshot was said. */
	int (*end)(struct mr_replay *replay, struct mr_error *err);
};

struct mr_replay {
	struct mr_model *model;
	struct mr_run *run;
	struct mr_stream_state *stream;
	const struct mr_replay_hooks *hooks;
	void *context;
	size_t row_first; /* rows of the stream */
	size_t row_end;
	bool imported;     /* objects have sizes only where rows say so, in a snapshot or not */
	bool census;       /* an object of which nothing else is known has the size that it was born with */
	uint32_t snapshot; /* index in the run's; MR_INDEX_NONE before the first */
	uint64_t time_ns;  /* its time */
	uint64_t time_before_ns; /* the time of the one before; MR_NONE: there is none */
	/* The classes of objects at this time, by row; the run's column where none ever changes. */
	const uint32_t *class_index;

	uint32_t *classes_now; /* owned, or NULL */
	size_t change_next;
	size_t first;    /* positions in stream->numbered: where to begin */
	size_t last;     /* and the last one of interest */
	size_t position; /* of `snapshot` */
	uint64_t number; /* what rows of it call it, once one did; or 0 */
	bool open;       /* its end was not told yet */
	bool done;       /* past the last, or told to end */
	uint64_t work_left;
	size_t row_next; /* the row that is expected next */
	bool filtered;   /* only objects in `filter` matter, and some others */
	uint64_t filter[MR_REPLAY_FILTER_WORDS];
};

/* Adds an object to those that matter. */
static inline void mr_replay_want(struct mr_replay *replay, uint64_t object)
{
	replay->filtered = true;
	replay->filter[object / 64 % MR_REPLAY_FILTER_WORDS] |= UINT64_C(1) << object % 64;
}

static inline bool mr_replay_wants(const struct mr_replay *replay, uint64_t object)
{
	return !replay->filtered ||
	       (replay->filter[object / 64 % MR_REPLAY_FILTER_WORDS] >> object % 64 & 1) != 0;
}

/* Runs HOOKS over the snapshots of STREAM at positions [first, last] of its
 * `numbered`, beginning at a key snapshot where there is one. */
int mr_replay_run(struct mr_replay *replay, struct mr_error *err) MR_MUST_CHECK;

/* Counts work on ROWS rows against what a log of its size justifies; MR_ERR_LIMIT ends the replay. */
int mr_replay_spend(struct mr_replay *replay, uint64_t rows, struct mr_error *err) MR_MUST_CHECK;

/* The size of an object of which nothing else is known: its class's, but for a census. */
static inline uint64_t mr_replay_class_size(const struct mr_replay *replay, size_t row)
{
	const uint64_t size_bytes = replay->run->classes[replay->class_index[row]].size_bytes;

	return replay->census ? mr_birth_size(&replay->run->objects, row, size_bytes) : size_bytes;
}

#endif
