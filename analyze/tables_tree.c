/* SPDX-License-Identifier: MIT
 *
 * Table tree: the call stacks as a tree, outermost functions at the top, or with
 * --invert the sites.  Rows are depth first; what the query sorts by decides
 * between siblings, since a tree has no other order.
 */
#include "tables_tree.h"

static const struct memstats_column columns[MR_TREE_COLUMN_COUNT] = {
	[MR_TREE_RUN] = { "run", MEMSTATS_ID, "the run, counted from 1" },
	[MR_TREE_NODE] = { "node", MEMSTATS_ID, "the row's number" },
	[MR_TREE_PARENT] = { "parent", MEMSTATS_ID,
	                     "the row that it lies below: its caller, or with --invert what "
	                     "it calls; none at the top" },
	[MR_TREE_DEPTH] = { "depth", MEMSTATS_COUNT, "rows above it in the tree" },
	[MR_TREE_FUNCTION] = { "function", MEMSTATS_TEXT,
	                       "name of the function, or module+0xOFFSET of a place in it" },
	[MR_TREE_FILE] = { "file", MEMSTATS_TEXT, "path of its source" },
	[MR_TREE_LINE] = { "line", MEMSTATS_ID, "where it calls on or allocates, if that is one line" },
	[MR_TREE_MODULE] = { "module", MEMSTATS_TEXT, "file name of the program or library that it is in" },
	[MR_TREE_PEAK] = { "peak", MEMSTATS_BYTES,
	                   "what was held here and below when the process held most" },
	[MR_TREE_SELF_PEAK] = { "self_peak", MEMSTATS_BYTES, "of that, what is of no row below" },
	[MR_TREE_LIVE] = { "live", MEMSTATS_BYTES, "the same at the end, or at the snapshot that is named" },
	[MR_TREE_SELF_LIVE] = { "self_live", MEMSTATS_BYTES, "of that, what is of no row below" },
	[MR_TREE_LIVE_COUNT] = { "live_count", MEMSTATS_COUNT, "blocks that these bytes are in" },
	[MR_TREE_LEAKED] = { "leaked", MEMSTATS_BYTES, "what was not freed to the end" },
	[MR_TREE_SELF_LEAKED] = { "self_leaked", MEMSTATS_BYTES, "of that, what is of no row below" },
	[MR_TREE_TOTAL] = { "total", MEMSTATS_BYTES, "all bytes that were ever asked for" },
	[MR_TREE_SELF_TOTAL] = { "self_total", MEMSTATS_BYTES, "of these, what is of no row below" },
	[MR_TREE_COUNT] = { "count", MEMSTATS_COUNT, "allocations" },
	[MR_TREE_SELF_COUNT] = { "self_count", MEMSTATS_COUNT, "of these, what is of no row below" },
	[MR_TREE_TEMPORARY] = { "temporary", MEMSTATS_COUNT,
	                        "allocations that were freed before the thread's next" },
	[MR_TREE_SELF_TEMPORARY] = { "self_temporary", MEMSTATS_COUNT, "of these, what is of no row below" },
};

/* Which figure a column shows. */
static enum mr_stack_figure figure_of(size_t column)
{
	switch (column) {
	case MR_TREE_PEAK:
	case MR_TREE_SELF_PEAK:
		return MR_STACK_PEAK;
	case MR_TREE_LIVE:
	case MR_TREE_LEAKED:
	case MR_TREE_SELF_LIVE:
	case MR_TREE_SELF_LEAKED:
		return MR_STACK_LIVE;
	case MR_TREE_LIVE_COUNT:
		return MR_STACK_LIVE_COUNT;
	case MR_TREE_TOTAL:
	case MR_TREE_SELF_TOTAL:
		return MR_STACK_TOTAL;
	case MR_TREE_COUNT:
	case MR_TREE_SELF_COUNT:
		return MR_STACK_COUNT;
	default:
		return MR_STACK_TEMPORARY;
	}
}

static bool is_of_self(size_t column)
{
	return column == MR_TREE_SELF_PEAK || column == MR_TREE_SELF_LIVE || column == MR_TREE_SELF_LEAKED ||
	       column == MR_TREE_SELF_TOTAL || column == MR_TREE_SELF_COUNT ||
	       column == MR_TREE_SELF_TEMPORARY;
}

uint64_t mr_tree_cost(const struct mr_stack_tree *tree, uint32_t node, size_t column)
{
	const enum mr_stack_figure figure = figure_of(column);

	return is_of_self(column) ? mr_stack_figure(mr_stack_tree_self(tree, node), figure)
	                          : tree->all[figure][node];
}

int mr_tree_sum(struct mr_tree_table *table, uint64_t columns_shown, struct mr_error *err)
{
	unsigned figures = 0;

	for (unsigned column = MR_TREE_PEAK; column < MR_TREE_COLUMN_COUNT; column++)
		if ((columns_shown & mr_column_bit(column)) != 0 && !is_of_self(column))
			figures |= 1u << figure_of(column);
	for (size_t i = 0; i < table->runs.count; i++)
		MR_TRY(mr_stack_tree_sum(&table->trees[i], figures, err));
	return 0;
}

static void cell_of_frame(const struct mr_stacks *stacks, const struct mr_stack_node *node, size_t column,
                          struct mr_cell *cell)
{
	const struct mr_function *function = &stacks->functions[node->function];
	const char *text = column == MR_TREE_FUNCTION ? function->name
	                   : column == MR_TREE_FILE   ? stacks->frames[node->frame].file
	                                              : function->module;

	mr_cell_string(cell, text[0] != '\0' ? text : NULL);
}

static void tree_cell(const void *state, size_t index, size_t column, struct mr_cell *cell)
{
	const struct mr_tree_table *table = state;
	const struct mr_tree_row *row = &table->rows[index];
	const struct mr_stacks_run *run = &table->runs.runs[row->run];
	const struct mr_stack_tree *tree = &table->trees[row->run];
	const struct mr_stack_node *node = &tree->nodes[row->node];

	switch (column) {
	case MR_TREE_RUN:
		mr_cell_number(cell, (uint64_t)run->run + 1);
		break;
	case MR_TREE_NODE:
		mr_cell_number(cell, index + 1);
		break;
	case MR_TREE_PARENT:
		mr_cell_number_or_null(cell, (uint64_t)row->parent + 1, row->parent == MR_INDEX_NONE);
		break;
	case MR_TREE_DEPTH:
		mr_cell_number(cell, row->depth);
		break;
	case MR_TREE_LINE:
		mr_cell_number_or_null(cell, node->line, node->line == 0);
		break;
	case MR_TREE_FUNCTION:
	case MR_TREE_FILE:
	case MR_TREE_MODULE:
		cell_of_frame(run->stacks, node, column, cell);
		break;
	default:
		mr_cell_number_or_null(cell, mr_tree_cost(tree, row->node, column),
		                       (column == MR_TREE_LEAKED || column == MR_TREE_SELF_LEAKED) &&
		                               run->snapshot != MR_INDEX_NONE);
	}
}

/* ---- Order ----------------------------------------------------------------- */

/* The order of siblings, as rows: all sorts of the query, each keeping the one before where it finds no
 * difference. */
static int sort_rows(struct mr_tree_table *table, const struct memstats_query *query, uint32_t *rows,
                     struct mr_error *err)
{
	const struct memstats_table_info *info = &mr_table_tree.info;
	struct mr_order order = { .count = 0 };
	size_t i = 0;

	MR_TRY(mr_order_parse(info, mr_table_tree.default_sort, &order, err));
	for (;; i++) {
		const bool at_end = !query || i >= query->count;
		const bool is_sort = !at_end && query->steps[i].operation == MEMSTATS_SORT;

		if (!at_end && query->steps[i].operation == MEMSTATS_REVERSE)
			order.reversed = !order.reversed;
		if (!at_end && !is_sort)
			continue;
		order.ties_reversed = order.reversed;
		MR_TRY(mr_order_apply(&order, &mr_table_tree, table, rows, table->count, table->count, err));
		table->column = order.columns[0];
		if (at_end)
			return 0;
		order = (struct mr_order){ .count = 0 };
		MR_TRY(mr_order_parse(info, query->steps[i].value, &order, err));
	}
}

/* Of the nodes of all trees, one tree behind the other. */
struct links {
	size_t *begins; /* where each run's are */
	uint32_t *first;
	uint32_t *next;
	uint32_t *row; /* of each node */
};

static int make_links(const struct mr_tree_table *table, struct links *links, struct mr_error *err)
{
	size_t count = 1;

	links->begins = mr_alloc((table->runs.count + 1) * sizeof(*links->begins));
	for (size_t i = 0; links->begins && i < table->runs.count; i++) {
		links->begins[i] = count;
		count += table->trees[i].count;
	}
	links->first = mr_alloc(count * sizeof(*links->first));
	links->next = mr_alloc(count * sizeof(*links->next));
	links->row = mr_alloc(count * sizeof(*links->row));
	if (links->begins && links->first && links->next && links->row)
		return 0;
	return mr_fail(err, MR_ERR_NOMEM, "no memory for table tree");
}

/* Appends the rows of run INDEX to the COUNT that there are, depth first; gives how many there are then. */
static size_t lay_out(const struct mr_tree_table *table, uint32_t index, const struct links *links,
                      struct mr_tree_row *rows, size_t count)
{
	const struct mr_stack_node *nodes = table->trees[index].nodes;
	const uint32_t *first = links->first + links->begins[index];
	const uint32_t *next = links->next + links->begins[index];
	uint32_t *row = links->row + links->begins[index];
	uint32_t at = first[0];
	uint32_t depth = 0;

	while (at != 0) {
		const uint32_t parent = nodes[at].parent;

		row[at] = (uint32_t)count;
		rows[count++] = (struct mr_tree_row){ index, at, parent == 0 ? MR_INDEX_NONE : row[parent],
			                              depth, 0 };
		if (first[at] != 0) {
			at = first[at];
			depth++;
			continue;
		}
		while (at != 0 && next[at] == 0) {
			rows[row[at]].end = (uint32_t)count;
			at = nodes[at].parent;
			depth -= at != 0;
		}
		if (at != 0)
			rows[row[at]].end = (uint32_t)count;
		at = at != 0 ? next[at] : 0;
	}
	return count;
}

/* Brings the rows, which are by node, into the tree's order. */
static int order_rows(struct mr_tree_table *table, const struct memstats_query *query, struct mr_error *err)
{
	struct links links = { NULL };
	uint32_t *sorted = mr_alloc((table->count + 1) * sizeof(*sorted));
	struct mr_tree_row *rows = mr_alloc((table->count + 1) * sizeof(*rows));
	size_t count = 0;
	int code = make_links(table, &links, err);

	if (code == 0 && (!sorted || !rows))
		code = mr_fail(err, MR_ERR_NOMEM, "no memory for table tree");
	for (size_t i = 0; code == 0 && i < table->count; i++)
		sorted[i] = (uint32_t)i;
	if (code == 0)
		code = sort_rows(table, query, sorted, err);
	for (size_t i = table->count; code == 0 && i > 0; i--) {
		const struct mr_tree_row *row = &table->rows[sorted[i - 1]];
		const size_t begin = links.begins[row->run];

		mr_stack_tree_link(&table->trees[row->run], row->node, links.first + begin,
		                   links.next + begin);
	}
	for (uint32_t run = 0; code == 0 && run < table->runs.count; run++)
		count = lay_out(table, run, &links, rows, count);
	mr_free(sorted);
	mr_free(links.begins);
	mr_free(links.first);
	mr_free(links.next);
	mr_free(links.row);
	if (code == 0) {
		mr_free(table->rows);
		table->rows = rows;
	} else {
		mr_free(rows);
	}
	return code;
}

/* ---- The table ------------------------------------------------------------- */

static int make_trees(struct mr_tree_table *table, struct mr_error *err)
{
	size_t node_count = 0;

	table->trees = mr_alloc((table->runs.count + 1) * sizeof(*table->trees));
	MR_FAIL_IF(!table->trees, err, MR_ERR_NOMEM, "no memory for table tree");
	for (size_t i = 0; i < table->runs.count; i++) {
		const struct mr_stacks_run *run = &table->runs.runs[i];

		MR_TRY(mr_stack_tree_init(&table->trees[i], run->stacks, &run->sites, table->inverted, err));
		MR_TRY(mr_stack_tree_sum(&table->trees[i], 1u << MR_STACK_SITES, err));
		node_count += table->trees[i].count;
	}
	MR_FAIL_IF(node_count > MR_TABLE_ROWS_MAX, err, MR_ERR_LIMIT, "table tree has more than %zu rows",
	           (size_t)MR_TABLE_ROWS_MAX);
	table->rows = mr_alloc((node_count + 1) * sizeof(*table->rows));
	MR_FAIL_IF(!table->rows, err, MR_ERR_NOMEM, "no memory for table tree");
	for (uint32_t i = 0; i < table->runs.count; i++)
		for (uint32_t node = 1; node < table->trees[i].count; node++)
			if (table->trees[i].all[MR_STACK_SITES][node] > 0)
				table->rows[table->count++] =
					(struct mr_tree_row){ i, node, MR_INDEX_NONE, 0, 0 };
	return 0;
}

static int tree_open(struct memstats_log *log, const struct memstats_query *query, uint64_t needed,
                     void **state, size_t *row_count, struct mr_error *err)
{
	struct mr_tree_table *table = mr_alloc(sizeof(*table));

	MR_FAIL_IF(!table, err, MR_ERR_NOMEM, "no memory for table tree");
	*state = table;
	table->model = log->model;
	for (size_t i = 0; query && i < query->count; i++)
		table->inverted = table->inverted || query->steps[i].operation == MEMSTATS_INVERT;
	MR_TRY(mr_stacks_runs_init(&table->runs, log, query, err));
	MR_TRY(make_trees(table, err));
	/* An order of the query comes on top of the table's own. */
	MR_TRY(mr_tree_sum(table, needed | mr_column_bit(MR_TREE_PEAK), err));
	MR_TRY(order_rows(table, query, err));
	*row_count = table->count;
	return 0;
}

static int tree_finish(void *state, const uint32_t *rows, size_t row_count, uint64_t shown,
                       struct mr_error *err)
{
	(void)rows;
	(void)row_count;
	return mr_tree_sum(state, shown, err);
}

static void tree_close(void *state)
{
	struct mr_tree_table *table = state;

	if (!table)
		return;
	for (size_t i = 0; table->trees && i < table->runs.count; i++)
		mr_stack_tree_release(&table->trees[i]);
	mr_free(table->trees);
	mr_stacks_runs_release(&table->runs);
	mr_free(table->rows);
	mr_free(table);
}

const struct mr_table_type mr_table_tree = {
	.info = { "tree", "the call stacks as a tree of functions, with what was allocated in and below each",
	          columns, MR_TREE_COLUMN_COUNT, MR_TREE_FUNCTION },
	.default_sort = "peak",
	.takes_snapshots = true,
	.takes_invert = true,
	.sorts_itself = true,
	.open_stacks = tree_open,
	.cell = tree_cell,
	.finish = tree_finish,
	.close = tree_close,
	.write_text = mr_tree_write_text,
};
