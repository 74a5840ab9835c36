/* SPDX-License-Identifier: MIT
 *
 * What the heap of one image of a process comes to: takes allocations and frees
 * in the order of time and keeps, for each call stack, what is live, what was live
 * at the high-water mark of all, totals, and histograms; and the same by thread.
 * Knows nothing of rings or logs.  Private to memrecord; one thread.
 *
 * The peak is exact, and costs nothing while it is far: `epoch` counts high-water
 * marks; a site that is changed for the first time after one first keeps a copy of
 * what it held, which is what it held at that mark.
 */
#ifndef MR_HEAP_PROFILE_H
#define MR_HEAP_PROFILE_H

#include "heap_blocks.h"
#include "log_format.h"

#define MR_HEAP_BUCKETS 65 /* 0, and a power of two each */

struct mr_heap_bucket {
	uint64_t count;
	uint64_t total_bytes;
};

/* A histogram that holds only the buckets that are used, in their order; or, once its site is
 * busy, all of them. */
struct mr_heap_histogram {
	uint64_t used; /* a bit a bucket; 63 and 64 share one */
	struct mr_heap_bucket *buckets;
	bool all; /* 64 buckets are there */
};

struct mr_heap_figures {
	uint64_t live_bytes;
	uint64_t live_count;
	uint64_t total_bytes;
	uint64_t count;
	uint64_t temporary;
	uint64_t reallocs;
	uint64_t grown_bytes;
	uint64_t lifetime_ns; /* of those that are gone */
};

struct mr_heap_site {
	struct mr_heap_figures figures;
	uint64_t epoch; /* the high-water mark that `marked` is of; any other: it holds what it held then */
	uint64_t marked_bytes;
	uint64_t marked_count;
	struct mr_heap_histogram sizes;
	struct mr_heap_histogram lifetimes;
	uint32_t stack; /* as the program numbers them */
	/* The log's: */
	uint32_t log_stack; /* row of heap_stacks.h; 0: not known yet */
	uint32_t twin;      /* index + 1 of the next site of the same stack; 0: none */
};

struct mr_heap_thread_figures {
	uint32_t tid;
	uint64_t total_bytes;
	uint64_t count;
	uint64_t frees;
	uint64_t temporary;
	uint64_t live_bytes;
	uint64_t live_count;
	uint64_t unknown_frees;
	uint64_t ticks_first; /* of its events; these two are the caller's to set */
	uint64_t ticks_last;
	uint64_t last_address; /* of its last allocation, while that is live; 0: none */
	/* The block that a realloc under way has taken out. */
	bool moving; /* between REALLOC_BEGIN and REALLOC_END */
	bool moving_known;
	bool moving_freed; /* by a free that came early: the new block's, if that is in the same place */
	uint64_t moving_sequence;
	uint64_t moving_address;
	struct mr_heap_block moving_block;
};

#define MR_HEAP_LATELY 256u /* blocks that were freed lately, of which something is known */

/* One of them. */
struct mr_heap_lately {
	uint64_t address;
	uint64_t ticks;
	uint32_t thread; /* that freed it */
};

/* Of all sites and threads together, since the profile began. */
struct mr_heap_sums {
	uint64_t total_bytes;
	uint64_t count;
	uint64_t frees; /* blocks that are gone, those that realloc took included */
	uint64_t temporary;
	uint64_t reallocs;
	uint64_t grown_bytes;
	uint64_t unknown_frees;
};

struct mr_heap_profile {
	struct mr_heap_blocks blocks;
	uint64_t live_bytes;
	uint64_t live_count;
	uint64_t live_max_bytes; /* since it was last set to what is live */
	uint64_t peak_bytes;
	uint64_t peak_count;
	uint64_t peak_ticks;
	uint64_t epoch;
	uint64_t sequence; /* of the last allocation, from 1 */
	uint64_t reallocs;
	uint64_t grown_bytes;
	uint64_t unseen_frees;    /* blocks that made way */
	uint64_t tick_multiplier; /* ns a tick, times 2^32 */
	uint64_t early_ticks;     /* by which a free may come too early; see heap_early.h */
	struct mr_heap_lately lately[MR_HEAP_LATELY]; /* by address; the last one of each place */
	struct mr_heap_site *sites;
	size_t site_count;
	size_t site_capacity;
	struct mr_heap_thread_figures *threads; /* the first is for those that have no place of their own */
	size_t thread_count;
	size_t thread_capacity;
	bool failed; /* there was no memory; figures are no longer right */
};

int mr_heap_profile_init(struct mr_heap_profile *profile, bool keep_sequences, struct mr_error *err)
	MR_MUST_CHECK;
void mr_heap_profile_release(struct mr_heap_profile *profile);
uint64_t mr_heap_profile_memory(const struct mr_heap_profile *profile); /* bytes */

/* A new site for STACK: its index; UINT32_MAX when there is no memory. */
uint32_t mr_heap_profile_add_site(struct mr_heap_profile *profile, uint32_t stack);
/* A new thread: its index, or 0 when it has to share. */
uint32_t mr_heap_profile_add_thread(struct mr_heap_profile *profile, uint32_t tid);

/* Thread THREAD got a block from SITE; both exist.  TICKS never fall.  False: there is a block at ADDRESS,
 * and nothing was changed. */
bool mr_heap_profile_alloc(struct mr_heap_profile *profile, uint32_t thread, uint32_t site, uint64_t address,
                           uint64_t size_bytes, uint64_t ticks);
/* The block at ADDRESS, if there is one, is gone: what freed it was not recorded. */
void mr_heap_profile_make_way(struct mr_heap_profile *profile, uint64_t address, uint64_t ticks);

#define MR_HEAP_NO_BLOCK UINT64_MAX
/* Gives how many allocations ago the block was made (1: the last one; 0: not known); MR_HEAP_NO_BLOCK: there
 * is none at ADDRESS, and nothing was changed. */
uint64_t mr_heap_profile_free(struct mr_heap_profile *profile, uint32_t thread, uint64_t address,
                              uint64_t ticks);
/* Whether another thread than THREAD freed a block at ADDRESS a moment before TICKS. */
bool mr_heap_profile_freed_lately(struct mr_heap_profile *profile, uint32_t thread, uint64_t address,
                                  uint64_t ticks);
/* Counts a free of a block that nothing is known of. */
void mr_heap_profile_free_unknown(struct mr_heap_profile *profile, uint32_t thread);
/* realloc: the old block, then the new one, for which another one makes way. */
void mr_heap_profile_realloc_begin(struct mr_heap_profile *profile, uint32_t thread, uint64_t address,
                                   uint64_t ticks);
/* ADDRESS 0: with SIZE_BYTES 0 the block was freed, otherwise it lives on.  Gives what free() gives, of
 * the old block; 0 when nothing ended. */
uint64_t mr_heap_profile_realloc_end(struct mr_heap_profile *profile, uint32_t thread, uint32_t site,
                                     uint64_t address, uint64_t size_bytes, uint64_t ticks);
/* A thread will append no more: a realloc that it never came back from took its block. */
void mr_heap_profile_settle(struct mr_heap_profile *profile, uint32_t thread, uint64_t ticks);

/* A mapping: a block that is found by other means. */
void mr_heap_profile_map(struct mr_heap_profile *profile, uint32_t thread, uint32_t site, uint64_t size_bytes,
                         uint64_t ticks);
/* PART of one, with the thread and the ticks of its mapping, is there no more; ALL: nothing is left of it. */
void mr_heap_profile_unmap(struct mr_heap_profile *profile, const struct mr_heap_block *part, bool all,
                           uint64_t ticks);

/* Adds it all up: takes as long as there are threads. */
void mr_heap_profile_sums(const struct mr_heap_profile *profile, struct mr_heap_sums *sums);

/* What SITE held at the high-water mark of all. */
void mr_heap_profile_peak_of(const struct mr_heap_profile *profile, const struct mr_heap_site *site,
                             uint64_t *bytes, uint64_t *count);

static inline unsigned mr_heap_bucket_of(uint64_t value)
{
	return value ? 64u - (unsigned)__builtin_clzll(value) : 0;
}

/* The bucket of bit BIT of a histogram's `used`, and where it lies. */
static inline const struct mr_heap_bucket *mr_heap_histogram_at(const struct mr_heap_histogram *histogram,
                                                                unsigned bit)
{
	return &histogram->buckets[histogram->all ? bit
	                                          : (unsigned)__builtin_popcountll(
							    histogram->used & ((UINT64_C(1) << bit) - 1))];
}

#endif
