/* SPDX-License-Identifier: MIT
 *
 * Asized: the size of an object as asized() gives it, with its referents as more of
 * them.  Needs the GIL.  Private to the extension _capture.
 */
#ifndef MR_ASIZED_H
#define MR_ASIZED_H

#include <Python.h>

#include "object_sizer.h"

/* Adds the type to MODULE.  -1 with a Python error. */
int mr_asized_add_to_module(PyObject *module);

/* A new Asized for an object that is called NAME (borrowed), with TREE below it, whose
 * names are left to the tree.  NULL with a Python error. */
PyObject *mr_asized_from_tree(PyTypeObject *type, uint64_t size_bytes, uint64_t flat_bytes, PyObject *name,
                              const struct mr_sized_tree *tree);

#endif
