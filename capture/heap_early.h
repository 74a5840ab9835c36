/* SPDX-License-Identifier: MIT
 *
 * Events that came a little before what makes sense of them: an allocation at an
 * address where there still is a block, a free where there is none yet.  Threads read
 * the clock without waiting for what they have begun (heap_events.h), so that of two
 * events of one address, by two threads, the second may be told first.  Such an event
 * waits until the other one has come; one for which none comes within some
 * microseconds has none in the log.  The events of one thread are in their true order: what
 * it did with the address after such an event waits behind it.
 *
 * A thread may be early by more than one event of another one.  Two frees of one address by two
 * threads then stand in either order, and only the one that finds no block waits; it may
 * be that the other one belongs to the next block, so that nothing waits behind this one.  A free
 * that comes before a realloc in place finds the old block: the realloc, which then finds
 * none, gives its new block to it (heap_profile.h).  Private to memrecord; one thread.
 */
#ifndef MR_HEAP_EARLY_H
#define MR_HEAP_EARLY_H

#include "heap_drain.h"

/* A processor is ahead by less than a thousand instructions, of which some wait for memory. */
#define MR_HEAP_EARLY_NS UINT64_C(20000)
#define MR_HEAP_EARLY_MAX 32 /* events that wait */

struct mr_heap_early_event {
	struct mr_heap_taken event; /* ALLOC or FREE */
	uint32_t thread;            /* the profile's */
	bool in_order;              /* of what the thread does with the address, it is the next */
};

struct mr_heap_early {
	uint32_t count;
	struct mr_heap_early_event events[MR_HEAP_EARLY_MAX]; /* as they came */
};

/* Whether an event of THREAD at ADDRESS waits in order. */
bool mr_heap_early_has(const struct mr_heap_early *early, uint32_t thread, uint64_t address);

/* Keeps EVENT; there is room for it.  IN_ORDER: what THREAD does with the address later waits behind it. */
void mr_heap_early_keep(struct mr_heap_early *early, const struct mr_heap_taken *event, uint32_t thread,
                        bool in_order);

/* Something happened at ADDRESS at TICKS: TAKE is called with each event that waits there, with TICKS for its
 * time, until none makes sense any more; true: it did.  No event comes before one of its own thread. */
void mr_heap_early_retry(struct mr_heap_early *early, uint64_t address, uint64_t ticks,
                         bool (*take)(void *context, const struct mr_heap_early_event *early), void *context);

/* Takes out the first that came before TICKS; false: there is none. */
bool mr_heap_early_overdue(struct mr_heap_early *early, uint64_t ticks, struct mr_heap_early_event *overdue);

/* Takes out the first of THREAD at ADDRESS that waits in order; false: there is none. */
bool mr_heap_early_take(struct mr_heap_early *early, uint32_t thread, uint64_t address,
                        struct mr_heap_early_event *taken);

#endif
