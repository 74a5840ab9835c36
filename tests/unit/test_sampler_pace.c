/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "sampler_pace.h"

TestSuite(sampler_pace);

#define SECOND UINT64_C(1000000000)

Test(sampler_pace, interval__grows_between_its_limits)
{
	cr_assert(eq(u64, mr_sampler_interval_ns(0), 10000000));
	cr_assert(eq(u64, mr_sampler_interval_ns(10 * SECOND), 10000000));
	cr_assert(eq(u64, mr_sampler_interval_ns(100 * SECOND), 100000000));
	cr_assert(eq(u64, mr_sampler_interval_ns(1000 * SECOND), SECOND));
	cr_assert(eq(u64, mr_sampler_interval_ns(UINT64_MAX), SECOND));
}

Test(sampler_pace, interval__samples_of_a_long_life_are_few)
{
	uint64_t age = 0;
	unsigned samples = 0;

	for (; age < 1000 * SECOND; samples++)
		age += mr_sampler_interval_ns(age);
	cr_assert(gt(u32, samples, 5000));
	cr_assert(lt(u32, samples, 6000));
}

Test(sampler_pace, budget__what_is_in_advance_may_be_spent_at_once)
{
	struct mr_budget budget = { .start_ns = 5 * SECOND, .advance_ns = 1000, .share_ppm = 10000 };

	cr_assert(eq(u64, mr_budget_ready_ns(&budget), 5 * SECOND));
	mr_budget_spend(&budget, 1000);
	cr_assert(eq(u64, mr_budget_ready_ns(&budget), 5 * SECOND));
	mr_budget_spend(&budget, 1000000);
	cr_assert(eq(u64, mr_budget_ready_ns(&budget), 5 * SECOND + 100000000));
}

Test(sampler_pace, budget__the_share_is_kept_whatever_a_turn_costs)
{
	const uint64_t costs[] = { 1000, 50000, 30000000 };

	for (size_t i = 0; i < MR_ARRAY_LEN(costs); i++) {
		struct mr_budget budget = { .advance_ns = 5000000, .share_ppm = 8000 };
		uint64_t now = 0;

		while (now < 100 * SECOND) {
			mr_budget_spend(&budget, costs[i]);
			now += 10000000;
			if (mr_budget_ready_ns(&budget) > now)
				now = mr_budget_ready_ns(&budget);
		}
		cr_assert(le(dbl, (double)budget.spent_ns, 0.008 * (double)now + 5000000 + (double)costs[i]));
	}
}

Test(sampler_pace, budget__large_debts_are_forgiven)
{
	struct mr_budget budget = { .start_ns = SECOND, .advance_ns = 1000, .share_ppm = 10000 };

	mr_budget_spend(&budget, 50 * SECOND);
	mr_budget_forgive(&budget, 2 * SECOND, 5000000);
	/* A second has earned 10 ms; 5 more are owed, which takes half a second. */
	cr_assert(eq(u64, mr_budget_ready_ns(&budget), 2 * SECOND + SECOND / 2));
	mr_budget_forgive(&budget, 3 * SECOND, 5000000);
	cr_assert(eq(u64, mr_budget_ready_ns(&budget), 2 * SECOND + SECOND / 2), "nothing more to forgive");
}

Test(sampler_pace, budget__too_much_never_comes_round)
{
	struct mr_budget budget = { .start_ns = SECOND, .share_ppm = 1 };

	mr_budget_spend(&budget, UINT64_MAX);
	mr_budget_spend(&budget, UINT64_MAX);
	cr_assert(eq(u64, budget.spent_ns, UINT64_MAX));
	cr_assert(gt(u64, mr_budget_ready_ns(&budget), 1000000 * SECOND));
}
