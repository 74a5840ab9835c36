/* SPDX-License-Identifier: MIT
 *
 * See path_names.h.  A parent offers each value that it holds, with its name; a small
 * table of the children that are asked for takes those it knows.
 */
#include "path_names.h"

#include <structmember.h>

#include "census_private.h"
#include "instance_dict.h"

#define FEW 8 /* children that are compared one after the other */

struct naming {
	PyObject *const *children;
	struct mr_step *steps;
	size_t count;
	size_t left;      /* children that have no name yet */
	uint32_t *places; /* by hash: index + 1; NULL: FEW */
	size_t mask;
};

static size_t hash_of(const PyObject *object)
{
	return (size_t)(((uint64_t)(uintptr_t)object >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 20);
}

static int naming_init(struct naming *naming, PyObject *const *children, size_t count, struct mr_step *steps)
{
	*naming = (struct naming){ .children = children, .steps = steps, .count = count, .left = count };
	for (size_t i = 0; i < count; i++)
		steps[i] = (struct mr_step){ .kind = MR_STEP_UNKNOWN };
	if (count <= FEW)
		return 0;

	size_t capacity = 32;

	while (capacity < count * 2)
		capacity *= 2;
	naming->mask = capacity - 1;
	naming->places = mr_alloc(capacity * sizeof(*naming->places));
	if (!naming->places)
		return -1;
	for (size_t i = 0; i < count; i++) {
		size_t at = hash_of(children[i]) & naming->mask;

		while (naming->places[at])
			at = (at + 1) & naming->mask;
		naming->places[at] = (uint32_t)i + 1;
	}
	return 0;
}

static struct mr_step *find(const struct naming *naming, const PyObject *value)
{
	if (!naming->places) {
		for (size_t i = 0; i < naming->count; i++) {
			if (naming->children[i] == value)
				return &naming->steps[i];
		}
		return NULL;
	}
	for (size_t at = hash_of(value) & naming->mask; naming->places[at]; at = (at + 1) & naming->mask) {
		if (naming->children[naming->places[at] - 1] == value)
			return &naming->steps[naming->places[at] - 1];
	}
	return NULL;
}

/* VALUE may be NULL. */
static void offer(struct naming *naming, const PyObject *value, struct mr_step name)
{
	struct mr_step *const step = value ? find(naming, value) : NULL;

	if (!step || step->kind != MR_STEP_UNKNOWN)
		return;
	*step = name;
	naming->left--;
}

static void offer_word(struct naming *naming, const PyObject *value, const char *word)
{
	offer(naming, value, (struct mr_step){ .kind = MR_STEP_ATTRIBUTE, .word = word, .is_word = true });
}

static void offer_kind(struct naming *naming, const PyObject *value, enum mr_step_kind kind)
{
	offer(naming, value, (struct mr_step){ .kind = kind });
}

static void offer_named(struct naming *naming, const PyObject *value, PyObject *name)
{
	offer(naming, value, (struct mr_step){ .kind = MR_STEP_ATTRIBUTE, .object = name });
}

/* ---- What kinds of objects hold ------------------------------------------------------------ */

static void offer_items(struct naming *naming, PyObject *const *items, Py_ssize_t count)
{
	for (Py_ssize_t i = 0; i < count && naming->left; i++)
		offer(naming, items[i], (struct mr_step){ .kind = MR_STEP_INDEX, .index = (uint64_t)i });
}

/* The entries of a dict: as items, or as attributes of the one that it belongs to. */
static void offer_entries(struct naming *naming, PyObject *dict, enum mr_step_kind kind)
{
	Py_ssize_t at = 0;
	PyObject *key;
	PyObject *value;

	while (naming->left && PyDict_Next(dict, &at, &key, &value)) {
		const bool attribute = kind == MR_STEP_ATTRIBUTE && PyUnicode_Check(key);

		offer(naming, value,
		      (struct mr_step){ .kind = attribute ? kind : MR_STEP_KEY, .object = key });
		offer(naming, key, (struct mr_step){ .kind = MR_STEP_IS_KEY, .object = key });
	}
}

static void offer_instance(struct naming *naming, PyObject *object)
{
	const enum mr_dict_kind kind = mr_instance_dict_kind(Py_TYPE(object));
	struct mr_instance_dict found;
	PyObject *name;
	PyObject *value;

	if (kind == MR_DICT_NONE || PyType_Check(object))
		return;
	switch (mr_instance_dict_look(object, kind, &found)) {
	case MR_DICT_REAL:
		offer_kind(naming, found.dict, MR_STEP_DICT);
		if (PyDict_Check(found.dict))
			offer_entries(naming, found.dict, MR_STEP_ATTRIBUTE);
		break;
	case MR_DICT_VALUES:
		for (Py_ssize_t i = 0; i < found.count && naming->left; i++) {
			if (mr_instance_dict_at(&found, i, &name, &value))
				offer_named(naming, value, name);
		}
		break;
	case MR_DICT_MISSING:
	case MR_DICT_ABSENT:
		break;
	}
}

/* Slots of classes, and what C's own types show as members. */
static void offer_members(struct naming *naming, const PyObject *object)
{
	for (const PyTypeObject *type = Py_TYPE(object); type; type = type->tp_base) {
		for (const PyMemberDef *member = type->tp_members; member && member->name; member++) {
			if ((member->type != T_OBJECT && member->type != T_OBJECT_EX) || member->offset <= 0)
				continue;
			offer_word(naming, *(PyObject *const *)((const char *)object + member->offset),
			           member->name);
		}
	}
}

static void offer_type(struct naming *naming, PyTypeObject *type)
{
	PyObject *const dict = mr_census_type_dict(type);

	/* A type that is being torn down has lost some of these. */
	if (dict) {
		offer_kind(naming, dict, MR_STEP_DICT);
		offer_entries(naming, dict, MR_STEP_ATTRIBUTE);
	}
	offer_word(naming, (PyObject *)type->tp_base, "__base__");
	offer_word(naming, type->tp_bases, "__bases__");
	offer_word(naming, type->tp_mro, "__mro__");
	if (PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)) {
		const PyHeapTypeObject *const heap_type = (const PyHeapTypeObject *)type;

		offer_word(naming, heap_type->ht_name, "__name__");
		offer_word(naming, heap_type->ht_qualname, "__qualname__");
		offer_word(naming, heap_type->ht_slots, "__slots__");
	}
}

/* What is not among the members, since it can be set. */
static void offer_function(struct naming *naming, PyObject *object)
{
	offer_word(naming, PyFunction_GET_DEFAULTS(object), "__defaults__");
	offer_word(naming, PyFunction_GET_KW_DEFAULTS(object), "__kwdefaults__");
	offer_word(naming, PyFunction_GET_CODE(object), "__code__");
	offer_word(naming, PyFunction_GET_ANNOTATIONS(object), "__annotations__");
	offer_word(naming, ((const PyFunctionObject *)object)->func_name, "__name__");
	offer_word(naming, ((const PyFunctionObject *)object)->func_qualname, "__qualname__");
}

static void offer_exception(struct naming *naming, PyObject *object)
{
	const PyBaseExceptionObject *const exception = (const PyBaseExceptionObject *)object;

	offer_word(naming, exception->args, "args");
	offer_word(naming, exception->traceback, "__traceback__");
	offer_word(naming, exception->cause, "__cause__");
	offer_word(naming, exception->context, "__context__");
#if PY_VERSION_HEX >= 0x030B0000
	offer_word(naming, exception->notes, "__notes__");
#endif
}

static void offer_frame(struct naming *naming, const struct mr_frame *frame)
{
	for (Py_ssize_t i = 0; i < frame->count && naming->left; i++) {
		PyObject *const name = frame->values[i] ? mr_frame_name(frame, i) : NULL;

		if (!name)
			continue;
		offer_named(naming, frame->values[i], name);
		if (PyCell_Check(frame->values[i]) && mr_frame_is_cell(frame, i))
			offer_named(naming, PyCell_GET(frame->values[i]), name);
	}
	if (frame->locals && PyDict_Check(frame->locals))
		offer_entries(naming, frame->locals, MR_STEP_ATTRIBUTE);
	offer_word(naming, frame->locals, "f_locals");
	offer_word(naming, frame->globals, "f_globals");
	offer_word(naming, frame->code, "f_code");
	offer_word(naming, frame->caller, "f_back");
}

struct counting {
	struct naming *naming;
	const PyObject *type;
	uint64_t next;
};

static int count_item(PyObject *object, void *context)
{
	struct counting *const counting = context;

	if (object != counting->type)
		offer(counting->naming, object,
		      (struct mr_step){ .kind = MR_STEP_INDEX, .index = counting->next++ });
	return 0;
}

static int name_member(PyObject *object, void *context)
{
	offer_kind(context, object, MR_STEP_MEMBER);
	return 0;
}

static void offer_traversed(struct naming *naming, PyObject *object, visitproc visit, void *context)
{
	offer_word(naming, (PyObject *)Py_TYPE(object), "__class__");
	if (naming->left && Py_TYPE(object)->tp_traverse)
		(void)Py_TYPE(object)->tp_traverse(object, visit, context);
}

static int keep_first(PyObject *object, void *context)
{
	PyObject **const kept = context;

	if (!*kept && PyDict_Check(object))
		*kept = object;
	return 0;
}

/* Views and proxies of dicts, which lead to the dict and to nothing else. */
static void offer_shown(struct naming *naming, PyObject *object)
{
	PyObject *dict = NULL;

	(void)Py_TYPE(object)->tp_traverse(object, keep_first, &dict);
	if (PyDictViewSet_Check(object) || PyDictValues_Check(object))
		offer_word(naming, dict, "mapping");
	else
		offer_kind(naming, dict, MR_STEP_NOTHING);
}

/* What is the parent's by its type, other than attributes. */
static void offer_contents(struct naming *naming, PyObject *parent)
{
	struct mr_frame frame;

	if (PyList_Check(parent)) {
		offer_items(naming, ((PyListObject *)parent)->ob_item, PyList_GET_SIZE(parent));
	} else if (PyTuple_Check(parent)) {
		offer_items(naming, ((PyTupleObject *)parent)->ob_item, PyTuple_GET_SIZE(parent));
	} else if (PyDict_Check(parent)) {
		offer_entries(naming, parent, MR_STEP_KEY);
	} else if (PyType_Check(parent)) {
		offer_type(naming, (PyTypeObject *)parent);
	} else if (PyFunction_Check(parent)) {
		offer_function(naming, parent);
	} else if (PyCell_Check(parent)) {
		offer_word(naming, PyCell_GET(parent), "cell_contents");
	} else if (PyExceptionInstance_Check(parent)) {
		offer_exception(naming, parent);
	} else if (PyTraceBack_Check(parent)) {
		offer_word(naming, (PyObject *)((PyTracebackObject *)parent)->tb_next, "tb_next");
	} else if (PyWeakref_Check(parent)) {
		offer_word(naming, ((PyWeakReference *)parent)->wr_callback, "__callback__");
	} else if (PyCFunction_Check(parent)) {
		offer_word(naming, PyCFunction_GET_SELF(parent), "__self__");
	} else if (Py_IS_TYPE(parent, &PyDictProxy_Type) || PyDictViewSet_Check(parent) ||
	           PyDictValues_Check(parent)) {
		offer_shown(naming, parent);
	} else if (mr_frame_of(parent, &frame)) {
		offer_frame(naming, &frame);
		if (!PyFrame_Check(parent)) /* a generator: its variables are in its frame */
			offer_kind(naming, frame.object, MR_STEP_NOTHING);
	}
}

int mr_steps_name(PyObject *parent, PyObject *const *children, size_t count, struct mr_step *steps)
{
	struct naming naming;

	if (naming_init(&naming, children, count, steps) < 0)
		return -1;
	offer_contents(&naming, parent);
	if (naming.left)
		offer_instance(&naming, parent);
	if (naming.left)
		offer_members(&naming, parent);
	if (naming.left && PyAnySet_Check(parent)) {
		offer_traversed(&naming, parent, name_member, &naming);
	} else if (naming.left && mr_is_deque(parent)) {
		struct counting counting = { .naming = &naming, .type = (PyObject *)Py_TYPE(parent) };

		offer_traversed(&naming, parent, count_item, &counting);
	} else if (naming.left) {
		offer_word(&naming, (PyObject *)Py_TYPE(parent), "__class__");
	}
	mr_free(naming.places);
	return 0;
}

int mr_steps_name_frame(const struct mr_frame *frame, PyObject *const *children, size_t count,
                        struct mr_step *steps)
{
	struct naming naming;

	if (naming_init(&naming, children, count, steps) < 0)
		return -1;
	offer_frame(&naming, frame);
	offer_word(&naming, frame->function, "__func__");
	offer_word(&naming, frame->object, "f_frame");
	mr_free(naming.places);
	return 0;
}
