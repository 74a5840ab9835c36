/* SPDX-License-Identifier: MIT
 *
 * See size_seen.h.  Regions are found through a table of open addressing, and
 * the recent ones by a glance.  The first regions of a sizer are blocks of the
 * allocator, which has them at hand for the many sizers that are small; later
 * ones are cut from mapped pages, which come zeroed.
 */
#include "size_seen.h"

#include "memory_mapped.h"

#define REGION_BYTES (MR_SEEN_WORDS * sizeof(uint64_t))
#define CAPACITY_FIRST 32u
#define SINGLE_MAX 12u   /* regions that are blocks of their own */
#define SLAB_REGIONS 64u /* in a slab, of which the first holds the link to the next slab */
#define SLAB_BYTES (SLAB_REGIONS * REGION_BYTES)

_Static_assert(REGION_BYTES == 4096, "a region's bits are a page");

/* Where the search for region NUMBER begins. */
static size_t region_place(const struct mr_seen *seen, uint64_t number)
{
	return (size_t)((number * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (seen->capacity - 1);
}

void mr_seen_release(struct mr_seen *seen)
{
	for (size_t i = 0; i < seen->capacity; i++) {
		if (seen->regions[i].words && seen->regions[i].single)
			mr_free(seen->regions[i].words);
	}
	for (char *slab = seen->slabs; slab;) {
		char *const next = *(char **)slab;

		mr_pages_unmap(slab, SLAB_BYTES);
		slab = next;
	}
	mr_free(seen->regions);
	mr_free(seen->hidden);
	*seen = (struct mr_seen){ 0 };
}

static uint64_t *take_words(struct mr_seen *seen)
{
	if (seen->count < SINGLE_MAX) {
		uint64_t *const words = mr_alloc(REGION_BYTES);

		seen->memory_bytes += words ? REGION_BYTES : 0;
		return words;
	}
	if (seen->slab_left == 0) {
		char *const slab = mr_pages_map(SLAB_BYTES);

		if (!slab)
			return NULL;
		*(void **)slab = seen->slabs;
		seen->slabs = slab;
		seen->slab_free = (uint64_t *)(slab + REGION_BYTES);
		seen->slab_left = SLAB_REGIONS - 1;
		seen->memory_bytes += SLAB_BYTES;
	}
	seen->slab_left--;
	seen->slab_free += MR_SEEN_WORDS;
	return seen->slab_free - MR_SEEN_WORDS;
}

/* The place of region NUMBER, or the free one where it would go. */
static struct mr_seen_region *find_place(const struct mr_seen *seen, uint64_t number)
{
	size_t at = region_place(seen, number);

	while (seen->regions[at].words && seen->regions[at].number != number)
		at = (at + 1) & (seen->capacity - 1);
	return &seen->regions[at];
}

static int grow_table(struct mr_seen *seen)
{
	const size_t capacity_old = seen->capacity;
	struct mr_seen_region *const old = seen->regions;
	const size_t capacity = capacity_old ? 2 * capacity_old : CAPACITY_FIRST;
	struct mr_seen_region *const regions = mr_alloc(capacity * sizeof(*regions));

	if (!regions)
		return MR_ERR_NOMEM;
	seen->regions = regions;
	seen->capacity = capacity;
	for (size_t i = 0; i < capacity_old; i++) {
		if (old[i].words)
			*find_place(seen, old[i].number) = old[i];
	}
	mr_free(old);
	seen->memory_bytes += (capacity - capacity_old) * sizeof(*regions);
	return 0;
}

uint64_t *mr_seen_find(struct mr_seen *seen, uint64_t address)
{
	const uint64_t number = address >> MR_SEEN_REGION_SHIFT;

	if (seen->count * 2 >= seen->capacity && grow_table(seen) < 0)
		return NULL;

	struct mr_seen_region *const region = find_place(seen, number);

	if (!region->words) {
		uint64_t *const words = take_words(seen);

		if (!words)
			return NULL;
		region->number = number;
		region->words = words;
		region->single = seen->count < SINGLE_MAX;
		seen->count++;
	}
	seen->recent[number % MR_SEEN_RECENT].number = number;
	seen->recent[number % MR_SEEN_RECENT].words = region->words;
	return region->words;
}

void mr_seen_prefetch(const struct mr_seen *seen, uint64_t address)
{
	const uint64_t number = address >> MR_SEEN_REGION_SHIFT;
	const uint64_t granule = address >> MR_SEEN_GRANULE_SHIFT;
	const uint64_t *words = seen->recent[number % MR_SEEN_RECENT].words;

	if (seen->recent[number % MR_SEEN_RECENT].number != number) {
		if (!seen->capacity)
			return;
		words = find_place(seen, number)->words;
		if (!words)
			return;
	}
	__builtin_prefetch(&words[(granule >> MR_SEEN_WORD_SHIFT) % MR_SEEN_WORDS], 1);
}

/* Where ADDRESS is, or would be, among the hidden ones. */
static size_t hidden_place(const struct mr_seen *seen, uint64_t address)
{
	size_t low = 0;
	size_t high = seen->hidden_count;

	while (low < high) {
		const size_t middle = (low + high) / 2;

		if (seen->hidden[middle] < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool mr_seen_is_hidden(const struct mr_seen *seen, uint64_t address)
{
	const size_t at = hidden_place(seen, address);

	return at < seen->hidden_count && seen->hidden[at] == address;
}

int mr_seen_hide(struct mr_seen *seen, uint64_t address)
{
	unsigned shift;
	uint64_t *const word = mr_seen_word(seen, address, &shift);

	if (!word)
		return MR_ERR_NOMEM;
	if (mr_seen_state_in(word, shift) != MR_SEEN_NOT)
		return 0;
	MR_TRY(mr_grow(&seen->hidden, &seen->hidden_capacity, seen->hidden_count + 1, sizeof(*seen->hidden)));

	const size_t at = hidden_place(seen, address);

	memmove(&seen->hidden[at + 1], &seen->hidden[at], (seen->hidden_count - at) * sizeof(*seen->hidden));
	seen->hidden[at] = address;
	seen->hidden_count++;
	mr_seen_put(word, shift, MR_SEEN_MORE);
	return 0;
}

void mr_seen_forget(struct mr_seen *seen, uint64_t address)
{
	unsigned shift;
	uint64_t *const word = mr_seen_word(seen, address, &shift);

	if (!word || (seen->hidden_count && mr_seen_is_hidden(seen, address)))
		return;
	mr_seen_put(word, shift, MR_SEEN_NOT);
}
