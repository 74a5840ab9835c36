/* SPDX-License-Identifier: MIT
 *
 * What a rule is (type_rules.h), from an object's type alone: attributes are
 * looked up in the type, never asked of the object, and __class__ is not believed.
 */
#include "referents.h"
#include "size_flat.h"
#include "type_memory.h"
#include "type_rules.h"

#include <frameobject.h>

static PyObject *type_attribute(PyTypeObject *type, const char *name)
{
	PyObject *const text = PyUnicode_InternFromString(name);
	PyObject *const found = text ? _PyType_Lookup(type, text) : NULL;

	Py_XDECREF(text);
	return found;
}

static bool has_all(PyTypeObject *type, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		PyObject *const found = type_attribute(type, names[i]);

		if (!found || !PyCallable_Check(found))
			return false;
	}
	return true;
}

bool mr_type_is_dictlike(PyTypeObject *type)
{
	static const char *const views[] = { "items", "keys", "values" };
	static const char *const iterators[] = { "iteritems", "iterkeys", "itervalues" };
	static const char *const others[] = { "__len__", "get", "has_key" };

	return (has_all(type, views, MR_ARRAY_LEN(views)) ||
	        has_all(type, iterators, MR_ARRAY_LEN(iterators))) &&
	       has_all(type, others, MR_ARRAY_LEN(others));
}

/* Is the type one of those that adict() has made known, by module and name?  -1: an error. */
static int is_registered(struct mr_sizing_state *state, PyTypeObject *type)
{
	PyObject *const module = mr_class_module(type);
	int found = 0;

	if (module && state->adicts) {
		PyObject *const names = PyDict_GetItemWithError(state->adicts, module);
		PyObject *const name = names ? PyUnicode_FromString(mr_class_name(type)) : NULL;

		found = name ? PySequence_Contains(names, name) : 0;
		Py_XDECREF(name);
	}
	Py_XDECREF(module);
	return PyErr_Occurred() ? -1 : found;
}

/* Are objects of the type walked as dicts, though it is no dict?  -1: an error. */
static int is_walked_as_dict(struct mr_rule *rule, struct mr_sizing_state *state, PyTypeObject *type,
                             const struct mr_rules_options *options)
{
	struct mr_type_memory known;
	int found = 0;

	rule->by_first = mr_type_is_dictlike(type);
	if (rule->by_first)
		found = mr_type_memory_get(state->memory, type, &known);
	if (found != 0)
		return found < 0 ? -1 : known.as_dict;
	found = is_registered(state, type);
	return found == 0 ? options->infer && rule->by_first : found;
}

/* An array's rule, from this object, is made what it was by the first of its type. */
static int as_first_array(struct mr_rule *rule, const struct mr_sizing_state *state, PyTypeObject *type)
{
	struct mr_type_memory known;
	const int found = mr_type_memory_get(state->memory, type, &known);

	rule->by_first = true;
	if (found <= 0)
		return found;
	rule->base_bytes = known.base_bytes;
	rule->item_bytes = known.item_bytes;
	return 0;
}

int mr_rule_keep_first(const struct mr_rule *rule, struct mr_sizing_state *state, PyTypeObject *type)
{
	if (!rule->by_first)
		return 0;
	return mr_type_memory_keep(&state->memory, type,
	                           &(struct mr_type_memory){ .base_bytes = rule->base_bytes,
	                                                     .item_bytes = rule->item_bytes,
	                                                     .as_dict = rule->refs == MR_REFS_DICT });
}

bool mr_type_is_array(PyTypeObject *type)
{
	PyObject *const name = PyUnicode_InternFromString("array");
	PyObject *const module = name ? PyImport_GetModule(name) : NULL;
	PyObject *const array = module ? PyObject_GetAttr(module, name) : NULL;
	const bool is_array = array && PyType_Check(array) && PyType_IsSubtype(type, (PyTypeObject *)array);

	Py_XDECREF(array);
	Py_XDECREF(module);
	Py_XDECREF(name);
	PyErr_Clear(); /* where there is no such module, nothing is an array */
	return is_array;
}

static bool is_numpy(PyTypeObject *type)
{
	PyObject *const module = mr_class_module(type);
	const char *const text = module ? PyUnicode_AsUTF8(module) : NULL;
	const bool named = text && strncmp(text, "numpy", 5) == 0;

	Py_XDECREF(module);
	PyErr_Clear();
	return named && type_attribute(type, "dtype") && type_attribute(type, "itemsize") &&
	       type_attribute(type, "nbytes");
}

static bool is_ignored(PyTypeObject *type)
{
	PyObject *const name = PyUnicode_InternFromString("__module__");
	PyObject *const module = name ? _PyType_Lookup(type, name) : NULL;

	Py_XDECREF(name);
	/* The one type that shows its own module to its instances, by a getter of its own. */
	if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE) && strcmp(type->tp_name, "types.UnionType") == 0)
		return true;
	return module && PyUnicode_Check(module) && mr_module_is_ignored(module);
}

static void as_dict(struct mr_rule *rule, const struct mr_sizing_statics *statics, uint8_t kind)
{
	rule->base_bytes = statics->dict_base_bytes;
	rule->item_bytes = MR_SIZEOF_DICT_ENTRY;
	rule->leng = MR_LENG_DICT;
	rule->refs = MR_REFS_DICT;
	rule->kind = kind;
	rule->of = &PyDict_Type;
}

static void as_instance(struct mr_rule *rule, const PyTypeObject *type, uint8_t refs)
{
	rule->item_bytes = (uint64_t)type->tp_itemsize;
	rule->leng = rule->item_bytes ? MR_LENG_LEN : MR_LENG_NONE;
	rule->refs = refs;
}

/* A callable object: a class, a function, a method, or an instance that can be called. */
static void decide_callable(struct mr_rule *rule, PyObject *object)
{
	if (PyType_Check(object)) {
		PyObject *const module = mr_class_module((PyTypeObject *)object);

		rule->refs = MR_REFS_CLASS;
		rule->both = false;
		if (mr_module_is_ignored(module))
			rule->kind = MR_KIND_IGNORED;
		Py_XDECREF(module);
	} else if (PyCFunction_Check(object)) {
		rule->both = false;
		rule->kind = MR_KIND_IGNORED;
	} else if (PyFunction_Check(object)) {
		rule->refs = MR_REFS_FUNCTION;
		rule->both = false;
	} else if (PyMethod_Check(object)) {
		rule->refs = MR_REFS_METHOD;
		rule->both = false;
	} else {
		as_instance(rule, Py_TYPE(object), MR_REFS_INSTANCE);
	}
}

/* The one rule that was made for a base of TYPE, where there is one and no more; types that are
 * known from the start count twice, since they have a rule as an object too. */
static const struct mr_rule *find_parent(const struct mr_rules *rules,
                                         const struct mr_sizing_statics *statics, PyTypeObject *type)
{
	const struct mr_rule *parent = NULL;

	for (size_t i = 0; i < statics->count; i++) {
		PyTypeObject *const known = statics->rules[i].of;

		if (known != &PyBaseObject_Type && PyType_IsSubtype(type, known))
			return NULL;
	}
	for (size_t i = 0; rules && i < rules->count; i++) {
		const struct mr_rule *const rule = rules->list[i];

		if (!rule->of || rule->of == &PyBaseObject_Type ||
		    mr_sizing_static(statics, rule->of, false) || !PyType_IsSubtype(type, rule->of))
			continue;
		if (parent)
			return NULL;
		parent = rule;
	}
	return parent;
}

/* How OTHER is sized and walked; what kind of rule that makes is the caller's to say. */
static void take_over(struct mr_rule *rule, const struct mr_rule *other)
{
	rule->of = other->of;
	rule->both = other->both;
	rule->refs = other->refs;
	rule->leng = other->leng;
	rule->base_bytes = other->base_bytes;
	rule->item_bytes = other->item_bytes;
}

static void decide_instance(struct mr_rule *rule, PyTypeObject *type, const struct mr_rules *rules,
                            const struct mr_sizing_statics *statics, const struct mr_rules_options *options)
{
	const struct mr_rule *const parent = options->derive ? find_parent(rules, statics, type) : NULL;

	if (parent) {
		take_over(rule, parent);
		rule->kind = MR_KIND_DERIVED;
	} else if (PyType_IsSubtype(type, (PyTypeObject *)PyExc_Exception)) {
		as_instance(rule, type, MR_REFS_EXCEPTION);
		rule->kind = MR_KIND_DERIVED;
	} else {
		as_instance(rule, type, MR_REFS_INSTANCE);
	}
}

static int decide_dynamic(struct mr_rule *rule, struct mr_sizing_state *state, PyObject *object,
                          const struct mr_rules *rules, const struct mr_rules_options *options)
{
	const struct mr_sizing_statics *const statics = state->statics;
	PyTypeObject *const type = Py_TYPE(object);
	int walked_as_dict;

	rule->of = type;
	rule->both = true;
	rule->kind = MR_KIND_DYNAMIC;
	rule->base_bytes = mr_basic_bytes(type, 0);
	if (rule->is_class && (((PyTypeObject *)object)->tp_flags & Py_TPFLAGS_HEAPTYPE))
		rule->base_bytes += MR_SIZEOF_GC_HEADER;

	if (PyModule_Check(object)) {
		as_dict(rule, statics, MR_KIND_STATIC);
		rule->item_bytes += MR_SIZEOF_MODULE;
		rule->leng = MR_LENG_MODULE;
		rule->refs = MR_REFS_MODULE;
		rule->is_module = true;
	} else if (PyFrame_Check(object)) {
		rule->base_bytes = mr_basic_bytes(type, MR_SIZEOF_FRAME);
		rule->item_bytes = (uint64_t)type->tp_itemsize;
		rule->leng = MR_LENG_FRAME;
		rule->refs = MR_REFS_FRAME;
		rule->is_frame = true;
	} else if (PyCode_Check(object)) {
		rule->base_bytes = mr_basic_bytes(type, MR_SIZEOF_CODE);
		rule->item_bytes = sizeof(void *);
		rule->leng = MR_LENG_CODE;
		rule->refs = MR_REFS_CODE;
		rule->both = false;
	} else if (type->tp_call) {
		decide_callable(rule, object);
	} else if (PyDict_Check(object)) {
		as_dict(rule, statics, MR_KIND_DERIVED);
	} else if ((walked_as_dict = is_walked_as_dict(rule, state, type, options)) != 0) {
		if (walked_as_dict < 0)
			return -1;
		as_dict(rule, statics, MR_KIND_INFERRED);
	} else if (PyCell_Check(object)) {
		rule->item_bytes = (uint64_t)type->tp_itemsize;
		rule->refs = MR_REFS_CELL;
	} else if (PyTuple_Check(object) && type_attribute(type, "_fields")) {
		rule->refs = MR_REFS_NAMEDTUPLE;
	} else if (is_numpy(type)) {
		mr_flat_decide_numpy(rule, statics, object);
		if (as_first_array(rule, state, type) < 0)
			return -1;
	} else if (mr_type_is_array(type)) {
		mr_flat_decide_array(rule, statics, object);
		if (as_first_array(rule, state, type) < 0)
			return -1;
	} else if (is_ignored(type)) {
		rule->kind = MR_KIND_IGNORED;
	} else {
		decide_instance(rule, type, rules, statics, options);
	}
	return PyErr_Occurred() ? -1 : 0;
}

int mr_rule_decide(struct mr_rule *rule, struct mr_sizing_state *state, PyObject *object,
                   const struct mr_rules *rules, const struct mr_rules_options *options)
{
	const struct mr_sizing_statics *const statics = mr_sizing_statics_get(state);

	if (!statics)
		return -1;

	const struct mr_rule *const known =
		mr_sizing_static(statics, (const PyTypeObject *)rule->key, rule->is_class);

	if (known) {
		take_over(rule, known);
		rule->kind = known->kind;
		rule->is_module = known->is_module;
		return 0;
	}
	return decide_dynamic(rule, state, object, rules, options);
}

/* ---- The plan ------------------------------------------------------------------ */

static uint8_t plan_walk(const struct mr_rule *rule, PyObject *object)
{
	switch (rule->refs) {
	case MR_REFS_NONE:
		return MR_WALK_NONE;
	case MR_REFS_SEQUENCE:
		return PyList_Check(object)    ? MR_WALK_LIST
		       : PyTuple_Check(object) ? MR_WALK_TUPLE
		                               : MR_WALK_SET;
	case MR_REFS_DICT:
		return PyDict_Check(object) && !PyODict_Check(object) ? MR_WALK_DICT : MR_WALK_COLLECT;
	case MR_REFS_INSTANCE:
	case MR_REFS_NAMEDTUPLE:
		return MR_WALK_INSTANCE;
	default:
		return MR_WALK_COLLECT;
	}
}

int mr_rule_plan(struct mr_rule *rule, struct mr_sizing_state *state, PyObject *object)
{
	rule->walk = plan_walk(rule, object);
	if (rule->walk == MR_WALK_INSTANCE) {
		rule->has_class = true;
		/* A dict that the type does not show is not one of its referents. */
		if (rule->refs == MR_REFS_INSTANCE && type_attribute(Py_TYPE(object), "__dict__"))
			rule->dict_kind = (uint8_t)mr_instance_dict_kind(Py_TYPE(object));
		if (mr_rule_find_slots(rule, Py_TYPE(object)) < 0)
			return -1;
	}
	return mr_flat_plan(rule, state->statics, object);
}
