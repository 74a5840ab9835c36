/* SPDX-License-Identifier: MIT
 *
 * The messages that the program left on its way.
 */
#include "section.h"

#define MARKS_MAX 400

int mr_section_marks(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err MR_UNUSED)
{
	const struct mr_report_run *run = view->run;
	size_t indexes[MARKS_MAX];
	const size_t limit = 2 * view->limit < MARKS_MAX ? 2 * view->limit : MARKS_MAX;
	const size_t count = mr_section_choose(run->mark_count, limit, 0, indexes);
	mr_scope_list(scope, "marks");
	mr_scope_none(scope, "marks_rest");
	for (size_t i = 0; i < count; i++) {
		struct mr_scope *item = mr_scope_add(scope, "marks");
		mr_scope_duration(item, "time", run->marks[indexes[i]].time_ns);
		mr_scope_text(item, "text", run->marks[indexes[i]].text);
	}
	if (run->mark_count > count)
		mr_scope_format(scope, "marks_rest", "%s more in between",
		                mr_section_plural(scope, run->mark_count - count, "mark", "marks"));
	return 0;
}
