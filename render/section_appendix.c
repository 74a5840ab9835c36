/* SPDX-License-Identifier: MIT
 *
 * The numbers behind the page, for programs: the first rows of each table as
 * JSON, as `memstats --format json` prints it, within a number of bytes.
 */
#include "section.h"

#include <stdlib.h>

#define ROWS_TRIED_MAX 1000
#define TABLES_MAX 32
#define STACKS_MAX \
	20000 /* beyond which tables of stacks that nothing else needs are left out: they take time */

struct text {
	char *data;
	size_t len;
};

/* TABLE's first ROWS rows as JSON; the memory is the C library's.  SOURCES names its rows. */
static int write_json(struct memstats_table *table, const uint32_t *sources, size_t rows, struct text *text,
                      struct mr_error *err)
{
	const char *name = memstats_table_name(table);
	MR_TRY(memstats_table_arrange(table, sources, rows, (struct memstats_error *)(void *)err));
	FILE *stream = open_memstream(&text->data, &text->len);
	int status = stream ? 0 : mr_fail(err, MR_ERR_NOMEM, "no memory for table %s", name);
	if (status == 0)
		status = memstats_table_write(table, MEMSTATS_FORMAT_JSON, 0, stream,
		                              (struct memstats_error *)(void *)err);
	if (stream && fclose(stream) != 0 && status == 0)
		status = mr_fail(err, MR_ERR_NOMEM, "no memory for table %s", name);
	return status;
}

/* As many of the first COUNT rows as fit into ROOM bytes of JSON, by what those that were tried took;
 * none when one row is too long. */
static int add_rows(struct mr_scope *scope, const struct memstats_table_info *info,
                    struct memstats_table *table, const uint32_t *sources, size_t count, size_t room,
                    struct mr_error *err)
{
	for (size_t rows = count, tries = 0; tries == 0 || rows > 0; tries++) {
		struct text text = { NULL, 0 };
		const int status = write_json(table, sources, rows, &text, err);
		if (status < 0 || text.len <= room) {
			if (status == 0) {
				struct mr_scope *item = mr_scope_add(scope, "json");
				mr_scope_text(item, "name", info->name);
				mr_scope_text(item, "summary", info->summary);
				mr_scope_long(item, "text", text.data);
			}
			free(text.data);
			return status;
		}
		rows = (size_t)((double)rows * 0.9 * (double)room / (double)text.len);
		free(text.data);
	}
	return 0;
}

static int add_table(const struct mr_view *view, struct mr_scope *scope,
                     const struct memstats_table_info *info, size_t room, struct mr_error *err)
{
	const size_t wanted = 5 * view->limit < ROWS_TRIED_MAX ? 5 * view->limit : ROWS_TRIED_MAX;
	struct memstats_table *table = NULL;
	uint32_t sources[ROWS_TRIED_MAX];
	char limit[32];
	/* Of all objects the largest; they are also found faster than the first in the table's own order. */
	const char *const sort = strcmp(info->name, "objects") == 0 ? "size" : NULL;
	snprintf(limit, sizeof(limit), "%zu", wanted);
	MR_TRY(mr_report_rows_open(view->data->log, info->name, sort, NULL, limit, NULL, &table, err));
	size_t count = memstats_table_row_count(table);
	count = count < wanted ? count : wanted;
	for (size_t i = 0; i < count; i++)
		sources[i] = (uint32_t)memstats_table_source(table, i);
	const int status = add_rows(scope, info, table, sources, count, room, err);
	memstats_table_free(table);
	return status;
}

/* The sizes of single objects are the log itself; a page has no room for them. */
static bool is_left_out(const struct mr_view *view, const char *name)
{
	static const char *const of_stacks[] = { "tree", "functions", "diff", "allocations" };
	const bool many = memstats_table_row_count(view->data->heap.sites) > STACKS_MAX;
	for (size_t i = 0; many && i < MR_ARRAY_LEN(of_stacks); i++)
		if (strcmp(name, of_stacks[i]) == 0)
			return true;
	return strcmp(name, "sizes") == 0;
}

int mr_section_appendix(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err)
{
	size_t count;
	const struct memstats_table_info *infos = memstats_table_list(&count);
	mr_scope_list(scope, "json");
	for (size_t i = 0; i < count && i < TABLES_MAX && view->appendix_bytes > 0; i++)
		if (!is_left_out(view, infos[i].name))
			MR_TRY(add_table(view, scope, &infos[i], view->appendix_bytes / count, err));
	return 0;
}
