/* SPDX-License-Identifier: MIT
 *
 * Table account: what the resident memory of a process is made of.  It
 * reconciles: live - untouched + slack + files + stacks + recorder + shared +
 * anonymous is rss, in every row.  Anonymous is what nothing else explains; where
 * the parts, which are read one after the other, come to more than rss was said
 * to be, they are right and rss is their sum.
 */
#include "table_rows.h"
#include "tables_heap.h"

enum {
	RUN,
	TIME,
	RSS,
	LIVE,
	SLACK,
	UNTOUCHED,
	FILES,
	STACKS,
	RECORDER,
	SHARED,
	ANONYMOUS,
	SWAP,
	COLUMN_COUNT
};

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[TIME] = { "time", MEMSTATS_TIME, "when it was read" },
	[RSS] = { "rss", MEMSTATS_BYTES, "resident memory: live - untouched, and all that follows but swap" },
	[LIVE] = { "live", MEMSTATS_BYTES, "allocated and not freed" },
	[SLACK] = { "slack", MEMSTATS_BYTES, "the allocator's pages beyond live: free blocks, rounding" },
	[UNTOUCHED] = { "untouched", MEMSTATS_BYTES, "of live, never touched, so not resident" },
	[FILES] = { "files", MEMSTATS_BYTES, "mapped files: code and data of programs and libraries" },
	[STACKS] = { "stacks", MEMSTATS_BYTES, "stacks of all threads" },
	[RECORDER] = { "recorder", MEMSTATS_BYTES, "the recorder's own share: rings and tables" },
	[SHARED] = { "shared", MEMSTATS_BYTES, "shared memory without a file" },
	[ANONYMOUS] = { "anonymous", MEMSTATS_BYTES, "the rest: other mappings of the program's" },
	[SWAP] = { "swap", MEMSTATS_BYTES, "swapped out memory" },
};

static size_t count_rows(const struct mr_run *run)
{
	return run->account_count;
}

static int account_open(struct memstats_log *log, uint64_t needed, void **state, size_t *row_count,
                        struct mr_error *err)
{
	(void)needed;
	return mr_run_rows_open(log->model, count_rows, state, row_count, err);
}

static void account_cell(const void *state, size_t row, size_t column, struct mr_cell *cell)
{
	const struct mr_run_rows *rows = state;
	size_t index = 0;
	const size_t run = mr_run_rows_find(rows, row, &index);
	const struct mr_account *account = &rows->model->runs[run].accounts[index];
	const uint64_t heap = account->heap_bytes, live = account->live_bytes;
	const uint64_t parts = mr_sum(mr_sum(mr_sum(heap, account->files_bytes), account->stacks_bytes),
	                              mr_sum(account->recorder_bytes, account->shared_bytes));
	const uint64_t rss = account->rss_bytes > parts ? account->rss_bytes : parts;
	const uint64_t numbers[COLUMN_COUNT] = {
		[RUN] = run + 1,
		[TIME] = account->time_ns,
		[RSS] = rss,
		[LIVE] = live,
		[SLACK] = heap > live ? heap - live : 0,
		[UNTOUCHED] = live > heap ? live - heap : 0,
		[FILES] = account->files_bytes,
		[STACKS] = account->stacks_bytes,
		[RECORDER] = account->recorder_bytes,
		[SHARED] = account->shared_bytes,
		[ANONYMOUS] = rss - parts,
		[SWAP] = account->swap_bytes,
	};

	mr_cell_number(cell, numbers[column]);
}

const struct mr_table_type mr_table_account = {
	.info = { "account", "what the resident memory of a process is made of, over time", columns,
	          COLUMN_COUNT, TIME },
	.open = account_open,
	.cell = account_cell,
	.close = mr_run_rows_close,
};
