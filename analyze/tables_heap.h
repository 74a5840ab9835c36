/* SPDX-License-Identifier: MIT
 *
 * The heap of a run in a few figures, as several tables begin with them.
 */
#ifndef MR_TABLES_HEAP_H
#define MR_TABLES_HEAP_H

#include "output.h"

struct mr_heap_figures {
	uint64_t time_ns;    /* at a snapshot, or at the end of what is known */
	uint64_t live_bytes; /* then */
	uint64_t live_count;
	uint64_t peak_bytes; /* of the image that had the highest, so far */
	uint64_t peak_count;
	uint64_t peak_ns;
	uint64_t total_bytes; /* this and the following: of all images so far */
	uint64_t count;
	uint64_t frees;
	uint64_t temporary;
	uint64_t grown_bytes;
	bool has_ended; /* nothing follows: what is live is leaked */
};

/* Sums that only lying figures make overflow stay at the largest number. */
static inline uint64_t mr_sum(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* Those of RUN at the snapshot with that index, of its image; MR_INDEX_NONE: at its end.  False when
 * nothing of a heap is known. */
bool mr_heap_figures(const struct mr_run *run, uint32_t snapshot, struct mr_heap_figures *figures);
/* The name of a snapshot's reason: "interval", "peak", "mark", "request", "end". */
const char *mr_heap_reason_name(uint32_t reason);

#define MR_HEAP_FACTS_MAX 32

/* What the recorder did not see or had to guess. */
struct mr_heap_fact {
	const char *text;
	uint64_t value;
};
/* Those of RUN that are not 0: at most MR_HEAP_FACTS_MAX. Gives how many. */
size_t mr_heap_facts(const struct mr_model *model, const struct mr_run *run,
                     struct mr_heap_fact facts[MR_HEAP_FACTS_MAX]);
/* What the recorder's counter of that KEY counts, in words; NULL: it is not known. */
const char *mr_heap_counter_words(const char *key);
/* How often, and how long, threads of RUN waited for the recorder. */
void mr_heap_waits(const struct mr_run *run, uint64_t *waits, uint64_t *wait_ns);
/* How many of the modules that call stacks of RUN go through there are, and have no names. */
uint32_t mr_heap_nameless_modules(const struct mr_model *model, const struct mr_run *run,
                                  uint32_t *module_count);

/* Appends a size, as -b has it or short, to BUFFER. */
void mr_heap_put_bytes(struct mr_writing *writing, struct mr_buffer *buffer, uint64_t size_bytes);
/* "350 B in 4 blocks" and "in 1 block". */
void mr_heap_put_blocks(struct mr_writing *writing, uint64_t size_bytes, uint64_t count);
/* Appends the lines that sum RUN up: its peak, what is live, and all that was allocated. */
void mr_heap_put_figures(struct mr_writing *writing, const struct mr_heap_figures *figures);

/* Appends what is said of the heaps in WRITING's log, before the summary of tracked objects. */
int mr_summary_put_heap(struct mr_writing *writing, struct mr_error *err) MR_MUST_CHECK;

#endif
