/* SPDX-License-Identifier: MIT
 *
 * How the referents of an object are gone through (size_walk.h).  A container may
 * change under the walk, whenever Python code has run: each step looks again at
 * what is there.  Sequences fetch ahead what their next items need, since items
 * that were not made one after the other are a cache miss each.
 */
#include "size_walk.h"

#include "referents.h"
#include "size_fetch.h"

static int step_list(struct mr_walk *walk, struct mr_frame *frame)
{
	const PyListObject *const list = (const PyListObject *)frame->object;

	for (;;) {
		int status = mr_walk_tick(walk);

		if (status < 0 || frame->at >= Py_SIZE(list))
			return status;
		mr_fetch_ahead(&walk->sizer->seen, list->ob_item, frame->at, Py_SIZE(list));

		PyObject *const item = list->ob_item[frame->at++];

		if (item && (status = mr_walk_visit(walk, frame, item)) != MR_VISIT_DONE)
			return status;
	}
}

static int step_tuple(struct mr_walk *walk, struct mr_frame *frame)
{
	const PyTupleObject *const tuple = (const PyTupleObject *)frame->object;

	for (;;) {
		int status = mr_walk_tick(walk);

		if (status < 0 || frame->at >= Py_SIZE(tuple))
			return status;
		mr_fetch_ahead(&walk->sizer->seen, tuple->ob_item, frame->at, Py_SIZE(tuple));

		PyObject *const item = tuple->ob_item[frame->at++];

		if (item && (status = mr_walk_visit(walk, frame, item)) != MR_VISIT_DONE)
			return status;
	}
}

static int step_set(struct mr_walk *walk, struct mr_frame *frame)
{
	const PySetObject *const set = (const PySetObject *)frame->object;

	for (;;) {
		int status = mr_walk_tick(walk);

		if (status < 0 || frame->at > set->mask)
			return status;

		const setentry *const entry = &set->table[frame->at++];

		/* What was removed leaves a dummy behind, with a hash that no object has. */
		if (entry->key && entry->hash != -1 &&
		    (status = mr_walk_visit(walk, frame, entry->key)) != MR_VISIT_DONE)
			return status;
	}
}

/* A frame of a module walks the module's dict. */
static int step_dict(struct mr_walk *walk, struct mr_frame *frame)
{
	PyObject *const dict = frame->rule->is_module && PyModule_Check(frame->object)
	                               ? PyModule_GetDict(frame->object)
	                               : frame->object;

	for (;;) {
		int status = mr_walk_tick(walk);
		Py_ssize_t next = frame->at;
		PyObject *key;
		PyObject *value;

		if (status < 0 || !PyDict_Next(dict, &next, &key, &value))
			return status;
		if (frame->stage == 0) {
			const uint64_t epoch = walk->epoch;

			frame->stage = 1; /* the key is done; the value is read again when it is its turn */
			if ((status = mr_walk_visit(walk, frame, key)) != MR_VISIT_DONE)
				return status;
			if (MR_UNLIKELY(epoch != walk->epoch))
				continue;
		}
		frame->stage = 0;
		frame->at = next;
		if ((status = mr_walk_visit(walk, frame, value)) != MR_VISIT_DONE)
			return status;
	}
}

static int step_collected(struct mr_walk *walk, struct mr_frame *frame)
{
	for (;;) {
		int status = mr_walk_tick(walk);

		if (status < 0 || !frame->refs || frame->at >= PyList_GET_SIZE(frame->refs))
			return status;

		PyObject *const item = PyList_GET_ITEM(frame->refs, frame->at);

		if (frame->told) {
			PyObject *const name = PyList_GET_ITEM(frame->names, frame->at);

			frame->at++;
			status = mr_walk_visit_told(walk, frame, item, name == Py_None ? NULL : name);
		} else {
			frame->at++;
			status = mr_walk_visit(walk, frame, item);
		}
		if (status != MR_VISIT_DONE)
			return status;
	}
}

/* ---- A dict that is not made ------------------------------------------------------------ */

/* The instance has got its dict while it was walked: the rest is walked in the dict. */
static int go_on_in_dict(struct mr_walk *walk, struct mr_frame *frame, PyObject *dict)
{
	PyObject *const object = frame->object;
	const bool held = walk->held == walk->count;
	Py_ssize_t at = 0;

	for (Py_ssize_t i = 0; i < frame->at && PyDict_Next(dict, &at, NULL, NULL); i++)
		;
	frame->object = dict;
	frame->at = at;
	frame->stage = 0;
	frame->step = MR_STEP_DICT;
	frame->told = false; /* what is left counts, but is no longer told */
	if (held) {
		Py_INCREF(dict);
		Py_DECREF(object); /* not the last one: the frame below holds it */
	}
	return step_dict(walk, frame);
}

/* Are all names of the table in the state MORE, so that seeing them again is only counted? */
static bool names_are_known(struct mr_walk *walk)
{
	const struct mr_instance_dict *const found = &walk->found;

	for (Py_ssize_t i = 0; i < found->count; i++) {
		PyObject *name;
		PyObject *value;
		unsigned shift;

		if (!mr_instance_dict_at(found, i, &name, &value))
			return false;

		const uint64_t address = (uint64_t)(uintptr_t)name;
		const uint64_t *const word = mr_seen_word(&walk->sizer->seen, address, &shift);

		if (!word || mr_seen_state_in(word, shift) != MR_SEEN_MORE ||
		    (walk->sizer->seen.hidden_count && mr_seen_is_hidden(&walk->sizer->seen, address)))
			return false;
	}
	return true;
}

/* Looks again at the instance of FRAME, if need be: is its dict still not made? */
static bool still_not_made(struct mr_walk *walk, struct mr_frame *frame)
{
	const struct mr_frame *const instance = frame - 1;

	if (MR_LIKELY(walk->found_of == frame->object && walk->found_epoch == walk->epoch))
		return true;
	walk->found_of = frame->object;
	walk->found_epoch = walk->epoch;
	return mr_instance_dict_look(frame->object, (enum mr_dict_kind)instance->rule->dict_kind,
	                             &walk->found) == MR_DICT_VALUES;
}

static int visit_entry_told(struct mr_walk *walk, struct mr_frame *frame, PyObject *key, PyObject *value)
{
	PyObject *key_name;
	PyObject *value_name;
	int status;

	mr_walk_let_python_run(walk);
	Py_INCREF(key);
	Py_INCREF(value);
	status = mr_entry_names(key, value, &key_name, &value_name);
	if (status == 0) {
		/* A key is a str, which has no referents: no frame is pushed. */
		status = mr_walk_visit_told(walk, frame, key, key_name);
		if (status == MR_VISIT_DONE)
			status = mr_walk_visit_told(walk, frame, value, value_name);
		Py_DECREF(key_name);
		Py_DECREF(value_name);
	}
	Py_DECREF(key);
	Py_DECREF(value);
	return status;
}

/* The frame below is the instance's. */
static int step_values(struct mr_walk *walk, struct mr_frame *frame)
{
	struct mr_rule *const rule = (struct mr_rule *)(uintptr_t)frame[-1].rule;

	for (;;) {
		int status = mr_walk_tick(walk);
		PyObject *key;
		PyObject *value;

		if (status < 0)
			return status;
		if (!still_not_made(walk, frame)) {
			walk->found_of = NULL;
			if (mr_instance_dict_look(frame->object, (enum mr_dict_kind)rule->dict_kind,
			                          &walk->found) == MR_DICT_REAL)
				return go_on_in_dict(walk, frame, walk->found.dict);
			return MR_VISIT_DONE;
		}
		if (frame->at == 0) {
			frame->stage = walk->found.keys == rule->keys_known &&
			               walk->found.names_used == rule->keys_known_count && !frame->told;
			if (frame->stage) /* all names at once */
				walk->sizer->seen.visits += (uint64_t)walk->found.count;
		}
		if (frame->at >= walk->found.count) {
			if (!frame->stage && walk->found.count == walk->found.names_used &&
			    names_are_known(walk)) {
				rule->keys_known = walk->found.keys;
				rule->keys_known_count = walk->found.names_used;
			}
			return MR_VISIT_DONE;
		}
		if (!mr_instance_dict_at(&walk->found, frame->at++, &key, &value))
			continue;
		if (frame->told) {
			status = visit_entry_told(walk, frame, key, value);
		} else {
			status = frame->stage ? MR_VISIT_DONE : mr_walk_visit(walk, frame, key);
			if (status == MR_VISIT_DONE)
				status = mr_walk_visit(walk, frame, value);
		}
		if (status != MR_VISIT_DONE)
			return status;
	}
}

/* ---- Instances -------------------------------------------------------------------------- */

enum { STAGE_DICT, STAGE_CLASS, STAGE_SLOTS, STAGE_ITEMS };

static int visit_class(struct mr_walk *walk, struct mr_frame *frame)
{
	struct mr_rule *const rule = (struct mr_rule *)(uintptr_t)frame->rule;
	PyObject *const type = (PyObject *)Py_TYPE(frame->object);
	struct mr_seen *const seen = &walk->sizer->seen;
	unsigned shift;

	if (MR_LIKELY(rule->class_known && !frame->told)) {
		seen->visits++;
		return MR_VISIT_DONE;
	}
	if (frame->told) {
		PyObject *const name = PyUnicode_InternFromString("__class__");
		const int status = name ? mr_walk_visit_told(walk, frame, type, name) : MR_VISIT_FAILED;

		Py_XDECREF(name);
		return status;
	}

	const int status = mr_walk_visit(walk, frame, type);
	const uint64_t address = (uint64_t)(uintptr_t)type;
	const uint64_t *const word = mr_seen_word(seen, address, &shift);

	rule->class_known = word && mr_seen_state_in(word, shift) == MR_SEEN_MORE &&
	                    !(seen->hidden_count && mr_seen_is_hidden(seen, address));
	return status;
}

static int visit_slot(struct mr_walk *walk, struct mr_frame *frame, const struct mr_slot *slot)
{
	PyObject *const value =
		slot->shadow ? slot->shadow : *(PyObject **)((char *)frame->object + slot->offset);

	if (!value)
		return MR_VISIT_DONE;
	return frame->told ? mr_walk_visit_told(walk, frame, value, slot->name)
	                   : mr_walk_visit(walk, frame, value);
}

static int step_items(struct mr_walk *walk, struct mr_frame *frame)
{
	if (!frame->told)
		return step_tuple(walk, frame);
	while (frame->at < PyTuple_GET_SIZE(frame->object)) {
		PyObject *const item = PyTuple_GET_ITEM(frame->object, frame->at++);
		const int status = mr_walk_visit_told(walk, frame, item, NULL);

		if (status != MR_VISIT_DONE)
			return status;
	}
	return MR_VISIT_DONE;
}

static int step_instance(struct mr_walk *walk, struct mr_frame *frame)
{
	const struct mr_rule *const rule = frame->rule;
	int status = mr_walk_tick(walk);

	if (status < 0)
		return status;
	/* Python code may have given it another class. */
	if (MR_UNLIKELY(rule->key != (PyObject *)Py_TYPE(frame->object)))
		return MR_VISIT_DONE;
	if (frame->stage == STAGE_DICT) {
		frame->stage = STAGE_CLASS;
		if (rule->dict_kind != MR_DICT_NONE &&
		    (status = mr_walk_visit_dict(walk, frame)) != MR_VISIT_DONE)
			return status;
	}
	if (frame->stage == STAGE_CLASS) {
		frame->stage = STAGE_SLOTS;
		if ((status = visit_class(walk, frame)) != MR_VISIT_DONE)
			return status;
	}
	while (frame->stage == STAGE_SLOTS && (size_t)frame->at < rule->slot_count) {
		if ((status = visit_slot(walk, frame, &rule->slots[frame->at++])) != MR_VISIT_DONE)
			return status;
	}
	if (rule->refs != MR_REFS_NAMEDTUPLE)
		return MR_VISIT_DONE;
	if (frame->stage == STAGE_SLOTS) {
		frame->stage = STAGE_ITEMS;
		frame->at = 0;
	}
	return step_items(walk, frame);
}

int mr_walk_step(struct mr_walk *walk)
{
	struct mr_frame *const frame = &walk->frames[walk->count - 1];

	switch ((enum mr_step)frame->step) {
	case MR_STEP_LIST:
		return step_list(walk, frame);
	case MR_STEP_TUPLE:
		return step_tuple(walk, frame);
	case MR_STEP_SET:
		return step_set(walk, frame);
	case MR_STEP_DICT:
		return step_dict(walk, frame);
	case MR_STEP_INSTANCE:
		return step_instance(walk, frame);
	case MR_STEP_VALUES:
		return step_values(walk, frame);
	case MR_STEP_COLLECTED:
		return step_collected(walk, frame);
	}
	return MR_VISIT_DONE;
}
