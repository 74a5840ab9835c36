/* SPDX-License-Identifier: MIT
 *
 * The sizing of objects: flat size, size with all that an object alone keeps
 * reachable, and its referents by resolution level, from layouts.  One pass
 * (struct mr_sizer) serves one snapshot and remembers what it has counted.
 * It knows nothing of trackers, logs or threads.  Private to capture/.
 *
 * Semantics, from ClassTracker: memory that two objects share counts for the
 * one that is sized first; a tracked object reached from another is not added
 * to it; cycles end where they meet something counted.  Strings count their
 * bytes with the final zero.
 *
 * Sums close: an object's size is its flat size and the sizes of its referents
 * at level 1, and the same holds for every referent whose own are told apart.
 * sizer_resolve.c says what is counted where for each kind of field.
 *
 * - An address counts once, as what it was first reached as.
 * - What a member points to within the object's own memory (a buffer for short
 *   text, a small array inside the struct) adds no bytes; what elements and
 *   objects in there lead to is followed.
 * - Each element of an array is claimed, so that a pointer to one of them does
 *   not count it again, and a tracked element is left out; a block is not looked
 *   into.  A list goes on behind a tracked or counted node.
 * - Nothing of no size is counted: an empty block, array or table of pointers,
 *   a block that claims more bytes than an address space has, a count that is
 *   negative as a signed number (of 4 or 8 bytes).
 * - A walk can give a path at most 1024 different names; others are "...". Names
 *   are cut after 255 bytes.
 *
 * Time and memory: about 16 bytes for each window of 512 bytes in which
 * something was counted (64 bytes for addresses that are not multiples of 8),
 * and a stack for what is below the resolution level, which grows with the
 * branching of what is followed.  The thread's own stack is used only for the
 * levels that are told apart.
 */
#ifndef MR_SIZER_H
#define MR_SIZER_H

#include "base.h"
#include "memcapture.h"

/* Names of referents, interned: "employees" under the root, "[]" under that.
 * The owner (the tracker) gives ids that fit the log's PATHS. */
struct mr_path_source {
	/* The id (1..) of NAME under PARENT (0: an object itself), made when new; 0: no memory. */
	uint32_t (*intern)(void *context, uint32_t parent, const char *name);
	void *context;
};

struct mr_referent {
	uint32_t path;
	uint32_t level;      /* 1: direct */
	uint64_t count;      /* elements merged under this path */
	uint64_t size_bytes; /* with what it alone keeps reachable */
	uint64_t flat_bytes;
};

struct mr_sized {
	uint64_t size_bytes;
	uint64_t flat_bytes;
	/* Depth first, a parent before its children; one entry a path; borrowed
	 * from the sizer until the next call. */
	const struct mr_referent *referents;
	size_t referent_count;
};

struct mr_sizer;

/* PATHS is copied.  Its ids stay in use until mr_sizer_free(). */
int mr_sizer_new(struct mr_sizer **sizer, const struct mr_path_source *paths, struct mr_error *err)
	MR_MUST_CHECK;
void mr_sizer_free(struct mr_sizer *sizer);
/* Forgets what was counted, keeps its memory when that is small (for the next snapshot). */
void mr_sizer_clear(struct mr_sizer *sizer);
/* OBJECT is tracked: it is never part of another's size.  To be called for all
 * tracked objects before the first is sized. */
int mr_sizer_mark(struct mr_sizer *sizer, const void *object) MR_MUST_CHECK;
/* Instead of marks for all, when few objects are to be sized: IS_TRACKED is asked
 * about each address that is met, once.  NULL: marks are all there is. */
typedef bool mr_sizer_is_tracked(void *context, const void *address);
void mr_sizer_ask(struct mr_sizer *sizer, mr_sizer_is_tracked *is_tracked, void *context);
/* Sizes one tracked object (marked before), down to LEVEL levels of single
 * referents (at most MR_LOG_PATH_DEPTH_MAX are told apart).  After a failure
 * SIZED is as it was, and part of what the object leads to has been counted. */
int mr_sizer_size(struct mr_sizer *sizer, const void *object, const struct memcapture_layout *layout,
                  unsigned level, struct mr_sized *sized) MR_MUST_CHECK;
/* Whether objects of this layout can refer to anything: if not, their size is layout->size or measure(). */
bool mr_layout_is_flat(const struct memcapture_layout *layout);
/* OBJECT will be sized soon: fetches its memory, and what the sizer has of its
 * neighbourhood, without waiting for either.  OBJECT need not be readable. */
void mr_sizer_prefetch(const struct mr_sizer *sizer, const void *object);
/* Bytes that the sizer holds now. */
uint64_t mr_sizer_memory(const struct mr_sizer *sizer);

#endif
