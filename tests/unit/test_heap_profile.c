/* SPDX-License-Identifier: MIT
 *
 * What a heap comes to, held against a model that knows every block and looks
 * at all of them after each event: figures and the exact peak of each site.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "heap_profile.h"

#define SLOTS 64
#define SITES 7
#define THREADS 3

struct model_block {
	bool live;
	uint64_t size;
	uint32_t site;
	uint32_t thread;
};

struct model {
	struct model_block slots[SLOTS];
	uint64_t total[SITES];
	uint64_t count[SITES];
	uint64_t temporary[SITES];
	uint64_t reallocs[SITES];
	uint64_t grown[SITES];
	uint64_t peak[SITES]; /* at the high-water mark of all */
	uint64_t peak_count[SITES];
	uint64_t peak_all;
	int last[THREADS]; /* slot of the thread's last allocation; -1: gone */
	uint64_t frees;
};

static uint64_t state;

static uint32_t below(uint32_t bound)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state >> 33) % bound);
}

static uint64_t address_of(int slot)
{
	return UINT64_C(0x10000) + (uint64_t)slot * 4096;
}

static void look_for_peak(struct model *model)
{
	uint64_t live[SITES] = { 0 };
	uint64_t counts[SITES] = { 0 };
	uint64_t all = 0;

	for (int i = 0; i < SLOTS; i++) {
		if (!model->slots[i].live)
			continue;
		live[model->slots[i].site] += model->slots[i].size;
		counts[model->slots[i].site]++;
		all += model->slots[i].size;
	}
	if (all <= model->peak_all)
		return;
	model->peak_all = all;
	memcpy(model->peak, live, sizeof(live));
	memcpy(model->peak_count, counts, sizeof(counts));
}

static void model_alloc(struct model *model, int slot, uint32_t thread, uint32_t site, uint64_t size)
{
	model->slots[slot] = (struct model_block){ true, size, site, thread };
	model->count[site]++;
	model->total[site] += size;
	model->last[thread] = slot;
	look_for_peak(model);
}

static void model_free(struct model *model, int slot)
{
	struct model_block *const block = &model->slots[slot];

	block->live = false;
	model->frees++;
	if (model->last[block->thread] == slot) {
		model->last[block->thread] = -1;
		model->temporary[block->site]++;
	}
}

static void step(struct mr_heap_profile *profile, struct model *model, uint64_t ticks)
{
	const int slot = (int)below(SLOTS);
	const uint32_t thread = below(THREADS);
	const uint32_t site = below(SITES);
	const uint64_t size = below(4) ? below(200) : below(100000);
	const uint64_t address = address_of(slot);

	if (!model->slots[slot].live) {
		mr_heap_profile_alloc(profile, thread, site, address, size, ticks);
		model_alloc(model, slot, thread, site, size);
		return;
	}
	switch (below(4)) {
	case 0: /* realloc that fails */
		mr_heap_profile_realloc_begin(profile, thread, address, ticks);
		mr_heap_profile_realloc_end(profile, thread, 0, 0, size + 1, ticks);
		return;
	case 1: { /* realloc at the same place */
		const uint64_t before = model->slots[slot].size;

		mr_heap_profile_realloc_begin(profile, thread, address, ticks);
		mr_heap_profile_realloc_end(profile, thread, site, address, size, ticks);
		model_free(model, slot);
		model_alloc(model, slot, thread, site, size);
		model->reallocs[site]++;
		model->grown[site] += size > before ? size - before : 0;
		return;
	}
	case 2: /* realloc to nothing */
		mr_heap_profile_realloc_begin(profile, thread, address, ticks);
		mr_heap_profile_realloc_end(profile, thread, 0, 0, 0, ticks);
		model_free(model, slot);
		return;
	default:
		mr_heap_profile_free(profile, thread, address, ticks);
		model_free(model, slot);
	}
}

static uint64_t histogram_count(const struct mr_heap_histogram *histogram)
{
	uint64_t count = 0;

	for (unsigned bit = 0; bit < 64; bit++)
		if (histogram->used >> bit & 1)
			count += mr_heap_histogram_at(histogram, bit)->count;
	return count;
}

static void compare(const struct mr_heap_profile *profile, const struct model *model)
{
	struct mr_heap_sums sums;

	mr_heap_profile_sums(profile, &sums);
	cr_assert(eq(u64, profile->peak_bytes, model->peak_all));
	cr_assert(eq(u64, sums.frees, model->frees));
	for (uint32_t i = 0; i < SITES; i++) {
		const struct mr_heap_figures *const figures = &profile->sites[i].figures;
		uint64_t peak;
		uint64_t count;

		mr_heap_profile_peak_of(profile, &profile->sites[i], &peak, &count);
		cr_assert(eq(u64, peak, model->peak[i]));
		cr_assert(eq(u64, count, model->peak_count[i]));
		cr_assert(eq(u64, figures->count, model->count[i]));
		cr_assert(eq(u64, figures->total_bytes, model->total[i]));
		cr_assert(eq(u64, figures->temporary, model->temporary[i]));
		cr_assert(eq(u64, figures->reallocs, model->reallocs[i]));
		cr_assert(eq(u64, figures->grown_bytes, model->grown[i]));
		cr_assert(eq(u64, histogram_count(&profile->sites[i].sizes), model->count[i]));
		cr_assert(eq(u64, histogram_count(&profile->sites[i].lifetimes),
		             figures->count - figures->live_count));
	}
}

static void begin(struct mr_heap_profile *profile)
{
	cr_assert(zero(int, mr_heap_profile_init(profile, true, NULL)));
	for (uint32_t i = 0; i < SITES; i++)
		cr_assert(eq(u32, mr_heap_profile_add_site(profile, i + 1), i));
	for (uint32_t i = 1; i < THREADS; i++)
		cr_assert(eq(u32, mr_heap_profile_add_thread(profile, i), i));
}

Test(heap_profile, random_events__give_what_a_look_at_all_blocks_gives)
{
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct mr_heap_profile profile;
		struct model model = { .last = { -1, -1, -1 } };

		state = seed;
		begin(&profile);
		for (uint64_t i = 1; i <= 3000; i++) {
			step(&profile, &model, i * 1000);
			if (i % 50 == 0)
				compare(&profile, &model);
		}
		cr_assert(not(profile.failed));
		mr_heap_profile_release(&profile);
	}
}

Test(heap_profile, a_failed_realloc__is_as_if_it_had_not_been)
{
	struct mr_heap_profile profile;
	struct mr_heap_sums sums;
	uint64_t peak;
	uint64_t count;

	begin(&profile);
	mr_heap_profile_alloc(&profile, 1, 2, 4096, 100, 10);
	mr_heap_profile_realloc_begin(&profile, 1, 4096, 20);
	mr_heap_profile_realloc_end(&profile, 1, 3, 0, 1000, 30);
	mr_heap_profile_sums(&profile, &sums);
	mr_heap_profile_peak_of(&profile, &profile.sites[2], &peak, &count);
	cr_expect(eq(u64, profile.peak_bytes, 100));
	cr_expect(eq(u64, profile.peak_ticks, 10));
	cr_expect(eq(u64, peak, 100));
	cr_expect(eq(u64, sums.count, 1));
	cr_expect(eq(u64, sums.frees, 0));
	cr_expect(eq(u64, profile.live_bytes, 100));
	/* Still the thread's last allocation, and as old as it was. */
	cr_expect(eq(u64, mr_heap_profile_free(&profile, 1, 4096, 50), 1));
	cr_expect(eq(u64, profile.sites[2].figures.temporary, 1));
	cr_expect(eq(u64, profile.sites[2].figures.lifetime_ns, 40));
	mr_heap_profile_release(&profile);
}

Test(heap_profile, an_address_that_is_live__is_left_alone_until_it_is_made_way)
{
	struct mr_heap_profile profile;

	begin(&profile);
	cr_expect(mr_heap_profile_alloc(&profile, 0, 1, 4096, 100, 1));
	cr_expect(not(mr_heap_profile_alloc(&profile, 0, 2, 4096, 70, 2)));
	cr_expect(eq(u64, profile.live_bytes, 100));
	cr_expect(eq(u64, profile.sites[2].figures.count, 0));
	mr_heap_profile_make_way(&profile, 4096, 3);
	cr_expect(mr_heap_profile_alloc(&profile, 0, 2, 4096, 70, 3));
	cr_expect(eq(u64, profile.live_bytes, 70));
	cr_expect(eq(u64, profile.peak_bytes, 100));
	cr_expect(eq(u64, profile.unseen_frees, 1));
	mr_heap_profile_release(&profile);
}

Test(heap_profile, a_strange_address__is_counted)
{
	struct mr_heap_profile profile;
	struct mr_heap_sums sums;

	begin(&profile);
	cr_expect(eq(u64, mr_heap_profile_free(&profile, 0, 4096, 1), MR_HEAP_NO_BLOCK));
	mr_heap_profile_free_unknown(&profile, 0);
	mr_heap_profile_realloc_begin(&profile, 0, 8192, 2);
	mr_heap_profile_realloc_end(&profile, 0, 1, 8192, 50, 3);
	mr_heap_profile_sums(&profile, &sums);
	cr_expect(eq(u64, sums.unknown_frees, 2));
	cr_expect(eq(u64, sums.frees, 0));
	cr_expect(eq(u64, profile.live_bytes, 50));
	cr_expect(eq(u64, profile.sites[1].figures.grown_bytes, 0));
	mr_heap_profile_release(&profile);
}

Test(heap_profile, temporary__is_what_its_own_thread_frees_or_another_before_the_next)
{
	struct mr_heap_profile profile;

	begin(&profile);
	mr_heap_profile_alloc(&profile, 1, 0, 4096, 1, 1);
	mr_heap_profile_alloc(&profile, 2, 1, 8192, 1, 2);
	mr_heap_profile_free(&profile, 2, 4096, 3);
	cr_expect(eq(u64, profile.sites[0].figures.temporary, 1), "another thread allocated meanwhile");
	mr_heap_profile_alloc(&profile, 2, 1, 12288, 1, 4);
	mr_heap_profile_free(&profile, 2, 8192, 5);
	cr_expect(eq(u64, profile.sites[1].figures.temporary, 0), "its thread has allocated again");
	mr_heap_profile_release(&profile);
}
