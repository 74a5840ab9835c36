/* SPDX-License-Identifier: MIT
 *
 * The text layout of the tree: a line a function, below the one that called it.
 * A function that passes all of its cost on to one other does not indent what
 * follows, so that long chains of calls stay readable; what is less than a
 * hundredth is folded into a line that says how many it is.
 */
#include "tables_tree.h"

#include <inttypes.h>

#define LINE_WIDTH 80
#define FIGURES_WIDTH 26 /* what stands before the name */
#define INDENT_MAX 24
#define FOLD_BELOW 100 /* the part of all that is folded */

/* A function whose lines are being written. */
struct open_row {
	size_t end;      /* behind the last row below it */
	size_t indent;   /* of those directly below it, which may be more than is shown */
	bool is_several; /* these are more than one line */
	uint64_t folded; /* functions that are left out, */
	uint64_t cost;   /* and theirs */
};

struct layout {
	struct mr_writing *writing;
	const struct mr_tree_table *table;
	size_t column; /* the figure that is shown */
	uint64_t whole;
	uint64_t fold_below;
	struct open_row *open;
	size_t open_count;
	size_t open_capacity;
	size_t lines_left;
};

/* ---- Figures --------------------------------------------------------------- */

/* The figure that is of a node and all below it; what is sorted by may be its own part. */
static size_t figure_of(size_t column, const struct mr_stacks_run *run)
{
	switch (column) {
	case MR_TREE_LIVE:
	case MR_TREE_SELF_LIVE:
		return MR_TREE_LIVE;
	case MR_TREE_LEAKED:
	case MR_TREE_SELF_LEAKED:
		return run->snapshot == MR_INDEX_NONE ? MR_TREE_LEAKED : MR_TREE_LIVE;
	case MR_TREE_LIVE_COUNT:
		return MR_TREE_LIVE_COUNT;
	case MR_TREE_TOTAL:
	case MR_TREE_SELF_TOTAL:
		return MR_TREE_TOTAL;
	case MR_TREE_COUNT:
	case MR_TREE_SELF_COUNT:
		return MR_TREE_COUNT;
	case MR_TREE_TEMPORARY:
	case MR_TREE_SELF_TEMPORARY:
		return MR_TREE_TEMPORARY;
	default:
		return MR_TREE_PEAK;
	}
}

/* The figure of the function in ROW. */
static uint64_t cost_of(const struct layout *layout, size_t row)
{
	const struct mr_tree_row *of = &layout->table->rows[row];

	return mr_tree_cost(&layout->table->trees[of->run], of->node, layout->column);
}

/* Its own part of that. */
static uint64_t self_cost_of(const struct layout *layout, size_t row)
{
	const struct mr_tree_row *of = &layout->table->rows[row];
	const struct mr_stack_tree *tree = &layout->table->trees[of->run];

	return layout->column == MR_TREE_LIVE_COUNT ? mr_stack_tree_self(tree, of->node)->live_count
	                                            : mr_tree_cost(tree, of->node, layout->column + 1);
}

static void put_figure(struct layout *layout, uint64_t figure)
{
	struct mr_writing *writing = layout->writing;
	struct mr_cell cell;

	mr_cell_number(&cell, figure);
	mr_writing_show(writing, mr_table_tree.info.columns[layout->column].type, &cell, 0);
	mr_output_field(&writing->buffer, writing->scratch.data, writing->scratch.len, 10, true);
}

static void put_percent(struct layout *layout, uint64_t part)
{
	char text[16] = "";

	if (layout->whole > 0)
		snprintf(text, sizeof(text), "%.0f%%", (double)part * 100 / (double)layout->whole);
	mr_buffer_printf(&layout->writing->buffer, " %4s ", text);
}

/* ---- Lines ----------------------------------------------------------------- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The function, and where there is room its file and line, or else its module. */
static void put_name(struct layout *layout, const struct mr_stacks *stacks, const struct mr_stack_node *node,
                     size_t width)
{
	const struct mr_function *function = &stacks->functions[node->function];
	const char *file = base_name(stacks->frames[node->frame].file);
	struct mr_buffer *out = &layout->writing->buffer;
	struct mr_buffer name = { NULL, 0, 0, false };
	struct mr_buffer place = { NULL, 0, 0, false };

	if (mr_output_characters(function->name, strlen(function->name)) <= width)
		mr_buffer_append(&name, function->name, strlen(function->name));
	else
		mr_name_shorten(&name, function->name);
	mr_buffer_put_u8(&name, '\0');
	if (file[0] != '\0' && node->line > 0)
		mr_buffer_printf(&place, " (%s:%" PRIu32 ")", file, node->line);
	else if (file[0] != '\0' || (function->is_named && function->module[0] != '\0'))
		mr_buffer_printf(&place, " (%s)", file[0] != '\0' ? file : function->module);
	mr_buffer_put_u8(&place, '\0');
	if (name.failed || place.failed) {
		out->failed = true;
	} else {
		const size_t start = out->len;

		mr_output_name(out, (const char *)name.data, width, true);
		const size_t used =
			out->failed ? 0 : mr_output_characters(out->data + start, out->len - start);

		if (used + place.len - 1 <= width)
			mr_output_name(out, (const char *)place.data, width - used, false);
	}
	mr_buffer_release(&name);
	mr_buffer_release(&place);
}

/* Two spaces and the indent, of which what is too much is a number; gives how wide that is. */
static size_t put_indent(struct layout *layout, size_t indent)
{
	struct mr_buffer *out = &layout->writing->buffer;
	const size_t start = out->len;

	mr_buffer_printf(out, "  %*s", (int)(indent < INDENT_MAX ? indent : INDENT_MAX), "");
	if (indent > INDENT_MAX)
		mr_buffer_printf(out, "+%zu ", indent - INDENT_MAX);
	return out->len - start;
}

static void put_row(struct layout *layout, size_t row, size_t indent)
{
	const struct mr_tree_table *table = layout->table;
	const struct mr_tree_row *of = &table->rows[row];
	const uint64_t self = self_cost_of(layout, row);

	put_figure(layout, cost_of(layout, row));
	put_percent(layout, cost_of(layout, row));
	if (self > 0)
		put_figure(layout, self);
	else
		mr_buffer_printf(&layout->writing->buffer, "%10s", "");
	const size_t used = put_indent(layout, indent);

	put_name(layout, table->runs.runs[of->run].stacks, &table->trees[of->run].nodes[of->node],
	         LINE_WIDTH - FIGURES_WIDTH - used);
	mr_buffer_put_u8(&layout->writing->buffer, '\n');
}

/* What was left out below a function, in one line. */
static void put_folded(struct layout *layout, const struct open_row *row)
{
	put_figure(layout, row->cost);
	put_percent(layout, row->cost);
	mr_buffer_printf(&layout->writing->buffer, "%10s", "");
	put_indent(layout, row->indent);
	mr_buffer_printf(&layout->writing->buffer, "(%" PRIu64 " more)\n", row->folded);
}

/* ---- A run ----------------------------------------------------------------- */

static bool is_folded(const struct layout *layout, size_t row)
{
	return cost_of(layout, row) < layout->fold_below;
}

/* Whether the rows from FIRST on that are below one function, up to END, are more than one line. */
static bool is_several(const struct layout *layout, size_t first, size_t end)
{
	const struct mr_tree_row *rows = layout->table->rows;
	size_t shown = 0;
	bool has_folded = false;

	/* What costs nothing has no line. */
	for (size_t child = first; child < end && shown < 2; child = rows[child].end) {
		const bool folded = is_folded(layout, child);
		const bool costs = cost_of(layout, child) > 0;

		shown += costs && (!folded || !has_folded);
		has_folded = has_folded || (folded && costs);
	}
	return shown > 1;
}

/* The function whose rows are those from FIRST to END; itself it stands at INDENT, alone or not. */
static int open_row(struct layout *layout, size_t first, size_t end, size_t indent, bool alone,
                    struct mr_error *err)
{
	const bool several = is_several(layout, first, end);

	if (mr_grow(&layout->open, &layout->open_capacity, layout->open_count + 1, sizeof(*layout->open)) < 0)
		return mr_fail(err, MR_ERR_NOMEM, "no memory to write table tree");
	indent += several || !alone;
	layout->open[layout->open_count++] =
		(struct open_row){ .end = end, .indent = indent, .is_several = several };
	return 0;
}

/* Ends the functions that ROW is not below any more. */
static void close_rows(struct layout *layout, size_t row)
{
	while (layout->open_count > 0 && layout->open[layout->open_count - 1].end <= row) {
		layout->open_count--;
		if (layout->open[layout->open_count].cost == 0 || layout->lines_left == 0)
			continue;
		put_folded(layout, &layout->open[layout->open_count]);
		layout->lines_left--;
	}
}

/* Writes rows from FIRST to END, all of a run; gives the first that was not written. */
static int put_rows(struct layout *layout, size_t first, size_t end, struct mr_error *err)
{
	const struct mr_tree_row *rows = layout->table->rows;
	size_t row = first;

	MR_TRY(open_row(layout, first, end, 0, true, err));
	layout->open[0].indent = 0;
	while (row < end && layout->lines_left > 0) {
		close_rows(layout, row);
		struct open_row *above = &layout->open[layout->open_count - 1];

		if (is_folded(layout, row)) {
			above->folded += cost_of(layout, row) > 0;
			above->cost += cost_of(layout, row);
			row = rows[row].end;
			continue;
		}
		if (layout->lines_left == 0)
			break;
		put_row(layout, row, above->indent);
		layout->lines_left--;
		MR_TRY(mr_writing_flush(layout->writing, false, err));
		MR_TRY(open_row(layout, row + 1, rows[row].end, above->indent, !above->is_several, err));
		row++;
	}
	close_rows(layout, row);
	layout->open_count = 0;
	if (row < end)
		mr_buffer_printf(&layout->writing->buffer, "(%zu more %s)\n", end - row,
		                 end - row == 1 ? "row" : "rows");
	return 0;
}

static void put_title(struct layout *layout, const struct mr_stack_tree *tree)
{
	const char *name = mr_table_tree.info.columns[layout->column].name;
	struct mr_writing *writing = layout->writing;
	struct mr_buffer *out = &writing->buffer;
	const size_t start = out->len;
	struct mr_cell cell;

	mr_cell_number(&cell, layout->whole);
	mr_writing_show(writing, mr_table_tree.info.columns[layout->column].type, &cell, 0);
	mr_buffer_printf(out, "---- TREE of %s: ", name);
	mr_buffer_append(out, writing->scratch.data, writing->scratch.len);
	mr_buffer_printf(out, " in %" PRIu64 " call %s ", tree->all[MR_STACK_SITES][0],
	                 tree->all[MR_STACK_SITES][0] == 1 ? "stack" : "stacks");
	for (size_t at = out->failed ? LINE_WIDTH : mr_output_characters(out->data + start, out->len - start);
	     at < LINE_WIDTH; at++)
		mr_buffer_put_u8(out, '-');
	mr_buffer_printf(out, "\n%10s    %% %10s  %s\n", name, "self",
	                 layout->table->inverted ? "function, its callers below it"
	                                         : "function, what it calls below it");
}

int mr_tree_write_text(struct mr_writing *writing, struct mr_error *err)
{
	const struct memstats_table *shown = writing->table;
	struct mr_tree_table *table = shown->state;
	struct layout layout = { .writing = writing, .table = table };
	size_t row = 0;
	int code = 0;

	if (shown->filtered_count > 0) /* rows without those around them are no tree */
		return mr_writing_plain(writing, err);
	layout.lines_left = shown->limited_count > 0 ? shown->row_count : SIZE_MAX;
	for (uint32_t run = 0; code == 0 && run < table->runs.count; run++) {
		const struct mr_stack_tree *tree = &table->trees[run];
		const size_t first = row;

		while (row < table->count && table->rows[row].run == run)
			row = table->rows[row].end;
		layout.column = figure_of(table->column, &table->runs.runs[run]);
		code = mr_tree_sum(table, mr_column_bit((unsigned)layout.column), err);
		if (code < 0)
			break;
		layout.whole = mr_tree_cost(tree, 0, layout.column);
		layout.fold_below = layout.whole / FOLD_BELOW + 1;
		if (table->model->run_count > 1)
			mr_output_run(writing, table->model, table->runs.runs[run].run);
		put_title(&layout, tree);
		code = put_rows(&layout, first, row, err);
	}
	if (table->runs.count == 0)
		mr_buffer_printf(&writing->buffer, "(no heap was recorded)\n");
	mr_free(layout.open);
	return code;
}
