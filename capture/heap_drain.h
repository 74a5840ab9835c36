/* SPDX-License-Identifier: MIT
 *
 * Takes what a channel's rings hold (heap_events.h), in the order of time over all
 * of them, and hands it on in batches.  What gives ids their meaning (stacks,
 * modules) has no time and is handed on as it is found, before all events that
 * were found later.
 *
 * The rings are another program's memory: each word is read once, lengths are
 * checked, and a ring that holds nonsense is given up, with a message; the others
 * go on.  Stamps of a ring that fall, lie in the future, or are earlier than what was
 * taken before they were to be seen, are moved to where they can be true.  Private to
 * memrecord; one thread.
 */
#ifndef MR_HEAP_DRAIN_H
#define MR_HEAP_DRAIN_H

#include "heap_events.h"

struct mr_heap_drain;

#define MR_HEAP_BATCH 256

struct mr_heap_taken {
	uint64_t ticks;
	uint64_t address; /* 0 with MARK and THREAD */
	union {
		uint64_t size;                   /* bytes; of the mapping with MAP and UNMAP */
		struct mr_heap_text_taken *text; /* MARK and THREAD; the taker's to free with mr_free() */
	};
	uint32_t stack;
	uint16_t ring;
	uint8_t type; /* enum mr_heap_record_type */
};

struct mr_heap_text_taken {
	uint32_t flags;
	uint32_t tid;
	uint64_t stack_address;
	size_t len;
	char text[]; /* ends in a zero byte */
};

struct mr_heap_taker {
	void *context;
	/* COUNT events, at most MR_HEAP_BATCH, in the order of time. */
	void (*events)(void *context, const struct mr_heap_taken *events, size_t count);
	/* A STACK or MODULE record; false: it makes no sense. */
	bool (*stack)(void *context, const struct mr_heap_stack *record);
	bool (*module)(void *context, const struct mr_heap_module *record, const char *path,
	               const uint8_t *build_id);
};

/* CHANNEL is borrowed. */
int mr_heap_drain_new(struct mr_heap_drain **drain, struct mr_channel *channel,
                      const struct mr_heap_taker *taker, struct mr_error *err) MR_MUST_CHECK;
void mr_heap_drain_free(struct mr_heap_drain *drain);

/* Takes what is there and may be taken yet; with ENDED (nobody will append any more) all
 * that is there.  Gives the bytes of records that it took. */
uint64_t mr_heap_drain_run(struct mr_heap_drain *drain, bool ended, struct mr_error *complaint);
/* All events up to these ticks were handed on. */
uint64_t mr_heap_drain_taken_to(const struct mr_heap_drain *drain);
/* The tid that ring RING was made for. */
uint32_t mr_heap_drain_tid(const struct mr_heap_drain *drain, uint32_t ring);

struct mr_heap_drain_counts {
	uint64_t bytes;  /* of records */
	uint64_t events; /* of records with a time */
	uint64_t waits;  /* of the program's threads, for room */
	uint64_t wait_ns;
	uint64_t dropped;
	uint64_t rings_broken;
};

void mr_heap_drain_counts(const struct mr_heap_drain *drain, struct mr_heap_drain_counts *counts);
/* Waits of the threads that used ring INDEX. */
void mr_heap_drain_waits(const struct mr_heap_drain *drain, uint32_t index, uint64_t *waits,
                         uint64_t *wait_ns);
uint64_t mr_heap_drain_memory(const struct mr_heap_drain *drain); /* bytes, rings apart */
uint32_t mr_heap_drain_ring_count(const struct mr_heap_drain *drain);

/* The clock of the channel's stamps, now. */
uint64_t mr_heap_drain_ticks_now(const struct mr_heap_drain *drain);

#endif
