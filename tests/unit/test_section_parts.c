/* SPDX-License-Identifier: MIT
 *
 * The choice of what is shown when not everything can be.
 */
#include "section.h"

#include <criterion/criterion.h>

Test(section_parts, choose__all_when_they_fit)
{
	size_t indexes[8];

	cr_expect_eq(mr_section_choose(0, 8, 0, indexes), 0);
	cr_assert_eq(mr_section_choose(3, 8, 1, indexes), 3);
	cr_expect_eq(indexes[2], 2);
}

Test(section_parts, choose__keeps_first_last_and_best)
{
	for (size_t count = 2; count < 60; count++)
		for (size_t limit = 1; limit < 12; limit++)
			for (size_t best = 0; best < count; best++) {
				size_t indexes[64];
				bool found = false;
				const size_t chosen = mr_section_choose(count, limit, best, indexes);

				cr_assert(chosen >= 1 && chosen <= (limit < count ? limit : count));
				for (size_t i = 0; i < chosen; i++) {
					cr_assert_lt(indexes[i], count);
					cr_assert(i == 0 || indexes[i] > indexes[i - 1]);
					found = found || indexes[i] == best;
				}
				if (limit >= 3) {
					cr_assert(found, "%zu of %zu without %zu", limit, count, best);
					cr_assert_eq(indexes[0], 0);
					cr_assert_eq(indexes[chosen - 1], count - 1);
				}
			}
}
