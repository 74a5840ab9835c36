/* SPDX-License-Identifier: MIT
 *
 * The tables that there are, by name.
 */
#include <assert.h>
#include <pthread.h>

#include "table.h"

#define TABLE_POINTER(name) &mr_table_##name,
static const struct mr_table_type *const types[] = { MR_TABLES(TABLE_POINTER) };

static struct memstats_table_info infos[MR_ARRAY_LEN(types)];
static char names[512];
static pthread_once_t registry_once = PTHREAD_ONCE_INIT;

static void registry_init(void)
{
	size_t len = 0;

	for (size_t i = 0; i < MR_ARRAY_LEN(types); i++) {
		infos[i] = types[i]->info;
		assert(infos[i].column_count <= MR_TABLE_COLUMNS_MAX && "a set of columns fits in 64 bits");
		const int added =
			snprintf(names + len, sizeof(names) - len, "%s%s", i > 0 ? ", " : "", infos[i].name);

		len += (size_t)added;
		assert(len < sizeof(names) && "the names of all tables fit");
	}
}

const struct memstats_table_info *memstats_table_list(size_t *count)
{
	pthread_once(&registry_once, registry_init);
	*count = MR_ARRAY_LEN(infos);
	return infos;
}

const char *mr_table_names(void)
{
	pthread_once(&registry_once, registry_init);
	return names;
}

const struct mr_table_type *mr_table_type_find(const char *name)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(types); i++)
		if (strcmp(types[i]->info.name, name) == 0)
			return types[i];
	return NULL;
}

int memstats_table_new(struct memstats_log *log, const char *name, const struct memstats_query *query,
                       struct memstats_table **table, struct memstats_error *error)
{
	struct mr_error *err = mr_table_error(error);
	const struct mr_table_type *type = mr_table_type_find(name);
	struct memstats_table *made = NULL;

	MR_FAIL_IF(!type, err, MR_ERR_ARG, "there is no table '%.100s'; the tables are %s", name,
	           mr_table_names());
	MR_TRY(mr_table_new(log, type, query, &made, err));
	const int code = mr_table_finish(made, err);

	if (code < 0) {
		memstats_table_free(made);
		return code;
	}
	*table = made;
	return 0;
}
