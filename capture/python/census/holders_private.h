/* SPDX-License-Identifier: MIT
 *
 * What the files of the holders share: the walk from the roots (holders_walk.c), the
 * roots (holders_roots.c), the names of the references on the paths and the patterns
 * that they form (holders_names.c, holders_patterns.c), and the groups (holders.c).
 *
 * All of it lives within mr_census_begin() and mr_census_end(): nothing is referred
 * to, everything is borrowed.  Needs the GIL.  Private to holders*.c.
 */
#ifndef MR_HOLDERS_PRIVATE_H
#define MR_HOLDERS_PRIVATE_H

#include "holders.h"
#include "path_names.h"
#include "referrers_index.h"
#include "size_seen.h"

/* ---- The walk: holders_walk.c --------------------------------------------------------------- */

#define MR_REACH_NONE (UINT32_MAX >> 1) /* a root's parent, and a node that there is not */
#define MR_REACH_DONE (~MR_REACH_NONE)  /* in a parent: the node's referents have been gone through */

struct mr_reach_root {
	uint32_t node;
	enum mr_holder_root kind;
	const void *frame; /* a frame, which need not be an object; or NULL */
	PyObject *name;    /* a module's, or NULL */
	const char *word;  /* what else the root is called by */
};

struct mr_reach {
	PyObject *module;
	PyObject **objects; /* nodes in the order in which they were reached; NULL: a frame */
	uint32_t *parents;  /* as many; those of one parent lie together */
	size_t count;
	size_t capacity;
	size_t parent_capacity;
	size_t next; /* node to go on from */
	struct mr_reach_root *roots;
	size_t root_count;
	size_t root_capacity;
	size_t root_next; /* the first that was not gone through */
	struct mr_seen seen;
	struct mr_index wanted; /* the objects that are looked for, by the first place in `held` */
	uint32_t *found;        /* of each: its node */
	size_t wanted_left;
	struct mr_reach_late {
		PyObject *object; /* or NULL */
		uint32_t parent;  /* MR_REACH_NONE: not met yet */
	} late[2];
	uint32_t parent; /* for what is visited now */
	bool failed;     /* no memory */
};

/* -1: no memory, without a Python error. */
int mr_reach_init(struct mr_reach *reach, PyObject *module, const struct mr_held *held, size_t count);
void mr_reach_release(struct mr_reach *reach);
/* Adds a root unless it was reached already; OBJECT may be NULL when there is a frame. */
void mr_reach_add_root(struct mr_reach *reach, PyObject *object, struct mr_reach_root root);
/* What is never to be reached. */
void mr_reach_hide(struct mr_reach *reach, const PyObject *object);
/* What is to be reached only if all else fails: mr_reach_late().  At most two. */
void mr_reach_put_off(struct mr_reach *reach, PyObject *object);
void mr_reach_late(struct mr_reach *reach);
bool mr_reach_is_seen(struct mr_reach *reach, const PyObject *object);
/* Goes on until all that is looked for is found, or all that can be reached is. */
void mr_reach_run(struct mr_reach *reach);

/* ---- The roots: holders_roots.c ------------------------------------------------------------- */

/* What the objects were handed over in, which is no part of the program. */
struct mr_holders_given {
	PyObject *lists[2];         /* or NULL */
	struct mr_index references; /* of objects in them: how many there are */
};

/* Looks for all of HELD, from one kind of roots after the other.  -1 with a Python error. */
int mr_roots_search(struct mr_reach *reach, const struct mr_held *held, size_t held_count,
                    const struct mr_holders_given *given);

/* As mr_holders_find(), within mr_census_begin(). */
int mr_holders_search(PyObject *module, const struct mr_held *held, size_t count, size_t ways_max,
                      const struct mr_holders_given *given, struct mr_holders *out);

/* ---- The names: holders_names.c ------------------------------------------------------------- */

struct mr_named { /* a node on a path to something that was looked for */
	uint32_t node;
	uint32_t parent;  /* in `nodes`; MR_REACH_NONE: a root */
	uint32_t pattern; /* of the path to it */
	uint32_t length;  /* of the path to it */
	struct mr_step step;
};

struct mr_names {
	struct mr_named *nodes;
	size_t count;
};

struct mr_patterns;

/* -1: no memory, without a Python error. */
int mr_names_make(const struct mr_reach *reach, const uint32_t *wanted, size_t count,
                  struct mr_patterns *patterns, struct mr_names *names);
void mr_names_release(struct mr_names *names);
/* The place of NODE in `nodes`. */
uint32_t mr_names_find(const struct mr_names *names, uint32_t node);
/* Bit I: the step that is the I-th from the end, of at most 64, is another on the path to A than on that to
 * B, whose patterns are the same. */
uint64_t mr_names_compare(const struct mr_names *names, uint32_t a, uint32_t b);
/* Appends what a root is called. */
void mr_root_text(const struct mr_reach *reach, const struct mr_reach_root *root, struct mr_buffer *out);
const struct mr_reach_root *mr_root_of(const struct mr_reach *reach, uint32_t node);

/* ---- The patterns: holders_patterns.c ------------------------------------------------------- */

struct mr_patterns *mr_patterns_new(void);
void mr_patterns_free(struct mr_patterns *patterns);
/* The pattern of a root that is called TEXT, of PARENT (MR_REACH_NONE: a root) and a step.  RECURSIVE:
 * the step leads from an object to another of the same type.  MR_REACH_NONE: no memory. */
uint32_t mr_patterns_root(struct mr_patterns *patterns, const char *text, size_t len);
uint32_t mr_patterns_extend(struct mr_patterns *patterns, uint32_t parent, const struct mr_step *step,
                            bool recursive);
/* The part of PATTERN before what stands for any number of steps; all of it where there is no such. */
uint32_t mr_pattern_plain(const struct mr_patterns *patterns, uint32_t pattern);
/* Steps, from its end, that differ between the paths of a plain pattern. */
uint64_t mr_pattern_differing(const struct mr_patterns *patterns, uint32_t pattern);
/* Another path of a plain pattern, to NAMED in NAMES. */
void mr_pattern_note(struct mr_patterns *patterns, uint32_t pattern, const struct mr_names *names,
                     uint32_t named);
/* Appends PATTERN from behind AFTER (MR_REACH_NONE: all of it). */
void mr_pattern_text(const struct mr_patterns *patterns, uint32_t pattern, uint32_t after,
                     struct mr_buffer *out);

#endif
