/* SPDX-License-Identifier: MIT
 *
 * What a census knows of types, and flat sizes by it.  A type is only read: one
 * that is being torn down may have lost its order of classes, its dict and its
 * bases.
 */
#include "census_private.h"

#include "instance_dict.h"

#include <frameobject.h>

#define CAPACITY_FIRST 512u

#if PY_VERSION_HEX >= 0x030D0000
size_t _PySys_GetSizeOf(PyObject *object); /* there, but not declared */
#endif

/* A str that has been asked for its wchar_t form keeps it. */
#if PY_VERSION_HEX < 0x030C0000
#define HAS_WIDE_COPY(object) (((PyASCIIObject *)(object))->wstr != NULL)
#else
#define HAS_WIDE_COPY(object) false
#endif

/* ---- Names ---------------------------------------------------------------------- */

bool mr_is_name_in(PyObject *string, const char *text)
{
	const size_t len = strlen(text);

	if (!string || !PyUnicode_CheckExact(string) || !PyUnicode_IS_COMPACT_ASCII(string) ||
	    (size_t)PyUnicode_GET_LENGTH(string) < len)
		return false;

	const char *const name = PyUnicode_DATA(string);

	return memcmp(name, text, len) == 0 && (name[len] == '\0' || name[len] == '.');
}

PyObject *mr_census_type_dict(PyTypeObject *type)
{
#if PY_VERSION_HEX >= 0x030C0000
	PyObject *const dict = PyType_GetDict(type); /* of builtin types it is the interpreter's */

	Py_XDECREF(dict);
	return dict;
#else
	return type->tp_dict;
#endif
}

PyObject *mr_census_type_value(PyTypeObject *type, const char *name)
{
	return mr_census_dict_value(mr_census_type_dict(type), name);
}

PyObject *mr_census_dict_value(PyObject *dict, const char *name)
{
	Py_ssize_t at = 0;
	PyObject *key;
	PyObject *value;

	while (dict && PyDict_Check(dict) && PyDict_Next(dict, &at, &key, &value)) {
		if (PyUnicode_CheckExact(key) && PyUnicode_CompareWithASCIIString(key, name) == 0)
			return value;
	}
	return NULL;
}

static bool type_is_own(PyObject *module, PyTypeObject *type)
{
	for (PyTypeObject *at = type; at; at = at->tp_base) {
		if (!(at->tp_flags & Py_TPFLAGS_HEAPTYPE))
			continue;
		if (((PyHeapTypeObject *)at)->ht_module == module ||
		    mr_is_name_in(mr_census_type_value(at, "__module__"), "memcapture"))
			return true;
	}
	return false;
}

/* ---- The table -------------------------------------------------------------------- */

static struct mr_census_type *find_place(const struct mr_census_types *types, const PyTypeObject *type)
{
	size_t at = mr_census_type_place(types, type);

	while (types->table[at].type && types->table[at].type != type)
		at = (at + 1) & (types->capacity - 1);
	return &types->table[at];
}

static int grow_table(struct mr_census_types *types)
{
	const size_t capacity_old = types->capacity;
	struct mr_census_type *const old = types->table;
	const size_t capacity = capacity_old ? 2 * capacity_old : CAPACITY_FIRST;
	struct mr_census_type *const table = mr_alloc(capacity * sizeof(*table));

	if (!table)
		return -1;
	types->table = table;
	types->capacity = capacity;
	for (size_t i = 0; i < capacity_old; i++) {
		if (old[i].type)
			*find_place(types, old[i].type) = old[i];
	}
	mr_free(old);
	return 0;
}

struct mr_census_type *mr_census_type_add(struct mr_census_types *types, PyObject *module, PyTypeObject *type)
{
	if (types->count * 4 >= types->capacity && grow_table(types) < 0)
		return NULL;

	struct mr_census_type *const place = find_place(types, type);

	if (place->type)
		return place;
	*place = (struct mr_census_type){
		.type = type,
		.is_own = type_is_own(module, type),
		.is_gc = (type->tp_flags & Py_TPFLAGS_HAVE_GC) != 0,
		.is_frame = type == &PyFrame_Type,
		.is_int = type == &PyLong_Type,
	};
	types->count++;
	if (types->keeps)
		Py_INCREF(type);
	return place;
}

void mr_census_types_release(struct mr_census_types *types)
{
	struct mr_census_types old = *types;

	*types = (struct mr_census_types){ .keeps = old.keeps }; /* dropping a type can run Python code */
	for (size_t i = 0; old.keeps && i < old.capacity; i++)
		Py_XDECREF(old.table[i].type);
	mr_free(old.table);
}

/* ---- Sizes ------------------------------------------------------------------------ */

/* What lies before an object of TYPE, as sys.getsizeof() counts it. */
static uint32_t header_bytes_of(const PyTypeObject *type)
{
	return (type->tp_flags & Py_TPFLAGS_HAVE_GC ? (uint32_t)sizeof(struct mr_gc_head) : 0) +
	       mr_instance_prefix_bytes(type);
}

/* The __sizeof__ in C that objects of the type have, or would have but for one written in Python. */
static PyCFunction find_method(struct mr_census_type *known, bool *is_plain)
{
	PyObject *const order = known->type->tp_mro;

	for (Py_ssize_t i = 0; order && i < PyTuple_GET_SIZE(order); i++) {
		PyObject *const base = PyTuple_GET_ITEM(order, i);
		PyObject *const found =
			PyType_Check(base) ? mr_census_type_value((PyTypeObject *)base, "__sizeof__") : NULL;

		if (!found)
			continue;
		if (Py_IS_TYPE(found, &PyMethodDescr_Type) &&
		    ((PyMethodDescrObject *)found)->d_method->ml_flags == METH_NOARGS) {
			*is_plain = base == (PyObject *)&PyBaseObject_Type;
			return ((PyMethodDescrObject *)found)->d_method->ml_meth;
		}
		known->in_python = true;
	}
	*is_plain = true;
	return NULL;
}

void mr_census_type_plan(struct mr_census_type *known)
{
	const PyTypeObject *const type = known->type;
	bool is_plain;

	if (known->plain != MR_PLAIN_UNKNOWN)
		return;
	known->header_bytes = header_bytes_of(type);
	known->base_bytes = (uint64_t)type->tp_basicsize + known->header_bytes;
	known->size_method = find_method(known, &is_plain);
	if (is_plain)
		known->plain = type->tp_itemsize ? MR_PLAIN_ITEMS : MR_PLAIN_CONSTANT;
	else if (type == &PyList_Type)
		known->plain = MR_PLAIN_LIST;
	else if (type == &PyDict_Type)
		known->plain = MR_PLAIN_DICT;
	else if (type == &PyUnicode_Type)
		known->plain = MR_PLAIN_STR;
	else if (type == &PyLong_Type)
		known->plain = MR_PLAIN_INT;
	else if (type == &PySet_Type || type == &PyFrozenSet_Type)
		known->plain = MR_PLAIN_SET;
	else if (type == &PyTuple_Type || type == &PyBytes_Type)
		known->plain = MR_PLAIN_ITEMS;
	else
		known->plain = MR_PLAIN_METHOD;
}

static uint64_t items_bytes(const struct mr_census_type *known, PyObject *object)
{
	const Py_ssize_t count = Py_SIZE(object);

	return known->base_bytes +
	       (uint64_t)(count < 0 ? -count : count) * (uint64_t)known->type->tp_itemsize;
}

static uint64_t int_bytes(const struct mr_census_type *known, PyObject *object)
{
#if PY_VERSION_HEX >= 0x030C0000
	const uint64_t digits = ((PyLongObject *)object)->long_value.lv_tag >> 3;
	const uint64_t digits_min = 1;
#else
	const Py_ssize_t size = Py_SIZE(object);
	const uint64_t digits = (uint64_t)(size < 0 ? -size : size);
	const uint64_t digits_min = PY_VERSION_HEX >= 0x030B0000;
#endif
	return known->base_bytes + (digits > digits_min ? digits : digits_min) * sizeof(digit);
}

static uint64_t method_bytes(const struct mr_census_type *known, PyObject *object)
{
	PyObject *const size = known->size_method(object, NULL);
	const unsigned long long bytes = size ? PyLong_AsUnsignedLongLong(size) : (unsigned long long)-1;

	Py_XDECREF(size);
	if (bytes != (unsigned long long)-1)
		return bytes + known->header_bytes;
	PyErr_Clear(); /* a closed or broken object: what its type says then */
	return items_bytes(known, object);
}

static uint64_t sizeof_by_interpreter(const struct mr_census_type *known, PyObject *object)
{
	const size_t bytes = _PySys_GetSizeOf(object);

	if (bytes != (size_t)-1)
		return bytes;
	PyErr_Clear();
	return items_bytes(known, object);
}

uint64_t mr_census_plain_bytes(struct mr_census_type *known, PyObject *object)
{
	switch (known->plain) {
	case MR_PLAIN_UNKNOWN:
		mr_census_type_plan(known);
		return mr_census_plain_bytes(known, object);
	case MR_PLAIN_CONSTANT:
		return known->base_bytes;
	case MR_PLAIN_ITEMS:
		return items_bytes(known, object);
	case MR_PLAIN_LIST:
		return known->base_bytes + (uint64_t)((PyListObject *)object)->allocated * sizeof(PyObject *);
	case MR_PLAIN_DICT:
		return known->header_bytes + mr_dict_bytes(object);
	case MR_PLAIN_STR:
		if (PyUnicode_IS_COMPACT_ASCII(object) && !HAS_WIDE_COPY(object))
			return sizeof(PyASCIIObject) + (uint64_t)PyUnicode_GET_LENGTH(object) + 1;
		return method_bytes(known, object);
	case MR_PLAIN_INT:
		return int_bytes(known, object);
	case MR_PLAIN_SET: {
		const PySetObject *const set = (const PySetObject *)object;

		return known->base_bytes +
		       (set->table == set->smalltable ? 0 : ((uint64_t)set->mask + 1) * sizeof(setentry));
	}
	default:
		/* Of types some have the header and others do not, and how that counts differs. */
		if (known->type->tp_is_gc && !known->in_python)
			return sizeof_by_interpreter(known, object);
		return method_bytes(known, object);
	}
}
