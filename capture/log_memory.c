/* SPDX-License-Identifier: MIT
 *
 * Process memory as columns of SNAPSHOTS; see log_memory.h.
 */
#include "log_memory.h"

void mr_log_memory_put(struct mr_block_writer *block, const struct mr_proc_memory *memory)
{
	const struct {
		enum mr_col_snapshots column;
		uint64_t value;
	} columns[] = {
		{ MR_SNAPSHOTS_RSS, memory->rss },     { MR_SNAPSHOTS_VSZ, memory->vsz },
		{ MR_SNAPSHOTS_PSS, memory->pss },     { MR_SNAPSHOTS_USS, memory->uss },
		{ MR_SNAPSHOTS_SWAP, memory->swap },   { MR_SNAPSHOTS_DATA, memory->data },
		{ MR_SNAPSHOTS_STACK, memory->stack }, { MR_SNAPSHOTS_CODE, memory->code },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(columns); i++)
		mr_block_scalar(block, columns[i].column, mr_proc_optional(columns[i].value));
}
