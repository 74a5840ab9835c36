/* SPDX-License-Identifier: MIT
 *
 * Opening the files that tables are made from.
 */
#include "table_log.h"

#include "stacks_runs.h"

#include <unistd.h>

size_t mr_log_path_count(const struct memstats_log *log)
{
	return log && log->model ? log->model->file_count : 0;
}

const char *mr_log_path(const struct memstats_log *log, size_t i)
{
	return log->model->files[i].path;
}

bool mr_log_is_imported(const struct memstats_log *log)
{
	const struct mr_model *const model = log != NULL ? log->model : NULL;

	for (size_t i = 0; model != NULL && i < model->run_count; i++)
		if (model->runs[i].imported == MR_IMPORTED_NOTHING)
			return false;
	return model != NULL && model->run_count > 0;
}

int mr_log_from_model_take(struct mr_model *model, struct memstats_log **log, struct mr_error *err)
{
	struct memstats_log *made = mr_alloc(sizeof(*made));

	if (!made) {
		mr_model_close(model);
		return mr_fail(err, MR_ERR_NOMEM, "no memory for a log");
	}
	made->model = model;
	*log = made;
	return 0;
}

int memstats_log_open_memory(const void *data, size_t size_bytes, const char *name, struct memstats_log **log,
                             struct memstats_error *error)
{
	struct mr_error *err = mr_table_error(error);
	struct mr_model *model = NULL;

	MR_TRY(mr_model_open_memory(data, size_bytes, name, &model, err));
	return mr_log_from_model_take(model, log, err);
}

int memstats_log_copy(const struct memstats_log *log, FILE *out, struct memstats_error *error)
{
	return mr_model_copy(log->model, out, mr_table_error(error));
}

void memstats_log_close(struct memstats_log *log)
{
	if (!log)
		return;
	for (size_t i = 0; log->words && i < log->operand_count; i++)
		mr_free(log->words[i]);
	mr_free(log->words);
	mr_free(log->operands);
	mr_log_stacks_release(log);
	mr_model_close(log->model);
	mr_free(log);
}

const char *memstats_log_warning(const struct memstats_log *log, size_t i)
{
	return i < log->model->warning_count ? log->model->warnings[i] : NULL;
}

/* Cuts "FILE@SNAPSHOT" in two where FILE exists and the whole word does not.
 * The first such "@" is taken: a description may hold more of them. */
static const char *cut_snapshot(char *word)
{
	if (strcmp(word, "-") == 0 || access(word, F_OK) == 0)
		return NULL;
	for (char *at = strchr(word, '@'); at; at = strchr(at + 1, '@')) {
		*at = '\0';
		if (at > word && (access(word, F_OK) == 0 || strcmp(word, "-") == 0))
			return at + 1;
		*at = '@';
	}
	return NULL;
}

/* Fills the operands, and PATHS (room for all) with each file once. */
static int read_operands(struct memstats_log *log, const char *const *paths, size_t path_count,
                         const char **files, size_t *file_count, struct mr_error *err)
{
	*file_count = 0;
	for (size_t i = 0; i < path_count; i++) {
		struct mr_log_operand *operand = &log->operands[i];
		const size_t len = strlen(paths[i]);
		char *word = mr_alloc(len + 1);

		MR_FAIL_IF(!word, err, MR_ERR_NOMEM, "no memory to open '%.200s'", paths[i]);
		memcpy(word, paths[i], len + 1);
		log->words[log->operand_count++] = word;
		operand->snapshot = cut_snapshot(word);
		operand->file = 0;
		while (operand->file < *file_count && strcmp(files[operand->file], word) != 0)
			operand->file++;
		if (operand->file == *file_count)
			files[(*file_count)++] = word;
	}
	return 0;
}

int memstats_log_open(const char *const *paths, size_t path_count, struct memstats_log **log,
                      struct memstats_error *error)
{
	struct mr_error *err = mr_table_error(error);

	MR_FAIL_IF(path_count == 0, err, MR_ERR_ARG, "no log is named");
	struct memstats_log *made = mr_alloc(sizeof(*made));
	const char **files = mr_alloc((path_count + 1) * sizeof(*files));
	size_t file_count = 0;
	int code = 0;

	if (made) {
		made->operands = mr_alloc((path_count + 1) * sizeof(*made->operands));
		made->words = mr_alloc((path_count + 1) * sizeof(*made->words));
	}
	if (!made || !files || !made->operands || !made->words) {
		code = mr_fail(err, MR_ERR_NOMEM, "no memory to open logs");
		goto out;
	}
	code = read_operands(made, paths, path_count, files, &file_count, err);
	if (code == 0)
		code = mr_model_open(files, file_count, &made->model, err);
	if (code == 0) {
		*log = made;
		made = NULL;
	}
out:
	mr_free(files);
	memstats_log_close(made);
	return code;
}
