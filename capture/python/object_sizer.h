/* SPDX-License-Identifier: MIT
 *
 * Sizes Python objects: the engine behind memcapture.asizeof and the tracker's
 * snapshots.  What an object refers to is decided by rules per type, walked depth
 * first with a stack of its own (a list in a list a million times over does no
 * harm); each object counts once, for the first that leads to it.
 *
 * Looking changes nothing: no dict is made for an instance that has none yet,
 * no __getattr__ and no property runs.  What does run, because sizes and names
 * are defined by it, is an overridden __sizeof__, and str() and repr() for names;
 * what they raise is dropped, and a failed __sizeof__ gives the plain size.
 *
 * All functions need the GIL.  An object that Python code could free while it is
 * being walked is held.  Private to the extension _capture.
 */
#ifndef MR_OBJECT_SIZER_H
#define MR_OBJECT_SIZER_H

#include <Python.h>

#include "base.h"

struct mr_object_sizer; /* what was visited, and the types seen so far */

struct mr_object_sizer_options { /* as Asizer's; mr_object_sizer_defaults() */
	uint64_t limit;          /* depth of recursion */
	uint64_t mask;           /* alignment - 1 */
	unsigned detail;         /* levels of referents that are told one by one */
	bool code;
	bool derive;
	bool frames;
	bool ignored;
	bool infer;
};

void mr_object_sizer_defaults(struct mr_object_sizer_options *options);

/* MODULE is _capture's, borrowed; NULL with a Python error. */
struct mr_object_sizer *mr_object_sizer_new(PyObject *module, const struct mr_object_sizer_options *options);
void mr_object_sizer_free(struct mr_object_sizer *sizer); /* NULL is fine */

/* References to OBJECT do not count; OBJECT itself does when it is given.  -1: a Python error. */
int mr_object_sizer_exclude(struct mr_object_sizer *sizer, const PyObject *object);
/* OBJECT is not sized at all. */
int mr_object_sizer_hide(struct mr_object_sizer *sizer, const PyObject *object);
/* For objects that are about to be sized: brings here what looking at them needs. */
void mr_object_sizer_prefetch(const struct mr_object_sizer *sizer, const PyObject *object);

/* The size of OBJECT with what it alone, so far, leads to, and its flat size.  -1: a
 * Python error (no memory, or Ctrl-C). */
int mr_object_sizer_size(struct mr_object_sizer *sizer, PyObject *object, uint64_t *size_bytes,
                         uint64_t *flat_bytes);

/* A referent, as named_refs would name it. */
struct mr_sized_node {
	PyObject *name; /* owned, a str */
	uint64_t size_bytes;
	uint64_t flat_bytes;
	uint32_t level; /* 1: direct */
};

/* Referents depth first, each before what is under it. */
struct mr_sized_tree {
	struct mr_sized_node *nodes;
	size_t count;
	size_t capacity;
};

/* The same with the referents down to LEVEL in TREE, which is emptied first. */
int mr_object_sizer_tree(struct mr_object_sizer *sizer, PyObject *object, unsigned level,
                         uint64_t *size_bytes, uint64_t *flat_bytes, struct mr_sized_tree *tree);
void mr_sized_tree_clear(struct mr_sized_tree *tree); /* keeps its memory */
void mr_sized_tree_release(struct mr_sized_tree *tree);

/* Sizes so far. */
uint64_t mr_object_sizer_total(const struct mr_object_sizer *sizer);
uint64_t mr_object_sizer_memory(const struct mr_object_sizer *sizer);

/* asizeof.basicsize(): of the type alone.  0 with a Python error. */
uint64_t mr_object_basic_size(PyObject *module, PyObject *object);

/* The object's repr, clipped as the original clips it for objects that are tracked (128), or
 * "N/A".  A new reference; NULL: no memory, or Ctrl-C. */
PyObject *mr_object_show(PyObject *object, Py_ssize_t clip);

#endif
