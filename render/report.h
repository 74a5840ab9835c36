/* SPDX-License-Identifier: MIT
 *
 * The report behind memreport.h, shared by what writes its forms.
 */
#ifndef MR_REPORT_H
#define MR_REPORT_H

#include "memreport.h"
#include "report_data.h"
#include "scope.h"

#define MR_REPORT_LIMIT_MAX 1000
#define MR_REPORT_SIZE_MIN 100000 /* what style, script, charts and one row of everything take */

struct mr_templates;

struct memreport {
	struct mr_report_data data;
	struct mr_templates *templates;
	char *title; /* NULL: the program's name */
	size_t limit;
	size_t max_size_bytes;
	size_t run_limit; /* runs that have a part of the page, at most */
	char left_out[256];
};

/* Fills a new page with all sections; tables have LIMIT rows. */
int mr_report_fill(struct memreport *report, size_t limit, struct mr_page **page, struct mr_error *err)
	MR_MUST_CHECK;
/* Append the report in that form. */
int mr_report_html(struct memreport *report, struct mr_buffer *out, struct mr_error *err) MR_MUST_CHECK;
int mr_report_pdf(struct memreport *report, struct mr_buffer *out, struct mr_error *err) MR_MUST_CHECK;
int mr_report_png(struct memreport *report, struct mr_buffer *out, struct mr_error *err) MR_MUST_CHECK;

#endif
