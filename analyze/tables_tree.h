/* SPDX-License-Identifier: MIT
 *
 * What the tree table and its text layout share.
 */
#ifndef MR_TABLES_TREE_H
#define MR_TABLES_TREE_H

#include "output.h"
#include "stacks_runs.h"
#include "table_rows.h"

enum mr_tree_column {
	MR_TREE_RUN,
	MR_TREE_NODE,
	MR_TREE_PARENT,
	MR_TREE_DEPTH,
	MR_TREE_FUNCTION,
	MR_TREE_FILE,
	MR_TREE_LINE,
	MR_TREE_MODULE,
	MR_TREE_PEAK,
	MR_TREE_SELF_PEAK,
	MR_TREE_LIVE,
	MR_TREE_SELF_LIVE,
	MR_TREE_LIVE_COUNT,
	MR_TREE_LEAKED,
	MR_TREE_SELF_LEAKED,
	MR_TREE_TOTAL,
	MR_TREE_SELF_TOTAL,
	MR_TREE_COUNT,
	MR_TREE_SELF_COUNT,
	MR_TREE_TEMPORARY,
	MR_TREE_SELF_TEMPORARY,
	MR_TREE_COLUMN_COUNT
};

struct mr_tree_row {
	uint32_t run;    /* index in the table's runs */
	uint32_t node;   /* of the run's tree */
	uint32_t parent; /* row, or MR_INDEX_NONE */
	uint32_t depth;  /* 0: at the top */
	uint32_t end;    /* behind the last row below it */
};

struct mr_tree_table {
	const struct mr_model *model;
	struct mr_stacks_runs runs;
	struct mr_stack_tree *trees; /* by run */
	struct mr_tree_row *rows;    /* run by run; depth first once it is ordered, by node before */
	size_t count;
	bool inverted;
	size_t column; /* the figure that text shows: the first that is sorted by */
};

/* Sums up what the columns with a bit in COLUMNS_SHOWN show, if that has not been done. */
int mr_tree_sum(struct mr_tree_table *table, uint64_t columns_shown, struct mr_error *err) MR_MUST_CHECK;
/* The figure of COLUMN, which has been summed up, for NODE. */
uint64_t mr_tree_cost(const struct mr_stack_tree *tree, uint32_t node, size_t column);

int mr_tree_write_text(struct mr_writing *writing, struct mr_error *err) MR_MUST_CHECK;

#endif
