/* SPDX-License-Identifier: MIT
 *
 * Rows of runs: where each run's begin.
 */
#include "table_rows.h"

int mr_run_rows_init(struct mr_run_rows *rows, const struct mr_model *model, mr_run_count *count,
                     struct mr_error *err)
{
	size_t sum = 0;

	rows->model = model;
	rows->first = mr_alloc((model->run_count + 1) * sizeof(*rows->first));
	MR_FAIL_IF(!rows->first, err, MR_ERR_NOMEM, "no memory for %zu runs", model->run_count);
	for (size_t i = 0; i < model->run_count; i++) {
		rows->first[i] = sum;
		sum += count(&model->runs[i]);
	}
	rows->first[model->run_count] = sum;
	return 0;
}

void mr_run_rows_release(struct mr_run_rows *rows)
{
	mr_free(rows->first);
	rows->first = NULL;
}

int mr_run_rows_open(const struct mr_model *model, mr_run_count *count, void **state, size_t *row_count,
                     struct mr_error *err)
{
	struct mr_run_rows *rows = mr_alloc(sizeof(*rows));

	MR_FAIL_IF(!rows, err, MR_ERR_NOMEM, "no memory for the rows of a table");
	*state = rows;
	MR_TRY(mr_run_rows_init(rows, model, count, err));
	*row_count = mr_run_rows_count(rows);
	return 0;
}

void mr_run_rows_close(void *state)
{
	if (state)
		mr_run_rows_release(state);
	mr_free(state);
}
