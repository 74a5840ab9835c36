/* SPDX-License-Identifier: MIT
 *
 * Table allocations: each allocation by itself, from recordings that kept every
 * event (memrecord --events).  There may be a hundred million: what the query
 * looks at is read for all of them, the rest for the rows that are left.
 */
#include "stacks.h"
#include "table_log.h"
#include "table_rows.h"

#include <inttypes.h>
#include <stdlib.h>

#define FEW_SHARE 8 /* the rest is read for all rows when more than one in so many is left */

enum { RUN, BIRTH, DEATH, LIFETIME, SIZE, THREAD, ADDRESS, SITE, STACK, COLUMN_COUNT };

static const struct memstats_column columns[COLUMN_COUNT] = {
	[RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[BIRTH] = { "birth", MEMSTATS_TIME, "when it was made" },
	[DEATH] = { "death", MEMSTATS_TIME, "when it was freed, or moved by realloc" },
	[LIFETIME] = { "lifetime", MEMSTATS_DURATION, "from one to the other" },
	[SIZE] = { "size", MEMSTATS_BYTES, "as the program asked for it" },
	[THREAD] = { "thread", MEMSTATS_TEXT, "who made it: the thread's name, or else its id" },
	[ADDRESS] = { "address", MEMSTATS_ADDRESS, "where it was" },
	[SITE] = { "site", MEMSTATS_TEXT,
	           "the innermost frame that is no allocation function or wrapper of a runtime library" },
	[STACK] = { "stack", MEMSTATS_TEXT, "all frames, innermost first" },
};

/* What of the model each column needs. */
static const unsigned needs[COLUMN_COUNT] = {
	[BIRTH] = MR_ALLOCATION_BIRTH,
	[DEATH] = MR_ALLOCATION_DEATH,
	[LIFETIME] = MR_ALLOCATION_BIRTH | MR_ALLOCATION_DEATH,
	[SIZE] = MR_ALLOCATION_SIZE,
	[THREAD] = MR_ALLOCATION_THREAD,
	[ADDRESS] = MR_ALLOCATION_ADDRESS,
	[SITE] = MR_ALLOCATION_STACK,
	[STACK] = MR_ALLOCATION_STACK,
};

/* Columns of all images at once. */
struct reading {
	struct mr_allocations *images;
	size_t count;
	unsigned held; /* enum mr_allocation_column */
};

struct table {
	struct mr_model *model;
	const struct memstats_query *query;
	struct reading all;                   /* of all rows: what the query looks at */
	struct reading left;                  /* of those that are left, when they are few */
	struct mr_allocations_choice *choice; /* which are left, an image each */
	size_t *first;                        /* each image's first row, and the count of all */
	uint32_t *kept; /* rows that the query's choice of stacks keeps, of all; NULL: all */
	size_t kept_count;
	struct mr_stacks **stacks; /* a run each; NULL: not needed yet */
	char (**tids)[24];         /* a run each, a thread each: ids as texts */
};

static int fail_memory(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOMEM, "no memory for table allocations");
}

static unsigned needs_of(uint64_t shown)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < COLUMN_COUNT; i++)
		if (shown & mr_column_bit(i))
			sum |= needs[i];
	return sum;
}

/* The image that row ROW of all is in. */
static size_t image_of(const struct table *table, size_t row)
{
	size_t low = 0, high = table->all.count;

	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;

		if (table->first[middle] <= row)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* ---- Names ---------------------------------------------------------------- */

static int make_tids(struct table *table, uint32_t run_index, struct mr_error *err)
{
	const struct mr_run *run = &table->model->runs[run_index];

	if (table->tids[run_index])
		return 0;
	table->tids[run_index] = mr_alloc(run->thread_count * sizeof(*table->tids[run_index]));
	if (!table->tids[run_index])
		return fail_memory(err);
	for (uint32_t i = 0; i < run->thread_count; i++)
		snprintf(table->tids[run_index][i], sizeof(table->tids[run_index][i]), "%" PRIu64,
		         run->threads[i].tid);
	return 0;
}

/* Finds out what SHOWN needs of a stack. */
static int name_stack(struct table *table, uint32_t run_index, uint32_t stack, uint64_t shown,
                      struct mr_error *err)
{
	struct mr_stacks **stacks = &table->stacks[run_index];

	if (!*stacks)
		MR_TRY(mr_stacks_new(table->model, &table->model->runs[run_index], table->query, stacks,
		                     err));
	MR_TRY(mr_stacks_resolve(*stacks, stack, err));
	if ((shown & mr_column_bit(STACK)) != 0 && !mr_stacks_trace_text(*stacks, stack))
		return fail_memory(err);
	return 0;
}

/* Finds out what SHOWN needs beside numbers, of all that READING holds. */
static int name_images(struct table *table, const struct reading *reading, uint64_t shown,
                       struct mr_error *err)
{
	for (size_t i = 0; i < reading->count; i++) {
		const struct mr_allocations *image = &reading->images[i];

		if (shown & mr_column_bit(THREAD))
			MR_TRY(make_tids(table, image->run, err));
		if ((shown & (mr_column_bit(SITE) | mr_column_bit(STACK))) == 0)
			continue;
		for (size_t k = 0; k < image->count; k++)
			MR_TRY(name_stack(table, image->run, image->stack[k], shown, err));
	}
	return 0;
}

/* ---- Rows ------------------------------------------------------------------ */

static bool chooses_stacks(const struct memstats_query *query)
{
	for (size_t i = 0; query && i < query->count; i++)
		if (query->steps[i].operation == MEMSTATS_FOCUS ||
		    query->steps[i].operation == MEMSTATS_MODULE)
			return true;
	return false;
}

static int keep_rows(struct table *table, struct mr_error *err)
{
	const size_t total = table->first[table->all.count];

	table->kept = mr_alloc((total + 1) * sizeof(*table->kept));
	if (!table->kept)
		return fail_memory(err);
	for (size_t i = 0; i < table->all.count; i++) {
		const struct mr_allocations *image = &table->all.images[i];

		for (size_t k = 0; k < image->count; k++) {
			MR_TRY(name_stack(table, image->run, image->stack[k], 0, err));
			if (mr_stacks_is_kept(table->stacks[image->run], image->stack[k]))
				table->kept[table->kept_count++] = (uint32_t)(table->first[i] + k);
		}
	}
	return 0;
}

static int read_all(struct table *table, unsigned held, struct mr_error *err)
{
	struct reading reading = { .held = held | MR_ALLOCATION_BIRTH };

	MR_TRY(mr_model_allocations(table->model, held, NULL, &reading.images, &reading.count, err));
	mr_allocations_free(table->all.images, table->all.count);
	table->all = reading;
	return 0;
}

static int allocations_open(struct memstats_log *log, const struct memstats_query *query, uint64_t needed,
                            void **state, size_t *row_count, struct mr_error *err)
{
	struct table *table = mr_alloc(sizeof(*table));
	const bool chooses = chooses_stacks(query);
	size_t total = 0;

	if (!table)
		return fail_memory(err);
	*state = table;
	table->model = log->model;
	table->query = query;
	table->stacks = mr_alloc((log->model->run_count + 1) * sizeof(struct mr_stacks *));
	table->tids = mr_alloc((log->model->run_count + 1) * sizeof(*table->tids));
	if (!table->stacks || !table->tids)
		return fail_memory(err);
	MR_TRY(read_all(table, needs_of(needed) | (chooses ? MR_ALLOCATION_STACK : 0), err));
	table->first = mr_alloc((table->all.count + 1) * sizeof(*table->first));
	if (!table->first)
		return fail_memory(err);
	for (size_t i = 0; i < table->all.count; i++) {
		table->first[i] = total;
		total += table->all.images[i].count;
	}
	table->first[table->all.count] = total;
	MR_FAIL_IF(total > MR_TABLE_ROWS_MAX, err, MR_ERR_LIMIT,
	           "table allocations has %zu rows, more than %zu", total, (size_t)MR_TABLE_ROWS_MAX);
	MR_TRY(name_images(table, &table->all, needed, err));
	if (chooses)
		MR_TRY(keep_rows(table, err));
	*row_count = chooses ? table->kept_count : total;
	return 0;
}

static void allocations_close(void *state)
{
	struct table *table = state;

	if (!table)
		return;
	for (size_t i = 0; i < table->model->run_count; i++) {
		if (table->stacks)
			mr_stacks_free(table->stacks[i]);
		if (table->tids)
			mr_free(table->tids[i]);
	}
	for (size_t i = 0; table->choice && i < table->all.count; i++)
		mr_free((void *)(uintptr_t)table->choice[i].ordinals);
	mr_free(table->choice);
	mr_allocations_free(table->left.images, table->left.count);
	mr_allocations_free(table->all.images, table->all.count);
	mr_free(table->first);
	mr_free(table->kept);
	mr_free(table->stacks);
	mr_free(table->tids);
	mr_free(table);
}

/* ---- What only the rows that are left need ---------------------------------- */

static int compare_rows(const void *left, const void *right)
{
	const uint32_t a = *(const uint32_t *)left;
	const uint32_t b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

/* Makes the choice of the ROW_COUNT rows ROWS. */
static int choose(struct table *table, const uint32_t *rows, size_t row_count, struct mr_error *err)
{
	uint32_t *const sorted = mr_alloc((row_count + 1) * sizeof(*sorted));
	size_t at = 0;

	table->choice = mr_alloc((table->all.count + 1) * sizeof(*table->choice));
	if (!sorted || !table->choice) {
		mr_free(sorted);
		return fail_memory(err);
	}
	for (size_t i = 0; i < row_count; i++)
		sorted[i] = table->kept ? table->kept[rows[i]] : rows[i];
	qsort(sorted, row_count, sizeof(*sorted), compare_rows);
	for (size_t i = 0; i < table->all.count; i++) {
		size_t end = at;

		while (end < row_count && sorted[end] < table->first[i + 1])
			end++;
		uint32_t *const ordinals = mr_alloc((end - at + 1) * sizeof(*ordinals));
		if (!ordinals) {
			mr_free(sorted);
			return fail_memory(err);
		}
		for (size_t k = at; k < end; k++)
			ordinals[k - at] = sorted[k] - (uint32_t)table->first[i];
		table->choice[i] = (struct mr_allocations_choice){ ordinals, end - at };
		at = end;
	}
	mr_free(sorted);
	return 0;
}

static int allocations_finish(void *state, const uint32_t *rows, size_t row_count, uint64_t shown,
                              struct mr_error *err)
{
	struct table *table = state;
	const unsigned held = needs_of(shown);
	struct reading *reading = &table->all;

	if (row_count == 0)
		return 0;
	if ((held & ~table->all.held) != 0) {
		if (!rows || row_count > table->first[table->all.count] / FEW_SHARE) {
			MR_TRY(read_all(table, held | table->all.held, err));
		} else {
			MR_TRY(choose(table, rows, row_count, err));
			MR_TRY(mr_model_allocations(table->model, held, table->choice, &table->left.images,
			                            &table->left.count, err));
			table->left.held = held | MR_ALLOCATION_BIRTH;
			reading = &table->left;
		}
	}
	return name_images(table, reading, shown, err);
}

/* ---- Cells ------------------------------------------------------------------- */

/* Where the values of row ROW of all are held: those of the rows that are left have all that is shown. */
static const struct mr_allocations *locate(const struct table *table, size_t row, size_t *at)
{
	const size_t image = image_of(table, row);
	const uint32_t ordinal = (uint32_t)(row - table->first[image]);

	if (table->left.images) {
		const struct mr_allocations *left = &table->left.images[image];
		const uint32_t *found = left->count == 0 ? NULL
		                                         : bsearch(&ordinal, left->chosen, left->count,
		                                                   sizeof(*left->chosen), compare_rows);

		if (found) {
			*at = (size_t)(found - left->chosen);
			return left;
		}
	}
	*at = ordinal;
	return &table->all.images[image];
}

static void cell_of_thread(const struct table *table, uint32_t run_index, uint32_t thread,
                           struct mr_cell *cell)
{
	const char *name = mr_model_string(table->model, table->model->runs[run_index].threads[thread].name);

	if (thread == 0)
		mr_cell_string(cell, NULL);
	else
		mr_cell_string(cell, name[0] != '\0' ? name : table->tids[run_index][thread]);
}

static void allocations_cell(const void *state, size_t index, size_t column, struct mr_cell *cell)
{
	const struct table *table = state;
	size_t at = 0;
	const struct mr_allocations *image = locate(table, table->kept ? table->kept[index] : index, &at);
	struct mr_stacks *stacks = table->stacks[image->run];

	switch (column) {
	case RUN:
		mr_cell_number(cell, (uint64_t)image->run + 1);
		break;
	case BIRTH:
		mr_cell_number(cell, image->birth_ns[at]);
		break;
	case DEATH:
		mr_cell_optional(cell, image->death_ns[at]);
		break;
	case LIFETIME:
		mr_cell_optional(cell,
		                 image->death_ns[at] == MR_NONE || image->death_ns[at] < image->birth_ns[at]
		                         ? MR_NONE
		                         : image->death_ns[at] - image->birth_ns[at]);
		break;
	case SIZE:
		mr_cell_number(cell, image->size_bytes[at]);
		break;
	case THREAD:
		cell_of_thread(table, image->run, image->thread[at], cell);
		break;
	case ADDRESS:
		mr_cell_number(cell, image->address[at]);
		break;
	case SITE:
		mr_cell_string(cell, mr_stacks_site_text(stacks, image->stack[at]));
		break;
	case STACK:
		mr_cell_string(cell, mr_stacks_trace_text(stacks, image->stack[at]));
		break;
	}
}

const struct mr_table_type mr_table_allocations = {
	.info = { "allocations", "each allocation by itself, where memrecord --events kept them", columns,
	          COLUMN_COUNT, SITE },
	.open_stacks = allocations_open,
	.cell = allocations_cell,
	.close = allocations_close,
	.finish = allocations_finish,
};
