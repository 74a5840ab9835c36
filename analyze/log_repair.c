/* SPDX-License-Identifier: MIT
 *
 * A whole log from a damaged one: the frames that can be read, as they are, and
 * a new end, index and seek table for each segment.
 */
#include "log_repair.h"

#include <sys/stat.h>

#include "log_repair_rewrite.h"

/* Whether the content of a frame can be read block by block. */
static int check_blocks(const struct mr_frame_content *content, struct mr_error *err)
{
	struct mr_block block;
	size_t offset = 0;

	while (offset < content->len) {
		const bool first = offset == 0;

		MR_TRY(mr_block_parse(content->data, content->len, &offset, &block, err));
		MR_FAIL_IF(first && block.kind != MR_KIND_FRAME, err, MR_ERR_FORMAT,
		           "the frame is not a log's");
	}
	return 0;
}

/* Marks the frames of SEGMENT that cannot be used. */
static int check_frames(struct mr_log *log, struct mr_log_segment *segment, struct mr_error *err)
{
	struct mr_frame_pipe *pipe = NULL;
	struct mr_frame_content content;
	int code;

	if (segment->frame_count == 0)
		return 0;
	struct mr_frame **const frames = mr_alloc(segment->frame_count * sizeof(struct mr_frame *));
	MR_FAIL_IF(frames == NULL, err, MR_ERR_NOMEM, "%s: out of memory", log->source.path);
	for (size_t i = 0; i < segment->frame_count; i++)
		frames[i] = &segment->frames[i];

	code = mr_frame_pipe_open(&pipe, log, frames, segment->frame_count, err);
	while (code >= 0 && (code = mr_frame_pipe_next(pipe, &content, err)) > 0) {
		struct mr_error why = { 0 };

		code = content.data == NULL ? mr_fail(&why, MR_ERR_FORMAT, "%s", content.reason)
		                            : check_blocks(&content, &why);
		if (code < 0)
			code = mr_log_damaged(log, content.frame, why.message, err);
	}
	mr_frame_pipe_close(pipe);
	mr_free(frames);
	return code;
}

static bool is_whole(const struct mr_log_segment *segment)
{
	for (size_t i = 0; i < segment->frame_count; i++)
		if (segment->frames[i].damaged)
			return false;
	return segment->end == MR_SEGMENT_WHOLE && segment->bytes_lost == 0 && segment->frames_missing == 0;
}

/* The end frame that walking through a segment found is written anew. */
static bool is_end_frame(const struct mr_frame *frame)
{
	return (frame->kinds >> MR_KIND_END & 1) != 0;
}

static int write_segment(struct mr_rewrite *rewrite, const struct mr_log_segment *segment,
                         struct mr_repair_report *report, struct mr_error *err)
{
	uint64_t time_last = segment->end_time;

	report->segments++;
	if (is_whole(segment)) {
		report->frames += segment->frame_count;
		return mr_rewrite_copy(rewrite, segment->offset, segment->size_bytes, err);
	}
	report->was_whole = false;
	MR_TRY(mr_rewrite_begin(rewrite, segment, err));
	for (size_t i = 0; i < segment->frame_count; i++) {
		const struct mr_frame *const frame = &segment->frames[i];

		if (frame->damaged) {
			report->frames_left_out++;
			continue;
		}
		if (is_end_frame(frame))
			continue;
		if (segment->end_reason == 0 && frame->time_last > time_last)
			time_last = frame->time_last;
		MR_TRY(mr_rewrite_frame(rewrite, frame, err));
		report->frames++;
	}
	report->bytes_left_out += segment->bytes_lost;
	return mr_rewrite_end(rewrite, time_last, MR_END_REPAIRED, err);
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat status_a, status_b;

	return stat(a, &status_a) == 0 && stat(b, &status_b) == 0 && status_a.st_dev == status_b.st_dev &&
	       status_a.st_ino == status_b.st_ino;
}

static int repair(struct mr_log *log, const char *out_path, struct mr_repair_report *report,
                  struct mr_error *err)
{
	struct mr_rewrite rewrite = { 0 };
	int code = 0;

	for (size_t i = 0; i < log->segment_count && code == 0; i++)
		code = check_frames(log, &log->segments[i], err);
	if (code == 0)
		code = mr_rewrite_open(&rewrite, log, out_path, err);
	for (size_t i = 0; i < log->segment_count && code == 0; i++)
		code = write_segment(&rewrite, &log->segments[i], report, err);
	if (code == 0)
		code = mr_rewrite_commit(&rewrite, err);
	mr_rewrite_release(&rewrite);
	return code;
}

int mr_log_repair(const char *path, const char *out_path, struct mr_repair_report *report,
                  struct mr_error *err)
{
	struct mr_repair_report done = { .was_whole = true };
	struct mr_source source;
	struct mr_log log;

	MR_FAIL_IF(strcmp(path, "-") != 0 && strcmp(out_path, "-") != 0 && is_same_file(path, out_path), err,
	           MR_ERR_ARG, "%s: cannot be repaired in its own place: name another output", path);
	MR_TRY(mr_source_open(&source, path, err));
	MR_TRY(mr_log_open_take(&log, &source, err));
	const int code = repair(&log, out_path, &done, err);
	mr_log_release(&log);
	if (code == 0)
		*report = done;
	return code;
}
