/* SPDX-License-Identifier: MIT
 *
 * What is asked for of single sites, and not of all that a table has: their call
 * stacks as text, and what they held at other snapshots than the table's own, for
 * curves over time, without opening the log again for each.
 */
#include "tables_sites.h"

static const struct mr_sites_run *find_run(const struct mr_sites_table *table, uint64_t run)
{
	for (size_t i = 0; i < table->run_count; i++)
		if (table->runs[i].run + UINT64_C(1) == run)
			return &table->runs[i];
	return NULL;
}

/* The index of the run's heap snapshot with that number; MR_INDEX_NONE when there is none. */
static uint32_t find_snapshot(const struct mr_run *run, uint64_t number)
{
	for (uint32_t i = 0; i < run->heap_snapshot_count; i++)
		if (run->heap_snapshots[i].number == number)
			return i;
	return MR_INDEX_NONE;
}

static int check_type(const struct memstats_table *table, struct mr_error *err)
{
	MR_FAIL_IF(table->type != &mr_table_sites, err, MR_ERR_ARG, "table %s is not that of sites",
	           table->type->info.name);
	return 0;
}

int memstats_sites_stack(const struct memstats_table *sites, size_t row, const char **stack,
                         struct memstats_error *error)
{
	struct mr_error *const err = mr_table_error(error);

	MR_TRY(check_type(sites, err));
	MR_FAIL_IF(row >= sites->row_count, err, MR_ERR_ARG, "table sites has no row %zu", row);
	const struct mr_sites_table *const table = sites->state;
	const struct mr_site_row *const source = &table->rows[mr_table_row(sites, row)];
	struct mr_sites_run *const of = &table->runs[source->of];
	const uint32_t index = of->sites.sites[source->site].stack;

	MR_TRY(mr_sites_need_stacks(table, of, 1, err));
	MR_TRY(mr_stacks_resolve(of->stacks, index, err));
	const char *const text = mr_stacks_trace_text(of->stacks, index);
	MR_FAIL_IF(!text, err, MR_ERR_NOMEM, "no memory for a call stack");
	*stack = text;
	return 0;
}

int memstats_sites_live(const struct memstats_table *sites, uint64_t run, uint64_t snapshot,
                        uint64_t *live_bytes, struct memstats_error *error)
{
	struct mr_error *const err = mr_table_error(error);
	struct mr_heap_sites then = { 0 };

	MR_TRY(check_type(sites, err));
	const struct mr_sites_table *const table = sites->state;
	const struct mr_sites_run *const of = find_run(table, run);
	const uint32_t at = of ? find_snapshot(&table->model->runs[of->run], snapshot) : MR_INDEX_NONE;
	MR_FAIL_IF(at == MR_INDEX_NONE, err, MR_ERR_ARG, "run %llu has no heap snapshot %llu",
	           (unsigned long long)run, (unsigned long long)snapshot);
	MR_TRY(mr_model_heap_sites(table->model, of->run, at, &then, err));
	uint64_t *const live = mr_alloc((of->sites.count + 1) * sizeof(*live));
	if (!live) {
		mr_heap_sites_release(&then);
		return mr_fail(err, MR_ERR_NOMEM, "no memory for %zu sites", of->sites.count);
	}
	/* Both are in the order of their stacks. */
	for (size_t i = 0, k = 0; i < of->sites.count; i++) {
		while (k < then.count && then.sites[k].stack < of->sites.sites[i].stack)
			k++;
		if (k < then.count && then.sites[k].stack == of->sites.sites[i].stack)
			live[i] = then.sites[k].live_bytes;
	}
	for (size_t row = 0; row < sites->row_count; row++) {
		const struct mr_site_row *const source = &table->rows[mr_table_row(sites, row)];

		if (&table->runs[source->of] == of)
			live_bytes[row] = live[source->site];
	}
	mr_free(live);
	mr_heap_sites_release(&then);
	return 0;
}
