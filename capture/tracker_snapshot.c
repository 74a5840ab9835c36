/* SPDX-License-Identifier: MIT
 *
 * Taking a snapshot.  First all rows are passed in the order of memory: objects
 * of flat classes are counted there, without touching the objects.  If there
 * are classes whose instances must be read, their objects are then sized in the
 * order of birth, each held while it is read.  tracker.h says how the moment of
 * a snapshot is fixed.
 */
#include "tracker_snapshot.h"
#include "heap_events.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log_memory.h"

/* That the program holds an object takes microseconds, unless it has forgotten to release it. */
#define PATIENCE_NS UINT64_C(2000000000)

#define AHEAD 8u /* objects */

struct mr_snapshotter {
	uint64_t number;        /* of the last snapshot */
	struct mr_sizer *sizer; /* NULL until something is walked */
	struct mr_snapshot_rows rows;
	struct mr_snapshot_totals totals;

	/* Of the snapshot under way. */
	struct memcapture *capture;
	uint64_t ticks;
	bool key;
	uint32_t own_row; /* index + 1 of the row that the calling thread holds already */
	uint64_t walked_count;
	uint64_t walked_birth;    /* of the walked object before */
	bool walked_sorted;       /* the order of memory is the order of birth */
	uint64_t patience_end_ns; /* 0: nothing has been waited for yet */
	struct mr_error failure;
};

int mr_snapshot_new(struct memcapture *capture, struct mr_error *err)
{
	/* Mostly columns that are only touched when sizes change. */
	capture->snapshotter = mr_alloc(sizeof(*capture->snapshotter));
	MR_FAIL_IF(capture->snapshotter == NULL, err, MR_ERR_NOMEM, "out of memory for snapshots");
	capture->snapshotter->capture = capture;
	return 0;
}

void mr_snapshot_free(struct mr_snapshotter *snapshotter)
{
	if (snapshotter == NULL)
		return;
	mr_sizer_free(snapshotter->sizer);
	mr_buffer_release(&snapshotter->rows.buffer);
	mr_snapshot_totals_release(&snapshotter->totals);
	mr_free(snapshotter);
}

uint64_t mr_snapshot_memory(const struct mr_snapshotter *snapshotter)
{
	return sizeof(*snapshotter) + mr_snapshot_totals_memory(&snapshotter->totals) +
	       snapshotter->rows.buffer.capacity +
	       (snapshotter->sizer != NULL ? mr_sizer_memory(snapshotter->sizer) : 0);
}

uint64_t mr_snapshot_number(const struct memcapture *capture)
{
	return atomic_load_explicit(&capture->snapshots_taken, memory_order_relaxed);
}

void mr_snapshot_restart(struct memcapture *capture)
{
	capture->snapshotter->number = 0;
	atomic_store_explicit(&capture->snapshots_taken, 0, memory_order_relaxed);
}

/* ---- The moment ------------------------------------------------------------------------ */

/* After this, each thread has either seen what we stored before, or we see that it is busy. */
static void barrier(const struct memcapture *capture)
{
	if (!capture->needs_fence)
		(void)syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

/* Waits until every thread has left the operation that it is in, if any. */
static void wait_for_busy(const struct memcapture *capture)
{
	for (const struct mr_thread *thread = atomic_load_explicit(&capture->threads, memory_order_acquire);
	     thread != NULL; thread = thread->next) {
		for (unsigned spin = 0; atomic_load_explicit(&thread->busy, memory_order_acquire) != 0;
		     spin++) {
			if (spin < 1000)
				mr_cpu_relax();
			else
				(void)sched_yield(); /* it may not be running */
		}
	}
}

/* Rows of objects that were forgotten last still say LIVE: see struct mr_row_cache. */
static void settle_rows(struct memcapture *capture)
{
	for (struct mr_thread *thread = atomic_load_explicit(&capture->threads, memory_order_acquire);
	     thread != NULL; thread = thread->next) {
		mr_spin_acquire(&thread->rows_lock);
		mr_rows_settle(&capture->rows, &thread->rows, 0);
		mr_spin_release(&thread->rows_lock);
	}
}

static void fix_moment(struct mr_snapshotter *snapshotter)
{
	struct memcapture *const capture = snapshotter->capture;
	const uint32_t mark = (uint32_t)(snapshotter->number % 255) + 1;

	atomic_store_explicit(&capture->snapshot_mark, mark, memory_order_relaxed);
	(void)atomic_exchange(&capture->snapshot_state, MR_SNAPSHOT_STAMPING);
	barrier(capture);
	wait_for_busy(capture);
	settle_rows(capture);

	/* Readers compare nanoseconds, so all ticks of one nanosecond are on the same side. */
	snapshotter->ticks = mr_clock_last_tick(capture->channel->header, mr_tracker_ticks(capture));
	while (mr_tracker_ticks(capture) <= snapshotter->ticks)
		mr_cpu_relax();
	atomic_store_explicit(&capture->snapshot_ticks, snapshotter->ticks, memory_order_relaxed);
	(void)atomic_exchange(&capture->snapshot_state, MR_SNAPSHOT_ACTIVE);
	barrier(capture);
	wait_for_busy(capture);
}

/* ---- Single objects ----------------------------------------------------------------------- */

/* Waits out the few nanoseconds in which a row is dying. */
static uint32_t settled_control(const struct mr_row *row)
{
	uint32_t control = atomic_load_explicit(&row->control, memory_order_acquire);

	while ((control & MR_ROW_STATE) == MR_ROW_DYING) {
		mr_cpu_relax();
		control = atomic_load_explicit(&row->control, memory_order_acquire);
	}
	return control;
}

/* Whether the object of ROW is in this snapshot, and of which class it is there. */
static bool is_member(const struct mr_snapshotter *snapshotter, const struct mr_row *row, uint32_t *class_id)
{
	/* The classes first: see change_class(). */
	const uint32_t classes_early = atomic_load_explicit(&row->classes, memory_order_acquire);
	const uint32_t control = settled_control(row);
	const uint32_t mark =
		atomic_load_explicit(&snapshotter->capture->snapshot_mark, memory_order_relaxed);

	if ((control & MR_ROW_STATE) == MR_ROW_FREE || row->birth > snapshotter->ticks)
		return false;
	if ((control & MR_ROW_STATE) == MR_ROW_DEAD &&
	    atomic_load_explicit(&row->address, memory_order_relaxed) <= snapshotter->ticks)
		return false;
	if ((control >> MR_ROW_SNAPSHOT_SHIFT & 0xff) == mark)
		*class_id = atomic_load_explicit(&row->classes, memory_order_acquire) >> 16;
	else
		*class_id = classes_early & 0xffff;
	return true;
}

/* Takes the FORCED bit off ROW, unless the class changed again after our moment. True: it was set. */
static bool take_forced(const struct mr_snapshotter *snapshotter, struct mr_row *row)
{
	const uint32_t mark =
		atomic_load_explicit(&snapshotter->capture->snapshot_mark, memory_order_relaxed);
	uint32_t control = atomic_load_explicit(&row->control, memory_order_relaxed);

	while ((control & MR_ROW_FORCED) != 0) {
		if ((control >> MR_ROW_SNAPSHOT_SHIFT & 0xff) == mark)
			return true;
		if (atomic_compare_exchange_weak_explicit(&row->control, &control,
		                                          control & ~(uint32_t)MR_ROW_FORCED,
		                                          memory_order_relaxed, memory_order_relaxed))
			return true;
	}
	return false;
}

/* Counts an object, and writes its row when a reader would not know it otherwise. */
static inline void count(struct mr_snapshotter *snapshotter, struct mr_row *row, struct mr_class_sum *sum,
                         const struct mr_sized *sized, uint64_t hash)
{
	const bool changed =
		sized->size_bytes != row->size || hash >> 32 != row->hash >> 32 ||
		(snapshotter->key && (sized->size_bytes != sum->size_logged || sized->referent_count > 0 ||
	                              sized->flat_bytes != sized->size_bytes));
	const bool forced = MR_UNLIKELY((atomic_load_explicit(&row->control, memory_order_relaxed) &
	                                 MR_ROW_FORCED) != 0) &&
	                    take_forced(snapshotter, row);

	mr_class_sum_add(sum, sized->size_bytes, sized->flat_bytes);
	if (changed || forced) {
		mr_snapshot_rows_put(&snapshotter->rows, row->id, sized);
		row->size = sized->size_bytes;
	}
	if (hash != row->hash)
		row->hash = hash;
}

/* An object that died after the moment: the size that was known last.  What was
 * flat of it, and its referents, are not known any more: a row says so. */
static void count_dead(struct mr_snapshotter *snapshotter, struct mr_row *row, struct mr_class_sum *sum)
{
	const struct mr_sized sized = { .size_bytes = row->size, .flat_bytes = row->size };

	count(snapshotter, row, sum, &sized, 0);
}

/* ---- The first pass: flat objects ----------------------------------------------------------- */

static void note_walked(struct mr_snapshotter *snapshotter, const struct mr_row *row)
{
	if (row->birth < snapshotter->walked_birth)
		snapshotter->walked_sorted = false;
	snapshotter->walked_birth = row->birth;
	snapshotter->walked_count++;
}

static void count_flat(struct mr_snapshotter *snapshotter)
{
	const struct mr_rows *const rows = &snapshotter->capture->rows;
	const uint32_t used = atomic_load_explicit(&rows->used, memory_order_acquire);
	struct mr_row *row = NULL;

	for (uint32_t index = 0; index < used; index++, row++) {
		uint32_t class_id;

		if (index % MR_ROW_SLAB == 0)
			row = mr_rows_at(rows, index);
		if (!is_member(snapshotter, row, &class_id) || class_id > snapshotter->totals.class_count)
			continue;

		struct mr_class_sum *const sum = &snapshotter->totals.classes[class_id];
		if (sum->walked) {
			note_walked(snapshotter, row);
			continue;
		}
		const struct mr_sized sized = { .size_bytes = sum->size_flat, .flat_bytes = sum->size_flat };
		count(snapshotter, row, sum, &sized, 0);
	}
}

/* ---- The second pass: objects that are read ---------------------------------------------------- */

static void mark_all(struct mr_snapshotter *snapshotter)
{
	const struct mr_rows *const rows = &snapshotter->capture->rows;
	const uint32_t used = atomic_load_explicit(&rows->used, memory_order_acquire);

	for (uint32_t index = 0; index < used; index++) {
		const struct mr_row *const row = mr_rows_at(rows, index);

		if ((atomic_load_explicit(&row->control, memory_order_acquire) & MR_ROW_STATE) != MR_ROW_LIVE)
			continue;
		const void *const object =
			(const void *)(uintptr_t)atomic_load_explicit(&row->address, memory_order_relaxed);
		if (mr_sizer_mark(snapshotter->sizer, object) < 0) {
			mr_fail(&snapshotter->failure, MR_ERR_NOMEM,
			        "out of memory for a snapshot: shared memory may count twice");
			return;
		}
	}
}

static inline uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 29;
}

/* What of an object is compared from snapshot to snapshot: 32 bits for its sizes
 * and referents, and (in the lower half) 32 for its label. */
static uint64_t hash_sized(const struct mr_sized *sized)
{
	uint64_t hash = mix(0, sized->flat_bytes);

	if (sized->referent_count == 0 && sized->flat_bytes == sized->size_bytes)
		return 0;
	for (size_t i = 0; i < sized->referent_count; i++) {
		const struct mr_referent *const referent = &sized->referents[i];

		hash = mix(hash, referent->path ^ referent->count << 32);
		hash = mix(hash, referent->size_bytes);
		hash = mix(hash, referent->flat_bytes);
	}
	return hash << 32;
}

/* Writes how the object shows itself, when that has changed; gives the hash of the text. */
static uint64_t describe(struct mr_snapshotter *snapshotter, const struct mr_row *row,
                         memcapture_describe *function, const void *object)
{
	char text[MR_TRACKER_LABEL_MAX] = "";
	uint64_t hash = 1;

	function(object, text, sizeof(text));
	text[sizeof(text) - 1] = '\0';
	const size_t len = strlen(text);
	for (size_t i = 0; i < len; i++)
		hash = mix(hash, (uint8_t)text[i]);
	hash >>= 32;
	if (len > 0 && (uint32_t)hash != (uint32_t)row->hash)
		mr_snapshot_rows_put_label(&snapshotter->rows, row->id,
		                           mr_names_passing(snapshotter->capture, text, len));
	return hash;
}

/* Reads and counts one object that is held. */
static void size_held(struct mr_snapshotter *snapshotter, struct mr_row *row, uint32_t class_id)
{
	struct memcapture *const capture = snapshotter->capture;
	const void *const object =
		(const void *)(uintptr_t)atomic_load_explicit(&row->address, memory_order_relaxed);
	const uint32_t class_now = atomic_load_explicit(&row->classes, memory_order_acquire) & 0xffff;
	const struct memcapture_class *const klass = mr_tracker_class(capture, class_now);
	const struct memcapture_layout *const layout =
		atomic_load_explicit(&klass->layout, memory_order_acquire);
	memcapture_describe *const function = atomic_load_explicit(&klass->describe, memory_order_acquire);
	const unsigned level =
		atomic_load_explicit(&row->control, memory_order_relaxed) >> MR_ROW_LEVEL_SHIFT & 0xff;
	struct mr_sized sized = { 0 };

	if (layout != NULL && mr_sizer_size(snapshotter->sizer, object, layout, level, &sized) < 0) {
		mr_fail(&snapshotter->failure, MR_ERR_NOMEM,
		        "out of memory for a snapshot: not every object was sized");
		sized = (struct mr_sized){ .size_bytes = row->size, .flat_bytes = row->size };
	}
	uint64_t hash = hash_sized(&sized);
	if (function != NULL)
		hash |= describe(snapshotter, row, function, object) & UINT32_MAX;
	count(snapshotter, row, &snapshotter->totals.classes[class_id], &sized, hash);
	if (sized.referent_count > 0)
		mr_snapshot_totals_referents(&snapshotter->totals, class_id, &sized);
}

/* Waits for whoever holds ROW; false: the object is gone, or held for so long
 * that the program would rather have its snapshot.  All waiting of a snapshot
 * ends at one moment, so that many such objects cost no more than one. */
static bool wait_for_hold(struct mr_snapshotter *snapshotter, struct mr_row *row)
{
	if (snapshotter->patience_end_ns == 0)
		snapshotter->patience_end_ns = mr_clock_monotonic_ns() + PATIENCE_NS;

	const enum mr_hold hold = mr_row_hold_until(row, snapshotter->patience_end_ns);
	if (hold == MR_HOLD_REFUSED)
		mr_fail(&snapshotter->failure, MR_ERR_LIMIT,
		        "an object was held during all of a snapshot: it has the size that it had before");
	return hold == MR_HOLD_HELD;
}

static void size_row(struct mr_snapshotter *snapshotter, uint32_t index)
{
	struct mr_row *const row = mr_rows_at(&snapshotter->capture->rows, index);
	uint32_t class_id;

	if (!is_member(snapshotter, row, &class_id) || class_id > snapshotter->totals.class_count ||
	    !snapshotter->totals.classes[class_id].walked)
		return;
	if (snapshotter->own_row == index + 1) {
		size_held(snapshotter, row, class_id);
		return;
	}
	if (MR_LIKELY(mr_row_try_hold(row)) || wait_for_hold(snapshotter, row)) {
		size_held(snapshotter, row, class_id);
		mr_row_unhold(row);
	} else {
		count_dead(snapshotter, row, &snapshotter->totals.classes[class_id]);
	}
}

/* The walked objects by birth, when the rows are not in that order; NULL: no memory. */
static struct mr_order *order_walked(struct mr_snapshotter *snapshotter, size_t *order_count)
{
	const struct mr_rows *const rows = &snapshotter->capture->rows;
	const uint32_t used = atomic_load_explicit(&rows->used, memory_order_acquire);
	const size_t capacity = (size_t)snapshotter->walked_count;
	struct mr_order *const order = mr_alloc(capacity * sizeof(*order));
	size_t found = 0;

	if (order == NULL)
		return NULL;
	for (uint32_t index = 0; index < used && found < capacity; index++) {
		const struct mr_row *const row = mr_rows_at(rows, index);
		uint32_t class_id;

		if (is_member(snapshotter, row, &class_id) && class_id <= snapshotter->totals.class_count &&
		    snapshotter->totals.classes[class_id].walked)
			order[found++] = (struct mr_order){ .birth = row->birth, .index = index };
	}
	mr_snapshot_sort(order, found, rows);
	*order_count = found;
	return order;
}

/* Objects that are sized later are fetched from memory meanwhile: one after the
 * other, their misses would be most of the time. */
static void look_ahead(const struct mr_snapshotter *snapshotter, uint32_t index)
{
	const struct mr_row *const row = mr_rows_at(&snapshotter->capture->rows, index);

	mr_sizer_prefetch(snapshotter->sizer,
	                  (const void *)(uintptr_t)atomic_load_explicit(&row->address, memory_order_relaxed));
}

static void size_in_order(struct mr_snapshotter *snapshotter, const struct mr_order *order, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (i + 2 * AHEAD < count)
			__builtin_prefetch(
				mr_rows_at(&snapshotter->capture->rows, order[i + 2 * AHEAD].index));
		if (i + AHEAD < count)
			look_ahead(snapshotter, order[i + AHEAD].index);
		size_row(snapshotter, order[i].index);
	}
}

static void size_in_memory_order(struct mr_snapshotter *snapshotter, uint32_t used)
{
	for (uint32_t index = 0; index < used; index++) {
		if (index + AHEAD < used)
			look_ahead(snapshotter, index + AHEAD);
		size_row(snapshotter, index);
	}
}

static void count_walked(struct mr_snapshotter *snapshotter)
{
	const struct mr_path_source paths = mr_snapshot_paths(snapshotter->capture);
	const uint32_t used = atomic_load_explicit(&snapshotter->capture->rows.used, memory_order_acquire);
	size_t order_count = 0;
	struct mr_order *order = NULL;

	if (snapshotter->sizer == NULL &&
	    mr_sizer_new(&snapshotter->sizer, &paths, &snapshotter->failure) < 0) {
		/* Objects keep the sizes that they had, so that sums and rows agree. */
		for (uint32_t index = 0; index < used; index++) {
			struct mr_row *const row = mr_rows_at(&snapshotter->capture->rows, index);
			uint32_t class_id;

			if (is_member(snapshotter, row, &class_id) &&
			    class_id <= snapshotter->totals.class_count &&
			    snapshotter->totals.classes[class_id].walked)
				count_dead(snapshotter, row, &snapshotter->totals.classes[class_id]);
		}
		return;
	}
	if (!snapshotter->walked_sorted) {
		order = order_walked(snapshotter, &order_count);
		if (order == NULL)
			mr_fail(&snapshotter->failure, MR_ERR_NOMEM,
			        "out of memory for a snapshot: not sized in order of birth");
	}
	mark_all(snapshotter);
	if (order != NULL)
		size_in_order(snapshotter, order, order_count);
	else
		size_in_memory_order(snapshotter, used);
	mr_free(order);
	mr_sizer_clear(snapshotter->sizer);
}

/* ---- All of it ------------------------------------------------------------------------------------ */

static void write_summary(struct mr_snapshotter *snapshotter, const char *description, unsigned flags,
                          uint64_t begin_ns, const struct mr_proc_memory *memory)
{
	struct memcapture *const capture = snapshotter->capture;
	const uint64_t time_ns = snapshotter->rows.time_ns;
	const uint64_t span[4] = { time_ns, time_ns, snapshotter->number, snapshotter->number };
	const uint32_t text =
		description != NULL ? mr_names_passing(capture, description, strlen(description)) : 0;
	const struct mr_class_sum *const sums = snapshotter->totals.classes;
	struct mr_buffer buffer = { 0 };
	struct mr_block_writer block;
	uint64_t total_count = 0;
	uint64_t total_size = 0;

	for (uint32_t id = 1; id <= snapshotter->totals.class_count; id++) {
		total_count += sums[id].count;
		total_size += sums[id].size;
	}
	mr_snapshot_totals_write(&snapshotter->totals, capture, snapshotter->number, time_ns);
	mr_block_begin(&block, &buffer, MR_KIND_SNAPSHOTS, 1);
	mr_block_scalar(&block, MR_SNAPSHOTS_NUMBER, snapshotter->number);
	mr_block_scalar(&block, MR_SNAPSHOTS_TIME, time_ns);
	mr_block_scalar(&block, MR_SNAPSHOTS_DESCRIPTION, text);
	mr_block_scalar(&block, MR_SNAPSHOTS_FLAGS, flags | (snapshotter->key ? MR_SNAPSHOT_KEY : 0u));
	mr_block_scalar(&block, MR_SNAPSHOTS_COUNT, total_count);
	mr_block_scalar(&block, MR_SNAPSHOTS_SIZE, total_size);
	mr_block_scalar(&block, MR_SNAPSHOTS_OVERHEAD, mr_facts_overhead(capture));
	mr_log_memory_put(&block, memory);
	mr_block_scalar(&block, MR_SNAPSHOTS_DURATION, mr_clock_monotonic_ns() - begin_ns);
	mr_block_end(&block);
	mr_tracker_detail(capture, &buffer, span);
	mr_buffer_release(&buffer);
}

/* Counts and sizes everything, between fixing the moment and letting rows go. */
static void scan(struct mr_snapshotter *snapshotter)
{
	struct memcapture *const capture = snapshotter->capture;

	fix_moment(snapshotter);
	/* A class that is made from here on has no instance in this snapshot. */
	if (mr_snapshot_totals_begin(&snapshotter->totals, capture)) {
		mr_snapshot_rows_begin(&snapshotter->rows, capture, snapshotter->number,
		                       mr_channel_time_ns(capture->channel->header, snapshotter->ticks));
		snapshotter->walked_count = 0;
		snapshotter->walked_birth = 0;
		snapshotter->walked_sorted = true;
		count_flat(snapshotter);
		if (snapshotter->walked_count > 0)
			count_walked(snapshotter);
		mr_snapshot_rows_flush(&snapshotter->rows);
	} else {
		mr_fail(&snapshotter->failure, MR_ERR_NOMEM, "out of memory for a snapshot");
	}
	atomic_store_explicit(&capture->snapshot_state, MR_SNAPSHOT_IDLE, memory_order_release);
}

int mr_snapshot_take(struct memcapture *capture, const char *description, unsigned flags)
{
	struct mr_snapshotter *const snapshotter = capture->snapshotter;
	struct mr_thread *const thread = mr_thread_of(capture);
	struct mr_proc_memory memory;
	int cancel_before;

	/* A thread that is cancelled in the middle would leave rows held. */
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_before);
	mr_lock_acquire(&capture->snapshot_lock);
	const uint64_t begin_ns = mr_clock_monotonic_ns();

	snapshotter->number++;
	snapshotter->key = snapshotter->number % MR_LOG_KEY_SNAPSHOT_INTERVAL == 1;
	snapshotter->own_row = thread != NULL ? thread->held_row : 0;
	snapshotter->failure = (struct mr_error){ 0 };
	snapshotter->patience_end_ns = 0;
	mr_proc_memory_clear(&memory);
	/* What the kernel does not tell stays unknown in the log. */
	(void)(mr_proc_memory_read(0, MR_PROC_STATM | MR_PROC_STATUS | MR_PROC_ROLLUP, &memory) < 0);
	scan(snapshotter);
	write_summary(snapshotter, description, flags, begin_ns, &memory);
	atomic_store_explicit(&capture->snapshots_taken, snapshotter->number, memory_order_relaxed);
	if (capture->flusher == NULL)
		mr_clock_adjust(capture->channel->header);
	if (snapshotter->totals.failed)
		mr_fail(&snapshotter->failure, MR_ERR_NOMEM,
		        "out of memory for a snapshot: referents are not summed up");

	const struct mr_error failure = snapshotter->failure;
	mr_lock_release(&capture->snapshot_lock);
	(void)pthread_setcancelstate(cancel_before, NULL);
	if (failure.code < 0)
		mr_tracker_fail(capture, &failure);
	return failure.code;
}

int memcapture_snapshot(struct memcapture *capture, const char *description)
{
	(void)mr_recorder_mark(description != NULL ? description : "",
	                       MR_HEAP_TEXT_SNAPSHOT | MR_HEAP_TEXT_SILENT);
	if (capture == NULL || !mr_tracker_alive(capture))
		return 0;
	return mr_snapshot_take(capture, description, 0);
}
