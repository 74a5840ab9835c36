/* SPDX-License-Identifier: MIT
 *
 * The objects of one class and what they refer to, parts of the section of classes.
 */
#ifndef MR_SECTION_OBJECTS_H
#define MR_SECTION_OBJECTS_H

#include "section.h"

/* How many objects of a class are shown when tables have LIMIT rows. */
size_t mr_section_objects_shown(size_t limit);
/* Fills "objects", "objects_rest" and the chart "lives". */
int mr_section_objects(const struct mr_view *view, struct mr_scope *scope,
                       const struct mr_report_class *class, struct mr_error *err);

/* Fills "trace", "trace_rest" and "trace_order" of an object's DETAIL (may be NULL), as a program in the same
 * language shows one: Python has the innermost call last. */
void mr_section_trace(struct mr_scope *object, const struct memstats_object *detail);
/* NAME becomes "app.c:12"; none where there is no file. */
void mr_section_place(struct mr_scope *scope, const char *name, const char *file, uint64_t line);

/* Fill "referents" and "referents_rest" (section_referents.c): of an object in STATE (may be NULL), and of
 * all instances of a class at the snapshot at which it was largest. */
void mr_section_object_referents(struct mr_scope *object, const struct memstats_state *state);
int mr_section_class_referents(const struct mr_view *view, struct mr_scope *item,
                               const struct mr_report_class *class, struct mr_error *err);

#endif
