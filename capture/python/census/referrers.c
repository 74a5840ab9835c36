/* SPDX-License-Identifier: MIT
 *
 * See referrers.h.
 */
#include "referrers.h"

#include "census_private.h"
#include "instance_dict.h"

#define AHEAD 8 /* objects that are fetched before they are walked */

/* ---- The heap -------------------------------------------------------------------------------- */

static int list_object(PyObject *object, void *context)
{
	const struct mr_census_session *const session = mr_census_session();
	struct mr_heap *const heap = context;
	struct mr_frame frame;

	if (mr_own_has(&session->own, object))
		return 0;
	if (PyFrame_Check(object) && mr_frame_of(object, &frame) && mr_frame_is_own(&frame))
		return 0;
	if (mr_grow(&heap->objects, &heap->capacity, heap->count + 1, sizeof(PyObject *)) < 0) {
		PyErr_NoMemory();
		return -1;
	}
	heap->objects[heap->count++] = object;
	return 0;
}

int mr_heap_list(PyObject *module, struct mr_heap *heap)
{
	*heap = (struct mr_heap){ 0 };
	if (mr_census_begin(module) < 0)
		return -1;

	const int status = mr_gc_each(list_object, heap);

	mr_census_end(module);
	if (status < 0)
		mr_heap_release(heap);
	return status;
}

void mr_heap_release(struct mr_heap *heap)
{
	mr_free(heap->objects);
	*heap = (struct mr_heap){ 0 };
}

/* ---- Referrers ---------------------------------------------------------------------------------- */

struct edge {
	uint32_t child;
	uint32_t parent; /* in `parents` */
};

#define FILTER_BITS \
	65536 /* most references lead to none of the objects: known by a bit that is in the cache */

struct finding {
	uint64_t filter[FILTER_BITS / 64];
	struct mr_index index; /* of the objects that are asked for */
	PyObject *const *objects;
	uint32_t *last; /* of each object: the last parent, + 1, that was seen to refer to it */
	struct edge *edges;
	size_t count;
	size_t capacity;
	PyObject **parents;
	size_t parent_count;
	size_t parent_capacity;
	size_t count_max;
	PyObject *parent; /* that is walked */
	bool cut;
	bool failed;
};

static int add_edge(struct finding *finding, uint32_t child)
{
	/* Only now is it known that this one is a parent at all. */
	if (finding->parent) {
		if (mr_grow(&finding->parents, &finding->parent_capacity, finding->parent_count + 1,
		            sizeof(PyObject *)) < 0)
			goto failed;
		finding->parents[finding->parent_count++] = finding->parent;
		finding->parent = NULL;
	}

	const uint32_t parent = (uint32_t)finding->parent_count; /* + 1 */

	if (finding->last[child] == parent)
		return 0;
	if (finding->count == finding->count_max) {
		finding->cut = true;
		return 1;
	}
	if (mr_grow(&finding->edges, &finding->capacity, finding->count + 1, sizeof(struct edge)) < 0)
		goto failed;
	finding->last[child] = parent;
	finding->edges[finding->count++] = (struct edge){ .child = child, .parent = parent - 1 };
	return 0;
failed:
	finding->failed = true;
	return 1;
}

static size_t filter_bit(const PyObject *object)
{
	return (size_t)(((uint64_t)(uintptr_t)object >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 48);
}

static int visit(PyObject *object, void *context)
{
	struct finding *const finding = context;
	const size_t bit = filter_bit(object);

	if (MR_LIKELY(!((finding->filter[bit / 64] >> (bit % 64)) & 1)))
		return 0;

	const uint32_t child = mr_index_get(&finding->index, object);

	return child == MR_INDEX_NONE ? 0 : add_edge(finding, child);
}

/* Brings what going through OBJECT, which is here, needs next. */
static void fetch_contents(PyObject *object)
{
	if (PyList_Check(object))
		__builtin_prefetch(((PyListObject *)object)->ob_item);
	else if (PyDict_Check(object))
		__builtin_prefetch(((PyDictObject *)object)->ma_keys);
	else
		__builtin_prefetch(mr_instance_dict_place(object));
}

static void walk(struct finding *finding, const struct mr_heap *heap)
{
	for (size_t i = 0; i < heap->count && !finding->failed && !finding->cut; i++) {
		PyObject *const object = heap->objects[i];

		if (i + 2 * AHEAD < heap->count)
			__builtin_prefetch(heap->objects[i + 2 * AHEAD]);
		if (i + AHEAD < heap->count)
			fetch_contents(heap->objects[i + AHEAD]);
		finding->parent = object;
		(void)Py_TYPE(object)->tp_traverse(object, visit, finding);
	}
}

/* Names the edges of each parent, which lie together, all at once. */
static int name_edges(const struct finding *finding, struct mr_step *names)
{
	PyObject **children = NULL;
	size_t capacity = 0;
	int status = 0;

	for (size_t at = 0, next; status == 0 && at < finding->count; at = next) {
		const uint32_t parent = finding->edges[at].parent;

		for (next = at; next < finding->count && finding->edges[next].parent == parent; next++) {
			if (mr_grow(&children, &capacity, next - at + 1, sizeof(PyObject *)) < 0) {
				status = -1;
				break;
			}
			children[next - at] = finding->objects[finding->edges[next].child];
		}
		if (status == 0)
			status = mr_steps_name(finding->parents[parent], children, next - at, names + at);
	}
	mr_free(children);
	return status;
}

/* Names, in the order of the edges. */
static int hand_out_names(const struct finding *finding, const size_t *places, struct mr_referrers *out)
{
	struct mr_step *const names = mr_alloc((finding->count + 1) * sizeof(*names));
	int status = -1;

	out->steps = mr_alloc((finding->count + 1) * sizeof(*out->steps));
	if (names && out->steps)
		status = name_edges(finding, names);
	for (size_t i = 0; status == 0 && i < finding->count; i++)
		out->steps[places[i]] = names[i];
	mr_free(names);
	return status;
}

/* Orders the edges by child. */
static int hand_out(const struct finding *finding, size_t count, bool named, struct mr_referrers *out)
{
	size_t *const next = mr_alloc((count + 1) * sizeof(*next));
	size_t *const places = mr_alloc((finding->count + 1) * sizeof(*places)); /* of the edges */
	int status = -1;

	out->begin = mr_alloc((count + 1) * sizeof(*out->begin));
	out->parents = mr_alloc((finding->count + 1) * sizeof(*out->parents));
	if (!next || !places || !out->begin || !out->parents)
		goto out;
	for (size_t i = 0; i < finding->count; i++)
		out->begin[finding->edges[i].child + 1]++;
	for (size_t i = 0; i < count; i++) {
		out->begin[i + 1] += out->begin[i];
		next[i] = out->begin[i];
	}
	for (size_t i = 0; i < finding->count; i++) {
		places[i] = next[finding->edges[i].child]++;
		out->parents[places[i]] = finding->parents[finding->edges[i].parent];
	}
	out->count = finding->count;
	out->cut = finding->cut;
	status = named ? hand_out_names(finding, places, out) : 0;
out:
	mr_free(next);
	mr_free(places);
	return status;
}

int mr_referrers_find(const struct mr_heap *heap, PyObject *const *objects, size_t count, size_t count_max,
                      bool named, struct mr_referrers *out)
{
	struct finding finding = {
		.objects = objects,
		.count_max = count_max,
		.last = mr_alloc((count + 1) * sizeof(uint32_t)),
	};
	int status = -1;

	*out = (struct mr_referrers){ 0 };
	if (finding.last && mr_index_reserve(&finding.index, count) == 0) {
		for (size_t i = 0; i < count; i++) {
			const size_t bit = filter_bit(objects[i]);

			(void)mr_index_add(&finding.index, objects[i], (uint32_t)i);
			finding.filter[bit / 64] |= UINT64_C(1) << (bit % 64);
		}
		walk(&finding, heap);
		if (!finding.failed)
			status = hand_out(&finding, count, named, out);
	}
	mr_index_release(&finding.index);
	mr_free(finding.last);
	mr_free(finding.edges);
	mr_free(finding.parents);
	if (status < 0) {
		mr_referrers_release(out);
		PyErr_NoMemory();
	}
	return status;
}

void mr_referrers_release(struct mr_referrers *referrers)
{
	mr_free(referrers->begin);
	mr_free(referrers->parents);
	mr_free(referrers->steps);
	*referrers = (struct mr_referrers){ 0 };
}
