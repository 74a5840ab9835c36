/* SPDX-License-Identifier: MIT
 *
 * What is this package's own: objects of its types, its modules with their
 * functions and classes, and whatever is held by these alone.  That is found as
 * the collector finds garbage: references that come from own objects are counted,
 * and an object that has no others is own too.  So what the program holds as well
 * is the program's.
 */
#include "census_private.h"

#define CAPACITY_FIRST 4096u

struct finding {
	struct mr_own *own;
	struct mr_census_types *types;
	PyObject *module;
};

static struct mr_own_count *find_place(const struct mr_own *own, const PyObject *object)
{
	size_t at = (size_t)((((uint64_t)(uintptr_t)object >> 4) * UINT64_C(0x9E3779B97F4A7C15)) >> 32) &
	            (own->capacity - 1);

	while (own->table[at].object && own->table[at].object != object)
		at = (at + 1) & (own->capacity - 1);
	return &own->table[at];
}

/* The count of OBJECT, which is made when there is none; NULL: no memory. */
static struct mr_own_count *count_of(struct mr_own *own, PyObject *object)
{
	if (own->count * 2 >= own->capacity) {
		const size_t capacity_old = own->capacity;
		struct mr_own_count *const old = own->table;
		const size_t capacity = capacity_old ? 2 * capacity_old : CAPACITY_FIRST;
		struct mr_own_count *const table = mr_alloc(capacity * sizeof(*table));

		if (!table) {
			own->failed = true;
			return NULL;
		}
		own->table = table;
		own->capacity = capacity;
		for (size_t i = 0; i < capacity_old; i++) {
			if (old[i].object)
				*find_place(own, old[i].object) = old[i];
		}
		mr_free(old);
	}

	struct mr_own_count *const count = find_place(own, object);

	if (!count->object) {
		count->object = object;
		own->count++;
	}
	return count;
}

bool mr_own_has(const struct mr_own *own, const PyObject *object)
{
	return own->capacity && find_place(own, object)->is_own;
}

int mr_own_add(struct mr_own *own, PyObject *object)
{
	struct mr_own_count *const count = count_of(own, object);

	if (!count)
		return -1;
	if (count->is_own)
		return 0;
	if (mr_grow(&own->list, &own->list_capacity, own->list_count + 1, sizeof(PyObject *)) < 0) {
		own->failed = true;
		return -1;
	}
	count->is_own = true;
	own->list[own->list_count++] = object;
	return 0;
}

/* Not by PyImport_GetModuleDict(), which ends the process where the interpreter, at its own end, has none. */
PyObject *mr_census_modules(void)
{
	PyObject *const modules = PySys_GetObject("modules");

	return modules && PyDict_CheckExact(modules) ? modules : NULL;
}

/* A module of this package and what is in it.  One that is being torn down has no dict any more. */
static int add_module(struct mr_own *own, PyObject *module)
{
	PyObject *const dict = PyModule_GetDict(module);
	const int status = mr_own_add(own, module);

	return status < 0 || !dict ? status : mr_own_add(own, dict);
}

int mr_own_add_modules(struct mr_own *own, PyObject *module)
{
	PyObject *const modules = mr_census_modules();
	Py_ssize_t at = 0;
	PyObject *name;
	PyObject *found;
	int status = add_module(own, module);

	while (status == 0 && modules && PyDict_Next(modules, &at, &name, &found)) {
		if (PyModule_Check(found) && mr_is_name_in(name, "memcapture"))
			status = add_module(own, found);
	}
	if (status < 0)
		PyErr_NoMemory();
	return status;
}

/* Is OBJECT own whoever refers to it: a class or a function of this package, an object of its types? */
static bool is_own_by_nature(const struct finding *finding, PyObject *object)
{
	const struct mr_census_type *known =
		mr_census_type_of(finding->types, finding->module, Py_TYPE(object));

	if (!known) {
		finding->own->failed = true;
		return false;
	}
	if (known->is_own)
		return true;
	if (PyFunction_Check(object))
		return mr_own_has(finding->own, PyFunction_GET_GLOBALS(object));
	if (PyType_Check(object) && (((PyTypeObject *)object)->tp_flags & Py_TPFLAGS_HEAPTYPE)) {
		known = mr_census_type_of(finding->types, finding->module, (PyTypeObject *)object);
		if (!known)
			finding->own->failed = true;
		return known && known->is_own;
	}
	return PyCFunction_Check(object) && PyCFunction_GET_SELF(object) == finding->module;
}

static int count_reference(PyObject *object, void *context)
{
	const struct finding *const finding = context;
	struct mr_own_count *const count = count_of(finding->own, object);

	if (!count)
		return 1;
	if (count->is_own)
		return 0;
	count->refs++;
	if (count->refs == Py_REFCNT(object) || (count->refs == 1 && is_own_by_nature(finding, object)))
		mr_own_add(finding->own, object);
	return finding->own->failed;
}

/* Code is not known to the collector, but the tuples in it are, until it finds that nothing in them is. */
static void count_code(PyObject *object, struct finding *finding)
{
	const PyCodeObject *const code = (const PyCodeObject *)object;
	PyObject *const held[] = {
		code->co_consts,
		code->co_names,
#if PY_VERSION_HEX >= 0x030B0000
		code->co_localsplusnames,
#else
		code->co_varnames,
		code->co_freevars,
		code->co_cellvars,
#endif
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(held); i++) {
		if (held[i])
			count_reference(held[i], finding);
	}
}

int mr_own_finish(struct mr_own *own, struct mr_census_types *types, PyObject *module)
{
	struct finding finding = { own, types, module };

	while (own->list_done < own->list_count && !own->failed) {
		PyObject *const object = own->list[own->list_done++];
		const struct mr_census_type *const known = mr_census_type_of(types, module, Py_TYPE(object));

		if (!known) {
			own->failed = true;
			break;
		}
		if (PyFunction_Check(object)) /* a call that is under way refers to it too */
			mr_own_add(own, PyFunction_GET_CODE(object));
		if (PyCode_Check(object))
			count_code(object, &finding);
		if (mr_census_has_header(known, object) && Py_TYPE(object)->tp_traverse)
			Py_TYPE(object)->tp_traverse(object, count_reference, &finding);
	}
	if (!own->failed)
		return 0;
	PyErr_NoMemory();
	return -1;
}

void mr_own_release(struct mr_own *own)
{
	mr_free(own->table);
	mr_free(own->list);
	*own = (struct mr_own){ 0 };
}
