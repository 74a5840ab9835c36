/* SPDX-License-Identifier: MIT
 *
 * The numbers behind the page, for programs: the first rows of each table as
 * JSON, as `memstats --format json` prints it, within a number of bytes.
 */
#include "section.h"

#include <stdlib.h>

#define ROWS_TRIED_MAX 1000
#define TABLES_MAX 32

struct text {
	char *data;
	size_t len;
};

/* TABLE's first ROWS rows as JSON; the memory is the C library's. */
static int write_json(struct memstats_log *log, const char *name, size_t rows, struct text *text,
                      struct mr_error *err)
{
	struct memstats_table *table = NULL;
	char limit[32];
	/* Of all objects the largest; they are also found faster than the first in the table's own order. */
	const char *const sort = strcmp(name, "objects") == 0 ? "size" : NULL;
	snprintf(limit, sizeof(limit), "%zu", rows);
	MR_TRY(mr_report_rows_open(log, name, sort, NULL, limit, NULL, &table, err));
	FILE *stream = open_memstream(&text->data, &text->len);
	int status = stream ? 0 : mr_fail(err, MR_ERR_NOMEM, "no memory for table %s", name);
	if (status == 0)
		status = memstats_table_write(table, MEMSTATS_FORMAT_JSON, 0, stream,
		                              (struct memstats_error *)(void *)err);
	if (stream && fclose(stream) != 0 && status == 0)
		status = mr_fail(err, MR_ERR_NOMEM, "no memory for table %s", name);
	memstats_table_free(table);
	return status;
}

/* As many rows as fit into ROOM bytes of JSON, by what those that were tried took;
 * none when one row is too long. */
static int add_table(const struct mr_view *view, struct mr_scope *scope,
                     const struct memstats_table_info *info, size_t room, struct mr_error *err)
{
	for (size_t rows = 5 * view->limit < ROWS_TRIED_MAX ? 5 * view->limit : ROWS_TRIED_MAX; rows > 0;) {
		struct text text = { NULL, 0 };
		const int status = write_json(view->data->log, info->name, rows, &text, err);
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

int mr_section_appendix(const struct mr_view *view, struct mr_scope *scope, struct mr_error *err)
{
	size_t count;
	const struct memstats_table_info *infos = memstats_table_list(&count);
	mr_scope_list(scope, "json");
	for (size_t i = 0; i < count && i < TABLES_MAX && view->appendix_bytes > 0; i++)
		/* The sizes of single objects are the log itself; a page has no room for them. */
		if (strcmp(infos[i].name, "sizes") != 0)
			MR_TRY(add_table(view, scope, &infos[i], view->appendix_bytes / count, err));
	return 0;
}
