/* SPDX-License-Identifier: MIT
 *
 * The public log: a model of the files, and the snapshots that were named with
 * them ("profile.dat@3", "profile.dat@after load").
 */
#ifndef MR_TABLE_LOG_H
#define MR_TABLE_LOG_H

#include "model.h"
#include "table.h"

struct mr_stacks;

/* One of the operands: a file, and what came after its "@". */
struct mr_log_operand {
	uint32_t file;        /* index in the model's files */
	const char *snapshot; /* a number or a description; NULL: none was named */
};

struct memstats_log {
	struct mr_model *model;
	struct mr_log_operand *operands; /* as they were given */
	size_t operand_count;
	char **words;              /* copies of the operands, cut at their "@" */
	struct mr_stacks **stacks; /* by run, see stacks_runs.h; NULL: not yet asked for */
};

size_t mr_log_path_count(const struct memstats_log *log);
const char *mr_log_path(const struct memstats_log *log, size_t i);

/* Whether another tool's files are all that LOG (NULL is fine) holds: they are shown as that tool
 * shows them. */
bool mr_log_is_imported(const struct memstats_log *log);
/* The public log of a model that is there already (taken, also on failure). */
int mr_log_from_model_take(struct mr_model *model, struct memstats_log **log, struct mr_error *err)
	MR_MUST_CHECK;

#endif
