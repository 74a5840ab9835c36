/* SPDX-License-Identifier: MIT
 *
 * See graph.h: parts of a graph, each found in time that grows with its nodes and
 * edges: what leads to cycles, what is in one, what is connected, and what to draw
 * of it when it is too large.
 */
#include "graph.h"

static int no_memory(void)
{
	PyErr_NoMemory();
	return -1;
}

/* ---- The edges the other way round ---------------------------------------------- */

struct backward {
	size_t *first;     /* of each node, and the end of the last */
	uint32_t *sources; /* of the edges that lead to it */
};

static void backward_release(struct backward *backward)
{
	mr_free(backward->first);
	mr_free(backward->sources);
}

/* Released by the caller also on failure. */
static int backward_init(struct backward *backward, const struct mr_graph *graph)
{
	backward->first = mr_alloc((graph->count + 2) * sizeof(*backward->first));
	backward->sources = mr_alloc((graph->edge_count + 1) * sizeof(*backward->sources));
	if (!backward->first || !backward->sources)
		return no_memory();

	size_t *const next = backward->first + 1; /* begins of the nodes, which become their ends */

	for (size_t i = 0; i < graph->edge_count; i++)
		next[graph->targets[i] + 1]++;
	for (size_t i = 0; i < graph->count; i++)
		next[i + 1] += next[i];
	for (size_t from = 0; from < graph->count; from++) {
		for (size_t i = graph->first_edge[from]; i < graph->first_edge[from + 1]; i++)
			backward->sources[next[graph->targets[i]]++] = (uint32_t)from;
	}
	return 0;
}

/* ---- Cycles ------------------------------------------------------------------------- */

int mr_graph_mark_cycles(const struct mr_graph *graph, uint8_t *keep)
{
	struct backward backward = { 0 };
	size_t *const left = mr_alloc((graph->count + 1) * sizeof(*left)); /* edges out of each node */
	uint32_t *const queue = mr_alloc((graph->count + 1) * sizeof(*queue));
	size_t queued = 0;
	int status = left && queue ? backward_init(&backward, graph) : no_memory();

	for (size_t i = 0; status == 0 && i < graph->count; i++) {
		left[i] = graph->first_edge[i + 1] - graph->first_edge[i];
		keep[i] = left[i] != 0;
		if (!keep[i])
			queue[queued++] = (uint32_t)i;
	}
	for (size_t at = 0; status == 0 && at < queued; at++) {
		const uint32_t leaf = queue[at];

		for (size_t i = backward.first[leaf]; i < backward.first[leaf + 1]; i++) {
			const uint32_t from = backward.sources[i];

			if (--left[from] == 0) {
				keep[from] = 0;
				queue[queued++] = from;
			}
		}
	}
	backward_release(&backward);
	mr_free(queue);
	mr_free(left);
	return status;
}

/* Tarjan's strongly connected components ("Depth-first search and linear graph algorithms", 1972), with
 * a path on the heap. */
struct loop_search {
	const struct mr_graph *graph;
	uint8_t *loops;
	uint32_t *order; /* in which nodes were reached, 1..; 0: not yet */
	uint32_t *low;   /* the earliest that each leads back to; MR_GRAPH_NONE: its component is done */
	uint32_t *open;  /* nodes whose component is not known yet */
	uint32_t *path;  /* from the first node to the one that is looked at */
	size_t *next;    /* edge of each node on the path */
	uint32_t reached;
	size_t open_count;
	size_t path_length;
};

static void reach(struct loop_search *search, uint32_t node)
{
	search->order[node] = search->low[node] = ++search->reached;
	search->next[node] = search->graph->first_edge[node];
	search->open[search->open_count++] = node;
	search->path[search->path_length++] = node;
}

/* The last node on the path has no edges left. */
static void leave(struct loop_search *search)
{
	const uint32_t node = search->path[--search->path_length];

	if (search->path_length) {
		const uint32_t before = search->path[search->path_length - 1];

		if (search->low[node] < search->low[before])
			search->low[before] = search->low[node];
	}
	if (search->low[node] != search->order[node])
		return;

	const bool several = search->open[search->open_count - 1] != node;
	uint32_t member;

	do {
		member = search->open[--search->open_count];
		search->low[member] = MR_GRAPH_NONE;
		if (several)
			search->loops[member] = 1;
	} while (member != node);
}

static void search_from(struct loop_search *search, uint32_t start)
{
	const struct mr_graph *const graph = search->graph;

	reach(search, start);
	while (search->path_length) {
		const uint32_t node = search->path[search->path_length - 1];

		if (search->next[node] == graph->first_edge[node + 1]) {
			leave(search);
			continue;
		}

		const uint32_t to = graph->targets[search->next[node]++];

		if (to == node)
			search->loops[node] = 1;
		else if (!search->order[to])
			reach(search, to);
		else if (search->low[to] != MR_GRAPH_NONE && search->order[to] < search->low[node])
			search->low[node] = search->order[to];
	}
}

int mr_graph_mark_loops(const struct mr_graph *graph, uint8_t *loops)
{
	const size_t count = graph->count + 1;
	uint32_t *const numbers = mr_alloc(4 * count * sizeof(*numbers));
	struct loop_search search = {
		.graph = graph,
		.loops = loops,
		.next = mr_alloc(count * sizeof(*search.next)),
	};
	const int status = numbers && search.next ? 0 : no_memory();

	if (status == 0) {
		search.order = numbers;
		search.low = numbers + count;
		search.open = numbers + 2 * count;
		search.path = numbers + 3 * count;
		memset(loops, 0, graph->count);
		for (size_t i = 0; i < graph->count; i++) {
			if (!search.order[i])
				search_from(&search, (uint32_t)i);
		}
	}
	mr_free(search.next);
	mr_free(numbers);
	return status;
}

/* ---- Connected parts ---------------------------------------------------------------- */

/* The first node known of NODE's part; the way there becomes shorter. */
static uint32_t root_of(uint32_t *parents, uint32_t node)
{
	while (parents[node] != node) {
		parents[node] = parents[parents[node]];
		node = parents[node];
	}
	return node;
}

int mr_graph_find_groups(struct mr_graph *graph)
{
	uint32_t *parents;

	if (graph->groups)
		return 0;
	parents = mr_alloc((graph->count + 1) * sizeof(*parents));
	if (!parents)
		return no_memory();
	for (size_t i = 0; i < graph->count; i++)
		parents[i] = (uint32_t)i;
	for (size_t from = 0; from < graph->count; from++) {
		for (size_t i = graph->first_edge[from]; i < graph->first_edge[from + 1]; i++) {
			const uint32_t a = root_of(parents, (uint32_t)from);
			const uint32_t b = root_of(parents, graph->targets[i]);

			if (a < b)
				parents[b] = a;
			else
				parents[a] = b;
		}
	}
	/* A root is the first node of its part: from the last node to the first, each finds its root still
	 * as a node; then, forward, roots become numbers before others look at them. */
	for (size_t i = graph->count; i-- > 0;)
		parents[i] = root_of(parents, (uint32_t)i);
	for (size_t i = 0; i < graph->count; i++)
		parents[i] = parents[i] == i ? graph->group_count++ : parents[parents[i]];
	graph->groups = parents;
	return 0;
}

/* The nodes by group, in their order. */
static int sort_members(struct mr_graph *graph)
{
	if (graph->members)
		return 0;
	if (mr_graph_find_groups(graph) < 0)
		return -1;

	size_t *const first = mr_alloc(((size_t)graph->group_count + 2) * sizeof(*first));
	uint32_t *const members = mr_alloc((graph->count + 1) * sizeof(*members));
	uint32_t *const place = mr_alloc((graph->count + 1) * sizeof(*place));

	if (!first || !members || !place) {
		mr_free(first);
		mr_free(members);
		mr_free(place);
		return no_memory();
	}

	size_t *const next = first + 1;

	for (size_t i = 0; i < graph->count; i++)
		next[graph->groups[i] + 1]++;
	for (size_t i = 0; i < graph->group_count; i++)
		next[i + 1] += next[i];
	for (size_t i = 0; i < graph->count; i++)
		members[next[graph->groups[i]]++] = (uint32_t)i;
	graph->group_first = first;
	graph->members = members;
	graph->place = place;
	return 0;
}

/* ---- Taking a part out --------------------------------------------------------------- */

/* PART: the COUNT nodes MEMBERS of GRAPH, and the edges between them.  PLACE is for the nodes' new
 * numbers, MR_GRAPH_NONE for those that are not in it. */
static int take_part(const struct mr_graph *graph, const uint32_t *members, size_t count,
                     const uint32_t *place, struct mr_graph *part)
{
	size_t edge_count = 0;
	size_t at = 0;

	for (size_t i = 0; i < count; i++) {
		for (size_t j = graph->first_edge[members[i]]; j < graph->first_edge[members[i] + 1]; j++)
			edge_count += place[graph->targets[j]] != MR_GRAPH_NONE;
	}
	part->nodes = mr_alloc((count + 1) * sizeof(*part->nodes));
	part->first_edge = mr_alloc((count + 1) * sizeof(*part->first_edge));
	part->targets = mr_alloc((edge_count + 1) * sizeof(*part->targets));
	if (!part->nodes || !part->first_edge || !part->targets) {
		mr_graph_release(part);
		return no_memory();
	}
	for (size_t i = 0; i < count; i++) {
		part->nodes[i] = Py_NewRef(graph->nodes[members[i]]);
		for (size_t j = graph->first_edge[members[i]]; j < graph->first_edge[members[i] + 1]; j++) {
			if (place[graph->targets[j]] != MR_GRAPH_NONE)
				part->targets[at++] = place[graph->targets[j]];
		}
		part->first_edge[i + 1] = at;
	}
	part->count = part->row_count = count;
	part->edge_count = edge_count;
	return 0;
}

/* The rows of GRAPH whose nodes are in PART. */
static int take_rows(const struct mr_graph *graph, const uint32_t *place, struct mr_graph *part)
{
	size_t count = 0;

	if (!graph->rows)
		return 0;
	for (size_t i = 0; i < graph->row_count; i++)
		count += place[graph->rows[i]] != MR_GRAPH_NONE;
	if (count == part->count)
		return 0;
	part->rows = mr_alloc(count * sizeof(*part->rows));
	if (!part->rows) {
		mr_graph_release(part);
		return no_memory();
	}
	part->row_count = 0;
	for (size_t i = 0; i < graph->row_count; i++) {
		if (place[graph->rows[i]] != MR_GRAPH_NONE)
			part->rows[part->row_count++] = place[graph->rows[i]];
	}
	return 0;
}

int mr_graph_take_kept(struct mr_graph *graph, const uint8_t *keep, struct mr_graph *part)
{
	uint32_t *const members = mr_alloc((graph->count + 1) * sizeof(*members));
	uint32_t *const place = mr_alloc((graph->count + 1) * sizeof(*place));
	size_t count = 0;
	int status = members && place ? 0 : no_memory();

	for (size_t i = 0; status == 0 && i < graph->count; i++) {
		place[i] = keep[i] ? (uint32_t)count : MR_GRAPH_NONE;
		if (keep[i])
			members[count++] = (uint32_t)i;
	}
	if (status == 0)
		status = take_part(graph, members, count, place, part);
	if (status == 0)
		status = take_rows(graph, place, part);
	mr_free(place);
	mr_free(members);
	return status;
}

int mr_graph_take_group(struct mr_graph *graph, uint32_t group, struct mr_graph *part)
{
	if (sort_members(graph) < 0)
		return -1;

	const uint32_t *const members = graph->members + graph->group_first[group];
	const size_t count = graph->group_first[group + 1] - graph->group_first[group];

	/* An edge never leads out of its group: the places of other groups are not asked for. */
	for (size_t i = 0; i < count; i++)
		graph->place[members[i]] = (uint32_t)i;
	if (take_part(graph, members, count, graph->place, part) < 0)
		return -1;
	part->group_base = graph->group_base + group;
	part->bytes = mr_alloc((count + 1) * sizeof(*part->bytes));
	if (!part->bytes) {
		mr_graph_release(part);
		return no_memory();
	}
	for (size_t i = 0; i < count; i++) {
		part->bytes[i] = graph->bytes[members[i]];
		part->total_bytes += part->bytes[i];
	}
	return 0;
}

/* ---- What to draw ------------------------------------------------------------------------ */

/* The largest group, the first of them. */
static uint32_t largest_group(const struct mr_graph *graph)
{
	uint32_t largest = 0;

	for (uint32_t i = 1; i < graph->group_count; i++) {
		if (graph->group_first[i + 1] - graph->group_first[i] >
		    graph->group_first[largest + 1] - graph->group_first[largest])
			largest = i;
	}
	return largest;
}

/* The node of GROUP that has the most edges, the first of them. */
static uint32_t busiest_node(const struct mr_graph *graph, const struct backward *backward, uint32_t group)
{
	uint32_t busiest = 0;
	size_t most = 0;

	for (size_t i = graph->group_first[group]; i < graph->group_first[group + 1]; i++) {
		const uint32_t node = graph->members[i];
		const size_t edges = graph->first_edge[node + 1] - graph->first_edge[node] +
		                     backward->first[node + 1] - backward->first[node] + 1;

		if (edges > most) {
			most = edges;
			busiest = node;
		}
	}
	return busiest;
}

struct choice {
	uint32_t *nodes;
	size_t count;
	size_t limit;
	uint8_t *chosen;
};

static void choose(struct choice *choice, uint32_t node)
{
	if (choice->count == choice->limit || choice->chosen[node])
		return;
	choice->chosen[node] = 1;
	choice->nodes[choice->count++] = node;
}

int mr_graph_choose(struct mr_graph *graph, size_t limit, uint32_t *nodes, size_t *count)
{
	struct backward backward = { 0 };
	struct choice choice = { .nodes = nodes, .limit = limit };
	int status = sort_members(graph);

	if (status == 0) {
		choice.chosen = mr_alloc(graph->count + 1);
		status = choice.chosen ? backward_init(&backward, graph) : no_memory();
	}
	if (status == 0 && graph->count)
		choose(&choice, busiest_node(graph, &backward, largest_group(graph)));
	for (size_t at = 0; status == 0 && at < choice.count; at++) {
		const uint32_t node = nodes[at];

		for (size_t i = graph->first_edge[node]; i < graph->first_edge[node + 1]; i++)
			choose(&choice, graph->targets[i]);
		for (size_t i = backward.first[node]; i < backward.first[node + 1]; i++)
			choose(&choice, backward.sources[i]);
	}
	*count = choice.count;
	backward_release(&backward);
	mr_free(choice.chosen);
	return status;
}
