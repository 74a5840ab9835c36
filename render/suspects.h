/* SPDX-License-Identifier: MIT
 *
 * Who is to blame for what a heap looks like: a few rules with thresholds over
 * what was recorded, each finding a plain sentence with its evidence.
 *
 * It reads report_heap.h alone and knows nothing of pages; section_suspects.c
 * shows what it finds.
 */
#ifndef MR_SUSPECTS_H
#define MR_SUSPECTS_H

#include "report_heap.h"

enum mr_suspicion {
	MR_SUSPECT_LEAK,
	MR_SUSPECT_GROWTH,
	MR_SUSPECT_PEAK,
	MR_SUSPECT_BIG,
	MR_SUSPECT_CHURN,
	MR_SUSPECT_REALLOC,
	MR_SUSPECT_WAIT,
	MR_SUSPICIONS,
};

struct mr_suspect {
	enum mr_suspicion suspicion;
	size_t index;      /* of the place, or of the thread */
	double weight;     /* part of the whole that the rule looks at */
	const char *title; /* of the rule: "Leak" */
	char text[512];    /* what is said of NAME: "holds 12.3 MiB in ..." */
	char name[192];    /* shown as code; cut, raw bytes */
};

#define MR_SUSPECTS_MAX 24

/* Fills SUSPECTS, by rule, then by weight; gives how many.  END_WORDS: "at exit".  LIMIT: of each rule at
 * most that many. */
size_t mr_suspects_find(const struct mr_report_heap *heap, uint64_t duration_ns, const char *end_words,
                        size_t limit, struct mr_suspect suspects[MR_SUSPECTS_MAX]);
/* What is not to be blamed on anyone: a sentence for that rule; NULL where nothing needs to be said. */
const char *mr_suspects_none(enum mr_suspicion suspicion, const struct mr_report_heap *heap);

/* Whether to be alarmed: a leak of a few bytes is none of most programs' troubles. */
bool mr_suspect_is_grave(const struct mr_suspect *suspect, const struct mr_report_heap *heap);
/* PART of WHOLE as a sentence has it: "63 %", "less than 0.1 %". */
void mr_percent_words(char out[32], double part, double whole);

#endif
