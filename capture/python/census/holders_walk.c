/* SPDX-License-Identifier: MIT
 *
 * The walk from the roots, breadth first (holders_private.h).  A node is 12 bytes:
 * the object, and the node that it was reached from; what was reached already are
 * two bits for 16 bytes of the heap.  The dict that holds an object's attributes is
 * gone through as part of the object, so that an attribute is one step away.
 */
#include "holders_private.h"

#include "census_private.h"
#include "instance_dict.h"

#define AHEAD_FAR 16
#define AHEAD_NEAR 6

#define SEEN_WANTED MR_SEEN_GIVEN
#define SEEN_REACHED MR_SEEN_ONCE
#define SEEN_LATE MR_SEEN_MORE /* to be reached later */

static uint64_t *word_of(struct mr_reach *reach, const PyObject *object, unsigned *shift)
{
	uint64_t *const word = mr_seen_word(&reach->seen, (uintptr_t)object, shift);

	if (MR_UNLIKELY(!word))
		reach->failed = true;
	return word;
}

int mr_reach_init(struct mr_reach *reach, PyObject *module, const struct mr_held *held, size_t count)
{
	*reach = (struct mr_reach){ .module = module, .wanted_left = 0 };
	reach->found = mr_alloc((count + 1) * sizeof(*reach->found));
	if (!reach->found || mr_index_reserve(&reach->wanted, count) < 0)
		return -1;
	for (size_t i = 0; i < count && !reach->failed; i++) {
		unsigned shift = 0;
		uint64_t *const word = word_of(reach, held[i].object, &shift);

		reach->found[i] = MR_REACH_NONE;
		if (mr_index_add(&reach->wanted, held[i].object, (uint32_t)i) == i && word) {
			mr_seen_put(word, shift, SEEN_WANTED);
			reach->wanted_left++;
		}
	}
	return reach->failed ? -1 : 0;
}

void mr_reach_release(struct mr_reach *reach)
{
	mr_free(reach->objects);
	mr_free(reach->parents);
	mr_free(reach->roots);
	mr_free(reach->found);
	mr_index_release(&reach->wanted);
	mr_seen_release(&reach->seen);
	*reach = (struct mr_reach){ 0 };
}

static int push(struct mr_reach *reach, PyObject *object, uint32_t parent)
{
	if (MR_UNLIKELY(reach->count == reach->capacity || reach->count == reach->parent_capacity)) {
		if (reach->count + 1 >= MR_REACH_NONE ||
		    mr_grow(&reach->objects, &reach->capacity, reach->count + 1, sizeof(PyObject *)) < 0 ||
		    mr_grow(&reach->parents, &reach->parent_capacity, reach->count + 1, sizeof(uint32_t)) <
		            0) {
			reach->failed = true;
			return 1;
		}
	}
	reach->objects[reach->count] = object;
	reach->parents[reach->count] = parent;
	reach->count++;
	return 0;
}

/* OBJECT, which was put off, was met. */
static void meet_late(struct mr_reach *reach, const PyObject *object, uint32_t parent)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(reach->late); i++) {
		if (reach->late[i].object == object && reach->late[i].parent == MR_REACH_NONE)
			reach->late[i].parent = parent;
	}
}

/* Adds OBJECT as a node unless it was reached before. */
static int reach_object(struct mr_reach *reach, PyObject *object, uint32_t parent)
{
	unsigned shift = 0;
	uint64_t *const word = word_of(reach, object, &shift);
	enum mr_seen_state state;

	if (MR_UNLIKELY(!word))
		return 1;
	state = mr_seen_state_in(word, shift);
	if (state >= SEEN_REACHED) {
		if (MR_UNLIKELY(state == SEEN_LATE))
			meet_late(reach, object, parent);
		return 0;
	}
	mr_seen_put(word, shift, SEEN_REACHED);
	if (state == SEEN_WANTED) {
		reach->found[mr_index_get(&reach->wanted, object)] = (uint32_t)reach->count;
		reach->wanted_left--;
	}
	return push(reach, object, parent);
}

static int visit(PyObject *object, void *context)
{
	struct mr_reach *const reach = context;

	return reach_object(reach, object, reach->parent);
}

void mr_reach_add_root(struct mr_reach *reach, PyObject *object, struct mr_reach_root root)
{
	const size_t before = reach->count;

	if (reach->failed)
		return;
	if (mr_grow(&reach->roots, &reach->root_capacity, reach->root_count + 1, sizeof(root)) < 0) {
		reach->failed = true;
		return;
	}
	root.node = (uint32_t)reach->count;
	if (object)
		(void)reach_object(reach, object, MR_REACH_NONE);
	else
		(void)push(reach, NULL, MR_REACH_NONE);
	if (reach->count > before)
		reach->roots[reach->root_count++] = root;
}

void mr_reach_hide(struct mr_reach *reach, const PyObject *object)
{
	unsigned shift = 0;
	uint64_t *const word = word_of(reach, object, &shift);

	if (word && mr_seen_state_in(word, shift) != SEEN_WANTED)
		mr_seen_put(word, shift, SEEN_REACHED);
}

void mr_reach_put_off(struct mr_reach *reach, PyObject *object)
{
	unsigned shift = 0;
	uint64_t *const word = word_of(reach, object, &shift);

	for (size_t i = 0; word && i < MR_ARRAY_LEN(reach->late); i++) {
		if (reach->late[i].object && reach->late[i].object != object)
			continue;
		/* What is itself looked for is not put off. */
		if (mr_seen_state_in(word, shift) == MR_SEEN_NOT) {
			mr_seen_put(word, shift, SEEN_LATE);
			reach->late[i] = (struct mr_reach_late){ .object = object, .parent = MR_REACH_NONE };
		}
		return;
	}
}

void mr_reach_late(struct mr_reach *reach)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(reach->late) && !reach->failed; i++) {
		if (!reach->late[i].object || reach->late[i].parent == MR_REACH_NONE)
			continue;
		mr_reach_hide(reach, reach->late[i].object);
		(void)push(reach, reach->late[i].object, reach->late[i].parent);
	}
	mr_reach_run(reach);
}

bool mr_reach_is_seen(struct mr_reach *reach, const PyObject *object)
{
	unsigned shift = 0;
	const uint64_t *const word = word_of(reach, object, &shift);

	return word && mr_seen_state_in(word, shift) >= SEEN_REACHED;
}

/* ---- Going on from a node ---------------------------------------------------------------------- */

/* The entries of the DICT that holds the attributes of the present parent, and it itself. */
static void reach_dict(struct mr_reach *reach, PyObject *dict)
{
	const size_t before = reach->count;

	(void)reach_object(reach, dict, reach->parent);
	if (reach->count == before)
		return;
	reach->parents[before] |= MR_REACH_DONE;
	if (PyDict_Check(dict))
		(void)Py_TYPE(dict)->tp_traverse(dict, visit, reach);
}

static void reach_attributes(struct mr_reach *reach, PyObject *object)
{
	const enum mr_dict_kind kind = mr_instance_dict_kind(Py_TYPE(object));
	struct mr_instance_dict found;

	if (kind == MR_DICT_NONE || kind == MR_DICT_MADE)
		return;
	if (PyType_Check(object)) {
		if (((PyTypeObject *)object)->tp_dict)
			reach_dict(reach, ((PyTypeObject *)object)->tp_dict);
	} else if (mr_instance_dict_look(object, kind, &found) == MR_DICT_REAL) {
		reach_dict(reach, found.dict);
	}
}

static void reach_optional(struct mr_reach *reach, PyObject *object)
{
	if (object)
		(void)reach_object(reach, object, reach->parent);
}

static void reach_frame(struct mr_reach *reach, const void *place)
{
	struct mr_frame frame;

	mr_frame_look(place, &frame);
	for (Py_ssize_t i = 0; i < frame.count; i++) {
		reach_optional(reach, frame.values[i]);
		if (frame.values[i] && PyCell_Check(frame.values[i]) && mr_frame_is_cell(&frame, i))
			reach_optional(reach, PyCell_GET(frame.values[i]));
	}
	for (Py_ssize_t i = 0; i < frame.stack_count; i++)
		reach_optional(reach, frame.values[frame.count + i]);
	if (frame.locals)
		reach_dict(reach, frame.locals);
	reach_optional(reach, frame.object);
	reach_optional(reach, frame.function);
	reach_optional(reach, frame.globals);
	reach_optional(reach, frame.code);
}

/* The collector does not know what code refers to. */
static void reach_code(struct mr_reach *reach, const PyCodeObject *code)
{
	reach_optional(reach, code->co_consts);
	reach_optional(reach, code->co_names);
}

static void expand(struct mr_reach *reach, PyObject *object)
{
	struct mr_census_session *const session = mr_census_session();
	const struct mr_census_type *const known =
		mr_census_type_of(&session->types, session->module, Py_TYPE(object));
	struct mr_frame frame;

	if (MR_UNLIKELY(!known)) {
		reach->failed = true;
		return;
	}
	if (known->is_own)
		return;
	if (!mr_census_has_header(known, object)) {
		if (PyCode_Check(object))
			reach_code(reach, (PyCodeObject *)object);
		return;
	}
	if (known->is_frame && mr_frame_of(object, &frame) && mr_frame_is_own(&frame))
		return;
	reach_attributes(reach, object);
	if (Py_TYPE(object)->tp_traverse)
		(void)Py_TYPE(object)->tp_traverse(object, visit, reach);
}

void mr_reach_run(struct mr_reach *reach)
{
	while (reach->next < reach->count && reach->wanted_left > 0 && !reach->failed) {
		const size_t node = reach->next++;

		if (node + AHEAD_FAR < reach->count)
			__builtin_prefetch(reach->objects[node + AHEAD_FAR]);
		if (node + AHEAD_NEAR < reach->count && reach->objects[node + AHEAD_NEAR])
			__builtin_prefetch(mr_instance_dict_place(reach->objects[node + AHEAD_NEAR]));
		if (reach->parents[node] & MR_REACH_DONE)
			continue;
		reach->parent = (uint32_t)node;
		if (reach->root_next < reach->root_count && reach->roots[reach->root_next].node == node) {
			const struct mr_reach_root *const root = &reach->roots[reach->root_next++];

			if (!reach->objects[node]) {
				reach_frame(reach, root->frame);
				continue;
			}
		}
		expand(reach, reach->objects[node]);
	}
}
