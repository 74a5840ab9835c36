/* SPDX-License-Identifier: MIT
 *
 * A process's memory as the log's SNAPSHOTS carry it: the one place where what
 * the kernel said becomes columns.  For the tracker and for the sampler, whose
 * rows must mean the same.  Private to capture/.
 */
#ifndef MR_LOG_MEMORY_H
#define MR_LOG_MEMORY_H

#include "log_format.h"
#include "proc_memory.h"

/* Adds the columns RSS to CODE to a block of SNAPSHOTS that has one row. */
void mr_log_memory_put(struct mr_block_writer *block, const struct mr_proc_memory *memory);

#endif
