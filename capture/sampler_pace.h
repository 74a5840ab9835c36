/* SPDX-License-Identifier: MIT
 *
 * How often the sampler looks: intervals that grow with a process's age, and
 * budgets that keep the cost of looking below a share of the time.  Arithmetic
 * only; every time is CLOCK_MONOTONIC in nanoseconds and given by the caller.
 */
#ifndef MR_SAMPLER_PACE_H
#define MR_SAMPLER_PACE_H

#include "base.h"

#define MR_SAMPLER_INTERVAL_MIN_NS UINT64_C(10000000)   /* the default for ten seconds */
#define MR_SAMPLER_INTERVAL_MAX_NS UINT64_C(1000000000) /* reached after 1000 seconds */

/* The default interval for a process that has been recorded for AGE_NS: a
 * thousandth of its age, within the limits above.  A process that lives T
 * seconds so leaves 1000 samples in the first ten, 1000 x ln(T / 10) up to
 * T = 1000 (about 5600 in all), and one a second from then on. */
uint64_t mr_sampler_interval_ns(uint64_t age_ns);

/* What may be spent: a share of the time since the start, and a little in
 * advance.  What an activity cost is told afterwards; from that follows when it
 * may next take place. */
struct mr_budget {
	uint64_t start_ns;
	uint64_t spent_ns;
	uint64_t advance_ns; /* may be spent before any time has passed */
	uint32_t share_ppm;  /* of the time, in millionths */
};

void mr_budget_spend(struct mr_budget *budget, uint64_t cost_ns);
/* Forgets what has been spent beyond the budget by more than DEBT_MAX_NS at NOW_NS:
 * what happened once need not be paid for ever. */
void mr_budget_forgive(struct mr_budget *budget, uint64_t now_ns, uint64_t debt_max_ns);
/* The earliest time at which no more has been spent than there was; START_NS or later. */
uint64_t mr_budget_ready_ns(const struct mr_budget *budget);

#endif
