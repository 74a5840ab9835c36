/* SPDX-License-Identifier: MIT
 *
 * Lists of objects added up, for the list types of both extensions.  Part of each.
 */
#ifndef MR_LIST_SUM_H
#define MR_LIST_SUM_H

#include <Python.h>

/* For Py_nb_add: of two lists, one of which is of a type that has this for its sum: a list that can be
 * changed, a new reference; NotImplemented for anything else, NULL with a Python error. */
PyObject *mr_list_sum(PyObject *left, PyObject *right);

#endif
