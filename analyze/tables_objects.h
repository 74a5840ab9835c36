/* SPDX-License-Identifier: MIT
 *
 * What the objects table and its text layout share.
 */
#ifndef MR_TABLES_OBJECTS_H
#define MR_TABLES_OBJECTS_H

#include "output.h"
#include "table_rows.h"

struct mr_objects_table {
	struct memstats_log *log;
	struct mr_run_rows rows;
	uint64_t *largest_sizes; /* by row: at the largest snapshot of its run; NULL until needed */
	uint64_t *final_sizes;   /* likewise: at the last snapshot at which anything was there */
};

/* Each object with its address, trace, sizes and referents, as ClassTracker's print_stats has it. */
int mr_objects_write_text(struct mr_writing *writing, struct mr_error *err) MR_MUST_CHECK;

#endif
