/* SPDX-License-Identifier: MIT
 *
 * See visited.h.  A directory, indexed by the top bits of a window's hash,
 * points to segments; 2^n neighbouring slots of the directory share a segment
 * that has not been split as often as others.  Within a segment a window's
 * place is a group of four entries, one cache line, chosen by the hash of
 * window / 4, so that four windows side by side lie side by side; what does not
 * fit goes to the entries that follow.
 */
#include "visited.h"

#include <assert.h>

#define GROUPS 255 /* with the header's line, 16 KiB a segment */
#define ENTRIES (GROUPS * MR_VISITED_GROUP)
#define FULL (ENTRIES / 4 * 3) /* beyond it, runs of used entries grow long */
#define LINE_BYTES 64
#define DEPTH_MAX 32 /* 2^32 segments: only a hash gone wrong asks for more */
#define SLAB_SEGMENTS_MAX 16
#define KEPT_BYTES_MAX ((size_t)256 << 10)

struct mr_visited_segment {
	struct mr_visited_segment *next; /* in the list of unused ones */
	uint32_t used;
	uint32_t depth; /* bits of the hash that its windows have in common */
	uint8_t padding[LINE_BYTES - sizeof(void *) - 2 * sizeof(uint32_t)];
	struct mr_visited_entry entries[ENTRIES];
};

_Static_assert(sizeof(struct mr_visited_entry) * MR_VISITED_GROUP == LINE_BYTES, "a group is a cache line");
_Static_assert(sizeof(struct mr_visited_segment) == (16 << 10), "a segment is 16 KiB");

struct mr_visited_slab {
	struct mr_visited_slab *next;
	size_t size_bytes;
	struct mr_visited_segment *segments; /* aligned to lines */
	size_t count;
};

static uint64_t hash_of(uint64_t window)
{
	uint64_t hash = window / MR_VISITED_GROUP * UINT64_C(0x9E3779B97F4A7C15);

	hash ^= hash >> 32;
	return hash * UINT64_C(0xD6E8FEB86659FD93);
}

static size_t directory_index(const struct mr_visited *visited, uint64_t hash)
{
	return visited->depth ? (size_t)(hash >> (64 - visited->depth)) : 0;
}

/* The first entry of the group that windows of HASH belong to. */
static size_t group_start(uint64_t hash)
{
	return (size_t)(((hash & 0xFFFFFFFF) * GROUPS) >> 32) * MR_VISITED_GROUP;
}

/* The entry that holds WINDOW, or the free one where it would go. */
static struct mr_visited_entry *find_entry(struct mr_visited_segment *segment, uint64_t window, uint64_t hash)
{
	size_t at = group_start(hash) + (window & (MR_VISITED_GROUP - 1));

	while (segment->entries[at].bits && segment->entries[at].window != window) {
		if (++at == ENTRIES)
			at = 0;
	}
	return &segment->entries[at];
}

/* ---- Memory --------------------------------------------------------------- */

static void put_unused(struct mr_visited *visited, struct mr_visited_slab *slab)
{
	for (size_t i = 0; i < slab->count; i++) {
		slab->segments[i].next = visited->unused;
		visited->unused = &slab->segments[i];
	}
}

/* A quarter more segments than there are, so that small sets stay small. */
static int add_slab(struct mr_visited *visited)
{
	size_t count = visited->segment_count / 4;

	if (count < 1)
		count = 1;
	if (count > SLAB_SEGMENTS_MAX)
		count = SLAB_SEGMENTS_MAX;

	const size_t size_bytes =
		sizeof(struct mr_visited_slab) + LINE_BYTES + count * sizeof(struct mr_visited_segment);
	struct mr_visited_slab *slab = mr_alloc(size_bytes);

	if (!slab)
		return MR_ERR_NOMEM;

	const uintptr_t after = (uintptr_t)(slab + 1);

	slab->segments =
		(struct mr_visited_segment *)((after + LINE_BYTES - 1) & ~(uintptr_t)(LINE_BYTES - 1));
	slab->count = count;
	slab->size_bytes = size_bytes;
	slab->next = visited->slabs;
	visited->slabs = slab;
	visited->segment_count += count;
	visited->memory_bytes += size_bytes;
	put_unused(visited, slab);
	return 0;
}

/* An empty segment; ensure_unused() has made sure that there is one. */
static struct mr_visited_segment *take_unused(struct mr_visited *visited, uint32_t depth)
{
	struct mr_visited_segment *segment = visited->unused;

	visited->unused = segment->next;
	segment->next = NULL;
	segment->depth = depth;
	return segment;
}

static int ensure_unused(struct mr_visited *visited, unsigned wanted)
{
	for (;;) {
		const struct mr_visited_segment *segment = visited->unused;
		unsigned found = 0;

		for (; segment && found < wanted; segment = segment->next)
			found++;
		if (found == wanted)
			return 0;
		MR_TRY(add_slab(visited));
	}
}

static int create_directory(struct mr_visited *visited)
{
	MR_TRY(ensure_unused(visited, 1));

	struct mr_visited_segment **directory = mr_alloc(sizeof(*directory));

	if (!directory)
		return MR_ERR_NOMEM;
	directory[0] = take_unused(visited, 0);
	visited->directory = directory;
	visited->depth = 0;
	visited->memory_bytes += sizeof(*directory);
	return 0;
}

static int double_directory(struct mr_visited *visited)
{
	const size_t count = (size_t)1 << visited->depth;

	if (visited->depth == DEPTH_MAX)
		return MR_ERR_NOMEM;

	struct mr_visited_segment **directory = mr_alloc(2 * count * sizeof(*directory));

	if (!directory)
		return MR_ERR_NOMEM;
	for (size_t i = 0; i < count; i++) {
		directory[2 * i] = visited->directory[i];
		directory[2 * i + 1] = visited->directory[i];
	}
	mr_free(visited->directory);
	visited->directory = directory;
	visited->depth++;
	visited->memory_bytes += count * sizeof(*directory);
	return 0;
}

/* ---- Growth --------------------------------------------------------------- */

/* Makes two segments of the one that HASH leads to.  Both are new ones and the
 * old one is left over for the next split: moving entries within a segment
 * would break the runs that find_entry() follows. */
static int split(struct mr_visited *visited, uint64_t hash)
{
	struct mr_visited_segment *old = visited->directory[directory_index(visited, hash)];

	MR_TRY(ensure_unused(visited, 2));
	if (old->depth == visited->depth)
		MR_TRY(double_directory(visited));

	const uint32_t depth = old->depth + 1;
	struct mr_visited_segment *const halves[2] = { take_unused(visited, depth),
		                                       take_unused(visited, depth) };

	visited->last = NULL;
	for (size_t i = 0; i < ENTRIES; i++) {
		const struct mr_visited_entry entry = old->entries[i];

		if (!entry.bits)
			continue;

		const uint64_t entry_hash = hash_of(entry.window);
		struct mr_visited_segment *half = halves[(entry_hash >> (64 - depth)) & 1];

		*find_entry(half, entry.window, entry_hash) = entry;
		half->used++;
	}

	/* The slots that point to the old segment: first those of half 0, then as many of half 1. */
	const size_t share = (size_t)1 << (visited->depth - depth);
	const size_t first = directory_index(visited, hash) & ~(2 * share - 1);

	for (size_t i = 0; i < 2 * share; i++) {
		assert(visited->directory[first + i] == old);
		visited->directory[first + i] = halves[i >= share];
	}
	memset(old, 0, sizeof(*old));
	old->next = visited->unused;
	visited->unused = old;
	return 0;
}

int mr_visited_add_bit(struct mr_visited *visited, uint64_t window, uint64_t bit)
{
	const uint64_t hash = hash_of(window);

	if (MR_UNLIKELY(!visited->directory))
		MR_TRY(create_directory(visited));
	for (;;) {
		struct mr_visited_segment *segment = visited->directory[directory_index(visited, hash)];
		struct mr_visited_entry *entry = find_entry(segment, window, hash);

		if (entry->bits) {
			const int added = (entry->bits & bit) == 0;

			entry->bits |= bit;
			visited->last = entry;
			return added;
		}
		if (MR_LIKELY(segment->used < FULL)) {
			entry->window = window;
			entry->bits = bit;
			segment->used++;
			visited->last = entry;
			return 1;
		}
		MR_TRY(split(visited, hash));
	}
}

bool mr_visited_has_bit(const struct mr_visited *visited, uint64_t window, uint64_t bit)
{
	const uint64_t hash = hash_of(window);

	if (!visited->directory)
		return false;
	return (find_entry(visited->directory[directory_index(visited, hash)], window, hash)->bits & bit) !=
	       0;
}

void mr_visited_prefetch(const struct mr_visited *visited, const void *address)
{
	uint64_t bit;
	const uint64_t hash = hash_of(mr_visited_window(address, &bit));

	if (visited->directory)
		__builtin_prefetch(
			&visited->directory[directory_index(visited, hash)]->entries[group_start(hash)], 1);
}

/* ---- The set as a whole ---------------------------------------------------- */

void mr_visited_release(struct mr_visited *visited)
{
	struct mr_visited_slab *slab = visited->slabs;

	while (slab) {
		struct mr_visited_slab *next = slab->next;

		mr_free(slab);
		slab = next;
	}
	mr_free(visited->directory);
	*visited = (struct mr_visited){ 0 };
}

void mr_visited_clear(struct mr_visited *visited)
{
	if (visited->memory_bytes > KEPT_BYTES_MAX) {
		mr_visited_release(visited);
		return;
	}
	mr_free(visited->directory);
	visited->directory = NULL;
	visited->depth = 0;
	visited->last = NULL;
	visited->unused = NULL;
	visited->memory_bytes = 0;
	for (struct mr_visited_slab *slab = visited->slabs; slab; slab = slab->next) {
		memset(slab->segments, 0, slab->count * sizeof(*slab->segments));
		put_unused(visited, slab);
		visited->memory_bytes += slab->size_bytes;
	}
}

uint64_t mr_visited_memory(const struct mr_visited *visited)
{
	return visited->memory_bytes;
}
