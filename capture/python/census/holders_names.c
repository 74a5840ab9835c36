/* SPDX-License-Identifier: MIT
 *
 * Names for the nodes on the paths to what was looked for (holders_private.h).  Nodes
 * that were reached from one parent lie together, so each parent is looked at once
 * for all of its children.
 */
#include "holders_private.h"

/* ---- Which nodes ------------------------------------------------------------------------------- */

static bool is_marked(const uint64_t *marks, uint32_t node)
{
	return (marks[node / 64] >> (node % 64)) & 1;
}

/* Marks the nodes on the paths to the WANTED ones; gives how many there are. */
static size_t mark_paths(const struct mr_reach *reach, const uint32_t *wanted, size_t count, uint64_t *marks)
{
	size_t marked = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t node = wanted[i];

		while (node != MR_REACH_NONE && !is_marked(marks, node)) {
			marks[node / 64] |= UINT64_C(1) << (node % 64);
			marked++;
			node = reach->parents[node] & MR_REACH_NONE;
		}
	}
	return marked;
}

static void list_nodes(const struct mr_reach *reach, const uint64_t *marks, struct mr_names *names)
{
	uint32_t parent_node = MR_REACH_NONE;
	uint32_t parent = MR_REACH_NONE;

	for (size_t word = 0; word <= (reach->count - 1) / 64; word++) {
		for (uint64_t left = marks[word]; left; left &= left - 1) {
			const uint32_t node = (uint32_t)(word * 64) + (uint32_t)__builtin_ctzll(left);
			const uint32_t from = reach->parents[node] & MR_REACH_NONE;

			if (from != parent_node) {
				parent_node = from;
				parent = from == MR_REACH_NONE ? MR_REACH_NONE : mr_names_find(names, from);
			}
			names->nodes[names->count++] = (struct mr_named){
				.node = node,
				.parent = parent,
				.step = { .kind = MR_STEP_UNKNOWN },
			};
		}
	}
}

/* ---- Their names ------------------------------------------------------------------------------- */

const struct mr_reach_root *mr_root_of(const struct mr_reach *reach, uint32_t node)
{
	size_t low = 0;
	size_t high = reach->root_count;

	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;

		if (reach->roots[middle].node <= node)
			low = middle;
		else
			high = middle;
	}
	return &reach->roots[low];
}

/* "work()": without the functions that it is defined in. */
static void append_function(const struct mr_reach_root *root, struct mr_buffer *out)
{
	struct mr_frame frame;

	mr_frame_look(root->frame, &frame);
#if PY_VERSION_HEX >= 0x030B0000
	PyObject *const name = ((PyCodeObject *)frame.code)->co_qualname;
#else
	PyObject *const name = ((PyCodeObject *)frame.code)->co_name;
#endif
	static const char within[] = "<locals>.";
	const size_t begin = out->len;

	mr_unicode_text(out, name, PY_SSIZE_T_MAX);
	for (;;) {
		const uint8_t *const at =
			out->failed ? NULL
				    : memmem(out->data + begin, out->len - begin, within, strlen(within));

		if (!at)
			break;

		const size_t skipped = (size_t)(at - out->data) - begin + strlen(within);

		memmove(out->data + begin, out->data + begin + skipped, out->len - begin - skipped);
		out->len -= skipped;
	}
	mr_buffer_append(out, "()", 2);
}

void mr_root_text(const struct mr_reach *reach, const struct mr_reach_root *root, struct mr_buffer *out)
{
	const PyObject *const object = reach->objects[root->node];

	switch (root->kind) {
	case MR_HOLDER_FRAME:
		append_function(root, out);
		return;
	case MR_HOLDER_OUTSIDE:
	case MR_HOLDER_CYCLE:
		mr_buffer_printf(out, root->kind == MR_HOLDER_CYCLE ? "<cycle: " : "<C code: ");
		mr_type_text(out, Py_TYPE(object));
		mr_buffer_append(out, ">", 1);
		return;
	default:
		if (root->name)
			mr_unicode_text(out, root->name, PY_SSIZE_T_MAX);
		else
			mr_buffer_append(out, root->word, strlen(root->word));
	}
}

struct family { /* the children of one parent */
	PyObject **children;
	size_t capacity;
	struct mr_step *steps;
	size_t step_capacity;
};

static int name_family(const struct mr_reach *reach, const struct mr_names *names, size_t begin, size_t end,
                       struct family *family)
{
	const uint32_t parent = names->nodes[names->nodes[begin].parent].node;
	PyObject *const object = reach->objects[parent];
	const size_t count = end - begin;
	struct mr_frame frame;

	if (mr_grow(&family->children, &family->capacity, count, sizeof(PyObject *)) < 0 ||
	    mr_grow(&family->steps, &family->step_capacity, count, sizeof(struct mr_step)) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		family->children[i] = reach->objects[names->nodes[begin + i].node];
	if (object)
		return mr_steps_name(object, family->children, count, family->steps);
	mr_frame_look(mr_root_of(reach, parent)->frame, &frame);
	return mr_steps_name_frame(&frame, family->children, count, family->steps);
}

/* From an object of a class to another of it. */
static bool is_recursive(const struct mr_reach *reach, const struct mr_named *parent,
                         const struct mr_named *child)
{
	const PyObject *const from = reach->objects[parent->node];

	return from && Py_TYPE(from) == Py_TYPE(reach->objects[child->node]) &&
	       (Py_TYPE(from)->tp_flags & Py_TPFLAGS_HEAPTYPE) && child->step.kind == MR_STEP_ATTRIBUTE;
}

static int name_nodes(const struct mr_reach *reach, struct mr_patterns *patterns, struct mr_names *names)
{
	struct family family = { 0 };
	struct mr_buffer text = { 0 };
	int status = 0;

	for (size_t at = 0, next; status == 0 && at < names->count; at = next) {
		struct mr_named *const first = &names->nodes[at];

		next = at + 1;
		if (first->parent == MR_REACH_NONE) {
			mr_buffer_clear(&text);
			mr_root_text(reach, mr_root_of(reach, first->node), &text);
			first->pattern =
				text.failed ? MR_REACH_NONE
					    : mr_patterns_root(patterns, (const char *)text.data, text.len);
			status = first->pattern == MR_REACH_NONE ? -1 : 0;
			if (status == 0)
				mr_pattern_note(patterns, first->pattern, names, (uint32_t)at);
			continue;
		}

		const struct mr_named *const parent = &names->nodes[first->parent];

		while (next < names->count && names->nodes[next].parent == first->parent)
			next++;
		status = name_family(reach, names, at, next, &family);
		for (size_t i = at; status == 0 && i < next; i++) {
			struct mr_named *const named = &names->nodes[i];

			named->step = family.steps[i - at];
			named->length = parent->length + 1;
			named->pattern = mr_patterns_extend(patterns, parent->pattern, &named->step,
			                                    is_recursive(reach, parent, named));
			status = named->pattern == MR_REACH_NONE ? -1 : 0;
			if (status == 0)
				mr_pattern_note(patterns, named->pattern, names, (uint32_t)i);
		}
	}
	mr_buffer_release(&text);
	mr_free(family.children);
	mr_free(family.steps);
	return status;
}

int mr_names_make(const struct mr_reach *reach, const uint32_t *wanted, size_t count,
                  struct mr_patterns *patterns, struct mr_names *names)
{
	uint64_t *const marks = mr_alloc((reach->count / 64 + 1) * sizeof(*marks));
	int status = -1;

	*names = (struct mr_names){ 0 };
	if (!marks || reach->count == 0)
		goto out;

	const size_t marked = mark_paths(reach, wanted, count, marks);

	names->nodes = mr_alloc((marked + 1) * sizeof(*names->nodes));
	if (!names->nodes)
		goto out;
	list_nodes(reach, marks, names);
	status = name_nodes(reach, patterns, names);
out:
	mr_free(marks);
	if (status < 0)
		mr_names_release(names);
	return status;
}

void mr_names_release(struct mr_names *names)
{
	mr_free(names->nodes);
	*names = (struct mr_names){ 0 };
}

static bool is_same_step(const struct mr_step *a, const struct mr_step *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == MR_STEP_INDEX)
		return a->index == b->index;
	return (a->kind != MR_STEP_KEY && a->kind != MR_STEP_IS_KEY) || a->object == b->object;
}

uint64_t mr_names_compare(const struct mr_names *names, uint32_t a, uint32_t b)
{
	const struct mr_named *const nodes = names->nodes;
	uint64_t differing = 0;

	for (int i = 0; i < 64 && a != b; i++) {
		if (nodes[a].parent == MR_REACH_NONE || nodes[b].parent == MR_REACH_NONE)
			break;
		if (!is_same_step(&nodes[a].step, &nodes[b].step))
			differing |= UINT64_C(1) << i;
		a = nodes[a].parent;
		b = nodes[b].parent;
	}
	return differing;
}

uint32_t mr_names_find(const struct mr_names *names, uint32_t node)
{
	size_t low = 0;
	size_t high = names->count;

	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;

		if (names->nodes[middle].node <= node)
			low = middle;
		else
			high = middle;
	}
	return (uint32_t)low;
}
