/* SPDX-License-Identifier: MIT
 *
 * See list_sum.h.
 */
#include "list_sum.h"

#include "base.h"

static bool can_be_added(PyObject *object)
{
	const PyNumberMethods *const numbers = Py_TYPE(object)->tp_as_number;

	return PyList_Check(object) || (numbers && numbers->nb_add == mr_list_sum);
}

PyObject *mr_list_sum(PyObject *left, PyObject *right)
{
	if (!can_be_added(left) || !can_be_added(right))
		Py_RETURN_NOTIMPLEMENTED;

	PyObject *const a = PySequence_List(left);
	PyObject *const b = a ? PySequence_List(right) : NULL;
	PyObject *const sum = b ? PySequence_Concat(a, b) : NULL;

	Py_XDECREF(a);
	Py_XDECREF(b);
	return sum;
}
