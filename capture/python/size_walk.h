/* SPDX-License-Identifier: MIT
 *
 * The walk from a given object through all that it leads to, depth first, each
 * object before its referents, with a stack on the heap.  A frame of the stack
 * is an object whose referents are being walked.
 *
 * Objects on the stack are borrowed as long as no Python code can have run, which
 * is nearly always; before it runs (mr_walk_let_python_run()) the frames take
 * references, and what was read of containers before is read again after it.
 *
 * Needs the GIL.  Private to the extension _capture.
 */
#ifndef MR_SIZE_WALK_H
#define MR_SIZE_WALK_H

#include <Python.h>

#include "object_sizer.h"
#include "size_flat.h"
#include "size_seen.h"
#include "type_rules.h"

struct mr_account; /* asizer_account.h: the largest objects, and profiles of types */

struct mr_object_sizer {
	PyObject *module; /* borrowed */
	struct mr_sizing_state *state;
	struct mr_object_sizer_options options;
	struct mr_rules rules;
	struct mr_rule *dict_rule; /* for dicts that are not made; NULL: not needed yet */
	struct mr_seen seen;
	PyObject *excluded;     /* a list of classes, NULL: none */
	PyObject *kept;         /* a list: objects made by looking, which count, till the walk ends */
	struct mr_frame *spare; /* a stack that no walk uses */
	size_t spare_capacity;
	unsigned walks; /* under way, one inside the other */
	unsigned uses;  /* by calls that are under way: it stays where it is */
	uint64_t total_bytes;
	uint64_t missed;
	uint64_t depth_max;
	Py_ssize_t clip;            /* of the names of referents */
	struct mr_account *account; /* NULL: none is kept */
};

enum mr_step { /* what a frame walks; after enum mr_walk_kind */
	       MR_STEP_LIST,
	       MR_STEP_TUPLE,
	       MR_STEP_SET,
	       MR_STEP_DICT,
	       MR_STEP_INSTANCE,
	       MR_STEP_VALUES, /* of a dict that is not made */
	       MR_STEP_COLLECTED
};

struct mr_frame {
	PyObject *object;
	const struct mr_rule *rule;
	uint64_t size_bytes; /* so far: the object's flat size and its referents */
	Py_ssize_t at;       /* the next referent */
	PyObject *refs;      /* MR_STEP_COLLECTED: a list, owned */
	PyObject *names;     /* as many names, owned; NULL: not told */
	size_t node;         /* in the tree, + 1; 0: it has none */
	uint32_t deep;       /* of the object; the given one's is 0 */
	uint8_t step;        /* enum mr_step */
	uint8_t stage;       /* within an instance, or an entry of a dict */
	bool told;           /* its referents are told one by one */
};

struct mr_walk {
	struct mr_object_sizer *sizer;
	struct mr_frame *frames;
	size_t count;
	size_t capacity;
	size_t held;    /* the frames below have references to their objects */
	uint64_t epoch; /* how often Python code may have run */
	uint32_t until_signals;
	unsigned detail; /* levels that are told */
	struct mr_sized_tree *tree;
	uint64_t limit;
	uint64_t mask;
	uint64_t root_bytes; /* of the given object, with its referents */
	uint64_t root_flat_bytes;
	struct mr_instance_dict found; /* of the instance on top that has no dict */
	const PyObject *found_of;
	uint64_t found_epoch;
};

/* What a visit comes to. */
#define MR_VISIT_DONE 0
#define MR_VISIT_PUSHED 1 /* a new frame is on top: pointers to frames are no longer good */
#define MR_VISIT_FAILED (-1)

#define MR_SIGNALS_EVERY 65536u

/* Takes references to all that is on the stack: Python code may run now. */
void mr_walk_let_python_run(struct mr_walk *walk);
int mr_walk_check_signals(struct mr_walk *walk);

/* OBJECT is seen for the first time: counts it, for PARENT (NULL: it is the given one), and pushes
 * a frame when it has referents to walk.  NODE: its place in the tree + 1, or 0. */
int mr_walk_enter(struct mr_walk *walk, struct mr_frame *parent, PyObject *object, uint32_t deep, size_t node,
                  bool told);
/* Any visit of a referent that is told, as NAME (borrowed; NULL: by its own). */
int mr_walk_visit_told(struct mr_walk *walk, struct mr_frame *parent, PyObject *object, PyObject *name);
/* Visits the dict of PARENT, an instance. */
int mr_walk_visit_dict(struct mr_walk *walk, struct mr_frame *parent);
/* The sizer's rule for OBJECT, made when there is none; NULL with a Python error. */
struct mr_rule *mr_sizer_rule(struct mr_object_sizer *sizer, PyObject *object);
/* Is TYPE among those that exclude_types() was given?  By identity: a metaclass may compare as it likes. */
bool mr_sizer_excludes(const struct mr_object_sizer *sizer, const PyObject *type);
/* What of RULE depends on the sizer's options. */
void mr_sizer_apply_options(const struct mr_object_sizer *sizer, struct mr_rule *rule);
/* Appends a node; 0 with a Python error, its number + 1 otherwise. */
size_t mr_walk_add_node(struct mr_walk *walk, PyObject *name, uint32_t level);
/* Decides RULE, which is released by mr_rule_release(), for OBJECT alone; without PLAN, not how it is
 * sized and walked.  -1 with a Python error. */
int mr_object_rule(struct mr_sizing_state *state, PyObject *object, const struct mr_rules_options *options,
                   bool plan, struct mr_rule *rule);

/* The walk from OBJECT, the given one; its size is in root_bytes. */
int mr_walk_run(struct mr_walk *walk, PyObject *object);

/* Visits the next referents of the frame on top: MR_VISIT_PUSHED, or MR_VISIT_DONE when it has no more. */
int mr_walk_step(struct mr_walk *walk);

/* To be called before the next referent is read from its container: looks for Ctrl-C now and then. */
static inline int mr_walk_tick(struct mr_walk *walk)
{
	return MR_LIKELY(--walk->until_signals) ? 0 : mr_walk_check_signals(walk);
}

/* Visits a referent that is not told. */
static inline int mr_walk_visit(struct mr_walk *walk, struct mr_frame *parent, PyObject *object)
{
	const uint64_t address = (uint64_t)(uintptr_t)object;
	struct mr_seen *const seen = &walk->sizer->seen;
	unsigned shift;
	uint64_t *const word = mr_seen_word(seen, address, &shift);

	if (MR_UNLIKELY(!word)) {
		PyErr_NoMemory();
		return MR_VISIT_FAILED;
	}
	switch (mr_seen_state_in(word, shift)) {
	case MR_SEEN_NOT:
		mr_seen_enter(seen, word, shift);
		return mr_walk_enter(walk, parent, object, parent->deep + 1, 0, false);
	case MR_SEEN_GIVEN:
		return MR_VISIT_DONE;
	default:
		mr_seen_again(seen, word, shift, address);
		return MR_VISIT_DONE;
	}
}

#endif
