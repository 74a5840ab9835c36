/* SPDX-License-Identifier: MIT
 *
 * Checks a log wholly, and writes a whole log from what can be read of a
 * damaged one.  Works on frames as they are: nothing is decoded and encoded
 * again, so what this program does not know is kept.
 */
#ifndef MR_LOG_REPAIR_H
#define MR_LOG_REPAIR_H

#include "base.h"

/* What mr_log_verify() found.  Zeroed by the caller, released with mr_verify_report_release(). */
struct mr_verify_report {
	uint64_t size_bytes;
	uint64_t segments;
	uint64_t runs;
	uint64_t frames;
	uint64_t blocks;
	uint64_t rows;
	uint64_t content_bytes; /* of all frames, decompressed */
	uint64_t frames_damaged;
	uint64_t frames_missing;
	uint64_t bytes_lost; /* that are no part of a readable frame */
	/* What is wrong, a sentence each: "profile.dat: damaged at byte 8192: ...".
	 * None: the log is whole. */
	size_t problem_count;
	char **problems;
	bool only_cut; /* nothing is wrong but that the log has no end */
	/* What a whole log lacks since it was repaired, a sentence each. */
	size_t loss_count;
	char **losses;
};

void mr_verify_report_release(struct mr_verify_report *report);

/* Checks every frame, checksum, block, column and id of the log at PATH ("-":
 * standard input).  0 when the file is a log, whole or not; else an error as
 * from mr_model_open(). */
int mr_log_verify(const char *path, struct mr_verify_report *report, struct mr_error *err) MR_MUST_CHECK;

struct mr_repair_report {
	uint64_t segments; /* written */
	uint64_t frames;   /* copied */
	uint64_t frames_left_out;
	uint64_t bytes_left_out;
	bool was_whole; /* nothing was wrong: OUT holds the same bytes */
};

/* Writes to OUT_PATH a whole log of all readable frames of the log at PATH:
 * with end frames (reason MR_END_REPAIRED where there was none), indexes and
 * seek tables.  OUT_PATH appears whole or not at all, and must not be PATH.
 * MR_ERR_WRITE, or an error as from mr_model_open(). */
int mr_log_repair(const char *path, const char *out_path, struct mr_repair_report *report,
                  struct mr_error *err) MR_MUST_CHECK;

#endif
