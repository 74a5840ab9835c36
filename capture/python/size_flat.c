/* SPDX-License-Identifier: MIT
 *
 * See size_flat.h.
 */
#include "size_flat.h"

#include <unistd.h>

#include "referents.h"

#define ARRAY_BASE_MIN 56u

/* ---- Asking ------------------------------------------------------------------ */

static uint64_t ask(const struct mr_sizing_statics *statics, PyObject *object)
{
	PyObject *const size = PyObject_CallOneArg(statics->getsizeof, object);
	const unsigned long long bytes = size ? PyLong_AsUnsignedLongLong(size) : (unsigned long long)-1;

	Py_XDECREF(size);
	return bytes;
}

/* sys.getsizeof(), or what the original falls back to. */
static uint64_t ask_or_guess(const struct mr_rule *rule, const struct mr_sizing_state *state,
                             PyObject *object)
{
	const uint64_t bytes = ask(state->statics, object);

	if (MR_LIKELY(bytes != UINT64_MAX))
		return bytes;
	if (mr_drop_error() < 0)
		return UINT64_MAX;
	/* Its length is not asked for: __len__ may be as broken. */
	return rule->base_bytes + (Py_TYPE(object)->tp_itemsize
	                                   ? (uint64_t)llabs((long long)Py_SIZE(object)) * rule->item_bytes
	                                   : 0);
}

static uint64_t call_method(const struct mr_rule *rule, PyObject *object)
{
	PyObject *const size = rule->size_method(object, NULL);
	const unsigned long long bytes = size ? PyLong_AsUnsignedLongLong(size) : (unsigned long long)-1;

	Py_XDECREF(size);
	return bytes;
}

int64_t mr_attribute_number(PyObject *object, const char *name, int64_t fallback)
{
	PyObject *const value = mr_attribute_get_string(object, name);
	int64_t number = value && PyLong_Check(value) ? PyLong_AsLongLong(value) : fallback;

	Py_XDECREF(value);
	if (PyErr_Occurred()) {
		PyErr_Clear();
		number = fallback;
	}
	return number;
}

/* The bytes of the items of an array. */
static int64_t data_bytes_of(const struct mr_rule *rule, PyObject *object)
{
	if (rule->leng == MR_LENG_ARRAY) /* array.array: its own length, whatever a subclass says */
		return Py_SIZE(object) * mr_attribute_number(object, "itemsize", 1);

	const int64_t bytes = mr_attribute_number(object, "nbytes", 0);

	return bytes > 0 ? bytes : 0;
}

/* The part of a mapped file that is taken to be in memory, in whole pages. */
static uint64_t mapped_bytes(const struct mr_sizing_state *state, PyObject *object)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const int64_t data = mr_attribute_number(object, "nbytes", 0);
	const uint64_t mapped = data > 0 ? (uint64_t)((double)data * state->mapped_part) : 0;

	return (mapped + page - 1) / page * page;
}

/* What the first array of the type takes up beside its items, and this one's items.  So an array
 * that shows another's data counts that data too, as the original has it. */
static uint64_t array_bytes(const struct mr_rule *rule, const struct mr_sizing_state *state, PyObject *object)
{
	switch (rule->leng) {
	case MR_LENG_MEMMAP:
		return rule->base_bytes + mapped_bytes(state, object);
	case MR_LENG_LEN: /* numpy.str_ */
		return rule->base_bytes + (PyUnicode_Check(object)
		                                   ? (uint64_t)PyUnicode_GET_LENGTH(object) * rule->item_bytes
		                                   : 0);
	default:
		return rule->base_bytes + (uint64_t)data_bytes_of(rule, object);
	}
}

uint64_t mr_flat_bytes(const struct mr_rule *rule, const struct mr_sizing_state *state, PyObject *object)
{
	uint64_t bytes = 0;

	if (mr_flat_is_native(rule, object)) {
		bytes = mr_flat_native(rule, state->statics, object);
		if (bytes)
			return bytes;
	}
	switch (rule->flat) {
	case MR_FLAT_ARRAY:
		return array_bytes(rule, state, object);
	case MR_FLAT_METHOD:
	case MR_FLAT_STR:
	case MR_FLAT_INT:
		bytes = call_method(rule, object);
		if (bytes != UINT64_MAX)
			return bytes + rule->extra_bytes;
		if (mr_drop_error() < 0)
			return UINT64_MAX;
		return ask_or_guess(rule, state, object);
	default:
		return ask_or_guess(rule, state, object);
	}
}

/* ---- Planning ------------------------------------------------------------------ */

/* How the size of exactly TYPE can be read from its objects, or MR_FLAT_ASKED. */
static uint8_t native_kind(const PyTypeObject *type)
{
	if (type == &PyList_Type)
		return MR_FLAT_LIST;
	if (type == &PyDict_Type)
		return MR_FLAT_DICT;
	if (type == &PyUnicode_Type)
		return MR_FLAT_STR;
	if (type == &PyLong_Type)
		return MR_FLAT_INT;
	return type == &PyTuple_Type || type == &PyBytes_Type ? MR_FLAT_VARIABLE : MR_FLAT_ASKED;
}

int mr_flat_plan(struct mr_rule *rule, const struct mr_sizing_statics *statics, PyObject *object)
{
	PyTypeObject *const type = Py_TYPE(object);
	PyObject *const method = _PyType_Lookup(type, statics->name_sizeof);

	if (rule->flat == MR_FLAT_ARRAY)
		return 0;
	rule->flat = MR_FLAT_ASKED;
	if (PyType_Check(object) || !method || !Py_IS_TYPE(method, &PyMethodDescr_Type) ||
	    ((PyMethodDescrObject *)method)->d_method->ml_flags != METH_NOARGS)
		return 0;

	const uint64_t whole = ask(statics, object);

	rule->size_method = ((PyMethodDescrObject *)method)->d_method->ml_meth;
	const uint64_t inner = whole == UINT64_MAX ? whole : call_method(rule, object);

	if (inner == UINT64_MAX) /* the sample is odd; each is asked then */
		return mr_drop_error();
	rule->extra_bytes = whole - inner;
	rule->flat = native_kind(type);
	if (method == statics->sizeof_object && type->tp_itemsize == 0) {
		rule->flat = MR_FLAT_CONSTANT;
		rule->flat_bytes = whole;
	} else if (rule->flat == MR_FLAT_ASKED) {
		rule->flat = MR_FLAT_METHOD;
	} else if (rule->flat == MR_FLAT_LIST || rule->flat == MR_FLAT_VARIABLE) {
		rule->flat_bytes = (uint64_t)type->tp_basicsize + rule->extra_bytes;
	} else if (rule->flat == MR_FLAT_STR) {
		rule->flat_bytes = sizeof(PyASCIIObject) + 1 + rule->extra_bytes;
	}
	return 0;
}

/* The size of OBJECT without DATA_BYTES of items; an array that shows others' data has all of it. */
static uint64_t without_items(const struct mr_sizing_statics *statics, PyObject *object, int64_t data_bytes)
{
	const uint64_t bytes = ask(statics, object);

	if (bytes == UINT64_MAX) {
		PyErr_Clear();
		return 0;
	}
	return data_bytes > 0 && (uint64_t)data_bytes < bytes ? bytes - (uint64_t)data_bytes : bytes;
}

void mr_flat_decide_numpy(struct mr_rule *rule, const struct mr_sizing_statics *statics, PyObject *object)
{
	const char *const name = mr_class_name(Py_TYPE(object));
	const int64_t data_bytes = mr_attribute_number(object, "nbytes", 0);

	rule->flat = MR_FLAT_ARRAY;
	rule->item_bytes = 1;
	rule->item_itself = true;
	rule->leng = MR_LENG_NUMPY;
	rule->refs = MR_REFS_NUMPY;
	if (strcmp(name, "memmap") == 0) {
		rule->leng = MR_LENG_MEMMAP;
		rule->base_bytes = without_items(statics, object, 0);
	} else if (strcmp(name, "str_") == 0 || strcmp(name, "str") == 0) {
		const Py_ssize_t len = PyUnicode_Check(object) ? PyUnicode_GET_LENGTH(object) : 0;

		rule->item_itself = false;
		rule->leng = MR_LENG_LEN;
		rule->item_bytes = len ? (uint64_t)(data_bytes / len) : 1;
		rule->base_bytes = without_items(statics, object, len);
	} else {
		rule->base_bytes = without_items(statics, object, data_bytes);
	}
}

void mr_flat_decide_array(struct mr_rule *rule, const struct mr_sizing_statics *statics, PyObject *object)
{
	rule->flat = MR_FLAT_ARRAY;
	rule->item_bytes = 1;
	rule->item_itself = true;
	rule->leng = MR_LENG_ARRAY;
	rule->base_bytes = without_items(statics, object, data_bytes_of(rule, object));
	if (rule->base_bytes < ARRAY_BASE_MIN)
		rule->base_bytes = ARRAY_BASE_MIN;
}

/* ---- Lengths --------------------------------------------------------------------- */

static int64_t size_or_0(PyObject *object)
{
	const Py_ssize_t size = object ? PyObject_Size(object) : 0;

	if (size < 0 && PyErr_ExceptionMatches(PyExc_TypeError)) {
		PyErr_Clear();
		return 0;
	}
	return size;
}

/* The smallest power of two that is not less than N. */
static int64_t power_of_2(int64_t n)
{
	int64_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

static int64_t leng_code(PyObject *code)
{
	static const char *const tuples[] = { "co_freevars", "co_cellvars" };
	int64_t leng =
		mr_attribute_number(code, "co_stacksize", 0) + mr_attribute_number(code, "co_nlocals", 0) - 1;

	for (size_t i = 0; i < MR_ARRAY_LEN(tuples); i++) {
		PyObject *const names = mr_attribute_get_string(code, tuples[i]);

		leng += size_or_0(names);
		Py_XDECREF(names);
	}
	return leng;
}

static int64_t leng_frame(PyObject *frame)
{
	PyObject *const code = mr_attribute_get_string(frame, "f_code");
	const int64_t leng = code ? leng_code(code) : 0;

	Py_XDECREF(code);
	return leng;
}

static int64_t leng_int(const struct mr_sizing_statics *statics, PyObject *number)
{
	const uint64_t bytes = ask(statics, number);

	if (bytes == UINT64_MAX || bytes <= (uint64_t)PyLong_Type.tp_basicsize)
		return 0;
	return (int64_t)((bytes - (uint64_t)PyLong_Type.tp_basicsize) / (uint64_t)PyLong_Type.tp_itemsize);
}

/* (stop - start + 1) // step, 0 where that is not said. */
static int64_t leng_slice(PyObject *object)
{
	const PySliceObject *const slice = (PySliceObject *)object;
	PyObject *const one = PyLong_FromLong(1);
	PyObject *const span = one ? PyNumber_Subtract(slice->stop, slice->start) : NULL;
	PyObject *const count = span ? PyNumber_Add(span, one) : NULL;
	PyObject *const steps = count ? PyNumber_FloorDivide(count, slice->step) : NULL;
	int64_t leng = steps && PyLong_Check(steps) ? PyLong_AsLongLong(steps) : 0;

	Py_XDECREF(steps);
	Py_XDECREF(count);
	Py_XDECREF(span);
	Py_XDECREF(one);
	if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_TypeError)) {
		PyErr_Clear();
		leng = 0;
	}
	return leng;
}

static int64_t leng_list(int64_t n)
{
	return n > 8 ? n + 6 + (n >> 3) : n ? n + 4 : 0;
}

static int64_t leng_set(int64_t n)
{
	return n > 8 ? power_of_2(n + n - 2) : n ? 8 : 0;
}

static int64_t leng_dict(int64_t n)
{
	return n < 6 ? (n < 0 ? n : 0) : power_of_2(n + 1);
}

static int64_t leng_bytearray(PyObject *object)
{
	PyObject *const room = PyObject_CallMethod(object, "__alloc__", NULL);
	const int64_t leng = room ? PyLong_AsLongLong(room) : -1;

	Py_XDECREF(room);
	return leng;
}

static int64_t leng_kind(const struct mr_rule *rule, const struct mr_sizing_state *state, PyObject *object)
{
	switch (rule->leng) {
	case MR_LENG_BYTEARRAY:
		return leng_bytearray(object);
	case MR_LENG_CODE:
		return leng_code(object);
	case MR_LENG_DICT:
		return leng_dict(PyObject_Size(object));
	case MR_LENG_FRAME:
		return leng_frame(object);
	case MR_LENG_INT:
		return leng_int(state->statics, object);
	case MR_LENG_ITERATOR:
		return PyObject_LengthHint(object, 0);
	case MR_LENG_LIST:
		return leng_list(PyObject_Size(object));
	case MR_LENG_MODULE:
		return size_or_0(PyModule_GetDict(object));
	case MR_LENG_SET:
		return leng_set(PyObject_Size(object));
	case MR_LENG_SLICE:
		return leng_slice(object);
	case MR_LENG_STRUCT:
		return mr_attribute_number(object, "size", 0);
	case MR_LENG_STR:
		return PyUnicode_GET_LENGTH(object) + 1;
	case MR_LENG_ARRAY:
		return data_bytes_of(rule, object);
	case MR_LENG_NUMPY:
		return mr_attribute_number(object, "nbytes", 0);
	case MR_LENG_MEMMAP:
		return (int64_t)mapped_bytes(state, object);
	default:
		return size_or_0(object);
	}
}

bool mr_leng_of(const struct mr_rule *rule, const struct mr_sizing_state *state, PyObject *object,
                int64_t *leng)
{
	if (rule->leng == MR_LENG_NONE)
		return false;

	int64_t found = leng_kind(rule, state, object);

	if (PyErr_Occurred())
		return false;
	if (rule->item_itself && rule->item_bytes == 1) {
		const int64_t item_bytes = mr_attribute_number(object, "itemsize", 1);

		if (item_bytes > 1)
			found /= item_bytes;
	}
	*leng = found;
	return true;
}
