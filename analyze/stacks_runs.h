/* SPDX-License-Identifier: MIT
 *
 * What every table of call stacks starts from: the runs of a log whose heap was
 * recorded, each with its stacks under the query's options and its sites at the
 * snapshot that was named, or at its end.
 */
#ifndef MR_STACKS_RUNS_H
#define MR_STACKS_RUNS_H

#include "stacks_tree.h"
#include "table_log.h"

/* Whether QUERY (NULL: no) has --focus, --hide or --module. */
bool mr_stacks_has_options(const struct memstats_query *query);

/* How many of a run's stacks somebody is about to look at. */
enum mr_stacks_need { MR_STACKS_FEW, MR_STACKS_ALL };

/* The stacks of run RUN, given back with mr_stacks_free().  Where QUERY has no option for stacks, those who
 * look at all that the run has at its end share one view of them, which the log keeps; and those who need
 * few look at it where it is there already, and else work out only what they need. */
int mr_log_stacks(struct memstats_log *log, size_t run, const struct memstats_query *query,
                  enum mr_stacks_need need, struct mr_stacks **stacks, struct mr_error *err) MR_MUST_CHECK;
void mr_log_stacks_release(struct memstats_log *log); /* once no table is left */

struct mr_stacks_run {
	uint32_t run;      /* index in the model's runs */
	uint32_t snapshot; /* index in its heap_snapshots; MR_INDEX_NONE: its end */
	struct mr_stacks *stacks;
	struct mr_heap_sites sites;
};

struct mr_stacks_runs {
	struct mr_stacks_run *runs;
	size_t count;
};

/* Freed with mr_stacks_runs_release(), also after a failure. */
int mr_stacks_runs_init(struct mr_stacks_runs *runs, struct memstats_log *log,
                        const struct memstats_query *query, struct mr_error *err) MR_MUST_CHECK;
void mr_stacks_runs_release(struct mr_stacks_runs *runs);

#endif
