/* SPDX-License-Identifier: MIT
 *
 * What an index would have said of frames that were found without one: their
 * kinds of blocks, stream, times and number; what is missing between them; how
 * their segment ends.
 */
#include "log_reader_private.h"

/* Segments whose headers may be lost; a log with more has been put together in a wild way. */
#define SPLITS_MAX 64

/* A few bytes can claim a million rows: so many are looked at in all, for as many bytes as the log has. */
#define ROWS_WORTH (UINT64_C(1) << 24)
#define ROWS_WORTH_PER_BYTE 64u

/* The column of times of a kind; 0: it has none. */
static unsigned time_column(unsigned kind)
{
	switch (kind) {
	case MR_KIND_BIRTHS:
		return MR_BIRTHS_TIME;
	case MR_KIND_DEATHS:
		return MR_DEATHS_TIME;
	case MR_KIND_CHANGES:
		return MR_CHANGES_TIME;
	case MR_KIND_SNAPSHOTS:
		return MR_SNAPSHOTS_TIME;
	case MR_KIND_SAMPLES:
		return MR_SAMPLES_TIME;
	case MR_KIND_MARKS:
		return MR_MARKS_TIME;
	case MR_KIND_PROCESS:
		return MR_PROCESS_TIME;
	case MR_KIND_EXIT:
		return MR_EXIT_TIME;
	case MR_KIND_HEAP_SNAPSHOTS:
		return MR_HEAP_SNAPSHOTS_TIME;
	case MR_KIND_HEAP_SAMPLES:
		return MR_HEAP_SAMPLES_TIME;
	case MR_KIND_HEAP_EVENTS:
		return MR_HEAP_EVENTS_TIME;
	case MR_KIND_ACCOUNT:
		return MR_ACCOUNT_TIME;
	case MR_KIND_END:
		return MR_END_TIME;
	default:
		return 0;
	}
}

/* The column of snapshots' numbers of a kind; 0: it has none. */
static unsigned snapshot_column(unsigned kind)
{
	switch (kind) {
	case MR_KIND_SIZES:
		return MR_SIZES_SNAPSHOT;
	case MR_KIND_REFERENTS:
		return MR_REFERENTS_SNAPSHOT;
	case MR_KIND_LABELS:
		return MR_LABELS_SNAPSHOT;
	case MR_KIND_SNAPSHOTS:
		return MR_SNAPSHOTS_NUMBER;
	case MR_KIND_CLASS_TOTALS:
		return MR_CLASS_TOTALS_SNAPSHOT;
	case MR_KIND_REFERENT_TOTALS:
		return MR_REFERENT_TOTALS_SNAPSHOT;
	case MR_KIND_HEAP_SNAPSHOTS:
		return MR_HEAP_SNAPSHOTS_NUMBER;
	case MR_KIND_HEAP_SITES:
		return MR_HEAP_SITES_SNAPSHOT;
	default:
		return 0;
	}
}

/* Widens [*FIRST, *LAST] (0: nothing yet) by the values of a column.  *ROWS_LEFT
 * becomes 0 when the log claims more rows than are worth a look. */
static int add_span(const struct mr_block *block, unsigned id, uint64_t *first, uint64_t *last,
                    uint64_t *rows_left, struct mr_error *err)
{
	struct mr_cursor cursor;
	uint64_t values[MR_CHUNK];

	*rows_left = *rows_left > block->rows ? *rows_left - block->rows : 0;
	if (*rows_left == 0)
		return 0;
	MR_TRY(mr_cursor_open(&cursor, block, id, err));
	while (cursor.rows_left > 0) {
		const uint32_t rows = cursor.rows_left < MR_CHUNK ? cursor.rows_left : MR_CHUNK;

		MR_TRY(mr_cursor_read(&cursor, values, rows, err));
		for (uint32_t row = 0; row < rows; row++) {
			if (*last == 0 || values[row] < *first)
				*first = values[row];
			if (values[row] > *last)
				*last = values[row];
		}
	}
	return 0;
}

/* What an index would say of a block. */
static int add_block(struct mr_frame *frame, const struct mr_block *block, uint64_t *rows_left,
                     struct mr_error *err)
{
	const unsigned time_id = time_column(block->kind);
	const unsigned snapshot_id = snapshot_column(block->kind);

	if (block->kind < 64)
		frame->kinds |= UINT64_C(1) << block->kind;
	if (time_id != 0)
		MR_TRY(add_span(block, time_id, &frame->time_first, &frame->time_last, rows_left, err));
	if (snapshot_id != 0) {
		MR_TRY(add_span(block, snapshot_id, &frame->snapshot_first, &frame->snapshot_last, rows_left,
		                err));
		if (*rows_left == 0) { /* it may speak of any */
			frame->snapshot_first = 0;
			frame->snapshot_last = UINT64_MAX;
		}
	}
	return 0;
}

/* Looks through the blocks of one frame. */
static int look_through(struct mr_log_segment *segment, const struct mr_frame_content *content,
                        uint64_t *rows_left, struct mr_error *err)
{
	struct mr_frame *const frame = content->frame;
	size_t offset = 0;
	struct mr_block block;

	MR_TRY(mr_log__frame_block(content->data, content->len, &frame->stream, &frame->sequence, err));
	while (offset < content->len) {
		MR_TRY(mr_block_parse(content->data, content->len, &offset, &block, err));
		MR_TRY(add_block(frame, &block, rows_left, err));
		if (block.kind == MR_KIND_FRAME) {
			uint64_t stream;

			MR_TRY(mr_block_value(&block, MR_FRAME_STREAM, &stream, err));
			if (stream != frame->stream)
				frame->stream = 0;
		} else if (block.kind == MR_KIND_END) {
			MR_TRY(mr_block_value(&block, MR_END_TIME, &segment->end_time, err));
			MR_TRY(mr_block_value(&block, MR_END_REASON, &segment->end_reason, err));
		}
	}
	return 0;
}

static int classify_frames(struct mr_log *log, size_t segment_index, uint64_t *rows_left,
                           struct mr_error *err)
{
	struct mr_log_segment *const segment = &log->segments[segment_index];
	struct mr_frame **frames;
	struct mr_frame_pipe *pipe = NULL;
	struct mr_frame_content content;
	int code;

	if (segment->frame_count == 0)
		return 0;
	frames = mr_alloc(segment->frame_count * sizeof(struct mr_frame *));
	MR_FAIL_IF(frames == NULL, err, MR_ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < segment->frame_count; i++) {
		segment->frames[i].segment = (uint32_t)segment_index;
		frames[i] = &segment->frames[i];
	}

	code = mr_frame_pipe_open(&pipe, log, frames, segment->frame_count, err);
	while (code >= 0) {
		struct mr_error why = { 0 };

		code = mr_frame_pipe_next(pipe, &content, err);
		if (code <= 0)
			break;
		if (content.data == NULL)
			mr_fail(&why, MR_ERR_FORMAT, "%s", content.reason);
		else
			code = look_through(segment, &content, rows_left, &why);
		if (why.code != 0)
			code = mr_log_damaged(log, content.frame, why.message, err);
	}
	mr_frame_pipe_close(pipe);
	mr_free(frames);
	return code;
}

/* Frames whose numbers start again belong to another segment, whose header is
 * lost: moves those from AT on into one of their own. */
static int split(struct mr_log *log, size_t index, size_t at, struct mr_error *err)
{
	struct mr_log_segment *added;
	const uint64_t offset = log->segments[index].frames[at].offset;

	MR_TRY(mr_log__segment_add(log, offset, &added, err));
	struct mr_log_segment rest = *added;
	for (size_t i = log->segment_count - 1; i > index + 1; i--)
		log->segments[i] = log->segments[i - 1];

	struct mr_log_segment *const from = &log->segments[index];
	rest.end_time = from->end_time;
	rest.end_reason = from->end_reason;
	rest.sealed = from->sealed;
	rest.size_bytes = from->offset + from->size_bytes - offset;
	from->size_bytes = offset - from->offset;
	from->sealed = false;
	from->end_time = 0;
	from->end_reason = 0;

	int code = 0;
	for (size_t i = at; i < from->frame_count && code == 0; i++) {
		from->frames[i].segment = (uint32_t)index + 1;
		if (mr_grow(&rest.frames, &rest.frame_capacity, rest.frame_count + 1, sizeof(*rest.frames)) <
		    0)
			code = mr_fail(err, MR_ERR_NOMEM, "out of memory");
		else
			rest.frames[rest.frame_count++] = from->frames[i];
	}
	from->frame_count = at;
	log->segments[index + 1] = rest;
	return code;
}

/* Counts what is missing between the frames of a segment; a segment that is
 * two is split, and the second one is looked at in its turn. */
static int number_frames(struct mr_log *log, size_t index, unsigned *splits_left, struct mr_error *err)
{
	uint64_t expected = 0;
	uint64_t damaged = 0;

	for (size_t i = 0; i < log->segments[index].frame_count; i++) {
		struct mr_log_segment *const segment = &log->segments[index];
		struct mr_frame *const frame = &segment->frames[i];

		frame->segment = (uint32_t)index;
		if (!frame->damaged && frame->sequence < expected) {
			if (*splits_left > 0) {
				(*splits_left)--;
				return split(log, index, i, err);
			}
			MR_TRY(mr_log_damaged(log, frame, "the frame is out of order", err));
		}
		if (frame->damaged) {
			damaged++;
			continue;
		}
		const uint64_t gap = frame->sequence - expected;
		if (gap > damaged &&
		    __builtin_add_overflow(segment->frames_missing, gap - damaged, &segment->frames_missing))
			segment->frames_missing = UINT64_MAX;
		expected = frame->sequence == UINT64_MAX ? UINT64_MAX : frame->sequence + 1;
		damaged = 0;
	}
	return 0;
}

static int describe_end(struct mr_log *log, struct mr_log_segment *segment, struct mr_error *err)
{
	uint64_t time_last = 0;
	char at[32];

	if (segment->frames_missing > 0)
		MR_TRY(mr_notes_add(&log->notes, err, "%s: %llu frames are missing", log->source.path,
		                    (unsigned long long)segment->frames_missing));
	if (segment->end_reason != 0) {
		segment->end = MR_SEGMENT_UNINDEXED;
		if (segment->frame_count > MR_LOG_INDEX_ROWS_MAX)
			return 0;
		return mr_notes_add(&log->notes, err,
		                    "%s: its index is missing or does not fit: all of it was read instead",
		                    log->source.path);
	}
	segment->end = MR_SEGMENT_CUT;
	for (size_t i = 0; i < segment->frame_count; i++)
		if (!segment->frames[i].damaged && segment->frames[i].time_last > time_last)
			time_last = segment->frames[i].time_last;
	segment->end_time = time_last;
	mr_text_duration(at, time_last);
	return mr_notes_add(
		&log->notes, err,
		"%s: ends at t=%s without an end record: the program was killed, could not write, "
		"or still runs",
		log->source.path, at);
}

/* A zstd file of another kind has frames, but none that is a log's. */
static bool is_log(const struct mr_log_segment *segment)
{
	for (size_t i = 0; i < segment->frame_count; i++)
		if (!segment->frames[i].damaged)
			return true;
	return segment->has_header;
}

int mr_log__classify(struct mr_log *log, size_t first, struct mr_error *err)
{
	size_t kept = first;
	unsigned splits_left = SPLITS_MAX;
	uint64_t rows_left;

	if (__builtin_mul_overflow(log->source.size_bytes, ROWS_WORTH_PER_BYTE, &rows_left) ||
	    __builtin_add_overflow(rows_left, ROWS_WORTH, &rows_left))
		rows_left = UINT64_MAX;

	for (size_t i = first; i < log->segment_count; i++)
		MR_TRY(classify_frames(log, i, &rows_left, err));
	for (size_t i = first; i < log->segment_count; i++)
		MR_TRY(number_frames(log, i, &splits_left, err));
	for (size_t i = first; i < log->segment_count; i++) {
		if (!is_log(&log->segments[i])) {
			mr_log__segment_release(&log->segments[i]);
			continue;
		}
		MR_TRY(describe_end(log, &log->segments[i], err));
		if (kept != i) {
			log->segments[kept] = log->segments[i];
			log->segments[i].frames = NULL;
		}
		kept++;
	}
	log->segment_count = kept;
	return 0;
}
