/* SPDX-License-Identifier: MIT
 *
 * The objects of one class, a part of the section of classes.
 */
#ifndef MR_SECTION_OBJECTS_H
#define MR_SECTION_OBJECTS_H

#include "section.h"

/* How many objects of a class are shown when tables have LIMIT rows. */
size_t mr_section_objects_shown(size_t limit);
/* Fills "objects", "objects_rest" and the chart "lives". */
int mr_section_objects(const struct mr_view *view, struct mr_scope *scope,
                       const struct mr_report_class *class, struct mr_error *err);

#endif
