/* SPDX-License-Identifier: MIT
 *
 * The call stacks of one image of a process, as its interposer names them (nodes:
 * a return address and the caller's node), and as the log names them (STACKS and
 * CODE rows).  Two nodes may be the same place, for two threads may meet it at
 * once; there is one row for both.  A row is made when a site first needs it, and
 * gets its number in the log when it is to be written: depth first over all that
 * are written together, since neighbours then look alike.  What the interposer
 * says is another program's word.  Private to memrecord.
 */
#ifndef MR_HEAP_STACKS_H
#define MR_HEAP_STACKS_H

#include "heap_events.h"

struct mr_heap_node {
	uint64_t return_address; /* 0: not defined yet */
	uint32_t parent;
	uint32_t module;
	uint32_t row;  /* of `stacks`; 0: none yet */
	uint32_t site; /* index + 1 in the profile; 0: none */
};

struct mr_heap_module_known {
	char *path;     /* "": not known; NULL: no such module */
	char *build_id; /* lower-case hexadecimal, "" for none */
	uint64_t base;
	bool written; /* the log's to set */
};

/* Pairs of numbers that have been met, counted from 1. */
struct mr_heap_pair {
	uint64_t first;
	uint64_t second;
};
struct mr_heap_pairs {
	struct mr_heap_pair *items;
	size_t count;
	size_t capacity;
	uint32_t *slots; /* open addressing: number of the pair; 0: empty */
	size_t slot_count;
};

/* The numbers that pairs have in the log. */
struct mr_heap_numbers {
	uint32_t *of; /* by pair; 0: none yet */
	size_t of_count;
	size_t of_capacity;
	uint32_t *pairs; /* by number, from 0 for number 1: the pair that has it */
	size_t count;
	size_t capacity;
};

struct mr_heap_stacks {
	struct mr_heap_node *nodes; /* by id; 0 is not used */
	size_t node_count;          /* ids up to this one, less 1, have room */
	size_t node_capacity;
	size_t defined;
	struct mr_heap_module_known *modules; /* by id */
	size_t module_count;
	size_t module_capacity;
	struct mr_heap_pairs codes;  /* module, return address; or MR_HEAP_NAMED, enum mr_heap_named */
	struct mr_heap_pairs stacks; /* parent's row, code; a parent comes before its children */
	struct mr_heap_numbers code_numbers;
	struct mr_heap_numbers stack_numbers;
};

/* Frames that are no places in the code but stand for sites that the log does not have one by one. */
#define MR_HEAP_NAMED UINT64_MAX
enum mr_heap_named { MR_HEAP_NAMED_IDLE, MR_HEAP_NAMED_FOLDED };
const char *mr_heap_named_text(enum mr_heap_named name);

void mr_heap_stacks_release(struct mr_heap_stacks *stacks); /* zeroes are fine */
uint64_t mr_heap_stacks_memory(const struct mr_heap_stacks *stacks);

/* What a STACK or MODULE record says.  MR_ERR_FORMAT: nonsense.  MR_ERR_NOMEM. */
int mr_heap_stacks_define(struct mr_heap_stacks *stacks, const struct mr_heap_stack *record) MR_MUST_CHECK;
int mr_heap_stacks_module(struct mr_heap_stacks *stacks, const struct mr_heap_module *record,
                          const char *path, size_t path_len, const uint8_t *build_id, size_t build_id_len)
	MR_MUST_CHECK;

/* The node ID, defined or not yet; NULL: none that can be (0, or far beyond all that are
 * known), or no memory.  Valid until the next call of any of these. */
struct mr_heap_node *mr_heap_stacks_node(struct mr_heap_stacks *stacks, uint32_t id);

/* The row for node ID, made now if need be, its callers' as well; 0: it is not known all
 * the way out.  MR_ERR_NOMEM. */
int mr_heap_stacks_row(struct mr_heap_stacks *stacks, uint32_t id, uint32_t *row) MR_MUST_CHECK;
/* The row of frame NAME as called by row CALLER; 0: by nobody. */
int mr_heap_stacks_named_row(struct mr_heap_stacks *stacks, uint32_t caller, enum mr_heap_named name,
                             uint32_t *row) MR_MUST_CHECK;

/* Says that ROW and its callers are to have numbers; mr_heap_stacks_number() gives them, to all that
 * have none yet, and to their codes.  What is numbered stands at the end of `pairs`. */
int mr_heap_stacks_want(struct mr_heap_stacks *stacks, uint32_t row) MR_MUST_CHECK;
int mr_heap_stacks_number(struct mr_heap_stacks *stacks) MR_MUST_CHECK;
/* The number of ROW in the log; 0: it has none. */
static inline uint32_t mr_heap_stacks_number_of(const struct mr_heap_stacks *stacks, uint32_t row)
{
	return row && row <= stacks->stack_numbers.of_count ? stacks->stack_numbers.of[row - 1] : 0;
}

#endif
