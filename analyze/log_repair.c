/* SPDX-License-Identifier: MIT
 *
 * A whole log from a damaged one: the frames that can be read, as they are, and
 * a new end, index and seek table for each segment.  Of what is no log but can be
 * imported, the log that it means.
 */
#include "log_repair.h"

#include <sys/stat.h>

#include "import.h"
#include "log_repair_rewrite.h"

static int write_segment(struct mr_rewrite *rewrite, const struct mr_log_segment *segment,
                         struct mr_repair_report *report, struct mr_error *err)
{
	struct mr_usable done;

	report->segments++;
	if (mr_rewrite_is_whole(segment)) {
		report->frames += segment->frame_count;
		return mr_rewrite_copy(rewrite, segment->offset, segment->size_bytes, err);
	}
	report->was_whole = false;
	MR_TRY(mr_rewrite_begin(rewrite, segment, err));
	MR_TRY(mr_rewrite_usable(rewrite, segment, &done, err));
	report->frames += done.frames;
	report->frames_left_out += done.frames_left_out;
	report->bytes_left_out += segment->bytes_lost;
	return mr_rewrite_end(rewrite, done.time_last, MR_END_REPAIRED, err);
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
	int code = mr_rewrite_check(log, err);

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
	MR_TRY(mr_import_open_take(&log, &source, err));
	const int code = repair(&log, out_path, &done, err);
	mr_log_release(&log);
	if (code == 0)
		*report = done;
	return code;
}
