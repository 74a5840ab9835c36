/* SPDX-License-Identifier: MIT
 *
 * The functions of asizeof that look at one object, without a sizer: its basic and
 * item size, length and referents; and what classes are like dicts.
 */
#include "size_functions.h"
#include "asizer.h"
#include "referents.h"

/* Options as the original's functions take them.  `save` is taken and has no effect: what is
 * known of types is decided anew by each sizer. */
static int take_options(PyObject *args, PyObject *kwargs, const char *format, PyObject **object,
                        struct mr_rules_options *options, PyObject **align)
{
	static const char *names[] = { "obj", "align", "derive", "frames", "infer", "save", NULL };
	PyObject *align_ignored = NULL;
	int derive = 0, frames = 0, infer = 0, save = 0;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, (char **)names, object,
	                                 align ? align : &align_ignored, &derive, &frames, &infer, &save))
		return -1;
	if (align_ignored) {
		PyErr_SetString(PyExc_TypeError, "align is an option of flatsize() only");
		return -1;
	}
	options->derive = derive;
	options->infer = infer;
	return 0;
}

static struct mr_sizing_state *state_with_statics(PyObject *module)
{
	struct mr_sizing_state *const state = mr_sizing_state_of(module);

	return mr_sizing_statics_get(state) ? state : NULL;
}

/* The rule for the one object in ARGS; released by the caller.  -1 with a Python error. */
static int rule_of(PyObject *module, PyObject *args, PyObject *kwargs, const char *format, PyObject **object,
                   PyObject **align, bool plan, struct mr_rule *rule)
{
	struct mr_rules_options options;
	struct mr_sizing_state *const state = state_with_statics(module);

	if (!state || take_options(args, kwargs, format, object, &options, align) < 0)
		return -1;
	return mr_object_rule(state, *object, &options, plan, rule);
}

PyObject *mr_size_basicsize(PyObject *module, PyObject *args, PyObject *kwargs)
{
	struct mr_rule rule;
	PyObject *object;

	if (rule_of(module, args, kwargs, "O|$Opppp:basicsize", &object, NULL, false, &rule) < 0)
		return NULL;

	const uint64_t base_bytes = rule.base_bytes;

	mr_rule_release(&rule);
	return PyLong_FromUnsignedLongLong(base_bytes);
}

PyObject *mr_size_itemsize(PyObject *module, PyObject *args, PyObject *kwargs)
{
	struct mr_rule rule;
	PyObject *object;
	int64_t item_bytes;

	if (rule_of(module, args, kwargs, "O|$Opppp:itemsize", &object, NULL, false, &rule) < 0)
		return NULL;
	item_bytes = (int64_t)rule.item_bytes;
	if (rule.item_itself && item_bytes == 1)
		item_bytes = mr_attribute_number(object, "itemsize", item_bytes);
	mr_rule_release(&rule);
	return PyLong_FromLongLong(item_bytes);
}

PyObject *mr_size_flatsize(PyObject *module, PyObject *args, PyObject *kwargs)
{
	struct mr_rule rule;
	PyObject *object;
	PyObject *align = NULL;
	uint64_t mask = 0;
	uint64_t flat_bytes;

	if (rule_of(module, args, kwargs, "O|Opppp:flatsize", &object, &align, true, &rule) < 0)
		return NULL;
	if (align && mr_option_mask(align, "flatsize", &mask) < 0) {
		mr_rule_release(&rule);
		return NULL;
	}
	flat_bytes = mr_flat_bytes(&rule, mr_sizing_state_of(module), object);
	mr_rule_release(&rule);
	return flat_bytes == UINT64_MAX ? NULL : PyLong_FromUnsignedLongLong((flat_bytes + mask) & ~mask);
}

PyObject *mr_size_leng(PyObject *module, PyObject *args, PyObject *kwargs)
{
	struct mr_rule rule;
	PyObject *object;
	int64_t leng;
	bool has;

	if (rule_of(module, args, kwargs, "O|$Opppp:leng", &object, NULL, false, &rule) < 0)
		return NULL;
	has = mr_leng_of(&rule, mr_sizing_state_of(module), object, &leng);
	mr_rule_release(&rule);
	if (has)
		return PyLong_FromLongLong(leng);
	return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

/* ---- Referents ---------------------------------------------------------------------- */

static int append(struct mr_referents *referents, const char *name, PyObject *name_object, PyObject *object)
{
	int status = PyList_Append(referents->refs, object);

	if (status == 0 && referents->names) {
		PyObject *const text = name ? PyUnicode_FromString(name) : Py_NewRef(name_object);

		status = text ? PyList_Append(referents->names, text) : -1;
		Py_XDECREF(text);
	}
	return status;
}

/* An instance's: its dict, or a copy of what is to be in it; its class; its slots. */
static int collect_instance(const struct mr_rule *rule, PyObject *object, struct mr_referents *referents)
{
	int status = 0;

	if (rule->dict_kind != MR_DICT_NONE) {
		PyObject *const dict = mr_instance_dict_copy(object, (enum mr_dict_kind)rule->dict_kind);

		status = dict ? append(referents, "__dict__", NULL, dict) : -1;
		Py_XDECREF(dict);
	}
	if (status == 0)
		status = append(referents, "__class__", NULL, (PyObject *)Py_TYPE(object));
	for (size_t i = 0; status == 0 && i < rule->slot_count; i++) {
		const struct mr_slot *const slot = &rule->slots[i];
		PyObject *const value =
			slot->shadow ? slot->shadow : *(PyObject **)((char *)object + slot->offset);

		if (value)
			status = append(referents, NULL, slot->name, value);
	}
	for (Py_ssize_t i = 0;
	     rule->refs == MR_REFS_NAMEDTUPLE && status == 0 && i < PyTuple_GET_SIZE(object); i++)
		status = append(referents, NULL, Py_None, PyTuple_GET_ITEM(object, i));
	return status;
}

static int collect(const struct mr_rule *rule, PyObject *object, bool named, struct mr_referents *referents)
{
	uint64_t missed = 0;

	if (mr_referents_init(referents, named) < 0)
		return -1;
	if ((rule->walk == MR_WALK_INSTANCE ? collect_instance(rule, object, referents)
	                                    : mr_referents_collect(rule, object, referents, &missed)) == 0)
		return 0;
	mr_referents_release(referents);
	return -1;
}

PyObject *mr_size_refs(PyObject *module, PyObject *args, PyObject *kwargs)
{
	struct mr_referents referents = { 0 };
	struct mr_rule rule;
	PyObject *object;
	PyObject *iterator = NULL;

	if (rule_of(module, args, kwargs, "O|$Opppp:refs", &object, NULL, true, &rule) < 0)
		return NULL;
	if (rule.refs == MR_REFS_NONE)
		iterator = Py_NewRef(Py_None);
	else if (collect(&rule, object, false, &referents) == 0)
		iterator = PyObject_GetIter(referents.refs);
	mr_referents_release(&referents);
	mr_rule_release(&rule);
	return iterator;
}

PyObject *mr_size_named_refs(PyObject *module, PyObject *args, PyObject *kwargs)
{
	struct mr_referents referents = { 0 };
	struct mr_rule rule;
	PyObject *object;
	PyObject *list;
	int status;

	if (rule_of(module, args, kwargs, "O|$Opppp:named_refs", &object, NULL, true, &rule) < 0)
		return NULL;
	list = PyList_New(0);
	status = list ? collect(&rule, object, true, &referents) : -1;
	for (Py_ssize_t i = 0; status == 0 && i < PyList_GET_SIZE(referents.refs); i++) {
		PyObject *const name = PyList_GET_ITEM(referents.names, i);
		PyObject *const pair = PyTuple_Pack(2, name, PyList_GET_ITEM(referents.refs, i));

		if (name != Py_None)
			status = pair ? PyList_Append(list, pair) : -1;
		Py_XDECREF(pair);
	}
	mr_referents_release(&referents);
	mr_rule_release(&rule);
	if (status == 0)
		return list;
	Py_XDECREF(list);
	return NULL;
}

/* ---- Settings ------------------------------------------------------------------------- */

/* Adds NAME to the names known for MODULE_NAME. */
static int register_name(PyObject *adicts, PyObject *module_name, PyObject *name)
{
	PyObject *const known = PyDict_GetItemWithError(adicts, module_name);
	const int there = known ? PySequence_Contains(known, name) : 0;
	PyObject *one;
	PyObject *names;
	int status;

	if (there != 0 || PyErr_Occurred())
		return there < 0 || PyErr_Occurred() ? -1 : 0;
	one = PyTuple_Pack(1, name);
	names = !one ? NULL : known ? PySequence_Concat(known, one) : Py_NewRef(one);
	status = names ? PyDict_SetItem(adicts, module_name, names) : -1;
	Py_XDECREF(names);
	Py_XDECREF(one);
	return status;
}

static int register_class(struct mr_sizing_state *state, PyTypeObject *type)
{
	PyObject *const module_name = mr_class_module(type);
	PyObject *const name = PyUnicode_FromString(mr_class_name(type));
	int status = -1;

	if (module_name && name && state->adicts)
		status = register_name(state->adicts, module_name, name);
	else if (name && !PyErr_Occurred())
		status = 0; /* a class without a module cannot be found again by name */
	Py_XDECREF(module_name);
	Py_XDECREF(name);
	return status;
}

PyObject *mr_size_adict(PyObject *module, PyObject *args)
{
	struct mr_sizing_state *const state = mr_sizing_state_of(module);
	bool all = true;

	for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
		PyObject *const type = PyTuple_GET_ITEM(args, i);

		if (!PyType_Check(type) || !mr_type_is_dictlike((PyTypeObject *)type))
			all = false;
		else if (register_class(state, (PyTypeObject *)type) < 0)
			return NULL;
	}
	return PyBool_FromLong(all);
}

PyObject *mr_size_amapped(PyObject *module, PyObject *args, PyObject *kwargs)
{
	static const char *names[] = { "percentage", NULL };
	struct mr_sizing_state *const state = mr_sizing_state_of(module);
	const double before = state->mapped_part * 100.0;
	PyObject *percentage = Py_None;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:amapped", (char **)names, &percentage))
		return NULL;
	if (percentage != Py_None) {
		const double part = PyFloat_AsDouble(percentage) * 0.01;

		if (PyErr_Occurred())
			return NULL;
		state->mapped_part = !(part > 0) ? 0 : part > 1 ? 1 : part;
	}
	return PyFloat_FromDouble(before);
}

/* repr(obj), clipped as names are. */
PyObject *mr_size_show(PyObject *module MR_UNUSED, PyObject *args)
{
	PyObject *object;
	Py_ssize_t clip;

	return PyArg_ParseTuple(args, "On:_show", &object, &clip) ? mr_repr_clipped(object, clip) : NULL;
}

/* {module: (name, ...)} of the classes that are walked as dicts: a copy. */
PyObject *mr_size_dict_types(PyObject *module, PyObject *unused MR_UNUSED)
{
	return PyDict_Copy(mr_sizing_state_of(module)->adicts);
}
