/* SPDX-License-Identifier: MIT
 *
 * Mappings as blocks: in parts, over several, over each other.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "heap_maps.h"

#define PAGE UINT64_C(4096)

static struct mr_heap_profile profile;
static struct mr_heap_maps maps;

static void begin(void)
{
	cr_assert(zero(int, mr_heap_profile_init(&profile, false, NULL)));
	cr_assert(eq(u32, mr_heap_profile_add_site(&profile, 1), 0));
	cr_assert(eq(u32, mr_heap_profile_add_site(&profile, 2), 1));
}

static void end(void)
{
	mr_heap_maps_release(&maps);
	mr_heap_profile_release(&profile);
}

static void map(uint32_t site, uint64_t page, uint64_t pages)
{
	mr_heap_maps_map(&maps, &profile, 0, site, page * PAGE, pages * PAGE, 1);
}

static uint64_t unmap(uint64_t page, uint64_t pages)
{
	return mr_heap_maps_unmap(&maps, &profile, 0, page * PAGE, pages * PAGE, 2);
}

Test(heap_maps, a_mapping_in_parts__is_one_block_until_nothing_is_left)
{
	begin();
	map(0, 10, 10);
	cr_expect(eq(u64, unmap(12, 2), 0));
	cr_expect(eq(u64, unmap(10, 1), 0));
	cr_expect(eq(u64, unmap(19, 1), 0));
	cr_expect(eq(u64, profile.live_bytes, 6 * PAGE));
	cr_expect(eq(u64, profile.live_count, 1));
	cr_expect(eq(u64, unmap(0, 100), 1));
	cr_expect(eq(u64, profile.live_bytes, 0));
	cr_expect(eq(u64, profile.live_count, 0));
	cr_expect(eq(u64, profile.peak_bytes, 10 * PAGE));
	end();
}

Test(heap_maps, unmapping_over_several__takes_its_part_of_each)
{
	begin();
	map(0, 10, 10);
	map(1, 20, 10);
	cr_expect(eq(u64, unmap(15, 10), 0));
	cr_expect(eq(u64, profile.sites[0].figures.live_bytes, 5 * PAGE));
	cr_expect(eq(u64, profile.sites[1].figures.live_bytes, 5 * PAGE));
	end();
}

Test(heap_maps, a_mapping_over_another__replaces_it)
{
	begin();
	map(0, 10, 10);
	map(1, 12, 2);
	cr_expect(eq(u64, profile.sites[0].figures.live_bytes, 8 * PAGE));
	cr_expect(eq(u64, profile.sites[1].figures.live_bytes, 2 * PAGE));
	cr_expect(eq(u64, profile.live_count, 2));
	end();
}

Test(heap_maps, what_was_never_mapped__is_counted)
{
	struct mr_heap_sums sums;

	begin();
	cr_expect(eq(u64, unmap(10, 1), 0));
	mr_heap_maps_map(&maps, &profile, 0, 0, UINT64_MAX - 4095, 8192, 1);
	mr_heap_profile_sums(&profile, &sums);
	cr_expect(eq(u64, sums.unknown_frees, 1));
	cr_expect(eq(u64, profile.live_bytes, 0));
	end();
}
