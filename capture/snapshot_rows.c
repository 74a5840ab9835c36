/* SPDX-License-Identifier: MIT
 *
 * Rows of sizes, referents and labels on their way into the log.  Objects of a
 * block are in ascending order, which makes their ids small differences.
 */
#include "tracker_snapshot.h"

void mr_snapshot_rows_begin(struct mr_snapshot_rows *rows, struct memcapture *capture, uint64_t snapshot,
                            uint64_t time_ns)
{
	rows->capture = capture;
	rows->snapshot = snapshot;
	rows->time_ns = time_ns;
	rows->size_count = 0;
	rows->referent_count = 0;
	rows->label_count = 0;
}

/* The order of KEYS[0..COUNT) as indexes in ORDER; false: they are ascending as they are. */
static bool find_order(const uint64_t *keys, uint32_t count, uint64_t *order)
{
	bool ascending = true;

	for (uint32_t i = 1; i < count && ascending; i++)
		ascending = keys[i - 1] <= keys[i];
	if (ascending)
		return false;

	/* Objects come in runs, so what is out of place is moved by few steps of a shell sort; stable it need
	 * not be, because the index breaks ties. */
	for (uint32_t i = 0; i < count; i++)
		order[i] = i;
	for (uint32_t gap = count / 2; gap > 0; gap /= 2) {
		for (uint32_t i = gap; i < count; i++) {
			const uint64_t moved = order[i];
			uint32_t at = i;

			for (; at >= gap; at -= gap) {
				const uint64_t other = order[at - gap];

				if (keys[other] < keys[moved] ||
				    (keys[other] == keys[moved] && other < moved))
					break;
				order[at] = other;
			}
			order[at] = moved;
		}
	}
	return true;
}

/* A column in ORDER, or as it is with NULL. */
static void put_column(struct mr_snapshot_rows *rows, struct mr_block_writer *block, unsigned id,
                       const uint64_t *values, const uint64_t *order)
{
	if (order == NULL) {
		mr_block_column(block, id, values);
		return;
	}
	for (uint32_t i = 0; i < block->rows; i++)
		rows->column[i] = values[order[i]];
	mr_block_column(block, id, rows->column);
}

static void put_snapshot_column(struct mr_snapshot_rows *rows, struct mr_block_writer *block, unsigned id)
{
	for (uint32_t i = 0; i < block->rows; i++)
		rows->column[i] = rows->snapshot;
	mr_block_column(block, id, rows->column);
}

static void send(struct mr_snapshot_rows *rows)
{
	const uint64_t span[4] = { rows->time_ns, rows->time_ns, rows->snapshot, rows->snapshot };

	mr_tracker_detail(rows->capture, &rows->buffer, span);
	mr_buffer_clear(&rows->buffer);
}

static void flush_sizes(struct mr_snapshot_rows *rows)
{
	const uint64_t *const order =
		find_order(rows->object, rows->size_count, rows->order) ? rows->order : NULL;
	struct mr_block_writer block;

	mr_block_begin(&block, &rows->buffer, MR_KIND_SIZES, rows->size_count);
	put_snapshot_column(rows, &block, MR_SIZES_SNAPSHOT);
	put_column(rows, &block, MR_SIZES_OBJECT, rows->object, order);
	put_column(rows, &block, MR_SIZES_SIZE, rows->size, order);
	put_column(rows, &block, MR_SIZES_FLAT, rows->flat, order);
	mr_block_end(&block);
	rows->size_count = 0;
	send(rows);
}

static void flush_referents(struct mr_snapshot_rows *rows)
{
	const uint64_t *const order =
		find_order(rows->referent_object, rows->referent_count, rows->order) ? rows->order : NULL;
	struct mr_block_writer block;

	mr_block_begin(&block, &rows->buffer, MR_KIND_REFERENTS, rows->referent_count);
	put_snapshot_column(rows, &block, MR_REFERENTS_SNAPSHOT);
	put_column(rows, &block, MR_REFERENTS_OBJECT, rows->referent_object, order);
	put_column(rows, &block, MR_REFERENTS_PATH, rows->path, order);
	put_column(rows, &block, MR_REFERENTS_COUNT, rows->referent_number, order);
	put_column(rows, &block, MR_REFERENTS_SIZE, rows->referent_size, order);
	put_column(rows, &block, MR_REFERENTS_FLAT, rows->referent_flat, order);
	mr_block_end(&block);
	rows->referent_count = 0;
	send(rows);
}

static void flush_labels(struct mr_snapshot_rows *rows)
{
	struct mr_block_writer block;

	mr_block_begin(&block, &rows->buffer, MR_KIND_LABELS, rows->label_count);
	put_snapshot_column(rows, &block, MR_LABELS_SNAPSHOT);
	mr_block_column(&block, MR_LABELS_OBJECT, rows->label_object);
	mr_block_column(&block, MR_LABELS_TEXT, rows->label);
	mr_block_end(&block);
	rows->label_count = 0;
	send(rows);
}

void mr_snapshot_rows_flush(struct mr_snapshot_rows *rows)
{
	if (rows->size_count > 0)
		flush_sizes(rows);
	if (rows->referent_count > 0)
		flush_referents(rows);
	if (rows->label_count > 0)
		flush_labels(rows);
}

void mr_snapshot_rows_put(struct mr_snapshot_rows *rows, uint64_t object, const struct mr_sized *sized)
{
	size_t count = sized->referent_count;

	if (count > MR_SNAPSHOT_REFERENTS) {
		rows->referents_cut += count - MR_SNAPSHOT_REFERENTS;
		count = MR_SNAPSHOT_REFERENTS;
	}
	/* An object's sizes come right before its referents. */
	if (rows->size_count == MR_SNAPSHOT_SIZES || rows->referent_count + count > MR_SNAPSHOT_REFERENTS)
		mr_snapshot_rows_flush(rows);

	const uint32_t row = rows->size_count++;
	rows->object[row] = object;
	rows->size[row] = sized->size_bytes;
	rows->flat[row] = sized->flat_bytes;
	for (size_t i = 0; i < count; i++) {
		const struct mr_referent *const referent = &sized->referents[i];
		const uint32_t at = rows->referent_count++;

		rows->referent_object[at] = object;
		rows->path[at] = referent->path;
		rows->referent_number[at] = referent->count;
		rows->referent_size[at] = referent->size_bytes;
		rows->referent_flat[at] = referent->flat_bytes;
	}
}

void mr_snapshot_rows_put_label(struct mr_snapshot_rows *rows, uint64_t object, uint32_t string)
{
	if (rows->label_count == MR_SNAPSHOT_LABELS)
		flush_labels(rows);
	rows->label_object[rows->label_count] = object;
	rows->label[rows->label_count++] = string;
}
