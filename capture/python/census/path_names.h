/* SPDX-License-Identifier: MIT
 *
 * What a reference from one object to another is called, as a programmer would write
 * it: [3], [key], .attribute.  The parent is looked at in memory; nothing of the
 * program runs, no key is compared but by identity, no text is asked of an object
 * that is not the interpreter's own.
 *
 * Needs the GIL.  Private to the extension _capture.
 */
#ifndef MR_PATH_NAMES_H
#define MR_PATH_NAMES_H

#include <Python.h>

#include "base.h"
#include "path_names_frame.h"

enum mr_step_kind {
	MR_STEP_UNKNOWN,   /* C code's own: no name */
	MR_STEP_ATTRIBUTE, /* .name: `object`, a str, or `word` where it is one */
	MR_STEP_INDEX,     /* [index] */
	MR_STEP_KEY,       /* the value of key `object` */
	MR_STEP_IS_KEY,    /* it is a key */
	MR_STEP_MEMBER,    /* of a set */
	MR_STEP_DICT,      /* the dict that holds the parent's attributes */
	MR_STEP_NOTHING    /* not worth a word: what a mappingproxy shows */
};

/* All that it points to is borrowed. */
struct mr_step {
	union {
		PyObject *object;
		const char *word;
		uint64_t index;
	};
	enum mr_step_kind kind;
	bool is_word; /* an attribute: `word` is set, not `object` */
};

/* Names the references from PARENT to each of CHILDREN (distinct; NULL: none) into STEPS, in one pass
 * over PARENT.  Of several references to one child the first counts.  -1: no memory, without an error. */
int mr_steps_name(PyObject *parent, PyObject *const *children, size_t count, struct mr_step *steps);
/* The same for a frame that need not be an object. */
int mr_steps_name_frame(const struct mr_frame *frame, PyObject *const *children, size_t count,
                        struct mr_step *steps);

enum mr_step_style {
	MR_STEP_PLAIN, /* as Reftracker writes: [name], [key:name] */
	MR_STEP_PYTHON /* ['name'], <key 'name'> */
};

/* Appends what STEP is called, as UTF-8 (surrogates as they are). */
void mr_step_text(struct mr_buffer *out, const struct mr_step *step, enum mr_step_style style);

/* Appends a short text for OBJECT, as Reftracker's objString() has it. */
void mr_object_text(struct mr_buffer *out, PyObject *object);
/* Appends a str as it is, or its first MAX characters. */
void mr_unicode_text(struct mr_buffer *out, PyObject *text, Py_ssize_t max);
/* Appends the last part of a type's name. */
void mr_type_text(struct mr_buffer *out, const PyTypeObject *type);

/* Is OBJECT a collections.deque, whose type no header of the interpreter names? */
static inline bool mr_is_deque(const PyObject *object)
{
	return strcmp(Py_TYPE(object)->tp_name, "collections.deque") == 0;
}

#endif
