/* SPDX-License-Identifier: MIT
 *
 * See heap_profile.h.
 */
#include "heap_profile.h"

#define ALONE 2  /* places for threads, where there is but one thread: one is everybody else's */
#define BUSY 256 /* times that one bucket is met before all get a place */

int mr_heap_profile_init(struct mr_heap_profile *profile, bool keep_sequences, struct mr_error *err)
{
	*profile = (struct mr_heap_profile){ .epoch = 1, .tick_multiplier = UINT64_C(1) << 32 };
	mr_heap_blocks_init(&profile->blocks, keep_sequences);
	MR_FAIL_IF(mr_grow(&profile->threads, &profile->thread_capacity, 1, sizeof(*profile->threads)) < 0,
	           err, MR_ERR_NOMEM, "out of memory for the heap of a process");
	profile->threads[profile->thread_count++] = (struct mr_heap_thread_figures){ 0 };
	return MR_OK;
}

void mr_heap_profile_release(struct mr_heap_profile *profile)
{
	for (size_t i = 0; i < profile->site_count; i++) {
		mr_free(profile->sites[i].sizes.buckets);
		mr_free(profile->sites[i].lifetimes.buckets);
	}
	mr_free(profile->sites);
	mr_free(profile->threads);
	mr_heap_blocks_release(&profile->blocks);
	*profile = (struct mr_heap_profile){ 0 };
}

uint64_t mr_heap_profile_memory(const struct mr_heap_profile *profile)
{
	/* A site's histograms take about as much again. */
	return mr_heap_blocks_memory(&profile->blocks) +
	       profile->site_capacity * 2 * sizeof(*profile->sites) +
	       profile->thread_capacity * sizeof(*profile->threads);
}

uint32_t mr_heap_profile_add_site(struct mr_heap_profile *profile, uint32_t stack)
{
	if (profile->site_count == UINT32_MAX ||
	    mr_grow(&profile->sites, &profile->site_capacity, profile->site_count + 1,
	            sizeof(*profile->sites)) < 0) {
		profile->failed = true;
		return UINT32_MAX;
	}
	profile->sites[profile->site_count] = (struct mr_heap_site){ .stack = stack };
	return (uint32_t)profile->site_count++;
}

uint32_t mr_heap_profile_add_thread(struct mr_heap_profile *profile, uint32_t tid)
{
	if (profile->thread_count > MR_HEAP_BLOCK_THREAD_MAX ||
	    mr_grow(&profile->threads, &profile->thread_capacity, profile->thread_count + 1,
	            sizeof(*profile->threads)) < 0)
		return 0;
	profile->threads[profile->thread_count] = (struct mr_heap_thread_figures){ .tid = tid };
	return (uint32_t)profile->thread_count++;
}

/* ---- Histograms ------------------------------------------------------------------ */

/* Makes room for one bucket more, at place AT of COUNT. */
static bool insert_bucket(struct mr_heap_histogram *histogram, unsigned at, unsigned count)
{
	struct mr_heap_bucket *buckets = histogram->buckets;

	if ((count & (count - 1)) == 0) { /* full: its capacity is a power of two, or 0 */
		buckets = mr_realloc(buckets, (count ? 2 * count : 1) * sizeof(*buckets));
		if (!buckets)
			return false;
		histogram->buckets = buckets;
	}
	memmove(buckets + at + 1, buckets + at, (count - at) * sizeof(*buckets));
	buckets[at] = (struct mr_heap_bucket){ 0 };
	return true;
}

/* Gives each bucket a place: its site has become busy. */
static bool spread(struct mr_heap_histogram *histogram)
{
	struct mr_heap_bucket *const buckets = mr_alloc(64 * sizeof(*buckets));

	if (!buckets)
		return false;
	for (uint64_t left = histogram->used; left; left &= left - 1) {
		const unsigned bit = (unsigned)__builtin_ctzll(left);

		buckets[bit] = *mr_heap_histogram_at(histogram, bit);
	}
	mr_free(histogram->buckets);
	histogram->buckets = buckets;
	histogram->all = true;
	return true;
}

static bool count_in_few(struct mr_heap_histogram *histogram, unsigned bucket, uint64_t size_bytes)
{
	const uint64_t bit = UINT64_C(1) << bucket;
	const unsigned at = (unsigned)__builtin_popcountll(histogram->used & (bit - 1));

	if (!(histogram->used & bit) &&
	    !insert_bucket(histogram, at, (unsigned)__builtin_popcountll(histogram->used)))
		return false;
	histogram->used |= bit;
	histogram->buckets[at].total_bytes += size_bytes;
	return ++histogram->buckets[at].count != BUSY || spread(histogram);
}

static inline void count_in(struct mr_heap_profile *profile, struct mr_heap_histogram *histogram,
                            unsigned bucket, uint64_t size_bytes)
{
	bucket = bucket < 63 ? bucket : 63;
	if (MR_LIKELY(histogram->all)) {
		histogram->used |= UINT64_C(1) << bucket;
		histogram->buckets[bucket].count++;
		histogram->buckets[bucket].total_bytes += size_bytes;
	} else if (!count_in_few(histogram, bucket, size_bytes)) {
		profile->failed = true;
	}
}

static inline uint64_t duration_ns(const struct mr_heap_profile *profile, uint64_t ticks)
{
	return (uint64_t)((unsigned __int128)ticks * profile->tick_multiplier >> 32);
}

/* ---- Blocks ------------------------------------------------------------------------ */

/* To be called before a site's live figures change. */
static inline void touch(const struct mr_heap_profile *profile, struct mr_heap_site *site)
{
	if (site->epoch != profile->epoch) {
		site->epoch = profile->epoch;
		site->marked_bytes = site->figures.live_bytes;
		site->marked_count = site->figures.live_count;
	}
}

void mr_heap_profile_peak_of(const struct mr_heap_profile *profile, const struct mr_heap_site *site,
                             uint64_t *bytes, uint64_t *count)
{
	const bool marked = site->epoch == profile->epoch;

	*bytes = marked ? site->marked_bytes : site->figures.live_bytes;
	*count = marked ? site->marked_count : site->figures.live_count;
}

void mr_heap_profile_sums(const struct mr_heap_profile *profile, struct mr_heap_sums *sums)
{
	*sums = (struct mr_heap_sums){ .reallocs = profile->reallocs, .grown_bytes = profile->grown_bytes };
	for (size_t i = 0; i < profile->thread_count; i++) {
		const struct mr_heap_thread_figures *const thread = &profile->threads[i];

		sums->total_bytes += thread->total_bytes;
		sums->count += thread->count;
		sums->temporary += thread->temporary;
		sums->unknown_frees += thread->unknown_frees;
		/* One that is being moved is neither live nor gone. */
		sums->frees -= thread->moving && thread->moving_known;
	}
	sums->frees += sums->count - profile->live_count;
}

/* BLOCK is there (again): adds it to what is live, and looks for a new high-water mark. */
static inline void come(struct mr_heap_profile *profile, const struct mr_heap_block *block, uint64_t ticks)
{
	struct mr_heap_site *const site = &profile->sites[block->site];
	struct mr_heap_thread_figures *const thread = &profile->threads[block->thread];

	touch(profile, site);
	site->figures.live_bytes += block->size;
	site->figures.live_count++;
	thread->live_bytes += block->size;
	thread->live_count++;
	profile->live_bytes += block->size;
	profile->live_count++;
	if (MR_LIKELY(profile->live_bytes <= profile->live_max_bytes))
		return;
	profile->live_max_bytes = profile->live_bytes;
	if (profile->live_bytes > profile->peak_bytes) {
		profile->peak_bytes = profile->live_bytes;
		profile->peak_count = profile->live_count;
		profile->peak_ticks = ticks;
		profile->epoch++;
	}
}

static inline void leave(struct mr_heap_profile *profile, const struct mr_heap_block *block)
{
	struct mr_heap_site *const site = &profile->sites[block->site];
	struct mr_heap_thread_figures *const thread = &profile->threads[block->thread];

	touch(profile, site);
	site->figures.live_bytes -= block->size;
	site->figures.live_count--;
	thread->live_bytes -= block->size;
	thread->live_count--;
	profile->live_bytes -= block->size;
	profile->live_count--;
}

/* BLOCK has left for good: counts its end. */
static inline void count_end(struct mr_heap_profile *profile, uint64_t address,
                             const struct mr_heap_block *block, uint64_t ticks)
{
	struct mr_heap_site *const site = &profile->sites[block->site];
	struct mr_heap_thread_figures *const thread = &profile->threads[block->thread];
	const uint64_t lifetime_ns = ticks > block->ticks ? duration_ns(profile, ticks - block->ticks) : 0;

	site->figures.lifetime_ns += lifetime_ns;
	if (thread->last_address == address && address != 0) {
		thread->last_address = 0;
		thread->temporary++;
		site->figures.temporary++;
	}
	count_in(profile, &site->lifetimes, mr_heap_bucket_of(lifetime_ns), block->size);
}

void mr_heap_profile_make_way(struct mr_heap_profile *profile, uint64_t address, uint64_t ticks)
{
	struct mr_heap_block gone;
	uint64_t sequence;

	if (!mr_heap_blocks_take(&profile->blocks, address, &gone, &sequence))
		return;
	profile->unseen_frees++;
	leave(profile, &gone);
	count_end(profile, address, &gone, ticks);
}

/* False: there is a block at ADDRESS. */
static inline bool put_block(struct mr_heap_profile *profile, uint64_t address,
                             const struct mr_heap_block *block, uint64_t sequence, uint64_t ticks)
{
	const enum mr_heap_put put = mr_heap_blocks_put(&profile->blocks, address, block, sequence);

	if (MR_LIKELY(put == MR_HEAP_PUT)) {
		come(profile, block, ticks);
		return true;
	}
	profile->failed |= put == MR_HEAP_PUT_NO_MEMORY;
	return put == MR_HEAP_PUT_NO_MEMORY;
}

static inline void count_alloc(struct mr_heap_profile *profile, uint32_t thread_index, uint32_t site_index,
                               uint64_t size_bytes)
{
	struct mr_heap_thread_figures *const thread = &profile->threads[thread_index];
	struct mr_heap_site *const site = &profile->sites[site_index];

	profile->sequence++;
	thread->count++;
	thread->total_bytes += size_bytes;
	site->figures.count++;
	site->figures.total_bytes += size_bytes;
	count_in(profile, &site->sizes, mr_heap_bucket_of(size_bytes), size_bytes);
}

static inline bool alloc(struct mr_heap_profile *profile, uint32_t thread, uint32_t site, uint64_t address,
                         uint64_t size_bytes, uint64_t ticks)
{
	const struct mr_heap_block block = {
		.ticks = ticks,
		.size = size_bytes,
		.site = site,
		.thread = (uint16_t)thread,
	};

	if (MR_UNLIKELY(!put_block(profile, address, &block, profile->sequence + 1, ticks)))
		return false;
	count_alloc(profile, thread, site, size_bytes);
	profile->threads[thread].last_address = address;
	return true;
}

bool mr_heap_profile_alloc(struct mr_heap_profile *profile, uint32_t thread, uint32_t site, uint64_t address,
                           uint64_t size_bytes, uint64_t ticks)
{
	return alloc(profile, thread, site, address, size_bytes, ticks);
}

static uint64_t distance(const struct mr_heap_profile *profile, uint64_t sequence)
{
	return sequence ? profile->sequence - sequence + 1 : 0;
}

static inline struct mr_heap_lately *lately_of(struct mr_heap_profile *profile, uint64_t address)
{
	return &profile->lately[(address >> 4) % MR_HEAP_LATELY];
}

bool mr_heap_profile_freed_lately(struct mr_heap_profile *profile, uint32_t thread, uint64_t address,
                                  uint64_t ticks)
{
	const struct mr_heap_lately *const lately = lately_of(profile, address);

	return lately->address == address && lately->thread != thread &&
	       ticks - lately->ticks < profile->early_ticks;
}

uint64_t mr_heap_profile_free(struct mr_heap_profile *profile, uint32_t thread, uint64_t address,
                              uint64_t ticks)
{
	struct mr_heap_block gone;
	uint64_t sequence;

	if (MR_UNLIKELY(!mr_heap_blocks_take(&profile->blocks, address, &gone, &sequence)))
		return MR_HEAP_NO_BLOCK;
	profile->threads[thread].frees++;
	leave(profile, &gone);
	count_end(profile, address, &gone, ticks);
	if (profile->thread_count > ALONE)
		*lately_of(profile, address) = (struct mr_heap_lately){ address, ticks, thread };
	return distance(profile, sequence);
}

void mr_heap_profile_free_unknown(struct mr_heap_profile *profile, uint32_t thread)
{
	profile->threads[thread].frees++;
	profile->threads[thread].unknown_frees++;
}

/* ---- realloc ------------------------------------------------------------------------ */

void mr_heap_profile_settle(struct mr_heap_profile *profile, uint32_t thread_index, uint64_t ticks)
{
	struct mr_heap_thread_figures *const thread = &profile->threads[thread_index];

	if (!thread->moving)
		return;
	thread->moving = false;
	if (thread->moving_freed) /* it is counted */
		return;
	if (thread->moving_known)
		count_end(profile, thread->moving_address, &thread->moving_block, ticks);
	else
		thread->unknown_frees++;
	thread->frees++;
}

void mr_heap_profile_realloc_begin(struct mr_heap_profile *profile, uint32_t thread_index, uint64_t address,
                                   uint64_t ticks)
{
	struct mr_heap_thread_figures *const thread = &profile->threads[thread_index];

	mr_heap_profile_settle(profile, thread_index, ticks);
	thread->moving = true;
	thread->moving_address = address;
	thread->moving_known = mr_heap_blocks_take(&profile->blocks, address, &thread->moving_block,
	                                           &thread->moving_sequence);
	thread->moving_freed =
		!thread->moving_known && mr_heap_profile_freed_lately(profile, thread_index, address, ticks);
	if (thread->moving_known)
		leave(profile, &thread->moving_block);
}

/* The call failed: the block that was taken out is back, as if nothing had been. */
static void put_back(struct mr_heap_profile *profile, struct mr_heap_thread_figures *thread, uint64_t ticks)
{
	thread->moving = false;
	if (!thread->moving_known)
		return;
	/* Nobody else can have got the address: what is there was freed, and that was not recorded. */
	mr_heap_profile_make_way(profile, thread->moving_address, ticks);
	(void)put_block(profile, thread->moving_address, &thread->moving_block, thread->moving_sequence,
	                ticks);
}

uint64_t mr_heap_profile_realloc_end(struct mr_heap_profile *profile, uint32_t thread_index,
                                     uint32_t site_index, uint64_t address, uint64_t size_bytes,
                                     uint64_t ticks)
{
	struct mr_heap_thread_figures *const thread = &profile->threads[thread_index];
	const bool known = thread->moving && thread->moving_known;
	const bool was_there = thread->moving;
	const bool freed = thread->moving && thread->moving_freed && address == thread->moving_address;
	const uint64_t size_before = known ? thread->moving_block.size : size_bytes;
	const uint64_t back = known ? distance(profile, thread->moving_sequence) : 0;

	if (address == 0 && size_bytes != 0) {
		if (thread->moving)
			put_back(profile, thread, ticks);
		return 0;
	}
	mr_heap_profile_settle(profile, thread_index, ticks);
	if (address == 0)
		return back;
	if (was_there) {
		const uint64_t grown = size_bytes > size_before ? size_bytes - size_before : 0;

		profile->sites[site_index].figures.reallocs++;
		profile->sites[site_index].figures.grown_bytes += grown;
		profile->reallocs++;
		profile->grown_bytes += grown;
	}
	if (MR_UNLIKELY(!alloc(profile, thread_index, site_index, address, size_bytes, ticks))) {
		mr_heap_profile_make_way(profile, address, ticks);
		(void)alloc(profile, thread_index, site_index, address, size_bytes, ticks);
	}
	if (MR_UNLIKELY(freed))
		(void)mr_heap_profile_free(profile, thread_index, address, ticks);
	return back;
}

/* ---- Mappings ---------------------------------------------------------------------------- */

void mr_heap_profile_map(struct mr_heap_profile *profile, uint32_t thread, uint32_t site, uint64_t size_bytes,
                         uint64_t ticks)
{
	const struct mr_heap_block block = {
		.ticks = ticks,
		.size = size_bytes,
		.site = site,
		.thread = (uint16_t)thread,
	};

	count_alloc(profile, thread, site, size_bytes);
	come(profile, &block, ticks);
}

void mr_heap_profile_unmap(struct mr_heap_profile *profile, const struct mr_heap_block *part, bool all,
                           uint64_t ticks)
{
	leave(profile, part);
	if (all) {
		count_end(profile, 0, part, ticks);
		return;
	}
	/* The rest of it is there. */
	profile->sites[part->site].figures.live_count++;
	profile->threads[part->thread].live_count++;
	profile->live_count++;
}
