/* SPDX-License-Identifier: MIT
 *
 * See type_memory.h.  Types are found by their address, because a metaclass may forbid
 * that classes are hashed or compared; a weak reference tells whether the type at that
 * address is still the same.
 */
#include "type_memory.h"

enum { TYPE, BASE, ITEM, AS_DICT }; /* of the tuple that is kept */

/* Is the type that ENTRY was made for TYPE?  -1: a Python error. */
static int is_about(PyObject *entry, const PyTypeObject *type)
{
	PyObject *const there = PyObject_CallNoArgs(PyTuple_GET_ITEM(entry, TYPE));
	const int is_same = there ? there == (const PyObject *)type : -1;

	Py_XDECREF(there);
	return is_same;
}

int mr_type_memory_get(PyObject *memory, PyTypeObject *type, struct mr_type_memory *known)
{
	if (!memory)
		return 0;

	PyObject *const key = PyLong_FromVoidPtr(type);
	PyObject *const entry = key ? PyDict_GetItemWithError(memory, key) : NULL;
	const int found = entry ? is_about(entry, type) : PyErr_Occurred() ? -1 : 0;

	Py_XDECREF(key);
	if (found <= 0)
		return found;
	*known = (struct mr_type_memory){
		.base_bytes = PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(entry, BASE)),
		.item_bytes = PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(entry, ITEM)),
		.as_dict = PyTuple_GET_ITEM(entry, AS_DICT) == Py_True,
	};
	return PyErr_Occurred() ? -1 : 1;
}

int mr_type_memory_keep(PyObject **memory, PyTypeObject *type, const struct mr_type_memory *known)
{
	struct mr_type_memory before;
	int status = mr_type_memory_get(*memory, type, &before);

	if (status != 0)
		return status < 0 ? -1 : 0;
	if (!*memory && !(*memory = PyDict_New()))
		return -1;

	PyObject *const key = PyLong_FromVoidPtr(type);
	PyObject *const reference = PyWeakref_NewRef((PyObject *)type, NULL);
	PyObject *const entry =
		reference ? Py_BuildValue("(OKKO)", reference, (unsigned long long)known->base_bytes,
	                                  (unsigned long long)known->item_bytes,
	                                  known->as_dict ? Py_True : Py_False)
			  : NULL;

	status = key && entry ? PyDict_SetItem(*memory, key, entry) : -1;
	Py_XDECREF(entry);
	Py_XDECREF(reference);
	Py_XDECREF(key);
	return status;
}
