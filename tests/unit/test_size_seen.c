/* SPDX-License-Identifier: MIT
 *
 * What a sizer has visited, held against a plain table.  Addresses are numbers
 * here; nothing reads what they point to.
 */
#include "../../capture/python/size_seen.h"

#include "memory_failing_pages.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#define BASE UINT64_C(0x7f1234560000)
#define MANY 200000u

static uint64_t random_next(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

/* A visit as a walk makes it: the state before. */
static enum mr_seen_state visit(struct mr_seen *seen, uint64_t address)
{
	unsigned shift;
	uint64_t *const word = mr_seen_word(seen, address, &shift);

	cr_assert(ne(ptr, word, NULL));

	const enum mr_seen_state state = mr_seen_state_in(word, shift);

	if (state == MR_SEEN_NOT)
		mr_seen_enter(seen, word, shift);
	else if (state != MR_SEEN_GIVEN)
		mr_seen_again(seen, word, shift, address);
	return state;
}

Test(size_seen, neighbours__have_states_of_their_own)
{
	struct mr_seen seen = { 0 };

	for (uint64_t address = BASE; address < BASE + (1u << 20); address += 16)
		cr_assert(eq(int, (int)visit(&seen, address), MR_SEEN_NOT));
	for (uint64_t address = BASE + 8; address < BASE + (1u << 20); address += 32)
		cr_assert(eq(int, (int)visit(&seen, address), MR_SEEN_ONCE));
	cr_assert(eq(u64, seen.objects, 1u << 16));
	cr_assert(eq(u64, seen.duplicates, 1u << 15));
	cr_assert(eq(u64, seen.visits, (1u << 16) + (1u << 15)));
	mr_seen_release(&seen);
	cr_assert(eq(sz, memory_pages_blocks(), 0));
}

Test(size_seen, random_visits__are_as_in_a_plain_table)
{
	struct mr_seen seen = { 0 };
	uint8_t *const counts = calloc(MANY, 1);
	uint64_t random = 1;
	uint64_t objects = 0, duplicates = 0;

	for (unsigned i = 0; i < 3 * MANY; i++) {
		const uint64_t place = random_next(&random) % MANY;
		/* 100 bytes apart here, 64 MiB apart there */
		const uint64_t address = BASE + (place / 1000) * (UINT64_C(64) << 20) + (place % 1000) * 112;
		const enum mr_seen_state state = visit(&seen, address);

		cr_assert(eq(int, (int)state, counts[place] > 2 ? 3 : counts[place] ? counts[place] + 1 : 0));
		if (counts[place] < 2)
			counts[place]++;
		objects += counts[place] == 1 && state == MR_SEEN_NOT;
		duplicates += state == MR_SEEN_ONCE;
	}
	cr_assert(eq(u64, seen.objects, objects));
	cr_assert(eq(u64, seen.duplicates, duplicates));
	cr_assert(eq(u64, seen.visits, 3 * MANY));
	free(counts);
	mr_seen_release(&seen);
	cr_assert(eq(sz, memory_pages_blocks(), 0));
}

Test(size_seen, hidden__is_neither_new_nor_counted)
{
	struct mr_seen seen = { 0 };

	for (uint64_t i = 0; i < 50; i++)
		cr_assert(eq(int, mr_seen_hide(&seen, BASE + (i * 37 % 50) * 4096), 0));
	for (uint64_t i = 0; i < 50; i++) {
		cr_assert(eq(int, (int)visit(&seen, BASE + i * 4096), MR_SEEN_MORE));
		cr_assert(mr_seen_is_hidden(&seen, BASE + i * 4096));
		cr_assert_not(mr_seen_is_hidden(&seen, BASE + i * 4096 + 16));
	}
	cr_assert(eq(u64, seen.visits, 0));
	/* What was seen before stays as it is. */
	(void)visit(&seen, BASE + 64);
	cr_assert(eq(int, mr_seen_hide(&seen, BASE + 64), 0));
	cr_assert_not(mr_seen_is_hidden(&seen, BASE + 64));
	/* What is hidden is not forgotten. */
	mr_seen_forget(&seen, BASE);
	mr_seen_forget(&seen, BASE + 64);
	cr_assert(eq(int, (int)visit(&seen, BASE), MR_SEEN_MORE));
	cr_assert(eq(int, (int)visit(&seen, BASE + 64), MR_SEEN_NOT));
	mr_seen_release(&seen);
	cr_assert(eq(sz, memory_pages_blocks(), 0));
}

/* Every allocation fails once: nothing is lost of what was seen. */
Test(size_seen, no_memory__is_told_and_harmless)
{
	for (size_t allowed = 0;; allowed++) {
		struct mr_seen seen = { 0 };
		uint64_t done = 0;
		int status = 0;

		memory_pages_fail_after(allowed);
		for (; done < 40 && status == 0; done++) {
			unsigned shift;
			uint64_t *const word = mr_seen_word(&seen, BASE + (done << 20), &shift);

			if (word)
				mr_seen_enter(&seen, word, shift);
			status = word ? mr_seen_hide(&seen, BASE + (done << 20) + 16) : MR_ERR_NOMEM;
		}
		memory_pages_fail_after(SIZE_MAX);
		cr_assert(status == 0 || status == MR_ERR_NOMEM);
		for (uint64_t i = 0; i + 1 < done; i++)
			cr_assert(eq(int, (int)visit(&seen, BASE + (i << 20)), MR_SEEN_ONCE));
		mr_seen_release(&seen);
		cr_assert(eq(sz, memory_pages_blocks(), 0));
		if (status == 0)
			break;
	}
}
