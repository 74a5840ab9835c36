/* SPDX-License-Identifier: MIT
 *
 * What the instances of a class, or one object, refer to, as a tree: the largest
 * referents, each below the one that leads to it, larger ones first.  What takes
 * nothing (tracked objects count for themselves) is not listed.
 */
#include "section_objects.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

#define CLASS_REFERENTS_MAX 24
#define OBJECT_REFERENTS_MAX 16
#define INDENT_MAX 5

struct node {
	const char *path; /* of an object's referent: its own name alone */
	uint64_t level, count, size_bytes, flat_bytes;
	size_t parent; /* among those that are shown; SIZE_MAX: none */
	bool shown;
};

/* ---- Which are shown, and where ----------------------------------------------------- */

/* Moves the LIMIT largest nodes to the front, in their order; gives how many there are, and in *LEFT how
 * many more have a size. */
static size_t choose_largest(struct node *nodes, size_t count, size_t limit, size_t *left)
{
	size_t chosen[CLASS_REFERENTS_MAX], used = 0, sized = 0;
	for (size_t i = 0; i < count; i++) {
		size_t at = used;
		sized += nodes[i].size_bytes > 0;
		while (at > 0 && nodes[chosen[at - 1]].size_bytes < nodes[i].size_bytes)
			at--;
		if (nodes[i].size_bytes == 0 || at == limit)
			continue;
		used += used < limit;
		memmove(&chosen[at + 1], &chosen[at], (used - 1 - at) * sizeof(*chosen));
		chosen[at] = i;
	}
	for (size_t i = 0; i < used; i++)
		nodes[chosen[i]].shown = true;
	size_t kept = 0;
	for (size_t i = 0; i < count; i++)
		if (nodes[i].shown)
			nodes[kept++] = nodes[i];
	*left = sized - kept;
	return kept;
}

/* The largest child of PARENT that stands nowhere yet; SIZE_MAX when all do. */
static size_t next_child(const struct node *nodes, size_t count, size_t parent)
{
	size_t found = SIZE_MAX;
	for (size_t i = 0; i < count; i++)
		if (nodes[i].shown && nodes[i].parent == parent &&
		    (found == SIZE_MAX || nodes[i].size_bytes > nodes[found].size_bytes))
			found = i;
	return found;
}

/* Fills ORDER with all nodes, children behind their parents.  A parent has a lower level, so this ends. */
static void order_nodes(struct node *nodes, size_t count, size_t *order)
{
	size_t parent = SIZE_MAX;
	for (size_t placed = 0; placed < count;) {
		const size_t child = next_child(nodes, count, parent);
		if (child == SIZE_MAX) {
			parent = nodes[parent].parent;
			continue;
		}
		nodes[child].shown = false;
		order[placed++] = child;
		parent = child;
	}
}

/* The part of NODE's path that its parent's does not show already. */
static const char *own_name(const struct node *nodes, const struct node *node, bool whole_paths)
{
	const char *name = node->path;
	if (whole_paths && node->parent != SIZE_MAX)
		name += strlen(nodes[node->parent].path);
	return name[0] == '.' && name[1] ? name + 1 : name;
}

/* WHOLE_PATHS: the nodes have them, so that each says where it is by itself, too. */
static void add_nodes(struct mr_scope *scope, struct node *nodes, size_t count, bool whole_paths,
                      double whole_bytes)
{
	size_t order[CLASS_REFERENTS_MAX];
	order_nodes(nodes, count, order);
	for (size_t i = 0; i < count; i++) {
		const struct node *node = &nodes[order[i]];
		const uint64_t steps = node->level == 0 ? 0 : node->level - 1;
		struct mr_scope *item = mr_scope_add(scope, "referents");
		mr_scope_text(item, "name", own_name(nodes, node, whole_paths));
		mr_scope_text(item, "path", node->path);
		mr_scope_format(item, "indent", "indent-%" PRIu64, steps < INDENT_MAX ? steps : INDENT_MAX);
		mr_scope_count(item, "count", node->count);
		mr_scope_bytes(item, "size", node->size_bytes);
		mr_scope_bytes(item, "flat", node->flat_bytes);
		mr_section_share(item, "share", (double)node->size_bytes, whole_bytes);
	}
}

static void add_rest(struct mr_scope *scope, size_t count, const char *one, const char *many)
{
	mr_scope_none(scope, "referents_rest");
	if (count > 0)
		mr_scope_format(scope, "referents_rest", "%s more, none of them larger",
		                mr_section_plural(scope, count, one, many));
}

/* ---- One object ------------------------------------------------------------------------ */

void mr_section_object_referents(struct mr_scope *object, const struct memstats_state *state)
{
	const size_t total = state ? state->referent_count : 0;
	struct node *nodes = mr_page_alloc(mr_scope_page(object), (total + 1) * sizeof(*nodes));
	mr_scope_list(object, "referents");
	mr_scope_none(object, "referents_rest");
	if (total == 0 || !nodes)
		return;
	for (size_t i = 0; i < total; i++) {
		const struct memstats_referent *from = &state->referents[i];
		nodes[i] = (struct node){ from->name,       from->level, from->count, from->size_bytes,
			                  from->flat_bytes, SIZE_MAX,    false };
	}
	size_t left = 0;
	const size_t count = choose_largest(nodes, total, OBJECT_REFERENTS_MAX, &left);
	/* They are depth first: the parent is the last one before that has a lower level. */
	for (size_t i = 0; i < count; i++)
		for (size_t k = i; k-- > 0 && nodes[i].parent == SIZE_MAX;)
			if (nodes[k].level < nodes[i].level)
				nodes[i].parent = k;
	add_nodes(object, nodes, count, false, (double)state->size_bytes);
	add_rest(object, left, "referent", "referents");
}

/* ---- All instances of a class ------------------------------------------------------------ */

/* "<app.Leaf object at 0x7f01>" as "<app.Leaf object>": what differs in its address alone is one path. */
static char *without_addresses(char *to, const char *from)
{
	static const char mark[] = " at 0x";
	while (*from) {
		if (strncmp(from, mark, sizeof(mark) - 1) == 0 &&
		    isxdigit((unsigned char)from[sizeof(mark) - 1])) {
			from += sizeof(mark) - 1;
			while (isxdigit((unsigned char)*from))
				from++;
			continue;
		}
		*to++ = *from++;
	}
	*to++ = '\0';
	return to;
}

static int by_path(const void *a, const void *b)
{
	const struct node *left = a, *right = b;
	const int order = strcmp(left->path, right->path);
	return order ? order : (left->level > right->level) - (left->level < right->level);
}

/* Those of one path become one; gives how many are left. */
static size_t merge_nodes(struct node *nodes, size_t count)
{
	size_t kept = 0;
	qsort(nodes, count, sizeof(*nodes), by_path);
	for (size_t i = 0; i < count; i++) {
		if (kept == 0 || by_path(&nodes[kept - 1], &nodes[i]) != 0) {
			nodes[kept++] = nodes[i];
			continue;
		}
		nodes[kept - 1].count += nodes[i].count;
		nodes[kept - 1].size_bytes += nodes[i].size_bytes;
		nodes[kept - 1].flat_bytes += nodes[i].flat_bytes;
	}
	return kept;
}

/* "a" leads to "a.b" and "a[].b", not to "ab". */
static bool leads_to(const struct node *parent, const struct node *child)
{
	const size_t len = strlen(parent->path);
	return parent->level < child->level && strncmp(parent->path, child->path, len) == 0 &&
	       (child->path[len] == '.' || child->path[len] == '[');
}

static void find_parents(struct node *nodes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < count; k++)
			if (leads_to(&nodes[k], &nodes[i]) &&
			    (nodes[i].parent == SIZE_MAX || nodes[k].level > nodes[nodes[i].parent].level))
				nodes[i].parent = k;
}

static void add_class_nodes(const struct mr_view *view, struct mr_scope *item,
                            const struct mr_report_class *class, struct node *nodes, char *texts)
{
	const struct memstats_table *table = view->data->tables[MR_REPORT_REFERENTS];
	const int path = mr_report_rows_column(table, "path"), level = mr_report_rows_column(table, "level"),
		  counts = mr_report_rows_column(table, "count"), size = mr_report_rows_column(table, "size"),
		  flat = mr_report_rows_column(table, "flat");
	const size_t limit = view->limit < CLASS_REFERENTS_MAX ? view->limit : CLASS_REFERENTS_MAX;
	for (size_t i = 0; i < class->referent_count; i++) {
		const size_t row = class->referent_first + i;
		nodes[i] = (struct node){ texts,
			                  mr_report_rows_number(table, row, level),
			                  mr_report_rows_number(table, row, counts),
			                  mr_report_rows_number(table, row, size),
			                  mr_report_rows_number(table, row, flat),
			                  SIZE_MAX,
			                  false };
		texts = without_addresses(texts, mr_report_rows_text(table, row, path));
	}
	size_t left = 0;
	const size_t count = choose_largest(nodes, merge_nodes(nodes, class->referent_count), limit, &left);
	find_parents(nodes, count);
	add_nodes(item, nodes, count, true, class->sizes ? class->sizes[class->best] : 0);
	add_rest(item, left, "path", "paths");
}

int mr_section_class_referents(const struct mr_view *view, struct mr_scope *item,
                               const struct mr_report_class *class, struct mr_error *err)
{
	const struct memstats_table *table = view->data->tables[MR_REPORT_REFERENTS];
	const int path = mr_report_rows_column(table, "path");
	size_t len = 1;
	mr_scope_list(item, "referents");
	mr_scope_none(item, "referents_rest");
	if (class->referent_count == 0)
		return 0;
	for (size_t i = 0; i < class->referent_count; i++)
		len += strlen(mr_report_rows_text(table, class->referent_first + i, path)) + 1;
	struct node *nodes = mr_alloc(class->referent_count * sizeof(*nodes));
	char *texts = mr_alloc(len);
	if (nodes && texts)
		add_class_nodes(view, item, class, nodes, texts);
	const int code = nodes && texts ? 0 : mr_fail(err, MR_ERR_NOMEM, "no memory for referents");
	mr_free(nodes);
	mr_free(texts);
	return code;
}
