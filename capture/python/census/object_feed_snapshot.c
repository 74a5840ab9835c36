/* SPDX-License-Identifier: MIT
 *
 * A census's snapshots: what the process and all objects took, the sums of each
 * class, and who holds what stayed.  See object_feed.h.
 */
#include "object_feed_private.h"

#include "log_memory.h"

void mr_object_feed_snapshot(struct mr_object_feed *feed, const struct mr_fed_snapshot *snapshot)
{
	const struct mr_log_span span = { snapshot->time_ns, snapshot->time_ns, snapshot->number,
		                          snapshot->number };
	struct mr_proc_memory memory;

	if (!mr_object_feed_alive(feed))
		return;
	mr_proc_memory_clear(&memory);
	(void)mr_proc_memory_read(0, MR_PROC_STATM | MR_PROC_STATUS, &memory); /* what fails stays unknown */
	const uint32_t description = mr_object_feed_passing(feed, snapshot->description);
	struct mr_block_writer *const block = mr_feed_sink_begin(&feed->account->sink, MR_KIND_SNAPSHOTS, 1);
	mr_block_scalar(block, MR_SNAPSHOTS_NUMBER, snapshot->number);
	mr_block_scalar(block, MR_SNAPSHOTS_TIME, snapshot->time_ns);
	mr_block_scalar(block, MR_SNAPSHOTS_DURATION, snapshot->duration_ns);
	mr_block_scalar(block, MR_SNAPSHOTS_DESCRIPTION, description);
	mr_block_scalar(block, MR_SNAPSHOTS_FLAGS,
	                snapshot->number == 1 || snapshot->baseline ? MR_SNAPSHOT_BASELINE : 0u);
	mr_block_scalar(block, MR_SNAPSHOTS_COUNT, snapshot->count);
	mr_block_scalar(block, MR_SNAPSHOTS_SIZE, snapshot->bytes);
	mr_block_scalar(block, MR_SNAPSHOTS_OVERHEAD, snapshot->overhead_bytes);
	mr_log_memory_put(block, &memory);
	mr_feed_sink_end(&feed->account->sink, &span);
	atomic_store_explicit(&feed->capture->snapshots_taken, snapshot->number, memory_order_relaxed);
}

void mr_object_feed_class_totals(struct mr_object_feed *feed, uint32_t snapshot,
                                 const struct mr_fed_class_total *rows, size_t count)
{
	const struct mr_log_span span = { .snapshot_first = snapshot, .snapshot_last = snapshot };

	if (!mr_object_feed_alive(feed))
		return;
	for (uint32_t n; count > 0; rows += n, count -= n) {
		n = mr_object_feed_up_to(count, MR_OBJECT_FEED_ROWS);
		struct mr_block_writer *const block =
			mr_feed_sink_begin(&feed->account->sink, MR_KIND_CLASS_TOTALS, n);

		MR_OBJECT_FEED_COLUMN(feed, block, MR_CLASS_TOTALS_SNAPSHOT, n, snapshot);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_CLASS_TOTALS_CLASS, n, rows[i].class_id);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_CLASS_TOTALS_COUNT, n, rows[i].count);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_CLASS_TOTALS_SIZE, n, rows[i].bytes);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_CLASS_TOTALS_FLAT, n, rows[i].bytes);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_CLASS_TOTALS_GONE, n, rows[i].gone);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_CLASS_TOTALS_GONE_SIZE, n, rows[i].gone_bytes);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_CLASS_TOTALS_MADE, n, rows[i].made);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_CLASS_TOTALS_MADE_SIZE, n, rows[i].made_bytes);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_CLASS_TOTALS_STAYED, n, rows[i].stayed);
		MR_OBJECT_FEED_COLUMN(feed, block, MR_CLASS_TOTALS_STAYED_SIZE, n, rows[i].stayed_bytes);
		mr_feed_sink_end(&feed->account->sink, &span);
	}
}

static void put_holders(struct mr_object_feed *feed, uint32_t snapshot, const struct mr_fed_holder *rows,
                        uint32_t count)
{
	const struct mr_log_span span = { .snapshot_first = snapshot, .snapshot_last = snapshot };
	uint64_t *const paths = feed->account->columns[1];
	uint64_t *const examples = feed->account->columns[2];

	for (uint32_t i = 0; i < count; i++) {
		paths[i] = mr_object_feed_text(feed, rows[i].path);
		examples[i] = mr_object_feed_passing(feed, rows[i].example_path);
	}
	struct mr_block_writer *const block =
		mr_feed_sink_begin(&feed->account->sink, MR_KIND_HOLDERS, count);
	MR_OBJECT_FEED_COLUMN(feed, block, MR_HOLDERS_SNAPSHOT, count, snapshot);
	MR_OBJECT_FEED_COLUMN(feed, block, MR_HOLDERS_CLASS, count, rows[i].class_id);
	MR_OBJECT_FEED_COLUMN(feed, block, MR_HOLDERS_OBJECT, count,
	                      rows[i].object != 0 ? rows[i].object + 1 : 0);
	MR_OBJECT_FEED_COLUMN(feed, block, MR_HOLDERS_ROOT, count, rows[i].root);
	MR_OBJECT_FEED_COLUMN(feed, block, MR_HOLDERS_LENGTH, count, rows[i].length);
	MR_OBJECT_FEED_COLUMN(feed, block, MR_HOLDERS_COUNT, count, rows[i].count);
	MR_OBJECT_FEED_COLUMN(feed, block, MR_HOLDERS_SIZE, count, rows[i].bytes);
	mr_block_column(block, MR_HOLDERS_PATH, paths);
	mr_block_column(block, MR_HOLDERS_EXAMPLE, examples);
	mr_feed_sink_end(&feed->account->sink, &span);
}

void mr_object_feed_holders(struct mr_object_feed *feed, uint32_t snapshot, const struct mr_fed_holder *rows,
                            size_t count)
{
	if (!mr_object_feed_alive(feed))
		return;
	for (uint32_t n; count > 0; rows += n, count -= n) {
		n = mr_object_feed_up_to(count, MR_OBJECT_FEED_ROWS);
		put_holders(feed, snapshot, rows, n);
	}
}

void mr_object_feed_counters(struct mr_object_feed *feed)
{
	if (feed->graphs_left_out == 0)
		return;

	const uint32_t key = mr_object_feed_text(feed, "census.graphs_left_out");
	struct mr_block_writer *const block = mr_feed_sink_begin(&feed->account->sink, MR_KIND_COUNTERS, 1);
	mr_block_scalar(block, MR_COUNTERS_KEY, key);
	mr_block_scalar(block, MR_COUNTERS_VALUE, feed->graphs_left_out);
	mr_feed_sink_end(&feed->account->sink, NULL);
}
