/* SPDX-License-Identifier: MIT
 *
 * How memcapture.summary calls an object: by its type, or by what
 * summary.representations has for exactly that type.  Needs the GIL.  Private to
 * the extension _capture.
 */
#ifndef MR_SUMMARY_TEXT_H
#define MR_SUMMARY_TEXT_H

#include <Python.h>

#include "base.h"

/* The function in REPRESENTATIONS, a dict of lists, for objects of TYPE at VERBOSITY, a new
 * reference; NULL without an error: the type's own text. */
PyObject *mr_representation_of(PyObject *representations, PyTypeObject *type, Py_ssize_t verbosity);

/* The text of OBJECT that REPRESENTATION gives, or, when it is NULL, of its type; without addresses, and
 * of "<class 'a.B'>" only the name.  A new str; NULL with a Python error. */
PyObject *mr_summary_text(PyObject *representation, PyObject *object);

/* The text of TYPE, in the same way. */
PyObject *mr_summary_type_text(PyTypeObject *type);

/* Is the text that REPRESENTATION gives that of the type? */
bool mr_representation_is_by_type(PyObject *representation);

int mr_summary_text_add_to_module(PyObject *module);
int mr_summary_add_to_module(PyObject *module); /* summary_rows.c; with the above */

#endif
