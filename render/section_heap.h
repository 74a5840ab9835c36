/* SPDX-License-Identifier: MIT
 *
 * What the sections of a recorded heap share.  Private to section_*.c.
 */
#ifndef MR_SECTION_HEAP_H
#define MR_SECTION_HEAP_H

#include "section.h"

/* Add to "figures" and "verdicts" of a run that has a heap. */
void mr_section_heap_figures(struct mr_scope *scope, const struct mr_report_run *run);
void mr_section_heap_verdicts(const struct mr_view *view, struct mr_scope *scope);
/* "at exit", or what can be said instead. */
const char *mr_section_end_words(const struct mr_report_run *run);

/* The call stack in ROW of the sites table, innermost first; "" on a page that has failed. */
const char *mr_section_stack_text(struct mr_scope *scope, const struct memstats_table *sites, size_t row);
/* "stack", at most FRAMES_MAX of the frames of such a TEXT, and "stack_rest". */
void mr_section_stack(struct mr_scope *scope, const char *text, size_t frames_max);
/* "curve" of what SITE held at snapshots, where that is known. */
void mr_section_site_curve(struct mr_scope *scope, const struct mr_report_run *run,
                           const struct mr_heap_site *site);
/* "function" and "position" of TEXT, which is "function (file.c:12)". */
void mr_section_frame(struct mr_scope *scope, const char *text, size_t len);

#endif
