/* SPDX-License-Identifier: MIT
 *
 * The parts of a snapshot: the rows that it writes (snapshot_rows.c), its sums
 * (snapshot_totals.c), and the order in which objects are read
 * (snapshot_order.c); snapshot_keep.c is for single objects.  tracker_snapshot.c
 * takes it.  Private to libmemcapture.
 */
#ifndef MR_TRACKER_SNAPSHOT_H
#define MR_TRACKER_SNAPSHOT_H

#include "tracker.h"

/* ---- Rows of sizes, referents and labels, gathered until they fill a block ------- */

#define MR_SNAPSHOT_SIZES 4096u /* rows whose worst encoding still fits MR_CHANNEL_BLOCK_MAX */
#define MR_SNAPSHOT_REFERENTS 4096u
#define MR_SNAPSHOT_LABELS 1024u

_Static_assert(MR_SNAPSHOT_SIZES >= MR_SNAPSHOT_REFERENTS, "one array serves to sort both");

struct mr_snapshot_rows {
	struct memcapture *capture;
	uint64_t snapshot; /* number; 0: kept objects */
	uint64_t time_ns;
	uint32_t size_count;
	uint32_t referent_count;
	uint32_t label_count;
	uint64_t referents_cut; /* rows that one object had too many of */
	struct mr_buffer buffer;
	/* Here and not on the stack: whoever takes a snapshot may have a small one. */
	uint64_t order[MR_SNAPSHOT_SIZES];
	uint64_t column[MR_SNAPSHOT_SIZES];
	uint64_t object[MR_SNAPSHOT_SIZES];
	uint64_t size[MR_SNAPSHOT_SIZES];
	uint64_t flat[MR_SNAPSHOT_SIZES];
	uint64_t referent_object[MR_SNAPSHOT_REFERENTS];
	uint64_t path[MR_SNAPSHOT_REFERENTS];
	uint64_t referent_number[MR_SNAPSHOT_REFERENTS];
	uint64_t referent_size[MR_SNAPSHOT_REFERENTS];
	uint64_t referent_flat[MR_SNAPSHOT_REFERENTS];
	uint64_t label_object[MR_SNAPSHOT_LABELS];
	uint64_t label[MR_SNAPSHOT_LABELS];
};

void mr_snapshot_rows_begin(struct mr_snapshot_rows *rows, struct memcapture *capture, uint64_t snapshot,
                            uint64_t time_ns);
void mr_snapshot_rows_put(struct mr_snapshot_rows *rows, uint64_t object, const struct mr_sized *sized);
void mr_snapshot_rows_put_label(struct mr_snapshot_rows *rows, uint64_t object, uint32_t string);
void mr_snapshot_rows_flush(struct mr_snapshot_rows *rows);

/* ---- Sums --------------------------------------------------------------------------- */

/* A class as it is for the whole of one snapshot, and what is summed up of it. */
struct mr_class_sum {
	bool walked;
	uint64_t size_flat;   /* of an instance that is not walked */
	uint64_t size_logged; /* see struct memcapture_class */
	uint64_t count;
	uint64_t size;
	uint64_t flat;
	uint64_t min;
	uint64_t max;
};

struct mr_referent_sum {
	uint32_t class_id;
	uint32_t path;
	uint64_t count;
	uint64_t size;
	uint64_t flat;
};

struct mr_snapshot_totals {
	struct mr_class_sum *classes; /* by id */
	size_t class_capacity;
	uint32_t class_count;
	struct mr_referent_sum
		*referents; /* open addressing by class and path, at most half full; 0 class: empty */
	size_t referent_capacity;
	size_t referent_count;
	uint32_t guess_class; /* objects of a class mostly have the same paths in the same order */
	uint32_t guess[64];   /* places of the last object's referents */
	bool failed;          /* no memory: some referents are not summed up */
};

bool mr_snapshot_totals_begin(struct mr_snapshot_totals *totals, struct memcapture *capture);
void mr_snapshot_totals_release(struct mr_snapshot_totals *totals);
void mr_snapshot_totals_referents(struct mr_snapshot_totals *totals, uint32_t class_id,
                                  const struct mr_sized *sized);
void mr_snapshot_totals_write(struct mr_snapshot_totals *totals, struct memcapture *capture,
                              uint64_t snapshot, uint64_t time_ns);
uint64_t mr_snapshot_totals_memory(const struct mr_snapshot_totals *totals);

static inline void mr_class_sum_add(struct mr_class_sum *sum, uint64_t size, uint64_t flat)
{
	sum->count++;
	sum->size += size;
	sum->flat += flat;
	if (size < sum->min)
		sum->min = size;
	if (size > sum->max)
		sum->max = size;
}

/* The source of path ids for sizers. */
static inline struct mr_path_source mr_snapshot_paths(struct memcapture *capture)
{
	return (struct mr_path_source){ .intern = mr_names_path, .context = capture };
}

/* ---- Order ------------------------------------------------------------------------------ */

#pragma pack(push, 4)
/* 12 bytes: there is one for each walked object of a snapshot, when they must be sorted. */
struct mr_order {
	uint64_t birth;
	uint32_t index;
};
#pragma pack(pop)

/* By birth; objects of the same tick by their ids. */
void mr_snapshot_sort(struct mr_order *order, size_t count, const struct mr_rows *rows);

#endif
