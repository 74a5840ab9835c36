/* SPDX-License-Identifier: MIT
 *
 * The last state of an object whose class wants it kept: sized and described
 * alone, when it is forgotten, and written as snapshot 0.
 */
#include "tracker_snapshot.h"

void mr_keeper_release(struct mr_keeper *keeper)
{
	mr_sizer_free(keeper->sizer);
	if (keeper->rows != NULL)
		mr_buffer_release(&keeper->rows->buffer);
	mr_free(keeper->rows);
}

static bool is_tracked(void *context, const void *address)
{
	struct memcapture *const capture = context;
	const uint64_t hash = mr_map_hash((uint64_t)(uintptr_t)address);
	struct mr_map_shard *const shard = mr_map_shard(&capture->map, hash);
	uint32_t at;

	mr_spin_acquire(&shard->lock);
	const bool found =
		shard->slots != NULL && mr_map_find(shard, hash, (uint64_t)(uintptr_t)address, &at);
	mr_spin_release(&shard->lock);
	return found;
}

/* The sizer for single objects; under the keeper's lock. */
static struct mr_sizer *sizer_for_kept(struct memcapture *capture, struct mr_error *err)
{
	struct mr_keeper *const keeper = &capture->keeper;
	const struct mr_path_source paths = mr_snapshot_paths(capture);

	if (keeper->sizer == NULL && mr_sizer_new(&keeper->sizer, &paths, err) == 0)
		mr_sizer_ask(keeper->sizer, is_tracked, capture);
	return keeper->sizer;
}

/* Sizes and describes the object of ROW into rows for snapshot 0; under the keeper's lock. */
static void keep(struct memcapture *capture, const struct mr_row *row, struct mr_error *err)
{
	struct mr_keeper *const keeper = &capture->keeper;
	struct mr_snapshot_rows *const rows = keeper->rows;
	const uint32_t class_id = atomic_load_explicit(&row->classes, memory_order_acquire) & 0xffff;
	const struct memcapture_class *const klass = mr_tracker_class(capture, class_id);
	const struct memcapture_layout *const layout =
		atomic_load_explicit(&klass->layout, memory_order_acquire);
	memcapture_describe *const function = atomic_load_explicit(&klass->describe, memory_order_acquire);
	const void *const object =
		(const void *)(uintptr_t)atomic_load_explicit(&row->address, memory_order_relaxed);
	const unsigned level =
		atomic_load_explicit(&row->control, memory_order_relaxed) >> MR_ROW_LEVEL_SHIFT & 0xff;
	struct mr_sizer *const sizer = sizer_for_kept(capture, err);
	struct mr_sized sized = { 0 };

	if (sizer == NULL)
		return;
	if (layout != NULL && mr_sizer_size(sizer, object, layout, level, &sized) < 0) {
		mr_fail(err, MR_ERR_NOMEM, "out of memory for the last state of objects");
		mr_sizer_clear(sizer); /* of what it did count */
		return;
	}
	mr_snapshot_rows_begin(rows, capture, 0,
	                       mr_channel_time_ns(capture->channel->header, mr_tracker_ticks(capture)));
	mr_snapshot_rows_put(rows, row->id, &sized);
	if (function != NULL) {
		char text[MR_TRACKER_LABEL_MAX] = "";

		function(object, text, sizeof(text));
		text[sizeof(text) - 1] = '\0';
		if (text[0] != '\0')
			mr_snapshot_rows_put_label(rows, row->id,
			                           mr_names_passing(capture, text, strlen(text)));
	}
	mr_snapshot_rows_flush(rows);
	mr_sizer_clear(sizer);
}

void mr_snapshot_keep(struct memcapture *capture, struct mr_row *row)
{
	struct mr_keeper *const keeper = &capture->keeper;
	struct mr_error err = { 0 };

	mr_lock_acquire(&keeper->lock);
	if (keeper->rows == NULL)
		keeper->rows = mr_alloc(sizeof(*keeper->rows));
	if (keeper->rows != NULL)
		keep(capture, row, &err);
	else
		mr_fail(&err, MR_ERR_NOMEM, "out of memory for the last state of objects");
	mr_lock_release(&keeper->lock);
	if (err.code < 0)
		mr_tracker_fail(capture, &err);
}
