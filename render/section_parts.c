/* SPDX-License-Identifier: MIT
 *
 * Small things that sections share.
 */
#include "section.h"

#include <math.h>
#include <stdio.h>

bool mr_section_run_is_shown(const struct mr_view *view, const struct mr_report_run *run)
{
	return run->has_part && run->rank < view->run_limit;
}

struct mr_chart *mr_section_chart(struct mr_scope *scope, enum mr_chart_kind kind, double width)
{
	struct mr_chart *chart = mr_page_alloc(mr_scope_page(scope), sizeof(*chart));
	if (!chart)
		return NULL;
	chart->kind = kind;
	chart->width = width;
	chart->title = chart->description = "";
	return chart;
}

double *mr_section_numbers(struct mr_scope *scope, size_t count)
{
	return mr_page_alloc(mr_scope_page(scope), (count + 1) * sizeof(double));
}

const char *mr_section_name(struct mr_scope *scope, const char *text, size_t columns_max)
{
	return mr_page_copy(mr_scope_page(scope), text, columns_max);
}

const char *mr_section_lines(struct mr_scope *scope, const char *text)
{
	const size_t len = strlen(text);
	char *copy = mr_page_alloc(mr_scope_page(scope), len + 1);
	if (!copy)
		return "";
	memcpy(copy, text, len);
	return copy;
}

const char *mr_section_snapshot_name(struct mr_scope *scope, const struct mr_report_snapshot *snapshot)
{
	char number[32];
	if (snapshot->description[0])
		return mr_section_name(scope, snapshot->description, 60);
	snprintf(number, sizeof(number), "#%llu", (unsigned long long)snapshot->number);
	return mr_section_name(scope, number, 0);
}

void mr_section_bytes(struct mr_scope *scope, const char *name, uint64_t size_bytes)
{
	if (size_bytes == MR_NO_VALUE)
		mr_scope_none(scope, name);
	else
		mr_scope_bytes(scope, name, size_bytes);
}

void mr_section_count(struct mr_scope *scope, const char *name, uint64_t count)
{
	if (count == MR_NO_VALUE)
		mr_scope_none(scope, name);
	else
		mr_scope_count(scope, name, count);
}

void mr_section_share(struct mr_scope *scope, const char *name, double part, double whole)
{
	if (whole > 0)
		mr_scope_percent(scope, name, part * 100 / whole);
	else
		mr_scope_none(scope, name);
}

const char *mr_section_plural(struct mr_scope *scope, uint64_t count, const char *one, const char *many)
{
	char number[32], text[128];
	mr_count_text(number, count);
	snprintf(text, sizeof(text), "%s %s", number, count == 1 ? one : many);
	return mr_section_name(scope, text, 0);
}

void mr_section_paint(struct mr_scope *scope, const char *name, enum mr_paint paint)
{
	mr_scope_text(scope, name, mr_palette[paint].name);
}

size_t mr_section_choose(size_t count, size_t limit, size_t best, size_t *indexes)
{
	size_t nearest = 1;
	if (count <= limit) {
		for (size_t i = 0; i < count; i++)
			indexes[i] = i;
		return count;
	}
	if (limit < 2) {
		indexes[0] = best;
		return 1;
	}
	for (size_t i = 0; i < limit; i++)
		indexes[i] = (size_t)((double)i * (double)(count - 1) / (double)(limit - 1) + 0.5);
	/* The best one takes the place of the one nearest to it that is not an end. */
	for (size_t i = 2; i + 1 < limit; i++) {
		const double here = fabs((double)indexes[i] - (double)best);
		nearest = here < fabs((double)indexes[nearest] - (double)best) ? i : nearest;
	}
	if (limit > 2 && best > 0 && best + 1 < count)
		indexes[nearest] = best;
	return limit;
}

/* "2026-01-31T10:00:00.123Z" as "31 January 2026, 10:00:00 UTC". */
void mr_section_date(struct mr_scope *scope, const char *name, const char *text)
{
	static const char *const months[] = { "January",   "February", "March",    "April",
		                              "May",       "June",     "July",     "August",
		                              "September", "October",  "November", "December" };
	unsigned year, month, day;
	char time[9];
	if (sscanf(text, "%4u-%2u-%2uT%8[0-9:]", &year, &month, &day, time) == 4 && month >= 1 && month <= 12)
		mr_scope_format(scope, name, "%u %s %u, %s UTC", day, months[month - 1], year, time);
	else
		mr_scope_text(scope, name, text);
}
