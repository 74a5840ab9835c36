/* SPDX-License-Identifier: MIT
 *
 * Private to report_data.c and report_classes.c.
 */
#ifndef MR_REPORT_CLASSES_H
#define MR_REPORT_CLASSES_H

#include "report_data.h"

/* Reads the classes and objects tables into the runs, which are there. */
int mr_report_classes_read(struct mr_report_data *data, struct mr_error *err) MR_MUST_CHECK;
/* The index of the first of COUNT snapshots at or after TIME; COUNT when there is none. */
size_t mr_report_snapshot_at(const struct mr_report_snapshot *snapshots, size_t count, uint64_t time_ns);
/* Which classes have a colour, when it is known what stayed. */
void mr_report_colors_choose(struct mr_report_data *data);

#endif
