/* SPDX-License-Identifier: MIT
 *
 * The sums of a snapshot, made while it is taken: for each class, and for each
 * class and path of referents.  What a reader needs for an overview is then in
 * a few rows, however many objects there are.
 */
#include "tracker_snapshot.h"

#define CAPACITY_MIN 64u
#define ROWS_AT_ONCE 3000u /* whose worst encoding fits MR_CHANNEL_BLOCK_MAX */

bool mr_snapshot_totals_begin(struct mr_snapshot_totals *totals, struct memcapture *capture)
{
	const uint32_t count = atomic_load_explicit(&capture->class_count, memory_order_acquire);

	if (mr_grow(&totals->classes, &totals->class_capacity, (size_t)count + 1, sizeof(*totals->classes)) <
	    0)
		return false;
	totals->class_count = count;
	for (uint32_t id = 1; id <= count; id++) {
		const struct memcapture_class *const klass = mr_tracker_class(capture, id);
		const struct memcapture_layout *const layout =
			atomic_load_explicit(&klass->layout, memory_order_acquire);

		totals->classes[id] = (struct mr_class_sum){
			.walked = (atomic_load_explicit(&klass->state, memory_order_acquire) &
			           MR_CLASS_STATE_WALKED) != 0,
			.size_flat = layout != NULL ? layout->size : 0,
			.size_logged = klass->size_logged,
			.min = UINT64_MAX,
		};
	}
	if (totals->referent_count > 0)
		memset(totals->referents, 0, totals->referent_capacity * sizeof(*totals->referents));
	totals->referent_count = 0;
	totals->guess_class = 0;
	totals->failed = false;
	return true;
}

void mr_snapshot_totals_release(struct mr_snapshot_totals *totals)
{
	mr_free(totals->classes);
	mr_free(totals->referents);
}

uint64_t mr_snapshot_totals_memory(const struct mr_snapshot_totals *totals)
{
	return totals->class_capacity * sizeof(*totals->classes) +
	       totals->referent_capacity * sizeof(*totals->referents);
}

/* ---- Referents ------------------------------------------------------------------------ */

static size_t place_of(const struct mr_referent_sum *sums, size_t capacity, uint32_t class_id, uint32_t path)
{
	const uint64_t hash = ((uint64_t)class_id << 32 | path) * UINT64_C(0x9e3779b97f4a7c15);
	size_t at = (size_t)(hash >> 32) & (capacity - 1);

	while (sums[at].class_id != 0 && (sums[at].class_id != class_id || sums[at].path != path))
		at = (at + 1) & (capacity - 1);
	return at;
}

static bool make_room(struct mr_snapshot_totals *totals)
{
	if ((totals->referent_count + 1) * 2 <= totals->referent_capacity)
		return true;

	const size_t capacity = totals->referent_capacity == 0 ? CAPACITY_MIN : totals->referent_capacity * 2;
	struct mr_referent_sum *const grown = mr_alloc(capacity * sizeof(*grown));
	if (grown == NULL)
		return false;
	for (size_t i = 0; i < totals->referent_capacity; i++) {
		const struct mr_referent_sum *const sum = &totals->referents[i];

		if (sum->class_id != 0)
			grown[place_of(grown, capacity, sum->class_id, sum->path)] = *sum;
	}
	mr_free(totals->referents);
	totals->referents = grown;
	totals->referent_capacity = capacity;
	totals->guess_class = 0; /* places have changed */
	return true;
}

/* The sum for CLASS_ID and PATH, the object's referent NUMBER; NULL: no memory. */
static struct mr_referent_sum *find(struct mr_snapshot_totals *totals, uint32_t class_id, uint32_t path,
                                    size_t number)
{
	if (totals->guess_class == class_id && number < MR_ARRAY_LEN(totals->guess)) {
		struct mr_referent_sum *const guess = &totals->referents[totals->guess[number]];

		if (guess->class_id == class_id && guess->path == path)
			return guess;
	}
	if (!make_room(totals))
		return NULL;

	const size_t at = place_of(totals->referents, totals->referent_capacity, class_id, path);
	if (totals->referents[at].class_id == 0) {
		totals->referents[at] = (struct mr_referent_sum){ .class_id = class_id, .path = path };
		totals->referent_count++;
	}
	if (number < MR_ARRAY_LEN(totals->guess)) {
		if (totals->guess_class != class_id)
			memset(totals->guess, 0, sizeof(totals->guess));
		totals->guess_class = class_id;
		totals->guess[number] = (uint32_t)at;
	}
	return &totals->referents[at];
}

void mr_snapshot_totals_referents(struct mr_snapshot_totals *totals, uint32_t class_id,
                                  const struct mr_sized *sized)
{
	for (size_t i = 0; i < sized->referent_count; i++) {
		const struct mr_referent *const referent = &sized->referents[i];
		struct mr_referent_sum *const sum = find(totals, class_id, referent->path, i);

		if (sum == NULL) {
			totals->failed = true;
			return;
		}
		sum->count += referent->count;
		sum->size += referent->size_bytes;
		sum->flat += referent->flat_bytes;
	}
}

/* ---- Writing ------------------------------------------------------------------------------ */

struct output {
	struct memcapture *capture;
	struct mr_buffer buffer;
	uint64_t span[4];
	uint64_t column[ROWS_AT_ONCE];
};

static void send(struct output *output, struct mr_block_writer *block)
{
	mr_block_end(block);
	mr_tracker_detail(output->capture, &output->buffer, output->span);
	mr_buffer_clear(&output->buffer);
}

static void write_classes(struct output *output, const struct mr_class_sum *sums, uint32_t first,
                          uint32_t count, uint64_t snapshot)
{
	struct mr_block_writer block;
	uint64_t *const column = output->column;

/* One column: VALUE is written for each class, as `sum` and `id`. */
#define COLUMN(column_id, value)                                          \
	do {                                                              \
		for (uint32_t i = 0; i < count; i++) {                    \
			const uint64_t id = first + i;                    \
			const struct mr_class_sum *const sum = &sums[id]; \
			(void)sum;                                        \
			column[i] = (value);                              \
		}                                                         \
		mr_block_column(&block, (column_id), column);             \
	} while (0)

	mr_block_begin(&block, &output->buffer, MR_KIND_CLASS_TOTALS, count);
	COLUMN(MR_CLASS_TOTALS_SNAPSHOT, snapshot);
	COLUMN(MR_CLASS_TOTALS_CLASS, id);
	COLUMN(MR_CLASS_TOTALS_COUNT, sum->count);
	COLUMN(MR_CLASS_TOTALS_SIZE, sum->size);
	COLUMN(MR_CLASS_TOTALS_FLAT, sum->flat);
	COLUMN(MR_CLASS_TOTALS_MIN, sum->count > 0 ? sum->min : 0);
	COLUMN(MR_CLASS_TOTALS_MAX, sum->max);
#undef COLUMN
	send(output, &block);
}

/* Writes SUMS, which lie side by side. */
static void write_referents(struct output *output, const struct mr_referent_sum *sums, uint32_t count,
                            uint64_t snapshot)
{
	struct mr_block_writer block;
	uint64_t *const column = output->column;

#define COLUMN(column_id, value)                              \
	do {                                                  \
		for (uint32_t i = 0; i < count; i++)          \
			column[i] = (value);                  \
		mr_block_column(&block, (column_id), column); \
	} while (0)

	mr_block_begin(&block, &output->buffer, MR_KIND_REFERENT_TOTALS, count);
	COLUMN(MR_REFERENT_TOTALS_SNAPSHOT, snapshot);
	COLUMN(MR_REFERENT_TOTALS_CLASS, sums[i].class_id);
	COLUMN(MR_REFERENT_TOTALS_PATH, sums[i].path);
	COLUMN(MR_REFERENT_TOTALS_COUNT, sums[i].count);
	COLUMN(MR_REFERENT_TOTALS_SIZE, sums[i].size);
	COLUMN(MR_REFERENT_TOTALS_FLAT, sums[i].flat);
#undef COLUMN
	send(output, &block);
}

/* Brings the sums together at the start of the table, by class and path: it is
 * cleared before its next use, so its order need not be kept. */
static void gather_referents(struct mr_snapshot_totals *totals)
{
	struct mr_referent_sum *const sums = totals->referents;
	size_t count = 0;

	for (size_t i = 0; i < totals->referent_capacity; i++) {
		if (sums[i].class_id != 0)
			sums[count++] = sums[i];
	}
	for (size_t gap = count / 2; gap > 0; gap /= 2) {
		for (size_t i = gap; i < count; i++) {
			const struct mr_referent_sum moved = sums[i];
			size_t at = i;

			for (; at >= gap && (sums[at - gap].class_id > moved.class_id ||
			                     (sums[at - gap].class_id == moved.class_id &&
			                      sums[at - gap].path > moved.path));
			     at -= gap)
				sums[at] = sums[at - gap];
			sums[at] = moved;
		}
	}
}

void mr_snapshot_totals_write(struct mr_snapshot_totals *totals, struct memcapture *capture,
                              uint64_t snapshot, uint64_t time_ns)
{
	struct output *const output = mr_alloc(sizeof(*output));

	if (output == NULL) {
		totals->failed = true;
		return;
	}
	output->capture = capture;
	output->span[0] = output->span[1] = time_ns;
	output->span[2] = output->span[3] = snapshot;
	for (uint32_t first = 1; first <= totals->class_count; first += ROWS_AT_ONCE) {
		const uint32_t left = totals->class_count - first + 1;

		write_classes(output, totals->classes, first, left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE,
		              snapshot);
	}
	if (totals->referent_count > 0)
		gather_referents(totals);
	for (size_t first = 0; first < totals->referent_count; first += ROWS_AT_ONCE) {
		const size_t left = totals->referent_count - first;

		write_referents(output, totals->referents + first,
		                (uint32_t)(left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE), snapshot);
	}
	mr_buffer_release(&output->buffer);
	mr_free(output);
}
