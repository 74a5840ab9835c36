/* SPDX-License-Identifier: MIT
 *
 * Reads what call stacks held at the snapshots of the runs that matter most, and
 * counts which places in the code held more from one to the next.
 */
#include "report_data.h"

#define ROWS_MAX 800000 /* sites times snapshots that are read of a log: each takes its time */
#define RUNS_MAX 4

static const struct mr_report_run *run_of_rank(const struct mr_report_data *data, size_t rank)
{
	for (size_t i = 0; i < data->run_count; i++)
		if (data->runs[i].rank == rank)
			return &data->runs[i];
	return NULL;
}

/* The moments of the COUNT snapshots that are looked at: all, or an even choice with first and last. */
static void choose_snapshots(const struct mr_report_heap *heap, size_t count, size_t *moments)
{
	size_t seen = 0, next = 0;
	for (size_t i = 0; i < heap->moment_count && next < count; i++) {
		if (heap->moments[i].number == MR_NO_VALUE)
			continue;
		const size_t wanted = count < 2 ? heap->snapshot_count - 1
		                                : next * (heap->snapshot_count - 1) / (count - 1);
		if (seen++ == wanted)
			moments[next++] = i;
	}
}

static int read_state(const struct mr_report_data *data, const struct mr_report_run *run, size_t moment,
                      uint64_t *rows, struct mr_error *err)
{
	struct mr_report_heap *heap = run->heap;
	struct mr_heap_state *state = &heap->states[heap->state_count];
	MR_TRY(memstats_sites_live(data->heap.sites, run->id, heap->moments[moment].number, rows,
	                           (struct memstats_error *)(void *)err));
	state->live = mr_alloc((heap->site_count + 1) * sizeof(*state->live));
	MR_FAIL_IF(!state->live, err, MR_ERR_NOMEM, "no memory for %zu call stacks", heap->site_count);
	heap->state_count++;
	state->time_ns = heap->moments[moment].time_ns;
	for (size_t i = 0; i < heap->site_count; i++)
		state->live[i] = rows[heap->sites[i].row];
	return 0;
}

/* At the end much is given back, which says nothing of how a place grew before. */
static bool is_end(const struct mr_report_heap *heap, size_t moment)
{
	return strcmp(heap->moments[moment].reason, "end") == 0;
}

static int count_growth(struct mr_report_heap *heap, size_t state_count, struct mr_error *err)
{
	uint64_t *now = mr_alloc((heap->place_count + 1) * sizeof(*now));
	MR_FAIL_IF(!now, err, MR_ERR_NOMEM, "no memory for places in the code");
	for (size_t s = 0; s < state_count; s++) {
		memset(now, 0, heap->place_count * sizeof(*now));
		for (size_t i = 0; i < heap->site_count; i++)
			now[heap->sites[i].place] += heap->states[s].live[i];
		for (size_t i = 0; i < heap->place_count; i++) {
			struct mr_heap_place *place = &heap->places[i];
			place->growths += s > 0 && now[i] > place->live_last;
			place->shrinks += s > 0 && now[i] < place->live_last;
			place->live_last = now[i];
			if (s == 0)
				place->live_first = now[i];
			place->snapshots++;
		}
	}
	mr_free(now);
	return 0;
}

static int read_run(const struct mr_report_data *data, const struct mr_report_run *run, size_t count,
                    uint64_t *rows, struct mr_error *err)
{
	struct mr_report_heap *heap = run->heap;
	size_t moments[MR_HEAP_STATES_MAX] = { 0 };
	choose_snapshots(heap, count, moments);
	for (size_t i = 0; i < count; i++)
		MR_TRY(read_state(data, run, moments[i], rows, err));
	return count_growth(heap, is_end(heap, moments[count - 1]) ? count - 1 : count, err);
}

int mr_report_heap_states_read(struct mr_report_data *data, struct mr_error *err)
{
	const size_t row_count = memstats_table_row_count(data->heap.sites);
	uint64_t *rows = mr_alloc((row_count + 1) * sizeof(*rows));
	size_t left = ROWS_MAX;
	int status = rows ? 0 : mr_fail(err, MR_ERR_NOMEM, "no memory for %zu call stacks", row_count);
	for (size_t rank = 0; rank < RUNS_MAX && status == 0; rank++) {
		const struct mr_report_run *run = run_of_rank(data, rank);
		if (!run)
			break;
		if (!run->heap || run->heap->site_count == 0 || run->heap->snapshot_count < 2)
			continue;
		size_t count = left / run->heap->site_count;
		count = count < MR_HEAP_STATES_MAX ? count : MR_HEAP_STATES_MAX;
		count = count < run->heap->snapshot_count ? count : run->heap->snapshot_count;
		if (count < 2)
			continue;
		left -= count * run->heap->site_count;
		status = read_run(data, run, count, rows, err);
	}
	mr_free(rows);
	return status;
}
