/* SPDX-License-Identifier: MIT
 *
 * The functions of asizeof that need no sizer, as the module's methods: basicsize(),
 * itemsize(), flatsize(), leng(), refs(), named_refs(), adict(), amapped().  Private
 * to the extension _capture.
 */
#ifndef MR_SIZE_FUNCTIONS_H
#define MR_SIZE_FUNCTIONS_H

#include <Python.h>

PyObject *mr_size_basicsize(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *mr_size_itemsize(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *mr_size_flatsize(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *mr_size_leng(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *mr_size_refs(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *mr_size_named_refs(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *mr_size_adict(PyObject *module, PyObject *args);
PyObject *mr_size_amapped(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *mr_size_show(PyObject *module, PyObject *args);
PyObject *mr_size_dict_types(PyObject *module, PyObject *unused);

#endif
