/* SPDX-License-Identifier: MIT
 *
 * Names the places in the code that a log knows only as module and offset, as
 * far as capture's symbolizer finds names on this machine, and writes them into
 * the log, so that it can be read where none of that is at hand.
 */
#ifndef MR_LOG_SYMBOLIZE_H
#define MR_LOG_SYMBOLIZE_H

#include "base.h"

struct mr_symbolize_report {
	uint64_t codes;            /* places with a module and an offset and no file and line yet */
	uint64_t codes_named;      /* have a function now */
	uint64_t codes_positioned; /* have a file and a line as well */
	uint64_t modules;
	/* A sentence for each module that could not be used (gone, another build, no
	 * debugging information), and for what is wrong with the log. */
	size_t problem_count;
	char **problems;
};

void mr_symbolize_report_release(struct mr_symbolize_report *report);

/* Writes the log at PATH anew with the names of its places, to OUT_PATH, or
 * with NULL in place (beside, then renamed).  Of a damaged log, OUT_PATH gets
 * what is whole, as from mr_log_repair(), and the report says what is wrong; in
 * place it is refused with MR_ERR_FORMAT: something may still be writing it.
 * MR_ERR_WRITE: the output. */
int mr_log_symbolize(const char *path, const char *out_path, struct mr_symbolize_report *report,
                     struct mr_error *err) MR_MUST_CHECK;

#endif
