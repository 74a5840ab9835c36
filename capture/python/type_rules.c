/* SPDX-License-Identifier: MIT
 *
 * See type_rules.h: a sizer's table of rules, and the slots of a type.
 */
#include "type_rules.h"

#include <structmember.h>

#define CAPACITY_FIRST 32u

static const char *const kind_names[MR_KIND_COUNT] = { "static", "dynamic", "derived", "ignored",
	                                               "inferred" };

/* Shown by print_typedefs(); the names of pympler's functions, which its users know. */
static const char *const refs_names[MR_REFS_COUNT] = {
	[MR_REFS_CELL] = "_cell_refs",      [MR_REFS_CLASS] = "_class_refs",
	[MR_REFS_CODE] = "_co_refs",        [MR_REFS_DICT] = "_dict_refs",
	[MR_REFS_ENUMERATE] = "_enum_refs", [MR_REFS_EXCEPTION] = "_exc_refs",
	[MR_REFS_FRAME] = "_frame_refs",    [MR_REFS_FUNCTION] = "_func_refs",
	[MR_REFS_GENERATOR] = "_gen_refs",  [MR_REFS_METHOD] = "_im_refs",
	[MR_REFS_INSTANCE] = "_inst_refs",  [MR_REFS_ITERATOR] = "_iter_refs",
	[MR_REFS_MODULE] = "_module_refs",  [MR_REFS_NAMEDTUPLE] = "_namedtuple_refs",
	[MR_REFS_PROPERTY] = "_prop_refs",  [MR_REFS_SEQUENCE] = "_seq_refs",
	[MR_REFS_STAT] = "_stat_refs",      [MR_REFS_STATVFS] = "_statvfs_refs",
	[MR_REFS_TRACEBACK] = "_tb_refs",   [MR_REFS_TYPE] = "_type_refs",
	[MR_REFS_WEAK] = "_weak_refs",      [MR_REFS_NUMPY] = "_numpy_refs",
};

static const char *const leng_names[MR_LENG_COUNT] = {
	[MR_LENG_LEN] = "_len",           [MR_LENG_BYTEARRAY] = "_len_bytearray",
	[MR_LENG_CODE] = "_len_code",     [MR_LENG_DICT] = "_len_dict",
	[MR_LENG_FRAME] = "_len_frame",   [MR_LENG_INT] = "_len_int",
	[MR_LENG_ITERATOR] = "_len_iter", [MR_LENG_LIST] = "_len_list",
	[MR_LENG_MODULE] = "_len_module", [MR_LENG_SET] = "_len_set",
	[MR_LENG_SLICE] = "_len_slice",   [MR_LENG_STRUCT] = "_len_struct",
	[MR_LENG_STR] = "_len_unicode",   [MR_LENG_ARRAY] = "_len_array",
	[MR_LENG_NUMPY] = "_len_numpy",   [MR_LENG_MEMMAP] = "_len_numpy_memmap",
};

const char *mr_rule_kind_name(unsigned kind)
{
	return kind < MR_KIND_COUNT ? kind_names[kind] : NULL;
}

const char *mr_refs_name(unsigned refs)
{
	return refs < MR_REFS_COUNT ? refs_names[refs] : NULL;
}

const char *mr_leng_name(unsigned leng)
{
	return leng < MR_LENG_COUNT ? leng_names[leng] : NULL;
}

const char *mr_class_name(const PyTypeObject *type)
{
	if (type->tp_flags & Py_TPFLAGS_HEAPTYPE) {
		const char *const name = PyUnicode_AsUTF8(((const PyHeapTypeObject *)type)->ht_name);

		if (name)
			return name;
		PyErr_Clear(); /* it holds surrogates */
	}

	const char *const dot = strrchr(type->tp_name, '.');

	return dot ? dot + 1 : type->tp_name;
}

PyObject *mr_class_module(PyTypeObject *type)
{
	if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
		const char *const dot = strrchr(type->tp_name, '.');

		return dot ? PyUnicode_FromStringAndSize(type->tp_name, dot - type->tp_name)
		           : PyUnicode_FromString("builtins");
	}

	PyObject *const name = PyUnicode_InternFromString("__module__");
	PyObject *const module = name ? _PyType_Lookup(type, name) : NULL;

	Py_XDECREF(name);
	return module && PyUnicode_Check(module) ? Py_NewRef(module) : NULL;
}

bool mr_module_is_ignored(PyObject *module_name)
{
	static const char *const ignored[] = { "builtins", "types", "memcapture.asizeof",
		                               "memcapture._capture" };

	for (size_t i = 0; module_name && i < MR_ARRAY_LEN(ignored); i++) {
		if (PyUnicode_CompareWithASCIIString(module_name, ignored[i]) == 0)
			return true;
	}
	return false;
}

uint64_t mr_basic_bytes(const PyTypeObject *type, uint64_t at_least)
{
	uint64_t bytes = (uint64_t)type->tp_basicsize;

	if (bytes < at_least)
		bytes = at_least;
	if (type != &PyType_Type && (type->tp_flags & Py_TPFLAGS_HAVE_GC))
		bytes += MR_SIZEOF_GC_HEADER;
	return bytes;
}

/* ---- Slots ------------------------------------------------------------------ */

static bool has_slot(const struct mr_rule *rule, PyObject *name)
{
	for (size_t i = 0; i < rule->slot_count; i++) {
		if (PyUnicode_Compare(rule->slots[i].name, name) == 0)
			return true;
	}
	return false;
}

/* The attribute that a slot called NAME in class OWNER has: private names carry the class's name.
 * A new reference, or NULL with an error. */
static PyObject *mangle(const PyTypeObject *owner, PyObject *name)
{
	const Py_ssize_t len = PyUnicode_GET_LENGTH(name);
	const char *class_name = mr_class_name(owner);

	if (len < 3 || PyUnicode_READ_CHAR(name, 0) != '_' || PyUnicode_READ_CHAR(name, 1) != '_' ||
	    (PyUnicode_READ_CHAR(name, len - 1) == '_' && PyUnicode_READ_CHAR(name, len - 2) == '_'))
		return Py_NewRef(name);
	while (*class_name == '_')
		class_name++;
	return *class_name ? PyUnicode_FromFormat("_%s%U", class_name, name) : Py_NewRef(name);
}

/* The slot NAME of class OWNER, as instances of TYPE have it. */
static int add_slot(struct mr_rule *rule, PyTypeObject *type, const PyTypeObject *owner, PyObject *name)
{
	if (!PyUnicode_Check(name) || PyUnicode_CompareWithASCIIString(name, "__dict__") == 0 ||
	    PyUnicode_CompareWithASCIIString(name, "__weakref__") == 0)
		return 0;

	PyObject *const mangled = mangle(owner, name);

	if (!mangled)
		return -1;

	PyObject *const found = has_slot(rule, mangled) ? NULL : _PyType_Lookup(type, mangled);
	struct mr_slot slot = { mangled, 0, NULL };

	if (found && Py_IS_TYPE(found, &PyMemberDescr_Type)) {
		const PyMemberDef *const member = ((PyMemberDescrObject *)found)->d_member;

		if (member->type == T_OBJECT_EX || member->type == T_OBJECT)
			slot.offset = member->offset;
	} else if (found && !Py_TYPE(found)->tp_descr_get) {
		slot.shadow = Py_NewRef(found);
	}
	if (slot.offset == 0 && !slot.shadow) {
		Py_DECREF(mangled);
		return 0;
	}

	struct mr_slot *const slots = mr_realloc(rule->slots, (rule->slot_count + 1) * sizeof(*slots));

	if (!slots) {
		Py_DECREF(mangled);
		Py_XDECREF(slot.shadow);
		PyErr_NoMemory();
		return -1;
	}
	rule->slots = slots;
	slots[rule->slot_count++] = slot;
	return 0;
}

/* The __slots__ of one class: a string is one name; of other iterables only those are
 * looked into that run no Python code. */
static int add_slots(struct mr_rule *rule, PyTypeObject *type, const PyTypeObject *owner, PyObject *names)
{
	if (PyUnicode_Check(names))
		return add_slot(rule, type, owner, names);
	if (!PyList_CheckExact(names) && !PyTuple_CheckExact(names) && !PyDict_CheckExact(names) &&
	    !PyAnySet_CheckExact(names)) {
		/* The class keeps the names that it found, in an order of its own, already mangled. */
		names = (owner->tp_flags & Py_TPFLAGS_HEAPTYPE) ? ((const PyHeapTypeObject *)owner)->ht_slots
		                                                : NULL;
		if (!names)
			return 0;
	}

	PyObject *const list = PySequence_List(names);
	int status = list ? 0 : -1;

	for (Py_ssize_t i = 0; list && status == 0 && i < PyList_GET_SIZE(list); i++)
		status = add_slot(rule, type, owner, PyList_GET_ITEM(list, i));
	Py_XDECREF(list);
	return status;
}

int mr_rule_find_slots(struct mr_rule *rule, PyTypeObject *type)
{
	PyObject *const mro = Py_XNewRef(type->tp_mro);
	PyObject *const slots_name = PyUnicode_InternFromString("__slots__");
	int status = slots_name ? 0 : -1;

	for (Py_ssize_t i = 0; mro && status == 0 && i < PyTuple_GET_SIZE(mro); i++) {
		PyTypeObject *const owner = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);

		if (!PyType_Check(owner) || !owner->tp_dict)
			continue;

		PyObject *const names = PyDict_GetItemWithError(owner->tp_dict, slots_name);

		if (names) {
			Py_INCREF(names);
			status = add_slots(rule, type, owner, names);
			Py_DECREF(names);
		} else if (PyErr_Occurred()) {
			status = -1;
		}
	}
	Py_XDECREF(slots_name);
	Py_XDECREF(mro);
	return status;
}

/* ---- The table ---------------------------------------------------------------- */

static size_t place_of(const struct mr_rules *rules, const void *key, bool is_class)
{
	const uint64_t hash = (((uint64_t)(uintptr_t)key >> 4) * 2 + is_class) * UINT64_C(0x9E3779B97F4A7C15);

	return (size_t)(hash >> 32) & (rules->capacity - 1);
}

/* Where the rule is, or the free place where it would go. */
static size_t find_place(const struct mr_rules *rules, const void *key, bool is_class)
{
	size_t at = place_of(rules, key, is_class);

	while (rules->table[at] && (rules->table[at]->key != key || rules->table[at]->is_class != is_class))
		at = (at + 1) & (rules->capacity - 1);
	return at;
}

struct mr_rule *mr_rules_find(const struct mr_rules *rules, const void *key, bool is_class)
{
	return rules->capacity ? rules->table[find_place(rules, key, is_class)] : NULL;
}

static int make_room(struct mr_rules *rules)
{
	if (mr_grow(&rules->list, &rules->list_capacity, rules->count + 1, sizeof(struct mr_rule *)) < 0)
		return -1;
	if (rules->count * 2 < rules->capacity)
		return 0;

	const size_t capacity = rules->capacity ? rules->capacity * 2 : CAPACITY_FIRST;
	struct mr_rule **const table = mr_alloc(capacity * sizeof(struct mr_rule *));

	if (!table)
		return -1;
	mr_free(rules->table);
	rules->table = table;
	rules->capacity = capacity;
	for (size_t i = 0; i < rules->count; i++)
		table[find_place(rules, rules->list[i]->key, rules->list[i]->is_class)] = rules->list[i];
	return 0;
}

void mr_rule_release(struct mr_rule *rule)
{
	for (size_t i = 0; i < rule->slot_count; i++) {
		Py_DECREF(rule->slots[i].name);
		Py_XDECREF(rule->slots[i].shadow);
	}
	mr_free(rule->slots);
	Py_XDECREF(rule->key);
	*rule = (struct mr_rule){ 0 };
}

static struct mr_rule *add_rule(struct mr_rules *rules, struct mr_sizing_state *state, PyObject *object,
                                const struct mr_rules_options *options, PyObject *key, bool is_class)
{
	struct mr_rule *const rule = mr_alloc(sizeof(*rule));

	if (!rule) {
		PyErr_NoMemory();
		return NULL;
	}
	rule->key = Py_NewRef(key);
	rule->is_class = is_class;
	rule->excluded = -1;
	if (mr_rule_decide(rule, state, object, rules, options) < 0 ||
	    mr_rule_plan(rule, state, object) < 0 || mr_rule_keep_first(rule, state, Py_TYPE(object)) < 0)
		goto failed;
	if (make_room(rules) < 0) {
		PyErr_NoMemory();
		goto failed;
	}
	rules->list[rules->count++] = rule;
	rules->table[find_place(rules, key, is_class)] = rule;
	return rule;
failed:
	mr_rule_release(rule);
	mr_free(rule);
	return NULL;
}

struct mr_rule *mr_rules_for(struct mr_rules *rules, struct mr_sizing_state *state, PyObject *object,
                             const struct mr_rules_options *options, bool by_class)
{
	const bool is_class = by_class && Py_IS_TYPE(object, &PyType_Type);
	PyObject *const key = is_class ? object : (PyObject *)Py_TYPE(object);
	struct mr_rule *const rule = mr_rules_find(rules, key, is_class);

	return MR_LIKELY(rule != NULL) ? rule : add_rule(rules, state, object, options, key, is_class);
}

int mr_rules_traverse(const struct mr_rules *rules, visitproc visit, void *arg)
{
	for (size_t i = 0; i < rules->count; i++) {
		Py_VISIT(rules->list[i]->key);
		for (size_t j = 0; j < rules->list[i]->slot_count; j++)
			Py_VISIT(rules->list[i]->slots[j].shadow);
	}
	return 0;
}

void mr_rules_release(struct mr_rules *rules)
{
	struct mr_rules old = *rules;

	*rules = (struct mr_rules){ 0 }; /* dropping a type can run Python code */
	for (size_t i = 0; i < old.count; i++) {
		mr_rule_release(old.list[i]);
		mr_free(old.list[i]);
	}
	mr_free(old.list);
	mr_free(old.table);
}
