/* SPDX-License-Identifier: MIT
 *
 * Python's account as it happens.  A feed has a capture of libmemcapture's to itself:
 * births and deaths are records in a ring, everything else blocks, and libmemcapture's
 * thread or memrecord takes them from there; neither needs the GIL, so a feed may wait
 * for them while it holds it.  The capture also gives what does not depend on Python:
 * silence in a forked child, the end of the log when the program ends, and samples of
 * the process's memory.
 *
 * The capture's zero is the store's, so the times of the store are those of the log.
 */
#include "log_feed.h"

#include "feed_account.h"
#include "feed_capture.h"

#define EVENT_RING_BYTES (1u << 20)

struct mr_feed {
	struct memcapture *capture;
	struct mr_feed_account *account;
	struct mr_ring_writer events;
	char path[PATH_MAX]; /* "": memrecord's, or not known */
};

/* ---- Records -------------------------------------------------------------------------- */

/* Appends a record of LEN bytes; one that finds no writer any more is counted by the ring. */
static void append(struct mr_feed *feed, const void *record, size_t len)
{
	if (!mr_ring_reserve(&feed->events, len))
		return;
	memcpy(mr_ring_at_head(&feed->events), record, len);
	mr_ring_commit(&feed->events, len);
}

static uint32_t object_high(uint64_t object)
{
	return (uint32_t)(object >> 32) << 12;
}

static void put_birth(struct mr_feed *feed, uint32_t id)
{
	struct mr_feed_account *const account = feed->account;
	const struct mr_tracked_row *const row = mr_store_row(account->store, id);
	const uint64_t object = mr_feed_account_object(account, id);

	mr_feed_account_meet(account, row);
	const struct mr_record_birth_sized record = {
		.birth = {
			.head = MR_RECORD_BIRTH_SIZED | (uint32_t)row->level << 4 | object_high(object),
			.object_low = (uint32_t)object,
			.ticks = mr_feed_capture_ticks(feed->capture, row->birth_ns),
			.address = row->address,
			.class_id = account->class_base + row->class_index,
			.stack = row->stack != 0 ? account->stack_base + row->stack : 0,
		},
		.size = row->basic_bytes,
	};
	append(feed, &record, sizeof(record));
}

static void put_death(struct mr_feed *feed, uint32_t id)
{
	const struct mr_tracked_row *const row = mr_store_row(feed->account->store, id);
	const uint64_t object = mr_feed_account_object(feed->account, id);
	const uint32_t reason = row->flags & MR_TRACKED_DETACHED ? MR_DEATH_DETACHED : MR_DEATH_FREED;
	const struct mr_record_death record = {
		.head = MR_RECORD_DEATH | reason << 4 | object_high(object),
		.object_low = (uint32_t)object,
		.ticks = mr_feed_capture_ticks(feed->capture, row->death_ns != 0
		                                                      ? row->death_ns
		                                                      : mr_feed_capture_now(feed->capture)),
	};

	append(feed, &record, sizeof(record));
}

/* ---- Opening --------------------------------------------------------------------------- */

/* What was tracked before the log was opened. */
static void put_past(struct mr_feed *feed)
{
	struct mr_feed_account *const account = feed->account;
	const uint32_t end = account->store->rows.count;

	mr_feed_account_definitions(account);
	for (uint32_t id = 1; id < end; id++)
		put_birth(feed, id);
	for (uint32_t id = 1; id < end; id++) {
		if (mr_store_row(account->store, id)->death_ns != 0)
			put_death(feed, id);
	}
	mr_feed_account_snapshots(account);
}

/* Fills in what a feed needs beside its capture. */
static int feed_parts(struct mr_feed *feed, struct mr_store *store, struct mr_error *err)
{
	struct mr_channel *const channel = feed->capture->channel;
	uint32_t index;

	feed->account = mr_feed_account_new(store);
	MR_FAIL_IF(feed->account == NULL, err, MR_ERR_NOMEM, "out of memory for a log");
	feed->account->sink.capture = feed->capture;
	struct mr_ring *const ring = mr_channel_add_ring(channel, MR_RING_EVENTS, EVENT_RING_BYTES, &index);
	MR_FAIL_IF(ring == NULL, err, MR_ERR_NOMEM, "out of memory for a log");
	mr_ring_writer_init(&feed->events, channel, ring, index);
	return 0;
}

static void feed_free(struct mr_feed *feed)
{
	mr_feed_account_free(feed->account);
	mr_free(feed);
}

int mr_feed_open(struct mr_feed **feed, struct mr_store *store, const char *path)
{
	struct mr_feed *const created = mr_alloc(sizeof(*created));
	struct mr_error err = { 0 };

	*feed = NULL;
	if (created == NULL) {
		PyErr_NoMemory();
		return -1;
	}
	const int status = mr_feed_capture_open(&created->capture, MR_SOURCE_TRACKER, store->zero_ns, path,
	                                        created->path);
	if (status < 0 || created->capture == NULL) {
		mr_free(created);
		return status;
	}
	if (feed_parts(created, store, &err) < 0) {
		memcapture_close(created->capture, NULL);
		feed_free(created);
		mr_feed_raise(&err, NULL);
		return -1;
	}
	put_past(created);
	*feed = created;
	return 0;
}

/* ---- Ending ------------------------------------------------------------------------------ */

int mr_feed_close(struct mr_feed *feed)
{
	if (feed == NULL)
		return 0;

	const int status = mr_feed_capture_close(feed->capture, &feed->account->sink.failure, feed->path);
	feed_free(feed);
	return status;
}

/* ---- What happens -------------------------------------------------------------------------- */

void mr_feed_class(struct mr_feed *feed, uint32_t class_index, unsigned level, bool keep, bool trace)
{
	if (feed != NULL && mr_tracker_alive(feed->capture))
		mr_feed_account_class(feed->account, class_index, level,
		                      (keep ? MR_CLASS_KEEP : 0u) | (trace ? MR_CLASS_TRACE : 0u));
}

void mr_feed_birth(struct mr_feed *feed, uint32_t row)
{
	if (feed == NULL || !mr_tracker_alive(feed->capture))
		return;
	mr_feed_account_definitions(feed->account);
	put_birth(feed, row);
}

void mr_feed_death(struct mr_feed *feed, uint32_t row)
{
	if (feed != NULL && mr_tracker_alive(feed->capture))
		put_death(feed, row);
}

void mr_feed_level(struct mr_feed *feed, uint32_t row)
{
	if (feed == NULL || !mr_tracker_alive(feed->capture))
		return;

	const uint64_t object = mr_feed_account_object(feed->account, row);
	const struct mr_record_change record = {
		.head = MR_RECORD_CHANGE | object_high(object),
		.object_low = (uint32_t)object,
		.ticks = mr_feed_capture_ticks(feed->capture, mr_feed_capture_now(feed->capture)),
		.level = mr_store_row(feed->account->store, row)->level + 1u,
	};
	append(feed, &record, sizeof(record));
}

void mr_feed_snapshot(struct mr_feed *feed, uint32_t snapshot)
{
	if (feed == NULL || !mr_tracker_alive(feed->capture))
		return;
	mr_feed_account_snapshot(feed->account, snapshot);
	atomic_store_explicit(&feed->capture->snapshots_taken, feed->account->snapshot_base + snapshot,
	                      memory_order_relaxed);
}

void mr_feed_mark(struct mr_feed *feed, const char *text, size_t len)
{
	if (feed != NULL && mr_tracker_alive(feed->capture))
		mr_feed_capture_mark(feed->capture, text, len, &feed->account->sink.failure);
}

/* ---- Another store ---------------------------------------------------------------------------- */

void mr_feed_move(struct mr_feed *feed, struct mr_store *store)
{
	if (feed == NULL)
		return;
	const struct mr_store *const before = feed->account->store;
	for (uint32_t id = 1; id < before->rows.count && mr_tracker_alive(feed->capture); id++) {
		if (mr_store_row(before, id)->death_ns == 0)
			put_death(feed, id);
	}
	mr_feed_account_move(feed->account, store, false);
}

void mr_feed_restart(struct mr_feed *feed, struct mr_store *store)
{
	if (feed == NULL)
		return;
	/* What memrecord has written stays: its log tells of other things as well. */
	if (!mr_tracker_alive(feed->capture) || feed->capture->log == NULL) {
		mr_feed_move(feed, store);
		return;
	}
	/* A failure is the capture's, for mr_feed_close(). */
	(void)(memcapture_clear(feed->capture, NULL) < 0);
	mr_feed_account_move(feed->account, store, true);
}
