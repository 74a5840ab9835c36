/* SPDX-License-Identifier: MIT
 *
 * The types that are known from the start (type_rules.h): the same ones, with the
 * same referents and lengths, as in pympler's asizeof, which looks each of them
 * up by exact type; what derives from them is decided anew.  (bytes is not one of them.)
 */
#include "type_rules.h"

#define STATICS_MAX 64

struct static_spec {
	PyTypeObject *type;
	uint8_t refs;
	uint8_t leng;
	uint8_t kind;
	bool code_only;
	uint32_t item_bytes; /* where the type says 0 */
};

static const struct static_spec builtin_specs[] = {
	{ &PyComplex_Type, MR_REFS_NONE, MR_LENG_NONE, MR_KIND_STATIC, false, 0 },
	{ &PyFloat_Type, MR_REFS_NONE, MR_LENG_NONE, MR_KIND_STATIC, false, 0 },
	{ &PyLong_Type, MR_REFS_NONE, MR_LENG_INT, MR_KIND_STATIC, false, 0 },
	{ &PyList_Type, MR_REFS_SEQUENCE, MR_LENG_LIST, MR_KIND_STATIC, false, sizeof(void *) },
	{ &PyTuple_Type, MR_REFS_SEQUENCE, MR_LENG_LEN, MR_KIND_STATIC, false, sizeof(void *) },
	{ &PyProperty_Type, MR_REFS_PROPERTY, MR_LENG_NONE, MR_KIND_STATIC, false, 0 },
	{ &PyEllipsis_Type, MR_REFS_NONE, MR_LENG_NONE, MR_KIND_STATIC, false, 0 },
	{ &PyDict_Type, MR_REFS_DICT, MR_LENG_DICT, MR_KIND_STATIC, false, MR_SIZEOF_DICT_ENTRY },
	{ &PyDictProxy_Type, MR_REFS_DICT, MR_LENG_DICT, MR_KIND_STATIC, false, MR_SIZEOF_DICT_ENTRY },
	{ &PyModule_Type, MR_REFS_MODULE, MR_LENG_MODULE, MR_KIND_STATIC, false,
	  MR_SIZEOF_DICT_ENTRY + MR_SIZEOF_MODULE },
	{ &PyBool_Type, MR_REFS_NONE, MR_LENG_NONE, MR_KIND_STATIC, false, 0 },
	{ &PyByteArray_Type, MR_REFS_NONE, MR_LENG_BYTEARRAY, MR_KIND_STATIC, false, 1 },
	{ &PyEnum_Type, MR_REFS_ENUMERATE, MR_LENG_NONE, MR_KIND_STATIC, false, 0 },
	{ &PyFrozenSet_Type, MR_REFS_SEQUENCE, MR_LENG_SET, MR_KIND_STATIC, false, MR_SIZEOF_SET_ENTRY },
	{ &PySet_Type, MR_REFS_SEQUENCE, MR_LENG_SET, MR_KIND_STATIC, false, MR_SIZEOF_SET_ENTRY },
	{ &PyGetSetDescr_Type, MR_REFS_NONE, MR_LENG_NONE, MR_KIND_STATIC, false, 0 },
	{ &PyMemberDescr_Type, MR_REFS_NONE, MR_LENG_NONE, MR_KIND_STATIC, false, 0 },
	{ &PyRange_Type, MR_REFS_NONE, MR_LENG_NONE, MR_KIND_STATIC, false, 0 },
	{ &PyReversed_Type, MR_REFS_ENUMERATE, MR_LENG_NONE, MR_KIND_STATIC, false, 0 },
	{ &PySlice_Type, MR_REFS_NONE, MR_LENG_SLICE, MR_KIND_STATIC, false, sizeof(void *) },
	{ &PyTraceBack_Type, MR_REFS_TRACEBACK, MR_LENG_NONE, MR_KIND_STATIC, false, 0 },
	{ &PyUnicode_Type, MR_REFS_NONE, MR_LENG_STR, MR_KIND_STATIC, false, 1 },
	{ &_PyWeakref_ProxyType, MR_REFS_NONE, MR_LENG_NONE, MR_KIND_STATIC, false, 0 },
	{ &_PyWeakref_RefType, MR_REFS_WEAK, MR_LENG_NONE, MR_KIND_STATIC, false, 0 },
	{ &PyBaseObject_Type, MR_REFS_NONE, MR_LENG_NONE, MR_KIND_IGNORED, true, 0 },
	{ &PySuper_Type, MR_REFS_NONE, MR_LENG_NONE, MR_KIND_IGNORED, true, 0 },
	{ &PyType_Type, MR_REFS_NONE, MR_LENG_NONE, MR_KIND_IGNORED, true, 0 },
	{ &PyClassMethod_Type, MR_REFS_METHOD, MR_LENG_NONE, MR_KIND_STATIC, true, 0 },
	{ &PyStaticMethod_Type, MR_REFS_METHOD, MR_LENG_NONE, MR_KIND_STATIC, true, 0 },
	{ &PyMethod_Type, MR_REFS_METHOD, MR_LENG_NONE, MR_KIND_STATIC, true, 0 },
	{ &PyGen_Type, MR_REFS_GENERATOR, MR_LENG_NONE, MR_KIND_STATIC, false, 0 },
	{ &_PyWeakref_CallableProxyType, MR_REFS_WEAK, MR_LENG_NONE, MR_KIND_STATIC, true, 0 },
	{ &PyCallIter_Type, MR_REFS_ITERATOR, MR_LENG_ITERATOR, MR_KIND_STATIC, false, 0 },
};

const struct mr_rule *mr_sizing_static(const struct mr_sizing_statics *statics, const PyTypeObject *type,
                                       bool is_class)
{
	for (size_t i = 0; i < statics->count; i++) {
		if (statics->rules[i].key == (const PyObject *)type && statics->rules[i].is_class == is_class)
			return &statics->rules[i];
	}
	return NULL;
}

/* The entry for the instances of a type, and the one for the type as an object. */
static int add_static(struct mr_sizing_statics *statics, const struct static_spec *spec, uint64_t base_least)
{
	if (mr_sizing_static(statics, spec->type, false))
		return 0;
	if (statics->count + 2 > 2 * STATICS_MAX) {
		PyErr_SetString(PyExc_SystemError, "too many types are known from the start");
		return -1;
	}

	struct mr_rule *const rule = &statics->rules[statics->count];
	const uint64_t item = spec->code_only ? 0 : (uint64_t)spec->type->tp_itemsize;

	rule[0] = (struct mr_rule){
		.key = Py_NewRef((PyObject *)spec->type),
		.of = spec->type,
		.both = !spec->code_only,
		.kind = spec->kind,
		.refs = spec->refs,
		.leng = spec->leng,
		.base_bytes = mr_basic_bytes(spec->type, base_least),
		.item_bytes = spec->leng == MR_LENG_ITERATOR || !item ? spec->item_bytes : item,
		.is_module = spec->type == &PyModule_Type,
		.excluded = -1,
	};

	PyObject *const module = mr_class_module(spec->type);
	const bool ignored = mr_module_is_ignored(module);

	Py_XDECREF(module);
	if (PyErr_Occurred())
		return -1;
	rule[1] = (struct mr_rule){
		.key = Py_NewRef((PyObject *)spec->type),
		.of = spec->type,
		.is_class = true,
		.kind = ignored ? MR_KIND_IGNORED : spec->kind,
		.refs = MR_REFS_TYPE,
		.base_bytes = (uint64_t)PyType_Type.tp_basicsize,
		.excluded = -1,
	};
	/* The original counts the header for this one, weakref.KeyedRef, alone. */
	if (spec->refs == MR_REFS_WEAK && (spec->type->tp_flags & Py_TPFLAGS_HEAPTYPE))
		rule[1].base_bytes += MR_SIZEOF_GC_HEADER;
	statics->count += 2;
	return 0;
}

/* Adds the type that is NAME in the module MODULE_NAME; one that is not there is left out. */
static int add_named(struct mr_sizing_statics *statics, const char *module_name, const char *name,
                     struct static_spec spec)
{
	PyObject *const module = PyImport_ImportModule(module_name);
	PyObject *const found = module ? PyObject_GetAttrString(module, name) : NULL;
	int status = 0;

	Py_XDECREF(module);
	if (found && PyType_Check(found)) {
		spec.type = (PyTypeObject *)found;
		status = add_static(statics, &spec, 0);
	}
	Py_XDECREF(found);
	if (status == 0)
		PyErr_Clear();
	return status;
}

/* Takes OBJECT's iterator, or OBJECT when it is one, and adds its type.  OBJECT is taken. */
static int add_iterator_take(struct mr_sizing_statics *statics, PyObject *object)
{
	PyObject *const iterator = object ? PyObject_GetIter(object) : NULL;
	int status = -1;

	Py_XDECREF(object);
	if (iterator) {
		const struct static_spec spec = {
			Py_TYPE(iterator), MR_REFS_ITERATOR, MR_LENG_ITERATOR, MR_KIND_STATIC, false, 0
		};

		status = add_static(statics, &spec, 0);
		Py_DECREF(iterator);
	}
	return status;
}

static PyObject *reversed_of(PyObject *sequence)
{
	PyObject *const reversed = sequence ? PyObject_CallMethod(sequence, "__reversed__", NULL) : NULL;

	Py_XDECREF(sequence);
	return reversed;
}

static PyObject *view_of(const char *method)
{
	PyObject *const dict = PyDict_New();
	PyObject *const view = dict ? PyObject_CallMethod(dict, method, NULL) : NULL;

	Py_XDECREF(dict);
	return view;
}

static int add_iterators(struct mr_sizing_statics *statics)
{
	if (add_iterator_take(statics, view_of("items")) < 0 ||
	    add_iterator_take(statics, view_of("keys")) < 0 ||
	    add_iterator_take(statics, view_of("values")) < 0 ||
	    add_iterator_take(statics, reversed_of(PyList_New(0))) < 0 ||
	    add_iterator_take(statics, PyList_New(0)) < 0 || add_iterator_take(statics, PyTuple_New(0)) < 0 ||
	    add_iterator_take(statics, PyByteArray_FromStringAndSize(NULL, 0)) < 0 ||
	    add_iterator_take(statics, PySet_New(NULL)) < 0)
		return -1;
	return add_iterator_take(statics, PyUnicode_FromStringAndSize(NULL, 0));
}

static int fill_types(struct mr_sizing_statics *statics)
{
	const struct static_spec none = { NULL, MR_REFS_NONE, MR_LENG_NONE, MR_KIND_STATIC, false, 0 };
	struct static_spec spec = none;

	for (size_t i = 0; i < MR_ARRAY_LEN(builtin_specs); i++) {
		const bool module = builtin_specs[i].type == &PyModule_Type;

		if (add_static(statics, &builtin_specs[i], module ? statics->dict_base_bytes : 0) < 0)
			return -1;
	}
	spec.type = Py_TYPE(Py_None);
	if (add_static(statics, &spec, 0) < 0)
		return -1;
	spec.type = Py_TYPE(Py_NotImplemented);
	if (add_static(statics, &spec, 0) < 0)
		return -1;
	spec.type = (PyTypeObject *)PyExc_Exception;
	spec.refs = MR_REFS_EXCEPTION;
	if (add_static(statics, &spec, 0) < 0)
		return -1;
	spec.refs = MR_REFS_STAT;
	if (add_named(statics, "os", "stat_result", spec) < 0)
		return -1;
	spec.refs = MR_REFS_STATVFS;
	spec.leng = MR_LENG_LEN;
	spec.item_bytes = sizeof(void *);
	if (add_named(statics, "os", "statvfs_result", spec) < 0)
		return -1;
	spec.refs = MR_REFS_NONE;
	spec.leng = MR_LENG_STRUCT;
	spec.item_bytes = 1;
	if (add_named(statics, "_struct", "Struct", spec) < 0)
		return -1;
	spec = none;
	spec.refs = MR_REFS_WEAK;
	if (add_named(statics, "weakref", "KeyedRef", spec) < 0)
		return -1;
	return add_iterators(statics);
}

/* What ints take up, asked once: the layout is the interpreter's own. */
static int measure_ints(struct mr_sizing_statics *statics)
{
	const long long values[] = { 0, 1, (1 << 15) - 1, (1 << 30) - 1 };
	uint64_t sizes[MR_ARRAY_LEN(values)];

	for (size_t i = 0; i < MR_ARRAY_LEN(values); i++) {
		PyObject *const number = PyLong_FromLongLong(values[i]);
		PyObject *const size = number ? PyObject_CallOneArg(statics->getsizeof, number) : NULL;

		Py_XDECREF(number);
		if (!size)
			return -1;
		sizes[i] = PyLong_AsUnsignedLongLong(size);
		Py_DECREF(size);
		if (PyErr_Occurred())
			return -1;
	}
	statics->int_zero_bytes = sizes[0];
	statics->int_one_bytes = sizes[1];
	statics->int_one_max = sizes[3] == sizes[1] ? values[3] : sizes[2] == sizes[1] ? values[2] : 1;
	return 0;
}

void mr_sizing_statics_clear(struct mr_sizing_statics *statics)
{
	if (!statics)
		return;
	for (size_t i = 0; i < statics->count; i++)
		Py_CLEAR(statics->rules[i].key);
	statics->count = 0;
	Py_CLEAR(statics->getsizeof);
	Py_CLEAR(statics->sizeof_object);
	Py_CLEAR(statics->name_sizeof);
	Py_CLEAR(statics->name_module);
	Py_CLEAR(statics->name_name);
}

int mr_sizing_statics_traverse(struct mr_sizing_statics *statics, visitproc visit, void *arg)
{
	if (!statics)
		return 0;
	for (size_t i = 0; i < statics->count; i++)
		Py_VISIT(statics->rules[i].key);
	Py_VISIT(statics->getsizeof);
	Py_VISIT(statics->sizeof_object);
	return 0;
}

static int fill_statics(struct mr_sizing_statics *statics)
{
	PyObject *const getsizeof = PySys_GetObject("getsizeof"); /* borrowed */

	statics->name_sizeof = PyUnicode_InternFromString("__sizeof__");
	statics->name_module = PyUnicode_InternFromString("__module__");
	statics->name_name = PyUnicode_InternFromString("__name__");
	if (!statics->name_sizeof || !statics->name_module || !statics->name_name)
		return -1;
	if (!getsizeof) {
		PyErr_SetString(PyExc_RuntimeError, "sys.getsizeof is gone");
		return -1;
	}
	statics->getsizeof = Py_NewRef(getsizeof);
	statics->sizeof_object = Py_XNewRef(_PyType_Lookup(&PyBaseObject_Type, statics->name_sizeof));
	statics->dict_base_bytes = mr_basic_bytes(&PyDict_Type, 0);
	return measure_ints(statics) < 0 ? -1 : fill_types(statics);
}

struct mr_sizing_statics *mr_sizing_statics_get(struct mr_sizing_state *state)
{
	if (MR_LIKELY(state->statics != NULL))
		return state->statics;

	struct mr_sizing_statics *const statics = mr_alloc(sizeof(*statics));
	struct mr_rule *const rules = mr_alloc(2 * STATICS_MAX * sizeof(*rules));

	if (!statics || !rules) {
		PyErr_NoMemory();
		goto failed;
	}
	statics->rules = rules;
	if (fill_statics(statics) < 0)
		goto failed;
	if (state->statics) { /* an import let another thread be first */
		mr_sizing_statics_clear(statics);
		mr_free(rules);
		mr_free(statics);
		return state->statics;
	}
	state->statics = statics;
	return statics;
failed:
	mr_sizing_statics_clear(statics);
	mr_free(rules);
	mr_free(statics);
	return NULL;
}
