/* SPDX-License-Identifier: MIT
 *
 * Single allocations, from recordings that kept every event.  There may be very
 * many, so only the columns that are asked for are held, of all allocations or of
 * those that are chosen; an end of life names the allocation by its distance,
 * which holds as long as no frame between the two is lost.
 */
#include "model_private.h"

/* Events that one pass takes beyond those that a log's bytes can hold. */
#define EVENTS_ALLOWANCE (UINT64_C(1) << 20)
#define EVENTS_PER_BYTE 16u

/* Where reading an image's events has come to. */
struct position {
	struct mr_allocations *image; /* NULL: the stream is none */
	uint64_t count;               /* allocations that were met */
	uint64_t whole_from;          /* and from which on none is lost */
	uint64_t gaps_seen;
	size_t capacity;
	size_t chosen_next; /* the first chosen one that was not met */
};

struct reading {
	struct mr_model *model;
	unsigned columns;
	struct position *positions; /* by stream */
	const struct mr_frame *last_frame;
	uint64_t gaps; /* stretches of frames that are lost, so far */
	uint64_t rows_left;
};

static int no_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "out of memory for the allocations in a log");
}

void mr_allocations_free(struct mr_allocations *images, size_t count)
{
	for (size_t i = 0; images != NULL && i < count; i++) {
		mr_free(images[i].birth_ns);
		mr_free(images[i].death_ns);
		mr_free(images[i].size_bytes);
		mr_free(images[i].address);
		mr_free(images[i].stack);
		mr_free(images[i].thread);
	}
	mr_free(images);
}

/* Notices frames that are lost between the one that is being read and the one before. */
static void follow_frames(struct reading *reading, const struct mr_frame *frame)
{
	const struct mr_frame *const last = reading->last_frame;

	reading->last_frame = frame;
	if (last == frame)
		return;
	if (last == NULL || last->segment != frame->segment || frame < last) {
		reading->gaps++;
		return;
	}
	for (const struct mr_frame *at = last; at < frame; at++) {
		const bool has_events = at->kinds == 0 || (at->kinds >> MR_KIND_HEAP_EVENTS & 1) != 0;

		if (at->damaged && has_events) {
			reading->gaps++;
			return;
		}
	}
	/* Without an index frames have their numbers: what is missing was not even found. */
	if (frame->sequence != 0 && frame->sequence - last->sequence != (uint64_t)(frame - last))
		reading->gaps++;
}

/* Room for a row more in the columns that are held. */
static int reserve(const struct reading *reading, struct position *position, struct mr_error *err)
{
	struct mr_allocations *const image = position->image;
	uint64_t **const wide[] = { &image->birth_ns, &image->death_ns, &image->size_bytes, &image->address };
	const unsigned wide_bits[] = { MR_ALLOCATION_BIRTH, MR_ALLOCATION_DEATH, MR_ALLOCATION_SIZE,
		                       MR_ALLOCATION_ADDRESS };
	uint32_t **const narrow[] = { &image->stack, &image->thread };
	const unsigned narrow_bits[] = { MR_ALLOCATION_STACK, MR_ALLOCATION_THREAD };
	size_t grown = position->capacity;

	if (image->count < position->capacity)
		return 0;
	for (size_t i = 0; i < MR_ARRAY_LEN(wide); i++) {
		size_t capacity = position->capacity;

		if ((reading->columns & wide_bits[i]) == 0)
			continue;
		if (mr_grow(wide[i], &capacity, image->count + 1, sizeof(**wide[i])) < 0)
			return no_memory(err);
		grown = capacity;
	}
	for (size_t i = 0; i < MR_ARRAY_LEN(narrow); i++) {
		size_t capacity = position->capacity;

		if ((reading->columns & narrow_bits[i]) == 0)
			continue;
		if (mr_grow(narrow[i], &capacity, image->count + 1, sizeof(**narrow[i])) < 0)
			return no_memory(err);
		grown = grown == position->capacity || capacity < grown ? capacity : grown;
	}
	position->capacity = grown;
	return 0;
}

/* Whether the allocation with that ORDINAL is held; *ROW is then its row. */
static bool find_row(const struct mr_allocations *image, uint64_t ordinal, size_t *row)
{
	size_t low = 0, high = image->count;

	if (image->chosen == NULL) {
		*row = (size_t)ordinal;
		return ordinal < image->count;
	}
	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (image->chosen[middle] < ordinal)
			low = middle + 1;
		else
			high = middle;
	}
	*row = low;
	return low < image->count && image->chosen[low] == ordinal;
}

static void end_life(struct position *position, uint64_t back, uint64_t time_ns)
{
	size_t row;

	if (back == 0 || back > position->count - position->whole_from || position->image->death_ns == NULL ||
	    !find_row(position->image, position->count - back, &row))
		return;
	if (position->image->death_ns[row] == MR_NONE)
		position->image->death_ns[row] = time_ns;
}

static int add_allocation(struct reading *reading, struct mr_stream_state *stream, struct position *position,
                          const struct mr_rows *rows, int i, struct mr_error *err)
{
	struct mr_allocations *const image = position->image;
	const uint64_t ordinal = position->count++;

	if (image->chosen != NULL) {
		if (position->chosen_next == image->chosen_count ||
		    image->chosen[position->chosen_next] != ordinal)
			return 0;
		position->chosen_next++;
	}
	MR_FAIL_IF(image->count >= UINT32_MAX - 1, err, MR_ERR_LIMIT, "there are too many allocations");
	MR_TRY(reserve(reading, position, err));
	const size_t row = image->count++;
	if (image->birth_ns != NULL)
		image->birth_ns[row] = mr_run_time(stream, rows->values[MR_HEAP_EVENTS_TIME][i]);
	if (image->death_ns != NULL)
		image->death_ns[row] = MR_NONE;
	if (image->size_bytes != NULL)
		image->size_bytes[row] = rows->values[MR_HEAP_EVENTS_SIZE][i];
	if (image->address != NULL)
		image->address[row] = rows->values[MR_HEAP_EVENTS_ADDRESS][i];
	if (image->stack != NULL) {
		const uint32_t known =
			mr_id_map_get(&stream->ids[MR_DEFINED_STACK], rows->values[MR_HEAP_EVENTS_STACK][i]);

		image->stack[row] = known != 0 ? stream->base[MR_DEFINED_STACK] + known - 1 : 0;
	}
	if (image->thread != NULL) {
		const uint32_t known = mr_id_map_get(&stream->ids[MR_DEFINED_THREAD],
		                                     rows->values[MR_HEAP_EVENTS_THREAD][i]);

		image->thread[row] = known != 0 ? stream->base[MR_DEFINED_THREAD] + known - 1 : 0;
	}
	return 0;
}

static int read_events(void *context, struct mr_loading *loading, const struct mr_block *block,
                       struct mr_error *err)
{
	struct reading *const reading = context;
	struct mr_stream_state *const stream = loading->stream;
	struct position *const position = &reading->positions[stream->number];
	struct mr_rows rows;
	int count;

	follow_frames(reading, loading->frame);
	if (position->image == NULL)
		return 0;
	MR_FAIL_IF(block->rows > reading->rows_left, err, MR_ERR_LIMIT,
	           "the log claims far more allocations than a log of its size can hold");
	reading->rows_left -= block->rows;
	if (position->gaps_seen != reading->gaps)
		position->whole_from = position->count;
	position->gaps_seen = reading->gaps;
	MR_TRY(mr_rows_open(&rows, block, MR_HEAP_EVENTS_BACK, err));
	while ((count = mr_rows_next(&rows, err)) > 0) {
		for (int i = 0; i < count; i++) {
			const uint64_t kind = rows.values[MR_HEAP_EVENTS_KIND][i];

			if (kind == MR_HEAP_EVENT_FREE || kind == MR_HEAP_EVENT_REALLOC)
				end_life(position, rows.values[MR_HEAP_EVENTS_BACK][i],
				         mr_run_time(stream, rows.values[MR_HEAP_EVENTS_TIME][i]));
			if (kind == MR_HEAP_EVENT_ALLOC || kind == MR_HEAP_EVENT_REALLOC)
				MR_TRY(add_allocation(reading, stream, position, &rows, i, err));
		}
	}
	return count;
}

/* An entry for each image of each run, in that order. */
static struct mr_allocations *make_images(const struct mr_model *model, struct position *positions,
                                          size_t *count)
{
	size_t total = 0;

	for (size_t i = 0; i < model->run_count; i++)
		total += model->runs[i].heap_image_count;
	struct mr_allocations *const images = mr_alloc((total + 1) * sizeof(*images));
	*count = total;
	total = 0;
	for (uint32_t i = 0; images != NULL && i < model->run_count; i++) {
		for (uint32_t k = 0; k < model->runs[i].heap_image_count; k++) {
			images[total] = (struct mr_allocations){ .run = i, .image = k };
			positions[model->runs[i].heap_images[k].state].image = &images[total++];
		}
	}
	return images;
}

int mr_model_allocations(struct mr_model *model, unsigned columns, const struct mr_allocations_choice *choice,
                         struct mr_allocations **images, size_t *image_count, struct mr_error *err)
{
	static const uint32_t nothing_chosen;
	const struct mr_model_state *const state = model->state;
	struct reading reading = { .model = model, .columns = columns | MR_ALLOCATION_BIRTH };
	const struct mr_frame_walk walk = { .kinds = UINT64_C(1) << MR_KIND_HEAP_EVENTS,
		                            .block = read_events,
		                            .context = &reading };
	struct mr_allocations *made = NULL;
	size_t count = 0;
	int code = 0;

	reading.positions = mr_alloc((state->streams.count + 1) * sizeof(*reading.positions));
	if (reading.positions != NULL)
		made = make_images(model, reading.positions, &count);
	if (made == NULL)
		code = no_memory(err);
	for (size_t i = 0; code == 0 && choice != NULL && i < count; i++) {
		made[i].chosen = choice[i].ordinals != NULL ? choice[i].ordinals : &nothing_chosen;
		made[i].chosen_count = choice[i].count;
	}
	for (size_t log = 0; code == 0 && log < state->log_count; log++) {
		const uint64_t size_bytes = state->logs[log].source.size_bytes;

		if (__builtin_mul_overflow(size_bytes, EVENTS_PER_BYTE, &reading.rows_left) ||
		    __builtin_add_overflow(reading.rows_left, EVENTS_ALLOWANCE, &reading.rows_left))
			reading.rows_left = UINT64_MAX;
		reading.last_frame = NULL;
		code = mr_model__walk(model, log, &walk, err);
	}
	if (code == 0)
		code = mr_model__take_notes(model, err);
	mr_free(reading.positions);
	if (code < 0) {
		mr_allocations_free(made, count);
		return code;
	}
	*images = made;
	*image_count = count;
	return 0;
}
