/* SPDX-License-Identifier: MIT
 *
 * See sampler_pace.h.
 */
#include "sampler_pace.h"

uint64_t mr_sampler_interval_ns(uint64_t age_ns)
{
	const uint64_t interval = age_ns / 1000;

	if (interval < MR_SAMPLER_INTERVAL_MIN_NS)
		return MR_SAMPLER_INTERVAL_MIN_NS;
	return interval > MR_SAMPLER_INTERVAL_MAX_NS ? MR_SAMPLER_INTERVAL_MAX_NS : interval;
}

void mr_budget_spend(struct mr_budget *budget, uint64_t cost_ns)
{
	if (__builtin_add_overflow(budget->spent_ns, cost_ns, &budget->spent_ns))
		budget->spent_ns = UINT64_MAX;
}

void mr_budget_forgive(struct mr_budget *budget, uint64_t now_ns, uint64_t debt_max_ns)
{
	const uint64_t elapsed = now_ns > budget->start_ns ? now_ns - budget->start_ns : 0;
	const uint64_t earned = (uint64_t)((double)elapsed * budget->share_ppm / 1e6);
	const uint64_t limit = budget->advance_ns + earned + debt_max_ns;

	if (budget->spent_ns > limit)
		budget->spent_ns = limit;
}

uint64_t mr_budget_ready_ns(const struct mr_budget *budget)
{
	if (budget->spent_ns <= budget->advance_ns)
		return budget->start_ns;

	const double owed = (double)(budget->spent_ns - budget->advance_ns);
	const double needed = owed * 1e6 / (double)budget->share_ppm;

	/* A century is far enough, and far from overflow. */
	return budget->start_ns + (needed > 3e18 ? UINT64_C(3000000000000000000) : (uint64_t)needed);
}
